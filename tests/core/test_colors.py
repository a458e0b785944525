from itertools import combinations, permutations

import numpy as np
import pytest

from spotweave.core.colors import color_distance, domain_colors, domain_contacts, palette


def rgb_of(colours):
    return np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours])


@pytest.mark.parametrize("n", [0, 1, 7, 8, 23, 50])
def test_palette_has_n_distinct_hex_colours_and_extends_the_shorter_one(n):
    colours = palette(n)
    assert len(set(colours)) == n
    assert all(len(c) == 7 and int(c[1:], 16) >= 0 for c in colours)
    assert colours == palette(50)[:n]


@pytest.mark.parametrize(("n", "least"), [(7, 0.11), (12, 0.10), (20, 0.08), (30, 0.06), (50, 0.05)])
def test_palette_stays_distinct_for_the_colour_blind(n, least):
    rgb = rgb_of(palette(n))
    assert color_distance(rgb, rgb)[np.triu_indices(n, 1)].min() > least


def test_color_distance_known_values():
    black, white = np.zeros((1, 3)), np.ones((1, 3))
    assert color_distance(black, white)[0, 0] == pytest.approx(1, abs=1e-3)
    blue = np.array([[0.0, 0.0, 1.0]])  # OKLab (0.452, -0.032, -0.312); hardly changed by red-green blindness
    assert color_distance(blue, black)[0, 0] == pytest.approx(np.hypot(0.452, np.hypot(0.032, 0.312)), abs=2e-3)


def test_color_distance_is_the_least_of_the_views():
    red, green = np.array([[0.8, 0.2, 0.333]]), np.array([[0.133, 0.533, 0.2]])  # like lightness: confused by many
    assert color_distance(red, green)[0, 0] < 0.1
    assert color_distance(red, np.array([[0.0, 0.447, 0.698]]))[0, 0] > 0.2


def test_contacts_match_a_loop(rng):
    xy, codes, library = rng.random((41, 2)), rng.integers(-1, 4, 41), rng.integers(0, 2, 41)
    expected = np.zeros((4, 4))
    kept = np.flatnonzero(codes >= 0)
    for i in kept:
        near = sorted((np.hypot(*(xy[i] - xy[j])), j) for j in kept if j != i)[:5]
        for _, j in near:
            if library[i] == library[j] and codes[i] != codes[j]:
                expected[codes[i], codes[j]] += 1
                expected[codes[j], codes[i]] += 1
    found = domain_contacts(xy, codes, n_domains=4, library=library, n_neighs=5)
    np.testing.assert_array_equal(found, expected)


def stripes(n_domains):
    xy = np.stack(np.meshgrid(np.arange(12.0), np.arange(5.0 * n_domains)), axis=-1).reshape(-1, 2)
    return xy, (xy[:, 1] // 5).astype(int)


def cost(colours, contact):
    d = color_distance(rgb_of(colours), rgb_of(colours))
    total = contact.sum(axis=1)
    pairs = combinations(range(len(colours)), 2)
    return sum(contact[i, j] / np.sqrt(total[i] * total[j]) / d[i, j] ** 2 for i, j in pairs)


def test_domain_colors_are_a_permutation_near_the_best_of_all():
    xy, codes = stripes(6)
    contact = domain_contacts(xy, codes, n_domains=6)
    found = domain_colors(xy, codes)
    assert sorted(found) == sorted(palette(6))
    every = [cost(p, contact) for p in permutations(palette(6))]
    assert cost(found, contact) <= np.quantile(every, 0.02)
    assert cost(found, contact) < cost(palette(6), contact)


def test_no_exchange_of_two_colours_helps():
    xy, codes = stripes(11)
    contact = domain_contacts(xy, codes, n_domains=11)
    found = domain_colors(xy, codes)
    now = cost(found, contact)
    for i, j in combinations(range(11), 2):
        other = found.copy()
        other[i], other[j] = other[j], other[i]
        assert cost(other, contact) >= now - 1e-6


@pytest.mark.parametrize("codes", [[-1, -1, -1], [0, 0, 0], [0, -1, 1]])
def test_domain_colors_of_few_or_missing_labels(codes):
    xy = np.array([[0.0, 0], [0, 0], [1, 0]])
    assert len(domain_colors(xy, np.array(codes), n_domains=3)) == 3
    assert domain_colors(xy, np.array(codes)) == domain_colors(xy, np.array(codes))
