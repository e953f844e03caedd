"""A file with all that a run needs to go on as if it had never been interrupted."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch

from cvlab.train import settings
from cvlab.train.batches import Batches
from cvlab.train.history import History
from cvlab.train.refusals import first_line
from cvlab.train.run import Run
from cvlab.train.settings import plain
from cvlab.train.surroundings import generator_states, set_generator_states


class Checkpoint:
    """The file of one run.

    Args:
        path: where it is; it need not exist.
        described: name -> plain value of what must be the same for a run to go on.
        generators: those that the order of the samples is drawn from.
    """

    def __init__(
        self, path: Path, described: Mapping[str, Any], generators: Sequence[torch.Generator]
    ) -> None:
        self._path, self._settings, self._generators = path, dict(described), generators
        self._readable = False  # whether what was written can be read, too

    def write(self, run: Run) -> None:
        """Replace the file by the present state, at once or not at all.

        Raises:
            OSError: if it cannot be written; the one before stays.
            TypeError: if the optimiser or the schedule holds what a file cannot.
        """
        state = {
            "settings": self._settings,
            "model": run.model.state_dict(),
            "optimiser": plain(run.optimiser.state_dict()),
            "scheduler": None if run.scheduler is None else plain(run.scheduler.state_dict()),
            "average": None if run.average is None else (run.average.steps, run.average.state),
            "best": run.best,
            "history": dict(run.history),
            "seconds": run.history.seconds,
            "stopped": run.stopped,
            "patience": run.patience,
            "order": [generator.get_state() for generator in self._generators],
            "random": generator_states(),
        }
        packed = io.BytesIO()
        try:
            torch.save(state, packed)
            if not self._readable:
                packed.seek(0)
                torch.load(packed, weights_only=True)
                self._readable = True
        except (pickle.PickleError, AttributeError, TypeError) as error:
            raise TypeError(
                "the optimiser or the schedule holds what no checkpoint can keep "
                f"({first_line(error)}); use those of torch, or train without a checkpoint."
            ) from error
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

    def restore(self, run: Run, epochs: int) -> None:
        """Put a run of so many epochs where the file left it, or leave it alone without a file.

        Raises:
            ValueError: if the file is no checkpoint, or one of another run.
        """
        state = self._read()
        if state is None:
            return
        self._check(state, run, epochs)
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
        run.best = None if run.patience is None else state["best"]
        run.stopped = state["stopped"]
        run.history.update(state["history"])
        run.history.seconds = state["seconds"]

    def _read(self) -> dict[str, Any] | None:
        if not self._path.exists():
            return None
        try:
            # Only tensors and plain values are read: a file from elsewhere cannot run code.
            state = torch.load(self._path, map_location="cpu", weights_only=True)
            if state.keys() >= {"settings", "model", "history", "random", "stopped"}:
                return state
            why = "it holds something else"
        except Exception as error:  # whatever a damaged file makes pickle or zip do
            why = first_line(error)
        raise ValueError(
            f"{str(self._path)!r} is no checkpoint of `fit` ({why}); remove it or name another "
            "file."
        )

    def _check(self, state: Mapping[str, Any], run: Run, epochs: int) -> None:
        """Refuse the state of a run that would have had other numbers, uninterrupted."""
        found = settings.difference(state["settings"], self._settings)
        if found:
            self._refuse(f"is of a run with {found}", "give it what it had")
        history, patience = History(state["history"]), run.patience
        if history.epochs > epochs:
            self._refuse(f"has {history.epochs} epochs, more than {epochs}", "ask for as many")
        if patience is None:
            return
        if state["patience"] is None:
            self._refuse("is of a run without patience, whose best weights are lost", "give none")
        end = history.patient_until(patience)
        if end is not None and end < history.epochs:
            self._refuse(
                f"has {history.epochs} epochs, and with patience {patience} it would have ended "
                f"after {end}",
                f"give it {state['patience']} again",
            )

    def _refuse(self, what: str, remedy: str) -> NoReturn:
        raise ValueError(
            f"the checkpoint {str(self._path)!r} {what}: {remedy}, or name another file to begin "
            "anew."
        )

    def _other_run(self, why: str) -> str:
        return (
            f"the checkpoint {str(self._path)!r} is of another model, optimiser or schedule "
            f"({why}); remove it or name another file."
        )


def checkpoint_of(
    run: Run,
    path: Path | None,
    train: Batches,
    validation: Batches | None,
    seed: int,
    batch_size: int,
) -> Checkpoint | None:
    """Return the file of a run that has not taken a step yet; None if none is asked for."""
    if path is None:
        return None
    found = settings.described(run, train, validation, seed=seed, batch_size=batch_size)
    return Checkpoint(path, found, train.generators)
