"""What a cell gets from a box or from the grader is what `pytest --nbval-lax` says of it."""

from __future__ import annotations

import itertools
from pathlib import Path

import matplotlib.pyplot  # noqa: F401 (see LIBRARIES)
import nbformat
import pytest
from conftest import ROOT, WEEKLY
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook, new_output

from cvlab.classroom import notebooks
from cvlab.classroom.grading import parity
from cvlab.classroom.grading.intake import ipynb, tasks
from cvlab.classroom.grading.verdict.judge import Judge

CHECK, RAISES = "nbval-check-output", "raises-exception"
ALL = [path.stem for path in notebooks.files(ROOT, ("solutions",))]
EXERCISES = ALL if WEEKLY else ["05_edges"]  # its page is the quickest
WRONG = None if WEEKLY else 3  # answers to each task, of ten
INSTRUCTORS = {"wrong-answer", "probe", "hidden"}  # cells that no student gets
ABOUT = pytest.mark.about("cvlab/classroom/grading", "cvlab/checking", "cvlab/check.py")
QUIET = ("-p", "no:cacheprovider")
#: What lists the fonts for the first time says so in the cell, where the machine takes 5 s for it.
#: So boxes have pyplot already, and the import of it above this line did it for kernels.
LIBRARIES = "numpy matplotlib.pyplot"

#: Cells of one notebook, in this order; outputs of those that begin with * are compared.
CELLS = r"""
*import sys, warnings, asyncio, threading, os
---
1 / 0
---
*print("a")
print("b", end="")
print("err", file=sys.stderr)
6 * 7
---
*_ + 1
---
*sorted(Out)
---
_1
---
*In, _i
---
*6 * 7;
---
*3
4
---
*x: int = 3
x
---
*print("no newline", end="")
---
*print()
---
*None
---
*print("x\ry")
print("ab\bc")
---
*print("\x1b[31mred\x1b[0m")
---
*ä = "é✓"
print(ä)
---
*print("z" * 100_000)
---
*# only a comment
---
---
*await asyncio.sleep(0.01)
print("slept")
---
await asyncio.sleep(0.01)
raise KeyError("k")
---
async def three():
    return 3
asyncio.run(three())
---
*task = asyncio.create_task(three())
await task
---
*asyncio.get_running_loop().is_running()
---
async for i in three(): pass
---
await
---
*%matplotlib inline
---
*import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
---
*plt.plot([1, 2])
plt.title("x");
---
with warnings.catch_warnings():
    warnings.simplefilter("error")
    plt.plot([1])
    plt.show()
---
plt.plot([1])
plt.title("$\\badmacro$");
---
plt.close("all")
---
%%time
y = 5
---
%time 1 / 0
---
%timeit -n1 -r1 1
---
*%nosuchmagic
---
*%%nosuchmagic
x
---
%run /nonexistent.py
---
*with open("stops.py", "w") as file:
    print(file.write("1 / 0"))
---
%run stops.py
---
*%env CVLAB_X=1
---
%pip --version
---
*%%capture caught
print("caught")
5
---
*caught.stdout, len(caught.outputs)
---
*%%writefile note.txt
abc
---
%cd .
---
*%precision 3
1 / 3
---
%config InlineBackend.figure_format = "svg"
---
%debug
---
breakpoint()
---
*!echo hi
---
!exit 3
---
*files = !echo one
files
---
!echo late &
---
*%%bash
echo from bash
---
%%bash
exit 2
---
*from IPython.display import HTML, JSON, Math, Markdown, clear_output, display
display(HTML("<b>x</b>"), JSON({"a": 1}), Math("x"), Markdown("*m*"))
---
*handle = display("one", display_id="d1")
handle.update("two")
---
*print("before")
display("stays")
clear_output()
print("after")
---
*display({"text/plain": "raw", "application/json": {"q": [1]}}, raw=True)
---
*import ipywidgets
ipywidgets.IntSlider(1, 0, 3)
---
*output = ipywidgets.Output()
with output:
    print("inside")
output
---
with ipywidgets.Output():
    1 / 0
---
ipywidgets.interact(lambda k: k * 2, k=3);
---
*from cvlab import plot, widgets
def draw(k):
    fig, ax = plot.figure()
    ax.bar([0], [k])
    return fig
widgets.explore(draw, alt="bar {k}", k=[1, 2])
---
*plot.show(draw(2), alt="two")
---
from tqdm.auto import tqdm
for i in tqdm(range(3)): pass
---
input("name? ")
---
try:
    input()
except EOFError:
    print("not how a notebook says it")
---
import getpass
getpass.getpass()
---
sys.stdin.read()
---
sys.exit()
---
raise SystemExit
---
raise KeyboardInterrupt
---
warnings.warn("careful")
---
import logging
logging.warning("logged")
---
*thread = threading.Thread(target=lambda: print("thread"))
thread.start()
thread.join()
---
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
---
def broken(:
    pass
---
  x = 1
 y = 2
---
return 5
---
class NoRepr:
    def __repr__(self):
        raise ValueError("no repr")
NoRepr()
---
display(NoRepr())
---
class NoHtml:
    def _repr_html_(self):
        raise ValueError("no html")
    def __repr__(self):
        return "H"
NoHtml()
---
*class Picture:
    def _repr_png_(self):
        return b"abc"
    def __repr__(self):
        return "P"
Picture()
---
try:
    1 / 0
except ZeroDivisionError:
    get_ipython().showtraceback()
---
get_ipython().run_cell("1 / 0");
---
*get_ipython().system("echo called")
---
*get_ipython().__class__.__name__
---
assert False
---
class Mute(Exception):
    def __str__(self):
        raise TypeError("mute")
raise Mute(1)
---
len?
---
*__name__, "__file__" in globals()
---
*import pickle
class Local: pass
type(pickle.loads(pickle.dumps(Local()))).__name__
---
*import inspect
def one(): return 1
inspect.getsource(one)
---
*import subprocess
subprocess.run(["echo", "sub"], capture_output=True, text=True).stdout
---
*os.system("echo silent")
---
*sys.stdout.write("written")
---
*sys.stdout.isatty(), sys.stdout.encoding
---
sys.stdout.buffer.write(b"x")
---
*sys.displayhook(5)
---
*import numpy as np
np.arange(5)
"""
#: Source, tags and, in the end, another output than the stored one.
MARKED = [
    ("1 / 0", [RAISES]),
    ("1 / 0", [RAISES, CHECK]),
    ("raise ValueError('two\\nlines')", [RAISES, CHECK]),
    ("class Odd(Exception):\n    def __str__(self): return 'odd'\nraise Odd(1)", [RAISES, CHECK]),
    ("sys.exit(3)", [RAISES, CHECK]),
    ("print('no error')", [RAISES]),
    ("1 / 0", ["nbval-skip"]),
    ("# NBVAL_SKIP\n1 / 0", []),
    ("# NBVAL_RAISES_EXCEPTION\n1 / 0", []),
    ("# NBVAL_IGNORE_OUTPUT\nprint(1)", [CHECK]),
]
OTHER = [("print('now')", "stored\n"), ("5", "6"), ("pass", "something")]


