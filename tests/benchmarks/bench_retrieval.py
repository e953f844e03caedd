"""What finds a thing again, against compiled libraries: homographies among outliers.

    python tests/benchmarks/bench_retrieval.py [--repeats 15] [--only homography]

Form of the table, clock and checks are those of ``bench_features.py``. A row on a homography says
how many inliers each side has found; all of them draw until they are sure to 99.9 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from bench_features import Row, conditions, options, print_table
from skimage import measure, transform

from cvlab import geometry

THRESHOLD, TRIALS, SURE = 2.0, 2000, 0.999
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


def main() -> None:
    """Print the table."""
    asked = options(__doc__, pairs=(300, 40, "pairs of points for a homography"))
    cv2.setNumThreads(1)
    packages = ("numpy", "opencv-python-headless", "scikit-image")
    print(conditions(packages, asked.repeats, "points float64"), end="\n\n")
    print_table((lambda: homography_rows(asked.pairs),), asked.only, asked.repeats)


if __name__ == "__main__":
    main()
