"""``spotweave map-cells``: what is written and said, and the names of its options."""

import inspect

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import spotweave as sw
from spotweave import _commands
from spotweave.cli import main


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    tissue = sw.datasets.simulate_tissue(60, n_genes=60, n_domains=3, resolution="spot", rng=0)
    tissue.write_h5ad(folder / "spots.h5ad")
    sw.datasets.simulate_reference(tissue, 80, rng=1).write_h5ad(folder / "cells.h5ad")
    return folder / "spots.h5ad", folder / "cells.h5ad"


def run(capsys, *tokens):
    status = main(["map-cells", *map(str, tokens)])
    return status, *capsys.readouterr()


def test_spots_with_projections_and_the_map_are_those_of_the_verb(capsys, files, tmp_path):
    out, npz = tmp_path / "out.h5ad", tmp_path / "map.npz"
    status, said, err = run(capsys, *files, "-o", out, "--attributes", "cell_type, gene_03", "--seed", 4)
    assert (status, err) == (0, "")
    assert "80 cells mapped to 60 spots" in said
    expected = sw.tl.map_cells(*map(ad.read_h5ad, files), attributes=["cell_type", "gene_03"], rng=4)
    for name, table in expected.projected.items():
        np.testing.assert_array_equal(ad.read_h5ad(out).obsm[f"mapped_{name}"].to_numpy(), table.to_numpy())
    assert run(capsys, *files, "-o", npz, "--seed", 4)[0] == 0
    np.testing.assert_array_equal(sp.load_npz(npz).toarray(), expected.weights.toarray())


def test_nothing_to_write_is_an_input_error(capsys, files, tmp_path):
    status, _, err = run(capsys, *files, "-o", tmp_path / "out.h5ad")
    assert status == 2
    assert "--attributes" in err
    assert not (tmp_path / "out.h5ad").exists()


def test_options_are_named_as_those_of_the_verb():
    own = set(inspect.signature(_commands.map_cells).parameters) - {"source", "output", "reading"}
    assert own <= set(inspect.signature(sw.tl.map_cells).parameters)
