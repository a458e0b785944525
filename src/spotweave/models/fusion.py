"""Two views of a spot, spatial and by features, fused by attention and trained by contrast (after SpatialFusion)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from ..core.layers import ViewAttention
from ..core.losses import corruption, redundancy, scaled_squared_error
from ..core.tiles import halo
from ..core.train import History, fit, seeded
from .fusion_params import FusionParams


class Batch(NamedTuple):
    """Rows of a tile set: both views of a row and of one of its neighbours, and the target."""

    spatial: Tensor
    features: Tensor
    target: Tensor
    neighbour_spatial: Tensor
    neighbour_features: Tensor


class Fusion(nn.Module):
    r"""Encoder of two views and a linear decoder.

    With P the principal components of a row, S the row-normalised spatial graph (with self loops) and F the one of
    similar features, view one is :math:`[SP, S^2P]`, view two :math:`[P, FP]`. Each has a linear layer; a
    `ViewAttention` mixes them to the embedding e. The loss asks e (1) to predict the mean of the row's neighbours,
    the row left out, and (2) to agree with the embedding of a random neighbour (`core.losses.redundancy`).

    Changes against the published system and why: propagation is precomputed, so that training needs no graph;
    heads have value projections, else they are copies; the critic against corrupted rows did not learn (its loss stays
    at ln 2) and is replaced by the agreement of neighbours, kept as ``contrast="corrupted"``; the target leaves out the
    row itself, so that its own noise cannot be learned.

    Parameters
    ----------
    n_features
        Width of P.
    params
        Settings.
    """

    def __init__(self, n_features: int, params: FusionParams) -> None:
        super().__init__()
        self.params = params
        self.encode_spatial = nn.Linear(params.n_hops * n_features, params.n_hidden)
        self.encode_features = nn.Linear(2 * n_features, params.n_hidden)
        self.attention = ViewAttention(2, params.n_hidden, params.n_latent, n_heads=params.n_heads)
        self.decode = nn.Linear(params.n_latent, n_features)
        self.critic = nn.Linear(params.n_latent, params.n_latent, bias=False)
        self.dropout = nn.Dropout(params.dropout)
        self.register_buffer("target_variance", torch.ones(()))

    def forward(self, spatial: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embedding ``[b, n_latent]`` and the attention ``[b, 2, n_heads]`` (spatial, features)."""
        views = [self.encode_spatial(self.dropout(spatial)), self.encode_features(self.dropout(features))]
        embedding, weight = self.attention(views)
        return embedding, weight

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Weighted terms: ``reconstruction`` (share of variance not predicted) and ``contrast``."""
        own, _ = self(batch.spatial, batch.features)
        variance: Tensor = self.target_variance  # type: ignore[assignment]
        terms = {"reconstruction": scaled_squared_error(self.decode(own), batch.target, variance)}
        if self.params.contrast == "none":
            return terms
        other, _ = self(batch.neighbour_spatial, batch.neighbour_features)
        if self.params.contrast == "neighbours":
            contrast = redundancy(own, other)
        else:  # the partner of another row: a real place, so that telling them apart needs the tissue's structure
            contrast = 10 * corruption(self.critic(own), other, other.roll(1, 0))
        return {**terms, "contrast": self.params.weight_contrast * contrast}


class FusionFit(NamedTuple):
    """A trained network's view of all rows."""

    embedding: np.ndarray
    """[n, n_latent], float32."""
    attention: np.ndarray
    """Weight of the spatial view, mean over heads [n]; the feature view has the rest."""
    history: History
    model: Fusion


