"""The Markdown page of the benchmark of tests for spatially variable genes."""

from collections.abc import Sequence

import pandas as pd

from . import _summary as summary
from ._costs_table import cost_note, cost_table, failures, threads
from ._denoise_tables import over_sets, score_table
from ._domains_page import in_order
from ._genes_test_methods import METHODS
from ._genes_test_sets import GROUPS, SETS
from ._host import host
from ._markdown import number, seconds, table

WIDEST, DEPTH = "sim_genome", "sim_depth"
EVEN = [name for name in GROUPS["simulated"] if name != DEPTH]
"""Sets whose library size has no pattern: power says little where flat genes are called as well."""
SIMULATED = {  # column: what is said, which is best
    "power": ("Power: share of the genes with a pattern that are called at a false discovery rate of 5 %.\n", "high"),
    "fdr": ("Share of false ones among those (5 % or less is right).\n", ""),
    "auroc": ("AUROC of the ranking by p value (equal ones by the statistic).\n", "high"),
    "null_rate": ("Share of the flat genes with p < .05 (.05 is right).\n", ""),
    "null_rate_strict": ("Share of the flat genes with p < .001 (.001 is right).\n", ""),
}
PERMUTED = {
    "null_rate": "Share of all genes with p < .05 (.05 is right).\n",
    "null_rate_sparse": "The same, of genes of fewer counts than the median gene.\n",
    "null_rate_abundant": "The same, of the other genes.\n",
    "null_rate_strict": "Share of all genes with p < .001 (.001 is right).\n",
    "n_called": "Genes called at a false discovery rate of 5 % (0 is right).\n",
}


def genes_test_page(rows: pd.DataFrame, null: pd.DataFrame) -> str:
    """Return the summary of all rows of ``genes_test.csv`` and ``genes_null.csv``."""
    good, good_null = summary.succeeded(rows), summary.succeeded(null)
    parts = ["# Tests for spatially variable genes\n"]
    if len(good):
        parts += [_said(good), _overview(good, good_null), *_simulated(good), *_depth(good)]
    parts += _permuted(good_null)
    if len(good):
        parts += [*_measured(good), *_costs(good)]
    both = [part for part in (rows, null) if len(part)]
    return "\n".join([*parts, *failures(pd.concat(both) if both else rows), "---\n", f"Summed up on {host()}\n"])


def _said(rows: pd.DataFrame) -> str:
    n_seeds = rows["seed"].nunique()
    return (
        f"Mean ± standard deviation over {n_seeds} seed{'s' * (n_seeds > 1)} or permutations; {threads(rows)}. "
        "P values of every method are adjusted by Benjamini and Hochberg here; a gene that a method does not test has "
        "p = 1. `moran` is Moran's I of log-normalised counts on 6 neighbours, upper tail; `sparkx` the closed form of "
        "SPARK-X on counts, written anew; `flashs`, `hotspot` (depth-adjusted negative binomial) and `squidpy` (Moran, "
        "analytic) are the packages with their defaults. Bold: the best of a row.\n"
    )


def _overview(rows: pd.DataFrame, null: pd.DataFrame) -> str:
    """Means over sets, each over the sets of its kind that the method has results for."""
    simulated, methods = _of(rows, EVEN), in_order(rows["method"], METHODS)
    columns = {
        "power": _means(simulated, methods, "power"),
        "FDR": _means(simulated, methods, "fdr"),
        "AUROC": _means(simulated, methods, "auroc"),
        "p < .05, flat genes": _means(simulated, methods, "null_rate"),
        "p < .05, flat genes, patterned depth": _means(_of(rows, [DEPTH]), methods, "null_rate"),
        "p < .05, permuted": _means(null, methods, "null_rate"),
        "agreement with regions": _means(rows, methods, "agreement"),
    }
    widest = _of(rows, [WIDEST]).groupby("method")["fit_cpu_s"].median()
    lines = [
        [f"`{m}`", *(number(column.get(m)) for column in columns.values()), seconds(widest.get(m, float("nan")))]
        for m in methods
    ]
    return table(["method", *columns, "CPU s, 18,000 genes"], lines)


