"""What the mixture-prior autoencoder reads: propagated components, minibatches of rows with a neighbour each."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from spotweave.models import gmm_vgae_fit as module
from spotweave.models.gmm_vgae_fit import fit_gmm_vgae, propagated
from spotweave.models.gmm_vgae_params import GmmVgaeParams

N = 400
DEFAULT = GmmVgaeParams()


def test_inputs_are_propagated_components(tissue):
    observed = tissue.observed
    found = propagated(observed, GmmVgaeParams(n_inputs=3, n_hops=2))
    P = observed.P[:, :3] / observed.P[:, :3].std(axis=0).max()
    once, twice = np.zeros_like(P), np.zeros_like(P)
    for target, source in ((once, P), (twice, once)):
        for i in range(N):
            target[i] = source[[i, *observed.W[[i]].indices]].mean(axis=0)
    np.testing.assert_allclose(found, np.hstack([P, once, twice]), atol=1e-5)
    np.testing.assert_array_equal(found[399, :3], found[399, 6:])  # no neighbours
    constant = propagated(observed._replace(P=np.zeros((N, 4))), DEFAULT)
    assert not constant.any()


def stream(tissue, params=DEFAULT, rows=None):
    rows = np.arange(N) if rows is None else rows
    inputs = np.arange(N, dtype=np.float32)[:, None]  # says which row it is
    return module._Stream(inputs, tissue.observed, rows, params, np.random.default_rng(0), torch.device("cpu"))


@pytest.mark.parametrize("rows", [np.arange(N), np.arange(7, 390, 3), np.arange(5)])
def test_an_epoch_shows_each_row_once_with_its_counts(tissue, rows):
    batches = list(stream(tissue, rows=rows).epoch())
    seen = np.concatenate([b.inputs[:, 0].numpy().astype(int) for b in batches])
    assert sorted(seen) == list(rows)
    np.testing.assert_array_equal(np.concatenate([b.counts for b in batches]), tissue.X[seen])
    np.testing.assert_array_equal(np.concatenate([b.size for b in batches]), tissue.observed.size[seen])
    assert all(b.neighbours is None for b in batches)
    assert {len(b.size) for b in batches} <= ({32, 33, 34} if len(rows) > 5 else {5})
    assert len(list(stream(tissue, GmmVgaeParams(batch_size=20)).epoch())) == 20


def test_neighbours_are_drawn_from_the_graph(tissue):
    W = tissue.observed.W
    drawn: dict[int, set[int]] = {i: set() for i in range(N)}
    s = stream(tissue, GmmVgaeParams(weight_edges=1.0))
    for _ in range(40):
        for batch in s.epoch():
            for i, j in zip(*(t[:, 0].int().tolist() for t in (batch.inputs, batch.neighbours)), strict=True):
                drawn[i].add(j)
    assert drawn[399] == {399}  # no neighbours: the row itself
    assert all(drawn[i] <= set(W[[i]].indices) for i in range(399))
    assert sum(len(found) for found in drawn.values()) > 0.98 * W.nnz
    nobody = tissue._replace(observed=tissue.observed._replace(W=sp.csr_matrix((N, N))))
    batch = next(stream(nobody, GmmVgaeParams(weight_edges=1.0)).epoch())
    np.testing.assert_array_equal(batch.neighbours, batch.inputs)


QUICK = GmmVgaeParams(n_components=3, n_latent=3, n_hidden=8, n_curved=0, n_warmup=5, max_steps=20)


def fitted(observed, params=QUICK):
    return fit_gmm_vgae(observed, params, rng=np.random.default_rng(0), progress=False)


def test_training_reads_only_as_many_rows_as_allowed(tissue, monkeypatch):
    seen: set[float] = set()
    original = module._Stream.epoch

    def epoch(self):
        for batch in original(self):
            seen.update(batch.size.tolist())
            yield batch

    monkeypatch.setattr(module._Stream, "epoch", epoch)
    fit = fitted(tissue.observed, replace(QUICK, max_rows=50))
    assert len(seen) <= 50
    assert fit.mean.shape == (N, 3)


def test_mixture_starts_from_the_rows_that_are_trained_on_but_not_from_too_many(tissue, monkeypatch):
    seen: list[int] = []
    original = module._encode

    def encode(model, inputs, device):
        seen.append(len(inputs))
        return original(model, inputs, device)

    monkeypatch.setattr(module, "_encode", encode)
    fitted(tissue.observed)
    fitted(tissue.observed, replace(QUICK, max_rows=90))
    monkeypatch.setattr(module, "MIXTURE_ROWS", 50)
    fitted(tissue.observed)
    assert seen == [N, N, 90, N, 50, N]
