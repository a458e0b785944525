"""Files that appear whole or not at all: written beside the target, then renamed."""

import os
from pathlib import Path
from uuid import uuid4

from ._check import fail


def check_target(path: str | os.PathLike[str], *endings: str) -> Path:
    """Return `path` if a file can be written there; raise when its folder is missing, it is a folder, or ends wrongly."""
    target = Path(path).expanduser()
    if endings and target.suffix not in endings:
        raise fail(f"a path that ends in {' or '.join(endings)}", repr(str(target)))
    if not target.parent.is_dir():
        raise fail(f"a folder {target.parent} to write into", "none", "Make it first.")
    if not os.access(target.parent, os.W_OK):
        raise fail(f"a folder {target.parent} to write into", "no permission to write there")
    if target.is_dir() and target.suffix != ".zarr":
        raise fail(f"a file or nothing at {target}", "a folder", "Choose another name.")
    return target


def write_whole(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write a file of which nobody ever sees a part, and return its path."""
    target = check_target(path)
    beside = target.with_name(f".{target.name}.{uuid4().hex[:8]}.tmp")
    try:
        beside.write_bytes(data)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return target
