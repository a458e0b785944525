"""Programs against scikit-learn's principal components of rows less the mean of their section."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA

from spotweave.core.histology.programs import expression_programs

N, G, R = 63, 11, 4


@pytest.fixture
def data(rng):
    section = np.repeat([2, 0, 5], [20, 30, 13])[rng.permutation(N)]
    Y = rng.poisson(2, (N, G)) * rng.uniform(0.5, 2, G) + 5.0 * (section == 5)[:, None] * (rng.random(G) < 0.5)
    Y[:, 3] = 0
    return sp.csr_matrix(Y.astype(np.float32)), section


def test_programs_are_components_within_sections(data):
    target, section = data
    Y = target.toarray().astype(float)
    within = Y - np.stack([Y[section == s].mean(axis=0) for s in section])
    pca = PCA(R).fit(within)
    found = expression_programs(target, section, n_programs=R)
    sign = np.sign((found.loadings * pca.components_.T).sum(axis=0))
    np.testing.assert_allclose(found.loadings, pca.components_.T * sign, atol=1e-6)
    np.testing.assert_allclose(found.scores, pca.transform(within) * sign, atol=1e-5)
    np.testing.assert_allclose(found.mean, Y.mean(axis=0))
    for s in set(section.tolist()):
        np.testing.assert_allclose(found.scores[section == s].mean(axis=0), 0, atol=1e-5)


def test_all_programs_give_the_expression_back(data):
    target, section = data
    found = expression_programs(target, section, n_programs=99)
    Y = target.toarray()
    assert found.loadings.shape == (G, G)
    within = Y - np.stack([Y[section == s].mean(axis=0) for s in section])
    np.testing.assert_allclose(found.scores @ found.loadings.T, within, atol=1e-5)
    largest = found.loadings[np.abs(found.loadings).argmax(axis=0), np.arange(G)]
    assert (largest > 0).all()


def test_differences_between_sections_take_no_part(data):
    target, section = data
    shifted = sp.csr_matrix(target.toarray() + np.where(section == 0, 7, 0)[:, None].astype(np.float32))
    before, after = (expression_programs(t, section, n_programs=R) for t in (target, shifted))
    np.testing.assert_allclose(after.loadings, before.loadings, atol=1e-5)
    np.testing.assert_allclose(after.scores, before.scores, atol=1e-4)


def test_fewer_spots_than_programs_and_constant_genes():
    found = expression_programs(sp.csr_matrix(np.eye(3, 5)), np.zeros(3), n_programs=20)
    assert found.scores.shape == (3, 3)
    flat = expression_programs(sp.csr_matrix(np.ones((4, 2))), np.zeros(4), n_programs=2)
    np.testing.assert_allclose(flat.scores, 0, atol=1e-12)
