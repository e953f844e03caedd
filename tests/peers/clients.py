"""Drive the programs that run notebooks, with the warm kernel in place of the stock one.

    python tests/peers/clients.py                # all
    python tests/peers/clients.py papermill console

Each program runs the same notebook twice: in an environment whose kernel `python3` is the stock
one, and in one where it is warm. Outputs must be equal, errors included, and the warm kernel must
really be one. Like `run.py` beside it, whose environment it shares, this needs a network for the
first time, and belongs into the weekly run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import run as suites  # beside this file

ROOT = suites.ROOT
GIVE_UP = 600  # seconds; nothing waits as long unless something is broken
#: Says whether the kernel was forked from the parent of warm kernels.
KIND = """
import os, pathlib
line = pathlib.Path(f"/proc/{os.getppid()}/cmdline").read_text()
print("warm" if "warm/parent.py" in line else "stock")
"""
CELLS = [
    KIND,
    "x = 3",
    "print(x * 14)\nx * 15",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\n_ = plt.plot([1, 2, x])",
    "import sys\nprint('to the other stream', file=sys.stderr)",
    "{'of': [set(), None, 1.5], 'many': 'kinds'}",
    "from IPython.display import HTML\nHTML('<b>bold</b>')",
]
FAILS = "1 / 0"


def write(path: Path, cells: list[str]) -> Path:
    """Write a notebook of code cells for the kernel python3; the second holds parameters."""
    made = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell{number}",
            "metadata": {"tags": ["parameters"]} if number == 1 else {},
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(cells)
    ]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = {"cells": made, "metadata": spec, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content))
    return path


def outputs(path: Path) -> list[object]:
    """Return what the cells of an executed notebook put out, without what differs from run to run.

    Pictures count as such: their bytes hold no time, and stay.
    """
    found = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            kept = {name: output.get(name) for name in ("output_type", "name", "text", "data")}
            kept |= {name: output.get(name) for name in ("ename", "evalue")}
            found.append(kept)
    return found


class Place:
    """A folder in which a program finds one kernel called python3.

    Args:
        python: of the environment of the programs.
        folder: to work in.
        warm: which kernel python3 is.
    """

    def __init__(self, python: Path, folder: Path, *, warm: bool) -> None:
        self.python, self.folder, self.warm = python, folder, warm
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.variables = os.environ | {
            "JUPYTER_PATH": str(suites.kernelspec(folder, warm=warm)),
            "JUPYTER_PREFER_ENV_PATH": "0",  # so that this python3 comes before the environment's
            "CVLAB_STATIC": "",
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, *command: str | Path, input: str | None = None, fails: bool = False) -> str:
        """Run a program of the environment and return what it says.

        Raises:
            AssertionError: if it ends otherwise than expected.
        """
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env=self.variables,
            input=input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=GIVE_UP,
            check=False,
        )
        assert (done.returncode != 0) == fails, (
            f"{command} ended with {done.returncode}:\n" + (done.stdout[-3000:])
        )
        return done.stdout


def papermill(place: Place) -> object:
    """With a parameter, and with a cell that fails."""
    source = write(place.folder / "n.ipynb", CELLS)
    place.run(
        "papermill", source, "out.ipynb", "-k", "python3", "-p", "x", "5", "--no-progress-bar"
    )
    bad = write(place.folder / "bad.ipynb", [KIND, "x = 3", FAILS])
    said = place.run("papermill", bad, "bad-out.ipynb", "--no-progress-bar", fails=True)
    assert "ZeroDivisionError" in said
    assert any(
        output["text"] == ["70\n"] or output["text"] == "70\n"
        for output in outputs(place.folder / "out.ipynb")
    ), "the parameter arrived"
    return outputs(place.folder / "out.ipynb"), outputs(place.folder / "bad-out.ipynb")


def nbconvert(place: Place) -> object:
    """To a notebook and to a page."""
    source = write(place.folder / "n.ipynb", CELLS)
    convert = ("jupyter", "nbconvert", "--execute", source, "--output")
    place.run(*convert, "out", "--to", "notebook")
    place.run(*convert, "page", "--to", "html")
    assert "<b>bold</b>" in (place.folder / "page.html").read_text()
    bad = write(place.folder / "bad.ipynb", [KIND, "x = 3", FAILS])
    said = place.run("jupyter", "nbconvert", "--execute", bad, "--to", "notebook", fails=True)
    assert "ZeroDivisionError" in said
    return outputs(place.folder / "out.ipynb")


def nbmake(place: Place) -> object:
    """As tests of pytest, on two workers."""
    names = [write(place.folder / f"n{k}.ipynb", CELLS) for k in range(4)]
    names.append(write(place.folder / "bad.ipynb", [KIND, "x = 3", FAILS]))
    test = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbmake", "--overwrite")
    said = place.run(*test, "-n", "2", *names, fails=True)
    assert re.search(r"1 failed, 4 passed", said), said
    return [outputs(name) for name in names[:4]]


def testbook(place: Place) -> object:
    """A test that reads a notebook's variables and injects code."""
    write(place.folder / "n.ipynb", CELLS)
    (place.folder / "test_book.py").write_text(
        "from testbook import testbook\n\n"
        "@testbook('n.ipynb', execute=True, kernel_name='python3')\n"
        "def test_it(tb):\n"
        "    assert tb.cell_output_text(2).startswith('42')\n"
        "    tb.inject('y = x + 1')\n"
        "    assert tb.ref('y') == 4\n"
        "    print('KIND', tb.cell_output_text(0))\n"
    )
    said = place.run("python", "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", ".")
    assert "1 passed" in said, said
    return [{"text": re.search(r"KIND (\w+)", said)[1] + "\n"}]


