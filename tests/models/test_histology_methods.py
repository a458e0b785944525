"""Names of methods, and their settings."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.histology.tissue import make_tissue
from spotweave.models.histology_methods import METHODS, NETWORKS, fit_method, predictor_from_state, settings_of
from spotweave.models.histology_params import HistologyParams
from spotweave.models.histology_training import Training


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_each_row_and_is_restored(rng, method):
    section = np.arange(60) % 2
    data = Training(
        make_tissue(rng.normal(size=(60, 3)), section, rng.random((60, 2))), sp.csr_matrix(rng.random((60, 5))), section
    )
    small = {"width": 8, "n_heads": 2, "n_steps": 2} if method in NETWORKS else {}
    params = settings_of(method, None, small)
    fitted = fit_method(method, data, params, rng=rng, progress=False)
    parts = fitted.predictor(data.tissue).parts
    assert fitted.genes(parts).shape == fitted.genes(fitted.held_out).shape == (60, 5)
    again = predictor_from_state(method, fitted.predictor.state(), params)
    np.testing.assert_array_equal(again(data.tissue).parts, parts)


def test_settings_are_the_methods_own_with_changes():
    assert settings_of("ridge", None, {}) is None
    assert settings_of("network", None, {}) == HistologyParams()
    bleep = settings_of("bleep", None, {"n_retrieved": 3})
    assert bleep is not None
    assert (bleep.predict, bleep.n_retrieved, bleep.image_graphs) == ("retrieval", 3, ())
    own = HistologyParams(width=8)
    assert settings_of("bleep", own, {}) == own


@pytest.mark.parametrize(
    ("method", "params", "changes", "message"),
    [
        ("forest", None, {}, "`method` out of"),
        ("ridge", None, {"width": 8}, r"no settings for method 'ridge', .* found \['width'\]"),
        ("knn", HistologyParams(), {}, "no settings for method 'knn'"),
        ("network", None, {"widht": 8}, r"settings out of .* found \['widht'\]"),
    ],
)
def test_settings_that_do_not_fit_are_errors(method, params, changes, message):
    with pytest.raises(InputError, match=message):
        settings_of(method, params, changes)
