"""Segmentation metrics against scikit-learn, scikit-image, SciPy, torchmetrics and definitions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.segmentation import find_boundaries
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, jaccard_score
from torchmetrics.detection import PanopticQuality

from cvlab.metrics import boundary_f, panoptic_quality, pixel_confusion, segmentation_scores


def labellings(seed: int, n=3, height=13, width=18, classes=4, noise=0.2):
    """Return a random labelling in patches and one that differs from it in places."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, classes, (n, height // 4 + 1, width // 4 + 1))
    actual = coarse.repeat(4, 1).repeat(4, 2)[:, :height, :width]
    wrong = rng.random(actual.shape) < noise
    return np.where(wrong, rng.integers(0, classes, actual.shape), actual), actual


@pytest.mark.parametrize("seed", range(4))
def test_scores_agree_with_scikit_learn(seed):
    predicted, actual = labellings(seed)
    confusion = pixel_confusion(predicted, actual, 4)
    assert confusion.tolist() == confusion_matrix(actual.ravel(), predicted.ravel()).tolist()
    scores = segmentation_scores(confusion)
    flat = actual.ravel(), predicted.ravel()
    np.testing.assert_allclose(scores.iou, jaccard_score(*flat, average=None))
    assert scores.miou == pytest.approx(jaccard_score(*flat, average="macro"))
    assert scores.fwiou == pytest.approx(jaccard_score(*flat, average="weighted"))
    assert scores.mean == pytest.approx(balanced_accuracy_score(*flat))
    assert scores.pixel == pytest.approx(np.mean(predicted == actual))


def test_ignored_pixels_do_not_count_whatever_is_predicted_there():
    predicted, actual = (x.astype(np.uint8) for x in labellings(0))
    hidden = np.random.default_rng(1).random(actual.shape) < 0.3
    masked = np.where(hidden, np.uint8(255), actual)
    expected = pixel_confusion(predicted[~hidden], actual[~hidden], 4)
    for said in (predicted, np.where(hidden, np.uint8(200), predicted)):
        assert (pixel_confusion(said, masked, 4, ignore=255) == expected).all()
    assert pixel_confusion(predicted, np.full_like(actual, 255), 4, ignore=255).sum() == 0


def test_a_class_that_nobody_has_is_left_out_and_one_only_predicted_is_zero():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = segmentation_scores([[2, 0, 1], [0, 0, 0], [0, 0, 0]])
        nothing = segmentation_scores(np.zeros((3, 3)))
    np.testing.assert_array_equal(scores.iou, [2 / 3, np.nan, 0])
    assert scores.miou == pytest.approx(1 / 3)
    assert scores.mean == scores.fwiou == pytest.approx(2 / 3)
    assert np.isnan([nothing.pixel, nothing.mean, nothing.miou, nothing.fwiou]).all()
    assert segmentation_scores([[5]]).miou == 1


def boundary_f_by_distance(predicted, actual, tolerance):
    """The definition through scikit-image's boundaries and SciPy's distance to them."""
    hits = np.zeros((2, 2))  # matched and all, of predicted and actual
    for images in zip(predicted, actual, strict=True):
        edges = [find_boundaries(x, connectivity=1, mode="thick") for x in images]
        for side, (own, other) in enumerate([edges, edges[::-1]]):
            far = ndimage.distance_transform_edt(~other) if other.any() else np.inf
            hits[side] += (own & (far <= tolerance)).sum(), own.sum()
    precision, recall = hits[:, 0] / hits[:, 1]
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 2, 5, 40])
@pytest.mark.parametrize("shape", [(13, 18), (8, 8), (2, 31), (1, 9)])
def test_boundary_f_agrees_with_distances(tolerance, shape):
    predicted, actual = labellings(5, 4, *shape, noise=0.05)
    expected = boundary_f_by_distance(predicted, actual, tolerance)
    assert boundary_f(predicted, actual, tolerance) == pytest.approx(expected)


def test_boundary_f_of_one_image_and_of_degenerate_ones():
    predicted, actual = labellings(2)
    assert boundary_f(predicted[0], actual[0]) == boundary_f(predicted[:1], actual[:1])
    assert boundary_f(actual, actual, 0) == 1
    assert boundary_f((actual + 1).astype(np.uint8), actual.astype(np.uint8), 0) == 1
    flat = np.zeros_like(actual)
    assert boundary_f(flat, actual) == boundary_f(actual, flat) == 0
    assert np.isnan(boundary_f(flat, flat + 1))
    assert np.isnan(boundary_f(actual[:0], actual[:0]))
    assert np.isnan(boundary_f([[1]], [[0]]))
    dot = np.zeros((9, 9), int)
    dot[0, 0] = 1
    assert boundary_f(dot, dot[::-1, ::-1]) == 0  # both have boundaries, none close


