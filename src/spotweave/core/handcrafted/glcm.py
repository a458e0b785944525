"""Grey-level co-occurrence: which values lie side by side."""

import numpy as np

N_GREYS = 8
_I, _J = np.meshgrid(np.arange(N_GREYS), np.arange(N_GREYS), indexing="ij")
_APART = np.abs(_I - _J)


def glcm_features(name: str, plane: np.ndarray, *, high: float, distance: int) -> dict[str, float]:
    r"""Six properties of the co-occurrence matrix.

    Parameters
    ----------
    name
        First part of the features' names.
    plane
        ``[h, w]``, sides above `distance`.
    high
        Value at which the eight equal steps from 0 end; what lies outside goes to the first or the last.
    distance
        Pixels between the two of a pair, along rows and columns.

    Returns
    -------
    contrast :math:`\sum p_{ij} (i-j)^2`, dissimilarity :math:`\sum p_{ij} |i-j|`, homogeneity
    :math:`\sum p_{ij} / (1 + (i-j)^2)`, energy :math:`(\sum p_{ij}^2)^{1/2}`, correlation of i and j (0 on a flat
    plane), entropy :math:`-\sum p_{ij} \ln p_{ij}`.

    Notes
    -----
    Haralick, Shanmugam and Dinstein (IEEE Trans. SMC 3:610, 1973), over both directions and both orders at once.
    """
    p = cooccurrence(grey_levels(plane, high=high), distance=distance)
    mean = (p * _I).sum()
    variance = (p * (_I - mean) ** 2).sum()
    values = {
        "contrast": (p * _APART**2).sum(),
        "dissimilarity": (p * _APART).sum(),
        "homogeneity": (p / (1 + _APART**2)).sum(),
        "energy": np.sqrt((p**2).sum()),
        "correlation": (p * (_I - mean) * (_J - mean)).sum() / (variance + 1e-6),
        "entropy": -(p * np.log(np.where(p > 0, p, 1))).sum(),
    }
    return {f"{name}_{what}": float(value) for what, value in values.items()}


def grey_levels(plane: np.ndarray, *, high: float) -> np.ndarray:
    """Steps 0 to 7 of values from 0 to `high`, uint8 of the same shape."""
    return np.clip(plane * plane.dtype.type(N_GREYS / high), 0, N_GREYS - 1).astype(np.uint8)


def cooccurrence(greys: np.ndarray, *, distance: int) -> np.ndarray:
    """Shares ``[8, 8]`` of pairs of steps among pixels `distance` apart, symmetric, sum 1."""
    firsts = greys * np.uint8(N_GREYS)
    codes = [
        (firsts[:, :-distance] + greys[:, distance:]).ravel(),
        (firsts[:-distance] + greys[distance:]).ravel(),
    ]
    counts = np.bincount(np.concatenate(codes), minlength=N_GREYS**2).reshape(N_GREYS, N_GREYS)
    return (counts + counts.T) / (2 * counts.sum())
