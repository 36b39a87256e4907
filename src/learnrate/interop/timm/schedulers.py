"""timm.scheduler: warmup in front of, or on top of, a decay with cycles.

The values are those of timm's own loop: the constructor writes the first one, then `step_update(n)` after n updates, or
`step(epoch + 1)` after each epoch when `t_in_epochs` is true. With `updates_per_epoch` left at 1, the scheduler's own
step is one update.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, localcontext
from functools import cached_property, partial
from typing import Any, ClassVar, NoReturn

from ...clock import FOREVER, Length
from ...errors import ParameterError
from ...feedback import Plateau, Rule
from ...findings import Finding
from ...formula import LATEST, Table
from ...schedule import Schedule
from ...schedule.composites import Inner
from ...schedules import (
    Constant,
    Cosine,
    Exponential,
    Function,
    Linear,
    MultiStep,
    PiecewiseConstant,
    Polynomial,
    PowerDecay,
    PowerLaw,
    Step,
    Tanh,
)
from ...spec import Choice, choice, declare, flag, number, numbers, shorten
from .. import quirks
from ..conventions import Conventions
from ..dialect import Curve, Dialect, listener
from ..fields import base_rate, count, counts, plain

MOST_CYCLES = 10_000
"""Cycles in one table: more than any run restarts."""


def refuse_noise(name: str) -> NoReturn:
    """Noise comes from torch's random numbers, which only torch can draw."""
    raise ParameterError(
        f"{name}.noise_range_t must be None here: timm draws its noise from torch.Generator, seeded with "
        "noise_seed + t, which needs torch; read(scheduler, sample=N) takes the rates of a live scheduler as points"
    )


def _warmup_t() -> Any:
    return count("how long the warmup is", default=0, span=(0, 8))


def _warmup_lr_init() -> Any:
    return number("w", "rate", "value at the start of the warmup", default=0.0, ge=0, span=(1e-5, 1e-3))


def _prefix(default: bool) -> Any:
    return flag("", "whether t counts from the end of the warmup", default=default)


def _lr_min() -> Any:
    return number("m", "rate", "the floor", default=0.0, ge=0, span=(1e-6, 1e-4))


def _t_in_epochs() -> Any:
    return flag("", "whether t counts epochs, which `updates_per_epoch` then turns into updates", default=True)


def _updates_per_epoch() -> Any:
    return count("updates between two calls of step(epoch)", default=1, least=1, span=(1, 3))


def _cycle_mul() -> Any:
    # below 1, timm's logarithm leaves its domain after t_initial / (1 - cycle_mul) and raises
    return number("s", "", "each cycle's length over the one before", default=1.0, ge=1, le=1000, span=(1.2, 2.5))


def _cycle_decay() -> Any:
    return number("q", "", "each cycle's peak over the one before", default=1.0, ge=0, le=1000, span=(0.3, 1))


def _cycle_limit() -> Any:
    return count("how many cycles there are before the floor", default=1, span=(1, 4))


def _k_decay() -> Any:
    return number("k", "", "how progress is bent: u becomes u**k", default=1.0, gt=0, le=100, span=(0.5, 3))


def _noise_range_t() -> Any:
    return plain("where there is noise; only None, since only torch can draw it", default=None)


def _noise_pct() -> Any:
    return number("", "", "largest noise, without effect here", default=0.67)


def _noise_std() -> Any:
    return number("", "", "spread of the noise, without effect here", default=1.0)


def _noise_seed() -> Any:
    return count("seed of the noise, without effect here", default=42)


class _PerEpoch(Curve):
    """A schedule that counts epochs, read at every update."""

    body: Schedule = declare(Inner("f", "", "the schedule, in epochs"))
    size: int = count("updates in an epoch", least=1)

    @property
    def updates_or_rest(self) -> Length:
        return None if self.body.length == FOREVER else int(self.body.length) * self.size

    def formula(self, t: Any, xp: Any) -> Any:
        return self.body.at(xp.quotient(t, self.size), xp)


