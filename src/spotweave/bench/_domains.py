"""Domains against known labels: the task, and its summary."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from .._check import check_range
from .._whole import write_whole
from . import _methods as methods_of
from . import _sets as sets_of
from ._domains_page import domains_page
from ._names import chosen
from ._runner import Running, run_task
from ._sets import DataSet
from ._task import Task

if TYPE_CHECKING:
    from anndata import AnnData


class Section(NamedTuple):
    """A data set that has been read."""

    dataset: DataSet
    adata: "AnnData"


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs, torch for trained methods only."""
    needed = ["anndata", "spotweave.io", "spotweave.metrics", "spotweave.tl"]
    if settings.get("method") == "fusion" and settings.get("n_networks") != 0:
        needed += ["spotweave.core.train", "spotweave.models.fusion"]
    if settings.get("method") == "gmm_vgae":
        needed += ["spotweave.models.gmm_vgae_fit"]
    for module in needed:
        import_module(module)


def load(dataset: DataSet, file: Path) -> Section:
    """Read the file."""
    return Section(dataset, dataset.read(file))


def fit(section: Section, settings: Mapping[str, Any], seed: int) -> "AnnData":
    """Find as many domains as are known."""
    from .. import tl

    tl.domains(section.adata, section.dataset.n_domains, rng=seed, progress=False, **settings)
    return section.adata


def score(section: Section, adata: "AnnData") -> list[dict[str, Any]]:
    """One row a truth; cells without a label do not count in agreement, but do in coherence."""
    from .. import metrics

    labels, xy, report = adata.obs["domain"], adata.obsm["spatial"], adata.uns["domain"]
    common = {
        "n_obs": adata.n_obs,
        "n_genes": adata.n_vars,
        "n_domains": section.dataset.n_domains,
        "chaos": metrics.chaos(labels, xy),
        "pas": metrics.pas(labels, xy),
        "stability": report.get("stability"),
        "converged": bool(report["converged"]),
    }
    agreement = {"ari": metrics.ari, "nmi": metrics.nmi, "homogeneity": metrics.homogeneity}
    return [
        {"truth": truth.column, **common, **{name: of(truth.of(adata), labels) for name, of in agreement.items()}}
        for truth in section.dataset.truths
    ]


DOMAINS = Task("domains", load, fit, score, warm, headline="ari")


def domains(
    sets: str | Iterable[str] = "real",
    methods: str | Iterable[str] = "main",
    *,
    seeds: int = 10,
    running: Running | None = None,
) -> pd.DataFrame:
    """Score methods of `tl.domains` on tissues whose domains are known.

    Each run (data set, method, seed) is a process of its own, so that its time and memory are its own. Writes
    ``domains.csv`` (a row for each run and truth; rows of runs that were not asked for stay) and ``domains.md`` (the
    summary of all rows) into ``running.output``. A run that fails is a row with its error.

    Parameters
    ----------
    sets
        Data sets: names, or groups ``"real"``, ``"simulated"``, ``"all"``; a sequence, or one string with commas.
    methods
        Methods: names, or groups ``"main"``, ``"all"``.
    seeds
        How many seeds: 0, 1, ...
    running
        Where results go, threads, whether seeds share a process, whether runs that are there are done again.

    Returns
    -------
    All rows of ``domains.csv``. Columns: ``wall_s`` and ``cpu_s`` from file to domains (``fit_`` the method alone,
    ``process_`` from starting Python on, imports included), ``peak_mb`` resident memory of the process, 10^6 bytes.

    Raises
    ------
    InputError
        When a name is unknown, or the file of no data set is there.
    """
    check_range(seeds, "seeds", low=1, high=10_000, integer=True)
    running = running or Running()
    wanted = chosen(sets, sets_of.SETS, sets_of.GROUPS, "data sets")
    settings = chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods")
    table = run_task(DOMAINS, list(wanted.values()), settings, range(seeds), running)
    write_whole(running.output / "domains.md", domains_page(table).encode())
    return table
