"""Tiles against slow crops, known means, and the same tissue at another resolution."""

import numpy as np
import pytest

from spotweave import InputError
from spotweave._slides import Slide, Tiles, iter_tiles, open_slide
from spotweave._slides._array import ArraySlide


def picture(h: int = 403, w: int = 521) -> np.ndarray:
    return np.random.default_rng(11).integers(0, 256, (h, w, 3), dtype=np.uint8)


def tissue(h: int, w: int, *, mpp: float) -> np.ndarray:
    """A smooth stain with structures of 10 to 40 um, sampled at a resolution."""
    y, x = ((np.arange(n) + 0.5) * mpp for n in (h, w))
    waves = [np.sin(x / a + 0.3) * np.cos(y[:, None] / b) for a, b in ((7.0, 5.0), (3.0, 2.0), (2.0, 6.0))]
    return np.rint(127 + 120 * np.stack(waves, axis=2)).astype(np.uint8)


def pyramid(rgb: np.ndarray, *factors: int) -> Slide:
    h, w = rgb.shape[:2]
    levels = [
        rgb[: h // f * f, : w // f * f].reshape(h // f, f, w // f, f, 3).mean((1, 3)).round().astype(np.uint8)
        for f in factors
    ]
    return ArraySlide("pyramid", tuple(levels), "yxc", "")


def cut(slide: Slide, xy: object, **options: float) -> tuple[np.ndarray, np.ndarray]:
    """All tiles and the share of each that is inside."""
    batches = list(iter_tiles(slide, np.asarray(xy, dtype=float), **options))  # type: ignore[arg-type]
    return np.concatenate([b.pixels for b in batches]), np.concatenate([b.inside for b in batches])


def test_no_resampling_is_a_plain_crop():
    rgb = picture()
    tiles, inside = cut(open_slide(rgb), [[100, 80], [300.3, 200.4]], tile_um=20, tile_px=40, mpp=0.5)
    np.testing.assert_array_equal(tiles[0], rgb[60:100, 80:120])
    np.testing.assert_array_equal(tiles[1], rgb[180:220, 280:320])
    np.testing.assert_array_equal(inside, 1)


@pytest.mark.parametrize("factor", [2, 3, 7])
def test_whole_factors_are_means_of_blocks(factor):
    rgb, px = picture(), 16
    edge = factor * px
    tiles, _ = cut(open_slide(rgb), [[200, 150]], tile_um=edge * 0.5, tile_px=px, mpp=0.5)
    left, top = 200 - edge // 2, 150 - edge // 2
    crop = rgb[top : top + edge, left : left + edge].astype(float)
    for i in range(px):
        for j in range(px):
            block = crop[i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
            np.testing.assert_allclose(tiles[0, i, j], block.mean((0, 1)), atol=0.51 + 0.5)  # rounded once an axis


def area_mean(crop: np.ndarray, size: float, px: int) -> np.ndarray:
    """Mean over areas: each pixel counts by the part of it that lies in the tile's pixel."""
    edges, pixels = np.linspace(0, size, px + 1), np.arange(len(crop))
    share = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    share = share.clip(0) * px / size
    return np.stack([share @ crop[..., c].astype(float) @ share.T for c in range(3)], axis=2)


@pytest.mark.parametrize(("mpp", "most"), [(0.43, 1.1), (0.35, 0.7), (0.1171, 0.4)])  # BOX: 2.2, 1.4, 0.6
def test_fractional_factors_are_nearly_means_of_areas(mpp, most):
    rgb = tissue(700, 700, mpp=mpp)
    tiles, _ = cut(open_slide(rgb), [[350, 350]], tile_um=28, tile_px=56, mpp=mpp)
    size = 28 / mpp
    corner = round(350 - size / 2)
    expected = area_mean(rgb[corner : corner + int(size) + 1, corner : corner + int(size) + 1], size, 56)
    assert np.abs(tiles[0] - expected).mean() < most
    assert np.abs(tiles[0] - expected).max() < 4 * most


def test_known_mean_of_a_ramp():
    x, y = np.arange(256), np.arange(256)[:, None]
    ramp = np.stack([x + 0 * y, y + 0 * x, 0 * x + 0 * y], axis=2).astype(np.uint8)
    for um, px in ((10, 40), (20, 10), (15.7, 23), (10, 64)):  # alike, coarser, odd, finer
        tiles, _ = cut(open_slide(ramp), [[100, 60], [90.0, 200]], tile_um=um, tile_px=px, mpp=0.25)
        means = tiles.mean((1, 2))
        np.testing.assert_allclose(means[:, 0], [99.5, 89.5], atol=0.8)  # pixel 0 ends at x = 1: its middle is 0.5
        np.testing.assert_allclose(means[:, 1], [59.5, 199.5], atol=0.8)
        assert (tiles[..., 2] == 0).all()


def test_the_same_tissue_at_two_resolutions():
    um = np.array([[70.0, 60.0], [101.0, 95.0], [64.0, 120.0]])
    views = {mpp: open_slide(tissue(int(170 / mpp), int(170 / mpp), mpp=mpp)) for mpp in (0.25, 0.347, 0.5, 0.69, 0.92)}
    tiles = {mpp: cut(s, um / mpp, tile_um=40, tile_px=80, mpp=mpp)[0].astype(float) for mpp, s in views.items()}
    for mpp, other in tiles.items():
        off = np.abs(other - tiles[0.25]).mean()  # of an amplitude of 120; a corner is off by at most half a pixel
        assert off < 20 * mpp, f"{mpp}: {off}"
    assert np.abs(tiles[0.25][0] - tiles[0.25][1]).mean() > 40


def test_the_coarsest_level_that_is_fine_enough(monkeypatch):
    slide, asked = pyramid(picture(), 1, 2, 4), []
    read = ArraySlide.read_region

    def noted(self: ArraySlide, x: int, y: int, w: int, h: int, level: int) -> np.ndarray:
        asked.append(level)
        return read(self, x, y, w, h, level)

    monkeypatch.setattr(ArraySlide, "read_region", noted)
    for um_per_px, level in ((0.1, 0), (0.25, 0), (0.49, 0), (0.5, 1), (0.499, 1), (0.9, 1), (1.0, 2), (4.0, 2)):
        asked.clear()
        cut(slide, [[200, 200]], tile_um=16 * um_per_px, tile_px=16, mpp=0.25)
        assert asked == [level], um_per_px


def test_levels_give_the_same_tile():
    rgb = picture()
    xy = [[204, 152], [512, 396], [3, 380]]  # also across the border
    fine, inside = cut(open_slide(rgb), xy, tile_um=32, tile_px=32, mpp=0.25)
    coarse, inside_coarse = cut(pyramid(rgb, 1, 4), xy, tile_um=32, tile_px=32, mpp=0.25)
    np.testing.assert_allclose(fine[0].astype(int), coarse[0], atol=1)
    np.testing.assert_allclose(inside, inside_coarse, atol=0.05)


def test_levels_of_a_broken_factor():
    rgb = picture(400, 500)
    level = np.ascontiguousarray(rgb[:160, :200])  # 2.5 to 1: every second of its pixels begins inside one of level 0
    slide = ArraySlide("broken", (rgb, level), "yxc", "")
    assert slide.level_downsamples == (1.0, 2.5)
    for column, row in ((23, 31), (24, 32), (26, 33)):
        tiles, _ = cut(slide, [[(column + 10) * 2.5, (row + 10) * 2.5]], tile_um=50, tile_px=20, mpp=1)
        np.testing.assert_array_equal(tiles[0], level[row : row + 20, column : column + 20])


def test_borders_are_mirrored():
    rgb, margin = picture(), 150
    padded = np.pad(rgb, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    xy = np.array([[0, 0], [521, 403], [3, 200], [260, 400], [-10, 20], [540, 410], [515, -19]])
    tiles, inside = cut(open_slide(rgb), xy, tile_um=40, tile_px=40, mpp=1.0)
    for tile, (x, y), share in zip(tiles, xy, inside, strict=True):
        crop = padded[y + margin - 20 : y + margin + 20, x + margin - 20 : x + margin + 20]
        np.testing.assert_array_equal(tile, crop)
        rows, columns = (np.arange(c - 20, c + 20) for c in (y, x))
        within = ((rows >= 0) & (rows < 403))[:, None] & ((columns >= 0) & (columns < 521))
        assert share == pytest.approx(within.mean())


def test_a_slide_smaller_than_the_tile():
    rgb = picture(5, 7)
    padded = np.pad(rgb, ((20, 20), (20, 20), (0, 0)), mode="symmetric")
    tiles, inside = cut(open_slide(rgb), [[4, 2]], tile_um=30, tile_px=30, mpp=1)
    np.testing.assert_array_equal(tiles[0], padded[2 + 20 - 15 : 2 + 20 + 15, 4 + 20 - 15 : 4 + 20 + 15])
    assert inside[0] == pytest.approx(35 / 900)


def test_wholly_outside_is_white():
    slide = open_slide(np.zeros((50, 60, 3), np.uint8))
    tiles, inside = cut(slide, [[-20, 25], [30, 90], [1e6, 1e6], [-10, 25], [-9, 25]], tile_um=20, tile_px=11, mpp=1)
    np.testing.assert_allclose(inside, [0, 0, 0, 0, 0.05])
    assert (tiles[:4] == 255).all()
    assert (tiles[4] == 0).all()


def test_fractional_tiles_share():
    _, inside = cut(open_slide(picture()), [[0, 200]], tile_um=10, tile_px=7, mpp=0.3)  # 33.3 pixels, corner at -17
    assert inside[0] == pytest.approx((33 + 1 / 3 - 17) / (33 + 1 / 3))


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batches_cover_the_rows_in_order(batch_size, rng):
    slide, xy = open_slide(picture()), rng.uniform(-30, 500, (7, 2))
    batches = list(iter_tiles(slide, xy, tile_um=30, tile_px=15, mpp=1, batch_size=batch_size))
    assert all(isinstance(b, Tiles) and len(b.pixels) == b.rows.stop - b.rows.start <= batch_size for b in batches)
    assert [i for b in batches for i in range(b.rows.start, b.rows.stop)] == list(range(7))
    one = [cut(slide, [p], tile_um=30, tile_px=15, mpp=1)[0][0] for p in xy]
    np.testing.assert_array_equal(np.concatenate([b.pixels for b in batches]), one)
    assert batches[0].pixels.dtype == np.uint8


def test_no_points_no_tiles():
    assert list(iter_tiles(open_slide(picture()), np.zeros((0, 2)), tile_um=30, tile_px=15, mpp=1)) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xy": np.zeros((4, 3))}, r"centres of tiles \[n, 2\]"),
        ({"xy": np.array([[np.nan, 1]])}, "finite coordinates"),
        ({"tile_um": 0}, "tile_um"),
        ({"tile_um": float("nan")}, "tile_um"),
        ({"tile_px": 2.5}, "tile_px"),
        ({"tile_px": 0}, "tile_px"),
        ({"mpp": -1.0}, "mpp"),
        ({"mpp": None}, "mpp"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_errors_come_before_the_first_tile(change, message):
    options = {"xy": np.zeros((4, 2)), "tile_um": 112, "tile_px": 224, "mpp": 0.5} | change
    with pytest.raises(InputError, match=message):
        iter_tiles(open_slide(picture()), **options)


@pytest.mark.slow
def test_a_thousand_tiles_of_a_real_section(data_dir):
    import time

    path = data_dir / "her2st" / "C2_HE.jpg"
    if not path.exists():
        pytest.skip(f"no {path}")
    slide = open_slide(path)
    xy = np.random.default_rng(0).uniform([0, 0], slide.shape[::-1], (1000, 2))
    start = time.perf_counter()
    tiles, inside = cut(slide, xy, tile_um=112, tile_px=224, mpp=0.687)
    assert time.perf_counter() - start < 10
    assert tiles.shape == (1000, 224, 224, 3)
    assert (inside > 0.2).all()
