"""Rules on a task's code: the visible check and the grader give the same verdict, on the text."""

from __future__ import annotations

import contextlib
import json
import linecache
import sys
import time

import pytest

from cvlab.checking import code, rules
from cvlab.checking.rules import Rules
from cvlab.classroom.grading.intake import answers, ipynb, tasks
from cvlab.classroom.grading.verdict.source import SubmissionCode

SETUP = """import math
import numpy as np
import scipy.signal
import torch
import torch.nn.functional as F
from functools import reduce
from scipy import ndimage

from cvlab import check"""
NUMPY = {"libraries": ("numpy",)}
PLAIN = {"libraries": ()}
NO_LOOP = {"loops": False}
NO_CONV = {"forbid": ("np.convolve", "sorted", ".sort", "cdist", "scipy.spatial")}

# By name: what the task declares, the cells before the answer's, the answer's, and the beginning of
# what is said of it; empty for an answer that keeps the rules.
FORBIDDEN = {
    "scipy of the set-up": (NUMPY, [], "def f(x):\n    return scipy.signal.convolve(x, x)", "uses"),
    "torch of the set-up": (NUMPY, [], "def f(x):\n    return torch.tensor(x)", "uses `torch."),
    "a function of the set-up": (NUMPY, [], "def f(x):\n    return F.relu(x)", "uses `F.relu`"),
    "imported inside": (
        NUMPY,
        [],
        "def f(x):\n    from scipy import ndimage as n\n    return n.sobel(x)",
        "imports `scipy.ndimage`",
    ),
    "imported inside, never used": (
        NUMPY,
        [],
        "def f(x):\n    import cv2\n    return x",
        "imports `cv2`",
    ),
    "imported above": (
        NUMPY,
        [],
        "from scipy.signal import convolve as c\ndef f(x):\n    return c(x, x)",
        "uses `c` (`scipy.signal.convolve`)",
    ),
    "imported in another cell": (
        NUMPY,
        ["import skimage.filters as sf"],
        "def f(x):\n    return sf.sobel(x)",
        "uses `sf.sobel` (`skimage.filters.sobel`)",
    ),
    "a global of another cell": (
        NUMPY,
        ["conv = scipy.signal.convolve"],
        "def f(x):\n    return conv(x, x)",
        "uses `conv` (`scipy.signal.convolve`)",
    ),
    "an earlier answer by another name": (
        NUMPY,
        ["def f(x):\n    return scipy.signal.convolve(x, x)"],
        "g = f\ndef f(x):\n    return g(x)",
        "uses `scipy.signal.convolve`",
    ),
    "an earlier answer, named in a cell between": (
        NUMPY,
        ["def f(x):\n    return scipy.signal.convolve(x, x)", "g = [f]"],
        "def f(x):\n    return g[0](x)",
        "uses `scipy.signal.convolve`",
    ),
    "an earlier answer that is only a name": (
        NUMPY,
        ["f = scipy.signal.convolve", "g = f"],
        "def f(x):\n    return g(x, x)",
        "uses `g` (`scipy.signal.convolve`)",
    ),
    "an earlier answer, fetched by a function": (
        NUMPY,
        ["def f(x):\n    return torch.abs(x)", "def make():\n    return f", "g = make()"],
        "def f(x):\n    return g(x)",
        "uses `torch.abs`",
    ),
    "an earlier answer as a default": (
        NUMPY,
        ["def f(x):\n    return torch.abs(x)"],
        "def f(x, g=f):\n    return g(x)",
        "uses `torch.abs`",
    ),
    "through two names": (
        NUMPY,
        ["s = scipy\nt = s.signal"],
        "def f(x):\n    return t.convolve(x, x)",
        "uses `t.convolve` (`scipy.signal.convolve`)",
    ),
    "a default argument": (
        NUMPY,
        [],
        "def f(x, conv=scipy.signal.convolve):\n    return conv(x, x)",
        "uses `scipy.signal.convolve`",
    ),
    "a default by name only": (
        NUMPY,
        [],
        "def f(x, *, t=torch):\n    return t.relu(x)",
        "uses `torch`",
    ),
    "a lambda": (NUMPY, [], "f = lambda x: torch.relu(x)", "uses `torch.relu`"),
    "a helper": (
        NUMPY,
        ["def helper(x):\n    return ndimage.sobel(x)"],
        "def f(x):\n    return helper(x)",
        "uses `ndimage.sobel`",
    ),
    "a helper's helper": (
        NUMPY,
        ["def a(x):\n    return ndimage.sobel(x)", "def b(x):\n    return a(x)"],
        "def f(x):\n    return b(x)",
        "uses `ndimage.sobel`",
    ),
    "a class attribute": (
        NUMPY,
        ["class Tools:\n    conv = ndimage.convolve"],
        "def f(x):\n    return Tools.conv(x, x)",
        "uses `ndimage.convolve`",
    ),
    "a class of modules": (
        {"forbid": ("np.convolve",)},
        ["class Tools:\n    n = np"],
        "def f(x):\n    return Tools.n.convolve(x, x)",
        "hands the module `np` on",
    ),
    "a container": (
        NUMPY,
        ["tools = {'conv': scipy.signal.convolve}"],
        "def f(x):\n    return tools['conv'](x, x)",
        "uses `scipy.signal.convolve`",
    ),
    "a container that is filled later": (
        NUMPY,
        ["tools = []", "tools.append(scipy.signal.convolve)"],
        "def f(x):\n    return tools[0](x, x)",
        "uses `scipy.signal.convolve`",
    ),
    "an item that is set later": (
        NUMPY,
        ["tools = {}", "if True:\n    tools['conv'] = ndimage.sobel"],
        "def f(x):\n    return tools['conv'](x)",
        "uses `ndimage.sobel`",
    ),
    "an attribute of NumPy": (
        NUMPY,
        ["np.mine = ndimage.sobel"],
        "def f(x):\n    return np.mine(x)",
        "uses `ndimage.sobel`",
    ),
    "an attribute of the answer": (
        NUMPY,
        [],
        "def f(x):\n    return f.tool(x)\n\nf.tool = ndimage.sobel",
        "uses `ndimage.sobel`",
    ),
    "a global that a function binds": (
        NUMPY,
        ["def prepare():\n    global tool\n    tool = ndimage.sobel\nprepare()"],
        "def f(x):\n    return tool(x)",
        "uses `tool` (`scipy.ndimage.sobel`)",
    ),
    "a closure that was made before": (
        NUMPY,
        ["conv = ndimage.sobel\ndef get():\n    return conv\ntool = get()\nconv = None"],
        "def f(x):\n    return tool(x)",
        "uses `conv` (`scipy.ndimage.sobel`)",
    ),
    "a decorator": (
        NUMPY,
        ["def like_scipy(g):\n    return ndimage.sobel"],
        "@like_scipy\ndef f(x):\n    return x",
        "uses `ndimage.sobel`",
    ),
    "a name under a condition": (
        NUMPY,
        ["try:\n    import torch as tool\nexcept ImportError:\n    tool = None"],
        "def f(x):\n    return tool.relu(x) if tool else x",
        "uses `tool.relu` (`torch.relu`)",
    ),
    "all names of a module": (
        NUMPY,
        ["from scipy.ndimage import *"],
        "def f(x):\n    return gaussian_filter(x, 1)",
        "uses `gaussian_filter` (`scipy.ndimage.gaussian_filter`)",
    ),
    "in a nested function": (
        NUMPY,
        [],
        "def f(x):\n    def inner():\n        return torch.relu(x)\n    return inner()",
        "uses `torch.relu`",
    ),
    "by a walrus": (
        NUMPY,
        [],
        "def f(x):\n    return (t := torch).relu(x)",
        "uses `torch`",
    ),
    "of the course": (NUMPY, [], "def f(x):\n    return check.close(x, x)", "uses `check.close`"),
    "a module of the system": (
        NUMPY,
        ["import sys"],
        "def f(x):\n    return sys.modules['scipy'].signal",
        "uses `sys.modules",
    ),
    "by a library of a library": (
        NUMPY,
        [],
        "def f(x):\n    return np.ctypeslib.ctypes",
        "uses `np.ctypeslib.ctypes`",
    ),
    "NumPy, where there is none": (PLAIN, [], "def f(x):\n    return np.abs(x)", "uses `np.abs`"),
    "exec": (NUMPY, [], "def f(x):\n    exec('y = 1')\n    return x", "uses `exec`"),
    "eval": (NUMPY, [], "def f(x):\n    return eval('x')", "uses `eval`"),
    "getattr": (NUMPY, [], "def f(x):\n    return getattr(np, 'abs')(x)", "uses `getattr`"),
    "getattr by another name": (
        NUMPY,
        ["get = getattr"],
        "def f(x):\n    return get(np, 'abs')(x)",
        "uses `get` (`getattr`)",
    ),
    "globals": (NUMPY, [], "def f(x):\n    return globals()['torch']", "uses `globals`"),
    "vars": (NUMPY, [], "def f(x):\n    return vars(np)['abs'](x)", "uses `vars`"),
    "import by name": (NUMPY, [], "def f(x):\n    return __import__('scipy')", "uses `__import__`"),
    "importlib": (
        NUMPY,
        [],
        "def f(x):\n    import importlib\n    return importlib.import_module('scipy')",
        "imports `importlib`",
    ),
    "builtins": (NUMPY, [], "def f(x):\n    return __builtins__", "uses `__builtins__`"),
    "a hidden attribute": (NUMPY, [], "def f(x):\n    return f.__globals__", "uses `.__globals__`"),
    "a frame": (
        NUMPY,
        [],
        "def f(x):\n    g = (y for y in x)\n    return g.gi_frame.f_back",
        "uses `.f_back`",
    ),
    "the shell": (NUMPY, [], "def f(x):\n    return get_ipython()", "uses `get_ipython`"),
    "attrgetter": (
        NUMPY,
        [],
        "from operator import attrgetter as a\ndef f(x):\n    return a('abs')(np)(x)",
        "uses `a` (`operator.attrgetter`)",
    ),
    "a pickle": (
        NUMPY,
        [],
        "def f(x):\n    return np.load('a.npy', allow_pickle=True)",
        "uses `allow_pickle=`",
    ),
    "names set from outside": (
        NUMPY,
        ["globals()['tool'] = ndimage.sobel"],
        "def f(x):\n    return tool(x)",
        "uses `tool`, which no statement defines",
    ),
    "forbidden": (NO_CONV, [], "def f(x):\n    return np.convolve(x, x)", "uses `np.convolve`"),
    "forbidden, by another name": (
        NO_CONV,
        ["import numpy as n"],
        "def f(x):\n    return n.convolve(x, x)",
        "uses `n.convolve`",
    ),
    "forbidden, imported": (
        NO_CONV,
        ["from numpy import convolve as c"],
        "def f(x):\n    return c(x, x)",
        "uses `c` (`numpy.convolve`)",
    ),
    "forbidden, by a local name": (
        NO_CONV,
        [],
        "def f(x):\n    n = np\n    return n.convolve(x, x)",
        "uses `n.convolve`",
    ),
    "forbidden, from another place": (
        NO_CONV,
        [],
        "def f(x):\n    return np.core.numeric.convolve(x, x)",
        "uses `np.core.numeric.convolve`",
    ),
    "forbidden, in a list": (
        NO_CONV,
        [],
        "def f(x):\n    return [np][0].convolve(x, x)",
        "hands the module `np` on",
    ),
    "forbidden, as an argument": (
        NO_CONV,
        ["def run(n, x):\n    return n.convolve(x, x)"],
        "def f(x):\n    return run(np, x)",
        "hands the module `np` on",
    ),
    "a builtin": (NO_CONV, [], "def f(x):\n    return sorted(x)", "uses `sorted`"),
    "a builtin by another name": (
        NO_CONV,
        ["order = sorted"],
        "def f(x):\n    return order(x)",
        "uses `order` (`sorted`)",
    ),
    "a method": (NO_CONV, [], "def f(x):\n    x.sort()\n    return x", "uses `.sort`"),
    "a word anywhere": (NO_CONV, [], "def f(x):\n    return torch.cdist(x, x)", "uses"),
    "a part of a library": (
        NO_CONV,
        ["from scipy.spatial.distance import squareform"],
        "def f(x):\n    return squareform(x)",
        "uses `squareform` (`scipy.spatial.distance.squareform`)",
    ),
    "for": (NO_LOOP, [], "def f(x):\n    for y in x:\n        pass\n    return x", "has a `for`"),
    "while": (NO_LOOP, [], "def f(x):\n    while x:\n        x = x[1:]", "has a `while` loop"),
    "a comprehension": (NO_LOOP, [], "def f(x):\n    return [y for y in x]", "has a comprehension"),
    "a generator": (NO_LOOP, [], "def f(x):\n    return sum(y for y in x)", "has a generator"),
    "map": (NO_LOOP, [], "def f(x):\n    return list(map(abs, x))", "uses `map`"),
    "vectorize": (
        NO_LOOP,
        [],
        "def f(x):\n    return np.vectorize(abs)(x)",
        "uses `np.vectorize`",
    ),
    "vectorize as a decorator": (
        NO_LOOP,
        ["from numpy import vectorize as v", "@v\ndef one(x):\n    return x"],
        "def f(x):\n    return one(x)",
        "uses `v` (`numpy.vectorize`)",
    ),
    "along an axis": (
        NO_LOOP,
        [],
        "def f(x):\n    return np.apply_along_axis(sum, 0, x)",
        "uses `np.apply_along_axis`",
    ),
    "reduce": (NO_LOOP, [], "def f(x):\n    return reduce(max, x)", "uses `reduce` (`functools"),
    "itertools": (
        NO_LOOP,
        ["import itertools as it"],
        "def f(x):\n    return list(it.product(x, x))",
        "uses `it.product`",
    ),
    "a key": (NO_LOOP, [], "def f(x):\n    return max(x, key=abs)", "uses `key=`"),
    "vmap": (NO_LOOP, [], "def f(x):\n    return torch.vmap(abs)(x)", "uses `torch.vmap`"),
    "a filter for each pixel": (
        NO_LOOP,
        [],
        "def f(x):\n    return ndimage.generic_filter(x, max, 3)",
        "uses `ndimage.generic_filter`",
    ),
    "a loop in a helper": (
        NO_LOOP,
        ["def helper(x):\n    return [y for y in x]"],
        "def f(x):\n    return helper(x)",
        "has a comprehension",
    ),
    "a table made by a loop": (
        NO_LOOP,
        ["table = []\nfor i in range(3):\n    table.append(i)"],
        "def f(x):\n    return table",
        "uses what is made by a `for` loop",
    ),
}
KEPT = {
    "NumPy": (NUMPY, [], "def f(x):\n    return np.abs(x).mean() + np.linalg.norm(x)"),
    "harmless modules": (
        NUMPY,
        ["import itertools, functools\nfrom dataclasses import dataclass"],
        "def f(x):\n    return math.sqrt(2) + len(list(itertools.product(x, x)))",
    ),
    "a try-out behind it": (
        NUMPY | NO_LOOP,
        [],
        "def f(x):\n    return np.abs(x)\n\nfor i in range(3):\n    print(f(np.arange(i)))",
    ),
    "a comparison with SciPy behind it": (
        NUMPY,
        [],
        "def f(x):\n    return np.abs(x)\n\nwanted = scipy.signal.convolve([1], [2])\n"
        "print(np.abs(f(wanted) - wanted))",
    ),
    "an assertion on another line": (
        NUMPY | NO_LOOP,
        [],
        "def f(x):\n    return x\n\nassert all(f(y) == y for y in [1, 2])\nimport torch as t",
    ),
    "a local variable of that name": (
        NUMPY | NO_CONV | NO_LOOP,
        [],
        "def f(x):\n    torch, map, sorted, scipy = x, x, x, x\n    return torch + map + sorted",
    ),
    "a parameter of that name": (
        NUMPY,
        [],
        "def f(torch, scipy=3):\n    return torch.mean() + scipy",
    ),
    "a docstring and comments": (
        NUMPY | NO_LOOP,
        [],
        'def f(x):\n    """No scipy, no for: exec(eval)."""\n    # while torch: map\n    return x',
    ),
    "methods that have such names": (
        NUMPY | NO_CONV,
        [],
        "def f(x):\n    return x.convolve(2) + x.eval() + np.array(x).dot(x).sum()",
    ),
    "a function of one's own with such a name": (
        NUMPY | NO_CONV | NO_LOOP,
        ["def sorted(x):\n    return x\ndef convolve(x):\n    return x"],
        "def f(x):\n    return convolve(sorted(x))",
    ),
    "one import with another": (
        NUMPY,
        ["import numpy as n, cv2"],
        "def f(x):\n    return n.abs(x)",
    ),
    "an earlier answer that nothing reads": (
        NUMPY,
        ["def f(x):\n    return torch.abs(x)", "print(f(np.ones(1)[0] * torch.ones(1)))"],
        "def f(x):\n    return x\nf = np.vectorize(f)",
    ),
    "an earlier answer, written anew before it is read": (
        NUMPY,
        ["def f(x):\n    return torch.abs(x)", "def f(x):\n    return x", "g = f"],
        "def f(x):\n    return g(x)",
    ),
    "a helper of earlier, written anew": (
        NO_LOOP,
        ["def helper(x):\n    return [y for y in x]", "def helper(x):\n    return x"],
        "def f(x):\n    return helper(x)",
    ),
    "an earlier attempt": (
        NO_LOOP,
        ["def f(x):\n    return [y for y in x]"],
        "def f(x):\n    return x",
    ),
    "a name of nobody": (
        NUMPY,
        ["conv = ndimage.sobel\nresults = [conv]"],
        "def f(x):\n    return x",
    ),
    "recursion": (NO_LOOP, [], "def f(x):\n    return f(x[1:]) if len(x) else 0"),
    "ufuncs that reduce": (NO_LOOP, [], "def f(x):\n    return np.add.reduce(x) + np.cumsum(x)"),
    "a class of one's own": (
        NUMPY,
        [],
        "class A:\n    size = 3\n    def __init__(self, x):\n        super().__init__()\n"
        "        self.x = x\n\n    def run(self):\n        return np.abs(self.x)\n\n"
        "def f(x):\n    return A(x).run()",
    ),
    "annotations": (
        NUMPY,
        [],
        "def f(x: 'torch.Tensor', y: torch.Tensor | None = None) -> torch.Tensor:\n"
        "    z: torch.Tensor = x\n    return z",
    ),
    "the largest float": (
        NUMPY,
        ["import sys"],
        "def f(x):\n    return x + sys.float_info.epsilon",
    ),
    "a plot that was left": (
        NUMPY,
        [],
        "import matplotlib.pyplot as plt\ndef f(x):\n    if x is None:\n        plt.plot(x)\n"
        "    return x",
    ),
    "a stack of lambdas": (
        NUMPY,
        ["square = lambda x: x * x\ncube = lambda x: x * square(x)"],
        "f = lambda x: cube(x)",
    ),
    "partial": (
        NUMPY,
        ["from functools import partial\ndef helper(x, n):\n    return x ** n"],
        "f = partial(helper, n=2)",
    ),
    "a cache": (
        NUMPY,
        ["from functools import lru_cache"],
        "@lru_cache\ndef f(x):\n    return x",
    ),
    "an alias of NumPy": (
        NUMPY | NO_CONV,
        ["xp = np"],
        "def f(x):\n    m = xp\n    return m.correlate(x, x)",
    ),
    "a match": (
        NUMPY,
        [],
        "def f(x):\n    match x:\n        case [torch, *scipy]:\n            return torch, scipy\n"
        "        case {'a': 1, **cv2}:\n            return cv2\n    return x",
    ),
    "a misspelt name": (NUMPY, [], "def f(x):\n    return undefined_here if x is None else x"),
    "matplotlib's magic and a shell line": (
        NUMPY,
        ["%matplotlib inline"],
        "def f(x):\n    return x",
    ),
    "a helper under %%time": (
        NO_LOOP,
        ["%%time\ndef helper(x):\n    return x"],
        "def f(x):\n    return helper(x)",
    ),
    "torch, of which a part is allowed": (
        {"libraries": ("torch.nn.functional",)},
        [],
        "def f(x):\n    return F.relu(x)",
    ),
}
CASES = {
    **FORBIDDEN,
    **{name: (*case, "") for name, case in KEPT.items()},
}
assert len(CASES) == len(FORBIDDEN) + len(KEPT)
assert len(CASES) >= 90


