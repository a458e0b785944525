import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import InputError, settings
from spotweave.pl._module_means import log_expression, module_means, modules_of, top_genes


def standardised(counts):
    """By the definition, over cells with counts; NaN in the others."""
    totals = counts.sum(axis=1)
    seen = totals > 0
    Y = np.full(counts.shape, np.nan)
    for i in np.flatnonzero(seen):
        Y[i] = np.log(1 + counts[i] * np.median(totals[seen]) / totals[i])
    return Y, (Y - np.nanmean(Y, axis=0)) / np.where(np.nanstd(Y, axis=0) > 0, np.nanstd(Y, axis=0), 1)


@pytest.fixture
def awkward(modules_result):
    """An empty cell, a gene without counts and a constant share within a module."""
    counts = modules_result.X.toarray().astype(float)
    counts[[5, 90]] = 0
    first = np.flatnonzero(modules_result.var["gene_module"] == "1")[0]
    counts[:, first] = 0
    modules_result.X = sp.csr_matrix(counts.astype(np.float32))
    return modules_result


@pytest.mark.parametrize("chunk", [10_000, 17])
def test_means_are_weighted_means_of_standardised_expression(awkward, chunk):
    counts = awkward.X.toarray().astype(float)
    Z = standardised(counts)[1]
    P = np.nan_to_num(awkward.varm["gene_module_probability"].to_numpy()) * (counts.sum(axis=0) > 0)[:, None]
    with settings.override(chunk_size=chunk):
        found = module_means(awkward, modules_of(awkward))
    for k in range(3):
        expected = sum(P[j, k] * Z[:, j] for j in range(41)) / P[:, k].sum()
        np.testing.assert_allclose(found.values[:, k], expected, atol=1e-9)
    assert np.flatnonzero(np.isnan(found.values).any(axis=1)).tolist() == [5, 90]


def test_agreement_is_the_correlation_with_the_rest_of_the_module(awkward):
    counts = awkward.X.toarray().astype(float)
    seen = counts.sum(axis=1) > 0
    Z = standardised(counts)[1][seen]
    modules = modules_of(awkward)
    P = modules.probability * (counts.sum(axis=0) > 0)[:, None]
    found = module_means(awkward, modules).agreement
    for j, k in enumerate(modules.codes):
        if k < 0 or counts[:, j].sum() == 0:
            assert np.isnan(found[j])
            continue
        others = np.arange(41) != j
        rest = Z[:, others] @ P[others, k]
        assert found[j] == pytest.approx(np.corrcoef(Z[:, j], rest)[0, 1], abs=1e-9)


def test_planted_patterns_come_back(modules_result):
    values = module_means(modules_result, modules_of(modules_result)).values
    truth = modules_result.obsm["pattern_true"].to_numpy()
    r = np.corrcoef(values.T, truth.T)[:3, 3:]
    assert (np.diag(r) > 0.6).all()
    assert (r.argmax(axis=1) == np.arange(3)).all()


@pytest.mark.parametrize("form", [sp.csc_matrix, np.asarray, lambda X: X.astype(np.int32)])
def test_any_form_of_the_counts_and_a_layer_of_them(modules_result, form):
    modules = modules_of(modules_result)
    expected = module_means(modules_result, modules)
    modules_result.layers["raw"] = form(modules_result.X.toarray())
    modules_result.X = modules_result.X * 0.5
    found = module_means(modules_result, modules, layer="raw")
    np.testing.assert_allclose(found.values, expected.values, atol=1e-12)
    np.testing.assert_allclose(found.agreement, expected.agreement, atol=1e-12)


def test_top_genes_are_the_members_by_agreement(awkward):
    modules = modules_of(awkward)
    means = module_means(awkward, modules)
    for k in range(3):
        order = top_genes(modules, means, k)
        assert sorted(order) == np.flatnonzero(awkward.var["gene_module"] == str(k)).tolist()
        found = means.agreement[order]
        assert (np.diff(found[~np.isnan(found)]) <= 0).all()
        assert not np.isnan(found[: len(found) - 1]).any()  # the gene without counts comes last


def test_expression_of_some_genes(awkward):
    expected = standardised(awkward.X.toarray().astype(float))[0]
    np.testing.assert_allclose(log_expression(awkward, np.array([7, 2])), expected[:, [7, 2]], rtol=1e-6)


def test_modules_without_probabilities_are_certain(modules_result):
    del modules_result.varm["gene_module_probability"]
    modules = modules_of(modules_result)
    labels = modules_result.var["gene_module"]
    np.testing.assert_array_equal(modules.probability, np.stack([labels == n for n in "012"], axis=1))


def test_a_subset_of_the_genes_keeps_its_probabilities(modules_result):
    part = modules_result[:, (modules_result.var["gene_module"] != "1").to_numpy()].copy()
    part.var["gene_module"] = part.var["gene_module"].cat.remove_unused_categories()
    expected = np.nan_to_num(part.varm["gene_module_probability"][["0", "2"]].to_numpy())
    for stored in (part.varm["gene_module_probability"], part.varm["gene_module_probability"].to_numpy()):
        part.varm["gene_module_probability"] = stored
        modules = modules_of(part)
        assert modules.names == ["0", "2"]
        np.testing.assert_array_equal(modules.probability, expected)
        assert [modules.names[k] for k in modules.codes if k >= 0] == part.var["gene_module"].dropna().tolist()


def test_numbers_are_in_numeric_order(modules_result):
    names = np.array(["10", "2", "0"])[modules_result.var["gene_module"].cat.codes.to_numpy()].astype(object)
    modules_result.var["gene_module"] = np.where(modules_result.var["gene_module"].isna(), None, names)
    del modules_result.varm["gene_module_probability"]
    modules = modules_of(modules_result)
    assert modules.names == ["0", "2", "10"]
    found = [modules.names[k] if k >= 0 else None for k in modules.codes]
    assert found == modules_result.var["gene_module"].tolist()


def test_a_lone_gene_agrees_with_nothing(modules_result):
    labels = modules_result.var["gene_module"].astype(object)
    labels[:] = None
    labels.iloc[[3, 4, 5]] = ["a", "b", "b"]
    modules_result.var["gene_module"] = pd.Categorical(labels)
    del modules_result.varm["gene_module_probability"]
    agreement = module_means(modules_result, modules_of(modules_result)).agreement
    assert np.isfinite(agreement).tolist() == [j in {4, 5} for j in range(41)]
    assert agreement[4] == pytest.approx(agreement[5])


def test_bad_input_is_explained(modules_result):
    with pytest.raises(InputError, match=r"var\['other'\].*tl\.gene_modules"):
        modules_of(modules_result, "other")
    modules_result.varm["gene_module_probability"] = np.ones((41, 2))
    with pytest.raises(InputError, match="a column for each of the modules"):
        modules_of(modules_result)
    modules_result.var["gene_module"] = pd.Categorical([None] * 41, categories=["0"])
    with pytest.raises(InputError, match="genes with a module"):
        modules_of(modules_result)