def jupytext(place: Place) -> object:
    """A script in percent format, executed into a notebook."""
    text = "\n\n".join(f"# %%\n{cell.strip()}" for cell in CELLS)
    (place.folder / "n.py").write_text(text.replace("%matplotlib", "# %matplotlib"))
    place.run("jupytext", "n.py", "--to", "ipynb", "--set-kernel", "python3", "--execute")
    return outputs(place.folder / "n.ipynb")


def jupyter_cache(place: Place) -> object:
    """A project of the cache that Jupyter Book uses, two notebooks in parallel."""
    names = [write(place.folder / f"n{k}.ipynb", CELLS) for k in range(2)]
    place.variables["JUPYTERCACHE"] = str(place.folder / "cache")
    place.run("jcache", "notebook", "-p", "cache", "add", *names, input="y\n")
    said = place.run("jcache", "project", "-p", "cache", "execute", "-e", "local-parallel")
    assert "succeeded" in said.lower(), said
    place.run("jcache", "notebook", "-p", "cache", "merge", "1", place.folder / "out.ipynb")
    return outputs(place.folder / "out.ipynb")


def console(place: Place) -> object:
    """The terminal's own front end."""
    lines = "\n".join([*KIND.strip().splitlines(), "print(6 * 7)", "1 / 0", "exit()", ""])
    said = place.run("jupyter", "console", "--kernel", "python3", "--simple-prompt", input=lines)
    assert "42" in said, said
    assert "ZeroDivisionError" in said, said
    return [{"text": re.search(r"\b(warm|stock)\b", said)[1] + "\n"}]


CLIENTS = (papermill, nbconvert, nbmake, testbook, jupytext, jupyter_cache, console)


def main() -> int:
    """Drive the clients and print what differs; 1 if something does."""
    known = {client.__name__: client for client in CLIENTS}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)} (all)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"there is no client {', '.join(sorted(unknown))}")
    place, python = suites.prepare()
    faults = 0
    for name in options.names or known:
        try:
            stock, warm = (
                known[name](Place(python, place / "clients" / name / kind, warm=kind == "warm"))
                for kind in ("stock", "warm")
            )
        except AssertionError as error:
            faults += 1
            print(f"{name}: FAILED. {error}", flush=True)
            continue
        texts = [json.dumps(one) for one in (stock, warm)]
        said = "equal"
        if "warm\\n" not in texts[1] or "warm\\n" in texts[0]:
            said = "FAILED: the kernel is not the one that was asked for"
        elif texts[0].replace("stock\\n", "warm\\n") != texts[1]:
            said = f"DIFFERENT:\n  {texts[0][:1500]}\n  {texts[1][:1500]}"
        faults += said != "equal"
        print(f"{name}: {said}", flush=True)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
