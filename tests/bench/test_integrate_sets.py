"""Slices read from several files or one, and labels that are left out."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from spotweave.bench._integrate_sets import GROUPS, SETS, SLICE, TRUTH, SliceSet
from spotweave.bench._sets import Truth
from spotweave.bench._source import Files, SimulatedFile


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "p").mkdir()
    for name, genes, n in (("P1", "abcd", 5), ("P2", "dxba", 4)):
        obs = pd.DataFrame(index=[f"s{i}" for i in range(n)])
        if name == "P1":
            obs["label"] = pd.Categorical(["u", "v", "odd", None, "v"])
        X = np.arange(n * 4, dtype=np.float32).reshape(n, 4)
        adata = AnnData(X, obs=obs, var=pd.DataFrame(index=list(genes)))
        adata.obsm["spatial"] = np.arange(n * 3.0).reshape(n, 3)
        adata.write_h5ad(tmp_path / "p" / f"{name}.h5ad")
    return tmp_path


ITEM = SliceSet("own", Files(("p/P1.h5ad", "p/P2.h5ad")), 2, Truth("label", unknown=("odd",)))


def test_several_files_are_put_below_each_other_on_shared_genes(folder):
    assert ITEM.source.missing(folder) is None
    adata = ITEM.read(ITEM.source.locate(folder, folder))
    assert adata.shape == (9, 3)
    assert set(adata.var_names) == set("abd")
    assert adata.obs_names.is_unique
    assert list(adata.obs[SLICE]) == ["P1"] * 5 + ["P2"] * 4
    assert adata.obs[TRUTH].isna().tolist() == [False, False, True, True, False, *[True] * 4]
    assert adata.obsm["spatial"].shape == (9, 2)
    assert adata[:, "d"].X.toarray().ravel().tolist() == [3, 7, 11, 15, 19, 0, 4, 8, 12]


def test_an_absent_file_is_a_reason(folder):
    other = SliceSet("own", Files(("p/P1.h5ad", "p/P7.h5ad")), 2)
    assert other.source.missing(folder) == f"no file {folder / 'p/P7.h5ad'}"


def test_one_file_says_its_slices_and_labels_may_be_absent(tmp_path):
    options = {"n_obs": 120, "n_genes": 30, "n_domains": 3, "n_slices": 2, "resolution": "spot", "rng": 1}
    whole = SliceSet("own", SimulatedFile(options), 3, Truth("domain_true"))
    path = whole.source.locate(tmp_path, tmp_path)
    adata = whole.read(path)
    assert adata.uns["simulation"]["transforms"].shape == (2, 3, 3)
    counts = adata.obs.groupby([SLICE, TRUTH], observed=True).size()
    assert len(counts) == 6
    part = SliceSet("own", whole.source, 3, whole.truth, ("slice_2", "domain_1")).read(path)
    expected = counts.drop(("slice_2", "domain_1")).to_dict()
    assert part.obs.groupby([SLICE, TRUTH], observed=True).size().to_dict() == expected
    assert part.obsm["spatial"].tolist() == adata[part.obs_names].obsm["spatial"].tolist()


def test_no_truth(tmp_path):
    options = {"n_obs": 40, "n_genes": 30, "n_domains": 2, "n_slices": 2, "resolution": "spot"}
    item = SliceSet("own", SimulatedFile(options), 2)
    assert item.read(item.source.locate(tmp_path, tmp_path)).obs[TRUTH].isna().all()


def test_groups():
    assert sorted(GROUPS["real"] + GROUPS["simulated"]) == sorted(SETS)
    assert set(SETS) - set(GROUPS["labelled"]) == {"molcart"}


@pytest.mark.data
@pytest.mark.parametrize("name", GROUPS["real"])
def test_real_set(data_dir, name):
    item = SETS[name]
    if item.source.missing(data_dir):
        pytest.skip(f"{name} is not in {data_dir}")
    adata = item.read(item.source.locate(data_dir, data_dir))
    labels = adata.obs[TRUTH].dropna()
    assert adata.obs[SLICE].nunique() >= 2
    assert item.truth is None or labels.nunique() == item.n_domains
    assert "undetermined" not in set(labels)
