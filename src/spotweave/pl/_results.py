"""Pictures of what the verbs wrote: domains beside truth, how K was chosen, training, before and after."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from .. import _keys as keys
from .._check import fail, listing
from .._table import get_coords, get_obs, get_table
from ._colors import matched_colors
from ._figure import ACCENT, FAINT, INK, Figure, new_figure, style_lines
from ._panels import Look, draw_grid
from ._spatial import make_panels, slides_in_row
from ._values import Categories, Values, categories, label_codes, look_up, numbers

if TYPE_CHECKING:
    from anndata import AnnData

    from ._layout import Panel

# starts at a light grey, so that tissue without doubt still shows on white paper
DOUBT = LinearSegmentedColormap.from_list("doubt", ["#e6e4ec", "#9a78ba", "#3f007d"])
_CURVES = {
    "stability": "stability\n(ARI between halves of the counts)",
    "held_out": "held-out log-likelihood\nper cell, above one domain",
}


def domains(
    data: Any,
    *,
    key: str = keys.DOMAIN,
    truth: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    size: float | None = None,
) -> Figure:
    """Draw domains, the truth beside them, and where the assignment is in doubt.

    Parameters
    ----------
    data
        AnnData with the results of :func:`spotweave.tl.domains`, or SpatialData with such a table.
    key
        ``obs`` column of the domains; doubt is drawn when ``obsm[f"{key}_probability"]`` is there.
    truth
        ``obs`` column of known labels. Each takes the colour of the domain that it shares most cells with.
    spatial_key, library_key, size
        As in :func:`spatial`.

    Returns
    -------
    The figure.

    Raises
    ------
    InputError
        When a column or the coordinates are not found.
    """
    adata = get_table(data)
    get_coords(adata, spatial_key)
    get_obs(adata, key)
    found = categories(adata, key, spatial_key=spatial_key, library_key=library_key)
    shown: list[Values] = [found._replace(name=f"{key} ({len(found.categories)})")]
    if truth is not None:
        shown.insert(0, matched_categories(adata, truth, found))
    probability = adata.obsm.get(keys.probability(key))
    if probability is not None:
        doubt = 1 - np.asarray(probability, dtype=float).max(axis=1)
        limits = (0.0, 1 - 1 / max(len(found.categories), 2))
        shown.append(numbers("doubt (1 − highest probability)", doubt, cmap=DOUBT, limits=limits))
    panels = make_panels(adata, shown, spatial_key=spatial_key, library_key=library_key, image=False)
    return draw_grid(panels, ncols=slides_in_row(panels, len(shown), 4), look=Look(size))


def before_after(
    data: Any,
    before: str | Sequence[str],
    after: str | Sequence[str] | None = None,
    *,
    truth: str | None = None,
    layers: tuple[str | None, str | None] = (None, None),
    titles: tuple[str, str] | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    size: float | None = None,
) -> Figure:
    """Draw pairs of maps side by side, a row for each pair (and slide).

    Parameters
    ----------
    data
        AnnData, or SpatialData with a table.
    before, after
        Columns of ``obs``, genes, or ``obsm`` keys as in :func:`spatial`; the same number of each. Without `after` the
        same names are drawn twice, from two layers. Labels on the left take the colours of those on the right that
        they share most cells with.
    truth
        ``obs`` column of known labels, drawn first in each row.
    layers
        Where genes are read on the left and on the right, ``X`` for None.
    titles
        Put before the names on the left and on the right.
    spatial_key, library_key, size
        As in :func:`spatial`.

    Returns
    -------
    The figure.

    Raises
    ------
    InputError
        When a name is not found, or the two sides differ in length.

    Examples
    --------
    >>> sw.pl.before_after(adata, "no_space", "domain")  # doctest: +SKIP
    >>> sw.pl.before_after(adata, ["PCP4", "MBP"], layers=("counts", "denoised"))  # doctest: +SKIP
    """
    adata = get_table(data)
    get_coords(adata, spatial_key)
    left = [before] if isinstance(before, str) else list(before)
    right = left if after is None else [after] if isinstance(after, str) else list(after)
    if len(left) != len(right):
        raise fail("as many names in `after` as in `before`", f"{len(right)} and {len(left)}")
    options: dict[str, Any] = {"spatial_key": spatial_key, "library_key": library_key}
    panels: list[Panel] = []
    for one, other in zip(left, right, strict=True):
        pair = [look_up(adata, one, layer=layers[0], **options), look_up(adata, other, layer=layers[1], **options)]
        if isinstance(pair[0], Categories) and isinstance(pair[1], Categories):
            pair[0] = matched_categories(adata, one, pair[1])
        names = (
            [v.name for v in pair] if titles is None else [f"{t}: {v.name}" for t, v in zip(titles, pair, strict=True)]
        )
        if truth is not None:
            pair.insert(0, _known(adata, truth, pair[1], options))
            names.insert(0, truth)
        rows = [make_panels(adata, [v], image=False, title=n, **options) for v, n in zip(pair, names, strict=True)]
        panels += [p._replace(legend=True) for row in zip(*rows, strict=True) for p in row]
    return draw_grid(panels, ncols=2 if truth is None else 3, look=Look(size))


def _known(adata: "AnnData", truth: str, beside: Values, options: Mapping[str, Any]) -> Values:
    """Known labels, in the colours of the labels `beside` them."""
    if isinstance(beside, Categories):
        return matched_categories(adata, truth, beside)
    return categories(adata, truth, **options)


def domain_curve(data: Any, *, key: str = keys.DOMAIN) -> Figure:
    """Draw how the number of domains was chosen: stability and held-out likelihood against K.

    Parameters
    ----------
    data
        AnnData with the results of :func:`spotweave.tl.domains` without `n_domains`, or SpatialData with such a table.
    key
        ``uns`` key of the results.

    Returns
    -------
    The figure; the chosen number is marked, standard errors are shaded where they are stored.

    Raises
    ------
    InputError
        When no curve is stored.
    """
    result = result_of(get_table(data), key)
    if "curve" not in result:
        raise fail(
            f"adata.uns[{key!r}]['curve']", f"keys {listing(result)}", "It is written when `n_domains` is left out."
        )
    curve, chosen = result["curve"], chosen_number(result)
    rows = [(name, label) for name, label in _CURVES.items() if name in curve]
    figure = new_figure(5.6, 3.2 * len(rows))
    for ax, (name, label) in zip(np.ravel(figure.subplots(len(rows), 1, sharex=True)), rows, strict=True):
        ax.plot(curve["n_domains"], curve[name], marker="o", markersize=4, color=ACCENT)
        if f"{name}_se" in curve:
            low, high = (np.asarray(curve[name]) + s * np.asarray(curve[f"{name}_se"]) for s in (-1, 1))
            ax.fill_between(curve["n_domains"], low, high, color=ACCENT, alpha=0.15, linewidth=0)
        ax.axvline(chosen, color=FAINT, linestyle="--", linewidth=1)
        style_lines(ax, x="", y=label)
    figure.axes[0].set_title(f"chosen: {chosen} domains", fontsize=11, color=INK)
    figure.axes[-1].set_xlabel("number of domains")
    return figure


def training(data: Any, *, key: str = keys.DOMAIN) -> Figure:
    """Draw what was recorded while a model was trained.

    Parameters
    ----------
    data
        AnnData with the results of a trained method, or SpatialData with such a table.
    key
        ``uns`` key of the results.

    Returns
    -------
    The figure, with an axes for each recorded quantity; several fits are several lines.

    Raises
    ------
    InputError
        When no history is stored.
    """
    result = result_of(get_table(data), key)
    history = {k: np.atleast_2d(np.asarray(v, dtype=float)) for k, v in result.get("history", {}).items()}
    history = {k: v for k, v in history.items() if v.ndim == 2 and v.size}
    if not history:
        raise fail(f"adata.uns[{key!r}]['history']", f"keys {listing(result)}", "Only trained methods write it.")
    ncols = min(3, len(history))
    nrows = -(-len(history) // ncols)
    figure = new_figure(3.4 * ncols, 2.5 * nrows)
    axes = np.ravel(figure.subplots(nrows, ncols, squeeze=False))
    for ax, (name, lines) in zip(axes, history.items(), strict=False):
        for line in lines:
            ax.plot(np.arange(1, line.size + 1), line, color=ACCENT, linewidth=1.2, alpha=1 if len(lines) == 1 else 0.6)
        style_lines(ax, x="epoch", y=name)
    for ax in axes[len(history) :]:
        ax.remove()
    return figure


def result_of(adata: "AnnData", key: str) -> Mapping[str, Any]:
    """Return what a verb wrote into ``uns``."""
    result = adata.uns.get(key)
    if not isinstance(result, Mapping):
        raise fail(
            f"results in adata.uns[{key!r}]", f"uns keys {listing(adata.uns)}", "Run spotweave.tl.domains first."
        )
    return result


def chosen_number(result: Mapping[str, Any]) -> int:
    """Return the number of domains that was fitted (in the labels one of them may have stayed empty)."""
    params = result.get("params", {})
    return int(params.get("n_domains", result["n_domains"]))


def matched_categories(adata: "AnnData", key: str, reference: Categories) -> Categories:
    """Labels of an ``obs`` column in the colours of the `reference` labels that they share most rows with."""
    codes, names = label_codes(get_obs(adata, key, name="truth"))
    return Categories(key, codes, names, matched_colors(codes, len(names), reference.codes, reference.colors))
