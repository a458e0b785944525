"""Counts of spatial data and of a reference, for the genes that both have."""

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from .._check import fail
from .._gene_names import GeneMatch
from ._denoise_input import read_counts

if TYPE_CHECKING:
    from anndata import AnnData

LEAST_SHARED = 10
"""Genes that target and reference must share."""


def read_role(adata: "AnnData", layer: str | None, role: str, *, warn: bool = True) -> sp.csr_matrix:
    """Counts of one of the two tables, ``"target"`` or ``"reference"``; an error says which; `warn` of empty rows."""
    try:
        return read_counts(adata, layer, warn=warn and role == "target")  # empty cells of a reference are left out
    except ValueError as error:
        raise type(error)(f"{role}: {error}") from None


def with_counts(match: GeneMatch, target: np.ndarray, reference: np.ndarray, *, least: int = LEAST_SHARED) -> GeneMatch:
    """Leave out shared genes without any count on either side, given totals by gene: they say nothing."""
    some = (target[match.target] > 0) & (reference[match.reference] > 0)
    if some.sum() < least:
        raise fail(f"at least {least} shared genes with counts in target and reference", f"{some.sum()} of {len(some)}")
    return match._replace(target=match.target[some], reference=match.reference[some], names=match.names[some])
