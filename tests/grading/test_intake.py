"""The grader's intake: whatever a class hands in is found, read as data, and stays where it is."""

from __future__ import annotations

import csv
import datetime
import doctest
import hashlib
import io
import json
import os
import random
import re
import stat
import struct
import subprocess
import sys
import time
import zipfile

import pytest
import small_exercise as small
from conftest import ROOT

from cvlab.classroom.grading.intake import choice, folders, ipynb, magics, names, syntax, zips
from cvlab.classroom.grading.intake.answers import locate
from cvlab.classroom.grading.intake.ipynb import NotebookProblem, read
from cvlab.classroom.grading.intake.members import MB, Refused
from cvlab.classroom.grading.intake.platforms import blackboard
from cvlab.classroom.grading.intake.submissions import find

EXERCISE = "15_boxes"
NAMES = ("01_knn", "03_optimisation")


def notebook(*cells, **fields):
    """Bytes of a notebook: code cells, or dictionaries that override one."""
    made = []
    for cell in cells:
        cell = {"source": cell} if isinstance(cell, str) else cell
        made.append({"cell_type": "code", "metadata": {}, "outputs": [], **cell})
    return json.dumps(
        {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **fields}
    ).encode()


NB = notebook("answer = 42")


def snapshot(folder):
    """Every file below a folder with its type and content, links not followed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
        found[str(path)] = (info.st_mode, info.st_size, content)
    return found


def archive(path, members):
    """Write a zip of names (or ZipInfo) and bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def zipped(*members):
    buffer = io.BytesIO()
    archive(buffer, members)
    return buffer.getvalue()


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture
def take(tmp_path):
    """Run `find` and assert what always holds: nothing outside of work changes, entries agree."""

    def run(place, roster=None, exercise=EXERCISE):
        work = tmp_path / "work"
        before = snapshot(tmp_path)
        intake = find(place, exercise, work, roster)
        after = {k: v for k, v in snapshot(tmp_path).items() if not k.startswith(str(work))}
        assert after == {k: v for k, v in before.items() if not k.startswith(str(work))}
        students = [each.student for each in intake.submissions]
        assert students == sorted(students)
        assert len({student.casefold() for student in students}) == len(students)
        for each in intake.submissions:
            assert each.path is not None or each.problem
            if each.problem:
                assert each.problem.endswith(".")
                assert "\n" not in each.problem
            if each.path:
                assert each.path == work / f"{each.student}.ipynb"
                assert hashlib.sha256(each.path.read_bytes()).hexdigest() == each.sha256
        kept = {path.name for path in work.iterdir()}
        assert kept == {each.path.name for each in intake.submissions if each.path}
        return intake

    return run


def one(intake):
    (submission,) = intake.submissions
    return submission


# Layouts


def nbgrader(root, student, stamp=None, files=(f"{EXERCISE}.ipynb",), exercise=EXERCISE):
    folder = root / student / exercise
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_bytes(NB)
    if stamp is not None:
        (folder / "timestamp.txt").write_text(stamp)


@pytest.mark.parametrize("form", ["course", "submitted", "root"])
def test_nbgrader(place, take, form):
    root = place / "submitted" if form != "root" else place
    nbgrader(root, "bitdiddle", "2026-03-01 17:59:03.123456 UTC")
    nbgrader(root, "hacker", "2026-03-01 18:00:00 Europe/Berlin")
    nbgrader(root, "other", exercise="01_knn")
    if form == "course":
        nbgrader(place / "release", "x")
    intake = take(root if form == "submitted" else place)
    assert intake.layout == "nbgrader"
    assert [(s.student, s.problem) for s in intake.submissions] == [
        ("bitdiddle", None),
        ("hacker", None),
    ]
    first, second = (each.submitted for each in intake.submissions)
    assert first == datetime.datetime(2026, 3, 1, 17, 59, 3, 123456, datetime.UTC)
    assert second == datetime.datetime(2026, 3, 1, 17, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "stamp", ["", "yesterday", "2026-99-99 10:00:00 UTC", "2026-03-01 10:00:00 ../etc"]
)
def test_nbgrader_with_a_broken_time(place, take, stamp):
    nbgrader(place, "ada", stamp)
    submission = one(take(place))
    assert submission.submitted is None
    assert submission.path
    assert "time in timestamp.txt cannot be read" in submission.problem


@pytest.mark.parametrize("top", ["", "submitted/", "course/submitted/"])
def test_nbgrader_in_a_zip(tmp_path, take, top):
    members = [(f"{top}{name}/15_boxes/15_boxes.ipynb", NB) for name in ("ada", "bob")]
    members.append((f"{top}cleo/01_knn/a.ipynb", NB))
    intake = take(archive(tmp_path / "course.zip", members))
    assert intake.layout == "nbgrader"
    assert [(s.student, s.problem) for s in intake.submissions] == [("ada", None), ("bob", None)]


def test_nbgrader_without_a_notebook(place, take):
    nbgrader(place, "ada", files=("report.pdf",))
    nbgrader(place, "bob")
    ada, bob = take(place).submissions
    assert ada.path is None
    assert ada.problem == "There is no notebook in the submission (found: report.pdf)."
    assert bob.problem is None


def test_a_flat_folder(place, take):
    for name in (
        "ada",
        "bob_15_boxes",
        "15_boxes-cleo",
        "15_boxes_dan",
        "maria_2_15_boxes",
        "eve_15_boxes (1)",
    ):
        (place / f"{name}.ipynb").write_bytes(NB)
    (place / "README.txt").write_text("hello")
    (place / "fay_03_optimisation.ipynb").write_bytes(NB)
    intake = take(place)
    assert intake.layout == "folder"
    assert [s.student for s in intake.submissions] == [
        "ada",
        "bob",
        "cleo",
        "dan",
        "eve",
        "maria_2",
    ]
    (remark,) = intake.remarks
    assert "README.txt" in remark
    assert "fay_03_optimisation.ipynb" in remark


@pytest.mark.parametrize(
    ("exercise", "others"),
    [("27a_recurrent", ("27b_captions", "01_knn")), (EXERCISE, ("27a_recurrent", "27c_crowds"))],
)
def test_a_flat_folder_where_a_letter_numbers_the_pages_of_a_chapter(place, take, exercise, others):
    strays = [f"eve_{others[0]}.ipynb", f"{others[1]}-fay.ipynb"]
    for name in (f"ada_{exercise}.ipynb", f"{exercise}-bob.ipynb", *strays):
        (place / name).write_bytes(NB)
    intake = take(place, exercise=exercise)
    assert [s.student for s in intake.submissions] == ["ada", "bob"]
    (remark,) = intake.remarks
    assert all(name in remark for name in strays)


def test_a_file_without_a_student(place, take):
    (place / "15_boxes.ipynb").write_bytes(NB)
    assert "does not say whose" in one(take(place)).problem


def test_a_single_notebook_is_a_place(place, take):
    (place / "ada.ipynb").write_bytes(NB)
    assert one(take(place / "ada.ipynb")).student == "ada"


def test_a_folder_for_each_student(place, take):
    for student, name in (
        ("ada", "15_boxes.ipynb"),
        ("bob", "Untitled.ipynb"),
        ("cleo", "report.pdf"),
    ):
        (place / student).mkdir()
        (place / student / name).write_bytes(NB)
    ada, bob, cleo = take(place).submissions
    assert ada.path
    assert bob.path
    assert cleo.path is None


def test_a_folder_of_pictures_beside_notebooks_is_no_student(place, take):
    (place / "ada.ipynb").write_bytes(NB)
    (place / "images").mkdir()
    (place / "images" / "cat.png").write_bytes(b"png")
    intake = take(place)
    assert one(intake).student == "ada"
    assert "images/cat.png" in intake.remarks[0]


MOODLE = [
    ("Ada Lovelace_101_assignsubmission_file_/15_boxes.ipynb", NB),
    ("Grace Hopper_102_assignsubmission_file/work.ipynb", NB),
    ("José Ñandú_assignsubmission_file_/15_boxes.ipynb", NB),
    ("Alan Turing_103_assignsubmission_file_/15_boxes.zip", zipped(("deep/15_boxes.ipynb", NB))),
    ("Kurt Gödel_104_assignsubmission_onlinetext_/onlinetext.html", b"<p>sorry</p>"),
    ("Emmy Noether_105_assignsubmission_file_15_boxes.ipynb", NB),
]


def moodle_is_right(intake):
    assert intake.layout == "moodle"
    by_name = {each.name: each for each in intake.submissions}
    assert len(by_name) == 6
    assert [each.student for each in intake.submissions][:5] == ["101", "102", "103", "104", "105"]
    assert by_name["José Ñandú"].student == "Jose-Nandu"
    assert by_name["Kurt Gödel"].path is None
    assert "no notebook" in by_name["Kurt Gödel"].problem
    for name in ("Ada Lovelace", "Grace Hopper", "José Ñandú", "Alan Turing", "Emmy Noether"):
        assert by_name[name].problem is None
        assert by_name[name].path.read_bytes() == NB


def test_moodle_zip(tmp_path, take):
    moodle_is_right(take(archive(tmp_path / "moodle.zip", MOODLE)))


