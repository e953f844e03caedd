"""What Part V writes from scratch, against compiled libraries: forests.

    python tests/benchmarks/bench_pixels.py [--repeats 15] [--only forest]

The teaching versions live in cells of notebooks, from which ``bench_features.load`` takes them;
form of the table, clock and checks are those of ``bench_features.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from bench_features import Row, conditions, load, near, options, print_table
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


def main() -> None:
    """Print the table."""
    asked = options(
        __doc__,
        samples=(5000, 100, "samples for trees and forests"),
        trees=(10, 1, "trees of a forest"),
    )
    packages = ("numpy", "scikit-learn")
    print(conditions(packages, asked.repeats, "features of 24 levels"), end="\n\n")
    print_table((lambda: forest_rows(asked.samples, asked.trees),), asked.only, asked.repeats)


if __name__ == "__main__":
    main()
