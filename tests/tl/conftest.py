"""A simulated tissue, made once."""

import anndata as ad
import pytest

from spotweave import datasets


@pytest.fixture(scope="session")
def simulated() -> ad.AnnData:
    return datasets.simulate_tissue(600, n_genes=200, n_domains=4, rng=0)


@pytest.fixture
def adata(simulated) -> ad.AnnData:
    return simulated.copy()