class _Stairs(Curve):
    """Stairs whose width is no whole number."""

    start: float = number("a", "rate", "value at t = 0")
    factor: float = number("\\gamma", "", "what the value is multiplied by", ge=0, le=1)
    period: float = number("P", "updates", "how wide each stair is", gt=0)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * self.factor ** xp.quotient(t, self.period)


class _Cycles(Curve):
    """Cycles over a fixed floor, of any lengths and peaks, which start at exact times read from a table."""

    body: Schedule = declare(Inner("f", "", "one cycle, from 1 to 0"))
    starts: Sequence[float] = numbers("x", "updates", "where each cycle starts", rising=True)
    lengths: Sequence[float] = numbers("T", "updates", "how long each is")
    peaks: Sequence[float] = numbers("a", "rate", "where each begins")
    floor: float = number("m", "rate", "the floor")

    @cached_property
    def _tables(self) -> tuple[Table, Table, Table]:
        return Table(self.starts), Table(self.lengths), Table(self.peaks)

    def formula(self, t: Any, xp: Any) -> Any:
        starts, lengths, peaks = self._tables
        cycle = xp.find(t, starts)
        local = (t - xp.take(starts, cycle)) * self.body.length / xp.take(lengths, cycle)
        w = self.body.at(local, xp)
        return xp.take(peaks, cycle) * w + self.floor * (1 - w)


def in_updates(body: Schedule, updates_per_epoch: int) -> Schedule:
    """A schedule of epochs as one of updates."""
    return body if updates_per_epoch == 1 else _PerEpoch(body, updates_per_epoch)


def _value(schedule: Schedule, t: float) -> float:
    return float(schedule([t])[0])


def _warmed(main: Schedule, warmup: int, start: float, peak: float, prefix: bool) -> Schedule:
    """A straight warmup in front of `main` or, without `prefix`, in place of its first updates.

    The constructor writes the first value: the start of the warmup, or the base rate, which is `peak`.
    """
    if warmup == 0:
        return main if _value(main, 0) == peak else _after(Constant(peak, 1), main, 1)
    ramp = Linear(start, peak, warmup)
    return ramp >> _lasting(main) if prefix else _after(ramp, main, warmup)


def _after(head: Schedule, main: Schedule, at: int) -> Schedule:
    """`head` up to update `at`, then `main` as it is there."""
    return (head >> Constant(_value(main, at))).cut(at) if main.length <= at else head >> main.skip(at)


def _lasting(main: Schedule) -> Schedule:
    """A part of length 0 would vanish from a chain; its end value must not."""
    return Constant(_value(main, 0), 1) if main.length == 0 else main


def _check_loop(scheduler: Any) -> None:
    """What every scheduler refuses."""
    if scheduler.noise_range_t is not None:
        refuse_noise(type(scheduler).__name__)
    if scheduler.updates_per_epoch > 1 and not scheduler.t_in_epochs:
        raise ParameterError(
            f"{type(scheduler).__name__}.updates_per_epoch must be 1 when t_in_epochs is False, "
            f"got {scheduler.updates_per_epoch} updates: step_update(n) counts updates already"
        )


def _table(scheduler: Any) -> tuple[list[float], list[float], list[float], float]:
    """Where the cycles start, how long they are, their peaks, and where the last one ends."""
    n, mul, decay, limit = (
        getattr(scheduler, name) for name in ("t_initial", "cycle_mul", "cycle_decay", "cycle_limit")
    )
    starts: list[float] = []
    with localcontext() as context:
        context.prec = 60
        start, length, stretch = Decimal(0), Decimal(n), Decimal(repr(mul))
        lengths = []
        while len(starts) < limit and start < LATEST:
            if len(starts) == MOST_CYCLES:
                raise ParameterError(
                    f"{type(scheduler).__name__}.cycle_limit must be <= {MOST_CYCLES} cycles when cycle_mul is {mul} "
                    f"and cycle_decay {decay}, got {limit}"
                )
            starts.append(float(start))
            lengths.append(float(length))
            start, length = start + length, length * stretch
    try:
        peaks = [scheduler.lr * decay**i for i in range(len(starts))]
    except OverflowError:
        raise ParameterError(
            f"{type(scheduler).__name__}.cycle_decay must leave peaks finite (rate), got {decay} for {limit} cycles"
        ) from None
    return starts, lengths, peaks, float(start)


