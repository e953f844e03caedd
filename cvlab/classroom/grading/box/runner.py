"""What a box does: execute the cells that it is sent, call probes, answer with plain data.

This runs in the same process as the student's code, which may patch, forge or break all of it.
Nothing here is trusted, therefore, and nothing here is secret: a box that lies about itself gains
nothing, because only the values that a probe returns count, and what they should be is not here.
"""

from __future__ import annotations

import asyncio
import base64
import builtins
import contextlib
import getpass
import io
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from cvlab.classroom.grading.box import colab

REQUEST = 20_000_000
SECONDS = 3600.0  # whoever asks keeps the time; this one only must not wait for ever
WORDS = 2000  # of an error's message
_getpid, _exit = os.getpid, os._exit


class SetupError(RuntimeError):
    """A cell that comes before the first task does not run; the message says why."""


class Runner:
    """An IPython shell, as a notebook has one, and the names that probes find in it.

    Made before there is any code of a student: what answers the judge is bound here.

    Args:
        setup: sources of the cells that come before the first task; probes see their names.

    Raises:
        SetupError: if one of them does not run.
    """

    def __init__(self, setup: Sequence[str] = ()) -> None:
        self.shell = _shell()
        colab.install()
        self.given: dict[str, Any] = dict(self.shell.user_ns)
        self.set_up(setup)

    def set_up(self, cells: Sequence[str]) -> None:
        """Execute the cells that come before the first task.

        Raises:
            SetupError: if one of them does not run.
        """
        for source in cells:
            result = self.shell.run_cell(source, store_history=False)
            fault = result.error_before_exec or result.error_in_exec
            if fault is not None:
                raise SetupError(f"{type(fault).__name__}: {fault}")
        self.given = dict(self.shell.user_ns)

    def live(self, link: socket.socket) -> None:
        """Answer requests until the judge closes the socket.

        A request is an object of JSON. ``{"cell": source}`` executes a cell of the notebook; with
        ``"outputs": true`` the answer tells what it showed. ``{"call": source, "function": name}``
        executes an instructor's cell, which finds the names of the setup and, of the student's,
        those in ``"names"``, and calls a function that it defines; its argument is a generator for
        ``"seed"``, or, with ``"value": true``, the encoded value that follows the request.
        Without ``"function"`` the cell is executed, and no more.

        The answer is ``{"error": null}`` or the error's name, message and line; after a call that
        worked follows the encoded value.
        """
        from cvlab.checking import wire

        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        sys.stdout = _Stream(self.shell, "stdout", sys.stdout)
        sys.stderr = _Stream(self.shell, "stderr", sys.stderr)

        me = _getpid()

        def read() -> bytearray:
            return wire.read_message(link, time.monotonic() + SECONDS, REQUEST)

        def write(data: bytes) -> None:
            if _getpid() != me:  # a cell has forked and come back twice
                _exit(0)
            wire.write_message(link, data)

        while True:
            try:
                request = json.loads(read())
            except wire.WireClosed:
                return
            if "cell" in request:
                answer = self._cell(request["cell"], bool(request.get("outputs")))
                write(json.dumps(answer).encode())
                continue
            value = wire.decode(read()) if request.get("value") else None
            error, content = self._call(request, value, wire.encode)
            write(json.dumps({"error": error}).encode())
            if error is None:
                write(content)

    def _cell(self, source: str, outputs: bool) -> dict[str, Any]:
        shell = self.shell
        shell.fault, shell.shown = None, [] if outputs else None
        try:
            fault = self.loop.run_until_complete(self._run(source))
        except BaseException as error:  # it has stopped or cancelled what runs it
            fault = error
        fault, shown, shell.shown = shell.fault or fault, shell.shown, None
        answer = {"error": None if fault is None else _described(fault)}
        return answer | ({"outputs": shown} if outputs else {})

    async def _run(self, source: str) -> BaseException | None:
        """Execute a cell in a running event loop, as a kernel does; return what went wrong."""
        shell = self.shell
        try:
            code, fault = shell.transform_cell(source), None
        except Exception:
            code, fault = source, sys.exc_info()
        if not shell.should_run_async(source, transformed_cell=code, preprocessing_exc_tuple=fault):
            result = shell.run_cell(source, store_history=False)
        else:
            result = await shell.run_cell_async(
                source,
                store_history=False,
                transformed_cell=code,
                preprocessing_exc_tuple=fault,
            )
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
        found = result.error_before_exec or result.error_in_exec
        return None if isinstance(found, shell.harmless) else found

    def _call(
        self, request: dict[str, Any], value: Any, encode: Callable[[Any], bytes]
    ) -> tuple[dict[str, Any] | None, bytes]:
        # Names of its own, so that no call sees what a student or another call has defined.
        names = dict(self.given)
        here = self.shell.user_ns
        names.update({name: here[name] for name in request.get("names", ()) if name in here})
        seed = request.get("seed")
        try:
            exec(compile(request["call"], "<probe>", "exec"), names)
            if "function" not in request:
                return None, encode(None)
            function = names[request["function"]]
            result = function(value) if seed is None else function(_generator(seed))
            return None, encode(result)
        except BaseException as fault:  # a student's function may raise anything at all
            return _described(fault), b""


