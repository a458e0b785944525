"""Which genes an image tells anything about, tested by blocks of tissue."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from ..._check import fail
from ..likelihood import dense
from ..tiles import spatial_tiles

MOST_VALUES = 4_000_000  # of a dense block of genes: 32 MB


class Predictable(NamedTuple):
    """Test of each gene ``[g]``."""

    z: np.ndarray
    """Statistic; 0 for a gene whose truth or prediction is constant."""
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


def predictable_genes(truth: Any, predicted: Any, blocks: np.ndarray, *, section: np.ndarray) -> Predictable:
    r"""Test each gene for a prediction that follows the truth within sections.

    Truth y and prediction h are both smooth in space, so that spots are no independent observations of their agreement;
    blocks of tissue nearly are. With means of the section s(i) of each spot,

    .. math:: c_b = \sum_{i \in b} (h_i - \bar h_{s(i)}) (y_i - \bar y_{s(i)}), \quad
              z = \frac{\sum_b c_b}{\sqrt{\sum_b c_b^2}}, \quad
              T = z \sqrt{\frac{B - 1}{B - z^2}}.

    T is Student's one-sample statistic of the :math:`c_b`, compared with B - 1 degrees of freedom.

    Parameters
    ----------
    truth
        Expression ``[n, g]``, dense or sparse.
    predicted
        Out-of-fold predictions ``[n, g]``: made by a model that saw no spot of the block, nor of its patient.
    blocks
        Codes 0..B-1 ``[n]``, see `tissue_blocks`; each within one section.
    section
        Codes 0..s-1 ``[n]`` of the section of each spot.

    Returns
    -------
    Statistic, p and q of each gene.

    Raises
    ------
    InputError
        When shapes do not fit, values are not finite, a block crosses sections, or there are fewer than 2 blocks.
    """
    truth, predicted = (sp.csc_matrix(X) if sp.issparse(X) else np.asarray(X) for X in (truth, predicted))
    by_block, centring = _checked(truth, predicted, np.asarray(blocks), np.asarray(section))
    n, g = truth.shape
    size = max(1, MOST_VALUES // n)
    z = np.concatenate(
        [_statistic(truth, predicted, slice(s, s + size), by_block, centring) for s in range(0, g, size)]
    )
    B = by_block.shape[0]
    T = z * np.sqrt((B - 1) / np.maximum(B - z**2, 1e-12))
    p = np.where(z == 0, 1.0, student.sf(T, B - 1))
    return Predictable(z, p, false_discovery_control(p))


def _checked(
    truth: Any, predicted: Any, blocks: np.ndarray, section: np.ndarray
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Sums by block ``[B, n]`` and by section ``[s, n]`` as sparse matrices of ones."""
    if truth.ndim != 2 or truth.shape != predicted.shape or 0 in truth.shape:
        raise fail(f"a prediction of shape {list(truth.shape)}, as the truth", f"shape {list(predicted.shape)}")
    n = truth.shape[0]
    if blocks.shape != (n,) or section.shape != (n,):
        raise fail(
            f"a block and a section for each of {n} spots", f"shapes {list(blocks.shape)}, {list(section.shape)}"
        )
    of_block, of_section = (np.unique(codes, return_inverse=True)[1] for codes in (blocks, section))
    if len(np.unique(np.stack([of_block, of_section]), axis=1).T) > of_block.max() + 1:
        raise fail("each block within one section", "a block that crosses sections", "Cut with `tissue_blocks`.")
    if of_block.max() < 1:
        raise fail("at least 2 blocks", "1", "Choose a smaller `size` of blocks.")
    return _indicator(of_block), _indicator(of_section)


def _indicator(codes: np.ndarray) -> sp.csr_matrix:
    n = len(codes)
    return sp.csr_matrix((np.ones(n), (codes, np.arange(n))), shape=(int(codes.max()) + 1, n))


def _statistic(
    truth: Any, predicted: Any, genes: slice, by_block: sp.csr_matrix, by_section: sp.csr_matrix
) -> np.ndarray:
    y, h = (_centred(dense(X[:, genes]), by_section) for X in (truth, predicted))
    c = by_block @ (y * h)  # [B, genes]
    length = np.sqrt((c**2).sum(axis=0))
    return np.divide(c.sum(axis=0), length, out=np.zeros(len(length)), where=length > 0)


def _centred(X: np.ndarray, by_section: sp.csr_matrix) -> np.ndarray:
    """Values without the mean of their section; exactly 0 where they do not vary in it."""
    if not np.isfinite(X).all():
        raise fail("finite values of truth and prediction", "NaN or infinity")
    n = np.asarray(by_section.sum(axis=1)).ravel()
    mean = (by_section @ X) / n[:, None]  # [s, genes]
    away = X - by_section.T @ mean
    variance, power = by_section @ away**2, by_section @ X**2
    away *= by_section.T @ (variance > 1e-10 * power)
    return away
