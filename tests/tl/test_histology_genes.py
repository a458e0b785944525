"""The table of genes: held-out scores and the test beyond depth."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave.core.histology.predictable import predictable_genes, tissue_blocks
from spotweave.core.histology.targets import expression_target
from spotweave.core.histology.tissue import make_tissue
from spotweave.models.histology_linear import Linear
from spotweave.models.histology_training import Fitted, Training
from spotweave.tl import _histology_genes as module
from spotweave.tl._histology_genes import COLUMNS, flat_residuals, gene_table

G = 6


def make_case(rng, sizes=(150, 130)):
    """Gene 0 is told; the share of gene 1 is flat, but its logarithm follows depth as the prediction does."""
    section = np.repeat(np.arange(len(sizes)), sizes)
    n = len(section)
    tissue = make_tissue(rng.normal(size=(n, 2)), section, rng.random((n, 2)))
    totals = np.exp(rng.uniform(5, 9, n)).round()
    effect, told = 0.3 * rng.normal(size=(n, G)), rng.normal(size=(n, G))
    effect[:, 1] = 0
    told[:, 0] = effect[:, 0]
    told[:, 1] = np.log(totals)
    counts = sp.csr_matrix(rng.poisson(totals[:, None] * 0.002 * np.exp(effect)).astype(np.float32))
    training = Training(tissue, expression_target(counts, totals, section=section), section)
    fitted = Fitted(Linear(np.zeros((4, G))), np.zeros(G), None, told, {})
    return training, fitted, counts, totals


def test_table_has_scores_and_a_test_beyond_depth(rng):
    training, fitted, counts, totals = make_case(rng)
    table = gene_table([f"g{j}" for j in range(G)], training, fitted, counts, totals, rng)
    assert list(table.columns) == list(COLUMNS)
    assert list(table.index) == [f"g{j}" for j in range(G)]
    assert table.index.name == "gene"
    Y, told = training.target.toarray(), fitted.genes(fitted.held_out)
    for j in range(G):
        assert table["held_out_pearson"].iloc[j] == pytest.approx(np.corrcoef(Y[:, j], told[:, j])[0, 1], abs=1e-4)
        r2 = 1 - ((Y[:, j] - told[:, j]) ** 2).sum() / (Y[:, j] ** 2).sum()
        assert table["held_out_r2"].iloc[j] == pytest.approx(r2, abs=1e-3)
    section, xy = training.tissue.section, training.tissue.xy
    left, X = np.zeros(Y.shape), counts.toarray()
    for i in range(len(Y)):
        for j in range(G):
            same = section == section[i]
            expected = totals[i] * X[same, j].sum() / totals[same].sum()
            left[i, j] = (X[i, j] - expected) / np.sqrt(totals[i])
    np.testing.assert_allclose(flat_residuals(counts, totals, section), left, atol=1e-5)
    tested = predictable_genes(left, told, tissue_blocks(xy, section), section=section, xy=xy)
    np.testing.assert_allclose(table["p"], tested.p, rtol=1e-3)
    np.testing.assert_array_equal(table["predictable"], [True] + [False] * (G - 1))
    assert abs(table["held_out_pearson"].iloc[1]) > 0.3, "which depth alone explains"


def test_spots_without_counts_tell_nothing():
    left = flat_residuals(sp.csr_matrix(np.array([[0.0], [2], [4]])), np.array([0.0, 4, 8]), np.zeros(3, int))
    np.testing.assert_allclose(left, 0, atol=1e-6)


def test_test_looks_at_no_more_spots_than_it_may(rng, monkeypatch):
    training, fitted, counts, totals = make_case(rng)
    monkeypatch.setattr(module, "MOST", 200)
    names = [f"g{j}" for j in range(G)]
    once, again = (gene_table(names, training, fitted, counts, totals, np.random.default_rng(1)) for _ in range(2))
    pd.testing.assert_frame_equal(once, again)
    rows = np.sort(np.random.default_rng(1).permutation(280)[:200])
    told = fitted.genes(fitted.held_out)[rows, 3]
    expected = np.corrcoef(training.target.toarray()[rows, 3], told)[0, 1]
    assert once["held_out_pearson"].iloc[3] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("most_waves", "size"), [(512, 25), (8, 38)])
def test_waves_keep_up_with_the_blocks_of_the_largest_section(rng, monkeypatch, most_waves, size):
    given = []

    def spy(xy, section, *, size):
        given.append(size)
        return tissue_blocks(xy, section, size=size)

    monkeypatch.setattr(module, "MOST_WAVES", most_waves)
    monkeypatch.setattr(module, "tissue_blocks", spy)
    training, fitted, counts, totals = make_case(rng)
    gene_table(list("abcdef"), training, fitted, counts, totals, rng)
    assert given == [size]


@pytest.mark.parametrize("sizes", [(20,), (3,), (3, 1), (1, 30, 2)])
def test_of_small_tissues_little_can_be_shown(rng, sizes):
    training, fitted, counts, totals = make_case(rng, sizes)
    table = gene_table(list("abcdef"), training, fitted, counts, totals, rng)
    assert table[["p", "q"]].notna().all(axis=None)
    if len(sizes) == 1:
        assert (table["p"] == 1).all()
        assert not table["predictable"].any()
