"""Gene embeddings without training: smoothed, standardised, reduced."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from .._check import check_range
from .libraries import library_blocks
from .spatial_basis import spatial_basis
from .tiles import spatial_tiles

MOST_POINTS = 20_000
"""More points are summed over compact bins first: a basis of 200 functions then takes 32 MB."""


def smooth_genes(
    X: sp.csr_matrix,
    xy: np.ndarray,
    *,
    n_components: int = 32,
    n_functions: int = 200,
    length_scale: float = 0.03,
    library: np.ndarray | None = None,
    rng: np.random.Generator,
) -> np.ndarray:
    r"""Embed genes by the shape of their smoothed patterns.

    Pearson residuals of counts from depth times gene share, :math:`(x - s p) / \sqrt{s p}`, are projected on fixed
    smooth functions of position (`spotweave.core.spatial_basis`), which is one sparse product; a Gaussian filter of
    standard deviation :math:`\ell` multiplies the coefficient of frequency f by :math:`\exp(-2 \pi^2 f^2 \ell^2)`; each
    gene is scaled to length one, so that level and strength do not matter; a singular value decomposition reduces them.

    Parameters
    ----------
    X
        Counts ``[n, g]``, CSR; every column with counts.
    xy
        Coordinates ``[n, d]``.
    n_components
        Dimensions of the result, at most.
    n_functions
        Functions of the basis.
    length_scale
        Of the filter, in parts of the longest side of the tissue.
    library
        Which slide each point lies on ``[n]``; nothing is smoothed across.
    rng
        Seeds the decomposition.

    Returns
    -------
    Embedding ``[g, d]``, rows of length about one; the inner product of two genes is about the correlation of their
    smoothed patterns.
    """
    check_range(n_components, "n_components", low=1, integer=True)
    X, xy, library = pooled(X, xy, library)
    basis = spatial_basis(xy, min(n_functions, max(len(xy) // 2, 1)), library=library)
    sigma = length_scale * max(np.ptp(xy[rows], axis=0).max() for rows in library_blocks(len(xy), library))
    C = residual_coefficients(X, basis.functions) * np.exp(-2 * (np.pi * basis.frequency * sigma) ** 2)
    C = unit_rows(C)
    k = min(n_components, *C.shape)
    u, s, _ = randomized_svd(C, k, random_state=int(rng.integers(2**31)))
    return u * s


def residual_coefficients(X: sp.csr_matrix, functions: np.ndarray) -> np.ndarray:
    """Products ``[g, m]`` of the genes' Pearson residuals with functions ``[n, m]``; X : counts [n, g] csr.

    ``X' (F / sqrt(s)) / sqrt(p) - sqrt(p) (sqrt(s)' F)``: the residuals themselves are never made. Their variance is
    about one where nothing but Poisson noise is there.
    """
    size = np.asarray(X.sum(axis=1), np.float64).ravel()
    depth = size / max(size.mean(), 1e-300)
    share = np.asarray(X.sum(axis=0), np.float64).ravel() / max(depth.sum(), 1e-300)
    root = np.sqrt(depth)
    weight = np.divide(1, root, out=np.zeros(len(root)), where=root > 0)
    products = X.T @ (functions * weight[:, None])
    known = np.sqrt(np.maximum(share, 1e-300))[:, None]
    return np.where(share[:, None] > 0, products / known - known * (root @ functions), 0.0)


def pooled(
    X: sp.csr_matrix, xy: np.ndarray, library: np.ndarray | None
) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray | None]:
    """Sum counts over compact bins where there are more than `MOST_POINTS` points."""
    if len(xy) <= MOST_POINTS:
        return X, xy, library
    tiles = spatial_tiles(xy, max_size=-(-len(xy) // MOST_POINTS), library=library)
    rows, columns = np.repeat(np.arange(len(tiles)), [len(t) for t in tiles]), np.concatenate(tiles)
    S = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(tiles), len(xy)))
    centres = (S @ xy) / np.diff(S.indptr)[:, None]
    return sp.csr_matrix(S @ X), centres, None if library is None else np.array([library[t[0]] for t in tiles])


def unit_rows(A: np.ndarray) -> np.ndarray:
    """Scale rows to length one; a row of zeros stays."""
    norm = np.linalg.norm(A, axis=1, keepdims=True)
    return np.divide(A, norm, out=np.zeros_like(A), where=norm > 0)