def _shell() -> Any:
    """Return an IPython shell without history and threads."""
    from IPython.core import page
    from IPython.core.autocall import ZMQExitAutocall
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.error import StdinNotImplementedError, UsageError
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets import Type
    from traitlets.config import Config

    import cvlab.checking.wire  # noqa: F401 (knows torch if that has been imported)

    class Publisher(DisplayPublisher):
        """Keeps what a cell displays, where somebody wants to know."""

        def publish(self, data: Any, metadata: Any = None, *_: Any, **options: Any) -> None:
            self._validate_data(data, metadata)
            if not options.get("update"):  # which a notebook does not store as an output
                self.shell.show("display_data", data, metadata)

        def clear_output(self, wait: bool = False) -> None:
            """Keep what has been shown: a kernel leaves it to the page to clear it."""

    class Hook(DisplayHook):
        """Keeps the value of a cell's last expression, where somebody wants to know."""

        def write_output_prompt(self) -> None:
            """Print no prompt."""

        def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
            self.shell.show("execute_result", format_dict, md_dict)

        def log_output(self, format_dict: Any) -> None:
            """Keep no history."""

        def finish_displayhook(self) -> None:
            """Print no empty line."""
            self._is_active = False

    class ZMQInteractiveShell(InteractiveShell):
        """The shell of a notebook's kernel in what cells can notice, its name for one."""

        display_pub_class = Type(Publisher)
        displayhook_class = Type(Hook)
        # What IPython prints in a line, where it tells a notebook's page about other errors.
        harmless = UsageError
        fault: BaseException | None = None  # the first that a page would show since a cell began
        shown: list[dict[str, Any]] | None = None

        def show(self, kind: str, data: Any, metadata: Any) -> None:
            """Keep an output as a notebook stores it."""
            if self.shown is not None:
                output = {"output_type": kind, "data": _plain(data), "metadata": metadata or {}}
                number = {"execution_count": 0} if kind == "execute_result" else {}
                self.shown.append(output | number)

        def enable_gui(self, gui: str | None = None) -> None:
            """Accept `%matplotlib inline`, where there is no window."""

        def ask_exit(self) -> None:
            """Accept `exit()`, which is no error in a notebook."""

        def system(self, cmd: str) -> None:
            """Run a program; its output looks as if it had a terminal, as a kernel's has."""
            if cmd.rstrip().endswith("&"):
                raise OSError("Background processes not supported.")
            command, pipe = self.var_expand(cmd, depth=1), subprocess.PIPE
            nothing, same = subprocess.DEVNULL, subprocess.STDOUT
            done = subprocess.run(command, shell=True, stdin=nothing, stdout=pipe, stderr=same)
            sys.stdout.write(done.stdout.decode(errors="replace").replace("\n", "\r\n"))
            self.user_ns["_exit_code"] = done.returncode

        def showtraceback(self, exc_tuple: Any = None, *_: Any, **__: Any) -> None:
            """Note the error, without a traceback, which takes long to make: nobody reads it."""
            try:
                fault = self._get_exc_info(exc_tuple)[1]
            except ValueError:  # there is none
                return
            if isinstance(fault, UsageError):
                self.show_usage_error(fault)
            elif self.fault is None:
                self.fault = fault

        def showsyntaxerror(self, *_: Any, **__: Any) -> None:
            """Note the error."""
            self.showtraceback()

    def refuse(prompt: str = "") -> str:
        raise StdinNotImplementedError("input() is not available: nobody is there to answer.")

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = ZMQInteractiveShell.instance(config=config)
    shell.db = {}  # of folders and aliases, else kept in files
    shell.exiter = ZMQExitAutocall(shell)
    shell.user_ns.update(exit=shell.exiter, quit=shell.exiter)
    shell.set_hook("show_in_pager", page.as_hook(lambda *_, **__: None), 99)
    builtins.input = getpass.getpass = refuse
    sys.breakpointhook = lambda *_, **__: None  # no debugger is attached
    return shell


def _plain(data: Any) -> dict[str, Any]:
    """Return a bundle of representations as JSON has it."""
    found = {}
    for kind, value in data.items():
        value = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            found[kind] = json.loads(json.dumps(value))
    return found


class _Stream(io.TextIOBase):
    """A standard stream whose text becomes an output of the cell, where somebody wants to know."""

    encoding, errors = "UTF-8", "replace"

    def __init__(self, shell: Any, name: str, other: Any) -> None:
        self.shell, self.name, self.other = shell, name, other

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.shell.shown is None:
            return self.other.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self.shell.shown.append({"output_type": "stream", "name": self.name, "text": text})
        return len(text)

    def flush(self) -> None:
        self.other.flush()


def _generator(seed: int) -> Any:
    """Return the generator of a probe's inputs; what draws from global ones is repeatable, too."""
    import numpy as np

    with contextlib.suppress(Exception):  # a student may have patched these
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(seed % 2**63)
    return np.random.default_rng(seed)


def _described(fault: BaseException) -> dict[str, Any]:
    """Return an error's name, message and line of the student's code, none of which is trusted."""
    message, line = "", 0
    with contextlib.suppress(BaseException):
        message = str(fault)[:WORDS]
    trace = fault.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith("<ipython-input"):
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(fault, SyntaxError) and isinstance(fault.lineno, int):
        line, message = fault.lineno, str(fault.msg)[:WORDS]
    return {"name": type(fault).__name__[:WORDS], "message": message, "line": line}
