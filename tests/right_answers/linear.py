"""Right answers to the tasks on linear classifiers."""

from __future__ import annotations

import numpy as np

from right_answers import answers

# Right answers in other styles, in the form of tests/test_probes.py (imports there: numpy as np).


@answers("softmax")
def one_row_after_the_other(scores):
    """Plain Python; lists of numbers."""
    from math import exp

    rows = []
    for row in scores:
        top = max(row)
        powers = [exp(score - top) for score in row]
        rows.append([power / sum(powers) for power in powers])
    return rows


@answers("softmax")
def softmax_by_torch(values):
    import torch

    return torch.softmax(torch.as_tensor(values, dtype=torch.float64), dim=-1)


@answers("softmax")
def exponential_of_the_log_softmax(scores):
    log_total = np.logaddexp.reduce(scores.astype(float), axis=1)
    return np.exp(scores - log_total[:, np.newaxis])


@answers("cross-entropy-gradient")
def one_hot_and_einsum(X, y, theta):
    from scipy.special import softmax as library_softmax

    targets = np.eye(theta.shape[1])[y]
    return np.einsum("nd,nc->dc", X, library_softmax(X @ theta, axis=1) - targets) / X.shape[0]


@answers("cross-entropy-gradient")
def sample_by_sample(inputs, labels, weights):
    total = np.zeros(weights.shape)
    for x, label in zip(inputs, labels, strict=True):
        scores = x @ weights
        p = np.exp(scores - scores.max())
        p /= p.sum()
        p[label] -= 1.0
        total += np.outer(x, p)
    return total / len(labels)


@answers("cross-entropy-gradient")
def automatic_gradient(X, y, theta):
    import torch

    leaf = torch.tensor(theta, requires_grad=True)
    torch.nn.functional.cross_entropy(torch.tensor(X) @ leaf, torch.tensor(y)).backward()
    return leaf.grad


@answers("hinge-loss")
def hinge_by_loops(X, y, theta, margin=1.0):
    loss, gradient = 0.0, np.zeros(theta.shape)
    for x, label in zip(X, y, strict=True):
        scores = theta.T @ x
        for rival in range(theta.shape[1]):
            lacking = scores[rival] - scores[label] + margin
            if rival != label and lacking > 0:
                loss += lacking / len(X)
                gradient[:, rival] += x / len(X)
                gradient[:, label] -= x / len(X)
    return loss, gradient


@answers("hinge-loss")
def hinge_by_masks(X, y, theta, delta=1):
    true = np.arange(theta.shape[1]) == y[:, None]
    scores = X @ theta
    lead = scores - (scores * true).sum(axis=1, keepdims=True) + delta
    violated = (lead > 0) & ~true
    pulls = violated - true * violated.sum(axis=1, keepdims=True)
    return [lead[violated].sum() / X.shape[0], (pulls.T @ X).T / X.shape[0]]


@answers("elastic-net-gradient")
def slope_by_comparison(theta, strength, mix):
    slope = (theta > 0).astype(float) - (theta < 0)
    return strength * mix * slope + strength * (1 - mix) * theta


@answers("elastic-net-gradient")
def entry_by_entry(theta, lam, alpha):
    gradient = np.zeros_like(theta)
    for index, value in np.ndenumerate(theta):
        side = 0 if value == 0 else value / abs(value)
        gradient[index] = lam * (alpha * side + (1 - alpha) * value)
    return gradient
