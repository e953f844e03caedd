"""nbval: on stored runs in `make test`, with kernels of its own in `make validate`; run counts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from queue import Empty

import nbformat
import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cvlab.classroom import cli, exercises, notebooks
from cvlab.classroom.running import execute, nbval_stored

STORED = ("-p", "cvlab.classroom.running.nbval_stored", "--nbval-lax")
NO_KERNEL = ("--nbval-kernel-name", "no-kernel-has-this-name")


def write(path: Path, *cells, **metadata) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata), path)
    return path


def checked(source: str, printed: str):
    """A cell whose output nbval compares with the one stored in the file."""
    cell = new_code_cell(source, metadata={"tags": ["nbval-check-output"]})
    cell.outputs = [nbformat.v4.new_output("stream", text=printed)]
    tidy = notebooks.normal(new_notebook(cells=[cell]))["cells"][0]
    return nbformat.from_dict(tidy | {"source": source})


@pytest.fixture(scope="module", autouse=True)
def light(tmp_path_factory):
    """Spare the many processes of these tests what `cli.main` spares its own: a second each."""
    folder = tmp_path_factory.mktemp("light")
    (folder / "rfc3987_syntax.py").write_text("raise ImportError\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        yield


def run(*arguments, cwd: Path, root: Path = ROOT, **environment: str) -> tuple[int, str]:
    """Run a Python module with arguments; return its exit status and all it printed."""
    paths = os.pathsep.join([str(root), os.environ["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": paths, "CVLAB_KERNEL": "python3"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


CELLS = [
    new_markdown_cell("Markdown is not counted."),
    new_code_cell("import sys\nprint('out')\nprint('err', file=sys.stderr)"),
    new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}),
    new_code_cell(
        "from IPython.display import HTML, display\ndisplay(HTML('<b>shown</b>'))\n6 * 7"
    ),
    new_code_cell("# NBVAL_SKIP\n'skipped by nbval alone'"),
    checked("print('exact')", "exact\n"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A course of one notebook that has been executed; tests that change it restore it."""
    root = tmp_path_factory.mktemp("stored")
    path = write(root / "chapters" / "a.ipynb", *CELLS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "STORE", root / "store")
        patch.setenv("CVLAB_KERNEL", "python3")
        execute.execute(path)
        yield path


def nbval(path: Path, *arguments) -> tuple[int, str]:
    """Run pytest with the plugin in a course whose store lies beside the notebooks."""
    root = path.parents[1]
    return run("pytest", *STORED, *NO_KERNEL, *arguments, cwd=root, CVLAB_STORE=str(root / "store"))


class TestStoredKernel:
    def test_repeats_each_kind_of_output_and_ends_with_idle(self, store):
        kernel = nbval_stored.StoredKernel(store)
        found = []
        for number, source in enumerate(cell.source for cell in CELLS[1:]):
            kernel.number = number
            asked = kernel.execute_cell_input(source, allow_stdin=False)
            kernel.await_reply(asked, timeout=1)
            messages = []
            while not messages or messages[-1]["msg_type"] != "status":
                messages.append(kernel.get_message("iopub", timeout=1))
            assert {message["parent_header"]["msg_id"] for message in messages} == {asked}
            assert messages[-1]["content"] == {"execution_state": "idle"}
            found.append({message["msg_type"]: message["content"] for message in messages[:-1]})
        streams, error, shown, *_ = found
        assert streams["stream"] == {"name": "stderr", "text": "err\n"}
        assert error["error"]["ename"] == "ZeroDivisionError"
        assert error["error"]["traceback"]
        assert shown["display_data"]["data"]["text/html"] == "<b>shown</b>"
        assert shown["execute_result"]["data"]["text/plain"] == "42"
        with pytest.raises(Empty):
            kernel.get_message("iopub", timeout=1)

    def test_refuses_other_code_and_cells_that_the_run_does_not_have(self, store):
        kernel = nbval_stored.StoredKernel(store)
        with pytest.raises(RuntimeError, match="other code in this cell"):
            kernel.execute_cell_input("print('something else')")
        kernel.number = 99
        with pytest.raises(RuntimeError, match="other code in this cell"):
            kernel.execute_cell_input(CELLS[1].source)

    def test_stops_when_nbval_asks(self, store):
        kernel = nbval_stored.StoredKernel(store)
        kernel.interrupt()
        assert kernel.is_alive()
        kernel.execute_cell_input(CELLS[1].source)
        kernel.await_idle("cell-0", timeout=1)
        with pytest.raises(Empty):
            kernel.get_message("iopub")
        kernel.stop()
        assert not kernel.is_alive()


