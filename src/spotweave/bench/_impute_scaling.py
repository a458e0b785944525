"""Cost of imputation against the number of cells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from . import _impute_domains_sets as registry
from ._impute_sets import SimulatedPair
from ._names import chosen
from ._runner import Running
from ._scaling import run_sizes, sized_page
from ._task import Task

if TYPE_CHECKING:
    from anndata import AnnData

N_PANEL, N_GENES, N_REFERENCE = 500, 1_500, 5_000


class PanelPair(SimulatedPair):
    """A tissue of which a panel of 500 genes is kept, and dissociated cells with all genes."""

    def _simulate(self, path: Path) -> None:
        from ..datasets import simulate_reference, simulate_tissue
        from ..io import write

        tissue = simulate_tissue(**self.tissue)
        write(simulate_reference(tissue, **self.reference), self.reference_of(path))
        panel = np.random.default_rng(0).permutation(tissue.n_vars)[:N_PANEL]
        write(tissue[:, np.sort(panel)].copy(), path)


@dataclass(frozen=True)
class Sized:
    """A target of some size."""

    name: str
    source: PanelPair


class Both(NamedTuple):
    """What has been read."""

    target: "AnnData"
    reference: "AnnData"


def target(n_obs: int) -> Sized:
    """Single cells of a panel of 500 genes, about 300 counts each, and a reference of 5,000 cells and 1,500 genes."""
    tissue = {"n_obs": n_obs, "n_genes": N_GENES, "n_domains": 6, "resolution": "cell", "library_size": 900.0, "rng": 0}
    return Sized(f"cells_{n_obs}", PanelPair(tissue, {"n_obs": N_REFERENCE, "rng": 1}))


def load(dataset: Sized, file: Path) -> Both:
    """Read both files."""
    from .. import io

    return Both(*(io.read(path, images=False) for path in (file, dataset.source.reference_of(file))))


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs."""
    for module in ["anndata", "spotweave.io", "spotweave.tl"]:
        import_module(module)


def fit(both: Both, settings: Mapping[str, Any], seed: int) -> "AnnData":
    """Impute all genes outside the panel, with their intervals."""
    from .. import tl

    return tl.impute(both.target, both.reference, rng=seed, **settings)


def score(both: Both, found: "AnnData") -> list[dict[str, Any]]:
    """Sizes alone."""
    n_obs, n_genes = both.target.shape
    return [{"n_obs": n_obs, "n_genes": n_genes, "n_wanted": found.n_vars, "n_reference": both.reference.n_obs}]


IMPUTE_SCALING = Task("impute_scaling", load, fit, score, warm)


def impute_scaling(
    sizes: Sequence[int] = (5_000, 20_000, 100_000),
    methods: str | Iterable[str] = "combined",
    *,
    repeats: int = 1,
    running: Running | None = None,
) -> pd.DataFrame:
    """Measure time and memory of imputation against the number of cells, on simulated single cells.

    A panel of 500 genes, 1,000 genes to predict with their intervals, a reference of 5,000 cells. Writes
    ``impute_scaling.csv`` and ``impute_scaling.md`` into ``running.output``, as `scaling` does.

    Parameters
    ----------
    sizes
        Numbers of cells.
    methods
        Methods of `tl.impute`: names, or ``"all"``.
    repeats
        Runs of each size and method, with seeds 0, 1, ...
    running
        As in `impute`; each run has a process of its own, whatever ``fast`` says.

    Returns
    -------
    All rows of ``impute_scaling.csv``.

    Raises
    ------
    InputError
        When a method is unknown, or a size is out of range.
    """
    settings = chosen(methods, registry.METHODS, registry.METHOD_GROUPS, "methods")
    return run_sizes(IMPUTE_SCALING, target, sizes, settings, impute_scaling_page, repeats=repeats, running=running)


def impute_scaling_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``impute_scaling.csv``."""
    said = (
        f"Simulated single cells, a panel of {N_PANEL} genes, {N_GENES - N_PANEL:,} genes predicted with their "
        f"intervals, reference of {N_REFERENCE:,} cells"
    )
    title = "Cost of imputation against the number of cells"
    return sized_page(rows, title, said, "from files to expected counts", registry.METHODS)
