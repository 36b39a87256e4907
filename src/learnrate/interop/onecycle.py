"""The one cycle of torch, Paddle and mmengine: its corners are fractions of an update, on a grid one update short."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..formula import Table
from ..schedule import Schedule
from ..schedules.fields import blend
from ..spec import flag, numbers
from .dialect import Curve


class Legs(Curve):
    """Lines or half cosines, one after the other, between corners that need not be whole updates; the last goes on."""

    begins: Sequence[float] = numbers("x", "updates", "where each leg begins")
    ends: Sequence[float] = numbers("y", "updates", "where it ends")
    starts: Sequence[float] = numbers("a", "rate", "the value where it begins")
    stops: Sequence[float] = numbers("b", "rate", "the value where it ends")
    cosine: bool = flag("s", "half cosines, or straight lines")

    def formula(self, t: Any, xp: Any) -> Any:
        def leg(begin: float, end: float, start: float, stop: float) -> Callable[[Any], Any]:
            def value(t: Any) -> Any:
                u = xp.let("u", (t - begin) / (end - begin))
                return blend(start, stop, (1 + xp.cos(math.pi * u)) / 2 if self.cosine else 1 - u)

            return value

        given = zip(self.begins, self.ends, self.starts, self.stops, strict=True)
        legs = [leg(*each) for each in given]
        return xp.piece(t, Table(self.ends[:-1]), legs) if len(legs) > 1 else legs[0](t)


def corners(share: float, total: int, three: bool) -> tuple[float, ...]:
    """The update, not always whole, at which each of two or three legs ends, in the libraries' own arithmetic."""
    middle = (2 * share * total - 2,) if three else ()
    return (share * total - 1, *middle, total - 1.0)


def one_cycle(start: float, peak: float, end: float, ends: Sequence[float], total: int, cosine: bool) -> Schedule:
    """From start to peak, with three legs back to the start, then to the end, each until one of `ends`.

    A leg that ends before update 0 never speaks; the next one begins where it does all the same. The whole goes up to
    update `total`, one past the last end, where the last leg goes on, unless it has no length and would divide by 0.
    """
    values = (start, peak, start, end) if len(ends) == 3 else (start, peak, end)
    legs = list(zip((0.0, *ends[:-1]), ends, values[:-1], values[1:], strict=True))
    legs = [leg for leg in legs[:-1] if leg[1] > 0] + legs[-1:]
    if legs[-1][0] == legs[-1][1]:
        legs, total = legs[:-1], total - 1
    begins, ended, starts, stops = zip(*legs, strict=True)
    return Legs(begins, ended, starts, stops, cosine).cut(total)


__all__ = ["corners", "one_cycle"]
