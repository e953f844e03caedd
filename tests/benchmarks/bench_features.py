"""cvlab.features, cvlab.metrics and the chapter on edges against compiled libraries.

    python tests/benchmarks/bench_features.py [--repeats 15] [--only k-means]

Prints a Markdown table. Each row does the same work twice, ours and a peer's, after a check that
both give the same result, as far as their definitions agree. The two alternate in this process,
each first in every other repeat, on one thread each; the clock counts processor time, so that other
programs disturb little. The columns hold the median milliseconds of a call, the median of the
ratios of neighbouring calls (below 1 we are ahead) and their quartiles.

Canny and the Hough transforms are teaching versions: they live in cells of a notebook, from which
``load`` takes them.
"""

from __future__ import annotations

import argparse
import ast
import json
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import cv2
import numpy as np
import scipy.ndimage
import skimage.feature
import sklearn.metrics
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from cvlab import data, features, metrics

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"
EDGES = ("non-maximum-suppression", "hysteresis", "canny", "hough-lines", "hough-circles")
STEPS = 10  # of k-means
SHORTEST = 0.02  # seconds; shorter work is done several times and the time divided


class Row(NamedTuple):
    """The same work twice."""

    work: str
    peer: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    agree: Callable[[Any, Any], bool]


def load(notebook: str, *cells: str) -> SimpleNamespace:
    """Return the functions that cells of a chapter define, without running the notebook.

    Only definitions, constants in capitals and the imports that they need are executed: from the
    cells named, and imports from the cell ``setup``.

    Raises:
        ValueError: if the notebook has no such cell.
    """
    found = json.loads((CHAPTERS / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    source = {cell["id"]: "".join(cell["source"]) for cell in found if cell["cell_type"] == "code"}
    for cell in cells:
        if cell not in source:
            raise ValueError(f"chapters/{notebook}.ipynb has no code cell {cell!r}.")
    wanted = [
        part for cell in cells for part in ast.parse(source[cell]).body if _is_definition(part)
    ]
    names = {part.id for piece in wanted for part in ast.walk(piece) if isinstance(part, ast.Name)}
    # The guard for Colab installs the package by a magic, which is no Python.
    setup = re.sub(r"(?m)^(\s*)%.*$", r"\1pass", source["setup"])
    imports = [
        part
        for part in ast.parse(setup).body
        if isinstance(part, (ast.Import, ast.ImportFrom))
        and names & {(alias.asname or alias.name).split(".")[0] for alias in part.names}
    ]
    space: dict[str, Any] = {"__name__": notebook}
    exec(compile(ast.Module([*imports, *wanted], []), notebook, "exec"), space)
    return SimpleNamespace(**space)


def _is_definition(part: ast.stmt) -> bool:
    if isinstance(part, ast.Assign):
        return all(isinstance(to, ast.Name) and to.id.isupper() for to in part.targets)
    return isinstance(part, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom))


def photograph(name: str, side: int) -> np.ndarray:
    """The middle of a photograph, float32 in [0, 1]."""
    image = data.photograph(name)
    top, left = ((length - min(length, side)) // 2 for length in image.shape[:2])
    return np.ascontiguousarray(image[top : top + side, left : left + side])


def near(tolerance: float) -> Callable[[Any, Any], bool]:
    """Agreement of every value."""
    return lambda ours, theirs: np.allclose(ours, theirs, rtol=0, atol=tolerance)


def blur_rows(side: int) -> Iterator[Row]:
    """Gaussian blur, float32."""
    for name, sigma in (("camera", 1), ("camera", 2), ("camera", 5), ("astronaut", 2)):
        image = photograph(name, side)
        sigmas, size = (sigma, sigma, 0)[: image.ndim], 2 * int(4 * sigma + 0.5) + 1
        shape = " x ".join(map(str, image.shape))
        peers = {
            "scipy": lambda i=image, s=sigmas: scipy.ndimage.gaussian_filter(i, s, mode="mirror"),
            "OpenCV": lambda i=image, s=sigma, k=size: cv2.GaussianBlur(i, (k, k), s),
        }
        for peer, theirs in peers.items():
            yield Row(
                f"Gaussian blur, sigma {sigma}, {shape}",
                peer,
                lambda i=image, s=sigma: features.gaussian_blur(i, s),
                theirs,
                near(1e-5),
            )


def kmeans_rows(points: int) -> Iterator[Row]:
    """Lloyd's algorithm from the same centres, the same number of steps."""
    rng = np.random.default_rng(0)
    for dimensions, k in ((128, 256), (128, 64), (16, 32), (2, 8)):
        k = min(k, points // 8)
        cloud = rng.normal(size=(points, dimensions)) * rng.uniform(0.2, 1, dimensions)
        cloud = cloud.astype(np.float32)
        start = cloud[:k].copy()
        reference = KMeans(k, init=start, n_init=1, max_iter=STEPS, tol=0, algorithm="lloyd")
        yield Row(
            f"k-means, {points:,} x {dimensions}, k = {k}, {STEPS} steps",
            "scikit-learn",
            lambda c=cloud, k=k, s=start: features.kmeans(
                c, k, init=s, iterations=STEPS, tolerance=0
            ),
            lambda r=reference, c=cloud: r.fit(c),
            lambda ours, theirs: (
                ours.iterations == theirs.n_iter_
                and np.isclose(ours.inertia, theirs.inertia_, rtol=1e-3)
            ),
        )


def neighbour_rows() -> Iterator[Row]:
    """The search of the chapter on nearest neighbours, all digits stored, 1,000 asked about."""
    chapter = load("01_knn", "fast")
    stored = data.digits().arrays()[0].reshape(-1, 64)  # (1797, 64) float32
    asked = stored[:1000]
    library = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(stored)
    yield Row(
        f"nearest neighbours, 1,000 of {len(stored):,} x 64, k = 5",
        "scikit-learn",
        lambda: chapter.nearest_neighbours(asked, stored, 5),
        lambda: library.kneighbors(asked),
        lambda ours, theirs: np.allclose(ours[0], theirs[0], atol=1e-3),
    )


def hog_rows(side: int) -> Iterator[Row]:
    """HOG with 9 orientations, cells of 8 x 8 pixels, blocks of 2 x 2 cells."""
    for image in (photograph("camera", side), photograph("astronaut", side)):
        channels = None if image.ndim == 2 else 2
        for votes in ("nearest", "linear"):
            yield Row(
                f"HOG, {votes} votes, {' x '.join(map(str, image.shape))}",
                "scikit-image",
                lambda i=image, v=votes: features.hog(i, votes=v),
                lambda i=image, c=channels: skimage.feature.hog(
                    i, cells_per_block=(2, 2), channel_axis=c
                ),
                # scikit-image has nearest votes only; linear ones agree in the number of values.
                same_histograms if votes == "nearest" else lambda a, b: a.shape == b.shape,
            )


def same_histograms(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Few votes differ: of pixels between two bins, or with two channels equally strong."""
    return ours.shape == theirs.shape and np.abs(ours - theirs).mean() < 1e-4


def within_a_pixel(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Most edge pixels of each have one of the other within a pixel."""
    square = np.ones((3, 3))
    return all(
        (one & scipy.ndimage.binary_dilation(other, square)).sum() >= 0.8 * one.sum()
        for one, other in ((ours, theirs > 0), (theirs > 0, ours))
    )


def edge_rows(side: int) -> Iterator[Row]:
    """The chapter's Canny and Hough transforms."""
    chapter = load("05_edges", *EDGES)
    image = 255 * photograph("camera", side)
    pixels = np.rint(image).astype(np.uint8)

    def opencv_canny() -> np.ndarray:
        blurred = cv2.GaussianBlur(pixels, (0, 0), 1.4)
        return cv2.Canny(blurred, 40, 100, apertureSize=3, L2gradient=True)

    shape = " x ".join(map(str, image.shape))
    yield Row(
        f"Canny with blur, {shape}",
        "OpenCV",
        lambda: chapter.canny(image, 1.4, 40 / 8, 100 / 8),  # OpenCV does not divide by 8
        opencv_canny,
        within_a_pixel,
    )
    edges = opencv_canny()
    yield Row(
        f"Hough lines, {np.count_nonzero(edges):,} edge pixels, 1 pixel, 1 degree",
        "OpenCV",
        lambda: chapter.hough_lines(edges, 180, 1.0),
        lambda: cv2.HoughLinesWithAccumulator(edges, 1, np.pi / 180, side // 8),
        same_lines,
    )
    yield coin_row(chapter)


def same_lines(ours: tuple[np.ndarray, np.ndarray, np.ndarray], theirs: np.ndarray) -> bool:
    """Each of OpenCV's ten strongest lines has the same votes in our accumulator.

    Its rho is rounded in single precision, so a few pixels may vote for the cell beside.
    """
    votes, rhos, thetas = ours
    for rho, theta, count in theirs.reshape(-1, 3)[:10]:
        mine = votes[np.abs(rhos - rho).argmin(), np.abs(thetas - theta).argmin()]
        if abs(mine - count) > 3:
            return False
    return True


def coin_row(chapter: SimpleNamespace) -> Row:
    """From the photograph of the coins to the votes for circles."""
    coins = data.photograph("coins")
    pixels = np.rint(255 * coins).astype(np.uint8)
    radii = np.arange(14, 37)

    def ours() -> np.ndarray:
        gx, gy = features.image_gradient(features.gaussian_blur(coins, 2), operator="sobel")
        edges = chapter.canny(coins, 2, 0.02, 0.04)
        return chapter.hough_circles(edges, gx, gy, radii)

    def theirs() -> np.ndarray:
        blurred = cv2.GaussianBlur(pixels, (0, 0), 2)
        return cv2.HoughCircles(
            blurred, cv2.HOUGH_GRADIENT, 1, 20, param1=60, param2=15, minRadius=14, maxRadius=36
        )

    def agree(votes: np.ndarray, circles: np.ndarray) -> bool:
        _, y, x = np.unravel_index(votes.argmax(), votes.shape)
        return bool((np.hypot(circles[0, :, 0] - x, circles[0, :, 1] - y) < 4).any())

    work = f"Hough circles with Canny, 23 radii, {coins.shape[0]} x {coins.shape[1]}"
    return Row(work, "OpenCV", ours, theirs, agree)


def metric_rows(scores: int) -> Iterator[Row]:
    """ROC and average precision, with and without ties."""
    rng = np.random.default_rng(0)
    positive = rng.random(scores) < 0.3
    distinct = rng.normal(size=scores) + positive
    for kind, values in (("distinct", distinct), ("tied", np.round(distinct, 2))):
        label = f"{scores:,} {kind} scores"
        yield Row(
            f"ROC curve, {label}",
            "scikit-learn",
            lambda v=values: metrics.roc_curve(positive, v),
            lambda v=values: sklearn.metrics.roc_curve(positive, v, drop_intermediate=False),
            lambda a, b: all(np.allclose(one, two) for one, two in zip(a[:2], b[:2], strict=True)),
        )
        yield Row(
            f"ROC AUC, {label}",
            "scikit-learn",
            lambda v=values: metrics.roc_auc(positive, v),
            lambda v=values: sklearn.metrics.roc_auc_score(positive, v),
            near(1e-9),
        )
        yield Row(
            f"average precision, {label}",
            "scikit-learn",
            lambda v=values: metrics.average_precision(positive, v),
            lambda v=values: sklearn.metrics.average_precision_score(positive, v),
            near(1e-9),
        )


def seconds(work: Callable[[], Any], times: int = 1) -> float:
    """Processor time of one call."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def measure(row: Row, repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of every repeat, ours and theirs."""
    calls = (row.ours, row.theirs)
    results = [call() for call in calls]  # pays for imports and warm caches
    if not row.agree(*results):
        raise AssertionError(f"{row.work}: {row.peer} gives another result, so times say nothing.")
    times = [max(1, round(SHORTEST / max(seconds(call), 1e-6))) for call in calls]
    taken: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats):
        for side in (0, 1) if repeat % 2 else (1, 0):
            taken[side].append(seconds(calls[side], times[side]))
    return taken


def line(row: Row, repeats: int) -> str:
    """A row of the table."""
    ours, theirs = measure(row, repeats)
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    low, high = np.percentile(ratios, (25, 75))
    cells = (
        row.work,
        row.peer,
        f"{1000 * statistics.median(ours):.2f}",
        f"{1000 * statistics.median(theirs):.2f}",
        f"{statistics.median(ratios):.2f}",
        f"{low:.2f} to {high:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def conditions(packages: Iterable[str], repeats: int, note: str) -> str:
    """Where and how the numbers came about."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        processor = next(
            entry.split(":", 1)[1].strip()
            for entry in text.splitlines()
            if entry.startswith("model name")
        )
    except (OSError, StopIteration):
        processor = platform.machine()
    return (
        f"{processor}, one thread, Python {platform.python_version()}, {versions}; "
        f"processor time, median of {repeats}; {note}"
    )


def options(description: str, **sizes: tuple[int, int, str]) -> argparse.Namespace:
    """Return what the command line asks for.

    Args:
        description: its first line is shown by ``--help``.
        sizes: what the rows can be made smaller by: default, least value, meaning.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--only", default="", help="rows whose name holds this word")
    sizes = {"repeats": (15, 1, "of each row"), **sizes}
    for name, (default, _, meaning) in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=meaning)
    found = parser.parse_args()
    for name, (_, least, _) in sizes.items():
        if getattr(found, name) < least:
            parser.error(f"--{name} must be at least {least}.")
    return found


def print_table(groups: Iterable[Callable[[], Iterator[Row]]], only: str, repeats: int) -> None:
    """Measure the rows whose name holds a word, on one thread, and print each as it is done."""
    print("| work | peer | ours, ms | peer, ms | ours / peer | quartiles |")
    print("|---|---|---:|---:|---:|---:|")
    with threadpool_limits(1):
        for group in groups:
            for row in group():
                if only.lower() in row.work.lower():
                    print(line(row, repeats), flush=True)


def main() -> None:
    """Print the table."""
    asked = options(
        __doc__,
        side=(512, 64, "side of the photographs in pixels"),
        points=(20_000, 100, "points for k-means"),
        scores=(100_000, 10, "scores for ROC and AP"),
    )
    cv2.setNumThreads(1)
    packages = ("numpy", "scipy", "opencv-python-headless", "scikit-image", "scikit-learn")
    note = "images float32 (OpenCV's Canny and Hough: uint8)"
    print(conditions(packages, asked.repeats, note), end="\n\n")
    groups = (
        neighbour_rows,
        lambda: kmeans_rows(asked.points),
        lambda: blur_rows(asked.side),
        lambda: hog_rows(asked.side),
        lambda: edge_rows(asked.side),
        lambda: metric_rows(asked.scores),
    )
    print_table(groups, asked.only, asked.repeats)


if __name__ == "__main__":
    main()
