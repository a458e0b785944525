"""Features kept on disk: one folder for each image, tile geometry and encoder."""

import hashlib
import json
import logging
import os
import shutil
import uuid
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from .._check import fail
from ._identity import ONCE
from ._lock import take_lock

logger = logging.getLogger("spotweave")


def tile_key(
    *,
    image: str,
    encoder: str,
    tile_um: float,
    tile_px: int,
    scales: Sequence[float],
    mpp: float,
    centres: np.ndarray,
    **more: Any,
) -> dict[str, Any]:
    """Build the key of a cache entry: everything that decides the features.

    Parameters
    ----------
    image
        Fingerprint of the image.
    encoder
        `Encoder.identity`.
    tile_um, tile_px, scales
        Side of a tile in micrometres and pixels, and the multiples of the side.
    mpp
        Micrometres per pixel of the image.
    centres
        Centres of the tiles ``[n, 2]``; only a digest is kept.
    **more
        Further options that decide the features (stain, border), in types of JSON.

    Returns
    -------
    The key, in types of JSON.
    """
    points = np.ascontiguousarray(centres, dtype="<f8")
    digest = hashlib.sha256(f"{points.shape}".encode() + points.tobytes()).hexdigest()[:32]
    geometry = {"tile_um": float(tile_um), "tile_px": int(tile_px), "scales": [float(s) for s in scales]}
    return {**more, "image": image, "encoder": encoder, **geometry, "mpp": float(mpp), "centres": digest}


