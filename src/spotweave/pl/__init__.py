"""Pictures. Every function returns a matplotlib figure; nothing is shown, nothing is kept by pyplot."""

from ._colors import palette
from ._denoised import denoised
from ._genes import domain_markers
from ._guard import denoised_guard
from ._results import before_after, domain_curve, domains, training
from ._spatial import spatial
from ._violins import denoised_violin

__all__ = [
    "before_after",
    "denoised",
    "denoised_guard",
    "denoised_violin",
    "domain_curve",
    "domain_markers",
    "domains",
    "palette",
    "spatial",
    "training",
]
