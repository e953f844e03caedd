"""Avatars: who depends on what, labels against pixels, and how far colour alone leads."""

import doctest
import importlib

import numpy as np
import pytest

from cvlab import scenes
from cvlab.scenes import AVATAR_PARTS, HEAD_AXES, HEAD_MARKS

NOTHING = {"light": 0, "pose": 0, "shift": 0, "scale": 0, "clutter": 0, "occlusion": 0, "noise": 0}


def identical(first, second):
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("images", "identity", "camera", "junk", "part_masks")
    )


@pytest.mark.parametrize("name", ["avatars", "avatar_painter", "avatar_heads"])
def test_examples(name):
    result = doctest.testmod(importlib.import_module(f"cvlab.scenes.{name}"))
    assert result.failed == 0
    assert result.attempted > 0


# --- Views ---------------------------------------------------------------------------------------


def test_a_view_depends_on_the_seed_its_person_and_its_number_alone():
    many = scenes.sample_avatars(range(40), views=8, seed=4, junk=0.2)
    few = scenes.sample_avatars([17], views=3, seed=4, junk=0.2)
    assert identical(few, many[17 * 8 : 17 * 8 + 3])
    assert not identical(few, scenes.sample_avatars([17], views=3, seed=5, junk=0.2))
    assert identical(many[5], many[[5]])
    assert identical(many[many.identity == 3], many[24:32])


def test_a_person_looks_the_same_to_all_seeds():
    first = scenes.sample_avatars([3, 9], views=2, seed=0)
    second = scenes.sample_avatars([9], views=2, seed=7)
    for name, value in first.attributes.items():
        np.testing.assert_array_equal(value[2:], second.attributes[name])
        np.testing.assert_array_equal(value[2], value[3])
    assert first.identity.tolist() == [3, 3, 9, 9]
    assert first.camera.tolist() == [0, 1, 0, 1]


def test_attributes_are_places_in_their_lists():
    found = scenes.sample_avatars(300, views=1, height=8, width=8).attributes
    lists = {
        "hair_style": scenes.HAIR_STYLES,
        "upper_pattern": scenes.PATTERNS,
        "lower_pattern": scenes.PATTERNS,
        "lower_kind": scenes.LOWERS,
        "bag": scenes.BAGS,
        "short_sleeves": (0, 1),
    }
    for name, known in lists.items():
        assert set(found[name]) == set(range(len(known))), name
    for name in ("upper", "lower"):
        assert found[name].shape == (300, 2)
        assert (found[name][:, 0] != found[name][:, 1]).all()
        assert 0 <= found[name].min() <= found[name].max() < len(scenes.COLOUR_NAMES)
    people = {tuple(np.concatenate([np.ravel(v[k]) for v in found.values()])) for k in range(300)}
    assert len(people) == 300


def test_cloth_has_the_colours_that_the_attributes_say():
    batch = scenes.sample_avatars(60, views=1, seed=1, height=80, width=40, **NOTHING)
    palette = np.array(list(scenes.COLOUR_NAMES.values()))
    for name in ("upper", "lower"):
        inside = batch.part_masks == 1 + AVATAR_PARTS.index(name)
        for k in range(60):
            first, second = palette[batch.attributes[name][k]]
            pixels = batch.images[k][inside[k]]
            near = np.abs(pixels - first).max(1) < 0.02
            other = np.abs(pixels - second).max(1) < 0.02
            assert near.mean() > 0.15
            if batch.attributes[f"{name}_pattern"][k] == 0:
                assert near.mean() > 0.6
            else:
                assert other.mean() > 0.03


def test_without_strengths_views_differ_in_nothing_but_which_side_is_seen():
    batch = scenes.sample_avatars([5], views=40, cameras=1, **NOTHING)
    assert len(np.unique(batch.images.reshape(40, -1), axis=0)) == 2


@pytest.mark.parametrize(
    "name", ["light", "pose", "shift", "scale", "clutter", "occlusion", "noise"]
)
def test_each_strength_changes_views_and_none_is_out_of_range(name):
    still = scenes.sample_avatars(4, views=4, **NOTHING)
    moved = scenes.sample_avatars(4, views=4, **{**NOTHING, name: 1})
    assert abs(moved.images - still.images).max() > 0.05
    for batch in (still, moved):
        assert batch.images.dtype == np.float32
        assert batch.images.min() >= 0
        assert batch.images.max() <= 1


def test_a_camera_changes_all_its_images_alike():
    dark = scenes.sample_avatars(50, views=4, **{**NOTHING, "light": 1})
    plain = scenes.sample_avatars(50, views=4, **NOTHING)
    ratio = (dark.images.mean((1, 2)) / plain.images.mean((1, 2))).reshape(50, 4, 3)
    between = np.log(ratio).mean(0).std(0).mean()
    within = np.log(ratio).std(0).mean()
    assert between > within > 0.02


