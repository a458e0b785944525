"""A table of methods x scores with the best of each column marked, and what they cost."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ._denoise_tables import leaders
from ._markdown import number, seconds, table


def method_table(
    values: Mapping[str, Mapping[str, float]],
    methods: Sequence[str],
    columns: Mapping[str, tuple[str, str]],
    cpu: Mapping[str, float],
    rival: str | None = None,
) -> str:
    """Return the table.

    Parameters
    ----------
    values
        Scores by column and method.
    methods
        Lines.
    columns
        Head of each column, and ``"low"`` or ``"high"``, whichever is best.
    cpu
        Seconds by method.
    rival
        Method whose seconds are divided by those of each.
    """
    best = {column: leaders(values[column], way) for column, (_, way) in columns.items()}
    lines = []
    for method in methods:
        cells = [(number(values[column].get(method)), method in best[column]) for column in columns]
        marked = [f"**{text}**" if leads else text for text, leads in cells]
        lines.append([f"`{method}`", *marked, seconds(cpu[method]), *_faster(cpu, method, rival)])
    head = ["method", *(head for head, _ in columns.values()), "CPU s"]
    return table([*head, *([f"{rival} / this"] if rival else [])], lines)


def _faster(cpu: Mapping[str, float], method: str, rival: str | None) -> list[str]:
    if rival is None:
        return []
    return [seconds(cpu[rival] / max(cpu[method], 1e-3)) if rival in cpu else ""]


def plain(values: pd.Series) -> dict[str, float]:
    """Values by method."""
    return {str(method): float(value) for method, value in values.items()}
