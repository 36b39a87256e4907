"""The schedulers of mmengine.optim.scheduler, of the rate and of the momentum."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, reduce
from numbers import Real
from operator import rshift
from typing import Any

from ...errors import ParameterError
from ...feedback import Plateau, Rule
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import Constant, Cosine, Linear, MultiStep, NaturalExponential, PiecewiseConstant, Polynomial, Step
from ...spec import REQUIRED, Number, Numbers, choice, declare, flag, number, shorten
from ..conventions import Conventions
from ..dialect import listener
from ..fields import LARGEST, base_rate, count, counts
from ..onecycle import corners, one_cycle
from ..progress import growth
from ..quirks import misses_peak, past_end
from .stacking import INF, Scheduler


@dataclasses.dataclass(eq=False, repr=False)
class _Edge(Number):
    """Where a window begins or ends; part of an epoch only when epochs are converted to updates."""

    def read(self, value: Any) -> Any:
        found = super().read(value)
        return int(found) if found is not None and found == math.floor(found) else found

    def draw(self, rng: random.Random) -> int:
        return rng.randint(*map(int, self.span))


def _begin() -> Any:
    return declare(_Edge("b", "updates", "the first step at which it acts", ge=0, le=LARGEST, span=(0, 10)), 0)


def _end() -> Any:
    return declare(
        _Edge("e", "updates", "the step from which on it no longer acts", gt=0, le=LARGEST, span=(5, 40)), INF
    )


def _by_epoch() -> Any:
    return flag("", "whether its steps are epochs", default=True)


def _epoch_length() -> Any:
    help = "updates per epoch, as convert_to_iter_based uses it: epochs become updates"
    return count(help, None, least=1, span=(1, 4))


def _updates_per_epoch() -> Any:
    return count("updates per epoch, when it steps once per epoch", 1, least=1, span=(1, 4))


def _factor(help: str, default: Any) -> Any:
    return number("f", "", help, default=default, gt=0, le=1, span=(0.01, 1))


def _eta(help: str) -> Any:
    return number("m", "rate", help, default=None, span=(1e-5, 1e-3))


def _gamma(default: Any = 0.1) -> Any:
    return number("\\gamma", "", "what it is multiplied by", default=default, ge=0, le=1000, span=(0.1, 1.1))


def _one_floor(self: Any, required: bool) -> None:
    given = [self.eta_min, self.eta_min_ratio]
    if given.count(None) == 0 or (required and given.count(None) == 2):
        raise ParameterError(
            f"{type(self).__name__} needs one of eta_min and eta_min_ratio, got {given[0]} and {given[1]}"
        )


def _floor(self: Any, base: float) -> float:
    if self.eta_min_ratio is not None:
        return float(base * self.eta_min_ratio)
    return self.eta_min or 0.0


def _early(self: Scheduler, run: int) -> Iterator[Finding]:
    """Its window of `end - begin` steps counts as one step less."""
    window, last = self.window, self.iterations
    if window.steps is None or run < window.stop:
        return
    if last == 0:
        evidence = {"begin": window.begin, "end": window.end, "rate kept": float(self(window.first))}
        yield Finding("window of one step", "warning", evidence, "It has its first value for ever: make end larger.")
        return
    evidence = {"end": window.end, "reached at": window.begin + last, "rate there": float(self(window.stop))}
    yield Finding(
        "one step early", "note", evidence, "The end value is there at end - 1: mmengine counts end - begin - 1."
    )


def _stops_short(self: Scheduler, floor: float, run: int) -> Iterator[Finding]:
    """The last step of the window comes before the floor."""
    window = self.window
    if window.steps is None or run <= window.stop:
        return
    kept = float(self(window.stop))
    if kept > floor + 1e-9 * abs(self.peak):
        evidence = {"end": window.end, "rate kept": kept, "floor": floor}
        yield Finding(
            "ends above its floor", "note", evidence, "The window closes before the floor: make end one larger."
        )


class ConstantLR(Scheduler):
    """mmengine ConstantLR: `factor` of the rate, and all of it from the last step of the window on, one step early.

    >>> ConstantLR(0.1, end=4)([2, 3, 4, 5])
    array([0.1, 1. , 1. , 1. ])
    """

    conventions = Conventions("piecewise constant", boundary="t + 1 >= b", horizon="whole")
    factor: float = _factor("share of the rate in the window", 1 / 3)
    begin: float = _begin()
    end: float = _end()
    by_epoch: bool = _by_epoch()
    epoch_length: int | None = _epoch_length()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def alone(self, now: float, base: float) -> Schedule:
        if self.iterations == 0:
            return Constant(now * self.factor, 0)
        return PiecewiseConstant([now * self.factor, now], [self.iterations], self.iterations)

    def step(self, k: int, now: float, base: float) -> float:
        return now * self.factor if k == 0 else now / self.factor if k == self.iterations else now

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _early(self, run)


class LinearLR(Scheduler):
    """mmengine LinearLR: a straight line between two shares of the rate, over `end - begin - 1` steps.

    >>> LinearLR(0.25, end=4)([0, 1, 2, 3, 4])
    array([0.25, 0.5 , 0.75, 1.  , 1.  ])
    """

    conventions = Conventions("linear", warmup="t/(W-1)", horizon="whole", floor="ratio")
    start_factor: float = _factor("share of the rate at the start", 1 / 3)
    end_factor: float = number("b", "", "share of the rate at the end", default=1.0, ge=0, le=1, span=(0.01, 1))
    begin: float = _begin()
    end: float = _end()
    by_epoch: bool = _by_epoch()
    epoch_length: int | None = _epoch_length()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def alone(self, now: float, base: float) -> Schedule:
        if self.iterations == 0:
            return Constant(now * self.start_factor, 0)
        return Linear(now * self.start_factor, now * self.end_factor, self.iterations)

    def step(self, k: int, now: float, base: float) -> float:
        if k == 0:
            return now * self.start_factor
        change = self.end_factor - self.start_factor
        return now * (1 + change / (self.iterations * self.start_factor + (k - 1) * change))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _early(self, run)


class PolyLR(Scheduler):
    """mmengine PolyLR: a power of what is left of `end - begin - 1` steps, down to `eta_min`.

    >>> PolyLR(power=2.0, end=10)([0, 5, 9]).round(4)
    array([1.    , 0.1975, 0.    ])
    """

    conventions = Conventions("polynomial", horizon="whole", floor="rate")
    eta_min: float = number("m", "rate", "the rate at the end", default=0.0, span=(1e-5, 1e-3))
    power: float = number("p", "", "how fast it falls at first", default=1.0, ge=0, le=100, span=(0.3, 4))
    begin: float = _begin()
    end: float = _end()
    by_epoch: bool = _by_epoch()
    epoch_length: int | None = _epoch_length()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def alone(self, now: float, base: float) -> Schedule:
        if self.iterations == 0:
            return Constant(now, 0)
        if self.power == 0:
            return Constant(now, self.iterations)
        return Polynomial(now, self.eta_min, self.iterations, self.power)

    def step(self, k: int, now: float, base: float) -> float:
        if k == 0:
            return now
        return float((now - self.eta_min) * (1 - 1 / (self.iterations - k + 1)) ** self.power + self.eta_min)

    def multiplies(self, base: float) -> bool:
        return self.eta_min == 0

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _early(self, run)


class ExponentialLR(Scheduler):
    """mmengine ExponentialLR: multiplied by `gamma` at every step but the first of its window.

    With `epoch_length` the window is converted and `gamma` is not: it then applies at every update.

    >>> ExponentialLR(0.5, end=4)([0, 1, 3, 4])
    array([1.   , 0.5  , 0.125, 0.125])
    """

    conventions = Conventions("exponential", past="continues")
    gamma: float = _gamma(REQUIRED)
    begin: float = _begin()
    end: float = _end()
    by_epoch: bool = _by_epoch()
    epoch_length: int | None = _epoch_length()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def alone(self, now: float, base: float) -> Schedule:
        return growth(now, self.gamma) if self.gamma else PiecewiseConstant([now, 0.0], [1])

    def step(self, k: int, now: float, base: float) -> float:
        return now * self.gamma if k else now

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.times > 1:
            evidence = {"gamma": self.gamma, "epoch_length": self.times, "per epoch": self.gamma**self.times}
            advice = "gamma is not converted from epochs to updates: give its root, gamma ** (1 / epoch_length)."
            yield Finding("gamma per update", "warning", evidence, advice)


class StepLR(Scheduler):
    """mmengine StepLR: multiplied by `gamma` every `step_size` steps of its window.

    >>> StepLR(3, 0.5)([2, 3, 6])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("step", boundary="t >= b", past="continues")
    step_size: int = count("how long each stair is", least=1)
    gamma: float = _gamma()
    begin: float = _begin()
    end: float = _end()
    by_epoch: bool = _by_epoch()
    epoch_length: int | None = _epoch_length()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def _period(self) -> int:
        return self.step_size * self.times

    def alone(self, now: float, base: float) -> Schedule:
        if self.gamma == 0:
            return PiecewiseConstant([now, 0.0], [self._period()])
        if self.gamma <= 1:
            return Step(now, self.gamma, self._period())
        return NaturalExponential(now, -math.log(self.gamma) / self._period()).every(self._period())

    def step(self, k: int, now: float, base: float) -> float:
        return now * self.gamma if k and k % self._period() == 0 else now


