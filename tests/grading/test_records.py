"""Records and exports of the grader: nothing is lost, nothing breaks out, bytes are equal."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import fcntl
import hashlib
import io
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import ROOT
from waiting import processor_time, started, until

from cvlab.classroom.grading.report import exports, feedback, records
from cvlab.classroom.grading.report.harmless import file_name, harmless
from cvlab.classroom.grading.report.journal import Journal, JournalError, load
from cvlab.classroom.grading.report.records import (
    Key,
    Record,
    RecordError,
    TaskResult,
    decode,
    encode,
)

KEY = Key("15_boxes", 7, "d" * 64, "1")

#: What a student may write into a name, a cell or an exception's message.
HOSTILE = {
    "markup": "</pre></code><script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "comment": "--><!-- ]]> <![CDATA[ <?xml ?> &amp; &#0; &lt;script&gt;",
    "terminal": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b31m \x1b]8;;file:///etc\x1b\\",
    "controls": "".join(map(chr, range(32))) + "\x7f" + "".join(map(chr, range(0x80, 0xA0))),
    "surrogates": "\ud800 \udfff \udc80 \ud83d",
    "noncharacters": "\ufffe\uffff\U0001fffe",
    "bidi": "\u202eabc\u202c \u2066x\u2069 \u200f \u061c",
    "separators": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
    "quotes": 'a "quoted", b; c\r\nd,\n"',
    "json": '"},{"student":"eve","points":10}\n{"student":"eve"}',
    "formula": "=HYPERLINK(1)\n=2\r@x",
    "path": "../../etc/passwd\0.html",
    "scripts": "健太 Çiğdem مرحبا 😀 e\u0301\u0302\u0303",
    "blank": " \t\n ",
    "empty": "",
    "flood": "\x1b[" * 40_000 + "A" * 200_000,
}


def result(task="iou", points=1.0, most=3, verdict="partial", **more) -> TaskResult:
    return TaskResult(task, points, most, verdict, **more)


def record(student="ann", *tasks, name="Ann", submission=None, **more) -> Record:
    digest = hashlib.sha256(student.encode("utf-8", "replace")).hexdigest()
    submission = digest if submission is None else submission
    return Record(student, name, "15_boxes", submission, 7, tasks or (result(),), **more)


def hostile(text: str) -> Record:
    """A record with the text in every place that takes any."""
    label = harmless(text[:150], 150, line=True) or "x"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    task = result(label, reason=text, hint=text, code=text)
    other = result("whole", 2, 2, "right", reason=text, hint=text, code=f"x = 1\n{text}")
    student = f"{digest[:4]} {label}"
    return record(student, task, other, name=text, flags=(text, text), late=True)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "journal.jsonl"


def grades_of(*some: Record, late=None, days=None) -> list[exports.Grade]:
    return exports.settle(some, late, days)


# Records


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_text_is_harmless_and_survives_a_round_trip(what):
    made = hostile(HOSTILE[what])
    line = encode(made)
    assert line.count(b"\n") == 1
    assert len(line.decode().splitlines()) == 1, "a reader that splits at U+2028 gets one line"
    assert decode(line) == made
    for text in (made.name, made.flags[0], made.tasks[0].reason, made.tasks[0].code):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", text)
        assert harmless(text, records.CODE, code=True) == text
    assert "\u202e" not in made.name + made.tasks[0].reason
    assert "\n" not in made.name + made.student


def test_colours_of_a_terminal_leave_no_trace():
    made = hostile(HOSTILE["terminal"])
    assert made.tasks[0].reason.startswith("red  \ufffd31m")
    assert made.name.startswith("red \ufffd31m")
    assert "\u241b[31mred" in made.tasks[0].code, "code is shown for what it is"


def test_lengths_are_capped_with_a_note():
    made = result(reason="r" * 10**6, code="c" * 10**6)
    assert len(made.reason) == records.SENTENCE
    assert len(made.code) == records.CODE
    assert made.reason.endswith("[cut here]")
    assert made.code.endswith("[cut here]")
    with pytest.raises(RecordError, match="1 to 200 characters"):
        record("s" * 201)


def test_cutting_twice_changes_nothing():
    for length in range(180, 220):
        text = ("ab " * 200)[:length]
        once = harmless(text, 200, line=True)
        assert harmless(once, 200, line=True) == once


class Sly(str):
    """Text that would claim to be equal to everything."""

    def __eq__(self, _other):
        return True

    __hash__ = str.__hash__


class Huge(float):
    def __le__(self, _other):
        return True


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("points", float("nan"), "finite number"),
        ("points", float("inf"), "finite number"),
        ("points", -0.1, "from 0 to 3"),
        ("points", 3.0000001, "from 0 to 3"),
        ("points", 10**400, "from 0 to 3"),
        ("points", True, "not bool"),
        ("points", "3", "not str"),
        ("points", None, "not NoneType"),
        ("points", Huge(99), "not Huge"),
        ("max_points", -1, "finite number"),
        ("max_points", float("nan"), "finite number"),
        ("max_points", 1e9, "finite number"),
        ("verdict", "Right", "is none of"),
        ("verdict", Sly("perfect"), "is none of"),
        ("verdict", ["right"], "is none of"),
        ("task", "", "1 to 200"),
        ("task", Sly("iou"), "not Sly"),
        ("task", "a\nb", "one line without control characters"),
        ("reason", b"bytes", "not bytes"),
        ("code", None, "not NoneType"),
    ],
)
def test_an_impossible_task_is_refused(field, value, sentence):
    with pytest.raises(RecordError, match=sentence):
        dataclasses.replace(result(), **{field: value})


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("student", "", "1 to 200"),
        ("student", 7, "not int"),
        ("student", "ann\0", "one line without control characters"),
        ("student", "ann\ud800", "one line without control characters"),
        ("student", "\u202eann", "one line without control characters"),
        ("student", " ann", "one line without control characters"),
        ("submission", "abc", "SHA-256"),
        ("submission", "A" * 64, "SHA-256"),
        ("submission", None, "SHA-256"),
        ("seed", True, "whole number"),
        ("seed", 1.0, "whole number"),
        ("seed", -1, "whole number"),
        ("seed", 10**400, "whole number"),
        ("late", 1, "True or False"),
        ("flags", ["x"], "tuple"),
        ("flags", (1,), "not int"),
        ("tasks", [result()], "tuple"),
        ("tasks", ("iou",), "TaskResult"),
        ("tasks", (result(), result()), "twice"),
        ("tasks", tuple(result(f"t{i}") for i in range(101)), "up to 100"),
    ],
)
def test_an_impossible_record_is_refused(field, value, sentence):
    with pytest.raises(RecordError, match=sentence):
        dataclasses.replace(record(), **{field: value})


def test_points_are_added_exactly():
    made = record("ann", *(result(f"t{i}", 0.1, 0.3) for i in range(3)))
    assert made.points == 0.3
    assert made.max_points == 0.9
    assert encode(record("a", result(points=-0.0))) == encode(record("a", result(points=0)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"points":1.0', b'"points":NaN'),
        (b'"points":1.0', b'"points":1e400'),
        (b'"points":1.0', b'"points":1'),
        (b'"points":1.0', b'"points":9.0'),
        (b'"points":1.0', b'"points":1.0,"points":1.0'),
        (b'"points":1.0', b'"points":"1.0"'),
        (b'"points":1.0', b'"points":' + b"9" * 5000),
        (b'"verdict":"partial"', b'"verdict":"perfect"'),
        (b'"name":"Ann"', b'"name":"A\\u006en"'),
        (b'"name":"Ann"', b'"name":"A\xffn"'),
        (b'"name":"Ann"', b'"name":"A\\ud800n"'),
        (b'"late":false', b'"late":0'),
        (b'"late":false', b'"late":false,"extra":1'),
        (b',"late":false', b""),
        (b'"tasks":[', b'"tasks":[' + b"[" * 100_000),
        (b"{", b"[{"),
        (b'"flags":[]', b'"flags":"ab"'),
    ],
    ids=itertools.count(),
)
def test_reading_is_strict(old, new):
    line = encode(record())
    assert old in line
    with pytest.raises(RecordError):
        decode(line.replace(old, new, 1))


# The journal


def test_a_run_is_resumed(path):
    with Journal(path, KEY) as journal:
        journal.add(record("bob"))
        journal.add(record("ann"))
    wanted = {"ann": record("ann").submission, "bob": "0" * 64, "eve": ""}
    with Journal(path, KEY) as journal:
        assert journal.finished(wanted) == {"ann"}, "bob handed in another notebook"
        journal.add(record("bob", submission="0" * 64))
        journal.add(record("eve", submission=""))
        assert journal.finished(wanted) == {"ann", "bob", "eve"}
        assert [made.student for made in journal.records()] == ["ann", "bob", "eve"]
        written = journal.finish(wanted)
    assert [made.submission for made in load(written)] == list(wanted.values())


def test_grades_do_not_depend_on_the_order_of_arrival(tmp_path):
    made = [hostile(text) for text in HOSTILE.values()]
    contents = set()
    for number in range(4):
        random.Random(number).shuffle(made)
        folder = tmp_path / str(number)
        folder.mkdir()
        with Journal(folder / "journal.jsonl", KEY) as journal:
            threads = [threading.Thread(target=journal.add, args=[one]) for one in made]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            contents.add(journal.finish().read_bytes())
        assert [p.name for p in sorted(folder.iterdir())] == ["grades.jsonl", "journal.jsonl"]
    assert len(contents) == 1


def test_a_line_torn_anywhere_is_cut_off(path):
    with Journal(path, KEY) as journal:
        journal.add(record("ann"))
        whole = path.read_bytes()
        journal.add(record("bob", name="Bö😀", submission=""))
    last = path.read_bytes()[len(whole) :]
    inside = last.index("😀".encode()) + 2
    assert b"\xf0\x9f\x98\x80" in last
    for length in (1, 20, inside - 1, inside, inside + 1, len(last) - 1):
        path.write_bytes(whole + last[:length])
        with Journal(path, KEY) as journal:
            assert [made.student for made in journal.records()] == ["ann"]
        assert path.read_bytes() == whole


def test_a_tail_of_zeros_after_a_power_cut_is_cut_off(path):
    with Journal(path, KEY) as journal:
        journal.add(record("ann"))
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 5000)
    with Journal(path, KEY):
        assert path.read_bytes() == whole


def test_a_torn_header_is_written_again(path):
    with Journal(path, KEY):
        header = path.read_bytes()
    for length in range(len(header)):
        path.write_bytes(header[:length])
        with Journal(path, KEY) as journal:
            assert len(journal) == 0
        assert path.read_bytes() == header


@pytest.mark.parametrize(
    "content",
    [
        b"my thesis",
        b"my thesis\n",
        b"{}\n",
        b'{"journal":"another"}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=itertools.count(),
)
def test_another_file_is_never_overwritten(path, content):
    path.write_bytes(content)
    with pytest.raises(JournalError, match="is not a journal of this grader; choose another --out"):
        Journal(path, KEY)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": 8}, "another seed (there 7, now 8)"),
        ({"digest": "e" * 64}, "another version of the exercise, or other limits;"),
        ({"rules": "2"}, "another version of the grader;"),
        (
            {"exercise": "01_knn", "seed": 1},
            "another exercise (there 15_boxes, now 01_knn), another s",
        ),
    ],
)
def test_the_journal_of_another_run_is_refused(path, change, sentence):
    with Journal(path, KEY) as journal:
        journal.add(record())
    before = path.read_bytes()
    with pytest.raises(JournalError) as caught:
        Journal(path, dataclasses.replace(KEY, **change))
    assert sentence in str(caught.value)
    assert "choose another --out, or give --no-resume" in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["points", "newline", "blank", "swap", "foreign"])
def test_a_damaged_line_in_the_middle_is_named(path, damage):
    with Journal(path, KEY) as journal:
        for student in ("ann", "bob", "eve"):
            journal.add(record(student))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = {
        "points": lines[2].replace(b'"points":1.0', b'"points":3.1'),
        "newline": lines[2][:50] + b"\n" + lines[2][50:],
        "blank": b"\n" + lines[2],
        "swap": lines[2].replace(b'"late":false', b'"late": false'),
        "foreign": lines[2].replace(b'"seed":7', b'"seed":6'),
    }[damage]
    path.write_bytes(b"".join(lines))
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"line 3, is damaged: .* delete that line"):
        Journal(path, KEY)
    assert path.read_bytes() == before
    path.write_bytes(b"".join([*lines[:2], lines[3]]))  # what the sentence tells to do
    with Journal(path, KEY) as journal:
        assert len(journal) == 2


#: What the scripts below import from: this module, and what it imports itself.
HERE = f"{Path(__file__).parent}:{ROOT / 'tests'}"

WRITER = """
import sys, time, random
from pathlib import Path
sys.path[:0] = sys.argv[2].split(":")
from test_records import KEY, HOSTILE, Journal, hostile
made = [hostile(text) for text in HOSTILE.values()] * 40
wanted = {one.student: one.submission for one in made}
with Journal(Path(sys.argv[1]), KEY) as journal:
    print("open", flush=True)
    while True:
        journal.add(random.choice(made))
