"""The batches of a `TorchTask`, and the place among them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from .parts import Parts, described
from .streams import Source, Stream, mixed

_NONE = object()
_PLAIN: tuple[type, ...] = (type(iter([])), type(iter(())))


class Batches:
    """The batches of a run: pass after pass, each made from the run's seed and its own number.

    So the same seed gives the same batches under every policy, and a place among them is two numbers.
    """

    def __init__(self, parts: Parts, seed: int, found: Mapping[str, Source]) -> None:
        self._parts, self._seed, self._sources = parts, seed, found
        self._pass = -1
        self._taken = 0
        self._left: Iterator[Any] = iter(())
        self._stream = Stream(found, seed)

    def take(self) -> Any:
        """The next batch, of a new pass where this one has come to its end."""
        batch = self._next()
        if batch is _NONE:
            self._begin(self._pass + 1)
            batch = self._next()
            if batch is _NONE:
                raise self._parts.refuse("batches gave no batch in a whole pass; it must give at least one")
        self._taken += 1
        device = self._parts.device
        return batch if device is None else _moved(batch, device)

    def _next(self) -> Any:
        if type(self._left) in _PLAIN:  # no code of anyone's runs, so nothing can be drawn
            return next(self._left, _NONE)
        with self._stream:
            return next(self._left, _NONE)

    def place(self) -> list[int]:
        """The pass, and the batches taken from it."""
        return [self._pass, self._taken]

    def go_to(self, number: int, taken: int) -> None:
        """To a place: the batches before it in its pass are made and dropped."""
        if number < 0:
            return
        self._begin(number)
        with self._stream:
            for _ in itertools.islice(self._left, taken):
                pass
        self._taken = taken

    def _begin(self, number: int) -> None:
        """Start a pass; the first one has the run's own seed."""
        self._pass, self._taken = number, 0
        seed = mixed(self._seed, number + 1)
        given = self._parts.batches
        own = {} if callable(given) else _generators(given, number)
        self._stream = Stream({**self._sources, **own}, seed)
        with self._stream:
            made = given(seed if number else self._seed) if callable(given) else given
            if not isinstance(made, Iterable) or isinstance(made, (str, bytes, Mapping, Tensor)):
                raise self._parts.refuse(f"batches(seed) must return an iterable of batches, got {described(made)}")
            self._left = iter(_apart(made))


def _apart(loader: Any) -> Any:
    """A loader whose workers outlive a pass has one iterator for all who use it: each pass gets a loader of its own.

    Its workers are then new in every pass, and draw the same numbers in a run that goes on from a snapshot.
    """
    if not (isinstance(loader, DataLoader) and loader.persistent_workers):
        return loader
    own = copy.copy(loader)
    own._iterator = None
    return own


def _generators(loader: Any, number: int) -> dict[str, Source]:
    """The generators that a loader itself holds; several runs may share it, so each puts them where it was."""
    samplers = [getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None)]
    found: dict[int, Source] = {}
    for holder in (loader, *samplers):
        generator = getattr(holder, "generator", None)
        if isinstance(generator, torch.Generator):
            found[id(generator)] = generator
        if hasattr(holder, "set_epoch"):
            holder.set_epoch(number)
    return {f"own {index}": source for index, source in enumerate(found.values())}


def _moved(value: Any, device: torch.device) -> Any:
    """A batch on a device, whatever it is made of."""
    if hasattr(value, "to"):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: _moved(item, device) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_moved(item, device) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(_moved(item, device) for item in value)
    return value
