"""Rows of scores: all parts together, the unknown, and markers where no truth is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave.bench._deconvolve_data import Problem, Spots
from spotweave.bench._deconvolve_fit import Composition
from spotweave.bench._deconvolve_score import score
from spotweave.bench._deconvolve_sets import SpotSet
from spotweave.bench._impute_sets import MeasuredPair
from spotweave.core.graph import knn
from spotweave.metrics import deconvolution_scores


def problem(rng, n, types, **more) -> Problem:
    X, R = sp.csr_matrix(np.ones((n, 3))), sp.csr_matrix(np.ones((2 * len(types), 3)))
    return Problem(X, R, np.arange(2 * len(types)) % len(types), types, rng.random((n, 2)), **more)


@pytest.fixture
def spots(rng) -> Spots:
    first = rng.dirichlet(np.ones(3), 4)
    second = rng.dirichlet(np.ones(3), 6)
    second[5] = [0, 0, 1]
    problems = [
        problem(rng, 4, ("a", "b", "c"), truth=first, missing_truth=np.zeros(4)),
        problem(rng, 6, ("a", "c"), truth=second[:, :2], missing_truth=second[:, 2]),
    ]
    return Spots(SpotSet("own", MeasuredPair("x", "y")), problems)


@pytest.fixture
def found(rng) -> Composition:
    return Composition([rng.random((4, 3)), rng.random((6, 2))], {"cpu_s": 7.0}, ("m", 0))


def test_parts_are_scored_together(spots, found, tmp_path):
    first, second = spots.problems
    truth = np.zeros((10, 3))
    truth[:4], truth[4:, [0, 2]] = first.truth, second.truth
    shares = np.zeros((10, 3))
    shares[:4], shares[4:, [0, 2]] = found.shares
    spots = Spots(replace(spots.dataset, details=tmp_path), spots.problems)
    (row,) = score(spots, found)
    expected = deconvolution_scores(truth[:9], shares[:9])  # the last spot holds cells of no type of its reference
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    sizes = {"n_obs": 10, "n_genes": 3, "n_reference": 6, "n_types": 3, "n_parts": 2, "cpu_s": 7.0}
    assert {name: row[name] for name in sizes} == sizes
    assert "unknown_rmse" not in row
    table = pd.read_csv(tmp_path / "own-m-0.csv")
    assert table["type"].tolist() == ["a", "b", "c"]
    q = shares[:9] / shares[:9].sum(axis=1, keepdims=True)
    p = truth[:9] / truth[:9].sum(axis=1, keepdims=True)
    assert table["pcc"].to_numpy() == pytest.approx([np.corrcoef(p[:, j], q[:, j])[0, 1] for j in range(3)], abs=1e-4)


def test_types_are_told_of_the_first_seed_alone(spots, found, tmp_path):
    score(Spots(replace(spots.dataset, details=tmp_path), spots.problems), found._replace(run=("m", 1)))
    assert not list(tmp_path.iterdir())


def test_unknown_is_compared_with_what_is_missing(spots, found, rng):
    shares = [np.column_stack([own, rng.random(len(own))]) for own in found.shares]
    (row,) = score(spots, found._replace(shares=shares))
    (without,) = score(spots, found)
    assert row["rmse"] == pytest.approx(without["rmse"]), "known types are divided by their own sum"
    unknown = np.concatenate([own[:, -1] / own.sum(axis=1) for own in shares])
    missing = np.concatenate([part.missing_truth for part in spots.problems])
    assert row["unknown_rmse"] == pytest.approx(np.sqrt(np.mean((unknown - missing) ** 2)))
    assert row["unknown_r"] == pytest.approx(np.corrcoef(unknown, missing)[0, 1])
    assert row["unknown_mean"] == pytest.approx(unknown.mean())
    assert row["missing_mean"] == pytest.approx(missing.mean())
    whole = Spots(spots.dataset, spots.problems[:1])
    assert "unknown_rmse" not in score(whole, found._replace(shares=shares[:1]))[0], "nothing is missing there"


def test_markers_speak_where_no_truth_is_known(rng, found, tmp_path):
    marked = rng.random(11)
    item = SpotSet("own", MeasuredPair("x", "y"), None, markers={"both": ("D", ("g",))}, details=tmp_path)
    own = problem(rng, 11, ("A", "D - x", "D - y"), markers={"both": marked})
    shares = rng.random((11, 3))
    (row,) = score(Spots(item, [own]), found._replace(shares=[shares]))
    q = shares / shares.sum(axis=1, keepdims=True)
    expected = np.corrcoef(q[:, 1] + q[:, 2], marked)[0, 1]
    assert row["marker_r"] == row["marker_r_both"] == pytest.approx(expected)
    assert "rmse" not in row
    table = pd.read_csv(tmp_path / "own-m-0.csv")
    assert table["found_mean"].to_numpy() == pytest.approx(q.mean(axis=0), abs=1e-4)
    W = knn(own.xy, n_neighs=6).connectivities.toarray()
    z = q[:, 0] - q[:, 0].mean()
    assert table["moran"][0] == pytest.approx(11 / W.sum() * (z @ W @ z) / (z @ z), abs=1e-4)


def test_shares_of_another_shape_are_an_error(spots, found):
    with pytest.raises(ValueError, match=r"expected shares of shape \[4, 3\] or \[4, 4\]; found \[4, 2\]"):
        score(spots, found._replace(shares=[found.shares[0][:, :2], found.shares[1]]))