def test_part_masks_end_where_the_person_does():
    batch = scenes.sample_avatars(20, views=2, seed=2, **{**NOTHING, "pose": 1})
    person = batch.part_masks > 0
    grey = abs(batch.images - 0.5).max(-1) < 1e-6
    # A pixel that the person does not touch keeps the background's grey.
    assert (grey & person).mean() < 0.001
    assert 0.15 < person.mean() < 0.5
    assert set(np.unique(batch.part_masks)) <= set(range(len(AVATAR_PARTS) + 1))
    heads = np.isin(batch.part_masks, (1, 2)).any(2).argmax(1)
    shoes = (batch.part_masks == 5).any(2).argmax(1)
    assert (heads < shoes).all()


def test_occluders_hide_and_junk_cuts_off():
    shares = {}
    for name in ("", "occlusion", "junk"):
        settings = {**NOTHING, **({name: 1} if name else {})}
        batch = scenes.sample_avatars(60, views=2, **settings)
        assert (batch.junk == (name == "junk")).all()
        shares[name] = (batch.part_masks > 0).mean()
    assert 0.4 * shares[""] < shares["occlusion"] < 0.9 * shares[""]
    assert shares["junk"] < 0.65 * shares[""]
    some = scenes.sample_avatars(200, views=2, junk=0.3).junk.mean()
    assert 0.2 < some < 0.4


def test_sizes_tensors_and_nobody_at_all():
    batch = scenes.sample_avatars(2, views=3, height=24, width=30)
    assert batch.images.shape == (6, 24, 30, 3)
    assert repr(batch) == "Avatars(6 images of 30x24 pixels, 2 people)"
    for empty in (scenes.sample_avatars(0, views=4), scenes.sample_avatars(3, views=0)):
        assert len(empty) == 0
        assert empty.images.shape == (0, 40, 20, 3)
    tensors = batch.torch()
    assert tensors["images"].shape == (6, 3, 24, 30)
    assert np.shares_memory(tensors["images"].numpy(), batch.images)


def colour_histogram(images, bands=3, bins=6):
    cells = np.minimum((images * bins).astype(int), bins - 1) @ (bins * bins, bins, 1)
    rows = [c.reshape(len(images), -1) for c in np.array_split(cells, bands, axis=1)]
    return np.concatenate(
        [[np.bincount(image, minlength=bins**3) / len(image) for image in band] for band in rows], 1
    )


def rank_one(distances, identity):
    np.fill_diagonal(distances, np.inf)
    return (identity[distances.argmin(1)] == identity).mean()


