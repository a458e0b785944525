"""Text of Markdown tables."""

import math
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first column is text, the rest numbers (right-aligned)."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many decimals, nothing when missing, no minus before zero."""
    return "" if value is None or math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"


def mean_sd(mean: float, sd: float, digits: int = 3) -> str:
    """``mean ± sd``; the mean alone when there is no spread."""
    return number(mean, digits) + ("" if math.isnan(sd) else f" ± {sd:.{digits}f}")


def seconds(value: float) -> str:
    """Seconds with about three digits."""
    return "" if math.isnan(value) else f"{value:.3g}" if value < 100 else f"{value:.0f}"
