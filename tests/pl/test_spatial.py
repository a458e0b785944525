import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from spotweave import InputError, pl
from spotweave.core.colors import domain_colors
from spotweave.pl._colors import MISSING


def points_of(ax):
    return next(c for c in ax.collections if isinstance(c, PathCollection))


def maps(figure):
    return [ax for ax in figure.axes if any(isinstance(c, PathCollection) for c in ax.collections)]


def drawn_shape(ax):
    """Vertices of the marker in the units of the coordinates."""
    ax.figure.canvas.draw()
    points = points_of(ax)
    pixels = points.get_transform().transform(points.get_paths()[0].vertices)
    scale = ax.transData.transform([[1.0, 0.0]]) - ax.transData.transform([[0.0, 0.0]])
    return pixels / abs(scale[0, 0])


def test_labels_take_the_colours_of_uns_at_their_places(domains_result):
    figure = pl.spatial(domains_result, "domain")
    assert isinstance(figure, Figure)
    (ax,) = maps(figure)
    points = points_of(ax)
    np.testing.assert_allclose(points.get_offsets(), domains_result.obsm["spatial"])
    expected = [domains_result.uns["domain_colors"][c] for c in domains_result.obs["domain"].cat.codes]
    assert [to_hex(c) for c in points.get_facecolor()] == expected
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["0", "1", "2"]
    assert [to_hex(h.get_color()) for h in ax.get_legend().legend_handles] == domains_result.uns["domain_colors"]


def test_missing_labels_are_grey_and_named(domains_result):
    (ax,) = maps(pl.spatial(domains_result, "truth"))
    missing = domains_result.obs["truth"].isna().to_numpy()
    grey = np.array([to_hex(c) == MISSING for c in points_of(ax).get_facecolor()])
    np.testing.assert_array_equal(grey, missing)
    assert ax.get_legend().get_texts()[-1].get_text() == "missing"


def test_without_uns_touching_domains_get_the_kernels_colours(domains_result):
    del domains_result.uns["domain_colors"]
    before = domains_result.copy()
    (ax,) = maps(pl.spatial(domains_result, "domain", library_key=None))
    codes = domains_result.obs["domain"].cat.codes.to_numpy()
    expected = domain_colors(domains_result.obsm["spatial"], codes)
    assert [to_hex(c) for c in points_of(ax).get_facecolor()] == [expected[c] for c in codes]
    assert list(domains_result.uns) == list(before.uns)  # drawing writes nothing


def test_palette_wins_over_uns(domains_result):
    (ax,) = maps(pl.spatial(domains_result, "domain", palette={"0": "red", "1": "lime", "2": "blue"}))
    assert {to_hex(c) for c in points_of(ax).get_facecolor()} == {"#ff0000", "#00ff00", "#0000ff"}


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, np.asarray])
def test_gene_values_and_limits(domains_result, form):
    adata = AnnData(
        form(domains_result.X.toarray()), obs=domains_result.obs, obsm={"spatial": domains_result.obsm["spatial"]}
    )
    adata.var_names = domains_result.var_names
    adata.layers["twice"] = 2 * adata.X
    values = domains_result.X.toarray()[:, 4]
    (ax,) = maps(pl.spatial(adata, "gene4", layer="twice", cmap="magma"))
    points = points_of(ax)
    np.testing.assert_array_equal(points.get_array(), 2 * values)
    assert points.get_clim() == pytest.approx(tuple(np.quantile(2 * values, [0.005, 0.995])))
    assert points.get_cmap().name == "magma"


def test_gene_by_symbol_column_and_embedding_column(domains_result):
    domains_result.var["symbol"] = [f"S{i}" for i in range(9)]
    figure = pl.spatial(domains_result, ["S4", "domain_probability:1", "X_fusion"])
    one, two, three = (points_of(ax) for ax in maps(figure))
    np.testing.assert_array_equal(one.get_array(), domains_result.X.toarray()[:, 4])
    np.testing.assert_array_equal(two.get_array(), domains_result.obsm["domain_probability"][:, 1])
    rgb = three.get_facecolor()[:, :3]
    codes = domains_result.obs["domain"].cat.codes.to_numpy()
    assert all(rgb[codes == k].std(axis=0).max() < 0.1 for k in range(3))  # a domain is one colour ...
    assert (
        min(np.abs(rgb[codes == a].mean(0) - rgb[codes == b].mean(0)).max() for a, b in [(0, 1), (0, 2), (1, 2)]) > 0.3
    )


