import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.colors import to_hex

from spotweave import InputError, datasets, pl, tl
from spotweave.pl._figure import ACCENT, FAINT


def with_tests(table):
    adata = AnnData(np.zeros((2, len(table)), dtype=np.float32))
    adata.var_names = table.index.astype(str)
    adata.var = table.add_prefix("svg_")
    return adata


def made_up(n, rng, q=None):
    q = rng.uniform(1e-6, 1, n) if q is None else np.asarray(q, dtype=float)
    effect, statistic = rng.random(n), rng.normal(size=n)
    columns = {"statistic": statistic, "pvalue": q / 2, "qvalue": q, "effect": effect, "scale": np.full(n, 50.0)}
    return pd.DataFrame(columns, index=[f"g{i}" for i in range(n)])


def dots(figure):
    """Position, colour and number of corners' vertices of each dot."""
    found = []
    for c in figure.axes[0].collections:
        color = to_hex(c.get_facecolor()[0])
        found += [(*xy, color, len(c.get_paths()[0].vertices)) for xy in np.asarray(c.get_offsets())]
    return sorted(found)


def names(figure):
    return [t.get_text() for t in figure.axes[0].texts if t.get_text().startswith("g")]


def test_dots_are_the_genes_and_calls_have_a_colour(rng):
    table = made_up(31, rng)
    table.loc["g3", "scale"] = np.nan  # not tested
    figure = pl.spatial_genes(with_tests(table), alpha=0.2)
    kept = table.drop(index="g3")
    expected = sorted(
        (e, -np.log10(q), ACCENT if q <= 0.2 else FAINT) for e, q in zip(kept.effect, kept.qvalue, strict=True)
    )
    found = dots(figure)
    np.testing.assert_allclose([d[:2] for d in found], [e[:2] for e in expected])
    assert [d[2] for d in found] == [e[2] for e in expected]
    (ax,) = figure.axes
    assert ax.get_title() == f"{(kept.qvalue <= 0.2).sum()} of 30 genes"
    assert np.asarray(ax.lines[0].get_ydata())[0] == pytest.approx(-np.log10(0.2))


def test_p_values_of_all_genes_instead(rng):
    table = made_up(9, rng)
    figure = pl.spatial_genes(with_tests(table), by="pvalue")
    np.testing.assert_allclose(sorted(d[1] for d in dots(figure)), np.sort(-np.log10(table.pvalue)))
    assert figure.axes[0].get_ylabel() == "−log₁₀ p"


def test_underflow_is_drawn_as_triangles_and_said(rng):
    table = made_up(6, rng, q=[0, 1e-320, 3e-300, 1e-200, 0.5, 1])
    table["pvalue"] = [0, 1e-320, 1e-300, 1e-201, 0.4, 1]
    figure = pl.spatial_genes(with_tests(table))
    found = sorted(dots(figure), key=lambda d: d[1])
    np.testing.assert_allclose([d[1] for d in found], [0, np.log10(2), 200, 300 - np.log10(3), 300, 300])
    assert [d[3] for d in found].count(4) == 3  # triangles, closed
    assert [t.get_text() for t in figure.axes[0].texts if "▲" in t.get_text()] == [
        "vary in space at q ≤ 0.05 · ▲ 3 with p below 1e−300"
    ]
    assert figure.axes[0].get_ylim()[1] > 300
    figure.canvas.draw()


@pytest.mark.parametrize(("most", "scale"), [(20, "linear"), (200, "asinh")])
def test_long_axes_are_shrunk(most, scale, rng):
    table = made_up(50, rng, q=10 ** -np.linspace(0, most, 50))
    table["effect"] *= 12 if scale == "asinh" else 1
    ax = pl.spatial_genes(with_tests(table)).axes[0]
    assert (ax.get_xscale(), ax.get_yscale()) == (scale, scale)
    ticks = [t.get_window_extent() for t in ax.get_xticklabels() if t.get_text()]
    assert not any(a.overlaps(b) for a, b in zip(ticks[:-1], ticks[1:], strict=True))


def test_names_are_of_called_genes_significant_and_large_in_turn(rng):
    table = made_up(40, rng, q=np.linspace(1e-5, 1, 40))
    table["effect"] = np.linspace(0.2, 1, 40)
    called = table[table.qvalue <= 0.1].index
    assert names(pl.spatial_genes(with_tests(table), alpha=0.1, n_names=3)) == [called[0], called[-1], called[1]]
    assert names(pl.spatial_genes(with_tests(table), n_names=0)) == []
    tied = table.assign(qvalue=1e-300, pvalue=1e-300)
    assert names(pl.spatial_genes(with_tests(tied), n_names=1)) == [tied.statistic.idxmax()]


def test_nothing_called(rng):
    figure = pl.spatial_genes(with_tests(made_up(5, rng, q=np.ones(5))))
    assert figure.axes[0].get_title() == "0 of 5 genes"
    assert names(figure) == []
    figure.canvas.draw()


def test_results_of_the_verb_are_drawn_and_left_alone():
    adata = datasets.simulate_patterns(200, n_genes=30, n_modules=2, rng=1)
    adata.var["symbol"] = [f"S{i}" for i in range(30)]
    tl.spatial_genes(adata, autocorrelation=False, key_added="mine")
    before = adata.var.copy()
    figure = pl.spatial_genes(adata, key="mine")
    assert len(dots(figure)) == np.isfinite(adata.var["mine_scale"]).sum()
    assert any(t.get_text().startswith("S") for t in figure.axes[0].texts)
    pd.testing.assert_frame_equal(adata.var, before)


def test_bad_input_is_explained(rng):
    adata = with_tests(made_up(5, rng))
    with pytest.raises(InputError, match=r"other_qvalue.*tl\.spatial_genes"):
        pl.spatial_genes(adata, key="other")
    with pytest.raises(InputError, match="by"):
        pl.spatial_genes(adata, by="fdr")
    with pytest.raises(InputError, match="alpha"):
        pl.spatial_genes(adata, alpha=2)
    adata.var["svg_scale"] = np.nan
    with pytest.raises(InputError, match="none among 5"):
        pl.spatial_genes(adata)