"""


@pytest.mark.slow
def test_a_grader_killed_at_random_moments_resumes_to_equal_bytes(tmp_path, path):
    made = [hostile(text) for text in HOSTILE.values()]
    with Journal(tmp_path / "calm.jsonl", KEY) as journal:
        for one in made:
            journal.add(one)
        expected = journal.finish().read_bytes()
    (tmp_path / "grades.jsonl").unlink()
    rng, sizes = random.Random(0), []
    for _ in range(6):
        wanted = rng.randrange(1, 100_000) + (path.stat().st_size if path.exists() else 0)
        command = [sys.executable, "-c", WRITER, str(path), HERE]
        with started(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout.readline() == "open\n"
            assert until(lambda wanted=wanted: path.stat().st_size >= wanted)
            writer.send_signal(signal.SIGKILL)
        assert writer.returncode == -signal.SIGKILL
        sizes.append(path.stat().st_size)
    assert sizes[-1] > sizes[0], "each run went on after the one before"
    with Journal(path, KEY) as journal:
        finished = journal.finished({one.student: one.submission for one in made})
        for one in made:
            if one.student not in finished:
                journal.add(one)
        assert journal.finish().read_bytes() == expected


def test_a_second_grader_is_kept_out_until_the_first_is_gone(path):
    command = [sys.executable, "-c", WRITER, str(path), HERE]
    with started(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(JournalError, match="in use by another grader"):
            Journal(path, KEY)
        writer.kill()
    with Journal(path, KEY) as journal:
        with pytest.raises(JournalError, match="in use by another grader"):
            Journal(path, KEY)
        journal.add(record())
    with Journal(path, KEY) as journal:
        assert "ann" in {made.student for made in journal.records()}


def open_files() -> list[int]:
    """Return the descriptors of this process that are still open."""
    found = []
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):
            os.fstat(int(name))
            found.append(int(name))
    return found


def test_a_forked_child_holds_no_way_to_the_journal(path):
    with Journal(path, KEY) as journal:
        mine = path.stat()
        (fd,) = (fd for fd in open_files() if os.path.samestat(os.fstat(fd), mine))
        child = os.fork()
        if not child:
            refused = False
            try:
                os.fstat(fd)
            except OSError:
                try:
                    journal.add(record("bob"))
                except JournalError:
                    refused = True
            os._exit(0 if refused else 1)
        assert os.waitpid(child, 0)[1] == 0
        journal.add(record())
        with path.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


FULL = """
import resource, sys
from pathlib import Path
sys.path[:0] = sys.argv[2].split(":")
from test_records import KEY, Journal, JournalError, record, result
path = Path(sys.argv[1])
with Journal(path, KEY) as journal:
    journal.add(record("ann"))
    (path.parent / "grades.jsonl").write_text("old")
    room = path.stat().st_size + 100
    free = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, free[1]))
    for student in ("bob", "cem"):
        try:
            journal.add(record(student, result(code="x" * 5000)))
        except JournalError as error:
            print(error)
            assert path.stat().st_size == room - 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, free[1]))
    try:
        journal.finish()
    except JournalError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, free)
    journal.add(record("dan"))
