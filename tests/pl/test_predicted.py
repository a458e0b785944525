from typing import Any

import numpy as np
import pytest
from matplotlib.collections import EllipseCollection, PathCollection

from spotweave import InputError, pl


def points_of(ax):
    return next(c for c in ax.collections if isinstance(c, PathCollection))


def maps(figure):
    return [ax for ax in figure.axes if any(isinstance(c, PathCollection) for c in ax.collections)]


def rings_of(ax):
    return [np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, EllipseCollection)]


def note_of(ax):
    return " ".join(text.get_text() for text in ax.texts)


def logged(slide, gene):
    counts = slide.X.toarray().astype(float)
    return np.log1p(1e4 * counts[:, slide.var_names.get_loc(gene)] / counts.sum(axis=1))


def test_predictable_genes_beside_their_counts_slide_by_slide(predicted_result, domains_result):
    axes = maps(pl.predicted(predicted_result, domains_result))
    genes = ["gene1", "gene8", "gene5"]  # gene0 has the highest correlation, which was not shown to be more than chance
    sides = [f"{side} · {slide}" for slide in "AB" for side in ("measured", "predicted")]
    assert [ax.get_title() for ax in axes] == [f"{g} · {side}" for g in genes for side in sides]
    for i, gene in enumerate(genes):
        j, held = predicted_result.var_names.get_loc(gene), predicted_result.var.loc[gene, "held_out_pearson"]
        for s, rows in enumerate((slice(0, 77), slice(77, None))):
            measured, guess = axes[4 * i + 2 * s : 4 * i + 2 * s + 2]
            truth, x = logged(domains_result, gene)[rows], predicted_result.X[rows, j].astype(float)
            np.testing.assert_allclose(points_of(measured).get_array(), truth, rtol=1e-5)
            np.testing.assert_allclose(points_of(guess).get_array(), x, rtol=1e-6)
            worth = f"r {np.corrcoef(truth, x)[0, 1]:.2f} (held out {held:.2f}); own scale"
            assert note_of(guess) == worth + ("; ○ unlike training" if s else "")
            assert note_of(measured) == "own scale"


def test_counts_are_divided_by_those_of_all_genes_whatever_their_order(predicted_result, domains_result):
    other = domains_result[:, ::-1].copy()
    other.layers["counts"], other.X = other.X, other.X * 0.1
    ax = maps(pl.predicted(predicted_result, other, "gene3"))[0]
    np.testing.assert_allclose(points_of(ax).get_array(), logged(domains_result, "gene3")[:77], rtol=1e-5)


def test_layer_of_measured_values_stands_in_and_scales_can_be_common(predicted_result, rng):
    truth = rng.normal(size=(154, 6))
    predicted_result.layers["measured"] = truth
    axes = maps(pl.predicted(predicted_result, genes=["gene6"], scale="common", library_key="slide"))
    np.testing.assert_allclose(points_of(axes[0]).get_array(), truth[:77, 5])
    limits = tuple(np.quantile(truth[:, 5], [0.005, 0.995]))
    assert all(points_of(ax).get_clim() == pytest.approx(limits) for ax in axes)
    r = np.corrcoef(truth[:77, 5], predicted_result.X[:77, 5])[0, 1]
    assert note_of(axes[1]) == f"r {r:.2f} (held out 0.10, not predictable); one scale".replace("-", "−")
    own = maps(pl.predicted(predicted_result, genes=["gene6"]))
    assert points_of(own[1]).get_clim() != points_of(own[0]).get_clim()


def test_without_measured_values_the_evidence_is_what_was_held_out(predicted_result):
    axes = maps(pl.predicted(predicted_result, genes=["gene3", "gene1"]))
    assert [ax.get_title() for ax in axes[::2]] == ["gene3 · predicted · A", "gene1 · predicted · A"]
    assert note_of(axes[0]) == "held-out r −0.05, not predictable"
    assert note_of(axes[2]) == "held-out r 0.41"


