"""The renderer against independent rasterisers, and every output against every other."""

import doctest
import importlib
import math
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from skimage.draw import polygon2mask

from cvlab import scenes
from cvlab.scenes import Background, Description, Light, Object

EVERYTHING = dict.fromkeys(
    ("light", "scale", "rotation", "clutter", "occlusion", "noise", "shift"), 1.0
)


def identical(first: scenes.Scene, second: scenes.Scene) -> bool:
    return all(
        np.array_equal(getattr(first, field.name), getattr(second, field.name))
        if isinstance(getattr(first, field.name), np.ndarray)
        else getattr(first, field.name) == getattr(second, field.name)
        for field in fields(first)
    )


# --- An independent description of the shapes: outlines as polygons, v up -------------------------


def circle(u, v, radius, corners=3000):
    angles = 2 * np.pi * np.arange(corners) / corners
    return np.stack([u + radius * np.cos(angles), v + radius * np.sin(angles)], axis=1)


def rectangle(u1, v1, u2, v2):
    return np.array([(u1, v1), (u2, v1), (u2, v2), (u1, v2)])


def tips(count, radius, first=90.0):
    angles = np.radians(first + 360 * np.arange(count) / count)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def star():
    outline = np.empty((10, 2))
    outline[::2] = tips(5, 1)
    outline[1::2] = tips(5, math.sin(math.radians(18)) / math.cos(math.radians(36)), first=126)
    return outline


def heart():
    diamond = np.array([(0.74, -0.11), (0, 0.63), (-0.74, -0.11), (0, -0.85)])
    radius = math.hypot(0.37, 0.37)
    return [diamond, circle(0.37, 0.26, radius), circle(-0.37, 0.26, radius)]


# Each shape is the union of the first polygons without the union of the second.
OUTLINES = {
    "disc": ([circle(0, 0, 0.85)], []),
    "square": ([rectangle(-0.7, -0.7, 0.7, 0.7)], []),
    "triangle": ([tips(3, 1)], []),
    "star": ([star()], []),
    "ring": ([circle(0, 0, 0.88)], [circle(0, 0, 0.48)]),
    "cross": ([rectangle(-0.94, -0.3, 0.94, 0.3), rectangle(-0.3, -0.94, 0.3, 0.94)], []),
    "crescent": ([circle(0, 0, 0.95)], [circle(0.42, 0, 0.72)]),
    "heart": (heart(), []),
    "arrow": (
        [np.array([(0, 0.95), (-0.72, 0), (0.72, 0)]), rectangle(-0.24, -0.9, 0.24, 0.1)],
        [],
    ),
    "bar": ([rectangle(-0.95, -0.28, 0.95, 0.28)], []),
}


def reference_mask(thing: Object, size: int, supersample: int = 1) -> np.ndarray:
    """Rasterise the outline with scikit-image, at the centres of (sub)pixels."""
    turn = math.radians(thing.rotation)

    def mask(outline):
        u, v = outline.T
        x = thing.x + thing.radius * (math.cos(turn) * u - math.sin(turn) * v)
        y = thing.y - thing.radius * (math.sin(turn) * u + math.cos(turn) * v)
        grid = size * supersample
        return polygon2mask((grid, grid), np.stack([y, x], axis=1) * grid - 0.5)

    keep, remove = OUTLINES[thing.shape]
    inside = np.any([mask(outline) for outline in keep], axis=0)
    for outline in remove:
        inside &= ~mask(outline)
    return inside


@pytest.mark.parametrize("shape", scenes.CLASSES)
def test_masks_equal_an_independent_rasteriser(shape):
    rng = np.random.default_rng(5)
    compared = differing = 0
    for size in (24, 64, 111):
        for _ in range(4):
            x, y, radius, angle = rng.uniform((0.1, 0.1, 0.05, -180), (0.9, 0.9, 0.6, 180))
            thing = Object(shape, x, y, radius, angle)
            ours = scenes.render(Description(objects=(thing,)), size).instances == 1
            reference = reference_mask(thing, size)
            compared += reference.sum()
            differing += (ours != reference).sum()
    assert compared > 5_000
    # Only rounding at a centre that lies on the outline could differ.
    assert differing <= 1


