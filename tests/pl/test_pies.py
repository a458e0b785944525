import numpy as np
import pytest

from spotweave.pl._image import Backdrop
from spotweave.pl._layout import Panel
from spotweave.pl._pies import draw_pies, pie_radius, wedges
from spotweave.pl._values import Categories


def area(polygon):
    x, y = polygon.T
    return 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def test_areas_are_shares_and_places_are_kept(rng):
    xy, P = rng.uniform(0, 50, (23, 2)), rng.dirichlet(np.ones(4), 23)
    polygons, types = wedges(xy, 3 * P, 2.0)
    rows = np.repeat(np.arange(23), 4)
    assert types.tolist() == [0, 1, 2, 3] * 23
    found = np.array([area(p) for p in polygons])
    np.testing.assert_allclose(found / (4 * np.pi), P.ravel(), rtol=0.02)
    for polygon, row in zip(polygons, rows, strict=True):
        np.testing.assert_allclose(polygon[0], xy[row])
        np.testing.assert_allclose(np.linalg.norm(polygon[1:] - xy[row], axis=1), 2.0)


def test_they_run_clockwise_on_the_page_from_the_top():
    polygons, types = wedges(np.zeros((1, 2)), np.array([[0.25, 0.25, 0.5]]), 1.0)
    assert types.tolist() == [0, 1, 2]
    np.testing.assert_allclose(polygons[0][[1, -1]], [[0, -1], [1, 0]], atol=1e-12)  # y downwards: top, then right
    np.testing.assert_allclose(polygons[1][[1, -1]], [[1, 0], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(polygons[2][-1], [0, -1], atol=1e-12)


def test_a_full_disc_has_no_cut_and_nothing_is_drawn_of_nothing():
    P = np.array([[0, 1.0, 0], [0, 0, 0], [np.nan, np.nan, np.nan], [0.999, 0.001, 0]])
    polygons, types = wedges(np.arange(8.0).reshape(4, 2), P, 1.0)
    assert types.tolist() == [1, 0]
    assert np.linalg.norm(polygons[0] - [0, 1], axis=1).min() == pytest.approx(1)


def test_pies_take_the_place_of_markers_and_keep_the_legend(rng):
    from spotweave.pl._figure import new_figure

    xy = np.stack(np.meshgrid(np.arange(5.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
    P = rng.dirichlet(np.ones(2), 30)
    values = Categories("types", P.argmax(axis=1), ["a", "b"], ["#ff0000", "#0000ff"])
    ax = new_figure(3, 3, layout=None).add_axes((0.1, 0.1, 0.6, 0.8))
    panel = Panel(xy, values, "title")
    draw_pies(ax, panel, P, values.colors, size=0.5)
    (pies,) = ax.collections
    n = len(wedges(xy, P, 1)[1])
    assert len(pies.get_paths()) == len(pies.get_facecolors()) == n  # type: ignore[attr-defined]
    np.testing.assert_array_equal(pies.get_facecolors()[:2], [[1, 0, 0, 1], [0, 0, 1, 1]])  # type: ignore[attr-defined]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]  # type: ignore[union-attr]
    assert ax.get_title() == "title"
    assert ax.get_aspect() == 1
    assert 0.45 < pie_radius(panel) < 0.5


def test_on_an_image_they_have_the_diameter_of_spots():
    xy = np.stack(np.meshgrid(np.arange(5.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
    pixels = np.zeros((4, 4, 3))
    panel = Panel(xy, Categories("t", np.zeros(30, int), ["a"], ["red"]), "")
    assert pie_radius(panel._replace(image=Backdrop(pixels, (0, 4, 4, 0), 0.55))) == pytest.approx(0.275)
    assert pie_radius(panel._replace(image=Backdrop(pixels, (0, 4, 4, 0), None))) == pytest.approx(0.3)
