import numpy as np
import pytest
from matplotlib.collections import PathCollection, PolyCollection

from spotweave import InputError, pl
from spotweave.pl import _proportions
from spotweave.pl._pies import wedges
from spotweave.pl._shares import shares_of


def pies_of(figure):
    return [c for ax in figure.axes for c in ax.collections if isinstance(c, PolyCollection)]


def maps_of(figure):
    return [ax for ax in figure.axes if any(isinstance(c, PathCollection) for c in ax.collections)]


def limits(ax):
    return next(c for c in ax.collections if isinstance(c, PathCollection)).get_clim()


def test_pies_of_both_slides_in_the_colours_of_the_types(proportions_result):
    figure = pl.proportions(proportions_result, library_key="slide")
    table = proportions_result.obsm["proportions"]
    order = table.mean().sort_values(ascending=False).index.tolist()
    assert [ax.get_title() for ax in figure.axes] == ["A", "B"]
    assert figure.axes[0].get_legend() is None
    legend = figure.axes[1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == order  # type: ignore[union-attr]
    shares = shares_of(proportions_result)
    colors = [shares.colors[shares.names.index(name)] for name in order]
    assert [handle.get_color() for handle in legend.get_lines()] == colors  # type: ignore[union-attr]
    for slide, pies in zip("AB", pies_of(figure), strict=True):
        rows = (proportions_result.obs["slide"] == slide).to_numpy()
        expected = wedges(proportions_result.obsm["spatial"][rows], table[order].to_numpy()[rows], 1.0)[1]
        assert len(pies.get_paths()) == len(expected)
    assert all(ax.get_aspect() == 1 for ax in figure.axes)


def test_chosen_types_and_the_others(proportions_result):
    figure = pl.proportions(proportions_result, types=["rare", "neuron"])
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]  # type: ignore[union-attr]
    assert texts == ["rare", "neuron", "others"]
    assert figure.axes[0].get_title() == "cell types"


def test_maps_on_one_scale_have_one_bar(proportions_result):
    figure = pl.proportions(proportions_result, kind="maps")
    table = proportions_result.obsm["proportions"]
    mean = table.mean().sort_values(ascending=False)
    axes = maps_of(figure)
    assert [ax.get_title() for ax in axes] == mean.index.tolist()
    greatest = np.quantile(table.to_numpy(), 0.995, method="higher")
    assert all(limits(ax) == (0, pytest.approx(greatest)) for ax in axes)
    assert [len(ax.child_axes) for ax in axes] == [0] * 5 + [1]
    assert axes[0].texts[0].get_text() == f"mean share {mean.iloc[0]:.1%}"


def test_maps_on_their_own_scales(proportions_result):
    figure = pl.proportions(
        proportions_result, kind="maps", scale="own", types=["glia", "rare"], library_key="slide", cmap="magma"
    )
    axes, table = maps_of(figure), proportions_result.obsm["proportions"]
    assert [ax.get_title() for ax in axes] == ["glia · A", "glia · B", "rare · A", "rare · B"]
    for ax, name in zip(axes, ["glia", "glia", "rare", "rare"], strict=True):
        assert limits(ax) == (0, pytest.approx(np.quantile(table[name], 0.995, method="higher")))
    assert [len(ax.child_axes) for ax in axes] == [0, 1, 0, 1]
    assert axes[0].collections[0].get_cmap().name == "magma"


def test_a_type_in_one_spot_is_seen(proportions_result):
    table = proportions_result.obsm["proportions"]
    table["rare"] = 0.0
    table.iloc[9, 4] = 0.4
    (ax,) = maps_of(pl.proportions(proportions_result, kind="maps", types=["rare"], scale="own"))
    assert limits(ax) == (0, pytest.approx(0.4))


def test_too_many_spots_for_pies_are_maps_and_it_says_so(proportions_result, monkeypatch, caplog):
    monkeypatch.setattr(_proportions, "MOST_PIES", 100)
    assert pies_of(pl.proportions(proportions_result, library_key="slide"))
    assert not caplog.records
    figure = pl.proportions(proportions_result)
    assert len(maps_of(figure)) == 6
    assert not pies_of(figure)
    assert "154 spots are too many for pies" in caplog.text


def test_many_spots_take_a_larger_figure(proportions_result):
    small = pl.proportions(proportions_result[:77].copy())
    xy = np.stack(np.meshgrid(np.arange(14.0), np.arange(11.0)), axis=-1).reshape(-1, 2)
    proportions_result.obsm["spatial"] = np.stack([np.arange(154.0), np.zeros(154)], axis=1)
    long = pl.proportions(proportions_result)
    proportions_result.obsm["spatial"] = xy
    assert small.get_size_inches()[0] < 6
    assert long.get_size_inches()[0] > 10
    assert pl.proportions(proportions_result).get_size_inches()[0] < 6


def test_the_object_is_left_alone(proportions_result):
    before = proportions_result.copy()
    pl.proportions(proportions_result, kind="maps")
    assert list(proportions_result.uns) == list(before.uns)
    np.testing.assert_array_equal(proportions_result.obsm["proportions"], before.obsm["proportions"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kind": "bars"}, "kind"),
        ({"scale": "log"}, "scale"),
        ({"types": ["x"]}, "types"),
        ({"key": "x"}, "obsm"),
        ({"spatial_key": "x"}, "coordinates"),
        ({"library_key": "x"}, "library_key"),
    ],
)
def test_what_does_not_fit_is_said(proportions_result, options, text):
    with pytest.raises(InputError, match=text):
        pl.proportions(proportions_result, **options)
