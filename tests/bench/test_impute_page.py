"""Page of results: every figure in it is computed here by hand."""

import pandas as pd

from spotweave.bench._impute_page import impute_page

COSTS = {"mode": "single", "threads": 2, "wall_s": 9.0, "cpu_s": 9.0, "peak_mb": 300.0, "error": ""}
SIZES = {"n_obs": 3_405, "n_reference": 5_613, "n_genes": 33, "n_wanted": 33, "n_folds": 10}


def row(dataset, method, seed=0, pcc=0.2, **more):
    scores = {"pcc": pcc, "ssim": 0.1, "rmse": 1.2, "js": 0.2, "residual_r": pcc / 2}
    scores |= {"deviance_explained": -5.0, "deviance_explained_median": 0.01, "moran_error": 0.3}
    return {"dataset": dataset, "method": method, "seed": seed, **COSTS, **SIZES, **scores, "fit_cpu_s": 2.0, **more}


def cells(page, start):
    """Cells of the one line that begins like this."""
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_page():
    rows = [row("osmfish_allen", "depth", pcc=0.3, moran_error=0.1), row("osmfish_allen", "tangram", pcc=0.4)]
    rows += [row("osmfish_allen", "tangram", seed=1, pcc=0.5, fit_cpu_s=4.0)]
    rows += [row("starmap_seqfish", "depth", pcc=0.1), row("starmap_seqfish", "tangram", n_folds=1)]
    rows += [row("sim_blobs", "depth", rate_r=0.25)]
    rows += [{"dataset": "sim_blobs", "method": "gimvi", "seed": 0, **COSTS, "error": "a|b"}]
    page = impute_page(pd.DataFrame(rows))
    assert "Means over seeds; 2 threads." in page
    _, measured, osmfish, starmap, blobs, failed = page.split("\n## ")
    assert measured.startswith("Measured targets, mean of 2")
    assert cells(measured, "`depth`") == ["0.200", "0.100", "1.200", "0.200", "0.100", "0.010", "0.200", "2"]
    assert "tangram" not in measured, "not run on all sets"
    assert "3,405 cells, reference of 5,613; 33 of 33 shared genes predicted in 10 folds." in osmfish
    expected = ["**0.450**", "**0.100**", "**1.200**", "**0.200**", "**0.225**", "**0.010**", "0.300", "3"]
    assert cells(osmfish, "`tangram`") == expected
    assert cells(osmfish, "`depth`")[0] == "0.300"
    assert cells(osmfish, "`depth`")[6] == "**0.100**"
    assert "`tangram`" not in starmap, "one fold is not ten"
    assert cells(blobs, "method")[7] == "r with true rates"
    assert cells(blobs, "`depth`")[7] == "0.250"
    assert "r with true rates" not in starmap
    assert "a\\|b" in failed


def test_methods_of_few_folds_are_compared_on_these():
    rows = [row("starmap_seqfish", "depth"), row("starmap_seqfish", "spage", n_folds=2, fit_cpu_s=7.0)]
    scores = {"ssim": 0.1, "rmse": 1.2, "js": 0.2, "moran_truth": 0.5}
    table = [
        {"dataset": data, "method": method, "fold": fold, "gene": f"g{fold}", "pcc": pcc, **scores}
        | {"residual_r": 0.1 * fold, "deviance_explained": 0.01 * fold, "moran_predicted": 0.5 - 0.1 * fold}
        for data, method, fold, pcc in (
            ("starmap_seqfish", "depth", 0, 0.2),
            ("starmap_seqfish", "depth", 1, 0.4),
            ("starmap_seqfish", "depth", 2, 0.9),
            ("starmap_seqfish", "spage", 0, 0.1),
            ("starmap_seqfish", "spage", 1, 0.1),
            ("osmfish_allen", "depth", 0, 0.7),
        )
    ]
    page = impute_page(pd.DataFrame(rows), pd.DataFrame(table))
    whole, few = page.split("## starmap_seqfish")[1].split("first 2 only; all methods on these, 2 genes")
    assert "`spage`" not in whole
    found = cells(few, "`depth`")
    assert [text.strip("*") for text in found] == ["0.300", "0.100", "1.200", "0.200", "0.050", "0.005", "0.050", "0.4"]
    assert cells(few, "`spage`")[-1] == "7"


def test_page_without_results():
    assert "## " not in impute_page(pd.DataFrame({"dataset": [], "method": [], "seed": [], "error": [], "mode": []}))
