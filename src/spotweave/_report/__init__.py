"""One self-contained, interactive HTML page about what an object holds."""

from ._build import report

__all__ = ["report"]
