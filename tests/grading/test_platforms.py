"""What platforms make of a class: whose a file is, who of a group, when it came, and who is late.

Each platform is tried with attempts, groups, anonymous, late and resubmitted work, and with names
that are not ASCII or hold underscores; what it cannot say, it must not be made to say.
"""

from __future__ import annotations

import doctest
import io
import json
import zipfile
from datetime import UTC, datetime

import pytest

from cvlab.classroom.grading.intake.platforms import (
    PLATFORMS,
    brightspace,
    gradescope,
    sakai,
)
from cvlab.classroom.grading.intake.submissions import find

EXERCISE = "15_boxes"
FORGED = b"2020-01-01T00:00:00Z"
MARCH = datetime(2030, 3, 1, 17, 59, 3, tzinfo=UTC)


def notebook(text="answer = 42"):
    """Bytes of a notebook with one cell."""
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": text}
    whole = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole).encode()


NB = notebook()


@pytest.fixture
def take(tmp_path):
    """Lay files out as a zip or a folder, find the submissions; entries by student."""

    def run(members, roster=None, form="zip", **options):
        place, people = tmp_path / "class.zip", None
        with zipfile.ZipFile(place, "w") as file:
            for name, data in members:
                file.writestr(name, data)
        if form == "folder":
            with zipfile.ZipFile(place) as file:
                file.extractall(tmp_path / "class")
            place = tmp_path / "class"
        if roster is not None:
            people = tmp_path / "roster.csv"
            people.write_text(roster, encoding="utf-8")
        return find(place, EXERCISE, tmp_path / "work", people, **options)

    return run


def by_student(intake):
    return {each.student: each for each in intake.submissions}


def code(submission):
    return json.loads(submission.path.read_bytes())["cells"][0]["source"]


def test_what_leaves_no_doubt_comes_first():
    names = [each.name for each in PLATFORMS]
    assert names[:1] == ["nbgrader"]  # in a folder `submitted`
    assert names[1:7] == ["moodle", "blackboard", "gradescope", "sakai", "brightspace", "canvas"]
    assert names[7:] == ["nbgrader", "ilias", "classroom", "folder"]


@pytest.mark.parametrize("module", [brightspace, gradescope, sakai])
def test_doctests(module):
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed


# Gradescope

METADATA = """---
submission_101:
  :submitters:
  - :name: Kurt Gödel
    :sid: '0042'
    :email: kurt@example.org
  :created_at: 2030-03-01 17:59:03.000000000 Z
  :score: 0.0
  :results:
    output: |-
      submission_101:
        :submitters:
        - :name: Somebody Else
        :created_at: 2020-01-01 00:00:00.000000000 Z
  :history:
  - :submitters: []
    :created_at: 2020-01-01 00:00:00.000000000 Z
    :id: 99
submission_102:
  :submitters:
  - :name: 'Miles O''Brien'
    :sid: ''
    :email: miles@example.org
  - :name: "tu_ring: \\"Alan\\""
    :sid: '0043'
    :email: tu_ring@example.org
  :created_at: 2030-03-01 18:59:03.000000 +01:00
"""
GRADESCOPE = [
    ("assignment_7_export/submission_metadata.yml", METADATA),
    ("assignment_7_export/submission_101/15_boxes.ipynb", notebook("kurt")),
    ("assignment_7_export/submission_101/timestamp.txt", FORGED),
    (
        "assignment_7_export/submission_101/submission_metadata.yml",
        METADATA.replace("2030", "2020"),
    ),
    ("assignment_7_export/submission_102/src/15_boxes.ipynb", notebook("two")),
    ("assignment_7_export/submission_103/15_boxes.ipynb", notebook("nobody")),
]


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_gradescope_says_whose_it_is_and_when_it_came(take, form):
    intake = take(GRADESCOPE, form=form)
    assert (intake.layout, intake.remarks) == ("gradescope", ())
    found = by_student(intake)
    assert list(found) == ["0042", "0043", "miles@example.org", "submission_103"]
    kurt, alan, miles, nobody = found.values()
    assert (kurt.name, kurt.submitted, kurt.problem, code(kurt)) == (
        *("Kurt Gödel", MARCH, None),
        "kurt",
    )
    assert (alan.name, miles.name) == ('tu_ring: "Alan"', "Miles O'Brien")
    assert alan.submitted == miles.submitted == MARCH
    assert code(alan) == code(miles) == "two"
    assert alan.problem == "It was handed in together with Miles O'Brien."
    assert (nobody.submitted, "does not say whose" in nobody.problem) == (None, True)


