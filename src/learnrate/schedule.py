"""The contract of a schedule, and the algebra that makes schedules out of schedules.

A schedule is a number for every update: `schedule(t)`, where `t` counts the optimizer updates already made, from 0.
A `Shape` has a formula, a `Recipe` has a meaning in the algebra; both are declared in `schedules.py`. What combines
them is here: each operation is one small class with one formula.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import numbers as abc_numbers
import random
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Self, cast

import numpy as np

from . import formula
from .clock import FOREVER, Clock, Length, LengthKind, half_up, length
from .errors import LearnrateError, ParameterError, TimeError, UnboundError, UsageError
from .formula import Arrays, Namespace, Symbols, Table
from .spec import Declared, Kind, Registry, arguments, declare, draw, number, shorten

Array = np.ndarray[Any, np.dtype[Any]]

SCHEDULES: Registry[type[Schedule]] = Registry("schedule")
COMPOSITES: Registry[type[Schedule]] = Registry("composite")

ALGEBRA = (
    *("clip", "mirror", "repeat", "every", "delay", "cut", "skip", "fit"),
    *("over", "extend", "cooldown"),
)
"""The methods that the text form may call."""

BLOCK = 8192
"""Times evaluated at once: what a formula touches stays in the cache."""

_LAZY = {
    "plot": "learnrate.report:plot",
    "svg": "learnrate.report:svg",
    "code": "learnrate.listing:schedule_code",
    "lint": "learnrate.linting:lint",
    "jax": "learnrate.jax:xp",
    "jaxlib": "learnrate.jax:xp",
    "torch": "learnrate.torch:xp",
}
"""Conveniences that live in rooms above this one; the only doors that open backwards."""

CHAIN, ADD, TIMES, CALL = 1, 2, 3, 4
"""How tightly the text form of a schedule binds."""


def _above(name: str) -> Any:
    module, attribute = _LAZY[name].split(":")
    return getattr(importlib.import_module(module), attribute)


class Schedule(Declared):
    """A number for every update; frozen, equal by value, printed as the expression that rebuilds it.

    `schedule(t)` takes numbers and arrays, needs t >= 0, and holds its last value past its end. It is pure: any order,
    any number of times.
    """

    level: ClassVar[int] = CALL
    __array_ufunc__ = None  # so that numpy_number * schedule is ours to answer

    # -- what each kind of schedule says about itself

    def formula(self, t: Any, xp: Any) -> Any:
        """The value for 0 <= t <= length, in the closed language of `learnrate.formula`."""
        raise UsageError(f"{type(self).__name__} declares no formula")

    @property
    def demand(self) -> str:
        """How it gets its length: "fixed", "rest" (needs one), or "open" (goes on for ever unless followed)."""
        raise UsageError(f"{type(self).__name__} declares no demand")

    @property
    def bound(self) -> bool:
        """Whether every length is a number of updates."""
        raise UsageError(f"{type(self).__name__} declares no length")

    def _length(self) -> float:
        """The length when bound."""
        raise UsageError(f"{type(self).__name__} declares no length")

    def _extent(self, clock: Clock) -> int | None:
        """The length once the clock is known, or None when it takes the rest."""
        raise UsageError(f"{type(self).__name__} declares no length")

    def _bind(self, clock: Clock, span: int) -> Schedule:
        """A bound copy; `span` updates are there for "the rest"."""
        raise UsageError(f"{type(self).__name__} declares no length")

    def _ended(self, span: int) -> Schedule:
        """This open-ended schedule with an end after `span` updates."""
        return Cut(self, span)

    # -- values

    def __call__(self, t: Any) -> Any:
        """The rate of update `t`: a float for a number, a float64 array for an array."""
        if (type(t) is float or type(t) is int) and 0 <= t <= formula.LATEST:
            return self._scalar(t)
        return self._evaluate(t)

    def at(self, t: Any, xp: Namespace) -> Any:
        """The value at `t >= 0` computed in the namespace `xp`; what bridges and composites call."""
        return xp.once(self, t, lambda: self._held(t, xp))

    def _held(self, t: Any, xp: Namespace) -> Any:
        return self.formula(xp.hold(t, self.length), xp)

    @cached_property
    def _scalar(self) -> Callable[[float], float]:
        """The printed Python, compiled once per instance: several times faster than running the formula."""
        symbols = Symbols(user_functions=True)
        return formula.compiled(symbols.node(self.at(symbols.t, symbols)))

    def _evaluate(self, t: Any) -> Any:
        if isinstance(t, abc_numbers.Real) and not isinstance(t, bool):
            value = float(t) if -1e300 < t < 1e300 else math.copysign(math.inf, t)
            if not value >= 0:
                raise TimeError(f"t must be >= 0 updates, got {t}")
            return self._scalar(min(value, formula.LATEST))
        if isinstance(t, formula.Node):
            return self.at(t, t.space)
        family = type(t).__module__.partition(".")[0]
        if family in _LAZY:
            return _above(family).evaluate(self, t)
        return self._over_array(t)

    def _over_array(self, t: Any) -> Array:
        times = np.asarray(t)
        if times.dtype.kind not in "iuf" and times.size:
            raise UsageError(f"t must be a number or an array of numbers, got {shorten(t)} of {times.dtype} dtype")
        if times.size and not times.min() >= 0:
            raise TimeError(f"every t must be >= 0 updates, got {times.min()}")
        flat = times.reshape(-1)
        values = np.empty(flat.shape, dtype=np.float64)
        with np.errstate(under="ignore"):  # a decay that reaches 0 is right
            for start in range(0, flat.size, BLOCK):
                block = flat[start : start + BLOCK].astype(np.float64)
                if times.dtype.kind == "f":
                    block = np.minimum(block, formula.LATEST)
                values[start : start + BLOCK] = self.at(block, Arrays())
        return values.reshape(times.shape)

    def curve(self, updates: int | None = None) -> Array:
        """The rates of updates 0 .. n-1 as an array; n is the schedule's length unless given."""
        return self._over_array(np.arange(self._horizon(updates)))

    # -- time

    @cached_property
    def length(self) -> float:
        """Its length in updates: an int, or `math.inf` when it goes on for ever."""
        if not self.bound:
            raise UnboundError(
                f"{shorten(self, 200)} has no length in updates yet; bind it with .over(total), "
                "which also takes updates_per_epoch, tokens_per_update and samples_per_update"
            )
        return self._length()

    def over(
        self,
        total: int,
        *,
        updates_per_epoch: float | None = None,
        tokens_per_update: float | None = None,
        samples_per_update: float | None = None,
    ) -> Schedule:
        """The schedule bound to `total` updates: "5%", "3ep", "2e9tok", "1e6smp" and the rest become numbers.

        Bound parts are left alone; parts longer than the total are an error.
        """
        clock = Clock(total, updates_per_epoch, tokens_per_update, samples_per_update)
        return self if self.bound else self._bind(clock, clock.total)

    def _allot(self, clock: Clock, span: int) -> Schedule:
        """Bound, and with an end: what a part that is followed needs."""
        bound = self._bind(clock, span)
        return bound._ended(span) if bound.length == FOREVER else bound

    def _horizon(self, updates: int | None) -> int:
        if updates is not None:
            return Clock(updates).total
        if self.length == FOREVER:
            raise UnboundError(f"{shorten(self, 200)} goes on for ever; say how many updates: updates=...")
        return int(self.length)

    def _grid(self) -> Array:
        """Updates that show the whole schedule: all of them up to a million, then ever sparser ones."""
        last = min(self.length, formula.LATEST)
        dense = np.arange(min(last, 1e6) + 1)
        return dense if last <= 1e6 else np.unique(np.concatenate([dense, np.floor(np.geomspace(1e6, last, 10_000))]))

    # -- questions it answers without training anything

    def area(self, updates: int | None = None) -> float:
        """The sum of the rates of updates 0 .. n-1; n is the schedule's length unless given."""
        horizon = self._horizon(updates)
        blocks = range(0, horizon, 1 << 20)
        return math.fsum(self._over_array(np.arange(i, min(i + (1 << 20), horizon))).sum() for i in blocks)

    def first(self, *, below: float | None = None, above: float | None = None) -> int | None:
        """The first update whose rate is at or below (or at or above) a bound, or None when there is none.

        Schedules longer than a million updates are searched on a grid that grows sparser after that.
        """
        if (below is None) == (above is None):
            raise ParameterError("give one of below=... and above=... (a rate)")
        times = self._grid()
        values = self._over_array(times)
        hits = np.flatnonzero(values <= below if below is not None else values >= above)
        return int(times[hits[0]]) if hits.size else None

    @cached_property
    def peak(self) -> float:
        """Its largest rate (beyond a million updates, the largest on a grid that grows sparser)."""
        return float(self._over_array(self._grid()).max())

    # -- the algebra

    def __rshift__(self, other: Any) -> Schedule:
        if not isinstance(other, Schedule):
            return NotImplemented
        return Chain((*_parts(self, Chain), *_parts(other, Chain)))

    def __mul__(self, other: Any) -> Schedule:
        if isinstance(other, Schedule):
            return Product((*_parts(self, Product), *_parts(other, Product)))
        return Scaled(other, self) if _is_number(other) else NotImplemented

    def __rmul__(self, other: Any) -> Schedule:
        return Scaled(other, self) if _is_number(other) else NotImplemented

    def __truediv__(self, other: Any) -> Schedule:
        return Scaled(1 / other, self) if _is_number(other) and other else NotImplemented

    def __add__(self, other: Any) -> Schedule:
        if not isinstance(other, Schedule):
            return NotImplemented
        return Sum((*_parts(self, Sum), *_parts(other, Sum)))

    def clip(self, low: float | None = None, high: float | None = None) -> Schedule:
        """No lower than `low`, no higher than `high`."""
        return Clipped(self, low, high)

    def mirror(self) -> Schedule:
        """There and back: f up to its length, then f backwards."""
        return Mirrored(self)

    def repeat(self, times: int | None = None, stretch: float = 1.0, scale: float = 1.0) -> Schedule:
        """Again and again: cycle k is `stretch**k` as long and `scale**k` as high; for ever unless `times` is given."""
        return Repeated(self, times, stretch, scale)

    def every(self, updates: int) -> Schedule:
        """A staircase: the value changes only every `updates` updates."""
        return Stepped(self, updates)

    def delay(self, updates: Length) -> Schedule:
        """Hold f(0) for some updates first."""
        return Delayed(self, updates)

    def cut(self, at: Length) -> Schedule:
        """Hold f(at) from `at` on."""
        return Cut(self, at)

    def skip(self, updates: Length) -> Schedule:
        """Start some updates in."""
        return Skipped(self, updates)

    def fit(self, updates: Length) -> Schedule:
        """Stretched in time to a new length."""
        return Fitted(self, updates)

    def extend(self, total: int, at: int) -> Schedule:
        """At update `at`, spread what is left over a new total; the rate does not jump."""
        if not 0 <= at <= total:
            raise ParameterError(f"extend needs 0 <= at <= total updates, got at={at}, total={total}")
        return self.cut(at) >> self.skip(at).fit(total - at)

    def cooldown(self, at: int, updates: int, end: float = 0.0) -> Schedule:
        """At update `at`, leave the schedule and go to `end` in a straight line; the rate does not jump."""
        return self.cut(at) >> SCHEDULES["Linear"](self(at), end, updates)

    # -- showing it

    def __repr__(self) -> str:
        return f"{type(self).__name__}({arguments(self)})"

    def _text(self, level: int) -> str:
        return repr(self) if self.level >= level else f"({self!r})"

    def _symbolic(self) -> formula.Node:
        symbols = Symbols()
        return symbols.node(self.at(symbols.t, symbols))

    def latex(self, name: str = "\\eta(t)") -> str:
        """The formula as LaTeX."""
        return formula.latex(self._symbolic(), name)

    def code(self, target: str = "python") -> str:
        """Source to take elsewhere: "python", "javascript" or "torch"; it does not need this library."""
        return cast(str, _above("code")(self, target))

    def lint(self, **context: Any) -> Any:
        """Findings: what is probably not meant. `updates=` tells the length of the run."""
        return _above("lint")(self, **context)

    def plot(self, **options: Any) -> Any:
        """A Matplotlib figure of the rate over the updates."""
        return _above("plot")(self, **options)

    def _repr_svg_(self) -> str | None:
        """What a notebook shows; None, which leaves it the text, when there is nothing to draw or draw with."""
        try:
            return cast("str | None", _above("svg")(self))
        except (LearnrateError, ImportError):
            return None


