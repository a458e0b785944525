import inspect
import re
from typing import Any

import anndata as ad
import numpy as np
import pytest

import spotweave as sw
from spotweave import _commands
from spotweave.cli import main


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A panel of 30 genes and cells with 10 more."""
    folder = tmp_path_factory.mktemp("impute")
    tissue = sw.datasets.simulate_tissue(150, n_genes=40, n_domains=3, n_slices=2, rng=0)
    sw.datasets.simulate_reference(tissue, 90, rng=0).write_h5ad(folder / "cells.h5ad")
    tissue[:, :30].copy().write_h5ad(folder / "in.h5ad")
    return str(folder / "in.h5ad"), str(folder / "cells.h5ad")


def run(capsys, *tokens):
    status = main(["impute", *map(str, tokens)])
    return status, *capsys.readouterr()


def test_predictions_are_those_of_the_verb_and_it_says_what_they_are_worth(capsys, files, tmp_path):
    out = tmp_path / "out.h5ad"
    options = ["--method", "factor", "--n-folds", 3, "--interval", 0.8, "--library-key", "slice", "--seed", 4]
    status, said, err = run(capsys, *files, "-o", out, *options)
    assert (status, err) == (0, "")
    expected = sw.tl.impute(
        *map(ad.read_h5ad, files), method="factor", n_folds=3, interval=0.8, library_key="slice", rng=4
    )
    found = ad.read_h5ad(out)
    np.testing.assert_allclose(found.X, expected.X)
    np.testing.assert_allclose(found.layers["upper"], expected.layers["upper"])
    result = expected.uns["impute"]
    r = result["held_out"]["residual_r"]
    assert "10 genes of 150 cells predicted by factor in " in said
    assert "shared genes: 30 (names: exact), 90 reference cells" in said
    assert f"beyond depth: median {r.median():.3f}, above 0 for {100 * (r > 0).mean():.0f}%" in said
    assert f"held-out genes: {100 * result['coverage']['0.5']:.1f}% at 50%, " in said
    false = result["false_patterns"]
    assert f"false patterns: in {false['n_patterned']} of {false['n_flat']} held-out genes" in said
    assert f"note: {result['note']}" in said
    assert [p.name for p in tmp_path.iterdir()] == ["out.h5ad"]


def test_some_genes_without_an_interval_and_info(capsys, files, tmp_path):
    out, wanted = tmp_path / "out.h5ad", ad.read_h5ad(files[1]).var_names[[39, 32]]
    assert run(capsys, *files, "-o", out, "--genes", ", ".join(wanted), "--no-interval", "--method", "ridge")[0] == 0
    found = ad.read_h5ad(out)
    assert list(found.var_names) == list(wanted)
    assert not found.layers
    assert main(["info", str(out)]) == 0
    assert "impute: ridge, converged" in capsys.readouterr().out


def test_every_option_is_passed(capsys, files, tmp_path, monkeypatch):
    seen: dict[str, Any] = {}

    def impute(adata, reference, **options):
        seen.update(options, shapes=(adata.shape, reference.shape))
        raise sw.InputError("Expected something else;\nfound this.")

    monkeypatch.setattr(sw.tl, "impute", impute)
    options = ["--layer", "a", "--reference-layer", "b", "--spatial-key", "xy", "--graph-key", "g"]
    status, said, err = run(capsys, *files, "-o", tmp_path / "out.h5ad", *options, "--max-reference", 50)
    assert (status, said, err) == (2, "", "spotweave: error: Expected something else; found this.\n")
    assert seen == {
        "shapes": ((150, 30), (90, 40)),
        "genes": None,
        "method": "combined",
        "n_folds": 5,
        "interval": 0.9,
        "layer": "a",
        "reference_layer": "b",
        "spatial_key": "xy",
        "library_key": None,
        "graph_key": "g",
        "max_reference": 50,
        "rng": 0,
    }
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["-o", "{tmp}/none/out.h5ad"], "Make it first"),
        (["-o", "{tmp}/out.csv"], ".h5ad or .zarr"),
        ([], "--output"),
        (["-o", "{tmp}/out.h5ad", "--method", "magic"], '"combined", '),
        (["-o", "{tmp}/out.h5ad", "--interval", "2"], "interval"),
        (["-o", "{tmp}/out.h5ad", "--genes", "nope"], "nope"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(capsys, files, tmp_path, options, text):
    status, said, err = run(capsys, *files, *(option.format(tmp=tmp_path) for option in options))
    assert (status, said) == (2, "")
    assert text in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_poor_runs_say_so():
    from spotweave._commands._impute import _summary

    tissue = sw.datasets.simulate_tissue(60, n_genes=20, n_domains=2, rng=0)
    result = sw.tl.impute(tissue[:, :15].copy(), tissue, method="mean", n_folds=2).uns["impute"]
    lines = _summary(result | {"converged": False, "false_patterns": {"n_flat": 0, "n_patterned": 0, "share": np.nan}})
    assert lines[3:5] == ["false patterns: no held-out gene is flat", "the weights had not converged"]


def test_every_option_is_explained():
    documented = re.findall(r"^    (\w+)\n        \S", str(_commands.impute.__doc__), flags=re.MULTILINE)
    assert documented == [p for p in inspect.signature(_commands.impute).parameters if p != "reading"]


def test_methods_are_those_of_the_verb():
    verb, command = (inspect.signature(f).parameters for f in (sw.tl.impute, _commands.impute))
    assert command["method"].annotation == verb["method"].annotation
    assert {name: p.default for name, p in verb.items() if name in command and name != "reference"} == {
        name: p.default for name, p in command.items() if name in verb and name != "reference"
    }