def test_spots_unlike_training_are_ringed_on_prediction_and_picture(predicted_result, domains_result):
    picture = {"images": {"hires": np.zeros((40, 70, 3))}, "scalefactors": {"tissue_hires_scalef": 0.02}}
    domains_result.uns["spatial"] = {"A": picture, "B": picture}
    figure = pl.predicted(predicted_result, domains_result, "gene1")
    strange = predicted_result.obsm["spatial"][predicted_result.obs["out_of_distribution"]]
    assert [len(rings_of(ax)) for ax in figure.axes[:6]] == [0, 0, 0, 0, 1, 1]
    assert [ax.get_title() for ax in figure.axes[2::3]] == ["picture · A", "picture · B"]
    for ax in figure.axes[4:6]:
        np.testing.assert_allclose(rings_of(ax)[0], strange)
    assert figure.axes[2].images[0].get_extent() == [0.0, 3500.0, 2000.0, 0.0]
    del domains_result.uns["spatial"]["B"]  # columns must not shift
    assert len(pl.predicted(predicted_result, domains_result, "gene1").axes) == 4
    predicted_result.uns["spatial"] = {"A": picture, "B": picture}
    assert len(pl.predicted(predicted_result, genes="gene1").axes) == 4
    assert len(pl.predicted(predicted_result, genes="gene1", image=False).axes) == 2


def test_genes_that_were_not_measured_are_left_blank(predicted_result, domains_result):
    axes = maps(
        pl.predicted(predicted_result, domains_result[:, domains_result.var_names != "gene1"].copy(), ["gene1"])
    )
    assert np.ma.getmaskarray(points_of(axes[0]).get_array()).all()
    assert note_of(axes[0]) == "not measured"
    assert note_of(axes[1]).startswith("held-out r 0.41")


def test_where_nothing_is_predictable_the_best_are_drawn_and_called_so(predicted_result):
    predicted_result.var["predictable"] = False
    axes = maps(pl.predicted(predicted_result))
    assert [ax.get_title().split(" ")[0] for ax in axes[::2]] == ["gene0", "gene1", "gene8", "gene5"]
    assert all("not predictable" in note_of(ax) for ax in axes)


def test_nothing_overlaps_and_nothing_is_written(predicted_result, domains_result):
    before = predicted_result.copy()
    figure = pl.predicted(predicted_result, domains_result, ["gene1", "gene5"])
    figure.canvas.draw()
    boxes: list[Any] = [ax.get_tightbbox() for ax in figure.axes]
    assert all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= figure.bbox.x1 and b.y1 <= figure.bbox.y1 for b in boxes)
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])
    np.testing.assert_array_equal(predicted_result.X, before.X)
    assert list(predicted_result.layers) == []
    assert list(predicted_result.uns) == list(before.uns)


def test_errors_name_what_is_missing(predicted_result, domains_result):
    with pytest.raises(InputError, match=r"uns\['histology'\].*predict\(adata\) returned"):
        pl.predicted(domains_result)
    with pytest.raises(InputError, match=r"genes of the panel.*\['nope'\].*gene8"):
        pl.predicted(predicted_result, genes=["gene1", "nope"])
    with pytest.raises(InputError, match="at least one gene"):
        pl.predicted(predicted_result, genes=[])
    with pytest.raises(InputError, match="spots of the predictions in `measured`"):
        pl.predicted(predicted_result, domains_result[:50])
    with pytest.raises(InputError, match="library_key"):
        pl.predicted(predicted_result, library_key="nope")
    with pytest.raises(InputError, match="scale"):
        pl.predicted(predicted_result, scale="rank")  # type: ignore[arg-type]
    domains_result.X = domains_result.X * 0.5
    with pytest.raises(InputError, match="whole-number counts"):
        pl.predicted(predicted_result, domains_result)
