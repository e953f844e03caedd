"""Run the weekly workflow's own steps in an environment made to Colab's list of packages.

    make colab                       # all notebooks; the first time downloads 3 GB
    make colab NAME=10_architectures # only these
    UV_PYTHON=/path/to/python3.13 make colab  # where uv does not find one
    python tests/colab.py --list     # only print the steps

The environment lies in the cache folder (`--environment`) and is made anew when the list,
`tests/colab_packages.txt`, changes. The steps are read from `.github/workflows/colab.yml`: what is
tried here is what runs there. Only the installation from the public repository is left out, which
would try what is published instead of what lies here.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ROOT / "tests" / "colab_packages.txt"
WORKFLOW = ROOT / ".github" / "workflows" / "colab.yml"
PYTHON = os.environ.get("UV_PYTHON", "3.13")  # uv's own variable: a version or a path


def steps(names: list[str]) -> list[str]:
    """Return the workflow's shell steps, with the last one narrowed to the notebooks asked for."""
    job = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["notebooks"]
    found = [step["run"] for step in job["steps"] if "run" in step]
    here = [step for step in found if "git+" not in step]
    if len(here) != len(found) - 1 or not here[-1].endswith(" chapters solutions"):
        raise SystemExit(f"colab: {WORKFLOW.name} is not as expected; mend tests/colab.py with it.")
    if names:
        files = [
            f"{folder}/{name}.ipynb"
            for name in names
            for folder in ("chapters", "solutions")
            if (ROOT / folder / f"{name}.ipynb").exists()
        ]
        if not files:
            raise SystemExit(f"colab: there is no notebook {', '.join(names)}.")
        here[-1] = here[-1].removesuffix("chapters solutions") + " ".join(files)
    return here


def environment(place: Path) -> Path:
    """Make the environment unless it is there; return its folder of programs."""
    programs, stamp = place / "bin", place / "made-from"
    wanted = hashlib.sha256(PACKAGES.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        print(f"Making an environment like Colab's in {place} ...", flush=True)
        # Colab's notebooks install with pip, so pip has to be there.
        made = [uv, "venv", "--quiet", "--clear", "--seed", "--python", PYTHON, str(place)]
        subprocess.run(made, check=True)
        pip = [uv, "pip", "install", "--quiet", "--python", str(programs / "python")]
        subprocess.run([*pip, "-r", str(PACKAGES)], check=True)
        stamp.write_text(wanted)
    return programs


def main() -> int:
    """Run the steps; return the exit status of the first that fails, or 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="notebooks, such as 01_knn (all)")
    parser.add_argument("--list", action="store_true", help="only print the steps")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--environment", type=Path, default=cache / "cvlab" / "colab")
    options = parser.parse_args()
    todo = steps(options.names)
    if options.list:
        print("\n".join(todo))
        return 0
    try:
        programs = environment(options.environment)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"colab: the environment was not made ({error}); it needs uv, Python {PYTHON}, a "
              "network and 8 GB of disk.", file=sys.stderr)  # fmt: skip
        return 1
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"PATH": path, "RUNNER_TEMP": folder}
        for step in todo:
            print(f"$ {step.strip()}", flush=True)
            command = ["bash", "-e", "-o", "pipefail", "-c", step]
            done = subprocess.run(command, cwd=ROOT, check=False, env=environ)
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