@pytest.fixture(scope="module")
def constructs(tmp_path_factory) -> Path:
    """A notebook with every construct, whose outputs are those of a kernel."""
    cells = []
    for source in CELLS.strip("\n").split("---\n"):
        tags = [CHECK] if source.startswith("*") else []
        cells.append(new_code_cell(source.removeprefix("*").strip("\n"), metadata={"tags": tags}))
    cells += [new_code_cell(source, metadata={"tags": tags}) for source, tags in MARKED]
    notebook = new_notebook(cells=cells)
    work = {"metadata": {"path": str(tmp_path_factory.mktemp("reference"))}}
    settings = {"allow_errors": True, "timeout": 60, "kernel_name": "python3"}
    NotebookClient(notebook, **settings, resources=work).execute()
    for cell in cells:
        if CHECK not in cell.metadata["tags"]:
            cell.outputs = []
    for source, text in OTHER:
        cell = new_code_cell(source, metadata={"tags": [CHECK]}, execution_count=1)
        cell.outputs = [new_output("stream", text=text)]
        cells.append(cell)
    cells.append(new_code_cell("exit()"))
    path = tmp_path_factory.mktemp("constructs") / "constructs.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.mark.slow
def test_every_construct_has_the_same_verdict_in_a_box_and_in_a_kernel(constructs):
    limit = ("--nbval-cell-timeout", "60")
    kernel = parity.verdicts(
        [constructs], "--nbval-kernel-name", "python3", *limit, *QUIET, boxes=False
    )
    box = parity.verdicts([constructs], *limit, *QUIET, boxes=True)
    assert parity.differences(box, kernel) == []
    counts = {verdict: list(box.values()).count(verdict) for verdict in set(box.values())}
    assert counts["skipped"] == 2
    assert counts["passed"] > 60
    assert counts["failed"] > 40
    cells = nbformat.read(constructs, 4).cells
    compared = [
        number
        for number, cell in enumerate(cells)
        if CHECK in cell.metadata.get("tags", []) and "NBVAL_IGNORE" not in cell.source
    ]
    said = {cell: verdict for (_name, cell), verdict in box.items()}  # the name depends on a path
    unequal = [n for n in compared if said[f"Cell {n}"] == "failed"]
    assert {source for source, _ in OTHER} <= {cells[n].source for n in unequal}
    assert len(unequal) < len(compared) / 3  # the others show that comparing does work


