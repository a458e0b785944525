"""Clusters from imputed genes: panels, features, components, the run, the page."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from spotweave import datasets, tl
from spotweave.bench import _impute_domains_sets as registry
from spotweave.bench._impute_domains import cluster, fit, score
from spotweave.bench._impute_domains_features import (
    FEATURES,
    Case,
    best_expected,
    components,
    draw_panel,
    features,
    per_median,
)
from spotweave.bench._impute_domains_page import impute_domains_page, paired
from spotweave.bench._impute_domains_sets import PLAIN, SPACE, Known, LabelledPair
from spotweave.bench._impute_sets import SimulatedPair
from spotweave.cli import main

SOURCE = SimulatedPair(
    {"n_obs": 150, "n_genes": 80, "n_domains": 2, "resolution": "cell", "signal": 1.0, "rng": 3}, {"n_obs": 90}
)


@pytest.fixture(scope="module")
def pair() -> tuple[AnnData, AnnData]:
    tissue = datasets.simulate_tissue(**SOURCE.tissue)
    reference = datasets.simulate_reference(tissue, 90)
    reference.var_names = reference.var_names.str.upper()
    return tissue, reference[:, 5:]


def dataset(n_panel: int | None = 30, *known: Known) -> LabelledPair:
    return LabelledPair("sim_layers_60", SOURCE, known, n_panel)


def test_panels_are_drawn_for_each_seed_from_what_both_have(pair):
    target, reference = pair
    first, again, other = (draw_panel(dataset(), target, reference, seed).target for seed in (0, 0, 1))
    assert list(first.var_names) == list(again.var_names) != list(other.var_names)
    assert first.n_vars == 30
    assert not set(first.var_names) & set(target.var_names[:5])
    assert draw_panel(dataset(None), target, reference, 0).target.n_vars == 80


def test_cells_without_counts_on_the_panel_are_left_out(pair):
    target, reference = pair[0].copy(), pair[1]
    names = list(draw_panel(dataset(), target, reference, 0).target.var_names)
    X = target.X.toarray()
    X[4] = 0
    X[7, target.var_names.isin(names)] = 0  # counts outside the panel only
    target.X = X
    kept = list(draw_panel(dataset(), target, reference, 0).target.obs_names)
    assert kept == [name for i, name in enumerate(target.obs_names) if i not in (4, 7)]


def test_genes_expected_best():
    var = pd.DataFrame({"expected_correlation": [0.1, 0.5, 0.1, 0.4]}, index=list("abcd"))
    imputed = AnnData(np.zeros((2, 4), np.float32), var=var)
    assert best_expected(imputed, 3).tolist() == [1, 3, 0]
    assert best_expected(imputed).tolist() == [1, 3, 0, 2]


def test_components_are_those_of_scaled_genes(rng):
    X = rng.normal(size=(60, 23)) @ rng.normal(size=(23, 25))
    X[:, 4] = 2.5  # constant
    H = components(X, 6)
    expected = PCA(6, svd_solver="full").fit_transform(StandardScaler().fit_transform(np.delete(X, 4, axis=1)))
    signs = np.sign((H * expected).sum(axis=0))
    np.testing.assert_allclose(H * signs, expected, atol=1e-8)
    assert components(X[:, :3]).shape == (60, 3)


def test_counts_and_expected_counts_are_treated_alike(pair):
    case = draw_panel(dataset(), pair[0], pair[1], 0)
    counts = case.target.X.toarray().astype(float)
    depth = counts.sum(axis=1)
    rate = np.arange(1.0, 5.0) / 50 * depth[:, None] * np.random.default_rng(1).gamma(5, 0.2, (len(depth), 4))
    found = dict(features(case, rate, 2))
    assert list(found) == FEATURES
    logged = [np.log1p(X / depth[:, None] * np.median(depth)) for X in (counts, rate)]
    np.testing.assert_allclose(per_median(rate, depth), logged[1])
    order = np.random.default_rng(2).permutation(len(depth))
    expected = [logged[0], np.hstack(logged), logged[1], np.hstack([logged[0], logged[1][order]])]
    for name, X in zip(FEATURES, expected, strict=True):
        np.testing.assert_allclose(np.abs(found[name]), np.abs(components(X)), atol=1e-6)
    assert not np.allclose(np.abs(found["panel+imputed"]), np.abs(found["panel+noise"]))


@pytest.mark.parametrize("clustering", [SPACE, *PLAIN])
def test_clusters_are_found_where_they_are(pair, clustering, rng):
    target = pair[0]
    truth = (target.obs["domain_true"] == target.obs["domain_true"].iloc[0]).to_numpy()
    H = truth[:, None] * 3.0 + rng.normal(size=(target.n_obs, 4))
    labels = cluster(Case(dataset(), target, pair[1]), H, clustering, 2, 0)
    assert adjusted_rand_score(truth, labels) > 0.9
    assert "domain" not in target.obs


def test_run(pair, monkeypatch):
    seen = []
    impute = tl.impute

    def spy(adata, reference, **options):
        seen.append((adata.n_vars, reference.n_vars, options))
        return impute(adata, reference, **options)

    monkeypatch.setattr(tl, "impute", spy)
    known = Known("domain_true", 2, (SPACE,)), Known("cell_type", 8, PLAIN[1:])
    case = draw_panel(dataset(30, *known), pair[0], pair[1], 0)
    rows = pd.DataFrame(score(case, fit(case, {"method": "mean"}, 4)))
    assert seen == [(30, 75, {"interval": None, "rng": 4, "method": "mean"})]
    sizes = rows.groupby(["truth", "clustering"]).size().to_dict()
    assert sizes == {("cell_type", "kmeans"): 4, ("domain_true", SPACE): 4}
    assert rows["features"].unique().tolist() == FEATURES
    assert set(rows["n_imputed"]) == {45}
    assert set(rows["n_genes"]) == {30}
    panel = rows[(rows["features"] == "panel") & (rows["clustering"] == SPACE)]
    assert (panel["ari"] > 0.3).all()


def run(capsys: pytest.CaptureFixture[str], *tokens: object) -> tuple[int, str, str]:
    status = main([str(token) for token in tokens])
    return status, *capsys.readouterr()


def test_from_command_to_page(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    item = dataset(30, Known("domain_true", 2, (SPACE,)))
    monkeypatch.setattr(registry, "SETS", {item.name: item})
    out = tmp_path / "out"
    options = ["--sets", item.name, "--methods", "mean", "--seeds", 1, "--threads", 1, "-o", out]
    status, said, err = run(capsys, "bench", "impute-domains", *options)
    assert (status, err, said.splitlines()[-1]) == (0, "", str(out / "impute_domains.md"))
    rows = pd.read_csv(out / "impute_domains.csv")
    assert rows["error"].isna().all()
    assert rows["features"].tolist() == FEATURES
    assert '## `tl.impute(method="mean")`' in (out / "impute_domains.md").read_text()


@pytest.mark.parametrize(
    ("tokens", "text"),
    [(["--sets", "x"], "data sets out of"), (["--methods", "y"], "methods out of"), (["--seeds", "0"], "`seeds`")],
)
def test_wrong_options_are_one_line_and_status_2(capsys, tmp_path, tokens, text):
    status, out, err = run(capsys, "bench", "impute-domains", *tokens, "-o", tmp_path / "out")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert not (tmp_path / "out").exists()


def row(dataset: str, seed: int, features: str, ari: float, clustering: str = SPACE) -> dict[str, object]:
    costs = {"mode": "single", "threads": 1, "wall_s": 2.0, "cpu_s": 4.0, "peak_mb": 9.0, "error": ""}
    sizes = {"n_obs": 90, "n_genes": 30, "n_shared": 28, "n_imputed": 200, "expected_correlation": 0.25 + 0.1 * seed}
    how = {"method": "combined", "truth": "x", "clustering": clustering, "features": features}
    return {"dataset": dataset, "seed": seed, "ari": ari, **how, **sizes, **costs}


@pytest.fixture
def rows() -> pd.DataFrame:
    found = [row("starmap", 0, "panel", 0.5), row("starmap", 0, "panel+imputed", 0.6)]
    found += [row("starmap", 1, "panel", 0.3), row("starmap", 1, "panel+imputed", 0.2)]
    found += [row("osmfish", 0, "panel", 0.7), row("osmfish", 0, "panel+imputed", 0.6)]
    return pd.DataFrame([*found, row("osmfish", 0, "panel", 0.1, "kmeans")])


def test_differences_are_of_the_same_run(rows):
    space = rows[rows["clustering"] == SPACE]
    shuffled = paired(space.iloc[[3, 0, 5, 1, 2, 4]]).set_index(["dataset", "seed"])["ari"]
    expected = {("starmap", 0): 0.1, ("starmap", 1): -0.1, ("osmfish", 0): -0.1}
    assert shuffled.round(9).to_dict() == expected


def test_page(rows):
    page = impute_domains_page(rows)
    assert "over 2 seeds, 1 thread," in page
    head, space, plain = page.split("\n### ")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in (head + space).splitlines()]
    assert ["starmap", "90", "30", "28", "200", "0.300", "4"] in lines
    assert ["osmfish", "**0.700**", "0.600"] in lines
    assert ["starmap", "0.400 ± 0.141", "0.400 ± 0.283"] not in lines
    assert ["starmap", "**0.400 ± 0.141**", "**0.400 ± 0.283**"] in lines
    assert ["starmap", "0.000 ± 0.141"] in lines
    assert ["**mean over sets**", "-0.050"] in lines
    assert "k-means" in plain
    assert "Difference" not in plain
    assert "# Imputed genes" in impute_domains_page(rows.assign(error="broken"))


def test_sets():
    assert registry.SETS["osmfish"].keep == ("Valid", 1)
    assert {item.n_panel for item in registry.SETS.values()} == {None, 60, 150, 50}
    assert all(item.known for item in registry.SETS.values())


@pytest.mark.data
@pytest.mark.parametrize("name", registry.SET_GROUPS["real"])
def test_labels_of_real_sets_are_known_and_as_many_as_said(data_dir, name):
    item = registry.SETS[name]
    if item.source.missing(data_dir):
        pytest.skip(f"{name} is not in {data_dir}")
    target, _ = item.read(item.source.locate(data_dir, data_dir))
    for known in item.known:
        labels = target.obs[known.column].astype(str)
        assert labels.nunique() == known.n
        assert "Excluded" not in set(labels)
