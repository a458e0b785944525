"""Planted patterns: the truth that is stored explains the counts, and flat genes are flat."""

from typing import Any

import numpy as np
import pytest

from spotweave import InputError
from spotweave.datasets import simulate_patterns
from spotweave.datasets._shapes import SHAPES, draw_shapes


def regressed(adata, gene):
    """Slope of log expression on the pattern of the gene's module, over ten groups of points alike in it."""
    pattern = adata.obsm["pattern_true"][adata.var["module"].iloc[gene]].to_numpy()
    order = np.array_split(np.argsort(pattern), 10)
    counts, depth = adata.X[:, [gene]].toarray().ravel(), adata.obs["library_size_true"].to_numpy()
    rate = [counts[rows].sum() / depth[rows].sum() for rows in order]
    return np.polyfit([pattern[rows].mean() for rows in order], np.log(rate), 1)[0]


def test_truth_has_the_asked_for_shape():
    adata = simulate_patterns(251, n_genes=43, n_modules=4, share_spatial=0.5, rng=3)
    assert adata.shape == (251, 43)
    assert adata.X.format == "csr"
    assert (adata.X.data == np.rint(adata.X.data)).all()
    spatial = adata.var["spatially_variable"].to_numpy()
    assert spatial.sum() == 22
    assert ((adata.var["module"] != "none") == spatial).all()
    assert sorted(adata.var["module"].value_counts().drop("none")) == [5, 5, 6, 6]
    assert adata.var["log_fold"][spatial].between(0.1, 0.5).all()
    assert (adata.var["log_fold"][~spatial] == 0).all()
    assert adata.var["share_true"].sum() == pytest.approx(1)
    patterns = adata.obsm["pattern_true"]
    assert list(patterns.columns) == ["module_1", "module_2", "module_3", "module_4"]
    np.testing.assert_allclose(patterns.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(patterns.std(ddof=0), 1)


def test_genes_follow_the_pattern_of_their_module_by_their_amplitude():
    adata = simulate_patterns(2_500, n_genes=60, n_modules=6, library_size=20_000.0, overdispersion=0.02, rng=1)
    spatial = np.flatnonzero(adata.var["spatially_variable"])
    slopes = [regressed(adata, gene) for gene in spatial]
    abundant = adata.var["share_true"].to_numpy()[spatial] > 0.005
    assert abundant.sum() > 10
    np.testing.assert_allclose(
        np.array(slopes)[abundant], adata.var["log_fold"].to_numpy()[spatial][abundant], atol=0.12
    )


@pytest.mark.parametrize("depth_pattern", [0.0, 0.8])
def test_flat_genes_depend_on_depth_alone_and_keep_their_share(depth_pattern):
    options: dict[str, Any] = {"n_genes": 40, "n_modules": 3, "library_size": 50_000.0, "overdispersion": 0.0}
    adata = simulate_patterns(
        900, log_fold=(0.8, 0.8), share_spatial=0.6, depth_pattern=depth_pattern, rng=5, **options
    )
    flat = ~adata.var["spatially_variable"].to_numpy()
    X, depth = adata.X.toarray(), adata.obs["library_size_true"].to_numpy()
    mean = np.outer(depth, adata.var["share_true"])[:, flat]
    chi2 = ((X[:, flat] - mean) ** 2 / mean).mean()  # 1 for Poisson counts of this mean
    assert chi2 == pytest.approx(1, abs=0.05)
    assert X.sum() == pytest.approx(depth.sum(), rel=0.002)
    np.testing.assert_allclose(X.sum(axis=1), depth, rtol=0.05)


def test_depth_pattern_is_one_of_space():
    plain, dense = (simulate_patterns(900, n_genes=20, n_modules=2, depth_pattern=sd, rng=2) for sd in (0.0, 1.0))
    ratio = np.log(dense.obs["library_size_true"] / plain.obs["library_size_true"]).to_numpy()
    assert ratio.std() == pytest.approx(1)
    first, second = dense.obs["array_row"].to_numpy() % 2 == 0, dense.obs["array_row"].to_numpy() % 2 == 1
    n = min(first.sum(), second.sum()) // 29 * 29
    assert np.corrcoef(ratio[first][:n], ratio[second][:n])[0, 1] > 0.9  # one row and the next


def test_spots_are_a_hexagonal_grid():
    adata = simulate_patterns(403, n_genes=5, n_modules=1, rng=0)
    xy, obs = adata.obsm["spatial"], adata.obs
    gaps = np.linalg.norm(xy[:, None] - xy, axis=2)
    inner = (gaps < 100.001).sum(axis=1) == 7  # six neighbours and itself
    assert inner.mean() > 0.75
    assert np.sort(gaps, axis=1)[:, 1].min() == pytest.approx(100)
    assert ((obs["array_row"] + obs["array_col"]) % 2 == 0).all()
    np.testing.assert_allclose(xy[:, 0], obs["array_col"] * 50)
    assert np.ptp(xy[:, 0]) == pytest.approx(np.ptp(xy[:, 1]), rel=0.15)


def test_cells_lie_as_dense_as_they_should():
    adata = simulate_patterns(1_600, n_genes=5, n_modules=1, layout="cells", rng=0)
    np.testing.assert_allclose(np.ptp(adata.obsm["spatial"], axis=0), 400, rtol=0.02)
    assert "array_row" not in adata.obs


@pytest.mark.parametrize("kind", [*SHAPES, "mixed"])
def test_shapes_do_not_depend_on_the_unit(kind, rng):
    xy = rng.random((301, 2)) * [1, 0.7]
    one, other = (draw_shapes(xy * unit, kind, 4, np.random.default_rng(8)) for unit in (1.0, 250.0))
    np.testing.assert_allclose(one, other, atol=1e-8)
    assert np.abs(np.corrcoef(one.T)[np.triu_indices(4, 1)]).max() < 0.99, "one is not the other"


def test_kinds_differ_in_scale(rng):
    """Correlation with the value of the nearest neighbour, and two tenths of the side away."""
    side = np.linspace(0, 1, 60)
    xy = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    near, far = {}, {}
    for kind in SHAPES:
        patterns = draw_shapes(xy, kind, 8, np.random.default_rng(0)).reshape(60, 60, 8)
        near[kind] = (patterns[1:] * patterns[:-1]).mean()
        far[kind] = (patterns[12:] * patterns[:-12]).mean()
    assert near["bumps"] > near["layers"] > near["niches"] > 0.6
    assert far["bumps"] > 0.4
    assert far["niches"] < 0.1
    mixed = draw_shapes(xy, "mixed", 3, np.random.default_rng(0)).reshape(60, 60, 3)
    assert (mixed[1:] * mixed[:-1]).mean(axis=(0, 1))[2] < 0.95, "the third is of niches"


def test_same_seed_same_counts():
    one, same, other = (simulate_patterns(60, n_genes=30, n_modules=3, rng=rng) for rng in (1, 1, 2))
    assert (one.X != same.X).nnz == 0
    assert (one.X != other.X).nnz > 0


def test_blocks_of_rows_join(monkeypatch):
    monkeypatch.setattr("spotweave.datasets._patterns.BLOCK_ENTRIES", 100)
    adata = simulate_patterns(61, n_genes=30, n_modules=3, library_size=3_000.0, rng=1)
    assert adata.n_obs == 61
    np.testing.assert_allclose(adata.X.sum(axis=1).A1, adata.obs["library_size_true"], rtol=0.5)


@pytest.mark.parametrize(("n_obs", "share"), [(1, 0.5), (50, 0.0), (50, 1.0)])
def test_ends_of_the_ranges(n_obs, share):
    adata = simulate_patterns(n_obs, n_genes=6, n_modules=1, share_spatial=share, overdispersion=0.0, rng=0)
    assert np.isfinite(adata.X.data).all()
    assert adata.var["spatially_variable"].mean() == share


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_obs": 0}, "`n_obs`"),
        ({"share_spatial": 1.5}, "`share_spatial`"),
        ({"n_genes": 10, "n_modules": 8}, "at most the genes that vary in space"),
        ({"log_fold": (0.5, 0.1)}, "`log_fold` as"),
        ({"log_fold": (0.5, 4.0)}, "`log_fold`"),
        ({"pattern": "stripes"}, "`pattern` out of"),
        ({"layout": "square"}, "`layout` out of"),
        ({"depth_pattern": -1.0}, "`depth_pattern`"),
    ],
)
def test_refusals(options, text):
    with pytest.raises(InputError, match=text):
        simulate_patterns(**{"n_obs": 20, **options})