def check_of(declared):
    options = "".join(f", {name}={value!r}" for name, value in declared.items())
    return (
        f'@check.task("f", points=1{options})\ndef check_f(f):\n'
        '    check.true(True, hint="never")\n\n\ncheck_f(f)'
    )


def cell(source, name, **grading):
    metadata = {"nbgrader": grading} if grading else {}
    made = {"cell_type": "code", "id": name, "metadata": metadata, "source": source}
    return made | {"outputs": [], "execution_count": None}


def notebook(cells, answer, declared):
    made = [cell(SETUP, "setup")]
    made += [cell(source, f"cell-{number}") for number, source in enumerate(cells)]
    made.append(cell(answer, "f", grade_id="f", solution=True, grade=False))
    check = {"grade_id": "check-f", "solution": False, "grade": True, "points": 1}
    made.append(cell(check_of(declared), "f-check", **check))
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def graders(declared, cells, answer):
    """What the grader finds in the text."""
    solved = notebook(
        [], "def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION", {}
    )
    exercise = tasks.parse(solved, "small")
    task = tasks.parse(notebook([], "def f(x):\n    return x", declared), "small").tasks[0]
    located = answers.locate(ipynb.read(notebook(cells, answer, declared)), exercise.notebook)
    reach = SubmissionCode(exercise.setup, located).reach(task, located.answers[0])
    return rules.breach(task.declared, reach)


