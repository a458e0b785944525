"""The scale of a picture from jittered, incomplete and turned arrays of spots, and from real ones."""

import numpy as np
import pytest

from spotweave import InputError
from spotweave.core.tile_geometry import infer_um_per_px, spot_pitch


def spots(kind: str, n: int = 33) -> np.ndarray:
    """Places on a lattice with step 1."""
    row, column = (grid.ravel() for grid in np.mgrid[:n, :n])
    if kind == "ST":
        return np.column_stack([column, row]).astype(float)
    return np.column_stack([column + row % 2 / 2, row * np.sqrt(3) / 2])


def turned(xy: np.ndarray, angle: float) -> np.ndarray:
    return xy @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def test_pitch():
    xy = 137.5 * spots("Visium")
    assert spot_pitch(xy) == pytest.approx(137.5)
    assert spot_pitch(np.concatenate([xy, xy[:700], xy[:700]])) == pytest.approx(137.5)
    assert spot_pitch(np.array([[0, 0], [3, 4]])) == pytest.approx(5)


def test_pitch_matches_all_distances(rng):
    xy = rng.random((53, 2))
    distances = np.linalg.norm(xy[:, None] - xy, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert spot_pitch(xy) == pytest.approx(np.median(distances.min(axis=1)))


@pytest.mark.parametrize("xy", [np.zeros((0, 2)), np.ones((1, 2)), np.ones((5, 2))])
def test_one_place_has_no_pitch(xy):
    with pytest.raises(InputError, match="two places or more.*`mpp=`"):
        spot_pitch(xy)


@pytest.mark.parametrize(("kind", "um"), [("ST", 200.0), ("Visium", 100.0)])
@pytest.mark.parametrize("angle", [0, 0.02, 0.7, 2.0])
def test_scale_of_jittered_arrays_with_holes(kind, um, angle, rng):
    xy = spots(kind)
    kept = xy[rng.random(len(xy)) < 0.7]
    pixels = 275.3 * turned(kept + rng.normal(0, 0.05, kept.shape), angle) + [4000, -90]
    scale, technology = infer_um_per_px(pixels)
    assert technology == kind
    assert scale == pytest.approx(um / 275.3, rel=0.005)
    assert infer_um_per_px(np.concatenate([pixels, pixels[:50]]))[0] == pytest.approx(scale, rel=0.005)


def test_a_small_biopsy(rng):
    kept = spots("ST", 13)[:100]
    assert infer_um_per_px(200 * (kept + rng.uniform(-0.05, 0.05, kept.shape)))[0] == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    ("xy", "found"),
    [
        (np.random.default_rng(0).random((900, 2)) * 9000, "on no such lattice"),
        (300 * spots("ST", 33)[:33], "on no such lattice"),  # one row could be of either
        (300 * spots("ST", 2), "on no such lattice"),
        (32.0 * spots("ST", 60), "3600 places.* bins of another method"),
        (spots("ST"), "spots 1 apart: rows and columns of the array"),
        (90_000.0 * spots("Visium"), "another unit"),
    ],
    ids=["cells", "one row", "few", "bins", "array", "nanometres"],
)
def test_neither(xy, found):
    with pytest.raises(InputError, match=f"ST spots .* or Visium spots .*{found}.*`mpp=`"):
        infer_um_per_px(xy)


@pytest.mark.data
def test_real_sections(data_dir):
    h5py = pytest.importorskip("h5py")
    files = sorted((data_dir / "her2st").glob("[A-H][1-6].h5ad"))
    if not files:
        pytest.skip(f"no her2st in {data_dir}")
    for path in files:
        with h5py.File(path) as file:
            xy = file["obsm/spatial"][:]
        scale, technology = infer_um_per_px(xy)
        assert technology == "ST"
        # pictures of patient A are smaller; the median to the nearest neighbour is 4 to 8 % below the step
        assert 1 / scale == pytest.approx(1.09 if path.name[0] == "A" else 1.455, rel=0.01)
        assert 0.9 < spot_pitch(xy) / (200 / scale) < 1
    path = data_dir / "dlpfc_151673" / "dlpfc_151673.h5ad"
    if path.exists():
        with h5py.File(path) as file:
            scale, technology = infer_um_per_px(file["obsm/spatial"][:])
        assert technology == "Visium"
        assert 1 / scale == pytest.approx(1.38, rel=0.01)
