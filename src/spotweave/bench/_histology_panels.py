"""Genes to be predicted, chosen on training sections or listed in a file, and in which unit."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._check import fail

PUBLISHED = "her_hvg_cut_1000.npy"
"""File of the 785 genes that published figures on HER2ST are of; in data/ of the repository biomed-AI/Hist2ST."""
PUBLISHED_HASH = "cd583bbf070dd3ee"
"""`gene_hash` of them."""
HONEST = "log_normalized"
LEGACY = ("legacy_gene_scaled", "legacy_spot_panel")
"""Targets of `tl.Histology`."""


@dataclass(frozen=True)
class GenePanel:
    """Genes to be predicted."""

    name: str
    n_top: int = 1_000
    """How many are chosen in each fold on its training sections."""
    genes: tuple[str, ...] | None = None
    """Those of a file, instead."""

    @property
    def published(self) -> bool:
        """Whether these are the 785 genes of published figures."""
        return self.genes is not None and gene_hash(self.genes) == PUBLISHED_HASH


CHOSEN = {item.name: item for item in (GenePanel("top50", 50), GenePanel("top1000", 1_000))}


def named_panels(given: Iterable[str]) -> dict[str, GenePanel]:
    """Read panels of a user, each given as ``NAME=FILE``: one gene a line, or ``.npy``.

    Raises
    ------
    InputError
        When the form is another, a name is taken, or the file cannot be read or names no gene.
    """
    found: dict[str, GenePanel] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or not name.replace("_", "").replace("-", "").isalnum() or name in {*CHOSEN, *found, "all"}:
            raise fail("a panel as NAME=FILE with a name of its own", repr(text))
        found[name] = GenePanel(name, genes=_read(Path(file).expanduser()))
    return found


def gene_hash(genes: Iterable[str]) -> str:
    """Tell one list of genes from another, in whatever order."""
    return hashlib.sha256("\n".join(sorted(set(genes))).encode()).hexdigest()[:16]


def _read(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise fail("a file with one gene a line, or .npy", f"no file {path}")
    try:
        lines = np.load(path, allow_pickle=False).ravel() if path.suffix == ".npy" else path.read_text().splitlines()
    except (ValueError, OSError) as error:
        raise fail(f"genes in {path}", f"{type(error).__name__}: {error}") from None
    genes = dict.fromkeys(str(line).strip() for line in lines)
    genes.pop("", None)
    if not genes:
        raise fail(f"genes in {path}", "none")
    return tuple(genes)
