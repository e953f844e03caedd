"""Tests of cvlab.train: against closed forms, bare torch loops, and input that must be refused."""

from __future__ import annotations

import copy
import doctest
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from cvlab import data, plot, train
from cvlab.train import History, State, accuracy, fit, history, loop, measures

SAMPLES, FEATURES, CLASSES, BATCH = 70, 5, 3, 16  # the last batch of an epoch has 6 samples


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("CVLAB_DEVICE", "cpu")
    monkeypatch.delenv("CVLAB_STATIC", raising=False)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Steps this small only wait for a second thread, above all where tests run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def samples() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(SAMPLES, FEATURES, generator=generator)
    return inputs, inputs[:, :CLASSES].argmax(dim=1)


def network(dropout: float = 0.5) -> torch.nn.Sequential:
    """The same small network at each call: dropout and batch norm make modes and seeds matter."""
    with torch.random.fork_rng([]):
        torch.manual_seed(11)
        return torch.nn.Sequential(
            torch.nn.Linear(FEATURES, 16),
            torch.nn.BatchNorm1d(16),
            torch.nn.ReLU(),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(16, CLASSES),
        )


def sgd(rate: float, **options):
    return lambda parameters: torch.optim.SGD(parameters, lr=rate, **options)


def run(model, train, validation=None, **options) -> History:
    return fit(model, train, validation, **({"batch_size": BATCH, "progress": False} | options))


def assert_same(first: torch.nn.Module, second: torch.nn.Module) -> None:
    """Bit for bit, running statistics included."""
    one, two = first.state_dict(), second.state_dict()
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name


def differ(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    one, two = first.state_dict(), second.state_dict()
    return any(not torch.equal(one[name], two[name]) for name in one)


# --- It learns what is known in closed form -------------------------------------------------------


def test_linear_regression_reaches_the_closed_form():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, 4))
    targets = inputs @ rng.normal(size=(4, 2)) + 0.7 + 0.3 * rng.normal(size=(60, 2))
    design = np.column_stack([inputs, np.ones(60)])
    expected, residual, *_ = np.linalg.lstsq(design, targets, rcond=None)
    model = torch.nn.Linear(4, 2, dtype=torch.float64)
    history = run(
        model,
        (inputs, targets),
        loss=functional.mse_loss,
        optimiser=sgd(0.3),
        epochs=300,
        batch_size=60,
    )
    np.testing.assert_allclose(model.weight.detach().numpy(), expected[:4].T, atol=1e-9)
    np.testing.assert_allclose(model.bias.detach().numpy(), expected[4], atol=1e-9)
    assert history.last("train loss") == pytest.approx(residual.sum() / 120, rel=1e-9)


def test_logistic_regression_on_digits():
    train, validation = data.digits().split(0.75, 0.25, seed=0)
    images, labels = train.arrays()
    held_out, truth = validation.arrays()
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    history = run(
        model,
        (images, labels),
        (held_out, truth),
        optimiser=lambda parameters: torch.optim.Adam(parameters, lr=0.01),
        epochs=15,
    )
    with torch.no_grad():
        independent = (model(torch.tensor(held_out)).argmax(1).numpy() == truth).mean()
    assert history.last("validation accuracy") == pytest.approx(independent, abs=1e-6)
    assert independent > 0.95


# --- It is the plain loop -------------------------------------------------------------------------


