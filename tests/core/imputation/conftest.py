"""A planted pair: two types of cells in a target and in a reference, with empty cells and genes."""

from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.imputation.pair import Pair, Predict, make_pair, sizes


class Planted(NamedTuple):
    """What was simulated."""

    pair: Pair
    target_type: np.ndarray
    """0 or 1 ``[n]``."""
    reference_type: np.ndarray
    """0 or 1 ``[m]``."""

    def worst(self, predict: Predict) -> float:
        """Smallest correlation of a marker's prediction with the type that it marks, among cells with counts."""
        cells = np.flatnonzero(sizes(self.pair.X))
        values, kind = predict(np.arange(10))[cells], self.target_type[cells]
        return min(np.corrcoef(values[:, g], kind == g // 5)[0, 1] for g in range(10))


@pytest.fixture
def planted(rng) -> Planted:
    """61 cells of the target, 83 of the reference, 23 panel and 17 wanted genes.

    Wanted genes 0 to 4 mark type 0, 5 to 9 type 1; the panel has eight markers of each. Cell 7 of the target is empty;
    panel gene 4 and wanted gene 11 have no counts in the reference, panel gene 6 none in the target.
    """
    shares = rng.gamma(3.0, 1.0, (2, 40))
    shares[1, :8] *= 0.1
    shares[0, 8:16] *= 0.1
    shares[1, 23:28] *= 0.1
    shares[0, 28:33] *= 0.1
    kinds = rng.integers(0, 2, 61), rng.integers(0, 2, 83)
    target, reference = (rng.poisson(rng.gamma(8.0, 0.5, (len(kind), 1)) * shares[kind]) for kind in kinds)
    target[7] = 0
    target[:, 6] = 0
    reference[:, [4, 23 + 11]] = 0
    return Planted(make_pair(target[:, :23], reference[:, :23], reference[:, 23:]), *kinds)


class Kinds(NamedTuple):
    """Kinds of cells in two platforms; target cell 5 is empty, the reference lacks the last wanted gene."""

    pair: Pair
    truth: np.ndarray
    """Logarithms of the wanted genes' true shares ``[n, t]``."""

    def recovered(self, predicted):
        """Mean correlation over cells."""
        found, truth = (np.delete(values, 5, axis=0)[:, :-1].T for values in (predicted, self.truth))
        return np.mean([np.corrcoef(f, t)[0, 1] for f, t in zip(found, truth, strict=True)])

    def scrambled(self, rng):
        """Wanted genes without any relation to the panel."""
        return Pair(self.pair.X, self.pair.R, sp.csc_matrix(rng.permuted(self.pair.Y.toarray(), axis=0)))


@pytest.fixture
def kinds(rng):
    """61 cells and 97 of the reference, of four kinds; 23 genes of the panel and 29 wanted ones."""
    rate = rng.gamma(1, 1, (4, 52)) + 0.05
    rate /= rate[:, :23].sum(axis=1, keepdims=True)  # depth is that of the panel
    kind, other = rng.integers(4, size=61), rng.integers(4, size=97)
    caught = rng.gamma(4, 0.25, 23)  # differs between platforms
    X = rng.poisson(rng.uniform(60, 200, (61, 1)) * rate[kind, :23] * caught)
    counts = rng.poisson(rng.uniform(100, 500, (97, 1)) * rate[other])
    X[5], X[:, 3], counts[:, -1] = 0, 0, 0
    pair = make_pair(sp.csr_matrix(X), sp.csr_matrix(counts[:, :23]), sp.csc_matrix(counts[:, 23:]))
    return Kinds(pair, np.log(rate[kind, 23:]))
