"""Every class of `keras.optimizers.schedules`, and the two callbacks that set the rate.

Keras computes in the dtype of the first rate, which is float32 for a float; given a whole number, it computes in whole
numbers. Ours takes floats.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from ...errors import ParameterError, UsageError
from ...feedback import Plateau
from ...findings import Finding
from ...formula import LATEST, Table
from ...schedule import Schedule
from ...schedules import (
    Constant,
    Cosine,
    Exponential,
    Function,
    InverseTime,
    Linear,
    NaturalExponential,
    PiecewiseConstant,
    Polynomial,
)
from ...spec import flag, number, numbers, shorten
from ..conventions import Conventions
from ..dialect import Curve, Dialect, listener
from ..fields import LARGEST, base_rate, count, function, text


def _rate(help: str, default: Any = dataclasses.MISSING) -> Any:
    return number("a", "rate", help, default=default, span=(1e-3, 1.0))


def _name(default: str) -> Any:
    """Keras names every schedule; the name changes no value."""
    return text("what Keras calls it", (default, "mine"), default)


class ExponentialDecay(Dialect):
    """keras ExponentialDecay: times `decay_rate` every `decay_steps`, smoothly or in steps. It has no end.

    >>> ExponentialDecay(1.0, 5, 0.5, staircase=True)([0, 4, 5, 10])
    array([1.  , 1.  , 0.5 , 0.25])
    """

    conventions = Conventions("exponential", past="continues")
    initial_learning_rate: float = _rate("the value at t = 0")
    decay_steps: int = count("how many updates one factor takes", least=1)
    decay_rate: float = number("r", "", "the factor", ge=0, span=(0.1, 1.2))
    staircase: bool = flag("s", "in steps", default=False)
    name: str = _name("ExponentialDecay")

    def meaning(self) -> Schedule:
        start, steps, rate = self.initial_learning_rate, self.decay_steps, self.decay_rate
        if rate == 0:  # 0 to the power of 0 is 1
            return Constant(start, steps if self.staircase else 1) >> Constant(0.0)
        # `Exponential` only falls; what rises saturates before it overflows
        falls = rate <= 1
        curve = Exponential(start, rate, period=steps) if falls else NaturalExponential(start, -math.log(rate) / steps)
        return curve.every(steps) if self.staircase else curve


class InverseTimeDecay(Dialect):
    """keras InverseTimeDecay: divided by 1 + decay_rate * t / decay_steps, smoothly or in steps. It has no end.

    >>> InverseTimeDecay(1.0, 5, 1.0)([0, 5, 15])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("inverse time", past="continues")
    initial_learning_rate: float = _rate("the value at t = 0")
    decay_steps: float = number("N", "updates", "how often the decay applies", ge=1e-6, le=LARGEST, span=(1, 40))
    decay_rate: float = number("r", "", "how much the divisor grows", ge=0, span=(0.1, 2.0))
    staircase: bool = flag("s", "in steps", default=False)
    name: str = _name("InverseTimeDecay")

    def check(self) -> None:
        if self.staircase and self.decay_steps != math.floor(self.decay_steps):
            raise ParameterError(
                "InverseTimeDecay.decay_steps must be a whole number of updates with staircase=True, "
                f"got {self.decay_steps}"
            )

    def meaning(self) -> Schedule:
        curve = InverseTime(self.initial_learning_rate, self.decay_rate, period=self.decay_steps)
        return curve.every(int(self.decay_steps)) if self.staircase else curve


class PiecewiseConstantDecay(Dialect):
    """keras PiecewiseConstantDecay: the boundary itself still has the old value (t > b); fractions of it are lost.

    >>> PiecewiseConstantDecay([4], [1.0, 0.1])([3, 4, 5])
    array([1. , 1. , 0.1])
    """

    conventions = Conventions("piecewise constant", boundary="t > b")
    boundaries: Sequence[float] = numbers(
        "b", "updates", "the last update of each value", rising=True, ge=0, le=LARGEST, span=(1, 40)
    )
    values: Sequence[float] = numbers("v", "rate", "the values, one more than there are boundaries")
    name: str = _name("PiecewiseConstant")

    def check(self) -> None:
        if len(self.values) != len(self.boundaries) + 1:
            raise ParameterError(
                f"PiecewiseConstantDecay.values must have one entry more than there are boundaries "
                f"({len(self.boundaries)}), got {len(self.values)}"
            )

    def meaning(self) -> Schedule:
        starts = [math.floor(boundary) + 1 for boundary in self.boundaries]
        kept = [i for i, start in enumerate(starts) if i + 1 == len(starts) or start < starts[i + 1]]
        return PiecewiseConstant([self.values[0], *(self.values[i + 1] for i in kept)], [starts[i] for i in kept])

    def quirks(self, run: int) -> Iterator[Finding]:
        place = math.floor(self.boundaries[0])
        if 0 < place < run and self(place) != self(place + 1):
            evidence = {"boundary": place, "rate there": float(self(place)), "rate after": float(self(place + 1))}
            yield Finding(
                "boundary one update later",
                "note",
                evidence,
                "In torch and optax the boundary has the new value already.",
            )


