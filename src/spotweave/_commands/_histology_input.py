"""What the commands of histology read: tables with image features, and a list of genes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .._check import fail, listing
from ._app import Reading, title_of

if TYPE_CHECKING:
    from anndata import AnnData


def read_tables(sources: Sequence[Path], reading: Reading, feature_key: str) -> "dict[str, AnnData]":
    """Tables by the name of their file, which is the name of the section where a table is one."""
    if not sources:
        raise fail("at least one file", "none")
    titles = [title_of(source) for source in sources]
    if len(set(titles)) < len(titles):
        raise fail("files of different names", listing(titles), "They name the sections.")
    return {title: read_table(source, reading, feature_key) for title, source in zip(titles, sources, strict=True)}


def read_table(source: Path, reading: Reading, feature_key: str) -> "AnnData":
    """Read a table; raise unless it has image features."""
    adata = reading(source)
    if feature_key not in adata.obsm:
        raise fail(
            f"features of tiles in obsm[{feature_key!r}] of {source}",
            f"obsm keys {listing(adata.obsm)}",
            "Run `spotweave tile-features` first.",
        )
    return adata


def gene_names(given: str | None) -> list[str] | None:
    """Genes of a file, one a line, or of a text with commas between."""
    if given is None:
        return None
    lines = Path(given).read_text().splitlines() if Path(given).is_file() else given.split(",")
    return [name for line in lines if (name := line.strip())]
