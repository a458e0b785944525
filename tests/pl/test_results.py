import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from spotweave import InputError, pl


def points_of(ax):
    return next(c for c in ax.collections if isinstance(c, PathCollection))


def maps(figure):
    return [ax for ax in figure.axes if any(isinstance(c, PathCollection) for c in ax.collections)]


def test_domains_beside_truth_in_matching_colours_and_doubt(domains_result):
    truth, found, doubt = maps(pl.domains(domains_result, truth="truth"))
    assert [ax.get_title() for ax in (truth, found)] == ["truth", "domain (3)"]
    labelled = ~domains_result.obs["truth"].isna().to_numpy()
    # each true layer is one domain here: where labelled, both maps have the same colour
    np.testing.assert_allclose(
        points_of(truth).get_facecolor()[labelled], points_of(found).get_facecolor()[labelled], atol=1e-6
    )
    expected = 1 - domains_result.obsm["domain_probability"].max(axis=1)
    np.testing.assert_allclose(points_of(doubt).get_array(), expected)
    assert points_of(doubt).get_clim() == pytest.approx((0, 2 / 3))  # no more doubt than a third for each


def test_domains_by_slide_without_probabilities(domains_result):
    del domains_result.obsm["domain_probability"]
    figure = pl.domains(domains_result, truth="truth", library_key="slide")
    assert [ax.get_title() for ax in maps(figure)] == ["truth · A", "truth · B", "domain (3) · A", "domain (3) · B"]


def test_before_after_pairs(domains_result):
    domains_result.obs["turned"] = domains_result.obs["domain"].cat.rename_categories({"0": "x", "1": "y", "2": "z"})
    figure = pl.before_after(domains_result, ["turned", "gene1"], ["domain", "gene2"], titles=("raw", "ours"))
    axes = maps(figure)
    assert [ax.get_title() for ax in axes] == ["raw: turned", "ours: domain", "raw: gene1", "ours: gene2"]
    np.testing.assert_array_equal(points_of(axes[0]).get_facecolor(), points_of(axes[1]).get_facecolor())
    np.testing.assert_array_equal(points_of(axes[3]).get_array(), domains_result.X.toarray()[:, 2])


def test_before_after_of_two_layers_by_slide(domains_result):
    domains_result.layers["smooth"] = domains_result.X * 0.5
    figure = pl.before_after(domains_result, "gene3", layers=(None, "smooth"), library_key="slide")
    values = [points_of(ax).get_array() for ax in maps(figure)]  # a row for each slide
    raw = domains_result.X.toarray()[:, 3]
    for found, expected in zip(values, (raw[:77], raw[:77] / 2, raw[77:], raw[77:] / 2), strict=True):
        np.testing.assert_allclose(found, expected)


def test_before_after_with_the_truth_first(domains_result):
    axes = maps(pl.before_after(domains_result, "domain", "domain", truth="truth", titles=("a", "b")))
    assert [ax.get_title() for ax in axes] == ["truth", "a: domain", "b: domain"]
    tops = {round(ax.get_position(original=True).y1, 3) for ax in axes}
    assert len(tops) == 1


def test_before_after_of_unequal_length(domains_result):
    with pytest.raises(InputError, match="as many names"):
        pl.before_after(domains_result, ["gene1", "gene2"], "gene3")


def test_curve_shows_the_stored_numbers_and_the_choice(domains_result):
    curve = domains_result.uns["domain"]["curve"]
    curve["stability_se"] = np.full(4, 0.02)
    figure = pl.domain_curve(domains_result)
    for ax, name in zip(figure.axes, ("stability", "held_out"), strict=True):
        line, chosen = ax.lines
        np.testing.assert_array_equal(line.get_xdata(), curve["n_domains"])
        np.testing.assert_array_equal(line.get_ydata(), curve[name])
        assert np.asarray(chosen.get_xdata()).tolist() == [3, 3]
    assert "3 domains" in figure.axes[0].get_title()
    (band,) = figure.axes[0].collections
    low, high = band.get_datalim(figure.axes[0].transData).intervaly
    assert (low, high) == pytest.approx((0.58, 0.97))
    assert not figure.axes[1].collections


