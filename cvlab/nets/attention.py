"""Attention and the block of a transformer, as chapter 28a builds them.

Masks are boolean and true where a query may look at a key, as in torch's
``scaled_dot_product_attention``; ``nn.MultiheadAttention`` has it the other way round.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017).

    Args:
        width: numbers a token has, a multiple of `heads`.
        heads: how many look-ups are done side by side, each in ``width / heads`` dimensions.

    Raises:
        ValueError: if `width` is no multiple of `heads`, or either is not positive.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        if heads < 1 or width < 1 or width % heads:
            raise ValueError(
                f"width must be a positive multiple of heads, got width {width} and heads {heads}."
            )
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(
        self,
        x: torch.Tensor,
        memory: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        *,
        weights: bool = False,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return what each token looks up.

        Args:
            x: (N, T, width), the tokens that ask.
            memory: (N, S, width), the tokens that are asked; `x` itself by default.
            mask: bool, true where one may look: (T, S), (N, T, S) or (N, heads, T, S). A row
                without a true entry gives NaN.
            weights: also return the weights, (N, heads, T, S), whose rows sum to one.

        Returns:
            (N, T, width), and the weights if asked for.
        """
        memory = x if memory is None else memory
        query, key, value = (
            layer(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (N, heads, T, width)
            for layer, tokens in ((self.query, x), (self.key, memory), (self.value, memory))
        )
        if mask is not None and mask.dim() == 3:
            mask = mask[:, None]
        if not weights:
            found = F.scaled_dot_product_attention(query, key, value, mask)
            return self.out(found.transpose(1, 2).flatten(2))
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        share = scores.softmax(-1)
        return self.out((share @ value).transpose(1, 2).flatten(2)), share


class TransformerBlock(nn.Module):
    """Self-attention, attention to a memory where there is one, and a network for each token.

    Each part is added to what it reads. By default it reads the normalised tokens (pre-norm, Xiong
    et al., 2020); with ``norm_first=False`` the sum is normalised, as in the first transformer.

    Args:
        width: numbers a token has, a multiple of `heads`.
        heads: of each attention.
        hidden: units of the network for each token, ``4 * width`` by default.
        dropout: share of each part's output that is dropped in training.
        cross: whether the block also looks at a memory, as a decoder's does.
        norm_first: normalise what a part reads, not what it leaves.

    Raises:
        ValueError: if `width` is no multiple of `heads`.

    >>> block = TransformerBlock(32)
    >>> block(torch.zeros(2, 5, 32), mask=causal_mask(5)).shape
    torch.Size([2, 5, 32])
    """

    def __init__(
        self,
        width: int,
        heads: int = 4,
        hidden: int | None = None,
        dropout: float = 0.0,
        *,
        cross: bool = False,
        norm_first: bool = True,
    ) -> None:
        super().__init__()
        hidden = 4 * width if hidden is None else hidden
        self.norm_first = norm_first
        self.attention, self.norm = MultiHeadAttention(width, heads), nn.LayerNorm(width)
        self.cross = MultiHeadAttention(width, heads) if cross else None
        self.cross_norm = nn.LayerNorm(width) if cross else None
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.mlp_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: torch.Tensor,
        memory: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        memory_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the tokens after the block.

        Args:
            x: (N, T, width).
            memory: (N, S, width), for a block with ``cross=True`` and only for that.
            mask: which tokens each token may look at, see `MultiHeadAttention`.
            memory_mask: the same for the memory.

        Returns:
            (N, T, width).

        Raises:
            ValueError: if a memory is missing, or given to a block that does not look at one.
        """
        if (memory is None) != (self.cross is None):
            raise ValueError(
                "a block with cross=True needs a memory."
                if memory is None
                else "this block looks at no memory; make it with cross=True."
            )
        x = self._added(x, self.norm, lambda tokens: self.attention(tokens, mask=mask))
        if self.cross is not None:
            look = lambda tokens: self.cross(tokens, memory, memory_mask)  # noqa: E731
            x = self._added(x, self.cross_norm, look)
        return self._added(x, self.mlp_norm, self.mlp)

    def _added(self, x, norm, part):
        if self.norm_first:
            return x + self.dropout(part(norm(x)))
        return norm(x + self.dropout(part(x)))


def causal_mask(length: int, device: torch.device | str | None = None) -> torch.Tensor:
    """Return (length, length) bool, true where the key's place is not after the query's."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()