class FeatureCache:
    """Rows of features that survive the process, to be filled batch by batch.

    A folder ``<folder>/<digest of the key>`` holds ``key.json``, ``features.npy`` (float32 ``[n, d]``), ``done.npy``
    (bool ``[n]``) and ``lock``. The features of a batch are on disk before its rows are marked as done, so that a
    process may be killed at any time. An entry that does not read well is made anew, with a warning.

    Only one process at a time writes an entry: it holds ``lock`` (a lock of the operating system, which dies with the
    process; the file names it). Another one that comes meanwhile reads the entry if it is full; if not, it says so and
    works in memory, without the cache. The same happens, in silence, when `folder` is None or the encoder has an
    identity for once.

    Parameters
    ----------
    folder
        Folder of all entries, None to keep nothing.
    key
        What decides the features, in types of JSON (`tile_key`).
    n_rows
        Number of tiles.

    Examples
    --------
    >>> with FeatureCache(None, {}, 3) as cache:
    ...     cache.write(cache.missing(), np.ones((3, 2)))
    ...     cache.read().shape
    (3, 2)
    """

    def __init__(self, folder: str | Path | None, key: Mapping[str, Any], n_rows: int) -> None:
        self._done: np.ndarray = np.zeros(n_rows, dtype=bool)
        self._values: np.ndarray | None = None
        self._unlock: weakref.finalize[..., Any] | None = None
        self.entry: Path | None = None
        if folder is not None and n_rows and ONCE not in str(key.get("encoder", "")):
            self._open(Path(folder).expanduser(), key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def missing(self) -> np.ndarray:
        """Row numbers that are not there yet, ascending."""
        return np.flatnonzero(~self._done)

    def write(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Keep the features ``[len(rows), d]`` of some rows."""
        values = np.asarray(values, dtype=np.float32)
        if values.ndim != 2 or len(values) != len(rows):
            raise fail(f"features of shape [{len(rows)}, d]", f"shape {list(values.shape)}")
        if self._values is None:
            self._values = self._make(values.shape[1])
        elif self._values.shape[1] != values.shape[1]:
            raise fail(f"{self._values.shape[1]} features a row, as before", f"{values.shape[1]}")
        self._values[rows] = values
        _flush(self._values)
        self._done[rows] = True
        _flush(self._done)

    def read(self) -> np.ndarray:
        """All features ``[n, d]``, a copy in memory."""
        lacking = len(self.missing())
        if lacking:
            raise fail("features of every row", f"{lacking} of {len(self._done)} rows not written")
        return np.empty((0, 0), np.float32) if self._values is None else np.array(self._values)

    def close(self) -> None:
        """Let go of the files and the lock; what was written stays."""
        self._values = None if self.entry is not None else self._values
        self._done = np.array(self._done)
        if self._unlock is not None:
            self._unlock()

    def _open(self, folder: Path, key: Mapping[str, Any]) -> None:
        text = json.dumps(dict(key), sort_keys=True, indent=1)
        entry = folder / hashlib.sha256(text.encode()).hexdigest()[:24]
        try:
            entry.mkdir(parents=True, exist_ok=True)
            lock = take_lock(entry / "lock")
            if lock is None:
                self._read_only(entry, text)
            else:
                self._unlock = weakref.finalize(self, os.close, lock)  # also when the caller forgets to close
                self._fill(entry, text)
        except OSError as error:  # no permission, a full disk
            logger.warning("No features are kept in %s: %s", entry, error)
            self._without_disk()

    def _read_only(self, entry: Path, text: str) -> None:
        try:
            done, values = _load(entry, text, len(self._done), mode="r")
        except (OSError, ValueError, EOFError):
            done, values = self._done, None
        if done.all():
            self._done, self._values = done, values
        else:
            logger.warning("%s is being written by another process; this one works without the cache", entry)

    def _fill(self, entry: Path, text: str) -> None:
        self.entry = entry
        if (entry / "key.json").exists():
            try:
                self._done, self._values = _load(entry, text, len(self._done), mode="r+")
            except (OSError, ValueError, EOFError) as error:
                logger.warning("The cached features in %s are damaged and made anew: %s", entry, error)
            else:
                return
        _clear(entry)  # also what a process left that was killed before its entry was whole
        self._done = _new_array(entry / "done.npy", bool, self._done.shape)
        _write_whole(entry / "key.json", text.encode())

    def _make(self, n_features: int) -> np.ndarray:
        shape = (len(self._done), n_features)
        if self.entry is not None:
            try:
                return _new_array(self.entry / "features.npy", np.float32, shape)
            except OSError as error:
                logger.warning("No features are kept in %s: %s", self.entry, error)
                self._without_disk()
        return np.empty(shape, dtype=np.float32)

    def _without_disk(self) -> None:
        self.close()
        self.entry, self._done = None, np.zeros(len(self._done), dtype=bool)


def _load(entry: Path, text: str, n_rows: int, *, mode: Literal["r", "r+"]) -> tuple[np.ndarray, np.ndarray | None]:
    """Open ``done`` and ``features`` of an earlier process; raise when they do not fit together."""
    if (entry / "key.json").read_text() != text:
        raise ValueError("another key")
    done = _mapped(entry / "done.npy", mode)
    if done.shape != (n_rows,) or done.dtype != bool:
        raise ValueError(f"done.npy of {done.dtype} {done.shape}")
    if not (entry / "features.npy").exists():
        if done.any():
            raise ValueError("no features.npy")
        return done, None
    values = _mapped(entry / "features.npy", mode)
    if values.ndim != 2 or len(values) != n_rows or values.dtype != np.float32:
        raise ValueError(f"features.npy of {values.dtype} {values.shape}")
    return done, values


def _mapped(path: Path, mode: Literal["r", "r+"]) -> np.ndarray:
    values = np.load(path, mmap_mode="r")  # raises when the file is cut short, where "r+" would fill it up
    return values if mode == "r" else np.load(path, mmap_mode=mode)


def _new_array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    """Make a file of zeros, whole or not at all, and map it into memory."""
    beside = path.with_name("new")
    blank = np.lib.format.open_memmap(beside, mode="w+", dtype=dtype, shape=shape)
    del blank
    if hasattr(os, "posix_fallocate"):  # a full disk is an error here, and the end of the process later
        with beside.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, beside.stat().st_size)
    beside.replace(path)
    return np.load(path, mmap_mode="r+")


def _flush(values: np.ndarray) -> None:
    if isinstance(values, np.memmap):
        values.flush()


def _write_whole(path: Path, content: bytes) -> None:
    beside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    beside.write_bytes(content)
    beside.replace(path)


def _clear(entry: Path) -> None:
    for path in entry.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
