"""``spotweave find-pattern``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from .._check import fail
from ._app import AS_IT_IS, Output, Reading, app, say

if TYPE_CHECKING:
    import pandas as pd

Categories = Annotated[list[str] | None, Parameter(name=["--category"], negative="")]
N_NAMED = 8
LEVEL = 0.05


@app.command
def find_pattern(
    source: Path,
    /,
    *,
    output: Output,
    key: str | None = None,
    category: Categories = None,
    gene: str | None = None,
    layer: str | None = None,
    spatial_key: str = "spatial",
    library_key: str | None = None,
    alternative: Literal["greater", "less", "two-sided"] = "greater",
    reading: Reading = AS_IT_IS,
) -> None:
    """Rank genes by how well they follow a region, weights, or another gene.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    output
        .csv to write.
    key
        obs column: weights or a mask, or with --category labels.
    category
        The cells of this category of the column against all others; may be repeated.
    gene
        Look for genes like this one, instead of --key.
    layer
        Layer of the raw counts; "counts" when there, else X.
    spatial_key
        Coordinates in obsm.
    library_key
        obs column of the slide; only what varies within slides counts.
    alternative
        greater: expression rises with the pattern; less: falls; two-sided: either.
    """
    from .. import tl
    from .._whole import check_target, write_whole

    check_target(output, ".csv")
    pattern = _pattern(key, category, gene)
    adata = reading(source)
    if gene is not None and gene not in adata.var_names:
        raise fail(f"gene {gene!r} in var_names", f"names like {adata.var_names[0]!r}")
    start = time.perf_counter()
    table = tl.find_pattern(
        adata,
        pattern,
        layer=layer,
        spatial_key=spatial_key,
        library_key=library_key,
        alternative=alternative,
    )
    seconds = time.perf_counter() - start
    write_whole(output, table.to_csv(index=False).encode())
    for line in _summary(table, f"in {seconds:.1f} s -> {output}"):
        say(line)


def _pattern(key: str | None, category: list[str] | None, gene: str | None) -> Any:
    if (key is None) == (gene is None) or (category and key is None):
        raise fail("--key, with or without --category, or --gene", f"--key {key}, --category {category}, --gene {gene}")
    return gene if key is None else {key: category} if category else key


def _summary(table: "pd.DataFrame", rest: str) -> list[str]:
    """How many genes follow the pattern, and the best of them."""
    flat, like = ((table[name] < LEVEL) for name in ("q", "q_pattern"))
    lines = [
        f"{flat.sum():,} of {len(table):,} genes follow the pattern (q < {LEVEL:g}), "
        f"{(flat & like).sum():,} of them better than patterns as smooth {rest}"
    ]
    best = table["gene"][table["match"] > 0]
    return [*lines, f"best: {', '.join(map(str, best[:N_NAMED]))}"] if len(best) else lines
