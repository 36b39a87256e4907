"""Torch's schedulers played together on one optimizer, the way torch computes: each changes the current rate.

A scheduler constructed on an optimizer, undone, stepped, or entered at a milestone does not do the same thing, and
several of them write into the param group that the others read. No formula is written twice: what a step multiplies by
is the ratio of two values of the scheduler's own closed form.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...schedule import Schedule
from ..dialect import Dialect
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
)

LONGEST = 1_000_000
"""The most updates that are played and recorded."""


class Over(Exception):
    """Torch raises here: a `OneCycleLR` is stepped past its end."""


@dataclasses.dataclass
class Group:
    """What torch keeps in the param group: the rate, and what schedulers write there and read again."""

    rate: float
    span: int
    initial: float | None = None
    cycle: Sequence[float] = ()
    momentum: float | None = None
    momenta: tuple[float, float] = (0.0, 0.0)
    swa: float = 0.0

    @property
    def base(self) -> float:
        """`initial_lr`, which the first scheduler writes."""
        if self.initial is None:
            self.initial = self.rate
        return self.initial


class Values:
    """A closed form at whole updates, computed at once up to the span of the recording."""

    def __init__(self, schedule: Schedule, span: int) -> None:
        self.schedule = schedule
        self.known = schedule(np.arange(span + 1)).tolist()

    def __call__(self, update: int) -> float:
        return float(self.known[update] if update < len(self.known) else self.schedule(update))


class Leaf:
    """One scheduler that is no composition. `epoch` is torch's `last_epoch`, `steps` its `_step_count`."""

    def __init__(self, scheduler: Any, group: Group) -> None:
        self.scheduler, self.group = scheduler, group
        self.prepare()
        self.base = group.base
        self.epoch = -1
        self.begin()
        self.made()

    def prepare(self) -> None:
        """What its constructor does before it reads the base rate."""

    def made(self) -> None:
        """What its constructor does last."""

    def begin(self) -> None:
        """Torch's `_initial_step`: at construction, and again by `SequentialLR` for the child it begins with."""
        self.steps = 1
        self.epoch += 1
        self.group.rate = self.first()

    def step(self) -> None:
        self.steps += 1
        self.epoch += 1
        self.group.rate = self.next() if self.epoch else self.again()

    def enter(self) -> None:
        """Torch's `_update_lr(0)`: what `SequentialLR` does at a milestone."""
        self.epoch = 0
        self.group.rate = self.entered()

    def undo(self) -> None:
        self.epoch -= 1

    def first(self) -> float:
        """The rate after `begin`."""
        raise NotImplementedError

    def next(self) -> float:
        """The rate after a step."""
        raise NotImplementedError

    def again(self) -> float:
        """The rate after a step to update 0, which a nested composition makes after it has begun."""
        return self.first()

    def entered(self) -> float:
        """The rate after `enter`."""
        return self.first()


class Multiplying(Leaf):
    """Torch multiplies the current rate by the ratio of two values of the closed form."""

    def prepare(self) -> None:
        self.factor = Values(self.scheduler, self.group.span)

    def first(self) -> float:
        return self.group.rate * self.factor(0)

    def next(self) -> float:
        before, now = self.factor(self.epoch - 1), self.factor(self.epoch)
        return self.group.rate * (1.0 if now == before else now / before if before else 0.0)

    def entered(self) -> float:
        kind = type(self.scheduler)
        if kind in (LinearLR, PolynomialLR, ConstantLR) and self.scheduler.total_iters == 0:
            if kind is not ConstantLR:
                raise ParameterError(f"torch divides by 0 where {self.scheduler!r} begins; leave it out")
            return self.base  # here, and only here, torch notices that it is over
        return self.base * self.factor(0)


class Stepping(Leaf):
    """`StepLR` and `MultiStepLR`, which multiply by the same factor at some updates; it may be 0."""

    def first(self) -> float:
        return float(self.group.rate * self.scheduler.gamma ** self.scheduler.drops(self.epoch))

    next = first

    def entered(self) -> float:
        return float(self.base * self.scheduler.gamma ** self.scheduler.drops(0))