def test_columns_of_a_table_in_obsm(domains_result):
    table = pd.DataFrame({"T cell": np.linspace(0, 1, 154)}, index=domains_result.obs_names)
    domains_result.obsm["proportions"] = table
    (ax,) = maps(pl.spatial(domains_result, "proportions:T cell"))
    np.testing.assert_array_equal(points_of(ax).get_array(), table["T cell"])
    assert list(table.columns) == ["T cell"]


def test_missing_numbers_are_masked(domains_result):
    values = np.arange(154.0)
    values[[0, 9]] = [np.nan, np.inf]
    domains_result.obs["score"] = values
    (ax,) = maps(pl.spatial(domains_result, "score"))
    assert np.flatnonzero(points_of(ax).get_array().mask).tolist() == [0, 9]
    assert to_hex(points_of(ax).get_cmap().get_bad()) == MISSING


def test_y_runs_downwards_scales_are_equal_and_nothing_is_cut_off(domains_result):
    figure = pl.spatial(domains_result, "domain", library_key="slide")
    for ax, rows in zip(maps(figure), (slice(0, 77), slice(77, None)), strict=True):
        xy = domains_result.obsm["spatial"][rows]
        assert ax.get_aspect() == 1
        assert ax.get_ylim()[0] > xy[:, 1].max() > xy[:, 1].min() > ax.get_ylim()[1]
        assert ax.get_xlim()[0] < xy[:, 0].min() < xy[:, 0].max() < ax.get_xlim()[1]
        assert not len(ax.get_xticks())
        assert not len(ax.get_yticks())


def test_slides_side_by_side_share_colours_and_have_one_legend(domains_result):
    domains_result.obs["score"] = np.arange(154.0)
    figure = pl.spatial(domains_result, ["domain", "score"], library_key="slide")
    axes = maps(figure)
    assert [ax.get_title() for ax in axes] == ["domain · A", "domain · B", "score · A", "score · B"]
    assert [len(points_of(ax).get_offsets()) for ax in axes] == [77] * 4
    assert points_of(axes[2]).get_clim() == points_of(axes[3]).get_clim()
    assert [ax.get_legend() is None for ax in axes] == [True, False, True, True]
    tops = [round(ax.get_position(original=True).y1, 3) for ax in axes]
    assert tops[0] == tops[1] > tops[2] == tops[3]  # one row a colour


def test_marker_is_the_slides_own_hexagon_times_size(domains_result):
    figure = pl.spatial(domains_result, "domain", library_key="slide", size=0.5)
    for ax, step in zip(maps(figure), (100, 200), strict=True):
        shape = drawn_shape(ax)
        assert shape.shape == (7, 2)  # closed
        np.testing.assert_allclose(np.hypot(*shape.T), 0.5 * step / np.sqrt(3), rtol=1e-6)


def test_discs_touch_but_never_vanish(rng):
    adata = AnnData(np.ones((3000, 1)), obsm={"spatial": rng.random((3000, 2)) * [2000, 1000]})
    adata.obs["value"] = 1.0
    adata.obsm["spatial"][0] = [1e6, 0]  # an outlier shrinks everything else
    (near,) = maps(pl.spatial(adata[1:], "value"))
    np.testing.assert_allclose(np.abs(drawn_shape(near)).max(), np.sqrt(2e6 / 3000) / 2, rtol=0.15)
    (far,) = maps(pl.spatial(adata, "value"))
    far.figure.canvas.draw()
    points = points_of(far)
    pixels = points.get_transform().transform(points.get_paths()[0].vertices)
    assert np.ptp(pixels[:, 0]) / far.figure.dpi * 72 > 0.5


