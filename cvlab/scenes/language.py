"""Sentences about scenes: a small grammar of colour, texture, shape and relation, true of a scene.

Every function takes a ``Description`` of a flat scene or a ``World`` and is deterministic. What can
be said in several ways has a function for one of them (``phrase``, ``caption``) and one that lists
all (``phrases``, ``captions``); the first of the list is the plain one.

Words
    * Colour: the name in ``COLOUR_NAMES`` whose value is nearest to the object's first colour.
    * Texture: "plain", "striped", "checked", "dotted" or "mottled".
    * Shape: the class of a flat object, or "card", "box", "ball".
    * Relation: in a flat scene "left of", "right of", "above" or "below", by the larger difference
      of the two centres; in a world that of ``scenes.relation``, seen by the world's camera.

Examples:
    >>> from cvlab.scenes.description import Description, Object
    >>> red, green = (0.85, 0.25, 0.26), (0.22, 0.58, 0.36)
    >>> scene = Description((Object("disc", x=0.2, colour=red, texture="dots"),
    ...                      Object("star", x=0.7, colour=green)))
    >>> caption(scene)
    'a red dotted disc left of a green plain star'
    >>> relations(scene)
    [(0, 'left of', 1), (1, 'right of', 0)]
    >>> captions(scene, ("colour", "shape"))[-1]
    'there is a green star right of a red disc'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from cvlab._arguments import choice
from cvlab.scenes._arguments import integer, names
from cvlab.scenes.description import Description
from cvlab.scenes.palette import COLOUR_NAMES
from cvlab.scenes.world_description import World
from cvlab.scenes.world_renderer import relation

__all__ = [
    "INVERSE",
    "QUESTIONS",
    "SLOTS",
    "TEXTURE_WORDS",
    "Question",
    "caption",
    "captions",
    "phrase",
    "phrases",
    "questions",
    "relations",
    "slots",
]

TEXTURE_WORDS: dict[str, str] = {
    "flat": "plain",
    "stripes": "striped",
    "checks": "checked",
    "dots": "dotted",
    "noise": "mottled",
}
#: What a phrase may say of one object, in the order in which it says it.
SLOTS: tuple[str, ...] = ("colour", "texture", "shape")
INVERSE: dict[str, str] = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "in front of": "behind",
    "behind": "in front of",
    "on": "under",
    "under": "on",
}
QUESTIONS: tuple[str, ...] = ("colour", "count", "relation", "yes-no")


class Question(NamedTuple):
    """A question with its only right answer."""

    text: str
    answer: str


def slots(description: Description | World, k: int) -> dict[str, str]:
    """Return the words of object k by slot.

    Examples:
        >>> from cvlab.scenes.world_description import Thing, World
        >>> slots(World((Thing("ball", colour=(0.9, 0.8, 0.3), texture="checks"),)), 0)
        {'colour': 'yellow', 'texture': 'checked', 'shape': 'ball'}
    """
    thing = _objects(description)[_place(description, k, "k")]
    named = min(COLOUR_NAMES, key=lambda name: _apart(COLOUR_NAMES[name], thing.colour))
    return {"colour": named, "texture": TEXTURE_WORDS[thing.texture], "shape": thing.shape}


def relations(description: Description | World) -> list[tuple[int, str, int]]:
    """Return (subject, relation, object) for each ordered pair of objects, by their places."""
    count = range(len(_objects(description)))
    return [(i, _relation(description, i, j), j) for i in count for j in count if i != j]


def phrase(
    description: Description | World,
    k: int,
    other: int | None = None,
    said: tuple[str, ...] = SLOTS,
) -> str:
    """Return the plain phrase for object k, and for its relation to another one if given.

    Args:
        description: The scene.
        k: Place of the object in ``description.objects``.
        other: Place of an object that k is related to.
        said: Slots to fill; "shape" must be among them.

    Raises:
        TypeError: For another description, or a place that is no integer.
        ValueError: For a place that there is not, k as the other one, or unknown slots.

    Examples:
        >>> from cvlab.scenes.description import Description, Object
        >>> scene = Description((Object("bar", colour=(0.95, 0.5, 0.2)), Object("ring", y=0.9)))
        >>> phrase(scene, 0), phrase(scene, 0, 1, said=("colour", "shape"))
        ('an orange plain bar', 'an orange bar above a red ring')
    """
    return phrases(description, k, other, said)[0]


def phrases(
    description: Description | World,
    k: int,
    other: int | None = None,
    said: tuple[str, ...] = SLOTS,
) -> list[str]:
    """Return every phrase for object k, as ``phrase`` takes it: both orders of its adjectives.

    Examples:
        >>> from cvlab.scenes.description import Description, Object
        >>> phrases(Description((Object("heart"),)), 0)
        ['a red plain heart', 'a plain red heart']
    """
    said = _said(said)
    things = [k] if other is None else [k, other]
    for place in things:
        _place(description, place, "k and other")
    if k == other:
        raise ValueError("An object has no relation to itself.")
    found = []
    for turned in (False, True):
        nouns = [_noun(slots(description, place), said, turned) for place in things]
        link = "" if other is None else f" {_relation(description, k, other)} "
        found.append(link.join(nouns))
    return list(dict.fromkeys(found))


def caption(description: Description | World, said: tuple[str, ...] = SLOTS) -> str:
    """Return the plain sentence about all objects; each is related to the next one.

    Examples:
        >>> from cvlab.scenes.description import Description, Object
        >>> caption(Description()), caption(Description((Object("cross"),)))
        ('nothing', 'a red plain cross')
    """
    return next(_captions(description, _said(said)))


def captions(description: Description | World, said: tuple[str, ...] = SLOTS) -> list[str]:
    """Return every caption of the grammar, distinct, the plain one first.

    They differ in the order of adjectives, in whether "there is" opens them, and in the direction
    in which each relation is told: 4 for one object, 4 * 2 ** (n - 1) for n with three slots.
    """
    return list(dict.fromkeys(_captions(description, _said(said))))


def _captions(description: Description | World, said: tuple[str, ...]) -> Iterator[str]:
    count = len(_objects(description))
    ways = product(("", "there is "), (False, True), *[(False, True)] * max(count - 1, 0))
    for opening, turned, *backwards in ways:
        nouns = [_noun(slots(description, k), said, turned) for k in range(count)]
        clauses = []
        for k, back in enumerate(backwards):
            first, second = (k + 1, k) if back else (k, k + 1)
            how = _relation(description, first, second)
            clauses.append(f"{nouns[first]} {how} {nouns[second]}")
        yield opening + (", ".join(clauses) or "".join(nouns) or "nothing")


def questions(description: Description | World, kind: str) -> list[Question]:
    """Return every question of a kind that has one right answer in this scene.

    Args:
        description: The scene.
        kind: "colour" asks for that of each shape that occurs once; "count" how many things there
            are of each shape and colour that occur; "relation" how one thing stands to another,
            where colour and shape name both; "yes-no" whether a shape of a colour exists, for all
            pairs of a shape and a colour that occur, and whether a relation or its inverse holds.

    Raises:
        TypeError: For another description.
        ValueError: For another kind.

    Examples:
        >>> from cvlab.scenes.description import Description, Object
        >>> scene = Description((Object("bar"), Object("ring", y=0.9, colour=(0.2, 0.4, 0.8))))
        >>> questions(scene, "colour")[0]
        Question(text='what colour is the bar?', answer='red')
        >>> [question.answer for question in questions(scene, "yes-no")]
        ['yes', 'no', 'no', 'yes', 'yes', 'no', 'yes', 'no']
    """
    choice(kind, "kind", QUESTIONS)
    seen = [slots(description, k) for k in range(len(_objects(description)))]
    pairs = Counter((words["colour"], words["shape"]) for words in seen)
    shapes = Counter(words["shape"] for words in seen)
    colours = Counter(words["colour"] for words in seen)
    if kind == "colour":
        return [
            Question(f"what colour is the {words['shape']}?", words["colour"])
            for words in seen
            if shapes[words["shape"]] == 1
        ]
    if kind == "count":
        found = [Question(f"how many {_plural(s)} are there?", str(n)) for s, n in shapes.items()]
        return found + [
            Question(f"how many {c} things are there?", str(n)) for c, n in colours.items()
        ]
    told = []
    for i, how, j in relations(description):
        one, two = ((seen[k]["colour"], seen[k]["shape"]) for k in (i, j))
        if pairs[one] == pairs[two] == 1:
            told.append((" ".join(one), how, " ".join(two)))
    if kind == "relation":
        return [Question(f"how does the {a} stand to the {b}?", how) for a, how, b in told]
    exist = [
        Question(f"is there {_article(c)} {c} {s}?", "yes" if pairs[c, s] else "no")
        for c, s in product(colours, shapes)
    ]
    return exist + [
        Question(f"is the {a} {said} the {b}?", answer)
        for a, how, b in told
        for said, answer in ((how, "yes"), (INVERSE[how], "no"))
    ]


# --- Words and places -----------------------------------------------------------------------------


def _objects(description: Description | World) -> tuple[Any, ...]:
    if not isinstance(description, (Description, World)):
        raise TypeError(
            f"description must be a Description or a World, not {type(description).__name__}."
        )
    return description.objects


def _place(description: Description | World, k: int, name: str) -> int:
    count = len(_objects(description))
    if not count:
        raise ValueError("The scene holds no object.")
    return integer(k, name, 0, count - 1)


def _said(said: tuple[str, ...]) -> tuple[str, ...]:
    chosen = names("said", said, SLOTS)
    if "shape" not in chosen:
        raise ValueError(f"said must hold 'shape', not only {chosen}.")
    return tuple(slot for slot in SLOTS if slot in chosen)


def _relation(description: Description | World, first: int, second: int) -> str:
    if isinstance(description, World):
        return relation(description, description.camera, first, second)
    one, two = description.objects[first], description.objects[second]
    x, y = one.x - two.x, one.y - two.y
    if (x, y) == (0, 0):  # neither is first: by their place, so that the inverse holds
        x = first - second
    if abs(x) >= abs(y):
        return "left of" if x < 0 else "right of"
    return "above" if y < 0 else "below"


def _noun(words: dict[str, str], said: tuple[str, ...], turned: bool) -> str:
    adjectives = [words[slot] for slot in said if slot != "shape"]
    adjectives = adjectives[::-1] if turned else adjectives
    text = " ".join([*adjectives, words["shape"]])
    return f"{_article(text)} {text}"


def _article(text: str) -> str:
    return "an" if text[0] in "aeiou" else "a"


def _plural(shape: str) -> str:
    return shape + ("es" if shape[-1] in "sx" else "s")


def _apart(first: Any, second: Any) -> float:
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True))
