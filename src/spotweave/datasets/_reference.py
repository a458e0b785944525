"""Dissociated cells that match a simulated tissue."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._check import check_range, fail, listing
from ._blocks import draw_states
from ._counts import sample_counts, sample_log_normal
from ._looks import draw_types
from ._params import BLOCK_ENTRIES
from ._programs import N_STATES, Programs, expected_shares
from ._truth import get_cell_types, get_proportions, get_truth

if TYPE_CHECKING:
    from anndata import AnnData

REFERENCE_DEPTH_SD = 0.4  # log-sd of library sizes of single cells


def simulate_reference(
    adata: "AnnData",
    n_obs: int = 1_000,
    *,
    platform_effect: float = 0.3,
    missing_types: Sequence[str] = (),
    library_size: float = 5_000.0,
    rng: int | np.random.Generator = 0,
) -> "AnnData":
    """Simulate dissociated single cells from the tissue of :func:`simulate_tissue` or :func:`simulate_cohort`.

    Each cell is taken from a random observation of `adata`: its type from the proportions there, its domain and
    gradient activities as they are there, its state its own. Counts come from the same profiles, with another
    technology's preference for genes.

    Parameters
    ----------
    adata
        Result of :func:`simulate_tissue`, or rows of it; the cells are drawn from those rows.
    n_obs
        Cells.
    platform_effect
        Standard deviation over genes of the log effect of the technology.
    missing_types
        Cell types that the reference lacks, values of ``uns["simulation"]["cell_types"]``.
    library_size
        Mean counts of a cell; their spread is log-normal.
    rng
        Seed or generator.

    Returns
    -------
    AnnData ``[n_obs, genes of the simulation]``, counts in ``X`` (CSR, float32), ``obs["cell_type"]``,
    ``obs["domain_true"]``, and ``var["platform_effect_true"]`` (log scale).

    Raises
    ------
    InputError
        When `adata` holds no truth of a simulation, or no cell of the remaining types.
    """
    from anndata import AnnData

    check_range(n_obs, "n_obs", low=1, high=1e8, integer=True)
    check_range(platform_effect, "platform_effect", low=0, high=3)
    check_range(library_size, "library_size", low=1, high=1e7)
    truth, rng = get_truth(adata), np.random.default_rng(rng)
    weights = _type_weights(adata, truth, missing_types)
    batch = rng.normal(0, platform_effect, size=len(truth["genes"]))
    origin = rng.choice(adata.n_obs, size=n_obs, p=weights.sum(axis=1) / weights.sum())
    kind = draw_types(weights[origin], rng)
    activity = np.array(adata.obsm["activity_true"])[origin]
    activity[:, -N_STATES:] = draw_states(np.ones(n_obs), rng)
    depth = library_size * sample_log_normal(REFERENCE_DEPTH_SD, n_obs, rng)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(get_cell_types(truth))[kind]),
            "domain_true": pd.Categorical(np.asarray(adata.obs["domain_true"])[origin]),
        },
        index=pd.Index([f"reference_{i}" for i in range(n_obs)]),
    )
    var = pd.DataFrame({"platform_effect_true": batch}, index=pd.Index([str(name) for name in truth["genes"]]))
    return AnnData(_sample(truth, kind, activity, depth, batch, rng), obs=obs, var=var)


def _type_weights(adata: "AnnData", truth: dict[str, Any], missing: Sequence[str]) -> np.ndarray:
    """Return the share of each type in each observation ``[n, t]``, those that the reference lacks set to zero."""
    types, weights = get_cell_types(truth), get_proportions(adata, truth)
    unknown = sorted(set(missing) - set(types))
    if unknown:
        raise fail(f"`missing_types` out of {listing(types)}", listing(unknown))
    weights[:, [types.index(name) for name in missing]] = 0
    if not weights.any():
        raise fail("a cell type left for the reference", f"missing_types {listing(missing)}")
    return weights


def _sample(
    truth: dict[str, Any],
    kind: np.ndarray,
    activity: np.ndarray,
    depth: np.ndarray,
    batch: np.ndarray,
    rng: np.random.Generator,
) -> sp.csr_matrix:
    """Draw the counts of cells of types `kind` ``[n]``, some rows at a time."""
    programs, overdispersion = _programs(truth), float(truth["params"]["overdispersion"])
    one_hot = np.eye(len(programs.profiles), dtype=np.float32)
    counts, size = [], max(BLOCK_ENTRIES // len(batch), 1)
    for rows in (slice(start, start + size) for start in range(0, len(kind), size)):
        shares = expected_shares(programs, one_hot[kind[rows]], activity[rows], batch)
        rate = shares * depth[rows, None].astype(np.float32)
        counts.append(sample_counts(rate, overdispersion, 0.0, rng))
    return sp.vstack(counts, format="csr")


def _programs(truth: dict[str, Any]) -> Programs:
    """Rebuild the gene programs from what is stored."""
    return Programs(
        profiles=truth["profiles"],
        loadings=truth["loadings"],
        module=np.empty(0),  # plays no part in sampling
        spatial=truth["spatial"],
        activities=list(truth["activities"]),
        image=truth.get("image"),
    )
