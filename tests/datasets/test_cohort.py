from typing import Any

import numpy as np
import pytest
from anndata import AnnData, read_h5ad

from spotweave import InputError
from spotweave.datasets import simulate_cohort, simulate_reference, simulate_stain


@pytest.fixture(scope="module")
def stained() -> AnnData:
    return simulate_cohort(3, n_obs=67, n_genes=53, n_types=5, n_domains=3, um_per_px=2.0, stain_effect=0.3, rng=5)


@pytest.fixture(scope="module")
def counted() -> AnnData:
    return simulate_cohort(4, n_obs=211, n_genes=307, n_types=6, rates=True, image=False, rng=3)


def _kinds(adata: AnnData) -> np.ndarray:
    return np.array([name.split("_")[0] for name in adata.var["module_true"]])


def _tiles(adata: AnnData, section: str, half_um: float = 40.0) -> list[np.ndarray]:
    """Optical density of the pixels ``[m, 3]`` around each spot of a section."""
    library = adata.uns["spatial"][section]
    picture, scale = library["images"]["hires"], library["scalefactors"]["tissue_hires_scalef"]
    density = -np.log((picture.astype(float) + 1) / (np.median(picture[:5], axis=(0, 1)) + 1))
    half = round(half_um * scale)
    at = np.rint(adata.obsm["spatial"][adata.obs["section"] == section] * scale).astype(int)
    return [density[max(y - half, 0) : y + half, max(x - half, 0) : x + half].reshape(-1, 3) for x, y in at]


def test_sections_of_patients_are_named(stained: AnnData) -> None:
    obs = stained.obs
    assert stained.shape == (3 * 2 * 67, 53)
    assert stained.obs_names.is_unique
    assert obs.groupby(["patient", "section"], observed=True).size().to_dict() == {
        (f"P{p}", f"P{p}_{s}"): 67 for p in (1, 2, 3) for s in (1, 2)
    }
    np.testing.assert_array_equal(obs["slice"], obs["section"])
    assert (
        list(stained.uns["spatial"]) == list(obs["section"].cat.categories) == list(stained.uns["simulation"]["slices"])
    )


def test_pictures_cover_their_spots(stained: AnnData) -> None:
    for section, library in stained.uns["spatial"].items():
        picture, factors = library["images"]["hires"], library["scalefactors"]
        assert factors == {"tissue_hires_scalef": 0.5, "spot_diameter_fullres": 55.0}
        xy = stained.obsm["spatial"][stained.obs["section"] == section] * 0.5
        assert (xy > 0).all()
        assert (xy.max(axis=0) < picture.shape[1::-1]).all()
        col, row = np.rint(xy).astype(int).T
        glass = np.median(picture[:5], axis=(0, 1))
        assert np.mean(picture[row, col].min(axis=1) < 0.95 * glass.min()) > 0.9  # a few spots lie on vessels


def test_same_seed_same_cohort_and_patients_do_not_see_each_other() -> None:
    make = lambda n, seed: simulate_cohort(n, n_obs=31, n_genes=23, n_domains=2, um_per_px=5.0, rates=True, rng=seed)
    three, again, two, other = make(3, 7), make(3, 7), make(2, 7), make(3, 8)
    first = three[three.obs["patient"] != "P3"]
    for a, b in ((three, again), (first, two)):
        np.testing.assert_array_equal(a.X.toarray(), b.X.toarray())
        np.testing.assert_array_equal(a.layers["rate_true"], b.layers["rate_true"])
        np.testing.assert_array_equal(a.obsm["spatial"], b.obsm["spatial"])
    for section in two.uns["spatial"]:
        pictures = [x.uns["spatial"][section]["images"]["hires"] for x in (three, again, two)]
        np.testing.assert_array_equal(pictures[0], pictures[1])
        np.testing.assert_array_equal(pictures[0], pictures[2])
    assert not np.array_equal(three.X.toarray(), other.X.toarray())


