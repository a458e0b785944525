"""Expression from a stained image: learn it on sections that were measured, predict it for slides that were not."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .._check import check_choice, check_range, fail, listing
from ..core.histology.folds import inner_folds
from ..core.histology.novelty import Novelty, learn_novelty
from ..core.histology.panel import choose_panel
from ..core.histology.targets import TARGETS, expression_target
from ..core.histology.tissue import make_tissue
from ..core.train import resolve_device
from ..models.histology_methods import fit_method, settings_of
from ..models.histology_params import HistologyParams
from ..models.histology_training import Fitted, Training
from . import _histology_files as files
from ._histology_genes import gene_table
from ._histology_predict import predict_table
from ._sections import Reading, Section, codes_of, common_genes, read_sections, stack_types

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
          and over alike spots (GR2ST), drawn together by a contrastive loss; predicts programs of expression by a head,
          by retrieval of training spots and by a linear map, weighted by what each was worth on inner folds
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
        Settings of the network: an object, or single fields by name.
    n_neighs
        Spatial neighbours that make the surroundings of a tile.
    rng
        Seed or generator. The same seed gives the same model on one machine, on any number of threads.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``.
    progress
        Show bars; None: the setting.

    Attributes
    ----------
    genes_ : DataFrame
        Index: genes of the panel. ``mean`` in training; ``held_out_pearson`` and ``held_out_r2`` on training spots
        whose patient (section, strip: see `inner_kind_`) was left out; ``p``, ``q`` of a test that prediction follows
        truth beyond what depth explains of both; ``predictable``: q < 0.05. Of other genes the image tells nothing that
        could be shown, and they are predicted near their mean.
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
        self.genes = None if genes is None else list(dict.fromkeys(genes))
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
            section stands for itself.
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
        self.fit_sections(read_sections(adatas, reading), feature_key)
        self.features_ = files.features_note(adatas, feature_key)
        return self

    def fit_sections(self, sections: "Sequence[Section]", feature_key: str = "X_image") -> "Histology":
        """Learn from sections that were read already."""
        rng = np.random.default_rng(self.rng)
        genes = self._panel(sections)
        raw = np.concatenate([section.features for section in sections])
        codes = codes_of(sections)
        tissue = make_tissue(raw, codes, np.concatenate([section.xy for section in sections]), n_neighs=self.n_neighs)
        group = pd.factorize(np.array([section.group for section in sections]))[0][codes]
        inner = inner_folds(codes, group, tissue.xy)
        training = Training(tissue, self._target(sections, genes, codes), inner.fold, stack_types(sections))
        with threadpool_limits(1, user_api="blas"):
            fitted = fit_method(
                self.method, training, self.params, rng=rng, device=resolve_device(self.device), progress=self.progress
            )
            self.novelty_: Novelty = learn_novelty(tissue.features, raw, codes, inner.fold, rng)
            self.genes_ = gene_table(genes, training, fitted, np.concatenate([s.totals for s in sections]), rng)
        self.fitted_: Fitted = fitted
        self.chosen_, self.inner_kind_, self.feature_key_ = fitted.chosen, inner.kind, feature_key
        self.sections_ = [section.name for section in sections]
        self.groups_ = [section.group for section in sections]
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
            Features of tiles; None: the key that was trained on. They must come from the same encoder, tile size and
            scales.
        types_key
            Composition of spots, when the model was trained with types.
        n_retrieved
            Training spots to name for each spot, of methods that retrieve.
        table_key
            Name of the table in a SpatialData object.

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

    def config(self) -> dict[str, Any]:
        """Return the arguments that the model was made with, except `rng`, `device` and `progress`."""
        params = None if self.params is None else asdict(self.params)
        return {
            "method": self.method,
            "genes": self.genes,
            "n_top": self.n_top,
            "target": self.target,
            "n_neighs": self.n_neighs,
            "params": params,
        }

    def _panel(self, sections: "Sequence[Section]") -> list[str]:
        """Return the genes to predict, in the order of the tables."""
        shared = common_genes(sections)
        if self.genes is None:
            counts = [section.panel(list(shared)) for section in sections]
            chosen = choose_panel(counts, [section.totals for section in sections], n_top=self.n_top).indices
            return [str(gene) for gene in shared[np.sort(chosen)]]
        missing = [gene for gene in self.genes if gene not in shared]
        if missing or not self.genes:
            raise fail("genes that all training sections have", listing(missing) if missing else "no gene")
        return self.genes

    def _target(self, sections: "Sequence[Section]", genes: list[str], codes: np.ndarray) -> Any:
        import scipy.sparse as sp

        counts = sp.vstack([section.panel(genes) for section in sections], format="csr")
        totals = np.concatenate([section.totals for section in sections])
        return expression_target(counts, totals, kind=self.target, section=codes)

    def _check_fitted(self) -> None:
        if not hasattr(self, "fitted_"):
            raise fail("a fitted model", "one that was not", "Call fit(adatas) first, or Histology.load(path).")

    def __repr__(self) -> str:
        state = (
            f"{len(self.genes_)} genes, {len(self.sections_)} sections" if hasattr(self, "fitted_") else "not fitted"
        )
        return f"Histology({self.method!r}: {state})"
