import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import spotweave as sw
from spotweave import InputError


@pytest.fixture
def placed(domains_result):
    """`domains_result` with what tl.align writes."""
    adata = domains_result
    xy = adata.obsm["spatial"]
    second = (adata.obs["slide"] == "B").to_numpy()
    adata.obsm["spatial_aligned"] = np.where(second[:, None], (xy - 5000) / 2, xy)
    fit = pd.DataFrame({"agreement_before": [np.nan, 0.125], "agreement": [np.nan, 0.75]}, index=["A", "B"])
    params = {"library_key": "slide", "spatial_key": "spatial"}
    adata.uns["align"] = {"params": params, "reference": "A", "slices": np.array(["A", "B"]), "fit": fit}
    return adata


def drawn(ax):
    return [np.asarray(c.get_offsets()) for c in ax.collections]


def test_slices_lie_upon_each_other_as_they_were_and_as_they_are(placed):
    figure = sw.pl.aligned(placed)
    before, after = figure.axes
    assert [ax.get_title() for ax in (before, after)] == ["as measured", "aligned"]
    assert [t.get_text() for ax in (before, after) for t in ax.texts] == ["agreement 0.12", "agreement 0.75"]
    np.testing.assert_allclose(drawn(before)[1], placed.obsm["spatial"][77:])
    np.testing.assert_allclose(drawn(after)[1], placed.obsm["spatial_aligned"][77:])
    np.testing.assert_allclose(drawn(after)[0], drawn(after)[1], atol=1e-9)
    assert before.get_legend() is None
    assert [t.get_text() for t in after.get_legend().get_texts()] == ["A (reference)", "B"]
    low, high = before.get_xlim()
    assert low < placed.obsm["spatial"][:, 0].min()
    assert high > placed.obsm["spatial"][:, 0].max()
    assert 0.2 < after.collections[0].get_alpha() < 0.7


def test_colours_of_a_label_and_of_the_caller(placed):
    figure = sw.pl.aligned(placed, color="domain", alpha=1.0)
    codes = placed.obs["domain"].cat.codes.to_numpy()[77:]
    faces = [to_hex(c) for c in figure.axes[1].collections[1].get_facecolor()]
    assert faces == [placed.uns["domain_colors"][c] for c in codes]
    chosen = sw.pl.aligned(placed, palette={"A": "#000000", "B": "#ff0000"})
    assert {to_hex(c) for c in chosen.axes[1].collections[1].get_facecolor()} == {"#ff0000"}


def test_what_is_missing_is_named(placed):
    with pytest.raises(InputError, match=r"adata.obsm\['other'\]"):
        sw.pl.aligned(placed, key="other")
    del placed.uns["align"]
    with pytest.raises(InputError, match="`library_key`"):
        sw.pl.aligned(placed)
    figure = sw.pl.aligned(placed, library_key="slide")
    assert [t.get_text() for t in figure.axes[1].get_legend().get_texts()] == ["A", "B"]
