"""The genes that a model of stained images learns, and their expression in the training sections."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from .._check import fail, listing
from ..core.histology.panel import choose_panel
from ..core.histology.targets import expression_target
from ._sections import Section, codes_of, common_genes


def panel_genes(sections: Sequence[Section], genes: list[str] | None, n_top: int) -> list[str]:
    """Genes to predict: those asked for, else the `n_top` most variable in the order of the first table.

    Parameters
    ----------
    sections
        Training sections.
    genes
        Names; None to choose.
    n_top
        How many to choose.

    Returns
    -------
    Names.

    Raises
    ------
    InputError
        When a section lacks a gene that was asked for, or no gene can be chosen.
    """
    shared = common_genes(sections)
    if genes is None:
        counts = [section.panel(list(shared)) for section in sections]
        chosen = choose_panel(counts, [section.totals for section in sections], n_top=n_top).indices
        return [str(gene) for gene in shared[np.sort(chosen)]]
    if not genes:
        raise fail("at least one gene", "an empty list", "Leave `genes` out to have them chosen.")
    missing = [gene for gene in genes if gene not in shared]
    if missing:
        raise fail("genes that all training sections have", listing(missing), "Leave them out, or sections without.")
    return genes


def panel_counts(sections: Sequence[Section], genes: list[str]) -> tuple[sp.csr_matrix, np.ndarray]:
    """Counts of the panel in all sections, one below the other ``[n, g]``, and of all genes of each spot ``[n]``."""
    counts = sp.vstack([section.panel(genes) for section in sections], format="csr")
    return counts, np.concatenate([section.totals for section in sections])


def panel_target(sections: Sequence[Section], genes: list[str], kind: str) -> sp.csr_matrix:
    """Expression of the panel in all sections ``[n, g]``; see `expression_target`."""
    counts, totals = panel_counts(sections, genes)
    return expression_target(counts, totals, kind=kind, section=codes_of(sections))
