"""Genes as a map of their own: like patterns lie together."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from .. import _keys as keys
from .._check import check_choice, check_range, fail, listing
from .._table import get_table
from ._colors import MISSING, palette, stored_colors
from ._figure import FAINT, INK, Figure, heading, new_figure
from ._layout import legend_columns
from ._module_means import Modules, modules_of
from ._names import place_names, shortened, spread
from ._values import gene_position, symbols

if TYPE_CHECKING:
    from anndata import AnnData

_SIDE, _TOP = 5.6, 0.5  # inches: the map, and its title
_MOST_NAMES = 40  # chosen ones
_FEWEST = 15  # genes that UMAP needs
_RASTER_ABOVE = 2_000  # points beyond which a vector file holds a picture instead


def gene_embedding(
    data: Any,
    *,
    key: str = keys.GENE_EMBEDDING,
    module_key: str = keys.GENE_MODULE,
    size_key: str | None = f"{keys.SPATIAL_GENES}_effect",
    genes: Sequence[str] | None = None,
    n_names: int = 3,
    method: Literal["umap", "pca"] = "umap",
    rng: int = 0,
) -> Figure:
    """Draw the embedding of the genes in two dimensions, in the colours of their modules.

    Parameters
    ----------
    data
        AnnData with the results of ``tl.gene_embedding``, or SpatialData with such a table.
    key
        Vectors of the genes in ``varm`` ``[g, d]``; genes whose row is not finite are left out.
    module_key
        Modules in ``var``; where there are none all genes have one colour.
    size_key
        Column of ``var`` that the dots' area grows with; None, or no such column: all are alike.
    genes
        Genes to name, by name or symbol, instead of those chosen by `n_names`.
    n_names
        Genes to name in each module: the largest in `size_key`. Names that find no free place are left out.
    method
        ``"umap"``, or ``"pca"`` for the two leading principal components, which also stand in for fewer than 15 genes.
    rng
        Seed of UMAP. It starts at the principal components; distances between its groups mean little.

    Returns
    -------
    The figure. The number of each module stands at the median of its genes.

    Raises
    ------
    InputError
        When there is no embedding, or a gene of `genes` is not in it.

    Examples
    --------
    >>> sw.tl.gene_embedding(adata)  # doctest: +SKIP
    >>> sw.pl.gene_embedding(adata)  # doctest: +SKIP
    """
    check_choice(method, ("umap", "pca"), "method")
    check_range(n_names, "n_names", low=0, integer=True)
    adata = get_table(data)
    H = _embedding(adata, key)
    kept = np.flatnonzero(np.isfinite(H).all(axis=1))
    if kept.size < 2:
        raise fail(f"at least 2 genes with a vector in adata.varm[{key!r}]", str(kept.size))
    xy, way = flat(H[kept], method=method, rng=rng)
    modules = modules_of(adata, module_key) if _has_modules(adata, module_key) else None
    codes = np.full(kept.size, -1) if modules is None else modules.codes[kept]
    colors = [] if modules is None else module_colors(adata, modules, module_key)
    size = _sizes(adata, size_key, kept)
    figure, ax = _axes([] if modules is None else modules.names)
    _dots(ax, xy, codes, colors, size)
    note = None if size is None else f"area: {str(size_key).replace('_', ' ')}"
    heading(ax, f"{kept.size:,} genes", note)
    ax.set_xlabel(f"{way} 1")
    ax.set_ylabel(f"{way} 2")
    numbers = []
    if modules is not None:
        numbers = _number(ax, xy, codes, modules.names)
        _legend(ax, codes, modules.names, colors)
    chosen = _chosen(codes, size, n_names) if genes is None else _asked(adata, genes, kept)
    names = symbols(adata, [str(name) for name in adata.var_names[kept[chosen]]])
    place_names(ax, xy[chosen], names, dots=xy, beside=numbers, fontsize=7)
    return figure


def flat(H: np.ndarray, *, method: str = "umap", rng: int = 0) -> tuple[np.ndarray, str]:
    """Return two coordinates of each row of `H` ``[g, d]``, and what they are called."""
    centred = H - H.mean(axis=0)
    U, s, Vt = np.linalg.svd(centred, full_matrices=False)
    signs = np.where(Vt[np.arange(len(s)), np.abs(Vt).argmax(axis=1)] < 0, -1.0, 1.0)
    scores = np.pad(U * s * signs, ((0, 0), (0, 2)))[:, :2]
    if method == "pca" or len(H) < _FEWEST or (found := _umap(H, scores, rng)) is None:
        return scores, "principal component"
    return found, "UMAP"


def _umap(H: np.ndarray, scores: np.ndarray, rng: int) -> np.ndarray | None:
    """UMAP that starts at the principal components; None where umap-learn is not installed."""
    start = scores * (10 / max(np.abs(scores).max(), 1e-12))
    start = start + np.random.default_rng(rng).normal(scale=1e-4, size=start.shape)  # equal genes must be able to part
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about genes in parts of their own, and about imports of umap's
        try:
            from umap import UMAP  # type: ignore[import-untyped]
        except ImportError:
            return None
        model = UMAP(n_neighbors=_FEWEST - 1, init=start.astype(np.float32), random_state=rng, n_jobs=1)
        return np.asarray(model.fit_transform(H.astype(np.float32)), dtype=float)


def module_colors(adata: "AnnData", modules: Modules, key: str) -> list[str]:
    """Colours of the modules: those of ``uns``, else the palette's."""
    stored = stored_colors(adata.uns.get(keys.colors(key)), len(modules.names))
    return palette(len(modules.names)) if stored is None else stored


