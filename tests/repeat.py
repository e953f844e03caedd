"""Repeat the tests that wait, interrupt, stop or kill, with all cores busy: a rare failure shows.

    python tests/repeat.py                   # fifty times
    python tests/repeat.py --times 5 --idle -- -k box_maker

Each round is a run of pytest of its own. Printed are the rounds that failed, with pytest's words on
them; a round costs about two minutes of one core.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

from cvlab.classroom import cli
from cvlab.classroom.running import execute

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ["tests/running", "tests/grading", "tests/checking"]
CHOSEN = (
    "(interrupt or stopped or dies or kill or cancelled or given_up or hangs or ctrl_c or waits or "
    "left_behind or taken or vain or dead_kernel) and not wrong_answer"
)


def main() -> int:
    """Run the rounds; return how many failed, at most 100."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--idle", action="store_true", help="leave the other cores alone")
    parser.add_argument("rest", nargs="*", help="for pytest; -k chooses other tests")
    options = parser.parse_args()
    chosen = ["-q", "-p", "no:cacheprovider", "-m", "not browser", "-k", CHOSEN, *options.rest]
    failed: Counter[str] = Counter()
    rounds = 0
    load = contextlib.nullcontext() if options.idle else cli.busy(execute.cores())
    with load:
        for number in range(1, options.times + 1):
            command = [sys.executable, "-m", "pytest", *chosen, *FOLDERS]
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
