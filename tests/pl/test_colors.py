import numpy as np
import pytest
from matplotlib.colors import to_hex

from spotweave import InputError, metrics, pl
from spotweave.pl._colors import MISSING, given_colors, matched_colors, stored_colors


def test_palette_is_that_of_the_kernel():
    from spotweave.core import colors

    assert pl.palette(13) == colors.palette(13)


def test_given_colors():
    names = ["a", "b", "c"]
    assert given_colors(["red", "#00ff00", "b", "k"], names) == ["#ff0000", "#00ff00", "#0000ff"]
    assert given_colors({"a": "red", "c": "blue"}, names) == ["#ff0000", MISSING, "#0000ff"]
    assert given_colors("tab10", names) == ["#1f77b4", "#ff7f0e", "#2ca02c"]
    assert len(set(given_colors("viridis", names))) == 3


@pytest.mark.parametrize("palette", ["nope", ["red"], ["red", "not a colour", "blue"], {"a": "nope"}])
def test_bad_palettes(palette):
    with pytest.raises(InputError, match="palette"):
        given_colors(palette, ["a", "b", "c"])


def test_stored_colors_only_when_they_suffice():
    assert stored_colors(np.array(["red", "blue", "lime"]), 2) == ["#ff0000", "#0000ff"]
    assert stored_colors(["red"], 2) is None
    assert stored_colors(["red", "oops"], 2) is None
    assert stored_colors(None, 2) is None


def test_matched_colors_agree_with_align_labels(rng):
    for _ in range(20):
        truth, found = rng.integers(-1, 6, 97), rng.integers(-1, 4, 97)
        found = np.where(rng.random(97) < 0.6, np.minimum(truth, 3), found)
        colours = ["#000001", "#000002", "#000003", "#000004"]
        result = matched_colors(truth, 6, found, colours)
        renamed = metrics.align_labels(
            [None if t < 0 else f"t{t}" for t in truth], [None if f < 0 else f"f{f}" for f in found]
        )
        for name, t in zip(renamed, truth, strict=True):
            if t >= 0 and str(name).startswith("f"):
                assert result[t] == colours[int(name[1:])]
            elif t >= 0:
                assert result[t] not in colours
        assert len(set(result)) == 6
        assert all(to_hex(c) == c for c in result)


def test_a_label_that_shares_no_row_gets_a_colour_of_its_own():
    result = matched_colors(np.array([0, 0, 1, -1]), 2, np.array([0, 0, -1, 1]), ["#000001", "#000002"])
    assert result[0] == "#000001"
    assert result[1] not in {"#000001", "#000002"}
