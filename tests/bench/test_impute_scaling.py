"""Cost of imputation: sizes, files, page."""

from dataclasses import replace

import pandas as pd
import pytest

from spotweave import bench
from spotweave.bench import _impute_scaling as scaling
from spotweave.bench._impute_scaling import fit, impute_scaling_page, load, score, target
from spotweave.cli import main


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Few genes and a small reference."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, value in (("N_PANEL", 30), ("N_GENES", 50), ("N_REFERENCE", 60)):
        monkeypatch.setattr(scaling, name, value)


@pytest.mark.usefixtures("small")
def test_target_has_the_panel_and_the_reference_all_genes(tmp_path):
    item = target(120)
    both = load(item, item.source.locate(tmp_path, tmp_path))
    assert (both.target.shape, both.reference.shape) == ((120, 30), (60, 50))
    assert list(both.target.var_names) == [name for name in both.reference.var_names if name in both.target.var_names]
    assert list(both.target.var_names) != list(both.reference.var_names[:30]), "genes stand by program: drawn, not cut"
    found = fit(both, {"method": "ridge"}, 0)
    (row,) = score(both, found)
    assert row == {"n_obs": 120, "n_genes": 30, "n_wanted": 20, "n_reference": 60}
    assert {"lower", "upper"} <= set(found.layers)


@pytest.mark.usefixtures("small")
def test_from_command_to_page(capsys, tmp_path):
    out = tmp_path / "out"
    tokens = ["--sizes", "1_00", "--methods", "mean", "--threads", "1", "-o", str(out)]
    assert main(["bench", "impute-scaling", *tokens]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "impute_scaling.md")
    rows = pd.read_csv(out / "impute_scaling.csv")
    assert rows["error"].isna().all()
    assert rows.set_index("dataset")["n_obs"].to_dict() == {"cells_100": 100}
    assert set(rows["mode"]) == {"single"}


def test_each_run_has_a_process_of_its_own(monkeypatch, running):
    seen = []

    def run_task(task, items, settings, seeds, running):
        seen.append((task.name, [item.name for item in items], settings, list(seeds), running.fast))
        return pd.DataFrame({"dataset": [], "method": [], "seed": [], "threads": [], "error": []})

    monkeypatch.setattr("spotweave.bench._scaling.run_task", run_task)
    running.output.mkdir()
    bench.impute_scaling([300, 200, 300], "ridge", repeats=2, running=replace(running, fast=True))
    assert seen == [("impute_scaling", ["cells_200", "cells_300"], {"ridge": {"method": "ridge"}}, [0, 1], False)]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [(["--sizes", "9"], "`sizes`"), (["--methods", "y"], "methods out of"), (["--repeats", "0"], "`repeats`")],
)
def test_wrong_options_are_one_line_and_status_2(capsys, tmp_path, tokens, text):
    assert main(["bench", "impute-scaling", *tokens, "-o", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert text in err
    assert not (tmp_path / "out").exists()


def test_page():
    costs = {"mode": "single", "threads": 2, "n_genes": 500, "peak_mb": 300.0, "error": ""}
    sizes = {5_000: 10.0, 100_000: 200.0}
    rows = [
        {"dataset": f"cells_{n}", "method": "combined", "seed": 0, "n_obs": n, "wall_s": s / 2, "cpu_s": s, **costs}
        for n, s in reversed(sizes.items())
    ]
    lines = impute_scaling_page(pd.DataFrame(rows)).splitlines()
    at = [lines.index(line) for line in lines if line.startswith("| cells_")]
    assert [lines[i] for i in at] == [
        "| cells_5000 | 5,000 x 500 | 5 · 10 · 300 |",
        "| cells_100000 | 100,000 x 500 | 100 · 200 · 300 |",
    ]
    assert "| `combined` | 1.00 | 1.00 |" in lines
