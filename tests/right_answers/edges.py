"""Right answers to the tasks on edges."""

from __future__ import annotations

import numpy as np

from right_answers import answers


@answers("gradient-magnitude-direction")
def slices_without_padding(image):
    image = image.astype(np.float64)
    right = np.concatenate([image[:, 1:], image[:, -1:]], axis=1)
    left = np.concatenate([image[:, :1], image[:, :-1]], axis=1)
    below, above = np.vstack([image[1:], image[-1:]]), np.vstack([image[:1], image[:-1]])
    vector = 0.5 * (right - left) + 0.5j * (below - above)
    return [np.abs(vector), np.angle(vector)]


@answers("gradient-magnitude-direction")
def slopes_pixel_by_pixel(image):
    rows, columns = image.shape
    magnitude, direction = np.zeros((rows, columns)), np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            gx = float(image[i, min(j + 1, columns - 1)]) - float(image[i, max(j - 1, 0)])
            gy = float(image[min(i + 1, rows - 1), j]) - float(image[max(i - 1, 0), j])
            magnitude[i, j] = (gx**2 + gy**2) ** 0.5 / 2
            direction[i, j] = np.arctan2(gy, gx)
    return magnitude, direction


@answers("non-maximum-suppression")
def thinned_pixel_by_pixel(magnitude, gx, gy):
    rows, columns = magnitude.shape

    def at(i, j):
        return magnitude[i, j] if 0 <= i < rows and 0 <= j < columns else 0.0

    result = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            a, b = gx[i, j], gy[i, j]
            if a == 0 and b == 0:
                continue
            sides = []
            for sign in (-1, 1):
                x, y = j + sign * int(np.sign(a)), i + sign * int(np.sign(b))
                if abs(a) >= abs(b):
                    t = abs(b / a)
                    sides.append((1 - t) * at(i, x) + t * at(y, x))
                else:
                    t = abs(a / b)
                    sides.append((1 - t) * at(y, j) + t * at(y, x))
            if sides[0] < magnitude[i, j] >= sides[1]:
                result[i, j] = magnitude[i, j]
    return result


@answers("non-maximum-suppression")
def thinned_by_sampling(magnitude, gx, gy):
    from scipy.ndimage import map_coordinates

    step = np.stack([gy, gx])
    longest = np.abs(step).max(axis=0)
    with np.errstate(all="ignore"):
        step = np.where(longest > 0, step / longest, 0)
    padded, place = np.pad(magnitude, 2), np.indices(magnitude.shape) + 2.0
    behind, ahead = (map_coordinates(padded, place + s * step, order=1) for s in (-1, 1))
    return magnitude * ((magnitude > behind) & (magnitude >= ahead) & (longest > 0))


@answers("hysteresis")
def labelled(magnitude, low, high):
    from scipy import ndimage

    if high < low:
        raise ValueError("thresholds")
    labels, count = ndimage.label(magnitude >= low, structure=np.ones((3, 3)))
    strong = np.zeros(count + 1, dtype=bool)
    strong[labels[magnitude >= high]] = True
    strong[0] = False
    return strong[labels]


@answers("hysteresis")
def flooded_from_the_strong(magnitude, low, high):
    if low > high:
        raise ValueError("thresholds")
    kept = [[int(value >= high) for value in row] for row in magnitude]
    stack = [tuple(place) for place in np.argwhere(magnitude >= high)]
    while stack:
        i, j = stack.pop()
        for y in range(max(i - 1, 0), min(i + 2, magnitude.shape[0])):
            for x in range(max(j - 1, 0), min(j + 2, magnitude.shape[1])):
                if not kept[y][x] and magnitude[y, x] >= low:
                    kept[y][x] = 1
                    stack.append((y, x))
    return kept


@answers("hough-lines")
def votes_all_at_once(edges, angles):
    reach = int(np.ceil(np.linalg.norm(edges.shape)))
    i, j = np.where(edges != 0)
    rho = np.floor(np.outer(j, np.cos(angles)) + np.outer(i, np.sin(angles)) + 0.5).astype(int)
    flat = (rho + reach) * len(angles) + np.arange(len(angles))
    counts = np.bincount(flat.ravel(), minlength=(2 * reach + 1) * len(angles))
    return counts.reshape(2 * reach + 1, len(angles))


@answers("hough-lines")
def votes_one_by_one(edges, angles):
    import math

    height, width = edges.shape
    reach = math.ceil(math.sqrt(height**2 + width**2))
    votes = np.zeros((2 * reach + 1, len(angles)))
    for y in range(height):
        for x in range(width):
            if edges[y, x]:
                for n, angle in enumerate(angles):
                    votes[round(x * math.cos(angle) + y * math.sin(angle)) + reach, n] += 1
    return votes


@answers("choose-scale")
def scale_by_quantiles(empty_rows, bar_rows, edge, sigmas, budget):
    from scipy.ndimage import gaussian_filter1d

    thresholds, counts = {}, {}
    for sigma in sigmas:
        empty, bars = (
            gaussian_filter1d(rows, sigma, order=1, mode="nearest")
            for rows in (empty_rows, bar_rows)
        )
        thresholds[sigma] = np.quantile(empty.max(axis=1), 1 - budget)
        places, heights = bars.argmax(axis=1), bars.max(axis=1)
        right = (heights > thresholds[sigma]) & (places >= edge - 2) & (places <= edge + 2)
        counts[sigma] = np.count_nonzero(right)
    best = min(sigmas, key=lambda sigma: (-counts[sigma], sigma))
    return best, thresholds[best], counts[best]


@answers("choose-scale")
def scale_row_by_row(empty_rows, bar_rows, edge, sigmas, budget):
    from math import floor

    from scipy.ndimage import gaussian_filter1d

    options = []
    for sigma in sigmas:
        alarms = []
        for row in empty_rows:
            alarms.append(max(gaussian_filter1d(row, sigma, order=1, mode="nearest")))
        alarms.sort(reverse=True)
        threshold = alarms[floor(budget * len(alarms))]
        found = 0
        for row in bar_rows:
            slope = gaussian_filter1d(row, sigma, order=1, mode="nearest").tolist()
            height = max(slope)
            if height > threshold and abs(slope.index(height) - edge) < 3:
                found += 1
        options.append((-found, sigma, threshold))
    missing, sigma, threshold = min(options)
    return [sigma, float(threshold), -missing]
