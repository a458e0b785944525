import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import InputError, datasets, tl
from spotweave.core.pattern_fold import pattern_fold
from spotweave.core.pattern_match import pattern_match

COLUMNS = ["gene", "match", "score", "log_fold", "specificity", "p", "q", "p_pattern", "q_pattern"]


@pytest.fixture
def adata(rng) -> ad.AnnData:
    """300 spots in four vertical stripes, 30 genes: the first three are high in stripe "b"."""
    xy = rng.random((300, 2)) * 100
    stripe = np.array(list("abcd"))[np.minimum(xy[:, 0] // 25, 3).astype(int)]
    rate = np.full((300, 30), 2.0)
    rate[:, :3] *= np.where(stripe == "b", 4, 1)[:, None]
    table = ad.AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)))
    table.var_names = [f"g{i}" for i in range(30)]
    table.obsm["spatial"] = xy
    table.obs["stripe"] = pd.Categorical(stripe)
    table.obs["slide"] = np.where(xy[:, 1] > 50, "x", "y")
    table.obs["mask"], table.obs["weight"] = stripe == "b", (stripe == "b") * 1.0
    return table


def test_columns_are_those_of_the_kernels_best_first(adata):
    found = tl.find_pattern(adata, {"stripe": "b"})
    assert list(found) == COLUMNS
    assert set(found["gene"][:3]) == {"g0", "g1", "g2"}
    region, depth = adata.obs["mask"].to_numpy(float), np.asarray(adata.X.sum(axis=1), float).ravel()
    kernel = pattern_match(adata.X, adata.obsm["spatial"], region, depth)
    by_gene = found.set_index("gene").loc[adata.var_names]
    names = dict(zip(COLUMNS[4:], ("specificity", "pvalue", "qvalue", "pvalue_pattern", "qvalue_pattern"), strict=True))
    for name, field in {"match": "match", "score": "score", **names}.items():
        np.testing.assert_array_equal(by_gene[name], getattr(kernel, field))
    np.testing.assert_array_equal(by_gene["log_fold"], pattern_fold(adata.X, region, depth))
    assert (np.diff(found["match"]) <= 0).all()
    rest = found[found["match"] == 0]
    assert (np.diff(rest["score"]) <= 0).all()


@pytest.mark.parametrize(
    "pattern",
    [
        ("stripe", "b"),
        {"stripe": ["b"]},
        {"stripe": {"b": 1}},
        "mask",
        "weight",
        lambda a: a.obs["mask"],
        lambda a: a.obs["mask"].to_numpy(),
        lambda a: list(a.obs["weight"]),
        lambda a: a.obs["weight"].astype("Float64"),
    ],
    ids=["pair", "list", "profile", "mask", "weight", "series", "array", "values", "nullable"],
)
def test_forms_of_a_region_are_one(adata, pattern):
    before = adata.copy()
    found = tl.find_pattern(adata, pattern(adata) if callable(pattern) else pattern)
    pd.testing.assert_frame_equal(found, tl.find_pattern(adata, {"stripe": "b"}))
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert (adata.X != before.X).nnz == 0


def test_several_categories_and_profiles(adata):
    two = tl.find_pattern(adata, {"stripe": ["a", "b"]})
    np.testing.assert_array_equal(two, tl.find_pattern(adata, adata.obs["stripe"].isin(["a", "b"])))
    profile = tl.find_pattern(adata, {"stripe": {"b": 2.0, "c": -1}})
    np.testing.assert_array_equal(
        profile, tl.find_pattern(adata, adata.obs["stripe"].map({"a": 0, "b": 2, "c": -1, "d": 0}).astype(float))
    )


def test_genes_like_a_gene(adata):
    found = tl.find_pattern(adata, "g1")
    assert len(found) == 29
    assert set(found["gene"][:2]) == {"g0", "g2"}
    assert "g1" not in set(found["gene"])


def test_chosen_genes_keep_their_scores_and_depth(adata):
    every = tl.find_pattern(adata, "mask").set_index("gene")
    some = tl.find_pattern(adata, "mask", genes=["g20", "g1"])
    assert list(some["gene"]) == ["g1", "g20"]
    np.testing.assert_allclose(some["score"], every.loc[some["gene"], "score"])
    assert some["q"].max() <= every["q"].max()


def test_cells_without_a_label_are_left_out(adata, caplog):
    adata.obs["part"] = adata.obs["stripe"].where(np.arange(300) % 7 > 0)
    caplog.set_level("WARNING", logger="spotweave")
    found = tl.find_pattern(adata, {"part": "b"}, library_key="slide").set_index("gene")
    assert "43 cells have no label" in caplog.text
    kept = tl.find_pattern(adata[adata.obs["part"].notna()].copy(), "mask", library_key="slide").set_index("gene")
    pd.testing.assert_frame_equal(found, kept)


def test_less_finds_what_is_low_there(adata):
    low = tl.find_pattern(adata, {"stripe": ["a", "c", "d"]}, alternative="less")
    assert set(low["gene"][:3]) == {"g0", "g1", "g2"}
    assert (low["log_fold"][:3] < 0).all()


