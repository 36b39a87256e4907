"""ignite.handlers: parameter schedulers attached to `Events.ITERATION_STARTED`, state schedulers to its completion.

Leave `optimizer`, `save_history` and `param_group_index` out. Values are absolute: no base rate scales them.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, cast

from ..clock import FOREVER
from ..errors import ParameterError
from ..feedback import Plateau, Rule
from ..findings import Finding
from ..formula import LATEST, Table
from ..schedule import Schedule
from ..schedules import Constant, Cosine, Function, Interpolation, Linear, PiecewiseConstant
from ..spec import Kind, Number, declare, flag, number, numbers, shorten
from .conventions import Conventions
from .dialect import Curve, Dialect, library_of, listener
from .fields import LARGEST, base_rate, count, counts, function, text
from .fields import schedule as schedule_field
from .fields import schedules as schedules_field
from .progress import growth
from .quirks import of_parts, past_end, stops

MOST_CYCLES = 20_000
"""How many cycles of different length are told apart."""


def _value(help: str, **rules: Any) -> Any:
    return number("a", "rate", help, **{"span": (1e-4, 1.0)} | rules)


def _multiplier(help: str) -> Any:
    return number("k", "", help, default=1.0, ge=0, span=(0.5, 1.5))


def _name() -> Any:
    return text("the setting of the param groups that is scheduled", ("lr",))


def _lasting(schedule: Schedule) -> Schedule:
    """As the last of a chain, where what has no length would vanish."""
    return Constant(float(schedule(0)), 1) if schedule.length == 0 else schedule


# -- cycles


class _Cycles(Curve):
    """Cycles listed by start, length and warmup; the last one repeats. Both values are scaled from cycle to cycle.

    `body`, of length 1, is how much of the start value is left.
    """

    body: Schedule = schedule_field("the weight of the start value")
    starts: Sequence[float] = numbers("s", "updates", "where each cycle starts")
    sizes: Sequence[float] = numbers("c", "updates", "how long each cycle is")
    warmups: Sequence[float] = numbers("w", "updates", "how long the way to the next start value is")
    start_value: float = number("a", "rate", "the value at the start of the first cycle")
    end_value: float = number("b", "rate", "the value at the end of the first cycle")
    start_mult: float = number("k", "", "what each cycle multiplies the start value by", ge=0)
    end_mult: float = number("m", "", "what each cycle multiplies the end value by", ge=0)

    @cached_property
    def _tables(self) -> tuple[Table, Table, Table]:
        return Table(self.starts), Table(self.sizes), Table(self.warmups)

    def formula(self, t: Any, xp: Any) -> Any:
        starts, sizes, warmups = self._tables
        index = xp.find(t, starts)
        period = self.sizes[-1] + self.warmups[-1]
        again = xp.quotient(xp.maximum(t - self.starts[-1], 0), period)
        local = xp.let("u", t - xp.take(starts, index) - again * period)
        size = xp.take(sizes, index)
        start = self.start_value * self._power(self.start_mult, index + again, xp)
        end = self.end_value * self._power(self.end_mult, index + again, xp)
        w = self.body.at(xp.minimum(local / size, 1), xp)
        up = xp.clip((local - size) / xp.maximum(xp.take(warmups, index), 1), 0, 1)
        back = start * self.start_mult * up + end * (1 - up)
        return xp.where(local > size, back, start * w + end * (1 - w))

    def _power(self, base: float, cycle: Any, xp: Any) -> Any:
        """`base ** cycle`, for at most so many cycles that it stays finite."""
        return base ** xp.minimum(cycle, math.floor(600 / math.log(base)) if base > 1 else LATEST)


def _repeated(own: Any, shape: Schedule | None, body: Schedule) -> Schedule:
    """The cycles of a cyclical scheduler: `shape` where they all are alike, else a list of them, weighted by `body`."""
    alike = own.start_value_mult == own.end_value_mult == 1 and own.warmup_duration == 0
    if shape is not None and alike and own.cycle_mult >= 1 and own.cycle_mult == int(own.cycle_mult):
        return shape.repeat(stretch=own.cycle_mult)
    starts, sizes, warmups = [0], [own.cycle_size], [own.warmup_duration]
    last = None
    while starts[-1] < LATEST:
        size, warmup = int(sizes[-1] * own.cycle_mult), int(warmups[-1] * own.cycle_mult)
        if (size, warmup) == (sizes[-1], warmups[-1]):
            break
        start = starts[-1] + sizes[-1] + warmups[-1]
        if size == 0:  # the library divides by it
            last = start - 1
            break
        starts.append(start)
        sizes.append(size)
        warmups.append(warmup)
        if len(starts) > MOST_CYCLES:
            raise ParameterError(f"{type(own).__name__}.cycle_mult must be 1 or farther from 1, got {own.cycle_mult}")
    cycles = _Cycles(
        *(body, starts, sizes, warmups, own.start_value, own.end_value), own.start_value_mult, own.end_value_mult
    )
    return cycles if last is None else cycles.cut(last)


def _ends(own: Dialect, run: int) -> Iterator[Finding]:
    """Cycles that shrink come to one of no updates, which the library divides by."""
    length = own.meaning().length
    if length != FOREVER:
        advice = "ignite divides by the length of a cycle, here 0 updates; take a cycle_mult of at least 1."
        yield from stops(int(length) + 1, run, advice)


class LinearCyclicalScheduler(Dialect):
    """ignite LinearCyclicalScheduler: to `end_value` in the middle of the cycle and back; monotonic, only there.

    >>> LinearCyclicalScheduler("lr", 0.0, 1.0, 4)([0, 1, 2, 3, 4])
    array([0. , 0.5, 1. , 0.5, 0. ])
    """

    conventions = Conventions("triangular", horizon="per cycle", floor="rate", past="restarts")
    param_name: str = _name()
    start_value: float = _value("the value at the start of a cycle")
    end_value: float = _value("the value in the middle of a cycle; at its end, if monotonic")
    cycle_size: int = count("length of a cycle", least=2, span=(2, 12))
    cycle_mult: float = number("m", "", "each cycle's length over the one before", default=1.0, gt=0, span=(0.5, 2))
    start_value_mult: float = _multiplier("what each cycle multiplies the start value by")
    end_value_mult: float = _multiplier("what each cycle multiplies the end value by")
    warmup_duration: int = count("the way from the end value to the next start value", 0, span=(0, 6))
    monotonic: bool = flag("", "whether a cycle goes one way only", default=False)

    def check(self) -> None:
        if self.warmup_duration and not self.monotonic:
            rule = "must be 0 updates unless monotonic=True"
            raise ParameterError(f"LinearCyclicalScheduler.warmup_duration {rule}, got {self.warmup_duration}")

    def meaning(self) -> Schedule:
        if self.monotonic:
            return _repeated(self, Linear(self.start_value, self.end_value, self.cycle_size), Linear(1.0, 0.0, 1))
        half = Linear(self.start_value, self.end_value, self.cycle_size // 2).mirror()
        return _repeated(self, None if self.cycle_size % 2 else half, Interpolation([0.0, 0.5, 1.0], [1.0, 0.0, 1.0]))

    @property
    def horizon(self) -> int:
        return self.cycle_size

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.monotonic and self.end_value < self.start_value:
            advice = "ignite starts the next cycle; make cycle_size longer than the run."
            yield from past_end(self, self.cycle_size - 1, run, advice)
        yield from _ends(self, run)


class CosineAnnealingScheduler(Dialect):
    """ignite CosineAnnealingScheduler: half a cosine from start to end, again and again.

    >>> CosineAnnealingScheduler("lr", 1.0, 0.0, 4, 2)([3, 4, 5, 11, 12, 13]).round(3)
    array([0.146, 1.   , 0.962, 0.038, 1.   , 0.99 ])
    """

    conventions = Conventions("cosine restarts", horizon="per cycle", floor="rate", past="restarts")
    param_name: str = _name()
    start_value: float = _value("the value at the start of a cycle")
    end_value: float = _value("the value that a cycle ends before")
    cycle_size: int = count("length of a cycle", least=2, span=(2, 12))
    cycle_mult: float = number("m", "", "each cycle's length over the one before", default=1.0, gt=0, span=(0.5, 2))
    start_value_mult: float = _multiplier("what each cycle multiplies the start value by")
    end_value_mult: float = _multiplier("what each cycle multiplies the end value by")
    warmup_duration: int = count("the way from the end value to the next start value", 0, span=(0, 6))

    def meaning(self) -> Schedule:
        return _repeated(self, Cosine(self.start_value, self.end_value, self.cycle_size), Cosine(1.0, 0.0, 1))

    @property
    def horizon(self) -> int:
        return self.cycle_size

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.end_value < self.start_value:
            advice = "ignite starts the next cycle; make cycle_size longer than the run."
            yield from past_end(self, self.cycle_size - 1, run, advice)
        yield from _ends(self, run)


# -- lists of points


@dataclasses.dataclass(eq=False, repr=False)
class _Points(Kind):
    """Pairs of an update and a value; the updates do not fall."""

    def read(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError(f"be a list of pairs (update, value), got {shorten(value)}")
        points = tuple(self._pair(index, item) for index, item in enumerate(value))
        for (before, _), (after, _) in pairwise(points):
            if after < before:
                raise ValueError(f"not fall (updates), got {before} then {after}")
        return points

    def _pair(self, index: int, item: Any) -> tuple[int, float]:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise ValueError(f"hold pairs (update, value), got {shorten(item)} at index {index}")
        try:
            place = Number("m", "updates", "", ge=0, le=LARGEST, whole=True).read(item[0])
            value = Number("a", "rate", "").read(item[1])
        except ValueError as rule:
            raise ValueError(f"hold numbers that each {rule} at index {index}") from None
        return int(cast(int, place)), float(cast(float, value))

    def draw(self, rng: random.Random) -> Any:
        places = sorted(rng.choices(range(30), k=rng.randint(1, 5)))
        return [(place, rng.random()) for place in places]


def _points() -> Any:
    return declare(_Points("", "", "pairs of an update and the value there"))


def _between(points: Sequence[tuple[int, float]]) -> Schedule:
    """Straight lines between points; of several points at one update the last one counts from there on."""
    places, values = zip(*points, strict=True)
    if len(points) == 1:
        return Constant(values[0], max(places[0], 1))
    if all(before < after for before, after in pairwise(places)):
        return Interpolation(places, values)
    lines: Schedule = Constant(values[0], places[0])
    for (start, first), (end, last) in pairwise(points):
        lines = lines >> Linear(first, last, end - start)
    return lines >> Constant(values[-1], 1)


class PiecewiseLinear(Dialect):
    """ignite PiecewiseLinear: straight lines between points; the first value before the first, the last after the last.

    >>> PiecewiseLinear("lr", [(1, 1.0), (3, 0.8), (5, 0.2)])([0, 1, 2, 3, 4, 5])
    array([1. , 1. , 0.9, 0.8, 0.5, 0.2])
    """

    conventions = Conventions("points", boundary="t >= b", horizon="whole")
    param_name: str = _name()
    milestones_values: Sequence[tuple[int, float]] = _points()

    def meaning(self) -> Schedule:
        return _between(self.milestones_values)

    @property
    def horizon(self) -> int:
        return self.milestones_values[-1][0]


# -- combinations


class ConcatScheduler(Dialect):
    """ignite ConcatScheduler: each scheduler for its duration, counted from 0; the last one for ever.

    A duration of 0, unless it is the first, is never left.

    >>> rise = LinearCyclicalScheduler("lr", 0.0, 1.0, 8)
    >>> ConcatScheduler([rise, CosineAnnealingScheduler("lr", 1.0, 0.2, 4)], [4])([0, 3, 4, 5, 6]).round(4)
    array([0.    , 0.75  , 1.    , 0.8828, 0.6   ])
    """

    conventions = Conventions("sequence", boundary="t >= b", past="continues")
    schedulers: Sequence[Schedule] = schedules_field("the schedulers, in order")
    durations: Sequence[int] = counts("how long each but the last one runs")

    def check(self) -> None:
        if len(self.schedulers) != len(self.durations) + 1:
            raise ParameterError(
                f"ConcatScheduler.durations must be {len(self.schedulers) - 1}, one per scheduler but the last, "
                f"got {len(self.durations)}"
            )
        for index, scheduler in enumerate(self.schedulers):
            if not scheduler.bound:
                raise ParameterError(
                    f"ConcatScheduler.schedulers must be bound, got {shorten(scheduler)} at index {index}"
                )
            if index and any(self.durations[:index]):
                _refuse_continuing("ConcatScheduler.schedulers", scheduler)
        moved = sorted(_moved(self))
        if len(moved) > 1:
            raise ParameterError(f"ConcatScheduler.schedulers must all move one parameter, got {', '.join(moved)}")

    @property
    def _reached(self) -> int:
        """The scheduler that runs for ever: the last one, or one that is given 0 updates after another one."""
        stuck = (index for index, updates in enumerate(self.durations) if index and updates == 0)
        return next(stuck, len(self.durations))

    @property
    def _placed(self) -> Iterator[tuple[Schedule, int, float]]:
        """Each scheduler that speaks, where it begins and where it is left."""
        starts = list(accumulate(self.durations[: self._reached], initial=0))
        return zip(self.schedulers, starts, [*starts[1:], FOREVER], strict=False)

    def meaning(self) -> Schedule:
        meaning = _lasting(self.schedulers[self._reached])
        for index in reversed(range(self._reached)):
            meaning = self.schedulers[index].cut(self.durations[index]) >> meaning
        return meaning

    @property
    def horizon(self) -> int | None:
        last = self.schedulers[self._reached]
        end = last.horizon if isinstance(last, Dialect) else None if last.length == FOREVER else int(last.length)
        return None if end is None else sum(self.durations[: self._reached]) + end

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from of_parts(self._placed, run)
        left = len(self.durations) - self._reached
        if left and run > sum(self.durations[: self._reached]):
            evidence = {"scheduler": self._reached, "schedulers never reached": left}
            advice = "ignite never leaves a scheduler that is given 0 updates after another one; leave it out."
            yield Finding("never left", "error", evidence, advice)


def _moved(schedule: Schedule) -> set[str]:
    """The parameters of the optimizer that ignite would move."""
    if isinstance(schedule, ConcatScheduler):
        return {name for part in schedule.schedulers for name in _moved(part)}
    name = "lr" if isinstance(schedule, LRScheduler) else getattr(schedule, "param_name", None)
    return set() if name is None else {name}


_EARLY = ("torch.CosineAnnealingWarmRestarts", "torch.ExponentialLR", "torch.MultiplicativeLR")
"""torch's schedulers whose first value ignite already asks for update 1."""

