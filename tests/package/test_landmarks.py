"""Landmarks: homographies against OpenCV's warp and corners, masks against polygons."""

import doctest
import importlib

import cv2
import numpy as np
import pytest

from cvlab import scenes
from cvlab.scenes import facade, landmark_views

PLAIN = dict.fromkeys(("light", "clutter", "occlusion", "noise"), 0.0)


def corners(front, matrix):
    high, wide = front.shape[:2]
    ends = [[-0.5, -0.5], [wide - 0.5, -0.5], [wide - 0.5, high - 0.5], [-0.5, high - 0.5]]
    return cv2.perspectiveTransform(np.array([ends]), matrix)[0]


@pytest.mark.parametrize("name", ["facades", "landmarks"])
def test_examples(name):
    module = importlib.import_module(f"cvlab.scenes.{name}")
    results = doctest.testmod(module)
    assert results.failed == 0
    assert results.attempted > 0


def test_a_view_depends_on_seed_landmark_and_its_place_alone():
    few, many = landmark_views(2, 3, seed=4), landmark_views(5, 6, seed=4, distractors=3)
    for k in range(3):
        for number in range(2):
            np.testing.assert_array_equal(few.images[3 * number + k], many.images[6 * number + k])
    later = landmark_views(1, 3, first=1, seed=4)
    np.testing.assert_array_equal(later.images, few.images[3:])
    np.testing.assert_array_equal(later.fronts[1], few.fronts[1])
    assert later.landmark.tolist() == [1, 1, 1]
    assert not np.array_equal(few.images, landmark_views(2, 3, seed=5).images)


def test_a_strength_moves_what_it_names():
    base = landmark_views(3, 4, seed=2)
    for name in ("light", "noise"):
        other = landmark_views(3, 4, seed=2, **{name: 1.0})
        np.testing.assert_array_equal(base.homographies, other.homographies)
        np.testing.assert_array_equal(base.masks, other.masks)
        assert abs(base.images - other.images).mean() > 0.01
    clear = landmark_views(3, 4, seed=2, occlusion=0)
    assert (clear.masks >= landmark_views(3, 4, seed=2, occlusion=1.0).masks).all()
    assert clear.masks.sum() > landmark_views(3, 4, seed=2, occlusion=1.0).masks.sum()


@pytest.mark.parametrize("shape", [(64, 64), (48, 96), (81, 50)])
def test_images_are_what_opencv_warps(shape):
    batch = landmark_views(4, 4, *shape, seed=3, viewpoint=1, **PLAIN)
    for image, mask, matrix, number in zip(
        batch.images, batch.masks, batch.homographies, batch.landmark, strict=True
    ):
        front = batch.fronts[int(number)]
        # Four times as large and averaged, so that OpenCV's warp is smooth as well.
        large = np.array([[4, 0, 1.5], [0, 4, 1.5], [0, 0, 1]]) @ matrix
        warped = cv2.warpPerspective(front, large, (4 * shape[1], 4 * shape[0]))
        warped = cv2.resize(warped, shape[::-1], interpolation=cv2.INTER_AREA)
        inner = cv2.erode(mask.astype(np.uint8), np.ones((5, 5))).astype(bool)
        assert abs(warped - image)[inner].mean() < 0.05
        # A picture shifted by two pixels would not fit.
        moved = np.roll(warped, 2, axis=1)
        assert abs(moved - image)[inner].mean() > 1.3 * abs(warped - image)[inner].mean()


def test_masks_are_the_polygons_of_the_corners_and_boxes_go_around_them():
    batch = landmark_views(5, 5, 60, 70, seed=1, occlusion=0, viewpoint=1, scale=0.1)
    for mask, box, matrix, number in zip(
        batch.masks, batch.boxes, batch.homographies, batch.landmark, strict=True
    ):
        outline = corners(batch.fronts[int(number)], matrix).astype(np.float32)
        wanted = [
            [cv2.pointPolygonTest(outline, (float(j), float(i)), False) > 0 for j in range(70)]
            for i in range(60)
        ]
        assert (mask != wanted).sum() <= 2  # centres on the outline
        rows, columns = np.nonzero(mask)
        edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.tolist() == edges


