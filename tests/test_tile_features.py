"""pp.tile_features: tiles and encoder put together by hand, pictures and scales of libraries, the cache, bad input."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import spotweave as sw
from spotweave import InputError, settings
from spotweave._encoders import get_encoder
from spotweave._slides import iter_tiles, open_slide
from spotweave._tile_encode import optical_density
from spotweave.core.tile_geometry import infer_um_per_px

pp: Any = sw.pp


class Tiny:
    """Mean colour and contrast of small tiles; counts the tiles it has seen, and stops when told."""

    name, identity, tile_px, n_features = "tiny", "tiny:1", 16, 4
    scales = (1.0, 2.0)

    def __init__(self, stop_after: int | None = None) -> None:
        self.seen = 0
        self.stop_after = stop_after

    def __call__(self, tiles: np.ndarray) -> np.ndarray:
        if self.stop_after is not None and self.seen >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += len(tiles)
        values = tiles.astype(np.float64)
        return np.column_stack([values.mean(axis=(1, 2)), values.std(axis=(1, 2, 3))]).astype(np.float32)


def by_hand(image, xy, *, mpp, tile_um=112.0, scales=Tiny.scales, encoder=None):
    """Features and whole tiles of one library, one spot at a time."""
    slide, encode = open_slide(image), encoder or Tiny()
    columns, ok = [], None
    for scale in scales:
        options = {"tile_um": tile_um * scale, "tile_px": encode.tile_px, "mpp": mpp, "batch_size": 1}
        tiles = list(iter_tiles(slide, xy, **options))
        columns.append(np.concatenate([encode(tile.pixels) for tile in tiles]))
        ok = np.array([tile.inside[0] > 1 - 1e-9 for tile in tiles]) if ok is None else ok
    return np.concatenate(columns, axis=1), ok


def call(adata, *args, **options):
    options = {"encoder": Tiny(), "cache_dir": None, **options}
    return pp.tile_features(adata, *args, **options)


def refused(adata, match, *args, **options):
    """The call raises, and leaves the table as it was."""
    before = adata.copy()
    with pytest.raises(InputError, match=match):
        call(adata, *args, **options)
    assert list(adata.obs) == list(before.obs)
    assert set(adata.obsm) == set(before.obsm)
    assert set(adata.uns) == set(before.uns)


def stain(h: int, w: int, seed: int = 0) -> np.ndarray:
    """Coarse random colours of stained tissue."""
    coarse = np.random.default_rng(seed).integers(40, 220, (h // 8 + 1, w // 8 + 1, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))[:h, :w]


def lattice(rows: int, columns: int, step: float) -> np.ndarray:
    """Spots of a square lattice, x and y."""
    y, x = np.divmod(np.arange(rows * columns), columns)
    return step * (np.column_stack([x, y]) + 1.0)


def table(xy: np.ndarray, **obs: Any) -> ad.AnnData:
    adata = ad.AnnData(np.ones((len(xy), 1), np.float32), obs=pd.DataFrame(obs, index=[str(i) for i in range(len(xy))]))
    adata.obsm["spatial"] = xy
    return adata


@pytest.fixture
def section() -> ad.AnnData:
    """An ST section: 9 x 7 spots 40 pixels apart, so 5 um a pixel; tiles of 112 um are 22.4 pixels."""
    return table(lattice(9, 7, 40.0))


@pytest.fixture
def picture() -> np.ndarray:
    return stain(397, 331)


@pytest.fixture(scope="module")
def cohort() -> ad.AnnData:
    """Two sections of one patient; coordinates in um, pictures of 2 um a pixel; rows mixed."""
    adata = sw.datasets.simulate_cohort(1, n_obs=40, n_genes=40, um_per_px=2.0)
    return adata[np.random.default_rng(0).permutation(adata.n_obs)].copy()


def test_features_are_those_of_the_encoder_on_the_tiles_of_each_scale(section, picture):
    call(section, picture, um_per_px=5.0, batch_size=10)
    expected, ok = by_hand(picture, section.obsm["spatial"], mpp=5.0)
    assert section.obsm["X_image"].dtype == np.float32
    np.testing.assert_array_equal(section.obsm["X_image"], expected)
    assert section.obs["tile_ok"].dtype == bool
    np.testing.assert_array_equal(section.obs["tile_ok"], ok)


def test_only_whole_tiles_are_ok(section, picture):
    section.obsm["spatial"] = lattice(9, 7, 40.0) - (31.0, 0)  # the first column of tiles crosses the border
    found = call(section, picture, um_per_px=5.0, copy=True)
    np.testing.assert_array_equal(found.ok, np.arange(63) % 7 > 0)
    assert found.details["ok"] == pytest.approx(54 / 63)


def test_scales_and_side_can_be_chosen(section, picture):
    found = call(section, picture, um_per_px=5.0, tile_um=90, scales=[0.5, 1, 3], copy=True)
    expected, ok = by_hand(picture, section.obsm["spatial"], mpp=5.0, tile_um=90, scales=(0.5, 1, 3))
    np.testing.assert_array_equal(found.features, expected)
    np.testing.assert_array_equal(found.ok, ok)
    assert found.details["scales"].tolist() == [0.5, 1, 3]


def test_a_function_is_an_encoder(section, picture):
    def brightness(tiles):
        return tiles.mean(axis=(1, 2))

    with pytest.warns(UserWarning, match=r"enlarged 10 times .* full resolution"):
        found = call(section, picture, um_per_px=5.0, encoder=brightness, copy=True)
    expected, _ = by_hand(picture, section.obsm["spatial"], mpp=5.0, scales=(1,), encoder=get_encoder(brightness))
    np.testing.assert_array_equal(found.features, expected)


def test_what_is_said_of_a_run(section, picture, tmp_path):
    call(section, picture, um_per_px=5.0, key_added="mine", cache_dir=tmp_path)
    assert set(section.obs) == {"mine_tile_ok"}
    assert set(section.uns) == set(section.obsm) - {"spatial"} == {"mine"}
    said = section.uns["mine"]
    assert said["params"] == {
        "encoder": "tiny",
        "tile_um": 112.0,
        "um_per_px": 5.0,
        "batch_size": 64,
        "spotweave_version": sw.__version__,
    }
    assert (said["encoder"], said["identity"], said["tile_px"], said["tile_um"]) == ("tiny", "tiny:1", 16, 112.0)
    assert (said["ok"], said["glass"], said["cached"]) == (1.0, 0.0, 0)
    assert "feature_names" not in said
    (row,) = said["libraries"].reset_index().to_dict("records")
    assert row == {
        "library": "the array",
        "image": "the array",
        "um_per_px": 5.0,
        "mpp": 5.0,
        "scale_from": "argument",
        "n": 63,
        "ok": 1.0,
        "glass": 0.0,
        "cached": 0,
    }


def test_names_of_features_come_with_the_size_of_the_tile(section, picture):
    encoder = Tiny()
    encoder.feature_names = ["red", "green", "blue", "contrast"]  # type: ignore[attr-defined]
    found = call(section, picture, um_per_px=5.0, encoder=encoder, copy=True)
    names = found.details["feature_names"]
    assert names.tolist()[3:6] == ["contrast_112um", "red_224um", "green_224um"]
    assert len(names) == found.features.shape[1]


def test_pictures_in_uns_with_their_scale_factors(cohort):
    with pytest.warns(UserWarning, match="does not say its scale") as caught:
        call(cohort, library_key="section")
    assert [w.filename for w in caught] == [__file__] * 2  # the caller's line
    text = "does not say its scale: 1 um per pixel is inferred from the 40 spots, which lie as those of Visium, 100 um"
    assert "hires picture of 'P1_1'" in str(caught[0].message)
    assert text in str(caught[0].message)
    for name in ("P1_1", "P1_2"):
        rows = (cohort.obs["section"] == name).to_numpy()
        xy, hires = cohort.obsm["spatial"][rows], cohort.uns["spatial"][name]["images"]["hires"]
        expected, ok = by_hand(hires, xy * 0.5, mpp=infer_um_per_px(xy)[0] / 0.5)  # 0.9999999999 may be another tile
        np.testing.assert_array_equal(cohort.obsm["X_image"][rows], expected)
        np.testing.assert_array_equal(cohort.obs["tile_ok"][rows], ok)
    libraries = cohort.uns["X_image"]["libraries"]
    assert libraries.index.tolist() == ["P1_1", "P1_2"]
    np.testing.assert_allclose(libraries["mpp"], 2.0)
    np.testing.assert_allclose(libraries["um_per_px"], 1.0)
    assert set(libraries["scale_from"]) == {"lattice of Visium"}


def test_lowres_where_there_is_no_hires(cohort):
    adata = cohort[cohort.obs["section"] == "P1_1"].copy()
    entry = adata.uns["spatial"]["P1_1"]
    hires = entry["images"].pop("hires")
    entry["images"]["lowres"] = np.asarray(Image.fromarray(hires).reduce(2))
    entry["scalefactors"] = {"tissue_hires_scalef": 0.5, "tissue_lowres_scalef": 0.25}
    adata.uns["spatial"] = {"P1_1": entry}
    found = call(adata, um_per_px=1.0, copy=True)
    expected, _ = by_hand(entry["images"]["lowres"], adata.obsm["spatial"] * 0.25, mpp=4.0)
    np.testing.assert_array_equal(found.features, expected)
    assert found.details["libraries"]["image"].item() == "the lowres picture in adata.uns['spatial']"
    entry["images"]["hires"] = hires
    found = call(adata, um_per_px=1.0, copy=True)
    assert found.details["libraries"]["mpp"].item() == 2.0


def test_several_libraries_by_dict_in_any_order(tmp_path):
    xy = np.concatenate([lattice(5, 4, 40.0), lattice(5, 4, 20.0)])
    order = np.random.default_rng(1).permutation(40)
    library = np.repeat(["b", "a"], 20)[order]
    adata = table(xy[order], slide=pd.Categorical(library))
    Image.fromarray(stain(260, 230, 1)).save(tmp_path / "b.png")
    images = {"a": stain(140, 120, 2), "b": tmp_path / "b.png"}
    found = call(adata, images, library_key="slide", um_per_px={"b": 5, "a": 10.0}, copy=True)
    for name, mpp in (("a", 10.0), ("b", 5.0)):
        expected, ok = by_hand(images[name], xy[order][library == name], mpp=mpp)
        np.testing.assert_array_equal(found.features[library == name], expected)
        np.testing.assert_array_equal(found.ok[library == name], ok)
    assert found.details["libraries"]["image"].to_dict() == {"a": "the array", "b": "b.png"}


def test_pictures_of_a_spatialdata_object(cohort):
    def element(name):
        picture = np.moveaxis(cohort.uns["spatial"][name]["images"]["hires"], -1, 0)
        return SimpleNamespace(dims=("c", "y", "x"), data=picture, coords={})

    adata = cohort.copy()
    expected = call(adata, library_key="section", um_per_px=1.0, copy=True)
    adata.obsm["spatial"] = adata.obsm["spatial"] * 0.5
    del adata.uns["spatial"]
    images = {name: element(name) for name in ("P1_2", "P1_1")}
    data = SimpleNamespace(tables={"table": adata}, images=images)
    for args in ((data,), (adata, data)):
        found = call(*args, library_key="section", um_per_px=2.0, copy=True)
        np.testing.assert_allclose(found.features, expected.features, rtol=1e-6)
    refused(adata, "library 'P1_1'; found pictures", SimpleNamespace(images={"x": 1, "y": 2}), library_key="section")
    data.images = {"one": images["P1_1"], "other": images["P1_2"]}
    named = call(data, library_key="section", um_per_px=2.0, image_key={"P1_1": "one", "P1_2": "other"}, copy=True)
    np.testing.assert_array_equal(named.features, found.features)


def test_scale_of_the_file_goes_before_the_lattice(section, picture, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    for mpp in (5.2, 7.0):
        centimetres = (10_000 / mpp, 10_000 / mpp)
        tifffile.imwrite(tmp_path / f"{mpp}.tif", picture, resolution=centimetres, resolutionunit="CENTIMETER")
    found = call(section, tmp_path / "5.2.tif", copy=True)  # within 10 % of the lattice's 5: no warning
    assert found.details["libraries"]["scale_from"].item() == "file"
    np.testing.assert_allclose(found.features, by_hand(picture, section.obsm["spatial"], mpp=5.2)[0], rtol=1e-5)
    with pytest.warns(UserWarning, match=r"7.0.tif says 7 um per pixel, which is used; 5 by the 63 spots, .* ST,"):
        found = call(section, tmp_path / "7.0.tif", copy=True)
    assert found.details["libraries"]["um_per_px"].item() == pytest.approx(7.0, rel=1e-4)
    with pytest.warns(UserWarning, match=r"mpp=5 is used, but 7.0.tif says 7"):
        found = call(section, tmp_path / "7.0.tif", um_per_px=5.0, copy=True)
    np.testing.assert_array_equal(found.features, by_hand(picture, section.obsm["spatial"], mpp=5.0)[0])


def test_scale_among_stored_scale_factors(picture):
    adata = table(np.random.default_rng(0).uniform(300, 2500, (50, 2)))  # cells: no lattice
    entry = {"images": {"hires": picture}, "scalefactors": {"tissue_hires_scalef": 0.1, "microns_per_pixel": 0.5}}
    adata.uns["spatial"] = {"only": entry}
    found = call(adata, copy=True)
    expected, _ = by_hand(picture, adata.obsm["spatial"] * 0.1, mpp=5.0)
    np.testing.assert_allclose(found.features, expected, rtol=1e-6)
    assert found.details["libraries"][["um_per_px", "scale_from"]].iloc[0].tolist() == [0.5, "scale factors"]
    del entry["scalefactors"]["microns_per_pixel"]
    refused(adata, r"does not say its scale, nor do the spots\..*`um_per_px=`.*several sections, pass `library_key=`")


@pytest.mark.parametrize("batch_size", [64, 10])
def test_a_second_call_takes_all_from_the_cache(section, picture, tmp_path, batch_size):
    first = call(section, picture, um_per_px=5.0, cache_dir=tmp_path, copy=True)
    encoder = Tiny()
    again = call(section, picture, um_per_px=5.0, cache_dir=tmp_path, encoder=encoder, batch_size=batch_size, copy=True)
    assert encoder.seen == 0
    assert (first.details["cached"], again.details["cached"]) == (0, 63)
    np.testing.assert_array_equal(again.features, first.features)
    np.testing.assert_array_equal(again.ok, first.ok)
    assert again.details["ok"] == first.details["ok"]


def test_a_stopped_run_goes_on_where_it_was(section, picture, tmp_path):
    whole = call(section, picture, um_per_px=5.0, batch_size=20, copy=True)
    before = section.copy()
    with pytest.raises(KeyboardInterrupt):  # after the first batch, and the first scale of the second
        call(section, picture, um_per_px=5.0, batch_size=20, encoder=Tiny(stop_after=60), cache_dir=tmp_path)
    assert list(section.obs) == list(before.obs)
    assert set(section.obsm) == {"spatial"}
    encoder = Tiny()
    call(section, picture, um_per_px=5.0, batch_size=20, encoder=encoder, cache_dir=tmp_path)
    assert encoder.seen == 2 * 43
    assert section.uns["X_image"]["cached"] == 20
    np.testing.assert_array_equal(section.obsm["X_image"], whole.features)
    np.testing.assert_array_equal(section.obs["tile_ok"], whole.ok)


@pytest.mark.parametrize("change", ["encoder", "tile_um", "scales", "um_per_px", "picture", "spots"])
def test_nothing_else_is_taken_from_the_cache(section, picture, tmp_path, change):
    options: dict[str, Any] = {"um_per_px": 5.0, "cache_dir": tmp_path}
    call(section, picture, **options)
    encoder = Tiny()
    if change == "encoder":
        encoder.identity = "tiny:2"
    elif change == "picture":
        picture = 255 - picture
    elif change == "spots":
        section.obsm["spatial"] = section.obsm["spatial"] + 1
    else:
        options[change] = {"tile_um": 100.0, "scales": (1, 3), "um_per_px": 4.0}[change]
    found = call(section, picture, encoder=encoder, copy=True, **options)
    assert (encoder.seen, found.details["cached"]) == (2 * 63, 0)


def test_the_cache_lies_in_the_folder_of_the_settings_unless_turned_off(section, picture, tmp_path):
    with settings.override(cache_dir=tmp_path):
        call(section, picture, um_per_px=5.0)
        assert list(tmp_path.iterdir()) == []
        pp.tile_features(section, picture, um_per_px=5.0, encoder=Tiny())
    assert [p.name for p in tmp_path.iterdir()] == ["tiles"]
    assert len(list((tmp_path / "tiles").iterdir())) == 1


def test_density_is_that_of_the_formula():
    tiles = np.random.default_rng(0).integers(0, 256, (3, 5, 5, 3), dtype=np.uint8)
    expected = [np.mean([-np.log10(max(int(v), 1) / 255) for v in tile.ravel()]) for tile in tiles]
    np.testing.assert_allclose(optical_density(tiles), expected)


def test_glass_is_warned_of(section):
    glass = np.full((397, 331, 3), 245, np.uint8)
    glass[:, :100] = stain(397, 100)
    with pytest.warns(UserWarning, match=r"71% of the 63 tiles of the array show no tissue .* pixels of this picture"):
        call(section, glass, um_per_px=5.0)
    assert section.uns["X_image"]["glass"] == pytest.approx(45 / 63)
    glass[:, :200] = stain(397, 200)
    call(section, glass, um_per_px=5.0)
    assert section.uns["X_image"]["glass"] == pytest.approx(18 / 63)


def test_some_spots_outside_are_not_ok_and_white(section, picture):
    xy = section.obsm["spatial"].copy()
    xy[:12, 0] += 2000
    section.obsm["spatial"] = xy
    found = call(section, picture, um_per_px=5.0, copy=True)
    assert not found.ok[:12].any()
    assert (found.features[:12, :3] == 255).all()
    xy[12, 0] += 2000
    section.obsm["spatial"] = xy
    refused(
        section, r"21% of 63 outside, x from 40 to 2280 and y from 40 to 360\. Usual causes: a scale factor", picture
    )


def test_swapped_axes_are_recognised():
    adata = table(lattice(20, 5, 40.0)[:, ::-1])
    text = r"the array, x from 0 to 240 and y from 0 to 840 pixels.*They would lie inside if x and y were swapped:"
    refused(adata, text, stain(840, 240), um_per_px=5.0)


def test_a_forgotten_scale_factor_is_recognised(cohort):
    adata = cohort[cohort.obs["section"] == "P1_1"].copy()
    hires = adata.uns["spatial"]["P1_1"]["images"]["hires"]
    adata.uns["spatial"]["P1_1"]["scalefactors"]["tissue_lowres_scalef"] = 0.05
    text = r"if they were multiplied by tissue_hires_scalef = 0.5, a picture of lower resolution:"
    refused(adata, text, hires, um_per_px=1.0, library_key="section")
    adata.obsm["spatial"] = adata.obsm["spatial"][:, ::-1] * [1, 1.3]
    wide = np.concatenate([hires, hires], axis=0)[: int(hires.shape[0] * 1.3)]
    refused(
        adata, r"multiplied by tissue_hires_scalef|x and y were swapped", wide, um_per_px=1.0, library_key="section"
    )


def test_a_hires_scale_factor_that_is_wrong(cohort):
    adata = cohort[cohort.obs["section"] == "P1_1"].copy()
    adata.uns["spatial"]["P1_1"]["scalefactors"]["tissue_hires_scalef"] = 5.0
    refused(adata, r"hires picture of 'P1_1' in adata.uns\['spatial'\].*Usual causes", library_key="section")


@pytest.mark.parametrize(
    ("images", "options", "match"),
    [
        ({"a": 0, "c": 0}, {"library_key": "slide"}, r"libraries of adata.obs in `image`; found \['c'\].*\['a', 'b'\]"),
        ({"a": 0}, {"library_key": "slide"}, r"an image for every library; found none for \['b'\]"),
        ({"a": 0, "b": None}, {"library_key": "slide"}, r"none for \['b'\]"),
        ({"a": 0, "b": 0}, {}, "`library_key`.*found None"),
        (0, {"library_key": "slide"}, r"a dict {library: image} for 2 libraries; found one ndarray"),
        (0, {"library_key": "nope"}, "library_key='nope'"),
        (None, {}, r"a picture in adata.uns\['spatial'\]; found nothing. Pass image=PATH"),
        (None, {"library_key": "slide"}, "a picture of library 'a' in adata.uns"),
        ({"a": 0, "b": "/nowhere/b.png"}, {"library_key": "slide"}, "/nowhere/b.png; found no such file"),
        (0, {"um_per_px": -1.0}, "`um_per_px` to be a number"),
        (0, {"um_per_px": "5"}, "`um_per_px` to be a number"),
        (0, {"um_per_px": {"a": 5.0}}, r"in `um_per_px`; found \['a'\]. There are no `library_key`"),
        ({"a": 0, "b": 0}, {"library_key": "slide", "um_per_px": {"d": 5.0}}, r"in `um_per_px`; found \['d'\]"),
        (0, {"tile_um": 0}, "`tile_um`"),
        (0, {"batch_size": 0}, "`batch_size`"),
        (0, {"scales": (2, 1)}, r"`scales` as different numbers, ascending; found \(2, 1\)"),
        (0, {"scales": ()}, "`scales`"),
        (0, {"scales": (0, 1)}, "`scales`"),
        (0, {"encoder": "handcraftd"}, "Did you mean 'handcrafted'"),
        (0, {"encoder": "handcrafted", "download": True}, "only with the name of a network"),
        (object(), {}, "a picture"),
        (stain(40, 40).astype(int), {}, "type uint8"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(images, options, match):
    adata = table(np.concatenate([lattice(9, 7, 40.0)] * 2), slide=np.repeat(["a", "b"], 63))
    fill = lambda image: stain(397, 331) if isinstance(image, int) else image
    images = {name: fill(image) for name, image in images.items()} if isinstance(images, dict) else fill(images)
    refused(adata, match, images, **options)


def test_several_pictures_in_uns_need_a_library_key(cohort):
    refused(cohort, r"`library_key`, the column .* found \['P1_1', 'P1_2'\]")
    adata = cohort.copy()
    del adata.uns["spatial"]["P1_2"]
    refused(adata, r"library 'P1_2' in adata.uns\['spatial'\]; found libraries \['P1_1'\]", library_key="section")
    del adata.uns["spatial"]["P1_1"]["scalefactors"]["tissue_hires_scalef"]
    refused(adata[adata.obs["section"] == "P1_1"].copy(), "tissue_hires_scalef beside the hires picture")


@pytest.mark.parametrize("values", [np.full((63, 4), np.nan), np.ones(63), np.ones((62, 4))])
def test_an_encoder_that_returns_something_else_is_refused(section, picture, values):
    class Broken(Tiny):
        def __call__(self, tiles):
            return values

    refused(section, "encoder tiny", picture, encoder=Broken(), um_per_px=5.0)


def test_coordinates_must_be_there_and_flat(section, picture):
    section.obsm["spatial"] = np.column_stack([section.obsm["spatial"], np.zeros(63)])
    refused(section, r"pixel coordinates \[n, 2\]", picture)
    del section.obsm["spatial"]
    refused(section, "coordinates in adata.obsm", picture)
    refused(table(np.empty((0, 2))), "at least one spot", picture)


def test_a_bar_is_shown_when_asked_for(section, picture, capsys, tmp_path):
    call(section, picture, um_per_px=5.0, progress=True, cache_dir=tmp_path)
    assert "tiles of the array" in capsys.readouterr().err
    call(section, picture, um_per_px=5.0, progress=False, cache_dir=tmp_path)
    assert capsys.readouterr().err == ""


def test_result_survives_h5ad(cohort, tmp_path):
    adata = cohort.copy()
    call(adata, library_key="section", um_per_px={"P1_1": 1.0, "P1_2": 1.0})
    adata.write_h5ad(tmp_path / "a.h5ad")
    found = ad.read_h5ad(tmp_path / "a.h5ad").uns["X_image"]
    pd.testing.assert_frame_equal(found["libraries"], adata.uns["X_image"]["libraries"], check_names=False)
    assert found["params"]["library_key"] == "section"


@pytest.mark.data
def test_a_real_section(data_dir: Path, tmp_path: Path):
    folder = data_dir / "her2st"
    if not (folder / "C2_HE.jpg").is_file():
        pytest.skip(f"her2st/C2_HE.jpg not found in {data_dir}")
    adata = ad.read_h5ad(folder / "C2.h5ad")[::6].copy()
    full = ad.read_h5ad(folder / "C2.h5ad").obsm["spatial"]
    mpp = infer_um_per_px(full)[0]
    assert mpp == pytest.approx(0.689, abs=0.002)
    call(adata, folder / "C2_HE.jpg", um_per_px=mpp, cache_dir=tmp_path)
    expected, ok = by_hand(folder / "C2_HE.jpg", adata.obsm["spatial"], mpp=mpp)
    np.testing.assert_allclose(adata.obsm["X_image"], expected, rtol=1e-6)
    assert ok.all()
    assert adata.obs["tile_ok"].all()
    assert adata.uns["X_image"]["glass"] == 0