_FIRST: dict[str, Callable[[Any], float]] = {
    "torch.ConstantLR": lambda inner: inner.factor,
    "torch.LinearLR": lambda inner: inner.start_factor,
    "torch.MultiStepLR": lambda inner: inner.gamma ** inner.milestones.count(0),
    "torch.PolynomialLR": lambda inner: (inner.total_iters / (inner.total_iters + 1)) ** inner.power,
}
"""torch's schedulers that multiply the rate by their first factor once more, and what that is."""

_CONTINUING = (*_EARLY[1:], *_FIRST, "torch.StepLR", "torch.CosineAnnealingLR")
"""torch's schedulers that compute from the rate they find."""


def _inner_name(schedule: Schedule) -> str:
    return schedule.full_name() if isinstance(schedule, Dialect) else ""


def _refuse_continuing(name: str, schedule: Schedule) -> None:
    if isinstance(schedule, LRScheduler) and _inner_name(schedule.lr_scheduler) in _CONTINUING:
        raise ParameterError(
            f"{name}: wrapped in ignite's LRScheduler, {_inner_name(schedule.lr_scheduler)} goes on from whatever rate "
            "it finds after another scheduler; use create_lr_scheduler_with_warmup on the torch scheduler itself"
        )


class LRScheduler(Dialect):
    """ignite LRScheduler: a scheduler of torch as an ignite handler.

    It asks torch for every update, the first included. torch's ExponentialLR, MultiplicativeLR and
    CosineAnnealingWarmRestarts so are one update early; ConstantLR, LinearLR and PolynomialLR multiply by their first
    factor twice; CosineAnnealingLR begins above its base rate. `use_legacy=True`, attached to
    `Events.ITERATION_COMPLETED`, has torch's own rates.

    >>> from learnrate.interop import torch
    >>> exponential = torch.ExponentialLR(0.5, lr=1.0)
    >>> LRScheduler(exponential)([0, 1, 2]), LRScheduler(exponential, use_legacy=True)([0, 1, 2])
    (array([0.5  , 0.25 , 0.125]), array([1.  , 0.5 , 0.25]))
    """

    conventions = Conventions("as given", past="continues")
    lr_scheduler: Schedule = schedule_field("the scheduler of torch")
    use_legacy: bool = flag("", "whether it is attached to the completion of the update before", default=False)

    def check(self) -> None:
        name = _inner_name(self.lr_scheduler)
        if name in ("torch.SequentialLR", "torch.ChainedScheduler"):
            raise ParameterError(
                f"LRScheduler.lr_scheduler must be a single scheduler, got {name}, which has no get_lr "
                "for ignite to call; ConcatScheduler puts schedulers in turn"
            )

    def meaning(self) -> Schedule:
        inner: Any = self.lr_scheduler
        name = "" if self.use_legacy else _inner_name(inner)
        if name in _EARLY:
            return _lasting(inner.skip(1))
        if name in _FIRST:
            return cast(Schedule, _FIRST[name](inner) * inner)
        if name == "torch.CosineAnnealingLR":
            return Constant(self._overshoot, 1) >> _lasting(inner.skip(1))
        return cast(Schedule, inner)

    @property
    def _early(self) -> bool:
        return not self.use_legacy and _inner_name(self.lr_scheduler) in _EARLY

    @property
    def _asked(self) -> Schedule:
        """The scheduler of torch as it goes on here: one that multiplies by its first factor twice has that rate."""
        inner: Any = self.lr_scheduler
        name = "" if self.use_legacy else _inner_name(inner)
        return cast(Schedule, inner.replace(lr=inner.lr * _FIRST[name](inner)) if name in _FIRST else inner)

    @property
    def _overshoot(self) -> float:
        """What torch's recursion for the cosine makes of the base rate at update 0."""
        inner: Any = self.lr_scheduler
        step = math.cos(math.pi / inner.T_max)
        if inner.T_max == 1:
            return float(inner.lr + (inner.lr - inner.eta_min) * (1 - step) / 2)
        return float(2 / (1 + step) * (inner.lr - inner.eta_min) + inner.eta_min)

    @property
    def horizon(self) -> int | None:
        inner = self.lr_scheduler
        return inner.horizon if isinstance(inner, Dialect) else super().horizon

    def quirks(self, run: int) -> Iterator[Finding]:
        if run < 1:
            return
        yield from of_parts([(self._asked, -1 if self._early else 0, FOREVER)], run)
        evidence = {"rate at 0": float(self(0)), "torch's rate at 0": float(self.lr_scheduler(0))}
        if abs(evidence["rate at 0"] - evidence["torch's rate at 0"]) <= 1e-12 * abs(evidence["torch's rate at 0"]):
            return
        advice = "ignite asks torch for a rate before update 0; use_legacy=True at Events.ITERATION_COMPLETED does not."
        yield Finding("one update early" if self._early else "first factor twice", "warning", evidence, advice)


