"""Templates to HTML."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, **values: Any) -> Markup:
    """Fill a template of the package's ``templates`` folder; every value is escaped unless it is Markup."""
    return Markup(_environment().get_template(template).render(**values))


def asset(name: str) -> Markup:
    """Return a style sheet or script of the package as it is."""
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))


_FOLDER = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
