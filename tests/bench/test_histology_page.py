"""Page of results: every figure in it is computed here by hand, or by the library's own bootstrap."""

import numpy as np
import pandas as pd
import pytest

from spotweave import metrics
from spotweave.bench._histology_page import histology_page
from spotweave.bench._histology_tables import drawn, margin, said, section_means
from spotweave.metrics import BootstrapMean

COSTS = {"mode": "single", "threads": 2, "wall_s": 9.0, "cpu_s": 9.0, "fit_cpu_s": 7.0, "peak_mb": 300.0, "error": ""}


def row(name, panel, method, section, pearson, *, seed=0, target="log_normalized", **more):
    family, split = ("cohort", "group") if name.startswith("cohort") else (name, "section")
    about = {"dataset": f"{name}:{panel}:{target}", "set": name, "family": family, "split": split, "panel": panel}
    about |= {"target": target, "encoder": "handcrafted", "method": method, "seed": seed, "section": section}
    sizes = {"patient": section[:-1], "n_obs": 90, "n_genes": 30, "n_spots": 45, "n_panel": 12, "um_per_px": 0.5}
    scores = {"pearson": pearson, "pearson_median": pearson - 0.01, "spearman": pearson / 2, "r2": pearson**2}
    scores |= {"pearson_heg": pearson + 0.1, "n_predictable": 4, "published_panel": 0}
    return {**about, **sizes, **scores, **COSTS, **more}


def cells(page, start):
    """Cells of the one line that begins like this."""
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def part_of(page, title):
    (found,) = (part for part in page.split("\n#") if part.lstrip("#").startswith(f" {title}"))
    return found


@pytest.fixture
def rows() -> pd.DataFrame:
    found = []
    for section, base in (("B4", 0.1), ("C2", 0.2), ("C3", 0.4)):
        found += [row("her2st_sections", "top50", "ridge", section, base)]
        found += [row("her2st_sections", "top50", "mean", section, 0.0, n_predictable=0)]
        found += [row("her2st_sections", "top50", "depth", section, 0.9)]
        found += [
            row("her2st_sections", "top50", "network", section, base + d, seed=seed, fit_cpu_s=50.0)
            for seed, d in enumerate((0.02, 0.04))
        ]
    return pd.DataFrame(found)


def test_methods(rows):
    page = histology_page(rows)
    part = part_of(page, "her2st_sections, top50 (12 genes), `log_normalized`")
    methods, margins = part.split("Margins")
    interval = metrics.bootstrap_mean([0.13, 0.23, 0.43], ["a", "b", "c"])
    span = f"{interval.lower:.3f} to {interval.upper:.3f}"
    assert cells(methods, "`network`")[:2] == ["**0.263 ± 0.014**", span]
    assert cells(methods, "`network`")[2:] == ["**0.253**", "**0.132**", "**0.085**", "**0.363**", "4", "50"]
    assert cells(methods, "`ridge`")[0] == "0.233"
    assert cells(methods, "`depth`")[0] == "0.900", "an oracle is not the best method"
    assert cells(methods, "`mean`") == ["0.000", "0.000 to 0.000", "-0.010", "0.000", "0.000", "0.100", "0", "7"]
    assert cells(margins, "method") == ["- mean", "- depth", "- ridge", "- network"]
    assert cells(margins, "`network`")[2:] == ["**+0.030 (+0.030 to +0.030)**", ""]
    assert cells(margins, "`ridge`")[3] == "-0.030 (-0.030 to -0.030)"
    assert "3 sections of 2 patients, 135 spots; 0.500 um per pixel." in page
    assert "her_hvg_cut_1000.npy" in page


def test_sections_that_a_method_lacks_are_told(rows):
    page = histology_page(rows[~((rows["method"] == "ridge") & (rows["section"] == "C3"))])
    line = cells(page, "`ridge` (2 of 3 sections)")
    assert line[0] == "0.150"


