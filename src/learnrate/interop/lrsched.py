"""lrsched: pure functions of the update, without dependencies; every argument is given by name there."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ParameterError
from ..schedule import Schedule
from ..schedules import Constant, Cosine, Exponential, InverseSqrt, Linear, PiecewiseConstant, Polynomial, PowerDecay
from ..schedules import Step as _Step
from ..spec import Kind, Number, choice, declare, number, shorten
from .conventions import Conventions
from .dialect import Dialect
from .fields import LARGEST, count, counts
from .fields import schedule as schedule_field
from .progress import growth


def _rate(help: str, **rules: Any) -> Any:
    return number("a", "rate", help, **{"span": (1e-4, 1.0)} | rules)


class constant(Dialect):
    """lrsched.constant: a flat rate.

    >>> constant(lr=0.1)(7)
    0.1
    """

    conventions = Conventions("constant")
    lr: float = _rate("the rate")

    def meaning(self) -> Schedule:
        return Constant(self.lr)


class step_decay(Dialect):
    """lrsched.step_decay: times `drop` every `step_size` updates.

    >>> step_decay(base_lr=1.0, drop=0.5, step_size=4)([3, 4, 8])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("step", boundary="t >= b", past="continues")
    base_lr: float = _rate("the rate at t = 0", gt=0)
    drop: float = number("\\gamma", "", "what each stair is multiplied by", gt=0, le=1, span=(0.1, 1.0))
    step_size: int = count("how long each stair is", least=1)

    def meaning(self) -> Schedule:
        return _Step(self.base_lr, self.drop, self.step_size)


class multi_step(Dialect):
    """lrsched.multi_step: times `gamma` from each milestone on; a repeated milestone counts twice.

    >>> multi_step(base_lr=1.0, milestones=[4], gamma=0.1)([2, 3, 4, 5])
    array([1. , 1. , 0.1, 0.1])
    """

    conventions = Conventions("multi-step", boundary="t >= b")
    base_lr: float = _rate("the rate at t = 0")
    milestones: Sequence[int] = counts("from where each further factor applies", least=1, empty=True)
    gamma: float = number("\\gamma", "", "what each milestone multiplies by", span=(0.1, 2.0))

    def meaning(self) -> Schedule:
        places = sorted(set(self.milestones))
        if not places:
            return Constant(self.base_lr)
        passed = [sum(m <= place for m in self.milestones) for place in places]
        return PiecewiseConstant([self.base_lr, *(self.base_lr * self.gamma**n for n in passed)], places)

    @property
    def horizon(self) -> int | None:
        return max(self.milestones, default=None)


