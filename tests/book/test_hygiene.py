"""The course's files as they are keep every rule; test_guards plants faults in copies."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from cvlab.classroom.book import address, hygiene, systems

pytestmark = pytest.mark.usefixtures("trees")


@pytest.mark.parametrize(
    "rule", hygiene.RULES, ids=lambda rule: f"{rule.__module__}.{rule.__name__}"
)
def test_rule(rule):
    faults = rule(ROOT)
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


def public_functions(path):
    """The functions and methods of a module that a notebook may call."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if getattr(node, "name", "_").startswith("_"):
            continue
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for function in inner:
            if isinstance(function, ast.FunctionDef) and not function.name.startswith("_"):
                yield function


def test_every_public_function_is_documented_and_small():
    faults = []
    modules = [path for path in (ROOT / "cvlab").rglob("*.py") if "classroom" not in path.parts]
    for path in sorted(modules):
        for function in public_functions(path):
            where = f"{path.relative_to(ROOT)}: {function.name}"
            if not ast.get_docstring(function):
                faults.append(f"{where} has no docstring")
                continue
            body = function.body[1:] or function.body
            lines = body[-1].end_lineno - body[0].lineno + 1
            if lines > 40:
                faults.append(f"{where} has {lines} lines of code")
            arguments = [*function.args.args, *function.args.kwonlyargs]
            faults += [
                f"{where}: {argument.arg} has no type hint"
                for argument in arguments
                if argument.annotation is None and argument.arg not in ("self", "cls")
            ]
    assert len(modules) > 8
    assert faults == []


def test_workflows_follow_githubs_schema():
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert [path.stem for path in files] == ["book", "colab", "peers", "validate"]
    schema = ["--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_check_itself_can_fail(tmp_path):
    broken = tmp_path / "broken.yml"
    broken.write_text("on: push\njobs: {test: {runs-on: ubuntu-latest, steps: nothing}}\n")
    schema = ["--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, broken],
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0


def test_pre_commit_configuration_names_commands_that_exist():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for hook in hooks:
        program, target = hook["entry"].split()
        assert program == "make"
        assert target in targets


def test_environment_yml_installs_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    # pip in its hash-checking mode, which the lock turns on, refuses anything else beside it.
    assert pip == ["-r requirements.lock"]


def test_lock_is_complete_hashed_and_without_an_index():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    names = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", lock, re.M)
    assert "://" not in lock
    assert "--index" not in lock
    blocks = re.split(r"(?m)^(?=[a-z0-9][a-z0-9._-]*==)", lock)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(name for extra in extras for name in extra)]
    assert {re.split(r"[<>=]", name)[0] for name in wanted} <= set(names)


def test_readme_and_pages_name_only_make_targets_that_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "book").glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        used = set(re.findall(r"(?:`|^\s*|\$ )make ([a-z]+)", text, re.M))
        assert used <= targets, f"{path.name} names {used - targets}"


def test_the_index_of_systems_has_every_method():
    rows = systems.read()
    assert len(rows) >= 275, "a method of the course is missing from book/systems.csv"
    assert f"the {len(rows)} methods" in (ROOT / "README.md").read_text(encoding="utf-8").replace(
        "\n", " "
    ), "README.md states another number of methods than book/systems.csv has"
    assert {row.chapter for row in rows} >= {"01_knn", "33_self_supervised_stereo"}
    page = systems.page()
    for row in rows:
        assert f'<span id="{row.id}">' in page
    assert "&lt;END&gt;" in page, "an end token is read as a tag and vanishes"


def test_address_is_written_once_where_it_is_defined():
    assert (ROOT / "_config.yml").read_text(encoding="utf-8").count(address.current()) == 1


def test_npm_lock_agrees_with_its_package():
    package = json.loads((ROOT / "book" / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((ROOT / "book" / "package-lock.json").read_text(encoding="utf-8"))
    for kind in ("dependencies", "devDependencies"):
        assert lock["packages"][""][kind] == package[kind]
        for name, wanted in package[kind].items():
            assert lock["packages"][f"node_modules/{name}"]["version"] == wanted


@pytest.mark.parametrize(
    "name", ["cvlab", "cvlab.plot", "cvlab.widgets", "cvlab.check", "cvlab.data"]
)
def test_imports_load_no_heavy_library(name):
    code = f"import sys, {name}; print(' '.join(sorted(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.home()
    ).stdout.split()
    heavy = {"torch", "torchvision", "cv2", "sklearn", "skimage", "scipy", "IPython", "ipywidgets"}
    assert not heavy & set(loaded)
