import numpy as np
import pytest

from spotweave import InputError, gr, metrics, pl
from spotweave.pl._colocation import like_order


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def test_fields_hold_the_excess_in_the_order_of_the_names(proportions_result):
    gr.knn(proportions_result, library_key="slide")
    figure = pl.colocation(proportions_result)
    within, near, bar = figure.axes
    table = proportions_result.obsm["proportions"]
    graph = proportions_result.obsp["spatial_connectivities"]
    assert (within.get_title(), near.get_title()) == ("within spots", "with neighbours")
    order = labels(within.xaxis)
    assert sorted(order) == sorted(table.columns)
    assert labels(within.yaxis) == labels(near.xaxis) == order
    off = ~np.eye(6, dtype=bool)
    place = [list(table.columns).index(name) for name in order]
    pick = np.ix_(place, place)
    values = [metrics.colocation(table.to_numpy(), graph=g).excess[pick] for g in (None, graph)]
    limit = max(np.abs(v[off]).max() for v in values)
    for ax, expected in zip((within, near), values, strict=True):
        shown = ax.images[0].get_array()
        np.testing.assert_allclose(shown[off], expected[off])  # type: ignore[index]
        assert np.diag(shown.mask).all()  # type: ignore[union-attr]
        assert ax.images[0].get_clim() == (pytest.approx(-limit), pytest.approx(limit))
    texts = {text.get_text() for text in within.texts}
    assert f"{within.images[0].get_array()[0, 1]:.2f}".replace("0.", ".").replace("-", "−") in texts  # type: ignore[index]
    assert bar.get_images() == []


def test_without_a_graph_there_is_one_matrix_and_types_can_be_chosen(proportions_result):
    figure = pl.colocation(proportions_result, types=["glia", "neuron", "rare"])
    assert [ax.get_title() for ax in figure.axes] == ["within spots", ""]
    order = labels(figure.axes[0].xaxis)
    assert sorted(order) == ["glia", "neuron", "rare"]
    found = metrics.colocation(proportions_result.obsm["proportions"].to_numpy()).excess
    place = [list(proportions_result.obsm["proportions"].columns).index(name) for name in order]
    shown = figure.axes[0].images[0].get_array()
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(shown[off], found[np.ix_(place, place)][off])  # type: ignore[index]


def test_constant_types_are_grey_and_not_numbered(proportions_result):
    proportions_result.obsm["proportions"]["rare"] = 0.0
    ax = pl.colocation(proportions_result).axes[0]
    j = labels(ax.xaxis).index("rare")
    assert ax.images[0].get_array().mask[j].all()  # type: ignore[union-attr]
    assert len(ax.texts) == 1 + 5 * 4  # the note, and fields of the others


def test_many_types_have_no_numbers(proportions_result, rng):
    proportions_result.obsm["many"] = rng.dirichlet(np.ones(15), 154)
    ax = pl.colocation(proportions_result, key="many").axes[0]
    assert len(ax.texts) == 1


def test_like_types_are_side_by_side():
    M = np.full((4, 4), -0.1)
    M[0, 2] = M[2, 0] = 0.8
    M[1, 3] = M[3, 1] = 0.6
    order = like_order(M)
    assert abs(order.index(0) - order.index(2)) == abs(order.index(1) - order.index(3)) == 1
    M[1] = M[:, 1] = np.nan
    assert sorted(like_order(M)) == [0, 1, 2, 3]
    assert like_order(M[:2, :2]) == [0, 1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"graph_key": "nope"}, "graph"),
        ({"types": ["nope"]}, "types"),
        ({"n_shuffles": 0}, "n_shuffles"),
        ({"key": "x"}, "obsm"),
    ],
)
def test_what_does_not_fit_is_said(proportions_result, options, text):
    with pytest.raises(InputError, match=text):
        pl.colocation(proportions_result, **options)