class MultiStepLR(Scheduler):
    """mmengine MultiStepLR: multiplied by `gamma` at each milestone of its window; a repeated one counts twice.

    >>> MultiStepLR([4], 0.1)([2, 3, 4, 5])
    array([1. , 1. , 0.1, 0.1])
    """

    conventions = Conventions("multi-step", boundary="t >= b")
    milestones: Sequence[int] = counts("steps from which a further factor applies", empty=True)
    gamma: float = _gamma()
    begin: float = _begin()
    end: float = _end()
    by_epoch: bool = _by_epoch()
    epoch_length: int | None = _epoch_length()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def _places(self) -> list[int]:
        return sorted(place * self.times for place in self.milestones)

    def alone(self, now: float, base: float) -> Schedule:
        places = self._places()
        if self.gamma == 0 and places and places[0]:
            return PiecewiseConstant([now, 0.0], places[:1])
        if self.gamma == 0 or not places:
            return Constant(0.0 if places else now)
        return MultiStep(now, places, self.gamma)

    def step(self, k: int, now: float, base: float) -> float:
        return float(now * self.gamma ** self._places().count(k))

    def lasts(self) -> int | None:
        return max(self._places(), default=0) or None if self.window.steps is None else None


class CosineAnnealingLR(Scheduler):
    """mmengine CosineAnnealingLR: half a cosine over `T_max` steps, `end - begin` unless given, and up again after it.

    The window closes one step before the floor: 0.122 is kept in the example.

    >>> CosineAnnealingLR(10, 0.1, end=10)([0, 5, 9, 10]).round(3)
    array([1.   , 0.55 , 0.122, 0.122])
    """

    conventions = Conventions("cosine", horizon="whole", floor="rate", past="bounces")
    T_max: int | None = count("how many steps it falls; the whole window if left out", None)
    eta_min: float | None = _eta("the rate at the end; 0 if left out")
    begin: float = _begin()
    end: float = _end()
    by_epoch: bool = _by_epoch()
    eta_min_ratio: float | None = number(
        "q", "", "the end, as a share of the base rate", default=None, span=(0.01, 0.5)
    )
    epoch_length: int | None = _epoch_length()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def check_own(self) -> None:
        _one_floor(self, required=False)

    def _fall(self) -> int:
        return (self.T_max or 0) * self.times or self.iterations + 1

    def alone(self, now: float, base: float) -> Schedule:
        floor, fall = _floor(self, base), self._fall()
        down = Cosine(now, floor, fall)
        if self.window.steps is not None and self.window.steps <= fall + 1:
            return down
        if now == base:
            return down.mirror().repeat()
        return down >> (Cosine(floor, base, fall) >> Cosine(base, floor, fall)).repeat()

    def step(self, k: int, now: float, base: float) -> float:
        floor, fall = _floor(self, base), self._fall()
        if k == 0:
            return now
        if (k - 1 - fall) % (2 * fall) == 0:
            return now + (base - floor) * (1 - math.cos(math.pi / fall)) / 2
        ratio = (1 + math.cos(math.pi * k / fall)) / (1 + math.cos(math.pi * (k - 1) / fall))
        return ratio * (now - floor) + floor

    def multiplies(self, base: float) -> bool:
        return _floor(self, base) == 0 and self.window.steps is not None and self.window.steps <= self._fall() + 1

    def lasts(self) -> int | None:
        return (self.T_max or 0) * self.times or None

    def quirks(self, run: int) -> Iterator[Finding]:
        window, fall = self.window, self._fall()
        advice = "Make T_max the number of steps of the window: past it the cosine turns back."
        yield from past_end(self, (window.begin + fall) * window.pace, run, advice)
        if window.steps is not None and window.steps <= fall:
            yield from _stops_short(self, _floor(self, self.base), run)


