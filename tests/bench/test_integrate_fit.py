"""Kinds of methods: of the library, each slice alone, and other packages by another Python (here this one)."""

import sys
from typing import Any

import numpy as np
import pytest

from spotweave import datasets, metrics, pp, tl
from spotweave.bench import _integrate_fit as module
from spotweave.bench._integrate_fit import Joint, Slices, fit, uncorrected
from spotweave.bench._integrate_methods import GROUPS, METHODS
from spotweave.bench._integrate_score import ALL, score, surroundings
from spotweave.bench._integrate_sets import SLICE, TRUTH, SliceSet
from spotweave.bench._peer_process import Peer
from spotweave.bench._sets import Truth
from spotweave.bench._source import Files


@pytest.fixture(scope="module")
def slices() -> Slices:
    adata = datasets.simulate_tissue(180, n_genes=60, n_domains=3, n_slices=2, signal=1, rng=1)
    adata.obs[TRUTH] = adata.obs["domain_true"].astype(object)
    adata.obs.loc[adata.obs_names[::9], TRUTH] = None
    return Slices(SliceSet("own", Files(("own",)), 3, Truth("known")), adata)


@pytest.fixture
def integrate(monkeypatch) -> list[Any]:
    """A stand-in for `tl.integrate`."""
    seen: list[Any] = []

    def stand_in(adata, **options):
        seen.append(options)
        adata.obsm["X_integrated"] = uncorrected(adata, 0)[:, :7]

    monkeypatch.setattr(tl, "integrate", stand_in, raising=False)
    return seen


def test_methods_of_the_library(slices, integrate):
    joint = fit(slices, METHODS["harmony:smooth"], 4)
    assert integrate == [{"library_key": SLICE, "method": "harmony", "rng": 4}]
    assert joint.H is not None
    assert joint.H.shape == (180, 7)
    assert metrics.ari(slices.adata.obs[TRUTH], joint.labels) > 0.5
    assert set(joint.costs) == {"integrate_s", "integrate_cpu_s"}
    assert "X_integrated" not in slices.adata.obsm


def test_uncorrected_are_the_components_that_domains_takes(slices):
    joint = fit(slices, METHODS["none:smooth"], 0)
    expected = pp.prepare(slices.adata, layer=None, n_top=3_000, n_components=100, rng=np.random.default_rng(0))
    assert joint.H is not None
    np.testing.assert_allclose(joint.H, expected.components.scores)
    direct = tl.domains(slices.adata, 3, method="smooth", library_key=SLICE, copy=True, progress=False)
    assert direct is not None
    assert metrics.ari(direct.labels, joint.labels) > 0.9


def test_each_slice_alone(slices):
    joint = fit(slices, METHODS["alone:smooth"], 2)
    names = slices.adata.obs[SLICE].astype(str).to_numpy()
    for name in np.unique(names):
        own = tl.domains(slices.adata[names == name].copy(), 3, method="smooth", rng=2, copy=True, progress=False)
        assert own is not None
        assert joint.labels[names == name].tolist() == [f"{name}:{label}" for label in own.labels]


def test_a_slice_alone_has_as_many_domains_as_labels(slices):
    adata = slices.adata.copy()
    first = adata.obs[SLICE] == "slice_1"
    adata.obs.loc[first & (adata.obs[TRUTH] == "domain_2"), TRUTH] = None
    adata.obs.loc[~first, TRUTH] = None
    labels = fit(slices._replace(adata=adata), METHODS["alone:smooth"], 0).labels
    assert [len({x for x in labels if x.startswith(name)}) for name in ("slice_1", "slice_2")] == [2, 3]


@pytest.fixture
def peer(monkeypatch, tmp_path):
    """Make a package of one function."""

    def make(name, body):
        code = f"import numpy as np\ndef integrate(X, xy, batch, n, seed):\n    {body}\n"
        (tmp_path / f"{name}.py").write_text(code)
        (tmp_path / "_main.py").write_text((module.SCRIPTS / "_main.py").read_text())
        monkeypatch.setattr(module, "SCRIPTS", tmp_path)
        monkeypatch.setitem(module.PEERS, name, Peer("SPOTWEAVE_PEER_TEST", "some-tools"))
        monkeypatch.setenv("SPOTWEAVE_PEER_TEST", sys.executable)

    return make


