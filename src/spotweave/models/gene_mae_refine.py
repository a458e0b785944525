"""Modules of genes sharpened through the encoder: SIGEL's second and third modules, with gradients that arrive."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..core.student_mixture import StudentMixture
from ..core.train import Stop, fit_until
from .gene_mae import GeneMae

CONFIDENT = (0.5, 1.0)  # share of the genes that the first and the last round learn from
GENES_PER_MODULE = 8
N_INIT = 3  # starts of the first mixture; later ones start from the one before


class Refinement(NamedTuple):
    """How the refinement went."""

    n_modules: int
    """Components of the mixture."""
    agreement: np.ndarray
    """After each round, share of the genes whose module is the one of the round before."""
    confidence: np.ndarray
    """Mean largest posterior of each round's mixture."""


class Target(NamedTuple):
    """What a round learns from."""

    mixture: "Mixture"
    probability: Tensor
    """Sharpened posterior of each gene [g, k]; rows of genes that are not learned from are not read."""
    genes: np.ndarray
    """Genes learned from in this round."""


class Mixture(NamedTuple):
    """A spherical Student-t mixture as tensors."""

    means: Tensor
    """[k, d]."""
    variance: Tensor
    """[]."""
    log_weights: Tensor
    """[k]."""
    dof: Tensor
    """[k]."""

    def log_joint(self, h: Tensor) -> Tensor:
        """``log pi_k + log t(h; k)`` [b, k], differentiable in h [b, d]."""
        d, nu = h.shape[1], self.dof
        distance = (h.square().sum(1, keepdim=True) - 2 * h @ self.means.T + self.means.square().sum(1)).clamp(min=0)
        constant = torch.lgamma((nu + d) / 2) - torch.lgamma(nu / 2) - d / 2 * torch.log(nu * torch.pi * self.variance)
        return self.log_weights + constant - (nu + d) / 2 * torch.log1p(distance / self.variance / nu)


class Refiner(nn.Module):
    r"""The autoencoder's loss and, for confident genes, a divergence from sharpened posteriors.

    .. math:: \frac1b \sum_i \sum_k p_{ik} \log \frac{p_{ik}}{q_{ik}}, \qquad
              p_{ik} \propto \frac{q_{ik}^2}{\sum_i q_{ik}}

    (Xie et al. 2016, ICML, eq. 3; p from all training molecules, fixed during a round; q of each of two views of the
    gene with a part of its molecules, a differentiable function of the encoder). That views with few molecules learn
    what many say is how well measured genes teach the encoder to place poorly measured ones.
    """

    def __init__(self, model: GeneMae, target: Target) -> None:
        super().__init__()
        self.model, self.target = model, target

    def loss(self, genes: Tensor) -> dict[str, Tensor]:
        """Weighted terms of a minibatch of genes [b]."""
        p = self.model.params
        views = self.model.views(genes)
        wanted = self.target.probability[genes]
        parts = [
            divergence(wanted, torch.log_softmax(self.target.mixture.log_joint(h) / p.softness, 1)) for h in views.parts
        ]
        return {**views.terms, "modules": p.weight_modules * (parts[0] + parts[1]) / 2}


def refine(
    model: GeneMae,
    genes: np.ndarray,
    embed: Callable[[GeneMae], np.ndarray],
    *,
    rng: np.random.Generator,
    progress: bool | None = None,
) -> Refinement | None:
    """Fit a mixture to the embedding, train towards its sharpened posteriors, and again.

    Self-paced: the first round learns from the half of the genes that are surest of their module, the last from all.

    Parameters
    ----------
    model
        Trained autoencoder; changed.
    genes
        Row numbers of the genes with a pattern.
    embed
        Gives the embedding of all genes [g, 2 z].
    rng
        Draws starts and minibatches.
    progress
        Show a bar.

    Returns
    -------
    What happened; None where there are too few genes for two modules.
    """
    p = model.params
    k = min(p.n_modules, len(genes) // GENES_PER_MODULE)
    if k < 2:
        return None
    labels: np.ndarray | None = None
    agreement, confidence = [], []
    start: np.ndarray | None = None
    for share in np.linspace(*CONFIDENT, p.n_rounds):
        H = embed(model)[genes]
        k = k if start is None else start.shape[1]  # components that were left without genes are gone
        fitted = StudentMixture(k, covariance="spherical", dof="shared", n_init=N_INIT, rng=rng).fit(H, start=start)
        start = fitted.predict_proba(H)
        mixture = as_tensors(fitted, model.exposure.device)
        with torch.no_grad():
            q = torch.softmax(mixture.log_joint(torch.from_numpy(H).to(mixture.means)) / p.softness, 1)
        now = q.argmax(1).cpu().numpy()
        agreement.append(1.0 if labels is None else float((labels == now).mean()))
        sure = q.max(1).values.cpu().numpy()
        confidence.append(float(sure.mean()))
        labels = now
        chosen = genes[np.argsort(-sure, kind="stable")[: max(2, round(share * len(genes)))]]
        probability = torch.zeros(len(model.counts), q.shape[1], device=q.device)
        probability[torch.from_numpy(genes).to(q.device)] = sharpened(q)
        target = Target(mixture, probability, chosen)
        _train(Refiner(model, target), rng, progress=progress)
    return Refinement(k, np.array(agreement), np.array(confidence))


def sharpened(q: Tensor) -> Tensor:
    """Target ``p`` of posteriors ``q [g, k]``: squared, divided by the size of the module, rows that sum to 1."""
    p = q.square() / q.sum(0).clamp(min=1e-9)
    return p / p.sum(1, keepdim=True)


def divergence(p: Tensor, log_q: Tensor) -> Tensor:
    """Mean over rows of ``KL(p || q)``; both [b, k]."""
    return (torch.xlogy(p, p) - p * log_q).sum(1).mean()


def as_tensors(fitted: StudentMixture, device: torch.device) -> Mixture:
    """Take over a fitted spherical mixture."""
    tensor = lambda value: torch.as_tensor(np.asarray(value, np.float32), device=device)
    variance = float(np.asarray(fitted.covariances_).mean())
    return Mixture(tensor(fitted.means_), tensor(variance), torch.log(tensor(fitted.weights_)), tensor(fitted.dofs_))


def _train(refiner: Refiner, rng: np.random.Generator, *, progress: bool | None) -> None:
    p, device = refiner.model.params, refiner.model.exposure.device

    fit_until(
        refiner,
        lambda: minibatches(refiner.target.genes, p.batch_size, rng, device),
        Stop(p.steps_round),
        learning_rate=p.learning_rate / 4,
        weight_decay=p.weight_decay,
        progress=progress,
        name="modules",
    )


def minibatches(genes: np.ndarray, size: int, rng: np.random.Generator, device: torch.device | str) -> Iterator[Tensor]:
    """One pass over the genes in random order, in minibatches of equal size give or take one."""
    order = rng.permutation(genes)
    for part in np.array_split(order, max(1, round(len(order) / size))):
        yield torch.from_numpy(part).to(device)
