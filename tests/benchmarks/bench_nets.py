"""What Part III writes from scratch, against torch: the engine, convolution, batch norm, costs.

    python tests/benchmarks/bench_nets.py [--repeats 15] [--only convolution]

The teaching versions live in cells of notebooks, from which `bench_features.load` takes them; form
of the table, clock and checks are those of `bench_features.py`. NumPy works in double precision
here, and so does torch. The training loop is measured by `bench_train.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from bench_features import Row, conditions, load, options, print_table
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from cvlab import nets


def same(ours, theirs) -> bool:
    """Agreement of two lists of arrays."""
    pairs = zip(ours, theirs, strict=True)
    return all(np.allclose(a, np.asarray(b), rtol=1e-8, atol=1e-10) for a, b in pairs)


def engine_rows(width: int) -> Iterator[Row]:
    """Loss and gradients of a small perceptron, by the engine and by torch's autograd."""
    parts = ("gates", "functions", "arrays", "copies", "order", "push")
    chapter = load("08_backprop", *(f"engine-{part}" for part in parts), "engine")
    rng = np.random.default_rng(0)
    for name, samples, hidden in (("small", 4, 8), ("batch", 256, width)):
        x, first = rng.normal(size=(samples, 64)), 0.1 * rng.normal(size=(64, hidden))
        last = 0.1 * rng.normal(size=(hidden, 10))

        def ours(x=x, first=first, last=last):
            weights = [chapter.Value(first), chapter.Value(last)]
            logits = (chapter.Value(x) @ weights[0]).relu() @ weights[1]
            loss = logits.exp().sum(axis=1).log().sum()
            loss.backward()
            return [loss.data, *[each.grad for each in weights]]

        def theirs(x=x, first=first, last=last):
            weights = [torch.tensor(each, requires_grad=True) for each in (first, last)]
            loss = (
                (torch.relu(torch.tensor(x) @ weights[0]) @ weights[1]).exp().sum(dim=1).log().sum()
            )
            loss.backward()
            return [loss.detach(), *[each.grad for each in weights]]

        shape = f"{samples} x 64 - {hidden} - 10"
        yield Row(f"autograd engine, {name}, {shape}", "torch", ours, theirs, same)


def convolution_rows(side: int) -> Iterator[Row]:
    """Convolution layer, forward and backward, and batch normalisation."""
    cells = ("conv-forward", "conv-backward", "batch-norm", "batch-norm-backward")
    chapter = load("09_convolution", *cells)
    rng = np.random.default_rng(1)
    x, weight = rng.normal(size=(8, 16, side, side)), rng.normal(size=(32, 16, 3, 3))
    bias, upstream = rng.normal(size=32), rng.normal(size=(8, 32, side, side))
    tensors = [torch.tensor(each) for each in (x, weight, bias)]
    shape = f"8 x 16 x {side} x {side} to 32 maps"

    def backward():
        given = [each.clone().requires_grad_() for each in tensors]
        functional.conv2d(*given, padding=1).backward(torch.tensor(upstream))
        return [each.grad for each in given]

    yield Row(
        f"convolution 3 x 3, forward, {shape}",
        "torch",
        lambda: [chapter.conv2d(x, weight, bias, padding=1)],
        lambda: [functional.conv2d(*tensors, padding=1)],
        same,
    )
    yield Row(
        f"convolution 3 x 3, forward and backward, {shape}",
        "torch",
        lambda: (
            chapter.conv2d(x, weight, bias, padding=1),
            chapter.conv2d_backward(upstream, x, weight, padding=1),
        )[1],
        backward,
        same,
    )

    def our_norm():
        layer = chapter.BatchNorm(32)
        out = layer.forward(upstream, training=True)
        return [out, chapter.batch_norm_backward(layer, out)[0]]

    def their_norm():
        given = torch.tensor(upstream).requires_grad_()
        out = functional.batch_norm(given, None, None, torch.ones(32).double(), training=True)
        out.backward(out.detach())
        return [out.detach(), given.grad]

    work = f"batch norm, forward and backward, 8 x 32 x {side} x {side}"
    yield Row(work, "torch", our_norm, their_norm, same)


def cost_rows() -> Iterator[Row]:
    """FLOPs of a network's convolutions and dense layers, by the table and by torch's counter."""
    chapter = load("10_architectures", "cost-row", "cost-counts", "cost-table")
    for name in ("alexnet", "resnet34"):
        side = 227 if name == "alexnet" else 224
        with torch.device("meta"):
            model, image = nets.build(name).eval(), torch.empty(1, 3, side, side)

        def ours(model=model, side=side):
            rows = chapter.cost_table(model, (3, side, side))
            return [sum(row.flops for row in rows if row.name.startswith(("conv", "fc")))]

        def theirs(model=model, image=image):
            with FlopCounterMode(display=False) as counter:
                model(image)
            return [counter.get_total_flops()]

        yield Row(f"cost table of {name}", "torch's FLOP counter", ours, theirs, same)


def correlation_rows(side: int) -> Iterator[Row]:
    """The layer that compares two maps, forward and backward, against windows cut by torch."""
    generator = torch.Generator().manual_seed(3)
    a, b = torch.randn(2, 8, 16, side, side, generator=generator)
    upstream = torch.randn(8, 49, side, side, generator=generator)

    def ours():
        given = [each.clone().requires_grad_() for each in (a, b)]
        found = nets.correlation(*given, range(-3, 4), range(-3, 4))
        found.backward(upstream)
        return [found.detach(), *[each.grad for each in given]]

    def theirs():
        given = [each.clone().requires_grad_() for each in (a, b)]
        windows = functional.unfold(given[1], 7, padding=3).view(8, 16, 49, side, side)
        found = (given[0][:, :, None] * windows).mean(1)
        found.backward(upstream)
        return [found.detach(), *[each.grad for each in given]]

    def agree(ours, theirs):
        pairs = zip(ours, theirs, strict=True)
        return all(torch.allclose(p, q, rtol=1e-4, atol=1e-5) for p, q in pairs)

    work = f"correlation, forward and backward, 8 x 16 x {side} x {side}, 49 displacements"
    yield Row(work, "torch's unfold", ours, theirs, agree)


def main() -> None:
    """Print the table."""
    asked = options(
        __doc__,
        side=(32, 1, "side of the feature maps"),
        width=(256, 1, "hidden units of the engine's batch"),
    )
    torch.set_num_threads(1)
    print(conditions(("numpy", "torch"), asked.repeats, "double precision"), end="\n\n")
    groups = (
        lambda: engine_rows(asked.width),
        lambda: convolution_rows(asked.side),
        cost_rows,
        lambda: correlation_rows(asked.side),
    )
    print_table(groups, asked.only, asked.repeats)


if __name__ == "__main__":
    main()
