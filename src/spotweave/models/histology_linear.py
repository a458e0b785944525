"""Closed-form predictors: the training mean, ridge regression of genes, ridge regression of programs."""

from typing import NamedTuple

import numpy as np

from ..core.histology.basis import Basis, principal_basis
from ..core.histology.linear import PENALTIES, RidgePath, ridge_path
from ..core.histology.programs import Programs, expression_programs
from ..core.histology.shrink import stacking_weights
from ..core.histology.tissue import Tissue
from .histology_training import Answer, Fitted, Training, centred, mean_expression

N_PROGRAMS = 20


class Linear(NamedTuple):
    """Coefficients on features and surroundings ``[2 d, t]``."""

    coefficients: np.ndarray

    def __call__(self, tissue: Tissue, types: np.ndarray | None = None) -> Answer:
        """Predict each row of `tissue`; types are not used."""
        d = tissue.features.shape[1]
        return Answer(tissue.features @ self.coefficients[:d] + tissue.around @ self.coefficients[d:], None)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that restore the predictor."""
        return {"coefficients": self.coefficients}


def fit_mean(training: Training) -> Fitted:
    """Predict the training mean everywhere: what is known without the image."""
    n, g = training.target.shape
    nothing = Linear(np.zeros((2 * training.tissue.features.shape[1], 1)))
    return Fitted(nothing, mean_expression(training), np.zeros((1, g)), np.zeros((n, 1)), {})


def fit_ridge(training: Training) -> Fitted:
    """Ridge regression of each gene on the features of the tile and its surroundings, one penalty for all genes.

    The penalty is chosen on genes of variance 1, so that all of them have a say in it and not the few most variable.
    """
    basis = principal_basis(training.tissue.joined)
    Y = centred(training)
    scale = np.maximum(Y.std(axis=0), 1e-9)
    path = ridge_path(basis.scores, Y / scale, training.fold, shared=True)
    chosen = {"penalty": float(path.penalties[path.best[0]])}
    coefficients = basis.axes @ path.coefficients * scale
    return Fitted(Linear(coefficients), mean_expression(training), None, path.held_out * scale, chosen)


class LinearPrograms(NamedTuple):
    """Programs, the features' axes, and ridge regression of the one on the other."""

    programs: Programs
    basis: Basis
    path: RidgePath


def regress_programs(training: Training, *, n_programs: int) -> LinearPrograms:
    """Regress programs on features, each program with a penalty of its own."""
    programs = expression_programs(training.target, training.tissue.section, n_programs=n_programs)
    basis = principal_basis(training.tissue.joined)
    return LinearPrograms(programs, basis, ridge_path(basis.scores, programs.scores, training.fold))


def fit_programs(training: Training, *, n_programs: int = N_PROGRAMS) -> Fitted:
    r"""Ridge regression of the programs of expression, each shrunk by what it was worth on held-out rows.

    :math:`\hat y = m + w \circ (x B) V^\top` with programs V (`core.histology.programs`), a penalty for each program,
    and weights :math:`0 \leq w \leq 1` by stacking (`core.histology.shrink`). Where ridge on genes has to choose one
    penalty for thousands of genes that are mostly noise, programs are few, measured by many genes, and each is
    regularised as it needs.
    """
    linear = regress_programs(training, n_programs=n_programs)
    weights = stacking_weights(linear.path.held_out[None], linear.programs.scores)[0]
    coefficients = linear.basis.axes @ (linear.path.coefficients * weights)
    chosen = {"penalties": PENALTIES[linear.path.best], "weights": weights}
    held_out = linear.path.held_out * weights
    return Fitted(Linear(coefficients), linear.programs.mean, linear.programs.loadings.T, held_out, chosen)
