"""Which reader opens what, whose scale counts, and what is said when nothing can be opened."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spotweave import InputError
from spotweave._slides import Slide, open_slide


class Own:
    """A slide of somebody else's making."""

    name, shape, mpp, level_downsamples, fingerprint = "own", (20, 30), 0.5, (1.0,), "f00"

    def read_region(self, x: int, y: int, w: int, h: int, level: int = 0) -> np.ndarray:
        return np.full((h, w, 3), x + y, np.uint8)


def test_a_slide_is_passed_through():
    own = Own()
    assert open_slide(own) is own
    again = open_slide(own, name="other", mpp=0.51)
    assert isinstance(again, Slide)
    assert (again.name, again.mpp, again.shape, again.level_downsamples) == ("other", 0.51, (20, 30), (1.0,))
    assert again.fingerprint == "f00"
    np.testing.assert_array_equal(again.read_region(2, 3, 4, 5), own.read_region(2, 3, 4, 5))


def test_the_given_scale_counts():
    array = np.zeros((9, 9, 3), np.uint8)
    assert open_slide(array, mpp=2).mpp == 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_slide(Own(), mpp=0.54).mpp == 0.54
    for mpp in (0.56, 0.44):
        with pytest.warns(UserWarning, match=f"mpp={mpp} is used, but own says 0.5 micrometres per pixel"):
            assert open_slide(Own(), mpp=mpp).mpp == mpp


@pytest.mark.parametrize("mpp", [0, -0.5, float("nan"), float("inf"), "0.5", True, [0.5]])
def test_a_scale_is_a_positive_number(mpp):
    with pytest.raises(InputError, match=r"`mpp` \(micrometres per pixel\) to be a positive number"):
        open_slide(np.zeros((9, 9, 3), np.uint8), mpp=mpp)


def test_paths(tmp_path, monkeypatch):
    Image.new("RGB", (5, 4), "red").save(tmp_path / "he.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (tmp_path / "he.png", str(tmp_path / "he.png"), "~/he.png", Path("~/he.png")):
        assert open_slide(path).shape == (4, 5)
    assert open_slide(tmp_path / "he.png", name="section 1").name == "section 1"


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="no such file or folder.*its folder is empty"):
        open_slide(tmp_path / "he.tif")
    (tmp_path / "HE.tif").write_bytes(b"")
    with pytest.raises(InputError, match=r"beside it are \['HE.tif'\]"):
        open_slide(tmp_path / "he.svs")
    with pytest.raises(InputError, match="there is no folder"):
        open_slide(tmp_path / "nowhere" / "he.svs")
    with pytest.raises(InputError, match="an empty file"):
        open_slide(tmp_path / "HE.tif")


@pytest.mark.parametrize("thing", [None, 3, {"a": 1}, [[1, 2], [3, 4]]])
def test_no_picture_at_all(thing):
    with pytest.raises(InputError, match=f"a picture: a path, an array.*found {type(thing).__name__}"):
        open_slide(thing)