"""


def test_a_full_disk_loses_nothing(path):
    command = [sys.executable, "-c", FULL, str(path), HERE]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == 3
    for line in said:
        assert "there is no room left to write" in line
        assert "run the same command again: every record so far is kept" in line
    assert (path.parent / "grades.jsonl").read_text() == "old"
    assert [p.name for p in sorted(path.parent.iterdir())] == ["grades.jsonl", "journal.jsonl"]
    with Journal(path, KEY) as journal:
        assert [made.student for made in journal.records()] == ["ann", "dan"]
        journal.add(record("bob"))
        assert len(list(load(journal.finish()))) == 3


def test_places_that_hold_no_journal_get_a_sentence(tmp_path, path):
    with pytest.raises(JournalError, match=r"cannot open .*No such file"):
        Journal(tmp_path / "no" / "journal.jsonl", KEY)
    with pytest.raises(JournalError, match=r"cannot open .*Is a directory"):
        Journal(tmp_path, KEY)
    os.mkfifo(path)
    with pytest.raises(JournalError, match="not a plain file"):
        Journal(path, KEY)
    (tmp_path / "link").symlink_to("/dev/null")
    with pytest.raises(JournalError, match="cannot open"):
        Journal(tmp_path / "link", KEY)


def test_what_does_not_belong_is_not_added(path):
    with Journal(path, KEY) as journal:
        with pytest.raises(RecordError, match="another exercise or seed"):
            journal.add(dataclasses.replace(record(), seed=8))
        with pytest.raises(JournalError, match="not graded yet, ann for one"):
            journal.finish(["ann"])
    with pytest.raises(JournalError, match="is closed"):
        journal.add(record())


@pytest.mark.parametrize("fault", ["order", "twice", "torn", "missing"])
def test_grades_are_read_strictly(tmp_path, fault):
    ann, bob = encode(record("ann")), encode(record("bob"))
    content = {"order": bob + ann, "twice": ann + ann, "torn": ann + bob[:-9], "missing": None}
    if content[fault] is not None:
        (tmp_path / "grades.jsonl").write_bytes(content[fault])
    with pytest.raises(RecordError, match=r"grades\.jsonl"):
        list(load(tmp_path / "grades.jsonl"))


def test_file_names_are_safe_and_unique():
    students = ["ann", "Ann", "ANN", "a/nn", "../ann", "..", "con", "", "\0", "健太", "a" * 5000]
    students += [*HOSTILE.values(), "ann-" + hashlib.sha256(b"ann").hexdigest()[:12]]
    for secret in (b"", b"key"):
        names = [file_name(student, secret) for student in students]
        assert len({name.lower() for name in names}) == len(set(students))
        assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,80}", name) for name in names)
    assert file_name("ann", b"a") != file_name("ann", b"b")


# Exports


def table(text: str) -> list[dict[str, str]]:
    assert "\r\n" in text
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))


@pytest.mark.parametrize("what", HOSTILE)
def test_every_form_parses_with_hostile_text(what):
    grades = grades_of(hostile(HOSTILE[what]), record("zoe"), late=exports.Late(0.1))
    person = exports.Person(HOSTILE[what], "12", HOSTILE[what], HOSTILE[what], HOSTILE[what])
    people = {grade.record.student: person for grade in grades}
    for text in (
        exports.grades_csv(grades),
        exports.moodle_csv(grades, people),
        exports.canvas_csv(grades, people, HOSTILE[what]),
    ):
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        assert len({len(row) for row in rows}) == 1
        for value in itertools.chain(*rows):
            assert value == "-" or not re.match(r"[=+\-@\t\r]", value) or float(value) <= 0
    results = json.loads(exports.gradescope_json(grades[0]))
    assert len(results["tests"]) == 2
    report = exports.junit_xml(grades)
    assert "\x1b" not in report
    root = ElementTree.fromstring(report.encode())
    suite = next(s for s in root if s.get("name") == grades[0].record.student)
    assert suite[0].get("name") == grades[0].record.tasks[0].task


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\u200b =1", "'\u200b =1"),
        ("\uff1d1", "'\uff1d1"),
        ("a;=1", "a;'=1"),
        ("a\n=1", "a\n'=1"),
        ("a = 1 - 2, -3", "a = 1 - 2, -3"),
        ("007", "007"),
        (Decimal("-1.50"), "-1.50"),
        (3, "3"),
    ],
)
def test_no_cell_is_a_formula(value, expected):
    assert exports.cell(value) == expected


def test_the_formula_guard_is_fast_on_floods():
    with processor_time(2):
        for text in ("\n" * 200_000, "; " * 100_000, "\u200b" * 200_000):
            exports.cell(text)


def test_the_table_of_grades():
    ann = record("ann", result("iou", 2.5, 3), result("nms", 4, 4, "right"), flags=("look", "here"))
    bob = record("bob", result("iou", 0, 3, "missing"), result("nms", 0, 4, "missing"), late=True)
    rows = table(exports.grades_csv(grades_of(bob, ann, late=exports.Late(0.5)), bom=True))
    assert [row["student"] for row in rows] == ["ann", "bob"]
    assert (rows[0]["points"], rows[0]["grade"], rows[0]["max_points"]) == ("6.50", "6.50", "7.00")
    assert (rows[0]["iou"], rows[0]["nms"], rows[0]["flags"]) == ("2.50", "4.00", "look; here")
    assert (rows[1]["late"], rows[1]["days_late"], rows[1]["grade"]) == ("yes", "1", "0.00")
    text = exports.grades_csv(grades_of(ann), bom=True)
    assert text.encode().startswith(b"\xef\xbb\xbfstudent,")


def test_lateness_is_taken_off_in_its_own_column_and_rounded_once():
    late = exports.Late(per_day=0.1, most=0.5)
    made = record("ann", result("a", 2.675, 3), result("b", 0.5, 1), late=True)
    row = table(exports.grades_csv(grades_of(made, late=late, days={"ann": 2})))[0]
    # 3.175 less 0.635 is 2.54; the rounded parts would give 3.18 - 0.64 = 2.54 here, and below not
    assert (row["points"], row["penalty"], row["grade"]) == ("3.18", "0.64", "2.54")
    made = record("ann", *(result(f"t{i}", 1 / 3, 1) for i in range(3)), late=True)
    row = table(exports.grades_csv(grades_of(made, late=exports.Late(0.125))))[0]
    assert (row["points"], row["penalty"], row["grade"]) == ("1.00", "0.12", "0.87")
    assert late.penalty(Decimal(10), days=9) == 5, "never more than the largest share"
    assert late.penalty(Decimal(10), days=0) == 0
    assert exports.rounded(Decimal("0.125")) == Decimal("0.13")


def test_days_late():
    due = datetime(2030, 1, 1, tzinfo=UTC)
    late = exports.Late(0.1, grace=1)
    days = [late.days(due + timedelta(hours=hours), due) for hours in (-9, 0, 1, 1.1, 25, 25.1)]
    assert days == [0, 0, 0, 1, 1, 2]
    with pytest.raises(exports.ExportError, match="time zone"):
        late.days(datetime(2030, 1, 1), due)


@pytest.mark.parametrize("bad", [{"per_day": -0.1}, {"per_day": float("nan")}, {"most": 2}])
def test_an_impossible_late_policy_is_refused(bad):
    with pytest.raises(exports.ExportError, match="from 0 to 1"):
        exports.Late(**bad)


def test_grades_that_cannot_be_settled():
    with pytest.raises(exports.ExportError, match="no record"):
        exports.settle([])
    with pytest.raises(exports.ExportError, match="two records"):
        exports.settle([record(), record()])
    with pytest.raises(exports.ExportError, match="several exercises"):
        exports.settle([record(), dataclasses.replace(record("bob"), exercise="01_knn")])
    with pytest.raises(exports.ExportError, match="whole number"):
        exports.settle([record()], days={"ann": -1})


def test_moodle():
    made = record("4711", result(reason="a < b\nand more", hint="clip"), name="Ann, Lee")
    text = exports.moodle_csv(grades_of(made), {"4711": exports.Person("ann@example.org")})
    assert text.startswith("Identifier,Full name,Email address,Grade,Maximum Grade,")
    row = table(text)[0]
    assert row["Identifier"] == "Participant 4711"
    assert row["Full name"] == "Ann, Lee"
    assert (row["Grade"], row["Maximum Grade"]) == ("1.00", "3.00")
    assert row["Last modified (grade)"] == "-"
    assert "a &lt; b<br>and more<br>Hint: clip" in row["Feedback comments"]
    with pytest.raises(exports.ExportError, match="number of 1 students is unknown, bob"):
        exports.moodle_csv(grades_of(record("bob")))


def test_canvas():
    people = {"ann": exports.Person(canvas="99", login="al1", section="A")}
    grades = grades_of(record("ann", name="Lee, Ann"), record("bob", name=""))
    rows = table(exports.canvas_csv(grades, people, "Boxes (1234)"))
    assert list(rows[0]) == ["Student", "ID", "SIS Login ID", "Section", "Boxes (1234)"]
    assert (rows[0]["Student"].strip(), rows[0]["Boxes (1234)"]) == ("Points Possible", "3.00")
    assert list(rows[1].values()) == ["Lee, Ann", "99", "al1", "A", "1.00"]
    assert list(rows[2].values()) == ["bob", "", "bob", "", "1.00"]


def test_gradescope():
    made = record("ann", result(reason="Off.", hint="Clip."), result("b", 1, 1, "right"), late=True)
    grade = grades_of(made, late=exports.Late(0.5))[0]
    results = json.loads(exports.gradescope_json(grade, "after_published"))
    assert results["score"] == 1.0
    assert "1.00 points are taken off" in results["output"]
    first, second = results["tests"]
    assert (first["name"], first["score"], first["max_score"]) == ("iou", 1.0, 3.0)
    assert (first["output"], first["visibility"]) == ("Off.\nHint: Clip.", "after_published")
    assert (first["status"], second["status"]) == ("failed", "passed")
    with pytest.raises(exports.ExportError, match="no visibility"):
        exports.gradescope_json(grade, "public")


def test_junit():
    tasks = [result(v, 3 if v == "right" else 0, 3, v, reason=v) for v in records.VERDICTS]
    root = ElementTree.fromstring(exports.junit_xml(grades_of(record("ann", *tasks))).encode())
    suite = root[0]
    assert suite.attrib == {
        "name": "ann",
        "tests": "8",
        "failures": "3",
        "errors": "4",
        "skipped": "0",
    }
    ids = [f"{case.get('classname')}.{case.get('name')}" for case in suite]
    assert ids == [f"15_boxes.{verdict}" for verdict in records.VERDICTS]
    kinds = {case.get("name"): [child.tag for child in case] for case in suite}
    assert kinds["right"] == []
    assert kinds["partial"] == kinds["wrong"] == kinds["missing"] == ["failure"]
    assert kinds["error"] == kinds["timeout"] == kinds["crash"] == kinds["refused"] == ["error"]
    assert not any("time" in element.attrib for element in root.iter())


def test_times_are_in_a_table_of_their_own():
    rows = table(exports.times_csv({"bob": 1.23456, "ann": 0.1}))
    assert rows == [{"student": "ann", "seconds": "0.100"}, {"student": "bob", "seconds": "1.235"}]


def test_all_forms_are_written(tmp_path):
    grades = grades_of(record("11"), record("12"))
    people = {name: exports.Person(participant=name) for name in ("11", "12")}
    files = exports.write(tmp_path, grades, people)
    names = {str(file.relative_to(tmp_path)) for file in files}
    assert {"grades.csv", "canvas.csv", "moodle.csv", "junit.xml"} < names
    assert sum(name.endswith("results.json") for name in names) == 2
    before = {file: file.read_bytes() for file in files}
    exports.write(tmp_path, grades, people)
    assert before == {file: file.read_bytes() for file in files}
    exports.write(tmp_path, grades)
    assert not (tmp_path / "moodle.csv").exists(), "an old form would mislead"


# Pages


class Page(HTMLParser):
    """What a browser would make of a page, as far as its structure goes."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag, attributes):
        assert len({name for name, _ in attributes}) == len(attributes)
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


