"""Methods of other packages as rows of the denoising benchmark: each in an environment of its own."""

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import scipy.sparse as sp

from ._denoise_rivals import Predict
from ._process import cause

SCRIPTS = Path(__file__).parent / "_peers"
VARIABLES = {"magic": "SPOTWEAVE_PEER_MAGIC", "scvi": "SPOTWEAVE_PEER_SCVI"}
PACKAGES = {"magic": "magic-impute", "scvi": "scvi-tools"}


def missing(peer: str) -> str | None:
    """Say why a peer cannot be run; None when it can."""
    variable = VARIABLES[peer]
    python = os.environ.get(variable)
    if not python:
        return f"{variable} is not set (path of a Python that has {PACKAGES[peer]})"
    return None if Path(python).is_file() else f"{variable}: no file {python}"


def run_peer(peer: str, A: sp.csr_matrix, xy: np.ndarray, seed: int) -> tuple[Predict, dict[str, float]]:
    """Run a method of another package on counts ``[n, g]`` and coordinates ``[n, 2]``.

    Returns
    -------
    Expected counts by rows, and what replaces the costs measured in this process.

    Raises
    ------
    RuntimeError
        With the last line that the other Python wrote, when it fails.
    """
    with TemporaryDirectory(prefix="spotweave-peer-") as folder:
        given, result, costs, log = (Path(folder, name) for name in ("in.npz", "out.npy", "costs.json", "log.txt"))
        np.savez(given, data=A.data, indices=A.indices, indptr=A.indptr, shape=A.shape, xy=xy, seed=seed)
        # -I: neither the modules of this Python nor the scripts, named like the packages they import, are seen there
        files = (SCRIPTS / "_main.py", SCRIPTS / f"{peer}.py", given, result, costs)
        command = [os.environ[VARIABLES[peer]], "-I", *map(str, files)]
        with log.open("wb") as stream:
            status = subprocess.run(command, cwd=folder, stdout=stream, stderr=stream, check=False).returncode
        if status:
            raise RuntimeError(f"{peer}: {cause(status, log)}")
        means = np.load(result, mmap_mode="r")  # the map outlives the file's name
        taken = json.loads(costs.read_text(encoding="utf-8"))
    return (lambda rows: np.asarray(means[rows])), {**taken, "wall_s": taken["fit_s"], "cpu_s": taken["fit_cpu_s"]}
