"""A simulated tissue, made once."""

import anndata as ad
import numpy as np
import pytest

from spotweave import datasets


@pytest.fixture(scope="session")
def simulated() -> ad.AnnData:
    return datasets.simulate_tissue(600, n_genes=200, n_domains=4, rng=0)


@pytest.fixture
def adata(simulated) -> ad.AnnData:
    return simulated.copy()


@pytest.fixture(scope="session")
def stained() -> ad.AnnData:
    """Three patients with a section each; instead of a picture's, features that follow its cell types, and noise."""
    cohort = datasets.simulate_cohort(3, n_sections=1, n_obs=90, n_genes=60, signal=1.0, image=False, rng=1)
    rng = np.random.default_rng(2)
    shares = cohort.obsm["proportions_true"].to_numpy()
    noisy = np.hstack([shares + 0.02 * rng.normal(size=shares.shape), rng.normal(size=(cohort.n_obs, 3))])
    cohort.obsm["X_image"] = noisy.astype(np.float32)
    cohort.uns["X_image"] = {"identity": "handcrafted-1", "tile_um": 112.0, "scales": np.array([1.0, 2.0])}
    return cohort
