from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from spotweave import InputError, pl
from spotweave.pl._imputed_scores import WARN, coverage_table


def dots(ax):
    """Positions of all dots and their colours."""
    found = [c for c in ax.collections if isinstance(c, PathCollection)]
    xy = np.concatenate([np.asarray(c.get_offsets()) for c in found])
    return xy, [to_hex(c.get_facecolor()[0]) for c in found for _ in np.asarray(c.get_offsets())]


def texts(ax):
    return [t.get_text() for t in ax.texts if t.get_text()]


def box_of(ax):
    box = ax.get_tightbbox()
    assert box is not None
    return box


def test_genes_are_ranked_with_what_was_expected_of_each(imputed_result):
    ax: Any = pl.imputed_scores(imputed_result).axes[0]
    held = imputed_result.uns["impute"]["held_out"].sort_values("residual_r", ascending=False)
    np.testing.assert_allclose(
        np.asarray(ax.lines[0].get_xydata()), np.column_stack([np.arange(1, 31), held["residual_r"]])
    )
    np.testing.assert_allclose(dots(ax)[0][:, 1], held["expected_correlation"])
    assert texts(ax)[0] == "median 0.20, above 0: 83% of 30 genes"
    assert held.index[0] in texts(ax)
    assert [t.get_text() for t in ax.get_legend().texts] == ["expected", "found"]


def test_false_patterns_stand_out(imputed_result):
    ax = pl.imputed_scores(imputed_result).axes[1]
    held = imputed_result.uns["impute"]["held_out"]
    xy, colors = dots(ax)
    false = held["flat_patterned"].to_numpy()
    expected = held[["moran", "moran_expected"]].to_numpy()
    np.testing.assert_allclose(xy, np.concatenate([expected[~false], expected[false]]))
    assert colors.count(WARN) == false.sum() == 3
    assert ax.get_xlim() == ax.get_ylim()
    assert texts(ax) == ["median 0.24 → 0.15; false: 3 of 7 flat"]


def test_coverage_is_the_mean_of_genes_and_most_of_their_range(imputed_result):
    ax: Any = pl.imputed_scores(imputed_result).axes[2]
    held = imputed_result.uns["impute"]["held_out"]
    columns = [held[f"coverage_{level}"].to_numpy() for level in (50, 80, 90, 95)]
    places = np.column_stack([[0.5, 0.8, 0.9, 0.95], [c.mean() for c in columns]])
    np.testing.assert_allclose(np.asarray(ax.lines[0].get_xydata()), places)
    bars = [np.asarray(s)[:, 1] for s in ax.collections[0].get_segments()]
    np.testing.assert_allclose(bars, [np.quantile(c, [0.1, 0.9]) for c in columns])
    assert ax.get_ylim()[0] <= min(c[0] for c in bars)


def test_nothing_overlaps(imputed_result):
    figure = pl.imputed_scores(imputed_result)
    figure.canvas.draw()
    boxes = [box_of(ax) for ax in figure.axes]
    assert all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= figure.bbox.x1 and b.y1 <= figure.bbox.y1 for b in boxes)
    assert not any(a.overlaps(b) for a, b in zip(boxes[:-1], boxes[1:], strict=True))


def test_only_panels_of_what_is_stored(imputed_result):
    held = imputed_result.uns["impute"]["held_out"]
    held.loc["gene4", "residual_r"] = np.nan  # could not be scored
    assert len(dots(pl.imputed_scores(imputed_result).axes[0])[0]) == 29
    imputed_result.uns["impute"]["held_out"] = held[["moran", "moran_expected"]]
    (ax,) = pl.imputed_scores(imputed_result).axes
    assert texts(ax) == ["median 0.24 → 0.15"]
    imputed_result.uns["impute"]["held_out"] = held[["mean"]]
    with pytest.raises(InputError, match="scores of held-out genes"):
        pl.imputed_scores(imputed_result)


def test_table_of_coverage(imputed_result, domains_result):
    held = imputed_result.uns["impute"]["held_out"]
    found = coverage_table(held)
    assert found.index.tolist() == [50.0, 80.0, 90.0, 95.0]
    assert found.loc[80, "mean"] == pytest.approx(held["coverage_80"].mean())
    assert coverage_table(held[["moran"]]).empty
    with pytest.raises(InputError, match=r"tl\.impute"):
        pl.imputed_scores(domains_result)
