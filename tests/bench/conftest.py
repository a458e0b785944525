import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from spotweave.bench import Running


@pytest.fixture
def fake(monkeypatch) -> Iterator[ModuleType]:
    """A task of a second, in a module that a process of its own can import too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    yield import_module("fake_task")
    sys.modules.pop("fake_task", None)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def running(tmp_path, said) -> Running:
    return Running(output=tmp_path / "results", data=tmp_path, threads=1, say=said.append)
