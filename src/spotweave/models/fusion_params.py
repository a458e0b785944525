"""Settings of the fusion network, apart from it so that reading them does not import torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class FusionParams:
    """Settings of `Fusion` and of its training; one set for every data set."""

    n_latent: int = 20
    """Width of the embedding."""
    n_hidden: int = 64
    """Width of each view."""
    n_heads: int = 4
    """Heads of the attention over the two views."""
    n_hops: int = 2
    """Propagations over the spatial graph; each one is an input of the spatial view."""
    dropout: float = 0.1
    """Share of inputs set to zero in training."""
    contrast: Literal["neighbours", "corrupted", "none"] = "neighbours"
    """Agreement with a neighbour without redundancy, or the published critic against corrupted rows."""
    weight_contrast: float = 0.02
    """Weight of the contrast; the reconstruction has weight 1 and a loss of at most 1."""
    n_epochs: int = 40
    """Passes over the training rows."""
    batch_size: int = 1024
    """Rows of a minibatch."""
    learning_rate: float = 3e-3
    """Of AdamW."""
    tile_size: int = 2048
    """Most rows of a spatial tile."""
    max_rows: int = 30_000
    """Training uses whole tiles up to about this many rows; the embedding is of all rows, tile by tile."""
