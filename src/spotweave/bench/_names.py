"""Names that a user gives, looked up in a registry."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from .._check import fail

T = TypeVar("T")


def chosen(
    given: str | Iterable[str], registry: Mapping[str, T], groups: Mapping[str, list[str]], what: str
) -> dict[str, T]:
    """Return the entries of `registry` that are asked for, each once: names, or groups of names.

    `given` is a sequence, or one string with commas. An unknown name is an error that lists the known ones.
    """
    names = given.split(",") if isinstance(given, str) else list(given)
    wanted = [name for item in names for name in groups.get(item.strip(), [item.strip()])]
    unknown = [name for name in wanted if name not in registry]
    if unknown or not wanted:
        known = f"{what} out of {[*registry]} or {[*groups]}"
        raise fail(known, f"{unknown[0]!r}" if unknown else "none")
    return {name: registry[name] for name in wanted}