def bare_loop(model, samples, epochs, seed, optimiser, scheduler=None) -> list[list[float]]:
    """The loop that a student would write, without anything of cvlab."""
    inputs, targets = samples
    measured = [[], []]
    order = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model.train()
    for _epoch in range(epochs):
        permutation = torch.randperm(len(inputs), generator=order)
        total, right = 0.0, 0
        for start in range(0, len(inputs), BATCH):
            chosen = permutation[start : start + BATCH]
            outputs = model(inputs[chosen])
            loss = functional.cross_entropy(outputs, targets[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if scheduler is not None:
                scheduler.step()
            total += len(chosen) * loss.item()
            right += int((outputs.argmax(1) == targets[chosen]).sum())
        measured[0].append(total / len(inputs))
        measured[1].append(right / len(inputs))
    return measured


def one_cycle(optimiser):
    return torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.5, total_steps=20)


@pytest.mark.parametrize("schedule", [None, one_cycle])
def test_equals_a_bare_loop_bit_for_bit(samples, schedule):
    model, expected = network(), network()
    make = sgd(0.1, momentum=0.9, weight_decay=1e-3)
    optimiser = make(expected.parameters())
    with torch.random.fork_rng([]):
        scheduler = schedule and schedule(optimiser)
        losses, accuracies = bare_loop(expected, samples, 4, 5, optimiser, scheduler)
    history = run(model, samples, optimiser=make, schedule=schedule, epochs=4, seed=5)
    assert_same(model, expected)
    assert history["train loss"] == pytest.approx(losses, rel=1e-12)
    assert history["train accuracy"] == pytest.approx(accuracies, abs=1e-6)


def test_default_optimiser_and_loss(samples):
    model, expected = network(0.0), network(0.0)
    run(model, samples, epochs=1, batch_size=SAMPLES)
    order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(expected.parameters(), lr=1e-3)
    functional.cross_entropy(expected(samples[0][order]), samples[1][order]).backward()
    optimiser.step()
    assert_same(model, expected)


def test_validation_is_measured_in_evaluation_mode_on_all_samples(samples):
    model = network()
    held_out = (samples[0][:37], samples[1][:37])  # 16 + 16 + 5: batches of unequal size
    history = run(model, samples, held_out, epochs=2)
    model.eval()
    with torch.no_grad():
        outputs = model(held_out[0])
    expected = functional.cross_entropy(outputs, held_out[1]).item()
    assert history.last("validation loss") == pytest.approx(expected, rel=1e-6)
    right = (outputs.argmax(1) == held_out[1]).double().mean().item()
    assert history.last("validation accuracy") == pytest.approx(right, abs=1e-7)


def test_validation_does_not_change_the_training(samples):
    alone, watched = network(), network()
    run(alone, samples, epochs=3)
    run(watched, samples, samples, epochs=3)
    assert_same(alone, watched)


# --- Seeds and modes ------------------------------------------------------------------------------


def test_same_seed_same_result_whatever_the_global_state(samples):
    first, second, third = network(), network(), network()
    torch.manual_seed(1)
    one = run(first, samples, samples, seed=2)
    torch.manual_seed(99)
    two = run(second, samples, samples, seed=np.int64(2))
    other = run(third, samples, samples, seed=3)
    assert_same(first, second)
    assert dict(one) == dict(two)
    assert differ(first, third)
    assert dict(one) != dict(other)


def test_global_generators_are_left_alone(samples):
    def states():
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002

    before = states()
    run(network(), samples, TensorDataset(*samples), epochs=2)
    run(network(), DataLoader(TensorDataset(*samples), BATCH, shuffle=True), epochs=2)
    assert states() == before
    with pytest.raises(ZeroDivisionError):
        run(network(), samples, callbacks=[lambda state: 1 / 0])
    assert states() == before


def test_shuffling_gives_each_sample_once_an_epoch_in_a_new_order():
    seen = []

    class Spy(torch.nn.Linear):
        def forward(self, inputs):
            seen.extend(inputs[:, 0].int().tolist())
            return super().forward(inputs)

    numbers = torch.arange(50.0)[:, None]
    run(Spy(1, 2), (numbers, torch.zeros(50, dtype=torch.int64)), epochs=3, optimiser=sgd(0.0))
    epochs = [seen[start : start + 50] for start in (0, 50, 100)]
    assert len(seen) == 150
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs} | {tuple(range(50))}) == 4


@pytest.mark.parametrize("training", [True, False])
def test_modes_come_back(samples, training):
    model = network().train(training)
    during = []
    model.register_forward_pre_hook(lambda module, _inputs: during.append(module[3].training))
    run(model, samples, samples, epochs=1)
    assert during == [True] * 5 + [False] * 5
    assert all(module.training is training for module in model.modules())
    with pytest.raises(ZeroDivisionError):
        run(model, samples, callbacks=[lambda state: 1 / 0])
    assert all(module.training is training for module in model.modules())


