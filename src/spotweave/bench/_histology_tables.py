"""Tables of methods that predict expression: means over sections with intervals, and margins between methods."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..metrics import BootstrapMean, bootstrap_mean, paired_margin
from . import _summary as summary
from ._denoise_tables import leaders
from ._domains_page import signed
from ._histology_methods import BLIND
from ._markdown import mean_sd, number, seconds, table

COLUMNS = {
    "pearson": "Pearson",
    "pearson_median": "median gene",
    "spearman": "Spearman",
    "r2": "R2",
    "pearson_heg": "50 highest genes",
}


def method_rows(rows: pd.DataFrame, methods: Sequence[str]) -> str:
    """Means over sections of each score, with spread and interval of the first; bold: best that sees the picture.

    `rows` are of one split, panel and target.
    """
    wide = {column: section_means(rows, column) for column in COLUMNS}
    means = {column: {method: float(wide[column][method].mean()) for method in methods} for column in COLUMNS}
    seeing = [method for method in methods if method not in BLIND]
    best = {column: leaders({m: values[m] for m in seeing}, "high") for column, values in means.items()}
    called = rows.groupby("method")["n_predictable"].mean()
    cpu = summary.costs(rows)["fit_cpu_s"].groupby("method").mean()
    lines = []
    for method in methods:
        spread = {"pearson": seed_sd(rows, method)}
        texts = [mean_sd(means[column][method], spread.get(column, math.nan)) for column in COLUMNS]
        cells = [f"**{t}**" if method in best[c] else t for c, t in zip(COLUMNS, texts, strict=True)]
        cells.insert(1, _interval(rows, wide["pearson"][method]))
        number = "" if math.isnan(called[method]) else f"{called[method]:.0f}"
        lines.append([_name(method, wide["pearson"][method]), *cells, number, seconds(cpu[method])])
    first, *others = COLUMNS.values()
    return table(["method", first, "95 %", *others, "predictable genes", "CPU s"], lines)


def margin_rows(rows: pd.DataFrame, methods: Sequence[str]) -> str:
    """By how much the correlation of each method exceeds that of each other on the same sections, with intervals."""
    wide = section_means(rows, "pearson")
    lines = [
        [f"`{own}`", *("" if own == other else said(margin(rows, wide[own], wide[other])) for other in methods)]
        for own in methods
    ]
    return table(["method", *(f"- {other}" for other in methods)], lines)


def section_means(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Mean of a score over seeds, sections (data set and name) x methods."""
    return rows.groupby(["dataset", "section", "method"])[value].mean().unstack("method")


def seed_sd(rows: pd.DataFrame, method: str) -> float:
    """Standard deviation over seeds of the mean correlation over sections; NaN for one seed."""
    return float(rows[rows["method"] == method].groupby("seed")["pearson"].mean().std())


def margin(rows: pd.DataFrame, own: pd.Series, other: pd.Series) -> BootstrapMean:
    """Mean difference of two methods over sections."""
    cluster, stratum = drawn(rows, own.index)
    return paired_margin(own, other, cluster, stratum=stratum)


def drawn(rows: pd.DataFrame, index: pd.Index) -> tuple[np.ndarray, np.ndarray]:
    """Clusters and strata of the bootstrap for sections: patients where these were held out, else the sections."""
    about = rows.groupby(["dataset", "section"])[["split", "patient"]].first().loc[index]
    dataset, section = (index.get_level_values(k).to_numpy(str) for k in (0, 1))
    unit = np.where(about["split"] == "group", about["patient"].to_numpy(str), section)
    return np.char.add(np.char.add(dataset, ":"), unit), dataset


def said(found: BootstrapMean) -> str:
    """``+0.012 (+0.001 to +0.023)``; bold where the interval lies above 0."""
    if math.isnan(found.mean):
        return ""
    if math.isnan(found.lower):
        return signed(found.mean)
    text = f"{signed(found.mean)} ({signed(found.lower)} to {signed(found.upper)})"
    return f"**{text}**" if round(found.lower, 3) > 0 else text


def _interval(rows: pd.DataFrame, values: pd.Series) -> str:
    cluster, stratum = drawn(rows, values.index)
    found = bootstrap_mean(values, cluster, stratum=stratum)
    return "" if math.isnan(found.lower) else f"{number(found.lower)} to {number(found.upper)}"


def _name(method: str, values: pd.Series) -> str:
    """With the number of sections, where other methods have more."""
    missing = int(values.isna().sum())
    return f"`{method}`" + (f" ({len(values) - missing} of {len(values)} sections)" if missing else "")
