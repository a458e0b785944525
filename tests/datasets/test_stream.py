from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad

from spotweave import InputError
from spotweave.datasets import _stream, simulate_tissue, simulate_to_disk


@pytest.mark.parametrize("compression", ["gzip", "lzf", None])
def test_disk_equals_memory(compression: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spotweave.datasets._params.BLOCK_ENTRIES", 64 * 37)  # several blocks a slice
    options: dict[str, Any] = {"n_genes": 37, "n_slices": 2, "batch_effect": 0.2, "layout": "rings", "rng": 5}
    expected = simulate_tissue(501, resolution="cell", **options)
    path = simulate_to_disk(tmp_path / "tissue.h5ad", 501, compression=compression, **options)
    found = read_h5ad(path)
    assert found.X.format == "csr"
    assert found.X.has_canonical_format
    assert (found.X != expected.X).nnz == 0
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    pd.testing.assert_frame_equal(found.var, expected.var)
    np.testing.assert_array_equal(found.obsm["spatial"], expected.obsm["spatial"])
    pd.testing.assert_frame_equal(found.obsm["activity_true"], expected.obsm["activity_true"])
    assert found.uns["simulation"]["params"] == expected.uns["simulation"]["params"]
    assert [file.name for file in tmp_path.iterdir()] == ["tissue.h5ad"]


def test_disk_can_be_read_backed(tmp_path: Path) -> None:
    path = simulate_to_disk(tmp_path / "spots.h5ad", 203, n_genes=19, resolution="spot")
    backed = read_h5ad(path, backed="r")
    rows = backed.X[10:13]
    assert rows.shape == (3, 19)
    np.testing.assert_array_equal(rows.toarray(), simulate_tissue(203, n_genes=19).X[10:13].toarray())
    assert backed.obsm["proportions_true"].shape == (203, 8)
    backed.file.close()


def test_failure_leaves_nothing_and_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tissue.h5ad"
    path.write_text("earlier")

    def broken(*_: Any) -> None:
        msg = "disk full"
        raise OSError(msg)

    monkeypatch.setattr(_stream._CsrWriter, "append", broken)
    with pytest.raises(OSError, match="disk full"):
        simulate_to_disk(path, 100)
    assert [file.name for file in tmp_path.iterdir()] == ["tissue.h5ad"]
    assert path.read_text() == "earlier"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tissue.zarr", {}, "ends in .h5ad.*tissue.zarr"),
        ("nowhere/tissue.h5ad", {}, "the folder .*nowhere.*Create it first"),
        ("tissue.h5ad", {"n_gene": 5}, "found \\['n_gene'\\]"),
        ("tissue.h5ad", {"rates": True}, "found \\['rates'\\]"),
        ("tissue.h5ad", {"compression": "zip"}, "`compression`.*'zip'"),
        ("tissue.h5ad", {"n_domains": 1_000}, "`n_domains`"),
    ],
)
def test_bad_arguments_raise(name: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        simulate_to_disk(tmp_path / name, 100, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_memory_does_not_grow_with_the_tissue(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import resource, sys; from spotweave.datasets import simulate_to_disk; "
        "simulate_to_disk(sys.argv[1], 200_000, n_genes=300); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "big.h5ad")], capture_output=True, text=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    assert int(run.stdout) * unit < 1e9
