import numpy as np
import pytest

from spotweave.datasets._programs import Programs, _level, expected_shares, make_programs


@pytest.fixture
def programs(rng: np.random.Generator) -> Programs:
    return make_programs(203, 5, 4, 0.5, rng)


def _kinds(programs: Programs) -> np.ndarray:
    return np.array([name.split("_")[0] for name in programs.module])


def test_programs_share_out_the_genes(programs: Programs) -> None:
    kinds, counts = np.unique(_kinds(programs), return_counts=True)
    share = dict(zip(kinds, counts / 203, strict=True))
    assert share == pytest.approx({"type": 0.28, "domain": 0.08, "gradient": 0.04, "state": 0.1, "none": 0.5}, abs=0.01)
    assert set(programs.module) == {*programs.activities, *[f"type_{t}" for t in range(1, 6)], "none"}


@pytest.mark.parametrize(("signal", "n_domains"), [(0.0, 4), (0.5, 1)])
def test_without_differences_only_gradients_are_spatial(
    signal: float, n_domains: int, rng: np.random.Generator
) -> None:
    programs = make_programs(100, 5, n_domains, signal, rng)
    np.testing.assert_array_equal(programs.spatial, _kinds(programs) == "gradient")


@pytest.mark.parametrize("n_genes", [1, 2, 13])
def test_programs_with_few_genes(n_genes: int, rng: np.random.Generator) -> None:
    programs = make_programs(n_genes, 4, 3, 0.5, rng)
    np.testing.assert_allclose(programs.profiles.sum(axis=1), 1)


def test_markers_are_highest_in_their_type(programs: Programs) -> None:
    for t in range(5):
        own = programs.module == f"type_{t + 1}"
        ratio = programs.profiles[:, own] / programs.profiles[t, own]
        assert (np.delete(ratio, t, axis=0) < 1).all()


def test_expected_shares_match_a_loop(programs: Programs, rng: np.random.Generator) -> None:
    proportions, batch = rng.dirichlet(np.ones(5), size=7), rng.normal(0, 0.5, size=203)
    activity = rng.normal(size=(7, len(programs.activities)))
    shares = expected_shares(programs, proportions, activity, batch)
    for i in range(7):
        expected = np.zeros(203)
        for j in range(203):
            log_response = sum(activity[i, a] * programs.loadings[a, j] for a in range(activity.shape[1]))
            mixture = sum(proportions[i, t] * programs.profiles[t, j] for t in range(5))
            expected[j] = mixture * np.exp(log_response + batch[j])
        expected[programs.spatial] *= programs.spatial.mean() / expected[programs.spatial].sum()
        np.testing.assert_allclose(shares[i], expected / expected.sum(), rtol=1e-4)


def test_noise_genes_are_flat_whatever_the_rest_does(programs: Programs, rng: np.random.Generator) -> None:
    activity = rng.normal(size=(31, len(programs.activities)))
    activity[:, -2:] = 0  # states are no pattern, but they do move genes
    shares = expected_shares(programs, rng.dirichlet(np.ones(5), size=31), activity, np.zeros(203))
    flat = shares[:, ~programs.spatial]
    np.testing.assert_allclose(flat, np.broadcast_to(flat[0], flat.shape), rtol=1e-4)
    assert (shares[:, programs.spatial].std(axis=0) / shares[:, programs.spatial].mean(axis=0)).min() > 0.05


def test_level_keeps_a_group_at_its_share() -> None:
    shares = np.array([[1.0, 3.0, 2.0, 9.0], [5.0, 5.0, 1.0, 7.0]])
    _level(shares, np.array([True, True, False, False]))
    np.testing.assert_allclose(shares, [[0.125, 0.375, 2, 9], [0.25, 0.25, 1, 7]])
    _level(shares, np.zeros(4, dtype=bool))
    np.testing.assert_allclose(shares[0], [0.125, 0.375, 2, 9])
