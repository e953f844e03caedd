"""Run the test suites of who starts kernels, with the warm kernel in place of the stock one.

    python tests/peers/run.py                   # all: nbclient, jupyter_client, ipykernel, nbval
    python tests/peers/run.py nbclient -- -k parallel

Each suite comes from the source archive of the version that the lock names, with the requirements
that it states for its tests, and runs twice: with the stock kernel, and with a kernelspec `python3`
that names the warm provisioner. Each test whose outcome differs is run once more and printed, and
`EXPLAINED`, beside this file, says which differences are by design. Needs a network for the
archives; nothing of theirs is kept in the repository. It takes some minutes, and belongs into the
weekly run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPLAINED = Path(__file__).with_name("explained.toml")
#: By distribution: where its tests lie in the archive.
SUITES = {
    "nbclient": "tests",
    "jupyter-client": "tests",
    "ipykernel": "tests",
    "nbval": "tests",
}
#: What their tests need that no extra of theirs names, and the suite that any kernel should pass.
MORE = [
    *("pytest-timeout", "pytest-asyncio", "pytest-jupyter[client]", "flaky", "ipywidgets"),
    *("nbdime", "pytest-mock", "ipyparallel", "coverage", "pytest-cov", "sympy", "matplotlib"),
]
#: The programs that `clients.py` and `lab.py` drive.
CLIENTS = ["papermill", "nbconvert", "nbmake", "testbook", "jupytext", "jupyter-cache"]
CLIENTS += ["jupyter-console", "pytest-xdist", "notebook>=7"]
KERNEL_TEST = "jupyter-kernel-test"
OWN = '''
import unittest
import jupyter_kernel_test as kernel

class TestPython(kernel.KernelTests):
    kernel_name, language_name, file_extension = "python3", "python", ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\\n  return x*2\\n\\n"]
    incomplete_code_samples = ['print("""hello', "def f(x):\\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError"
    code_execute_result = [{"code": "1 + 2", "result": "3"}]
    code_display_data = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>x</b>'))",
         "mime": "text/html"}
    ]
    code_history_pattern, code_inspect_sample = "1?2*", "zip"
    supported_history_operations = ("tail", "search")
    code_history_setup = "1 + 2"
    code_clear_output = "from IPython.display import clear_output; clear_output()"
