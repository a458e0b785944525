"""From the command to table and page, on a set that takes seconds."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from spotweave import InputError, bench
from spotweave.bench import _histology_sets as sets
from spotweave.bench._histology import plan
from spotweave.bench._histology_methods import METHODS
from spotweave.bench._histology_panels import CHOSEN, GenePanel
from spotweave.bench._histology_sets import SETS, Cohort, StainedSet
from spotweave.cli import main


def composition(adata, *, um_per_px, **options):
    """Stand in for `pp.tile_features` without pictures."""
    adata.obsm["X_image"] = adata.obsm["proportions_true"].to_numpy(np.float32)
    sections = adata.obs["section"].cat.categories
    adata.uns["X_image"] = {
        "libraries": pd.DataFrame({"um_per_px": um_per_px}, index=pd.Index(sections, name="library"))
    }
    adata.uns["spatial"] = {}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """One small cohort in place of all sets."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("spotweave.pp.tile_features", composition)
    options = {"n_patients": 3, "n_sections": 1, "n_obs": 40, "n_genes": 30, "image": False, "rng": 3}
    item = StainedSet("cohort_0", Cohort(options), "group", "cohort")
    monkeypatch.setattr(sets, "SETS", {item.name: item})
    monkeypatch.setattr(sets, "GROUPS", {"all": [item.name]})


@pytest.mark.usefixtures("small")
def test_from_command_to_page(capsys, tmp_path):
    out = tmp_path / "out"
    options = ["--panels", "top50", "--threads", "1", "--seeds", "2", "-o", str(out)]
    assert main(["bench", "histology", "--methods", "ridge", *options]) == 0
    said, err = capsys.readouterr()
    assert (said.splitlines()[-1], err) == (str(out / "histology.md"), "")
    rows = pd.read_csv(out / "histology.csv")
    assert rows["error"].isna().all()
    assert set(rows["dataset"]) == {"cohort_0:top50:log_normalized"}
    assert rows.groupby("method")["section"].agg(list).to_dict() == dict.fromkeys(["ridge"], ["P1_1", "P2_1", "P3_1"])
    assert set(rows["seed"]) == {0}, "closed forms are run once"
    assert (rows["um_per_px"] == 1).all()
    assert (rows["n_true"] + rows["n_other"] == rows["n_panel"]).all()
    page = (out / "histology.md").read_text()
    assert "3 sections of 3 patients, 120 spots; 1.000 um per pixel." in page
    assert main(["bench", "histology", "--methods", "ridge", "--resume", *options]) == 0
    assert "0 processes; 1 runs were there already" in capsys.readouterr().out


def test_only_some_is_run_on_targets_of_published_figures():
    tissues = [SETS["her2st_sections"], SETS["cohort_0"]]
    panels = [CHOSEN["top50"], GenePanel("listed", genes=("a", "b"))]
    (honest, all_methods), (legacy, some) = plan(tissues, panels, METHODS)
    assert [item.name for item in honest] == [
        "her2st_sections:top50:log_normalized",
        "her2st_sections:listed:log_normalized",
        "cohort_0:top50:log_normalized",
    ]
    assert [item.name for item in legacy] == [
        "her2st_sections:listed:legacy_gene_scaled",
        "her2st_sections:listed:legacy_spot_panel",
    ]
    assert all_methods == METHODS
    assert set(METHODS) - set(some) == {"bleep", "mclstexp"}
    assert plan(tissues[1:], panels[1:], METHODS) == []


@pytest.mark.parametrize(
    ("command", "tokens", "text"),
    [
        ("histology", ["--sets", "x"], "data sets out of"),
        ("histology", ["--methods", "y"], "methods out of"),
        ("histology", ["--seeds", "0"], "`seeds`"),
        ("histology", ["--panels", "z"], "panels out of"),
        ("histology", ["--panel", "z"], "NAME=FILE"),
        ("histology", ["--sets", "real", "--data", "/nowhere"], "data sets in /nowhere"),
        ("histology-scaling", ["--sizes", "9"], "`sizes`"),
        ("histology-scaling", ["--methods", "depth"], "methods out of"),
        ("histology-scaling", ["--repeats", "0"], "`repeats`"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(capsys, caplog, tmp_path, command, tokens, text):
    assert main(["bench", command, *tokens, "-o", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert text in err
    assert not caplog.records
    assert not (tmp_path / "out").exists()


def test_listed_genes_need_real_sections(tmp_path, running):
    (tmp_path / "genes.txt").write_text("a\n")
    with pytest.raises(InputError, match="for real sections"):
        bench.histology("cohort_0", panels="own", files=[f"own={tmp_path / 'genes.txt'}"], running=running)


def test_files_of_features_are_made_once(tmp_path, monkeypatch):
    options = {"n_patients": 1, "n_sections": 1, "n_obs": 8, "n_genes": 20, "um_per_px": 2.0}
    source = Cohort(options)
    path = source.locate(tmp_path, tmp_path)
    table = ad.read_h5ad(path)
    assert "spatial" not in table.uns
    assert np.isfinite(table.obsm["X_image"]).all()
    monkeypatch.setattr("spotweave.datasets.simulate_cohort", None)
    assert source.locate(tmp_path, tmp_path) == path
    with pytest.raises(TypeError):  # another cohort has to be simulated
        Cohort({**options, "rng": 1}).locate(tmp_path, tmp_path)