@pytest.mark.slow
@pytest.mark.parametrize("shape", scenes.CLASSES)
def test_image_is_the_covered_share_of_each_pixel(shape):
    thing = Object(shape, 0.49, 0.52, 0.4, 23, colour=(1, 1, 1))
    black = Background((0, 0, 0), (0, 0, 0))
    image = scenes.render(Description((thing,), background=black), 48).image[..., 0]
    fine = reference_mask(thing, 48, supersample=8)
    covered = fine.reshape(48, 8, 48, 8).mean(axis=(1, 3))
    hard = reference_mask(thing, 48)
    outline = (covered > 0) & (covered < 1)
    error = np.abs(image - covered)[outline].mean()
    assert error < 0.03
    assert error < 0.15 * np.abs(hard - covered)[outline].mean()
    # Beyond a sharp tip the soft edge reaches further than the shape, but at most two pixels.
    near = binary_dilation(outline, iterations=2)
    assert np.array_equal(image[~near], covered[~near].astype(np.float32))
    assert abs(image.sum() - covered.sum()) < 0.005 * covered.sum()


def test_upright_square_is_where_arithmetic_puts_it():
    # Half side 0.7 * 0.25 * 40 = 7 pixels about (20, 10): columns 13 to 26, rows 3 to 16.
    scene = scenes.render(Description((Object("square", 0.5, 0.25, 0.25),)), 40)
    expected = np.zeros((40, 40), bool)
    expected[3:17, 13:27] = True
    assert np.array_equal(scene.instances == 1, expected)
    assert scene.boxes.tolist() == scene.full_boxes.tolist() == [[13, 3, 27, 17]]


@pytest.mark.parametrize(
    ("rotation", "part"),
    [(0, np.s_[:20]), (90, np.s_[:, :20]), (180, np.s_[20:]), (-90, np.s_[:, 20:])],
)
def test_rotation_is_counter_clockwise(rotation, part):
    # An arrow has more pixels on the side it points to.
    arrow = Object("arrow", 0.5, 0.5, 0.4, rotation)
    mask = scenes.render(Description((arrow,)), 40).instances
    assert mask[part].sum() > 0.55 * mask.sum()


# --- Consistency ----------------------------------------------------------------------------------


def tight_box(mask):
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("strengths", [{}, EVERYTHING], ids=["easy", "everything"])
@pytest.mark.parametrize("objects", [1, 4, (0, 8), 20])
def test_every_output_agrees_with_every_other(objects, strengths):
    batch = scenes.sample(60, size=48, objects=objects, seed=9, **strengths)
    low, high = objects if isinstance(objects, tuple) else (objects, objects)
    seen = set()
    for scene in batch:
        description = scene.description
        seen.add(len(description.objects))
        count = len(scene.boxes)
        assert count == len(scene.box_labels) == len(scene.indices) == len(scene.full_boxes)
        assert np.array_equal(np.unique(scene.instances[scene.instances > 0]), np.arange(count) + 1)
        assert np.all(np.diff(scene.indices) > 0)
        assert np.array_equal(scene.semantic > 0, scene.instances > 0)
        assert scene.label == description.label
        for row in range(count):
            mask = scene.instances == row + 1
            thing = description.objects[scene.indices[row]]
            assert scenes.CLASSES[scene.box_labels[row]] == thing.shape
            assert np.all(scene.semantic[mask] == 1 + scene.box_labels[row])
            assert scene.boxes[row].tolist() == tight_box(mask)
            whole = reference_mask(thing, 48) if row == 0 else None
            if whole is not None:
                assert np.abs(scene.full_boxes[row] - tight_box(whole)).max() <= 1
            assert np.all(scene.full_boxes[row, :2] <= scene.boxes[row, :2])
            assert np.all(scene.full_boxes[row, 2:] >= scene.boxes[row, 2:])
    assert min(seen) >= low
    assert max(seen) <= high
    assert len(seen) == high - low + 1


def test_occlusion_follows_depth_exactly():
    rng = np.random.default_rng(1)
    for _ in range(20):
        things = tuple(
            Object(
                scenes.CLASSES[rng.integers(10)],
                *rng.uniform(0.2, 0.8, 2),
                *rng.uniform((0.1, -180, 0), (0.4, 180, 1)),
            )
            for _ in range(5)
        )
        scene = scenes.render(Description(things[:4], distractors=things[4:]), 40)
        order = sorted(range(5), key=lambda i: -things[i].depth)
        expected = np.zeros((40, 40), int)
        for i in order:
            alone = Description((things[i],))
            expected[scenes.render(alone, 40).instances > 0] = i + 1 if i < 4 else 0
        seen = np.zeros(5, int)
        seen[1:] = np.isin(np.arange(1, 5), expected)
        assert np.array_equal(scene.indices, np.flatnonzero(seen[1:]))
        assert np.array_equal(scene.instances, np.where(expected > 0, np.cumsum(seen)[expected], 0))


