"""What a box does: execute the cells that it is sent, call probes, answer with plain data.

This runs in the same process as the student's code, which may patch, forge or break all of it.
Nothing here is trusted, therefore, and nothing here is secret: a box that lies about itself gains
nothing, because only the values that a probe returns count, and what they should be is not here.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any

REQUEST = 20_000_000
SECONDS = 3600.0  # whoever asks keeps the time; this one only must not wait for ever
WORDS = 2000  # of an error's message


def prepare() -> Any:
    """Return an IPython shell, as a notebook has one, without history and threads.

    Called before there is any code of a student: what answers the judge is bound here.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    import cvlab.classroom.grading.exchange  # noqa: F401 (knows torch if that has been imported)

    class Shell(InteractiveShell):
        """The shell of a notebook's kernel in what cells can notice."""

        def enable_gui(self, gui: str | None = None) -> None:
            """Accept `%matplotlib inline`, where there is no window."""

        # The other way to run a program needs a terminal, and a box has none.
        system = InteractiveShell.system_raw

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    return Shell.instance(config=config)


def live(link: socket.socket, shell: Any) -> None:
    """Answer requests until the judge closes the socket.

    A request is an object of JSON: ``{"cell": source}`` executes a cell, and is answered by
    ``{"error": null}`` or its name, message and line; ``{"probe": source, "seed": 3}`` executes an
    instructor's cell in the student's namespace and calls the function ``probe(rng)`` that it
    defines, and is answered by ``{"error": null}`` and the encoded value.
    """
    from cvlab.classroom.grading import exchange

    while True:
        try:
            message = exchange.read_message(link, time.monotonic() + SECONDS, REQUEST)
        except exchange.ExchangeClosed:
            return
        request = json.loads(message)
        error, value = _cell(shell, request) if "cell" in request else _probe(shell, request)
        if error is None and "probe" in request:
            try:
                content = exchange.encode(value)
            except exchange.ExchangeError as fault:
                error = {"name": "ExchangeError", "message": str(fault), "line": 0}
        exchange.write_message(link, json.dumps({"error": error}).encode())
        if error is None and "probe" in request:
            exchange.write_message(link, content)


def _cell(shell: Any, request: dict[str, Any]) -> tuple[dict[str, Any] | None, None]:
    result = shell.run_cell(request["cell"], store_history=False)
    fault = result.error_before_exec or result.error_in_exec
    return (None if fault is None else _described(fault)), None


def _probe(shell: Any, request: dict[str, Any]) -> tuple[dict[str, Any] | None, Any]:
    import numpy as np

    # A copy of the names, so that one probe does not see what another has defined.
    names = dict(shell.user_ns)
    try:
        exec(compile(request["probe"], "<probe>", "exec"), names)
        return None, names["probe"](np.random.default_rng(request["seed"]))
    except BaseException as fault:  # a student's function may raise anything at all
        return _described(fault), None


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
    return {"name": type(fault).__name__[:WORDS], "message": message, "line": line}
