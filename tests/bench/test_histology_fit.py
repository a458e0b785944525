"""One run: what the kernel is asked for, and what becomes of its tables."""

import warnings
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from spotweave import InputError, datasets, tl
from spotweave.bench._histology_fit import HistologySet, Judged, Sections, calls, fit, listed, score
from spotweave.bench._histology_methods import METHODS
from spotweave.bench._histology_panels import GenePanel
from spotweave.bench._histology_sets import Cohort, Pictures, StainedSet


@pytest.fixture(scope="module")
def cohort() -> ad.AnnData:
    adata = datasets.simulate_cohort(2, n_sections=2, n_obs=30, n_genes=24, image=False, rng=1)
    adata.obsm["X_image"] = adata.obsm["proportions_true"].to_numpy(np.float32)
    scales = pd.DataFrame({"um_per_px": [0.5, 0.6, 0.7, 0.8]}, index=["P1_1", "P1_2", "P2_1", "P2_2"])
    adata.uns["X_image"] = {"libraries": scales}
    return adata


def sections_of(adata: ad.AnnData, *, split="group", panel=None, target="log_normalized") -> Sections:
    tissue = StainedSet("own", Cohort({}), split, "family")
    return Sections(HistologySet(tissue, panel or GenePanel("top", 12), target), adata)


def test_names_tell_all_that_differs():
    tissue, panel = StainedSet("own", Cohort({}), "group"), GenePanel("top", 12)
    assert HistologySet(tissue, panel, "t").name == "own:top:t"
    other = StainedSet("own", Pictures("st", encoder="uni"), "group")
    assert HistologySet(other, panel, "t").name == "own:top:t:uni"


@pytest.mark.parametrize("split", ["group", "section"])
@pytest.mark.parametrize("method", ["ridge", "depth", "mean"])
def test_rows_are_those_of_the_kernel(cohort, split, method):
    sections = sections_of(cohort, split=split)
    rows = score(sections, fit(sections, METHODS[method], 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        options = {"library_key": "section", "split": split, "n_top": 12, "rng": 3, "progress": False}
        expected = tl.cross_validate_histology(cohort, methods=["ridge"], **options)
    table = expected.sections[expected.sections["method"] == method].set_index("section")
    genes = expected.genes[expected.genes["method"] == method].groupby("section")["pearson"]
    assert [row["section"] for row in rows] == list(table.index)
    for row in rows:
        name = row["section"]
        assert (row["set"], row["family"], row["split"], row["patient"]) == ("own", "family", split, name[:2])
        assert (row["n_obs"], row["n_genes"], row["n_spots"], row["n_panel"]) == (120, 24, 30, 12)
        for column in ("pearson", "spearman", "r2", "pearson_heg", "n_predictable"):
            assert row[column] == pytest.approx(table.loc[name, column], nan_ok=True), column
        assert row["pearson_median"] == pytest.approx(np.median(genes.get_group(name)), nan_ok=True)
        assert row["um_per_px"] == cohort.uns["X_image"]["libraries"].loc[name, "um_per_px"]
        assert row["n_true"] + row["n_other"] == 12
        assert row["called_true"] + row["called_other"] == row["n_predictable"]


def test_the_kernel_is_told_panel_target_and_seed(cohort, monkeypatch):
    seen = {}

    def kernel(adata, **options):
        seen.update(options)
        return SimpleNamespace()

    monkeypatch.setattr(tl, "cross_validate_histology", kernel)
    panel = GenePanel("own", genes=("no such gene", cohort.var_names[5], cohort.var_names[2]))
    sections = sections_of(cohort, panel=panel, target="legacy_gene_scaled")
    found = fit(sections, METHODS["network"], 7)
    assert found.method == "network"
    assert seen["genes"] == [cohort.var_names[5], cohort.var_names[2]]
    assert (seen["target"], seen["rng"], seen["methods"], seen["split"]) == (
        "legacy_gene_scaled",
        7,
        ["network"],
        "group",
    )


def test_a_panel_of_other_genes_is_refused(cohort):
    assert listed(sections_of(cohort)) is None
    with pytest.raises(InputError, match="genes of the panel 'own' in the sections"):
        listed(sections_of(cohort, panel=GenePanel("own", genes=("x",))))


def test_calls_are_counted_apart():
    genes = pd.DataFrame({"gene": ["a", "b", "c", "d", "e"], "predictable": [True, False, True, True, False]})
    image = pd.Series([True, False, False, True, True, True], index=list("abcdef"))
    assert calls(genes, image) == {"n_true": 3, "called_true": 2, "n_other": 2, "called_other": 1}


def test_real_sections_have_no_known_genes(cohort):
    own = cohort.copy()
    del own.var["image_true"]
    sections = sections_of(own)
    rows = score(sections, Judged("mean", fit(sections, METHODS["mean"], 0).scores))
    assert not any("n_true" in row for row in rows)
