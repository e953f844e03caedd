"""Small exercises in the forms of four graders, for `bench_grade.py`.

Each task has a statement, a cell for the answer, a check that students see, and hidden tests.
cvlab's hidden tests are probes, drawn from the grader's seed and compared with what the solution
gives. The others' are the same functions of a generator with the seed written down, compared with
the solution's values, written down too: that is the cheapest that they could do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

SEED = 17
NAME = "exercise"
CLOSE = "rtol=1e-5, atol=1e-8"


@dataclass(frozen=True)
class Task:
    """A function to be written, of `head` and `body`, with its check and its hidden tests."""

    name: str
    head: str
    body: str
    check: str
    probes: tuple[str, ...]  # definitions of functions of a generator, which return an array
    points: tuple[int, ...] = (1, 1)  # of each probe

    @property
    def solution(self) -> str:
        return f"{self.head}\n{self.body}"

    def marked(self, begin: str, end: str) -> str:
        """Return the solution with lines before and after its body."""
        return f"{self.head}\n    {begin}\n{self.body}\n    {end}"


@dataclass(frozen=True)
class Work:
    """An exercise."""

    name: str
    setup: str
    tasks: tuple[Task, ...]


NUMPY = Work(
    "NumPy",
    "import numpy as np",
    (
        Task(
            "standardise",
            "def standardise(x):",
            "    return (x - x.mean(axis=0)) / x.std(axis=0)",
            "np.testing.assert_allclose(standardise(np.array([[1.0], [3.0]])), [[-1.0], [1.0]])",
            (
                "def tall(rng):\n    return standardise(rng.normal(3, 2, size=(6, 4)))",
                "def wide(rng):\n    return standardise(rng.uniform(size=(3, 8)))",
            ),
        ),
        Task(
            "softmax",
            "def softmax(logits):",
            "    powers = np.exp(logits - logits.max(axis=1, keepdims=True))\n"
            "    return powers / powers.sum(axis=1, keepdims=True)",
            "np.testing.assert_allclose(softmax(np.zeros((1, 2))), [[0.5, 0.5]])",
            (
                "def small(rng):\n    return softmax(rng.normal(size=(4, 5)))",
                "def large(rng):\n    return softmax(1000 * rng.normal(size=(4, 5)))",
            ),
        ),
        Task(
            "distances",
            "def distances(queries, gallery):",
            "    return np.linalg.norm(queries[:, None] - gallery, axis=2)",
            "np.testing.assert_allclose(distances(np.zeros((1, 2)), np.array([[3, 4]])), [[5.0]])",
            (
                "def pairs(rng):\n"
                "    return distances(rng.normal(size=(4, 3)), rng.normal(size=(5, 3)))",
                "def alone(rng):\n"
                "    return distances(rng.normal(size=(1, 2)), rng.normal(size=(1, 2)))",
            ),
        ),
        Task(
            "descend",
            "def descend(matrix, vector, rate, steps):",
            "    theta = np.zeros(len(vector))\n"
            "    for _ in range(steps):\n"
            "        theta = theta - rate * (matrix @ theta - vector)\n"
            "    return theta",
            "np.testing.assert_allclose(descend(np.eye(2), np.ones(2), 0.5, 2), [0.75, 0.75])",
            (
                "def few_steps(rng):\n"
                "    half = rng.normal(size=(3, 3))\n"
                "    return descend(half @ half.T, rng.normal(size=3), 0.05, 4)",
                "def many_steps(rng):\n"
                "    half = rng.normal(size=(10, 10)) / 10\n"
                "    return descend(half @ half.T, rng.normal(size=10), 0.1, 200)",
            ),
        ),
    ),
)

TORCH = Work(
    "torch",
    "import numpy as np\nimport torch",
    (
        Task(
            "cross-entropy",
            "def cross_entropy(logits, labels):",
            "    logarithms = logits - torch.logsumexp(logits, dim=1, keepdim=True)\n"
            "    return -logarithms[torch.arange(len(labels)), labels].mean()",
            "labels = torch.tensor([0, 1])\n"
            "assert abs(float(cross_entropy(torch.zeros(2, 2), labels)) - 0.693147) < 1e-5",
            (
                "def ten_classes(rng):\n"
                "    logits = torch.tensor(rng.normal(size=(20, 10)))\n"
                "    return cross_entropy(logits, torch.tensor(rng.integers(10, size=20)))",
                "def large_logits(rng):\n"
                "    logits = torch.tensor(1000 * rng.normal(size=(5, 3)))\n"
                "    return cross_entropy(logits, torch.tensor(rng.integers(3, size=5)))",
            ),
        ),
        Task(
            "overlap",
            "def overlap(boxes, others):",
            "    first = torch.maximum(boxes[:, None, :2], others[:, :2])\n"
            "    last = torch.minimum(boxes[:, None, 2:], others[:, 2:])\n"
            "    inside = (last - first).clamp(min=0).prod(dim=2)\n"
            "    areas = [(each[:, 2:] - each[:, :2]).prod(dim=1) for each in (boxes, others)]\n"
            "    return inside / (areas[0][:, None] + areas[1] - inside)",
            "square = torch.tensor([[0.0, 0.0, 2.0, 2.0]])\n"
            "assert torch.equal(overlap(square, square), torch.ones(1, 1))",
            (
                "def many_boxes(rng):\n"
                "    corners = torch.tensor(rng.uniform(size=(12, 2)))\n"
                "    sizes = torch.tensor(rng.uniform(0.1, 1, size=(12, 2)))\n"
                "    boxes = torch.cat([corners, corners + sizes], dim=1)\n"
                "    return overlap(boxes[:5], boxes[5:])",
                "def apart(rng):\n"
                "    box = torch.tensor(rng.uniform(1, 2, size=(1, 4))).cumsum(dim=1)\n"
                "    return overlap(box, box + 20)",
            ),
        ),
        Task(
            "fit-line",
            "def fit_line(x, y, rate, steps):",
            "    weights = torch.zeros(2, dtype=x.dtype, requires_grad=True)\n"
            "    optimiser = torch.optim.SGD([weights], lr=rate)\n"
            "    for _ in range(steps):\n"
            "        optimiser.zero_grad()\n"
            "        ((weights[0] + weights[1] * x - y) ** 2).mean().backward()\n"
            "        optimiser.step()\n"
            "    return weights.detach()",
            "x = torch.tensor([-1.0, 1.0])\n"
            "line = torch.tensor([0.0, 2.0])\n"
            "assert torch.allclose(fit_line(x, 2 * x, 0.25, 20), line, atol=0.01)",
            (
                "def first_step(rng):\n"
                "    x, y = torch.tensor(rng.normal(size=(2, 10)))\n"
                "    return fit_line(x, y, 0.1, 1)",
                "def fifty_steps(rng):\n"
                "    x, y = torch.tensor(rng.normal(size=(2, 50)))\n"
                "    return fit_line(x, y, 0.05, 50)",
            ),
        ),
        Task(
            "network",
            "def network(inputs, hidden, classes):",
            "    return torch.nn.Sequential(\n"
            "        torch.nn.Linear(inputs, hidden),\n"
            "        torch.nn.ReLU(),\n"
            "        torch.nn.Linear(hidden, classes),\n"
            "    )",
            "assert network(3, 5, 2)(torch.zeros(4, 3)).shape == (4, 2)",
            (
                "def shapes(rng):\n"
                "    sizes = rng.integers(2, 9, size=3).tolist()\n"
                "    return np.concatenate([list(each.shape) for each in "
                "network(*sizes).parameters()])",
                "def output(rng):\n"
                "    model = network(4, 8, 3)\n"
                "    with torch.no_grad():\n"
                "        for each in model.parameters():\n"
                "            each.copy_(torch.tensor(rng.normal(size=tuple(each.shape))))\n"
                "        return model(torch.tensor(rng.normal(size=(6, 4)), dtype=torch.float32))",
            ),
        ),
    ),
)

#: The exercise of `small_exercise`, for which `hostile_corpus` has notebooks.
SMALL = Work(
    "small",
    "import numpy as np\nimport torch",
    (
        Task(
            "row-means",
            "def row_means(x):",
            "    if x.ndim != 2:\n"
            "        raise ValueError('two axes, please')\n"
            "    return x.mean(axis=1)",
            "np.testing.assert_allclose(row_means(np.array([[1.0, 3.0]])), [2.0])",
            (
                "def random_tables(rng):\n"
                "    tables = [rng.normal(size=size) for size in rng.integers(1, 6, size=(3, 2))]\n"
                "    return np.concatenate([row_means(table) for table in tables])",
                "def other_axes(rng):\n"
                "    try:\n"
                "        row_means(rng.normal(size=3))\n"
                "    except ValueError:\n"
                "        return row_means(rng.normal(size=(2, 2)))\n"
                "    return np.zeros(0)",
            ),
            (3, 1),
        ),
        Task(
            "halves",
            "def halves(n, rng):",
            "    order = rng.permutation(n)\n    return order[: n // 2], order[n // 2 :]",
            "first, second = halves(4, np.random.default_rng(0))\n"
            "assert sorted([*first, *second]) == [0, 1, 2, 3]",
            (
                "def partitions(rng):\n"
                "    found = []\n"
                "    for n in rng.integers(2, 50, size=3).tolist():\n"
                "        first, second = halves(n, rng)\n"
                "        both = sorted([*map(int, first), *map(int, second)])\n"
                "        found.append([n, len(first) == n // 2, both == list(range(n))])\n"
                "    return np.array(found, dtype=float)",
                "def shuffled(rng):\n"
                "    (first, _), (second, _) = halves(100, rng), halves(100, rng)\n"
                "    return float(np.any(np.asarray(first) != np.asarray(second)))",
            ),
        ),
        Task(
            "softmax",
            "def softmax(x):",
            "    return torch.softmax(x, dim=-1)",
            "assert softmax(torch.zeros(1, 2)).tolist() == [[0.5, 0.5]]",
            (
                "def small(rng):\n    return softmax(torch.tensor(rng.normal(size=(3, 4))))",
                "def large(rng):\n    return softmax(1000 * torch.tensor(rng.normal(size=(3, 4))))",
            ),
            (2, 2),
        ),
    ),
)

#: What a plain process does with a work: prints the probes' values, and the median of the seconds
#: that all cells and probes take once everything is imported, in one thread as in a box.
PLAIN = """
import json, os, statistics, sys, time
work = json.load(sys.stdin)
import numpy as np
if "torch" in work["cells"][0]:
    import torch
    torch.set_num_threads(1)

