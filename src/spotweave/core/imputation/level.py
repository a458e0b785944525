"""How many counts of a gene that was not measured would be found: the platform's sensitivity, guessed from the panel."""

from typing import NamedTuple

import numpy as np


class Level(NamedTuple):
    r""":math:`\log l_g = b_0 + b_1 \log r_g`: shares in the target from shares in the reference."""

    intercept: float
    slope: float
    error: float
    """Standard deviation of the log shares of panel genes around it."""

    def predict(self, share: np.ndarray) -> np.ndarray:
        """Shares of genes in the target ``[t]``, from those in the reference."""
        return np.exp(self.intercept + self.slope * np.log(np.maximum(share, TINY)))


TINY = 1e-12


def fit_level(target: np.ndarray, reference: np.ndarray, *, most_slope: float = 1.2) -> Level:
    """Regress the log share of panel genes in the target on that in the reference.

    A probe catches more or less of its molecules than its neighbour's, so the two shares may differ by a factor of ten
    either way; the slope says how much the reference's level means at all.

    Parameters
    ----------
    target
        Counts of panel genes in the target ``[p]``.
    reference
        The same in the reference.
    most_slope
        Slopes are kept between 0 and this.

    Returns
    -------
    Regression of the shares, half a count added to each.
    """
    y, x = (np.log((total + 0.5) / (total + 0.5).sum()) for total in (np.asarray(target), np.asarray(reference)))
    spread = x.var()
    slope = float(np.clip(((x - x.mean()) * (y - y.mean())).mean() / spread, 0, most_slope)) if spread > 0 else 1.0
    intercept = float(y.mean() - slope * x.mean())
    freedom = max(len(x) - 2, 1)
    return Level(intercept, slope, float(np.sqrt(((y - intercept - slope * x) ** 2).sum() / freedom)))
