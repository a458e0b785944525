"""Pages of results: every figure in them is computed here by hand."""

import pandas as pd
import pytest

from spotweave.bench._domains_page import domains_page
from spotweave.bench._scaling import scaling_page
from spotweave.bench._section import section_page

COSTS = {"mode": "single", "threads": 2, "n_genes": 500, "error": ""}
STARMAP, C1 = "starmap_visual_cortex_1207", "her2st_C1"


def row(dataset, truth, method, seed, ari, wall=1.0, **more):
    scores = {"nmi": ari / 2, "homogeneity": ari / 4, "chaos": 0.1, "pas": 0.05, "n_obs": 1_207}
    costs = {"wall_s": wall, "cpu_s": 2 * wall, "fit_s": wall / 2, "process_s": wall + 2, "peak_mb": 400.4, **COSTS}
    return {"dataset": dataset, "truth": truth, "method": method, "seed": seed, "ari": ari, **scores, **costs, **more}


def cells(page, start):
    """Cells of the one line that begins like this."""
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.fixture
def rows() -> pd.DataFrame:
    rows = []
    for seed, (smooth, fusion, second) in enumerate([(0.5, 0.626, 0.8), (0.6, 0.726, 0.9)]):
        rows += [
            row(STARMAP, "label", "smooth", seed, smooth, wall=2 + seed),
            row(STARMAP, "label", "fusion", seed, fusion, wall=10),
            row(STARMAP, "smoothed_manual_banksy", "fusion", seed, second, wall=10),
        ]
    rows += [row(C1, "label", "smooth", 0, 0.2), row(C1, "label", "fusion", 0, 0.1, mode="fast")]
    rows += [{"dataset": C1, "method": "fusion", "seed": s, **COSTS, "error": "a|b"} for s in (1, 2)]
    rows += [row("sim_blobs_cell", "domain_true", "smooth", 0, 0.45)]
    return pd.DataFrame(rows)


def test_domains(rows):
    page = domains_page(rows)
    measured, simulated = page.split("## Simulated tissues")
    assert cells(measured, f"{STARMAP} (`label`)") == ["0.594", "0.550 ± 0.071", "**0.676 ± 0.071**"]
    assert cells(measured, f"{STARMAP} (`smoothed") == ["0.837", "", "**0.850 ± 0.071**"]
    assert cells(measured, f"{C1} (`label`)") == ["0.240", "0.200 (n = 1)", "0.100 (n = 1)"]
    assert cells(measured, "**mean") == ["0.417", "0.375", "0.388"]
    assert cells(measured, "`fusion`") == [
        *("0.388", "0.194", "0.097", "0.100", "0.050"),
        *("+0.013", f"-0.100 ({C1})", f"0.071 ({STARMAP})", "2 of 3"),
    ]
    assert cells(measured, f"{STARMAP} | 1") == ["1,207 x 500", "2.5 · 5 · 400", "10 · 20 · 400"]
    assert cells(measured, f"{C1} | 1,207") == ["1,207 x 500", "1 · 2 · 400", "1 · 2 · 400 f"]
    assert cells(simulated, "sim_blobs_cell (") == ["", "0.450"]
    assert r"| her2st_C1 | fusion | 1, 2 | a\|b |" in page


def test_a_method_that_lacks_a_set_says_so(rows):
    page = domains_page(rows[~((rows["dataset"] == C1) & (rows["method"] == "smooth"))])
    assert cells(page.split("## Simulated")[0], "**mean")[1] == "0.550 (1 of 2 sets)"


def test_scaling():
    sizes = {1_000: 1.0, 10_000: 10.0, 100_000: 1_000.0}
    rows = [row(f"cells_{n}", "domain_true", "smooth", 0, 0.5, wall=w, n_obs=n) for n, w in sizes.items()]
    rows += [row(f"cells_{n}", "domain_true", "fusion", 0, 0.5, wall=7 * n / 1e3, n_obs=n) for n in sizes]
    page = scaling_page(pd.DataFrame(rows))
    tables = page.split("Exponent b")
    assert cells(tables[1], "`smooth`") == ["1.50", "2.00"]
    assert cells(tables[1], "`fusion`") == ["1.00", "1.00"]
    assert cells(tables[0], "cells_100000") == ["100,000 x 500", "1000 · 2000 · 400", "700 · 1400 · 400"]
    assert cells(tables[1], "cells_1000 ") == ["7.0 · 7.0"]
    order = [line.split()[1] for line in tables[0].splitlines() if line.startswith("| cells")]
    assert order == ["cells_1000", "cells_10000", "cells_100000"]


def test_section():
    rows = [row("dlpfc_151673", "layer", "smooth", s, 0.5, wall=w) for s, w in enumerate([3.0, 1.0, 2.0])]
    rows += [row("dlpfc_151673", "layer", "fusion", s, 0.6, wall=9.0, peak_mb=p) for s, p in enumerate([700, 900])]
    page = section_page(pd.DataFrame(rows))
    assert cells(page, "`smooth`") == ["3", "2", "4", "1", "4", "400", "0.500", "1.0 · 1.0"]
    assert cells(page, "`fusion`") == ["2", "9", "18", "4.5", "11", "900", "0.600", "4.5 · 4.5"]


@pytest.mark.parametrize("page", [domains_page, scaling_page, section_page])
def test_nothing_but_failures(page):
    rows = pd.DataFrame([{"dataset": "cells_10", "method": "smooth", "seed": 0, **COSTS, "error": "died"}])
    assert "| cells_10 | smooth | 0 | died |" in page(rows)
