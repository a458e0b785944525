"""Training of `GmmVgae` on arrays: components, a graph and counts in, latent space and rates out."""

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from ..core.propagate import row_normalise
from ..core.train import Stop, Stopped, fit_until, seeded
from .gmm_vgae import GmmVgae, Rows
from .gmm_vgae_params import GmmVgaeParams

MIXTURE_ROWS = 10_000  # rows that the mixture is started from
HELD_OUT_ROWS = 5_000  # rows of held-out counts that training is judged by


class Observed(NamedTuple):
    """What the model learns from."""

    P: np.ndarray
    """Principal components [n, d] of the counts."""
    W: sp.csr_matrix
    """Symmetric graph [n, n]."""
    X: sp.csr_matrix
    """Counts of the panel [n, g]."""
    size: np.ndarray
    """Counts of each row over all genes [n]."""


class HeldOut(NamedTuple):
    """Molecules kept apart from `Observed`."""

    X: sp.csr_matrix
    """Counts of the panel [n, g]."""
    ratio: float
    """Expected held-out counts for one observed."""


class GmmVgaeFit(NamedTuple):
    """A trained model and what it says of every row."""

    mean: np.ndarray
    """Posterior means of the latent space [n, z], float32."""
    variance: np.ndarray
    """Posterior variances [n, z], float32."""
    responsibility: np.ndarray
    """Posterior of the mixture's components at the mean [n, k]; one column of ones without a mixture."""
    features: np.ndarray
    """What the loadings multiply [n, z + curved], float32."""
    loadings: np.ndarray
    """[z + curved, g], float32."""
    intercept: np.ndarray
    """[g]."""
    dispersion: np.ndarray
    """Learned with the negative binomial [g]."""
    penalty: float
    """Precision of the loadings' prior: what other genes' loadings have to be given too."""
    stopped: Stopped
    model: GmmVgae