'''


def locked(name: str) -> str:
    """Return the version of a distribution in the lock.

    >>> locked("nbval")[0].isdigit()
    True
    """
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(name)}==(\S+)", text, re.M)
    if found is None:
        raise SystemExit(f"peers: the lock names no {name}.")
    return found[1]


def environment(place: Path) -> Path:
    """Make an environment with the suites' requirements, unless it is there; return its Python."""
    python, stamp = place / "bin" / "python", place / "made-from"
    wanted = json.dumps([sys.version, MORE, CLIENTS, {name: locked(name) for name in SUITES}])
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        print(f"Making an environment for the suites in {place} ...", flush=True)
        command = [uv, "venv", "--quiet", "--clear", "--seed", "--python", sys.executable, place]
        subprocess.run(command, check=True)
        pip = [uv, "pip", "install", "--quiet", "--python", python]
        suites = [f"{name}[test]=={locked(name)}" for name in SUITES]
        subprocess.run(
            [*pip, *suites, *MORE, *CLIENTS, KERNEL_TEST, "-e", f"{ROOT}[classroom]"], check=True
        )
        stamp.write_text(wanted)
    return python


def source(name: str, python: Path, place: Path) -> Path:
    """Return the folder of a suite's source archive, unpacked."""
    version = locked(name)
    folder = place / f"{name}-{version}"
    if not folder.exists():
        archives = place / "archives"
        command = [python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name]
        subprocess.run([*command, "-d", archives, f"{name}=={version}"], check=True)
        stem = name.replace("-", "[-_]")
        (archive,) = (p for p in archives.iterdir() if re.match(rf"{stem}-{version}\.tar", p.name))
        partial = place / f"{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(archive) as packed:
            packed.extractall(partial, filter="data")
        (inside,) = partial.iterdir()
        inside.rename(folder)
    return folder


def kernelspec(place: Path, *, warm: bool) -> Path:
    """Write a kernelspec called python3; return the folder for JUPYTER_PATH."""
    spec = json.loads(
        (ROOT / "cvlab" / "classroom" / "running" / "warm" / "kernel.json").read_text("utf-8")
    )
    if not warm:
        del spec["metadata"]["kernel_provisioner"]
    folder = place / ("warm" if warm else "stock") / "kernels" / "python3"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(spec | {"display_name": "Python 3"}))
    return folder.parents[1]


def outcomes(report: Path) -> dict[str, str]:
    """Return what became of each test, by its name for pytest: passed, failed or skipped."""
    found = {}
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        bad = kinds & {"failure", "error"}
        file, classes = case.get("file", ""), case.get("classname", "")
        module = file.removesuffix(".py").replace("/", ".")
        inside = classes.removeprefix(module).removeprefix(".").split(".")
        name = "::".join(filter(None, [file, *inside, case.get("name")]))
        found[name] = "failed" if bad else "skipped" if "skipped" in kinds else "passed"
    return found


def run(suite: Path, tests: list[str], python: Path, place: Path, *, warm: bool):
    """Run tests of a suite with one kernel or the other; return what became of each."""
    report = place / f"{suite.name}-{'warm' if warm else 'stock'}.xml"
    report.unlink(missing_ok=True)
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=300"]
    command += ["-o", "junit_family=xunit1"]  # which names the file of a test
    # Warnings of newer libraries are errors in some suites, and none of the kernel's.
    command += ["-o", "filterwarnings=default", "-o", "asyncio_default_fixture_loop_scope=function"]
    variables = {
        "JUPYTER_PATH": str(kernelspec(place, warm=warm)),
        "JUPYTER_PREFER_ENV_PATH": "0",  # so that this python3 comes before the environment's
        "CVLAB_LIBRARIES": "numpy",
        # Some give each test a home of its own, and with it a parent; 5 s for all is not enough.
        "ASYNC_TEST_TIMEOUT": "60",
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        [*command, f"--junitxml={report}", *tests],
        cwd=suite,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (place / f"{report.stem}.log").write_text(done.stdout)
    if not report.exists():
        raise SystemExit(f"peers: {suite.name} did not run.\n{done.stdout[-2000:]}")
    return outcomes(report)


def different(stock: dict[str, str], warm: dict[str, str]) -> list[str]:
    """Return the tests whose outcomes differ.

    >>> different({"a": "passed", "b": "passed"}, {"a": "passed", "b": "failed", "c": "passed"})
    ['b', 'c']
    """
    return sorted(test for test in stock.keys() | warm.keys() if stock.get(test) != warm.get(test))


def prepare() -> tuple[Path, Path]:
    """Return the folder to work in and the Python of its environment, which is made if need be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "cvlab" / "peers" / hashlib.sha256(sys.version.encode()).hexdigest()[:8]
    place.mkdir(parents=True, exist_ok=True)
    return place, environment(place / "environment")


def main() -> int:
    """Run the suites and print what differs; 1 if a difference is not explained."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    known = [*SUITES, KERNEL_TEST]
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)} (all)")
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:cut])
    if unknown := set(options.names) - set(known):
        absent = ", ".join(sorted(unknown))
        parser.error(f"there is no suite {absent}; there are {', '.join(known)}")
    place, python = prepare()
    explained = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))
    faults = 0
    for name in options.names or known:
        if name == KERNEL_TEST:
            suite = place / name
            suite.mkdir(exist_ok=True)
            (suite / "test_kernel.py").write_text(OWN)
            tests = "test_kernel.py"
        else:
            suite, tests = source(name, python, place), SUITES[name]
        tests = [tests, *words[cut + 1 :]]
        stock, warm = (run(suite, tests, python, place, warm=one) for one in (False, True))
        if "passed" not in stock.values():
            raise SystemExit(f"peers: nothing of {name} passes with the stock kernel.")
        passed = [sum(value == "passed" for value in one.values()) for one in (stock, warm)]
        print(f"{name}: {passed[0]} of {len(stock)} pass stock, {passed[1]} of {len(warm)} warm")
        found = different(stock, warm)
        # Some wait for so many seconds and no longer: what a busy machine has done comes once.
        again = [run(suite, found, python, place, warm=one) for one in (False, True) if found]
        lasting = different(*again) if found else []
        for test in found:
            why = explained.get(name, {}).get(test)
            said = why or ("NOT EXPLAINED" if test in lasting else "Equal when it was run again.")
            faults += said == "NOT EXPLAINED"
            pair = f"{stock.get(test, 'missing')} stock, {warm.get(test, 'missing')} warm"
            print(f"  {test}: {pair}. {said}", flush=True)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