def test_a_frozen_part_stays_frozen(samples):
    model = network()
    model[0].requires_grad_(False)
    model[1].eval()
    model[1].requires_grad_(False)
    before = copy.deepcopy(model)
    run(model, samples, samples, epochs=2)
    assert_same(model[:2], before[:2])
    assert differ(model[4], before[4])
    assert model.training
    assert not model[1].training


# --- Three kinds of data, one result --------------------------------------------------------------


class Listed(Dataset):
    """A dataset of NumPy arrays and Python integers, as students write them."""

    def __init__(self, inputs, targets):
        self.inputs, self.targets = inputs.numpy(), targets.tolist()

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        return self.inputs[i], self.targets[i]


class Replayed(torch.utils.data.Sampler):
    """The order that `fit` documents: a permutation an epoch from a generator with its seed."""

    def __init__(self, n, seed):
        self.n, self.generator = n, torch.Generator().manual_seed(seed)

    def __len__(self):
        return self.n

    def __iter__(self):
        return iter(torch.randperm(self.n, generator=self.generator).tolist())


@pytest.mark.filterwarnings("error")  # torch warns about read-only arrays
def test_tensors_arrays_datasets_and_loaders_give_the_same(samples):
    inputs, targets = samples
    read_only = inputs.numpy().astype(np.float64)
    read_only.flags.writeable = False
    loader = DataLoader(Listed(*samples), BATCH, sampler=Replayed(SAMPLES, 4))
    sources = {
        "tensors": samples,
        "list": [inputs, targets],
        "arrays": (read_only, targets.numpy().astype(np.int32)),
        "negative strides": (
            np.ascontiguousarray(inputs.numpy()[::-1])[::-1],
            targets.numpy().astype(np.uint8),
        ),
        "TensorDataset": TensorDataset(*samples),
        "Dataset": Listed(*samples),
    }
    expected = network()
    reference = run(expected, samples, samples, seed=4, epochs=3)
    for name, source in sources.items():
        model = network()
        history = run(model, source, source, seed=4, epochs=3)
        assert_same(model, expected)
        assert dict(history) == dict(reference), name
    # A loader draws a seed an epoch from the global generator, so dropout must be off to compare.
    expected, model = network(0.0), network(0.0)
    reference = run(expected, samples, samples, seed=4, epochs=3)
    history = run(model, loader, DataLoader(TensorDataset(*samples), BATCH), seed=0, epochs=3)
    assert_same(model, expected)
    assert dict(history) == dict(reference)


def test_a_set_of_cvlab_is_read_channels_first():
    digits, _ = data.digits().split(0.1, 0.9, seed=0)
    shapes = []

    class Spy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(64, 10)

        def forward(self, images):
            shapes.append(tuple(images.shape))
            return self.linear(images.flatten(1))

    history = run(Spy(), digits, batch_size=100, epochs=1)
    assert shapes == [(100, 1, 8, 8), (80, 1, 8, 8)]
    assert history.epochs == 1


def test_a_stream_without_length_is_trained_from_a_loader(samples):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(zip(*samples, strict=True))

    expected, model = network(0.0), network(0.0)
    run(expected, DataLoader(TensorDataset(*samples), BATCH), epochs=2)
    run(model, DataLoader(Stream(), BATCH), epochs=2, progress=True)
    assert_same(model, expected)
    with pytest.raises(TypeError, match="must be a pair"):
        run(network(), Stream())


def test_one_sample_and_a_batch_larger_than_the_data(samples):
    few = samples[0][:3], samples[1][:3]
    one, two = network(), network()
    first = run(one, few, batch_size=1000, epochs=3)
    second = run(two, few, batch_size=3, epochs=3)
    assert_same(one, two)
    assert dict(first) == dict(second)
    single = torch.nn.Linear(FEATURES, CLASSES)
    history = run(single, (samples[0][:1], samples[1][:1]), epochs=100, optimiser=sgd(1.0))
    assert history.last("train loss") < 0.02
    assert history["train accuracy"][-1] == 1.0