@pytest.mark.parametrize(("n", "rasterized"), [(20_000, False), (20_001, True)])
def test_many_points_are_rasterised(n, rasterized, rng):
    adata = AnnData(np.ones((n, 1), dtype=np.float32), obsm={"spatial": rng.random((n, 2))})
    (ax,) = maps(pl.spatial(adata, "0"))
    assert bool(points_of(ax).get_rasterized()) is rasterized


def test_image_lies_under_the_spots_in_their_units(domains_result):
    pixels = np.zeros((60, 110, 3))
    domains_result.uns["spatial"] = {
        "A": {"images": {"hires": pixels}, "scalefactors": {"tissue_hires_scalef": 0.1, "spot_diameter_fullres": 55.0}}
    }
    with_image, without = maps(pl.spatial(domains_result, "domain", library_key="slide"))
    (image,) = with_image.images
    assert image.get_extent() == [0, 1100, 600, 0]
    assert not without.images
    np.testing.assert_allclose(np.abs(drawn_shape(with_image)).max(), 55 / 2, rtol=1e-6)
    assert with_image.get_xlim()[0] > -150  # limits follow the spots
    (bare,) = maps(pl.spatial(domains_result[:77], "domain", image=False))
    assert not bare.images


def test_ax_is_used_and_returned(domains_result):
    figure = Figure()
    ax = figure.add_subplot()
    assert pl.spatial(domains_result, "domain", ax=ax) is ax
    assert len(points_of(ax).get_offsets()) == 154
    with pytest.raises(InputError, match="one panel"):
        pl.spatial(domains_result, ["domain", "gene1"], ax=ax)


def test_titles_legend_and_figsize(domains_result):
    figure = pl.spatial(domains_result, ["domain", "gene1"], title=["one", "two"], legend=False, figsize=(3, 2))
    assert [ax.get_title() for ax in figure.axes] == ["one", "two"]  # no colour bar either
    assert figure.axes[0].get_legend() is None
    assert figure.get_size_inches().tolist() == [3, 2]
    with pytest.raises(InputError, match="2 titles"):
        pl.spatial(domains_result, ["domain", "gene1"], title=["one"])


def test_nothing_overlaps_whatever_the_number_of_labels(rng):
    adata = AnnData(np.ones((300, 1)), obsm={"spatial": rng.random((300, 2)) * [1000, 300]})
    adata.obs["many"] = pd.Categorical([f"label {i}" for i in rng.integers(0, 45, 300)])
    adata.obs["few"] = pd.Categorical(rng.choice(["a", "b"], 300))
    figure = pl.spatial(adata, ["many", "few", "many", "few"], ncols=2)
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in maps(figure)]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color": "nope"}, "color='nope'"),
        ({"color": "domain_probability:9"}, "column '9'"),
        ({"color": "gene1", "layer": "nope"}, "layers"),
        ({"color": "gene1", "cmap": "nope"}, "cmap"),
        ({"color": "domain", "spatial_key": "nope"}, "obsm"),
        ({"color": "domain", "library_key": "nope"}, "library_key"),
    ],
)
def test_what_is_missing_is_named(domains_result, options, message):
    with pytest.raises(InputError, match=message):
        pl.spatial(domains_result, **options)


def test_no_pyplot_and_notebooks_still_see_the_figure(domains_result):
    loaded = "matplotlib.pyplot" in sys.modules
    assert pl.spatial(domains_result, "domain")._repr_png_().startswith(b"\x89PNG")
    assert ("matplotlib.pyplot" in sys.modules) is loaded
    if loaded:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()


def test_tables_without_rows_or_slides(domains_result):
    with pytest.raises(InputError, match="at least one cell"):
        pl.spatial(domains_result[:0].copy(), "domain")
    domains_result.obs["slide"] = pd.Categorical([np.nan] * 154, categories=["A"])
    with pytest.raises(InputError, match="missing values only"):
        pl.spatial(domains_result, "domain", library_key="slide")


def test_three_dimensional_and_pixel_coordinates(domains_result):
    xy = domains_result.obsm["spatial"]
    domains_result.obsm["spatial"] = np.column_stack([xy, np.zeros(154)]).astype(int)
    (ax,) = maps(pl.spatial(domains_result, "domain"))
    np.testing.assert_array_equal(points_of(ax).get_offsets(), xy.astype(int))