def once():
    names = {}
    for source in work["cells"]:
        exec(compile(source, "cell", "exec"), names)
    found = []
    for name, source in work["probes"]:
        here = dict(names)
        exec(compile(source, "probe", "exec"), here)
        found.append(np.asarray(here[name](np.random.default_rng(work["seed"]))).tolist())
    return found

values, seconds = once(), []
for _ in range(30):
    began = time.perf_counter()
    once()
    seconds.append(time.perf_counter() - began)
print(json.dumps([values, statistics.median(seconds)]))
"""


def plain_input(work: Work) -> str:
    """Return what `PLAIN` reads."""
    cells = [work.setup, *(task.solution for task in work.tasks)]
    probes = [[_function(probe), probe] for task in work.tasks for probe in task.probes]
    return json.dumps({"cells": cells, "probes": probes, "seed": SEED})


def _function(probe: str) -> str:
    return probe.removeprefix("def ").split("(")[0]


# ------------------------------------------------------------------------------------- notebooks


def _cell(kind: str, name: str, source: str, **metadata: Any) -> dict[str, Any]:
    made = {"cell_type": kind, "id": name, "metadata": metadata, "source": source}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def _notebook(cells: list[dict[str, Any]]) -> dict[str, Any]:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _nbgrader(name: str, *, check: bool = False, points: int = 0) -> dict[str, Any]:
    made = {"grade_id": name, "schema_version": 3, "task": False, "locked": check}
    made |= {"grade": check, "solution": not check}
    return {"nbgrader": made | ({"points": points} if check else {})}


def cvlab_solution(work: Work) -> dict[str, Any]:
    """Return the instructor's notebook for `cvlab grade`: probes in cells of their own."""
    cells = [_cell("code", "setup", work.setup)]
    for task in work.tasks:
        points = sum(task.points)
        source = task.marked("### BEGIN SOLUTION", "### END SOLUTION")
        about = _nbgrader(f"check-{task.name}", check=True, points=points)
        cells += [
            _cell("markdown", f"{task.name}-text", f"## Write {task.name} ({points} points)"),
            _cell("code", task.name, source, **_nbgrader(task.name)),
            _cell("code", f"{task.name}-check", task.check, **about),
        ]
        for number, probe in enumerate(task.probes):
            about = f'"{task.name}", points={task.points[number]}, hint="try it by hand"'
            declared = f"@check.probe({about})\n{probe}"
            cells.append(_cell("code", f"{task.name}-probe-{number}", declared, tags=["probe"]))
    return _notebook(cells)