def test_segmentation_shapes_get_pixel_accuracy():
    images = torch.rand(6, 1, 4, 4)
    masks = (images[:, 0] > 0.5).int()
    history = run(torch.nn.Conv2d(1, 2, 1), (images, masks), epochs=2)
    assert list(history) == ["train loss", "train accuracy"]


# --- History, metrics, callbacks, schedule --------------------------------------------------------


def test_history(samples):
    history = run(network(), samples, samples, epochs=3)
    names = ["train loss", "train accuracy", "validation loss", "validation accuracy"]
    assert list(history) == names
    assert all(len(history[name]) == 3 for name in names)
    assert all(type(value) is float for name in names for value in history[name])
    assert history.epochs == 3
    assert history.seconds > 0
    assert not history.stopped_early
    assert history.best_epoch == 1 + int(np.argmin(history["validation loss"]))
    assert history.last("train loss") == history["train loss"][-1]
    again = pickle.loads(pickle.dumps(history))
    assert (dict(again), again.seconds) == (dict(history), history.seconds)
    assert len(plot.curves(history, x_label="epoch", y_label="value").axes[0].lines) == 4
    with pytest.raises(ValueError, match="nothing was measured as 'test loss'"):
        history.last("test loss")


def test_empty_history():
    history = History()
    assert (history.epochs, history.best_epoch, history.stopped_early) == (0, None, False)
    assert str(history) == "0 epochs: nothing measured"
    with pytest.raises(ValueError, match="nothing was measured"):
        history.last("train loss")


def test_best_epoch_without_validation_and_with_a_tie(samples):
    assert run(network(), samples, epochs=1).best_epoch is None
    assert History({"validation loss": [3.0, 1.0, 2.0, 1.0]}).best_epoch == 2


def test_own_metrics_are_weighted_by_batch_size(samples):
    def first_output(outputs, targets):
        assert not torch.is_grad_enabled()
        return outputs[:, 0].mean()  # a tensor of one element is a number too

    model = network()
    history = run(
        model,
        samples,
        samples,
        epochs=1,
        metrics={"first": first_output, "size": lambda o, t: len(t)},
    )
    model.eval()
    with torch.no_grad():
        expected = model(samples[0])[:, 0].mean().item()
    assert history.last("validation first") == pytest.approx(expected, abs=1e-6)
    assert history.last("train size") == pytest.approx((4 * 16 * 16 + 6 * 6) / 70)
    assert "train accuracy" not in history
    assert list(run(network(), samples, epochs=1, metrics={})) == ["train loss"]


@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        (1, torch.ones(8, 1)),  # regression
        (3, torch.ones(8)),  # one real number against three outputs
        (3, torch.ones(8, 3)),  # soft targets
        (3, torch.ones(8, 3, dtype=torch.int64)),  # several labels a sample
    ],
)
def test_no_accuracy_where_targets_are_no_class_indices(outputs, targets):
    def loss(scores, truth):
        return (scores.mean() - truth.float().mean()) ** 2

    history = run(torch.nn.Linear(FEATURES, outputs), (X, targets), loss=loss, epochs=1)
    assert list(history) == ["train loss"]


def test_accuracy_against_a_loop():
    rng = np.random.default_rng(5)
    scores, targets = rng.normal(size=(40, 4)), rng.integers(0, 4, 40)
    right = sum(
        max(range(4), key=row.__getitem__) == t for row, t in zip(scores, targets, strict=True)
    )
    found = accuracy(torch.tensor(scores), torch.tensor(targets))
    assert found == pytest.approx(right / 40)
    with pytest.raises(ValueError, match=r"\(40,\) and \(40,\)"):
        accuracy(torch.tensor(scores[:, 0]), torch.tensor(targets))
    with pytest.raises(ValueError, match="class indices"):
        accuracy(torch.tensor(scores), torch.tensor(targets[:39]))


