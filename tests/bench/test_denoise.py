from dataclasses import replace

import pandas as pd
import pytest

from spotweave import InputError, bench
from spotweave.bench import _denoise_sets as sets
from spotweave.bench._denoise import run_numbers, runnable
from spotweave.bench._denoise_methods import METHODS
from spotweave.bench._sets import DataSet
from spotweave.bench._source import SimulatedFile
from spotweave.cli import main


@pytest.fixture
def small(monkeypatch, tmp_path) -> DataSet:
    """A tissue that is quick to fit, in place of all others."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    options = {"n_obs": 80, "n_genes": 40, "n_domains": 2, "library_size": 300.0, "resolution": "cell", "rng": 1}
    dataset = DataSet("small", SimulatedFile(options, rates=True))
    monkeypatch.setattr(sets, "SETS", {"small": dataset})
    return dataset


@pytest.fixture
def captured(monkeypatch):
    """What `run_task` was asked to do; it does nothing."""
    seen = []

    def run_task(task, items, settings, seeds, running):
        seen.append((task.name, [item.name for item in items], settings, seeds))
        return pd.DataFrame({"dataset": [], "method": [], "seed": [], "threads": [], "error": []})

    for module in ("_denoise", "_denoise_false", "_scaling"):
        monkeypatch.setattr(f"spotweave.bench.{module}.run_task", run_task)
    return seen


def run(capsys, *tokens):
    status = main([str(token) for token in tokens])
    return status, *capsys.readouterr()


def test_seeds_are_numbered_by_split_and_only_random_methods_repeat(captured, running):
    running.output.mkdir()
    bench.denoise("her2st_A1", "mean,factor", splits=2, seeds=3, running=running)
    ((task, names, settings, seeds),) = captured
    assert (task, names, settings) == ("denoise", ["her2st_A1"], {name: METHODS[name] for name in ("mean", "factor")})
    assert seeds == {"mean": [0, 100], "factor": [0, 1, 2, 100, 101, 102]}
    assert run_numbers(1, 1) == [0]
    assert (running.output / "denoise.md").is_file()


def test_from_command_to_page(capsys, small, tmp_path):
    out = tmp_path / "out"
    options = ["--sets", "small", "--methods", "mean", "--splits", 1, "--threads", 1, "-o", out]
    status, said, err = run(capsys, "bench", "denoise", *options)
    assert (status, err) == (0, "")
    assert said.splitlines()[0].startswith("[1/1] small mean seed 0: deviance ")
    assert said.splitlines()[-1] == str(out / "denoise.md")
    (row,) = pd.read_csv(out / "denoise.csv").to_dict("records")
    assert (row["n_obs"], row["n_genes"], row["splitting"], row["mode"]) == (80, 40, "poisson", "single")
    assert 0 < row["deviance"] <= row["poisson_deviance"] < 3
    assert abs(row["truth_correlation"]) < 0.2


def test_second_splitting_has_a_table_of_its_own_and_the_page_shows_both(captured, running, capsys, monkeypatch):
    running.output.mkdir()
    row = "dataset,method,seed,split,repeat,deviance,correlation,poisson_deviance,mode,threads,error\n"
    row += "her2st_A1,mean,0,0,0,0.{},0.1,0.6,single,1,\n"
    (running.output / "denoise_nb.csv").write_text(row.format(41))
    bench.denoise("her2st_A1", "mean", splitting="nb", running=running)
    assert captured[0][0] == "denoise_nb"
    assert "0.4100" in (running.output / "denoise.md").read_text().split("## Negative binomial")[1]


def test_commands_pass_their_options(capsys, monkeypatch, tmp_path):
    seen = {}
    for name in ("denoise", "denoise_false", "denoise_scaling"):
        monkeypatch.setattr(bench, name, lambda *args, name=name, **options: seen.update({name: (args, options)}))
    shared = ["-o", tmp_path, "--threads", 3]
    tokens = ["--sets", "a", "--methods", "b", "--splits", 2, "--seeds", 4, "--splitting", "nb", "--fast"]
    assert run(capsys, "bench", "denoise", *tokens, *shared) == (0, f"{tmp_path / 'denoise.md'}\n", "")
    assert run(capsys, "bench", "denoise-false", "--permutations", 3, *shared)[0] == 0
    assert run(capsys, "bench", "denoise-scaling", "--sizes", "300,1_000", *shared)[0] == 0
    runs = {name: options.pop("running") for name, (_, options) in seen.items()}
    assert seen == {
        "denoise": (("a", "b"), {"splits": 2, "seeds": 4, "splitting": "nb"}),
        "denoise_false": (("false", "main"), {"permutations": 3, "null": "spots"}),
        "denoise_scaling": (([300, 1000], "ours"), {"repeats": 1}),
    }
    assert {(name, run.threads, run.fast) for name, run in runs.items()} == {
        ("denoise", 3, True),
        ("denoise_false", 3, False),
        ("denoise_scaling", 3, False),
    }


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["denoise", "--sets", "x"], "data sets out of"),
        (["denoise", "--methods", "y"], "methods out of"),
        (["denoise", "--splits", "0"], "`splits`"),
        (["denoise", "--seeds", "101"], "`seeds`"),
        (["denoise", "--splitting", "half"], "`splitting` out of"),
        (["denoise-false", "--permutations", "0"], "`permutations`"),
        (["denoise-false", "--null", "cells"], "`null` out of"),
        (["denoise-scaling", "--sizes", "9"], "`sizes`"),
        (["denoise", "--methods", "magic"], "SPOTWEAVE_PEER_MAGIC is not set"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(capsys, tmp_path, monkeypatch, tokens, text):
    monkeypatch.delenv("SPOTWEAVE_PEER_MAGIC", raising=False)
    status, out, err = run(capsys, "bench", *tokens, "-o", tmp_path / "out")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert not (tmp_path / "out").exists()


def test_methods_of_other_packages_are_left_out_with_a_reason(monkeypatch, caplog):
    monkeypatch.delenv("SPOTWEAVE_PEER_SCVI", raising=False)
    with caplog.at_level("WARNING", "spotweave"):
        assert list(runnable({"mean": METHODS["mean"], "scvi": METHODS["scvi"]})) == ["mean"]
    assert caplog.messages[0].startswith("scvi left out: SPOTWEAVE_PEER_SCVI is not set")
    with pytest.raises(InputError, match="a method that can be run"):
        runnable({"scvi": METHODS["scvi"]})


def test_false_patterns_and_scaling_ask_for_their_runs(captured, running):
    running.output.mkdir()
    bench.denoise_false("false", "mean", permutations=2, running=running)
    bench.denoise_scaling([300, 200], "mean", running=replace(running, fast=True))
    assert captured[0] == ("denoise_false", sets.GROUPS["false"], {"mean": METHODS["mean"]}, range(2))
    assert captured[1] == ("denoise_scaling", ["cells_200", "cells_300"], {"mean": METHODS["mean"]}, range(1))
