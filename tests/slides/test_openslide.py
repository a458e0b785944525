"""Objects with OpenSlide's interface, and scanners' files through tiffslide."""

import gc
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from spotweave import InputError
from spotweave._slides import Slide, open_slide
from spotweave._slides._openslide import SUFFIXES


def picture(h: int = 203, w: int = 301) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 256, (h, w, 3), dtype=np.uint8)


def half(rgb: np.ndarray, times: int) -> np.ndarray:
    h, w = rgb.shape[0] // times, rgb.shape[1] // times
    return rgb[: h * times, : w * times].reshape(h, times, w, times, 3).mean((1, 3)).astype(np.uint8)


class Handle:
    """What OpenSlide does, with arrays: a corner in pixels of level 0, divided by the mean ratio of the sizes."""

    def __init__(self, levels: list[np.ndarray], **properties: str) -> None:
        self.levels = [np.dstack([a, np.full(a.shape[:2], 255, np.uint8)]) for a in levels]
        self.level_dimensions = tuple((a.shape[1], a.shape[0]) for a in levels)
        self.dimensions = self.level_dimensions[0]
        self.level_downsamples = tuple(
            (self.dimensions[0] / w + self.dimensions[1] / h) / 2 for w, h in self.level_dimensions
        )
        self.closed = False
        self.properties = {name.replace("__", ".").replace("_", "-"): value for name, value in properties.items()}

    def read_region(self, location: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        assert all(type(v) is int for v in (*location, level, *size))
        x, y = (int(v / self.level_downsamples[level] + 0.01) for v in location)
        cut = self.levels[level][y : y + size[1], x : x + size[0]]
        assert cut.shape[:2] == size[::-1]
        return Image.fromarray(np.ascontiguousarray(cut))

    def close(self) -> None:
        self.closed = True


def test_pixels_levels_and_scale():
    rgb = picture()
    handle = Handle([rgb, half(rgb, 2), half(rgb, 4)], openslide__mpp_x="0.2531", openslide__mpp_y="0.2529")
    slide = open_slide(handle)
    assert isinstance(slide, Slide)
    assert (slide.shape, slide.level_downsamples) == ((203, 301), (1.0, 2.0, 4.0))
    assert slide.mpp == pytest.approx(0.253)
    np.testing.assert_array_equal(slide.read_region(0, 0, 301, 203), rgb)
    for level, times in enumerate((1, 2, 4)):  # up to the far corner, where inexact ratios add up
        small = half(rgb, times)
        h, w = small.shape[:2]
        region = slide.read_region((w - 20) * times, (h - 10) * times, 20, 10, level)
        np.testing.assert_array_equal(region, small[-10:, -20:])


@pytest.mark.parametrize(
    ("properties", "mpp"),
    [
        ({}, None),
        ({"openslide__mpp_x": "?", "openslide__mpp_y": "?"}, None),
        ({"openslide__mpp_x": "0.5"}, 0.5),
        ({"tiffslide__mpp_x": 0.25, "tiffslide__mpp_y": 0.25}, 0.25),
        ({"openslide__mpp_x": "264.5", "openslide__mpp_y": "264.5"}, None),
    ],
)
def test_scale(properties, mpp):
    assert open_slide(Handle([picture()], **properties)).mpp == mpp


def test_transparent_becomes_white():
    handle = Handle([picture()])
    handle.levels[0][:50, :, 3] = 0
    region = open_slide(handle).read_region(0, 40, 30, 20)
    assert (region[:10] == 255).all()
    np.testing.assert_array_equal(region[10:], picture()[50:60, :30])


def test_fingerprint():
    rgb = picture()
    before = open_slide(Handle([rgb])).fingerprint
    assert open_slide(Handle([rgb])).fingerprint == before
    assert open_slide(Handle([255 - rgb])).fingerprint != before
    assert open_slide(Handle([rgb], openslide__quickhash_1="abc")).fingerprint != before


def test_sizes_of_levels_may_be_left_out():
    rgb = picture(200, 300)
    handle = Handle([rgb, half(rgb, 4)])
    del handle.level_dimensions
    np.testing.assert_array_equal(open_slide(handle).read_region(8, 4, 10, 5, 1), half(rgb, 4)[1:6, 2:12])


def test_regions_lie_inside():
    with pytest.raises(InputError, match="region inside level 0 of the slide"):
        open_slide(Handle([picture()])).read_region(290, 0, 20, 20)


def test_a_failing_library_is_one_error():
    handle = SimpleNamespace(
        read_region=lambda *_: 1 / 0,
        dimensions=(9, 9),
        level_downsamples=(1.0,),
        properties={},
        level_dimensions=[(9, 9)],
    )
    with pytest.raises(InputError, match="a readable region of the slide; found ZeroDivisionError"):
        open_slide(handle).read_region(0, 0, 3, 3)


def test_tiffslide_reads_scanners_files(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    tiffslide = pytest.importorskip("tiffslide")
    monkeypatch.setitem(sys.modules, "openslide", None)
    rgb = picture(1021, 1231)
    options = {"photometric": "rgb", "tile": (256, 256), "compression": "zlib", "metadata": None}
    for path in (tmp_path / "he.svs", tmp_path / "he.tif"):
        with tifffile.TiffWriter(path) as file:
            text = "Aperio Image Library v12.0.15\n|AppMag = 20|MPP = 0.4990"
            file.write(rgb, description=text, **options)
            file.write(half(rgb, 8), description="Aperio thumbnail", photometric="rgb", metadata=None)
            file.write(half(rgb, 4), description="Aperio Image Library v12.0.15", **options)
    scanned = open_slide(tmp_path / "he.svs")
    assert scanned.name == "he.svs"
    assert scanned.level_downsamples == (1.0, 4.0)
    assert scanned.mpp == pytest.approx(0.499)
    with tiffslide.TiffSlide(tmp_path / "he.svs") as handle:
        for slide in (scanned, open_slide(handle)):
            np.testing.assert_array_equal(slide.read_region(0, 0, 1231, 1021), rgb)
            corner = slide.read_region(4 * 270, 4 * 240, 37, 15, 1)
            np.testing.assert_array_equal(corner, half(rgb, 4)[240:255, 270:307])
    assert open_slide(tmp_path / "he.tif").mpp == pytest.approx(0.499)


def test_openslide_comes_first(tmp_path, monkeypatch):
    opened, handle = [], Handle([picture()])

    def opener(path: str) -> Handle:
        opened.append(path)
        return handle

    monkeypatch.setitem(sys.modules, "openslide", SimpleNamespace(__name__="openslide", OpenSlide=opener))
    path = tmp_path / "he.MRXS"
    path.write_bytes(b"anything")
    slide = open_slide(path)
    np.testing.assert_array_equal(slide.read_region(0, 0, 9, 9), picture()[:9, :9])
    assert opened == [str(path)]
    assert not handle.closed
    del slide
    gc.collect()
    assert handle.closed


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_to_install(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"he{suffix}"
    path.write_bytes(b"anything")
    for name in ("openslide", "tiffslide"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r'found neither. Run `pip install "spotweave\[histology\]"`'):
        open_slide(path)
