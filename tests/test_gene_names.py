import logging

import numpy as np
import pandas as pd
import pytest

from spotweave import InputError
from spotweave._gene_names import GeneMatch, match_genes, wanted_genes

# fmt: off
OSMFISH = [
    "Gad2", "Slc32a1", "Crhbp", "Cnr1", "Vip", "Cpne5", "Pthlh", "Crh", "Tbr1", "Lamp5", "Rorb",
    "Syt6", "Kcnip2", "Aldoc", "Gfap", "Serpinf1", "Mfge8", "Sox10", "Plp1", "Pdgfra", "Bmp4", "Itpr2",
    "Tmem2", "Ctps", "Anln", "Mrc1", "Hexb", "Ttr", "Foxj1", "Vtn", "Flt1", "Apln", "Acta2",
]
# fmt: on
LOWER = ["1700022a21rik", *sorted(n.lower() for n in OSMFISH if n not in {"Tmem2", "Ctps"}), "aatf", "zzz3"]
IDS = [f"ENSMUSG{26000 + 17 * k:011d}" for k in range(33)]
HUMAN_IDS = [f"ENSG{126000 + 13 * k:011d}" for k in range(33)]


@pytest.fixture(autouse=True)
def _caught(caplog):
    caplog.set_level(logging.INFO, "spotweave")


def var(names, **columns):
    return pd.DataFrame({k: list(v) for k, v in columns.items()}, index=pd.Index(list(names), dtype=object))


def shuffled(names, rng):
    return [names[k] for k in rng.permutation(len(names))]


def test_equal_names_are_matched_in_silence(rng, caplog):
    reference = shuffled([*OSMFISH[3:], "Aatf", "Zzz3"], rng)
    match = match_genes(var(OSMFISH), var(reference))
    assert list(match.names) == OSMFISH[3:]
    np.testing.assert_array_equal(match.target, np.arange(3, 33))
    assert [reference[j] for j in match.reference] == OSMFISH[3:]
    assert match.how == "exact"
    assert not caplog.records


def test_osmfish_meets_lower_case_names(rng, caplog):
    reference = shuffled(LOWER, rng)
    match = match_genes(var(OSMFISH), var(reference))
    expected = [n for n in OSMFISH if n.lower() in reference]
    assert len(expected) == 31
    assert list(match.names) == expected
    assert [reference[j] for j in match.reference] == [n.lower() for n in expected]
    assert match.how == "case ignored"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "31 of 33 genes" in record.message
    assert "0 by equal names" in record.message
    assert "'Gad2' is 'gad2'" in record.message
    assert "another species" not in record.message


def test_capitals_against_capitalised_are_said_to_look_foreign(caplog):
    match = match_genes(var(n.upper() for n in OSMFISH), var(OSMFISH))
    assert len(match.target) == 33
    assert match.names[0] == "GAD2"
    assert "target in capitals like human, reference Capitalised like mouse: spelled like another" in caplog.text
    assert len(caplog.records) == 1


def test_names_like_those_of_mouse_beside_a_human_table_are_an_error(caplog):
    human = [n.upper() for n in [*OSMFISH, "LINC01128", "HLA-A"]]
    for tables in ((var(OSMFISH), var(human)), (var(human), var(OSMFISH))):
        with pytest.raises(InputError, match=r"another species, by their spelling \(such as Gad2\).* orthologues"):
            match_genes(*tables)
    assert len(match_genes(var(n.lower() for n in OSMFISH), var(human)).target) == 33, "may be of any species"


def test_capitals_of_one_species_do_not_look_foreign(caplog):
    target = [n.upper() for n in [*OSMFISH, "1110008F13Rik"]]
    assert len(match_genes(var(target), var([*OSMFISH, "1110008F13Rik"])).target) == 34
    assert "another species" not in caplog.text


@pytest.mark.parametrize(
    ("target", "reference"),
    [
        (var(IDS), var(HUMAN_IDS)),
        (var(OSMFISH, gene_ids=IDS), var((n.upper() for n in OSMFISH), gene_ids=HUMAN_IDS)),
        (var(OSMFISH, gene_ids=IDS), var([*(n.upper() for n in OSMFISH), "LINC01128", "C1orf112"])),
        (var([*OSMFISH, "Gm12345"]), var([*(n.upper() for n in OSMFISH), "HLA-A"])),
        (var([*LOWER]), var([*(n.upper() for n in OSMFISH), "MT-CO1"])),
        (var([n.upper() for n in LOWER]), var([*(n.upper() for n in OSMFISH), "HLA-A"])),
        (var(OSMFISH, gene_ids=IDS), var(OSMFISH, gene_ids=[i.replace("MUS", "RNO") for i in IDS])),
    ],
    ids=["ids", "symbols-ids", "ids-symbols", "symbols", "lower", "capitals", "rat"],
)
def test_another_species_is_an_error(target, reference):
    for one, other in ((target, reference), (reference, target)):
        with pytest.raises(InputError, match=r"of one species; found genes of .* orthologues"):
            match_genes(one, other)


