"""Settings of the network that reads expression from a stained image."""

from dataclasses import dataclass
from typing import Literal

from .._check import check_choice, check_range, fail

GRAPHS = ("spatial", "functional")


@dataclass(frozen=True)
class HistologyParams:
    """Settings of `HistologyNet` and of its training; the defaults serve all data sets."""

    predict: Literal["both", "head", "retrieval"] = "both"
    """What predictions are made of: a head on the image's embedding, the retrieved training spots, or both, weighted
    (with the linear prediction, see `linear`) by what they were worth on inner folds."""
    linear: bool = True
    """Let the closed-form linear prediction of programs take part in the weighting."""
    n_programs: int = 20
    """Programs of expression that are predicted; genes are their mixtures."""
    n_axes: int = 96
    """Principal axes of the tiles' features (with their surroundings) that the network sees."""
    width: int = 96
    """Width of hidden layers and embeddings."""
    n_heads: int = 4
    """Attention heads."""
    dropout: float = 0.3
    """Share of hidden units left out in training."""
    n_neighs: int = 8
    """Neighbours of a spot in each graph."""
    image_graphs: tuple[str, ...] = GRAPHS
    """Graphs on the image side, out of "spatial" (places) and "functional" (alike tiles of the section)."""
    expression_graphs: tuple[str, ...] = GRAPHS
    """Graphs on the expression side; "functional" joins spots of alike programs and, when given, of one type."""
    soft_targets: bool = True
    """Spots that are alike count as partial matches (BLEEP) instead of as negatives (CLIP)."""
    contrast_weight: float = 0.2
    """Weight of the contrastive loss beside the head's squared error."""
    temperature: float = 0.2
    """Start of the learned temperature of the cosine similarities."""
    n_retrieved: int = 50
    """Training spots that a prediction by retrieval is averaged over."""
    retrieval: Literal["softmax", "distance", "mean"] = "softmax"
    """Their weights: by similarity over the learned temperature, by 1 / squared distance, or equal."""
    n_steps: int | None = None
    """Minibatches of training; None: 35 passes over the data, but at least 150 and at most 600 minibatches."""
    batch_size: int = 256
    """Spots in a minibatch, all of one section."""
    learning_rate: float = 1e-3
    """Of AdamW."""
    weight_decay: float = 0.1
    """Of AdamW."""

    def __post_init__(self) -> None:
        check_choice(self.predict, ["both", "head", "retrieval"], "predict")
        check_choice(self.retrieval, ["softmax", "distance", "mean"], "retrieval")
        for name, graphs in (("image_graphs", self.image_graphs), ("expression_graphs", self.expression_graphs)):
            if not set(graphs) <= set(GRAPHS):
                raise fail(f"`{name}` out of {list(GRAPHS)}", repr(graphs))
        for name in ("n_programs", "n_axes", "width", "n_heads", "n_neighs", "n_retrieved", "batch_size"):
            check_range(getattr(self, name), name, low=1, integer=True)
        if self.n_steps is not None:
            check_range(self.n_steps, "n_steps", low=1, integer=True)
        check_range(self.dropout, "dropout", low=0, high=0.95)
        for name in ("contrast_weight", "learning_rate", "weight_decay"):
            check_range(getattr(self, name), name, low=0)
        check_range(self.temperature, "temperature", low=0.01, high=1, why="it is kept there while it is learned")
        if self.predict == "retrieval" and self.contrast_weight == 0:
            raise fail("`contrast_weight` above 0 with predict='retrieval'", "0", "Only the contrast trains retrieval.")
        if self.width % self.n_heads:
            raise fail("`width` to be a multiple of `n_heads`", f"{self.width} and {self.n_heads}")
