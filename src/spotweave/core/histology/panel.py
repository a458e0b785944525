"""Which genes to predict, chosen by the training sections alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._check import check_range, fail
from ..gene_moments import as_csr, gene_moments, overdispersion

MIN_SEEN = 0.03  # of the training spots: a rarer gene has too few positive spots to learn from, or to be judged by


class Panel(NamedTuple):
    """Chosen genes."""

    indices: np.ndarray
    """Columns of the chosen genes ``[p]``, the most variable first."""
    score: np.ndarray
    """Score of each gene ``[g]``; NaN for a gene too rare to be chosen."""


def choose_panel(sections: Sequence[sp.csr_matrix], totals: Sequence[np.ndarray], *, n_top: int) -> Panel:
    """Choose the genes that vary within sections by more than counting noise.

    The score is `gene_moments.overdispersion` of the section, averaged over sections: a difference between sections,
    be it of patients or of batches, is in none of them and cannot choose a gene. A section without a count of the
    gene adds 0.

    Parameters
    ----------
    sections
        Counts ``[n_s, g]`` of each training section, genes in one order.
    totals
        Counts of all genes of the spots of each section ``[n_s]``.
    n_top
        How many genes to choose.

    Returns
    -------
    Panel. Fewer genes than asked for when fewer are seen in 3 % of the training spots.

    Raises
    ------
    InputError
        When there is no section, shapes do not fit, or no gene is seen often enough.
    """
    check_range(n_top, "n_top", low=1, integer=True)
    if not sections or len(sections) != len(totals):
        raise fail("counts and totals of at least one section", f"{len(sections)} and {len(totals)}")
    g = sections[0].shape[1]
    score, seen, n = np.zeros(g), np.zeros(g), 0
    for number, (counts, total) in enumerate(zip(sections, totals, strict=True)):
        if counts.shape[1] != g or np.shape(total) != (counts.shape[0],):
            found = f"counts of shape {list(counts.shape)} and totals of shape {list(np.shape(total))}"
            raise fail(f"{g} genes and a total for each spot in section {number}", found)
        z, detected = _overdispersion(counts, np.asarray(total, np.float64))
        score += z / len(sections)
        seen += detected
        n += counts.shape[0]
    often = (seen > 0) & (seen >= MIN_SEEN * n)
    if not often.any():
        raise fail(f"a gene with counts in {MIN_SEEN:.0%} of {n} training spots", "none", "Pass raw counts.")
    score[~often] = np.nan
    order = np.argsort(-score, kind="stable")  # NaN last; equal scores in the order of the genes
    return Panel(order[: min(n_top, int(often.sum()))], score)


def _overdispersion(counts: sp.csr_matrix, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score within a section, 0 for a gene that is absent, and number of spots with the gene ``[g]``."""
    X = as_csr(counts)
    moments = gene_moments(lambda: iter([(slice(0, X.shape[0]), X)]))
    # the section may hold some genes only: the size of a spot is then not the sum of its row
    z = overdispersion(replace(moments, size=total, weighted=X.T @ total))
    return np.where(moments.total > 0, z, 0.0), moments.detected
