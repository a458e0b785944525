"""Rotations and shifts of the plane as 3 x 3 homogeneous matrices, and the best one between matched points."""

import numpy as np


def similarity(angle: float, shift: np.ndarray, *, scale: float = 1.0, mirrored: bool = False) -> np.ndarray:
    """Return the matrix ``[3, 3]`` that mirrors (first axis), scales, turns by `angle` radians, then shifts."""
    c, s = np.cos(angle), np.sin(angle)
    T = np.eye(3)
    T[:2, :2] = scale * np.array([[c, -s], [s, c]]) @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    T[:2, 2] = shift
    return T


def transform(T: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Map points ``[n, 2]`` by a homogeneous matrix ``[3, 3]``."""
    return xy @ T[:2, :2].T + T[:2, 2]


def angle_of(T: np.ndarray) -> float:
    """Angle in radians by which a (mirrored) similarity turns, after mirroring the first axis."""
    return float(np.arctan2(-T[0, 1], T[1, 1]))


def is_mirrored(T: np.ndarray) -> bool:
    """Whether left and right change places."""
    return bool(np.linalg.det(T[:2, :2]) < 0)


def scale_of(T: np.ndarray) -> float:
    """Factor by which lengths grow."""
    return float(np.sqrt(abs(np.linalg.det(T[:2, :2]))))


def angle_between(A: np.ndarray, B: np.ndarray) -> float:
    """Angle in degrees, 0 to 180, between two similarities; 180 when one of them mirrors."""
    if is_mirrored(A) != is_mirrored(B):
        return 180.0
    turn = angle_of(A) - angle_of(B)
    return float(np.degrees(abs(np.arctan2(np.sin(turn), np.cos(turn)))))


def procrustes(
    A: np.ndarray,
    B: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    scale: bool = False,
    mirrored: bool | None = False,
) -> np.ndarray:
    r"""Return the similarity that brings matched points together.

    .. math:: \min_{s, R, t} \sum_i w_i \lVert s R a_i + t - b_i \rVert^2, \qquad
       R = U \operatorname{diag}(1, \pm 1) V^T \text{ from } \sum_i w_i (b_i - \bar b)(a_i - \bar a)^T = U S V^T

    (Kabsch 1976; Umeyama 1991). The scale is the ratio of the root mean squares about the means (Horn 1987), which
    treats both sides alike: averaged partners do not shrink it as least squares would.

    Parameters
    ----------
    A, B
        Matched points ``[n, 2]``.
    weights
        Of the pairs ``[n]``, not negative; None for equal ones.
    scale
        Fit the scale too; else 1.
    mirrored
        Whether left and right change places; None for whichever fits better.

    Returns
    -------
    Matrix ``[3, 3]`` from A to B.
    """
    w = np.full(len(A), 1.0 / len(A)) if weights is None else weights / weights.sum()
    a, b = w @ A, w @ B
    A0, B0 = A - a, B - b
    U, _, Vt = np.linalg.svd((B0 * w[:, None]).T @ A0)
    sign = np.linalg.det(U @ Vt)
    if mirrored is not None:
        sign = sign * (-1.0 if mirrored else 1.0)
        U = U @ np.diag([1.0, sign])
    s = np.sqrt((w @ B0**2).sum() / (w @ A0**2).sum()) if scale else 1.0
    T = np.eye(3)
    T[:2, :2] = s * U @ Vt
    T[:2, 2] = b - T[:2, :2] @ a
    return T
