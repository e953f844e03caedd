"""What finds a thing again, against compiled libraries: maps, neighbours, lists of words.

    python tests/benchmarks/bench_retrieval.py [--repeats 15] [--only homography]

Form of the table, clock and checks are those of ``bench_features.py``. A row on a homography says
how many inliers each side has found; all of them draw until they are sure to 99.9 %. Trees, hash
tables and the inverted file live in cells of the chapter on retrieval; the peer of hash tables and
of the inverted file compares with everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from bench_features import Row, conditions, load, near, options, print_table
from skimage import measure, transform
from sklearn.neighbors import NearestNeighbors

from cvlab import geometry

THRESHOLD, TRIALS, SURE = 2.0, 2000, 0.999
BITS, TABLES = 12, 8  # of hash tables
WORDS, ASKED = 1024, 200  # visual words, queries
CORNERS = np.array([[0.0, 0], [100, 0], [100, 80], [0, 80]])


def matches(pairs: int, wrong: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of points (N, 2) under a homography, half a pixel of noise, a share of them random."""
    rng = np.random.default_rng(0)
    H = geometry.homography_dlt(CORNERS, CORNERS + rng.uniform(-20, 20, (4, 2)))
    a = rng.uniform(0, 100, (pairs, 2))
    b = geometry.apply_homography(H, a) + rng.normal(0, 0.5, (pairs, 2))
    outliers = rng.permutation(pairs) < wrong * pairs
    b[outliers] = rng.uniform(-20, 120, (outliers.sum(), 2))
    return a, b


def ours(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Inliers of the package's consensus, (N,) bool."""
    fit, error = geometry.homography_dlt, geometry.homography_error
    return geometry.ransac(fit, error, (a, b), 4, THRESHOLD, TRIALS, confidence=SURE)[1]


def opencv(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """OpenCV's, which fits to the inliers at the end as well."""
    how = {"maxIters": TRIALS, "confidence": SURE}
    return cv2.findHomography(a, b, cv2.RANSAC, THRESHOLD, **how)[1].ravel() > 0


def scikit_image(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Those of scikit-image, which are counted before its last fit, and so are fewer."""
    how: dict[str, Any] = {"max_trials": TRIALS, "stop_probability": SURE, "rng": 0}
    return measure.ransac((a, b), transform.ProjectiveTransform, 4, THRESHOLD, **how)[1]


def homography_rows(pairs: int) -> Iterator[Row]:
    """Random sample consensus with 30, 50 and 70 % outliers."""
    # How many of ours the other must find at least, and beyond which share of ours it cannot go.
    peers = {"OpenCV": (opencv, 0.98), "scikit-image": (scikit_image, 0.5)}
    for wrong in (0.3, 0.5, 0.7):
        a, b = matches(pairs, wrong)
        for peer, (theirs, least) in peers.items():
            found = [int(side(a, b).sum()) for side in (ours, theirs)]
            yield Row(
                f"homography, {pairs} pairs, {wrong:.0%} wrong: {found[0]} and {found[1]} inliers",
                peer,
                lambda a=a, b=b: ours(a, b),
                lambda a=a, b=b, f=theirs: f(a, b),
                lambda one, two, s=least: s * one.sum() <= two.sum() <= one.sum() / 0.98,
            )


def clustered(points: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (N, D) around 1,000 centres and queries among them, float32."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(1000, dimensions))
    cloud = centres[rng.integers(0, 1000, points + ASKED)]
    cloud = (cloud + rng.normal(0, 0.5, cloud.shape)).astype(np.float32)
    return cloud[ASKED:], cloud[:ASKED]


def neighbour_rows(points: int) -> Iterator[Row]:
    """The nearest of many vectors: a tree in 16 dimensions, hash tables in 64."""
    chapter = load("23_retrieval", "kd-tree", "walk-down", "best-bin-first", "lsh")
    cloud, asked = clustered(points, 16)
    library = NearestNeighbors(n_neighbors=1, algorithm="kd_tree", leaf_size=50).fit(cloud)
    tree = chapter.kd_tree(cloud)
    yield Row(
        f"k-d tree, {ASKED} of {points:,} x 16",
        "scikit-learn",
        lambda: np.array([chapter.best_bin_first([tree], cloud, q)[0] for q in asked]),
        lambda: library.kneighbors(asked, return_distance=False)[:, 0],
        lambda ours, theirs: bool((ours == theirs).all()),
    )
    cloud, asked = clustered(points, 64)
    brute = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(cloud)
    hashes = chapter.HashTables(cloud, BITS, TABLES)

    def hashed() -> np.ndarray:
        found = np.full(len(asked), -1)
        for i, query in enumerate(asked):
            rows = hashes.candidates(query)
            if len(rows):
                found[i] = rows[((cloud[rows] - query) ** 2).sum(1).argmin()]
        return found

    exact = brute.kneighbors(asked, return_distance=False)[:, 0]
    recall = np.mean(hashed() == exact)
    yield Row(
        f"hash tables ({TABLES} of {BITS} bits), {ASKED} of {points:,} x 64, {recall:.0%} found",
        "scikit-learn's brute force",
        hashed,
        lambda: brute.kneighbors(asked, return_distance=False)[:, 0],
        lambda ours, theirs: np.mean(ours == theirs) >= recall > 0,
    )


def word_rows(images: int) -> Iterator[Row]:
    """Scores of all images by an inverted file, and by a product with all their vectors."""
    chapter = load("23_retrieval", "inverted-file", "inverted-query")
    rng = np.random.default_rng(0)
    lists = rng.integers(0, WORDS, (images, 60))
    queries = rng.integers(0, WORDS, (ASKED // 10, 60))
    index = chapter.InvertedFile(list(lists), WORDS)
    word = np.repeat(np.arange(WORDS), np.diff(index.starts))
    dense = np.zeros((images, WORDS))
    dense[index.images, word] = index.weights

    def product() -> np.ndarray:
        weights = np.stack([np.bincount(q, minlength=WORDS) for q in queries]) * index.idf
        return weights / np.linalg.norm(weights, axis=1, keepdims=True) @ dense.T

    yield Row(
        f"inverted file, {len(queries)} queries of 60 words, {images:,} images, {WORDS:,} words",
        "dense product",
        lambda: np.stack([chapter.search(index, q)[0] for q in queries]),
        product,
        near(1e-9),
    )


def main() -> None:
    """Print the table."""
    asked = options(
        __doc__,
        pairs=(300, 40, "pairs of points for a homography"),
        points=(100_000, 1000, "vectors to search"),
        images=(20_000, 10, "images of the inverted file"),
    )
    cv2.setNumThreads(1)
    packages = ("numpy", "opencv-python-headless", "scikit-image", "scikit-learn")
    print(conditions(packages, asked.repeats, "points float64, vectors float32"), end="\n\n")
    groups = (
        lambda: homography_rows(asked.pairs),
        lambda: neighbour_rows(asked.points),
        lambda: word_rows(asked.images),
    )
    print_table(groups, asked.only, asked.repeats)


if __name__ == "__main__":
    main()
