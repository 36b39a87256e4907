"""A small GPT that reads the source of the standard library, character by character.

Training windows begin anywhere in the files to train on; the validation loss is measured on windows at fixed places of
files that are held out (`corpus`). Its unit is nats per character: ln 96 = 4.56 for a model that knows nothing. The
text is another one in every version of Python, so numbers can be compared within one version.

Initial weights and windows depend on the seed alone, and everything runs on one CPU thread. The same seed on the same
machine gives the same trace, bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..torch import TorchTask
from .corpus import joined, packages
from .transformer import Transformer

# isort: split
# after the bridge, which says what to install where torch is absent
import torch
from torch import Tensor, nn
from torch.nn import functional

ALPHABET = "\n" + "".join(map(chr, range(32, 127)))
"""Every character that the model knows; any other one is read as a question mark."""

LENGTH = 32
BATCH = 8
HELD_OUT = 128
"""How many windows the validation loss is measured on."""


class Data(NamedTuple):
    """The text to train on, (characters,), and the windows held out, (windows, LENGTH + 1), as places in `ALPHABET`."""

    train: Tensor
    held_out: Tensor


@functools.cache
def _data() -> Data:
    found = packages()
    train, rest = (_read("\n".join(map(joined, sides))) for sides in zip(*found, strict=True))
    places = torch.from_numpy(np.linspace(0, len(rest) - LENGTH - 1, HELD_OUT).astype(np.int64))
    return Data(train, _windows(rest, places))


def _read(text: str) -> Tensor:
    table = np.full(128, ALPHABET.index("?"), dtype=np.int64)
    table[[ord(sign) for sign in ALPHABET]] = range(len(ALPHABET))
    return torch.from_numpy(table[np.frombuffer(text.encode("ascii", "replace"), dtype=np.uint8)])


def _windows(text: Tensor, places: Tensor) -> Tensor:
    """One character more than the model reads: what comes next is known for every one of them."""
    return text[places[:, None] + torch.arange(LENGTH + 1)]


def _batches(seed: int) -> Iterator[Tensor]:
    """Windows from anywhere, without end."""
    text = _data().train
    random = torch.Generator().manual_seed(seed)
    while True:
        yield _windows(text, torch.randint(len(text) - LENGTH, (BATCH,), generator=random))


def _gpt() -> Transformer:
    """A causal Transformer of two layers and width 32: 31,904 parameters."""
    return Transformer(len(ALPHABET), LENGTH, len(ALPHABET), width=32, heads=2, layers=2, causal=True)


def _loss(model: nn.Module, windows: Tensor) -> Tensor:
    """The mean cross-entropy of the next character, in nats."""
    scores = model(windows[:, :-1])
    return functional.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())


def _evaluated(model: nn.Module) -> dict[str, float]:
    return {"val_loss": _loss(model, _data().held_out).item()}


charlm = TorchTask(
    _gpt,
    _loss,
    _batches,
    _evaluated,
    updates=300,
    name="charlm",
    evaluation=2,
    threads=1,
    batch_size=BATCH,
    tokens_per_update=BATCH * LENGTH,
)
