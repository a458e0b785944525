"""Tables that every page of a benchmark has: times and memory, and runs that failed."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from . import _summary as summary
from ._markdown import seconds, table


def threads(rows: pd.DataFrame) -> str:
    """``2 threads``: how many each run had."""
    numbers = sorted({int(t) for t in rows["threads"]})
    return f"{' or '.join(map(str, numbers))} thread{'s' * (numbers != [1])}"


def cost_note(rows: pd.DataFrame, span: str = "from file to domains") -> str:
    """Say what the times are, and over which `span` they go."""
    modes = set(summary.costs(rows)["mode"])
    text = "Wall seconds · CPU seconds (medians over seeds) · greatest resident memory of the process in MB. "
    if "single" in modes:
        text += f"Each run in a process of its own; {span}, imports done before. "
    if "fast" in modes:
        text += "Cells marked f: seeds shared a process, so that times are of the fit alone, without reading. "
    return text.rstrip() + "\n"


def cost_table(rows: pd.DataFrame, sets: Iterable[str], methods: list[str]) -> str:
    """Costs of each data set (in this order) and method."""
    good, found = summary.succeeded(rows), summary.entries(summary.costs(rows))
    sizes = summary.entries(good.groupby("dataset")[["n_obs", "n_genes"]].first())
    lines = []
    for name in (name for name in sets if name in sizes):
        cells = [_cost(found.get((name, m))) for m in methods]
        lines.append([name, f"{sizes[name]['n_obs']:,.0f} x {sizes[name]['n_genes']:,.0f}", *cells])
    return table(["data set", "size", *methods], lines)


def _cost(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return ""
    mark = " f" if entry["mode"] == "fast" else ""
    return f"{seconds(entry['wall_s'])} · {seconds(entry['cpu_s'])} · {entry['peak_mb']:.0f}{mark}"


def failures(rows: pd.DataFrame) -> list[str]:
    """Section about runs that failed; nothing when none did."""
    failed = rows[rows["error"].fillna("") != ""]
    seeds: dict[tuple[str, str, str], list[str]] = {}
    for name, method, error, seed in zip(*(failed[c] for c in ("dataset", "method", "error", "seed")), strict=True):
        seeds.setdefault((name, method, error), []).append(str(seed))
    if not seeds:
        return []
    lines = [[name, method, ", ".join(s), error.replace("|", "\\|")] for (name, method, error), s in seeds.items()]
    return ["## Failed runs\n", "In no figure above.\n", table(["data set", "method", "seeds", "error"], lines)]