class TestStoredRuns:
    @pytest.fixture
    def faulty(self, store):
        """More notebooks beside the executed one: edited after their run, or never run."""
        made = {
            "wrong": [*CELLS[:-1], checked("print('exact')", "something else\n")],
            "edited": [*CELLS[:-1], new_code_cell("'edited'")],
            "broken": [*CELLS[:-1], new_code_cell("x =")],
            "never": CELLS,
        }
        paths = {name: write(store.with_stem(name), *cells) for name, cells in made.items()}
        for name in ("wrong", "edited", "broken"):
            for source, target in zip(
                execute.stored(store), execute.stored(paths[name]), strict=True
            ):
                shutil.copy(source, target)
        yield
        for path in paths.values():
            path.unlink()

    def test_nbval_compares_and_needs_no_kernel_but_valid_runs(self, store, faulty):
        # The kernel that nbval is told to start does not exist.
        status, printed = nbval(store, "chapters")
        assert status == 1
        assert "FAILED chapters/wrong.ipynb::Cell 4" in printed
        failures = printed.split("short test summary info")[0]  # which repeats them in CI
        assert failures.count("Cell outputs differ") == 1
        for name in ("edited", "never"):
            sentence = f"chapters/{name}.ipynb has no valid stored run; `make test` makes one."
            assert failures.splitlines().count(sentence) == 1
        assert failures.count("chapters/broken.ipynb, cell ") == 1
        assert "4 failed, 7 passed, 2 skipped" in printed

    @pytest.mark.slow
    def test_a_cell_can_be_chosen(self, store):
        status, printed = nbval(store, "chapters/a.ipynb::Cell 4")
        assert (status, "1 passed" in printed) == (0, True), printed


class TestValidate:
    @pytest.fixture
    def asked(self, monkeypatch):
        """What `cvlab validate` hands to pytest, without running it."""
        found = []

        def note(*arguments, workers=None):
            found.append((arguments, workers))
            return 0

        monkeypatch.setattr(cli, "run_pytest", note)
        monkeypatch.setenv("CVLAB_KERNEL", "python3")
        monkeypatch.delenv("CVLAB_BUDGET_SCALE", raising=False)
        monkeypatch.chdir(ROOT)

        def ask(*arguments):
            assert cli.main(["validate", *arguments]) == 0
            return found.pop()

        return ask

    @staticmethod
    def timeout(arguments) -> float:
        return float(arguments[arguments.index("--nbval-cell-timeout") + 1])

    def test_all_notebooks_with_the_longest_budget(self, asked):
        arguments, workers = asked()
        everything = [str(path) for path in notebooks.files(ROOT, ("chapters", "solutions"))]
        everything.append(str(ROOT / "book" / "index.ipynb"))
        assert list(arguments[-len(everything) :]) == everything
        assert workers == len(everything)
        assert arguments[arguments.index("--nbval-kernel-name") + 1] == "python3"
        assert arguments[arguments.index("--dist") + 1] == "loadscope"
        assert self.timeout(arguments) == 600

    def test_the_timeout_comes_from_the_budgets_and_their_scale(self, asked, monkeypatch):
        assert self.timeout(asked("solutions/01_knn.ipynb")[0]) == 150
        monkeypatch.setenv("CVLAB_BUDGET_SCALE", "5")
        assert self.timeout(asked("solutions")[0]) == 750

    def test_names_files_folders_and_options_of_pytest(self, asked):
        pair = [str(ROOT / folder / "01_knn.ipynb") for folder in ("chapters", "solutions")]
        assert list(asked("01_knn")[0][-2:]) == pair
        assert list(asked("01_knn", "chapters/01_knn.ipynb")[0][-2:]) == pair
        arguments, workers = asked("-k", "Cell and 1", "chapters/01_knn.ipynb", "-x")
        assert list(arguments[-4:]) == [pair[0], "-k", "Cell and 1", "-x"]
        assert workers == 1

    def test_an_unknown_name_kernel_or_scale_gets_one_sentence(self, asked, monkeypatch, capsys):
        assert cli.main(["validate", "99_nothing"]) == 1
        assert "there is no notebook '99_nothing'; there are 01_knn" in capsys.readouterr().out
        monkeypatch.setenv("CVLAB_BUDGET_SCALE", "much")
        assert cli.main(["validate"]) == 1
        assert "must be a positive number" in capsys.readouterr().out
        monkeypatch.setenv("CVLAB_KERNEL", "nothing")
        assert cli.main(["validate"]) == 1
        assert "'nothing'" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.about  # the libraries
