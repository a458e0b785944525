import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.gene_patterns import Section, section_patterns
from spotweave.core.pair_difference import (
    MOST,
    Replicates,
    displacement,
    fisher,
    measure_pairs,
    pair_difference,
    pseudo_values,
    relabelled,
    spatial_blocks,
)

UPPER = np.triu_indices(24, 1)


def section(rng, *, moved: bool) -> tuple[Section, np.ndarray]:
    """24 genes of 2 patterns, drawn anew in each section; where `moved`, genes 0 to 3 go over to the other."""
    xy = rng.random((300, 2)) * 30
    waves = rng.normal(size=(2, 60, 2)) / 5
    fields = np.stack([np.cos(xy @ w.T + 6.28 * rng.random(60)).sum(axis=1) / 5.5 for w in waves], axis=1)
    member = np.repeat([0, 1], 12)
    if moved:
        member[:4] = 1
    rate = 3 * np.exp(0.5 * fields[:, member] + 0.1 * rng.normal(size=(1, 24)))
    return section_patterns(sp.csr_matrix(rng.poisson(rate).astype(float)), xy, np.ones(300)), xy


@pytest.fixture
def draw(rng):
    def draw(*moved: bool):
        return zip(*(section(rng, moved=m) for m in moved), strict=True)

    return draw


def test_a_planted_change_is_found_by_pairs_and_genes(draw, rng):
    sections, places = draw(False, False, False, True, True, True)
    measured = measure_pairs(sections, places, np.array([0, 0, 0, 1, 1, 1]))
    assert measured.sections
    np.testing.assert_allclose(measured.precision.mean(), 1)
    p = pair_difference(measured).pvalue
    first = np.isin(UPPER[0], range(4))
    changed = first & (UPPER[1] >= 4)
    assert np.median(p[changed]) < 0.01
    alike = (UPPER[0] >= 4) & ((UPPER[0] >= 12) == (UPPER[1] >= 12))  # always of one pattern
    assert np.median(p[alike]) > 0.2
    found = displacement(measured, 24, rng=rng)
    assert set(np.argsort(found.pvalue)[:4]) == set(range(4))
    assert found.displacement[:4].min() > found.displacement[4:].max()
    assert found.anchor.sum() == 12


def test_without_a_change_p_is_uniform(draw, rng):
    sections, places = draw(*[False] * 6)
    measured = measure_pairs(sections, places, np.array([0, 0, 0, 1, 1, 1]))
    rates = []
    for labels in relabelled(np.array([0, 0, 0, 1, 1, 1]), rng=rng):
        rates.append((pair_difference(measured._replace(condition=labels)).pvalue < 0.05).mean())
    assert len(rates) == 18  # 20 ways, less the true one and its mirror
    assert 0.02 < np.mean(rates) < 0.08


def test_single_sections_are_judged_by_their_blocks(draw):
    sections, places = draw(False, True)
    measured = measure_pairs(sections, places, np.array([0, 1]))
    assert not measured.sections
    assert measured.z.shape == (32, 276)
    p = pair_difference(measured).pvalue
    changed = np.isin(UPPER[0], range(4)) & (UPPER[1] >= 4)
    assert np.median(p[changed]) < 0.05 < np.median(p[~changed])


def test_pseudo_values_are_those_of_a_jackknife_over_points(rng):
    found, xy = section(rng, moved=False)
    patterns, block = found.patterns, spatial_blocks(xy, 4)
    seen = found.functions @ (patterns.values * np.sqrt(patterns.weight)).T  # smooth patterns [n, g]
    noise = (found.functions**2) @ patterns.weight
    least = 2 * np.sqrt(2 * (patterns.weight**2).sum())

    def z_of(product):
        norm = np.sqrt(np.maximum(np.diag(product), least))
        return np.arctanh(np.clip(product / np.outer(norm, norm), -MOST, MOST))[UPPER]

    whole = seen.T @ seen - patterns.noise[:, :, 0] * patterns.weight.sum()
    np.testing.assert_allclose(fisher(found)[UPPER], z_of(whole), atol=1e-9)
    for k, values in enumerate(pseudo_values(found, xy, 4)):
        # functions of a block are not orthonormal: weights of noise are those of its own Gram matrix
        part = found.functions[block == k]
        gram = part.T @ part
        own = seen[block == k].T @ seen[block == k] - patterns.noise[:, :, 0] * (patterns.weight @ np.diag(gram))
        np.testing.assert_allclose(values, 4 * z_of(whole) - 3 * z_of(whole - own), atol=1e-8)
        np.testing.assert_allclose(noise[block == k].sum(), patterns.weight @ np.diag(gram))


def test_blocks_are_equal_and_compact(rng):
    xy = rng.random((101, 2)) * [10, 1]
    block = spatial_blocks(xy, 4)
    assert set(np.bincount(block)) <= {25, 26}
    assert all(np.ptp(xy[block == b, 0]) < 4.5 for b in range(4))
    assert spatial_blocks(xy[:5], 16).max() == 1


def test_labels_are_shuffled_where_there_are_too_many_ways(rng):
    shuffled = relabelled(np.repeat([0, 1], 16), rng=rng)
    assert len(shuffled) == 100
    assert all(labels.sum() == 16 for labels in shuffled)


def test_anchors_are_the_genes_that_vary_least(rng):
    noisy = np.where(np.isin(UPPER, range(12)).any(axis=0), 3.0, 1.0)
    z = rng.normal(size=(8, 276)) * noisy
    found = displacement(Replicates(z, np.repeat([0, 1], 4), np.ones(8), sections=True), 24, rng=rng)
    np.testing.assert_array_equal(found.anchor, np.arange(24) >= 12)


def test_genes_without_a_change_have_p_above_their_least(rng):
    measured = Replicates(rng.normal(size=(8, 276)), np.repeat([0, 1], 4), np.ones(8), sections=True)
    found = displacement(measured, 24, rng=rng)
    assert 0.2 < np.median(found.pvalue) < 0.8
    assert found.pvalue.min() > 1e-4