def _is_number(x: object) -> bool:
    return isinstance(x, abc_numbers.Real) and not isinstance(x, bool)


def _parts(schedule: Schedule, kind: type[Schedule]) -> tuple[Schedule, ...]:
    return schedule.parts if isinstance(schedule, kind) else (schedule,)  # type: ignore[attr-defined, no-any-return]


# -- leaves


class Shape(Schedule):
    """A schedule with a formula of its own. Its length, where it has one, is the parameter `updates`.

    `open_ended` shapes need no length: alone or last they go on for ever, followed they take the rest.
    """

    open_ended: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        SCHEDULES.add(cls.__name__, cls)

    @property
    def updates_or_rest(self) -> Length:
        return self.__dict__.get("updates")

    @property
    def demand(self) -> str:
        if self.updates_or_rest is not None:
            return "fixed"
        return "open" if self.open_ended else "rest"

    @property
    def bound(self) -> bool:
        return isinstance(self.updates_or_rest, int) or self.demand == "open"

    def _length(self) -> float:
        known = self.updates_or_rest
        return FOREVER if known is None else cast(int, known)

    def _extent(self, clock: Clock) -> int | None:
        known = self.updates_or_rest
        return None if known is None else clock.resolve(known)

    def _bind(self, clock: Clock, span: int) -> Schedule:
        if self.bound:
            return self
        extent = self._extent(clock)
        if extent is not None and extent > clock.total:
            raise ParameterError(
                f"{shorten(self)} is {extent} updates long, longer than the total of {clock.total} updates"
            )
        return self.replace(updates=span if extent is None else extent)

    def _ended(self, span: int) -> Schedule:
        return self.replace(updates=span) if "updates" in self.kinds else Cut(self, span)

    def _held(self, t: Any, xp: Namespace) -> Any:
        if self.length == 0:  # nothing to divide by: alone, a shape without length is its end value
            return self.replace(updates=1).at(1.0, xp)
        return self.formula(xp.hold(t, self.length), xp)


