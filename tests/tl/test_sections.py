"""Tables cut into sections: what is read, in which order, and what does not fit."""

from types import SimpleNamespace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.tl._sections import Reading, codes_of, common_genes, read_sections, stack_types

READING = Reading("patient", None, "X_image", None, None, "table")
BY_SECTION = READING._replace(library_key="section")


def make_table(n=9, genes="abcde", *, patient="P", seed=0) -> Any:
    rng = np.random.default_rng(seed)
    adata = ad.AnnData(
        sp.csr_matrix(rng.poisson(2, (n, len(genes))).astype(np.float32)),
        obs=pd.DataFrame({"patient": patient}, index=[f"spot{i}" for i in range(n)]),
        var=pd.DataFrame(index=list(genes)),
    )
    adata.obsm["X_image"] = rng.normal(size=(n, 3))
    adata.obsm["spatial"] = rng.random((n, 2))
    return adata


@pytest.fixture
def interleaved():
    """Three sections of two patients, row by row."""
    adata = make_table()
    adata.obs["section"] = pd.Categorical(list("BABACCABC"))
    adata.obs["patient"] = np.where(adata.obs["section"] == "C", "Q", "P")
    return adata


def test_each_table_is_a_section_under_its_name():
    one, two = make_table(7), make_table(5, seed=1)
    for tables, names in ((one, ["0"]), ([one, two], ["0", "1"]), ({"x": one, 4: two}, ["x", "4"])):
        sections = read_sections(tables, READING)
        assert [section.name for section in sections] == names
        for section, adata in zip(sections, [one, two], strict=False):
            np.testing.assert_array_equal(section.features, adata.obsm["X_image"].astype(np.float32))
            np.testing.assert_array_equal(section.xy, adata.obsm["spatial"])
            np.testing.assert_array_equal(section.counts.toarray(), adata.X.toarray())
            np.testing.assert_array_equal(section.totals, adata.X.toarray().sum(axis=1))
            np.testing.assert_array_equal(section.rows, np.arange(adata.n_obs))
            assert list(section.spots) == list(adata.obs_names)
    np.testing.assert_array_equal(codes_of(read_sections([one, two], READING)), [0] * 7 + [1] * 5)


def test_sections_of_a_table_come_in_order_of_appearance(interleaved):
    sections = read_sections(interleaved, BY_SECTION)
    assert [(section.name, section.group) for section in sections] == [("B", "P"), ("A", "P"), ("C", "Q")]
    assert [section.rows.tolist() for section in sections] == [[0, 2, 7], [1, 3, 6], [4, 5, 8]]
    for section in sections:
        np.testing.assert_array_equal(section.features, interleaved.obsm["X_image"][section.rows].astype(np.float32))
        np.testing.assert_array_equal(section.counts.toarray(), interleaved.X.toarray()[section.rows])
    alone = read_sections(interleaved, BY_SECTION._replace(group_key=None))
    assert [section.group for section in alone] == ["B", "A", "C"]


def test_panel_is_in_the_order_asked_for():
    (section,) = read_sections(make_table(), READING)
    X = section.counts.toarray()
    np.testing.assert_array_equal(section.panel(["d", "a"]).toarray(), X[:, [3, 0]])
    np.testing.assert_array_equal(section.panel(list("abcde")).toarray(), X)


def test_without_counts_neither_counts_nor_groups_are_needed():
    adata = make_table()
    bare = ad.AnnData(obs=pd.DataFrame(index=adata.obs_names), obsm=dict(adata.obsm))
    (section,) = read_sections(bare, READING, counts=False)
    assert section.counts.shape == (9, 0)
    assert len(section.genes) == 0
    np.testing.assert_array_equal(section.features, adata.obsm["X_image"].astype(np.float32))


def test_layers_frames_depth_and_spatialdata():
    adata = make_table()
    adata.layers["raw"] = adata.X.copy()
    adata.X = adata.X * 0.5
    adata.obsm["X_image"] = pd.DataFrame(adata.obsm["X_image"], index=adata.obs_names)
    adata.obsm["spatial"] = np.column_stack([adata.obsm["spatial"], np.ones(9)])
    data = SimpleNamespace(tables={"other": adata})
    (section,) = read_sections(data, READING._replace(layer="raw", table_key="other"))
    np.testing.assert_array_equal(section.counts.toarray(), adata.layers["raw"].toarray())
    assert section.xy.shape == (9, 2)
    assert section.features.dtype == np.float32


