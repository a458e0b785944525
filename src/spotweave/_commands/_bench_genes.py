"""``spotweave bench genes-test``: tests for spatially variable genes compared."""

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
