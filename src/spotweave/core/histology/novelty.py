"""Is a new spot, or a new slide, like anything that was trained on?"""

from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

from .basis import principal_basis

N_AXES = 30
NEIGHBOR = 5  # the fifth nearest: one odd training tile must not vouch for another
MOST = 5_000  # training tiles kept
QUANTILE = 0.99
FAR = 2.0  # times as far from the training mean as the farthest training section


class Novelty(NamedTuple):
    """What training tiles look like."""

    axes: np.ndarray
    """Principal axes of standardised features [d, q]."""
    bank: np.ndarray
    """Training tiles along them [m, q]."""
    limit: np.ndarray
    """Distance beyond which 1 % of training tiles lie from tiles of other folds, scalar."""
    mean: np.ndarray
    """Raw features, mean over training sections [d]."""
    scale: np.ndarray
    """Raw features, standard deviation over training spots [d]."""
    shift: np.ndarray
    """How far training sections lie from the mean of the others: the farthest, scalar."""


def learn_novelty(
    features: np.ndarray, raw: np.ndarray, section: np.ndarray, fold: np.ndarray, rng: np.random.Generator
) -> Novelty:
    """Describe the training tiles.

    Parameters
    ----------
    features
        Standardised within sections ``[n, d]``.
    raw
        As the encoder gave them ``[n, d]``.
    section, fold
        Codes ``[n]``.
    rng
        Draws the tiles that are kept among more than 5,000; a few of each fold in any case.

    Returns
    -------
    Novelty.
    """
    axes = principal_basis(features).axes[:, :N_AXES]
    rows = _kept(fold, rng)
    bank, kept = features[rows] @ axes, fold[rows]
    far = [_distance(bank[kept == f], bank[kept != f]) for f in np.unique(kept)]
    means = np.stack([raw[section == s].mean(axis=0, dtype=np.float64) for s in np.unique(section)])
    scale = np.maximum(raw.std(axis=0, dtype=np.float64), 1e-12)
    return Novelty(
        axes, bank, np.quantile(np.concatenate(far), QUANTILE), means.mean(axis=0), scale, _widest(means, scale)
    )


def tile_novelty(novelty: Novelty, features: np.ndarray) -> np.ndarray:
    """Distance of each standardised tile to training tiles, over the limit ``[n]``: above 1 is out of distribution."""
    return _distance(features @ novelty.axes, novelty.bank) / np.maximum(novelty.limit, 1e-12)


def slide_novelty(novelty: Novelty, raw: np.ndarray) -> float:
    """How far a slide's mean tile lies from training, over twice the farthest training section: above 1 is another world.

    Standardising within sections hides differences between slides as a whole; this is where they show (another stain,
    scanner, magnification or organ). With one training section there is no yardstick but the spread of its tiles.
    """
    shift = np.sqrt((((raw.mean(axis=0, dtype=np.float64) - novelty.mean) / novelty.scale) ** 2).mean())
    return float(shift / (FAR * max(float(novelty.shift), 1e-12)))


def _kept(fold: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of the bank: a random part, and of each fold enough to be a neighbour."""
    if len(fold) <= MOST:
        return np.arange(len(fold))
    order = rng.permutation(len(fold))
    few = [order[fold[order] == f][:NEIGHBOR] for f in np.unique(fold)]
    return np.unique(np.concatenate([order[:MOST], *few]))


def _distance(x: np.ndarray, bank: np.ndarray) -> np.ndarray:
    k = min(NEIGHBOR, len(bank))
    return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(bank).kneighbors(x)[0][:, -1]


def _widest(means: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the largest distance of a section from the mean of the others; 1 standard deviation when there is one."""
    if len(means) == 1:
        return np.array(1.0)
    others = (means.sum(axis=0) - means) / (len(means) - 1)
    return np.sqrt((((means - others) / scale) ** 2).mean(axis=1)).max()