def test_hidden_object_has_no_row():
    back, front = Object("disc", radius=0.1, depth=2), Object("square", radius=0.4, depth=1)
    scene = scenes.render(Description((back, front)), 32)
    assert scene.indices.tolist() == [1]
    assert scene.box_labels.tolist() == [scenes.CLASSES.index("square")]
    assert scene.instances.max() == 1
    assert scene.label == scenes.CLASSES.index("square")


def test_object_outside_and_object_cut_by_the_border():
    outside = Object("disc", 3.0, -2.0, 0.2)
    cut = Object("square", 0.0, 0.5, 0.25)
    scene = scenes.render(Description((outside, cut)), 40)
    assert scene.indices.tolist() == [1]
    assert scene.boxes.tolist() == scene.full_boxes.tolist() == [[0, 13, 7, 27]]
    covering = scenes.render(Description((Object("disc", radius=50.0),)), 16)
    assert np.all(covering.instances == 1)


def test_scene_without_objects():
    batch = scenes.sample(3, size=16, objects=0, **EVERYTHING)
    assert batch.labels.tolist() == [-1] * 3
    assert [boxes.shape for boxes in batch.boxes] == [(0, 4)] * 3
    assert not batch.instances.any()
    assert not batch.semantic.any()


# --- Determinism ----------------------------------------------------------------------------------


@pytest.mark.parametrize("objects", [1, 3, (1, 8)])
def test_sample_equals_rendering_one_by_one(objects):
    options = {"objects": objects, "seed": 4, **EVERYTHING}
    batch = scenes.sample(300, size=64, **options)  # more than one chunk
    for index in (0, 1, 17, 255, 256, 299):
        description = scenes.describe(index=index, **options)
        assert description == batch.descriptions[index]
        assert identical(scenes.render(description, 64), batch[index])
    assert identical(scenes.sample(18, size=64, **options)[17], batch[17])


def test_seeds_differ():
    first, second = (scenes.sample(50, size=16, seed=seed).images for seed in (0, 1))
    nearest = np.abs(first[:, None] - second[None]).mean(axis=(2, 3, 4)).min()
    assert nearest > 0.001


def test_classes_textures_and_counts_are_uniform():
    names = ("star", "bar")
    batch = scenes.sample(400, size=8, classes=names, textures=("dots",), objects=(1, 3))
    parts = [thing for description in batch.descriptions for thing in description.objects]
    assert {part.texture for part in parts} == {"dots"}
    share = np.mean([part.shape == "star" for part in parts])
    assert {part.shape for part in parts} == set(names)
    assert abs(share - 0.5) < 3 * 0.5 / math.sqrt(len(parts))
    counts = np.bincount([len(description.objects) for description in batch.descriptions])
    assert np.all(np.abs(counts[1:] - 400 / 3) < 3 * math.sqrt(400 * 2 / 9))


def test_colour_and_background_say_nothing_of_the_class():
    batch = scenes.sample(3000, size=8)
    looks = np.array(
        [
            (*d.objects[0].colour, *d.objects[0].phase, d.objects[0].period, *d.background.colour)
            for d in batch.descriptions
        ]
    )
    one_hot = np.eye(10)[batch.labels]
    correlation = np.corrcoef(looks.T, one_hot.T)[: looks.shape[1], looks.shape[1] :]
    assert np.abs(correlation).max() < 4.5 / math.sqrt(3000)


# --- Nuisances ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(EVERYTHING))
def test_a_strength_changes_one_thing_only(name):
    touched = {
        "light": {"light"},
        "scale": {"radius"},
        "rotation": {"rotation"},
        "clutter": {"distractors"},
        "occlusion": {"distractors"},
        "noise": {"noise"},
        "shift": {"x", "y"},
    }[name]
    for index in range(20):
        calm, moved = scenes.describe(2, index), scenes.describe(2, index, **{name: 0.7})
        changed = {
            field.name
            for field in fields(Description)
            if field.name != "objects" and getattr(calm, field.name) != getattr(moved, field.name)
        }
        changed |= {
            field.name
            for field in fields(Object)
            if getattr(calm.objects[0], field.name) != getattr(moved.objects[0], field.name)
        }
        assert changed == touched


