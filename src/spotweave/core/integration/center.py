"""The plainest integration: every batch gets the same mean."""

from dataclasses import dataclass

import numpy as np

from .slices import Integrated, Slices, centred, check_slices


@dataclass(frozen=True)
class CenterParams:
    """``method="center"`` has no settings."""


def center(slices: Slices, params: CenterParams, rng: np.random.Generator) -> Integrated:
    """Subtract from each cell the mean of its batch: right where all batches hold the same tissue in equal parts.

    Parameters
    ----------
    slices
        Components and batches.
    params
        None.
    rng
        Not used.

    Returns
    -------
    Components of mean zero in each batch.
    """
    check_slices(slices)
    return Integrated(centred(slices.P, slices.batch))
