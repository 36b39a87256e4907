"""NVIDIA NeMo: nemo.core.optim.lr_scheduler, stepped once after every update.

Its warmup counts from 1 and is one step longer than asked: (t + 1) / (W + 1), the peak at update W itself. Up to and
including W nothing else speaks. `max_steps` counts from the start of the run; at the first update after it every
policy but Noam has `min_lr`. Every argument is given by name there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..errors import ParameterError
from ..findings import Finding
from ..schedule import Schedule
from ..schedules import Constant, Cosine, InverseSqrt, Linear, Polynomial, PowerDecay, PowerLaw
from ..spec import flag, number
from . import quirks
from .conventions import Conventions
from .dialect import Curve, Dialect
from .fields import base_rate, count

_LATER = "Give max_steps at least the updates of the run, or expect min_lr from there on."
_UNSHIFTED = "Its curve counts from update 0, not from the end of the warmup; give hold_steps=0 to count from there."


def _steps(noun: str, default: Any = None) -> Any:
    return count(f"updates of {noun}", default)


def _ratio(noun: str) -> Any:
    return number("q", "", f"{noun}, as a share of max_steps", default=None, ge=0, le=1, span=(0.01, 0.5))


def _total() -> Any:
    return count("the last update that the curve speaks for", least=1)


def _total_or_none() -> Any:
    return count("the last update that the curve speaks for; for ever if left out", None, least=1)


def _floor(default: float = 0.0) -> Any:
    return number("m", "rate", "the rate at the end", default=default, ge=0, span=(1e-6, 1e-3))


def _share(schedule: Any, noun: str) -> int | None:
    """`noun`_steps, or `noun`_ratio of max_steps, rounded down; None when neither is given."""
    steps, ratio = getattr(schedule, f"{noun}_steps"), getattr(schedule, f"{noun}_ratio")
    name = schedule.full_name()
    if steps is not None and ratio is not None:
        raise ParameterError(f"{name}: give {noun}_steps or {noun}_ratio, not both; got {steps} and {ratio}")
    if ratio is not None and schedule.max_steps is None:
        raise ParameterError(f"{name}.{noun}_ratio is a share of max_steps, which is missing; give max_steps too")
    return int(ratio * schedule.max_steps) if ratio is not None else steps


def _warmup(schedule: Any) -> int:
    return _share(schedule, "warmup") or 0


def _held_until(schedule: Any) -> int:
    """The update at which the hold is over; 0 when no hold is given, even after a warmup."""
    hold = _share(schedule, "hold")
    return 0 if hold is None else _warmup(schedule) + hold


def _needs_total(schedule: Any) -> None:
    if schedule.max_steps is None:
        raise ParameterError(f"{schedule.full_name()}.max_steps is missing; the library compares every update with it")


def _fits(schedule: Any, end_of_hold: int) -> None:
    """The library divides by what is left of the run after the hold, when an update asks for it."""
    warmup = _warmup(schedule)
    if end_of_hold == schedule.max_steps and not 0 < warmup >= end_of_hold:
        raise ParameterError(
            f"{schedule.full_name()}.max_steps must be > {end_of_hold} updates, the end of warmup and hold, "
            f"got {schedule.max_steps}; the library divides by their difference"
        )


def _not_below(schedule: Any, strictly: bool = False) -> None:
    if schedule.lr < schedule.min_lr or (strictly and schedule.lr == schedule.min_lr):
        sign = "<" if strictly else "<="
        raise ParameterError(
            f"{schedule.full_name()}.min_lr must be {sign} lr, here {schedule.lr} rate, got {schedule.min_lr}"
        )


def _part(curve: Schedule, skipped: int, updates: int | None) -> Schedule:
    """Some updates of a curve, from `skipped` on; all that follow when no number is given."""
    if isinstance(curve, Constant):
        return curve.replace(updates=updates)
    rest = curve.skip(skipped) if skipped else curve
    return rest if updates is None else rest.cut(updates)


def _policy(
    lr: float, warmup: int, curve: Schedule, max_steps: int | None, min_lr: float, *, start: int = 0
) -> Schedule:
    """Warmup through update `warmup`, lr up to `start`, the curve from there through max_steps, then min_lr."""
    parts: list[Schedule] = []
    now = 0
    if warmup:
        known = start <= warmup and (max_steps is None or warmup <= max_steps)
        joins = start > warmup or (known and curve(warmup - start) == lr)
        now = warmup if joins else warmup + 1
        ramp = Linear(lr / (warmup + 1), lr, warmup)
        parts.append(ramp if joins else ramp.cut(now))
    if start > now:
        parts.append(Constant(lr, start - now))
        now = start
    if max_steps is None:
        parts.append(_part(curve, now - start, None))
    elif max_steps < now:
        parts.append(Constant(min_lr, 1))
    elif curve.length <= max_steps - start and curve(max_steps - start) == min_lr:
        left = curve.length - (now - start)  # a part without length would vanish
        parts.append(_part(curve, now - start, None) if left > 0 else Constant(min_lr, 1))
    else:
        parts += [_part(curve, now - start, max_steps + 1 - now), Constant(min_lr, 1)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole >> part
    return whole


def _unshifted(schedule: Any, run: int) -> Iterator[Finding]:
    """Without a hold, a warmup is followed by a curve that has already begun."""
    warmup = _warmup(schedule)
    if warmup and _held_until(schedule) == 0:
        yield from quirks.jumps(schedule, warmup + 1, run, _UNSHIFTED)


class _Policy(Dialect):
    """The base of all: `max_steps` is what its arguments call the end."""

    @classmethod
    def _register(cls) -> None:
        if cls.__name__ != "_Policy":
            super()._register()

    @property
    def horizon(self) -> int | None:
        return self.__dict__["max_steps"]  # type: ignore[no-any-return]


class WarmupPolicy(_Policy):
    """nemo WarmupPolicy: warmup to (t + 1) / (W + 1), then constant; `min_lr` after `max_steps`.

    >>> WarmupPolicy(warmup_steps=4)([0, 1, 2, 3, 4, 5]).round(3)
    array([0.2, 0.4, 0.6, 0.8, 1. , 1. ])
    """

    conventions = Conventions("constant", "(t+1)/(W+1)", "t > b", "whole", "rate", "jumps")
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    max_steps: int | None = _total_or_none()
    min_lr: float = _floor()
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return _policy(self.lr, _warmup(self), Constant(self.lr), self.max_steps, self.min_lr)

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.max_steps is not None:
            yield from quirks.jumps(self, self.max_steps + 1, run, _LATER)


class SquareRootConstantPolicy(_Policy):
    """nemo SquareRootConstantPolicy: 1 / sqrt(C) whatever the base rate is, and only after update C the base rate.

    >>> SquareRootConstantPolicy(constant_steps=4, max_steps=8, lr=0.1)([0, 4, 5, 8, 9])
    array([0.5, 0.5, 0.1, 0.1, 0. ])
    """

    conventions = Conventions("constant", "", "t > b", "whole", "rate", "jumps")
    constant_steps: int | None = count("updates at 1 / sqrt(constant_steps)", None, least=1)
    constant_ratio: float | None = _ratio("the constant part")
    max_steps: int | None = _total_or_none()
    min_lr: float = _floor()
    lr: float = base_rate()

    def check(self) -> None:
        _check_constant(self)

    def meaning(self) -> Schedule:
        return _after_constant(self, Constant(self.lr))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _rate_of_its_own(self, run)


def _check_constant(schedule: Any) -> None:
    """The library computes with constant_steps before it looks at the ratio, and compares with max_steps."""
    name = schedule.full_name()
    if schedule.constant_steps is None or schedule.constant_ratio is not None:
        given = "constant_ratio" if schedule.constant_ratio is not None else "neither it nor constant_ratio"
        raise ParameterError(
            f"{name}.constant_steps must be given (updates), got {given}; the library raises without it"
        )
    _needs_total(schedule)


def _after_constant(schedule: Any, curve: Schedule) -> Schedule:
    """1 / sqrt(C) through update C, then a curve whose time is that of the run minus C."""
    constant, total = schedule.constant_steps, schedule.max_steps
    first: Schedule = Constant(constant**-0.5, constant + 1)
    if total > constant:
        first = first >> _part(curve, 1, total - constant)
    return first >> Constant(schedule.min_lr, 1)


def _rate_of_its_own(schedule: Any, run: int) -> Iterator[Finding]:
    own = schedule.constant_steps**-0.5
    evidence = {"rate": own, "constant_steps": schedule.constant_steps}
    yield Finding("ignores the base rate", "warning", evidence, "Its rate is 1 / sqrt(constant_steps), whatever lr is.")
    yield from quirks.jumps(schedule, schedule.max_steps + 1, run, _LATER)


class WarmupHoldPolicy(_Policy):
    """nemo WarmupHoldPolicy: warmup, then constant in any case; the hold only outlasts `max_steps`.

    >>> WarmupHoldPolicy(warmup_steps=1, hold_steps=2, max_steps=4)([0, 1, 3, 4, 5])
    array([0.5, 1. , 1. , 1. , 0. ])
    """

    conventions = Conventions("constant", "(t+1)/(W+1)", "t > b", "whole", "rate", "jumps")
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    hold_steps: int | None = _steps("hold, after the warmup")
    hold_ratio: float | None = _ratio("hold")
    max_steps: int | None = _total_or_none()
    min_lr: float = _floor()
    lr: float = base_rate()

    def check(self) -> None:
        _needs_total(self)

    def meaning(self) -> Schedule:
        hold = _held_until(self)
        return _policy(self.lr, _warmup(self), Constant(self.lr), self.max_steps, self.min_lr, start=hold)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from quirks.jumps(self, (self.max_steps or 0) + 1, run, _LATER)


class WarmupHoldAnnealOneMinusSquareRoot(_Policy):
    """nemo WarmupHoldAnnealOneMinusSquareRoot: warmup, hold, then 1 - sqrt(u), cut off at `min_lr`.

    Without `hold_steps` its u counts from update 0, so that the rate drops at once after the warmup.

    >>> WarmupHoldAnnealOneMinusSquareRoot(max_steps=10, min_lr=0.1, warmup_steps=2, hold_steps=4)([6, 7, 9]).round(3)
    array([1.   , 0.5  , 0.134])
    """

    conventions = Conventions("warmup-stable-decay", "(t+1)/(W+1)", "t >= b", "whole", "clipped")
    max_steps: int = _total()
    min_lr: float = _floor()
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    hold_steps: int | None = _steps("hold, after the warmup")
    hold_ratio: float | None = _ratio("hold")
    lr: float = base_rate()

    def check(self) -> None:
        _fits(self, _held_until(self))

    def meaning(self) -> Schedule:
        hold = _held_until(self)
        curve = PowerDecay(self.lr, 0, max(self.max_steps - hold, 0), power=0.5).clip(self.min_lr)
        return _policy(self.lr, _warmup(self), curve, self.max_steps, self.min_lr, start=hold)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _unshifted(self, run)


class WarmupHoldAnnealLinear(_Policy):
    """nemo WarmupHoldAnnealLinear: warmup, hold, then a straight line to `min_lr`.

    Without `hold_steps` the line starts at update 0, so that the rate drops at once after the warmup.

    >>> WarmupHoldAnnealLinear(max_steps=10, warmup_steps=2, hold_steps=4)([2, 5, 6, 8, 10])
    array([1. , 1. , 1. , 0.5, 0. ])
    >>> WarmupHoldAnnealLinear(max_steps=10, warmup_steps=2)([2, 3, 10])
    array([1. , 0.7, 0. ])
    """

    conventions = Conventions("warmup-stable-decay", "(t+1)/(W+1)", "t >= b", "whole", "rate")
    max_steps: int = _total()
    min_lr: float = _floor()
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    hold_steps: int | None = _steps("hold, after the warmup")
    hold_ratio: float | None = _ratio("hold")
    lr: float = base_rate()

    def check(self) -> None:
        _fits(self, _held_until(self))

    def meaning(self) -> Schedule:
        hold = _held_until(self)
        curve = Linear(self.lr, self.min_lr, max(self.max_steps - hold, 0))
        return _policy(self.lr, _warmup(self), curve, self.max_steps, self.min_lr, start=hold)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _unshifted(self, run)


class WarmupAnnealHoldPolicy(_Policy):
    """nemo WarmupAnnealHoldPolicy: warmup, the base rate, then `min_lr` for the last `constant_steps` and after.

    >>> WarmupAnnealHoldPolicy(warmup_steps=1, constant_steps=2, max_steps=6, min_lr=0.1)([0, 1, 4, 5, 7])
    array([0.5, 1. , 1. , 0.1, 0.1])
    """

    conventions = Conventions("constant", "(t+1)/(W+1)", "t > b", "whole", "rate", "jumps")
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    constant_steps: int | None = _steps("min_lr at the end")
    constant_ratio: float | None = _ratio("min_lr at the end")
    max_steps: int | None = _total_or_none()
    min_lr: float = _floor()
    lr: float = base_rate()

    def check(self) -> None:
        _needs_total(self)

    def meaning(self) -> Schedule:
        constant = _share(self, "constant") or 0
        return _policy(self.lr, _warmup(self), Constant(self.lr), (self.max_steps or 0) - constant, self.min_lr)

    def quirks(self, run: int) -> Iterator[Finding]:
        end = (self.max_steps or 0) - (_share(self, "constant") or 0)
        yield from quirks.jumps(self, end + 1, run, _LATER)


class SquareAnnealing(_Policy):
    """nemo SquareAnnealing: the square of what is left, cut off at `min_lr`, which is 1e-5 unless given.

    >>> SquareAnnealing(max_steps=10, min_lr=0.1)([0, 5, 8, 11])
    array([1.  , 0.25, 0.1 , 0.1 ])
    """

    conventions = Conventions("polynomial", "(t+1)/(W+1)", "", "whole", "clipped")
    max_steps: int = _total()
    min_lr: float = _floor(1e-5)
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        warmup = _warmup(self)
        curve = Polynomial(self.lr, 0, max(self.max_steps - warmup, 0), power=2.0).clip(self.min_lr)
        return _policy(self.lr, warmup, curve, self.max_steps, self.min_lr, start=warmup)


class SquareRootAnnealing(_Policy):
    """nemo SquareRootAnnealing: the square root of what is left of the whole run, cut off at `min_lr`.

    It counts from update 0 also after a warmup: with 4 of 12 updates of warmup the rate drops from 1 to 0.764.

    >>> SquareRootAnnealing(max_steps=12, warmup_steps=4)([4, 5, 9, 12]).round(3)
    array([1.   , 0.764, 0.5  , 0.   ])
    """

    conventions = Conventions("polynomial", "(t+1)/(W+1)", "", "whole", "clipped")
    max_steps: int = _total()
    min_lr: float = _floor()
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        curve = Polynomial(self.lr, 0, self.max_steps, power=0.5).clip(self.min_lr)
        return _policy(self.lr, _warmup(self), curve, self.max_steps, self.min_lr)

    def quirks(self, run: int) -> Iterator[Finding]:
        advice = (
            "Its curve counts from update 0, not from the end of the warmup; leave the warmup out, or expect a drop."
        )
        if _warmup(self):
            yield from quirks.jumps(self, _warmup(self) + 1, run, advice)


class CosineAnnealing(_Policy):
    """nemo CosineAnnealing: half a cosine to `min_lr`, held.

    With `constant_steps`, the updates at `min_lr` at the end, its warmup becomes t / W.

    >>> CosineAnnealing(max_steps=10, min_lr=0.1)([0, 5, 9, 10, 15]).round(3)
    array([1.   , 0.55 , 0.122, 0.1  , 0.1  ])
    >>> CosineAnnealing(max_steps=10, min_lr=0.1, warmup_steps=2, constant_steps=4)([0, 1, 2, 4, 6, 10])
    array([0.  , 0.5 , 1.  , 0.55, 0.1 , 0.1 ])
    """

    conventions = Conventions("cosine", "(t+1)/(W+1)", "", "whole", "rate")
    max_steps: int = _total()
    min_lr: float = _floor()
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    constant_steps: int | None = _steps("min_lr at the end")
    constant_ratio: float | None = _ratio("min_lr at the end")
    lr: float = base_rate()

    def check(self) -> None:
        constant, warmup = _share(self, "constant") or 0, _warmup(self)
        _not_below(self, strictly=constant > 0)
        if constant and not warmup and constant >= self.max_steps:
            raise ParameterError(
                f"{self.full_name()}.constant_steps must be < max_steps, here {self.max_steps} updates, got {constant}"
            )

    def meaning(self) -> Schedule:
        warmup, constant = _warmup(self), _share(self, "constant") or 0
        decay = self.max_steps - warmup - constant
        curve = Cosine(self.lr, self.min_lr, max(decay, 0))
        if not constant:
            return _policy(self.lr, warmup, curve, self.max_steps, self.min_lr, start=warmup)
        if decay > 0:
            ramped = Linear(0, self.lr, warmup) >> curve if warmup else curve
            return ramped >> Constant(self.min_lr, constant)
        return Linear(0, self.lr, warmup).cut(warmup + 1) >> Constant(self.min_lr, 1)


class NoamAnnealing(_Policy):
    """nemo NoamAnnealing: the Transformer's schedule, with update 0 at the rate of update 1, no lower than `min_lr`.

    `max_steps` does nothing but scale `warmup_ratio`, and the floor counts only after the warmup.

    >>> NoamAnnealing(d_model=1, warmup_steps=4)([0, 1, 4, 16])
    array([0.125, 0.125, 0.5  , 0.25 ])
    """

    conventions = Conventions("inverse square root", "other", "", "", "clipped", "continues")
    d_model: int = count("width of the model", least=1, span=(1, 512))
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    max_steps: int | None = _total_or_none()
    min_lr: float = _floor()
    lr: float = base_rate()

    def check(self) -> None:
        _not_below(self)

    def meaning(self) -> Schedule:
        scale = self.lr / math.sqrt(self.d_model)
        warmup = _warmup(self)
        if not warmup:
            return InverseSqrt(scale, 1).delay(1).clip(self.min_lr)
        peak = scale / math.sqrt(warmup)
        ramp = Linear(0, peak, warmup).skip(1).delay(1)
        if peak >= self.min_lr:
            return ramp >> InverseSqrt(peak, warmup).clip(self.min_lr)
        return ramp.cut(warmup + 1) >> Constant(self.min_lr)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from quirks.first_twice(self, run)


class NoamHoldAnnealing(_Policy):
    """nemo NoamHoldAnnealing: warmup, hold, then (W / (t - hold)) ** decay_rate, cut off at `min_lr`.

    After `max_steps` the rate leaps to `min_lr`; the library refuses to run without a warmup.

    >>> NoamHoldAnnealing(max_steps=20, warmup_steps=4, hold_steps=4)([4, 8, 20, 21])
    array([1. , 1. , 0.5, 0. ])
    """

    conventions = Conventions("power", "(t+1)/(W+1)", "t >= b", "whole", "clipped", "jumps")
    max_steps: int = _total()
    decay_rate: float = number("p", "", "power of the decay", default=0.5, ge=0, le=100, span=(0.3, 2))
    min_lr: float = _floor()
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    hold_steps: int | None = _steps("hold, after the warmup")
    hold_ratio: float | None = _ratio("hold")
    lr: float = base_rate()

    def check(self) -> None:
        if _warmup(self) < 1:
            raise ParameterError(f"{self.full_name()}.warmup_steps must be >= 1 updates, got 0; the library raises")

    def meaning(self) -> Schedule:
        warmup = _warmup(self)
        hold = max(_held_until(self), warmup)
        curve = PowerLaw(self.lr, self.decay_rate, warmup).clip(self.min_lr)
        return _policy(self.lr, warmup, curve, self.max_steps, self.min_lr, start=hold)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from quirks.jumps(self, self.max_steps + 1, run, _LATER)


class WarmupAnnealing(_Policy):
    """nemo WarmupAnnealing: warmup and a straight line to `min_lr`; all groups follow the first group's rate.

    >>> WarmupAnnealing(max_steps=10, warmup_steps=2, min_lr=0.1)([0, 2, 6, 10, 12]).round(3)
    array([0.333, 1.   , 0.55 , 0.1  , 0.1  ])
    """

    conventions = Conventions("linear", "(t+1)/(W+1)", "", "whole", "rate")
    max_steps: int = _total()
    min_lr: float = _floor()
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        warmup = _warmup(self)
        curve = Linear(self.lr, self.min_lr, max(self.max_steps - warmup, 0))
        return _policy(self.lr, warmup, curve, self.max_steps, self.min_lr, start=warmup)


class InverseSquareRootAnnealing(_Policy):
    """nemo InverseSquareRootAnnealing: sqrt((W + 1) / (t + 1)) after the warmup; `min_lr` at once after `max_steps`.

    >>> InverseSquareRootAnnealing(max_steps=50, warmup_steps=4)([0, 1, 3, 4, 5, 16, 100]).round(3)
    array([0.2  , 0.4  , 0.8  , 1.   , 0.913, 0.542, 0.   ])
    """

    conventions = Conventions("inverse square root", "(t+1)/(W+1)", "", "whole", "", "jumps")
    max_steps: int = _total()
    min_lr: float = _floor()
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        warmup = _warmup(self)
        curve = InverseSqrt(self.lr, warmup + 1)
        return _policy(self.lr, warmup, curve, self.max_steps, self.min_lr, start=warmup)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from quirks.jumps(self, self.max_steps + 1, run, _LATER)


class T5InverseSquareRootAnnealing(_Policy):
    """nemo T5InverseSquareRootAnnealing: 1 / sqrt(max(t, C)), whatever the base rate is; `min_lr` after `max_steps`.

    >>> T5InverseSquareRootAnnealing(max_steps=50, constant_steps=4)([0, 4, 16, 51])
    array([0.5 , 0.5 , 0.25, 0.  ])
    """

    conventions = Conventions("inverse square root", "", "t > b", "whole", "", "jumps")
    max_steps: int = _total()
    min_lr: float = _floor()
    constant_steps: int | None = count("updates at 1 / sqrt(constant_steps)", None, least=1)
    constant_ratio: float | None = _ratio("the constant part")

    def check(self) -> None:
        _check_constant(self)

    def meaning(self) -> Schedule:
        constant = self.constant_steps or 1
        return _after_constant(self, InverseSqrt(constant**-0.5, constant))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _rate_of_its_own(self, run)


class _Teeth(Curve):
    """A polynomial decay whose length grows by itself each time it is over: a saw of ever lower and longer teeth."""

    start: float = number("a", "rate", "value at t = 0")
    end: float = number("b", "rate", "value at the end of a tooth")
    tooth: int = count("length of the first tooth", least=1)
    power: float = number("p", "", "how fast it falls at first", default=1.0, gt=0, le=100)

    def formula(self, t: Any, xp: Any) -> Any:
        teeth = xp.maximum(-xp.quotient(-t, self.tooth), 1)
        w = xp.let("w", xp.maximum(1 - t / (self.tooth * teeth), 0) ** self.power)
        return self.start * w + self.end * (1 - w)


def _power() -> Any:
    return number("p", "", "how fast it falls at first", default=1.0, gt=0, le=100, span=(0.3, 3))


class PolynomialDecayAnnealing(_Policy):
    """nemo PolynomialDecayAnnealing: a power of what is left, down to `min_lr`.

    `cycle` does nothing: the policy is at `min_lr` before the second cycle could begin.

    >>> PolynomialDecayAnnealing(max_steps=10, min_lr=0.1, power=2.0)([0, 5, 10, 11])
    array([1.   , 0.325, 0.1  , 0.1  ])
    """

    conventions = Conventions("polynomial", "(t+1)/(W+1)", "", "whole", "rate")
    max_steps: int = _total()
    min_lr: float = _floor()
    power: float = _power()
    cycle: bool = flag("c", "asks for longer and longer cycles, without effect", default=False)
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        warmup = _warmup(self)
        curve = Polynomial(self.lr, self.min_lr, max(self.max_steps - warmup, 0), power=self.power)
        return _policy(self.lr, warmup, curve, self.max_steps, self.min_lr, start=warmup)

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.cycle:
            evidence = {"max_steps": self.max_steps, "min_lr": self.min_lr}
            advice = "The rate is min_lr from max_steps on; chain cycles yourself."
            yield Finding("cycle has no effect", "note", evidence, advice)


class PolynomialHoldDecayAnnealing(_Policy):
    """nemo PolynomialHoldDecayAnnealing: warmup, hold, then a power of what is left, down to `min_lr`.

    Without `hold_steps` the power counts from update 0 but ends after `max_steps` minus warmup, so that the rate drops
    after the warmup and is at `min_lr` early, or with `cycle` begins a second, lower tooth.

    >>> PolynomialHoldDecayAnnealing(max_steps=10, warmup_steps=2, hold_steps=4, power=2.0)([5, 6, 8, 10])
    array([1.  , 1.  , 0.25, 0.  ])
    >>> PolynomialHoldDecayAnnealing(max_steps=10, warmup_steps=2)([2, 3, 8, 9])
    array([1.   , 0.625, 0.   , 0.   ])
    """

    conventions = Conventions("polynomial", "(t+1)/(W+1)", "t >= b", "whole", "rate")
    max_steps: int = _total()
    min_lr: float = _floor()
    power: float = _power()
    cycle: bool = flag("c", "longer and longer cycles, if the curve ends before max_steps", default=False)
    warmup_steps: int | None = _steps("warmup")
    warmup_ratio: float | None = _ratio("warmup")
    hold_steps: int | None = _steps("hold, after the warmup")
    hold_ratio: float | None = _ratio("hold")
    lr: float = base_rate()

    def check(self) -> None:
        _fits(self, max(_held_until(self), _warmup(self)))

    def meaning(self) -> Schedule:
        warmup, hold = _warmup(self), _held_until(self)
        left = self.max_steps - max(warmup, hold)
        curve: Schedule = Polynomial(self.lr, self.min_lr, max(left, 0), power=self.power)
        if self.cycle and hold < warmup and left > 0:
            curve = _Teeth(self.lr, self.min_lr, left, power=self.power)
        return _policy(self.lr, warmup, curve, self.max_steps, self.min_lr, start=hold)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _unshifted(self, run)


__all__ = [
    "CosineAnnealing",
    "InverseSquareRootAnnealing",
    "NoamAnnealing",
    "NoamHoldAnnealing",
    "PolynomialDecayAnnealing",
    "PolynomialHoldDecayAnnealing",
    "SquareAnnealing",
    "SquareRootAnnealing",
    "SquareRootConstantPolicy",
    "T5InverseSquareRootAnnealing",
    "WarmupAnnealHoldPolicy",
    "WarmupAnnealing",
    "WarmupHoldAnnealLinear",
    "WarmupHoldAnnealOneMinusSquareRoot",
    "WarmupHoldPolicy",
    "WarmupPolicy",
]
