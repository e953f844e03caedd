"""Boxes from warm imports: what they answer, what they cannot do to the judge, how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from waiting import GIVE_UP, all_end, ended, until

from cvlab.checking import wire
from cvlab.classroom.grading.box import isolation
from cvlab.classroom.grading.box.isolation import Limits
from cvlab.classroom.grading.box.zygote import Box, Zygote, ZygoteError, clean_environment
from cvlab.classroom.notebooks import ROOT

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="boxes need Linux"),
    pytest.mark.slow,
    pytest.mark.usefixtures("walls"),
]
LIBRARIES = None  # all: see the fixture few_libraries
SECRET = "the-judge-knows-this-" + os.urandom(8).hex()


@pytest.fixture(scope="module")
def zygote(walls):
    os.environ["CVLAB_SECRET_OF_TEST"] = SECRET
    with Zygote() as one:
        yield one
    del os.environ["CVLAB_SECRET_OF_TEST"]


@pytest.fixture
def box(zygote):
    with zygote.box() as one:
        yield one


def ask(box: Box, seconds: float = GIVE_UP, **request: Any) -> Any:
    """Send a request; return the error as the box tells it, or a probe's value."""
    ends = time.monotonic() + seconds
    wire.write_message(box.link, json.dumps(request).encode(), ends)
    error = json.loads(wire.read_message(box.link, ends))["error"]
    if error is None and "call" in request:
        return wire.decode(wire.read_message(box.link, ends))
    return error


PROBE = "def probe(rng):\n    return f(rng.normal(size=(3, 2)))"


def test_a_probe_returns_what_the_students_function_computes(box):
    assert ask(box, cell="import numpy as np\ndef f(x):\n    return x.sum(axis=0)") is None
    expected = np.random.default_rng(3).normal(size=(3, 2)).sum(axis=0)
    found = ask(box, call=PROBE, function="probe", names=["f"], seed=3)
    assert np.array_equal(found, expected)
    assert not np.array_equal(ask(box, call=PROBE, function="probe", names=["f"], seed=4), expected)


def test_torch_is_there_and_was_not_imported_again(box):
    assert ask(box, cell="import sys\nassert 'torchvision' in sys.modules") is None
    assert ask(box, cell="import torch\nf = lambda x: torch.as_tensor(x).sum()") is None
    assert ask(box, call=PROBE, function="probe", names=["f"], seed=0).shape == ()


@pytest.mark.parametrize(
    "cell",
    [
        "from google.colab import drive\ndrive.mount('/content/drive', force_remount=True)",
        "import google.colab\ngoogle.colab.files.download('grades.csv')",
        "import google.colab.drive as d\nd.mount('/x')",
        "from google.colab import files\nfor name in files.upload():\n    print(name)",
        "from google.colab.patches import cv2_imshow\ncv2_imshow([[0]])",
        "from google.colab import output, userdata\noutput.clear()\nuserdata.get('KEY').strip()",
        "import google.colab.data_table as t\nt.enable_dataframe_formatter()",
    ],
)
def test_what_only_colab_has_does_nothing(box, cell):
    looks = "import sys\nassert 'google.colab' not in sys.modules"
    assert ask(box, cell=looks) is None  # an install line for Colab alone stays away
    assert ask(box, cell=cell) is None
    missing = ask(box, cell="import google.cloud")
    assert missing["name"] == "ModuleNotFoundError"


@pytest.mark.parametrize(
    ("cell", "name", "line"),
    [
        ("x = 1\n1 / 0", "ZeroDivisionError", 2),
        ("def f(:", "SyntaxError", 1),
        ("import sys\nsys.exit(3)", "SystemExit", 2),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", 1),
        ("class E(BaseException):\n    def __str__(self): raise self\nraise E", "E", 3),
        ("!pip install nothing\n%matplotlib inline\nx = 3\nassert x == 4", "AssertionError", 4),
    ],
)
def test_an_error_costs_its_cell_only(box, cell, name, line):
    error = ask(box, cell=cell)
    assert (error["name"], error["line"]) == (name, line)
    assert ask(box, cell="f = len") is None
    assert ask(box, call=PROBE, function="probe", names=["f"], seed=0) == 3


