"""Right answers to the tasks on regularisation."""

from __future__ import annotations

import numpy as np
from scipy import stats

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


@answers("distillation", log_softmax)
def divergence_as_cross_entropy_less_entropy(student, teacher, labels, temperature, weight):
    n, hot = len(labels), np.eye(student.shape[1])[labels]
    log_q, log_p = log_softmax(student / temperature), log_softmax(teacher / temperature)
    soft = (np.einsum("nc,nc->n", np.exp(log_p), log_p) - np.sum(np.exp(log_p) * log_q, 1)).mean()
    hard = -np.take_along_axis(log_softmax(student), labels[:, None], axis=1).mean()
    loss = weight * temperature**2 * soft + (1 - weight) * hard
    slope = weight * temperature * (np.exp(log_q) - np.exp(log_p)) / n
    return loss, slope + (1 - weight) * (np.exp(log_softmax(student)) - hot) / n


@answers("distillation")
def distilled_sample_by_sample(student, teacher, labels, temperature, weight):
    def logs(scores):
        gaps = scores - max(scores)
        return gaps - np.log(sum(np.exp(gaps)))

    total, gradient = 0.0, np.zeros(student.shape)
    for n, label in enumerate(labels):
        log_p, log_q = logs(teacher[n] / temperature), logs(student[n] / temperature)
        total += weight * temperature * temperature * np.exp(log_p) @ (log_p - log_q)
        total -= (1 - weight) * logs(student[n])[label]
        gradient[n] = weight * temperature * (np.exp(log_q) - np.exp(log_p))
        gradient[n] += (1 - weight) * np.exp(logs(student[n]))
        gradient[n, label] -= 1 - weight
    return total / len(labels), gradient / len(labels)


@answers("choose-technique")
def by_a_sorted_list(scores, cost, budget):
    candidates = [("plain", 0.0, 0.0)]
    for name in sorted(scores):
        gains = scores[name] - scores["plain"]
        if np.any(gains) and cost[name] <= budget:
            n = gains.size
            error = np.sqrt(np.sum((gains - gains.mean()) ** 2) / (n - 1) / n)
            half = stats.t(n - 1).ppf(0.975) * error
            if gains.mean() - half > 0:
                candidates.append((name, gains.mean(), half))
    return max(candidates, key=lambda candidate: candidate[1])


@answers("choose-technique")
def by_the_test_of_the_library(scores, cost, budget):
    chosen = ("plain", 0.0, 0.0)
    for name, values in scores.items():
        if name != "plain" and cost[name] <= budget:
            interval = stats.ttest_rel(values, scores["plain"]).confidence_interval(0.95)
            middle = (interval.low + interval.high) / 2
            if interval.low > 0 and middle > chosen[1]:
                chosen = (name, middle, interval.high - middle)
    return list(chosen)


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