def test_counts_follow_the_stored_rates(counted: AnnData) -> None:
    counts, mean = counted.X.toarray(), counted.layers["rate_true"]
    z = (counts - mean) / np.sqrt(mean + 0.15 * mean**2)
    assert z.mean() == pytest.approx(0, abs=0.01)
    assert (z**2).mean() == pytest.approx(1, abs=0.03)
    np.testing.assert_allclose(mean.sum(axis=1), counted.obs["library_size_true"], rtol=1e-4)
    sections = counted.obs.groupby("section", observed=True)["library_size_true"].mean()
    assert sections.mean() == pytest.approx(2_000, rel=0.3)  # sections differ in depth
    assert sections.std() > 100


def test_image_genes_follow_types_and_nothing_else(counted: AnnData) -> None:
    """All of their expected share is: proportions, profiles common to all patients, and the patient's effects."""
    truth, shown = counted.uns["simulation"], counted.var["image_true"].to_numpy()
    np.testing.assert_array_equal(shown, _kinds(counted) == "type")
    effect = truth["patient_effects"][counted.obs["patient"].cat.codes]
    expected = (counted.obsm["proportions_true"].to_numpy() @ truth["profiles"] * np.exp(effect))[:, shown]
    found = counted.layers["rate_true"][:, shown]
    np.testing.assert_allclose(
        found / found.sum(axis=1, keepdims=True), expected / expected.sum(axis=1, keepdims=True), rtol=1e-4
    )


def test_other_genes_follow_anything_but_types(counted: AnnData) -> None:
    truth, kinds, rate = counted.uns["simulation"], _kinds(counted), counted.layers["rate_true"]
    other = ~counted.var["image_true"].to_numpy()
    profiles = truth["profiles"][:, other]
    np.testing.assert_allclose(profiles / profiles[0], 1, rtol=1e-9)  # no type has more of them
    effect = truth["patient_effects"][counted.obs["patient"].cat.codes]
    expected = truth["profiles"][0] * np.exp(effect + counted.obsm["activity_true"].to_numpy() @ truth["loadings"])
    for group in (np.isin(kinds, ["domain", "gradient"]), np.isin(kinds, ["state", "none"])):
        found, want = rate[:, group], expected[:, group]
        np.testing.assert_allclose(
            found / found.sum(axis=1, keepdims=True), want / want.sum(axis=1, keepdims=True), rtol=1e-4
        )
    hidden = rate[:, np.isin(kinds, ["domain", "gradient"])].sum(axis=1) / rate[:, ~other].sum(axis=1)
    np.testing.assert_allclose(hidden, hidden[0], rtol=1e-4)  # no group pushes the other down


def test_other_genes_are_free_of_types_where_domains_do_not_differ() -> None:
    adata = simulate_cohort(1, n_obs=67, n_genes=101, signal=0.0, rates=True, image=False)
    noise = adata.layers["rate_true"][:, _kinds(adata) == "none"]
    shown = adata.layers["rate_true"][:, adata.var["image_true"]].sum(axis=1)
    np.testing.assert_allclose(noise.sum(axis=1) / shown, noise[0].sum() / shown[0], rtol=1e-4)


def test_patients_have_anatomies_of_their_own(counted: AnnData) -> None:
    truth = counted.uns["simulation"]
    assert list(truth["layouts"]) == ["layers", "blobs", "rings", "layers"]
    composition = truth["composition"]  # [patients, domains, types]
    assert all(np.abs(composition[i] - composition[j]).mean() > 0.02 for i in range(4) for j in range(i))
    share = counted.obs.groupby("patient", observed=True)["domain_true"].value_counts(normalize=True).unstack()
    assert share.std(axis=0).mean() > 0.03
    for p, patient in enumerate(truth["patients"]):  # composition is that of the named domain
        rows = (counted.obs["patient"] == patient).to_numpy()
        member = counted.obsm["activity_true"].filter(like="domain").to_numpy()[rows]
        mean = (member.T @ counted.obsm["proportions_true"].to_numpy()[rows]) / member.sum(axis=0)[:, None]
        np.testing.assert_allclose(mean, composition[p], atol=0.11)


