"""Labels of any type -> whole numbers."""

from typing import Any

import numpy as np
import pandas as pd

from .._check import fail


def codes_of(labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Whole-number codes of the rows whose label is present, and which rows these are."""
    codes = pd.factorize(pd.Series(np.asarray(labels, dtype=object)))[0]
    if not (codes >= 0).any():
        raise fail("at least one label", f"{len(codes)} rows, none with a label")
    return codes[codes >= 0], codes >= 0
