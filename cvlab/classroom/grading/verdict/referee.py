"""The referee's box: an instructor's normal forms and rules, on data that a student made.

They run neither in the judge, which the data could harm, nor in the student's box, where the
student's code could change what they say.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from cvlab.checking import wire
from cvlab.classroom.grading.box.isolation import Limits
from cvlab.classroom.grading.box.replay import Place, Reply, Watch, ask_within
from cvlab.classroom.grading.box.zygote import ZygoteError
from cvlab.classroom.grading.intake.tasks import Probe, Rule

REFEREE_SECONDS = 10.0


class Referee:
    """One box for all submissions, made when first needed; several threads may share it.

    Args:
        place: where boxes come from.
        limits: of the box.
        watch: keeps its time.
    """

    def __init__(self, place: Place, limits: Limits, watch: Watch | None = None) -> None:
        self.place, self.limits, self.watch = place, limits, watch
        self.box: Any = None
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End the box, if there is one."""
        with self._lock:
            if self.box is not None:
                with contextlib.suppress(ZygoteError):  # it may have ended, and the box with it
                    self.box.close()
                self.box = None

    def normal(self, probe: Probe, value: Any) -> Reply:
        """Return the normal form of what a probe returned."""
        if not probe.normal:
            return Reply("ok", value=value)
        return self._ask({"call": probe.normal, "function": probe.normal_name}, value)

    def broken(self, rule: Rule, code: str) -> str | None:
        """Return what breaks a rule, None if nothing does."""
        reply = self._ask({"call": rule.source, "function": rule.name}, code)
        if reply.fate != "ok":
            return "the code is beyond what the grader can read"
        return None if reply.value is None else str(reply.value)

    def _ask(self, request: dict[str, Any], value: Any) -> Reply:
        """Let an instructor's function judge data of a student, where it can do no harm.

        A box that ends over the data is replaced. It only counts if it has judged nothing before:
        otherwise its limits may have been used up by others.
        """
        content = wire.encode(value)
        with self._lock:
            while True:
                fresh = self.box is None
                if fresh:
                    self.box = self.place.box(self.limits)
                whole = request | {"value": True}
                reply, _ = ask_within(self.box, whole, REFEREE_SECONDS, self.watch, content)
                if not reply.ended:
                    return reply
                self.box.close()
                self.box = None
                if fresh:
                    return reply
