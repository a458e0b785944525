"""The whole network: what it learns, what its answers are made of, and that one seed gives one model."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from spotweave import InputError
from spotweave.core.histology.tissue import make_tissue
from spotweave.models import histology_fit
from spotweave.models.histology_methods import NETWORKS
from spotweave.models.histology_network import fit_network, network_from_state
from spotweave.models.histology_params import HistologyParams
from spotweave.models.histology_sides import make_side
from spotweave.models.histology_training import Training, centred

N, D, G = 240, 5, 14
QUICK = HistologyParams(width=8, n_heads=2, n_steps=5, n_programs=4, n_axes=6, n_retrieved=9, batch_size=32)


def make_training(*, signal=1.0, seed=0) -> Training:
    """Three patients; expression is a known, curved function of the features, or noise."""
    rng = np.random.default_rng(seed)
    section = np.arange(N) % 3
    tissue = make_tissue(rng.normal(size=(N, D)), section, rng.random((N, 2)) * 10)
    bends = np.tanh(2 * tissue.features[:, :3])
    Y = 3 + signal * bends @ rng.normal(size=(3, G)) + section[:, None] + 0.3 * rng.normal(size=(N, G))
    return Training(tissue, sp.csr_matrix(Y.astype(np.float32)), section)


def fitted(training, params=QUICK, seed=0):
    return fit_network(training, params, rng=np.random.default_rng(seed), progress=False)


@pytest.fixture(scope="module")
def training() -> Training:
    return make_training()


@pytest.fixture(scope="module")
def quick(training):
    return fitted(training)


def agreement(found, training) -> float:
    truth, told = centred(training), found.genes(found.held_out)
    return float(np.mean([np.corrcoef(told[:, j], truth[:, j])[0, 1] for j in range(G)]))


def test_a_tissue_that_follows_its_picture_is_told_by_each_answer(training):
    """Without graphs, which this picture does not ask for, and with large steps: it is to be quick."""
    alone = replace(QUICK, image_graphs=(), expression_graphs=(), linear=False, dropout=0.0, learning_rate=1e-2)
    by_head = replace(alone, predict="head", contrast_weight=0.0, n_steps=40)
    by_retrieval = replace(alone, predict="retrieval", contrast_weight=1.0, n_steps=40)
    assert agreement(fitted(training, by_head), training) > 0.6
    assert agreement(fitted(training, by_retrieval), training) > 0.3
    assert agreement(fitted(training), training) > 0.8, "with the linear prediction"


def test_noise_is_predicted_near_the_mean():
    noise = make_training(signal=0)
    found = fitted(noise, replace(QUICK, n_steps=15))
    assert found.genes(found.held_out).std(axis=0).max() < 0.2 * centred(noise).std()


def test_answers_are_weighted_and_the_weights_are_of_what_takes_part(training):
    for change, part in (
        ({}, [True, True, True]),
        ({"linear": False}, [False, True, True]),
        ({"predict": "head"}, [True, True, False]),
        ({"predict": "retrieval", "linear": False}, [False, False, True]),
    ):
        found = fitted(training, replace(QUICK, **change))
        weights = found.predictor.weights
        assert weights.shape == (3, 4)
        assert not weights[~np.array(part)].any(), change
        assert (weights >= 0).all()
        assert (weights.sum(axis=0) < 1 + 1e-9).all()
        np.testing.assert_array_equal(weights, np.stack(list(found.chosen["weights"].values())))


def test_retrieval_alone_is_the_average_of_the_retrieved(training):
    found = fitted(training, replace(QUICK, predict="retrieval", linear=False, retrieval="mean"))
    answer = found.predictor(training.tissue)
    assert answer.retrieved is not None
    assert answer.retrieved.rows.shape == (N, 9)
    expected = found.predictor.programs[answer.retrieved.rows].mean(axis=1) * found.predictor.weights[2]
    np.testing.assert_allclose(answer.parts, expected, atol=1e-9)


def test_the_head_answers_in_units_of_the_programs(training):
    found = fitted(training, replace(QUICK, predict="head", linear=False, contrast_weight=0.0))
    net, inputs = found.predictor.towers.net, found.predictor.inputs
    x = inputs.image(training.tissue)
    assert np.sqrt((x**2).mean()) == pytest.approx(1, rel=1e-4)
    scores = found.predictor.programs
    np.testing.assert_allclose(inputs.spread, scores.std(axis=0), rtol=1e-6)
    side = make_side(x, training.tissue.xy, training.tissue.section, n_neighs=8, rng=np.random.default_rng(0))
    with torch.no_grad():
        told = net.head(net.image(side, torch.arange(N))).numpy() * scores.std(axis=0)
    expected = told * found.predictor.weights[1]
    np.testing.assert_allclose(found.predictor(training.tissue).parts, expected, atol=1e-4)


def test_one_seed_is_one_model_on_any_number_of_threads(training, quick):
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    other = 1 if threads > 1 else 2
    torch.set_num_threads(other)
    try:
        again = fitted(training)
        told = quick.predictor(training.tissue).parts
        assert torch.get_num_threads() == other
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.random.get_rng_state(), state), "the caller's generator is left alone"
    np.testing.assert_array_equal(told, quick.predictor(training.tissue).parts)
    for key, value in quick.predictor.state().items():
        np.testing.assert_array_equal(again.predictor.state()[key], value, err_msg=key)
    np.testing.assert_array_equal(again.held_out, quick.held_out)
    assert not np.array_equal(fitted(training, seed=1).held_out, quick.held_out)


@pytest.mark.parametrize("method", NETWORKS)
def test_state_restores_the_predictor(training, method):
    params = replace(NETWORKS[method], width=8, n_heads=2, n_steps=3, n_programs=4)
    predictor = fitted(training, params).predictor
    before = torch.random.get_rng_state()
    again = network_from_state(predictor.state(), params)
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(again(training.tissue).parts, predictor(training.tissue).parts)
    for a, b in zip(again(training.tissue).retrieved or (), predictor(training.tissue).retrieved or (), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not again.towers.net.training


def test_held_out_answers_come_of_towers_that_lack_the_fold(training, monkeypatch):
    seen = []
    real = histology_fit.fit_until

    def spy(net, batches, *args, **options):
        seen.append(np.unique(np.concatenate([batch.rows.numpy() for batch in batches()])))
        return real(net, batches, *args, **options)

    monkeypatch.setattr(histology_fit, "fit_until", spy)
    fitted(training)
    assert [len(rows) for rows in seen] == [160, 160, 160, 240]


def test_types_serve_and_are_asked_for_by_row(training):
    types = np.eye(2, dtype=np.float32)[(training.tissue.features[:, 0] > 0).astype(int)]
    found = fitted(training._replace(types=types))
    known, unknown = found.predictor(training.tissue, types).parts, found.predictor(training.tissue).parts
    assert np.abs(known - unknown).max() > 1e-6
    plain = replace(QUICK, image_graphs=("spatial",))
    found = fitted(training._replace(types=types), plain)
    np.testing.assert_array_equal(found.predictor(training.tissue, types).parts, found.predictor(training.tissue).parts)


def test_sections_of_one_spot_cannot_train(rng):
    tissue = make_tissue(rng.normal(size=(43, D)), np.repeat([0, 1, 2, 3], [40, 1, 1, 1]), rng.random((43, 2)))
    target = sp.csr_matrix(rng.random((43, G)))
    with pytest.raises(InputError, match="a section of at least 2 spots"):
        fitted(Training(tissue, target, (tissue.section > 0).astype(int)))
