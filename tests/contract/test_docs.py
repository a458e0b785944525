"""The documentation names every public name, and its links within the repository lead somewhere."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import spotweave

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def listed(text: str) -> set[str]:
    """Names under ``autosummary`` or ``autodata`` in the reference."""
    return set(re.findall(r"^(?:   |\.\. autodata:: )([A-Za-z_.]+)$", text, flags=re.MULTILINE))


def test_reference_lists_every_public_name():
    spaces = {n: import_module(f"spotweave.{n}").__all__ for n in spotweave._NAMESPACES}
    expected = {f"{space}.{name}" for space, names in spaces.items() for name in names}
    expected |= set(spotweave.__all__) - set(spaces)
    assert expected - listed((ROOT / "docs" / "api.md").read_text()) == set()


def test_reference_lists_nothing_that_is_gone():
    for name in listed((ROOT / "docs" / "api.md").read_text()):
        module, _, attribute = f"spotweave.{name}".rpartition(".")
        assert hasattr(import_module(module), attribute), name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = [page.parent / target for target in LINK.findall(page.read_text())]
    assert [str(target) for target in targets if not target.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_are_python(page):
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        ast.parse(block)


def test_picture_is_small():
    assert (ROOT / "docs" / "_static" / "domains.png").stat().st_size < 200_000
