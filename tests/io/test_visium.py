import json
import logging
import shutil
import warnings

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from PIL import Image

from spotweave import io


@pytest.mark.parametrize("positions", ["v1", "v2", "parquet"])
@pytest.mark.parametrize("matrix", ["h5", "h5_v2", "mtx", "mtx_v2"])
def test_read_visium_holds_what_was_written(visium, positions, matrix, caplog):
    truth = visium(positions=positions, matrix=matrix)

    adata = io.read_visium(truth.folder)

    assert not caplog.records  # spots off the tissue have no counts, and that is no news
    assert adata.obs_names.tolist() == truth.counts.barcodes
    assert adata.var_names.tolist() == ["Gene0", "Gene1", "Gene2", "Gene3", "Gene1-1", "Gene5", "Gene6"]
    assert adata.var["gene_ids"].tolist() == truth.counts.ids
    assert isinstance(adata.X, sp.csr_matrix)
    assert adata.X.dtype == np.float32
    np.testing.assert_array_equal(adata.X.toarray(), truth.counts.X)
    np.testing.assert_array_equal(adata.obsm["spatial"], truth.xy())
    expected = truth.positions.set_index("barcode").loc[truth.counts.barcodes, ["in_tissue", "array_row", "array_col"]]
    pd.testing.assert_frame_equal(adata.obs, expected, check_names=False)
    assert (adata.obs["in_tissue"] == 1).all()


def test_read_visium_x_runs_along_columns(visium):
    adata = io.read_visium(visium().folder)
    x, y = adata.obsm["spatial"].T
    np.testing.assert_array_equal(x, 1000 + 11 * adata.obs["array_col"])
    np.testing.assert_array_equal(y, 100 + 37 * adata.obs["array_row"])


def test_read_visium_uns_in_scanpy_layout(visium):
    truth = visium()
    uns = io.read_visium(truth.folder).uns["spatial"]
    assert list(uns) == ["V1_sample"]
    library = uns["V1_sample"]
    assert set(library) == {"images", "scalefactors", "metadata"}
    assert library["metadata"] == {"chemistry_description": "Spatial 3' v1", "software_version": "spaceranger-2.0.0"}
    assert library["scalefactors"] == json.loads((truth.folder / "spatial/scalefactors_json.json").read_text())
    np.testing.assert_array_equal(library["images"]["hires"], truth.hires)
    np.testing.assert_array_equal(library["images"]["lowres"], truth.lowres)


def test_read_visium_equals_scanpy(visium):
    sc = pytest.importorskip("scanpy")
    folder = visium(positions="v1").folder
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated there, and the repeated gene name
        theirs = sc.read_visium(folder)
    theirs.var_names_make_unique()
    ours = io.read_visium(folder)
    pd.testing.assert_frame_equal(ours.obs, theirs.obs, check_names=False)
    pd.testing.assert_frame_equal(ours.var, theirs.var)
    np.testing.assert_array_equal(ours.X.toarray(), theirs.X.toarray())
    np.testing.assert_array_equal(ours.obsm["spatial"], theirs.obsm["spatial"])
    mine, other = ours.uns["spatial"]["V1_sample"], theirs.uns["spatial"]["V1_sample"]
    assert mine["scalefactors"] == other["scalefactors"]
    np.testing.assert_allclose(mine["images"]["hires"] / 255, other["images"]["hires"], atol=1e-6)


def test_read_visium_without_images(visium):
    truth = visium()
    for name in ("tissue_hires_image.png", "tissue_lowres_image.png", "scalefactors_json.json"):
        (truth.folder / "spatial" / name).unlink()
    adata = io.read_visium(truth.folder, images=False)
    assert adata.uns["spatial"]["V1_sample"]["images"] == {}
    np.testing.assert_array_equal(adata.obsm["spatial"], truth.xy())


def test_read_visium_missing_image_is_logged_and_left_out(visium, caplog):
    truth = visium()
    (truth.folder / "spatial/tissue_hires_image.png").unlink()
    adata = io.read_visium(truth.folder)
    assert list(adata.uns["spatial"]["V1_sample"]["images"]) == ["lowres"]
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "tissue_hires_image.png" in caplog.text


