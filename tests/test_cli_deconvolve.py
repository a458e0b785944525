import inspect
import re
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import spotweave as sw
from spotweave import _commands
from spotweave._commands._deconvolve import summary
from spotweave.cli import main


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Spots of four types, and cells with these types."""
    folder = tmp_path_factory.mktemp("deconvolve")
    tissue = sw.datasets.simulate_tissue(90, n_genes=60, n_domains=3, n_types=4, rng=0)
    sw.datasets.simulate_reference(tissue, 120, rng=0).write_h5ad(folder / "cells.h5ad")
    tissue.write_h5ad(folder / "in.h5ad")
    return str(folder / "in.h5ad"), str(folder / "cells.h5ad")


def run(capsys, *tokens):
    status = main(["deconvolve", *map(str, tokens)])
    return status, *capsys.readouterr()


def test_shares_are_those_of_the_verb_and_it_says_what_they_are(capsys, files, tmp_path):
    out = tmp_path / "out.h5ad"
    options = ["--labels-key", "cell_type", "--unknown", "--smoothness", 0.5, "--n-genes", 50, "--seed", 4]
    status, said, err = run(capsys, *files, "-o", out, *options, "--param", "n-draws=0")
    assert status == 0
    expected, cells = map(ad.read_h5ad, files)
    sw.tl.deconvolve(
        expected, cells, labels_key="cell_type", unknown=True, smoothness=0.5, n_genes=50, n_draws=0, rng=4
    )
    shares, result = expected.obsm["proportions"], expected.uns["deconvolve"]
    pd.testing.assert_frame_equal(ad.read_h5ad(out).obsm["proportions"], shares)
    assert "4 types in 90 spots by nb in " in said
    assert "shared genes: 60 (names: exact), 120 reference cells" in said
    mean = shares.drop(columns="unknown").mean().sort_values(ascending=False)
    assert "mean shares: " + ", ".join(f"{name} {100 * x:.1f}%" for name, x in mean.items()) in said
    assert f"not in the reference: {100 * shares['unknown'].mean():.1f}%" in said
    assert f"belong to no type: {100 * result['background']:.1f}%" in said
    pairs = re.findall(r"^hard to tell apart: (.*)$", said, re.MULTILINE)
    assert err == f"WARNING: hard to tell apart, trust their sum sooner than each: {pairs}\n"
    assert [p.name for p in tmp_path.iterdir()] == ["out.h5ad"]


def test_a_rival_under_another_name(capsys, files, tmp_path):
    out = tmp_path / "out.h5ad"
    options = ["--labels-key", "cell_type", "--method", "nnls", "--key-added", "other"]
    status, said, _ = run(capsys, *files, "-o", out, *options)
    assert status == 0
    found = ad.read_h5ad(out)
    assert found.obsm["other"].shape == (90, 4)
    assert found.uns["other"]["params"]["method"] == "nnls"
    assert len(said.splitlines()) == 3


def test_every_option_is_passed(capsys, files, tmp_path, monkeypatch):
    seen: dict[str, Any] = {}

    def deconvolve(adata, reference, **options):
        seen.update(options, shapes=(adata.shape, reference.shape))
        raise sw.InputError("Expected something else;\nfound this.")

    monkeypatch.setattr(sw.tl, "deconvolve", deconvolve)
    options = ["--layer", "a", "--reference-layer", "b", "--spatial-key", "xy", "--graph-key", "g", "--min-cells", 1]
    more = ["--max-cells", 50, "--library-key", "slice", "--param", "size-exponent=1"]
    status, said, err = run(capsys, *files, "-o", tmp_path / "out.h5ad", "--labels-key", "t", *options, *more)
    assert (status, said, err) == (2, "", "spotweave: error: Expected something else; found this.\n")
    assert seen == {
        "shapes": ((90, 60), (120, 60)),
        "labels_key": "t",
        "method": "nb",
        "unknown": False,
        "smoothness": 0.0,
        "layer": "a",
        "reference_layer": "b",
        "min_cells": 1,
        "max_cells": 50,
        "spatial_key": "xy",
        "library_key": "slice",
        "graph_key": "g",
        "key_added": "proportions",
        "rng": 0,
        "size_exponent": 1,
    }
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["-o", "{tmp}/none/out.h5ad", "--labels-key", "cell_type"], "Make it first"),
        (["-o", "{tmp}/out.csv", "--labels-key", "cell_type"], ".h5ad or .zarr"),
        (["--labels-key", "cell_type"], "--output"),
        (["-o", "{tmp}/out.h5ad"], "--labels-key"),
        (["-o", "{tmp}/out.h5ad", "--labels-key", "nope"], "labels_key='nope'"),
        (["-o", "{tmp}/out.h5ad", "--labels-key", "cell_type", "--method", "magic"], '"nb", '),
        (["-o", "{tmp}/out.h5ad", "--labels-key", "cell_type", "--method", "nnls", "--unknown"], "found method='nnls'"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(capsys, files, tmp_path, options, text):
    status, said, err = run(capsys, *files, *(option.format(tmp=tmp_path) for option in options))
    assert (status, said) == (2, "")
    assert text in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_pairs_that_trade_places_are_named_once_the_worst_first():
    names = ["A", "B", "C", "D", "E"]
    types = pd.DataFrame({"confused_with": ["B", "A", "D", "C", "A"]}, index=names)
    types["correlation"] = [-0.8, -0.8, -0.71, -0.95, -0.2]
    shares = pd.DataFrame(np.full((3, 5), 0.2), columns=names)
    result = {"n_shared": 7, "matched": "exact", "n_reference": 9, "types": types, "converged": False}
    assert summary(result, shares)[2:] == [
        "hard to tell apart: C and D, A and B",
        "the weights had not converged",
    ]
    types["correlation"] = -0.5
    assert summary(result | {"converged": True}, shares)[2:] == ["all types can be told apart"]


def test_many_types_are_counted():
    shares = pd.DataFrame(np.arange(11)[None] / 55, columns=list("abcdefghijk"))
    result = {"n_shared": 7, "matched": "exact", "n_reference": 9, "types": pd.DataFrame(index=shares.columns)}
    assert summary(result, shares)[1].startswith("mean shares: k 18.2%, j 16.4%")
    assert summary(result, shares)[1].endswith("d 5.5%, and 3 more")


def test_every_option_is_explained():
    documented = re.findall(r"^    (\w+)\n        \S", str(_commands.deconvolve.__doc__), flags=re.MULTILINE)
    assert documented == [p for p in inspect.signature(_commands.deconvolve).parameters if p != "reading"]


def test_methods_and_defaults_are_those_of_the_verb():
    verb, command = (inspect.signature(f).parameters for f in (sw.tl.deconvolve, _commands.deconvolve))
    assert command["method"].annotation == verb["method"].annotation
    assert {name: p.default for name, p in verb.items() if name in command and name != "reference"} == {
        name: p.default for name, p in command.items() if name in verb and name != "reference"
    }