class Recipe(Schedule):
    """A schedule that is a name for an expression in the algebra: `meaning()` returns it."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        SCHEDULES.add(cls.__name__, cls)

    def meaning(self) -> Schedule:
        """The expression this recipe stands for."""
        raise UsageError(f"{type(self).__name__} declares no meaning")

    @property
    def _total(self) -> Length:
        return self.__dict__.get("updates")

    @property
    def demand(self) -> str:
        if "updates" in self.kinds:
            return "rest" if self._total is None else "fixed"
        return self.meaning().demand

    @property
    def bound(self) -> bool:
        return self.algebra.bound

    @cached_property
    def algebra(self) -> Schedule:
        """The meaning, bound to the recipe's own length where that is a number."""
        meaning = self.meaning()
        if meaning.bound or not isinstance(self._total, int):
            return meaning
        try:
            return meaning._bind(Clock(self._total), self._total)
        except UnboundError:  # lengths in epochs, tokens or samples wait for .over()
            return meaning

    def _length(self) -> float:
        return self.algebra.length

    def _extent(self, clock: Clock) -> int | None:
        if "updates" in self.kinds:
            return None if self._total is None else clock.resolve(self._total)
        return self.meaning()._extent(clock)

    def _bind(self, clock: Clock, span: int) -> Schedule:
        if self.bound:
            return self
        changes: dict[str, Any] = {}
        if "updates" in self.kinds:
            extent = self._extent(clock)
            changes["updates"] = span if extent is None else extent
            clock = clock.within(changes["updates"])
        for name, value in self.parameters().items():
            if isinstance(value, str) and isinstance(self.kinds[name], LengthKind):
                changes.setdefault(name, clock.resolve(value))
        return self.replace(**changes)

    def _held(self, t: Any, xp: Namespace) -> Any:
        return self.algebra.at(t, xp)


