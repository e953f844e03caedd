"""The views of the twenty objects against an independent ray marcher and each other."""

import doctest
import subprocess
import sys
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion, maximum_filter, minimum_filter

from cvlab import scenes
from cvlab.scenes import catalogue, modelling, objects, solids

NAMES = list(scenes.OBJECTS)
MUG, FOOTBALL, GIFT = NAMES.index("mug"), NAMES.index("football"), NAMES.index("gift")


def of(name):
    return NAMES.index(name)


def differing(first, second):
    """Share of the first mask's pixels that are not the second's."""
    return (first != second).sum() / first.sum()


# --- Geometry, marched step by step ---------------------------------------------------------------


def holds(solid, x, y, z):
    """Whether points lie in a solid, from its definition."""
    if isinstance(solid, solids.Turned):
        square = solid.a * z * z + solid.b * z + solid.c
        return (x * x + y * y <= square) & (z >= solid.low) & (z <= solid.high)
    inside = np.ones(x.shape, bool)
    for (nx, ny, nz), offset in zip(solid.normals, solid.offsets, strict=True):
        inside &= nx * x + ny * y + nz * z <= offset
    return inside


def rotation(axis, degrees):
    """Counter-clockwise about an axis that points to the viewer."""
    angle = np.radians(degrees)
    matrix = np.eye(3)
    i, j = [k for k in range(3) if k != axis]
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[j, i] = np.sin(angle) * (1 if axis != 1 else -1)
    matrix[i, j] = -matrix[j, i]
    return matrix


def march(identity, size, yaw, elevation, steps=2000):
    """(size, size) number of the part that each pixel's centre shows first, -1 for none."""
    # The world is seen along +y; the object turns by yaw, then tips its top to the camera.
    world = rotation(0, elevation) @ rotation(2, yaw)
    centre = ((np.arange(size) + 0.5) / size - 0.5) / objects.RADIUS
    disc = np.hypot(centre, centre[:, None]) < 1.02
    right, up = (axis[disc] for axis in np.meshgrid(centre, -centre))
    depth = np.linspace(-1.02, 1.02, steps)[:, None]
    flat = np.zeros((steps, 1))
    points = np.stack([flat + right, depth + 0 * right, flat + up], axis=-1)
    points = points @ world  # the transposed rotation, from the right
    first, which = np.full(len(right), steps), np.full(len(right), -1)
    for number, part in enumerate(catalogue.body(identity).parts):
        place = np.moveaxis(points @ part.matrix.T + part.offset, -1, 0)
        inside = np.logical_and.reduce([holds(solid, *place) for solid in part.solids])
        if part.cut is not None:
            inside &= ~holds(part.cut, *place)
        met = np.where(inside.any(axis=0), inside.argmax(axis=0), steps)
        which[met < first] = number
        first = np.minimum(first, met)
    shown = np.full((size, size), -1)
    shown[disc] = which
    return shown


@pytest.mark.slow
@pytest.mark.parametrize("identity", range(20), ids=NAMES)
def test_masks_and_hiding_equal_an_independent_marcher(identity):
    rng, compared = np.random.default_rng(identity), 0
    for elevation in (rng.uniform(5, 45), rng.uniform(60, 85), rng.uniform(-40, -5)):
        yaw, size = rng.uniform(0, 360), 28
        shown = march(identity, size, yaw, elevation)
        mask = scenes.view(identity, yaw=yaw, elevation=elevation, size=size).mask
        # The marcher may step over a sliver, but what it meets is there.
        assert not ((shown >= 0) & ~mask).any()
        assert (mask & (shown < 0)).sum() <= 2
        numbers = part_numbers(identity, size, yaw, elevation)
        # Where a pixel shows two parts, the ratio of its colours is no number.
        alone = (maximum_filter(shown, 3) == minimum_filter(shown, 3)) & mask
        compared += alone.sum()
        assert np.array_equal(numbers[alone], shown[alone])
    assert compared > 90


