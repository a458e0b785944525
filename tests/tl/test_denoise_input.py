"""`tl.denoise` on odd input, which is handled and logged, and on bad input: one clear error, the table as it was."""

import logging
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import spotweave as sw
from spotweave import InputError, datasets
from spotweave.tl import _denoise_input
from spotweave.tl._denoise_input import check_room, has_spatial_order
from spotweave.tl._denoise_methods import FactorParams, GmmVgaeMethodParams
from spotweave.tl._tissue import read_graph

tl: Any = sw.tl
FAST: dict[str, dict[str, Any]] = {
    "factor": {"method": "factor", "ranks": (1, 2)},
    "gmm_vgae": {"max_steps": 10, "n_warmup": 4, "n_hidden": 8, "n_curved": 4, "n_latent": 3},
}
both = pytest.mark.parametrize("method", FAST)


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    return datasets.simulate_tissue(150, n_genes=40, n_domains=3, rng=0)


@pytest.fixture
def adata(tissue) -> ad.AnnData:
    return tissue.copy()


@both
@pytest.mark.parametrize("guard", [True, False])
def test_cells_and_genes_of_zeros(adata, method, guard, caplog):
    X = adata.X.toarray()
    X[[3, 50]], X[:, 7] = 0, 0
    adata.X = sp.csr_matrix(X)
    with caplog.at_level(logging.WARNING, "spotweave"):
        found = tl.denoise(adata, sd=True, guard=guard, copy=True, **FAST[method])
    assert "2 cells have no counts" in caplog.text
    mean, sd = found.mean.to_numpy(), found.sd.to_numpy()
    assert np.isfinite(mean).all()
    assert np.isfinite(sd).all()
    assert (mean[[3, 50]] == 0).all()
    assert (sd[[3, 50]] == 0).all()
    assert (mean[:, 7] >= 0).all()
    assert mean[:, 7].max() < 0.05
    others = np.delete(np.delete(mean, [3, 50], axis=0), 7, axis=1)
    assert (others > 0).all()
    assert np.isfinite(found.genes.to_numpy()).all()
    assert np.isfinite([found.report["deviance"], found.report["deviance_mean"]]).all()


def test_stored_zeros_are_no_counts(adata, tissue):
    adata.X = sp.csr_matrix(tissue.X.toarray() + 1)
    adata.X.data -= 1
    assert adata.X.nnz == 150 * 40
    found, expected = (tl.denoise(a, copy=True, **FAST["factor"]).mean for a in (adata, tissue))
    pd.testing.assert_frame_equal(found, expected)
    assert adata.X.nnz == 150 * 40


def test_gene_names_that_repeat(adata, tissue):
    adata.var_names = [*tissue.var_names[:38], "twin", "twin"]
    tl.denoise(adata, **FAST["factor"])
    expected = tl.denoise(tissue, copy=True, **FAST["factor"])
    np.testing.assert_array_equal(adata.layers["denoised"], expected.mean)
    np.testing.assert_array_equal(adata.varm["denoised"], expected.genes)
    tl.denoise(adata, genes=["twin"], **FAST["factor"])
    np.testing.assert_allclose(adata.obsm["denoised"], expected.mean.iloc[:, 38:], rtol=1e-5)
    assert adata.varm["denoised"]["pattern"].notna().to_numpy().nonzero()[0].tolist() == [38, 39]


@both
@pytest.mark.parametrize("n", [2, 3, 7])
def test_a_few_cells(tissue, method, n):
    found = tl.denoise(tissue[:n].copy(), copy=True, **FAST[method])
    assert found.mean.shape == (n, 40)
    assert np.isfinite(found.mean.to_numpy()).all()
    assert found.report["graph_used"] is False


def test_settings_in_one_object_or_by_name_are_the_same(adata):
    by_name = tl.denoise(adata, method="factor", ranks=(2,), weight_smooth=0.2, copy=True)
    one = tl.denoise(adata, method="factor", params=FactorParams(ranks=(2,), weight_smooth=0.2), copy=True)
    pd.testing.assert_frame_equal(by_name.mean, one.mean)
    assert one.report["params"]["settings"]["weight_smooth"] == 0.2


# Spatial order.


def order_of(tissue, xy, library=None) -> bool:
    W = read_graph(tissue, None, xy, library)
    return has_spatial_order(tissue.X.astype(np.float64), W, library, np.random.default_rng(0))


def test_spatial_order_is_seen_where_there_is_some(tissue):
    xy = tissue.obsm["spatial"]
    assert order_of(tissue, xy) is True
    chance = [order_of(tissue, np.random.default_rng(s).permutation(xy)) for s in range(10)]
    assert sum(chance) <= 1
    assert has_spatial_order(tissue.X, sp.csr_matrix((150, 150)), None, np.random.default_rng(0)) is False
    assert order_of(tissue[:19], xy[:19]) is False


