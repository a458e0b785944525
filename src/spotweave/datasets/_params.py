"""What a simulated tissue is made of: the checked arguments, and the physical constants behind them."""

from dataclasses import dataclass

from .._check import check_choice, check_range

LAYOUTS = ("layers", "blobs", "rings")
RESOLUTIONS = ("spot", "cell")

PITCH_UM = {"spot": 100.0, "cell": 10.0}  # centre to centre; spots as in 10x Visium, cells as in packed epithelium
SPOT_DIAMETER_UM = 55.0  # 10x Visium
CELLS_PER_SPOT = 8.0  # mean; Visium sections of 10 um hold about 1 to 10 cells a spot
BLOCK_ENTRIES = 2_000_000  # counts drawn at once: some 40 MB, whatever the number of genes


@dataclass(frozen=True)
class TissueParams:
    """Checked arguments of a simulation; see :func:`simulate_tissue` for their meaning."""

    n_obs: int = 2_000
    n_genes: int = 500
    n_domains: int = 5
    layout: str = "layers"
    resolution: str = "spot"
    n_types: int = 8
    n_slices: int = 1
    signal: float = 0.5
    library_size: float = 2_000.0
    overdispersion: float = 0.15
    dropout: float = 0.0
    batch_effect: float = 0.0

    def __post_init__(self) -> None:
        check_range(self.n_obs, "n_obs", low=1, high=1e9, integer=True)
        check_range(self.n_genes, "n_genes", low=1, high=1e6, integer=True)
        check_range(self.n_slices, "n_slices", low=1, high=self.n_obs, integer=True, why="at most n_obs")
        per_slice = self.n_obs // self.n_slices
        check_range(
            self.n_domains, "n_domains", low=1, high=per_slice, integer=True, why="at most the observations of a slice"
        )
        check_range(self.n_types, "n_types", low=1, high=1_000, integer=True)
        check_choice(self.layout, LAYOUTS, "layout")
        check_choice(self.resolution, RESOLUTIONS, "resolution")
        check_range(self.signal, "signal", low=0, high=1)
        check_range(self.library_size, "library_size", low=1, high=1e7)
        check_range(self.overdispersion, "overdispersion", low=0, high=10)
        check_range(self.dropout, "dropout", low=0, high=0.99)
        check_range(self.batch_effect, "batch_effect", low=0, high=3)

    @property
    def pitch_um(self) -> float:
        """Distance of neighbouring observations."""
        return PITCH_UM[self.resolution]

    @property
    def slice_sizes(self) -> list[int]:
        """Observations in each slice: as even as can be, the sum is ``n_obs``."""
        even, rest = divmod(self.n_obs, self.n_slices)
        return [even + (s < rest) for s in range(self.n_slices)]

    @property
    def block_rows(self) -> int:
        """Observations drawn by one random generator (and held densely) at a time."""
        return min(max(BLOCK_ENTRIES // self.n_genes, 64), 8_192)
