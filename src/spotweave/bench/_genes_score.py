"""Embeddings of genes judged by planted modules, by a second section, and by what genes do."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.covariance_test import covariance_test
from ._genes_agreement import agreement, kmeans, unit_rows
from ._genes_data import GeneSection, Sections
from ._genes_fit import Embedded, modules
from ._genes_function import co_function

LEVEL = 0.05
FEWEST_GENES = 100
"""Genes that vary in both sections, below which their agreement is not told."""


def score_planted(data: Sections, found: Embedded) -> list[dict[str, Any]]:
    """One row: modules of the genes that have one against the planted ones."""
    from .. import metrics

    (part,), (vectors,) = data.parts, found.vectors
    truth = part.module
    assert truth is not None, "drawn by the simulator, which tells modules"
    scored = truth >= 0
    n = len(np.unique(truth[scored]))
    plain = kmeans(unit_rows(vectors)[scored], n, seed=found.seed, n_init=10)
    known, chosen = (modules(part, vectors, scored, number, found.seed) for number in (n, None))
    row = {f"ari_{name}": metrics.ari(truth[scored], labels) for name, labels in _named(plain, known, chosen).items()}
    return [{"truth": "modules", **_sizes(part), "n_scored": int(scored.sum()), **row, "n_chosen": _number(chosen)}]


def score_pair(data: Sections, found: Embedded) -> list[dict[str, Any]]:
    """A row for all genes of both sections, one for those that vary in both, and one for each section's co-function."""
    one, other = data.parts
    _, i, j = np.intersect1d(one.genes, other.genes, return_indices=True)
    varying = _varying(one)[i] & _varying(other)[j]
    mean = one.mean[i] + other.mean[j]
    A, B = found.vectors[0][i], found.vectors[1][j]
    rows = []
    for truth, chosen in (("all", np.ones(len(i), dtype=bool)), ("varying", varying)):
        if chosen.sum() >= FEWEST_GENES:
            scores = agreement(A[chosen], B[chosen], mean[chosen], np.random.default_rng(found.seed))._asdict()
            rows.append({"truth": truth, **_sizes(one), "n_scored": int(chosen.sum()), **scores})
    return rows + score_sections(data, found)


def score_sections(data: Sections, found: Embedded) -> list[dict[str, Any]]:
    """A row for the co-function of each section; none where there are no terms."""
    rows = []
    for part, vectors in zip(data.parts, found.vectors, strict=True):
        # random pairs are the same for all methods and seeds
        scores = co_function(vectors, part.symbols, part.mean, data.terms, np.random.default_rng(0))
        if scores is not None:
            rows.append({"truth": part.name, **_sizes(part), **scores._asdict()})
    return rows


def score_cost(data: Sections, found: Embedded) -> list[dict[str, Any]]:
    """Sizes alone."""
    return [{"truth": "cost", **_sizes(data.parts[0])}]


def _varying(part: GeneSection) -> np.ndarray:
    """Genes that vary in space ``[g]``."""
    return covariance_test(part.X, part.xy).qvalue < LEVEL


def _named(plain: np.ndarray, known: np.ndarray, chosen: np.ndarray) -> Mapping[str, np.ndarray]:
    return {"kmeans": plain, "modules": known, "chosen": chosen}


def _number(codes: np.ndarray) -> int:
    return len(np.unique(codes[codes >= 0]))


def _sizes(part: GeneSection) -> dict[str, Any]:
    return {"n_obs": part.X.shape[0], "n_genes": part.X.shape[1]}
