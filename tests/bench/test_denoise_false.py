import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave.bench._denoise_counts import Counts
from spotweave.bench._denoise_false import Permuted, false_page, fit, noisy, permuted, score
from spotweave.bench._denoise_fit import Denoised
from spotweave.bench._denoise_methods import METHODS
from spotweave.core.autocorrelation import morans_i
from spotweave.core.graph import knn

EMPTY = pd.DataFrame(columns=["dataset", "method", "seed", "called", "error"])


@pytest.fixture
def counts(rng) -> Counts:
    """Every gene follows a gradient; the last has too few counts to be judged."""
    xy = rng.random((300, 2))
    mean = np.column_stack([4 * xy[:, [0]] @ rng.gamma(2.0, 1.0, (1, 40)), np.full(300, 0.01)])
    return Counts(sp.csr_matrix(rng.poisson(mean).astype(np.float32)), xy)


def test_rows_are_dealt_out_anew_and_alike_for_all_methods(counts):
    first, again, other = (permuted(counts, {}, seed).counts for seed in (1, 1, 2))
    assert (first.X != again.X).nnz == 0
    assert (first.X != other.X).nnz > 0
    np.testing.assert_array_equal(first.xy, counts.xy)
    rows = lambda X: sorted(map(tuple, X.toarray().tolist()))
    assert rows(first.X) == rows(counts.X)


def test_share_of_genes_called(counts):
    data = permuted(counts, {}, 0)
    called = []
    for name in ("raw", "spatial-6"):
        (row,) = score(data, fit(data, METHODS[name], 0))
        called.append(row["called"])
    assert called[0] < 0.2
    assert called[1] == 1
    assert (row["n_obs"], row["n_genes"], row["n_scored"]) == (300, 41, 40)


def test_rates_not_counts_are_tested(counts):
    """Counts follow the depth, which here has a pattern; rates do not."""
    X = counts.X.toarray()
    (row,) = score(Permuted(counts, np.arange(40)), Denoised(lambda rows: X[rows], {}))
    rates = (X / np.maximum(X.sum(axis=1, keepdims=True), 1))[:, :40]
    graph = knn(counts.xy, n_neighs=6).connectivities
    assert row["called"] == pytest.approx((morans_i(rates, graph).pvalue < 0.05).mean())
    assert (morans_i(X[:, :40], graph).pvalue < 0.05).all()
    assert row["called"] < 0.5


def test_noise_replaces_a_fifth_of_the_judged_genes(counts):
    data = noisy(counts, {}, 3)
    before, after = counts.X.toarray(), data.counts.X.toarray()
    assert len(data.judged) == 8
    kept = np.setdiff1d(np.arange(41), data.judged)
    np.testing.assert_array_equal(after[:, kept], before[:, kept])
    depth = before.sum(axis=1)
    mean = depth[:, None] * before[:, data.judged].sum(axis=0) / depth.sum()
    some = depth > 0
    pearson = (after[some][:, data.judged] - mean[some]) / np.sqrt(mean[some])
    assert abs(pearson.mean()) < 0.1
    assert pearson.var() == pytest.approx(1, abs=0.1)
    (row,) = score(data, Denoised(lambda rows: after[rows], {}))
    assert (row["called"], row["n_scored"]) == (pytest.approx(0.05, abs=0.3), 8)


def test_page_of_both_kinds():
    rows = pd.DataFrame([{"dataset": "st_mob_rep11", "method": "raw", "seed": 0, "called": 0.125, "error": ""}])
    page = false_page(EMPTY, rows)
    assert "Genes that are noise" in page
    assert "0.125" in page


def test_page():
    rows = [
        {"dataset": "st_mob_rep11", "method": m, "seed": s, "called": c, "error": ""}
        for m, cs in {"raw": (0.04, 0.06), "factor": (0.2, 0.4)}.items()
        for s, c in enumerate(cs)
    ]
    page = false_page(pd.DataFrame(rows), EMPTY)
    assert "| st_mob_rep11 | 0.050 ± 0.014 | 0.300 ± 0.141 |" in page
    assert "over 2 permutations; 0.05 is right" in page
    assert "**0" not in page
    failed = pd.DataFrame([{"dataset": "a", "method": "raw", "seed": 0, "error": "died"}])
    assert "| a | raw | 0 | died |" in false_page(failed, EMPTY)
