from pathlib import Path

import pytest

from spotweave import InputError
from spotweave._whole import check_target, write_whole


def test_writes_the_bytes_and_nothing_else(tmp_path):
    assert write_whole(tmp_path / "a.bin", b"one") == tmp_path / "a.bin"
    write_whole(str(tmp_path / "a.bin"), b"two")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.bin", b"two")]


def test_a_failure_leaves_the_older_file(tmp_path, monkeypatch):
    (tmp_path / "a.bin").write_bytes(b"old")

    def fail_after_a_part(self, data):
        with self.open("wb") as f:
            f.write(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail_after_a_part)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "a.bin", b"new")
    monkeypatch.undo()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.bin", b"old")]


def test_targets_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="Make it first"):
        check_target(tmp_path / "none" / "a.html")
    with pytest.raises(InputError, match="a folder"):
        check_target(tmp_path)
    with pytest.raises(InputError, match=r"ends in \.h5ad or \.zarr"):
        check_target(tmp_path / "a.txt", ".h5ad", ".zarr")
    assert check_target(tmp_path / "a.zarr", ".h5ad", ".zarr") == tmp_path / "a.zarr"