@pytest.fixture(scope="module")
def kernel():
    """An IPython shell with a history, as every notebook has one, gone again after the module."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    hook, main = sys.displayhook, sys.modules["__main__"]
    made = InteractiveShell.instance(config=config)
    made.enable_gui = lambda gui=None: None
    yield made
    InteractiveShell.clear_instance()
    sys.displayhook, sys.modules["__main__"] = hook, main


def told(kernel, declared, cells, answer, history=True):
    """What the visible check says in a running notebook; None if it is content."""
    kernel.reset(new_session=True)
    linecache.clearcache()  # of the cells of other tests
    for source in (SETUP, *cells, answer):
        kernel.run_cell(source, store_history=history).raise_error()
    result = kernel.run_cell(check_of(declared), store_history=history)
    fault = result.error_before_exec or result.error_in_exec
    assert fault is None or type(fault).__name__ == "CheckFailed"
    return None if fault is None else str(fault)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_check_and_the_grader_agree(kernel, capsys, name):
    declared, cells, answer, wanted = CASES[name]
    found, said = graders(declared, cells, answer), told(kernel, declared, cells, answer)
    assert (found is None) == (said is None) == (not wanted), (found, said)
    if wanted:
        assert wanted in found.clause
        assert found.clause in said
        assert f"in line {found.line} of its cell; {found.advice}." in said
    else:
        assert "could not be read" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["a helper", "a closure that was made before", "an alias of NumPy"]
)
def test_cells_that_run_without_a_history_are_read_all_the_same(kernel, name):
    declared, cells, answer, wanted = CASES[name]
    said = told(kernel, declared, cells, answer, history=False)
    assert (said is None) == (not wanted)


def test_a_cell_that_runs_again_counts_last(kernel):
    good, bad = "def helper(x):\n    return x", "def helper(x):\n    return [y for y in x]"
    answer = "def f(x):\n    return helper(x)"
    assert told(kernel, NO_LOOP, [bad, good, bad], answer)
    assert told(kernel, NO_LOOP, [good, bad, good], answer) is None


def test_the_cell_of_a_helper_is_named(kernel):
    said = told(
        kernel, NUMPY, ["\ndef helper(x):\n    return torch.relu(x)"], "f = lambda x: helper(x)"
    )
    assert said == (
        "f uses `helper`, which uses `torch.relu` in line 2 of its cell; this task allows only "
        "NumPy and plain Python: write it with these."
    )


# ---------------------------------------------------------------------------------- declarations


@pytest.mark.parametrize(
    "declared",
    [
        {"libraries": "numpy"},
        {"libraries": (3,)},
        {"forbid": "sorted"},
        {"forbid": ("np convolve",)},
        {"forbid": ("",)},
        {"forbid": ("*.sort",)},
        {"forbid": None},
        {"loops": None},
        {"loops": 1},
    ],
)
def test_what_is_no_rule_is_refused(declared):
    with pytest.raises(ValueError, match=r"name|True or False"):
        Rules(**declared)
    with pytest.raises(tasks.ExerciseError, match=r"small, cell f-check: .*(name|True or False)"):
        tasks.parse(notebook([], "def f(x):\n    return x", declared), "small")


def test_nothing_is_a_rule_unless_it_is_declared():
    assert not Rules()
    assert all([Rules(libraries=()), Rules(forbid=("sorted",)), Rules(loops=False)])
    assert Rules(libraries=["numpy"]) == Rules(libraries=("numpy",))


def test_a_declaration_is_written_out():
    source = notebook([], "def f(x):\n    return x", NUMPY).replace(b"('numpy',)", b"ALLOWED")
    with pytest.raises(tasks.ExerciseError, match="libraries is written out"):
        tasks.parse(source, "small")


# ----------------------------------------------------------------------------------- hostile text


def verdict(source, declared=NUMPY | NO_CONV | NO_LOOP):
    book = code.Notebook([code.Text(SETUP), code.Text(source)])
    reach = code.Reach(book, code.Answer(("f",), frozenset({1})))
    return rules.breach(Rules(**declared), reach)


HOSTILE = {
    "a chain of names": lambda n: (
        "".join(f"a{i} = a{i + 1}\n" for i in range(n)) + f"a{n} = scipy\nf = lambda x: a0(x)"
    ),
    "many names for one": lambda n: (
        "".join(f"a = np.a{i}\n" for i in range(n))
        + "".join(f"b{i} = a\n" for i in range(n))
        + "f = lambda x: ("
        + ", ".join(f"b{i}" for i in range(n))
        + ")"
    ),
    "many dots": lambda n: "f = lambda x: x" + ".a" * n,
    "dots that grow": lambda n: (
        "a0 = np\n" + "".join(f"a{i + 1} = a{i}.b\n" for i in range(n)) + f"f = lambda x: a{n}"
    ),
    "many helpers": lambda n: (
        "".join(f"def a{i}(x): return a{i + 1}(x)\n" for i in range(n)) + "f = a0"
    ),
    "a helper many times": lambda n: "def a(x): return a(x)\n" * n + "def f(x): return a(x)",
    "many locals": lambda n: (
        "def f(x):\n"
        + "".join(f"    a{i} = x if x else a{i - 1}\n" for i in range(1, n))
        + f"    return a{n - 1}"
    ),
    "many stars": lambda n: (
        "".join(f"from a{i} import *\n" for i in range(n))
        + "f = lambda x: ("
        + ", ".join(f"b{i}" for i in range(n))
        + ")"
    ),
    "a circle": lambda n: "a = b\nb = a\n" * n + "f = lambda x: a",
    "many conditions": lambda n: "if f0:\n  a = 1\n" * n + "f = lambda x: a",
    "many keywords": lambda n: "f = lambda x: g(" + ", ".join(f"k{i}=x" for i in range(n)) + ")",
    "its own name": lambda n: "f = f\n" * n + "f = lambda x: f(x)",
    "its own name, perhaps": lambda n: "if np.a:\n  f = f\n" * n + "f = lambda x: f(x)",
    "its own name under others": lambda n: (
        "".join(f"if np.a:\n  f = np.b{i}\ng{i} = f\n" for i in range(n))
        + "f = lambda x: ("
        + ", ".join(f"g{i}" for i in range(n))
        + ")"
    ),
    "many walruses": lambda n: (
        "f = lambda x: (" + ", ".join(f"(a{i} := x)" for i in range(n)) + ")"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_reading_takes_time_that_grows_with_the_length_only(name):
    def seconds(count):
        source = HOSTILE[name](count)
        began = time.process_time()
        with contextlib.suppress(code.Unreadable):
            verdict(source)
        return time.process_time() - began

    few, many = min(seconds(200) for _ in range(2)), seconds(4000)
    assert many < 60 * few + 1.0


@pytest.mark.parametrize(
    "source",
    [
        "f = " + "lambda: " * 300 + "1",
        "f = " + "-" * 3000 + "1",
        "f = 1" + " + 1" * 5000,
        "f = " + "[" * 90 + "]" * 90,
        "def f(x):\n" + "".join(" " * i + "if x:\n" for i in range(1, 90)) + " " * 90 + "pass",
        "f = " + "x[" * 90 + "0" + "]" * 90,
    ],
    ids=["lambdas", "signs", "sums", "lists", "conditions", "indices"],
)
def test_deep_code_has_a_verdict_or_none_can_be_given(source):
    try:
        found = verdict(source, NUMPY)
    except code.Unreadable:
        return
    assert found is None or "nested too deeply" in found.clause


def test_what_defines_nothing_cannot_be_read():
    for source in ("g = 1", "def f(:", "f\0 = 1", ""):
        with pytest.raises(code.Unreadable):
            verdict(source)


def test_a_long_name_is_cut():
    found = verdict(f"def f(x):\n    return torch.{'a' * 900}(x)")
    assert len(found.clause) < 150
