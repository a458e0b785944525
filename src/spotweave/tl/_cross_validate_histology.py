"""What expression from images is worth on patients that were not seen, beside what needs no image at all."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd

from .._check import check_choice, check_range, fail, listing
from .._table import get_table
from .._table import params as run_params
from ..core.histology.folds import leave_one_out
from ..models.histology_params import HistologyParams
from ._cross_validate_folds import DEPTH, MEAN, Fold, score_fold
from ._cross_validate_scores import HistologyScores, Scored, summarise
from ._histology import Histology, MethodName
from ._histology_files import features_note
from ._sections import Reading, Section, common_genes, read_sections

if TYPE_CHECKING:
    from anndata import AnnData

KNOWN = "Scores hold for new sections of patients that were trained on: they say nothing about a new patient."
LEGACY = "The truth is scaled as in published work, and follows the depth of spots: see the row 'depth'."


def cross_validate_histology(  # noqa: PLR0913 (a protocol is its parameters)
    adatas: "AnnData | Sequence[AnnData] | Mapping[str, AnnData]",
    *,
    group_key: str | None = "patient",
    library_key: str | None = None,
    split: Literal["group", "section"] = "group",
    methods: "Sequence[MethodName]" = ("network", "programs", "ridge", "knn"),
    genes: Sequence[str] | None = None,
    n_top: int = 1_000,
    target: str = "log_normalized",
    feature_key: str = "X_image",
    layer: str | None = None,
    types_key: str | None = None,
    params: HistologyParams | Mapping[str, HistologyParams] | None = None,
    n_neighs: int = 8,
    n_boot: int = 2_000,
    keep_predictions: bool = False,
    table_key: str = "table",
    rng: int | np.random.Generator = 0,
    device: str = "auto",
    progress: bool | None = None,
) -> HistologyScores:
    """Leave each patient out in turn, predict his sections from their images, and score every gene.

    Panel, scalers, settings and evidence for genes come from the training sections of a fold alone; of a test section
    only image features and coordinates are used, its counts as truth. Two rows are always in the table, for a
    correlation means nothing without them:

    - ``"mean"``: the training mean of each gene everywhere. Its correlation is 0 by definition, and `r2` of any row
      compares with it.
    - ``"depth"``: an oracle, which no image can know: each gene on a line in the log of the *true* total counts of the
      spot, ``m + b (log(1 + t) - mean of log(1 + t) in the section)``, m and b (within sections) from training.
      What follows the number of cells, or how well a spot worked, is in it; it is a yardstick and not a bound. With
      ``target="legacy_gene_scaled"`` it beats published models.

    Parameters
    ----------
    adatas
        A table, several, or several by name. Without `library_key` each table is one section.
    group_key
        Column of ``obs`` with the patient (or mouse). None: each section stands for itself; only for sections of as many
        patients.
    library_key
        Column of ``obs`` with the section, for tables that hold several.
    split
        ``"group"`` holds out a patient. ``"section"`` holds out a section and trains on the patient's others, as much
        published work has it: it warns, because siblings resemble each other.
    methods
        Methods of `Histology`.
    genes
        Genes to predict. None: in each fold the `n_top` that vary most within its training sections; a list that was
        chosen on these sections knows the test patients. Genes that a test section lacks are not scored there.
    n_top
        Size of the panel that is chosen when `genes` is None.
    target
        What is predicted, as in `Histology`. The truth is normalised by the counts of *all* genes of the test section;
        legacy kinds only reproduce published numbers.
    feature_key, layer, types_key
        Image features, raw counts, composition of spots, as in `Histology.fit`. Types must come from images too: those
        that were deconvolved from a test section's counts tell of these counts.
    params
        Settings of ``"network"``, or of networks by method.
    n_neighs
        Spatial neighbours that make the surroundings of a tile.
    n_boot
        Draws of the bootstrap: patients, then sections within them; sections where there is one patient.
    keep_predictions
        Keep the predictions of all methods and sections.
    table_key
        Name of the table in SpatialData objects.
    rng
        Seed or generator. Each fold has a seed of its own, the same for all methods: adding a method changes no other.
    device, progress
        As in `Histology`.

    Returns
    -------
    HistologyScores.

    Raises
    ------
    InputError
        When there is one patient only (or one section), or features, counts, groups or genes do not fit.

    Examples
    --------
    >>> import spotweave as sw
    >>> cohort = sw.datasets.simulate_cohort(3, n_sections=1, n_obs=60, n_genes=40, image=False)
    >>> cohort.obsm["X_image"] = cohort.obsm["proportions_true"].to_numpy()  # pp.tile_features makes real ones
    >>> scores = sw.tl.cross_validate_histology(cohort, library_key="section", methods=["ridge"], n_top=20)
    >>> list(scores.summary.index)
    ['ridge', 'mean', 'depth']
    """
    check_choice(split, ["group", "section"], "split")
    check_range(n_boot, "n_boot", low=1, integer=True)
    rows = list(dict.fromkeys([*([methods] if isinstance(methods, str) else methods), MEAN, DEPTH]))
    settings = _settings(params, rows)
    seed = _seed(rng)

    def make(method: str, panel: Sequence[str] | None, fold: int = 0) -> Histology:
        return Histology(
            cast("MethodName", method),
            genes=panel,
            n_top=n_top,
            target=target,
            params=settings.get(method),
            n_neighs=n_neighs,
            rng=np.random.default_rng([seed, fold]),
            device=device,
            progress=progress,
        )

    for method in rows:  # wrong arguments are found before hours of work
        if method != DEPTH:
            make(method, genes)
    sections = _read(adatas, Reading(group_key, library_key, feature_key, layer, types_key, table_key))
    folds, notes = _folds(sections, split), _notes(sections, split, target)
    found: list[Scored] = []
    reports = []
    for fold in folds:
        scored, report = score_fold(partial(make, fold=fold.number), rows, genes, fold, keep=keep_predictions)
        found += scored
        reports.append(report)
    found.sort(key=lambda part: rows.index(part.section["method"]))
    table = pd.DataFrame([part.section for part in found])
    arguments = run_params(
        group_key=group_key,
        library_key=library_key,
        split=split,
        methods=rows,
        genes=genes,
        n_top=n_top,
        target=target,
        feature_key=feature_key,
        layer=layer,
        types_key=types_key,
        settings={method: asdict(value) for method, value in settings.items()},
        n_neighs=n_neighs,
        n_boot=n_boot,
        rng=seed,
    )
    one = group_key is None or table["group"].nunique() == 1
    return HistologyScores(
        pd.concat([part.genes for part in found], ignore_index=True),
        table,
        summarise(table, (MEAN, DEPTH), n_boot=n_boot, seed=seed),
        _predictions(found) if keep_predictions else None,
        {"params": arguments, "folds": reports, "interval_over": "section" if one else group_key, "notes": notes},
    )


def _settings(params: HistologyParams | Mapping[str, HistologyParams] | None, rows: list[str]) -> dict[str, Any]:
    """Settings by method."""
    found = {"network": params} if isinstance(params, HistologyParams) else dict(params or {})
    if unused := [method for method in found if method not in rows]:
        raise fail(f"`params` of methods out of {rows}", listing(unused), "Name the method in `methods` too.")
    return found


def _seed(rng: int | np.random.Generator) -> int:
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**62))
    check_range(rng, "rng", low=0, integer=True)
    return int(rng)


def _read(adatas: Any, reading: Reading) -> list[Section]:
    if isinstance(adatas, Mapping):
        tables: Any = {name: get_table(adata, reading.table_key) for name, adata in adatas.items()}
    elif isinstance(adatas, list | tuple):
        tables = [get_table(adata, reading.table_key) for adata in adatas]
    else:
        tables = get_table(adatas, reading.table_key)
    sections = read_sections(tables, reading)
    features_note(tables, reading.feature_key)  # one encoder and one geometry of tiles
    common_genes(sections)
    return sections


def _folds(sections: list[Section], split: str) -> list[Fold]:
    """Hold out each group, or each section, in turn."""
    labels = [section.group if split == "group" else section.name for section in sections]
    if len(set(labels)) < 2:
        another = "split='section' scores new sections of this patient; for a new patient, add tables of another."
        raise fail(
            f"at least 2 {split}s to hold out one",
            listing(set(labels)),
            another if len(sections) > 1 else "Add tables of another patient.",
        )
    return [
        Fold(
            number,
            left.name,
            [section for section, there in zip(sections, left.train, strict=True) if there],
            [section for section, there in zip(sections, left.test, strict=True) if there],
            known=split == "section",
        )
        for number, left in enumerate(leave_one_out(labels))
    ]


def _notes(sections: list[Section], split: str, target: str) -> list[str]:
    """Limits of what the scores say; siblings on both sides are also warned of."""
    sizes = Counter(section.group for section in sections)
    notes = []
    if split == "section" and (several := [group for group, size in sizes.items() if size > 1]):
        notes.append(f"`split='section'` trains and tests on patients {listing(several)}. {KNOWN}")
        warnings.warn(notes[0], UserWarning, stacklevel=3)
    return notes + ([LEGACY] if target.startswith("legacy_") else [])


def _predictions(found: list[Scored]) -> dict[tuple[str, str], pd.DataFrame]:
    return {
        (part.section["method"], part.section["section"]): part.predicted
        for part in found
        if part.predicted is not None
    }
