"""Layers of the interactive map about expression from a picture: the best genes, and how unlike training each spot is."""

from typing import NamedTuple

import numpy as np

from .. import _keys as keys
from .._check import InputError
from ..pl._predicted_values import (
    best_predicted,
    gene_positions,
    measured_expression,
    predicted_expression,
    prediction,
    slide_column,
)
from ..pl._values import numbers, symbols
from ._context import Context

_GENES = 8


class Layer(NamedTuple):
    """Values to colour cells by."""

    name: str
    values: np.ndarray
    limits: tuple[float, float]


def histology_layers(context: Context) -> list[Layer]:
    """Return measured and predicted values of the best genes, then novelty; nothing when there are no predictions."""
    adata = context.adata
    try:
        result = prediction(adata)
    except InputError:
        return []
    genes = best_predicted(adata, _GENES)
    positions = gene_positions(adata, genes, most=_GENES) if genes else []
    slide = slide_column(adata, result, context.library_key)
    truth = measured_expression(adata, positions, slide=slide)
    guess = predicted_expression(adata, positions)
    found = []
    for j, name in enumerate(symbols(adata, genes)):
        sides = [("measured", None if truth is None else truth[:, j]), ("predicted", guess[:, j])]
        found += [Layer(f"{name}, {side}", x, numbers("", x).limits) for side, x in sides if x is not None]
    if keys.IMAGE_NOVELTY in adata.obs:
        novelty = adata.obs[keys.IMAGE_NOVELTY].to_numpy(dtype=float)
        found.append(
            Layer(
                "novelty of the picture (above 1: unlike training)",
                novelty,
                (0.0, max(2.0, numbers("", novelty).limits[1])),
            )
        )
    return found
