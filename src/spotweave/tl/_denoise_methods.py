"""The methods of `denoise`, on arrays: split counts and a graph in, expected counts of any cells and genes out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..core.expression import principal_components, project
from ..core.gene_moments import Chunks, gene_moments, overdispersion
from ..core.loglinear import poisson_regressions
from ..core.poisson_factors import PoissonFactors, choose_rank, poisson_factors
from ..core.propagate import row_normalise
from ..core.shrinkage import Genes, Means
from ..models.gmm_vgae_params import GmmVgaeParams

if TYPE_CHECKING:
    from ..models.gmm_vgae_fit import GmmVgaeFit

INPUT_GENES = 2_000  # most variable genes that the encoder's principal components are made of
UNSEEN = 0.1  # counts that a gene without any is taken to have had: nothing is known to be impossible
REGRESSION_ROWS = 20_000  # cells that the loadings of genes outside the panel are learned on


@dataclass(frozen=True)
class Molecules:
    """Counts, and two parts of them that do not overlap."""

    X: sp.csr_matrix
    """All counts [n, g]."""
    train: sp.csr_matrix
    """Most of them."""
    held_out: sp.csr_matrix
    """Those that settings are chosen by."""
    ratio: float
    """Expected molecules held out for one in `train`."""


class DenoiseFit(NamedTuple):
    """What every method gives."""

    means: Means
    """Expected counts of cells and genes, learned from all counts."""
    means_train: Means
    """The same from ``Molecules.train``: what the guard and the scores are made with."""
    embedding: np.ndarray
    """[n, d]."""
    probability: np.ndarray | None
    """Soft assignment of the cells to components of the latent space [n, k]."""
    converged: bool
    sample: Callable[[np.random.Generator], Means] | None = None
    """Draws expected counts from the posterior of the latent space."""
    extras: dict[str, Any] = {}
    """More for ``uns``."""


@dataclass(frozen=True)
class FactorParams:
    """Settings of ``method="factor"``."""

    ranks: tuple[int, ...] = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)
    """Ranks to try, from small to large, until two in a row explain held-out molecules worse."""
    weight_smooth: float = 0.5
    """Weight of the spatially averaged factors beside the cell's own."""
    max_rows: int = 20_000
    """Cells that the profiles are learned on."""


@dataclass(frozen=True)
class GmmVgaeMethodParams:
    """Settings of ``method="gmm_vgae"``."""

    max_entries: int = 10_000_000
    """Cells x genes that the network is trained on: the most variable genes, at least `INPUT_GENES`. Other genes get
    their loadings by regression on the trained latent space."""
    restart: int = 600
    """After training on a part of the molecules, the same number of steps is done anew on all of them, when it was at
    most this many; small tissues need every molecule."""
    refit: float = 0.3
    """Else training goes on with all of them, for this share of the steps already done."""
    network: GmmVgaeParams = field(default_factory=GmmVgaeParams)
    """Settings of the network and its training."""


def factor(counts: Molecules, W: sp.csr_matrix, params: FactorParams, rng: np.random.Generator, **_: Any) -> DenoiseFit:
    """Factor the counts at the rank that predicts held-out molecules best, averaged with the neighbours' factors."""
    S = row_normalise(W).astype(np.float32)
    smooth = lambda H: (1 - params.weight_smooth) * H + params.weight_smooth * (S @ H) if W.nnz else H
    size, size_train = _sizes(counts.X), _sizes(counts.train)
    choice = choose_rank(counts.train, counts.held_out, size_train, counts.ratio, params.ranks, smooth=smooth, rng=rng)
    fits = [
        poisson_factors(X, s, choice.rank, rng=rng, max_rows=params.max_rows)
        for X, s in ((counts.train, size_train), (counts.X, size))
    ]
    means_train, means = (
        _factor_means(smooth(fit.weights), fit, s) for fit, s in zip(fits, (size_train, size), strict=True)
    )
    weights = smooth(fits[1].weights)
    share = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    extras = {"rank": choice.rank, "ranks": np.array(choice.ranks), "log_likelihood": np.array(choice.log_likelihood)}
    return DenoiseFit(means, means_train, weights, share, bool(fits[1].converged), extras=extras)


def _factor_means(weights: np.ndarray, fit: PoissonFactors, size: np.ndarray) -> Means:
    scaled = (weights * size[:, None]).astype(np.float32)
    return lambda rows, genes: scaled[rows] @ fit.profiles[:, genes]


