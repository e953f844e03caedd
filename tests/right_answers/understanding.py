"""Right answers to the tasks on understanding networks and reusing them."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import nn

from right_answers import answers


@answers("saliency")
def saliency_image_by_image(model, images, classes):
    maps = []
    for image, label in zip(images, classes.tolist(), strict=True):
        leaf = image.detach()[None].clone().requires_grad_(True)
        model(leaf)[0, label].backward()
        maps.append(leaf.grad[0].abs().max(dim=0).values)
    return torch.stack(maps)


@answers("saliency")
def saliency_by_a_vector_product(model, images, classes):
    leaf = images.clone().detach().requires_grad_()
    scores = model(leaf)
    chosen = nn.functional.one_hot(classes, scores.shape[1]).to(scores.dtype)
    (gradient,) = torch.autograd.grad(scores, leaf, grad_outputs=chosen)
    return torch.maximum(gradient.amax(1), -gradient.amin(1))


@answers("grad-cam")
def cam_by_two_hooks(model, layer, images, classes):
    kept = {}

    def forward(module, inputs, output):
        kept["activations"] = output
        output.register_hook(lambda gradient: kept.update(gradient=gradient))

    handle = layer.register_forward_hook(forward)
    scores = model(images.clone().requires_grad_())
    handle.remove()
    scores[torch.arange(len(images)), classes].sum().backward()
    model.zero_grad()
    weights = kept["gradient"].flatten(2).mean(2)
    combined = torch.einsum("nk,nkhw->nhw", weights, kept["activations"].detach())
    return combined.clamp_min(0)


@answers("grad-cam")
def cam_image_by_image(model, layer, images, classes):
    maps = []
    for image, label in zip(images, classes.tolist(), strict=True):
        kept = []
        handle = layer.register_forward_hook(lambda m, i, out, kept=kept: kept.append(out))
        score = model(image[None].clone().requires_grad_())[0, label]
        handle.remove()
        gradient = torch.autograd.grad(score, kept[0])[0][0].numpy()
        activations = kept[0][0].detach().numpy()
        combined = np.zeros_like(activations[0])
        for channel, slope in zip(activations, gradient, strict=True):
            combined += slope.mean() * channel
        maps.append(torch.from_numpy(np.maximum(combined, 0)))
    return torch.stack(maps)


@answers("freeze")
def freeze_part_by_part(model, backbone):
    inside = set(backbone.modules())
    for part in model.modules():
        part.training = part not in inside
    for parameter in backbone.parameters():
        parameter.requires_grad = False
    return list(filter(lambda parameter: parameter.requires_grad, model.parameters()))


@answers("freeze")
def freeze_by_identity(model, backbone):
    model.train(True)
    backbone.train(False)
    frozen = set()
    for parameter in backbone.parameters():
        parameter.requires_grad_(False)
        frozen.add(id(parameter))
    return [parameter for parameter in model.parameters() if id(parameter) not in frozen]


@answers("linear-probe")
def probe_by_singular_values(features, labels, new_features, classes, ridge=1.0):
    mean, spread = features.mean(axis=0, keepdims=True), features.std(axis=0, keepdims=True)
    spread = spread + (spread == 0)
    targets = (labels[:, None] == np.arange(classes)).astype(float)
    left, size, right = np.linalg.svd((features - mean) / spread, full_matrices=False)
    weights = (right.T * (size / (size**2 + ridge))) @ (left.T @ targets)
    return targets.mean(axis=0) + ((new_features - mean) / spread) @ weights


@answers("linear-probe")
def probe_by_stacked_equations(features, labels, new_features, classes, ridge=1.0):
    mean, spread = np.mean(features, 0), np.std(features, 0)
    spread[spread == 0] = 1
    scaled, dims = (features - mean) / spread, features.shape[1]
    targets = np.zeros((len(labels), classes))
    targets[np.arange(len(labels)), labels] = 1
    top = np.column_stack([scaled, np.ones(len(labels))])
    bottom = np.column_stack([np.sqrt(ridge) * np.eye(dims), np.zeros(dims)])
    system = np.vstack([top, bottom])
    wanted = np.vstack([targets, np.zeros((dims, classes))])
    solution = np.linalg.lstsq(system, wanted, rcond=None)[0]
    return np.column_stack([(new_features - mean) / spread, np.ones(len(new_features))]) @ solution


@answers("choose-explanation")
def choose_by_rows_of_ranks(maps, shuffled_maps, masks, limit):
    count = len(maps)
    heats = maps.reshape(count, len(masks), -1)
    flat = masks.reshape(len(masks), -1)
    highest = heats == heats.max(axis=2, keepdims=True)
    points = ((highest & flat).sum(axis=2) / highest.sum(axis=2)).mean(axis=1)
    centred = []
    for stack in (heats, shuffled_maps.reshape(heats.shape)):
        ranks = stats.rankdata(stack, axis=2)
        centred.append(ranks - ranks.mean(axis=2, keepdims=True))
    norms = np.linalg.norm(centred[0], axis=2) * np.linalg.norm(centred[1], axis=2)
    defined = norms > 1e-9
    correlations = (centred[0] * centred[1]).sum(axis=2) / np.where(defined, norms, 1)
    total = np.where(defined, correlations, 0).sum(axis=1)
    honest = defined.any(axis=1) & (total <= limit * defined.sum(axis=1))
    return int(np.where(honest, points, -1).argmax()) if honest.any() else None


@answers("choose-explanation")
def choose_by_counting_smaller_values(maps, shuffled_maps, masks, limit):
    def ranks(heat):
        values = heat.ravel()
        smaller = (values[None] < values[:, None]).sum(axis=1)
        return smaller + ((values[None] == values[:, None]).sum(axis=1) + 1) / 2

    candidates = []
    for index in range(len(maps)):
        found, points = [], []
        for heat, other, mask in zip(maps[index], shuffled_maps[index], masks, strict=True):
            top = np.argwhere(heat == heat.max())
            points.append(sum(bool(mask[tuple(place)]) for place in top) / len(top))
            if len(np.unique(heat)) > 1 and len(np.unique(other)) > 1:
                found.append(np.corrcoef(ranks(heat), ranks(other))[0, 1])
        if found and sum(found) / len(found) <= limit:
            candidates.append((-sum(points), index))
    return min(candidates)[1] if candidates else None
