"""From the command to tables and page, on a set that takes a second."""

import pandas as pd
import pytest

from spotweave import InputError, bench
from spotweave.bench import _impute_sets as sets
from spotweave.bench._impute_sets import ImputeSet, SimulatedPair
from spotweave.cli import main


@pytest.fixture
def small(monkeypatch, tmp_path):
    """One small tissue in place of all others."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    options = {"n_obs": 60, "n_genes": 80, "resolution": "cell", "n_domains": 2, "rng": 3}
    item = ImputeSet("sim_layers", SimulatedPair(options, {"n_obs": 50, "rng": 1}), 3)
    monkeypatch.setattr(sets, "SETS", {item.name: item})
    monkeypatch.setitem(sets.GROUPS, "all", [item.name])


def run(capsys, *tokens):
    status = main([str(token) for token in tokens])
    return status, *capsys.readouterr()


@pytest.mark.usefixtures("small")
def test_from_command_to_page(capsys, tmp_path):
    out = tmp_path / "out"
    options = ["--sets", "all", "--threads", 1, "--fast", "-o", out]
    status, said, err = run(capsys, "bench", "impute", "--methods", "depth,panel_mean", *options)
    assert (status, err) == (0, "")
    assert said.splitlines()[-1] == str(out / "impute.md")
    rows, genes = pd.read_csv(out / "impute.csv"), pd.read_csv(out / "impute_genes.csv")
    assert rows["error"].isna().all()
    assert rows["method"].tolist() == ["depth", "panel_mean"]
    assert abs(rows["residual_r"][0]) < 0.1  # depth alone
    assert (rows["n_wanted"] == rows["n_genes"]).all()
    assert genes.groupby("method").size().tolist() == rows["n_wanted"].tolist()
    assert "| `panel_mean` |" in (out / "impute.md").read_text()

    status, _, _ = run(capsys, "bench", "impute", "--methods", "depth", "--folds", 1, *options)
    assert status == 0
    again = pd.read_csv(out / "impute_genes.csv")
    assert again.loc[again["method"] == "depth", "fold"].unique().tolist() == [0]
    old, new = (table[table["method"] != "depth"].reset_index(drop=True) for table in (genes, again))
    pd.testing.assert_frame_equal(old, new)


def test_other_packages_are_left_out_with_a_reason(monkeypatch, running):
    monkeypatch.delenv("SPOTWEAVE_PEER_TANGRAM", raising=False)
    with pytest.raises(InputError, match="SPOTWEAVE_PEER_TANGRAM is not set"):
        bench.impute("sim_layers", "tangram", running=running)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["--sets", "x"], "data sets out of"),
        (["--methods", "y"], "methods out of"),
        (["--seeds", "0"], "`seeds`"),
        (["--folds", "0"], "`folds`"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(capsys, tmp_path, tokens, text):
    status, out, err = run(capsys, "bench", "impute", *tokens, "-o", tmp_path / "out")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert not (tmp_path / "out").exists()
