import sys

import numpy as np
import pytest

from spotweave import InputError
from spotweave.core.integration.harmony import HarmonyParams, harmony
from spotweave.core.integration.methods import METHODS


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
