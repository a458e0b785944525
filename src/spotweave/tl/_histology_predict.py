"""Predictions as a table of their own."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._table import get_table, logger
from .._table import params as run_params
from ..core.histology.novelty import slide_novelty, tile_novelty
from ..core.histology.tissue import make_tissue, standardise
from ._histology_files import check_features, features_note
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
    places = [adata.obs_names.get_indexer(section.spots) for section in sections]
    X = np.empty((adata.n_obs, len(model.genes_)), dtype=np.float32)
    novelty = np.empty(adata.n_obs)
    retrieved: list[Answer] = []
    slides = {}
    with threadpool_limits(1, user_api="blas"):
        for section, rows in zip(sections, places, strict=True):
            answer = predict_section(model, section)
            X[rows] = model.fitted_.genes(answer.parts)
            retrieved.append(answer)
            novelty[rows], slides[section.name] = _novelty(model, section)
    obs = adata.obs.assign(image_novelty=novelty, out_of_distribution=novelty > 1)
    result = AnnData(X, obs=obs, var=model.genes_.copy(), obsm={keys.SPATIAL: adata.obsm[keys.SPATIAL]})
    _name_retrieved(result, model, retrieved, places, n_retrieved)
    result.uns["histology"] = _report(model, slides, novelty)
    return result


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


def _name_retrieved(
    result: "AnnData", model: "Histology", answers: "list[Answer]", places: list[np.ndarray], k: int
) -> None:
    """Write the names and weights of the most similar training spots, of methods that retrieve."""
    if not answers or answers[0].retrieved is None or k < 1:
        return
    k = min(k, answers[0].retrieved.rows.shape[1])
    names = np.empty((result.n_obs, k), dtype=object)
    weights = np.empty((result.n_obs, k), dtype=np.float32)
    for answer, rows in zip(answers, places, strict=True):
        if answer.retrieved is not None:
            names[rows] = model.bank_[answer.retrieved.rows[:, :k]]
            weights[rows] = answer.retrieved.weights[:, :k]
    columns = [f"nearest_{j + 1}" for j in range(k)]
    result.obsm["retrieved"] = pd.DataFrame(names, index=result.obs_names, columns=columns)
    result.obsm["retrieved_weight"] = weights


def _report(model: "Histology", slides: dict[str, float], novelty: np.ndarray) -> dict[str, Any]:
    return {
        "params": run_params(**{key: value for key, value in model.config().items() if key not in {"genes", "params"}}),
        "trained_on": model.sections_,
        "groups": sorted(set(model.groups_)),
        "inner_kind": model.inner_kind_,
        "held_out_pearson": float(model.genes_["held_out_pearson"].mean()),
        "n_predictable": int(model.genes_["predictable"].sum()),
        "slide_novelty": slides,
        "out_of_distribution": float((novelty > 1).mean()),
    }