def test_gradescopes_table_is_a_roster(take):
    table = "First Name,Last Name,SID,Email,Total Score,Submission ID\n"
    table += "Kurt,Gödel,0042,kurt@example.org,,101\nAlan,T,0043,,,102\nEmmy,N,0044,,,\n"
    table += "Miles,O'Brien,0045,miles@example.org,,102\n"
    found = by_student(take(GRADESCOPE, table))
    assert [each.path is not None for each in found.values()] == [True] * 2 + [False] + [True] * 2
    assert list(found) == ["0042", "0043", "0044", "0045", "submission_103"]


@pytest.mark.parametrize(
    "text", ["", "\x00\xff", "- a\n- b\n", "submission_101:\n  :submitters:\n"]
)
def test_gradescope_without_what_says_whose_it_is_merges_nobody(take, text):
    found = by_student(take([(GRADESCOPE[0][0], text), *GRADESCOPE[1:2], *LOOSE]))
    assert len(found) == 1 + len(LOOSE)
    assert all("does not say whose" in each.problem for each in found.values())
    assert not any(each.submitted for each in found.values())


LOOSE = [(f"assignment_7_export/submission_{i}/15_boxes.ipynb", NB) for i in (7, 8)]


def test_gradescope_with_a_time_that_cannot_be_read(take):
    text = METADATA.replace("2030-03-01", "yesterday")
    found = by_student(take([(GRADESCOPE[0][0], text), *GRADESCOPE[1:2]]))
    assert found["0042"].submitted is None
    assert "time in submission_metadata.yml cannot be read" in found["0042"].problem


# Sakai

ADA = "Boxes/King, Ada(ada_k)"
UUID = "0f8fad5b-d9cb-469f-a165-70867728950{}"
ATTACHED = "Submission attachment(s)"
SAKAI = [
    (f"{ADA}/timestamp.txt", "2030-03-01T17:59:03Z"),
    (f"{ADA}/{ATTACHED}/15_boxes.ipynb", notebook("ada")),
    (f"{ADA}/{ATTACHED}/timestamp.txt", FORGED),
    (f"{ADA}/Feedback Attachment(s)/15_boxes.ipynb", notebook("tutor")),
    (f"{ADA}/comments.txt", "well done"),
    (f"{ADA}/King, Ada(ada_k)_submissionText.html", "<p>done</p>"),
    ("Boxes/King, Ada(ada_l)/timestamp.txt", "2030-03-01T17:59:03.000000001Z"),
    (f"Boxes/King, Ada(ada_l)/{ATTACHED}/15_boxes.ipynb", notebook("her namesake")),
    (f"Boxes/Godel, Kurt(kg)/{ATTACHED}/work.ipynb", notebook("kurt")),
    (f"Boxes/, (li)/{ATTACHED}/15_boxes.ipynb", notebook("li")),
    (f"Boxes/tu_ring, Alan(at); Noether, Emmy(en)/{ATTACHED}/15_boxes.ipynb", notebook("two")),
    ("Boxes/grades.csv", "Boxes,Points\n\nDisplay ID,ID,Last Name,First Name,grade,Time,Late\n"),
]


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_sakai_tells_namesakes_apart_and_when_it_came(take, form):
    intake = take(SAKAI, form=form)
    assert (intake.layout, intake.remarks) == ("sakai", ())
    found = by_student(intake)
    said = {student: (each.name, code(each)) for student, each in found.items()}
    assert said == {
        "ada_k": ("Ada King", "ada"),
        "ada_l": ("Ada King", "her namesake"),
        "at": ("Alan tu_ring", "two"),
        "en": ("Emmy Noether", "two"),
        "kg": ("Kurt Godel", "kurt"),
        "li": ("li", "li"),
    }
    assert found["ada_k"].submitted == found["ada_l"].submitted == MARCH
    assert found["kg"].submitted is None
    assert found["at"].problem == "It was handed in together with Emmy Noether."


def test_sakais_eids_are_on_the_roster(take):
    found = by_student(take(SAKAI, "eid,name\nada_k,Ada King\nada_l,Ada King\nkg,Kurt Gödel\n"))
    assert found["kg"].name == "Kurt Gödel"
    assert {each for each in found if not found[each].problem} == {"ada_k", "ada_l", "kg"}


