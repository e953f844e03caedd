"""Tests of what longer training needs of cvlab.train.fit: augment, average, checkpoint."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from cvlab.train import fit

SAMPLES, FEATURES, CLASSES = 70, 5, 3


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("CVLAB_DEVICE", "cpu")


@pytest.fixture
def samples() -> tuple[torch.Tensor, torch.Tensor]:
    inputs = torch.randn(SAMPLES, FEATURES, generator=torch.Generator().manual_seed(3))
    return inputs, inputs[:, :CLASSES].argmax(dim=1)


def network() -> torch.nn.Sequential:
    with torch.random.fork_rng([]):
        torch.manual_seed(11)
        return torch.nn.Sequential(
            torch.nn.Linear(FEATURES, 16),
            torch.nn.BatchNorm1d(16),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(16, CLASSES),
        )


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def one_cycle(optimiser):
    return torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.2, total_steps=6 * 5)


def decaying(optimiser, gamma=0.5):
    return torch.optim.lr_scheduler.StepLR(optimiser, step_size=3, gamma=gamma)


def noisy(inputs, targets):
    return inputs + 0.1 * torch.randn_like(inputs), targets


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# --- augment --------------------------------------------------------------------------------------


def test_mixed_batches_with_soft_targets_equal_a_bare_loop(samples):
    def mix(inputs, targets):
        partner = torch.randperm(len(inputs))
        hard = functional.one_hot(targets, CLASSES).float()
        return 0.7 * inputs + 0.3 * inputs[partner], 0.7 * hard + 0.3 * hard[partner]

    model, bare = torch.nn.Linear(FEATURES, CLASSES), torch.nn.Linear(FEATURES, CLASSES)
    bare.load_state_dict(model.state_dict())
    history = fit(
        model, samples, samples, optimiser=sgd, augment=mix, epochs=3, batch_size=16, progress=False
    )
    assert "train accuracy" not in history, "soft targets have no class to be right about"
    assert "validation accuracy" in history

    order, optimiser = torch.Generator().manual_seed(0), sgd(bare.parameters())
    torch.manual_seed(0)
    for _ in range(3):
        for chosen in torch.randperm(SAMPLES, generator=order).split(16):
            inputs, targets = mix(samples[0][chosen], samples[1][chosen])
            optimiser.zero_grad()
            functional.cross_entropy(bare(inputs), targets).backward()
            optimiser.step()
    assert same(model, bare)


def test_validation_is_never_augmented(samples):
    seen = []

    def watch(inputs, targets):
        seen.append(len(inputs))
        assert not torch.is_grad_enabled(), "what it computes belongs to no step"
        return inputs, targets

    fit(network(), samples, samples, augment=watch, epochs=2, batch_size=70, progress=False)
    assert seen == [70, 70]


@pytest.mark.parametrize(
    ("augment", "kind", "sentence"),
    [
        ("flip", TypeError, "augment must be a function"),
        (lambda inputs, targets: inputs, TypeError, "augment must return a pair"),
        (lambda inputs, targets: (inputs, [0]), TypeError, "augment must return a pair"),
        (lambda inputs, targets: (inputs[1:], targets), ValueError, "15 inputs but 16 targets"),
        (lambda inputs, targets: (inputs[:0], targets[:0]), ValueError, "returned no samples"),
        (lambda inputs, targets: (inputs.sum(), targets), ValueError, "returned no samples"),
    ],
)
def test_a_wrong_augmentation_is_refused_in_one_sentence(samples, augment, kind, sentence):
    with pytest.raises(kind, match=sentence):
        fit(network(), samples, augment=augment, epochs=1, batch_size=16, progress=False)


# --- average --------------------------------------------------------------------------------------


def test_the_average_is_the_recursion_written_out(samples):
    states = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            states.append([p.detach().clone() for p in model.parameters()])

    model = torch.nn.Linear(FEATURES, CLASSES)
    fit(
        model,
        samples,
        optimiser=lambda parameters: Watched(parameters, lr=0.3),
        average=0.8,
        epochs=3,
        batch_size=16,
        progress=False,
    )
    expected = states[0]
    for state in states[1:]:
        expected = [0.8 * mean + 0.2 * new for mean, new in zip(expected, state, strict=True)]
    assert len(states) == 15
    for mean, got in zip(expected, model.parameters(), strict=True):
        torch.testing.assert_close(got.detach(), mean)


def test_training_itself_does_not_feel_the_average(samples):
    options = {"optimiser": sgd, "epochs": 4, "batch_size": 16, "progress": False}
    plain = fit(network(), samples, **options)
    averaged = fit(network(), samples, average=0.9, **options)
    assert plain["train loss"] == averaged["train loss"]


def test_measurements_and_callbacks_see_the_average(samples):
    seen = []

    def measure(state):
        with torch.no_grad():
            loss = functional.cross_entropy(state.model(samples[0]), samples[1]).item()
        seen.append(loss)

    model = network()
    history = fit(
        model, samples, samples, average=0.9, callbacks=[measure], epochs=3, progress=False
    )
    assert seen == pytest.approx(history["validation loss"])
    with torch.no_grad():
        final = functional.cross_entropy(model.eval()(samples[0]), samples[1]).item()
    assert final == pytest.approx(seen[-1])


def test_a_decay_may_be_a_number_of_numpy(samples):
    one, other = network(), network()
    fit(one, samples, average=np.float64(0.5), epochs=1, progress=False)
    fit(other, samples, average=0.5, epochs=1, progress=False)
    assert same(one, other)


def test_an_optimiser_with_a_closure_is_refused_in_one_sentence(samples):
    with pytest.raises(TypeError, match="several times a step"):
        fit(network(), samples, optimiser=torch.optim.LBFGS, epochs=1, progress=False)


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan"), True, "0.9"])
def test_a_decay_that_is_none_is_refused(samples, decay):
    with pytest.raises((TypeError, ValueError), match="average must be"):
        fit(network(), samples, average=decay, epochs=1, progress=False)


# --- checkpoint -----------------------------------------------------------------------------------


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def stop_in(epoch):
    def callback(state):
        if state.epoch == epoch:
            raise Interrupted

    return callback


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 2, 5])
@pytest.mark.parametrize("kind", ["tensors", "loader"])
def test_an_interrupted_run_ends_as_if_it_had_not_been(samples, tmp_path, epoch, kind):
    def run(path, callbacks=()):
        source = samples
        if kind == "loader":
            generator = torch.Generator().manual_seed(5)
            source = DataLoader(
                TensorDataset(*samples), batch_size=16, shuffle=True, generator=generator
            )
        model = network()
        history = fit(
            model,
            source,
            samples,
            optimiser=sgd,
            schedule=one_cycle,
            augment=noisy,
            average=0.9,
            epochs=6,
            batch_size=16,
            callbacks=callbacks,
            patience=4,
            checkpoint=path,
            progress=False,
        )
        return model, history

    whole, expected = run(None)
    with pytest.raises(Interrupted):
        run(tmp_path / "run.pt", [stop_in(epoch)])
    assert (tmp_path / "run.pt").exists() == (epoch > 1)
    resumed, history = run(tmp_path / "run.pt")
    assert history == expected
    assert history.stopped_early == expected.stopped_early
    assert same(whole, resumed)
    again, history = run(tmp_path / "run.pt")
    assert history == expected, "a finished run is read, not continued"
    assert same(again, whole)
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_the_best_weights_survive_an_interruption(samples, tmp_path):
    inputs, targets = samples
    others = inputs, (targets + 1) % CLASSES  # their loss rises while the model learns

    def run(**options):
        model = torch.nn.Linear(FEATURES, CLASSES)
        torch.nn.init.zeros_(model.weight)
        torch.nn.init.zeros_(model.bias)
        return model, fit(model, samples, others, optimiser=sgd, progress=False, **options)

    first, _ = run(epochs=1)
    options = {"epochs": 4, "patience": 9, "checkpoint": tmp_path / "run.pt"}
    with pytest.raises(Interrupted):
        run(callbacks=[stop_in(3)], **options)
    resumed, history = run(**options)
    assert (history.epochs, history.best_epoch) == (4, 1)
    assert same(resumed, first)


PROGRAM = """
import os, signal, sys, torch
from cvlab.train import fit
torch.manual_seed(1)
x = torch.randn(64, 4)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
def die(state):
    if state.epoch == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
