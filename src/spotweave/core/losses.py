"""Loss terms, each a pure function with its formula."""

import torch
from torch import Tensor
from torch.nn import functional as F


def scaled_squared_error(prediction: Tensor, target: Tensor, variance: Tensor) -> Tensor:
    r"""Mean squared error as a share of the total variance: :math:`\sum (\hat y - y)^2 / (b \sum_j v_j)`.

    `prediction` and `target` are ``[b, d]``, `variance` ``[]`` is the summed variance of the targets; 1 = predicting
    the mean.
    """
    return (prediction - target).square().sum(1).mean() / variance


def redundancy(a: Tensor, b: Tensor, *, weight_off_diagonal: float = 0.05) -> Tensor:
    r"""Ask two embeddings of the same place to agree, dimension by dimension, and say different things in each.

    .. math:: \sum_k (1 - c_{kk})^2 + \lambda \sum_{k \ne l} c_{kl}^2

    c is the correlation matrix ``[d, d]`` between the columns of `a` and `b` ``[n, d]`` over the batch (Zbontar et al.
    2021, Barlow Twins, eq. 1). Its minimum over linear maps spans the leading canonical correlations.
    """
    n, d = a.shape
    a = (a - a.mean(0)) / (a.std(0) + 1e-4)
    b = (b - b.mean(0)) / (b.std(0) + 1e-4)
    c = a.T @ b / n  # [d, d]
    on = c.diagonal()
    off = c.square().sum() - on.square().sum()
    return (1 - on).square().sum() + weight_off_diagonal * off


def corruption(a: Tensor, b: Tensor, shuffled: Tensor) -> Tensor:
    r"""Tell the embedding of a neighbour from that of a random place: the published critic, on critic-projected rows.

    .. math:: -\log \sigma(a \cdot b / \sqrt d) - \log(1 - \sigma(a \cdot \tilde b / \sqrt d))

    averaged over the batch; `a`, `b`, `shuffled` are ``[n, d]`` (Velickovic et al. 2019, Deep Graph Infomax, eq. 1).
    """
    scale = a.shape[1] ** -0.5
    positive, negative = (a * b).sum(1) * scale, (a * shuffled).sum(1) * scale
    return F.softplus(-positive).mean() + F.softplus(negative).mean()


def agreement(a: Tensor, b: Tensor, *, temperature: float) -> Tensor:
    r"""Ask each row of one embedding to find its own counterpart in the other among all of the batch, and back.

    .. math:: -\frac{1}{2 n} \sum_i \log \frac{e^{a_i \cdot b_i / \tau}}{\sum_j e^{a_i \cdot b_j / \tau}}
              + \log \frac{e^{a_i \cdot b_i / \tau}}{\sum_j e^{a_j \cdot b_i / \tau}}

    `a` and `b` are ``[n, d]``, rows of length one (InfoNCE: van den Oord et al. 2018, eq. 4, both ways).
    """
    similarity = a @ b.T / temperature
    own = torch.arange(len(a), device=a.device)
    return (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own)) / 2


def total(terms: dict[str, Tensor]) -> Tensor:
    """Sum of weighted terms."""
    return torch.stack(list(terms.values())).sum()