def test_a_column_of_orthologues_unites_two_species():
    human = var((n.upper() for n in OSMFISH), gene_ids=HUMAN_IDS)
    mouse = var(OSMFISH, gene_ids=IDS, human_ensembl=HUMAN_IDS[::-1])
    match = match_genes(mouse, human)
    assert match.how == "target column human_ensembl, reference column gene_ids"
    np.testing.assert_array_equal(match.reference, np.arange(33)[::-1])


def test_versions_meet_a_column_of_ids(rng, caplog):
    order = rng.permutation(33)
    target = var(f"{i}.{k % 7 + 1}" for k, i in enumerate(HUMAN_IDS))
    reference = var((OSMFISH[k].upper() for k in order), gene_ids=[HUMAN_IDS[k] for k in order])
    match = match_genes(target, reference)
    np.testing.assert_array_equal(order[match.reference], np.arange(33))
    assert match.how == "reference column gene_ids, Ensembl versions dropped"
    assert list(match.names) == list(target.index)
    assert "'ENSG00000126000.1' is 'GAD2'" in caplog.text


def test_a_version_of_a_symbol_is_kept():
    target, reference = [*OSMFISH, "AC012345.1"], [*OSMFISH, "AC012345.2"]
    assert len(match_genes(var(target), var(reference)).target) == 33


def test_spaces_are_stripped(caplog):
    match = match_genes(var(OSMFISH), var([" Gad2", *OSMFISH[1:]]))
    assert (len(match.target), match.how) == (33, "spaces stripped")
    assert "33 of 33 genes of the target found in the reference, 32 by equal names" in caplog.text


@pytest.mark.parametrize("kind", ["object", "category", "string"])
def test_the_plainest_of_equally_good_columns_is_taken(kind):
    columns = {"gene_ids": IDS, "feature_name": OSMFISH, "Fluorophore": ["Cy5"] * 33, "number": range(33)}
    target, reference = (var(OSMFISH, **columns).astype({"feature_name": kind, "gene_ids": kind}) for _ in range(2))
    assert match_genes(target, reference).how == "exact"
    reference.index = pd.Index([n.lower() for n in OSMFISH])
    assert match_genes(target, reference).how == "reference column feature_name"
    assert (
        match_genes(target, reference.drop(columns="feature_name")).how
        == "target column gene_ids, reference column gene_ids"
    )


def test_ids_are_found_under_any_label():
    match = match_genes(var(OSMFISH, stable=IDS), var((f"Gene{k}" for k in range(33)), stable=IDS))
    assert match.how == "target column stable, reference column stable"


def test_a_column_must_find_more_genes_than_the_index():
    target, reference = var(OSMFISH, symbol=OSMFISH[:-1] + [None]), var(OSMFISH[:-1] + ["Xyz"], gene_name=OSMFISH)
    match = match_genes(target, reference)
    assert (match.how, len(match.target)) == ("reference column gene_name", 33)


def test_numbers_are_no_names():
    target, reference = var(map(str, range(33))), var(map(str, range(50)))
    with pytest.raises(InputError, match="numbers, not names"):
        match_genes(target, reference)
    target["feature_id"], reference["genes"] = OSMFISH, OSMFISH[::-1] + [np.nan] * 17
    match = match_genes(target, reference)
    np.testing.assert_array_equal(match.reference, np.arange(33)[::-1])


def test_the_exact_case_wins_and_each_gene_is_taken_once(caplog):
    target = ["Dl", "GAD2", *OSMFISH[1:]]
    reference = ["dl", "DL", "Dl", "gad2", "Gad2", *OSMFISH[1:]]
    match = match_genes(var(target), var(reference), reference_totals=np.arange(37)[::-1])
    assert [(target[i], reference[j]) for i, j in zip(match.target, match.reference, strict=True)][:2] == [
        ("Dl", "Dl"),
        ("GAD2", "gad2"),  # more counts than Gad2
    ]
    assert len(match.target) == len(set(match.target)) == len(set(match.reference)) == 34
    assert "3 columns of the reference repeat genes, the column with most counts of each is kept" in caplog.text
    assert "['dl', 'DL', 'Gad2']" in caplog.text