@pytest.mark.parametrize("wrapped", [False, True])
def test_moodle_extracted(place, take, wrapped):
    for name, data in MOODLE:
        path = place / ("CV-course-15_boxes-7" if wrapped else ".") / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(data)
    moodle_is_right(take(place))


CANVAS = [
    ("lovelaceada_1234_98765_15_boxes.ipynb", NB),
    ("hoppergrace_LATE_1235_98766_15_boxes-2.ipynb", notebook("second")),
    ("hoppergrace_LATE_1235_98766_15_boxes-10.ipynb", notebook("tenth")),
    ("turingalan_1236_98767_essay.pdf", b"%PDF"),
]


@pytest.mark.parametrize("extracted", [False, True])
def test_canvas(tmp_path, place, take, extracted):
    if extracted:
        for name, data in CANVAS:
            (place / name).write_bytes(data)
    else:
        place = archive(tmp_path / "submissions.zip", CANVAS)
    intake = take(place)
    assert intake.layout == "canvas"
    ada, grace, alan = intake.submissions
    assert (ada.student, ada.name, ada.late, ada.problem) == ("1234", "lovelaceada", False, None)
    assert grace.late
    assert grace.path.read_bytes() == notebook("tenth")
    assert grace.problem == (
        "2 notebooks were handed in; 15_boxes-10.ipynb was taken, "
        "because it is the newest resubmission."
    )
    assert alan.path is None


def test_names_of_canvas_hold_what_its_own_code_lets_through(tmp_path, take):
    """Each line is a file's name, whose it is, the name shown, and whether it is late."""
    table = [
        ("tu_ringalan_13_903_15_boxes.ipynb", "13", "tu_ringalan", False),
        ("van_der_berganna_LATE_14_904_15_boxes-1.ipynb", "14", "van_der_berganna", True),
        ("12345_15_905_15_boxes.ipynb", "15", "12345", False),
        ("a1_b2_16_906_my_work_2_3_x.ipynb", "16", "a1_b2", False),
        ("čapekjürgen李華_17_907_15_boxes.ipynb", "17", "čapekjürgen李華", False),
        ("anon_18_908_15_boxes.ipynb", "18", "anon", False),
        ("latelate_LATE_19_909_15_boxes.ipynb", "19", "latelate", True),
        ("essayemma_20_text.html", "20", "essayemma", False),
        ("linklea_LATE_21_link.html", "21", "linklea", True),
        ("anon_aB3xZ_901_15_boxes.ipynb", "anon_aB3xZ", "anon_aB3xZ", False),
        ("LATE_anon_9Qk2L_902_15_boxes.ipynb", "anon_9Qk2L", "anon_9Qk2L", True),
    ]
    intake = take(archive(tmp_path / "c.zip", [(name, NB) for name, *_ in table]))
    assert intake.layout == "canvas"
    found = {each.student: (each.name, each.late) for each in intake.submissions}
    assert found == {student: (shown, late) for _, student, shown, late in table}
    assert {each.student for each in intake.submissions if each.path is None} == {"20", "21"}
    assert intake.remarks == ()


def test_numbers_of_a_student_and_an_exercise_are_none_of_canvas(tmp_path, take):
    names = ["tu_ring_2_15_boxes.ipynb", "maria_3_15_boxes.ipynb"]
    intake = take(archive(tmp_path / "c.zip", [(name, NB) for name in names]))
    assert intake.layout == "folder"
    assert [each.student for each in intake.submissions] == ["maria_3", "tu_ring_2"]


ATTEMPT = "{}_attempt_2030-01-0{}-10-00-00{}"


@pytest.mark.parametrize("title", ["HW", "HW 1", "15_boxes", "Week_2_a"])
def test_of_blackboards_attempts_the_last_counts(tmp_path, take, title):
    members = [
        (ATTEMPT.format(f"{title}_ada1", 1, "_15_boxes.ipynb"), notebook("first")),
        (ATTEMPT.format(f"{title}_ada1", 1, ".txt"), b"Name: Ada"),
        (ATTEMPT.format(f"{title}_ada1", 3, "_work.ipynb"), notebook("third")),
        (ATTEMPT.format(f"{title}_ada1", 2, "_15_boxes.ipynb"), notebook("second")),
        (ATTEMPT.format(f"{title}_von_neumann", 1, "_my_attempt_1.ipynb"), NB),
        (ATTEMPT.format(f"{title}_emmy", 2, ".txt"), b"Name: Emmy"),
    ]
    text = "username,name\nada1,Ada\nvon_neumann,John\nemmy,Emmy\nmax,Max\n"
    intake = take(archive(tmp_path / "b.zip", members), roster(tmp_path, text))
    assert intake.layout == "blackboard"
    ada, emmy, absent, john = intake.submissions
    assert (ada.student, ada.path.read_bytes()) == ("ada1", notebook("third"))
    assert "last of several attempts" in ada.problem
    assert (emmy.student, emmy.path, absent.student) == ("emmy", None, "max")
    assert (john.student, john.path.read_bytes()) == ("von_neumann", NB)
    assert intake.remarks == ()


def test_of_two_notebooks_the_one_named_like_the_exercise_counts(tmp_path, take):
    folder = "Ada Lovelace_101_assignsubmission_file_/"
    members = [(folder + "15_boxes.ipynb", NB), (folder + "scratch.ipynb", notebook("no"))]
    submission = one(take(archive(tmp_path / "m.zip", members)))
    assert submission.path.read_bytes() == NB
    assert "named like the exercise" in submission.problem


def test_of_two_equally_named_notebooks_the_newest_counts(tmp_path, take):
    old = zipfile.ZipInfo("Ada_1_assignsubmission_file_/a/15_boxes.ipynb", (2026, 5, 1, 9, 0, 0))
    new = zipfile.ZipInfo("Ada_1_assignsubmission_file_/b/15_boxes.ipynb", (2026, 5, 2, 9, 0, 0))
    for members in ([(old, NB), (new, notebook("new"))], [(new, notebook("new")), (old, NB)]):
        submission = one(take(archive(tmp_path / "m.zip", members)))
        assert submission.path.read_bytes() == notebook("new")
        assert "saved last" in submission.problem


def test_checkpoints_and_resource_forks_are_no_submissions(place, take):
    nbgrader(place, "ada")
    for name in (".ipynb_checkpoints/15_boxes-checkpoint.ipynb", "__MACOSX/._15_boxes.ipynb"):
        path = place / "ada" / EXERCISE / name
        path.parent.mkdir()
        path.write_bytes(NB)
    (place / "ada" / EXERCISE / "._15_boxes.ipynb").write_bytes(b"fork")
    assert one(take(place)).problem is None


def test_a_notebook_saved_as_text_is_found(place, take):
    nbgrader(place, "ada", files=("15_boxes.ipynb.txt",))
    assert "was taken for a notebook" in one(take(place)).problem


def test_found_twice_gives_the_same(place, take):
    for name in ("ada", "bob"):
        (place / f"{name}.ipynb").write_bytes(NB)
    assert take(place) == take(place)


def test_a_work_folder_inside_the_place_is_not_read(place):
    (place / "ada.ipynb").write_bytes(NB)
    work = place / "grades"
    assert find(place, EXERCISE, work) == find(place, EXERCISE, work)


@pytest.mark.parametrize(
    "trap",
    [
        "eve_1_assignsubmission_file_x.ipynb",
        "eve_1_2_x.ipynb",
        "eve/15_boxes/15_boxes.ipynb",
        "eve/eve_1_assignsubmission_file_/15_boxes.ipynb",
        "eve/submitted/15_boxes.ipynb",
    ],
)
@pytest.mark.parametrize("folders", [False, True])
def test_one_students_names_do_not_decide_how_all_are_read(place, take, trap, folders):
    for student in ("ada", "bob", "cleo"):
        path = place / (f"{student}/15_boxes.ipynb" if folders else f"{student}.ipynb")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(NB)
    path = place / trap
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(NB)
    found = {each.student: each for each in take(place).submissions}
    for student in ("ada", "bob", "cleo"):
        assert found[student].path


# The roster


