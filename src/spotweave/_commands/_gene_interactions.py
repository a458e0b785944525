"""``spotweave gene-interactions``."""

import time
from pathlib import Path
from typing import Literal

from ._app import AS_IT_IS, Output, Reading, Seed, app, say

LEVEL = 0.05


@app.command
def gene_interactions(
    *sources: Path,
    output: Output,
    genes: str | None = None,
    condition_key: str | None = None,
    library_key: str | None = None,
    level: Literal["pair", "gene"] = "pair",
    n_genes: int = 1_000,
    n_top: int = 1_000,
    layer: str | None = None,
    spatial_key: str = "spatial",
    rng: Seed = 0,
    reading: Reading = AS_IT_IS,
) -> None:
    """Find pairs of genes that share a pattern, or whose relation differs between two conditions.

    Parameters
    ----------
    sources
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table; one or several.
    output
        .csv to write.
    genes
        Consider these genes only, with commas between; else those that vary in space.
    condition_key
        obs column with two conditions, one in each section.
    library_key
        obs column of the section.
    level
        pair, or gene (genes whose relations change).
    n_genes
        Most genes to consider.
    n_top
        Rows to write, those of least p.
    layer
        Layer of the raw counts; "counts" when there, else X.
    spatial_key
        Coordinates in obsm.
    rng
        Seed.
    """
    from .. import tl
    from .._check import fail
    from .._whole import check_target, write_whole

    if not sources:
        raise fail("at least one file", "none")
    check_target(output, ".csv")
    tables = [reading(source) for source in sources]
    start = time.perf_counter()
    table = tl.gene_interactions(
        tables,
        genes=None if genes is None else [name.strip() for name in genes.split(",")],
        condition_key=condition_key,
        library_key=library_key,
        level=level,
        n_genes=n_genes,
        n_top=n_top,
        layer=layer,
        spatial_key=spatial_key,
        rng=rng,
    )
    seconds = time.perf_counter() - start
    write_whole(output, table.to_csv(index=False).encode())
    sure, kind = int((table["q"] < LEVEL).sum()), f"{level}s"
    say(
        f"{sure:,} of the {len(table):,} {kind} written have q < {LEVEL:g}; {table.attrs['n_tested']:,} tested",
    )
    say(f"{table.attrs['n_genes']:,} genes of {table.attrs['n_sections']} sections in {seconds:.1f} s -> {output}")
    if table.attrs.get("warning"):
        say(f"note: {table.attrs['warning']}")