class Shrinking(Multiplying):
    """`ExponentialLR`, which multiplies by the same factor always, and also when it begins again."""

    def next(self) -> float:
        return float(self.group.rate * self.scheduler(1) / self.scheduler(0))

    again = next


class Falling(Multiplying):
    """`PolynomialLR`, which begins again as if it had begun one update before."""

    def again(self) -> float:
        longer = self.scheduler.replace(total_iters=self.scheduler.total_iters + 1)
        if longer.total_iters == 1:
            raise ParameterError(f"torch divides by 0 when {self.scheduler!r} begins again; leave it out")
        return float(self.group.rate * longer(1))


class Keeping(Leaf):
    """`MultiplicativeLR`, which never reads the base rate: it goes on from wherever the rate is."""

    def first(self) -> float:
        return self.group.rate

    def next(self) -> float:
        return float(self.group.rate * self.scheduler.lr_lambda(self.epoch))

    again = entered = next


class Annealing(Leaf):
    """`CosineAnnealingLR`: the ratio applies above the floor; from the floor it rises by the base rate's own curve."""

    def prepare(self) -> None:
        self.share = Values(self.scheduler.replace(eta_min=0.0), self.group.span)

    def first(self) -> float:
        return self.group.rate

    def next(self) -> float:
        floor = self.scheduler.eta_min
        before, now = self.share(abs(self.epoch - 1)), self.share(self.epoch)
        if before == 0:
            return float(self.group.rate + (self.base - floor) * now)
        return float(now / before * (self.group.rate - floor) + floor)

    again = next

    def entered(self) -> float:
        return self.base


class Averaging(Leaf):
    """`SWALR`: as annealing, but it counts its steps, not the epoch, and the last one made sets the end for all."""

    def prepare(self) -> None:
        self.group.swa = self.scheduler.swa_lr
        self.share = Values(self.scheduler.replace(swa_lr=0.0), self.group.span)

    def next(self) -> float:
        made = self.steps - 1
        before, now = self.share(max(made - 1, 0)), self.share(made)
        end = self.group.swa
        return end if before == 0 else end + (self.group.rate - end) * now / before

    first = again = entered = next


class Overwriting(Leaf):
    """`LambdaLR`: the base rate times a function, whatever the current rate is."""

    def next(self) -> float:
        return float(self.base * self.scheduler.lr_lambda(self.epoch))

    first = again = entered = next


class Restarting(Leaf):
    """`CosineAnnealingWarmRestarts`, which counts apart from the epoch."""

    def prepare(self) -> None:
        self.share = Values(self.scheduler.replace(eta_min=0.0), self.group.span)

    def first(self) -> float:
        self.at = 0
        return self.entered()

    def next(self) -> float:
        self.at += 1
        return self.entered()

    def entered(self) -> float:
        floor = self.scheduler.eta_min
        return float(floor + (self.base - floor) * self.share(self.at))


class Cycling(Leaf):
    """`CyclicLR`: its own two rates; while it is made, the base rate of others stands for the lower one."""

    def prepare(self) -> None:
        self.rates = Values(self.scheduler, self.group.span)
        self.group.rate = self.scheduler.base_lr
        self.momenta = _momenta(self, self.scheduler.momentum)

    def made(self) -> None:
        self.group.rate = self.base

    def next(self) -> float:
        if self.momenta is not None:
            self.group.momentum = self.momenta(self.epoch)
        return self.rates(self.epoch)

    first = next


class CyclingOnce(Leaf):
    """`OneCycleLR`: it writes the base rate, the peak and the end into the group and reads them there."""

    def prepare(self) -> None:
        self.group.initial, *self.group.cycle = self.scheduler.rates
        _momenta(self, self.scheduler.momentum)
        self.known: dict[tuple[float, ...], Values] = {}

    def next(self) -> float:
        if self.epoch > self.scheduler.total or self.epoch > self.scheduler.length:
            raise Over
        if self.scheduler.cycle_momentum:
            high, low = self.group.momenta
            self.group.momentum = self._through(high, low, high)(self.epoch)
        return self._through(self.group.base, *self.group.cycle)(self.epoch)

    first = next

    def _through(self, *values: float) -> Values:
        if values not in self.known:
            self.known[values] = Values(self.scheduler.through(*values), self.group.span)
        return self.known[values]


