"""fit-histology, predict-histology, cross-validate-histology: what the verbs give, in files."""

import inspect
import re
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import spotweave as sw
from spotweave import _commands
from spotweave.cli import main

TINY = ["n-steps=2", "n-programs=3", "n-axes=4", "width=8", "n-heads=2", "batch-size=16"]
PARAMS = [token for item in TINY for token in ("--param", item)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file for each of three patients, and one of all; three genes in a list."""
    folder = tmp_path_factory.mktemp("histology")
    cohort = sw.datasets.simulate_cohort(3, n_sections=2, n_obs=31, n_genes=20, image=False, rng=2)
    cohort.obsm["X_image"] = cohort.obsm["proportions_true"].to_numpy().astype(np.float32)
    for patient in ("P1", "P2", "P3"):
        cohort[cohort.obs["patient"] == patient].write_h5ad(folder / f"{patient}.h5ad")
    cohort.write_h5ad(folder / "all.h5ad")
    del cohort.obsm["X_image"]
    cohort.write_h5ad(folder / "bare.h5ad")
    (folder / "genes.txt").write_text("gene_02\n\ngene_11\ngene_05 \n")
    return folder


def run(capsys, *tokens):
    status = main([str(token) for token in tokens])
    return status, *capsys.readouterr()


def test_a_model_goes_from_fit_to_prediction(capsys, files, tmp_path):
    sources = [files / "P1.h5ad", files / "P2.h5ad"]
    options = ["--library-key", "section", "--n-top", 9, "--seed", 4, *PARAMS]
    status, said, err = run(capsys, "fit-histology", *sources, "-o", tmp_path / "model", *options)
    assert (status, err) == (0, "")
    tables = [ad.read_h5ad(source) for source in sources]
    settings: dict[str, Any] = {"n_steps": 2, "n_programs": 3, "n_axes": 4, "width": 8, "n_heads": 2, "batch_size": 16}
    model = sw.tl.Histology(n_top=9, rng=4, **settings).fit(tables, library_key="section")
    lines = said.splitlines()
    assert re.fullmatch(r"9 genes learned from 4 sections of 2 groups by network in [\d.]+ s -> .*model", lines[0])
    assert lines[1:] == [
        f"correlation on spots whose group was left out: mean {model.genes_['held_out_pearson'].mean():.3f}",
        f"predictable from the image: {model.genes_['predictable'].sum()} of 9 genes",
    ]
    out = tmp_path / "out.h5ad"
    options = ["--model", tmp_path / "model", "--library-key", "section", "--n-retrieved", 2]
    status, said, err = run(capsys, "predict-histology", files / "P3.h5ad", "-o", out, *options)
    assert (status, err) == (0, "")
    expected, found = model.predict(ad.read_h5ad(files / "P3.h5ad"), library_key="section"), ad.read_h5ad(out)
    np.testing.assert_array_equal(found.X, expected.X)
    assert list(found.var_names) == list(expected.var_names)
    np.testing.assert_array_equal(found.obs["image_novelty"], expected.obs["image_novelty"])
    assert found.obsm["retrieved"].shape == (62, 2)
    lines = said.splitlines()
    assert re.fullmatch(r"9 genes of 62 spots by network in [\d.]+ s -> .*out.h5ad", lines[0])
    assert "groups left out: mean " in lines[1]
    assert lines[2] == f"spots unlike the training tiles: {expected.obs['out_of_distribution'].mean():.1%}"


def test_one_patient_and_a_strange_slide_are_noted(capsys, files, tmp_path):
    options = ["--method", "ridge", "--library-key", "section", "--genes", files / "genes.txt"]
    _, said, _ = run(capsys, "fit-histology", files / "P1.h5ad", "-o", tmp_path / "model", *options)
    assert said.startswith("3 genes learned from 2 sections of 1 groups by ridge")
    assert "whose section was left out" in said
    assert said.splitlines()[-1].startswith("note: one patient only")
    strange = ad.read_h5ad(files / "P2.h5ad")
    strange.obsm["X_image"] = strange.obsm["X_image"] + 50
    strange.write_h5ad(tmp_path / "strange.h5ad")
    options = ["--model", tmp_path / "model", "--library-key", "section"]
    status, said, err = run(capsys, "predict-histology", tmp_path / "strange.h5ad", "-o", tmp_path / "o.h5ad", *options)
    assert status == 0
    assert [line.split(" looks")[0] for line in said.splitlines()[3:]] == ["note: slide P2_1", "note: slide P2_2"]
    assert err.count("looks unlike") == 2  # the warning of the verb
    assert list(ad.read_h5ad(tmp_path / "o.h5ad").var_names) == ["gene_02", "gene_11", "gene_05"]


def test_a_table_is_a_section_by_the_name_of_its_file(capsys, files, tmp_path):
    parts = ad.read_h5ad(files / "all.h5ad")
    for name in ("P1_1", "P2_1", "P3_1"):
        parts[parts.obs["section"] == name].write_h5ad(tmp_path / f"slide_{name}.h5ad")
    sources = sorted(tmp_path.glob("slide_*"))
    options = ["--methods", "ridge", "--n-top", 9]
    status, said, err = run(capsys, "cross-validate-histology", *sources, "-o", tmp_path / "scores", *options)
    assert (status, err) == (0, "")
    assert "3 sections, 3 groups left out in turn, in " in said
    found = pd.read_csv(tmp_path / "scores" / "sections.csv")
    assert list(found["section"].unique()) == ["slide_P1_1", "slide_P2_1", "slide_P3_1"]


def test_cross_validation_writes_its_tables_and_shows_the_summary(capsys, files, tmp_path):
    out = tmp_path / "scores"
    options = ["--methods", "ridge,knn", "programs", "--library-key", "section", "--n-top", 9, "--n-boot", 40]
    status, said, err = run(capsys, "cross-validate-histology", files / "all.h5ad", "-o", out, *options)
    assert (status, err) == (0, "")
    expected = sw.tl.cross_validate_histology(
        ad.read_h5ad(files / "all.h5ad"),
        methods=["ridge", "knn", "programs"],
        library_key="section",
        n_top=9,
        n_boot=40,
    )
    assert sorted(path.name for path in out.iterdir()) == ["genes.csv", "sections.csv", "summary.csv"]
    pd.testing.assert_frame_equal(pd.read_csv(out / "genes.csv"), expected.genes)
    found = pd.read_csv(out / "sections.csv")
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), expected.sections.drop(columns="seconds"))
    pd.testing.assert_frame_equal(pd.read_csv(out / "summary.csv", index_col="method"), expected.summary)
    lines = said.splitlines()
    assert lines[1].split()[:3] == ["pearson", "lower", "upper"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[3:8]}
    assert list(rows) == ["ridge", "knn", "programs", "mean", "depth"]
    assert rows["ridge"][0] == f"{expected.summary['pearson']['ridge']:.3f}"
    assert "drawn by patient" in lines[8]
    assert len(lines) == 9
    status, said, _ = run(
        capsys, "cross-validate-histology", files / "all.h5ad", "-o", out, *options, "--split", "section"
    )
    assert status == 0  # the folder may be there
    assert said.splitlines()[-1].startswith("note: `split='section'` trains and tests on patients ['P1', 'P2', 'P3']")


def test_every_option_is_passed(capsys, files, tmp_path, monkeypatch):
    seen: dict[str, Any] = {}

    def cross_validate_histology(adatas, **options):
        seen.update(options, tables=list(adatas))
        raise sw.InputError("Expected something else;\nfound this.")

    monkeypatch.setattr(sw.tl, "cross_validate_histology", cross_validate_histology)
    options = ["--no-group-key", "--split", "section", "--genes", "a, b", "--target", "log_counts", "--layer", "l"]
    more = ["--types-key", "t", "--n-neighs", 5, "--rng", 3, "--device", "cpu", *PARAMS]
    sources = [files / "P1.h5ad", files / "P2.h5ad"]
    status, said, err = run(capsys, "cross-validate-histology", *sources, "-o", tmp_path / "x", *options, *more)
    assert (status, said, err) == (2, "", "spotweave: error: Expected something else; found this.\n")
    assert seen.pop("params").n_steps == 2
    assert seen == {
        "tables": ["P1", "P2"],
        "group_key": None,
        "library_key": None,
        "split": "section",
        "methods": ["network", "programs", "ridge", "knn"],
        "genes": ["a", "b"],
        "n_top": 1_000,
        "target": "log_counts",
        "feature_key": "X_image",
        "layer": "l",
        "types_key": "t",
        "n_neighs": 5,
        "n_boot": 2_000,
        "rng": 3,
        "device": "cpu",
    }
    assert list(tmp_path.iterdir()) == []


CASES = [
    ("fit-histology", ["-o", "{tmp}/m"], "at least one file"),
    ("fit-histology", ["{in}/all.h5ad"], "--output"),
    ("fit-histology", ["{in}/bare.h5ad", "-o", "{tmp}/m"], "Run `spotweave tile-features` first"),
    ("fit-histology", ["{in}/all.h5ad", "{in}/all.h5ad", "-o", "{tmp}/m"], "files of different names"),
    ("fit-histology", ["{in}/all.h5ad", "-o", "{tmp}/none/m"], "Make it first"),
    ("fit-histology", ["{in}/all.h5ad", "-o", "{in}"], "a saved model or nothing"),
    ("fit-histology", ["{in}/all.h5ad", "-o", "{tmp}/m"], "Pass library_key="),
    ("fit-histology", ["{in}/all.h5ad", "-o", "{tmp}/m", "--param", "depth=3"], "settings out of"),
    (
        "fit-histology",
        ["{in}/all.h5ad", "-o", "{tmp}/m", "--library-key", "section", "--genes", "gene_02,x"],
        "have; found ['x']",
    ),
    ("predict-histology", ["{in}/all.h5ad", "-o", "{tmp}/o.h5ad"], "--model"),
    ("predict-histology", ["{in}/all.h5ad", "-o", "{tmp}/o.csv", "--model", "{in}"], ".h5ad or .zarr"),
    ("predict-histology", ["{in}/all.h5ad", "-o", "{tmp}/o.h5ad", "--model", "{in}"], "config.json"),
    ("cross-validate-histology", ["{in}/bare.h5ad", "-o", "{tmp}/s"], "Run `spotweave tile-features` first"),
    ("cross-validate-histology", ["{in}/all.h5ad", "-o", "{tmp}/none/s"], "Make it first"),
    ("cross-validate-histology", ["{in}/all.h5ad", "-o", "{in}/genes.txt"], "a folder or nothing"),
    ("cross-validate-histology", ["{in}/all.h5ad", "-o", "{tmp}/s", "--methods", "lasso"], "lasso"),
    ("cross-validate-histology", ["{in}/all.h5ad", "-o", "{tmp}/s", "--param", "depth=3"], "settings out of"),
    (
        "cross-validate-histology",
        ["{in}/P1.h5ad", "-o", "{tmp}/s", "--library-key", "section", "--methods", "ridge"],
        "split='section' scores new sections",
    ),
]


@pytest.mark.parametrize(("command", "tokens", "text"), CASES)
def test_wrong_options_are_one_line_and_status_2(capsys, files, tmp_path, command, tokens, text):
    status, said, err = run(
        capsys, command, *(t.replace("{tmp}", str(tmp_path)).replace("{in}", str(files)) for t in tokens)
    )
    assert (status, said) == (2, "")
    assert text in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_prediction_without_features_names_the_command(capsys, files, tmp_path):
    options = ["--method", "mean", "--library-key", "section"]
    assert run(capsys, "fit-histology", files / "all.h5ad", "-o", tmp_path / "m", *options)[0] == 0
    status, _, err = run(
        capsys, "predict-histology", files / "bare.h5ad", "--model", tmp_path / "m", "-o", tmp_path / "o.h5ad"
    )
    assert status == 2
    assert "obsm['X_image'] of " in err
    assert "Run `spotweave tile-features` first" in err


@pytest.mark.parametrize("name", ["fit_histology", "predict_histology", "cross_validate_histology"])
def test_every_option_is_explained(name):
    command = getattr(_commands, name)
    documented = re.findall(r"^    (\w+)\n        \S", command.__doc__, flags=re.MULTILINE)
    assert documented == [p for p in inspect.signature(command).parameters if p != "reading"]
