"""The methods of `deconvolve`, on arrays: counts of spots and of labelled cells in, shares of types out."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..core.deconvolution import rivals
from ..core.deconvolution.confusion import Confusion, confusion
from ..core.deconvolution.mapping import map_proportions
from ..core.deconvolution.nb import nb, to_shares
from ..core.imputation.pair import sizes


class Found(NamedTuple):
    """What every method gives."""

    shares: np.ndarray
    """``[n, t]``, or ``[n, t + 1]`` with the unknown last; rows sum to 1."""
    sd: np.ndarray | None = None
    """Standard deviations of the shares."""
    confusion: Confusion | None = None
    """How well types are told apart."""
    report: Mapping[str, Any] = {}
    """More for ``uns``."""


Method = Callable[..., Found]
"""``(X, R, labels, n_types, *, graph, smoothness, unknown, params, rng)``."""


def _nb(X: sp.csr_matrix, R: sp.csr_matrix, labels: np.ndarray, n_types: int, **options: Any) -> Found:
    fit = nb(X, R, labels, n_types, **options)
    report = {
        "n_used": len(fit.used),
        "platform_sd": fit.platform_sd,
        "background": float(fit.background.mean()),
        "converged": fit.converged,
    }
    return Found(fit.shares, fit.sd, confusion(fit.information), report)


def _mapping(
    X: sp.csr_matrix, R: sp.csr_matrix, labels: np.ndarray, n_types: int, *, rng: np.random.Generator, **_: Any
) -> Found:
    P = map_proportions(X, R, labels, n_types, rng=rng)
    return Found(to_shares(P * (sizes(X) > 0)[:, None]))  # spots without counts get the mean, as with the others


def _poisson(X: sp.csr_matrix, R: sp.csr_matrix, labels: np.ndarray, n_types: int, **_: Any) -> Found:
    return Found(to_shares(rivals.poisson(X, R, labels, n_types)))


def _nnls(X: sp.csr_matrix, R: sp.csr_matrix, labels: np.ndarray, n_types: int, **_: Any) -> Found:
    return Found(to_shares(rivals.nnls(X, R, labels, n_types)))


def _combined(
    X: sp.csr_matrix, R: sp.csr_matrix, labels: np.ndarray, n_types: int, *, rng: np.random.Generator, **options: Any
) -> Found:
    """Mean of both; what the regression says is unknown stays so."""
    found = _nb(X, R, labels, n_types, rng=rng, **options)
    mapped = _mapping(X, R, labels, n_types, rng=rng).shares
    unknown = found.shares[:, n_types:]
    mapped = np.hstack([mapped * (1 - unknown.sum(axis=1, keepdims=True)), unknown])
    return found._replace(shares=(found.shares + mapped) / 2)


METHODS: dict[str, Method] = {"nb": _nb, "combined": _combined, "mapping": _mapping, "poisson": _poisson, "nnls": _nnls}
