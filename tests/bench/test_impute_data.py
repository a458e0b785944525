"""Two tables become counts of the genes that both have, dealt out to folds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from spotweave import InputError, io
from spotweave.bench._impute_data import read_panels
from spotweave.bench._impute_sets import GROUPS, SETS, ImputeSet, MeasuredPair, SimulatedPair


def table(X, names, **obs) -> AnnData:
    adata = AnnData(sp.csr_matrix(X, dtype=np.float32), obs=pd.DataFrame(obs, index=[f"c{i}" for i in range(len(X))]))
    adata.var_names = names
    adata.obsm["spatial"] = np.arange(2.0 * len(X)).reshape(-1, 2)
    return adata


@pytest.fixture
def pair(tmp_path, rng) -> ImputeSet:
    X, R = rng.poisson(5.0, (9, 7)) + 1, rng.poisson(5.0, (6, 8)) + 1
    X[4] = 0
    X[:, 5] = 0
    names = ["a1", "B2", "c3", "D4", "E5", "absent", "own"]
    target = table(X, names, part=[1, 1, 2, 1, 1, 1, 1, 1, 1])
    reference = table(R, ["x", "E5", "d4", "C3", "b2", "A1", "absent", "a1"], fov=list("001022"))
    for folder, adata in (("t", target), ("r", reference)):
        (tmp_path / folder).mkdir()
        io.write(adata, tmp_path / folder / "a.h5ad")
    return ImputeSet("own", MeasuredPair("t/a.h5ad", "r/a.h5ad"), 2, ("part", (1,)), ("fov", ("0", "2")))


def test_genes_are_matched_by_name_and_cells_without_counts_dropped(pair, tmp_path):
    file = pair.source.locate(tmp_path, tmp_path)
    panels = read_panels(pair, file)
    target, reference = io.read(tmp_path / "t/a.h5ad"), io.read(tmp_path / "r/a.h5ad")
    assert panels.genes.tolist() == ["a1", "B2", "c3", "D4", "E5"], "`absent` has no count in the target"
    kept = [0, 1, 3, 5, 6, 7, 8]  # cell 2 is of the other part, cell 4 empty
    np.testing.assert_array_equal(panels.X.toarray(), target.X.toarray()[kept, :5])
    np.testing.assert_array_equal(panels.R.toarray(), reference.X.toarray()[[0, 1, 3, 4, 5]][:, [5, 4, 3, 2, 1]])
    np.testing.assert_array_equal(panels.xy, target.obsm["spatial"][kept])
    assert panels.rates is None


def test_each_gene_is_predicted_once_from_the_others(pair, tmp_path):
    panels = read_panels(pair, tmp_path / "t/a.h5ad")
    folds = panels.folds()
    assert sorted(np.concatenate(folds)) == [0, 1, 2, 3, 4]
    for wanted, given in zip(folds, panels.pairs(), strict=True):
        panel = [j for j in range(5) if j not in wanted]
        np.testing.assert_array_equal(given.X.toarray(), panels.X.toarray()[:, panel])
        np.testing.assert_array_equal(given.R.toarray(), panels.R.toarray()[:, panel])
        np.testing.assert_array_equal(given.Y.toarray(), panels.R.toarray()[:, wanted])
    one = replace(panels, dataset=replace(pair, n_used=1)).folds()
    assert len(one) == 1
    np.testing.assert_array_equal(one[0], folds[0])


def test_too_few_shared_genes_are_an_error(pair, tmp_path):
    with pytest.raises(InputError, match="at least 6 genes that both have; found 5"):
        read_panels(replace(pair, n_folds=3), tmp_path / "t/a.h5ad")


def test_an_absent_file_is_named(pair, tmp_path):
    assert pair.source.missing(tmp_path) is None
    (tmp_path / "r/a.h5ad").unlink()
    assert pair.source.missing(tmp_path) == f"no file {tmp_path / 'r/a.h5ad'}"


def test_simulated_pairs_have_rates_and_are_made_once(tmp_path):
    options = {"n_obs": 40, "n_genes": 60, "resolution": "cell", "n_domains": 2, "rng": 3}
    item = ImputeSet("sim", SimulatedPair(options, {"n_obs": 30, "rng": 1}), 3)
    file = item.source.locate(tmp_path, tmp_path)
    made = file.stat().st_mtime_ns
    panels = read_panels(item, item.source.locate(tmp_path, tmp_path))
    assert file.stat().st_mtime_ns == made
    assert panels.rates is not None
    assert panels.rates.shape == panels.X.shape == (40, len(panels.genes))
    assert 20 <= len(panels.genes) <= 30, "genes of no program are not in the panel"
    r = np.corrcoef(panels.rates.ravel(), panels.X.toarray().ravel())[0, 1]
    assert r > 0.5, "rates are of the same cells and genes"


def test_sets():
    assert set(GROUPS["real"]) | set(GROUPS["simulated"]) == set(SETS) == set(GROUPS["all"])
    assert SETS["seqfish_half"].n_folds == 2
