"""``spotweave deconvolve``."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ._app import AS_IT_IS, Output, Reading, Seed, Settings, app, say, settings_of

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 8  # types in a line


@app.command
def deconvolve(  # noqa: PLR0913 (options of the command line; all but two have defaults)
    source: Path,
    reference: Path,
    /,
    *,
    output: Output,
    labels_key: str,
    method: Literal["nb", "combined", "mapping", "poisson", "nnls"] = "nb",
    unknown: bool = False,
    smoothness: float = 0.0,
    n_genes: int | None = None,
    layer: str | None = None,
    reference_layer: str | None = None,
    min_cells: int = 2,
    max_cells: int = 1_000,
    spatial_key: str = "spatial",
    library_key: str | None = None,
    graph_key: str | None = None,
    key_added: str = "proportions",
    rng: Seed = 0,
    param: Settings = None,
    reading: Reading = AS_IT_IS,
) -> None:
    """Find the shares of cell types in each spot, from cells with known types.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    reference
        Counts of single cells, in any of these forms; .h5ad or .zarr for the sake of their types.
    output
        .h5ad or .zarr to write; may be the input.
    labels_key
        obs column of the reference with the type of each cell.
    method
        nb (negative binomial regression), mapping (cells mapped to spots), combined (their mean), or the rivals poisson
        and nnls.
    unknown
        Learn one more profile, for cells that the reference lacks (nb only).
    smoothness
        How much the neighbours of a spot count: 0 not at all, 1 as much as its own counts (nb only).
    n_genes
        Most informative genes to use; 2,000 when left out (nb only).
    layer
        Layer of the raw counts; "counts" when there, else X.
    reference_layer
        The same in the reference.
    min_cells
        Cells that each type must have.
    max_cells
        Cells of each type to use at most, drawn at random.
    spatial_key
        Coordinates in obsm, for smoothness.
    library_key
        obs column of the slide; no neighbour is on another slide.
    graph_key
        Graph in obsp instead of 6 nearest neighbours.
    key_added
        Name of the result in obsm.
    rng
        Seed.
    param
        Further setting of nb, as name=value, such as size-exponent=1; may be repeated.
    """
    from .. import _keys as keys
    from .. import io, tl
    from .._whole import check_target

    check_target(output, ".h5ad", ".zarr")
    adata, cells = reading(source), reading(reference)
    settings = settings_of(param or []) | ({} if n_genes is None else {"n_genes": n_genes})
    start = time.perf_counter()
    tl.deconvolve(
        adata,
        cells,
        labels_key=labels_key,
        method=method,
        unknown=unknown,
        smoothness=smoothness,
        layer=layer,
        reference_layer=reference_layer,
        min_cells=min_cells,
        max_cells=max_cells,
        spatial_key=spatial_key,
        library_key=library_key,
        graph_key=graph_key,
        key_added=key_added,
        rng=rng,
        **settings,
    )
    seconds = time.perf_counter() - start
    io.write(adata, output)
    result = adata.uns[keys.DECONVOLVE if key_added == keys.PROPORTIONS else key_added]
    n_types = len(result["types"])
    say(f"{n_types:,} types in {adata.n_obs:,} spots by {method} in {seconds:.1f} s -> {output}")
    for line in summary(result, adata.obsm[key_added]):
        say(line)


def summary(result: Mapping[str, Any], shares: "pd.DataFrame") -> list[str]:
    """What the run says of itself, for readers who will not open the file."""
    mean = shares.drop(columns="unknown", errors="ignore").mean().sort_values(ascending=False, kind="stable")
    named = ", ".join(f"{name} {share:.1%}" for name, share in mean.iloc[:_NAMED].items())
    rest = f", and {len(mean) - _NAMED} more" if len(mean) > _NAMED else ""
    lines = [
        f"shared genes: {result['n_shared']:,} (names: {result['matched']}), {result['n_reference']:,} reference cells",
        f"mean shares: {named}{rest}",
    ]
    if "unknown" in shares:
        lines.append(f"not in the reference: {shares['unknown'].mean():.1%}")
    lines += _confused(result["types"])
    if "background" in result:
        lines.append(f"counts that belong to no type: {result['background']:.1%}")
    if not result.get("converged", True):
        lines.append("the weights had not converged")
    return lines


def _confused(types: "pd.DataFrame") -> list[str]:
    """Pairs whose parts cannot be told, the worst first."""
    if "correlation" not in types:
        return []
    from ..core.deconvolution.confusion import confused_pairs

    pairs = confused_pairs(types.index, types["confused_with"], types["correlation"])
    if not pairs:
        return ["all types can be told apart"]
    return [f"hard to tell apart: {', '.join(map(' and '.join, pairs))}"]
