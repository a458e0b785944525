"""Whole patients left out: scores against a loop, nothing of a test patient in training, seeds, refusals."""

from types import SimpleNamespace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import spotweave as sw
from spotweave import InputError
from spotweave.tl import Histology, HistologyParams

TINY = HistologyParams(n_steps=2, n_programs=3, n_axes=4, width=8, n_heads=2, batch_size=16)
QUICK: dict[str, Any] = {"library_key": "section", "n_top": 11, "n_boot": 50}
TRIVIAL = ["mean", "depth"]


def validate(data: Any, **options: Any) -> Any:
    return sw.tl.cross_validate_histology(data, **options)


def with_features(cohort: ad.AnnData) -> ad.AnnData:
    shares = cohort.obsm["proportions_true"].to_numpy()
    noise = np.random.default_rng(5).normal(0, 0.1, shares.shape)
    cohort.obsm["X_image"] = (shares + noise).astype(np.float32)
    return cohort


@pytest.fixture(scope="module")
def original() -> ad.AnnData:
    """Three patients: two sections, two, and one; a spot and a gene of a section without counts."""
    cohort = sw.datasets.simulate_cohort(3, n_sections=2, n_obs=37, n_genes=23, library_size=300, image=False, rng=1)
    cohort = with_features(cohort[cohort.obs["section"] != "P3_2"].copy())
    X = cohort.X.toarray()
    X[3] = 0
    X[np.ix_(cohort.obs["section"] == "P2_1", [0, 5, 9, 14])] = 0
    cohort.X = X
    return cohort


@pytest.fixture
def cohort(original) -> ad.AnnData:
    return original.copy()


def normalised(adata: ad.AnnData, genes) -> np.ndarray:
    X, total = adata.to_df(), adata.X.sum(axis=1, keepdims=True)
    return np.log1p(1e4 * X[list(genes)].to_numpy() / np.maximum(total, 1))


def sections_of(cohort: ad.AnnData) -> list[ad.AnnData]:
    return [cohort[cohort.obs["section"] == name].copy() for name in pd.unique(cohort.obs["section"])]


