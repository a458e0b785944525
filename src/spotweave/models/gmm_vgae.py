"""A graph autoencoder of counts with a Gaussian mixture as its prior: what Bio_GMM_VGAE set out to be."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .gmm_vgae_params import GmmVgaeParams

CURVED_SCALE = 1 / 8  # of the curved features: together they weigh about as much as one linear one
LOG_VARIANCE = (-8.0, 4.0)  # of the posterior: outside, a step on one minibatch could end the training


class Rows(NamedTuple):
    """A minibatch."""

    inputs: Tensor
    """Propagated components [b, d]."""
    counts: Tensor
    """[b, g], dense."""
    size: Tensor
    """Counts of each row over all genes [b]."""
    neighbours: Tensor | None = None
    """Inputs of one random graph neighbour of each row [b, d], for the edge term."""


class GmmVgae(nn.Module):
    r"""Counts of row i and gene g are negative binomial around :math:`s_i \exp(b_g + f(z_i)_g)`.

    The encoder reads principal components of the row and of its graph neighbourhood, propagated beforehand
    (:math:`[H, SH, S^2H]`, S the averaging operator), so a minibatch is any set of rows. It gives
    :math:`q(z_i) = N(\mu_i, \mathrm{diag}\, \sigma_i^2)`. The decoder is linear, :math:`z W_1`, with a curved part
    :math:`h(z) W_2` beside it. The loss of a row is

    .. math:: -E_q \log p(x_i \mid z_i) + \beta \left[E_q \log q(z_i) - E_q \log \sum_k \pi_k N(z_i; m_k, v_k)\right]
              + \frac{\lambda g}{2 n} \lVert W \rVert^2,

    one sample each, the entropy in closed form (VaDE: Jiang et al. 2017, IJCAI, with the sum over components inside the
    logarithm instead of its bound). :math:`\pi` is a softmax, :math:`v_k` one log-variance a dimension.

    Parameters
    ----------
    n_inputs
        Width d of the inputs.
    shares
        Share of each gene in all counts [g]: where the intercepts start.
    n_rows
        Rows of the training set, over which the prior of the loadings is spread.
    params
        Settings.
    """

    no_decay = ("loadings", "intercept", "log_dispersion", "prior_logits", "prior_mean", "prior_log_variance")

    def __init__(self, n_inputs: int, shares: np.ndarray, n_rows: int, params: GmmVgaeParams) -> None:
        super().__init__()
        p, g = params, len(shares)
        self.params, self.n_rows, self.n_steps = params, n_rows, 0
        block = lambda d: (nn.Linear(d, p.n_hidden), nn.LayerNorm(p.n_hidden), nn.SiLU())
        self.encoder = nn.Sequential(*block(n_inputs), nn.Dropout(p.dropout), *block(p.n_hidden))
        self.mean = nn.Linear(p.n_hidden, p.n_latent)
        self.log_variance = nn.Linear(p.n_hidden, p.n_latent)
        nn.init.zeros_(self.log_variance.weight)
        nn.init.constant_(self.log_variance.bias, -2.0)
        self.curved = nn.Sequential(nn.Linear(p.n_latent, p.n_curved), nn.SiLU()) if p.n_curved else None
        self.loadings = nn.Parameter(0.01 * torch.randn(p.n_latent + p.n_curved, g))
        self.intercept = nn.Parameter(torch.from_numpy(np.log(shares).astype(np.float32)))
        self.log_dispersion = nn.Parameter(torch.full((g,), -1.5))
        k = p.n_components if p.prior == "mixture" else 1
        self.prior_logits = nn.Parameter(torch.zeros(k))
        self.prior_mean = nn.Parameter(torch.zeros(k, p.n_latent))
        self.prior_log_variance = nn.Parameter(torch.zeros(k, p.n_latent))
        self.mixture = False
        """Is the prior a learned mixture already? A standard normal before `start_mixture`."""

    def encode(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and log-variance [b, z]."""
        h = self.encoder(inputs)
        return self.mean(h), self.log_variance(h).clamp(*LOG_VARIANCE)

    def features(self, z: Tensor) -> Tensor:
        """What the loadings multiply [b, z + curved]."""
        return z if self.curved is None else torch.cat([z, CURVED_SCALE * self.curved(z)], 1)

    def loss(self, batch: Rows) -> dict[str, Tensor]:
        """Weighted terms, mean over rows."""
        p = self.params
        self.n_steps += 1
        mean, log_variance = self.encode(batch.inputs)
        z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        log_rate = self.features(z) @ self.loadings + self.intercept
        log_mean = log_rate + torch.log(batch.size.clamp(min=1e-6))[:, None]
        beta = 1.0 if self.mixture else min(1.0, self.n_steps / max(p.n_warmup, 1))
        terms = {
            "counts": -self._log_likelihood(batch.counts, log_mean).sum(1).mean(),
            "divergence": beta * self._divergence(z, mean, log_variance).mean(),
            "loadings": p.shrinkage * len(self.intercept) / (2 * self.n_rows) * self.loadings.square().sum(),
        }
        if batch.neighbours is not None:
            terms["edges"] = p.weight_edges * edge_loss(mean, self.encode(batch.neighbours)[0])
        return terms

    def _log_likelihood(self, x: Tensor, log_mean: Tensor) -> Tensor:
        """Of each count, less what depends on the count alone [b, g]."""
        log_mean = log_mean.clamp(max=15.0)
        if self.params.likelihood == "poisson":
            return x * log_mean - torch.exp(log_mean)
        return negative_binomial(x, log_mean, self.log_dispersion.clamp(-10, 5))

    def _divergence(self, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """``KL(q || prior)`` of each row: closed form for the normal, one sample for the mixture [b]."""
        if not self.mixture:
            return (mean.square() + torch.exp(log_variance) - 1 - log_variance).sum(1) / 2
        return -torch.logsumexp(self.joint(z), 1) - (1 + log_variance).sum(1) / 2

    def joint(self, z: Tensor) -> Tensor:
        """``log pi_k + log N(z; m_k, v_k)`` without the constant that cancels in the divergence [b, k]."""
        distance = (z[:, None] - self.prior_mean).square() * torch.exp(-self.prior_log_variance)
        return torch.log_softmax(self.prior_logits, 0) - (distance + self.prior_log_variance).sum(2) / 2

    def responsibilities(self, z: Tensor) -> Tensor:
        """Posterior of the components given z [b, k]."""
        return torch.softmax(self.joint(z), 1)

    @torch.no_grad()
    def start_mixture(self, weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> None:
        """Begin with this mixture ``[k]``, ``[k, z]``, ``[k, z]`` as the prior."""
        starts = (np.log(weights), means, np.log(variances))
        for parameter, value in zip((self.prior_logits, self.prior_mean, self.prior_log_variance), starts, strict=True):
            parameter.copy_(torch.from_numpy(np.asarray(value, np.float32)))
        self.mixture = True


def negative_binomial(x: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
    r"""Log-likelihood of counts of variance :math:`\mu + \alpha \mu^2`, less :math:`\log x!`.

    .. math:: x (\log \mu - \log r) - (x + r) \log(1 + \mu / r) + \log\Gamma(x + r) - \log\Gamma(r),
              \quad r = 1 / \alpha

    `x` and `log_mean` are ``[b, g]``, `log_dispersion` ``[g]``. The gammas are taken at the counts above zero only:
    elsewhere they cancel, and they would take most of the time.
    """
    log_r = -log_dispersion
    r = torch.exp(log_r)
    ratio = log_mean - log_r
    value = x * ratio - (x + r) * F.softplus(ratio)
    row, column = torch.nonzero(x, as_tuple=True)
    gammas = torch.lgamma(x[row, column] + r[column]) - torch.lgamma(r[column])
    return value.index_put((row, column), gammas, accumulate=True)


def edge_loss(a: Tensor, b: Tensor) -> Tensor:
    r"""Tell a neighbour from a random row by the latent means: ``-log s(a_i . b_i) - log(1 - s(a_i . b_j))``.

    `a` and `b` are ``[n, z]``, row i of b a neighbour of row i of a; the negative of row i is the neighbour of the next
    row. Scaled by the root of z. Two terms a row stand for the decoder over all pairs (Kipf and Welling 2016).
    """
    scale = a.shape[1] ** -0.5
    positive, negative = (a * b).sum(1) * scale, (a * b.roll(1, 0)).sum(1) * scale
    return (F.softplus(-positive) + F.softplus(negative)).mean()
