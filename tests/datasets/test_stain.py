from typing import Any

import numpy as np
import pytest
from anndata import AnnData

from spotweave import InputError
from spotweave.datasets import simulate_stain, simulate_tissue
from spotweave.datasets._looks import scatter_nuclei
from spotweave.datasets._raster import draw_ellipses, noise, smooth_map


@pytest.fixture(scope="module")
def spots() -> AnnData:
    return simulate_tissue(121, n_genes=5, n_types=3, n_domains=2, rng=1)


def _patch(picture: np.ndarray, xy: np.ndarray, um_per_px: float, half: int) -> np.ndarray:
    col, row = np.rint(xy / um_per_px).astype(int)
    return picture[row - half : row + half + 1, col - half : col + half + 1]


def test_tissue_is_pink_and_purple_on_white_glass(spots: AnnData) -> None:
    picture = simulate_stain(spots, um_per_px=2.0)
    assert picture.dtype == np.uint8
    assert picture[:5].min() > 230  # glass at the edge
    red, green, blue = np.mean([_patch(picture, xy, 2.0, 10).mean(axis=(0, 1)) for xy in spots.obsm["spatial"]], axis=0)
    assert green < blue < red
    dark = picture.sum(axis=2) < 350
    assert 0.001 < dark.mean() < 0.3
    assert picture[dark][:, 2].mean() > picture[dark][:, 1].mean() + 20  # nuclei are blue, not grey


def test_stain_covers_the_coordinates(spots: AnnData) -> None:
    for um_per_px in (1.5, 4.0):
        picture = simulate_stain(spots, um_per_px=um_per_px)
        side = spots.obsm["spatial"].max(axis=0) + spots.obsm["spatial"].min(axis=0)  # the same margin all round
        assert picture.shape[:2] == tuple(np.ceil(side[::-1] / um_per_px))
        tissue = [_patch(picture, xy, um_per_px, 2).mean() < 225 for xy in spots.obsm["spatial"]]
        assert np.mean(tissue) > 0.95  # a few spots lie on vessels


def test_nuclei_follow_cells() -> None:
    """Darkness at the place of a cell grows with the haematoxylin of its type."""
    cells = simulate_tissue(1_500, n_genes=5, resolution="cell", n_types=4, n_domains=2, rng=3)
    picture = simulate_stain(cells, um_per_px=0.5).astype(float)
    dye = cells.uns["simulation"]["looks"]["haematoxylin"][cells.obs["cell_type"].cat.codes]
    red = np.array([_patch(picture, xy, 0.5, 1)[..., 0].mean() for xy in cells.obsm["spatial"]])
    assert np.corrcoef(-np.log(red), dye)[0, 1] > 0.6


def test_scattered_nuclei_follow_proportions_and_density(rng: np.random.Generator) -> None:
    xy = np.array([[0.0, 0.0], [1_000.0, 0.0]])
    proportions, n_cells = np.array([[1.0, 0.0], [0.25, 0.75]]), np.array([3, 12])
    found = [scatter_nuclei(xy, proportions, n_cells, 100.0, rng) for _ in range(60)]
    at = np.concatenate([nuclei.xy for nuclei in found])
    kind = np.concatenate([nuclei.type for nuclei in found])
    right = at[:, 0] > 500
    assert right.sum() / (~right).sum() == pytest.approx(4, rel=0.1)
    assert kind[~right].max() == 0
    assert kind[right].mean() == pytest.approx(0.75, abs=0.03)
    in_spot = np.hypot(*(at - xy[1]).T) < 27.5
    assert in_spot.sum() / 60 == pytest.approx(12, rel=0.1)


