"""The probes and rules of every task: right answers get all points, wrong ones lose some.

Each function is scored as the grader does it, but in this process: what is executed here is the
course's own. `right_answers` holds answers in other styles than the solution's.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
import warnings

import matplotlib as mpl
import numpy as np
import pytest
import right_answers
from conftest import IN_TURN, ROOT, SOLUTIONS

from cvlab.checking import code, compare, rules, wire
from cvlab.classroom.grading.intake import tasks

SEEDS = (3, 4, 5)
assert IN_TURN, "there is no solution notebook"
NAMES = [path.stem for path in SOLUTIONS]


@functools.cache
def exercise(name):
    return tasks.load(ROOT / "solutions" / f"{name}.ipynb")


TASKS = {task.name: (name, task) for name in NAMES for task in exercise(name).tasks}
assert len(TASKS) == sum(len(exercise(name).tasks) for name in NAMES), "two tasks share a name"
TESTED = [task for task, (name, _) in TASKS.items() if name in IN_TURN]


def executed(source, names=()):
    """The names after a piece of course code."""
    names = dict(names)
    exec(compile_source(source), names)
    return names


@functools.cache
def compile_source(source):
    return compile(source, "<course>", "exec")


@functools.cache
def setup(name):
    """The names after the cells before the first task."""
    with mpl.rc_context():
        return executed("\n".join(exercise(name).setup))


@functools.cache
def solutions(name):
    """The functions that the tasks of an exercise define, as the solution has them."""
    found = {}
    for task in exercise(name).tasks:
        after = executed(task.solution, setup(name))
        found |= {word: after[word] for word in task.names}
    return found


def crossed(value):
    """A value as it arrives on the other side of the pipe."""
    return wire.decode(wire.encode(value))


def value_of(name, probe, answer, seed):
    """What a probe gives for an answer, in the form in which it is compared."""
    names = executed(probe.source, setup(name) | solutions(name) | answer)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        value = crossed(names[probe.name](np.random.default_rng(seed)))
    if probe.normal:
        value = crossed(executed(probe.normal)[probe.normal_name](value))
    return value


@functools.cache
def expected(task, index, seed):
    name, task = TASKS[task]
    return value_of(name, task.probes[index], {}, seed)


def reach_of(name, source, names):
    """The code of functions, in a notebook that begins with an exercise's set-up."""
    texts = [*exercise(name).setup, source]
    notebook = code.Notebook([code.Text(text) for text in texts])
    return code.Reach(notebook, code.Answer(tuple(names), frozenset({len(texts) - 1})))


def lost(task, answer, source, seed, names=None):
    """Score an answer: the names of the rules it breaks and of the probes it fails, and its points.

    An answer is a dict of functions, `source` is their code, and `names` what they are called there
    if that is not what the task calls them.
    """
    name, task = TASKS[task]
    broken = [r.name for r in task.rules if executed(r.source)[r.name](source) is not None]
    breach = rules.breach(task.declared, reach_of(name, source, names or task.names))
    broken += [breach.clause] if breach else []
    failed, points = [], 0.0
    for index, probe in enumerate(task.probes):
        wanted = expected(task.name, index, seed)
        try:
            got = value_of(name, probe, answer, seed)
        except Exception:  # whatever a wrong answer raises
            failed.append(probe.name)
            continue
        if compare.compare(got, wanted, **probe.comparison):
            failed.append(probe.name)
        else:
            points += probe.points
    return broken + failed, 0.0 if broken else points


# The first seed is enough for `make check`.
by_seed = pytest.mark.parametrize(
    "seed", [SEEDS[0], *(pytest.param(seed, marks=pytest.mark.slow) for seed in SEEDS[1:])]
)
by_task = pytest.mark.parametrize("task", TESTED)


@by_seed
@by_task
def test_the_solution_gets_all_points(task, seed):
    name, about = TASKS[task]
    answer = {word: solutions(name)[word] for word in about.names}
    faults, points = lost(task, answer, about.solution, seed)
    assert faults == []
    assert points == pytest.approx(about.points)


