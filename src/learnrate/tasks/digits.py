"""Handwritten digits: scikit-learn's bundled 1,797 real images of 8 x 8 pixels, in ten classes.

Every fourth image of each class, in the order of the data set, is held out for validation, so the split is stratified
and the same for everyone. Training images are shifted by at most one pixel, at random, and batches are small: otherwise
the networks know the training set by heart before the run is over, and no schedule can make a difference.

Initial weights, batch order and shifts depend on the seed alone. Everything runs on one CPU thread and leaves no trace
in the process: not in the number of threads, not in the global random state. The same seed on the same machine gives
the same trace, bit for bit.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..errors import MissingExtra
from ..policy import Policy
from ..runs import Loop, task
from ..torch import build

try:
    from sklearn.datasets import load_digits
except ModuleNotFoundError as missing:
    if missing.name != "sklearn":
        raise
    raise MissingExtra("scikit-learn", "tasks") from missing

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCH = 16
EVALUATIONS = 10
"""How often a run is evaluated unasked; the feedback rule of a policy hears of these, and of no others."""

_digits = functools.partial(
    task,
    objective="val_loss",
    mode="min",
    evaluation=1,  # on one thread it takes as long as an update
    packages=("torch", "scikit-learn"),
    batch_size=BATCH,
    updates_per_epoch=83,
)


@_digits(updates=600)
def digits(policy: Policy, seed: int, updates: int) -> Loop:
    """A small convolutional network with batch normalisation: 3,842 parameters."""
    return _train(_conv_net, policy, seed, updates)


@_digits(updates=1200, name="digits-mlp")
def digits_mlp(policy: Policy, seed: int, updates: int) -> Loop:
    """A multilayer perceptron without normalisation: 8,970 parameters, and pickier about its rate."""
    return _train(_perceptron, policy, seed, updates)


def _train(network: Callable[[], nn.Module], policy: Policy, seed: int, updates: int) -> Loop:
    data = _data()
    with _one_thread():
        model = _initialised(network, seed)
        optimizer, scheduler = build(policy, model)
    batches = _batches(data, seed)
    every = max(1, round(updates / EVALUATIONS))
    for t in range(updates):
        with _one_thread():
            images, labels = next(batches)

            def loss(images: Tensor = images, labels: Tensor = labels) -> float:
                optimizer.zero_grad()
                error = functional.cross_entropy(model(images), labels)
                error.backward()
                return error.item()

            rate = scheduler.get_last_lr()[0]
            before = optimizer.step(loss)  # as a closure, which L-BFGS needs and the others take
            scheduler.step()
        request = yield {"loss": before, "rate": rate}
        due = (t + 1) % every == 0 or t + 1 == updates
        if due or request == "evaluate":
            values = _evaluated(model, data)
            if due and policy.feedback is not None:
                scheduler.observe(values["val_loss"])
            yield values


class Data(NamedTuple):
    """Normalised images and their classes; `train` holds every image in nine places: (9, images, 1, 8, 8)."""

    train: Tensor
    train_labels: Tensor
    held_out: Tensor
    held_out_labels: Tensor


@functools.cache
def _data() -> Data:
    images, classes = load_digits(return_X_y=True)
    held_out = np.zeros(len(classes), dtype=bool)
    for digit in range(10):
        held_out[np.flatnonzero(classes == digit)[::4]] = True
    pixels = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8)
    labels = torch.tensor(classes, dtype=torch.int64)
    train, rest = pixels[~held_out], pixels[held_out]
    mean, deviation = train.mean(), train.std()
    frame = functional.pad(train, (1, 1, 1, 1))
    places = torch.stack([frame[:, :, row : row + 8, column : column + 8] for row in range(3) for column in range(3)])
    return Data((places - mean) / deviation, labels[~held_out], (rest - mean) / deviation, labels[held_out])


def _batches(data: Data, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Epochs of whole batches in random order, every image in one of its nine places."""
    places, images = data.train.shape[:2]
    random = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(images, generator=random)
        for chosen in order[: images - images % BATCH].split(BATCH):
            place = torch.randint(places, (BATCH,), generator=random)
            yield data.train[place, chosen], data.train_labels[chosen]


def _initialised(network: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network whose weights depend on the seed alone; torch draws them from its global state, which is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return network()


def _conv_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )


def _perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def _evaluated(model: nn.Module, data: Data) -> dict[str, float]:
    """Mean cross-entropy and accuracy on the images held out."""
    model.eval()
    with _one_thread(), torch.no_grad():
        scores = model(data.held_out)
        loss = functional.cross_entropy(scores, data.held_out_labels)
        accuracy = (scores.argmax(dim=1) == data.held_out_labels).float().mean()
    model.train()
    return {"val_loss": float(loss), "val_accuracy": float(accuracy)}


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread inside: sums are added in one order, and small tensors are faster."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
