"""Tests of the package itself: setup, device, glue, and what its import may load."""

from __future__ import annotations

import doctest
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from IPython.utils.capture import capture_output

import cvlab
from cvlab import plot

HEAVY = ("torch", "torchvision", "cv2", "sklearn", "skimage", "scipy", "matplotlib.pyplot")
HAS_GPU = torch.cuda.is_available()


@pytest.fixture
def global_state():
    """Put the global generators and the plot style back."""
    import matplotlib

    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    with matplotlib.rc_context():
        yield
    random.setstate(before[0])
    np.random.set_state(before[1])  # noqa: NPY002
    torch.set_rng_state(before[2])


def modules_after(code: str, *options: str) -> tuple[set[str], str]:
    """Names of the modules loaded in a fresh interpreter, and what it wrote to standard error."""
    done = subprocess.run(
        [sys.executable, *options, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path.home(),
    )
    return set(done.stdout.split()), done.stderr


# --- The import -----------------------------------------------------------------------------------


def test_import_loads_no_heavy_library():
    loaded, timed = modules_after("import cvlab", "-X", "importtime")
    assert "cvlab" in loaded
    assert not loaded & set(HEAVY)
    named = {line.rpartition("|")[2].strip() for line in timed.splitlines()}
    assert "cvlab" in named
    assert not named & set(HEAVY)


@pytest.mark.parametrize(
    "name",
    ["train", "check", "plot", "widgets", "scenes", "data", "features", "metrics", "geometry"],
)
def test_modules_load_no_heavy_library(name):
    loaded, _ = modules_after(f"import cvlab.{name}")
    assert f"cvlab.{name}" in loaded
    assert not loaded & set(HEAVY)


def test_setup_loads_neither_torch_nor_pyplot():
    loaded, warned = modules_after("import cvlab; cvlab.setup(seed=0)")
    assert "matplotlib" in loaded
    assert not loaded & set(HEAVY)
    assert warned == ""


def test_the_check_of_imports_can_fail():
    assert modules_after("import cvlab, scipy")[0] & set(HEAVY) == {"scipy"}


def test_public_names_and_version():
    assert set(cvlab.__all__) == {"__version__", "device", "glue", "setup"}
    assert all(hasattr(cvlab, name) for name in cvlab.__all__)
    assert cvlab.__version__[0].isdigit()


def test_doctests(global_state, monkeypatch):
    monkeypatch.setenv("CVLAB_DEVICE", "cpu")
    assert doctest.testmod(cvlab).failed == 0


# --- setup ----------------------------------------------------------------------------------------


def draws() -> tuple[float, float, float]:
    return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002


def test_setup_seeds_every_global_generator(global_state):
    assert cvlab.setup(seed=7) is None
    first = draws()
    assert all(one != other for one, other in zip(first, draws(), strict=True))
    cvlab.setup(seed=np.int64(7))
    assert draws() == first
    cvlab.setup(seed=8)
    assert all(one != other for one, other in zip(first, draws(), strict=True))


def test_setup_seeds_as_the_libraries_themselves_do(global_state):
    cvlab.setup(seed=5)
    found = draws()
    expected = (
        random.Random(5).random(),
        np.random.RandomState(5).random_sample(),
        torch.rand(1, generator=torch.Generator().manual_seed(5)).item(),
    )
    assert found == expected


def test_setup_lets_a_gpu_compute_in_float32(global_state, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    cvlab.setup()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32, "as torch has it"


def test_setup_sets_the_plot_style(global_state):
    import matplotlib

    matplotlib.rcdefaults()
    cvlab.setup()
    cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    assert tuple(cycle) == plot.COLOURS


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, np.uint8(255)])
def test_setup_takes(global_state, seed):
    cvlab.setup(seed)


@pytest.mark.parametrize("seed", [-1, 2**32, np.int64(-5)])
def test_setup_refuses_seeds_out_of_range(seed):
    before = random.getstate()
    with pytest.raises(ValueError, match=f"between 0 and .*, not {seed}"):
        cvlab.setup(seed)
    assert random.getstate() == before


@pytest.mark.parametrize("seed", [1.0, "1", None, True, [1], torch.tensor(1)])
def test_setup_refuses_what_is_no_integer(seed):
    with pytest.raises(TypeError, match=f"an integer, not {type(seed).__name__}"):
        cvlab.setup(seed)


# --- device ---------------------------------------------------------------------------------------


