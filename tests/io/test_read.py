import shutil
import subprocess
import sys

import numpy as np

from spotweave import io


def test_read_recognises_visium(visium):
    truth = visium()
    for folder in (truth.folder, truth.folder.parent):  # outs, and the folder of the sample
        adata = io.read(folder)
        np.testing.assert_array_equal(adata.obsm["spatial"], truth.xy())
        assert list(adata.uns["spatial"]["V1_sample"]["images"]) == ["hires", "lowres"]
    assert io.read(truth.folder, images=False).uns["spatial"]["V1_sample"]["images"] == {}


def test_read_recognises_visium_hd_before_visium(visium):
    truth = visium(positions="parquet")
    square = truth.folder.parent / "hd" / "binned_outputs" / "square_016um"
    square.parent.mkdir(parents=True)
    shutil.move(truth.folder, square)
    (square.parents[1] / "spatial").mkdir()  # the run has one of its own
    for folder in (square.parents[1], square.parent, square):
        np.testing.assert_array_equal(io.read(folder, bin_um=16).obsm["spatial"], truth.xy())


def test_read_recognises_xenium(xenium):
    folder, counts, _ = xenium()
    assert io.read(folder).obs_names.tolist() == counts.barcodes
    (folder / "experiment.xenium").unlink()
    assert io.read(folder).n_vars == 5


def test_read_rejects_options_of_other_formats(visium, xenium, one_clear_error):
    folder = visium().folder
    one_clear_error(lambda: io.read(folder, backed=True), "backed=True", folder, "visium")
    one_clear_error(lambda: io.read(folder, spots="a.tsv"), "spots", folder)
    one_clear_error(lambda: io.read(xenium()[0], spots="a.tsv"), "spots", "xenium")


def test_read_nothing_known(tmp_path, one_clear_error):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.md").write_text("# notes")
    (tmp_path / "empty").mkdir()
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04" + bytes(40))
    (tmp_path / "table.tsv").write_text("gene\tscore\nA\t1\n")
    (tmp_path / "nothing.h5ad").touch()
    (tmp_path / "text.h5ad").write_text("this is not HDF5")
    (tmp_path / "bare.zarr").mkdir()
    message = one_clear_error(lambda: io.read(tmp_path / "missing.h5ad"), tmp_path / "missing.h5ad", "no such file")
    assert "text.h5ad" in message  # what lies beside it
    one_clear_error(lambda: io.read(tmp_path / "no" / "missing"), tmp_path / "no", "no folder")
    one_clear_error(lambda: io.read(tmp_path / "folder"), tmp_path / "folder", "notes.md", "Visium")
    one_clear_error(lambda: io.read(tmp_path / "empty"), tmp_path / "empty", "an empty folder")
    one_clear_error(lambda: io.read(tmp_path / "image.png"), tmp_path / "image.png", "another kind")
    one_clear_error(lambda: io.read(tmp_path / "a.zip"), tmp_path / "a.zip", "Unpack")
    one_clear_error(lambda: io.read(tmp_path / "table.tsv"), tmp_path / "table.tsv", "another kind")
    one_clear_error(lambda: io.read(tmp_path / "nothing.h5ad"), tmp_path / "nothing.h5ad", "empty file")
    one_clear_error(lambda: io.read(tmp_path / "text.h5ad"), tmp_path / "text.h5ad", "HDF5")
    one_clear_error(lambda: io.read(tmp_path / "bare.zarr"), tmp_path / "bare.zarr", "zarr store")


def test_read_matrix_without_positions(visium, one_clear_error):
    path = visium().folder / "filtered_feature_bc_matrix.h5"
    one_clear_error(lambda: io.read(path), path, "without positions", "spatial/")


def test_import_is_light():
    heavy = ["anndata", "scanpy", "torch", "h5py", "zarr", "PIL"]
    code = f"import sys, spotweave.io; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
