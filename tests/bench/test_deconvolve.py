"""From the command to tables and page, on a set that takes a second."""

from dataclasses import replace

import pandas as pd
import pytest

from spotweave import InputError, bench
from spotweave.bench import _deconvolve_scaling as scaling
from spotweave.bench import _deconvolve_sets as sets
from spotweave.bench._deconvolve_sets import SpotSet
from spotweave.bench._impute_sets import SimulatedPair
from spotweave.cli import main


@pytest.fixture
def small(monkeypatch, tmp_path):
    """One small tissue in place of all others."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    options = {"n_obs": 60, "n_genes": 80, "n_domains": 2, "n_types": 4, "rng": 3}
    item = SpotSet("sim_layers", SimulatedPair(options, {"n_obs": 50, "rng": 1}), "proportions_true")
    monkeypatch.setattr(sets, "SETS", {item.name: item})
    monkeypatch.setitem(sets.GROUPS, "all", [item.name])


@pytest.mark.usefixtures("small")
def test_from_command_to_page(capsys, tmp_path):
    out = tmp_path / "out"
    options = ["--sets", "all", "--threads", "1", "--fast", "-o", str(out)]
    assert main(["bench", "deconvolve", "--methods", "trivial", *options]) == 0
    said, err = capsys.readouterr()
    assert (said.splitlines()[-1], err) == (str(out / "deconvolve.md"), "")
    rows, types = pd.read_csv(out / "deconvolve.csv"), pd.read_csv(out / "deconvolve_types.csv")
    assert rows["error"].isna().all()
    assert rows["method"].tolist() == ["reference", "uniform"]
    assert rows["n_types"].tolist() == [4, 4]
    assert (rows["pcc_type"] == 0).all(), "the same in all spots"
    assert types.groupby("method").size().to_dict() == {"reference": 4, "uniform": 4}
    assert "| `uniform` |" in (out / "deconvolve.md").read_text()


def test_other_packages_are_left_out_with_a_reason(monkeypatch, running):
    monkeypatch.delenv("SPOTWEAVE_PEER_RCTD", raising=False)
    with pytest.raises(InputError, match="SPOTWEAVE_PEER_RCTD is not set"):
        bench.deconvolve("sim_layers", "rctd", running=running)


@pytest.mark.parametrize(
    ("command", "tokens", "text"),
    [
        ("deconvolve", ["--sets", "x"], "data sets out of"),
        ("deconvolve", ["--methods", "y"], "methods out of"),
        ("deconvolve", ["--seeds", "0"], "`seeds`"),
        ("deconvolve-scaling", ["--sizes", "9"], "`sizes`"),
        ("deconvolve-scaling", ["--methods", "y"], "methods out of"),
        ("deconvolve-scaling", ["--repeats", "0"], "`repeats`"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(capsys, tmp_path, command, tokens, text):
    assert main(["bench", command, *tokens, "-o", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert text in err
    assert not (tmp_path / "out").exists()


def test_scaling_measures_each_size_in_a_process_of_its_own(monkeypatch, running):
    seen = []

    def run_task(task, items, settings, seeds, running):
        seen.append((task.name, [item.name for item in items], settings, list(seeds), running.fast))
        return pd.DataFrame({"dataset": [], "method": [], "seed": [], "threads": [], "error": []})

    monkeypatch.setattr("spotweave.bench._scaling.run_task", run_task)
    running.output.mkdir()
    bench.deconvolve_scaling([300, 200, 300], "nnls", repeats=2, running=replace(running, fast=True))
    assert seen == [("deconvolve_scaling", ["spots_200", "spots_300"], {"nnls": {"method": "nnls"}}, [0, 1], False)]
    assert (running.output / "deconvolve_scaling.md").exists()


def test_scaling_has_spots_and_a_reference(monkeypatch, tmp_path):
    for name, value in (("N_GENES", 50), ("N_TYPES", 5), ("N_REFERENCE", 60)):
        monkeypatch.setattr(scaling, name, value)
    item = scaling.target(120)
    both = scaling.load(item, item.source.locate(tmp_path, tmp_path))  # type: ignore[arg-type]
    assert (both.target.shape, both.reference.shape) == ((120, 50), (60, 50))
    truth = both.target.obsm["proportions_true"]
    both.target.obsm["proportions"] = truth[truth.columns[::-1]]
    (row,) = scaling.score(both, both.target)
    assert row == {"n_obs": 120, "n_genes": 50, "n_types": both.reference.obs["cell_type"].nunique(), "rmse": 0.0}
