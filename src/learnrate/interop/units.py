"""Curves in a unit of time that is not the update: samples, tokens, a period that is not a whole number of updates.

The algebra counts whole updates. What another library counts in samples ends between two updates; here a shape that is
one unit long is read at the progress that the library computes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cached_property
from typing import Any

from ..errors import ParameterError
from ..formula import LATEST, Table
from ..schedule import Schedule
from ..spec import number, numbers
from .dialect import Curve
from .fields import schedule

MOST_CYCLES = 100_000
"""Cycles that a table holds; more are refused, for nobody means them."""


class Counted(Curve):
    """`body` at (t * per - origin) / span; a body of length 1 that has a length holds its ends outside.

    >>> from learnrate import Linear
    >>> Counted(Linear(0.0, 1.0, 1), per=4.0, span=10.0)([0, 1, 2, 3]).round(12)
    array([0. , 0.4, 0.8, 1. ])
    """

    body: Schedule = schedule("what is read")
    per: float = number("q", "per update", "how much time an update takes", default=1.0, ge=0)
    origin: float = number("o", "", "where progress is 0", default=0.0)
    span: float = number("s", "", "how long progress takes to 1", default=1.0, gt=0)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.body.at(xp.maximum((t * self.per - self.origin) / self.span, 0.0), xp)


class Cycles(Curve):
    """`body`, one unit long, once in each cycle; cycle k starts at `starts[k]`, is `lengths[k]` long, and is scaled.

    The last cycle is repeated for ever when `ends` is 0, each time multiplied by `shrink` again.

    >>> from learnrate import Cosine
    >>> Cycles([0.0, 4.0], [4.0, 8.0], [1.0, 0.5], Cosine(1.0, 0.0, 1))([0, 2, 4, 8, 12]).round(12)
    array([1.  , 0.5 , 0.5 , 0.25, 0.5 ])
    """

    starts: Sequence[float] = numbers("a", "", "where each cycle starts", rising=True, ge=0)
    lengths: Sequence[float] = numbers("l", "", "how long each cycle is", gt=0)
    scales: Sequence[float] = numbers("c", "", "what each cycle is multiplied by", ge=0)
    body: Schedule = schedule("one cycle")
    per: float = number("q", "per update", "how much time an update takes", default=1.0, gt=0)
    shrink: float = number(
        "r", "", "what each further turn of the last cycle is multiplied by", default=1.0, gt=0, le=1
    )
    ends: int = number("e", "", "1 when the last cycle is not repeated", default=0, ge=0, le=1, whole=True)

    @cached_property
    def _tables(self) -> tuple[Table, Table, Table]:
        return Table(self.starts), Table(self.lengths), Table(self.scales)

    def formula(self, t: Any, xp: Any) -> Any:
        starts, lengths, scales = self._tables
        n = t * self.per
        cycle = xp.find(n, starts)
        local = n - xp.take(starts, cycle)
        scale = xp.take(scales, cycle)
        if not self.ends:
            turns = xp.quotient(xp.maximum(n - self.starts[-1], 0.0), self.lengths[-1])
            local, scale = local - turns * self.lengths[-1], scale * self.shrink**turns
        return scale * self.body.at(xp.maximum(local / xp.take(lengths, cycle), 0.0), xp)


def ceiling(time: float, per: float = 1.0) -> int:
    """The first update at which `time` has come, when each takes `per`; exact where a quotient of floats is not."""
    return max(math.ceil(Fraction(time) / Fraction(per)), 0)


def after(time: float, per: float = 1.0) -> int:
    """The first update at which `time` is over."""
    return max(math.floor(Fraction(time) / Fraction(per)) + 1, 0)


def stretched(period: float, stretch: float, last: float = LATEST) -> tuple[list[float], list[float]]:
    """Where cycles start that are each `stretch` times as long as the one before, up to `last`, and their lengths."""
    starts: list[float] = []
    lengths: list[float] = []
    with localcontext() as context:
        context.prec = 60
        start, length, factor = Decimal(0), Decimal(repr(period)), Decimal(repr(stretch))
        while float(start) <= last:
            if len(starts) == MOST_CYCLES:
                raise ParameterError(f"a stretch of {stretch} makes more than {MOST_CYCLES} cycles; use 1 or 1.01")
            starts.append(float(start))
            lengths.append(float(length))
            start, length = start + length, length * factor
    return starts, lengths


__all__ = ["MOST_CYCLES", "Counted", "Cycles", "after", "ceiling", "stretched"]
