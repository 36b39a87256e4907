"""The algebra: each operation that makes a schedule out of schedules is one small class with one formula."""

from __future__ import annotations

import abc
import dataclasses
import math
import random
from collections.abc import Callable, Iterable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, cast

from ..clock import FOREVER, Clock, Length, half_up, length
from ..errors import ParameterError
from ..formula import LATEST, Namespace, Table
from ..spec import Kind, declare, draw, number, shorten
from .contract import ADD, CALL, CHAIN, COMPOSITES, SCHEDULES, TIMES, Schedule, parts_of


@dataclasses.dataclass(eq=False, repr=False)
class Inner(Kind):
    """A schedule as a parameter of a composite."""

    def read(self, value: Any) -> Schedule:
        if not isinstance(value, Schedule):
            raise ValueError(f"be a schedule, got {shorten(value)}")
        return value

    def draw(self, rng: random.Random) -> Schedule:
        shapes = [cls for _, cls in SCHEDULES.items() if cls.__module__.startswith("learnrate.schedules.")]
        return cast(Schedule, draw(rng.choice(shapes), rng))


@dataclasses.dataclass(eq=False, repr=False)
class Several(Inner):
    """Two or more schedules."""

    def read(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) < 2:
            raise ValueError(f"be a list of two or more schedules, got {shorten(value)}")
        return tuple(Inner.read(self, part) for part in value)

    def draw(self, rng: random.Random) -> Any:
        return tuple(Inner.draw(self, rng) for _ in range(rng.randint(2, 3)))


_BODY = Inner("f", "", "the schedule it is made of")


DEEPEST = 100
"""How deep schedules nest: far deeper than anyone writes, and shallow enough for every reader."""


class Composite(Schedule):
    """A schedule made of schedules; registered apart, since the text form writes it with operators and methods.

    One that keeps time asks its operands at its own `t`. They hold by themselves, and a shared one, asked at one and
    the same time, is evaluated once.
    """

    keeps_time: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inner = self.parameters().get("parts") or (self.__dict__["body"],)
        self.__dict__["depth"] = depth = 1 + max(part.depth for part in inner)
        if depth > DEEPEST:
            raise ParameterError(f"schedules nest at most {DEEPEST} deep; sample it: Interpolation(knots, values)")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.kinds:
            COMPOSITES.add(cls.__name__, cls)

    @abc.abstractmethod
    def formula(self, t: Any, xp: Any) -> Any:
        """The value for 0 <= t <= length, in the closed language of `learnrate.formula`."""

    def _held(self, t: Any, xp: Namespace) -> Any:
        return self.formula(t if self.keeps_time else xp.hold(t, self.length), xp)


class Chain(Composite):
    """`a >> b`: one after the other. The local time of b starts at 0 when a has ended, and at the join b speaks."""

    level = CHAIN
    parts: tuple[Schedule, ...] = declare(Several("", "", "the schedules, in order"))

    def check(self) -> None:
        self.__dict__["parts"] = tuple(part for given in self.parts for part in parts_of(given, Chain))
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

    def _demand(self) -> str:
        return "rest" if self._waiting else self.parts[-1].demand

    def _bound(self) -> bool:
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
        spans = [clock.total if part.demand == "fixed" else span - fixed for part in self.parts]
        bound = [part._allot(clock, rest) for part, rest in zip(before, spans, strict=False)]
        return Chain((*bound, last._bind(clock, spans[-1])))

    @cached_property
    def _layout(self) -> list[tuple[int, Schedule]]:
        """Where each part starts; parts without length have vanished."""
        layout, start = [], 0
        for part in self.parts:
            if part.length > 0:
                layout.append((start, part))
                start += int(part.length) if part.length < FOREVER else 0
        return layout or [(0, self.parts[-1])]

    def _corners(self) -> Iterable[float]:
        return (start + corner for start, part in self._layout for corner in (0.0, *part._corners()))

    def _settled(self) -> float:
        start, last = self._layout[-1]
        return start + last._settled()

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

    keeps_time = True

    @property
    def operands(self) -> tuple[Schedule, ...]:
        return cast("tuple[Schedule, ...]", self.__dict__["parts"])

    def _demand(self) -> str:
        demands = [part.demand for part in self.operands]
        return "rest" if "rest" in demands else "open" if "open" in demands else "fixed"

    def _bound(self) -> bool:
        return all(part.bound for part in self.operands)

    def _length(self) -> float:
        return max(part.length for part in self.operands)

    def _corners(self) -> Iterable[float]:
        return (corner for part in self.operands for corner in part._corners())

    def _settled(self) -> float:
        return max(part._settled() for part in self.operands)

    def _extent(self, clock: Clock) -> int | None:
        extents = [part._extent(clock) for part in self.operands]
        return None if None in extents else max(cast(list[int], extents))

    def _bind(self, clock: Clock, span: int) -> Schedule:
        return self.replace(parts=tuple(part._bind(clock, span) for part in self.operands))

    def _flatten(self) -> None:
        """a + b + c is one sum of three; a + (b + c) stays as it is, for arithmetic rounds in its own order."""
        first, *others = self.operands
        self.__dict__["parts"] = (*parts_of(first, type(self)), *others)


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
        first, *others = self.parts
        return " + ".join([first._text(ADD), *(part._text(TIMES) for part in others)])


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

    @property
    def _own_bound(self) -> bool:
        return not any(isinstance(value, str) for value in self.parameters().values())

    def _demand(self) -> str:
        inner = self.inner.demand
        return "rest" if self.needs_end and inner != "fixed" else inner

    def _bound(self) -> bool:
        return self._own_bound and self.inner.bound and not (self.needs_end and self.inner.length == FOREVER)

    def _length(self) -> float:
        return self._outside(self.inner.length)

    def _corners(self) -> Iterable[float]:
        return self.inner._corners() if self.keeps_time else ()

    def _settled(self) -> float:
        return self.inner._settled() if self.keeps_time else self.length

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
        # a share is rounded to whole updates, so that all of them together may miss the span by a few
        return whole._filling(span) if self.demand == "rest" and whole.length != span else whole

    def _filling(self, span: int) -> Schedule:
        """This bound schedule, made to end exactly where its span does."""
        return self

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
    keeps_time = True
    factor: float = number("k", "", "what every value is multiplied by")
    body: Schedule = declare(_BODY)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.factor * self.body.at(t, xp)

    def __repr__(self) -> str:
        return f"{self.factor!r} * {self.body._text(CALL)}"


