"""Domains from genes that are chosen in several ways: the task, and its summary."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from .._check import check_range
from .._whole import write_whole
from . import _genes_domains_sets as registry
from ._domains import Section, load
from ._domains import warm as warm_domains
from ._genes_domains_page import genes_domains_page
from ._genes_fit import warm as warm_embedding
from ._names import chosen
from ._runner import Running, run_task
from ._task import Task

if TYPE_CHECKING:
    from anndata import AnnData


class Found(NamedTuple):
    """Domains, and how many genes they are from."""

    labels: pd.Series
    n_chosen: int


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs."""
    warm_domains({"method": settings["domains"]})
    if "embedding" in settings:
        warm_embedding({"method": settings["embedding"]})


def fit(section: Section, settings: Mapping[str, Any], seed: int) -> Found:
    """Choose genes, and find as many domains as are known."""
    from .. import tl

    adata, method = section.adata, settings["domains"]
    genes = choose(adata, settings, seed)
    own: dict[str, Any] = {"n_top_genes": settings["n_top"]} if genes is None else {"genes": genes}
    found = tl.domains(adata, section.dataset.n_domains, method=method, rng=seed, progress=False, copy=True, **own)
    assert found is not None, "a copy was asked for"
    return Found(found.labels, min(settings["n_top"], adata.n_vars) if genes is None else len(genes))


def choose(adata: "AnnData", settings: Mapping[str, Any], seed: int) -> list[str] | None:
    """Names of the genes; None for those of high variance, which `tl.domains` takes by itself.

    What they are chosen by is written to `adata`.
    """
    from .. import tl

    by = settings["by"]
    if by == "variance":
        return None
    if by == "all":
        return list(adata.var_names)
    tl.spatial_genes(adata, autocorrelation=False)
    if by == "module":
        tl.gene_embedding(adata, method=settings["embedding"], rng=seed, progress=False)
        tl.gene_modules(adata, rng=seed)
    return tl.choose_genes(adata, n_top=settings["n_top"], by=by, copy=True)


def score(section: Section, found: Found) -> list[dict[str, Any]]:
    """One row; cells without a label do not count."""
    from .. import metrics

    (truth,) = section.dataset.truths
    known = truth.of(section.adata)
    sizes = {"n_obs": section.adata.n_obs, "n_genes": section.adata.n_vars, "n_domains": section.dataset.n_domains}
    agreement = {"ari": metrics.ari(known, found.labels), "nmi": metrics.nmi(known, found.labels)}
    return [{"truth": truth.column, **sizes, "n_chosen": found.n_chosen, **agreement}]


GENES_DOMAINS = Task("genes_domains", load, fit, score, warm, headline="ari")


def genes_domains(
    sets: str | Iterable[str] = "all",
    methods: str | Iterable[str] = "all",
    *,
    seeds: int = 3,
    running: Running | None = None,
) -> pd.DataFrame:
    """Score domains of `tl.domains` against known labels, from genes chosen in several ways.

    Those of high variance (the default), all, and `tl.choose_genes` by spatial test or module. Writes
    ``genes_domains.csv`` (a row for each run) and ``genes_domains.md`` (the summary of all rows) into ``running.output``.

    Parameters
    ----------
    sets
        Data sets: names, or ``"all"``; a sequence, or one string with commas.
    methods
        Method of `tl.domains` and choice of genes, as ``"smooth:svg-3000"``; groups ``"smooth"``, ``"fusion"``,
        ``"quick"`` (no choice that trains an embedding), ``"all"``.
    seeds
        How many seeds: 0, 1, ...
    running
        Where results go, threads, whether seeds share a process, whether runs that are there are done again.

    Returns
    -------
    All rows of ``genes_domains.csv``. Columns: see `domains` for costs, which include the choice of genes.

    Raises
    ------
    InputError
        When a name is unknown, or the file of no data set is there.
    """
    check_range(seeds, "seeds", low=1, high=1_000, integer=True)
    running = running or Running()
    wanted = chosen(sets, registry.SETS, registry.SET_GROUPS, "data sets")
    settings = chosen(methods, registry.METHODS, registry.GROUPS, "methods")
    rows = run_task(GENES_DOMAINS, list(wanted.values()), settings, range(seeds), running)
    write_whole(running.output / "genes_domains.md", genes_domains_page(rows).encode())
    return rows