def roster(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_roster_gives_ids_and_names_and_lists_the_absent(tmp_path, take, encoding, delimiter):
    rows = [
        ["Identifier", "Full name", "Email address", "ID number"],
        ["Participant 101", "Ada Lovelace", "ada@example.org", "s001"],
        ["Participant 102", "Grace Hopper", "grace@example.org", "s002"],
        ["Participant 108", "Jürgen Groß", "jg@example.org", "s008"],
    ]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows(rows)
    path = roster(tmp_path, buffer.getvalue(), encoding)
    intake = take(archive(tmp_path / "m.zip", MOODLE[:2] + MOODLE[-1:]), path)
    found = {each.student: each for each in intake.submissions}
    assert sorted(found) == ["105", "s001", "s002", "s008"]
    assert (found["s001"].name, found["s001"].email) == ("Ada Lovelace", "ada@example.org")
    assert found["s008"].name == "Jürgen Groß"
    assert (found["s008"].path, found["s008"].problem) == (None, "Nothing was handed in.")
    assert found["105"].problem == "The student is not on the roster."


def test_roster_of_canvas_is_matched_by_id_or_name(tmp_path, take):
    text = "Student,ID,SIS Login ID\n    Points Possible,,\n"
    text += '"Lovelace, Ada",1234,ada\n"Hopper, Grace",,grace\n'
    intake = take(archive(tmp_path / "c.zip", CANVAS[:2]), roster(tmp_path, text))
    assert [(s.student, s.name) for s in intake.submissions] == [
        ("1234", "Lovelace, Ada"),
        ("grace", "Hopper, Grace"),
    ]


def test_teams_of_moodle_are_on_the_roster(tmp_path, take):
    text = "id,name\nada,Ada Lovelace\njl,Jean-Luc Picard\nluc,Luc Picard\ngh,Grace Hopper\n"
    file = "_assignsubmission_file_/15_boxes.ipynb"
    teams = ["Group A-Ada Lovelace_1", "Lab-2-Jean-Luc Picard_2", "Default-Luc Picard_3"]
    members = [(f"{name}{file}", NB) for name in teams]
    found = take(archive(tmp_path / "m.zip", members), roster(tmp_path, text)).submissions
    assert [each.student for each in found if each.path] == ["ada", "jl", "luc"]
    # Whoever has a hyphen of his own where nobody has a team is not another student.
    alone = [(f"{name}{file}", NB) for name in ("Anna-Grace Hopper_4", "Ada Lovelace_5")]
    for count, students in ((2, ["4", "ada"]), (1, ["4"])):
        place = archive(tmp_path / f"{count}.zip", alone[:count])
        people = roster(tmp_path, text)
        found = find(place, EXERCISE, tmp_path / f"work {count}", people).submissions
        assert [each.student for each in found if each.path] == students


def test_roster_with_namesakes_does_not_guess(tmp_path, take):
    text = "id,name\n1,Ada Lovelace\n2,Ada Lovelace\n"
    members = [("Ada Lovelace_77_assignsubmission_file_/15_boxes.ipynb", NB)]
    intake = take(archive(tmp_path / "m.zip", members), roster(tmp_path, text))
    assert [each.student for each in intake.submissions] == ["1", "2", "77"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs a heading"),
        ("colour,shape\nred,round\n", "needs a heading"),
        ("id,name\n1,Ada\n1,Bob\n", "has 1 twice"),
        ("id,name\n1,A\0da\n", "no CSV"),
    ],
)
def test_a_broken_roster_is_one_sentence(tmp_path, place, text, says):
    (place / "ada.ipynb").write_bytes(NB)
    with pytest.raises(ValueError, match=says):
        find(place, EXERCISE, tmp_path / "work", roster(tmp_path, text))


# Bad places


@pytest.mark.parametrize("kind", ["missing", "empty", "no zip", "pipe", "loop", "tar"])
def test_a_bad_place_is_one_sentence(tmp_path, kind):
    place = tmp_path / "place.zip"
    if kind == "empty":
        place.mkdir()
    elif kind == "no zip":
        place.write_bytes(b"hello")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "loop":
        place.symlink_to(place)
    elif kind == "tar":
        place.write_bytes(b"\x1f\x8b" + bytes(1000))
    with pytest.raises(ValueError, match=r"place\.zip") as caught:
        find(place, EXERCISE, tmp_path / "work")
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


PICTURE = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "iVBOR" * 400_000}}
TALKATIVE = [
    PICTURE,
    {"output_type": "stream", "name": "stdout", "text": ['[{"} \\" \\\\\n'] * 600_000},
    {"output_type": "execute_result", "data": {"text/html": '<a b="]">' * 500_000}},
]
WIDGETS = {"widgets": {"state": {str(i): {"outputs": [i, "]"]} for i in range(200_000)}}}


@pytest.mark.parametrize("indent", [None, 1])
def test_what_cells_have_shown_is_not_read_however_large_it_is(indent):
    source = 'a = {"outputs": [1, "]"]}\nb = "\\\\"\n"outputs"'
    cells = [
        {"cell_type": "code", "id": "first", "source": source, "metadata": {"tags": ["x"]}},
        {"cell_type": "markdown", "source": "## Task", "metadata": {}},
        {"cell_type": "code", "id": "last", "source": ["c = 3\n", "d"], "metadata": {}},
    ]
    bare = read(json.dumps({"cells": cells, "nbformat": 4}).encode())
    cells[0]["outputs"], cells[2]["outputs"] = TALKATIVE * 2, []
    cells[1]["attachments"] = {"a.png": {"image/png": "iVBOR" * 300_000}}
    shown = {"cells": cells, "metadata": WIDGETS, "nbformat": 4}
    data = json.dumps(shown, indent=indent).encode()
    assert len(data) > 25 * MB
    found = read(data)
    assert found == bare
    assert [cell.source for cell in found.cells] == [source, "## Task", "c = 3\nd"]


@pytest.mark.parametrize(
    "end", [b"", b'"', b"\\", b'"\\', b"[", b"[" * 100_000, b'"outputs": [' * 300_000]
)
@pytest.mark.parametrize("piece", [b'\\"', b'"', b"\\", b'"outputs": [', b'{"outputs":  '])
def test_outputs_that_never_end_take_no_time_to_leave_out(piece, end):
    """Were it more than linear in the length, this would take many minutes."""
    data = b'{"cells": [{"outputs": [' + piece * (MB // len(piece)) + end
    assert len(data) > MB  # shorter ones are parsed with their outputs
    with pytest.raises(NotebookProblem):
        read(data)


def test_a_notebook_that_is_cut_off_in_an_output_is_said_to_be_so():
    whole = notebook({"source": "a = 1", "outputs": [PICTURE]})
    with pytest.raises(NotebookProblem, match="cut off"):
        read(whole[: MB + 500_000])


@pytest.mark.parametrize("exercise", ["", "../x", "a/b", ".", "a b", "x" * 200])
def test_a_bad_name_of_an_exercise(tmp_path, place, exercise):
    with pytest.raises(ValueError, match="name of an exercise"):
        find(place, exercise, tmp_path / "work")


# Hostile folders


def test_links_pipes_and_hard_links_are_not_read(tmp_path, place, take):
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(notebook("secret"))
    for name in ("link", "hard", "pipe", "honest", "folder"):
        (place / name / EXERCISE).mkdir(parents=True)
    target = f"{EXERCISE}/15_boxes.ipynb"
    (place / "link" / target).symlink_to(secret)
    os.link(secret, place / "hard" / target)
    os.mkfifo(place / "pipe" / target)
    (place / "honest" / target).write_bytes(NB)
    (place / "folder" / target).mkdir()
    (place / "linked").symlink_to(tmp_path)
    (place / "inner").mkdir()
    (place / "inner" / EXERCISE).symlink_to(tmp_path)
    found = {each.student: each for each in take(place).submissions}
    assert found["honest"].path
    for student, says in (
        ("link", "symbolic link"),
        ("hard", "hard link"),
        ("pipe", "pipe"),
        ("linked", "symbolic link"),
        ("inner", "symbolic link"),
        ("folder", "no notebook"),
    ):
        assert found[student].path is None
        assert says in found[student].problem


def test_a_link_that_appears_after_the_listing_is_not_followed(tmp_path):
    target = tmp_path / "secret"
    target.write_bytes(b"secret")
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        folders.read_file(link, 100)


def test_a_device_is_refused_after_it_is_opened():
    with pytest.raises(Refused, match="device"):
        folders.read_file(ROOT.__class__(os.devnull), 100)


def test_too_large_and_unreadable_files(place, take, monkeypatch):
    monkeypatch.setattr(choice, "MOST_FILE", 2 * MB)
    (place / "large.ipynb").write_bytes(b" " * (2 * MB + 1))
    (place / "fits.ipynb").write_bytes(b" " * (2 * MB))
    fits, large = take(place).submissions
    assert fits.path
    assert (large.path, large.problem) == (None, "The file large.ipynb is larger than 2 MB.")


def test_an_input_error_of_one_file_stops_no_other(place, take, monkeypatch):
    for name in ("ada", "bob"):
        (place / f"{name}.ipynb").write_bytes(NB)
    real = folders.read_file

    def flaky(path, most):
        if path.name == "ada.ipynb":
            raise PermissionError(13, "Permission denied")
        return real(path, most)

    monkeypatch.setattr(folders, "read_file", flaky)
    ada, bob = take(place).submissions
    assert "permission denied" in ada.problem
    assert bob.path


def test_an_error_of_the_work_folder_is_not_blamed_on_the_place(tmp_path, place):
    (place / "ada.ipynb").write_bytes(NB)
    (tmp_path / "work" / "ada.ipynb").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        find(place, EXERCISE, tmp_path / "work")


def test_a_link_in_the_work_folder_is_replaced_not_followed(tmp_path, place):
    (place / "ada.ipynb").write_bytes(NB)
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "ada.ipynb").symlink_to(outside)
    find(place, EXERCISE, tmp_path / "work")
    assert outside.read_text() == "precious"
    assert (tmp_path / "work" / "ada.ipynb").read_bytes() == NB


