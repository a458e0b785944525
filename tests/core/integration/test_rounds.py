import numpy as np
import pytest

from spotweave.core.integration.rounds import Ground, bend, shift
from spotweave.core.integration.slices import centred
from spotweave.core.integration.surroundings import averaged, find_view


@pytest.fixture
def ground(make):
    """Made slices, the ground that rounds stand on, and averaged components centred by batch."""

    def built(bands, **options):
        made = make(bands, **options)
        slices = made.slices
        rows = [np.flatnonzero(slices.batch == c) for c in range(slices.n_batches)]
        view = find_view(slices.P, slices.W, slices.batch, n_axes=12, n_hops=2, rng=np.random.default_rng(0))
        return made, Ground(slices, view, rows, 10, 30), averaged(centred(slices.P, slices.batch), slices.W, 2)

    return built


def every(made):
    return ~np.eye(made.slices.n_batches, dtype=bool)


def test_shifts_are_what_unlike_composition_hides_in_the_means(ground):
    made, on, H = ground([[0, 1, 2, 3], [0, 1]])
    off, settled = shift(H, on, every(made), n_rounds=10)
    batch, share = made.slices.batch, np.bincount(made.slices.batch) / len(made.slices.batch)
    assert settled
    np.testing.assert_allclose(share @ off, 0, atol=1e-4)  # the cloud as a whole stays where it is
    assert made.gaps(H).min() > 1.3
    assert made.gaps(H - off[batch]).max() < 0.5


def test_one_round_is_not_said_to_have_settled_and_more_change_little(ground):
    made, on, H = ground([[0, 1, 2, 3], [0, 1]])
    _, settled = shift(H, on, every(made), n_rounds=1)
    assert not settled
    long, settled = shift(H, on, every(made), n_rounds=30)
    short, _ = shift(H, on, every(made), n_rounds=10)
    assert settled
    np.testing.assert_allclose(long, short, atol=0.05)


def test_matches_that_lie_apart_unlike_most_count_less(ground, monkeypatch):
    made, on, H = ground([[0, 1, 2, 3], [0, 1, 4, 5]])  # pairs of 2 and 4, 3 and 5 are none
    robust, _ = shift(H, on, every(made), n_rounds=10)
    monkeypatch.setattr("spotweave.core.integration.rounds.robust", lambda _, m: m.weight)
    plain, _ = shift(H, on, every(made), n_rounds=10)
    left = [made.gaps(H - off[made.slices.batch]).mean() for off in (robust, plain)]
    assert left[0] < 0.5 * left[1]


def test_support_is_0_up_to_a_half_and_1_from_three_quarters(ground, monkeypatch):
    made, on, _ = ground([[0, 1], [0, 1]])
    monkeypatch.setattr(
        "spotweave.core.integration.rounds.support", lambda *_, **__: np.array([0.2, 0.5, 0.6, 0.75, 0.9])
    )
    np.testing.assert_allclose(on.supported(made.slices.P, []), [0, 0, 0.4, 1, 1])


def stretched(ground, bands):
    """The second batch's patterns are 1.3 times those of the first."""
    made, on, H = ground(bands, noise=1.0, effect=0.0)
    H = H.copy()
    H[made.slices.batch == 1] *= 1.3
    off, _ = shift(H, on, every(made), n_rounds=10)
    return made, on, H - off[made.slices.batch]


def test_bending_closes_gaps_that_depend_on_the_place(ground):
    made, on, H = stretched(ground, [[0, 1, 2], [0, 1, 2]])
    moved = bend(H, on, every(made), n_rounds=6, slope=0.2)
    assert made.gaps(H + moved).mean() < 0.8 * made.gaps(H).mean()
    np.testing.assert_array_equal(bend(H, on, every(made), n_rounds=0, slope=0.2), 0)


def test_a_small_expected_slope_bends_little_and_a_large_one_more(ground):
    made, on, H = stretched(ground, [[0, 1, 2], [0, 1, 2]])
    rest = [made.gaps(H + bend(H, on, every(made), n_rounds=6, slope=s)).mean() for s in (0.01, 0.05, 0.2)]
    assert rest[0] > rest[1] > rest[2]
    assert rest[0] > 0.9 * made.gaps(H).mean()


def test_a_band_of_one_batch_alone_moves_as_a_whole(ground):
    made, on, H = stretched(ground, [[0, 1, 2, 3], [0, 1]])
    moved = bend(H, on, every(made), n_rounds=6, slope=0.2)
    first = made.slices.batch == 0
    alone, shared = (moved[first & np.isin(made.band, bands)] for bands in ([3], [0, 1]))
    inner = alone[15:-15]  # away from the border, across which support is averaged
    assert inner.std(axis=0).max() < 0.05 * shared.std(axis=0).max()
