import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib.collections import PathCollection

from spotweave import InputError, datasets, pl


def points_of(ax):
    return next(c for c in ax.collections if isinstance(c, PathCollection))


def maps(figure):
    return [ax for ax in figure.axes if any(isinstance(c, PathCollection) for c in ax.collections)]


def note_of(ax):
    return " ".join(text.get_text() for text in ax.texts)


def per_median_depth(counts, values):
    """Both scales by their definition, cell by cell."""
    totals = [sum(row) for row in counts]
    middle = np.median([t for t in totals if t > 0])
    return np.array([np.log1p(v * middle / t) if t > 0 else np.nan for v, t in zip(values, totals, strict=True)])


def test_both_maps_show_log_counts_per_median_depth(denoised_result):
    counts = denoised_result.X.toarray()
    figure = pl.denoised(denoised_result, ["gene4", "gene0"])
    axes = maps(figure)
    names = ["gene4 · measured", "gene4 · denoised", "gene0 · measured", "gene0 · denoised"]
    assert [ax.get_title() for ax in axes] == names
    for j, pair in ((4, axes[:2]), (0, axes[2:])):
        for ax, X in zip(pair, (counts, denoised_result.layers["denoised"]), strict=True):
            expected = per_median_depth(counts, X[:, j].astype(float))
            np.testing.assert_allclose(points_of(ax).get_array(), expected, rtol=1e-6)
            assert points_of(ax).get_clim() == pytest.approx(tuple(np.quantile(expected, [0.005, 0.995])))
    bars = [bar for ax in axes for bar in ax.child_axes]  # one for each map
    assert [bar.get_ylabel() for bar in bars] == ["log1p of counts per median depth"] * 4


def test_notes_tell_how_often_it_was_seen_and_morans_i(denoised_result):
    axes = maps(pl.denoised(denoised_result, ["gene0", "gene8"]))
    seen = (denoised_result.X.toarray()[:, 0] > 0).mean()
    assert note_of(axes[0]) == f"seen in {100 * seen:.1f}% of the cells"
    assert note_of(axes[1]) == "Moran's I 0.00 → 0.30"  # not -0.00
    assert note_of(axes[3]) == "Moran's I 0.40 → 0.50"


@pytest.mark.parametrize("lost", ["table", "column", "value"])
def test_without_morans_i_titles_keep_their_place(denoised_result, lost):
    if lost == "table":
        del denoised_result.varm["denoised"]
    elif lost == "column":
        del denoised_result.varm["denoised"]["moran_after"]
    else:
        denoised_result.varm["denoised"]["moran_before"] = np.nan
    figure = pl.denoised(denoised_result, "gene3")
    figure.canvas.draw()
    one, other = maps(figure)
    assert note_of(other) == ""
    assert one.title.get_window_extent().y0 == pytest.approx(other.title.get_window_extent().y0)


def test_cells_without_counts_are_grey_and_do_not_move_the_median(denoised_result):
    counts = denoised_result.X.toarray()
    counts[:60] = 0
    denoised_result.X = sp.csr_matrix(counts)
    one, other = (points_of(ax).get_array() for ax in maps(pl.denoised(denoised_result, "gene1")))
    assert np.flatnonzero(one.mask).tolist() == np.flatnonzero(other.mask).tolist() == list(range(60))
    np.testing.assert_allclose(one[60:], per_median_depth(counts, counts[:, 1])[60:])


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, np.asarray])
def test_any_form_of_the_counts_and_a_layer_of_them(denoised_result, form):
    expected = [points_of(ax).get_array() for ax in maps(pl.denoised(denoised_result, "gene6"))]
    denoised_result.layers["raw"] = form(denoised_result.X.toarray())
    denoised_result.X = denoised_result.X * 0.37
    for ax, values in zip(maps(pl.denoised(denoised_result, "gene6", layer="raw")), expected, strict=True):
        np.testing.assert_allclose(points_of(ax).get_array(), values)
    with pytest.raises(InputError, match="whole-number counts"):
        pl.denoised(denoised_result, "gene6")


