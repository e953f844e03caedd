"""A file with all that a run needs to go on as if it had never been interrupted."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from cvlab.train.refusals import first_line
from cvlab.train.run import Run
from cvlab.train.surroundings import generator_states, set_generator_states


class Checkpoint:
    """The file of one run.

    Args:
        path: where it is; it need not exist.
        settings: name -> value of what must be the same for a run to go on, such as the seed.
        generators: those that the order of the samples is drawn from.
    """

    def __init__(
        self, path: Path, settings: Mapping[str, int], generators: Sequence[torch.Generator]
    ) -> None:
        self._path, self._settings, self._generators = path, dict(settings), generators

    def write(self, run: Run) -> None:
        """Replace the file by the present state, at once or not at all.

        Raises:
            OSError: if it cannot be written; the one before stays.
        """
        state = {
            "settings": self._settings,
            "model": run.model.state_dict(),
            "optimiser": run.optimiser.state_dict(),
            "scheduler": None if run.scheduler is None else run.scheduler.state_dict(),
            "average": None if run.average is None else (run.average.steps, run.average.state),
            "best": run.best,
            "history": dict(run.history),
            "seconds": run.history.seconds,
            "finished": run.finished,
            "order": [generator.get_state() for generator in self._generators],
            "random": generator_states(),
        }
        packed = io.BytesIO()
        torch.save(state, packed)
        # A file beside it takes its name when it is whole, so whoever is killed leaves one or both.
        part = self._path.with_name(self._path.name + ".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(packed.getbuffer())
            os.replace(part, self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise OSError(
                f"the checkpoint {str(self._path)!r} cannot be written ({first_line(error)}); "
                "the one of the epoch before, if any, is untouched."
            ) from error

    def restore(self, run: Run) -> None:
        """Put a run where the file left it; leave it alone where there is no file.

        Raises:
            ValueError: if the file is no checkpoint, or one of another run.
        """
        state = self._read()
        if state is None:
            return
        self._check(state, run)
        try:
            run.model.load_state_dict(state["model"])
            run.optimiser.load_state_dict(state["optimiser"])
            if run.scheduler is not None:
                run.scheduler.load_state_dict(state["scheduler"])
            if run.average is not None:
                run.average.restore(*state["average"])
            for generator, kept in zip(self._generators, state["order"], strict=True):
                generator.set_state(kept)
        except (RuntimeError, ValueError, KeyError) as error:
            raise ValueError(self._other_run(first_line(error))) from error
        set_generator_states(state["random"])
        run.best, run.finished = state["best"], state["finished"]
        run.history.update(state["history"])
        run.history.seconds = state["seconds"]

    def _read(self) -> dict[str, Any] | None:
        if not self._path.exists():
            return None
        try:
            # Only tensors and plain values are read: a file from elsewhere cannot run code.
            state = torch.load(self._path, map_location="cpu", weights_only=True)
            if state.keys() >= {"settings", "model", "history", "random"}:
                return state
            why = "it holds something else"
        except Exception as error:  # whatever a damaged file makes pickle or zip do
            why = first_line(error)
        raise ValueError(
            f"{str(self._path)!r} is no checkpoint of `fit` ({why}); remove it or name another "
            "file."
        )

    def _check(self, state: Mapping[str, Any], run: Run) -> None:
        """Refuse the state of a run with other settings, or with other parts."""
        for name, value in self._settings.items():
            if state["settings"][name] != value:
                raise ValueError(
                    f"the checkpoint {str(self._path)!r} is of a run with {name} "
                    f"{state['settings'][name]}, not {value}; remove it or name another file."
                )
        parts = [(run.scheduler, state["scheduler"]), (run.average, state["average"])]
        if any((part is None) != (kept is None) for part, kept in parts):
            raise ValueError(self._other_run("a schedule or an average is missing"))

    def _other_run(self, why: str) -> str:
        return (
            f"the checkpoint {str(self._path)!r} is of another model, optimiser or schedule "
            f"({why}); remove it or name another file."
        )
