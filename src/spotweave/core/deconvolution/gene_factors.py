"""How much more of each gene spots catch than their mixtures expect, as far as it is the same in all of them."""

from collections.abc import Iterable

import numpy as np

ALIKE = 0.05
"""Variance of log factors between two samples of one tissue and technology, about what fields of view of seqFISH+
have: it is no platform's, and correcting for it costs more than it brings."""
DISPERSION = 1.0
"""Of a count around its mixture, before anything is known: it makes the factor nearly a mean of ratios."""


def log_factors(blocks: Iterable[tuple[np.ndarray, np.ndarray]], n_genes: int) -> np.ndarray:
    r"""Estimate one log factor a gene, drawn to 0 as far as chance or ordinary differences explain it.

    With counts x, expectations :math:`\mu` and weights :math:`v = 1 / (1 + \mu)`,

    .. math:: r_g = \log \frac{\sum_i v x_{ig} + 1/2}{\sum_i v \mu_{ig} + 1/2}, \quad
       e_g^2 = \frac{\sum_i v^2 (x_{ig} - e^{r_g} \mu_{ig})^2 + 1/2}{(\sum_i v x_{ig} + 1/2)^2}, \quad
       \log \delta_g = \frac{(\sigma^2 - \sigma_0^2)_+}{\sigma^2 + e_g^2} r_g

    where the error e is judged by the spread between spots (a sandwich estimate: few spots cannot tell what the
    platform does from what their cells are), :math:`\sigma^2` is the median over genes of :math:`r^2 - e^2`, divided by
    that of a squared standard normal, .455, and :math:`\sigma_0^2` is `ALIKE`.

    Parameters
    ----------
    blocks
        Counts and expectations of some spots at a time ``[b, p]``.
    n_genes
        p.

    Returns
    -------
    ``[p]``.
    """
    sums = np.zeros((5, n_genes))
    for counts, expected in blocks:
        v = 1 / (1 + DISPERSION * expected)
        x, mu = np.asarray(counts * v, np.float64), np.asarray(expected * v, np.float64)
        sums += [part.sum(axis=0) for part in (x, mu, x * x, x * mu, mu * mu)]
    x, mu, xx, xm, mm = sums
    ratio = (x + 0.5) / (mu + 0.5)
    r = np.log(ratio)
    error = (np.maximum(xx - 2 * ratio * xm + ratio**2 * mm, 0) + 0.5) / (x + 0.5) ** 2
    variance = max(float(np.median(r**2 - error)) / 0.455, 0.0)
    return r * max(variance - ALIKE, 0.0) / (variance + error)
