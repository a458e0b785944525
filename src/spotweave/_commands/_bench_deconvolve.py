"""``spotweave bench deconvolve`` and ``deconvolve-scaling``: composition of spots, and what it costs."""

from typing import Annotated

from cyclopts import Parameter

from ._app import say
from ._bench import AS_USUAL, Options, numbers
from ._bench_integrate import bench

__all__ = ["bench"]


@bench.command
def deconvolve(
    *,
    sets: str = "all",
    methods: str = "all",
    seeds: int = 5,
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Score the composition of spots found with a reference; write deconvolve.md and its tables.

    Parameters
    ----------
    sets
        Names with commas between, or known, real, simulated, all.
    methods
        Names with commas between, or trivial, ours, peers, all.
    seeds
        How often methods that draw random numbers are run.
    fast
        One process for all seeds of a data set and method.
    """
    from .. import bench as library

    library.deconvolve(sets, methods, seeds=seeds, running=options.running(fast=fast))
    say(str(options.output / "deconvolve.md"))


@bench.command
def deconvolve_scaling(
    *,
    sizes: str = "10000,100000",
    methods: str = "nb",
    repeats: int = 1,
    options: Options = AS_USUAL,
) -> None:
    """Measure time and memory of deconvolution; write deconvolve_scaling.csv and deconvolve_scaling.md.

    Parameters
    ----------
    sizes
        Numbers of spots, with commas between.
    methods
        Names of methods of tl.deconvolve with commas between, or all.
    repeats
        Runs of each size and method.
    """
    from .. import bench as library

    library.deconvolve_scaling(numbers(sizes), methods, repeats=repeats, running=options.running())
    say(str(options.output / "deconvolve_scaling.md"))
