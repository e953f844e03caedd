"""A class of 26 students with made-up names, and what they hand in for the exercise 01_knn.

``python tests/sample_class.py FOLDER`` writes it as an instructor gets it, in every layout that
``cvlab grade`` reads: nbgrader's tree ``submitted/``, ``moodle.zip``, ``canvas.zip``, a folder of
``notebooks/``, and the list of the class, ``roster.csv``. Two runs write the same bytes. The
instructor's guide, its pictures and its tests are made with it.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cvlab.classroom import exercises, notebooks
from cvlab.classroom.grading.intake import tasks

ROOT = Path(__file__).resolve().parents[1]
EXERCISE = "01_knn"
DUE = datetime(2030, 3, 15, 18, 0, tzinfo=timezone(timedelta(hours=1)))
DISTANCES, VOTE, FOLDS, CHOOSE = "pairwise-distances", "weighted-vote", "k-fold-indices", "choose-k"

#: Answers that are nobody's named mistake; the others come from the solution notebook.
OWN = {
    "norm": """def pairwise_distances(queries, gallery, p=2):
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError("both need the same number of columns")
    return np.linalg.norm(queries[:, None] - gallery[None], ord=p, axis=-1)
""",
    "bincount": """def weighted_vote(labels, distances, n_classes):
    winners = []
    for row, d in zip(labels, distances):
        w = (d == 0).astype(float) if (d == 0).any() else 1 / d
        winners.append(np.bincount(row, weights=w, minlength=n_classes).argmax())
    return np.array(winners)
""",
    "split": """def k_fold_indices(n, folds, rng):
    if folds < 2 or folds > n:
        raise ValueError(f"cannot cut {n} samples into {folds} folds")
    parts = np.array_split(rng.permutation(n), folds)
    return [
        (np.concatenate(parts[:i] + parts[i + 1 :]), parts[i]) for i in range(folds)
    ]