def part_numbers(identity, size, yaw, elevation):
    """The part at each pixel by the renderer: its number tells in the ratio of red to green."""
    body = catalogue.body(identity)
    numbered = [
        replace(part, paint=lambda s, k=k: np.tile(np.float32([k + 1, 20, 0]), (len(s.x), 1)))
        for k, part in enumerate(body.parts)
    ]
    camera = objects.camera_around(yaw, elevation, 0.0, 1.0, (0.0, 0.0), size)
    rendering = solids.cast(numbered, body.outlines, camera, size, np.array([0, 0, 1.0]), 0.9)
    numbers = np.full((size, size), -1)
    window = numbers[rendering.rows, rendering.columns]
    red, green = rendering.colour[..., 0], np.maximum(rendering.colour[..., 1], 1e-9)
    window[rendering.mask] = np.round(20 * red / green - 1).astype(int)[rendering.mask]
    return numbers


@pytest.mark.parametrize("identity", range(20), ids=NAMES)
def test_objects_just_fit_into_their_circle(identity):
    points = np.concatenate(catalogue.body(identity).outlines)
    assert np.linalg.norm(points, axis=1).max() == pytest.approx(1, abs=1e-6)
    centre = np.arange(96) + 0.5 - 48
    outside = np.hypot(centre, centre[:, None]) > objects.RADIUS * 96 + 0.01
    batch = scenes.views([identity] * 6, yaw=np.arange(6) * 60, elevation=35, size=96)
    assert not (batch.masks & outside).any()
    assert (batch.masks.sum(axis=(1, 2)) > 0.08 * 96**2).all()


@pytest.mark.slow
def test_no_window_cuts_an_object(monkeypatch):
    rng = np.random.default_rng(9)
    settings = {
        "yaw": rng.uniform(0, 360, 40),
        "elevation": rng.uniform(-90, 90, 40),
        "roll": rng.uniform(0, 360, 40),
        "size": 160,
    }
    identities = np.tile(np.arange(20), 2)
    quick = scenes.views(identities, **settings)
    monkeypatch.setattr(solids, "window_around", lambda points, size: (0, 0, size, size))
    whole = scenes.views(identities, **settings)
    assert np.array_equal(quick.masks, whole.masks)
    assert np.array_equal(quick.images, whole.images)


def test_a_ball_shows_a_disc_from_everywhere():
    centre = np.arange(61) + 0.5
    for yaw, elevation, scale, shift in ((0, 20, 1, (0, 0)), (77, -60, 0.53, (0.11, -0.23))):
        view = scenes.view(
            FOOTBALL, yaw=yaw, elevation=elevation, scale=scale, shift=shift, size=61
        )
        x, y = (61 * (0.5 + part) for part in shift)
        disc = np.hypot(centre - x, centre[:, None] - y) <= objects.RADIUS * scale * 61
        assert np.array_equal(view.mask, disc)


def test_shading_is_lamberts_law():
    white = [modelling.ball((1.0, 1.0, 1.0), (0, 0, 0), (0.9, 0.6, 0.3), axis=(1, -2, 1))]
    camera = objects.camera_around(30.0, 25.0, 0.0, 1.0, (0.0, 0.0), 128)
    lamp = objects.direction_of(-20, 50)
    shot = solids.cast(white, [part.outline() for part in white], camera, 128, lamp, 0.45)
    # The ellipsoid |M p| = 1 has the normal M' M p; its point is found by Newton's method.
    matrix = white[0].matrix
    inner = binary_erosion(shot.mask, iterations=2)
    rows, columns = inner.nonzero()
    start = (
        camera.middle
        + (columns[:, None] + shot.columns.start + 0.5) * camera.right
        + (rows[:, None] + shot.rows.start + 0.5) * camera.down
    )
    t = np.full(len(start), -2.0)
    for _ in range(60):
        place = (start + t[:, None] * camera.direction) @ matrix.T
        slope = 2 * place @ (matrix @ camera.direction)
        t -= ((place * place).sum(axis=1) - 1) / slope
    normal = (start + t[:, None] * camera.direction) @ matrix.T @ matrix
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    sky = 1 - solids.SKY * (1 - normal[:, 2])
    expected = 0.45 * sky + 0.55 * np.maximum(normal @ lamp, 0)
    assert len(expected) > 1000
    assert np.ptp(expected) > 0.4
    np.testing.assert_allclose(shot.colour[inner][:, 0], expected, atol=0.01)


