"""FlashS (Yang, Zhang and Chen 2026) with its defaults: random Fourier features on raw counts, three channels."""

from typing import Any

import numpy as np
from flashs import FlashS  # type: ignore[import-not-found]


def test_genes(X: Any, xy: np.ndarray, seed: int) -> np.ndarray:
    """P value and statistic ``[2, g]``; genes found in fewer than 5 spots are not tested (p = 1)."""
    result = FlashS(random_state=seed).fit_test(xy, X)
    return np.stack([result.pvalues, result.statistics])


def warm() -> None:
    """Compile."""
    import scipy.sparse as sp

    rng = np.random.default_rng(0)
    test_genes(sp.csr_matrix(rng.poisson(1.0, (200, 12)).astype(np.float32)), rng.random((200, 2)), 0)
