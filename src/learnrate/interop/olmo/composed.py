"""The schedulers of OLMo-core that are made of periods, stages or other schedulers."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import ParameterError
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import Constant, Cosine, Linear
from ...spec import Declared, FrozenDict, Kind, Number, Numbers, choice, declare, shorten
from ..conventions import Conventions
from ..fields import base_rate, count, counts, schedules
from ..quirks import of_parts, stops
from .base import _chain, _first, _fraction, _length, _maybe, _minimum, _Scheduler, _tokens, _total, _units


@dataclasses.dataclass(eq=False, repr=False)
class _Multipliers(Numbers):
    """A list of numbers, or None."""

    def read(self, value: Any) -> Any:
        return None if value is None else super().read(value)

    def draw(self, rng: random.Random) -> Any:
        return None


class WSDS(_Scheduler):
    """olmo_core WSDS: periods that each are stable and decay at their end; the rate is back at once at the next one.

    The warmup is part of the first period. The run's length does nothing.

    >>> WSDS(period_lengths=[8, 4], warmup=2, decay=2)([0, 1, 2, 6, 7, 8, 9, 10, 11, 12])
    array([0. , 0.5, 1. , 1. , 0.5, 0. , 1. , 1. , 0.5, 0. ])
    """

    conventions = Conventions("warmup-stable-decay", "t/W", "t > b", "per cycle", "rate")
    period_lengths: Sequence[int] = counts("length of each period, in units", least=1)
    period_lr_multipliers: Sequence[float] | None = declare(
        _Multipliers("m", "", "what each period's rate is multiplied by", Number("m", "", "", gt=0)), None
    )
    warmup: int | None = _length("warmup")
    warmup_fraction: float | None = _fraction("warmup")
    decay: int | None = _length("decay")
    decay_fraction: float | None = _fraction("decay")
    warmup_min_lr: float = _minimum("start of the warmup")
    decay_min_lr: float = _minimum("end of each decay")
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    @property
    def _end(self) -> int:
        return sum(self.period_lengths)

    def check(self) -> None:
        super().check()
        if self.period_lr_multipliers is not None and len(self.period_lr_multipliers) != len(self.period_lengths):
            raise ParameterError(
                f"{self.full_name()}.period_lr_multipliers must have one entry per period, here "
                f"{len(self.period_lengths)}, got {len(self.period_lr_multipliers)}"
            )

    def _rates(self) -> Schedule:
        multipliers = self.period_lr_multipliers or [1.0] * len(self.period_lengths)
        peaks = [self.lr * multiplier for multiplier in multipliers]
        warmup = self._span("warmup", self.period_lengths[0])
        parts = self._ramp(warmup, peaks[0])
        for index, (length, peak) in enumerate(zip(self.period_lengths, peaks, strict=True)):
            decay, last = self._span("decay", length), index == len(self.period_lengths) - 1
            used = warmup if index == 0 else 0
            if used + decay > length:
                raise ParameterError(
                    f"{self.full_name()}: warmup and decay of period {index} must be <= its {length} {self.units}, "
                    f"got {used} and {decay}"
                )
            if not last:
                self._no_zero(f"decay of period {index}", decay)
            period = self._period(peak, length - used - decay, decay)
            parts.append(period.cut(length - used + 1) if index == 0 else period.skip(1).cut(length))
        return _chain(*parts)

    def _period(self, peak: float, stable: int, decay: int) -> Schedule:
        low = self.decay_min_lr
        if decay and low >= peak:
            raise ParameterError(f"{self.full_name()}.decay_min_lr must be < each peak, here {peak} rate, got {low}")
        return Constant(peak, stable) >> (Linear(peak, low, decay) if decay else Constant(low, 1))


class ComposableSchedulerStage(Declared):
    """One stage of a `ComposableScheduler`: a line or half a cosine from where the last one ended.

    >>> ComposableScheduler([ComposableSchedulerStage(4, end_lr_fraction=0.5)])([0, 2, 4])
    array([1.  , 0.75, 0.5 ])
    """

    duration: int = count("length of the stage, in units", least=1)
    shape: str = choice("s", "the curve", ("linear", "cosine"), default="linear")
    start_lr: float | None = _maybe("rate", "where it starts; where the last one ended if left out", ge=0)
    start_lr_fraction: float | None = _maybe("", "where it starts, as a share of the base rate", ge=0)
    end_lr: float | None = _maybe("rate", "where it ends", ge=0)
    end_lr_fraction: float | None = _maybe("", "where it ends, as a share of the base rate", ge=0)

    def check(self) -> None:
        _one_end(self)
        if self.start_lr is not None and self.start_lr_fraction is not None:
            raise ParameterError(
                f"ComposableSchedulerStage takes start_lr or start_lr_fraction, not both; got {self.start_lr} and "
                f"{self.start_lr_fraction}"
            )


class OverrideDecay(Declared):
    """From `start` on, leave the schedule and go to an end of its own; later this is held.

    >>> decay = OverrideDecay(start=2, duration=2, end_lr=0.0)
    >>> ComposableScheduler([{"duration": 4, "end_lr": 1.0}], decay)([2, 3, 4, 9])
    array([1. , 0.5, 0. , 0. ])
    """

    start: int = count("where it takes over, in units")
    duration: int = count("how long it takes, in units", least=1)
    shape: str = choice("s", "the curve", ("linear", "cosine"), default="linear")
    end_lr: float | None = _maybe("rate", "where it ends", ge=0)
    end_lr_fraction: float | None = _maybe("", "where it ends, as a share of the base rate", ge=0)

    def check(self) -> None:
        _one_end(self)


def _one_end(part: ComposableSchedulerStage | OverrideDecay) -> None:
    if (part.end_lr is None) == (part.end_lr_fraction is None):
        raise ParameterError(
            f"{type(part).__name__} takes one of end_lr and end_lr_fraction, "
            f"got {part.end_lr} and {part.end_lr_fraction}"
        )


def _rate(lr: float, value: float | None, fraction: float | None) -> float:
    return lr * (fraction or 0.0) if value is None else value


def _curve(shape: str, start: float, end: float, duration: int) -> Schedule:
    return (Linear if shape == "linear" else Cosine)(start, end, duration)


@dataclasses.dataclass(eq=False, repr=False)
class _Config(Kind):
    """A part of the configuration (several, where `several`), as a mapping with the library's keys."""

    cls: type[Declared] = Declared
    several: bool = False

    def read(self, value: Any) -> Any:
        if not self.several:
            return None if value is None else self._one(value)
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError(f"be a list of mappings, got {shorten(value)}")
        return tuple(self._one(item) for item in value)

    def _one(self, value: Any) -> FrozenDict:
        if not isinstance(value, (Mapping, self.cls)):
            raise ValueError(f"be a {self.cls.__name__} or a mapping of its arguments, got {shorten(value)}")
        whole = self.cls(**value) if isinstance(value, Mapping) else value
        given = whole.parameters().items()
        return FrozenDict({k: v for k, v in given if k not in self.cls._defaults or v != self.cls._defaults[k]})

    def draw(self, rng: random.Random) -> Any:
        if not self.several:
            return None
        return tuple({"duration": rng.randint(1, 9), "end_lr_fraction": rng.random()} for _ in range(rng.randint(1, 3)))


