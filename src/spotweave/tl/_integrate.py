"""Slices that were measured apart: components of expression that mean the same on all of them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._check import check_choice, check_range, fail
from .._table import get_codes, get_obs, get_table, logger, write
from .._table import params as run_params
from ..core.integration.center import CenterParams
from ..core.integration.harmony import HarmonyParams
from ..core.integration.matched import MatchedParams
from ..core.integration.methods import METHODS
from ..core.integration.slices import Integrated, Slices
from ._domain_methods import configured
from ._integrate_scores import before_and_after
from ._tissue import N_COMPONENTS, Where, read_tissue

if TYPE_CHECKING:
    from anndata import AnnData

FAR = 1.6  # counterparts further apart than this seldom are the same tissue, see `core.integration.matches.apart`


class Integration(NamedTuple):
    """What ``tl.integrate(..., copy=True)`` returns."""

    embedding: np.ndarray
    """Components without the batch effect [n, d]."""
    support: np.ndarray | None
    """Whether cells like this one have counterparts in another batch, 0 (hardly any) to 1 (most) [n]; ``"matched"``."""
    report: dict[str, Any]
    """What ``uns["integrate"]`` would hold."""
    before: np.ndarray
    """View of the surroundings before [n, 2]: leading axis within batches, and axis that tells batches apart best,"""
    after: np.ndarray
    """and after, on the same axes [n, 2]."""


def integrate(  # noqa: PLR0913  (keyword-only options of one verb)
    adata: "AnnData",
    *,
    library_key: str,
    batch_key: str | None = None,
    method: Literal["matched", "harmony", "center"] = "matched",
    layer: str | None = None,
    use_rep: str | None = None,
    genes: Sequence[str] | None = None,
    n_top_genes: int = 3_000,
    n_components: int = N_COMPONENTS,
    spatial_key: str = keys.SPATIAL,
    graph_key: str | None = None,
    key_added: str = keys.INTEGRATED,
    table_key: str = "table",
    rng: int | np.random.Generator = 0,
    copy: bool = False,
    params: MatchedParams | HarmonyParams | CenterParams | None = None,
    **options: Any,
) -> Integration | None:
    """Remove from the components of several slices what the batch did to them.

    Genes that vary within batches are standardised by their spread within batches; principal components are those
    within batches. Then

    * ``"matched"``: cells of different batches whose surroundings are mutually nearest are matched, and what differs
      between matched cells is the batch effect: one shift for each batch, and a shrunk linear part. Slices of unlike
      composition keep their differences; a domain of one slice alone moves with its slice; batches that share hardly
      anything are left where they are, with a warning. Then surroundings are averaged with those of their counterparts,
      which makes domains steadier; ``sharing=0`` leaves that out.
    * ``"harmony"``: Harmony (package harmonypy, ``pip install 'spotweave[harmony]'``) on averages over surroundings.
    * ``"center"``: subtract the mean of each batch.

    The result is not smoothed over space: ``tl.domains(adata, k, use_rep="X_integrated", library_key=...)`` gives
    domains that mean the same on every slice.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table: all slices, with the genes that they share.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on; surroundings end there.
    batch_key
        Column of ``adata.obs`` whose effect is removed, with two values or more; None for `library_key`.
    method
        See above.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    use_rep
        Correct this embedding from ``adata.obsm`` instead of components of the counts.
    genes
        Use these genes instead of the most variable ones.
    n_top_genes
        How many variable genes, by their mean rank over batches.
    n_components
        Principal components.
    spatial_key
        Coordinates in ``adata.obsm``.
    graph_key
        Use this graph from ``adata.obsp`` (symmetrised) instead of 6 nearest neighbours.
    key_added
        The result goes to ``adata.obsm["X_" + key_added]``.
    table_key
        Name of the table in a SpatialData object.
    rng
        Seed or generator. The same seed gives the same result on one machine.
    copy
        Return the results and leave `adata` alone.
    params
        Settings of the method: `MatchedParams`, `HarmonyParams`; its defaults when None.
    **options
        Single fields of these settings, by their names.

    Returns
    -------
    None, or `Integration` with ``copy=True``. Writes

    * ``adata.obsm["X_integrated"]`` ``[n, d]``, float32,
    * ``adata.obsm["integrated_before"]``, ``["integrated_after"]`` ``[n, 2]``: surroundings on two axes, to look at,
    * ``adata.obs["integrated_support"]`` (``"matched"``): whether cells like this one have counterparts, 0 to 1,
    * ``adata.uns["integrate"]`` (``uns["<key_added>_integrate"]`` with another key): parameters; ``batches``; of the
      surroundings of at most 20,000 cells ``ilisi_before`` and ``ilisi_after`` (mixing, 0 apart to 1 mixed) and
      ``neighbors_kept`` (share of the 30 nearest on the own slide that stay); of ``"matched"`` ``n_matched``
      ``[b, b]`` (cells of the row's batch with a counterpart in the column's), ``apart`` ``[b, b]`` (median distance of
      counterparts, in distances between like cells of one batch), ``linked`` ``[b, b]``, ``support`` ``[b]`` and
      ``converged``.

    Raises
    ------
    InputError
        When there is one batch, one has fewer than 30 cells or no counts of the chosen genes, the package for the
        method is missing, or coordinates, counts or arguments do not fit; `adata` is then as it was.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_tissue(900, n_genes=200, n_domains=4, n_slices=2, batch_effect=0.3)
    >>> sw.tl.integrate(adata, library_key="slice")
    >>> sw.tl.domains(adata, 4, method="smooth", use_rep="X_integrated", library_key="slice")
    """
    adata = get_table(adata, table_key)
    generator = np.random.default_rng(rng)
    check_choice(method, list(METHODS), "method")
    check_range(n_components, "n_components", low=2, integer=True)
    run, defaults = METHODS[method]
    if params is not None and not isinstance(params, type(defaults)):
        raise fail(f"`params` of type {type(defaults).__name__} with method={method!r}", type(params).__name__)
    settings = configured(params or defaults, options)
    batch, names = _batches(adata, library_key, batch_key)
    with threadpool_limits(1):  # many small products: threads would only wait for each other, and change the bits
        tissue, _ = read_tissue(
            adata,
            Where(spatial_key, library_key, graph_key),
            layer=layer,
            use_rep=use_rep,
            genes=genes,
            n_top_genes=n_top_genes,
            n_components=n_components,
            batch=batch,
            rng=generator,
        )
        found = run(Slices(tissue.P, tissue.W, batch), settings, generator)
        seen = before_and_after(tissue, found.P, batch, generator)
    used = run_params(
        method=method,
        library_key=library_key,
        batch_key=batch_key,
        layer=layer,
        use_rep=use_rep,
        n_top_genes=n_top_genes,
        n_components=n_components,
        spatial_key=spatial_key,
        graph_key=graph_key,
        genes=None if genes is None else list(genes),
        rng=rng if isinstance(rng, int | np.integer) else "generator",
        settings=None if params is None else asdict(settings),
        **options,
    )
    report = {"params": used, "batches": np.array(names), **seen.scores, **_links(found, batch)}
    _warn(report, names)
    result = Integration(found.P.astype(np.float32), found.support, report, seen.before, seen.after)
    if copy:
        return result
    _write(adata, result, key_added)
    return None


def _batches(adata: "AnnData", library_key: str, batch_key: str | None) -> tuple[np.ndarray, list[str]]:
    """Codes ``[n]`` of the batches, and their names."""
    key, name = (library_key, "library_key") if batch_key is None else (batch_key, "batch_key")
    codes = get_codes(adata, key, name=name)
    assert codes is not None
    names = [str(value) for value in pd.factorize(get_obs(adata, key, name=name), sort=True)[1]]
    if len(names) < 2:
        raise fail(
            f"two or more values in adata.obs[{key!r}] ({name})",
            "one",
            "One slice needs no integration: run tl.domains.",
        )
    return codes, names


def _links(found: Integrated, batch: np.ndarray) -> dict[str, Any]:
    if found.matches is None or found.linked is None or found.support is None:
        return {}
    support = np.bincount(batch, found.support) / np.bincount(batch)
    return {
        "n_matched": found.matches,
        "apart": found.apart,
        "linked": found.linked,
        "support": support,
        "converged": found.converged,
    }


def _warn(report: dict[str, Any], names: list[str]) -> None:
    if "linked" not in report:
        return
    for p, q in zip(*np.triu_indices(len(names), 1), strict=True):
        distance, matched = report["apart"][p, q], report["n_matched"][p, q]
        if not report["linked"][p, q]:
            logger.warning("batches %s and %s share too little and were not matched to each other", names[p], names[q])
        elif distance > FAR:
            logger.warning(
                "the %d matched cells of batches %s and %s are %.1f times as far apart as like cells of one batch: "
                "they may not be the same tissue",
                matched,
                names[p],
                names[q],
                distance,
            )
    if not report["converged"]:
        logger.info("shifts still moved a little in the last round; more n_shifts would settle them")


def _write(adata: "AnnData", result: Integration, key_added: str) -> None:
    before, after = keys.surroundings(key_added)
    slots: dict[tuple[str, str], Any] = {
        ("obsm", keys.embedding(key_added)): result.embedding,
        ("obsm", before): result.before,
        ("obsm", after): result.after,
        ("uns", keys.integrate(key_added)): result.report,
    }
    if result.support is not None:
        slots["obs", keys.support(key_added)] = result.support.astype(np.float32)
    write(adata, slots)
