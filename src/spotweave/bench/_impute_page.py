"""The Markdown page of the imputation benchmark."""

import pandas as pd

from . import _summary as summary
from ._costs_table import failures, threads
from ._denoise_tables import over_sets
from ._domains_page import in_order
from ._host import host
from ._impute_methods import METHODS, OURS
from ._impute_sets import GROUPS, SETS
from ._method_table import method_table, plain

COLUMNS = {  # score: head of its column, which is best
    "pcc": ("PCC", "high"),
    "ssim": ("SSIM", "high"),
    "rmse": ("RMSE", "low"),
    "js": ("JS", "low"),
    "residual_r": ("residual r", "high"),
    "deviance_explained_median": ("deviance explained", "high"),
    "moran_error": ("Moran error", "low"),
}
COVERAGE = "coverage_"  # prefix of the columns
RATES = {"rate_r": ("r with true rates", "high")}  # of simulated tissue
SAID = (
    "Genes of a target predicted from its other genes and a reference, fold by fold. PCC, SSIM, RMSE of z-scores and "
    "JS (Jensen-Shannon divergence) are those of the published benchmark (Li et al. 2022), means over genes; they "
    "reward predicted depth. Residual r is the correlation beyond depth (mean over genes), deviance explained the part "
    "of the negative binomial deviance left by the power of depth that fits the gene best (median over genes); what "
    "depth alone predicts is about 0 in the one and not above 0 in the other. Moran error is "
    "the mean difference of Moran's I between prediction and counts. CPU seconds are of all folds, of the method "
    "alone. Bold: the best of a column.\n"
)


def impute_page(rows: pd.DataFrame, genes: pd.DataFrame | None = None) -> str:
    """Return the summary of all rows of ``impute.csv``, and of ``impute_genes.csv`` where methods ran on few folds."""
    good, parts = summary.succeeded(rows), ["# Imputation of genes outside a panel\n"]
    if len(good):
        parts += [f"{SAID[:-1]} Means over seeds; {threads(good)}.\n"]
        whole = good[good["n_folds"] == good.groupby("dataset")["n_folds"].transform("max")]
        for title, group in (("Measured", "real"), ("Simulated", "simulated")):
            parts += _overview(title, whole[whole["dataset"].isin(GROUPS[group])])
        for name in (name for name in SETS if (good["dataset"] == name).any()):
            parts += _section(name, good[good["dataset"] == name], genes)
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def _overview(title: str, rows: pd.DataFrame) -> list[str]:
    """Means over data sets, of methods that were run on all of them."""
    n_sets = rows["dataset"].nunique()
    if n_sets < 2:
        return []
    columns, names = _columns(rows), in_order(rows["method"], METHODS)
    means = {column: over_sets(rows, names, column) for column in columns}
    complete = [name for name in names if means["pcc"].get(name, (0.0, 0))[1] == n_sets]
    values = {column: {name: means[column][name][0] for name in complete} for column in columns}
    cpu = rows.groupby(["dataset", "method"])["fit_cpu_s"].median().groupby("method").mean()
    return [f"## {title} targets, mean of {n_sets}\n", method_table(values, complete, columns, plain(cpu))]


def _section(name: str, rows: pd.DataFrame, genes: pd.DataFrame | None) -> list[str]:
    """Tables of one data set."""
    whole = rows[rows["n_folds"] == rows["n_folds"].max()]
    first = whole.iloc[0]
    said = (
        f"{first['n_obs']:,.0f} cells, reference of {first['n_reference']:,.0f}; {first['n_wanted']:,.0f} of "
        f"{first['n_genes']:,.0f} shared genes predicted in {first['n_folds']:.0f} folds.\n"
    )
    columns, methods = _columns(whole), in_order(whole["method"], METHODS)
    values = {column: plain(whole.groupby("method")[column].mean()) for column in columns}
    cpu = plain(whole.groupby("method")["fit_cpu_s"].median())
    parts = [f"## {name}\n", said, method_table(values, methods, columns, cpu), *_covered(whole)]
    if len(whole) == len(rows) or genes is None:
        return parts
    return [*parts, *_common_folds(rows, genes[genes["dataset"] == name])]


def _common_folds(rows: pd.DataFrame, genes: pd.DataFrame) -> list[str]:
    """Table of all methods on the folds that each of them has run."""
    n_folds = int(rows["n_folds"].min())
    genes = genes[genes["fold"] < n_folds]
    methods = in_order(rows.loc[rows["method"].isin(genes["method"]), "method"], METHODS)
    means = genes.groupby("method")
    values = {column: plain(means[column].mean()) for column in COLUMNS if column in genes}
    values["deviance_explained_median"] = plain(means["deviance_explained"].median())
    gap = (genes["moran_predicted"] - genes["moran_truth"]).abs()
    values["moran_error"] = plain(gap.groupby(genes["method"]).mean())
    cpu = n_folds * (rows["fit_cpu_s"] / rows["n_folds"]).groupby(rows["method"]).median()
    said = f"Slow methods ran on the first {n_folds} only; all methods on these, {genes['gene'].nunique():,} genes:\n"
    return [said, method_table(values, methods, COLUMNS, plain(cpu))]


def _covered(rows: pd.DataFrame) -> list[str]:
    """Line on the intervals of the default method."""
    columns = [column for column in map(str, rows) if column.startswith(COVERAGE)]
    shown = rows.loc[rows["method"] == next(iter(OURS)), columns].mean()
    if shown.isna().all():
        return []
    parts = [f"{shown[column]:.3f} at {column.removeprefix(COVERAGE)} %" for column in columns]
    return [f"Cells inside the intervals of `{next(iter(OURS))}`, mean over genes: {', '.join(parts)}.\n"]


def _columns(rows: pd.DataFrame) -> dict[str, tuple[str, str]]:
    return {**COLUMNS, **(RATES if "rate_r" in rows and rows["rate_r"].notna().any() else {})}
