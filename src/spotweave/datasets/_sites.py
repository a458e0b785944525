"""Where the observations lie: a hexagonal lattice in each slice, within the turned outline of the tissue.

A site is found from its number alone, so that no list of all sites is ever held.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

ROW_HEIGHT = np.sqrt(3) / 2  # of a hexagonal lattice, in pitches
MARGIN = 0.08  # of glass around the tissue, in units of its half size
JITTER = 0.3  # of the pitch: cells keep 0.4 of it between each other


class Pose(NamedTuple):
    """How a slice lies on its glass: ``spatial = R(angle) @ anatomy + centre``."""

    angle: float
    shift: np.ndarray  # [2], away from the corner of the glass, in units of the tissue's half size
    phase: np.ndarray  # [2], of the lattice, in pitches


@dataclass(frozen=True)
class Slice:
    """One section: the lattice rows that lie in the tissue, and its position on the glass."""

    n_obs: int
    pitch: float  # micrometres
    scale: float  # micrometres for one unit coordinate
    pose: Pose
    centre: np.ndarray  # [2] middle of the tissue on the glass, micrometres
    row_of: np.ndarray  # [rows] number of the lattice row
    first_col: np.ndarray  # [rows] its first column inside the outline
    starts: np.ndarray  # [rows + 1] number of the first site of each row

    @property
    def rotation(self) -> np.ndarray:
        """Rotation matrix ``[2, 2]`` from anatomy to glass."""
        return _rotation(self.pose.angle)

    @property
    def transform(self) -> np.ndarray:
        """Homogeneous matrix ``[3, 3]`` from anatomy to glass, both in micrometres."""
        matrix = np.eye(3)
        matrix[:2, :2], matrix[:2, 2] = self.rotation, self.centre
        return matrix

    def lattice(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return lattice row and column of the sites numbered from `start` to before `stop`."""
        site = np.arange(start, stop)
        at = np.searchsorted(self.starts, site, side="right") - 1
        return self.row_of[at], self.first_col[at] + site - self.starts[at]

    def positions(self, row: np.ndarray, col: np.ndarray) -> np.ndarray:
        """Return positions ``[n, 2]`` in micrometres from the middle of the tissue, in the frame of the glass."""
        return np.column_stack(
            [
                (col + 0.5 * (row % 2) + self.pose.phase[0]) * self.pitch,
                (row + self.pose.phase[1]) * self.pitch * ROW_HEIGHT,
            ]
        )

    def to_anatomy(self, xy: np.ndarray) -> np.ndarray:
        """Turn positions of :meth:`positions` back into the frame that all slices share."""
        return xy @ self.rotation


def make_slices(outline: np.ndarray, sizes: list[int], pitch: float, rng: np.random.Generator) -> list[Slice]:
    """Lay out slices of the same anatomy; the first lies straight, the others are turned by up to 45 degrees."""
    poses = [_random_pose(rng, straight=s == 0) for s in range(len(sizes))]
    scale = _smallest_scale(outline, sizes, pitch, poses)
    return [_make_slice(outline, n, pitch, scale, pose) for n, pose in zip(sizes, poses, strict=True)]


def jitter(n: int, pitch: float, rng: np.random.Generator) -> np.ndarray:
    """Return displacements ``[n, 2]`` spread evenly over a disc of 0.3 pitches."""
    angle, radius = rng.uniform(0, 2 * np.pi, size=n), JITTER * pitch * np.sqrt(rng.random(n))
    return radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])


def _random_pose(rng: np.random.Generator, *, straight: bool) -> Pose:
    angle, shift, phase = rng.uniform(-np.pi / 4, np.pi / 4), rng.uniform(0, 0.2, size=2), rng.random(2)
    return Pose(0.0, np.zeros(2), phase) if straight else Pose(angle, shift, phase)


def _smallest_scale(outline: np.ndarray, sizes: list[int], pitch: float, poses: list[Pose]) -> float:
    """Find by bisection the smallest tissue whose slices all hold as many sites as asked."""

    def fits(scale: float) -> bool:
        pairs = zip(sizes, poses, strict=True)
        return all(_row_spans(outline, pitch, scale, pose)[2].sum() >= n for n, pose in pairs)

    high = pitch * np.sqrt(max(sizes))
    while not fits(high):
        high *= 1.5
    low = high / 4
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _make_slice(outline: np.ndarray, n_obs: int, pitch: float, scale: float, pose: Pose) -> Slice:
    row, first_col, n_cols = _row_spans(outline, pitch, scale, pose)
    corner = (outline @ _rotation(pose.angle).T).min(axis=0)
    centre = (MARGIN + pose.shift - corner) * scale + pitch  # no coordinate is negative
    return Slice(n_obs, pitch, scale, pose, centre, row, first_col, np.concatenate([[0], np.cumsum(n_cols)]))


def _row_spans(
    outline: np.ndarray, pitch: float, scale: float, pose: Pose
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return number, first column and number of columns of every lattice row that crosses the turned outline."""
    polygon = outline @ _rotation(pose.angle).T * scale / pitch
    low, high = polygon[:, 1].min() / ROW_HEIGHT, polygon[:, 1].max() / ROW_HEIGHT
    row = np.arange(np.ceil(low - pose.phase[1]), np.floor(high - pose.phase[1]) + 1, dtype=np.int64)
    left, right = _crossings(polygon, (row + pose.phase[1]) * ROW_HEIGHT)
    offset = 0.5 * (row % 2) + pose.phase[0]
    first = np.ceil(left - offset).astype(np.int64)
    n_cols = np.maximum(np.floor(right - offset).astype(np.int64) - first + 1, 0)
    return row, first, n_cols


def _crossings(polygon: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the outermost crossings ``[n], [n]`` of horizontal lines with a polygon, which each of them meets."""
    (x0, y0), (x1, y1) = polygon.T, np.roll(polygon, -1, axis=0).T
    level = y[:, None]
    crosses = ((y0 <= level) & (level <= y1)) | ((y1 <= level) & (level <= y0))
    slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y0 != y1)
    x = x0 + (level - y0) * slope
    return np.where(crosses, x, np.inf).min(axis=1), np.where(crosses, x, -np.inf).max(axis=1)


def _rotation(angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])
