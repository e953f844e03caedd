"""The metrics of a search against scikit-learn, torchmetrics and a sort.

    python tests/benchmarks/bench_ranking.py [--repeats 15] [--only NDCG]

Form of the table, clock and checks are those of ``bench_features.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import sklearn.metrics
import torch
from bench_features import Row, conditions, near, options, print_table
from torchmetrics.functional.classification import binary_sensitivity_at_specificity
from torchmetrics.functional.retrieval import retrieval_average_precision

from cvlab import metrics

PEOPLE = 20


def by_query(score: Callable, *tables: np.ndarray | torch.Tensor) -> np.ndarray:
    """One score a row, for libraries that take one query at a time."""
    return np.array([float(score(*row)) for row in zip(*tables, strict=True)])


def rows(queries: int, images: int) -> Iterator[Row]:
    """Each metric over all queries."""
    rng = np.random.default_rng(0)
    who, there = rng.integers(0, PEOPLE, queries), np.arange(images) % PEOPLE
    relevant = who[:, None] == there
    far = rng.random((queries, images)) - 0.2 * relevant
    size = f"{queries} x {images}"
    peers = {
        "scikit-learn": lambda: by_query(sklearn.metrics.average_precision_score, relevant, -far),
        "torchmetrics": lambda: by_query(
            retrieval_average_precision, torch.from_numpy(1 / (1 + far)), torch.from_numpy(relevant)
        ),
    }
    for peer, theirs in peers.items():
        yield Row(
            f"mAP, {size}",
            peer,
            lambda: metrics.retrieval_map(far, relevant),
            theirs,
            near(1e-5),
        )
    yield Row(
        f"NDCG, {size}",
        "scikit-learn",
        lambda: float(metrics.ndcg(relevant * 1.0, -far).mean()),
        lambda: float(sklearn.metrics.ndcg_score(relevant, -far)),
        near(1e-9),
    )

    def sort() -> np.ndarray:
        first = np.take_along_axis(relevant, np.argsort(far, axis=1), 1).argmax(1)
        return (first[:, None] < np.arange(1, 11)).mean(0)

    yield Row(f"CMC, {size}", "NumPy's sort", lambda: metrics.cmc(far, who, there), sort, near(0))
    flat = torch.from_numpy(-far).ravel(), torch.from_numpy(relevant).ravel().long()
    yield Row(
        f"TAR at FAR, {far.size} pairs",
        "torchmetrics",
        lambda: metrics.tar_at_far(relevant.ravel(), -far.ravel(), 0.01),
        lambda: float(binary_sensitivity_at_specificity(torch.sigmoid(flat[0]), flat[1], 0.99)[0]),
        near(1e-6),
    )


def main() -> None:
    """Print the table."""
    asked = options(
        __doc__,
        queries=(200, 1, "queries"),
        images=(2000, 2 * PEOPLE, "images in the gallery"),
    )
    torch.set_num_threads(1)
    print(conditions(("numpy", "torch", "scikit-learn", "torchmetrics"), asked.repeats, "float64"))
    print()
    print_table([lambda: rows(asked.queries, asked.images)], asked.only, asked.repeats)


if __name__ == "__main__":
    main()