def test_image_is_anti_aliased():
    # Nine small pixels lie in each large one, and the centre of the middle one is its centre.
    for identity in (MUG, GIFT, of("cake")):
        coarse = scenes.view(identity, yaw=25, size=40)
        fine = scenes.view(identity, yaw=25, size=120)
        assert np.array_equal(coarse.mask, fine.mask[1::3, 1::3])
        means = fine.image.reshape(40, 3, 40, 3, 3).mean(axis=(1, 3))
        nearest = fine.image[1::3, 1::3]
        assert np.abs(coarse.image - means).mean() < np.abs(nearest - means).mean() / 3
        assert np.abs(coarse.image - means).max() < 0.5 * np.abs(nearest - means).max()


# --- One setting at a time ------------------------------------------------------------------------


@pytest.mark.parametrize("identity", range(20), ids=NAMES)
def test_appearance_changes_with_yaw(identity):
    batch = scenes.views([identity] * 4, yaw=[0, 90, 180, 270], size=48)
    for i in range(4):
        for j in range(i):
            both = batch.masks[i] & batch.masks[j]
            change = np.abs(batch.images[i] - batch.images[j])[both].mean()
            assert change > 0.012, (i, j)


def test_yaw_turns_counter_clockwise_seen_from_above():
    # The mug's handle is on the right, then behind, then on the left, then in front.
    batch = scenes.views([MUG] * 4, yaw=[0, 90, 180, 270], size=64)
    columns = np.arange(64) + 0.5 - 32
    lean = [(mask.sum(axis=0) * columns).sum() / mask.sum() for mask in batch.masks]
    assert lean[0] > 1
    assert lean[2] < -1
    blue = (batch.images[..., 2] > batch.images[..., 0] + 0.15) & batch.masks
    assert blue[3, 22:42, 27:37].sum() > blue[1, 22:42, 27:37].sum()
    whole_turn = scenes.view(MUG, yaw=360 + 33)
    assert differing(whole_turn.mask, scenes.view(MUG, yaw=33).mask) < 0.002


def test_roll_turns_the_object_in_the_image_counter_clockwise():
    for identity in (of("duck"), of("rocket")):
        upright = scenes.view(identity, yaw=20, size=50)
        turned = scenes.view(identity, yaw=20, roll=90, size=50)
        expected = np.rot90(upright.mask)
        assert differing(expected, turned.mask) < 0.003
        inner = binary_erosion(expected, iterations=2)
        np.testing.assert_allclose(turned.image[inner], np.rot90(upright.image)[inner], atol=0.15)
        assert np.abs(turned.image - np.rot90(upright.image))[inner].mean() < 0.002


def test_scale_is_a_magnification():
    whole = scenes.view(GIFT, yaw=30, size=64)
    double = scenes.view(GIFT, yaw=30, size=32, scale=2)
    assert differing(whole.mask[16:48, 16:48], double.mask) < 0.003
    inner = binary_erosion(double.mask, iterations=2)
    difference = np.abs(double.image - whole.image[16:48, 16:48])[inner]
    assert difference.mean() < 0.002
    areas = [scenes.view(GIFT, scale=scale).mask.sum() for scale in (0.25, 0.5, 1.0)]
    assert areas[1] / areas[0] == pytest.approx(4, rel=0.08)
    assert areas[2] / areas[1] == pytest.approx(4, rel=0.04)


def test_shift_moves_the_object_and_the_border_cuts_it():
    still = scenes.view(GIFT, yaw=30, size=64)
    moved = scenes.view(GIFT, yaw=30, size=64, shift=(24 / 64, -8 / 64))
    assert differing(still.mask[8:, :40], moved.mask[:56, 24:]) < 0.003
    assert not moved.mask[:, :24].any()
    assert not scenes.view(GIFT, shift=(3, 0)).mask.any()
    empty = scenes.view(GIFT, shift=(-1.5, 0), clutter=0.5, occlusion=0.5)
    assert not empty.mask.any()


