import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotweave import InputError
from spotweave._encoders import FeatureCache
from spotweave._encoders._cache import tile_key
from spotweave._encoders._identity import ONCE

KEY = {"image": "abc", "encoder": "tiny:1", "tile_um": 112.0}


@pytest.fixture
def values(rng):
    return rng.normal(size=(7, 3)).astype(np.float32)


def test_features_outlive_the_cache(tmp_path, values):
    with FeatureCache(tmp_path, KEY, 7) as cache:
        np.testing.assert_array_equal(cache.missing(), np.arange(7))
        cache.write(np.array([4, 0]), values[[4, 0]])
        np.testing.assert_array_equal(cache.missing(), [1, 2, 3, 5, 6])
        with pytest.raises(InputError, match="5 of 7 rows not written"):
            cache.read()
    with FeatureCache(str(tmp_path), dict(reversed(KEY.items())), 7) as cache:
        np.testing.assert_array_equal(cache.missing(), [1, 2, 3, 5, 6])
        cache.write(cache.missing(), values[cache.missing()])
    with FeatureCache(tmp_path, KEY, 7) as cache:
        assert len(cache.missing()) == 0
        read = cache.read()
    assert type(read) is np.ndarray
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values)
    read[:] = 0  # a copy
    np.testing.assert_array_equal(FeatureCache(tmp_path, KEY, 7).read(), values)


def test_the_entry_is_plain_files(tmp_path, values):
    with FeatureCache(tmp_path, KEY, 7) as cache:
        cache.write(np.arange(2), values[:2])
    (entry,) = tmp_path.iterdir()
    assert sorted(p.name for p in entry.iterdir()) == ["done.npy", "features.npy", "key.json", "lock"]
    assert json.loads((entry / "key.json").read_text()) == KEY
    np.testing.assert_array_equal(np.load(entry / "features.npy")[:2], values[:2])
    np.testing.assert_array_equal(np.load(entry / "done.npy"), np.arange(7) < 2)
    assert (entry / "lock").read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("change", [{"image": "abd"}, {"encoder": "tiny:2"}, {"tile_um": 112.5}, {"stain": None}])
def test_another_key_is_another_entry(tmp_path, values, change):
    with FeatureCache(tmp_path, KEY, 7) as cache:
        cache.write(np.arange(7), values)
    with FeatureCache(tmp_path, {**KEY, **change}, 7) as cache:
        assert len(cache.missing()) == 7
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("folder", "key"), [(None, KEY), ("there", {**KEY, "encoder": f"f{ONCE}12"})])
def test_nothing_is_kept_without_a_folder_or_a_lasting_identity(tmp_path, monkeypatch, values, folder, key):
    monkeypatch.chdir(tmp_path)
    with FeatureCache(folder, key, 7) as cache:
        cache.write(np.arange(3), values[:3])
        cache.write(cache.missing(), values[3:])
    np.testing.assert_array_equal(cache.read(), values)
    assert list(tmp_path.iterdir()) == []


def test_no_rows(tmp_path):
    with FeatureCache(tmp_path, KEY, 0) as cache:
        assert len(cache.missing()) == 0
        assert len(cache.read()) == 0


@pytest.mark.parametrize(
    ("rows", "shape", "message"),
    [(2, (2,), r"shape \[2, d\]"), (2, (3, 3), r"\[3, 3\]"), (2, (2, 4), "3 features a row, as before; found 4")],
)
@pytest.mark.parametrize("disk", [True, False])
def test_write_checks_the_shape(tmp_path, values, rows, shape, message, disk):
    with FeatureCache(tmp_path if disk else None, KEY, 7) as cache:
        cache.write(np.arange(2), values[:2])
        with pytest.raises(InputError, match=message):
            cache.write(np.arange(rows), np.zeros(shape))
        assert len(cache.missing()) == 5


def damage_key(entry: Path) -> None:
    (entry / "key.json").write_text('{"image": "ab')


def damage_done(entry: Path) -> None:
    (entry / "done.npy").write_bytes(b"\x93NUMPY")


def drop_done(entry: Path) -> None:
    (entry / "done.npy").unlink()


def cut_features(entry: Path) -> None:
    os.truncate(entry / "features.npy", (entry / "features.npy").stat().st_size - 4)


def drop_features(entry: Path) -> None:
    (entry / "features.npy").unlink()


def other_features(entry: Path) -> None:
    np.save(entry / "features.npy", np.zeros((7, 3)))


def other_rows(entry: Path) -> None:
    np.save(entry / "done.npy", np.ones(6, bool))


@pytest.mark.parametrize(
    "damage", [damage_key, damage_done, drop_done, cut_features, drop_features, other_features, other_rows]
)
def test_a_damaged_entry_is_made_anew_with_a_warning(tmp_path, caplog, values, damage):
    with FeatureCache(tmp_path, KEY, 7) as cache:
        cache.write(np.arange(7), values)
    (entry,) = tmp_path.iterdir()
    damage(entry)
    with FeatureCache(tmp_path, KEY, 7) as cache:
        assert [r.levelname for r in caplog.records] == ["WARNING"]
        assert "damaged and made anew" in caplog.text
        assert len(cache.missing()) == 7
        cache.write(np.arange(7), values + 1)
    np.testing.assert_array_equal(FeatureCache(tmp_path, KEY, 7).read(), values + 1)