@pytest.mark.parametrize(
    "name",
    [
        b"\xff\xfe.ipynb",
        b"a\x1b[31mb.ipynb",
        b"a\nb.ipynb",
        b"-rf.ipynb",
        "\u202egnp.ipynb".encode(),
        "用户.ipynb".encode(),
        b"con.ipynb",
        b"=cmd|calc.ipynb",
        b"a" * 240 + b".ipynb",
    ],
)
def test_names_of_files_are_cleaned(place, take, name):
    with open(os.path.join(os.fsencode(place), name), "wb") as file:
        file.write(NB)
    submission = one(take(place))
    assert submission.path
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,80}", submission.student)
    assert submission.name.isprintable()


def test_names_that_differ_in_case_or_accents_stay_apart(place, take):
    for name in ("Bob", "bob", "José", "Jose", "a b", "a-b"):
        (place / f"{name}.ipynb").write_bytes(notebook(name))
    intake = take(place)
    assert len(intake.submissions) == 6
    for each in intake.submissions:
        assert each.path.read_bytes() == notebook(each.name)


def test_a_folder_deeper_than_any_is_refused(place, take):
    path = place / "ada"
    for _ in range(40):
        path /= "d"
    path.mkdir(parents=True)
    (path / "15_boxes.ipynb").write_bytes(NB)
    (place / "bob").mkdir()
    (place / "bob" / "15_boxes.ipynb").write_bytes(NB)
    ada, bob = take(place).submissions
    assert "folders deep" in ada.problem
    assert bob.path


def test_a_student_with_too_many_files_stops_no_other(place, take, monkeypatch):
    monkeypatch.setattr(folders, "MOST_MEMBERS", 50)
    nbgrader(place, "ada", files=[f"{i}.ipynb" for i in range(60)])
    nbgrader(place, "bob")
    ada, bob = take(place).submissions
    assert (ada.path, bob.problem) == (None, None)
    assert "too many files" in ada.problem


# Hostile archives


def hostile_info(name, mode=0, **fields):
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = mode << 16
    for key, value in fields.items():
        setattr(info, key, value)
    return info


HONEST = ("Bob_2_assignsubmission_file_/15_boxes.ipynb", NB)
ADA = "Ada_1_assignsubmission_file_/"


def hostile_members():
    evil = notebook("evil")
    yield "traversal", ADA + "../../../evil.ipynb", evil, "leads out"
    yield "absolute", "/tmp/" + ADA + "evil.ipynb", evil, None
    yield "drive", "C:/" + ADA + "evil.ipynb", evil, "absolute or a Windows path"
    yield "backslash", ADA + "..\\..\\evil.ipynb", evil, "Windows path"
    yield "link", hostile_info(ADA + "15_boxes.ipynb", stat.S_IFLNK | 0o777), b"/etc/passwd", "link"
    yield "pipe", hostile_info(ADA + "15_boxes.ipynb", stat.S_IFIFO | 0o666), b"", "pipe"
    yield "device", hostile_info(ADA + "15_boxes.ipynb", stat.S_IFCHR | 0o666), b"", "device"
    yield "long name", ADA + "x" * 5000 + ".ipynb", evil, "too long"
    yield (
        "bzip2",
        hostile_info(ADA + "15_boxes.ipynb", compress_type=zipfile.ZIP_BZIP2),
        evil,
        "deflate",
    )
    yield (
        "lzma",
        hostile_info(ADA + "15_boxes.ipynb", compress_type=zipfile.ZIP_LZMA),
        evil,
        "deflate",
    )
    yield "bomb", ADA + "15_boxes.ipynb", bytes(21_000_000), "unpacks to more than 400 times"
    yield "large", ADA + "15_boxes.ipynb", os.urandom(1 << 20) * 101, "larger than 100 MB"
    yield (
        "nested link",
        ADA + "a.zip",
        zipped((hostile_info("x.ipynb", stat.S_IFLNK), b"/etc")),
        "link",
    )
    yield "nested path", ADA + "a.zip", zipped(("../../x.ipynb", evil)), "leads out"
    yield "nested bomb", ADA + "a.zip", zipped(("x.ipynb", bytes(21_000_000))), "400 times"
    yield "two levels", ADA + "a.zip", zipped(("b.zip", zipped(("x.ipynb", evil)))), "no notebook"
    yield "no zip", ADA + "a.zip", b"PK\x03\x04 nonsense", "not a readable zip"
    yield "empty zip", ADA + "a.zip", zipped(), "no notebook"


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [case[1:] for case in hostile_members()],
    ids=[c[0] for c in hostile_members()],
)
def test_a_hostile_member_harms_nobody(tmp_path, take, name, data, says):
    (tmp_path / "evil.ipynb").write_text("precious")
    intake = take(archive(tmp_path / "m.zip", [(name, data), HONEST]))
    found = {each.student: each for each in intake.submissions}
    assert found["2"].path.read_bytes() == NB
    assert found["2"].problem is None
    if "1" in found:
        assert found["1"].path is None
        assert says is None or says in found["1"].problem
    else:
        assert intake.remarks


def patched(path, old, new, count=-1):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, count))
    return path


def test_an_encrypted_member_is_named(tmp_path, take):
    path = archive(tmp_path / "m.zip", [(ADA + "15_boxes.ipynb", NB), HONEST])
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\x01\x02")
    data[first + 8] |= 1
    data[6] |= 1
    path.write_bytes(data)
    ada, bob = take(path).submissions
    assert "encrypted" in ada.problem
    assert bob.path


@pytest.mark.parametrize("claims", [1, 100, 2**31])
def test_sizes_that_lie_are_not_believed(tmp_path, take, claims):
    big = bytes(30_000_000)
    path = archive(tmp_path / "m.zip", [(ADA + "15_boxes.ipynb", big), HONEST])
    size = struct.pack("<L", len(big))
    patched(path, size, struct.pack("<L", claims))
    ada, bob = take(path).submissions
    assert ada.path is None
    assert "damaged" in ada.problem or "times its size" in ada.problem or "larger" in ada.problem
    assert bob.problem is None


def test_a_damaged_member_stops_no_other(tmp_path, take):
    path = tmp_path / "m.zip"
    noise = random.Random(0).randbytes(5000)
    archive(path, [(ADA + "15_boxes.ipynb", noise), HONEST])
    patched(path, noise[2000:2010], b"0123456789", 1)
    ada, bob = take(path).submissions
    assert "damaged" in ada.problem
    assert bob.path


def test_one_name_twice_and_in_another_case(tmp_path, take):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(
            tmp_path / "m.zip",
            [(ADA + "15_boxes.ipynb", NB), (ADA + "15_boxes.ipynb", notebook("b"))],
        )
    submission = one(take(path))
    assert submission.path.read_bytes() == notebook("b")
    assert "2 notebooks" in submission.problem
    path = archive(tmp_path / "m.zip", [(ADA + "15_boxes.ipynb", NB), (ADA + "15_BOXES.IPYNB", NB)])
    assert "2 notebooks" in one(take(path)).problem


def test_an_archive_with_too_many_members(tmp_path):
    path = archive(tmp_path / "m.zip", [(f"{i}.ipynb", b"") for i in range(10_001)])
    with pytest.raises(ValueError, match="more than 10000 members"):
        find(path, EXERCISE, tmp_path / "work")


def test_a_table_of_contents_beyond_measure_is_not_read(tmp_path):
    path = archive(tmp_path / "m.zip", [(f"{i:03d}".ljust(60_000, "x"), b"") for i in range(90)])
    with pytest.raises(ValueError, match="more than 10000 members"):
        find(path, EXERCISE, tmp_path / "work")


# When it came is the platform's word


def test_a_students_own_time_stamp_says_nothing(tmp_path, take):
    forged = b"2020-01-01 00:00:00 UTC"
    root = tmp_path / "submitted"
    nbgrader(root, "ada", stamp="2030-03-01 17:59:03.123456 UTC")
    deeper = root / "ada" / EXERCISE / "timestamp"
    deeper.mkdir()
    (deeper / "timestamp.txt").write_bytes(forged)
    nbgrader(root, "emmy")
    (root / "emmy" / "timestamp.txt").write_bytes(forged)
    (root / "emmy" / EXERCISE / "mine").mkdir()
    (root / "emmy" / EXERCISE / "mine" / "timestamp.txt").write_bytes(forged)
    ada, emmy = take(tmp_path / "submitted").submissions
    assert ada.submitted.isoformat() == "2030-03-01T17:59:03.123456+00:00"
    assert emmy.submitted is None
    students = {
        "moodle": [(f"Ada_1_assignsubmission_file_/{n}", d) for n, d in both(forged)],
        "canvas": [(f"ada_LATE_11_901_{name}", data) for name, data in both(forged)],
        "folder": [(f"ada/{name}", data) for name, data in both(forged)],
        "zip": [("ada/x.zip", zipped(*both(forged)))],
    }
    for name, members in students.items():
        found = one(find(archive(tmp_path / f"{name}.zip", members), EXERCISE, tmp_path / name))
        assert found.path, name
        assert found.submitted is None, name
        assert found.late == (name == "canvas")


def both(stamp):
    return [(f"{EXERCISE}.ipynb", NB), ("timestamp.txt", stamp)]


# A class in one outer folder


