"""Training on arrays: minibatches, embeddings in blocks, one thread."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spotweave import InputError
from spotweave.models import histology_fit as module
from spotweave.models.histology_fit import embed, fit_histology_net, head
from spotweave.models.histology_params import HistologyParams
from spotweave.models.histology_sides import make_side

N = 41
QUICK = HistologyParams(width=8, n_heads=2, n_steps=6, n_neighs=4, batch_size=16)


@pytest.fixture
def sides(rng):
    section, xy = np.arange(N) % 2, rng.random((N, 2))
    image, programs = rng.normal(size=(N, 5)), rng.normal(size=(N, 3))
    both = [make_side(inputs, xy, section, n_neighs=4, rng=rng) for inputs in (image, programs)]
    return both[0], both[1], programs, section


def fitted(sides, params=QUICK):
    image, expression, programs, section = sides
    rng = np.random.default_rng(0)
    return fit_histology_net(image, expression, programs, section, params, rng=rng, progress=False)


def test_bank_is_the_unit_embedding_of_expression(sides):
    towers = fitted(sides)
    assert not towers.net.training
    with torch.no_grad():
        expected = towers.net.expression(sides[1], torch.arange(N)).numpy()
    np.testing.assert_allclose(towers.bank, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)


def test_training_lowers_the_loss(sides):
    def loss(towers):
        with torch.no_grad():
            return float(
                ((towers.net.head(towers.net.image(sides[0], torch.arange(N))).numpy() - sides[2]) ** 2).mean()
            )

    longer = replace(QUICK, n_steps=60, dropout=0.0, learning_rate=1e-2)
    assert loss(fitted(sides, longer)) < 0.7 * loss(fitted(sides))


def test_blocks_and_threads_of_an_embedding_do_not_matter(sides):
    tower, seen = fitted(sides).net.image, []
    whole = embed(tower, sides[0])
    tower.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        np.testing.assert_allclose(embed(tower, sides[0], size=7), whole, atol=1e-5)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert seen == [1] * 6


def test_head_is_that_of_the_network(sides):
    net = fitted(sides).net
    embedded = embed(net.image, sides[0])
    with torch.no_grad():
        np.testing.assert_allclose(head(net, embedded), net.head(torch.as_tensor(embedded)).numpy(), atol=1e-6)


def test_a_minibatch_is_of_one_section(rng):
    section = np.array([0] * 23 + [1] * 7 + [2] + [3] * 2)
    parts = list(module._minibatches(section, 5, rng))
    assert all(len(set(section[rows].tolist())) == 1 for rows in parts)
    assert max(map(len, parts)) <= 5
    assert sorted(np.concatenate(parts).tolist()) == [*range(30), 31, 32], "but for the lone spot"


def test_steps_are_those_asked_for_or_passes_over_the_data():
    section = np.repeat([0, 1], [40, 17])  # 3 and 2 minibatches of 16
    assert module._n_steps(section, QUICK) == 6
    steps = module._n_steps(section, replace(QUICK, n_steps=None))
    assert steps == np.clip(5 * module.PASSES, *module.STEPS)
    many = np.repeat(np.arange(50), 10_000)
    assert module._n_steps(many, replace(QUICK, n_steps=None)) == module.STEPS[1]


def test_sections_of_one_spot_are_no_data(sides):
    image, expression, programs, _ = sides
    with pytest.raises(InputError, match="a section of at least 2 spots to train on; found only sections of one"):
        fitted((image, expression, programs, np.arange(N)))
