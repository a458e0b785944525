"""The Markdown page of the benchmark of gene embeddings."""

from collections.abc import Sequence

import pandas as pd

from . import _summary as summary
from ._costs_table import cost_note, cost_table, failures, threads
from ._denoise_tables import over_sets, score_table
from ._domains_page import in_order
from ._genes_methods import METHODS
from ._genes_sets import SETS, of_kind
from ._host import host
from ._markdown import number, seconds, table

PLANTED = {  # column: what is said, which is best, decimals
    "ari_kmeans": ("ARI of k-means clusters of the embedding, the true number given.\n", "high", 3),
    "ari_modules": ("ARI of `tl.gene_modules`, the true number given.\n", "high", 3),
    "ari_chosen": ("ARI of `tl.gene_modules`, which chooses the number.\n", "high", 3),
    "n_chosen": ("The number that it chooses (20 is right).\n", "", 1),
}
PAIR = {
    "mrr": ("Mean of 1 / rank of a gene among all by cosine, looked for in the other section.\n", "high", 3),
    "top10": ("Share of genes that are among the first ten.\n", "high", 3),
    "rank": ("Median rank as a part of all genes (0 is first, .5 is chance).\n", "low", 4),
    "mrr_like": ("Mean of 1 / rank among genes of like mean expression (20 strata).\n", "high", 3),
    "rank_like": ("Median rank among these.\n", "low", 4),
    "overlap": ("Share of a gene's 20 nearest that are the same in both sections; needs no rotation.\n", "high", 3),
    "ari_sections": ("ARI between the two sections' modules (30 k-means clusters, mean of 3 starts).\n", "high", 3),
}
FUNCTION = {
    "go_corrected": (
        "AUROC of the cosine for pairs of one term against random pairs of the same expression deciles (.5 is chance).\n",
        "high",
        3,
    ),
    "go": ("The same against all random pairs: in part expression alone.\n", "high", 3),
}
Said = dict[str, tuple[str, str, int]]


def genes_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``genes.csv``."""
    good, parts = summary.succeeded(rows), ["# Embeddings of genes\n"]
    if len(good):
        agreed, done = questions(good)
        parts += [_said(good), _overview(good), *_planted(good), *_pairs(agreed), *_function(done)]
        parts += [*_null(agreed, done), *_costs(good)]
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def questions(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows about agreement and about co-function, their data sets named by what a row is about."""
    asked = rows[rows["dataset"].isin(of_kind("pair", "null", "section"))]
    agreed = asked[asked["truth"].isin(["all", "varying"])]
    done = asked[~asked["truth"].isin(["all", "varying"])]
    kind = asked["dataset"].map({name: item.kind for name, item in SETS.items()})
    return (
        agreed.assign(dataset=agreed["dataset"] + " (" + agreed["truth"] + " genes)", kind=kind),
        done.assign(dataset=done["truth"], kind=kind),
    )


def _said(rows: pd.DataFrame) -> str:
    n_seeds = rows["seed"].nunique()
    return (
        f"Mean ± standard deviation over {n_seeds} seed{'s' * (n_seeds > 1)} (one where a method gives the same again); "
        f"{threads(rows)}. `smooth` and `mae` are `tl.gene_embedding`; `raw` are components of residuals of which "
        "nothing is smoothed. Bold: the best of a row.\n"
    )


def _overview(rows: pd.DataFrame) -> str:
    """Means over sets, each over those that the method has results for."""
    methods, (agreed, done) = in_order(rows["method"], METHODS), questions(rows)
    varying = agreed[(agreed["kind"] == "pair") & (agreed["truth"] == "varying")]
    columns = {
        "ARI, planted, k-means": _means(rows, methods, "ari_kmeans"),
        "`gene_modules`": _means(rows, methods, "ari_modules"),
        "number chosen": _means(rows, methods, "ari_chosen"),
        "found again (MRR)": _means(varying, methods, "mrr"),
        "same neighbours": _means(varying, methods, "overlap"),
        "ARI between sections": _means(varying, methods, "ari_sections"),
        "co-function, corrected": _means(done[done["kind"] != "null"], methods, "go_corrected"),
    }
    cpu = _cpu(rows)
    lines = [
        [
            f"`{m}`",
            *(number(column.get(m)) for column in columns.values()),
            seconds(cpu.get((_sizes()[0], m), float("nan"))),
        ]
        for m in methods
    ]
    said = "Means over sets; of pairs of sections, over the genes that vary in both.\n"
    return said + "\n" + table(["method", *columns, "CPU s, one section"], lines)