def _override() -> Any:
    return declare(_Config("", "", "a decay that takes over", OverrideDecay), None)


def _overridden(schedule: _Scheduler, rates: Schedule) -> Schedule:
    given = schedule._own("override_decay")
    if given is None:
        return rates
    decay = OverrideDecay(**given)
    end = _rate(schedule._own("lr"), decay.end_lr, decay.end_lr_fraction)
    return rates.cut(decay.start) >> _curve(decay.shape, float(rates(decay.start)), end, decay.duration)


class ComposableScheduler(_Scheduler):
    """olmo_core ComposableScheduler: stages, each from where the last one ended; the run's length does nothing.

    >>> stages = [{"duration": 2, "start_lr": 0.0, "end_lr_fraction": 1.0}, {"duration": 4, "end_lr": 0.0}]
    >>> ComposableScheduler(stages)([0, 1, 2, 4, 6])
    array([0. , 0.5, 1. , 0.5, 0. ])
    """

    conventions = Conventions("points", "other", "t >= b", "whole", "rate")
    stages: Sequence[Mapping[str, Any]] = declare(_Config("", "", "the stages", ComposableSchedulerStage, True))
    override_decay: Mapping[str, Any] | None = _override()
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    @property
    def _end(self) -> int:
        override = self.override_decay
        return override["start"] + override["duration"] if override else sum(stage["duration"] for stage in self.stages)

    def _rates(self) -> Schedule:
        last, parts = self.lr, []
        for stage in (ComposableSchedulerStage(**given) for given in self.stages):
            resumes = stage.start_lr is None and stage.start_lr_fraction is None
            start = last if resumes else _rate(self.lr, stage.start_lr, stage.start_lr_fraction)
            last = _rate(self.lr, stage.end_lr, stage.end_lr_fraction)
            parts.append(_curve(stage.shape, start, last, stage.duration))
        return _overridden(self, _chain(*parts))