class Clipped(Wrapper):
    """`.clip(low, high)`: no lower than `low`, no higher than `high`."""

    method = "clip"
    keeps_time = True
    body: Schedule = declare(_BODY)
    low: float | None = number("m", "rate", "the lowest value", default=None)
    high: float | None = number("M", "rate", "the highest value", default=None)

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
    body: Schedule = declare(_BODY)

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        half = half_up(Fraction(span, 2))
        return clock.within(half), half

    def _outside(self, length: float) -> float:
        return 2 * length

    def _filling(self, span: int) -> Schedule:
        return Fitted(self, span)

    def formula(self, t: Any, xp: Any) -> Any:
        half = self.body.length
        if half >= LATEST:  # no time is late enough to turn back
            return self.body.at(t, xp)
        return self.body.at(half - xp.abs(half - t), xp)


class Repeated(Wrapper):
    """`.repeat(times, stretch, scale)`: cycle k is `stretch**k` as long and `scale**k` as high as the first.

    Cycles start at exact updates, read from a table: a floating logarithm misses some restarts.
    """

    method = "repeat"
    needs_end = True
    body: Schedule = declare(_BODY)
    times: int | None = number(
        "n", "cycles", "how many cycles; for ever if left out", default=None, ge=1, le=2**53, whole=True, span=(1, 5)
    )
    stretch: float = number(
        "s", "", "each cycle's length, as a multiple of the one before", default=1.0, ge=1, span=(1.01, 3)
    )
    scale: float = number("q", "", "each cycle's height, as a multiple of the one before", default=1.0, gt=0, le=1)
    total: int | None = number(
        "T", "updates", "what all cycles fill together, each a whole share", default=None, ge=0, le=2**53, whole=True
    )

    def check(self) -> None:
        self._check_total()
        if 1 < self.stretch < 1.01:
            raise ParameterError(f"Repeated.stretch must be 1 or at least 1.01, got {self.stretch}")
        if self.times is None and not self.body.bound:
            raise ParameterError(
                f"repeating {shorten(self.body)}, which has no length yet, needs times=... or first .over(total)"
            )
        if self.times is None and self.body.length in (0, FOREVER):
            raise ParameterError(f"a cycle must last some updates and end, got {shorten(self.body)}")

    def _check_total(self) -> None:
        if self.total is None:
            return
        if self.times is None or not self.body.bound:
            raise ParameterError("Repeated.total needs times=... and a body with a length in updates")
        starts = self._starts(int(self.body.length)) if self.times <= self.total else []
        if self.total and not all(before < after for before, after in pairwise(starts or [0, 0])):
            raise ParameterError(self._unfit(self.total))

    def _unfit(self, span: int) -> str:
        stretch = "" if self.stretch == 1 else f" that stretch by {self.stretch}"
        return f"{self.times} cycles{stretch} do not fit into {span} updates; use fewer cycles"

    def _demand(self) -> str:
        return "open" if self.times is None else "fixed" if self.body.demand == "fixed" else "rest"

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        if span > 0 and self._together(self.times or 1) > 2 * span:
            raise ParameterError(self._unfit(span))
        first = half_up(span / Fraction(self._together(self.times or 1))) if span > 0 else span
        return clock.within(max(first, 0)), first

    def _together(self, cycles: int) -> Decimal:
        """How many first cycles are as long as `cycles` cycles together."""
        if self.stretch == 1:
            return Decimal(cycles)
        if cycles * math.log10(self.stretch) > 40:  # longer than any run
            return Decimal(10) ** 40
        with localcontext() as context:
            context.prec = 60
            stretch = Decimal(repr(self.stretch))
            return (stretch**cycles - 1) / (stretch - 1)

    def _filling(self, span: int) -> Schedule:
        return self.replace(total=span)

    def _outside(self, length: float) -> float:
        if self.total is not None:
            return self.total
        if self.times is None or length == FOREVER:
            return FOREVER
        return self.times * length if self.stretch == 1 else self._starts(int(length))[-1]

    def _starts(self, length: int) -> list[float]:
        """Where each cycle starts, rounded half up to whole updates, and where the last one ends."""
        starts = [0]
        with localcontext() as context:
            context.prec = 60
            if self.total is not None:
                whole = self._together(self.times or 1)
                shares = (self.total * self._together(k) / whole for k in range(1, (self.times or 1) + 1))
                return [0.0, *(float(share.to_integral_value(ROUND_HALF_UP)) for share in shares)]
            stretch, start, cycle = Decimal(repr(self.stretch)), Decimal(0), Decimal(length)
            while len(starts) <= (self.times or math.inf) and starts[-1] < LATEST and length:
                start, cycle = start + cycle, cycle * stretch
                starts.append(int(start.to_integral_value(ROUND_HALF_UP)))
        return [float(min(start, LATEST)) for start in starts]

    @cached_property
    def _cycles(self) -> tuple[Table, ...]:
        """Where every cycle starts, the origin of its local time, what that is multiplied and divided by, its scale.

        A last cycle that is rounded down would stop short of its end value: a further one, with that end for origin,
        says it.
        """
        length = int(self.body.length)
        starts = self._starts(length)
        end = starts.pop()
        stretches, scales = ([base**k for k in range(len(starts))] for base in (self.stretch, self.scale))
        if self.total is not None:
            shares = [after - before for before, after in pairwise([*starts, end])]
            return Table(starts), Table(starts), Table([length] * len(starts)), Table(shares), Table(scales)
        origins = list(starts)
        if self.times == len(starts) and (end - starts[-1]) / stretches[-1] < length:  # rounded down to whole updates
            starts, origins = [*starts, end], [*origins, end - length]
            stretches, scales = [*stretches, 1.0], [*scales, scales[-1]]
        return Table(starts), Table(origins), Table([1.0] * len(starts)), Table(stretches), Table(scales)

    def formula(self, t: Any, xp: Any) -> Any:
        length = self.body.length
        if length == 0:
            return self.body.at(t, xp)
        if self.stretch > 1 or self.total is not None:
            starts, origins, factors, divisors, scales = self._cycles
            cycle = xp.find(t, starts)
            local = (t - xp.take(origins, cycle)) * xp.take(factors, cycle) / xp.take(divisors, cycle)
            value = self.body.at(local, xp)
            return value if self.scale == 1 else xp.take(scales, cycle) * value
        cycle = xp.quotient(t, length)
        if self.times is not None:
            cycle = xp.minimum(cycle, self.times - 1)
        value = self.body.at(t - cycle * length, xp)
        return value if self.scale == 1 else self.scale**cycle * value