def test_sakais_groups_have_members_and_the_groups_file(take):
    members, alone = f"Boxes/Team {{}} ({UUID})", f"Boxes/Team B ({UUID.format(2)})"
    first = members.format("A", 1)
    found = by_student(
        take(
            [
                (f"{first}/members.txt", "King, Ada(ada); G&#246;del, Kurt(kg)"),
                (f"{first}/timestamp.txt", "2030-03-01T17:59:03Z"),
                (f"{first}/{ATTACHED}/members.txt", "Nobody, At All(none)"),
                (f"{first}/{ATTACHED}/15_boxes.ipynb", NB),
                (f"{alone}/{ATTACHED}/15_boxes.ipynb", NB),
            ]
        )
    )
    other, ada, kurt = found.values()
    assert (other.name, ada.student, kurt.student) == ("Team B", "ada", "kg")
    assert (kurt.name, ada.submitted, kurt.submitted) == ("Kurt Gödel", MARCH, MARCH)
    assert "no members.txt" in other.problem


def test_sakai_anonymous_and_in_another_language(take):
    first, second = (f"Boxes/{UUID.format(i)} Anonyme Abgabe" for i in (1, 2))
    members = [
        (f"{first}/Anhänge/15_boxes.ipynb", notebook("first")),
        (f"{first}/timestamp.txt", "2030-03-01T17:59:03Z"),
        (f"{second}/Anhänge/15_boxes.ipynb", notebook("second")),
    ]
    found = by_student(take(members))
    assert list(found) == [UUID.format(1), UUID.format(2)]
    assert [code(each) for each in found.values()] == ["first", "second"]
    assert [each.submitted for each in found.values()] == [MARCH, None]


def test_sakai_without_folders_takes_the_time_from_its_table(take):
    rows = [
        "Boxes,Points,,,,,",
        "",
        "Display ID,ID,Last Name,First Name,grade,Submission time,Late",
        "ada,ada,King,Ada,,2030-03-01T17:59:03Z,Late",
        "eve,eve,2020-01-01T00:00:00Z,Eve,,2030-03-01T17:59:03Z,Late",
        f"{UUID.format(1)} Anonymous,{UUID.format(1)} Anonymous,A,A,,2030-03-01T17:59:03Z,Late",
    ]
    trick = f"b)_{ATTACHED}_15_boxes.ipynb"
    members = [
        (f"Boxes/King, Ada(ada)_{ATTACHED}_15_boxes.ipynb", notebook("ada")),
        (f"Boxes/King, Ada(ada)_{ATTACHED}_timestamp.txt", FORGED),
        ("Boxes/King, Ada(ada)_comments.txt", "well done"),
        (f"Boxes/2020-01-01T00:00:00Z, Eve(eve)_{ATTACHED}_Noether, Emmy({trick}", notebook("eve")),
        (f"Boxes/{UUID.format(1)} Anonymous_{ATTACHED}_15_boxes.ipynb", notebook("anon")),
        ("Boxes/Noether, Emmy(en)__submissionText.html", "<p>sorry</p>"),
        ("Boxes/grades.csv", "\n".join(rows)),
    ]
    intake = take(members)
    found = by_student(intake)
    assert intake.remarks == ()
    assert list(found) == [UUID.format(1), "ada", "en", "eve"]
    assert found["en"].path is None
    assert {key: code(each) for key, each in found.items() if each.path} == {
        UUID.format(1): "anon",
        "ada": "ada",
        "eve": "eve",
    }
    assert {each.submitted for each in found.values() if each.path} == {MARCH}


def test_a_folder_named_as_sakai_does_is_none_of_sakai(take):
    names = ["King, Ada(ada)", "Godel, Kurt(kg)"]
    members = [(f"{name}/15_boxes.ipynb", NB) for name in names]
    members += [(f"{name}/timestamp.txt", FORGED) for name in names]
    members += [(f"{name}/{ATTACHED}/x.ipynb", NB) for name in names]
    intake = take(members)
    assert intake.layout == "folder"
    assert not any(each.submitted for each in intake.submissions)


# Brightspace

