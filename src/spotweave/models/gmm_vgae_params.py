"""Settings of the mixture-prior graph autoencoder, apart from it so that reading them does not import torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class GmmVgaeParams:
    """Settings of `GmmVgae` and of its training; one set for every data set."""

    likelihood: Literal["negative_binomial", "poisson"] = "negative_binomial"
    """Of the counts given their mean."""
    prior: Literal["mixture", "normal"] = "mixture"
    """Of the latent space: a Gaussian mixture that is learned, or the standard normal of a plain autoencoder."""
    n_components: int = 10
    """Components of the mixture."""
    n_latent: int = 20
    """Latent dimensions; the prior of the loadings switches off those that do not pay."""
    n_hidden: int = 128
    """Width of the encoder."""
    n_curved: int = 64
    """Width of the decoder's curved part, beside the linear one; 0: a linear decoder."""
    n_inputs: int = 30
    """Principal components that the encoder sees."""
    n_hops: int = 2
    """Propagations over the graph; each one is an input of the encoder. 0: no graph."""
    dropout: float = 0.1
    """In the encoder."""
    shrinkage: float = 0.1
    """Precision of the normal prior of the loadings, for each gene of the panel: the best value on held-out counts
    grew with the number of genes (10 for 33, 150 for 1,000, 1,500 for 15,000), as the whole of a dimension's loadings
    trades against one latent variance."""
    weight_edges: float = 0.0
    """Weight of the edge term: neighbours have closer latent means than random pairs."""
    n_warmup: int = 100
    """Steps over which the divergence gains its full weight; the mixture starts after them."""
    max_steps: int = 4_000
    """Most steps after that."""
    patience: int = 6
    """Looks at the held-out counts without gain before training stops."""
    learning_rate: float = 2e-3
    """Of AdamW."""
    batch_size: int = 512
    """Most rows of a minibatch; a sixteenth of the rows when that is fewer, but 32."""
    max_rows: int = 100_000
    """Training uses a random part of more rows; the encoder then serves all."""