class CosineRestartLR(Scheduler):
    """mmengine CosineRestartLR: half a cosine per period, from its weight's share of the rate; the last value is kept.

    >>> CosineRestartLR([4, 4], [1, 0.5], eta_min=0.0)([0, 3, 4, 7, 8]).round(3)
    array([1.   , 0.146, 0.5  , 0.073, 0.073])
    """

    conventions = Conventions("cosine restarts", horizon="per cycle", floor="rate")
    periods: Sequence[int] = counts("length of each cycle", least=1)
    restart_weights: Sequence[float] = declare(
        Numbers("q", "", "each cycle's peak, as a share of the base rate", Number("q", "", "", span=(0.2, 1))), (1.0,)
    )
    eta_min: float | None = _eta("the rate at the end of each cycle")
    eta_min_ratio: float | None = number(
        "q", "", "that end, as a share of the base rate", default=None, span=(0.01, 0.5)
    )
    begin: float = _begin()
    end: float = _end()
    by_epoch: bool = _by_epoch()
    epoch_length: int | None = _epoch_length()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def check_own(self) -> None:
        _one_floor(self, required=True)
        if len(self.periods) != len(self.restart_weights):
            raise ParameterError(
                f"{type(self).__name__}.restart_weights must have one entry per period, "
                f"got {len(self.restart_weights)} for {len(self.periods)}"
            )

    def _lengths(self) -> list[int]:
        return [period * self.times for period in self.periods]

    def alone(self, now: float, base: float) -> Schedule:
        floor = _floor(self, base)
        peaks = zip(self._lengths(), self.restart_weights, strict=True)
        whole = reduce(rshift, [Cosine(base * weight, floor, length) for length, weight in peaks])
        return whole.cut(sum(self._lengths()) - 1)

    def step(self, k: int, now: float, base: float) -> float:
        floor = _floor(self, base)
        for length, weight in zip(self._lengths(), self.restart_weights, strict=True):
            if k == 0:
                return base * weight
            if k < length:
                ratio = (1 + math.cos(math.pi * k / length)) / (1 + math.cos(math.pi * (k - 1) / length))
                return ratio * (now - floor) + floor
            k -= length
        return now

    def multiplies(self, base: float) -> bool:
        return False

    def lasts(self) -> int | None:
        return sum(self._lengths())

    def quirks(self, run: int) -> Iterator[Finding]:
        end, floor = self.horizon, _floor(self, self.base)
        if end is None or run <= end:
            return
        kept = float(self(end))
        if kept > floor + 1e-9 * abs(self.peak):
            evidence = {"end": end, "rate kept": kept, "floor": floor}
            advice = "The last cycle stops one step before its floor, and that value is kept."
            yield Finding("ends above its floor", "note", evidence, advice)


