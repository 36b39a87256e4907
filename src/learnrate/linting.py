"""Lint: what in a schedule, a live scheduler or a config is probably not meant, found without training anything.

Each rule is one function from a schedule and the run it is used for to findings; registered by its decorator.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .clock import FOREVER, Clock
from .errors import ParameterError, UnboundError, UsageError
from .findings import Finding
from .interop import Reading, read
from .interop.dialect import Dialect, speaking
from .schedule import Schedule
from .spec import Number, shorten, unknown

RULES: dict[str, Rule] = {}

LONG_WARMUP = 0.5
"""Warmup that takes more than this share of the run is worth a look."""

SHORT = 0.8
"""A schedule that ends before this share of the run is worth a look."""

NEAR = 1.1
"""A horizon that is off by a factor of the run, up to this ratio, was counted in another unit."""

STEPPED = ("update", "epoch", "micro-batch", "process")
"""When a scheduler moves on: once per optimizer update, per epoch, per backward pass, or once per process and update
(as Accelerate does with a prepared scheduler)."""

FLOORS = ("eta_min", "lr_min", "min_lr", "end_learning_rate", "lr_end", "end_lr", "learning_rate_min")
"""What libraries call a floor that is a rate."""

BASES = ("lr", "max_lr", "initial_learning_rate", "learning_rate", "init_value")
"""What libraries call the rate that a schedule falls from."""

FALLEN = 0.9
"""A schedule has an end to miss when it ends below this share of its peak; a warmup and stairs have none."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What a schedule is used for: a run of `updates` optimizer updates, and how often the scheduler is stepped.

    `accumulation` is how many backward passes make one update, `world_size` the number of processes. Raises
    `ParameterError`.

    >>> Run(1000, updates_per_epoch=100, stepped="epoch").steps
    10
    """

    updates: int
    updates_per_epoch: float | None = None
    accumulation: int = 1
    world_size: int = 1
    stepped: str = "update"

    def __post_init__(self) -> None:
        Clock(self.updates, self.updates_per_epoch)
        for name in ("accumulation", "world_size"):
            try:
                Number("", "", "", ge=1, whole=True).read(getattr(self, name))
            except ValueError as rule:
                raise ParameterError(f"{name} must {rule}") from None
        if self.stepped not in STEPPED:
            raise ParameterError(f"stepped must be one of {', '.join(STEPPED)}, got {shorten(self.stepped)}")
        if self.stepped == "epoch" and self.updates_per_epoch is None:
            raise ParameterError("stepped='epoch' needs updates_per_epoch (updates)")

    @property
    def rates(self) -> dict[str, float]:
        """How often each thing happens per update."""
        epochs = {} if self.updates_per_epoch is None else {"epoch": 1 / self.updates_per_epoch}
        return {"update": 1.0, "micro-batch": self.accumulation, "process": self.world_size} | epochs

    @property
    def steps(self) -> int:
        """How many updates of the schedule the run uses."""
        return round(self.updates * self.rates[self.stepped])


Rule = Callable[[Schedule, Run], Iterator[Finding]]


def rule(function: Rule) -> Rule:
    """Register a rule under its name."""
    RULES[function.__name__] = function
    return function


def lint(subject: Any, updates: int | None = None, **run: Any) -> list[Finding]:
    """Everything the rules find in a schedule used for a run of `updates` updates (its own length if left out).

    `subject` is a schedule, a policy, or whatever `learnrate.interop.read` reads: a live scheduler, a config, a state;
    then every param group is looked at, and where it stands. (What needs hints to be read is read first:
    `lint(read(config, updates=1000), 1000)`.) `run` says how the scheduler is used: `updates_per_epoch=`,
    `accumulation=`, `world_size=`, and `stepped=` ("update", "epoch", "micro-batch" or "process"), see `Run`.

    >>> from learnrate.schedules import Cosine, Linear
    >>> for finding in lint(Linear(0, 1e-3, 500) >> Cosine(1e-3, 0, 9500), updates=250):
    ...     print(finding)
    error: peak never reached (highest 0.000498, peak 0.001, run 250). The run ends before it: .fit(250).
    warning: schedule longer than the run (schedule 10000, run 250, last rate 0.000498). Shorten it: .fit(250).
    """
    for name in run:
        if name not in _USES:
            raise UsageError(unknown("use of a schedule", name, list(_USES)))
    rate = getattr(subject, "lr", None)  # what a policy trains with
    subject = rate if isinstance(rate, Schedule) and not isinstance(subject, Schedule) else subject
    if isinstance(subject, Schedule):
        used = Run(_length(subject, updates), **run)
        return [finding for check in RULES.values() for finding in check(subject, used)]
    reading = subject if isinstance(subject, Reading) else read(subject)
    if isinstance(reading.schedule, Schedule):
        found = _read(reading.schedule, reading.update, updates, run)
    else:
        found = [
            dataclasses.replace(finding, evidence={"group": group, **finding.evidence})
            for group, schedule in reading.schedule.items()
            for finding in _read(schedule, reading.update, updates, run)
        ]
    return list(dict.fromkeys([*reading.notes, *found]))


_USES = ("updates_per_epoch", "accumulation", "world_size", "stepped")


def _read(schedule: Schedule, update: int, updates: int | None, run: dict[str, Any]) -> list[Finding]:
    """Findings in a schedule that has already made some updates: the run is at least as long as that."""
    end = horizon(schedule)
    if updates is None and end is not None:
        updates = max(end, update)
    found = lint(schedule, updates, **run)
    if end and update > end and falls(schedule):
        evidence = {"update": update, "horizon": end, "times": round(update / end, 3), "rate": float(schedule(update))}
        advice = "The scheduler has been stepped past the end of its schedule; its horizon was too short."
        found.insert(0, Finding("past its end", "error", evidence, advice))
    return found


def _length(schedule: Schedule, updates: int | None) -> int:
    if updates is not None:
        return Clock(updates).total
    end = horizon(schedule)
    if end is None:
        raise UnboundError(f"{shorten(schedule, 200)} goes on for ever; say how long the run is: updates=...")
    return end


def horizon(schedule: Schedule) -> int | None:
    """The update at which a schedule says it ends, or None; some libraries' schedules go on after it.

    The length of a cycle and the last of some boundaries are no end.
    """
    if isinstance(schedule, Dialect):
        return schedule.horizon if schedule.conventions.horizon not in ("", "per cycle") else None
    return None if schedule.length == FOREVER else int(schedule.length)


def falls(schedule: Schedule) -> bool:
    """Whether it has come down when it ends, so that a run of another length misses something."""
    end = horizon(schedule)
    return end is not None and float(schedule(end)) < FALLEN * _peak(schedule)


def _times(run: Run) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The updates of the run: all of them up to a million, a grid beyond."""
    steps = run.steps
    if steps <= 1_000_000:
        return np.arange(steps, dtype=np.float64)
    return np.unique(np.linspace(0, steps - 1, 1_000_000) // 1)


@rule
def negative_rate(schedule: Schedule, run: Run) -> Iterator[Finding]:
    """A rate below 0 climbs the loss."""
    times = _times(run)
    values = schedule(times)
    below = np.flatnonzero(values < 0)
    if below.size:
        first = below[0]
        evidence = {"update": float(times[first]), "rate": float(values[first]), "lowest": float(values.min())}
        yield Finding("negative rate", "error", evidence, "End the schedule at 0, or clip it: .clip(0).")


@rule
def zero_run(schedule: Schedule, run: Run) -> Iterator[Finding]:
    """A rate of 0 at every update trains nothing."""
    if run.steps and not np.any(schedule(_times(run))):
        yield Finding("rate is always 0", "error", {"run": run.steps}, "Give the schedule a peak above 0.")


@rule
def peak_never_reached(schedule: Schedule, run: Run) -> Iterator[Finding]:
    """The run ends before the schedule's highest rate."""
    if not run.steps:
        return
    end = horizon(schedule)
    if end is not None and end <= run.steps:
        return
    highest, peak = float(schedule(_times(run)).max()), _peak(schedule)
    if highest < peak * (1 - 1e-9):
        evidence = {"highest": highest, "peak": peak, "run": run.steps}
        advice = f"The run ends before it: .fit({run.steps})."
        yield Finding("peak never reached", "error" if highest <= 0.9 * peak else "note", evidence, advice)


def _peak(schedule: Schedule) -> float:
    """The highest rate up to the end that the schedule names."""
    end = horizon(schedule)
    return schedule.peak if end is None or schedule.length < FOREVER else schedule.cut(end).peak


@rule
def longer_than_the_run(schedule: Schedule, run: Run) -> Iterator[Finding]:
    """The schedule still has a way to go when the run ends."""
    end = horizon(schedule)
    if end is not None and 0 < run.steps < end:
        last, final = float(schedule(run.steps - 1)), float(schedule(end))
        if last > 1.1 * final + 0.01 * _peak(schedule) or last < 0.9 * final:
            evidence = {"schedule": end, "run": run.steps, "last rate": last}
            yield Finding("schedule longer than the run", "warning", evidence, f"Shorten it: .fit({run.steps}).")


@rule
def shorter_than_the_run(schedule: Schedule, run: Run) -> Iterator[Finding]:
    """The schedule has ended long before the run does."""
    end = horizon(schedule)
    if end is None or not 0 < end < SHORT * run.steps or not falls(schedule):
        return
    evidence = {"schedule": end, "run": run.steps, "times too short": round(run.steps / end, 3), "rate": schedule(end)}
    rest, severity = "The rest is trained at the last rate", "warning"
    after = schedule(np.linspace(end, run.steps - 1, min(run.steps - end, 100_000)).round())
    if after.size and float(np.ptp(after)) > 1e-9 * abs(_peak(schedule)):
        rest, severity = "After its end it goes on, and does not stay where it ended", "error"
        evidence |= {"lowest after": float(after.min()), "highest after": float(after.max())}
    advice = f"{rest}; count updates, not epochs, or stretch it: .fit({run.steps})."
    yield Finding("schedule shorter than the run", severity, evidence, advice)


@rule
def counted_in_another_unit(schedule: Schedule, run: Run) -> Iterator[Finding]:
    """The horizon is off by exactly what one epoch, the accumulation or the processes would explain."""
    end = horizon(schedule)
    if not end or not run.steps or end < 2 or 1 / NEAR <= end / run.steps <= NEAR or not falls(schedule):
        return
    for unit, times in (run.rates | {"backward pass of one process": run.accumulation * run.world_size}).items():
        counted = run.updates * times
        if unit != run.stepped and counted >= 1 and 1 / NEAR <= end / counted <= NEAR:
            evidence = {"horizon": end, "steps of the scheduler": run.steps, f"{unit} count": round(counted, 3)}
            advice = (
                f"The horizon counts each {unit}, the scheduler is stepped once per {run.stepped}; use {run.steps}."
            )
            yield Finding("horizon counted in another unit", "error", evidence, advice)
            return


@rule
def floor_above_the_rate(schedule: Schedule, run: Run) -> Iterator[Finding]:
    """A floor that is a rate lies above the rate of the group, so that the decay rises."""
    for part, _ in speaking(schedule, run.steps):
        given = part.parameters()
        bases = {name: given[name] for name in BASES if isinstance(given.get(name), float)}
        for name in FLOORS:
            floor = given.get(name)
            if bases and isinstance(floor, float) and floor > max(bases.values()) > 0:
                evidence = {name: floor, **bases}
                advice = f"The decay rises to its floor; lower {name}, or give this group a schedule of its own."
                yield Finding("floor above the rate", "error", evidence, advice)


@rule
def quirks_of_the_library(schedule: Schedule, run: Run) -> Iterator[Finding]:
    """What the library that the schedule was named after does that people do not expect."""
    for part, steps in speaking(schedule, run.steps):
        yield from part.quirks(steps)


@rule
def long_warmup(schedule: Schedule, run: Run) -> Iterator[Finding]:
    """The rate rises for most of the run."""
    times = _times(run)
    if times.size < 3:
        return
    values = schedule(times)
    top = int(values.argmax())
    if values[top] > values[0] and values[top] > values[-1] and top > LONG_WARMUP * run.steps:
        evidence = {"peak at": float(times[top]), "run": run.steps}
        yield Finding(
            "warmup takes most of the run", "warning", evidence, "Shorten the warmup to 2 to 10 % of the run."
        )


@rule
def rising_past_the_end(schedule: Schedule, run: Run) -> Iterator[Finding]:
    """An open-ended schedule that grows without end."""
    if horizon(schedule) is not None or not run.steps:
        return
    inside = float(schedule(_times(run)).max())
    later = float(schedule(min(100.0 * run.steps, 2.0**53)))
    if later > 2 * inside and math.isfinite(later):
        evidence = {"run": run.steps, "highest": inside, "after 100 runs": later}
        yield Finding("rate rises past the end of the run", "note", evidence, "Cut it at the end of the run: .cut(n).")


__all__ = ["RULES", "STEPPED", "Run", "falls", "horizon", "lint"]
