"""``spotweave align``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .. import _keys as keys
from ._app import AS_IT_IS, Output, Reading, Seed, Settings, app, say, settings_of

if TYPE_CHECKING:
    import pandas as pd


@app.command
def align(  # noqa: PLR0913 (options of the command line; all but two have defaults)
    source: Path,
    /,
    *,
    output: Output,
    library_key: str,
    reference: str | None = None,
    method: Literal["search", "fgw"] = "search",
    use_rep: str | None = None,
    warp: bool = False,
    allow_reflection: bool = False,
    scale: bool = False,
    layer: str | None = None,
    spatial_key: str = "spatial",
    key_added: str = "spatial_aligned",
    rng: Seed = 0,
    param: Settings = None,
    picture: Path | None = None,
    reading: Reading = AS_IT_IS,
) -> None:
    """Lay the slices of a tissue over each other.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    output
        .h5ad or .zarr to write; may be the input.
    library_key
        obs column of the slice.
    reference
        Slice that keeps its coordinates; the first when left out.
    method
        search (all rotations and shifts), or fgw (transport, as PASTE; needs POT).
    use_rep
        Embedding of obsm that slices share, instead of components of the counts.
    warp
        Bend slices smoothly, where held-out tissue says that it helps.
    allow_reflection
        Let slices be mirrored.
    scale
        Fit one scale for each slice.
    layer
        Layer of the raw counts; "counts" when there, else X.
    spatial_key
        Coordinates in obsm.
    key_added
        Where the places go in obsm.
    rng
        Seed.
    param
        Further setting, as name=value; may be repeated.
    picture
        Also draw the slices before and after, as this PNG file.
    """
    from .. import io, tl
    from .._whole import check_target, write_whole

    check_target(output, ".h5ad", ".zarr")
    if picture is not None:
        check_target(picture, ".png")
    adata = reading(source)
    start = time.perf_counter()
    tl.align(
        adata,
        library_key=library_key,
        reference=reference,
        method=method,
        use_rep=use_rep,
        warp=warp,
        allow_reflection=allow_reflection,
        scale=scale,
        layer=layer,
        spatial_key=spatial_key,
        key_added=key_added,
        rng=rng,
        **settings_of(param or []),
    )
    seconds = time.perf_counter() - start
    if picture is not None:
        from .. import pl
        from ..pl._figure import to_png

        write_whole(picture, to_png(pl.aligned(adata, key=key_added)))
    io.write(adata, output)
    report = adata.uns[keys.align(key_added)]
    say(f"{len(report['slices'])} slices in the frame of {report['reference']} in {seconds:.1f} s -> {output}")
    for name, row in report["fit"].iterrows():
        if name != report["reference"]:
            say(_line(str(name), row))


def _line(name: str, row: "pd.Series") -> str:
    """How one slice lies."""
    turned = f"turned by {row['rotation']:.1f} degrees" + (", mirrored" if row["mirrored"] else "")
    agreement = f"agreement {row['agreement_before']:.2f} -> {row['agreement']:.2f}, overlap {row['overlap']:.0%}"
    return f"{name}: {turned}, {agreement}" + (f" ({row['warning']})" if row["warning"] else "")
