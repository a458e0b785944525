"""Seeded simulators of tissue with known truth, in memory and on disk."""

from ._cohort import simulate_cohort
from ._patterns import simulate_patterns
from ._reference import simulate_reference
from ._stain import simulate_stain
from ._stream import simulate_to_disk
from ._tissue import simulate_tissue

__all__ = [
    "simulate_cohort",
    "simulate_patterns",
    "simulate_reference",
    "simulate_stain",
    "simulate_tissue",
    "simulate_to_disk",
]
