"""Pictures. Every function returns a matplotlib figure; nothing is shown, nothing is kept by pyplot."""

from ._aligned import aligned
from ._colocation import colocation
from ._colors import palette
from ._composition import composition
from ._denoised import denoised
from ._gene_map import gene_embedding
from ._genes import domain_markers
from ._guard import denoised_guard
from ._histology_scores import histology_scores
from ._imputed import imputed
from ._imputed_scores import imputed_scores
from ._integrated import integrated
from ._module_maps import gene_modules, module_genes
from ._predicted import predicted
from ._proportions import proportions
from ._results import before_after, domain_curve, domains, training
from ._spatial import spatial
from ._violins import denoised_violin
from ._volcano import spatial_genes

__all__ = [
    "aligned",
    "before_after",
    "colocation",
    "composition",
    "denoised",
    "denoised_guard",
    "denoised_violin",
    "domain_curve",
    "domain_markers",
    "domains",
    "gene_embedding",
    "gene_modules",
    "histology_scores",
    "imputed",
    "imputed_scores",
    "integrated",
    "module_genes",
    "palette",
    "predicted",
    "proportions",
    "spatial",
    "spatial_genes",
    "training",
]
