"""``spotweave map-cells``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ._app import AS_IT_IS, Output, Reading, Seed, app, say

if TYPE_CHECKING:
    from anndata import AnnData

    from ..tl import CellMap


@app.command
def map_cells(
    source: Path,
    reference: Path,
    /,
    *,
    output: Output,
    attributes: str | None = None,
    labels_key: str | None = None,
    n_candidates: int = 100,
    n_genes: int = 400,
    layer: str | None = None,
    reference_layer: str | None = None,
    max_reference: int = 10_000,
    rng: Seed = 0,
    reading: Reading = AS_IT_IS,
) -> None:
    """Map the cells of a reference to spots, and carry over what is known of them.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    reference
        Counts of single cells, in any of these forms.
    output
        .h5ad or .zarr: the spots with obsm["mapped_NAME"] for each attribute; .npz: the map, cells x spots.
    attributes
        Columns of obs, keys of obsm or genes of the reference, with commas between.
    labels_key
        obs column of cell types in the reference; else groups are found.
    n_candidates
        Cells that each spot may be made of.
    n_genes
        Genes to learn from, at most.
    layer
        Layer of the raw counts; "counts" when there, else X.
    reference_layer
        The same in the reference.
    max_reference
        Cells of the reference to use at most, drawn at random.
    rng
        Seed.
    """
    from .. import tl
    from .._check import fail
    from .._whole import check_target

    check_target(output, ".h5ad", ".zarr", ".npz")
    if attributes is None and output.suffix != ".npz":
        raise fail("--attributes to write with the spots", "none", "Or write the map itself: -o map.npz")
    adata, cells = reading(source), reading(reference)
    start = time.perf_counter()
    found = tl.map_cells(
        adata,
        cells,
        attributes=None if attributes is None else [name.strip() for name in attributes.split(",")],
        labels_key=labels_key,
        n_candidates=n_candidates,
        n_genes=n_genes,
        layer=layer,
        reference_layer=reference_layer,
        max_reference=max_reference,
        rng=rng,
    )
    seconds = time.perf_counter() - start
    _write(adata, found, output)
    say(f"{found.report['n_reference']:,} cells mapped to {adata.n_obs:,} spots in {seconds:.1f} s -> {output}")
    say(f"shared genes: {found.report['n_shared']:,} (names: {found.report['matched']})")
    say(f"entropy of where a cell lies, as a part of everywhere alike: {found.report['entropy']:.2f}")


def _write(adata: "AnnData", found: "CellMap", output: Path) -> None:
    """Write the map, or the spots with what it projects."""
    if output.suffix == ".npz":
        from io import BytesIO

        import scipy.sparse as sp

        from .._whole import write_whole

        stream = BytesIO()
        sp.save_npz(stream, found.weights)
        write_whole(output, stream.getvalue())
        return
    from .. import io

    for name, table in found.projected.items():
        adata.obsm[f"mapped_{name}"] = table
    io.write(adata, output)
