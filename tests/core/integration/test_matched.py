import numpy as np
import pytest

from spotweave import InputError
from spotweave.core.integration.center import CenterParams, center
from spotweave.core.integration.matched import MatchedParams, matched
from spotweave.core.integration.slices import Slices


def test_batch_effect_goes_and_bands_stay(make, rng):
    made = make([[0, 1, 2], [0, 1, 2], [2, 1, 0]])
    found = matched(made.slices, MatchedParams(), rng)
    assert found.linked is not None
    assert found.support is not None
    assert found.apart is not None
    before = made.gaps(made.slices.P)
    assert before.min() > 3
    assert made.gaps(found.P).max() < 0.25 * before.min()
    means = np.stack([found.P[made.band == b].mean(axis=0) for b in range(3)])
    spread = [np.linalg.norm(means[a] - means[b]) for a in range(3) for b in range(a)]
    np.testing.assert_allclose(spread, 3 * np.sqrt(2), rtol=0.1)
    assert found.linked.sum() == 6
    assert found.support.min() > 0.5


def test_unlike_composition_is_not_taken_for_a_batch_effect(make, rng):
    made = make([[0, 1, 2, 3], [0, 1]])
    found = matched(made.slices, MatchedParams(), rng)
    assert found.linked is not None
    assert found.support is not None
    assert found.apart is not None
    assert made.gaps(found.P).max() < 0.5
    assert made.gaps(center(made.slices, CenterParams(), rng).P).min() > 1.5
    alone = (made.band > 1) & (made.slices.batch == 0)
    assert found.support[alone].mean() < 0.3
    assert found.support[~alone].mean() > 0.8
    own = [found.P[made.band == b].mean(axis=0) for b in (1, 2)]
    np.testing.assert_allclose(np.linalg.norm(own[0] - own[1]), 3 * np.sqrt(2), rtol=0.15)


def test_an_effect_that_depends_on_the_place_is_found(make, rng):
    made = make([[0, 1, 2], [0, 1, 2]], effect=1.0, noise=1.5)
    P = made.slices.P.copy()
    P[made.slices.batch == 1] *= 1.3
    slices = made.slices._replace(P=P)
    shifted, bent = (matched(slices, MatchedParams(n_bends=n, sharing=0), np.random.default_rng(0)).P for n in (0, 6))
    assert made.gaps(bent).mean() < 0.75 * made.gaps(shifted).mean()


def test_slices_without_anything_in_common_stay_where_they_are(make, rng):
    made = make([[0, 0, 0], [0, 0, 0]], noise=0.05, effect=0)
    n = (made.slices.batch == 0).sum()
    P = np.zeros_like(made.slices.P)
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    P[:n, 0], P[:n, 1] = 20 * np.cos(angle), 20 * np.sin(angle)  # a circle, and a small one within it
    P[n:, 0], P[n:, 1] = 2 * np.cos(angle) + 3, 2 * np.sin(angle)
    found = matched(made.slices._replace(P=P), MatchedParams(), rng)
    assert found.linked is not None
    assert found.matches is not None
    assert found.apart is not None
    assert not found.linked.any()
    np.testing.assert_allclose(found.P, P, atol=1e-4)
    assert found.apart[0, 1] > 2 or found.matches.sum() == 0


def test_sharing_brings_cells_nearer_to_their_band_and_not_to_another(make):
    made = make([[0, 1, 2], [0, 1]], noise=1.5)
    alone, shared = (matched(made.slices, MatchedParams(sharing=s), np.random.default_rng(0)).P for s in (0.0, 0.5))
    for band, batch, closer in ((0, 0, True), (0, 1, True), (2, 0, False)):
        rows = (made.band == band) & (made.slices.batch == batch)
        distance = [np.linalg.norm(P[rows] - P[made.band == band].mean(axis=0), axis=1).mean() for P in (alone, shared)]
        assert (distance[1] < 0.97 * distance[0]) == closer


def test_the_whole_cloud_stays_where_it_is(make, rng):
    made = make([[0, 1, 2, 3, 4], [0, 1]])
    found = matched(made.slices, MatchedParams(n_bends=0, sharing=0), rng)
    np.testing.assert_allclose(found.P.mean(axis=0), 0, atol=1e-3)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_small_slice_is_joined_to_a_large_one_that_it_is_a_part_of(make, rng, swapped):
    bands = [[0, 1, 2, 3, 4, 5], [0, 1]]
    made = make(bands[::-1] if swapped else bands)
    found = matched(made.slices, MatchedParams(least_share=0.6), rng)
    assert found.linked is not None
    assert found.matches is not None
    assert found.linked.sum() == 2
    size = np.bincount(made.slices.batch)
    assert (found.matches <= size[:, None]).all()  # cells, not pairs of them
    assert found.matches.max() > 90
    alone = matched(made.slices, MatchedParams(least_share=1.01), rng)
    assert alone.linked is not None
    assert not alone.linked.any()


def test_sharing_is_a_share_and_one_round_is_said_not_to_be_enough(make):
    slices = make([[0, 1, 2], [0, 1]]).slices
    none, half, all_ = (matched(slices, MatchedParams(sharing=s), np.random.default_rng(0)).P for s in (0, 0.5, 1))
    np.testing.assert_allclose(all_ - none, 2 * (half - none), atol=1e-4)
    assert np.abs(half - none).max() > 0.1
    hasty = MatchedParams(n_shifts=1, least_share=0, most_apart=np.inf)
    assert not matched(slices, hasty, np.random.default_rng(0)).converged


def test_same_seed_same_bits_and_input_untouched(make):
    made = make([[0, 1], [0, 1]])
    before = made.slices.P.copy()
    one, two = (matched(made.slices, MatchedParams(max_rows=50), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.P, two.P)
    np.testing.assert_array_equal(made.slices.P, before)
    assert one.P.dtype == np.float32
    assert made.gaps(one.P).max() < 1


def test_batch_means_alone_is_what_center_removes(make, rng):
    made = make([[0, 1], [1, 1, 1]])
    found = center(made.slices, CenterParams(), rng)
    for c in range(2):
        np.testing.assert_allclose(found.P[made.slices.batch == c].mean(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize("method", [matched, center])
def test_one_batch_is_refused(make, rng, method):
    slices = make([[0, 1]]).slices
    with pytest.raises(InputError, match="two batches"):
        method(Slices(*slices), MatchedParams(), rng)
