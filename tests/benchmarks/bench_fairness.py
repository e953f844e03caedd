"""Whether a grade depends on who else is graded: a class beside greedy notebooks, by workers.

Run ``python tests/benchmarks/bench_fairness.py [--right 16] [--hogs 5] [--workers 1 2 12]``. Right
notebooks whose answers need half a second to a second of the processor are graded alone by one
worker, then by several, then with notebooks among them that fork 55 busy processes each. Their
records must be the same bytes every time; the exit status is 1 where one differs.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

from cvlab.classroom.grading import session
from cvlab.classroom.grading.report import records
from cvlab.classroom.grading.session import Options

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
small = importlib.import_module("small_exercise")
BUSY = (
    "    import time\n    ends = time.process_time() + {seconds}\n"
    "    while time.process_time() < ends:\n        pass\n"
)
HOG = (
    "import os\nfor _ in range(55):\n    if os.fork() == 0:\n        while True: pass\n"
    "def halves(n, rng):\n    while True: pass"
)
SEED = 5


def hand_in(folder: Path, right: int, hogs: int) -> None:
    """Write the notebooks of a class; in the order of names hogs are among the others."""
    for number in range(right):
        busy = BUSY.format(seconds=0.5 + 0.5 * (number % 2))
        answer = small.RIGHT["softmax"].replace("    return", f"{busy}    return")
        content = small.data(small.student(softmax=answer))
        (folder / f"student{number:03d}.ipynb").write_bytes(content)
    for number in range(hogs):
        place = number * max(right, 1) // hogs
        content = small.data(small.student(halves=HOG))
        (folder / f"student{place:03d}hog{number}.ipynb").write_bytes(content)


def grade(right: int, hogs: int, workers: int) -> tuple[dict[str, bytes], float]:
    """Return the lines of the right notebooks' records, by student, and seconds on the wall."""
    with tempfile.TemporaryDirectory(prefix="cvlab-fair-") as place:
        folder = Path(place) / "class"
        folder.mkdir()
        hand_in(folder, right, hogs)
        solution = Path(place) / "small.ipynb"
        solution.write_bytes(small.solution())
        options = Options(folder, solution, Path(place) / "grades", seed=SEED, workers=workers)
        began = time.monotonic()
        session.run(options, lambda _line: None)
        seconds = time.monotonic() - began
        found = {}
        for line in (options.out / "grades.jsonl").read_bytes().splitlines(keepends=True):
            record = records.decode(line)
            if "hog" not in record.student:
                found[record.student] = line
        return found, seconds


def main() -> None:
    """Grade, print the table and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--right", type=int, default=16)
    parser.add_argument("--hogs", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 12])
    options = parser.parse_args()
    if min(options.right, *options.workers) < 1 or options.hogs < 0:
        parser.error("it takes at least one right notebook and one worker.")
    print("| workers | hogs | right notebooks | same records | seconds |")
    print("|---:|---:|---:|---:|---:|", flush=True)
    reference, worst = None, 0
    for workers in options.workers:
        for hogs in dict.fromkeys((0, options.hogs)):
            found, seconds = grade(options.right, hogs, workers)
            reference = reference or found
            same = sum(found.get(who) == line for who, line in reference.items())
            points = [records.decode(line).points for line in found.values()]
            full = sum(value == sum(small.POINTS.values()) for value in points)
            worst = max(worst, len(reference) - same, options.right - full)
            print(
                f"| {workers} | {hogs} | {full} of {options.right} | {same} of {len(reference)} "
                f"| {seconds:.1f} |",
                flush=True,
            )
    sys.exit(1 if worst else 0)


if __name__ == "__main__":
    main()