class OneCycleLR(Scheduler):
    """mmengine OneCycleLR: up to the peak and down, over `total_steps` - 1 steps; `end - begin` of them unless given.

    The peak lies at `pct_start * total_steps - 1`, which is missed where that is not whole. The optimizer's own rate
    counts before the window only.

    >>> OneCycleLR(1.0, end=10)([0, 1, 2, 9, 10]).round(6)
    array([4.0e-02, 5.2e-01, 1.0e+00, 4.0e-06, 4.0e-06])
    """

    conventions = Conventions("one cycle", warmup="t/(W-1)", horizon="whole", floor="ratio")
    eta_max: float = number("\\eta", "rate", "the highest rate", default=0.0, span=(1e-2, 1.0))
    total_steps: int | None = count("length of the cycle; the whole window if left out", None, least=1)
    pct_start: float = number("p", "", "the rise, as a share of the cycle", default=0.3, ge=0, le=1, span=(0.05, 0.95))
    anneal_strategy: str = choice("s", "the curve between the corners", ("cos", "linear"), default="cos")
    div_factor: float = number("d", "", "peak over start", default=25.0, gt=0, span=(2, 50))
    final_div_factor: float = number("D", "", "start over end", default=1e4, gt=0, span=(10, 1e5))
    three_phase: bool = flag("n", "up, back down, then to the end", default=False)
    begin: float = _begin()
    end: float = _end()
    by_epoch: bool = _by_epoch()
    epoch_length: int | None = _epoch_length()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def check_own(self) -> None:
        if self.pct_start * self._cycle_steps() == 1:
            raise ParameterError(
                f"OneCycleLR.pct_start * total_steps must not be 1 step (mmengine divides by 0 there), "
                f"got {self.pct_start} * {self._cycle_steps()}; use a longer rise"
            )

    def _cycle_steps(self) -> int:
        return self.iterations + 1 if self.total_steps is None else self.total_steps * self.times

    def rebased(self, base: float) -> float:
        return self.eta_max / self.div_factor

    def alone(self, now: float, base: float) -> Schedule:
        return self._cycle

    @cached_property
    def _cycle(self) -> Schedule:
        total, peak, start = self._cycle_steps(), self.eta_max, self.eta_max / self.div_factor
        ends = corners(self.pct_start, total, self.three_phase)
        return one_cycle(start, peak, start / self.final_div_factor, ends, total, self.anneal_strategy == "cos")

    def step(self, k: int, now: float, base: float) -> float:
        return float(self._cycle(k)) if k <= self._cycle.length else now  # it raises, and changes nothing

    def multiplies(self, base: float) -> bool:
        return False

    def lasts(self) -> int | None:
        return None if self.total_steps is None else self._cycle_steps()

    def quirks(self, run: int) -> Iterator[Finding]:
        window = self.window
        advice = "Make pct_start * total_steps whole: the peak is one step before it."
        yield from misses_peak(self, self.eta_max, run, advice)
        if window.steps is None or window.steps > self._cycle_steps():
            end = (window.begin + self._cycle_steps() - 1) * window.pace
            yield from past_end(
                self, end, run, "Make the window total_steps long: one step later the last leg goes on."
            )