@pytest.mark.parametrize(("mode", "shape"), [("L", (8, 6)), ("RGBA", (8, 6, 4)), ("P", (8, 6, 3))])
def test_read_visium_image_modes(visium, mode, shape):
    truth = visium()
    Image.new(mode, (6, 8)).save(truth.folder / "spatial/tissue_hires_image.png")
    assert io.read_visium(truth.folder).uns["spatial"]["V1_sample"]["images"]["hires"].shape == shape


def test_read_visium_header_is_told_by_content_not_by_name(visium):
    truth = visium(positions="v2")
    spatial = truth.folder / "spatial"
    (spatial / "tissue_positions.csv").rename(spatial / "tissue_positions_list.csv")
    np.testing.assert_array_equal(io.read_visium(truth.folder).obsm["spatial"], truth.xy())


def test_read_visium_raw_matrix_keeps_spots_under_tissue(visium):
    truth = visium()
    raw = truth.counts
    off = truth.positions.loc[truth.positions["in_tissue"] == 0, "barcode"].tolist()
    (truth.folder / "filtered_feature_bc_matrix.h5").unlink()
    n = len(off)
    both = type(raw)(
        np.vstack([np.full((n, 7), 5), raw.X]), off + raw.barcodes, raw.ids, raw.names, raw.types, raw.attrs
    )
    both.write_h5(truth.folder / "raw_feature_bc_matrix.h5")
    adata = io.read_visium(truth.folder)
    assert adata.obs_names.tolist() == raw.barcodes
    np.testing.assert_array_equal(adata.X.toarray(), raw.X)
    raw.X = raw.X + 1
    raw.write_mtx(truth.folder / "filtered_feature_bc_matrix")  # the filtered one comes first, whatever its form
    np.testing.assert_array_equal(io.read_visium(truth.folder).X.toarray(), raw.X)


def test_read_visium_prefixed_matrix(visium):
    truth = visium()
    (truth.folder / "filtered_feature_bc_matrix.h5").rename(truth.folder / "V1_filtered_feature_bc_matrix.h5")
    assert io.read_visium(truth.folder).n_obs == len(truth.counts.barcodes)


def test_read_visium_keeps_genes_only(visium, caplog):
    truth = visium()
    truth.counts.types[2] = "Antibody Capture"
    truth.counts.write_h5(truth.folder / "filtered_feature_bc_matrix.h5")
    with caplog.at_level(logging.INFO, "spotweave"):
        adata = io.read_visium(truth.folder)
    np.testing.assert_array_equal(adata.X.toarray(), np.delete(truth.counts.X, 2, axis=1))
    assert set(adata.var["feature_types"]) == {"Gene Expression"}
    assert "Antibody Capture" in caplog.text


def test_read_visium_barcodes_that_differ_are_intersected_with_a_warning(visium, caplog):
    truth = visium()
    path = truth.folder / "spatial/tissue_positions.csv"
    gone = truth.counts.barcodes[2]
    table = truth.positions[truth.positions["barcode"] != gone]
    table.to_csv(path, index=False)
    adata = io.read_visium(truth.folder)
    kept = [b for b in truth.counts.barcodes if b != gone]
    assert adata.obs_names.tolist() == kept
    np.testing.assert_array_equal(adata.X.toarray(), np.delete(truth.counts.X, 2, axis=0))
    np.testing.assert_array_equal(adata.obsm["spatial"], np.delete(truth.xy(), 2, axis=0))
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert f"1 of {len(kept) + 1} in" in caplog.text


def test_read_visium_spots_without_counts_are_warned_of(visium, caplog):
    truth = visium()
    counts = truth.counts
    counts.X, counts.barcodes = counts.X[3:], counts.barcodes[3:]
    counts.write_h5(truth.folder / "filtered_feature_bc_matrix.h5")
    adata = io.read_visium(truth.folder)
    assert adata.obs_names.tolist() == counts.barcodes
    assert f"3 of {len(counts.barcodes) + 3} positions have no counts" in caplog.text


