"""What libraries do that people do not expect, as findings with the numbers that prove it.

Each function looks at a schedule and yields a finding, or nothing where this run does not show it. A dialect's
`quirks` method calls those that are true of its library.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from ..findings import Finding
from ..schedule import Schedule
from .dialect import Dialect, speaking

FEWEST = 1_000_000
"""How many updates are all looked at; of more, as many that lie apart, and those around the highest."""


def past_end(schedule: Schedule, end: int, run: int, advice: str) -> Iterator[Finding]:
    """The rate rises again, or falls below 0, after the update that the arguments call the end."""
    if run <= end:
        return
    last = float(schedule(end))
    after = schedule(np.arange(end, min(run, end + 1_000_000)))
    evidence = {"end": end, "rate there": last, "run": run}
    if float(after.min()) < min(last, 0):
        yield Finding("negative past the end", "error", evidence | {"lowest after": float(after.min())}, advice)
    # not the schedule's own peak: one that goes on for ever may grow without bound
    peak = float(np.abs(schedule(np.arange(min(run, 1_000_000)))).max())
    if float(after.max()) > last + 1e-9 * peak:
        yield Finding("rises past the end", "warning", evidence | {"highest after": float(after.max())}, advice)


def late(schedule: Schedule, run: int) -> Iterator[Finding]:
    """The library steps its schedule one update late: the first two updates have the same rate."""
    if run > 1:
        evidence = {"rate at 0": float(schedule(0)), "rate at 1": float(schedule(1))}
        yield Finding("one update late", "note", evidence, "Update k uses the value that its formula has for k - 1.")


def first_twice(schedule: Schedule, run: int) -> Iterator[Finding]:
    """The library asks its formula for update 1 already at update 0, and again at update 1."""
    if run > 1:
        evidence = {"rate at 0": float(schedule(0)), "rate at 1": float(schedule(1))}
        yield Finding("first factor twice", "note", evidence, "Update 0 uses the value that the formula has for 1.")


def misses_peak(schedule: Schedule, peak: float, run: int, advice: str) -> Iterator[Finding]:
    """The peak that was asked for is never used, however long the run is."""
    if run < 1:
        return
    # a run that is over before the peak says nothing about the schedule
    end = schedule.horizon if isinstance(schedule, Dialect) else None
    highest = _highest(schedule, run if end is None else max(run, end + 1))
    if highest < peak * (1 - 1e-9):
        yield Finding("peak never reached", "warning", {"highest": highest, "peak": peak, "run": run}, advice)


def _highest(schedule: Schedule, updates: int) -> float:
    apart = -(-updates // FEWEST)
    rates = schedule(np.arange(0, updates, apart))
    around = int(rates.argmax()) * apart
    near = schedule(np.arange(max(around - apart, 0), min(around + apart, updates - 1) + 1))
    return float(max(rates.max(), near.max()))


def jumps(schedule: Schedule, at: int, run: int, advice: str) -> Iterator[Finding]:
    """The rate leaps at update `at`, where its curve ends somewhere else than what follows."""
    if not 0 < at < run:
        return
    before, after = float(schedule(at - 1)), float(schedule(at))
    if abs(before - after) > 1e-9 * abs(schedule.peak):
        yield Finding("jumps", "warning", {"update": at, "rate before": before, "rate there": after}, advice)


def stops(end: int, run: int, advice: str) -> Iterator[Finding]:
    """The library raises an error at update `end`; ours holds the last rate."""
    if run > end:
        yield Finding("raises past the end", "error", {"end": end, "run": run}, advice)


def of_parts(placed: Iterable[tuple[Schedule, int, float]], run: int) -> Iterator[Finding]:
    """What the parts of a sequence do, each given with the update at which it begins and the one at which it is left.

    A part runs for its own updates up to where it is left, and its numbers count from where it begins.
    """
    for part, start, stop in placed:
        own = int(min(run, stop) - start)
        for dialect, updates in speaking(part, own) if own > 0 else ():
            for finding in dialect.quirks(updates):
                evidence = finding.evidence if not start else {**finding.evidence, "counted from": start}
                yield dataclasses.replace(finding, evidence=evidence)


__all__ = ["first_twice", "jumps", "late", "misses_peak", "of_parts", "past_end", "stops"]
