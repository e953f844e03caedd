"""Tests of cvlab.nets.attention: torch's layers with the same weights, masks by their gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cvlab import nets


def same_attention(own: nets.MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    """Give torch's layer the weights of the own one."""
    three = own.query, own.key, own.value
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in three]))
        theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in three]))
    theirs.out_proj.load_state_dict(own.out.state_dict())


@pytest.mark.parametrize("heads", [1, 2, 8])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_torchs(heads, masked):
    torch.manual_seed(heads)
    own, theirs = (
        nets.MultiHeadAttention(16, heads),
        nn.MultiheadAttention(16, heads, batch_first=True),
    )
    same_attention(own, theirs)
    x, memory = torch.randn(3, 5, 16), torch.randn(3, 7, 16)
    mask = torch.rand(5, 7) < 0.6
    mask[:, 0] = True
    found, weights = own(x, memory, mask if masked else None, weights=True)
    expected, shares = theirs(
        x, memory, memory, attn_mask=~mask if masked else None, average_attn_weights=False
    )
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(weights, shares)
    torch.testing.assert_close(own(x, memory, mask if masked else None), found)


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4), (2, 2, 4, 4)])
def test_masks_of_each_shape(shape):
    torch.manual_seed(0)
    layer, x = nets.MultiHeadAttention(8, 2), torch.randn(2, 4, 8)
    mask = (torch.rand(shape) < 0.5) | torch.eye(4, dtype=torch.bool)
    found, weights = layer(x, mask=mask, weights=True)
    full = mask[:, None] if mask.dim() == 3 else mask
    assert torch.equal(weights > 0, full.expand(2, 2, 4, 4))
    torch.testing.assert_close(layer(x, mask=mask), found)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("cross", [True, False])
def test_a_block_is_torchs_layer(norm_first, cross):
    torch.manual_seed(1)
    own = nets.TransformerBlock(16, 2, 24, cross=cross, norm_first=norm_first).eval()
    kind = nn.TransformerDecoderLayer if cross else nn.TransformerEncoderLayer
    theirs = kind(
        16, 2, 24, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first
    ).eval()
    same_attention(own.attention, theirs.self_attn)
    pairs = [(own.mlp[0], theirs.linear1), (own.mlp[2], theirs.linear2), (own.norm, theirs.norm1)]
    if cross:
        same_attention(own.cross, theirs.multihead_attn)
        pairs += [(own.cross_norm, theirs.norm2), (own.mlp_norm, theirs.norm3)]
    else:
        pairs += [(own.mlp_norm, theirs.norm2)]
    for parameter in own.parameters():
        nn.init.normal_(parameter, std=0.3)
    same_attention(own.attention, theirs.self_attn)
    if cross:
        same_attention(own.cross, theirs.multihead_attn)
    for ours, other in pairs:
        other.load_state_dict(ours.state_dict())
    x, memory, mask = torch.randn(3, 5, 16), torch.randn(3, 7, 16), nets.causal_mask(5)
    if cross:
        hidden = torch.rand(3, 7) < 0.3
        hidden[:, 0] = False
        found = own(x, memory, mask, ~hidden[:, None].expand(3, 5, 7))
        expected = theirs(x, memory, tgt_mask=~mask, memory_key_padding_mask=hidden)
    else:
        found, expected = own(x, mask=mask), theirs(x, src_mask=~mask)
    torch.testing.assert_close(found, expected)


def test_no_token_sees_a_later_one():
    block, x = nets.TransformerBlock(8, 2), torch.randn(1, 6, 8, requires_grad=True)
    for place in range(6):
        (gradient,) = torch.autograd.grad(block(x, mask=nets.causal_mask(6))[0, place].sum(), x)
        assert torch.equal(gradient[0].abs().sum(1) > 0, torch.arange(6) <= place)


def test_dropout_is_of_training_alone():
    block, x = nets.TransformerBlock(8, 2, dropout=0.5), torch.randn(2, 3, 8)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))


def test_no_token_and_no_example():
    block = nets.TransformerBlock(8, 2)
    assert block(torch.zeros(0, 3, 8)).shape == (0, 3, 8)
    assert block(torch.zeros(2, 0, 8)).shape == (2, 0, 8)
    assert nets.causal_mask(0).shape == (0, 0)


@pytest.mark.parametrize(("width", "heads"), [(6, 4), (0, 1), (8, 0)])
def test_heads_share_the_width(width, heads):
    with pytest.raises(ValueError, match="positive multiple of heads"):
        nets.TransformerBlock(width, heads)


def test_a_memory_is_for_blocks_that_look_at_one():
    x = torch.zeros(1, 2, 8)
    with pytest.raises(ValueError, match=r"cross=True needs a memory"):
        nets.TransformerBlock(8, 2, cross=True)(x)
    with pytest.raises(ValueError, match=r"looks at no memory"):
        nets.TransformerBlock(8, 2)(x, x)
