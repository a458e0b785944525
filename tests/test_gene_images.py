"""pp.gene_images: every kind of table, slides apart, the values of pp.normalize, real sections, bad input."""

from types import SimpleNamespace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import spotweave as sw
from spotweave import InputError, settings
from spotweave.core import gene_images as module
from spotweave.core.gene_images import rasterise

pp: Any = sw.pp


@pytest.fixture
def adata(rng) -> ad.AnnData:
    """Two slides of hexagonal spots, rows mixed; some spots and one gene without counts."""
    row, column = np.divmod(np.arange(63), 9)
    slide = 55 * np.column_stack([column + row % 2 / 2, row * np.sqrt(3) / 2])
    X = rng.poisson(rng.gamma(1, 2, (1, 11)) * np.ones((126, 1)))
    X[:30], X[:, 7] = 0, 0
    result = ad.AnnData(sp.csr_matrix(X.astype(np.float32)))
    result.var_names = [f"g{i}" for i in range(11)]
    order = rng.permutation(126)
    result.obs["slide"] = pd.Categorical(np.repeat(["b", "a"], 63)[order])
    result.obsm["spatial"] = np.concatenate([slide, slide[:, ::-1] + 4000])[order]
    return result


def assert_same(found, expected):
    for name in ("images", "mask", "counts_per_pixel", "pixel", "to_xy", "extent"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-5, err_msg=name)


def test_slides_are_drawn_one_by_one_with_the_values_of_normalize(adata):
    before = adata.copy()
    found = pp.gene_images(adata, library_key="slide", patch=4)
    values = pp.normalize(adata, copy=True)
    assert [part.library for part in found] == ["a", "b"]
    for part in found:
        rows = (adata.obs["slide"] == part.library).to_numpy()
        assert_same(part, rasterise(adata.obsm["spatial"][rows], values[rows], patch=4))
        assert part.genes.tolist() == list(adata.var_names)
        assert part.mask.sum() == 2 * 63
    np.testing.assert_array_equal(adata.X.toarray(), before.X.toarray())
    assert list(adata.uns) == list(adata.layers) == list(adata.varm) == []


def test_genes_come_in_the_order_asked_for(adata):
    every = pp.gene_images(adata[:, ::-1])
    some = pp.gene_images(adata, ["g9", "g2", "g7"])
    assert some.genes.tolist() == ["g9", "g2", "g7"]
    assert some.library is None
    np.testing.assert_array_equal(some.images, every.images[[1, 8, 3]])
    assert (some.images[2][some.mask] == 0).all()


def test_values_as_they_are(adata):
    adata.layers["level"] = -np.log1p(adata.X.toarray())
    found = pp.gene_images(adata, layer="level", normalized=False, pixel_size=600)
    assert_same(found, rasterise(adata.obsm["spatial"], adata.layers["level"], pixel_size=600))
    with pytest.raises(InputError, match="counts"):
        pp.gene_images(adata, layer="level")


def test_any_kind_of_matrix(adata, tmp_path):
    expected = pp.gene_images(adata)
    adata.write_h5ad(tmp_path / "a.h5ad")
    dense, csc = adata.copy(), adata.copy()
    dense.X, csc.X = adata.X.toarray(), adata.X.tocsc()
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    with settings.override(chunk_size=50):
        for table in (dense, csc, backed, SimpleNamespace(tables={"table": adata})):
            assert_same(pp.gene_images(table), expected)


def test_refusals(adata, monkeypatch):
    for genes in (["g1", "nogene"], []):
        with pytest.raises(InputError, match="genes out of"):
            pp.gene_images(adata, genes)
    with pytest.raises(InputError, match="library_key"):
        pp.gene_images(adata, library_key="nokey")
    with pytest.raises(InputError, match="Choose fewer genes or a larger pixel_size"):
        pp.gene_images(adata, pixel_size=0.01)
    adata.obsm["solid"] = np.column_stack([adata.obsm["spatial"], np.arange(126)])
    with pytest.raises(InputError, match="two dimensions"):
        pp.gene_images(adata, spatial_key="solid")
    monkeypatch.setattr(module, "MOST_BYTES", 0)
    adata.X.data[:] = 0.5
    with pytest.raises(InputError, match="fewer genes"):  # before the counts are read
        pp.gene_images(adata)


def test_visium_section_keeps_all_spots_and_their_neighbours(data_dir):
    path = data_dir / "dlpfc_151673" / "dlpfc_151673.h5ad"
    if not path.exists():
        pytest.skip(f"{path} not found")
    adata = ad.read_h5ad(path)
    found = pp.gene_images(adata, list(adata.var_names[:7]), patch=16, normalized=False)
    row, column = adata.obs["array_row"].to_numpy(), adata.obs["array_col"].to_numpy()
    assert len(np.unique(found.pixel, axis=0)) == adata.n_obs
    assert found.mask.sum() == 2 * adata.n_obs
    assert found.counts_per_pixel.max() == 1
    assert all(length % 16 == 0 for length in found.mask.shape)
    array = np.column_stack([row - row.min(), column - column.min()])
    mirrored = np.column_stack([row.max() - row, column.max() - column])
    assert any((found.pixel == place).all() for place in (array, mirrored)), "the array's own doubled coordinates"
    np.testing.assert_array_equal(found.images[:, *found.pixel.T], adata[:, :7].X.toarray().T)