class exponential(Dialect):
    """lrsched.exponential: times `gamma` every update; above 1 it grows.

    >>> exponential(base_lr=1.0, gamma=0.5)([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("exponential", past="continues")
    base_lr: float = _rate("the rate at t = 0")
    gamma: float = number("\\gamma", "", "what every update multiplies by", ge=0, span=(0.5, 1.2))

    def meaning(self) -> Schedule:
        return growth(self.base_lr, self.gamma)


class exponential_decay(Dialect):
    """lrsched.exponential_decay: times `decay_rate` every `decay_steps` updates, smoothly.

    >>> exponential_decay(base_lr=1.0, decay_rate=0.25, decay_steps=2)([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("exponential", past="continues")
    base_lr: float = _rate("the rate at t = 0", gt=0)
    decay_rate: float = number("\\gamma", "", "the factor", gt=0, lt=1, span=(0.1, 0.99))
    decay_steps: int = count("how many updates one factor takes", least=1)

    def meaning(self) -> Schedule:
        return Exponential(self.base_lr, self.decay_rate, period=self.decay_steps)


class polynomial(Dialect):
    """lrsched.polynomial: a power of what is left, down to `end_lr`.

    >>> polynomial(base_lr=1.0, end_lr=0.1, total_steps=10, power=2.0)([0, 5, 10, 15])
    array([1.   , 0.325, 0.1  , 0.1  ])
    """

    conventions = Conventions("polynomial", horizon="whole", floor="rate")
    base_lr: float = _rate("the rate at t = 0")
    end_lr: float = _rate("the rate at the end")
    total_steps: int = count("when the end is reached", least=1)
    power: float = number("p", "", "the power", ge=0, le=100, span=(0.3, 3))

    def meaning(self) -> Schedule:
        if self.power == 0:
            return Constant(self.base_lr, self.total_steps)
        return Polynomial(self.base_lr, self.end_lr, self.total_steps, power=self.power)


class polynomial_decay(Dialect):
    """lrsched.polynomial_decay: the curve of `polynomial`, with its start called `start_lr`.

    >>> polynomial_decay(start_lr=1.0, end_lr=0.0, total_steps=10, power=2.0)(5)
    0.25
    """

    conventions = Conventions("polynomial", horizon="whole", floor="rate")
    start_lr: float = _rate("the rate at t = 0")
    end_lr: float = _rate("the rate at the end")
    total_steps: int = count("when the end is reached", least=1)
    power: float = number("p", "", "the power", gt=0, le=100, span=(0.3, 3))

    def meaning(self) -> Schedule:
        return Polynomial(self.start_lr, self.end_lr, self.total_steps, power=self.power)


class linear(Dialect):
    """lrsched.linear: a straight line, then its end.

    >>> linear(base_lr=1.0, end_lr=0.0, total_steps=10)([0, 9, 10, 15])
    array([1. , 0.1, 0. , 0. ])
    """

    conventions = Conventions("linear", horizon="whole", floor="rate")
    base_lr: float = _rate("the rate at t = 0")
    end_lr: float = _rate("the rate at the end")
    total_steps: int = count("when the end is reached", least=1)

    def meaning(self) -> Schedule:
        return Linear(self.base_lr, self.end_lr, self.total_steps)


class cosine(Dialect):
    """lrsched.cosine: half a cosine, then its end.

    >>> cosine(base_lr=1.0, min_lr=0.1, total_steps=10)([0, 5, 10, 15])
    array([1.  , 0.55, 0.1 , 0.1 ])
    """

    conventions = Conventions("cosine", horizon="whole", floor="rate")
    base_lr: float = _rate("the rate at t = 0")
    min_lr: float = _rate("the rate at the end")
    total_steps: int = count("when the end is reached", least=1)

    def meaning(self) -> Schedule:
        return Cosine(self.base_lr, self.min_lr, self.total_steps)


class cosine_restarts(Dialect):
    """lrsched.cosine_restarts: half a cosine again and again, each `t_mult` times as long.

    >>> cosine_restarts(base_lr=1.0, min_lr=0.0, period=4, t_mult=2)([3, 4, 5, 11, 12, 13]).round(3)
    array([0.146, 1.   , 0.962, 0.038, 1.   , 0.99 ])
    """

    conventions = Conventions("cosine restarts", horizon="per cycle", floor="rate", past="restarts")
    base_lr: float = _rate("the rate at the start of each cycle")
    min_lr: float = _rate("the rate at the end of each cycle")
    period: int = count("length of the first cycle", least=1)
    t_mult: int = number("m", "", "each cycle's length over the one before", ge=1, le=LARGEST, whole=True, span=(1, 3))

    def meaning(self) -> Schedule:
        return Cosine(self.base_lr, self.min_lr, self.period).repeat(stretch=self.t_mult)

    @property
    def horizon(self) -> int | None:
        return self.period


class inverse_sqrt(Dialect):
    """lrsched.inverse_sqrt: a line from 0 to `base_lr` at `warmup_steps`, then the inverse square root of t.

    >>> inverse_sqrt(base_lr=1.0, warmup_steps=4)([0, 1, 4, 16])
    array([0.  , 0.25, 1.  , 0.5 ])
    """

    conventions = Conventions("inverse square root", warmup="t/W", past="continues")
    base_lr: float = _rate("the peak")
    warmup_steps: int = count("length of the warmup", least=1)

    def meaning(self) -> Schedule:
        return Linear(0.0, self.base_lr, self.warmup_steps) >> InverseSqrt(self.base_lr, self.warmup_steps)


class one_cycle(Dialect):
    """lrsched.one_cycle: half a cosine up, half a cosine down; `final_div` divides the peak, not the start.

    >>> one_cycle(max_lr=1.0, total_steps=10, pct_start=0.3, initial_div=25.0, final_div=25e4)([0, 1, 2, 3, 10])
    array([4.00e-02, 2.80e-01, 7.60e-01, 1.00e+00, 4.00e-06])
    """

    conventions = Conventions("one cycle", warmup="other", horizon="whole", floor="ratio")
    max_lr: float = _rate("the peak")
    total_steps: int = count("when the end is reached", least=2, span=(2, 40))
    pct_start: float = number("p", "", "the share of the run that rises", gt=0, lt=1, span=(0.05, 0.95))
    initial_div: float = number("d", "", "the peak over the start", gt=0, span=(2, 50))
    final_div: float = number("D", "", "the peak over the end", gt=0, span=(10, 1e5))

    def meaning(self) -> Schedule:
        rise = min(max(1, round(self.pct_start * self.total_steps)), self.total_steps - 1)
        up = Cosine(self.max_lr / self.initial_div, self.max_lr, rise)
        return up >> Cosine(self.max_lr, self.max_lr / self.final_div, self.total_steps - rise)


class warmup_stable_decay(Dialect):
    """lrsched.warmup_stable_decay: a line up, the peak, and a line or 1 - sqrt down.

    >>> wsd = {"warmup_start": 0.0, "decay_shape": "linear"}
    >>> schedule = warmup_stable_decay(
    ...     base_lr=1.0, warmup_steps=2, decay_steps=4, total_steps=10, final_lr=0.1, **wsd
    ... )
    >>> schedule([0, 1, 5, 6, 7, 9, 10, 11])
    array([0.   , 0.5  , 1.   , 1.   , 0.775, 0.325, 0.1  , 0.1  ])
    """

    conventions = Conventions("warmup-stable-decay", warmup="t/W", horizon="whole", floor="rate")
    base_lr: float = _rate("the peak", ge=0)
    warmup_steps: int = count("length of the warmup", span=(0, 12))
    decay_steps: int = count("length of the decay", span=(0, 12))
    total_steps: int = count("when the end is reached", least=1)
    final_lr: float = _rate("the rate at the end", ge=0)
    warmup_start: float = _rate("the rate at t = 0", ge=0)
    decay_shape: str = choice("s", "curve of the decay", ("linear", "1-sqrt"))

    def check(self) -> None:
        if self.warmup_steps + self.decay_steps > self.total_steps:
            raise ParameterError(
                f"warmup_stable_decay.total_steps must be >= warmup_steps + decay_steps = "
                f"{self.warmup_steps + self.decay_steps} updates, got {self.total_steps}"
            )

    def meaning(self) -> Schedule:
        stable = self.total_steps - self.warmup_steps - self.decay_steps
        rise = Linear(self.warmup_start, self.base_lr, self.warmup_steps)
        if self.decay_shape == "linear":
            fall: Schedule = Linear(self.base_lr, self.final_lr, self.decay_steps)
        else:
            fall = PowerDecay(self.base_lr, self.final_lr, self.decay_steps, power=0.5)
        return rise >> Constant(self.base_lr, stable) >> (fall if self.decay_steps else Constant(self.base_lr, 1))


class triangular(Dialect):
    """lrsched.triangular: up and down in straight lines, for ever.

    >>> triangular(min_lr=0.1, max_lr=1.1, step_size=2)([0, 1, 2, 3, 4])
    array([0.1, 0.6, 1.1, 0.6, 0.1])
    """

    conventions = Conventions("triangular", horizon="per cycle", floor="rate", past="restarts")
    min_lr: float = _rate("the rate at the start of each cycle")
    max_lr: float = _rate("the rate in the middle of each cycle")
    step_size: int = count("half a cycle", least=1, span=(1, 12))

    def meaning(self) -> Schedule:
        return Linear(self.min_lr, self.max_lr, self.step_size).mirror().repeat()

    @property
    def horizon(self) -> int | None:
        return 2 * self.step_size


class triangular2(Dialect):
    """lrsched.triangular2: as `triangular`, each cycle half as high as the one before.

    >>> triangular2(min_lr=0.0, max_lr=1.0, step_size=2)([2, 6, 10])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("triangular", horizon="per cycle", floor="rate", past="restarts")
    min_lr: float = _rate("the rate at the start of each cycle")
    max_lr: float = _rate("the rate in the middle of the first cycle")
    step_size: int = count("half a cycle", least=1, span=(1, 12))

    def meaning(self) -> Schedule:
        height = self.max_lr - self.min_lr
        return Constant(self.min_lr) + Linear(0.0, height, self.step_size).mirror().repeat(scale=0.5)

    @property
    def horizon(self) -> int | None:
        return 2 * self.step_size


class exp_range(Dialect):
    """lrsched.exp_range: as `triangular`, its height times `gamma` every update.

    >>> exp_range(min_lr=0.0, max_lr=1.0, step_size=1, gamma=0.5)([1, 3])
    array([0.5  , 0.125])
    """

    conventions = Conventions("triangular", horizon="per cycle", floor="rate", past="restarts")
    min_lr: float = _rate("the rate at the start of each cycle")
    max_lr: float = _rate("the rate in the middle of each cycle, before it is scaled")
    step_size: int = count("half a cycle", least=1, span=(1, 12))
    gamma: float = number("\\gamma", "", "what every update multiplies the height by", ge=0, span=(0.8, 1.1))

    def meaning(self) -> Schedule:
        teeth = Linear(0.0, self.max_lr - self.min_lr, self.step_size).mirror().repeat()
        return Constant(self.min_lr) + teeth * growth(1.0, self.gamma)

    @property
    def horizon(self) -> int | None:
        return 2 * self.step_size


class with_warmup(Dialect):
    """lrsched.with_warmup: a line from `start_lr` to the first rate of `schedule`, which then starts.

    >>> with_warmup(cosine(1.0, 0.0, 10), warmup_steps=4, start_lr=0.0)([0, 2, 4, 9])
    array([0. , 0.5, 1. , 0.5])
    """

    conventions = Conventions("warmup", warmup="t/W", horizon="after warmup")
    schedule: Schedule = schedule_field("what comes after the warmup")
    warmup_steps: int = count("length of the warmup", least=1)
    start_lr: float = _rate("the rate at t = 0")

    def meaning(self) -> Schedule:
        return Linear(self.start_lr, float(self.schedule(0)), self.warmup_steps) >> self.schedule

    @property
    def horizon(self) -> int | None:
        inner = self.schedule.horizon if isinstance(self.schedule, Dialect) else None
        return super().horizon if inner is None else self.warmup_steps + inner


@dataclasses.dataclass(eq=False, repr=False)
class _Phases(Kind):
    """Pairs of a duration and a schedule."""

    def read(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError(f"be a list of pairs (updates, schedule), got {shorten(value)}")
        return tuple(self._pair(index, item) for index, item in enumerate(value))

    def _pair(self, index: int, item: Any) -> tuple[int, Schedule]:
        if not isinstance(item, (list, tuple)) or len(item) != 2 or not isinstance(item[1], Schedule):
            raise ValueError(f"hold pairs (updates, schedule), got {shorten(item)} at index {index}")
        if not item[1].bound:
            raise ValueError(f"hold bound schedules, got {shorten(item[1])} at index {index}; .over(total) binds it")
        try:
            duration = Number("n", "updates", "", ge=1, le=LARGEST, whole=True).read(item[0])
        except ValueError as rule:
            raise ValueError(f"hold durations that each {rule} at index {index}") from None
        return int(duration or 0), item[1]

    def draw(self, rng: random.Random) -> Any:
        return [(rng.randint(1, 12), Cosine(rng.random(), rng.random(), rng.randint(1, 20))) for _ in range(2)]


class sequential(Dialect):
    """lrsched.sequential: each schedule for its duration, counted from 0; then the last rate that was used.

    >>> sequential([(2, constant(1.0)), (3, linear(0.5, 0.0, 5))])([1, 2, 4, 5, 9])
    array([1. , 0.5, 0.3, 0.3, 0.3])
    """

    conventions = Conventions("sequence", boundary="t >= b", horizon="whole")
    phases: Sequence[tuple[int, Schedule]] = declare(_Phases("", "", "pairs of a duration and a schedule"))

    def meaning(self) -> Schedule:
        *before, (duration, last) = self.phases
        # the last update of the last phase is held; a phase of one update is only that
        meaning = last.cut(duration - 1) if duration > 1 else Constant(float(last(0)), 1)
        for updates, phase in reversed(before):
            meaning = phase.cut(updates) >> meaning
        return meaning

    @property
    def horizon(self) -> int | None:
        return sum(duration for duration, _ in self.phases)


def scale_by_group(schedule: Schedule, *, multipliers: Mapping[str, float]) -> dict[str, Schedule]:
    """lrsched.scale_by_group: the schedule of every group, each `schedule` times the multiplier of its group.

    >>> scale_by_group(linear(1.0, 0.0, 10), multipliers={"head": 1.0, "body": 0.1})["body"](5)
    0.05
    """
    if not isinstance(schedule, Schedule):
        raise ParameterError(f"scale_by_group.schedule must be a schedule, got {shorten(schedule)}")
    if not isinstance(multipliers, Mapping) or not multipliers:
        raise ParameterError(f"scale_by_group.multipliers must name at least one group, got {shorten(multipliers)}")
    factor = Number("k", "", "", gt=0)
    scaled: dict[str, Schedule] = {}
    for group, value in multipliers.items():
        try:
            scaled[group] = schedule * factor.read(value)
        except ValueError as rule:
            raise ParameterError(f"scale_by_group.multipliers[{group!r}] must {rule}") from None
    return scaled


__all__ = [
    "constant",
    "cosine",
    "cosine_restarts",
    "exp_range",
    "exponential",
    "exponential_decay",
    "inverse_sqrt",
    "linear",
    "multi_step",
    "one_cycle",
    "polynomial",
    "polynomial_decay",
    "scale_by_group",
    "sequential",
    "step_decay",
    "triangular",
    "triangular2",
    "warmup_stable_decay",
    "with_warmup",
]
