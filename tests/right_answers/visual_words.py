"""Right answers to the tasks on visual words."""

from __future__ import annotations

import numpy as np

from right_answers import answers


@answers("bag-of-words")
def bag_descriptor_by_descriptor(descriptors, centres):
    bag = np.zeros(len(centres))
    for descriptor in descriptors:
        bag[np.linalg.norm(centres - descriptor, axis=1).argmin()] += 1
    return bag / len(descriptors) if len(descriptors) else bag


@answers("bag-of-words")
def bag_by_products(descriptors, centres):
    scores = descriptors @ centres.T - 0.5 * (centres**2).sum(axis=1)  # nearest: largest
    names = scores.argmax(axis=1)
    return [float((names == k).sum()) / max(1, names.size) for k in range(len(centres))]


@answers("hog-cell")
def shares_as_tents(gx, gy, bins=9):
    """Each bin takes from each pixel what its tent over the circle of orientations gives."""
    width = 180 / bins
    degrees = np.rad2deg(np.arctan2(gy, gx)).reshape(-1, 1)
    apart = np.abs(degrees - (np.arange(bins) + 0.5) * width) % 180
    apart = np.minimum(apart, 180 - apart)
    votes = np.maximum(0, 1 - apart / width) * np.sqrt(gx**2 + gy**2).reshape(-1, 1)
    histogram = votes.sum(axis=0)
    norm = np.sqrt((histogram**2).sum())
    return np.divide(histogram, norm, out=np.zeros(bins), where=norm > 0)


@answers("hog-cell")
def pixel_by_pixel(gx, gy, bins=9):
    import math

    histogram = [0.0] * bins
    for a, b in zip(np.ravel(gx).tolist(), np.ravel(gy).tolist(), strict=True):
        place = (math.atan2(b, a) + math.pi) * bins / math.pi + bins - 0.5
        first = math.floor(place)
        histogram[first % bins] += (first + 1 - place) * math.hypot(a, b)
        histogram[(first + 1) % bins] += (place - first) * math.hypot(a, b)
    length = math.sqrt(sum(v * v for v in histogram))
    return [v / length for v in histogram] if length else histogram


@answers("k-means")
def update_by_one_hot(points, centres, rounds):
    points, centres = np.asarray(points, float), np.asarray(centres, float)

    def gaps():
        return np.linalg.norm(points[None] - centres[:, None], axis=-1)  # (K, N)

    for _ in range(rounds):
        distance = gaps()
        member = distance.argmin(axis=0) == np.arange(len(centres))[:, None]
        counts = member.sum(axis=1)
        order = np.argsort(distance.min(axis=0), kind="stable")[::-1]
        empty = np.flatnonzero(counts == 0)
        centres = member @ points / np.maximum(counts, 1)[:, None]
        centres[empty] = points[order[: len(empty)]]
    return [centres, gaps().argmin(axis=0)]


@answers("k-means")
def lists_of_members(points, centres, rounds):
    def labelled(centres):
        pairs = []
        for point in points:
            gaps = [float(((point - centre) ** 2.0).sum()) for centre in centres]
            pairs.append((min(gaps), gaps.index(min(gaps))))
        return pairs

    centres = [centre * 1.0 for centre in centres]
    for _ in range(rounds):
        pairs = labelled(centres)
        far = sorted(range(len(points)), key=lambda n: pairs[n][0])
        for k in range(len(centres)):
            members = [point for point, (_, label) in zip(points, pairs, strict=True) if label == k]
            centres[k] = sum(members) / len(members) if members else points[far.pop()] * 1.0
    return np.stack(centres), [label for _, label in labelled(centres)]


@answers("vlad")
def vlad_word_by_word(descriptors, centres):
    sums = np.zeros_like(centres, dtype=float)
    for descriptor in descriptors:
        k = np.argmin(np.linalg.norm(centres - descriptor, axis=1))
        sums[k] += descriptor - centres[k]
    flat = sums.flatten()
    flat = np.copysign(np.abs(flat) ** 0.5, flat)
    total = np.sqrt(flat @ flat)
    return flat if total == 0 else flat / total


@answers("vlad")
def vlad_by_matrices(descriptors, centres):
    scores = descriptors @ centres.T - 0.5 * np.square(centres).sum(axis=1)  # nearest: largest
    member = np.eye(len(centres))[np.argmax(scores, axis=1)]  # (N, K)
    sums = member.T @ descriptors - member.sum(axis=0)[:, None] * centres
    rooted = np.where(sums < 0, -1, 1) * np.sqrt(np.abs(sums))
    return rooted.reshape(-1) / (np.linalg.norm(rooted) or 1.0)


@answers("choose-ratio")
def ratios_from_a_table(queries, gallery, truth, ratios, purity):
    distances = np.linalg.norm(queries[:, None] - gallery, axis=-1)
    order = np.argsort(distances, axis=1)
    two = np.take_along_axis(distances, order[:, :2], axis=1)
    right = order[:, 0] == truth
    ratios = np.sort(np.asarray(ratios, dtype=float))
    kept = two[:, :1] < ratios * two[:, 1:]  # (N, ratios)
    true, count = (kept & right[:, None]).sum(axis=0), kept.sum(axis=0)
    enough = (count > 0) & (true / np.maximum(count, 1) >= purity)
    if not enough.any():
        return [0, 0, 0]
    best = np.where(enough, true, -1).argmax()
    return [float(ratios[best]), int(true[best]), int(count[best])]


@answers("choose-ratio")
def ratios_query_by_query(queries, gallery, truth, ratios, purity):
    quotients = []
    for query, partner in zip(queries, truth, strict=True):
        gaps = sorted((float(((query - g) ** 2).sum()) ** 0.5, m) for m, g in enumerate(gallery))
        quotients.append((gaps[0][0] / gaps[1][0], gaps[0][1] == partner))
    choices = []
    for ratio in ratios:
        kept = [right for quotient, right in quotients if quotient < ratio]
        if kept and sum(kept) / len(kept) >= purity:
            choices.append((-sum(kept), ratio, len(kept)))
    if not choices:
        return 0, 0, 0
    true, ratio, kept = min(choices)
    return ratio, -true, kept


@answers("fisher-means")
def gaussian_by_gaussian(descriptors, weights, means, variances):
    logs = []
    for w, mean, variance in zip(weights, means, variances, strict=True):
        exponent = -((descriptors - mean) ** 2 / (2 * variance)).sum(axis=1)
        logs.append(exponent + np.log(w) - 0.5 * np.log(variance).sum())
    total = np.logaddexp.reduce(logs, axis=0)
    found = []
    for log, w, mean, variance in zip(logs, weights, means, variances, strict=True):
        gamma = np.exp(log - total)
        found.extend(gamma @ (descriptors - mean) / (len(gamma) * np.sqrt(w * variance)))
    return found


@answers("fisher-means")
def posteriors_as_softmax(descriptors, weights, means, variances):
    inverse = 1 / variances
    scores = descriptors @ (means * inverse).T - 0.5 * descriptors**2 @ inverse.T
    scores += np.log(weights) - 0.5 * (means**2 * inverse + np.log(variances)).sum(axis=1)
    gamma = np.exp(scores - scores.max(axis=1)[:, None])
    gamma = gamma / gamma.sum(axis=1)[:, None]
    first = gamma.T @ descriptors - gamma.sum(axis=0)[:, None] * means
    return np.ravel(first * np.sqrt(inverse) / np.sqrt(weights)[:, None]) / descriptors.shape[0]
