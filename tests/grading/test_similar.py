"""Answers that are alike: found under other names, and nobody is named who wrote for themselves."""

from __future__ import annotations

import collections
import io
import random
import tokenize

import pytest

from cvlab.classroom.grading.report import similar

LONG = """def nms(boxes, scores, threshold=0.5):
    order = scores.argsort()[::-1]
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        sides = np.clip(high - low, 0, None)
        shared = sides[:, 0] * sides[:, 1]
        both = area(boxes[best]) + area(boxes[rest]) - shared
        order = rest[shared / both <= threshold]
    return np.array(kept)
"""
OTHER = """def nms(boxes, scores, threshold=0.5):
    alive = np.ones(len(boxes), bool)
    for i in np.argsort(-scores, kind="stable"):
        if not alive[i]:
            continue
        overlap = iou(boxes[i : i + 1], boxes)[0]
        alive &= (overlap <= threshold) | (np.arange(len(boxes)) == i)
    return [i for i in np.argsort(-scores) if alive[i]]
"""
THIRD = """def nms(boxes, scores, threshold=0.5):
    def keep(indices):
        if not indices:
            return []
        first, *others = indices
        later = [j for j in others if one_iou(boxes[first], boxes[j]) <= threshold]
        return [first] + keep(later)
    return keep(sorted(range(len(scores)), key=lambda k: scores[k], reverse=True))
"""


def disguised(code: str) -> str:
    """The same code with other names, texts and comments, blank lines and spaces."""
    numbers: dict[str, int] = {}
    found = []
    for one in tokenize.generate_tokens(io.StringIO(code).readline):
        word = one.string
        if one.type == tokenize.NAME and not similar.keyword.iskeyword(word):
            word = f"v{numbers.setdefault(word, len(numbers))}"
        if one.type == tokenize.STRING:
            word = "'something else'"
        found.append((one.type, word))
    return "# my own work\n\n" + tokenize.untokenize(found)


def test_words_are_what_names_and_comments_leave():
    code = 'def f(x, *, k=3):  # why\n    """Doc."""\n    return x if x else [k, 1e-3]\n'
    assert list(similar.words(code)) == list(similar.words(disguised(code)))
    assert list(similar.words("")) == []
    assert list(similar.words("x = (")) == ["N", "=", "("], "what came before the fault counts"


def test_every_long_run_leaves_a_fingerprint():
    """Winnowing's promise, on random programs that share one run of the least length."""
    draws = random.Random(0)
    for _ in range(200):
        pieces = [
            [draws.choice(["if", "x", "1", "+", "(", "]", "for"]) for _ in range(length)]
            for length in (30, similar.RUN + similar.WINDOW - 1, 30, 30, 30)
        ]
        first, shared, second, third, fourth = (" ".join(piece) for piece in pieces)
        one = similar.fingerprints(f"{first} {shared} {second}")
        other = similar.fingerprints(f"{third} {shared} {fourth}")
        assert one & other


def test_a_copy_is_found_under_other_names():
    answers = {"ann": LONG, "bob": disguised(LONG), "cleo": OTHER, "dan": THIRD}
    found = similar.pairs({student: {"nms": code} for student, code in answers.items()})
    assert [(pair.first, pair.second, pair.tasks) for pair in found] == [("ann", "bob", ("nms",))]
    assert found[0].share == 1.0


def test_who_wrote_for_themselves_is_not_named():
    answers = {"ann": LONG, "cleo": OTHER, "dan": THIRD}
    assert similar.pairs({student: {"nms": code} for student, code in answers.items()}) == []


@pytest.mark.parametrize("many", [4, 40])
def test_what_much_of_the_class_has_says_nothing(many):
    common = {f"student{number}": {"nms": LONG} for number in range(many)}
    copied = {"ann": {"nms": OTHER}, "bob": {"nms": disguised(OTHER)}}
    found = similar.pairs(common | copied)
    assert [(pair.first, pair.second) for pair in found] == [("ann", "bob")]


def test_the_solution_belongs_to_all():
    answers = {"ann": {"nms": LONG}, "bob": {"nms": disguised(LONG)}}
    assert len(similar.pairs(answers)) == 1
    assert similar.pairs(answers, known=[LONG]) == []


def test_part_of_a_longer_answer_and_order_of_pairs():
    answers = {
        "ann": {"a": "", "nms": LONG},
        "bob": {"a": "", "nms": disguised(LONG) + OTHER},
        "cleo": {"a": "", "nms": OTHER.replace("alive &=", "alive = alive &")},
    }
    found = similar.pairs(answers)
    assert [(pair.first, pair.second) for pair in found] == [("ann", "bob"), ("bob", "cleo")]
    assert found[0].share > found[1].share
    assert all(pair.tasks == ("nms",) for pair in found)


def test_short_answers_broken_ones_and_nobody():
    assert similar.pairs({}) == []
    assert similar.pairs({"ann": {"a": "x = 1"}, "bob": {"a": "x = 1"}}) == []
    assert similar.pairs({"ann": {"a": "\x00"}, "bob": {"a": "'''"}, "cleo": {}}) == []


def test_of_very_many_pairs_the_first_are_listed():
    answers = {}
    draws = random.Random(1)
    for number in range(2 * similar.MOST_PAIRS + 2):
        parts = [str(draws.randrange(10**6)) for _ in range(80)]
        code = "f = " + " - ".join(parts)
        answers |= {f"{number:03}-{who}": {"task": code} for who in ("a", "b")}
    found = similar.pairs(answers)
    assert len(found) == similar.MOST_PAIRS
    assert [pair.first for pair in found] == sorted(pair.first for pair in found)
    assert all(pair.share == 1 for pair in found)


def test_what_all_have_makes_no_pair_at_all(monkeypatch):
    """So the work does not grow with the pairs of a class that has handed in the same notebook."""
    made = []

    class Counting(collections.Counter):
        def __init__(self, *given):
            made.append(self)
            super().__init__(*given)

    monkeypatch.setattr(similar, "Counter", Counting)
    code = "\n".join(f"x{i} = [{i}, {i + 1}]" for i in range(100))
    assert similar.pairs({f"{number:03}": {"task": code} for number in range(100)}) == []
    assert len(made) == 1, "of what is rare, and none for any pair"
    assert len(similar.pairs({name: {"task": code} for name in ("ann", "bob", "cleo")})) == 3
    assert len(made) == 1 + 1 + 3