BRIGHTSPACE = [
    ("Boxes/index.html", "<html>"),
    ("Boxes/11-70 - Ada King - Mar 1, 2030 1259 AM/15_boxes.ipynb", notebook("first")),
    ("Boxes/11-70 - Ada King - Mar 1, 2030 1201 PM/15_boxes.ipynb", notebook("third")),
    ("Boxes/11-70 - Ada King - Mar 1, 2030 1158 AM/15_boxes.ipynb", notebook("second")),
    ("Boxes/11-70 - Ada King - Mar 1, 2030 1201 PM/timestamp.txt", FORGED),
    ("Boxes/12-70 - Ada King - Mar 2, 2030 905 AM/15_boxes.ipynb", notebook("namesake")),
    ("Boxes/13-70 - Jean-Luc tu_ring - Mar 2, 2030 905 AM/a - b.ipynb", notebook("jl")),
    ("Boxes/14-70 - 李 Gödel - mars 2, 2030 905 AM/15_boxes.ipynb", notebook("li")),
    ("Boxes/15-70 - Group 3 - Mar 2, 2030 905 AM/15_boxes.ipynb", notebook("group")),
]


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_of_brightspaces_attempts_the_last_counts(take, form):
    intake = take(BRIGHTSPACE, form=form)
    assert (intake.layout, intake.remarks) == ("brightspace", ())
    found = sorted((each.name, code(each)) for each in intake.submissions)
    assert found == [
        ("Ada King", "namesake"),
        ("Ada King", "third"),
        ("Group 3", "group"),
        ("Jean-Luc tu_ring", "jl"),
        ("李 Gödel", "li"),
    ]
    said = {code(each): each.problem for each in intake.submissions}
    assert "last of several attempts" in said["third"]
    assert all("namesake or not" in said[text] for text in ("third", "namesake"))
    assert not any(each.submitted or each.late for each in intake.submissions)


def test_brightspaces_attempts_in_another_language_are_not_guessed(take):
    form = "11-70 - Ada King - {} 1, 2030 905 AM/15_boxes.ipynb"
    members = [(form.format(month), notebook(month)) for month in ("mai", "août")]
    (ada,) = take(members).submissions
    assert "Which of several attempts is the last cannot be told" in ada.problem
    assert "2 notebooks were handed in" in ada.problem


def test_brightspace_without_folders(take):
    forged = "x - Jan 1, 2031 100 AM - 15_boxes.ipynb"
    members = [
        ("1-70 - N0101 - Ada King- Mar 1, 2030 905 AM - 15_boxes.ipynb", notebook("ada")),
        (f"2-70 - N0102 - Eve Gödel - Mar 1, 2030 905 AM - {forged}", notebook("old")),
        ("2-70 - N0102 - Eve Gödel - Mar 2, 2030 905 AM - 15_boxes.ipynb", notebook("new")),
    ]
    found = by_student(take(members, "username,name\nN0101,Ada King\ne,Eve Godel\n"))
    assert {key: code(each) for key, each in found.items()} == {"N0101": "ada", "e": "new"}


# ILIAS

SUBMISSIONS = "Boxes/Submissions"
ILIAS = [
    (f"{SUBMISSIONS}/King_Ada_ada_1815/15_boxes.ipynb", notebook("first")),
    (f"{SUBMISSIONS}/King_Ada_ada_1815/15_boxes (2).ipynb", notebook("second")),
    (f"{SUBMISSIONS}/King_Ada_ada_1815/timestamp.txt", FORGED),
    (f"{SUBMISSIONS}/King_Ada_adak_1816/Late Submission - 15_boxes.ipynb", notebook("late")),
    (f"{SUBMISSIONS}/Goedel_Kurt_kg_1906/Late Submission - notes.pdf", b"%PDF"),
    (f"{SUBMISSIONS}/Goedel_Kurt_kg_1906/15_boxes.ipynb", notebook("kurt")),
    (f"{SUBMISSIONS}/tu_ring_Alan_a_t_1912/15_boxes.ipynb", notebook("alan")),
    (f"{SUBMISSIONS}/van der Berg_Anna_a_berg_1913/15_boxes.ipynb", notebook("anna")),
    ("Boxes/Feedback_files/to_King_Ada_ada_1815/from_x_y_z_1/15_boxes.ipynb", notebook("no")),
    ("Boxes/Boxes.xlsx", b"PK"),
]


