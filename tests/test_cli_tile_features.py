import inspect
import re
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import spotweave as sw
from spotweave import _commands
from spotweave._commands._tile_features import summary
from spotweave.cli import main


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two sections with their pictures inside; one of them alone, and its picture as a file."""
    folder = tmp_path_factory.mktemp("tiles")
    cohort = sw.datasets.simulate_cohort(1, n_obs=20, n_genes=40, um_per_px=1.0)
    one = cohort[cohort.obs["section"] == "P1_1"].copy()
    for name, content in cohort.uns.pop("spatial").items():
        Image.fromarray(content["images"]["hires"]).save(folder / f"{name}.png")
    one.uns.pop("spatial")
    cohort.write_h5ad(folder / "in.h5ad")
    one.write_h5ad(folder / "one.h5ad")
    return folder


def run(capsys, *tokens):
    status = main(["tile-features", *map(str, tokens)])
    return status, *capsys.readouterr()


def test_features_are_those_of_the_verb_and_it_says_where_the_scale_is_from(capsys, files, tmp_path):
    out = tmp_path / "out.h5ad"
    options = ["--image", files / "P1_1.png", "--no-cache", "--tile-um", 100, "--scales", 1, 2]
    status, said, err = run(capsys, files / "one.h5ad", "-o", out, *options)
    assert (status, err) == (0, "")
    expected = ad.read_h5ad(files / "one.h5ad")
    with pytest.warns(UserWarning, match="inferred"):
        sw.pp.tile_features(expected, files / "P1_1.png", tile_um=100, scales=(1, 2), cache_dir=None)
    found = ad.read_h5ad(out)
    np.testing.assert_array_equal(found.obsm["X_image"], expected.obsm["X_image"])
    np.testing.assert_array_equal(found.obs["tile_ok"], expected.obs["tile_ok"])
    d = expected.obsm["X_image"].shape[1]
    assert f"{d} features of 20 spots by handcrafted in " in said
    assert "tiles of 100, 200 um; 0 of 20 spots from the cache\n" in said
    share = 100 * expected.obs["tile_ok"].mean()
    assert f"P1_1.png, 1 um per pixel (lattice of Visium), {share:.1f}% of 20 tiles wholly inside\n" in said
    assert [p.name for p in tmp_path.iterdir()] == ["out.h5ad"]
    assert main(["info", str(out)]) == 0
    assert f"X_image: handcrafted (version {sw.__version__})\n" in capsys.readouterr().out


def test_a_picture_for_each_library_and_the_cache(capsys, files, tmp_path):
    images = ["--images", f"P1_2={files / 'P1_2.png'}", f"P1_1={files / 'P1_1.png'}"]
    options = [*images, "--library-key", "section", "--um-per-px", 1, "--scales", 1, "--key-added", "mine"]
    with sw.settings.override(cache_dir=tmp_path / "cache"):
        for cached in (0, 40):
            status, said, _ = run(capsys, files / "in.h5ad", "-o", tmp_path / "out.h5ad", *options)
            assert status == 0
            assert f"; {cached} of 40 spots from the cache\n" in said
    lines = said.splitlines()[2:]
    assert [line.split(", ")[:2] for line in lines] == [
        ["P1_1: P1_1.png", "1 um per pixel (argument)"],
        ["P1_2: P1_2.png", "1 um per pixel (argument)"],
    ]
    assert "mine" in ad.read_h5ad(tmp_path / "out.h5ad").obsm


def test_every_option_is_passed(capsys, files, tmp_path, monkeypatch):
    seen: dict[str, Any] = {}

    def tile_features(adata, image, **options):
        seen.update(options, shape=adata.shape, image=image)
        raise sw.InputError("Expected something else;\nfound this.")

    monkeypatch.setattr(sw.pp, "tile_features", tile_features)
    options = ["--images", "P1_1=a b.png", "--images", "P1_2=x=y.png", "--encoder", "uni", "--weights", "w.bin"]
    more = ["--download", "--image-key", "k", "--batch-size", 5, "--device", "cpu", "--library-key", "section"]
    status, said, err = run(capsys, files / "in.h5ad", "-o", tmp_path / "out.h5ad", *options, *more)
    assert (status, said, err) == (2, "", "spotweave: error: Expected something else; found this.\n")
    assert str(seen.pop("weights")) == "w.bin"
    assert seen == {
        "shape": (40, 40),
        "image": {"P1_1": "a b.png", "P1_2": "x=y.png"},
        "encoder": "uni",
        "tile_um": 112.0,
        "scales": None,
        "um_per_px": None,
        "library_key": "section",
        "image_key": "k",
        "download": True,
        "cache_dir": "auto",
        "key_added": "X_image",
        "batch_size": 5,
        "device": "cpu",
    }
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["-o", "{tmp}/none/out.h5ad"], "Make it first"),
        (["-o", "{tmp}/out.csv"], ".h5ad or .zarr"),
        ([], "--output"),
        (["-o", "{tmp}/out.h5ad"], "Pass image=PATH"),
        (["-o", "{tmp}/out.h5ad", "--image", "{tmp}/none.png"], "no such file"),
        (["-o", "{tmp}/out.h5ad", "--image", "a.png", "--images", "a=b"], "found both"),
        (["-o", "{tmp}/out.h5ad", "--images", "a"], "--images library=path"),
        (["-o", "{tmp}/out.h5ad", "--images", "a=b", "a=c"], "each library once"),
        (["-o", "{tmp}/out.h5ad", "--images", "a=b", "--library-key", "section"], "found ['a']"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(capsys, files, tmp_path, options, text):
    status, said, err = run(capsys, files / "in.h5ad", *(option.format(tmp=tmp_path) for option in options))
    assert (status, said) == (2, "")
    assert text in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_glass_is_said_and_many_libraries_are_counted():
    row = {"image": "x.png", "um_per_px": 0.5, "scale_from": "file", "n": 10, "ok": 0.95, "glass": 0.0}
    table = pd.DataFrame([row] * 11, index=list("abcdefghijk"))
    table.loc["b", "glass"] = 0.8
    lines = summary({"tile_um": 112.0, "scales": np.array([0.5, 1]), "cached": 1234, "libraries": table})
    assert lines[0] == "tiles of 56, 112 um; 1,234 of 110 spots from the cache"
    assert lines[2] == "b: x.png, 0.5 um per pixel (file), 95.0% of 10 tiles wholly inside"
    assert lines[3] == "note: 80% of these tiles show no tissue: are the coordinates of this picture?"
    assert lines[-1] == "and 3 more libraries"
    assert len(lines) == 11


def test_every_option_is_explained():
    documented = re.findall(r"^    (\w+)\n        \S", str(_commands.tile_features.__doc__), flags=re.MULTILINE)
    assert documented == [p for p in inspect.signature(_commands.tile_features).parameters if p != "reading"]


def test_defaults_are_those_of_the_verb():
    verb, command = (inspect.signature(f).parameters for f in (sw.pp.tile_features, _commands.tile_features))
    same = [name for name in verb if name in command]
    assert len(same) == 12
    assert [verb[name].default for name in same] == [command[name].default for name in same]