class Stepped(Wrapper):
    """`.every(n)`: a staircase; the value changes only every n updates. Past its end it holds the last stair."""

    method = "every"
    body: Schedule = declare(_BODY)
    updates: Length = length("n", "how long each stair is", least=1)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.body.at(self.updates * xp.quotient(t, self.updates), xp)


class Delayed(Wrapper):
    """`.delay(n)`: f(0) for n updates, then f."""

    method = "delay"
    body: Schedule = declare(_BODY)
    updates: Length = length("n", "how long f(0) is held")

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        return clock, span - cast(int, self.updates)

    def _outside(self, length: float) -> float:
        return length + cast(int, self.updates)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.body.at(xp.maximum(t - self.updates, 0), xp)


class Settled(Wrapper):
    """A wrapper that sets its own length."""

    def _demand(self) -> str:
        return "fixed"

    def _outside(self, length: float) -> float:
        return cast(int, self.__dict__["updates"])


class Cut(Settled):
    """`.cut(t)`: f up to t, and f(t) from there on; its length is t."""

    method = "cut"
    body: Schedule = declare(_BODY)
    updates: Length = length("n", "the update from which the value is held")

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        return clock, clock.total

    def formula(self, t: Any, xp: Any) -> Any:
        return self.body.at(t, xp)


class Skipped(Wrapper):
    """`.skip(n)`: f from n updates in."""

    method = "skip"
    body: Schedule = declare(_BODY)
    updates: Length = length("n", "how many updates are left out")

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        return clock, span + cast(int, self.updates)

    def _outside(self, length: float) -> float:
        return max(length - cast(int, self.updates), 0)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.body.at(t + self.updates, xp)


class Fitted(Settled):
    """`.fit(n)`: f stretched in time to n updates."""

    method = "fit"
    needs_end = True
    body: Schedule = declare(_BODY)
    updates: Length = length("n", "the new length")

    def _inside(self, clock: Clock, span: int) -> tuple[Clock, int]:
        return clock.within(cast(int, self.updates)), cast(int, self.updates)

    def formula(self, t: Any, xp: Any) -> Any:
        own, inner = cast(int, self.updates), self.body.length
        return self.body.at(t * inner / own if own else t + inner, xp)
