"""What a model of stained images is asked to predict: a transform of the counts that keeps zeros."""

import numpy as np
import scipy.sparse as sp

from ..._check import check_choice, fail

TARGETS = ("log_normalized", "log_counts", "legacy_spot_panel", "legacy_gene_scaled")
PER_SPOT = 1e4  # counts that a spot, or a gene, is scaled to


def expression_target(
    counts: sp.csr_matrix, totals: np.ndarray, *, kind: str = "log_normalized", section: np.ndarray | None = None
) -> sp.csr_matrix:
    r"""Transform the counts :math:`x_{ij}` of spots and panel genes.

    - ``"log_normalized"``: :math:`\log(1 + 10^4 x_{ij} / t_i)` with the counts :math:`t_i` of *all* genes: depth of the
      spot divided out, and the value of a gene does not depend on the panel. The one to use.
    - ``"log_counts"``: :math:`\log(1 + x_{ij})`, as HEST-Benchmark (Jaume et al. 2024, NeurIPS) has it. Depth is in it, so
      that a prediction of depth alone scores well.
    - ``"legacy_spot_panel"``: :math:`\log_{10}(1 + 10^4 x_{ij} / \sum_j x_{ij})` over the panel, as HisToGene, Hist2ST and
      their line have it. Wrong: a gene's value changes with the panel, and a spot with few counts of the panel becomes
      a spot of extreme values.
    - ``"legacy_gene_scaled"``: :math:`\log_{10}(1 + 10^4 x_{ij} / \sum_i x_{ij})` over the spots of the section, as mclSTExp
      and GR2ST have it. Wrong: depth is not divided out at all, so that every gene follows it and one number a spot,
      which the darkness of the stain tells, beats published models; and a section can be scaled only once all of
      it is known.

    The legacy kinds reproduce published figures. Scores of different kinds cannot be compared.

    Parameters
    ----------
    counts
        Counts of the panel ``[n, g]``.
    totals
        Counts of all genes of each spot ``[n]``.
    kind
        One of `TARGETS`.
    section
        Codes 0..s-1 ``[n]`` of the section of each spot, for ``"legacy_gene_scaled"``; None for one section.

    Returns
    -------
    Float32 ``[n, g]``, as sparse as the counts. Spots, or genes, without counts stay zero.

    Raises
    ------
    InputError
        When `kind` is unknown, shapes do not fit, or a spot has more counts in the panel than in all.
    """
    check_choice(kind, TARGETS, "kind")
    X, totals = _checked(counts, totals)
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))  # [nnz]
    if kind == "log_normalized":
        values = np.log1p(X.data * _scale(totals)[rows])
    elif kind == "log_counts":
        values = np.log1p(X.data)
    elif kind == "legacy_spot_panel":
        values = np.log10(1 + X.data * _scale(np.asarray(X.sum(axis=1)).ravel())[rows])
    else:
        values = np.log10(1 + X.data * _gene_scales(X, rows, section))
    return sp.csr_matrix((values.astype(np.float32), X.indices, X.indptr), shape=X.shape)


def _checked(counts: sp.csr_matrix, totals: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    X = sp.csr_matrix(counts, dtype=np.float64, copy=True)  # the result shares its indices
    totals = np.asarray(totals, np.float64)
    if totals.shape != (X.shape[0],):
        raise fail(f"a total for each of {X.shape[0]} spots", f"an array of shape {list(totals.shape)}")
    more = np.asarray(X.sum(axis=1)).ravel() > totals * (1 + 1e-6)
    if more.any():
        raise fail(
            "totals over all genes, not below the counts of the panel",
            f"less in {more.sum()} spots (first: row {np.flatnonzero(more)[0]})",
            "Sum the raw counts of every gene before genes are chosen.",
        )
    return X, totals


def _scale(totals: np.ndarray) -> np.ndarray:
    return np.divide(PER_SPOT, totals, out=np.zeros(len(totals)), where=totals > 0)


def _gene_scales(X: sp.csr_matrix, rows: np.ndarray, section: np.ndarray | None) -> np.ndarray:
    """Scale of each stored value ``[nnz]``: by the sum of its gene over its section."""
    n, g = X.shape
    section = np.zeros(n, np.intp) if section is None else np.asarray(section)
    if section.shape != (n,):
        raise fail(f"a section for each of {n} spots", f"an array of shape {list(section.shape)}")
    place = section[rows].astype(np.intp) * g + X.indices
    return _scale(np.bincount(place, weights=X.data))[place]