class SequentialScheduler(_Scheduler):
    """olmo_core SequentialScheduler: one after the other, each with the last rate of the one before as its base rate.

    Its parts keep their arguments; their own `lr`, `units` and `max_steps` do not count. The count at which a part ends
    is still its own. Past the end of the run the library raises; here the last rate is held.

    >>> from learnrate.interop.olmo import ConstantWithWarmup, LinearWithWarmup
    >>> parts = [ConstantWithWarmup(warmup=2), LinearWithWarmup(warmup=0, alpha_f=0.0)]
    >>> SequentialScheduler(parts, schedulers_max=[4], max_steps=8)([0, 1, 2, 4, 6, 8, 9])
    array([0. , 0.5, 1. , 1. , 0.5, 0. , 0. ])
    """

    conventions = Conventions("sequence", "other", "t > b", "whole", "", "raises")
    schedulers: Sequence[Schedule] = schedules("OLMo-core schedulers, in order")
    schedulers_max: Sequence[int] = counts(
        "how long each but the last one runs, in units", default=(), least=1, empty=True
    )
    override_decay: Mapping[str, Any] | None = _override()
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    @classmethod
    def _assigned(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """`schedulers_max_steps` is the older name of `schedulers_max`, which comes first where both are given."""
        given = dict(kwargs)
        older = given.pop("schedulers_max_steps", None)
        if older is not None and len(args) < 2 and given.get("schedulers_max") is None:
            given["schedulers_max"] = older
        return super()._assigned(args, given)

    def check(self) -> None:
        super().check()
        for index, part in enumerate(self.schedulers):
            if not isinstance(part, _Scheduler):
                raise ParameterError(
                    f"{self.full_name()}.schedulers must hold schedulers of OLMo-core, got {shorten(part)} at {index}"
                )
        if len(self.schedulers) - len(self.schedulers_max) not in (0, 1):
            raise ParameterError(
                f"{self.full_name()}.schedulers_max must have an entry for each scheduler but the last, got "
                f"{len(self.schedulers_max)} for {len(self.schedulers)}"
            )

    def _rates(self) -> Schedule:
        lr, left, first = self.lr, self._whole, self.first_step
        parts: list[Schedule] = []
        limits = [*self.schedulers_max[: len(self.schedulers) - 1], None]
        for part, limit in zip(self.schedulers, limits, strict=True):
            assert isinstance(part, _Scheduler)
            whole = left if limit is None else min(limit, left)
            rates = part._in_sequence(lr, whole, first)._rates()
            parts.append(rates.skip(1).cut(whole) if parts else rates.cut(whole + 1))
            if limit is None or limit >= left:
                break
            lr, left, first = float(rates(limit)), left - limit, 1
        rates = _overridden(self, _chain(*parts))
        return rates.cut(self._whole)

    def _placed(self) -> Iterator[tuple[Schedule, int, float]]:
        """The parts as the trainer counts for them, each from its own first update to the last at which it is asked."""
        each, lr, done = self._each, self.lr, 0
        end = self.override_decay["start"] if self.override_decay else self._whole + 1
        limits = [*self.schedulers_max[: len(self.schedulers) - 1], self._whole]
        for part, limit in zip(self.schedulers, limits, strict=True):
            left = self._whole - done
            if done + 1 >= end or left < 1:
                return
            assert isinstance(part, _Scheduler)
            counted = part._in_sequence(lr, min(limit, left), 1)
            units = {"units": "tokens", "tokens_per_update": each} if each > 1 else {}
            start, stop = done + each, min(done + limit + 1, end)
            yield counted.replace(**units), -(-start // each) - self.first_step, -(-stop // each) - self.first_step
            lr, done = float(counted._rates()(limit)), done + limit

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        yield from of_parts(self._placed(), run)
        advice = "OLMo-core asserts that the run is not over; make max_steps the length of the run."
        yield from stops(self._whole // self._each + 1 - self.first_step, run, advice)
