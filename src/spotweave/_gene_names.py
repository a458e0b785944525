"""Genes of two tables brought together, every step away from equal names said aloud."""

import difflib
import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ._check import check_range, fail, listing
from ._gene_kinds import ensembl_species, kind, spelling, symbol_species
from ._gene_pairing import Genes, Names, Pairing, as_names, best_pairing, distinct, find, read_genes, repeats

logger = logging.getLogger("spotweave")

_CASE = "case ignored"


class GeneMatch(NamedTuple):
    """Genes that two tables share, in the order of the target."""

    target: np.ndarray  # column numbers in the target [p]
    reference: np.ndarray  # column numbers in the reference of the same genes [p]
    names: np.ndarray  # as the target's index spells them [p]
    how: str  # "exact", or every step away from it: "reference column gene_ids, Ensembl versions dropped"


def match_genes(
    target: pd.DataFrame,
    reference: pd.DataFrame,
    *,
    least: int = 10,
    target_totals: np.ndarray | None = None,
    reference_totals: np.ndarray | None = None,
) -> GeneMatch:
    """Find the genes that two tables share, by the names under which most of them meet.

    Names are the index and every column of strings that look like Ensembl ids or is called like names of genes. Equal
    names are paired first, then those equal without spaces and Ensembl versions, then those equal but for case. Of
    all pairs of columns the one with most genes is taken; of equals the plainest, the index before any column.
    Whatever is not an exact match of the indices is logged as one warning, repeated genes as another.

    Parameters
    ----------
    target, reference
        ``adata.var`` of the two tables.
    least
        Fewest shared genes that are accepted.
    target_totals, reference_totals
        Counts by gene ``[g]``: of a repeated gene the column with most counts is kept; None: the first.

    Returns
    -------
    Column numbers of each shared gene in both tables, its name in the target, and how it was found.

    Raises
    ------
    InputError
        A table without genes, tables of different species (told by Ensembl ids, by symbols that only human or only
        mouse has, or by names like Gad2 beside a table that is certainly human), no shared gene, or fewer than `least`.
    """
    check_range(least, "least", low=1, integer=True)
    tables = read_genes(target, "target", target_totals), read_genes(reference, "reference", reference_totals)
    _check_species(*tables)
    best = best_pairing(*tables)
    if best is None or len(best.i) < least:
        shared = f"{len(best.i)} ({listing(tables[0].var_names[best.i], most=3)})" if best else "none"
        wanted = f"at least {least} genes that the target and the reference share"
        raise fail(wanted, f"{shared}: {_described(*tables)}", _remedy(*tables))
    how = _steps(best)
    _warn_of_steps(how, best, *tables)
    again = [repeats(n.forms[best.level], columns) for n, columns in ((best.a, best.i), (best.b, best.j))]
    _warn_of_repeats("target", best.a, again[0], most=target_totals is not None)
    _warn_of_repeats("reference", best.b, again[1], most=reference_totals is not None)
    return GeneMatch(best.i, best.j, tables[0].var_names[best.i], ", ".join(how) or "exact")


def wanted_genes(
    names: pd.DataFrame | Sequence[str],
    reference_names: pd.DataFrame | Sequence[str],
    genes: Sequence[str] | None,
    shared: GeneMatch,
    *,
    reference_totals: np.ndarray | None = None,
) -> np.ndarray:
    """Return the column numbers in the reference of the genes to be predicted ``[t]``.

    Parameters
    ----------
    names, reference_names
        Genes of the target and of the reference: names, or ``adata.var`` to find `genes` in its columns as well.
    genes
        Names in the order wanted, found as `match_genes` finds them; None: all that are not shared, in the order of
        the reference. A string is one gene; a gene named twice is predicted once.
    shared
        Genes that both tables share.
    reference_totals
        Counts by gene of the reference, as in `match_genes`.

    Raises
    ------
    InputError
        Unknown genes, genes that the target measures, or none at all.
    """
    target, reference = read_genes(names, "target"), read_genes(reference_names, "reference", reference_totals)
    index = as_names(reference.var_names, order=reference.names[0].order if reference.names else None)
    measured = _measured(index, target, shared)
    if genes is None:
        return _all_but(index, measured, most=reference_totals is not None)
    wanted = list(dict.fromkeys([genes] if isinstance(genes, str) else map(str, genes)))
    if not wanted:
        raise fail("at least one gene to predict", "none", "Pass genes=None for all that the target lacks.")
    columns = find(wanted, reference)
    known = np.isin(columns, measured) | ((columns < 0) & (find(wanted, target) >= 0))
    _check_wanted(wanted, columns, known, reference)
    other = [
        (w, str(reference.var_names[c])) for w, c in zip(wanted, columns, strict=True) if w != reference.var_names[c]
    ]
    if other:
        text = "%d of %d genes to predict are spelled otherwise in the reference (%r is %r)"
        logger.warning(text, len(other), len(wanted), *other[0])
    return columns[np.sort(np.unique(columns, return_index=True)[1])]


def _check_species(target: Genes, reference: Genes) -> None:
    ours, theirs = _species(target), _species(reference)
    ours, theirs = ours or _by_spelling(target, theirs), theirs or _by_spelling(reference, ours)
    if not ours or not theirs or set(ours) & set(theirs):
        return
    told = [" and ".join(f"{s} (such as {name})" for s, name in species.items()) for species in (ours, theirs)]
    raise fail(
        "a target and a reference of one species",
        f"genes of {told[0]} in the target, of {told[1]} in the reference",
        "Rename the genes of one to their orthologues in the other, and leave out the columns of var and the genes "
        "that still name its own species.",
    )


