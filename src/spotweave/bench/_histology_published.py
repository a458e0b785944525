"""Figures from elsewhere on the same sections, for the page to set ours beside them."""

from typing import NamedTuple

from ._histology_methods import RIDGE
from ._histology_panels import CHOSEN, HONEST, LEGACY

NAMED = "listed"
"""Stands for whatever the 785 genes are called."""
TOP50 = next(iter(CHOSEN))
FLOOR_SETS = ("her2st_sections", "her2st_c_sections", "her2st_patients")


class Floor(NamedTuple):
    """Mean correlation that colours and textures reach by the plainest means, measured apart from this package."""

    what: str
    panel: str
    target: str
    method: str
    """The like of it here."""
    values: tuple[float, float, float]
    """On each of `FLOOR_SETS`."""


FLOORS = (
    Floor("ridge", NAMED, LEGACY[0], RIDGE, (0.340, 0.325, 0.322)),
    Floor("200 neighbours", NAMED, LEGACY[0], "knn", (0.328, 0.312, 0.313)),
    Floor("ridge", NAMED, HONEST, RIDGE, (0.133, 0.146, 0.091)),
    Floor("ridge + neighbours", NAMED, HONEST, "programs", (0.128, 0.148, 0.071)),
    Floor("ridge", TOP50, HONEST, RIDGE, (0.120, 0.253, 0.095)),
)

SECTIONS = ("B4", "C2", "C3", "C4", "C5", "C6")
MEDIANS = {
    "GR2ST v1 (published)": (0.498, 0.320, 0.313, 0.307, 0.266, 0.246),
    "mclSTExp (published)": (0.489, 0.299, 0.314, 0.313, 0.269, 0.217),
}
"""Median over the 785 genes of each of `SECTIONS`, each left out of 32: trained on 31, read from GR2ST's figure."""