class TestFactsAboutNbval:
    """The claims on which `make validate` is built."""

    KERNEL = ("--nbval-lax", "--nbval-kernel-name", "python3")

    def test_only_loadscope_keeps_cells_together_and_only_the_option_sets_the_kernel(
        self, tmp_path
    ):
        steps = [new_code_cell("x += 1") for _ in range(7)]
        cells = [new_code_cell("x = 0"), *steps, new_code_cell("assert x == 7")]
        spec = {"name": "no-kernel-has-this-name", "display_name": "none"}
        write(tmp_path / "a.ipynb", *cells, kernelspec=spec)
        command = ("pytest", *self.KERNEL, "-n", "2", "a.ipynb")
        status, printed = run(*command, cwd=tmp_path)
        assert status == 1, printed
        assert "NameError: name 'x' is not defined" in printed
        status, printed = run(*command, "--dist", "loadscope", cwd=tmp_path)
        assert (status, "9 passed" in printed) == (0, True), printed
        status, printed = run("pytest", "--nbval-lax", "a.ipynb", cwd=tmp_path)
        assert (status, "No such kernel named no-kernel-has-this-name" in printed) == (1, True)

    def test_a_dead_kernel_is_noticed_when_the_time_of_the_cell_is_over(self, tmp_path):
        write(tmp_path / "a.ipynb", new_code_cell("import os\nos._exit(1)"))
        options = ("--nbval-cell-timeout", "4", "--durations=0")
        status, printed = run("pytest", *self.KERNEL, *options, "a.ipynb", cwd=tmp_path)
        assert status == 1, printed
        assert float(re.search(r"([\d.]+)s call", printed)[1]) > 4


