"""The route through a learned mapping (Tangram): mixtures of reference cells that fit the panel across the tissue."""

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._check import check_choice, check_range
from .neighbors import log_ratio, sparse_rows
from .pair import Pair, Predict, sizes, totals
from .principal_vectors import nearest_cells

if TYPE_CHECKING:
    from torch import Tensor

ENTRIES = 500_000
"""Entries of the panel at once: what fits a cache is twice as fast as the whole, and takes no memory."""
START = 0.1
"""Standard deviation of the logits before the first step: nearly equal weights."""


def mapping(
    pair: Pair,
    rng: np.random.Generator,
    *,
    scale: Literal["counts", "log"] = "counts",
    rank: int = 50,
    n_neighs: int = 50,
    gene_weight: float = 1.0,
    cell_weight: float = 1.0,
    steps: int = 200,
    learning_rate: float = 0.1,
    device: str = "cpu",
) -> Predict:
    r"""Predict wanted genes by mixtures of reference cells, learned so that their panel fits the target's.

    Weights w are a softmax over each target cell's k candidates C(i) in the reference. Adam maximises how well the
    mixtures r of the reference's panel agree with the measured panel x, over cells for each gene and over genes for
    each cell:

    .. math:: \hat x_i = d_i \sum_{j \in C(i)} w_{ij} r_j, \qquad
              \frac{a}{p} \sum_g \cos(\hat x_{\cdot g}, x_{\cdot g}) + \frac{b}{n} \sum_i \cos(\hat x_i, x_i)

    The objective is that of Biancalani et al. 2021 (Nat. Methods 18:1352) without its term for cell densities. There a
    dense matrix spreads each reference cell over the tissue, so that a place's depth follows from how much it
    receives. Here only the nearest cells along shared principal vectors (`nearest_cells`) are candidates, weights sum
    to one in each target cell, and its depth d is taken as known: memory grows as n (k + p).

    Parameters
    ----------
    pair
        Counts.
    rng
        Draws the logits that learning starts from.
    scale
        ``"counts"``: x are raw counts and r shares of the panel's counts; ``"log"``: both are logarithms of one plus
        counts per median depth of the target, and d is 1.
    rank
        Principal components of each data set that candidates are found by, at most.
    n_neighs
        Candidates k of each cell, at most.
    gene_weight, cell_weight
        Weights a and b.
    steps, learning_rate
        Of Adam.
    device
        Of torch; ``"auto"`` takes CUDA when there is one.

    Returns
    -------
    Log ratios of the predicted share to the gene's share in the reference; 0 for genes that it never counted.

    Raises
    ------
    InputError
        When `scale` is unknown or a number is out of range.
    """
    check_choice(scale, ["counts", "log"], "scale")
    index = nearest_cells(pair, rank=rank, n_neighs=n_neighs).cells
    mixed = learn_mixtures(
        *agreeing(pair, scale),
        index,
        rng,
        gene_weight=gene_weight,
        cell_weight=cell_weight,
        steps=steps,
        learning_rate=learning_rate,
        device=device,
    )
    weights, size = sparse_rows(index, mixed.weights, pair.R.shape[0]), sizes(pair.R)

    def predict(genes: object) -> np.ndarray:
        Y = pair.Y[:, genes]
        means = weights @ (Y.toarray() / size[:, None]).astype(np.float32)
        return log_ratio(means, totals(Y) / size.sum())

    return predict


class Mixtures(NamedTuple):
    """Result of `learn_mixtures`."""

    weights: np.ndarray
    """Weights of the candidates ``[n, k]``, rows of sum 1."""
    objective: np.ndarray
    """Objective before each step ``[steps]``."""


