"""Test of predictable genes: right level for fields that have nothing to do with each other, found where they do."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter

from spotweave import InputError
from spotweave.core.histology import predictable as module
from spotweave.core.histology.predictable import predictable_genes, tissue_blocks


def lattice(side, n_sections=1, *, disc=False):
    xy = np.stack(np.divmod(np.arange(side**2), side), axis=1).astype(float)
    kept = ((xy - (side - 1) / 2) ** 2).sum(axis=1) <= (side / 2) ** 2 if disc else np.ones(len(xy), bool)
    return np.tile(xy[kept], (n_sections, 1)), np.repeat(np.arange(n_sections), kept.sum()), np.tile(kept, n_sections)


def fields(rng, side, width, g, n_sections=1):
    """Smooth fields ``[n_sections side^2, g]`` of unit variance, cut out of larger ones."""
    pad = int(3 * width) + 1
    white = rng.standard_normal((n_sections, side + 2 * pad, side + 2 * pad, g))
    smooth = gaussian_filter(white, (0, width, width, 0)) if width else white
    inner = smooth[:, pad : pad + side, pad : pad + side].reshape(-1, g)
    return inner / inner.std(axis=0)


@pytest.mark.parametrize(
    ("side", "width", "n_sections", "disc"),
    [(17, 0, 1, False), (17, 2, 1, True), (18, 4, 1, False), (29, 4, 1, True), (18, 2, 4, True), (13, 6, 1, False)],
)
def test_independent_smooth_fields_keep_the_level(rng, side, width, n_sections, disc):
    xy, section, kept = lattice(side, n_sections, disc=disc)
    y, h = (fields(rng, side, width, 900, n_sections)[kept] for _ in range(2))
    y = np.log1p(rng.poisson(np.exp(y - 0.5)))  # few counts, skewed
    found = predictable_genes(y, h, tissue_blocks(xy, section), section=section, xy=xy)
    assert 0.44 < (found.p < 0.5).mean() < 0.56
    assert 0.02 < (found.p < 0.05).mean() < 0.072, "5 % and its own sampling error, below for broad fields"
    assert (found.p < 0.01).mean() < 0.022
    assert (found.q < 0.05).sum() <= 2


def test_the_sign_test_of_blocks_would_not_keep_it(rng):
    """The reason for the waves: domains are wider than blocks."""
    xy, section, _ = lattice(29)
    y, h = (fields(rng, 29, 4, 300) for _ in range(2))
    blocks = tissue_blocks(xy, section)
    c = np.stack([((y - y.mean(0)) * (h - h.mean(0)))[blocks == b].sum(axis=0) for b in range(blocks.max() + 1)])
    naive = c.sum(axis=0) / np.sqrt((c**2).sum(axis=0))
    assert (naive > 1.645).mean() > 0.15
    assert (predictable_genes(y, h, blocks, section=section, xy=xy).z > 1.645).mean() < 0.08


def test_genes_that_follow_their_prediction_are_found(rng):
    xy, section, _ = lattice(18, 4)
    h = fields(rng, 18, 2, 60, 4)
    y = fields(rng, 18, 2, 60, 4) + rng.standard_normal(h.shape)
    y[:, :30] += 0.6 * h[:, :30]
    y[:, 50:] -= 0.6 * h[:, 50:]
    found = predictable_genes(y, h, tissue_blocks(xy, section), section=section, xy=xy)
    assert (found.q[:30] < 0.05).mean() > 0.9
    assert (found.q[30:] > 0.05).all()
    assert (found.p[50:] > 0.9).all(), "one-sided: a prediction upside down is none"


def test_levels_of_sections_tell_nothing_and_order_of_rows_changes_nothing(rng, monkeypatch):
    xy, section, _ = lattice(13, 3)
    y, h = rng.poisson(1.0, (507, 11)).astype(float), fields(rng, 13, 1, 11, 3)
    blocks = tissue_blocks(xy, section)
    first = predictable_genes(y, h, blocks, section=section, xy=xy)
    order = rng.permutation(507)
    shifted = sp.csc_matrix((y + 5 * section[:, None])[order])
    monkeypatch.setattr(module, "MOST_VALUES", 169 * 4)  # several blocks of genes
    second = predictable_genes(
        shifted, (h + 9 * section[:, None])[order], 7 * blocks[order], section=section[order] - 4, xy=3 * xy[order] + 50
    )
    np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-9)


def test_total_is_the_sum_of_products_and_reaches_bound_it(rng):
    xy, section, _ = lattice(14)
    y, h = rng.standard_normal((196, 5)), rng.standard_normal((196, 5))
    total, reach, size = module._agreement(y, h, np.arange(196), tissue_blocks(xy, section), xy)
    np.testing.assert_allclose(total, ((y - y.mean(0)) * (h - h.mean(0))).sum(axis=0))
    own = module._agreement(y, y, np.arange(196), tissue_blocks(xy, section), xy)
    assert reach.shape == (len(size), 5)
    assert (size > 1).all()
    assert (own[1][:-1].sum(axis=0) < own[0]).all(), "a field agrees with itself fully, band by band"
    assert (np.abs(total) < reach.sum(axis=0)).all()


def test_constant_genes_and_tiny_sections(rng):
    xy, section, _ = lattice(9, 2)
    xy, section = np.vstack([xy, [[0, 0]], [[4, 4], [4, 4]]]), np.append(section, [2, 3, 3])
    y, h = rng.standard_normal((165, 4)), rng.standard_normal((165, 4)).astype(np.float32)
    y[:, 1], h[:, 2] = 0.1, 0.3
    found = predictable_genes(y, h, tissue_blocks(xy, section), section=section, xy=xy)
    np.testing.assert_array_equal(found.z[1:3], 0)
    np.testing.assert_array_equal(found.p[1:3], 1)
    assert np.isfinite(found).all()
    assert (found.z[[0, 3]] != 0).all()


def test_blocks_are_small_compact_and_within_sections(rng):
    xy, section = rng.random((211, 2)) * [1, 3], rng.integers(0, 3, 211)
    blocks = tissue_blocks(xy, section, size=20)
    assert set(blocks) == set(range(blocks.max() + 1))
    assert np.bincount(blocks).max() <= 20
    for b in range(blocks.max() + 1):
        assert len(set(section[blocks == b])) == 1
        assert np.ptp(xy[blocks == b], axis=0).max() < 1.2


def test_errors(rng):
    xy, section, _ = lattice(8)
    y, blocks = rng.standard_normal((64, 3)), tissue_blocks(xy, section)
    with pytest.raises(InputError, match=r"shape \[64, 3\], as the truth; found shape \[64, 2\]"):
        predictable_genes(y, y[:, :2], blocks, section=section, xy=xy)
    with pytest.raises(InputError, match="a block, a section and a point for each of 64 spots"):
        predictable_genes(y, y, blocks[:9], section=section, xy=xy)
    with pytest.raises(InputError, match="at least 2 blocks; found 1"):
        predictable_genes(y, y, blocks * 0, section=section, xy=xy)
    with pytest.raises(InputError, match="a block that crosses sections"):
        predictable_genes(y, y, blocks, section=np.arange(64) % 2, xy=xy)
    with pytest.raises(InputError, match="finite values"):
        predictable_genes(y, y * np.nan, blocks, section=section, xy=xy)
