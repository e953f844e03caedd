"""What a box does: execute the cells that it is sent, call probes, answer with plain data.

This runs in the same process as the student's code, which may patch, forge or break all of it.
Nothing here is trusted, therefore, and nothing here is secret: a box that lies about itself gains
nothing, because only the values that a probe returns count, and what they should be is not here.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

REQUEST = 20_000_000
SECONDS = 3600.0  # whoever asks keeps the time; this one only must not wait for ever
WORDS = 2000  # of an error's message


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
        from cvlab.classroom.grading import exchange

        def read() -> bytearray:
            return exchange.read_message(link, time.monotonic() + SECONDS, REQUEST)

        while True:
            try:
                request = json.loads(read())
            except exchange.ExchangeClosed:
                return
            if "cell" in request:
                answer = self._cell(request["cell"], bool(request.get("outputs")))
                exchange.write_message(link, json.dumps(answer).encode())
                continue
            value = exchange.decode(read()) if request.get("value") else None
            error, content = self._call(request, value, exchange.encode)
            exchange.write_message(link, json.dumps({"error": error}).encode())
            if error is None:
                exchange.write_message(link, content)

    def _cell(self, source: str, outputs: bool) -> dict[str, Any]:
        if not outputs:
            result = self.shell.run_cell(source, store_history=False)
            shown = {}
        else:
            from IPython.utils.capture import capture_output

            with capture_output() as captured:
                result = self.shell.run_cell(source, store_history=False)
            shown = {"outputs": _outputs(captured)}
        fault = result.error_before_exec or result.error_in_exec
        return {"error": None if fault is None else _described(fault), **shown}

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
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    import cvlab.classroom.grading.exchange  # noqa: F401 (knows torch if that has been imported)

    class Shell(InteractiveShell):
        """The shell of a notebook's kernel in what cells can notice."""

        def enable_gui(self, gui: str | None = None) -> None:
            """Accept `%matplotlib inline`, where there is no window."""

        # The other way to run a program needs a terminal, and a box has none.
        system = InteractiveShell.system_raw

        def showtraceback(self, *_arguments: Any, **_options: Any) -> None:
            """Print no traceback, which takes long to make: nobody would read it."""

        def showsyntaxerror(self, *_arguments: Any, **_options: Any) -> None:
            """Print no traceback either."""

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    return Shell.instance(config=config)


def _generator(seed: int) -> Any:
    """Return the generator of a probe's inputs; what draws from global ones is repeatable, too."""
    import numpy as np

    with contextlib.suppress(Exception):  # a student may have patched these
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(seed % 2**63)
    return np.random.default_rng(seed)


def _outputs(captured: Any) -> list[dict[str, Any]]:
    """Return what a cell showed, as a notebook stores it."""
    streams = {"stdout": captured.stdout, "stderr": captured.stderr}
    found = [
        {"output_type": "stream", "name": name, "text": text}
        for name, text in streams.items()
        if text
    ]
    for output in captured.outputs:
        data = {kind: text for kind, text in output.data.items() if isinstance(text, str)}
        found.append({"output_type": "display_data", "data": data, "metadata": {}})
    return found


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
