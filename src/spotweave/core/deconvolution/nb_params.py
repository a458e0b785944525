"""Settings of the negative binomial regression of spots."""

from dataclasses import dataclass

from ..._check import check_range, fail


@dataclass(frozen=True)
class NbParams:
    """Settings of ``method="nb"``."""

    n_genes: int | None = 2_000
    """Most informative genes to use; None: all."""
    n_directions: int = 30
    """Directions of variation within types that spots may differ in."""
    background: bool = True
    """A flat profile for diffuse counts that belong to no type."""
    platform: bool = True
    """A factor for each gene between the technologies."""
    size_exponent: float = 0.5
    """Counts of a type are divided by its mean depth in the reference to this power: 1 takes depth for a cell's amount
    of RNA, 0 for an accident of the technology; nothing in the counts tells how much of it is either."""
    n_rounds: int = 5
    """Rounds of weights and of what all spots share, at least 2."""
    n_steps: int = 4
    """Reweighted steps of a round."""
    n_final: int = 12
    """Reweighted steps of each spot in the end, at most."""
    n_draws: int = 20
    """Perturbed fits that standard deviations come from; 0 for none."""

    def __post_init__(self) -> None:
        least = {"n_directions": 0, "n_rounds": 2, "n_steps": 1, "n_final": 1, "n_draws": 0}
        for name, low in least.items():
            check_range(getattr(self, name), name, low=low, high=1e6, integer=True)
        if self.n_genes is not None:
            check_range(self.n_genes, "n_genes", low=2, high=1e9, integer=True)
        if self.n_draws == 1:
            raise fail("`n_draws` to be 0, or at least 2 for a standard deviation", "1")
        check_range(self.size_exponent, "size_exponent", low=0, high=1)