def test_gain_and_warmth_multiply():
    plain = scenes.view(GIFT, clutter=0.5).image
    dim = scenes.view(GIFT, clutter=0.5, gain=0.4).image
    np.testing.assert_allclose(dim, 0.4 * plain, atol=1e-6)
    warm = scenes.view(GIFT, clutter=0.5, gain=0.5, warmth=0.5).image
    np.testing.assert_allclose(warm, plain * np.float32([0.575, 0.5, 0.425]), atol=1e-6)
    assert plain.max() < 1  # nothing is clipped at gain 1
    assert scenes.view(GIFT, gain=3).image.max() == 1
    assert not scenes.view(GIFT, gain=0).image.any()


def test_light_changes_the_shading_only():
    left, right = (scenes.view(FOOTBALL, light=(side, 40)) for side in (-80, 80))
    assert np.array_equal(left.mask, right.mask)
    outside = ~binary_dilation(left.mask, iterations=2)
    assert np.array_equal(left.image[outside], right.image[outside])
    half = (
        left.image[:, :32][left.mask[:, :32]].mean(),
        left.image[:, 32:][left.mask[:, 32:]].mean(),
    )
    assert half[0] > 1.3 * half[1]
    # The lamp stays in the room: seen with its own lamp, a turned ball is lit from the same side.
    other = scenes.view(FOOTBALL, light=(-80, 40), yaw=120).image
    assert other[:, :32][left.mask[:, :32]].mean() > 1.3 * other[:, 32:][left.mask[:, 32:]].mean()


def test_clutter_lies_behind_and_stays_for_a_seed():
    plain = scenes.view(FOOTBALL, size=80)
    images = scenes.views([FOOTBALL] * 5, clutter=np.linspace(0, 1, 5), size=80, seed=3).images
    inner = binary_erosion(plain.mask, iterations=1)
    outer = ~binary_dilation(plain.mask, iterations=1)
    covered = [np.abs(image - plain.image).max(axis=-1)[outer] > 0.02 for image in images]
    assert all(np.array_equal(image[inner], plain.image[inner]) for image in images)
    shares = [share.mean() for share in covered]
    assert shares[0] == 0
    assert all(np.diff(shares) > 0)
    assert shares[-1] > 0.2
    # What clutters at a lower strength stays where it was.
    assert all((~low | high).mean() > 0.999 for low, high in pairwise(covered))
    turned = scenes.view(FOOTBALL, clutter=1, size=80, seed=3, yaw=80, gain=0.5).image
    np.testing.assert_allclose(turned[outer], 0.5 * images[-1][outer], atol=2e-4)
    other = scenes.view(FOOTBALL, clutter=1, size=80, seed=4).image
    assert np.abs(other - images[-1])[outer].mean() > 0.1


@pytest.mark.parametrize("share", [0.0, 0.003, 0.25, 0.6, 1.0])
def test_occlusion_hides_the_stated_share(share):
    for seed in range(5):
        whole = scenes.view(GIFT, yaw=30, clutter=0.3, seed=seed)
        cut = scenes.view(GIFT, yaw=30, clutter=0.3, seed=seed, occlusion=share)
        assert not (cut.mask & ~whole.mask).any()
        assert abs(cut.mask.sum() - (1 - share) * whole.mask.sum()) <= 1
        clear = binary_erosion(cut.mask, iterations=3, border_value=1)
        assert np.array_equal(cut.image[clear], whole.image[clear])
        hidden = binary_erosion(whole.mask & ~cut.mask, iterations=2)
        board = cut.image[hidden]
        assert np.ptp(board, axis=-1).max(initial=0) < 1e-6  # it is grey


def test_noise_has_the_stated_sigma():
    plain = scenes.view(FOOTBALL, size=128, gain=0.6).image
    noisy = scenes.view(FOOTBALL, size=128, gain=0.6, noise=0.3, seed=7)
    unclipped = (plain > 0.25) & (plain < 0.75)
    grain = (noisy.image - plain)[unclipped]
    assert unclipped.sum() > 20_000
    assert grain.std() == pytest.approx(0.2 * 0.3, rel=0.02)
    assert abs(grain.mean()) < 0.002
    assert (noisy.image.min(), noisy.image.max()) >= (0, 0)
    assert noisy.image.max() <= 1
    again = scenes.view(FOOTBALL, size=128, gain=0.6, noise=0.3, seed=8).image
    assert abs(np.corrcoef(grain, (again - plain)[unclipped])[0, 1]) < 0.02


# --- What the objects are for ---------------------------------------------------------------------


