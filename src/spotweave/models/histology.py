"""Two towers, one over the picture and one over expression, each over two graphs, drawn to one space."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .histology_params import HistologyParams


class Side(NamedTuple):
    """One side of a set of spots: the picture's, or expression's."""

    x: Tensor
    """Inputs [n, q]."""
    spatial: Tensor
    """Rows of each spot's neighbours in place [n, k]; a spot without neighbours lists itself."""
    offset: Tensor
    """Where these neighbours lie, relative to the spot, in spot distances [n, k, 2]."""
    functional: Tensor
    """Rows of its most alike spots on the section [n, k]."""
    alike: Tensor
    """Whether spot and alike spot are known to be of one type, 0 or 1 [n, k]."""


class Pair(NamedTuple):
    """A minibatch: rows of one section, with both sides and the truth of all training rows."""

    rows: Tensor
    image: Side
    expression: Side
    programs: Tensor


class HistologyNet(nn.Module):
    r"""Image and expression of a spot, embedded so that they find each other; a head tells programs from the image.

    With :math:`z_i, s_i` the unit-length embeddings of image and expression, and :math:`L_{ij} = z_i \cdot s_j / \tau`,
    the contrastive loss is :math:`\frac12 [CE(L, P) + CE(L^\top, P^\top)]`. Targets P are the identity, or with
    `soft_targets` :math:`P = \mathrm{softmax}((ZZ^\top + SS^\top) / 2\tau)` without gradient (BLEEP, Xie et al. 2023).
    :math:`\tau` is learned. The head's loss is the squared error of the programs over their variance.
    The dual branches over spatial and functional graphs follow GR2ST (Zhou et al. 2026, Bioinformatics 42:btag209);
    here they stand on the image side too, since that is the side a new slide has.

    Parameters
    ----------
    n_axes, n_programs
        Widths of the two inputs.
    n_targets
        Programs that the head predicts.
    params
        Settings.
    """

    def __init__(self, n_axes: int, n_programs: int, n_targets: int, params: HistologyParams) -> None:
        super().__init__()
        self.params = params
        self.image = Tower(n_axes, params.image_graphs, params)
        self.expression = Tower(n_programs, params.expression_graphs, params)
        self.head = nn.Sequential(nn.Dropout(params.dropout), nn.Linear(params.width, n_targets))
        self.log_temperature = nn.Parameter(torch.tensor(params.temperature).log())
        self.no_decay = ("log_temperature",)

    def loss(self, batch: Pair) -> dict[str, Tensor]:
        """Return the weighted terms of a minibatch's loss."""
        hidden = self.image(batch.image, batch.rows)
        terms = {}
        if self.params.predict != "retrieval":
            truth = batch.programs[batch.rows]
            terms["head"] = F.mse_loss(self.head(hidden), truth)
        if self.params.contrast_weight > 0:
            Z, S = F.normalize(hidden, dim=1), F.normalize(self.expression(batch.expression, batch.rows), dim=1)
            terms["contrast"] = self.params.contrast_weight * self.contrast(Z, S)
        return terms

    def contrast(self, Z: Tensor, S: Tensor) -> Tensor:
        """Symmetric cross entropy of the similarities against hard or soft matches."""
        tau = self.temperature
        logits = Z @ S.T / tau
        if self.params.soft_targets:
            with torch.no_grad():
                matches = F.softmax((Z @ Z.T + S @ S.T) / (2 * tau), dim=1)
        else:
            matches = torch.eye(len(Z), device=Z.device)
        return 0.5 * (F.cross_entropy(logits, matches) + F.cross_entropy(logits.T, matches.T))

    @property
    def temperature(self) -> Tensor:
        """Learned temperature, kept within 0.01 and 1."""
        return self.log_temperature.exp().clamp(0.01, 1.0)


class Tower(nn.Module):
    """Inputs -> attention over each graph, summed -> projection with a residual."""

    def __init__(self, n_inputs: int, graphs: tuple[str, ...], params: HistologyParams) -> None:
        super().__init__()
        width = params.width
        self.enter = nn.Sequential(nn.Linear(n_inputs, width), nn.LayerNorm(width), nn.GELU())
        self.graphs = nn.ModuleDict({g: NeighborAttention(width, params.n_heads, g == "spatial") for g in graphs})
        self.drop = nn.Dropout(params.dropout)
        self.mix = nn.Linear(width, width)
        self.project = nn.Sequential(nn.GELU(), nn.Linear(width, width), nn.Dropout(params.dropout))
        self.norm = nn.LayerNorm(width)

    def forward(self, side: Side, rows: Tensor) -> Tensor:
        """Embed the given rows ``[b]`` -> ``[b, width]``."""
        lists = {"spatial": side.spatial[rows], "functional": side.functional[rows]}
        pairs = {"spatial": side.offset[rows], "functional": side.alike[rows][..., None]}
        # neighbourhoods overlap: each spot enters once, however many list it
        taking_part = torch.cat([rows, *(lists[g].reshape(-1) for g in self.graphs)])
        unique, where = torch.unique(taking_part, return_inverse=True)
        entered = self.enter(side.x[unique])
        total = centre = entered[where[: len(rows)]]
        start = len(rows)
        for name, attention in self.graphs.items():
            near = lists[name]
            total = total + attention(
                centre, entered, where[start : start + near.numel()].view(near.shape), pairs[name]
            )
            start += near.numel()
        mixed = self.mix(self.drop(total))
        return self.norm(mixed + self.project(mixed))


class NeighborAttention(nn.Module):
    r"""Each centre gathers from its neighbours: message from neighbour to centre, never the other way round.

    Weights are :math:`\mathrm{softmax}_j(q_i \cdot k_j / \sqrt{w} + b(r_{ij}))` with :math:`b` a small network of what
    is known of the pair: the relative place of a spatial neighbour, or whether an alike spot is of the same type.
    Every projection takes part in a differentiable weight, so all of them learn.
    """

    def __init__(self, width: int, n_heads: int, spatial: bool) -> None:  # noqa: FBT001
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=i > 1) for i in range(4))
        self.pair = nn.Sequential(nn.Linear(2 if spatial else 1, 16), nn.GELU(), nn.Linear(16, n_heads))

    def forward(self, centre: Tensor, pool: Tensor, near: Tensor, pair: Tensor) -> Tensor:
        """Gather from neighbours.

        Parameters
        ----------
        centre
            ``[b, w]``.
        pool
            All spots that take part ``[u, w]``.
        near
            Rows of `pool` that are each centre's neighbours ``[b, k]``.
        pair
            What is known of each pair ``[b, k, c]``.

        Returns
        -------
        Messages ``[b, w]``.
        """
        (b, k), w = near.shape, pool.shape[1]
        q = self.query(centre).view(b, 1, self.n_heads, -1)
        keys = self.key(pool)[near].view(b, k, self.n_heads, -1)
        values = self.value(pool)[near].view(b, k, self.n_heads, -1)
        logits = (q * keys).sum(-1) / (w / self.n_heads) ** 0.5 + self.pair(pair)  # [b, k, heads]
        gathered = (F.softmax(logits, dim=1)[..., None] * values).sum(1)
        return self.out(gathered.reshape(b, w))
