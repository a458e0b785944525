from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import InputError, datasets, tl
from spotweave.core.gene_pairs import pair_scores
from spotweave.core.gene_patterns import section_patterns


@pytest.fixture(scope="module")
def patterned() -> ad.AnnData:
    return datasets.simulate_patterns(900, n_genes=80, n_modules=8, log_fold=(0.4, 0.7), share_spatial=0.6, rng=3)


@pytest.fixture
def slides(rng) -> list[ad.AnnData]:
    """Three healthy and three ill slides; genes a, b, c leave the first pattern for the second when ill."""
    tables = []
    for slide in range(6):
        xy = rng.random((200, 2)) * 30
        fields = np.stack([np.cos(xy @ (rng.normal(size=(2, 50)) / 6) + 6 * rng.random(50)).sum(1) for _ in "12"]) / 5
        member = np.repeat([0, 1], 8)
        member[: 3 * (slide > 2)] = 1
        X = rng.poisson(4 * np.exp(0.5 * fields[member].T)).astype(np.float32)
        names = list("abcdefghijklmnop")
        order = rng.permutation(16)
        table = ad.AnnData(sp.csr_matrix(X[:, order]), var=pd.DataFrame(index=[names[i] for i in order]))
        table.obs_names = [f"{slide}_{i}" for i in range(200)]
        table.obsm["spatial"] = xy
        table.obs["state"], table.obs["slide"] = ["healthy", "ill"][slide > 2], str(slide)
        tables.append(table)
    return tables


def test_pairs_of_one_module_come_first_and_few_others(patterned):
    table = tl.gene_interactions(patterned, n_top=None)
    module = patterned.var["module"]
    a, b = module[table["gene_a"]].to_numpy(), module[table["gene_b"]].to_numpy()
    same = (a == b) & (a != "none")
    assert same[:20].all()
    found = (table["q"] < 0.05).to_numpy()
    assert found.sum() > 0.5 * same.sum()
    assert (~same[found]).mean() < 0.2  # shares of the library: what is up in one module is down in all others
    assert table["p"].is_monotonic_increasing
    assert table["correlation"].between(-1, 1).all()
    assert table.attrs["n_tested"] == len(table)


def test_numbers_are_those_of_the_kernel(patterned):
    names = list(patterned.var_names[[4, 1, 9]])
    table = tl.gene_interactions(patterned, genes=names).set_index(["gene_a", "gene_b"])
    X = sp.csr_matrix(patterned.X, dtype=float)
    depth = np.asarray(X.sum(axis=1)).ravel()
    scores = pair_scores(section_patterns(X[:, [4, 1, 9]], patterned.obsm["spatial"], depth).patterns)
    for k, pair in enumerate([(0, 1), (0, 2), (1, 2)]):
        assert table.loc[(names[pair[0]], names[pair[1]]), "z"] == scores.z[k]


def test_a_list_and_a_library_key_are_the_same(slides):
    genes = list("abkl")
    joined = ad.concat(slides)
    of_list = tl.gene_interactions(slides, genes=genes)
    pd.testing.assert_frame_equal(tl.gene_interactions(joined, genes=genes, library_key="slide"), of_list)
    assert of_list.attrs["n_sections"] == 6


def test_a_planted_change_is_found_at_both_levels(slides):
    options: dict[str, Any] = {"genes": list("abcdefghijklmnop"), "condition_key": "state"}
    pairs = tl.gene_interactions(slides, n_top=12, **options)
    assert {"correlation_healthy", "correlation_ill", "difference", "se", "p", "q"} < set(pairs)
    moved = pairs["gene_a"].isin(list("abc")) ^ pairs["gene_b"].isin(list("abc"))
    assert moved.mean() > 0.9
    np.testing.assert_allclose(
        np.arctanh(pairs["correlation_ill"]) - np.arctanh(pairs["correlation_healthy"]), pairs["difference"]
    )
    assert pairs.attrs["null"] == "sections"
    genes = tl.gene_interactions(slides, level="gene", **options)
    assert set(genes["gene"][:3]) == set("abc")
    assert len(genes) == 16
    assert (genes["n_changed"][:3] >= 5).all()


def test_one_section_of_each_is_judged_with_a_warning(slides, caplog):
    with caplog.at_level("WARNING", "spotweave"):
        table = tl.gene_interactions([slides[0], slides[5]], genes=list("abkl"), condition_key="state")
    assert "between animals" in caplog.text
    assert table.attrs["null"] == "blocks"
    with pytest.raises(InputError, match="3 sections of each condition"):
        tl.gene_interactions([slides[0], slides[5]], condition_key="state", level="gene")


def test_tables_are_left_alone_and_results_repeat(slides):
    before = slides[0].copy()
    first = tl.gene_interactions(slides, condition_key="state", level="gene", genes=list("abcdefgh"))
    pd.testing.assert_frame_equal(
        tl.gene_interactions(slides, condition_key="state", level="gene", genes=list("abcdefgh")), first
    )
    assert (slides[0].X != before.X).nnz == 0
    pd.testing.assert_frame_equal(slides[0].obs, before.obs)
    assert not slides[0].uns


def rename(tables):
    tables[1].var_names = [f"ENSG{i}" for i in range(16)]
    return tables


def twice(tables):
    tables[0].var_names = ["a", *tables[0].var_names[1:-1], "a"]
    return tables


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (rename, {}, "genes that all tables share; found 0"),
        (twice, {}, "more than once"),
        (lambda t: [], {}, "at least one table"),
        (lambda t: t, {"genes": ["a", "zz"]}, "zz"),
        (lambda t: t, {"genes": ["a"]}, "at least two genes"),
        (lambda t: t, {"level": "module"}, "`level` out of"),
        (lambda t: t, {"level": "gene"}, "condition_key with level"),
        (lambda t: t[:3], {"condition_key": "state"}, "two conditions"),
        (lambda t: t, {"condition_key": "age"}, "condition_key='age'"),
        (ad.concat, {"condition_key": "state"}, "one value of adata.obs"),
        (lambda t: t, {"n_top": 0}, "`n_top`"),
        (lambda t: [t[0][:8].copy()], {}, "at least 10 cells with counts in each section"),
    ],
)
def test_bad_input_is_refused(slides, change, options, message):
    with pytest.raises(InputError, match=message):
        tl.gene_interactions(change(slides), **options)


@pytest.mark.data
def test_sections_of_one_tumour_differ_as_replicates_do(data_dir):
    tables = [ad.read_h5ad(data_dir / "her2st" / f"B{i}.h5ad") for i in range(1, 7)]
    shared = set.intersection(*(set(table.var_names) for table in tables))
    mean = np.asarray(tables[0].X.mean(axis=0)).ravel()
    genes = [g for g in tables[0].var_names[np.argsort(-mean)] if g in shared][:150]
    for i, table in enumerate(tables):
        table.obs["half"] = "first" if i < 3 else "last"
    table = tl.gene_interactions(tables, genes=genes, condition_key="half", n_top=None)
    assert 0.02 < (table["p"] < 0.05).mean() < 0.09
