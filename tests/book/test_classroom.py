"""The maintainers' tools: notebooks in normal form, derived exercises, commands."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from waiting import GIVE_UP, processor_time

from cvlab.classroom import bootstrap, cli, exercises, notebooks
from cvlab.classroom.book import address, build, questions, systems
from cvlab.classroom.notebooks import NotebookError
from cvlab.classroom.running import execute


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
        assert found[0]["execution_count"] == 1  # nbval refuses outputs of a cell that never ran
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
        names = ("book", "test", "validate", "check", "chapter", "exercises", "tidy", "lock")
        for name in (*names, "address"):
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


class TestBook:
    @pytest.fixture
    def executed(self, tmp_path, monkeypatch):
        """Three notebooks, of which two are stale, and a stand-in for their execution."""
        paths = [tmp_path / "chapters" / f"{name}.ipynb" for name in ("one", "two", "three")]
        valid = {paths[0]: {"seconds": 1}}
        calls = []

        def execute_all(asked, *, report):
            calls.append(list(asked))
            for path in asked:
                valid.setdefault(path, {"seconds": 2})
            return []

        monkeypatch.setattr(build.execute, "record", valid.get)
        monkeypatch.setattr(build.execute, "execute_all", execute_all)
        return paths, valid, calls

    def test_what_is_stale_runs_in_one_go(self, executed):
        paths, valid, calls = executed
        lines = []
        assert build.run(paths, lines.append) == valid
        assert len(calls) == 1
        build.run(paths, lines.append)
        assert len(calls) == 1
        assert lines == ["Notebooks: 3 up to date."]

    def test_what_was_not_run_says_so(self, tmp_path, monkeypatch):
        text = new_markdown_cell("# Two\n\nThere are {glue:text}`count` of {glue:}`them`.")
        path = tmp_path / "chapters" / "02_two.ipynb"
        write(path, text, new_code_cell("1 + 1", metadata={"tags": ["system:two"]}))
        notebook = build.decorate(build.without_outputs(path), None, "02_two")
        title, note, anchor, code = notebook["cells"]
        assert title["source"].endswith("There are (not run) of (not run).")
        assert note["source"] == build.NOT_RUN
        assert 'id="system-two"' in anchor["source"]
        assert code["outputs"] == []
        monkeypatch.setattr(build, "ROOT", tmp_path)
        record = {"seconds": 7, "cpu_seconds": 8, "peak_bytes": 1e9, "widgets": [{"frames": 3}]}
        lines = build.run_times({path: None, tmp_path / "a.ipynb": record}).splitlines()
        assert "| [02_two](chapters/02_two.ipynb) | not run | | | |" in lines
        assert "All notebooks together: 7 s of kernel time." in lines

    def test_the_questions_of_a_page_that_was_not_run_can_be_asked(self, tmp_path):
        path = tmp_path / "chapters" / "02_two.ipynb"
        answer = "<details><summary>Answer: a number</summary>\n\n{glue:text}`a`: so it is.\n\n"
        slips = "- {glue:text}`b`: one too many.\n- 0.5: half.\n\n</details>\n:::"
        write(path, new_markdown_cell(f"# Two\n\n:::{{question}} How many?\n{answer}{slips}"))
        (cell,) = build.without_outputs(path)["cells"]
        (question,) = questions.questions(cell["source"])
        values = [questions.number(text).value for text in (*question.reasons, *question.slips)]
        assert all(abs(a - b) > 0.5 * max(a, b) for a, b in itertools.combinations(values, 2))

    def test_sliders_that_weigh_too_much_or_need_a_kernel_are_refused(self, monkeypatch):
        frames = ['<img alt="one">', '<img alt="two">']
        listed = json.dumps(frames)
        explorer = (
            '<div class="cvlab-explore"><b></b><script type="application/json" '
            f'class="cvlab-frames">{listed}</script></div>'
        )

        def page(data):
            output = nbformat.v4.new_output("display_data", data)
            return new_notebook(cells=[new_code_cell("", id="turn", outputs=[output])])

        notebook = page({"text/html": explorer + explorer.replace("two", "three")})
        files = build.set_aside_frames(Path("chapters/a.ipynb"), notebook)
        assert len(files) == 2
        text = notebook["cells"][0]["outputs"][0]["data"]["text/html"]
        assert text == "".join(
            f'<div class="cvlab-explore" data-frames="{Path(name).stem}"><b></b></div>'
            for name in files
        )
        monkeypatch.setattr(build.widgets, "MAX_BYTES", 50)
        with pytest.raises(build.BuildError, match=r"chapters/a\.ipynb: its sliders weigh 0\.0 MB"):
            build.set_aside_frames(Path("chapters/a.ipynb"), page({"text/html": explorer}))
        with pytest.raises(
            build.BuildError, match=r"a\.ipynb, cell 'turn': a widget of ipywidgets"
        ):
            build.set_aside_frames(Path("chapters/a.ipynb"), page({build.WIDGET_VIEW: {}}))

    @pytest.mark.parametrize(
        ("html", "runs"),
        [
            ('<div><button onclick="copy()">c</button></div>', True),
            ("<div><SCRIPT>go()</SCRIPT></div>", True),
            ('<img src="a" onerror="x()">', True),
            ('<script type="application/json">{}</script><b>once=1</b>', False),
            ("<p>A button with onclick= in its text</p>", False),
        ],
    )
    def test_markup_that_would_run_a_script_is_shown_as_its_words(self, html, runs):
        data = {"text/html": html, "text/plain": "Model(k=1)"}
        output = nbformat.v4.new_output("execute_result", data, execution_count=1)
        notebook = new_notebook(cells=[new_code_cell("", id="a", outputs=[output])])
        build.set_aside_frames(Path("chapters/a.ipynb"), notebook)
        kept = notebook["cells"][0]["outputs"][0]["data"]
        assert ("text/html" not in kept) == runs
        assert kept["text/plain"] == "Model(k=1)"

    def test_an_output_that_is_a_script_alone_is_refused(self):
        output = nbformat.v4.new_output("display_data", {"text/html": "<script>go()</script>"})
        notebook = new_notebook(cells=[new_code_cell("", id="a", outputs=[output])])
        with pytest.raises(build.BuildError, match="cell 'a': its output holds a script"):
            build.set_aside_frames(Path("chapters/a.ipynb"), notebook)

    def test_all_failures_are_named(self, executed, monkeypatch):
        failures = ["chapters/two.ipynb: no.", "chapters/three.ipynb: no."]
        monkeypatch.setattr(build.execute, "execute_all", lambda asked, *, report: failures)
        with pytest.raises(build.BuildError, match=r"two\.ipynb: no\.\n.*three\.ipynb: no\."):
            build.run(executed[0], print)

    def test_a_notebook_that_changes_while_it_runs_is_named(self, executed, monkeypatch):
        monkeypatch.setattr(build.execute, "execute_all", lambda asked, *, report: [])
        with pytest.raises(build.BuildError, match=r"chapters/two\.ipynb changed while it ran"):
            build.run(executed[0], print)

    def test_a_forgotten_run_is_stale_and_its_time_is_kept(self, tmp_path, monkeypatch):
        monkeypatch.setattr(execute, "STORE", tmp_path / "store")
        path = write(tmp_path / "a" / "n.ipynb", new_code_cell("x = 1"))
        build.forget(path)  # there is nothing yet
        described = execute.stored(path)[1]
        described.parent.mkdir(parents=True)
        described.write_text('{"digest": "right", "seconds": 7}')
        build.forget(path)
        assert json.loads(described.read_text()) == {"digest": "forgotten", "seconds": 7}
        described.write_text('{"digest"')
        build.forget(path)
        assert not described.exists()

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("A sentence with $x = 1$ and (words) in it.", []),
            ("# Title\n\nText\n\n### Part", ["# Title", "### Part"]),
            ("(target)=\n## Part", ["(target)=", "## Part"]),
            ("$$\nx\n$$ (eq-one)\n\nand $$y$$", ["$$ (eq-one)"]),
            ("```{figure} a.png\n:name: fig-a\n```", [":name: fig-a"]),
            ("```{glossary}\nword\n  What it means.\n```", ["```{glossary}\nword\n  What it me"]),
        ],
    )
    def test_what_other_pages_show_of_a_page(self, text, shown):
        name, *found = build.outline_of(ROOT / "book" / "a.md", text)
        assert name == "book/a.md"
        assert [line[:29] for line in found] == [line[:29] for line in shown]

    def test_a_page_that_prints_too_much_is_refused_before_sphinx_reads_it(self):
        def cell(name, size):
            outputs = [nbformat.v4.new_output("stream", text="x" * size)]
            return new_code_cell("print(x)", id=name, outputs=outputs)

        path = ROOT / "chapters" / "n.ipynb"
        build.check_printed(path, new_notebook(cells=[cell("little", build.PAGE_LIMIT)]))
        cells = [cell("little", 10), cell("much", build.PAGE_LIMIT)]
        said = r"chapters/n\.ipynb: its cells print 4\.0 MB .* print less in cell 'much'\."
        with pytest.raises(build.BuildError, match=said):
            build.check_printed(path, new_notebook(cells=cells))

    def test_a_page_whose_source_is_gone_leaves_nothing_in_the_book(self, tmp_path, monkeypatch):
        monkeypatch.setattr(build, "HTML", tmp_path / "html")
        monkeypatch.setattr(build, "SOURCE", tmp_path / "source")
        kept = ["chapters/a.html", "_sources/chapters/a.ipynb", "notes.html", "_sources/notes.md"]
        kept += ["search.html", "_static/webpack-macros.html"]
        gone = ["chapters/b.html", "_sources/chapters/b.ipynb", "old.html", "_sources/old.md"]
        sources = ["source/chapters/a.ipynb", "source/notes.md"]
        for name in [*sources, *(f"html/{name}" for name in kept + gone)]:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        build.remove_orphans()
        left = [path for path in (tmp_path / "html").rglob("*") if path.is_file()]
        assert {path.relative_to(tmp_path / "html").as_posix() for path in left} == {*kept}


def test_the_citation_agrees_with_the_package():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["version"] == project["version"]
    assert cited["repository-code"] == address.current()
    guide = (ROOT / "book" / "how_to_use.md").read_text(encoding="utf-8")
    for line in (
        f"title = {{{cited['title']}}}",
        f"url = {{{cited['repository-code']}}}",
        f"note = {{Version {cited['version']}}}",
        f"author = {{{{{cited['authors'][0]['name']}}}}}",
    ):
        assert line in guide


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
        code = (
            "import sys; from pathlib import Path; from cvlab.classroom import bootstrap as b; "
            f"b.STAMP = Path({str(tmp_path)!r}) / 'stamp'; b.STAMP.write_text(b.fingerprint()); "
            "b.install = lambda: sys.exit('installs again'); sys.argv = ['x']; b.main()"
        )
        with processor_time(20, children=True):
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
            )
        assert done.returncode == 0, done.stderr

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

    @staticmethod
    def start(tmp_path):
        """Start a set-up whose installing, and nothing else, is replaced: it waits for a line."""
        code = (
            "import sys; from pathlib import Path\n"
            "from cvlab.classroom import bootstrap as b\n"
            f"b.STAMP, b.PYTHON = Path({str(tmp_path / 'stamp')!r}), Path(sys.executable)\n"
            "def install():\n    print('installing', flush=True)\n"
            "    if not sys.stdin.readline(): raise EOFError\n"
            "    b.STAMP.write_text(b.fingerprint())\n"
            "b.install = install; sys.argv = ['x']; b.main()"
        )
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True, **pipes)

    def test_two_at_once_install_once(self, tmp_path):
        first = self.start(tmp_path)
        assert first.stdout.readline() == "installing\n"
        second = self.start(tmp_path)
        assert second.stdout.readline() == (
            "Another command is setting up .venv; waiting for its end.\n"
        )
        assert (first.communicate("go on\n")[0], second.communicate()[0]) == ("", "")
        assert (first.returncode, second.returncode) == (0, 0)

    def test_ctrl_c_gets_one_sentence_and_the_next_one_installs(self, tmp_path):
        for end in (signal.SIGINT, signal.SIGKILL):
            stopped = self.start(tmp_path)
            assert stopped.stdout.readline() == "installing\n"
            stopped.send_signal(end)
            said = stopped.communicate(timeout=GIVE_UP)[0]
            if end == signal.SIGINT:
                assert said == "\ncvlab: stopped; the next command starts the set-up again.\n"
                assert stopped.returncode == 130
        again = self.start(tmp_path)
        assert again.communicate("go on\n", timeout=GIVE_UP)[0] == "installing\n"
        assert again.returncode == 0

    @pytest.mark.parametrize(
        ("minor", "said"),
        [(13, "Python 3.13"), (12, "Python 3.12; delete .venv first to make it with Python 3.13")],
    )
    def test_another_python_than_the_environments_is_named(
        self, tmp_path, monkeypatch, minor, said
    ):
        (tmp_path / "pyvenv.cfg").write_text(f"home = x\nversion = 3.{minor}.1\n")
        monkeypatch.setattr(bootstrap, "VENV", tmp_path)
        monkeypatch.setattr(bootstrap.sys, "version_info", (3, 13, 0))
        assert bootstrap.version() == said

    def test_a_shim_that_does_not_run_is_passed_over(self, tmp_path, monkeypatch):
        for minor, does in ((11, "exit 127"), (12, "echo Python 3.12.1")):
            program = tmp_path / f"python3.{minor}"
            program.write_text(f"#!/bin/sh\n{does}\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 0))
        assert bootstrap.suitable_python() == str(tmp_path / "python3.12")

    def test_a_disk_that_cannot_be_written_gets_one_sentence(self, tmp_path, monkeypatch):
        monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")

        def install():
            raise OSError(30, "Read-only file system", "stamp")

        monkeypatch.setattr(bootstrap, "install", install)
        with pytest.raises(SystemExit, match="cvlab: stamp: Read-only file system; mend that"):
            bootstrap.set_up()


class TestSystems:
    def test_a_list_with_a_fault_is_refused(self, tmp_path):
        path = tmp_path / "systems.csv"
        path.write_text("id,chapter,name,works_when\na,01,A,it works\na,02,B,it works\n")
        with pytest.raises(ValueError, match="a stands more than once"):
            systems.read(path)
        path.write_text("id,chapter,name,works_when\na,01,,it works\n")
        with pytest.raises(ValueError, match="line 2: needs the columns"):
            systems.read(path)
