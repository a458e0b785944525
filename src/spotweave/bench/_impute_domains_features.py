"""Principal components of measured and of imputed genes, both treated alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._gene_names import match_genes
from .._table import get_counts
from ._denoise_rivals import depths
from ._impute_domains_sets import LabelledPair

if TYPE_CHECKING:
    from anndata import AnnData

N_IMPUTED = 200
N_COMPONENTS = 20
FEATURES = ["panel", "panel+imputed", "imputed", "panel+noise"]
BASE, NOISE = FEATURES[0], FEATURES[3]


@dataclass(frozen=True)
class Case:
    """One panel of a target."""

    dataset: LabelledPair
    target: "AnnData"
    """Genes of the panel; cells without any count on it are left out."""
    reference: "AnnData"


def draw_panel(dataset: LabelledPair, target: "AnnData", reference: "AnnData", seed: int) -> Case:
    """Leave the target the genes of its panel: the seed's draw of genes that both have, or all."""
    if dataset.n_panel is not None:
        shared = match_genes(target.var, reference.var, least=1).target
        drawn = np.random.default_rng(seed).choice(shared, dataset.n_panel, replace=False)
        target = target[:, np.sort(drawn)]
    return Case(dataset, target[depths(get_counts(target)) > 0].copy(), reference)


def best_expected(imputed: "AnnData", n: int = N_IMPUTED) -> np.ndarray:
    """Columns of the genes that are expected to be predicted best, at most `n`, best first."""
    order = np.argsort(-imputed.var["expected_correlation"].to_numpy(float), kind="stable")
    return order[:n]


def features(case: Case, imputed: np.ndarray, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each kind of features by its name: components ``[n, 20]``.

    Parameters
    ----------
    case
        Target and panel.
    imputed
        Expected counts of genes outside the panel ``[n, t]``, at the depth of the panel.
    seed
        Of the permutation of cells, one for all genes, that makes noise of the imputed genes: how they vary together
        stays, what they say of a cell goes.
    """
    counts = get_counts(case.target)
    depth = depths(counts)
    panel, predicted = (per_median(X, depth) for X in (np.asarray(counts.todense(), float), imputed))
    noise = predicted[np.random.default_rng(seed).permutation(len(predicted))]
    parts = [[panel], [panel, predicted], [predicted], [panel, noise]]
    for name, blocks in zip(FEATURES, parts, strict=True):
        yield name, components(np.hstack(blocks))


def per_median(X: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Logarithm of one plus counts ``[n, g]`` per median depth."""
    return np.log1p(np.asarray(X, float) * (np.median(depth) / depth)[:, None])


def components(X: np.ndarray, n_components: int = N_COMPONENTS) -> np.ndarray:
    """Principal components ``[n, d]`` of genes ``[n, g]``, each centred and scaled; none from one that is constant."""
    Z = X - X.mean(axis=0)
    spread = Z.std(axis=0)
    varies = spread > 1e-9
    Z = Z[:, varies] / spread[varies]
    values, vectors = np.linalg.eigh(Z.T @ Z)
    return np.asarray(Z @ vectors[:, ::-1][:, :n_components])