def test_a_difference_between_slides_is_no_spatial_order():
    rng = np.random.default_rng(0)
    rate = np.repeat([[2.0], [6.0]], 100, axis=0) ** np.array([[1.0, 0.0] * 10])
    counts = ad.AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)))
    xy, library = rng.random((200, 2)), np.repeat([0, 1], 100)
    W = read_graph(counts, None, xy, library)
    assert has_spatial_order(counts.X, W, library, rng) is False
    assert has_spatial_order(counts.X, W, None, rng) is True


# Room.


def test_a_result_that_does_not_fit_is_refused(adata, monkeypatch):
    monkeypatch.setattr(_denoise_input, "_memory", lambda: 2 * 4.0 * 150 * 40)
    before = adata.copy()
    check_room(150, 40)
    with pytest.raises(InputError, match=r"half of this machine's memory.*150 cells x 80 columns.*genes=\[") as caught:
        tl.denoise(adata, sd=True, **FAST["factor"])
    assert "\n" not in str(caught.value)
    assert_same_table(adata, before)
    tl.denoise(adata, genes=list(adata.var_names[:20]), sd=True, **FAST["factor"])
    monkeypatch.setattr(_denoise_input, "_memory", lambda: 0.0)  # unknown: nothing to refuse by
    check_room(10**9, 10**5)


def test_memory_is_that_of_this_machine_or_unknown(monkeypatch):
    assert _denoise_input._memory() >= 0
    monkeypatch.delattr(_denoise_input.os, "sysconf", raising=False)
    assert _denoise_input._memory() == 0


# Bad input: one clear error, the table as it was.


def assert_same_table(a: ad.AnnData, b: ad.AnnData) -> None:
    """Every slot, byte by byte."""
    pd.testing.assert_frame_equal(a.obs, b.obs)
    pd.testing.assert_frame_equal(a.var, b.var)
    for slot in ("obsm", "varm", "obsp", "layers", "uns"):
        assert list(getattr(a, slot)) == list(getattr(b, slot))
    for key in a.obsm:
        np.testing.assert_array_equal(np.asarray(a.obsm[key]), np.asarray(b.obsm[key]))
    for part in ("data", "indices", "indptr"):
        assert getattr(a.X, part).tobytes() == getattr(b.X, part).tobytes()


def nothing(a):
    pass


def without_coordinates(a):
    del a.obsm["spatial"]


def negative(a):
    a.X.data[5] = -2


def halves(a):
    a.X.data[5] = 0.5


def nan_counts(a):
    a.X.data[5] = np.nan


def zeros(a):
    a.X = sp.csr_matrix(a.shape, dtype=np.float32)


def stored_zeros(a):
    a.X.data[:] = 0


BAD: dict[str, Any] = {
    "no coordinates": (without_coordinates, {}, r"obsm\['spatial'\].*spatial_key"),
    "negative": (negative, {}, "non-negative counts.*-2"),
    "not whole": (halves, {}, "whole-number counts"),
    "NaN in counts": (nan_counts, {}, "finite counts.*NaN"),
    "all zeros": (zeros, {}, "at least one cell with counts.*none"),
    "all stored zeros": (stored_zeros, {}, "at least one cell with counts.*none"),
    "unknown gene": (nothing, {"genes": ["gene_03", "nope"]}, r"var_names.*nope"),
    "no genes": (nothing, {"genes": []}, "var_names.*no gene"),
    "no genes in an array": (nothing, {"genes": np.array([], str)}, "var_names.*no gene"),
    "unknown method": (nothing, {"method": "magic"}, r"method.*gmm_vgae.*factor.*'magic'"),
    "other settings": (nothing, {"params": GmmVgaeMethodParams()}, "FactorParams with method='factor'.*GmmVgaeMethodParams"),
    "settings in a dict": (nothing, {"params": {"ranks": (1,)}}, "FactorParams.*dict"),
    "unknown option": (nothing, {"rankz": 2}, r"(?=.*'max_rows')(?=.*'ranks').* found \['rankz'\]"),
    "option of the other method": (nothing, {"n_latent": 2}, r"found \['n_latent'\]"),
    "no layer": (nothing, {"layer": "nope"}, r"layers\['nope'\]"),
    "no library": (nothing, {"library_key": "nope"}, "library_key='nope'"),
    "no graph": (nothing, {"graph_key": "nope"}, r"obsp\['nope'\]"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error_and_changes_nothing(adata, case):
    spoil, options, match = BAD[case]
    spoil(adata)
    before = adata.copy()
    with pytest.raises(InputError, match=match) as caught:
        tl.denoise(adata, **{"method": "factor", **options})
    assert "\n" not in str(caught.value)
    assert_same_table(adata, before)


@both
def test_one_cell(tissue, method):
    with pytest.raises(InputError, match="at least two cells.*a table of 1"):
        tl.denoise(tissue[:1].copy(), **FAST[method])
