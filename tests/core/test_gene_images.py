"""Pictures against a loop over points; no tissue is NaN and off the mask, a measured 0 is 0."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core import gene_images as module
from spotweave.core.gene_images import paint, rasterise
from spotweave.core.pixels import pixel_grid


@pytest.fixture
def xy(rng) -> np.ndarray:
    return rng.random((333, 2)) * [40, 25]


def loop_images(grid, X):
    images = np.full((X.shape[1], *grid.shape), np.nan)
    for j in range(X.shape[1]):
        held: dict[tuple[int, int], list[float]] = {}
        for i, (row, column) in enumerate(grid.pixel.tolist()):
            for r in range(grid.span[0]):
                for c in range(grid.span[1]):
                    held.setdefault((row + r, column + c), []).append(X[i, j])
        for place, values in held.items():
            images[j, *place] = np.mean(values)
    return images


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix, sp.csr_array, lambda X: X.astype(int)])
def test_pixels_are_means_of_their_points(rng, xy, kind):
    X = rng.poisson([0.1, 3.0, 0.0], (333, 3)).astype(float)
    found = rasterise(xy, kind(X))
    grid = pixel_grid(xy)
    assert found.images.dtype == np.float32
    np.testing.assert_allclose(found.images, loop_images(grid, X), rtol=1e-6)
    assert (np.isnan(found.images) == ~found.mask).all()
    assert (~found.mask).sum() > 0, "some pixels are empty"
    assert (found.images[2][found.mask] == 0).all(), "a measured 0 is a 0"
    np.testing.assert_array_equal(found.counts_per_pixel, grid.counts())
    np.testing.assert_array_equal(found.mask, found.counts_per_pixel > 0)
    assert found.genes.tolist() == ["0", "1", "2"]


@pytest.mark.parametrize("degrees", [0, 0.5, 12, 30, -28])
def test_function_of_position_is_reproduced_on_a_hexagonal_grid(degrees):
    row, column = (grid.ravel() for grid in np.mgrid[:21, :19])
    a = np.deg2rad(degrees)
    flat = np.column_stack([column + row % 2 / 2, row * np.sqrt(3) / 2])
    xy = 100 * flat @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    found = rasterise(xy, np.column_stack([xy[:, 0], np.sin(xy[:, 1] / 300)]), patch=4, genes=["x", "wave"])
    assert found.mask.sum() == 2 * len(xy)
    r, c = np.nonzero(found.mask)
    x, y = found.to_xy @ np.stack([c + 0.5, r + 0.5, np.ones(len(r))])  # the middle of each half
    assert np.abs(found.images[0, r, c] - x).max() < 30, "a quarter of a step from the spot, where rounding loses half"
    assert np.abs(found.images[1, r, c] - np.sin(y / 300)).max() < 0.1
    np.testing.assert_allclose(found.images[:, *found.pixel.T], np.stack([xy[:, 0], np.sin(xy[:, 1] / 300)]), atol=1e-3)


def test_spots_at_one_site_are_averaged_in_both_halves():
    row, column = (grid.ravel() for grid in np.mgrid[:6, :5])
    xy = np.column_stack([column + row % 2 / 2, row * np.sqrt(3) / 2])
    found = rasterise(np.concatenate([xy, xy[7:8]]), np.append(np.arange(30.0), 17)[:, None])
    r, c = found.pixel[7]
    assert found.images[0, r, c : c + 2].tolist() == [12, 12]
    assert found.counts_per_pixel[r, c : c + 2].tolist() == [2, 2]
    assert found.counts_per_pixel.sum() == 62


def test_chunks_and_slides_in_any_order_give_the_same(rng, xy):
    X = sp.csr_matrix(rng.poisson(0.7, (333, 4)).astype(np.float32))
    members = [np.arange(0, 333, 3), np.flatnonzero(np.arange(333) % 3)]
    grids = [pixel_grid(xy[rows]) for rows in members]
    factor = rng.random(333)
    chunks = lambda size: lambda: ((slice(s, min(s + size, 333)), X[s : s + size]) for s in range(0, 333, size))
    whole, small = (paint(chunks(size), grids, members, 4, factor) for size in (333, 10))
    for rows, grid, one, other in zip(members, grids, whole, small, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
        np.testing.assert_allclose(one, loop_images(grid, np.log1p(factor[:, None] * X.toarray())[rows]), rtol=1e-5)
    np.testing.assert_array_equal(X.data, np.rint(X.data))


def test_refusals(rng, xy, monkeypatch):
    X = rng.random((333, 2))
    for wrong in (np.nan, np.inf):
        bad = X.copy()
        bad[5, 1] = wrong
        with pytest.raises(InputError, match="finite values"):
            rasterise(xy, bad)
    with pytest.raises(InputError, match="each of the 333 points"):
        rasterise(xy, X[1:])
    monkeypatch.setattr(module, "MOST_BYTES", 1_000_000)
    rasterise(xy, X, pixel_size=0.2)
    with pytest.raises(InputError, match=r"2 genes x 30.... pixels, 0.00247 GB. Choose fewer genes"):
        rasterise(xy, X, pixel_size=0.05657)
