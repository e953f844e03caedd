"""Characters: drawings of one program differ and stay near it, alphabets differ from each other."""

import doctest

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cvlab.scenes import MAX_STROKES, alphabets, draw, sample_characters


def bezier(stroke, count=200):
    """Places of a quadratic curve by de Casteljau's two rounds of mixing."""
    t = np.linspace(0, 1, count)[:, None]
    first, second = (stroke[k] + t * (stroke[k + 1] - stroke[k]) for k in (0, 1))
    return first + t * (second - first)


def test_examples():
    results = doctest.testmod(alphabets)
    assert results.failed == 0
    assert results.attempted > 0


def test_shapes_types_and_order():
    letters = sample_characters(3, 4, 5, size=20, seed=2)
    assert len(letters) == 60
    assert repr(letters) == "Characters(60 drawings of 12 characters in 3 alphabets, 20 x 20)"
    assert letters.images.shape == (60, 20, 20)
    assert letters.images.dtype == letters.strokes.dtype == np.float32
    assert letters.images.min() == 0
    assert letters.images.max() == 1
    assert letters.strokes.shape == (60, MAX_STROKES, 3, 2)
    np.testing.assert_array_equal(letters.character, np.arange(60) // 5)
    np.testing.assert_array_equal(letters.alphabet, np.arange(60) // 20)
    tensors = letters.torch()
    assert tensors["images"].shape == (60, 1, 20, 20)
    assert tensors["character"].tolist() == letters.character.tolist()
    few = letters[letters.alphabet == 1]
    assert len(few) == 20
    assert set(few.character) == {4, 5, 6, 7}
    assert len(sample_characters(1, 1, 1, 8)) == 1


def test_a_drawing_depends_on_its_places_alone():
    few = sample_characters(2, 3, 2, seed=4)
    many = sample_characters(3, 5, 4, seed=4)
    for k in range(len(few)):
        a, c, d = k // 6, k // 2 % 3, k % 2
        other = 20 * a + 4 * c + d
        np.testing.assert_array_equal(few.images[k], many.images[other])
        np.testing.assert_array_equal(few.strokes[k], many.strokes[other])
    again = sample_characters(2, 3, 2, seed=4)
    np.testing.assert_array_equal(few.images, again.images)
    elsewhere = sample_characters(2, 3, 2, seed=5)
    assert not np.array_equal(few.images, elsewhere.images)


def test_drawings_of_a_character_differ_and_share_its_strokes():
    letters = sample_characters(6, 5, 4, seed=1)
    images = letters.images.reshape(30, 4, -1)
    programs = letters.strokes.reshape(30, 4, MAX_STROKES, 3, 2)
    for one, program in zip(images, programs, strict=True):
        assert len(np.unique(one, axis=0)) == 4
        np.testing.assert_array_equal(program, np.broadcast_to(program[0], program.shape))
    whole = programs[:, 0].reshape(30, -1)
    assert len(np.unique(np.nan_to_num(whole), axis=0)) == 30
    counts = (~np.isnan(programs[:, 0, :, 0, 0])).sum(1)
    assert set(counts) == {2, 3, 4}
    assert (np.isnan(programs[:, 0]).all((2, 3)) == np.isnan(programs[:, 0]).any((2, 3))).all()


def test_a_program_fills_seven_tenths_of_the_square():
    for strokes in sample_characters(8, 6, 1, seed=3).strokes:
        places = np.concatenate([bezier(s) for s in strokes if not np.isnan(s).any()])
        low, high = places.min(0), places.max(0)
        assert (high - low).max() == pytest.approx(0.7, abs=0.01)
        np.testing.assert_allclose((low + high) / 2, 0.5, atol=0.01)


def test_ink_lies_on_the_strokes_when_the_hand_is_still(monkeypatch):
    for name in ("_WOBBLE", "_TURN", "_SLANT", "_SHIFT"):
        monkeypatch.setattr(alphabets, name, 0.0)
    monkeypatch.setattr(alphabets, "SCALES", (1.0, 1.0))
    monkeypatch.setattr(alphabets, "WIDTHS", (0.1, 0.1))
    letters = sample_characters(3, 3, 1, size=40)
    for image, strokes in zip(letters.images, letters.strokes, strict=True):
        places = np.concatenate([bezier(s) for s in strokes if not np.isnan(s).any()])
        row, column = np.indices(image.shape)
        pixels = (np.stack([column, row], -1).reshape(-1, 2) + 0.5) / 40
        distance = cdist(pixels, places).min(1).reshape(40, 40) * 40
        np.testing.assert_allclose(image, np.clip(2.5 - distance, 0, 1), atol=0.1)


def test_draw_takes_a_program_and_a_hand():
    letters = sample_characters(1, 2, 1)
    first, second = (draw(letters.strokes[0], np.random.default_rng(k)) for k in (0, 1))
    assert first.shape == (24, 24)
    assert first.dtype == np.float32
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, draw(letters.strokes[0], np.random.default_rng(0)))
    kept = letters.strokes[0][~np.isnan(letters.strokes[0]).any((1, 2))]
    np.testing.assert_array_equal(first, draw(kept, np.random.default_rng(0)))
    assert draw(kept, np.random.default_rng(0), size=9).shape == (9, 9)
    dot = draw(np.full((1, 3, 2), 0.5), np.random.default_rng(0), size=64)
    assert 0 < dot.sum() < 800  # three points that nearly coincide


def test_pixels_alone_tell_little_and_more_than_chance():
    letters = sample_characters(10, 10, 6, seed=9)
    x = letters.images.reshape(100, 6, -1)
    rng, right = np.random.default_rng(0), []
    for _ in range(300):
        chosen = rng.choice(100, 5, replace=False)
        order = rng.permuted(np.tile(np.arange(6), (5, 1)), axis=1)
        support, query = (x[chosen, order[:, k]] for k in (0, 1))
        right.append((cdist(query, support).argmin(1) == np.arange(5)).mean())
    assert 0.35 < np.mean(right) < 0.55


def test_alphabets_have_statistics_of_their_own():
    letters = sample_characters(12, 25, 1, seed=6)
    begin, bend, end = np.moveaxis(letters.strokes, 2, 0)
    length = np.linalg.norm(end - begin, axis=-1)
    bent = np.nanmean(np.linalg.norm(bend - (begin + end) / 2, axis=-1) / length, axis=1)
    bent = bent.reshape(12, 25)
    within, between = bent.var(1).mean(), bent.mean(1).var()
    assert between > 3 * within / 25  # a shared bend would give about one twenty-fifth


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sample_characters(0, 1, 1), ValueError, "alphabets must be at least 1"),
        (lambda: sample_characters(1, 0, 1), ValueError, "characters must be at least 1"),
        (lambda: sample_characters(1, 1, 0), ValueError, "drawings must be at least 1"),
        (lambda: sample_characters(1, 1.0, 1), TypeError, "characters must be an integer"),
        (lambda: sample_characters(1, 1, 1, 7), ValueError, "size must be in 8 to 128"),
        (lambda: sample_characters(1, 1, 1, seed=-1), ValueError, "seed must be at least 0"),
        (lambda: draw(np.zeros((2, 3, 2)), 0), TypeError, "rng must be a numpy Generator"),
        (lambda: hand(np.zeros((3, 2))), ValueError, r"the shape \(S, 3, 2\)"),
        (lambda: hand(np.zeros((0, 3, 2))), ValueError, "at least one stroke"),
        (lambda: hand(np.full((2, 3, 2), np.nan)), ValueError, "at least one stroke"),
        (lambda: hand([[[0, 0], [np.nan, 0], [1, 1]]]), ValueError, "finite points"),
        (lambda: hand([[["a", "b"]] * 3]), TypeError, "real numbers"),
    ],
)
def test_bad_input_gets_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


def hand(character):
    return draw(character, np.random.default_rng(0))
