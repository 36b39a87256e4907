"""Lint: what in a schedule is probably not meant, found without training anything.

Each rule is one function from a schedule and the length of the run to findings; registered by its decorator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from .clock import FOREVER, Clock
from .errors import UnboundError
from .findings import Finding
from .schedule import Schedule
from .spec import shorten

Rule = Callable[[Schedule, int], Iterator[Finding]]

RULES: dict[str, Rule] = {}

LONG_WARMUP = 0.5
"""Warmup that takes more than this share of the run is worth a look."""

SHORT = 0.8
"""A schedule that ends before this share of the run is worth a look."""


def rule(function: Rule) -> Rule:
    """Register a rule under its name."""
    RULES[function.__name__] = function
    return function


def lint(schedule: Schedule, updates: int | None = None) -> list[Finding]:
    """Everything the rules find in a schedule used for a run of `updates` updates (its own length if left out).

    >>> from learnrate.schedules import Cosine, Linear
    >>> for finding in lint(Linear(0, 1e-3, 500) >> Cosine(1e-3, 0, 9500), updates=250):
    ...     print(finding)
    error: peak never reached (highest 0.000498, peak 0.001, run 250). The run ends before it: .fit(250).
    warning: schedule longer than the run (schedule 10000, run 250, last rate 0.000498). Shorten it: .fit(250).
    """
    run = _run(schedule, updates)
    return [finding for check in RULES.values() for finding in check(schedule, run)]


def _run(schedule: Schedule, updates: int | None) -> int:
    if updates is not None:
        return Clock(updates).total
    if schedule.length == FOREVER:
        raise UnboundError(f"{shorten(schedule, 200)} goes on for ever; say how long the run is: updates=...")
    return int(schedule.length)


def _times(schedule: Schedule, run: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The updates of the run: all of them up to a million, a grid beyond."""
    return np.arange(run, dtype=np.float64) if run <= 1_000_000 else np.unique(np.linspace(0, run - 1, 1_000_000) // 1)


@rule
def negative_rate(schedule: Schedule, run: int) -> Iterator[Finding]:
    """A rate below 0 climbs the loss."""
    times = _times(schedule, run)
    values = schedule(times)
    below = np.flatnonzero(values < 0)
    if below.size:
        first = below[0]
        evidence = {"update": float(times[first]), "rate": float(values[first]), "lowest": float(values.min())}
        yield Finding("negative rate", "error", evidence, "End the schedule at 0, or clip it: .clip(0).")


@rule
def zero_run(schedule: Schedule, run: int) -> Iterator[Finding]:
    """A rate of 0 at every update trains nothing."""
    if run and not np.any(schedule(_times(schedule, run))):
        yield Finding("rate is always 0", "error", {"run": run}, "Give the schedule a peak above 0.")


@rule
def peak_never_reached(schedule: Schedule, run: int) -> Iterator[Finding]:
    """The run ends before the schedule's highest rate."""
    if not run:
        return
    highest, peak = float(schedule(_times(schedule, run)).max()), schedule.peak
    if highest < peak * (1 - 1e-9):
        evidence = {"highest": highest, "peak": peak, "run": run}
        advice = f"The run ends before it: .fit({run})."
        yield Finding("peak never reached", "error" if highest <= 0.9 * peak else "note", evidence, advice)


@rule
def longer_than_the_run(schedule: Schedule, run: int) -> Iterator[Finding]:
    """The schedule still has a way to go when the run ends."""
    if run and run < schedule.length < FOREVER:
        last, end = float(schedule(run - 1)), float(schedule(schedule.length))
        if last > 1.1 * end + 0.01 * schedule.peak or last < 0.9 * end:
            evidence = {"schedule": schedule.length, "run": run, "last rate": last}
            yield Finding("schedule longer than the run", "warning", evidence, f"Shorten it: .fit({run}).")


@rule
def shorter_than_the_run(schedule: Schedule, run: int) -> Iterator[Finding]:
    """The schedule has ended long before the run does."""
    length = schedule.length
    if 0 < length < SHORT * run:
        evidence = {"schedule": length, "run": run, "times too short": round(run / length, 3), "rate": schedule(length)}
        advice = f"The rest is trained at the last rate; count updates, not epochs, or stretch it: .fit({run})."
        yield Finding("schedule shorter than the run", "warning", evidence, advice)


@rule
def long_warmup(schedule: Schedule, run: int) -> Iterator[Finding]:
    """The rate rises for most of the run."""
    times = _times(schedule, run)
    if times.size < 3:
        return
    values = schedule(times)
    top = int(values.argmax())
    if values[top] > values[0] and values[top] > values[-1] and top > LONG_WARMUP * run:
        evidence = {"peak at": float(times[top]), "run": run}
        yield Finding(
            "warmup takes most of the run", "warning", evidence, "Shorten the warmup to 2 to 10 % of the run."
        )


@rule
def rising_past_the_end(schedule: Schedule, run: int) -> Iterator[Finding]:
    """An open-ended schedule that grows without end."""
    if schedule.length < FOREVER or not run:
        return
    inside = float(schedule(_times(schedule, run)).max())
    later = float(schedule(min(100.0 * run, 2.0**53)))
    if later > 2 * inside and math.isfinite(later):
        evidence = {"run": run, "highest": inside, "after 100 runs": later}
        yield Finding("rate rises past the end of the run", "note", evidence, "Cut it at the end of the run: .cut(n).")


__all__ = ["RULES", "lint"]
