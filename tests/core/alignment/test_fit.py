import sys

import numpy as np
import pytest

from spotweave import InputError
from spotweave.core.alignment.features import Sites
from spotweave.core.alignment.fgw import fgw
from spotweave.core.alignment.fit import align
from spotweave.core.alignment.pair import compare
from spotweave.core.alignment.params import AlignParams
from spotweave.core.alignment.rigid import is_mirrored, scale_of, similarity, transform

QUICK = AlignParams(n_angles=24, n_starts=1, max_pixels=250)


def features(xy, rng):
    x, y = xy.T
    F = np.stack([np.sin(x / 2.5), np.cos(y / 3 + x / 9), np.sin((x + y) / 3.5), np.cos(x / 2 - y / 4), x / 10], axis=1)
    return F + 0.2 * rng.normal(size=F.shape)


def slices(rng, *moves, n=350, shape=(22, 16)):
    """Slices of one tissue, each with cells of its own, moved after the first: embedding, places, library, truth."""
    true = [rng.uniform(0, shape, size=(n + 13 * i, 2)) for i in range(len(moves) + 1)]
    xy = [true[0], *(transform(np.linalg.inv(T), t) for T, t in zip(moves, true[1:], strict=True))]
    H = [features(t, rng) + 5 * i for i, t in enumerate(true)]
    library = np.repeat(np.arange(len(true)), [len(t) for t in true])
    return np.concatenate(H), np.concatenate(xy), library, np.concatenate(true)


def test_slices_come_back_to_their_places(rng):
    moves = [similarity(2.2, np.array([50.0, 9.0])), similarity(-0.6, np.array([-3.0, 1e3]))]
    H, xy, library, true = slices(rng, *moves)
    order = rng.permutation(len(xy))  # rows of slices mixed
    found = align(H[order], xy[order], library[order], params=QUICK)
    np.testing.assert_array_equal(found.xy[library[order] == 0], true[order][library[order] == 0])
    step = np.sqrt(22 * 16 / 350)
    assert np.linalg.norm(found.xy - true[order], axis=1).max() < step
    for T, fit in zip(found.transforms[1:], found.fits[1:], strict=True):
        assert fit is not None
        assert fit.warnings == []
        assert fit.agreement > 0.8 > fit.agreement_before
        assert fit.residual < 2.5
        assert (scale_of(T), fit.via, fit.warp) == (pytest.approx(1), 0, None)
    assert found.fits[0] is None
    rows = library[order] == 1
    np.testing.assert_allclose(transform(found.transforms[1], xy[order][rows]), found.xy[rows])


def test_partial_overlap_reference_and_scale(rng):
    T = similarity(1.0, np.array([4.0, 4.0]), scale=0.01)
    H, xy, library, true = slices(rng, T)
    kept = (library == 0) | (true[:, 0] > 5)
    found = align(H[kept], xy[kept], library[kept], scale=True, params=QUICK)
    assert scale_of(found.transforms[1]) == pytest.approx(0.01, rel=0.03)
    assert np.linalg.norm(found.xy - true[kept], axis=1).mean() < 0.6
    other = align(H[kept], xy[kept], library[kept], reference=1, scale=True, params=QUICK)
    np.testing.assert_array_equal(other.xy[library[kept] == 1], xy[kept][library[kept] == 1])
    assert scale_of(other.transforms[0]) == pytest.approx(100, rel=0.03)


def test_a_mirrored_slice_is_told_and_turned_on_demand(rng):
    H, xy, library, true = slices(rng, similarity(0.5, np.zeros(2), mirrored=True))
    warned = align(H, xy, library, params=QUICK).fits[1]
    assert warned is not None
    assert any(w.startswith("mirrored") for w in warned.warnings)
    found = align(H, xy, library, allow_reflection=True, params=QUICK)
    assert is_mirrored(found.transforms[1])
    assert np.linalg.norm(found.xy - true, axis=1).mean() < 0.6


def test_symmetric_and_flat_tissue_is_ambiguous(rng):
    H, xy, library, _ = slices(rng, similarity(0.4, np.zeros(2)), shape=(18, 18))
    middle = np.concatenate([xy[library == 0], transform(similarity(0.4, np.zeros(2)), xy[library == 1])]) - 9
    ring = np.column_stack([np.cos(np.linalg.norm(middle, axis=1)), rng.normal(size=(len(xy), 2))])
    for embedding in (ring, rng.normal(size=H.shape)):
        fit = align(embedding, xy, library, params=QUICK).fits[1]
        assert fit is not None
        assert fit.ambiguous


def test_same_seed_same_places_and_a_warp_is_written(rng):
    H, xy, library, true = slices(rng, similarity(0.3, np.zeros(2)), n=500)
    bent = np.where((library == 1)[:, None], xy + 1.2 * np.sin(xy[:, ::-1] / 3), xy)
    first, again = (align(H, bent, library, warp=True, rng=np.random.default_rng(3), params=QUICK) for _ in range(2))
    np.testing.assert_array_equal(first.xy, again.xy)
    fit = first.fits[1]
    assert fit is not None
    assert fit.warp is not None
    assert fit.warp_size > 0.1
    rigid = transform(first.transforms[1], bent[library == 1])
    errors = [np.linalg.norm(p - true[library == 1], axis=1).mean() for p in (rigid, first.xy[library == 1])]
    assert errors[1] < 0.85 * errors[0]


def test_many_points_are_averaged_over_squares(rng):
    H, xy, library, true = slices(rng, similarity(2.0, np.array([9.0, 0.0])), n=3000)
    found = align(H, xy, library, params=AlignParams(n_angles=24, n_starts=1, max_sites=300))
    assert np.linalg.norm(found.xy - true, axis=1).mean() < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda H, xy, lib: (H, xy, np.zeros_like(lib)), "at least two slices; found 1"),
        (lambda H, xy, lib: (H[:359], xy[:359], lib[:359]), "at least 10 points on every slice; found a slice of 9"),
        (lambda H, xy, lib: (H[:99], xy, lib), "a row for each of 713"),
        (lambda H, xy, lib: (H, xy * [1, 0], lib), "extend in both directions"),
    ],
)
def test_bad_input_is_refused(rng, change, message):
    H, xy, library, _ = slices(rng, np.eye(3))
    with pytest.raises(InputError, match=message):
        align(*change(H, xy, library))
    with pytest.raises(InputError, match="`reference` to be a whole number from 0 to 1"):
        align(H, xy, library, reference=2)


def test_transport_needs_pot(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "ot.gromov", None)
    H, xy, library, _ = slices(rng, np.eye(3), n=50)
    with pytest.raises(InputError, match=r"pip install 'spotweave\[ot\]'"):
        align(H, xy, library, method="fgw")


def test_transport_finds_a_full_overlap(rng):
    pytest.importorskip("ot")
    T = similarity(2.0, np.array([4.0, 4.0]))
    H, xy, library, true = slices(rng, T, n=120)
    moving, fixed = (Sites(xy[library == i], H[library == i]) for i in (1, 0))
    pair = compare(moving, fixed, QUICK)
    found = fgw(pair, rng)
    assert np.linalg.norm(transform(found, xy[library == 1]) - true[library == 1], axis=1).mean() < 1.5
    placed = align(H, xy, library, method="fgw", params=QUICK)
    assert placed.fits[1] is not None
    assert placed.fits[1].agreement > 0.5
