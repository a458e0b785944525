"""Alignment: slices moved by known amounts, the rival, scores, the command, the page."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from spotweave import datasets, tl
from spotweave.bench import _align_data as registry
from spotweave.bench._align import same_label, score
from spotweave.bench._align_data import AlignSet, Moved, bend, load, prepare
from spotweave.bench._align_fit import METHODS, fit
from spotweave.bench._align_page import align_page
from spotweave.bench._integrate_sets import SLICE, TRUTH, SliceSet
from spotweave.bench._sets import Truth
from spotweave.bench._source import SimulatedFile
from spotweave.cli import main
from spotweave.core.alignment.features import spacing

OPTIONS: dict[str, Any] = {
    "n_obs": 300, "n_genes": 60, "n_domains": 3, "n_slices": 3, "resolution": "spot", "signal": 1.0, "rng": 2,
}  # fmt: skip
TISSUE = SliceSet("sim_layers", SimulatedFile(OPTIONS), 3, Truth("domain_true"))


@pytest.fixture(scope="module")
def still(tmp_path_factory) -> Moved:
    folder = tmp_path_factory.mktemp("files")
    return load(AlignSet("sim_layers", TISSUE), TISSUE.source.locate(folder, folder))


def test_true_places_are_those_of_the_anatomy_in_the_first_frame(still):
    adata = datasets.simulate_tissue(**OPTIONS)
    T = adata.uns["simulation"]["transforms"][0]
    expected = np.column_stack([adata.obsm["anatomy_true"], np.ones(300)]) @ T.T
    np.testing.assert_allclose(still.place, expected[:, :2], atol=1e-3)
    assert still.reference == "slice_1"
    assert [np.unique(still.names[rows]).tolist() for rows in still.moving] == [["slice_2"], ["slice_3"]]


def test_slices_move_as_a_whole_and_the_first_stays(still):
    moved, again, other = (prepare(still, {}, seed) for seed in (0, 0, 1))
    before, after = (m.adata.obsm["spatial"] for m in (still, moved))
    first = still.names == "slice_1"
    np.testing.assert_array_equal(after[first], before[first])
    np.testing.assert_array_equal(after, again.adata.obsm["spatial"])
    assert not np.allclose(after, other.adata.obsm["spatial"])
    for rows in still.moving:
        lengths = [np.linalg.norm(xy[rows][1:] - xy[rows][:-1], axis=1) for xy in (before, after)]
        np.testing.assert_allclose(*lengths)
        assert np.linalg.norm(before[rows] - after[rows], axis=1).min() > 1
    np.testing.assert_array_equal(moved.place, still.place)


def test_bending_moves_by_at_most_its_amplitude_and_not_evenly(still, rng):
    xy = still.adata.obsm["spatial"][still.moving[0]]
    shift = bend(xy, 50.0, rng) - xy
    assert 45 < np.abs(shift).max() <= 50
    assert np.ptp(shift, axis=0).min() > 60
    near = np.linalg.norm(xy[:, None] - xy[None], axis=2) < 101
    assert np.linalg.norm(shift[:, None] - shift[None], axis=2)[near].max() < 75
    settings = {"bend": 0.0}, {"bend": 0.5}
    sets = (AlignSet("own", TISSUE, **own) for own in settings)
    straight, bent = (prepare(still._replace(dataset=own), {}, 0).adata.obsm["spatial"] for own in sets)
    steps = [np.linalg.norm(np.diff(found[still.moving[0]], axis=0), axis=1) for found in (straight, bent)]
    assert np.abs(steps[0] - steps[1]).max() > 10


def test_each_axis_is_bent_by_a_wave_of_the_other(rng):
    xy = np.array([[x, y] for x in range(5) for y in range(7)], float)
    shift = (bend(xy, 1.0, rng) - xy).reshape(5, 7, 2)
    np.testing.assert_allclose(np.ptp(shift[..., 0], axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.ptp(shift[..., 1], axis=1), 0, atol=1e-9)
    assert np.ptp(shift[0, :, 0]) > 1


def test_spacing():
    assert spacing(np.array([[0, 0], [0, 3], [4, 0], [4, 3.0]])) == 3


def test_moments_undo_a_move(still):
    place = np.array(still.place)
    adata = still.adata.copy()
    adata.obsm["spatial"] = place  # the same anatomy, and places that are nearly the same
    moved = prepare(Moved(still.dataset, adata, place), {}, 3)
    (row,) = score(moved, fit(moved, METHODS["moments"], 0))
    assert row["distance"] < 1
    assert row["angle"] < 15
    assert row["n_slices"] == 3


def test_scores(still):
    moved = prepare(still, {}, 0)
    (perfect,) = score(moved, np.asarray(still.place))
    assert perfect["distance"] == perfect["distance_worst"] == 0
    assert perfect["angle"] < 1e-4
    assert perfect["same_label"] == perfect["same_label_true"] > 0.8
    far = np.array(still.place)
    far[still.moving[1]] += [300, 0]  # 3 distances between spots
    (row,) = score(moved, far)
    np.testing.assert_allclose([row["distance"], row["distance_worst"]], [1.5, 3.0], rtol=1e-6)
    assert row["angle"] < 1e-4
    assert row["same_label"] < perfect["same_label"]
    quarter = np.array(still.place)
    rows = still.moving[0]
    quarter[rows] = quarter[rows] @ np.array([[0, 1], [-1, 0.0]])
    np.testing.assert_allclose(score(moved, quarter)[0]["angle"], 45, atol=1e-4)
    (blind,) = score(moved._replace(place=None), far)
    assert blind["same_label"] == row["same_label"]
    assert "distance" not in blind


def test_same_label_matches_loop(still):
    adata = still.adata.copy()
    adata.obs.loc[adata.obs_names[::7], TRUTH] = None
    moved, rows = still._replace(adata=adata), still.moving[0]
    truth, xy = adata.obs[TRUTH].to_numpy(object), adata.obsm["spatial"]
    fixed = [i for i in np.flatnonzero(still.names == "slice_1") if truth[i] is not None]
    hits = []
    for i in rows:
        if truth[i] is not None:
            distance = [float(np.linalg.norm(xy[i] - xy[j])) for j in fixed]
            hits.append(truth[fixed[int(np.argmin(distance))]] == truth[i])
    assert len(hits) < len(rows)
    assert same_label(moved, xy, rows) == pytest.approx(np.mean(hits))


def test_methods_of_the_library(still, monkeypatch):
    seen = []

    def stand_in(adata, **options):
        seen.append(options)
        adata.obsm["spatial_aligned"] = adata.obsm["spatial"] + 1

    monkeypatch.setattr(tl, "align", stand_in, raising=False)
    found = fit(still, METHODS["align-warp"], 4)
    assert seen == [{"library_key": SLICE, "reference": "slice_1", "rng": 4, "warp": True}]
    np.testing.assert_allclose(found, still.adata.obsm["spatial"] + 1)
    assert "spatial_aligned" not in still.adata.obsm


def run(capsys: pytest.CaptureFixture[str], *tokens: object) -> tuple[int, str, str]:
    status = main([str(token) for token in tokens])
    return status, *capsys.readouterr()


def test_from_command_to_page(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(registry, "SETS", {"sim_layers": AlignSet("sim_layers", TISSUE)})
    out = tmp_path / "out"
    options = ["--sets", "sim_layers", "--methods", "moments", "--seeds", 2, "--threads", 1, "--fast", "-o", out]
    status, said, err = run(capsys, "bench", "align", *options)
    assert (status, err, said.splitlines()[-1]) == (0, "", str(out / "align.md"))
    rows = pd.read_csv(out / "align.csv")
    assert rows["error"].isna().all()
    assert rows["distance"].gt(0).tolist() == [True, True]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [(["--sets", "x"], "data sets out of"), (["--methods", "y"], "methods out of"), (["--seeds", "0"], "`seeds`")],
)
def test_wrong_options_are_one_line_and_status_2(capsys, tmp_path, tokens, text):
    status, out, err = run(capsys, "bench", "align", *tokens, "-o", tmp_path / "out")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert text in err


def test_page():
    costs = {"mode": "single", "threads": 1, "wall_s": 2.0, "cpu_s": 4.0, "peak_mb": 9.0, "error": ""}
    common = {"n_obs": 90, "n_genes": 30, **costs}
    far = {"distance": 0.5, "angle": 2.0, "same_label": 0.8, "same_label_true": 0.9}
    rows = pd.DataFrame(
        [
            {"dataset": "sim_blobs", "method": "align", "seed": 0, **far, **common},
            {"dataset": "sim_blobs", "method": "moments", "seed": 0, **far, **common, "distance": 4.0},
            {"dataset": "dlpfc_pair", "method": "align", "seed": 0, "same_label": 0.7, **common},
        ]
    )
    page = align_page(rows)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()]
    assert ["sim_blobs", "4.000", "**0.500**"] in lines
    assert ["dlpfc_pair", "", "0.700"] in lines
    assert "true places: `sim_blobs` 0.900.\n" in page
    measured = align_page(rows[rows["dataset"] == "dlpfc_pair"].dropna(axis=1))
    assert "true places" not in measured
    assert "angle, degrees" not in measured
    assert "## Failed runs" in align_page(rows.assign(error="broken"))