def test_intervals_are_over_patients_where_these_are_held_out():
    values = {"P1": (0.1, 0.12), "P2": (0.5, 0.55), "P3": (0.3, 0.2)}
    found = [
        row(f"cohort_{k}", "top50", method, f"{patient}{i}", value + gain + k / 10)
        for k in (0, 1)
        for patient, both in values.items()
        for i, value in enumerate(both)
        for method, gain in (("ridge", 0.0), ("knn", 0.1 * i))
    ]
    rows = pd.DataFrame(found)
    wide = section_means(rows, "pearson")
    cluster, stratum = drawn(rows, wide.index)
    assert len(set(cluster)) == 6
    assert len(set(stratum)) == 2
    assert drawn(rows.assign(split="section"), wide.index)[0].tolist() == [f"{a}:{b}" for a, b in wide.index]
    expected = metrics.paired_margin(wide["knn"], wide["ridge"], cluster, stratum=stratum)
    assert margin(rows, wide["knn"], wide["ridge"]) == expected
    assert expected.mean == pytest.approx(0.05)
    page = histology_page(rows)
    assert "12 sections of 6 patients" in part_of(page, "cohort\n")
    interval = metrics.bootstrap_mean(wide["ridge"], cluster, stratum=stratum)
    assert f"{interval.lower:.3f} to {interval.upper:.3f}" in cells(page.partition("Margins of")[0], "`ridge`")


def test_margins_are_bold_above_zero_only():
    assert said(BootstrapMean(0.02, 0.01, 0.03)) == "**+0.020 (+0.010 to +0.030)**"
    assert said(BootstrapMean(0.02, -0.01, 0.05)) == "+0.020 (-0.010 to +0.050)"
    assert said(BootstrapMean(-0.0001, np.nan, np.nan)) == "+0.000"
    assert said(BootstrapMean(np.nan, np.nan, np.nan)) == ""


def test_floors(rows):
    listed = [
        row("her2st_sections", "own", method, section, value, target=target, published_panel=1)
        for target, shift in (("log_normalized", 0.0), ("legacy_gene_scaled", 0.2))
        for section, base in (("B4", 0.1), ("C2", 0.2))
        for method, value in (("ridge", base + shift), ("programs", base + shift + 0.01), ("depth", 0.9))
    ]
    page = histology_page(pd.concat([rows, pd.DataFrame(listed)]))
    floors = part_of(page, "Floors")
    assert cells(floors, "ridge / `ridge`, top50")[:3] == ["0.120", "0.233", "0.263 `network`"]
    assert cells(floors, "ridge / `ridge`, 785 genes, `log_normalized`")[:4] == [
        "0.133",
        "0.150",
        "0.160 `programs`",
        "0.146",
    ]
    assert cells(floors, "200 neighbours / `knn`, 785")[:3] == ["0.328", "", "0.360 `programs`"]
    assert cells(floors, "ridge + neighbours / `programs`")[1] == "0.160"


def test_published_medians():
    names = ("B4", "C2", "C3", "C4", "C5", "C6")
    ours = [
        row("her2st_sections", "own", m, s, v, target="legacy_gene_scaled", published_panel=1)
        for m, v in (("ridge", 0.31), ("depth", 0.9))
        for s in names
    ]
    part = part_of(histology_page(pd.DataFrame(ours)), "Beside published")
    assert cells(part, "GR2ST") == ["**0.498**", "**0.320**", "0.313", "0.307", "0.266", "0.246", "**0.325**"]
    assert cells(part, "mclSTExp")[2:4] == ["**0.314**", "**0.313**"]
    assert cells(part, "`ridge`") == ["0.300", "0.300", "0.300", "0.300", "**0.300**", "**0.300**", "0.300"]
    assert cells(part, "`depth`")[0] == "0.890"
    other = histology_page(pd.DataFrame(ours).assign(published_panel=0))
    assert "Beside published" not in other


def test_detection():
    counts = {"n_true": 10, "called_true": 8, "n_other": 40, "called_other": 2}
    found = [row("cohort_0", "top50", "ridge", "P1", 0.1, **counts)]
    found += [row("cohort_1", "top50", "ridge", "P1", 0.1, **{**counts, "called_true": 4})]
    found += [row("cohort_1", "top50", "depth", "P1", 0.1, **counts)]
    part = part_of(histology_page(pd.DataFrame(found)), "Genes called predictable")
    assert cells(part, "cohort, top50") == ["`ridge`", "0.600", "0.050", "0.250"]
    assert "depth" not in part.partition("| set")[2]


def test_another_encoder_is_a_set_of_its_own(rows):
    page = histology_page(pd.concat([rows, rows.assign(encoder="uni", dataset=rows["dataset"] + ":uni")]))
    assert "\n## her2st_sections\n" in page
    assert "\n## her2st_sections by uni\n" in page


def test_failures_and_nothing_else(rows):
    failed = pd.DataFrame([{"dataset": "a", "method": "knn", "seed": 0, **COSTS, "error": "x|y"}])
    assert "x\\|y" in histology_page(pd.concat([rows, failed]))
    assert "## Failed runs" in histology_page(failed)
    assert "| `" not in histology_page(failed)
