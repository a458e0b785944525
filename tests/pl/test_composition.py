import numpy as np
import pandas as pd
import pytest

from spotweave import InputError, pl
from spotweave.pl import _composition
from spotweave.pl._composition import group_means
from spotweave.pl._shares import shares_of


def bars_of(ax):
    """Left ends and widths ``[types, groups]``."""
    return [np.array([[b.get_x(), b.get_width()] for b in part]).T for part in ax.containers]


def test_bars_are_means_of_the_labels_and_end_at_one(proportions_result):
    (ax,) = pl.composition(proportions_result, "truth").axes
    table = proportions_result.obsm["proportions"].groupby(proportions_result.obs["truth"], observed=True).mean()
    order = proportions_result.obsm["proportions"].mean().sort_values(ascending=False).index
    sizes = proportions_result.obs["truth"].value_counts()
    assert [t.get_text() for t in ax.get_yticklabels()] == [f"{name}  ({sizes[name]})" for name in table.index]
    left = np.zeros(3)
    for (start, width), name in zip(bars_of(ax), order, strict=True):
        np.testing.assert_allclose(start, left, rtol=1e-6)
        np.testing.assert_allclose(width, table[name], rtol=1e-5)
        left = start + width
    np.testing.assert_allclose(left, 1, rtol=1e-5)
    shares = shares_of(proportions_result)
    colors = [shares.colors[shares.names.index(name)] for name in order]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == list(order)  # type: ignore[union-attr]
    found = [part[0].get_facecolor() for part in ax.containers]
    np.testing.assert_allclose(
        [c[:3] for c in found], [[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colors]
    )


def test_groups_without_spots_and_spots_without_shares_are_left_out(proportions_result):
    proportions_result.obs["domain"] = proportions_result.obs["domain"].cat.add_categories(["none"])
    proportions_result.obsm["proportions"].iloc[:5] = np.nan
    (ax,) = pl.composition(proportions_result, "domain", types=["glia"]).axes
    sizes = proportions_result.obs["domain"][5:].value_counts()
    assert [t.get_text() for t in ax.get_yticklabels()] == [f"{k}  ({sizes[k]})" for k in "012"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["glia", "others"]  # type: ignore[union-attr]


def test_group_means_of_a_hand_made_table():
    values = np.array([[0.5, 0.5], [1, 0], [0, 1], [np.nan, np.nan], [0.2, 0.8]])
    means, sizes = group_means(values, np.array([0, 0, 1, 1, -1]), 3)
    np.testing.assert_allclose(means, [[0.75, 0.25], [0, 1], [0, 0]])  # type: ignore[arg-type]
    assert sizes.tolist() == [2, 1, 0]


def test_all_spots_in_order_of_their_leading_type(proportions_result):
    (ax,) = pl.composition(proportions_result).axes
    table = proportions_result.obsm["proportions"]
    order = table.mean().sort_values(ascending=False).index
    ranked = table[order].to_numpy()
    first = ranked.argmax(axis=1)
    rows = sorted(range(154), key=lambda i: (first[i], -ranked[i, first[i]]))
    tops = np.cumsum(ranked[rows], axis=1)
    for j, band in enumerate(ax.collections):
        (path,) = band.get_paths()
        corners = {(round(x, 6), round(y, 5)) for x, y in path.vertices}  # type: ignore[arg-type, misc, str-unpack, union-attr]
        assert {(float(i), round(float(tops[i, j]), 5)) for i in range(154)} <= corners
    assert ax.get_xlabel() == "154 spots, by leading type"


def test_more_spots_than_pixels_are_drawn_evenly(proportions_result, monkeypatch):
    monkeypatch.setattr(_composition, "_DRAWN", 20)
    (ax,) = pl.composition(proportions_result).axes
    assert len({x for x, _ in ax.collections[0].get_paths()[0].vertices}) == 21  # type: ignore[misc, str-unpack, union-attr]
    assert ax.get_xlim() == (0, 154)


def test_what_does_not_fit_is_said(proportions_result):
    with pytest.raises(InputError, match="groupby='nope'"):
        pl.composition(proportions_result, "nope")
    proportions_result.obs["empty"] = pd.Categorical([None] * 154, categories=["a"])
    with pytest.raises(InputError, match="labels"):
        pl.composition(proportions_result, "empty")
    proportions_result.obsm["proportions"].iloc[:] = np.nan
    with pytest.raises(InputError, match="spots with shares"):
        pl.composition(proportions_result)
