import inspect
from typing import Any

import anndata as ad
import numpy as np
import pytest

import spotweave as sw
from spotweave import _commands
from spotweave.cli import main

QUICK: dict[str, Any] = {"n_angles": 24, "max_pixels": 300, "n_starts": 1}
PARAM = [token for name, value in QUICK.items() for token in ("--param", f"{name}={value}")]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("align") / "in.h5ad"
    sw.datasets.simulate_tissue(300, n_genes=80, n_domains=3, layout="blobs", n_slices=2, rng=0).write_h5ad(path)
    return path


def run(capsys, *tokens):
    status = main(["align", *map(str, tokens)])
    return status, *capsys.readouterr()


def test_places_are_those_of_the_verb_and_it_says_how_slices_lie(capsys, source, tmp_path):
    out, picture = tmp_path / "out.h5ad", tmp_path / "out.png"
    options = ["--library-key", "slice", "--reference", "slice_2", "--picture", picture, *PARAM]
    status, said, err = run(capsys, source, "-o", out, *options)
    assert (status, err) == (0, "")
    expected = ad.read_h5ad(source)
    sw.tl.align(expected, library_key="slice", reference="slice_2", **QUICK)
    found = ad.read_h5ad(out)
    np.testing.assert_array_equal(found.obsm["spatial_aligned"], expected.obsm["spatial_aligned"])
    row = expected.uns["align"]["fit"].loc["slice_1"]
    assert "2 slices in the frame of slice_2 in " in said
    assert f"slice_1: turned by {row['rotation']:.1f} degrees, agreement {row['agreement_before']:.2f} -> " in said
    assert "slice_2: turned" not in said
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["info", str(out)]) == 0
    assert "align: search" in capsys.readouterr().out


def test_every_option_of_the_verb_but_the_data_is_an_option_here():
    verb = set(inspect.signature(sw.tl.align).parameters) - {"adata", "genes", "n_top_genes", "table_key", "copy"}
    command = set(inspect.signature(_commands.align).parameters)
    assert verb - {"params", "options"} <= command


def test_what_does_not_fit_ends_with_one_line_and_no_file(capsys, source, tmp_path):
    out = tmp_path / "out.h5ad"
    for options, message in (
        (["--library-key", "sample"], "library_key='sample'"),
        (["--library-key", "slice", "--reference", "x"], "`reference`"),
        (["--library-key", "slice", "--picture", tmp_path / "a.txt"], ".png"),
    ):
        status, said, err = run(capsys, source, "-o", out, *options)
        assert (status, said) == (2, "")
        assert message in err
        assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
