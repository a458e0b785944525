"""The table of results: one row a run (and truth), kept as CSV that is whole at any moment."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from .._check import fail
from .._whole import write_whole

KEY = ["dataset", "method", "seed"]
FIRST = [*KEY, "truth", "n_obs", "n_genes", "n_domains"]
LAST = [
    "wall_s", "cpu_s", "fit_s", "fit_cpu_s", "process_s", "process_cpu_s", "peak_mb", "mode", "threads", "version", "error",
]  # fmt: skip
Run = tuple[str, str, int]


def read_results(path: Path) -> pd.DataFrame:
    """Return the rows of the CSV file, none when it does not exist."""
    if not path.exists():
        return pd.DataFrame({**{name: [] for name in KEY}, "mode": [], "error": []})
    try:
        table = pd.read_csv(path, dtype={"dataset": str, "method": str, "error": str, "truth": str, "version": str})
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise fail(f"a table of results in {path}", str(error), "Move it away to begin anew.") from None
    lacking = sorted({*KEY, "mode", "error"} - set(table.columns))
    if lacking:
        raise fail(f"a table of results in {path}", f"no columns {lacking}", "Move it away to begin anew.")
    return table.fillna({"error": ""})


def finished(table: pd.DataFrame, *, fast: bool) -> set[Run]:
    """Runs that need not be done again: without error and, unless `fast` costs will do, in a process of their own."""
    good = table[(table["error"] == "") & (fast | (table["mode"] == "single"))]
    return set(zip(good["dataset"], good["method"], good["seed"].astype(int), strict=True))


def replaced(table: pd.DataFrame, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Put `rows` in the place of those of the same runs, and sort."""
    new = pd.DataFrame(list(rows))
    runs = pd.MultiIndex.from_frame(new[KEY])
    kept = table[~pd.MultiIndex.from_frame(table[KEY]).isin(runs)] if len(table) else table
    both = pd.concat([kept.dropna(axis=1, how="all"), new.dropna(axis=1, how="all")]) if len(kept) else new
    both = both.reindex(columns=[*_present(FIRST, both), *_other(both), *_present(LAST, both)])
    both["error"] = both.get("error", pd.Series(index=both.index, dtype=object)).fillna("")
    return both.sort_values(KEY, kind="stable").reset_index(drop=True)


def _present(names: list[str], table: pd.DataFrame) -> list[str]:
    return [name for name in names if name in table]


def _other(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table if name not in {*FIRST, *LAST}]


def write_results(path: Path, table: pd.DataFrame) -> None:
    """Write the CSV file; nobody ever sees a part of it."""
    write_whole(path, table.to_csv(index=False, float_format="%.6g").encode())
