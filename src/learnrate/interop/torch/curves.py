"""What torch's schedulers need besides the algebra: phases between fractional updates, functions of whole updates."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from ...formula import Table
from ...schedules.fields import blend
from ...spec import flag, numbers
from ..dialect import Curve


class Phases(Curve):
    """Lines or half cosines, one after the other, whose ends need not be whole updates; the last one goes on."""

    begins: Sequence[float] = numbers("x", "updates", "where each phase begins")
    ends: Sequence[float] = numbers("y", "updates", "where it ends")
    starts: Sequence[float] = numbers("a", "rate", "the value there where it begins")
    targets: Sequence[float] = numbers("b", "rate", "the value there where it ends")
    cosine: bool = flag("", "half cosines, not lines")

    def formula(self, t: Any, xp: Any) -> Any:
        def phase(begin: float, end: float, start: float, target: float) -> Callable[[Any], Any]:
            def value(t: Any) -> Any:
                u = xp.let("u", (t - begin) / (end - begin))
                return blend(start, target, (1 + xp.cos(math.pi * u)) / 2 if self.cosine else 1 - u)

            return value

        given = zip(self.begins, self.ends, self.starts, self.targets, strict=True)
        phases = [phase(*each) for each in given]
        return xp.piece(t, Table(self.ends[:-1]), phases) if len(phases) > 1 else phases[0](t)


def counted(function: Callable[[int], float], period: int | None = None) -> Callable[[Any], Any]:
    """The function of whole updates that torch calls, as a function of t; with a period, of cycles counted from 1."""

    @functools.wraps(function, updated=())
    def value(t: Any) -> Any:
        whole = int(t) if isinstance(t, (int, float)) else t
        return function(whole if period is None else 1 + whole // period)

    return value


def running_product(function: Callable[[int], float]) -> Callable[[Any], float]:
    """The product of the function's values at 1 .. t; each is computed once."""
    products = [1.0]

    @functools.wraps(function, updated=())
    def value(t: Any) -> float:
        for update in range(len(products), int(t) + 1):
            products.append(products[-1] * function(update))
        return products[int(t)]

    return value


__all__ = ["Phases", "counted", "running_product"]
