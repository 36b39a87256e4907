"""The schedulers of pytorch_scheduler that are made of others, and live ones read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from itertools import pairwise
from operator import rshift
from typing import Any

from ...clock import FOREVER
from ...errors import ParameterError, UsageError
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import (
    Cosine,
    Linear,
    PowerDecay,
)
from ...spec import choice, shorten, unknown
from ..conventions import Conventions
from ..dialect import DIALECTS, Dialect
from ..fields import base_rate, count, counts, schedule, schedules
from ..hints import only
from ..quirks import of_parts
from ..reading import Reading


def _on(name: str, part: Schedule, lr: float) -> Schedule:
    """A scheduler of this library inside another: both work on one optimizer, and so have one base rate."""
    if not isinstance(part, Dialect) or not part.full_name().startswith("pytorch_scheduler."):
        raise ParameterError(
            f"{name} must be of pytorch_scheduler, got {shorten(part)}: others read the rate back; join schedules by >>"
        )
    if "lr" not in part.kinds or part.parameters()["lr"] == lr:
        return part
    if part.parameters()["lr"] != 1.0:
        raise ParameterError(f"{name} must have the lr of the whole, {lr}, or none; got {part.parameters()['lr']}")
    return part.replace(lr=lr)


class WarmupScheduler(Dialect):
    """pytorch_scheduler.WarmupScheduler: a rise from 0 to the base rate, then another of its schedulers from its start.

    "exponential" is the square of t / W. Where the other does not start at the base rate, the rate leaps at the join.

    >>> from learnrate.interop.pytorch_scheduler import LinearDecayScheduler
    >>> WarmupScheduler(LinearDecayScheduler(10), 4, "exponential")([0, 2, 4, 9])
    array([0.  , 0.25, 1.  , 0.5 ])
    """

    conventions = Conventions("warmup", warmup="t/W", horizon="after warmup")
    base_scheduler: Schedule = schedule("the schedule after the warmup")
    warmup_steps: int = count("length of the warmup", span=(0, 15))
    warmup_type: str = choice("s", "the curve of the rise", ("linear", "cosine", "exponential"), default="linear")
    lr: float = base_rate()

    def check(self) -> None:
        self._after()

    def _after(self) -> Schedule:
        return _on("WarmupScheduler.base_scheduler", self.base_scheduler, self.lr)

    def meaning(self) -> Schedule:
        rises: dict[str, Callable[[], Schedule]] = {
            "linear": lambda: Linear(0.0, self.lr, self.warmup_steps),
            "cosine": lambda: Cosine(0.0, self.lr, self.warmup_steps),
            "exponential": lambda: PowerDecay(0.0, self.lr, self.warmup_steps, power=2.0),
        }
        return rises[self.warmup_type]() >> self._after()

    @property
    def horizon(self) -> int | None:
        inner = self._after()
        end = inner.horizon if isinstance(inner, Dialect) else None
        return None if end is None else self.warmup_steps + end

    def quirks(self, run: int) -> Iterator[Finding]:
        first = float(self(self.warmup_steps))
        if run > self.warmup_steps > 0 and abs(first - self.lr) > 1e-9 * self.lr:
            evidence = {"update": self.warmup_steps, "base rate": self.lr, "rate there": first}
            yield Finding("jumps", "warning", evidence, "Warm up to the rate at which the schedule itself starts.")
        yield from of_parts([(self._after(), self.warmup_steps, FOREVER)], run)


class SequentialComposer(Dialect):
    """pytorch_scheduler.experimental.SequentialComposer: its schedulers one after the other, each from its own start.

    >>> from learnrate.interop.pytorch_scheduler import InverseSqrtScheduler, RexScheduler
    >>> SequentialComposer([InverseSqrtScheduler(4), RexScheduler(10)], [4])([0, 2, 4, 9, 14]).round(3)
    array([0.   , 0.5  , 1.   , 0.667, 0.   ])
    """

    conventions = Conventions("sequence", boundary="t >= b")
    schedulers: Sequence[Schedule] = schedules("the schedulers, in order")
    milestones: Sequence[int] = counts("where the next one starts")
    lr: float = base_rate()

    def check(self) -> None:
        self._parts()
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ParameterError(
                "SequentialComposer.milestones must have one entry less than schedulers, "
                f"got {len(self.milestones)} and {len(self.schedulers)}"
            )
        if list(self.milestones) != sorted(self.milestones):
            raise ParameterError(f"SequentialComposer.milestones must not fall (updates), got {list(self.milestones)}")

    def _parts(self) -> list[Schedule]:
        return [_on("SequentialComposer.schedulers", part, self.lr) for part in self.schedulers]

    def quirks(self, run: int) -> Iterator[Finding]:
        starts = [0, *self.milestones]
        yield from of_parts(zip(self._parts(), starts, [*self.milestones, FOREVER], strict=True), run)

    def meaning(self) -> Schedule:
        *before, last = self._parts()
        starts = pairwise((0, *self.milestones))
        legs = [part.cut(end - start) for part, (start, end) in zip(before, starts, strict=True)]
        return reduce(rshift, [*legs, last])

    @property
    def horizon(self) -> int | None:
        last = self._parts()[-1]
        end = last.horizon if isinstance(last, Dialect) else None
        return None if end is None else self.milestones[-1] + end


def read_object(obj: Any, **hints: Any) -> Reading:
    """The schedule of a live scheduler, per group where their base rates differ."""
    only(hints, "a scheduler of pytorch_scheduler", ())
    rates = [float(rate) for rate in obj.base_lrs]
    each = [_read(obj, rate) for rate in rates]
    same = all(one == each[0] for one in each)
    return Reading(each[0] if same else dict(enumerate(each)), obj.last_epoch)


def _read(obj: Any, rate: float) -> Dialect:
    name = type(obj).__name__
    if f"pytorch_scheduler.{name}" not in DIALECTS:
        known = [full.partition(".")[2] for full in DIALECTS if full.startswith("pytorch_scheduler.")]
        raise UsageError(unknown("scheduler of pytorch_scheduler", name, known))
    cls = DIALECTS[f"pytorch_scheduler.{name}"]
    given: dict[str, Any] = {key: rate if key == "lr" else getattr(obj, key) for key in cls.kinds}
    if "base_scheduler" in given:
        given["base_scheduler"] = _read(given["base_scheduler"], rate)
    if "schedulers" in given:
        given["schedulers"] = [_read(part, rate) for part in given["schedulers"]]
    return cls(**given)


__all__ = ["SequentialComposer", "WarmupScheduler", "read_object"]
