"""Pictures of SpatialData objects, played by the few attributes that are used; nothing but the region is computed."""

from types import SimpleNamespace

import numpy as np
import pytest

from spotweave import InputError
from spotweave._slides import _array, open_slide


class Lazy:
    """An array that counts what is asked of it, as dask would compute it."""

    def __init__(self, values: np.ndarray) -> None:
        self._values, self.shape, self.dtype, self.ndim = values, values.shape, values.dtype, values.ndim
        self.computed = 0

    def __getitem__(self, index: tuple[slice, ...]) -> "Lazy":
        return Lazy.of(self, self._values[index])

    @classmethod
    def of(cls, parent: "Lazy", values: np.ndarray) -> "Lazy":
        part = cls(values)
        part.parent = getattr(parent, "parent", parent)  # type: ignore[attr-defined]
        return part

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        getattr(self, "parent", self).computed += self._values.size
        return self._values


def data_array(rgb: np.ndarray, *, lazy: bool = False, channels: tuple[object, ...] = (0, 1, 2)) -> SimpleNamespace:
    planes = np.moveaxis(rgb, 2, 0)
    data = Lazy(planes) if lazy else planes
    attrs = {"transform": {"global": object()}}
    return SimpleNamespace(
        dims=("c", "y", "x"), data=data, shape=planes.shape, attrs=attrs, coords={"c": np.array(channels)}
    )


def picture(h: int = 203, w: int = 301) -> np.ndarray:
    return np.random.default_rng(10).integers(0, 256, (h, w, 3), dtype=np.uint8)


def quarter(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb[:200:4, :300:4])


def tree(rgb: np.ndarray) -> dict[str, dict[str, SimpleNamespace]]:
    return {"scale0": {"image": data_array(rgb)}, "scale1": {"image": data_array(quarter(rgb))}}


def test_one_scale_and_several():
    rgb = picture()
    for sdata in (SimpleNamespace(images={"he": data_array(rgb)}), SimpleNamespace(images={"he": tree(rgb)})):
        slide = open_slide(sdata)
        assert (slide.name, slide.shape, slide.mpp) == ("picture 'he'", (203, 301), None)
        np.testing.assert_array_equal(slide.read_region(7, 5, 50, 60), rgb[5:65, 7:57])
    assert slide.level_downsamples == (1.0, 4.0)
    np.testing.assert_array_equal(slide.read_region(4 * 7, 4 * 5, 20, 10, 1), quarter(rgb)[5:15, 7:27])


def test_one_element():
    for element in (data_array(picture()), tree(picture())):
        np.testing.assert_array_equal(open_slide(element, name="he").read_region(3, 2, 9, 8), picture()[2:10, 3:12])


def test_only_the_region_is_computed(monkeypatch):
    monkeypatch.setattr(_array, "HASHED_WHOLE", 1000)
    element = data_array(picture(), lazy=True)
    slide = open_slide(element)
    fingerprint = element.data.computed
    assert 0 < fingerprint < 0.3 * picture().size
    slide.read_region(7, 5, 50, 60)
    assert element.data.computed - fingerprint == 50 * 60 * 3


def test_fingerprint():
    rgb = picture()
    before = open_slide(tree(rgb)).fingerprint
    assert open_slide(tree(rgb.copy())).fingerprint == before
    assert open_slide(tree(255 - rgb)).fingerprint != before


def test_alpha_channel_but_not_a_fourth_stain():
    rgba = np.dstack([picture(), np.full((203, 301), 255, np.uint8)])
    named = data_array(rgba, channels=("r", "g", "b", "a"))
    np.testing.assert_array_equal(open_slide(named).read_region(0, 0, 301, 203), picture())
    with pytest.raises(InputError, match=r"4 channels \['DAPI', 'CD3', 'CD8', 'CK'\]: fluorescence"):
        open_slide(data_array(rgba, channels=("DAPI", "CD3", "CD8", "CK")))


def test_which_picture():
    two = SimpleNamespace(images={"he": data_array(picture()), "low": data_array(quarter(picture()))})
    assert open_slide(two, image_key="low").shape == (50, 75)
    with pytest.raises(InputError, match=r"`image_key` out of the pictures \['he', 'low'\].*found None"):
        open_slide(two)
    with pytest.raises(InputError, match="found 'dapi'"):
        open_slide(two, image_key="dapi")
    with pytest.raises(InputError, match="without images"):
        open_slide(SimpleNamespace(images={}))


def test_fluorescence_and_volumes():
    with pytest.raises(InputError, match="5 channels"):
        open_slide(data_array(np.zeros((20, 30, 5), np.uint8)))
    volume = data_array(picture())
    volume.dims, volume.data = ("c", "z", "y", "x"), np.zeros((3, 4, 20, 30), np.uint8)
    with pytest.raises(InputError, match="one picture"):
        open_slide(volume)
