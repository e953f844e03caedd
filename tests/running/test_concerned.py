"""Which tests `make check` takes, on a small repository and on this one."""

from __future__ import annotations

import pytest

from cvlab.classroom.notebooks import ROOT
from cvlab.classroom.running import concerned

FILES = {
    "cvlab/__init__.py": "",
    "cvlab/nets/__init__.py": "from cvlab import plot",
    "cvlab/plot.py": "",
    "cvlab/words.py": "def say():\n    from cvlab.tables import reader",
    "cvlab/tables/__init__.py": "",
    "cvlab/tables/reader.py": "",
    "cvlab/tables/rows.csv": "a,b",
    "tests/conftest.py": "import pytest",
    "tests/helper.py": "from cvlab import words",
    "tests/test_house.py": "",
    "tests/book/test_hygiene.py": "",
    "tests/book/test_nets.py": "from cvlab import nets",
    "tests/book/test_words.py": "import helper",
    "tests/book/test_more.py": "from test_words import helper",
}
RULES = {"test_house", "test_hygiene"}


@pytest.fixture
def repository(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "more"),
    [
        ([], set()),
        (["README.md", "chapters/01_knn.ipynb"], set()),
        (["cvlab/nets/__init__.py"], {"__init__", "test_nets"}),
        (["cvlab/plot.py"], {"plot", "test_nets"}),
        (["cvlab/tables/reader.py"], {"reader", "test_words", "test_more"}),
        (["cvlab/tables/rows.csv"], {"test_words", "test_more"}),
        (["cvlab/gone.py", "tests/test_gone.py"], set()),
        (["tests/helper.py"], {"test_words", "test_more"}),
        (["tests/book/test_words.py"], {"test_words", "test_more"}),
        (["tests/conftest.py"], {"test_nets", "test_words", "test_more"}),
        (["cvlab/__init__.py"], {"__init__", "test_nets", "test_words", "test_more"}),
    ],
)
def test_what_imports_it_is_concerned(repository, changed, more):
    found = concerned.files([repository / name for name in changed], repository)
    assert {path.stem for path in found} == RULES | more
    assert found == sorted(set(found))


def test_of_this_repository():
    found = {path.name for path in concerned.files([ROOT / "cvlab" / "metrics" / "depth.py"])}
    assert {"test_metrics_depth.py", "depth.py"} <= found
    assert "test_judge.py" not in found
    everything = {path.name for path in concerned.files([ROOT / "cvlab" / "__init__.py"])}
    assert len(everything) > 3 * len(found)
