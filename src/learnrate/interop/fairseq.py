"""fairseq: schedulers by their configs. The trainer writes the rate of update t, counted from 0, before it is made.

`lr` is a list in fairseq, one rate per epoch where a scheduler takes several; a number is a list of one.
`updates_per_epoch` is ours: it says where the epochs begin, for what fairseq decides by epoch.
"""

from __future__ import annotations

import ast
import dataclasses
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import ParameterError
from ..feedback import Plateau, Rule
from ..findings import Finding
from ..schedule import Schedule
from ..schedules import (
    Constant,
    Cosine,
    Geometric,
    InverseSqrt,
    Linear,
    PiecewiseConstant,
    Polynomial,
    Step,
)
from ..spec import FrozenDict, Kind, Number, Numbers, declare, flag, number, shorten
from . import quirks
from .conventions import Conventions
from .dialect import Dialect, listener
from .fields import LARGEST, count, schedule
from .units import MOST_CYCLES, Counted, Cycles, ceiling, stretched

_DEFAULT_RATE = 0.25
"""What fairseq's optimization.lr is when nobody says it."""


@dataclasses.dataclass(eq=False, repr=False)
class RatesKind(Kind):
    """A rate, or a list of rates, one per epoch; a list of one is its rate."""

    several: bool = False

    def read(self, value: Any) -> Any:
        each = Number("\\eta", "rate", "", ge=0)
        if not isinstance(value, (list, tuple)):
            return each.read(value)
        if not value or (len(value) > 1 and not self.several):
            rule = (
                "be a rate or a list of rates" if self.several else "be one rate; a list is what FixedLRSchedule takes"
            )
            raise ValueError(f"{rule}, got {shorten(value)}")
        rates = tuple(each.read(item) for item in value)
        return rates[0] if len(rates) == 1 else rates

    def draw(self, rng: random.Random) -> Any:
        if self.several and rng.random() < 0.5:
            return tuple(rng.uniform(0.1, 1.0) for _ in range(rng.randint(2, 4)))
        return rng.uniform(0.1, 1.0)


def _rates(several: bool = False) -> Any:
    help = "the rate, or a list with one for each epoch" if several else "the rate"
    return declare(RatesKind("\\eta", "rate", help, several), _DEFAULT_RATE)


def _warmup(default: int = 0, least: int = 0) -> Any:
    return count("length of the warmup", default, least=least, span=(max(least, 1), 15))


def _initial() -> Any:
    help = "where the warmup starts; below 0 for fairseq's own choice"
    return number("a", "rate", help, default=-1.0, span=(0.001, 0.1))


def _epoch() -> Any:
    return count("how many updates an epoch has", 1, least=1, span=(1, 9))


def _listed(rates: Any) -> tuple[float, ...]:
    return rates if isinstance(rates, tuple) else (rates,)


def _stairs(values: list[float], width: int) -> Schedule:
    """One value after the other, each for `width` updates, the last for ever."""
    if len(values) == 1:
        return Constant(values[0])
    return PiecewiseConstant(values, [width * index for index in range(1, len(values))])


class FixedLRSchedule(Dialect):
    """fairseq's `fixed`: a list of rates, one per epoch, then (from epoch `force_anneal` on) times `lr_shrink` each.

    The warmup counts from 1: its first update has one step.

    >>> FixedLRSchedule(force_anneal=3, lr_shrink=0.5, lr=[1.0, 0.8], updates_per_epoch=2)([0, 1, 2, 4, 6]).round(3)
    array([1. , 1. , 0.8, 0.4, 0.2])
    """

    conventions = Conventions("piecewise constant", "(t+1)/W", "t >= b", "per cycle", past="continues")
    force_anneal: int | None = number(
        "F", "epochs", "the epoch, from 1, in which shrinking begins", default=None, whole=True, span=(1, 5)
    )
    lr_shrink: float = number("s", "", "what each further epoch multiplies", default=0.1, gt=0, le=1)
    warmup_updates: int = _warmup()
    lr: float | tuple[float, ...] = _rates(several=True)
    updates_per_epoch: int = _epoch()

    @property
    def horizon(self) -> int | None:
        epochs = len(_listed(self.lr)) if self.force_anneal is None else self.force_anneal - 1
        return max(epochs, 1) * self.updates_per_epoch

    def meaning(self) -> Schedule:
        rates, width, force = _listed(self.lr), self.updates_per_epoch, self.force_anneal
        listed = _stairs(list(rates), width)
        if force is not None:
            first = rates[-1] * self.lr_shrink ** max(1, 2 - force)
            listed = listed.cut(width * max(force - 1, 0)) >> Step(first, self.lr_shrink, width)
        warmup = self.warmup_updates
        return listed * Linear(0.0, 1.0, warmup).skip(1) if warmup else listed


