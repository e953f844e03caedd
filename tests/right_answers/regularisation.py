"""Right answers to the tasks on regularisation."""

from __future__ import annotations

import numpy as np

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
    total = np.logaddexp.reduce(logits, axis=1)  # of each row
    return float(np.mean(total - np.sum(targets * logits, axis=1)))


@answers("label-smoothing")
def smoothed_sample_by_sample(logits, labels, smoothing):
    losses = []
    for scores, label in zip(logits, labels, strict=True):
        gaps = scores - np.max(scores)
        logs = gaps - np.log(np.sum(np.exp(gaps)))
        losses.append(-(1 - smoothing) * logs[label] - smoothing * np.mean(logs))
    return sum(losses) / len(losses)


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


def log_softmax(scores):
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


@answers("distillation-loss", log_softmax)
def divergence_as_cross_entropy_less_entropy(student, teacher, labels, temperature, weight):
    log_q, log_p = log_softmax(student / temperature), log_softmax(teacher / temperature)
    soft = (np.einsum("nc,nc->n", np.exp(log_p), log_p) - np.sum(np.exp(log_p) * log_q, 1)).mean()
    hard = -np.take_along_axis(log_softmax(student), labels[:, None], axis=1).mean()
    return weight * temperature**2 * soft + (1 - weight) * hard


@answers("distillation-loss")
def divergence_sample_by_sample(student, teacher, labels, temperature, weight):
    def logs(scores):
        gaps = scores - max(scores)
        return gaps - np.log(sum(np.exp(gaps)))

    total = 0.0
    for s, v, label in zip(student, teacher, labels, strict=True):
        log_p, log_q = logs(v / temperature), logs(s / temperature)
        total += weight * temperature * temperature * np.exp(log_p) @ (log_p - log_q)
        total -= (1 - weight) * logs(s)[label]
    return total / len(labels)


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
