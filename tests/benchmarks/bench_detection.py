"""cvlab.boxes, the detection metrics and Part IV's chapters against compiled libraries.

    python tests/benchmarks/bench_detection.py [--repeats 15] [--only nms]

The table is that of ``bench_features.py``: each row does the same work twice, after a check that
both sides give the same result. pycocotools is handed its own structures, made beforehand; the
clock runs over its evaluation only.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import cv2
import numpy as np
import skimage.feature
import skimage.segmentation
import skimage.transform
import torch
import torchvision
from bench_features import Row, conditions, load, near, options, photograph, print_table
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchmetrics.detection import MeanAveragePrecision

from cvlab import boxes, features
from cvlab.metrics import Detections, Truths, detection_ap

THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10))


def heap(count: int, objects: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) around so many objects in an image of 1,000 pixels, and distinct scores."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 900, (objects, 2))
    there = np.concatenate([corner, corner + rng.uniform(20, 100, (objects, 2))], axis=1)
    copies = there[rng.integers(0, objects, count)] + rng.normal(0, 6, (count, 4))
    copies[:, 2:] = np.maximum(copies[:, 2:], copies[:, :2] + 1)
    return copies.astype(np.float32), rng.permutation(count).astype(np.float32) / count


def box_rows(count: int) -> Iterator[Row]:
    """Overlaps and suppression, of tensors for torchvision and arrays for us."""
    first, scores = heap(count, max(1, count // 20))
    a, s = torch.from_numpy(first), torch.from_numpy(scores)
    for work, ours, theirs in (
        ("iou", boxes.iou, torchvision.ops.box_iou),
        ("giou", boxes.giou, torchvision.ops.generalized_box_iou),
    ):
        yield Row(
            f"{work}, {count} x {count}",
            "torchvision",
            lambda f=ours: f(first, first),
            lambda f=theirs: f(a, a).numpy(),
            near(1e-5),
        )
    for objects in (max(1, count // 100), max(1, count // 4)):
        some, _ = heap(count, objects)
        tensor = torch.from_numpy(some)
        yield Row(
            f"nms, {count} boxes on {objects} objects",
            "torchvision",
            lambda b=some: boxes.nms(b, scores, 0.5),
            lambda b=tensor: torchvision.ops.nms(b, s, 0.5).numpy(),
            np.array_equal,
        )
    labels = np.random.default_rng(1).integers(0, 20, count)
    marks = torch.from_numpy(labels)
    yield Row(
        f"batched nms, {count} boxes of 20 classes",
        "torchvision",
        lambda: boxes.batched_nms(first, scores, labels, 0.5),
        lambda: torchvision.ops.batched_nms(a, s, marks, 0.5).numpy(),
        np.array_equal,
    )


def results(images: int, seed: int = 0) -> tuple[list[Detections], list[Truths]]:
    """Detections and truths: five objects an image of three classes, near misses, false alarms."""
    rng = np.random.default_rng(seed)
    found, there = [], []
    for _ in range(images):
        corner = rng.uniform(0, 200, (5, 2))
        truths = np.concatenate([corner, corner + rng.uniform(8, 120, (5, 2))], axis=1)
        labels = rng.integers(0, 3, 5)
        copies = rng.integers(0, 5, 12)
        said = truths[copies] + rng.normal(0, 5, (12, 4))
        said[:, 2:] = np.maximum(said[:, 2:], said[:, :2] + 1)
        names = np.where(rng.random(12) < 0.8, labels[copies], rng.integers(0, 3, 12))
        found.append(Detections(said, rng.random(12), names))
        there.append(Truths(truths, labels))
    return found, there


def coco(found: list[Detections], there: list[Truths]) -> COCOeval:
    """The same, in the structures of pycocotools."""

    def entries(sets):
        for image, one in enumerate(sets):
            for box, label in zip(one.boxes, one.labels, strict=True):
                x, y, right, low = map(float, box)
                size = {"bbox": [x, y, right - x, low - y], "area": (right - x) * (low - y)}
                yield size | {"image_id": image, "category_id": int(label), "iscrowd": 0}

    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i} for i in range(len(there))],
        "annotations": [entry | {"id": i + 1} for i, entry in enumerate(entries(there))],
        "categories": [{"id": i} for i in range(3)],
    }
    scores = np.concatenate([one.scores for one in found])
    said = [e | {"score": float(s)} for e, s in zip(entries(found), scores, strict=True)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        return COCOeval(truth, truth.loadRes(said), "bbox")


def average_precision_rows(images: int) -> Iterator[Row]:
    """COCO's average precision over ten thresholds."""
    found, there = results(images)
    judge = coco(found, there)

    def ours() -> float:
        scores = detection_ap(found, there, thresholds=THRESHOLDS, interpolation="101-point")
        return float(scores.ap)

    def theirs() -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            judge.evaluate()
            judge.accumulate()
            judge.summarize()
        return float(judge.stats[0])

    yield Row(f"COCO's AP, {images} images", "pycocotools", ours, theirs, near(1e-9))
    predicted = [
        {
            "boxes": torch.from_numpy(d.boxes),
            "scores": torch.from_numpy(d.scores),
            "labels": torch.from_numpy(d.labels),
        }
        for d in found
    ]
    target = [
        {"boxes": torch.from_numpy(t.boxes), "labels": torch.from_numpy(t.labels)} for t in there
    ]

    def other() -> float:
        metric = MeanAveragePrecision()
        metric.update(predicted, target)
        return float(metric.compute()["map"])

    # It rounds boxes to float32, which moves an overlap across a threshold now and then.
    yield Row(f"COCO's AP, {images} images", "torchmetrics", ours, other, near(1e-3))