def _embedding(adata: "AnnData", key: str) -> np.ndarray:
    if key not in adata.varm:
        raise fail(
            f"vectors of genes in adata.varm[{key!r}]",
            f"varm keys {listing(adata.varm)}",
            "Run spotweave.tl.gene_embedding(adata) first.",
        )
    return np.asarray(adata.varm[key], dtype=float).reshape(adata.n_vars, -1)


def _has_modules(adata: "AnnData", key: str) -> bool:
    return key in adata.var and bool(adata.var[key].notna().any())


def _sizes(adata: "AnnData", key: str | None, kept: np.ndarray) -> np.ndarray | None:
    """Values of the column, 0 where missing; None without it."""
    if key is None or key not in adata.var:
        return None
    return np.nan_to_num(adata.var[key].to_numpy(dtype=float)[kept], nan=0.0, posinf=0.0, neginf=0.0)


def _axes(names: Sequence[str]) -> tuple[Figure, Axes]:
    columns = legend_columns(len(names) + 1, _SIDE)  # and one entry for the genes of no module
    letters = max([*map(len, names), 4]) + len(" (1,234)")
    side = 0.3 + columns * (0.45 + 0.075 * letters) if names else 0.2
    left, bottom = 0.4, 0.4
    width, height = left + _SIDE + side, bottom + _SIDE + _TOP
    figure = new_figure(width, height, layout=None)
    ax = figure.add_axes((left / width, bottom / height, _SIDE / width, _SIDE / height))
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color("#d0d0d0")
    return figure, ax


def _dots(ax: Axes, xy: np.ndarray, codes: np.ndarray, colors: list[str], size: np.ndarray | None) -> None:
    """One dot a gene, large ones first so that they hide no small ones."""
    base = float(np.clip(20_000 / len(xy), 6, 40))
    top = 0.0 if size is None else float(np.quantile(size, 0.98))
    area = np.full(len(xy), base) if size is None or top <= 0 else base * (0.25 + 1.75 * (size / top).clip(0, 1))
    order = np.argsort(-area, kind="stable")
    shown = np.array([*colors, MISSING if colors else FAINT], dtype=object)[codes]
    ax.scatter(
        xy[order, 0],
        xy[order, 1],
        s=area[order],
        c=shown[order].tolist(),
        alpha=0.85,
        linewidths=0.3,
        edgecolors="white",
        rasterized=len(xy) > _RASTER_ABOVE,
    )
    low, high = xy.min(axis=0), xy.max(axis=0)
    room = 0.05 * np.where(high > low, high - low, 1.0)
    ax.set_xlim(low[0] - room[0], high[0] + room[0])
    ax.set_ylim(low[1] - room[1], high[1] + room[1])


def _number(ax: Axes, xy: np.ndarray, codes: np.ndarray, names: list[str]) -> list[Text]:
    """Each module's name near the median of its genes: colours alone do not tell 30 modules apart."""
    look: dict[str, Any] = {"fontsize": 11, "fontweight": "bold", "ha": "center", "va": "center", "zorder": 6}
    halo = [withStroke(linewidth=3, foreground="white")]
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    texts = [
        ax.text(
            np.median(xy[codes == k, 0]),
            np.median(xy[codes == k, 1]),
            shortened(names[k], 10),
            color=INK,
            path_effects=halo,
            **look,
        )
        for k in np.argsort(-sizes, kind="stable")
        if sizes[k]
    ]
    spread(ax, texts)
    return texts


def _legend(ax: Axes, codes: np.ndarray, names: list[str], colors: list[str]) -> None:
    entries = [(f"{n} ({(codes == k).sum():,})", c) for k, (n, c) in enumerate(zip(names, colors, strict=True))]
    if (codes < 0).any():
        entries.append((f"none ({(codes < 0).sum():,})", MISSING))
    ax.legend(
        handles=[Line2D([], [], marker="o", linestyle="", markersize=7, color=c, label=n) for n, c in entries],
        title="module (genes)",
        title_fontsize=9,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        ncols=legend_columns(len(entries), _SIDE),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handletextpad=0.2,
        columnspacing=0.8,
    )


def _chosen(codes: np.ndarray, size: np.ndarray | None, n: int) -> np.ndarray:
    """The `n` largest genes of each module, or of all where there are no modules, in rounds over the modules."""
    order = np.arange(codes.size) if size is None else np.argsort(-size, kind="stable")
    groups: list[np.ndarray] = [order[codes[order] == k][:n] for k in np.unique(codes[codes >= 0])]
    if not groups:
        groups = [order[: 5 * n]]
    rounds = [group[i] for i in range(max(map(len, groups))) for group in groups if i < len(group)]
    return np.array(rounds[:_MOST_NAMES], dtype=int)


def _asked(adata: "AnnData", genes: Sequence[str], kept: np.ndarray) -> np.ndarray:
    number = {int(j): i for i, j in enumerate(kept)}
    wanted = [genes] if isinstance(genes, str) else list(genes)
    found = {g: number.get(-1 if (j := gene_position(adata, g)) is None else j) for g in wanted}
    if absent := [g for g, i in found.items() if i is None]:
        raise fail("genes that have a vector", f"{listing(absent)} without")
    return np.array([i for i in found.values() if i is not None], dtype=int)
