"""What the instructor is told besides the grade: what was odd, and what became of each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cvlab.classroom.grading.box.replay import Reply, Sitting
from cvlab.classroom.grading.intake.answers import Code, Located
from cvlab.classroom.grading.report.records import TaskResult
from cvlab.classroom.grading.verdict import reasons
from cvlab.classroom.grading.verdict.outcomes import CellOutcome, ProbeOutcome

MOST = 100  # flags of one submission


def of_notebook(located: Located, sitting: Sitting, outcomes: Sequence[ProbeOutcome]) -> list[str]:
    """Return sentences on what was odd in a notebook."""
    found = list(located.remarks)
    found += [reasons.ended((index,), reply) for index, reply in sitting.lost.items()]
    found += [f"{o.task}, probe {o.probe}: {o.reason}" for o in outcomes if o.ended]
    for answer in located.answers:
        found += [f"{answer.task}: {remark}" for remark in answer.remarks]
    return found


def distinct(flags: Sequence[str]) -> tuple[str, ...]:
    """Return the flags once each, and not more than anybody reads."""
    return tuple(dict.fromkeys(filter(None, flags)))[:MOST]


def of_cells(
    located: Located,
    lost: Mapping[int, Reply],
    replies: Mapping[int, Reply],
    results: Sequence[TaskResult],
) -> tuple[CellOutcome, ...]:
    """Return what became of each code cell, those of checks by their task's verdict.

    Args:
        located: the notebook.
        lost: of cells that ended a box, by their index.
        replies: of the other cells, before any probe.
        results: of the tasks.
    """
    of_task = {result.task: result for result in results}
    found = []
    for code in located.prelude:
        if code.role == "check":
            checked = [of_task[task] for task in code.tasks if task in of_task]
            fate, reason = _of_check(checked)
        else:
            fate, reason = _of_code(code, lost.get(code.index) or replies.get(code.index))
        found.append(CellOutcome(code.index, code.role, fate, reason, code.tasks))
    return tuple(found)


def _of_check(results: Sequence[TaskResult]) -> tuple[str, str]:
    """Return fate and reason of a check's cell."""
    if not results:
        return "not run", ""
    wrong = next((one for one in results if one.verdict != "right"), None)
    return ("error", wrong.reason) if wrong else ("passed", "")


def _of_code(code: Code, reply: Reply | None) -> tuple[str, str]:
    """Return fate and reason of any other cell."""
    if reply is None:
        return ("not run", "no box was left for it") if code.source.strip() else ("passed", "")
    if reply.fate == "ok":
        return "passed", ""
    return reply.fate, reasons.cell_error(code.index, reply)
