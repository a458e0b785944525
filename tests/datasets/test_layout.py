import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from scipy.spatial import cKDTree

from spotweave.datasets._layout import (
    make_domain_map,
    make_fields,
    make_outline,
    sample_inside,
    soft_membership,
)

LAYOUTS = ["layers", "blobs", "rings"]


@pytest.fixture
def inside(rng: np.random.Generator) -> np.ndarray:
    return sample_inside(make_outline(rng), rng)


def test_sample_inside_is_even(rng: np.random.Generator) -> None:
    outline = make_outline(rng)
    points = sample_inside(outline, rng, n=20_000)
    # slightly enlarged, since wedges end on straight lines between corners of the polygon and points on arcs
    polygon = Polygon(outline * 1.01)
    assert polygon.contains_points(points).all()
    square = rng.uniform(-1.3, 1.3, size=(20_000, 2))
    expected = square[Polygon(outline).contains_points(square)]
    for part in (lambda p: np.hypot(*p.T) < 0.6, lambda p: p[:, 0] > 0.5, lambda p: p[:, 1] < -0.4):
        assert part(points).mean() == pytest.approx(part(expected).mean(), abs=0.02)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n_domains", [1, 2, 5, 12])
def test_domain_map_gives_every_domain_some_room(
    layout: str, n_domains: int, inside: np.ndarray, rng: np.random.Generator
) -> None:
    share = np.bincount(make_domain_map(layout, n_domains, inside, rng)(inside), minlength=n_domains) / len(inside)
    assert len(share) == n_domains
    assert share.min() > 0.1 / n_domains


def test_layers_have_areas_in_the_stated_ratio(inside: np.ndarray, rng: np.random.Generator) -> None:
    area = np.bincount(make_domain_map("layers", 6, inside, rng)(inside)) / len(inside)
    np.testing.assert_allclose(np.sort(area), np.linspace(1, 3, 6) / np.linspace(1, 3, 6).sum(), atol=1e-3)


@pytest.mark.parametrize("layout", ["layers", "rings"])
def test_bands_touch_only_the_next(layout: str, inside: np.ndarray, rng: np.random.Generator) -> None:
    domain = make_domain_map(layout, 4, inside, rng)(inside)
    pairs = cKDTree(inside).query_pairs(0.03, output_type="ndarray")
    assert np.abs(domain[pairs[:, 0]] - domain[pairs[:, 1]]).max() == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_domains_are_contiguous_patches(layout: str, inside: np.ndarray, rng: np.random.Generator) -> None:
    domain = make_domain_map(layout, 5, inside, rng)(inside)
    nearest = cKDTree(inside).query(inside, k=2)[1][:, 1]
    assert (domain == domain[nearest]).mean() > 0.9


def test_soft_membership_is_the_share_of_a_disc(rng: np.random.Generator) -> None:
    halves = lambda u: (u[:, 0] > 0).astype(int)
    u = np.array([[0.0, 0.0], [-1.0, 0.0], [1.0, 3.0], [0.09, 0.0], [-0.11, 0.0]])
    sharp = soft_membership(halves, u, 0.0, 2)
    np.testing.assert_array_equal(sharp, [[1, 0], [1, 0], [0, 1], [0, 1], [1, 0]])
    soft = soft_membership(halves, u, 0.1, 2)
    np.testing.assert_allclose(soft.sum(axis=1), 1)
    np.testing.assert_array_equal(soft[[1, 2, 4]], sharp[[1, 2, 4]])  # discs that the border does not cut
    angle, radius = rng.uniform(0, 2 * np.pi, 50_000), 0.1 * np.sqrt(rng.random(50_000))
    disc = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    exact = [halves(point + disc).mean() for point in u]
    np.testing.assert_allclose(soft[:, 1], exact, atol=0.15)  # seven samples of the disc


def test_fields_are_smooth_and_bounded(inside: np.ndarray, rng: np.random.Generator) -> None:
    for field in make_fields(rng):
        value = field(inside)
        assert 0.3 < value.std() < 1.5
        assert np.abs(value - field(inside + 0.01)).max() < 0.1