def _of_momentum(cls: type[Scheduler], example: str) -> type[Scheduler]:
    """The same class for the momentum (or beta1): its base is the keyword `momentum`."""
    name = cls.__name__.removesuffix("LR") + "Momentum"
    shared = ("conventions", "alone", "step", "multiplies", "rebased", "lasts", "check_own", "quirks")
    given = {key: item for key, item in vars(cls).items() if key in shared or (key[0] == "_" and key[1] != "_")}
    given = {key: item for key, item in given.items() if key in shared or callable(item)}
    fields = {key: declare(kind, cls._defaults.get(key, REQUIRED)) for key, kind in cls.kinds.items() if key != "lr"}
    fields["momentum"] = number("\\mu", "", "the momentum, as given to the optimizer", default=1.0, ge=0, span=(0.5, 1))
    text = f"mmengine {name}: the curve of {cls.__name__}, for the momentum or beta1.\n\n    {example}\n    "
    space = {
        "__annotations__": dict.fromkeys(fields, Any),
        "__module__": __name__,
        "__doc__": text,
        "parameter": "momentum",
    }
    return type(name, (Scheduler,), space | given | fields)


ConstantMomentum = _of_momentum(ConstantLR, ">>> ConstantMomentum(0.5, end=4, momentum=0.9)(2)\n    0.45")
CosineAnnealingMomentum = _of_momentum(CosineAnnealingLR, ">>> CosineAnnealingMomentum(10, momentum=0.9)(5)\n    0.45")
ExponentialMomentum = _of_momentum(ExponentialLR, ">>> ExponentialMomentum(0.5, momentum=0.8)(1)\n    0.4")
LinearMomentum = _of_momentum(LinearLR, ">>> LinearMomentum(0.5, end=3, momentum=0.8)(1)\n    0.6")
MultiStepMomentum = _of_momentum(MultiStepLR, ">>> MultiStepMomentum([4], 0.5, momentum=0.8)(4)\n    0.4")
StepMomentum = _of_momentum(StepLR, ">>> StepMomentum(3, 0.5, momentum=0.8)(3)\n    0.4")
PolyMomentum = _of_momentum(PolyLR, ">>> PolyMomentum(end=5, momentum=0.8)(2)\n    0.4")
CosineRestartMomentum = _of_momentum(
    CosineRestartLR, ">>> CosineRestartMomentum([4], eta_min=0.0, momentum=0.8)(2)\n    0.4"
)


