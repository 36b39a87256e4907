"""Torch's schedulers made of schedulers: in closed form where there is one, otherwise played and recorded."""

from __future__ import annotations

import dataclasses
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from ...clock import FOREVER, Clock
from ...errors import ParameterError, UnboundError
from ...feedback import Rule
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import Constant, Interpolation
from ...spec import declare, draw, shorten
from ..conventions import Conventions
from ..dialect import Dialect
from ..fields import SchedulesKind, base_rate, count, counts
from ..quirks import past_end
from .replay import PLAYERS, Chained, Recording, Sequential, record
from .schedulers import (
    SWALR,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    StepLR,
    moved_momentum,
)

_MULTIPLYING = (StepLR, MultiStepLR, ConstantLR, LinearLR, ExponentialLR, PolynomialLR, MultiplicativeLR)
"""These only multiply the current rate."""

_OVERWRITING = (LambdaLR, CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR)
"""These do not care what the current rate is."""

_UNENTERED = (MultiplicativeLR, SWALR, OneCycleLR)
"""Entered at a milestone these do not begin where they would alone."""


@dataclasses.dataclass(eq=False, repr=False)
class SchedulersKind(SchedulesKind):
    """Schedulers of this module that share an optimizer."""

    def read(self, value: Any) -> Any:
        for index, item in enumerate(value if isinstance(value, (list, tuple)) else ()):
            if isinstance(item, Rule):
                raise ValueError(
                    f"hold schedulers that need no metric, got {shorten(item)} at index {index}: torch refuses it too; "
                    "a rule multiplies a schedule: learnrate.torch.attach(optimizer, lr=schedule, feedback=rule)"
                )
        for index, item in enumerate(super().read(value)):
            if type(item) not in PLAYERS:
                raise ValueError(f"hold schedulers of learnrate.interop.torch, got {shorten(item)} at index {index}")
        return tuple(value)

    def draw(self, rng: random.Random) -> Any:
        kinds = (LinearLR, ExponentialLR, StepLR, PolynomialLR, CosineAnnealingLR)
        return tuple(draw(rng.choice(kinds), rng).replace(lr=1.0) for _ in range(rng.randint(2, 3)))


def _schedulers(help: str) -> Any:
    return declare(SchedulersKind("", "", help))


