"""One fold: every method fitted on the training sections and asked for the sections that were left out."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .._table import logger
from ..core.histology.folds import check_disjoint
from ..core.libraries import library_blocks
from ._cross_validate_scores import Scored, score_section, section_truth
from ._histology import Histology
from ._histology_panel import panel_target
from ._histology_predict import predict_section
from ._sections import Section, codes_of

MEAN, DEPTH = "mean", "depth"


class Fold(NamedTuple):
    """Sections that are learned from, and sections that are left out."""

    number: int
    name: str
    """What is left out."""
    train: list[Section]
    test: list[Section]
    known: bool
    """May patients be on both sides?"""

    @property
    def learned_from(self) -> list[Section]:
        """Training sections, grouped as what is left out.

        Inner folds have to ask what the outer one asks: for another section of known patients, sections are left out.
        """
        return [section._replace(group=section.name) for section in self.train] if self.known else self.train


class Ready(NamedTuple):
    """A fitted method."""

    genes: pd.DataFrame
    """The panel, with the ``mean`` in training and ``predictable``."""
    predict: Callable[[Section], np.ndarray]
    """Expression of the panel in a section ``[n, g]``."""
    seconds: float
    """That the fit took."""


def score_fold(
    make: Callable[[str, Sequence[str] | None], Histology],
    methods: Sequence[str],
    genes: Sequence[str] | None,
    fold: Fold,
    *,
    keep: bool,
) -> tuple[list[Scored], dict[str, Any]]:
    """Score all methods on the sections left out.

    Parameters
    ----------
    make
        Builds a method for a panel of genes, with random numbers of its own; None: it chooses the panel.
    methods
        `MEAN`, `DEPTH` and methods of `Histology`.
    genes
        The panel, if it is given.
    fold
        Sections.
    keep
        Keep predictions.

    Returns
    -------
    Scores of each method and section, and what the fold was.

    Raises
    ------
    InputError
        When a group is on both sides and should not be, or a section lacks the whole panel.
    """
    if not fold.known:
        check_disjoint({section.group for section in fold.train}, {section.group for section in fold.test})
    model = make(MEAN, genes)  # the first to be fitted, so that it is the one to choose the panel
    train = fold.learned_from
    mean = _fit(model, train)
    panel = [str(gene) for gene in mean.genes.index]
    truths = [section_truth(section, panel, model.target) for section in fold.test]
    found = []
    for method in methods:
        if method == DEPTH:
            ready = fit_depth(fold.train, mean.genes, model.target)
        else:
            ready = mean if method == MEAN else _fit(make(method, panel), train)
        share = ready.seconds / len(fold.test)
        for section, truth in zip(fold.test, truths, strict=True):
            start = time.perf_counter()
            with threadpool_limits(1, user_api="blas"):
                predicted = ready.predict(section)
            seconds = share + time.perf_counter() - start
            label = {"method": method, "fold": fold.number, "group": section.group, "section": section.name}
            scored = score_section(label, truth, predicted, ready.genes, seconds)
            frame = pd.DataFrame(predicted, index=section.spots, columns=ready.genes.index) if keep else None
            found.append(scored._replace(predicted=frame))
        logger.info("cross_validate_histology: %r held out, %s in %.1f s", fold.name, method, ready.seconds)
    kind = "section" if fold.known and model.inner_kind_ == "group" else model.inner_kind_
    return found, _report(fold, panel, kind)


def fit_depth(train: Sequence[Section], genes: pd.DataFrame, target: str) -> Ready:
    r"""Each gene on a line in the depth of the spot: an oracle, for it is told the test spots' true counts.

    :math:`\hat y_{ij} = m_j + b_j (d_i - \bar d_{s(i)})` with :math:`d_i = \log(1 + t_i)` of the counts t of all genes,
    the training mean m, and the slope b of least squares within training sections.

    Parameters
    ----------
    train
        Sections to learn from.
    genes
        Index: the panel.
    target
        Kind of the expression target.

    Returns
    -------
    The line. No gene is called predictable: no image is looked at.
    """
    start = time.perf_counter()
    codes, totals = codes_of(train), np.concatenate([section.totals for section in train])
    Y = panel_target(train, list(genes.index), target)
    depth = np.log1p(totals)
    for rows in library_blocks(len(depth), codes):
        depth[rows] -= depth[rows].mean()
    power = float(depth @ depth)
    slope = np.asarray(Y.T @ depth) / power if power > 0 else np.zeros(len(genes))
    mean = np.asarray(Y.mean(axis=0), dtype=np.float64).ravel()

    def predict(section: Section) -> np.ndarray:
        d = np.log1p(section.totals)
        return (mean + np.outer(d - d.mean(), slope)).astype(np.float32)

    return Ready(genes.assign(mean=mean, predictable=False), predict, time.perf_counter() - start)


def _fit(model: Histology, train: Sequence[Section]) -> Ready:
    start = time.perf_counter()
    model.fit_sections(train)
    predict = lambda section: model.fitted_.genes(predict_section(model, section).parts)
    return Ready(model.genes_, predict, time.perf_counter() - start)


def _report(fold: Fold, panel: list[str], inner_kind: str) -> dict[str, Any]:
    return {
        "fold": fold.number,
        "held_out": fold.name,
        "train_groups": sorted({section.group for section in fold.train}),
        "train_sections": [section.name for section in fold.train],
        "test_groups": sorted({section.group for section in fold.test}),
        "test_sections": [section.name for section in fold.test],
        "inner_kind": inner_kind,
        "panel": panel,
    }
