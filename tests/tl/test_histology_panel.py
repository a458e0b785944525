"""The panel that is learned, and its expression over all sections."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError, datasets
from spotweave.core.histology.targets import expression_target
from spotweave.tl._histology_panel import panel_genes, panel_target
from spotweave.tl._sections import Reading, read_sections


@pytest.fixture(scope="module")
def sections():
    cohort = datasets.simulate_cohort(2, n_sections=1, n_obs=80, n_genes=40, image=False, rng=4)
    cohort.obsm["X_image"] = cohort.obsm["proportions_true"].to_numpy()
    tables = [cohort[cohort.obs["patient"] == "P1"].copy(), cohort[cohort.obs["patient"] == "P2"][:, 3:].copy()]
    return read_sections(tables, Reading("patient", None, "X_image", None, None, "table"))


def test_chosen_genes_are_shared_and_in_the_order_of_the_table(sections):
    chosen = panel_genes(sections, None, 15)
    first = list(sections[0].genes)
    assert len(chosen) == 15
    assert [first.index(gene) for gene in chosen] == sorted(first.index(gene) for gene in chosen)
    assert set(chosen) <= set(sections[1].genes)
    assert set(panel_genes(sections, None, 5)) < set(chosen)


def test_given_genes_stay_as_they_are(sections):
    names = list(sections[1].genes[[9, 2, 30]])
    assert panel_genes(sections, names, 5) == names
    with pytest.raises(InputError, match=r"found \['nothing'\]. Leave them out"):
        panel_genes(sections, [*names, "nothing"], 5)
    with pytest.raises(InputError, match=f"found .'{sections[0].genes[0]}'."):
        panel_genes(sections, [sections[0].genes[0]], 5)
    with pytest.raises(InputError, match="at least one gene; found an empty list"):
        panel_genes(sections, [], 5)


def test_target_is_over_the_counts_of_all_genes(sections):
    names = list(sections[1].genes[[9, 2, 30]])
    X = sp.vstack([section.counts[:, section.genes.get_indexer(names)] for section in sections])
    totals = np.concatenate([section.counts.sum(axis=1).A1 for section in sections])
    found = panel_target(sections, names, "log_normalized")
    np.testing.assert_allclose(found.toarray(), np.log1p(1e4 * X.toarray() / totals[:, None]), rtol=1e-5)
    by_section = expression_target(X, totals, kind="legacy_gene_scaled", section=np.repeat([0, 1], 80))
    np.testing.assert_array_equal(panel_target(sections, names, "legacy_gene_scaled").toarray(), by_section.toarray())