ALLOWED = """
    html head meta title style body a header main footer h1 h2 h3 p strong span bdi section div
    details summary pre code table thead tbody tr th td svg rect line text ul li dl dt dd
"""


def pages_of(text: str) -> list[str]:
    grades = grades_of(hostile(text), record("zoe", submission=""), late=exports.Late(0.1))
    links = {grade.record.student: f"students/{grade.record.student}.html" for grade in grades}
    return [
        *(feedback.student_page(grade.record, grade.penalty) for grade in grades),
        feedback.class_page(grades, links),
    ]


@pytest.mark.parametrize("what", HOSTILE)
def test_pages_hold_nothing_that_runs_or_loads(what):
    for text in pages_of(HOSTILE[what]):
        page = Page(text)
        assert {tag for tag, _ in page.tags} <= set(ALLOWED.split())
        for tag, attributes in page.tags:
            assert not any(name.startswith("on") or name == "style" for name in attributes)
            assert not {"src", "srcset", "action", "data", "xlink:href"} & set(attributes)
            if tag == "a":
                assert re.match(r"#|students/", attributes["href"])
        policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "url(" not in feedback.STYLE
        assert "@import" not in feedback.STYLE
        assert "\u202e" not in text
        assert "\0" not in text
        assert len(text) < 400_000


