import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from spotweave import InputError, pl
from spotweave.pl import _gene_map
from spotweave.pl._gene_map import flat


def dots(figure):
    (points,) = figure.axes[0].collections
    xy = np.asarray(points.get_offsets())
    order = np.lexsort(xy.T)
    return xy[order], np.array([to_hex(c) for c in points.get_facecolor()])[order], points.get_sizes()[order]


def names(figure):
    return {t.get_text() for t in figure.axes[0].texts if t.get_text().startswith("gene")}


def legend(figure):
    found = figure.axes[0].get_legend()
    return None if found is None else [t.get_text() for t in found.get_texts()]


def test_two_leading_components_are_those_of_a_covariance_matrix(rng):
    H = rng.normal(size=(30, 4)) * [1, 5, 2, 0.1]
    values, vectors = np.linalg.eigh(np.cov(H.T))
    expected = (H - H.mean(axis=0)) @ vectors[:, [-1, -2]]
    found, way = flat(H, method="pca")
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)
    assert way == "principal component"
    np.testing.assert_array_equal(flat(H[:, :1] * [[1]], method="pca")[0][:, 1], 0)


@pytest.mark.slow  # compiles for some 15 s
def test_umap_repeats_with_one_seed_and_keeps_groups_apart(rng):
    H = np.repeat(np.eye(3) * 20, 12, axis=0) + rng.normal(size=(36, 3))
    state = np.random.get_state()  # noqa: NPY002
    one, way = flat(H, rng=4)
    np.testing.assert_equal(np.random.get_state(), state)  # noqa: NPY002
    np.testing.assert_array_equal(one, flat(H, rng=4)[0])
    assert way == "UMAP"
    group = np.repeat(np.arange(3), 12)
    distance = np.linalg.norm(one[:, None] - one, axis=2) + 1e9 * np.eye(36)
    assert (group[distance.argmin(axis=1)] == group).all()


def test_umap_starts_at_the_components_with_the_given_seed(rng, monkeypatch):
    asked: dict = {}

    class Stand:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, X):
            return X[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Stand))
    H = rng.normal(size=(40, 3))
    np.testing.assert_allclose(flat(H, rng=7)[0], H[:, :2].astype(np.float32))
    components = flat(H, method="pca")[0]
    np.testing.assert_allclose(asked["init"], components * 10 / np.abs(components).max(), atol=1e-3)
    assert (asked["random_state"], asked["n_neighbors"]) == (7, 14)


def test_components_stand_in_for_umap(rng, monkeypatch):
    H = rng.normal(size=(20, 3))
    assert flat(H[:14])[1] == "principal component"
    monkeypatch.setitem(sys.modules, "umap", None)  # not installed
    assert flat(H)[1] == "principal component"


def test_dots_have_the_colours_of_modules_and_areas_by_effect(modules_result):
    figure = pl.gene_embedding(modules_result, method="pca")
    kept = modules_result.var["gene_module"].notna().to_numpy()
    H = modules_result.varm["X_gene"][kept]
    expected = flat(H, method="pca")[0]
    order = np.lexsort(expected.T)
    xy, colors, areas = dots(figure)
    np.testing.assert_allclose(xy, expected[order])
    codes = modules_result.var["gene_module"].cat.codes.to_numpy()[kept]
    assert colors.tolist() == [pl.palette(3)[k] for k in codes[order]]
    effect = modules_result.var["svg_effect"].to_numpy()[kept][order]
    top = np.quantile(effect, 0.98)
    np.testing.assert_allclose(areas / areas.max(), (0.25 + 1.75 * (effect / top).clip(0, 1)) / 2)
    ax = figure.axes[0]
    assert (ax.get_title(), ax.get_xlabel()) == (f"{kept.sum()} genes", "principal component 1")
    assert legend(figure) == [f"{k} ({(codes == k).sum()})" for k in range(3)]
    assert {"0", "1", "2"} <= {t.get_text() for t in ax.texts}