class SequentialLR(Dialect):
    """One scheduler after another, each from its milestone on, counted from there.

    The schedulers are given without `lr` (or with this one's): they share the optimizer, whose base rate is `lr`. Most
    sequences have a closed form. With a later `MultiplicativeLR` or `SWALR`, a `OneCycleLR` or a composition there is
    none: it is then played once and recorded, up to `updates` or to where the last scheduler ends.

    >>> SequentialLR([LinearLR(0.25, total_iters=4), CosineAnnealingLR(8)], [4])([0, 1, 4, 8, 12])
    array([0.25  , 0.4375, 1.    , 0.5   , 0.    ])
    """

    conventions = Conventions("sequence", warmup="t/W", boundary="t >= b", horizon="after warmup", past="continues")
    schedulers: Sequence[Dialect] = _schedulers("the schedulers, in order")
    milestones: Sequence[int] = counts("where the next one takes over", empty=True)
    updates: int | None = count("how many updates are recorded where there is no closed form", None)
    lr: float = base_rate()

    def check(self) -> None:
        _share_rate(self)
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ParameterError(
                f"SequentialLR needs one milestone fewer than schedulers, got {len(self.milestones)} milestones and "
                f"{len(self.schedulers)} schedulers"
            )
        if list(self.milestones) != sorted(self.milestones):
            raise ParameterError(f"SequentialLR.milestones must not fall (updates), got {list(self.milestones)}")

    @property
    def horizon(self) -> int | None:
        end = self.schedulers[-1].horizon
        return _until(self, None if end is None else (self.milestones[-1] if self.milestones else 0) + end)

    @cached_property
    def speaking(self) -> list[tuple[int, Dialect]]:
        """The schedulers that speak, and from when; what lies between equal milestones never does."""
        starts = [0, *self.milestones]
        ends = [*self.milestones, FOREVER]
        return [(start, s) for start, end, s in zip(starts, ends, self.schedulers, strict=True) if start < end]

    @cached_property
    def closed(self) -> bool:
        """Whether every scheduler does what it would alone."""
        kinds = [type(scheduler) for scheduler in self.schedulers]
        if OneCycleLR in kinds or SequentialLR in kinds or ChainedScheduler in kinds or kinds.count(SWALR) > 1:
            return False
        moving = [s for s in self.schedulers if isinstance(s, CyclicLR) and s.cycle_momentum]
        _, *later = self.speaking
        return len(moving) <= 1 and not any(
            isinstance(scheduler, _UNENTERED) or getattr(scheduler, "total_iters", 1) == 0 for _, scheduler in later
        )

    @property
    def initial(self) -> float:
        """The base rate: a `CyclicLR` that is constructed first puts its own in the place of the optimizer's."""
        first = self.schedulers[0]
        return first.base_lr if isinstance(first, CyclicLR) else self.lr

    @cached_property
    def recording(self) -> Recording:
        """What torch computes, played once."""
        played = record(self, self.lr, _recorded(self))
        if self.milestones and len(played.rates) <= self.milestones[-1]:
            raise ParameterError(
                f"a OneCycleLR is stepped past its end at update {len(played.rates)}, before the milestone at "
                f"{self.milestones[-1]}; torch raises there: give it more total_steps"
            )
        return played

    def meaning(self) -> Schedule:
        if not self.closed:
            return _curve(self.recording.rates)
        alone = [(start, _based(scheduler, self.initial).algebra) for start, scheduler in self.speaking]
        (_, joined), *others = reversed(alone)
        if joined.length == 0:  # in a chain it would vanish
            joined = Constant(float(joined(0)))
        after = self.speaking[-1][0]
        for start, part in others:
            joined = part.cut(after - start) >> joined
            after = start
        return joined

    @property
    def momentum(self) -> Schedule | None:
        """The momentum, or beta1, that a `CyclicLR` or `OneCycleLR` moves; None when none does."""
        if not self.closed:
            return _curve(self.recording.momentum) if self.recording.momentum else None
        for index, scheduler in enumerate(self.schedulers):
            if isinstance(scheduler, CyclicLR) and scheduler.momentum is not None:
                start, end = ([0, *self.milestones][index], [*self.milestones, FOREVER][index])
                held = scheduler.momentum.delay(start)
                return held if end == FOREVER else held.cut(max(int(end) - 1, 0))
        return None

    def _demand(self) -> str:
        return _demand_of(self)

    def _extent(self, clock: Clock) -> int | None:
        return int(self.length) if self.bound and self.length < FOREVER else None

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.horizon is not None:
            yield from past_end(self, self.horizon, run, "The last scheduler goes on after its end; stop there.")
        yield from _moved(self)
        yield from _floors(self)
        if self.closed:
            if self.initial != self.lr:
                yield _rebased(self.lr, self.initial, "CyclicLR")
            return
        if self.recording.initial != self.lr:
            yield _rebased(self.lr, self.recording.initial, "OneCycleLR or CyclicLR")
        yield _recorded_finding(self, run)
        yield from self._joints(run)

    def _joints(self, run: int) -> Iterator[Finding]:
        """What goes wrong where a scheduler takes over."""
        first = self.schedulers[bisect_right(self.milestones, 0)]
        if isinstance(first, SequentialLR) and first.milestones and run > first.milestones[0]:
            early = {"milestone": first.milestones[0], "switches at": first.milestones[0] - 1}
            advice = "A nested SequentialLR begins twice; give its schedulers to the outer one."
            yield Finding("one update early", "warning", early, advice)
        for start, scheduler in self.speaking[1:]:
            if isinstance(scheduler, (MultiplicativeLR, SWALR)) and start < run:
                evidence = {"update": start, "rate before": float(self(start - 1)), "rate there": float(self(start))}
                name = type(scheduler).__name__
                yield Finding("keeps the rate", "warning", evidence, f"{name} goes on from the rate it finds.")


class ChainedScheduler(Dialect):
    """Several schedulers that step together, in order, each changing the rate that the one before left.

    The schedulers are given without `lr` (or with this one's). Those that only multiply make a product; a `LambdaLR` or
    `CosineAnnealingWarmRestarts` at the end overwrites the others. Everything else has no closed form: it is played
    once and recorded, up to `updates` or to where the longest of the schedulers ends.

    >>> ChainedScheduler([ConstantLR(0.5, total_iters=2), ExponentialLR(0.9)])([0, 1, 2]).round(12)
    array([0.5 , 0.45, 0.81])
    """

    conventions = Conventions("product", horizon="whole", past="continues")
    schedulers: Sequence[Dialect] = _schedulers("the schedulers, in order")
    updates: int | None = count("how many updates are recorded where there is no closed form", None)
    lr: float = base_rate()

    def check(self) -> None:
        _share_rate(self)

    @property
    def horizon(self) -> int | None:
        named = [scheduler.horizon for scheduler in self.schedulers]
        return _until(self, max((end for end in named if end is not None), default=None))

    @cached_property
    def closed(self) -> bool:
        """Whether it is a product, or its last scheduler alone."""
        if len(self.schedulers) == 1 and not isinstance(self.schedulers[0], (SequentialLR, ChainedScheduler)):
            return True
        if all(isinstance(scheduler, _MULTIPLYING) for scheduler in self.schedulers):
            return True
        overwritten = isinstance(self.schedulers[-1], (LambdaLR, CosineAnnealingWarmRestarts))
        return overwritten and not any(
            isinstance(scheduler, (CyclicLR, OneCycleLR, SequentialLR, ChainedScheduler))
            for scheduler in self.schedulers
        )

    @cached_property
    def recording(self) -> Recording:
        """What torch computes, played once."""
        return record(self, self.lr, _recorded(self))

    def meaning(self) -> Schedule:
        if not self.closed:
            return _curve(self.recording.rates)
        *others, last = self.schedulers
        product = _based(last, self.lr).algebra
        if isinstance(last, _OVERWRITING):
            return product
        for scheduler in reversed(others):
            product = scheduler.algebra * product
        return product

    @property
    def momentum(self) -> Schedule | None:
        """The momentum, or beta1, that a `CyclicLR` or `OneCycleLR` moves; None when none does."""
        if not self.closed:
            return _curve(self.recording.momentum) if self.recording.momentum else None
        last = self.schedulers[-1]
        return last.momentum if isinstance(last, (CyclicLR, OneCycleLR)) else None

    def _demand(self) -> str:
        return _demand_of(self)

    def _extent(self, clock: Clock) -> int | None:
        return int(self.length) if self.bound and self.length < FOREVER else None

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.horizon is not None:
            yield from past_end(self, self.horizon, run, "It goes on after the end; stop there.")
        yield from _moved(self)
        yield from _floors(self)
        yield from self._overwritten()
        if self.closed:
            return
        if self.recording.initial != self.lr:
            yield _rebased(self.lr, self.recording.initial, "OneCycleLR or CyclicLR")
        yield _recorded_finding(self, run)
        floors = [getattr(scheduler, "eta_min", 0.0) for scheduler in self.schedulers]
        if any(floors) and len(floors) > 1:
            yield Finding("no product", "note", {"floor": max(floors)}, "With eta_min the rates do not multiply.")

    def _overwritten(self) -> Iterator[Finding]:
        """A scheduler that overwrites the rate, and all before it do nothing."""
        places = [index for index, scheduler in enumerate(self.schedulers) if isinstance(scheduler, _OVERWRITING)]
        if places and places[-1] > 0:
            name = type(self.schedulers[places[-1]]).__name__
            advice = f"{name} overwrites the rate, so that those before it change nothing; put it first, and alone."
            yield Finding("overwritten", "warning", {"schedulers without effect": places[-1]}, advice)


