import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.patches import StepPatch

from spotweave import InputError, pl
from spotweave.pl._guard import COLORS


def dots(ax):
    """Positions sorted by x, and colours in this order."""
    (points,) = (c for c in ax.collections if isinstance(c, PathCollection))
    order = np.argsort(np.asarray(points.get_offsets())[:, 0])
    return np.asarray(points.get_offsets())[order], np.array([to_hex(c) for c in points.get_facecolor()])[order]


def with_scores(table):
    adata = AnnData(np.zeros((2, len(table)), dtype=np.float32))
    adata.varm["denoised"] = table.set_axis(adata.var_names)
    return adata


def box_of(ax):
    box = ax.get_tightbbox()
    assert box is not None
    return box


def titles(figure):
    return [ax.get_title() for ax in figure.axes]


def test_dots_are_the_scores_in_the_colour_of_the_largest_source(denoised_result):
    table = denoised_result.varm["denoised"]
    table.iloc[4, :] = np.nan  # not denoised
    moran, weights, deviance = pl.denoised_guard(denoised_result).axes
    kept = table.dropna()
    sources = list(COLORS)
    colors = [COLORS[sources[i]] for i in kept[sources].to_numpy().argmax(axis=1)]
    places, found = dots(moran)
    np.testing.assert_allclose(places, kept[["moran_before", "moran_after"]])
    assert found.tolist() == colors
    places, found = dots(deviance)
    np.testing.assert_allclose(places[:, 0], kept["deviance_mean"])
    ratio = kept["deviance"] / kept["deviance_mean"]
    np.testing.assert_allclose(places[:, 1], ratio.clip(*np.quantile(ratio, [0.002, 0.998])))
    assert found.tolist() == colors
    assert "below the gene's mean: 7 of 8 genes" in deviance.texts[0].get_text()
    assert moran.get_xlim() == moran.get_ylim()
    before, after = kept["moran_before"].median(), kept["moran_after"].median()
    assert moran.texts[0].get_text() == f"median Moran's I {before:.2f} → {after:.2f}"
    assert weights.texts[0].get_text() == "8 genes"


def stacked(ax):
    """Shares of each source in each column, and the edges of the columns."""
    patches = [p for p in ax.patches if isinstance(p, StepPatch)]
    tops, edges, below = zip(*(p.get_data() for p in patches), strict=True)
    return np.stack(tops, axis=1) - np.stack(below, axis=1), edges[0]


def test_ranked_shares_are_those_of_the_genes(denoised_result):
    shares, edges = stacked(pl.denoised_guard(denoised_result).axes[1])
    W = denoised_result.varm["denoised"][list(COLORS)].to_numpy()
    np.testing.assert_allclose(shares, W[np.argsort(-W[:, 0])])
    assert edges.tolist() == list(range(10))


@pytest.mark.parametrize(("n", "rasterized"), [(30, False), (2_001, True)])
def test_many_genes(n, rasterized, rng):
    table = pd.DataFrame(rng.dirichlet([3, 2, 1], n), columns=list(COLORS))
    table[["moran_before", "moran_after"]] = rng.random((n, 2))
    table["deviance_mean"] = rng.lognormal(size=n)
    table["deviance"] = table["deviance_mean"] * rng.uniform(0.5, 1.1, n)
    figure = pl.denoised_guard(with_scores(table))
    assert [bool(c.get_rasterized()) for i in (0, 2) for c in figure.axes[i].collections] == [rasterized] * 2
    shares, edges = stacked(figure.axes[1])
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert edges[-1] == n
    assert len(shares) == min(n, 200)
    np.testing.assert_allclose(np.diff(edges) @ shares, table[list(COLORS)].sum())
    assert (np.diff(shares[:, 0]) <= 0).all()
    figure.canvas.draw()
    boxes = [box_of(ax) for ax in figure.axes]
    assert not any(a.overlaps(b) for a, b in zip(boxes[:-1], boxes[1:], strict=True))
    assert not any(figure.legends[0].get_window_extent().overlaps(box) for box in boxes)
    labels = [t.get_window_extent() for t in figure.axes[2].get_xticklabels() if t.get_text()]
    assert not any(a.overlaps(b) for a, b in zip(labels[:-1], labels[1:], strict=True))


def test_only_panels_of_what_is_stored(denoised_result):
    table = denoised_result.varm["denoised"]
    everything = ["Spatial pattern", "Where the estimates come from", "Held-out counts"]
    assert titles(pl.denoised_guard(with_scores(table))) == everything
    one = pl.denoised_guard(with_scores(table[list(COLORS)]))
    assert titles(one) == everything[1:2]
    one.canvas.draw()
    legend = one.legends[0].get_window_extent()
    assert legend.x0 >= 0
    assert not legend.overlaps(box_of(one.axes[0]))
    rest = pl.denoised_guard(with_scores(table.drop(columns=list(COLORS))))
    assert titles(rest) == everything[::2]
    assert not rest.legends
    unseen = table.assign(deviance_mean=0.0, deviance=0.0)  # no held-out counts at all: no ratio
    assert titles(pl.denoised_guard(with_scores(unseen))) == everything[:2]


def test_extreme_ratios_lie_at_the_edge(rng):
    table = pd.DataFrame({"deviance_mean": np.ones(999), "deviance": rng.uniform(0.8, 1, 999)})
    table.loc[7, "deviance"] = 1e6
    (ax,) = pl.denoised_guard(with_scores(table)).axes
    assert dots(ax)[0][:, 1].max() < ax.get_ylim()[1] < 1.1


def test_absent_scores_are_explained(denoised_result):
    with pytest.raises(InputError, match=r"varm\['other'\].*tl\.denoise"):
        pl.denoised_guard(denoised_result, key="other")
    denoised_result.varm["denoised"] = denoised_result.varm["denoised"] * np.nan
    with pytest.raises(InputError, match=r"Run spotweave\.tl\.denoise\(adata\) first"):
        pl.denoised_guard(denoised_result)