def _by_spelling(genes: Genes, other: dict[str, str]) -> dict[str, str]:
    """Names like Gad2 beside a table that is certainly human are no human names: these are written in capitals."""
    if set(other) != {"human"} or not genes.names or spelling(genes.names[0].forms[1]) != "Capitalised":
        return {}
    names = (str(name) for name in genes.names[0].forms[1])
    return {"another species, by their spelling": next(n for n in names if n not in (n.upper(), n.lower()))}


def _species(genes: Genes) -> dict[str, str]:
    """Species that the names tell, each with an example: by Ensembl ids, else by symbols; empty when they tell none."""
    ids = ensembl_species(v for names in genes.names for v in names.forms[1])
    if ids:
        return ids
    return {s: name for names in genes.names for s, name in symbol_species(list(names.forms[1])).items()}


def _described(target: Genes, reference: Genes) -> str:
    """Say for both tables how many genes there are, some of their names, and what these look like."""
    sides = [(what, g.var_names) for what, g in (("target", target), ("reference", reference))]
    return ", ".join(f"{what} of {listing(index, most=3)}, {kind(list(index))}" for what, index in sides)


def _remedy(target: Genes, reference: Genes) -> str:
    kinds = [kind(list(genes.var_names)) for genes in (target, reference)]
    if kinds[0].startswith("Ensembl") != kinds[1].startswith("Ensembl"):
        return "Set adata.var['gene_ids'] (Ensembl ids) or adata.var['gene_symbols'] in one of them."
    return "Name the genes of both in the same way in adata.var_names or in adata.var['gene_ids']."


def _steps(best: Pairing) -> list[str]:
    """Every step away from equal names in both indices."""
    pairs = [(s, t) for s, t in zip(best.a.forms[0][best.i], best.b.forms[0][best.j], strict=True) if s != t]
    bare = zip(best.a.forms[1][best.i], best.b.forms[1][best.j], strict=True)
    steps = {
        f"target column {best.a.label}": bool(best.a.label),
        f"reference column {best.b.label}": bool(best.b.label),
        "spaces stripped": any((s, t) != (s.strip(), t.strip()) for s, t in pairs),
        "Ensembl versions dropped": any(s.strip().upper() != t.strip().upper() for s, t in pairs),
        _CASE: any(s != t for s, t in bare),
    }
    return [step for step, taken in steps.items() if taken]


def _warn_of_steps(how: list[str], best: Pairing, target: Genes, reference: Genes) -> None:
    if not how:
        return
    ours, theirs = target.var_names[best.i], reference.var_names[best.j]
    example = int(np.argmax(ours != theirs))
    styles = spelling(best.a.forms[1]), spelling(best.b.forms[1])
    foreign = set(styles) == {"capitals", "Capitalised"} and not (_species(target) and _species(reference))
    like = {"capitals": "in capitals like human", "Capitalised": "Capitalised like mouse"}
    note = "; target {}, reference {}: spelled like another species, fine if only the case differs"
    logger.warning(
        "%d of %d genes of the target found in the reference, %d by equal names, the others by: %s (%r is %r)%s",
        *(len(ours), len(target.var_names), (ours == theirs).sum(), ", ".join(how), ours[example], theirs[example]),
        note.format(*(like[style] for style in styles)) if foreign else "",
    )


def _warn_of_repeats(what: str, names: Names, again: np.ndarray, *, most: bool) -> None:
    if len(again):
        kept = "the column with most counts" if most else "the first column"
        listed = listing(dict.fromkeys(names.forms[0][again]), most=5)
        logger.warning("%d columns of the %s repeat genes, %s of each is kept: %s", len(again), what, kept, listed)


def _measured(index: Names, target: Genes, shared: GeneMatch) -> np.ndarray:
    """Columns of the reference that hold a shared gene, repeats included, or are named as a gene of the target."""
    again = repeats(index.forms[2 if _CASE in shared.how else 1], shared.reference)
    alike = pd.Index(index.forms[1]).isin(target.names[0].forms[1]) if target.names else []
    return np.union1d(np.union1d(shared.reference, again), np.flatnonzero(alike))


def _all_but(index: Names, measured: np.ndarray, *, most: bool) -> np.ndarray:
    """Columns of all genes that are not measured, each gene once."""
    left = np.sort(np.setdiff1d(distinct(index, 1), measured))
    if not len(left):
        raise fail("genes of the reference that the target does not measure", "none", "Pass a fuller reference.")
    again = np.setdiff1d(repeats(index.forms[1], left), measured)
    _warn_of_repeats("reference", index, again, most=most)
    return left


def _check_wanted(wanted: list[str], columns: np.ndarray, known: np.ndarray, reference: Genes) -> None:
    """Raise when genes are measured, or are in neither table."""
    if known.any():
        listed = listing(np.array(wanted, dtype=object)[known], most=5)
        raise fail("genes to predict that the target does not measure", f"{listed} in its panel", "Leave them out.")
    unknown = [w for w, column in zip(wanted, columns, strict=True) if column < 0]
    if unknown:
        remedy = "; ".join(filter(None, (_close(name, reference) for name in unknown[:3])))
        raise fail("genes out of the reference", listing(unknown, most=5), remedy and f"Close to {remedy}.")


def _close(name: str, reference: Genes) -> str:
    """Say which names of the reference are spelled alike."""
    spelled = {v: w for n in reversed(reference.names) for v, w in zip(n.forms[2], n.forms[0], strict=True) if v}
    close = difflib.get_close_matches(name.strip().upper(), spelled, n=3)
    return f"{name!r}: {', '.join(spelled[c] for c in close)}" if close else ""
