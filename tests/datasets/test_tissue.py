from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData, read_h5ad
from scipy.spatial import cKDTree

from spotweave.datasets import simulate_tissue
from spotweave.datasets._blocks import draw_cells, draw_spots, make_composition


@pytest.fixture(scope="module")
def spots() -> AnnData:
    return simulate_tissue(1_501, n_genes=211, n_slices=2, batch_effect=0.4, rates=True, rng=6)


@pytest.fixture(scope="module")
def cells() -> AnnData:
    return simulate_tissue(4_001, n_genes=97, resolution="cell", layout="blobs", n_domains=3, n_types=4, rng=4)


def _moran(values: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Moran's I of columns, six nearest neighbours."""
    neighbours = cKDTree(xy).query(xy, k=7)[1][:, 1:]
    z = values - values.mean(axis=0)
    return (z * z[neighbours].mean(axis=1)).mean(axis=0) / (z**2).mean(axis=0)


def _same(a: AnnData, b: AnnData) -> bool:
    return (a.X != b.X).nnz == 0 and np.array_equal(a.obsm["spatial"], b.obsm["spatial"]) and a.obs.equals(b.obs)


@pytest.mark.parametrize("resolution", ["spot", "cell"])
def test_same_seed_same_tissue(resolution: Any) -> None:
    first, again, other = (simulate_tissue(301, n_genes=41, resolution=resolution, rng=seed) for seed in (7, 7, 8))
    assert _same(first, again)
    assert not _same(first, other)


def test_generator_as_seed_moves_on() -> None:
    rng = np.random.default_rng(1)
    first, second = (simulate_tissue(101, n_genes=11, rng=rng) for _ in range(2))
    assert not np.array_equal(first.X.toarray(), second.X.toarray())


def test_counts_are_counts(spots: AnnData) -> None:
    assert isinstance(spots.X, sp.csr_matrix)
    assert spots.X.dtype == np.float32
    assert spots.X.has_canonical_format
    np.testing.assert_array_equal(spots.X.data, np.rint(spots.X.data))


def test_counts_follow_the_stored_rates(spots: AnnData) -> None:
    counts, mean = spots.X.toarray(), spots.layers["rate_true"]
    z = (counts - mean) / np.sqrt(mean + 0.15 * mean**2)
    assert z.mean() == pytest.approx(0, abs=0.01)
    assert (z**2).mean() == pytest.approx(1, abs=0.03)
    np.testing.assert_allclose(mean.sum(axis=1), spots.obs["library_size_true"], rtol=1e-4)


@pytest.mark.parametrize("resolution", ["spot", "cell"])
def test_library_size_is_the_mean(resolution: Any) -> None:
    adata = simulate_tissue(3_000, n_genes=50, resolution=resolution, library_size=800, rng=2)
    assert adata.X.sum() / 3_000 == pytest.approx(800, rel=0.05)


def test_proportions_are_whole_cells(spots: AnnData) -> None:
    proportions = spots.obsm["proportions_true"]
    np.testing.assert_allclose(proportions.sum(axis=1), 1)
    n_cells = proportions.to_numpy() * spots.obs["n_cells_true"].to_numpy()[:, None]
    np.testing.assert_allclose(n_cells, np.rint(n_cells), atol=1e-9)
    assert spots.obs["n_cells_true"].mean() == pytest.approx(8, abs=0.3)


def test_composition_is_recovered_from_spots(spots: AnnData) -> None:
    share = spots.obsm["activity_true"].filter(like="domain").to_numpy()
    pure = share.max(axis=1) == 1  # spots on a border hold cells of two domains
    found = spots.obsm["proportions_true"][pure].groupby(spots.obs["domain_true"][pure], observed=True).mean()
    np.testing.assert_allclose(found, spots.uns["simulation"]["composition"], atol=0.05)


def test_composition_is_recovered_from_cells(cells: AnnData) -> None:
    table = cells.obs.groupby("domain_true", observed=False)["cell_type"].value_counts(normalize=True).unstack()
    types = list(cells.uns["simulation"]["cell_types"])
    np.testing.assert_allclose(table[types], cells.uns["simulation"]["composition"], atol=0.05)


@pytest.mark.parametrize("signal", [0.0, 0.5, 1.0])
def test_composition_mixes_types(signal: float, rng: np.random.Generator) -> None:
    composition = make_composition(5, 7, signal, rng)
    np.testing.assert_allclose(composition.sum(axis=1), 1)
    assert (composition > 0).all()  # every type in every domain
    assert (np.ptp(composition, axis=0).max() > 0.1) == (signal > 0)


@pytest.mark.parametrize("draw", [draw_spots, draw_cells])
def test_draws_have_the_expected_mean(draw: Any, rng: np.random.Generator) -> None:
    composition = np.tile([0.5, 0.3, 0.2, 0.0], (20_000, 1))
    n_cells, proportions = draw(composition, rng)
    np.testing.assert_allclose(proportions.mean(axis=0), composition[0], atol=0.01)
    np.testing.assert_allclose(proportions.sum(axis=1), 1)
    assert (n_cells >= 1).all()


@pytest.mark.parametrize("resolution", ["spot", "cell"])
def test_moran_separates_spatial_from_flat_genes(resolution: Any) -> None:
    adata = simulate_tissue(3_000, n_genes=300, resolution=resolution, library_size=10_000, rng=5)
    shares = adata.X.toarray() / adata.obs["library_size_true"].to_numpy()[:, None]
    moran = _moran(shares, adata.obsm["spatial"])
    flat = moran[~adata.var["spatial_true"]]
    sd = np.sqrt(2 / (6 * 3_000))  # under randomness, about sqrt(2 / number of directed neighbour pairs)
    assert np.abs(flat).max() < 5 * sd
    assert abs(flat.mean()) < sd
    assert moran[adata.var["spatial_true"]].mean() > 5 * sd


def test_module_genes_rise_and_fall_together() -> None:
    adata = simulate_tissue(3_000, n_genes=200, resolution="cell", library_size=20_000, n_types=4, rng=6)
    shares = np.log1p(adata.X.toarray() / adata.obs["library_size_true"].to_numpy()[:, None] * 1e4)
    correlation = np.corrcoef(shares.T)
    module = adata.var["module_true"].to_numpy()
    same = (module[:, None] == module) & ~np.eye(200, dtype=bool)
    for name in [n for n in np.unique(module) if n != "none"]:
        inside = same & (module == name)[:, None]
        assert correlation[inside].mean() > 0.05, name
    noise = same & (module == "none")[:, None]
    assert abs(correlation[noise].mean()) < 0.01


def test_transforms_map_slices_on_each_other(spots: AnnData) -> None:
    transforms = spots.uns["simulation"]["transforms"]
    homogeneous = np.column_stack([spots.obsm["spatial"], np.ones(spots.n_obs)])
    code = spots.obs["slice"].cat.codes.to_numpy()
    back = np.stack([np.linalg.inv(transforms[s]) @ row for s, row in zip(code, homogeneous, strict=True)])[:, :2]
    np.testing.assert_allclose(back, spots.obsm["anatomy_true"], atol=1e-6)
    first, second = back[code == 0], back[code == 1]
    domain = spots.obs["domain_true"].cat.codes.to_numpy()
    nearest = cKDTree(first).query(second)[1]
    assert (domain[code == 0][nearest] == domain[code == 1]).mean() > 0.85
    np.testing.assert_allclose(np.abs(np.linalg.det(transforms)), 1)
    assert not np.allclose(transforms[1][:2, :2], np.eye(2))


def test_batch_effect_moves_the_second_slice(spots: AnnData) -> None:
    beta = spots.uns["simulation"]["batch_effects"]
    assert not beta[0].any()
    assert beta[1].std() == pytest.approx(0.4, abs=0.06)
    share = [spots.X[(spots.obs["slice"] == name).to_numpy()].sum(axis=0).A1 for name in ("slice_1", "slice_2")]
    ratio = np.log((share[1] + 1) / (share[0] + 1))
    assert np.corrcoef(ratio, beta[1])[0, 1] > 0.9


def test_slices_have_their_depth_and_cells_of_their_own(spots: AnnData) -> None:
    one, two = (spots.obs[spots.obs["slice"] == name] for name in ("slice_1", "slice_2"))
    n = min(len(one), len(two))
    assert not np.array_equal(one["n_cells_true"][:n], two["n_cells_true"][:n])
    depth = [part["library_size_true"].mean() / part["n_cells_true"].mean() for part in (one, two)]
    expected = spots.uns["simulation"]["slice_depth"]
    assert expected[0] == 1
    assert depth[1] / depth[0] == pytest.approx(expected[1], rel=0.05)
    assert abs(expected[1] - 1) > 0.1  # or the line above shows nothing


def test_blocks_are_independent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spotweave.datasets._params.BLOCK_ENTRIES", 64 * 3)
    n_cells = simulate_tissue(192, n_genes=3).obs["n_cells_true"].to_numpy().reshape(3, 64)
    assert np.abs(np.corrcoef(n_cells)[np.triu_indices(3, 1)]).max() < 0.5


def test_states_average_over_the_cells_of_a_spot(spots: AnnData) -> None:
    states = spots.obsm["activity_true"].filter(like="state").to_numpy()
    scaled = states * np.sqrt(spots.obs["n_cells_true"].to_numpy())[:, None]
    assert scaled.std() == pytest.approx(1, abs=0.05)
    assert np.abs(_moran(states, spots.obsm["anatomy_true"])).max() < 5 * np.sqrt(2 / (6 * 1_501))


def test_spots_lie_on_a_visium_array(spots: AnnData) -> None:
    row, col = spots.obs["array_row"].to_numpy(), spots.obs["array_col"].to_numpy()
    assert ((row + col) % 2 == 0).all()
    assert min(row.min(), col.min()) >= 0
    for name in ("slice_1", "slice_2"):
        rows = (spots.obs["slice"] == name).to_numpy()
        design = np.column_stack([col[rows] * 50.0, row[rows] * 50.0 * np.sqrt(3)])
        offset = spots.obsm["spatial"][rows] - design
        np.testing.assert_allclose(offset, np.broadcast_to(offset[0], offset.shape), atol=1e-6)


def test_domains_need_neighbours_to_be_seen() -> None:
    from sklearn.decomposition import PCA
    from sklearn.metrics import adjusted_rand_score
    from sklearn.mixture import GaussianMixture

    def score(X: np.ndarray, truth: Any) -> float:
        Z = PCA(15, random_state=0).fit_transform(X)
        found = GaussianMixture(5, covariance_type="tied", n_init=3, random_state=0).fit_predict(Z)
        return adjusted_rand_score(truth, found)

    plain, smooth = [], []
    for seed in range(4):
        adata = simulate_tissue(2_000, rng=seed)
        X = adata.X.toarray()
        X = np.log1p(X / X.sum(axis=1, keepdims=True) * 2_000)
        neighbours = cKDTree(adata.obsm["spatial"]).query(adata.obsm["spatial"], k=13)[1]
        plain.append(score(X, adata.obs["domain_true"]))
        smooth.append(score(X[neighbours].mean(axis=1), adata.obs["domain_true"]))
    assert 0.3 < np.mean(plain) < 0.75
    assert np.mean(smooth) > 0.85


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_obs": 1, "n_domains": 1},
        {"n_obs": 7, "n_genes": 1, "n_types": 1, "n_domains": 7, "overdispersion": 0},
        {"n_obs": 11, "n_slices": 11, "n_domains": 1, "n_genes": 3, "resolution": "cell"},
        {"n_obs": 53, "signal": 0, "dropout": 0.9, "layout": "rings", "n_genes": 9},
        {"n_obs": 53, "signal": 1, "n_types": 40, "layout": "blobs", "n_genes": 9},
    ],
)
def test_extreme_arguments(arguments: dict[str, Any]) -> None:
    adata = simulate_tissue(**arguments)
    assert adata.n_obs == arguments["n_obs"]
    assert np.isfinite(adata.X.data).all()
    assert np.isfinite(adata.obsm["spatial"]).all()


@pytest.mark.parametrize("resolution", ["spot", "cell"])
def test_h5ad_round_trip(resolution: Any, tmp_path: Any) -> None:
    adata = simulate_tissue(151, n_genes=31, resolution=resolution, n_slices=2, rates=True, image=True, rng=1)
    adata.write_h5ad(tmp_path / "tissue.h5ad")
    back = read_h5ad(tmp_path / "tissue.h5ad")
    assert _same(adata, back)
    assert back.var.equals(adata.var)
    before, after = adata.uns["simulation"], back.uns["simulation"]
    assert before.keys() == after.keys()
    assert before["params"] == after["params"]
    for key in before.keys() - {"params", "looks"}:
        np.testing.assert_array_equal(before[key], after[key])
    np.testing.assert_array_equal(
        adata.uns["spatial"]["slice_2"]["images"]["hires"], back.uns["spatial"]["slice_2"]["images"]["hires"]
    )
