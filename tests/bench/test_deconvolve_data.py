"""Two tables become problems: parts held out, rare types left out, markers kept from the methods."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from spotweave import InputError, io
from spotweave.bench._deconvolve_data import read_problems
from spotweave.bench._deconvolve_sets import GROUPS, SETS, SpotSet
from spotweave.bench._impute_sets import MeasuredPair, SimulatedPair

TYPES = ["a", "b", "rare"]


def table(X, names, **obs) -> AnnData:
    adata = AnnData(sp.csr_matrix(X, dtype=np.float32), obs=pd.DataFrame(obs, index=[f"c{i}" for i in range(len(X))]))
    adata.var_names = names
    adata.obsm["spatial"] = np.arange(2.0 * len(X)).reshape(-1, 2)
    return adata


@pytest.fixture
def item(tmp_path, rng) -> SpotSet:
    spots = table(rng.poisson(5.0, (6, 4)) + 1, ["g1", "G2", "m1", "own"], part=list("001122"))
    spots.obsm["truth"] = pd.DataFrame(rng.multinomial(6, [0.5, 0.3, 0.2], 6), index=spots.obs_names, columns=TYPES)
    cells = table(rng.poisson(5.0, (9, 5)) + 1, ["x", "m1", "g2", "G1", "y"], part=list("000111222"))
    cells.obs["kind"] = ["a", "b", "?", "a", "b", "rare", "a", "b", "rare"]
    for folder, adata in (("t", spots), ("r", cells)):
        (tmp_path / folder).mkdir()
        io.write(adata, tmp_path / folder / "a.h5ad")
    return SpotSet("own", MeasuredPair("t/a.h5ad", "r/a.h5ad"), "truth", "kind", "?")


def test_genes_and_labels_are_matched_by_name(item, tmp_path):
    [problem] = read_problems(item, tmp_path / "t/a.h5ad")
    spots, cells = io.read(tmp_path / "t/a.h5ad"), io.read(tmp_path / "r/a.h5ad")
    kept = [0, 1, 3, 4, 5, 6, 7, 8]
    np.testing.assert_array_equal(problem.X.toarray(), spots.X.toarray()[:, :3])
    np.testing.assert_array_equal(problem.R.toarray(), cells.X.toarray()[kept][:, [3, 2, 1]])
    assert problem.types == ("a", "b", "rare")
    assert [problem.types[k] for k in problem.labels] == cells.obs["kind"].iloc[kept].tolist()
    np.testing.assert_array_equal(problem.xy, spots.obsm["spatial"])
    np.testing.assert_allclose(problem.truth, spots.obsm["truth"].to_numpy() / 6)  # type: ignore[arg-type]
    np.testing.assert_allclose(problem.missing_truth, 0, atol=1e-12)  # type: ignore[arg-type]


def test_each_part_is_given_the_cells_of_the_others(item, tmp_path):
    first, second, third = read_problems(replace(item, part="part"), tmp_path / "t/a.h5ad")
    spots = io.read(tmp_path / "t/a.h5ad")
    assert [p.R.shape[0] for p in (first, second, third)] == [6, 4, 4], "? and a single rare cell are left out"
    assert first.types == ("a", "b", "rare")
    assert second.types == third.types == ("a", "b")
    np.testing.assert_array_equal(second.X.toarray(), spots.X.toarray()[2:4, :3])
    counted = spots.obsm["truth"].to_numpy()[2:4] / 6
    np.testing.assert_allclose(second.truth, counted[:, :2])  # type: ignore[arg-type]
    np.testing.assert_allclose(second.missing_truth, counted[:, 2], atol=1e-12)  # type: ignore[arg-type]


def test_markers_are_kept_out_and_measured(item, tmp_path):
    marked = replace(item, truth=None, markers={"rares": ("rare", ("m1", "own"))})
    [problem] = read_problems(marked, tmp_path / "t/a.h5ad")
    X = io.read(tmp_path / "t/a.h5ad").X.toarray()
    np.testing.assert_array_equal(problem.X.toarray(), X[:, :2])
    np.testing.assert_allclose(problem.markers["rares"], X[:, 2] / X[:, :3].sum(axis=1))
    assert problem.truth is None
    assert problem.missing_truth is None


def test_what_has_no_counts_is_left_out(item, tmp_path):
    spots = io.read(tmp_path / "t/a.h5ad")
    X = spots.X.toarray()
    X[4, :3] = 0
    X[:, 1] = 0
    spots.X = sp.csr_matrix(X)
    io.write(spots, tmp_path / "t/b.h5ad")
    source = MeasuredPair("t/b.h5ad", "r/a.h5ad")
    [problem] = read_problems(replace(item, source=source), tmp_path / "t/b.h5ad")
    kept = [0, 1, 2, 3, 5]
    np.testing.assert_array_equal(problem.X.toarray(), X[kept][:, [0, 2]])
    np.testing.assert_array_equal(problem.xy, spots.obsm["spatial"][kept])
    np.testing.assert_allclose(problem.truth, spots.obsm["truth"].to_numpy()[kept] / 6)  # type: ignore[arg-type]


def test_no_common_gene_is_an_error(item, tmp_path):
    marked = replace(item, markers={"all": ("a", ("g1", "G2", "m1"))})
    with pytest.raises(InputError, match="found 0 genes"):
        read_problems(marked, tmp_path / "t/a.h5ad")


def test_simulated_spots_lack_a_type(tmp_path):
    tissue = {"n_obs": 60, "n_genes": 80, "n_domains": 2, "n_types": 4, "rng": 3}
    pair = SimulatedPair(tissue, {"n_obs": 50, "rng": 1, "missing_types": ["type_2"]})
    item = SpotSet("sim", pair, "proportions_true")
    [problem] = read_problems(item, pair.locate(tmp_path, tmp_path))
    assert problem.types == ("type_1", "type_3", "type_4")
    np.testing.assert_allclose(problem.truth.sum(axis=1) + problem.missing_truth, 1)  # type: ignore[union-attr]
    assert 0.02 < problem.missing_truth.mean() < 0.9  # type: ignore[union-attr]
    assert problem.X.shape == (60, problem.R.shape[1])


def test_sets():
    assert set(GROUPS["real"]) | set(GROUPS["simulated"]) == set(SETS) == set(GROUPS["all"])
    assert set(SETS) - set(GROUPS["known"]) == {"pdac"}
