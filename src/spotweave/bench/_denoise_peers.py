"""Methods of other packages as rows of the denoising benchmark: each in an environment of its own."""

import numpy as np
import scipy.sparse as sp

from . import _peer_process as process
from ._denoise_rivals import Predict
from ._peer_process import SCRIPTS, Peer

VARIABLES = {"magic": "SPOTWEAVE_PEER_MAGIC", "scvi": "SPOTWEAVE_PEER_SCVI"}
PACKAGES = {"magic": "magic-impute", "scvi": "scvi-tools"}


def missing(peer: str) -> str | None:
    """Say why a peer cannot be run; None when it can."""
    return process.missing(_peer(peer))


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
    means, costs = process.call("denoise", SCRIPTS / f"{peer}.py", _peer(peer), {"X": A, "xy": xy, "seed": seed})
    return (lambda rows: np.asarray(means[rows])), dict(costs)


def _peer(name: str) -> Peer:
    return Peer(VARIABLES[name], PACKAGES[name])
