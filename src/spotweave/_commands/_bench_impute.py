"""``spotweave bench impute``: predictions of genes that a panel lacks."""

from typing import Annotated

from cyclopts import Parameter

from ._app import say
from ._bench import AS_USUAL, Options
from ._bench_genes import bench

__all__ = ["bench"]


@bench.command
def impute(
    *,
    sets: str = "real",
    methods: str = "all",
    seeds: int = 3,
    folds: int | None = None,
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Score predictions of genes outside a panel; write impute.md and its tables.

    Parameters
    ----------
    sets
        Names with commas between, or real, simulated, all.
    methods
        Names with commas between, or trivial, ours, peers, all.
    seeds
        How often methods that draw random numbers are run.
    folds
        How many of the folds are run; all when left out.
    fast
        One process for all seeds of a data set and method.
    """
    from .. import bench as library

    library.impute(sets, methods, seeds=seeds, folds=folds, running=options.running(fast=fast))
    say(str(options.output / "impute.md"))