def test_border_of_the_tissue_does_not_tell_the_domain() -> None:
    adata = simulate_cohort(6, n_sections=1, n_obs=150, n_genes=5, n_domains=3, layout="rings", image=False, rng=1)
    outer = set()
    for _, rows in adata.obs.groupby("patient", observed=True).indices.items():
        far = np.hypot(*adata.obsm["anatomy_true"][rows].T).argsort()[-20:]
        outer.add(adata.obs["domain_true"].iloc[rows[far]].mode()[0])
    assert len(outer) > 1


@pytest.mark.parametrize("size", [0.0, 0.3])
def test_patient_effects_are_seen_in_both_sections(size: float) -> None:
    adata = simulate_cohort(3, n_obs=150, n_genes=400, patient_effect=size, library_size=40_000, image=False, rng=2)
    noise = _kinds(adata) == "none"
    sections = adata.obs["section"].to_numpy()
    total = np.array([adata.X[sections == name].sum(axis=0).A1 for name in np.unique(sections)])
    level = np.log(total[:, noise & (total.min(axis=0) > 3_000)])
    level -= level.mean(axis=1, keepdims=True)
    within = level[0::2] - level[1::2]
    between = level[0::2] - np.roll(level[0::2], 1, axis=0)
    assert np.sqrt((within**2).mean()) < 0.06
    if size:
        assert np.sqrt((between**2).mean() / 2) == pytest.approx(size, rel=0.15)
    else:
        assert np.sqrt((between**2).mean()) < 0.06


def test_stains_differ_more_between_patients_than_within(stained: AnnData) -> None:
    colour, light = [], []
    for section, library in stained.uns["spatial"].items():
        colour.append(np.concatenate(_tiles(stained, section)).mean(axis=0))
        light.append(np.median(library["images"]["hires"][:5], axis=(0, 1)))
    np.testing.assert_allclose(light, stained.uns["simulation"]["stains"]["glass"], atol=2)
    colours = np.log(colour).reshape(3, 2, 3)  # [patients, sections, channels]
    within = ((colours[:, 0] - colours[:, 1]) ** 2).mean() / 2
    between = colours.mean(axis=1).var(axis=0, ddof=1).mean()
    assert between > 4 * within


def test_looks_of_types_are_shared() -> None:
    """One line leads from the eosin of the types in a spot to the pink of its ground, in all patients."""
    adata = simulate_cohort(3, n_sections=1, n_obs=90, n_genes=5, stain_effect=0.0, signal=0.9, um_per_px=2.0, rng=4)
    eosin = adata.obsm["proportions_true"].to_numpy() @ adata.uns["simulation"]["looks"]["eosin"]
    lines = []
    for section in adata.uns["spatial"]:
        rows = (adata.obs["section"] == section).to_numpy()
        pink = [np.median(tile[:, 1]) for tile in _tiles(adata, section)]
        assert np.corrcoef(eosin[rows], pink)[0, 1] > 0.6
        lines.append(np.polyfit(eosin[rows], pink, 1))
    slope, level = np.array(lines).T
    assert slope.min() > 0.6 * slope.max()
    assert np.ptp(level + slope * eosin.mean()) < 0.05


def test_number_of_cells_is_seen(stained: AnnData) -> None:
    found = []
    for section in stained.uns["spatial"]:
        n_cells = stained.obs["n_cells_true"][stained.obs["section"] == section]
        tiles = _tiles(stained, section, half_um=30)
        dark = np.quantile(np.concatenate(tiles)[:, 0], 0.93)  # red is what haematoxylin takes
        found.append(np.corrcoef([np.mean(tile[:, 0] > dark) for tile in tiles], n_cells)[0, 1])
    assert np.mean(found) > 0.5


