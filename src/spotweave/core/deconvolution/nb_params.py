"""Settings of the negative binomial regression of spots."""

from dataclasses import dataclass


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
    """Rounds of weights and of what all spots share."""
    n_steps: int = 4
    """Reweighted steps of a round."""
    n_final: int = 12
    """Reweighted steps of each spot in the end, at most."""
    n_draws: int = 20
    """Perturbed fits that standard deviations come from; 0 for none."""