def haar_rows(side: int) -> Iterator[Row]:
    """Integral image, and one feature of Viola and Jones in all windows of one scale."""
    image = photograph("camera", side)
    peers = {
        "OpenCV": lambda: cv2.integral(image, sdepth=cv2.CV_64F),
        "scikit-image": lambda: np.pad(skimage.transform.integral_image(image), ((1, 0), (1, 0))),
    }
    for peer, theirs in peers.items():
        yield Row(
            f"integral image, {side} x {side}",
            peer,
            lambda: features.integral_image(image),
            theirs,
            lambda a, b: np.allclose(a, b, rtol=1e-6, atol=1e-3),
        )
    chapter = load("14_viola_jones", "integral", "haar-bank", "rectangles")
    places = np.indices((side - 23, side - 23)).reshape(2, -1)[::-1]
    feature = (0, 4, 6, 8, 10)  # two cells side by side, each 8 pixels wide and 10 high
    kernel = np.zeros((24, 24), np.float32)
    for sign, left, top, right, bottom in chapter.rectangles(feature):
        kernel[top:bottom, left:right] += sign
    wide = features.integral_image(image)

    def scan() -> np.ndarray:
        x, y = places
        return sum(
            sign * chapter.rectangle_sum(wide, x + left, y + top, x + right, y + bottom)
            for sign, left, top, right, bottom in chapter.rectangles(feature)
        )

    def filtered() -> np.ndarray:
        whole = cv2.filter2D(image, cv2.CV_32F, kernel, anchor=(0, 0))
        return whole[: side - 23, : side - 23].ravel()

    yield Row(f"Haar feature, {places.shape[1]} windows", "OpenCV", scan, filtered, near(1e-2))
    coordinates, kinds = skimage.feature.haar_like_feature_coord(24, 24, "type-2-x")
    wanted = [[(6, 4), (15, 11)], [(6, 12), (15, 19)]]  # first and last pixel of each cell
    chosen = [i for i, c in enumerate(coordinates) if c == wanted]
    sums = skimage.transform.integral_image(image)
    few = places[:, :: max(1, places.shape[1] // 200)]

    def by_library() -> np.ndarray:
        some = [
            skimage.feature.haar_like_feature(
                sums, y, x, 24, 24, kinds[chosen], coordinates[chosen]
            )
            for x, y in few.T
        ]
        return np.concatenate(some)

    def ours() -> np.ndarray:
        x, y = few
        return sum(
            -sign * chapter.rectangle_sum(wide, x + left, y + top, x + right, y + bottom)
            for sign, left, top, right, bottom in chapter.rectangles(feature)
        )

    yield Row(f"Haar feature, {few.shape[1]} windows", "scikit-image", ours, by_library, near(1e-3))


def segment_rows(side: int) -> Iterator[Row]:
    """The regions from which selective search starts."""
    chapter = load("16_two_stage", "union-find", "pixel-edges", "oversegment")
    image = photograph("coffee", side)

    def same(ours: np.ndarray, theirs: np.ndarray) -> bool:
        pairs = np.unique(np.stack([ours.ravel(), theirs.ravel()]), axis=1)
        return pairs.shape[1] == ours.max() + 1 == theirs.max() + 1

    yield Row(
        f"selective search's first regions, {side} x {side}",
        "scikit-image",
        lambda: chapter.oversegment(image, scale=100, least=10, sigma=0.8),
        lambda: skimage.segmentation.felzenszwalb(image, scale=100, min_size=10, sigma=0.8),
        same,
    )


def main() -> None:
    """Print the table."""
    asked = options(
        __doc__,
        boxes=(2000, 1, "boxes that overlap"),
        images=(1000, 1, "images for average precision"),
        side=(512, 64, "side of the photographs in pixels"),
    )
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    packages = ("numpy", "torch", "torchvision", "pycocotools", "torchmetrics", "scikit-image")
    packages += ("opencv-python-headless",)
    print(conditions(packages, asked.repeats, "float32 boxes and images"), end="\n\n")
    groups = (
        lambda: box_rows(asked.boxes),
        lambda: average_precision_rows(asked.images),
        lambda: haar_rows(asked.side),
        lambda: segment_rows(asked.side // 4),
    )
    print_table(groups, asked.only, asked.repeats)


if __name__ == "__main__":
    main()
