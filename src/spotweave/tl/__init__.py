"""Tasks: AnnData in, results written into it."""

from ..core.alignment.params import AlignParams as AlignParams
from ..core.integration.center import CenterParams as CenterParams
from ..core.integration.harmony import HarmonyParams as HarmonyParams
from ..core.integration.matched import MatchedParams as MatchedParams
from ..models.gene_mae_params import GeneMaeParams as GeneMaeParams
from ..models.gmm_vgae_params import GmmVgaeParams as GmmVgaeParams
from ..models.histology_params import HistologyParams as HistologyParams
from ._align import Aligned as Aligned
from ._align import align as align
from ._choose_genes import choose_genes as choose_genes
from ._cross_validate_histology import cross_validate_histology as cross_validate_histology
from ._cross_validate_scores import HistologyScores as HistologyScores
from ._deconvolve import NbParams as NbParams
from ._deconvolve import Proportions as Proportions
from ._deconvolve import deconvolve as deconvolve
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
from ._gene_embedding import GeneEmbedding as GeneEmbedding
from ._gene_embedding import SmoothGenesParams as SmoothGenesParams
from ._gene_embedding import gene_embedding as gene_embedding
from ._gene_interactions import gene_interactions as gene_interactions
from ._gene_modules import GeneModules as GeneModules
from ._gene_modules import gene_modules as gene_modules
from ._histology import Histology as Histology
from ._impute import impute as impute
from ._integrate import Integration as Integration
from ._integrate import integrate as integrate
from ._map_cells import CellMap as CellMap
from ._map_cells import map_cells as map_cells
from ._spatial_genes import spatial_genes as spatial_genes

__all__ = [
    "AlignParams",
    "Aligned",
    "CellMap",
    "CenterParams",
    "Denoised",
    "Domains",
    "FactorParams",
    "FusionMethodParams",
    "GeneEmbedding",
    "GeneMaeParams",
    "GeneModules",
    "GmmVgaeMethodParams",
    "GmmVgaeParams",
    "HarmonyParams",
    "Histology",
    "HistologyParams",
    "HistologyScores",
    "Integration",
    "MatchedParams",
    "NbParams",
    "Proportions",
    "SmoothGenesParams",
    "SmoothParams",
    "align",
    "choose_genes",
    "cross_validate_histology",
    "deconvolve",
    "denoise",
    "domain_markers",
    "domains",
    "find_pattern",
    "gene_embedding",
    "gene_interactions",
    "gene_modules",
    "impute",
    "integrate",
    "map_cells",
    "spatial_genes",
]
