"""Right answers to the tasks on optimisation."""

from __future__ import annotations

import numpy as np

from right_answers import answers


@answers("sgd-momentum-step")
def momentum_on_copies(theta, velocity, gradient, rate, momentum):
    velocity, theta = velocity.copy(), theta.copy()
    velocity *= momentum
    velocity -= rate * gradient
    theta += velocity
    return theta, velocity


@answers("sgd-momentum-step")
def momentum_entry_by_entry(theta, velocity, gradient, rate, momentum):
    moved, faster = np.empty_like(theta), np.empty_like(theta)
    for index in np.ndindex(theta.shape):
        faster[index] = momentum * velocity[index] - rate * gradient[index]
        moved[index] = theta[index] + faster[index]
    return [moved, faster]


@answers("nesterov-step")
def look_ahead_on_copies(gradient_at, theta, velocity, rate, momentum):
    ahead = np.array(theta)
    ahead += momentum * velocity
    slope = gradient_at(ahead)
    return ahead - rate * slope, momentum * velocity - rate * slope


@answers("nesterov-step")
def look_ahead_nudged_and_undone(gradient_at, theta, velocity, rate, momentum):
    here = theta.copy()
    here += velocity * momentum
    new = np.subtract(np.multiply(momentum, velocity), np.multiply(rate, gradient_at(here)))
    return [np.add(theta, new), new]


@answers("adam-step")
def adam_as_in_torch(
    theta, mean, squares, gradient, updates, rate, beta1=0.9, beta2=0.999, epsilon=1e-8
):
    mean = mean + (gradient - mean) * (1 - beta1)
    squares = beta2 * squares + (1 - beta2) * np.square(gradient)
    root = np.sqrt(squares) / np.sqrt(-np.expm1(updates * np.log(beta2))) + epsilon
    return theta - rate / (1 - beta1**updates) * (mean / root), mean, squares


@answers("adam-step")
def adam_entry_by_entry(
    theta, mean, squares, gradient, updates, rate, beta1=0.9, beta2=0.999, epsilon=1e-8
):
    theta, mean, squares = theta.copy(), mean.copy(), squares.copy()
    for index in np.ndindex(theta.shape):
        g = float(gradient[index])
        mean[index] = beta1 * mean[index] + (1 - beta1) * g
        squares[index] = beta2 * squares[index] + (1 - beta2) * g * g
        step = mean[index] / (1 - pow(beta1, updates))
        theta[index] -= rate * step / ((squares[index] / (1 - beta2**updates)) ** 0.5 + epsilon)
    return [theta, mean, squares]


@answers("gradient-check")
def nudged_in_place_and_undone(loss, gradient, theta, h=1e-5):
    slopes = []
    for index in range(theta.size):
        before = theta.flat[index]
        theta.flat[index] = before + h
        above = loss(theta)
        theta.flat[index] = before - h
        slopes.append((above - loss(theta)) / (2 * h))
        theta.flat[index] = before
    slopes = np.reshape(slopes, theta.shape)
    error = np.sqrt(((gradient - slopes) ** 2).sum())
    total = np.sqrt((gradient**2).sum()) + np.sqrt((slopes**2).sum())
    return 0 if total == 0 else error / total


@answers("gradient-check")
def rows_of_the_identity(loss, gradient, theta, h=1e-5):
    nudges = h * np.eye(theta.size).reshape(-1, *theta.shape)
    n = np.array([(loss(theta + e) - loss(theta - e)) / (2 * h) for e in nudges])
    g = np.ravel(gradient)
    lengths = np.hypot.reduce(g) + np.hypot.reduce(n)
    return np.array(np.hypot.reduce(g - n) / lengths if lengths else 0.0)


@answers("highest-stable-rate")
def from_the_whole_hessian(gradient_at, theta, rates):
    columns = []
    for index in np.ndindex(theta.shape):
        nudge = np.zeros(theta.shape)
        nudge[index] = 1e-5
        columns.append(np.ravel(gradient_at(theta + nudge) - gradient_at(theta - nudge)) / 2e-5)
    hessian = np.array(columns)
    steepest = np.linalg.eigvalsh((hessian + hessian.T) / 2).max()
    below = rates[rates * steepest < 2]
    return float(below[-1]) if below.size else 0


@answers("highest-stable-rate")
def by_trying_each_rate(gradient_at, theta, rates):
    away = 1e-6 * np.random.default_rng(1).normal(size=theta.shape)
    for rate in sorted(rates, reverse=True):
        here = theta + away
        for _ in range(800):
            here = here - rate * gradient_at(here)
            if not np.linalg.norm(here - theta) < 1e3 * np.linalg.norm(away):
                break
        if np.linalg.norm(here - theta) < np.linalg.norm(away):
            return rate
    return 0.0
