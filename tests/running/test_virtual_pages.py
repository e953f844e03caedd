"""Pages on the virtual GPU: as they are they run, and with one misplaced tensor they do not.

That whole pages run is a job of the weekly workflow; here is the beginning of a cheap one. Mistakes
are planted in it in turn, and once a week in all pages that train on a GPU.
"""

from __future__ import annotations

import json

import pytest
import torch
from conftest import ROOT, WEEKLY

from cvlab.classroom import notebooks
from cvlab.classroom.running import execute, turns

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(torch.cuda.is_available(), reason="here the GPU is a real one"),
]

TWO = "Expected all tensors to be on the same device"
NUMPY = "can't convert cuda:0 device type tensor to numpy"
#: Page, cell, what stands there, what is written instead, the cell that fails, what it says.
CHEAP = [
    ("11_training", "many-check", ".to(\n        device\n    )", "", "many-check", TWO),
    (
        "11_training",
        "standardised",
        ").to(device)\n\n\nTRAIN",
        ")\n\n\nTRAIN",
        "many-check",
        "indices should be either on cpu or on the same device",
    ),
    (
        "11_training",
        "train-many",
        "torch.stack(column).cpu()",
        "torch.stack(column)",
        "many-check",
        NUMPY,
    ),
]
WEEKLY_ONLY = [
    ("08_backprop", "width-code", "torch.as_tensor(t).to(device)", "torch.as_tensor(t)",
     "width-run", TWO),
    ("08_backprop", "practice", ".cpu().numpy()", ".numpy()", "practice", NUMPY),
    ("09_convolution", "digits", "images.to(device)", "images", "bn-training", TWO),
    ("10_architectures", "worst-mistakes", ".eval().cpu()", ".eval()", "worst-mistakes", TWO),
    ("12_regularisation", "early-stopping-figure", "unstopped(images.to(DEVICE))",
     "unstopped(images)", "early-stopping-figure", TWO),
    ("13_understanding", "folded-network", "folded(trained.eval()).cpu()",
     "folded(trained.eval())", "folded-network", TWO),
]  # fmt: skip


@pytest.fixture
def beginning(tmp_path, monkeypatch):
    """Return a function that runs a page up to a cell, with one text replaced by another."""
    monkeypatch.setattr(execute, "STORE", tmp_path / "store")
    monkeypatch.setenv("CVLAB_DEVICE", "virtual")
    monkeypatch.setenv("CVLAB_BUDGET_SCALE", "20")
    monkeypatch.delenv("CVLAB_KERNEL", raising=False)

    def run(name, last, cell="", old="", new=""):
        notebook = notebooks.load(ROOT / "chapters" / f"{name}.ipynb")
        places = [one.get("id") for one in notebook["cells"]]
        notebook["cells"] = notebook["cells"][: places.index(last) + 1]
        if cell:
            planted = notebook["cells"][places.index(cell)]
            assert planted["source"].count(old) == 1, "the page has changed; plant it elsewhere"
            planted["source"] = planted["source"].replace(old, new)
        path = tmp_path / "chapters" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")
        execute.execute(path, threads=1)

    return run


def test_the_beginning_of_a_page_runs(beginning):
    beginning("11_training", "layerwise-sgd")


def in_turn():
    turn = turns.part()
    return CHEAP if turn == "all" else [CHEAP[int(turn) % len(CHEAP)]]


@pytest.mark.parametrize(
    ("name", "cell", "old", "new", "fails", "said"),
    in_turn() + (WEEKLY_ONLY if WEEKLY else []),
    ids=lambda value: value if str(value).islower() and "\n" not in value else "",
)
def test_a_tensor_in_the_wrong_place_is_refused(beginning, name, cell, old, new, fails, said):
    with pytest.raises(execute.ExecutionError) as raised:
        beginning(name, fails, cell, old, new)
    assert f"cell '{fails}'" in str(raised.value)
    assert said in str(raised.value)
