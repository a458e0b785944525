"""One method on all folds of one set, panel and target, and its scores."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from .. import _keys as keys
from .._check import fail
from ._histology_methods import DEPTH, MEAN, NETWORKS
from ._histology_panels import HONEST, GenePanel
from ._histology_sets import ENCODER, PATIENT, SECTION, Cohort, Pictures, StainedSet

if TYPE_CHECKING:
    from anndata import AnnData

    from ..tl import HistologyScores

MEANS = ("pearson", "spearman", "r2", "pearson_heg", "n_predictable")
"""Columns of `tl.cross_validate_histology` that are kept."""


@dataclass(frozen=True)
class HistologySet:
    """Sections, the genes to predict and their unit."""

    tissue: StainedSet
    panel: GenePanel
    target: str = HONEST

    @property
    def name(self) -> str:
        """Value of the column ``dataset``."""
        other = [self.source.encoder] * (self.source.encoder != ENCODER)
        return ":".join([self.tissue.name, self.panel.name, self.target, *other])

    @property
    def source(self) -> Pictures | Cohort:
        """Where the sections are."""
        return self.tissue.source


class Sections(NamedTuple):
    """A data set that has been read."""

    dataset: HistologySet
    adata: "AnnData"


class Judged(NamedTuple):
    """What a method is worth."""

    method: str
    scores: "HistologyScores"


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs."""
    needed = ["anndata", "spotweave.io", "spotweave.metrics", "spotweave.tl"]
    for module in [*needed, *(["spotweave.models.histology_network"] if settings["method"] in NETWORKS else [])]:
        import_module(module)


def load(dataset: HistologySet, path: Path) -> Sections:
    """Read the table of all sections with features of their tiles."""
    from .. import io

    return Sections(dataset, io.read(path, images=False))


def fit(sections: Sections, settings: Mapping[str, Any], seed: int) -> Judged:
    """Hold out each patient, or section, in turn: fit to all others, predict, and score."""
    from .. import tl

    item, method = sections.dataset, settings["method"]
    fitted: Any = MEAN if method == DEPTH else method
    with warnings.catch_warnings():  # that sections of one patient are alike is what some of these sets are there for
        warnings.simplefilter("ignore", UserWarning)
        scores = tl.cross_validate_histology(
            sections.adata,
            group_key=PATIENT,
            library_key=SECTION,
            split=item.tissue.split,
            methods=[fitted],
            genes=listed(sections),
            n_top=item.panel.n_top,
            target=item.target,
            rng=seed,
            progress=False,
        )
    return Judged(method, scores)


def listed(sections: Sections) -> list[str] | None:
    """Genes of the panel that the sections have; None when they are to be chosen on training sections."""
    genes = sections.dataset.panel.genes
    if genes is None:
        return None
    found = [gene for gene in genes if gene in sections.adata.var_names]
    if not found:
        raise fail(f"genes of the panel {sections.dataset.panel.name!r} in the sections", "none")
    return found


def score(sections: Sections, judged: Judged) -> list[dict[str, Any]]:
    """Return a row for each section that was held out."""
    adata, item, scores = sections.adata, sections.dataset, judged.scores
    own, genes = (table[table["method"] == judged.method] for table in (scores.sections, scores.genes))
    names = {"set": item.tissue.name, "family": item.tissue.title, "split": item.tissue.split}
    names |= {"panel": item.panel.name, "target": item.target, "encoder": item.source.encoder}
    sizes = {"n_obs": adata.n_obs, "n_genes": adata.n_vars, "published_panel": int(item.panel.published)}
    scales = adata.uns[keys.IMAGE_FEATURES]["libraries"]["um_per_px"]
    image = adata.var.get("image_true")
    by_section = {str(name): part for name, part in genes.groupby("section", observed=True)}
    rows = []
    for line in own.to_dict("records"):
        part = by_section[str(line["section"])]
        about = {"section": str(line["section"]), "patient": str(line["group"]), "n_spots": line["n_spots"]}
        values = {name: float(line[name]) for name in MEANS}
        more = {"n_panel": len(part), "pearson_median": float(part["pearson"].median())}
        scale = {"um_per_px": float(scales[str(line["section"])])}
        rows.append(
            {**names, **sizes, **about, **values, **more, **scale, **({} if image is None else calls(part, image))}
        )
    return rows


def calls(genes: pd.DataFrame, image: pd.Series) -> dict[str, int]:
    """How many genes the method called predictable: of those that follow the picture, and of all others."""
    true = image.loc[genes["gene"]].to_numpy(bool)
    called = genes["predictable"].to_numpy(bool)
    return {
        "n_true": int(true.sum()),
        "called_true": int((true & called).sum()),
        "n_other": int((~true).sum()),
        "called_other": int((~true & called).sum()),
    }
