"""Part VIII against torch: one step and many of an LSTM, a causal convolution, attention.

    python tests/benchmarks/bench_sequences.py [--repeats 15] [--only convolution]

The teaching versions live in cells of notebooks, from which `bench_features.load` takes them; form
of the table, clock and checks are those of `bench_features.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from bench_features import Row, conditions, load, options, print_table
from torch import nn
from torch.nn import functional

SIZES = ((1, 16, 32), (32, 16, 32), (32, 64, 128))  # samples, inputs, units
TORCH_ORDER = (0, 1, 3, 2)  # of i, f, g, o; the chapter stores the candidate g last


def same(ours, theirs) -> bool:
    """Agreement of two lists of tensors."""
    pairs = zip(ours, theirs, strict=True)
    return all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in pairs)


def chapter_weights(layer: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of torch's LSTM as the chapter's cell takes them."""
    w_x, w_h, b_x, b_h = (weight.detach() for weight in layer.parameters())
    matrix, bias = torch.cat([w_x, w_h], 1).chunk(4), (b_x + b_h).chunk(4)
    return {
        "W": torch.cat([matrix[i] for i in TORCH_ORDER]).T.contiguous(),
        "b": torch.cat([bias[i] for i in TORCH_ORDER]),
    }


def lstm_rows(steps: int) -> Iterator[Row]:
    """One step, and a sequence, forward alone and with its gradients."""
    chapter = load("27a_recurrent", "cell-method", "gates-method")
    torch.manual_seed(0)
    for samples, inputs, units in SIZES:
        size = f"{samples} x {inputs} to {units} units"
        cell, layer = nn.LSTMCell(inputs, units), nn.LSTM(inputs, units)
        x = torch.randn(steps, samples, inputs)
        state = torch.randn(samples, units), torch.randn(samples, units)
        own_cell, own_layer = chapter_weights(cell), chapter_weights(layer)

        def ours(x=x, state=state, p=own_cell):
            with torch.no_grad():
                return chapter.lstm_cell(x[0], state, p)

        def theirs(x=x, state=state, cell=cell):
            with torch.no_grad():
                return cell(x[0], state)

        yield Row(f"LSTM, one step, {size}", "torch", ours, theirs, same)

        def our_gradients(x=x, state=state, p=own_layer):
            p = {name: weight.clone().requires_grad_() for name, weight in p.items()}
            hidden, _ = chapter.unroll(chapter.lstm_cell, x, state, p)
            (slope,) = torch.autograd.grad(hidden.square().sum(), p["b"])
            return [hidden.detach(), slope.reshape(4, -1)[list(TORCH_ORDER)].flatten()]

        def their_gradients(x=x, state=state, layer=layer):
            hidden, _ = layer(x, tuple(part[None] for part in state))
            (slope,) = torch.autograd.grad(hidden.square().sum(), layer.bias_ih_l0)
            return [hidden.detach(), slope]

        work = f"LSTM, {steps} steps with gradients, {size}"
        yield Row(work, "torch", our_gradients, their_gradients, same)


def convolution_rows(steps: int) -> Iterator[Row]:
    """A causal convolution, forward alone and with its gradients."""
    chapter = load("27a_recurrent", "causal-method")
    torch.manual_seed(1)
    for taps, dilation in ((2, 1), (2, 8), (4, 2)):
        x, weight = torch.randn(32, 16, steps), torch.randn(32, 16, taps)

        def library(x, weight, dilation=dilation):
            past = functional.pad(x, ((weight.shape[2] - 1) * dilation, 0))
            return functional.conv1d(past, weight, dilation=dilation)

        def own(x, weight, dilation=dilation):
            return chapter.causal_conv1d(x, weight, dilation)

        def forward(layer, x=x, weight=weight):
            with torch.no_grad():
                return [layer(x, weight)]

        def gradients(layer, x=x, weight=weight):
            given = [x.clone().requires_grad_(), weight.clone().requires_grad_()]
            return torch.autograd.grad(layer(*given).square().mean(), given)

        size = f"kernel {taps}, dilation {dilation}, 32 x 16 x {steps} to 32"
        for kind, run in (("forward", forward), ("with gradients", gradients)):
            yield Row(
                f"causal convolution, {kind}, {size}",
                "torch",
                lambda run=run, layer=own: run(layer),
                lambda run=run, layer=library: run(layer),
                same,
            )


def attention_rows(steps: int) -> Iterator[Row]:
    """One look-up, and attention in heads, forward alone and with gradients."""
    chapter = load("28a_attention", "attention-method", "heads-method")
    torch.manual_seed(2)
    for samples, heads, width in ((1, 1, 16), (8, 4, 16), (8, 8, 32)):
        query, key, value = (torch.randn(samples, heads, steps, width) for _ in "qkv")
        size = f"{samples} x {heads} heads of {width}, {steps} places"

        def look(query=query, key=key, value=value):
            with torch.no_grad():
                return [chapter.attention(query, key, value)[0]]

        def library_look(query=query, key=key, value=value):
            with torch.no_grad():
                return [functional.scaled_dot_product_attention(query, key, value)]

        yield Row(f"attention, one look-up, {size}", "torch", look, library_look, same)

        own = chapter.Heads(heads * width, heads)
        layer = nn.MultiheadAttention(heads * width, heads, batch_first=True)
        parts = own.query, own.key, own.value
        with torch.no_grad():
            layer.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
            layer.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        layer.out_proj.load_state_dict(own.out.state_dict())
        tokens = torch.randn(samples, steps, heads * width)

        def gradients(run, tokens=tokens):
            x = tokens.clone().requires_grad_()
            found = run(x)
            (slope,) = torch.autograd.grad(found.square().mean(), x)
            return [found.detach(), slope]

        yield Row(
            f"attention, in heads with gradients, {size}",
            "torch",
            lambda run=gradients, own=own: run(lambda x: own(x, x)),
            lambda run=gradients, layer=layer: run(lambda x: layer(x, x, x, need_weights=False)[0]),
            same,
        )


def main() -> None:
    """Print the table."""
    asked = options(__doc__, steps=(64, 2, "of a sequence"))
    torch.set_num_threads(1)
    print(conditions(("torch",), asked.repeats, "single precision"), end="\n\n")
    groups = (
        lambda: lstm_rows(asked.steps),
        lambda: convolution_rows(asked.steps),
        lambda: attention_rows(asked.steps),
    )
    print_table(groups, asked.only, asked.repeats)


if __name__ == "__main__":
    main()
