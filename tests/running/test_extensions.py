"""What kernels load before their first cell: a virtual GPU, a GPU's rounding; who asks for it."""

from __future__ import annotations

import json
import subprocess

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from cvlab.classroom import cli
from cvlab.classroom.running import execute, extensions, tf32, virtual_gpu

CELL = """
import torch, cvlab
cvlab.setup(seed=0)
print(repr(cvlab.device()))
x = torch.full((1, 1), 1 / 3, device=cvlab.device())
print((x @ x).item() != (x * x).item())
try:
    x.numpy()
except TypeError as error:
    print(error)
"""


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for name in ("CVLAB_ARITHMETIC", "CVLAB_DEVICE", "CVLAB_KERNEL"):
        monkeypatch.delenv(name, raising=False)


def test_an_ordinary_kernel_gets_nothing(tmp_path):
    assert extensions.environment(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_what_is_wanted_stands_in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("CVLAB_DEVICE", "virtual")
    one = extensions.environment(tmp_path)["IPYTHONDIR"]
    monkeypatch.setenv("CVLAB_ARITHMETIC", "tf32")
    both = extensions.environment(tmp_path)["IPYTHONDIR"]
    assert extensions.environment(tmp_path)["IPYTHONDIR"] == both != one
    assert [name.rpartition(".")[2] for name in extensions.wanted()] == ["virtual_gpu", "tf32"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="here the GPU is a real one")
def test_a_warm_kernel_has_the_gpu_and_its_rounding(tmp_path, monkeypatch):
    path = tmp_path / "a" / "n.ipynb"
    path.parent.mkdir()
    nbformat.write(new_notebook(cells=[new_code_cell(CELL)]), path)
    monkeypatch.setattr(execute, "STORE", tmp_path / "store")
    monkeypatch.setenv("CVLAB_DEVICE", "virtual")
    monkeypatch.setenv("CVLAB_ARITHMETIC", "tf32")
    execute.execute(path)
    (cell,) = json.loads(execute.stored(path)[0].read_text())["cells"]
    device, rounded, refused = "".join(cell["outputs"][0]["text"]).splitlines()
    assert device == "device(type='cuda')"
    assert rounded == "True"
    assert refused.startswith("can't convert cuda:0 device type tensor to numpy")
    assert execute.record(path) is not None
    monkeypatch.delenv("CVLAB_ARITHMETIC")
    assert execute.record(path) is None, "a run of another kind is stale"


def test_validate_hands_it_to_nbval(tmp_path, monkeypatch):
    asked = []

    def run(command, env, **_options):
        asked.append((command, env))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(execute, "STORE", tmp_path)
    monkeypatch.setenv("CVLAB_DEVICE", "virtual")
    monkeypatch.setattr(subprocess, "run", run)
    assert cli.main(["validate", "09_convolution", "index"]) == 0
    ((command, env),) = asked
    assert sum(word.endswith("09_convolution.ipynb") for word in command) == 2
    assert any(word.endswith("book/index.ipynb") for word in command)
    assert env["IPYTHONDIR"] == str(tmp_path / "kernels" / "virtual_gpu")
    assert "--nbval-lax" in command


class TestTF32:
    def test_operands_keep_ten_bits(self):
        x = torch.tensor([1 + 2**-10, 1 + 2**-11, 1 + 2**-12, -1 - 2**-11, 255.0, 0.1])
        expected = [1 + 2**-10, 1 + 2**-10, 1, -1 - 2**-10, 255, 0.1]
        assert tf32.rounded(x).tolist() == pytest.approx(expected, rel=2**-11, abs=0)
        assert tf32.rounded(x)[:5].tolist() == expected[:5]
        assert tf32.rounded(torch.tensor([float("inf"), float("nan")])).isfinite().sum() == 0

    @pytest.mark.parametrize("name", ["matmul", "linear", "conv2d", "einsum", "attention"])
    def test_products_and_their_gradients_are_off_by_a_thousandth_at_most(self, name):
        torch.manual_seed(0)
        functional = torch.nn.functional
        run, shapes = {
            "matmul": (torch.matmul, [(2, 5, 6), (2, 6, 7)]),
            "linear": (functional.linear, [(5, 6), (7, 6)]),
            "conv2d": (functional.conv2d, [(2, 3, 8, 8), (4, 3, 3, 3)]),
            "einsum": (lambda a, b: torch.einsum("ij,kj->ik", a, b), [(5, 6), (7, 6)]),
            "attention": (
                lambda a, b: functional.scaled_dot_product_attention(a, b, b),
                [(1, 1, 5, 8), (1, 1, 5, 8)],
            ),
        }[name]
        tensors = [torch.rand(shape, requires_grad=True) for shape in shapes]

        def results():
            out = run(*tensors)
            return [out, *torch.autograd.grad(out.square().sum(), tensors)]

        exact = results()
        with tf32.TF32():
            rounded = results()
        for a, b in zip(exact, rounded, strict=True):
            error = ((a - b).abs().max() / a.abs().max()).item()
            assert 1e-6 < error < 4e-3

    def test_other_operations_other_types_and_the_cpu_beside_a_gpu_stay_exact(self):
        x = torch.rand(4, 4)
        y = x.double()
        expected = x @ x, y @ y, x * x
        with tf32.TF32():
            assert torch.equal(y @ y, expected[1])
            assert torch.equal(x * x, expected[2])
            assert not torch.equal(x @ x, expected[0])
            if not torch.cuda.is_available():
                with virtual_gpu.switched_on():
                    assert torch.equal(x @ x, expected[0])
                    there = x.cuda()
                    assert not torch.equal((there @ there).cpu(), expected[0])
            grey = torch.arange(256.0)[None]
            assert torch.equal(grey @ grey.T, torch.tensor([[float((grey**2).sum())]]))
