"""The two-tower network: attention against a loop, which way messages go, the contrast written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spotweave.models.histology import HistologyNet, NeighborAttention, Pair, Side, Tower
from spotweave.models.histology_params import HistologyParams

N, Q, T, K, WIDTH = 19, 5, 4, 3, 8
QUICK = HistologyParams(width=WIDTH, n_heads=2, dropout=0.0, n_neighs=K)


@pytest.fixture(autouse=True)
def seeds():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def make_side(width=Q) -> Side:
    lists = torch.stack([torch.randperm(N)[: 2 * K] for _ in range(N)])
    alike = torch.randint(0, 2, (N, K)).float()
    return Side(torch.randn(N, width), lists[:, :K], torch.randn(N, K, 2), lists[:, K:], alike)


def test_attention_is_that_of_a_loop():
    attention = NeighborAttention(WIDTH, 2, spatial=True)
    centre, pool = torch.randn(6, WIDTH), torch.randn(9, WIDTH)
    near, pair = torch.randint(0, 9, (6, K)), torch.randn(6, K, 2)
    found = attention(centre, pool, near, pair).detach().numpy()
    weights = {name: p.detach().numpy().astype(float) for name, p in attention.named_parameters()}
    half = WIDTH // 2
    for i in range(6):
        gathered = []
        for h in range(2):
            own = slice(h * half, (h + 1) * half)
            q = (weights["query.weight"] @ centre[i].numpy())[own]
            logits, values = [], []
            for j in range(K):
                x = pool[near[i, j]].numpy()
                bias = attention.pair(pair[i, j])[h].item()
                logits.append(q @ (weights["key.weight"] @ x)[own] / np.sqrt(half) + bias)
                values.append((weights["value.weight"] @ x + weights["value.bias"])[own])
            share = np.exp(logits) / np.exp(logits).sum()
            gathered.append(share @ np.stack(values))
        expected = weights["out.weight"] @ np.concatenate(gathered) + weights["out.bias"]
        np.testing.assert_allclose(found[i], expected, atol=1e-5)


@pytest.mark.parametrize("graph", ["spatial", "functional"])
def test_messages_go_from_neighbours_to_the_centre(graph):
    side, tower = make_side(), Tower(Q, (graph,), QUICK).eval()
    everything = torch.arange(N)
    before = tower(side, everything)
    changed = side.x.clone()
    changed[7] += 1
    after = tower(side._replace(x=changed), everything)
    hears = (getattr(side, graph) == 7).any(dim=1)
    hears[7] = True
    assert hears.any()
    assert not hears.all()
    moved = (before - after).abs().amax(dim=1)
    assert (moved[hears] > 1e-5).all()
    assert (moved[~hears] < 1e-6).all()
    np.testing.assert_allclose(tower(side, everything[4:9]).detach(), before[4:9].detach(), atol=1e-5)


def test_a_tower_without_graphs_sees_the_spot_alone():
    side, tower = make_side(), Tower(Q, (), QUICK).eval()
    alone = tower(side, torch.tensor([5]))
    other = side._replace(x=torch.where(torch.arange(N)[:, None] == 5, side.x, side.x + 3))
    np.testing.assert_allclose(tower(other, torch.tensor([5])).detach(), alone.detach(), atol=1e-6)


def test_types_weigh_functional_edges_only():
    side, everything = make_side(), torch.arange(N)
    other = side._replace(alike=1 - side.alike)
    for graphs, changes in ((("spatial",), False), ((), False), (("functional",), True), (QUICK.image_graphs, True)):
        tower = Tower(Q, graphs, QUICK).eval()
        moved = (tower(side, everything) - tower(other, everything)).abs().max() > 1e-6
        assert moved == changes, graphs


@pytest.mark.parametrize("soft", [False, True])
def test_contrast_is_the_cross_entropy_written_out(soft):
    net = HistologyNet(Q, T, T, replace(QUICK, soft_targets=soft, temperature=0.4))
    Z, S = (F.normalize(torch.randn(11, WIDTH), dim=1) for _ in range(2))
    z, s = Z.numpy().astype(float), S.numpy().astype(float)
    softmax = lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    P = softmax((z @ z.T + s @ s.T) / (2 * 0.4)) if soft else np.eye(11)
    L = z @ s.T / 0.4
    expected = 0
    for logits, matches in ((L, P), (L.T, P.T)):
        for i in range(11):
            for j in range(11):
                expected -= matches[i, j] * np.log(softmax(logits)[i, j]) / 11 / 2
    assert net.contrast(Z, S).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("predict", ["both", "head", "retrieval"])
def test_every_parameter_learns(predict):
    net = HistologyNet(Q, T, T, replace(QUICK, predict=predict))
    rows = torch.randperm(N)[:11]
    terms = net.loss(Pair(rows, make_side(), make_side(T), torch.randn(N, T)))
    assert set(terms) == ({"contrast"} if predict == "retrieval" else {"head", "contrast"})
    torch.stack(list(terms.values())).sum().backward()
    for name, parameter in net.named_parameters():
        if name.startswith("head.") and predict == "retrieval":
            assert parameter.grad is None
        elif not name.endswith("pair.2.bias"):  # the same for all neighbours of a spot: softmax does not see it
            assert parameter.grad is not None
            assert parameter.grad.abs().max() > 1e-7, name


def test_loss_is_of_the_rows_of_the_batch():
    params = replace(QUICK, predict="head", contrast_weight=0.0)
    net = HistologyNet(Q, T, T, params).eval()
    side, truth, rows = make_side(), torch.randn(N, T), torch.tensor([4, 0, 17])
    expected = ((net.head(net.image(side, rows)) - truth[rows]) ** 2).mean()
    terms = net.loss(Pair(rows, side, make_side(T), truth))
    assert list(terms) == ["head"]
    assert terms["head"].item() == pytest.approx(expected.item(), rel=1e-5)
    weighted = HistologyNet(Q, T, T, replace(QUICK, contrast_weight=0.5)).eval()
    half = weighted.loss(Pair(rows, side, make_side(T), truth))["contrast"]
    assert 0 < half < 3


def test_temperature_stays_within_bounds():
    net = HistologyNet(Q, T, T, replace(QUICK, temperature=0.3))
    assert net.temperature.item() == pytest.approx(0.3)
    for log, bound in ((-20.0, 0.01), (5.0, 1.0)):
        net.log_temperature.data.fill_(log)
        assert net.temperature.item() == pytest.approx(bound)
