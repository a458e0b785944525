"""Tables with a row for each part of a run (a gene, a cell type), beside those of whole runs."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from .._whole import write_whole
from ._results import KEY


def write_details(folder: Path, table: pd.DataFrame, dataset: str, method: str, seed: int) -> None:
    """Write one file a run, for the parent to `gather`."""
    named = table.assign(dataset=dataset, method=method, seed=seed)
    named = named[[*KEY, *(column for column in named if column not in KEY)]]
    write_whole(folder / f"{dataset}-{method}-{seed}.csv", _text(named))


def gather(folder: Path, path: Path, by: Sequence[str]) -> None:
    """Put the rows of new runs in the place of those of the same runs, in the order of runs and then `by`."""
    new = [pd.read_csv(file) for file in sorted(folder.glob("*.csv"))]
    if not new:
        return
    table = pd.concat(new, ignore_index=True)
    if path.exists():
        old = pd.read_csv(path)
        runs = pd.MultiIndex.from_frame(table[KEY])
        table = pd.concat([old[~pd.MultiIndex.from_frame(old[KEY]).isin(runs)], table], ignore_index=True)
    write_whole(path, _text(table.sort_values([*KEY, *by], kind="stable")))


def _text(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, float_format="%.5g").encode()
