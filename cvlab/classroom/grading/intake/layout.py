"""Whether folders in a folder are a class's or one student's: what is not certain is asked.

`hw1/ada/15_boxes.ipynb` and `hw1/emmy/15_boxes.ipynb` are a class in one folder, or two versions of
a student called hw1. Nothing in the names tells which, and a wrong guess merges students.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from cvlab.classroom.grading.intake.members import Member
from cvlab.classroom.grading.intake.names import split_ending, student_in, without_number


def entered(members: Iterable[Member]) -> list[Member]:
    """Return the members as they lie in the folders of the place, which are no students.

    Raises:
        ValueError: if two of those folders have a student of the same name.
    """
    tops: dict[str, str] = {}
    inside = []
    for member in members:
        if len(member.parts) == 1:
            inside += [member] * (not member.folder)
            continue
        top = tops.setdefault(member.parts[1], member.parts[0])
        if top != member.parts[0]:
            raise ValueError(
                f"{top} and {member.parts[0]} both hold {member.parts[1]}; grade them one by one."
            )
        inside.append(replace(member, parts=member.parts[1:]))
    return inside


def ask_if_uncertain(members: Iterable[Member], exercise: str) -> None:
    """Stop where most of the folders in the place may be a student's or hold several students.

    One student whose own folder is so cannot stop a class: the folders beside it tell what it is.

    Raises:
        ValueError: saying what was found and how to tell which it is.
    """
    folders: defaultdict[str, set[str]] = defaultdict(set)
    certain = set()
    for member in members:
        name = member.parts[-1]
        if member.folder or member.fault or not split_ending(name)[1]:
            continue
        top, *below = member.parts
        if not below:
            certain.add(top)
        elif len(below) > 1:
            folders[top].add(below[0])
        elif without_number(name)[0].casefold() == exercise.casefold():
            certain.add(top)  # whose folder this is has put the exercise into it
        else:
            folders[top].add(student_in(split_ending(name)[0], exercise))
    several = [top for top in folders if top not in certain and len(folders[top]) > 1]
    if not several or 2 * len(several) < len(certain | set(folders)):
        return
    first = min(several)
    names = sorted(folders[first])
    listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    raise ValueError(
        f"{first} may be a class of {len(names)} ({listed}) or one student with as many versions; "
        "say which by --layout class or --layout student."
    )
