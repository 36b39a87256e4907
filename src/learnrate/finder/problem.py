"""Which rate is looked for: the task, the schedule with its peak at 1, and everything that stays as it is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ParameterError, TaskError, UnboundError
from ..policy import Policy
from ..runs import Task
from ..schedule import Schedule
from ..trace import Trace
from .asking import Ask


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """A rate to be found between `low` and `high`, for one schedule with peak 1, one optimizer and one task."""

    task: Task
    schedule: Schedule
    optimizer: str
    low: float
    high: float
    usual: float
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    groups: Mapping[str, float] = dataclasses.field(default_factory=dict)
    seed: int = 0
    name: str = ""
    _shared: dict[int, int] = dataclasses.field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        full = self.task.updates
        try:
            bound = self.schedule.over(full, **self.task.units)
        except UnboundError as error:
            raise UnboundError(f"{error}, or say it of the task: @task(..., updates_per_epoch=...)") from None
        rule = "the schedule's own peak must be 1, so that the rate found is its peak"
        if not math.isclose(bound.peak, 1.0, rel_tol=1e-9):
            fix = f"divide it by that, such as (1 / {bound.peak:.6g}) * schedule"
            raise ParameterError(f"{rule}; got {bound.peak:.6g}: {fix if bound.peak > 0 else 'it never rises above 0'}")
        reached = float(bound.curve(full + 1).max())
        if not math.isclose(reached, 1.0, rel_tol=1e-9):
            raise ParameterError(
                f"{rule}; it reaches only {reached:.6g} in the {full} updates of a full run: shorten what comes before "
                'its peak, such as to "5%"'
            )

    def policy(self, rate: float) -> Policy:
        """The policy at that rate."""
        return Policy(self.optimizer, rate * self.schedule, self.settings, None, self.groups)

    def ask(self, rate: float, updates: int, seed: int = 0, limit: float | None = None, role: str = "probe") -> Ask:
        """A run of so many updates at that rate; where the schedule is the same in a longer one, the start of it.

        `seed` counts from the seed of the problem.
        """
        full = self.task.updates
        paused = updates < full and self.extends(updates)
        horizon = full if paused else updates
        policy = self.policy(rate).over(horizon, **self.task.units)
        until = updates if paused else None
        return Ask(
            policy, self.seed + seed, horizon, until, limit, self._trunk(rate, updates, seed, limit), role, self.name
        )

    def _trunk(self, rate: float, updates: int, seed: int, limit: float | None) -> Ask | None:
        """The start of the full run that a shorter one may be forked from: most of it is the same, as with WSD."""
        full = self.task.updates
        shared = 0 if updates >= full or not self.task.resumable else self.shared(updates)
        if not updates / 2 <= shared < updates:
            return None
        policy = self.policy(rate).over(full, **self.task.units)
        return Ask(policy, self.seed + seed, full, shared, limit, role="trunk", schedule=self.name)

    def extends(self, updates: int) -> bool:
        """Whether a run of so many updates is the start of the full one, so that it can be paused and promoted."""
        return self.shared(updates) == updates

    def shared(self, updates: int) -> int:
        """For how many updates a run of that length is the same as the full one."""
        if updates not in self._shared:
            t = np.arange(updates)
            short, full = (self.schedule.over(n, **self.task.units) for n in (updates, self.task.updates))
            differs = np.flatnonzero(np.asarray(short(t)) != np.asarray(full(t)))
            self._shared[updates] = int(differs[0]) if len(differs) else updates
        return self._shared[updates]

    def value(self, trace: Trace) -> float:
        """The objective, NaN when the run diverged."""
        if trace.ended in ("diverged", "failed"):
            return math.nan
        if trace.objective is None:
            raise TaskError(
                f"task {self.task.name!r} gave no {self.task.objective!r} when it was asked to evaluate after "
                f'{len(trace)} updates; answer the request: if (yield {{"loss": loss}}) == "evaluate": '
                f'yield {{"{self.task.objective}": value}}'
            )
        return trace.objective


USUAL_SETTINGS: Mapping[str, Mapping[str, Any]] = {"sgd": {"momentum": 0.9}}
"""What an optimizer is given unless told otherwise: nobody trains with SGD as torch makes it."""


def usual_settings(optimizer: str) -> Mapping[str, Any]:
    """The settings an optimizer is searched with unless told otherwise."""
    return USUAL_SETTINGS.get(optimizer.lower(), {})