PLAYERS.update({SequentialLR: Sequential, ChainedScheduler: Chained})


def _share_rate(composition: Any) -> None:
    """The schedulers share the optimizer's rate: they are kept without one of their own."""
    own = []
    for index, scheduler in enumerate(composition.schedulers):
        if "lr" not in scheduler.kinds:
            own.append(scheduler)
        elif scheduler.lr in (1.0, composition.lr):
            own.append(scheduler if scheduler.lr == 1.0 else scheduler.replace(lr=1.0))
        else:
            raise ParameterError(
                f"{type(composition).__name__}.schedulers share the base rate lr={composition.lr}, got "
                f"lr={scheduler.lr} at index {index}; leave it out there"
            )
    composition.__dict__["schedulers"] = tuple(own)


def _based(scheduler: Dialect, rate: float) -> Dialect:
    return scheduler.replace(lr=rate) if "lr" in scheduler.kinds else scheduler


def _recorded(composition: Any) -> int:
    """How many updates are played."""
    if composition.updates is None and composition.horizon is None:
        name = composition.full_name()
        raise UnboundError(
            f"{name} has no closed form here, and nothing in it names an end: say how many updates to record, "
            f"{name}(..., updates=...) or .over(total)"
        )
    return int(composition.horizon if composition.updates is None else composition.updates)


def _until(composition: Any, end: int | None) -> int | None:
    """Where the schedulers end, or the recording where that is shorter or nothing in them names an end."""
    if composition.updates is None or composition.closed:
        return end
    return int(composition.updates) if end is None else min(end, int(composition.updates))


def _curve(values: Sequence[float]) -> Schedule:
    return Interpolation(range(len(values)), values)


def _demand_of(composition: Any) -> str:
    """Bound, what its meaning says; what waits for `updates` takes the rest."""
    return composition.algebra.demand if composition.bound else "rest"


def _moved(composition: Any) -> Iterator[Finding]:
    """The momentum that one of the schedulers moves."""
    if composition.momentum is not None:
        values = composition.momentum.curve(composition.horizon or 1000)
        yield from moved_momentum(float(values.min()), float(values.max()))


def _floors(composition: Any) -> Iterator[Finding]:
    """The floors of the schedulers are rates, and one of them lies above the base rate."""
    floor = max(getattr(scheduler, "eta_min", 0.0) for scheduler in composition.schedulers)
    if floor > composition.lr:
        evidence = {"eta_min": floor, "lr": composition.lr}
        yield Finding("floor above the rate", "error", evidence, "The decay rises to its floor; lower eta_min.")


def _recorded_finding(composition: Any, run: int) -> Finding:
    evidence = {"recorded": len(composition.recording.rates) - 1, "run": run}
    advice = "There is no closed form: torch's arithmetic was played once, and after that the last rate is held."
    return Finding("recorded", "note", evidence, advice)


def _rebased(rate: float, used: float, name: str) -> Finding:
    evidence = {"base rate": rate, "used instead": used}
    advice = f"{name} overwrites the base rate of the optimizer, for the other schedulers too."
    return Finding("base rate overwritten", "warning", evidence, advice)


__all__ = ["ChainedScheduler", "SequentialLR"]
