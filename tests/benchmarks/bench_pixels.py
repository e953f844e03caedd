"""What Part V writes from scratch, against compiled libraries: forests, ways up, random walks.

    python tests/benchmarks/bench_pixels.py [--repeats 15] [--only forest]

The teaching versions live in cells of notebooks, from which ``bench_features.load`` takes them;
form of the table, clock and checks are those of ``bench_features.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import skimage.segmentation
import torch
import torch.nn.functional as F
from bench_features import Row, conditions, load, near, options, photograph, print_table
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

CLASSES, FEATURES, BINS = 8, 60, 24
ASKED, DEPTH = 8, 10  # features asked at a node, depth of the forest's trees


def pixels(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples (N, 60) of whole numbers below 24, and labels (N,): eight noisy centres."""
    centres = np.random.default_rng(0).uniform(4, BINS - 4, (CLASSES, FEATURES))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    noisy = centres[labels] + rng.normal(0, 9, (count, FEATURES))
    return np.rint(noisy).clip(0, BINS - 1).astype(int), labels


def forest_rows(samples: int, trees: int) -> Iterator[Row]:
    """A tree with all cuts; a forest's training and its answers."""
    cells = ("gain", "best-cut", "grow", "grow-code", "leaves", "bagging", "random-question")
    cells += ("random-forest",)
    chapter = load("18_forests", *cells)
    X, labels = pixels(samples, 1)
    new, truth = pixels(samples, 2)
    rng = np.random.default_rng(3)
    few, marks = rng.normal(size=(samples, 4)), rng.integers(0, 2, samples)

    # Pure noise, so that the tree is large; to this depth no two cuts of a node tie.
    yield Row(
        f"tree with all cuts, {samples} samples of 4 features, depth 4",
        "scikit-learn",
        lambda: chapter.grow(few, marks, 2, depth=4),
        lambda: DecisionTreeClassifier(max_depth=4, random_state=0).fit(few, marks),
        lambda ours, theirs: near(1e-9)(chapter.vote([ours], few), theirs.predict_proba(few)),
    )

    def train() -> list:
        return chapter.random_forest(X, labels, CLASSES, trees, ASKED, BINS, depth=DEPTH)[0]

    def library() -> RandomForestClassifier:
        peer = RandomForestClassifier(trees, max_features=ASKED, max_depth=DEPTH, random_state=0)
        return peer.fit(X, labels)

    def alike(ours: np.ndarray, theirs: np.ndarray) -> bool:
        right = [np.mean(said.argmax(1) == truth) for said in (ours, theirs)]
        return abs(right[0] - right[1]) < 0.03 + 1 / np.sqrt(len(truth))

    yield Row(
        f"forest training, {trees} trees, {samples} samples of {FEATURES} features",
        "scikit-learn",
        train,
        library,
        lambda ours, theirs: alike(chapter.vote(ours, new), theirs.predict_proba(new)),
    )
    grown, peer = train(), library()
    yield Row(
        f"forest answers, {trees} trees, {samples} samples",
        "scikit-learn",
        lambda: chapter.vote(grown, new),
        lambda: peer.predict_proba(new),
        alike,
    )


def upward_rows(side: int) -> Iterator[Row]:
    """Maps that grow: unpooling and transposed convolution of a batch, without gradients."""
    chapter = load("19_segmentation", "unpool-method", "bilinear-method", "transposed-method")
    torch.manual_seed(0)
    fine = torch.randn(8, 16, 2 * side, 2 * side)
    values, places = F.max_pool2d(fine, 2, return_indices=True)
    weight = torch.randn(16, 8, 3, 3)
    batch = f"8 x 16 x {side} x {side}"
    yield Row(
        f"max unpooling, {batch}",
        "torch",
        lambda: chapter.max_unpool(values, places, 2 * side, 2 * side).numpy(),
        lambda: F.max_unpool2d(values, places, 2).numpy(),
        near(0),
    )
    yield Row(
        f"bilinear, {batch}",
        "torch",
        lambda: chapter.bilinear(values, 2).numpy(),
        lambda: F.interpolate(values, scale_factor=2, mode="bilinear").numpy(),
        near(1e-4),
    )
    yield Row(
        f"transposed convolution, {batch}",
        "torch",
        lambda: chapter.transposed_conv2d(values, weight, 2, 1).numpy(),
        lambda: F.conv_transpose2d(values, weight, None, 2, 1).numpy(),
        near(1e-3),
    )


def walk_rows(side: int) -> Iterator[Row]:
    """Labels from scribbles, by a direct solver on both sides."""
    chapter = load("19_segmentation", "graph-method", "walker-method")
    image = photograph("astronaut", 4 * side)[::4, ::4]
    image = image[:, :, None] if image.ndim == 2 else image
    scribbles = np.full(image.shape[:2], -1)
    places = np.random.default_rng(0).integers(0, len(image), (2, 12))
    scribbles[tuple(places)] = np.arange(12) % 3
    yield Row(
        f"random walker, {len(image)} x {len(image)}, 3 classes",
        "scikit-image",
        lambda: chapter.random_walker(image, scribbles, 3),
        lambda: np.moveaxis(
            skimage.segmentation.random_walker(
                image.astype(float),
                scribbles + 1,
                beta=130,
                mode="bf",
                channel_axis=-1,
                return_full_prob=True,
            ),
            0,
            -1,
        ),
        near(1e-6),
    )


def main() -> None:
    """Print the table."""
    asked = options(
        __doc__,
        samples=(5000, 100, "samples for trees and forests"),
        trees=(10, 1, "trees of a forest"),
        side=(64, 4, "side of maps and images"),
    )
    torch.set_num_threads(1)
    packages = ("numpy", "scikit-learn", "scikit-image", "torch")
    print(conditions(packages, asked.repeats, "features of 24 levels"), end="\n\n")
    print_table(
        (
            lambda: forest_rows(asked.samples, asked.trees),
            lambda: upward_rows(asked.side),
            lambda: walk_rows(asked.side),
        ),
        asked.only,
        asked.repeats,
    )


if __name__ == "__main__":
    main()
