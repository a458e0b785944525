"""Scores, arrays in and numbers out: of domains, expected counts, predicted genes or expression, composition of spots.

Labels may be of any type (strings, numbers, categoricals). Rows whose truth is missing (NaN, None, NA) are dropped.
"""

from ..core.colocation import Colocation as Colocation
from ..core.colocation import colocation as colocation
from ._agreement import ami as ami
from ._agreement import ari as ari
from ._agreement import completeness as completeness
from ._agreement import homogeneity as homogeneity
from ._agreement import nmi as nmi
from ._agreement import v_measure as v_measure
from ._counts import negative_binomial_deviance as negative_binomial_deviance
from ._counts import poisson_deviance as poisson_deviance
from ._counts import residual_correlation as residual_correlation
from ._deconvolution import deconvolution_scores as deconvolution_scores
from ._domains import asw as asw
from ._domains import chaos as chaos
from ._domains import pas as pas
from ._expression import BootstrapMean as BootstrapMean
from ._expression import ExpressionScores as ExpressionScores
from ._expression import bootstrap_mean as bootstrap_mean
from ._expression import expression_scores as expression_scores
from ._expression import paired_margin as paired_margin
from ._imputed import ImputationScores as ImputationScores
from ._imputed import imputation_scores as imputation_scores
from ._mixing import batch_asw as batch_asw
from ._mixing import ilisi as ilisi
from ._mixing import kbet as kbet
from ._mixing import label_asw as label_asw
from ._mixing import neighbors_kept as neighbors_kept
from ._names import align_labels as align_labels

__all__ = [
    "BootstrapMean",
    "Colocation",
    "ExpressionScores",
    "ImputationScores",
    "align_labels",
    "ami",
    "ari",
    "asw",
    "batch_asw",
    "bootstrap_mean",
    "chaos",
    "colocation",
    "completeness",
    "deconvolution_scores",
    "expression_scores",
    "homogeneity",
    "ilisi",
    "imputation_scores",
    "kbet",
    "label_asw",
    "negative_binomial_deviance",
    "neighbors_kept",
    "nmi",
    "paired_margin",
    "pas",
    "poisson_deviance",
    "residual_correlation",
    "v_measure",
]
