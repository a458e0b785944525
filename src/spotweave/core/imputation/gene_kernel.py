"""The route through genes (SIGEL): vectors of genes from the reference, patterns of the panel from the target."""

import numpy as np

from .features import Scale, features
from .linear import bounded, busiest, components, panel_features
from .pair import Pair, Predict, sizes


def gene_kernel(
    pair: Pair,
    rng: np.random.Generator,
    *,
    rank: int = 20,
    width: float = 1.0,
    penalty: float = 3.0,
    most_genes: int = 4_000,
) -> Predict:
    r"""Carry the target's own patterns from panel genes to wanted genes whose vectors are alike in the reference.

    A gene's vector :math:`e_g` holds its correlations with the leading components of the reference (SIGEL's gene
    representation, Li et al. 2025, Genome Biol. 26:287, here without a network). The map from vectors to patterns of
    the target is learned on the panel by kernel ridge regression over *genes*:

    .. math:: \hat T = A\, (K + \lambda D)^{-1} K_w, \qquad
              K_{gh} = \exp\left(-\frac{1 - \cos(e_g, e_h)}{b}\right)

    with A the standardised panel of the target and D inversely proportional to the share of each panel gene that the
    components explain: genes that are mostly noise teach little. Other routes learn how genes go together from the
    reference alone; this one takes patterns that only the target has.

    Parameters
    ----------
    pair
        Counts.
    rng
        Not used.
    rank
        Components that vectors are made of.
    width
        Width b of the kernel.
    penalty
        :math:`\lambda`.
    most_genes
        Wanted genes that take part in finding the components: those with most counts.

    Returns
    -------
    Predictions, standardised and scaled by the length of the gene's vector: a gene that the components do not explain
    is given no pattern.
    """
    scale: Scale = "residual"
    A, B, size = *panel_features(pair, scale), sizes(pair.R)
    U = components(np.hstack([B, features(pair.Y[:, busiest(pair.Y, most_genes)], size, scale)]), rank).basis
    vectors = lambda T: U.T @ T / np.sqrt(len(B))  # [k, g], correlations
    E, length = _directions(vectors(B))
    noise = np.median(np.maximum(length, SHORTEST) ** 2) / np.maximum(length, SHORTEST) ** 2
    K = np.exp(-(1 - E.T @ E) / width)
    learned = A @ np.linalg.inv(K + penalty * np.diag(noise)).astype(np.float32)  # [n, p]

    def predict(genes: object) -> np.ndarray:
        own, size_own = _directions(vectors(features(pair.Y[:, genes], size, scale)))
        return bounded(learned @ (np.exp(-(1 - E.T @ own) / width) * size_own).astype(np.float32))

    return predict


SHORTEST = 0.02
"""Vectors shorter than this are noise."""


def _directions(E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors ``[k, g]`` and lengths ``[g]``."""
    length = np.linalg.norm(E, axis=0)
    return E / np.maximum(length, 1e-9), length