def test_stain_is_seeded(spots: AnnData) -> None:
    one, again, other = (simulate_stain(spots, um_per_px=4.0, rng=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("resolution", ["spot", "cell"])
def test_image_is_in_the_layout_of_scanpy(resolution: Any) -> None:
    adata = simulate_tissue(60, n_genes=5, n_domains=1, n_slices=2, resolution=resolution, image=True, rng=1)
    assert list(adata.uns["spatial"]) == ["slice_1", "slice_2"]
    for name, library in adata.uns["spatial"].items():
        picture, factors = library["images"]["hires"], library["scalefactors"]
        xy = adata.obsm["spatial"][adata.obs["slice"] == name] * factors["tissue_hires_scalef"]
        assert (xy.max(axis=0) < picture.shape[1::-1]).all()
        assert factors["spot_diameter_fullres"] == (55.0 if resolution == "spot" else 10.0)


def test_stain_bad_arguments(spots: AnnData) -> None:
    with pytest.raises(InputError, match="simulated tissue"):
        simulate_stain(AnnData(np.ones((3, 2), dtype=np.float32)))
    with pytest.raises(InputError, match="slice_name.*'slice_9'"):
        simulate_stain(spots, slice_name="slice_9")
    with pytest.raises(InputError, match="um_per_px.*0"):
        simulate_stain(spots, um_per_px=0)
    with pytest.raises(InputError, match=r"100,000,000 pixels.*Raise um_per_px"):
        simulate_stain(spots, um_per_px=0.1)
    with pytest.raises(InputError, match="several slices.*slice_2"):
        simulate_stain(simulate_tissue(20, n_slices=2, n_domains=1, n_genes=2))


def test_ellipse_has_its_area_and_direction() -> None:
    picture = draw_ellipses(
        (61, 81), np.array([[40.3, 30.6]]), np.array([[20.0, 6.0]]), np.array([np.pi / 6]), np.array([0.5])
    )
    assert picture.sum() / 0.5 == pytest.approx(np.pi * 20 * 6, rel=0.03)
    y, x = np.mgrid[:61, :81]
    weight = picture / picture.sum()
    centre = (weight * x).sum(), (weight * y).sum()
    np.testing.assert_allclose(centre, [40.3, 30.6], atol=0.1)
    cross = (weight * (x - centre[0]) * (y - centre[1])).sum()
    spread = (weight * (x - centre[0]) ** 2).sum() - (weight * (y - centre[1]) ** 2).sum()
    assert 0.5 * np.arctan2(2 * cross, spread) == pytest.approx(np.pi / 6, abs=0.02)


def test_ellipses_over_the_edge_are_cut() -> None:
    picture = draw_ellipses((5, 7), np.array([[0.0, 0.0]]), np.array([[3.0, 3.0]]), np.zeros(1), np.ones(1))
    assert picture[0, 0] == 1
    assert picture[4, 6] == 0  # nothing wraps round


def test_smooth_map_takes_the_nearest_value() -> None:
    xy, values = np.array([[20.0, 50.0], [180.0, 50.0]]), np.array([1.0, 3.0])
    value, cover = smooth_map(xy, values, (100, 200), step=4, reach=15)
    assert value[50, 20] == pytest.approx(1, abs=0.01)
    assert value[50, 180] == pytest.approx(3, abs=0.01)
    assert cover[50, 20] == 1
    assert cover[50, 100] == 0
    assert cover.sum() == pytest.approx(2 * np.pi * 15**2, rel=0.1)


@pytest.mark.parametrize("grain", [0.7, 5.0, (2.0, 9.0)])
def test_noise_is_standard_and_has_its_grain(grain: Any, rng: np.random.Generator) -> None:
    picture = noise((301, 257), grain, rng)
    assert picture.shape == (301, 257)
    assert picture.mean() == pytest.approx(0, abs=0.1)
    assert 0.7 < picture.std() < 1.1
    lag = int(6 * np.max(grain)) + 1
    assert abs(np.corrcoef(picture[:-lag].ravel(), picture[lag:].ravel())[0, 1]) < 0.25
    step = [np.corrcoef(picture[:-1].ravel(), picture[1:].ravel())[0, 1]]
    step.append(np.corrcoef(picture[:, :-1].ravel(), picture[:, 1:].ravel())[0, 1])
    if np.ndim(grain):
        assert step[1] > step[0]
