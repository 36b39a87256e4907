"""Composer's schedulers with a warmup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...errors import ParameterError
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import Constant, Cosine, Linear, Polynomial
from ...spec import declare, flag, number
from ..conventions import Conventions
from ..fields import base_rate
from .plain import last_milestone, stairs
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


def _warmed(run: Run, peak: float, rest: Schedule) -> Schedule:
    """A line from 0 to `peak` until `t_warmup`, then the rest, which is read at the update of the run.

    `scale_warmup` stretches the slope alone: it still ends at the warmup that is not stretched.
    """
    end = run.convert(run.values["t_warmup"])
    if not end.value:
        return rest
    ramp = run.positive("t_warmup", run.ratio if run.values["scale_warmup"] else None)
    updates = run.update(end)
    return run.counted(Linear(0.0, peak, 1), ramp).cut(updates) >> rest.skip(updates)


def _decayed(run: Run, body: Schedule) -> Schedule:
    """A shape of one unit from the end of the warmup to `t_max`; Composer wants both in one unit."""
    warmup, end = run.convert(run.values["t_warmup"]), run.convert(run.values["t_max"], run.ratio)
    if warmup.unit != end.unit:
        raise ParameterError(f"{run.name}.t_warmup and t_max must have one unit, got {warmup} and {end}")
    _covers(run, end)
    if end.value <= warmup.value:
        return Constant(body(0))
    decay = run.counted(body, Time(end.value - warmup.value, end.unit), warmup.value)
    return decay.cut(run.update(end))


def _covers(run: Run, end: Time) -> None:
    """Composer refuses a schedule that ends before the run, where it can compare the two."""
    whole = run.duration
    if whole is None:
        return
    if whole.unit == "ep" and end.unit == "ba":
        whole = Time(run.batches(whole.value), "ba")
    if whole.unit == end.unit and end.value < whole.value:
        raise ParameterError(f"{run.name}.t_max must be >= the duration of {whole}, got {end}; raise it, or use '1dur'")


def _broken_ramp(self: Any, run: int) -> Iterator[Finding]:
    """A stretched warmup that stops halfway, because only its slope is stretched."""
    state = Run(self)
    end = state.update(state.convert(self.t_warmup))
    if self.scale_warmup and state.ratio > 1 and run > end + 1 > 1:
        late = int(self.trainer)
        evidence = {"update": end, "before": float(self(end - 1 + late)), "after": float(self(end + late))}
        advice = "scale_warmup stretches the slope of the warmup, not its end: the rate jumps there."
        yield Finding("warmup stops halfway", "warning", evidence, advice)


def _slope() -> Any:
    return flag("", "whether the slope of the warmup is stretched too", default=False)


class MultiStepWithWarmupScheduler(Scheduler):
    """Composer's MultiStepWithWarmupScheduler: milestones count from the start of the run, also during the warmup.

    >>> MultiStepWithWarmupScheduler("2ba", ["4ba"])([0, 1, 2, 3, 4])
    array([0. , 0.5, 1. , 1. , 0.1])
    """

    conventions = Conventions("multi-step", "t/W", "t >= b")
    t_warmup: str = moment("length of the warmup", samples=("0ba", "4ba"))
    milestones: Sequence[str] = declare(TimesKind("m", "", "when the rate drops"))
    gamma: float = number("\\gamma", "", "what the rate is multiplied by", default=0.1, ge=0, span=(0.1, 0.9))
    scale_warmup: bool = _slope()
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return _warmed(run, 1.0, stairs(run, self.gamma))

    def _named_end(self, run: Run) -> Time | None:
        return last_milestone(run)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        yield from _broken_ramp(self, run)


class ConstantWithWarmupScheduler(Scheduler):
    """Composer's ConstantWithWarmupScheduler: from 0 to `alpha`, and that for ever, whatever its page says of `t_max`.

    >>> ConstantWithWarmupScheduler("2ba", 0.5, "4ba")([0, 1, 2, 4, 9])
    array([0.  , 0.25, 0.5 , 0.5 , 0.5 ])
    """

    conventions = Conventions("constant", "t/W", "", "whole")
    t_warmup: str = moment("length of the warmup", samples=("0ba", "4ba"))
    alpha: float = number("\\alpha", "", "the multiplier after the warmup", default=1.0, ge=0)
    t_max: str = moment("the end", "1dur", ("60ba", "80ba"))
    scale_warmup: bool = _slope()
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return _warmed(run, self.alpha, _decayed(run, Linear(self.alpha, self.alpha, 1)))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        yield from _broken_ramp(self, run)


class LinearWithWarmupScheduler(Scheduler):
    """Composer's LinearWithWarmupScheduler: from 0 to `alpha_i`, then in a line to `alpha_f` at `t_max`.

    >>> LinearWithWarmupScheduler("0.25dur").over(8)([0, 1, 2, 5, 8])
    array([0. , 0.5, 1. , 0.5, 0. ])
    """

    conventions = Conventions("linear", "t/W", "", "whole", "ratio")
    t_warmup: str = moment("length of the warmup", samples=("0ba", "4ba"))
    alpha_i: float = number("a", "", "the multiplier after the warmup", default=1.0, ge=0)
    alpha_f: float = number("b", "", "the last multiplier", default=0.0, ge=0, span=(0.01, 0.5))
    t_max: str = moment("the end", "1dur", ("60ba", "80ba"))
    scale_warmup: bool = _slope()
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return _warmed(run, self.alpha_i, _decayed(run, Linear(self.alpha_i, self.alpha_f, 1)))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        yield from _broken_ramp(self, run)


class CosineAnnealingWithWarmupScheduler(Scheduler):
    """Composer's CosineAnnealingWithWarmupScheduler: from 0 to 1, then half a cosine to `alpha_f` at `t_max`.

    >>> CosineAnnealingWithWarmupScheduler("4ba", "12ba")([0, 2, 4, 8, 12]).round(3)
    array([0. , 0.5, 1. , 0.5, 0. ])
    """

    conventions = Conventions("cosine", "t/W", "", "whole", "ratio")
    t_warmup: str = moment("length of the warmup", samples=("0ba", "4ba"))
    t_max: str = moment("the end", "1dur", ("60ba", "80ba"))
    alpha_f: float = number("b", "", "the last multiplier", default=0.0, ge=0, span=(0.01, 0.5))
    scale_warmup: bool = _slope()
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return _warmed(run, 1.0, _decayed(run, Cosine(1.0, self.alpha_f, 1)))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        yield from _broken_ramp(self, run)


class PolynomialWithWarmupScheduler(Scheduler):
    """Composer's PolynomialWithWarmupScheduler: from 0 to 1, then a power of what is left, to `alpha_f` at `t_max`.

    >>> PolynomialWithWarmupScheduler("2ba", 2.0, "12ba", 0.1)([0, 1, 2, 7, 12])
    array([0.   , 0.5  , 1.   , 0.325, 0.1  ])
    """

    conventions = Conventions("polynomial", "t/W", "", "whole", "ratio")
    t_warmup: str = moment("length of the warmup", samples=("0ba", "4ba"))
    power: float = number("p", "", "the power", default=2.0, gt=0, le=100, span=(0.3, 4))
    t_max: str = moment("the end", "1dur", ("60ba", "80ba"))
    alpha_f: float = number("b", "", "the last multiplier", default=0.0, ge=0, span=(0.01, 0.5))
    scale_warmup: bool = _slope()
    scale_schedule_ratio: float = ratio()
    max_duration: str | None = duration()
    total: int | None = total_updates()
    updates_per_epoch: int | None = per_epoch()
    tokens_per_update: float | None = per_update("tokens")
    samples_per_update: float | None = per_update("samples")
    trainer: bool = stepped()
    lr: float = base_rate()

    def multiplier(self, run: Run) -> Schedule:
        return _warmed(run, 1.0, _decayed(run, Polynomial(1.0, self.alpha_f, 1, power=self.power)))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        yield from _broken_ramp(self, run)
