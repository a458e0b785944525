"""cell2location (Kleshchevnikov et al. 2022, Nat. Biotechnol. 40:661) as in its tutorial, but for fewer epochs.

Genes chosen by its filter, negative binomial model of the reference (250 epochs), abundances by variational inference
on all spots at once; their 5 % quantiles, as in Spotless and Open Problems.
"""

from typing import Any

import cell2location  # type: ignore[import-not-found]
import numpy as np
import scvi  # type: ignore[import-not-found]
from cell2location.utils.filtering import filter_genes  # type: ignore[import-not-found]

N_SAMPLES = 1_000
"""Of the posterior."""


def deconvolve(
    X: Any,
    R: Any,
    labels: np.ndarray,
    xy: np.ndarray,
    seed: int,
    *,
    n_cells: float,
    detection_alpha: float = 20.0,
    max_epochs: int = 30_000,
) -> np.ndarray:
    """Abundance ``[n, t]`` of each type."""
    import pandas as pd
    from anndata import AnnData

    scvi.settings.seed = seed
    names = [f"type{k:03d}" for k in range(labels.max() + 1)]
    cells = AnnData(R.astype(np.float32), obs=pd.DataFrame({"type": [names[k] for k in labels]}, dtype="category"))
    cells.obs_names, cells.var_names = cells.obs_names.astype(str), [f"gene{j}" for j in range(R.shape[1])]
    chosen = filter_genes(cells, cell_count_cutoff=5, cell_percentage_cutoff2=0.03, nonz_mean_cutoff=1.12)
    cells = cells[:, chosen].copy()
    models = cell2location.models
    models.RegressionModel.setup_anndata(cells, labels_key="type")
    reference = models.RegressionModel(cells)
    reference.train(max_epochs=250, accelerator="cpu", enable_progress_bar=False)
    cells = reference.export_posterior(cells, sample_kwargs={"num_samples": N_SAMPLES, "batch_size": 2_500})
    means = cells.varm["means_per_cluster_mu_fg"]
    means = means[[f"means_per_cluster_mu_fg_{name}" for name in names]].set_axis(names, axis=1)

    spots = AnnData(X.astype(np.float32))
    spots.var_names = [f"gene{j}" for j in range(X.shape[1])]
    spots = spots[:, means.index].copy()
    models.Cell2location.setup_anndata(spots)
    model = models.Cell2location(
        spots, cell_state_df=means, N_cells_per_location=n_cells, detection_alpha=detection_alpha
    )
    model.train(max_epochs=max_epochs, batch_size=None, train_size=1, accelerator="cpu", enable_progress_bar=False)
    spots = model.export_posterior(spots, sample_kwargs={"num_samples": N_SAMPLES, "batch_size": spots.n_obs})
    found = spots.obsm["q05_cell_abundance_w_sf"]
    return found[[f"q05cell_abundance_w_sf_{name}" for name in names]].to_numpy()
