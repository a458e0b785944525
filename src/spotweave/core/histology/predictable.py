"""Which genes an image tells anything about: a test that knows that truth and prediction are both smooth in space."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import ndtr
from scipy.stats import false_discovery_control

from ..._check import check_coords, fail
from ..libraries import library_blocks
from ..likelihood import dense
from ..rotation_null import rotation_z
from ..spatial_basis import spatial_basis
from ..tiles import spatial_tiles

MOST_VALUES = 4_000_000  # of a dense block of genes: 32 MB
WAVES_PER_BLOCK = 2  # half the wave of the finest is then shorter than a block is wide: what is left is local
MOST_WAVES = 512  # of a section: their cost grows with the square
BAND = 3  # waves whose power is taken to be equal: more of them differ in a field with a steep spectrum
INDEPENDENT = 0.8
"""Part of the coefficients of a band that counts: on tissue with edges they correlate. Chosen by simulation of smooth
fields with correlation lengths of 0 to 16 spots on squares and notched discs of 10 to 60 blocks: without it, up to
7.6 % of independent predictions have p < 0.05 and 0.5 % have p < 0.001; with it, about 5 % and 0.1 % at most."""
LOCAL = (
    10,
    64,
)  # coefficients that the remainder counts as: near enough to a normal one, of the variance of its blocks


class Predictable(NamedTuple):
    """Test of each gene ``[g]``."""

    z: np.ndarray
    """Standard normal score, above 0 for agreement; 0 for a gene whose truth or prediction is constant."""
    p: np.ndarray
    """One-sided p value; 1 for such a gene."""
    q: np.ndarray
    """The same, after Benjamini and Hochberg over genes."""


def tissue_blocks(xy: np.ndarray, section: np.ndarray, *, size: int = 25) -> np.ndarray:
    """Cut sections into compact blocks of nearly equal size.

    Parameters
    ----------
    xy
        Coordinates ``[n, 2]``.
    section
        Codes ``[n]`` of the section of each spot; no block crosses sections.
    size
        Most spots in a block.

    Returns
    -------
    Codes 0..B-1 ``[n]``.
    """
    codes = np.empty(len(xy), np.intp)
    for code, rows in enumerate(spatial_tiles(xy, max_size=size, library=section)):
        codes[rows] = code
    return codes


def predictable_genes(
    truth: Any, predicted: Any, blocks: np.ndarray, *, section: np.ndarray, xy: np.ndarray
) -> Predictable:
    r"""Test each gene for a prediction that follows the truth within sections.

    Truth y and prediction h are both smooth in space, over domains much wider than a block of 25 spots, so that neither
    spots nor blocks are independent observations of their agreement: among independent smooth fields, the sign test of
    the blocks' covariances finds 10 to 30 % at a level of 5 %. The agreement is therefore cut by wavelength first: with
    orthonormal waves :math:`\phi_k` of the section (`spatial_basis`; two for each block) and what they leave of the
    values, marked by a tilde,

    .. math:: T = \sum_k (\phi_k \cdot h)(\phi_k \cdot y) + \sum_b c_b, \qquad
              c_b = \sum_{i \in b} \tilde h_i \tilde y_i,

    which is the sum over spots of the products of both, centred in each section. The coefficients of a stationary
    field are uncorrelated, those of three waves of one length have one variance, and a remainder is short-ranged, so that
    blocks of it are independent. `rotation_z` gives the chance of T among fields turned at random within each band of
    three waves, and with the signs of the :math:`c_b`.

    Parameters
    ----------
    truth
        Expression ``[n, g]``, dense or sparse.
    predicted
        Out-of-fold predictions ``[n, g]``: made by a model that saw no spot of the block, nor of its patient.
    blocks
        Codes 0..B-1 ``[n]``, see `tissue_blocks`; each within one section. Waves keep up with 256 blocks a section: cut
        larger ones for more than some 6,000 spots.
    section
        Codes 0..s-1 ``[n]`` of the section of each spot.
    xy
        Coordinates ``[n, 2]``.

    Returns
    -------
    Score, p and q of each gene. Of a gene that varies over one broad gradient, a single small section tells little.

    Raises
    ------
    InputError
        When shapes do not fit, values are not finite, a block crosses sections, or there are fewer than 2 blocks.
    """
    truth, predicted = (sp.csr_matrix(X) if sp.issparse(X) else np.asarray(X) for X in (truth, predicted))
    blocks, section, xy = np.asarray(blocks), np.asarray(section), check_coords(xy, "xy")
    _check(truth, predicted, blocks, section, xy)
    parts = [_agreement(truth, predicted, rows, blocks[rows], xy[rows]) for rows in library_blocks(len(xy), section)]
    total = np.sum([part[0] for part in parts], axis=0)
    reach, size = np.vstack([part[1] for part in parts]), np.concatenate([part[2] for part in parts])
    z = rotation_z(total, reach.T, size)
    p = np.where(reach.any(axis=0), ndtr(-z), 1.0)
    return Predictable(z, p, false_discovery_control(p))


def _check(truth: Any, predicted: Any, blocks: np.ndarray, section: np.ndarray, xy: np.ndarray) -> None:
    if truth.ndim != 2 or truth.shape != predicted.shape or 0 in truth.shape:
        raise fail(f"a prediction of shape {list(truth.shape)}, as the truth", f"shape {list(predicted.shape)}")
    n = truth.shape[0]
    if not blocks.shape == section.shape == (len(xy),) == (n,):
        found = f"shapes {list(blocks.shape)}, {list(section.shape)} and {list(xy.shape)}"
        raise fail(f"a block, a section and a point for each of {n} spots", found)
    n_blocks = len(np.unique(blocks))
    if n_blocks < 2:
        raise fail("at least 2 blocks", str(n_blocks), "Choose a smaller `size` of blocks.")
    if len(np.unique(np.stack([blocks, section]), axis=1).T) > n_blocks:
        raise fail("each block within one section", "a block that crosses sections", "Cut with `tissue_blocks`.")


def _agreement(
    truth: Any, predicted: Any, rows: np.ndarray, blocks: np.ndarray, xy: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of one section: T ``[g]``, greatest part of each band in it ``[K, g]``, number of coefficients ``[K]``."""
    codes = np.unique(blocks, return_inverse=True)[1]
    n, n_blocks = len(rows), int(codes.max()) + 1
    by_block = sp.csr_matrix((np.ones(n), (codes, np.arange(n))), shape=(n_blocks, n))
    F = spatial_basis(xy, min(WAVES_PER_BLOCK * n_blocks, MOST_WAVES)).functions  # [n, m]
    m = F.shape[1]
    starts = np.arange(0, max(m - BAND + 1, min(m, 1)), BAND)  # of the bands; the last may be wider
    size = np.append(np.maximum(INDEPENDENT * np.diff(np.append(starts, m)), 1.2), np.clip(n_blocks, *LOCAL))
    totals, reaches, step = [], [], max(1, MOST_VALUES // n)
    for y, h in zip(_blocks_of_genes(truth, rows, step), _blocks_of_genes(predicted, rows, step), strict=True):
        a, b = F.T @ y, F.T @ h  # [m, genes]
        c = by_block @ ((y - F @ a) * (h - F @ b))  # [B, genes]
        totals.append((a * b).sum(axis=0) + c.sum(axis=0))
        power = np.add.reduceat(a**2, starts, axis=0) * np.add.reduceat(b**2, starts, axis=0)
        reaches.append(np.sqrt(np.vstack([power, size[-1] * (c**2).sum(axis=0)])))  # the last has variance sum c^2
    return np.concatenate(totals), np.hstack(reaches), size


def _blocks_of_genes(X: Any, rows: np.ndarray, step: int) -> Iterator[np.ndarray]:
    """Centred values of the rows ``[len(rows), step]``, exactly 0 for genes that do not vary."""
    own = X[rows].tocsc() if sp.issparse(X) else X
    for start in range(0, X.shape[1], step):
        genes = slice(start, start + step)
        values = dense(own[:, genes] if sp.issparse(X) else own[rows, genes])
        if not np.isfinite(values).all():
            raise fail("finite values of truth and prediction", "NaN or infinity")
        away = values - values.mean(axis=0)
        yield away * ((away**2).mean(axis=0) > 1e-10 * (values**2).mean(axis=0))
