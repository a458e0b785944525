"""How far predictions from a picture can be believed, line by line."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import _keys as keys
from ..pl._predicted_values import EVIDENCE, predictable, target_kind
from ._context import Context
from ._trust import Check

_STRANGE = 0.05  # share of spots out of distribution that needs a look; of training spots it is 1 %


def checks(context: Context, result: Mapping[str, Any], here: np.ndarray | None) -> list[Check]:
    """Return what evidence, slides and spots say of predictions; `here` holds r of each gene where it was measured."""
    found = [_evidence(context), _left_out(result), _measured(context, here), _slide(result), _strange(context)]
    if target_kind(result) != "log_normalized":
        claim = f"The target is {target_kind(result).replace('_', ' ')}: depth of the spots is in it"
        found.append(Check("warn", claim, "A prediction of depth alone scores well."))
    return [check for check in found if check is not None]


def _evidence(context: Context) -> Check:
    n, g = int(predictable(context.adata).sum()), context.adata.n_vars
    mean = float(context.adata.var[EVIDENCE].mean())
    claim = f"Of {n:,} of {g:,} genes it was shown that the picture tells something (q < 0.05); mean held-out correlation {signed(mean)}"
    reason = "The others are predicted near their mean: a map of them is no evidence."
    return Check("good" if n else "warn", claim, reason)


def _left_out(result: Mapping[str, Any]) -> Check:
    kind = str(result.get("inner_kind", ""))
    if kind == "group":
        return Check("good", "The evidence comes from patients that were left out", "")
    if not kind:
        return Check("unknown", "What was left out to judge genes is not stored", "")
    claim = f"The evidence comes from {kind}s that were left out, and not from patients"
    return Check("warn", claim, "On another patient predictions are worse.")


def _measured(context: Context, here: np.ndarray | None) -> Check | None:
    if here is None or not np.isfinite(here).any():
        return None
    best = here[predictable(context.adata)]
    mean, of_best = float(np.nanmean(here)), float(np.nanmean(best)) if np.isfinite(best).any() else np.nan
    also = f", those called predictable at {signed(of_best)}" if np.isfinite(of_best) else ""
    claim = f"On these spots genes correlate with what was measured at a mean of {signed(mean)}{also}"
    return Check("good" if mean > 0 else "warn", claim, "Counting noise of single spots keeps this far below 1.")


def _slide(result: Mapping[str, Any]) -> Check | None:
    found = {str(name): float(value) for name, value in dict(result.get("slide_novelty", {})).items()}
    if not found:
        return None
    far = [f"{name} ({value:.1f} times the limit)" for name, value in found.items() if value > 1]
    if not far:
        return Check("good", "As a whole the slides look like those that were trained on", "")
    reason = "Another stain, scanner, magnification or tissue: do not trust predictions without a check."
    return Check("warn", f"Unlike the training slides as a whole: {', '.join(far)}", reason)


def _strange(context: Context) -> Check | None:
    if keys.OUT_OF_DISTRIBUTION not in context.adata.obs:
        return None
    share = float(context.adata.obs[keys.OUT_OF_DISTRIBUTION].to_numpy(dtype=bool).mean())
    claim = f"{share:.1%} of the spots are unlike any training tile"
    reason = "They are ringed on the maps; by chance it is 1%." if share else ""
    return Check("warn" if share > _STRANGE else "good", claim, reason)


def signed(value: float, digits: int = 2) -> str:
    """Write a number with a true minus, a dash for none."""
    return "–" if not np.isfinite(value) else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")
