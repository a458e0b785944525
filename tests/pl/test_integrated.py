import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import spotweave as sw
from spotweave import InputError
from spotweave.pl._integrated import surroundings_figure


def dots(ax):
    return np.asarray(ax.collections[0].get_offsets())


def faces(ax):
    return [to_hex(c) for c in ax.collections[0].get_facecolor()]


def test_surroundings_before_and_after_and_domains_on_every_slice(slices_result):
    before, after, first, second = sw.pl.integrated(slices_result).axes
    titles = ["surroundings as measured", "surroundings integrated", "domain · A", "domain · B"]
    assert [ax.get_title() for ax in (before, after, first, second)] == titles
    notes = [t.get_text() for ax in (before, after) for t in ax.texts]
    assert notes == ["mixing 0.12", "mixing 0.75, neighbours kept 82%"]
    assert before.get_xlim() == after.get_xlim()
    assert before.get_ylim() == after.get_ylim()
    np.testing.assert_allclose(np.unique(dots(before)[:, 1]), [0, 1], atol=0.01)
    np.testing.assert_allclose(dots(after)[:, 1], 0.5, atol=0.01)
    assert [t.get_text() for t in after.get_legend().get_texts()] == ["A", "B"]
    assert before.get_legend() is None
    places = slices_result.obsm["spatial_aligned"]
    np.testing.assert_allclose(dots(second), places[77:])
    codes = slices_result.obs["domain"].cat.codes
    assert faces(first) == [slices_result.uns["domain_colors"][c] for c in codes[:77]]


def test_dots_have_the_colour_of_their_batch_in_any_order(slices_result):
    before = sw.pl.integrated(slices_result).axes[0]
    upper = dots(before)[:, 1] > 0.5
    colors = np.array(faces(before))
    assert len(set(colors[upper])) == len(set(colors[~upper])) == 1
    assert colors[upper][0] != colors[~upper][0]
    assert (np.diff(upper.astype(int)) != 0).sum() > 10  # one slice is not drawn upon the other


def test_few_cells_far_out_do_not_flatten_the_others(slices_result, monkeypatch):
    monkeypatch.setattr("spotweave.pl._integrated._OUTSIDE", 0.01)
    slices_result.obsm["integrated_before"][3] = [0, 900]
    before, after = sw.pl.integrated(slices_result).axes[:2]
    assert (len(dots(before)), len(dots(after))) == (153, 154)
    assert np.ptp(dots(before)[:, 1]) > 0.9


def test_batches_and_slices_may_differ(slices_result):
    slices_result.obs["lane"] = pd.Categorical(np.tile(["x", "y"], 77))
    slices_result.uns["integrate"]["params"]["batch_key"] = "lane"
    figure = sw.pl.integrated(slices_result, color="gene1", spatial_key="spatial")
    assert [t.get_text() for t in figure.axes[1].get_legend().get_texts()] == ["x", "y"]
    np.testing.assert_allclose(dots(figure.axes[3]), slices_result.obsm["spatial"][77:])


def test_without_labels_surroundings_alone(slices_result):
    assert len(surroundings_figure(slices_result, library_key="slide").axes) == 2
    del slices_result.obs["domain"]
    assert len(sw.pl.integrated(slices_result).axes) == 2


def test_what_is_missing_is_named(slices_result):
    with pytest.raises(InputError, match=r"obsm\['other_before'\].*tl.integrate"):
        sw.pl.integrated(slices_result, key="other")
    with pytest.raises(InputError, match="color='nothing'"):
        sw.pl.integrated(slices_result, color="nothing")
    del slices_result.uns["integrate"]
    with pytest.raises(InputError, match="`library_key`"):
        sw.pl.integrated(slices_result)
    figure = sw.pl.integrated(slices_result, library_key="slide")
    assert [t.get_text() for ax in figure.axes[:2] for t in ax.texts] == []
