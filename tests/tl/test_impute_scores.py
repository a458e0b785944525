"""Scores of held-out genes: each column against its own computation, false patterns, and real panels."""

from dataclasses import replace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

import spotweave as sw
from spotweave.core.imputation.combine import Weights
from spotweave.core.imputation.folds import HeldOut
from spotweave.core.imputation.intervals import LEVELS, cross_coverage, depth_edges, depth_groups
from spotweave.core.imputation.quality import fit_quality, gene_features
from spotweave.core.likelihood import fit_dispersion
from spotweave.metrics import imputation_scores
from spotweave.tl._impute_scores import COVERED, SCORES, _drawn, score_genes

tl: Any = sw.tl
N, P = 400, 60
FLAT = np.arange(P) >= 20
"""Genes of pure noise; the others follow a wave."""


@pytest.fixture(scope="module")
def xy() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 10, (N, 2))


@pytest.fixture(scope="module")
def held(xy) -> HeldOut:
    """Predictions that are right for most genes; for flat genes 20 to 29 they tell of a wave that is not there."""
    rng = np.random.default_rng(2)
    wave = np.where(FLAT, 0, 1) * np.sin(xy[:, :1] * 0.7 + rng.uniform(0, 6, P))
    told = wave.copy()
    told[:, 20:30] = 1.2 * np.sin(xy[:, :1] * 0.7)
    depth = rng.gamma(6, 20, (N, 1)) * np.ones(P)
    fold = np.arange(P) % 4
    depth = np.floor(depth + 3 * fold)
    depth[11] = 0
    level = rng.uniform(0.01, 0.05, P)
    counts = rng.poisson(depth * level * np.exp(wave)).astype(float)
    means = (np.maximum(depth, 0.5) * level * np.exp(told) * rng.uniform(0.3, 3, P)).astype(np.float32)
    C = np.stack([told, np.log(np.maximum(depth, 0.5)), np.log(np.maximum(depth, 0.5))]).astype(np.float32)
    weights = Weights(np.ones(1), np.zeros(0), np.array([1.0, 0.0]), np.ones(1), converged=True)
    return HeldOut(np.arange(N), counts, means, depth.astype(np.float32), C, weights, fold)


@pytest.fixture
def scores(held, xy) -> pd.DataFrame:
    return score_genes(held, xy, None, np.full(P, 1 / P), np.random.default_rng(3))


def moran_by_loop(values, xy, k=6) -> float:
    z = values - values.mean()
    near = cKDTree(xy).query(xy, k + 1)[1][:, 1:]
    total = sum(z[i] * z[j] for i in range(len(z)) for j in near[i])
    return total / (k * len(z)) / (z**2).mean()


def test_each_gene_is_scored_with_the_depth_of_its_fold(held, scores):
    assert list(scores) == [
        *SCORES, "fold", "mean", "mean_expected", "moran", "moran_expected", "flat", "flat_patterned",
        "expected_correlation", *COVERED,
    ]  # fmt: skip
    for g in (0, 7, 30, 59):
        one = imputation_scores(held.counts[:, [g]], held.means[:, [g]], held.depth[:, g])
        for name, values in one._asdict().items():
            assert scores.loc[g, name] == pytest.approx(values[0])
    np.testing.assert_array_equal(scores["fold"], held.fold)
    np.testing.assert_allclose(scores["mean"], held.counts.mean(axis=0))
    np.testing.assert_allclose(scores["mean_expected"], held.means.mean(axis=0))
    assert scores["residual_r"][:20].min() > 0.3
    assert abs(scores["residual_r"][30:].mean()) < 0.05


def test_moran_matches_a_loop(held, scores, xy):
    depth = held.depth.max(axis=1)
    factor = np.divide(np.median(depth[depth > 0]), depth, out=np.zeros(N), where=depth > 0)
    for g in (0, 30):
        wanted = moran_by_loop(np.log1p(held.counts[:, g] * factor), xy)
        assert scores.loc[g, "moran"] == pytest.approx(wanted, abs=1e-4)


def test_flat_genes_and_those_made_to_look_patterned(scores):
    assert not scores["flat"][~FLAT].any()
    assert scores["flat"][FLAT].mean() > 0.85  # 95 % are expected
    assert scores["flat_patterned"][20:30].mean() > 0.8
    assert scores["flat_patterned"][30:].mean() < 0.2
    assert not (scores["flat_patterned"] & ~scores["flat"]).any()
    np.testing.assert_allclose(scores["moran"][:20], scores["moran_expected"][:20], atol=0.12)


