import numpy as np
import pandas as pd
import pytest

from spotweave.bench import _summary as summary


@pytest.fixture
def table() -> pd.DataFrame:
    """Two sets, one of two truths; two methods; one run failed, one is fast."""
    rows = [
        ("s", "t", "smooth", 0, 0.5, 1.0, 100, "single", ""),
        ("s", "t", "smooth", 1, 0.7, 3.0, 120, "single", ""),
        ("s", "t", "smooth", 2, np.nan, np.nan, np.nan, "single", "died"),
        ("s", "u", "smooth", 0, 0.1, 1.0, 100, "single", ""),
        ("s", "u", "smooth", 1, 0.2, 3.0, 120, "single", ""),
        ("s", "t", "fusion", 0, 0.9, 8.0, 300, "single", ""),
        ("s", "t", "fusion", 1, 0.8, 0.5, 900, "fast", ""),
        ("z", "t", "smooth", 0, 0.3, 2.0, 90, "fast", ""),
        ("z", "t", "fusion", 0, 0.2, 4.0, 80, "single", ""),
    ]
    columns = ["dataset", "truth", "method", "seed", "ari", "wall_s", "peak_mb", "mode", "error"]
    return pd.DataFrame(rows, columns=columns).assign(cpu_s=lambda t: t["wall_s"] * 2)


def test_spread(table):
    found = summary.entries(summary.spread(table, "ari"))
    assert found["s", "t", "smooth"] == {"mean": pytest.approx(0.6), "sd": pytest.approx(np.sqrt(0.02)), "n": 2}
    assert found["s", "t", "fusion"]["mean"] == pytest.approx(0.85)
    assert np.isnan(found["z", "t", "smooth"]["sd"])


def test_mean_over_sets_counts_each_set_once(table):
    counted = summary.first_truths(table, {"s": "t", "z": "t"})
    means = summary.over_sets(counted, ["ari"])["ari"]
    assert means["smooth"] == pytest.approx((0.6 + 0.3) / 2)
    assert means["fusion"] == pytest.approx((0.85 + 0.2) / 2)


def test_differences(table):
    gaps = summary.differences(summary.first_truths(table, {"s": "t", "z": "t"}), "ari", "smooth")
    assert gaps["fusion"].to_dict() == {"s": pytest.approx(0.25), "z": pytest.approx(-0.1)}
    assert summary.differences(table, "ari", "absent").empty


def test_costs_count_a_run_once_and_fast_ones_only_alone(table):
    found = summary.entries(summary.costs(table))
    assert found["s", "smooth"] == {"wall_s": 2.0, "cpu_s": 4.0, "peak_mb": 120, "n": 2, "mode": "single"}
    assert found["s", "fusion"] == {"wall_s": 8.0, "cpu_s": 16.0, "peak_mb": 300, "n": 1, "mode": "single"}
    assert found["z", "smooth"]["mode"] == "fast"


def test_exponent():
    n = np.array([3_000, 30_000, 100_000])
    assert summary.exponent(n, 0.02 * n**1.07) == pytest.approx(1.07)
    assert summary.exponent(n, [1.0, np.nan, 2.0]) == pytest.approx(np.log(2) / np.log(100 / 3))
    assert np.isnan(summary.exponent([100], [1.0]))
