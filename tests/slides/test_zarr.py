"""OME-Zarr folders of both versions give back pixels, levels and scale."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotweave import InputError
from spotweave._slides import Slide, open_slide

zarr = pytest.importorskip("zarr")


def picture(h: int = 203, w: int = 301) -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (h, w, 3), dtype=np.uint8)


def half(rgb: np.ndarray, times: int) -> np.ndarray:
    h, w = rgb.shape[0] // times, rgb.shape[1] // times
    return rgb[: h * times, : w * times].reshape(h, times, w, times, 3).mean((1, 3)).astype(np.uint8)


def whole(slide: Slide) -> np.ndarray:
    h, w = slide.shape
    return slide.read_region(0, 0, w, h)


def write(
    path: Path,
    levels: list[np.ndarray],
    *,
    version: str = "0.4",
    axes: str = "cyx",
    unit: str | None = "micrometer",
    mpp: float = 0.5,
    also: float | None = None,
) -> None:
    """Write a pyramid as the specification says; `levels` are [h, w, 3] each."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    datasets = []
    for i, rgb in enumerate(levels):
        order = ["yxc".index(a) for a in axes if a in "yxc"]
        data = np.transpose(rgb, order) if "c" in axes else rgb[..., 0]
        data = data.reshape(
            [dict(zip([a for a in axes if a in "yxc"], data.shape, strict=True)).get(a, 1) for a in axes]
        )
        group.create_array(str(i), data=data, chunks=tuple(min(n, 64) for n in data.shape))
        size = mpp * round(levels[0].shape[0] / rgb.shape[0])
        scale = [size if a in "yx" else 1.0 for a in axes]
        datasets.append({"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    kinds: list[dict[str, Any]] = [{"name": a, "type": "channel" if a == "c" else "space"} for a in axes]
    for axis in kinds:
        if axis["name"] in "yx" and unit:
            axis["unit"] = unit
    multiscale: dict[str, Any] = {"axes": kinds, "datasets": datasets}
    if also:
        scale = [also if a in "yx" else 1.0 for a in axes]
        multiscale["coordinateTransformations"] = [{"type": "scale", "scale": scale}]
    if version == "0.4":
        group.attrs["multiscales"] = [{**multiscale, "version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [multiscale]}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["cyx", "tczyx", "yxc"])
def test_pixels_survive(tmp_path, version, axes):
    rgb, path = picture(), tmp_path / "he.zarr"
    write(path, [rgb, half(rgb, 2), half(rgb, 4)], version=version, axes=axes)
    slide = open_slide(path)
    assert (slide.name, slide.shape, slide.level_downsamples) == ("he.zarr", (203, 301), (1.0, 2.0, 4.0))
    assert slide.mpp == pytest.approx(0.5)
    np.testing.assert_array_equal(whole(slide), rgb)
    for level, times in enumerate((1, 2, 4)):
        cut = half(rgb, times)[11:31, 7:47]
        np.testing.assert_array_equal(slide.read_region(7 * times, 11 * times, 40, 20, level), cut)


def test_grey(tmp_path):
    write(tmp_path / "he.zarr", [picture()], axes="yx")
    np.testing.assert_array_equal(whole(open_slide(tmp_path / "he.zarr")), np.stack([picture()[..., 0]] * 3, axis=2))


@pytest.mark.parametrize(
    ("unit", "scale", "also", "mpp"),
    [
        ("micrometer", 0.25, None, 0.25),
        ("nanometer", 250, None, 0.25),
        ("millimeter", 0.001, None, 1.0),
        ("micrometer", 0.5, 0.5, 0.25),
        ("unit", 0.5, None, None),
        (None, 0.5, None, None),
        ("micrometer", 65.0, None, None),
    ],
)
def test_scale(tmp_path, unit, scale, also, mpp):
    write(tmp_path / "he.zarr", [picture()], unit=unit, mpp=scale, also=also)
    assert open_slide(tmp_path / "he.zarr").mpp == (mpp and pytest.approx(mpp))


def test_fingerprint(tmp_path):
    rgb, path = picture(), tmp_path / "he.zarr"
    write(path, [rgb])
    before = open_slide(path).fingerprint
    assert open_slide(path).fingerprint == before
    zarr.open_group(str(path), mode="r+")["0"][0, 200, 300] = 255 - rgb[200, 300, 0]
    assert open_slide(path).fingerprint != before


def test_pictures_of_a_spatialdata_store(tmp_path):
    for name in ("he", "low"):
        write(tmp_path / "sdata.zarr" / "images" / name, [picture() if name == "he" else half(picture(), 4)])
    np.testing.assert_array_equal(whole(open_slide(tmp_path / "sdata.zarr", image_key="he")), picture())
    with pytest.raises(InputError, match=r"`image_key` out of the pictures \['he', 'low'\].*found None"):
        open_slide(tmp_path / "sdata.zarr")
    with pytest.raises(InputError, match="found 'dapi'"):
        open_slide(tmp_path / "sdata.zarr", image_key="dapi")


def test_bioformats_layout(tmp_path):
    path = tmp_path / "he.zarr"
    write(path / "0", [picture()])
    (path / "OME").mkdir()
    np.testing.assert_array_equal(whole(open_slide(path)), picture())


def test_errors(tmp_path):
    rgb, path = picture(), tmp_path / "he.zarr"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="a zarr group in .*empty"):
        open_slide(tmp_path / "empty")
    zarr.open_group(str(path), mode="w").attrs["spam"] = 1
    with pytest.raises(InputError, match=r"`multiscales` in the attributes.*found attributes \['spam'\]"):
        open_slide(path)
    write(path, [np.concatenate([rgb, rgb], axis=2)])
    with pytest.raises(InputError, match="6 channels of type uint8: fluorescence"):
        open_slide(path)
    write(path, [rgb.astype(np.uint16)])
    with pytest.raises(InputError, match="3 channels of type uint16: fluorescence"):
        open_slide(path)
    group = zarr.open_group(str(path), mode="r+")
    group.attrs["ome"] = {}
    group.attrs["multiscales"] = [{"axes": ["y", "x"], "datasets": [{"path": "0"}]}]
    del group.attrs["ome"]
    with pytest.raises(InputError, match=r"OME-Zarr 0.4 or 0.5"):
        open_slide(path)
