"""Every sentence of the grammar is read again by a parser of its own and held to the scene."""

import doctest
import itertools
import re

import numpy as np
import pytest

from cvlab import scenes
from cvlab.scenes import language

ADJECTIVES = {"plain": "flat", "striped": "stripes", "checked": "checks", "dotted": "dots"}
ADJECTIVES["mottled"] = "noise"
HOW = "left of|right of|above|below|in front of|behind|on|under"
NOUN = r"an? (\w+(?: \w+)*)"


def flat(count):
    return [scenes.describe(seed=7, index=k, objects=count, light=1.0) for k in range(40)]


def worlds(count):
    return [scenes.describe_world(seed=7, index=k, objects=count, flatness=0.3) for k in range(40)]


def fits(noun, thing):
    """Whether each word of a noun is true of a thing; by distances of all colours at once."""
    names = list(scenes.COLOUR_NAMES)
    values = np.array([scenes.COLOUR_NAMES[name] for name in names])
    nearest = names[np.linalg.norm(values - thing.colour, axis=1).argmin()]
    true = {nearest, thing.shape, next(a for a, t in ADJECTIVES.items() if t == thing.texture)}
    return set(noun.split()) <= true and noun.split()[-1] == thing.shape


def stands(scene, first, how, second):
    a, b = scene.objects[first], scene.objects[second]
    if isinstance(scene, scenes.Description):
        side = {"left of": b.x - a.x, "right of": a.x - b.x, "above": b.y - a.y, "below": a.y - b.y}
        return side[how] == max(side.values())
    if a.on == second or b.on == first:
        return how == ("on" if a.on == second else "under")
    eye = scene.camera.R[[0, 2]] * [1, 0, 1]  # level, along the heading
    heading = np.array([eye[1, 0], 0, eye[1, 2]]) / np.hypot(eye[1, 0], eye[1, 2])
    step = np.subtract(a.centre, b.centre)
    across, along = step @ [heading[2], 0, -heading[0]], step @ heading
    side = {"left of": -across, "right of": across, "in front of": -along, "behind": along}
    return side[how] == max(side.values())


def is_true(text, scene):
    """Whether there is a way to name objects in order so that every clause holds."""
    text = text.removeprefix("there is ")
    clauses = text.split(", ")
    if len(scene.objects) == 1:
        return fits(re.fullmatch(NOUN, text)[1], scene.objects[0])
    for k, clause in enumerate(clauses):
        left, how, right = re.fullmatch(f"{NOUN} ({HOW}) {NOUN}", clause).groups()
        pairs = [(k, k + 1), (k + 1, k)]
        if not any(
            fits(left, scene.objects[i])
            and fits(right, scene.objects[j])
            and stands(scene, i, how, j)
            for i, j in pairs
        ):
            return False
    return len(clauses) == len(scene.objects) - 1


def test_examples():
    result = doctest.testmod(language)
    assert result.failed == 0
    assert result.attempted > 10


@pytest.mark.parametrize("make", [flat, worlds])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_paraphrase_is_true_and_none_is_missing(make, count):
    for scene in make(count):
        told = scenes.captions(scene)
        assert told[0] == scenes.caption(scene)
        assert len(told) == len(set(told)) == 4 * 2 ** (count - 1)
        assert all(is_true(text, scene) for text in told)
        assert len(scenes.captions(scene, ("shape",))) == 2 * 2 ** (count - 1)
        for article, word in re.findall(r"\b(an?) (\w)", " ".join(told)):
            assert (article == "an") == (word in "aeiou")


@pytest.mark.parametrize("make", [flat, worlds])
def test_phrases_and_relations_are_true(make):
    for scene in make(3):
        pairs = list(itertools.permutations(range(3), 2))
        found = scenes.relations(scene)
        assert [(i, j) for i, _, j in found] == pairs
        for i, how, j in found:
            assert stands(scene, i, how, j)
            assert (j, scenes.INVERSE[how], i) in found
            for text in scenes.phrases(scene, i, j):
                left, told, right = re.fullmatch(f"{NOUN} ({HOW}) {NOUN}", text).groups()
                assert told == how
                assert fits(left, scene.objects[i])
                assert fits(right, scene.objects[j])
            assert scenes.phrase(scene, i, j) == scenes.phrases(scene, i, j)[0]
        with pytest.raises(ValueError, match="no relation to itself"):
            scenes.phrase(scene, 1, 1)


@pytest.mark.parametrize("make", [flat, worlds])
def test_answers_are_right(make):
    kinds = dict.fromkeys(scenes.QUESTIONS, 0)
    for scene, kind in itertools.product(make(4), scenes.QUESTIONS):
        things = scene.objects
        for text, answer in scenes.questions(scene, kind):
            kinds[kind] += 1
            if kind == "colour":
                shape = re.fullmatch(r"what colour is the (\w+)\?", text)[1]
                (thing,) = [t for t in things if t.shape == shape]
                assert fits(f"{answer} {shape}", thing)
            elif kind == "count":
                what = re.fullmatch(r"how many (\w+)( things)? are there\?", text)
                if what[2]:
                    count = sum(fits(f"{what[1]} {t.shape}", t) for t in things)
                else:
                    count = sum(what[1] in (t.shape + "s", t.shape + "es") for t in things)
                assert answer == str(count)
            elif kind == "relation":
                a, b = re.fullmatch(r"how does the (.+) stand to the (.+)\?", text).groups()
                (i,), (j,) = ([k for k, t in enumerate(things) if fits(n, t)] for n in (a, b))
                assert stands(scene, i, answer, j)
            elif text.startswith("is there"):
                noun = re.fullmatch(f"is there {NOUN}\\?", text)[1]
                assert (answer == "yes") == any(fits(noun, t) for t in things)
            else:
                a, how, b = re.fullmatch(f"is the (.+?) ({HOW}) the (.+)\\?", text).groups()
                (i,), (j,) = ([k for k, t in enumerate(things) if fits(n, t)] for n in (a, b))
                assert (answer == "yes") == stands(scene, i, how, j)
    assert min(kinds.values()) > 20


def test_drawn_colours_keep_their_names_and_edges_of_the_grammar():
    for colour, factor in itertools.product(
        scenes.COLOUR_NAMES, itertools.product((0.93, 1.07), repeat=3)
    ):
        value = tuple(np.minimum(1, np.multiply(scenes.COLOUR_NAMES[colour], factor)))
        scene = scenes.Description((scenes.Object("disc", colour=value),))
        assert scenes.slots(scene, 0)["colour"] == colour
    same = scenes.Description((scenes.Object("disc"), scenes.Object("disc")))
    assert scenes.relations(same) == [(0, "left of", 1), (1, "right of", 0)]
    assert scenes.questions(same, "relation") == scenes.questions(same, "colour") == []
    empty = scenes.Description()
    assert scenes.captions(empty) == ["nothing", "there is nothing"]
    assert scenes.relations(empty) == []
    for call, error in [
        (lambda: scenes.phrase(empty, 0), ValueError),
        (lambda: scenes.phrase(same, 2), ValueError),
        (lambda: scenes.phrase(same, 0, said=("colour",)), ValueError),
        (lambda: scenes.questions(same, "why"), ValueError),
        (lambda: scenes.caption("a scene"), TypeError),
    ]:
        with pytest.raises(error):
            call()
