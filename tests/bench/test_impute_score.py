"""Rows of scores: means over the genes of all folds, and Moran's I by a slow loop."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave.bench import _impute_score as module
from spotweave.bench._impute_data import Panels
from spotweave.bench._impute_fit import Imputed
from spotweave.bench._impute_score import score
from spotweave.bench._impute_sets import ImputeSet, MeasuredPair
from spotweave.core.graph import knn
from spotweave.metrics import imputation_scores


@pytest.fixture
def panels(rng) -> Panels:
    X = sp.csr_matrix(rng.poisson(3.0, (29, 7)).astype(np.float32))
    item = ImputeSet("own", MeasuredPair("a", "b"), 3)
    return Panels(item, X, X[:13], rng.random((29, 2)), np.array(list("abcdefg"), dtype=object))


@pytest.fixture
def found(panels, rng) -> Imputed:
    return Imputed([rng.gamma(2.0, size=(29, len(wanted))) for wanted in panels.folds()], {"cpu_s": 7.0}, ("m", 4))


def slow_moran(x, depth, xy):
    values = np.log1p(np.array([v / d * np.median(depth) for v, d in zip(x, depth, strict=True)]))
    W = knn(xy, n_neighs=6).connectivities.toarray()
    z = values - values.mean()
    total = sum(W[i, k] * z[i] * z[k] for i in range(len(z)) for k in range(len(z)) if i != k)
    return len(z) / W.sum() * total / (z**2).sum()


def test_a_row_holds_means_over_genes_of_all_folds(panels, found, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 60)  # two genes at a time
    panels = replace(panels, dataset=replace(panels.dataset, details=tmp_path))
    (row,) = score(panels, found)
    X = panels.X.toarray().astype(float)
    scores, errors = [], []
    for wanted, means in zip(panels.folds(), found.means, strict=True):
        depth = np.delete(X, wanted, axis=1).sum(axis=1)
        scores.append(np.stack(imputation_scores(X[:, wanted], means, depth)))
        for j, q in zip(wanted, means.T, strict=True):
            scaled = q * X[:, j].sum() / q.sum()
            errors.append(abs(slow_moran(X[:, j], depth, panels.xy) - slow_moran(scaled, depth, panels.xy)))
    expected = np.concatenate(scores, axis=1)
    for name, values in zip(module.SCORES, expected, strict=True):
        assert row[name] == pytest.approx(values.mean())
    assert row["residual_r_median"] == pytest.approx(np.median(expected[4]))
    assert row["deviance_explained_median"] == pytest.approx(np.median(expected[5]))
    assert row["moran_error"] == pytest.approx(np.mean(errors))
    assert (row["n_obs"], row["n_reference"], row["n_genes"], row["n_wanted"], row["n_folds"]) == (29, 13, 7, 7, 3)
    assert row["cpu_s"] == 7.0
    assert "rate_r" not in row
    genes = pd.read_csv(tmp_path / "own-m-4.csv")
    assert genes["gene"].tolist() == [str(panels.genes[j]) for j in np.concatenate(panels.folds())]
    assert genes["fold"].tolist() == [0, 0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(genes["pcc"], expected[0], rtol=1e-4)


def test_true_rates_are_a_truth_as_well(panels, found):
    rates = np.ones((29, 7))
    for wanted, means in zip(panels.folds(), found.means, strict=True):
        rates[:, wanted] = 3 * means
    (row,) = score(replace(panels, rates=rates), found)
    assert row["rate_r"] == pytest.approx(1)


def test_a_prediction_of_another_shape_is_an_error(panels, found):
    found.means[1] = found.means[1][:, :1]
    with pytest.raises(ValueError, match=r"shape \[29, 2\]; found \[29, 1\]"):
        score(panels, found)
