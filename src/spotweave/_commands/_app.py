"""The application that commands register with, and what they share."""

from ast import literal_eval
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from .._check import fail

if TYPE_CHECKING:
    from anndata import AnnData

Output = Annotated[Path, Parameter(name=["--output", "-o"])]
Seed = Annotated[int, Parameter(name=["--rng", "--seed"])]
Settings = Annotated[list[str] | None, Parameter(negative="")]

app = App(
    name="spotweave",
    help="Infer what a spatial-transcriptomics experiment did not measure.",
    help_format="plaintext",
    version=lambda: version("spotweave"),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """How the input is read.

    Parameters
    ----------
    table_key
        Table of a SpatialData store.
    bin_um
        Visium HD: side of the squares in micrometres.
    """

    table_key: str = "table"
    bin_um: int = 8

    def __call__(self, source: Path, *, backed: bool = False) -> "AnnData":
        """Read, with the matrix left on disk where the format allows it."""
        from .. import io

        backed = backed and source.suffix in {".h5ad", ".zarr"}
        return io.read(source, table_key=self.table_key, bin_um=self.bin_um, backed=backed)


AS_IT_IS = Reading()


def say(line: str) -> None:
    """Write a line to standard output: what the user asked for."""
    print(line, flush=True)


def title_of(source: Path) -> str:
    """Name of a file or folder, as the heading of its report."""
    return source.resolve().name.removesuffix(".h5ad").removesuffix(".zarr")


def settings_of(given: Sequence[str]) -> dict[str, Any]:
    """Turn ``name=value`` into keywords; a value is a Python literal where it reads as one, else text."""
    settings = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not (equals and name.replace("-", "_").isidentifier()):
            raise fail("--param name=value", repr(item))
        try:
            settings[name.replace("-", "_")] = literal_eval(value)
        except (ValueError, SyntaxError):
            settings[name.replace("-", "_")] = value
    return settings