def agreeing(pair: Pair, scale: Literal["counts", "log"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Panels of target ``[n, p]`` and reference ``[m, p]`` that should agree, float32, and the depths ``[n]``."""
    size = sizes(pair.X)
    if scale == "counts":
        return _dense(pair.X), _dense(_shares(pair.R)), size
    depth = np.median(size[size > 0])
    target, reference = (_dense((_shares(X) * depth).log1p()) for X in (pair.X, pair.R))
    return target, reference, np.ones(len(size))


def learn_mixtures(
    target: np.ndarray,
    reference: np.ndarray,
    depth: np.ndarray,
    index: np.ndarray,
    rng: np.random.Generator,
    *,
    gene_weight: float = 1.0,
    cell_weight: float = 1.0,
    steps: int = 200,
    learning_rate: float = 0.1,
    device: str = "cpu",
) -> Mixtures:
    """Weights of the candidates `index` ``[n, k]`` by Adam; other arguments as in `mapping` and of `agreeing`."""
    import torch

    from ..train import resolve_device, seeded

    check_range(steps, "steps", low=1, integer=True)
    check_range(gene_weight, "gene_weight", low=0)
    check_range(cell_weight, "cell_weight", low=0)
    place = resolve_device(device)
    x, r, d = (torch.as_tensor(np.asarray(A, np.float32), device=place) for A in (target, reference, depth))
    fit = Fit(x, r, d, torch.as_tensor(index.astype(np.int64), device=place), gene_weight, cell_weight)
    path = np.empty(steps)
    with seeded(rng):
        logits = (START * torch.randn(index.shape)).to(place).requires_grad_()
        optimiser = torch.optim.Adam([logits], lr=learning_rate, maximize=True)
        for step in range(steps):
            path[step], logits.grad = ascent(logits.detach(), fit)
            optimiser.step()
        return Mixtures(torch.softmax(logits.detach(), dim=1).cpu().numpy(), path)


class Fit(NamedTuple):
    """What stays the same while weights are learned."""

    x: "Tensor"
    """Measured panel ``[n, p]``."""
    r: "Tensor"
    """Panel of the reference ``[m, p]``."""
    depth: "Tensor"
    """Depth of each cell ``[n]``."""
    candidates: "Tensor"
    """Rows of the reference ``[n, k]``."""
    gene_weight: float
    cell_weight: float


def ascent(logits: "Tensor", fit: Fit) -> tuple[float, "Tensor"]:
    """Objective of `mapping` and its gradient ``[n, k]``, in chunks of cells.

    The term of genes depends on cells only through sums over them: a first pass takes the sums, a second one the
    gradient, in which the slopes of that term stand for it.
    """
    import torch

    n, p = fit.x.shape
    step = max(1, ENTRIES // p)
    chunks = [slice(start, start + step) for start in range(0, n, step)]
    inner, squares, measured = torch.zeros(3, p, dtype=fit.x.dtype, device=fit.x.device)
    for rows in chunks:
        x, mixed = fit.x[rows], _mixed(logits[rows], fit, rows)
        inner += (x * mixed).sum(dim=0)
        squares += (mixed * mixed).sum(dim=0)
        measured += (x * x).sum(dim=0)
    sums = inner.requires_grad_(), squares.requires_grad_()
    value = fit.gene_weight * _cosine(*sums, measured).mean()
    slopes = torch.autograd.grad(value, sums)
    found, gradient = value.item(), torch.empty_like(logits)
    for rows in chunks:
        leaf = logits[rows].requires_grad_()
        x, mixed = fit.x[rows], _mixed(leaf, fit, rows)
        product, square = x * mixed, mixed * mixed
        cells = fit.cell_weight / n * _cosine(product.sum(dim=1), square.sum(dim=1), (x * x).sum(dim=1)).sum()
        (gradient[rows],) = torch.autograd.grad(cells + (product @ slopes[0] + square @ slopes[1]).sum(), leaf)
        found += cells.item()
    return found, gradient


def _mixed(logits: "Tensor", fit: Fit, rows: slice) -> "Tensor":
    """Panels of mixtures, times depth ``[c, p]``: sums over candidates without an array ``[c, k, p]``."""
    import torch

    weights = torch.softmax(logits, dim=1) * fit.depth[rows, None]
    return torch.nn.functional.embedding_bag(fit.candidates[rows], fit.r, mode="sum", per_sample_weights=weights)


def _cosine(inner: "Tensor", squares: "Tensor", others: "Tensor") -> "Tensor":
    """Cosines from inner products and squared lengths; 0 for zero vectors, with a slope that is finite."""
    return inner / (squares.clamp_min(1e-15).sqrt() * others.sqrt()).clamp_min(1e-15)


def _shares(X: sp.csr_matrix) -> sp.csr_matrix:
    return sp.csr_matrix(sp.diags(1 / np.maximum(sizes(X), 1)) @ X)


def _dense(X: sp.csr_matrix) -> np.ndarray:
    return X.astype(np.float32).toarray()
