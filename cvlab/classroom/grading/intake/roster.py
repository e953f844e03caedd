"""The roster of a course: who is in it, and whom a submission belongs to."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cvlab.classroom.grading.intake.members import MB
from cvlab.classroom.grading.intake.names import shown

MOST_ROSTER = 10 * MB

_ID_COLUMNS = (
    *("id", "studentid", "username", "sisloginid", "sisuserid", "userid", "login", "idnumber"),
    *("studentnumber", "matriculationnumber", "identifier", "participant", "participantid"),
    *("lmsuserid", "orgdefinedid", "user", "sid", "eid"),
)
_NAME_COLUMNS = ("name", "fullname", "student", "studentname", "displayname")
_EMAIL_COLUMNS = ("email", "emailaddress", "mail")


@dataclass(frozen=True)
class Person:
    """A row of the roster."""

    id: str
    name: str
    email: str
    keys: frozenset[str]


def read_roster(path: Path) -> list[Person]:
    """Read the students of a course.

    Raises:
        ValueError: if the file is no CSV with a column of ids or names, or an id stands twice.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_ROSTER + 1)
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise ValueError(f"The roster {path} cannot be read: {reason}.") from None
    if len(data) > MOST_ROSTER or b"\0" in data:
        raise ValueError(f"The roster {path} is no CSV file in UTF-8; export it as one.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")  # as spreadsheets on Windows save it
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise ValueError(f"The roster {path} is no CSV file: {error}.") from None
    header = [re.sub(r"[^a-z]", "", cell.lower()) for cell in rows[0]] if rows else []
    cells = (dict(zip(header, row, strict=False)) for row in rows[1:])
    people = [person for row in cells if (person := _person(row))]
    if not people:
        raise ValueError(f"The roster {path} needs a heading with id or name, and a student below.")
    twice, count = Counter(person.id for person in people).most_common(1)[0]
    if count > 1:
        raise ValueError(f"The roster {path} has {shown(twice)} twice; each id must be unique.")
    return people


def _person(row: dict[str, str]) -> Person | None:
    row = {key: value.strip() for key, value in row.items() if value}
    ids = [row[column] for column in _ID_COLUMNS if row.get(column)]
    name = next((row[column] for column in _NAME_COLUMNS if row.get(column)), "")
    if not name:
        first = row.get("firstname") or row.get("givenname") or ""
        name = f"{first} {row.get('lastname') or row.get('surname') or ''}".strip()
    email = next((row[column] for column in _EMAIL_COLUMNS if row.get(column)), "")
    identifier = next(iter(ids), "") or email.partition("@")[0] or name
    if not identifier or name.lower().startswith("points possible"):  # Canvas's second row
        return None
    keys = {_key(each) for each in (*ids, email, email.partition("@")[0])} - {""}
    return Person(identifier, shown(name), shown(email), frozenset(keys))


def _key(text: str) -> str:
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text).casefold())


def _names(name: str) -> set[str]:
    """Return the spellings of a name, words in any rotation: systems put either name first."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    words = re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)))[:12]
    return {"".join(words[i:] + words[:i]) for i in range(len(words))}


class Register:
    """The people of a roster, found by id, email or, failing these, name."""

    def __init__(self, people: list[Person]) -> None:
        self.by_key: defaultdict[str, list[Person]] = defaultdict(list)
        self.by_name: defaultdict[str, list[Person]] = defaultdict(list)
        for person in people:
            for key in person.keys:
                self.by_key[key].append(person)
            for name in _names(person.name):
                self.by_name[name].append(person)

    def match(self, ids: Iterable[str], *names: str) -> Person | None:
        """Return the one person whom ids or a name fit; None where nobody does, or several do.

        Args:
            ids: any of them.
            names: the first that fits anybody counts.
        """
        keys = {_key(each) for each in ids}
        wanted_names = [(self.by_name, _names(name)) for name in names]
        for index, wanted in ((self.by_key, keys), *wanted_names):
            fitting = {person for each in wanted for person in index.get(each, ())}
            if fitting:
                return fitting.pop() if len(fitting) == 1 else None
        return None
