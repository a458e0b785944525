"""The Markdown page of the benchmark of genes for domains."""

from collections.abc import Sequence

import pandas as pd

from . import _summary as summary
from ._costs_table import failures, threads
from ._denoise_tables import score_table
from ._domains_page import in_order
from ._genes_domains_sets import CHOICES, DOMAINS, REFERENCE, SETS
from ._host import host
from ._markdown import number, seconds, table


def genes_domains_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``genes_domains.csv``."""
    good, parts = summary.succeeded(rows), ["# Genes for domains\n"]
    if len(good):
        parts.append(_said(good))
        names = good["method"].str.split(":", n=1, expand=True)
        good = good.assign(domains=names[0], method=names[1])
        for domains in in_order(good["domains"], DOMAINS):
            parts += _of_method(domains, good[good["domains"] == domains])
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def _said(rows: pd.DataFrame) -> str:
    n_seeds = rows["seed"].nunique()
    return (
        f"Mean ± standard deviation over {n_seeds} seed{'s' * (n_seeds > 1)}, {threads(rows)}, the true number of "
        "domains given. Genes: `hvg`, of high variance (what `tl.domains` takes by itself); `all`; `svg`, those that vary "
        "in space most surely; `module`, the same share of each module of the trained embedding, `module-smooth` of the "
        "plain one (`tl.choose_genes`). Never more than there are, nor than vary in space. Bold: the best of a row.\n"
    )


def _of_method(domains: str, rows: pd.DataFrame) -> list[str]:
    choices = in_order(rows["method"], CHOICES)
    return [
        f'## `tl.domains(method="{domains}")`\n',
        "ARI.\n",
        score_table(rows, list(SETS), choices, "ari", best="high"),
        f"Difference to `{REFERENCE}` on the same sets, genes taken, and CPU seconds from file to domains.\n",
        _differences(rows, choices),
    ]


def _differences(rows: pd.DataFrame, choices: Sequence[str]) -> str:
    gaps = summary.differences(rows, "ari", REFERENCE)
    cpu, taken = (rows.groupby("method")[column].mean() for column in ("cpu_s", "n_chosen"))
    lines = []
    for choice in choices:
        gap = gaps[choice].dropna() if choice in gaps else pd.Series(dtype=float)
        cells = [f"{gap.mean():+.3f}", f"{gap.min():+.3f} ({gap.idxmin()})"] if len(gap) else ["", ""]
        better = f"{int((gap > 0).sum())} of {len(gap)}" if len(gap) else ""
        lines.append([f"`{choice}`", *cells, better, number(taken[choice], 0), seconds(cpu[choice])])
    return table(["genes", "mean", "lowest (set)", "sets better", "genes (mean)", "CPU s (mean)"], lines)