def gmm_vgae(
    counts: Molecules,
    W: sp.csr_matrix,
    params: GmmVgaeMethodParams,
    rng: np.random.Generator,
    *,
    device: str = "auto",
    progress: bool | None = None,
) -> DenoiseFit:
    """Train the network on a panel of genes until held-out molecules say stop, go on with all molecules for a while."""
    from ..core.train import resolve_device
    from ..models.gmm_vgae_fit import HeldOut, Observed, fit_gmm_vgae

    size, size_train = _sizes(counts.X), _sizes(counts.train)
    n_panel = max(INPUT_GENES, params.max_entries // len(size))
    settings: dict[str, Any] = {"rng": rng, "device": resolve_device(device), "progress": progress}
    read, panel = input_genes(counts.train), input_genes(counts.train, n_panel)
    width = params.network.n_inputs
    components = principal_components(row_blocks(counts.train[:, read]), size_train, width, rng=rng)
    first = fit_gmm_vgae(
        Observed(components.scores, W, counts.train[:, panel], size_train),
        params.network,
        held_out=HeldOut(counts.held_out[:, panel], counts.ratio),
        **settings,
    )
    means_train = _Decoder(first, panel, counts.train, size_train, rng)
    n_steps = first.stopped.n_steps
    if n_steps <= params.restart:
        read, panel = input_genes(counts.X), input_genes(counts.X, n_panel)
        P = principal_components(row_blocks(counts.X[:, read]), size, width, rng=rng).scores
        model = None
    else:
        P, model = project(row_blocks(counts.X[:, read]), size, components), first.model
        n_steps = max(1, round(params.refit * n_steps))
    everything = Observed(P, W, counts.X[:, panel], size)
    last = fit_gmm_vgae(everything, params.network, start=model, n_steps=n_steps, **settings)
    means = _Decoder(last, panel, counts.X, size, rng)
    mixture = params.network.prior == "mixture"
    extras = {
        "n_panel": len(panel),
        "n_steps": first.stopped.n_steps,
        "history": {"held_out": first.stopped.score, "loss": first.stopped.loss},
    }
    return DenoiseFit(
        means.means,
        means_train.means,
        last.mean,
        last.responsibility if mixture else None,
        first.stopped.converged,
        means.sample,
        extras,
    )


class _Decoder:
    """Loadings of all genes: the network's for its panel, regressions on its latent space for the others."""

    def __init__(
        self, fit: "GmmVgaeFit", panel: np.ndarray, X: sp.csr_matrix, size: np.ndarray, rng: np.random.Generator
    ) -> None:
        n, g = X.shape
        self.fit, self.size = fit, size.astype(np.float32)
        self.loadings = np.zeros((fit.features.shape[1], g), np.float32)
        total = np.asarray(X.sum(axis=0), np.float64).ravel()
        self.intercept = np.log((total + UNSEEN) / max(size.sum(), 1.0)).astype(np.float32)
        self.loadings[:, panel], self.intercept[panel] = fit.loadings, fit.intercept
        self.linear = self.loadings.copy()  # of latent dimensions whose posterior variance the network has allowed for
        self.linear[fit.mean.shape[1] :] = 0
        rest = np.setdiff1d(np.flatnonzero(total), panel)
        if len(rest):
            rows = np.arange(n) if n <= REGRESSION_ROWS else np.sort(rng.choice(n, REGRESSION_ROWS, replace=False))
            other = poisson_regressions(X[rows][:, rest].tocsc(), size[rows], fit.features[rows], penalty=fit.penalty)
            self.loadings[:, rest], self.intercept[rest] = other.loadings, other.intercept

    def means(self, rows: np.ndarray | slice, genes: Genes) -> np.ndarray:
        """Expected counts at the posterior of the latent space."""
        spread = self.fit.variance[rows]
        curve = spread @ self.linear[: spread.shape[1], genes] ** 2 / 2  # E exp(wz) = exp(w m + w^2 v / 2)
        return self._counts(self.fit.features[rows], rows, genes, curve)

    def sample(self, rng: np.random.Generator) -> Means:
        """Expected counts at one draw of the latent space."""
        features = self._features(self.fit.mean + np.sqrt(self.fit.variance) * _normal(rng, self.fit.mean.shape))
        return lambda rows, genes: self._counts(features[rows], rows, genes, 0.0)

    def _counts(self, features: np.ndarray, rows: np.ndarray | slice, genes: Genes, curve: Any) -> np.ndarray:
        log_rate = np.minimum(features @ self.loadings[:, genes] + self.intercept[genes] + curve, 15.0)
        return self.size[rows][:, None] * np.exp(log_rate)

    def _features(self, z: np.ndarray) -> np.ndarray:
        import torch

        device = self.fit.model.loadings.device
        with torch.no_grad():
            return self.fit.model.features(torch.from_numpy(z).to(device)).cpu().numpy()


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def _sizes(X: sp.csr_matrix) -> np.ndarray:
    return np.asarray(X.sum(axis=1), np.float64).ravel()


def row_blocks(X: sp.csr_matrix, size: int = 4096) -> Chunks:
    """Passes over the rows of a matrix in memory."""
    return lambda: ((slice(i, min(i + size, X.shape[0])), X[i : i + size]) for i in range(0, X.shape[0], size))


def input_genes(X: sp.csr_matrix, n_genes: int = INPUT_GENES) -> np.ndarray:
    """Indices of the most variable genes."""
    moments = gene_moments(row_blocks(X))
    order = np.argsort(-overdispersion(moments), kind="stable")
    return np.sort(order[moments.total[order] > 0][:n_genes])


METHODS: dict[str, tuple[Any, Any]] = {
    "gmm_vgae": (gmm_vgae, GmmVgaeMethodParams()),
    "factor": (factor, FactorParams()),
}
"""Name -> function and default settings."""
