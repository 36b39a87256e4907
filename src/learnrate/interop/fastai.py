"""fastai.callback.schedule: functions of progress; update k of a run of N is asked at k / N, which never is 1.

The annealers take the run as `num_updates`; left at 1, they are the functions of progress themselves, and so can be
parts of `combine_scheds`. The `fit_` names are the methods of `Learner`, whose rate is `lr`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from ..errors import ParameterError
from ..findings import Finding
from ..schedule import Schedule
from ..schedules import Constant, Cosine, Geometric
from ..spec import Number, Numbers, declare, number, numbers, shorten
from .conventions import Conventions
from .dialect import Dialect
from .fields import LARGEST, base_rate, count, schedules
from .progress import Line, Power, Spliced, growth, run_of
from .quirks import misses_peak, of_parts, past_end

ADVICE = "fastai asks for no progress of 1 or more; make num_updates the length of the run."


def _value(help: str, **rules: Any) -> Any:
    return number("a", "rate", help, **{"span": (1e-4, 1.0)} | rules)


def _run() -> Any:
    return count("the updates of the run", 1, least=1)


def _share(default: Any) -> Any:
    return number("p", "", "the share of the run before the peak ends", default=default, gt=0, lt=1, span=(0.1, 0.9))


def _epochs(help: str, span: tuple[int, int], **rules: Any) -> Any:
    return number("n", "epochs", help, **{"ge": 1, "le": LARGEST, "whole": True, "span": span} | rules)


def _batches() -> Any:
    return count("the updates of one epoch", 1, least=1, span=(1, 8))


def _skipped() -> Any:
    return _epochs("the epoch to start with", (0, 2), ge=0, default=0)


MOMENTA = (0.95, 0.85, 0.95)
"""The `moms` of a Learner that was given none."""


@dataclasses.dataclass(eq=False, repr=False)
class _Rate(Number):
    """A rate; `otherwise` when it is None."""

    otherwise: float | None = None

    def read(self, value: Any) -> float | int | None:
        if isinstance(value, slice):
            raise ValueError(
                f"be one rate, got {shorten(value)}, which gives every param group its own; "
                "make one schedule per group: .start is the rate of the first, .stop that of the last"
            )
        return self.otherwise if value is None else super().read(value)

    def draw(self, rng: random.Random) -> Any:
        return Number.draw(Number(self.symbol, self.unit, self.help, optional=self.optional, ge=0, span=self.span), rng)


def _peak() -> Any:
    return declare(_Rate("\\eta", "rate", "the peak; the Learner's rate if left out", optional=True, ge=0), None)


def _flat() -> Any:
    return declare(_Rate("\\eta", "rate", "the Learner's rate", ge=0, span=(1e-4, 1.0), otherwise=0.001), 0.001)


@dataclasses.dataclass(eq=False, repr=False)
class _Momenta(Numbers):
    """Three numbers; the Learner's for None."""

    def read(self, value: Any) -> tuple[float | int, ...]:
        read = MOMENTA if value is None else super().read(value)
        if len(read) != 3:
            raise ValueError(f"be 3 numbers, got {len(read)}")
        return read

    def draw(self, rng: random.Random) -> tuple[float | int, ...]:
        return tuple(rng.uniform(0.5, 0.99) for _ in range(3))


def _momenta() -> Any:
    each = Number("m", "", "", ge=0, le=1, span=(0.5, 0.99))
    return declare(
        _Momenta("m", "", "momentum at the start, the peak and the end; the Learner's if None", each), MOMENTA
    )


class SchedLin(Dialect):
    """fastai SchedLin: a straight line, which goes on past its end.

    >>> SchedLin(1.0, 0.0, 10)([0, 9, 10, 15])
    array([ 1. ,  0.1,  0. , -0.5])
    """

    conventions = Conventions("linear", horizon="whole", floor="rate", past="negative")
    start: float = _value("the value at t = 0")
    end: float = _value("the value at the end")
    num_updates: int = _run()

    def meaning(self) -> Schedule:
        return Line(self.start, self.end, self.num_updates)

    @property
    def horizon(self) -> int:
        return self.num_updates

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from past_end(self, self.horizon, run, ADVICE)


class SchedCos(Dialect):
    """fastai SchedCos: half a cosine, which comes back past its end.

    >>> SchedCos(1.0, 0.1, 10)([0, 5, 9, 10, 11, 15, 20]).round(3)
    array([1.   , 0.55 , 0.122, 0.1  , 0.122, 0.55 , 1.   ])
    """

    conventions = Conventions("cosine", horizon="whole", floor="rate", past="bounces")
    start: float = _value("the value at t = 0")
    end: float = _value("the value at the end")
    num_updates: int = _run()

    def meaning(self) -> Schedule:
        return Cosine(self.start, self.end, self.num_updates).mirror().repeat()

    @property
    def horizon(self) -> int:
        return self.num_updates

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from past_end(self, self.horizon, run, ADVICE)


