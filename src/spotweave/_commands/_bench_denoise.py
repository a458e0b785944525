"""``spotweave bench denoise`` and its companions: denoisers judged by molecules that they have not seen."""

from typing import Annotated

from cyclopts import Parameter

from ._app import say
from ._bench import AS_USUAL, Options, bench, numbers

__all__ = ["bench"]


@bench.command
def denoise(
    *,
    sets: str = "real",
    methods: str = "main",
    splits: int = 5,
    seeds: int = 3,
    splitting: str = "poisson",
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Score denoisers on held-out molecules; write denoise.csv (or denoise_nb.csv) and denoise.md.

    Parameters
    ----------
    sets
        Names with commas between, or real, simulated, all.
    methods
        Names with commas between, or main, trivial, ours, peers, ablations, all.
    splits
        How many splits of the molecules, the same for all methods.
    seeds
        How often methods that draw random numbers are fitted to each split.
    splitting
        How molecules are split: poisson or nb.
    fast
        One process for all runs of a data set and method: quicker, but memory and times are then of fits alone.
    """
    from .. import bench as library

    running = options.running(fast=fast)
    library.denoise(sets, methods, splits=splits, seeds=seeds, splitting=splitting, running=running)
    say(str(options.output / "denoise.md"))


@bench.command
def denoise_false(
    *,
    sets: str = "false",
    methods: str = "main",
    permutations: int = 5,
    null: str = "spots",
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Count the patterns that denoisers find where there are none; write denoise_false.md and its table.

    Parameters
    ----------
    sets
        Names with commas between, or false (three small ones), real, simulated, all.
    methods
        Names with commas between, or main, trivial, ours, peers, ablations, all.
    permutations
        How many permutations, or draws of noise.
    null
        spots: cells are permuted. genes: a fifth of the genes is noise among real ones.
    fast
        One process for all runs of a data set and method.
    """
    from .. import bench as library

    library.denoise_false(sets, methods, permutations=permutations, null=null, running=options.running(fast=fast))
    say(str(options.output / "denoise_false.md"))


@bench.command
def denoise_scaling(
    *,
    sizes: str = "3000,10000,30000,100000",
    methods: str = "ours",
    repeats: int = 1,
    options: Options = AS_USUAL,
) -> None:
    """Measure denoising against the number of cells; write denoise_scaling.csv and denoise_scaling.md.

    Parameters
    ----------
    sizes
        Numbers of cells, with commas between.
    methods
        Names with commas between, or main, trivial, ours, peers, ablations, all.
    repeats
        Runs of each size and method.
    """
    from .. import bench as library

    library.denoise_scaling(numbers(sizes), methods, repeats=repeats, running=options.running())
    say(str(options.output / "denoise_scaling.md"))
