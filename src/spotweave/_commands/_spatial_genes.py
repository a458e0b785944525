"""``spotweave spatial-genes``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ._app import AS_IT_IS, Output, Reading, app, say

if TYPE_CHECKING:
    import pandas as pd

N_NAMED = 8
LEVEL = 0.05


@app.command
def spatial_genes(
    source: Path,
    /,
    *,
    output: Output,
    layer: str | None = None,
    spatial_key: str = "spatial",
    library_key: str | None = None,
    graph_key: str | None = None,
    autocorrelation: bool = True,
    key_added: str = "svg",
    reading: Reading = AS_IT_IS,
) -> None:
    """Find the genes whose expression varies in space.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    output
        .h5ad or .zarr to write; may be the input.
    layer
        Layer of the raw counts; "counts" when there, else X.
    spatial_key
        Coordinates in obsm.
    library_key
        obs column of the slide; patterns are looked for within slides.
    graph_key
        Graph in obsp for Moran's I and Geary's C, instead of 6 nearest neighbours.
    autocorrelation
        Write Moran's I and Geary's C too.
    key_added
        Prefix of the columns in var, and name in uns.
    """
    from .. import io, tl
    from .._whole import check_target

    check_target(output, ".h5ad", ".zarr")
    adata = reading(source)
    start = time.perf_counter()
    tl.spatial_genes(
        adata,
        layer=layer,
        spatial_key=spatial_key,
        library_key=library_key,
        graph_key=graph_key,
        autocorrelation=autocorrelation,
        key_added=key_added,
    )
    seconds = time.perf_counter() - start
    io.write(adata, output)
    for line in _summary(adata.var, key_added, f"in {seconds:.1f} s -> {output}"):
        say(line)


def _summary(var: "pd.DataFrame", prefix: str, rest: str) -> list[str]:
    """How many genes were found, and the surest of them."""
    found = var[var[f"{prefix}_qvalue"] < LEVEL].sort_values(f"{prefix}_statistic", ascending=False)
    lines = [f"{len(found):,} of {len(var):,} genes vary in space (q < {LEVEL:g}) {rest}"]
    if len(found):
        lines.append(f"surest: {', '.join(map(str, found.index[:N_NAMED]))}")
    return lines
