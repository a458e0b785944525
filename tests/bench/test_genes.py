"""From the command to the table and page of embeddings, on sets that take a second."""

from typing import Any

import pandas as pd
import pytest

from spotweave import bench, datasets, io
from spotweave.bench import _genes_sets as sets
from spotweave.bench._genes_data import section_name
from spotweave.bench._genes_sets import TERMS, EmbeddingSet
from spotweave.bench._genes_test_sets import Drawn
from spotweave.bench._source import Files
from spotweave.cli import main

OPTIONS: dict[str, Any] = {"n_obs": 150, "n_genes": 130, "n_modules": 3, "library_size": 3_000.0}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """One set of each kind, in place of all others."""
    data = tmp_path / "data"
    (data / TERMS).parent.mkdir(parents=True)
    for name in ("a", "b"):
        io.write(datasets.simulate_patterns(**OPTIONS, rng=9), data / f"{name}.h5ad")
    names = list(datasets.simulate_patterns(**OPTIONS, rng=9).var_names)
    (data / TERMS).write_text("\n".join("\t".join(["term", "", *names[i::5]]) for i in range(5)))
    files = ("a.h5ad", "b.h5ad")
    items = (
        EmbeddingSet("sim_small", "planted", Drawn(), OPTIONS),
        EmbeddingSet("her2st_pair", "pair", Files(files), sections=files),
        EmbeddingSet("her2st_C1", "section", Files((files[0], TERMS)), sections=files[:1]),
        EmbeddingSet("her2st_null", "null", Files(files), sections=files),
        EmbeddingSet("cost_3639", "cost", Files(files[:1]), sections=files[:1]),
        EmbeddingSet("cost_14556", "cost", Files(files[:1]), sections=files[:1], n_copies=2),
    )
    monkeypatch.setattr(sets, "SETS", {item.name: item for item in items})
    monkeypatch.setitem(sets.GROUPS, "all", [item.name for item in items])
    return data


def run(capsys, *tokens):
    status = main([str(token) for token in tokens])
    return status, *capsys.readouterr()


def test_from_command_to_page(capsys, small, tmp_path):
    out = tmp_path / "out"
    options = ["--methods", "raw", "--sets", "her2st_pair,cost_3639", "--threads", 1, "--fast"]
    status, said, err = run(capsys, "bench", "genes", *options, "--data", small, "-o", out)
    assert (status, err) == (0, "")
    assert said.splitlines()[-1] == str(out / "genes.md")
    rows = pd.read_csv(out / "genes.csv")
    assert rows["error"].isna().all()
    names = [section_name(name) for name in ("a.h5ad", "b.h5ad")]
    assert rows[["dataset", "truth", "mode"]].to_numpy().tolist() == [
        ["cost_3639", "cost", "single"],
        *[["her2st_pair", truth, "fast"] for truth in ("all", *names)],
    ]
    assert rows["go"][rows["truth"] == names[0]].between(0.2, 0.9).all()
    assert "| `raw` |" in (out / "genes.md").read_text()


def test_each_kind_gets_its_task_and_as_many_seeds_as_change_something(small, running, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "spotweave.bench._genes.run_task",
        lambda task, items, settings, seeds, running: seen.append(
            (task.headline, [i.name for i in items], {m: len(s) for m, s in seeds.items()}, running.fast)
        ),
    )
    running.output.mkdir()
    fast = type(running)(running.output, small, fast=True)
    bench.genes("all", "main", seeds=4, permutations=2, running=fast)
    assert seen == [
        ("ari_kmeans", ["sim_small"], {"smooth": 4, "mae": 4}, True),
        ("mrr", ["her2st_pair"], {"smooth": 1, "mae": 4}, True),
        ("mrr", ["her2st_null"], {"smooth": 2, "mae": 2}, True),
        ("go_corrected", ["her2st_C1"], {"smooth": 1, "mae": 4}, True),
        ("", ["cost_3639", "cost_14556"], {"smooth": 1, "mae": 1}, False),
    ]
    seen.clear()
    bench.genes("her2st_null,cost_3639", "raw", permutations=0, running=fast)
    assert [names for _, names, _, _ in seen] == [["cost_3639"]]


def test_terms_that_are_absent_are_told(small, running, monkeypatch, caplog):
    (small / TERMS).unlink()
    monkeypatch.setattr("spotweave.bench._genes.run_task", lambda *args: None)
    running.output.mkdir()
    with caplog.at_level("WARNING", "spotweave"):
        bench.genes("her2st_pair,her2st_C1", running=type(running)(running.output, small))
    assert "co-function left out: no file" in caplog.text
    assert "her2st_C1 left out: no file" in caplog.text


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["--sets", "x"], "data sets out of"),
        (["--methods", "y"], "methods out of"),
        (["--seeds", "0"], "`seeds`"),
        (["--permutations", "-1"], "`permutations`"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(capsys, tmp_path, tokens, text):
    status, out, err = run(capsys, "bench", "genes", *tokens, "-o", tmp_path / "out")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert not (tmp_path / "out").exists()


def test_sets():
    groups = ("simulated", "real", "null", "cost")
    assert sorted(sets.GROUPS["all"]) == sorted(name for group in groups for name in sets.GROUPS[group])
    for name in sets.GROUPS["simulated"]:
        assert "rng" not in (sets.SETS[name].drawn or {})
    assert [sets.SETS[name].n_copies ** 2 * 3_639 for name in sets.GROUPS["cost"]] == [3_639, 14_556]
