"""Names of domains, taken over from a reference."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from .._check import fail


def align_labels(labels: Any, reference: Any) -> np.ndarray:
    """Rename labels after a reference so that equal names cover as many rows as possible (Hungarian algorithm).

    For pictures side by side: one colour means one thing. The partition itself does not change.

    Parameters
    ----------
    labels
        Labels ``[n]``; where missing, the result is None.
    reference
        Labels whose names to take over, ``[n]``; missing rows do not count.

    Returns
    -------
    New names ``[n]``, strings. Where `labels` has more names than `reference`, those without a partner (or without a
    single row in common) keep their own name, with as many ``'`` added as it takes to be unlike all others.
    """
    names, partners = (pd.Categorical(np.asarray(x, dtype=object)) for x in (labels, reference))
    if len(names) != len(partners):
        raise fail(f"a reference for each of {len(names)} labels", f"{len(partners)}")
    shared = (names.codes >= 0) & (partners.codes >= 0)
    overlap = np.zeros((len(names.categories), len(partners.categories)), np.int64)
    np.add.at(overlap, (names.codes[shared], partners.codes[shared]), 1)
    matched = {
        i: str(partners.categories[j]) for i, j in zip(*linear_sum_assignment(-overlap), strict=True) if overlap[i, j]
    }
    taken = {str(name) for name in partners.categories}
    for i, name in enumerate(names.categories):
        if i not in matched:
            matched[i] = _unlike(str(name), taken)
            taken.add(matched[i])
    return np.array([matched[c] if c >= 0 else None for c in names.codes], dtype=object)


def _unlike(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    return name
