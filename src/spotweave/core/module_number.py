"""Modules of gene embeddings: a spherical Student-t mixture, and how many components it has."""

from typing import Any, NamedTuple

import numpy as np

from .student_mixture import StudentMixture

MOST_MODULES = 60
ROWS_PER_MODULE = 4
"""Fewer genes than this for each module are not asked about."""
PATIENCE = 4
"""Numbers in a row that are no better before larger ones are not tried."""
N_INIT, N_INIT_SCAN = 24, 2
"""Starts of the mixture that is kept, and of one that is only scored: at twenty modules about one start in six finds the
best maximum known."""

STEPS, STEPS_SCAN = 500, 80
"""Of EM, at most."""


class Modules(NamedTuple):
    """A fitted mixture."""

    probability: np.ndarray
    """Posterior [g, k]."""
    curve: dict[str, np.ndarray]
    """``n_modules`` and ``score`` (BIC) of each number tried."""
    dof: float
    """Degrees of freedom, of all components."""
    converged: bool


def fit_modules(H: np.ndarray, n_modules: int | None, *, most: int, rng: np.random.Generator) -> Modules:
    """Fit the mixture; without a number, the one of least BIC.

    Numbers are tried in steps of about a fifth until `PATIENCE` of them in a row are no better, then those between the
    two around the best.

    Parameters
    ----------
    H
        Embedding ``[g, d]``.
    n_modules
        Number of components; fewer remain where some fall empty.
    most
        Largest number tried.
    rng
        Draws the starts.

    Returns
    -------
    Posteriors and the curve.
    """
    scores: dict[int, float] = {}

    def scan(numbers: list[int]) -> int:
        rising = 0
        for k in numbers:
            scores[k] = scores[k] if k in scores else fitted(H, k, N_INIT_SCAN, STEPS_SCAN, rng).bic(H)
            rising = rising + 1 if scores[k] > min(scores.values()) else 0
            if rising == PATIENCE:
                break
        return min(scores, key=lambda k: scores[k])

    if n_modules is None:
        coarse = candidates(min(most, max(len(H) // ROWS_PER_MODULE, 1)))
        best = scan(coarse)
        at = coarse.index(best)
        low, high = coarse[max(at - 1, 0)], coarse[min(at + 1, len(coarse) - 1)]
        n_modules = scan(list(range(low + 1, high, max(1, (high - low) // 4))))
    model = fitted(H, n_modules, N_INIT, STEPS, rng)
    scores[n_modules] = min(scores.get(n_modules, np.inf), model.bic(H))
    numbers = np.array(sorted(scores))
    curve: dict[str, Any] = {"n_modules": numbers, "score": np.array([scores[k] for k in numbers])}
    return Modules(model.predict_proba(H), curve, float(model.dofs_[0]), bool(model.converged_))


def candidates(most: int) -> list[int]:
    """Whole numbers from 1 to `most` in steps of one, then of about a fifth."""
    numbers = [1]
    while numbers[-1] < most:
        numbers.append(min(max(numbers[-1] + 1, round(numbers[-1] * 1.2)), most))
    return numbers


def fitted(H: np.ndarray, k: int, n_init: int, n_steps: int, rng: np.random.Generator) -> StudentMixture:
    """A spherical mixture with one number of degrees of freedom."""
    return StudentMixture(k, covariance="spherical", dof="shared", n_init=n_init, max_iter=n_steps, rng=rng).fit(H)
