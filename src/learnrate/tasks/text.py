"""Which package of the standard library do these words come from? A small Transformer that says it.

A sample is 24 words in a row of a package's source, docstrings and comments: letters alone, in lower case. There are
thirteen packages, with 320 samples each to train on and 32 to validate on. The latter are from files that are held out
(`corpus`), and none of them stands word for word in the text to train on. The 1,023 commonest words of that text are
known, any other is the same unknown one. So is a quarter of the words of a training sample, at random, other ones each
time: otherwise the model knows the samples by heart before the run is over.

The loss is in nats; it is ln 13 = 2.56 for a model that knows nothing. The text is another one in every version of
Python, so numbers can be compared within one version.

Initial weights, the order of samples and what is hidden of them depend on the seed alone, and everything runs on one
CPU thread. The same seed on the same machine gives the same trace, bit for bit.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..errors import TaskError
from ..torch import TorchTask
from .corpus import PACKAGES, joined, packages
from .transformer import Transformer

# isort: split
# after the bridge, which says what to install where torch is absent
import torch
from torch import Tensor, nn
from torch.nn import functional

WORDS = 1024
UNKNOWN = 0
HIDDEN = 0.25
"""The share of the words of a training sample that are read as unknown."""
LENGTH = 24
BATCH = 32
SAMPLES = 320
"""How many a package has to train on."""
HELD_OUT = 32
"""How many it has to validate on."""

Words = NDArray[np.int64]


class Data(NamedTuple):
    """Samples, (samples, LENGTH), as numbers of words, and the packages they are from, as places in `PACKAGES`."""

    train: Tensor
    train_classes: Tensor
    held_out: Tensor
    held_out_classes: Tensor


@functools.cache
def _data() -> Data:
    train, rest = ([_words(joined(files)) for files in side] for side in zip(*packages(), strict=True))
    numbers = _vocabulary(train)
    train_windows, rest_windows = ([_windows(words, numbers) for words in side] for side in (train, rest))
    seen = {key for windows in train_windows for key in _keys(windows)}
    held_out = []
    for windows in rest_windows:
        apart = windows[::LENGTH]
        held_out.append(apart[[key not in seen for key in _keys(apart)]])
    classes = torch.arange(len(PACKAGES))
    return Data(
        _spread(train_windows, SAMPLES),
        classes.repeat_interleave(SAMPLES),
        _spread(held_out, HELD_OUT),
        classes.repeat_interleave(HELD_OUT),
    )


def _words(text: str) -> list[str]:
    return re.findall("[a-z]+", text.lower())


def _vocabulary(texts: list[list[str]]) -> dict[str, int]:
    """The commonest words and their numbers; UNKNOWN is left for any other."""
    counts = Counter(word for words in texts for word in words)
    common = sorted(counts, key=lambda word: (-counts[word], word))
    return {word: number for number, word in enumerate(common[: WORDS - 1], 1)}


def _windows(words: list[str], numbers: dict[str, int]) -> Words:
    """Every sample that there is in a text, (samples, LENGTH)."""
    found = np.array([numbers.get(word, UNKNOWN) for word in words], dtype=np.int64)
    return sliding_window_view(found, LENGTH) if len(found) >= LENGTH else found[:0].reshape(0, LENGTH)


def _keys(windows: Words) -> list[int]:
    """A number for each window, the same for the same words; of 64 bits, so that others practically never share it."""
    powers = np.cumprod(np.full(LENGTH, 6364136223846793005, dtype=np.uint64))
    keys: list[int] = (windows.astype(np.uint64) @ powers).tolist()
    return keys


def _spread(packages: list[Words], count: int) -> Tensor:
    """So many samples of each package, from all over its text."""
    for name, found in zip(PACKAGES, packages, strict=True):
        if len(found) < count:
            rule = f"task 'text' must find {count} samples in the standard library's source of {name}"
            raise TaskError(f"{rule}, got {len(found)}; use a Python whose source is complete")
    chosen = [found[np.linspace(0, len(found) - 1, count).astype(np.int64)] for found in packages]
    return torch.from_numpy(np.concatenate(chosen))


def _batches(seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Every sample once, in random order, some words of it hidden."""
    data = _data()
    random = torch.Generator().manual_seed(seed)
    for chosen in torch.randperm(len(data.train), generator=random).split(BATCH):
        words = data.train[chosen]
        yield words.masked_fill(torch.rand(words.shape, generator=random) < HIDDEN, UNKNOWN), data.train_classes[chosen]


class Reader(Transformer):
    """A Transformer of one layer and width 32, whose places vote with their mean: 46,336 parameters."""

    def __init__(self) -> None:
        super().__init__(WORDS, LENGTH, len(PACKAGES), width=32, heads=2, layers=1, causal=False)

    def forward(self, symbols: Tensor) -> Tensor:
        """Scores of shape (batch, packages)."""
        return super().forward(symbols).mean(dim=1)


def _evaluated(model: nn.Module) -> dict[str, float]:
    """Mean cross-entropy and accuracy on the samples held out."""
    data = _data()
    scores = model(data.held_out)
    right = (scores.argmax(dim=1) == data.held_out_classes).float().mean()
    return {
        "val_loss": functional.cross_entropy(scores, data.held_out_classes).item(),
        "val_accuracy": right.item(),
    }


text = TorchTask(
    Reader,
    functional.cross_entropy,
    _batches,
    _evaluated,
    updates=260,
    name="text",
    evaluation=3,
    threads=1,
    batch_size=BATCH,
    tokens_per_update=BATCH * LENGTH,
    updates_per_epoch=len(PACKAGES) * SAMPLES // BATCH,
)
