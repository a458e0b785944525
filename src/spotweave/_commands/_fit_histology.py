"""``spotweave fit-histology``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from .._check import fail
from ._app import AS_IT_IS, Output, Reading, Seed, Settings, app, say, settings_of
from ._histology_input import gene_names, read_tables

if TYPE_CHECKING:
    from ..tl import Histology

Group = Annotated[str | None, Parameter(negative_none="no-")]
Method = Literal["network", "programs", "ridge", "knn", "mean", "bleep", "mclstexp"]
Target = Literal["log_normalized", "log_counts", "legacy_spot_panel", "legacy_gene_scaled"]


@app.command
def fit_histology(  # noqa: PLR0913 (options of the command line; all but one have defaults)
    *sources: Path,
    output: Output,
    method: Method = "network",
    group_key: Group = "patient",
    library_key: str | None = None,
    genes: str | None = None,
    n_top: int = 1_000,
    target: Target = "log_normalized",
    feature_key: str = "X_image",
    layer: str | None = None,
    types_key: str | None = None,
    n_neighs: int = 8,
    rng: Seed = 0,
    device: str = "auto",
    param: Settings = None,
    reading: Reading = AS_IT_IS,
) -> None:
    """Learn to read expression from the picture of a stained section.

    Parameters
    ----------
    sources
        .h5ad or .zarr with counts and the features that tile-features writes; one or several. Without --library-key
        each is one section.
    output
        Folder to write the model to; a model that is there is replaced.
    method
        network (two towers, GR2ST), programs (closed form, quick), or the rivals ridge, knn, mean, bleep and mclstexp.
    group_key
        obs column of the patient, by which every choice is made; --no-group-key: each section stands for itself.
    library_key
        obs column of the section, for tables that hold several.
    genes
        Genes to predict: a file with one a line, or names with commas between; else the n_top most variable.
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
    rng
        Seed.
    device
        auto, cpu, cuda, cuda:1 or mps.
    param
        Further setting of the network, as name=value, such as n-steps=300; may be repeated.
    """
    from .. import tl

    _check_folder(output)
    names = gene_names(genes)
    model = tl.Histology(
        method,
        genes=names,
        n_top=n_top,
        target=target,
        n_neighs=n_neighs,
        rng=rng,
        device=device,
        **settings_of(param or []),
    )
    tables = read_tables(sources, reading, feature_key)
    start = time.perf_counter()
    model.fit(
        tables,
        group_key=group_key,
        library_key=library_key,
        feature_key=feature_key,
        layer=layer,
        types_key=types_key,
    )
    seconds = time.perf_counter() - start
    model.save(output)
    n, groups = len(model.sections_), len(set(model.groups_))
    say(
        f"{len(model.genes_):,} genes learned from {n:,} sections of {groups:,} groups by {method} in {seconds:.1f} s "
        f"-> {output}"
    )
    for line in summary(model):
        say(line)


def summary(model: "Histology") -> list[str]:
    """What the model says of itself, for readers who will not open the folder."""
    table = model.genes_
    lines = [
        f"correlation on spots whose {model.inner_kind_} was left out: mean {table['held_out_pearson'].mean():.3f}",
        f"predictable from the image: {int(table['predictable'].sum()):,} of {len(table):,} genes",
    ]
    if model.inner_kind_ != "group":
        lines.append("note: one patient only; these numbers say nothing about a new one")
    return lines


def _check_folder(output: Path) -> None:
    """Raise before the work if a model cannot be written there."""
    if not output.parent.is_dir():
        raise fail(f"a folder {output.parent} to write into", "none", "Make it first.")
    if output.exists() and not (output / "config.json").is_file():
        raise fail(f"a saved model or nothing at {output}", "something else", "Choose another name.")
