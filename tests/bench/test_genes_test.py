"""From the command to tables and page, on sets that take a second."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from spotweave import InputError, bench, datasets, io
from spotweave.bench import _genes_test_sets as sets
from spotweave.bench._genes_test_sets import Drawn, GeneSet, PatternFile
from spotweave.bench._source import RealFile
from spotweave.cli import main

OPTIONS: dict[str, Any] = {"n_obs": 120, "n_genes": 40, "n_modules": 2, "share_spatial": 0.5}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """One set of each kind, in place of all others."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    adata = datasets.simulate_patterns(**OPTIONS, rng=9)
    adata.obs["region"] = pd.Categorical(np.where(adata.obs["array_row"] < 5, "top", "bottom"))
    adata.var = adata.var[[]]
    (tmp_path / "data").mkdir()
    io.write(adata, tmp_path / "data" / "own.h5ad")
    items = (
        GeneSet("sim_bumps", Drawn(), OPTIONS),
        GeneSet("st_mob_rep11", RealFile("own.h5ad"), labels="region"),
        GeneSet("sim_genome", PatternFile({**OPTIONS, "rng": 3})),
    )
    monkeypatch.setattr(sets, "SETS", {item.name: item for item in items})
    monkeypatch.setitem(sets.GROUPS, "all", [item.name for item in items])
    return tmp_path / "data"


def run(capsys, *tokens):
    status = main([str(token) for token in tokens])
    return status, *capsys.readouterr()


def test_from_command_to_page(capsys, small, tmp_path):
    out = tmp_path / "out"
    options = [
        "--sets",
        "sim_bumps,st_mob_rep11",
        "--methods",
        "sparkx",
        "--seeds",
        2,
        "--permutations",
        1,
        "--threads",
        1,
        "--fast",
    ]
    status, said, err = run(capsys, "bench", "genes-test", *options, "--data", small, "-o", out)
    assert (status, err) == (0, "")
    assert said.splitlines()[-1] == str(out / "genes_test.md")
    rows, null = (pd.read_csv(out / f"genes_{name}.csv") for name in ("test", "null"))
    assert rows[["dataset", "seed"]].to_numpy().tolist() == [
        ["sim_bumps", 0],
        ["sim_bumps", 1],
        ["st_mob_rep11", 0],
    ]
    assert rows["error"].isna().all()
    assert rows["auroc"][:2].between(0.3, 1).all()
    assert rows["auroc"][0] != rows["auroc"][1], "drawn anew"
    assert rows["n_differ"].notna().tolist() == [False, False, True]
    assert null[["dataset", "seed"]].to_numpy().tolist() == [["st_mob_rep11", 0]]
    assert null["null_rate"].between(0, 0.4).all()
    assert "| `sparkx` |" in (out / "genes_test.md").read_text()


def test_measured_sets_that_are_absent_are_left_out(small, tmp_path, running, monkeypatch, caplog):
    seen = []
    monkeypatch.setattr(
        "spotweave.bench._genes_test.run_task",
        lambda task, items, settings, seeds, running: seen.append((task.name, [i.name for i in items], list(seeds))),
    )
    running.output.mkdir()
    with caplog.at_level("WARNING", "spotweave"):
        bench.genes_test(methods="moran", seeds=3, running=running)
    assert seen == [("genes_test", ["sim_bumps"], [0, 1, 2]), ("genes_test", ["sim_genome"], [0])]
    assert "st_mob_rep11 left out" in caplog.text


def test_other_packages_are_left_out_with_a_reason(monkeypatch, running):
    monkeypatch.delenv("SPOTWEAVE_PEER_HOTSPOT", raising=False)
    with pytest.raises(InputError, match="SPOTWEAVE_PEER_HOTSPOT is not set"):
        bench.genes_test("sim_bumps", "hotspot", running=running)


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
    status, out, err = run(capsys, "bench", "genes-test", *tokens, "-o", tmp_path / "out")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert not (tmp_path / "out").exists()


def test_a_large_set_is_simulated_once(tmp_path):
    source = PatternFile({**OPTIONS, "rng": 3})
    path = source.locate(tmp_path, tmp_path)
    written = path.stat().st_mtime_ns
    assert source.locate(tmp_path, tmp_path).stat().st_mtime_ns == written
    assert (io.read(path).X != datasets.simulate_patterns(**OPTIONS, rng=3).X).nnz == 0
    assert PatternFile({**OPTIONS, "rng": 4}).locate(tmp_path, tmp_path) != path


def test_sets():
    assert sets.GROUPS["all"] == [*sets.GROUPS["simulated"], *sets.GROUPS["real"], *sets.GROUPS["scaling"]]
    for name in sets.GROUPS["simulated"]:
        assert "rng" not in (sets.SETS[name].drawn or {})
