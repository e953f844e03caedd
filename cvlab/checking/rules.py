"""What a task forbids in an answer's code, decided on the text alone; nothing of it is executed.

`cvlab.check.task` declares `Rules`: allowed libraries, forbidden names, whether there may be loops.
The visible check and the grader ask `breach` the same question of the same `code.Notebook`: does
the task's function, or whatever it uses by name, break them? What else stands in a cell, such as a
try-out or a comparison, does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cvlab.checking.code import BUILTINS, Reach
from cvlab.checking.statements import Path, Unit, Use

MOST_WORDS = 60  # characters of a student's name in a sentence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Modules of the standard library that are always allowed.
HARMLESS = _words(
    "__future__ abc array bisect cmath collections contextlib copy dataclasses datetime decimal "
    "enum fractions functools heapq itertools logging math numbers operator pprint random re "
    "statistics string textwrap time typing warnings"
)
#: Of other modules, what does no harm. Matplotlib only draws.
HARMLESS_NAMES = _words(
    "sys.float_info sys.maxsize sys.version_info types.SimpleNamespace matplotlib.pyplot"
)
#: Libraries that another one may lead to, as `matplotlib.image.PIL` does.
LIBRARIES = _words(
    "torch torchvision scipy cv2 skimage sklearn PIL pandas numba jax tensorflow cupy imageio "
    "cvlab kornia einops timm"
)
#: Modules that execute text, or reach what is not named.
INDIRECT_MODULES = _words(
    "IPython builtins code codeop ctypes ctypeslib dill gc imp importlib inspect linecache marshal "
    "multiprocessing os pickle pkgutil runpy subprocess sys types zipimport"
)
#: Those of them that libraries have lying about.
INDIRECT_PARTS = _words(
    "builtins ctypes ctypeslib importlib inspect linecache marshal os pickle subprocess sys"
)
#: Names that do so, on their own or after a dot.
INDIRECT_NAMES = _words(
    "exec getattr globals locals vars get_ipython importlib import_module attrgetter methodcaller "
    "builtins inspect"
)
INDIRECT_BUILTINS = INDIRECT_NAMES | {"eval", "compile"}  # re.compile and model.eval() are others
INDIRECT_ATTRIBUTES = INDIRECT_NAMES | _words(
    "run_cell run_cell_magic run_line_magic runstring f_globals f_locals f_builtins f_back "
    "gi_frame cr_frame ag_frame tb_frame FunctionType CodeType"
)
DUNDERS = _words(
    "__init__ __name__ __doc__ __file__ __version__ __call__ __len__ __getitem__ __setitem__ "
    "__add__ __sub__ __mul__ __matmul__ __truediv__ __post_init__ __future__"
)
#: What calls a function for each element, after a dot or imported.
LOOPING = _words(
    "vectorize frompyfunc fromiter fromfunction apply_along_axis apply_over_axes nditer ndindex "
    "ndenumerate nested_iters vmap map starmap imap filter apply apply_ map_ applymap "
    "generic_filter generic_filter1d labeled_comprehension"
)
LOOPING_BUILTINS = frozenset({"map", "filter", "iter"})
LOOPING_MODULES = frozenset({"itertools", "pandas", "numba"})
ABBREVIATIONS = {
    "np": "numpy",
    "plt": "matplotlib.pyplot",
    "F": "torch.nn.functional",
    "nn": "torch.nn",
    "sp": "scipy",
}
CALLED = {
    "numpy": "NumPy",
    "torch": "PyTorch",
    "scipy": "SciPy",
    "cv2": "OpenCV",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
}

# ----------------------------------------------------------------------------------- the rules


@dataclass(frozen=True)
class Rules:
    """What a task declares.

    Attributes:
        libraries: third-party libraries that an answer may use; None: any.
        forbid: what it may not use: dotted names, names of builtins, ``.name`` for any attribute.
        loops: whether it may loop.

    Raises:
        ValueError: if a declaration is none of these.
    """

    libraries: tuple[str, ...] | None = None
    forbid: tuple[str, ...] = ()
    loops: bool = True

    def __post_init__(self) -> None:
        for name, value in (("libraries", self.libraries), ("forbid", self.forbid)):
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
            elif not isinstance(value, tuple) and (value is not None or name == "forbid"):
                raise ValueError(f"{name}= is a tuple of names, such as ('numpy',).")
        for word in (*(self.libraries or ()), *self.forbid):
            parts = word.removeprefix(".").split(".") if isinstance(word, str) else [""]
            if not all(part.isidentifier() for part in parts):
                raise ValueError(f"{word!r} is no name of something that code can use.")
        if not isinstance(self.loops, bool):
            raise ValueError("loops= is True or False.")

    def __bool__(self) -> bool:
        return self.libraries is not None or bool(self.forbid) or not self.loops

    def advice(self, kind: str) -> str:
        """Return what a task wants instead of a breach of some kind, as a clause."""
        if kind == "loop":
            return "this task wants none: let whole arrays do it at once"
        if kind == "library":
            allowed = [CALLED.get(one, one) for one in self.libraries or ()]
            words = [*allowed, "plain Python"]
            listed = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
            return f"this task allows only {listed}: write it with these"
        if kind == "forbidden":
            return "this task forbids it: write it yourself"
        return "by that anything could be reached: name directly what you use"


@dataclass(frozen=True)
class Breach:
    """What breaks a rule: a clause that follows the answer's name, where, and how to mend it."""

    clause: str
    text: int  #: which of the texts
    line: int
    owner: str  #: the name whose definition it stands in
    advice: str