class InverseSquareRootSchedule(Dialect):
    """fairseq's `inverse_sqrt`: a linear warmup, then the inverse square root of the update; it needs a warmup.

    >>> InverseSquareRootSchedule(4, lr=1.0)([0, 1, 3, 4, 5, 16, 100]).round(3)
    array([0.   , 0.25 , 0.75 , 1.   , 0.894, 0.5  , 0.2  ])
    """

    conventions = Conventions("inverse square root", "t/W", past="continues")
    warmup_updates: int = _warmup(4000, least=1)
    warmup_init_lr: float = _initial()
    lr: float = _rates()

    @property
    def horizon(self) -> int | None:
        return self.warmup_updates

    def meaning(self) -> Schedule:
        rise = Linear(max(self.warmup_init_lr, 0.0), self.lr, self.warmup_updates)
        return rise >> InverseSqrt(self.lr, self.warmup_updates)


class CosineLRSchedule(Dialect):
    """fairseq's `cosine`: half a cosine, which starts over at its end with the rate and its floor times `lr_shrink`.

    Without `lr_period_updates` the period is what `max_update` leaves after the warmup. Periods need not be whole.

    >>> CosineLRSchedule(lr=1.0, min_lr=0.01, max_update=10)([0, 5, 9, 10, 11, 15, 20]).round(4)
    array([1.    , 0.505 , 0.0342, 0.1   , 0.0976, 0.0505, 0.01  ])
    """

    conventions = Conventions("cosine restarts", "t/W", "t >= b", "per cycle", "rate", "restarts")
    warmup_updates: int = _warmup()
    warmup_init_lr: float = _initial()
    lr: float = _rates()
    min_lr: float = number("b", "rate", "the lowest rate of the first period", default=0.0, ge=0, span=(0.001, 0.05))
    t_mult: float = number("m", "", "each period over the one before", default=1.0, gt=0, span=(0.7, 2.5))
    lr_period_updates: float = number("P", "updates", "the first period", default=-1.0, le=LARGEST, span=(1, 40))
    lr_shrink: float = number("s", "", "the rate of each period over the one before", default=0.1, gt=0, le=1)
    max_update: int = count("the end of the run, where no period is given", 0)

    @property
    def period(self) -> float:
        given = self.lr_period_updates
        return given if given > 0 else float(self.max_update - self.warmup_updates)

    @property
    def horizon(self) -> int | None:
        return self.warmup_updates + ceiling(self.period)

    def check(self) -> None:
        if not self.lr > self.min_lr:
            raise ParameterError(f"CosineLRSchedule.lr must be > min_lr of {self.min_lr} rate, got {self.lr}")
        if self.period <= 0:
            raise ParameterError(
                "CosineLRSchedule.max_update must be > warmup_updates "
                f"of {self.warmup_updates} updates where lr_period_updates is not given, got {self.max_update}"
            )

    def meaning(self) -> Schedule:
        start = self.min_lr if self.warmup_init_lr < 0 else self.warmup_init_lr
        return Linear(start, self.lr, self.warmup_updates) >> self._periods()

    def _periods(self) -> Schedule:
        body, period, stretch = Cosine(self.lr, self.min_lr, 1), self.period, self.t_mult
        if stretch == 1:
            return Cycles([0.0], [period], [1.0], body, shrink=self.lr_shrink)
        # periods that shrink add up to this, where fairseq takes the logarithm of 0
        last = math.inf if stretch > 1 else max(ceiling(period / (1 - stretch)) - 1, 0)
        starts, lengths = stretched(period, stretch, min(last, LARGEST))
        periods = Cycles(starts, lengths, [self.lr_shrink**k for k in range(len(starts))], body, ends=1)
        return periods if stretch > 1 else periods.cut(int(last))

    def quirks(self, run: int) -> Iterator[Finding]:
        advice = (
            "fairseq starts over at the end of the period: set max_update to the end of the run, or a longer period."
        )
        end = self.horizon or 0
        yield from quirks.past_end(self, end - 1, run, advice)
        if run > end + 1 and self.lr_shrink < 1 and self.min_lr:
            evidence = {"floor": self.min_lr, "floor then": self.min_lr * self.lr_shrink, "update": end}
            yield Finding("floor shrinks too", "note", evidence, "lr_shrink multiplies min_lr as well.")


