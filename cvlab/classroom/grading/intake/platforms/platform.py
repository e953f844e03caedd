"""What a platform has to say: which members are its own, and to which student each belongs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from cvlab.classroom.grading.intake.members import Member


@dataclass
class Group:
    """The members of one student, each with the name that the student gave the file.

    What the platform itself says of the submission stands apart: a student's own file that is named
    like the platform's says nothing.
    """

    label: str
    name: str = ""
    ids: tuple[str, ...] = ()
    number: str = ""
    other_names: tuple[str, ...] = ()  #: that the student may have, should no one have `name`
    late: bool = False
    stamp: Member | None = None  #: where the platform wrote when it came
    members: list[tuple[str, Member]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Author:
    """One of those who handed something in."""

    label: str
    name: str
    ids: tuple[str, ...]


class Platform(ABC):
    """One way in which submissions are laid out."""

    name: ClassVar[str]  #: for the instructor

    @abstractmethod
    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Return the members to be sorted, or None if this input is of another platform."""

    @abstractmethod
    def put(self, member: Member, exercise: str, groups: dict[str, Group]) -> bool:
        """Put a member into its student's group; False if it belongs to nobody."""

    def sort(self, members: list[Member], exercise: str) -> tuple[dict[str, Group], list[Member]]:
        """Return the students' groups, and the members that belong to none."""
        groups: dict[str, Group] = {}
        strays = [member for member in members if not self.put(member, exercise, groups)]
        return groups, strays


def mostly(members: list[Member], fits: Callable[[Member], bool]) -> bool:
    """Tell whether a layout fits; one student's file names must not decide for the others."""
    fitting = {member.parts[0] for member in members if fits(member)}
    other = {m.parts[0] for m in members if not m.folder and not fits(m)} - fitting
    return len(fitting) > 0 and len(fitting) >= len(other)


def placed(members: list[Member], fits: Callable[[Member], bool]) -> list[Member] | None:
    """Return the members if a layout fits, without the one folder in which all may lie."""
    return next((each for each in levels(members) if mostly(each, fits)), None)


def levels(members: list[Member]) -> Iterator[list[Member]]:
    """Iterate over the members as they lie in the place, and in the one folder that holds all."""
    yield members
    tops = {member.parts[0] for member in members}
    if len(tops) == 1:
        yield below(members, *tops)


def below(members: list[Member], top: str) -> list[Member]:
    """Return what lies in a folder of the place, as seen from there."""
    inside = (m for m in members if m.parts[0] == top and len(m.parts) > 1)
    return [replace(m, parts=m.parts[1:]) for m in inside]


def saying(where: Member, text: str) -> Member:
    """Return a member that reads as what a platform's file about a class says of one student."""
    return replace(where, read=lambda _most: text.encode())


def for_each(authors: list[Author], group: Group) -> list[Group]:
    """Return a group for each author of what several handed in together."""
    groups = []
    for author in authors:
        others = [each.name or each.label for each in authors if each is not author]
        together = [f"it was handed in together with {', '.join(others)}"] if others else []
        own = replace(group, label=author.label, name=author.name, ids=author.ids)
        own.members = list(group.members)
        own.notes = [*group.notes, *together]
        groups.append(own)
    return groups


def tell_apart(groups: list[Group]) -> None:
    """Say so where two submissions seem to be of one student: they may be of namesakes."""
    count = Counter(group.label for group in groups)
    for group in groups:
        if count[group.label] > 1:
            group.notes.append("another submission has the same name, of a namesake or not")