def test_colour_histograms_find_a_quarter_to_two_fifths():
    """Too few, and no loss could learn anything in seconds; too many, and none would need to."""
    found = []
    for first in (1000, 2000, 3000, 4000):
        batch = scenes.sample_avatars(range(first, first + 60), views=8, seed=first)
        histograms = colour_histogram(batch.images).astype(np.float32)
        far = np.array([np.abs(histograms - h).sum(1) for h in histograms])
        found.append(rank_one(far, batch.identity))
    assert 0.25 < np.mean(found) < 0.4
    assert 0.2 < min(found) < max(found) < 0.45


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: scenes.sample_avatars(-1, 2), ValueError, "identities must be at least 0"),
        (lambda: scenes.sample_avatars([1, 1], 2), ValueError, "must be distinct"),
        (lambda: scenes.sample_avatars([1.5], 2), TypeError, "an identity must be an integer"),
        (lambda: scenes.sample_avatars(2, 2, height=4), ValueError, "height must be in 8 to 256"),
        (lambda: scenes.sample_avatars(2, 2, cameras=0), ValueError, "cameras must be in 1 to 64"),
        (lambda: scenes.sample_avatars(2, 2, light=2), ValueError, "light must be a number in"),
        (lambda: scenes.sample_avatars(2, 2, noise="much"), TypeError, "noise must be a number"),
        (lambda: scenes.place_avatars(2, 3, people=(2, 4)), ValueError, "not 3"),
        (lambda: scenes.place_avatars(np.zeros((1, 9, 9, 3)), 5), ValueError, "of 16 pixels"),
        (lambda: scenes.place_avatars(np.zeros((1, 64, 96)), 5), ValueError, "N, H, W, 3"),
        (lambda: scenes.place_avatars(1, 5, height=(40, 20)), ValueError, "smallest, greatest"),
        (lambda: scenes.avatar_heads([1, 2], yaw=[1, 2, 3]), ValueError, "one per head"),
        (lambda: scenes.avatar_heads([1], yaw=91), ValueError, "within 90 degrees"),
        (lambda: scenes.avatar_heads([-1]), ValueError, "an identity must be at least 0"),
        (lambda: scenes.avatar_heads([1], size=4), ValueError, "size must be in 8 to 256"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


# --- Scenes --------------------------------------------------------------------------------------


def test_boxes_are_tight_and_inside_and_nobody_is_twice_in_a_scene():
    batch = scenes.place_avatars(40, range(100, 130), seed=3)
    assert batch.images.shape == (40, 64, 96, 3)
    for k in range(40):
        count = len(batch.boxes[k])
        assert 2 <= count <= 4
        assert len(batch.distractors[k]) <= 2
        assert len(set(batch.identity[k].tolist())) == count == len(batch.visible[k])
        assert set(batch.identity[k]) <= set(range(100, 130))
        x1, y1, x2, y2 = np.concatenate([batch.boxes[k], batch.distractors[k]]).T
        assert min(x1.min(), y1.min()) >= 0
        assert x2.max() <= 96
        assert y2.max() <= 64
        assert (y2 - y1 > 1.2 * (x2 - x1)).mean() > 0.5
    visible = np.concatenate(batch.visible)
    assert 0.8 < visible.mean() < 1
    assert visible.min() >= 0


def test_a_scene_changes_inside_boxes_only():
    world = np.full((6, 64, 96, 3), 0.5, np.float32)
    batch = scenes.place_avatars(world, 20, people=3, light=0, noise=0)
    assert (world == 0.5).all()  # the caller's images stay
    for image, people, things in zip(batch.images, batch.boxes, batch.distractors, strict=True):
        outside = np.ones((64, 96), bool)
        for x1, y1, x2, y2 in np.concatenate([people, things]).astype(int):
            outside[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1] = False
            inner = image[y1:y2, x1:x2]
            for edge in (inner[0], inner[-1], inner[:, 0], inner[:, -1]):
                assert abs(edge - 0.5).max() > 0.01
        assert (image[outside] == 0.5).all()


def test_a_scene_has_one_light_and_depends_on_its_place():
    world = np.full((5, 48, 64, 3), 0.4, np.float32)
    batch = scenes.place_avatars(world, 20, people=0, distractors=0, noise=0, light=1)
    np.testing.assert_allclose(batch.images[:, 0, 0], 0.4 * batch.light, atol=1e-6)
    assert batch.light.std(0).min() > 0.05
    many = scenes.place_avatars(8, 30, seed=5)
    few = scenes.place_avatars(3, 30, seed=5)
    assert np.array_equal(many.images[:3], few.images)
    assert all(map(np.array_equal, many[:3].boxes, few.boxes))
    assert repr(many[2]).startswith("AvatarScenes(1 scenes of 96x64 pixels")


# --- Heads ---------------------------------------------------------------------------------------


def test_points_turn_as_the_closed_form_says():
    yaw = np.linspace(-80, 80, 9)
    heads = scenes.avatar_heads([6] * 9, yaw=yaw, size=64)
    front = scenes.avatar_heads([6], yaw=0, size=64)
    middle, a, b = 31.5, 64 * HEAD_AXES[0], 64 * HEAD_AXES[1]
    y = front.landmarks[0, :, 1] - middle
    radius = a * np.sqrt(1 - (y / b) ** 2)
    theta = np.arcsin((front.landmarks[0, :, 0] - middle) / radius)
    expected = middle + radius * np.sin(theta - np.radians(yaw)[:, None])
    np.testing.assert_allclose(heads.landmarks[..., 0], expected, atol=1e-3)
    np.testing.assert_allclose(heads.landmarks[..., 1] - middle, np.tile(y, (9, 1)), atol=1e-4)
    seen = abs(theta - np.radians(yaw)[:, None]) < np.pi / 2
    np.testing.assert_array_equal(heads.visible, seen)
    assert front.visible.all()


def test_a_turned_head_shows_the_pixels_of_the_frontal_one():
    front, turned = (
        scenes.avatar_heads([8], yaw=yaw, size=201, light=0, noise=0) for yaw in (0, 35)
    )
    middle, a, b = 100, 201 * HEAD_AXES[0], 201 * HEAD_AXES[1]
    checked, far = 0, []
    for row in range(40, 170, 5):
        radius = a * np.sqrt(1 - ((row - middle) / b) ** 2)
        for theta in np.radians(np.arange(-40, 76, 3.0)):
            here = round(middle + radius * np.sin(theta - np.radians(35)))
            there = round(middle + radius * np.sin(theta))
            far.append(abs(turned.images[0, row, here] - front.images[0, row, there]).max())
            checked += 1
    assert checked > 900
    assert np.mean(far) < 0.03
    assert np.mean(np.array(far) < 0.05) > 0.85  # rounding to pixels spoils edges


def test_eyes_are_where_the_landmarks_say():
    heads = scenes.avatar_heads(range(40), size=64, light=0, noise=0)
    eye = HEAD_MARKS.index("left eye")
    x, y = np.rint(heads.landmarks[:, eye]).astype(int).T
    iris = heads.images[np.arange(40), y, x]
    below = heads.images[np.arange(40), y + 8, x]
    assert (abs(iris - below).max(1) > 0.1).mean() > 0.9


def test_a_head_depends_on_its_place_and_person():
    many = scenes.avatar_heads([1, 2, 3], yaw=10, seed=2)
    assert np.array_equal(many[:2].images, scenes.avatar_heads([1, 2], yaw=10, seed=2).images)
    assert not np.array_equal(many.images[0], scenes.avatar_heads([1], yaw=10, seed=3).images[0])
    assert np.array_equal(many[[1]].images, many[1].images)
    assert scenes.avatar_heads([]).images.shape == (0, 32, 32, 3)
    assert many.torch()["images"].shape == (3, 3, 32, 32)
    assert repr(many) == "AvatarHeads(3 images of 32x32 pixels, 3 people)"
