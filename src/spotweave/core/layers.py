"""Network layers that more than one model can use."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ViewAttention(nn.Module):
    r"""Weigh several views of a row against each other, head by head.

    Head m projects view v to a value :math:`u_{mv} = V_{mv} z_v` and a key :math:`t_{mv} = \tanh(K_m z_v)`, weighs the
    views by :math:`a_{mv} = \mathrm{softmax}_v(q_m \cdot t_{mv})` and passes on :math:`\sum_v a_{mv} u_{mv}`. Each head
    and view has a value projection of its own, so that heads can say different things.

    Parameters
    ----------
    n_views, n_in, n_out
        Number of views, their common width, and the width of the result.
    n_heads
        Number of heads; the width of one is ``n_in // n_heads``.
    """

    def __init__(self, n_views: int, n_in: int, n_out: int, *, n_heads: int = 4) -> None:
        super().__init__()
        self.n_heads, width = n_heads, max(n_in // n_heads, 1)
        self.values = nn.ModuleList([nn.Linear(n_in, n_heads * width) for _ in range(n_views)])
        self.key = nn.Linear(n_in, n_heads * width)
        self.query = nn.Parameter(0.1 * torch.randn(n_heads, width))
        self.out = nn.Linear(n_heads * width, n_out)

    def forward(self, views: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the mixed rows ``[b, n_out]`` and the weights ``[b, n_views, n_heads]``, which sum to 1 over views."""
        n = len(views[0])
        split = lambda z: z.view(n, self.n_heads, -1)
        value = torch.stack([split(V(z)) for V, z in zip(self.values, views, strict=True)], 1)  # [b, v, h, w]
        key = torch.stack([split(torch.tanh(self.key(z))) for z in views], 1)  # [b, v, h, w]
        weight = torch.softmax((key * self.query).sum(-1), dim=1)  # [b, v, h]
        mixed = (weight[..., None] * value).sum(1).reshape(n, -1)
        return self.out(mixed), weight


class AttentionBlock(nn.Module):
    r"""Attention and a small network, each on normalised tokens and added to them (Vaswani et al. 2017; pre-norm).

    Parameters
    ----------
    width
        Of a token.
    n_heads
        Heads of the attention; a divisor of `width`.
    """

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value, self.out = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        """Tokens ``[b, t, width]`` look at the `context` ``[b, c, width]``, at themselves when None."""
        b, t, width = tokens.shape
        normal = self.before(tokens)
        split = lambda u: u.reshape(b, -1, self.n_heads, width // self.n_heads).transpose(1, 2)
        key, value = self.key_value(normal if context is None else context).chunk(2, -1)
        seen = F.scaled_dot_product_attention(split(self.query(normal)), split(key), split(value))
        tokens = tokens + self.out(seen.transpose(1, 2).reshape(b, t, width))
        return tokens + self.mlp(self.after(tokens))
