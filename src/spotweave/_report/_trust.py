"""Sections on how far to trust the result, and on how to get it again."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, NamedTuple

import numpy as np

from .. import _keys as keys
from ..pl._results import chosen_number
from ._context import Context, Section
from ._render import render

_PACKAGES = ("spotweave", "anndata", "numpy", "scipy", "scikit-learn", "torch", "scanpy")
# Rules of thumb for the ARI between two fits of one tissue, no test of anything.
_STEADY, _UNSTEADY = 0.9, 0.7
_SURE = 0.5  # below it another domain, or all others together, are as likely

_SURE_OF_WHAT = (
    "The map by “highest probability” shows where. It says how clearly the model prefers a domain to its others, "
    "not that the border is right."
)


class Check(NamedTuple):
    """One line of the box."""

    state: Literal["good", "warn", "unknown"]
    claim: str
    reason: str


def trust(context: Context) -> Section | None:
    """Scores that need no truth, in words; what was not measured is said as well."""
    if context.domains is None or _came_along(context):
        return None
    checks = [_converged(context), _steady(context), _number(context), _sure(context), _small(context)]
    shown = [c for c in checks if c is not None]
    return Section("trust", "How far to trust these domains", render("trust.html.j2", checks=shown))


def _came_along(context: Context) -> bool:
    """Labels of the cells in a table of imputed or predicted genes, without the run that found them: that is told elsewhere."""
    return bool({keys.IMPUTED, keys.HISTOLOGY} & set(context.adata.uns)) and not context.result


def _converged(context: Context) -> Check:
    if "converged" not in context.result:
        return Check("unknown", "Convergence is not recorded", "")
    if bool(context.result["converged"]):
        return Check("good", "The fit converged", "")
    return Check("warn", "The fit did not converge", "Results may change with more iterations.")


def _steady(context: Context) -> Check:
    stored = context.result.get("stability")
    value = np.nan if stored is None else float(stored)
    if not np.isfinite(value):
        return Check("unknown", "Stability was not measured", "Fit again with another seed and compare.")
    claim = f"The fits agree with their average at a mean ARI of {value:.2f}"
    if value >= _STEADY:
        return Check("good", claim, "Another seed would move few cells.")
    if value >= _UNSTEADY:
        return Check("warn", claim, "The main domains stay; some borders depend on the seed.")
    return Check("warn", claim, "Whole domains depend on the seed: do not read much into single ones.")


def _number(context: Context) -> Check | None:
    curve = context.result.get("curve")
    if not isinstance(curve, Mapping) or "n_domains" not in curve:
        reason = "Whether it suits the data was not tested; leave n_domains out to have it chosen."
        return Check("unknown", "The number of domains was given", reason)
    tried, k = np.asarray(curve["n_domains"]).astype(int), chosen_number(context.result)
    held_out = np.asarray(curve.get("held_out", np.full(tried.size, np.nan)), dtype=float)
    here = held_out[tried == k]
    if here.size == 0 or not np.isfinite(here[0]):
        return Check("unknown", f"No held-out score is stored for {k} domains", "")
    best = tried[np.nanargmax(held_out)]
    claim = f"Held-out log-likelihood at {k} domains: {here[0]:.4g} per cell above that of one domain"
    if best == k:
        return Check("good", claim, f"The highest of all numbers tried ({tried.min()} to {tried.max()}).")
    gap = np.nanmax(held_out) - here[0]
    return Check("good", claim, f"{gap:.3g} below the highest, which is at {best} domains.")


def _sure(context: Context) -> Check:
    if context.confidence is None:
        return Check("unknown", "No probabilities are stored", "")
    share = float((context.confidence < _SURE).mean())
    claim = f"{share:.1%} of the cells have no domain with a probability of {_SURE} or more"
    return Check("good" if share <= 0.05 else "warn", claim, _SURE_OF_WHAT)


def _small(context: Context) -> Check | None:
    assert context.domains is not None
    n = context.adata.n_obs
    counts = np.bincount(context.domains.codes[context.domains.codes >= 0], minlength=len(context.domains.categories))
    small = [c for c, size in zip(context.domains.categories, counts, strict=True) if size < 0.01 * n]
    if not small:
        return None
    return Check("warn", f"Less than 1 % of the cells: domain {', '.join(small)}", "It may be a group of outliers.")


def parameters(context: Context) -> Section | None:
    """Parameters of the run and versions of what computed it."""
    if not context.params:
        return None
    own = [(str(k), _text(v)) for k, v in context.params.items()]
    return Section("parameters", "Parameters", render("parameters.html.j2", params=own, versions=_versions()))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} = {_text(v)}" for k, v in value.items())
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, list | tuple | np.ndarray):
        return ", ".join(_text(v) for v in np.ravel(np.asarray(value, dtype=object)))
    return str(value)


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in _PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