def histograms(images, masks, bins=6):
    found = []
    for image, mask in zip(images, masks, strict=True):
        cells = np.minimum((image[mask] * bins).astype(int), bins - 1)
        number = cells @ [bins * bins, bins, 1]
        found.append(np.bincount(number, minlength=bins**3) / mask.sum())
    return np.array(found)


def test_names_are_distinct_and_palettes_shared():
    assert len(set(NAMES)) == 20
    assert all(name == name.strip().lower() for name in NAMES)
    batch = scenes.views(range(20), yaw=30)
    found = histograms(batch.images, batch.masks)
    common = np.minimum(found[:, None], found).sum(axis=-1)
    # Objects of one palette look alike to a histogram, though none is the other.
    pairs = [("mug", "teapot"), ("mushroom", "gift"), ("die", "panda"), ("duck", "bee")]
    others = [common[of(first), of(second)] for first, second in pairs]
    assert np.mean(others) > 3 * np.median(common)
    assert (common - np.eye(20)).max() < 0.95


def test_a_person_and_a_nearest_neighbour_can_tell_them_apart():
    database = scenes.views(range(20), yaw=30)
    query = scenes.views(range(20), yaw=38)
    distance = ((query.images[:, None] - database.images) ** 2).sum(axis=(2, 3, 4))
    assert np.array_equal(distance.argmin(axis=1), np.arange(20))


# --- The two functions ----------------------------------------------------------------------------

EVERYTHING = {
    "yaw": 40.0,
    "elevation": 35.0,
    "roll": -20.0,
    "scale": 0.8,
    "shift": (0.05, -0.1),
    "gain": 0.8,
    "light": (20.0, 30.0),
    "warmth": -0.4,
    "clutter": 0.6,
    "occlusion": 0.2,
    "noise": 0.3,
}


def test_views_are_the_single_views_and_repeat():
    rng = np.random.default_rng(1)
    count = 6
    varied = {
        name: np.multiply.outer(rng.uniform(0.5, 1, count), value)
        for name, value in EVERYTHING.items()
    }
    identities, seeds = rng.integers(0, 20, count), rng.integers(0, 9, count)
    batch = scenes.views(identities, **varied, size=24, seed=seeds)
    assert (len(batch), batch.images.shape, batch.masks.shape) == (6, (6, 24, 24, 3), (6, 24, 24))
    assert (batch.images.dtype, batch.masks.dtype) == (np.float32, bool)
    for cached in (objects.painted_background, objects.clutter_of, catalogue.body):
        cached.cache_clear()
    for i in reversed(range(count)):
        one = scenes.view(
            int(identities[i]),
            **{name: values[i] for name, values in varied.items()},
            size=24,
            seed=int(seeds[i]),
        )
        assert np.array_equal(one.image, batch.images[i])
        assert np.array_equal(one.mask, batch.masks[i])
        row = batch[i]
        assert (
            one[2:]
            == row[2:]
            == (
                identities[i],
                *(batch_values[i] for batch_values in (batch.yaws, batch.elevations)),
                batch.rolls[i],
                batch.scales[i],
                tuple(batch.shifts[i]),
            )
        )
        assert row.name == NAMES[identities[i]]
        assert isinstance(row.identity, int)


def test_a_picture_is_no_window_into_the_cache():
    first = scenes.view(MUG, clutter=0.5)
    first.image[:] = 0
    assert scenes.view(MUG, clutter=0.5).image.any()


def test_indexing():
    batch = scenes.views([3, 4, 5, 3], yaw=[0, 10, 20, 30], size=16)
    part = batch[batch.identities == 3]
    assert isinstance(part, scenes.Views)
    assert part.yaws.tolist() == [0, 30]
    assert np.array_equal(batch[1:3].images, batch.images[1:3])
    assert batch[-1].yaw == 30
    assert repr(batch) == "Views(4 of 16x16 pixels, 3 objects)"
    images, identities = batch.arrays()
    assert images is batch.images
    assert identities.tolist() == [3, 4, 5, 3]
    with pytest.raises(IndexError):
        batch[4]


