"""CIFAR-10: 60,000 real colour images of 32 x 32 pixels in ten classes, read from a folder.

Krizhevsky, Learning multiple layers of features from tiny images, 2009. The network is the ResNet with 20 layers of He,
Zhang, Ren and Sun, Deep residual learning for image recognition, 2016, section 4.2, and so is the augmentation: four
pixels of black around, a random crop of 32 x 32, and a mirror image every other time. The test batch is held out.

Initial weights, batch order and augmentation depend on the seed alone. On the CPU everything runs on one thread, and
the same seed on the same machine gives the same trace, bit for bit. On a GPU torch's kernels decide.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import TaskError
from ..runs import Task
from ..torch import TorchTask
from . import cifar10_files
from .cifar10_files import CLASSES, Images

BATCH = 128
UPDATES = 3900
"""Ten times through the 50,000 images."""

PLACE = "LEARNRATE_DATA"
"""The environment variable that names the folder where nothing else does."""

_BORDER = 4
_CHUNK = 1000  # images evaluated at once


def cifar10(data: str | Path | None = None, *, updates: int = UPDATES, device: str | None = None) -> Task:
    """The task on the CIFAR-10 that lies in a folder.

    `data` is the folder that holds `cifar-10-batches-py`, or that folder itself; left out, it is what the environment
    variable `LEARNRATE_DATA` names. `updates` is the usual length of a run, `device` where it trains: left out, a GPU
    if torch sees one. The objective is `val_loss`; `val_accuracy` is recorded beside it.

    All images are read here and stay in memory (180 MB). The files are pickles, and are read as data: nothing in them
    is run. Raises `TaskError` that says where to get the data when it is absent, and which file is damaged.

    >>> cifar10("no/such/folder")
    Traceback (most recent call last):
    ...
    learnrate.errors.TaskError: there is no folder no/such/folder for task 'cifar10'; get cifar-10-python.tar.gz ...
    """
    folder = _folder(data)
    files = cifar10_files.read(folder)
    batch = min(BATCH, len(files.train.labels))
    spread = _spread(files.train.pixels)
    pixels, labels = torch.from_numpy(files.held_out.pixels), torch.from_numpy(files.held_out.labels)
    made = TorchTask(
        lambda: ResNet(*spread),
        _loss,
        lambda seed: _epoch(files.train, batch, seed),
        lambda model: _evaluated(model, pixels, labels),
        updates=updates,
        name="cifar10",
        evaluation=len(labels) / batch / 3,  # forward only, which is a third of an update
        device=device or ("cuda" if torch.cuda.is_available() else "cpu"),
        threads=1,
        batch_size=batch,
        updates_per_epoch=len(files.train.labels) // batch,
    )
    known = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    return _FromFolder(**known, arguments=(str(folder.resolve()), updates, device))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _FromFolder(Task):
    """A task that another process makes again from the same folder, instead of being sent the images."""

    arguments: tuple[str, int, str | None] = ("", UPDATES, None)

    def __reduce__(self) -> Any:
        return _again, self.arguments


def _again(data: str, updates: int, device: str | None) -> Task:
    return cifar10(data, updates=updates, device=device)


def _folder(data: str | Path | None) -> Path:
    given = data if data is not None else os.environ.get(PLACE)
    if not given:
        raise TaskError(
            "task 'cifar10' needs its data: name the folder, --data DIR or cifar10(data=DIR), or set the environment "
            f"variable {PLACE}; {cifar10_files.advice()}"
        )
    return Path(given).expanduser()


def _spread(pixels: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each colour, in units of the full brightness; counted exactly."""
    counts = [np.bincount(pixels[:, colour].ravel(), minlength=256) for colour in range(pixels.shape[1])]
    levels = np.arange(256) / 255
    means = [float(np.average(levels, weights=count)) for count in counts]
    variances = [
        float(np.average((levels - mean) ** 2, weights=count)) for mean, count in zip(means, counts, strict=True)
    ]
    return tuple(means), tuple(variance**0.5 or 1.0 for variance in variances)


# -- batches


def _epoch(train: Images, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Whole batches in random order, once through the images, augmented."""
    random = torch.Generator().manual_seed(seed)
    pixels, labels = torch.from_numpy(train.pixels), torch.from_numpy(train.labels)
    order = torch.randperm(len(labels), generator=random)
    for chosen in order[: len(order) - len(order) % size].split(size):
        yield _augmented(pixels[chosen], random), labels[chosen]


def _augmented(images: Tensor, random: torch.Generator) -> Tensor:
    """Every image shifted by up to four pixels each way, black coming in, and every other one mirrored."""
    many, _, height, width = images.shape
    frame = functional.pad(images, (_BORDER,) * 4)
    down, right = (torch.randint(2 * _BORDER + 1, (many, 1), generator=random) for _ in range(2))
    mirrored = torch.randint(2, (many, 1), generator=random).bool()
    across = torch.arange(width)
    rows = down + torch.arange(height)
    columns = right + torch.where(mirrored, across.flip(0), across)
    image = torch.arange(many)
    taken = frame.permute(0, 2, 3, 1)[image[:, None, None], rows[:, :, None], columns[:, None, :]]
    return taken.permute(0, 3, 1, 2)


# -- network


class ResNet(nn.Module):
    """The ResNet-20 for small images: 269,722 parameters. It takes images of shape (n, 3, 32, 32) as uint8."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).reshape(1, -1, 1, 1))
        blocks = [_Block(16, 16) for _ in range(3)]
        for width in (32, 64):
            blocks += [_Block(width // 2, width), _Block(width, width), _Block(width, width)]
        self.stem = _convolution(3, 16)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(64, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the ten classes."""
        x = (images / 255 - self.mean) / self.deviation
        x = self.blocks(functional.relu(self.stem(x)))
        return self.head(x.mean(dim=(2, 3)))


class _Block(nn.Module):
    """Two convolutions and a way past them; where the width doubles, the way past takes every second pixel."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.stride, self.new = width // given, width - given
        self.first = _convolution(given, width, self.stride)
        self.second = _convolution(width, width)

    def forward(self, x: Tensor) -> Tensor:
        past = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
        return functional.relu(past + self.second(functional.relu(self.first(x))))


def _convolution(given: int, width: int, stride: int = 1) -> nn.Sequential:
    """Three by three pixels, normalised over the batch."""
    return nn.Sequential(nn.Conv2d(given, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width))


def _loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    images, labels = batch
    return functional.cross_entropy(model(images), labels)


def _evaluated(model: nn.Module, pixels: Tensor, labels: Tensor) -> dict[str, float]:
    """Mean cross-entropy and accuracy on the images held out."""
    device = next(model.parameters()).device
    scores = torch.cat([model(chunk.to(device)).float() for chunk in pixels.split(_CHUNK)])
    known = labels.to(device)
    hits = (scores.argmax(dim=1) == known).float().mean()
    return {"val_loss": float(functional.cross_entropy(scores, known)), "val_accuracy": float(hits)}
