"""Scores and views of integration, against plain computations on the averaged components."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from spotweave.core.graph import knn
from spotweave.core.propagate import row_normalise, symmetrise
from spotweave.metrics import ilisi, neighbors_kept
from spotweave.tl import _integrate_scores
from spotweave.tl._integrate_scores import before_and_after, telling_axes
from spotweave.tl._tissue import Tissue


@pytest.fixture
def made(rng):
    """Two slides of smooth features and noise, the second shifted; components after without the shift."""
    xy = np.tile(np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), axis=-1).reshape(-1, 2), (2, 1))
    batch = np.repeat([0, 1], 144)
    P = rng.normal(size=(288, 5))
    P[:, :2] += 4 * np.sin(xy / 3)
    W = sp.csr_matrix(symmetrise(knn(xy, n_neighs=6, library=batch).connectivities))
    shifted = P + 5 * batch[:, None] * np.array([0, 0, 0, 1, 0])
    return Tissue(shifted, xy, batch, W), P + rng.normal(0, 0.5, P.shape), batch


def averages(P, W):
    S = row_normalise(W).toarray()
    return S @ S @ P


def test_scores_are_those_of_averages(made):
    tissue, P, batch = made
    found = before_and_after(tissue, P, batch, np.random.default_rng(0)).scores
    H, G = averages(tissue.P, tissue.W), averages(P, tissue.W)
    rng = np.random.default_rng(0)
    assert found["ilisi_before"] == pytest.approx(ilisi(H, batch, scaled=True, rng=rng), abs=0.02)
    assert found["ilisi_after"] == pytest.approx(ilisi(G, batch, scaled=True, rng=rng), abs=0.02)
    assert found["ilisi_after"] > found["ilisi_before"] + 0.3
    assert found["neighbors_kept"] == pytest.approx(neighbors_kept(H, G, batch, rng=rng), abs=0.01)
    assert abs(found["neighbors_kept"] - neighbors_kept(H, G, None, rng=rng)) > 0.05


def test_many_cells_are_scored_on_a_sample_of_all_batches_and_shown_whole(made, monkeypatch):
    tissue, P, batch = made
    asked: list = []
    monkeypatch.setattr(_integrate_scores, "MAX_ROWS", 100)

    def noted(H, of, **_):
        asked.append(of)
        return len(H) / 100

    monkeypatch.setattr(_integrate_scores, "ilisi", noted)
    found = before_and_after(tissue, P, batch, np.random.default_rng(0))
    assert [len(b) for b in asked] == [100, 100]
    assert found.scores["ilisi_after"] == 1
    assert 30 < asked[0].sum() < 70
    assert found.before.shape == found.after.shape == (288, 2)


def test_views_share_their_axes(made):
    tissue, P, batch = made
    view = before_and_after(tissue, P, batch, np.random.default_rng(0))
    still = before_and_after(tissue, tissue.P, batch, np.random.default_rng(0))
    np.testing.assert_allclose(still.after, still.before, atol=1e-5)
    np.testing.assert_allclose(view.before, still.before, atol=1e-5)
    np.testing.assert_allclose([view.before.mean(axis=0), view.after.mean(axis=0)], 0, atol=1e-4)
    gap = [abs(V[batch == 1, 1].mean() - V[batch == 0, 1].mean()) for V in (view.before, view.after)]
    assert gap[1] < 0.2 * gap[0]


def test_axes_are_the_leading_one_within_batches_and_fishers(rng):
    batch = np.repeat([0, 1, 2], [50, 80, 40])
    H = rng.normal(0, [1, 3, 0.5, 2], (170, 4)) + 4 * np.array([[0, 0, 0, 0], [0, 9, 1, 0], [0, 4, 0, 1]])[batch]
    axes = telling_axes(H, batch)
    inner = H - np.stack([H[batch == c].mean(axis=0) for c in range(3)])[batch]
    leading = np.linalg.svd(inner, full_matrices=False)[2][0]
    assert abs(axes[:, 0] @ leading) == pytest.approx(1, abs=1e-6)
    fisher = LinearDiscriminantAnalysis(solver="eigen").fit(H, batch).scalings_[:, 0]
    cosine = axes[:, 1] @ fisher / (np.linalg.norm(axes[:, 1]) * np.linalg.norm(fisher))
    assert abs(cosine) == pytest.approx(1, abs=1e-6)
