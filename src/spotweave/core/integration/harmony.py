"""Harmony, from the package harmonypy, on averages over the surroundings."""

from dataclasses import dataclass

import numpy as np

from ..._check import fail
from ..directions import leading_axes
from .slices import Integrated, Slices, centred, check_slices
from .surroundings import averaged


@dataclass(frozen=True)
class HarmonyParams:
    """Settings of ``method="harmony"``; what is not here stays as the package has it."""

    n_hops: int = 2
    """Averages over the graph neighbourhood."""
    n_axes: int = 50
    """Leading dimensions that Harmony works on."""
    n_rounds: int = 10
    """Most rounds of clustering and correcting."""
    diversity: float = 2.0
    """Penalty of clusters that hold few batches (theta)."""


def harmony(slices: Slices, params: HarmonyParams, rng: np.random.Generator) -> Integrated:
    """Run Harmony on averaged components and move the cells as their surroundings were moved.

    Batches are centred before: Harmony's first clusters are else those of the batches where the effect is large, and
    it stops there. The components of the cells get the displacement of their average.

    Parameters
    ----------
    slices
        Components, graph and batches.
    params
        Settings.
    rng
        Draws the package's seed.

    Returns
    -------
    Components as moved.

    Raises
    ------
    InputError
        When the package is not installed.

    References
    ----------
    Korsunsky et al. 2019, Nat. Methods 16:1289.
    """
    check_slices(slices)
    try:
        from harmonypy import run_harmony
    except ImportError as error:
        raise fail(
            "the package harmonypy for method='harmony'",
            f"none ({error})",
            "Run: pip install 'spotweave[harmony]', or take method='matched'.",
        ) from None
    Q = centred(slices.P, slices.batch)
    H = averaged(Q, slices.W, params.n_hops)
    axes = leading_axes(H, min(params.n_axes, H.shape[1]))
    E = np.asarray((H - H.mean(axis=0)) @ axes, np.float64)
    result = run_harmony(
        E,
        {"batch": slices.batch},
        "batch",
        theta=params.diversity,
        max_iter_harmony=params.n_rounds,
        random_state=int(rng.integers(2**31)),
        verbose=False,
        ncores=1,
    )
    moved = np.asarray(result.Z_corr, np.float64)
    moved = moved if moved.shape == E.shape else moved.T  # the package's orientation has changed between versions
    return Integrated((Q + (moved - E) @ axes.T).astype(slices.P.dtype))