def _cycled(scheduler: Any, body: Callable[[float, float], Schedule]) -> Schedule:
    """All cycles, and the floor after them; `body(peak, floor)` is one cycle of `t_initial`."""
    lr, floor, limit = scheduler.lr, scheduler.lr_min, scheduler.cycle_limit
    mul, decay = scheduler.cycle_mul, scheduler.cycle_decay
    if limit == 0:
        return Constant(floor)
    if limit == 1:
        cycles, end = body(lr, floor), float(scheduler.t_initial)
    elif mul == math.floor(mul) and 0 < decay <= 1:
        if decay == 1:
            cycles = body(lr, floor).repeat(limit, mul)
        else:
            cycles = body(lr, 0.0).repeat(limit, mul, decay) + body(0.0, floor).repeat(limit, mul)
        end = cycles.length
    else:
        starts, lengths, peaks, end = _table(scheduler)
        cycles = _Cycles(body(1.0, 0.0), starts, lengths, peaks, floor)
    if end >= LATEST:
        return cycles
    whole = math.ceil(end)
    if cycles.length == whole and _value(cycles, whole) == floor:
        return cycles
    return (cycles.cut(whole) >> Constant(floor)).cut(whole)


def _cycle_end(scheduler: Any) -> int | None:
    """The update at which the last cycle ends, as timm's get_cycle_length counts."""
    *_, end = _table(scheduler.replace(cycle_decay=1.0)) if scheduler.cycle_mul != 1 else (0,)
    if scheduler.cycle_mul == 1:
        end = scheduler.t_initial * scheduler.cycle_limit
    if end >= LATEST:
        return None
    return int(math.ceil(end) + (scheduler.warmup_t if scheduler.warmup_prefix else 0)) * int(
        scheduler.updates_per_epoch
    )


def _cycle_quirks(scheduler: Any, run: int) -> Iterator[Finding]:
    if scheduler.warmup_t and not scheduler.warmup_prefix:
        advice = "The decay also runs during the warmup; warmup_prefix=True makes it start afterwards."
        yield from quirks.misses_peak(scheduler, scheduler.lr, run, advice)


class CosineLRScheduler(Dialect):
    """timm's cosine with warmup, restarts and k-decay; after `cycle_limit` cycles (one) it stays at `lr_min`.

    `warmup_prefix` is False: the cosine runs during the warmup too, so that the rate falls back after the warmup and
    the peak is never reached.

    >>> CosineLRScheduler(12, warmup_t=4)([0, 1, 3, 4, 5, 12, 18]).round(3)
    array([0.   , 0.25 , 0.75 , 0.75 , 0.629, 0.   , 0.   ])
    >>> CosineLRScheduler(12, warmup_t=4, warmup_prefix=True)([3, 4, 5]).round(3)
    array([0.75 , 1.   , 0.983])
    """

    conventions: ClassVar[Conventions] = Conventions("cosine", warmup="t/W", horizon="whole", floor="rate")
    t_initial: int = count("how long the first cycle is", least=1, span=(1, 12))
    lr_min: float = _lr_min()
    cycle_mul: float = _cycle_mul()
    cycle_decay: float = _cycle_decay()
    cycle_limit: int = _cycle_limit()
    warmup_t: int = _warmup_t()
    warmup_lr_init: float = _warmup_lr_init()
    warmup_prefix: bool = _prefix(False)
    t_in_epochs: bool = _t_in_epochs()
    noise_range_t: Any = _noise_range_t()
    noise_pct: float = _noise_pct()
    noise_std: float = _noise_std()
    noise_seed: int = _noise_seed()
    k_decay: float = _k_decay()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def check(self) -> None:
        _check_loop(self)

    def meaning(self) -> Schedule:
        cycles = _cycled(self, lambda peak, floor: Cosine(peak, floor, self.t_initial, k=self.k_decay))
        warmed = _warmed(cycles, self.warmup_t, self.warmup_lr_init, self.lr, self.warmup_prefix)
        return in_updates(warmed, self.updates_per_epoch)

    @property
    def horizon(self) -> int | None:
        return _cycle_end(self)

    def quirks(self, run: int) -> Iterator[Finding]:
        return _cycle_quirks(self, run)