class SchedNo(Dialect):
    """fastai SchedNo: `start` all the time; `end` is not used.

    >>> SchedNo(1.0, 0.1, 10)([0, 10])
    array([1., 1.])
    """

    conventions = Conventions("constant", horizon="whole")
    start: float = _value("the value")
    end: float = _value("not used")
    num_updates: int = _run()

    def meaning(self) -> Schedule:
        return Constant(self.start, self.num_updates)


class SchedExp(Dialect):
    """fastai SchedExp: from start to end in equal ratios, and on past the end.

    >>> SchedExp(1.0, 0.01, 10)([0, 5, 10, 15]).round(6)
    array([1.   , 0.1  , 0.01 , 0.001])
    """

    conventions = Conventions("exponential", horizon="whole", past="continues")
    start: float = _value("the value at t = 0", gt=0)
    end: float = _value("the value at the end", ge=0)
    num_updates: int = _run()

    def meaning(self) -> Schedule:
        return growth(self.start, self.end / self.start, self.num_updates)

    @property
    def horizon(self) -> int:
        return self.num_updates

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from past_end(self, self.horizon, run, ADVICE)


class SchedPoly(Dialect):
    """fastai SchedPoly: `start + (end - start) * progress ** power`: slow at first, where other libraries are fast.

    >>> SchedPoly(1.0, 0.1, 2.0, 10)([0, 5, 10, 15])
    array([ 1.   ,  0.775,  0.1  , -1.025])
    """

    conventions = Conventions("polynomial", horizon="whole", floor="rate", past="negative")
    start: float = _value("the value at t = 0")
    end: float = _value("the value at the end")
    power: float = number("p", "", "the power of progress", ge=0, le=100, span=(0.3, 3))
    num_updates: int = _run()

    def meaning(self) -> Schedule:
        return Power(self.start, self.end - self.start, self.power, self.num_updates)

    @property
    def horizon(self) -> int:
        return self.num_updates

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from past_end(self, self.horizon, run, ADVICE)


class combine_scheds(Dialect):
    """fastai combine_scheds: functions of progress in turn, each whole in its share of the run.

    >>> combine_scheds([0.3, 0.7], [SchedCos(0.04, 1.0), SchedCos(1.0, 1e-5)], 10)([0, 1, 2, 3, 9]).round(4)
    array([0.04  , 0.28  , 0.76  , 1.    , 0.0495])
    """

    conventions = Conventions("sequence", boundary="t >= b", horizon="whole", past="continues")
    pcts: Sequence[float] = numbers("p", "", "the share of the run of each", ge=0, le=1)
    scheds: Sequence[Schedule] = schedules("the functions of progress, in order")
    num_updates: int = _run()

    def check(self) -> None:
        if len(self.pcts) != len(self.scheds):
            raise ParameterError(f"combine_scheds.pcts must be {len(self.scheds)}, one per sched, got {len(self.pcts)}")
        if abs(sum(self.pcts) - 1) > 1e-9:
            raise ParameterError(f"combine_scheds.pcts must sum to 1, got {sum(self.pcts)}")
        for sched in self.scheds:
            run_of(sched)

    def meaning(self) -> Schedule:
        ends = list(accumulate(self.pcts))
        kept = [index for index, share in enumerate(self.pcts) if share > 0]  # an empty share never speaks
        return Spliced(
            schedulers=[self.scheds[index] for index in kept],
            edges=[ends[index - 1] if index else 0.0 for index in kept],
            origins=[ends[index - 1] if index else 0.0 for index in kept],
            widths=[self.pcts[index] for index in kept],
            updates=self.num_updates,
        )

    @property
    def horizon(self) -> int:
        return self.num_updates

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from past_end(self, self.horizon, run, ADVICE)


