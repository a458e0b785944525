import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.gene_forms import all_kernels, gene_forms, local_kernel
from spotweave.core.local_bins import pair_kernel
from spotweave.core.score_residuals import working_weights
from spotweave.core.smooth_kernels import smooth_kernels
from spotweave.core.spatial_basis import box_waves


@pytest.fixture
def case(rng):
    """67 points at uneven depth, 5 genes, and all their kernels, sparse and dense."""
    xy, depth = rng.random((67, 2)), rng.lognormal(0, 0.5, 67)
    depth[4] = 0
    counts = rng.poisson(np.outer([0.1, 1, 5, 1, 1], depth)).astype(float)
    counts[3], counts[4] = 0, 0
    counts[4, [8, 9]] = 1
    weights = working_weights(depth, 0.3)
    smooth, local = smooth_kernels(xy, weights.q, box_waves(xy, 12), np.array([0.4, 0.1])), local_kernel(xy)
    off = [smooth.functions @ np.diag(s) @ smooth.functions.T for s in smooth.spectrum.T]
    off = [*(K - np.diag(np.diag(K)) for K in off), pair_kernel(local.bins).toarray()]
    return counts, depth, weights, all_kernels(smooth, local), off


def residuals(counts, depth, weights):
    share = (weights.q * weights.w * counts).sum() / (weights.q**2).sum()
    return weights.w * (counts - share * depth), share


def test_forms_match_dense_residuals_and_kernels(case):
    counts, depth, weights, kernels, off = case
    found = gene_forms(sp.csr_matrix(counts), depth, weights, kernels)
    centred = np.eye(67) - np.outer(weights.q, weights.q) / (weights.q @ weights.q)
    for g in range(3):
        e, share = residuals(counts[g], depth, weights)
        e /= np.sqrt((e**2).sum() / 66)
        for k, K in enumerate(off):
            assert found.form[g, k] == pytest.approx(e @ K @ e - np.trace(centred @ K))
        total = ((kernels.smooth.functions.T @ e) ** 2).sum()
        scale = (residuals(counts[g], depth, weights)[0] ** 2).sum() / 66
        assert found.signal[g, 0] == pytest.approx(scale * (total - 12 * (66 - total) / (66 - 12)))
        assert found.norm[g, 0] == pytest.approx(share**2 * (weights.q**2).sum())


def test_products_of_kernels_match_dense(case):
    *_, kernels, off = case
    np.testing.assert_allclose(kernels.pairs, [[(K * L).sum() for L in off] for K in off], atol=1e-9)


def test_variance_and_skewness_are_those_of_permutations(case, rng):
    counts, depth, weights, kernels, off = case
    found = gene_forms(sp.csr_matrix(counts), depth, weights, kernels)
    e, _ = residuals(counts[0], depth, weights)  # the sparsest gene
    e = (e - e.mean()) / e.std()
    order = np.argsort(rng.random((20_000, 67)), axis=1)
    for k, K in enumerate(off):
        forms = np.einsum("ri,ij,rj->r", e[order], K, e[order], optimize=True)
        forms -= forms.mean()
        assert found.variance[0, k] == pytest.approx((forms**2).mean(), rel=0.12)
        ratio = found.cumulant[0, k] / (forms**3).mean()
        assert 0.8 < ratio < 2.5  # of 7 molecules: rather too skewed, so that p is rather too large


def test_genes_that_cannot_be_tested_are_zero(case):
    counts, depth, weights, kernels, _ = case
    counts[1] = 3 * depth  # follows depth exactly
    found = gene_forms(sp.csr_matrix(counts), depth, weights, kernels)
    for values in found:
        assert not values[[1, 3, 4]].any()
        assert values[[0, 2]].any()
