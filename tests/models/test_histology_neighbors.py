"""The neighbour rule against a loop."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.histology.basis import principal_basis
from spotweave.core.histology.tissue import make_tissue
from spotweave.models import histology_neighbors as module
from spotweave.models.histology_neighbors import fit_neighbors, neighbors_from_state
from spotweave.models.histology_training import Training

N, D, G = 90, 4, 7


@pytest.fixture
def data(rng) -> Training:
    section = np.arange(N) % 3
    tissue = make_tissue(rng.normal(size=(N, D)), section, rng.random((N, 2)))
    Y = 2 + np.tanh(tissue.features @ rng.normal(size=(D, G))) + section[:, None] + 0.2 * rng.normal(size=(N, G))
    return Training(tissue, sp.csr_matrix(Y.astype(np.float32)), section)


def looped(data, tissue, rows, k):
    """Departure of the k most alike of `rows` from the mean of their section among `rows`, by 1 / distance^2."""
    axes = principal_basis(data.tissue.joined).axes
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    Y, section = data.target.toarray().astype(float), data.tissue.section
    bank, queries = unit(data.tissue.joined @ axes)[rows], unit(tissue.joined @ axes)
    found = np.zeros((len(queries), G))
    for i, query in enumerate(queries):
        far = np.maximum(((bank - query) ** 2).sum(axis=1), 1e-6)
        near = np.argsort(far)[:k]
        for j in near:
            own = rows[section[rows] == section[rows[j]]]
            found[i] += (1 / far[j]) / (1 / far[near]).sum() * (Y[rows[j]] - Y[own].mean(axis=0))
    return found


def test_answers_are_those_of_a_loop(data, rng):
    fitted = fit_neighbors(data)
    k = fitted.chosen["k"]
    assert k in module.CHOICES
    new = make_tissue(rng.normal(size=(11, D)), np.zeros(11, int), rng.random((11, 2)))
    np.testing.assert_allclose(fitted.predictor(new).parts, looped(data, new, np.arange(N), k), atol=1e-5)
    for f in range(3):
        out = np.flatnonzero(data.fold == f)
        expected = looped(data, data.tissue.take(out), np.flatnonzero(data.fold != f), k)
        np.testing.assert_allclose(fitted.held_out[out], expected, atol=1e-5)


def test_number_of_neighbours_is_the_best_on_held_out_folds(data, monkeypatch):
    error = {}
    for k in (3, 20, 60):
        monkeypatch.setattr(module, "CHOICES", (k,))
        fitted = fit_neighbors(data)
        error[k] = ((fitted.held_out - module.centred(data)) ** 2).sum()
    monkeypatch.setattr(module, "CHOICES", (3, 20, 60))
    fitted = fit_neighbors(data)
    best = min(error, key=error.__getitem__)
    assert fitted.chosen == {"k": best}
    assert ((fitted.held_out - module.centred(data)) ** 2).sum() == pytest.approx(error[best])
    retrieved = fitted.predictor(data.tissue).retrieved
    assert retrieved is not None
    assert retrieved.rows.shape == (N, best)


def test_held_out_rows_are_answered_without_their_truth(data):
    out = data.fold == 1
    Y = data.target.toarray()
    Y[out] += 0.01 * np.sin(np.arange(G))
    before, after = fit_neighbors(data), fit_neighbors(data._replace(target=sp.csr_matrix(Y)))
    assert before.chosen == after.chosen
    np.testing.assert_array_equal(after.held_out[out], before.held_out[out])


def test_state_restores_the_predictor(data):
    predictor = fit_neighbors(data).predictor
    again = neighbors_from_state(predictor.state())
    for a, b in zip(again(data.tissue).retrieved or (), predictor(data.tissue).retrieved or (), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(again(data.tissue).parts, predictor(data.tissue).parts)
