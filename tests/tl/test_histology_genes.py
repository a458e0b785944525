"""The table of genes: held-out scores and the test beyond depth."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LinearRegression

from spotweave.core.histology.predictable import predictable_genes, tissue_blocks
from spotweave.core.histology.tissue import make_tissue
from spotweave.models.histology_linear import Linear
from spotweave.models.histology_training import Fitted, Training
from spotweave.tl import _histology_genes as module
from spotweave.tl._histology_genes import COLUMNS, gene_table

G = 6


def make_case(rng, sizes=(150, 130)):
    """Gene 0 is told, gene 1 follows depth as the prediction does, the others are noise."""
    section = np.repeat(np.arange(len(sizes)), sizes)
    n = len(section)
    tissue = make_tissue(rng.normal(size=(n, 2)), section, rng.random((n, 2)))
    totals = rng.integers(500, 5000, n).astype(float)
    told, Y = rng.normal(size=(n, G)), 2 + rng.normal(size=(n, G))
    told[:, 0] = Y[:, 0] + 0.5 * rng.normal(size=n)
    depth = np.log1p(totals) - 7
    Y[:, 1] += 3 * depth
    told[:, 1] += 3 * depth
    training = Training(tissue, sp.csr_matrix(Y.astype(np.float32)), section)
    fitted = Fitted(Linear(np.zeros((4, G))), Y.mean(axis=0), None, told - Y.mean(axis=0), {})
    return training, fitted, totals


def test_table_has_scores_and_a_test_beyond_depth(rng):
    training, fitted, totals = make_case(rng)
    table = gene_table([f"g{j}" for j in range(G)], training, fitted, totals, rng)
    assert list(table.columns) == list(COLUMNS)
    assert list(table.index) == [f"g{j}" for j in range(G)]
    assert table.index.name == "gene"
    Y, told = training.target.toarray(), fitted.genes(fitted.held_out)
    mean = fitted.mean
    for j in range(G):
        assert table["held_out_pearson"].iloc[j] == pytest.approx(np.corrcoef(Y[:, j], told[:, j])[0, 1], abs=1e-4)
        r2 = 1 - ((Y[:, j] - told[:, j]) ** 2).sum() / ((Y[:, j] - mean[j]) ** 2).sum()
        assert table["held_out_r2"].iloc[j] == pytest.approx(r2, abs=1e-3)
    section = training.tissue.section
    left = []
    for values in (Y, told):
        rest = values.astype(float)
        for s in (0, 1):
            d = np.log1p(totals[section == s])[:, None]
            rest[section == s] -= LinearRegression().fit(d, rest[section == s]).predict(d)
        left.append(rest)
    xy = training.tissue.xy
    tested = predictable_genes(left[0], left[1], tissue_blocks(xy, section), section=section, xy=xy)
    np.testing.assert_allclose(table["p"], tested.p, rtol=1e-3)
    np.testing.assert_array_equal(table["predictable"], [True] + [False] * (G - 1))
    assert table["held_out_pearson"].iloc[1] > 0.5, "which depth alone explains"


def test_test_looks_at_no_more_spots_than_it_may(rng, monkeypatch):
    training, fitted, totals = make_case(rng)
    monkeypatch.setattr(module, "MOST", 200)
    names = [f"g{j}" for j in range(G)]
    once, again = (gene_table(names, training, fitted, totals, np.random.default_rng(1)) for _ in range(2))
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
    training, fitted, totals = make_case(rng)
    gene_table(list("abcdef"), training, fitted, totals, rng)
    assert given == [size]


@pytest.mark.parametrize("sizes", [(20,), (3,), (3, 1), (1, 30, 2)])
def test_of_small_tissues_little_can_be_shown(rng, sizes):
    training, fitted, totals = make_case(rng, sizes)
    table = gene_table(list("abcdef"), training, fitted, totals, rng)
    assert table[["p", "q"]].notna().all(axis=None)
    if len(sizes) == 1:
        assert (table["p"] == 1).all()
        assert not table["predictable"].any()
