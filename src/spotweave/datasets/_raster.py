"""Points to pixels: soft ellipses, smooth maps of scattered values, and noise of a given grain."""

import numpy as np

CHUNK = 4_096  # ellipses drawn at once


def draw_ellipses(
    shape: tuple[int, int],
    centre: np.ndarray,
    radii: np.ndarray,
    angle: np.ndarray,
    density: np.ndarray,
) -> np.ndarray:
    """Add soft-edged ellipses to an empty picture and return it, float32 `shape`.

    centre, radii : ``[m, 2]`` pixels (x, y; long, short half axis).  angle, density : ``[m]`` of long axis, at the core.
    """
    picture = np.zeros(shape[0] * shape[1], dtype=np.float32)
    for start in range(0, len(centre), CHUNK):
        part = slice(start, start + CHUNK)
        index, value = _stamp(shape, centre[part], radii[part], angle[part], density[part])
        picture += np.bincount(index, weights=value, minlength=picture.size).astype(np.float32)
    return picture.reshape(shape)


def _stamp(
    shape: tuple[int, int], centre: np.ndarray, radii: np.ndarray, angle: np.ndarray, density: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return flat pixel numbers and values of ellipses, those outside of the picture left out."""
    reach = int(np.ceil(radii.max() + 1))
    offset = np.arange(-reach, reach + 1)
    pixel = np.rint(centre).astype(np.int64)
    x, y = pixel[:, 0, None, None] + offset, pixel[:, 1, None, None] + offset[:, None]  # [m, 1, p], [m, p, 1]
    dx, dy = x - centre[:, 0, None, None], y - centre[:, 1, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    long, short = radii[:, 0, None, None], radii[:, 1, None, None]
    distance = np.sqrt(((dx * cos + dy * sin) / long) ** 2 + ((dy * cos - dx * sin) / short) ** 2)
    value = density[:, None, None] * np.clip(0.5 + (1 - distance) * short, 0, 1)  # an edge one pixel wide
    seen = (value > 0) & (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
    return (y * shape[1] + x)[seen], value[seen]


def smooth_map(
    xy: np.ndarray, values: np.ndarray, shape: tuple[int, int], *, step: float, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Spread scattered values over a picture: nearest point, computed every `step` pixels and blended between.

    Returns the values and a cover between 0 and 1 (1 within `reach` of a point), both float32 `shape`. All in pixels.
    """
    from scipy.ndimage import gaussian_filter
    from scipy.spatial import cKDTree

    coarse = [max(int(np.ceil(n / step)) + 1, 2) for n in shape]
    rows, cols = np.meshgrid(*[np.linspace(0, n, m) for n, m in zip(shape, coarse, strict=True)], indexing="ij")
    distance, nearest = cKDTree(xy).query(np.column_stack([cols.ravel(), rows.ravel()]))
    value = gaussian_filter(values[nearest].reshape(coarse).astype(np.float32), 1.0)
    cover = np.clip(0.5 + (reach - distance) / step, 0, 1).reshape(coarse)
    return enlarge(value, shape), enlarge(cover.astype(np.float32), shape)


def noise(shape: tuple[int, int], grain: float | tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Return standardised smooth noise; `grain` is the sd in pixels of the blur, one or one for each axis."""
    from scipy.ndimage import gaussian_filter

    blur = np.broadcast_to(np.asarray(grain, dtype=float), 2)
    step = np.maximum(blur / 2, 1)  # coarse grain needs no fine grid
    coarse = [max(int(np.ceil(n / s)), 2) for n, s in zip(shape, step, strict=True)]
    smooth = gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), blur / step)
    smooth = (smooth - smooth.mean()) / max(float(smooth.std()), 1e-6)
    return enlarge(smooth, shape)


def enlarge(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a float32 picture by linear interpolation, which never overshoots."""
    from PIL import Image

    if picture.shape == tuple(shape):
        return picture
    return np.asarray(Image.fromarray(picture).resize(shape[::-1], Image.Resampling.BILINEAR))
