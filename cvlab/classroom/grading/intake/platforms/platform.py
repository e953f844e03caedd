"""What a platform has to say: which members are its own, and to which student each belongs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
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
