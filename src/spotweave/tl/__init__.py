"""Tasks: AnnData in, results written into it."""

from ._domain_markers import domain_markers as domain_markers
from ._domain_methods import FusionMethodParams as FusionMethodParams
from ._domain_methods import SmoothParams as SmoothParams
from ._domains import Domains as Domains
from ._domains import domains as domains

__all__ = ["Domains", "FusionMethodParams", "SmoothParams", "domain_markers", "domains"]
