"""Tests of the embedded sets of cvlab.data and of the type Dataset."""

from __future__ import annotations

import doctest
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cvlab import data
from cvlab.data import course
from cvlab.data.dataset import Card, FromArrays
from cvlab.data.embedded import COLOUR_PHOTOGRAPHS, GREY_PHOTOGRAPHS

# --- The embedded sets ---------------------------------------------------------------------------


def test_import_is_light():
    heavy = "torch torchvision cv2 sklearn skimage scipy"
    code = f"import sys, cvlab.data; print([m for m in '{heavy}'.split() if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_digits_equal_scikit_learn():
    from sklearn.datasets import load_digits

    images, labels = data.digits().arrays()
    reference = load_digits()
    np.testing.assert_array_equal(images * 16, reference.images)
    np.testing.assert_array_equal(labels, reference.target)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    assert images.min() == 0
    assert images.max() == 1
    assert data.digits().class_names == tuple("0123456789")


@pytest.mark.parametrize("name", data.PHOTOGRAPHS)
def test_photographs_equal_scikit_image(name):
    import skimage.data

    image = data.photograph(name)
    reference = getattr(skimage.data, name)()
    np.testing.assert_array_equal(image, reference.astype(np.float32) / np.float32(255))
    assert image.dtype == np.float32
    assert image.ndim == (3 if name in COLOUR_PHOTOGRAPHS else 2)


def test_photograph_resized_without_aliasing():
    image = data.photograph("brick", size=(64, 32))
    assert image.shape == (64, 32)
    assert image.dtype == np.float32
    original = data.photograph("brick")
    blocks = original.reshape(64, 8, 32, 16).mean(axis=(1, 3))
    skipped = original[4::8, 8::16]
    # The mean of each block is free of aliasing; leaving out pixels is not.
    assert np.abs(image - blocks).mean() < 0.5 * np.abs(skipped - blocks).mean()
    same = data.photograph("rocket", size=(427, 640))
    np.testing.assert_allclose(same, data.photograph("rocket"), atol=1e-6)


def test_photograph_bad_input():
    with pytest.raises(ValueError, match=r"no photograph 'dog'; choose one of astronaut, brick"):
        data.photograph("dog")
    for size in (64, (64,), (0, 8), (8.5, 8), (8, -1), "ab", (1, 2, 3)):
        with pytest.raises(ValueError, match="size must be"):
            data.photograph("coins", size=size)


def test_photographs():
    dataset = data.photographs()
    assert dataset.class_names == COLOUR_PHOTOGRAPHS
    assert set(COLOUR_PHOTOGRAPHS) | set(GREY_PHOTOGRAPHS) == set(data.PHOTOGRAPHS)
    for i, (image, label) in enumerate(dataset):
        assert label == i
        assert image.ndim == 3
    with pytest.raises(ValueError, match="differ in size"):
        dataset.arrays()


def test_faces_equal_scikit_image():
    from skimage.data import lfw_subset

    images, labels = data.faces().arrays()
    np.testing.assert_array_equal(images, lfw_subset().astype(np.float32))
    np.testing.assert_array_equal(labels, [1] * 100 + [0] * 100)
    assert data.faces().class_names == ("other", "face")
    # Faces resemble each other: they lie closer to their mean than the others to theirs.
    spread = [images[labels == k].std(axis=0).mean() for k in (0, 1)]
    assert spread[1] < spread[0]


def test_stereo_motorcycle():
    left, right, disparity, valid = data.stereo_motorcycle()
    assert left.shape == right.shape == (500, 741, 3)
    assert left.dtype == right.dtype == disparity.dtype == np.float32
    assert valid.dtype == bool
    assert np.isfinite(disparity).all()
    assert (disparity[valid] > 0).all()
    assert (disparity[~valid] == 0).all()

    rows, columns = np.nonzero(valid)

    def error(sign: float) -> float:
        there = np.rint(columns - sign * disparity[rows, columns]).astype(int)
        inside = (there >= 0) & (there < 741)
        return np.abs(left[rows, columns] - right[rows, there.clip(0, 740)])[inside].mean()

    # The stated sign aligns the views; the opposite one, or none, does not.
    assert error(1) < 0.6 * error(0)
    assert error(1) < 0.6 * error(-1)


def test_rings():
    points, labels = data.rings(101, noise=0.0, seed=3)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), np.where(labels, 0.5, 1), atol=1e-6)
    assert np.bincount(labels).tolist() in ([50, 51], [51, 50])
    noisy, _ = data.rings(20_000, noise=0.1, seed=3)
    exact, _ = data.rings(20_000, noise=0.0, seed=3)
    assert abs((noisy - exact).std() - 0.1) < 0.002


