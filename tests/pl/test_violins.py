import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from scipy.stats import gaussian_kde

from spotweave import InputError, pl
from spotweave.pl._violins import outline


def shapes(ax):
    return [c for c in ax.collections if isinstance(c, PolyCollection)]


def medians(ax):
    """Places and values of the dots."""
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    return {int(d.get_xdata()[0]): float(d.get_ydata()[0]) for d in dots}


def log_scale(adata, X):
    total = np.asarray(adata.X.sum(axis=1)).reshape(-1, 1)
    return np.log1p(X * np.median(total) / total)


def test_a_row_for_each_gene_measured_and_denoised_on_one_scale(denoised_result):
    figure = pl.denoised_violin(denoised_result, ["gene3", "gene1"])
    axes = np.array(figure.axes, dtype=object).reshape(2, 2)
    assert [ax.get_title() for ax in axes[0]] == ["measured", "denoised"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["gene3", "gene1"]
    assert figure.get_supylabel().split() == ["log1p", "of", "counts", "per", "median", "depth"]
    codes = denoised_result.obs["domain"].cat.codes.to_numpy()
    sides = [log_scale(denoised_result, X) for X in (denoised_result.X.toarray(), denoised_result.layers["denoised"])]
    for row, j in zip(axes, (3, 1), strict=True):
        assert row[0].get_ylim() == row[1].get_ylim()
        for ax, X in zip(row, sides, strict=True):
            expected = {k: np.median(X[codes == k, j]) for k in range(3)}
            assert medians(ax) == pytest.approx(expected, rel=1e-6)
            assert [to_hex(s.get_facecolor()[0]) for s in shapes(ax)] == denoised_result.uns["domain_colors"][
                : len(shapes(ax))
            ]
    assert [t.get_text() for t in axes[1, 0].get_xticklabels()] == ["0", "1", "2"]


def test_violins_span_the_values_and_are_equally_wide(denoised_result):
    ax = pl.denoised_violin(denoised_result, "gene3").axes[0]
    codes = denoised_result.obs["domain"].cat.codes.to_numpy()
    values = log_scale(denoised_result, denoised_result.X.toarray())[:, 3].astype(float)
    for k, shape in enumerate(shapes(ax)):
        x, y = shape.get_paths()[0].vertices.T
        assert (x.min() + x.max()) / 2 == pytest.approx(k)
        assert np.ptp(x) == pytest.approx(0.84)
        own = values[codes == k]
        assert y.min() == pytest.approx(own.min(), abs=np.ptp(own) / 200)
        assert y.max() == pytest.approx(own.max(), abs=np.ptp(own) / 200)


def test_outline_is_the_kernel_density_with_reflected_ends(rng):
    values = rng.gamma(2, size=701)
    at, density = outline(values)
    width = 0.9 * min(values.std(), np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.34) * 701**-0.2
    low, high = values.min(), values.max()
    mirrored = np.concatenate([values, 2 * low - values, 2 * high - values])
    expected = gaussian_kde(mirrored, bw_method=width / mirrored.std(ddof=1))(at)
    np.testing.assert_allclose(density, expected / expected.max(), atol=0.02)


@pytest.mark.parametrize("values", [np.full(1, 2.5), np.full(9, 2.5), np.zeros(4)])
def test_outline_of_one_value_is_one_place(values):
    at, density = outline(values)
    assert at.tolist() == [values[0]]
    assert density.tolist() == [1]


def test_outline_of_mostly_one_value_is_finite():
    at, density = outline(np.array([0.0] * 99 + [3.0]))  # no interquartile range
    assert np.isfinite(density).all()
    assert density.argmax() == 0
    assert (at.min(), at.max()) == pytest.approx((0, 3), abs=0.01)


def test_small_and_flat_groups(denoised_result):
    labels = np.array(["flat"] * 77 + ["many"] * 75 + ["one", None], dtype=object)
    denoised_result.obs["group"] = pd.Categorical(labels, categories=["flat", "many", "none", "one"])
    denoised_result.X = denoised_result.X.toarray()
    denoised_result.X[:77] = 2.0
    denoised_result.layers["denoised"][:77] = 2.0
    figure = pl.denoised_violin(denoised_result, "gene2", "group")
    for ax in figure.axes:
        assert sorted(medians(ax)) == [0, 1, 3]
        assert len(shapes(ax)) == 1  # only "many" has a spread
        lines = [line for line in ax.lines if line.get_marker() != "o"]
        assert [np.mean(np.asarray(line.get_xdata(), dtype=float)) for line in lines] == pytest.approx([0, 3])
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["flat", "many", "none", "one"]
    assert figure._repr_png_()


def test_cells_without_counts_are_left_out(denoised_result):
    counts = denoised_result.X.toarray()
    counts[0] = 0
    denoised_result.X = counts
    ax = pl.denoised_violin(denoised_result, "gene0", colors={"0": "red", "1": "lime", "2": "blue"}).axes[0]
    rest = denoised_result[1:].copy()
    own = log_scale(rest, rest.X)
    codes = rest.obs["domain"].cat.codes.to_numpy()
    assert medians(ax)[0] == pytest.approx(np.median(own[codes == 0, 0]))
    assert [to_hex(s.get_facecolor()[0]) for s in shapes(ax)] == ["#ff0000", "#00ff00", "#0000ff"]


def test_without_coordinates(denoised_result):
    del denoised_result.obsm["spatial"], denoised_result.uns["domain_colors"]
    ax = pl.denoised_violin(denoised_result, "gene0").axes[0]
    assert [to_hex(s.get_facecolor()[0]) for s in shapes(ax)] == pl.palette(3)


def test_what_is_missing_is_named(denoised_result):
    with pytest.raises(InputError, match="groupby='nope'"):
        pl.denoised_violin(denoised_result, "gene0", "nope")
    with pytest.raises(InputError, match="unknown"):
        pl.denoised_violin(denoised_result, "nope")
    denoised_result.obs["empty"] = pd.Categorical([None] * 154)
    with pytest.raises(InputError, match="missing values only"):
        pl.denoised_violin(denoised_result, "gene0", "empty")
    del denoised_result.layers["denoised"]
    with pytest.raises(InputError, match=r"tl\.denoise"):
        pl.denoised_violin(denoised_result, "gene0")
