"""Infer what a spatial-transcriptomics experiment did not measure.

Namespaces are loaded on first use, so that ``import spotweave`` costs neither torch nor scanpy.
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import Any

from ._check import InputError
from ._settings import settings

__version__ = _version("spotweave")
_NAMESPACES = ("bench", "datasets", "gr", "io", "metrics", "pl", "pp", "tl")
__all__ = ["InputError", "report", "settings", *_NAMESPACES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _NAMESPACES:
        return import_module(f"spotweave.{name}")
    if name == "report":
        return import_module("spotweave._report").report  # no module "report": it would hide the function
    msg = f"module 'spotweave' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
