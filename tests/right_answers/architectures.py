"""Right answers to the tasks on architectures."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from right_answers import answers


@answers("conv-cost")
def bill_from_shapes(
    in_channels,
    out_channels,
    size,
    height,
    width,
    stride=1,
    padding=0,
    groups=1,
    bias=True,
    batch=1,
):
    image = np.broadcast_to(0, (height + 2 * padding, width + 2 * padding))
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size))[::stride, ::stride]
    group = in_channels // groups * windows.size  # products of one output channel
    activations = out_channels * windows[..., 0, 0].size
    parameters = out_channels * (in_channels * size**2 // groups) + int(bias) * out_channels
    return [activations, parameters, sum(2 * out_channels * group for _ in range(batch))]


@answers("conv-cost")
def bill_by_counting_places(
    in_channels,
    out_channels,
    size,
    height,
    width,
    stride=1,
    padding=0,
    groups=1,
    bias=True,
    batch=1,
):
    rows = len(range(0, height + 2 * padding - size + 1, stride))
    columns = len(range(0, width + 2 * padding - size + 1, stride))
    activations = np.prod([out_channels, rows, columns])
    weights = np.prod([out_channels, in_channels // groups, size, size])
    flops = 2 * weights * rows * columns * batch
    return activations, weights + (out_channels if bias else 0), flops


@answers("inception-module")
def branches_as_modules(x, one, reduce_three, three, reduce_five, five, pool):
    def layer(pair):
        weight, bias = pair
        size = weight.shape[2]
        conv = nn.Conv2d(weight.shape[1], weight.shape[0], size, padding=size // 2)
        conv.weight, conv.bias = (nn.Parameter(part.clone()) for part in (weight, bias))
        return nn.Sequential(conv, nn.ReLU())

    branches = [
        layer(one),
        nn.Sequential(layer(reduce_three), layer(three)),
        nn.Sequential(layer(reduce_five), layer(five)),
        nn.Sequential(nn.MaxPool2d(3, 1, 1), layer(pool)),
    ]
    with torch.no_grad():
        return torch.hstack([branch(x) for branch in branches])


@answers("inception-module")
def branches_written_into_the_output(x, one, reduce_three, three, reduce_five, five, pool):
    def convolve(maps, pair):
        return nn.functional.conv2d(maps, *pair, padding="same").clamp(min=0)

    widths = [len(pair[1]) for pair in (one, three, five, pool)]
    out = x.new_empty(len(x), sum(widths), *x.shape[2:])
    framed = nn.functional.pad(x, (1, 1, 1, 1), value=-torch.inf)
    largest = framed.unfold(2, 3, 1).unfold(3, 3, 1).amax(dim=(4, 5))
    parts = convolve(convolve(x, reduce_three), three), convolve(convolve(x, reduce_five), five)
    for place, part in zip(
        out.split(widths, dim=1), (convolve(x, one), *parts, convolve(largest, pool)), strict=True
    ):
        place.copy_(part)
    return out


@answers("basic-block")
def block_from_modules(x, first, second, projection=None, stride=1):
    def layer(weight, **options):
        conv = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], bias=False, **options)
        conv.weight = nn.Parameter(weight.clone())
        return conv

    branch = nn.Sequential(
        layer(first, stride=stride, padding=1), nn.ReLU(), layer(second, padding=1)
    )
    shortcut = nn.Identity() if projection is None else layer(projection, stride=stride)
    with torch.no_grad():
        return nn.functional.relu(shortcut(x) + branch(x))


@answers("basic-block")
def block_with_a_projected_grid(x, first, second, projection=None, stride=1):
    hidden = nn.functional.conv2d(x, first, None, stride, 1)
    out = nn.functional.conv2d(torch.maximum(hidden, torch.zeros_like(hidden)), second, None, 1, 1)
    if projection is not None:
        x = torch.einsum("oc,nchw->nohw", projection[:, :, 0, 0], x[:, :, ::stride, ::stride])
    return (out + x).clamp_min(0)


@answers("squeeze-excite")
def gates_image_by_image(x, W1, b1, W2, b2):
    scaled = []
    for image in x:
        means = image.flatten(1).mean(1)
        hidden = (W1 @ means + b1).clamp(min=0)
        gates = 1 / (1 + torch.exp(-(W2 @ hidden + b2)))
        scaled.append(image * gates.reshape(-1, 1, 1))
    return torch.stack(scaled)


@answers("squeeze-excite")
def gates_by_one_by_one_convolutions(x, W1, b1, W2, b2):
    means = nn.functional.adaptive_avg_pool2d(x, 1)
    hidden = nn.functional.conv2d(means, W1[:, :, None, None], b1).relu()
    return nn.functional.conv2d(hidden, W2[:, :, None, None], b2).sigmoid() * x


@answers("largest-batch")
def batch_by_trying_larger_ones(model, image_shape, memory):
    outputs = []

    def keep(module, inputs, output):
        outputs.append((type(module), output.shape[1:].numel()))

    handles = [part.register_forward_hook(keep) for part in model.modules()]
    try:
        model(torch.rand((2, *image_shape)))
    finally:
        while handles:
            handles.pop().remove()
    sizes = {nn.Conv2d: 4, nn.Linear: 4, nn.BatchNorm2d: 4, nn.MaxPool2d: 12}
    image = sum(sizes.get(kind, 0) * count for kind, count in outputs)
    left = memory - sum(3 * 4 * p.numel() for p in set(model.parameters()))
    if left < image:
        return 0
    batch = 1
    while 2 * batch * image <= left:
        batch *= 2
    step = batch
    while step:
        if (batch + step) * image <= left:
            batch += step
        step //= 2
    return batch


@answers("largest-batch")
def batch_on_shapes_alone(model, image_shape, memory):
    shadow = copy.deepcopy(model).to("meta")
    total = np.zeros(2, dtype=int)  # numbers, and places of maxima

    def bill(layer, _, output):
        pools = isinstance(layer, nn.MaxPool2d)
        total[:] += output.numel(), pools * output.numel()

    for part in shadow.modules():
        if isinstance(part, nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.MaxPool2d):
            part.register_forward_hook(bill)
    shadow(torch.empty(1, *image_shape, device="meta"))
    weights = sum(p.nelement() * p.element_size() for p in model.parameters())
    return int(max(memory - 3 * weights, 0) // (total @ [4, 8]))


@answers("basic-block-backward")
def gradients_by_transposed_convolution(x, first, second, upstream):
    def weights_of(maps, gradient):
        swapped = maps.transpose(0, 1), gradient.transpose(0, 1)
        return nn.functional.conv2d(*swapped, padding=1).transpose(0, 1)

    before = nn.functional.conv2d(x, first, padding=1)
    hidden = before.clamp(min=0)
    out = (x + nn.functional.conv2d(hidden, second, padding=1)).clamp(min=0)
    at_sum = torch.where(out > 0, upstream, torch.zeros_like(upstream))
    at_hidden = nn.functional.conv_transpose2d(at_sum, second, padding=1)
    at_hidden = torch.where(before > 0, at_hidden, torch.zeros_like(at_hidden))
    at_input = nn.functional.conv_transpose2d(at_hidden, first, padding=1)
    return [at_sum + at_input, weights_of(x, at_hidden), weights_of(hidden, at_sum)]


@answers("basic-block-backward")
def gradients_by_windows(x, first, second, upstream):
    def windows(maps):  # (N, C, H, W, 3, 3)
        padded = nn.functional.pad(maps, (1, 1, 1, 1))
        return padded.unfold(2, 3, 1).unfold(3, 3, 1)

    def forward(maps, weight):
        return torch.einsum("nchwij,ocij->nohw", windows(maps), weight)

    def back(gradient, weight):
        turned = weight.flip(2, 3)
        return torch.einsum("nohwij,ocij->nchw", windows(gradient), turned)

    hidden = forward(x, first).relu()
    gradient = upstream * (x + forward(hidden, second) > 0).to(upstream.dtype)
    inner = back(gradient, second) * (hidden > 0).to(upstream.dtype)
    d_first = torch.einsum("nohw,nchwij->ocij", inner, windows(x))
    d_second = torch.einsum("nohw,nchwij->ocij", gradient, windows(hidden))
    return gradient + back(inner, first), d_first, d_second