def test_an_error_of_a_probe_is_told_and_the_next_one_works(box):
    assert ask(box, call=PROBE, function="probe", names=["f"], seed=0)["name"] == "NameError"
    assert ask(box, cell="def f(x):\n    raise SystemExit") is None
    assert ask(box, call=PROBE, function="probe", names=["f"], seed=0)["name"] == "SystemExit"
    assert ask(box, cell="f = lambda x: object()") is None
    assert ask(box, call=PROBE, function="probe", names=["f"], seed=0)["name"] == "WireError"
    assert ask(box, cell="f = len") is None
    assert ask(box, call=PROBE, function="probe", names=["f"], seed=0) == 3


def test_nothing_of_the_judge_is_in_a_box(box):
    """Its environment, and what it has in memory, of which this test plants a piece in both."""
    # The text is sent backwards: otherwise the search would find what it is told to look for.
    code = """
import os
assert "CVLAB_SECRET_OF_TEST" not in os.environ
wanted = BACKWARDS[::-1]
here = id(wanted)
found = []
for line in open("/proc/self/maps"):
    place, rights = line.split()[:2]
    if rights.startswith("rw") and "[v" not in line:
        low, high = (int(part, 16) for part in place.split("-"))
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            memory.seek(low)
            try:
                part = memory.read(high - low)
            except OSError:
                continue
            position = part.find(wanted.encode())
            while position >= 0:
                found.append(low + position)
                position = part.find(wanted.encode(), position + 1)
        del part
others = [place for place in found if not here <= place < here + 200]
"""
    search = code.replace("BACKWARDS", repr(SECRET[::-1]))
    assert ask(box, 60, cell=search) is None
    assert ask(box, cell="assert not others, others") is None
    # The search does find what is there.
    planted = "planted-" + os.urandom(8).hex()
    search = code.replace("BACKWARDS", repr(planted[::-1]))
    assert ask(box, cell=f"kept = {planted!r}.encode() * 3") is None
    assert ask(box, 60, cell=search) is None
    assert ask(box, cell="assert others") is None


def test_descriptors_of_the_judge_do_not_leak(zygote, tmp_path):
    with open(tmp_path / "grades", "w") as held, zygote.box() as one:
        held.write("secret")
        code = "import os\nfound = [os.readlink(f'/proc/self/fd/{n}') for n in range(3, 30)"
        code += " if os.path.exists(f'/proc/self/fd/{n}')]\nassert 'grades' not in str(found)"
        assert ask(one, cell=code) is None


def test_a_loop_that_ignores_signals_is_ended_from_outside(zygote):
    one = zygote.box()
    code = "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: pass"
    with pytest.raises(wire.WireTimeout):
        ask(one, 1, cell=code)
    assert one.close() == -signal.SIGKILL


def ask_after(box: Box, cell: str) -> None:
    """Execute a cell that may end the box, then one more."""
    ask(box, cell=cell)
    ask(box, cell="1")


@pytest.mark.parametrize(
    "death",
    ["os._exit(0)", "ctypes.string_at(0)", "os.kill(1, 9) or os.abort()", "os.closerange(3, 99)"],
)
def test_a_crash_is_noticed_at_once(zygote, death):
    # Closed, not only silent until the time is over.
    with zygote.box() as one, pytest.raises((wire.WireClosed, ConnectionError)):
        ask_after(one, f"import ctypes, os\n{death}")
    with zygote.box() as other:
        assert ask(other, cell="1") is None


def test_a_flood_of_output_or_of_messages_costs_the_judge_nothing(zygote):
    with zygote.box(Limits(memory_bytes=2_000_000_000)) as one:  # where what nobody reads stays
        assert ask(one, cell="while True: print('x' * 100_000)")["name"] == "MemoryError"
    code = """
import os
for number in range(3, 30):
    try:
        os.write(number, bytes([255]) * 64)
    except OSError:
        pass
"""
    with zygote.box() as one, pytest.raises(wire.ExchangeTooLarge):
        ask_after(one, code)


def test_limits_hold_for_each_box(zygote):
    with zygote.box(Limits(memory_bytes=2_000_000_000)) as one:
        assert ask(one, cell="x = bytearray(3_000_000_000)")["name"] == "MemoryError"
    with zygote.box(Limits(cpu_seconds=1)) as one, pytest.raises(wire.WireClosed):
        ask(one, cell="while True: pass")


