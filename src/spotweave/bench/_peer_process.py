"""A function of another package, run by a Python that has it."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ._process import cause

SCRIPTS = Path(__file__).parent / "_peers"


class Peer(NamedTuple):
    """Where another package is to be found."""

    variable: str
    """Of the environment: path of a Python that has it."""
    package: str


def missing(peer: Peer) -> str | None:
    """Say why a peer cannot be run; None when it can."""
    python = os.environ.get(peer.variable)
    if not python:
        return f"{peer.variable} is not set (path of a Python that has {peer.package})"
    return None if Path(python).is_file() else f"{peer.variable}: no file {python}"


def call(
    function: str, script: Path, peer: Peer, given: Mapping[str, np.ndarray | sp.csr_matrix | float | str]
) -> tuple[np.ndarray, Mapping[str, float]]:
    """Call ``function(**given)`` of a file `script` that lies beside ``_main.py``.

    Parameters
    ----------
    function
        Name.
    script
        File that imports the package.
    peer
        The Python that runs it.
    given
        Its arguments by name: arrays, CSR matrices, numbers and words.

    Returns
    -------
    The array that it returns, as a map of a file, and the costs measured there, imports not counted.

    Raises
    ------
    RuntimeError
        With the last line that the other Python wrote, when it fails.
    """
    with TemporaryDirectory(prefix="spotweave-peer-") as folder:
        written, result, costs, log = (Path(folder, name) for name in ("in.npz", "out.npy", "costs.json", "log.txt"))
        parts: dict[str, Any] = {
            key: value for name, argument in given.items() for key, value in _parts(name, argument)
        }
        np.savez(written, **parts)
        # -I: neither the modules of this Python nor the scripts, named like the packages they import, are seen there
        files = (script.parent / "_main.py", script, function, written, result, costs)
        command = [os.environ[peer.variable], "-I", *map(str, files)]
        with log.open("wb") as stream:
            status = subprocess.run(command, cwd=folder, stdout=stream, stderr=stream, check=False).returncode
        if status:
            raise RuntimeError(f"{script.stem}: {cause(status, log)}")
        found = np.load(result, mmap_mode="r")  # the map outlives the file's name
        taken = json.loads(costs.read_text(encoding="utf-8"))
    return found, {**taken, "wall_s": taken["fit_s"], "cpu_s": taken["fit_cpu_s"]}


def _parts(name: str, argument: Any) -> list[tuple[str, Any]]:
    """Arrays that make up an argument: a CSR matrix has four, their names with a dot."""
    if sp.issparse(argument):
        return [(f"{name}.{part}", getattr(argument, part)) for part in ("data", "indices", "indptr", "shape")]
    return [(name, argument)]
