"""TIFF files give back the pixels that were written, level by level, and say their scale only when it is believable."""

import gc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spotweave import InputError
from spotweave._slides import Slide, open_slide

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("zarr")


def picture(h: int = 203, w: int = 301) -> np.ndarray:
    return np.random.default_rng(6).integers(0, 256, (h, w, 3), dtype=np.uint8)


def half(rgb: np.ndarray, times: int = 2) -> np.ndarray:
    h, w = rgb.shape[0] // times, rgb.shape[1] // times
    return rgb[: h * times, : w * times].reshape(h, times, w, times, 3).mean((1, 3)).astype(np.uint8)


def whole(slide: Slide) -> np.ndarray:
    h, w = slide.shape
    return slide.read_region(0, 0, w, h)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 16, "compression": "zlib"},
        {"tile": (64, 64)},
        {"tile": (64, 64), "compression": "zlib", "predictor": True},
        {"tile": (64, 64), "compression": "zlib", "bigtiff": True},
        {"tile": (64, 64), "compression": "lzw", "byteorder": ">"},
    ],
)
def test_pixels_survive(tmp_path, options):
    rgb, path = picture(), tmp_path / "he.tif"
    write = {k: v for k, v in options.items() if k not in {"bigtiff", "byteorder"}}
    with tifffile.TiffWriter(path, **{k: v for k, v in options.items() if k in {"bigtiff", "byteorder"}}) as file:
        file.write(rgb, photometric="rgb", **write)
    slide = open_slide(path)
    assert (slide.shape, slide.level_downsamples, slide.name) == ((203, 301), (1.0,), "he.tif")
    np.testing.assert_array_equal(slide.read_region(50, 60, 99, 70), rgb[60:130, 50:149])
    np.testing.assert_array_equal(whole(slide), rgb)


def test_sixteen_bits_planes_grey_and_alpha(tmp_path):
    rgb = picture()
    alpha = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    variants: dict[str, tuple[np.ndarray, dict[str, Any], np.ndarray]] = {
        "deep": (rgb.astype(np.uint16) * 257, {"photometric": "rgb"}, rgb),
        "planes": (np.moveaxis(rgb, 2, 0), {"photometric": "rgb", "planarconfig": "separate"}, rgb),
        "grey": (rgb[..., 0], {"photometric": "minisblack"}, np.stack([rgb[..., 0]] * 3, axis=2)),
        "alpha": (np.dstack([rgb, alpha]), {"photometric": "rgb", "extrasamples": ["unassalpha"]}, rgb),
    }
    any_values = np.random.default_rng(7).integers(0, 1 << 16, rgb.shape, dtype=np.uint16)
    for order in "<>":
        tifffile.imwrite(tmp_path / "plain.tif", any_values, byteorder=order, photometric="rgb")
        np.testing.assert_array_equal(whole(open_slide(tmp_path / "plain.tif")), np.rint(any_values / 257))
    for name, (pixels, options, expected) in variants.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", np.ascontiguousarray(pixels), tile=(64, 64), **options)
        np.testing.assert_array_equal(whole(open_slide(tmp_path / f"{name}.tif")), expected)


def write_pyramid(path: Path, rgb: np.ndarray, *, ome: bool, **metadata: Any) -> None:
    options: dict[str, Any] = {"photometric": "rgb", "tile": (64, 64), "compression": "zlib"}
    with tifffile.TiffWriter(path, ome=ome, bigtiff=True) as file:
        file.write(rgb, subifds=2, metadata={"axes": "YXS", **metadata} if ome else None, **options)
        for times in (2, 4):
            file.write(half(rgb, times), subfiletype=1, metadata=None, **options)


@pytest.mark.parametrize("ome", [True, False])
def test_pyramid(tmp_path, ome):
    rgb, path = picture(), tmp_path / "he.ome.tif"
    write_pyramid(path, rgb, ome=ome)
    slide = open_slide(path)
    assert slide.level_downsamples == (1.0, 2.0, 4.0)  # 203 / 50 = 4.06 is a rounded quarter
    for level, times in enumerate((1, 2, 4)):
        cut = half(rgb, times)[11:31, 7:47]
        np.testing.assert_array_equal(slide.read_region(7 * times, 11 * times, 40, 20, level), cut)


