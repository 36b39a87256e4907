"""The closed language that formulas are written in, and its reading on NumPy arrays.

A formula is plain arithmetic plus the functions of a namespace `xp`. What `xp` is decides what happens: on NumPy it
computes, on JAX and torch it is compiled, on `Symbols` it prints itself. The language is closed so that every reader
can offer all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

EXPONENT_LIMIT = 690.0
"""`exp` saturates here, so that a value stays finite: e**690 is 1e299."""

LATEST = float(2**53)
"""Times beyond this are clamped to it: float64 counts every update up to here."""

Part = Callable[[Any], Any]


class Table(tuple[float, ...]):
    """Numbers that `find` and `take` look up; the array form is made once."""

    @cached_property
    def array(self) -> np.ndarray[Any, Any]:
        return np.asarray(self, dtype=np.float64)


class Namespace(Protocol):
    """What a formula may use. `t` and `x` are whatever the reader computes with."""

    def cos(self, x: Any) -> Any: ...
    def sin(self, x: Any) -> Any: ...
    def tanh(self, x: Any) -> Any: ...
    def exp(self, x: Any) -> Any:
        """e**x, saturating at `EXPONENT_LIMIT`."""

    def log(self, x: Any) -> Any: ...
    def sqrt(self, x: Any) -> Any: ...
    def floor(self, x: Any) -> Any: ...
    def abs(self, x: Any) -> Any: ...
    def quotient(self, t: Any, n: float) -> Any:
        """floor(t / n), exact at every multiple of n, also where a compiler divides by multiplying with 1 / n."""

    def minimum(self, a: Any, b: Any) -> Any: ...
    def maximum(self, a: Any, b: Any) -> Any: ...
    def clip(self, x: Any, low: Any, high: Any) -> Any: ...
    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """`yes` or `no`; both sides are computed, so guard their arguments."""

    def piece(self, t: Any, edges: Sequence[float], parts: Sequence[Part]) -> Any:
        """`parts[i](t)` for edges[i-1] <= t < edges[i]; evaluates only the part that speaks, where that is possible."""

    def find(self, t: Any, table: Table) -> Any:
        """The index of the last entry <= t, and 0 before the first."""

    def take(self, table: Table, index: Any) -> Any:
        """The entry at an index that `find` returned."""

    def let(self, name: str, value: Any) -> Any:
        """The value itself; printers give it this name."""

    def hold(self, t: Any, length: float) -> Any:
        """`t`, no later than `length`. A reader that evaluates parts which do not speak also keeps it at or above 0."""

    def once(self, owner: object, t: Any, compute: Callable[[], Any]) -> Any:
        """`compute()`, remembered per owner and time, so that shared parts are evaluated once."""

    def opaque(self, function: Callable[[Any], Any], t: Any) -> Any:
        """A user's own function at `t`."""


class Memory:
    """`once` for every reader: results by identity of owner and time, both kept alive by the entry."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[object, Any, Any]] = {}

    def once(self, owner: object, t: Any, compute: Callable[[], Any]) -> Any:
        key = (id(owner), id(t))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (owner, t, compute())
        return known[2]


class Arrays(Memory):
    """The reading on NumPy: one instance evaluates one block of float64 times, all >= 0."""

    cos = staticmethod(np.cos)
    sin = staticmethod(np.sin)
    tanh = staticmethod(np.tanh)
    log = staticmethod(np.log)
    sqrt = staticmethod(np.sqrt)
    floor = staticmethod(np.floor)
    abs = staticmethod(np.abs)
    minimum = staticmethod(np.minimum)
    maximum = staticmethod(np.maximum)
    where = staticmethod(np.where)

    def quotient(self, t: Any, n: float) -> Any:
        return np.floor(t / n)

    def exp(self, x: Any) -> Any:
        return np.exp(np.minimum(x, EXPONENT_LIMIT))

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        return np.minimum(np.maximum(x, low), high)

    def piece(self, t: Any, edges: Sequence[float], parts: Sequence[Part]) -> Any:
        t = np.asarray(t, dtype=np.float64)
        if t.size == 0:
            return t
        bounds = np.asarray(edges, dtype=np.float64)
        first, last = np.searchsorted(bounds, (t.min(), t.max()), side="right")
        if first == last:  # the common case: a block of a curve lies inside one part
            return parts[first](t)
        speaking = np.searchsorted(bounds, t, side="right")
        value = np.empty_like(t)
        for index in range(first, last + 1):
            mask = speaking == index
            if mask.any():
                value[mask] = parts[index](t[mask])
        return value

    def find(self, t: Any, table: Table) -> Any:
        return np.maximum(np.searchsorted(table.array, t, side="right") - 1, 0)

    def take(self, table: Table, index: Any) -> Any:
        return table.array[index]

    def let(self, name: str, value: Any) -> Any:
        return value

    def hold(self, t: Any, length: float) -> Any:
        return np.minimum(t, length)

    def opaque(self, function: Callable[[Any], Any], t: Any) -> Any:
        flat = np.asarray(t, dtype=np.float64).reshape(-1)
        return np.asarray([float(function(x)) for x in flat.tolist()]).reshape(np.shape(t))