class PolyLRScheduler(Dialect):
    """timm's polynomial with warmup, restarts and k-decay; its `power` is 0.5 unless given.

    As with the cosine, the decay runs during the warmup unless `warmup_prefix` is True, and after `cycle_limit` cycles
    the rate stays at `lr_min`.

    >>> PolyLRScheduler(10, power=2.0, lr_min=0.1)([0, 5, 10, 15]).round(3)
    array([1.   , 0.325, 0.1  , 0.1  ])
    """

    conventions: ClassVar[Conventions] = Conventions("polynomial", warmup="t/W", horizon="whole", floor="rate")
    t_initial: int = count("how long the first cycle is", least=1, span=(1, 12))
    power: float = number("p", "", "power of what is left of a cycle", default=0.5, gt=0, le=100, span=(0.5, 3))
    lr_min: float = _lr_min()
    cycle_mul: float = _cycle_mul()
    cycle_decay: float = _cycle_decay()
    cycle_limit: int = _cycle_limit()
    warmup_t: int = _warmup_t()
    warmup_lr_init: float = _warmup_lr_init()
    warmup_prefix: bool = _prefix(False)
    t_in_epochs: bool = _t_in_epochs()
    noise_range_t: Any = _noise_range_t()
    noise_pct: float = _noise_pct()
    noise_std: float = _noise_std()
    noise_seed: int = _noise_seed()
    k_decay: float = _k_decay()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def check(self) -> None:
        _check_loop(self)

    def meaning(self) -> Schedule:
        cycles = _cycled(
            self, lambda peak, floor: Polynomial(peak, floor, self.t_initial, power=self.power, k=self.k_decay)
        )
        warmed = _warmed(cycles, self.warmup_t, self.warmup_lr_init, self.lr, self.warmup_prefix)
        return in_updates(warmed, self.updates_per_epoch)

    @property
    def horizon(self) -> int | None:
        return _cycle_end(self)

    def quirks(self, run: int) -> Iterator[Finding]:
        return _cycle_quirks(self, run)


class TanhLRScheduler(Dialect):
    """timm's hyperbolic tangent with warmup and restarts.

    A cycle ends above the floor, at 0.0025 of its height with the default `ub`, and jumps to `lr_min` when the cycles
    are over. Without `warmup_prefix` the warmup goes to where the tangent is at its end, so the peak is never reached.

    >>> TanhLRScheduler(10)([0, 5, 9, 10]).round(4)
    array([1.   , 0.982, 0.018, 0.   ])
    """

    conventions: ClassVar[Conventions] = Conventions("tanh", warmup="t/W", horizon="whole", floor="rate", past="jumps")
    t_initial: int = count("how long the first cycle is", least=1, span=(1, 12))
    lb: float = number("L", "", "argument of tanh at the start", default=-7.0, ge=-20, le=20, span=(-7.0, -2.0))
    ub: float = number("U", "", "argument of tanh at the end", default=3.0, ge=-20, le=20, span=(1, 5))
    lr_min: float = _lr_min()
    cycle_mul: float = _cycle_mul()
    cycle_decay: float = _cycle_decay()
    cycle_limit: int = _cycle_limit()
    warmup_t: int = _warmup_t()
    warmup_lr_init: float = _warmup_lr_init()
    warmup_prefix: bool = _prefix(False)
    t_in_epochs: bool = _t_in_epochs()
    noise_range_t: Any = _noise_range_t()
    noise_pct: float = _noise_pct()
    noise_std: float = _noise_std()
    noise_seed: int = _noise_seed()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def check(self) -> None:
        _check_loop(self)
        if self.lb >= self.ub:
            raise ParameterError(f"TanhLRScheduler.lb must be < ub, got {self.lb} and {self.ub}")

    def meaning(self) -> Schedule:
        cycles = _cycled(self, lambda peak, floor: Tanh(peak, floor, self.t_initial, lower=self.lb, upper=self.ub))
        peak = _value(cycles, self.warmup_t) if self.warmup_t and not self.warmup_prefix else self.lr
        warmed = _warmed(cycles, self.warmup_t, self.warmup_lr_init, peak, self.warmup_prefix)
        return in_updates(warmed, self.updates_per_epoch)

    @property
    def horizon(self) -> int | None:
        return _cycle_end(self)

    def quirks(self, run: int) -> Iterator[Finding]:
        end = self.horizon
        if end is not None:
            advice = "The tangent never gets to lr_min; a larger ub ends closer to it."
            yield from quirks.jumps(self, end, run, advice)
        yield from _cycle_quirks(self, run)