def test_names_that_differ_in_case_alone_are_two_genes_where_both_tables_say_so():
    names = [*OSMFISH, "dl", "Dl"]
    assert len(match_genes(var(names), var(names[::-1])).target) == 35


@pytest.mark.parametrize(("totals", "kept"), [(None, 0), (np.r_[1, np.full(32, 5), 0, 7, 7], 34)])
def test_of_repeated_genes_one_column_is_kept(totals, kept, caplog):
    repeated = [*OSMFISH, "Gad2", "Gad2", "Gad2"]
    match = match_genes(var(repeated), var(OSMFISH), target_totals=totals)
    assert sorted(match.target) == sorted([kept, *range(1, 33)])
    assert dict(zip(match.target, match.reference, strict=True))[kept] == 0
    assert (match.target == np.sort(match.target)).all()
    (record,) = caplog.records
    assert "3 columns of the target repeat genes" in record.message
    assert ("most counts" in record.message) == (totals is not None)
    back = match_genes(var(OSMFISH), var(repeated), reference_totals=totals)
    assert back.reference[0] == kept


def test_at_most_five_repeats_are_named(caplog):
    match_genes(var(OSMFISH), var(OSMFISH + OSMFISH))
    assert "33 columns of the reference repeat genes" in caplog.text
    assert "and 28 more" in caplog.text


def test_versions_make_repeats(caplog):
    reference = var([f"{i}.2" for i in IDS] + [f"{IDS[4]}.3"])
    match = match_genes(var(IDS), reference, reference_totals=np.r_[np.zeros(33), 1])
    assert match.reference[4] == 33
    assert f"['{IDS[4]}.2']" in caplog.text


def test_no_or_few_shared_genes():
    with pytest.raises(InputError, match=r"(?s)found none: .*'Gad2'.*Capitalised.*Ensembl mouse.*gene_ids"):
        match_genes(var(OSMFISH), var(IDS))
    with pytest.raises(InputError, match=r"at least 10 .* found 9 \(\['Gad2'.* and 6 more"):
        match_genes(var(OSMFISH), var([*OSMFISH[:9], "Xyz"]))
    assert len(match_genes(var(OSMFISH), var(OSMFISH[:9]), least=9).target) == 9
    with pytest.raises(InputError, match="least"):
        match_genes(var(OSMFISH), var(OSMFISH), least=0)


def test_a_table_without_genes():
    with pytest.raises(InputError, match="one gene in the target"):
        match_genes(var([]), var(OSMFISH))
    with pytest.raises(InputError, match="one gene in the reference"):
        match_genes(var(OSMFISH), var([]))
    with pytest.raises(InputError, match="found none"):
        match_genes(var(["", ""]), var(["", "", ""]))


def test_tables_are_left_as_they_are():
    tables = var([" Gad2", *OSMFISH[1:]], gene_ids=IDS), var([n.lower() for n in OSMFISH], gene_ids=IDS)
    before = [t.copy() for t in tables]
    match_genes(*tables)
    for one, other in zip(tables, before, strict=True):
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.data
def test_seqfish_and_starmap(data_dir):
    anndata = pytest.importorskip("anndata")
    folders = ("starmap_visual_cortex_1207", "seqfishplus_cortex_svz_full")
    target, reference = (anndata.read_h5ad(data_dir / f / f"{f}.h5ad", backed="r").var for f in folders)
    match = match_genes(target, reference)
    expected = set(target.index.str.lower()) & set(reference.index.str.lower())
    assert {n.lower() for n in match.names} == expected
    assert len(match.names) == len(expected) > 400


@pytest.fixture
def shared() -> GeneMatch:
    return match_genes(var(OSMFISH), var(LOWER))


def test_all_genes_that_are_not_shared(shared):
    columns = wanted_genes(OSMFISH, LOWER, None, shared)
    assert [LOWER[j] for j in columns] == ["1700022a21rik", "aatf", "zzz3"]