def _plateau(name: str, base: float, given: Mapping[str, Any]) -> Rule:
    if isinstance(base, bool) or not isinstance(base, Real) or not base > 0:
        raise ParameterError(f"{name}: the base must be > 0, got {shorten(base)}")
    if given["rule"] not in ("less", "greater"):
        raise ParameterError(f"{name}.rule must be one of 'less', 'greater', got {shorten(given['rule'])}")
    if given["by_epoch"] is not True:
        raise ParameterError(f"{name}.by_epoch must be True: mmengine has no other, got {shorten(given['by_epoch'])}")
    if given["begin"] != 0 or given["end"] != INF:
        raise ParameterError(
            f"{name} listens to every report: begin and end must be left out, mute the reports instead"
        )
    return Plateau(
        factor=given["factor"],
        patience=given["patience"],
        threshold=given["threshold"],
        threshold_mode=given["threshold_rule"],
        cooldown=given["cooldown"],
        floor=min(given["min_value"] / float(base), 1.0),
        mode="min" if given["rule"] == "less" else "max",
        eps=given["eps"] / float(base),
    )


@listener
def ReduceOnPlateauLR(
    monitor: str = "loss",
    rule: str = "less",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_rule: str = "rel",
    cooldown: int = 0,
    min_value: float = 0.0,
    eps: float = 1e-8,
    begin: int = 0,
    end: int = INF,
    by_epoch: bool = True,
    lr: float = 1.0,
) -> Rule:
    """mmengine ReduceOnPlateauLR: lowers the rate after more than `patience` bad reports in a row, as torch does.

    `monitor` names what is reported; our rule bounds the factor, which is `min_value` over `lr`.

    >>> ReduceOnPlateauLR(patience=2, min_value=0.05, lr=0.5).floor
    0.1
    """
    return _plateau("ReduceOnPlateauLR", lr, locals())


@listener
def ReduceOnPlateauMomentum(
    monitor: str = "loss",
    rule: str = "less",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_rule: str = "rel",
    cooldown: int = 0,
    min_value: float = 0.0,
    eps: float = 1e-8,
    begin: int = 0,
    end: int = INF,
    by_epoch: bool = True,
    momentum: float = 1.0,
) -> Rule:
    """mmengine ReduceOnPlateauMomentum: the same rule for the momentum.

    >>> ReduceOnPlateauMomentum(patience=2, min_value=0.45, momentum=0.9).floor
    0.5
    """
    return _plateau("ReduceOnPlateauMomentum", momentum, locals())


__all__ = [
    "ConstantLR",
    "ConstantMomentum",
    "CosineAnnealingLR",
    "CosineAnnealingMomentum",
    "CosineRestartLR",
    "CosineRestartMomentum",
    "ExponentialLR",
    "ExponentialMomentum",
    "LinearLR",
    "LinearMomentum",
    "MultiStepLR",
    "MultiStepMomentum",
    "OneCycleLR",
    "PolyLR",
    "PolyMomentum",
    "ReduceOnPlateauLR",
    "ReduceOnPlateauMomentum",
    "StepLR",
    "StepMomentum",
]
