"""The Markdown page of the integration benchmark."""

from collections.abc import Sequence

import pandas as pd

from . import _summary as summary
from ._costs_table import cost_note, cost_table, failures, threads
from ._denoise_tables import score_table
from ._domains_page import in_order
from ._host import host
from ._integrate_methods import ALONE, DOMAINS, NAMES, OWN, UNCORRECTED
from ._integrate_score import ALL
from ._integrate_sets import SETS
from ._markdown import number, table

KEPT = "neighbors_kept"
BEST = f"{ALONE}, best slice"
MIXING = {
    "ilisi": "iLISI, scaled: slices met around a row, 0 none but its own, 1 all in equal parts",
    "kbet": "kBET: share of rows around which slices are met as often as overall",
    "batch_asw": "Batch ASW: 1 where slices lie in one another (within each label, where two slices have labels)",
    "label_asw": "Label ASW: how far the known labels lie apart, chance .5",
    KEPT: f"Neighbours kept: share of the 30 nearest rows of the same slice that `{UNCORRECTED}` has as well",
}


def integrate_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``integrate.csv``."""
    good, parts = summary.succeeded(rows), ["# Integration of slices\n"]
    if len(good):
        names = good["method"].str.split(":", n=1, expand=True).reindex(columns=[0, 1])
        good = good.assign(method=names[0], domains=names[1].fillna(OWN))
        parts.append(_said(good))
        for domains in in_order(set(good["domains"]) - {OWN}, DOMAINS) or [OWN]:
            parts += _of_domains(domains, good[good["domains"].isin([domains, OWN])])
        parts += _mixing(good)
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def _said(rows: pd.DataFrame) -> str:
    n_seeds = rows["seed"].nunique()
    return (
        f"Mean ± standard deviation over {n_seeds} seed{'s' * (n_seeds > 1)}, {threads(rows)}, the true number of "
        f"domains given. `{ALONE}`: each slice from its own counts; `{UNCORRECTED}`: joint components, nothing "
        "corrected; `center`, `harmony`, `matched`: `tl.integrate`; `scvi`: its latent space, with the slice as batch; "
        "`cellcharter`: the same, with domains of its own; `graphst`: slices side by side. Bold: the best of a row.\n"
    )


def _of_domains(domains: str, rows: pd.DataFrame) -> list[str]:
    title = "Domains of other packages" if domains == OWN else f'Domains by `tl.domains(method="{domains}")`'
    methods, sets = in_order(rows["method"], NAMES), in_order(rows["dataset"], SETS)
    labelled, parts = rows[rows["ari"].notna()], [f"## {title}\n"]
    if len(labelled):
        pooled, slices = together(labelled), labelled[labelled["slice"] != ALL]
        each = slices.assign(dataset=slices["dataset"] + ", " + slices["slice"])
        heads = in_order(pooled["method"], [BEST, *NAMES])
        parts += [
            f"ARI of all labelled rows together; `{BEST}`: what the slice with the best mean has by itself.\n",
            score_table(pooled, sets, heads, "ari", best="high"),
            _overview(pooled, slices, [name for name in heads if name != BEST]),
            "ARI of each slice.\n",
            score_table(each, in_order(each["dataset"], []), methods, "ari", best="high", over="slices"),
        ]
    return [*parts, "Times and memory.\n", cost_note(rows), cost_table(rows, sets, methods)]


def together(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of all slices together, and of the slice that is best by itself in place of each one alone."""
    alone = rows[(rows["method"] == ALONE) & (rows["slice"] != ALL)]
    means = alone.groupby(["dataset", "slice"])["ari"].mean()
    best = set(means.groupby("dataset").idxmax())
    is_best = [key in best for key in zip(alone["dataset"], alone["slice"], strict=True)]
    return pd.concat([alone[is_best].assign(method=BEST), rows[rows["slice"] == ALL]], ignore_index=True)


def _overview(pooled: pd.DataFrame, slices: pd.DataFrame, methods: Sequence[str]) -> str:
    """Means over sets, and what integration gains over the best slice alone."""
    gaps, means = summary.differences(pooled, "ari", BEST), summary.over_sets(pooled, ["ari"])["ari"].to_dict()
    each = slices.groupby(["method", "dataset", "slice"])["ari"].mean()
    lines = []
    for method in methods:
        gap = gaps[method].dropna() if method in gaps else pd.Series(dtype=float)
        own = each[method]
        cells = [number(means[method]), number(own.groupby("dataset").mean().mean())]
        cells.append(f"{number(own.min())} ({', '.join(map(str, own.idxmin()))})")
        cells += [f"{gap.mean():+.3f}", f"{gap.min():+.3f} ({gap.idxmin()})"] if len(gap) else ["", ""]
        reached = f"{int((gap.round(3) >= 0).sum())} of {len(gap)}" if len(gap) else ""
        lines.append([f"`{method}`", *cells, reached])
    heads = ["ARI, mean over sets", "of slices", "lowest slice", f"ARI - {BEST}", "lowest (set)", "sets at or above"]
    return table(["method", *heads], lines)


def _mixing(rows: pd.DataFrame) -> list[str]:
    """Scores of components, which are the same whichever way domains are found in them."""
    rows = rows[(rows["slice"] == ALL) & (rows["method"] != ALONE)]
    rows = rows.drop_duplicates(["dataset", "method", "seed"])
    columns = [column for column in MIXING if column in rows and rows[column].notna().any()]
    if not columns:
        return []
    methods, sets = in_order(rows["method"], NAMES), in_order(rows["dataset"], SETS)
    parts = ["## Mixing\n", "Of components averaged twice over the 6 nearest neighbours of the same slice.\n"]
    for column in columns:
        known = [name for name in sets if rows.loc[rows["dataset"] == name, column].notna().any()]
        shown = [name for name in methods if name != UNCORRECTED or column != KEPT]  # which has all of its own
        parts += [f"{MIXING[column]}.\n", score_table(rows, known, shown, column, best="high")]
    return parts
