"""The schedulers of pytorch_scheduler that stand alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from ...errors import ParameterError
from ...findings import Finding
from ...formula import EXPONENT_LIMIT, LATEST, Table
from ...schedule import Schedule
from ...schedules import (
    REX,
    Chebyshev,
    Constant,
    Cosine,
    ExponentialHyperbolic,
    Hyperbolic,
    InverseSqrt,
    Linear,
    Polynomial,
    PowerDecay,
    PowerLaw,
)
from ...spec import REQUIRED, choice, flag, number
from ..conventions import Conventions
from ..dialect import Curve, Dialect
from ..fields import base_rate, count
from ..quirks import misses_peak


def _total() -> Any:
    return count("the update at which it ends, warmup included", least=1)


def _warmup(default: Any = 0) -> Any:
    return count("length of the warmup, from 0", default, span=(0, 15))


def _floor(default: float = 0.0) -> Any:
    return number("m", "rate", "the rate at the end", default=default, ge=0, span=(1e-5, 1e-3))


def _fits(self: Dialect, *names: str, whole: bool = False) -> None:
    """These parts leave at least one update of `total_steps` (none, when they may be the `whole` of it)."""
    values = self.parameters()
    taken, total = sum(values[name] for name in names), values["total_steps"]
    if taken > total or (taken == total and not whole):
        sign = "<=" if whole else "<"
        raise ParameterError(
            f"{type(self).__name__}.{' + '.join(names)} must be {sign} total_steps (updates), got {taken} and {total}"
        )


class IdentityScheduler(Dialect):
    """pytorch_scheduler.IdentityScheduler: the optimizer's rate, unchanged.

    >>> IdentityScheduler(lr=0.5)(100)
    0.5
    """

    conventions = Conventions("constant")
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return Constant(self.lr)


class RexScheduler(Dialect):
    """pytorch_scheduler.RexScheduler: between linear and a late, sharp fall to 0.

    >>> RexScheduler(10)([0, 5, 10]).round(3)
    array([1.   , 0.667, 0.   ])
    """

    conventions = Conventions("reflected exponential", horizon="whole")
    total_steps: int = _total()
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return REX(self.lr, 0.0, self.total_steps)


class InverseSqrtScheduler(Dialect):
    """pytorch_scheduler.InverseSqrtScheduler: a linear rise from 0, then sqrt(`warmup_steps` / t).

    >>> InverseSqrtScheduler(4)([0, 1, 4, 16, 100])
    array([0.  , 0.25, 1.  , 0.5 , 0.2 ])
    """

    conventions = Conventions("inverse square root", warmup="t/W", past="continues")
    warmup_steps: int = count("length of the warmup, from 0", least=1)
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return Linear(0.0, self.lr, self.warmup_steps) >> InverseSqrt(self.lr, self.warmup_steps)


class LinearDecayScheduler(Dialect):
    """pytorch_scheduler.LinearDecayScheduler: a linear rise from 0, then a straight line to `min_lr`.

    >>> LinearDecayScheduler(12, 4)([0, 1, 4, 8, 12])
    array([0.  , 0.25, 1.  , 0.5 , 0.  ])
    """

    conventions = Conventions("linear", warmup="t/W", horizon="whole", floor="rate")
    total_steps: int = _total()
    warmup_steps: int = _warmup()
    min_lr: float = _floor()
    lr: float = base_rate()

    def check(self) -> None:
        _fits(self, "warmup_steps")

    def meaning(self) -> Schedule:
        decay = Linear(self.lr, self.min_lr, self.total_steps - self.warmup_steps)
        return Linear(0.0, self.lr, self.warmup_steps) >> decay


class TrapezoidalScheduler(Dialect):
    """pytorch_scheduler.TrapezoidalScheduler: a linear rise from 0, a plateau, a straight line to `min_lr`.

    Without a decay the rate leaps to `min_lr` at `total_steps`.

    >>> TrapezoidalScheduler(10, 2, 4, 0.1)([0, 1, 5, 6, 7, 9, 10]).round(3)
    array([0.   , 0.5  , 1.   , 1.   , 0.775, 0.325, 0.1  ])
    """

    conventions = Conventions("warmup-stable-decay", warmup="t/W", horizon="whole", floor="rate")
    total_steps: int = _total()
    warmup_steps: int = _warmup(REQUIRED)
    decay_steps: int = count("length of the decay", span=(0, 15))
    min_lr: float = _floor()
    lr: float = base_rate()

    def check(self) -> None:
        _fits(self, "warmup_steps", "decay_steps", whole=True)

    def meaning(self) -> Schedule:
        plateau = Constant(self.lr, self.total_steps - self.warmup_steps - self.decay_steps)
        decay = Linear(self.lr, self.min_lr, self.decay_steps) if self.decay_steps else Constant(self.min_lr)
        return Linear(0.0, self.lr, self.warmup_steps) >> plateau >> decay

    @property
    def horizon(self) -> int | None:
        return self.total_steps


class _Cycles(Curve):
    """Cosine cycles, each beginning with the lowest rate for one update, in whole updates."""

    opening: int = count("length of the first cycle", least=1)
    warmup: int = count("length of the rise in every cycle")
    peak: float = number("\\eta", "rate", "the highest rate of the first cycle")
    low: float = number("m", "rate", "the lowest rate")
    stretch: float = number("s", "", "each cycle's length over the one before", ge=1)
    factor: float = number("\\gamma", "", "each cycle's peak over the one before", gt=0)

    @cached_property
    def _tables(self) -> tuple[Table, ...]:
        """Where each cycle starts, its length, cut to whole updates, and the share of the peak it reaches."""
        starts, lengths = [0], [self.opening]
        while starts[-1] + lengths[-1] < LATEST:
            starts.append(starts[-1] + lengths[-1])
            lengths.append(int(self.opening * self.stretch ** len(lengths)))
        shares = [math.exp(min(k * math.log(self.factor), EXPONENT_LIMIT)) for k in range(len(starts))]
        return Table(map(float, starts)), Table(map(float, lengths)), Table(shares)

    def formula(self, t: Any, xp: Any) -> Any:
        if self.stretch == 1:
            cycle, length = xp.quotient(t, self.opening), self.opening
            local, share = xp.let("s", t - cycle * self.opening), xp.exp(cycle * math.log(self.factor))
        else:
            starts, lengths, shares = self._tables
            cycle = xp.find(t, starts)
            length, local = xp.take(lengths, cycle), xp.let("s", t - xp.take(starts, cycle))
            share = xp.take(shares, cycle)
        peak = self.peak * share
        u = xp.maximum(local - self.warmup, 0) / (length - self.warmup)
        w = xp.where(local < self.warmup, local / max(self.warmup, 1), (1 + xp.cos(math.pi * u)) / 2)
        return xp.where(local <= 0, self.low, peak * w + self.low * (1 - w))


class CosineAnnealingWarmupRestarts(Dialect):
    """pytorch_scheduler.CosineAnnealingWarmupRestarts: a linear rise and half a cosine, again and again.

    The first update of every cycle has `min_lr`, also without warmup, where the peak is then never reached. The
    optimizer's own rate does not count.

    >>> CosineAnnealingWarmupRestarts(4, max_lr=1.0, min_lr=0.0, cycle_mult=2.0)([0, 1, 3, 4, 5, 12]).round(3)
    array([0.   , 0.854, 0.146, 0.   , 0.962, 0.   ])
    """

    conventions = Conventions("cosine restarts", warmup="t/W", horizon="per cycle", floor="rate", past="restarts")
    first_cycle_steps: int = count("length of the first cycle, warmup included", least=1)
    warmup_steps: int = _warmup()
    max_lr: float = number("\\eta", "rate", "the highest rate", default=0.1, ge=0, span=(1e-2, 1.0))
    min_lr: float = _floor(0.001)
    cycle_mult: float = number(
        "s", "", "each cycle's length over the one before", default=1.0, ge=1, le=1000, span=(1.01, 3)
    )
    gamma: float = number(
        "\\gamma", "", "each cycle's peak over the one before", default=1.0, gt=0, le=1000, span=(0.3, 1)
    )

    def check(self) -> None:
        if self.warmup_steps >= self.first_cycle_steps:
            raise ParameterError(
                "CosineAnnealingWarmupRestarts.warmup_steps must be < first_cycle_steps (updates), "
                f"got {self.warmup_steps} and {self.first_cycle_steps}"
            )
        if self.min_lr > self.max_lr:
            raise ParameterError(
                f"CosineAnnealingWarmupRestarts.min_lr must be <= max_lr (rates), got {self.min_lr} and {self.max_lr}"
            )
        if 1 < self.cycle_mult < 1.01:
            raise ParameterError(
                f"CosineAnnealingWarmupRestarts.cycle_mult must be 1 or at least 1.01, got {self.cycle_mult}"
            )

    def meaning(self) -> Schedule:
        return _Cycles(self.first_cycle_steps, self.warmup_steps, self.max_lr, self.min_lr, self.cycle_mult, self.gamma)

    @property
    def horizon(self) -> int | None:
        return self.first_cycle_steps

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.max_lr == self.min_lr or run == 0:
            return
        evidence = {"rate at 0": float(self(0)), "max_lr": self.max_lr, "first_cycle_steps": self.first_cycle_steps}
        advice = "The first update of every cycle has min_lr; with warmup_steps > 0 the peak comes at its end."
        yield Finding("lowest rate at every restart", "warning", evidence, advice)
        yield from misses_peak(self, self.max_lr, run, "Give warmup_steps >= 1: without it no update has max_lr.")


class WSDScheduler(Dialect):
    """pytorch_scheduler.WSDScheduler: a linear rise from 0, a plateau, and a decay to `min_lr`.

    >>> WSDScheduler(10, 2, 4, 0.1, "linear")([0, 1, 5, 6, 7, 9, 10]).round(3)
    array([0.   , 0.5  , 1.   , 1.   , 0.775, 0.325, 0.1  ])
    """

    conventions = Conventions("warmup-stable-decay", warmup="t/W", horizon="whole", floor="rate")
    total_steps: int = _total()
    warmup_steps: int = _warmup(REQUIRED)
    stable_steps: int = count("length of the plateau", span=(0, 15))
    min_lr: float = _floor()
    decay_type: str = choice("s", "the curve of the decay", ("cosine", "linear", "sqrt"), default="cosine")
    lr: float = base_rate()

    def check(self) -> None:
        _fits(self, "warmup_steps", "stable_steps")

    def meaning(self) -> Schedule:
        left = self.total_steps - self.warmup_steps - self.stable_steps
        decays: dict[str, Callable[[], Schedule]] = {
            "cosine": lambda: Cosine(self.lr, self.min_lr, left),
            "linear": lambda: Linear(self.lr, self.min_lr, left),
            "sqrt": lambda: PowerDecay(self.lr, self.min_lr, left, power=0.5),
        }
        rise = Linear(0.0, self.lr, self.warmup_steps)
        return rise >> Constant(self.lr, self.stable_steps) >> decays[self.decay_type]()


class KDecayScheduler(Dialect):
    """pytorch_scheduler.KDecayScheduler: half a cosine of progress to the power of `k`.

    >>> KDecayScheduler(10, 1.0, 0.1)([0, 5, 10])
    array([1.  , 0.55, 0.1 ])
    """

    conventions = Conventions("cosine", horizon="whole", floor="rate")
    total_steps: int = _total()
    k: float = number("k", "", "how progress is bent", default=1.0, gt=0, le=100, span=(0.3, 3))
    min_lr: float = _floor()
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return Cosine(self.lr, self.min_lr, self.total_steps, k=self.k)


class _SymmetricTanh(Curve):
    """A hyperbolic tangent that is as far from its start as from its end, and then `end`."""

    start: float = number("a", "rate", "what it comes from")
    end: float = number("b", "rate", "what it goes to")
    period: int = count("the update that has `end`", least=1)
    steepness: float = number("s", "", "argument of tanh at the end", gt=0)

    def formula(self, t: Any, xp: Any) -> Any:
        w = (1 - xp.tanh(self.steepness * (2 * t / self.period - 1))) / 2
        return xp.where(t >= self.period, self.end, self.start * w + self.end * (1 - w))


class TanhDecayScheduler(Dialect):
    """pytorch_scheduler.TanhDecayScheduler: tanh from -`steepness` to `steepness`.

    It starts below the optimizer's rate (at 0.9975 of it for 3) and leaps to `min_lr` at the end.

    >>> TanhDecayScheduler(10)([0, 5, 9, 10]).round(4)
    array([0.9975, 0.5   , 0.0082, 0.    ])
    """

    conventions = Conventions("tanh", horizon="whole", floor="rate")
    total_steps: int = _total()
    steepness: float = number("s", "", "argument of tanh at the end", default=3.0, gt=0, span=(0.5, 6))
    min_lr: float = _floor()
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return _SymmetricTanh(self.lr, self.min_lr, self.total_steps, self.steepness).cut(self.total_steps)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from misses_peak(self, self.lr, run, "A larger steepness starts nearer to the optimizer's rate.")


class SlantedTriangularScheduler(Dialect):
    """pytorch_scheduler.SlantedTriangularScheduler: up from 1 / `ratio` of the rate, and slowly back.

    A rise of less than one update leaves the peak out: the first update has the lowest rate all the same.

    >>> SlantedTriangularScheduler(10, 0.2, 4.0)([0, 1, 2, 10])
    array([0.25 , 0.625, 1.   , 0.25 ])
    """

    conventions = Conventions("triangular", warmup="t/W", horizon="whole", floor="ratio")
    total_steps: int = _total()
    cut_frac: float = number("c", "", "the rise, as a share of the whole", default=0.1, gt=0, lt=1, span=(0.05, 0.9))
    ratio: float = number("r", "", "how much smaller the lowest rate is", default=32.0, gt=0, span=(0.5, 40))
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        rise, low = math.floor(self.total_steps * self.cut_frac), 1 / self.ratio
        if rise:
            factor = Linear(low, 1.0, rise) >> Linear(1.0, low, self.total_steps - rise)
        else:
            factor = Constant(low, 1) >> Linear(1.0, low, self.total_steps).skip(1)
        return self.lr * factor.clip(0.0, 1.0)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from misses_peak(self, self.lr, run, "Make total_steps * cut_frac at least 1.")


class FlatCosineScheduler(Dialect):
    """pytorch_scheduler.FlatCosineScheduler: a plateau, then half a cosine to `min_lr`.

    >>> FlatCosineScheduler(10, 0.6)([0, 6, 8, 10])
    array([1. , 1. , 0.5, 0. ])
    """

    conventions = Conventions("warmup-stable-decay", horizon="whole", floor="rate")
    total_steps: int = _total()
    flat_fraction: float = number("f", "", "the plateau's share", default=0.7, ge=0, lt=1, span=(0.05, 0.95))
    min_lr: float = _floor()
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        flat = math.floor(self.total_steps * self.flat_fraction)
        return Constant(self.lr, flat) >> Cosine(self.lr, self.min_lr, self.total_steps - flat)


def _upper_bound() -> Any:
    return count("the asymptote of the hyperbola; at least total_steps", least=1, span=(20, 80))


def _check_hyperbola(self: Dialect) -> None:
    _fits(self, "warmup_steps")
    values = self.parameters()
    if values["upper_bound"] < values["total_steps"]:
        raise ParameterError(
            f"{type(self).__name__}.upper_bound must be >= total_steps (updates), "
            f"got {values['upper_bound']} and {values['total_steps']}"
        )


def _ends_above(self: Dialect, run: int) -> Iterator[Finding]:
    values = self.parameters()
    end, total = float(self(values["total_steps"])), values["total_steps"]
    if run > total - 1 and end > values["min_lr"] + 1e-9 * self.peak:
        evidence = {"rate at the end": end, "min_lr": values["min_lr"], "upper_bound": values["upper_bound"]}
        advice = "It ends at min_lr only when upper_bound is total_steps and there is no warmup."
        yield Finding("ends above its floor", "warning", evidence, advice)


class HyperbolicLRScheduler(Dialect):
    """pytorch_scheduler.HyperbolicLRScheduler: from `min_lr` up, then a hyperbola whose early part is independent of T.

    It ends above `min_lr` unless `upper_bound` is `total_steps` without warmup (0.22 instead of 0.1 for twice that).

    >>> HyperbolicLRScheduler(10, 20, 0.1)([0, 5, 10]).round(4)
    array([1.    , 0.7237, 0.2206])
    """

    conventions = Conventions("hyperbolic", warmup="t/W", horizon="whole", floor="rate")
    total_steps: int = _total()
    upper_bound: int = _upper_bound()
    min_lr: float = _floor(1e-6)
    warmup_steps: int = _warmup()
    lr: float = base_rate()

    def check(self) -> None:
        _check_hyperbola(self)

    def meaning(self) -> Schedule:
        left = self.total_steps - self.warmup_steps
        decay = Hyperbolic(self.lr, self.min_lr, left, ratio=self.upper_bound / left)
        return Linear(self.min_lr, self.lr, self.warmup_steps) >> decay

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _ends_above(self, run)


class ExpHyperbolicLRScheduler(Dialect):
    """pytorch_scheduler.ExpHyperbolicLRScheduler: the hyperbola on a logarithmic axis; ends above `min_lr` alike.

    >>> ExpHyperbolicLRScheduler(10, 20, 0.01)([0, 5, 10]).round(4)
    array([1.    , 0.2432, 0.0185])
    """

    conventions = Conventions("hyperbolic", warmup="t/W", horizon="whole", floor="rate")
    total_steps: int = _total()
    upper_bound: int = _upper_bound()
    min_lr: float = number("m", "rate", "the lowest rate", default=1e-6, gt=0, span=(1e-5, 1e-3))
    warmup_steps: int = _warmup()
    lr: float = number("\\eta", "rate", "the base rate, as given to the optimizer", default=1.0, gt=0, span=(1e-4, 1))

    def check(self) -> None:
        _check_hyperbola(self)

    def meaning(self) -> Schedule:
        left = self.total_steps - self.warmup_steps
        decay = ExponentialHyperbolic(self.lr, self.min_lr, left, ratio=self.upper_bound / left)
        return Linear(self.min_lr, self.lr, self.warmup_steps) >> decay

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _ends_above(self, run)


class PolynomialScheduler(Dialect):
    """pytorch_scheduler.PolynomialScheduler: a linear rise from 0, then a power of what is left.

    With `cycle` it starts over at `total_steps`, warmup included, and so is never at `min_lr`.

    >>> PolynomialScheduler(10, 2.0, 0.1)([0, 5, 10])
    array([1.   , 0.325, 0.1  ])
    """

    conventions = Conventions("polynomial", warmup="t/W", horizon="whole", floor="rate")
    total_steps: int = _total()
    power: float = number("p", "", "how fast it falls at first", default=1.0, gt=0, le=100, span=(0.3, 4))
    min_lr: float = _floor()
    warmup_steps: int = _warmup()
    cycle: bool = flag("c", "whether it starts over at the end", default=False)
    lr: float = base_rate()

    def check(self) -> None:
        _fits(self, "warmup_steps")
        if self.cycle:
            self._differs(horizon="per cycle", past="restarts")

    def meaning(self) -> Schedule:
        decay = Polynomial(self.lr, self.min_lr, self.total_steps - self.warmup_steps, self.power)
        once = Linear(0.0, self.lr, self.warmup_steps) >> decay
        return once.repeat() if self.cycle else once

    @property
    def horizon(self) -> int | None:
        return self.total_steps

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.cycle and run > self.total_steps:
            last = self.total_steps - 1
            evidence = {"update": last + 1, "rate before": float(self(last)), "rate there": float(self(last + 1))}
            advice = "It starts over at total_steps, warmup included; pass cycle=False, or make total_steps the run."
            yield Finding("starts over", "warning", evidence, advice)


class ChebyshevScheduler(Dialect):
    """pytorch_scheduler.ChebyshevScheduler: a cosine read half an update late: never the base rate, never `min_lr`.

    >>> ChebyshevScheduler(10, 0.1)([0, 5, 9, 10]).round(3)
    array([0.994, 0.48 , 0.106, 0.106])
    """

    conventions = Conventions("Chebyshev", horizon="whole", floor="rate")
    total_steps: int = _total()
    min_lr: float = _floor()
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return Chebyshev(self.lr, self.min_lr, self.total_steps)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from misses_peak(
            self, self.lr, run, "The nodes lie inside the range: raise the optimizer's rate a little."
        )


class PowerDecayScheduler(Dialect):
    """pytorch_scheduler.PowerDecayScheduler: a linear rise from 0, then (t / `warmup_steps`) ** -`alpha`, or `min_lr`.

    `total_steps` is checked and not used: the decay goes on.

    >>> PowerDecayScheduler(100, 4)([0, 2, 4, 16, 400])
    array([0. , 0.5, 1. , 0.5, 0.1])
    """

    conventions = Conventions("power", warmup="t/W", floor="clipped", past="continues")
    total_steps: int = _total()
    warmup_steps: int = _warmup()
    alpha: float = number("\\alpha", "", "how steeply it falls", default=0.5, gt=0, le=100, span=(0.2, 2))
    min_lr: float = _floor()
    lr: float = base_rate()

    def check(self) -> None:
        _fits(self, "warmup_steps")

    def meaning(self) -> Schedule:
        if self.warmup_steps:
            decay = PowerLaw(self.lr, self.alpha, self.warmup_steps).clip(self.min_lr)
            return Linear(0.0, self.lr, self.warmup_steps) >> decay
        return Constant(self.lr, 1) >> PowerLaw(self.lr, self.alpha).clip(self.min_lr).skip(1)

    @property
    def horizon(self) -> int | None:
        return self.total_steps

    def quirks(self, run: int) -> Iterator[Finding]:
        if run > self.total_steps and self(self.total_steps) > self.min_lr:
            evidence = {"total_steps": self.total_steps, "rate there": float(self(self.total_steps)), "run": run}
            yield Finding(
                "end is not used", "note", evidence, "total_steps does not end this decay; cut it with min_lr."
            )


class CosineWithWarmupScheduler(Dialect):
    """pytorch_scheduler.CosineWithWarmupScheduler: a linear rise from 0, then half a cosine to `min_lr`.

    >>> CosineWithWarmupScheduler(14, 4, 0.1)([0, 2, 4, 9, 14])
    array([0.  , 0.5 , 1.  , 0.55, 0.1 ])
    """

    conventions = Conventions("cosine", warmup="t/W", horizon="whole", floor="rate")
    total_steps: int = _total()
    warmup_steps: int = _warmup()
    min_lr: float = _floor()
    lr: float = base_rate()

    def check(self) -> None:
        _fits(self, "warmup_steps")

    def meaning(self) -> Schedule:
        decay = Cosine(self.lr, self.min_lr, self.total_steps - self.warmup_steps)
        return Linear(0.0, self.lr, self.warmup_steps) >> decay


class WarmupHoldCosineScheduler(Dialect):
    """pytorch_scheduler.WarmupHoldCosineScheduler: a linear rise from 0, a plateau, then half a cosine to `min_lr`.

    >>> WarmupHoldCosineScheduler(10, 2, 4)([0, 1, 6, 8, 10])
    array([0. , 0.5, 1. , 0.5, 0. ])
    """

    conventions = Conventions("warmup-stable-decay", warmup="t/W", horizon="whole", floor="rate")
    total_steps: int = _total()
    warmup_steps: int = _warmup()
    hold_steps: int = count("length of the plateau", 0, span=(0, 15))
    min_lr: float = _floor()
    lr: float = base_rate()

    def check(self) -> None:
        _fits(self, "warmup_steps", "hold_steps")

    def meaning(self) -> Schedule:
        decay = Cosine(self.lr, self.min_lr, self.total_steps - self.warmup_steps - self.hold_steps)
        return Linear(0.0, self.lr, self.warmup_steps) >> Constant(self.lr, self.hold_steps) >> decay


__all__ = [
    "ChebyshevScheduler",
    "CosineAnnealingWarmupRestarts",
    "CosineWithWarmupScheduler",
    "ExpHyperbolicLRScheduler",
    "FlatCosineScheduler",
    "HyperbolicLRScheduler",
    "IdentityScheduler",
    "InverseSqrtScheduler",
    "KDecayScheduler",
    "LinearDecayScheduler",
    "PolynomialScheduler",
    "PowerDecayScheduler",
    "RexScheduler",
    "SlantedTriangularScheduler",
    "TanhDecayScheduler",
    "TrapezoidalScheduler",
    "WSDScheduler",
    "WarmupHoldCosineScheduler",
]