def test_ranges_of_rotation_scale_and_shift():
    def spread(strength, value):
        return np.array(
            [value(scenes.describe(0, index, **strength).objects[0]) for index in range(800)]
        )

    for strength in (0.0, 0.5, 1.0):
        angle = spread({"rotation": strength}, lambda thing: thing.rotation)
        assert np.abs(angle).max() <= 180 * strength
        assert math.isclose(angle.std(), 180 * strength / math.sqrt(3), rel_tol=0.05)
        size = spread({"scale": strength}, lambda thing: math.log2(thing.radius / 0.32))
        assert -1.5 * strength - 1e-9 <= size.min() <= -1.45 * strength
        assert 0.38 * strength <= size.max() <= 0.4 * strength + 1e-9
        place = spread({"shift": strength}, lambda thing: thing.x)
        room = strength * (1 - 2 * 0.32)
        assert 0.49 * room <= np.abs(place - 0.5).max() <= 0.5 * room


def test_objects_stay_inside_and_apart_without_occlusion():
    for count in (2, 5, 20):
        for scene in scenes.sample(30, size=160, objects=count, scale=1.0, seed=count):
            parts = scene.description.objects
            place = np.array([(part.x, part.y) for part in parts])
            radius = np.array([part.radius for part in parts])
            gap = np.linalg.norm(place[:, None] - place[None], axis=-1) - radius - radius[:, None]
            np.fill_diagonal(gap, 1)
            assert gap.min() >= 0
            assert np.all(place - radius[:, None] >= -1e-9)
            assert np.all(place + radius[:, None] <= 1 + 1e-9)
            assert len(scene.boxes) == count
            assert np.array_equal(scene.boxes, scene.full_boxes)


def visible_share(count, occlusion):
    batch = scenes.sample(150, size=64, objects=count, occlusion=occlusion, seed=3)
    seen = whole = 0
    for scene in batch:
        seen += (scene.instances > 0).sum()
        for thing in scene.description.objects:
            whole += (scenes.render(Description((thing,)), 64).instances > 0).sum()
    return seen / whole


@pytest.mark.parametrize("count", [1, 4])
def test_occlusion_hides_more_and_more(count):
    shares = [visible_share(count, strength) for strength in (0.0, 0.5, 1.0)]
    assert shares[0] == 1
    assert shares[0] > shares[1] > shares[2] > 0.4


def test_slab_hides_the_stated_band():
    # Of a disc that fills its circle, seen along the slab's normal, a band stays hidden.
    for index in range(30):
        description = scenes.describe(1, index, occlusion=1.0)
        thing, (slab,) = description.objects[0], description.distractors
        offset = np.array([slab.x - thing.x, slab.y - thing.y])
        edge = np.linalg.norm(offset) - 0.42 * slab.radius
        hidden = (thing.radius - edge) / (2 * thing.radius)
        assert 0.2 - 1e-9 <= hidden <= 0.6 + 1e-9
        along = math.radians(slab.rotation)
        assert abs(offset @ (math.cos(along), -math.sin(along))) < 1e-9


def test_clutter_counts_and_stays_unlabelled_behind():
    for strength, expected in ((0.0, 0), (0.25, 2), (1.0, 8)):
        description = scenes.describe(6, clutter=strength)
        assert len(description.distractors) == expected
    calm, cluttered = (scenes.sample(20, size=48, clutter=c, seed=8) for c in (0.0, 1.0))
    assert np.array_equal(calm.instances, cluttered.instances)
    inside = calm.images[calm.instances > 0], cluttered.images[cluttered.instances > 0]
    outside = calm.images[calm.instances == 0], cluttered.images[cluttered.instances == 0]
    assert np.abs(inside[0] - inside[1]).mean() < 0.02  # soft outlines only
    assert np.abs(outside[0] - outside[1]).mean() > 0.01


def test_light_has_the_stated_gain():
    description = replace(
        scenes.describe(0, 3),
        light=Light(0.5),
        background=Background((0.4, 0.6, 0.8), (0.4, 0.6, 0.8)),
    )
    lit = scenes.render(replace(description, light=Light()), 32)
    assert np.allclose(scenes.render(description, 32).image, 0.5 * lit.image, atol=1e-6)
    tinted = scenes.render(replace(description, light=Light(0.5, tint=0.2)), 32)
    assert np.allclose(tinted.image, lit.image * [0.6, 0.5, 0.4], atol=1e-6)
    ramp = scenes.render(replace(description, light=Light(0.5, slope=0.3, angle=90)), 32)
    factor = ramp.image[:, 0] / lit.image[:, 0]
    rows = (np.arange(32) + 0.5) / 32
    assert np.allclose(factor, 0.5 * (1 + 0.3 * (1 - 2 * rows))[:, None], atol=1e-5)


