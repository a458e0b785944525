import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import spotweave.tl
from spotweave import datasets
from spotweave.cli import main


@pytest.fixture
def source(tmp_path):
    adata = datasets.simulate_patterns(160, n_genes=40, n_modules=3, log_fold=(0.5, 0.9), rng=2)
    adata.obs["slide"] = np.where(np.arange(160) % 2, "a", "b")
    path = tmp_path / "in.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.fixture
def calls(monkeypatch):
    """Stands for both verbs; remembers how they were called. Twelve modules: their names do not sort as text."""
    seen = []

    def gene_embedding(adata, **options):
        seen.append(options)
        adata.var["gene_patterned"] = np.arange(40) < 7
        adata.uns["gene_embedding"] = {"n_genes": 38}

    def gene_modules(adata, n_modules=None, *, key_added, **options):
        seen.append({"n_modules": n_modules, "key_added": key_added, **options})
        adata.var[key_added] = pd.Categorical([str(i % 12) if i < 36 else None for i in range(40)])

    monkeypatch.setattr(spotweave.tl, "gene_embedding", gene_embedding)
    monkeypatch.setattr(spotweave.tl, "gene_modules", gene_modules)
    return seen


def run(capsys, *tokens):
    status = main([str(t) for t in tokens])
    return status, *capsys.readouterr()


def test_every_option_reaches_the_embedding(capsys, source, calls, tmp_path):
    out = tmp_path / "out.h5ad"
    options = ["--method", "smooth", "--min-counts", 3, "--layer", "raw", "--spatial-key", "xy", "--device", "cpu"]
    more = ["--library-key", "slide", "--key-added", "mine", "--seed", 4, "--param", "n-components=3"]
    status, said, err = run(capsys, "gene-embedding", source, "-o", out, *options, *more)
    assert (status, err) == (0, "")
    named = {"method": "smooth", "min_counts": 3, "layer": "raw", "spatial_key": "xy", "device": "cpu"}
    assert calls == [{**named, "library_key": "slide", "key_added": "mine", "rng": 4, "n_components": 3}]
    assert re.fullmatch(rf"38 genes embedded, 7 of them vary in space; in [\d.]+ s -> {out}\n", said)


def test_every_option_reaches_the_modules(capsys, source, calls, tmp_path):
    out = tmp_path / "out.h5ad"
    options = ["--n-modules", 12, "--use-rep", "X_own", "--key-added", "mine", "--seed", 3]
    status, said, err = run(capsys, "gene-modules", source, "-o", out, *options)
    assert (status, err) == (0, "")
    assert calls == [{"n_modules": 12, "use_rep": "X_own", "key_added": "mine", "rng": 3}]
    first, second = said.splitlines()
    assert first.startswith("36 genes in 12 modules in ")
    assert second == "genes in each: " + ", ".join(f"{i}: 3" for i in range(12))
    assert ad.read_h5ad(out).var["mine"].nunique() == 12


def test_from_counts_to_modules_with_the_real_verbs(capsys, source, tmp_path):
    first, second = tmp_path / "embedded.h5ad", tmp_path / "grouped.h5ad"
    assert run(capsys, "gene-embedding", source, "-o", first, "--method", "smooth")[0] == 0
    assert ad.read_h5ad(first).varm["X_gene"].shape == (40, 32)
    status, said, _ = run(capsys, "gene-modules", first, "-o", second, "--n-modules", 3)
    assert status == 0
    assert "genes in 3 modules" in said
    found = ad.read_h5ad(second)
    assert found.var["gene_module"].nunique() == 3
    assert found.varm["gene_module_probability"].shape == (40, 3)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["gene-embedding", "{in}", "-o", "{tmp}/none/out.h5ad"], "Make it first"),
        (["gene-embedding", "{in}", "-o", "{tmp}/out.txt"], ".h5ad or .zarr"),
        (["gene-embedding", "{in}"], "--output"),
        (["gene-embedding", "{in}", "-o", "{tmp}/out.h5ad", "--method", "pca"], '"mae", "smooth"'),
        (["gene-embedding", "{in}", "-o", "{tmp}/out.h5ad", "--param", "width"], "name=value"),
        (["gene-modules", "{in}", "-o", "{tmp}/none/out.h5ad"], "Make it first"),
        (["gene-modules", "{in}", "-o", "{tmp}/out.csv"], ".h5ad or .zarr"),
        (["gene-modules", "{in}", "-o", "{tmp}/out.h5ad", "--n-modules", "some"], "--n-modules"),
    ],
)
def test_bad_options_are_one_line_and_status_2(capsys, source, calls, tmp_path, tokens, message):
    status, said, err = run(capsys, *(t.format(tmp=tmp_path, **{"in": source}) for t in tokens))
    assert (status, said, calls) == (2, "", [])
    assert message in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.h5ad"]


def test_modules_before_an_embedding_are_one_line_and_status_2(capsys, source, tmp_path):
    status, _, err = run(capsys, "gene-modules", source, "-o", tmp_path / "out.h5ad")
    assert status == 2
    assert "gene_embedding" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out.h5ad").exists()
