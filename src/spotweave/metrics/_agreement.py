"""Agreement of domains with a truth."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics as skm

from .._check import fail
from ._codes import codes_of


def ari(truth: Any, labels: Any) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985).

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    1 for the same partition, about 0 for chance, at least -0.5.
    """
    return float(skm.adjusted_rand_score(*_paired(truth, labels)))


def nmi(truth: Any, labels: Any) -> float:
    """Mutual information divided by the arithmetic mean of both entropies.

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    From 0 to 1. Not corrected for chance: it grows with the number of labels; see `ami`.
    """
    return float(skm.normalized_mutual_info_score(*_paired(truth, labels)))


def ami(truth: Any, labels: Any) -> float:
    """Mutual information adjusted for chance (Vinh et al. 2010), arithmetic mean of both entropies.

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    1 for the same partition, about 0 for chance.
    """
    return float(skm.adjusted_mutual_info_score(*_paired(truth, labels)))


def homogeneity(truth: Any, labels: Any) -> float:
    """``1 - H(truth | labels) / H(truth)``: does each found label hold one true label only?

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    From 0 to 1; 1 when there is one true label only.
    """
    return float(skm.homogeneity_score(*_paired(truth, labels)))


def completeness(truth: Any, labels: Any) -> float:
    """``1 - H(labels | truth) / H(labels)``: does each true label lie in one found label?

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    From 0 to 1; 1 when one label only was found.
    """
    return float(skm.completeness_score(*_paired(truth, labels)))


def v_measure(truth: Any, labels: Any) -> float:
    """Harmonic mean of `homogeneity` and `completeness` (Rosenberg and Hirschberg 2007); equals `nmi`.

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    From 0 to 1.
    """
    return float(skm.v_measure_score(*_paired(truth, labels)))


def _paired(truth: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Codes of truth and labels on the rows whose truth is known."""
    true, known = codes_of(truth)
    found = pd.factorize(pd.Series(np.asarray(labels, dtype=object)))[0]
    if len(found) != len(known):
        raise fail(f"a label for each of {len(known)} rows of the truth", f"{len(found)} labels")
    if (found[known] < 0).any():
        missing = int((found[known] < 0).sum())
        raise fail("a label wherever the truth is known", f"{missing} rows without", "Give these a label of their own.")
    return true, found[known]
