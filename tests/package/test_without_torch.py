"""Where most of a page is NumPy, it runs on a machine that has no torch."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT, WEEKLY

# Torch is installed here; Python's own finder is told that it is not.
BLOCK = """
import sys
from importlib.machinery import PathFinder

found = PathFinder.find_spec


def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in ("torch", "torchvision") else found(name, path, target)


PathFinder.find_spec = find_spec
"""


def run(code, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-c", BLOCK + code],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_cvlab_needs_no_torch():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not any(need.startswith("torch") for need in project["dependencies"])
    assert [need.split(">")[0] for need in project["optional-dependencies"]["torch"]] == [
        "torch",
        "torchvision",
    ]


@pytest.mark.slow
def test_numpy_parts_work_without_torch():
    done = run(
        "import cvlab\ncvlab.setup(seed=0)\n"
        "from cvlab import check, data, features, markup, metrics, plot, scenes, trials, widgets\n"
        "from cvlab.train import History\n"
        "images, labels = data.digits().arrays()\n"
        "assert images.shape == (1797, 8, 8)\n"
        "assert len(data.faces()[0]) == 2\n"
        "assert 'torch' not in sys.modules\n"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "code",
    ["import torch", "import torchvision", "from torch import nn", "from cvlab import nets",
     "import cvlab; cvlab.device()", "from cvlab.train import fit",
     "from cvlab import train; train.fit(None, None)"],
)  # fmt: skip
def test_what_needs_torch_says_what_to_do(code):
    done = run(f"import cvlab\n{code}")
    assert done.returncode == 1
    sentence = done.stderr.strip().splitlines()[-1]
    assert sentence.startswith("ModuleNotFoundError: torch")
    assert "pip install 'cvlab[torch]'" in sentence


def test_whoever_asks_whether_torch_is_there_gets_an_answer():
    done = run(
        "import cvlab, importlib.util\n"
        "assert importlib.util.find_spec('torch') is None\n"
        "try:\n    import torch\nexcept ImportError:\n    pass\n"
        "try:\n    import no_such_module\n"
        "except ModuleNotFoundError as error:\n    assert 'cvlab' not in str(error)\n"
    )
    assert done.returncode == 0, done.stderr


def test_advice_is_installed_once():
    done = run(
        "import importlib, cvlab\nimportlib.reload(cvlab)\n"
        "assert sum(type(f).__name__ == '_Advice' for f in sys.meta_path) == 1\n"
    )
    assert done.returncode == 0, done.stderr


# Every cell that does not use torch runs, but for those that need what such a cell would define.
CELLS = """
import ast, contextlib, io, json, os, warnings
os.environ["MPLBACKEND"] = "agg"
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
cells = [c for c in json.load(open(NAME, encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
os.chdir(os.path.dirname(NAME))
lost, ran, excused, faults = set(), 0, 0, []
for cell in cells:
    source = "".join(cell["source"])
    with contextlib.redirect_stdout(io.StringIO()):
        result = shell.run_cell(source, silent=True)
    error = result.error_in_exec or result.error_before_exec
    if error is None:
        ran += 1
        continue
    tree = ast.parse(shell.transform_cell(source))
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    imports = "torch" in source or "train" in source or "nets" in source
    if isinstance(error, ModuleNotFoundError) and "cvlab[torch]" in str(error) or names & lost:
        excused += 1
        lost |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)
                 and isinstance(n.ctx, ast.Store) and n.id not in shell.user_ns}
        lost |= {n.name for n in tree.body if hasattr(n, "name") and n.name not in shell.user_ns}
        lost |= {(a.asname or a.name).split(".")[0] for n in ast.walk(tree)
                 if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}
    else:
        faults.append(f"{cell['id']}: {type(error).__name__}: {error}")
assert "torch" not in sys.modules
print("RESULT " + json.dumps({"ran": ran, "excused": excused, "faults": faults}))
"""


def without_torch(path):
    done = run(f"NAME = {str(path)!r}\n{CELLS}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-2000:]
    return json.loads(lines[0].removeprefix("RESULT "))


PAGES = sorted((ROOT / "chapters").glob("0[1-7]_*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_exercises_of_the_first_parts_run_without_torch(path):
    found = without_torch(ROOT / "solutions" / path.name)
    assert found["faults"] == []
    assert found["excused"] == 0
    assert found["ran"] > 10


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not WEEKLY, reason="once a week; the exercises stand for the pages")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_runs_without_torch_as_far_as_it_does_not_use_it(path):
    found = without_torch(path)
    assert found["faults"] == []
    assert found["ran"] > 4 * found["excused"]
