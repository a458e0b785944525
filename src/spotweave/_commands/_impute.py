"""``spotweave impute``."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter

from ._app import AS_IT_IS, Output, Reading, Seed, app, say

Interval = Annotated[float | None, Parameter(negative_none="no-")]


@app.command
def impute(  # noqa: PLR0913 (options of the command line; all but one have defaults)
    source: Path,
    reference: Path,
    /,
    *,
    output: Output,
    genes: str | None = None,
    method: Literal[
        "combined", "gene_kernel", "factor", "ridge", "neighbors", "mixture", "principal_vectors", "mapping", "mean"
    ] = "combined",
    n_folds: int = 5,
    interval: Interval = 0.9,
    layer: str | None = None,
    reference_layer: str | None = None,
    spatial_key: str = "spatial",
    library_key: str | None = None,
    graph_key: str | None = None,
    max_reference: int = 20_000,
    rng: Seed = 0,
    reading: Reading = AS_IT_IS,
) -> None:
    """Predict the counts of genes that a panel lacks, from a reference that has them.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    reference
        Counts with all genes: single cells or another section, in any of these forms.
    output
        .h5ad or .zarr to write: cells x predicted genes.
    genes
        Predict these genes only, with commas between; else all of the reference that are not in the panel.
    method
        combined (five routes, weighed by held-out genes), one of them, or a rival.
    n_folds
        Parts of the panel that are held out in turn.
    interval
        Share of cells that the interval of a gene is to cover; none with --no-interval.
    layer
        Layer of the raw counts; "counts" when there, else X.
    reference_layer
        The same in the reference.
    spatial_key
        Coordinates in obsm.
    library_key
        obs column of the slide; no neighbour is on another slide.
    graph_key
        Graph in obsp instead of 6 nearest neighbours.
    max_reference
        Cells of the reference to use at most, drawn at random.
    rng
        Seed.
    """
    from .. import io, tl
    from .._whole import check_target

    check_target(output, ".h5ad", ".zarr")
    adata, cells = reading(source), reading(reference)
    start = time.perf_counter()
    imputed = tl.impute(
        adata,
        cells,
        genes=None if genes is None else [name.strip() for name in genes.split(",")],
        method=method,
        n_folds=n_folds,
        interval=interval,
        layer=layer,
        reference_layer=reference_layer,
        spatial_key=spatial_key,
        library_key=library_key,
        graph_key=graph_key,
        max_reference=max_reference,
        rng=rng,
    )
    seconds = time.perf_counter() - start
    io.write(imputed, output)
    say(f"{imputed.n_vars:,} genes of {imputed.n_obs:,} cells predicted by {method} in {seconds:.1f} s -> {output}")
    for line in _summary(imputed.uns["impute"]):
        say(line)


def _summary(result: Mapping[str, Any]) -> list[str]:
    """What the run says of itself, for readers who will not open the file."""
    found = result["held_out"]["residual_r"].to_numpy(float)
    covered = ", ".join(f"{share:.1%} at {float(level):.0%}" for level, share in result["coverage"].items())
    lines = [
        f"shared genes: {result['n_shared']:,} (names: {result['matched']}), {result['n_reference']:,} reference cells",
        f"correlation of held-out genes beyond depth: median {np.nanmedian(found):.3f}, "
        f"above 0 for {np.mean(found > 0):.0%}",
        f"cells inside the intervals of held-out genes: {covered}",
        _false_patterns(result["false_patterns"]),
    ]
    if not result["converged"]:
        lines.append("the weights had not converged")
    return [*lines, f"note: {result['note']}"]


def _false_patterns(found: Mapping[str, Any]) -> str:
    n_flat, n_patterned = int(found["n_flat"]), int(found["n_patterned"])
    if not n_flat:
        return "false patterns: no held-out gene is flat"
    return f"false patterns: in {n_patterned:,} of {n_flat:,} held-out genes whose counts show none"