def test_only_the_needed_tiles_are_read(tmp_path):
    rgb, path = picture(), tmp_path / "he.tif"
    tifffile.imwrite(path, rgb, photometric="rgb", tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        spoilt, count = page.dataoffsets[-1], page.databytecounts[-1]
    data = bytearray(path.read_bytes())
    data[spoilt : spoilt + count] = bytes(count)
    path.write_bytes(data)
    slide = open_slide(path)
    np.testing.assert_array_equal(slide.read_region(0, 0, 200, 150), rgb[:150, :200])
    with pytest.raises(InputError, match=r"a readable region of he.tif"):
        whole(slide)


@pytest.mark.parametrize(
    ("value", "unit", "mpp"),
    [(0.2738, "µm", 0.2738), (502.0, "nm", 0.502), (0.00025, "mm", 0.25), (1.0, "pixel", None), (400, "µm", None)],
)
def test_scale_of_ome(tmp_path, value, unit, mpp):
    size = {f"PhysicalSize{axis}": value for axis in "XY"} | {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    write_pyramid(tmp_path / "he.ome.tif", picture(), ome=True, **size)
    slide = open_slide(tmp_path / "he.ome.tif")
    assert slide.mpp == (mpp and pytest.approx(mpp))


@pytest.mark.parametrize(
    ("resolution", "unit", "mpp"),
    [
        ((20_000, 20_000), "CENTIMETER", 0.5),
        ((50_800, 50_800), "INCH", 0.5),
        ((72, 72), "INCH", None),
        ((300, 300), "CENTIMETER", None),
        ((20_000, 20_000), "NONE", None),
        ((20_000, 10_000), "CENTIMETER", None),
    ],
)
def test_scale_of_tags(tmp_path, resolution, unit, mpp):
    path = tmp_path / "he.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", resolution=resolution, resolutionunit=unit)
    assert open_slide(path).mpp == (mpp and pytest.approx(mpp))


def test_scale_of_aperio_and_imagej(tmp_path):
    described, imagej = tmp_path / "described.tif", tmp_path / "imagej.tif"
    text = "Aperio Image Library v12 |AppMag = 20|MPP = 0.4990|Left = 25.5"
    tifffile.imwrite(described, picture(), photometric="rgb", description=text, metadata=None)
    assert open_slide(described).mpp == 0.499
    tifffile.imwrite(imagej, picture(), photometric="rgb", imagej=True, resolution=(4, 4), metadata={"unit": "um"})
    assert open_slide(imagej).mpp == 0.25


def test_three_planes_of_ome_are_colours_but_others_are_not(tmp_path):
    planes = np.ascontiguousarray(np.moveaxis(picture(), 2, 0))
    three, five, deep = (tmp_path / f"{n}.ome.tif" for n in ("three", "five", "deep"))
    options = {"photometric": "minisblack", "metadata": {"axes": "CYX"}, "tile": (64, 64)}
    tifffile.imwrite(three, planes, **options)
    np.testing.assert_array_equal(whole(open_slide(three)), picture())
    tifffile.imwrite(five, np.concatenate([planes, planes[:2]]), **options)
    tifffile.imwrite(deep, planes.astype(np.uint16), **options)
    with pytest.raises(InputError, match="5 channels of type uint8: fluorescence"):
        open_slide(five)
    with pytest.raises(InputError, match="3 channels of type uint16: fluorescence"):
        open_slide(deep)


def test_a_stack_is_no_picture(tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([picture()] * 4), photometric="rgb")
    with pytest.raises(InputError, match=r"one picture in stack.tif; found axes .yxc of lengths"):
        open_slide(tmp_path / "stack.tif")


def test_palettes_are_refused(tmp_path):
    colors = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", picture()[..., 0], photometric="palette", colormap=colors)
    with pytest.raises(InputError, match="photometric interpretation PALETTE"):
        open_slide(tmp_path / "p.tif")


def test_the_largest_picture_is_the_slide(tmp_path):
    rgb, path = picture(), tmp_path / "he.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(picture(30, 40), photometric="rgb", metadata=None)
        file.write(rgb, photometric="rgb", metadata=None)
    np.testing.assert_array_equal(whole(open_slide(path)), rgb)


def test_written_by_pil_and_named_otherwise(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "he.img", format="TIFF", compression="tiff_lzw")
    np.testing.assert_array_equal(whole(open_slide(tmp_path / "he.img")), picture())


def test_the_file_is_closed_with_the_slide(tmp_path):
    write_pyramid(tmp_path / "he.tif", picture(), ome=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        slide = open_slide(tmp_path / "he.tif")
        assert slide.fingerprint
        del slide
        gc.collect()


def test_errors(tmp_path, monkeypatch):
    path = tmp_path / "he.tif"
    path.write_bytes(b"II*\0 and nothing that follows")
    with pytest.raises(InputError, match=r"TIFF .* in .*he.tif"):
        open_slide(path)
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    with pytest.raises(InputError, match=r'pip install "spotweave\[histology\]"'):
        open_slide(path)
