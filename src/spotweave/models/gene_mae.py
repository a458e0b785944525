"""A masked autoencoder of genes: what SIGEL's first module set out to be."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.layers import AttentionBlock
from ..core.losses import agreement
from .gene_mae_params import GeneMaeParams

SHARES = (0.4, 0.9)  # of a gene's molecules that the first of two views sees
MOST_RESIDUAL = 15.0  # a bin further out is one odd spot
MOST_LOG_RATE = 4.0
TINY = 1e-30  # nothing is expected of a gene whose molecules are all held out


class Picture(NamedTuple):
    """What the network knows of the tissue, the same for all genes."""

    exposure: np.ndarray
    """Counts of all genes in each bin [p * s]; 0: no tissue."""
    position: np.ndarray
    """Features of the patches' places [p, f]."""
    functions: np.ndarray
    """Smooth functions on the bins [p * s, m], scaled by their prior smoothness."""
    directions: np.ndarray
    """Combinations of the functions to start from [m, z]: the leading patterns of all genes."""


class Views(NamedTuple):
    """Two halves of the molecules of a minibatch of genes, with different patches hidden."""

    parts: tuple[Tensor, Tensor]
    """Embeddings [b, 2 z]."""
    terms: dict[str, Tensor]
    """Weighted loss terms."""