def test_coverage_and_expected_correlation_are_those_of_the_core(held, scores):
    features = gene_features(held.covariates, held.weights, np.full(P, 1 / P))
    expected = fit_quality(features, scores["residual_r"].to_numpy()).predict(features)
    np.testing.assert_allclose(scores["expected_correlation"], expected)
    depth = held.depth.max(axis=1)
    groups = depth_groups(depth, depth_edges(depth))
    np.testing.assert_allclose(scores[COVERED].T, cross_coverage(held.counts, held.means, expected, groups, held.fold))
    assert [f"coverage_{100 * level:g}" for level in LEVELS] == COVERED


def test_drawn_counts_are_as_many_and_as_noisy_as_those_measured(held):
    rng = np.random.default_rng(4)
    means = np.tile(rng.uniform(1, 6, (6000, 1)), 3)
    planted = np.array([0.05, 0.4, 1.0])
    counts = rng.poisson(means * rng.gamma(1 / planted, planted, means.shape)).astype(float)
    many = replace(held, counts=counts, means=(means * [0.1, 1, 10]).astype(np.float32))
    drawn = _drawn(many, rng)
    np.testing.assert_allclose(drawn.sum(axis=0), counts.sum(axis=0), rtol=0.05)
    dispersion = fit_dispersion(lambda: iter([(slice(None), drawn)]), lambda rows: means[rows])
    np.testing.assert_allclose(dispersion, planted, rtol=0.2, atol=0.02)


def test_genes_without_counts_or_without_a_panel_have_no_scores(held, xy):
    counts, depth = held.counts.copy(), held.depth.copy()
    counts[:, 5] = 0
    depth[:, held.fold == 2] = 0
    scores = score_genes(
        replace(held, counts=counts, depth=depth), xy, None, np.full(P, 1 / P), np.random.default_rng(3)
    )
    unknown = (held.fold == 2) | (np.arange(P) == 5)
    np.testing.assert_array_equal(scores["residual_r"].isna(), unknown)
    assert scores.drop(columns=SCORES).notna().all(axis=None)
    assert (scores.loc[5, "moran"], scores.loc[5, "flat"]) == (0, True)


def test_slides_are_kept_apart(held, xy):
    """Two slides at one place: a wave on one is noise on the other."""
    library = np.arange(N) % 2
    together, apart = (score_genes(held, xy, of, np.full(P, 1 / P), np.random.default_rng(3)) for of in (None, library))
    for g in (0, 40):
        depth = held.depth.max(axis=1)
        factor = np.divide(np.median(depth[depth > 0]), depth, out=np.zeros(N), where=depth > 0)
        values = np.log1p(held.counts[:, g] * factor)
        moved = xy + 1000 * library[:, None]
        assert apart.loc[g, "moran"] == pytest.approx(moran_by_loop(values, moved), abs=1e-4)
    assert (together["moran"] != apart["moran"]).any()


@pytest.mark.data
def test_real_panels_are_predicted_beyond_depth(data_dir):
    """osmFISH cells of the mouse cortex, with seqFISH+ cells as the reference: 21 shared genes."""
    cells = ad.read_h5ad(data_dir / "osmfish_somatosensory" / "osmfish_somatosensory.h5ad")
    reference = ad.read_h5ad(data_dir / "seqfishplus_cortex_svz_full" / "seqfishplus_cortex_svz_full.h5ad")
    valid = np.flatnonzero(cells.obs["Valid"].astype(int) == 1)
    some = np.sort(np.random.default_rng(0).choice(valid, 1500, replace=False))
    target = cells[some].copy()
    found = {m: tl.impute(target, reference, genes=["Cux2", "Slc17a7"], method=m) for m in ("combined", "mean")}
    said = {m: of.uns["impute"] for m, of in found.items()}
    r = {m: of["held_out"]["residual_r"].mean() for m, of in said.items()}
    assert said["combined"]["n_shared"] == 21
    assert r["combined"] > 0.15
    assert r["combined"] > r["mean"] + 0.1
    assert said["combined"]["coverage"]["0.9"] == pytest.approx(0.9, abs=0.05)
    assert (found["combined"].var["expected_correlation"] > 0.1).all()
