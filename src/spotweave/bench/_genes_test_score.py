"""Tests judged by genes that are known to vary in space, by regions, and by counts that cannot."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.stats import f, false_discovery_control, rankdata

from ._genes_test_data import Tissue
from ._genes_test_fit import GeneTests

LEVEL = 0.05
STRICT = 0.001


def score(tissue: Tissue, found: GeneTests) -> list[dict[str, Any]]:
    """One row: by the genes that are known to vary, and by regions, where either is known."""
    called = false_discovery_control(found.pvalue) < LEVEL
    row = {**_sizes(tissue), "n_called": int(called.sum())}
    if tissue.varying is not None:
        row |= _against_truth(tissue.varying, called, found)
    if tissue.labels is not None:
        differ = false_discovery_control(region_test(tissue.X, tissue.labels)) < LEVEL
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


def region_test(X: sp.csr_matrix, labels: np.ndarray) -> np.ndarray:
    r"""P value ``[g]`` of the difference between regions (-1: left out) in the shares of the library.

    Quasi-Poisson: counts :math:`O_{kj}` of region k, expected :math:`E_{kj}` by its depth alone, and the Pearson
    dispersion of spots within regions, around :math:`m_{ij} = l_i \, O_{kj} / L_k`,

    .. math:: F_j = \frac{1}{(K - 1) \, \phi_j} \sum_k \frac{(O_{kj} - E_{kj})^2}{E_{kj}} \sim F_{K - 1, n - K},
              \quad \phi_j = \max\Big(1, \frac{1}{n - K} \sum_i \frac{(x_{ij} - m_{ij})^2}{m_{ij}}\Big)

    Counts do not vary less than Poisson ones: of a handful in one region, the spots within would say so.
    Ranks of counts divided by depth would not do: zeros are more where spots are shallow, so that every sparse gene
    differs between regions that differ in depth.
    """
    depth = np.asarray(X.sum(axis=1), dtype=np.float64).ravel()
    kept = np.flatnonzero((labels >= 0) & (depth > 0))
    codes = np.unique(labels[kept], return_inverse=True)[1]
    member = np.eye(codes.max() + 1)[codes]  # [n, K]
    own, (n, n_regions) = sp.csr_matrix(X[kept], dtype=np.float64), member.shape
    total = (depth[kept] @ member)[:, None]
    observed = np.asarray(own.T @ member).T  # [K, g]
    expected = total * observed.sum(axis=0) / total.sum()
    between = _quotient((observed - expected) ** 2, expected).sum(axis=0)
    square = np.asarray(own.multiply(own).T @ (member / depth[kept, None])).T
    within = (_quotient(square * total, observed) - observed).sum(axis=0)  # as the expected counts sum to the observed
    ratio = between / (n_regions - 1) / np.maximum(within / (n - n_regions), 1.0)
    return f.sf(ratio, n_regions - 1, n - n_regions)


def _quotient(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``a / b``, 0 where b is not positive."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


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