class StepLRScheduler(Dialect):
    """timm's stairs: times `decay_rate` every `decay_t`, which may be a fraction; `warmup_prefix` is True here.

    >>> StepLRScheduler(2, decay_rate=0.5, warmup_t=2)([0, 1, 2, 3, 4, 6])
    array([0.  , 0.5 , 1.  , 1.  , 0.5 , 0.25])
    """

    conventions: ClassVar[Conventions] = Conventions("step", warmup="t/W", boundary="t >= b", past="continues")
    decay_t: float = number("P", "updates", "how wide each stair is", ge=1e-6, le=2**53, span=(0.5, 12))
    decay_rate: float = number("\\gamma", "", "what the rate is multiplied by", default=1.0, ge=0, le=1, span=(0.2, 1))
    warmup_t: int = _warmup_t()
    warmup_lr_init: float = _warmup_lr_init()
    warmup_prefix: bool = _prefix(True)
    t_in_epochs: bool = _t_in_epochs()
    noise_range_t: Any = _noise_range_t()
    noise_pct: float = _noise_pct()
    noise_std: float = _noise_std()
    noise_seed: int = _noise_seed()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def check(self) -> None:
        _check_loop(self)

    def meaning(self) -> Schedule:
        if self.decay_rate == 1:
            stairs: Schedule = Constant(self.lr)
        elif self.decay_t == math.floor(self.decay_t) and self.decay_rate:
            stairs = Step(self.lr, self.decay_rate, int(self.decay_t))
        else:
            stairs = _Stairs(self.lr, self.decay_rate, self.decay_t)
        warmed = _warmed(stairs, self.warmup_t, self.warmup_lr_init, self.lr, self.warmup_prefix)
        return in_updates(warmed, self.updates_per_epoch)

    def quirks(self, run: int) -> Iterator[Finding]:
        return _cycle_quirks(self, run)


class MultiStepLRScheduler(Dialect):
    """timm's stairs at milestones, each one step early: milestone m takes effect at t = m - 1.

    A milestone of 0 or 1 takes effect at t = 1, since the constructor writes the first value. `warmup_prefix` is True.

    >>> MultiStepLRScheduler([4], decay_rate=0.1)([2, 3, 4, 5])
    array([1. , 0.1, 0.1, 0.1])
    """

    conventions: ClassVar[Conventions] = Conventions("multi-step", warmup="t/W", boundary="t + 1 >= b")
    decay_t: Sequence[int] = counts("the milestones, which must not fall")
    decay_rate: float = number("\\gamma", "", "what the rate is multiplied by", default=1.0, ge=0, span=(0.1, 1))
    warmup_t: int = _warmup_t()
    warmup_lr_init: float = _warmup_lr_init()
    warmup_prefix: bool = _prefix(True)
    t_in_epochs: bool = _t_in_epochs()
    noise_range_t: Any = _noise_range_t()
    noise_pct: float = _noise_pct()
    noise_std: float = _noise_std()
    noise_seed: int = _noise_seed()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def check(self) -> None:
        _check_loop(self)
        if list(self.decay_t) != sorted(self.decay_t):
            raise ParameterError(f"MultiStepLRScheduler.decay_t must not fall (updates), got {list(self.decay_t)}")

    def meaning(self) -> Schedule:
        places = [max(milestone - 1, 0) for milestone in self.decay_t]
        if self.decay_rate:
            stairs: Schedule = MultiStep(self.lr, places, self.decay_rate)
        else:
            stairs = PiecewiseConstant([self.lr, 0.0], places[:1]) if places[0] else Constant(0.0)
        warmed = _warmed(stairs, self.warmup_t, self.warmup_lr_init, self.lr, self.warmup_prefix)
        return in_updates(warmed, self.updates_per_epoch)

    @property
    def horizon(self) -> int | None:
        return (self.decay_t[-1] + (self.warmup_t if self.warmup_prefix else 0)) * self.updates_per_epoch

    def quirks(self, run: int) -> Iterator[Finding]:
        first = self.decay_t[0]
        drop = max(first - 1, 1) + (self.warmup_t if self.warmup_prefix else 0)
        if drop * self.updates_per_epoch < run and self.decay_rate != 1:
            yield Finding(
                "milestone one step early",
                "note",
                {"milestone": first, "drops at": drop * self.updates_per_epoch},
                "timm compares milestones with t + 1; add 1 to each for those of torch.",
            )
        yield from _cycle_quirks(self, run)