@pytest.mark.parametrize("what", ["markup", "scripts", "empty"])
def test_pages_are_accessible(what):
    for text in pages_of(HOSTILE[what]):
        page = Page(text)
        assert page.all("html")[0]["lang"] == "en"
        assert [len(page.all(tag)) for tag in ("header", "main", "footer", "h1")] == [1] * 4
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(set(ids)) == len(ids)
        for _, attributes in page.tags:
            assert attributes.get("aria-labelledby", ids[0]) in ids
            if attributes.get("href", "").startswith("#"):
                assert attributes["href"][1:] in ids
        assert all("scope" in attributes for attributes in page.all("th"))
        for svg in page.all("svg"):
            assert svg.get("aria-hidden") == "true" or svg["role"] == "img"
        for pre in page.all("pre"):
            assert pre["tabindex"] == "0", "a keyboard must reach what scrolls"
            assert pre["aria-label"]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [feedback.LIGHT, feedback.DARK], ids=["light", "dark"])
def test_colours_of_text_have_contrast(theme):
    for name in ("text", "muted", "accent", "good", "half", "bad", "none"):
        for ground in ("page", "surface"):
            light, dark = sorted(map(luminance, (theme[name], theme[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)


def test_a_student_sees_what_was_found_and_no_more():
    tasks = (
        result("iou", 1.5, 3, reason="Four of six.", hint="Clip at 0.", code="def iou(): ..."),
        result("nms", 4, 4, "right", reason="All right.", hint="Never shown.", code="x = 1"),
    )
    made = record("ann", *tasks, name="Ann Lee", flags=("copied from bob",), late=True)
    made = dataclasses.replace(made, seed=982451653)
    text = feedback.student_page(made, Decimal("0.55"))
    page = Page(text)
    for part in ("Ann Lee", "4.95", "0.55 are taken off", "Four of six.", "Clip at 0.", "def iou"):
        assert part in page.text, part
    assert "copied" not in text, "flags are for the instructor"
    assert "Never shown" not in text
    assert str(made.seed) not in text
    assert [("open" in d) for d in page.all("details")] == [True, False]


def test_invisible_characters_and_long_code_are_shown_for_what_they_are():
    code = "a = 1  # \u202e\u202e\u202e x\u200by\n" + "A" * 10_000 + "\n" + "b\n" * 5_000
    page = Page(feedback.student_page(record("ann", result(code=code + "\0\x1b[31m"))))
    for part in ("U+202E × 3", "U+200B", "9,600 more characters", "more lines"):
        assert part in page.text, part
    text = feedback.student_page(record("ann", result(code="a\0b\x1b[31m")))
    assert "NULL" in Page(text).text
    assert "ESCAPE" in Page(text).text


def test_the_class_page_counts_right():
    made = [record(f"s{i:02}", result(points=3 * i / 10), result("nms", 0, 0)) for i in range(11)]
    nothing = result(points=0, verdict="missing")
    made.append(record("none", nothing, submission="", flags=("Look.",)))
    text = feedback.class_page(grades_of(*made))
    page = Page(text)
    assert "0 to 10 %: 2; 10 to 20 %: 1;" in page.text
    assert "90 to 100 %: 2." in page.text
    facts = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", text))
    assert facts["Handed in"] == "11"
    assert facts["Missing"] == facts["Flagged"] == facts["Full points"] == "1"
    assert facts["Mean"] == "1.38"
    assert facts["Median"] == "1.35"
    assert "nothing handed in, flagged" in page.text


def test_pages_are_written_and_linked(tmp_path):
    grades = grades_of(*(hostile(text) for text in HOSTILE.values()), record("Ann"), record("ann"))
    for secret in (b"", b"key"):
        pages = feedback.write(tmp_path / secret.decode(), grades, secret)
        assert len({str(page).lower() for page in pages.values()}) == len(grades)
        links = Page((tmp_path / secret.decode() / "class.html").read_text("utf-8")).all("a")
        targets = {tmp_path / secret.decode() / a["href"] for a in links if a["href"][0] != "#"}
        assert targets == set(pages.values())
        assert all(target.is_file() for target in targets)