@pytest.mark.parametrize("form", ["zip", "folder"])
@pytest.mark.parametrize("name", [SUBMISSIONS, "Boxes/Abgaben", "Homework 1", ""])
def test_ilias_has_users_of_one_name_and_says_who_is_late(take, form, name):
    kept = ILIAS if name.startswith("Boxes") else ILIAS[:-2]
    members = [(n.replace(SUBMISSIONS, name).lstrip("/"), data) for n, data in kept]
    text = "login,name\nada,Ada King\nkg,Kurt Gödel\nat,Alan tu_ring\na_berg,Anna v. d. Berg\n"
    intake = take(members, text + "adak,Ada King\nberg,Some Berg\n", form)
    assert intake.layout == "ilias"
    found = by_student(intake)
    assert {key: (each.late, code(each)) for key, each in found.items() if each.path} == {
        "ada": (False, "second"),
        "adak": (True, "late"),
        "kg": (False, "kurt"),
        "at": (False, "alan"),
        "a_berg": (False, "anna"),
    }
    assert not found["adak"].problem
    assert found["berg"].problem == "Nothing was handed in."
    assert not any(each.submitted for each in found.values())


def test_ilias_in_german_is_late_as_well(take):
    members = [(f"Abgaben/King_Ada_ada{i}_{i}/{late}15_boxes.ipynb", NB) for i, late in LATE]
    assert [each.late for each in take(members).submissions] == [True, True, False]


LATE = ((1, "Verspätete Abgabe - "), (2, "Verspaetete Abgabe - "), (3, "latest - "))


def test_teams_of_ilias_are_those_who_uploaded(take):
    names = ["Team 1/King_Ada_ada_1815", "Team 1/Goedel_Kurt_kg_1906", "Team 2/Noether_Emmy_en_7"]
    found = by_student(take([(f"Abgaben/{n}/15_boxes.ipynb", notebook(n)) for n in names]))
    assert list(found) == ["ada", "en", "kg"]
    assert [code(found[key]) for key in ("ada", "kg", "en")] == names
    assert found["en"].problem == "It is of Team 2, whose other members ILIAS does not name."


def test_folders_that_only_look_like_those_of_ilias_are_not_merged(take):
    same = [(f"hw_of_{who}_1/15_boxes.ipynb", NB) for who in ("ada", "emmy")]
    assert take(same).layout == "folder"
    tree = [(f"a_b_c_{i}/15_boxes/15_boxes.ipynb", NB) for i in (1, 2)]
    intake = take(tree)
    assert (intake.layout, [each.student for each in intake.submissions]) == (
        "nbgrader",
        ["a_b_c_1", "a_b_c_2"],
    )


# Google Classroom


@pytest.mark.parametrize("title", ["15_boxes", "15 boxes", "Homework 3"])
def test_classroom_names_students_and_never_merges_namesakes(take, title):
    members = [
        (f"Ada King - {title}.ipynb", notebook("ada")),
        (f"Ada King - {title} (1).ipynb", notebook("namesake")),
        (f"Kurt Gödel - {title}.ipynb", notebook("kurt")),
        (f"tu_ring alan - {title}.ipynb", notebook("alan")),
        (f"Copy of Emmy Noether - {title}.ipynb", notebook("emmy")),
        ("max.ipynb", notebook("max")),
        ("images/cat.png", b"png"),
        ("timestamp.txt", FORGED),
    ]
    intake = take(members, "id,name\n1,Kurt Gödel\n2,Alan tu_ring\n3,Max\n4,Emmy Noether\n")
    assert intake.layout == "classroom"
    found = {code(each): each for each in intake.submissions}
    assert len(found) == 6
    said = {text: found[text].student for text in ("kurt", "alan", "max", "emmy")}
    assert said == {"kurt": "1", "alan": "2", "max": "3", "emmy": "4"}
    for text in ("ada", "namesake"):
        assert found[text].name == "Ada King"
        assert "namesake or not" in found[text].problem
    assert not any(each.submitted or each.late for each in intake.submissions)


def test_classroom_does_not_know_whose_a_file_is_that_names_nobody(take):
    names = ["15_boxes", "15_boxes (1)", "15_boxes(2)", "Copy of 15_boxes", "Copy of 15_boxes (1)"]
    names += ["Kopie von 15_boxes", "15_boxes - Copy"]
    intake = take([(f"{name}.ipynb", notebook(name)) for name in names])
    assert sorted(code(each) for each in intake.submissions) == sorted(names)
    assert all("does not say whose" in each.problem for each in intake.submissions)


def test_a_class_of_classroom_in_a_folder_is_asked_for(take):
    members = [(f"Boxes/{who} - 15_boxes.ipynb", NB) for who in ("Ada King", "Kurt Gödel")]
    with pytest.raises(ValueError, match="--layout class"):
        take(members)
    found = by_student(take(members, layout="class"))
    assert list(found) == ["Ada-King", "Kurt-Godel"]