def test_genes_are_found_with_the_same_tolerance_in_the_order_asked(shared, caplog):
    caplog.clear()
    columns = wanted_genes(var(OSMFISH), var(LOWER), ["Zzz3 ", "aatf", "zzz3"], shared)
    assert [LOWER[j] for j in columns] == ["zzz3", "aatf"]
    assert "1 of 3 genes to predict are spelled otherwise in the reference ('Zzz3 ' is 'zzz3')" in caplog.text
    caplog.clear()
    np.testing.assert_array_equal(wanted_genes(OSMFISH, LOWER, "aatf", shared), [LOWER.index("aatf")])
    assert not caplog.records
    np.testing.assert_array_equal(wanted_genes(OSMFISH, ["AATF", *LOWER], "aatf", shared), [LOWER.index("aatf") + 1])


def test_genes_are_found_in_columns():
    reference = var([*IDS, "ENSMUSG00000099999"], symbol=[*OSMFISH, "Aatf"])
    match = match_genes(var(OSMFISH), reference)
    np.testing.assert_array_equal(wanted_genes(var(OSMFISH), reference, ["aatf"], match), [33])
    np.testing.assert_array_equal(wanted_genes(var(OSMFISH), reference, ["ENSMUSG00000099999.4"], match), [33])
    with pytest.raises(InputError, match="'Gad2'"):
        wanted_genes(var(OSMFISH), reference, ["Gad2"], match)


@pytest.mark.parametrize("gene", ["gad2", "GAD2", "Tmem2", "tmem2"], ids=["shared", "case", "target", "target-case"])
def test_measured_genes_are_refused(shared, gene):
    with pytest.raises(InputError, match=rf"does not measure; found \['{gene}'\] in its panel"):
        wanted_genes(OSMFISH, LOWER, ["aatf", gene], shared)


def test_a_gene_that_met_by_name_only_is_measured():
    target = var([*OSMFISH, "Aatf"], gene_ids=[*IDS, "ENSMUSG00000000001"])
    reference = var([*(f"Gene{k}" for k in range(33)), "Aatf", "Zzz3"], gene_ids=[*IDS, "ENSMUSG00000000002", ""])
    match = match_genes(target, reference)
    assert len(match.names) == 33
    np.testing.assert_array_equal(wanted_genes(target, reference, None, match), [34])
    with pytest.raises(InputError, match="in its panel"):
        wanted_genes(target, reference, "Aatf", match)


def test_numbered_tables_have_no_gene_in_common_by_number():
    target = var(map(str, range(33)), gene_name=OSMFISH)
    reference = var(map(str, range(35)), gene_name=["Aatf", *OSMFISH, "Zzz3"])
    match = match_genes(target, reference)
    np.testing.assert_array_equal(wanted_genes(target, reference, None, match), [0, 34])
    np.testing.assert_array_equal(wanted_genes(target, reference, "zzz3", match), [34])


def test_unknown_genes_are_named_with_close_ones(shared):
    with pytest.raises(InputError, match=r"\['Aatff', 'qqqqqq'\]. Close to 'Aatff': aatf\.") as caught:
        wanted_genes(OSMFISH, LOWER, ["Aatff", "zzz3", "qqqqqq"], shared)
    assert "zzz3" not in str(caught.value)


def test_no_gene_to_predict(shared):
    with pytest.raises(InputError, match="at least one gene to predict"):
        wanted_genes(OSMFISH, LOWER, [], shared)
    with pytest.raises(InputError, match="fuller reference"):
        wanted_genes(OSMFISH, OSMFISH, None, match_genes(var(OSMFISH), var(OSMFISH)))


@pytest.mark.parametrize(("totals", "kept"), [(None, 33), (np.r_[np.zeros(34), 0, 1], 35)])
def test_repeated_genes_are_predicted_once_and_those_of_shared_genes_never(totals, kept, caplog):
    reference = [*OSMFISH, "Aatf", "Gad2", "Aatf"]
    match = match_genes(var(OSMFISH), var(reference))
    caplog.clear()
    np.testing.assert_array_equal(wanted_genes(OSMFISH, reference, None, match, reference_totals=totals), [kept])
    assert "1 columns of the reference repeat genes" in caplog.text
    assert "['Aatf']" in caplog.text
    np.testing.assert_array_equal(wanted_genes(OSMFISH, reference, "Aatf", match, reference_totals=totals), [kept])


def test_genes_that_differ_in_case_alone_stay_apart_where_case_was_not_ignored(shared):
    reference = [*OSMFISH, "gad2"]
    columns = wanted_genes(OSMFISH, reference, None, match_genes(var(OSMFISH), var(reference)))
    assert [reference[j] for j in columns] == ["gad2"]
    mixed = [*LOWER, "GAD2"]
    assert len(wanted_genes(OSMFISH, mixed, None, match_genes(var(OSMFISH), var(mixed)))) == 3
