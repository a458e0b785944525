"""A fitted `Histology` as a folder: arrays in one file, words in another, nothing that runs."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pandas as pd

from .._check import InputError, fail, listing
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
KEPT = ("sections", "groups", "inner_kind", "feature_key", "features", "with_types")  # attributes, less the underscore
WEIGHTS, CONFIG = "weights.safetensors", "config.json"
SAME = ("identity", "tile_um", "scales")  # of the encoder: what must be alike for features to mean the same


def save(model: "Histology", path: str | os.PathLike[str]) -> None:
    """Write the folder beside its place, then move it there.

    Parameters
    ----------
    model
        Fitted.
    path
        A new folder in an existing one, or that of a saved model.

    Raises
    ------
    InputError
        When anything else is there.
    """
    from safetensors.numpy import save_file

    target = Path(path).expanduser()
    if not target.parent.is_dir():
        raise fail(f"a folder {target.parent} to write into", "none", "Make it first.")
    if target.exists() and not _is_saved(target):
        raise fail(f"a saved model or nothing at {target}", "something else", "Choose another name.")
    config = {
        "class": "Histology",
        "format": FORMAT,
        "version": version("spotweave"),
        "arguments": arguments(model),
        "var_names": list(model.genes_.index),
        **{key: getattr(model, f"{key}_") for key in KEPT},
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
    """Restore a model.

    Parameters
    ----------
    cls
        `Histology`.
    path
        Folder that `save` wrote.
    device
        Where a network shall predict.

    Returns
    -------
    Model that predicts the same bits as the saved one, on the same kind of device.

    Raises
    ------
    InputError
        When the folder is anything else, of another format, or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    source = Path(path).expanduser()
    if not (source / CONFIG).is_file() or not (source / WEIGHTS).is_file():
        raise fail(f"a folder with {CONFIG} and {WEIGHTS}", str(source), "Pass the path that save() was given.")
    try:
        config = json.loads((source / CONFIG).read_text())
        if config.get("class") != "Histology" or config.get("format") != FORMAT:
            raise fail(f"a Histology of format {FORMAT}", f"{config.get('class')} of format {config.get('format')}")
        return _restored(cls, config, load_file(source / WEIGHTS), device)
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise fail(f"an undamaged model in {source}", f"{type(error).__name__}: {error}", "Save it again.") from error


def _restored(
    cls: "type[Histology]", config: dict[str, Any], arrays: dict[str, np.ndarray], device: str
) -> "Histology":
    made_with = dict(config["arguments"])
    saved = made_with.pop("params")
    params = None if saved is None else HistologyParams(**{k: _tuple(v) for k, v in saved.items()})
    model = cls(**made_with, params=params, device=device)
    part = lambda name: {k.removeprefix(f"{name}/"): v for k, v in arrays.items() if k.startswith(f"{name}/")}
    genes = part("genes")
    names = pd.Index(config["var_names"], name="gene")
    model.genes_ = pd.DataFrame({k: genes[k] for k in COLUMNS}, index=names)
    model.novelty_ = Novelty(**part("novelty"))
    predictor = predictor_from_state(model.method, part("predictor"), params, device=device)
    fitted = part("fitted")
    model.fitted_ = Fitted(predictor, fitted["mean"], fitted.get("decode"), np.empty((0, 0)), config["chosen"])
    model.chosen_ = config["chosen"]
    for key in KEPT:
        setattr(model, f"{key}_", config[key])
    model.bank_ = np.array(config["bank"], dtype=object)
    return model


def arguments(model: "Histology") -> dict[str, Any]:
    """What the model was made with, except `rng`, `device` and `progress`."""
    return {
        "method": model.method,
        "genes": model.genes,
        "n_top": model.n_top,
        "target": model.target,
        "n_neighs": model.n_neighs,
        "params": None if model.params is None else asdict(model.params),
    }


def _is_saved(folder: Path) -> bool:
    """Is this what `save` wrote? Other programs too call a file config.json."""
    try:
        return json.loads((folder / CONFIG).read_text())["class"] == "Histology"
    except (OSError, ValueError, LookupError, TypeError):
        return False


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


def features_note(adatas: Any, key: str, table_key: str = "table") -> dict[str, Any]:
    """What `pp.tile_features` wrote of its encoder and tiles; empty for features of the caller's own."""
    tables = adatas.values() if isinstance(adatas, Mapping) else adatas
    notes = []
    for table in tables if isinstance(adatas, Mapping | list | tuple) else [adatas]:
        note = get_table(table, table_key).uns.get(key, {})
        notes.append({name: _plain(note[name]) for name in SAME if name in note} if isinstance(note, Mapping) else {})
    for note in notes:
        if note != notes[0]:
            raise fail("one encoder and one geometry of tiles", f"{notes[0]} and {note}", "Run pp.tile_features alike.")
    return notes[0]


def check_features(model: "Histology", note: dict[str, Any], sections: "Sequence[Section]") -> None:
    """Raise unless features, and types, of new slides are made like those of the training slides."""
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
    if sections[0].types is not None and not model.with_types_:
        raise fail("no types_key, as in training", "types", "Train with types_key= for types to serve prediction.")


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