def placed(tmp_path, form, names):
    """Lay notebooks out in a zip, what it was extracted to, or a folder above the class."""
    path = archive(tmp_path / "m.zip", [(name, NB) for name in names])
    if form == "zip":
        return path
    with zipfile.ZipFile(path) as file:
        file.extractall(tmp_path / "m")
    return tmp_path / "m"


WRAPPED = {
    "folders": [f"hw1/{who}/15_boxes.ipynb" for who in ("ada", "alan", "emmy")],
    "folders of other names": [f"hw1/{who}/my work.ipynb" for who in ("ada", "alan", "emmy")],
    "one of the right name": ["hw1/ada/x.ipynb", "hw1/alan/15_boxes.ipynb", "hw1/emmy/y.ipynb"],
    "flat": [f"hw1/{who}_15_boxes.ipynb" for who in ("ada", "alan", "emmy")],
    "zips": [f"hw1/{who}.zip" for who in ("ada", "alan", "emmy")],
    "both": ["hw1/ada/15_boxes.ipynb", "hw1/alan.ipynb", "hw1/emmy/15_boxes.ipynb"],
    "sections": [f"s{len(who)}/{who}/15_boxes.ipynb" for who in ("ada", "alan", "emmy", "max")],
}


@pytest.mark.parametrize("form", ["zip", "folder"])
@pytest.mark.parametrize("names", WRAPPED.values(), ids=WRAPPED)
def test_a_class_in_one_folder_is_never_merged_silently(tmp_path, form, names):
    place, work = placed(tmp_path, form, names), tmp_path / "work"
    with pytest.raises(ValueError, match=r"may be a class of .*--layout class or --layout student"):
        find(place, EXERCISE, work)
    inside = find(place, EXERCISE, work, layout="class").submissions
    assert [each.student for each in inside] == sorted(
        {"ada", "alan", "emmy", *(["max"] * (len(names) == 4))}
    )
    if not any(EXERCISE in name for name in names):
        return  # no version of the exercise is there for one student
    tops = {name.partition("/")[0] for name in names}
    versions = find(place, EXERCISE, work, layout="student").submissions
    assert {each.student for each in versions} == tops


CLEAR = {
    "a class": ["ada/15_boxes.ipynb", "emmy/15_boxes.ipynb"],
    "a class of files": ["ada_15_boxes.ipynb", "emmy_15_boxes.ipynb"],
    "one who keeps versions beside the exercise": ["ada/15_boxes.ipynb", "ada/old/15_boxes.ipynb"],
    "one with copies": ["ada/15_boxes.ipynb", "ada/15_boxes (1).ipynb", "ada/15_boxes-2.ipynb"],
    "one of many with versions": ["ada/v1/15_boxes.ipynb", "ada/v2/15_boxes.ipynb"]
    + [f"s{i}/15_boxes.ipynb" for i in range(3)],
    "one with pictures": ["ada/sub/15_boxes.ipynb", "ada/img/a.png", "ada/img2/b.png"],
}


@pytest.mark.parametrize("form", ["zip", "folder"])
@pytest.mark.parametrize("names", CLEAR.values(), ids=CLEAR)
def test_what_is_clear_is_not_asked(tmp_path, form, names):
    found = find(placed(tmp_path, form, names), EXERCISE, tmp_path / "work").submissions
    students = {re.split("[/_]", name)[0] for name in names}
    assert {each.student for each in found} == students
    assert all(each.path for each in found)


def test_students_of_one_name_in_two_sections_are_not_merged(tmp_path):
    place = placed(
        tmp_path, "zip", ["a/max/15_boxes.ipynb", "a/eve/15_boxes.ipynb", "b/max/x.ipynb"]
    )
    with pytest.raises(ValueError, match="a and b both hold max; grade them one by one"):
        find(place, EXERCISE, tmp_path / "work", layout="class")


NAMED = "s{}_{}_assignsubmission_file_/"


@pytest.mark.parametrize("layout", ["zip", "extracted"])
def test_what_one_student_hands_in_takes_nothing_from_the_others(tmp_path, take, layout):
    """Here archives that unpack to 49 MB each, in the folder that is read first."""
    block = zipped(("a", bytes(49_000_000)))
    members = [(f"{NAMED.format(0, 0)}{i}.zip", block) for i in range(42)]
    members += [(f"{NAMED.format(i, i)}15_boxes.ipynb", NB) for i in range(1, 4)]
    members += [(f"{NAMED.format(4, 4)}mine.zip", zipped(("15_boxes.ipynb", NB)))]
    place = archive(tmp_path / "m.zip", members)
    if layout == "extracted":
        with zipfile.ZipFile(place) as file:
            file.extractall(tmp_path / "m")
        place = tmp_path / "m"
    greedy, *others = take(place).submissions
    assert greedy.path is None
    assert "nly 10 of the 42 zip files were opened" in greedy.problem
    assert [other.path.read_bytes() for other in others] == [NB] * 4


def test_what_one_students_archives_unpack_to_is_limited(tmp_path, take, monkeypatch):
    monkeypatch.setattr(choice, "Allowance", lambda: zips.Allowance(1_500))
    big = zipped(("15_boxes.ipynb", notebook("x" * 2_000)))
    junk = random.Random(0).randbytes(800)
    members = [
        (f"{NAMED.format(0, 0)}a.zip", big),
        *((f"{NAMED.format(1, 1)}{i}.zip", zipped(("a", junk))) for i in range(3)),
        (f"{NAMED.format(2, 2)}a.zip", zipped(("15_boxes.ipynb", NB))),
    ]
    unpacks, packed, small = take(archive(tmp_path / "m.zip", members)).submissions
    said = "is beyond the 150 MB that one student's zip files may unpack to"
    assert said in unpacks.problem
    assert said in packed.problem
    assert small.path


def test_names_of_an_archive_with_controls_and_without_utf8(tmp_path, take):
    path = archive(tmp_path / "m.zip", [("Zoe\x1b[31m\u202e_1_assignsubmission_file_/x.ipynb", NB)])
    assert one(take(path)).name == "Zoe�[31m�"
    path = archive(tmp_path / "m.zip", [("Zoé_1_assignsubmission_file_/x.ipynb", NB)])
    data = bytearray(path.read_bytes())
    data[7] &= ~8  # the flag that says UTF-8
    data[data.index(b"PK\x01\x02") + 9] &= ~8
    path.write_bytes(data)
    assert one(take(path)).name == "Zoé"
    patched(path, "é".encode(), b"\xff\xfe")
    assert one(take(path)).path
    data = path.read_bytes()
    utf8 = bytearray(data)
    utf8[utf8.index(b"PK\x01\x02") + 9] |= 8
    path.write_bytes(utf8)
    with pytest.raises(ValueError, match="not UTF-8"):
        find(path, EXERCISE, tmp_path / "work")


def test_random_damage_gives_entries_or_a_sentence(tmp_path, take):
    rng = random.Random(0)
    path = archive(tmp_path / "m.zip", MOODLE)
    whole = path.read_bytes()
    refused = []
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 12)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
        for file in (tmp_path / "work").glob("*"):
            file.unlink()
        try:
            take(path)
        except ValueError as error:
            refused.append(str(error))
    assert 0 < len(refused) < 60
    assert all(sentence.endswith(".") for sentence in refused)


# Reading notebooks


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"PK\x03\x04abc", "zip archive"),
        (b"%PDF-1.7", "PDF"),
        (b"import numpy", "does not begin like JSON"),
        (NB[:60], "cut off"),
        (NB[:-1], "cut off"),
        (NB.replace(b'"metadata": {}', b'"metadata": }', 1), "damaged"),
        (NB.decode().encode("utf-16"), "UTF-16"),
        (NB.replace(b"42", b"\xff42"), "not UTF-8"),
        (b'{"a": 1}', "no list of cells"),
        (b'{"cells": {}, "nbformat": 4}', "no list of cells"),
        (b'{"cells": [], "nbformat": 1}', "too old"),
        (notebook(*["x"] * 5001), "5001 cells"),
        (b'{"a": ' + b"[" * 150 + b"]" * 150 + b"}", "nested deeper"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper"),
        (b'{"a": [' + b"{}," * 1_000_001 + b"1]}", "millions of values"),
        (b'{"a": [' + b'"ab",' * 1_000_001 + b"1]}", "millions of values"),
        (b'{"a": [' + b"1.5," * 3_000_001 + b"1]}", "millions of values"),
        (b'{"a": ' + b"1" * 5000 + b"}", "number beyond measure"),
        (b"{" + b" " * 20_000_001, "larger than 20 MB without"),
        (b" " * 100_000_001, "larger than 100 MB"),
    ],
)
def test_what_is_no_notebook_is_one_sentence(data, says):
    with pytest.raises(NotebookProblem, match=says) as caught:
        read(data)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def sources(data):
    return [cell.source for cell in read(data).cells]


