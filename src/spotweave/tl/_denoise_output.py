"""What `denoise` gives back and writes."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .. import _keys as keys
from .._table import write
from ._denoise_methods import DenoiseFit
from ._expected import Expected

if TYPE_CHECKING:
    from anndata import AnnData

WARNING = (
    "Denoised values borrow from other cells and genes: tests on them, between groups or for spatial patterns, are not "
    "valid. Test the counts."
)


class Denoised(NamedTuple):
    """What ``tl.denoise(..., copy=True)`` returns."""

    mean: pd.DataFrame
    """Expected counts, cells x genes."""
    sd: pd.DataFrame | None
    """Their standard deviations."""
    genes: pd.DataFrame
    """What ``varm[key_added]`` would hold, for the genes asked for."""
    embedding: np.ndarray
    """[n, d]."""
    probability: np.ndarray | None
    """Soft assignment of the cells [n, k]."""
    report: dict[str, Any]
    """What ``uns[key_added]`` would hold."""


def report(
    fit: DenoiseFit, scores: tuple[np.ndarray, np.ndarray], judged: sp.csr_matrix, settings: Any
) -> dict[str, Any]:
    """Statements for ``uns``: mean deviances are over genes with an unseen molecule."""
    seen = np.asarray(judged.sum(axis=0)).ravel() > 0
    ours, plain = (float(part[seen].mean()) if seen.any() else float("nan") for part in scores)
    return {
        "scale": "expected counts at each cell's own depth",
        "likelihood": settings.network.likelihood if hasattr(settings, "network") else "poisson",
        "deviance": ours,
        "deviance_mean": plain,
        "converged": fit.converged,
        "warning": WARNING,
        **fit.extras,
    }


def result(
    adata: "AnnData",
    found: Expected,
    scores: tuple[np.ndarray, np.ndarray],
    fit: DenoiseFit,
    said: dict[str, Any],
    chosen: np.ndarray,
) -> Denoised:
    """Put names to the numbers."""
    names = adata.var_names[chosen]
    frame = lambda values: pd.DataFrame(values, index=adata.obs_names, columns=names, copy=False)
    table = found.table.assign(deviance=scores[0][chosen], deviance_mean=scores[1][chosen]).set_axis(names)
    probability = None if fit.probability is None else fit.probability.astype(np.float32)
    sd = None if found.sd is None else frame(found.sd)
    return Denoised(frame(found.mean), sd, table, fit.embedding.astype(np.float32), probability, said)


def write_result(adata: "AnnData", done: Denoised, chosen: np.ndarray, key: str, *, whole: bool) -> None:
    """Write everything, and take away what an earlier run left in slots that this one does not fill."""
    method = done.report["method"]
    table = pd.DataFrame(np.nan, index=adata.var_names, columns=done.genes.columns)
    table.iloc[chosen] = done.genes.to_numpy()  # by position: names of genes may repeat
    slot, other = ("layers", "obsm") if whole else ("obsm", "layers")
    stored = lambda frame: frame.to_numpy() if whole else frame
    results: dict[tuple[str, str], Any] = {
        (slot, key): stored(done.mean),
        ("varm", key): table,
        ("obsm", keys.embedding(method)): done.embedding,
        ("uns", key): done.report,
    }
    if done.sd is not None:
        results["layers" if whole else "obsm", keys.deviation(key)] = stored(done.sd)
    if done.probability is not None:
        results["obsm", keys.probability(method)] = done.probability
    write(adata, results)
    for stale in [name for name in (key, keys.deviation(key)) if name in getattr(adata, other)]:
        del getattr(adata, other)[stale]
    if done.sd is None and keys.deviation(key) in getattr(adata, slot):
        del getattr(adata, slot)[keys.deviation(key)]
    if done.probability is None and keys.probability(method) in adata.obsm:
        del adata.obsm[keys.probability(method)]
