import numpy as np
import pandas as pd
import pytest

from spotweave import io


@pytest.mark.parametrize("cells", ["parquet", "csv"])
@pytest.mark.parametrize("matrix", ["h5", "mtx"])
def test_read_xenium_holds_what_was_written(xenium, cells, matrix, caplog):
    folder, counts, table = xenium(cells=cells, matrix=matrix)

    adata = io.read_xenium(folder)

    assert not caplog.records
    table = table.set_index("cell_id").loc[counts.barcodes]
    assert adata.obs_names.tolist() == counts.barcodes
    np.testing.assert_array_equal(adata.X.toarray(), counts.X[:, :5])  # the other four are controls
    assert adata.var["gene_ids"].tolist() == counts.ids[:5]
    np.testing.assert_allclose(adata.obsm["spatial"], table[["x_centroid", "y_centroid"]], rtol=1e-12)
    assert adata.obs["control_probe_counts"].tolist() == table["control_probe_counts"].tolist()
    assert adata.obs["cell_area"].tolist() == pytest.approx(table["cell_area"].tolist())


@pytest.mark.parametrize("unassigned", ["Unassigned Codeword", "Blank Codeword"])
def test_read_xenium_counts_controls_the_cell_table_lacks(xenium, unassigned):
    folder, counts, _ = xenium()
    counts.types[7] = unassigned
    counts.write_h5(folder / "cell_feature_matrix.h5")
    obs = io.read_xenium(folder).obs
    assert obs["control_codeword_counts"].tolist() == counts.X[:, 6].tolist()
    assert obs["unassigned_codeword_counts"].tolist() == counts.X[:, 7].tolist()
    assert "genomic_control_counts" not in obs


def test_read_xenium_old_versions_number_cells_and_write_bytes(xenium, tmp_path):
    folder, counts, table = xenium()
    counts.barcodes = [str(i + 1) for i in range(len(counts.barcodes))]
    counts.write_h5(folder / "cell_feature_matrix.h5")
    table["cell_id"] = [i + 1 for i in range(len(table))]
    table["segmentation_method"] = [b"nucleus"] * len(table)
    table.to_parquet(folder / "cells.parquet")
    adata = io.read_xenium(folder)
    assert adata.obs_names.tolist() == counts.barcodes
    assert adata.obs["segmentation_method"].unique().tolist() == ["nucleus"]
    table["cell_id"] = [str(i).encode() for i in table["cell_id"]]
    table.to_parquet(folder / "cells.parquet")
    again = io.read_xenium(folder)
    pd.testing.assert_frame_equal(again.obs, adata.obs)
    io.write(again, tmp_path / "out.h5ad")


def test_read_xenium_cells_that_differ_are_intersected_with_a_warning(xenium, caplog):
    folder, counts, table = xenium()
    table[table["cell_id"] != counts.barcodes[4]].to_parquet(folder / "cells.parquet")
    adata = io.read_xenium(folder)
    assert adata.obs_names.tolist() == counts.barcodes[:4] + counts.barcodes[5:]
    np.testing.assert_array_equal(adata.X.toarray(), np.delete(counts.X[:, :5], 4, axis=0))
    assert adata.obs["control_codeword_counts"].tolist() == np.delete(counts.X[:, 6], 4).tolist()
    assert "1 of 9 in" in caplog.text


def test_read_xenium_only_zipped_zarr(xenium, one_clear_error):
    folder, *_ = xenium()
    (folder / "cell_feature_matrix.h5").rename(folder / "cell_feature_matrix.zarr.zip")
    one_clear_error(
        lambda: io.read_xenium(folder), folder, "cell_feature_matrix.h5", "only cell_feature_matrix.zarr.zip"
    )
    one_clear_error(lambda: io.read(folder), "only cell_feature_matrix.zarr.zip")
    (folder / "cells.parquet").rename(folder / "cells.zarr.zip")
    one_clear_error(lambda: io.read_xenium(folder), "cells.parquet", "only cells.zarr.zip")
