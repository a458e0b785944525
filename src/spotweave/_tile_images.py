"""Which picture belongs to which library: where `spotweave.pp.tile_features` cuts tiles from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import _keys as keys
from ._check import InputError, check_range, fail, listing
from ._slides import open_slide

PICTURES = ("hires", "lowres")
"""Names in ``uns["spatial"][library]["images"]``, the finer first."""

Libraries = Mapping[str | None, np.ndarray]
"""Row numbers by name; the name is None where there is one library without a name."""


class Source(NamedTuple):
    """Where the picture of a library is to be had; nothing is opened yet."""

    image: Any
    image_key: str | None = None
    name: str | None = None
    """What to call it, instead of the file's name."""
    factor: float = 1.0
    """Pixels of the picture in one unit of the coordinates."""
    scalefactors: Mapping[str, Any] = {}
    """What ``uns["spatial"]`` says of this library."""


def find_sources(
    data: Any, adata: Any, image: Any, libraries: Libraries, image_key: str | Mapping[str, str] | None
) -> list[Source]:
    """Find the picture of each library; raise where one is missing or belongs to none.

    Parameters
    ----------
    data
        What the caller passed: an AnnData, or a SpatialData object that may hold pictures.
    adata
        Its table.
    image
        One picture, pictures by library, or None for those that come with the data.
    libraries
        Row numbers by library.
    image_key
        Which picture of a SpatialData object or store; one, or by library.

    Returns
    -------
    One source for each library.
    """
    stored = _stored(adata)
    factors = [_entry(stored, name, len(libraries)).get("scalefactors", {}) for name in libraries]
    if image is None and not _holds_pictures(data):
        return [_from_uns(stored, name, len(libraries)) for name in libraries]
    image = data if image is None else image
    if isinstance(image, Mapping) and "scale0" not in image:  # a picture of several scales is a mapping too
        found = _by_library(image, libraries, image_key)
    elif len(libraries) > 1 and not _holds_pictures(image):
        raise fail(f"a dict {{library: image}} for {len(libraries)} libraries", f"one {type(image).__name__}")
    else:
        found = [Source(image, _key_of(image, name, image_key, len(libraries))) for name in libraries]
    for source in found:
        if isinstance(source.image, str | Path) and not Path(source.image).expanduser().exists():
            open_slide(source.image)  # raises: now, and not after hours with the pictures before
    return [source._replace(scalefactors=f) for source, f in zip(found, factors, strict=True)]


def _holds_pictures(thing: Any) -> bool:
    """Whether it is a SpatialData object with pictures."""
    return isinstance(getattr(thing, "images", None), Mapping) and bool(thing.images)


def _stored(adata: Any) -> Mapping[str, Any]:
    stored = adata.uns.get(keys.SPATIAL, {})
    return stored if isinstance(stored, Mapping) else {}


def _entry(stored: Mapping[str, Any], name: str | None, n: int) -> Mapping[str, Any]:
    """What ``uns["spatial"]`` says of a library; its only entry where there is but one library."""
    if name not in stored and len(stored) == n == 1:
        name = next(iter(stored))
    entry = stored.get(name, {}) if name is not None else {}
    return entry if isinstance(entry, Mapping) else {}


def _from_uns(stored: Mapping[str, Any], name: str | None, n: int) -> Source:
    """The picture of a library in scanpy's Visium layout, the finer one."""
    entry = _entry(stored, name, n)
    pictures, factors = entry.get("images", {}), entry.get("scalefactors", {})
    size = next((size for size in PICTURES if size in pictures), None)
    if size is None:
        raise _no_picture(stored, name)
    factor = factors.get(f"tissue_{size}_scalef")
    if factor is None:
        raise fail(f"tissue_{size}_scalef beside the {size} picture in adata.uns['spatial']", listing(factors))
    check_range(float(factor), f"tissue_{size}_scalef", low=1e-6)
    label = f"the {size} picture{f' of {name!r}' if name else ''} in adata.uns['spatial']"
    return Source(pictures[size], None, label, float(factor), factors)


def _no_picture(stored: Mapping[str, Any], name: str | None) -> InputError:
    if name is None and len(stored) > 1:
        return fail("`library_key`, the column of adata.obs that says which picture a spot lies on", listing(stored))
    whose = "a picture" if name is None else f"a picture of library {name!r}"
    found = f"libraries {listing(stored)}" if stored else "nothing"
    return fail(f"{whose} in adata.uns['spatial']", found, "Pass image=PATH, or image={library: PATH}.")


def _by_library(
    images: Mapping[Any, Any], libraries: Libraries, image_key: str | Mapping[str, str] | None
) -> list[Source]:
    if None in libraries:
        raise fail("`library_key`, the column of adata.obs that names the libraries of `image`", "None")
    by_name = {str(name): image for name, image in images.items()}
    check_known(by_name, libraries, "image")
    missing = [name for name in libraries if by_name.get(str(name)) is None]
    if missing:
        raise fail("an image for every library", f"none for {listing(missing)}", "Drop their rows or add images.")
    chosen = [_key_of(by_name[str(name)], name, image_key, 1) for name in libraries]
    return [Source(by_name[str(name)], key) for name, key in zip(libraries, chosen, strict=True)]


def check_known(given: Mapping[str, Any], libraries: Libraries, argument: str) -> None:
    names = [str(name) for name in libraries if name is not None]
    unknown = sorted(set(given) - set(names))
    if unknown:
        known = f"libraries {listing(names)}" if names else "no `library_key`"
        raise fail(f"libraries of adata.obs in `{argument}`", listing(unknown), f"There are {known}.")


def _key_of(image: Any, name: str | None, image_key: str | Mapping[str, str] | None, n: int) -> str | None:
    """Which picture of a SpatialData object is that of a library: as told, else the one of its name."""
    if isinstance(image_key, Mapping):
        return image_key.get(str(name))
    if image_key is not None or not _holds_pictures(image):
        if image_key is not None and n > 1:
            raise fail(f"`image_key` as a dict {{library: picture}} for {n} libraries", repr(image_key))
        return image_key
    known = [str(key) for key in image.images]
    if name is None or name in known or n == 1:
        return name if name in known else None
    raise fail(f"a picture of library {name!r}", f"pictures {listing(known)}", "Pass image_key={library: picture}.")
