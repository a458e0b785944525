"""A fitted `Histology` as a folder: arrays in one file, words in another, nothing that runs."""

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pandas as pd

from .._check import fail, listing
from .._table import get_table
from ..core.histology.novelty import Novelty
from ..models.histology_methods import predictor_from_state
from ..models.histology_params import HistologyParams
from ..models.histology_training import Fitted
from ._histology_genes import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._histology import Histology
    from ._sections import Section

FORMAT = 1
WEIGHTS, CONFIG = "weights.safetensors", "config.json"
SAME = ("identity", "tile_um", "scales")  # of the encoder: what must be alike for features to mean the same


def save(model: "Histology", path: str | os.PathLike[str]) -> None:
    """Write the folder beside its place, then move it there."""
    from safetensors.numpy import save_file

    from .. import __version__

    target = Path(path).expanduser()
    if not target.parent.is_dir():
        raise fail(f"a folder {target.parent} to write into", "none", "Make it first.")
    if target.exists() and not (target / CONFIG).is_file():
        raise fail(f"a saved model or nothing at {target}", "something else", "Choose another name.")
    config = {
        "class": "Histology",
        "format": FORMAT,
        "version": __version__,
        "arguments": model.config(),
        "var_names": list(model.genes_.index),
        "n_features": int(len(model.novelty_.mean)),
        **{key: getattr(model, f"{key}_") for key in ("sections", "groups", "inner_kind", "feature_key", "features")},
        "chosen": _plain(model.chosen_),
        "bank": list(model.bank_),
    }
    beside = target.with_name(f".{target.name}.{uuid4().hex[:8]}.tmp")
    beside.mkdir()
    try:
        save_file({key: np.array(value, order="C") for key, value in _arrays(model).items()}, beside / WEIGHTS)
        (beside / CONFIG).write_text(json.dumps(config, indent=1))
        if target.exists():
            shutil.rmtree(target)
        beside.replace(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def load(cls: "type[Histology]", path: str | os.PathLike[str], device: str) -> "Histology":
    """Restore a model; anything but a saved one is an error."""
    from safetensors.numpy import load_file

    source = Path(path).expanduser()
    if not (source / CONFIG).is_file() or not (source / WEIGHTS).is_file():
        raise fail(f"a folder with {CONFIG} and {WEIGHTS}", str(source), "Pass the path that save() was given.")
    config = json.loads((source / CONFIG).read_text())
    if config.get("class") != "Histology" or config.get("format") != FORMAT:
        raise fail(f"a Histology of format {FORMAT}", f"{config.get('class')} of format {config.get('format')}")
    arguments = dict(config["arguments"])
    saved = arguments.pop("params")
    params = None if saved is None else HistologyParams(**{k: _tuple(v) for k, v in saved.items()})
    model = cls(**arguments, params=params, device=device)
    arrays = load_file(source / WEIGHTS)
    part = lambda name: {k.removeprefix(f"{name}/"): v for k, v in arrays.items() if k.startswith(f"{name}/")}
    genes = part("genes")
    names = pd.Index(config["var_names"], name="gene")
    model.genes_ = pd.DataFrame({k: genes[k] for k in COLUMNS}, index=names)
    model.novelty_ = Novelty(**part("novelty"))
    predictor = predictor_from_state(model.method, part("predictor"), params)
    fitted = part("fitted")
    model.fitted_ = Fitted(predictor, fitted["mean"], fitted.get("decode"), np.empty((0, 0)), config["chosen"])
    for key in ("sections", "groups", "inner_kind", "feature_key", "features", "chosen"):
        setattr(model, f"{key}_", config[key])
    model.bank_ = np.array(config["bank"], dtype=object)
    return model


def _arrays(model: "Histology") -> dict[str, np.ndarray]:
    fitted = {"mean": model.fitted_.mean}
    if model.fitted_.decode is not None:
        fitted["decode"] = model.fitted_.decode
    parts = {
        "predictor": model.fitted_.predictor.state(),
        "fitted": fitted,
        "novelty": {k: np.asarray(v) for k, v in model.novelty_._asdict().items()},
        "genes": {k: model.genes_[k].to_numpy() for k in COLUMNS},
    }
    return {f"{name}/{key}": value for name, part in parts.items() for key, value in part.items()}


def features_note(adatas: Any, key: str) -> dict[str, Any]:
    """What `pp.tile_features` wrote of its encoder and tiles; empty for features of the caller's own."""
    tables = (
        list(adatas.values()) if isinstance(adatas, dict) else adatas if isinstance(adatas, list | tuple) else [adatas]
    )
    notes = []
    for table in tables:
        note = get_table(table).uns.get(key, {})
        notes.append({name: _plain(note[name]) for name in SAME if name in note} if isinstance(note, dict) else {})
    for note in notes:
        if note != notes[0]:
            raise fail("one encoder and one geometry of tiles", f"{notes[0]} and {note}", "Run pp.tile_features alike.")
    return notes[0]


def check_features(model: "Histology", note: dict[str, Any], sections: "Sequence[Section]") -> None:
    """Raise unless features of new slides are made like those of the training slides."""
    wanted, found = len(model.novelty_.mean), sections[0].features.shape[1]
    if found != wanted:
        raise fail(f"{wanted} features a tile, as in training", str(found), "Use the same encoder, tile_um and scales.")
    known = model.features_
    other = [name for name in SAME if name in known and name in note and known[name] != note[name]]
    if other:
        raise fail(
            f"tile features made as in training ({', '.join(f'{n}={known[n]}' for n in other)})",
            listing([f"{n}={note[n]}" for n in other]),
            "Run pp.tile_features with these settings.",
        )


def _plain(value: Any) -> Any:
    """Arrays and numpy numbers as lists and numbers, for JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
