"""Expected counts judged by held-out ones and, on simulated tissue, by the true rates."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from .._table import row_chunks
from ..core.heldout import held_out_scores
from ..core.likelihood import dense, poisson_deviance
from ._denoise_counts import STRIDE, Counts, Split
from ._denoise_fit import Denoised
from ._denoise_rivals import Predict, depths, shares

CHUNK = 2_000_000  # entries held at once, 16 MB
FLOOR = 0.01  # of what depth alone expects: 0 expected and 1 found would cost infinitely much
LEAST_SPREAD = 0.1  # of the true log rates: the others differ between cells by less than a tenth, or not at all


def score_split(split: Split, result: Denoised) -> list[dict[str, Any]]:
    """One row: deviances and residual correlation of the held-out counts, means over judged genes."""
    scored = split.counts.scored
    held_out = sp.csr_matrix(split.held_out[:, scored])
    predict = judged(split, result.predict)
    chunks = lambda: pieces(held_out)
    found = held_out_scores(chunks, predict, split.dispersion[scored])
    row = {
        "n_obs": split.train.shape[0],
        "n_genes": split.train.shape[1],
        "n_scored": int(scored.sum()),
        "splitting": split.splitting,
        "split": split.seed // STRIDE,
        "repeat": split.seed % STRIDE,
        "deviance": found.mean_deviance,
        "correlation": found.mean_correlation,
        "poisson_deviance": float(mean_poisson_deviance(held_out, predict)[found.present].mean()),
    }
    truth = {} if split.counts.rates is None else {"truth_correlation": truth_correlation(split, result.predict)}
    return [{**row, **truth, **result.costs}]


def judged(split: Split, predict: Predict) -> Predict:
    """Expected held-out counts of the judged genes.

    The rates are those of the method, the depth is that of the held-out part, as an exposure that is known; nothing
    is expected less than at 1 % of what depth alone expects (by the gene's share in all counts), by any method.
    """
    scored, share = split.counts.scored, shares(split.counts.X)
    given, held_out = depths(split.train), depths(split.held_out)
    exposure = np.divide(held_out, given, out=np.zeros(len(given)), where=given > 0)

    def expected(rows: slice) -> np.ndarray:
        means = predict(rows)[:, scored] * exposure[rows, None]
        return np.maximum(means, FLOOR * np.outer(held_out[rows], share[scored]))

    return expected


def mean_poisson_deviance(held_out: sp.csr_matrix, predict: Predict) -> np.ndarray:
    """Mean over cells ``[g]``."""
    sums = [poisson_deviance(dense(block), predict(rows)).sum(axis=0) for rows, block in pieces(held_out)]
    return np.sum(sums, axis=0) / held_out.shape[0]


def truth_correlation(split: Split, predict: Predict) -> float:
    """Correlation of log rates with the true ones over cells, both divided by depth; mean over genes that vary."""
    truth = true_log_rates(split.counts)
    varying = split.counts.scored & (truth.std(axis=0) >= LEAST_SPREAD)
    share, depth = shares(split.counts.X)[varying], depths(split.train)
    moments = np.zeros((5, varying.sum()))
    for rows, _ in pieces(split.train):
        size = np.maximum(depth[rows, None], 1.0)
        a = truth[rows][:, varying]
        b = np.log(np.maximum(predict(rows)[:, varying] / size, FLOOR * share))
        moments += np.stack([m.sum(axis=0) for m in (a, b, a * a, b * b, a * b)])
    a, b, aa, bb, ab = moments / len(truth)
    spread = np.maximum(aa - a**2, 0) * np.maximum(bb - b**2, 0)
    constant = bb - b**2 <= 1e-12
    return float(np.where(constant, 0.0, (ab - a * b) / np.sqrt(np.where(constant, 1.0, spread))).mean())


def true_log_rates(counts: Counts) -> np.ndarray:
    """Logarithms ``[n, g]`` of the true shares of genes in each cell."""
    rates = np.asarray(counts.rates, dtype=np.float64)
    return np.log(rates / rates.sum(axis=1, keepdims=True))


def pieces(X: sp.csr_matrix) -> Iterator[tuple[slice, Any]]:
    """Row chunks of at most 2 million entries."""
    return row_chunks(X, max(1, CHUNK // X.shape[1]))
