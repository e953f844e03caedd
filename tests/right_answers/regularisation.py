"""Right answers to the tasks on regularisation."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import log_softmax, rel_entr, softmax
from torch.nn import functional

from right_answers import answers


@answers("inverted-dropout")
def entry_by_entry(x, p, training, rng):
    flat = []
    for value in x.ravel():
        if not training:
            flat.append(value)
        elif rng.random() < p:
            flat.append(0.0)
        else:
            flat.append(value / (1 - p))
    return np.reshape(flat, x.shape)


@answers("inverted-dropout")
def by_an_index(x, p, training, rng):
    out = np.array(x, dtype=float)
    if training:
        out[rng.random(size=x.shape) < p] = 0
        out *= 1 / (1 - p)
    return out


@answers("label-smoothing")
def smoothed_rows(logits, labels, smoothing):
    classes = logits.shape[1]
    targets = (1 - smoothing) * np.eye(classes)[labels] + smoothing / classes
    return float(np.mean(-np.sum(targets * log_softmax(logits, axis=1), axis=1)))


@answers("label-smoothing")
def smoothed_by_torch(logits, labels, smoothing):
    logits, labels = torch.tensor(logits), torch.tensor(labels)
    return functional.cross_entropy(logits, labels, label_smoothing=smoothing).item()


@answers("mixup-batch")
def blended_one_by_one(images, labels, classes, alpha, rng):
    weight = rng.beta(alpha, alpha)
    order = list(rng.permutation(len(images)))
    mixed, targets = np.empty(images.shape), np.zeros((len(images), classes))
    for n, partner in enumerate(order):
        mixed[n] = images[partner] + weight * (images[n] - images[partner])
        targets[n, labels[n]] += weight
        targets[n, labels[partner]] += 1 - weight
    return mixed, targets


@answers("mixup-batch")
def blended_by_a_matrix(images, labels, classes, alpha, rng):
    weight = rng.beta(alpha, alpha)
    n = len(images)
    blend = weight * np.eye(n) + (1 - weight) * np.eye(n)[rng.permutation(n)]
    hot = (labels[:, None] == np.arange(classes)).astype(float)
    return np.tensordot(blend, images, axes=1), blend @ hot


@answers("distillation-loss")
def divergence_by_scipy(student, teacher, labels, temperature, weight):
    log_q = log_softmax(student / temperature, axis=1)
    p = softmax(teacher / temperature, axis=1)
    soft = (rel_entr(p, 1.0) - p * log_q).sum() / len(labels)
    hard = -np.take_along_axis(log_softmax(student, axis=1), labels[:, None], axis=1).mean()
    return weight * temperature**2 * soft + (1 - weight) * hard


@answers("distillation-loss")
def divergence_by_torch(student, teacher, labels, temperature, weight):
    student, teacher, labels = map(torch.tensor, (student, teacher, labels))
    log_p, log_q = ((scores / temperature).log_softmax(1) for scores in (teacher, student))
    soft = functional.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    hard = functional.cross_entropy(student, labels)
    return (weight * temperature * temperature * soft + (1 - weight) * hard).item()


@answers("ema-update")
def moved_towards_the_parameters(average, parameters, decay):
    updated = {}
    for name in average:
        updated[name] = average[name] + (1 - decay) * (parameters[name] - average[name])
    return updated


@answers("ema-update")
def averaged_by_numpy(average, parameters, decay):
    return {
        name: np.average([value, parameters[name]], axis=0, weights=[decay, 1 - decay])
        for name, value in average.items()
    }