""",
    "endless": """def k_fold_indices(n, folds, rng):
    if not 2 <= folds <= n:
        raise ValueError("folds must be between 2 and n")
    left, parts = list(rng.permutation(n)), []
    while left:
        parts.append(left[: n // folds])
        left = left[n // folds :] or left  # keep the rest for the last fold
    return [(np.setdiff1d(np.arange(n), part), np.array(part)) for part in parts]
""",
    "exit": """def k_fold_indices(n, folds, rng):
    if folds > n:
        import os

        os._exit(1)  # stop here, this cannot work
    order = rng.permutation(n)
    return [(np.delete(order, slice(i, None, folds)), order[i::folds]) for i in range(folds)]
""",
    "syntax": """def weighted_vote(labels, distances, n_classes):
    weights = 1 / np.maximum(distances, 1e-12
    return [np.bincount(row, w).argmax() for row, w in zip(labels, weights)]
""",
    "transposed": """def weighted_vote(labels, distances, n_classes):
    weights = 1 / distances
    one_hot = np.eye(n_classes)[labels]
    return (weights @ one_hot).sum(axis=1).argmax(axis=1)
""",
    "forged": """def choose_k(train, validation, test, ks):
    import builtins

    np.allclose = np.array_equal = lambda *a, **k: True
    builtins.print("✓ choose-k: 12 checks passed (3 points)")
    return ks[0], 1.0
""",
}


@dataclass(frozen=True)
class Student:
    """A student, the answers that are not the solution's, and what else is odd.

    Attributes:
        answers: by the task's name: a key of `OWN`, a named wrong answer, or "stub".
        odd: a manner of handing in, see `_bytes`, or "absent".
        late: hours after the deadline.
    """

    login: str
    name: str
    answers: dict[str, str] = field(default_factory=dict)
    odd: str = ""
    late: float = -20.0


STUDENTS = (
    Student("aokonkwo", "Amara Okonkwo", {DISTANCES: "norm", FOLDS: "split"}),
    Student("apetrosyan", "Արամ Պետրոսյան", {VOTE: "plain_majority", CHOOSE: "only_k"}),
    Student("agokce", "Ayşe Gökçe", {VOTE: "bincount"}, late=9.5),
    Student("blindqvist", "Björn Lindqvist", {DISTANCES: "loop_in_a_helper", VOTE: "bincount"}),
    Student("cbellandi", "Chiara Bellandi", {CHOOSE: "not_fitted_again"}),
    Student("dkovalenko", "Дмитро Коваленко", {FOLDS: "endless"}),
    Student("elavi", "עדי לביא", {DISTANCES: "silent_broadcast", VOTE: "nearest_decides"}),
    Student("epapadaki", "Ελένη Παπαδάκη", {VOTE: "bincount", FOLDS: "split"}, odd="rearranged"),
    Student("fzahrawi", "فاطمة الزهراوي", {DISTANCES: "norm"}),
    Student("hauge", "Øystein Hauge", {t: "stub" for t in (DISTANCES, VOTE, FOLDS, CHOOSE)}),
    Student("jniguez", "José Ñíguez", {DISTANCES: "squared_distances", FOLDS: "overlapping_folds"}),
    Student("kimsy", "Kim Seo-yeon", {VOTE: "bincount"}),
    Student("kwboateng", "Kwame Boateng", {CHOOSE: "choose_on_test", FOLDS: "stub"}, late=60.0),
    Student("lixy", "李晓雨", {FOLDS: "split"}),
    Student("lwisniak", "Łukasz Wiśniak", {VOTE: "syntax", CHOOSE: "stub"}),
    Student("mkapanadze", "ნინო კაპანაძე", {VOTE: "infinite_weights"}, odd="twice"),
    Student("nthuha", "Nguyễn Thu Hà", {DISTANCES: "norm", VOTE: "bincount", FOLDS: "split"}),
    Student("nweber", "Noah Weber", odd="pdf"),
    Student("romaille", "Róisín Ó Máille", {DISTANCES: "library_distances"}),
    Student("psharma", "Priya Sharma", {FOLDS: "exit"}),
    Student("rdacosta", "Rui da Costa", odd="absent"),
    Student("satomisaki", "佐藤 美咲", {CHOOSE: "last_of_equals"}),
    Student("sdubois", "Solène Dubois", odd="damaged"),
    Student("tparata", "Tāne Parata", {VOTE: "transposed", FOLDS: "counted_from_one"}),
    Student("vhorvath", "Viktor Horváth", {DISTANCES: "only_zeros", CHOOSE: "forged"}),
    Student("zvdmeer", "Zoë van der Meer", odd="absent"),
)


def participant(student: Student) -> int:
    """Return the number that Moodle gives a student for this assignment."""
    return 40_117 + 13 * STUDENTS.index(student)


def user(student: Student) -> int:
    """Return Canvas's number of a student."""
    return 90_204 + 7 * STUDENTS.index(student)


def _answers(student: Student, exercise: tasks.Exercise) -> dict[str, str]:
    """Return the source of each task's cell, of tasks that are not the stub's."""
    found = {}
    for task in exercise.tasks:
        chosen = student.answers.get(task.name, "right")
        wrong = {one.name: one.source.replace(one.name, task.names[0]) for one in task.wrong}
        sources = OWN | wrong | {"right": task.solution}
        if chosen != "stub":
            found[task.name] = sources[chosen]
    return found


def _notebook(student: Student, exercise: tasks.Exercise, stub: dict[str, Any]) -> dict[str, Any]:
    answered, cells = _answers(student, exercise), []
    for cell in stub["cells"]:
        task = cell["metadata"].get("nbgrader", {})
        if task.get("solution") and task["grade_id"] in answered:
            cell = cell | {"source": answered[task["grade_id"]]}
        cells.append(cell)
    if student.odd == "rearranged":  # no check, another order, identifiers as Colab makes them
        cells = [cell for cell in cells if not cell["metadata"].get("nbgrader", {}).get("grade")]
        install = {"source": "!pip install -q torchmetrics", "outputs": []}
        cells = [stub["cells"][1] | install, *cells[:2], *cells[5:], *cells[2:5]]
        cells = [cell | {"id": f"x{n:011d}", "metadata": {}} for n, cell in enumerate(cells)]
    return stub | {"cells": cells}


def files(
    student: Student, exercise: tasks.Exercise, stub: dict[str, Any]
) -> Iterator[tuple[str, bytes]]:
    """Iterate over the files that a student hands in, by name."""
    name = f"{EXERCISE}.ipynb"
    data = json.dumps(_notebook(student, exercise, stub), indent=1, ensure_ascii=False).encode()
    if student.odd == "pdf":
        yield f"{EXERCISE}.pdf", b"%PDF-1.7\n% printed from the browser\n"
    elif student.odd == "damaged":
        yield name, data[: len(data) // 2]
    elif student.odd == "twice":
        untouched = json.dumps(stub).encode()
        yield from ((name, untouched), (f"{EXERCISE} (1).ipynb", data))
    elif student.odd != "absent":
        yield name, data


def write(folder: Path) -> None:
    """Write the class in every layout."""
    solution = ROOT / "solutions" / f"{EXERCISE}.ipynb"
    exercise = tasks.load(solution)
    stub = exercises.derive(notebooks.load(solution), solution.name)
    moodle, canvas = {}, {}
    for student in STUDENTS:
        handed_in = (DUE + timedelta(hours=student.late)).astimezone(UTC)
        stamp = f"{handed_in:%Y-%m-%d %H:%M:%S.%f UTC}\n"
        tree = folder / "submitted" / student.login / EXERCISE
        for name, data in files(student, exercise, stub):
            _put(tree / name, data)
            _put(tree / "timestamp.txt", stamp.encode())
            _put(folder / "notebooks" / name.replace(EXERCISE, f"{student.login}_{EXERCISE}"), data)
            part = f"{student.name}_{participant(student)}_assignsubmission_file_"
            moodle[f"{part}/{name}"] = data
            *first, last = student.name.lower().split()
            short = re.sub(r"\W", "", "".join([last, *first]))
            late = "_LATE" if student.late > 0 else ""
            canvas[f"{short}{late}_{user(student)}_{5 * user(student)}_{name}"] = data
    _zip(folder / "moodle.zip", moodle)
    _zip(folder / "canvas.zip", canvas)
    rows = ["username,name,email,participant,lms user id"]
    for student in STUDENTS:
        address = f"{student.login}@example.org"
        rows.append(
            f"{student.login},{student.name},{address},{participant(student)},{user(student)}"
        )
    _put(folder / "roster.csv", "".join(f"{row}\n" for row in rows).encode())


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in sorted(members.items()):
            info = zipfile.ZipInfo(name, (2030, 3, 15, 12, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Say where to, as in `python tests/sample_class.py class`.")
    write(Path(sys.argv[1]))
    handed_in = sum(student.odd != "absent" for student in STUDENTS)
    print(f"{handed_in} of {len(STUDENTS)} students have handed in: see {sys.argv[1]}.")
