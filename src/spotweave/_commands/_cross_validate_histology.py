"""``spotweave cross-validate-histology``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from .._check import fail
from ._app import AS_IT_IS, Output, Reading, Seed, Settings, app, say, settings_of
from ._fit_histology import Group, Target
from ._histology_input import gene_names, read_tables

if TYPE_CHECKING:
    import pandas as pd

Methods = Annotated[list[str] | None, Parameter(negative="", consume_multiple=True)]

METHODS = ("network", "programs", "ridge", "knn")
SHOWN = ["pearson", "lower", "upper", "margin_depth", "spearman", "r2", "pearson_heg", "n_predictable"]


@app.command
def cross_validate_histology(  # noqa: PLR0913 (options of the command line; all but one have defaults)
    *sources: Path,
    output: Output,
    group_key: Group = "patient",
    library_key: str | None = None,
    split: Literal["group", "section"] = "group",
    methods: Methods = None,
    genes: str | None = None,
    n_top: int = 1_000,
    target: Target = "log_normalized",
    feature_key: str = "X_image",
    layer: str | None = None,
    types_key: str | None = None,
    n_neighs: int = 8,
    n_boot: int = 2_000,
    rng: Seed = 0,
    device: str = "auto",
    param: Settings = None,
    reading: Reading = AS_IT_IS,
) -> None:
    """Leave each patient out in turn and score expression predicted from images, beside what needs no image.

    Parameters
    ----------
    sources
        .h5ad or .zarr with counts and the features that tile-features writes; one or several. Without --library-key
        each is one section.
    output
        Folder for genes.csv, sections.csv and summary.csv; made when it is not there.
    group_key
        obs column of the patient; --no-group-key: each section stands for itself.
    library_key
        obs column of the section, for tables that hold several.
    split
        group leaves a patient out; section leaves a section out and may train on its siblings, as much published work
        does.
    methods
        Out of network, programs, ridge, knn, bleep and mclstexp; the first four when left out. The training mean
        and an oracle of depth are always there.
    genes
        Genes to predict: a file with one a line, or names with commas between; else the n_top most variable of each
        fold's training sections.
    n_top
        Size of the panel that is chosen.
    target
        What is predicted; the legacy ones only reproduce published figures.
    feature_key
        Features in obsm.
    layer
        Layer of the raw counts; "counts" when there, else X.
    types_key
        Composition of spots, in obsm or obs, that the network may use.
    n_neighs
        Spatial neighbours that make the surroundings of a tile.
    n_boot
        Draws of the bootstrap.
    rng
        Seed.
    device
        auto, cpu, cuda, cuda:1 or mps.
    param
        Further setting of the network, as name=value, such as n-steps=300; may be repeated.
    """
    from .. import tl
    from .._whole import write_whole

    _check_folder(output)
    settings = settings_of(param or [])
    params = tl.Histology("network", **settings).params if settings else None
    tables = read_tables(sources, reading, feature_key)
    start = time.perf_counter()
    scores = tl.cross_validate_histology(
        tables,
        group_key=group_key,
        library_key=library_key,
        split=split,
        methods=_methods(methods),
        genes=gene_names(genes),
        n_top=n_top,
        target=target,
        feature_key=feature_key,
        layer=layer,
        types_key=types_key,
        params=params,
        n_neighs=n_neighs,
        n_boot=n_boot,
        rng=rng,
        device=device,
    )
    seconds = time.perf_counter() - start
    output.mkdir(exist_ok=True)
    write_whole(output / "genes.csv", scores.genes.to_csv(index=False).encode())
    write_whole(output / "sections.csv", scores.sections.to_csv(index=False).encode())
    write_whole(output / "summary.csv", scores.summary.to_csv().encode())
    folds, n = len(scores.report["folds"]), scores.sections["section"].nunique()
    say(f"{n:,} sections, {folds:,} {split}s left out in turn, in {seconds:.1f} s -> {output}")
    for line in summary(scores.summary, scores.report["interval_over"]):
        say(line)
    for note in scores.report["notes"]:
        say(f"note: {note}")


def summary(table: "pd.DataFrame", interval_over: str) -> list[str]:
    """The table, and how to read it."""
    return [
        *table[SHOWN].to_string(float_format="{:.3f}".format).splitlines(),
        f"lower, upper: 95 % bootstrap interval of the mean over sections, drawn by {interval_over}; depth is an "
        "oracle that knows the counts of each test spot",
    ]


def _methods(given: list[str] | None) -> list[Any]:
    """Methods, with spaces or commas between; `tl.Histology` checks them."""
    return list(METHODS) if given is None else [name for text in given for name in text.split(",") if name]


def _check_folder(output: Path) -> None:
    """Raise before the work if tables cannot be written there."""
    if not output.parent.is_dir():
        raise fail(f"a folder {output.parent} to write into", "none", "Make it first.")
    if output.exists() and not output.is_dir():
        raise fail(f"a folder or nothing at {output}", "a file", "Choose another name.")