def test_torch_shares_memory():
    torch = pytest.importorskip("torch")
    batch = scenes.views([0, 1], size=16)
    tensors = batch.torch()
    assert set(tensors) == {field.name for field in fields(batch)}
    assert tensors["images"].shape == (2, 3, 16, 16)
    assert tensors["identities"].dtype == torch.int64
    batch.images[0, 0, 0, 0] = 0.125
    assert tensors["images"][0, 0, 0, 0] == 0.125


def test_the_least_and_the_steepest():
    for elevation in (-90, 0, 90):
        batch = scenes.views(range(20), elevation=elevation, size=8, clutter=1, noise=1)
        assert np.isfinite(batch.images).all()
        assert batch.masks.any(axis=(1, 2)).all()
    close = scenes.views(range(20), scale=10, size=16)
    assert np.isfinite(close.images).all()
    assert scenes.view(0, scale=0.01).mask.sum() <= 1


@pytest.mark.parametrize(
    ("identities", "settings", "error", "words"),
    [
        ([20], {}, ValueError, "identities must be in 0 to 19, not 20"),
        ([-1], {}, ValueError, "identities must be in 0 to 19, not -1"),
        ([], {}, ValueError, "at least one integer"),
        (3, {}, ValueError, r"use view\(\)"),
        ([1.5], {}, TypeError, "identities must be an integer"),
        (["mug"], {}, TypeError, "identities must be an integer"),
        ([True], {}, TypeError, "identities must be an integer"),
        ([0], {"yaw": "left"}, TypeError, "yaw must be a number"),
        ([0], {"yaw": np.nan}, ValueError, "yaw must be finite"),
        ([0], {"yaw": [1, 2]}, ValueError, "one for each of the 1 views"),
        ([0, 1, 2], {"yaw": [1, 2]}, ValueError, "one for each of the 3 views"),
        ([0], {"elevation": 91}, ValueError, r"elevation must be in \[-90, 90\], not 91"),
        ([0], {"scale": 0}, ValueError, r"scale must be in \[0.01, 10\]"),
        ([0], {"gain": -1}, ValueError, "gain must be finite, at least 0, not -1"),
        ([0], {"gain": np.inf}, ValueError, "gain must be finite"),
        ([0], {"warmth": 2}, ValueError, r"warmth must be in \[-1, 1\]"),
        ([0], {"clutter": 1.1}, ValueError, r"clutter must be in \[0, 1\]"),
        ([0], {"occlusion": -0.1}, ValueError, r"occlusion must be in \[0, 1\]"),
        ([0], {"noise": [np.nan]}, ValueError, r"noise must be in \[0, 1\]"),
        ([0], {"shift": 0.5}, ValueError, r"one pair \(right, down\)"),
        ([0], {"shift": (0, np.inf)}, ValueError, "shift must be finite"),
        ([0, 1, 2], {"light": (1, 2, 3)}, ValueError, r"one pair \(azimuth, elevation\)"),
        ([0], {"size": 7}, ValueError, "size must be in 8 to 1024, not 7"),
        ([0], {"size": 64.0}, TypeError, "size must be an integer"),
        ([0], {"seed": -1}, ValueError, "seed must be at least 0"),
        ([0], {"seed": 1.0}, TypeError, "seed must be an integer"),
        ([0], {"seed": [1, 2]}, ValueError, "one for each of the 1 views"),
    ],
)
def test_wrong_arguments_are_named(identities, settings, error, words):
    with pytest.raises(error, match=words) as caught:
        scenes.views(identities, **settings)
    assert "\n" not in str(caught.value)


def test_view_takes_one():
    for wrong in ([1], np.array([1])):
        with pytest.raises(TypeError, match=r"use views\(\)"):
            scenes.view(wrong)
    with pytest.raises(TypeError, match="one seed"):
        scenes.view(0, seed=[1])
    with pytest.raises(TypeError, match="integer"):
        scenes.view("mug")
    assert scenes.view(np.int64(4)).name == "mug"


@pytest.mark.parametrize(
    "module", [scenes, objects, catalogue, modelling, solids], ids=lambda m: m.__name__
)
def test_doctests(module):
    assert doctest.testmod(module).failed == 0


def test_import_is_light():
    code = (
        "import sys, cvlab.scenes.objects; print({'torch', 'torchvision', 'cv2', 'sklearn', "
        "'skimage', 'scipy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "set()"
