"""``spotweave bench``: methods compared on data sets, with known labels or with counts held out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .._check import fail
from ._app import app, say

if TYPE_CHECKING:
    from ..bench import Running

bench = App(
    name="bench", help="Compare methods on data sets, each run in a process of its own.", help_format="plaintext"
)
app.command(bench)


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    """How the benchmark is run.

    Parameters
    ----------
    output
        Folder of the results, made when missing; rows of other runs in it are kept.
    data
        Folder of the real data sets; SPOTWEAVE_DATA, else ../shared/data, when left out.
    threads
        Threads of the numeric libraries in each run.
    resume
        Leave out runs whose result is there already.
    timeout
        Seconds after which a run counts as failed.
    """

    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("benchmarks/results")
    data: Path | None = None
    threads: int = 2
    resume: Annotated[bool, Parameter(negative="")] = False
    timeout: float | None = None

    def running(self, *, fast: bool = False) -> "Running":
        """Form in which the library takes them."""
        from ..bench import Running

        return Running(self.output, self.data, self.threads, fast, self.resume, self.timeout, say)


AS_USUAL = Options()


@bench.command
def domains(
    *,
    sets: str = "real",
    methods: str = "main",
    seeds: int = 10,
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Score methods on tissues whose domains are known; write domains.csv and domains.md.

    Parameters
    ----------
    sets
        Names with commas between, or real, simulated, all.
    methods
        Names with commas between, or main, all.
    seeds
        How many seeds: 0, 1, ...
    fast
        One process for all seeds of a data set and method: quicker, but memory and times are then of fits alone.
    """
    from .. import bench as library

    library.domains(sets, methods, seeds=seeds, running=options.running(fast=fast))
    say(str(options.output / "domains.md"))


@bench.command
def scaling(
    *,
    sizes: str = "3000,30000,100000",
    methods: str = "smooth,fusion",
    repeats: int = 1,
    options: Options = AS_USUAL,
) -> None:
    """Measure time and memory against the number of cells; write scaling.csv and scaling.md.

    Parameters
    ----------
    sizes
        Numbers of cells, with commas between.
    methods
        Names with commas between, or main, all.
    repeats
        Runs of each size and method.
    """
    from .. import bench as library

    library.scaling(numbers(sizes), methods, repeats=repeats, running=options.running())
    say(str(options.output / "scaling.md"))


@bench.command
def section(
    *,
    dataset: str = "dlpfc_151673",
    methods: str = "smooth,fusion",
    repeats: int = 3,
    options: Options = AS_USUAL,
) -> None:
    """Measure one section from file to domains; write section.csv and section.md.

    Parameters
    ----------
    dataset
        Data set to measure.
    methods
        Names with commas between, or main, all.
    repeats
        Runs of each method.
    """
    from .. import bench as library

    library.section(methods, dataset=dataset, repeats=repeats, running=options.running())
    say(str(options.output / "section.md"))


def numbers(text: str) -> list[int]:
    """Whole numbers with commas between; underscores between digits are fine."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise fail("--sizes as whole numbers with commas between", repr(text)) from None
