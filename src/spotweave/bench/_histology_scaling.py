"""Cost of expression from images: features of tiles, and fits against the number of spots."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import _keys as keys
from . import _summary as summary
from ._costs_table import failures, threads
from ._histology_methods import DEPTH, METHODS, NETWORKS
from ._histology_sets import PATIENT, SECTION
from ._markdown import number, seconds, table
from ._names import chosen
from ._runner import Running, run_task
from ._scaling import run_sizes, sized_page
from ._source import simulator_code
from ._task import Task

if TYPE_CHECKING:
    from anndata import AnnData

N_PATIENTS, N_SECTIONS, N_GENES, N_FEATURES, N_TILES = 4, 2, 1_000, 753, 1_000
TILE_UM = 224.0  # as many pixels of one micrometre as the encoder wants
SIGNAL = 64  # features that follow the composition of spots; the rest is noise


@dataclass(frozen=True)
class SimulatedSections:
    """Patients of `datasets.simulate_cohort`, with pictures, or with features drawn in their place."""

    options: Mapping[str, Any]
    n_features: int | None = None

    def missing(self, data: Path) -> None:
        """They can always be had."""

    def locate(self, data: Path, cache: Path) -> Path:
        """Return the path of the table in `cache`, simulated on first use."""
        text = json.dumps([dict(self.options), self.n_features], sort_keys=True).encode()
        path = cache / f"{hashlib.sha256(text + simulator_code()).hexdigest()[:16]}.h5ad"
        if not path.exists():
            from ..datasets import simulate_cohort
            from ..io import write

            adata = simulate_cohort(**self.options, image=self.n_features is None)
            if self.n_features is not None:
                adata.obsm[keys.IMAGE_FEATURES] = features(adata, self.n_features)
            write(adata, path)
        return path


@dataclass(frozen=True)
class Sized:
    """Sections of some number of spots together."""

    name: str
    source: SimulatedSections


def features(adata: "AnnData", d: int) -> np.ndarray:
    """Draw features ``[n, d]``: some mix the composition of spots, with noise, and the rest is noise."""
    rng, P = np.random.default_rng(0), adata.obsm["proportions_true"].to_numpy()
    F = rng.normal(size=(len(P), d))
    n_signal = min(SIGNAL, d)
    F[:, :n_signal] += (P - P.mean(axis=0)) / P.std() @ rng.normal(size=(P.shape[1], n_signal))
    return F.astype(np.float32)


def target(n_obs: int) -> Sized:
    """Spots of four patients with two sections each, 1,000 genes, 753 features."""
    sections = {"n_patients": N_PATIENTS, "n_sections": N_SECTIONS, "n_obs": -(-n_obs // (N_PATIENTS * N_SECTIONS))}
    return Sized(f"spots_{n_obs}", SimulatedSections({**sections, "n_genes": N_GENES, "rng": 0}, N_FEATURES))


def tiled(n_obs: int) -> Sized:
    """One section with a picture of one micrometre a pixel."""
    sections = {"n_patients": 1, "n_sections": 1, "n_obs": n_obs, "n_genes": 100, "um_per_px": 1.0, "rng": 0}
    return Sized(f"tiles_{n_obs}", SimulatedSections(sections))


def load(dataset: Sized, file: Path) -> "AnnData":
    """Read the table, with pictures where it has any."""
    from .. import io

    return io.read(file)


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs."""
    needed = ["anndata", "spotweave.io", "spotweave.tl" if "method" in settings else "spotweave.core.handcrafted"]
    needed += ["spotweave.pp"] if "method" not in settings else []
    for module in [*needed, *(["spotweave.models.histology_network"] if settings.get("method") in NETWORKS else [])]:
        import_module(module)


def encode(adata: "AnnData", settings: Mapping[str, Any], seed: int) -> Any:
    """Describe the tile of one size around every spot; nothing is taken from disk."""
    from ..pp import tile_features

    how: dict[str, Any] = {"tile_um": TILE_UM, "scales": [1.0], "um_per_px": 1.0, "cache_dir": None, "progress": False}
    return tile_features(adata, library_key=SECTION, copy=True, **how, **settings)


def described(adata: "AnnData", found: Any) -> list[dict[str, Any]]:
    """Sizes."""
    return [{"n_obs": adata.n_obs, "n_genes": adata.n_vars, "n_features": found.features.shape[1]}]


def fit(adata: "AnnData", settings: Mapping[str, Any], seed: int) -> Any:
    """Fit to all sections, with the evidence for each gene."""
    from .. import tl

    model = tl.Histology(settings["method"], n_top=N_GENES, rng=seed, progress=False)
    return model.fit(adata, group_key=PATIENT, library_key=SECTION)


