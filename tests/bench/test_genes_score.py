"""Rows of scores, with stand-ins for what other files test."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from spotweave.bench import _genes_score as of
from spotweave.bench._genes_agreement import agreement
from spotweave.bench._genes_data import GeneSection, Sections
from spotweave.bench._genes_fit import Embedded
from spotweave.bench._genes_function import co_function
from spotweave.bench._genes_score import score_cost, score_pair, score_planted, score_sections
from spotweave.bench._genes_sets import SETS


def part(rng, genes, name="a", module=None) -> GeneSection:
    X = sp.csr_matrix(rng.poisson(rng.gamma(2, 1, len(genes)), (30, len(genes))).astype(np.float32))
    return GeneSection(name, X, rng.random((30, 2)), np.array(genes), np.char.upper(genes), module)


def test_planted(rng, monkeypatch):
    module = np.arange(24) % 4 - 1
    own = part(rng, [f"g{i}" for i in range(24)], module=module)
    vectors = np.eye(4)[module] * rng.uniform(1, 5, (24, 1))
    answers = {3: np.where(np.arange(18) < 3, -1, module[module >= 0]), None: np.arange(18) % 6 - 1}
    monkeypatch.setattr(of, "modules", lambda p, v, chosen, n, seed: answers[n])
    (row,) = score_planted(Sections(SETS["sim_small"], (own,)), Embedded((vectors,), 2))
    truth = module[module >= 0]
    assert (row["truth"], row["n_obs"], row["n_genes"], row["n_scored"]) == ("modules", 30, 24, 18)
    assert row["ari_kmeans"] == 1
    assert row["ari_modules"] == pytest.approx(adjusted_rand_score(truth, answers[3]))
    assert row["ari_chosen"] == pytest.approx(adjusted_rand_score(truth, answers[None]))
    assert row["n_chosen"] == 5


def test_pair(rng, monkeypatch):
    monkeypatch.setattr(of, "FEWEST_GENES", 10)
    one, other = part(rng, [f"g{i}" for i in range(40)]), part(rng, [f"g{i}" for i in range(49, 4, -1)], "b")
    varying = {"a": np.arange(40) < 25, "b": np.arange(45) < 40}  # g0 to g24, g10 to g49
    monkeypatch.setattr(of, "_varying", lambda p: varying[p.name])
    A, B = rng.normal(size=(40, 3)), rng.normal(size=(45, 3))
    terms = [np.array([f"G{i}" for i in numbers]) for numbers in (range(6, 20), range(15, 30))]
    data = Sections(SETS["her2st_pair"], (one, other), terms)
    rows = {row["truth"]: row for row in score_pair(data, Embedded((A, B), 1))}
    assert list(rows) == ["all", "varying", "a", "b"]
    for truth, first, last in (("all", 5, 40), ("varying", 10, 25)):
        i, j = np.arange(first, last), 49 - np.arange(first, last)
        names = sorted(range(last - first), key=lambda k: one.genes[i[k]])
        i, j = i[names], j[names]
        expected = agreement(A[i], B[j], one.mean[i] + other.mean[j], np.random.default_rng(1))
        assert rows[truth]["n_scored"] == last - first
        assert {name: rows[truth][name] for name in expected._fields} == pytest.approx(expected._asdict(), nan_ok=True)
    function = co_function(B, other.symbols, other.mean, terms, np.random.default_rng(0))
    assert function is not None
    assert rows["b"]["go"] == function.go
    assert rows["b"]["n_genes"] == 45


def test_too_few_genes_that_vary_and_no_terms(rng):
    own = part(rng, [f"g{i}" for i in range(120)])
    data = Sections(SETS["her2st_null"], (own, own))
    vectors = rng.normal(size=(120, 3))
    (row,) = score_pair(data, Embedded((vectors, vectors), 0))
    assert (row["truth"], row["n_scored"], row["mrr"]) == ("all", 120, 1)
    assert score_sections(data, Embedded((vectors, vectors), 0)) == []


def test_genes_that_vary():
    from spotweave.bench._genes_data import section
    from spotweave.datasets import simulate_patterns

    adata = simulate_patterns(400, n_genes=60, n_modules=2, log_fold=(0.5, 0.8), rng=0)
    own = section(adata, "s")
    assert own.module is not None
    found = of._varying(own)
    assert found[own.module >= 0].mean() > 0.7
    assert found[own.module < 0].mean() < 0.2


def test_cost(rng):
    own = part(rng, ["g1", "g2"])
    assert score_cost(Sections(SETS["cost_3639"], (own,)), Embedded((np.ones((2, 1)),), 0)) == [
        {"truth": "cost", "n_obs": 30, "n_genes": 2}
    ]
