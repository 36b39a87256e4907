"""fvcore.common.param_scheduler: pure functions of progress; update t of a run of N is asked at t / N.

Where a class does not count updates itself, the run is `num_updates`; left at 1, the schedule is the function of
progress itself, and so can be a part of `CompositeParamScheduler` or of detectron2's `LRMultiplier`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from ..errors import ParameterError
from ..findings import Finding
from ..schedule import Schedule
from ..schedules import Constant, Cosine
from ..spec import number, numbers
from .conventions import Conventions
from .dialect import Dialect
from .fields import count, plain, schedules
from .progress import Line, Power, Spliced, Stairs, growth, run_of
from .quirks import of_parts, past_end, stops

LONGER = "fvcore raises an error there; make the schedule as long as the run."
COMPLEX = "fvcore raises a negative number to a broken power: the rate is a complex number; end the schedule later."

EPSILON = 1e-6
"""What the library adds to progress before it compares."""


class Failure(NamedTuple):
    """The progress after which the library has no rate (`at_it`: already there); ours holds the last one."""

    progress: float
    at_it: bool = True
    complex: bool = False

    def found(self, updates: int, run: int) -> Iterator[Finding]:
        """What to say of a run of `run` updates where progress is t / `updates`."""
        place = self.progress * updates
        place = round(place) if abs(place - round(place)) < 1e-9 * (1 + place) else place
        first = math.ceil(place) if self.at_it else math.floor(place) + 1
        if not self.complex:
            yield from stops(first, run, LONGER)
        elif run > first:
            yield Finding("complex past the end", "error", {"end": first, "run": run}, COMPLEX)


def failure_of(part: Schedule) -> Failure | None:
    """Where a function of progress has no value any more."""
    return getattr(part, "failure", None)


def failures(schedule: Schedule, updates: int, run: int) -> Iterator[Finding]:
    """The error that the library raises past the end, where it raises one."""
    failure = failure_of(schedule)
    if failure is not None:
        yield from failure.found(updates, run)


def stretched(part: Schedule, updates: int) -> Schedule:
    """A function of progress over so many updates; one that cannot be stretched has nothing to say."""
    whole = isinstance(part, Dialect) and "num_updates" in part.kinds and "milestones" not in part.kinds
    return part.replace(num_updates=updates) if whole else Constant(0.0)


def _value(help: str, **rules: Any) -> Any:
    return number("a", "rate", help, **{"span": (1e-4, 1.0)} | rules)


def _run() -> Any:
    return count("the updates of the run", 1, least=1)


class ConstantParamScheduler(Dialect):
    """fvcore ConstantParamScheduler: one value. (The library raises an error from progress 1 on.)

    >>> ConstantParamScheduler(0.42)(0.3)
    0.42
    """

    conventions = Conventions("constant", past="raises")
    value: float = _value("the value")
    num_updates: int = _run()

    def meaning(self) -> Schedule:
        return Constant(self.value, self.num_updates)

    @property
    def horizon(self) -> int:
        return self.num_updates

    @property
    def failure(self) -> Failure:
        return Failure(1.0)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from failures(self, self.horizon, run)


class CosineParamScheduler(Dialect):
    """fvcore CosineParamScheduler: half a cosine, which rises again past its end.

    >>> CosineParamScheduler(1.0, 0.1, 10)([0, 5, 9, 10, 11, 15, 20]).round(3)
    array([1.   , 0.55 , 0.122, 0.1  , 0.122, 0.55 , 1.   ])
    """

    conventions = Conventions("cosine", horizon="whole", floor="rate", past="bounces")
    start_value: float = _value("the value at t = 0")
    end_value: float = _value("the value at the end")
    num_updates: int = _run()

    def meaning(self) -> Schedule:
        return Cosine(self.start_value, self.end_value, self.num_updates).mirror().repeat()

    @property
    def horizon(self) -> int:
        return self.num_updates

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from past_end(self, self.horizon, run, "fvcore's cosine bounces; make num_updates the length of the run.")


class ExponentialParamScheduler(Dialect):
    """fvcore ExponentialParamScheduler: `start_value * decay ** progress`; it goes on past its end.

    >>> ExponentialParamScheduler(2.0, 0.25, 10)([0, 5, 10, 20])
    array([2.   , 1.   , 0.5  , 0.125])
    """

    conventions = Conventions("exponential", horizon="whole", past="continues")
    start_value: float = _value("the value at t = 0")
    decay: float = number("\\gamma", "", "the factor of the whole run", ge=0, span=(0.02, 2.0))
    num_updates: int = _run()

    def meaning(self) -> Schedule:
        return growth(self.start_value, self.decay, self.num_updates)

    @property
    def horizon(self) -> int:
        return self.num_updates


class LinearParamScheduler(Dialect):
    """fvcore LinearParamScheduler: a straight line, which goes on past its end.

    >>> LinearParamScheduler(1.0, 0.0, 10)([0, 9, 10, 15])
    array([ 1. ,  0.1,  0. , -0.5])
    """

    conventions = Conventions("linear", horizon="whole", floor="rate", past="negative")
    start_value: float = _value("the value at t = 0")
    end_value: float = _value("the value at the end")
    num_updates: int = _run()

    def meaning(self) -> Schedule:
        return Line(self.start_value, self.end_value, self.num_updates)

    @property
    def horizon(self) -> int:
        return self.num_updates

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from past_end(self, self.horizon, run, "fvcore's line goes on; make num_updates the length of the run.")


class PolynomialDecayParamScheduler(Dialect):
    """fvcore PolynomialDecayParamScheduler: a power of what is left.

    Past the end a whole power goes on (an even one rises again); any other power gives complex numbers there, and ours
    holds 0.

    >>> PolynomialDecayParamScheduler(1.0, 2.0, 10)([0, 5, 10, 15])
    array([1.  , 0.25, 0.  , 0.25])
    """

    conventions = Conventions("polynomial", horizon="whole", past="holds")
    base_value: float = _value("the value at t = 0")
    power: float = number("p", "", "the power", ge=0, le=100, span=(0.3, 3))
    num_updates: int = _run()

    def meaning(self) -> Schedule:
        sign = 0 if self.failure else -1 if self.power % 2 else 1
        return Power(0.0, self.base_value, self.power, self.num_updates, zero=1, sign=sign)

    @property
    def horizon(self) -> int:
        return self.num_updates

    @property
    def failure(self) -> Failure | None:
        return None if self.power == math.floor(self.power) else Failure(1.0, at_it=False, complex=True)

    def quirks(self, run: int) -> Iterator[Finding]:
        advice = "fvcore's polynomial goes on past its end; make num_updates the length of the run."
        yield from past_end(self, self.horizon, run, advice)
        yield from failures(self, self.horizon, run)


class MultiStepParamScheduler(Dialect):
    """fvcore MultiStepParamScheduler: one value per range; the boundary has the new value.

    Only the proportions of `milestones` and `num_updates` count. (The library raises an error past the end.)

    >>> MultiStepParamScheduler([1.0, 0.1], 10, [4])([2, 3, 4, 5])
    array([1. , 1. , 0.1, 0.1])
    """

    conventions = Conventions("multi-step", boundary="t >= b", horizon="whole", past="raises")
    values: Sequence[float] = numbers("v", "rate", "the value of each range", span=(1e-4, 1.0))
    num_updates: int | None = number(
        "N",
        "updates",
        "the end of the last range; the last milestone if left out",
        default=None,
        ge=1,
        whole=True,
        span=(4, 40),
    )
    milestones: Sequence[int] | None = plain("where each range ends; equal ranges if left out", None)

    def check(self) -> None:
        name = "MultiStepParamScheduler"
        if self.num_updates is None and self.milestones is None:
            raise ParameterError(f"{name}.num_updates or {name}.milestones (updates) must be given, got neither")
        given = self.milestones
        if given is not None and not (isinstance(given, tuple) and all(type(m) is int for m in given)):
            raise ParameterError(f"{name}.milestones must be a list of whole numbers (updates), got {given!r}")
        wanted = len(self.values) - (self.num_updates is not None)
        if given is not None and len(given) != wanted:
            raise ParameterError(f"{name}.milestones must be {wanted} for {len(self.values)} values, got {len(given)}")
        end, inner = self._ranges
        if end < len(self.values):
            raise ParameterError(f"{name}.num_updates must be >= its {len(self.values)} values, got {end} updates")
        if not all(before < after for before, after in pairwise((0, *inner, end))):
            rule = f"must rise strictly between 0 and its end of {end} updates"
            raise ParameterError(f"{name}.milestones {rule}, got {list(inner)}")

    @property
    def _ranges(self) -> tuple[int, tuple[int, ...]]:
        """The end, and where the ranges before it end."""
        if self.milestones is None:
            assert self.num_updates is not None
            width = math.ceil(self.num_updates / len(self.values))
            return self.num_updates, tuple(width * (index + 1) for index in range(len(self.values) - 1))
        if self.num_updates is None:
            return self.milestones[-1], tuple(self.milestones[:-1])
        return self.num_updates, tuple(self.milestones)

    def meaning(self) -> Schedule:
        end, inner = self._ranges
        return Stairs(self.values, [0.0, *((place / end - EPSILON) * end for place in inner)], end)

    @property
    def horizon(self) -> int:
        return self._ranges[0]

    @property
    def failure(self) -> Failure:
        return Failure(1.0, at_it=False)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from failures(self, self.horizon, run)


class StepParamScheduler(Dialect):
    """fvcore StepParamScheduler: the values in turn, each for an equal share of the run.

    (The library raises an error past the end.)

    >>> StepParamScheduler(10, [1.0, 0.1])([0, 4, 5, 9])
    array([1. , 1. , 0.1, 0.1])
    """

    conventions = Conventions("step", boundary="t >= b", horizon="whole", past="raises")
    num_updates: float = number("N", "updates", "the run", ge=1, whole=True, span=(1, 40))
    values: Sequence[float] = numbers("v", "rate", "the value of each share", span=(1e-4, 1.0))

    def meaning(self) -> Schedule:
        run, shares = int(self.num_updates), len(self.values)
        return Stairs(self.values, [0.0, *((k / shares - EPSILON) * run for k in range(1, shares))], run)

    @property
    def horizon(self) -> int:
        return int(self.num_updates)

    @property
    def failure(self) -> Failure:
        return Failure(1.0)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from failures(self, self.horizon, run)


class StepWithFixedGammaParamScheduler(Dialect):
    """fvcore StepWithFixedGammaParamScheduler: `num_decays` times `gamma`, after equal shares of the run.

    >>> StepWithFixedGammaParamScheduler(1.0, 1, 0.1, 10)([0, 4, 5, 9])
    array([1. , 1. , 0.1, 0.1])
    """

    conventions = Conventions("step", boundary="t >= b", horizon="whole", past="raises")
    base_value: float = _value("the value at t = 0", gt=0)
    num_decays: int = number("n", "", "how many decays", ge=1, le=10_000, whole=True, span=(1, 6))
    gamma: float = number("\\gamma", "", "what each decay multiplies by", gt=0, span=(0.1, 1.5))
    num_updates: int = count("the run", least=1)

    def check(self) -> None:
        if self.num_decays * math.log(self.gamma) > 600:
            got = f"{self.gamma} ** {self.num_decays}"
            raise ParameterError(
                f"StepWithFixedGammaParamScheduler: gamma ** num_decays must fit a float, {got} overflows"
            )

    def meaning(self) -> Schedule:
        values = [self.base_value * self.gamma**k for k in range(self.num_decays + 1)]
        return StepParamScheduler(self.num_updates, values)

    @property
    def horizon(self) -> int:
        return self.num_updates

    @property
    def failure(self) -> Failure:
        return Failure(1.0)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from failures(self, self.horizon, run)


class CompositeParamScheduler(Dialect):
    """fvcore CompositeParamScheduler: schedulers in turn, each for its share of the run.

    A "rescaled" one runs whole in its share; a "fixed" one is asked at the progress of the whole run.

    >>> parts = [ConstantParamScheduler(0.42), CosineParamScheduler(0.42, 0.0)]
    >>> CompositeParamScheduler(parts, [0.5, 0.5], ["rescaled", "rescaled"], 10)([0, 4, 5, 10]).round(6)
    array([0.42, 0.42, 0.42, 0.  ])
    """

    conventions = Conventions("sequence", boundary="t >= b", horizon="whole", past="continues")
    schedulers: Sequence[Schedule] = schedules("the schedulers, in order")
    lengths: Sequence[float] = numbers("w", "", "the share of the run of each", ge=0, le=1)
    interval_scaling: Sequence[str] = plain('"rescaled" or "fixed", for each')
    num_updates: int = _run()

    def check(self) -> None:
        name, parts = "CompositeParamScheduler", len(self.schedulers)
        if len(self.lengths) != parts:
            raise ParameterError(f"{name}.lengths must be {parts}, one per scheduler, got {len(self.lengths)}")
        if abs(sum(self.lengths) - 1) >= 1e-3:
            raise ParameterError(f"{name}.lengths must sum to 1, got {sum(self.lengths)}")
        scaling = self.interval_scaling
        if not isinstance(scaling, tuple) or len(scaling) != parts or not set(scaling) <= {"rescaled", "fixed"}:
            got = list(scaling) if isinstance(scaling, tuple) else scaling
            raise ParameterError(f"{name}.interval_scaling must be 'rescaled' or 'fixed', {parts} times, got {got!r}")
        for part in self.schedulers:
            run_of(part)

    @property
    def _shares(self) -> list[float]:
        """The shares, whose sum the last one makes 1."""
        shares = list(self.lengths)
        if sum(shares) != 1:
            shares[-1] = max(1 - sum(shares[:-1]), 0.0)
        return shares

    def meaning(self) -> Schedule:
        shares = self._shares
        ends = list(accumulate(shares))
        whole = [scaling == "rescaled" for scaling in self.interval_scaling]
        # a rescaled part without length never speaks: at the very end, where it would, the library divides by zero
        kept = [index for index, share in enumerate(shares) if share > 0 or (not whole[index] and index)]
        spliced = Spliced(
            schedulers=[self.schedulers[index] for index in kept],
            edges=[ends[index - 1] - EPSILON if index else 0.0 for index in kept],
            origins=[ends[index] - shares[index] if whole[index] else 0.0 for index in kept],
            widths=[shares[index] if whole[index] else 1.0 for index in kept],
            updates=self.num_updates,
        )
        return spliced.cut(self.num_updates) if kept[-1] != len(shares) - 1 else spliced

    @property
    def horizon(self) -> int:
        return self.num_updates

    @property
    def failure(self) -> Failure | None:
        """That of the last part; a rescaled one without a share divides by it."""
        share = self._shares[-1]
        rescaled = self.interval_scaling[-1] == "rescaled"
        if rescaled and not share:
            return Failure(1.0)
        failure = failure_of(self.schedulers[-1])
        if failure is None or not rescaled:
            return failure
        return failure._replace(progress=1 - share + share * failure.progress)

    @property
    def placed(self) -> Iterator[tuple[Schedule, int, float]]:
        """The parts at the size that they have here; past the end the whole speaks for itself."""
        places = [end * self.num_updates for end in accumulate(self._shares, initial=0.0)]
        for part, (start, end), scaling in zip(self.schedulers, pairwise(places), self.interval_scaling, strict=True):
            origin, size = (start, end - start) if scaling == "rescaled" else (0.0, float(self.num_updates))
            if end > start:
                yield stretched(part, max(round(size), 1)), round(origin), round(end)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from of_parts(self.placed, run)
        advice = "fvcore's last part goes on past its end; make num_updates the length of the run."
        yield from past_end(self, self.horizon, run, advice)
        yield from failures(self, self.horizon, run)


__all__ = [
    "CompositeParamScheduler",
    "ConstantParamScheduler",
    "CosineParamScheduler",
    "ExponentialParamScheduler",
    "LinearParamScheduler",
    "MultiStepParamScheduler",
    "PolynomialDecayParamScheduler",
    "StepParamScheduler",
    "StepWithFixedGammaParamScheduler",
]