def panoptic(seed: int, void: bool, n=4, size=24, unsaid=False):
    """Return random segments: classes 0 and 1 are stuff, 2 and 3 things, 9 is void.

    With ``unsaid`` the prediction has void too: torchmetrics takes it out of the unions, COCO's
    panopticapi, which we follow, does not.
    """
    rng = np.random.default_rng(seed)
    actual = np.zeros((n, size, size, 2), int)
    actual[..., 0] = np.arange(size)[:, None] > size // 2
    predicted = actual.copy()
    predicted[:, size // 2 - 1 : size // 2 + 2, :, 0] = 0
    for picture, said in zip(actual, predicted, strict=True):
        for instance in range(1, 6):
            top, left = rng.integers(0, size - 6, 2)
            label, height, width = rng.integers(2, 4), *rng.integers(3, 9, 2)
            picture[top : top + height, left : left + width] = (label, instance)
            top, left = top + rng.integers(0, 2), left + rng.integers(0, 2)
            label = label if rng.random() < 0.8 else 5 - label
            said[top : top + height, left : left + width] = (label, 6 - instance)
        if void:
            top, left = rng.integers(0, size - 8, 2)
            picture[top : top + 9, left : left + 7] = (9, 0)
        if unsaid:
            said[:2, :5] = (9, 0)
    return predicted, actual


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_panoptic_quality_agrees_with_torchmetrics(seed, void):
    predicted, actual = panoptic(seed, void)
    peer = PanopticQuality(
        things={2, 3}, stuffs={0, 1}, allow_unknown_preds_category=True,
        return_sq_and_rq=True, return_per_class=True,
    )  # fmt: skip
    expected = peer(torch.tensor(predicted), torch.tensor(actual)).numpy()  # (4, 3), things first
    scores = panoptic_quality(predicted, actual, stuff=[0, 1], void=9)
    ours = np.array([scores.by_class[label] for label in range(4)])
    assert sorted(scores.by_class) == [0, 1, 2, 3]
    order = list(peer.things) + list(peer.stuffs)
    np.testing.assert_allclose(ours[order], expected.reshape(4, 3), atol=1e-6)
    np.testing.assert_allclose([scores.pq, scores.sq, scores.rq], ours.mean(0))


def panoptic_by_definition(predicted, actual, void):
    """PQ of each class with a loop over all pairs of masks."""
    sums = {}
    for said, picture in zip(predicted, actual, strict=True):
        masks = [
            {tuple(s): (x == s).all(-1) for s in np.unique(x.reshape(-1, 2), axis=0)}
            for x in (said, picture)
        ]
        gap = picture[..., 0] == void
        used = [set(), set()]
        for own, a in masks[0].items():
            for real, b in masks[1].items():
                if own[0] == real[0] != void:
                    iou = (a & b).sum() / ((a & ~gap) | b).sum()
                    if iou > 0.5:
                        sums.setdefault(own[0], []).append((iou, 1))
                        used[0].add(own)
                        used[1].add(real)
        for own, a in masks[0].items():
            if own[0] != void and own not in used[0] and (a & gap).sum() * 2 <= a.sum():
                sums.setdefault(own[0], []).append((0, 0.5))
        for real in masks[1]:
            if real[0] != void and real not in used[1]:
                sums.setdefault(real[0], []).append((0, 0.5))
    return {int(label): np.sum(s, 0)[0] / np.sum(s, 0)[1] for label, s in sums.items()}


@pytest.mark.parametrize("seed", range(3))
def test_panoptic_quality_agrees_with_the_definition(seed):
    predicted, actual = panoptic(seed, True, n=2, size=17, unsaid=True)
    expected = panoptic_by_definition(predicted, actual, 9)
    scores = panoptic_quality(predicted, actual, void=9)
    assert scores.by_class.keys() == expected.keys()
    for label, (pq, sq, rq) in scores.by_class.items():
        assert pq == pytest.approx(expected[label]) == pytest.approx(sq * rq)


def test_panoptic_quality_of_degenerate_input():
    pair = np.zeros((1, 2, 4, 2), np.uint8)
    pair[0, :, 2:] = (1, 1)
    assert panoptic_quality(pair, pair)[:3] == (1, 1, 1)
    assert panoptic_quality(pair[0], pair[0]) == panoptic_quality(pair, pair)
    half = pair.copy()
    half[0, 0, 2:] = (0, 0)  # an IoU of exactly one half is no match
    scores = panoptic_quality(half, pair)
    assert scores.by_class[1] == (0, 0, 0)
    assert np.isnan(panoptic_quality(pair[:0], pair[:0]).pq)
    assert panoptic_quality(pair[:0], pair[:0]).by_class == {}
    nothing = np.full_like(pair, 9)
    assert np.isnan(panoptic_quality(pair, nothing, void=9).pq)  # all of it is void
    assert panoptic_quality(nothing, pair, void=9)[:3] == (0, 0, 0)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: pixel_confusion([0, 1], [0], 2), ValueError, "agree"),
        (lambda: pixel_confusion([0, 2], [0, 1], 2), ValueError, "label 2"),
        (lambda: pixel_confusion([0, -1], [0, 1], 2), ValueError, "label -1"),
        (lambda: pixel_confusion([0.5], [0], 2), TypeError, "whole numbers"),
        (lambda: pixel_confusion([0], [0], 2.0), TypeError, "classes"),
        (lambda: segmentation_scores(np.zeros((2, 3))), ValueError, r"\(C, C\)"),
        (lambda: segmentation_scores([[-1]]), ValueError, "negative"),
        (lambda: segmentation_scores([[np.nan]]), ValueError, "NaN"),
        (lambda: boundary_f([0], [0]), ValueError, r"\(N, H, W\)"),
        (lambda: boundary_f([[0]], [[0]], -1), ValueError, "tolerance"),
        (lambda: boundary_f([[0.0]], [[0]]), TypeError, "predicted"),
        (lambda: panoptic_quality([[[0]]], [[[0]]]), ValueError, r"\(N, H, W, 2\)"),
    ],
)
def test_bad_input_is_one_clear_sentence(call, error, said):
    with pytest.raises(error, match=said):
        call()
