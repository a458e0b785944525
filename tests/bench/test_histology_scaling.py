"""Cost of features and fits: sizes, files, page."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spotweave import bench
from spotweave.bench import _histology_scaling as scaling
from spotweave.bench._histology_scaling import (
    described,
    encode,
    features,
    fit,
    histology_scaling_page,
    load,
    score,
    target,
    tiled,
)


@pytest.fixture
def small(monkeypatch):
    """Few genes and features, sections of few spots."""
    for name, value in (("N_GENES", 20), ("N_FEATURES", 12), ("SIGNAL", 5), ("N_PATIENTS", 2), ("N_SECTIONS", 1)):
        monkeypatch.setattr(scaling, name, value)


@pytest.mark.usefixtures("small")
def test_spots_have_features_that_tell_of_their_composition(tmp_path):
    item = target(121)
    adata = load(item, item.source.locate(tmp_path, tmp_path))
    assert (item.name, adata.shape, adata.obsm["X_image"].shape) == ("spots_121", (122, 20), (122, 12))
    assert adata.obs.groupby("patient", observed=True).size().tolist() == [61, 61]
    np.testing.assert_array_equal(features(adata, 12), adata.obsm["X_image"])
    P = adata.obsm["proportions_true"].to_numpy()
    F = adata.obsm["X_image"]
    left = F - P @ np.linalg.lstsq(P, F)[0]
    explained = 1 - np.square(left).sum(axis=0) / np.square(F).sum(axis=0)
    assert (explained[:5] > 0.2).all()
    assert (explained[5:] < 0.2).all()
    (row,) = score(adata, fit(adata, {"method": "ridge"}, 0))
    assert {**row, "held_out_pearson": 0} == {"n_obs": 122, "n_genes": 20, "n_features": 12, "held_out_pearson": 0}
    assert row["held_out_pearson"] > 0


def test_tiles_are_described_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("spotweave._settings.settings.cache_dir", tmp_path / "usual")
    item = tiled(9)
    adata = load(item, item.source.locate(tmp_path, tmp_path))
    found = encode(adata, {"encoder": "handcrafted"}, 0)
    (row,) = described(adata, found)
    assert row == {"n_obs": 9, "n_genes": 100, "n_features": 251}
    assert (found.details["tile_px"], found.details["libraries"]["mpp"].tolist()) == (224, [1.0])
    assert not (tmp_path / "usual").exists()


def test_each_run_has_a_process_of_its_own(monkeypatch, running):
    seen = []

    def run_task(task, items, settings, seeds, running):
        seen.append((task.name, [item.name for item in items], settings, list(seeds), running.fast))
        return pd.DataFrame({"dataset": [], "method": [], "seed": [], "threads": [], "error": []})

    for module in ("_scaling", "_histology_scaling"):
        monkeypatch.setattr(f"spotweave.bench.{module}.run_task", run_task)
    running.output.mkdir()
    bench.histology_scaling([300, 200, 300], "ridge", repeats=2, running=replace(running, fast=True))
    assert seen == [
        ("histology_scaling", ["spots_200", "spots_300"], {"ridge": {"method": "ridge"}}, [0, 1], False),
        ("histology_tiles", ["tiles_1000"], {"handcrafted": {"encoder": "handcrafted"}}, [0, 1], False),
    ]
    assert (running.output / "histology_scaling.md").exists()


def test_page():
    costs = {"mode": "single", "threads": 2, "peak_mb": 300.0, "error": ""}
    fits = [
        {"dataset": f"spots_{n}", "method": "programs", "seed": 0, "n_obs": n, "n_genes": 1_000}
        | {"wall_s": s / 2, "cpu_s": s, **costs}
        for n, s in ((10_000, 20.0), (2_000, 4.0))
    ]
    tiles = [
        {"dataset": "tiles_1000", "method": "handcrafted", "seed": seed, "n_obs": 1_000, "n_features": 251}
        | {"fit_s": s, "fit_cpu_s": 2 * s, "wall_s": 30.0, "cpu_s": 30.0, **costs}
        for seed, s in enumerate((8.0, 12.0))
    ]
    failed = [{"dataset": "tiles_1000", "method": "uni", "seed": 0, **costs, "error": "no weights"}]
    page = histology_scaling_page(pd.DataFrame(fits), pd.DataFrame(tiles + failed))
    lines = page.splitlines()
    assert "| `handcrafted` | 1,000 | 251 | 10.0 | 20.0 | 100 | 300 |" in lines
    at = [line for line in lines if line.startswith("| spots_")]
    assert at == ["| spots_2000 | 2,000 x 1,000 | 2 · 4 · 300 |", "| spots_10000 | 10,000 x 1,000 | 10 · 20 · 300 |"]
    assert "| `programs` | 1.00 | 1.00 |" in lines
    assert "| tiles_1000 | uni | 0 | no weights |" in lines
    assert lines.index("---") > lines.index("| tiles_1000 | uni | 0 | no weights |")