class create_lr_scheduler_with_warmup(Dialect):
    """ignite create_lr_scheduler_with_warmup: a line that reaches its end at update `warmup_duration` - 1.

    After it the scheduler goes on with its second value, or, where its first one is not the end of the warmup, with its
    first. `lr` is the optimizer's rate, the end of the warmup where neither `warmup_end_value` nor torch says it.

    >>> from learnrate.interop import torch
    >>> exponential = torch.ExponentialLR(0.5, lr=1.0)
    >>> create_lr_scheduler_with_warmup(exponential, 0.0, 4)([0, 1, 2, 3, 4, 5]).round(3)
    array([0.   , 0.333, 0.667, 1.   , 0.5  , 0.25 ])
    """

    conventions = Conventions("warmup", warmup="t/(W-1)", horizon="after warmup", past="continues")
    lr_scheduler: Schedule = schedule_field("a scheduler of torch, or one of this module")
    warmup_start_value: float = _value("the value at t = 0", ge=0)
    warmup_duration: int = count("length of the warmup", least=2, span=(2, 12))
    warmup_end_value: float | None = number("b", "rate", "the end of the warmup", default=None, ge=0, span=(1e-4, 1.0))
    lr: float | None = base_rate(None)

    def check(self) -> None:
        _refuse_continuing("create_lr_scheduler_with_warmup.lr_scheduler", self.lr_scheduler)

    @property
    def _own(self) -> bool:
        return library_of(type(self.lr_scheduler).__module__) == "ignite"

    @property
    def _end(self) -> float:
        """The end of the warmup."""
        if self.warmup_end_value is not None:
            return self.warmup_end_value
        return self.lr if self._own and self.lr is not None else float(self.lr_scheduler(0))

    def meaning(self) -> Schedule:
        inner, own = self.lr_scheduler, self._own
        first, end = float(inner(0)), self._end
        line = Linear(self.warmup_start_value, end, self.warmup_duration - 1)
        if own:
            return line >> _lasting(inner) if end == first else line >> Constant(end, 1) >> _lasting(inner)
        joined = line >> Constant(end, 1) if end == first else line >> Constant(end, 1) >> Constant(first, 1)
        return joined >> _lasting(inner.skip(1))

    @property
    def horizon(self) -> int | None:
        inner = self.lr_scheduler
        end = inner.horizon if isinstance(inner, Dialect) else None
        return super().horizon if end is None else self.warmup_duration + end

    def quirks(self, run: int) -> Iterator[Finding]:
        # its first value is the end of the warmup, or the update after that
        start = self.warmup_duration - (self._end == float(self.lr_scheduler(0)))
        yield from of_parts([(self.lr_scheduler, start, FOREVER)], run)


