"""What a fitted model can say of each gene, judged on rows that were left out."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..core.histology.predictable import (
    MOST_WAVES,
    WAVES_PER_BLOCK,
    Predictable,
    predictable_genes,
    tissue_blocks,
)
from ..core.libraries import library_blocks
from ..metrics import expression_scores
from ..models.histology_training import Fitted, Training, held_out_genes

COLUMNS = ("mean", "held_out_pearson", "held_out_r2", "p", "q", "predictable")
FDR = 0.05
LEAST = 0.1  # correlation with these residuals: with enough spots a test finds even what is of no use to anyone
BLOCK = 25  # spots in a block of tissue, see `core.histology.predictable`
MOST = 10_000  # spots that genes are judged on


def gene_table(
    genes: list[str],
    training: Training,
    fitted: Fitted,
    counts: sp.csr_matrix,
    totals: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Score and test each gene of the panel on held-out predictions.

    The mean of the logarithm of normalised counts depends on how many counts a spot has, and a picture shows how many
    cells it has, so that genes without any pattern of their own follow the picture a little. The test therefore does
    not compare predictions with the target but with the residuals of a gene that is flat within sections
    (`flat_residuals`), whose mean is 0 at any depth.

    Parameters
    ----------
    genes
        Names of the panel.
    training
        Sections with image and expression.
    fitted
        With held-out answers.
    counts
        Of the panel ``[n, g]``.
    totals
        Of all genes of each spot ``[n]``.
    rng
        Draws the spots among more than 10,000.

    Returns
    -------
    Table of genes with the columns `COLUMNS`. Of a tissue too small to be cut into two blocks nothing can be shown: p
    is 1.
    """
    rows = np.arange(len(totals))
    if len(rows) > MOST:
        rows = np.sort(rng.permutation(len(rows))[:MOST])
    section, xy = training.tissue.section[rows], training.tissue.xy[rows]
    predicted = held_out_genes(fitted, training, rows)
    truth = training.target[rows].toarray()
    scores = expression_scores(truth, predicted, train_mean=fitted.mean)
    beyond = flat_residuals(counts[rows], totals[rows], section)
    tested = _tested(beyond, predicted, section, xy)
    found: dict[str, Any] = {
        "mean": fitted.mean,
        "held_out_pearson": scores.pearson,
        "held_out_r2": scores.r2,
        "p": tested.p,
        "q": tested.q,
        "predictable": (tested.q < FDR) & (tested.z > 0) & (_correlation(beyond, predicted, section) >= LEAST),
    }
    return pd.DataFrame({name: found[name] for name in COLUMNS}, index=pd.Index(genes, name="gene"))


def _correlation(truth: np.ndarray, predicted: np.ndarray, section: np.ndarray) -> np.ndarray:
    """Correlation of each gene within sections ``[g]``; 0 for a constant."""
    a, b = truth.astype(np.float64), predicted.astype(np.float64)
    for rows in library_blocks(len(section), section):
        a[rows] -= a[rows].mean(axis=0)
        b[rows] -= b[rows].mean(axis=0)
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.divide((a * b).sum(axis=0), size, out=np.zeros(len(size)), where=size > 1e-12)


def _tested(truth: np.ndarray, predicted: np.ndarray, section: np.ndarray, xy: np.ndarray) -> Predictable:
    """Test on blocks of 25 spots, or as many more as it takes for waves to keep up with the blocks of each section."""
    largest = int(np.bincount(section).max())
    blocks = tissue_blocks(xy, section, size=max(BLOCK, -(-largest * WAVES_PER_BLOCK // MOST_WAVES)))
    if blocks.max() == 0:
        return Predictable(np.zeros(truth.shape[1]), np.ones(truth.shape[1]), np.ones(truth.shape[1]))
    return predictable_genes(truth, predicted, blocks, section=section, xy=xy)


def flat_residuals(counts: sp.csr_matrix, totals: np.ndarray, section: np.ndarray) -> np.ndarray:
    r"""Departure of counts from a gene whose share of the library is the same all over a section.

    :math:`r_{ij} = (x_{ij} - t_i p_{s(i)j}) / \sqrt{t_i}` with the counts t of all genes and the gene's share p of them
    in the section: Pearson residuals of a Poisson count but for a factor of the gene, ``[n, g]`` float32. Spots without
    counts give 0.
    """
    left = counts.toarray().astype(np.float32)
    scale = np.sqrt(np.maximum(totals, 1)).astype(np.float32)[:, None]
    for rows in library_blocks(len(totals), section):
        share = left[rows].sum(axis=0, dtype=np.float64) / max(totals[rows].sum(), 1)
        left[rows] -= np.outer(totals[rows], share).astype(np.float32)
    return left / scale
