import re

import numpy as np
import pytest

from spotweave._report._charts import _log_ticks, histogram, line_chart


def numbers(pattern, text):
    return [float(v) for v in re.findall(pattern, text)]


def test_histogram_bars_add_up_to_the_values(rng):
    values = np.concatenate([rng.lognormal(5, 1, 501), [0.0, 0.0]])
    svg = histogram(values, title="t", x_label="x")
    heights = np.array(numbers(r'<rect class="bar"[^>]*height="([\d.]+)"', svg))
    positive = values[values > 0]
    edges = np.linspace(np.log10(positive.min()), np.log10(positive.max()), 41)
    expected = np.histogram(np.log10(positive), bins=edges)[0]
    expected[0] += 2  # zeros stand at the left edge
    np.testing.assert_allclose(heights / heights.max(), expected / expected.max(), atol=0.002)


@pytest.mark.parametrize("values", [np.zeros(3), np.full(4, 7.0)])
def test_histogram_of_constant_values(values):
    assert ("<svg" in histogram(values, title="t", x_label="x")) == bool(values[0])


def test_line_chart_is_to_scale_and_skips_missing_values():
    svg = line_chart([2, 3, 4, 5], [[0.0, 1.0, np.nan, 2.0]], title="a & b", x_label="k", mark=3)
    (points,) = re.findall(r'points="([^"]*)"', svg)
    x, y = np.array([p.split(",") for p in points.split()], dtype=float).T
    np.testing.assert_allclose((x - x[0]) / (x[-1] - x[0]), [0, 1 / 3, 1], atol=0.01)
    np.testing.assert_allclose((y - y[0]) / (y[-1] - y[0]), [0, 0.5, 1], atol=0.01)
    assert numbers(r'class="mark" x1="([\d.]+)"', svg) == [x[1]]
    assert "a &amp; b" in svg


def test_error_bars_reach_as_far_as_the_errors():
    svg = line_chart([1, 2, 3], [[0.0, 1.0, 2.0]], title="t", x_label="x", errors=[0.5, 0.0, 1.0])
    ends = np.array(re.findall(r'class="error"[^>]*y1="([\d.]+)" y2="([\d.]+)"', svg), dtype=float)
    (points,) = re.findall(r'points="([^"]*)"', svg)
    y = np.array([p.split(",")[1] for p in points.split()], dtype=float)
    unit = y[0] - y[1]
    np.testing.assert_allclose((ends - y[:, None]) / unit, np.array([[0.5, -0.5], [0.0, 0.0], [1.0, -1.0]]), atol=0.01)


def test_line_chart_without_a_single_number():
    assert "<svg" in line_chart([1, 2], [[np.nan, np.nan]], title="t", x_label="x")


@pytest.mark.parametrize("span", [(0.0, 6.0), (2.0, 3.3), (2.26, 2.6), (2.300, 2.301)])
def test_log_ticks_lie_inside_and_are_neither_few_nor_many(span):
    ticks = _log_ticks(*span)
    assert 2 <= len(ticks) <= 7
    assert all(10 ** span[0] <= t * (1 + 1e-9) and t <= 10 ** span[1] * (1 + 1e-9) for t in ticks)