def test_boxes_at_the_same_time_do_not_see_each_other(zygote):
    def life(number: int) -> Any:
        with zygote.box() as one:
            assert ask(one, cell=f"open('/box/mine', 'w').write('{number}')") is None
            assert (
                ask(one, cell=f"import os\nf = lambda x: {number} + len(os.listdir('/box'))")
                is None
            )
            return ask(one, call=PROBE, function="probe", names=["f"], seed=0)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(life, range(12))) == [number + 1 for number in range(12)]


def test_nothing_is_left_of_many_boxes(zygote):
    process = psutil.Process(zygote.process.pid)
    before = process.num_fds(), psutil.Process().num_fds()
    for _ in range(20):
        with zygote.box() as one:
            ask(one, cell="import subprocess; subprocess.Popen(['sleep', '300'])")
    assert process.children(recursive=True) == []
    assert (process.num_fds(), psutil.Process().num_fds()) == before
    assert process.num_threads() == 1


def test_a_box_cannot_refuse_to_end_with_its_judge(zygote):
    """The signal that a process gets when its parent ends may be switched off by the process."""
    one = zygote.box()
    code = "import ctypes, time\nlibc = ctypes.CDLL(None)\nassert libc.prctl(1, 0, 0, 0, 0) == 0"
    assert ask(one, cell=code) is None
    inside = [psutil.Process(one.pid), *psutil.Process(one.pid).children(recursive=True)]
    one.close()
    assert all_end(inside)


def test_what_the_zygote_read_is_not_to_be_read_on_in_a_box(box):
    assert ask(box, cell="import os\nassert os.read(0, 10) == b''") is None
    assert ask(box, cell="input()")["name"] == "StdinNotImplementedError"


def test_walls_that_cannot_be_built_are_no_crash_of_a_student(zygote):
    with pytest.raises(
        ZygoteError, match=r"a box could not be built \(mounting .*Invalid argument"
    ):
        zygote.box(Limits(disk_bytes=-1))
    assert zygote.alive()
    with zygote.box() as one:
        assert ask(one, cell="1") is None


def test_boxes_end_with_the_zygote():
    zygote = Zygote()
    one = zygote.box()
    assert ask(one, cell="1") is None
    walls = psutil.Process(one.pid)
    zygote.process.kill()
    assert until(lambda: ended(walls))
    with pytest.raises(wire.WireError):
        ask(one, 2, cell="1")
    assert one.close() == -signal.SIGKILL
    assert not zygote.alive()
    with pytest.raises(ZygoteError, match="does not answer"):
        zygote.box()
    zygote.stop()


def test_boxes_know_the_course_where_it_is_not_installed(tmp_path):
    """Its folder is on the path, by a variable or because Python was started there."""
    venv.create(tmp_path / "env", symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
    # What is installed here, but for the file that adds the course's own folder to the path.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    code = (
        "from cvlab.classroom.grading.box.zygote import Zygote\n"
        "with Zygote() as zygote, zygote.box() as box: print('a box')"
    )
    alone = subprocess.run([python, "-c", "import cvlab"], cwd=tmp_path, capture_output=True)
    assert alone.returncode, "it is installed in the new environment"
    for folder, variables in [(tmp_path, {"PYTHONPATH": str(ROOT)}), (ROOT, {})]:
        environment = {**os.environ, "PYTHONPATH": "", **variables}
        done = subprocess.run(
            [python, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.stdout == "a box\n", done.stderr


def test_the_environment_of_a_box_is_made_from_nothing():
    found = clean_environment()
    assert "CVLAB_SECRET_OF_TEST" not in found
    assert found["HOME"] == "/box"
    assert Path(found["HOME"]) == isolation.WORK


def test_the_first_box_of_a_new_home_folder_prints_nothing(tmp_path):
    """IPython would warn that it may not write there."""
    code = "from cvlab.classroom.grading.box.zygote import Zygote\nwith Zygote(): pass"
    home = tmp_path / "new"
    for _ in range(2):
        environment = os.environ | {"HOME": str(home), "CVLAB_LIBRARIES": "numpy"}
        environment.pop("XDG_CACHE_HOME", None)
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0
        assert done.stdout + done.stderr == ""
