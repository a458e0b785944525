"""``spotweave bench integrate`` and ``align``: domains of several slices at once, and one frame for them."""

from typing import Annotated

from cyclopts import Parameter

from ._app import say
from ._bench import AS_USUAL, Options
from ._bench_impute_domains import bench

__all__ = ["bench"]


@bench.command
def integrate(
    *,
    sets: str = "all",
    methods: str = "ours",
    seeds: int = 5,
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Score domains of integrated slices and how well these are mixed; write integrate.md and its table.

    Parameters
    ----------
    sets
        Names with commas between, or real, simulated, labelled, all.
    methods
        Names with commas between such as matched:smooth, or smooth, fusion, ours, peers, all.
    seeds
        How many seeds: 0, 1, ...
    fast
        One process for all seeds of a data set and method.
    """
    from .. import bench as library

    library.integrate(sets, methods, seeds=seeds, running=options.running(fast=fast))
    say(str(options.output / "integrate.md"))


@bench.command
def align(
    *,
    sets: str = "all",
    methods: str = "main",
    seeds: int = 5,
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Score the alignment of slices that were turned and shifted; write align.md and its table.

    Parameters
    ----------
    sets
        Names with commas between, or real, simulated, all.
    methods
        Names with commas between, or main, all.
    seeds
        How many seeds: 0, 1, ...; each draws angles and shifts.
    fast
        One process for all seeds of a data set and method.
    """
    from .. import bench as library

    library.align(sets, methods, seeds=seeds, running=options.running(fast=fast))
    say(str(options.output / "align.md"))
