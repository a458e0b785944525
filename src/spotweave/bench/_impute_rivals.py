"""What can be said of a gene without looking at its kind: a rival that knows more has to beat it."""

import numpy as np

from ._denoise_rivals import depths
from ._impute_pair import Pair


def gene_mean(pair: Pair, rng: np.random.Generator) -> np.ndarray:
    """The same in all cells: the mean of the reference."""
    mean = np.asarray(pair.Y.mean(axis=0), dtype=np.float64).ravel()
    return np.tile(mean, (pair.X.shape[0], 1))


def depth(pair: Pair, rng: np.random.Generator) -> np.ndarray:
    """In proportion to the counts of the panel."""
    return np.outer(depths(pair.X), _shares(pair))


def panel_mean(pair: Pair, rng: np.random.Generator) -> np.ndarray:
    """In proportion to the mean of the panel's genes, each divided by its own mean, so that no gene outweighs others.

    Genes of the panel without counts say nothing.
    """
    mean = np.asarray(pair.X.mean(axis=0), dtype=np.float64).ravel()
    weight = np.divide(1.0, mean, out=np.zeros(len(mean)), where=mean > 0)
    return np.outer(pair.X @ weight, _shares(pair))


RIVALS = {"gene_mean": gene_mean, "depth": depth, "panel_mean": panel_mean}


def _shares(pair: Pair) -> np.ndarray:
    """Counts of the wanted genes ``[t]`` for each count of the panel, in the reference."""
    return np.asarray(pair.Y.sum(axis=0), dtype=np.float64).ravel() / pair.R.sum()
