"""Page of results: every figure in it is computed here by hand."""

import pandas as pd
import pytest

from spotweave.bench._denoise_page import denoise_page
from spotweave.bench._denoise_scaling import denoise_scaling_page
from spotweave.bench._denoise_tables import leaders

COSTS = {"mode": "single", "threads": 2, "n_obs": 1_200, "n_genes": 500, "wall_s": 1.0, "cpu_s": 2.0, "error": ""}
MOB, A1 = "st_mob_rep11", "her2st_A1"


def row(dataset, method, seed, deviance, correlation=0.1, **more):
    scores = {"deviance": deviance, "poisson_deviance": 2 * deviance, "correlation": correlation}
    numbers = {"split": seed // 100, "repeat": seed % 100, "peak_mb": 300.0}
    return {"dataset": dataset, "method": method, "seed": seed, **scores, **numbers, **COSTS, **more}


def cells(page, start):
    """Cells of the one line that begins like this."""
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.fixture
def rows() -> pd.DataFrame:
    found = []
    for split, shift in enumerate((0.0, 0.002)):
        found += [row(MOB, "mean", 100 * split, 0.8 + shift, 0.0), row(A1, "mean", 100 * split, 0.5 + shift, 0.0)]
        for repeat in range(2):
            found += [row(MOB, "factor", 100 * split + repeat, 0.6 + shift + 0.002 * repeat, 0.2)]
            found += [row(A1, "factor", 100 * split + repeat, 0.5500, 0.1)]
        found += [row(MOB, "magic", 100 * split, 0.55, 0.3)]
        found += [row(MOB, "gmm_vgae-no-graph", 100 * split, 0.65), row(MOB, "gmm_vgae", 100 * split, 0.59)]
    found += [row(A1, "gmm_vgae", 100, 0.52)]
    found += [row("sim_blobs_cell", "factor", 0, 0.3, truth_correlation=0.71)]
    found += [{"dataset": A1, "method": "gmm_vgae", "seed": s, **COSTS, "error": "a|b"} for s in (0, 1)]
    return pd.DataFrame(found)


def test_page(rows):
    page = denoise_page(rows, rows.iloc[:0])
    assert "over 2 splits and, for methods that draw random numbers, 2 seeds each; 2 threads" in page
    measured, rest = page.split("## Simulated tissues")
    deviances, correlations, overview, costs = (
        measured.split("| data set |")[1:3] + measured.split("Means over")[1:] * 2
    )
    assert deviances.splitlines()[0] == " mean | factor | gmm_vgae | magic |"
    assert cells(deviances, MOB) == ["0.8010 ± 0.0014", "0.6020 ± 0.0016", "0.5900 ± 0.0000", "**0.5500 ± 0.0000**"]
    assert cells(deviances, A1) == ["**0.5010 ± 0.0014**", "0.5500 ± 0.0000", "0.5200", ""]
    assert cells(deviances, "**mean") == ["0.6510", "0.5760", "**0.5550**", "0.5500 (1 of 2 sets)"]
    assert cells(correlations, MOB) == ["0.000 ± 0.000", "0.200 ± 0.000", "0.100 ± 0.000", "**0.300 ± 0.000**"]
    part = (0.602 / 0.801 + 0.55 / 0.501) / 2
    assert cells(overview, "`factor`") == ["0.5760", f"{part:.3f}", "1.1520", "**0.150**", "0 of 2"]
    assert cells(overview, "`magic`") == ["0.5500", f"{0.55 / 0.801:.3f}", "1.1000", "0.300", "1 of 1"]
    assert cells(overview, "`mean`")[1:] == ["1.000", "1.3020", "0.000", "1 of 2"]
    assert cells(costs, f"{MOB} | 1,200")[1:] == ["1 · 2 · 300"] * 4
    simulated, parts = rest.split("## What the parts of gmm_vgae are worth")
    assert cells(simulated.split("true ones")[1].split("Means")[0], "sim_blobs_cell") == ["0.710"]
    assert cells(parts.split("Correlation")[0], MOB) == ["**0.5900 ± 0.0000**", "0.6500 ± 0.0000"]
    assert A1 not in parts.split("## Failed")[0]
    assert r"| her2st_A1 | gmm_vgae | 0, 1 | a\|b |" in parts


def test_the_other_splitting_has_a_section(rows):
    page = denoise_page(rows.iloc[:0], rows)
    assert "## Measured tissues" not in page
    assert cells(page.split("## Negative binomial")[1].split("Correlation")[0], "sim_blobs") == ["", "0.3000", "", ""]


def test_nothing_but_failures():
    failed = pd.DataFrame([{"dataset": MOB, "method": "mean", "seed": 0, **COSTS, "error": "died"}])
    empty = pd.DataFrame({"dataset": [], "method": [], "error": []})
    assert f"| {MOB} | mean | 0 | died |" in denoise_page(failed, empty)


def test_leaders():
    assert leaders({"a": 0.50004, "b": 0.49996, "c": 0.6}, "low", 4) == {"a", "b"}
    assert leaders({"a": 0.50004, "b": 0.49986, "c": 0.6}, "low", 4) == {"b"}
    assert leaders({"a": 0.5, "b": 0.6, "c": float("nan")}, "high") == {"b"}
    assert leaders({"a": 0.5}, "low") == set()
    assert leaders({"a": 0.5, "b": 0.6}, "") == set()


def test_scaling_and_its_goal():
    sizes = {10_000: 10.0, 100_000: 200.0}
    found = [row(f"cells_{n}", "factor", 0, 0.0, n_obs=n, wall_s=w, cpu_s=w) for n, w in sizes.items()]
    found += [row("cells_100000", "gmm_vgae", 0, 0.0, n_obs=100_000, wall_s=601.0)]
    page = denoise_scaling_page(pd.DataFrame(found))
    goal = page.split("Goal: 100,000 cells within 10 minutes and 4 GB")[1]
    assert cells(goal, "`factor`") == ["200", "300", "yes"]
    assert cells(goal, "`gmm_vgae`") == ["601", "300", "no"]
    assert cells(page.split("Exponent")[1].split("Goal")[0], "`factor`") == ["1.30", "1.30"]
    found[1]["peak_mb"] = 4_001.0
    assert cells(denoise_scaling_page(pd.DataFrame(found)).split("Goal")[1], "`factor`") == ["200", "4001", "no"]
    assert "Goal" not in denoise_scaling_page(pd.DataFrame(found[:1]))