class Course:
    """A course of one front page, two chapters and one solution, whose notebooks count runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = root.parent / "runs"
        parts = ("__init__.py", "_advice.py", "markup.py", "plot.py", "plot_space.py", "widgets.py")
        for name in (*parts, "check.py", "checking", "classroom"):
            source, target = ROOT / "cvlab" / name, root / "cvlab" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        for name in ("first", "second"):
            (root / "cvlab" / f"{name}.py").write_text(f'"""The {name} module."""\nVALUE = 1\n')
        for name in ("_config.yml", "pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, root / name)
        (root / "tests").mkdir()
        (root / "tests" / "test_one.py").write_text("def test_one():\n    pass\n")
        self._book()
        self.notebook("book/index", "# Front page")
        self.notebook("chapters/01_first", "# One\n\n(here)=\n## Here", "from cvlab import first")
        self.notebook("chapters/02_second", "# Two\n\nSee [](#here).", "from cvlab import second")
        self.notebook("solutions/01_first", "# Exercise", "from cvlab import first")
        exercises.write(root)

    def _book(self) -> None:
        book = self.root / "book"
        book.mkdir()
        pages = ["chapters/01_first", "chapters/02_second", "exercises/01_first"]
        pages += ["systems", "run_times"]
        toc = ["format: jb-book", "root: index", "chapters:", *(f"  - file: {p}" for p in pages)]
        (book / "_toc.yml").write_text("\n".join(toc) + "\n")
        (book / "systems.csv").write_text("id,chapter,name,works_when\na,01_first,A,it works\n")
        (book / "references.bib").write_text("@misc{one, title = {One}, year = {2000}}\n")
        shutil.copytree(ROOT / "book" / "assets", book / "assets")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "book" / name, book / name)

    def notebook(self, name: str, text: str, code: str = "") -> None:
        count = f"with open({str(self.runs)!r}, 'a') as file:\n    file.write('{name}\\n')"
        cells = [new_markdown_cell(text, id="text"), new_code_cell(f"{code}\n{count}", id="count")]
        path = self.root / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        content = notebooks.text(notebooks.normal(new_notebook(cells=cells)))
        path.write_text(content, encoding="utf-8")

    def command(self, *arguments: str, part: str = "all") -> tuple[int, str, list[str]]:
        """Run the `cvlab` command in the course; return status, text and the notebooks it ran."""
        self.runs.unlink(missing_ok=True)
        environment = {"CI": "", "CVLAB_STORE": "", "CVLAB_PART": part}
        # Without npm, which would fetch libraries from the network.
        environment["PATH"] = str(Path(sys.executable).parent)
        command = ("cvlab.classroom.cli", *arguments)
        status, printed = run(*command, cwd=self.root, root=self.root, **environment)
        runs = self.runs.read_text().split() if self.runs.exists() else []
        return status, printed, sorted(runs)

    def page(self, name: str) -> str:
        return (self.root / "_build" / "html" / f"{name}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return Course(tmp_path_factory.mktemp("a course") / "copy")


EVERYTHING = ["book/index", "chapters/01_first", "chapters/02_second", "solutions/01_first"]


@pytest.mark.slow
class TestEachNotebookRunsOnce:
    """The tests stand in the order of a working day, each on what the last one left."""

    # Without the doctests of the copied package, and in one process, which starts sooner.
    TEST = ("test", "-n0", "-k", "01_first or 02_second or test_one")

    def test_full_executes_everything_once_for_book_and_nbval(self, course):
        status, printed, runs = course.command("book", "--serve", "0")
        assert (status, runs) == (0, EVERYTHING[:3]), printed  # a solution is no page
        status, printed, runs = course.command(*self.TEST, "--full")
        assert (status, runs) == (0, EVERYTHING), printed
        assert "4 passed" in printed  # a cell of each chapter and solution, and the test
        assert "Two" in course.page("chapters/02_second")

    def test_again_executes_nothing(self, course):
        status, printed, runs = course.command(*self.TEST)
        assert (status, runs) == (0, []), printed
        assert "4 passed" in printed

    def test_edited_prose_executes_nothing_and_reaches_the_page(self, course):
        text = "# One\n\nA new sentence.\n\n(here)=\n## Here"
        course.notebook("chapters/01_first", text, "from cvlab import first")
        other = course.root / "_build" / "html" / "chapters" / "02_second.html"
        before = other.stat().st_mtime_ns
        status, printed, runs = course.command("book", "--serve", "0")
        assert (status, runs) == (0, []), printed
        assert "A new sentence." in course.page("chapters/01_first")
        assert other.stat().st_mtime_ns == before  # this is what makes it fast

    def test_an_edited_heading_reaches_every_page_that_shows_it(self, course):
        text = "# Another title\n\nA new sentence.\n\n(here)=\n## Over there"
        course.notebook("chapters/01_first", text, "from cvlab import first")
        status, printed, runs = course.command("book", "--serve", "0")
        assert (status, runs) == (0, []), printed
        page = course.page("chapters/02_second")
        assert "Another title" in page  # in the list of chapters
        assert ">Over there<" in page  # in the text that links to it
        assert ">Here<" not in page

    def test_an_edited_module_executes_what_reaches_it(self, course):
        module = course.root / "cvlab" / "first.py"
        module.write_text(module.read_text().replace("VALUE = 1", "VALUE = 2"))
        status, printed, runs = course.command(*self.TEST)
        assert status == 0, printed
        assert runs == ["chapters/01_first", "solutions/01_first"]

    def test_one_chapter(self, course):
        module = course.root / "cvlab" / "second.py"
        module.write_text(module.read_text().replace("VALUE = 1", "VALUE = 2"))
        status, printed, runs = course.command("chapter", "02_second")
        assert (status, runs) == (0, ["chapters/02_second"]), printed

    def test_one_part_has_its_turn_and_the_other_pages_say_so(self, course):
        status, printed, runs = course.command(*self.TEST, "--full", part="1")
        assert (status, runs) == (0, [EVERYTHING[0], EVERYTHING[1], EVERYTHING[3]]), printed
        assert "Part 1 of 8 has its turn, with what changed of late: 1 of 2 chapters" in printed
        assert "3 passed" in printed
        assert "was not run for this build" in course.page("chapters/02_second")
        assert "was not run for this build" not in course.page("chapters/01_first")
        assert '02_second</span></a></p></td>\n<td class="text-right"><p>not run' in course.page(
            "run_times"
        )
        status, printed, runs = course.command("chapter", "02_second")
        assert (status, runs) == (0, EVERYTHING[2:3]), printed
        assert "was not run for this build" not in course.page("chapters/02_second")

    def test_a_part_that_does_not_exist_is_named(self, course):
        status, printed, runs = course.command(*self.TEST, part="9")
        assert (status, runs) == (1, [])
        assert "CVLAB_PART is '9'; it must be one of all, 1, 2, 3, 4, 5, 6, 7, 8." in printed

    def test_validate_runs_each_in_its_own_kernel(self, course):
        status, printed, runs = course.command("validate", "chapters")
        assert (status, runs) == (0, ["chapters/01_first", "chapters/02_second"]), printed
        assert "2 passed" in printed

    def test_broken_markup_is_named_with_its_place(self, course):
        code = "from cvlab import second"
        course.notebook("chapters/02_second", "# Two\n\n<details>", code)
        status, printed, _ = course.command("book", "--serve", "0")
        assert status == 1
        assert "chapters/02_second.ipynb, cell 'text', line 3: <details> is never closed" in printed
        course.notebook("chapters/02_second", "# Two\n\nHALF of it.", code)
        path = course.root / "chapters" / "02_second.ipynb"
        path.write_text(path.read_text().replace("HALF", r"\ud83d"))
        status, printed, _ = course.command("book", "--serve", "0")
        assert status == 1
        assert "chapters/02_second.ipynb, cell 'text', line 3: the character U+D83D" in printed

    def test_all_run_and_all_failures_are_listed_before_anything_is_tested(self, course):
        course.notebook("chapters/01_first", "# One\n\n(here)=\n## Here", "raise KeyError('one')")
        course.notebook("solutions/01_first", "# Exercise", "raise KeyError('two')")
        course.notebook("chapters/02_second", "# Two", "from cvlab import first, second")
        exercises.write(course.root)
        status, printed, runs = course.command(*self.TEST)
        assert status == 1
        assert set(runs) - {"book/index"} == {"chapters/02_second"}  # it may have run before
        last = printed.split("the book was not built.")[1]
        assert "chapters/01_first.ipynb, cell 'count', line 1: KeyError: 'one'" in last
        assert "solutions/01_first.ipynb, cell 'count', line 1: KeyError: 'two'" in last
        assert "nothing was tested" in last
        assert "passed" not in printed
