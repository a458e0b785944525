"""Found compositions judged by the true ones, or by genes that were kept from the methods."""

from typing import Any

import numpy as np
import pandas as pd

from ..core.autocorrelation import morans_i
from ..core.graph import knn
from ..metrics import deconvolution_scores
from ..metrics._columns import correlation
from ..metrics._deconvolution import type_scores
from ._deconvolve_data import Problem, Spots
from ._deconvolve_fit import Composition
from ._details import write_details

N_NEIGHS = 6


def score(spots: Spots, found: Composition) -> list[dict[str, Any]]:
    """One row over the spots of all problems; a table of the types goes into the folder of details."""
    problems, item = spots.problems, spots.dataset
    types = sorted({name for problem in problems for name in problem.types})
    shares = [_checked(*pair) for pair in zip(problems, found.shares, strict=True)]
    known = _together(problems, types, shares)
    row: dict[str, Any] = {
        "n_obs": len(known),
        "n_genes": problems[0].X.shape[1],
        "n_reference": max(problem.R.shape[0] for problem in problems),
        "n_types": len(types),
        "n_parts": len(problems),
    }
    if item.truth is None:
        scores, table = _plausible(spots, types, known)
    else:
        truth = _together(problems, types, [_of_truth(problem) for problem in problems])
        scores, table = deconvolution_scores(truth, known), type_scores(truth, known)
        scores |= _unknown(problems, shares)
    if item.details is not None and found.run[1] == 0:
        table.insert(0, "type", types)
        write_details(item.details, table, item.name, *found.run)
    return [{**row, **scores, **found.costs}]


def _checked(problem: Problem, shares: np.ndarray) -> np.ndarray:
    n, t = problem.X.shape[0], len(problem.types)
    if shares.shape not in {(n, t), (n, t + 1)}:
        msg = f"expected shares of shape {[n, t]} or {[n, t + 1]}; found {list(shares.shape)}"
        raise ValueError(msg)
    return np.asarray(shares, dtype=np.float64)


def _of_truth(problem: Problem) -> np.ndarray:
    return np.zeros((problem.X.shape[0], 0)) if problem.truth is None else problem.truth


def _together(problems: list[Problem], types: list[str], values: list[np.ndarray]) -> np.ndarray:
    """Rows of all problems, columns of all types; 0 for types that the reference of a problem lacks."""
    parts = [np.zeros((problem.X.shape[0], len(types))) for problem in problems]
    for problem, own, part in zip(problems, values, parts, strict=True):
        part[:, [types.index(name) for name in problem.types]] = own[:, : len(problem.types)]
    return np.concatenate(parts)


def _unknown(problems: list[Problem], shares: list[np.ndarray]) -> dict[str, float]:
    """How well the share of missing types was found, by methods that tell one, where there is any."""
    missing = np.concatenate([problem.missing_truth for problem in problems if problem.missing_truth is not None])
    told = all(own.shape[1] > len(problem.types) for problem, own in zip(problems, shares, strict=True))
    if not told or not (missing > 0).any():
        return {}
    found = np.concatenate([own[:, -1] / np.maximum(own.sum(axis=1), 1e-300) for own in shares])
    return {
        "unknown_rmse": float(np.sqrt(((found - missing) ** 2).mean())),
        "unknown_r": float(correlation(missing[:, None], found[:, None])[0]),
        "unknown_mean": float(found.mean()),
        "missing_mean": float(missing.mean()),
    }


def _plausible(spots: Spots, types: list[str], shares: np.ndarray) -> tuple[dict[str, float], pd.DataFrame]:
    """Correlation of the share of marked types with that of their markers, which no method was given."""
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    scores = {}
    for name, (begins, _) in spots.dataset.markers.items():
        own = shares[:, [kind.startswith(begins) for kind in types]].sum(axis=1)
        marked = np.concatenate([problem.markers[name] for problem in spots.problems])
        scores[f"marker_r_{name}"] = float(correlation(own[:, None], marked[:, None])[0])
    W = knn(np.concatenate([problem.xy for problem in spots.problems]), n_neighs=N_NEIGHS).connectivities
    table = pd.DataFrame({"found_mean": shares.mean(axis=0), "moran": morans_i(shares, W).statistic})
    return {"marker_r": float(np.mean(list(scores.values()))), **scores}, table
