"""The schedulers of OLMo-core that are one curve."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import ParameterError
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import Constant, Cosine, Geometric, InverseSqrt, Linear, PowerLaw
from ...spec import number
from .. import quirks
from ..conventions import Conventions
from ..fields import base_rate, count
from .base import _alpha, _chain, _first, _fraction, _length, _minimum, _older, _Scheduler, _tokens, _total, _units

_STOP = "Stop at max_steps, as the library's trainer does, or .cut(max_steps)."


class ConstantScheduler(_Scheduler):
    """olmo_core ConstantScheduler: the base rate.

    >>> ConstantScheduler(lr=0.1)(7)
    0.1
    """

    conventions = Conventions("constant")
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    def _rates(self) -> Schedule:
        return Constant(self.lr)


class ConstantWithWarmup(_Scheduler):
    """olmo_core ConstantWithWarmup: linear warmup, then the base rate.

    >>> ConstantWithWarmup(warmup=4)([0, 1, 4, 9])
    array([0.  , 0.25, 1.  , 1.  ])
    >>> ConstantWithWarmup(warmup=4, first_step=1)([0, 1, 3, 9])
    array([0.25, 0.5 , 1.  , 1.  ])
    """

    conventions = Conventions("constant", "t/W")
    warmup: int | None = _length("warmup")
    warmup_steps: int | None = _older("warmup")
    warmup_fraction: float | None = _fraction("warmup")
    warmup_min_lr: float = _minimum("start of the warmup")
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    def _rates(self) -> Schedule:
        return _chain(*self._ramp(_inclusive_warmup(self), self.lr), Constant(self.lr))


def _inclusive_warmup(schedule: _Scheduler) -> int:
    """The warmup of those that ask `current <= warmup`."""
    whole = schedule._whole if schedule._own("warmup_fraction") is not None else 0
    warmup = schedule._span("warmup", whole)
    schedule._no_zero_warmup(warmup)
    return warmup


class WSD(_Scheduler):
    """olmo_core WSD: linear warmup, the base rate, linear decay, which goes on below `decay_min_lr` past the end.

    >>> WSD(warmup=2, decay=4, decay_fraction=None, decay_min_lr=0.1, max_steps=10)([0, 1, 2, 6, 7, 9, 10, 11]).round(3)
    array([ 0.   ,  0.5  ,  1.   ,  1.   ,  0.775,  0.325,  0.1  , -0.125])
    """

    conventions = Conventions("warmup-stable-decay", "t/W", "t >= b", "whole", "rate", "negative")
    warmup: int | None = _length("warmup")
    warmup_steps: int | None = _older("warmup")
    warmup_fraction: float | None = _fraction("warmup")
    decay: int | None = _length("decay")
    decay_steps: int | None = _older("decay")
    decay_fraction: float | None = _fraction("decay", 0.1)
    warmup_min_lr: float = _minimum("start of the warmup")
    decay_min_lr: float = _minimum("end of the decay")
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    def _rates(self) -> Schedule:
        warmup, decay = _inclusive_warmup(self), self._span("decay", self._whole)
        tail = self._tail(self.lr, decay)
        return self._joined(self._ramp(warmup, self.lr), Constant(self.lr), self._whole - decay, tail)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        yield from quirks.past_end(self, self.horizon or 0, run, _STOP)


class PowerLR(_Scheduler):
    """olmo_core PowerLR: linear warmup, then (t / W) ** b, then a linear decay, which goes on past the end.

    >>> PowerLR(b=-0.5, warmup=4, decay_fraction=0.2, max_steps=20)([4, 16, 18, 20]).round(3)
    array([1.  , 0.5 , 0.25, 0.  ])
    """

    conventions = Conventions("power", "t/W", "t >= b", "whole", "rate", "negative")
    b: float = number("b", "", "power of the decay", default=-0.51, lt=0, ge=-100, span=(-1, -0.1))
    warmup: int | None = _length("warmup")
    warmup_steps: int | None = _older("warmup")
    warmup_fraction: float | None = _fraction("warmup")
    warmup_min_lr: float = _minimum("start of the warmup")
    decay: int | None = _length("decay")
    decay_steps: int | None = _older("decay")
    decay_fraction: float | None = _fraction("decay", 0.1)
    decay_min_lr: float = _minimum("end of the decay")
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    def _rates(self) -> Schedule:
        warmup, decay = self._span("warmup", self._whole), self._span("decay", self._whole)
        self._no_zero("warmup", warmup)
        begin = self._whole - decay
        if begin < 1:
            raise ParameterError(f"{self.full_name()}.decay must be < max_steps, here {self._whole}, got {decay}")
        tail = self._tail(self.lr * (begin / warmup) ** self.b, decay)
        stable = PowerLaw(self.lr, -self.b, warmup)
        return self._joined(self._ramp(warmup, self.lr), stable, begin, tail)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        yield from quirks.past_end(self, self.horizon or 0, run, _STOP)


def _decayed(schedule: _Scheduler, curve: type[Linear] | type[Cosine]) -> Schedule:
    """Linear warmup, then a curve that is at the floor at the end of the run, and holds."""
    lr, end = schedule._own("lr"), schedule._end
    floor = lr * schedule._own("alpha_f")
    warmup = schedule._span("warmup", end)
    ramp = schedule._ramp(warmup, lr)
    return _chain(*ramp, curve(lr, floor, end - warmup) if warmup < end else Constant(floor, 1))


class LinearWithWarmup(_Scheduler):
    """olmo_core LinearWithWarmup: linear warmup, then a straight line to `alpha_f` of the base rate.

    >>> LinearWithWarmup(warmup=2, max_steps=10)([0, 2, 6, 10, 12])
    array([0.  , 1.  , 0.55, 0.1 , 0.1 ])
    """

    conventions = Conventions("linear", "t/W", "", "whole", "ratio")
    alpha_f: float = _alpha()
    t_max: int | None = count("where it ends; the end of the run if left out", None, least=1)
    warmup: int | None = _length("warmup")
    warmup_steps: int | None = _older("warmup")
    warmup_fraction: float | None = _fraction("warmup")
    warmup_min_lr: float = _minimum("start of the warmup")
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    def _rates(self) -> Schedule:
        return _decayed(self, Linear)


class InvSqrtWithWarmup(_Scheduler):
    """olmo_core InvSqrtWithWarmup: linear warmup, then the inverse square root, down to `alpha_f` of the rate.

    >>> InvSqrtWithWarmup(warmup=4)([0, 1, 3, 4, 5, 16, 100]).round(3)
    array([0.   , 0.25 , 0.75 , 1.   , 0.905, 0.55 , 0.28 ])
    """

    conventions = Conventions("inverse square root", "t/W", "", "", "ratio", "continues")
    alpha_f: float = _alpha()
    warmup: int | None = _length("warmup")
    warmup_steps: int | None = _older("warmup")
    warmup_fraction: float | None = _fraction("warmup")
    warmup_min_lr: float = _minimum("start of the warmup")
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    def _rates(self) -> Schedule:
        warmup = self._span("warmup", self._whole if self.warmup_fraction is not None else 0)
        floor = self.lr * self.alpha_f
        self._no_zero_warmup(warmup)
        if not warmup:
            return Constant(floor)
        return _chain(*self._ramp(warmup, self.lr), Constant(floor) + InverseSqrt(self.lr - floor, warmup))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        advice = "Without a warmup its curve is at the floor from the first update on; give it a warmup."
        yield from quirks.misses_peak(self, self.lr, run, advice) if self(0) == self(1) else ()


class CosWithWarmup(_Scheduler):
    """olmo_core CosWithWarmup: linear warmup, then half a cosine to `alpha_f` of the base rate.

    >>> CosWithWarmup(warmup=2, max_steps=10)([0, 2, 6, 10, 12])
    array([0.  , 1.  , 0.55, 0.1 , 0.1 ])
    """

    conventions = Conventions("cosine", "t/W", "", "whole", "ratio")
    warmup: int | None = _length("warmup")
    warmup_steps: int | None = _older("warmup")
    warmup_fraction: float | None = _fraction("warmup")
    alpha_f: float = _alpha()
    t_max: int | None = count("where it ends; the end of the run if left out", None, least=1)
    warmup_min_lr: float = _minimum("start of the warmup")
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    def _rates(self) -> Schedule:
        return _decayed(self, Cosine)


class HalfCosWithWarmup(_Scheduler):
    """olmo_core HalfCosWithWarmup: the second half of a cosine; its warmup goes to the middle value, never to the peak.

    >>> HalfCosWithWarmup(warmup=4, max_steps=12)([0, 1, 2, 3, 4, 5]).round(4)
    array([0.    , 0.1375, 0.275 , 0.4125, 0.55  , 0.4622])
    """

    conventions = Conventions("cosine", "t/W", "", "whole", "ratio")
    warmup: int | None = _length("warmup")
    warmup_steps: int | None = _older("warmup")
    warmup_fraction: float | None = _fraction("warmup")
    alpha_f: float = _alpha()
    t_max: int | None = count("where it ends; the end of the run if left out", None, least=1)
    warmup_min_lr: float = _minimum("start of the warmup")
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    def _rates(self) -> Schedule:
        floor = self.lr * self.alpha_f
        warmup = self._span("warmup", self._end)
        left = self._end - warmup
        ramp = self._ramp(warmup, floor + (self.lr - floor) / 2)
        return _chain(*ramp, Cosine(self.lr, floor, 2 * left).skip(left) if left > 0 else Constant(floor, 1))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        advice = "The warmup ends in the middle of the cosine; its lr is that of a full cosine."
        yield from quirks.misses_peak(self, self.lr, run, advice)


class CosWithWarmupAndLinearDecay(_Scheduler):
    """olmo_core CosWithWarmupAndLinearDecay: a cosine cut short, then a line, which goes on past the end.

    >>> CosWithWarmupAndLinearDecay(warmup=2, decay_fraction=0.4, max_steps=10)([2, 6, 8, 10, 11])
    array([ 1.    ,  0.55  ,  0.275 ,  0.    , -0.1375])
    """

    conventions = Conventions("cosine", "t/W", "t >= b", "whole", "rate", "negative")
    warmup: int | None = _length("warmup")
    warmup_steps: int | None = _older("warmup")
    warmup_fraction: float | None = _fraction("warmup")
    alpha_f: float = _alpha()
    t_max: int | None = count("where the cosine would end; the end of the run if left out", None, least=1)
    warmup_min_lr: float = _minimum("start of the warmup")
    decay: int | None = _length("decay")
    decay_steps: int | None = _older("decay")
    decay_fraction: float | None = _fraction("decay", 0.1)
    decay_min_lr: float = _minimum("end of the decay")
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    @property
    def _end(self) -> int:
        return self.t_max or self._whole

    def _rates(self) -> Schedule:
        decay = self._span("decay", self._whole)
        begin = self._whole - decay
        if begin < 0:
            raise ParameterError(f"{self.full_name()}.decay must be <= max_steps, here {self._whole}, got {decay}")
        cosine = _decayed(self, Cosine)
        return _chain(cosine.cut(begin), self._tail(float(cosine(begin)), decay))

    @property
    def horizon(self) -> int | None:
        return None if not self.bound else max(-(-self._whole // self._each) - self.first_step, 0)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from super().quirks(run)
        yield from quirks.past_end(self, self.horizon or 0, run, _STOP)


class ExponentialScheduler(_Scheduler):
    """olmo_core ExponentialScheduler: rises in equal ratios from `lr_min`, 1e-9 unless given, to the base rate.

    >>> ExponentialScheduler(lr_min=1e-4, max_steps=4)([0, 2, 4, 9])
    array([1.e-04, 1.e-02, 1.e+00, 1.e+00])
    """

    conventions = Conventions("exponential", "", "", "whole")
    lr_min: float = number("a", "rate", "the rate at the start", default=1e-9, gt=0, span=(1e-9, 1e-4))
    units: str = _units()
    max_steps: int | None = _total()
    first_step: int = _first()
    tokens_per_update: int | None = _tokens()
    lr: float = base_rate()

    def _rates(self) -> Schedule:
        return Geometric(self.lr_min, self.lr, self._whole)
