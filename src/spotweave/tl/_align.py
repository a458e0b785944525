"""Slices of a tissue brought into one frame."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._check import check_choice, fail, listing
from .._table import get_coords, get_obs, get_table, logger, write
from .._table import params as run_params
from ..core.alignment.fit import align as align_arrays
from ..core.alignment.params import AlignParams
from ._align_table import fit_table
from ._domain_methods import configured
from ._tissue import Where, read_tissue

if TYPE_CHECKING:
    from anndata import AnnData


class Aligned(NamedTuple):
    """What ``tl.align(..., copy=True)`` returns."""

    xy: np.ndarray
    """Places in the frame of the reference ``[n, 2]``."""
    transforms: np.ndarray
    """For each slice, in sorted order, the matrix ``[3, 3]`` from its frame to the reference's: ``[s, 3, 3]``."""
    fit: pd.DataFrame
    """How each slice lies, see `align`."""


def align(  # noqa: PLR0913  (keyword-only options of one verb)
    adata: "AnnData",
    *,
    library_key: str,
    reference: str | None = None,
    method: Literal["search", "fgw"] = "search",
    use_rep: str | None = None,
    warp: bool = False,
    allow_reflection: bool = False,
    scale: bool = False,
    layer: str | None = None,
    genes: Sequence[str] | None = None,
    n_top_genes: int = 3_000,
    spatial_key: str = keys.SPATIAL,
    key_added: str = keys.ALIGNED,
    table_key: str = "table",
    rng: int | np.random.Generator = 0,
    copy: bool = False,
    params: AlignParams | None = None,
    **options: Any,
) -> Aligned | None:
    """Lay the slices of a tissue over each other.

    Slices are compared by components of their expression, averaged over surroundings, that vary most smoothly over
    the tissue. Every rotation (in steps of 5 degrees) and every shift of a slice over the reference is scored by how
    much the features tell of each other, times the share that overlaps; the best placements, and the best ones at
    other rotations, are refined; borders of the tissue take part where the features do not contradict them. Offsets
    and factors between slices (batch effects) are of no account, overlap may be partial. A slice that is ambiguous over
    the reference is tried over slices that are in place.

    ``method="fgw"`` couples some spots by fused Gromov-Wasserstein transport instead, as PASTE does (package POT,
    ``pip install 'spotweave[ot]'``).

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    library_key
        Column of ``adata.obs`` that says which slice a row lies on.
    reference
        Slice that keeps its coordinates; None for the first.
    method
        See above.
    use_rep
        Embedding in ``adata.obsm`` that slices share, e.g. ``"X_integrated"``; None: principal components of the
        counts, centred on each slice.
    warp
        Bend slices smoothly after placing them, where held-out pieces of tissue say that it helps.
    allow_reflection
        Let slices be mirrored. Without it, one that would fit better mirrored gets a warning.
    scale
        Fit one scale for each slice: where coordinates are in different units.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    genes
        Use these genes instead of the most variable ones.
    n_top_genes
        How many variable genes.
    spatial_key
        Coordinates in ``adata.obsm``; the first two columns are read.
    key_added
        Where the places go in ``obsm``; ``uns`` gets ``"align"``, or ``"<key_added>_align"`` with another key.
    table_key
        Name of the table in a SpatialData object.
    rng
        Seed or generator. The same seed gives the same result on one machine.
    copy
        Return the results and leave `adata` alone.
    params
        Settings; the defaults when None.
    **options
        Single fields of the settings, by their names.

    Returns
    -------
    None, or `Aligned` with ``copy=True``. Writes ``adata.obsm["spatial_aligned"]`` ``[n, 2]``, in the unit of the
    reference, and ``adata.uns["align"]``:

    * ``slices`` (names in order), ``reference``, ``transforms`` ``[s, 3, 3]``: a column ``(x, y, 1)`` of a slice's frame
      times its matrix is its place, before the warp. Images can be moved with it too.
    * ``fit``, a table with a row for each slice:

      - ``via``: slice that it was laid over
      - ``rotation``, ``scale``: degrees, and factor
      - ``mirrored``: whether left and right changed places
      - ``agreement_before``: mean correlation of features (by variance) where slices overlapped as they were
      - ``agreement``: the same after placing
      - ``overlap``: share of the smaller slice that lies on the other one
      - ``residual``: median distance of spots that choose each other by features (within 4), in distances between
        spots; about 2.5 by chance
      - ``warp``, ``warp_gain``: mean displacement by the warp in distances between spots, and the share of the
        held-out difference that it removed
      - ``contrast``: score of the best placement over that of a typical rotation
      - ``outline``: correlation of the borders of the tissue, 0 where these were not used: the features
        contradict those of a capture area
      - ``rival``, ``rival_mirrored``: score of the best other rotation (more than 30 degrees away), and of the
        best mirrored placement, over the best score
      - ``converged``, ``warning``: the latter empty, or what to be careful about

    Raises
    ------
    InputError
        When there is one slice, one has fewer than 10 rows, or coordinates, counts or arguments do not fit; `adata` is
        then as it was.

    Notes
    -----
    Symmetric tissue fits in several ways: layers, half a turn apart, when above and below are alike. Look at the
    warning and at ``rival``. Slices of unlike organs get a placement too, with little contrast.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_tissue(900, n_genes=200, layout="blobs", n_slices=2, rng=0)
    >>> sw.tl.align(adata, library_key="slice")
    >>> adata.obsm["spatial_aligned"].shape
    (900, 2)
    """
    adata = get_table(adata, table_key)
    generator = np.random.default_rng(rng)
    check_choice(method, ["search", "fgw"], "method")
    settings = configured(params or AlignParams(), options)
    get_coords(adata, spatial_key)
    names = _slices(adata, library_key)
    fixed = _position(names, reference, library_key)
    with threadpool_limits(1):  # many small products: threads would only wait for each other, and change the bits
        tissue, _ = read_tissue(
            adata,
            Where(spatial_key, library_key, None),
            layer=layer,
            use_rep=use_rep,
            genes=genes,
            n_top_genes=n_top_genes,
            rng=generator,
        )
        assert tissue.library is not None
        found = align_arrays(
            tissue.P,
            tissue.xy,
            tissue.library,
            reference=fixed,
            method=method,
            warp=warp,
            allow_reflection=allow_reflection,
            scale=scale,
            rng=generator,
            params=settings,
        )
    result = Aligned(found.xy, found.transforms, fit_table(found, names))
    for name, warning in result.fit["warning"].items():
        if warning:
            logger.warning("slice %s: %s", name, warning)
    if copy:
        return result
    used = run_params(
        library_key=library_key,
        reference=names[fixed],
        method=method,
        use_rep=use_rep,
        warp=warp,
        allow_reflection=allow_reflection,
        scale=scale,
        layer=layer,
        genes=None if genes is None else list(genes),
        n_top_genes=n_top_genes,
        spatial_key=spatial_key,
        key_added=key_added,
        rng=rng if isinstance(rng, int | np.integer) else "generator",
        **options,
    )
    report = {
        "params": used,
        "reference": names[fixed],
        "slices": np.array(names),
        "transforms": result.transforms,
        "fit": result.fit,
    }
    write(adata, {("obsm", key_added): result.xy, ("uns", keys.align(key_added)): report})
    return None


def _slices(adata: "AnnData", library_key: str) -> list[str]:
    """Names of the slices in the order of their codes."""
    column = get_obs(adata, library_key, name="library_key")
    return [str(name) for name in pd.factorize(column, sort=True)[1]]


def _position(names: list[str], reference: str | None, library_key: str) -> int:
    if reference is None:
        return 0
    if str(reference) not in names:
        raise fail(f"`reference` among the slices of adata.obs[{library_key!r}]: {listing(names)}", repr(reference))
    return names.index(str(reference))
