"""Training of `GeneMae` on arrays: bins of counts in, gene embeddings out."""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

from ..core.gene_bins import GeneBins
from ..core.gene_smooth import unit_rows
from ..core.libraries import library_blocks
from ..core.spatial_basis import spatial_basis
from ..core.train import Stop, Stopped, fit_until, seeded
from .gene_mae import GeneMae, Picture, lack_of_fit
from .gene_mae_params import GeneMaeParams
from .gene_mae_refine import Refinement, minibatches, refine

JUDGED_GENES = 1_024  # whose held-out molecules training is judged by
GENES_AT_ONCE = 512
PASSES = 6  # over the genes, at most, where there are many
CHECK_EVERY = 100
N_WAVES = 4  # octaves of the positions' features


class GeneMaeFit(NamedTuple):
    """A trained model and what it says of every gene."""

    embedding: np.ndarray
    """[g, 2 z], rows of length one, float32; columns of each half in order of their share."""
    score: float
    """Log-likelihood of held-out molecules above that of a gene without pattern, mean over the judged genes."""
    score_start: float
    """The same before training, of the linear start."""
    stopped: Stopped
    refinement: Refinement | None
    model: GeneMae


def fit_gene_mae(
    bins: GeneBins,
    params: GeneMaeParams,
    *,
    structured: np.ndarray,
    rng: np.random.Generator,
    device: torch.device | str = "cpu",
    progress: bool | None = None,
) -> GeneMaeFit:
    """Train on a part of the molecules until the others are predicted no better, refine, embed with all.

    Parameters
    ----------
    bins
        Pictures of the genes, each with counts.
    params
        Settings.
    structured
        Genes [g] with a spatial pattern: modules are sharpened on these alone.
    rng
        Everything random.
    device, progress
        Of the training.

    Returns
    -------
    Embeddings of all genes from all molecules.
    """
    held = rng.binomial(bins.counts.astype(np.int64), params.held_out).astype(np.float32)
    kept = bins.counts - held
    g = len(kept)
    with seeded(rng):
        model = GeneMae(picture_of(bins, params, rng), kept, params)
        model.to(device)
        judged = torch.from_numpy(np.sort(rng.permutation(g)[:JUDGED_GENES])).to(device)
        target = torch.from_numpy(held).to(device)[judged]
        validate = lambda: _held_out(model, judged, target, params.held_out / (1 - params.held_out))
        first = validate()
        batches = lambda: minibatches(np.arange(g), params.batch_size, rng, device)
        stopped = fit_until(
            model,
            batches,
            Stop(max(params.max_steps, PASSES * g // params.batch_size), CHECK_EVERY, params.patience),
            validate=validate,
            learning_rate=params.learning_rate,
            weight_decay=params.weight_decay,
            progress=progress,
            name="gene_mae",
        )
        found = refine(model, np.flatnonzero(structured), embed, rng=rng, progress=progress) if params.refine else None
        last = validate()
        model.counts = torch.from_numpy(bins.counts).to(device)
        model.share = model.counts.sum(1) / model.exposure.sum()
        H = embed(model)
    return GeneMaeFit(_ordered(H), -last, -first, stopped, found, model)


def picture_of(bins: GeneBins, params: GeneMaeParams, rng: np.random.Generator) -> Picture:
    """Positions, smooth functions and the leading patterns of the genes' residuals in them."""
    filled = np.flatnonzero(bins.exposure > 0)
    library = np.repeat(bins.patch_library, bins.n_sub)[filled]
    xy = bins.xy[filled]
    basis = spatial_basis(xy, min(params.n_functions, max(len(filled) // 2, 1)), library=library)
    side = max(_side(xy[rows]) for rows in library_blocks(len(xy), library))
    prior = np.exp(-((np.pi * basis.frequency * params.length_scale * side) ** 2))
    functions = np.zeros((len(bins.exposure), len(prior)))
    functions[filled] = basis.functions * prior
    expected = bins.counts.sum(axis=1, keepdims=True) * bins.exposure / bins.exposure.sum()
    residuals = (bins.counts - expected) / np.sqrt(expected + 1e-4)
    C = unit_rows(residuals @ functions)
    k = min(params.n_latent, *C.shape)
    _, _, V = randomized_svd(C, k, random_state=int(rng.integers(2**31)))
    return Picture(bins.exposure, place_features(bins.patch_xy, bins.patch_library), functions, V.T)


def _side(xy: np.ndarray) -> float:
    """Geometric mean of a slide's extents, without those of zero."""
    extent = np.ptp(xy, axis=0)
    return float(np.exp(np.log(extent[extent > 0]).mean())) if extent.any() else 0.0


def place_features(xy: np.ndarray, library: np.ndarray) -> np.ndarray:
    """Position within the slide, its sines and cosines over a few octaves, and which slide [p, f]."""
    unit = np.zeros_like(xy, dtype=np.float64)
    codes = np.unique(library, return_inverse=True)[1]
    for code in range(codes.max() + 1):
        block = xy[codes == code]
        unit[codes == code] = (block - block.min(axis=0)) / max(np.ptp(block, axis=0).max(), 1e-12)
    waves = [f(2**k * np.pi * unit) for k in range(N_WAVES) for f in (np.sin, np.cos)]
    slide = np.eye(codes.max() + 1)[codes] if codes.any() else np.zeros((len(xy), 0))
    return np.concatenate([unit, *waves, slide], axis=1)


@torch.no_grad()
def embed(model: GeneMae) -> np.ndarray:
    """Embedding of every gene from all counts that the model holds [g, 2 z]."""
    model.eval()
    rows = []
    for genes in torch.arange(len(model.counts), device=model.counts.device).split(GENES_AT_ONCE):
        expected = model.expected(genes, torch.ones(len(genes), device=genes.device))
        z, linear, _ = model(model.counts[genes], expected, None)
        rows.append(model.embedding(z, linear).cpu())
    return torch.cat(rows).numpy()


@torch.no_grad()
def _held_out(model: GeneMae, genes: Tensor, target: Tensor, ratio: float) -> float:
    total = 0.0
    for part, counts in zip(genes.split(GENES_AT_ONCE), target.split(GENES_AT_ONCE), strict=True):
        expected = model.expected(part, torch.ones(len(part), device=part.device))
        z, _, tokens = model(model.counts[part], expected, None)
        simple, _ = model.log_rates(z, tokens, expected)
        total += float(lack_of_fit(simple, counts, ratio * expected).sum())
    return total / len(genes)


def _ordered(H: np.ndarray) -> np.ndarray:
    """Rotate each half to its principal axes, so that leading columns hold most; inner products stay."""
    halves = np.split(H.astype(np.float64), 2, axis=1)
    turned = [part @ np.linalg.svd(part, full_matrices=False)[2].T for part in halves]
    return np.concatenate(turned, axis=1).astype(np.float32)
