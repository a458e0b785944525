"""``spotweave integrate``: what is written and said, and the names of its options."""

import inspect

import anndata as ad
import numpy as np
import pytest

import spotweave as sw
from spotweave import _commands
from spotweave.cli import main


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("integrate") / "in.h5ad"
    sw.datasets.simulate_tissue(240, n_genes=60, n_domains=3, n_slices=2, batch_effect=0.4, rng=0).write_h5ad(path)
    return str(path)


def run(capsys, *tokens):
    status = main(["integrate", *map(str, tokens)])
    return status, *capsys.readouterr()


def test_result_is_that_of_the_verb_and_its_worth_is_said(capsys, file, tmp_path):
    out = tmp_path / "out.h5ad"
    options = ["--library-key", "slice", "--n-components", 20, "--param", "sharing=0.3", "--seed", 4]
    status, said, err = run(capsys, file, "-o", out, *options)
    assert (status, err) == (0, "")
    expected = sw.tl.integrate(ad.read_h5ad(file), library_key="slice", n_components=20, sharing=0.3, rng=4, copy=True)
    assert expected is not None
    found = ad.read_h5ad(out)
    np.testing.assert_array_equal(found.obsm["X_integrated"], expected.embedding)
    assert "2 batches of 240 cells by matched" in said
    assert f"-> {expected.report['ilisi_after']:.2f};" in said


def test_one_slice_is_an_input_error(capsys, file, tmp_path):
    adata = ad.read_h5ad(file)
    adata[adata.obs["slice"] == "slice_1"].copy().write_h5ad(tmp_path / "one.h5ad")
    status, _, err = run(capsys, tmp_path / "one.h5ad", "-o", tmp_path / "out.h5ad", "--library-key", "slice")
    assert status == 2
    assert "two or more values" in err
    assert not (tmp_path / "out.h5ad").exists()


def test_options_are_named_as_those_of_the_verb():
    own = set(inspect.signature(_commands.integrate).parameters) - {"source", "output", "param", "reading"}
    assert own <= set(inspect.signature(sw.tl.integrate).parameters)