# All platforms

NAMES = ("Jürgen Groß", "Alan tu_ring", "華 李", "Zoë_Åsa O'Neil-Öst")
FORMS = {  # of a name, its two words, the same without blanks, and a number
    "moodle": "{name}_{number}_assignsubmission_file_/15_boxes.ipynb",
    "canvas": "{login}_LATE_{number}_901_15_boxes.ipynb",
    "blackboard": "HW_{login}_attempt_2030-01-01-10-00-00_15_boxes.ipynb",
    "brightspace": "{number}-70 - {name} - Mar 2, 2030 905 AM/15_boxes.ipynb",
    "sakai": "Boxes/{words[1]}, {words[0]}({login})/Submission attachment(s)/15_boxes.ipynb",
    "classroom": "{name} - 15_boxes.ipynb",
    "nbgrader": "submitted/{login}/15_boxes/15_boxes.ipynb",
    "folder": "{name}/15_boxes.ipynb",
}


@pytest.mark.parametrize("platform", FORMS)
def test_names_of_any_alphabet_and_with_underscores_are_on_the_roster(take, platform):
    people = [
        {"name": name, "words": name.split(), "login": name.replace(" ", ""), "number": number}
        for number, name in enumerate(NAMES, 101)
    ]
    roster = "id,username,name\n"
    roster += "".join("{number},{login},{name}\n".format(**each) for each in people)
    members = [(FORMS[platform].format(**each), notebook(each["name"])) for each in people]
    intake = take(members, roster)
    assert (intake.layout, intake.remarks) == (platform, ())
    assert {each.student: code(each) for each in intake.submissions} == {
        str(each["number"]): each["name"] for each in people
    }
    assert all(each.late == (platform == "canvas") for each in intake.submissions)


def test_moodle_without_names(take):
    members = [
        (f"Participant {number}_{number}_assignsubmission_file_/15_boxes.ipynb", notebook(text))
        for number, text in ((12, "ada"), (13, "emmy"))
    ]
    found = by_student(take(members, "Identifier,Full name\nParticipant 13,Emmy\n"))
    assert {key: (each.name, code(each)) for key, each in found.items()} == {
        "Participant-13": ("Emmy", "emmy"),
        "12": ("Participant 12", "ada"),
    }


CLASSES = {
    "gradescope": GRADESCOPE,
    "sakai": SAKAI,
    "brightspace": BRIGHTSPACE,
    "ilias": ILIAS,
}


@pytest.mark.filterwarnings("ignore:Duplicate name")  # from writing it, which is meant
@pytest.mark.parametrize("name", CLASSES)
def test_a_hostile_member_harms_nobody(take, name):
    top = next(n for n, _ in CLASSES[name] if n.endswith(".ipynb")).rpartition("/")[0]
    link = zipfile.ZipInfo(f"{top}/15_boxes.ipynb")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("15_boxes.ipynb", "not read")
    bad = [(link, "/etc/passwd"), (f"{top}/../../x.ipynb", NB), (f"{top}/b.zip", buffer.getvalue())]
    before = by_student(take(CLASSES[name]))
    after = by_student(take([*CLASSES[name], *bad]))
    assert list(after) == list(before)
    kept = [key for key in after if after[key] == before[key]]
    assert len(kept) >= len(before) - 2


@pytest.mark.parametrize("name", CLASSES)
def test_one_students_files_do_not_make_a_platform_of_a_folder(take, name):
    honest = [(f"{who}/15_boxes.ipynb", notebook(who)) for who in ("ada", "bob", "cleo")]
    trap = [(f"eve/{path}", data) for path, data in CLASSES[name]]
    inside = [(path.partition("/")[2], data) for path, data in CLASSES[name][:3]]
    for extra in (trap, inside):
        found = by_student(take([*honest, *extra]))
        assert all(code(found[who]) == who for who in ("ada", "bob", "cleo"))
        assert not any(each.submitted for each in found.values())


@pytest.mark.parametrize("name", CLASSES)
def test_a_folder_is_of_no_platform_where_the_teacher_says_so(take, name):
    inside = [(path.partition("/")[2], data) for path, data in CLASSES[name]]
    try:
        assert take(inside, layout="folder").layout == "folder"
    except ValueError as error:
        assert "--layout class or --layout student" in str(error)  # noqa: PT017 - either is right
