"""Layers against their formulas in numpy, and by single functions of torch."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from spotweave.core.layers import AttentionBlock, ViewAttention


@pytest.mark.parametrize(("n_views", "n_in", "n_out", "n_heads"), [(2, 12, 5, 3), (3, 7, 4, 2), (1, 3, 2, 4)])
def test_matches_the_formula(n_views, n_in, n_out, n_heads):
    torch.manual_seed(0)
    layer = ViewAttention(n_views, n_in, n_out, n_heads=n_heads).double()
    views = [torch.randn(9, n_in, dtype=torch.float64) for _ in range(n_views)]
    out, weight = layer(views)
    width = max(n_in // n_heads, 1)
    array = lambda t: t.detach().numpy()
    q, K, k0 = array(layer.query), array(layer.key.weight), array(layer.key.bias)
    for i in range(9):
        mixed = []
        for m in range(n_heads):
            part = slice(m * width, (m + 1) * width)
            score = np.array([q[m] @ np.tanh(K[part] @ array(z)[i] + k0[part]) for z in views])
            a = np.exp(score) / np.exp(score).sum()
            values = [
                array(V.weight)[part] @ array(z)[i] + array(V.bias)[part]
                for V, z in zip(layer.values, views, strict=True)
            ]
            mixed.append(sum(w * v for w, v in zip(a, values, strict=True)))
            np.testing.assert_allclose(array(weight)[i, :, m], a)
        expected = array(layer.out.weight) @ np.concatenate(mixed) + array(layer.out.bias)
        np.testing.assert_allclose(array(out)[i], expected)
    np.testing.assert_allclose(array(weight).sum(axis=1), 1)


def test_gradient_reaches_every_parameter_and_rows_are_independent():
    torch.manual_seed(0)
    layer = ViewAttention(2, 8, 3)
    views = [torch.randn(6, 8, requires_grad=True) for _ in range(2)]
    layer(views)[0][2].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())
    for z in views:
        assert z.grad is not None
        assert z.grad[2].abs().sum() > 0
        assert not z.grad[[0, 1, 3, 4, 5]].any()


def test_attention_can_choose_either_view():
    torch.manual_seed(0)
    layer = ViewAttention(2, 4, 4)
    with torch.no_grad():
        layer.query.mul_(1000)
    _, weight = layer([torch.randn(200, 4) for _ in range(2)])
    assert weight[:, 0].min() < 0.01
    assert weight[:, 0].max() > 0.99


def test_wrong_number_of_views_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        ViewAttention(2, 4, 4)([torch.randn(3, 4)])


def normalised(u, norm):
    return F.layer_norm(u, (u.shape[-1],), norm.weight, norm.bias)


@pytest.mark.parametrize("n_context", [None, 4])
def test_attention_block_matches_a_loop_over_heads(n_context):
    torch.manual_seed(0)
    block = AttentionBlock(6, 3).double()
    for p in block.parameters():
        torch.nn.init.normal_(p)  # so that no norm is the identity, no bias zero
    tokens = torch.randn(2, 5, 6, dtype=torch.float64)
    context = None if n_context is None else torch.randn(2, n_context, 6, dtype=torch.float64)
    found = block(tokens, context)
    for i in range(2):
        normal = normalised(tokens[i], block.before)
        Q = F.linear(normal, block.query.weight, block.query.bias)
        K, V = F.linear(normal if context is None else context[i], block.key_value.weight, block.key_value.bias).split(
            6, dim=-1
        )
        heads = []
        for part in (slice(0, 2), slice(2, 4), slice(4, 6)):
            weight = F.softmax(Q[:, part] @ K[:, part].T / 2**0.5, dim=1)
            heads.append(weight @ V[:, part])
        x = tokens[i] + F.linear(torch.cat(heads, 1), block.out.weight, block.out.bias)
        first, first_bias, last, last_bias = block.mlp.parameters()
        hidden = F.gelu(F.linear(normalised(x, block.after), first, first_bias))
        torch.testing.assert_close(found[i], x + F.linear(hidden, last, last_bias))


def test_attention_block_has_no_order_of_its_own_and_keeps_rows_apart():
    torch.manual_seed(0)
    block = AttentionBlock(8, 2).double()
    tokens = torch.randn(3, 7, 8, dtype=torch.float64, requires_grad=True)
    order = torch.randperm(7)
    torch.testing.assert_close(block(tokens[:, order]), block(tokens)[:, order])
    block(tokens)[1].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())
    assert tokens.grad is not None
    assert tokens.grad[1].all()
    assert not tokens.grad[[0, 2]].any()