def test_odd_notebooks_are_read():
    assert sources(b"\xef\xbb\xbf" + NB) == ["answer = 42"]
    assert sources(notebook({"source": ["a\n", "b"]}, {"source": None}, {"source": 7})) == [
        "a\nb",
        "",
        "",
    ]
    assert sources(notebook("a\r\nb\rc")) == ["a\nb\nc"]
    assert sources(notebook("\ud800")) == ["\ufffd"]
    odd = read(
        b'{"cells": [3, {"cell_type": 5}, {"cell_type": "code", "metadata": [], "source": "a"}]}'
    )
    assert [(cell.index, cell.kind, cell.source) for cell in odd.cells] == [
        (1, "raw", ""),
        (2, "code", "a"),
    ]
    assert len(odd.remarks) >= 3
    strange = {
        "metadata": {"nbgrader": {"grade_id": [], "solution": 1, "grade": "yes"}, "tags": [{}]},
        "id": {},
    }
    (cell,) = read(notebook({**strange, "source": "a"})).cells
    assert (cell.id, cell.grade_id, cell.solution, cell.grade, cell.tags) == (
        None,
        None,
        False,
        False,
        (),
    )


def test_formats_2_and_3_are_converted():
    sheet = {
        "cells": [
            {"cell_type": "heading", "source": "Task"},
            {"cell_type": "code", "input": ["a = 1"]},
        ]
    }
    for form in (2, 3):
        old = read(json.dumps({"nbformat": form, "worksheets": [sheet, {"cells": []}]}).encode())
        assert [(c.kind, c.source) for c in old.cells] == [
            ("markdown", "# Task"),
            ("code", "a = 1"),
        ]
        assert "converted" in old.remarks[0]


def test_random_damage_of_a_notebook_is_a_notebook_or_a_problem():
    rng = random.Random(1)
    whole = (ROOT / "exercises" / "01_knn.ipynb").read_bytes()
    solution = read((ROOT / "solutions" / "01_knn.ipynb").read_bytes())
    survived = 0
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            locate(read(bytes(data)), solution)
            survived += 1
        except NotebookProblem:
            pass
    assert 10 < survived < 100


# Locating answers


def given(name):
    solution = json.loads((ROOT / "solutions" / f"{name}.ipynb").read_text())
    exercise = json.loads((ROOT / "exercises" / f"{name}.ipynb").read_text())
    return solution, exercise


def is_task(cell):
    return cell["metadata"].get("nbgrader", {}).get("solution", False)


def is_check(cell):
    return cell["metadata"].get("nbgrader", {}).get("grade", False)


def solved(name):
    """The exercise with the answers of its solution, each marked by a comment."""
    solution, exercise = given(name)
    bodies = {cell["id"]: cell["source"] for cell in solution["cells"] if is_task(cell)}
    for cell in exercise["cells"]:
        if cell["id"] in bodies:
            cell["source"] = "".join(bodies[cell["id"]]) + f"\n# answer {cell['id']}"
    return exercise


#: Source by a number of statements, none of which is an answer to anything.
LONG = {
    "lines": lambda n: "\n".join(f"x{i} = {i}" for i in range(n)),
    "one line": lambda n: ";".join(f"x{i}=1" for i in range(n)),
    "calls": lambda n: "\n".join("f(x)" for _ in range(n)),
    "functions": lambda n: "\n".join(f"def f{i}(): pass" for i in range(n)),
    "imports": lambda n: "\n".join(f"import a{i}" for i in range(n)),
    "magics": lambda n: "\n".join("%time x" for _ in range(n)),
    "conditions": lambda n: "\n".join("if x: y = 1" for _ in range(n)),
    "written modules": lambda n: (
        "%%writefile a.py\n" + "\n".join(f"def f{i}(): return f{i - 1}" for i in range(n))
    ),
    "read modules": lambda n: "import a as b\n" + "\n".join(f"b.f{i}" for i in range(n)),
    "one statement": lambda n: "x = [" + "1," * n + "]",
}


