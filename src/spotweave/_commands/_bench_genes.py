"""``spotweave bench genes-test``, ``genes`` and ``genes-domains``: tests, embeddings and choices of genes compared."""

from typing import Annotated

from cyclopts import Parameter

from ._app import say
from ._bench import AS_USUAL, Options
from ._bench_denoise import bench

__all__ = ["bench"]


@bench.command
def genes_test(
    *,
    sets: str = "all",
    methods: str = "all",
    seeds: int = 5,
    permutations: int = 5,
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Compare tests for spatially variable genes; write genes_test.md and its tables.

    Parameters
    ----------
    sets
        Names with commas between, or simulated, real, scaling, all.
    methods
        Names with commas between, or ours, plain, peers, all.
    seeds
        How many times simulated genes are drawn.
    permutations
        How many permutations of each measured tissue.
    fast
        One process for all seeds of a data set and method.
    """
    from .. import bench as library

    running = options.running(fast=fast)
    library.genes_test(sets, methods, seeds=seeds, permutations=permutations, running=running)
    say(str(options.output / "genes_test.md"))


@bench.command
def genes(
    *,
    sets: str = "all",
    methods: str = "main",
    seeds: int = 5,
    permutations: int = 2,
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Compare embeddings of genes; write genes.md and its table.

    Parameters
    ----------
    sets
        Names with commas between, or simulated, real, null, cost, all.
    methods
        Names with commas between, or main, ablations, all.
    seeds
        How many times genes are simulated, and trained methods run on measured sections.
    permutations
        How many permutations of each pair of sections.
    fast
        One process for all seeds of a data set and method.
    """
    from .. import bench as library

    running = options.running(fast=fast)
    library.genes(sets, methods, seeds=seeds, permutations=permutations, running=running)
    say(str(options.output / "genes.md"))


@bench.command
def genes_domains(
    *,
    sets: str = "all",
    methods: str = "all",
    seeds: int = 3,
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Score domains from genes chosen in several ways; write genes_domains.md and its table.

    Parameters
    ----------
    sets
        Names with commas between, or all.
    methods
        Names with commas between such as smooth:svg-3000, or smooth, fusion, quick, all.
    seeds
        How many seeds: 0, 1, ...
    fast
        One process for all seeds of a data set and method.
    """
    from .. import bench as library

    library.genes_domains(sets, methods, seeds=seeds, running=options.running(fast=fast))
    say(str(options.output / "genes_domains.md"))