def scored(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Rows of a method, without what differs from run to run."""
    return table[table["method"] == method].drop(columns="seconds", errors="ignore").reset_index(drop=True)


def test_scores_are_those_of_a_loop(cohort):
    scores = validate(cohort, methods=["ridge"], **QUICK)
    genes = scores.genes.set_index(["method", "section", "gene"]).loc["ridge"]
    rows = scores.sections.set_index(["method", "section"]).loc["ridge"]
    for fold, patient in enumerate(["P1", "P2", "P3"]):
        train = cohort[cohort.obs["patient"] != patient].copy()
        model = Histology("ridge", n_top=11).fit(train, library_key="section")
        panel = list(model.genes_.index)
        assert scores.report["folds"][fold]["panel"] == panel
        mean = normalised(train, panel).mean(axis=0)
        for test in sections_of(cohort[cohort.obs["patient"] == patient].copy()):
            name = test.obs["section"].iloc[0]
            Y, predicted = normalised(test, panel), model.predict(test).X
            found = genes.loc[name]
            assert list(found.index) == panel
            assert (found["fold"] == fold).all()
            assert (found["group"] == patient).all()
            np.testing.assert_array_equal(found["predictable"], model.genes_["predictable"])
            for j, gene in enumerate(panel):
                y, q = Y[:, j], predicted[:, j]
                expected = [np.nan, np.nan]
                if np.ptp(y) > 0:
                    expected = [np.corrcoef(y, q)[0, 1], spearmanr(y, q).statistic]
                np.testing.assert_allclose(found.loc[gene, ["pearson", "spearman"]].astype(float), expected, atol=1e-5)
                error = ((y - q) ** 2).mean()
                r2 = 1 - error / ((y - mean[j]) ** 2).mean()
                np.testing.assert_allclose(found.loc[gene, ["r2", "rmse"]].astype(float), [r2, error**0.5], atol=1e-5)
            row = rows.loc[name]
            assert (row["n_spots"], row["n_genes"]) == (37, (np.ptp(Y, axis=0) > 0).sum())
            assert row["n_predictable"] == model.genes_["predictable"].sum()
            for score in ("pearson", "spearman", "r2"):
                np.testing.assert_allclose(row[score], np.nanmean(found[score].astype(float)))
    assert rows["n_genes"].nunique() > 1  # the genes without counts in P2_1
    assert scores.summary.loc["ridge", "pearson"] == pytest.approx(rows["pearson"].mean())
    assert scores.summary.loc["ridge", "n_predictable"] == pytest.approx(rows["n_predictable"].mean())
    assert scores.predictions is None


def test_trivial_rows_come_last_and_need_no_image(cohort):
    scores = validate(cohort, methods=["depth", "knn", "knn"], keep_predictions=True, **QUICK)
    assert list(scores.summary.index) == ["depth", "knn", "mean"]
    assert list(validate(cohort, methods="knn", **QUICK).summary.index) == ["knn", *TRIVIAL]
    train = cohort[cohort.obs["patient"] != "P1"]
    panel = scores.predictions["mean", "P1_1"].columns
    mean = normalised(train, panel).mean(axis=0)
    np.testing.assert_allclose(scores.predictions["mean", "P1_2"], np.tile(mean, (37, 1)), rtol=1e-5)
    table = scored(scores.sections, "mean")
    assert (table["pearson"] == 0).all()
    np.testing.assert_allclose(table["r2"], 0, atol=1e-5)
    assert (table["n_predictable"] == 0).all()
    assert scored(scores.sections, "depth")["pearson_predictable"].isna().all()


def test_depth_is_a_line_of_least_squares_within_training_sections(cohort):
    scores = validate(cohort, methods=[], keep_predictions=True, **QUICK)
    train = sections_of(cohort[cohort.obs["patient"] != "P2"].copy())
    test = cohort[cohort.obs["section"] == "P2_2"]
    found = scores.predictions["depth", "P2_2"]
    assert list(found.index) == list(test.obs_names)
    mean = np.concatenate([normalised(part, found.columns) for part in train]).mean(axis=0)
    depth = np.log1p(test.X.sum(axis=1))
    for j, gene in enumerate(found):
        d = [np.log1p(part.X.sum(axis=1)) for part in train]
        y = [normalised(part, found.columns)[:, j] for part in train]
        within = [np.concatenate([v - v.mean() for v in values]) for values in (d, y)]
        slope = np.polyfit(within[0], within[1], 1)[0]
        np.testing.assert_allclose(found[gene], mean[j] + slope * (depth - depth.mean()), rtol=1e-4, atol=1e-5)


def test_no_row_of_a_test_patient_reaches_training(cohort, monkeypatch):
    seen = []
    fit = Histology.fit_sections

    def spy(self, sections, feature_key="X_image"):
        seen.append((self.method, {spot for section in sections for spot in section.spots}))
        return fit(self, sections, feature_key)

    monkeypatch.setattr(Histology, "fit_sections", spy)
    scores = validate(cohort, methods=["knn", "programs"], **QUICK)
    patients = [p for p in ("P1", "P2", "P3") for _ in range(3)]
    assert [method for method, _ in seen] == ["mean", "knn", "programs"] * 3
    for patient, (_, spots) in zip(patients, seen, strict=True):
        assert spots == set(cohort.obs_names[cohort.obs["patient"] != patient])
    for fold in scores.report["folds"]:
        assert not set(fold["train_groups"]) & set(fold["test_groups"])
        assert sorted(fold["train_sections"] + fold["test_sections"]) == sorted(pd.unique(cohort.obs["section"]))
    assert [fold["inner_kind"] for fold in scores.report["folds"]] == ["group"] * 3


def test_counts_of_a_test_patient_change_no_prediction_and_no_panel(cohort):
    options: dict[str, Any] = {"methods": ["network", "ridge"], "params": TINY, "keep_predictions": True, **QUICK}
    first = validate(cohort, **options)
    own = np.flatnonzero(cohort.obs["patient"] == "P1")
    X = cohort.X.copy()
    X[own] = np.random.default_rng(0).permuted(X[own], axis=None).reshape(len(own), -1)
    X[own, 7] = np.random.default_rng(1).choice([0, 500], len(own))  # a gene no panel of these rows could miss
    cohort.X = X
    second = validate(cohort, **options)
    assert first.report["folds"][0] == second.report["folds"][0]
    for method in ("network", "ridge", "mean"):
        for section in ("P1_1", "P1_2"):
            pd.testing.assert_frame_equal(first.predictions[method, section], second.predictions[method, section])
    found = [scored(scores.genes, "ridge") for scores in (first, second)]
    ours = [table.loc[table["group"] == "P1", "pearson"] for table in found]
    assert not np.isclose(ours[0], ours[1]).any()
    changed = first.predictions["ridge", "P2_1"], second.predictions["ridge", "P2_1"]
    assert not changed[0].equals(changed[1])  # P1 does teach the other folds


def test_a_gene_of_one_patient_is_never_chosen_and_one_he_lacks_is_not_scored(cohort):
    parts = {p: cohort[cohort.obs["patient"] == p].copy() for p in ("P1", "P2", "P3")}
    lacked = "gene_03"
    one = parts["P1"][:, parts["P1"].var_names != lacked].copy()
    extra = ad.AnnData(np.random.default_rng(0).choice([0.0, 90.0], (one.n_obs, 1)), obs=one.obs, obsm=one.obsm)
    extra.var_names = ["own"]
    parts["P1"] = ad.concat([one, extra], axis=1, merge="first")
    options: dict[str, Any] = {"methods": ["ridge"], **QUICK, "n_top": 23}
    scores = validate(parts, keep_predictions=True, **options)
    panels = [fold["panel"] for fold in scores.report["folds"]]
    assert not any("own" in panel for panel in panels)
    assert [lacked in panel for panel in panels] == [True, False, False]
    own = scores.genes[scores.genes["group"] == "P1"]
    assert set(own["gene"]) == set(panels[0]) - {lacked}
    assert list(scores.predictions["ridge", "P1_1"].columns) == panels[0]
    total = parts["P1"].X.sum(axis=1)  # all genes of the test section count, the panel's or not
    gene = panels[0][0]
    y = np.log1p(1e4 * np.asarray(parts["P1"][:, gene].X).ravel() / np.maximum(total, 1))
    rows = (parts["P1"].obs["section"] == "P1_2").to_numpy()
    q = scores.predictions["ridge", "P1_2"][gene]
    found = own[(own["section"] == "P1_2") & (own["gene"] == gene) & (own["method"] == "ridge")]
    assert found["pearson"].iloc[0] == pytest.approx(np.corrcoef(y[rows], q)[0, 1], abs=1e-5)


def test_a_section_without_any_gene_of_the_panel_is_refused(cohort):
    parts = [cohort[cohort.obs["patient"] == p].copy() for p in ("P1", "P2", "P3")]
    parts[0] = parts[0][:, 4:].copy()
    options: dict[str, Any] = {**QUICK, "genes": list(cohort.var_names[:3])}
    with pytest.raises(InputError, match=r"a gene of the panel.*in section 'P1_1'.*Pass genes="):
        validate(parts, methods=["ridge"], **options)


def test_same_seed_same_scores_whatever_else_is_asked(cohort):
    options: dict[str, Any] = {"params": TINY, "keep_predictions": True, "rng": 3, **QUICK}
    first = validate(cohort, methods=["network"], **options)
    second = validate(cohort, methods=["ridge", "network"], **options)
    third = validate(cohort, methods=["network"], **options | {"rng": 4})
    for method in ("network", *TRIVIAL):
        pd.testing.assert_frame_equal(scored(first.genes, method), scored(second.genes, method))
        pd.testing.assert_frame_equal(scored(first.sections, method), scored(second.sections, method))
        pd.testing.assert_series_equal(first.summary.loc[method], second.summary.loc[method])
    assert not scored(first.genes, "network").equals(scored(third.genes, "network"))
    assert not first.predictions["network", "P1_1"].equals(third.predictions["network", "P1_1"])
    a, b = (validate(cohort, methods=[], rng=np.random.default_rng(9), **QUICK) for _ in range(2))
    assert a.report["params"]["rng"] == b.report["params"]["rng"]
    pd.testing.assert_frame_equal(a.summary, b.summary)


def test_a_section_left_out_warns_of_its_siblings(cohort):
    with pytest.warns(UserWarning, match=r"\['P1', 'P2'\].*nothing about a new patient") as caught:
        scores = validate(cohort, split="section", methods=["ridge"], **QUICK)
    assert caught[0].filename == __file__
    assert scores.report["notes"] == [str(caught[0].message)]
    assert [fold["held_out"] for fold in scores.report["folds"]] == ["P1_1", "P1_2", "P2_1", "P2_2", "P3_1"]
    assert scores.report["folds"][0]["train_sections"] == ["P1_2", "P2_1", "P2_2", "P3_1"]
    assert scores.report["interval_over"] == "patient"


def test_sections_of_one_patient(cohort):
    one = cohort[cohort.obs["patient"] == "P1"].copy()
    with pytest.raises(InputError, match=r"at least 2 groups.*\['P1'\].*split='section'.*add tables of another"):
        validate(one, methods=[], **QUICK)
    with pytest.warns(UserWarning, match="P1"):
        scores = validate(one, split="section", methods=["ridge"], **QUICK)
    assert scores.report["interval_over"] == "section"
    assert scores.summary["lower"].notna().all()
    with pytest.raises(InputError, match=r"at least 2 sections.*\['P1_1'\].*another patient"):
        validate(one[:37].copy(), split="section", methods=[], **QUICK)


def test_without_groups_each_section_stands_for_itself(cohort):
    scores = validate(cohort, group_key=None, methods=[], **QUICK)
    assert list(scored(scores.sections, "mean")["group"]) == ["P1_1", "P1_2", "P2_1", "P2_2", "P3_1"]
    assert scores.report["interval_over"] == "section"
    assert scores.report["notes"] == []


@pytest.mark.parametrize("kind", ["list", "mapping", "spatialdata", "sparse", "layer"])
def test_same_scores_whatever_holds_the_sections(cohort, kind):
    expected = validate(cohort, methods=["ridge"], **QUICK)
    parts, options = sections_of(cohort), dict(QUICK)
    data = {
        "list": lambda: parts,
        "mapping": lambda: {part.obs["section"].iloc[0]: part for part in parts},
        "spatialdata": lambda: [SimpleNamespace(tables={"cells": part}) for part in parts],
        "sparse": lambda: cohort,
        "layer": lambda: cohort,
    }[kind]()
    if kind == "mapping":
        del options["library_key"]
    if kind == "spatialdata":
        options["table_key"] = "cells"
    if kind == "sparse":
        cohort.X = cohort.X.astype(np.int32)
    if kind == "layer":
        cohort.layers["own"], options["layer"] = cohort.X.copy(), "own"
        cohort.X = cohort.X * 0.3
    before = cohort.X.copy()
    found = validate(data, methods=["ridge"], **options)
    np.testing.assert_array_equal(cohort.X, before)
    pd.testing.assert_frame_equal(found.genes, expected.genes)
    pd.testing.assert_frame_equal(found.summary, expected.summary)


def test_legacy_truth_is_scaled_by_section_and_noted(cohort):
    options: dict[str, Any] = {"methods": [], "target": "legacy_gene_scaled", "keep_predictions": True}
    scores = validate(cohort, **options, **QUICK)
    assert ["depth" in note for note in scores.report["notes"]] == [True]
    test = cohort[cohort.obs["section"] == "P1_2"]
    predicted = scores.predictions["depth", "P1_2"]
    X = test.to_df()[predicted.columns].to_numpy(float)
    Y = np.log10(1 + 1e4 * X / np.maximum(X.sum(axis=0), 1))
    rows = scores.genes[(scores.genes["method"] == "depth") & (scores.genes["section"] == "P1_2")]
    expected = [np.corrcoef(Y[:, j], predicted.to_numpy()[:, j])[0, 1] for j in range(11)]
    np.testing.assert_allclose(rows["pearson"], expected, atol=1e-5)
    plain = validate(cohort, methods=[], **QUICK)
    assert scores.summary["pearson"]["depth"] > 2 * plain.summary["pearson"]["depth"]


def test_report_says_how_it_was_done(cohort):
    scores = validate(cohort, methods=["bleep"], params={"bleep": TINY}, **QUICK)
    params = scores.report["params"]
    assert params["settings"]["bleep"]["n_steps"] == 2
    assert params["methods"] == ["bleep", *TRIVIAL]
    assert {"split", "target", "rng", "spotweave_version"} <= set(params)


def table(cohort, **changes):
    cohort.obs = cohort.obs.assign(**changes)
    return cohort


@pytest.mark.parametrize(
    ("change", "options", "text"),
    [
        (None, {"methods": ["lasso"]}, "method.*found 'lasso'"),
        (None, {"split": "spot"}, "split"),
        (None, {"n_boot": 0}, "n_boot"),
        (None, {"rng": -1}, "rng"),
        (None, {"target": "counts"}, "target"),
        (None, {"params": TINY}, r"`params` of methods.*\['network'\]"),
        (None, {"params": {"ridge": TINY}}, "no settings for method 'ridge'"),
        (None, {"group_key": "donor"}, "donor"),
        (None, {"feature_key": "X_other"}, r"X_other.*Run pp.tile_features"),
        (None, {"library_key": None}, "Pass library_key="),
        (None, {"genes": ["gene_01", "none"]}, r"\['none'\]"),
        ({"patient": np.nan}, {}, "NaN in 185 of 185 rows"),
        ({"patient": np.tile(["a", "b"], 93)[:185]}, {}, "one patient in section"),
    ],
)
def test_bad_input_is_one_clear_error(cohort, change, options, text):
    given = table(cohort, **change) if change else cohort
    with pytest.raises(InputError, match=text):
        validate(given, **{"methods": ["ridge"], **QUICK, **options})


def test_features_of_two_encoders_are_refused(cohort):
    parts = sections_of(cohort)
    for k, part in enumerate(parts):
        part.uns["X_image"] = {"identity": f"encoder {k}"}
    with pytest.raises(InputError, match="one encoder"):
        validate(parts, methods=[], n_top=11)


@pytest.mark.parametrize(("split", "groups"), [("section", {"P1_1", "P2_1", "P2_2"}), ("group", {"P1", "P2"})])
@pytest.mark.filterwarnings("ignore:`split='section'` trains")
def test_inner_folds_ask_what_the_outer_fold_asks(cohort, monkeypatch, split, groups):
    cohort = cohort[cohort.obs["section"].isin(["P1_1", "P2_1", "P2_2"])].copy()
    asked: set[str] = set()
    fit = Histology.fit_sections

    def spy(self, sections, feature_key="X_image"):
        asked.update(section.group for section in sections)
        return fit(self, sections, feature_key)

    monkeypatch.setattr(Histology, "fit_sections", spy)
    report = validate(cohort, methods=["ridge"], split=split, **QUICK).report
    assert asked == groups
    assert {fold["inner_kind"] for fold in report["folds"]} <= {"section", "strip"}
