"""Pictures. Every function returns a matplotlib figure; nothing is shown, nothing is kept by pyplot."""

from ._colors import palette
from ._genes import domain_markers
from ._results import before_after, domain_curve, domains, training
from ._spatial import spatial

__all__ = ["before_after", "domain_curve", "domain_markers", "domains", "palette", "spatial", "training"]
