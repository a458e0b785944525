"""``spotweave tile-features``."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from .._check import fail
from ._app import AS_IT_IS, Output, Reading, app, say

Images = Annotated[list[str] | None, Parameter(negative="", consume_multiple=True)]
Scales = Annotated[list[float] | None, Parameter(negative="", consume_multiple=True)]

_NAMED = 8  # libraries, a line each
_MANY = 0.5  # share of tiles without tissue that is worth a warning


@app.command
def tile_features(  # noqa: PLR0913 (options of the command line; all but one have defaults)
    source: Path,
    /,
    *,
    output: Output,
    image: Path | None = None,
    images: Images = None,
    encoder: str = "handcrafted",
    tile_um: float = 112.0,
    scales: Scales = None,
    um_per_px: float | None = None,
    library_key: str | None = None,
    image_key: str | None = None,
    weights: Path | None = None,
    download: bool = False,
    cache: bool = True,
    key_added: str = "X_image",
    batch_size: int = 64,
    device: str = "auto",
    reading: Reading = AS_IT_IS,
) -> None:
    """Describe the stained picture around each spot by a vector.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table; coordinates in full-resolution pixels.
    output
        .h5ad or .zarr to write; may be the input.
    image
        Picture: PNG, JPEG, TIFF, OME-TIFF, OME-Zarr, a SpatialData store, or a scanner's file. The pictures in the
        input when left out.
    images
        A picture for each library, as library=path; needs --library-key.
    encoder
        handcrafted (colour and texture), the name of a published network, timm:NAME, torchvision:NAME or
        hf-hub:ORG/NAME.
    tile_um
        Side of a tile in micrometres.
    scales
        Multiples of it, ascending; those of the encoder when left out.
    um_per_px
        Micrometres per full-resolution pixel; what the file says, or the distance of spots, when left out.
    library_key
        obs column of the slide; each has a picture of its own.
    image_key
        Which picture of a SpatialData store.
    weights
        File or folder with the weights of the network; the local Hugging Face cache when left out.
    download
        Download the weights when they are not there.
    cache
        Keep features in the cache folder, and take from there what is done already.
    key_added
        Name of the result in obsm and uns.
    batch_size
        Spots at a time.
    device
        auto, cpu, cuda, cuda:1 or mps.
    """
    from .. import io, pp
    from .._whole import check_target

    check_target(output, ".h5ad", ".zarr")
    chosen = _images(image, images)
    adata = reading(source)
    start = time.perf_counter()
    pp.tile_features(
        adata,
        chosen,
        encoder=encoder,
        tile_um=tile_um,
        scales=scales,
        um_per_px=um_per_px,
        library_key=library_key,
        image_key=image_key,
        weights=weights,
        download=download,
        cache_dir="auto" if cache else None,
        key_added=key_added,
        batch_size=batch_size,
        device=device,
    )
    seconds = time.perf_counter() - start
    io.write(adata, output)
    n, d = adata.obsm[key_added].shape
    say(f"{d:,} features of {n:,} spots by {encoder} in {seconds:.1f} s -> {output}")
    for line in summary(adata.uns[key_added]):
        say(line)


def summary(result: Mapping[str, Any]) -> list[str]:
    """What the run says of itself, for readers who will not open the file."""
    sides = ", ".join(f"{result['tile_um'] * scale:g}" for scale in result["scales"])
    libraries = result["libraries"]
    lines = [f"tiles of {sides} um; {result['cached']:,} of {libraries['n'].sum():,} spots from the cache"]
    for name, row in libraries.iloc[:_NAMED].iterrows():
        label = "" if name == row["image"] else f"{name}: "
        scale = f"{row['um_per_px']:.4g} um per pixel ({row['scale_from']})"
        lines.append(f"{label}{row['image']}, {scale}, {row['ok']:.1%} of {row['n']:,} tiles wholly inside")
        if row["glass"] > _MANY:
            lines.append(
                f"note: {row['glass']:.0%} of these tiles show no tissue: are the coordinates of this picture?"
            )
    if len(libraries) > _NAMED:
        lines.append(f"and {len(libraries) - _NAMED} more libraries")
    return lines


def _images(image: Path | None, images: Sequence[str] | None) -> Path | dict[str, str] | None:
    """The one picture, or those by library."""
    if image is not None and images:
        raise fail("either --image or --images", "both")
    if not images:
        return image
    found = {}
    for item in images:
        name, equals, path = item.partition("=")
        if not (name and equals and path):
            raise fail("--images library=path", repr(item))
        if name in found:
            raise fail("each library once in --images", repr(name))
        found[name] = path
    return found
