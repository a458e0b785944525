"""Blocks of observations to the slots of an AnnData; shared by the tissue in memory and the one on disk."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from .. import _keys as keys
from ._blocks import Block, Plan


def names(kind: str, n: int) -> list[str]:
    """Return ``kind_1 ... kind_n``."""
    return [f"{kind}_{i + 1}" for i in range(n)]


def obs_part(plan: Plan, block: Block) -> dict[str, np.ndarray]:
    """Return what is kept of a block for obs and obsm: small, and without its matrices of genes."""
    kept: dict[str, np.ndarray] = {
        "slice": np.full(len(block.row), block.slice, dtype=np.int16),
        "domain": block.domain.astype(np.int16),
        "depth": block.depth.astype(np.float32),
        "spatial": block.spatial,
        "anatomy": block.anatomy,
        "activity": block.activity,
    }
    if plan.params.resolution == "cell":
        return kept | {"type": block.proportions.argmax(axis=1).astype(np.int16)}
    spot = {"row": block.row, "col": 2 * block.col + block.row % 2, "n_cells": block.n_cells}
    return kept | spot | {"proportions": block.proportions}


def assemble(plan: Plan, parts: Iterable[dict[str, np.ndarray]]) -> dict[str, Any]:
    """Return ``obs``, ``var``, ``obsm`` and ``uns`` as keyword arguments of AnnData."""
    parts = list(parts)
    whole = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    obs = _obs(plan, whole)
    obsm: dict[str, Any] = {
        keys.SPATIAL: whole["spatial"],
        "anatomy_true": whole["anatomy"],
        "activity_true": pd.DataFrame(whole["activity"], index=obs.index, columns=plan.programs.activities),
    }
    if "proportions" in whole:
        types = names("type", plan.params.n_types)
        obsm["proportions_true"] = pd.DataFrame(whole["proportions"], index=obs.index, columns=types)
    return {"obs": obs, "var": _var(plan), "obsm": obsm, "uns": {keys.SIMULATION: _truth(plan)}}


def _obs(plan: Plan, whole: dict[str, np.ndarray]) -> pd.DataFrame:
    p = plan.params
    columns: dict[str, Any] = {
        "slice": _categorical(whole["slice"], "slice", p.n_slices),
        "domain_true": _categorical(whole["domain"], "domain", p.n_domains),
    }
    if p.resolution == "cell":
        columns["cell_type"] = _categorical(whole["type"], "type", p.n_types)
    else:
        columns |= {"in_tissue": np.ones(p.n_obs, dtype=np.int8)} | _array_position(whole["row"], whole["col"])
        columns["n_cells_true"] = whole["n_cells"]
    columns["library_size_true"] = whole["depth"]
    return pd.DataFrame(columns, index=pd.Index([f"{p.resolution}_{i}" for i in range(p.n_obs)]))


def _array_position(row: np.ndarray, col: np.ndarray) -> dict[str, np.ndarray]:
    """Count from zero as Visium does: neighbours in a row are two columns apart, row + column is even."""
    first_row, first_col = row.min(), col.min()
    first_col -= (first_col - first_row) % 2
    return {"array_row": row - first_row, "array_col": col - first_col}


def _categorical(codes: np.ndarray, kind: str, n: int) -> "pd.Categorical[str]":
    return pd.Categorical.from_codes(codes, categories=pd.Index(names(kind, n)))


def _var(plan: Plan) -> pd.DataFrame:
    columns = {"module_true": pd.Categorical(plan.programs.module), "spatial_true": plan.programs.spatial}
    return pd.DataFrame(columns, index=pd.Index(gene_names(plan.params.n_genes)))


def gene_names(n: int) -> list[str]:
    """Return ``gene_001 ...``, with as many digits as the last one needs."""
    return [f"gene_{j:0{len(str(n))}d}" for j in range(1, n + 1)]


def _truth(plan: Plan) -> dict[str, Any]:
    """Everything else that is known, in forms that h5ad holds."""
    p = plan.params
    return {
        "params": asdict(p),
        "slices": np.array(names("slice", p.n_slices)),
        "domains": np.array(names("domain", p.n_domains)),
        "cell_types": np.array(names("type", p.n_types)),
        "genes": np.array(gene_names(p.n_genes)),
        "activities": np.array(plan.programs.activities),
        "spatial": plan.programs.spatial,
        "composition": plan.composition,
        "profiles": plan.programs.profiles,
        "loadings": plan.programs.loadings,
        "batch_effects": plan.batch,
        "slice_depth": plan.slice_depth,
        "domain_depth": plan.domain_depth,
        "transforms": np.stack([section.transform for section in plan.slices]),
        "looks": plan.looks._asdict(),
    }
