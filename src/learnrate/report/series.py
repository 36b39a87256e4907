"""Schedules as named rows of numbers, ready to be drawn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..clock import Clock
from ..errors import UsageError
from ..schedule import Schedule

Several = Schedule | Iterable[Schedule] | Mapping[str, Schedule]

_ENDLESS = 1000  # updates shown of a schedule that never ends
_POINTS = 2000


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """One curve: its name, the updates and the value at each."""

    name: str
    update: NDArray[np.float64]
    value: NDArray[np.float64]


def sample(schedules: Several, updates: int | None = None, points: int = _POINTS) -> list[Series]:
    """Each schedule at `points` evenly spread updates from 0 to `updates` (without it: to the end of the longest).

    A schedule that is not bound to a length is bound to `updates` first (without it: to the longest of the others).
    """
    named = _named(schedules)
    last = _span(list(named.values()), updates)
    at = np.unique(np.linspace(0, last, min(points, last + 1)).round())
    return [_series(name, schedule, at, last) for name, schedule in named.items()]


def _series(name: str, schedule: Schedule, at: NDArray[np.float64], last: int) -> Series:
    if schedule.bound:
        return Series(name, at, schedule(at))
    return Series(f"{name}, over {last} updates", at, schedule.over(last)(at))


def _named(schedules: Several) -> dict[str, Schedule]:
    if isinstance(schedules, Schedule):
        schedules = [schedules]
    named = dict(schedules) if isinstance(schedules, Mapping) else {repr(each): each for each in schedules}
    for name, schedule in named.items():
        if not isinstance(schedule, Schedule):
            raise UsageError(f"{name} must be a Schedule, got {type(schedule).__name__}")
    if not named:
        raise UsageError("nothing to draw: give at least one schedule")
    return named


def _span(schedules: list[Schedule], updates: int | None) -> int:
    if updates is not None:
        return max(Clock(updates).total, 1)
    lengths = [schedule.length for schedule in schedules if schedule.bound]
    finite = [int(length) for length in lengths if not math.isinf(length)]
    return max(finite, default=0) or _ENDLESS
