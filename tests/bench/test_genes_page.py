"""Page of results: every figure in it is computed here by hand."""

import pandas as pd
import pytest

from spotweave.bench._genes_page import genes_page

COSTS = {"mode": "single", "threads": 1, "wall_s": 9.0, "cpu_s": 9.0, "peak_mb": 300.0, "error": ""}


def row(dataset, method, truth, seed=0, n_obs=3_600, fit_cpu_s=2.0, **scores):
    costs = {**COSTS, "n_obs": n_obs, "n_genes": 1_000, "fit_s": 1.0, "fit_cpu_s": fit_cpu_s}
    return {"dataset": dataset, "method": method, "seed": seed, "truth": truth, **costs, **scores}


def planted(dataset, method, seed, ari):
    scores = {"ari_kmeans": ari, "ari_modules": ari + 0.1, "ari_chosen": ari - 0.1, "n_chosen": 18 + seed}
    return row(dataset, method, "modules", seed, n_scored=700, **scores)


def pair(dataset, method, truth, mrr):
    scores = {"mrr": mrr, "top10": 0.3, "rank": 0.12345, "mrr_like": 0.4, "rank_like": mrr / 2, "overlap": 0.15}
    return row(dataset, method, truth, n_scored=1_234, ari_sections=0.2, **scores)


def function(dataset, method, truth, go):
    return row(dataset, method, truth, go=go + 0.05, go_corrected=go, n_terms=50)


@pytest.fixture
def rows() -> pd.DataFrame:
    found = [planted("sim_bumps", "smooth", seed, 0.50 + 0.02 * seed) for seed in (0, 1)]
    found += [planted("sim_bumps", "mae", seed, 0.6) for seed in (0, 1)]
    found += [planted("sim_small", "smooth", 0, 0.3), planted("sim_small", "mae", 0, 0.2)]
    for dataset, shift in (("dlpfc_pair", 0.1), ("her2st_pair", 0.0), ("dlpfc_null", -0.19)):
        for method, mrr in (("smooth", 0.2), ("mae", 0.3)):
            found += [pair(dataset, method, "all", mrr + shift)]
            found += [function(dataset, method, "dlpfc_151673", 0.55 + shift / 2)] if dataset != "her2st_pair" else []
    found += [pair("dlpfc_pair", "smooth", "varying", 0.5), pair("dlpfc_pair", "mae", "varying", 0.7)]
    found += [function("her2st_C1", "smooth", "her2st_C1", 0.52)]
    found += [row("cost_3639", "smooth", "cost"), row("cost_14556", "smooth", "cost", n_obs=14_556, fit_cpu_s=7.0)]
    found += [row("cost_3639", "mae", "cost", fit_cpu_s=90.0)]
    found += [{"dataset": "cost_14556", "method": "mae", "seed": 0, "truth": "", **COSTS, "error": "a|b"}]
    return pd.DataFrame(found)


def cells(page, start):
    """Cells of the one line that begins like this."""
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_page(rows):
    page = genes_page(rows)
    assert "over 2 seeds" in page
    assert "1 thread. " in page
    head, planted, pairs, done, null, costs, failed = page.split("\n## ")
    assert cells(head, "`smooth`") == ["0.405", "0.505", "0.305", "0.500", "0.150", "0.200", "0.560", "2"]
    assert cells(head, "`mae`") == ["0.400", "0.500", "0.300", "0.700", "0.150", "0.200", "0.600", "90"]
    tables = planted.split("| data set |")
    assert cells(tables[1], "sim_bumps") == ["0.510 ± 0.014", "**0.600 ± 0.000**"]
    assert cells(tables[1], "**mean") == ["**0.405**", "0.400"]
    assert cells(tables[3], "sim_small") == ["**0.200**", "0.100"]
    assert cells(tables[4], "sim_bumps") == ["18.5 ± 0.7", "18.5 ± 0.7"]
    tables = pairs.split("| data set |")
    assert "1,234 in dlpfc_pair (all genes)" in tables[0]
    assert cells(tables[1], "dlpfc_pair (all") == ["0.300", "**0.400**"]
    assert cells(tables[1], "dlpfc_pair (varying") == ["0.500", "**0.700**"]
    assert cells(tables[3], "her2st_pair (all") == ["**0.1235**", "**0.1235**"]
    assert cells(tables[5], "her2st_pair (all") == ["**0.1000**", "0.1500"], "lower is better"
    assert "null" not in pairs
    tables = done.split("| data set |")
    assert cells(tables[1], "dlpfc_151673") == ["**0.600**", "**0.600**"]
    assert cells(tables[1], "her2st_C1") == ["0.520", ""]
    assert cells(tables[2], "dlpfc_151673") == ["**0.650**", "**0.650**"]
    tables = null.split("| data set |")
    assert cells(tables[1], "dlpfc_null (all") == ["0.010", "0.110"]
    assert cells(tables[-1], "dlpfc_151673") == ["0.455", "0.455"]
    assert cells(costs, "cost_14556") == ["14,556 x 1,000", "1 · 7 · 300", ""]
    assert cells(costs, "`smooth`") == ["3.5"]
    assert "| `mae`" not in costs, "four times the spots have not been run"
    assert r"| cost_14556 | mae | 0 | a\|b |" in failed


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (["sim_bumps"], "Planted modules"),
        (["her2st_pair"], "Two sections of one tissue"),
        (["her2st_C1"], "Co-function"),
        (["dlpfc_null"], "Permuted counts"),
        (["cost_3639"], "Times and memory"),
    ],
)
def test_parts_alone(rows, names, title):
    own = rows[rows["dataset"].isin(names)].dropna(axis=1, how="all")
    parts = genes_page(own).split("\n## ")
    assert [part.split("\n")[0] for part in parts[1:]] == [title]


def test_failures_alone(rows):
    assert "## Failed runs" in genes_page(rows[rows["error"] != ""])
