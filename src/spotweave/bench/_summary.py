"""Numbers that sum up a table of results. DataFrames in, DataFrames out."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

GROUP = ("dataset", "truth", "method")


def succeeded(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of runs that gave a result."""
    return table.loc[table["error"].fillna("") == ""]


def entries(frame: pd.DataFrame) -> dict[Any, dict[str, Any]]:
    """Rows by their index, as plain values: ``{(data set, method): {column: value}}``."""
    return {key: dict(zip(frame.columns, row, strict=True)) for key, *row in frame.itertuples(name=None)}


def spread(table: pd.DataFrame, value: str, by: Sequence[str] = GROUP) -> pd.DataFrame:
    """Mean, sample standard deviation (NaN for one run) and number of runs, for each data set, truth and method."""
    groups = succeeded(table).groupby(list(by), sort=False)[value]
    return pd.DataFrame({"mean": groups.mean(), "sd": groups.std(), "n": groups.count()})


def first_truths(table: pd.DataFrame, truths: dict[str, str]) -> pd.DataFrame:
    """Rows scored on the truth that counts in means over sets: ``{data set: column}``."""
    return table[table["truth"] == table["dataset"].map(truths)]


def over_sets(table: pd.DataFrame, values: Iterable[str]) -> pd.DataFrame:
    """Mean over data sets of the mean over seeds, a row for each method. One truth a data set, please."""
    return mean_over_seeds(table, values).groupby("method", sort=False).mean()


def mean_over_seeds(table: pd.DataFrame, values: Iterable[str]) -> pd.DataFrame:
    """Means for each data set and method."""
    return succeeded(table).groupby(["dataset", "method"], sort=False)[list(values)].mean()


def differences(table: pd.DataFrame, value: str, rival: str) -> pd.DataFrame:
    """Mean of `value` over seeds minus that of `rival`, data sets x other methods; NaN where either is missing."""
    means = succeeded(table).groupby(["dataset", "method"], sort=False)[value].mean().unstack("method")
    if rival not in means:
        return pd.DataFrame(index=means.index)
    return means.drop(columns=rival).sub(means[rival], axis=0)


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """Median seconds and greatest memory over seeds, for each data set and method, and in which mode they were had.

    Fast runs, whose costs mean something else, count only where there are no others.
    """
    once = succeeded(table).drop_duplicates(["dataset", "method", "seed"])
    single = (once["mode"] == "single").groupby([once["dataset"], once["method"]]).transform("any")
    once = once[(once["mode"] == "single") | ~single]
    groups = once.groupby(["dataset", "method"], sort=False)
    seconds = ["wall_s", "cpu_s", "fit_s", "fit_cpu_s", "process_s", "process_cpu_s"]
    medians = groups[[name for name in seconds if name in once]].median()
    return medians.assign(peak_mb=groups["peak_mb"].max(), n=groups.size(), mode=groups["mode"].first())


def exponent(n: ArrayLike, cost: ArrayLike) -> float:
    """Slope of log cost against log n by least squares: 1 is linear; NaN for fewer than two sizes."""
    x, y = np.asarray(n, float), np.asarray(cost, float)
    kept = np.isfinite(y) & (y > 0)
    if len(np.unique(x[kept])) < 2:
        return float("nan")
    return float(np.polyfit(np.log(x[kept]), np.log(y[kept]), 1)[0])