def test_moons_are_those_of_scikit_learn():
    from sklearn.datasets import make_moons

    points, labels = data.moons(100, noise=0.0)
    reference, classes = make_moons(100, noise=None, shuffle=False)
    for k in (0, 1):
        ours = points[labels == k]
        ours = ours[np.argsort(ours[:, 0])]
        theirs = reference[classes == k]
        theirs = theirs[np.argsort(theirs[:, 0])]
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_blobs():
    points, labels = data.blobs(30_000, noise=0.2, classes=4)
    for k in range(4):
        cloud = points[labels == k]
        centre = [np.cos(k * np.pi / 2), np.sin(k * np.pi / 2)]
        np.testing.assert_allclose(cloud.mean(axis=0), centre, atol=0.01)
        np.testing.assert_allclose(cloud.std(axis=0), 0.2, atol=0.01)


@pytest.mark.parametrize("make", [data.rings, data.moons, data.blobs])
def test_toy_sets(make):
    points, labels = make(50, 0.1, 5)
    assert points.dtype == np.float32
    assert points.shape == (50, 2)
    assert labels.dtype == np.int64
    again, same = make(50, 0.1, 5)
    np.testing.assert_array_equal(points, again)
    np.testing.assert_array_equal(labels, same)
    assert not np.array_equal(points, make(50, 0.1, 6)[0])
    assert np.any(np.diff(labels) < 0)  # shuffled, not sorted by class
    for n in (1, 0, -5):
        with pytest.raises(ValueError, match="n must be at least"):
            make(n)
    with pytest.raises(TypeError, match="n must be an integer"):
        make(10.0)
    for noise in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="noise must be"):
            make(10, noise)


def test_blobs_bad_classes():
    with pytest.raises(ValueError, match="classes must be"):
        data.blobs(10, classes=0)


# --- The type Dataset ----------------------------------------------------------------------------


def toy_dataset(labels: np.ndarray | None, images: np.ndarray | None = None) -> data.Dataset:
    card = Card("toy", "Toy", "a set for tests", "here", "none")
    n = 5 if labels is None else len(labels)
    images = np.arange(n, dtype=np.float32).reshape(n, 1, 1) if images is None else images
    read = FromArrays(images, np.zeros(n, dtype=int) if labels is None else labels)
    return data.Dataset(card, ("a", "b"), read, np.arange(n), labels)


def ids(dataset: data.Dataset) -> list[int]:
    return [int(image[0, 0]) for image, _ in dataset]


def test_dataset_indexing():
    dataset = data.digits()
    np.testing.assert_array_equal(dataset[-1][0], dataset[1796][0])
    np.testing.assert_array_equal(dataset[np.int64(3)][0], dataset[3][0])
    assert isinstance(dataset[0][1], int)
    for index in (1797, -1798):
        with pytest.raises(IndexError, match="outside a Dataset of 1797"):
            dataset[index]
    for index in (1.0, "0", slice(3), True, [0, 1]):
        with pytest.raises(TypeError, match="indexed by one integer"):
            dataset[index]
    assert repr(dataset) == "<Dataset digits: 1797 samples, 10 classes>"


def test_writing_to_a_sample_leaves_the_set_alone():
    dataset = data.digits()
    before = dataset[0][0].copy()
    dataset[0][0][:] = 7
    np.testing.assert_array_equal(dataset[0][0], before)


def test_split_digits():
    dataset = data.digits()
    parts = dataset.split(0.6, 0.2, 0.2, seed=0)
    assert [len(part) for part in parts] == [1078, 360, 359]
    indices = np.concatenate([part._indices for part in parts])
    np.testing.assert_array_equal(np.sort(indices), np.arange(1797))
    again = dataset.split(0.6, 0.2, 0.2, seed=0)
    other = dataset.split(0.6, 0.2, 0.2, seed=1)
    for part, same, different in zip(parts, again, other, strict=True):
        np.testing.assert_array_equal(part._indices, same._indices)
        assert not np.array_equal(np.sort(part._indices), np.sort(different._indices))
    images, labels = parts[1].arrays()
    np.testing.assert_array_equal(images[7], parts[1][7][0])
    assert labels[7] == parts[1][7][1]
    assert np.any(np.diff(labels) < 0)  # shuffled, not sorted by class
    # A part can be split again.
    first, second = parts[0].split(0.5, 0.5)
    assert set(first._indices) | set(second._indices) == set(parts[0]._indices)


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("seed", range(60))
def test_split_at_random(seed, stratify):
    rng = np.random.default_rng(seed)
    n, classes, count = int(rng.integers(60, 400)), int(rng.integers(1, 9)), int(rng.integers(1, 5))
    labels = rng.choice(classes, n, p=rng.dirichlet(np.ones(classes)))
    fractions = 0.1 + rng.random(count)
    fractions /= fractions.sum()
    dataset = toy_dataset(labels)
    parts = dataset.split(*fractions, seed=seed, stratify=stratify)
    assert sorted(i for part in parts for i in ids(part)) == list(range(n))
    for part, fraction in zip(parts, fractions, strict=True):
        assert abs(len(part) - fraction * n) <= 1
        if stratify:
            counts = np.bincount(labels[part._indices], minlength=classes)
            wanted = fraction * np.bincount(labels, minlength=classes)
            assert np.abs(counts - wanted).max() <= 2


