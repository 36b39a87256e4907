"""The one cycle of the libraries that count its corners in fractions of an update, on a grid one update short."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..schedule import Schedule
from ..spec import flag, numbers
from .dialect import Curve


class Leg(NamedTuple):
    """From one corner to the next: when, and the values there."""

    begin: float
    end: float
    start: float
    stop: float


class Legs(Curve):
    """Legs between corners that need not be whole updates; the last one goes on past its end, where a cosine turns."""

    begins: Sequence[float] = numbers("x", "updates", "where each leg begins")
    ends: Sequence[float] = numbers("y", "updates", "where each leg ends; that update still belongs to it")
    starts: Sequence[float] = numbers("a", "rate", "the value where it begins")
    stops: Sequence[float] = numbers("b", "rate", "the value where it ends")
    cosine: bool = flag("s", "half cosines, or straight lines")

    def formula(self, t: Any, xp: Any) -> Any:
        legs = list(zip(self.begins, self.ends, self.starts, self.stops, strict=True))
        value = self._leg(t, *legs[-1], xp)
        for leg in reversed(legs[:-1]):
            value = xp.where(t <= leg[1], self._leg(t, *leg, xp), value)
        return value

    def _leg(self, t: Any, begin: float, end: float, start: float, stop: float, xp: Any) -> Any:
        u = (t - begin) / (end - begin)
        w = (1 - xp.cos(math.pi * u)) / 2 if self.cosine else u
        return start * (1 - w) + stop * w


def one_cycle(legs: Sequence[Leg], total: int, cosine: bool) -> Schedule:
    """The legs up to update `total`, one past the end of the last: there the last leg goes on, where it has a length.

    A leg that ends before update 0 never speaks; the next one begins where it does all the same.
    """
    *before, last = legs
    speaking = [leg for leg in before if leg.end > 0]
    if last.end == last.begin:  # it divides by 0 at `total`; every update before belongs to the legs before
        return _curve(speaking, cosine).cut(total - 1)
    return _curve([*speaking, last], cosine).cut(total)


def _curve(legs: Sequence[Leg], cosine: bool) -> Schedule:
    begins, ends, starts, stops = zip(*legs, strict=True)
    return Legs(begins, ends, starts, stops, cosine)


__all__ = ["Leg", "one_cycle"]
