"""Page of results: every figure in it is computed here by hand."""

import pandas as pd

from spotweave.bench._deconvolve_page import deconvolve_page

COSTS = {"mode": "single", "threads": 2, "wall_s": 9.0, "cpu_s": 9.0, "peak_mb": 300.0, "error": ""}
SIZES = {"n_obs": 1_000, "n_reference": 800, "n_genes": 500, "n_types": 8, "n_parts": 1}


def row(dataset, method, seed=0, rmse=0.2, cpu=2.0, **more):
    scores = {"rmse": rmse, "jsd": 0.1, "pcc_type": 0.7, "pcc_spot": 0.8, "aupr": 0.9, "r2": 0.5, "false_mass": 0.1}
    return {"dataset": dataset, "method": method, "seed": seed, **COSTS, **SIZES, **scores, "fit_cpu_s": cpu, **more}


def cells(page, start):
    """Cells of the one line that begins like this."""
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_page():
    rows = [row("sim_layers", "nnls", rmse=0.3), row("sim_layers", "cell2location", rmse=0.1, cpu=600.0)]
    rows += [row("sim_layers", "cell2location", seed=1, rmse=0.2, cpu=800.0)]
    rows += [
        row("sim_missing", "nnls", rmse=0.1, unknown_rmse=0.05, unknown_r=0.9),
        row("sim_missing", "rctd", n_parts=7),
    ]
    nothing = dict.fromkeys(["rmse", "jsd", "pcc_type", "pcc_spot", "aupr", "r2", "false_mass"])
    rows += [row("pdac", "nnls", marker_r=0.6) | nothing]
    rows += [{"dataset": "pdac", "method": "rctd", "seed": 0, **COSTS, "error": "a|b"}]
    types = [
        {"dataset": "sim_layers", "method": method, "seed": 0, "type": kind, "truth_mean": share, "pcc": pcc}
        for method, kind, share, pcc in (
            ("nnls", "x", 0.2, 0.5),
            ("nnls", "y", 0.8, 0.6),
            ("uniform", "y", 0.8, 0.0),
            ("nnls", "absent", 0.0, None),
        )
    ]
    types += [{"dataset": "pdac", "method": "nnls", "seed": 0, "type": "z", "found_mean": 0.25}]
    page = deconvolve_page(pd.DataFrame(rows), pd.DataFrame(types))
    assert "Means over seeds; 2 threads." in page
    _, mean, pdac, layers, missing, failed = page.split("\n## ")
    assert mean.startswith("Mean of 2 sets")
    assert cells(mean, "`nnls`") == ["0.200", "0.100", "0.700", "0.800", "0.900", "0.500", "0.100", "2", "350"]
    assert "`cell2location`" not in mean, "not run on all sets"
    assert "1,000 spots, 500 genes, reference of 800 cells, 8 types.\n" in layers
    assert cells(layers, "`cell2location`")[::7] == ["**0.150**", "700"]
    assert cells(layers, "`cell2location`")[-1] == "1"
    assert cells(layers, "`nnls`")[-1] == "350"
    assert [cells(layers, kind) for kind in "yx"] == [["0.800", "0.600"], ["0.200", "0.500"]]
    assert layers.index("| y |") < layers.index("| x |")
    assert "absent" not in layers
    assert "uniform" not in layers
    assert cells(missing, "method")[7:9] == ["unknown RMSE", "unknown r"]
    assert cells(missing, "`nnls`")[7:] == ["0.050", "0.900", "2"], "cell2location was not run there"
    assert cells(missing, "`rctd`")[7:9] == ["", ""]
    assert cells(pdac, "method") == ["marker r", "CPU s"]
    assert cells(pdac, "`nnls`") == ["0.600", "2"]
    assert cells(pdac, "z") == ["0.250"]
    assert "a\\|b" in failed


def test_what_was_not_run_is_not_told():
    with_it = deconvolve_page(pd.DataFrame([row("sim_layers", "nnls"), row("sim_layers", "cell2location")]))
    without = deconvolve_page(pd.DataFrame([row("sim_layers", "nnls")]))
    assert "cell2location ran for 10,000 epochs" in with_it
    assert "cell2location" not in without


def test_page_without_results():
    assert "## " not in deconvolve_page(
        pd.DataFrame({"dataset": [], "method": [], "seed": [], "error": [], "mode": []})
    )