# -- composites


@dataclasses.dataclass(frozen=True, slots=True)
class Inner(Kind):
    """A schedule as a parameter of a composite."""

    def read(self, value: Any) -> Schedule:
        if not isinstance(value, Schedule):
            raise ValueError(f"be a schedule, got {shorten(value)}")
        return value

    def draw(self, rng: random.Random) -> Schedule:
        shapes = [cls for _, cls in SCHEDULES.items() if cls.__module__ == "learnrate.schedules"]
        return cast(Schedule, draw(rng.choice(shapes), rng))


@dataclasses.dataclass(frozen=True, slots=True)
class Several(Inner):
    """Two or more schedules."""

    def read(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) < 2:
            raise ValueError(f"be a list of two or more schedules, got {shorten(value)}")
        return tuple(Inner.read(self, part) for part in value)

    def draw(self, rng: random.Random) -> Any:
        return tuple(Inner.draw(self, rng) for _ in range(rng.randint(2, 3)))


def _body() -> Any:
    return declare(Inner("f", "", "the schedule it is made of"))


class Composite(Schedule):
    """A schedule made of schedules; registered apart, since the text form writes it with operators and methods."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.kinds:
            COMPOSITES.add(cls.__name__, cls)


class Chain(Composite):
    """`a >> b`: one after the other. The local time of b starts at 0 when a has ended, and at the join b speaks."""

    level = CHAIN
    parts: tuple[Schedule, ...] = declare(Several("", "", "the schedules, in order"))

    def check(self) -> None:
        self.__dict__["parts"] = tuple(part for given in self.parts for part in _parts(given, Chain))
        waiting = self._waiting
        if len(waiting) > 1:
            raise ParameterError(
                f"a chain has at most one part without a length, got {len(waiting)}: "
                f"{', '.join(shorten(part) for part in waiting)}; give all but one a length"
            )

    @property
    def _waiting(self) -> list[Schedule]:
        """The parts that take the rest; an open-ended last part just goes on."""
        *before, last = self.parts
        return [p for p in before if p.demand != "fixed"] + [last] * (last.demand == "rest")

    @property
    def demand(self) -> str:
        return "rest" if self._waiting else self.parts[-1].demand

    @property
    def bound(self) -> bool:
        return all(part.bound for part in self.parts) and not self._waiting

    def _length(self) -> float:
        return sum(part.length for part in self.parts)

    def _extent(self, clock: Clock) -> int | None:
        extents = [part._extent(clock) for part in self.parts]
        return None if None in extents else sum(cast(list[int], extents))

    def _bind(self, clock: Clock, span: int) -> Schedule:
        if self.bound:
            return self
        fixed = sum(part._extent(clock) or 0 for part in self.parts)
        if fixed > span:
            raise ParameterError(f"the parts of {shorten(self, 200)} take {fixed} of {span} updates; shorten them")
        *before, last = self.parts
        bound = [part._allot(clock, span - fixed) for part in before]
        return Chain((*bound, last._bind(clock, span - fixed)))

    @cached_property
    def _layout(self) -> list[tuple[int, Schedule]]:
        """Where each part starts; parts without length have vanished."""
        layout, start = [], 0
        for part in self.parts:
            if part.length > 0:
                layout.append((start, part))
                start += int(part.length) if part.length < FOREVER else 0
        return layout or [(0, self.parts[-1])]

    def formula(self, t: Any, xp: Any) -> Any:
        def local(start: int, part: Schedule) -> Callable[[Any], Any]:
            return lambda t: part.at(t - start if start else t, xp)

        if len(self._layout) == 1:
            return self._layout[0][1].at(t, xp)
        edges = Table(float(start) for start, _ in self._layout[1:])
        return xp.piece(t, edges, [local(start, part) for start, part in self._layout])

    def __repr__(self) -> str:
        return " >> ".join(part._text(ADD) for part in self.parts)


class Together(Composite):
    """Several schedules at once, as long as the longest; a shorter one holds its last value."""

    @property
    def operands(self) -> tuple[Schedule, ...]:
        return cast("tuple[Schedule, ...]", self.__dict__["parts"])

    @property
    def demand(self) -> str:
        demands = [part.demand for part in self.operands]
        return "rest" if "rest" in demands else "open" if "open" in demands else "fixed"

    @property
    def bound(self) -> bool:
        return all(part.bound for part in self.operands)

    def _length(self) -> float:
        return max(part.length for part in self.operands)

    def _extent(self, clock: Clock) -> int | None:
        extents = [part._extent(clock) for part in self.operands]
        return None if None in extents else max(cast(list[int], extents))

    def _bind(self, clock: Clock, span: int) -> Schedule:
        return self.replace(parts=tuple(part._bind(clock, span) for part in self.operands))

    def _flatten(self) -> None:
        flat = tuple(part for given in self.operands for part in _parts(given, type(self)))
        self.__dict__["parts"] = flat


class Product(Together):
    """`a * b`: the values multiplied."""

    level = TIMES
    parts: tuple[Schedule, ...] = declare(Several("", "", "the factors"))

    def check(self) -> None:
        self._flatten()

    def formula(self, t: Any, xp: Any) -> Any:
        value = self.parts[0].at(t, xp)
        for part in self.parts[1:]:
            value = value * part.at(t, xp)
        return value

    def __repr__(self) -> str:
        first, *others = self.parts
        return " * ".join([first._text(TIMES), *(part._text(CALL) for part in others)])


class Sum(Together):
    """`a + b`: the values added."""

    level = ADD
    parts: tuple[Schedule, ...] = declare(Several("", "", "the terms"))

    def check(self) -> None:
        self._flatten()

    def formula(self, t: Any, xp: Any) -> Any:
        value = self.parts[0].at(t, xp)
        for part in self.parts[1:]:
            value = value + part.at(t, xp)
        return value

    def __repr__(self) -> str:
        return " + ".join(part._text(TIMES) for part in self.parts)


class Wrapper(Composite):
    """One schedule, changed. By default it is as long as what it wraps; `_inside` and `_outside` say otherwise."""

    needs_end: ClassVar[bool] = False

    @property
    def inner(self) -> Schedule:
        return cast(Schedule, self.__dict__["body"])

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        """The clock and the span that the body sees."""
        return clock, span

    def _outside(self, length: float) -> float:
        """The whole length for a body of this length."""
        return length

    def _resolved(self, clock: Clock) -> dict[str, Any]:
        """Its own lengths as numbers of updates."""
        return {
            name: clock.resolve(value)
            for name, value in self.parameters().items()
            if isinstance(value, str) and isinstance(self.kinds[name], LengthKind)
        }

    @property
    def _own_bound(self) -> bool:
        return not any(isinstance(value, str) for value in self.parameters().values())

    @property
    def demand(self) -> str:
        inner = self.inner.demand
        return "rest" if self.needs_end and inner != "fixed" else inner

    @property
    def bound(self) -> bool:
        return self._own_bound and self.inner.bound and not (self.needs_end and self.inner.length == FOREVER)

    def _length(self) -> float:
        return self._outside(self.inner.length)

    def _extent(self, clock: Clock) -> int | None:
        settled = self.replace(**self._resolved(clock))
        if settled.demand != "fixed":
            return None
        inner = self.inner._extent(settled._inside(clock, clock.total)[0])
        return int(settled._outside(FOREVER if inner is None else inner))

    def _bind(self, clock: Clock, span: int) -> Schedule:
        if self.bound:
            return self
        settled = self.replace(**self._resolved(clock))
        inside = settled._inside(clock, span)
        if inside[1] < 0:
            raise ParameterError(f"{shorten(self, 200)} is longer than the {span} updates there are for it")
        body = self.inner._allot(*inside) if self.needs_end else self.inner._bind(*inside)
        whole = settled.replace(body=body)
        # cycles are rounded to whole updates, so together they may miss the span they fill by a few
        inexact = self.demand == "rest" and self.needs_end and whole.length != span
        return Cut(whole, span) if inexact else whole

    def __repr__(self) -> str:
        given = [(name, value) for name, value in self.parameters().items() if name != "body"]
        defaults = type(self)._defaults
        while given and given[-1][0] in defaults and given[-1][1] == defaults[given[-1][0]]:
            given.pop()
        return f"{self.inner._text(CALL)}.{self.method}({', '.join(repr(value) for _, value in given)})"

    method: ClassVar[str] = ""


class Scaled(Wrapper):
    """`k * a`: every value times a number."""

    level = TIMES
    factor: float = number("k", "", "what every value is multiplied by")
    body: Schedule = _body()

    def formula(self, t: Any, xp: Any) -> Any:
        return self.factor * self.body.at(t, xp)

    def __repr__(self) -> str:
        return f"{self.factor!r} * {self.body._text(CALL)}"


class Clipped(Wrapper):
    """`.clip(low, high)`: no lower than `low`, no higher than `high`."""

    method = "clip"
    body: Schedule = _body()
    low: float | None = number("m", "rate", "the lowest value", None)
    high: float | None = number("M", "rate", "the highest value", None)

    def check(self) -> None:
        if self.low is None and self.high is None:
            raise ParameterError("clip needs a lowest or a highest value (a rate)")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ParameterError(f"clip needs low <= high, got {self.low} and {self.high}")

    def formula(self, t: Any, xp: Any) -> Any:
        value = self.body.at(t, xp)
        if self.low is not None:
            value = xp.maximum(value, self.low)
        return value if self.high is None else xp.minimum(value, self.high)


class Mirrored(Wrapper):
    """`.mirror()`: there and back."""

    method = "mirror"
    needs_end = True
    body: Schedule = _body()

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        half = half_up(Fraction(span, 2))
        return clock.within(half), half

    def _outside(self, length: float) -> float:
        return 2 * length

    def formula(self, t: Any, xp: Any) -> Any:
        half = self.body.length
        return self.body.at(half - xp.abs(half - t), xp)


class Repeated(Wrapper):
    """`.repeat(times, stretch, scale)`: cycle k is `stretch**k` as long and `scale**k` as high as the first.

    Cycles start at exact updates, read from a table: a floating logarithm misses some restarts.
    """

    method = "repeat"
    needs_end = True
    body: Schedule = _body()
    times: int | None = number("n", "cycles", "how many cycles; for ever if left out", None, ge=1, le=2**53, whole=True)
    stretch: float = number("s", "", "each cycle's length, as a multiple of the one before", 1.0, ge=1)
    scale: float = number("q", "", "each cycle's height, as a multiple of the one before", 1.0, gt=0, le=1)

    def check(self) -> None:
        if 1 < self.stretch < 1.01:
            raise ParameterError(f"Repeated.stretch must be 1 or at least 1.01, got {self.stretch}")
        if self.times is None and not self.body.bound:
            raise ParameterError(
                f"repeating {shorten(self.body)}, which has no length yet, needs times=...; or bind it with .over(total)"
            )
        if self.times is None and self.body.length in (0, FOREVER):
            raise ParameterError(f"a cycle must last some updates and end, got {shorten(self.body)}")

    @property
    def demand(self) -> str:
        return "open" if self.times is None else "fixed" if self.body.demand == "fixed" else "rest"

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        cycles, stretch = self.times or 1, Fraction(repr(self.stretch))
        if stretch > 1 and cycles > 10_000:
            raise ParameterError(f"{cycles} cycles that stretch by {self.stretch} do not fit into {span} updates")
        share = Fraction(cycles) if stretch == 1 else (stretch**cycles - 1) / (stretch - 1)
        first = half_up(span / share)
        return clock.within(first), first

    def _outside(self, length: float) -> float:
        if self.times is None or length == FOREVER:
            return FOREVER
        return self.times * length if self.stretch == 1 else self._starts(int(length))[-1]

    def _starts(self, length: int) -> list[float]:
        """Where each cycle starts, rounded half up to whole updates, and where the last one ends."""
        starts = [0]
        with localcontext() as context:
            context.prec = 60
            stretch, start, cycle = Decimal(repr(self.stretch)), Decimal(0), Decimal(length)
            while len(starts) <= (self.times or math.inf) and starts[-1] < formula.LATEST and length:
                start, cycle = start + cycle, cycle * stretch
                starts.append(int(start.to_integral_value(ROUND_HALF_UP)))
        return [float(start) for start in starts]

    @cached_property
    def _cycles(self) -> tuple[Table, Table, Table]:
        """The start, the stretch and the scale of every cycle, as tables."""
        starts = self._starts(int(self.body.length))[:-1] or [0.0]
        stretches = Table(self.stretch**k for k in range(len(starts)))
        return Table(starts), stretches, Table(self.scale**k for k in range(len(starts)))

    def formula(self, t: Any, xp: Any) -> Any:
        length = self.body.length
        if length == 0:
            return self.body.at(t, xp)
        if self.stretch > 1:
            starts, stretches, scales = self._cycles
            cycle = xp.find(t, starts)
            local = (t - xp.take(starts, cycle)) / xp.take(stretches, cycle)
            value = self.body.at(local, xp)
            return value if self.scale == 1 else xp.take(scales, cycle) * value
        cycle = xp.floor(t / length)
        if self.times is not None:
            cycle = xp.minimum(cycle, self.times - 1)
        value = self.body.at(t - cycle * length, xp)
        return value if self.scale == 1 else self.scale**cycle * value


class Stepped(Wrapper):
    """`.every(n)`: a staircase; the value changes only every n updates."""

    method = "every"
    body: Schedule = _body()
    updates: int = number("n", "updates", "how long each stair is", ge=1, le=2**53, whole=True)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.body.at(self.updates * xp.floor(t / self.updates), xp)


class Delayed(Wrapper):
    """`.delay(n)`: f(0) for n updates, then f."""

    method = "delay"
    body: Schedule = _body()
    updates: Length = length("n", "how long f(0) is held")

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        return clock, span - cast(int, self.updates)

    def _outside(self, length: float) -> float:
        return length + cast(int, self.updates)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.body.at(xp.maximum(t - self.updates, 0), xp)


class Settled(Wrapper):
    """A wrapper that sets its own length."""

    @property
    def demand(self) -> str:
        return "fixed"

    def _outside(self, length: float) -> float:
        return cast(int, self.__dict__["updates"])


class Cut(Settled):
    """`.cut(t)`: f up to t, and f(t) from there on; its length is t."""

    method = "cut"
    body: Schedule = _body()
    updates: Length = length("n", "the update from which the value is held")

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        return clock, clock.total

    def formula(self, t: Any, xp: Any) -> Any:
        return self.body.at(t, xp)


class Skipped(Wrapper):
    """`.skip(n)`: f from n updates in."""

    method = "skip"
    body: Schedule = _body()
    updates: Length = length("n", "how many updates are left out")

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        whole = span + cast(int, self.updates)
        return (clock if clock.total >= whole else clock.within(whole)), whole

    def _outside(self, length: float) -> float:
        return max(length - cast(int, self.updates), 0)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.body.at(t + self.updates, xp)


class Fitted(Settled):
    """`.fit(n)`: f stretched in time to n updates."""

    method = "fit"
    needs_end = True
    body: Schedule = _body()
    updates: Length = length("n", "the new length")

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        return clock.within(cast(int, self.updates)), cast(int, self.updates)

    def formula(self, t: Any, xp: Any) -> Any:
        own, inner = cast(int, self.updates), self.body.length
        return self.body.at(t * inner / own if own else t + inner, xp)


def first_difference(a: Schedule, b: Schedule, updates: int | None = None, tolerance: float = 1e-12) -> int | None:
    """The first update at which two schedules differ by more than `tolerance` of the larger peak, or None.

    Looks at `updates` updates; when left out, at both lengths and a little beyond (a million at most, or a hundred
    thousand for schedules that go on for ever).
    """
    longest = max(a.length, b.length)
    horizon = updates if updates is not None else int(min(longest + 2, 1_000_000)) if longest < FOREVER else 100_000
    x, y = a.curve(horizon), b.curve(horizon)
    scale = max(float(np.abs(x).max(initial=0.0)), float(np.abs(y).max(initial=0.0)))
    differs = np.flatnonzero(np.abs(x - y) > tolerance * scale)
    return int(differs[0]) if differs.size else None


__all__ = [
    "ALGEBRA", "COMPOSITES", "SCHEDULES", "Chain", "Clipped", "Cut", "Delayed", "Fitted", "Mirrored", "Product",
    "Recipe", "Repeated", "Scaled", "Schedule", "Self", "Shape", "Skipped", "Stepped", "Sum", "first_difference",
]  # fmt: skip
