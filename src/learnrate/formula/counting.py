"""Formulas on counts that stay whole: float32 cannot count beyond 2**24, a 32-bit integer can.

Differences, cycles, boundaries and tables of times are computed in integers, as long as a formula asks for nothing
else; what is divided, raised or passed to a function becomes a float there. The update is never lost, while the values
have the precision of the floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol

from .namespace import Memory, Namespace, Part, Table


class Integers(Protocol):
    """What a framework does with integer arrays; `limit` is the largest one."""

    limit: int

    def minimum(self, a: Any, b: Any) -> Any: ...
    def maximum(self, a: Any, b: Any) -> Any: ...
    def where(self, condition: Any, yes: Any, no: Any) -> Any: ...
    def floats(self, value: Any) -> Any:
        """The integers as floats."""

    def find(self, value: Any, entries: Sequence[int]) -> Any:
        """The index of the last entry <= value, and 0 before the first."""

    def take(self, entries: Sequence[int], index: Any) -> Any: ...
    def piece(self, value: Any, edges: Sequence[int], parts: Sequence[Part]) -> Any:
        """`parts[i](value)` for edges[i-1] <= value < edges[i], as floats."""


class Count:
    """Whole numbers in a formula. `unit` is what they were divided by, so that multiplying with it stays whole."""

    __slots__ = ("space", "unit", "value")
    __array_ufunc__ = None

    def __init__(self, space: Counting, value: Any, unit: int | None = None) -> None:
        self.space = space
        self.value = value
        self.unit = unit

    @property
    def floats(self) -> Any:
        return self.space.integers.floats(self.value)

    def _whole(self, other: Any) -> int | None:
        """A plain number as an integer that these can be compared and added with, or None."""
        whole = isinstance(other, (int, float)) and math.isfinite(other) and other == math.floor(other)
        return int(other) if whole and abs(other) <= self.space.integers.limit else None

    def __add__(self, other: Any) -> Any:
        whole = self._whole(other)
        if whole is None:
            return self.floats + self.space.number(other)
        if whole < 0:
            return Count(self.space, self.value - -whole)
        room = self.space.integers.limit - whole
        return Count(self.space, self.space.integers.minimum(self.value, room) + whole)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Count):
            return Count(self.space, self.value - other.value)
        whole = self._whole(other)
        if whole is None:
            return self.floats - self.space.number(other)
        return self + -whole

    def __rsub__(self, other: Any) -> Any:
        whole = self._whole(other)
        return self.space.number(other) - self.floats if whole is None else Count(self.space, whole - self.value)

    def __neg__(self) -> Count:
        return Count(self.space, -self.value, self.unit)

    def __mul__(self, other: Any) -> Any:
        if self.unit is not None and self.unit == other:
            return Count(self.space, self.value * self.unit)
        return self.floats * self.space.number(other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        whole = self._whole(other)
        if whole is not None and whole > 0:  # n / n is 1, also where a compiler multiplies by 1 / n
            times = self.value // whole
            return self.space.integers.floats(times) + self.space.integers.floats(self.value - times * whole) / whole
        return self.floats / self.space.number(other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.space.number(other) / self.floats

    def __pow__(self, other: Any) -> Any:
        return self.floats ** self.space.number(other)

    def __rpow__(self, other: Any) -> Any:
        if isinstance(other, (int, float)) and other > 0:  # rounding the base to float32 would be raised, too
            return self.space.exp(self.floats * math.log(other))
        return self.space.number(other) ** self.floats

    def _at_least(self, bound: float) -> Any:
        limit = self.space.integers.limit
        return self.value >= max(min(bound, limit), -limit)

    def _at_most(self, bound: float) -> Any:
        limit = self.space.integers.limit
        return self.value <= max(min(bound, limit), -limit)

    def __ge__(self, other: Any) -> Any:
        if isinstance(other, (int, float)):
            return self._at_least(_ceil(other))
        return self.value >= other.value if isinstance(other, Count) else self.floats >= other

    def __gt__(self, other: Any) -> Any:
        if isinstance(other, (int, float)):
            return self._at_least(_floor(other) + 1)
        return self.value > other.value if isinstance(other, Count) else self.floats > other

    def __le__(self, other: Any) -> Any:
        if isinstance(other, (int, float)):
            return self._at_most(_floor(other))
        return self.value <= other.value if isinstance(other, Count) else self.floats <= other

    def __lt__(self, other: Any) -> Any:
        if isinstance(other, (int, float)):
            return self._at_most(_ceil(other) - 1)
        return self.value < other.value if isinstance(other, Count) else self.floats < other


def _floor(x: float) -> float:
    return math.floor(x) if math.isfinite(x) else x


def _ceil(x: float) -> float:
    return math.ceil(x) if math.isfinite(x) else x


class Counting:
    """The closed language on a `Count`: whole where that is possible, else handed on to the namespace of the floats."""

    def __init__(self, floats: Namespace, integers: Integers) -> None:
        self._floats = floats
        self.integers = integers
        self._memory = Memory()

    def evaluate(self, schedule: Any, value: Any) -> Any:
        """The schedule's values at the integers `value`, all >= 0, as floats or as a plain number."""
        return self.number(schedule.at(Count(self, value), self))

    def number(self, x: Any) -> Any:
        """`x` without the wish to stay whole."""
        return x.floats if isinstance(x, Count) else x

    def cos(self, x: Any) -> Any:
        return self._floats.cos(self.number(x))

    def sin(self, x: Any) -> Any:
        return self._floats.sin(self.number(x))

    def tanh(self, x: Any) -> Any:
        return self._floats.tanh(self.number(x))

    def exp(self, x: Any) -> Any:
        return self._floats.exp(self.number(x))

    def log(self, x: Any) -> Any:
        return self._floats.log(self.number(x))

    def sqrt(self, x: Any) -> Any:
        return self._floats.sqrt(self.number(x))

    def floor(self, x: Any) -> Any:
        return x if isinstance(x, Count) else self._floats.floor(x)

    def abs(self, x: Any) -> Any:
        if isinstance(x, Count):
            return Count(self, self.integers.maximum(x.value, -x.value))
        return self._floats.abs(x)

    def quotient(self, t: Any, n: float) -> Any:
        whole = t._whole(n) if isinstance(t, Count) else None
        return Count(self, t.value // whole, whole) if whole else self._floats.quotient(self.number(t), n)

    def minimum(self, a: Any, b: Any) -> Any:
        return self._chosen(a, b, self.integers.minimum, self._floats.minimum)

    def maximum(self, a: Any, b: Any) -> Any:
        return self._chosen(a, b, self.integers.maximum, self._floats.maximum)

    def _chosen(self, a: Any, b: Any, whole: Callable[..., Any], floats: Callable[..., Any]) -> Any:
        first, second = self._alike(a, b)
        if first is None:
            return floats(self.number(a), self.number(b))
        units = {x.unit for x in (a, b) if isinstance(x, Count)}
        return Count(self, whole(first, second), units.pop() if len(units) == 1 else None)

    def _alike(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Both as integers where one is a count and the other can be one, else nothing."""
        first = a.value if isinstance(a, Count) else b._whole(a) if isinstance(b, Count) else None
        second = b.value if isinstance(b, Count) else a._whole(b) if isinstance(a, Count) else None
        return (None, None) if first is None or second is None else (first, second)

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        return self.minimum(self.maximum(x, low), high)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        first, second = self._alike(yes, no)
        if first is None:
            return self._floats.where(condition, self.number(yes), self.number(no))
        return Count(self, self.integers.where(condition, first, second))

    def piece(self, t: Any, edges: Sequence[float], parts: Sequence[Part]) -> Any:
        if not isinstance(t, Count):
            return self._floats.piece(t, edges, [lambda time, part=part: self.number(part(time)) for part in parts])  # type: ignore[misc]

        def spoken(part: Part) -> Part:
            return lambda value: self.number(part(Count(self, value)))

        reached = [math.ceil(edge) for edge in edges if edge <= self.integers.limit]
        return self.integers.piece(t.value, reached, [spoken(part) for part in parts[: len(reached) + 1]])

    def find(self, t: Any, table: Table) -> Any:
        if not isinstance(t, Count):
            return self._floats.find(t, table)
        return self.integers.find(t.value, [math.ceil(entry) for entry in table if entry <= self.integers.limit] or [0])

    def take(self, table: Table, index: Any) -> Any:
        limit = self.integers.limit
        rising = table[0] >= 0 and all(before <= after for before, after in pairwise(table))
        if not rising or any(entry != math.floor(entry) for entry in table):
            return self._floats.take(table, index)
        return Count(self, self.integers.take([int(min(entry, limit)) for entry in table], index))

    def let(self, name: str, value: Any) -> Any:
        return value

    def hold(self, t: Any, length: float) -> Any:
        if not isinstance(t, Count):
            return self._floats.hold(t, length)
        whole = min(length, self.integers.limit)
        held = self.integers.minimum(self.integers.maximum(t.value, 0), int(whole))
        return Count(self, held)

    def once(self, owner: object, t: Any, compute: Callable[[], Any]) -> Any:
        return self._memory.once(owner, t, compute)

    def opaque(self, function: Callable[[Any], Any], t: Any) -> Any:
        return self._floats.opaque(function, self.number(t))


__all__ = ["Count", "Counting", "Integers"]
