"""Arrays, PIL images and plain picture files give back the pixels that they were made of."""

import gc
import warnings

import numpy as np
import pytest
from PIL import Image

from spotweave import InputError
from spotweave._slides import Slide, _array, open_slide
from spotweave._slides._array import ArraySlide, array_fingerprint


def picture(h: int = 47, w: int = 61) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (h, w, 3), dtype=np.uint8)


def whole(slide: Slide) -> np.ndarray:
    h, w = slide.shape
    return slide.read_region(0, 0, w, h)


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a,
        lambda a: a.astype(np.uint16) * 257,
        lambda a: a / 255,
        lambda a: (a / 255).astype(np.float32),
        lambda a: np.dstack([a, np.full(a.shape[:2], 255, np.uint8)]),
        np.asfortranarray,
        Image.fromarray,
        lambda a: Image.fromarray(a).convert("RGBA"),
    ],
    ids=["uint8", "uint16", "float64", "float32", "rgba", "columns first", "PIL", "PIL rgba"],
)
def test_pixels_survive(make):
    rgb = picture()
    slide = open_slide(make(rgb))
    assert isinstance(slide, Slide)
    assert (slide.shape, slide.mpp, slide.level_downsamples) == ((47, 61), None, (1.0,))
    region = slide.read_region(7, 5, 20, 11)
    assert region.dtype == np.uint8
    np.testing.assert_array_equal(region, rgb[5:16, 7:27])
    np.testing.assert_array_equal(whole(slide), rgb)


def test_grey_has_three_equal_channels():
    grey = picture()[..., 0]
    for image in (
        grey,
        grey[..., None],
        grey / 255,
        Image.fromarray(grey),
        Image.fromarray(grey.astype(np.uint16) * 257),
    ):
        np.testing.assert_array_equal(whole(open_slide(image)), np.stack([grey] * 3, axis=2))


def test_transparent_becomes_white(rng):
    rgba = rng.integers(0, 256, (9, 13, 4), dtype=np.uint8)
    rgba[0, :, 3], rgba[1, :, 3] = 0, 255
    out = whole(open_slide(rgba))
    alpha = rgba[..., 3:] / 255
    np.testing.assert_allclose(out, rgba[..., :3] * alpha + 255 * (1 - alpha), atol=0.51)
    assert (out[0] == 255).all()
    np.testing.assert_array_equal(out[1], rgba[1, :, :3])


def test_other_modes_of_pil():
    rgb = picture()
    for mode in ("CMYK", "P", "1", "LA", "PA"):
        image = Image.fromarray(rgb).convert("RGB" if mode in {"CMYK", "P"} else "L").convert(mode)
        np.testing.assert_array_equal(whole(open_slide(image)), np.asarray(image.convert("RGB")))
    with pytest.raises(InputError, match="mode F"):
        open_slide(Image.fromarray(rgb[..., 0].astype(np.float32)))


def test_not_a_number_is_white():
    image = np.zeros((4, 5, 3))
    image[1] = np.nan
    assert (whole(open_slide(image))[1] == 255).all()


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "webp"])
def test_files_without_loss(tmp_path, suffix):
    rgb = picture()
    path = tmp_path / f"slide.{suffix}"
    Image.fromarray(rgb).save(path, **({"lossless": True} if suffix == "webp" else {}))
    slide = open_slide(path)
    assert slide.name == path.name
    np.testing.assert_array_equal(whole(slide), rgb)


def test_jpeg_as_stored_whatever_its_orientation(tmp_path):
    path = tmp_path / "he.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(picture()).save(path, exif=exif)
    with Image.open(path) as image:
        np.testing.assert_array_equal(whole(open_slide(path)), np.asarray(image))


def test_large_pictures_are_no_bombs_and_pil_keeps_its_limit(tmp_path, monkeypatch):
    path = tmp_path / "he.png"
    Image.fromarray(picture()).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)
    np.testing.assert_array_equal(whole(open_slide(path)), picture())
    assert Image.MAX_IMAGE_PIXELS == 100


def test_files_are_closed(tmp_path):
    path = tmp_path / "he.png"
    Image.fromarray(picture()).save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        open_slide(path)
        gc.collect()


def test_the_region_is_the_callers_own():
    rgb = picture()
    slide = open_slide(rgb)
    slide.read_region(0, 0, 5, 5)[:] = 7
    np.testing.assert_array_equal(rgb, picture())
    assert slide.read_region(0, 0, 5, 5).flags.c_contiguous