def test_light_spreads_and_lowers_brightness():
    means = [scenes.sample(300, size=16, light=s, seed=1).images.mean() for s in (0, 0.5, 1)]
    assert means[0] > means[1] > means[2]
    gains = np.log2([scenes.describe(1, i, light=1.0).light.gain for i in range(500)])
    assert -1.6 <= gains.min() < -1.55
    assert 0.35 < gains.max() <= 0.4


@pytest.mark.parametrize("strength", [0.1, 0.5])
def test_noise_has_the_stated_sigma_and_shape(strength):
    grey = Background((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    description = replace(scenes.describe(0, noise=strength), objects=(), background=grey)
    residual = scenes.render(description, 256).image.astype(float) - 0.5
    sigma = 0.2 * strength
    count = residual.size
    assert abs(residual.mean()) < 4 * sigma / math.sqrt(count)
    assert math.isclose(residual.std(), sigma, rel_tol=4 / math.sqrt(2 * count))
    for bound, share in ((1, 0.682689), (2, 0.954500), (3, 0.997300)):
        assert abs((np.abs(residual) < bound * sigma).mean() - share) < 0.003
    neighbours = np.corrcoef(residual[:, :-1].ravel(), residual[:, 1:].ravel())[0, 1]
    channels = np.corrcoef(residual.reshape(-1, 3).T)
    assert abs(neighbours) < 4 / math.sqrt(count)
    assert np.abs(channels - np.eye(3)).max() < 4 / 256


def test_images_are_float32_in_range():
    batch = scenes.sample(40, size=33, objects=(0, 5), **EVERYTHING)
    assert batch.images.shape == (40, 33, 33, 3)
    assert batch.images.dtype == np.float32
    assert batch.images.flags.c_contiguous
    assert 0 <= batch.images.min() < batch.images.max() <= 1
    assert batch.labels.dtype == batch.semantic.dtype == np.int64
    assert batch.instances.dtype == np.int32
    assert {boxes.dtype for boxes in (*batch.boxes, *batch.full_boxes)} == {np.dtype(np.float32)}
    assert {labels.dtype for labels in batch.box_labels} == {np.dtype(np.int64)}


def test_textures_differ_and_turn_with_the_object():
    looks = {}
    for texture in scenes.TEXTURES:
        thing = Object("square", radius=0.6, texture=texture, period=0.6)
        looks[texture] = scenes.render(Description((thing,)), 60).image
        turned = scenes.render(Description((replace(thing, rotation=90.0),)), 60).image
        assert np.allclose(turned, np.rot90(looks[texture]), atol=1e-3)
    colours = {name: len(np.unique(look[15:45, 15:45, 0])) for name, look in looks.items()}
    assert colours["flat"] == 1
    assert all(count > 1 for name, count in colours.items() if name != "flat")
    for first in looks:
        for second in looks:
            assert first == second or np.abs(looks[first] - looks[second]).mean() > 0.01


# --- Learning -------------------------------------------------------------------------------------


def nearest_mean_accuracy(**strengths):
    """Nearest class mean of the contrast to the border, 800 scenes to learn and 400 to test."""
    features, labels = [], []
    for seed, count in ((1, 800), (2, 400)):
        images, truth = scenes.sample(count, size=24, seed=seed, **strengths).arrays()
        grey = images.mean(axis=-1)
        border = np.median(np.concatenate([grey[:, 0], grey[:, -1]], axis=1), axis=1)
        features.append(np.abs(grey - border[:, None, None]).reshape(count, -1))
        labels.append(truth)
    means = np.stack([features[0][labels[0] == k].mean(axis=0) for k in range(10)])
    distances = ((features[1][:, None] - means[None]) ** 2).sum(axis=-1)
    return (distances.argmin(axis=1) == labels[1]).mean()


def test_easy_scenes_are_easy_and_nuisances_make_them_hard():
    easy = nearest_mean_accuracy()
    assert easy > 0.95
    for name in ("scale", "rotation", "shift"):
        assert nearest_mean_accuracy(**{name: 1.0}) < easy - 0.1
    assert nearest_mean_accuracy(**EVERYTHING) < 0.35


# --- Containers -----------------------------------------------------------------------------------


def test_indexing():
    batch = scenes.sample(6, size=16, objects=(1, 3))
    assert len(batch) == len(list(batch)) == 6
    assert identical(batch[-1], batch[5])
    assert isinstance(batch[0].label, int)
    for part in (batch[1:5:2], batch[[1, 3]], batch[np.array([0, 1, 0, 1, 0, 0], bool)]):
        assert len(part) == 2
        assert identical(part[1], batch[3])
    with pytest.raises(IndexError):
        batch[6]
    assert repr(batch).startswith("Scenes(6 of 16x16 pixels, ")
    assert repr(batch[0]).startswith("Scene(16x16 pixels: ")


def test_torch_views_share_memory():
    torch = pytest.importorskip("torch")
    batch = scenes.sample(5, size=16, objects=(0, 3))
    tensors = batch.torch()
    assert tensors["images"].shape == (5, 3, 16, 16)
    assert tensors["images"].dtype == torch.float32
    assert tensors["labels"].dtype == tensors["semantic"].dtype == torch.int64
    assert [tuple(boxes.shape) for boxes in tensors["boxes"]] == [b.shape for b in batch.boxes]
    assert np.shares_memory(tensors["images"].numpy(), batch.images)
    assert torch.equal(tensors["images"][3, 2], torch.from_numpy(batch.images[3, :, :, 2].copy()))
    one = batch[1].torch()
    assert one["image"].shape == (3, 16, 16)
    assert one["label"].item() == batch.labels[1]
    assert one["instances"].shape == (16, 16)


def test_import_is_light():
    code = (
        "import sys, cvlab.scenes; print({'torch', 'torchvision', 'cv2', 'sklearn', 'skimage', "
        "'scipy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("name", ["description", "outlines", "renderer", "sampling", "textures"])
def test_doctests(name):
    assert doctest.testmod(importlib.import_module(f"cvlab.scenes.{name}")).failed == 0


# --- Wrong and degenerate input -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"n": 0}, ValueError, "n must be at least 1"),
        ({"n": 2.0}, TypeError, "n must be an integer"),
        ({"n": 2, "size": 4}, ValueError, "size must be in 8 to 4096"),
        ({"n": 2, "size": "64"}, TypeError, "size must be an integer"),
        ({"n": 2, "seed": -1}, ValueError, "seed must be at least 0"),
        ({"n": 2, "objects": (3, 1)}, ValueError, "lo <= hi"),
        ({"n": 2, "objects": (1, 2, 3)}, ValueError, r"a pair \(lo, hi\)"),
        ({"n": 2, "objects": 99}, ValueError, "objects must be in 0 to 20"),
        ({"n": 2, "objects": 1.5}, TypeError, "objects must be an integer"),
        ({"n": 2, "classes": "disc"}, TypeError, "classes must be a sequence"),
        ({"n": 2, "classes": ()}, ValueError, "at least one"),
        ({"n": 2, "classes": ("disc", "cube")}, ValueError, "distinct names"),
        ({"n": 2, "textures": ("flat", "flat")}, ValueError, "distinct names"),
        ({"n": 2, "light": 1.5}, ValueError, r"light must be a number in \[0, 1\]"),
        ({"n": 2, "noise": float("nan")}, ValueError, "noise must be a number"),
        ({"n": 2, "scale": "big"}, TypeError, "scale must be a number"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words) as caught:
        scenes.sample(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (Object("cube"), "needs a shape from"),
        (Object("pebble"), "has no class"),
        (Object("disc", texture="fur"), "a texture from"),
        (Object("disc", radius=0.0), "must be positive"),
        (Object("disc", radius=float("nan")), "must be positive"),
        (Object("disc", x=float("inf")), "must be finite"),
        (Object("disc", colour=(255, 0, 0)), r"Colours must lie in \[0, 1\]"),
    ],
)
def test_wrong_descriptions_are_named(thing, words):
    with pytest.raises(ValueError, match=words):
        scenes.render(Description((thing,)))


def test_other_wrong_input():
    with pytest.raises(TypeError, match="must be a scenes"):
        scenes.render("a red disc")
    with pytest.raises(TypeError, match="no knob 'colour'"):
        scenes.describe(0, colour=1)
    with pytest.raises(ValueError, match="must not be negative"):
        scenes.render(Description(noise=-0.1))


def test_smallest_and_tiny():
    batch = scenes.sample(200, size=8, objects=20, seed=2, **EVERYTHING)
    for scene in batch:
        assert scene.instances.max(initial=0) == len(scene.boxes)
    speck = scenes.render(Description((Object("disc", 0.51, 0.5, 1e-4),)), 8)
    assert len(speck.boxes) == 0
    assert speck.label == 0
