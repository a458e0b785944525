"""Predictions as a table of their own."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._table import get_table, logger
from .._table import params as run_params
from ..core.histology.novelty import slide_novelty, tile_novelty
from ..core.histology.tissue import make_tissue, standardise
from ._histology_files import arguments, check_features, features_note
from ._sections import Reading, Section, read_sections, stack_types

if TYPE_CHECKING:
    from anndata import AnnData

    from ..models.histology_training import Answer
    from ._histology import Histology


def predict_table(model: "Histology", adata: "AnnData", reading: Reading, *, n_retrieved: int) -> "AnnData":
    """Predict section by section and put the rows back in their order."""
    from anndata import AnnData

    adata = get_table(adata, reading.table_key)
    sections = read_sections(adata, reading, counts=False)
    check_features(model, features_note(adata, reading.feature_key), sections)
    if model.with_types_ and reading.types_key is None:
        logger.warning("the model was trained with types_key=; without, no spots are known to be of one type")
    X = np.empty((adata.n_obs, len(model.genes_)), dtype=np.float32)
    novelty = np.empty(adata.n_obs)
    retrieved: list[Named] = []
    slides = {}
    with threadpool_limits(1, user_api="blas"):
        for section in sections:
            answer = predict_section(model, section)
            X[section.rows] = model.fitted_.genes(answer.parts)
            novelty[section.rows], slides[section.name] = _novelty(model, section)
            if answer.retrieved is not None and n_retrieved:
                found = answer.retrieved
                weights = found.weights[:, :n_retrieved].astype(np.float32)
                retrieved.append(Named(section.rows, model.bank_[found.rows[:, :n_retrieved]], weights))
    obs = adata.obs.assign(image_novelty=novelty, out_of_distribution=novelty > 1)
    result = AnnData(X, obs=obs, var=model.genes_.copy(), obsm={keys.SPATIAL: np.array(adata.obsm[keys.SPATIAL])})
    if retrieved:
        _write_retrieved(result, retrieved)
    result.uns["histology"] = _report(model, slides, novelty)
    return result


class Named(NamedTuple):
    """The training spots that the spots of a section call for."""

    rows: np.ndarray
    """Rows of the section in the table [n]."""
    names: np.ndarray
    """[n, k], nearest first."""
    weights: np.ndarray
    """[n, k]."""


def predict_section(model: "Histology", section: Section) -> "Answer":
    """Answer for one section, as a departure from the mean."""
    nowhere = np.zeros(len(section.xy), dtype=np.int64)
    tissue = make_tissue(section.features, nowhere, section.xy, n_neighs=model.n_neighs)
    return model.fitted_.predictor(tissue, stack_types([section]))


def _novelty(model: "Histology", section: Section) -> tuple[np.ndarray, float]:
    slide = slide_novelty(model.novelty_, section.features)
    if slide > 1:
        logger.warning(
            "slide %r looks unlike the training slides as a whole (%.1f times the limit): another stain, scanner, "
            "magnification or tissue; do not trust its predictions without a check",
            section.name,
            slide,
        )
    return tile_novelty(model.novelty_, standardise(section.features).astype(np.float32)), slide


def _write_retrieved(result: "AnnData", retrieved: list[Named]) -> None:
    """Put the sections' rows together in the order of the table."""
    order = np.argsort(np.concatenate([part.rows for part in retrieved]), kind="stable")
    names = np.concatenate([part.names for part in retrieved])[order]
    columns = [f"nearest_{j + 1}" for j in range(names.shape[1])]
    result.obsm["retrieved"] = pd.DataFrame(names, index=result.obs_names, columns=columns)
    result.obsm["retrieved_weight"] = np.concatenate([part.weights for part in retrieved])[order]


def _report(model: "Histology", slides: dict[str, float], novelty: np.ndarray) -> dict[str, Any]:
    return {
        "params": run_params(
            **{key: value for key, value in arguments(model).items() if key not in {"genes", "params"}}
        ),
        "trained_on": model.sections_,
        "groups": sorted(set(model.groups_)),
        "inner_kind": model.inner_kind_,
        "held_out_pearson": float(model.genes_["held_out_pearson"].mean()),
        "n_predictable": int(model.genes_["predictable"].sum()),
        "slide_novelty": slides,
        "out_of_distribution": float((novelty > 1).mean()),
    }