@pytest.mark.slow
@by_task
def test_the_value_of_a_probe_depends_on_the_seed_and_nothing_else(task):
    name, about = TASKS[task]
    for probe in about.probes:
        raw = []
        for seed in (*SEEDS, SEEDS[0]):
            names = executed(probe.source, setup(name) | solutions(name))
            raw.append(wire.encode(names[probe.name](np.random.default_rng(seed))))
        assert raw[0] == raw[-1]
        assert len(set(raw)) == len(SEEDS)


WRONG = [
    pytest.param(task, number, id=f"{task}-{wrong.name}")
    for task in TESTED
    for number, wrong in enumerate(TASKS[task][1].wrong)
]


@functools.cache
def lost_by_wrong_answer(task, number, seed):
    """Score a named wrong answer, see `lost`."""
    name, about = TASKS[task]
    wrong = about.wrong[number]
    names = executed(wrong.source, setup(name))
    answer = {word: names[instead] for word, instead in wrong.stands_for.items()}
    return lost(task, answer, wrong.source, seed, wrong.stands_for.values())


@pytest.mark.slow
@by_seed
@pytest.mark.parametrize(("task", "number"), WRONG)
def test_a_named_wrong_answer_loses_points(task, number, seed):
    faults, points = lost_by_wrong_answer(task, number, seed)
    assert faults
    assert points < TASKS[task][1].points


def numbers_near(frame):
    """The arrays and numbers that a probe's frames hold, by their names, as an answer can read."""
    found = {}
    while frame is not None:
        if frame.f_code.co_filename == "<course>":
            found |= frame.f_locals
        frame = frame.f_back
    return {
        name: np.array(value)
        for name, value in found.items()
        if isinstance(value, np.ndarray | np.number | int | float)
    }


def as_arrays(result, arguments):
    """The parts of a result; for one that is an item of an argument also its place in it."""
    parts = result if isinstance(result, tuple | list) else [result]
    found = [np.asarray(part) for part in parts if isinstance(part, np.ndarray | np.number | int)]
    for each in (each for each in arguments if isinstance(each, list)):
        same = [np.array_equal(item, parts[0]) for item in each]
        found += [np.asarray(same.index(True))] if any(same) else []
    return found


class Reader:
    """A right answer that notes which of its caller's variables were what it returns."""

    def __init__(self, right):
        self.right, self.calls, self.same = right, 0, {}

    def __call__(self, *arguments, **options):
        near = numbers_near(inspect.currentframe().f_back)
        result = self.right(*arguments, **options)
        self.calls += 1
        for place, part in enumerate(as_arrays(result, arguments)):
            for name, value in near.items():
                if part.shape == value.shape and part.size:
                    self.same.setdefault((name, place), []).append(np.mean(part == value))
        return result

    def told(self):
        """The variables that were mostly what one and the same part of the result was."""
        same = self.same.items()
        return {name for (name, _), often in same if sum(often) > 0.6 * self.calls}


@by_task
def test_no_right_answer_is_in_the_frames_of_the_probe(task):
    """A function can read its caller's variables, so that a probe must not compute the answer."""
    name, about = TASKS[task]
    word = about.names[0]
    for probe in about.probes:
        reader = Reader(solutions(name)[word])
        names = executed(probe.source, setup(name) | solutions(name) | {word: reader})
        # A small whole number is sometimes another by chance: what is told is told in every draw.
        for seed in range(SEEDS[0], SEEDS[0] + 5):
            names[probe.name](np.random.default_rng(seed))
            if not reader.told():
                break
        assert reader.calls
        assert reader.told() == set(), probe.name


@pytest.mark.parametrize("leak", [True, False])
def test_a_probe_that_computes_the_answer_is_found(leak):
    reader = Reader(lambda a: (a.max(), int(np.argmax(a))))
    kept = "place = int(np.argmax(a))" if leak else "place = 3"
    probe = f"def probe(rng):\n    a = rng.random(50)\n    {kept}\n    return largest(a)\n"
    names = executed(probe, {"np": np, "largest": reader})
    for seed in SEEDS:
        names["probe"](np.random.default_rng(seed))
    assert reader.told() == ({"place"} if leak else set())


