"""Scores of tests for spatially variable genes, against scipy, scikit-learn and counting by hand."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats
from sklearn.metrics import roc_auc_score

from spotweave.bench._genes_test_data import Tissue, drawn, permuted, tissue
from spotweave.bench._genes_test_fit import GeneTests
from spotweave.bench._genes_test_score import auroc, ranking, region_test, score, score_null
from spotweave.datasets import simulate_patterns


@pytest.fixture
def own(rng) -> Tissue:
    X = sp.csr_matrix(rng.poisson([0.1, 2, 1, 3, 5, 0.4], (47, 6)).astype(np.float32))
    varying = np.array([True, True, True, True, False, False])
    return Tissue(X, rng.random((47, 2)), varying, np.arange(47) % 4 - 1)


FOUND = GeneTests(
    np.array([0.001, 0.3, 0.004, 0.02, 0.9, 0.0005]), np.array([9.0, 1.0, 8.0, 5.0, 0.0, 10.0]), {"fit_s": 7.0}
)


def test_against_truth(own):
    (row,) = score(own, FOUND)
    assert (row["n_obs"], row["n_genes"], row["fit_s"]) == (47, 6, 7.0)
    assert row["n_called"] == 4  # adjusted: .003, .36, .008, .03, .9, .003
    assert row["power"] == pytest.approx(3 / 4)
    assert row["fdr"] == pytest.approx(1 / 4)
    assert row["null_rate"] == pytest.approx(1 / 2)
    assert row["null_rate_strict"] == pytest.approx(1 / 2)
    assert row["auroc"] == pytest.approx(roc_auc_score(own.varying, -FOUND.pvalue))


def test_nothing_called_is_no_false_discovery(own):
    (row,) = score(own, GeneTests(np.ones(6), np.zeros(6), {}))
    assert (row["power"], row["fdr"], row["auroc"]) == (0, 0, 0.5)


def test_ranking_breaks_ties_by_the_statistic_and_leaves_true_ones():
    found = GeneTests(np.array([0.0, 0.5, 0.0, 1.0, 1.0, 0.0]), np.array([3.0, 9.0, 4.0, 0.0, 0.0, 3.0]), {})
    assert ranking(found).tolist() == [2, 1, 3, 0, 0, 2]


def test_auroc(rng):
    positive, value = rng.random(60) < 0.4, rng.integers(0, 9, 60)
    assert auroc(positive, value) == pytest.approx(roc_auc_score(positive, value))
    assert np.isnan(auroc(np.ones(4, dtype=bool), np.arange(4)))


def test_agreement_is_with_genes_that_differ_between_regions(rng):
    labels = np.repeat([0, 1, 2, -1], [40, 30, 20, 11])
    mean = np.where((labels[:, None] == 1) & (np.arange(8) < 3), 12.0, 4.0)
    mean[:, 7] = 1_000  # so that the others keep their shares
    X = sp.csr_matrix(rng.poisson(mean).astype(np.float32))
    pvalues = np.array([0.5, 0.001, 0.002, 0.03, 0.9, 0.8, 0.7, 0.6])
    (row,) = score(Tissue(X, rng.random((101, 2)), None, labels), GeneTests(pvalues, -pvalues, {}))
    expected = np.array([loop_region_test(X.toarray().astype(float), j, labels) for j in range(8)])
    np.testing.assert_allclose(region_test(X, labels), expected, rtol=1e-8)
    differ = stats.false_discovery_control(expected) < 0.05
    assert row["n_differ"] == differ.sum()
    assert row["agreement"] == pytest.approx(roc_auc_score(differ, -pvalues))
    assert "power" not in row


def loop_region_test(X, j, labels):
    """One gene, spot by spot."""
    kept = [i for i in range(len(X)) if labels[i] >= 0]
    regions = sorted({labels[i] for i in kept})
    depth = {k: sum(X[i].sum() for i in kept if labels[i] == k) for k in regions}
    counts = {k: sum(X[i, j] for i in kept if labels[i] == k) for k in regions}
    expected = {k: depth[k] * sum(counts.values()) / sum(depth.values()) for k in regions}
    between = sum((counts[k] - expected[k]) ** 2 / expected[k] for k in regions) / (len(regions) - 1)
    means = [X[i].sum() * counts[labels[i]] / depth[labels[i]] for i in kept]
    within = sum((X[i, j] - m) ** 2 / m for i, m in zip(kept, means, strict=True)) / (len(kept) - len(regions))
    return stats.f.sf(between / max(within, 1.0), len(regions) - 1, len(kept) - len(regions))


def test_regions_that_differ_in_depth_alone_do_not_differ(rng):
    labels = np.repeat([0, 1, 2], 200)
    depth = rng.gamma(4.0, 0.25, 600) * np.array([1.0, 2.0, 5.0])[labels]
    mean = depth[:, None] * np.exp(rng.normal(-2, 1.5, 2_000)) * rng.gamma(5.0, 0.2, (600, 2_000))
    X = sp.csr_matrix(rng.poisson(mean).astype(np.float32))
    assert (region_test(X, labels) < 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_regions_of_a_gene_without_counts_and_of_one_in_one_region():
    X = np.full((12, 4), 5, np.float32)
    X[:, 0] = X[6:, 1] = 0
    X[3, 1] = 9
    X[11] = 0  # an empty spot
    X[:, 3] = np.arange(12) == 5
    found = region_test(sp.csr_matrix(X), np.arange(12) // 6)
    assert found[0] == 1
    assert found[1] < 0.01
    assert found[3] > 0.2, "one molecule"


def test_permuted_counts_keep_their_rows_and_lose_their_patterns(own):
    null = permuted(own, {}, 3)
    order = lambda X: sorted(map(tuple, X.toarray()))
    assert order(null.X) == order(own.X)
    assert (null.X != own.X).nnz > 0
    np.testing.assert_array_equal(null.xy, own.xy)
    (row,) = score_null(null, FOUND)
    assert row["null_rate"] == pytest.approx(4 / 6)
    assert row["null_rate_strict"] == pytest.approx(1 / 6)
    counts = own.X.toarray().sum(axis=0)
    assert sorted(np.argsort(counts)[:3]) == [0, 2, 5], "the sparse ones"
    assert row["null_rate_sparse"] == 1
    assert row["null_rate_abundant"] == pytest.approx(1 / 3)
    assert (row["n_called"], row["fit_s"]) == (4, 7.0)


def test_counts_are_drawn_by_the_seed_and_genes_without_any_are_left_out():
    options: dict[str, Any] = {"n_obs": 60, "n_genes": 200, "n_modules": 2, "library_size": 100.0}
    one, same, other = (drawn(options, {}, seed) for seed in (1, 1, 2))
    assert (one.X != same.X).nnz == 0
    assert one.X.shape != other.X.shape or (one.X != other.X).nnz
    adata = simulate_patterns(**options, rng=1)
    found = np.asarray(adata.X.sum(axis=0)).ravel() > 0
    assert 0 < (~found).sum() < 200
    np.testing.assert_array_equal(one.X.toarray(), adata.X.toarray()[:, found])
    np.testing.assert_array_equal(one.varying, adata.var["spatially_variable"].to_numpy()[found])
    assert drawn(one, {}, 5) is one


def test_labels_that_are_missing_are_unknown():
    adata = simulate_patterns(20, n_genes=5, n_modules=1, rng=0)
    adata.obs["region"] = [None, "b", "a", *["b"] * 17]
    labels = tissue(adata, "region").labels
    assert labels is not None
    assert labels.tolist()[:4] == [-1, 1, 0, 1]
