"""Handwritten digits: scikit-learn's bundled 1,797 real images of 8 x 8 pixels, in ten classes.

Every fourth image of each class, in the order of the data set, is held out for validation, so the split is stratified
and the same for everyone. Training images are shifted by at most one pixel, at random, and batches are small: otherwise
the networks know the training set by heart before the run is over, and no schedule can make a difference.

Initial weights, batch order and shifts depend on the seed alone. Everything runs on one CPU thread and leaves no trace
in the process: not in the number of threads, not in the global random state. The same seed on the same machine gives
the same trace, bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..errors import MissingExtra
from ..torch import TorchTask

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


def _conv_net() -> nn.Module:
    """A small convolutional network with batch normalisation: 3,842 parameters."""
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
    """A multilayer perceptron without normalisation: 8,970 parameters, and pickier about its rate."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def _evaluated(model: nn.Module) -> dict[str, Tensor]:
    """Mean cross-entropy and accuracy on the images held out."""
    data = _data()
    scores = model(data.held_out)
    loss = functional.cross_entropy(scores, data.held_out_labels)
    accuracy = (scores.argmax(dim=1) == data.held_out_labels).float().mean()
    return {"val_loss": loss, "val_accuracy": accuracy}


_digits = functools.partial(
    TorchTask,
    loss=functional.cross_entropy,
    batches=lambda seed: _batches(_data(), seed),
    evaluate=_evaluated,
    objective="val_loss",
    evaluation=1,  # on one thread it takes as long as an update
    threads=1,  # sums are added in one order, and small tensors are faster
    packages=("scikit-learn",),
    batch_size=BATCH,
    updates_per_epoch=83,
)

digits = _digits(_conv_net, updates=600, name="digits")
digits_mlp = _digits(_perceptron, updates=1200, name="digits-mlp")
