"""Kinds of methods: rivals, our verb, and other packages by another Python (here this one)."""

import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import tl
from spotweave.bench import _deconvolve_fit as fit
from spotweave.bench import _impute_fit
from spotweave.bench._deconvolve_data import Problem, Spots
from spotweave.bench._deconvolve_fit import run_method
from spotweave.bench._deconvolve_methods import GROUPS, METHODS, repeated
from spotweave.bench._deconvolve_sets import SpotSet
from spotweave.bench._impute_sets import MeasuredPair
from spotweave.bench._peer_process import Peer


@pytest.fixture
def spots(rng) -> Spots:
    problems = []
    for n, labels in ((5, [0, 0, 2, 1]), (4, [1, 0, 1])):
        X, R = (sp.csr_matrix(rng.poisson(2.0, (k, 7)).astype(np.float32) + 1) for k in (n, len(labels)))
        types = ("a", "b", "c")[: max(labels) + 1]
        problems.append(Problem(X, R, np.array(labels), types, rng.random((n, 2)), n_cells=4.5))
    return Spots(SpotSet("own", MeasuredPair("a", "b")), problems)


def test_rivals_do_not_look_at_the_spots(spots):
    first, second = run_method(spots, {"rival": "uniform"}, 0).shares
    np.testing.assert_allclose(first, np.full((5, 3), 1 / 3))
    np.testing.assert_allclose(second, np.full((4, 2), 1 / 2))
    first, second = run_method(spots, {"rival": "reference"}, 0).shares
    np.testing.assert_allclose(first, np.tile([0.5, 0.25, 0.25], (5, 1)))
    np.testing.assert_allclose(second, np.tile([1 / 3, 2 / 3], (4, 1)))


@pytest.mark.parametrize("unknown", [False, True])
def test_our_verb_is_given_tables(spots, monkeypatch, unknown):
    def deconvolve(adata, reference, *, labels_key, method, rng):
        assert (method, rng) == ("nb", 5)
        kinds = reference.obs[labels_key].astype(str).to_numpy()
        names = sorted(set(kinds), reverse=True)
        mean = np.stack([reference.X.toarray()[kinds == name].mean(axis=0) for name in names])
        table = pd.DataFrame(adata.X @ mean.T, index=adata.obs_names, columns=names)
        adata.obsm["proportions"] = table.assign(unknown=adata.obsm["spatial"][:, 0]) if unknown else table

    monkeypatch.setattr(tl, "deconvolve", deconvolve, raising=False)
    found = run_method(spots, {"method": "nb", "name": "nb"}, 5)
    assert found.run == ("nb", 5)
    for problem, shares in zip(spots.problems, found.shares, strict=True):
        X, R = problem.X.toarray(), problem.R.toarray()
        mean = np.stack([R[problem.labels == k].mean(axis=0) for k in range(len(problem.types))])
        np.testing.assert_allclose(shares[:, : len(mean)], X @ mean.T, rtol=1e-5)
        assert shares.shape[1] == len(mean) + unknown
        if unknown:
            np.testing.assert_allclose(shares[:, -1], problem.xy[:, 0])


@pytest.fixture
def peer(monkeypatch, tmp_path):
    """A method in a file that is named like a package which it imports, as those of ours are."""

    def make(arguments, body):
        code = f"import statistics\ndef deconvolve(X, R, labels, xy, seed{arguments}):\n    {body}\n"
        (tmp_path / "statistics.py").write_text(code)
        (tmp_path / "_main.py").write_text((_impute_fit.SCRIPTS / "_main.py").read_text())
        monkeypatch.setattr(_impute_fit, "SCRIPTS", tmp_path)
        monkeypatch.setitem(fit.PEERS, "statistics", Peer("SPOTWEAVE_PEER_TEST", "statistics-tools"))
        monkeypatch.setenv("SPOTWEAVE_PEER_TEST", sys.executable)
        return {"peer": "statistics"}

    return make


def test_another_python_is_given_the_problem_and_what_it_is_told(spots, peer):
    body = (
        "return (X.sum(axis=1).A1[:, None] + xy[:, :1] + n_cells + len(mode)) * (labels == labels.max()).sum() * seed"
    )
    settings = peer(", n_cells, mode='x'", body) | {"told": ("n_cells",), "mode": "words"}
    result = run_method(spots, settings, 3)
    for problem, shares in zip(spots.problems, result.shares, strict=True):
        last = (problem.labels == problem.labels.max()).sum()
        expected = (problem.X.toarray().sum(axis=1)[:, None] + problem.xy[:, :1] + 4.5 + 5) * last * 3
        np.testing.assert_allclose(shares, expected)
    assert set(result.costs) == {"wall_s", "cpu_s", "fit_s", "fit_cpu_s", "peak_mb"}


def test_another_python_that_fails_says_why(spots, peer):
    with pytest.raises(RuntimeError, match="statistics: exit status 1: KeyError: 'no such thing'"):
        run_method(spots, peer("", "raise KeyError('no such thing')"), 0)


def test_methods_have_what_they_need(monkeypatch):
    assert set(GROUPS["all"]) == set(METHODS)
    assert {METHODS[name]["rival"] for name in GROUPS["trivial"]} == set(fit.RIVALS)
    for name in GROUPS["peers"]:
        assert _impute_fit.script_of(METHODS[name]["peer"]).is_file()
        assert METHODS[name]["peer"] in fit.PEERS
    assert not any(repeated(METHODS[name]) for name in [*GROUPS["trivial"], "rctd", "flashdeconv", "nnls"])
    assert all(repeated(METHODS[name]) for name in ["cell2location", "tangram", "tangram-clusters", "stereoscope"])
    monkeypatch.delenv("SPOTWEAVE_PEER_RCTD", raising=False)
    assert fit.missing("rctd") == "SPOTWEAVE_PEER_RCTD is not set (path of a Python that has rctd-py)"