def _momenta(leaf: Leaf, curve: Schedule | None) -> Values | None:
    """The curve of the momentum, whose bounds are written into the group where there is one."""
    if curve is None:
        return None
    leaf.group.momentum = leaf.scheduler.max_momentum
    leaf.group.momenta = (leaf.scheduler.max_momentum, leaf.scheduler.base_momentum)
    return Values(curve, leaf.group.span)


class Composed:
    """What both compositions are: they have no rate of their own."""

    def __init__(self, scheduler: Any, group: Group) -> None:
        self.scheduler, self.group = scheduler, group
        self.children = [player(child, group) for child in scheduler.schedulers]

    def enter(self) -> None:
        name = type(self.scheduler).__name__
        raise ParameterError(
            f"torch raises NotImplementedError where a {name} follows another scheduler; a composition may only come "
            "first: give its schedulers to the outer one"
        )

    def undo(self) -> None:
        for child in self.children:
            child.undo()


class Chained(Composed):
    """`ChainedScheduler`: every child steps, in order, on the same rate."""

    def step(self) -> None:
        for child in self.children:
            child.step()

    begin = step


class Sequential(Composed):
    """`SequentialLR`: it takes back what constructing its children did, and begins with the one that speaks first.

    Inside another `SequentialLR` it begins twice, and is one update ahead from then on.
    """

    def __init__(self, scheduler: Any, group: Group) -> None:
        super().__init__(scheduler, group)
        self.milestones = scheduler.milestones
        self.epoch = 0
        group.rate = group.base
        self.undo()
        self.children[bisect_right(self.milestones, 0)].begin()

    def step(self) -> None:
        self.epoch += 1
        index = bisect_right(self.milestones, self.epoch)
        if index and self.milestones[index - 1] == self.epoch:
            self.children[index].enter()
        else:
            self.children[index].step()

    begin = step


PLAYERS: dict[type[Dialect], Callable[[Any, Group], Any]] = {
    StepLR: Stepping,
    MultiStepLR: Stepping,
    ConstantLR: Multiplying,
    LinearLR: Multiplying,
    PolynomialLR: Falling,
    ExponentialLR: Shrinking,
    MultiplicativeLR: Keeping,
    CosineAnnealingLR: Annealing,
    SWALR: Averaging,
    LambdaLR: Overwriting,
    CosineAnnealingWarmRestarts: Restarting,
    CyclicLR: Cycling,
    OneCycleLR: CyclingOnce,
}
"""How each scheduler changes the rate; `composition` adds its own."""


def player(scheduler: Dialect, group: Group) -> Any:
    """The scheduler, constructed on the optimizer whose param group this is."""
    return PLAYERS[type(scheduler)](scheduler, group)


@dataclasses.dataclass(frozen=True)
class Recording:
    """The rates of updates 0 .. n, the momentum where it is changed, and `initial_lr` as the constructors left it."""

    rates: tuple[float, ...]
    momentum: tuple[float, ...] | None
    initial: float


def record(scheduler: Dialect, lr: float, updates: int) -> Recording:
    """A composition, played from update 0 to `updates`, or to where torch raises."""
    if updates > LONGEST:
        raise ParameterError(f"at most {LONGEST} updates are recorded, got {updates}; give updates=...")
    group = Group(lr, updates)
    played = player(scheduler, group)
    initial = group.base
    rates, momenta = [group.rate], [group.momentum]
    for _ in range(updates):
        try:
            played.step()
        except Over:
            break
        rates.append(group.rate)
        momenta.append(group.momentum)
    known = tuple(value for value in momenta if value is not None)
    return Recording(tuple(rates), known if len(known) == len(rates) else None, initial)


__all__ = ["LONGEST", "PLAYERS", "Recording", "player", "record"]
