import numpy as np

from spotweave.core.alignment.features import Sites
from spotweave.core.alignment.matching import mutual_matches


def test_matches_are_those_of_a_loop(rng):
    A, B = (Sites(rng.uniform(0, 6, size=(n, 2)), rng.normal(size=(n, 3))) for n in (31, 43))
    weight = np.array([1.0, 0.5, 0.0])
    found = mutual_matches(A, B, 2.0, weight)
    F, G = A.F - A.F.mean(axis=0), B.F - B.F.mean(axis=0)
    apart = (weight * (F[:, None] - G[None]) ** 2).sum(axis=2)
    far = np.linalg.norm(A.xy[:, None] - B.xy[None], axis=2)
    apart[far > 2] = np.inf
    expected = [
        (i, j)
        for i in range(31)
        for j in range(43)
        if np.isfinite(apart[i, j]) and apart[i].argmin() == j and apart[:, j].argmin() == i
    ]
    assert sorted(zip(found.moving, found.fixed, strict=True)) == expected
    np.testing.assert_allclose(found.distance, far[found.moving, found.fixed])


def test_slices_apart_have_no_matches(rng):
    A = Sites(rng.normal(size=(12, 2)), rng.normal(size=(12, 2)))
    assert len(mutual_matches(A, A._replace(xy=A.xy + 100), 3.0).distance) == 0