class PolynomialDecayLRSchedule(Dialect):
    """fairseq's `polynomial_decay`: a linear warmup, then a power of what is left of `total_num_update`.

    Of a list of rates the first is never used (epochs are counted from 1, the list from 0). From epoch `force_anneal`
    on the rate that each epoch begins with becomes the new base, so that the decay compounds.

    >>> PolynomialDecayLRSchedule(end_learning_rate=0.1, power=2.0, total_num_update=10, lr=1.0)([0, 5, 10, 20])
    array([1.   , 0.325, 0.1  , 0.1  ])
    """

    conventions = Conventions("polynomial", "t/W", "t >= b", "whole", "rate")
    warmup_updates: int = _warmup()
    force_anneal: int | None = number(
        "F",
        "epochs",
        "the epoch, from 1, in which bases begin to follow the rate",
        default=None,
        whole=True,
        span=(1, 5),
    )
    end_learning_rate: float = number("b", "rate", "the last rate", default=0.0, ge=0, span=(0.001, 0.05))
    power: float = number("p", "", "the power", default=1.0, gt=0, le=100, span=(0.3, 4))
    total_num_update: float = number(
        "T", "updates", "the end, warmup included", default=0.0, ge=0, le=LARGEST, span=(5, 40)
    )
    lr: float | tuple[float, ...] = _rates(several=True)
    updates_per_epoch: int = _epoch()

    @property
    def horizon(self) -> int | None:
        return max(ceiling(self.total_num_update), self.warmup_updates)

    def check(self) -> None:
        if not self.total_num_update > 0:
            raise ParameterError("PolynomialDecayLRSchedule.total_num_update must be > 0 updates, got 0")
        if self.force_anneal is not None and (self.horizon or 0) / self.updates_per_epoch > MOST_CYCLES:
            raise ParameterError(
                f"PolynomialDecayLRSchedule.force_anneal is followed over at most {MOST_CYCLES} epochs; "
                f"raise updates_per_epoch, got {self.updates_per_epoch}"
            )

    def meaning(self) -> Schedule:
        bases = self._bases()
        if len(set(bases)) == 1:
            return self._decay(bases[0], self.end_learning_rate)
        # a base that changes: the share of it, and the share of the end
        changing = _stairs(bases, self.updates_per_epoch) * self._decay(1.0, 0.0)
        return changing + self.end_learning_rate * self._decay(0.0, 1.0, warmed=0.0)

    def _decay(self, base: float, end: float, warmed: float | None = None) -> Schedule:
        """The warmup includes its last update; from `total_num_update` on the rate is the last one."""
        warmup, total = self.warmup_updates, self.total_num_update
        rise = Linear(0.0, base if warmed is None else warmed, warmup).cut(warmup + 1 if warmup else 0)
        begun, last = warmup + 1 if warmup else 0, ceiling(total)
        if last <= begun:
            return rise >> Constant(end, 1)
        shape = Polynomial(base, end, 1, power=self.power)
        return rise >> Counted(shape, 1.0, warmup, total - warmup).skip(begun).cut(last - begun)

    def _bases(self) -> list[float]:
        """The base rate of each epoch until it no longer changes anything."""
        rates, force, width = _listed(self.lr), self.force_anneal, self.updates_per_epoch
        epochs = ceiling((self.horizon or 0) + 1, width) if force is not None else len(rates)
        bases: list[float] = []
        for epoch in range(1, epochs + 1):
            if force is None or epoch < force:
                bases.append(rates[min(epoch, len(rates) - 1)])
            elif epoch == 1:  # nothing has been stepped but update 0
                bases.append(self._at(0, rates[0]))
            else:
                bases.append(self._at(width * (epoch - 1), bases[-1]))
        return bases

    def _at(self, t: int, base: float) -> float:
        return float(self._decay(base, self.end_learning_rate)(t))

    def quirks(self, run: int) -> Iterator[Finding]:
        rates = _listed(self.lr)
        if len(rates) > 1 and run:
            evidence = {"first": rates[0], "used in epoch 1": self._bases()[0]}
            yield Finding(
                "first rate never used", "warning", evidence, "Epochs count from 1: put the first rate twice."
            )
        if self.force_anneal is not None and run > self.updates_per_epoch * max(self.force_anneal - 1, 0):
            evidence = {"epoch": self.force_anneal}
            yield Finding(
                "decay compounds", "warning", evidence, "Each epoch takes the rate it begins with as its base."
            )


