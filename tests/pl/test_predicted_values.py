from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import pearsonr

from spotweave.pl._predicted_values import correlation, measured_expression, slide_column, unit


def test_correlation_is_that_of_known_spots(rng):
    y, q = rng.normal(size=(2, 31))
    assert correlation(y, q) == pytest.approx(pearsonr(y, q).statistic)
    y[[3, 8]] = np.nan
    known = np.isfinite(y)
    assert correlation(y, q) == pytest.approx(pearsonr(y[known], q[known]).statistic)
    assert correlation(y, np.ones(31)) == 0
    assert np.isnan(correlation(np.ones(31), q))
    assert np.isnan(correlation(np.full(31, np.nan), q))


@pytest.mark.parametrize("target", ["log_normalized", "log_counts", "legacy_spot_panel", "legacy_gene_scaled"])
def test_measured_values_are_in_units_of_the_target(predicted_result, domains_result, target):
    predicted_result.uns["histology"]["params"]["target"] = target
    counts = domains_result.X.toarray().astype(float)
    panel = counts[:, domains_result.var_names.get_indexer(predicted_result.var_names)]
    first = domains_result.obs["slide"].to_numpy() == "A"
    by_section = np.where(first[:, None], panel[first].sum(axis=0), panel[~first].sum(axis=0))
    expected = {
        "log_normalized": np.log1p(1e4 * panel / counts.sum(axis=1, keepdims=True)),
        "log_counts": np.log1p(panel),
        "legacy_spot_panel": np.log10(1 + 1e4 * panel / panel.sum(axis=1, keepdims=True)),
        "legacy_gene_scaled": np.log10(1 + 1e4 * panel / by_section),
    }[target]
    found: Any = measured_expression(predicted_result, [4, 1], measured=domains_result, slide="slide")
    np.testing.assert_allclose(found, expected[:, [4, 1]], rtol=1e-5)
    predicted_result.layers["measured"] = sp.csr_matrix(expected)
    found = measured_expression(predicted_result, [4, 1])
    np.testing.assert_allclose(found, expected[:, [4, 1]])


def test_slides_are_found_by_the_names_that_were_predicted(predicted_result):
    result = predicted_result.uns["histology"]
    assert slide_column(predicted_result, result, None) == "slide"
    assert slide_column(predicted_result, {"slide_novelty": {"A": 0.1}}, None) is None
    assert slide_column(predicted_result, {}, None) is None
    predicted_result.obs["nothing"] = np.full(154, None, dtype=object)
    assert slide_column(predicted_result, {}, None) is None
    predicted_result.obs["other"] = "x"
    assert slide_column(predicted_result, result, "other") == "other"
    assert unit(result) == "log(1 + 10⁴ x / counts)"
    assert unit({"params": {"target": "legacy_spot_panel"}}) == "legacy spot panel"
