"""Clusters from imputed genes against known labels: the task, and its summary."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from .._check import check_range
from .._whole import write_whole
from . import _impute_domains_sets as registry
from ._impute_domains_features import Case, best_expected, draw_panel, features
from ._impute_domains_page import impute_domains_page
from ._impute_domains_sets import SPACE, LabelledPair
from ._names import chosen
from ._runner import Running, run_task
from ._task import Task

if TYPE_CHECKING:
    from anndata import AnnData


class Read(NamedTuple):
    """A data set that has been read."""

    dataset: LabelledPair
    target: "AnnData"
    reference: "AnnData"


class Clusters(NamedTuple):
    """Labels of each cell, and what they are from."""

    labels: dict[tuple[str, str, str], np.ndarray]
    """By features, truth and clustering, ``[n]``."""
    n_imputed: int
    n_shared: int
    expected: float
    """Mean expected correlation of the imputed genes that were used."""


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs."""
    for module in ["anndata", "sklearn.cluster", "spotweave.io", "spotweave.metrics", "spotweave.tl"]:
        import_module(module)


def load(dataset: LabelledPair, file: Path) -> Read:
    """Read both files."""
    return Read(dataset, *dataset.read(file))


def prepare(read: Read, settings: Mapping[str, Any], seed: int) -> Case:
    """Draw the panel of this seed."""
    return draw_panel(*read, seed)


def fit(case: Case, settings: Mapping[str, Any], seed: int) -> Clusters:
    """Impute, and cluster each kind of features in each way."""
    from .. import tl

    found = tl.impute(case.target, case.reference, interval=None, rng=seed, **settings)
    best = best_expected(found)
    labels = {
        (name, known.column, clustering): cluster(case, H, clustering, known.n, seed)
        for name, H in features(case, np.asarray(found.X[:, best]), seed)
        for known in case.dataset.known
        for clustering in known.clusterings
    }
    expected = float(found.var["expected_correlation"].iloc[best].mean())
    return Clusters(labels, len(best), len(found.uns["impute"]["held_out"]), expected)


def cluster(case: Case, H: np.ndarray, clustering: str, n: int, seed: int) -> np.ndarray:
    """Label each cell ``[n]`` by its components ``[n, d]``."""
    from anndata import AnnData
    from sklearn.cluster import KMeans

    from .. import tl
    from ..core.mixture import tied_mixture

    if clustering == SPACE:
        rows = AnnData(obs=case.target.obs[[]], obsm={"spatial": case.target.obsm["spatial"], "components": H})
        result = tl.domains(rows, n, method=SPACE, use_rep="components", rng=seed, progress=False, copy=True)
        assert result is not None, "a copy was asked for"
        return result.labels.to_numpy(str)
    if clustering == "mixture":
        return tied_mixture(H, n, rng=np.random.default_rng(seed)).probability.argmax(axis=1)
    return np.asarray(KMeans(n, n_init=10, random_state=seed).fit_predict(H))


def score(case: Case, found: Clusters) -> list[dict[str, Any]]:
    """One row for each kind of features, truth and clustering."""
    from .. import metrics

    sizes = {"n_obs": case.target.n_obs, "n_genes": case.target.n_vars, "n_shared": found.n_shared}
    rows = []
    for (name, truth, clustering), labels in found.labels.items():
        known = case.target.obs[truth]
        agreement = {"ari": metrics.ari(known, labels), "nmi": metrics.nmi(known, labels)}
        how = {"truth": truth, "clustering": clustering, "features": name}
        own = {"n_imputed": found.n_imputed, "expected_correlation": found.expected}
        rows.append({**how, **sizes, **own, **agreement})
    return rows


IMPUTE_DOMAINS = Task("impute_domains", load, fit, score, warm, prepare, headline="ari")


def impute_domains(
    sets: str | Iterable[str] = "all",
    methods: str | Iterable[str] = "combined",
    *,
    seeds: int = 5,
    running: Running | None = None,
) -> pd.DataFrame:
    """Score clusters from a panel with and without imputed genes against known labels.

    Of the genes outside the panel, the 200 of greatest expected correlation are added to it, stand alone, or are added
    with their cells permuted. Counts and expected counts are treated alike: logarithms at the median depth, genes
    centred and scaled, 20 components; then `tl.domains` (``"smooth"``) for regions, and for cell types a mixture with
    one covariance and k-means. Writes ``impute_domains.csv`` (a row for each run, truth, clustering and kind of
    features) and ``impute_domains.md`` (the summary of all rows) into ``running.output``.

    Parameters
    ----------
    sets
        Data sets: names, or groups ``"real"``, ``"simulated"``, ``"all"``; a sequence, or one string with commas.
    methods
        Methods of `tl.impute`: names, or ``"all"``.
    seeds
        How many seeds: 0, 1, ... Each also draws the panel where the panel is a part of the genes.
    running
        Where results go, threads, whether seeds share a process, whether runs that are there are done again.

    Returns
    -------
    All rows of ``impute_domains.csv``. Columns: see `domains` for costs, which are those of imputing and of all
    clusterings together.

    Raises
    ------
    InputError
        When a name is unknown, or the files of no data set are there.
    """
    check_range(seeds, "seeds", low=1, high=1_000, integer=True)
    running = running or Running()
    wanted = chosen(sets, registry.SETS, registry.SET_GROUPS, "data sets")
    settings = chosen(methods, registry.METHODS, registry.METHOD_GROUPS, "methods")
    rows = run_task(IMPUTE_DOMAINS, list(wanted.values()), settings, range(seeds), running)
    write_whole(running.output / "impute_domains.md", impute_domains_page(rows).encode())
    return rows
