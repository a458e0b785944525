import hashlib
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from spotweave import InputError
from spotweave._encoders import _weights
from spotweave._encoders._registry import EncoderRecord
from spotweave._encoders._weights import cached_file, find_weights, hub_cache, weight_hash

RECORD = EncoderRecord("tiny", "Org/Tiny", "tiny", "CC-BY", 5, weights_file="tiny.pth", gated=True)


def snapshot(revision: str, name: str, org: str = "Org", *, content: str = "x") -> Path:
    path = hub_cache() / f"models--{org}--Tiny" / "snapshots" / revision / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_a_file_is_taken_as_it_is(tmp_path):
    (tmp_path / "any.safetensors").touch()
    assert find_weights(RECORD, tmp_path / "any.safetensors") == tmp_path / "any.safetensors"


def test_a_folder_gives_the_expected_file_before_others(tmp_path):
    for name in ("model.safetensors", "other.bin", "config.json"):
        (tmp_path / name).touch()
    assert find_weights(RECORD, str(tmp_path)).name == "model.safetensors"
    (tmp_path / "tiny.pth").touch()
    assert find_weights(RECORD, tmp_path).name == "tiny.pth"


def test_a_folder_with_one_file_of_weights_gives_it_and_with_two_an_error(tmp_path):
    (tmp_path / "mine.bin").touch()
    assert find_weights(RECORD, tmp_path).name == "mine.bin"
    (tmp_path / "yours.bin").touch()
    with pytest.raises(InputError, match=r"tiny\.pth.*found \['mine\.bin', 'yours\.bin'\] in folder"):
        find_weights(RECORD, tmp_path)


@pytest.mark.parametrize(("name", "message"), [("no.pth", "no file or folder"), ("text.txt", "ends in one of")])
def test_a_wrong_path_is_an_error_even_when_the_cache_has_weights(tmp_path, name, message):
    snapshot("abc", "tiny.pth")
    (tmp_path / "text.txt").touch()
    with pytest.raises(InputError, match=message):
        find_weights(RECORD, tmp_path / name, download=True)


def test_the_local_cache_is_read_without_regard_to_case():
    path = snapshot("abc", "tiny.pth", org="oRG")
    assert find_weights(RECORD) == path


def test_the_revision_of_main_comes_first_then_the_newest():
    old, new = snapshot("old", "tiny.pth"), snapshot("new", "tiny.pth")
    os.utime(old.parent, (1, 1))
    assert find_weights(RECORD) == new
    main = hub_cache() / "models--Org--Tiny" / "refs" / "main"
    main.parent.mkdir()
    main.write_text("old")
    assert find_weights(RECORD) == old
    assert cached_file("Org/Tiny", ["nothing", "tiny.pth"]) == old


def test_a_snapshot_without_the_file_falls_to_the_next():
    snapshot("new", "README.md")
    old = snapshot("old", "tiny.pth")
    os.utime(old.parent, (1, 1))
    assert find_weights(RECORD) == old


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c"}, "/b"),
        ({"HF_HOME": "/c", "XDG_CACHE_HOME": "/d"}, "/c/hub"),
        ({"XDG_CACHE_HOME": "/d"}, "/d/huggingface/hub"),
        ({}, str(Path.home() / ".cache/huggingface/hub")),
    ],
)
def test_hub_cache_follows_the_variables(monkeypatch, variables, expected):
    monkeypatch.delenv("HF_HUB_CACHE")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert hub_cache() == Path(expected)


def test_absent_weights_are_one_error_that_says_everything():
    with pytest.raises(InputError) as caught:
        find_weights(RECORD)
    text = str(caught.value)
    for part in ("'tiny'", "tiny.pth", "Org/Tiny", "CC-BY", "https://huggingface.co/Org/Tiny", "weights=PATH"):
        assert part in text
    assert "download=True (after `hf auth login`)" in text
    assert str(hub_cache()) in text


class Refused(Exception):
    response = SimpleNamespace(status_code=403)


class NotThere(Exception):
    pass


class Unreached(NotThere, ValueError):
    pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A stand-in for huggingface_hub: a dictionary from file name to path or error."""
    files: dict[str, Path | Exception] = {}
    module = ModuleType("huggingface_hub")

    def hf_hub_download(repo_id, filename):
        assert repo_id == "Org/Tiny"
        answer = files.get(filename, NotThere(filename))
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    errors = SimpleNamespace(HfHubHTTPError=Refused, EntryNotFoundError=NotThere, LocalEntryNotFoundError=Unreached)
    vars(module).update(hf_hub_download=hf_hub_download, errors=errors)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return files


def test_download_only_when_asked_and_only_when_the_cache_lacks_it(hub, tmp_path):
    hub["tiny.pth"] = tmp_path / "down.pth"
    with pytest.raises(InputError, match="download=True"):
        find_weights(RECORD)
    assert find_weights(RECORD, download=True) == tmp_path / "down.pth"
    cached = snapshot("abc", "model.safetensors")
    assert find_weights(RECORD, download=True) == cached


def test_download_tries_the_other_standard_names(hub, tmp_path):
    hub["pytorch_model.bin"] = tmp_path / "p.bin"
    assert find_weights(RECORD, download=True) == tmp_path / "p.bin"
    hub.clear()
    with pytest.raises(InputError, match=r"no file tiny\.pth or model\.safetensors or pytorch_model\.bin"):
        find_weights(RECORD, download=True)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (
            Refused("Access to model Org/Tiny is restricted.\nlong"),
            r"a refusal by the hub: Refused 403: Access to model",
        ),
        (OSError("offline"), "a refusal by the hub: OSError: offline"),
        (Unreached("cannot find it"), "no answer from the hub: Unreached: cannot find it"),
    ],
)
def test_errors_of_the_hub_become_ours(hub, error, found):
    hub["tiny.pth"] = error
    with pytest.raises(InputError, match=f"{found}.*Accept its licence"):
        find_weights(RECORD, download=True)


def test_without_huggingface_hub_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"huggingface_hub.*pip install \"spotweave\[histology\]\""):
        find_weights(RECORD, download=True)


def test_weight_hash_is_that_of_the_content_and_is_remembered(tmp_path, monkeypatch):
    path = tmp_path / "w.bin"
    path.write_bytes(b"weights")
    assert weight_hash(path) == hashlib.sha256(b"weights").hexdigest()[:16]
    with monkeypatch.context() as context:
        context.setattr(_weights.hashlib, "file_digest", lambda *_: pytest.fail("read twice"))
        weight_hash(str(path))
    path.write_bytes(b"other weights")
    assert weight_hash(path) == hashlib.sha256(b"other weights").hexdigest()[:16]


def test_torchvisions_weights_lie_in_torchs_cache(monkeypatch, tmp_path):
    url = "https://download.pytorch.org/models/net-0a1b.pth"
    record = EncoderRecord(
        "torchvision:net", "", "net", "", None, builder="torchvision", weights_file="net-0a1b.pth", url=url
    )
    path = tmp_path / "checkpoints" / "net-0a1b.pth"
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def load(asked, **options):
        assert asked == url
        assert options["check_hash"]
        path.parent.mkdir()
        path.touch()

    with pytest.raises(InputError, match=r"net-0a1b\.pth\); found none in torch's cache"):
        find_weights(record)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", load)
    assert find_weights(record, download=True) == path
    assert find_weights(record) == path
    path.unlink()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", raising(OSError("offline")))
    with pytest.raises(InputError, match="no download: OSError: offline"):
        find_weights(record, download=True)


def raising(error):
    def function(*_, **__):
        raise error

    return function