def _means(rows: pd.DataFrame, methods: Sequence[str], value: str) -> dict[str, float]:
    if value not in rows:
        return {}
    return {method: mean for method, (mean, _) in over_sets(rows, methods, value).items()}


def _simulated(rows: pd.DataFrame) -> list[str]:
    rows = _of(rows, EVEN)
    if not len(rows):
        return []
    said = (
        "3,600 spots, 500 genes with a pattern of 0.1 to 0.5 standard deviations of log expression and 500 flat ones "
        "(`datasets.simulate_patterns`): broad bumps, bands, or niches some five spots wide.\n"
    )
    parts = ["## Simulated genes\n", said]
    for value, (text, best) in SIMULATED.items():
        parts += _scores(rows, EVEN, value, text, best=best)
    return parts


def _depth(rows: pd.DataFrame) -> list[str]:
    rows = _of(rows, [DEPTH])
    if not len(rows):
        return []
    said = (
        "The same, with patterns of all three kinds, in tissue whose library size varies in space (0.5 standard "
        "deviations of its logarithm), as cells are denser in some places. Flat genes keep their share of the library: "
        "a test that calls them finds depth, not genes.\n"
    )
    head = {"power": "power", "fdr": "FDR", "auroc": "AUROC", "null_rate": "p < .05", "null_rate_strict": "p < .001"}
    methods = in_order(rows["method"], METHODS)
    found = {value: _means(rows, methods, value) for value in head}
    lines = [[f"`{m}`", *(number(found[value].get(m)) for value in head)] for m in methods]
    columns = [*head.values()][:3] + [f"{text}, flat genes" for text in [*head.values()][3:]]
    return ["## Patterned library size\n", said, table(["method", *columns], lines)]


def _permuted(rows: pd.DataFrame) -> list[str]:
    if not len(rows):
        return []
    parts = ["## Permuted counts\n", "Measured counts dealt out to the spots at random, whole rows: no gene varies.\n"]
    for value, text in PERMUTED.items():
        parts += _scores(rows, list(SETS), value, text, digits=1 if value == "n_called" else 3)
    return parts


def _measured(rows: pd.DataFrame) -> list[str]:
    rows = _of(rows, GROUPS["real"])
    if not len(rows):
        return []
    differ = rows.groupby("dataset")["n_differ"].first()
    genes = rows.groupby("dataset")["n_genes"].first()
    told = ", ".join(f"{differ[name]:,.0f} of {genes[name]:,.0f} ({name})" for name in GROUPS["real"] if name in differ)
    said = (
        "There is no truth. Agreement is the AUROC of the ranking by p value against the genes whose shares of the "
        "library differ between annotated regions (quasi-Poisson F test, false discovery rate of 5 %): "
        f"{told}. Patterns within regions count against a test, and annotations come in part from expression.\n"
    )
    parts = ["## Measured tissues\n", said]
    parts += _scores(rows, GROUPS["real"], "agreement", "Agreement.\n", best="high")
    return parts + _scores(
        rows, GROUPS["real"], "n_called", "Genes called at a false discovery rate of 5 %.\n", digits=0
    )


def _costs(rows: pd.DataFrame) -> list[str]:
    """Of the test alone, as simulated genes are not read from files and other packages run elsewhere."""
    rows = rows.assign(wall_s=rows["fit_s"], cpu_s=rows["fit_cpu_s"])
    span = "the test alone, without reading, and without the first call of packages that compile code at it"
    return ["## Times and memory\n", cost_note(rows, span), cost_table(rows, SETS, in_order(rows["method"], METHODS))]


def _scores(
    rows: pd.DataFrame, names: Sequence[str], value: str, said: str, *, best: str = "", digits: int = 3
) -> list[str]:
    """One table, nothing where no run has this score (no gene differs between regions, say)."""
    if value not in rows or rows[value].isna().all():
        return []
    return [said, score_table(rows, names, in_order(rows["method"], METHODS), value, best=best, digits=digits)]


def _of(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    return rows[rows["dataset"].isin(names)]
