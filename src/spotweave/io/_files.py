"""Find and open files so that each thing that can be wrong with them is one `InputError` naming the file."""

import gzip
import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from .._check import InputError, fail, listing

logger = logging.getLogger("spotweave")
DAMAGED = "The file seems damaged or incomplete: copy or download it again."
HDF5, GZIP, ZIP = b"\x89HDF\r\n\x1a\n", b"\x1f\x8b", b"PK\x03\x04"


@contextmanager
def one_error(expected: str, remedy: str = DAMAGED) -> Iterator[None]:
    """Turn whatever a reader or writer raises into one `InputError`, and keep its warnings quiet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise fail(expected, _reason(error), remedy) from error


def _reason(error: Exception) -> str:
    """First line of an error, and of the note in which anndata names the key it stumbled over."""
    lines = [str(error), *getattr(error, "__notes__", [])[:1]]
    firsts = [line.strip().splitlines()[0][:250].rstrip(" .:") for line in lines if line.strip()]
    return ": ".join([type(error).__name__, *firsts])


def check_path(path: str | os.PathLike[str], expected: str) -> Path:
    """Return the path with ``~`` resolved; raise unless something is there."""
    where = Path(path).expanduser()
    with one_error(f"{expected} at {where}", "Check the path."):
        there = where.exists()
    if not there:
        raise fail(f"{expected} at {where}", "no such file or folder", _nearby(where))
    return where


def _nearby(path: Path) -> str:
    """Name what lies in the folder where the path was expected."""
    if not path.parent.is_dir():
        return f"Check the path: there is no folder {path.parent}."
    beside = [name for name in names_in(path.parent) if not name.startswith(".")]
    return f"Check the path; beside it are {listing(beside)}." if beside else "Check the path: its folder is empty."


def check_folder(path: str | os.PathLike[str], expected: str) -> Path:
    """Return the path of an existing folder."""
    where = check_path(path, expected)
    if not where.is_dir():
        raise fail(f"{expected}: a folder at {where}", "a file", "Pass the folder, not a file in it.")
    return where


def check_file(path: str | os.PathLike[str], expected: str) -> Path:
    """Return the path of an existing, readable file that is not empty."""
    where = check_path(path, expected)
    if where.is_dir():
        raise fail(f"{expected}: a file at {where}", "a folder", "Pass or restore the file.")
    if where.stat().st_size == 0:
        raise fail(f"{expected} in {where}", "an empty file", DAMAGED)
    if not os.access(where, os.R_OK):
        raise fail(f"{expected} in {where}", "no permission to read it", "Change its permissions (chmod u+r).")
    return where


def names_in(folder: Path) -> list[str]:
    """List a folder by name."""
    with one_error(f"a readable folder {folder}", "Change its permissions."):
        return sorted(p.name for p in folder.iterdir())


def contents(folder: Path) -> str:
    """Say what is in a folder, for a message."""
    names = names_in(folder)
    return f"a folder with {listing(names)}" if names else "an empty folder"


def first_of(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first of these names that exists in the folder."""
    return next((folder / name for name in names if (folder / name).exists()), None)


def magic(path: Path) -> bytes:
    """Return the first eight bytes, which tell the format whatever the name says."""
    with one_error(f"a readable file at {path}", "Check its permissions."), path.open("rb") as stream:
        return stream.read(8)


def open_bytes(path: Path) -> IO[bytes]:
    """Open for reading, unpacking gzip where the content (not the name) says so."""
    return cast("IO[bytes]", gzip.open(path)) if magic(path).startswith(GZIP) else path.open("rb")


def first_lines(path: Path, n: int = 1) -> list[str]:
    """Return the first `n` lines of a text file, plain or gzip; raise when it is not text."""
    with one_error(f"a text table in {path}"), open_bytes(path) as stream:
        return [stream.readline(1 << 24).decode("utf-8").rstrip("\r\n") for _ in range(n)]