class combined_cos(Dialect):
    """fastai combined_cos: half a cosine from start to middle, another from middle to end.

    >>> combined_cos(0.5, 0.0, 1.0, 0.0, 4)([0, 1, 2, 3])
    array([0. , 0.5, 1. , 0.5])
    """

    conventions = Conventions("one cycle", warmup="other", horizon="whole", floor="rate", past="bounces")
    pct: float = number("p", "", "the share of the first half cosine", ge=0, le=1, span=(0.1, 0.9))
    start: float = _value("the value at t = 0")
    middle: float = _value("the value between")
    end: float = _value("the value at the end")
    num_updates: int = _run()

    def meaning(self) -> Schedule:
        halves = [SchedCos(self.start, self.middle), SchedCos(self.middle, self.end)]
        return combine_scheds([self.pct, 1 - self.pct], halves, self.num_updates)

    @property
    def horizon(self) -> int:
        return self.num_updates

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _between(self, run)
        yield from past_end(self, self.horizon, run, ADVICE)


def _between(cycle: combined_cos, run: int) -> Iterator[Finding]:
    """A peak that lies between two updates of the run that it is made for."""
    if run > 0 and cycle.num_updates > 1 and cycle.middle > max(cycle.start, cycle.end):
        advice = "The peak lies between two updates; make its share of the run a whole number of updates."
        # of that run every update is asked for, its end is not
        yield from misses_peak(cycle.meaning().cut(cycle.num_updates), cycle.middle, cycle.num_updates, advice)


def _fitted(curve: Schedule, updates: int, skipped: int = 0) -> Schedule:
    """A run of `Learner.fit`, which ends: past it ours keeps the rate that progress 1 would have."""
    return curve.cut(updates).skip(min(skipped, updates))


class fit_one_cycle(Dialect):
    """fastai Learner.fit_one_cycle: half a cosine up to `lr_max`, half a cosine down; `.momentum` goes the other way.

    The last update stops short of the end, `lr_max / div_final`.

    >>> fit_one_cycle(10, 1.0, pct_start=0.3)([0, 1, 2, 3, 9]).round(4)
    array([0.04  , 0.28  , 0.76  , 1.    , 0.0495])
    """

    conventions = Conventions("one cycle", warmup="other", horizon="whole", floor="ratio")
    n_epoch: int = _epochs("the epochs of the run", (1, 8))
    lr_max: float | None = _peak()
    div: float = number("d", "", "the peak over the start", default=25.0, gt=0, span=(2, 50))
    div_final: float = number("D", "", "the peak over the end", default=1e5, gt=0, span=(10, 1e5))
    pct_start: float = _share(0.25)
    moms: Sequence[float] = _momenta()
    start_epoch: int = _skipped()
    updates_per_epoch: int = _batches()
    lr: float = base_rate(0.001)

    def _over(self, start: float, middle: float, end: float) -> combined_cos:
        return combined_cos(self.pct_start, start, middle, end, self.n_epoch * self.updates_per_epoch)

    def _from_start(self, curve: combined_cos) -> Schedule:
        return _fitted(curve, curve.num_updates, self.start_epoch * self.updates_per_epoch)

    @property
    def _cycle(self) -> combined_cos:
        peak = self.lr if self.lr_max is None else self.lr_max
        return self._over(peak / self.div, peak, peak / self.div_final)

    def meaning(self) -> Schedule:
        return self._from_start(self._cycle)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _between(self._cycle, run)

    @property
    def momentum(self) -> Schedule:
        """The momentum (or beta1) of every update."""
        return self._from_start(self._over(*self.moms))


class fit_flat_cos(Dialect):
    """fastai Learner.fit_flat_cos: `lr` for a share of the run, then half a cosine down.

    It ignores `start_epoch`: the library always begins with epoch 0.

    >>> fit_flat_cos(8, 1.0)([0, 6, 7]).round(4)
    array([1. , 1. , 0.5])
    """

    conventions = Conventions("warmup-stable-decay", horizon="whole", floor="ratio")
    n_epoch: int = _epochs("the epochs of the run", (1, 8))
    lr: float = _flat()
    div_final: float = number("D", "", "the rate over the end", default=1e5, gt=0, span=(10, 1e5))
    pct_start: float = _share(0.75)
    start_epoch: int = _skipped()
    updates_per_epoch: int = _batches()

    def meaning(self) -> Schedule:
        updates = self.n_epoch * self.updates_per_epoch
        return _fitted(combined_cos(self.pct_start, self.lr, self.lr, self.lr / self.div_final, updates), updates)

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.start_epoch:
            evidence = {"start_epoch": self.start_epoch, "starts with epoch": 0}
            yield Finding("argument without effect", "warning", evidence, "fit_flat_cos always starts with epoch 0.")