def ParamGroupScheduler(schedulers: Sequence[Schedule]) -> dict[int, Schedule]:
    """ignite ParamGroupScheduler: one schedule per param group, under the index of the group.

    >>> body, head = (CosineAnnealingScheduler("lr", 0.0, peak, 4) for peak in (0.1, 1.0))
    >>> [round(schedule(2), 3) for schedule in ParamGroupScheduler([body, head]).values()]
    [0.05, 0.5]
    """
    if not isinstance(schedulers, (list, tuple)) or not schedulers:
        raise ParameterError(f"ParamGroupScheduler.schedulers must be a list of schedules, got {shorten(schedulers)}")
    for index, schedule in enumerate(schedulers):
        if not isinstance(schedule, Schedule):
            got = f"{shorten(schedule)} at index {index}"
            raise ParameterError(f"ParamGroupScheduler.schedulers must hold schedules, got {got}")
    return dict(enumerate(schedulers))


# -- state


class LambdaStateScheduler(Dialect):
    """ignite LambdaStateScheduler: a function of the update. Update 0 runs before ignite has set any value.

    >>> LambdaStateScheduler(lambda event: 0.5**event, "param")([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("user function", past="continues")
    lambda_obj: Any = function("from the update to the value")
    param_name: str = _name()

    def meaning(self) -> Schedule:
        lambda_obj = self.lambda_obj
        return Function(lambda t: lambda_obj(int(t)))


class PiecewiseLinearStateScheduler(Dialect):
    """ignite PiecewiseLinearStateScheduler: `PiecewiseLinear` for the engine's state.

    >>> PiecewiseLinearStateScheduler([(5, 1.0), (10, 0.8)], "param")([4, 5, 6, 10])
    array([1.  , 1.  , 0.96, 0.8 ])
    """

    conventions = Conventions("points", boundary="t >= b", horizon="whole")
    milestones_values: Sequence[tuple[int, float]] = _points()
    param_name: str = _name()

    def meaning(self) -> Schedule:
        return _between(self.milestones_values)

    @property
    def horizon(self) -> int:
        return self.milestones_values[-1][0]


class ExpStateScheduler(Dialect):
    """ignite ExpStateScheduler: times `gamma` every update.

    >>> ExpStateScheduler(1.0, 0.9, "param")([1, 2])
    array([0.9 , 0.81])
    """

    conventions = Conventions("exponential", past="continues")
    initial_value: float = _value("the value at t = 0")
    gamma: float = number("\\gamma", "", "what every update multiplies by", ge=0, span=(0.5, 1.2))
    param_name: str = _name()

    def meaning(self) -> Schedule:
        return growth(self.initial_value, self.gamma)


class StepStateScheduler(Dialect):
    """ignite StepStateScheduler: times `gamma` every `step_size` updates.

    >>> StepStateScheduler(1.0, 0.5, 5, "param")([4, 5, 10])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("step", boundary="t >= b", past="continues")
    initial_value: float = _value("the value at t = 0")
    gamma: float = number("\\gamma", "", "what each stair is multiplied by", ge=0, span=(0.5, 1.2))
    step_size: int = count("how long each stair is", least=1, span=(1, 12))
    param_name: str = _name()

    def meaning(self) -> Schedule:
        if self.gamma == 0:
            return PiecewiseConstant([self.initial_value, 0.0], [self.step_size])
        return growth(self.initial_value, self.gamma, self.step_size).every(self.step_size)