def test_picture_predicts_image_genes_of_another_patient_and_no_others() -> None:
    from sklearn.linear_model import Ridge

    adata = simulate_cohort(4, n_sections=1, n_obs=150, n_genes=150, um_per_px=2.0, signal=0.8, rng=2)
    features = np.empty((adata.n_obs, 15))
    patient = adata.obs["patient"].to_numpy()
    for section in adata.uns["spatial"]:
        rows = adata.obs["section"] == section
        found = np.array(
            [np.quantile(tile, [0.1, 0.3, 0.5, 0.8, 0.95], axis=0).ravel() for tile in _tiles(adata, section)]
        )
        features[rows] = (found - found.mean(axis=0)) / found.std(axis=0)
    share = adata.X.toarray() / adata.X.sum(axis=1).A1[:, None]
    score = []
    for held in np.unique(patient):
        model = Ridge(100.0).fit(features[patient != held], share[patient != held])
        a, b = model.predict(features[patient == held]), share[patient == held]
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        score.append((a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0)))
    expressed, mean = adata.X.mean(axis=0).A1 > 2, np.mean(score, axis=0)
    assert mean[expressed & adata.var["image_true"]].mean() > 0.15
    assert abs(mean[expressed & np.isin(_kinds(adata), ["none", "state"])].mean()) < 0.04


def test_h5ad_round_trip_keeps_the_stain(stained: AnnData, tmp_path: Any) -> None:
    stained.write_h5ad(tmp_path / "cohort.h5ad")
    back = read_h5ad(tmp_path / "cohort.h5ad")
    assert back.obs.equals(stained.obs)
    assert back.var.equals(stained.var)
    assert back.uns["simulation"]["params"] == stained.uns["simulation"]["params"]
    pictures = [simulate_stain(adata, slice_name="P3_2", um_per_px=6.0, rng=1) for adata in (stained, back)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_allclose(
        np.median(pictures[0][:5], axis=(0, 1)), stained.uns["simulation"]["stains"]["glass"][5], atol=2
    )


def test_reference_has_the_profiles_of_the_cohort(counted: AnnData) -> None:
    cells = simulate_reference(counted, 4_000, platform_effect=0.0, rng=1)
    shown, profiles = counted.var["image_true"].to_numpy(), counted.uns["simulation"]["profiles"]
    for t, name in enumerate(counted.uns["simulation"]["cell_types"]):
        found = cells.X[(cells.obs["cell_type"] == name).to_numpy()].sum(axis=0).A1
        want = profiles[t, shown] / profiles[t, shown].sum()
        np.testing.assert_allclose(found[shown] / found[shown].sum(), want, atol=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_patients": 0}, "`n_patients`.*found 0"),
        ({"n_sections": 1.5}, "`n_sections`.*whole number.*1.5"),
        ({"n_obs": 0}, "`n_obs`.*found 0"),
        ({"n_obs": 4, "n_domains": 5}, "`n_domains`.*1 to 4.*found 5"),
        ({"layout": "stripes"}, "`layout`.*'mixed'.*found 'stripes'"),
        ({"patient_effect": -0.1}, "`patient_effect`"),
        ({"stain_effect": 1.5}, "`stain_effect`.*0 to 1"),
        ({"um_per_px": 0}, "`um_per_px`"),
        ({"signal": 2}, "`signal`.*0 to 1"),
    ],
)
def test_cohort_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate_cohort(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_patients": 1, "n_sections": 1, "n_obs": 1, "n_domains": 1, "n_genes": 1, "n_types": 1},
        {"n_patients": 2, "n_obs": 7, "n_domains": 7, "n_genes": 3, "layout": "rings", "stain_effect": 1.0},
        {"n_patients": 2, "n_obs": 13, "n_genes": 40, "n_types": 20, "signal": 1.0, "patient_effect": 0},
    ],
)
def test_extreme_arguments(arguments: dict[str, Any]) -> None:
    adata = simulate_cohort(um_per_px=5.0, **arguments)
    assert np.isfinite(adata.X.data).all()
    assert len(adata.uns["spatial"]) == adata.obs["section"].nunique()
    assert adata.var["image_true"].dtype == bool
    assert adata.var["image_true"].any() == (arguments.get("n_types", 8) > 1)
