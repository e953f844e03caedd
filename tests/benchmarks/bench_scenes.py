"""Labelled images a second: cvlab.scenes against skimage.draw.random_shapes, and object views.

Run ``python tests/benchmarks/bench_scenes.py [--size 64] [--images 512] [--repeats 7]``. Both run
alternately in this process and neither starts threads; the clock counts processor time, that of one
core without what other programs take. The table gives the median of the repeats, the slowest and
the fastest, and the ratio of the medians. random_shapes draws as many hard-edged flat shapes of
about the same size on white, without nuisances in every row, and returns boxes but no masks: the
comparison favours it. The last column is the multiple of the target, 2,000 images a second.

Below come the views of the twenty textured objects, which have no peer without a graphics library:
every object from random sides, with a mask each, against the target of 300 views a second. Clutter
is drawn anew for every seed; views that share one seed share its picture.

Last come worlds of 48 x 64 pixels with depth, normals, instances and boxes in space, against the
target of 300 worlds a second, and beside them flat scenes of as many things and about as many
pixels, 56 x 56: the ratio says what the third dimension costs. People of sixteen limbs stand beside
flat scenes of four objects and their size, against the target of 300 images a second. So do views
of facades with light, clutter, occluders and noise, and views of people by identity of 40 x 20
pixels, these beside flat scenes of four objects and as many pixels. Crowds of 20 steps have no
picture; they stand beside the same flat scenes against the target of 300 crowds a second.
Handwritten characters come last, against 300 drawings a second and flat scenes of their size.
Stereo pairs and worlds at two moments, 48 x 64 pixels with disparities or flow and occlusions,
stand beside single worlds of as many things, against the target of 100 pairs a second.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from skimage.draw import random_shapes

from cvlab import scenes

TARGET, VIEWS_TARGET, WORLDS_TARGET, FIGURES_TARGET, AVATARS_TARGET = 2_000, 300, 300, 300, 300
LANDMARKS_TARGET, CROWDS_TARGET, CHARACTERS_TARGET, PAIRS_TARGET = 300, 300, 300, 100
NUISANCES = dict.fromkeys(("light", "scale", "rotation", "clutter", "occlusion", "noise"), 1.0)
CASES: tuple[tuple[str, int, dict[str, float]], ...] = (
    ("1 object", 1, {}),
    ("1 object, clutter", 1, {"clutter": 1.0}),
    ("1 object, noise", 1, {"noise": 1.0}),
    ("1 object, every nuisance", 1, NUISANCES),
    ("4 objects", 4, {}),
    ("4 objects, every nuisance", 4, NUISANCES),
    ("8 objects, every nuisance", 8, NUISANCES),
)
VIEWS: tuple[tuple[str, dict[str, float]], ...] = (
    ("view", {}),
    ("view, occlusion and noise", {"occlusion": 0.3, "noise": 0.3}),
    ("view, clutter, one seed", {"clutter": 1.0}),
    ("view, clutter, each a seed", {"clutter": 1.0, "seed": 1}),
)
WORLDS: tuple[tuple[str, int, dict[str, float]], ...] = (
    ("1 thing", 1, {}),
    ("4 things", 4, {}),
    ("4 things, light and noise", 4, {"light": 1.0, "noise": 1.0}),
    ("8 things, light and noise", 8, {"light": 1.0, "noise": 1.0}),
)
LANDMARKS: tuple[tuple[str, dict[str, float]], ...] = (
    ("landmark, 64 x 64", {}),
    ("landmark, every strength", dict.fromkeys(("light", "clutter", "occlusion", "noise"), 1.0)),
)
FIGURES: tuple[tuple[str, dict[str, int | str]], ...] = (
    ("1 person, 48 x 48", {"size": 48}),
    ("1 person walking, 64 x 64", {"size": 64, "motion": "walk"}),
    ("2 people, 64 x 64", {"size": 64, "people": 2}),
)
AVATARS: tuple[tuple[str, dict[str, float]], ...] = (
    ("avatar, 40 x 20", {}),
    ("avatar, every nuisance", {"light": 1, "clutter": 1, "occlusion": 1, "noise": 1}),
    ("heads, 28 x 28", {"light": 1, "noise": 1}),
)
PAIRS: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("stereo", "sample_pairs", {}),
    ("stereo, photometric", "sample_pairs", {"photometric": 0.25}),
    ("motion of things", "sample_motion", {}),
    ("motion of the camera too", "sample_motion", {"camera": 1.0}),
)
CROWDS: tuple[tuple[str, dict[str, int | str]], ...] = (
    ("6 people", {"people": 6}),
    ("12 people", {"people": 12}),
    ("6 people in streets", {"people": 6, "walls": "streets"}),
)
CHARACTERS: tuple[tuple[str, int], ...] = (("character, 24 x 24", 24), ("character, 64 x 64", 64))


def draw_with_skimage(count: int, size: int, objects: int, seed: int) -> np.ndarray:
    """Images (count, size, size, 3) uint8 whose shapes are about as large as ours."""
    diameter = 2 * scenes.BASE_RADIUS * size / objects**0.5
    images = np.empty((count, size, size, 3), np.uint8)
    rng = np.random.default_rng(seed)
    for image in images:
        image[:], _labels = random_shapes(
            (size, size),
            min_shapes=objects,
            max_shapes=objects,
            min_size=max(2, int(0.6 * diameter)),
            max_size=max(3, int(diameter)),
            rng=rng,
        )
    return images


def speed(work: Callable[[], object], count: int) -> float:
    """Images a second of processor time in one call."""
    start = time.process_time()
    work()
    return count / (time.process_time() - start)


def measure(
    objects: int, strengths: dict[str, float], size: int, count: int, repeats: int
) -> tuple[list[float], list[float]]:
    """Images a second of every repeat: ours, then scikit-image's."""
    ours, theirs = [], []
    scenes.sample(min(count, 32), size, objects, **strengths)
    for seed in range(repeats):
        ours.append(
            speed(lambda s=seed: scenes.sample(count, size, objects, seed=s, **strengths), count)
        )
        few = max(1, count // 8)
        theirs.append(speed(lambda s=seed, n=few: draw_with_skimage(n, size, objects, s), few))
    return ours, theirs


def measure_views(settings: dict[str, float], size: int, repeats: int) -> list[float]:
    """Views a second of every repeat; a setting ``seed`` gives each view its own."""
    identities = np.tile(np.arange(20), 3)
    found = []
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        changed = settings | {"yaw": rng.uniform(0, 360, len(identities)), "size": size}
        if "seed" in settings:
            changed["seed"] = 1000 * repeat + np.arange(len(identities))
        found.append(speed(lambda s=changed: scenes.views(identities, **s), len(identities)))
    return found


def measure_worlds(
    things: int, strengths: dict[str, float], count: int, repeats: int
) -> tuple[list[float], list[float]]:
    """Images a second of every repeat: worlds, then flat scenes of the same strengths."""
    worlds, flat = [], []
    scenes.sample_world(2, objects=things)
    for seed in range(repeats):
        worlds.append(
            speed(
                lambda s=seed: scenes.sample_world(count, objects=things, seed=s, **strengths),
                count,
            )
        )
        flat.append(
            speed(lambda s=seed: scenes.sample(count, 56, things, seed=s, **strengths), count)
        )
    return worlds, flat


def measure_figures(
    settings: dict[str, int | str], count: int, repeats: int
) -> tuple[list[float], list[float]]:
    """Images a second of every repeat: people, then flat scenes of four objects and that size."""
    people, flat = [], []
    scenes.sample_figures(2, **settings)
    for seed in range(repeats):
        people.append(speed(lambda s=seed: scenes.sample_figures(count, seed=s, **settings), count))
        size = settings["size"]
        flat.append(speed(lambda s=seed, z=size: scenes.sample(count, z, 4, seed=s), count))
    return people, flat


def measure_landmarks(
    settings: dict[str, float], count: int, repeats: int
) -> tuple[list[float], list[float]]:
    """Images a second of every repeat: eight views of each landmark, then flat scenes."""
    ours, flat = [], []
    scenes.landmark_views(2, 2)
    for seed in range(repeats):
        number = max(1, count // 8)
        ours.append(
            speed(
                lambda s=seed, n=number: scenes.landmark_views(n, 8, seed=s, **settings), 8 * number
            )
        )
        flat.append(speed(lambda s=seed: scenes.sample(count, 64, 4, seed=s), count))
    return ours, flat


def measure_avatars(
    name: str, settings: dict[str, float], count: int, repeats: int
) -> tuple[list[float], list[float]]:
    """Images a second of every repeat: people by identity, then flat scenes of 28 x 28 pixels."""
    ours, flat = [], []
    people = range(max(1, count // 8))

    def draw(seed: int) -> object:
        if name.startswith("heads"):
            turns = np.tile(np.linspace(-60, 60, 8), len(people))
            return scenes.avatar_heads(np.repeat(people, 8), turns, 28, seed=seed, **settings)
        return scenes.sample_avatars(people, 8, seed=seed, **settings)

    draw(0)
    for seed in range(repeats):
        ours.append(speed(lambda s=seed: draw(s), 8 * len(people)))
        flat.append(speed(lambda s=seed: scenes.sample(count, 28, 4, noise=1.0, seed=s), count))
    return ours, flat


def measure_crowds(
    settings: dict[str, int | str], count: int, repeats: int
) -> tuple[list[float], list[float]]:
    """Scenes a second of every repeat: crowds, then flat scenes of four objects."""
    ours, flat = [], []
    scenes.sample_crowds(2, **settings)
    for seed in range(repeats):
        ours.append(speed(lambda s=seed: scenes.sample_crowds(count, seed=s, **settings), count))
        flat.append(speed(lambda s=seed: scenes.sample(count, 28, 4, noise=1.0, seed=s), count))
    return ours, flat


def measure_characters(size: int, count: int, repeats: int) -> tuple[list[float], list[float]]:
    """Drawings a second of every repeat, eight of each character; then flat scenes."""
    ours, flat = [], []
    number = max(1, count // 8)
    scenes.sample_characters(1, 2, 2, size)
    for seed in range(repeats):
        ours.append(
            speed(lambda s=seed: scenes.sample_characters(1, number, 8, size, s), 8 * number)
        )
        flat.append(speed(lambda s=seed: scenes.sample(count, size, 1, seed=s), count))
    return ours, flat


def measure_pairs(
    name: str, settings: dict[str, float], count: int, repeats: int
) -> tuple[list[float], list[float]]:
    """Pairs a second of every repeat, then single worlds."""
    ours, single = [], []
    draw = getattr(scenes, name)
    draw(2)
    for seed in range(repeats):
        ours.append(speed(lambda s=seed: draw(count, seed=s, **settings), count))
        single.append(speed(lambda s=seed: scenes.sample_world(count, seed=s), count))
    return ours, single


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--images", type=int, default=512, help="images in a repeat")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    print(f"{options.size} x {options.size} pixels, one thread, images a second of processor time")
    header = ("case", "ours", "range", "skimage", "ratio", "of target")
    print("{:<26} {:>6} {:>13} {:>8} {:>6} {:>9}".format(*header))
    for name, objects, strengths in CASES:
        ours, theirs = measure(objects, strengths, options.size, options.images, options.repeats)
        median, other = statistics.median(ours), statistics.median(theirs)
        extremes = f"{min(ours):,.0f}-{max(ours):,.0f}"
        print(
            f"{name:<26} {median:>6,.0f} {extremes:>13} {other:>8,.0f} "
            f"{median / other:>6.1f} {median / TARGET:>9.1f}"
        )
    print()
    print("{:<26} {:>6} {:>13} {:>9}".format("case", "ours", "range", "of target"))
    scenes.views(range(20), size=options.size)
    for name, settings in VIEWS:
        ours = measure_views(settings, options.size, options.repeats)
        median, extremes = statistics.median(ours), f"{min(ours):,.0f}-{max(ours):,.0f}"
        print(f"{name:<26} {median:>6,.0f} {extremes:>13} {median / VIEWS_TARGET:>9.1f}")
    few = max(1, options.images // 4)
    worlds = [(n, measure_worlds(t, s, few, options.repeats)) for n, t, s in WORLDS]
    against_flat("world, 48 x 64", worlds, WORLDS_TARGET)
    pairs = [(n, measure_pairs(f, s, few, options.repeats)) for n, f, s in PAIRS]
    against_flat("pairs, 48 x 64", pairs, PAIRS_TARGET, "world")
    people = [(n, measure_figures(s, few, options.repeats)) for n, s in FIGURES]
    against_flat("people", people, FIGURES_TARGET)
    avatars = [(n, measure_avatars(n, s, options.images, options.repeats)) for n, s in AVATARS]
    against_flat("by identity", avatars, AVATARS_TARGET)
    landmarks = [(n, measure_landmarks(s, few, options.repeats)) for n, s in LANDMARKS]
    against_flat("landmarks", landmarks, LANDMARKS_TARGET)
    crowds = [(n, measure_crowds(s, options.images, options.repeats)) for n, s in CROWDS]
    against_flat("crowds", crowds, CROWDS_TARGET)
    letters = [(n, measure_characters(s, options.images, options.repeats)) for n, s in CHARACTERS]
    against_flat("handwriting", letters, CHARACTERS_TARGET)


def against_flat(
    title: str,
    cases: list[tuple[str, tuple[list[float], list[float]]]],
    target: float,
    peer: str = "flat",
) -> None:
    """Print a table of speeds beside those of flat scenes of the same size, or of another peer."""
    header = (title, "ours", "range", peer, "ratio", "of target")
    print("\n{:<26} {:>6} {:>13} {:>8} {:>6} {:>9}".format(*header))
    for name, (ours, flat) in cases:
        median, other = statistics.median(ours), statistics.median(flat)
        extremes = f"{min(ours):,.0f}-{max(ours):,.0f}"
        print(
            f"{name:<26} {median:>6,.0f} {extremes:>13} {other:>8,.0f} "
            f"{median / other:>6.2f} {median / target:>9.1f}"
        )


if __name__ == "__main__":
    main()
