import numpy as np
import pytest

from spotweave.datasets._counts import sample_counts, sample_log_normal, sample_negative_binomial


@pytest.mark.parametrize("overdispersion", [0.0, 0.15, 1.0])
@pytest.mark.parametrize("mean", [0.05, 1.0, 20.0])
def test_negative_binomial_mean_and_variance(mean: float, overdispersion: float, rng: np.random.Generator) -> None:
    counts = sample_negative_binomial(np.full((1_000, 300), mean, dtype=np.float32), overdispersion, rng)
    variance = mean + overdispersion * mean**2
    assert counts.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / counts.size))
    assert counts.var() == pytest.approx(variance, rel=0.04)


def test_negative_binomial_has_the_probability_of_zero(rng: np.random.Generator) -> None:
    counts = sample_negative_binomial(np.full((1_000, 300), 2.0, dtype=np.float32), 0.5, rng)
    assert (counts == 0).mean() == pytest.approx((1 + 0.5 * 2.0) ** -2.0, abs=0.004)


def test_counts_are_whole_and_sparse(rng: np.random.Generator) -> None:
    counts = sample_counts(rng.random((51, 7)).astype(np.float32), 0.2, 0.0, rng)
    assert counts.format == "csr"
    assert counts.dtype == np.float32
    assert (counts.data > 0).all()
    np.testing.assert_array_equal(counts.data, np.rint(counts.data))


def test_dropout_loses_its_share_of_entries_and_keeps_the_rest(rng: np.random.Generator) -> None:
    mean = np.full((400, 101), 3.0, dtype=np.float32)
    full = sample_counts(mean, 0.2, 0.0, np.random.default_rng(1))
    lost = sample_counts(mean, 0.2, 0.3, np.random.default_rng(1))
    assert lost.nnz / full.nnz == pytest.approx(0.7, abs=0.01)
    assert (lost.data > 0).all()
    kept = lost.toarray() > 0
    np.testing.assert_array_equal(lost.toarray()[kept], full.toarray()[kept])


def test_log_normal_has_mean_one(rng: np.random.Generator) -> None:
    factor = sample_log_normal(0.4, 100_000, rng)
    assert factor.mean() == pytest.approx(1, abs=0.01)
    assert np.log(factor).std() == pytest.approx(0.4, abs=0.01)