def test_fine_patterns_and_empty_cells_are_told(adata, rng, caplog):
    counts = adata.X.toarray()
    counts[4] = 0
    adata.X = sp.csr_matrix(counts)
    caplog.set_level("WARNING", logger="spotweave")
    tl.find_pattern(adata, rng.permutation(np.arange(300) < 60) * (1 + rng.random(300)))
    assert "1 cells have no counts" in caplog.text
    tl.find_pattern(adata, np.argsort(np.argsort(adata.obsm["spatial"][:, 0])) % 2)
    assert "of the pattern is smooth" in caplog.text


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (lambda a: np.zeros(300, bool), "same weight 0 on all"),
        (lambda a: np.arange(300) == 5, "at least 3 cells, and as many outside; found 1 and 299"),
        (lambda a: np.arange(300) > 1, "found 298 and 2"),
        (lambda a: np.where(np.arange(300) < 2, np.arange(300) + 1.0, 9.0), "other weights on fewer"),
        (lambda a: np.where(np.arange(300) == 7, np.nan, 1.0), "NaN or infinity in 1 of 300 rows"),
        (lambda a: np.ones(299), r"300 cells in `pattern`; found shape \[299\]"),
        (lambda a: pd.Series(np.arange(300.0)), "another index"),
        (lambda a: ["g1", "g2"], "numbers or a mask in `pattern`; found list"),
        (lambda a: {"stripe": "z"}, r"category \['z'\] in adata.obs\['stripe'\]; found \['a', 'b', 'c', 'd'\]"),
        (lambda a: {"stripe": []}, "Expected a category"),
        (lambda a: {"stripe": {"b": "high"}}, "number as weight"),
        (lambda a: {"stripe": {"b": np.nan}}, "finite weight"),
        (lambda a: {"stripe": "a", "slide": "x"}, "one column"),
        (lambda a: {"nowhere": "b"}, "pattern='nowhere' in adata.obs"),
        (lambda a: "nobody", "gene or a column of numbers"),
        (lambda a: "stripe", r"Pass \{'stripe': category\}"),
        (lambda a: "both", "both are called"),
        (lambda a: "silent", "a gene with a pattern in space"),
    ],
    ids=map(str, range(18)),
)
def test_bad_patterns_are_refused(adata, pattern, message):
    counts = adata.X.toarray()
    counts[:, 29] = 0
    table = ad.AnnData(sp.csr_matrix(counts), obs=adata.obs.assign(both=1.0), obsm=dict(adata.obsm))
    table.var_names = [*(f"g{i}" for i in range(28)), "both", "silent"]
    with pytest.raises(InputError, match=message):
        tl.find_pattern(table, pattern(table))


def test_other_bad_input_is_refused(adata):
    adata.obs["half"] = (adata.obs["slide"] == "x") * 1.0
    with pytest.raises(InputError, match="within|of a library"):
        tl.find_pattern(adata, "half", library_key="slide")
    with pytest.raises(InputError, match=r"unknown \['h1'\]"):
        tl.find_pattern(adata, "mask", genes=["g1", "h1"])
    with pytest.raises(InputError, match="at least one gene"):
        tl.find_pattern(adata, "g1", genes=["g1"])
    with pytest.raises(InputError, match="alternative"):
        tl.find_pattern(adata, "mask", alternative="up")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least 20 cells with counts"):
        tl.find_pattern(adata[:15].copy(), np.arange(15))
    adata.var_names = ["g1", "g1", *adata.var_names[2:]]
    with pytest.raises(InputError, match="one gene 'g1'; found 2"):
        tl.find_pattern(adata, "g1")
    adata.X = adata.X * 0.5
    with pytest.raises(InputError, match="whole-number"):
        tl.find_pattern(adata, "mask")


def test_a_planted_module_is_retrieved_by_pattern_and_by_gene():
    tissue = datasets.simulate_patterns(1_200, n_genes=400, n_modules=8, library_size=4_000, rng=2)
    module = tissue.var["module"].astype(str)
    own = module.index[module == "module_3"]
    best = tl.find_pattern(tissue, tissue.obsm["pattern_true"]["module_3"])
    assert best["gene"][: len(own)].isin(own).mean() > 0.7
    strongest = tissue.var.loc[own].eval("log_fold * share_true ** 0.5").idxmax()
    like = tl.find_pattern(tissue, strongest)
    assert like["gene"][: len(own) // 2].isin(own).mean() > 0.8


def test_white_matter_of_a_measured_section(data_dir):
    path = data_dir / "dlpfc_151673" / "dlpfc_151673.h5ad"
    if not path.exists():
        pytest.skip(f"{path} not found")
    section = ad.read_h5ad(path)
    found = tl.find_pattern(section, {"layer": "WM"})
    symbols = list(section.var["symbol"].astype(str)[found["gene"]])
    assert {"MBP", "PLP1", "CNP", "MOBP"} <= set(symbols[:10])
    assert found["log_fold"][:50].min() > 0.3
    assert symbols.index("PCP4") > 1_000  # of layer 5