def test_stored_colours_and_genes_without_a_module(modules_result):
    modules_result.uns["gene_module_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    modules_result.varm["X_gene"] = np.random.default_rng(2).normal(size=(41, 4))
    figure = pl.gene_embedding(modules_result, method="pca")
    found = dict(zip(*np.unique(dots(figure)[1], return_counts=True), strict=True))
    n = np.bincount(modules_result.var["gene_module"].cat.codes + 1)
    assert found == {"#d4d4d4": n[0], "#ff0000": n[1], "#00ff00": n[2], "#0000ff": n[3]}
    assert legend(figure)[-1] == f"none ({n[0]})"


def test_without_modules_or_effects(modules_result):
    modules_result.var = modules_result.var[["module"]]
    figure = pl.gene_embedding(modules_result, method="pca")
    assert legend(figure) is None
    assert len(set(dots(figure)[1])) == len(set(dots(figure)[2])) == 1
    assert names(figure)


def test_named_genes_are_the_largest_of_each_module_or_those_asked_for(modules_result, monkeypatch):
    asked: list = []
    monkeypatch.setattr(_gene_map, "place_names", lambda ax, xy, names, **_: asked.append((xy, list(names))))
    pl.gene_embedding(modules_result, method="pca", n_names=2)
    var = modules_result.var.dropna(subset="gene_module")
    best = [var[var["gene_module"] == k]["svg_effect"].nlargest(2).index for k in "012"]
    assert asked[0][1] == [b[i] for i in range(2) for b in best]
    modules_result.var["symbol"] = [f"S{i}" for i in range(41)]
    chosen = modules_result.var_names.get_loc(var.index[4])
    pl.gene_embedding(modules_result, method="pca", genes=[f"S{chosen}"])
    assert asked[1][1] == [f"S{chosen}"]
    expected = flat(modules_result.varm["X_gene"][np.isfinite(modules_result.varm["X_gene"]).all(1)], method="pca")[0]
    np.testing.assert_allclose(asked[1][0], expected[[4]])


@pytest.mark.parametrize(("k", "n"), [(2, 40), (30, 700)])
def test_texts_do_not_overlap_with_few_and_with_many_modules(modules_result, k, n, rng):
    from anndata import AnnData

    adata = AnnData(np.zeros((2, n), dtype=np.float32))
    adata.var_names = [f"gene with a very long name {i}" for i in range(n)]
    codes = np.arange(n) % k
    adata.var["gene_module"] = pd.Categorical.from_codes(codes, pd.Index([f"{i}" for i in range(k)]))
    centres = 9 * rng.normal(size=(k, 2))
    centres[1] = centres[0]  # two modules in one place
    adata.varm["X_gene"] = centres[codes] + rng.normal(size=(n, 2))
    figure = pl.gene_embedding(adata, method="pca")
    figure.canvas.draw()
    boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text()]
    assert len(boxes) > k
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    found = figure.axes[0].get_legend()
    assert found is not None
    box = found.get_window_extent()
    assert box.x0 >= figure.axes[0].get_window_extent().x1
    assert box.x1 <= figure.bbox.x1
    assert 0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_equal_genes_and_one_dimension(modules_result):
    modules_result.varm["X_gene"] = np.ones((41, 1))
    figure = pl.gene_embedding(modules_result, method="pca")
    figure.canvas.draw()
    np.testing.assert_allclose(dots(figure)[0], 0, atol=1e-12)


def test_bad_input_is_explained(modules_result):
    with pytest.raises(InputError, match=r"varm\['other'\].*tl\.gene_embedding"):
        pl.gene_embedding(modules_result, key="other")
    with pytest.raises(InputError, match="method"):
        pl.gene_embedding(modules_result, method="tsne")  # type: ignore[arg-type]
    flat_gene = modules_result.var_names[modules_result.var["gene_module"].isna()][0]
    with pytest.raises(InputError, match=flat_gene):
        pl.gene_embedding(modules_result, genes=[flat_gene], method="pca")
    with pytest.raises(InputError, match="nowhere"):
        pl.gene_embedding(modules_result, genes=["nowhere"], method="pca")
    modules_result.varm["X_gene"] = np.full((41, 3), np.nan)
    with pytest.raises(InputError, match="at least 2 genes"):
        pl.gene_embedding(modules_result)
