"""A small exercise with every kind of task, and students' notebooks for it."""

from __future__ import annotations

import json
from typing import Any

SETUP = "import numpy as np\nimport torch\n\nfrom cvlab import check"
#: By the task's name: statement's heading, signature, body, check, probes, points.
TASKS: dict[str, dict[str, Any]] = {
    "row-means": {
        "head": "def row_means(x):",
        "body": "    if x.ndim != 2:\n        raise ValueError('two axes, please')\n"
        "    return x.mean(axis=1)",
        "points": 4,
        "check": "    check.close(row_means(np.array([[1.0, 3.0]])), [2.0], hint='axis 1')",
        "probes": [
            """@check.probe("row-means", points=3, hint="average over the columns")
def random_tables(rng):
    tables = [rng.normal(size=(rng.integers(1, 6), rng.integers(1, 6))) for _ in range(3)]
    return [row_means(table) for table in tables]""",
            """@check.probe("row-means", points=1, hint="refuse what has other than two axes")
def other_axes(rng):
    try:
        row_means(rng.normal(size=3))
    except ValueError:
        return ["ValueError", row_means(rng.normal(size=(2, 2)))]
    return ["accepted", row_means(rng.normal(size=(2, 2)))]""",
        ],
        "rule": """import ast


@check.rule("row-means", row_means, hint="let NumPy do it")
def no_loop(code):
    loops = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp)
    found = any(isinstance(node, loops) for node in ast.walk(ast.parse(code)))
    return "it loops" if found else None""",
    },
    "halves": {
        "head": "def halves(n, rng):",
        "body": "    order = rng.permutation(n)\n    return order[: n // 2], order[n // 2 :]",
        "points": 2,
        "check": "    first, second = halves(4, np.random.default_rng(0))\n"
        "    check.equal(sorted([*first, *second]), [0, 1, 2, 3], hint='each once')",
        "probes": [
            """def parts(value):
    answers = []
    for n, (first, second) in value:
        both = sorted([*map(int, first), *map(int, second)])
        answers.append((n, len(first) == n // 2, both == list(range(n))))
    return answers


@check.probe("halves", points=1, hint="each index once", normal=parts)
def partitions(rng):
    found = []
    for n in rng.integers(2, 50, size=3).tolist():
        first, second = halves(n, rng)
        found.append((n, (first, second)))
    return found""",
            """def differ(value):
    (a, _), (b, _) = value["halves"]
    return bool(np.any(np.asarray(a) != np.asarray(b)))


@check.probe("halves", points=1, hint="shuffle with rng", normal=differ)
def shuffled(rng):
    return {"halves": [halves(100, rng) for _ in range(2)]}""",
        ],
    },
    "softmax": {
        "head": "def softmax(x):",
        "body": "    return torch.softmax(x, dim=-1)",
        "points": 4,
        "check": "    check.close(softmax(torch.zeros(1, 2)), [[0.5, 0.5]], hint='sum to one')",
        "probes": [
            """@check.probe("softmax", points=2, hint="divide by the sum of the row")
def small(rng):
    return softmax(torch.tensor(rng.normal(size=(3, 4))))""",
            """@check.probe("softmax", points=2, hint="subtract the largest first")
def large(rng):
    return softmax(1000 * torch.tensor(rng.normal(size=(3, 4))))""",
        ],
    },
}
RIGHT = {task: f"{parts['head']}\n{parts['body']}" for task, parts in TASKS.items()}
STUB = {task: f"{parts['head']}\n    raise NotImplementedError" for task, parts in TASKS.items()}
POINTS = {task: parts["points"] for task, parts in TASKS.items()}


def cell(source: str, name: str, kind: str = "code", **metadata: Any) -> dict[str, Any]:
    """Return a cell of a notebook."""
    made = {"cell_type": kind, "id": name, "metadata": metadata, "source": source}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def notebook(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a notebook of cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _graded(task: str, *, check: bool) -> dict[str, Any]:
    named = {"grade_id": f"check-{task}" if check else task, "grade": check, "solution": not check}
    return named | ({"points": POINTS[task]} if check else {})


def cells(answers: dict[str, str], *, hidden: bool) -> list[dict[str, Any]]:
    cells = [cell(SETUP, "setup")]
    for task, parts in TASKS.items():
        function = parts["head"][4:].split("(")[0]
        cells.append(cell(f"## Task {task}", f"{task}-text", "markdown"))
        if task in answers:
            cells.append(cell(answers[task], task, nbgrader=_graded(task, check=False)))
        check = (
            f'@check.task("{task}", points={parts["points"]})\ndef check_{function}({function}):\n'
            f"{parts['check']}\n\n\ncheck_{function}({function})"
        )
        cells.append(cell(check, f"{task}-check", nbgrader=_graded(task, check=True)))
        if hidden:
            probes = [*parts["probes"], *([parts["rule"]] if "rule" in parts else [])]
            cells += [
                cell(source, f"{task}-probe-{number}", tags=["probe"])
                for number, source in enumerate(probes)
            ]
    return cells


def solution() -> bytes:
    """Return the solution notebook's bytes."""
    marked = {
        task: f"{parts['head']}\n    ### BEGIN SOLUTION\n{parts['body']}\n    ### END SOLUTION"
        for task, parts in TASKS.items()
    }
    return json.dumps(notebook(cells(marked, hidden=True))).encode()


def student(**answers: str) -> dict[str, Any]:
    """Return a student's notebook: right answers, but for those given (``row_means="..."``)."""
    given = {task.replace("_", "-"): source for task, source in answers.items()}
    return notebook(cells(RIGHT | given, hidden=False))


def data(made: dict[str, Any]) -> bytes:
    """Return a notebook's bytes."""
    return json.dumps(made).encode()
