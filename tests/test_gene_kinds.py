import pytest

from spotweave._gene_kinds import ensembl_species, kind, looks_like_ensembl, plain, spelling, symbol_species

MOUSE = ["1110008F13Rik", "Gm12345", "H2-K1", "mt-Co1", "A930001A20Rik", "Gad2", "Plp1", "AC149090.1"]
HUMAN = ["HLA-A", "LINC01128", "C1orf112", "MT-CO1", "AC012345.1", "GAD2", "PLP1"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ENSG00000123456.12", "ENSG00000123456"),
        (" ENSMUSG00000026090\t", "ENSMUSG00000026090"),
        ("ensmusg00000026090.3", "ensmusg00000026090"),
        ("AC012345.1", "AC012345.1"),  # a symbol: .1 is part of the name
        ("ENSG00000002586.20_PAR_Y", "ENSG00000002586.20_PAR_Y"),  # another copy than ENSG00000002586
        ("H2-K1 ", "H2-K1"),
        ("", ""),
    ],
)
def test_plain(name, expected):
    assert plain(name) == expected


def test_species_of_ensembl_ids():
    assert ensembl_species(["ENSG00000123456.1", "GAD2"]) == {"human": "ENSG00000123456.1"}
    assert ensembl_species(["x", "ensmusg00000026090", "ENSMUSG00000032281"]) == {"mouse": "ensmusg00000026090"}
    assert list(ensembl_species(["ENSXYZG00000000001"])) == ["ENSXYZG..."]
    assert set(ensembl_species(["ENSG00000000001", "ENSMUSG00000000001"])) == {"human", "mouse"}
    assert list(ensembl_species(["ENSMUSG00000000001"] * 11 + ["ENSG00000000001"])) == ["mouse"]  # a rare transgene
    assert ensembl_species(["ENSA", "ENSG", "ENO1"]) == {}


def test_species_of_symbols_in_any_spelling():
    assert list(symbol_species(MOUSE)) == ["mouse"]
    assert list(symbol_species([n.lower() for n in MOUSE])) == ["mouse"]
    assert list(symbol_species([n.upper() for n in MOUSE] * 9)) == ["mouse", "human"]  # MT-CO1 could be either
    assert symbol_species(["1700022a21rik", "aatf"]) == {"mouse": "1700022a21rik"}
    assert symbol_species(["1700022A21RIK", "AATF"]) == {"mouse": "1700022A21RIK"}
    assert list(symbol_species(HUMAN)) == ["human"]
    assert list(symbol_species([n.lower() for n in HUMAN])) == ["human"]


@pytest.mark.parametrize("name", MOUSE[:5])
def test_each_mark_of_mouse(name):
    assert symbol_species([name, "Gad2", "Plp1"]) == {"mouse": name}


@pytest.mark.parametrize("name", HUMAN[:5])
def test_each_mark_of_human(name):
    assert symbol_species([name, "GAD2", "PLP1"]) == {"human": name}


@pytest.mark.parametrize(
    "names",
    [
        ["GRIK1", "GM2A", "GMPS", "H2AX", "H2BC4", "ACTB", "C3", "MTOR", "HLF", "GRIK4", "CX3CR1"],  # human, unmarked
        ["Gad2", "Plp1", "Acta2", "Gmps", "H2ax", "HLA-A", "AC149090.1"],  # humanised mouse: one human transgene
        ["gad2", "mt-co1", "ac149090.1"],  # any species in lower case
        ["0", "1", ""],
    ],
)
def test_species_is_left_open(names):
    assert symbol_species(names) == {}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["GAD2", "C1orf112", "PLP1", "C3"], "capitals"),
        (["Gad2", "1700022A21Rik", "APP"], "Capitalised"),
        (["gad2", "plp1", "Acta2"], "lower case"),
        (["GAD2", "Gad2"], ""),
        (["ENSG00000123456"], ""),
        ([], ""),
    ],
)
def test_spelling(names, expected):
    assert spelling(names) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ENSG00000123456", "ENSG00000123457.2", "X"], "Ensembl human"),
        (["ENSMUSG00000026090"], "Ensembl mouse"),
        (["GAD2", "PLP1"], "symbols like human (capitals)"),
        (["Gad2", "Plp1"], "symbols like mouse (Capitalised)"),
        (["gad2", "plp1"], "symbols in lower case"),
        (["gad2", "1700022a21rik"], "symbols of mouse (such as 1700022a21rik)"),
        (["0", "1", "2"], "numbers, not names"),
        (["a1", "b2"], "names of no known kind"),
        (["", ""], "no names"),
    ],
)
def test_kind(names, expected):
    assert kind(names) == expected


def test_ensembl_ids_must_prevail():
    assert looks_like_ensembl(["ENSG00000123456", "", "", "ENSMUSG00000026090 ", "X"])
    assert not looks_like_ensembl(["ENSG00000123456", "X"])
    assert not looks_like_ensembl(["", ""])