class fit_sgdr(Dialect):
    """fastai Learner.fit_sgdr: `n_cycles` half cosines down to 0, each `cycle_mult` times as long as the one before.

    `cycle_mult=1` divides by zero in the library.

    >>> fit_sgdr(2, 4, 1.0)([3, 4, 5, 11, 12]).round(3)
    array([0.146, 1.   , 0.962, 0.038, 0.   ])
    """

    conventions = Conventions("cosine restarts", horizon="per cycle")
    n_cycles: int = number("n", "cycles", "how many cycles", ge=1, le=50, whole=True, span=(1, 3))
    cycle_len: int = _epochs("the epochs of the first cycle", (1, 4))
    lr_max: float | None = _peak()
    cycle_mult: int = number(
        "m", "", "each cycle's length over the one before", default=2, ge=2, le=1000, whole=True, span=(2, 3)
    )
    start_epoch: int = _skipped()
    updates_per_epoch: int = _batches()
    lr: float = base_rate(0.001)

    def meaning(self) -> Schedule:
        peak = self.lr if self.lr_max is None else self.lr_max
        cycles = Cosine(peak, 0.0, self.cycle_len * self.updates_per_epoch).repeat(self.n_cycles, self.cycle_mult)
        return cycles.skip(min(self.start_epoch * self.updates_per_epoch, int(cycles.length)))


class fine_tune(Dialect):
    """fastai Learner.fine_tune, as the last param group has it: a cycle while the body is frozen, one at half the peak.

    The group of the earliest layers has the second cycle at `1 / lr_mult` of these rates; all have `.momentum`.

    >>> fine_tune(2, 1.0, updates_per_epoch=10)([0, 9, 10, 16]).round(4)
    array([0.04  , 0.9806, 0.1   , 0.5   ])
    """

    conventions = Conventions("one cycle", warmup="other", horizon="after warmup", floor="ratio")
    epochs: int = _epochs("the epochs of the run", (1, 8))
    base_lr: float = number("\\eta", "rate", "the peak of the first cycle", default=2e-3, ge=0, span=(1e-4, 1.0))
    freeze_epochs: int = _epochs("the epochs of the first cycle", (1, 3), default=1)
    lr_mult: float = number("k", "", "the rate of the last group over the first's", default=100.0, gt=0, span=(10, 200))
    pct_start: float = _share(0.3)
    div: float = number("d", "", "the peak over the start, in the second cycle", default=5.0, gt=0, span=(2, 50))
    updates_per_epoch: int = _batches()
    div_final: float = number("D", "", "each peak over the end of its cycle", default=1e5, gt=0, span=(10, 1e5))
    moms: Sequence[float] = _momenta()
    start_epoch: int = _skipped()

    @property
    def _cycles(self) -> tuple[fit_one_cycle, fit_one_cycle]:
        """The frozen one and the main one; both get what the method hands on."""
        shared: dict[str, Any] = {
            "div_final": self.div_final,
            "moms": self.moms,
            "start_epoch": self.start_epoch,
            "updates_per_epoch": self.updates_per_epoch,
        }
        frozen = fit_one_cycle(self.freeze_epochs, self.base_lr, pct_start=0.99, **shared)
        return frozen, fit_one_cycle(self.epochs, self.base_lr / 2, self.div, pct_start=self.pct_start, **shared)

    def meaning(self) -> Schedule:
        frozen, main = self._cycles
        return frozen >> main

    @property
    def momentum(self) -> Schedule:
        """The momentum (or beta1) of every update."""
        frozen, main = self._cycles
        return frozen.momentum >> main.momentum

    def quirks(self, run: int) -> Iterator[Finding]:
        frozen, main = self._cycles
        first = int(frozen.length)
        yield from of_parts([(frozen, 0, first), (main, first, first + main.length)], run)


class lr_find(Dialect):
    """fastai Learner.lr_find: a range test of `num_it` updates, in equal ratios; fewer than 6 become 6.

    >>> lr_find(1e-4, 1.0, num_it=8)([0, 2, 4, 8])
    array([1.e-04, 1.e-03, 1.e-02, 1.e+00])
    """

    conventions = Conventions("range test", horizon="whole")
    start_lr: float = number("a", "rate", "the first rate", default=1e-7, gt=0, span=(1e-7, 1e-3))
    end_lr: float = number("b", "rate", "the rate after the last update", default=10.0, gt=0, span=(0.1, 10))
    num_it: int = count("how many updates", 100)

    def meaning(self) -> Schedule:
        return Geometric(self.start_lr, self.end_lr, max(self.num_it, 6))


__all__ = [
    "SchedCos",
    "SchedExp",
    "SchedLin",
    "SchedNo",
    "SchedPoly",
    "combine_scheds",
    "combined_cos",
    "fine_tune",
    "fit_flat_cos",
    "fit_one_cycle",
    "fit_sgdr",
    "lr_find",
]
