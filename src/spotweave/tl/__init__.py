"""Tasks: AnnData in, results written into it."""

from ..models.gmm_vgae_params import GmmVgaeParams as GmmVgaeParams
from ._denoise import denoise as denoise
from ._denoise_methods import FactorParams as FactorParams
from ._denoise_methods import GmmVgaeMethodParams as GmmVgaeMethodParams
from ._denoise_output import Denoised as Denoised
from ._domain_markers import domain_markers as domain_markers
from ._domain_methods import FusionMethodParams as FusionMethodParams
from ._domain_methods import SmoothParams as SmoothParams
from ._domains import Domains as Domains
from ._domains import domains as domains
from ._find_pattern import find_pattern as find_pattern
from ._gene_interactions import gene_interactions as gene_interactions
from ._spatial_genes import spatial_genes as spatial_genes

__all__ = [
    "Denoised",
    "Domains",
    "FactorParams",
    "FusionMethodParams",
    "GmmVgaeMethodParams",
    "GmmVgaeParams",
    "SmoothParams",
    "denoise",
    "domain_markers",
    "domains",
    "find_pattern",
    "gene_interactions",
    "spatial_genes",
]
