"""One rounding for all processors: the variables, who may change them, that they have effect."""

import json
import subprocess
import sys

import pytest

from cvlab.classroom.running import arithmetic, execute, kernel

HEAVY = """
import torch, numpy, hashlib
torch.manual_seed(0)
a = torch.randn(64, 64)
x = torch.randn(4, 3, 16, 16)
w = torch.randn(8, 3, 3, 3)
sums = [a @ a, torch.conv2d(x, w), torch.tensor(a.numpy() @ a.numpy())]
print([hashlib.sha256(one.numpy().tobytes()).hexdigest()[:8] for one in sums])
"""


def sums(variables: dict[str, str], monkeypatch) -> list[str]:
    """Run in a process of its own: libraries look at these variables once."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-c", HEAVY], capture_output=True, text=True, check=True, timeout=300
    )
    assert not done.stderr, "no library complains about a variable"
    return json.loads(done.stdout.replace("'", '"'))


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for name in ("CVLAB_ARITHMETIC", *arithmetic.SAME):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def able(monkeypatch):
    monkeypatch.setattr(arithmetic, "supported", lambda: True)


def test_the_choices(able, monkeypatch):
    assert arithmetic.environment() == arithmetic.SAME
    monkeypatch.setenv("CVLAB_ARITHMETIC", "other")
    assert arithmetic.environment() == arithmetic.OTHER
    assert arithmetic.OTHER.keys() == arithmetic.SAME.keys()
    monkeypatch.setenv("CVLAB_ARITHMETIC", "own")
    assert arithmetic.environment() == {}


def test_what_the_user_has_set_holds(able, monkeypatch):
    monkeypatch.setenv("MKL_CBWR", "AUTO")
    assert arithmetic.environment() == arithmetic.SAME | {"MKL_CBWR": "AUTO"}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("flags : fpu sse2 avx fma avx2 bmi1\n", True),
        ("flags : fpu sse2 avx avx2\n", False),
        ("flags : fpu sse2 avx512_fma avx2x\n", False),
        ("Features : fp asimd evtstrm\n", False),
        (None, False),
    ],
)
def test_only_processors_that_can_are_asked(tmp_path, text, known):
    cpuinfo = tmp_path / "cpuinfo"
    if text is not None:
        cpuinfo.write_text(text)
    assert arithmetic.supported(cpuinfo) is known


def test_another_word_gets_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("CVLAB_ARITHMETIC", "fast")
    said = r"^CVLAB_ARITHMETIC must be same .+, not 'fast'\.$"
    with pytest.raises(ValueError, match=said):
        arithmetic.environment()
    with pytest.raises(ValueError, match=said):
        kernel.choose()


@pytest.mark.skipif(not arithmetic.supported(), reason="another processor has its own arithmetic")
def test_sums_differ_by_the_choice_and_by_nothing_else(monkeypatch):
    same = sums(arithmetic.SAME, monkeypatch)
    assert sums(arithmetic.SAME, monkeypatch) == same
    other = sums(arithmetic.OTHER, monkeypatch)
    assert all(a != b for a, b in zip(same, other, strict=True)), (same, other)


def test_a_kernel_gets_it_and_the_choice_makes_results_stale(able, tmp_path, monkeypatch):
    path = tmp_path / "a" / "n.ipynb"
    path.parent.mkdir()
    names = sorted(arithmetic.SAME)
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": f"import os\nprint([os.environ.get(name) for name in {names}])",
    }
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(book))
    monkeypatch.setattr(execute, "STORE", tmp_path / "store")
    execute.execute(path)
    (output,) = json.loads(execute.stored(path)[0].read_text())["cells"][0]["outputs"]
    assert "".join(output["text"]).strip() == str([arithmetic.SAME[name] for name in names])
    assert execute.record(path) is not None
    monkeypatch.setenv("CVLAB_ARITHMETIC", "own")
    assert execute.record(path) is None
