import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from spotweave import InputError, pl
from spotweave.pl._module_means import log_expression, module_means, modules_of, top_genes


def maps(figure):
    return [ax for ax in figure.axes if any(isinstance(c, PathCollection) for c in ax.collections)]


def values_of(ax):
    return next(c for c in ax.collections if isinstance(c, PathCollection)).get_array()


def note_of(ax):
    return " ".join(t.get_text() for t in ax.texts)


def test_each_module_has_a_map_of_its_mean(modules_result):
    axes = maps(pl.gene_modules(modules_result))
    modules = modules_of(modules_result)
    means = module_means(modules_result, modules)
    sizes = modules_result.var["gene_module"].value_counts()
    assert [ax.get_title() for ax in axes] == [f"module {k} · {sizes[k]} genes" for k in "012"]
    for k, ax in enumerate(axes):
        np.testing.assert_allclose(values_of(ax), means.values[:, k])
        best = modules_result.var_names[top_genes(modules, means, k)[:3]]
        assert note_of(ax) == ", ".join(best)
        (bar,) = ax.child_axes
        assert bar.get_ylabel() == "mean z score"


def test_chosen_modules_in_the_given_order(modules_result):
    axes = maps(pl.gene_modules(modules_result, [2, "0"]))
    assert [ax.get_title().split(" ·")[0] for ax in axes] == ["module 2", "module 0"]


def test_one_module_beside_its_genes(modules_result):
    first, *others = maps(pl.module_genes(modules_result, 1, n_genes=3))
    modules = modules_of(modules_result)
    means = module_means(modules_result, modules)
    best = top_genes(modules, means, 1)[:3]
    np.testing.assert_allclose(values_of(first), means.values[:, 1])
    assert [ax.get_title() for ax in others] == modules_result.var_names[best].tolist()
    Y = log_expression(modules_result, best)
    for j, ax in enumerate(others):
        np.testing.assert_allclose(values_of(ax), Y[:, j])
        assert note_of(ax) == f"r = {means.agreement[best[j]]:.2f} with the rest"
    everything = maps(pl.module_genes(modules_result, "1", n_genes=99))
    assert len(everything) == 1 + (modules.codes == 1).sum()


def test_slides_have_maps_of_their_own_and_cells_without_counts_are_grey(modules_result):
    modules_result.obs["slide"] = np.where(np.arange(143) < 60, "A", "B")
    X = modules_result.X.tolil()
    X[70] = 0
    modules_result.X = X.tocsr()
    axes = maps(pl.gene_modules(modules_result, library_key="slide"))
    assert [ax.get_title().split(" · ")[2] for ax in axes] == ["A", "B"] * 3
    assert [len(values_of(ax)) for ax in axes] == [60, 83] * 3
    assert np.flatnonzero(values_of(axes[1]).mask).tolist() == [10]
    assert len(maps(pl.module_genes(modules_result, 0, n_genes=2, library_key="slide"))) == 6


@pytest.mark.parametrize("squeeze", [(1, 1), (0.15, 1), (1, 0.3)])
def test_nothing_overlaps_or_is_cut_off(modules_result, squeeze):
    modules_result.obsm["spatial"] = modules_result.obsm["spatial"] * squeeze
    modules_result.var_names = [f"ENSMUSG{i:011d}-a-rather-long-name" for i in range(41)]
    for figure in (pl.gene_modules(modules_result), pl.module_genes(modules_result, 0, n_genes=6)):
        figure.canvas.draw()
        axes = maps(figure)
        texts = [t for ax in axes for t in (ax.title, *ax.texts, *(b.yaxis.label for b in ax.child_axes))]
        boxes = [t.get_window_extent() for t in texts if t.get_text()]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        whole = figure.bbox
        assert all(b.x0 >= 0 and b.x1 <= whole.x1 and b.y0 >= 0 and b.y1 <= whole.y1 for b in boxes)


def test_named_modules(modules_result):
    renamed = modules_result.var["gene_module"].cat.rename_categories(
        {"0": "blood vessels of the cortex", "1": "myelin"}
    )
    modules_result.var["gene_module"] = renamed
    modules_result.varm["gene_module_probability"].columns = renamed.cat.categories
    titles = [ax.get_title().split(" · ")[0] for ax in maps(pl.gene_modules(modules_result))]
    assert sorted(titles) == ["blood vesse…cortex", "module 2", "myelin"]


def test_the_table_is_left_alone(modules_result):
    var, slots = (
        modules_result.var.copy(),
        (set(modules_result.obsm), set(modules_result.uns), set(modules_result.varm)),
    )
    X = modules_result.X.copy()
    pl.gene_modules(modules_result)
    pl.module_genes(modules_result, 2, n_genes=1)
    pd.testing.assert_frame_equal(modules_result.var, var)
    assert (set(modules_result.obsm), set(modules_result.uns), set(modules_result.varm)) == slots
    assert (modules_result.X != X).nnz == 0


def test_bad_input_is_explained(modules_result):
    with pytest.raises(InputError, match=r"modules among \['0', '1', '2'\]; found \['7'\]"):
        pl.module_genes(modules_result, 7)
    with pytest.raises(InputError, match="modules among"):
        pl.gene_modules(modules_result, [])
    with pytest.raises(InputError, match="n_genes"):
        pl.module_genes(modules_result, 0, n_genes=0)
    with pytest.raises(InputError, match=r"tl\.gene_modules"):
        pl.gene_modules(modules_result, key="other")
    modules_result.X = modules_result.X * 0.5
    with pytest.raises(InputError, match="counts"):
        pl.gene_modules(modules_result)
