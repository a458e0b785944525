import numpy as np
import pytest

from spotweave.datasets._dyes import EOSIN, GLASS, HAEMATOXYLIN, draw_stains


def test_stains_differ_as_much_as_asked(rng: np.random.Generator) -> None:
    stains = [draw_stains(3, 0.2, rng) for _ in range(400)]
    amount = np.log([[stain.strength for stain in patient] for patient in stains])  # [patients, sections, dyes]
    within = amount.var(axis=1, ddof=1).mean()
    between = amount.mean(axis=1).var(ddof=1) - within / 3
    assert np.sqrt(between) == pytest.approx(0.2, rel=0.1)
    assert np.sqrt(within) == pytest.approx(0.05, rel=0.1)
    assert amount.mean() == pytest.approx(0, abs=0.03)


def test_hue_turns_a_dye_and_keeps_its_strength(rng: np.random.Generator) -> None:
    stains = [draw_stains(1, 0.2, rng)[0] for _ in range(400)]
    for field, usual in (("haematoxylin", HAEMATOXYLIN), ("eosin", EOSIN)):
        dye = np.array([getattr(stain, field) for stain in stains])
        np.testing.assert_allclose(np.linalg.norm(dye, axis=1), np.linalg.norm(usual), rtol=1e-5)
        ratio = np.log(dye[:, 0] / dye[:, 2])  # two channels, each with half the effect
        assert ratio.std() == pytest.approx(0.2 / 2 * np.sqrt(2 * (1 + 1 / 16)), rel=0.1)
        assert ratio.mean() == pytest.approx(np.log(usual[0] / usual[2]), abs=0.03)


def test_glass_is_never_brighter_than_usual(rng: np.random.Generator) -> None:
    glass = np.array([draw_stains(1, 0.2, rng)[0].glass for _ in range(400)])
    assert (glass <= GLASS).all()
    assert np.sqrt((np.log(glass / GLASS) ** 2).mean()) == pytest.approx(0.05, rel=0.15)


def test_without_effect_all_slides_have_the_usual_stain(rng: np.random.Generator) -> None:
    for stain in draw_stains(2, 0.0, rng):
        np.testing.assert_array_equal(stain.strength, [1, 1])
        np.testing.assert_allclose(stain.haematoxylin, HAEMATOXYLIN, rtol=1e-6)
        np.testing.assert_allclose(stain.eosin, EOSIN, rtol=1e-6)
        np.testing.assert_array_equal(stain.glass, GLASS)
