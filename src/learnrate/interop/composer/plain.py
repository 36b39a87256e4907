"""Composer's schedulers without a warmup."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from ...errors import ParameterError
from ...findings import Finding
from ...formula import LATEST
from ...schedule import Schedule
from ...schedules import Constant, Cosine, Exponential, Linear, PiecewiseConstant, Polynomial, Step
from ...spec import declare, number
from .. import quirks
from ..conventions import Conventions
from ..fields import base_rate
from ..units import MOST_CYCLES, Cycles, ceiling
from .times import (
    Run,
    Scheduler,
    Time,
    TimesKind,
    duration,
    moment,
    per_epoch,
    per_update,
    ratio,
    stepped,
    total_updates,
)


def _gamma(default: Any = dataclasses.MISSING) -> Any:
    return number("\\gamma", "", "what the rate is multiplied by", default=default, gt=0, le=1, span=(0.1, 0.9))


class StepScheduler(Scheduler):
    """Composer's StepScheduler: times `gamma` whenever `step_size` has passed.

    >>> StepScheduler("2ba", 0.5)([0, 1, 2, 4])
    array([1.  , 1.  , 0.5 , 0.25])
    """

    conventions = Conventions("step", boundary="t >= b", horizon="per cycle", past="continues")
    step_size: str = moment("how long each stair is")
    gamma: float = _gamma(0.1)
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return run.counted(Step(1.0, self.gamma, 1), run.positive("step_size", run.ratio))

    def _named_end(self, run: Run) -> Time | None:
        return run.positive("step_size", run.ratio)


def stairs(run: Run, gamma: float) -> Schedule:
    """1, times `gamma` for each milestone that has come, in any order."""
    updates = sorted(run.update(run.convert(each, run.ratio)) for each in run.values["milestones"])
    places = sorted(set(updates) - {0})
    values = [gamma ** sum(update <= place for update in updates) for place in [0, *places]]
    return PiecewiseConstant(values, places) if places else Constant(values[0])


class MultiStepScheduler(Scheduler):
    """Composer's MultiStepScheduler: times `gamma` at each milestone; one that is named twice counts twice.

    >>> MultiStepScheduler(["4ba"], 0.1)([2, 3, 4, 5])
    array([1. , 1. , 0.1, 0.1])
    """

    conventions = Conventions("multi-step", boundary="t >= b")
    milestones: Sequence[str] = declare(TimesKind("m", "", "when the rate drops"))
    gamma: float = number("\\gamma", "", "what the rate is multiplied by", default=0.1, ge=0, span=(0.1, 0.9))
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return stairs(run, self.gamma)

    def _named_end(self, run: Run) -> Time | None:
        return last_milestone(run)


def last_milestone(run: Run) -> Time | None:
    """The milestone that comes last, whatever its unit."""
    moments = [run.convert(each, run.ratio) for each in run.values["milestones"]]
    return max(moments, key=run.update, default=None)


class ConstantScheduler(Scheduler):
    """Composer's ConstantScheduler: `alpha` until `t_max`, and the full rate from there on.

    >>> ConstantScheduler(0.5, "4ba")([0, 3, 4])
    array([0.5, 0.5, 1. ])
    """

    conventions = Conventions("constant", boundary="t >= b", horizon="whole", past="jumps")
    alpha: float = number("\\alpha", "", "the multiplier before the end", default=1.0, ge=0)
    t_max: str = moment("the end", "1dur")
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return Constant(self.alpha, run.update(run.convert(self.t_max, run.ratio))) >> Constant(1.0)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        end = (self.horizon or 0) + self.trainer
        if self.alpha < 1 and run > end:
            yield from quirks.past_end(self, max(end - 1, 0), run, "The multiplier is 1 from t_max on.")


class LinearScheduler(Scheduler):
    """Composer's LinearScheduler: from `alpha_i` to `alpha_f` in a line.

    >>> LinearScheduler(t_max="1dur").over(4)([0, 1, 2, 3, 4, 5])
    array([1.  , 0.75, 0.5 , 0.25, 0.  , 0.  ])
    >>> LinearScheduler(t_max="1dur", trainer=True).over(4)([0, 1, 2, 3, 4, 5])
    array([1.  , 1.  , 0.75, 0.5 , 0.25, 0.  ])
    """

    conventions = Conventions("linear", horizon="whole", floor="ratio")
    alpha_i: float = number("a", "", "the first multiplier", default=1.0, ge=0)
    alpha_f: float = number("b", "", "the last multiplier", default=0.0, ge=0, span=(0.01, 0.5))
    t_max: str = moment("the end", "1dur")
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return _ended(run, Linear(self.alpha_i, self.alpha_f, 1))


def _ended(run: Run, body: Schedule) -> Schedule:
    """A shape of one unit over `t_max`, ended at the first update that reaches it."""
    end = run.positive("t_max", run.ratio)
    return run.counted(body, end).cut(run.update(end))


class ExponentialScheduler(Scheduler):
    """Composer's ExponentialScheduler: times `gamma` per `decay_period`, smoothly.

    >>> ExponentialScheduler(0.25, "2ba")([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """

    conventions = Conventions("exponential", horizon="per cycle", past="continues")
    gamma: float = _gamma()
    decay_period: str = moment("how long one factor takes", "1ep")
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return run.counted(Exponential(1.0, self.gamma), run.positive("decay_period", run.ratio))

    def _named_end(self, run: Run) -> Time | None:
        return run.positive("decay_period", run.ratio)


class CosineAnnealingScheduler(Scheduler):
    """Composer's CosineAnnealingScheduler: half a cosine from 1 to `alpha_f`.

    >>> CosineAnnealingScheduler("10ba", 0.1)([0, 5, 9, 10, 20]).round(3)
    array([1.   , 0.55 , 0.122, 0.1  , 0.1  ])
    """

    conventions = Conventions("cosine", horizon="whole", floor="ratio")
    t_max: str = moment("the end", "1dur")
    alpha_f: float = number("b", "", "the last multiplier", default=0.0, ge=0, span=(0.01, 0.5))
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return _ended(run, Cosine(1.0, self.alpha_f, 1))


class CosineAnnealingWarmRestartsScheduler(Scheduler):
    """Composer's CosineAnnealingWarmRestartsScheduler: half cosines, each `t_mult` times as long as the one before.

    Every length is cut off to a whole number, so 10 times 1.05 stays 10 for ever; below 1 the lengths reach 0, where
    Composer raises an error and ours holds the last value.

    >>> CosineAnnealingWarmRestartsScheduler("4ba", 2.0)([3, 4, 5, 11, 12, 13]).round(3)
    array([0.146, 1.   , 0.962, 0.038, 1.   , 0.99 ])
    """

    conventions = Conventions("cosine restarts", boundary="t >= b", horizon="per cycle", floor="ratio", past="restarts")
    t_0: str = moment("the length of the first cycle")
    t_mult: float = number("m", "", "each length over the one before", default=1.0, ge=0, span=(0.5, 2.5))
    alpha_f: float = number("b", "", "the last multiplier", default=0.0, ge=0, span=(0.01, 0.5))
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def _named_end(self, run: Run) -> Time | None:
        return run.positive("t_0", run.ratio)

    def multiplier(self, run: Run) -> Schedule:
        first = run.positive("t_0", run.ratio)
        starts, lengths, length = [0], [int(first.value)], int(first.value)
        while starts[-1] <= LATEST:
            length = int(self.t_mult * length)
            if length in (0, lengths[-1]):  # the last cycle, or one that repeats for ever
                break
            if len(starts) == MOST_CYCLES:
                raise ParameterError(f"{run.name}.t_mult of {self.t_mult} makes more than {MOST_CYCLES} cycles")
            starts.append(starts[-1] + lengths[-1])
            lengths.append(length)
        per = run.per(first.unit)
        body = Cosine(1.0, self.alpha_f, 1)
        if length:
            return Cycles(starts, lengths, [1.0] * len(starts), body, per)
        last = max(ceiling(starts[-1] + lengths[-1], per) - 1, 0)
        return Cycles(starts, lengths, [1.0] * len(starts), body, per, ends=1).cut(last)


class PolynomialScheduler(Scheduler):
    """Composer's PolynomialScheduler: a power of what is left.

    >>> PolynomialScheduler(2.0, "10ba", 0.1)(5)
    0.325
    """

    conventions = Conventions("polynomial", horizon="whole", floor="ratio")
    power: float = number("p", "", "the power", gt=0, le=100, span=(0.3, 4))
    t_max: str = moment("the end", "1dur")
    alpha_f: float = number("b", "", "the last multiplier", default=0.0, ge=0, span=(0.01, 0.5))
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return _ended(run, Polynomial(1.0, self.alpha_f, 1, power=self.power))
