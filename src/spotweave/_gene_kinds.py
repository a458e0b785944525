"""What gene names look like: Ensembl ids or symbols, and of which species."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

# stable gene ids: ENSG..., ENSMUSG..., any ENS<species>G, and those of fly and worm; a version may follow
_ENSEMBL = re.compile(r"(ENS[A-Z]*G|FBgn|WBGene)\d{6,}(\.\d+)?", re.IGNORECASE)
_SPECIES = {
    "ENSG": "human",
    "ENSMUSG": "mouse",
    "ENSRNOG": "rat",
    "ENSDARG": "zebrafish",
    "ENSMMUG": "macaque",
    "ENSGALG": "chicken",
    "ENSSSCG": "pig",
    "FBGN": "fly",
    "WBGENE": "worm",
}
# RIKEN clones, predicted genes, the MHC: mouse in any case. Mitochondrial genes: in mouse spelling only.
_MOUSE = re.compile(r"(?i:(\d{7}|[A-Z]\d{6})[A-Z]\d{2}RIK\d*|GM\d{3,}|H2-[A-Z].*)|mt-[A-Z][a-z].*")
# Clone names and mitochondrial genes are lower-cased in other species' lists, the rest is human in any case.
_HUMAN = re.compile(r"(?i:HLA-[A-Z].*|LINC\d{4,}|C(\d+|X|Y)ORF\d+)|MT-[A-Z].*|A[CLPF]\d{6}\.\d+")
_LEAST_SHARE = 0.1  # of all marks; the mouse genome has a few clone names of human form, for example


def plain(name: str) -> str:
    """Return a name without surrounding spaces and, where it is an Ensembl id, without its version."""
    name = name.strip()
    return name.split(".")[0] if _ENSEMBL.fullmatch(name) else name


def looks_like_ensembl(names: Iterable[str]) -> bool:
    """Say whether most names, empty ones aside, are Ensembl gene ids."""
    hits = [_ENSEMBL.fullmatch(n.strip()) is not None for n in names if n]
    return 2 * sum(hits) > len(hits)


def ensembl_species(names: Iterable[str]) -> dict[str, str]:
    """Return the species that the Ensembl ids among the names tell, each with an example."""
    marks = [(_SPECIES.get(m[1].upper(), f"{m[1].upper()}..."), m[0]) for n in names if (m := _ENSEMBL.match(n))]
    return _frequent(marks)


def symbol_species(names: Sequence[str]) -> dict[str, str]:
    """Return the species that marked symbols tell (``1110008F13Rik``, ``LINC01128``), each with an example.

    Only human and mouse are known. Names that are not spelled as human ones are (capitals) tell no human.
    """
    marks = [("mouse", n) for n in names if _MOUSE.fullmatch(n)]
    if spelling(names) != "Capitalised":
        marks += [("human", n) for n in names if _HUMAN.fullmatch(n)]
    return _frequent(marks)


def spelling(names: Iterable[str]) -> str:
    """Return how most symbols are spelled: "capitals", "Capitalised", "lower case", or "" when none prevails."""
    styles = Counter(_style(n) for n in names if sum(map(str.isalpha, n)) > 1 and not _ENSEMBL.fullmatch(n))
    return next((s for s, n in styles.items() if 2 * n > styles.total()), "")


def kind(names: Sequence[str]) -> str:
    """Describe names in a message."""
    if not any(names):
        return "no names"
    if looks_like_ensembl(names):
        return f"Ensembl {' and '.join(ensembl_species(names))}"
    if all(n.isdigit() for n in names):
        return "numbers, not names"
    if species := symbol_species(names):
        return " and ".join(f"symbols of {s} (such as {example})" for s, example in species.items())
    described = {
        "capitals": "symbols like human (capitals)",
        "Capitalised": "symbols like mouse (Capitalised)",
        "lower case": "symbols in lower case",
    }
    return described.get(spelling(names), "names of no known kind")


def _frequent(marks: list[tuple[str, str]]) -> dict[str, str]:
    """Species that are not rare among ``(species, name)``, the most frequent first, each with its first name."""
    examples = dict(reversed(marks))
    return {s: examples[s] for s, n in Counter(s for s, _ in marks).most_common() if n >= _LEAST_SHARE * len(marks)}


def _style(name: str) -> str:
    if name == name.upper():
        return "capitals"
    return "lower case" if name == name.lower() else "Capitalised"
