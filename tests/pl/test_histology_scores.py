from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from spotweave import InputError, pl
from spotweave.pl._figure import ACCENT, FAINT

NAMES = ["network", "ridge", "depth (oracle)", "mean (no image)"]


def dots(ax):
    """Positions and colours of the dots."""
    found = [c for c in ax.collections if isinstance(c, PathCollection)]
    xy = np.concatenate([np.asarray(c.get_offsets()) for c in found])
    return xy, [to_hex(c.get_facecolor()[0]) for c in found for _ in np.asarray(c.get_offsets())]


@pytest.mark.parametrize(("panel", "column"), [(0, "pearson"), (1, "r2")])
def test_methods_by_falling_mean_and_rows_without_an_image_in_grey_below(histology_scores_result, panel, column):
    figure = pl.histology_scores(histology_scores_result)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == NAMES
    ax: Any = figure.axes[panel]
    sections, summary = histology_scores_result.sections, histology_scores_result.summary
    order = ["network", "ridge", "depth", "mean"]
    np.testing.assert_allclose([p.get_width() for p in ax.patches], summary.loc[order, column])
    xy, colors = dots(ax)
    for y, method in enumerate(order):
        own = np.abs(xy[:, 1] - y) < 0.4
        expected = sections.loc[sections["method"] == method, column]
        np.testing.assert_allclose(np.sort(xy[own, 0]), np.sort(expected))
        assert set(np.array(colors)[own]) == {to_hex(FAINT if y > 1 else ACCENT)}
    spans = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 5]
    if column == "pearson":
        np.testing.assert_allclose(spans, summary.loc[order, ["lower", "upper"]])
    else:
        assert spans == []


def test_a_shape_for_each_patient_unless_there_are_too_many(histology_scores_result):
    legend = pl.histology_scores(histology_scores_result).axes[1].get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["P1", "P2", "P3"]
    sections = histology_scores_result.sections
    many = pd.concat([sections.assign(group=sections["group"] + str(i)) for i in range(5)])
    tables = {"sections": many, "summary": histology_scores_result.summary}
    assert pl.histology_scores(tables).axes[1].get_legend() is None


def test_very_poor_predictions_lie_at_the_edge(histology_scores_result):
    histology_scores_result.sections.loc[0, "r2"] = -40.0
    xy, _ = dots(pl.histology_scores(histology_scores_result).axes[1])
    assert xy[:, 0].min() == -1


def test_nothing_overlaps(histology_scores_result):
    histology_scores_result.summary.loc["mean", ["lower", "upper"]] = np.nan
    figure = pl.histology_scores(histology_scores_result)
    figure.canvas.draw()
    boxes: list[Any] = [ax.get_tightbbox() for ax in figure.axes]
    assert all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= figure.bbox.x1 and b.y1 <= figure.bbox.y1 for b in boxes)
    assert not boxes[0].overlaps(boxes[1])


def test_other_things_are_refused(histology_scores_result):
    with pytest.raises(InputError, match="table `sections`.*cross_validate_histology"):
        pl.histology_scores({"summary": histology_scores_result.summary})
    histology_scores_result.summary = histology_scores_result.summary[["r2"]]
    with pytest.raises(InputError, match=r"table `summary`.*\['r2'\]"):
        pl.histology_scores(histology_scores_result)
    with pytest.raises(InputError, match="table `sections`"):
        pl.histology_scores(None)