def zeros_like(value):
    """A value of the same form with a zero for every number."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(zeros_like, value))
    return np.zeros_like(value)[()]


def trivial_answers(right):
    """Answers without a thought, by name; `right` is the solution's function."""

    def refuse(*_given, **_options):
        raise ValueError("no.")

    def unwritten(*_given, **_options):
        raise NotImplementedError

    return {
        "nothing": lambda *_given, **_options: None,
        "zero": lambda *_given, **_options: 0,
        "zeros of the right form": lambda *given, **options: zeros_like(right(*given, **options)),
        "its first argument": lambda *given, **_options: given[0],
        "its arguments": lambda *given, **_options: given,
        "a ValueError": refuse,
        "the stub": unwritten,
    }


@pytest.mark.slow
@by_task
def test_a_trivial_answer_gets_nothing(task):
    name, about = TASKS[task]
    trivial = {word: trivial_answers(solutions(name)[word]) for word in about.names}
    for kind in next(iter(trivial.values())):
        answer = {word: trivial[word][kind] for word in about.names}
        for seed in SEEDS:
            _, points = lost(task, answer, about.solution, seed)
            assert points == 0, f"{kind} gets {points:g} points"


# ----------------------------------------------------------------- right answers in other styles

OTHERS = right_answers.load()


def source_of(function):
    """The code of an answer with its helpers, as the grader hands it to a rule."""
    parts = [*right_answers.HELPERS[function], function]
    return "\n\n".join(textwrap.dedent(inspect.getsource(part)) for part in parts)


RIGHT = [
    pytest.param(task, function, id=f"{task}-{function.__name__}")
    for task, functions in OTHERS.items()
    if task in TESTED
    for function in functions
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "function"), RIGHT)
def test_a_right_answer_in_another_style_gets_all_points(task, function):
    _, about = TASKS[task]
    for seed in SEEDS:
        answer, source = {about.names[0]: function}, source_of(function)
        faults, points = lost(task, answer, source, seed, [function.__name__])
        assert faults == []
        assert points == pytest.approx(about.points)


def test_every_task_has_two_other_right_answers():
    assert set(OTHERS) == set(TASKS)
    assert min(map(len, OTHERS.values())) >= 2


# ------------------------------------------------------------------- partial credit, and its limits


def test_who_forgets_one_thing_loses_that_and_no_more():
    _, about = TASKS["pairwise-distances"]
    number = [wrong.name for wrong in about.wrong].index("silent_broadcast")
    faults, points = lost_by_wrong_answer(about.name, number, SEEDS[0])
    assert faults == ["columns_that_differ"]
    assert points == 2.5


@by_task
def test_some_wrong_answer_keeps_a_part_of_the_points(task):
    """Otherwise one probe decides all."""
    numbers = range(len(TASKS[task][1].wrong))
    assert max(lost_by_wrong_answer(task, number, SEEDS[0])[1] for number in numbers) > 0


# ------------------------------------------------------------------------------ the rule on loops

