"""Random numbers of a run's own, drawn from generators that belong to the whole process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import torch

from ..errors import StateError


class Source(Protocol):
    """A generator of random numbers: torch's own, or one of a device."""

    def get_state(self) -> torch.Tensor:
        """Where it is."""

    def set_state(self, state: torch.Tensor) -> Any:
        """Go there."""

    def manual_seed(self, seed: int) -> Any:
        """Start anew."""


class _Device:
    """The random numbers of an accelerator, which torch gives no generator for before its first use."""

    def __init__(self, device: torch.device) -> None:
        self._module = torch.get_device_module(device)
        self._where = () if device.type == "mps" else (device,)

    def get_state(self) -> torch.Tensor:
        state: torch.Tensor = self._module.get_rng_state(*self._where)
        return state

    def set_state(self, state: torch.Tensor) -> None:
        self._module.set_rng_state(state, *self._where)

    def manual_seed(self, seed: int) -> None:
        """Of this device, which need not be the current one."""
        if not self._where:
            self._module.manual_seed(seed)
            return
        with self._module.device(*self._where):
            self._module.manual_seed(seed)


def sources(devices: Iterable[torch.device]) -> dict[str, Source]:
    """The generators of the process that training on these devices draws from, by name."""
    found: dict[str, Source] = {"cpu": torch.default_generator}
    for device in devices:
        if device.type not in ("cpu", "meta"):
            found[str(device)] = _Device(device)
    return found


def mixed(seed: int, number: int) -> int:
    """Another seed: 0 is what dropout draws from, the others belong to the passes."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


class Surroundings:
    """Inside `with`: gradients, and the task's number of CPU threads, another of which adds sums in another order."""

    def __init__(self, threads: int | None) -> None:
        self._threads = threads
        self._outer = 0
        self._gradients = True

    def __enter__(self) -> None:
        self._outer, self._gradients = torch.get_num_threads(), torch.is_grad_enabled()
        if self._threads is not None and self._threads != self._outer:
            torch.set_num_threads(self._threads)
        if not self._gradients:
            torch.set_grad_enabled(True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if torch.get_num_threads() != self._outer:
            torch.set_num_threads(self._outer)
        if not self._gradients:
            torch.set_grad_enabled(False)


class Stream:
    """Inside `with stream:` the sources go on where this stream was; outside they are where they were.

    A stream that `returns` starts at the same place every time.
    """

    def __init__(self, found: Mapping[str, Source], seed: int, *, returns: bool = False) -> None:
        self._sources = list(found.values())
        self._names = list(found)
        self._returns = returns
        self._outer: list[torch.Tensor] = []
        self._inner: list[torch.Tensor] = []
        for source in self._sources:
            before = source.get_state()
            source.manual_seed(seed)
            self._inner.append(source.get_state())
            source.set_state(before)

    def __enter__(self) -> None:
        self._outer = [source.get_state() for source in self._sources]
        for source, state in zip(self._sources, self._inner, strict=True):
            source.set_state(state)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._returns:
            self._inner = [source.get_state() for source in self._sources]
        for source, state in zip(self._sources, self._outer, strict=True):
            source.set_state(state)

    def state(self) -> dict[str, torch.Tensor]:
        """Where the stream is, by source."""
        return dict(zip(self._names, self._inner, strict=True))

    def go_on(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue from a state; raises `StateError` for one of other devices."""
        if sorted(state) != sorted(self._names):
            raise StateError(
                f"the snapshot draws its random numbers on {', '.join(state)}, this run on {', '.join(self._names)}: "
                "continue it on the device it was made on"
            )
        self._inner = [state[name] for name in self._names]
