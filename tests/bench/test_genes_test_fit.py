"""Kinds of tests: `tl.spatial_genes`, closed forms, and other packages by another Python (here this one)."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

import spotweave.tl
from spotweave.bench import _genes_test_fit as fit
from spotweave.bench._genes_test_data import Tissue
from spotweave.bench._genes_test_fit import run_test
from spotweave.bench._genes_test_methods import GROUPS, METHODS
from spotweave.bench._peer_process import Peer
from spotweave.core.autocorrelation import morans_i
from spotweave.core.graph import knn


@pytest.fixture
def tissue(rng) -> Tissue:
    X = rng.poisson(2.0, (41, 5)).astype(np.float32)
    X[7] = 0
    return Tissue(sp.csr_matrix(X), rng.random((41, 2)))


def test_the_verb_gets_counts_coordinates_and_settings(monkeypatch, tissue):
    def spatial_genes(adata, **options):
        assert options == {"autocorrelation": False}
        np.testing.assert_array_equal(adata.obsm["spatial"], tissue.xy)
        adata.var["svg_pvalue"], adata.var["svg_statistic"] = [0.1, np.nan, 0.2, 1, 0], [3, np.nan, 2, 0, 9]

    monkeypatch.setattr(spotweave.tl, "spatial_genes", spatial_genes, raising=False)
    found = run_test(tissue, METHODS["covariance"], 0)
    assert found.pvalue.tolist() == [0.1, 1, 0.2, 1, 0], "what is not tested is no evidence"
    assert found.statistic.tolist() == [3, -np.inf, 2, 0, 9]
    assert found.costs == {}


def test_moran_is_of_log_normalised_counts(tissue):
    X, depth = tissue.X.toarray().astype(float), tissue.X.toarray().sum(axis=1)
    L = np.log1p(X / np.maximum(depth, 1)[:, None] * np.median(depth[depth > 0]))
    expected = morans_i(L, knn(tissue.xy, n_neighs=6).connectivities)
    before = tissue.X.copy()
    found = run_test(tissue, METHODS["moran"], 0)
    np.testing.assert_allclose(found.pvalue, expected.pvalue, rtol=1e-5)
    np.testing.assert_allclose(found.statistic, expected.z, rtol=1e-4)
    assert (before != tissue.X).nnz == 0


def test_sparkx_gets_counts(monkeypatch, tissue):
    monkeypatch.setattr(fit, "sparkx", lambda X, xy: SimpleNamespace(pvalue=X.sum(axis=0).A1, statistic=xy[:5, 0]))
    found = run_test(tissue, METHODS["sparkx"], 0)
    np.testing.assert_array_equal(found.pvalue, tissue.X.toarray().sum(axis=0))


@pytest.fixture
def peer(monkeypatch, tmp_path):
    """A test in a file that is named like a package which it imports, as those of ours are."""

    def make(body, warm="pass"):
        code = f"import statistics, time\nassert hasattr(statistics, 'median')\ndone = []\ndef warm():\n    {warm}\n"
        code += f"def test_genes(X, xy, seed):\n    {body}\n"
        (tmp_path / "statistics.py").write_text(code)
        (tmp_path / "_main.py").write_text((fit.SCRIPTS / "_main.py").read_text())
        monkeypatch.setattr(fit, "SCRIPTS", tmp_path)
        monkeypatch.setitem(fit.PEERS, "statistics", Peer("SPOTWEAVE_PEER_TEST", "statistics-tools"))
        monkeypatch.setenv("SPOTWEAVE_PEER_TEST", sys.executable)
        return {"peer": "statistics"}

    return make


def test_another_python_is_given_counts_and_gives_p_values_in_full(peer, tissue):
    settings = peer(
        "return done and [X.sum(axis=0).A1 * 1e-200, xy[:5, 1] * seed]", warm="time.sleep(0.3), done.append(1)"
    )
    found = run_test(tissue, settings, 3)
    np.testing.assert_allclose(found.pvalue, tissue.X.toarray().sum(axis=0) * 1e-200)
    np.testing.assert_allclose(found.statistic, tissue.xy[:5, 1] * 3)
    assert found.costs["wall_s"] == found.costs["fit_s"] < 0.3, "what compiles is not counted"


def test_another_python_that_fails_says_why(peer, tissue):
    with pytest.raises(RuntimeError, match="statistics: exit status 1: KeyError: 'no such thing'"):
        run_test(tissue, peer("raise KeyError('no such thing')"), 0)


def test_why_another_python_cannot_be_run(peer, monkeypatch):
    peer("pass")
    assert fit.missing("statistics") is None
    monkeypatch.delenv("SPOTWEAVE_PEER_TEST")
    expected = "SPOTWEAVE_PEER_TEST is not set (path of a Python that has statistics-tools)"
    assert fit.missing("statistics") == expected


def test_methods_have_what_they_need():
    assert set(GROUPS["all"]) == set(METHODS)
    assert all(
        fit.script_of(METHODS[name]["peer"]).is_file() and METHODS[name]["peer"] in fit.PEERS
        for name in GROUPS["peers"]
    )
    assert {METHODS[name]["plain"] for name in GROUPS["plain"]} == set(fit.PLAIN)
