"""Part of the demonstration: two slices with a batch effect, laid over each other, with domains in common."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import KDTree

from . import _keys as keys

if TYPE_CHECKING:
    from anndata import AnnData

SLICE, N_SPOTS = "slice", 1_000
_TRUTH, _APART, _TOGETHER = "domain_true", "domain_as_measured", "domain"
_N_DOMAINS = 5
_EFFECT = 0.5  # standard deviation of the log factor by which a slice sees a gene


def bring_together(*, rng: int) -> "AnnData":
    """Simulate two slices, turned and with a batch effect; align, integrate, and find domains before and after."""
    from . import datasets, tl

    adata = datasets.simulate_tissue(
        N_SPOTS, n_genes=300, n_domains=_N_DOMAINS, layout="blobs", n_slices=2, batch_effect=_EFFECT, rng=rng
    )
    quick: dict[str, Any] = {"method": "smooth", "library_key": SLICE, "rng": rng}
    tl.domains(adata, _N_DOMAINS, key_added=_APART, **quick)
    tl.align(adata, library_key=SLICE, rng=rng)
    tl.integrate(adata, library_key=SLICE, rng=rng)
    tl.domains(adata, _N_DOMAINS, use_rep=keys.embedding(keys.INTEGRATED), key_added=_TOGETHER, **quick)
    return adata


def in_common(adata: "AnnData") -> list[str]:
    """Say how far domains of both slices at once are the true ones, and how far spots lie from their true places."""
    from . import metrics

    ari = {name: metrics.ari(adata.obs[_TRUTH], adata.obs[name]) for name in (_APART, _TOGETHER)}
    said = adata.uns[keys.integrate(keys.INTEGRATED)]
    start, placed = (off_place(adata, key) for key in (keys.SPATIAL, keys.ALIGNED))
    return [
        "two slices with a batch effect: agreement of domains of both at once with the true ones (ARI)",
        f"  as measured {ari[_APART]:.3f}",
        f"  integrated  {ari[_TOGETHER]:.3f}   mixing of the slices (0 to 1): "
        f"{said['ilisi_before']:.2f} before, {said['ilisi_after']:.2f} after",
        f"spots of the second slice lie {start:.1f} spot distances from their true places, aligned {placed:.1f} (median)",
    ]


def off_place(adata: "AnnData", key: str) -> float:
    """Median distance of the second slice's spots in ``obsm[key]`` from their true places on the first slice.

    In distances between neighbouring spots. The truth is that of the simulation: how each slice was turned and moved.
    """
    xy, slices = np.asarray(adata.obsm[keys.SPATIAL]), adata.obs[SLICE].cat.codes.to_numpy()
    first, second = np.asarray(adata.uns[keys.SIMULATION]["transforms"])[:2]  # from the anatomy to each slice
    moved = np.column_stack([xy[slices == 1], np.ones((slices == 1).sum())])
    true = (moved @ (first @ np.linalg.inv(second)).T)[:, :2]
    spacing = np.median(KDTree(xy[slices == 0]).query(xy[slices == 0], k=2)[0][:, 1])
    return float(np.median(np.linalg.norm(np.asarray(adata.obsm[key])[slices == 1] - true, axis=1)) / spacing)
