"""Scores, arrays in and numbers out: of domains (agreement, separation, smoothness), expected counts, predicted genes.

Labels may be of any type (strings, numbers, categoricals). Rows whose truth is missing (NaN, None, NA) are dropped.
"""

from ._agreement import ami as ami
from ._agreement import ari as ari
from ._agreement import completeness as completeness
from ._agreement import homogeneity as homogeneity
from ._agreement import nmi as nmi
from ._agreement import v_measure as v_measure
from ._counts import negative_binomial_deviance as negative_binomial_deviance
from ._counts import poisson_deviance as poisson_deviance
from ._counts import residual_correlation as residual_correlation
from ._domains import asw as asw
from ._domains import chaos as chaos
from ._domains import pas as pas
from ._imputed import ImputationScores as ImputationScores
from ._imputed import imputation_scores as imputation_scores
from ._names import align_labels as align_labels

__all__ = [
    "ImputationScores",
    "align_labels",
    "ami",
    "ari",
    "asw",
    "chaos",
    "completeness",
    "homogeneity",
    "imputation_scores",
    "negative_binomial_deviance",
    "nmi",
    "pas",
    "poisson_deviance",
    "residual_correlation",
    "v_measure",
]