def fit_fusion(
    P: np.ndarray,
    spatial: sp.csr_matrix,
    features: sp.csr_matrix,
    tiles: Sequence[np.ndarray],
    *,
    params: FusionParams | None = None,
    rng: np.random.Generator,
    device: torch.device | None = None,
    progress: bool | None = None,
) -> FusionFit:
    """Train one network and embed all rows.

    Views are made tile by tile from P, the only full-size input; training keeps those of at most
    `FusionParams.max_rows` rows, so that its memory and time do not grow with the tissue.

    Parameters
    ----------
    P
        Principal components ``[n, d]``.
    spatial, features
        Row-normalised graphs with self loops ``[n, n]``.
    tiles
        Rows of each spatial tile, see `core.tiles.spatial_tiles`.
    params
        Settings.
    rng
        Draws the tiles, the batches and the network's start.
    device
        CPU when None.
    progress
        Show a bar.

    Returns
    -------
    Embedding, attention, history and the network.
    """
    params, device = params or FusionParams(), device or torch.device("cpu")
    P = np.asarray(P, np.float32)
    with seeded(rng):
        model = Fusion(P.shape[1], params).to(device)
        pool = _pool([_views(P, spatial, features, rows, params.n_hops) for rows in _draw(tiles, params.max_rows, rng)])
        model.target_variance = torch.tensor(max(float(pool["target"].var(axis=0).sum()), 1e-12), device=device)
        history = fit(
            model,
            lambda: _batches(pool, params.batch_size, rng, device),
            n_epochs=params.n_epochs,
            learning_rate=params.learning_rate,
            progress=progress,
            name="fusion",
        )
        embedding, attention = _embed(model, P, spatial, features, tiles, device)
    return FusionFit(embedding, attention, history, model)


def _draw(tiles: Sequence[np.ndarray], max_rows: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Take random whole tiles, at least one, up to the wanted number of rows."""
    chosen: list[np.ndarray] = []
    n = 0
    for t in rng.permutation(len(tiles)):
        if chosen and n + len(tiles[t]) > max_rows:
            continue
        chosen.append(tiles[t])
        n += len(tiles[t])
    return chosen


def _views(P: np.ndarray, S: sp.csr_matrix, F: sp.csr_matrix, rows: np.ndarray, n_hops: int) -> dict[str, np.ndarray]:
    """Both views, target and one-hop partners of a tile; propagation reaches into the margin around it."""
    index = halo(S, rows, n_hops)
    local = S[index][:, index]
    n, hops, H = len(rows), [], P[index]
    for _ in range(n_hops):
        H = local @ H
        hops.append(H[:n])
    own = local.diagonal()[:n, None]
    mean = hops[0]
    alone = own >= 1 - 1e-6  # an isolated row is its own surroundings
    target = np.where(alone, P[rows], (mean - own * P[rows]) / np.where(alone, 1, 1 - own))
    inside = local[:n, :n]
    return {
        "spatial": np.hstack(hops).astype(np.float32),
        "features": np.hstack([P[rows], F[rows] @ P]).astype(np.float32),
        "target": target.astype(np.float32),
        "start": inside.indptr,
        "partner": inside.indices,
    }


def _pool(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Stack tiles; partners become positions in the stack."""
    offset = np.cumsum([0] + [len(p["target"]) for p in parts])
    edges = np.cumsum([0] + [len(p["partner"]) for p in parts])
    pool = {key: np.concatenate([p[key] for p in parts]) for key in ("spatial", "features", "target")}
    pool["partner"] = np.concatenate([p["partner"] + o for p, o in zip(parts, offset, strict=False)])
    pool["start"] = np.concatenate([p["start"][:-1] + e for p, e in zip(parts, edges, strict=False)] + [edges[-1:]])
    return pool


def _batches(pool: dict[str, np.ndarray], size: int, rng: np.random.Generator, device: torch.device) -> Iterator[Batch]:
    """Shuffle the rows and give each one random neighbour (itself included, as in the published readout)."""
    n = len(pool["target"])
    degree = np.diff(pool["start"])
    order = rng.permutation(n)
    for rows in np.array_split(order, max(1, round(n / size))):
        pick = pool["start"][rows] + (rng.random(len(rows)) * degree[rows]).astype(np.int64)
        other = pool["partner"][pick]
        arrays = (
            pool["spatial"][rows],
            pool["features"][rows],
            pool["target"][rows],
            pool["spatial"][other],
            pool["features"][other],
        )
        yield Batch(*(torch.from_numpy(a).to(device) for a in arrays))


@torch.no_grad()
def _embed(
    model: Fusion,
    P: np.ndarray,
    S: sp.csr_matrix,
    F: sp.csr_matrix,
    tiles: Sequence[np.ndarray],
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    embedding = np.empty((len(P), model.params.n_latent), np.float32)
    attention = np.empty(len(P), np.float32)
    for rows in tiles:
        view = _views(P, S, F, rows, model.params.n_hops)
        E, weight = model(*(torch.from_numpy(view[key]).to(device) for key in ("spatial", "features")))
        embedding[rows], attention[rows] = E.cpu().numpy(), weight[:, 0].mean(1).cpu().numpy()
    return embedding, attention
