import numpy as np
import pytest
from anndata import AnnData

from spotweave import InputError
from spotweave.datasets import simulate_reference, simulate_tissue


@pytest.fixture(scope="module")
def tissue() -> AnnData:
    return simulate_tissue(800, n_genes=150, n_types=5, rng=2)


def test_reference_matches_the_tissue(tissue: AnnData) -> None:
    reference = simulate_reference(tissue, 5_003, platform_effect=0, rng=1)
    assert reference.n_obs == 5_003
    assert list(reference.var_names) == list(tissue.var_names)
    types = list(tissue.uns["simulation"]["cell_types"])
    found = reference.obs["cell_type"].value_counts(normalize=True)[types]
    np.testing.assert_allclose(found, tissue.obsm["proportions_true"].mean(), atol=0.03)
    assert reference.X.sum() / 5_003 == pytest.approx(5_000, rel=0.05)


def test_reference_profiles_are_those_of_the_tissue(tissue: AnnData) -> None:
    reference = simulate_reference(tissue, 4_000, platform_effect=0, rng=1)
    for t, name in enumerate(tissue.uns["simulation"]["cell_types"]):
        mean = reference.X[(reference.obs["cell_type"] == name).to_numpy()].sum(axis=0).A1
        own = tissue.uns["simulation"]["profiles"]
        fit = [np.corrcoef(np.log(mean + 1), np.log(profile))[0, 1] for profile in own]
        assert np.argmax(fit) == t


def test_reference_cells_have_states(tissue: AnnData) -> None:
    reference = simulate_reference(tissue, 3_000, library_size=20_000, rng=1)
    shares = np.log1p(reference.X.toarray() / reference.X.sum(axis=1).A1[:, None] * 1e4)
    for name in ("state_1", "state_2"):
        genes = np.flatnonzero(tissue.var["module_true"] == name)
        correlation = np.corrcoef(shares[:, genes].T)[np.triu_indices(len(genes), 1)]
        assert correlation.mean() > 0.1


def test_platform_effect_is_in_the_counts(tissue: AnnData) -> None:
    plain, shifted = (simulate_reference(tissue, 2_000, platform_effect=sd, rng=1) for sd in (0.0, 0.6))
    assert not plain.var["platform_effect_true"].any()
    ratio = np.log((shifted.X.sum(axis=0).A1 + 1) / (plain.X.sum(axis=0).A1 + 1))
    assert np.corrcoef(ratio, shifted.var["platform_effect_true"])[0, 1] > 0.95


def test_missing_types_are_missing(tissue: AnnData) -> None:
    reference = simulate_reference(tissue, 500, missing_types=["type_2", "type_5"], rng=1)
    assert sorted(reference.obs["cell_type"].unique()) == ["type_1", "type_3", "type_4"]


def test_reference_of_cells_and_of_a_part() -> None:
    cells = simulate_tissue(600, n_genes=40, resolution="cell", rng=1)
    part = cells[cells.obs["domain_true"] == "domain_2", :10]
    reference = simulate_reference(part, 101, rng=1)
    assert set(reference.obs["domain_true"]) == {"domain_2"}
    assert reference.n_vars == 40


def test_reference_same_seed_same_bits(tissue: AnnData) -> None:
    a, b, c = (simulate_reference(tissue, 99, rng=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.X.toarray(), b.X.toarray())
    assert not np.array_equal(a.X.toarray(), c.X.toarray())


def test_reference_bad_arguments(tissue: AnnData) -> None:
    with pytest.raises(InputError, match="simulated tissue"):
        simulate_reference(AnnData(np.ones((3, 2), dtype=np.float32)))
    with pytest.raises(InputError, match="missing_types.*'neuron'"):
        simulate_reference(tissue, missing_types=["neuron"])
    with pytest.raises(InputError, match="a cell type left"):
        simulate_reference(tissue, missing_types=[f"type_{t}" for t in range(1, 6)])
    with pytest.raises(InputError, match="`n_obs`"):
        simulate_reference(tissue, 0)