def _hidden(probe: str, value: Any) -> str:
    call = f"{_function(probe)}(np.random.default_rng({SEED}))"
    return f"{probe}\n\n\nnp.testing.assert_allclose({call}, {value!r}, {CLOSE})"


def nbgrader_source(work: Work, values: list[Any], *, partial: bool = False) -> dict[str, Any]:
    """Return the instructor's notebook for nbgrader: hidden tests in the cells of the checks.

    Args:
        work: the exercise.
        values: of the hidden tests.
        partial: whether each hidden test has a cell of its own, and so its own points.
    """
    expected = iter(values)
    cells = [_cell("code", "setup", work.setup)]
    for task in work.tasks:
        tests = [_hidden(probe, next(expected)) for probe in task.probes]
        source = task.marked("### BEGIN SOLUTION", "### END SOLUTION")
        cells += [
            _cell("markdown", f"{task.name}-text", f"## Write {task.name}"),
            _cell("code", task.name, source, **_nbgrader(task.name)),
        ]
        visible, groups = [task.check], [(sum(task.points), tests)]
        if partial:
            cells.append(_cell("code", f"{task.name}-check", task.check))
            visible, groups = (
                [],
                [(each, [test]) for each, test in zip(task.points, tests, strict=True)],
            )
        for number, (points, hidden) in enumerate(groups):
            name = f"{task.name}-graded-{number}"
            about = _nbgrader(name, check=True, points=points)
            check = [*visible, "### BEGIN HIDDEN TESTS", *hidden, "### END HIDDEN TESTS"]
            cells.append(_cell("code", name, "\n".join(check), **about))
    return _notebook(cells)


