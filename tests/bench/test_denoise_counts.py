import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from spotweave.bench._denoise_counts import Counts, read_counts, split_counts
from spotweave.bench._denoise_sets import GROUPS, SETS
from spotweave.bench._sets import DataSet
from spotweave.bench._source import RealFile, SimulatedFile


@pytest.fixture
def counts(rng) -> Counts:
    X = rng.poisson(rng.gamma(1.0, 3.0, 13), (61, 13))
    X[:, 2] = 0
    X[:19, 2] = 1
    return Counts(sp.csr_matrix(X.astype(np.float32)), rng.random((61, 2)))


@pytest.mark.parametrize("splitting", ["poisson", "nb"])
def test_parts_add_up_and_belong_to_the_split(counts, splitting):
    first, again, other = (split_counts(counts, splitting, seed) for seed in (200, 203, 300))
    for split in (first, other):
        assert (split.train + split.held_out != counts.X).nnz == 0
        assert (split.train.data > 0).all()
        assert (split.held_out.data > 0).all()
        assert split.train.dtype == np.float32
    assert (first.train != again.train).nnz == 0
    assert (first.train != other.train).nnz > 0
    assert first.train.sum() == pytest.approx(counts.X.sum() / 2, rel=0.1)


def test_half_of_a_negative_binomial_is_twice_as_dispersed(counts):
    poisson, nb = (split_counts(counts, splitting, 0) for splitting in ("poisson", "nb"))
    np.testing.assert_array_equal(poisson.dispersion, counts.dispersion)
    np.testing.assert_array_equal(nb.dispersion, 2 * counts.dispersion)


def test_genes_of_less_than_20_counts_are_not_judged(counts):
    assert not counts.scored[2]
    np.testing.assert_array_equal(counts.scored, counts.X.toarray().sum(axis=0) >= 20)


def test_cells_of_less_than_20_counts_are_left_out(tmp_path):
    X = np.full((5, 4), 6.0)
    X[1], X[3, 0] = 0, 1.0  # 0 counts; 19
    adata = AnnData(sp.csr_matrix(X, dtype=np.float32), obsm={"spatial": np.arange(10.0).reshape(5, 2)})
    adata.layers["rate_true"] = X + 0.5
    adata.write_h5ad(tmp_path / "a.h5ad")
    found = read_counts(DataSet("a", RealFile("a.h5ad")), tmp_path / "a.h5ad")
    np.testing.assert_array_equal(found.X.toarray(), X[[0, 2, 4]])
    np.testing.assert_array_equal(found.xy, [[0, 1], [4, 5], [8, 9]])
    np.testing.assert_array_equal(found.rates, X[[0, 2, 4]] + 0.5)


@pytest.mark.parametrize("rates", [False, True])
def test_simulated_files_with_and_without_rates(tmp_path, rates):
    options = {"n_obs": 60, "n_genes": 30, "n_domains": 3, "resolution": "cell", "rng": 5}
    dataset = DataSet("s", SimulatedFile(options, rates=rates))
    path = dataset.source.locate(tmp_path, tmp_path)
    found = read_counts(dataset, path)
    assert found.X.shape == (60, 30)
    assert (found.rates is not None) == rates
    other = DataSet("s", SimulatedFile(options, rates=not rates))
    assert other.source.locate(tmp_path, tmp_path) != path


def test_sets():
    assert len(GROUPS["real"]) == 8
    assert set(GROUPS["real"]) | set(GROUPS["simulated"]) == set(SETS)
    assert set(GROUPS["false"]) < set(GROUPS["real"])
    assert all(item.name == name for name, item in SETS.items())
    assert SETS["osmfish_somatosensory"].keep == ("Valid", 1)


@pytest.mark.data
@pytest.mark.parametrize("name", GROUPS["real"])
def test_real_sets_are_there(data_dir, name):
    reason = SETS[name].source.missing(data_dir)
    if reason:
        pytest.skip(reason)
    assert SETS[name].source.locate(data_dir, data_dir).stat().st_size > 0
