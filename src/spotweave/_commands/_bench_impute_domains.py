"""``spotweave bench impute-domains`` and ``impute-scaling``: what imputed genes are worth to clusters, and their cost."""

from typing import Annotated

from cyclopts import Parameter

from ._app import say
from ._bench import AS_USUAL, Options, numbers
from ._bench_impute import bench

__all__ = ["bench"]


@bench.command
def impute_domains(
    *,
    sets: str = "all",
    methods: str = "combined",
    seeds: int = 5,
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Score clusters from panels with and without imputed genes; write impute_domains.md and its table.

    Parameters
    ----------
    sets
        Names with commas between, or real, simulated, all.
    methods
        Methods of tl.impute with commas between, or all.
    seeds
        How many seeds: 0, 1, ...; panels that are a part of the genes are drawn for each.
    fast
        One process for all seeds of a data set and method.
    """
    from .. import bench as library

    library.impute_domains(sets, methods, seeds=seeds, running=options.running(fast=fast))
    say(str(options.output / "impute_domains.md"))


@bench.command
def impute_scaling(
    *,
    sizes: str = "5000,20000,100000",
    methods: str = "combined",
    repeats: int = 1,
    options: Options = AS_USUAL,
) -> None:
    """Measure imputation against the number of cells; write impute_scaling.csv and impute_scaling.md.

    Parameters
    ----------
    sizes
        Numbers of cells, with commas between.
    methods
        Methods of tl.impute with commas between, or all.
    repeats
        Runs of each size and method.
    """
    from .. import bench as library

    library.impute_scaling(numbers(sizes), methods, repeats=repeats, running=options.running())
    say(str(options.output / "impute_scaling.md"))
