"""Right answers to the tasks on boosting and cascades."""

from __future__ import annotations

import numpy as np

from right_answers import answers


@answers("rectangle-sum")
def box_by_box(S, boxes):
    sums = []
    for left, top, right, bottom in boxes:
        strip = S[:, right] - S[:, left]
        sums.append(strip[bottom] - strip[top])
    return np.array(sums)


@answers("rectangle-sum")
def pixels_recovered(S, boxes):
    image = np.diff(np.diff(S, axis=0), axis=1)
    return np.array([image[t:b, x:r].sum() for x, t, r, b in boxes.tolist()])


@answers("adaboost-step")
def halves_shared_out(votes, labels, weights):
    wrong = votes * labels < 0
    error = float(weights[wrong].sum())
    if not 1e-12 < error < 0.5 - 1e-12:
        raise ValueError(error)
    return np.log(1 / error - 1) / 2, weights / np.where(wrong, 2 * error, 2 * (1 - error))


@answers("adaboost-step")
def sample_by_sample(votes, labels, weights):
    error = sum(w for v, y, w in zip(votes, labels, weights, strict=True) if v != y)
    if error <= 1e-12 or error >= 0.5 - 1e-12:
        raise ValueError("no better than a coin, or perfect")
    ratio = ((1 - error) / error) ** 0.5
    new = [
        w / ratio if v == y else w * ratio for v, y, w in zip(votes, labels, weights, strict=True)
    ]
    return np.log(ratio), np.array(new) / sum(new)


@answers("cascade-predict")
def passes_accumulated(scores, thresholds, features):
    passes = np.logical_and.accumulate(scores >= np.asarray(thresholds)[:, None], axis=0)
    shown = np.vstack([np.ones_like(passes[:1]), passes[:-1]])
    return passes[-1], np.asarray(features) @ shown


@answers("cascade-predict")
def window_by_window(scores, thresholds, features):
    accepted, cost = [], []
    for column in scores.T:
        spent, stage = 0, 0
        while stage < len(column):
            spent += features[stage]
            if column[stage] < thresholds[stage]:
                break
            stage += 1
        accepted.append(stage == len(column))
        cost.append(spent)
    return np.array(accepted), np.array(cost)


@answers("plan-cascade")
def masks_instead_of_columns(faces, others, lost, alarms):
    inside, left, thresholds = np.ones(faces.shape[1], bool), np.ones(others.shape[1], bool), []
    for face, other in zip(faces, others, strict=True):
        thresholds.append(np.partition(face[inside], lost)[lost])
        inside &= face >= thresholds[-1]
        left &= other >= thresholds[-1]
        if left.sum() <= alarms:
            return thresholds
    return thresholds


@answers("plan-cascade")
def stage_after_stage(faces, others, lost, alarms):
    if len(faces) == 0:
        return []
    ordered = sorted(faces[0].tolist())
    threshold = max(t for t in ordered if sum(f < t for f in ordered) <= lost)
    kept, left = faces[1:, faces[0] >= threshold], others[1:, others[0] >= threshold]
    if left.shape[1] <= alarms:
        return [threshold]
    return [threshold, *stage_after_stage(kept, left, lost, alarms)]


@answers("best-stump")
def every_gap_at_once(values, labels, weights):
    levels = np.unique(values)
    gaps = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2])
    votes = np.where(values > gaps[:, None], 1, -1)  # (G, N)
    error = (votes != labels) @ weights
    errors = np.concatenate([error, (votes == labels) @ weights])
    best = int(errors.argmin())
    return errors[best], gaps[best % len(gaps)], 1 if best < len(gaps) else -1


@answers("best-stump")
def from_the_correlation(values, labels, weights):
    levels, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place.ravel(), weights * labels, len(levels))
    # the sum of weight times label above each gap, less that below it
    balance = mass.sum() - 2 * np.append(0.0, np.cumsum(mass)[:-1])
    best = int(np.abs(balance).argmax())
    gap = -np.inf if best == 0 else (levels[best - 1] + levels[best]) / 2
    return (1 - abs(balance[best])) / 2, gap, 1 if balance[best] > 0 else -1
