"""Sections as they are read, drawn, permuted and copied."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from spotweave import io
from spotweave.bench._genes_data import Sections, prepared, read, read_terms, section, section_name, tiled
from spotweave.bench._genes_sets import TERMS, EmbeddingSet
from spotweave.bench._genes_test_sets import Drawn
from spotweave.bench._source import Files

OPTIONS: dict[str, Any] = {"n_obs": 60, "n_genes": 50, "n_modules": 2, "library_size": 300.0}


@pytest.fixture
def adata(rng) -> AnnData:
    X = sp.csr_matrix(rng.poisson([0.1, 2, 1, 3], (35, 4)).astype(np.float32))
    var = pd.DataFrame({"symbol": ["aa", "Bb", "CC", "d.1"]}, index=list("wxyz"))
    return AnnData(X, var=var, obsm={"spatial": rng.random((35, 2)) * 7})


@pytest.fixture
def folder(tmp_path, adata):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    io.write(adata, tmp_path / "a" / "a.h5ad")
    io.write(adata[3:].copy(), tmp_path / "b" / "B1.h5ad")
    (tmp_path / TERMS).parent.mkdir()
    (tmp_path / TERMS).write_text("one\t\tAA\tbb,1.0\tAA\t\ntwo\tsaid\tCC\nthree\t\n")
    return tmp_path


PAIR = EmbeddingSet("p", "pair", Files(("a/a.h5ad", "b/B1.h5ad")), sections=("a/a.h5ad", "b/B1.h5ad"))


def test_read(folder, adata):
    data = read(PAIR, folder)
    assert [part.name for part in data.parts] == ["a", "b_B1"]
    own = data.parts[0]
    assert own.genes.tolist() == ["x", "y", "z"], "at least ten molecules"
    assert own.symbols.tolist() == ["BB", "CC", "D.1"]
    np.testing.assert_array_equal(own.X.toarray(), adata.X.toarray()[:, 1:])
    np.testing.assert_allclose(own.mean, own.X.toarray().sum(0) / own.X.toarray().sum(), rtol=1e-6)
    assert own.module is None
    assert [term.tolist() for term in data.terms] == [["AA", "BB"], ["CC"]]


def test_terms_that_are_absent_are_none(tmp_path):
    assert read_terms(tmp_path / "no.gmt") == []


def test_files(folder):
    assert PAIR.source.missing(folder) is None
    assert PAIR.source.locate(folder, folder / "x") == folder
    assert Files(("a/a.h5ad", "c")).missing(folder) == f"no file {folder / 'c'}"
    assert section_name("dlpfc/dlpfc.h5ad") == "dlpfc"


def test_permuted_rows(folder):
    null = EmbeddingSet("n", "null", PAIR.source, sections=PAIR.sections)
    data = read(null, folder)
    one, same, other = (prepared(data, {}, seed) for seed in (0, 0, 1))
    for own, again, elsewhere, before in zip(one.parts, same.parts, other.parts, data.parts, strict=True):
        assert (own.X != again.X).nnz == 0
        assert (own.X != elsewhere.X).nnz > 0
        assert (own.X != before.X).nnz > 0
        assert sorted(map(tuple, own.X.toarray())) == sorted(map(tuple, before.X.toarray()))
        np.testing.assert_array_equal(own.xy, before.xy)
    pair = read(PAIR, folder)
    assert prepared(pair, {}, 3) is pair


def test_drawn_by_the_seed():
    data = Sections(EmbeddingSet("s", "planted", Drawn(), OPTIONS))
    (one,), (same,), (other,) = (prepared(data, {}, seed).parts for seed in (0, 0, 1))
    assert (one.X != same.X).nnz == 0
    assert one.X.shape != other.X.shape or (one.X != other.X).nnz
    assert one.X.sum(axis=0).min() >= 10
    assert one.module is not None
    assert sorted(set(one.module)) == [-1, 0, 1]


def test_modules_are_of_the_genes_that_are_kept():
    from spotweave.datasets import simulate_patterns

    adata = simulate_patterns(**OPTIONS, rng=4)
    own = section(adata, "s")
    assert own.module is not None
    names = adata.var["module"].loc[own.genes].astype(str).to_numpy()
    assert 0 < (names == "none").sum() < len(names) < 50
    np.testing.assert_array_equal(own.module < 0, names == "none")
    assert len(set(zip(own.module, names, strict=True))) == 3


def test_copies_lie_side_by_side(folder):
    part = read(PAIR, folder).parts[0]
    four = tiled(part, 2)
    assert four.X.shape == (140, 3)
    np.testing.assert_array_equal(four.X[105:].toarray(), part.X.toarray())
    np.testing.assert_allclose(four.xy[105:] - four.xy[0], part.xy - part.xy[0] + four.xy[105] - four.xy[0])
    lower = four.xy[:35].max(axis=0)
    assert (four.xy[105:].min(axis=0) > lower).all()
    assert four.xy[35:70, 0].max() <= lower[0]
    assert four.xy[35:70, 1].min() > lower[1]
    assert tiled(part, 1) is part
