"""Shares of cell types in spots, judged by the true shares. The truth comes first."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, r2_score

from .._check import fail
from ._columns import correlation, jensen_shannon


def deconvolution_scores(truth: Any, found: Any) -> dict[str, float]:
    r"""Score the composition of spots.

    Both are divided by their row sums first. With true shares :math:`p_{ij}` of spot i and type j, found shares
    :math:`q_{ij}`, n spots and t types:

    - ``rmse``: :math:`\frac{1}{n} \sum_i \sqrt{\frac{1}{t} \sum_j (p_{ij} - q_{ij})^2}`, as Spotless has it (Sang-aram
      et al. 2024, eLife 12:RP88431); ``rmse_pooled``: one root over all spots and types;
    - ``jsd``: mean over spots of the Jensen-Shannon divergence of both rows, base 2 (from 0 to 1), not its root;
    - ``pcc_spot``: mean over spots of Pearson's correlation over types; ``pcc_type``: mean over types of that over
      spots, of the types that occur in the truth. A correlation with constant values counts as 0;
    - ``aupr``: area under the precision-recall curve of presence, :math:`p_{ij} > 0`, over all spots and types
      together, as average precision (Spotless interpolates between points of the curve);
    - ``r2``: coefficient of determination of each type over spots, mean over all types, as in Open Problems v1;
    - ``false_mass``: mean over spots of the found share of types that are absent there.

    Parameters
    ----------
    truth
        True shares or numbers of cells ``[n, t]``, not negative. Rows of zeros are left out.
    found
        Found shares or abundances ``[n, t]``, not negative. A row of zeros counts as equal shares.

    Returns
    -------
    Scores by name.

    Raises
    ------
    InputError
        When shapes differ, values are negative or not finite, or no row of the truth is left.
    """
    p, q = shares(truth, found)
    present = p > 0
    gap = (p - q) ** 2
    return {
        "rmse": float(np.sqrt(gap.mean(axis=1)).mean()),
        "rmse_pooled": float(np.sqrt(gap.mean())),
        "jsd": float((jensen_shannon(p.T, q.T) / np.log(2)).mean()),
        "pcc_spot": float(correlation(p.T, q.T).mean()),
        "pcc_type": float(correlation(p, q)[present.any(axis=0)].mean()),
        "aupr": float(average_precision_score(present.ravel(), q.ravel())),
        "r2": float(r2_score(p, q)) if len(p) > 1 else float("nan"),
        "false_mass": float(np.where(present, 0.0, q).sum(axis=1).mean()),
    }


def type_scores(truth: Any, found: Any) -> pd.DataFrame:
    """Score each type alone, one row a type, given what `deconvolution_scores` is given.

    ``truth_mean`` and ``found_mean`` over spots, ``n_present`` spots that have it, ``pcc``, ``rmse`` over spots, and
    ``aupr`` of presence; ``pcc`` and ``aupr`` are NaN for a type that occurs nowhere.
    """
    p, q = shares(truth, found)
    present = p > 0
    occurs = present.any(axis=0)
    aupr = [average_precision_score(a, b) if a.any() else np.nan for a, b in zip(present.T, q.T, strict=True)]
    return pd.DataFrame(
        {
            "truth_mean": p.mean(axis=0),
            "found_mean": q.mean(axis=0),
            "n_present": present.sum(axis=0),
            "pcc": np.where(occurs, correlation(p, q), np.nan),
            "rmse": np.sqrt(((p - q) ** 2).mean(axis=0)),
            "aupr": aupr,
        }
    )


def shares(truth: Any, found: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both divided by their row sums, without rows whose truth is 0."""
    p, q = _checked(truth, "truth"), _checked(found, "found")
    if p.shape != q.shape:
        raise fail(f"`found` of shape {list(p.shape)}, as the truth", f"shape {list(q.shape)}")
    known = p.any(axis=1)
    if not known.any():
        raise fail("a spot whose composition is known", "zeros alone in `truth`")
    p, q = p[known], q[known]
    q = np.where(q.any(axis=1, keepdims=True), q, 1.0)
    return p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)


def _checked(values: Any, name: str) -> np.ndarray:
    X = np.asarray(values, dtype=np.float64)
    if X.ndim != 2 or 0 in X.shape:
        raise fail(f"`{name}` of shape [n, t]", f"shape {list(X.shape)}")
    if not np.isfinite(X).all() or (X < 0).any():
        raise fail(f"`{name}` finite and not negative", "negative values, NaN or infinity")
    return X
