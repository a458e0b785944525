"""Kinds of methods: rivals, functions of the core, and other packages by another Python (here this one)."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.bench import _impute_fit as fit
from spotweave.bench._impute_data import Panels
from spotweave.bench._impute_fit import run_method
from spotweave.bench._impute_methods import GROUPS, METHODS, ROUTES, repeated
from spotweave.bench._impute_rivals import RIVALS
from spotweave.bench._impute_sets import ImputeSet, MeasuredPair
from spotweave.bench._peer_process import Peer


@pytest.fixture
def panels(rng) -> Panels:
    X, R = (sp.csr_matrix(rng.poisson(2.0, (n, 7)).astype(np.float32) + 1) for n in (11, 8))
    return Panels(ImputeSet("own", MeasuredPair("a", "b"), 3), X, R, rng.random((11, 2)), np.array(list("abcdefg")))


def test_rivals_say_depth_in_three_ways(panels):
    means = {name: run_method(panels, {"rival": name}, 0).means for name in RIVALS}
    for k, pair in enumerate(panels.pairs()):
        X, R, Y = (M.toarray() for M in pair[:3])
        np.testing.assert_allclose(means["gene_mean"][k], np.tile(Y.mean(axis=0), (11, 1)), rtol=1e-6)
        np.testing.assert_allclose(means["depth"][k], np.outer(X.sum(axis=1), Y.sum(axis=0) / R.sum()), rtol=1e-6)
        expected = (X / X.mean(axis=0)).mean(axis=1)
        found = means["panel_mean"][k]
        np.testing.assert_allclose(found / found.mean(axis=0), np.outer(expected, np.ones(Y.shape[1])), rtol=1e-6)


def test_routes_take_their_settings_and_a_generator(panels, monkeypatch):
    def predict(pair, rng, *, k):
        means = np.full((pair.X.shape[0], pair.Y.shape[1]), k + rng.random())
        return means, {0.5: (means, 2 * means)}

    monkeypatch.setitem(ROUTES, "own", predict)
    result = run_method(panels, {"route": "own", "k": 3, "name": "own-3"}, 5)
    assert result.run == ("own-3", 5)
    assert {float(means[0, 0]) for means in result.means} == {3 + np.random.default_rng(5).random()}
    assert [means.shape for means in result.means] == [(11, 3), (11, 2), (11, 2)]
    assert [ends[0.5][1].shape for ends in result.ends or []] == [(11, 3), (11, 2), (11, 2)]


@pytest.fixture
def peer(monkeypatch, tmp_path):
    """A method in a file that is named like a package which it imports, as those of ours are."""

    def make(body):
        code = f"import statistics\nassert hasattr(statistics, 'median')\ndef impute(X, R, Y, xy, seed):\n    {body}\n"
        (tmp_path / "statistics.py").write_text(code)
        (tmp_path / "_main.py").write_text((fit.SCRIPTS / "_main.py").read_text())
        monkeypatch.setattr(fit, "SCRIPTS", tmp_path)
        monkeypatch.setitem(fit.PEERS, "statistics", Peer("SPOTWEAVE_PEER_TEST", "statistics-tools"))
        monkeypatch.setenv("SPOTWEAVE_PEER_TEST", sys.executable)
        return {"peer": "statistics"}

    return make


def test_another_python_is_given_the_pair(panels, peer):
    body = "return X.sum(axis=1).A1[:, None] * Y.sum(axis=0).A1 / R.sum() * seed + xy[:, :1]"
    result = run_method(panels, peer(body), 3)
    for pair, means in zip(panels.pairs(), result.means, strict=True):
        X, R, Y = (M.toarray() for M in pair[:3])
        expected = np.outer(X.sum(axis=1), Y.sum(axis=0)) / R.sum() * 3 + pair.xy[:, :1]
        np.testing.assert_allclose(means, expected, rtol=1e-6)
        assert means.dtype == np.float32
    assert set(result.costs) == {"wall_s", "cpu_s", "fit_s", "fit_cpu_s", "peak_mb"}


def test_costs_of_folds_are_added(panels, monkeypatch):
    costs = iter([{"cpu_s": 1.0, "peak_mb": 7.0}, {"cpu_s": 2.0, "peak_mb": 9.0}, {"cpu_s": 4.0, "peak_mb": 8.0}])
    monkeypatch.setattr(fit, "_call", lambda peer, pair, seed: (np.zeros((11, pair.Y.shape[1])), next(costs)))
    assert run_method(panels, {"peer": "spage"}, 0).costs == {"cpu_s": 7.0, "peak_mb": 9.0}


def test_another_python_that_fails_says_why(panels, peer):
    with pytest.raises(RuntimeError, match="statistics: exit status 1: KeyError: 'no such thing'"):
        run_method(panels, peer("raise KeyError('no such thing')"), 0)


def test_methods_have_what_they_need(monkeypatch):
    assert set(GROUPS["all"]) == set(METHODS)
    assert {METHODS[name]["rival"] for name in GROUPS["trivial"]} == set(RIVALS)
    assert {METHODS[name]["route"] for name in GROUPS["ours"]} <= set(ROUTES)
    assert all(fit.script_of(METHODS[name]["peer"]).is_file() for name in GROUPS["peers"])
    assert [name for name in GROUPS["peers"] if repeated(METHODS[name])] == ["tangram", "gimvi"]
    assert not any(repeated(METHODS[name]) for name in GROUPS["trivial"])
    monkeypatch.delenv("SPOTWEAVE_PEER_SPAGE", raising=False)
    assert fit.missing("spage") == "SPOTWEAVE_PEER_SPAGE is not set (path of a Python that has SpaGE)"