def test_device_by_default(monkeypatch):
    monkeypatch.delenv("CVLAB_DEVICE", raising=False)
    assert cvlab.device() == torch.device("cuda" if HAS_GPU else "cpu")
    monkeypatch.setenv("CVLAB_DEVICE", "")
    assert cvlab.device() == torch.device("cuda" if HAS_GPU else "cpu")


def test_device_by_the_environment(monkeypatch):
    monkeypatch.setenv("CVLAB_DEVICE", "cpu")
    found = cvlab.device()
    assert isinstance(found, torch.device)
    assert found == torch.device("cpu")
    assert torch.zeros(2, device=found).device.type == "cpu"


@pytest.mark.parametrize("wanted", ["toaster", "cuda:77", " ", "cpu,cuda", "0x"])
def test_device_refuses_what_this_machine_lacks(monkeypatch, wanted):
    monkeypatch.setenv("CVLAB_DEVICE", wanted)
    with pytest.raises(ValueError, match="cannot be used on this machine") as caught:
        cvlab.device()
    assert f"CVLAB_DEVICE={wanted!r}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(HAS_GPU, reason="this machine has a GPU")
def test_device_refuses_cuda_without_a_gpu(monkeypatch):
    monkeypatch.setenv("CVLAB_DEVICE", "cuda")
    with pytest.raises(ValueError, match="unset it or set it to 'cpu'"):
        cvlab.device()


def test_device_refuses_meta(monkeypatch):
    monkeypatch.setenv("CVLAB_DEVICE", "meta")
    with pytest.raises(ValueError, match="cannot be used"):
        cvlab.device()


# --- glue -----------------------------------------------------------------------------------------


def glued(name, value) -> tuple[dict, dict]:
    with capture_output() as captured:
        cvlab.glue(name, value)
    assert captured.stdout == captured.stderr == ""
    (message,) = captured.outputs
    return message.data, message.metadata


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (0.5, "0.5"),
        (True, "True"),
        ("two words", "'two words'"),
        (np.float32(0.5), "0.5"),
        (np.float64(0.1), "0.1"),
        (np.int64(-3), "-3"),
        (np.bool_(False), "False"),
        (np.str_("a"), "'a'"),
        (np.array(2.5), "2.5"),
        (np.array([[2.5]]), "2.5"),
        (torch.tensor(0.25), "0.25"),
        (torch.tensor([7]), "7"),
        (torch.tensor(True), "True"),
        (torch.tensor(1.5, requires_grad=True), "1.5"),
    ],
)
def test_glue_unwraps_scalars(shell, value, text):
    data, metadata = glued("a-name", value)
    assert data == {"application/papermill.record/text/plain": text}
    assert metadata["scrapbook"]["name"] == "a-name"


@pytest.mark.parametrize("value", [3, 0.125, "text", True])
def test_glue_sends_what_the_books_own_glue_sends(shell, value):
    theirs = pytest.importorskip("myst_nb").glue
    with capture_output() as captured:
        theirs("a-name", value, display=False)
    (message,) = captured.outputs
    assert glued("a-name", value) == (message.data, message.metadata)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "NoneType"),
        ([1.0], "list"),
        ((1,), "tuple"),
        ({"a": 1}, "dict"),
        (1j, "complex"),
        (np.complex64(1), "complex"),
        (b"bytes", "bytes"),
        (np.zeros(2), "ndarray"),
        (np.zeros(0), "ndarray"),
        (torch.zeros(2), "Tensor"),
        (torch.zeros(0), "Tensor"),
    ],
)
def test_glue_refuses_what_is_no_scalar(value, kind):
    with pytest.raises(TypeError, match=rf"glue\('a', ...\) takes one number .* not {kind};"):
        cvlab.glue("a", value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), np.float32("-inf"), torch.tensor(float("nan"))]
)
def test_glue_refuses_numbers_that_are_not_finite(value):
    with pytest.raises(ValueError, match="the number is not finite"):
        cvlab.glue("a", value)


@pytest.mark.parametrize("name", [3, None, ["a"]])
def test_glue_refuses_names_that_are_no_strings(name):
    with pytest.raises(TypeError, match=f"a string as name, not {type(name).__name__}"):
        cvlab.glue(name, 1)


def test_glue_needs_a_name():
    with pytest.raises(ValueError, match="needs a name"):
        cvlab.glue(" ", 1)