def test_split_is_fair():
    """Over seeds, each sample is equally likely to land in each part."""
    dataset = toy_dataset(np.repeat([0, 1], [6, 14]))
    hits = np.zeros(20)
    for seed in range(2000):
        hits[ids(dataset.split(0.7, 0.3, seed=seed)[1])] += 1
    # A fair draw has mean 600 and standard deviation 20.5; five of those either side.
    for k in (slice(0, 6), slice(6, 20)):
        assert np.ptp(hits[k]) < 2 * 5 * 20.5
    assert np.abs(hits / 2000 - 0.3).max() < 0.3 / 6 + 0.05


def test_split_of_detection_targets_needs_no_labels():
    parts = toy_dataset(None).split(0.4, 0.6)
    assert [len(part) for part in parts] == [2, 3]
    assert sorted(i for part in parts for i in ids(part)) == list(range(5))


def test_split_degenerate():
    dataset = toy_dataset(np.array([0, 1, 1]))
    (whole,) = dataset.split(1.0)
    assert sorted(ids(whole)) == [0, 1, 2]
    assert [len(part) for part in dataset.split(1 / 3, 1 / 3, 1 / 3)] == [1, 1, 1]
    for fractions in ((0.5,), (0.6, 0.6), (0.9, 0.2)):
        with pytest.raises(ValueError, match="must sum to 1"):
            dataset.split(*fractions)
    for fractions in ((), (1.5, -0.5), (0.0, 1.0), (np.nan, 1.0), ("half", "half")):
        with pytest.raises(ValueError, match="needs positive fractions"):
            dataset.split(*fractions)
    with pytest.raises(ValueError, match="leaves a part empty"):
        dataset.split(0.9, 0.1)
    one = toy_dataset(np.array([0]))
    assert len(one.split(1.0)[0]) == 1
    with pytest.raises(ValueError, match="leaves a part empty"):
        one.split(0.5, 0.5)


def test_arrays_of_other_targets():
    with pytest.raises(ValueError, match="no class indices"):
        toy_dataset(None).arrays()


def test_torch_view():
    import torch

    view = data.digits().torch()
    assert isinstance(view, torch.utils.data.Dataset)
    image, label = view[5]
    assert label == 5
    assert image.shape == (1, 8, 8)
    assert image.dtype == torch.float32
    np.testing.assert_array_equal(image[0].numpy(), data.digits()[5][0])
    images, labels = next(iter(torch.utils.data.DataLoader(view, batch_size=4)))
    assert images.shape == (4, 1, 8, 8)
    assert labels.tolist() == [0, 1, 2, 3]

    colour, _ = data.photographs().torch()[0]
    assert colour.shape == (3, 512, 512)
    np.testing.assert_array_equal(colour.permute(1, 2, 0).numpy(), data.photograph("astronaut"))
    negative = data.digits().torch(transform=torch.neg)
    assert negative[0][0].max() == 0
    with pytest.raises(TypeError, match="transform must be a function"):
        data.digits().torch(transform=3)


# --- The course's own prose ----------------------------------------------------------------------


def test_course_text_is_clean_prose():
    chapters = data.course_text()
    assert len(chapters) == 26
    assert len({chapter.title for chapter in chapters}) == 26
    parts = list(dict.fromkeys(chapter.part for chapter in chapters))
    assert [part.split()[0] for part in parts] == ["I", "II", "III", "IV", "V", "VI", "VII"]
    whole = "\n".join(line for chapter in chapters for line in chapter.paragraphs)
    assert 300_000 < len(whole) < 400_000
    assert whole.isascii()
    # Neither formulas nor code, roles, links, marks of Markdown, tags or a second heading.
    assert not set(whole) & set("$`{}[]<>|\\_*#=@&~^")
    assert "http" not in whole
    assert "  " not in whole
    for chapter in chapters:
        assert len(chapter.paragraphs) > 80
        assert all(line == line.strip() and len(line) > 2 for line in chapter.paragraphs)


def test_course_text_says_that_it_is_a_snapshot_and_stays_one():
    path = Path(data.__file__).with_name("course_text.txt")
    file = path.read_bytes()
    assert file.startswith(b"# The prose of chapters 01 to 26 as it stood")
    assert b"snapshot" in file[:200]
    # Pages that learn from it assert what they measured: whoever changes it changes them.
    assert hashlib.sha256(file).hexdigest().startswith("6d6d4e707831bb30")
    lines = file.decode().splitlines()
    assert sum(line.startswith("== ") for line in lines) == 26
    read = [line for chapter in data.course_text() for line in chapter.paragraphs]
    assert read == [line for line in lines if not line.startswith(("# ", "== "))]


def test_doctests_of_the_course_text():
    assert doctest.testmod(course).failed == 0
