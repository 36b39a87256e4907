"""paddle.optimizer.lr: one rate for all groups, given to the scheduler, so `learning_rate` is its base."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from typing import Any

from ..clock import FOREVER
from ..errors import ParameterError, UsageError
from ..feedback import Plateau, Rule
from ..findings import Finding
from ..schedule import Schedule
from ..schedules import (
    Constant,
    Cosine,
    Exponential,
    Function,
    Interpolation,
    InverseTime,
    Linear,
    NaturalExponential,
    Noam,
    PiecewiseConstant,
    Polynomial,
    Step,
    Triangular,
)
from ..schedules.points import FunctionKind
from ..spec import Kind, Number, choice, declare, flag, number, numbers, shorten, unknown
from .conventions import Conventions
from .dialect import DIALECTS, Curve, Dialect, listener
from .fields import count, counts, function
from .hints import only
from .onecycle import corners, one_cycle
from .quirks import misses_peak, of_parts, past_end, stops
from .reading import Reading


def _base(default: Any = dataclasses.MISSING) -> Any:
    return number("\\eta", "rate", "the base rate", default=default, ge=0, span=(1e-4, 1.0))


def _floor(default: float) -> Any:
    return number("m", "rate", "the rate at the end", default=default, span=(1e-5, 1e-3))


class NoamDecay(Dialect):
    """paddle.optimizer.lr.NoamDecay: a linear rise from 0, then the inverse square root of t.

    >>> NoamDecay(1, 4)([0, 1, 3, 4, 16])
    array([0.   , 0.125, 0.375, 0.5  , 0.25 ])
    """

    conventions = Conventions("inverse square root", warmup="t/W", past="continues")
    d_model: float = number("d", "", "width of the model", gt=0, span=(1, 512))
    warmup_steps: int = count("length of the warmup", least=1)
    learning_rate: float = _base(1.0)

    def meaning(self) -> Schedule:
        width = self.d_model
        if width != math.floor(width):  # ours has a whole one, and scales by its root as well
            return Noam(1, self.warmup_steps, self.learning_rate / math.sqrt(width))
        return Noam(int(width), self.warmup_steps, self.learning_rate)


class PiecewiseDecay(Dialect):
    """paddle.optimizer.lr.PiecewiseDecay: values between boundaries; the boundary itself has the new value.

    A boundary that is not above one before it never speaks; of too many values the last one counts.

    >>> PiecewiseDecay([4, 7], [1.0, 0.1, 0.01])([3, 4, 7])
    array([1.  , 0.1 , 0.01])
    """

    conventions = Conventions("piecewise constant", boundary="t >= b")
    boundaries: Sequence[int] = counts("where the next value takes over")
    values: Sequence[float] = numbers("v", "rate", "the values, one more than there are boundaries")

    def check(self) -> None:
        if len(self.values) <= len(self.boundaries):
            raise ParameterError(
                f"PiecewiseDecay.values must have one entry more than boundaries, "
                f"got {len(self.values)} values and {len(self.boundaries)} boundaries"
            )

    def meaning(self) -> Schedule:
        places, values = [0], []
        for boundary, value in zip(self.boundaries, self.values, strict=False):
            if boundary > places[-1]:
                places.append(boundary)
                values.append(value)
        return _stairs(places[1:], [*values, self.values[-1]])

    @property
    def horizon(self) -> int | None:
        return max(self.boundaries)


def _stairs(places: Sequence[int], values: Sequence[float]) -> Schedule:
    return PiecewiseConstant(values, places) if places else Constant(values[0])


class NaturalExpDecay(Dialect):
    """paddle.optimizer.lr.NaturalExpDecay: e to the minus `gamma` times t.

    >>> round(NaturalExpDecay(1.0, 0.1)(10), 6)
    0.367879
    """

    conventions = Conventions("exponential", past="continues")
    learning_rate: float = _base()
    gamma: float = number("\\gamma", "per update", "how fast it decays", gt=0, le=100, span=(1e-3, 0.5))

    def meaning(self) -> Schedule:
        return NaturalExponential(self.learning_rate, self.gamma)


class InverseTimeDecay(Dialect):
    """paddle.optimizer.lr.InverseTimeDecay: divided by 1 + `gamma` * t.

    >>> InverseTimeDecay(1.0, 0.5)([0, 2])
    array([1. , 0.5])
    """

    conventions = Conventions("inverse time", past="continues")
    learning_rate: float = _base()
    gamma: float = number("\\gamma", "per update", "how fast the divisor grows", ge=0, span=(1e-3, 0.5))

    def meaning(self) -> Schedule:
        return InverseTime(self.learning_rate, self.gamma)


class _Sawtooth(Curve):
    """A polynomial whose end moves on to the next multiple of `period` as soon as it is passed."""

    start: float = number("a", "rate", "value at t = 0")
    end: float = number("b", "rate", "value at every multiple of the period")
    period: int = number("P", "updates", "how far apart the ends are", ge=1, whole=True)
    power: float = number("p", "", "how fast it falls at first", gt=0)

    def formula(self, t: Any, xp: Any) -> Any:
        whole = xp.quotient(t, self.period)
        ends = xp.let("n", xp.maximum(xp.where(t > whole * self.period, whole + 1, whole), 1))
        w = xp.maximum(1 - t / (self.period * ends), 0) ** self.power
        return self.start * w + self.end * (1 - w)


class PolynomialDecay(Dialect):
    """paddle.optimizer.lr.PolynomialDecay: a power of what is left of `decay_steps`, ending at `end_lr`.

    With `cycle` the end moves on to the next multiple of `decay_steps`, and the rate leaps up one update after each.

    >>> PolynomialDecay(1.0, 10, end_lr=0.1, power=2.0, cycle=True)([5, 10, 11])
    array([0.325  , 0.1    , 0.28225])
    """

    conventions = Conventions("polynomial", horizon="whole", floor="rate")
    learning_rate: float = _base()
    decay_steps: int = count("how many updates it decays over", least=1)
    end_lr: float = _floor(0.0001)
    power: float = number("p", "", "how fast it falls at first", default=1.0, gt=0, le=100, span=(0.3, 4))
    cycle: bool = flag("c", "whether the end moves on when it is passed", default=False)

    def check(self) -> None:
        if self.cycle:
            self._differs(past="restarts")

    def meaning(self) -> Schedule:
        if self.cycle:
            return _Sawtooth(self.learning_rate, self.end_lr, self.decay_steps, self.power)
        return Polynomial(self.learning_rate, self.end_lr, self.decay_steps, self.power)

    @property
    def horizon(self) -> int | None:
        return self.decay_steps

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.cycle:
            yield from past_end(self, self.decay_steps, run, "Pass cycle=False, or make decay_steps the run.")


@dataclasses.dataclass(eq=False, repr=False)
class _NumberOrSchedule(Kind):
    """A rate, or a schedule."""

    def read(self, value: Any) -> Any:
        if isinstance(value, Schedule):
            return value
        if isinstance(value, Real) and not isinstance(value, bool):
            return Number(self.symbol, self.unit, self.help).read(value)
        raise ValueError(f"be a rate or a schedule, got {shorten(value)}")

    def draw(self, rng: random.Random) -> Any:
        return rng.choice((0.5, CosineAnnealingDecay(0.5, rng.randint(1, 30)), StepDecay(1.0, 4)))


class LinearWarmup(Dialect):
    """paddle.optimizer.lr.LinearWarmup: a straight line to `end_lr`, then a rate, or another schedule from its start.

    Where that is not `end_lr` the rate leaps at the join.

    >>> LinearWarmup(CosineAnnealingDecay(1.0, 10, 0.1), 4, 0.0, 1.0)([0, 3, 4, 9])
    array([0.  , 0.75, 1.  , 0.55])
    """

    conventions = Conventions("warmup", warmup="t/W", horizon="after warmup")
    learning_rate: Any = declare(_NumberOrSchedule("f", "rate", "the rate, or the schedule, after the warmup"))
    warmup_steps: int = count("length of the warmup", least=1)
    start_lr: float = number("a", "rate", "the rate at t = 0", ge=0, span=(1e-5, 1e-3))
    end_lr: float = number("b", "rate", "the rate at the end of the warmup", span=(1e-2, 1.0))

    def check(self) -> None:
        if self.end_lr <= self.start_lr:
            raise ParameterError(
                f"LinearWarmup.end_lr must be > start_lr (rates), got {self.end_lr} and {self.start_lr}"
            )

    def meaning(self) -> Schedule:
        after = self.learning_rate
        rise = Linear(self.start_lr, self.end_lr, self.warmup_steps)
        return rise >> (after if isinstance(after, Schedule) else Constant(after))

    @property
    def horizon(self) -> int | None:
        after = self.learning_rate if isinstance(self.learning_rate, Schedule) else Constant(0.0, 0)
        if isinstance(after, Dialect):
            return None if after.horizon is None else self.warmup_steps + after.horizon
        return None if after.length == FOREVER else self.warmup_steps + int(after.length)

    def quirks(self, run: int) -> Iterator[Finding]:
        after = float(self(self.warmup_steps))
        if run > self.warmup_steps and abs(after - self.end_lr) > 1e-9 * self.end_lr:
            evidence = {"update": self.warmup_steps, "end_lr": self.end_lr, "rate there": after}
            yield Finding("jumps", "warning", evidence, "Make end_lr the rate that follows the warmup.")
        if isinstance(self.learning_rate, Schedule):
            yield from of_parts([(self.learning_rate, self.warmup_steps, FOREVER)], run)


class ExponentialDecay(Dialect):
    """paddle.optimizer.lr.ExponentialDecay: multiplied by `gamma` at every update.

    >>> ExponentialDecay(1.0, 0.5)([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("exponential", past="continues")
    learning_rate: float = _base()
    gamma: float = number("\\gamma", "", "what it is multiplied by", gt=0, lt=1, span=(0.5, 0.99))

    def meaning(self) -> Schedule:
        return Exponential(self.learning_rate, self.gamma)


def _gamma() -> Any:
    return number("\\gamma", "", "what it is multiplied by", default=0.1, ge=0, lt=1, span=(0.1, 0.9))


class MultiStepDecay(Dialect):
    """paddle.optimizer.lr.MultiStepDecay: multiplied by `gamma` at each milestone, which has the new value.

    >>> MultiStepDecay(1.0, [4], 0.1)([2, 3, 4, 5])
    array([1. , 1. , 0.1, 0.1])
    """

    conventions = Conventions("multi-step", boundary="t >= b")
    learning_rate: float = _base()
    milestones: Sequence[int] = counts("updates from which a further factor applies", rising=True)
    gamma: float = _gamma()

    def meaning(self) -> Schedule:
        first = sum(place == 0 for place in self.milestones)
        values = [self.learning_rate * self.gamma**k for k in range(first, len(self.milestones) + 1)]
        return _stairs(self.milestones[first:], values)

    @property
    def horizon(self) -> int | None:
        return self.milestones[-1]


class StepDecay(Dialect):
    """paddle.optimizer.lr.StepDecay: multiplied by `gamma` every `step_size` updates.

    >>> StepDecay(1.0, 3, 0.1)([2, 3, 6])
    array([1.  , 0.1 , 0.01])
    """

    conventions = Conventions("step", boundary="t >= b", past="continues")
    learning_rate: float = _base()
    step_size: int = count("how long each stair is", least=1)
    gamma: float = _gamma()

    def meaning(self) -> Schedule:
        if self.gamma == 0:
            return PiecewiseConstant([self.learning_rate, 0.0], [self.step_size])
        return Step(self.learning_rate, self.gamma, self.step_size)


class LambdaDecay(Dialect):
    """paddle.optimizer.lr.LambdaDecay: the base rate times your own function of t.

    >>> LambdaDecay(0.5, lambda t: 0.95**t)(2)
    0.45125
    """

    conventions = Conventions("user function", past="continues")
    learning_rate: float = _base()
    lr_lambda: Callable[[Any], Any] = function("from an update to a factor")

    def meaning(self) -> Schedule:
        return self.learning_rate * Function(self.lr_lambda)


FARTHEST = 1_000_000
"""How many values of a user's function are multiplied; the product is held from there on."""


class _Product:
    """The product of a function's values at 1, 2, ..., t; each value is asked for once."""

    def __init__(self, function: Callable[[int], float]) -> None:
        self.function = function
        self.known = [1.0]

    def __call__(self, t: Any) -> float:
        last = int(min(t, FARTHEST))
        while len(self.known) <= last:
            longer = self.known[-1] * float(self.function(len(self.known)))
            self.known.append(longer if math.isfinite(longer) else self.known[-1])
        return self.known[last]


class MultiplicativeDecay(Dialect):
    """paddle.optimizer.lr.MultiplicativeDecay: multiplied by your own function of t at every update after the first.

    The product is followed for a million updates, or up to where it overflows, and then held.

    >>> MultiplicativeDecay(0.5, lambda t: 0.5)([0, 1, 2])
    array([0.5  , 0.25 , 0.125])
    """

    conventions = Conventions("user function", past="continues")
    learning_rate: float = _base()
    lr_lambda: Callable[[Any], Any] = function("from an update to what the rate is multiplied by")

    def meaning(self) -> Schedule:
        return self.learning_rate * Function(_Product(self.lr_lambda))


class CosineAnnealingDecay(Dialect):
    """paddle.optimizer.lr.CosineAnnealingDecay: half a cosine down to `eta_min`, and up again after `T_max`.

    >>> CosineAnnealingDecay(1.0, 10, 0.1)([0, 5, 10, 15, 20])
    array([1.  , 0.55, 0.1 , 0.55, 1.  ])
    """

    conventions = Conventions("cosine", horizon="whole", floor="rate", past="bounces")
    learning_rate: float = _base()
    T_max: int = count("how many updates it falls", least=1)
    eta_min: float = _floor(0.0)

    def meaning(self) -> Schedule:
        return Cosine(self.learning_rate, self.eta_min, self.T_max).mirror().repeat()

    @property
    def horizon(self) -> int | None:
        return self.T_max

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from past_end(self, self.T_max, run, "Make T_max the length of the run: past it the cosine turns back.")


class CosineAnnealingWarmRestarts(Dialect):
    """paddle.optimizer.lr.CosineAnnealingWarmRestarts: half a cosine again and again, each `T_mult` times as long.

    >>> CosineAnnealingWarmRestarts(1.0, 4, 2)([3, 4, 5, 11, 12]).round(3)
    array([0.146, 1.   , 0.962, 0.038, 1.   ])
    """

    conventions = Conventions("cosine restarts", horizon="per cycle", floor="rate", past="restarts")
    learning_rate: float = _base()
    T_0: int = count("length of the first cycle", least=1)
    T_mult: int = count("each cycle's length over the one before", 1, least=1, span=(1, 3))
    eta_min: float = _floor(0.0)

    def meaning(self) -> Schedule:
        return Cosine(self.learning_rate, self.eta_min, self.T_0).repeat(stretch=self.T_mult)

    @property
    def horizon(self) -> int | None:
        return self.T_0


class OneCycleLR(Dialect):
    """paddle.optimizer.lr.OneCycleLR: up to the peak and down to `end_learning_rate`, over `total_steps` - 1 updates.

    The peak lies at `phase_pct * total_steps - 1`, which is missed where that is not whole; at update `total_steps` the
    last leg goes on (0.0496 after 0.0001 in the example), one later Paddle raises.

    >>> OneCycleLR(1.0, 10)([0, 2, 9, 10]).round(4)
    array([4.00e-02, 1.00e+00, 1.00e-04, 4.96e-02])
    """

    conventions = Conventions("one cycle", warmup="t/(W-1)", horizon="whole", floor="rate", past="raises")
    max_learning_rate: float = number("\\eta", "rate", "the highest rate", ge=0, span=(1e-2, 1.0))
    total_steps: int = count("length of the cycle", least=1)
    divide_factor: float = number("d", "", "peak over start", default=25.0, gt=0, span=(2, 50))
    end_learning_rate: float = number("b", "rate", "the rate at the end", default=0.0001, ge=0, span=(1e-5, 1e-3))
    phase_pct: float = number("p", "", "the rise, as a share of the cycle", default=0.3, ge=0, le=1, span=(0.05, 0.95))
    anneal_strategy: str = choice("s", "the curve between the corners", ("cos", "linear"), default="cos")
    three_phase: bool = flag("n", "up, back down, then to the end", default=False)

    def check(self) -> None:
        if self.three_phase and self.phase_pct >= 0.5:
            raise ParameterError(f"OneCycleLR.phase_pct must be < 0.5 with three_phase, got {self.phase_pct}")
        if self.phase_pct * self.total_steps == 1:
            raise ParameterError(
                f"OneCycleLR.phase_pct * total_steps must not be 1 update (Paddle divides by 0 there), "
                f"got {self.phase_pct} * {self.total_steps}; use a longer rise"
            )

    def meaning(self) -> Schedule:
        peak, end, total = self.max_learning_rate, self.end_learning_rate, self.total_steps
        ends = corners(self.phase_pct, total, self.three_phase)
        return one_cycle(peak / self.divide_factor, peak, end, ends, total, self.anneal_strategy == "cos")

    @property
    def horizon(self) -> int | None:
        return self.total_steps

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from misses_peak(
            self, self.max_learning_rate, run, "Make phase_pct * total_steps whole: the peak is one update before it."
        )
        advice = "Make total_steps at least one more than the run."
        yield from past_end(self, self.total_steps - 1, run, advice)
        # a last leg without updates divides by 0 one update before the library refuses to go on
        yield from stops(int(self.meaning().length) + 1, run, advice)


@dataclasses.dataclass(eq=False, repr=False)
class _FunctionOrNone(FunctionKind):
    """A function of one argument, or None."""

    def read(self, value: Any) -> Any:
        return None if value is None else super().read(value)

    def draw(self, rng: random.Random) -> Any:
        return None


class CyclicLR(Dialect):
    """paddle.optimizer.lr.CyclicLR: up and down in straight lines for ever; your own `scale_fn` scales the height.

    >>> CyclicLR(0.1, 1.1, 2, mode="triangular2")([0, 1, 2, 3, 4, 6])
    array([0.1, 0.6, 1.1, 0.6, 0.1, 0.6])
    """

    conventions = Conventions("triangular", horizon="per cycle", floor="rate", past="restarts")
    base_learning_rate: float = number("b", "rate", "the lowest rate", ge=0, span=(1e-4, 1e-2))
    max_learning_rate: float = number("a", "rate", "the highest rate", ge=0, span=(1e-2, 1.0))
    step_size_up: int = count("how long it rises", least=1)
    step_size_down: int | None = count("how long it falls; as long as it rises if left out", None, least=1)
    mode: str = choice(
        "h", "how the height of a cycle changes", ("triangular", "triangular2", "exp_range"), default="triangular"
    )
    exp_gamma: float = number("\\gamma", "", "the factor of exp_range", default=1.0, gt=0, le=1, span=(0.9, 1))
    scale_fn: Callable[[Any], Any] | None = declare(_FunctionOrNone("g", "", "your own scale of the height"), None)
    scale_mode: str = choice("", "what scale_fn is a function of", ("cycle", "iterations"), default="cycle")

    @property
    def _fall(self) -> int:
        return self.step_size_up if self.step_size_down is None else self.step_size_down

    def meaning(self) -> Schedule:
        low, high = self.base_learning_rate, self.max_learning_rate
        if self.scale_fn is None:
            height = {"triangular": "plain", "triangular2": "halved", "exp_range": "exponential"}[self.mode]
            return Triangular(low, high, self.step_size_up, self._fall, height, self.exp_gamma)
        tooth = Linear(0, high - low, self.step_size_up) >> Linear(high - low, 0, self._fall)
        return Constant(low) + tooth.repeat() * Function(self._scale(self.scale_fn))

    def _scale(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        if self.scale_mode == "iterations":
            return function
        cycle = self.step_size_up + self._fall
        return lambda t: function(1 + t // cycle)

    @property
    def horizon(self) -> int | None:
        return self.step_size_up + self._fall


class LinearLR(Dialect):
    """paddle.optimizer.lr.LinearLR: a straight line between two shares of the rate, which it can only lower.

    >>> LinearLR(1.0, 4, 0.25)([0, 1, 4, 9])
    array([0.25  , 0.4375, 1.    , 1.    ])
    """

    conventions = Conventions("linear", warmup="t/W", horizon="whole", floor="ratio")
    learning_rate: float = _base()
    total_steps: int = count("length of the line", least=1)
    start_factor: float = number("a", "", "share of the rate at t = 0", default=1 / 3, gt=0, le=1, span=(0.01, 1))
    end_factor: float = number("b", "", "share of the rate at the end", default=1.0, ge=0, le=1, span=(0.01, 1))

    def meaning(self) -> Schedule:
        rate = self.learning_rate
        return Linear(rate * self.start_factor, rate * self.end_factor, self.total_steps)


@listener
def ReduceOnPlateau(
    learning_rate: float,
    mode: str = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: int = 0,
    min_lr: float = 0,
    epsilon: float = 1e-8,
) -> Rule:
    """paddle.optimizer.lr.ReduceOnPlateau: lowers the rate after more than `patience` bad reports in a row.

    A report during `cooldown` is not even compared. Our rule bounds the factor: `min_lr` over `learning_rate`.

    >>> rule = ReduceOnPlateau(0.5, patience=2, min_lr=0.05)
    >>> rule.floor, rule.convention
    (0.1, 'paddle')
    """
    if isinstance(learning_rate, bool) or not isinstance(learning_rate, Real) or not learning_rate > 0:
        raise ParameterError(f"ReduceOnPlateau.learning_rate must be > 0 rate, got {shorten(learning_rate)}")
    return Plateau(
        factor=factor,
        patience=patience,
        threshold=threshold,
        threshold_mode=threshold_mode.lower(),
        cooldown=cooldown,
        floor=min(min_lr / learning_rate, 1.0),
        mode=mode.lower(),
        convention="paddle",
        eps=epsilon / learning_rate,
    )


def read_object(obj: Any, **hints: Any) -> Reading:
    """The schedule of a live paddle scheduler; `updates=` samples one with a function, which cannot be read."""
    only(hints, "a paddle scheduler", ["updates"])
    name = type(obj).__name__
    if name == "ReduceOnPlateau":
        names = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "epsilon")
        rule = ReduceOnPlateau(obj.last_lr, **{key: getattr(obj, key) for key in names})
        return Reading(Constant(obj.last_lr), obj.last_epoch, feedback=rule)
    return Reading(_read(obj, hints.get("updates")), obj.last_epoch)


def _read(obj: Any, updates: int | None) -> Schedule:
    name = type(obj).__name__
    if f"paddle.{name}" not in DIALECTS:
        known = [full.partition(".")[2] for full in DIALECTS if full.startswith("paddle.")]
        raise UsageError(unknown("paddle scheduler", name, known))
    cls = DIALECTS[f"paddle.{name}"]
    if name in ("LambdaDecay", "MultiplicativeDecay") or (name == "CyclicLR" and not _built_in(obj)):
        return _sampled(obj, name, updates)
    special = {"OneCycleLR": _one_cycle_arguments, "CyclicLR": _cyclic_arguments, "LinearWarmup": _warmup_arguments}
    if name in special:
        return cls(**special[name](obj))
    given = {key: obj.base_lr if key == "learning_rate" else getattr(obj, key) for key in cls.kinds}
    return cls(**given)


def _built_in(obj: Any) -> bool:
    return getattr(obj.scale_fn, "__self__", None) is obj


def _sampled(obj: Any, name: str, updates: int | None) -> Schedule:
    if updates is None:
        raise UsageError(
            f"a paddle {name} holds a function, which cannot be read; updates=... samples that many rates into points"
        )
    if name == "LambdaDecay":
        curve: Schedule = LambdaDecay(obj.base_lr, obj.lr_lambda)
    elif name == "MultiplicativeDecay":
        curve = MultiplicativeDecay(obj.base_lr, obj.lr_lambda)
    else:
        curve = CyclicLR(**_cyclic_arguments(obj), scale_fn=obj.scale_fn, scale_mode=obj.scale_mode)
    return Interpolation(range(updates), curve.curve(updates).tolist())


def _one_cycle_arguments(obj: Any) -> dict[str, Any]:
    start, peak, *_, end = obj._lr_config
    return {
        "max_learning_rate": peak,
        "total_steps": obj.total_steps,
        "divide_factor": peak / start if start else 25.0,
        "end_learning_rate": end,
        "phase_pct": (obj._step_config[1] + 1) / obj.total_steps,
        "anneal_strategy": "cos" if obj.anneal_func.__name__ == "_cos_annealing" else "linear",
        "three_phase": len(obj._lr_config) == 4,
    }


def _cyclic_arguments(obj: Any) -> dict[str, Any]:
    up = round(obj.cycle_size * obj.step_up_pct)
    return {
        "base_learning_rate": obj.base_lr,
        "max_learning_rate": obj.max_lr,
        "step_size_up": up,
        "step_size_down": int(obj.cycle_size) - up,
        "mode": obj.mode,
        "exp_gamma": obj.gamma,
    }


def _warmup_arguments(obj: Any) -> dict[str, Any]:
    after = obj.learning_rate
    return {
        "learning_rate": after if isinstance(after, Real) else _read(after, None),
        "warmup_steps": obj.warmup_steps,
        "start_lr": obj.start_lr,
        "end_lr": obj.end_lr,
    }


__all__ = [
    "CosineAnnealingDecay",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LambdaDecay",
    "LinearLR",
    "LinearWarmup",
    "MultiStepDecay",
    "MultiplicativeDecay",
    "NaturalExpDecay",
    "NoamDecay",
    "OneCycleLR",
    "PiecewiseDecay",
    "PolynomialDecay",
    "ReduceOnPlateau",
    "StepDecay",
]
