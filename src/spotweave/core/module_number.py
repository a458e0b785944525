"""Modules of gene embeddings: a spherical Student-t mixture, and how many components it has."""

from typing import Any, NamedTuple

import numpy as np

from .gene_smooth import unit_rows
from .student_mixture import StudentMixture

MOST_MODULES = 60
ROWS_PER_MODULE = 4
"""While the number is chosen, modules of fewer genes are removed (Figueiredo & Jain 2002): a heavy-tailed mixture is
else likeliest with single genes as modules of their own."""
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


def fit_modules(
    H: np.ndarray, n_modules: int | None, *, most: int, n_components: int = 16, rng: np.random.Generator
) -> Modules:
    """Fit the mixture to the leading directions of the genes; without a number, the one of least BIC.

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
    n_components
        Leading singular directions that are kept, rows scaled to length one again: the others are mostly noise, of
        which a common variance knows nothing.
    rng
        Draws the starts.

    Returns
    -------
    Posteriors and the curve.
    """
    H = leading(H, n_components)
    scores: dict[int, float] = {}
    if n_modules is None:
        coarse = candidates(min(most, max(len(H) // ROWS_PER_MODULE, 1)))
        best = _scan(H, coarse, scores, rng)
        low, high = max((k for k in coarse if k < best), default=1), min((k for k in coarse if k > best), default=best)
        n_modules = _scan(H, list(range(low + 1, high, max(1, (high - low) // 4))), scores, rng)
    model = fitted(H, n_modules, N_INIT, STEPS, rng)
    scores[n_modules] = min(scores.get(n_modules, np.inf), model.bic(H))
    numbers = np.array(sorted(scores))
    curve: dict[str, Any] = {"n_modules": numbers, "score": np.array([scores[k] for k in numbers])}
    return Modules(model.predict_proba(H), curve, float(model.dofs_[0]), bool(model.converged_))


def leading(H: np.ndarray, n_components: int) -> np.ndarray:
    """Rows ``[g, d]`` in their leading singular directions, of length one; as many as there are when fewer."""
    _, _, V = np.linalg.svd(H, full_matrices=False)
    return unit_rows(H @ V[:n_components].T)


def _scan(H: np.ndarray, numbers: list[int], scores: dict[int, float], rng: np.random.Generator) -> int:
    """Add the BIC of fits that start with these numbers, under the number of modules that remain; return the best."""
    rising = 0
    for k in numbers:
        fit = fitted(H, k, N_INIT_SCAN, STEPS_SCAN, rng, concentration=1.0 - ROWS_PER_MODULE)
        least = min(scores.values(), default=np.inf)
        scores[fit.n_components_] = min(scores.get(fit.n_components_, np.inf), fit.bic(H))
        rising = 0 if min(scores.values()) < least else rising + 1
        if rising == PATIENCE:
            break
    return min(scores, key=lambda k: scores[k])


def candidates(most: int) -> list[int]:
    """Whole numbers from 1 to `most` in steps of one, then of about a fifth."""
    numbers = [1]
    while numbers[-1] < most:
        numbers.append(min(max(numbers[-1] + 1, round(numbers[-1] * 1.2)), most))
    return numbers


def fitted(
    H: np.ndarray, k: int, n_init: int, n_steps: int, rng: np.random.Generator, *, concentration: float = 1.0
) -> StudentMixture:
    """A spherical mixture with one number of degrees of freedom."""
    mixture = StudentMixture(
        k, covariance="spherical", dof="shared", concentration=concentration, n_init=n_init, max_iter=n_steps, rng=rng
    )
    return mixture.fit(H)
