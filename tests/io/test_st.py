import gzip

import numpy as np
import pandas as pd
import pytest

from spotweave import io


def test_read_st_pixels_of_selected_spots(st, caplog):
    counts_path, spots_path, table, spots = st

    adata = io.read_st(counts_path, spots=spots_path)

    kept = [name for i, name in enumerate(table.index) if i != 5]
    assert adata.obs_names.tolist() == kept
    assert adata.var_names.tolist() == table.columns.tolist()
    np.testing.assert_array_equal(adata.X.toarray(), table.loc[kept].to_numpy())
    for name, (px, py) in zip(adata.obs_names, adata.obsm["spatial"], strict=True):
        x, y = (int(v) for v in name.split("x"))
        row = spots[(spots["x"] == x) & (spots["y"] == y)].iloc[0]
        assert (px, py) == (row["pixel_x"], row["pixel_y"])
        assert tuple(adata.obs.loc[name, ["array_x", "array_y"]]) == (x, y)
    assert [r.levelname for r in caplog.records] == ["WARNING"]  # one spot was not selected


def test_read_st_without_spots_takes_the_array(st, caplog):
    counts_path, _, table, _ = st
    adata = io.read_st(counts_path)
    expected = np.array([[x, y] for x in range(10, 14) for y in range(2, 5)], dtype=float)
    np.testing.assert_array_equal(adata.obsm["spatial"], expected)
    np.testing.assert_array_equal(adata.X.toarray(), table.to_numpy())
    assert not caplog.records


@pytest.mark.parametrize(("drop", "columns"), [(["pixel_x"], ["new_x", "new_y"]), (["pixel_x", "new_y"], ["x", "y"])])
def test_read_st_falls_back_to_array_coordinates(st, drop, columns):
    counts_path, spots_path, table, spots = st
    spots.drop(columns=[*drop, "selected"]).to_csv(spots_path, sep="\t", index=False)
    adata = io.read_st(counts_path, spots=spots_path)
    expected = spots.sort_values(["x", "y"])[columns].to_numpy(dtype=float)
    np.testing.assert_array_equal(adata.obsm["spatial"], expected)
    assert adata.n_obs == len(table)


def test_read_st_rows_named_by_the_corrected_place(st):
    counts_path, spots_path, table, _ = st
    table.index = [f"{x + 0.03}x{y - 0.02}" for x in range(10, 14) for y in range(2, 5)]
    table.to_csv(counts_path, sep="\t")
    adata = io.read_st(counts_path, spots=spots_path)
    assert adata.n_obs == 11
    np.testing.assert_array_equal(adata.obsm["spatial"][0], [2505, 380.5])


def test_read_st_transposed_table(st):
    counts_path, spots_path, table, _ = st
    table.T.to_csv(counts_path, sep="\t")
    adata = io.read_st(counts_path, spots=spots_path)
    np.testing.assert_array_equal(adata.X.toarray(), table.drop(index="11x4").to_numpy())
    assert io.read(counts_path).shape == (11, 6)


def test_read_finds_table_and_selection(st):
    counts_path, spots_path, *_ = st
    direct = io.read_st(counts_path, spots=spots_path)
    for path in (counts_path, str(counts_path), counts_path.parent):
        adata = io.read(path)
        pd.testing.assert_frame_equal(adata.obs, direct.obs)
        np.testing.assert_array_equal(adata.obsm["spatial"], direct.obsm["spatial"])


def test_read_st_plain_text_with_gz_name(st):
    counts_path, spots_path, *_ = st
    before = io.read_st(counts_path, spots=spots_path)
    counts_path.write_bytes(gzip.decompress(counts_path.read_bytes()))
    np.testing.assert_array_equal(io.read_st(counts_path, spots=spots_path).X.toarray(), before.X.toarray())


def test_read_folder_with_several_tables(st, one_clear_error):
    counts_path, *_ = st
    (counts_path.parent / "B1.tsv.gz").write_bytes(counts_path.read_bytes())
    one_clear_error(lambda: io.read(counts_path.parent), counts_path.parent, "A1.tsv.gz", "B1.tsv.gz")
