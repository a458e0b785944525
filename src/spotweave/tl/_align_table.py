"""How slices lie upon each other, as a table."""

from typing import Any

import numpy as np
import pandas as pd

from ..core.alignment.fit import Alignment, Fit
from ..core.alignment.rigid import angle_of, is_mirrored, scale_of


def fit_table(found: Alignment, names: list[str]) -> pd.DataFrame:
    """Tell in a table how each slice lies."""
    rows = [_row(T, fit, names) for T, fit in zip(found.transforms, found.fits, strict=True)]
    return pd.DataFrame(rows, index=pd.Index(names, name="slice"))


def _row(T: np.ndarray, fit: Fit | None, names: list[str]) -> dict[str, Any]:
    shape = {"rotation": np.degrees(angle_of(T)), "scale": scale_of(T), "mirrored": is_mirrored(T)}
    if fit is None:
        numbers = dict.fromkeys(
            ("agreement_before", "agreement", "overlap", "residual", "contrast", "outline", "rival", "rival_mirrored"),
            np.nan,
        )
        return {"via": "", **shape, **numbers, "warp": 0.0, "warp_gain": 0.0, "converged": True, "warning": ""}
    pair, placed = fit.pair, fit.pair.placed
    return {
        "via": names[fit.via],
        **shape,
        "agreement_before": fit.agreement_before,
        "agreement": fit.agreement,
        "overlap": placed.share,
        "residual": fit.residual,
        "contrast": pair.contrast,
        "outline": pair.outline,
        "rival": pair.rival,
        "rival_mirrored": pair.mirrored,
        "warp": fit.warp_size,
        "warp_gain": fit.warp.gain if fit.warp is not None else 0.0,
        "converged": placed.converged,
        "warning": "; ".join(fit.warnings),
    }
