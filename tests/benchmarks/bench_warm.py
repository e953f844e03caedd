"""Kernels: warm ones against the stock one, singly and for the whole course.

Run ``python tests/benchmarks/bench_warm.py [--repeats 9] [--kernels 100] [--course]``. Both kinds
are started by the same lines of jupyter_client, in turns, so that a busy machine slows both. A
start lasts until the reply to a cell that uses torch and torchvision. Targets: 20 times shorter
than stock (the median of the ratios of neighbouring starts), under 100 MB of private memory, and
nothing left of 100 kernels one after another: no process, no socket, no file. ``--course`` adds the
time of all notebooks from nothing, with each kind of kernel and with one and two workers.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from jupyter_client.manager import KernelManager
from traitlets.config import Config

ROOT = Path(__file__).resolve().parents[2]
FASTER, PRIVATE = 20, 100e6
CELL = """
import torch, torchvision
boxes = torch.tensor([[0, 0, 2, 2], [0, 0, 2, 2.1]])
assert torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0]
"""


class Start:
    """A kernel that was started and has run one cell, with the seconds that this took."""

    def __init__(self, name: str, folder: Path) -> None:
        place = {"transport": "ipc", "ip": str(folder / f"k{time.monotonic_ns()}")}
        began = time.perf_counter()
        self.manager = KernelManager(kernel_name=name, config=Config({"KernelManager": place}))
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        cell = self.client.execute(CELL)
        reply = self.client.get_shell_msg(timeout=120)
        while reply["parent_header"].get("msg_id") != cell:
            reply = self.client.get_shell_msg(timeout=120)
        self.seconds = time.perf_counter() - began
        assert reply["content"]["status"] == "ok", reply["content"]
        self.process = psutil.Process(self.manager.provisioner.pid)
        self.private = self.process.memory_full_info().uss

    def stop(self) -> float:
        """Shut the kernel down; return the seconds that this took."""
        self.client.stop_channels()
        began = time.perf_counter()
        self.manager.shutdown_kernel()
        return time.perf_counter() - began


def compare(repeats: int, folder: Path) -> bool:
    """Print the table of single kernels; return whether the targets are met."""
    found: dict[str, list[tuple[float, float, float]]] = {"python3": [], "cvlab": []}
    for repeat in range(repeats):
        for name in sorted(found, reverse=bool(repeat % 2)):
            kernel = Start(name, folder)
            found[name].append((kernel.seconds, kernel.private, kernel.stop()))
    print(f"{'kernel':10}{'first cell':>12}{'(from, to)':>18}{'private':>12}{'shutdown':>12}")
    for name, rows in found.items():
        seconds, private, stop = (list(column) for column in zip(*rows, strict=True))
        spread = f"({min(seconds):.2f}, {max(seconds):.2f})"
        print(
            f"{name:10}{statistics.median(seconds):10.3f} s{spread:>18}"
            f"{max(private) / 1e6:9.0f} MB{statistics.median(stop):10.2f} s"
        )
    pairs = zip(found["python3"], found["cvlab"], strict=True)
    ratio = statistics.median(stock[0] / warm[0] for stock, warm in pairs)
    largest = max(row[1] for row in found["cvlab"])
    print(f"start: {ratio:.1f} times shorter (target {FASTER}); private memory at most ", end="")
    print(f"{largest / 1e6:.0f} MB (target under {PRIVATE / 1e6:.0f})")
    return ratio >= FASTER and largest < PRIVATE


def one_after_another(count: int, folder: Path, runtime: Path) -> bool:
    """Start and stop kernels; return whether nothing is left of them and of their parent."""
    began = time.perf_counter()
    pids = set()
    for _ in range(count):
        kernel = Start("cvlab", folder)
        parent = kernel.process.parent()
        pids.add(kernel.process.pid)
        kernel.stop()
    seconds = time.perf_counter() - began
    left = [pid for pid in pids if psutil.pid_exists(pid)]
    psutil.wait_procs([parent], timeout=30)
    files = [str(path) for path in [*folder.iterdir(), *runtime.iterdir()]]
    print(f"{count} kernels one after another: {seconds / count:.2f} s each; left: ", end="")
    print(f"{len(left)} kernels, {int(parent.is_running())} parents, {len(files)} files {files}")
    return not left and not parent.is_running() and not files


COURSE = """
import json, sys, time
from pathlib import Path
from cvlab.classroom import notebooks
from cvlab.classroom.running import execute
from cvlab.classroom.notebooks import ROOT
paths = [ROOT / "book" / "index.ipynb", *notebooks.files(ROOT, ("chapters", "solutions"))]
began = time.monotonic()
failures = execute.execute_all(paths, workers=int(sys.argv[1]), report=lambda line: None)
assert not failures, failures
print(json.dumps([time.monotonic() - began, len(paths)]))
"""


def course(runtime: Path) -> None:
    """Print the time of the whole course, from nothing, for each kind of kernel."""
    print(f"\n{'whole course':16}{'one worker':>14}{'two workers':>14}")
    for name in ("python3", "cvlab"):
        seconds = []
        for workers in ("1", "2"):
            with tempfile.TemporaryDirectory() as store:
                environment = os.environ | {"CVLAB_KERNEL": name, "CVLAB_STORE": store}
                command = [sys.executable, "-c", COURSE, workers]
                done = subprocess.run(
                    command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
                )
                if done.returncode:
                    raise SystemExit(done.stderr)
                took, count = json.loads(done.stdout.splitlines()[-1])
                seconds.append(took)
        print(f"{name:16}{seconds[0]:12.1f} s{seconds[1]:12.1f} s   ({count} notebooks)")


def main() -> None:
    """Measure, print, and exit with status 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--kernels", type=int, default=100)
    parser.add_argument("--course", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cvlab-", dir="/tmp") as place:
        runtime, folder = Path(place, "r"), Path(place, "k")
        runtime.mkdir(mode=0o700)
        folder.mkdir()
        os.environ |= {"XDG_RUNTIME_DIR": str(runtime), "CVLAB_WARM_LINGER": "1"}
        os.environ["JUPYTER_RUNTIME_DIR"] = str(folder)  # connection files count as left behind
        began = time.perf_counter()
        Start("cvlab", folder).stop()
        print(f"first warm kernel, its parent included: {time.perf_counter() - began:.1f} s")
        keeper = Start("cvlab", folder)  # stock kernels take longer than the parent lingers
        met = compare(options.repeats, folder)
        keeper.stop()
        met &= one_after_another(options.kernels, folder, runtime)
        if options.course:
            course(runtime)
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
