"""Stacking weights against a general solver of the same constrained problem."""

import numpy as np
import pytest
from scipy.optimize import minimize

from spotweave.core.histology.shrink import stacking_weights

N = 83


def solved(A, y):
    """Least squares over w >= 0 with sum at most 1, by SLSQP from several starts."""
    p = A.shape[1]
    scale = (y @ y) + 1
    loss = lambda w: ((y - A @ w) ** 2).sum() / scale
    slope = lambda w: 2 * A.T @ (A @ w - y) / scale
    bound = {"type": "ineq", "fun": lambda w: 1 - w.sum(), "jac": lambda w: -np.ones(p)}
    starts = [np.full(p, 1 / (p + 1)), *np.eye(p)]
    found = [
        minimize(loss, s, jac=slope, bounds=[(0, 1)] * p, constraints=[bound], method="SLSQP", tol=1e-14)
        for s in starts
    ]
    return min(found, key=lambda f: f.fun).x


CASES = {
    "inside": [0.3, 0.2, 0.1],
    "at the bound": [0.9, 0.8, 0.2],
    "harmful": [-1.0, 0.4, -0.3],
    "blown up": [4.0, 0.0, 0.0],
    "worthless": [0.0, 0.0, 0.0],
}


@pytest.mark.parametrize("truth", CASES.values(), ids=CASES)
def test_weights_are_those_of_a_general_solver(rng, truth):
    told = rng.normal(size=(3, N, 2))
    told[1] += 0.7 * told[0]
    y = np.einsum("pnt,p->nt", told, truth) + 0.3 * rng.normal(size=(N, 2))
    weights = stacking_weights(told, y)
    assert weights.shape == (3, 2)
    assert (weights >= 0).all()
    assert (weights.sum(axis=0) <= 1 + 1e-9).all()
    for t in range(2):
        np.testing.assert_allclose(weights[:, t], solved(told[:, :, t].T, y[:, t]), atol=2e-4)


def test_one_predictor_is_shrunk_in_closed_form(rng):
    told, y = rng.normal(size=(1, N, 3)), rng.normal(size=(N, 3))
    y[:, 1], y[:, 2] = 0.4 * told[0, :, 1] + 0.1 * y[:, 1], 3 * told[0, :, 2]
    expected = np.clip((told[0] * y).sum(axis=0) / (told[0] ** 2).sum(axis=0), 0, 1)
    np.testing.assert_allclose(stacking_weights(told, y)[0], expected)
    assert expected[2] == 1


@pytest.mark.parametrize("strength", [0.5, 5.0])
def test_equal_empty_and_huge_columns(rng, strength):
    x, other = rng.normal(size=(2, N))
    y = strength * x
    equal = stacking_weights(np.stack([x, x, 0 * x])[:, :, None], y[:, None])[:, 0]
    assert equal[:2].sum() == pytest.approx(min(strength, 1), abs=1e-6)
    assert (equal >= 0).all()
    assert not stacking_weights(np.zeros((2, N, 1)), y[:, None]).any()
    for scale in (1e-9, 1e9):
        one = stacking_weights(scale * np.stack([x, other])[:, :, None], scale * y[:, None])[:, 0]
        np.testing.assert_allclose(one, [min(strength, 1), 0], atol=1e-6)