LOOPS = {
    "while": "while True:\n        pass",
    "comprehension": "return [q - gallery for q in queries]",
    "generator": "return sum(abs(q - gallery) for q in queries)",
    "set of rows": "return {tuple(q) for q in queries}",
    "map": "return np.array([*map(lambda q: abs(q - gallery), queries)])",
    "map by another name": "each = map\n    return list(each(abs, queries))",
    "map of a pool": "return pool.map(row, queries)",
    "vectorize": "return np.vectorize(row, signature='(d),(n,d)->(n)')(queries, gallery)",
    "vectorize by another name": "from numpy import vectorize as v\n    return v(row)(queries)",
    "along an axis": "return np.apply_along_axis(lambda q: abs(q - gallery).sum(1), 1, queries)",
    "frompyfunc": "return np.frompyfunc(row, 2, 1)(queries, gallery)",
    "functools": "from functools import reduce\n    return reduce(row, queries)",
    "functools by another name": "import functools as tools\n    return tools.reduce(row, queries)",
    "reduce from another cell": "return reduce(row, queries)",
    "itertools": "import itertools\n    return list(itertools.starmap(row, queries))",
    "sorting": "return sorted(queries, key=collect)",
    "two-argument iter": "return list(iter(row, None))",
    "vmap": "return torch.vmap(row)(queries)",
    "cdist": "from scipy.spatial.distance import cdist as d\n    return d(queries, gallery)",
    "scipy": "import scipy\n    return scipy.spatial.distance_matrix(queries, gallery, p)",
    "scipy by another name": "import scipy.spatial as s\n    return s.distance_matrix(queries)",
    "torch's cdist": "return torch.cdist(queries, gallery, p)",
    "scikit-learn": "from sklearn import metrics\n    return metrics.pairwise_distances(queries)",
    "the class of the set-up": "return KNeighborsClassifier(9).fit(gallery, y).kneighbors(queries)",
    "exec": "exec('for q in queries: pass')",
    "eval": "return eval('[q - gallery for q in queries]')",
    "getattr": "return getattr(np, 'vec' + 'torize')(row)(queries)",
    "import by name": "return __import__('scipy.spatial').spatial",
    "importlib": "import importlib\n    return importlib.import_module('sci' + 'py')",
    "builtins": "return __builtins__['m' + 'ap'](row, queries)",
    "a dict of names": "return np.__dict__['vec' + 'torize'](row)(queries)",
    "vars": "return vars(np)['vec' + 'torize'](row)(queries)",
    "globals": "return globals()['c' + 'dist'](queries, gallery)",
    "operator": "from operator import attrgetter\n    return attrgetter('vec' + 'torize')(np)(row)",
    "modules": "import sys\n    return sys.modules['num' + 'py']",
    "the shell": "get_ipython().run_cell('for q in queries: pass')",
}
HONEST = {
    "a docstring": '"""No for, no while, no map, no cdist: exec(eval) is a word here."""',
    "a comment": "# for each query, while True, map(cdist)\n    return abs(queries)",
    "names that begin alike": "map_size, formula, while_ = 1, 2, 3\n    return map_size * formula",
    "a variable of that name": "map = abs(queries)\n    filter = map > 0\n    return map[filter]",
    "ufuncs that reduce": "return np.add.reduce(queries) + np.maximum.accumulate(gallery)",
    "a warning filter": "import warnings\n    warnings.filterwarnings('ignore')\n    return p",
    "an inner function": "def root(x):\n        return x ** (1 / p)\n    return root(queries)",
    "conditions": "return queries if p == np.inf else gallery if p > 2 else queries + gallery",
    "an error's text": "raise ValueError(f'for {p} there is no map, while {queries!r} is one')",
    "norms": "from scipy.linalg import norm\n    return norm(queries[:, None] - gallery, p, 2)",
    "einsum": "return np.einsum('md,nd->mn', queries, gallery, optimize=True)",
    "meshes": "i, j = np.ogrid[: len(queries), : len(gallery)]\n    return queries[i] - gallery[j]",
}


#: Loops, and distances that are ready; the first task of the course forbids yet more.
READY = ("scipy.spatial", "sklearn", "cdist", "pdist", "distance_matrix")
DISTANCES = rules.Rules(forbid=READY, loops=False)


def what_breaks_the_rule(body, before="", declared=DISTANCES):
    name, about = TASKS["pairwise-distances"]
    source = f"{before}def pairwise_distances(queries, gallery, p=2):\n    {body}\n"
    compile(source, "<an answer>", "exec")
    found = rules.breach(declared, reach_of(name, source, about.names))
    return found and found.clause


@pytest.mark.parametrize("body", LOOPS.values(), ids=LOOPS)
def test_the_rule_on_loops_refuses(body):
    for declared in (DISTANCES, TASKS["pairwise-distances"][1].declared):
        assert what_breaks_the_rule(body, "from functools import reduce\n", declared)


@pytest.mark.parametrize("body", HONEST.values(), ids=HONEST)
def test_the_rule_on_loops_accepts(body):
    assert what_breaks_the_rule(body) is None


@pytest.mark.parametrize(
    ("before", "body"),
    [
        ("def rows(x):\n    for row in x:\n        yield row\n\n\n", "return rows(queries)"),
        ("from numpy import vectorize as v\n\n\n", "return v(abs)(queries)"),
        ("each = map\n\n\n", "return [*each(abs, queries)]"),
        ("def rows(x, map=map):\n    return [*map(abs, x)]\n\n\n", "return rows(queries)"),
        ("class Rows:\n    each = map\n\n\n", "return [*Rows.each(abs, queries)]"),
    ],
    ids=["function", "import", "name", "default", "class"],
)
def test_the_rule_on_loops_reads_helpers_too(before, body):
    assert what_breaks_the_rule(body, before)
    assert what_breaks_the_rule("return queries", before) is None