def test_between_leads_from_view_to_view():
    batch = landmark_views(2, 3, seed=6, viewpoint=0.8)
    front = batch.fronts[1]
    there = cv2.perspectiveTransform(
        corners(front, batch.homographies[3])[None], batch.between(3, 5)
    )
    np.testing.assert_allclose(there[0], corners(front, batch.homographies[5]), atol=1e-6)
    np.testing.assert_allclose(batch.between(4, 4), np.eye(3), atol=1e-9)
    with pytest.raises(ValueError, match="same landmark"):
        batch.between(0, 3)
    other = landmark_views(1, 1, distractors=2)
    with pytest.raises(ValueError, match="same landmark"):
        other.between(1, 2)


def test_without_viewpoint_nothing_is_turned_and_with_it_up_to_its_limit():
    flat = landmark_views(4, 5, viewpoint=0).homographies
    np.testing.assert_allclose(flat[:, 2], [[0, 0, 1]] * 20, atol=1e-9)
    np.testing.assert_allclose(flat[:, 0, 1], 0, atol=1e-9)
    np.testing.assert_allclose(flat[:, 0, 0], flat[:, 1, 1])
    turned = landmark_views(4, 5, viewpoint=1).homographies
    assert abs(turned[:, 2, :2]).max() > 1e-3


def test_the_landmark_is_large_and_nearly_whole():
    for settings in ({}, {"scale": 0.0}, {"scale": 1.0}, {"viewpoint": 1.0}):
        batch = landmark_views(10, 6, occlusion=0, **settings)
        whole = np.array(
            [
                cv2.contourArea(corners(batch.fronts[int(m)], h).astype(np.float32))
                for m, h in zip(batch.landmark, batch.homographies, strict=True)
            ]
        )
        seen = batch.masks.sum((1, 2))
        assert (seen / whole > 0.75).all()
        assert seen.min() > 150


def test_noisy_labels_and_distractors():
    batch = landmark_views(12, 30, 16, 16, first=5, noisy=0.4, seed=9, distractors=4)
    given, true = batch.labels[:-4], batch.landmark[:-4]
    assert (given == np.repeat(np.arange(5, 17), 30)).all()
    assert 0.3 < (given != true).mean() < 0.5
    assert 0.1 < (true == -1).mean() < 0.3
    assert set(true[true >= 0]) <= set(range(5, 17))
    assert (batch.landmark[-4:] == -1).all()
    assert (batch.labels[-4:] == -1).all()
    clean = landmark_views(12, 30, 16, 16, first=5, seed=9)
    assert (clean.labels == clean.landmark).all()
    kept = given == true
    np.testing.assert_array_equal(batch.images[:-4][kept], clean.images[kept])
    assert (landmark_views(1, 40, 16, 16, noisy=1.0).landmark == -1).all()


def test_landmarks_differ_and_two_kinds_occur():
    pictures = [facade(1, k) for k in range(40)]
    assert {kind for _, kind in pictures} == set(scenes.FACADE_KINDS)
    assert len({picture.tobytes() for picture, _ in pictures}) == 40
    for picture, _ in pictures:
        assert picture.dtype == np.float32
        assert picture.min() >= 0
        assert picture.max() <= 1
        assert 72 <= picture.shape[1] <= 128


def test_type_range_and_text():
    batch = landmark_views(2, 2, 40, 50, noise=1, light=1)
    assert batch.images.dtype == np.float32
    assert batch.images.min() >= 0
    assert batch.images.max() <= 1
    assert repr(batch) == "LandmarkViews(4 of 2 landmarks, 50x40)"
    assert len(batch) == 4


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"landmarks": 0}, ValueError, "landmarks must be at least 1"),
        ({"views": 1.5}, TypeError, "views must be an integer"),
        ({"height": 8}, ValueError, "height must be in 16"),
        ({"noise": 2}, ValueError, r"noise must be a number in \[0, 1\]"),
        ({"noisy": "much"}, TypeError, "noisy must be a number"),
        ({"first": -1}, ValueError, "first must be in 0"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"distractors": -2}, ValueError, "distractors must be at least 0"),
    ],
)
def test_refusals(settings, error, text):
    with pytest.raises(error, match=text):
        landmark_views(**({"landmarks": 1, "views": 1} | settings))
