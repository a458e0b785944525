"""Expression from a stained image: learn it on sections that were measured, predict it for slides that were not."""

import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .._check import check_choice, check_range, fail
from ..core.histology.folds import inner_folds
from ..core.histology.novelty import Novelty, learn_novelty
from ..core.histology.targets import TARGETS
from ..core.histology.tissue import make_tissue
from ..models.histology_methods import fit_method, settings_of
from ..models.histology_params import HistologyParams
from ..models.histology_training import Fitted, Training
from . import _histology_files as files
from ._histology_genes import gene_table
from ._histology_panel import panel_counts, panel_genes, panel_target
from ._histology_predict import predict_table
from ._sections import Reading, Section, codes_of, read_sections, stack_types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

MethodName = Literal["network", "programs", "ridge", "knn", "mean", "bleep", "mclstexp"]


class Histology:
    r"""Read expression from the picture of a stained section.

    Fitted on sections with both counts and features of tiles (`pp.tile_features`), it predicts the expression of a
    panel of genes on any slide that has such features, and says which genes and which spots it can speak of.

    Parameters
    ----------
    method
        - ``"network"``: two towers, over the picture and over expression, each with attention over the spatial graph
          and over alike spots (GR2ST), drawn together by a contrastive loss; programs of expression by a head, by
          retrieval of training spots and by a linear map, each weighted by its worth on inner folds
        - ``"programs"``: closed form; principal programs of expression by ridge regression, each with a penalty and a
          shrinkage of its own
        - ``"ridge"`` on genes, ``"knn"`` on tiles, ``"mean"`` of training: rivals in closed form
        - ``"bleep"``, ``"mclstexp"``: small configurations of the network that follow these models' retrieval
    genes
        Genes to predict. None: the `n_top` that vary most within the training sections, beyond counting noise.
    n_top
        Size of the panel that is chosen when `genes` is None.
    target
        ``"log_normalized"``: ``log(1 + 10^4 x / counts of the spot)`` over *all* genes. Others exist to reproduce
        published figures: ``"log_counts"``, ``"legacy_spot_panel"``, ``"legacy_gene_scaled"``
        (`core.histology.targets.expression_target`).
    params, **settings
        Settings of the network: an object, which takes the place of the method's own, or single fields by name.
    n_neighs
        Spatial neighbours that make the surroundings of a tile.
    rng
        Seed: one seed, one model, on any number of threads of one machine. Or a generator: it moves on with each `fit`.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``: where a network trains and predicts.
    progress
        Show bars; None: the setting.

    Attributes
    ----------
    genes_ : DataFrame
        Index: genes of the panel. ``mean`` in training; ``held_out_pearson`` and ``held_out_r2`` on training spots
        whose patient (section, strip: see `inner_kind_`) was left out; ``p``, ``q`` of a test that prediction follows
        truth beyond what depth makes of both; ``predictable``: q < 0.05 and, beyond depth, a correlation of at least
        0.1. Of other genes the image tells nothing that could be shown, and they are predicted near their mean.
    chosen_ : dict
        What was chosen on inner folds.
    inner_kind_ : str
        What an inner fold is: ``"group"``, ``"section"`` or ``"strip"``. Only groups tell how a new patient will do.
    groups_, sections_ : list of str
        What was trained on.

    Examples
    --------
    >>> import numpy as np, spotweave as sw
    >>> cohort = sw.datasets.simulate_cohort(2, n_sections=1, n_obs=60, n_genes=40, image=False)
    >>> cohort.obsm["X_image"] = cohort.obsm["proportions_true"].to_numpy()  # pp.tile_features makes real ones
    >>> model = sw.tl.Histology("programs", n_top=20).fit(cohort, library_key="section")
    >>> model.predict(cohort, library_key="section").shape
    (120, 20)
    """

    def __init__(
        self,
        method: MethodName = "network",
        *,
        genes: "Sequence[str] | None" = None,
        n_top: int = 1_000,
        target: str = "log_normalized",
        params: HistologyParams | None = None,
        n_neighs: int = 8,
        rng: int | np.random.Generator = 0,
        device: str = "auto",
        progress: bool | None = None,
        **settings: Any,
    ) -> None:
        check_choice(target, TARGETS, "target")
        check_range(n_top, "n_top", low=1, integer=True)
        check_range(n_neighs, "n_neighs", low=1, integer=True)
        self.method = method
        self.params = settings_of(method, params, settings)
        self.genes = None if genes is None else list(dict.fromkeys([genes] if isinstance(genes, str) else genes))
        self.n_top, self.target, self.n_neighs = n_top, target, n_neighs
        self.rng, self.device, self.progress = rng, device, progress

    def fit(
        self,
        adatas: "AnnData | Sequence[AnnData] | Mapping[str, AnnData]",
        *,
        group_key: str | None = "patient",
        library_key: str | None = None,
        feature_key: str = "X_image",
        layer: str | None = None,
        types_key: str | None = None,
        table_key: str = "table",
    ) -> "Histology":
        """Learn from sections with image features and counts.

        Parameters
        ----------
        adatas
            A table, several, or several by name. Without `library_key` each table is one section.
        group_key
            Column of ``obs`` with the patient (or mouse): every choice is made by leaving patients out. None: each
            section counts as another patient's.
        library_key
            Column of ``obs`` with the section, for tables that hold several.
        feature_key
            Features of tiles in ``obsm``.
        layer
            Raw counts; None: ``layers["counts"]`` when there, else ``X``.
        types_key
            Composition of spots that the network's functional graphs may use: a table in ``obsm`` (of
            `tl.deconvolve`) or labels in ``obs``, made by a model of images where they shall serve prediction too.
        table_key
            Name of the table in SpatialData objects.

        Returns
        -------
        The object itself.

        Raises
        ------
        InputError
            When features, counts, groups or genes do not fit.
        """
        reading = Reading(group_key, library_key, feature_key, layer, types_key, table_key)
        sections, note = read_sections(adatas, reading), files.features_note(adatas, feature_key, table_key)
        return self.fit_sections(sections, feature_key, note)

    def fit_sections(
        self, sections: "Sequence[Section]", feature_key: str = "X_image", note: dict[str, Any] | None = None
    ) -> "Histology":
        """Learn from sections that were read already, with what is known of their features (`features_note`)."""
        rng = np.random.default_rng(self.rng)
        genes = panel_genes(sections, self.genes, self.n_top)
        raw = np.concatenate([section.features for section in sections])
        codes, xy = codes_of(sections), np.concatenate([section.xy for section in sections])
        tissue = make_tissue(raw, codes, xy, n_neighs=self.n_neighs)
        if not tissue.features.any():
            raise fail("features that vary within sections", "constant ones, or sections of one spot each")
        group = pd.factorize(np.array([section.group for section in sections]))[0][codes]
        inner = inner_folds(codes, group, tissue.xy)
        training = Training(tissue, panel_target(sections, genes, self.target), inner.fold, stack_types(sections))
        with threadpool_limits(1, user_api="blas"):
            fitted = fit_method(self.method, training, self.params, rng=rng, device=self.device, progress=self.progress)
            self.novelty_: Novelty = learn_novelty(tissue.features, raw, codes, inner.fold, rng)
            self.genes_ = gene_table(genes, training, fitted, *panel_counts(sections, genes), rng)
        self.fitted_: Fitted = fitted
        self.chosen_, self.inner_kind_, self.feature_key_ = fitted.chosen, inner.kind, feature_key
        self.features_, self.with_types_ = note or {}, training.types is not None
        self.sections_, self.groups_ = [s.name for s in sections], [s.group for s in sections]
        self.bank_ = np.concatenate([f"{s.name}:" + s.spots.astype(str).to_numpy(dtype=object) for s in sections])
        return self

    def predict(
        self,
        adata: "AnnData",
        *,
        library_key: str | None = None,
        feature_key: str | None = None,
        types_key: str | None = None,
        n_retrieved: int = 5,
        table_key: str = "table",
    ) -> "AnnData":
        """Predict the panel on slides that need no counts.

        Features are standardised within each section, so a slide is predicted as a whole, not spot by spot.

        Parameters
        ----------
        adata
            Spots (or any grid of places) with tile features and coordinates.
        library_key
            Column of ``obs`` with the section, when there are several.
        feature_key
            Features of tiles, of the same encoder, tile size and scales; None: the key that was trained on.
        types_key
            Composition of spots, when the model was trained with types.
        n_retrieved
            Training spots to name for each spot, of methods that retrieve; 0 for none.
        table_key
            Table of a SpatialData object.

        Returns
        -------
        AnnData spots x genes of the panel: ``X`` predicted expression (float32, in units of the target); ``obs`` of
        the input with ``image_novelty`` and ``out_of_distribution`` (novelty above 1: farther from training tiles
        than all but 1 % of these are from each other); ``var`` = `genes_`; ``obsm["spatial"]``; with retrieval
        ``obsm["retrieved"]`` (names of training spots) and ``obsm["retrieved_weight"]``; ``uns["histology"]``.

        Raises
        ------
        InputError
            When the model was not fitted or features do not fit it.
        """
        self._check_fitted()
        check_range(n_retrieved, "n_retrieved", low=0, integer=True)
        reading = Reading(None, library_key, feature_key or self.feature_key_, None, types_key, table_key)
        return predict_table(self, adata, reading, n_retrieved=n_retrieved)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a folder with ``weights.safetensors`` and ``config.json``; no pickle. An existing folder is replaced."""
        self._check_fitted()
        files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "auto") -> "Histology":
        """Read what `save` wrote."""
        return files.load(cls, path, device)

    def _check_fitted(self) -> None:
        if not hasattr(self, "fitted_"):
            raise fail("a fitted model", "one that was not", "Call fit(adatas) first, or Histology.load(path).")

    def __repr__(self) -> str:
        if not hasattr(self, "fitted_"):
            return f"Histology({self.method!r}: not fitted)"
        return f"Histology({self.method!r}: {len(self.genes_)} genes, {len(self.sections_)} sections)"