def test_another_python_is_given_counts_places_and_slices(slices, peer, monkeypatch):
    monkeypatch.setattr(module, "N_TOP", 50)
    chosen = pp.select_genes(slices.adata, n_top=50, copy=True)
    assert chosen is not None
    genes = chosen["highly_variable"].to_numpy()
    peer("scvi", "return np.column_stack([X.sum(axis=1).A1, X.shape[1] + 0 * batch, batch, xy, 0 * batch + n + seed])")
    joint = fit(slices, METHODS["scvi:smooth"], 5)
    adata, n = slices.adata, 180
    batch = (adata.obs[SLICE] == "slice_2").to_numpy(float)
    depth = np.asarray(adata.X[:, genes].sum(axis=1)).ravel()
    expected = [depth, np.full(n, 50.0), batch, *adata.obsm["spatial"].T, np.full(n, 8.0)]
    assert joint.H is not None
    np.testing.assert_allclose(joint.H, np.column_stack(expected))
    assert {"integrate_s", "peak_mb", "fit_s", "cpu_s"} <= set(joint.costs)
    assert joint.costs["fit_s"] > joint.costs["integrate_s"]  # domains are found here


def test_domains_of_a_package(slices, peer):
    peer("cellcharter", "return np.column_stack([batch + 3, xy])")
    joint = fit(slices, METHODS["cellcharter"], 0)
    assert joint.labels.tolist() == ["3" if name == "slice_1" else "4" for name in slices.adata.obs[SLICE]]
    assert joint.H is not None
    np.testing.assert_allclose(joint.H, slices.adata.obsm["spatial"])


def test_groups():
    assert set(GROUPS["ours"]) | set(GROUPS["peers"]) == set(METHODS)
    assert "alone:smooth" in GROUPS["smooth"]
    assert {METHODS[name]["peer"] for name in GROUPS["peers"]} == {"scvi", "graphst", "cellcharter"}


def test_surroundings_are_averaged_twice_within_a_slice(slices):
    adata = slices.adata
    H = np.random.default_rng(3).normal(size=(180, 2))
    names, xy = adata.obs[SLICE].astype(str).to_numpy(), adata.obsm["spatial"]
    near = np.eye(180, dtype=bool)
    for i in range(180):
        distance = np.where(names == names[i], np.linalg.norm(xy - xy[i], axis=1), np.inf)
        sixth = np.sort(distance)[6]
        near[i] |= distance <= sixth + 1e-6
    ties = near.sum(axis=1) > 7  # of equally distant spots any may be a neighbour
    assert ties.mean() < 0.3
    P = (near | near.T) / (near | near.T).sum(axis=1, keepdims=True)
    found = surroundings(slices, H)
    whole = ~(((near | near.T) @ ((near | near.T) @ ties)) > 0)
    assert whole.sum() > 10
    np.testing.assert_allclose(found[whole], (P @ P @ H)[whole])


def test_scores(slices):
    adata = slices.adata
    names, truth = adata.obs[SLICE].astype(str).to_numpy(), adata.obs[TRUTH]
    labels = np.where(truth == "domain_1", "x", np.where(names == "slice_1", "y", "z"))
    H = uncorrected(adata, 1)
    rows = score(slices, Joint(labels, H, {"integrate_s": 2.5}))
    assert [row["slice"] for row in rows] == [ALL, "slice_1", "slice_2"]
    assert rows[0]["ari"] == metrics.ari(truth, labels)
    assert rows[2]["ari"] == metrics.ari(truth[names == "slice_2"], labels[names == "slice_2"])
    assert {(row["n_obs"], row["n_slices"], row["integrate_s"], row["truth"]) for row in rows} == {
        (180, 2, 2.5, "known")
    }
    S = surroundings(slices, H)
    assert rows[0]["ilisi"] == metrics.ilisi(S, names, scaled=True)
    assert rows[0]["batch_asw"] == metrics.batch_asw(S, names, truth)
    assert rows[0]["label_asw"] == metrics.label_asw(S, truth)
    assert rows[0]["neighbors_kept"] > 0.95  # of components from another seed
    assert "ilisi" not in rows[1]


def test_scores_of_slices_alone_and_without_truth(slices):
    alone = Joint(slices.adata.obs[SLICE].astype(str).to_numpy(), None, {})
    first, *others = score(slices, alone)
    assert not {"ari", "ilisi"} & set(first)
    assert len(others) == 2
    blind = Slices(SliceSet("own", Files(("own",)), 3), slices.adata.copy())
    blind.adata.obs[TRUTH] = None
    (row,) = score(blind, Joint(alone.labels, uncorrected(blind.adata, 0), {}))
    assert "ari" not in row
    assert np.isnan(row["label_asw"])
    assert row["batch_asw"] < 1