def test_callbacks_see_each_epoch(samples):
    seen = []

    def watch(state: State):
        assert not state.model.training
        assert state.history.epochs == state.epoch
        assert len(state.history["validation loss"]) == state.epoch
        seen.append((state.epoch, state.optimiser.param_groups[0]["lr"]))

    run(network(), samples, samples, epochs=3, callbacks=[watch], optimiser=sgd(0.25))
    assert seen == [(1, 0.25), (2, 0.25), (3, 0.25)]


def test_a_callback_stops_and_all_of_them_run(samples):
    calls = []
    callbacks = (
        lambda state: state.epoch == 2,
        lambda state: calls.append(state.epoch),
    )
    history = run(network(), samples, epochs=9, callbacks=callbacks)
    assert calls == [1, 2]
    assert history.epochs == 2
    assert history.stopped_early
    assert not run(network(), samples, epochs=2, callbacks=callbacks).stopped_early


def test_a_callback_can_change_the_learning_rate(samples):
    def halt(state):
        state.optimiser.param_groups[0]["lr"] = 0.0

    one, two = network(0.0), network(0.0)
    run(one, samples, epochs=1, optimiser=sgd(0.1))
    run(two, samples, epochs=3, optimiser=sgd(0.1), callbacks=[halt])
    assert torch.equal(one[0].weight, two[0].weight)


@pytest.mark.parametrize(
    "schedule",
    [
        lambda optimiser: torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 20),
        lambda optimiser: torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.5, total_steps=20),
        lambda optimiser: torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 / (1 + step)),
    ],
)
def test_schedule_is_stepped_after_each_batch_as_torch_does(samples, schedule):
    used = []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            used.append(self.param_groups[0]["lr"])
            return super().step(closure)

    run(network(), samples, epochs=4, optimiser=lambda p: Spy(p, lr=0.3), schedule=schedule)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler, expected = schedule(optimiser), []
    for _step in range(20):
        expected.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    assert used == expected
    assert len(set(used)) == 20


# --- Early stop -----------------------------------------------------------------------------------


def worsening(losses):
    """A loss whose validation values are prescribed, one an epoch; training follows a plain one."""
    values = iter(losses)

    def loss(outputs, targets):
        plain = functional.cross_entropy(outputs, targets)
        return plain if torch.is_grad_enabled() else plain * 0 + next(values)

    return loss


@pytest.mark.parametrize(
    ("losses", "patience", "epochs", "best"),
    [
        ([3, 2, 1, 2, 3, 4], 2, 5, 3),
        ([3, 2, 1, 2, 0, 1, 1, 1], 2, 7, 5),
        ([1, 2, 3], 1, 2, 1),
        ([1, 1, 1, 1], 2, 3, 1),  # no lower loss is no progress
        ([4, 3, 2, 1, 0, 1, 2, 3], 9, 8, 5),  # the best comes back even without an early stop
    ],
)
def test_early_stop_restores_the_best_weights(samples, losses, patience, epochs, best):
    model, kept = network(), {}

    def keep(state):
        kept[state.epoch] = copy.deepcopy(state.model)

    history = run(
        model,
        samples,
        samples,
        loss=worsening(losses),
        batch_size=SAMPLES,
        epochs=len(losses),
        patience=patience,
        callbacks=[keep],
    )
    assert history["validation loss"] == losses[:epochs]
    assert (history.epochs, history.best_epoch) == (epochs, best)
    assert history.stopped_early is (epochs < len(losses))
    assert_same(model, kept[best])
    assert all(differ(kept[epoch], kept[best]) for epoch in kept if epoch != best)