@pytest.mark.slow
def test_a_cell_that_ends_or_blocks_its_box_fails_and_so_do_those_after_it(tmp_path):
    for name, source in (("blocks", "while True: pass"), ("ends", "import os\nos._exit(3)")):
        cells = [new_code_cell("x = 1"), new_code_cell(source), new_code_cell("x")]
        nbformat.write(new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    box = parity.verdicts([tmp_path], "--nbval-cell-timeout", "2", *QUIET, boxes=True)
    assert list(box.values()) == ["passed", "failed", "xfailed"] * 2


@pytest.mark.slow
@ABOUT
def test_the_course_has_the_same_verdicts_in_boxes_and_in_kernels():
    paths = [path for path in notebooks.files(ROOT) if path.stem in EXERCISES]
    assert len(paths) == 3 * len(EXERCISES)  # chapter, exercise and solution
    kernels = ("--nbval-kernel-name", "cvlab")
    kernel = parity.verdicts(paths, *kernels, *QUIET, boxes=False, workers=2)
    box = parity.verdicts(paths, *QUIET, boxes=True, workers=2)
    assert parity.differences(box, kernel) == []
    assert {name for name, _ in box} == {f"{p.parent.name}.{p.name}" for p in paths}
    failed = {name.partition(".")[0] for (name, _), verdict in box.items() if verdict == "failed"}
    assert failed == {"exercises"}  # whose checks fail until there is an answer


def submissions(exercise: tasks.Exercise, name: str) -> dict[str, dict]:
    """The solution, the exercise, and it with a wrong answer in every task that has one left."""
    solution = nbformat.read(ROOT / "solutions" / f"{name}.ipynb", 4)
    stub = nbformat.read(ROOT / "exercises" / f"{name}.ipynb", 4)
    found = {"solution": solution, "stub": stub}
    columns = itertools.zip_longest(*(task.wrong for task in exercise.tasks))
    for number, row in enumerate(itertools.islice(columns, WRONG)):
        notebook = nbformat.from_dict(dict(stub))
        notebook.cells = [nbformat.from_dict(dict(cell)) for cell in stub.cells]
        given = dict(zip((task.name for task in exercise.tasks), row, strict=True))
        for cell in notebook.cells:
            grading = cell.metadata.get("nbgrader", {})
            task = next((t for t in exercise.tasks if t.name == grading.get("grade_id")), None)
            if task is None or not grading.get("solution"):
                continue
            wrong = given[task.name]
            if wrong is None:
                cell.source = task.solution
                continue
            names = [f"{name} = {other}" for name, other in wrong.stands_for.items()]
            cell.source = "\n".join([wrong.source, "", *names])
        found[f"wrong-{number}"] = notebook
    return found


@pytest.mark.slow
@ABOUT
@pytest.mark.parametrize("name", EXERCISES)
def test_the_grader_says_of_each_cell_what_nbval_says(tmp_path, name):
    exercise = tasks.load(ROOT / "solutions" / f"{name}.ipynb")
    handed_in = submissions(exercise, name)
    for label, notebook in handed_in.items():
        nbformat.write(notebook, tmp_path / f"{label}.ipynb")
    options = ("--nbval-kernel-name", "cvlab", *QUIET)
    kernel = parity.verdicts([tmp_path], *options, boxes=False, workers=2)
    grader = {}
    with Judge(exercise, 7) as judge:
        for label in handed_in:
            data = (tmp_path / f"{label}.ipynb").read_bytes()
            graded = judge.grade(data, label)
            code = [cell for cell in ipynb.read(data).cells if cell.kind == "code"]
            fates = {one.index: one.fate for one in graded.cells}
            for number, cell in enumerate(code):
                item = (f"{label}.ipynb", f"Cell {number}")
                if INSTRUCTORS & set(cell.tags):  # needs the checks, which the grader never runs
                    del kernel[item]
                else:
                    grader[item] = "passed" if fates[cell.index] == "passed" else "failed"
            if label in ("solution", "stub"):
                most = exercise.points if label == "solution" else 0
                assert graded.record.points == most
    assert parity.differences(grader, kernel) == []


def test_a_report_is_read_and_compared(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(
        "<testsuites><testsuite>"
        '<testcase classname="a.ipynb" name="Cell 0"/>'
        '<testcase classname="a.ipynb" name="Cell 1"><failure/></testcase>'
        '<testcase classname="a.ipynb" name="Cell 2"><error/></testcase>'
        '<testcase classname="a.ipynb" name="Cell 3"><skipped type="pytest.skip"/></testcase>'
        '<testcase classname="a.ipynb" name="Cell 4"><skipped type="pytest.xfail"/></testcase>'
        "</testsuite></testsuites>"
    )
    found = parity.read_report(report)
    assert list(found.values()) == ["passed", "failed", "failed", "skipped", "xfailed"]
    assert parity.differences(found, found) == []
    other = found | {("a.ipynb", "Cell 3"): "passed"}
    del other["a.ipynb", "Cell 0"]
    assert parity.differences(found, other) == [
        "a.ipynb, Cell 0: passed in a box, missing in a kernel.",
        "a.ipynb, Cell 3: skipped in a box, passed in a kernel.",
    ]


def test_no_report_is_an_error_with_what_pytest_said(tmp_path):
    with pytest.raises(RuntimeError, match="no-such-option"):
        parity.verdicts([tmp_path], "--no-such-option", boxes=False)
