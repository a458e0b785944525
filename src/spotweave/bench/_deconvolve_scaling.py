"""Cost of deconvolution against the number of spots."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ._deconvolve_methods import OURS
from ._impute_scaling import Both, load, warm
from ._impute_sets import SimulatedPair
from ._names import chosen
from ._runner import Running
from ._scaling import run_sizes, sized_page
from ._task import Task

if TYPE_CHECKING:
    from anndata import AnnData

N_GENES, N_TYPES, N_REFERENCE = 2_000, 20, 5_000


class StreamedPair(SimulatedPair):
    """A tissue written in blocks, however large, and dissociated cells."""

    def _simulate(self, path: Path) -> None:
        from .. import io
        from ..datasets import simulate_reference, simulate_to_disk

        simulate_to_disk(path, **self.tissue)
        io.write(simulate_reference(io.read(path, images=False), **self.reference), self.reference_of(path))


@dataclass(frozen=True)
class Sized:
    """Spots of some number."""

    name: str
    source: StreamedPair


def target(n_obs: int) -> Sized:
    """Spots of 2,000 genes and 20 types, about 2,000 counts each, and a reference of 5,000 cells."""
    tissue = {"n_obs": n_obs, "n_genes": N_GENES, "n_types": N_TYPES, "n_domains": 6, "resolution": "spot", "rng": 0}
    return Sized(f"spots_{n_obs}", StreamedPair(tissue, {"n_obs": N_REFERENCE, "rng": 1}))


def fit(both: Both, settings: Mapping[str, Any], seed: int) -> "AnnData":
    """Find the composition of all spots."""
    from .. import tl

    tl.deconvolve(both.target, both.reference, labels_key="cell_type", rng=seed, **settings)
    return both.target


def score(both: Both, found: "AnnData") -> list[dict[str, Any]]:
    """Sizes, and the error."""
    from ..metrics import deconvolution_scores

    truth, n_types = found.obsm["proportions_true"], both.reference.obs["cell_type"].nunique()
    error = deconvolution_scores(truth, found.obsm["proportions"][truth.columns])["rmse"]
    return [{"n_obs": found.n_obs, "n_genes": found.n_vars, "n_types": n_types, "rmse": error}]


DECONVOLVE_SCALING = Task("deconvolve_scaling", load, fit, score, warm)


def deconvolve_scaling(
    sizes: Sequence[int] = (10_000, 100_000),
    methods: str | Iterable[str] = "nb",
    *,
    repeats: int = 1,
    running: Running | None = None,
) -> pd.DataFrame:
    """Measure time and memory of `tl.deconvolve` against the number of spots.

    Simulated spots of 2,000 genes, 20 cell types, a reference of 5,000 cells. Writes ``deconvolve_scaling.csv`` and
    ``deconvolve_scaling.md`` into ``running.output``, as `scaling` does.

    Parameters
    ----------
    sizes
        Numbers of spots.
    methods
        Methods of `tl.deconvolve`: names, or ``"all"``.
    repeats
        Runs of each size and method, with seeds 0, 1, ...
    running
        As in `deconvolve`; each run has a process of its own, whatever ``fast`` says.

    Returns
    -------
    All rows of ``deconvolve_scaling.csv``.

    Raises
    ------
    InputError
        When a method is unknown, or a size is out of range.
    """
    settings = chosen(methods, OURS, {"all": list(OURS)}, "methods")
    return run_sizes(
        DECONVOLVE_SCALING, target, sizes, settings, deconvolve_scaling_page, repeats=repeats, running=running
    )


def deconvolve_scaling_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``deconvolve_scaling.csv``."""
    said = f"Simulated spots, {N_GENES:,} genes, {N_TYPES} types, reference of {N_REFERENCE:,} cells"
    return sized_page(rows, "Cost of deconvolution against the number of spots", said, "from files to shares", OURS)
