"""How notebooks are replayed and probes asked, of the solution and of submissions alike.

Both get the same boxes, the same names and the same seeds; only so are two values comparable.
"""

from __future__ import annotations

import copy
import hashlib

from cvlab.classroom.grading.box.replay import REPLAYS, Place, Policy, Reply, Sitting, Watch
from cvlab.classroom.grading.intake.answers import Located
from cvlab.classroom.grading.intake.tasks import Exercise, Probe, Task
from cvlab.classroom.grading.verdict import rebinding
from cvlab.classroom.grading.verdict.referee import Referee


class Examiner:
    """Asks about the notebooks of one exercise; several threads may share it.

    Args:
        exercise: whose probes are asked.
        seed: of the probes' inputs.
        policy: what a notebook may use.
        place: where boxes come from.
    """

    def __init__(self, exercise: Exercise, seed: int, policy: Policy, place: Place) -> None:
        self.exercise, self.seed, self.policy, self.place = exercise, seed, policy, place
        self.attempt = 0
        self.names = [name for task in exercise.tasks for name in task.names]
        self.watch = Watch()
        self.referee = Referee(place, policy.box, self.watch)

    def of_attempt(self, attempt: int) -> Examiner:
        """Return one that asks with other inputs, as a student's next attempt deserves.

        Whatever an answer has found out about the hidden inputs, and told by its verdict, is then
        of no use. Boxes are shared.
        """
        other = copy.copy(self)
        other.attempt = attempt
        return other

    def stop(self) -> None:
        """End all boxes."""
        self.watch.stop()
        self.referee.stop()
        self.place.stop()

    def sitting(self, located: Located) -> Sitting:
        """Return the replay of a notebook, without its visible checks."""
        cells = [code for code in located.prelude if code.role != "check"]
        again = [one.source for one in rebinding.undone(located)]
        # One for each task that crashes, and one where it is heard again.
        replays = max(REPLAYS, 2 * len(self.exercise.tasks) + 2)
        return Sitting(self.place, cells, again, self.policy, self.watch, replays)

    def probe(self, sitting: Sitting, task: Task, probe: Probe) -> Reply:
        """Return what a probe returns in the box of a notebook."""
        request = {
            "call": probe.source,
            "function": probe.name,
            "names": self.names,
            "seed": self.seed_of(task, probe),
        }
        return sitting.ask(request, probe.seconds)

    def check(self, sitting: Sitting, task: Task, seconds: float) -> Reply:
        """Return what the visible check of a task says in the box of a notebook."""
        return sitting.ask({"call": task.check, "names": self.names}, seconds)

    def seed_of(self, task: Task, probe: Probe) -> int:
        """Return the seed of a probe's generator, which nobody guesses from another probe's."""
        again = f"/attempt {self.attempt}" if self.attempt else ""
        text = f"{self.seed}{again}/{self.exercise.name}/{task.name}/{probe.name}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
