"""Settings of alignment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AlignParams:
    """Settings of `spotweave.core.alignment.fit.align`; the defaults are used on all data sets alike."""

    n_features: int = 8
    """Smooth directions of the embedding that are compared."""
    width: float = 1.0
    """Standard deviation of the average over surroundings, in distances between points: for the last steps."""
    width_coarse: float = 2.5
    """The same for the search and the first steps."""
    n_angles: int = 72
    """Rotations that are tried over the full circle."""
    n_starts: int = 3
    """Best placements of the search that are refined, besides some at other rotations."""
    min_overlap: float = 0.3
    """Least overlap of two slices, share of the smaller one."""
    max_sites: int = 4_000
    """A slice of more points is averaged over squares, about so many."""
    max_pixels: int = 1_200
    """Pixels of tissue in the search, about."""
    ambiguous: float = 0.8
    """Score of the second rotation, share of the best, above which an alignment is called ambiguous."""
    contrast: float = 2.7
    """Best score of the search over that of a typical rotation, below which no placement stands out."""
    warp_spacing: float = 5.0
    """Distance between the centres of a warp, in distances between points."""
