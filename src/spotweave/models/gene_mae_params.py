"""Settings of the masked autoencoder of genes, apart from it so that reading them does not import torch."""

from dataclasses import dataclass

from .._check import check_range, fail


@dataclass(frozen=True)
class GeneMaeParams:
    """Settings of `GeneMae` and of its training; one set for every data set."""

    n_patches: int = 32
    """Patches of tissue, the tokens."""
    n_sub: int = 16
    """Bins of a patch, at most."""
    n_latent: int = 32
    """Dimensions of each of the two parts of the embedding."""
    width: int = 48
    """Of a token."""
    depth: int = 2
    """Blocks of the encoder."""
    n_heads: int = 4
    """Of the attention."""
    masked: float = 0.4
    """Share of the patches hidden from a view."""
    n_functions: int = 200
    """Smooth functions that the linear part and the read-out are made of."""
    length_scale: float = 0.02
    """Of their prior smoothness, in parts of the tissue's side."""
    contrast: float = 1.0
    """Weight of the agreement of two views of a gene; 0: reconstruction alone."""
    temperature: float = 0.2
    """Of that agreement."""
    refine: bool = True
    """Sharpen modules of genes afterwards."""
    n_modules: int = 30
    """Components that are sharpened, at most one for 8 genes."""
    n_rounds: int = 4
    """Fits of the mixture."""
    steps_round: int = 60
    """Training steps between two fits."""
    weight_modules: float = 1.0
    """Weight of the modules' term while refining."""
    softness: float = 10.0
    """Divides the log densities of the mixture: dimensions of an embedding err together, so that their sum is too sure
    of itself."""
    max_steps: int = 600
    """Steps of the training, at least; 6 passes over the genes when that is more."""
    patience: int = 3
    """Looks at held-out molecules without gain before it stops."""
    learning_rate: float = 2e-3
    """Of AdamW; a quarter while refining."""
    weight_decay: float = 1e-2
    """Of AdamW."""
    batch_size: int = 128
    """Genes of a minibatch."""
    held_out: float = 0.1
    """Share of the molecules that training is judged by."""

    def __post_init__(self) -> None:
        whole = ("n_patches", "n_sub", "n_latent", "width", "depth", "n_heads", "n_functions", "n_rounds")
        for name in (*whole, "steps_round", "max_steps", "patience", "batch_size"):
            check_range(getattr(self, name), name, low=1, high=1e9, integer=True)
        check_range(self.n_modules, "n_modules", low=2, high=1e6, integer=True)
        check_range(self.masked, "masked", low=0, high=0.99)
        check_range(self.held_out, "held_out", low=0.01, high=0.9)
        for name in ("temperature", "softness", "learning_rate"):
            check_range(getattr(self, name), name, low=1e-6, high=1e6)
        for name in ("length_scale", "contrast", "weight_modules", "weight_decay"):
            check_range(getattr(self, name), name, low=0, high=1e6)
        if self.width % self.n_heads:
            raise fail("a width that n_heads divides", f"width={self.width}, n_heads={self.n_heads}")
