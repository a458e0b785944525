"""Tests judged by genes that are known to vary in space, by regions, and by counts that cannot."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.stats import chi2, false_discovery_control, rankdata

from ._genes_test_data import Tissue
from ._genes_test_fit import GeneTests

LEVEL = 0.05
STRICT = 0.001
GENES_AT_ONCE = 500


def score(tissue: Tissue, found: GeneTests) -> list[dict[str, Any]]:
    """One row: by the genes that are known to vary, and by regions, where either is known."""
    called = false_discovery_control(found.pvalue) < LEVEL
    row = {**_sizes(tissue), "n_called": int(called.sum())}
    if tissue.varying is not None:
        row |= _against_truth(tissue.varying, called, found)
    if tissue.labels is not None:
        differ = false_discovery_control(kruskal_wallis(tissue.X, tissue.labels)) < LEVEL
        row |= {"n_differ": int(differ.sum()), "agreement": auroc(differ, ranking(found))}
    return [{**row, **found.costs}]


def score_null(tissue: Tissue, found: GeneTests) -> list[dict[str, Any]]:
    """One row: how many of the genes, none of which varies, have a small p value."""
    counts = np.asarray(tissue.X.sum(axis=0)).ravel()
    sparse = counts < np.median(counts)
    small, row = found.pvalue < LEVEL, _sizes(tissue)
    row |= {"null_rate": small.mean(), "null_rate_strict": (found.pvalue < STRICT).mean()}
    row |= {"null_rate_sparse": _share(small[sparse]), "null_rate_abundant": _share(small[~sparse])}
    row["n_called"] = int((false_discovery_control(found.pvalue) < LEVEL).sum())
    return [{**row, **found.costs}]


def ranking(found: GeneTests) -> np.ndarray:
    """Ranks ``[g]``: 0 for the greatest p value; equal ones by the statistic, equal ranks where that is equal too."""
    order = np.lexsort((found.statistic, -found.pvalue))
    p, statistic = found.pvalue[order], found.statistic[order]
    steps = np.concatenate([[0], (p[1:] != p[:-1]) | (statistic[1:] != statistic[:-1])])
    ranks = np.empty(len(p), dtype=np.int64)
    ranks[order] = np.cumsum(steps)
    return ranks


def auroc(positive: np.ndarray, value: np.ndarray) -> float:
    """Probability that a positive gene has the greater value, ties half; NaN when all genes are of one kind."""
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    return float((rankdata(value)[positive].sum() - n * (n + 1) / 2) / (n * m))


def kruskal_wallis(X: sp.csr_matrix, labels: np.ndarray) -> np.ndarray:
    r"""P value ``[g]`` of the difference between labels (-1: left out) in counts divided by depth.

    .. math:: H_j = (n - 1) \frac{\sum_k n_k (\bar r_{kj} - \bar r)^2}{\sum_i (r_{ij} - \bar r)^2} \sim \chi^2_{K - 1}

    of mean ranks, which is the form that holds with ties (Kruskal and Wallis 1952).
    """
    kept = np.flatnonzero(labels >= 0)
    codes = np.unique(labels[kept], return_inverse=True)[1]
    member = np.eye(codes.max() + 1)[codes]  # [n, K]
    depth = np.asarray(X.sum(axis=1), dtype=np.float64).ravel()[kept]
    shares = sp.csr_matrix(X[kept], dtype=np.float64)
    shares.data /= np.repeat(depth, np.diff(shares.indptr))  # a quotient, so that equal shares are equal numbers
    own = sp.csc_matrix(shares)
    pvalues = []
    for start in range(0, X.shape[1], GENES_AT_ONCE):
        R = rankdata(own[:, start : start + GENES_AT_ONCE].toarray(), axis=0) - (len(kept) + 1) / 2
        between = ((member.T @ R) ** 2 / member.sum(axis=0)[:, None]).sum(axis=0)
        total = (R**2).sum(axis=0)
        H = (len(kept) - 1) * np.divide(between, total, out=np.zeros_like(total), where=total > 0)
        pvalues.append(chi2.sf(H, member.shape[1] - 1))
    return np.concatenate(pvalues)


def _against_truth(varying: np.ndarray, called: np.ndarray, found: GeneTests) -> Mapping[str, float]:
    flat = found.pvalue[~varying]
    return {
        "power": _share(called[varying]),
        "fdr": float((called & ~varying).sum() / max(called.sum(), 1)),
        "auroc": auroc(varying, ranking(found)),
        "null_rate": _share(flat < LEVEL),
        "null_rate_strict": _share(flat < STRICT),
    }


def _sizes(tissue: Tissue) -> dict[str, Any]:
    return {"n_obs": tissue.X.shape[0], "n_genes": tissue.X.shape[1]}


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else float("nan")
