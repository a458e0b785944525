"""Predicted sections against their truth: per gene, per section, and over patients."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._check import fail, listing
from ..core.histology.targets import expression_target
from ..metrics import bootstrap_mean, expression_scores, paired_margin
from ._sections import Section

N_HIGHEST = 50  # genes of highest training mean: "HEG" of the field, since Xie et al. 2023 (NeurIPS)
GENE_SCORES = ("pearson", "spearman", "r2", "rmse")
MEANS = ("spearman", "r2", "pearson_heg", "pearson_predictable", "n_predictable")


class HistologyScores(NamedTuple):
    """Scores of methods that predict expression from images."""

    genes: pd.DataFrame
    """A row for each method, section and gene of the panel that the section has: ``method``, ``fold``, ``group``,
    ``section``, ``gene``, ``pearson``, ``spearman``, ``r2``, ``rmse`` (`metrics.expression_scores`), ``predictable``
    (did the *training* sections say that the image tells of this gene, `Histology.genes_`)."""
    sections: pd.DataFrame
    """A row for each method and section: ``method``, ``fold``, ``group``, ``section``, ``n_spots``, ``n_genes`` (genes
    that vary in the section, which all means are over), ``pearson``, ``pearson_heg`` (the 50 genes of highest training
    mean), ``pearson_predictable`` (genes that the method called predictable; NaN if none), ``n_predictable``,
    ``spearman``, ``r2``, ``seconds`` (to fit and predict; the fit is shared out among the sections of a fold)."""
    summary: pd.DataFrame
    """A row for each method, unweighted means over sections: ``pearson`` with ``lower`` and ``upper``, its 95 % bootstrap
    interval, ``spearman``, ``r2``, ``pearson_heg``, ``pearson_predictable``, ``n_predictable``; by how much ``pearson``
    exceeds the two rows that see no image, with intervals: ``margin_mean``, ``margin_mean_lower``,
    ``margin_mean_upper``, ``margin_depth``, ``margin_depth_lower``, ``margin_depth_upper``."""
    predictions: dict[tuple[str, str], pd.DataFrame] | None
    """Predictions spots x panel by (method, section), when asked for."""
    report: dict[str, Any]
    """``params``; ``folds`` (of each ``train_groups``, ``train_sections``, ``test_groups``, ``test_sections``, ``panel``,
    ``inner_kind``); ``interval_over``, what was drawn for the intervals; ``notes``, limits of what the scores say."""


class Truth(NamedTuple):
    """Measured expression of a section."""

    columns: np.ndarray
    """Genes of the panel that the section has, bool ``[g]``."""
    values: sp.csr_matrix
    """Of these genes ``[n, number of them]``."""


class Scored(NamedTuple):
    """One method on one section."""

    genes: pd.DataFrame
    section: dict[str, Any]
    predicted: pd.DataFrame | None


def section_truth(section: Section, panel: list[str], target: str) -> Truth:
    """Measured expression of the panel genes that the section has, normalised by the counts of all its genes."""
    columns = np.isin(panel, section.genes)
    if not columns.any():
        raise fail(
            f"a gene of the panel ({listing(panel)}) in section {section.name!r}",
            f"genes {listing(section.genes)}",
            "Pass genes= that all tables have.",
        )
    counts = section.panel([gene for gene, there in zip(panel, columns, strict=True) if there])
    return Truth(columns, expression_target(counts, section.totals, kind=target))


def score_section(
    label: dict[str, Any], truth: Truth, predicted: np.ndarray, genes: pd.DataFrame, seconds: float
) -> Scored:
    """Score one method on one section.

    Parameters
    ----------
    label
        Columns that name the row: method, fold, group, section.
    truth
        Of the section.
    predicted
        Expression of the whole panel ``[n, g]``.
    genes
        The panel, with ``mean`` in training and ``predictable``.
    seconds
        To be written beside the scores.

    Returns
    -------
    A row for each gene, and one for the section.
    """
    known = genes[truth.columns]
    train_mean = known["mean"].to_numpy(np.float64)
    scores = expression_scores(truth.values, predicted[:, truth.columns], train_mean=train_mean)
    table = pd.DataFrame({"gene": known.index.to_numpy(dtype=object), **scores._asdict()})
    table["predictable"] = known["predictable"].to_numpy(bool)
    for place, (name, value) in enumerate(label.items()):
        table.insert(place, name, value)
    highest = table.iloc[np.argsort(-train_mean, kind="stable")[:N_HIGHEST]]
    row = {
        **label,
        "n_spots": len(predicted),
        "n_genes": int(table["pearson"].notna().sum()),
        "pearson": table["pearson"].mean(),
        "pearson_heg": highest["pearson"].mean(),
        "pearson_predictable": table.loc[table["predictable"], "pearson"].mean(),
        "n_predictable": int(table["predictable"].sum()),
        "spearman": table["spearman"].mean(),
        "r2": table["r2"].mean(),
        "seconds": seconds,
    }
    return Scored(table, row, None)


def summarise(sections: pd.DataFrame, yardsticks: Sequence[str], *, n_boot: int, seed: int) -> pd.DataFrame:
    """Mean of each method over sections, with intervals over groups.

    Parameters
    ----------
    sections
        A row for each method and section; methods keep their order.
    yardsticks
        Methods to compare the others with, section by section.
    n_boot
        Draws of the bootstrap.
    seed
        Of the draws, the same for all methods.

    Returns
    -------
    A row for each method: see `HistologyScores`.
    """
    options = {"n_boot": n_boot, "rng": seed}
    parts = {str(method): part.set_index("section") for method, part in sections.groupby("method", sort=False)}
    rows = {}
    for method, part in parts.items():
        group = part["group"].to_numpy()
        row = dict(zip(("pearson", "lower", "upper"), bootstrap_mean(part["pearson"], group, **options), strict=True))
        row |= {name: part[name].mean() for name in MEANS}
        for other in yardsticks:
            margin = paired_margin(part["pearson"], parts[other].loc[part.index, "pearson"], group, **options)
            row |= dict(zip((f"margin_{other}{end}" for end in ("", "_lower", "_upper")), margin, strict=True))
        rows[method] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")
