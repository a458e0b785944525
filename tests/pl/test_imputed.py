import numpy as np
import pytest
import scipy.sparse as sp
from matplotlib.collections import PathCollection

from spotweave import InputError, pl


def points_of(ax):
    return next(c for c in ax.collections if isinstance(c, PathCollection))


def maps(figure):
    return [ax for ax in figure.axes if any(isinstance(c, PathCollection) for c in ax.collections)]


def note_of(ax):
    return " ".join(text.get_text() for text in ax.texts)


def per_median(depth, values):
    middle = np.median([d for d in depth if d > 0])
    return np.array([np.log1p(v * middle / d) if d > 0 else np.nan for v, d in zip(values, depth, strict=True)])


def test_the_best_expected_are_drawn_with_the_width_of_their_interval(imputed_result):
    axes = maps(pl.imputed(imputed_result))
    expected = imputed_result.var["expected_correlation"]
    best = sorted(expected.index, key=lambda name: -expected[name])[:3]
    assert [ax.get_title() for ax in axes] == [
        f"{g} · {what}" for g in best for what in ("predicted", "interval width")
    ]
    X, lower, upper = (
        np.asarray(Y, float) for Y in (imputed_result.X, *map(imputed_result.layers.get, ("lower", "upper")))
    )
    for i, gene in enumerate(best):
        j = imputed_result.var_names.get_loc(gene)
        shown, width = (points_of(ax).get_array() for ax in axes[2 * i : 2 * i + 2])
        np.testing.assert_allclose(shown, per_median(imputed_result.obs["panel_counts"], X[:, j]), rtol=1e-5)
        np.testing.assert_allclose(width, (upper - lower)[:, j] / X[:, j], rtol=1e-5)
        assert note_of(axes[2 * i]) == f"expected correlation {expected[gene]:.2f}"
        low, high = np.median(lower[:, j]), np.median(upper[:, j])
        assert note_of(axes[2 * i + 1]) == f"90% interval of the median cell: {low:.2g} to {high:.2g}"
    labels = [bar.get_ylabel() for ax in axes[:2] for bar in ax.child_axes]
    assert labels == ["log1p of counts per median depth", "(upper − lower) / expected count"]


def test_cells_without_panel_counts_are_left_blank(imputed_result):
    imputed_result.obs.loc[imputed_result.obs_names[:9], "panel_counts"] = 0
    axes = maps(pl.imputed(imputed_result, "new7"))
    shown = points_of(axes[0]).get_array()
    expected = per_median(imputed_result.obs["panel_counts"], imputed_result.X[:, 7].astype(float))
    assert np.flatnonzero(shown.mask).tolist() == list(range(9))
    np.testing.assert_allclose(shown[9:], expected[9:], rtol=1e-6)
    assert len(axes) == 2


def test_genes_that_were_measured_after_all_come_first(imputed_result, domains_result):
    domains_result.var_names = ["gene0", "new2", "new1", *(f"gene{j}" for j in range(3, 9))]
    counts = domains_result.X.toarray()
    axes = maps(pl.imputed(imputed_result, ["new1", "new2"], measured=domains_result))
    parts = ("measured", "predicted", "interval width")
    assert [ax.get_title() for ax in axes] == [f"{g} · {what}" for g in ("new1", "new2") for what in parts]
    for ax, j in ((axes[0], 2), (axes[3], 1)):
        np.testing.assert_allclose(points_of(ax).get_array(), per_median(counts.sum(axis=1), counts[:, j]), rtol=1e-6)
    some = maps(pl.imputed(imputed_result, ["new1", "new3"], measured=domains_result))  # one of them only: none
    assert [ax.get_title().split(" · ")[1] for ax in some] == [*parts[1:]] * 2
    domains_result.layers["raw"], domains_result.X = domains_result.X, domains_result.X * 0.5
    again = maps(pl.imputed(imputed_result, "new1", measured=domains_result, layer="raw"))
    np.testing.assert_allclose(points_of(again[0]).get_array(), points_of(axes[0]).get_array())
    with pytest.raises(InputError, match="whole-number counts"):
        pl.imputed(imputed_result, "new1", measured=domains_result)


def test_cells_without_an_expected_count_and_results_without_intervals(imputed_result):
    imputed_result.X[4] = 0
    imputed_result.obs.loc[imputed_result.obs_names[4], "panel_counts"] = 0
    predicted, width = (points_of(ax).get_array() for ax in maps(pl.imputed(imputed_result, "new0")))
    assert np.flatnonzero(predicted.mask).tolist() == np.flatnonzero(width.mask).tolist() == [4]
    imputed_result.layers.clear()
    imputed_result.X = sp.csr_matrix(imputed_result.X)
    (ax,) = maps(pl.imputed(imputed_result, "new0"))
    np.testing.assert_allclose(points_of(ax).get_array(), predicted, rtol=1e-6)


def test_a_row_for_each_slide_and_nothing_overlaps_or_is_written(imputed_result):
    before = imputed_result.copy()
    figure = pl.imputed(imputed_result, ["new1", "new30"], library_key="slide")
    axes = maps(figure)
    first = ["new1 · predicted · A", "new1 · interval width · A", "new1 · predicted · B", "new1 · interval width · B"]
    assert [ax.get_title() for ax in axes[:4]] == first
    assert points_of(axes[0]).get_clim() == points_of(axes[2]).get_clim()
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in axes]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])
    np.testing.assert_array_equal(imputed_result.X, before.X)
    assert list(imputed_result.uns) == list(before.uns)


def test_large_counts_are_written_out(imputed_result):
    imputed_result.layers["lower"][:, 3], imputed_result.layers["upper"][:, 3] = 99.4, 1234.5
    assert note_of(maps(pl.imputed(imputed_result, "new3"))[1]).endswith("median cell: 99 to 1,234")


def test_errors_name_what_is_missing(imputed_result, domains_result):
    with pytest.raises(InputError, match=r"uns\['impute'\].*tl\.impute\(adata, reference\) returned"):
        pl.imputed(domains_result)
    with pytest.raises(InputError, match=r"\['nope'\].*new0"):
        pl.imputed(imputed_result, ["new1", "nope"])
    with pytest.raises(InputError, match=r"found \['gene3'\].*\['gene3'\]: measured, in the panel"):
        pl.imputed(imputed_result, "gene3")
    with pytest.raises(InputError, match="at least one gene"):
        pl.imputed(imputed_result, [])
    with pytest.raises(InputError, match="cells of the predictions in `measured`"):
        pl.imputed(imputed_result, measured=domains_result[:50])
    with pytest.raises(InputError, match="AnnData or SpatialData"):
        pl.imputed(np.ones(3))
