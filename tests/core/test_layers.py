"""Attention over views, against its formula in numpy."""

import numpy as np
import pytest
import torch

from spotweave.core.layers import ViewAttention


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
