"""Right answers to the tasks on normals, depth scores, the scale, cues, coarse to fine."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from right_answers import answers


@answers("normals-from-lights")
def normals_by_the_library(views, lights):
    flat = views.reshape(len(views), -1)
    g = np.linalg.lstsq(lights, flat, rcond=None)[0].T.reshape(*views.shape[1:], 3)
    albedo = np.sqrt((g * g).sum(axis=2))
    normals = np.zeros_like(g)
    np.divide(g, albedo[..., None], out=normals, where=albedo[..., None] > 0)
    return albedo, normals


@answers("normals-from-lights")
def normals_pixel_by_pixel(views, lights):
    height, width = views.shape[1:]
    albedo, normals = np.zeros((height, width)), np.zeros((height, width, 3))
    square = np.linalg.inv(lights.T @ lights)
    for v in range(height):
        for u in range(width):
            g = square @ (lights.T @ views[:, v, u])
            albedo[v, u] = np.linalg.norm(g)
            if albedo[v, u] > 0:
                normals[v, u] = g / albedo[v, u]
    return albedo, normals


@answers("depth-metrics")
def metrics_by_loops(predicted, actual, cap=80.0, median=False):
    flat = zip(predicted.ravel().tolist(), actual.ravel().tolist(), strict=True)
    pairs = [(p, a) for p, a in flat if 0 < a <= cap]
    scale = 1.0
    if median:
        scale = np.median([a for _, a in pairs]) / np.median([p for p, _ in pairs])
    pairs = [(min(scale * p, cap), a) for p, a in pairs]
    sums = [0.0, 0.0, 0.0, 0.0]
    for p, a in pairs:
        sums[0] += abs(p / a - 1)
        sums[1] += (p - a) ** 2
        sums[2] += np.log(p / a) ** 2
        sums[3] += 1 / 1.25 < p / a < 1.25
    first, second, third, last = (each / len(pairs) for each in sums)
    return [first, second**0.5, third**0.5, last]


@answers("depth-metrics")
def metrics_by_logarithms(predicted, actual, cap=80.0, median=False):
    counts = np.flatnonzero((actual.ravel() > 0) & (actual.ravel() <= cap))
    p, a = predicted.ravel().take(counts), actual.ravel().take(counts)
    p = np.clip(p * np.median(a) / np.median(p) if median else p, None, cap)
    logs = np.log(p / a)
    return np.stack(
        [
            abs(np.expm1(logs)).mean(),
            np.linalg.norm(p - a) / len(a) ** 0.5,
            np.sqrt(np.mean(logs * logs)),
            (abs(logs) < np.log(1.25)).mean(),
        ]
    )


@answers("scale-invariant-loss")
def loss_image_by_image(log_p, actual, strength=0.5):
    losses = []
    for said, depth in zip(log_p, actual, strict=True):
        d = said[depth > 0] - depth[depth > 0].log()
        losses.append((d**2).mean() - strength * d.mean() ** 2)
    return torch.stack(losses)


@answers("scale-invariant-loss")
def loss_by_variance(log_p, actual, strength=0.5):
    valid = (actual > 0).to(log_p.dtype)
    n = valid.sum(dim=(1, 2), keepdim=True)
    d = (log_p - actual.clamp(min=1e-6).log()) * valid
    mean = d.sum(dim=(1, 2), keepdim=True) / n
    spread = ((d - mean) ** 2 * valid).sum(dim=(1, 2), keepdim=True) / n
    return (spread + (1 - strength) * mean**2).flatten()


@answers("believed-cue")
def cue_image_by_image(predict, plain, edits, factor, floor=0.1):
    def one(pair, n):
        return float(np.mean(predict(pair[0])[n][pair[1][n]]))

    responses = {}
    for name, pair in edits.items():
        moves = [one(pair, n) - one(plain, n) for n in range(len(plain[0]))]
        responses[name] = sum(moves) / len(moves) / np.log(factor)
    strongest, name = max((abs(value), name) for name, value in responses.items())
    return responses, name if strongest >= floor else "none"


@answers("believed-cue")
def cue_by_weights(predict, plain, edits, factor, floor=0.1):
    def level(images, masks):
        shares = masks / masks.sum(axis=(1, 2), keepdims=True)
        return np.einsum("nhw,nhw->", shares, predict(images)) / len(images)

    base = level(*plain)
    names = list(edits)
    values = np.array([level(*edits[name]) - base for name in names]) / np.log(factor)
    best = int(np.argmax(abs(values)))
    decision = "none" if abs(values[best]) < floor else names[best]
    return dict(zip(names, values.tolist(), strict=True)), decision


@answers("coarse-to-fine")
def fine_with_a_detached_map(coarse, see, edit, images):
    modes = [(part, part.training) for part in coarse.modules()]
    rough = coarse.eval()(images).detach()
    for part, mode in modes:
        part.training = mode
    maps = see(images)
    stretched = torch.nn.Upsample(size=tuple(maps.shape[2:]), mode="bilinear")(rough)
    return edit(torch.cat((maps, stretched), 1))


@answers("coarse-to-fine")
def fine_written_into_one_array(coarse, see, edit, images):
    was = coarse.training
    with torch.inference_mode():
        rough = coarse.train(False)(images)
    coarse.train(was)
    maps = see(images)
    n, channels, height, width = maps.shape
    rough = F.interpolate(rough.clone(), (height, width), mode="bilinear", align_corners=False)
    stack = maps.new_zeros(n, channels + 1, height, width)
    stack[:, :channels] = maps
    stack[:, channels:] = rough
    return edit(stack)
