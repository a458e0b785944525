"""Kinds of methods: `tl.denoise`, and other packages by another Python (here this one)."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp

import spotweave.tl
from spotweave.bench import _denoise_peers as peers
from spotweave.bench._denoise_fit import run_method
from spotweave.bench._denoise_methods import ABLATIONS, GROUPS, METHODS, repeated


@pytest.fixture
def counts(rng) -> sp.csr_matrix:
    return sp.csr_matrix(rng.poisson(2.0, (23, 7)).astype(np.float32))


@pytest.fixture
def xy(rng) -> np.ndarray:
    return rng.random((23, 2))


def test_the_verb_gets_counts_coordinates_and_settings(monkeypatch, counts, xy):
    seen = []

    def denoise(adata, **options):
        seen.append(options)
        np.testing.assert_array_equal(adata.obsm["spatial"], xy)
        adata.layers["denoised"] = np.asarray(adata.X.toarray() + 0.5, np.float32)

    monkeypatch.setattr(spotweave.tl, "denoise", denoise, raising=False)
    result = run_method(counts, xy, {"method": "factor", "rank": 3}, 201)
    assert seen == [{"method": "factor", "rank": 3, "rng": 201, "progress": False}]
    np.testing.assert_array_equal(result.predict(slice(5, 9)), counts.toarray()[5:9] + 0.5)
    assert result.costs == {}


def test_rivals_take_their_settings(counts, xy):
    result = run_method(counts, xy, METHODS["raw"], 0)
    np.testing.assert_array_equal(result.predict(slice(2, 4)), counts.toarray()[2:4])


@pytest.fixture
def peer(monkeypatch, tmp_path):
    """A method in a file that is named like a package which it imports, as those of ours are."""

    def make(body):
        code = f"import sys, statistics\nassert hasattr(statistics, 'median')\ndef denoise(X, xy, seed):\n    {body}\n"
        (tmp_path / "statistics.py").write_text(code)
        (tmp_path / "_main.py").write_text((peers.SCRIPTS / "_main.py").read_text())
        monkeypatch.setattr(peers, "SCRIPTS", tmp_path)
        monkeypatch.setitem(peers.VARIABLES, "statistics", "SPOTWEAVE_PEER_TEST")
        monkeypatch.setitem(peers.PACKAGES, "statistics", "statistics-tools")
        monkeypatch.setenv("SPOTWEAVE_PEER_TEST", sys.executable)
        return {"peer": "statistics"}

    return make


def test_another_python_is_given_counts_and_gives_expected_ones(peer, counts, xy):
    settings = peer("return X.toarray() * seed + xy[:, :1]")
    result = run_method(counts, xy, settings, 3)
    np.testing.assert_allclose(result.predict(slice(4, 11)), (counts.toarray() * 3 + xy[:, :1])[4:11], rtol=1e-6)
    assert set(result.costs) == {"wall_s", "cpu_s", "fit_s", "fit_cpu_s", "peak_mb"}
    assert result.costs["wall_s"] == result.costs["fit_s"] < 1
    assert 10 < result.costs["peak_mb"] < 1_000


def test_another_python_that_fails_says_why(peer, counts, xy):
    settings = peer("raise KeyError('no such thing')")
    with pytest.raises(RuntimeError, match="statistics: exit status 1: KeyError: 'no such thing'"):
        run_method(counts, xy, settings, 0)


def test_why_another_python_cannot_be_run(peer, monkeypatch):
    peer("pass")
    assert peers.missing("statistics") is None
    monkeypatch.setenv("SPOTWEAVE_PEER_TEST", "/nowhere/python")
    assert peers.missing("statistics") == "SPOTWEAVE_PEER_TEST: no file /nowhere/python"
    monkeypatch.delenv("SPOTWEAVE_PEER_TEST")
    expected = "SPOTWEAVE_PEER_TEST is not set (path of a Python that has statistics-tools)"
    assert peers.missing("statistics") == expected


def test_methods():
    assert set(GROUPS["main"]) | set(ABLATIONS) == set(METHODS)
    assert all((peers.SCRIPTS / f"{METHODS[name]['peer']}.py").is_file() for name in GROUPS["peers"])
    assert [name for name in GROUPS["main"] if repeated(METHODS[name])] == [
        "factor",
        "gmm_vgae",
        "gmm_vgae-strict",
        "scvi",
    ]
