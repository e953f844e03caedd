"""The maintainers' tools: notebooks in normal form, derived exercises, execution, commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cvlab.classroom import book, bootstrap, cli, execute, exercises, notebooks, systems
from cvlab.classroom.notebooks import NotebookError


def write(path, *cells, **metadata):
    notebook = new_notebook(cells=list(cells), metadata=metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def grading(identifier, *, solution, points=None):
    found = {"grade_id": identifier, "solution": solution, "grade": not solution, "locked": False}
    return {"nbgrader": found | ({"points": points} if points else {})}


def task(body="    ### BEGIN SOLUTION\n    return x + 1\n    ### END SOLUTION", name="add-one"):
    source = f'def add_one(x):\n    """Return x + 1."""\n{body}'
    return [
        new_code_cell(source, metadata=grading(name, solution=True)),
        new_code_cell("add_one(1)", metadata=grading(f"check-{name}", solution=False, points=2)),
    ]


class TestNormalForm:
    def test_is_idempotent_and_drops_what_editors_leave(self, tmp_path):
        cell = new_code_cell("x = 1\n\n", execution_count=7, metadata={"collapsed": True})
        cell.outputs = [nbformat.v4.new_output("stream", text="left")]
        path = write(tmp_path / "a.ipynb", cell, new_markdown_cell("  "), colab={"name": "x"})
        once = notebooks.normal(notebooks.load(path))
        path.write_text(notebooks.text(once), encoding="utf-8")
        assert notebooks.normal(notebooks.load(path)) == once
        assert len(once["cells"]) == 1
        assert once["cells"][0]["outputs"] == []
        assert once["cells"][0]["execution_count"] is None
        assert set(once["metadata"]) == {"kernelspec", "language_info"}

    def test_keeps_ids_tags_grading_and_reference_output(self, tmp_path):
        cell = new_code_cell("print(1)", id="a-good-id", metadata={"tags": ["nbval-check-output"]})
        cell.outputs = [nbformat.v4.new_output("stream", text="1\n")]
        graded = new_code_cell("pass", metadata=grading("t", solution=True))
        path = write(tmp_path / "a.ipynb", cell, graded)
        found = notebooks.normal(notebooks.load(path))["cells"]
        assert found[0]["id"] == "a-good-id"
        assert len(found[0]["outputs"]) == 1
        assert found[1]["metadata"]["nbgrader"]["grade_id"] == "t"

    def test_ids_are_unique(self, tmp_path):
        path = write(tmp_path / "a.ipynb", new_code_cell("1"), new_code_cell("1"))
        notebook = json.loads(path.read_text())
        for cell in notebook["cells"]:
            cell["id"] = "same-id"
        ids = [cell["id"] for cell in notebooks.normal(notebook)["cells"]]
        assert len(set(ids)) == 2

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"cells": 3}', b'{"nbformat": 4, "cells": [{}]}'],
    )
    def test_a_damaged_file_gets_one_sentence(self, tmp_path, content):
        path = tmp_path / "bad.ipynb"
        path.write_bytes(content)
        with pytest.raises(NotebookError, match=r"not a (readable|valid) notebook"):
            notebooks.load(path)

    def test_a_missing_file_gets_one_sentence(self, tmp_path):
        with pytest.raises(NotebookError, match="does not exist"):
            notebooks.load(tmp_path / "none.ipynb")


class TestExercises:
    def test_bodies_become_stubs_and_instructors_cells_vanish(self):
        wrong = new_code_cell("def wrong(): ...", metadata={"tags": ["wrong-answer"]})
        hidden = new_markdown_cell("for instructors", metadata={"tags": ["hidden"]})
        solution = new_notebook(cells=[new_markdown_cell("# Title"), *task(), wrong, hidden])
        found = exercises.derive(solution)["cells"]
        text = "".join("".join(cell["source"]) for cell in found)
        assert len(found) == 3
        assert "    raise NotImplementedError" in text
        for secret in ("x + 1\n    ###", "SOLUTION", "wrong", "instructors", "return x + 1\n "):
            assert secret not in text

    def test_the_stub_keeps_signature_docstring_and_indentation(self):
        solution = new_notebook(cells=task())
        source = "".join(exercises.derive(solution)["cells"][0]["source"])
        namespace = {}
        exec(source, namespace)
        assert namespace["add_one"].__doc__ == "Return x + 1."
        with pytest.raises(NotImplementedError):
            namespace["add_one"](1)

    def test_hidden_tests_vanish(self):
        cells = task()
        cells[1].source += "\n### BEGIN HIDDEN TESTS\nsecret = 1\n### END HIDDEN TESTS\nlast = 2"
        source = "".join(exercises.derive(new_notebook(cells=cells))["cells"][1]["source"])
        assert "secret" not in source
        assert source.endswith("last = 2")

    @pytest.mark.parametrize(
        ("cells", "words"),
        [
            (task(body="    return x + 1"), "no ### BEGIN SOLUTION"),
            (task(body="    ### BEGIN SOLUTION\n    return 1"), "no partner"),
            (task()[:1], "needs a self-check"),
            (task()[::-1][:1], "needs a self-check"),
            (task() + task(), "stands twice"),
            ([new_code_cell("### BEGIN SOLUTION\nx\n### END SOLUTION")], "without nbgrader"),
        ],
    )
    def test_a_faulty_solution_is_refused(self, cells, words):
        with pytest.raises(NotebookError, match=words):
            exercises.derive(new_notebook(cells=cells))

    def test_points_are_required(self):
        cells = task()
        del cells[1].metadata["nbgrader"]["points"]
        with pytest.raises(NotebookError, match="no points"):
            exercises.derive(new_notebook(cells=cells))

    def test_write_adds_changes_and_removes(self, tmp_path):
        write(tmp_path / "solutions" / "01_a.ipynb", *task())
        write(tmp_path / "exercises" / "02_gone.ipynb", new_markdown_cell("old"))
        changed = exercises.write(tmp_path)
        assert {path.name for path in changed} == {"01_a.ipynb", "02_gone.ipynb"}
        assert not (tmp_path / "exercises" / "02_gone.ipynb").exists()
        assert exercises.faults(tmp_path) == []
        assert exercises.write(tmp_path) == []


class TestDependencies:
    @pytest.fixture
    def package(self, tmp_path):
        package = tmp_path / "cvlab"
        (package / "classroom").mkdir(parents=True)
        (package / "__init__.py").write_text("def setup():\n    from cvlab import plot\n")
        (package / "plot.py").write_text("import numpy\n")
        (package / "boxes.py").write_text("from cvlab.metrics import ap\n")
        (package / "metrics.py").write_text("")
        (package / "classroom" / "__init__.py").write_text("")
        return package

    @pytest.mark.parametrize(
        ("code", "names"),
        [
            ("import numpy", set()),
            ("import cvlab", {"__init__.py", "plot.py"}),
            ("from cvlab import boxes", {"__init__.py", "plot.py", "boxes.py", "metrics.py"}),
            ("def f():\n    import cvlab.metrics", {"__init__.py", "plot.py", "metrics.py"}),
            (
                "%pip install cvlab\nfrom cvlab.metrics import ap",
                {"__init__.py", "plot.py", "metrics.py"},
            ),
            ("if True:\n    !ls\nimport cvlab.nothing", {"__init__.py", "plot.py"}),
        ],
    )
    def test_modules_reached_through_imports(self, package, code, names):
        assert {path.name for path in execute.module_files(code, package)} == names

    def test_prose_does_not_matter_and_code_does(self, tmp_path):
        path = write(tmp_path / "a" / "n.ipynb", new_markdown_cell("one"), new_code_cell("x = 1"))
        first = execute.digest(path)
        write(path, new_markdown_cell("two"), new_code_cell("x = 1"))
        assert execute.digest(path) == first
        write(path, new_markdown_cell("two"), new_code_cell("x = 2"))
        assert execute.digest(path) != first

    def test_code_that_is_not_python_is_named(self, tmp_path):
        path = write(tmp_path / "a" / "n.ipynb", new_code_cell("x ="))
        with pytest.raises(execute.ExecutionError, match=r"a/n\.ipynb: a code cell is not Python"):
            execute.digest(path)


@pytest.mark.slow
class TestExecution:
    @pytest.fixture(autouse=True)
    def own_store(self, tmp_path, monkeypatch):
        monkeypatch.setattr(execute, "STORE", tmp_path / "store")

    def test_result_is_kept_until_the_code_changes(self, tmp_path):
        code = "import os\nprint(os.environ['CVLAB_STATIC'], os.path.basename(os.getcwd()))"
        path = write(tmp_path / "a folder" / "n.ipynb", new_code_cell(code))
        assert execute.record(path) is None
        found = execute.execute(path)
        assert found["seconds"] > 0
        assert found["peak_bytes"] > 1e7
        executed = nbformat.read(execute.stored(path)[0], as_version=4)
        assert executed.cells[0].outputs[0].text == "1 a folder\n"
        assert len(executed.cells) == 1
        assert execute.record(path) == found
        write(path, new_code_cell("x = 2"))
        assert execute.record(path) is None

    def test_failure_names_the_cell_and_leaves_no_record(self, tmp_path):
        path = write(tmp_path / "a" / "n.ipynb", new_code_cell("1 / 0", id="divide"))
        with pytest.raises(execute.ExecutionError, match=r"cell 'divide': ZeroDivisionError"):
            execute.execute(path)
        assert execute.record(path) is None

    def test_a_killed_kernel_is_a_failure(self, tmp_path):
        code = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
        path = write(tmp_path / "a" / "n.ipynb", new_code_cell(code))
        with pytest.raises(execute.ExecutionError, match=r"a/n\.ipynb"):
            execute.execute(path)
        assert execute.record(path) is None

    def test_a_damaged_record_is_stale(self, tmp_path):
        path = write(tmp_path / "a" / "n.ipynb", new_code_cell("x = 1"))
        execute.execute(path)
        described = execute.stored(path)[1]
        described.write_text(described.read_text()[:20])
        assert execute.record(path) is None

    def test_widgets_are_proved(self, tmp_path):
        code = (
            "from cvlab import plot\nfrom cvlab.widgets import explore\n"
            "def draw(h):\n    fig, ax = plot.figure(size=(1, 1))\n    ax.bar([0], [h])\n"
            "    return fig\n"
            "explore(draw, alt='A bar of height {h}', h=[1, 2, 3])"
        )
        path = write(tmp_path / "a" / "n.ipynb", new_code_cell(code))
        (widget,) = execute.execute(path)["widgets"]
        assert widget["frames"] == 3
        assert [proof["position"] for proof in widget["proof"]] == [[0], [1], [2]]
        executed = nbformat.read(execute.stored(path)[0], as_version=4)
        state = executed.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
        values = {
            model["state"].get("value") for model in state.values() if "value" in model["state"]
        }
        assert {proof["frame"] for proof in widget["proof"]} <= values

    def test_all_report_progress_and_failures_do_not_stop_the_rest(self, tmp_path, monkeypatch):
        good = write(tmp_path / "a" / "good.ipynb", new_code_cell("x = 1"))
        bad = write(tmp_path / "a" / "bad.ipynb", new_code_cell("raise ValueError('no')"))
        lines = []
        monkeypatch.setenv("CVLAB_STORE", str(execute.STORE))  # for the workers
        failures = execute.execute_all([bad, good], workers=2, report=lines.append)
        assert len(failures) == 1
        assert "ValueError: no" in failures[0]
        assert execute.record(good) is not None
        assert execute.record(bad) is None
        assert "2 to run, 0 up to date" in lines[0]
        assert any(line.startswith("  [2/2]") for line in lines)
        assert execute.execute_all([good], report=lines.append) == []
        assert "1 up to date" in lines[-1]

    def test_a_damaged_result_is_stale(self, tmp_path):
        path = write(tmp_path / "a" / "n.ipynb", new_code_cell("x = 1"))
        execute.execute(path)
        executed = execute.stored(path)[0]
        executed.write_text(executed.read_text()[:40])
        assert execute.record(path) is None

    def test_edited_prose_and_tags_reach_the_page_without_a_new_run(self, tmp_path):
        code = new_code_cell("print(6 * 7)", id="answer")
        path = write(tmp_path / "a" / "n.ipynb", new_markdown_cell("old words"), code)
        execute.execute(path)
        code.metadata["tags"] = ["hide-input"]
        write(path, new_markdown_cell("new words"), new_markdown_cell("more"), code)
        assert execute.record(path) is not None
        first, second, answer = book.with_outputs(path)["cells"]
        assert (first["source"], second["source"]) == ("new words", "more")
        assert answer["outputs"][0]["text"] == "42\n"
        assert notebooks.tags(answer) == ["hide-input"]


class TestWriting:
    def test_a_failed_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = tmp_path / "a.ipynb"
        path.write_text("the old content")

        def full(self, *_arguments, **_options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            notebooks.write(path, "the new content")
        assert path.read_text() == "the old content"
        assert list(tmp_path.iterdir()) == [path]

    def test_tidy_names_a_faulty_cell_and_writes_nothing(self, tmp_path):
        good = write(tmp_path / "good.ipynb", new_code_cell("x=1"))
        bad = write(tmp_path / "bad.ipynb", new_code_cell("x ="))
        before = good.read_bytes(), bad.read_bytes()
        with pytest.raises(NotebookError, match="ruff cannot format"):
            notebooks.tidy([good, bad])
        assert (good.read_bytes(), bad.read_bytes()) == before


class TestCommands:
    def run(self, *arguments, **options):
        command = [sys.executable, "-m", "cvlab.classroom.cli", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=ROOT, **options
        )

    def test_unknown_chapter_gets_one_sentence(self):
        done = self.run("chapter", "99_nothing")
        assert done.returncode == 1
        assert "there is no chapter '99_nothing'; there are 01_knn" in done.stdout

    def test_bad_address_gets_one_sentence_and_changes_nothing(self):
        before = (ROOT / "_config.yml").read_text()
        done = self.run("address", "ftp://elsewhere")
        assert done.returncode == 1
        assert "not of the form" in done.stdout
        assert (ROOT / "_config.yml").read_text() == before

    def test_version_is_the_packages(self):
        import cvlab

        assert self.run("--version").stdout.strip() == f"cvlab {cvlab.__version__}"

    def test_every_command_has_help(self, capsys):
        for name in ("book", "test", "check", "chapter", "exercises", "tidy", "lock", "address"):
            with pytest.raises(SystemExit) as left:
                cli.main([name, "--help"])
            assert left.value.code == 0
            assert len(capsys.readouterr().out.splitlines()) > 4

    def test_serve_answers_and_takes_the_next_free_port(self, tmp_path):
        import socket
        import urllib.request

        (tmp_path / "index.html").write_text("the page")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            code = (
                "from pathlib import Path; from cvlab.classroom import cli; "
                f"cli.serve(Path({str(tmp_path)!r}), {port})"
            )
            server = subprocess.Popen(
                [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            try:
                line = server.stdout.readline()
                address = line.split()[1]
                assert str(port) not in address
                assert urllib.request.urlopen(address, timeout=10).read() == b"the page"
            finally:
                server.kill()
                server.wait()
                server.stdout.close()

    def test_outside_a_checkout_the_command_says_so(self, monkeypatch, capsys, tmp_path):
        monkeypatch.setattr(cli, "ROOT", tmp_path)
        assert cli.main(["exercises"]) == 1
        assert "inside a checkout" in capsys.readouterr().out


class TestBootstrap:
    def test_torch_and_its_libraries_leave_the_lock_whole(self):
        lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
        rest, torch = bootstrap.split_lock(lock)
        assert [name.split("==")[0] for name in torch] == ["torch", "torchvision"]
        assert "nvidia-" not in "".join(x for x in rest.splitlines() if not x.startswith(" "))
        names = [line.split("==")[0] for line in rest.splitlines() if line[:1].isalnum()]
        assert {"numpy", "jupyter-book", "nbval"} <= set(names)
        assert "torchvision" not in names

    def test_an_up_to_date_environment_costs_nothing(self, tmp_path):
        started = time.monotonic()
        code = (
            "import sys; from pathlib import Path; from cvlab.classroom import bootstrap as b; "
            f"b.STAMP = Path({str(tmp_path)!r}) / 'stamp'; b.STAMP.write_text(b.fingerprint()); "
            "b.install = lambda: sys.exit('installs again'); sys.argv = ['x']; b.main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - started < 20

    def test_an_unsuitable_python_gets_one_sentence(self, monkeypatch):
        monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 0))
        monkeypatch.setenv("PATH", os.devnull)
        with pytest.raises(SystemExit, match=r"needs Python 3\.11, 3\.12 or 3\.13"):
            bootstrap.suitable_python()

    def test_a_failing_step_says_what_to_do(self):
        with pytest.raises(SystemExit, match=r"trying failed .*; take a walk\."):
            bootstrap.run([sys.executable, "-c", "raise SystemExit(3)"], "trying", "take a walk.")
        with pytest.raises(SystemExit, match="trying failed"):
            bootstrap.run([Path("no") / "such" / "program"], "trying", "take a walk.")


class TestSystems:
    def test_a_list_with_a_fault_is_refused(self, tmp_path):
        path = tmp_path / "systems.csv"
        path.write_text("id,chapter,name,works_when\na,01,A,it works\na,02,B,it works\n")
        with pytest.raises(ValueError, match="a stands more than once"):
            systems.read(path)
        path.write_text("id,chapter,name,works_when\na,01,,it works\n")
        with pytest.raises(ValueError, match="line 2: needs the columns"):
            systems.read(path)