def test_levels_and_length_one_axes():
    rgb = picture(40, 60)
    coarse = np.asarray(Image.fromarray(rgb).resize((15, 10), Image.Resampling.BOX))
    planes = tuple(np.moveaxis(a, 2, 0)[None, :, None] for a in (rgb, coarse))
    slide = ArraySlide("five axes", planes, "tczyx", "")
    assert slide.level_downsamples == (1.0, 4.0)
    np.testing.assert_array_equal(slide.read_region(8, 4, 7, 6, 0), rgb[4:10, 8:15])
    np.testing.assert_array_equal(slide.read_region(11, 4, 7, 6, 1), coarse[1:7, 2:9])  # 11 lies in pixel 2


@pytest.mark.parametrize(
    "box", [(-1, 0, 3, 3), (0, -1, 3, 3), (59, 0, 3, 3), (0, 45, 3, 3), (3, 3, 0, 2), (3, 3, 2, -1)]
)
def test_regions_lie_inside(box):
    with pytest.raises(InputError, match="region inside level 0 of the array, 61 x 47 pixels"):
        open_slide(picture()).read_region(*box)


@pytest.mark.parametrize("level", [-1, 1])
def test_levels_exist(level):
    with pytest.raises(InputError, match="`level` from 0 to 0"):
        open_slide(picture()).read_region(0, 0, 2, 2, level)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5, np.uint8), "shape"),
        (np.zeros((2, 5, 5, 3), np.uint8), "shape"),
        (np.zeros((3, 5, 6), np.uint8), "np.moveaxis"),
        (np.zeros((5, 6, 7), np.uint8), "Fluorescence"),
        (np.zeros((5, 6, 2), np.uint8), "2 channels"),
        (np.zeros((5, 6, 3), np.int64), "int64"),
        (np.zeros((5, 6, 3), bool), "bool"),
        (np.zeros((0, 6, 3), np.uint8), "lengths"),
    ],
)
def test_what_is_no_picture(array, message):
    with pytest.raises(InputError, match=message):
        open_slide(array)


def test_floats_beyond_one():
    slide = open_slide(picture().astype(float))
    with pytest.raises(InputError, match="from 0 to 1 in the array.*Divide"):
        whole(slide)


def test_fingerprint_of_an_array(monkeypatch):
    rgb = picture()
    same, other = rgb.copy(), rgb.copy()
    other[46, 60, 2] ^= 1
    prints = {open_slide(a).fingerprint for a in (rgb, same)}
    assert len(prints) == 1
    assert open_slide(other).fingerprint not in prints
    assert open_slide(rgb.reshape(61, 47, 3)).fingerprint not in prints
    assert int(prints.pop(), 16) >= 0
    monkeypatch.setattr(_array, "HASHED_WHOLE", 1000)  # from here on samples
    big = np.zeros((2111, 1200, 3), np.uint8)
    before = array_fingerprint(big, "yxc")
    assert array_fingerprint(big.copy(), "yxc") == before
    big[:] += 1
    assert array_fingerprint(big, "yxc") != before


@pytest.mark.parametrize("edge", ["first", "last", "middle"])
def test_fingerprint_of_a_file(tmp_path, edge):
    import os

    path = tmp_path / "he.bmp"
    Image.fromarray(picture(900, 1200)).save(path)  # 3.2 MB
    before = open_slide(path).fingerprint
    assert open_slide(path).fingerprint == before
    status, data = path.stat(), bytearray(path.read_bytes())
    data[{"first": 100, "last": -100, "middle": len(data) // 2}[edge]] ^= 1
    path.write_bytes(data)
    if edge != "middle":  # not read: only the time of the change gives it away
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert open_slide(path).fingerprint != before


def test_damaged_and_unknown_files(tmp_path):
    good = tmp_path / "good.png"
    Image.fromarray(picture()).save(good)
    damaged, unknown = tmp_path / "damaged.png", tmp_path / "notes.txt"
    damaged.write_bytes(good.read_bytes()[:2000])
    unknown.write_text("no picture at all")
    with pytest.raises(InputError, match=r"a picture in .*damaged.png; found OSError"):
        open_slide(damaged)
    with pytest.raises(InputError, match="a format that PIL does not know"):
        open_slide(unknown)
