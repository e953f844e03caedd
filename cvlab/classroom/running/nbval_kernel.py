"""What nbval takes for a kernel, without a process of Jupyter behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from queue import Empty
from typing import Any


class StandInKernel:
    """Has those methods of nbval's `RunningKernel` that say what a cell has shown.

    Whoever derives from it has `execute_cell_input` and `await_reply`, one of which calls `show`.
    """

    language = "python"

    def __init__(self) -> None:
        self._messages: deque[dict[str, Any]] = deque()
        self._alive = True

    def show(self, message_id: str, outputs: Iterable[Mapping[str, Any]]) -> None:
        """Queue a cell's outputs, as a notebook stores them, in place of what is left of others."""
        self._messages.clear()
        for output in outputs:
            content = {key: value for key, value in output.items() if key != "output_type"}
            self._queue(message_id, output["output_type"], content)
        self._queue(message_id, "status", {"execution_state": "idle"})

    def _queue(self, message_id: str, kind: str, content: dict[str, Any]) -> None:
        parent = {"msg_id": message_id}
        self._messages.append({"msg_type": kind, "content": content, "parent_header": parent})

    def get_message(self, stream: str, timeout: float | None = None) -> dict[str, Any]:
        """Return the next message; as from a kernel, `queue.Empty` if there is none."""
        if stream != "iopub" or not self._messages:
            raise Empty
        return self._messages.popleft()

    def await_idle(self, parent_id: str, timeout: float | None = None) -> None:
        """Drop what is left of a cell's messages."""
        self._messages.clear()

    def is_alive(self) -> bool:
        """Return whether it takes another cell."""
        return self._alive

    def interrupt(self) -> None:
        """Do nothing: nothing is running when nbval asks for it."""

    def stop(self) -> None:
        """End, as nbval asks after the last cell."""
        self._alive = False
