"""What can be measured: a task, and one process's share of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Source(Protocol):
    """Where the file of a data set comes from."""

    def missing(self, data: Path) -> str | None:
        """Say why the file cannot be had from the folder `data`; None when it can."""

    def locate(self, data: Path, cache: Path) -> Path:
        """Return the path of the file, made in `cache` first where it has to be made."""


class Named(Protocol):
    """Least that the runner knows of a data set."""

    @property
    def name(self) -> str:
        """Value of the column ``dataset``."""

    @property
    def source(self) -> Source:
        """Where its file is."""


def nothing(settings: Mapping[str, Any]) -> None:
    """Prepare nothing."""


def as_read(data: Any, settings: Mapping[str, Any], seed: int) -> Any:
    """Hand the data to the method as they were read."""
    return data


@dataclass(frozen=True)
class Task:
    """How one run is done: functions of modules (not lambdas), as a process of its own has to import them."""

    name: str
    """Stem of the files of results."""
    load: Callable[[Any, Path], Any]
    """``(data set, file) -> data``: timed as reading."""
    fit: Callable[[Any, Mapping[str, Any], int], Any]
    """``(data, settings of the method, seed) -> result``: timed as the method."""
    score: Callable[[Any, Any], list[dict[str, Any]]]
    """``(data, result) -> rows``, several where there are several truths: not timed."""
    warm: Callable[[Mapping[str, Any]], None] = nothing
    """``(settings)``: import what the run will need, before the clock starts."""
    prepare: Callable[[Any, Mapping[str, Any], int], Any] = as_read
    """``(data, settings, seed) -> data`` for `fit` and `score`, such as one split of the counts: not timed."""
    headline: str = ""
    """Column to tell the user after each run."""


@dataclass(frozen=True)
class Job:
    """What one process does: one seed, or several after reading the file once."""

    task: Task
    dataset: Named
    file: Path
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = (0,)
    threads: int = 2
    fast: bool = False
    """Seeds share the process: costs are of the fits alone."""
