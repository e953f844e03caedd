"""Boxes against torchvision and brute force, on random and degenerate input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from torchvision.models.detection import _utils
from torchvision.models.detection.anchor_utils import AnchorGenerator

from cvlab import boxes


def some(n: int, seed: int = 0, whole: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, (n, 2))
    found = np.concatenate([corners, corners + rng.uniform(0.5, 30, (n, 2))], 1)
    return (np.round(found) if whole else found).astype(np.float32)


def test_overlap_of_ten_thousand_pairs_is_torchvisions():
    a, b = some(100), some(100, 1, whole=True)
    b[::7, 2:] = b[::7, :2]  # no area
    ours, theirs = boxes.iou(a, b), torchvision.ops.box_iou(torch.tensor(a), torch.tensor(b))
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)
    hull = torchvision.ops.generalized_box_iou(torch.tensor(a), torch.tensor(b))
    np.testing.assert_allclose(boxes.giou(a, b), hull.numpy(), atol=1e-6)
    np.testing.assert_allclose(boxes.area(a), torchvision.ops.box_area(torch.tensor(a)), rtol=1e-5)


def test_overlap_at_its_edges():
    one, empty, inverted = [[0, 0, 4, 4]], [[2, 2, 2, 2]], [[5, 5, 1, 9]]
    assert boxes.iou(one, one) == 1
    for nothing in (empty, inverted):
        assert boxes.iou(nothing, nothing) == 0
        assert boxes.iou(one, nothing) == 0
        assert np.isfinite(boxes.giou(nothing, nothing)).all()
    assert boxes.iou(one, [[4, 0, 8, 4]]) == 0  # touching
    assert boxes.giou(one, [[4, 0, 8, 4]]) == 0
    assert boxes.giou(one, [[400, 0, 404, 4]]) < -0.9
    assert boxes.iou([], one).shape == (0, 1)
    assert boxes.giou(one, np.zeros((0, 4))).shape == (1, 0)
    assert boxes.area([]).shape == (0,)
    assert boxes.iou(np.array(one, np.uint8), [[2, 0, 6, 4]]) == np.float32(1 / 3)


def test_tensors_stay_tensors_with_gradients():
    a = torch.tensor([[0.0, 0, 4, 4]], requires_grad=True)
    boxes.giou(a, torch.tensor([[2.0, 1, 6, 4]])).sum().backward()
    assert a.grad.abs().sum() > 0
    assert isinstance(boxes.iou(a, [[0, 0, 1, 1]]), torch.Tensor)
    assert boxes.nms(a, torch.tensor([1.0])).dtype == torch.int64


@pytest.mark.parametrize("seed", range(40))
def test_suppression_is_torchvisions(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 60))
    found = some(n, seed, whole=bool(seed % 2))
    scores = np.round(rng.random(n), 1 if seed % 3 == 0 else 9)  # many ties every third time
    scores = scores.astype(np.float32)
    labels = rng.integers(0, 3, n)
    threshold = float(rng.choice([0.0, 0.3, 0.5, 0.7, 1.0]))
    t = torch.tensor(found)
    # torchvision promises nothing for ties: they are broken here by a shift below what it ranks by
    order = np.argsort(-scores, kind="stable")
    ranks = np.empty(n, np.float32)
    ranks[order] = np.arange(n, 0, -1)
    theirs = torchvision.ops.nms(t, torch.tensor(ranks), threshold)
    assert boxes.nms(found, scores, threshold).tolist() == theirs.tolist()
    theirs = torchvision.ops.batched_nms(t, torch.tensor(ranks), torch.tensor(labels), threshold)
    assert boxes.batched_nms(found, scores, labels, threshold).tolist() == theirs.tolist()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("tenths", range(1, 10))
def test_an_overlap_that_equals_the_threshold_is_not_above_it(kind, tenths):
    pair = np.array([[0, 0, 10, 1], [0, 0, tenths, 1]], kind)  # IoU is tenths / 10
    assert boxes.nms(pair, [0.9, 0.8], tenths / 10).tolist() == [0, 1]
    assert boxes.nms(pair, [0.9, 0.8], tenths / 10 - 1e-6).tolist() == [0]


def test_encoding_is_torchvisions_and_comes_back():
    a, b = some(200), some(200, 1)
    coder = torchvision.models.detection._utils.BoxCoder((1.0, 1.0, 1.0, 1.0))
    theirs = coder.encode_single(torch.tensor(b), torch.tensor(a))
    deltas = boxes.encode(b, a)
    np.testing.assert_allclose(deltas, theirs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(boxes.decode(deltas, a), b, atol=1e-4)
    np.testing.assert_allclose(boxes.encode(3 * b, 3 * a), deltas, rtol=1e-4, atol=1e-5)
    assert boxes.encode([], []).shape == boxes.decode([], []).shape == (0, 4)
    with pytest.raises(ValueError, match="positive sides"):
        boxes.encode([[0, 0, 0, 4]], [[0, 0, 4, 4]])


def test_clipping_is_torchvisions():
    found = some(50) - 10
    theirs = torchvision.ops.clip_boxes_to_image(torch.tensor(found), (40, 30))
    np.testing.assert_array_equal(boxes.clip(found, 40, 30), theirs.numpy())


def test_anchors_are_torchvisions_up_to_its_rounding():
    sizes, ratios, stride = (16, 32), (0.5, 1.0, 2.0), 8
    ours = boxes.anchor_grid(3, 5, stride, sizes, ratios).reshape(15, 2, 3, 4)
    generator = AnchorGenerator((sizes,), (ratios,))
    images = torchvision.models.detection.image_list.ImageList(
        torch.zeros(1, 3, 24, 40), [(24, 40)]
    )
    theirs = generator(images, [torch.zeros(1, 1, 3, 5)])[0].numpy()
    theirs = theirs.reshape(15, 3, 2, 4).swapaxes(1, 2)  # torchvision: ratios slowest
    # It rounds half sides to whole pixels and centres anchors on a cell's corner.
    np.testing.assert_allclose(ours - stride / 2, theirs, atol=0.51)
    assert boxes.anchor_grid(0, 5, 8, [4]).shape == (0, 4)
    areas = boxes.area(ours.reshape(-1, 4)).reshape(15, 2, 3)
    np.testing.assert_allclose(areas[:, 0], 16**2, rtol=1e-5)
    np.testing.assert_allclose(areas[:, 1], 32**2, rtol=1e-5)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("best", [False, True])
def test_matching_is_torchvisions(seed, best):
    rng = np.random.default_rng(seed)
    anchors = some(80, seed, whole=True)
    truths = some(int(rng.integers(1, 8)), seed + 100, whole=True)
    truths = np.concatenate([truths, anchors[:2]])
    truths = truths[boxes.area(truths) > 0]
    quality = torchvision.ops.box_iou(torch.tensor(truths), torch.tensor(anchors))
    matcher = _utils.Matcher(0.5, 0.4, allow_low_quality_matches=best)
    theirs = matcher(quality)
    ours = boxes.match(anchors, truths, best=best)
    if best:
        # torchvision gives a truth's best anchors to *their* best truth; here they go to the truth.
        peaks = (quality == quality.max(1, keepdim=True).values).any(0).numpy()
        np.testing.assert_array_equal(ours[~peaks], theirs[~peaks])
        for truth in range(len(truths)):
            if quality[truth].max() > 0:
                assert (ours[quality[truth] == quality[truth].max()] >= 0).all()
    else:
        np.testing.assert_array_equal(ours, theirs)


def test_matching_of_nothing():
    one = [[0, 0, 4, 4]]
    assert boxes.match(one, []).tolist() == [-1]
    assert boxes.match([], one).shape == (0,)
    assert boxes.match(one, [[50, 50, 60, 60]]).tolist() == [-1]  # best of all, and nowhere near
    assert boxes.match(one, [[0, 0, 1, 4]], best=True).tolist() == [0]
    assert boxes.match(one, [[0, 0, 1, 4]], best=False).tolist() == [-1]
    assert boxes.match(one, [[0, 0, 1.8, 4]], best=False).tolist() == [-2]


def test_crops_are_roi_aligns_with_one_sample():
    rng = np.random.default_rng(0)
    image = rng.random((3, 40, 50)).astype(np.float32)
    found = np.array([[3.3, 4.1, 20.7, 30.2], [0.5, 0.5, 49, 39], [10, 10, 17, 17]], np.float32)
    theirs = torchvision.ops.roi_align(
        torch.tensor(image)[None], [torch.tensor(found)], 7, sampling_ratio=1, aligned=True
    )
    np.testing.assert_allclose(boxes.crop_resize(image, found, 7), theirs.numpy(), atol=1e-5)
    tensor = boxes.crop_resize(torch.tensor(image), torch.tensor(found), 7)
    np.testing.assert_allclose(tensor, theirs, atol=1e-5)
    whole = boxes.crop_resize(image[0], [[10, 10, 17, 17]], 7)  # pixel for pixel
    np.testing.assert_allclose(whole[0], image[0, 10:17, 10:17], atol=1e-6)
    wide = boxes.crop_resize(image[0], [[12, 12, 16, 16]], 8, context=0.5)
    np.testing.assert_allclose(wide[0], image[0, 10:18, 10:18], atol=1e-6)
    assert np.isfinite(boxes.crop_resize(image, [[-9, -9, 60, 3]], 4)).all()
    assert boxes.crop_resize(image, [], 4).shape == (0, 3, 4, 4)


def test_bad_input_is_told_in_a_sentence():
    one = [[0, 0, 4, 4]]
    for call, said in (
        (lambda: boxes.iou([[0, 0, 4]], one), r"shape \(N, 4\)"),
        (lambda: boxes.iou([[0, 0, 4, np.nan]], one), "NaN"),
        (lambda: boxes.nms(one, [1, 2]), "as many scores"),
        (lambda: boxes.nms(one, [np.nan]), "scores hold NaN"),
        (lambda: boxes.batched_nms(one, [1], [1, 2]), "as many labels"),
        (lambda: boxes.encode(one, [*one, *one]), "as many anchors"),
        (lambda: boxes.match(one, one, high=0.3, low=0.4), "low <= high"),
        (lambda: boxes.anchor_grid(2, 2, 8, [0]), "positive"),
        (lambda: boxes.crop_resize(np.zeros(3), one, 4), "image must have shape"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