@dataclasses.dataclass(eq=False, repr=False)
class _WordOrFunction(Choice):
    """One of a few words, or a function."""

    def read(self, value: Any) -> Any:
        if callable(value) and not isinstance(value, Schedule):
            return value
        try:
            return super().read(value)
        except ValueError as rule:
            raise ValueError(f"{rule}; a function of the progress may be given too") from None


def _function_decay(function: Callable[[float], float], length: int, t: float) -> float:
    return function(min(t / length, 1.0))


class WSDLRScheduler(Dialect):
    """timm's warmup, stable phase and decay; `t_initial` is stable and decay together, the warmup comes before.

    The stable phase may be `rsqrt` or `power` and then goes on falling under the decay, which multiplies it.

    >>> WSDLRScheduler(8, 4, 0.1, decay_fn="linear", warmup_t=2)([0, 1, 5, 6, 7, 9, 10, 11])
    array([0.   , 0.5  , 1.   , 1.   , 0.775, 0.325, 0.1  , 0.1  ])
    """

    conventions: ClassVar[Conventions] = Conventions(
        "warmup-stable-decay", warmup="t/W", horizon="after warmup", floor="rate"
    )
    t_initial: int = count("how long the stable phase and the decay are together", least=1, span=(1, 20))
    decay_t: int = count("how long the decay is", least=1, span=(1, 20))
    lr_min: float = _lr_min()
    stable_fn: str = choice("", "curve of the stable phase", ("constant", "rsqrt", "power"), default="constant")
    stable_timescale: float | None = number(
        "\\tau", "updates", "timescale of `rsqrt` and `power`; the warmup if left out", default=None, gt=0, span=(1, 20)
    )
    stable_power: float = number("p", "", "power of `power`", default=0.5, gt=0, le=100, span=(0.3, 2))
    decay_fn: Any = declare(
        _WordOrFunction("", "", "curve of the decay", ("linear", "1-sqrt", "cosine", "power", "exp")), "1-sqrt"
    )
    decay_power: float = number("q", "", "power of the decay `power`", default=0.5, gt=0, le=100, span=(0.3, 2))
    decay_ratio: float = number("r", "", "share that `exp` falls to", default=0.1, gt=0, lt=1, span=(0.01, 0.5))
    warmup_t: int = _warmup_t()
    warmup_lr_init: float = _warmup_lr_init()
    t_in_epochs: bool = _t_in_epochs()
    noise_range_t: Any = _noise_range_t()
    noise_pct: float = _noise_pct()
    noise_std: float = _noise_std()
    noise_seed: int = _noise_seed()
    updates_per_epoch: int = _updates_per_epoch()
    lr: float = base_rate()

    def check(self) -> None:
        _check_loop(self)
        if self.decay_t > self.t_initial:
            raise ParameterError(
                f"WSDLRScheduler.decay_t must be <= t_initial (updates), got {self.decay_t} and {self.t_initial}"
            )
        if self.stable_fn != "constant" and self.stable_timescale is None and not self.warmup_t:
            raise ParameterError(
                f"WSDLRScheduler.stable_timescale must be > 0 updates with stable_fn={self.stable_fn!r}, got None and "
                "warmup_t=0, which it defaults to; give one of them"
            )

    def meaning(self) -> Schedule:
        warmed = _warmed(self._main(), self.warmup_t, self.warmup_lr_init, self.lr, True)
        return in_updates(warmed, self.updates_per_epoch)

    def _main(self) -> Schedule:
        stable = self.t_initial - self.decay_t
        if self.stable_fn == "constant":
            peak = max(self.lr, self.lr_min)
            head = Constant(peak, stable)
            return head >> self._decay(peak, self.lr_min)
        power = 0.5 if self.stable_fn == "rsqrt" else self.stable_power
        curve = PowerLaw(self.lr, power, self.stable_timescale or self.warmup_t).clip(self.lr_min)
        share = Constant(1.0, stable) >> self._decay(1.0, 0.0)
        rest = Constant(0.0, stable) >> self._decay(0.0, 1.0)
        return (curve * share + self.lr_min * rest).cut(self.t_initial)

    def _decay(self, start: float, end: float) -> Schedule:
        n = self.decay_t
        if self.decay_fn == "linear":
            return Linear(start, end, n)
        if self.decay_fn == "cosine":
            return Cosine(start, end, n)
        if self.decay_fn in ("1-sqrt", "power"):
            return PowerDecay(start, end, n, power=0.5 if self.decay_fn == "1-sqrt" else self.decay_power)
        if self.decay_fn == "exp":
            r = self.decay_ratio
            height = (start - end) / (1 - r)
            return (height * Exponential(1.0, r, n, period=n) + Constant(end - r * height, n)).cut(n)
        factor = Function(partial(_function_decay, self.decay_fn, n))
        return ((start - end) * factor + Constant(end)).cut(n)

    @property
    def horizon(self) -> int | None:
        return (self.t_initial + self.warmup_t) * self.updates_per_epoch