VISIBLE = '""" # BEGIN TEST CONFIG\npoints: 0\n""" # END TEST CONFIG\n'


def otter_source(work: Work, values: list[Any]) -> dict[str, Any]:
    """Return the instructor's notebook for `otter assign`: tests in cells after each solution."""
    expected = iter(values)
    config = "# ASSIGNMENT CONFIG\ninit_cell: true\nexport_cell: false\nrun_tests: false"
    cells = [_cell("raw", "config", config), _cell("code", "setup", work.setup)]
    for task in work.tasks:
        points = sum(task.points)
        question = f"# BEGIN QUESTION\nname: {task.name}"
        source = task.marked("# BEGIN SOLUTION", "# END SOLUTION")
        cells += [
            _cell("raw", f"{task.name}-begin", question),
            _cell("markdown", f"{task.name}-text", f"## Write {task.name} ({points} points)"),
            _cell("raw", f"{task.name}-solution", "# BEGIN SOLUTION"),
            _cell("code", task.name, source),
            _cell("raw", f"{task.name}-solved", "# END SOLUTION"),
            _cell("raw", f"{task.name}-tests", "# BEGIN TESTS"),
            _cell("code", f"{task.name}-check", f"{VISIBLE}{task.check}"),
        ]
        for number, probe in enumerate(task.probes):
            config = f'""" # BEGIN TEST CONFIG\nhidden: true\npoints: {task.points[number]}\n'
            test = f'{config}""" # END TEST CONFIG\n{_hidden(probe, next(expected))}'
            cells.append(_cell("code", f"{task.name}-test-{number}", test))
        cells += [
            _cell("raw", f"{task.name}-tested", "# END TESTS"),
            _cell("raw", f"{task.name}-end", "# END QUESTION"),
        ]
    return _notebook(cells)


def nbval_restored(student: dict[str, Any], work: Work, values: list[Any]) -> dict[str, Any]:
    """Return a student's notebook with the hidden tests put after each task's check."""
    cells, expected = [], iter(values)
    tests = {
        f"{task.name}-check": [
            _cell("code", f"{task.name}-test-{number}", _hidden(probe, next(expected)))
            for number, probe in enumerate(task.probes)
        ]
        for task in work.tasks
    }
    for cell in student["cells"]:
        cells += [cell, *tests.get(cell["id"], ())]
    return student | {"cells": cells}


def answered(
    stub: dict[str, Any], work: Work, number: int, instead: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return the notebook that students get with right answers in it, as one of them wrote it.

    Args:
        stub: in the form of any of the graders.
        work: the exercise.
        number: of the student; notebooks of two differ.
        instead: other answers, by the task's name.
    """
    cells, left = [], {task.head: task for task in work.tasks}
    for cell in stub["cells"]:
        source = "".join(cell["source"])
        task = left.pop(source.split("\n")[0], None)
        if cell["cell_type"] == "code" and task is not None:
            answer = (instead or {}).get(task.name, task.solution)
            cell = cell | {"source": f"{answer}  # student {number}"}
        cells.append(cell)
    if left:
        raise ValueError(f"{', '.join(left)}: the students' notebook has no such cell.")
    return stub | {"cells": cells}


def transplanted(stub: dict[str, Any], work: Work, student: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook that students get with the cells of a notebook of `hostile_corpus`."""
    theirs = {cell["id"]: cell for cell in student["cells"]}
    before = [cell for name, cell in theirs.items() if name.startswith("before-")]
    cells = []
    for cell in stub["cells"]:
        head = "".join(cell["source"]).split("\n")[0]
        task = next((task.name for task in work.tasks if task.head == head), None)
        cells.append(cell if task is None else cell | {"source": theirs[task]["source"]})
        cells += before if cell["id"] == "setup" else []
    cells += [cell for name, cell in theirs.items() if name.startswith("after-")]
    return stub | {"cells": cells}