def fit_gmm_vgae(
    observed: Observed,
    params: GmmVgaeParams,
    *,
    rng: np.random.Generator,
    held_out: HeldOut | None = None,
    start: GmmVgae | None = None,
    n_steps: int | None = None,
    device: torch.device | str = "cpu",
    progress: bool | None = None,
) -> GmmVgaeFit:
    """Train in two stages: a standard normal prior while the divergence gains weight, then the mixture.

    Parameters
    ----------
    observed
        Components, graph and counts.
    params
        Settings.
    rng
        Draws weights, minibatches, samples of the posterior, the start of the mixture.
    held_out
        Molecules that say when to stop.
    start
        Go on from this model, trained on other counts of the same rows and genes, instead of from random weights.
    n_steps
        Steps after the warm-up, when `held_out` is None; ``params.max_steps`` when None.
    device
        Where to train.
    progress
        Show a bar.

    Returns
    -------
    The latent space of all rows, and the decoder.
    """
    device = torch.device(device)
    inputs = propagated(observed, params)
    n = len(inputs)
    rows = np.arange(n) if n <= params.max_rows else np.sort(rng.choice(n, params.max_rows, replace=False))
    share = np.asarray(observed.X.sum(axis=0), np.float64).ravel() + 0.1
    share /= observed.size.sum() + 0.1 * len(share)
    with seeded(rng):
        model = start or GmmVgae(inputs.shape[1], share, len(rows), params).to(device)
        stream = _Stream(inputs, observed, rows, params, rng, device)
        common = {"learning_rate": params.learning_rate, "progress": progress, "name": "gmm_vgae"}
        if start is None:
            warmup = max(params.n_warmup, 1)
            fit_until(model, stream.epoch, Stop(warmup, warmup), **common)  # type: ignore[arg-type]
            if params.prior == "mixture":
                model.start_mixture(*_mixture(model, inputs[rows], params.n_components, rng, device))
        every = int(np.clip(len(rows) // stream.batch_size, 25, 200))
        stop = Stop(params.max_steps if n_steps is None else n_steps, every, params.patience)
        validate = None if held_out is None else _validator(model, inputs, observed.size, held_out, rng, device)
        stopped = fit_until(model, stream.epoch, stop, validate=validate, **common)  # type: ignore[arg-type]
        return _result(model, inputs, stopped, device)


def propagated(observed: Observed, params: GmmVgaeParams) -> np.ndarray:
    """Inputs of the encoder ``[P, SP, S^2 P, ...]`` of the leading components, in units of the first one's spread."""
    P = np.asarray(observed.P[:, : params.n_inputs], np.float32)
    hops = [P / max(float(P.std(axis=0).max()), 1e-6)]
    S = row_normalise(observed.W).astype(np.float32)
    for _ in range(params.n_hops):
        hops.append(S @ hops[-1])
    return np.hstack(hops)


class _Stream:
    """Minibatches of random rows."""

    def __init__(
        self,
        inputs: np.ndarray,
        observed: Observed,
        rows: np.ndarray,
        params: GmmVgaeParams,
        rng: np.random.Generator,
        device: torch.device,
    ) -> None:
        self.inputs, self.rows, self.rng, self.device = inputs, rows, rng, device
        self.X = observed.X.astype(np.float32)
        self.size = observed.size.astype(np.float32)
        self.W = observed.W if params.weight_edges > 0 else None
        self.batch_size = int(np.clip(len(rows) // 16, 32, params.batch_size))

    def epoch(self) -> Iterator[Rows]:
        n_batches = max(1, len(self.rows) // self.batch_size)
        for rows in np.array_split(self.rng.permutation(self.rows), n_batches):
            counts = self.X[rows].toarray()
            arrays = [self.inputs[rows], counts, self.size[rows]]
            if self.W is not None:
                arrays.append(self.inputs[self._neighbours(self.W, rows)])
            yield Rows(*(torch.from_numpy(a).to(self.device) for a in arrays))

    def _neighbours(self, W: sp.csr_matrix, rows: np.ndarray) -> np.ndarray:
        """One random neighbour of each row; the row itself where it has none."""
        degree = np.diff(W.indptr)[rows]
        pick = W.indptr[rows] + (self.rng.random(len(rows)) * degree).astype(np.int64)
        return np.where(degree > 0, W.indices[np.minimum(pick, max(W.nnz - 1, 0))], rows) if W.nnz else rows


def _mixture(
    model: GmmVgae, inputs: np.ndarray, k: int, rng: np.random.Generator, device: torch.device
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mixture of the posterior means, each component widened by the mean posterior variance."""
    rows = inputs if len(inputs) <= MIXTURE_ROWS else inputs[rng.choice(len(inputs), MIXTURE_ROWS, replace=False)]
    mean, variance = _encode(model, rows, device)
    k_found = min(k, max(1, len(mean) // 5))
    mixture = GaussianMixture(
        k_found, covariance_type="diag", reg_covar=1e-2, n_init=2, random_state=int(rng.integers(2**31))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is a start
        mixture.fit(mean)
    spread = variance.mean(axis=0)
    weights, means, variances = mixture.weights_, mixture.means_, mixture.covariances_ + spread
    if k_found < k:  # few rows: the rest start empty, and wide
        more = k - k_found
        weights = np.append(weights, np.full(more, 1e-6))
        means = np.vstack([means, np.tile(mean.mean(axis=0), (more, 1))])
        variances = np.vstack([variances, np.tile(mean.var(axis=0) + spread, (more, 1))])
    return weights / weights.sum(), means, variances


def _validator(
    model: GmmVgae,
    inputs: np.ndarray,
    size: np.ndarray,
    held_out: HeldOut,
    rng: np.random.Generator,
    device: torch.device,
) -> "_Validator":
    n = len(inputs)
    rows = np.arange(n) if n <= HELD_OUT_ROWS else np.sort(rng.choice(n, HELD_OUT_ROWS, replace=False))
    return _Validator(model, inputs[rows], size[rows] * held_out.ratio, held_out.X[rows].astype(np.float32), device)


class _Validator:
    """Poisson likelihood of held-out molecules given the rates at the posterior means, sign turned."""

    def __init__(
        self, model: GmmVgae, inputs: np.ndarray, size: np.ndarray, X: sp.csr_matrix, device: torch.device
    ) -> None:
        self.model, self.device = model, device
        self.inputs, self.size, self.X = inputs, size.astype(np.float32), X

    @torch.no_grad()
    def __call__(self) -> float:
        value = 0.0
        for start in range(0, len(self.inputs), 1000):
            rows = slice(start, start + 1000)
            mean, log_variance = self.model.encode(torch.from_numpy(self.inputs[rows]).to(self.device))
            loadings = self.model.loadings
            curve = torch.exp(log_variance) @ loadings[: mean.shape[1]].square() / 2
            log_rate = self.model.features(mean) @ loadings + self.model.intercept + curve
            x = self.X[rows].tocoo()
            size = torch.from_numpy(self.size[rows]).to(self.device)
            seen = log_rate[x.row, x.col].double().cpu().numpy()
            value += float((torch.exp(log_rate).sum(1) * size).sum()) - float(x.data @ seen)
        return value / max(float(self.X.data.sum()), 1.0)


@torch.no_grad()
def _encode(model: GmmVgae, inputs: np.ndarray, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    model.eval()
    parts = [
        [t.cpu().numpy() for t in model.encode(torch.from_numpy(inputs[start : start + 8192]).to(device))]
        for start in range(0, len(inputs), 8192)
    ]
    mean, log_variance = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    return mean, np.exp(log_variance)


@torch.no_grad()
def _result(model: GmmVgae, inputs: np.ndarray, stopped: Stopped, device: torch.device) -> GmmVgaeFit:
    mean, variance = _encode(model, inputs, device)
    z = torch.from_numpy(mean).to(device)
    array = lambda t: t.detach().cpu().numpy().copy()  # the model may be trained on
    responsibility = array(model.responsibilities(z)) if model.mixture else np.ones((len(mean), 1), np.float32)
    return GmmVgaeFit(
        mean,
        variance,
        responsibility,
        array(model.features(z)),
        array(model.loadings),
        array(model.intercept),
        array(torch.exp(model.log_dispersion)),
        model.params.shrinkage * len(model.intercept),
        stopped,
        model,
    )
