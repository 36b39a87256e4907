"""What the dialects share whose libraries compute with progress: lines that never end, growth, spliced curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from ..clock import FOREVER
from ..errors import ParameterError
from ..formula import Table
from ..schedule import Schedule
from ..schedules import Exponential, NaturalExponential
from ..spec import number, numbers, shorten
from .dialect import Curve, Dialect
from .fields import schedules


def run_of(part: Schedule) -> int:
    """How many updates a schedule takes to get from progress 0 to progress 1."""
    end = part.horizon if isinstance(part, Dialect) else None if part.length == FOREVER else int(part.length)
    if end is None:
        raise ParameterError(
            f"{shorten(part, 200)} names no end, so nothing says what progress 1 is; .cut(n) gives one"
        )
    return end


def growth(start: float, factor: float, period: float = 1.0) -> Schedule:
    """`start * factor ** (t / period)` for every factor >= 0; what grows saturates before it overflows."""
    if factor == 0:
        return Stairs([start, 0.0], [0.0, 1e-300], 1)  # 0 at any time after 0, whole or not
    if factor <= 1:
        return Exponential(start, factor, period=period)
    return NaturalExponential(start, -math.log(factor) / period)


class Line(Curve):
    """A straight line that goes on after its end."""

    start: float = number("a", "rate", "value at t = 0")
    end: float = number("b", "rate", "value at the end")
    updates: int = number("N", "updates", "where the end is", ge=1, whole=True)

    @property
    def updates_or_rest(self) -> None:
        """It never ends."""

    def formula(self, t: Any, xp: Any) -> Any:
        # not the blend of both ends: far past the end that would cancel
        return self.start + (self.end - self.start) * (t / self.updates)


class Power(Curve):
    """`start + height * |t - zero| ** power` in units of the run; what grows saturates before it overflows."""

    start: float = number("a", "rate", "value where the power is 0")
    height: float = number("h", "rate", "what the power is multiplied by")
    power: float = number("p", "", "the power", ge=0, le=100)
    updates: int = number("N", "updates", "the run", ge=1, whole=True)
    zero: int = number("z", "", "the progress at which the power is 0", default=0, ge=0, le=1, whole=True)
    sign: int = number("s", "", "the sign of an odd power after its zero", default=1, ge=-1, le=1, whole=True)

    @property
    def updates_or_rest(self) -> None:
        """It never ends."""

    def formula(self, t: Any, xp: Any) -> Any:
        u = t / self.updates - self.zero
        distance = xp.minimum(xp.abs(u), 10 ** min(290 / max(self.power, 1e-9), 300.0))
        return self.start + self.height * xp.where(u > 0, self.sign, 1) * distance**self.power


class Stairs(Curve):
    """Values in turn, each from a place that need not be a whole update."""

    values: Sequence[float] = numbers("v", "rate", "the values")
    places: Sequence[float] = numbers("m", "updates", "where each begins")
    updates: int = number("N", "updates", "its end", ge=1, whole=True)

    @cached_property
    def _tables(self) -> tuple[Table, Table]:
        return Table(self.places), Table(self.values)

    def _corners(self) -> Iterable[float]:
        return (math.ceil(place) for place in self.places)

    def formula(self, t: Any, xp: Any) -> Any:
        places, values = self._tables
        return xp.take(values, xp.find(t, places))


class Spliced(Curve):
    """Schedules of progress, one after the other, each over its own share of the run."""

    schedulers: Sequence[Schedule] = schedules("the schedules")
    edges: Sequence[float] = numbers("e", "", "the progress from which each speaks")
    origins: Sequence[float] = numbers("o", "", "the progress that each calls 0")
    widths: Sequence[float] = numbers("w", "", "how much progress is the whole of each")
    updates: int = number("N", "updates", "the run", ge=1, whole=True)

    @property
    def updates_or_rest(self) -> None:
        """It never ends."""

    @cached_property
    def _places(self) -> tuple[list[float], list[float], list[float]]:
        """Edges, origins and widths in updates."""

        def places(shares: Sequence[float]) -> list[float]:
            return [_snapped(share * self.updates) for share in shares]

        return places(self.edges), places(self.origins), places(self.widths)

    def formula(self, t: Any, xp: Any) -> Any:
        edges, origins, widths = self._places

        def local(index: int) -> Callable[[Any], Any]:
            part, run = self.schedulers[index], run_of(self.schedulers[index])
            return lambda t: part.at((t - origins[index]) / widths[index] * run, xp)

        parts = [local(index) for index in range(len(self.schedulers))]
        return parts[0](t) if len(parts) == 1 else xp.piece(t, Table(edges[1:]), parts)


def _snapped(place: float) -> float:
    """A place in updates; one that misses a whole update by rounding alone is that update."""
    return round(place) if abs(place - round(place)) <= 4e-16 * (1 + abs(place)) else place


__all__ = ["Line", "Power", "Spliced", "Stairs", "growth", "run_of"]
