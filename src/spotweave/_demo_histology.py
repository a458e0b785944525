"""Part of the demonstration: expression of a patient's section from its stained picture, learned on two others."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _keys as keys

if TYPE_CHECKING:
    from anndata import AnnData

N_SPOTS, N_GENES = 150, 120
_SECTION = "section"
_PICTURE: dict[str, Any] = {"um_per_px": 2.0, "stain_effect": 0.1, "library_size": 3_000}
_SCALES = (1.0, 2.0)  # of tiles; the third that the encoder knows would take a third of the time again


class FromPicture(NamedTuple):
    """A section that was predicted."""

    predicted: "AnnData"
    """With the measured values in ``layers["measured"]``."""
    slide: "AnnData"
    """Its counts and picture."""
    follows: np.ndarray
    """Whether a gene truly follows what the picture shows [g]."""


def read_picture(*, rng: int) -> FromPicture:
    """Simulate three patients with stained sections, learn on two of them, predict the third from the picture alone."""
    from . import datasets, pp, tl

    cohort = datasets.simulate_cohort(3, n_sections=1, n_obs=N_SPOTS, n_genes=N_GENES, rng=rng, **_PICTURE)
    # pixels of the picture are those of the coordinates but for the scale factor, which uns["spatial"] holds
    pp.tile_features(cohort, library_key=_SECTION, um_per_px=1.0, scales=_SCALES, cache_dir=None, progress=False)
    new = cohort.obs["patient"].astype(str).to_numpy() == "P3"
    model = tl.Histology("programs", rng=rng).fit(cohort[~new].copy(), library_key=_SECTION)
    slide = cohort[new].copy()
    predicted = model.predict(slide, library_key=_SECTION)
    columns = slide.var_names.get_indexer(predicted.var_names)
    truth: Any = pp.normalize(slide, target_sum=1e4, copy=True)
    predicted.layers[keys.MEASURED] = truth[:, columns]
    predicted.uns[keys.SPATIAL] = slide.uns[keys.SPATIAL]
    return FromPicture(predicted, slide, slide.var["image_true"].to_numpy(dtype=bool)[columns])


def from_picture(found: FromPicture) -> list[str]:
    """Say how far predictions go with what was measured, and whether the right genes were called predictable."""
    from . import metrics

    adata, follows = found.predicted, found.follows
    train_mean = adata.var["mean"].to_numpy(dtype=float)
    r = metrics.expression_scores(adata.layers[keys.MEASURED], adata.X, train_mean=train_mean).pearson
    called = adata.var["predictable"].to_numpy(dtype=bool)
    novelty = max(adata.uns[keys.HISTOLOGY]["slide_novelty"].values())
    kinds = {"follow what is stained": follows, "do not": ~follows, "were called predictable": called}
    return [
        "a third patient's section, predicted from its picture: correlation with measured expression, mean of genes that",
        *(
            f"  {name:<24}{np.nanmean(r[kept]) if kept.any() else np.nan:.3f}  ({kept.sum()} genes)"
            for name, kept in kinds.items()
        ),
        f"called predictable (q < 0.05): {(called & follows).sum()} of {follows.sum()} that follow the picture, "
        f"{(called & ~follows).sum()} of {(~follows).sum()} that do not",
        f"novelty of the slide as a whole: {novelty:.2f} (above 1: unlike the training slides)",
    ]