def test_training_draws_each_quantity_and_each_fit(domains_result):
    domains_result.uns["domain"]["history"]["restarts"] = np.array([[3.0, 2.0], [4.0, 1.0]])
    figure = pl.training(domains_result)
    lines = {ax.get_ylabel(): [np.asarray(line.get_ydata()).tolist() for line in ax.lines] for ax in figure.axes}
    assert lines == {
        "loss": [[3.0, 2.0, 1.5]],
        "contrast": [[0.7, 0.5, 0.4]],
        "restarts": [[3.0, 2.0], [4.0, 1.0]],
    }
    assert np.asarray(figure.axes[0].lines[0].get_xdata()).tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", ["domain_curve", "training"])
def test_absent_results_are_explained(domains_result, name):
    del domains_result.uns["domain"]["curve"], domains_result.uns["domain"]["history"]
    with pytest.raises(InputError, match=r"found keys \['params'"):
        getattr(pl, name)(domains_result)
    del domains_result.uns["domain"]
    with pytest.raises(InputError, match=r"Run spotweave\.tl\.domains"):
        getattr(pl, name)(domains_result)


def test_marker_dots_are_means_and_shares(domains_result, markers_table):
    figure = pl.domain_markers(domains_result, markers_table, n=2)
    ax = figure.axes[0]
    genes = [t.get_text() for t in ax.get_xticklabels()]
    assert genes == ["gene0", "gene3", "gene1", "gene4", "gene2", "gene5"]  # by domain, in the table's order
    dots = points_of(ax)
    X = domains_result.X.toarray().astype(float)
    values = np.log1p(1e4 * X / X.sum(axis=1, keepdims=True))
    codes = domains_result.obs["domain"].cat.codes.to_numpy()
    means = np.array([[values[codes == k, int(g[4:])].mean() for g in genes] for k in range(3)])
    shares = np.array([[(X[codes == k, int(g[4:])] > 0).mean() for g in genes] for k in range(3)])
    scaled = (means - means.min(0)) / (means.max(0) - means.min(0))
    np.testing.assert_allclose(dots.get_array(), scaled.ravel(), rtol=1e-5, atol=1e-9)
    ratio = dots.get_sizes() / shares.ravel()
    np.testing.assert_allclose(ratio, ratio[0])
    bands = [to_hex(line.get_color()) for line in ax.lines]
    assert bands == np.repeat(domains_result.uns["domain_colors"], 2).tolist()


def test_marker_dots_of_a_matrix_without_counts_show_it_as_it_is(domains_result, markers_table):
    domains_result.X = domains_result.X * 0.3
    dots = points_of(pl.domain_markers(domains_result, markers_table, n=1).axes[0])
    X, codes = domains_result.X.toarray()[:, :3], domains_result.obs["domain"].cat.codes.to_numpy()
    means = np.array([X[codes == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(dots.get_array(), ((means - means.min(0)) / np.ptp(means, axis=0)).ravel(), rtol=1e-5)


def test_markers_keep_the_tables_order_and_are_raised_in_their_domain(domains_result, markers_table):
    table = markers_table.iloc[::-1].assign(effect=lambda t: np.where(t["gene"] == "gene7", -1.0, t["effect"]))
    ax = pl.domain_markers(domains_result, table, n=2).axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["gene6", "gene3", "gene4", "gene1", "gene8", "gene5"]


def test_markers_are_named_by_their_symbols(domains_result, markers_table):
    domains_result.var["symbol"] = [f"S{i}" for i in range(8)] + [None]
    ax = pl.domain_markers(domains_result, markers_table, n=3).axes[0]
    names = [t.get_text() for t in ax.get_xticklabels()]
    assert names == ["S0", "S3", "S6", "S1", "S4", "S7", "S2", "S5", "gene8"]


def test_marker_tables_that_do_not_fit(domains_result, markers_table):
    with pytest.raises(InputError, match="effect"):
        pl.domain_markers(domains_result, markers_table.drop(columns="effect"))
    with pytest.raises(InputError, match="unknown"):
        pl.domain_markers(domains_result, markers_table.assign(gene="nope"))
    with pytest.raises(InputError, match="markers of the domains"):
        pl.domain_markers(domains_result, markers_table.assign(domain="9"))


def test_results_survive_a_file(domains_result, markers_table, tmp_path):
    import anndata

    domains_result.write_h5ad(tmp_path / "a.h5ad")
    back = anndata.read_h5ad(tmp_path / "a.h5ad")
    for figure in (pl.domains(back, truth="truth"), pl.domain_curve(back), pl.training(back)):
        assert figure._repr_png_()
    assert pl.domain_markers(back, markers_table)._repr_png_()
