"""Page of results: every figure in it is computed here by hand."""

import pandas as pd
import pytest

from spotweave.bench._genes_test_page import genes_test_page

COSTS = {"mode": "single", "threads": 2, "wall_s": 9.0, "cpu_s": 9.0, "peak_mb": 300.0, "error": ""}


def row(dataset, method, seed=0, **scores):
    costs = {**COSTS, "n_obs": 3_600, "n_genes": 1_000, "fit_s": 1.0, "fit_cpu_s": 2.0}
    return {"dataset": dataset, "method": method, "seed": seed, **costs, **scores}


def simulated(dataset, method, seed, power, null_rate=0.05):
    more = {"fdr": 0.04, "auroc": power + 0.1, "null_rate": null_rate, "null_rate_strict": 0.001}
    return row(dataset, method, seed, power=power, n_called=100, **more)


@pytest.fixture
def rows() -> pd.DataFrame:
    found = [simulated("sim_bumps", "covariance", seed, 0.80 + 0.02 * seed) for seed in (0, 1)]
    found += [simulated("sim_bumps", "sparkx", seed, 0.7) for seed in (0, 1)]
    found += [simulated("sim_niches", "covariance", 0, 0.6), simulated("sim_niches", "sparkx", 0, 0.4)]
    found += [simulated("sim_depth", "covariance", 0, 0.5, 0.06), simulated("sim_depth", "sparkx", 0, 0.9, 0.93)]
    found += [row("dlpfc_151673", "sparkx", n_called=55, n_differ=5_017, agreement=0.94)]
    found += [row("sim_genome", "covariance", n_called=9, fit_cpu_s=1.5, power=0.1)]
    found += [{"dataset": "sim_genome", "method": "hotspot", "seed": 0, **COSTS, "error": "a|b"}]
    return pd.DataFrame(found)


@pytest.fixture
def null() -> pd.DataFrame:
    scores = {"null_rate_sparse": 0.03, "null_rate_abundant": 0.06, "null_rate_strict": 0.0}
    return pd.DataFrame(
        [row("dlpfc_151673", "sparkx", s, null_rate=0.04 + 0.02 * s, n_called=s, **scores) for s in (0, 1)]
    )


def cells(page, start):
    """Cells of the one line that begins like this."""
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_page(rows, null):
    page = genes_test_page(rows, null)
    assert "over 2 seeds or permutations; 2 threads" in page
    head, simulated, depth, permuted, measured, costs, failed = page.split("\n## ")
    # means over the sets whose depth is even, then flat genes where it is not
    assert cells(head, "`covariance`") == ["0.705", "0.040", "0.805", "0.050", "0.060", "", "", "1.5"]
    assert cells(head, "`sparkx`") == ["0.550", "0.040", "0.650", "0.050", "0.930", "0.050", "0.940", ""]
    power, fdr = simulated.split("| data set |")[1:3]
    assert cells(power, "sim_bumps") == ["**0.810 ± 0.014**", "0.700 ± 0.000"]
    assert cells(power, "**mean") == ["**0.705**", "0.550"]
    assert cells(fdr, "sim_niches") == ["0.040", "0.040"]
    assert "sim_depth" not in simulated
    assert cells(depth, "`sparkx`") == ["0.900", "0.040", "1.000", "0.930", "0.001"]
    assert cells(permuted.split("| data set |")[1], "dlpfc") == ["0.050 ± 0.014"]
    assert cells(permuted.split("| data set |")[5], "dlpfc") == ["0.5 ± 0.7"]
    assert "5,017 of 1,000 (dlpfc_151673)" in measured
    assert cells(measured.split("| data set |")[1], "dlpfc") == ["0.940"]
    assert cells(costs, "sim_genome") == ["3,600 x 1,000", "1 · 1.5 · 300", ""]
    assert cells(costs, "sim_bumps") == ["3,600 x 1,000", "1 · 2 · 300", "1 · 2 · 300"]
    assert r"| sim_genome | hotspot | 0 | a\|b |" in failed


def test_parts_alone(rows, null):
    nothing = rows.iloc[:0]
    assert genes_test_page(nothing, null).count("\n## ") == 1
    assert "## Permuted" not in genes_test_page(rows, nothing)
    real = rows[rows["dataset"] == "dlpfc_151673"]
    assert "## Simulated genes" not in genes_test_page(real, nothing)
    assert "| sim_genome | hotspot |" in genes_test_page(rows[rows["error"] != ""], nothing)


def test_a_score_that_no_run_has_gets_no_table(rows, null):
    page = genes_test_page(rows.drop(columns="agreement"), null)
    assert "\nAgreement.\n" not in page
    assert "## Measured" in page