def _means(rows: pd.DataFrame, methods: Sequence[str], value: str) -> dict[str, float]:
    if value not in rows:
        return {}
    return {method: mean for method, (mean, _) in over_sets(rows, methods, value).items()}


def _planted(rows: pd.DataFrame) -> list[str]:
    said = (
        "Genes of `datasets.simulate_patterns` in 20 modules, drawn anew for each seed: broad bumps, bands, niches some "
        "five spots wide (3,600 spots, 1,000 genes), and bumps in a small tissue (1,440 spots, 600 genes). Genes of a "
        "module that have at least 10 molecules are compared; many have no more than a few hundred.\n"
    )
    return _section("## Planted modules\n", said, rows, of_kind("planted"), PLANTED)


def _pairs(agreed: pd.DataFrame) -> list[str]:
    rows = agreed[agreed["kind"] == "pair"]
    if not len(rows):
        return []
    told = ", ".join(
        f"{n:,.0f} in {name}" for name, n in rows.drop_duplicates("dataset")[["dataset", "n_scored"]].values
    )
    said = (
        "Each section is embedded by itself; genes are matched by name. A rotation is fitted to a random half of the "
        f"genes, and the other half judged. All genes of 10 molecules or more in both, and those that vary in both: {told}.\n"
    )
    return _section("## Two sections of one tissue\n", said, rows, _names(rows), PAIR)


def _function(done: pd.DataFrame) -> list[str]:
    rows = done[done["kind"] != "null"]
    said = (
        "Pairs of genes within a term of GO Biological Process (2021, terms of 5 to 50 embedded genes, each counting "
        "alike) against random pairs of annotated genes without a common term.\n"
    )
    return _section("## Co-function\n", said, rows, _names(rows), FUNCTION)


def _null(agreed: pd.DataFrame, done: pd.DataFrame) -> list[str]:
    """The floor: what figures are worth when there is nothing to be found."""
    said = (
        "Rows of counts dealt out to the spots at random in every section: no gene has a place, though it keeps its "
        "cells. What is above chance here does not come from space; `raw`, which knows no places, finds the same as before. "
        "Too few genes vary to be told apart from the others.\n"
    )
    agreed, done = (part[part["kind"] == "null"] for part in (agreed, done))
    told = {value: (text, "", digits) for value, (text, _, digits) in (PAIR | FUNCTION).items()}
    chosen = {value: told[value] for value in ("mrr", "rank_like", "overlap", "ari_sections")}
    function = _section("", "", done, _names(done), {"go_corrected": told["go_corrected"]})
    parts = _section("## Permuted counts\n", said, agreed, _names(agreed), chosen)
    return [*parts, *(part for part in function if part)]


def _costs(rows: pd.DataFrame) -> list[str]:
    """Of the embedding alone, in a process of its own; and how it grows."""
    sizes = _sizes()
    rows = rows[rows["dataset"].isin(sizes)]
    if not len(rows):
        return []
    methods, cpu = in_order(rows["method"], METHODS), _cpu(rows)
    own = rows.assign(wall_s=rows["fit_s"], cpu_s=rows["fit_cpu_s"])
    parts = ["## Times and memory\n", cost_note(own, "the embedding alone"), cost_table(own, sizes, methods)]
    lines = [
        [f"`{m}`", number(cpu[sizes[1], m] / cpu[sizes[0], m], 1)]
        for m in methods
        if all((name, m) in cpu for name in sizes)
    ]
    said = (
        "CPU time of four times the spots (the section four times, side by side) over that of one: 16 is quadratic.\n"
    )
    return [*parts, said, table(["method", "times"], lines)] if lines else parts


def _cpu(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    return {key: entry["fit_cpu_s"] for key, entry in summary.entries(summary.costs(rows)).items()}


def _sizes() -> list[str]:
    return of_kind("cost")


def _names(rows: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(rows["dataset"]))


def _section(title: str, said: str, rows: pd.DataFrame, names: Sequence[str], scores: Said) -> list[str]:
    """One table for each score; nothing where no run has any."""
    methods = in_order(rows["method"], METHODS)
    parts: list[str] = []
    for value, (text, best, digits) in scores.items():
        if value in rows and rows[rows["dataset"].isin(names)][value].notna().any():
            own = rows[rows["dataset"].isin(names)]
            parts += [text, score_table(own, names, methods, value, best=best, digits=digits)]
    return [title, said, *parts] if parts else []
