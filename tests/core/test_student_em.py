"""At the end of EM no parameter can be moved to a higher posterior, and sums are those of a loop over rows."""

import numpy as np
import pytest

from spotweave.core.student_em import Prior, Student, assigned, em, expect, log_prior, posterior


def fitted(rng, *, tied, prior, learn="component"):
    Z = rng.normal(size=(121, 3)) / np.sqrt(rng.gamma(1, 1, size=(121, 1)))
    Z[:50] += 5
    R, w = np.eye(2)[(np.arange(121) < 50).astype(int)], rng.uniform(0.5, 2, size=121)
    start = Student(np.zeros((2, 3)), np.ones((1, 3, 3) if tied else (2, 3)), np.full(2, 0.5), np.full(2, 6.0))
    sums = assigned(Z, R * w[:, None], precision=np.ones(121), tied=tied)
    return Z, w, em(Z, w, sums, start, prior, learn=learn, n_steps=3_000, tolerance=1e-15)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("learn", ["component", "shared"])
def test_end_is_a_maximum(rng, tied, learn):
    prior = Prior(concentration=4.0, mean_rows=6.0, scale_rows=9.0, scale=0.3)
    Z, w, fit = fitted(rng, tied=tied, prior=prior, learn=learn)
    model = fit.model
    goal = lambda m: expect(Z, w, m).evidence + log_prior(m, prior)
    assert goal(model) / w.sum() == pytest.approx(fit.history[-1])
    step = 1e-3

    def moved(name, value):
        return goal(model._replace(**{name: value}))

    for sign in (-step, step):
        for place in np.ndindex(model.means.shape):
            means = model.means.copy()
            means[place] += sign
            assert moved("means", means) < goal(model)
        for j in range(1 if tied else 2):
            covariances = model.covariances.copy()
            covariances[j] *= 1 + sign
            assert moved("covariances", covariances) < goal(model)
        assert moved("weights", model.weights + sign * np.array([1, -1])) < goal(model)
        shared = learn == "shared"
        for j in range(1 if shared else 2):
            dofs = model.dofs.copy()
            dofs[slice(None) if shared else j] *= 1 + 10 * sign
            assert moved("dofs", dofs) < goal(model)


@pytest.mark.parametrize("tied", [False, True])
def test_sums_are_those_of_a_loop(rng, tied):
    Z, w, fit = fitted(rng, tied=tied, prior=Prior(1.0, 0.0, 0.0, 1.0))
    R, evidence = posterior(Z, fit.model)
    sums = expect(Z, w, fit.model)
    assert sums.evidence == pytest.approx(w @ evidence)
    second = np.zeros((3, 3))
    for k in range(2):
        precision = np.linalg.inv(fit.model.covariances[0] if tied else np.diag(fit.model.covariances[k]))
        delta = [(z - fit.model.means[k]) @ precision @ (z - fit.model.means[k]) for z in Z]
        u = (fit.model.dofs[k] + 3) / (fit.model.dofs[k] + np.array(delta))
        r = w * R[:, k]
        second += sum(r[i] * u[i] * np.outer(Z[i], Z[i]) for i in range(121))
        assert sums.rows[k] == pytest.approx(r.sum())
        assert sums.pull[k] == pytest.approx(r @ u)
        np.testing.assert_allclose(sums.first[k], (r * u) @ Z)
        assert sums.surplus[k] == pytest.approx(r @ (np.log(u) - u))
        if not tied:
            np.testing.assert_allclose(sums.second[k], (r * u) @ Z**2)
    if tied:
        np.testing.assert_allclose(sums.second[0], second)
