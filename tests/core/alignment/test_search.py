import numpy as np
import pytest

from spotweave.core.alignment.features import Sites
from spotweave.core.alignment.rigid import angle_between, similarity, transform
from spotweave.core.alignment.score import correlations, information
from spotweave.core.alignment.search import Start, _scores, _spectra, distinct, rasterise, search


def tissue(rng, n=500, size=20.0):
    """Places on an uneven shape and two features without symmetry."""
    xy = rng.uniform(0, size, size=(n, 2))
    xy = xy[xy[:, 0] + 0.5 * xy[:, 1] < 1.3 * size]
    F = np.stack([np.sin(xy[:, 0] / 3) + 0.1 * xy[:, 1], np.cos(xy[:, 1] / 2.5 + xy[:, 0] / 9)], axis=1)
    return xy, F


def test_raster_keeps_sums_and_lies_where_points_are(rng):
    xy, F = tissue(rng)
    found = rasterise(xy, F, 2.0)
    y, x = np.nonzero(found.mask)
    middle = found.origin + 2.0 * np.stack([x, y], axis=1)
    expected = np.sin(middle[:, 0] / 3) + 0.1 * middle[:, 1]
    assert np.corrcoef(found.F[0][y, x], expected)[0, 1] > 0.97
    assert (found.F[:, found.mask == 0] == 0).all()
    one = rasterise(np.array([[3.0, 4.0], [7.0, 4.0]]), np.array([[5.0], [9.0]]), 2.0)
    assert sorted(np.unique(one.F[0][one.mask > 0])) == pytest.approx([5, 9])


def test_scores_are_those_of_every_shift_by_brute_force(rng):
    small, large = tissue(rng, 150, 14.0), tissue(rng, 300, 20.0)
    above, below = rasterise(small[0], small[1], 2.0), rasterise(large[0], large[1], 2.0)
    shape = (32, 36)
    found = _scores(above, _spectra(above, shape), below, _spectra(below, shape), shape, 0.3)
    (h, w), (H, W) = above.mask.shape, below.mask.shape
    least, seen = min(above.mask.sum(), below.mask.sum()), 0
    for dy in range(-h + 1, H):
        for dx in range(-w + 1, W):
            pairs = [
                (above.F[:, y, x], below.F[:, y + dy, x + dx])
                for y in range(max(0, -dy), min(h, H - dy))
                for x in range(max(0, -dx), min(w, W - dx))
                if above.mask[y, x] and below.mask[y + dy, x + dx]
            ]
            value = found[dy % shape[0], dx % shape[1]]
            if len(pairs) <= max(0.3 * least, 4):
                assert value == -np.inf
                continue
            A, B = (np.array(side) for side in zip(*pairs, strict=True))
            assert value == pytest.approx(len(pairs) / least * information(correlations(A, B)), abs=1e-8)
            seen += 1
    assert seen > 50


@pytest.mark.parametrize("mirrored", [False, True])
def test_search_finds_a_known_placement_within_a_pixel(rng, mirrored):
    xy, F = tissue(rng)
    T = similarity(np.radians(-112.0), np.array([300.0, -40.0]), mirrored=mirrored)
    part = xy[:, 0] > 6  # partial overlap, and an offset and a factor between slices
    moving = Sites(transform(np.linalg.inv(T), xy[part]), 3 * F[part] + 7)
    found = search(moving, Sites(xy, F), pixel=1.5, mirrored=mirrored)
    best = found.starts[0].T
    assert angle_between(best, T) <= 10
    assert np.linalg.norm(transform(best, moving.xy) - xy[part], axis=1).mean() < 1.5
    assert found.starts[0].score > 3 * found.typical
    scores = [s.score for s in found.starts]
    assert scores == sorted(scores, reverse=True)
    assert search(moving, Sites(xy, F), pixel=1.5, mirrored=not mirrored).starts[0].score < 0.7 * scores[0]


def test_distinct_placements_differ_in_angle_or_in_place():
    xy = np.array([[0.0, 0.0], [2.0, 2.0]])
    at = lambda degrees, x: similarity(np.radians(degrees), np.array([x, 0.0]))
    ranked = [Start(at(0, 0), 9.0), Start(at(3, 0.5), 8.0), Start(at(3, 9), 7.0), Start(at(40, 0), 6.0)]
    assert [s.score for s in distinct(ranked, xy, angle=5, reach=4)] == [9, 7, 6]
