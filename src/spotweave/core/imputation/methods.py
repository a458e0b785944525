"""The ways to predict genes outside a panel, by name."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .combine import HOPS
from .gene_kernel import gene_kernel
from .linear import factor, ridge
from .mapping import mapping
from .mixture import mixture
from .neighbors import neighbors
from .pair import Pair, Predict
from .principal_vectors import principal_vectors

Route = Callable[[Pair, np.random.Generator], Predict]


class Method(NamedTuple):
    """Routes that are weighed against each other."""

    routes: tuple[Route, ...]
    hops: tuple[int, ...] = ()
    """How often predictions are averaged with neighbours': see `combine`."""


METHODS: dict[str, Method] = {
    "combined": Method((factor, ridge, neighbors, mixture, gene_kernel), HOPS),
    "gene_kernel": Method((gene_kernel,)),
    "factor": Method((factor,)),
    "ridge": Method((ridge,)),
    "neighbors": Method((neighbors,)),
    "mixture": Method((mixture,)),
    "principal_vectors": Method((principal_vectors,)),
    "mapping": Method((mapping,)),
    "mean": Method(()),
}
