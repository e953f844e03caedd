"""Time of training: cvlab.train.fit against the same loop written in bare torch.

Run ``python tests/benchmarks/bench_train.py [--repeats 15] [--bar]``. Both train the same network
on the same tensors in the same order and end with the same parameters, which is asserted. They
alternate in this process, each first in every other repeat, so that a busy machine slows both. The
bare loop measures what fit measures: the mean loss and accuracy, and whether the loss is finite.
The table gives medians, the extremes, and the median of the ratios of neighbouring runs; the target
is a ratio of at most 1.05. The last column compares with a loop that measures nothing but trains.
"""

import argparse
import copy
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from cvlab.train import fit

TARGET = 1.05
BATCH = 64
EPOCHS = 3


def perceptron() -> tuple[torch.nn.Module, torch.Tensor]:
    """The smallest step of the course: 64 features, one hidden layer; overhead weighs most."""
    layers = torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    return torch.nn.Sequential(*layers), torch.rand(8192, 64)


def convolutional() -> tuple[torch.nn.Module, torch.Tensor]:
    """A network for 32 x 32 colour images, as the chapters train it."""
    layers = (
        torch.nn.Conv2d(3, 16, 3, padding=1),
        torch.nn.BatchNorm2d(16),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(4),
        torch.nn.Conv2d(16, 32, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(32, 10),
    )
    return torch.nn.Sequential(*layers), torch.rand(1024, 3, 32, 32)


def bare(model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor, measure: bool):
    """Some epochs in plain torch, with the measurements that fit makes or without any."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    history = []
    for _epoch in range(EPOCHS):
        total = right = 0.0
        for chosen in torch.randperm(len(inputs), generator=generator).split(BATCH):
            batch, truth = inputs[chosen], targets[chosen]
            outputs = model(batch)
            loss = functional.cross_entropy(outputs, truth)
            if measure:
                number = loss.item()
                if not math.isfinite(number):
                    raise FloatingPointError("the loss is not finite.")
                total += len(chosen) * number
                with torch.no_grad():
                    mean = (outputs.argmax(dim=1) == truth).float().mean().item()
                    right += len(chosen) * mean
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        history.append((total / len(inputs), right / len(inputs)))
    return history


def seconds(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(
    make: Callable[[], tuple[torch.nn.Module, torch.Tensor]], repeats: int, bar: bool
) -> dict[str, list[float]]:
    """Seconds of each repeat of ``fit``, ``bare`` and ``silent``, the loop without measurements."""
    torch.manual_seed(0)
    start, inputs = make()
    targets = torch.randint(10, (len(inputs),))
    times: dict[str, list[float]] = {"fit": [], "bare": [], "silent": []}
    for repeat in range(repeats + 1):
        models = {name: copy.deepcopy(start) for name in times}
        work = {
            "fit": lambda m=models["fit"]: fit(
                m, (inputs, targets), epochs=EPOCHS, batch_size=BATCH, device="cpu", progress=bar
            ),
            "bare": lambda m=models["bare"]: bare(m, inputs, targets, measure=True),
            "silent": lambda m=models["silent"]: bare(m, inputs, targets, measure=False),
        }
        measured = {name: seconds(work[name]) for name in sorted(work, reverse=repeat % 2 == 1)}
        flat = [torch.nn.utils.parameters_to_vector(m.parameters()) for m in models.values()]
        assert all(torch.equal(flat[0], other) for other in flat[1:])
        if repeat:  # the first one pays for imports and warm caches
            for name, value in measured.items():
                times[name].append(value)
    return times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--bar", action="store_true", help="show fit's progress bar too")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{EPOCHS} epochs in batches of {BATCH}, {options.threads} thread(s), milliseconds")
    header = ("network", "fit", "range", "bare", "range", "ratio", "target", "to silent")
    row = "{:<14} {:>7} {:>15} {:>7} {:>15} {:>6} {:>6} {:>9}"
    print(row.format(*header))
    for make in (perceptron, convolutional):
        times = compare(make, options.repeats, options.bar)
        cells = [make.__name__]
        for name in ("fit", "bare"):
            values = [1000 * value for value in times[name]]
            cells += [f"{statistics.median(values):.1f}", f"{min(values):.1f}-{max(values):.1f}"]
        for name in ("bare", "silent"):
            pairs = zip(times["fit"], times[name], strict=True)
            ratio = statistics.median(ours / other for ours, other in pairs)
            cells += [f"{ratio:.3f}", f"{TARGET}"] if name == "bare" else [f"{ratio:.3f}"]
        print(row.format(*cells))


if __name__ == "__main__":
    main()