def test_an_entry_whose_process_died_before_its_key_is_made_in_silence(tmp_path, caplog, values):
    with FeatureCache(tmp_path, KEY, 7) as cache:
        cache.write(np.arange(7), values)
    (entry,) = tmp_path.iterdir()
    (entry / "key.json").unlink()
    (entry / "new").write_bytes(b"half")
    with FeatureCache(tmp_path, KEY, 7) as cache:
        assert len(cache.missing()) == 7
    assert not caplog.records
    assert not (entry / "new").exists()


def test_features_are_on_disk_before_rows_are_done(tmp_path, values, monkeypatch):
    from spotweave._encoders import _cache

    order: list[str] = []
    real = _cache._flush

    def flush(array):
        real(array)
        (entry,) = tmp_path.iterdir()
        order.append("done" if np.load(entry / "done.npy")[2] else "features")
        np.testing.assert_array_equal(np.load(entry / "features.npy")[2], values[2])

    monkeypatch.setattr(_cache, "_flush", flush)
    with FeatureCache(tmp_path, KEY, 7) as cache:
        cache.write(np.array([2]), values[[2]])
    assert order == ["features", "done"]


KILLED = """
import os, sys, numpy as np
from spotweave._encoders._cache import FeatureCache
cache = FeatureCache(sys.argv[1], {key!r}, 7)
cache.write(np.arange(3), np.full((3, 2), 5.0))
print("ready", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), 9)
"""


def test_another_process_has_the_lock_until_it_is_killed(tmp_path, caplog):
    code = KILLED.format(key=KEY)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "ready\n"
        (entry,) = tmp_path.iterdir()
        before = {p.name: p.read_bytes() for p in entry.iterdir()}
        with FeatureCache(tmp_path, KEY, 7) as cache:  # works in memory
            assert "being written by another process" in caplog.text
            assert len(cache.missing()) == 7
            cache.write(np.arange(7), np.zeros((7, 2)))
        np.testing.assert_array_equal(cache.read(), np.zeros((7, 2)))
        assert {p.name: p.read_bytes() for p in entry.iterdir()} == before
        other.stdin.write("die\n")
        other.stdin.flush()
        other.wait()
    caplog.clear()
    with FeatureCache(tmp_path, KEY, 7) as cache:  # the lock died with it, the batch did not
        np.testing.assert_array_equal(cache.missing(), [3, 4, 5, 6])
        cache.write(cache.missing(), np.zeros((4, 2)))
        np.testing.assert_array_equal(cache.read()[:, 0], [5, 5, 5, 0, 0, 0, 0])
    assert not caplog.records


def test_a_full_entry_is_read_while_it_is_locked(tmp_path, caplog, values):
    with FeatureCache(tmp_path, KEY, 7) as first:
        first.write(np.arange(7), values)
        with FeatureCache(tmp_path, KEY, 7) as second:
            np.testing.assert_array_equal(second.read(), values)
        np.testing.assert_array_equal(first.read(), values)
    assert not caplog.records


def test_a_folder_that_cannot_be_made_costs_only_the_cache(tmp_path, caplog, values):
    (tmp_path / "file").touch()
    with FeatureCache(tmp_path / "file", KEY, 7) as cache:
        cache.write(np.arange(7), values)
        np.testing.assert_array_equal(cache.read(), values)
    assert "No features are kept in" in caplog.text


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no posix_fallocate")
def test_a_full_disk_costs_only_the_cache(tmp_path, caplog, values, monkeypatch):
    with FeatureCache(tmp_path, KEY, 7) as cache:

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", full)
        cache.write(np.arange(7), values)
        np.testing.assert_array_equal(cache.read(), values)
    assert "No space left on device" in caplog.text
    monkeypatch.undo()
    with FeatureCache(tmp_path, KEY, 7) as cache:
        assert len(cache.missing()) == 7


def key_of(**change):
    centres = np.arange(10.0).reshape(5, 2)
    usual: dict[str, Any] = {
        "image": "i",
        "encoder": "e",
        "tile_um": 112,
        "tile_px": 224,
        "scales": (1, 2),
        "mpp": 0.5,
        "centres": centres,
    }
    return tile_key(**{**usual, **change})


def test_tile_key_follows_everything_and_is_json():
    one = key_of()
    assert json.loads(json.dumps(one)) == one == key_of(tile_um=112.0, scales=[1.0, 2.0])
    moved = np.arange(10.0).reshape(5, 2)
    moved[4, 1] += 1e-9
    changes: list[dict[str, Any]] = [
        {"image": "j"}, {"encoder": "f"}, {"tile_um": 113}, {"tile_px": 225}, {"scales": (1,)}, {"mpp": 0.51},
        {"centres": moved}, {"centres": np.arange(10.0).reshape(2, 5)}, {"stain": "macenko"},
    ]  # fmt: skip
    assert len({json.dumps(k) for k in [one, *(key_of(**c) for c in changes)]}) == len(changes) + 1
    big = np.arange(10.0, dtype=">f8").reshape(5, 2)
    assert key_of(centres=np.asfortranarray(big)) == one