def test_table_of_some_genes_and_symbols(denoised_result):
    expected = points_of(maps(pl.denoised(denoised_result, "gene5"))[1]).get_array()
    columns = {f"gene{j}": denoised_result.layers["denoised"][:, j] for j in (7, 5)}
    denoised_result.obsm["denoised"] = pd.DataFrame(columns, index=denoised_result.obs_names)
    del denoised_result.layers["denoised"]
    denoised_result.var["symbol"] = [f"S{i}" for i in range(9)]
    for name in ("gene5", "S5"):
        ax = maps(pl.denoised(denoised_result, name))[1]
        assert ax.get_title() == "S5 · denoised"
        np.testing.assert_allclose(points_of(ax).get_array(), expected)
    with pytest.raises(InputError, match=r"among the 2 that were denoised.*found \['gene0'\].*genes=\["):
        pl.denoised(denoised_result, ["gene5", "gene0"])


def test_a_row_for_each_slide_on_one_scale(denoised_result):
    axes = maps(pl.denoised(denoised_result, "gene2", library_key="slide"))
    titles = ["gene2 · measured · A", "gene2 · denoised · A", "gene2 · measured · B", "gene2 · denoised · B"]
    assert [ax.get_title() for ax in axes] == titles
    assert [len(points_of(ax).get_offsets()) for ax in axes] == [77] * 4
    assert points_of(axes[0]).get_clim() == points_of(axes[2]).get_clim()
    assert points_of(axes[1]).get_clim() == points_of(axes[3]).get_clim()
    seen = (denoised_result.X.toarray()[77:, 2] > 0).mean()
    assert note_of(axes[2]) == f"seen in {100 * seen:.1f}% of the cells"
    assert note_of(axes[3]).startswith("Moran's I of all slides 0.10 →")


def test_nothing_overlaps_and_nothing_is_written(denoised_result, rng):
    denoised_result.obsm["spatial"] = rng.random((154, 2)) * [100, 97]  # no room to spare beside the maps
    before = denoised_result.copy()
    figure = pl.denoised(denoised_result, ["gene1", "gene2", "gene3"], library_key="slide")
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in maps(figure)]  # each with its bar
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])
    assert list(denoised_result.uns) == list(before.uns)
    np.testing.assert_array_equal(denoised_result.layers["denoised"], before.layers["denoised"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"genes": "nope"}, r"unknown \['nope'\]"),
        ({"genes": []}, "at least one gene"),
        ({"genes": "gene1", "key": "other"}, r"layers\['other'\].*tl\.denoise\(adata, key_added='other'\)"),
        ({"genes": "gene1", "layer": "nope"}, "layers"),
        ({"genes": "gene1", "spatial_key": "nope"}, "obsm"),
        ({"genes": "gene1", "library_key": "nope"}, "library_key"),
        ({"genes": "gene1", "cmap": "nope"}, "cmap"),
    ],
)
def test_what_is_missing_is_named(denoised_result, options, message):
    with pytest.raises(InputError, match=message):
        pl.denoised(denoised_result, **options)


def test_without_results_the_verb_is_named(domains_result):
    with pytest.raises(InputError, match=r"Run spotweave\.tl\.denoise\(adata\) first"):
        pl.denoised(domains_result, "gene1")


def test_of_a_file_on_disk(denoised_result, tmp_path):
    expected = [points_of(ax).get_array() for ax in maps(pl.denoised(denoised_result, "gene1"))]
    denoised_result.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    for ax, values in zip(maps(pl.denoised(backed, "gene1")), expected, strict=True):
        np.testing.assert_allclose(points_of(ax).get_array(), values)
    backed.file.close()


def test_true_rates_of_a_simulated_tissue_have_more_pattern_on_the_picture_too():
    adata = datasets.simulate_tissue(400, n_genes=60, library_size=150.0, rates=True, rng=2)
    adata.layers["denoised"] = adata.layers.pop("rate_true")
    gene = adata.var_names[np.flatnonzero(adata.var["spatial_true"])[0]]
    one, other = (points_of(ax).get_array() for ax in maps(pl.denoised(adata, gene)))
    domains = adata.obs["domain_true"].cat.codes.to_numpy()
    between = [np.var([v[domains == k].mean() for k in range(5)]) / np.var(v) for v in (one, other)]
    assert between[1] > between[0]