def score(adata: "AnnData", model: Any) -> list[dict[str, Any]]:
    """Sizes, and the correlation of held-out spots."""
    sizes = {"n_obs": adata.n_obs, "n_genes": len(model.genes_), "n_features": adata.obsm[keys.IMAGE_FEATURES].shape[1]}
    return [{**sizes, "held_out_pearson": float(model.genes_["held_out_pearson"].mean())}]


TILES = Task("histology_tiles", load, encode, described, warm)
HISTOLOGY_SCALING = Task("histology_scaling", load, fit, score, warm)
FITTED = {name: settings for name, settings in METHODS.items() if name != DEPTH}


def histology_scaling(
    sizes: Sequence[int] = (2_000, 5_000, 10_000),
    methods: str | Iterable[str] = ("programs", "network"),
    *,
    repeats: int = 1,
    encoder: str = "handcrafted",
    running: Running | None = None,
) -> pd.DataFrame:
    """Measure time and memory of features of tiles, and of `tl.Histology.fit` against the number of spots.

    1,000 tiles of 224 pixels of a simulated picture are described once each, and models are fitted to simulated
    sections of four patients (1,000 genes, 753 features). Writes ``histology_tiles.csv``, ``histology_scaling.csv``
    and ``histology_scaling.md``, the summary of both, into ``running.output``.

    Parameters
    ----------
    sizes
        Numbers of spots.
    methods
        Methods of `tl.Histology`: names, or groups ``"closed"``, ``"networks"``, ``"all"``.
    repeats
        Runs of each size and method, with seeds 0, 1, ...
    encoder
        Of tiles, as in `pp.tile_features`.
    running
        As in `histology`; each run has a process of its own, whatever ``fast`` says.

    Returns
    -------
    All rows of ``histology_scaling.csv``.

    Raises
    ------
    InputError
        When a method is unknown, or a size is out of range.
    """
    groups = {"all": list(FITTED), "networks": list(NETWORKS), "closed": [m for m in FITTED if m not in NETWORKS]}
    settings = chosen(methods, FITTED, groups, "methods")
    running = replace(running or Running(), fast=False)
    page = partial(_with_tiles, encoder, repeats, running)
    return run_sizes(HISTOLOGY_SCALING, target, sizes, settings, page, repeats=repeats, running=running)


def _with_tiles(encoder: str, repeats: int, running: Running, rows: pd.DataFrame) -> str:
    """Describe tiles once sizes were checked and models fitted, and write of both."""
    tiles = run_task(TILES, [tiled(N_TILES)], {encoder: {"encoder": encoder}}, range(repeats), running)
    return histology_scaling_page(rows, tiles)


def histology_scaling_page(rows: pd.DataFrame, tiles: pd.DataFrame) -> str:
    """Return the summary of all rows of ``histology_scaling.csv`` and ``histology_tiles.csv``."""
    said = (
        f"{_tiles(tiles)}\nModels fitted to simulated sections of {N_PATIENTS} patients, {N_GENES:,} genes, "
        f"{N_FEATURES} features"
    )
    title = "Cost of expression from images"
    page = sized_page(rows, title, said, "from file to model with evidence for each gene", FITTED)
    head, line, foot = page.rpartition("---\n")
    return head + "".join(f"{part}\n" for part in failures(tiles)) + line + foot


def _tiles(tiles: pd.DataFrame) -> str:
    """Table of encoders."""
    good = summary.succeeded(tiles)
    if good.empty:
        return ""
    sizes = good.groupby(["dataset", "method"])[["n_obs", "n_features"]].first()
    found = summary.entries(summary.costs(good).join(sizes))
    lines = []
    for (_, encoder), entry in found.items():
        wall, cpu = (entry[name] / entry["n_obs"] for name in ("fit_s", "fit_cpu_s"))
        times = [number(1e3 * wall, 1), number(1e3 * cpu, 1), seconds(1 / wall)]
        lines.append(
            [f"`{encoder}`", f"{entry['n_obs']:,.0f}", f"{entry['n_features']:.0f}", *times, f"{entry['peak_mb']:.0f}"]
        )
    heads = ["encoder", "tiles", "features", "wall ms a tile", "CPU ms a tile", "tiles a second", "peak MB"]
    said = f"Tiles of {TILE_UM:.0f} pixels of a simulated picture; {threads(good)}, medians over runs.\n"
    return f"{said}\n{table(heads, lines)}"