class _Saw(Curve):
    """A polynomial over the first multiple of the period not before t: teeth that shrink, each down to `end`."""

    start: float = number("a", "rate", "value at t = 0")
    end: float = number("b", "rate", "value at every multiple of the period")
    period: int = number("T", "updates", "how long each tooth is", ge=1, whole=True)
    power: float = number("p", "", "power of what is left", gt=0)

    def formula(self, t: Any, xp: Any) -> Any:
        within = t - xp.quotient(t, self.period) * self.period
        missing = xp.where(t <= 0, self.period, xp.where(within > 0, self.period - within, 0))
        left = (missing / (t + missing)) ** self.power
        return self.start * left + self.end * (1 - left)


class PolynomialDecay(Dialect):
    """keras PolynomialDecay: a power of what is left, down to `end_learning_rate` (0.0001 unless given). With `cycle`
    it rises again after every `decay_steps`, each time less: at multiples of them it is the end.

    >>> PolynomialDecay(1.0, 10, 0.1, power=2.0)([0, 5, 10, 11])
    array([1.   , 0.325, 0.1  , 0.1  ])
    >>> PolynomialDecay(1.0, 10, 0.1, power=2.0, cycle=True)([10, 11])
    array([0.1    , 0.28225])
    """

    conventions = Conventions("polynomial", horizon="whole", floor="rate")
    initial_learning_rate: float = _rate("the value at t = 0")
    decay_steps: int = count("how many updates it decays over", least=1)
    end_learning_rate: float = _rate("the value at the end", 0.0001)
    power: float = number("p", "", "power of what is left", default=1.0, ge=0, le=100, span=(0.3, 4))
    cycle: bool = flag("c", "rise again past the end", default=False)
    name: str = _name("PolynomialDecay")

    def check(self) -> None:
        if self.cycle and self.power:
            self._differs(past="restarts")

    def meaning(self) -> Schedule:
        start, end, steps = self.initial_learning_rate, self.end_learning_rate, self.decay_steps
        if self.power == 0:
            return Constant(start)
        if self.cycle:
            return _Saw(start, end, steps, self.power)
        return Polynomial(start, end, steps, power=self.power) if self.power != 1 else Linear(start, end, steps)

    @property
    def horizon(self) -> int | None:
        return self.decay_steps if self.power else None

    def quirks(self, run: int) -> Iterator[Finding]:
        if (
            self.cycle
            and self.power
            and run > self.decay_steps + 1
            and self.end_learning_rate < self(self.decay_steps + 1)
        ):
            after = float(self(self.decay_steps + 1))
            evidence = {"end": self.decay_steps, "rate there": self.end_learning_rate, "rate after": after, "run": run}
            yield Finding(
                "rises past the end", "warning", evidence, "cycle=True starts over; leave it out to stay low."
            )


