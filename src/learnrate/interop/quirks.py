"""What libraries do that people do not expect, as findings with the numbers that prove it.

Each function looks at a schedule and yields a finding, or nothing where this run does not show it. A dialect's
`quirks` method calls those that are true of its library.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..findings import Finding
from ..schedule import Schedule


def past_end(schedule: Schedule, end: int, run: int, advice: str) -> Iterator[Finding]:
    """The rate rises again, or falls below 0, after the update that the arguments call the end."""
    if run <= end:
        return
    last = float(schedule(end))
    after = schedule(np.arange(end, min(run, end + 1_000_000)))
    evidence = {"end": end, "rate there": last, "run": run}
    if float(after.min()) < min(last, 0):
        yield Finding("negative past the end", "error", evidence | {"lowest after": float(after.min())}, advice)
    if float(after.max()) > last + 1e-9 * abs(schedule.peak):
        yield Finding("rises past the end", "warning", evidence | {"highest after": float(after.max())}, advice)


def late(schedule: Schedule, run: int) -> Iterator[Finding]:
    """The library steps its schedule one update late: the first two updates have the same rate."""
    if run > 1:
        evidence = {"rate at 0": float(schedule(0)), "rate at 1": float(schedule(1))}
        yield Finding("one update late", "note", evidence, "Update k uses the value that its formula has for k - 1.")


def misses_peak(schedule: Schedule, peak: float, run: int, advice: str) -> Iterator[Finding]:
    """The peak that was asked for is never used."""
    highest = float(schedule(np.arange(min(run, 1_000_000))).max()) if run else peak
    if highest < peak * (1 - 1e-9):
        yield Finding("peak never reached", "warning", {"highest": highest, "peak": peak, "run": run}, advice)


__all__ = ["late", "misses_peak", "past_end"]
