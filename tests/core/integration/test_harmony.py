import sys
from types import SimpleNamespace

import numpy as np
import pytest

from spotweave import InputError
from spotweave.core.integration.harmony import HarmonyParams, harmony
from spotweave.core.integration.methods import METHODS
from spotweave.core.integration.slices import centred
from spotweave.core.propagate import row_normalise


def test_harmony_mixes_what_was_apart(make, rng):
    pytest.importorskip("harmonypy")
    made = make([[0, 1, 2], [0, 1, 2]])
    found = harmony(made.slices, HarmonyParams(), rng)
    assert found.P.shape == made.slices.P.shape
    assert found.P.dtype == np.float32
    assert made.gaps(found.P).max() < 0.3 * made.gaps(made.slices.P).min()


def test_cells_move_as_their_surroundings_do(make, rng):
    pytest.importorskip("harmonypy")
    made = make([[0, 1, 2], [0, 1, 1]])
    found = harmony(made.slices, HarmonyParams(n_axes=2), np.random.default_rng(0))
    moved = found.P - made.slices.P
    assert np.linalg.matrix_rank(moved - moved[0], tol=1e-2) <= 3  # a shift of batches, and two axes


def test_package_gets_centred_averages_and_the_settings(make, monkeypatch):
    given: dict = {}

    def run_harmony(E, table, column, **options):
        given.update(options, E=E, batch=table[column])
        return SimpleNamespace(Z_corr=(E + 1).T)

    monkeypatch.setitem(sys.modules, "harmonypy", SimpleNamespace(run_harmony=run_harmony))
    slices = make([[0, 1, 2], [0, 1, 1]]).slices
    params = HarmonyParams(n_hops=2, n_axes=5, n_rounds=7, diversity=1.5)
    found = harmony(slices, params, np.random.default_rng(4))
    Q = centred(slices.P, slices.batch)
    S = row_normalise(slices.W).toarray()
    H = S @ S @ Q
    axes = np.linalg.svd(H - H.mean(axis=0), full_matrices=False)[2][:5].T
    near = (H - H.mean(axis=0)) @ axes
    np.testing.assert_allclose(np.abs(given["E"]), np.abs(near), atol=1e-3)
    assert (given["theta"], given["max_iter_harmony"]) == (1.5, 7)
    assert given["random_state"] == np.random.default_rng(4).integers(2**31)
    assert given["batch"] is slices.batch
    step = np.linalg.norm(found.P - Q, axis=1)  # one along each of five orthonormal axes
    np.testing.assert_allclose(step, np.sqrt(5), rtol=1e-3)


def test_missing_package_is_said_with_the_way_to_install_it(make, rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "harmonypy", None)
    with pytest.raises(InputError, match=r"pip install 'spotweave\[harmony\]'"):
        harmony(make([[0, 1], [0, 1]]).slices, HarmonyParams(), rng)


def test_every_method_has_its_settings():
    assert {name: type(method.defaults).__name__ for name, method in METHODS.items()} == {
        "matched": "MatchedParams",
        "harmony": "HarmonyParams",
        "center": "CenterParams",
    }
