import numpy as np
import pytest

from spotweave.pl._markers import fit_marker


def hexagonal(n=9, step=1.0):
    rows, cols = np.divmod(np.arange(n * n), n)
    return step * np.column_stack([cols + 0.5 * (rows % 2), rows * np.sqrt(3) / 2])


def square(n=9, step=1.0):
    return step * np.stack(np.meshgrid(np.arange(n), np.arange(n)), axis=-1).reshape(-1, 2).astype(float)


def turned(xy, degrees):
    a = np.deg2rad(degrees)
    return xy @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])


def area(vertices):
    x, y = vertices.T
    return 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))


def covering(vertices, xy, at):
    """How many tiles at `xy` hold each point of `at` (convex, by the sign of cross products)."""
    edges = np.roll(vertices, -1, axis=0) - vertices
    d = at[:, None, None] - (xy[None, :, None] + vertices[None, None])
    side = edges[..., 0] * d[..., 1] - edges[..., 1] * d[..., 0]
    return (side > 0).all(axis=-1).sum(axis=1)


@pytest.mark.parametrize(("lattice", "corners", "cell"), [(hexagonal, 6, np.sqrt(3) / 2), (square, 4, 1.0)])
@pytest.mark.parametrize("degrees", [0, 17, 44])
@pytest.mark.parametrize("step", [0.013, 137.0])
def test_tiles_fill_a_lattice_without_overlap(lattice, corners, cell, degrees, step, rng):
    xy = turned(lattice(step=step), degrees)
    marker = fit_marker(xy)
    assert marker.vertices is not None
    assert marker.vertices.shape == (corners, 2)
    assert marker.diameter == pytest.approx(step)
    assert area(marker.vertices) == pytest.approx(cell * step**2)
    inside = turned(step * rng.uniform(2, 5.5, (200, 2)), degrees)
    assert (covering(marker.vertices, xy, inside) == 1).all()


def test_jittered_lattice_is_still_one(rng):
    xy = square(17) + rng.normal(scale=0.03, size=(289, 2))
    marker = fit_marker(xy)
    assert marker.vertices is not None
    assert len(marker.vertices) == 4
    assert marker.diameter == pytest.approx(1, abs=0.03)


def test_cells_get_discs_of_their_share_of_the_area(rng):
    marker = fit_marker(rng.random((4000, 2)))
    assert marker.vertices is None
    assert marker.diameter == pytest.approx(np.sqrt(1 / 4000), rel=0.15)


def test_size_follows_the_coordinates_and_not_the_number_of_points(rng):
    xy = rng.random((36_000, 2))
    few = xy[(xy < 0.2).all(axis=1)]
    assert fit_marker(xy).diameter == pytest.approx(fit_marker(few).diameter, rel=0.1)
    assert fit_marker(1000 * xy).diameter == pytest.approx(1000 * fit_marker(xy).diameter)


@pytest.mark.parametrize("xy", [np.zeros((1, 2)), np.zeros((5, 2)), np.array([[0.0, 0], [3, 0]])])
def test_few_or_coinciding_points(xy):
    marker = fit_marker(xy)
    assert marker.vertices is None
    assert marker.diameter > 0


def test_points_in_a_row_do_not_fail():
    assert fit_marker(np.column_stack([np.arange(7.0), np.zeros(7)])).diameter > 0


@pytest.mark.data
def test_real_arrays(data_dir):
    import anndata

    expected = {
        "dlpfc_151673/dlpfc_151673": 6,
        "her2st/B1": 4,
        "starmap_visual_cortex_1207/starmap_visual_cortex_1207": 0,
    }
    for name, corners in expected.items():
        marker = fit_marker(np.asarray(anndata.read_h5ad(data_dir / f"{name}.h5ad").obsm["spatial"]))
        assert (0 if marker.vertices is None else len(marker.vertices)) == corners