@listener
def PlateauLRScheduler(
    decay_rate: float = 0.1,
    patience_t: int = 10,
    threshold: float = 1e-4,
    cooldown_t: int = 0,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    lr_min: float = 0.0,
    mode: str = "max",
    noise_range_t: Any = None,
    noise_type: str = "normal",
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int | None = None,
    lr: float = 1.0,
) -> Rule:
    """timm's plateau, which wraps torch's and by default wants a *higher* metric: one report per `step(epoch, metric)`.

    The warmup is no part of a rule: write it as a schedule, `Linear(warmup_lr_init, lr, warmup_t)`, and give the rule
    no report before it is over, as timm does.

    >>> rule = PlateauLRScheduler(patience_t=2)
    >>> state, factors = rule.start(), []
    >>> for metric in [1.0] * 7:
    ...     state, factor = rule(state, metric)
    ...     factors.append(round(factor, 6))
    >>> factors
    [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01]
    """
    if noise_range_t is not None:
        refuse_noise("PlateauLRScheduler")
    if warmup_t:
        raise ParameterError(
            f"PlateauLRScheduler.warmup_t must be 0 epochs here, got {shorten(warmup_t)}: the warmup is a schedule, "
            f"Linear({warmup_lr_init!r}, {lr!r}, {warmup_t!r}); give the rule no report before it is over"
        )
    if not lr > 0 or not 0 <= lr_min <= lr:
        raise ParameterError(f"PlateauLRScheduler.lr_min must be between 0 and lr (rate), got {lr_min!r} and lr={lr!r}")
    return Plateau(
        factor=decay_rate,
        patience=patience_t,
        threshold=threshold,
        cooldown=cooldown_t,
        floor=lr_min / lr,
        mode=mode,
        eps=1e-8 / lr,
    )


__all__ = [
    "CosineLRScheduler",
    "MultiStepLRScheduler",
    "PlateauLRScheduler",
    "PolyLRScheduler",
    "StepLRScheduler",
    "TanhLRScheduler",
    "WSDLRScheduler",
    "in_updates",
    "refuse_noise",
]