class MultiStepStateScheduler(Dialect):
    """ignite MultiStepStateScheduler: times `gamma` from each milestone on.

    >>> MultiStepStateScheduler(1.0, 0.5, [3, 6], "param")([2, 3, 6])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("multi-step", boundary="t >= b")
    initial_value: float = _value("the value at t = 0")
    gamma: float = number("\\gamma", "", "what each milestone multiplies by", ge=0, span=(0.1, 1.2))
    milestones: Sequence[int] = counts("from where each further factor applies", empty=True)
    param_name: str = _name()

    def check(self) -> None:
        if list(self.milestones) != sorted(self.milestones):
            raise ParameterError(
                f"MultiStepStateScheduler.milestones must not fall (updates), got {list(self.milestones)}"
            )

    def meaning(self) -> Schedule:
        places = sorted({place for place in self.milestones if place})
        passed = [sum(m <= place for m in self.milestones) for place in (0, *places)]
        values = [self.initial_value * self.gamma**n for n in passed]
        return PiecewiseConstant(values, places) if places else Constant(values[0])

    @property
    def horizon(self) -> int | None:
        return max(self.milestones, default=None)


# -- listening


@listener
def ReduceLROnPlateauScheduler(
    metric_name: str,
    param_group_index: int | None = None,
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
    """ignite ReduceLROnPlateauScheduler: torch's rule, with a floor that counts only for `param_group_index=0`.

    ignite passes `min_lr` on when an index is given, and then looks it up under 0.

    >>> rule = ReduceLROnPlateauScheduler("loss", patience=1, min_lr=0.5)
    >>> state = rule.start()
    >>> for loss in (1.0, 1.0, 1.0):
    ...     state, multiplier = rule(state, loss)
    >>> multiplier
    0.1
    """
    if not isinstance(metric_name, str):
        raise ParameterError(f"ReduceLROnPlateauScheduler.metric_name must be text, got {shorten(metric_name)}")
    for name, value, positive in (("lr", lr, True), ("min_lr", min_lr, False), ("eps", eps, False)):
        try:
            Number("", "rate", "", gt=0 if positive else -math.inf, ge=0).read(value)
        except ValueError as rule:
            raise ParameterError(f"ReduceLROnPlateauScheduler.{name} must {rule}") from None
    return Plateau(
        factor=factor,
        patience=patience,
        threshold=threshold,
        threshold_mode=threshold_mode,
        cooldown=cooldown,
        floor=min(min_lr / lr, 1.0) if param_group_index == 0 else 0.0,
        mode=mode,
        eps=eps / lr,
    )


__all__ = [
    "ConcatScheduler",
    "CosineAnnealingScheduler",
    "ExpStateScheduler",
    "LRScheduler",
    "LambdaStateScheduler",
    "LinearCyclicalScheduler",
    "MultiStepStateScheduler",
    "ParamGroupScheduler",
    "PiecewiseLinear",
    "PiecewiseLinearStateScheduler",
    "ReduceLROnPlateauScheduler",
    "StepStateScheduler",
    "create_lr_scheduler_with_warmup",
]
