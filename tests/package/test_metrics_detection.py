"""Detection metrics against pycocotools, torchmetrics and the definition, on random input."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchmetrics.detection import MeanAveragePrecision

from cvlab.metrics import Detections, Truths, detection_ap, match_detections

COCO_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = {"all": None, "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}


def scenes(seed: int, images: int = 12, classes: int = 3, crowds: bool = True, ties: bool = False):
    """Return random detections and truths: many near misses, duplicates, empty images."""
    rng = np.random.default_rng(seed)
    found, there = [], []
    for _ in range(images):
        m = int(rng.integers(0, 6))
        corner = rng.uniform(0, 200, (m, 2))
        truths = np.concatenate([corner, corner + rng.uniform(4, 150, (m, 2))], 1)
        labels = rng.integers(0, classes, m)
        ignore = (rng.random(m) < 0.2) & crowds
        copies = np.repeat(np.arange(m), rng.integers(0, 4, m))
        near = truths[copies] + rng.normal(0, 6, (len(copies), 4))
        k = int(rng.integers(0, 4))
        corner = rng.uniform(0, 200, (k, 2))
        far = np.concatenate([corner, corner + rng.uniform(4, 100, (k, 2))], 1)
        boxes = np.concatenate([near, far])
        boxes = np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:], boxes[:, :2] + 1)], 1)
        said = np.concatenate([labels[copies], rng.integers(0, classes, k)])
        scores = rng.random(len(boxes))
        scores = np.round(scores, 1) if ties else scores
        found.append(Detections(boxes, scores, said))
        there.append(Truths(truths, labels, ignore))
    return found, there


def coco(found, there, area="all", per_image=100, masks=False) -> tuple[float, COCOeval]:
    """Return COCO's own AP over its ten thresholds."""
    truth = COCO()
    annotations, results = [], []
    for image, one in enumerate(there):
        for i, (box, label) in enumerate(zip(one.boxes, one.labels, strict=True)):
            x, y, right, low = map(float, box)
            entry = {
                "id": len(annotations) + 1, "image_id": image, "category_id": int(label),
                "bbox": [x, y, right - x, low - y], "area": (right - x) * (low - y),
                "iscrowd": int(one.ignore[i]) if one.ignore is not None else 0,
            }  # fmt: skip
            if masks:
                entry["segmentation"] = coco_mask.encode(np.asfortranarray(one.masks[i], np.uint8))
                entry["area"] = float(one.masks[i].sum())
            annotations.append(entry)
    for image, one in enumerate(found):
        for i, (box, score, label) in enumerate(
            zip(one.boxes, one.scores, one.labels, strict=True)
        ):
            x, y, right, low = map(float, box)
            entry = {"image_id": image, "category_id": int(label), "score": float(score)}
            if masks:
                encoded = coco_mask.encode(np.asfortranarray(one.masks[i], np.uint8))
                results.append(entry | {"segmentation": encoded})
            else:
                results.append(entry | {"bbox": [x, y, right - x, low - y]})
    labels = sorted({a["category_id"] for a in annotations} | {r["category_id"] for r in results})
    size = {"height": 40, "width": 50}
    truth.dataset = {
        "info": {}, "images": [{"id": i, **size} for i in range(len(there))],
        "annotations": annotations,
        "categories": [{"id": label} for label in labels],
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        done = COCOeval(truth, truth.loadRes(results), "segm" if masks else "bbox")
        done.params.maxDets = [per_image]
        done.evaluate()
        done.accumulate()
    number = list(AREAS).index(area)
    precision = done.eval["precision"][:, :, :, number, -1]
    kept = precision[precision > -1]
    return (float(kept.mean()) if kept.size else np.nan), done


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("area", AREAS)
def test_cocos_own_number(seed, area):
    found, there = scenes(seed, ties=seed % 2 == 1)
    theirs, done = coco(found, there, area)
    ours = detection_ap(
        found, there, thresholds=COCO_THRESHOLDS, interpolation="101-point", area=AREAS[area]
    )
    np.testing.assert_allclose(ours.ap, theirs, atol=1e-9)
    recall = done.eval["recall"][:, :, list(AREAS).index(area), -1]
    if (recall > -1).any():
        np.testing.assert_allclose(ours.recall, recall[recall > -1].mean(), atol=1e-9)


@pytest.mark.parametrize("per_image", [1, 2, 100])
def test_few_detections_of_an_image_count(per_image):
    found, there = scenes(3)
    theirs, _ = coco(found, there, per_image=per_image)
    ours = detection_ap(
        found, there, thresholds=COCO_THRESHOLDS, interpolation="101-point", per_image=per_image
    )
    np.testing.assert_allclose(ours.ap, theirs, atol=1e-9)


def test_masks_are_cocos():
    rng = np.random.default_rng(0)
    found, there = [], []
    for _ in range(6):
        y, x = np.mgrid[:40, :50]
        centres = rng.uniform(5, 35, (3, 2))
        sizes = rng.uniform(4, 14, 3)
        disc = [
            (y - a) ** 2 + (x - b) ** 2 < r**2 for (a, b), r in zip(centres, sizes, strict=True)
        ]
        moved = centres + rng.normal(0, 2, (3, 2))
        said = [(y - a) ** 2 + (x - b) ** 2 < r**2 for (a, b), r in zip(moved, sizes, strict=True)]
        labels = rng.integers(0, 2, 3)
        corners = np.zeros((3, 4))
        found.append(Detections(corners, rng.random(3), labels, np.array(said)))
        there.append(Truths(corners, labels, None, np.array(disc)))
    theirs, _ = coco(found, there, masks=True)
    ours = detection_ap(
        found, there, thresholds=COCO_THRESHOLDS, interpolation="101-point", masks=True
    )
    np.testing.assert_allclose(ours.ap, theirs, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_torchmetrics_agrees_by_class(seed):
    found, there = scenes(seed + 50, crowds=False)
    metric = MeanAveragePrecision(class_metrics=True, backend="pycocotools")
    tensor = torch.as_tensor
    metric.update(
        [
            {"boxes": tensor(d.boxes), "scores": tensor(d.scores), "labels": tensor(d.labels)}
            for d in found
        ],
        [{"boxes": tensor(t.boxes), "labels": tensor(t.labels)} for t in there],
    )
    theirs = metric.compute()
    ours = detection_ap(found, there, thresholds=COCO_THRESHOLDS, interpolation="101-point")
    np.testing.assert_allclose(ours.ap, theirs["map"], atol=1e-6)
    by_class = dict(zip(theirs["classes"].tolist(), theirs["map_per_class"].tolist(), strict=True))
    for label, value in ours.by_class.items():
        np.testing.assert_allclose(value, by_class[label], atol=1e-6)


def slow_ap(found, there, label, threshold, points):
    """AP of one class by its definition: plain loops, no cumulative sums."""
    entries = sorted(
        (-score, image, i)
        for image, d in enumerate(found)
        for i, (score, said) in enumerate(zip(d.scores, d.labels, strict=True))
        if said == label
    )
    total = sum(int((t.labels == label).sum()) for t in there)
    used: set[tuple[int, int]] = set()
    curve = []
    right = 0
    for count, (_, image, i) in enumerate(entries, 1):
        x1, y1, x2, y2 = found[image].boxes[i]
        best, best_iou = None, threshold
        for j, (a1, b1, a2, b2) in enumerate(there[image].boxes):
            if there[image].labels[j] != label or (image, j) in used:
                continue
            both = max(0, min(x2, a2) - max(x1, a1)) * max(0, min(y2, b2) - max(y1, b1))
            union = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - both
            if both / union >= best_iou:
                best, best_iou = j, both / union
        if best is not None:
            used.add((image, best))
            right += 1
        curve.append((right / total, right / count))
    if points is not None:
        return np.mean([max((p for r, p in curve if r >= t), default=0) for t in points])
    area, before = 0.0, 0.0
    for k, (recall, _) in enumerate(curve):
        area += (recall - before) * max(p for _, p in curve[k:])
        before = recall
    return area


@pytest.mark.parametrize("seed", range(6))
def test_three_interpolations_by_their_definition(seed):
    found, there = scenes(seed + 200, crowds=False)
    kinds = {
        "all-point": None,
        "11-point": np.linspace(0, 1, 11) - 1e-12,
        "101-point": np.linspace(0, 1, 101),
    }
    for kind, points in kinds.items():
        ours = detection_ap(found, there, thresholds=[0.6], interpolation=kind)
        for label, value in ours.by_class.items():
            np.testing.assert_allclose(value, slow_ap(found, there, label, 0.6, points), atol=1e-9)


def test_matching_by_hand():
    truths = Truths([[0, 0, 10, 10], [20, 0, 30, 10]], [1, 1], [False, True])
    found = Detections(
        [[0, 0, 10, 9], [0, 0, 10, 10], [21, 1, 24, 4], [20, 0, 30, 10], [50, 0, 60, 10]],
        [0.9, 0.8, 0.7, 0.6, 0.5],
        [1, 1, 1, 1, 1],
    )
    matches = match_detections(found, truths)
    assert matches.right.tolist() == [True, False, False, False, False]
    assert matches.ignored.tolist() == [False, False, True, True, False]
    assert matches.found.tolist() == [True, False]
    other = match_detections(found._replace(labels=[2] * 5), truths)
    assert not other.right.any()
    assert not other.ignored.any()
    # The best score chooses first, even where a worse one overlaps more.
    tight = Detections([[0, 0, 10, 8], [0, 0, 10, 10]], [0.9, 0.8], [1, 1])
    assert match_detections(tight, truths).right.tolist() == [True, False]
    assert match_detections(tight, truths, 0.81).right.tolist() == [False, True]


def test_nothing_found_and_nothing_there():
    nothing = Detections([], [], [])
    empty = Truths([], [])
    one = Truths([[0, 0, 4, 4]], [0])
    said = Detections([[0, 0, 4, 4]], [0.5], [0])
    assert detection_ap([nothing], [one]).ap == 0
    assert detection_ap([said], [one]).ap == 1
    assert np.isnan(detection_ap([said], [empty]).ap)
    assert np.isnan(detection_ap([], []).ap)
    # a class that is absent from the truths does not enter the mean
    two = Detections([[0, 0, 4, 4]] * 2, [0.5, 0.9], [0, 7])
    assert detection_ap([two], [one]).by_class == {0: 1.0}
    flat = Truths([[2, 2, 2, 9]], [0])
    assert detection_ap([Detections([[2, 2, 2, 9]], [1], [0])], [flat]).ap == 0
    # of equal scores the first goes first
    ties = Detections([[0, 0, 4, 4], [9, 9, 12, 12]], [0.5, 0.5], [0, 0])
    assert detection_ap([ties], [one]).ap == 1
    assert match_detections(nothing, one).found.tolist() == [False]
    assert match_detections(said, empty).right.tolist() == [False]


def test_tensors_are_read():
    d = Detections(torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([0.5]), torch.tensor([3]))
    assert detection_ap([d], [Truths(torch.tensor([[0, 0, 4, 4]]), torch.tensor([3]))]).ap == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda d, t: detection_ap([d], []), "need as many with truths"),
        (lambda d, t: detection_ap([d], [t], thresholds=[0]), "above 0"),
        (lambda d, t: detection_ap([d], [t], thresholds=[]), "one or more"),
        (lambda d, t: detection_ap([d], [t], interpolation="12-point"), "not '12-point'"),
        (lambda d, t: detection_ap([d._replace(scores=[np.nan])], [t]), "image 0: .* NaN"),
        (lambda d, t: detection_ap([d, d._replace(labels=[])], [t, t]), "image 1: .* agree"),
        (lambda d, t: match_detections(d, t._replace(boxes=[[0, 0, 4]])), "agree"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call, said):
    d, t = Detections([[0, 0, 4, 4]], [0.5], [0]), Truths([[0, 0, 4, 4]], [0])
    with pytest.raises(ValueError, match=said):
        call(d, t)
