"""What the declarations of the dialects share: the base rate, counts, words, functions, lists of schedules."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from typing import Any

from ..schedule import Schedule
from ..schedules.points import Function, FunctionKind
from ..spec import FrozenDict, Kind, Number, Numbers, declare, number, shorten

LARGEST = 2**53


def base_rate(default: Any = 1.0) -> Any:
    """Declare `lr`, the optimizer's rate that the library scales."""
    return number("\\eta", "rate", "the base rate, as given to the optimizer", default=default, ge=0, span=(1e-4, 1.0))


def count(help: str, default: Any = dataclasses.MISSING, *, least: int = 0, span: tuple[int, int] = (1, 40)) -> Any:
    """Declare a whole number of updates (or of what the library counts)."""
    return number("n", "updates", help, default=default, ge=least, le=LARGEST, whole=True, span=span)


@dataclasses.dataclass(eq=False, repr=False)
class MaybeNumbers(Numbers):
    """A list of numbers that may be empty."""

    def read(self, value: Any) -> Any:
        return () if isinstance(value, (list, tuple)) and not value else super().read(value)


def counts(
    help: str, default: Any = dataclasses.MISSING, *, least: int = 0, rising: bool = False, empty: bool = False
) -> Any:
    """Declare a list of updates."""
    each = Number("m", "updates", help, ge=least, le=LARGEST, whole=True, span=(max(least, 1), 40))
    return declare((MaybeNumbers if empty else Numbers)("m", "updates", help, each, rising), default)


@dataclasses.dataclass(eq=False, repr=False)
class TextKind(Kind):
    """Text, drawn from a few samples."""

    samples: tuple[str, ...] = ()

    def read(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"be text, got {shorten(value)}")
        return value

    def draw(self, rng: random.Random) -> Any:
        return rng.choice(self.samples)


def text(help: str, samples: tuple[str, ...], default: Any = dataclasses.MISSING) -> Any:
    """Declare a text."""
    return declare(TextKind("", "", help, samples), default)


@dataclasses.dataclass(eq=False, repr=False)
class MaybeFunction(FunctionKind):
    """A function, or None."""

    def read(self, value: Any) -> Any:
        return None if value is None else super().read(value)

    def draw(self, rng: random.Random) -> Any:
        return None


def function(help: str, default: Any = dataclasses.MISSING) -> Any:
    """Declare a function of the user's own; None where that is the default."""
    return declare((MaybeFunction if default is None else FunctionKind)("g", "", help), default)


@dataclasses.dataclass(eq=False, repr=False)
class SchedulesKind(Kind):
    """One or more schedules, stored as a tuple; with `functions`, a function of the update is one too."""

    functions: bool = False

    def read(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError(f"be a list of schedules, got {shorten(value)}")
        if self.functions:
            value = [item if isinstance(item, Schedule) or not callable(item) else Function(item) for item in value]
        for index, item in enumerate(value):
            if not isinstance(item, Schedule):
                raise ValueError(f"hold schedules, got {shorten(item)} at index {index}")
        return tuple(value)

    def draw(self, rng: random.Random) -> Any:
        raise NotImplementedError("lists of schedules are drawn by the test of the class that takes them")


def schedules(help: str, default: Any = dataclasses.MISSING, *, functions: bool = False) -> Any:
    """Declare a list of schedules."""
    return declare(SchedulesKind("", "", help, functions), default)


@dataclasses.dataclass(eq=False, repr=False)
class ScheduleKind(Kind):
    """A schedule whose lengths are numbers of updates."""

    def read(self, value: Any) -> Any:
        if not isinstance(value, Schedule):
            raise ValueError(f"be a schedule, got {shorten(value)}")
        if not value.bound:
            raise ValueError(f"be bound to a length, got {shorten(value)}; bind it with .over(total)")
        return value

    def draw(self, rng: random.Random) -> Any:
        raise NotImplementedError("a schedule inside another is drawn by the test of the class that takes it")


def schedule(help: str, default: Any = dataclasses.MISSING) -> Any:
    """Declare a schedule that another one is made of."""
    return declare(ScheduleKind("f", "", help), default)


@dataclasses.dataclass(eq=False, repr=False)
class PlainKind(Kind):
    """Plain data: numbers, text, lists and mappings with text as keys, kept immutable."""

    def read(self, value: Any) -> Any:
        return _frozen(value)

    def draw(self, rng: random.Random) -> Any:
        return None


def _frozen(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return FrozenDict({key: _frozen(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    raise ValueError(f"be plain data (numbers, text, lists, mappings), got {shorten(value)}")


def plain(help: str, default: Any = dataclasses.MISSING) -> Any:
    """Declare plain data, such as a mapping of further arguments."""
    return declare(PlainKind("", "", help), default)


__all__ = [
    "LARGEST",
    "MaybeFunction",
    "MaybeNumbers",
    "PlainKind",
    "ScheduleKind",
    "SchedulesKind",
    "TextKind",
    "base_rate",
    "count",
    "counts",
    "function",
    "plain",
    "schedule",
    "schedules",
    "text",
]
