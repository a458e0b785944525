"""What a fitted model can say of each gene, judged on rows that were left out."""

from typing import Any

import numpy as np
import pandas as pd

from ..core.histology.predictable import (
    MOST_WAVES,
    WAVES_PER_BLOCK,
    Predictable,
    predictable_genes,
    tissue_blocks,
)
from ..core.libraries import library_blocks
from ..metrics import expression_scores
from ..models.histology_training import Fitted, Training

COLUMNS = ("mean", "held_out_pearson", "held_out_r2", "p", "q", "predictable")
FDR = 0.05
BLOCK = 25  # spots in a block of tissue, see `core.histology.predictable`
MOST = 10_000  # spots that genes are judged on


def gene_table(
    genes: list[str], training: Training, fitted: Fitted, totals: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """Score and test each gene of the panel on held-out predictions.

    The test looks beyond depth: the logarithm of normalised counts depends on how many counts a spot has, and a picture
    shows how many cells it has, so that genes without any pattern of their own follow the picture a little. What a line
    in log depth explains within sections is therefore taken from truth and prediction alike before they are compared.

    Parameters
    ----------
    genes
        Names of the panel.
    training
        Sections with image and expression.
    fitted
        With held-out answers.
    totals
        Counts of all genes of each spot ``[n]``.
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
    predicted = fitted.genes(fitted.held_out[rows])
    truth = training.target[rows].toarray()
    scores = expression_scores(truth, predicted, train_mean=fitted.mean)
    depth = np.log1p(totals[rows])
    tested = _tested(_beyond(depth, truth, section), _beyond(depth, predicted, section), section, xy)
    found: dict[str, Any] = {
        "mean": fitted.mean,
        "held_out_pearson": scores.pearson,
        "held_out_r2": scores.r2,
        "p": tested.p,
        "q": tested.q,
        "predictable": (tested.q < FDR) & (tested.z > 0),
    }
    return pd.DataFrame({name: found[name] for name in COLUMNS}, index=pd.Index(genes, name="gene"))


def _tested(truth: np.ndarray, predicted: np.ndarray, section: np.ndarray, xy: np.ndarray) -> Predictable:
    """Test on blocks of 25 spots, or as many more as it takes for waves to keep up with the blocks of each section."""
    largest = int(np.bincount(section).max())
    blocks = tissue_blocks(xy, section, size=max(BLOCK, -(-largest * WAVES_PER_BLOCK // MOST_WAVES)))
    if blocks.max() == 0:
        return Predictable(np.zeros(truth.shape[1]), np.ones(truth.shape[1]), np.ones(truth.shape[1]))
    return predictable_genes(truth, predicted, blocks, section=section, xy=xy)


def _beyond(depth: np.ndarray, values: np.ndarray, section: np.ndarray) -> np.ndarray:
    """Residuals of each column after mean and depth of each section."""
    left = values.astype(np.float32, copy=True)
    for rows in library_blocks(len(depth), section):
        left[rows] -= left[rows].mean(axis=0)
        d = depth[rows] - depth[rows].mean()
        if (power := float(d @ d)) > 0:
            left[rows] -= np.outer(d / power, d @ left[rows])
    return left