def test_early_stop_on_real_overfitting_keeps_the_measured_best():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(80, 20, generator=generator)
    noisy = (inputs[:, 0] + 1.5 * torch.randn(80, generator=generator) > 0).long()
    validation = inputs[40:], noisy[40:]
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2)
        )
    history = run(
        model,
        (inputs[:40], noisy[:40]),
        validation,
        epochs=200,
        patience=5,
        optimiser=lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    )
    with torch.no_grad():
        restored = functional.cross_entropy(model(validation[0]), validation[1]).item()
    assert history.stopped_early
    assert history.epochs == history.best_epoch + 5
    assert restored == pytest.approx(min(history["validation loss"]), rel=1e-6)
    assert restored < history.last("validation loss")


def test_without_patience_the_last_weights_stay(samples):
    model, kept = network(), []
    run(
        model,
        samples,
        samples,
        loss=worsening([1, 2, 3]),
        epochs=3,
        batch_size=SAMPLES,
        callbacks=[lambda state: kept.append(copy.deepcopy(state.model))],
    )
    assert_same(model, kept[-1])


# --- What must be refused -------------------------------------------------------------------------


def test_diverging_loss_stops_before_the_parameters_are_spoilt():
    inputs = torch.linspace(-1, 1, 40)[:, None]
    model = torch.nn.Linear(1, 1)
    with pytest.raises(
        FloatingPointError,
        match=r"^train loss in epoch \d+, batch [123] is (inf|nan): try a lower learning rate",
    ):
        run(
            model,
            (inputs, 3 * inputs),
            loss=functional.mse_loss,
            optimiser=sgd(1e8),
            epochs=50,
        )
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_not_finite_batch_and_validation_are_named(samples):
    inputs, targets = samples
    broken = inputs.clone()
    broken[20] = float("nan")  # in the second batch
    with pytest.raises(FloatingPointError, match=r"epoch 1, batch 2 is nan: the inputs of this"):
        run(network(), DataLoader(TensorDataset(broken, targets), BATCH))
    with pytest.raises(FloatingPointError, match="validation loss after epoch 1, batch 2, is nan"):
        run(network(), samples, DataLoader(TensorDataset(broken, targets), BATCH))


X, Y = torch.zeros(8, FEATURES), torch.zeros(8, dtype=torch.int64)
NAN = X.clone()
NAN[2:4, 0] = float("nan")


@pytest.mark.parametrize(
    ("train", "kind", "sentence"),
    [
        ((X[:0], Y[:0]), ValueError, "train holds no samples"),
        (TensorDataset(X[:0], Y[:0]), ValueError, "train holds no samples"),
        (DataLoader(TensorDataset(X, Y), 9, drop_last=True), ValueError, "train gave no batch"),
        ((NAN, Y), ValueError, "train inputs hold NaN or infinite values in 2 of 8 samples"),
        ((NAN.numpy(), Y), ValueError, "train inputs hold NaN"),
        ((X, torch.full((8,), float("inf"))), ValueError, "train targets hold NaN or infinite"),
        ((X, Y[:7]), ValueError, "8 inputs but 7 targets"),
        ((X[:, :4], Y), ValueError, r"the model does not take inputs \(8, 4\) float32"),
        ((X.long(), Y), ValueError, r"the model does not take inputs \(8, 5\) int64"),
        ((X, Y[:, None]), ValueError, r"loss does not take outputs \(8, 3\) float32 and targets"),
        ((X, Y + 3), ValueError, "loss does not take .* out of bounds"),
        ((X, Y - 1), ValueError, "loss does not take .* out of bounds"),
        ((X, Y.float()), ValueError, "loss does not take"),
        ((X.byte(), Y), TypeError, "train inputs are uint8; convert pixels to floats"),
        ((np.array(["a"] * 8), Y), TypeError, "train inputs must be an array of numbers"),
        (([[1.0], [1.0, 2.0]], Y[:2]), TypeError, "train inputs must be an array of numbers"),
        ((3.0, Y), TypeError, "train inputs must be an array or a tensor, not float"),
        ((torch.tensor(1.0), Y), ValueError, "samples along a first axis"),
        ((X, Y, Y), TypeError, r"pair \(inputs, targets\), not 3 parts"),
        (X, TypeError, "each batch of train must be a pair"),
        (7, TypeError, "train must be a pair .* or a DataLoader, not int"),
        ((TensorDataset(X, Y), TensorDataset(X, Y)), TypeError, "not TensorDataset"),
        (TensorDataset(X), TypeError, "each batch of train must be a pair"),
        ([(x, 0) for x in X], TypeError, "not 8 parts"),
        (
            DataLoader(TensorDataset(X, Y), 4, collate_fn=lambda batch: (X, Y[:3])),
            ValueError,
            r"a batch of train has inputs \(8, 5\) but targets \(3,\)",
        ),
    ],
)
def test_bad_data_is_refused_in_one_sentence(train, kind, sentence):
    model = network()
    with pytest.raises(kind, match=sentence) as caught:
        run(model, train, epochs=1)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    with pytest.raises(kind, match=sentence.replace("train", "validation")):
        run(model, (X, Y), train, epochs=1)