class CosineDecay(Dialect):
    """keras CosineDecay: half a cosine down to `alpha` of the peak. `decay_steps` counts from the end of the warmup,
    which takes place only when `warmup_target` is given.

    >>> CosineDecay(0.0, 12, warmup_target=1.0, warmup_steps=4)([0, 1, 4, 5, 16]).round(3)
    array([0.   , 0.25 , 1.   , 0.983, 0.   ])
    """

    conventions = Conventions("cosine", warmup="t/W", horizon="after warmup", floor="ratio")
    initial_learning_rate: float = _rate("the value at t = 0")
    decay_steps: int = count("how many updates the cosine takes, warmup not included", least=1)
    alpha: float = number("\\alpha", "", "the end, as a share of the peak", default=0.0, span=(0.01, 0.5))
    name: str = _name("CosineDecay")
    warmup_target: float | None = number("p", "rate", "the peak; no warmup if left out", default=None)
    warmup_steps: int = count("how many updates the warmup takes", 0, span=(0, 10))

    def meaning(self) -> Schedule:
        peak = self.initial_learning_rate if self.warmup_target is None else self.warmup_target
        cosine = Cosine(peak, self.alpha * peak, self.decay_steps)
        if self.warmup_target is None or not self.warmup_steps:
            return cosine
        return Linear(self.initial_learning_rate, peak, self.warmup_steps) >> cosine

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.warmup_target is None and self.warmup_steps:
            evidence = {"warmup_steps": self.warmup_steps, "rate at 0": float(self(0))}
            yield Finding(
                "warmup ignored", "warning", evidence, "Without warmup_target Keras does not warm up; give it the peak."
            )
        elif self.warmup_target is not None and self.decay_steps < run < self.length:
            evidence = {
                "decay_steps": self.decay_steps,
                "end": int(self.length),
                "run": run,
                "rate at the end": self(run),
            }
            yield Finding(
                "end after the run",
                "note",
                evidence,
                "decay_steps counts from the end of the warmup; subtract the warmup.",
            )


class _Restarts(Curve):
    """Half cosines whose cycles need not be whole updates, and may grow in height; the floor stays."""

    start: float = number("a", "rate", "value at t = 0")
    alpha: float = number("\\alpha", "", "the floor, as a share of the start")
    period: int = number("T", "updates", "how long the first cycle is", ge=1, whole=True)
    stretch: float = number("s", "", "each cycle's length, as a multiple of the one before", ge=1)
    scale: float = number("q", "", "each cycle's height, as a multiple of the one before", ge=0)

    @cached_property
    def _cycles(self) -> tuple[Table, ...]:
        """Where every cycle starts, how long it is and how high."""
        starts, lengths, heights = [0.0], [float(self.period)], [1.0]
        while starts[-1] + lengths[-1] < LATEST and len(starts) < 10_000:
            starts.append(starts[-1] + lengths[-1])
            lengths.append(lengths[-1] * self.stretch)
            heights.append(min(heights[-1] * self.scale, 1e100))
        return Table(starts), Table(lengths), Table(heights)

    def formula(self, t: Any, xp: Any) -> Any:
        if self.stretch == 1 and self.scale <= 1:
            cycle = xp.quotient(t, self.period)
            u, height = (t - cycle * self.period) / self.period, self.scale**cycle
        else:
            starts, lengths, heights = self._cycles
            index = xp.find(t, starts)
            u, height = (t - xp.take(starts, index)) / xp.take(lengths, index), xp.take(heights, index)
        cosine = height * (1 + xp.cos(math.pi * xp.minimum(u, 1))) / 2
        return self.start * ((1 - self.alpha) * cosine + self.alpha)


class CosineDecayRestarts(Dialect):
    """keras CosineDecayRestarts: half cosines for ever, each `t_mul` (2 unless given) as long as the last. `m_mul`
    shrinks the cosine alone: the floor stays at `alpha` of the first rate.

    >>> CosineDecayRestarts(1.0, 4, m_mul=0.5, alpha=0.1)([3, 4, 5, 11, 12]).round(3)
    array([0.232, 0.55 , 0.533, 0.117, 0.325])
    """

    conventions = Conventions("cosine restarts", boundary="t >= b", horizon="per cycle", floor="ratio", past="restarts")
    initial_learning_rate: float = _rate("the value at t = 0")
    first_decay_steps: int = count("how many updates the first cycle takes", least=1)
    t_mul: float = number(
        "s", "", "each cycle's length, as a multiple of the one before", default=2.0, ge=1, span=(1.1, 3)
    )
    m_mul: float = number(
        "q", "", "each cycle's height, as a multiple of the one before", default=1.0, ge=0, span=(0.3, 1)
    )
    alpha: float = number("\\alpha", "", "the floor, as a share of the first rate", default=0.0, span=(0.01, 0.5))
    name: str = _name("SGDRDecay")

    def check(self) -> None:
        if 1 < self.t_mul < 1.01:
            raise ParameterError(f"CosineDecayRestarts.t_mul must be 1 or at least 1.01, got {self.t_mul}")
        if self.t_mul == 1 and self.m_mul > 1:
            raise ParameterError(f"CosineDecayRestarts.m_mul must be <= 1 with t_mul=1, got {self.m_mul}: it overflows")

    def meaning(self) -> Schedule:
        start, whole = self.initial_learning_rate, self.t_mul == math.floor(self.t_mul)
        if not (whole and 0 < self.m_mul <= 1):  # cycles that end between two updates, or grow
            return _Restarts(start, self.alpha, self.first_decay_steps, self.t_mul, self.m_mul)
        height = Cosine((1 - self.alpha) * start, 0.0, self.first_decay_steps)
        cycles = height.repeat(stretch=self.t_mul, scale=self.m_mul)
        return cycles + Constant(self.alpha * start) if self.alpha else cycles


