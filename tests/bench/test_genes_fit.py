"""Embeddings and modules as the benchmark asks for them."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import tl
from spotweave.bench import _genes_fit as of
from spotweave.bench._genes_data import GeneSection, Sections
from spotweave.bench._genes_fit import embed, modules, raw_components
from spotweave.bench._genes_methods import GROUPS, METHODS, trained
from spotweave.bench._genes_sets import SETS


@pytest.fixture
def part(rng) -> GeneSection:
    X = sp.csr_matrix(rng.poisson(rng.gamma(2, 1, 23), (31, 23)).astype(np.float32))
    names = np.array([f"g{i}" for i in range(23)])
    return GeneSection("a", X, rng.random((31, 2)), names, names)


def dense_residuals(X):
    X = X.toarray().astype(float)
    mean = X.sum(1)[None] * (X.sum(0) / X.sum())[:, None]
    R = np.clip((X.T - mean) / np.sqrt(mean), -10, 10)
    return R / np.linalg.norm(R, axis=1, keepdims=True)


def test_raw_components(part, rng, monkeypatch):
    monkeypatch.setattr(of, "N_COMPONENTS", 4)
    monkeypatch.setattr(of, "BLOCK", 5)
    R = dense_residuals(part.X)
    u, s, _ = np.linalg.svd(R, full_matrices=False)
    expected = u[:, :4] * s[:4]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = raw_components(part.X, rng)
    assert found.shape == (23, 4)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=0.05)


def test_a_single_molecule_does_not_make_a_component(part, rng, monkeypatch):
    monkeypatch.setattr(of, "OUTLIER", 0.5)
    blocks = of._Residuals(part.X)
    whole = np.concatenate([blocks.block(genes) for genes in blocks.blocks()])
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1)
    assert (abs(whole) / abs(whole).max(axis=1, keepdims=True) > 0.999).mean() > 0.5, "held to one size"


def test_sections_are_embedded_by_themselves_with_numbers_of_their_own(part, monkeypatch):
    seen = []

    def stand_in(adata, *, rng, progress, **options):
        seen.append((adata.shape, rng.random(), options, progress))
        adata.varm["X_gene"] = np.ones((adata.n_vars, 2))

    monkeypatch.setattr(tl, "gene_embedding", stand_in)
    data = Sections(SETS["her2st_pair"], (part, part))
    found = embed(data, {"method": "mae", "refine": False}, 4)
    embed(data, {"method": "mae", "refine": False}, 4)
    assert [vectors.shape for vectors in found.vectors] == [(23, 2), (23, 2)]
    assert found.seed == 4
    assert seen[:2] == seen[2:]
    assert seen[0][1] != seen[1][1]
    assert seen[0][2:] == ({"method": "mae", "refine": False}, False)


def test_smooth(part):
    (vectors,) = embed(Sections(SETS["her2st_C1"], (part,)), METHODS["smooth"], 0).vectors
    assert vectors.shape[0] == 23
    assert np.isfinite(vectors).all()


def test_modules_among_the_chosen(part, monkeypatch):
    vectors, chosen = np.arange(46.0).reshape(23, 2), np.arange(23) % 2 == 0

    def stand_in(adata, n, *, genes, rng):
        np.testing.assert_array_equal(adata.varm["X_gene"], vectors)
        assert (n, rng) == (3, 7)
        names = pd.Series((np.arange(23) % 3).astype(str)).where(genes & (np.arange(23) != 2))
        adata.var["gene_module"] = pd.Categorical(names)

    monkeypatch.setattr(tl, "gene_modules", stand_in)
    codes = modules(part, vectors, chosen, 3, 7)
    assert codes.tolist() == [-1 if i == 2 else i % 3 for i in range(0, 23, 2)]


def test_methods():
    assert [name for name, settings in METHODS.items() if trained(settings)] == [
        "mae",
        "mae-no-refine",
        "mae-no-contrast",
    ]
    assert GROUPS["all"] == [*GROUPS["main"], *GROUPS["ablations"]]
