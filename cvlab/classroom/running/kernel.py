"""Run one notebook in a kernel of its own, watched from outside and ended without remains.

While the cells run, the kernel's processes are sampled several times a second: a kernel that has
died is noticed at once, and one that exceeds its budget is killed with everything it started,
whether or not it listens to interrupts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from cvlab.classroom.running import arithmetic, meter
from cvlab.classroom.running.budget import Budget, Usage
from cvlab.classroom.running.yardstick import Pace

WARM = "cvlab"
STOCK = "python3"
SAMPLE_SECONDS = 0.2
START_SECONDS = 180  # a cold disk takes its time to import torch
SETTLE_SECONDS = 60  # for the last outputs of a cell, which may be large, on a busy machine


class KernelFailure(RuntimeError):
    """A run that failed; the message says where in the notebook and why."""


def choose() -> tuple[str, str | None]:
    """Return the name of the kernel to use, and a line to say if it is not the usual one.

    ``CVLAB_KERNEL`` names it; without it, it is the warm kernel, or the stock one where no warm
    one is installed.

    Raises:
        ValueError: if the kernel that the environment names is not installed, or its arithmetic is
            none that there is.
    """
    arithmetic.chosen()
    given = os.environ.get("CVLAB_KERNEL")
    installed = KernelSpecManager().find_kernel_specs()
    if (given or WARM) in installed:
        return given or WARM, None
    if given:
        known = ", ".join(sorted(installed))
        raise ValueError(f"CVLAB_KERNEL names the kernel {given!r}; installed are {known}.")
    return STOCK, f"The kernel {WARM!r} is not installed; notebooks run in {STOCK!r}."


class Run:
    """One execution of a notebook.

    Args:
        notebook: gets its outputs in place.
        folder: the working directory.
        kernel: name of the kernelspec.
        budget: what the run may use.
        environment: the kernel's environment variables.
        data: folders; files that are read inside them are noted.
        at_cell: called with the position of each code cell, from 1, when it starts.
        pace: follows how slow the machine is; without it the budget holds as it is.
    """

    def __init__(
        self,
        notebook: Any,
        folder: Path,
        *,
        kernel: str,
        budget: Budget,
        environment: dict[str, str],
        data: list[Path],
        at_cell: Callable[[int], None] = lambda position: None,
        pace: Pace | None = None,
    ) -> None:
        self.notebook, self.folder, self.name, self.budget = notebook, folder, kernel, budget
        self.environment, self.data, self.at_cell = environment, data, at_cell
        self.usage, self.pace = Usage(), pace
        self.cells: dict[str, float] = {}
        self.place = "before its first cell"
        self._clock: float | None = None  # when the first cell could run
        self._started = False  # whether there is a process to watch
        self._start: asyncio.Future[None] | None = None
        self._seen: set[psutil.Process] = set()

    async def run(self) -> dict[str, Any]:
        """Execute the notebook.

        Returns:
            Measured values: widgets, seconds, cpu_seconds, peak_bytes, kernel, cells (seconds of
            each), slowness (of the machine meanwhile), and the lines on opened files as
            ``opened``.

        Raises:
            KernelFailure: if a cell fails, the kernel dies, or the run exceeds its budget.
        """
        with tempfile.TemporaryDirectory(prefix="cvlab-", ignore_cleanup_errors=True) as private:
            self.private = Path(private)
            self.manager = AsyncKernelManager(
                kernel_name=self.name,
                connection_file=str(self.private / "connection.json"),
                config=_local_sockets(self.private),
            )
            self.client = NotebookClient(
                self.notebook,
                km=self.manager,
                timeout=None,
                iopub_timeout=SETTLE_SECONDS,
                record_timing=False,
            )
            work = asyncio.ensure_future(self._work())
            watch = asyncio.ensure_future(self._watch())
            polite = False
            try:
                await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
                if watch.done():  # it ends only with a reason
                    raise KernelFailure(f"{self.place}: {watch.result()}")
                found = await self._outcome(work)
                polite = True
                return found
            except CellExecutionError as error:
                polite = True
                raise KernelFailure(f"{self.place}{_explain(error)}") from None
            finally:
                await self._end(work, watch, polite=polite)

    async def _outcome(self, work: asyncio.Future[dict[str, Any]]) -> dict[str, Any]:
        try:
            return work.result()
        except (DeadKernelError, RuntimeError) as error:
            status = await self.manager.provisioner.poll() if self.manager.provisioner else None
            if isinstance(error, KernelFailure) or status is None:
                raise
            raise KernelFailure(f"{self.place}: {self._death(status)}") from None

    async def _work(self) -> dict[str, Any]:
        """Start the kernel, execute the cells, and ask the probe for what it measured."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._connect()
        except TimeoutError:
            raise KernelFailure(
                f"{self.place}: the kernel did not answer within {START_SECONDS} s."
            ) from None
        await self._measure("install", [str(folder) for folder in self.data], str(self.private))
        self._clock = time.monotonic()  # how long a kernel takes to start is the machine's matter
        position = 0
        for index, cell in enumerate(self.notebook["cells"]):
            if cell["cell_type"] != "code":
                continue
            position += 1
            identifier = cell.get("id", f"number {position}")
            self.place = f"cell {identifier!r}"
            self.at_cell(position)
            started = time.monotonic()
            count = self.client.code_cells_executed + 1  # empty and skipped cells have none
            await self.client.async_execute_cell(cell, index, execution_count=count)
            self.cells[identifier] = round(time.monotonic() - started, 2)
            self._check(self._read("usage"))
        self.client.set_widgets_metadata()
        self.place = "after its last cell"
        await self._measure("finish", str(self.private))
        report = self._read("report")
        self._sample()
        self._check(report)
        opened = self.private / "opened"
        return {
            "widgets": report["widgets"],
            "seconds": _down(self.usage.seconds),
            "cpu_seconds": _down(self.usage.cpu_seconds),
            "peak_bytes": self.usage.peak_bytes,
            "kernel": self._really_used(),
            "cells": self.cells,
            "slowness": self.pace.slowness if self.pace else 1.0,
            "opened": opened.read_text(encoding="utf-8") if opened.exists() else "",
        }

    async def _connect(self) -> None:
        # What the kernel itself prints would spoil the display; its last words are of interest.
        with open(self.private / "log", "wb") as log:
            start = self.manager.start_kernel(
                cwd=str(self.folder),
                env=self.environment,
                extra_arguments=["--HistoryManager.hist_file=:memory:"],
                stdout=log,
                stderr=log,
            )
            # Shielded: a start that is given up half-way would leave a kernel without owner.
            self._start = asyncio.ensure_future(start)
            await asyncio.shield(self._start)
        self._started = True
        self.client.kc = self.manager.client()
        # The heartbeat would cost a thread; the process itself is watched.
        self.client.kc.start_channels(stdin=False, hb=False)
        await self.client.kc.wait_for_ready(timeout=START_SECONDS)

    async def _measure(self, function: str, *arguments: Any) -> None:
        """Run a function of the probe in the kernel, unseen by the notebook."""
        call = f"{function}({', '.join(map(repr, arguments))})"
        text = Path(meter.__file__).read_text(encoding="utf-8") + f"\n{call}\n"
        code = f"exec(compile({text!r}, '<cvlab probe>', 'exec'), {{'__name__': '<cvlab probe>'}})"
        request = self.client.kc.execute(code, silent=True, store_history=False)
        reply = (await self.client.async_wait_for_reply(request))["content"]
        if reply["status"] != "ok":
            ename, evalue = reply.get("ename", "aborted"), reply.get("evalue", "")
            raise KernelFailure(f"{self.place}: {ename}: {evalue}")

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return json.loads((self.private / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}  # no cell has run yet

    def _check(self, measured: dict[str, Any]) -> None:
        """Enter what the kernel measured of itself, and refuse what exceeds the budget."""
        self.usage.take(measured.get("cpu_seconds", 0.0), measured.get("peak_bytes", 0))
        reason = self._overrun()
        if reason:
            raise KernelFailure(f"{self.place}: {reason}")

    def _overrun(self) -> str | None:
        """Say what exceeds the budget on this machine, or return None."""
        reason = self.budget.overrun(self.usage)
        if reason and self.pace:
            if not self.pace.taken:
                self.pace.measure()
            reason = self.budget.on_machine(self.pace.slowness).overrun(self.usage)
        return reason

    def _really_used(self) -> str:
        """Return the kernel's name; the warm one may have fallen back to the stock one."""
        stock = isinstance(self.manager.provisioner.process, subprocess.Popen)
        return STOCK if self.name == WARM and stock else self.name

    async def _watch(self) -> str:
        """Sample until there is a reason to stop, and return it."""
        while True:
            began = time.perf_counter()
            if self._started:
                status = await self.manager.provisioner.poll()
                if status is not None:
                    return self._death(status)
                self._sample()
                if self.pace and self._clock is not None:
                    self.pace.follow()
                reason = self._overrun()
                if reason:
                    return reason
            # Where thousands of processes make sampling slow, it still takes little of a core.
            cost = time.perf_counter() - began
            await asyncio.sleep(max(SAMPLE_SECONDS, 20 * cost))

    def _death(self, status: int) -> str:
        """Say how the kernel ended, and what it said if it was not yet ready."""
        log = self.private / "log"
        said = [] if self.cells else log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = [line.strip() for line in said if line.strip()][-1:]
        return _exit(status) + "".join(f" It said: {line}" for line in last)

    def _sample(self) -> None:
        """Measure the kernel and all processes below it."""
        if self._clock is not None:
            self.usage.seconds = time.monotonic() - self._clock
        cpu, memory = 0.0, 0
        tree = self._tree()
        for process in tree:
            with contextlib.suppress(psutil.Error):  # it has ended meanwhile
                cpu += sum(process.cpu_times()[:4])  # user and system, also of ended children
                memory += process.memory_info().rss
        if len(tree) > 1 and memory > self.budget.memory_gb * 1e9:
            # Forked workers share pages, which the sum counts once for each of them.
            memory = sum(map(_share, tree))
        self.usage.take(cpu, memory)

    def _tree(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self.manager.provisioner.pid)
            tree = [root, *root.children(recursive=True)]
        except psutil.Error:
            return []
        self._seen.update(tree)
        return tree

    async def _end(self, *tasks: asyncio.Future[Any], polite: bool) -> None:
        """End the kernel, politely or at once, and everything that it has started."""
        if self._start is not None:
            await asyncio.wait({self._start})
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.client.kc is not None:
            self.client.kc.stop_channels()
        if self.manager.has_kernel:
            pid = self.manager.provisioner.pid
            self._tree()
            if not polite:
                _kill(pid, self._seen)
            if await self.manager.is_alive():
                await self.manager.shutdown_kernel(now=not polite)
            _kill(pid, self._seen)
        await self.manager.cleanup_resources()


def _explain(error: CellExecutionError) -> str:
    """Say in which line of its cell an error arose, and which error it was.

    An `assert` without a message says nothing of itself, so its line stands for it.
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback)
    # Of all frames, the first is the cell's.
    found = re.search(r"^-+> *(\d+) (.*)$", plain, re.M)
    line = f", line {found[1]}" if found else ""
    what = error.evalue or (found[2].strip() if found else "")
    return f"{line}: {error.ename}: {what}"


def _local_sockets(private: Path) -> Any:
    """Return the setting by which a kernel listens in a private folder of the file system.

    The default, TCP without encryption, can be read by every user of a shared machine.
    """
    from traitlets.config import Config

    if os.name == "nt":
        return Config()
    return Config({"KernelManager": {"transport": "ipc", "ip": str(private / "kernel")}})


def _down(seconds: float) -> float:
    """Round down to hundredths: up might exceed the budget that the run has kept.

    >>> _down(1.969)
    1.96
    """
    return int(seconds * 100) / 100


def _exit(status: int) -> str:
    """Say how a kernel ended.

    >>> _exit(3), _exit(-9)
    ('the kernel ended with exit status 3.', 'the kernel died, killed by SIGKILL.')
    """
    if status >= 0:
        return f"the kernel ended with exit status {status}."
    try:
        return f"the kernel died, killed by {signal.Signals(-status).name}."
    except ValueError:
        return f"the kernel died, killed by signal {-status}."


def _share(process: psutil.Process) -> int:
    """Return the memory of a process, what it shares with others counted in parts."""
    try:
        found = process.memory_full_info()
    except psutil.Error:
        return 0
    return getattr(found, "pss", found.uss)


def _kill(kernel: int, seen: set[psutil.Process]) -> None:
    """Kill a kernel's process group and session, and the processes seen below it."""
    for process in seen:
        # psutil compares starting times, so a process that took over a number is safe.
        with contextlib.suppress(psutil.Error):
            process.kill()
    if os.name == "nt":
        return
    for pid in psutil.pids():
        # Orphans of the kernel are in its session still. This process never is.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid != os.getpid() and kernel in (os.getsid(pid), os.getpgid(pid)):
                os.kill(pid, signal.SIGKILL)