_LATEST_EPOCH = 1_000_000
"""Each epoch asks for the one before; later ones hold the rate of this one."""


@dataclasses.dataclass(eq=True, frozen=True)
class _Epochs:
    """The rate of each epoch from a function that may also look at the rate before; earlier epochs are remembered."""

    schedule: Callable[..., Any]
    updates: int
    start: float
    known: list[float] = dataclasses.field(default_factory=list, compare=False, repr=False)

    def __call__(self, t: float) -> float:
        epoch = min(int(t // self.updates), _LATEST_EPOCH)
        while len(self.known) <= epoch:
            self.known.append(self._next(len(self.known), self.known[-1] if self.known else self.start))
        return self.known[epoch]

    def _next(self, epoch: int, rate: float) -> float:
        try:
            value = self.schedule(epoch, rate)
        except TypeError:
            value = self.schedule(epoch)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise UsageError(
                f"the function {shorten(self.schedule)} must return a finite rate, "
                f"got {shorten(value)} in epoch {epoch}"
            )
        return float(value)


class LearningRateScheduler(Dialect):
    """keras.callbacks.LearningRateScheduler: at the beginning of every epoch, `schedule(epoch, rate)` or
    `schedule(epoch)` sets the rate. Every epoch has `updates_per_epoch` updates.

    >>> LearningRateScheduler(lambda epoch, rate: rate if epoch < 2 else rate / 2, 3, lr=1.0)([0, 5, 6, 8, 9])
    array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    """

    conventions = Conventions("user function")
    schedule: Callable[..., Any] = function("from an epoch, and the rate before, to the rate")
    updates_per_epoch: int = count("how many updates an epoch has", 1, least=1, span=(1, 10))
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return Function(_Epochs(self.schedule, self.updates_per_epoch, self.lr))


_UP = ("acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "r2", "similarity", "positives", "negatives")


def _direction(monitor: str, mode: str) -> str:
    """What `mode="auto"` comes to; Keras asks the metric of that name, ours knows the name alone."""
    name = monitor.removeprefix("val_")
    if mode in ("min", "max"):
        return mode
    if mode != "auto":
        raise ParameterError(f"ReduceLROnPlateau.mode must be one of 'auto', 'min', 'max', got {shorten(mode)}")
    if "loss" in name or "error" in name:
        return "min"
    if name.startswith("false"):
        return "min"
    if any(word in name for word in _UP):
        return "max"
    raise ParameterError(
        f"ReduceLROnPlateau.mode cannot be told from monitor={monitor!r}; say mode='min' or mode='max'"
    )


@listener
def ReduceLROnPlateau(
    monitor: str = "val_loss",
    factor: float = 0.1,
    patience: int = 10,
    mode: str = "auto",
    min_delta: float = 1e-4,
    cooldown: int = 0,
    min_lr: float = 0.0,
    lr: float = 1.0,
) -> Plateau:
    """keras.callbacks.ReduceLROnPlateau: it reduces when `patience` reports in a row were bad, one report before torch
    would. `min_lr` is a rate: the floor of the factor is `min_lr / lr`.

    >>> rule = ReduceLROnPlateau(patience=2, min_lr=0.05)
    >>> state, factors = rule.start(), []
    >>> for metric in [1.0] * 7:
    ...     state, factor = rule(state, metric)
    ...     factors.append(factor)
    >>> factors
    [1.0, 1.0, 0.1, 0.1, 0.05, 0.05, 0.05]
    """
    if not isinstance(lr, (int, float)) or not lr > 0:
        raise ParameterError(f"ReduceLROnPlateau.lr must be > 0 rate, got {shorten(lr)}")
    return Plateau(
        factor=factor,
        patience=patience,
        threshold=abs(min_delta) if isinstance(min_delta, (int, float)) else min_delta,
        cooldown=cooldown,
        floor=min(min_lr / lr, 1.0),
        mode=_direction(monitor, mode),
        convention="keras",
    )


__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateScheduler",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "ReduceLROnPlateau",
]
