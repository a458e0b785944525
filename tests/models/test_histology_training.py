"""What all predictors share: folds, means, and genes out of answers."""

import numpy as np
import scipy.sparse as sp

from spotweave.core.histology.tissue import make_tissue
from spotweave.models import histology_training as module
from spotweave.models.histology_linear import Linear, fit_programs
from spotweave.models.histology_training import Fitted, Training, centred, held_out_genes, inner_splits, mean_expression

N, G = 13, 5


def training(rng):
    section = np.repeat([0, 1], [6, 7])
    target = sp.csr_matrix(rng.poisson(1.0, (N, G)).astype(np.float32))
    return Training(make_tissue(rng.normal(size=(N, 2)), section, rng.random((N, 2))), target, section)


def test_genes_are_mean_plus_decoded_answers(rng, monkeypatch):
    mean, decode, parts = rng.normal(size=G), rng.normal(size=(3, G)), rng.normal(size=(N, 3))
    monkeypatch.setattr(module, "BLOCK", 4)
    fitted = Fitted(Linear(decode), mean, decode, parts, {})
    found = fitted.genes(parts)
    assert found.dtype == np.float32
    expected = [[mean[j] + sum(parts[i, t] * decode[t, j] for t in range(3)) for j in range(G)] for i in range(N)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    own = rng.normal(size=(N, G))
    np.testing.assert_allclose(fitted._replace(decode=None).genes(own), mean + own, rtol=1e-5)
    assert fitted.genes(parts[:0]).shape == (0, G)


def test_splits_leave_each_row_out_once():
    splits = inner_splits(np.array([4, 1, 4, 9, 1]))
    assert [(stay.tolist(), out.tolist()) for stay, out in splits] == [
        ([0, 2, 3], [1, 4]),
        ([1, 3, 4], [0, 2]),
        ([0, 1, 2, 4], [3]),
    ]


def test_means_of_all_and_of_sections(rng):
    data = training(rng)
    Y = data.target.toarray().astype(float)
    np.testing.assert_allclose(mean_expression(data), Y.mean(axis=0))
    expected = np.concatenate([Y[:6] - Y[:6].mean(axis=0), Y[6:] - Y[6:].mean(axis=0)])
    np.testing.assert_allclose(centred(data), expected, atol=1e-12)


def test_means_of_many_spots_are_not_added_up_in_single_precision(rng):
    n = 300_000
    many = Training(training(rng).tissue, sp.csr_matrix(np.full((n, 1), 5.1, np.float32)), np.zeros(n))
    np.testing.assert_allclose(mean_expression(many), np.float32(5.1), rtol=1e-9)


def test_held_out_genes_do_not_know_the_noise_of_their_fold(rng):
    """Programs' loadings on noise genes agree with the rows they were made of, held out or not."""
    n, g = 120, 200
    signal = rng.normal(size=n)
    Y = rng.normal(size=(n, g))
    Y[:, 0] = 5 * signal
    section = np.repeat([0, 1], n // 2)
    tissue = make_tissue(np.stack([signal, rng.normal(size=n)], axis=1), section, rng.random((n, 2)))
    training = Training(tissue, sp.csr_matrix(Y.astype(np.float32)), section)
    fitted = fit_programs(training, n_programs=1)
    rows = np.arange(n)
    truth = centred(training)[:, 1:]
    agreement = lambda told: ((told[:, 1:] - fitted.mean[1:]) * truth).sum(axis=0).mean()
    naive, honest = agreement(fitted.genes(fitted.held_out)), agreement(held_out_genes(fitted, training, rows))
    assert abs(honest) < 0.2 * naive
    told = held_out_genes(fitted, training, rows)
    assert np.corrcoef(told[:, 0], Y[:, 0])[0, 1] > 0.9
