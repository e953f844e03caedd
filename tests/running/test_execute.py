"""Execution of notebooks: budgets, dead kernels, parallel runs, what makes a result stale."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, missing
from jupyter_client.kernelspec import KernelSpecManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from waiting import GIVE_UP, all_end, line_in

from cvlab.classroom import notebooks
from cvlab.classroom.book import build
from cvlab.classroom.notebooks import NotebookError
from cvlab.classroom.running import budget, execute, inputs, kernel, progress, yardstick


def write(path, *cells, **limits):
    """Write a notebook of code cells, given as text or as cells; keywords are its budget."""
    cells = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    notebook = new_notebook(cells=cells, metadata={"cvlab": {"budget": limits}} if limits else {})
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "STORE", tmp_path / "store")
    monkeypatch.setenv("CVLAB_STORE", str(tmp_path / "store"))  # for other processes
    monkeypatch.setenv("CVLAB_KERNEL", "python3")
    monkeypatch.setenv("CVLAB_BUDGET_SCALE", "1")  # exactly, however slow this machine is


@pytest.fixture(params=["python3", "cvlab"])
def each_kernel(request, monkeypatch):
    if request.param not in KernelSpecManager().find_kernel_specs():
        missing(f"the kernel {request.param} is not installed; run `make book` first")
    monkeypatch.setenv("CVLAB_KERNEL", request.param)
    return request.param


@pytest.fixture
def place(tmp_path):
    return tmp_path / "a" / "n.ipynb"


def failure(path):
    """Execute a notebook that must fail; return the sentence that says why."""
    with pytest.raises(execute.ExecutionError) as raised:
        execute.execute(path)
    assert execute.record(path) is None
    return str(raised.value)


def pid_in(path):
    """The process id that a notebook has written into a file, or will write."""
    return int(line_in(path))


#: Ends a cell when the test lets it go on.
WAIT = "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.02)"
NOTE_PID = "import os\nfrom pathlib import Path\nPath('pid').write_text(f'{os.getpid()}\\n')"


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

    def test_prose_does_not_matter_and_code_does(self, place):
        path = write(place, new_markdown_cell("one"), "x = 1")
        first = execute.digest(path)
        write(path, new_markdown_cell("two"), "x = 1")
        assert execute.digest(path) == first
        write(path, new_markdown_cell("two"), "x = 2")
        assert execute.digest(path) != first

    def test_an_edited_module_concerns_those_that_reach_it(self, tmp_path, package, monkeypatch):
        monkeypatch.setattr(execute, "PACKAGE", package)
        codes = {"one": "from cvlab import boxes", "two": "from cvlab import plot", "no": "x = 1"}
        paths = {name: write(tmp_path / f"{name}.ipynb", code) for name, code in codes.items()}

        def changed_by(edit):
            before = {name: execute.digest(path) for name, path in paths.items()}
            edit.write_text(edit.read_text() + "# one more line\n")
            return {name for name, path in paths.items() if execute.digest(path) != before[name]}

        assert changed_by(package / "metrics.py") == {"one"}
        assert changed_by(package / "plot.py") == {"one", "two"}
        assert changed_by(package / "classroom" / "__init__.py") == set()

    def test_code_that_is_not_python_is_named(self, place):
        path = write(place, "x = 1", new_code_cell("x = 1\nx =", id="half"))
        said = "a/n.ipynb, cell 'half', line 2 is not Python: invalid syntax."
        with pytest.raises(execute.ExecutionError) as raised:
            execute.digest(path)
        assert str(raised.value) == said
        assert execute.execute_all([path], report=[].append) == [said]


class TestAlone:
    @pytest.mark.slow
    def test_the_claim_lasts_as_long_as_a_program_that_outlives_its_command(self, tmp_path):
        def start(program):
            code = (
                "import subprocess, sys, time; from pathlib import Path\n"
                "from cvlab.classroom.running import execute\n"
                f"file = Path({str(tmp_path / 'lock')!r})\n"
                "with execute.alone(file, 'is at work', lambda line: print(line, flush=True)):\n"
                "    print('mine', flush=True)\n"
                f"    {program}"
            )
            pipes = {"stdout": subprocess.PIPE, "text": True}
            return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes)

        # The child of the first one says that it is there, and stays until the test lets it go.
        child = "echo $$ > child; while [ ! -e go ]; do sleep 0.02; done"
        quiet = "stdout=subprocess.DEVNULL, close_fds=False"
        first = start(f"subprocess.run(['sh', '-c', {child!r}], cwd={str(tmp_path)!r}, {quiet})")
        assert first.stdout.readline() == "mine\n"
        line_in(tmp_path / "child")
        first.kill()
        first.wait()
        second = start("pass")
        assert second.stdout.readline() == "Another command is at work; waiting for its end.\n"
        (tmp_path / "go").touch()
        assert second.communicate(timeout=GIVE_UP)[0] == "mine\n"


class TestStatedBudgets:
    def test_defaults_depend_on_the_folder(self, tmp_path):
        chapter = write(tmp_path / "chapters" / "n.ipynb", "x = 1")
        solution = write(tmp_path / "solutions" / "n.ipynb", "x = 1")
        assert budget.of(chapter) == budget.Budget(600, 120, 3)
        assert budget.of(solution) == budget.Budget(150, 30, 3)

    def test_metadata_replaces_what_it_names(self, tmp_path):
        path = write(tmp_path / "solutions" / "n.ipynb", "x = 1", memory_gb=1.5)
        assert budget.of(path) == budget.Budget(150, 30, 1.5)

    def test_normal_form_keeps_it(self, place):
        path = write(place, "x = 1", seconds=40)
        assert notebooks.normal(notebooks.load(path))["metadata"]["cvlab"] == {
            "budget": {"seconds": 40}
        }

    def test_the_scale_raises_all(self, place, monkeypatch):
        path = write(place, "x = 1", seconds=40)
        monkeypatch.setenv("CVLAB_BUDGET_SCALE", "2.5")
        assert budget.of(path) == budget.Budget(100, 300, 7.5)

    @pytest.mark.parametrize(("slowness", "allowed"), [(1.0, False), (1.2, False), (1.3, True)])
    def test_a_slower_machine_has_longer_and_no_more_memory(self, slowness, allowed):
        stated = budget.Budget(seconds=100, cpu_seconds=10, memory_gb=1)
        exact, most = stated.on_machine(slowness, room=1), stated.on_machine(slowness)
        assert (exact.overrun(budget.Usage(cpu_seconds=12.5)) is None) is allowed
        assert (most.overrun(budget.Usage(cpu_seconds=12.5 * budget.ROOM)) is None) is allowed
        assert (most.overrun(budget.Usage(seconds=125)) is None) is allowed
        assert most.overrun(budget.Usage(peak_bytes=1_100_000_000))

    @pytest.mark.parametrize("slowness", [1.0, 3.0])
    @pytest.mark.slow
    def test_a_run_is_held_to_what_the_machine_can_do_meanwhile(self, place, monkeypatch, slowness):
        """The machine says that it is slow; whether it really is does not matter."""
        monkeypatch.delenv("CVLAB_BUDGET_SCALE")
        seconds = iter([yardstick.REFERENCE_SECONDS * slowness] * 1000)
        monkeypatch.setattr(
            yardstick.Pace, "measure", lambda pace: pace.taken.append(next(seconds))
        )
        busy = "import time\nends = time.process_time() + {}\n"
        busy += "while time.process_time() < ends:\n    pass"
        path = write(place, new_code_cell(busy.format(4), id="busy"), cpu_seconds=1.5)
        if slowness == 1.0:
            assert failure(path).endswith("s of processor time, allowed are 3 s.")
            return
        assert execute.execute(path)["slowness"] == slowness
        assert execute.record(path) is not None, "what was allowed stays so"
        path = write(place, new_code_cell(busy.format(100), id="busy"), cpu_seconds=1.5)
        assert failure(path).endswith("s of processor time, allowed are 9 s.")

    @pytest.mark.slow
    def test_a_run_in_between_is_called_heavy(self, place, monkeypatch):
        """Allowed on this machine are 4 s; at 8 s it would be ended."""
        monkeypatch.delenv("CVLAB_BUDGET_SCALE")
        slow = 4 * yardstick.REFERENCE_SECONDS
        monkeypatch.setattr(yardstick.Pace, "measure", lambda pace: pace.taken.append(slow))
        busy = "import time\nends = time.process_time() + 4.2\n"
        busy += "while time.process_time() < ends:\n    pass"
        heavy = write(place, new_code_cell(busy, id="busy"), cpu_seconds=1)
        light = write(place.with_name("m.ipynb"), "x = 1")
        said: list[str] = []
        assert execute.execute_all([heavy, light], report=said.append) == []
        (line,) = [line for line in said if "lighter" in line]
        wanted = (
            r" a/n\.ipynb: .+ s, over its budget: .+ s of processor time, allowed are 4 s; make it"
        )
        assert re.search(wanted, line)

    def test_the_pace_is_the_mean_of_what_was_measured_within_bounds(self, monkeypatch):
        pace = yardstick.Pace()
        assert pace.slowness == 1.0
        pace.measure()
        assert pace.taken[0] > 0
        for taken, expected in [([0.5], 1.0), ([1.0, 2.0], 1.5), ([100.0], yardstick.MOST)]:
            pace.taken = [one * yardstick.REFERENCE_SECONDS for one in taken]
            assert pace.slowness == pytest.approx(expected)

    def test_a_scale_that_is_given_is_all_there_is(self, monkeypatch):
        assert budget.pace() is None
        monkeypatch.delenv("CVLAB_BUDGET_SCALE")
        assert budget.pace().slowness == 1.0

    @pytest.mark.parametrize("value", ["0", "-1", "fast", "nan", "inf"])
    def test_a_bad_scale_gets_one_sentence(self, place, monkeypatch, value):
        monkeypatch.setenv("CVLAB_BUDGET_SCALE", value)
        paths = [write(place, "x = 1"), write(place.with_name("m.ipynb"), "x = 2")]
        (said,) = execute.execute_all(paths, report=[].append)
        assert said == f"CVLAB_BUDGET_SCALE must be a positive number such as 2, not {value!r}."

    @pytest.mark.parametrize(
        ("metadata", "words"),
        [
            ({"budget": {"minutes": 3}}, "must look like"),
            ({"budget": 3}, "must look like"),
            ([], "must look like"),
            ({"budget": {"seconds": 0}}, "the budget's seconds must be above 0, not 0"),
            ({"budget": {"memory_gb": "3"}}, "memory_gb must be above 0, not '3'"),
            ({"budget": {"cpu_seconds": True}}, "cpu_seconds must be above 0, not True"),
        ],
    )
    def test_bad_metadata_gets_one_sentence(self, place, metadata, words):
        place.parent.mkdir()
        nbformat.write(new_notebook(metadata={"cvlab": metadata}), place)
        with pytest.raises(NotebookError, match=words) as raised:
            budget.of(place)
        assert str(raised.value).startswith("a/n.ipynb: ")
        assert execute.execute_all([place], report=[].append) == [str(raised.value)]

    def test_hygiene_refuses_more_than_the_folders_limit(self, tmp_path):
        write(tmp_path / "chapters" / "good.ipynb", "x = 1", cpu_seconds=120)
        write(tmp_path / "chapters" / "slow.ipynb", "x = 1", cpu_seconds=121)
        write(tmp_path / "solutions" / "big.ipynb", "x = 1", memory_gb=3.5)
        write(tmp_path / "solutions" / "bad.ipynb", "x = 1", memory=3)
        slow, bad, big = budget.faults(tmp_path)
        assert slow.startswith(
            "chapters/slow.ipynb: a budget of 121 for cpu_seconds is above the limit"
        )
        assert bad.startswith("solutions/bad.ipynb: the budget in the notebook's metadata must")
        assert big.startswith("solutions/big.ipynb: a budget of 3.5 for memory_gb is above")


class TestChoiceOfKernel:
    @pytest.fixture(autouse=True)
    def only_the_stock_kernel(self, monkeypatch):
        monkeypatch.setattr(KernelSpecManager, "find_kernel_specs", lambda self: {"python3": "-"})

    def test_the_stock_kernel_stands_in_and_that_is_said(self, monkeypatch):
        monkeypatch.delenv("CVLAB_KERNEL")
        name, remark = kernel.choose()
        assert name == "python3"
        assert remark == "The kernel 'cvlab' is not installed; notebooks run in 'python3'."

    def test_a_name_that_was_asked_for_must_exist(self, place, monkeypatch):
        monkeypatch.setenv("CVLAB_KERNEL", "julia")
        said = "CVLAB_KERNEL names the kernel 'julia'; installed are python3."
        with pytest.raises(execute.ExecutionError, match=said):
            execute.execute(write(place, "x = 1"))
        assert execute.execute_all([place], report=[].append) == [said]


@pytest.mark.slow
class TestResult:
    def test_is_kept_until_the_code_changes(self, tmp_path, each_kernel):
        code = "import os\nprint(os.environ['CVLAB_STATIC'], os.path.basename(os.getcwd()))"
        path = write(tmp_path / "a folder" / "n.ipynb", new_code_cell(code, id="look"), "1 + 1")
        assert execute.record(path) is None
        found = execute.execute(path)
        assert 0 < found["seconds"] < 30
        assert 0 < found["cpu_seconds"] < 30
        assert found["peak_bytes"] > 1e7
        assert found["kernel"] == each_kernel
        assert next(iter(found["cells"])) == "look"
        assert len(found["cells"]) == 2
        executed = nbformat.read(execute.stored(path)[0], as_version=4)
        assert [cell.execution_count for cell in executed.cells] == [1, 2]
        assert executed.cells[0].outputs[0].text == "1 a folder\n"
        assert executed.cells[1].outputs[0].execution_count == 2
        assert execute.record(path) == found
        write(path, "x = 2")
        assert execute.record(path) is None

    def test_the_probe_leaves_the_notebooks_names_alone(self, place, each_kernel):
        path = write(place, "print(sorted(name for name in dir() if name[0] != '_'), len(In), Out)")
        execute.execute(path)
        executed = nbformat.read(execute.stored(path)[0], as_version=4)
        names = "['In', 'Out', 'exit', 'get_ipython', 'open', 'quit'] 2 {}\n"
        assert executed.cells[0].outputs[0].text == names

    def test_a_failure_names_its_cell_and_leaves_no_record(self, place):
        allowed = new_code_cell("{}['key']", metadata={"tags": ["raises-exception"]})
        path = write(place, allowed, new_code_cell("1 / 0", id="divide"))
        said = failure(path)
        assert said == "a/n.ipynb, cell 'divide', line 1: ZeroDivisionError: division by zero"

    def test_a_failed_assertion_is_shown(self, place, each_kernel):
        helper = new_code_cell("def f(x):\n    # A check.\n    assert x > 1\n", id="f")
        path = write(place, helper, new_code_cell("y = 0\nassert y == 1", id="bare"))
        assert failure(path) == "a/n.ipynb, cell 'bare', line 2: AssertionError: assert y == 1"
        path = write(place, helper, new_code_cell("z = 0\nf(z)", id="inner"))
        assert failure(path) == "a/n.ipynb, cell 'inner', line 2: AssertionError: f(z)"

    def test_a_kernel_or_device_that_is_asked_for_is_used(self, place, monkeypatch):
        path = write(place, "x = 1")
        first = execute.execute(path)
        for name, value in (("CVLAB_KERNEL", "cvlab"), ("CVLAB_DEVICE", "cpu")):
            with monkeypatch.context() as patch:
                patch.setenv(name, value)
                assert execute.record(path) is None
        assert execute.record(path) == first

    def test_a_failure_after_a_success_makes_the_old_result_stale(self, place, monkeypatch):
        monkeypatch.setenv("CVLAB_TEST_DIVISOR", "1")
        path = write(place, "import os\n1 / int(os.environ['CVLAB_TEST_DIVISOR'])")
        execute.execute(path)
        assert execute.record(path)
        monkeypatch.setenv("CVLAB_TEST_DIVISOR", "0")
        failure(path)

    def test_a_full_disk_leaves_no_record(self, place, monkeypatch):
        path = write(place, "x = 1")
        whole = Path.write_text

        def full(target, content, **options):
            if ".ipynb" in target.name:
                raise OSError(28, "No space left on device")  # as the system says it: of no file
            return whole(target, content, **options)

        monkeypatch.setattr(Path, "write_text", full)
        (said,) = execute.execute_all([path], report=[].append)
        assert said.startswith("a/n.ipynb: ")
        assert said.endswith("n.ipynb: No space left on device.")
        assert execute.record(path) is None

    @pytest.mark.parametrize("which", [0, 1])
    def test_a_damaged_result_or_record_is_stale(self, place, which):
        path = write(place, "x = 1")
        execute.execute(path)
        damaged = execute.stored(path)[which]
        damaged.write_text(damaged.read_text()[:20])
        assert execute.record(path) is None

    def test_a_tighter_budget_makes_it_stale(self, place):
        path = write(place, "x = 1")
        execute.execute(path)
        assert execute.record(write(path, "x = 1", seconds=60))
        assert execute.record(write(path, "x = 1", memory_gb=0.001)) is None

    def test_works_where_an_event_loop_runs_already(self, place):
        async def caller():
            return execute.execute(path)

        path = write(place, "x = 1")
        # The tests in the browser leave a loop running in this thread.
        assert execute.finish(caller()) == execute.record(path)

    def test_widgets_are_proved(self, place):
        code = (
            "from cvlab import plot\nfrom cvlab.widgets import explore\n"
            "def draw(h):\n    fig, ax = plot.figure(size=(1, 1))\n    ax.bar([0], [h])\n"
            "    return fig\n"
            "explore(draw, alt='A bar of height {h}', h=[1, 2, 3])"
        )
        path = write(place, code)
        (widget,) = execute.execute(path)["widgets"]
        assert widget["frames"] == 3
        assert [proof["position"] for proof in widget["proof"]] == [[0], [1], [2]]
        executed = nbformat.read(execute.stored(path)[0], as_version=4)
        (output,) = executed.cells[0].outputs
        frames = json.loads(
            re.search(r"<script[^>]*>(.*)</script>", output.data["text/html"], re.S)[1]
        )
        assert [proof["frame"] for proof in widget["proof"]] == frames
        notebook = build.with_outputs(path)
        (script,) = build.set_aside_frames(path, notebook).items()
        name = Path(script[0]).stem
        assert script[1].decode() == f'cvlabFrames("{name}", {json.dumps(frames)});\n'.replace(
            "</", "<\\/"
        )
        page = notebook["cells"][0]["outputs"][0]["data"]["text/html"]
        assert f'<div class="cvlab-explore" data-frames="{name}">' in page
        assert page.count("cvlab-frame") == 1, "the frame shown first, and no more"
        assert "<script" not in page

    def test_edited_prose_and_tags_reach_the_page_without_a_new_run(self, place):
        code = new_code_cell("print(6 * 7)", id="answer")
        path = write(place, new_markdown_cell("old words"), code)
        execute.execute(path)
        code.metadata["tags"] = ["hide-input"]
        write(path, new_markdown_cell("new words"), new_markdown_cell("more"), code)
        assert execute.record(path) is not None
        first, second, answer = build.with_outputs(path)["cells"]
        assert (first["source"], second["source"]) == ("new words", "more")
        assert answer["outputs"][0]["text"] == "42\n"
        assert notebooks.tags(answer) == ["hide-input"]


@pytest.mark.slow
class TestBudgetWhileRunning:
    def test_time_also_of_a_cell_that_ignores_interrupts(self, place, each_kernel):
        stubborn = (
            "import signal, time\n"
            "for number in (signal.SIGINT, signal.SIGTERM):\n"
            "    signal.signal(number, signal.SIG_IGN)\n"
            "while True:\n    time.sleep(1)"
        )
        path = write(place, NOTE_PID, new_code_cell(stubborn, id="wait"), seconds=2)
        said = failure(path)
        assert re.fullmatch(
            r"a/n\.ipynb, cell 'wait': over its budget: \d+\.\d s, allowed are 2 s\.", said
        )
        assert all_end([pid_in(place.parent / "pid")])

    def test_the_start_of_the_kernel_is_no_part_of_the_time(self, place, monkeypatch):
        own = place.parent / "own"
        own.mkdir(parents=True)
        (own / "sitecustomize.py").write_text(
            "import pathlib, sys, time\n"
            "if 'ipykernel' in ' '.join(sys.orig_argv):\n"
            f"    time.sleep(3)\n    pathlib.Path({str(own / 'awake')!r}).touch()\n"
        )
        monkeypatch.setenv("CVLAB_KERNEL", "python3")
        monkeypatch.setenv("PYTHONPATH", str(own))
        found = execute.execute(write(place, "x = 1"))
        assert found["seconds"] < time.time() - (own / "awake").stat().st_mtime

    def test_processor_time_also_of_children(self, place, each_kernel):
        busy = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'while True: pass'])"
        path = write(place, new_code_cell(busy, id="burn"), cpu_seconds=2)
        said = failure(path)
        assert re.fullmatch(
            r"a/n\.ipynb, cell 'burn': over its budget: \d+\.\d s of processor time, "
            r"allowed are 2 s\.",
            said,
        )

    def test_memory(self, place, each_kernel):
        grow = "import time\nkept = [b'x' * 10**8 for _ in range(12)]\ntime.sleep(600)"
        path = write(place, "x = 1", new_code_cell(grow, id="grow"), memory_gb=1)
        said = failure(path)
        assert re.fullmatch(
            r"a/n\.ipynb, cell 'grow': over its budget: 1\.\d\d GB of memory, allowed are 1 GB\.",
            said,
        )

    @pytest.mark.parametrize(
        "spike",
        [
            "len(b'x' * 10**9)",
            "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'b\"x\" * 10**9'])",
        ],
        ids=["itself", "child"],
    )
    def test_a_peak_between_two_samples(self, place, monkeypatch, spike):
        monkeypatch.setattr(kernel, "SAMPLE_SECONDS", 60)
        path = write(place, new_code_cell(spike, id="spike"), "x = 1", memory_gb=0.9)
        said = failure(path)
        assert said.startswith("a/n.ipynb, cell 'spike': over its budget: 1.")

    def test_workers_that_share_memory_are_not_counted_twice(self, place):
        fork = (
            "import os, signal, time\n"
            "shared = b'x' * (4 * 10**8)\n"
            "children = []\n"
            "for _ in range(3):\n"
            "    pid = os.fork()\n"
            "    if not pid:\n        time.sleep(60)\n"
            "    children.append(pid)\n"
            "time.sleep(1)\n"
            "for pid in children:\n    os.kill(pid, signal.SIGKILL)\n    os.waitpid(pid, 0)"
        )
        found = execute.execute(write(place, fork, memory_gb=0.8))
        assert 4e8 < found["peak_bytes"] < 8e8


@pytest.mark.slow
class TestDeadKernel:
    @pytest.mark.parametrize(
        ("code", "how"),
        [
            ("os._exit(3)", "the kernel ended with exit status 3."),
            ("os.kill(os.getpid(), 9)", "the kernel died, killed by SIGKILL."),
            (
                "import ctypes, faulthandler\nfaulthandler.disable()\nctypes.string_at(0)",
                "the kernel died, killed by SIGSEGV.",
            ),
            (
                "import subprocess, time\n"
                "subprocess.Popen(['sh', '-c', f'sleep 0.5; kill -9 {os.getpid()}'])\n"
                "time.sleep(600)",
                "the kernel died, killed by SIGKILL.",
            ),
        ],
        ids=["exits", "kills-itself", "segfault", "killed-by-another"],
    )
    def test_is_noticed_at_once_and_named(self, place, each_kernel, code, how):
        # Named, not only missed when the budget is used up.
        path = write(place, "import os", new_code_cell(code, id="die"), "x = 1")
        assert failure(path) == f"a/n.ipynb, cell 'die': {how}"

    def test_that_cannot_be_started_says_why(self, place, monkeypatch):
        async def start(_manager, **_options):
            raise FileNotFoundError(2, "No such file", "no-python")

        monkeypatch.setattr(kernel.AsyncKernelManager, "start_kernel", start)
        with pytest.raises(FileNotFoundError, match="no-python"):
            execute.execute(write(place, "x = 1"))

    def test_that_never_became_ready_is_quoted(self, place, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", str(place.parent))
        path = write(place, "x = 1")
        (place.parent / "ipykernel.py").write_text("raise ImportError('no such kernel')")
        said = failure(path)
        start = "a/n.ipynb, before its first cell: the kernel ended with exit status 1. It said: "
        assert said.startswith(start)
        assert "ImportError: no such kernel" in said


@pytest.mark.slow
class TestProcessesLeftBehind:
    LEAVE = (
        "import subprocess\nfrom pathlib import Path\n"
        "own = subprocess.Popen(['sleep', '300'])\n"
        "apart = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "orphan = subprocess.run('sleep 300 > /dev/null & echo $!', shell=True, text=True,\n"
        "                        stdout=subprocess.PIPE).stdout.strip()\n"
        "for name, pid in (('own', own.pid), ('apart', apart.pid), ('orphan', orphan)):\n"
        "    Path(name).write_text(f'{pid}\\n')\n"
    )

    def left(self, place):
        return [pid_in(place.parent / name) for name in ("own", "apart", "orphan")]

    def test_by_a_run_that_succeeds(self, place, each_kernel):
        execute.execute(write(place, self.LEAVE))
        assert all_end(self.left(place))

    def test_by_a_run_that_exceeds_its_budget(self, place):
        failure(write(place, self.LEAVE + "while True: pass", cpu_seconds=3))
        assert all_end(self.left(place))

    def test_by_a_kernel_that_dies(self, place, monkeypatch):
        """Which has been looked at since, twice: the first look may have begun before."""
        overrun, looks = budget.Budget.overrun, []

        def look(one, usage):
            if (place.parent / "orphan").exists():
                looks.append(usage)
            if len(looks) == 2:
                (place.parent / "go").touch()
            return overrun(one, usage)

        monkeypatch.setattr(budget.Budget, "overrun", look)
        failure(write(place, f"{self.LEAVE}{WAIT}\nimport os; os._exit(1)"))
        assert all_end(self.left(place))


@pytest.mark.slow
class TestData:
    @pytest.fixture
    def checkout(self, tmp_path, monkeypatch):
        monkeypatch.setattr(inputs, "ROOT", tmp_path)
        monkeypatch.setenv("CVLAB_DATA", str(tmp_path / "elsewhere"))
        for name in ("a/table.csv", "_build/made.txt", ".venv/x.txt", "elsewhere/set.bin"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("1")
        (tmp_path / "a" / "module.py").write_text("")
        (tmp_path / "a" / "workers.txt").write_text("3")
        return tmp_path

    READ = (
        "import os, pathlib, tempfile\n"
        "for name in ('table.csv', '../_build/made.txt', '../.venv/x.txt', 'module.py',\n"
        "             '../elsewhere/set.bin'):\n"
        "    pathlib.Path(name).read_text()\n"
        "pathlib.Path('own.txt').write_text('2')\n"
        "pathlib.Path('own.txt').read_text()\n"
        "pathlib.Path('passing.txt').write_text('2')\n"
        "pathlib.Path('passing.txt').read_text()\n"
        "os.remove('passing.txt')\n"
        "if not (pid := os.fork()):\n"
        "    open('workers.txt').read()\n"
        "    os._exit(0)\n"
        "_ = os.waitpid(pid, 0)\n"
    )

    def test_that_was_read_is_remembered(self, checkout, place, each_kernel):
        path = write(place, self.READ)
        found = execute.execute(path)
        assert [(file["in"], file["path"]) for file in found["data"]] == [
            ("checkout", "a/table.csv"),
            ("checkout", "a/workers.txt"),
            ("data", "set.bin"),
        ]
        assert found["data"][0]["size"] == 1
        assert execute.record(path) == found
        (checkout / "a" / "own.txt").write_text("other")
        (checkout / "a" / "module.py").write_text("other")
        assert execute.record(path) == found

    def test_that_changes_or_vanishes_makes_the_result_stale(self, checkout, place):
        path = write(place, self.READ)
        execute.execute(path)
        for name in ("a/table.csv", "elsewhere/set.bin"):
            data = checkout / name
            before, times = data.read_bytes(), data.stat()
            data.write_text("22")
            assert execute.record(path) is None
            data.write_bytes(before)
            os.utime(data, ns=(times.st_atime_ns, times.st_mtime_ns))
            assert execute.record(path)
            data.unlink()
            assert execute.record(path) is None
            data.write_bytes(before)
            os.utime(data, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.slow
class TestAll:
    def test_failures_do_not_stop_the_rest(self, tmp_path):
        good = write(tmp_path / "a" / "good.ipynb", "x = 1")
        bad = write(tmp_path / "a" / "bad.ipynb", "raise ValueError('no')")
        lines = []
        (said,) = execute.execute_all([bad, good], workers=2, report=lines.append)
        assert said.endswith("ValueError: no")
        assert execute.record(good) is not None
        assert execute.record(bad) is None
        assert lines[0] == "Notebooks: 2 to run, 0 up to date."
        assert sorted(lines[1:3]) == ["  a/bad.ipynb: started", "  a/good.ipynb: started"]
        assert any(re.fullmatch(r"  \[\d/2\] a/good\.ipynb: \d+\.\d s", line) for line in lines)
        assert any(line.endswith(f"a/bad.ipynb: FAILED: {said}") for line in lines)
        assert execute.execute_all([good], report=lines.append) == []
        assert lines[-1] == "Notebooks: 1 up to date."

    def test_heavy_ones_come_first(self, tmp_path):
        light, heavy, unknown, known = (
            write(tmp_path / "a" / f"{name}.ipynb", "x = 1", seconds=40)
            for name in ("light", "heavy", "unknown", "known")
        )
        for path, seconds in ((light, 1.0), (heavy, 70.0), (known, 39.0)):
            described = execute.stored(path)[1]
            described.parent.mkdir(parents=True, exist_ok=True)
            described.write_text(json.dumps({"seconds": seconds}))  # a stale record
        lines = []
        everything = [light, known, unknown, heavy]
        assert execute.execute_all(everything, workers=1, report=lines.append) == []
        assert [line for line in lines if "started" in line] == [
            "  a/heavy.ipynb: started, 70 s the last time",
            "  a/unknown.ipynb: started",
            "  a/known.ipynb: started, 39 s the last time",
            "  a/light.ipynb: started, 1 s the last time",
        ]

    @pytest.mark.parametrize(("workers", "threads"), [(None, "2"), (1, "4")])
    def test_cores_are_not_oversubscribed(self, tmp_path, monkeypatch, workers, threads):
        monkeypatch.setattr(execute, "cores", lambda: 4)
        code = "import os\nprint(os.environ['OMP_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"
        paths = [write(tmp_path / "a" / f"{name}.ipynb", code) for name in "mn"]
        assert execute.execute_all(paths, workers=workers, report=[].append) == []
        for path in paths:
            executed = nbformat.read(execute.stored(path)[0], as_version=4)
            assert executed.cells[0].outputs[0].text == f"{threads} {threads}\n"

    def test_notebooks_run_at_the_same_time(self, tmp_path):
        meet = (
            "import pathlib, time\n"
            "pathlib.Path('{own}').touch()\n"
            "while not pathlib.Path('{other}').exists():\n    time.sleep(0.02)"
        )
        paths = [
            write(tmp_path / "a" / f"{own}.ipynb", meet.format(own=own, other=other), seconds=120)
            for own, other in ("mn", "nm")
        ]
        assert execute.execute_all(paths, workers=2, report=[].append) == []

    def test_a_pipe_is_told_now_and_then_what_runs(self, tmp_path, monkeypatch):
        monkeypatch.setattr(progress, "REASSURE_SECONDS", 0.5)
        path = write(tmp_path / "a" / "n.ipynb", "x = 1", WAIT)
        pattern = r"  +\d+ s  running: a/n\.ipynb \(cell 2 of 2, \d+ s\)"

        def let_go(line):
            if re.fullmatch(pattern, line):
                (path.parent / "go").touch()

        assert execute.execute_all([path], report=let_go) == []


@pytest.mark.slow
class TestSeveralCommands:
    """Each command is a process of its own, as a second terminal would start it."""

    def start(self, *paths, workers=1):
        code = (
            "import sys; from pathlib import Path\n"
            "from cvlab.classroom import cli; from cvlab.classroom.running import execute\n"
            "def run(options):\n"
            f"    paths = [Path(name) for name in {[str(path) for path in paths]!r}]\n"
            f"    return len(execute.execute_all(paths, workers={workers}, report=cli.say))\n"
            "cli.make_book = run\n"
            "sys.exit(cli.main(['book']))"
        )
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes)

    def test_the_second_waits_and_runs_nothing_twice(self, place):
        path = write(place, NOTE_PID, f"open('log', 'a').write('ran ')\n{WAIT}")
        first = self.start(path)
        pid_in(place.parent / "pid")
        second = self.start(path)
        assert second.stdout.readline() == (
            "Another command is executing notebooks in this checkout; waiting for its end.\n"
        )
        (place.parent / "go").touch()
        assert first.communicate(timeout=GIVE_UP)[0].endswith(" s\n")
        assert second.communicate(timeout=GIVE_UP)[0] == "Notebooks: 1 up to date.\n"
        assert (first.returncode, second.returncode) == (0, 0)
        assert (place.parent / "log").read_text() == "ran "

    def test_a_killed_command_holds_up_nobody_and_leaves_no_record(self, place, each_kernel):
        path = write(place, NOTE_PID, WAIT)
        first = self.start(path)
        pid = pid_in(place.parent / "pid")
        first.kill()
        first.communicate()
        assert execute.record(path) is None
        assert all_end([pid])
        (place.parent / "go").touch()
        second = self.start(path)
        said = second.communicate(timeout=GIVE_UP)[0]
        assert "Another command" not in said
        assert second.returncode == 0
        assert execute.record(path)

    def test_ctrl_c_stops_at_once_and_keeps_what_was_finished(self, tmp_path, each_kernel):
        quick = write(tmp_path / "a" / "quick.ipynb", "x = 1", seconds=120)
        slow = write(
            tmp_path / "b" / "slow.ipynb",
            "import os, subprocess, time\nfrom pathlib import Path\n"
            "child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
            "Path('child').write_text(f'{child.pid}\\n')\n"
            "Path('pid').write_text(f'{os.getpid()}\\n')\n"
            "while True:\n    try:\n        time.sleep(1)\n    except KeyboardInterrupt:\n"
            "        pass",
            seconds=60,
        )
        command = self.start(quick, slow)
        pids = [pid_in(slow.parent / name) for name in ("pid", "child")]
        command.send_signal(signal.SIGINT)
        said = command.communicate(timeout=GIVE_UP)[0]
        assert command.returncode == 130
        assert "Traceback" not in said
        sentence = "what was finished is kept. Run the same command to go on.\n"
        assert said.endswith(f"cvlab: stopped; {sentence}")
        assert all_end(pids)
        assert execute.record(quick)
        assert execute.record(slow) is None


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestProgressDisplay:
    @pytest.fixture(autouse=True)
    def screen(self, monkeypatch):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "60")
        monkeypatch.setenv("LINES", "6")

    def test_a_terminal_shows_one_line_for_each_that_runs(self):
        screen = Terminal()
        shown = progress.Progress(["a", "b", "c"], lambda line: screen.write(f"{line}\n"), screen)
        shown.start("a", 9, None)
        shown.start("b", 4, 12.0)
        shown.cell("b", 3)
        assert screen.getvalue() == ""
        shown.draw()
        block = "  a (starting, 0 s)\n  b (cell 3 of 4, 0 s)\n  1 waiting: c\n"
        assert screen.getvalue() == block
        screen.seek(0)
        screen.truncate()
        shown.finish("a", "1.0 s")
        rest = "  b (cell 3 of 4, 0 s)\n  1 waiting: c\n"
        assert screen.getvalue() == f"\x1b[3F\x1b[J  [1/3] a: 1.0 s\n{rest}"

    def test_the_block_fits_the_screen(self):
        screen = Terminal()
        names = [f"a-rather-long-folder/{number:02}-with-a-long-name.ipynb" for number in range(20)]
        shown = progress.Progress(names, [].append, screen)
        for name in names:
            shown.start(name, 10, None)
        shown.draw()
        lines = screen.getvalue().splitlines()
        assert len(lines) == 4
        assert max(map(len, lines)) < 60

    def test_it_is_kept_up_to_date_and_taken_away(self, tmp_path, monkeypatch):
        screen = Terminal()
        monkeypatch.setattr(sys, "stdout", screen)

        async def some_seconds():
            shown = progress.Progress(["a"], [].append)
            shown.start("a", 2, None)
            keep = asyncio.ensure_future(shown.keep())
            await asyncio.sleep(1)
            keep.cancel()
            shown.erase()

        execute.finish(some_seconds())
        assert screen.getvalue().count("a (starting") >= 3
        assert screen.getvalue().endswith("\x1b[1F\x1b[J")

    def test_a_pipe_gets_no_control_characters(self):
        pipe, lines = io.StringIO(), []
        shown = progress.Progress(["a"], lines.append, pipe)
        shown.start("a", 2, None)
        shown.draw()
        shown.finish("a", "done")
        assert pipe.getvalue() == ""
        assert lines == ["  a: started", "  [1/1] a: done"]


def test_the_probe_imports_the_standard_library_alone():
    text = Path(execute.meter.__file__).read_text(encoding="utf-8")
    names = set(re.findall(r"^\s*(?:import|from) (\w+)", text, re.M))
    assert names <= {*sys.stdlib_module_names}