history = fit(model, (x, (x[:, 0] > 0).long()), epochs=5, checkpoint=sys.argv[1] or None,
              callbacks=[die], progress=False)
print(history["train loss"], [p.sum().item() for p in model.parameters()])
"""


@pytest.mark.slow
def test_a_killed_process_goes_on_with_identical_results(tmp_path):
    def run(path, epoch):
        command = [sys.executable, "-c", PROGRAM, str(path), str(epoch)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    whole = run("", 99)
    killed = run(tmp_path / "run.pt", 4)
    assert killed.returncode == -signal.SIGKILL
    assert killed.stdout == ""
    resumed = run(tmp_path / "run.pt", 99)
    assert resumed.stdout == whole.stdout
    assert whole.stdout.count(",") > 5, whole.stderr


def test_more_epochs_go_on_from_where_a_run_ended(samples, tmp_path):
    path = tmp_path / "run.pt"
    whole, resumed = network(), network()
    expected = fit(whole, samples, epochs=5, progress=False)
    fit(resumed, samples, epochs=2, checkpoint=path, progress=False)
    assert fit(resumed, samples, epochs=5, checkpoint=path, progress=False) == expected
    assert same(whole, resumed)


def written(path: Path, samples, **options) -> None:
    fit(network(), samples, epochs=1, checkpoint=path, progress=False, **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"seed": 1}, "of a run with seed 0, not 1"),
        ({"batch_size": 7}, "of a run with batch size 64, not 7"),
        ({"average": 0.9}, "of a run with average none, not 0.9"),
        ({"metrics": {}}, "of a run with metrics none, not "),
        ({"schedule": one_cycle}, "of a run with schedule none, not OneCycleLR"),
        ({"schedule": decaying}, "of a run with schedule none, not StepLR"),
        ({"optimiser": sgd}, "of a run with optimiser Adam, not SGD"),
        ({"optimiser": lambda p: torch.optim.Adam(p, lr=0.1)}, "optimiser lr 0.001, not 0.1"),
        ({"optimiser": lambda p: torch.optim.Adam(p, weight_decay=1)}, "weight_decay 0, not 1"),
        ({"optimiser": lambda p: torch.optim.Adam(p, amsgrad=True)}, "amsgrad False, not True"),
        ({"optimiser": lambda p: torch.optim.Adam(p[:1])}, "another model, optimiser"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_kept(samples, tmp_path, options, sentence):
    path = tmp_path / "run.pt"
    written(path, samples)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=sentence):
        written(path, samples, **options)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ({"schedule": decaying}, {"schedule": None}, "schedule StepLR, not none"),
        (
            {"schedule": decaying},
            {"schedule": lambda o: decaying(o, gamma=0.1)},
            "schedule gamma 0.5, not 0.1",
        ),
        (
            {"schedule": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 2)},
            {"schedule": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 6), "epochs": 3},
            "schedule T_max 2, not 6",
        ),
        (
            {"schedule": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [1, 2])},
            {"schedule": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [1, 3])},
            "schedule milestones 3 none, not 1",
        ),
        ({"average": 0.9}, {"average": 0.99}, "average 0.9, not 0.99"),
        ({"epochs": 3}, {"epochs": 2}, "has 3 epochs, more than 2: ask for as many"),
        ({}, {"patience": 1}, "without patience, whose best weights are lost: give none"),
    ],
)
def test_a_run_that_would_have_had_other_numbers_is_refused(
    samples, tmp_path, before, after, sentence
):
    path = tmp_path / "run.pt"

    def run(options):
        options = {"epochs": 1, "checkpoint": path, "progress": False} | options
        fit(network(), samples, samples, **options)

    run(before)
    kept = path.read_bytes()
    with pytest.raises(ValueError, match=f"{sentence}.*name another file to begin anew"):
        run(before | after)
    assert path.read_bytes() == kept
    run(before)  # what it had goes on


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("change", ["value", "length", "target"])
def test_other_data_are_refused(samples, tmp_path, part, change):
    def run(**given):
        data = {"train": samples, "validation": samples} | given
        fit(network(), **data, epochs=1, checkpoint=tmp_path / "run.pt", progress=False)

    run()
    inputs, targets = (part.clone() for part in samples)
    if change == "value":
        inputs[3, 2] += 1e-6
    elif change == "target":
        targets[5] = (targets[5] + 1) % CLASSES
    other = (inputs[:-1], targets[:-1]) if change == "length" else (inputs, targets)
    name = "training" if part == "train" else "validation"
    with pytest.raises(ValueError, match=f"{name} data 70 samples with digest .*, not"):
        run(**{part: other})
    run(**{part: tuple(part.clone() for part in samples)})


def assert_goes_on(run, path, first, last):
    """A run of so many epochs in two parts ends as one in one."""
    whole, expected = run(None, last)
    run(path, first)
    resumed, history = run(path, last)
    assert history == expected
    assert same(whole, resumed)


def test_numbers_of_numpy_are_kept_as_plain_ones(samples, tmp_path):
    """The file can be read by what reads nothing but tensors and plain values."""

    def run(path, epochs):
        model = network()
        history = fit(
            model,
            samples,
            optimiser=lambda p: torch.optim.SGD(
                p, lr=np.float64(0.1), momentum=np.float32(0.5), weight_decay=np.float64(1e-3)
            ),
            schedule=lambda o: torch.optim.lr_scheduler.MultiStepLR(
                o, [int(m) for m in np.array([2, 4])], gamma=np.float64(0.5)
            ),
            epochs=epochs,
            checkpoint=path,
            progress=False,
        )
        return model, history

    assert_goes_on(run, tmp_path / "run.pt", 1, 3)


@pytest.mark.parametrize(
    "schedule",
    [
        torch.optim.lr_scheduler.ExponentialLR,
        lambda o, _: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
        lambda o, _: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
        lambda o, _: torch.optim.lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=4),
        lambda o, g: torch.optim.lr_scheduler.SequentialLR(
            o,
            [
                torch.optim.lr_scheduler.LinearLR(o, 0.1, total_iters=3),
                torch.optim.lr_scheduler.ExponentialLR(o, g),
            ],
            milestones=[3],
        ),
        lambda o, g: torch.optim.lr_scheduler.ChainedScheduler(
            [
                torch.optim.lr_scheduler.ExponentialLR(o, g),
                torch.optim.lr_scheduler.StepLR(o, 2),
            ]
        ),
    ],
)
def test_every_kind_of_schedule_goes_on(samples, tmp_path, schedule):
    def run(path, epochs):
        model = network()
        options = {"optimiser": sgd, "schedule": lambda o: schedule(o, 0.9), "progress": False}
        return model, fit(model, samples, epochs=epochs, checkpoint=path, **options)

    assert_goes_on(run, tmp_path / "run.pt", 2, 4)


def test_more_patience_goes_on_and_less_is_refused(samples, tmp_path):
    """As if the run had had that patience from the beginning."""
    others = samples[0], (samples[1] + 1) % CLASSES  # their loss rises while the model learns

    def run(path, patience):
        model = network()
        options = {"optimiser": sgd, "epochs": 6, "progress": False}
        return model, fit(model, samples, others, patience=patience, checkpoint=path, **options)

    path = tmp_path / "run.pt"
    _, first = run(path, 2)
    assert first.stopped_early
    assert first.epochs < 5
    whole, expected = run(None, 3)
    resumed, history = run(path, 3)
    assert history == expected
    assert history.epochs > first.epochs
    assert same(whole, resumed)
    sentence = rf"with patience 1 it would have ended after {first.epochs - 1}: give it 3 again"
    with pytest.raises(ValueError, match=sentence):
        run(path, 1)
    # Without patience the last weights count, not the best.
    whole, expected = run(None, None)
    resumed, history = run(path, None)
    assert history == expected
    assert same(whole, resumed)


def test_a_schedule_that_is_too_short_is_refused_before_training(samples):
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"has 30 steps, but 7 epochs of 5 batches take 35"):
        fit(model, samples, optimiser=sgd, schedule=one_cycle, epochs=7, batch_size=16)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Odd(torch.optim.SGD):
    def state_dict(self):
        return super().state_dict() | {"odd": Harmful()}


def test_what_no_file_can_keep_is_said(samples, tmp_path):
    with pytest.raises(TypeError, match=r"holds what no checkpoint can keep .*use those of torch"):
        written(tmp_path / "run.pt", samples, optimiser=lambda p: Odd(p, lr=0.1))
    assert list(tmp_path.iterdir()) == []


def test_a_stream_has_a_checkpoint_too(samples, tmp_path):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return zip(*samples, strict=True)

    def run(path, epochs):
        model = network()
        loader = DataLoader(Stream(), batch_size=16)
        return model, fit(model, loader, epochs=epochs, checkpoint=path, progress=False)

    assert_goes_on(run, tmp_path / "run.pt", 1, 3)


def test_a_checkpoint_of_another_model_is_refused(samples, tmp_path):
    written(tmp_path / "run.pt", samples)
    with pytest.raises(ValueError, match="another model"):
        fit(
            torch.nn.Linear(FEATURES, CLASSES),
            samples,
            checkpoint=tmp_path / "run.pt",
            progress=False,
        )


class Harmful:
    """What a file from elsewhere could hold."""

    def __reduce__(self):
        return os.system, ("touch harmed",)


@pytest.mark.parametrize("content", ["empty", "text", "cut", "other", "harmful"])
def test_a_damaged_or_foreign_file_is_refused_and_kept(samples, tmp_path, content, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.pt"
    written(path, samples)
    if content == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif content == "other":
        torch.save({"weights": torch.zeros(2)}, path)
    elif content == "harmful":
        path.write_bytes(pickle.dumps(Harmful(), protocol=2))
    else:
        path.write_bytes(b"" if content == "empty" else b"not a checkpoint")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is no checkpoint of `fit`"):
        written(path, samples)
    assert path.read_bytes() == before
    assert not (tmp_path / "harmed").exists()


def test_a_full_disk_is_one_sentence_and_leaves_the_last_checkpoint(samples, tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    written(path, samples)
    before = path.read_bytes()

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"No space left on device\); the one of the epoch before"):
        fit(network(), samples, epochs=2, checkpoint=path, progress=False)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


def test_a_number_is_no_checkpoint(samples):
    with pytest.raises(TypeError, match="the path of a file, not int"):
        written(3, samples)


def test_a_folder_is_no_checkpoint_and_a_new_folder_is_made(samples, tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        written(tmp_path, samples)
    written(tmp_path / "runs" / "first.pt", samples)
    assert (tmp_path / "runs" / "first.pt").exists()