def test_types_are_tables_or_labels():
    adata = make_table(4)
    adata.obs["label"] = pd.Categorical(["x", None, "y", "x"])
    adata.obsm["shares"] = pd.DataFrame({"y": [0.5, 0.0, np.nan, 1], "z": [0.5, 1, 0, 0]}, index=adata.obs_names)
    sections = [read_sections(adata, READING._replace(types_key=key))[0] for key in ("label", "shares")]
    assert sections[0].types is not None
    np.testing.assert_array_equal(sections[0].types.to_numpy(), [[1, 0], [0, 0], [0, 1], [1, 0]])
    stacked = stack_types(sections)
    assert stacked is not None
    expected = [[1, 0, 0], [0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0.5, 0.5], [0, 0, 1], [0, 0, 0], [0, 1, 0]]
    np.testing.assert_array_equal(stacked, expected)  # x, y, z
    assert stack_types([sections[0]._replace(types=None), sections[1]]) is None


def test_common_genes_are_in_the_order_of_the_first():
    sections = read_sections([make_table(genes="abcde"), make_table(genes="edxa")], READING)
    assert list(common_genes(sections)) == ["a", "d", "e"]
    with pytest.raises(InputError, match="genes that all sections have; found none. Are the identifiers of one kind"):
        common_genes(read_sections([make_table(genes="ab"), make_table(genes="xy")], READING))
    twice = make_table()
    twice.var_names = list("abcda")
    with pytest.raises(InputError, match="genes named once in section '0'"):
        common_genes(read_sections(twice, READING))


def bad_features(value):
    adata = make_table()
    adata.obsm["X_image"] = value
    return adata


def group(values, n=9):
    adata = make_table(n)
    adata.obs["patient"] = values
    return adata


NAN = np.where(np.arange(27).reshape(9, 3) == 4, np.nan, 1.0)
CASES: dict[str, tuple[Any, Reading, str]] = {
    "no table": ([], READING, "at least one AnnData; found an empty list"),
    "no named table": ({}, READING, "at least one AnnData; found an empty dict"),
    "not a table": (3, READING, "an AnnData or SpatialData object; found int"),
    "no features": (make_table(), READING._replace(feature_key="X_uni"), "Run pp.tile_features"),
    "sparse": (bad_features(sp.csr_matrix(np.eye(9))), READING, "a dense matrix of numbers .* csr_matrix"),
    "text": (bad_features(np.full((9, 2), "a")), READING, "a dense matrix of numbers"),
    "no columns": (bad_features(np.ones((9, 0))), READING, r"features \[n, d\] .* found shape \[9, 0\]"),
    "cube": (bad_features(np.ones((9, 2, 2))), READING, r"found shape \[9, 2, 2\]"),
    "nan": (bad_features(NAN), READING, r"NaN or infinity in 1 of 9 rows \(first: row 1\). Drop"),
    "no spots": (make_table()[:0].copy(), READING, r"at least one spot .* found shape \[0, 3\]"),
    "no group column": (make_table(), READING._replace(group_key="donor"), "group_key='donor'.* group_key=None"),
    "no group": (group(["P", None] + ["P"] * 7), READING, "a patient for every spot; found NaN in 1 of 9 rows. Fill"),
    "two groups": (group(list("PPPPQPPPP")), READING, r"one patient in section '0'; found \['P', 'Q'\]. Pass library"),
    "no section column": (make_table(), BY_SECTION, "library_key='section' in adata.obs"),
    "no types": (make_table(), READING._replace(types_key="t"), "types_key='t' in adata.obsm or adata.obs"),
    "widths": ([make_table(), bad_features(np.ones((9, 2)))], READING, r"as many features .* found \[2, 3\]"),
}


@pytest.mark.parametrize(("tables", "reading", "message"), CASES.values(), ids=CASES)
def test_what_does_not_fit_is_an_error(tables, reading, message):
    with pytest.raises(InputError, match=message):
        read_sections(tables, reading)


def test_sections_need_names_of_their_own(interleaved):
    with pytest.raises(InputError, match=r"sections of different names; found \['B', 'A', 'C'\]. Rename"):
        read_sections([interleaved, interleaved.copy()], BY_SECTION)
    interleaved.obs["section"] = interleaved.obs["section"].where(np.arange(9) > 0)
    with pytest.raises(InputError, match="NaN in 1 of 9 rows"):
        read_sections(interleaved, BY_SECTION)