class _Judge:
    """Rules, prepared for many questions."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        allowed = rules.libraries
        self.allowed = None if allowed is None else tuple(_full(one) for one in allowed)
        words = [one for one in rules.forbid if not one.startswith(".")]
        self.attributes = {one[1:] for one in rules.forbid if one.startswith(".")}
        self.builtins = {one for one in words if one in BUILTINS}
        self.paths = [_full(one) for one in words if "." in one or one in ABBREVIATIONS]
        # A word alone that is no builtin is a library or something in one: `scipy`, `cdist`.
        bare = {one for one in words if "." not in one} - self.builtins - set(ABBREVIATIONS)
        self.anywhere = bare

    def path(self, path: Path) -> str:
        """Return the kind of breach that the use of a dotted name is; empty if it is none."""
        root, rest = path[0], path[1:]
        if root == "builtins":
            return self.builtin(path[1]) if len(path) > 1 else "indirect"
        harmless = any(".".join(path[:n]) in HARMLESS_NAMES for n in range(1, len(path) + 1))
        if not harmless:
            parts = set(rest)
            if root in INDIRECT_MODULES or parts & (INDIRECT_PARTS | INDIRECT_ATTRIBUTES):
                return "indirect"
            if self.allowed is not None and not self._allows(path):
                return "library"
        if self._forbids(path):
            return "forbidden"
        if not self.rules.loops and self._loops(path):
            return "loop"
        return ""

    def builtin(self, name: str) -> str:
        """Return the kind of breach that the use of a builtin is; empty if it is none."""
        if name in INDIRECT_BUILTINS or _hidden(name):
            return "indirect"
        if name in self.builtins:
            return "forbidden"
        return "loop" if not self.rules.loops and name in LOOPING_BUILTINS else ""

    def attribute(self, name: str) -> str:
        """Return the kind of breach that the attribute of a value is; empty if it is none."""
        if name in INDIRECT_ATTRIBUTES or _hidden(name):
            return "indirect"
        if name in self.attributes or name in self.anywhere:
            return "forbidden"
        return "loop" if not self.rules.loops and name in LOOPING else ""

    def keyword(self, name: str | None) -> str:
        """Return the kind of breach that an argument given by name is; empty if it is none."""
        if name == "allow_pickle":
            return "indirect"
        return "loop" if name == "key" and not self.rules.loops else ""

    def escapes(self, path: Path) -> bool:
        """Tell whether a module handed on as a value would hide the use of what is forbidden."""
        return any(len(path) < len(each) and each[: len(path)] == path for each in self.paths)

    def _allows(self, path: Path) -> bool:
        root = path[0]
        if root in HARMLESS:
            return True
        if set(path[1:]) & LIBRARIES - {each[0] for each in self.allowed or ()}:
            return False
        return any(path[: len(each)] == each for each in self.allowed or ())

    def _forbids(self, path: Path) -> bool:
        if set(path) & self.anywhere or set(path[1:]) & self.attributes:
            return True
        # What a library has ready it often has in several places: `np.core.numeric.convolve`.
        return any(
            path[: len(each)] == each or (path[0] == each[0] and each[-1] in path[1:])
            for each in self.paths
        )

    def _loops(self, path: Path) -> bool:
        if path[0] in LOOPING_MODULES or path[:2] == ("functools", "reduce"):
            return True
        return bool(set(path[1:]) & LOOPING)


def _full(name: str) -> Path:
    """Return the path of a dotted name, with the usual abbreviations written out."""
    first, *rest = name.split(".")
    return (*ABBREVIATIONS.get(first, first).split("."), *rest)


def _hidden(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in DUNDERS


# ----------------------------------------------------------------------------------- an answer


def breach(rules: Rules, reach: Reach) -> Breach | None:
    """Return the first thing in an answer, or in what it uses, that breaks the rules."""
    judge, answer, rebinds = _Judge(rules), reach.answer, reach.notebook.rebinds
    for unit, eager in reach.units:
        found = [*_done(unit, judge)]
        for use in unit.uses:
            paths, trouble = reach.meanings(use, unit, eager)
            found += _used(use, paths, trouble, rebinds, judge)
        if found:
            line, _, kind, clause = min(found)
            owner = next((name for name in answer.names if name in unit.scope.bound), "")
            return Breach(clause, unit.text, line, owner or unit.owner, rules.advice(kind))
    return None


Fault = tuple[int, int, str, str]  # line, order within it, kind, clause


def _done(unit: Unit, judge: _Judge) -> Iterator[Fault]:
    """Iterate over what a statement does against the rules, but for the names that it uses."""
    loops = judge.rules.loops
    if unit.loop is not None and not loops:
        yield unit.loop[0], 0, "loop", f"uses what is made by {unit.loop[1]}"
    for line, kind, word in unit.marks:
        if kind == "depth":
            yield line, 0, "indirect", "is nested too deeply to be read"
        elif kind == "loop" and not loops:
            yield line, 0, "loop", f"has {word}"
        elif kind == "attribute" and (broken := judge.attribute(word)):
            yield line, 2, broken, f"uses `.{_short(word)}`"
        elif kind == "keyword" and (broken := judge.keyword(word)):
            yield line, 2, broken, f"uses `{word}=`"
        elif kind == "import" and (broken := judge.path(tuple(word.split(".")))):
            yield line, 0, broken, f"imports `{_short(word)}`"


def _used(
    use: Use, paths: Iterable[Path], trouble: str, rebinds: bool, judge: _Judge
) -> Iterator[Fault]:
    """Iterate over what is wrong with the use of a name."""
    said = ".".join([use.name, *use.rest])
    if trouble == "unknown" and use.name in LIBRARIES:
        paths = [(use.name,)]  # whatever has imported it
    for path in paths:
        whole = (*path, *use.rest)
        if kind := judge.path(whole):
            real = ".".join(whole[1:] if whole[0] == "builtins" else whole)
            usual = real in (said, ".".join(_full(said)))
            more = "" if usual else f" (`{_short(real)}`)"
            yield use.line, 1, kind, f"uses `{_short(said)}`{more}"
        elif judge.escapes(whole) and not use.alias:
            yield use.line, 1, "indirect", f"hands the module `{_short(said)}` on as a value"
    if trouble == "many":
        yield use.line, 1, "indirect", f"gives `{_short(use.name)}` too many meanings"
    elif trouble and use.name in INDIRECT_BUILTINS:
        yield use.line, 1, "indirect", f"uses `{_short(said)}`"
    elif trouble and rebinds:
        yield use.line, 1, "indirect", f"uses `{_short(said)}`, which no statement defines"


def _short(text: str) -> str:
    return text if len(text) <= MOST_WORDS else text[: MOST_WORDS - 3] + "..."