class TriangularLRSchedule(Dialect):
    """fairseq's `triangular`: from `lr` up to `max_lr` and back; each cycle's top is `lr_shrink` times the one before.

    A top that has shrunk below `lr` turns the triangle over, unless `shrink_min` shrinks both. An odd period is cut to
    an even one.

    >>> TriangularLRSchedule(1.0, 4, 0.5, lr=0.1)([0, 1, 2, 3, 4, 6]).round(3)
    array([0.1 , 0.55, 1.  , 0.55, 0.1 , 0.5 ])
    """

    conventions = Conventions("triangular", "t/W", "", "per cycle", "rate", "restarts")
    max_lr: float = number("b", "rate", "the first top", gt=0, span=(1.1, 2.0))
    lr_period_updates: float = number("P", "updates", "the period", default=5000.0, ge=2, le=LARGEST, span=(2, 40))
    lr_shrink: float = number("s", "", "each top over the one before", default=0.1, gt=0, le=1)
    shrink_min: bool = flag("", "whether the lowest rate shrinks too", default=False)
    lr: float = _rates()

    def check(self) -> None:
        if not self.max_lr > self.lr:
            raise ParameterError(f"TriangularLRSchedule.max_lr must be > lr of {self.lr} rate, got {self.max_lr}")

    @property
    def _half(self) -> int:
        return int(self.lr_period_updates // 2)

    @property
    def horizon(self) -> int | None:
        return 2 * self._half

    def meaning(self) -> Schedule:
        if self.shrink_min:
            return Linear(self.lr, self.max_lr, self._half).mirror().repeat(scale=self.lr_shrink)
        tops = Linear(0.0, self.max_lr, self._half).mirror().repeat(scale=self.lr_shrink)
        return tops + Linear(self.lr, 0.0, self._half).mirror().repeat()

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.shrink_min or not run or self.lr_shrink == 1 or not self.lr:
            return
        cycle = math.ceil(math.log(self.lr / self.max_lr) / math.log(self.lr_shrink))
        top = 2 * self._half * cycle + self._half
        if run > top and self(top) < self.lr * (1 - 1e-9):
            evidence = {"update": top, "top": float(self(top)), "lr": self.lr}
            advice = "The top has shrunk below lr, so the triangle hangs down: set shrink_min."
            yield Finding("triangle turns over", "warning", evidence, advice)


@dataclasses.dataclass(eq=False, repr=False)
class SharesKind(Kind):
    """Shares of a whole, or None."""

    def read(self, value: Any) -> Any:
        each = Number("r", "", "", ge=0, le=1)
        return None if value is None else Numbers(self.symbol, self.unit, self.help, each).read(value)

    def draw(self, rng: random.Random) -> Any:
        return rng.choice([None, (0.25, 0.25, 0.5)])


class TriStageLRSchedule(Dialect):
    """fairseq's `tri_stage`: a linear warmup, a hold, and an exponential decay, all in shares of `lr`.

    `phase_ratio` sets the three lengths as shares of `max_update`, each cut off to a whole number; its parts must add
    up to exactly 1 in floating point, which (0.7, 0.2, 0.1) does not.

    >>> TriStageLRSchedule(2, 4, 4, None, 0.0, 0.1, lr=1.0)([0, 1, 5, 6, 7, 9, 10, 11]).round(4)
    array([0.    , 0.5   , 1.    , 1.    , 0.5623, 0.1778, 0.1   , 0.1   ])
    """

    conventions = Conventions("warmup-stable-decay", "t/W", "", "after warmup", "ratio")
    warmup_steps: int = _warmup()
    hold_steps: int = count("length of the hold", 0)
    decay_steps: int = count("length of the decay", 0, span=(1, 40))
    phase_ratio: tuple[float, ...] | None = declare(SharesKind("r", "", "the three lengths as shares"), None)
    init_lr_scale: float = number("a", "", "where the warmup starts, as a share", default=0.01, ge=0, span=(0.001, 0.1))
    final_lr_scale: float = number("b", "", "the end, as a share", default=0.01, gt=0, span=(0.001, 0.1))
    max_update: float = number("T", "updates", "the end of the run, of which the ratios are", default=0.0, ge=0)
    lr: float = _rates()

    def check(self) -> None:
        if self.phase_ratio is not None:
            self._check_ratio(self.phase_ratio)
        if not self._lengths[2]:
            raise ParameterError("TriStageLRSchedule.decay_steps must be >= 1 updates, got 0; fairseq divides by it")

    def _check_ratio(self, ratio: tuple[float, ...]) -> None:
        if len(ratio) != 3 or sum(ratio) != 1:
            raise ParameterError(
                f"TriStageLRSchedule.phase_ratio must be three shares that add up to exactly 1, got {list(ratio)} "
                f"with sum {sum(ratio)!r}"
            )
        if not self.max_update > 0:
            raise ParameterError("TriStageLRSchedule.max_update must be > 0 updates with phase_ratio, got 0")

    @property
    def _lengths(self) -> tuple[int, int, int]:
        if self.phase_ratio is None:
            return self.warmup_steps, self.hold_steps, self.decay_steps
        warmup, hold, decay = (int(self.max_update * share) for share in self.phase_ratio)
        return warmup, hold, decay

    def meaning(self) -> Schedule:
        warmup, hold, decay = self._lengths
        stages = (
            Linear(self.init_lr_scale, 1.0, warmup) >> Constant(1.0, hold) >> Geometric(1.0, self.final_lr_scale, decay)
        )
        return self.lr * stages

    def quirks(self, run: int) -> Iterator[Finding]:
        whole = sum(self._lengths)
        if self.phase_ratio is not None and whole < int(self.max_update):
            evidence = {"stages": whole, "max_update": self.max_update}
            yield Finding("stages cut off", "note", evidence, "fairseq cuts each stage off to whole updates.")


class StepLRSchedule(Dialect):
    """fairseq's `step`: a linear warmup, then times `lr_decay` every `lr_deacy_period` updates (so spelt), not below
    `min_lr`.

    >>> StepLRSchedule(2, lr=1.0, min_lr=0.2, lr_deacy_period=2)([0, 1, 2, 4, 6, 8]).round(3)
    array([0.2 , 0.6 , 1.  , 0.5 , 0.25, 0.2 ])
    """

    conventions = Conventions("step", "t/W", "t >= b", "per cycle", "clipped", "continues")
    warmup_updates: int = _warmup()
    warmup_init_lr: float = _initial()
    lr: float | tuple[float, ...] = _rates(several=True)
    min_lr: float = number("b", "rate", "the lowest rate", default=0.0, ge=0, span=(0.001, 0.05))
    lr_deacy_period: int = count("how long each stair is", 25000, least=1)
    lr_decay: float = number(
        "\\gamma", "", "what each stair is multiplied by", default=0.5, gt=0, le=1, span=(0.1, 0.9)
    )

    @property
    def _peak(self) -> float:
        return _listed(self.lr)[0]

    def check(self) -> None:
        if not self._peak > self.min_lr:
            raise ParameterError(f"StepLRSchedule.lr must be > min_lr of {self.min_lr} rate, got {self._peak}")

    @property
    def horizon(self) -> int | None:
        return self.warmup_updates + self.lr_deacy_period

    def meaning(self) -> Schedule:
        start = self.min_lr if self.warmup_init_lr < 0 else self.warmup_init_lr
        stairs = Step(self._peak, self.lr_decay, self.lr_deacy_period).clip(self.min_lr)
        return Linear(start, self._peak, self.warmup_updates) >> stairs


@dataclasses.dataclass(eq=False, repr=False)
class PlanKind(Kind):
    """A mapping from "3", "3,5" or "3-5" to a rate, or its text; stored as a mapping from text to rates."""

    def read(self, value: Any) -> Any:
        try:
            data = ast.literal_eval(value.replace(" ", "")) if isinstance(value, str) else value
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            data = None
        if not isinstance(data, Mapping):
            raise ValueError(f"be a mapping such as {{'1-3': 0.1, '4': 0.01}}, or its text, got {shorten(value)}")
        plan = {str(key).replace(" ", ""): Number("", "rate", "", ge=0).read(rate) for key, rate in data.items()}
        for key in plan:
            _places(key)
        return FrozenDict(plan)

    def draw(self, rng: random.Random) -> Any:
        return {str(rng.randint(1, 12)): rng.uniform(0.1, 1.0) for _ in range(rng.randint(0, 3))}


def _places(key: str) -> list[int]:
    """The epochs or updates that a key names."""
    try:
        if "," in key:
            return [int(part) for part in key.split(",")]
        first, *rest = key.split("-")
        places = range(int(first), int(rest[0] if rest else first) + 1)
    except ValueError:
        raise ValueError(f"have keys such as '3', '3,5' or '3-5', got {shorten(key)}") from None
    if len(places) > MOST_CYCLES:
        raise ValueError(f"name at most {MOST_CYCLES} places in a range, got {shorten(key)}")
    return list(places)


def _planned(plan: Mapping[str, float]) -> dict[int, float]:
    """Where each rate begins; a later entry overwrites an earlier one."""
    return {place: rate for key, rate in plan.items() for place in _places(key)}


class ManualSchedule(Dialect):
    """fairseq's `manual`: a rate for each named epoch and update, held until the next; updates speak over epochs.

    Before the first named one the rate is that of epoch 1, else that of update 1, else `lr`.

    >>> ManualSchedule({"1": 1.0, "3": 0.5}, {"5": 0.1}, updates_per_epoch=2)([0, 3, 4, 5, 9])
    array([1. , 1. , 0.5, 0.1, 0.1])
    """

    conventions = Conventions("piecewise constant", "", "t >= b", "whole")
    epoch2lr: FrozenDict = declare(PlanKind("", "", "from epochs, counted from 1, to rates"), "{}")
    update2lr: FrozenDict = declare(PlanKind("", "", "from updates to rates"), "{}")
    lr: float | tuple[float, ...] = _rates(several=True)
    updates_per_epoch: int = _epoch()

    def meaning(self) -> Schedule:
        epochs, updates = _planned(self.epoch2lr), _planned(self.update2lr)
        initial = epochs.get(1, updates.get(1, _listed(self.lr)[0]))
        changes = {0: initial}
        for epoch in sorted(epochs):
            changes[max(epoch - 1, 0) * self.updates_per_epoch] = epochs[epoch]
        if updates:  # from the first of them on nothing else is asked
            first = min(updates)
            changes = {update: rate for update, rate in changes.items() if update < first}
            changes |= {max(update, 0): updates[update] for update in sorted(updates)}
        places = sorted(changes)
        rates = [changes[place] for place in places]
        return PiecewiseConstant(rates, places[1:]) if places[1:] else Constant(rates[0])

    @property
    def horizon(self) -> int | None:
        updates = [*_planned(self.update2lr), *((e - 1) * self.updates_per_epoch for e in _planned(self.epoch2lr))]
        return max([*updates, 0])


class PassThroughScheduleSchedule(Dialect):
    """fairseq's `pass_through`: the schedule that the optimizer brings along, as it is.

    >>> PassThroughScheduleSchedule(Linear(1.0, 0.0, 4))([0, 2])
    array([1. , 0.5])
    """

    conventions = Conventions("as given")
    lr_scheduler: Schedule = schedule("the optimizer's own schedule")

    def meaning(self) -> Schedule:
        return self.lr_scheduler


@listener
def ReduceLROnPlateauLRSchedule(
    lr_shrink: float = 0.1,
    lr_threshold: float = 1e-4,
    lr_patience: int = 0,
    warmup_updates: int = 0,
    warmup_init_lr: float = -1.0,
    maximize_best_checkpoint_metric: bool = False,
    lr: float = 0.25,
) -> Rule:
    """fairseq's `reduce_lr_on_plateau`: torch's rule with a patience of 0, one report per epoch.

    >>> rule = ReduceLROnPlateauLRSchedule(lr_patience=2)
    >>> state, factors = rule.start(), []
    >>> for metric in [1.0] * 7:
    ...     state, factor = rule(state, metric)
    ...     factors.append(round(factor, 6))
    >>> factors
    [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01]
    """
    if warmup_updates > 0:
        raise ParameterError(
            "a rule multiplies a schedule and has no warmup of its own: give the warmup as the schedule, "
            f"Linear({max(warmup_init_lr, 0.0)}, {lr}, {warmup_updates}), and the rule its first report after it, as "
            "fairseq does, with warmup_updates=0 here"
        )
    mode = "max" if maximize_best_checkpoint_metric else "min"
    eps = min(1e-8 / lr, 0.1) if lr > 0 else None  # torch leaves out reductions of the rate, not of the factor
    return Plateau(factor=lr_shrink, patience=lr_patience, threshold=lr_threshold, mode=mode, eps=eps)


__all__ = [
    "CosineLRSchedule",
    "FixedLRSchedule",
    "InverseSquareRootSchedule",
    "ManualSchedule",
    "PassThroughScheduleSchedule",
    "PolynomialDecayLRSchedule",
    "ReduceLROnPlateauLRSchedule",
    "StepLRSchedule",
    "TriStageLRSchedule",
    "TriangularLRSchedule",
]
