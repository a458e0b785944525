import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import _table, io
from spotweave.io import _write


@pytest.fixture
def results(rng):
    """What tasks leave in an AnnData."""
    n, g, k = 17, 5, 3
    adata = ad.AnnData(sp.csr_matrix(rng.poisson(1.0, (n, g)).astype(np.float32)))
    adata.obs_names, adata.var_names = [f"c{i}" for i in range(n)], [f"g{j}" for j in range(g)]
    adata.obs["domain"] = _table.labels(rng.integers(0, k, n), k)
    adata.obs["truth"] = pd.Series(["L1", None] * 8 + ["L2"], index=adata.obs_names, dtype=object)
    adata.obs["score"] = rng.random(n)
    adata.var["highly_variable"] = rng.random(g) > 0.5
    adata.obsm["spatial"] = rng.random((n, 2))
    adata.obsm["X_fusion"] = rng.random((n, 4)).astype(np.float32)
    adata.obsm["proportions"] = pd.DataFrame(rng.random((n, k)), index=adata.obs_names, columns=["B", "T", "NK"])
    adata.varm["X_gene"] = rng.random((g, 2))
    adata.obsp["spatial_connectivities"] = sp.random(n, n, 0.2, format="csr", rng=rng)
    adata.layers["counts"] = adata.X.copy()
    curve = {"n_domains": np.arange(2, 9), "stability": rng.random(7)}
    adata.uns["domain"] = _table.params(method="fusion", n_domains=7, params={"n_hops": 2, "lr": 1e-3}, converged=True)
    adata.uns["domain"]["curve"] = curve
    adata.uns["domain_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    return adata


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_write_round_trip(results, tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    io.write(results, path)
    back = io.read(path)

    for name in ("domain", "score"):
        pd.testing.assert_series_equal(back.obs[name], results.obs[name])
    assert back.obs["domain"].cat.categories.tolist() == ["0", "1", "2"]
    assert back.obs["truth"].isna().tolist() == [False, True] * 8 + [False]
    assert back.obs["truth"].iloc[-1] == "L2"
    pd.testing.assert_frame_equal(back.var, results.var)
    for name in ("spatial", "X_fusion"):
        np.testing.assert_array_equal(back.obsm[name], results.obsm[name])
        assert back.obsm[name].dtype == results.obsm[name].dtype
    pd.testing.assert_frame_equal(back.obsm["proportions"], results.obsm["proportions"])
    np.testing.assert_array_equal(back.varm["X_gene"], results.varm["X_gene"])
    assert isinstance(back.obsp["spatial_connectivities"], sp.csr_matrix)
    np.testing.assert_array_equal(
        back.obsp["spatial_connectivities"].toarray(), results.obsp["spatial_connectivities"].toarray()
    )
    np.testing.assert_array_equal(back.layers["counts"].toarray(), results.X.toarray())
    uns = back.uns["domain"]
    assert uns["method"] == "fusion"
    assert uns["params"] == {"n_hops": 2, "lr": 1e-3}
    assert bool(uns["converged"])
    assert uns["spotweave_version"] == results.uns["domain"]["spotweave_version"]
    np.testing.assert_array_equal(uns["curve"]["stability"], results.uns["domain"]["curve"]["stability"])
    assert list(back.uns["domain_colors"]) == ["#ff0000", "#00ff00", "#0000ff"]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_write_replaces_the_older_version(results, tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    io.write(results, path)
    io.write(results[:4].copy(), path)
    assert io.read(path).n_obs == 4
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_write_backed_object_over_its_own_file(results, tmp_path):
    path = tmp_path / "out.h5ad"
    io.write(results, path)
    backed = io.read(path, backed=True)
    backed.obs["new"] = np.arange(backed.n_obs)
    io.write(backed, path)
    assert backed.filename == path  # not the temporary name
    back = io.read(path)
    assert back.obs["new"].tolist() == list(range(17))
    np.testing.assert_array_equal(back.X.toarray(), results.X.toarray())


def snapshot(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_write_failure_leaves_everything_as_it_was(results, tmp_path, suffix, there, one_clear_error):
    path = tmp_path / f"out{suffix}"
    if there:
        io.write(results, path)
    before = snapshot(tmp_path)
    results.uns["domain"]["model"] = object()  # nothing that a file can hold; found after obs and X were written
    one_clear_error(lambda: io.write(results, path), path, "model")
    assert snapshot(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == ([path.name] if there else [])


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_write_interrupted_leaves_everything_as_it_was(results, tmp_path, suffix, monkeypatch):
    path = tmp_path / f"out{suffix}"
    io.write(results, path)
    before = snapshot(tmp_path)
    whole = _write._write_to

    def interrupted(*args):
        whole(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(_write, "_write_to", interrupted)
    with pytest.raises(KeyboardInterrupt):
        io.write(results[:3].copy(), path)
    assert snapshot(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_write_zarr_puts_the_older_version_back(results, tmp_path, monkeypatch, one_clear_error):
    path = tmp_path / "out.zarr"
    io.write(results, path)
    before = snapshot(tmp_path)
    rename = type(path).rename

    def no_second_rename(self, target):
        if self.name.endswith(".tmp.zarr"):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", no_second_rename)
    one_clear_error(lambda: io.write(results[:3].copy(), path), path, "No space left")
    assert snapshot(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]


def test_write_refuses_what_it_should_not_replace(results, tmp_path, one_clear_error):
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "notes.txt").write_text("keep me")
    (tmp_path / "sd.zarr" / "images").mkdir(parents=True)
    (tmp_path / "sd.zarr" / ".zgroup").write_text("{}")
    (tmp_path / "file.zarr").write_text("keep me")
    (tmp_path / "folder.h5ad").mkdir()
    before = snapshot(tmp_path)
    for name, found in (("mine", "notes.txt"), ("sd", "SpatialData"), ("file", "a file")):
        path = tmp_path / f"{name}.zarr"
        one_clear_error(lambda path=path: io.write(results, path), path, found)
    one_clear_error(lambda: io.write(results, tmp_path / "folder.h5ad"), tmp_path / "folder.h5ad", "a folder")
    assert snapshot(tmp_path) == before


def test_write_bad_targets(results, tmp_path, one_clear_error):
    one_clear_error(lambda: io.write(results, tmp_path / "out.csv"), "out.csv", ".h5ad or .zarr")
    one_clear_error(lambda: io.write(results, tmp_path / "no" / "out.h5ad"), tmp_path / "no", "Make it first")
    one_clear_error(lambda: io.write([1, 2], tmp_path / "out.h5ad"), "AnnData", "list")
    assert not list(tmp_path.iterdir())