def test_read_visium_library_named_after_the_folder(visium):
    truth = visium(matrix="mtx", name="patient_7")
    assert list(io.read_visium(truth.folder).uns["spatial"]) == ["patient_7"]


def test_read_visium_library_name_fits_h5ad(visium, tmp_path):
    truth = visium()
    with h5py.File(truth.folder / "filtered_feature_bc_matrix.h5", "a") as f:
        f.attrs["library_ids"] = np.array(["run/1"], dtype="S")
    adata = io.read_visium(truth.folder)
    io.write(adata, tmp_path / "out.h5ad")
    assert list(io.read(tmp_path / "out.h5ad").uns["spatial"]) == ["run_1"]


def test_read_visium_survives_the_round_trip(visium, tmp_path):
    adata = io.read_visium(visium().folder)
    io.write(adata, tmp_path / "out.h5ad")
    back = io.read(tmp_path / "out.h5ad")
    np.testing.assert_array_equal(back.X.toarray(), adata.X.toarray())
    mine, other = back.uns["spatial"]["V1_sample"], adata.uns["spatial"]["V1_sample"]
    np.testing.assert_array_equal(mine["images"]["hires"], other["images"]["hires"])
    assert {k: float(v) for k, v in mine["scalefactors"].items()} == other["scalefactors"]
    assert mine["metadata"] == other["metadata"]


@pytest.mark.parametrize("bin_um", [8, 16])
@pytest.mark.parametrize("start", ["outs", "binned_outputs", "square"])
def test_read_visium_hd(visium, bin_um, start):
    small, large = (visium(positions="parquet", name=f"b{b}", genes=g) for b, g in ((8, 7), (16, 6)))
    binned = small.folder.parent / "hd" / "outs" / "binned_outputs"
    binned.mkdir(parents=True)
    for truth, name in ((small, "square_008um"), (large, "square_016um")):
        shutil.move(truth.folder, binned / name)
    truth = small if bin_um == 8 else large
    square = binned / f"square_{bin_um:03d}um"
    folder = {"outs": binned.parent, "binned_outputs": binned, "square": square}[start]

    adata = io.read_visium_hd(folder, **({} if start == "square" else {"bin_um": bin_um}))

    assert adata.obs_names.tolist() == truth.counts.barcodes
    np.testing.assert_array_equal(adata.X.toarray(), truth.counts.X)
    np.testing.assert_array_equal(adata.obsm["spatial"], truth.xy())
    np.testing.assert_array_equal(adata.uns["spatial"]["V1_sample"]["images"]["hires"], truth.hires)


def test_read_visium_hd_takes_images_of_the_run(visium):
    truth = visium(positions="parquet", matrix="mtx", name="x")
    outs = truth.folder.parent / "run_3" / "outs"
    square = outs / "binned_outputs" / "square_008um"
    square.parent.mkdir(parents=True)
    shutil.move(truth.folder, square)
    (outs / "spatial").mkdir()
    for name in ("tissue_hires_image.png", "tissue_lowres_image.png"):
        shutil.move(square / "spatial" / name, outs / "spatial" / name)
    library = io.read_visium_hd(outs).uns["spatial"]["run_3"]
    np.testing.assert_array_equal(library["images"]["lowres"], truth.lowres)


def test_read_visium_hd_names_the_bins_there_are(visium, one_clear_error):
    truth = visium(positions="parquet")
    square = truth.folder / "binned_outputs" / "square_002um"
    square.mkdir(parents=True)
    one_clear_error(lambda: io.read_visium_hd(truth.folder), "bins of 8 um", square.parent, "[2]", "bin_um")
    one_clear_error(lambda: io.read_visium_hd(truth.folder / "spatial"), "square_008um", truth.folder / "spatial")
    one_clear_error(lambda: io.read_visium_hd(truth.folder, bin_um=0), "bin_um", "found 0")
