"""torchtitan: the `lr_scheduler` section of its config; factors of the base rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..findings import Finding
from ..schedule import Schedule
from ..schedules import Constant, Cosine, Linear
from ..spec import choice, number
from .conventions import Conventions
from .dialect import Curve, Dialect
from .fields import base_rate, count
from .progress import Line
from .quirks import past_end, stops


class _Root(Curve):
    """One minus the square root of progress, which goes on after its end."""

    start: float = number("a", "rate", "value at t = 0")
    end: float = number("b", "rate", "value at the end")
    updates: int = number("N", "updates", "where the end is", ge=1, whole=True)

    @property
    def updates_or_rest(self) -> None:
        """It never ends."""

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start + (self.end - self.start) * xp.sqrt(t / self.updates)


class LRScheduler(Dialect):
    """torchtitan's `lr_scheduler`: warmup counted from 1, the peak, and a decay over the end of the run.

    The decay reaches its end one update after the last one; from there on linear and sqrt go below 0 (with
    `min_lr_factor`: below it) and cosine rises again.

    >>> LRScheduler(10, warmup_steps=2, decay_ratio=0.4, min_lr_factor=0.1)([0, 1, 5, 6, 7, 9, 10, 11])
    array([ 0.5  ,  1.   ,  1.   ,  1.   ,  0.775,  0.325,  0.1  , -0.125])
    """

    conventions = Conventions("warmup-stable-decay", warmup="(t+1)/W", horizon="whole", floor="ratio", past="negative")
    training_steps: int = count("the updates of the run", least=1)
    warmup_steps: int = count("length of the warmup; no longer than the run", 200, span=(0, 20))
    total_steps: int | None = number(
        "T", "updates", "the end of the schedule, if not the run's", default=None, ge=1, whole=True, span=(1, 40)
    )
    decay_ratio: float | None = number(
        "d", "", "the share of the run that decays; all after the warmup if left out", default=None, ge=0, le=1
    )
    decay_type: str = choice("s", "curve of the decay", ("linear", "sqrt", "cosine"), default="linear")
    min_lr_factor: float = number("\\alpha", "", "the end, as a share of the base rate", default=0.0, ge=0, le=1)
    lr: float = base_rate()

    @property
    def horizon(self) -> int:
        return self.training_steps if self.total_steps is None else self.total_steps

    @property
    def _phases(self) -> tuple[int, int]:
        """How long warmup and decay are, once both fit into the run."""
        warmup = min(self.warmup_steps, self.horizon)
        rest = self.horizon - warmup
        return warmup, rest if self.decay_ratio is None else min(round(self.horizon * self.decay_ratio), rest)

    def meaning(self) -> Schedule:
        warmup, decay = self._phases
        peak = Constant(1.0, self.horizon - decay - max(warmup - 1, 0))
        stable = Linear(0.0, 1.0, warmup).skip(1) >> peak if warmup else peak
        return self.lr * (stable >> self._decay(decay) if decay else stable)

    def _decay(self, updates: int) -> Schedule:
        if self.decay_type == "cosine":
            return Cosine(1.0, self.min_lr_factor, updates).mirror().repeat()
        return (Line if self.decay_type == "linear" else _Root)(1.0, self.min_lr_factor, updates)

    def quirks(self, run: int) -> Iterator[Finding]:
        _, decay = self._phases
        if not decay:
            advice = "torchtitan asserts that its decay has updates; give total_steps at least one more than the run."
            yield from stops(self.horizon, run, advice)
        advice = "torchtitan's decay goes on past its end; give total_steps the length of the run."
        yield from past_end(self, self.horizon, run, advice)


__all__ = ["LRScheduler"]