@pytest.mark.slow
@pytest.mark.parametrize("role", ["answer", "check", "other", "many cells"])
@pytest.mark.parametrize("name", LONG)
def test_reading_takes_time_that_grows_with_the_length_only(name, role):
    """Here it is the judge's own time, which no limit bounds."""
    solution = read(small.solution())

    def seconds(count):
        student = small.student()
        cells = {cell["id"]: cell for cell in student["cells"]}
        if role == "many cells":
            parts = [LONG[name](10) for _ in range(count // 10)]
            student["cells"] += [small.cell(part, f"more{i}") for i, part in enumerate(parts)]
        else:
            where = {"answer": "softmax", "check": "softmax-check", "other": "setup"}[role]
            cells[where]["source"] += "\n" + LONG[name](count)
        data = small.data(student)
        began = time.process_time()
        locate(read(data), solution)
        return time.process_time() - began

    most = next(n for n in range(20_000, 0, -500) if len(LONG[name](n)) < ipynb.MOST_SOURCE - 2000)
    few, many = min(seconds(200) for _ in range(2)), seconds(most)
    assert many < 3 * most / 200 * few + 0.5


def located(name, student):
    solution = read((ROOT / "solutions" / f"{name}.ipynb").read_bytes())
    return locate(read(json.dumps(student).encode()), solution)


def all_found(name, student):
    """Assert that each task's answer, and no check, is found; return the result."""
    result = located(name, student)
    tasks = [cell for cell in given(name)[0]["cells"] if is_task(cell)]
    assert [a.task for a in result.answers] == [
        t["metadata"]["nbgrader"]["grade_id"] for t in tasks
    ]
    for answer, task in zip(result.answers, tasks, strict=True):
        assert not answer.missing
        assert not answer.untouched
        assert f"# answer {task['id']}" in answer.source
        compile(answer.source, "answer", "exec")
        assert "check." not in answer.source
        assert "check_" not in answer.source.replace("gradient_check", "")
    for code in result.prelude:
        if code.role != "check":
            assert "@check.task" not in code.source
    return result


def stripped(student):
    """As an editor saves a notebook that knows neither cell ids nor nbgrader."""
    for cell in student["cells"]:
        cell.pop("id", None)
        cell["metadata"] = {}
    student["nbformat_minor"] = 4
    return student


def shuffle_others(student, rng):
    """Permute, duplicate and delete all cells that are no tasks."""
    tasks = [cell for cell in student["cells"] if is_task(cell)]
    rest = [cell for cell in student["cells"] if not is_task(cell) and rng.random() > 0.25]
    rest += rng.sample(rest, len(rest) // 3)
    rng.shuffle(rest)
    for cell in tasks:
        rest.insert(rng.randrange(len(rest) + 1), cell)
    student["cells"] = rest


@pytest.mark.parametrize("bare", [False, True], ids=["ids", "no ids"])
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", NAMES)
def test_any_order_of_the_other_cells(name, seed, bare):
    student = solved(name)
    shuffle_others(student, random.Random(seed))
    result = all_found(name, stripped(student) if bare else student)
    wanted = {"function name", "heading"} if bare else {"cell id"}
    assert {answer.how for answer in result.answers} <= wanted


@pytest.mark.parametrize("name", NAMES)
def test_solved_and_untouched_as_handed_out(name):
    result = all_found(name, solved(name))
    assert not result.remarks
    assert not any(answer.remarks for answer in result.answers)
    solution, exercise = given(name)
    roles = [code.role for code in result.prelude]
    assert roles.count("check") == roles.count("task") == len(result.answers)
    assert [code.index for code in result.prelude] == sorted(code.index for code in result.prelude)
    for answer in located(name, exercise).answers:
        assert (answer.untouched, answer.missing) == (True, False)
    for answer in located(name, solution).answers:
        assert answer.how == "cell id"


@pytest.mark.parametrize("name", NAMES)
def test_deterministic(name):
    assert located(name, solved(name)) == located(name, solved(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_retyped_answers(name, kind):
    student = solved(name)
    for cell in student["cells"]:
        if is_task(cell):
            cell["cell_type"] = kind
    result = all_found(name, student)
    assert all("read as code" in " ".join(answer.remarks) for answer in result.answers)
    assert all_found(name, stripped(student))


@pytest.mark.parametrize("name", NAMES)
def test_everything_merged_into_one_cell(name):
    student = solved(name)
    code = [cell for cell in student["cells"] if cell["cell_type"] == "code"]
    for keeper in (code[0], next(filter(is_task, code)), next(filter(is_check, code))):
        merged = {**keeper, "source": "\n\n".join("".join(cell["source"]) for cell in code)}
        all_found(name, {**student, "cells": [merged]})


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_merged_into_its_check(name):
    student = solved(name)
    cells = []
    for cell in student["cells"]:
        if is_check(cell):
            above = cells.pop()
            cell["source"] = "".join(above["source"]) + "\n\n" + "".join(cell["source"])
        cells.append(cell)
    all_found(name, {**student, "cells": cells})


def boxes(*cells):
    """Locate in a small exercise with the tasks `area` (a heading, a check) and `iou`."""

    def task(name, source):
        metadata = {"nbgrader": {"solution": True, "grade": False, "grade_id": name}}
        return {"source": source, "id": f"{name}-answer", "metadata": metadata}

    def check(name):
        metadata = {"nbgrader": {"solution": False, "grade": True, "grade_id": f"check-{name}"}}
        source = f"@check.task('{name}', points=1)\ndef check_{name}({name}):\n    pass\n\n\n"
        source += f"check_{name}({name})"
        return {"source": source, "id": f"{name}-check", "metadata": metadata}

    bodies = "def {}(a):\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"
    solution = notebook(
        "import numpy as np",
        {"cell_type": "markdown", "source": "## Task 1: Area"},
        task("area", bodies.format("area")),
        check("area"),
        {"cell_type": "markdown", "source": "## Task 2: IoU"},
        task("iou", bodies.format("iou")),
        check("iou"),
    )
    known = {"area-check": check("area"), "iou-check": check("iou")}
    cells = [known.get(cell, cell) if isinstance(cell, str) else cell for cell in cells]
    return locate(read(notebook(*cells)), read(solution))


def area(*cells):
    return boxes(*cells).answers[0]


OWN = {"id": "area-answer", "source": "def area(a):\n    return 'own'"}
STUB = {
    "id": "area-answer",
    "source": "def area(a):\n    '''Doc.'''\n    raise NotImplementedError",
}


@pytest.mark.parametrize(
    ("source", "removed"),
    [
        ("%matplotlib inline\ndef area(a):\n    return 1", "%matplotlib"),
        ("!pip install 'numpy\ndef area(a):\n    return 1", "!pip"),
        ("!pip install \\\n  numpy\ndef area(a):\n    return 1", "numpy"),
        ("%%capture\n!pip install x\ndef area(a):\n    return 1", "capture"),
        ("#@title Area { display-mode: 'form' }\n\n%%time\ndef area(a):\n    return 1", "time"),
        ("files = !ls\narea?\n?area\n%timeit 1\ndef area(a):\n    return 1", "ls"),
        ("if True:\n    %pip install x\ndef area(a):\n    return 1", "pip"),
        ("def area(a):\n    return 1\n%time area(3)", "%time"),
        ("    def area(a):\n        return 1\n    x = 2", None),
    ],
)
def test_magics_and_colab_leftovers(source, removed):
    for cell in (source, {"id": "area-answer", "source": source}):
        answer = area(cell)
        assert not answer.missing
        assert not answer.remarks
        space = {}
        exec(answer.source, space)  # the test's own code
        assert space["area"](0) == 1
        assert removed is None or f"\n{removed}" not in f"\n{answer.source}"


#: A module of which only `twice` matters, and that has a name in common with the notebook.
HELPERS = """import math
factor, area = 2, None
def other(x): return f"{factor}"
class Box:
    factor = 5
    def side(self): return factor
def twice(x, k=factor):
    factors = [factor for factor in range(3)]
    def inner(area):
        return int(other(area)) * k // factor
    return inner(x) * x * Box().side() // len(factors[1:])
"""
WRITES = f"%%writefile helpers.py\n{HELPERS}"
USES = "def area(a):\n    return {}"
SHAPES_OF_IMPORTS = {
    "from": "from helpers import twice\n" + USES.format("twice(3)"),
    "from as": "from helpers import twice as double\n" + USES.format("double(3)"),
    "brackets": "from helpers import (\n    twice as d,\n    factor,\n)\n" + USES.format("d(3)"),
    "star": "from helpers import *\n" + USES.format("twice(3)"),
    "import": "import helpers\n" + USES.format("helpers.twice(3)"),
    "import as": "import math, helpers as h\n" + USES.format("h.twice(math.floor(3.5))"),
    "reload": "import helpers, importlib as i\ni.reload(helpers)\n"
    + USES.format("helpers.twice(3)"),
    "inside": "def area(a):\n    from helpers import twice as é; return é(3)",
    "magic": "%load_ext autoreload\nimport helpers as h\n"
    + USES.format("h.math.floor(h.twice(3))"),
    "own name": "import helpers\n" + USES.format("helpers.twice(3) if helpers.area is None else 0"),
    "after a stub": f"{STUB['source']}\nfrom helpers import twice as area",
}


@pytest.mark.parametrize("uses", SHAPES_OF_IMPORTS)
def test_what_a_cell_writes_as_a_module_is_read_where_it_is_imported(uses):
    source = SHAPES_OF_IMPORTS[uses]
    found = boxes({"source": WRITES}, {"id": "area-answer", "source": source})
    assert "Cell 1 writes helpers.py; it was read as code." in found.remarks
    space = {}
    for code in found.prelude:
        exec(code.source, space)  # the test's own code
    assert space["area"](3) == 6
    assert "import helpers" not in "".join(code.source for code in found.prelude)
    assert found.prelude[1].source.count("\n") == source.count("\n")
    assert found.prelude[0].source.count("\n") == WRITES.count("\n")


@pytest.mark.parametrize(
    ("head", "imports", "name"),
    [
        ("%%writefile ./helpers.py", "import helpers", "helpers"),
        ("%%writefile 'helpers.py'", "import helpers", "helpers"),
        ("# mine\n\n%%file helpers.py", "import helpers", "helpers"),
        ("%%writefile my/helpers.py", "import my.helpers", "my.helpers"),
        ("%%writefile my/helpers.py", "from my import helpers, other", "helpers"),
        ("%%writefile -a helpers.py", "import helpers as h", "h"),
    ],
)
def test_modules_by_any_path_and_magic(head, imports, name):
    answer = {"id": "area-answer", "source": f"{imports}\n{USES.format(f'{name}.twice(3)')}"}
    found = boxes({"source": f"{head}\n{HELPERS}"}, answer)
    space = {}
    exec(found.prelude[0].source, space)  # the test's own code
    text = found.prelude[1].source.replace("from my import other", "")
    exec(text, space)
    assert space["area"](3) == 6


def test_what_a_module_binds_is_its_own():
    """In order: defaults, globals, decorators, names of loops, classes, what it lacks."""
    file = """
state = 0
def keep(function): return function
@keep
def count(step=1):
    global state
    state += step
    return state
for last in range(3): pass
class Pair(tuple): keep = 1
async def later(pair: Pair, *pairs: Pair) -> Pair: return Pair
"""
    use = (
        "state, keep, last = 'mine', 'mine', 'mine'\nimport counter as c\n"
        "def area(a):\n    return c.count(), c.count(2), c.state, c.last, c.Pair((1, 2))\n"
        "def lacks():\n    return c.nothing"
    )
    found = boxes({"source": f"%%writefile counter.py{file}"}, {"id": "area-answer", "source": use})
    space = {}
    for code in found.prelude:
        exec(code.source, space)  # the test's own code
    assert space["area"](0) == (1, 3, 3, 2, (1, 2))
    assert space["state"] == space["keep"] == space["last"] == "mine"
    with pytest.raises(NameError):
        space["lacks"]()


def test_an_answer_may_stand_in_a_file_that_a_cell_writes():
    file = "%%writefile answers.py\ndef area(a):\n    return 7\n"
    for source in ("from answers import area", "import answers\narea = answers.area"):
        found = boxes({"source": file}, {"id": "area-answer", "source": source})
        assert not found.answers[0].missing
        assert not found.answers[0].untouched
        space = {}
        for code in found.prelude:
            exec(code.source, space)  # the test's own code
        exec(found.answers[0].source, space)
        assert space["area"](0) == 7


def test_a_file_that_nothing_imports_is_not_run():
    other = "%%writefile notes.txt\nimport helpers"
    for writes in (WRITES, WRITES.replace("helpers.py", "a b.py"), other):
        found = boxes({"source": writes}, OWN)
        assert not any("read as code" in remark for remark in found.remarks)
        assert found.prelude[0].source == ""


def test_an_import_of_a_library_stays_and_bad_code_is_left_alone():
    cells = [{"source": WRITES}, {"source": "import os, numpy as np\nfrom math import pi"}]
    broken = {"source": "import helpers\ndef ("}
    found = boxes(*cells, broken, {"source": "import helpers"}, OWN)
    assert found.prelude[1].source == "import os, numpy as np\nfrom math import pi"
    assert found.prelude[2].source == "import helpers\ndef ("
    assert found.prelude[3].source == "pass"
    broken = {"source": "%%writefile helpers.py\ndef ("}
    found = boxes(broken, {"source": "import helpers"}, OWN)
    assert [code.source for code in found.prelude[:2]] == ["", "pass"]


def test_what_looks_like_a_magic_inside_a_string_stays():
    source = 'def area(a):\n    text = """\n%run\n!ls\n"""\n    return (7\n % 4)\n'
    answer = area(source)
    assert answer.source == source


def test_a_cell_under_a_foreign_magic_is_no_answer():
    answer = area({"id": "area-answer", "source": "%%bash\nrm -rf /"})
    assert answer.missing
    result = boxes({"id": "area-answer", "source": "%%bash\nls"})
    assert "Nothing of cell 1 runs: it is under %%bash." in result.remarks


def test_lines_keep_their_numbers():
    answer = area("%%capture\n!pip \\\n x\ndef area(a):\n    return 1\nboom()")
    (code,) = boxes("%%capture\n!pip \\\n x\ndef area(a):\n    return 1").prelude
    assert code.source.split("\n").index("def area(a):") == 3
    assert "boom()" in answer.source


def test_the_definition_above_the_check_counts():
    draft = "def area(a):\n    return 'draft'"
    assert "own" in area(OWN, "area-check", draft).source
    assert "draft" in area(OWN, draft, "area-check").source
    assert "own" in area(draft, OWN, "area-check").source
    assert "own" in area(OWN, draft).source, "without a check, the task's own cell"
    assert "draft" in area("area-check", "def area(a):\n    return 1", draft).source
    answer = area(OWN, draft, "area-check")
    assert answer.remarks == ("area is defined in cell 1 too; that of cell 2 counts.",)
    assert [c.role for c in boxes(OWN, draft, "area-check").prelude] == [
        "superseded",
        "task",
        "check",
    ]


def test_a_stub_never_beats_an_answer():
    answer = area(STUB, "area-check", "def area(a):\n    return 'below'")
    assert "below" in answer.source
    assert (answer.how, answer.cells) == ("function name", (2,))
    assert area("def area(a):\n    return 'above'", STUB, "area-check").cells == (0,)
    assert area(STUB, "area-check").untouched
    for stub in ("def area(a): ...", "def area(a):\n    pass", "area = ..."):
        assert area({**STUB, "source": stub}).untouched
    for attempt in ("def area(a):\n    return None", "area = len", "from math import sqrt as area"):
        assert not area({**STUB, "source": attempt}).untouched


def test_how_an_answer_was_found():
    source = "def area(a):\n    return 1"
    assert area(OWN).how == "cell id"
    assert area({"source": source, "metadata": {"id": "area-answer"}}).how == "cell id"
    assert (
        area({"source": source, "metadata": {"nbgrader": {"grade_id": "area"}}}).how == "grade_id"
    )
    for metadata in ({"task": "area"}, {"otter": {"name": "area"}}, {"tags": ["task:area"]}):
        assert area({"source": source, "metadata": metadata}).how == "task name"
    assert area({"cell_type": "markdown", "source": "## Task 1: area"}, source).how == "heading"
    assert area(source).how == "function name"


def test_a_function_under_another_name_is_shown_with_a_remark():
    renamed = "def my_area(a):\n    return 1"
    answer = area({"id": "area-answer", "source": renamed})
    assert answer.source.strip() == renamed
    assert answer.remarks == ("Cell 1 does not define `area` but `my_area`.",)
    answer = area({"cell_type": "markdown", "source": "# Task 1: Area"}, renamed)
    assert (answer.how, answer.cells) == ("heading", (1,))


def test_a_syntax_error_is_an_answer_with_a_remark():
    for cell in (
        "def area(a)\n    return 1",
        {"id": "area-answer", "source": "def area(a:\n return"},
    ):
        answer = area(cell)
        assert not answer.missing
        assert "no valid Python (line 1" in " ".join(answer.remarks)
    assert not area("def area(a):\n    return 1", "def broken(").remarks


def test_a_split_function_is_joined():
    answer = area("def area(a):\n    b = a", "    return b")
    assert "return b" in answer.source
    assert "joined" in answer.remarks[0]
    answer = area("def area(a):", "    b = a", "    if b:\n        return b\n    return 1")
    assert "return 1" in answer.source
    assert "joined" not in " ".join(area("def area(a):\n    return 1", "    b = 2").remarks)


def test_helpers_split_off_are_in_the_prelude():
    result = boxes("import math", "def helper(a):\n    return a", OWN, "area-check", "iou = helper")
    assert [(c.role, c.tasks) for c in result.prelude] == [
        ("other", ()),
        ("other", ()),
        ("task", ("area",)),
        ("check", ("area",)),
        ("task", ("iou",)),
    ]


def test_deleted_and_emptied_answers_are_missing():
    result = boxes({"id": "area-answer", "source": "  \n"}, "area-check", "iou-check")
    assert [(a.missing, a.source, a.cells) for a in result.answers] == [(True, "", ())] * 2
    assert result.answers[0].remarks == ("Cell 1, where the answer belongs, is empty.",)
    assert "another exercise" in result.remarks[-1]


def test_duplicated_ids_are_reported():
    result = boxes(OWN, {**OWN, "source": "def area(a):\n    return 'copy'"}, "area-check")
    assert "copy" in result.answers[0].source
    assert "The cell id 'area-answer' stands 2 times." in result.remarks


def test_a_forged_check_cell_is_not_run():
    forged = {
        "metadata": {"nbgrader": {"grade": True, "grade_id": "check-area"}},
        "source": "grade = 894",
    }
    result = boxes(OWN, forged, "area-check")
    assert [code.role for code in result.prelude] == ["task", "check", "check"]
    assert "894" not in "".join(c.source for c in result.prelude if c.role != "check")
    own = {**OWN, "source": OWN["source"] + "\ncheck_area(area)"}
    assert "check_area" not in area(own).source


def test_markers_of_a_student_have_no_effect():
    tags = ["raises-exception", "nbval-skip", "hide-input"]
    cell = {**OWN, "source": "# NBVAL_SKIP\n" + OWN["source"], "metadata": {"tags": tags}}
    answer = area(cell)
    assert "NBVAL" not in answer.source
    assert answer.remarks == tuple(
        f"The marker {marker} of cell 1 has no effect."
        for marker in ("NBVAL_SKIP", "nbval-skip", "raises-exception")
    )


def test_a_solution_without_tasks_is_refused():
    with pytest.raises(ValueError, match="no task"):
        locate(read(NB), read(NB))


BOMBS = {
    "brackets": "(" * 90_000,
    "operators": "-" * 90_000 + "1",
    "sums": "1+" * 45_000 + "1",
    "attributes": "a" + ".a" * 45_000,
    "elif": "if 1:\n pass\n" + "elif 1:\n pass\n" * 6_000,
    "quotes": '"""\\' * 20_000,
    "lines": "\n" * 90_000 + "x",
    "blanks": " " * 90_000 + "\\",
    "hashes": "# " + "#" * 90_000 + "x",
    "nul": "def area(a):\n    return '\0'",
    "escapes": "'\\d' is 1\n" * 5_000,
}


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.slow
def test_source_that_is_made_to_choke_a_parser(kind):
    begun = time.process_time()
    cells = [BOMBS[kind], {"cell_type": "markdown", "source": BOMBS[kind]}]
    result = boxes(*cells, {"id": "iou-answer", "source": BOMBS[kind]}, OWN)
    assert "own" in result.answers[0].source
    assert time.process_time() - begun < 2


@pytest.mark.slow
def test_more_code_than_anyone_would_write_is_not_parsed():
    result = boxes("a = 1\n" * 20_000, *["a = 1\n" * 10_000] * 8, OWN)
    assert sum("more code than anyone" in remark for remark in result.remarks) == 1
    assert "own" in result.answers[0].source
    assert boxes(*["a = 1\n" * 10_000] * 9, OWN).answers[0].missing
    answer = area({"id": "area-answer", "source": "a = 1\n" * 20_000})
    assert not answer.missing


def test_many_pieces_of_one_function_are_not_joined_for_ever():
    begun = time.process_time()
    boxes("def area(a):\n    b = a", *["    return b"] * 4_900)
    assert time.process_time() - begun < 3


MEASURE = """
import resource, sys
from pathlib import Path
from cvlab.classroom.grading.intake import answers, submissions
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
name = sys.argv[1]
submissions.find(Path(name), "15_boxes", Path(name).parent / "work")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
loaded = {module.partition(".")[0] for module in sys.modules}
print(sorted(loaded & {"torch", "nbformat", "IPython"}))
"""


@pytest.mark.slow
def test_memory_stays_small_and_no_library_is_loaded(tmp_path):
    noise = os.urandom(1 << 20)
    members = [(f"s_{i}_assignsubmission_file_/15_boxes.ipynb", noise * 19) for i in range(12)]
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as file:
        for name, data in members:
            file.writestr(name, data)
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "m.zip")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    megabytes, modules = ran.stdout.splitlines()
    assert float(megabytes) < 100
    assert modules == "[]"


MEASURE_READ = """
import json, resource
from cvlab.classroom.grading.intake import ipynb
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fill = {b"{},": 499_000, b'"ab",': 999_000, b"1.5,": 2_990_000}
for piece, count in fill.items():
    ipynb.read(b'{"cells": [], "a": [' + piece * count + b"1]}")
wide = "\\U0001f600" + "x" * 15_000_000
ipynb.read(json.dumps({"cells": [{"source": wide}]}, ensure_ascii=False).encode())
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
def test_no_file_takes_much_memory_to_read():
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE_READ], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert float(ran.stdout) < 200


@pytest.mark.slow
def test_a_class_of_a_thousand_is_found_in_seconds(tmp_path):
    members = [(f"Student {i}_{i}_assignsubmission_file_/15_boxes.ipynb", NB) for i in range(1000)]
    text = "id,name\n" + "".join(f"s{i},Student {i}\n" for i in range(1100))
    begun = time.process_time()
    intake = find(
        archive(tmp_path / "m.zip", members), EXERCISE, tmp_path / "work", roster(tmp_path, text)
    )
    assert time.process_time() - begun < 5
    assert len(intake.submissions) == 1100
    assert sum(each.path is None for each in intake.submissions) == 100


@pytest.mark.parametrize("module", [ipynb, magics, syntax, names, blackboard])
def test_doctests(module):
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed
