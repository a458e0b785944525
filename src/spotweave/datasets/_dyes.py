"""How slides are stained: the colours and amounts of the two dyes, and the light behind them."""

from typing import NamedTuple

import numpy as np

# Optical densities of the dyes in red, green and blue, as usual for Macenko's normalisation
HAEMATOXYLIN = np.array([0.563, 0.720, 0.406], dtype=np.float32)
EOSIN = np.array([0.150, 0.860, 0.420], dtype=np.float32)
GLASS = np.array([246, 244, 245], dtype=np.float32)

HUE = 0.5  # log-sd of a dye's density in a channel, and
LIGHT = 0.25  # of the light of the scanner, both in units of the log-sd of the amounts of dye
BETWEEN_SECTIONS = 0.25  # spread between sections of one patient in units of that between patients: one batch of dye


class Stain(NamedTuple):
    """One way to stain a slide."""

    strength: np.ndarray  # [2] relative amounts of haematoxylin and eosin
    haematoxylin: np.ndarray  # [3] optical density in red, green and blue
    eosin: np.ndarray  # [3]
    glass: np.ndarray  # [3] intensity where nothing lies in the light, 0 to 255


def usual_stain(rng: np.random.Generator) -> Stain:
    """Return the textbook's colours, in amounts that vary by 5 %: no two slides are stained alike."""
    return Stain(rng.normal(1, 0.05, size=2), HAEMATOXYLIN, EOSIN, GLASS)


def draw_stains(n_sections: int, effect: float, rng: np.random.Generator) -> list[Stain]:
    """Draw the stains of one patient's sections, alike but not the same; `effect` is the log-sd of amounts of dye."""
    patient = rng.normal(size=9)
    return [_stain(effect * (patient + BETWEEN_SECTIONS * rng.normal(size=9))) for _ in range(n_sections)]


def _stain(deviation: np.ndarray) -> Stain:
    """Turn deviations ``[9]`` (two amounts, two hues of three channels, light) into a stain; all zero is the usual."""
    hue = np.exp(HUE * deviation[2:8].reshape(2, 3))
    light = np.exp(-LIGHT * abs(deviation[8]))  # the usual glass is nearly white already
    return Stain(
        strength=np.exp(deviation[:2]),
        haematoxylin=_turned(HAEMATOXYLIN, hue[0]),
        eosin=_turned(EOSIN, hue[1]),
        glass=(GLASS * light).astype(np.float32),
    )


def _turned(dye: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """Change the colour of a dye and keep its strength, the length of its vector."""
    turned = dye * hue
    return (turned * np.linalg.norm(dye) / np.linalg.norm(turned)).astype(np.float32)
