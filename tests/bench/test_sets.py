import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from spotweave import InputError
from spotweave.bench._methods import METHODS
from spotweave.bench._names import chosen
from spotweave.bench._sets import GROUPS, SETS, Truth, simulated
from spotweave.bench._source import SimulatedFile, data_folder


@pytest.mark.data
@pytest.mark.parametrize("name", GROUPS["real"])
def test_real_set(data_dir, name):
    dataset = SETS[name]
    if dataset.source.missing(data_dir):
        pytest.skip(f"{name} is not in {data_dir}")
    import anndata

    obs = anndata.read_h5ad(dataset.source.locate(data_dir, data_dir), backed="r").obs
    if dataset.keep is not None:
        obs = obs[obs[dataset.keep[0]] == dataset.keep[1]]
    for truth in dataset.truths:
        labels = truth.of(AnnData(obs=obs)).dropna()
        assert labels.nunique() == dataset.n_domains
        assert not {"Excluded", "undetermined"} & set(labels)
        assert len(labels) > 0.8 * len(obs)
    assert {"osmfish_somatosensory": 4_839, "dlpfc_151673": 3_639}.get(name, len(obs)) == len(obs)


def test_rows_to_keep(tmp_path):
    adata = AnnData(np.ones((5, 2), np.float32), obs=pd.DataFrame({"Valid": [1, 0, 1, 1, 0]}, index=list("abcde")))
    adata.obsm["spatial"] = np.zeros((5, 2))
    adata.write_h5ad(tmp_path / "a.h5ad")
    read = SETS["osmfish_somatosensory"].read(tmp_path / "a.h5ad")
    assert list(read.obs_names) == ["a", "c", "d"]
    assert not read.is_view


def test_unknown_labels_are_missing():
    adata = AnnData(obs=pd.DataFrame({"t": pd.Categorical(["x", "undetermined", None])}, index=list("abc")))
    assert Truth("t", unknown=("undetermined",)).of(adata).isna().tolist() == [False, True, True]
    with pytest.raises(InputError, match="truth='absent'"):
        Truth("absent").of(adata)


def test_simulated_file_is_made_once_and_anew_when_anything_changes(tmp_path, monkeypatch):
    dataset = simulated("s", n_obs=60, n_genes=30, n_domains=3, resolution="cell", rng=5)
    assert dataset.source.missing(tmp_path / "nowhere") is None
    path = dataset.source.locate(tmp_path, tmp_path)
    written = path.stat().st_mtime_ns
    adata = dataset.read(path)
    assert (adata.shape, adata.obs["domain_true"].nunique()) == ((60, 30), 3)
    assert dataset.source.locate(tmp_path, tmp_path).stat().st_mtime_ns == written
    other = simulated("s", n_obs=61, n_genes=30, n_domains=3, resolution="cell", rng=5)
    assert other.source.locate(tmp_path, tmp_path) != path
    monkeypatch.setattr("spotweave.bench._source.simulator_code", lambda: b"changed")
    assert dataset.source.locate(tmp_path, tmp_path) != path


def test_simulated_sets_take_these_arguments():
    from spotweave.datasets._params import TissueParams

    for name in GROUPS["simulated"]:
        source = SETS[name].source
        assert isinstance(source, SimulatedFile)
        options = {key: value for key, value in source.options.items() if key != "rng"}
        assert TissueParams(**options).n_domains == SETS[name].n_domains
        assert name == f"sim_{options['layout']}_{options['resolution']}"


def test_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SPOTWEAVE_DATA", "/elsewhere")
    assert str(data_folder()) == "/elsewhere"
    assert data_folder(tmp_path) == tmp_path
    monkeypatch.delenv("SPOTWEAVE_DATA")
    assert str(data_folder()) == "../shared/data"


def test_methods_are_arguments_of_the_verb():
    from spotweave.tl._domain_methods import METHODS as KNOWN
    from spotweave.tl._domain_methods import configured

    for settings in METHODS.values():
        options = dict(settings)
        _, defaults = KNOWN[options.pop("method")]
        options.pop("refine", None)
        configured(defaults, options)


def test_names():
    registry, groups = {"a": 1, "b": 2, "c": 3}, {"both": ["a", "b"]}
    assert list(chosen("c, a", registry, groups, "things")) == ["c", "a"]
    assert chosen(["both", "a"], registry, groups, "things") == {"a": 1, "b": 2}
    for wrong in ("a,x", "", (), "a,"):
        with pytest.raises(InputError, match="things out of"):
            chosen(wrong, registry, groups, "things")
