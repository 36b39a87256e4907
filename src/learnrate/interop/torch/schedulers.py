"""Torch's schedulers that stand alone. Most of them multiply the current rate; alone, that has a closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from ...errors import ParameterError
from ...feedback import Plateau, Rule
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import Constant, Cosine, Function, Linear, PiecewiseConstant, Polynomial, Step
from ...spec import choice, flag, number, shorten
from ..conventions import Conventions
from ..dialect import Dialect, listener, only_entry
from ..fields import base_rate, count, counts, function
from ..onecycle import corners, one_cycle
from ..progress import growth
from ..quirks import misses_peak, past_end
from .curves import counted, running_product

_PER_GROUP = "for one param group; give each group a schedule of its own"


class LambdaLR(Dialect):
    """A function of the update times the base rate; whatever other schedulers did to the rate is overwritten.

    >>> LambdaLR(lambda epoch: 0.95**epoch, lr=2.0)([0, 1, 2])
    array([2.   , 1.9  , 1.805])
    """

    conventions = Conventions("user function", past="continues")
    per_group = ("lr_lambda",)
    lr_lambda: Callable[[int], float] = function(f"from an update to the factor, {_PER_GROUP}")
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return self.lr * Function(counted(self.lr_lambda))


class MultiplicativeLR(Dialect):
    """The current rate times a function of the update, from update 1 on: the product of all its values so far.

    >>> MultiplicativeLR(lambda epoch: 0.5)([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("user function", past="continues")
    per_group = ("lr_lambda",)
    lr_lambda: Callable[[int], float] = function(f"from an update to what the rate is multiplied by, {_PER_GROUP}")
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return self.lr * Function(running_product(self.lr_lambda))


class StepLR(Dialect):
    """Multiplied by `gamma` every `step_size` updates; it never ends.

    >>> StepLR(30, gamma=0.1, lr=0.05)([0, 29, 30, 60])
    array([0.05  , 0.05  , 0.005 , 0.0005])
    """

    conventions = Conventions("step", boundary="t >= b", past="continues")
    step_size: int = count("how long each stair is", least=1)
    gamma: float = number("\\gamma", "", "what the rate is multiplied by", default=0.1, ge=0, le=1e9, span=(0.1, 1.1))
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        if 0 < self.gamma <= 1:
            return Step(self.lr, self.gamma, self.step_size)
        if self.gamma == 0:
            return PiecewiseConstant([self.lr, 0.0], [self.step_size])
        return growth(self.lr, self.gamma, self.step_size).every(self.step_size)

    def drops(self, update: int) -> int:
        """How often `gamma` applies at this very update."""
        return int(update > 0 and update % self.step_size == 0)


class MultiStepLR(Dialect):
    """Multiplied by `gamma` at each milestone, in any order; a repeated milestone counts twice, one at 0 at once.

    >>> MultiStepLR([80, 30, 80], lr=0.05)([0, 30, 79, 80]).round(6)
    array([5.0e-02, 5.0e-03, 5.0e-03, 5.0e-05])
    """

    conventions = Conventions("multi-step", boundary="t >= b")
    milestones: Sequence[int] = counts("where a further factor applies", empty=True)
    gamma: float = number("\\gamma", "", "what the rate is multiplied by", default=0.1, ge=0, le=1e9, span=(0.1, 1.1))
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        places = sorted({0, *self.milestones})
        drops = accumulate(map(self.drops, places))
        values = [self.lr * self.gamma**count for count in drops]
        if len(places) == 1:
            return Constant(values[0], 0)
        return PiecewiseConstant(values, places[1:], places[-1])

    def drops(self, update: int) -> int:
        """How often `gamma` applies at this very update."""
        return self.milestones.count(update)

    def quirks(self, run: int) -> Iterator[Finding]:
        for place in sorted(set(self.milestones)):
            times = self.drops(place)
            if times > 1 and place < run:
                evidence = {"milestone": place, "times": times}
                yield Finding("milestone counts twice", "note", evidence, "Name a milestone once for one factor.")


class ConstantLR(Dialect):
    """A share `factor` of the base rate for `total_iters` updates, then the base rate.

    torch divides by `factor` to get back, so 0 is an error here; with `total_iters=0` it never gets back.

    >>> ConstantLR(factor=0.5, total_iters=4, lr=0.05)([0, 3, 4])
    array([0.025, 0.025, 0.05 ])
    """

    conventions = Conventions("piecewise constant", boundary="t >= b", horizon="whole", floor="ratio")
    factor: float = number("f", "", "the share of the base rate", default=1.0 / 3, ge=0, le=1, span=(0.1, 1.0))
    total_iters: int = count("how long it holds", 5)
    lr: float = base_rate()

    def check(self) -> None:
        if self.factor == 0 and self.total_iters > 0:
            raise ParameterError(
                f"ConstantLR.factor must be > 0, got 0.0: torch divides by it at update {self.total_iters}; "
                "use a small factor"
            )

    def meaning(self) -> Schedule:
        if self.total_iters == 0:
            return Constant(self.lr * self.factor, 0)
        return PiecewiseConstant([self.lr * self.factor, self.lr], [self.total_iters], self.total_iters)

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.total_iters == 0:
            yield from misses_peak(self, self.lr, run, "With total_iters=0 torch never gives the base rate back.")


class LinearLR(Dialect):
    """A straight line between two shares of the base rate; it starts at `start_factor`, which may not be 0.

    With `total_iters=0` it stays at `start_factor` for ever.

    >>> LinearLR(start_factor=0.25, total_iters=4)([0, 1, 2, 3, 4, 5])
    array([0.25  , 0.4375, 0.625 , 0.8125, 1.    , 1.    ])
    """

    conventions = Conventions("linear", warmup="t/W", horizon="whole", floor="ratio")
    start_factor: float = number("a", "", "the share at t = 0", default=1.0 / 3, gt=0, le=1, span=(0.05, 1.0))
    end_factor: float = number("b", "", "the share at the end", default=1.0, ge=0, le=1, span=(0.05, 1.0))
    total_iters: int = count("how long it takes", 5)
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        if self.total_iters == 0:
            return Constant(self.lr * self.start_factor, 0)
        return Linear(self.lr * self.start_factor, self.lr * self.end_factor, self.total_iters)

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.total_iters == 0:
            peak = self.lr * max(self.start_factor, self.end_factor)
            yield from misses_peak(self, peak, run, "With total_iters=0 torch stays at start_factor for ever.")


class ExponentialLR(Dialect):
    """Multiplied by `gamma` at every update; it never ends.

    >>> ExponentialLR(0.5)([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("exponential", past="continues")
    gamma: float = number("\\gamma", "", "what the rate is multiplied by", ge=0, le=1e9, span=(0.8, 1.05))
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return growth(self.lr, self.gamma)


class PolynomialLR(Dialect):
    """A power of what is left, always down to 0.

    >>> PolynomialLR(10, power=2.0)([0, 5, 10, 15])
    array([1.  , 0.25, 0.  , 0.  ])
    """

    conventions = Conventions("polynomial", horizon="whole")
    total_iters: int = count("how long it takes", 5)
    power: float = number("p", "", "the power", default=1.0, ge=0, le=100, span=(0.3, 4))
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        if self.power == 0 or self.total_iters == 0:
            return Constant(self.lr, self.total_iters)
        return Polynomial(self.lr, 0.0, self.total_iters, power=self.power)


class CosineAnnealingLR(Dialect):
    """Half a cosine down to the rate `eta_min` at update `T_max`, and up again: it bounces, with period 2 T_max.

    >>> CosineAnnealingLR(10, eta_min=0.1)([0, 5, 10, 15, 20])
    array([1.  , 0.55, 0.1 , 0.55, 1.  ])
    """

    conventions = Conventions("cosine", horizon="whole", floor="rate", past="bounces")
    T_max: int = count("how long it falls", least=1)
    eta_min: float = number("m", "rate", "the lowest rate", default=0.0, span=(1e-5, 1e-3))
    lr: float = base_rate()

    @property
    def horizon(self) -> int:
        return self.T_max

    def meaning(self) -> Schedule:
        return Cosine(self.lr, self.eta_min, self.T_max).mirror().repeat()

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from past_end(self, self.T_max, run, f"It rises again after T_max; let T_max be the whole run, {run}.")


class CosineAnnealingWarmRestarts(Dialect):
    """Half a cosine down to the rate `eta_min`, again and again; each cycle is `T_mult` times as long as the last.

    >>> CosineAnnealingWarmRestarts(4, T_mult=2).curve(14).round(3)
    array([1.   , 0.854, 0.5  , 0.146, 1.   , 0.962, 0.854, 0.691, 0.5  ,
           0.309, 0.146, 0.038, 1.   , 0.99 ])
    """

    conventions = Conventions("cosine restarts", horizon="per cycle", floor="rate", past="restarts")
    T_0: int = count("length of the first cycle", least=1)
    T_mult: int = count("how many times as long each cycle is", 1, least=1, span=(1, 3))
    eta_min: float = number("m", "rate", "the lowest rate", default=0.0, span=(1e-5, 1e-3))
    lr: float = base_rate()

    @property
    def horizon(self) -> int:
        return self.T_0

    def meaning(self) -> Schedule:
        return Cosine(self.lr, self.eta_min, self.T_0).repeat(stretch=self.T_mult)


def moved_momentum(low: float, high: float) -> Iterator[Finding]:
    """The scheduler writes the optimizer's momentum, or beta1, too."""
    evidence = {"lowest": min(low, high), "highest": max(low, high)}
    advice = "It overwrites the optimizer's momentum or beta1; cycle_momentum=False leaves it alone."
    yield Finding("momentum changed", "note", evidence, advice)


_CYCLIC_MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(Dialect):
    """Triangles between two rates: full height, halved each cycle (triangular2), or times `gamma**t` (exp_range).

    The optimizer's own rate is overwritten; so is its momentum, or beta1, which moves the other way (`.momentum`).

    >>> cyclic = CyclicLR(0.1, 1.1, 2, cycle_momentum=True)
    >>> cyclic([0, 1, 2, 3, 4]), cyclic.momentum([0, 1, 2]).round(12)
    (array([0.1, 0.6, 1.1, 0.6, 0.1]), array([0.9 , 0.85, 0.8 ]))
    """

    conventions = Conventions("triangular", horizon="per cycle", floor="rate", past="restarts")
    per_group = ("base_lr", "max_lr", "base_momentum", "max_momentum")
    base_lr: float = number("b", "rate", "the lowest rate", ge=0, span=(1e-4, 1e-2))
    max_lr: float = number("a", "rate", "the highest rate", ge=0, span=(0.1, 1.0))
    step_size_up: int = count("how long it rises", 2000, least=1)
    step_size_down: int | None = count("how long it falls; as long as it rises if left out", None)
    mode: str = choice("", "how the height changes", _CYCLIC_MODES, default="triangular")
    gamma: float = number("\\gamma", "", "factor per update in exp_range", default=1.0, ge=0, le=1e9, span=(0.9, 1.01))
    scale_fn: Callable[[Any], float] | None = function("a height of your own; mode is ignored then", None)
    scale_mode: str = choice("", "what scale_fn is a function of", ("cycle", "iterations"), default="cycle")
    cycle_momentum: bool = flag("", "whether momentum or beta1 moves too", default=True)
    base_momentum: float = number("", "", "the lowest momentum", default=0.8, ge=0, span=(0.5, 0.9))
    max_momentum: float = number("", "", "the highest momentum", default=0.9, ge=0, span=(0.8, 0.99))

    @property
    def fall(self) -> int:
        """How long it falls."""
        return self.step_size_up if self.step_size_down is None else self.step_size_down

    @property
    def horizon(self) -> int:
        return self.step_size_up + self.fall

    def meaning(self) -> Schedule:
        return self.between(self.base_lr, self.max_lr)

    @property
    def momentum(self) -> Schedule | None:
        """The momentum, or beta1, that goes with the rate; None when it is left alone."""
        return self.between(self.max_momentum, self.base_momentum) if self.cycle_momentum else None

    def between(self, low: float, high: float) -> Schedule:
        """The same cycles between two other values."""

        def triangle(bottom: float, top: float) -> Schedule:
            return Linear(bottom, top, self.step_size_up) >> Linear(top, bottom, self.fall)

        if self.scale_fn is not None:
            period = self.horizon if self.scale_mode == "cycle" else None
            return Constant(low) + triangle(0, high - low).repeat() * Function(counted(self.scale_fn, period))
        if self.mode == "triangular":
            return triangle(low, high).repeat()
        if self.mode == "triangular2":
            return Constant(low) + triangle(0, high - low).repeat(scale=0.5)
        return Constant(low) + triangle(0, high - low).repeat() * growth(1.0, self.gamma)

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.cycle_momentum:
            yield from moved_momentum(self.base_momentum, self.max_momentum)


class OneCycleLR(Dialect):
    """Up from `max_lr / div_factor` to `max_lr`, and down to `1 / final_div_factor` of the start.

    The optimizer's own rate is ignored. The phases end at the fractional updates `pct_start * T - 1` and `T - 1`, so
    that the peak is missed unless `pct_start * T` is whole; one update later the rate rebounds, then torch raises.

    >>> cycle = OneCycleLR(1.0, total_steps=10)
    >>> cycle([0, 1, 2, 3, 9, 10]).round(6)
    array([4.00000e-02, 5.20000e-01, 1.00000e+00, 9.50485e-01, 4.00000e-06,
           4.95190e-02])
    >>> cycle.momentum([0, 1, 2, 9, 10]).round(3)
    array([0.95 , 0.9  , 0.85 , 0.95 , 0.945])
    """

    conventions = Conventions("one cycle", warmup="other", horizon="whole", floor="ratio", past="raises")
    per_group = ("max_lr", "base_momentum", "max_momentum")
    max_lr: float = number("\\eta", "rate", "the peak", ge=0, span=(1e-2, 1.0))
    total_steps: int | None = count("how many updates there are", None, least=1)
    epochs: int | None = count("epochs, when total_steps is left out", None, least=1, span=(1, 4))
    steps_per_epoch: int | None = count("updates per epoch, when total_steps is left out", None, least=1, span=(1, 10))
    pct_start: float = number("p", "", "the share of the run that rises", default=0.3, ge=0, le=1, span=(0.1, 0.9))
    anneal_strategy: str = choice("", "the curve of the phases", ("cos", "linear"), default="cos")
    cycle_momentum: bool = flag("", "whether momentum or beta1 moves too", default=True)
    base_momentum: float = number("", "", "the lowest momentum", default=0.85, ge=0, span=(0.5, 0.9))
    max_momentum: float = number("", "", "the highest momentum", default=0.95, ge=0, span=(0.8, 0.99))
    div_factor: float = number("d", "", "the peak as a multiple of the start", default=25.0, gt=0, span=(1, 100))
    final_div_factor: float = number("D", "", "the start as a multiple of the end", default=1e4, gt=0, span=(1, 1e4))
    three_phase: bool = flag("", "back to the start first, then to the end", default=False)

    def check(self) -> None:
        if self.total_steps is None and (self.epochs is None or self.steps_per_epoch is None):
            raise ParameterError("OneCycleLR needs total_steps (updates), or epochs and steps_per_epoch")
        if self.ends[0] == 0:
            raise ParameterError(
                f"OneCycleLR.pct_start * total_steps must not be 1, got {self.pct_start} * {self.total}: torch divides "
                "by their difference at update 0; change pct_start"
            )

    @property
    def total(self) -> int:
        """How many updates there are."""
        return self.total_steps if self.total_steps is not None else (self.epochs or 1) * (self.steps_per_epoch or 1)

    @property
    def ends(self) -> tuple[float, ...]:
        """The update, not always whole, at which each phase ends."""
        return corners(self.pct_start, self.total, self.three_phase)

    @property
    def rates(self) -> tuple[float, float, float]:
        """The start, the peak and the end."""
        start = self.max_lr / self.div_factor
        return start, self.max_lr, start / self.final_div_factor

    def meaning(self) -> Schedule:
        return self.through(*self.rates)

    @property
    def momentum(self) -> Schedule | None:
        """The momentum, or beta1, that goes with the rate; None when it is left alone."""
        high, low = self.max_momentum, self.base_momentum
        return self.through(high, low, high) if self.cycle_momentum else None

    def through(self, start: float, peak: float, end: float) -> Schedule:
        """The same phases between other values."""
        return one_cycle(start, peak, end, self.ends, self.total, self.anneal_strategy == "cos")

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from misses_peak(
            self, max(self.rates), run, "The peak lies between two updates; make pct_start * total_steps whole."
        )
        advice = f"Stop after {self.total} updates; torch itself raises after one more."
        yield from past_end(self, self.total - 1, run, advice)
        if self.cycle_momentum:
            yield from moved_momentum(self.base_momentum, self.max_momentum)


class SWALR(Dialect):
    """From the rate at which it is attached to `swa_lr`, in `anneal_epochs` updates, then `swa_lr` for ever.

    >>> SWALR(0.05, anneal_epochs=4, anneal_strategy="linear", lr=0.45)([0, 1, 4, 9])
    array([0.45, 0.35, 0.05, 0.05])
    """

    conventions = Conventions("cosine", horizon="whole", floor="rate")
    per_group = ("swa_lr",)
    swa_lr: float = number("b", "rate", "the rate at the end", ge=0, span=(1e-3, 1.0))
    anneal_epochs: int = count("how long it takes", 10)
    anneal_strategy: str = choice("", "the curve", ("cos", "linear"), default="cos")
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        curve = Cosine if self.anneal_strategy == "cos" else Linear
        return curve(self.lr, self.swa_lr, self.anneal_epochs)


@listener
def ReduceLROnPlateau(
    mode: str = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
    lr: float = 1.0,
) -> Rule:
    """Torch's plateau rule as a factor: `min_lr` and `eps`, which are rates there, are divided by the base rate `lr`.

    >>> rule = ReduceLROnPlateau(patience=0, min_lr=0.01, lr=0.5)
    >>> rule.factor, rule.floor
    (0.1, 0.02)
    """
    min_lr = only_entry("ReduceLROnPlateau.min_lr", min_lr)
    if isinstance(lr, bool) or not isinstance(lr, (int, float)) or not 0 < lr < math.inf:
        raise ParameterError(f"ReduceLROnPlateau.lr must be > 0 rate, got {shorten(lr)}; min_lr is divided by it")
    for name, value in (("min_lr", min_lr), ("eps", eps)):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ParameterError(f"ReduceLROnPlateau.{name} must be a number (rate), got {shorten(value)}")
    return Plateau(
        factor=factor,
        patience=patience,
        threshold=threshold,
        threshold_mode=threshold_mode,
        cooldown=cooldown,
        floor=max(0.0, min(min_lr / lr, 1.0)),  # above the base rate torch never reduces, and neither does a factor
        mode=mode,
        eps=eps / lr,
    )


__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SWALR",
    "StepLR",
]