def test_samples_that_do_not_stack_are_refused():
    class Ragged(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return torch.zeros(FEATURES + i), 0

    with pytest.raises(ValueError, match=r"do not stack into a batch .* give them one shape"):
        run(network(), Ragged())


@pytest.mark.parametrize(
    ("options", "kind", "sentence"),
    [
        ({"epochs": 0}, ValueError, "epochs must be at least 1, not 0"),
        ({"epochs": 2.5}, TypeError, "epochs must be an integer, not float"),
        ({"epochs": True}, TypeError, "epochs must be an integer, not bool"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"batch_size": None}, TypeError, "batch_size must be an integer"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"seed": None}, TypeError, "seed must be an integer"),
        ({"patience": 2}, ValueError, "give a validation set"),
        ({"validation": (X, Y), "patience": 0}, ValueError, "patience must be at least 1"),
        ({"loss": "mse"}, TypeError, "loss must be a function"),
        ({"loss": lambda o, t: o.sum(1)}, ValueError, r"one number a batch.* shape \(8,\)"),
        ({"loss": lambda o, t: 1.0}, ValueError, "one number a batch.* is float"),
        ({"loss": lambda o, t: o.detach().sum()}, ValueError, "was it detached"),
        ({"metrics": accuracy}, TypeError, "metrics must map names"),
        ({"metrics": {"loss": accuracy}}, ValueError, "not be called 'loss'"),
        ({"metrics": {"a": 3}}, ValueError, "metric 'a' must be a function"),
        ({"metrics": {"a": lambda o, t: o}}, TypeError, "metric 'a' must return one number"),
        ({"metrics": {"a": lambda o, t: None}}, TypeError, "one number, not NoneType"),
        ({"callbacks": print}, TypeError, "callbacks must be a list of functions"),
        ({"callbacks": [3]}, TypeError, "callbacks must be a list of functions"),
        ({"optimiser": torch.optim.SGD([torch.nn.Parameter(X)], lr=1)}, TypeError, "got SGD"),
        ({"optimiser": lambda p: None}, TypeError, "got NoneType"),
        ({"schedule": 0.1}, TypeError, "schedule must be a function .* got float"),
        ({"schedule": lambda o: None}, TypeError, "got NoneType"),
        (
            {"schedule": torch.optim.lr_scheduler.ReduceLROnPlateau},
            TypeError,
            "without a measurement; got ReduceLROnPlateau",
        ),
        ({"device": "a toaster"}, ValueError, "device 'a toaster' cannot be used"),
        ({"device": "cuda:77"}, ValueError, "device 'cuda:77' cannot be used"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(options, kind, sentence):
    with pytest.raises(kind, match=sentence) as caught:
        run(network(), (X, Y), **options)
    assert "\n" not in str(caught.value)


def test_bad_models_are_refused():
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, not function"):
        run(lambda inputs: inputs, (X, Y))
    with pytest.raises(ValueError, match="nothing to train"):
        run(torch.nn.Flatten(), (X, Y))
    with pytest.raises(ValueError, match="nothing to train"):
        run(network().requires_grad_(False), (X, Y))
    with pytest.raises(ValueError, match=r"the model does not take inputs .* more than 1 value"):
        run(network(), (X[:1], Y[:1]))  # batch norm needs two samples


def test_outputs_that_would_broadcast_against_targets_are_refused():
    model = torch.nn.Linear(FEATURES, 1)
    for loss in (functional.mse_loss, functional.l1_loss, functional.smooth_l1_loss):
        with pytest.raises(ValueError, match=r"outputs \(8, 1\) float32 and targets \(8,\)"):
            run(model, (X, torch.zeros(8)), loss=loss)


def test_an_unwritten_exercise_stays_recognisable():
    class Unwritten(torch.nn.Linear):
        def forward(self, inputs):
            raise NotImplementedError

    def unwritten(outputs, targets):
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        run(Unwritten(FEATURES, CLASSES), (X, Y))
    with pytest.raises(NotImplementedError):
        run(network(), (X, Y), loss=unwritten)


def test_refused_input_leaves_the_model_as_it_was():
    model = network()
    before = copy.deepcopy(model)
    for source in ((NAN, Y), (X[:0], Y[:0]), (X, Y[:7])):
        with pytest.raises(ValueError, match="train"):
            run(model, source)
    assert_same(model, before)


# --- Progress -------------------------------------------------------------------------------------


def test_progress_is_shown_or_silent(samples, capfd, recwarn):
    run(network(), samples, epochs=2)
    assert capfd.readouterr() == ("", "")
    history = run(network(), samples, samples, epochs=2, progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "epoch 2/2: 100%" in shown.err
    assert f"validation loss {history.last('validation loss'):.3g}" in shown.err
    run(network(), samples, epochs=5, progress=True, callbacks=[lambda state: True])
    assert "100%" in capfd.readouterr().err.splitlines()[-1].split("\r")[-1]
    assert [str(warning.message) for warning in recwarn] == []


def test_progress_in_the_built_book_is_one_repeatable_line(samples, capfd, monkeypatch):
    monkeypatch.setenv("CVLAB_STATIC", "1")
    history = run(network(), samples, samples, epochs=2, progress=True)
    again = run(network(), samples, samples, epochs=2, progress=True)
    shown = capfd.readouterr()
    assert shown.err == ""
    assert shown.out == f"{history}\n{again}\n"
    assert str(history) == str(again)
    assert "(best: 2): train loss" in str(history)
    run(network(), samples, epochs=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("widgets", [True, False])
def test_progress_never_warns_in_a_notebook(widgets):
    code = f"""
import sys, types
if not {widgets}:
    sys.modules["ipywidgets"] = None
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance()
sys.modules["ipykernel.zmqshell"] = types.ModuleType("ipykernel.zmqshell")
from cvlab.train import History
from cvlab.train.progress import progress_bar
with progress_bar(2, [1, 2, 3], History(), True) as bar:
    bar.update(4)
import tqdm.notebook
print(isinstance(bar, tqdm.notebook.tqdm_notebook))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert done.stdout.split()[-1] == str(widgets)


def test_no_bar_warns_about_widgets_that_are_missing_unless_silenced():
    """The test above can fail: tqdm alone does warn."""
    code = """
import sys, types
sys.modules["ipywidgets"] = None
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance()
sys.modules["ipykernel.zmqshell"] = types.ModuleType("ipykernel.zmqshell")
import tqdm.auto
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "TqdmWarning" in done.stderr


@pytest.mark.parametrize("module", [history, loop, measures])
def test_doctests(module):
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_what_the_package_gives():
    assert set(train.__all__) == {"History", "State", "accuracy", "fit"}
    assert train.fit is fit
    assert train.accuracy is accuracy
    with pytest.raises(AttributeError, match=r"module 'cvlab.train' has no attribute 'fitt'"):
        train.fitt  # noqa: B018


def test_import_is_light():
    code = "import sys, cvlab.train; print(' '.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"torch", "torchvision", "cv2", "sklearn", "skimage", "scipy", "tqdm", "matplotlib"}
    assert not heavy & set(loaded)
