"""Repeat the tests that wait, interrupt, stop or kill, with all cores busy: a rare failure shows.

    python tests/repeat.py                   # fifty times
    python tests/repeat.py --times 5 --idle -- -k box_maker

Each round is a run of pytest of its own. Printed are the rounds that failed, with pytest's words on
them; a round of a hundred tests takes three to seven minutes beside other work.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cvlab.classroom import cli
from cvlab.classroom.running import execute

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("tests/running", "tests/grading", "tests/checking")
#: What stands in such a test, or how it is called where a helper does it.
DOES = re.compile(
    r"terminate\(|send_signal|\.kill\(|os\.kill|killpg|SIGKILL|SIGTERM|Thread\(|\bsleep\(|"
    r"KeyboardInterrupt"
)
CALLED = re.compile(
    "interrupt|stopped|dies|kill|cancelled|given_up|hangs|ctrl_c|waits|left_behind|taken|vain|"
    "dead_kernel"
)
#: These take minutes together, and what they do has its own tests.
LEFT_OUT = {"test_jupyterlab_takes_it_by_name", "test_an_unprivileged_user_gives_the_same_grades"}


def chosen(root: Path = ROOT) -> Iterator[str]:
    """Iterate over the names, for pytest, of the tests that depend on when something happens."""
    for path in sorted(each for folder in FOLDERS for each in (root / folder).glob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        for place in (tree, *classes):
            for test in place.body:
                name = getattr(test, "name", "")
                if not name.startswith("test_") or name in LEFT_OUT:
                    continue
                within = f"::{place.name}" if isinstance(place, ast.ClassDef) else ""
                text = ast.get_source_segment(source, test) or ""
                called = re.sub("(?=[A-Z])", "_", within) + name  # ::_Test_Dead_Kernel
                if CALLED.search(called.lower()) or DOES.search(text):
                    yield f"{path.relative_to(root)}{within}::{name}"


def main() -> int:
    """Run the rounds; return how many failed, at most 100."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--idle", action="store_true", help="leave the other cores alone")
    parser.add_argument("rest", nargs="*", help="for pytest; -k chooses among them")
    options = parser.parse_args()
    words = ["-q", "-p", "no:cacheprovider", "-m", "not browser", *options.rest, *chosen()]
    failed: Counter[str] = Counter()
    rounds = 0
    load = contextlib.nullcontext() if options.idle else cli.busy(execute.cores())
    with load:
        for number in range(1, options.times + 1):
            command = [sys.executable, "-m", "pytest", *words]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            last = (done.stdout.splitlines() or [done.stderr])[-1]
            print(f"{number}: {last}", flush=True)
            if done.returncode:
                rounds += 1
                print(done.stdout + done.stderr, flush=True)
                lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
                failed.update(line.split()[1] for line in lines)
    print(f"{options.times} rounds, {rounds} with a failure.")
    for name, count in failed.most_common():
        print(f"{count:4} {name}")
    return min(rounds, 100)


if __name__ == "__main__":
    sys.exit(main())