class GeneMae(nn.Module):
    r"""Genes are pictures of counts, :math:`x_b \sim \mathrm{Poisson}(e_b\, p \exp(f_b))` in bins b of exposure e.

    A view of a gene is a random share of its molecules with some patches hidden. The encoder reads its Pearson
    residuals patch by patch, with the patches' real positions and the gene's level, and gives tokens and a latent
    vector :math:`z = a \odot r \Phi A + h(\text{pooled tokens})`: a linear filter of the residuals r in smooth
    functions :math:`\Phi` of position with a gain a that shrinks what noise would swamp, and what attention adds. Two
    read-outs predict the log rate f in every bin with tissue: :math:`\Phi U z`, linear in z, and that plus what a
    decoder with attention to the tokens says of each patch. Both are scored by the likelihood of the molecules that the
    view did not see; f is shifted to keep the gene's total, so that only the shape counts.

    Lengths in the latent space are those of the pictures :math:`\Phi U z` over the tissue. The embedding has two parts
    of length :math:`1/\sqrt2`, the direction of z and that of the linear filter alone: the first is the better estimate
    of a gene's pattern, the second is not drawn towards common patterns where counts are few.

    Parameters
    ----------
    picture
        Exposures, positions, functions.
    counts
        Training counts [g, p * s].
    params
        Settings.
    """

    exposure: Tensor
    position: Tensor
    functions: Tensor
    counts: Tensor
    share: Tensor

    def __init__(self, picture: Picture, counts: np.ndarray, params: GeneMaeParams) -> None:
        super().__init__()
        p, d = params, params.width
        self.params = params
        self.n_patches, self.n_sub = len(picture.position), len(picture.exposure) // len(picture.position)
        for name, value in (
            ("exposure", picture.exposure),
            ("position", picture.position),
            ("functions", picture.functions),
            ("counts", counts),
            ("share", counts.sum(axis=1) / max(picture.exposure.sum(), 1e-9)),
        ):
            self.register_buffer(name, torch.from_numpy(np.asarray(value, np.float32)), persistent=False)
        start = torch.from_numpy(np.asarray(picture.directions, np.float32))
        n_latent = start.shape[1]
        self.filter, self.readout = nn.Parameter(9 * start), nn.Parameter(2 * start.clone())
        self.gain = nn.Sequential(nn.Linear(2, 32), nn.GELU(), nn.Linear(32, n_latent))
        self.place = nn.Linear(picture.position.shape[1], d)
        self.values = nn.Linear(2 * self.n_sub, d)
        self.level = nn.Sequential(nn.Linear(1, d), nn.GELU(), nn.Linear(d, d))
        self.encoder = nn.ModuleList([AttentionBlock(d, p.n_heads) for _ in range(p.depth)])
        self.norm, self.pool = nn.LayerNorm(d), nn.Linear(d, 1)
        self.head = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, n_latent))
        self.decoder, self.patch = AttentionBlock(d, p.n_heads), nn.Linear(d, self.n_sub)
        for last in (*self.head[-1].parameters(), *self.patch.parameters()):  # training starts at the linear solution
            nn.init.zeros_(last)

    def forward(self, counts: Tensor, expected: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Latent vector [b, z], its linear part without gain [b, z], tokens [b, k, d].

        counts, expected : [b, p * s], of the view and of a gene without pattern.  visible : [b, k] patches; None: all.
        """
        residual = ((counts - expected) / torch.sqrt(expected + 1e-4)).clamp(-MOST_RESIDUAL, MOST_RESIDUAL)
        level = torch.log(expected.mean(1) + 1e-4)
        patches = residual.view(-1, self.n_patches, self.n_sub)
        tokens = self.values(torch.cat([torch.asinh(patches), torch.tanh(patches)], -1))
        tokens = tokens + self.place(self.position) + self.level(level[:, None])[:, None]
        if visible is not None:
            tokens = tokens.gather(1, visible[..., None].expand(-1, -1, tokens.shape[-1]))
            seen = torch.zeros(len(counts), self.n_patches, 1, device=counts.device).scatter_(1, visible[..., None], 1)
            residual = (patches * seen).flatten(1) * (self.n_patches / visible.shape[1]) ** 0.5
        for block in self.encoder:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        pooled = (torch.softmax(self.pool(tokens), 1) * tokens).sum(1)
        linear = residual @ (self.functions @ self.filter) / residual.shape[1] ** 0.5
        strength = torch.stack([level, torch.log(residual.square().mean(1) + 0.1)], 1)
        return linear * F.softplus(self.gain(strength)) + self.head(pooled), linear, tokens

    def embedding(self, z: Tensor, linear: Tensor) -> Tensor:
        """Both directions in the units of the pictures [b, 2 z], rows of length one."""
        U = self.functions @ self.readout  # [p * s, z]
        weight = self.exposure / self.exposure.sum()
        U = U - weight @ U
        gram = (U * weight[:, None]).T @ U
        ridge = 1e-5 * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
        metric = torch.linalg.cholesky(gram + ridge)
        return torch.cat([F.normalize(part @ metric, dim=1) for part in (z, linear)], 1) / 2**0.5

    def log_rates(self, z: Tensor, tokens: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
        """Log rates of the linear read-out and of the whole decoder, each [b, p * s]."""
        simple = z @ (self.functions @ self.readout).T
        level = torch.log(expected.mean(1) + 1e-4)
        queries = (self.place(self.position) + self.level(level[:, None])[:, None]).expand(len(z), -1, -1)
        return simple, simple + self.patch(self.decoder(queries, tokens)).flatten(1)

    def expected(self, genes: Tensor, share: Tensor) -> Tensor:
        """Expected counts without pattern [b, p * s] of a share [b] of the molecules."""
        return (self.share[genes] * share)[:, None] * self.exposure

    def views(self, genes: Tensor) -> Views:
        """Deal out the molecules of some genes [b] to two views; score the second by what the first says."""
        p, b = self.params, len(genes)
        share = torch.empty(b, device=genes.device).uniform_(*SHARES)
        whole = self.counts[genes]
        first = torch.binomial(whole, share[:, None].expand_as(whole))
        second = whole - first
        mu, rest = self.expected(genes, share), self.expected(genes, 1 - share)
        z, linear, tokens = self(first, mu, self._visible(b))
        z2, linear2, _ = self(second, rest, self._visible(b))
        weight = (rest.sum(1) + 20) ** -0.5  # between each gene alike and each molecule alike
        weight = weight / weight.sum() / 5
        terms = {
            name: (lack_of_fit(f, second, rest) * weight).sum()
            for name, f in zip(("latent", "tokens"), self.log_rates(z, tokens, mu), strict=True)
        }
        parts = self.embedding(z, linear), self.embedding(z2, linear2)
        if p.contrast:
            half = parts[0].shape[1] // 2
            shrunk = [2**0.5 * part[:, :half] for part in parts]
            terms["contrast"] = p.contrast * agreement(*shrunk, temperature=p.temperature)
        return Views(parts, terms)

    def loss(self, genes: Tensor) -> dict[str, Tensor]:
        """Weighted terms of a minibatch of genes [b]."""
        return self.views(genes).terms

    def _visible(self, b: int) -> Tensor:
        k = max(1, round(self.n_patches * (1 - self.params.masked)))
        return torch.rand(b, self.n_patches, device=self.exposure.device).argsort(1)[:, :k]


def lack_of_fit(log_rate: Tensor, counts: Tensor, expected: Tensor) -> Tensor:
    r"""Minus the Poisson log-likelihood, less that without pattern: :math:`-\sum_j x_j f_j` of each gene [b].

    log_rate, counts, expected : [b, bins]. f is shifted first so that :math:`\sum \mu e^f = \sum \mu`: the other term
    of the likelihood is then zero.
    """
    f = log_rate.clamp(-MOST_LOG_RATE, MOST_LOG_RATE)
    total = expected.sum(1, keepdim=True) + TINY
    f = f - torch.log(((expected * torch.exp(f)).sum(1, keepdim=True) + TINY) / total)
    return -(counts * f).sum(1)
