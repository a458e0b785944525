"""The verb `gene_interactions`: pairs of genes with a common pattern, and what changes between conditions."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._check import check_choice, check_range, fail
from .._table import logger
from ..core.combine import false_discovery_rate
from ..core.gene_pairs import pair_scores
from ..core.gene_patterns import side_by_side
from ..core.pair_difference import Replicates, displacement, measure_pairs, pair_difference
from ._gene_sections import choose_genes, conditions, patterns_of, read_sections

LEVEL = 0.05
FEWEST_SECTIONS = 3
"""With two of each, labels can be shuffled in two other ways only: 17 % of genes had p < 0.05 without a change."""
NO_REPLICATES = (
    "one section of a condition: differences are judged against blocks within sections, and say nothing of variation "
    "between animals or sections"
)


def gene_interactions(
    adata: Any,
    *,
    genes: Sequence[str] | None = None,
    condition_key: str | None = None,
    library_key: str | None = None,
    level: Literal["pair", "gene"] = "pair",
    n_genes: int = 1_000,
    n_top: int | None = 1_000,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    table_key: str = "table",
    rng: int | np.random.Generator = 0,
) -> pd.DataFrame:
    r"""Find pairs of genes that share a pattern in space, or whose relation differs between two conditions.

    Genes are coefficients of smooth functions of position (`spotweave.core.gene_patterns`), so that nothing of the size
    of cells x genes is kept, and sections need no alignment: a relation between two genes is a number in each section.

    Without `condition_key`, a pair is tested against two patterns as strong and as smooth as these that have nothing to
    do with each other (`spotweave.core.gene_pairs.pair_scores`); sections are pooled. With it, against what sections of
    the same condition differ by (`spotweave.core.pair_difference`). A relation may come from cells of one type or of
    neighbouring types: it is no evidence of molecules that bind. Expression is relative to all counts of a spot: where
    few modules are most of the counts, what is up in one seems down in the others. In tissue of layers all genes have
    borders in common, and most pairs are found: rank them by z rather than count them.

    Parameters
    ----------
    adata
        AnnData or SpatialData, or a list of them, one for each section; genes are matched by name.
    genes
        Genes to consider; None: those that vary in space (q < 0.05) in at least half of the sections of a condition.
    condition_key
        Column of ``obs`` with two conditions, one in each section.
    library_key
        Column of ``obs`` that says which section a row lies on.
    level
        ``"pair"``: pairs of genes. ``"gene"``: genes whose relations change, which asks for `condition_key` and
        three sections of each condition at least.
    n_genes
        Most genes to consider when `genes` is None, the surest ones; time and memory grow with the square.
    n_top
        Rows to return, those of least p; None for all.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    spatial_key
        Coordinates in ``obsm``.
    table_key
        Name of the table in a SpatialData object.
    rng
        Seed or generator for the shuffles of labels, where there are more than can all be tried.

    Returns
    -------
    DataFrame, least p first; q by Benjamini and Hochberg over all that was tested. Columns

    * pairs: ``gene_a``, ``gene_b``, ``correlation`` (of the patterns, less noise), ``z``, ``p``, ``q``,
    * pairs with conditions: ``gene_a``, ``gene_b``, ``correlation_<condition>`` of both, ``difference`` (second less
      first, of Fisher's z), ``se``, ``p``, ``q``,
    * genes: ``gene``, ``displacement`` (root mean square change of Fisher's z with anchor genes beyond that between
      replicates), ``p``, ``q``, ``n_changed`` (partners with q < 0.05 by pairs), ``anchor``,

    and ``attrs``: ``n_sections``, ``n_genes``, ``n_tested``; with conditions ``null`` (``"sections"`` or ``"blocks"``)
    and ``warning``, empty or that variation between animals is not covered. Against blocks, p is too small for claims
    beyond the two sections: adjacent sections of one tumour had p < 0.05 for a sixth of their pairs.

    Raises
    ------
    InputError
        When tables share no genes, a section has several conditions, or there are not two of them.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_patterns(400, n_genes=40, n_modules=3, log_fold=(0.5, 0.8), rng=1)
    >>> table = sw.tl.gene_interactions(adata, n_top=5)
    >>> a, b = table["gene_a"], table["gene_b"]
    >>> bool((adata.var["module"][a].to_numpy() == adata.var["module"][b].to_numpy()).all())
    True
    """
    check_choice(level, ("pair", "gene"), "level")
    check_range(n_genes, "n_genes", low=2, integer=True)
    if n_top is not None:
        check_range(n_top, "n_top", low=1, integer=True)
    if level == "gene" and condition_key is None:
        raise fail("condition_key with level='gene'", "none", "Genes are compared between two conditions.")
    sections, names = read_sections(
        adata,
        layer=layer,
        spatial_key=spatial_key,
        library_key=library_key,
        condition_key=condition_key,
        table_key=table_key,
    )
    found, codes = (None, np.zeros(len(sections), dtype=int)) if condition_key is None else conditions(sections)
    if level == "gene" and np.bincount(codes).min() < FEWEST_SECTIONS:
        raise fail(
            f"{FEWEST_SECTIONS} sections of each condition at least for level='gene'", f"{np.bincount(codes).tolist()}"
        )
    chosen = choose_genes(sections, names, genes, n_genes, codes)
    about: dict[Any, Any] = {
        "n_sections": len(sections),
        "n_genes": len(chosen),
        "n_tested": len(chosen) * (len(chosen) - 1) // 2,
    }
    with threadpool_limits(1):
        patterns = patterns_of(sections, chosen)
        if found is None:
            table = _shared_patterns(patterns, names[chosen])
        else:
            measured = measure_pairs(patterns, [section.xy for section in sections], codes)
            about |= {"null": "sections" if measured.sections else "blocks"}
            about |= {"warning": "" if measured.sections else NO_REPLICATES}
            table = _changed_pairs(measured, names[chosen], found)
            if level == "gene":
                about["n_tested"] = len(chosen)
                table = _changed_genes(measured, names[chosen], table, np.random.default_rng(rng))
    if about.get("warning"):
        logger.warning("%s", about["warning"])
    table = table.sort_values(["p", "_order"], kind="stable").drop(columns="_order").head(n_top or len(table))
    table = table.reset_index(drop=True)
    table.attrs = about
    return table


def _pairs(names: pd.Index, order: np.ndarray, columns: dict[str, np.ndarray], p: np.ndarray) -> pd.DataFrame:
    a, b = np.triu_indices(len(names), 1)
    named = {"gene_a": names.to_numpy()[a], "gene_b": names.to_numpy()[b]}
    return pd.DataFrame({**named, **columns, "p": p, "q": false_discovery_rate(p), "_order": -np.abs(order)})


def _shared_patterns(patterns: list, names: pd.Index) -> pd.DataFrame:
    scores = pair_scores(side_by_side([section.patterns for section in patterns]))
    return _pairs(names, scores.z, {"correlation": scores.correlation, "z": scores.z}, scores.pvalue)


def _changed_pairs(measured: Replicates, names: pd.Index, conditions: list[Any]) -> pd.DataFrame:
    change = pair_difference(measured)
    columns = {f"correlation_{name}": np.tanh(mean) for name, mean in zip(conditions, change.mean, strict=True)}
    columns |= {"difference": change.difference, "se": change.se}
    return _pairs(names, change.difference / change.se, columns, change.pvalue)


def _changed_genes(
    measured: Replicates, names: pd.Index, pairs: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    moved = displacement(measured, len(names), rng=rng)
    sure = pairs[pairs["q"] < LEVEL]
    partners = pd.concat([sure["gene_a"], sure["gene_b"]]).value_counts().reindex(names, fill_value=0)
    return pd.DataFrame(
        {
            "gene": names.to_numpy(),
            "displacement": moved.displacement,
            "p": moved.pvalue,
            "q": false_discovery_rate(moved.pvalue),
            "n_changed": partners.to_numpy(),
            "anchor": moved.anchor,
            "_order": -moved.displacement,
        }
    )
