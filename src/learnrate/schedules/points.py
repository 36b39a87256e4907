"""Schedules given as numbers or as functions: stairs, points, noise, and code of your own."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from ..clock import Length
from ..errors import ParameterError, UsageError
from ..formula import Table
from ..schedule import Schedule, Shape
from ..spec import Kind, declare, number, numbers, shorten
from .fields import blend, rest


class PiecewiseConstant(Shape):
    """A list of values; each holds up to the next boundary, and the new value speaks at the boundary itself.

    Pick it for hand-made stairs.

    >>> PiecewiseConstant([1.0, 0.1], [4])([2, 3, 4, 5])
    array([1. , 1. , 0.1, 0.1])
    """

    open_ended = True
    values: Sequence[float] = numbers("v", "rate", "the values, one more than there are boundaries")
    boundaries: Sequence[int] = numbers(
        "m", "updates", "where the next value takes over", rising=True, gt=0, le=2**53, whole=True, span=(1, 200)
    )
    updates: Length = rest("its length; for ever if left out")

    def check(self) -> None:
        if len(self.values) != len(self.boundaries) + 1:
            raise ParameterError(
                f"PiecewiseConstant needs one value more than boundaries, got {len(self.values)} values "
                f"and {len(self.boundaries)} boundaries"
            )

    @cached_property
    def _tables(self) -> tuple[Table, Table]:
        """Where each value takes over, and the values."""
        return Table((0.0, *map(float, self.boundaries))), Table(self.values)

    def _corners(self) -> Iterable[float]:
        return self.boundaries

    def formula(self, t: Any, xp: Any) -> Any:
        starts, values = self._tables
        return xp.take(values, xp.find(t, starts))


class Interpolation(Shape):
    """Straight lines between points; a recorded or optimized curve as a schedule.

    Pick it for any curve you have as numbers: `Interpolation(range(len(curve)), curve)`.

    >>> Interpolation([0, 10, 30], [0.0, 1.0, 0.0])([5, 10, 20, 99])
    array([0.5, 1. , 0.5, 0. ])
    """

    knots: Sequence[float] = numbers("x", "updates", "where the points are", rising=True, ge=0, le=2**53, span=(1, 300))
    values: Sequence[float] = numbers("y", "rate", "the values there, one per knot")

    def check(self) -> None:
        _check_points(self)

    @property
    def updates_or_rest(self) -> Length:
        return math.ceil(self.knots[-1])

    @cached_property
    def _tables(self) -> tuple[Table, ...]:
        return _sections(self)

    def _corners(self) -> Iterable[float]:
        return self.knots

    def formula(self, t: Any, xp: Any) -> Any:
        return _between(self._tables, t, xp, lambda u: u)


class CosineInterpolation(Shape):
    """Half cosines between points: smooth corners.

    Pick it instead of `Interpolation` when the rate should not kink.

    >>> CosineInterpolation([0, 10], [0.0, 1.0])([0, 5, 10]).round(12)
    array([0. , 0.5, 1. ])
    """

    knots: Sequence[float] = numbers("x", "updates", "where the points are", rising=True, ge=0, le=2**53, span=(1, 300))
    values: Sequence[float] = numbers("y", "rate", "the values there, one per knot")

    def check(self) -> None:
        _check_points(self)

    @property
    def updates_or_rest(self) -> Length:
        return math.ceil(self.knots[-1])

    @cached_property
    def _tables(self) -> tuple[Table, ...]:
        return _sections(self)

    def _corners(self) -> Iterable[float]:
        return self.knots

    def formula(self, t: Any, xp: Any) -> Any:
        return _between(self._tables, t, xp, lambda u: (1 - xp.cos(math.pi * u)) / 2)


def _check_points(points: Any) -> None:
    if len(points.knots) != len(points.values):
        raise ParameterError(
            f"{type(points).__name__} needs one value per knot, got {len(points.knots)} knots "
            f"and {len(points.values)} values"
        )


def _sections(points: Any) -> tuple[Table, ...]:
    """Where each section starts and ends, and its first and last value; after the last knot nothing changes."""
    knots, values = points.knots, points.values
    return Table(knots), Table((*knots[1:], 2 * knots[-1] + 1)), Table(values), Table((*values[1:], values[-1]))


def _between(sections: tuple[Table, ...], t: Any, xp: Any, curve: Callable[[Any], Any]) -> Any:
    """The value between the two knots around `t`; the first value before the first knot, the last after the last."""
    starts, ends, first, last = sections
    index = xp.find(t, starts)
    left, right = xp.take(starts, index), xp.take(ends, index)
    w = xp.let("w", curve(xp.clip((t - left) / (right - left), 0.0, 1.0)))
    return blend(xp.take(first, index), xp.take(last, index), 1 - w)


class Noise(Shape):
    """Seeded noise around 1: multiply a schedule with it.

    Pick it to test how sensitive a run is to the exact rate: `Cosine(1e-3, 0, 1000) * Noise(0.1, seed=3)`. Every update
    has its own value, uniform between 1 - amplitude and 1 + amplitude; it is a hash of the seed and the update, the
    same in every reader and in any order.

    >>> Noise(0.1, seed=3)([0, 1, 2]).round(4)
    array([1.0556, 1.0431, 1.0705])
    """

    open_ended = True
    amplitude: float = number("A", "", "the largest relative change", ge=0, le=1, span=(0.01, 0.5))
    seed: int = number("s", "", "chooses the noise", default=0, ge=0, le=2**53, whole=True, span=(0, 1e6))
    updates: Length = rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return 1 + self.amplitude * (2 * _hashed(xp.floor(t), self.seed, xp) - 1)


_PRIME = 2039
"""Products of two remainders stay below 2**24, so that even float32 computes the hash exactly."""


def _hashed(update: Any, seed: Any, xp: Any) -> Any:
    """A number in [0, 1) from two whole numbers below 2**53.

    Their digits to base 2039 are fed into two words. Each turn is a cube, which is a permutation (2038 is not a
    multiple of 3) and not linear: with a linear turn, neighbouring updates would correlate.
    """

    def remainder(x: Any) -> Any:
        return x - _PRIME * xp.quotient(x, _PRIME)

    def digits(x: Any) -> list[Any]:
        found = []
        for _ in range(5):
            rest = xp.quotient(x, _PRIME)
            found.append(x - _PRIME * rest)
            x = rest
        return found

    a, b = 1.0, 2.0
    for digit in [*digits(seed), *digits(update), 5.0, 7.0, 11.0]:
        turned = remainder(b + digit)
        a, b = b, remainder(a + remainder(turned * remainder(turned * turned)) + 17)
    return (a * _PRIME + b) / _PRIME**2


@dataclasses.dataclass(eq=False, repr=False)
class FunctionKind(Kind):
    """A function of one argument."""

    def read(self, value: Any) -> Any:
        if not callable(value) or isinstance(value, Schedule):
            raise ValueError(f"be a function of t, got {shorten(value)}")
        return value

    def draw(self, rng: random.Random) -> Any:
        return rng.choice((abs, float))


class Function(Shape):
    """Any function of t of your own.

    Pick it when nothing else fits. It is called with one update at a time and returns the rate. It works everywhere but
    where its formula must be printed; a checkpoint stores its values on a fixed grid and compares them.

    >>> Function(lambda t: 0.1 / (1 + t))(4)
    0.02
    """

    open_ended = True
    function: Callable[[Any], Any] = declare(FunctionKind("g", "", "from an update to its rate"))
    updates: Length = rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return xp.opaque(self._checked, t)

    @cached_property
    def _checked(self) -> Callable[[Any], Any]:
        def checked(t: Any) -> Any:
            value = self.function(t)
            if hasattr(value, "dtype") and not isinstance(value, np.generic):
                return value  # an array of a framework, which may be traced
            if not isinstance(value, Real) or not math.isfinite(value):
                returned = f"{shorten(value)} at t = {t}"
                raise UsageError(f"the function {shorten(self.function)} must return a finite rate, got {returned}")
            return float(value)

        checked.__name__ = getattr(self.function, "__name__", type(self.function).__name__)
        return checked
