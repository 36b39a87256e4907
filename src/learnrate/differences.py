"""Where two schedules differ, by how much, and which convention explains it.

Each convention is one function of the two schedules side by side. It answers with a sentence, or with None when it
does not explain every difference. The first that explains all of them speaks.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from .clock import Clock
from .errors import UsageError
from .findings import Finding
from .linting import horizon
from .schedule import Schedule
from .spec import shorten

Array = np.ndarray[Any, np.dtype[np.float64]]

LONGEST = 1_000_000
OPEN = 10_000
"""How many updates are compared when neither schedule names an end."""

TOLERANCE = 1e-9
"""Differences below this share of the larger peak are rounding."""

Convention = Callable[["Pair"], str | None]

CONVENTIONS: dict[str, Convention] = {}


def convention(name: str) -> Callable[[Convention], Convention]:
    """Register what may explain a difference, in the order in which they are tried."""

    def register(function: Convention) -> Convention:
        CONVENTIONS[name] = function
        return function

    return register


@dataclasses.dataclass(frozen=True)
class Side:
    """One schedule: its rates, the update at which it says it ends (None: never), and its warmup."""

    name: str
    schedule: Schedule
    rates: Array

    @property
    def end(self) -> int | None:
        return horizon(self.schedule)

    @cached_property
    def top(self) -> int:
        """The first update at the peak."""
        return int(np.argmax(self.rates >= self.rates.max() * (1 - 1e-12)))

    @cached_property
    def ramp(self) -> float | None:
        """The step of a warmup that is a straight line up to the peak, or None."""
        if self.top == 0:
            return None
        steps = np.diff(self.rates[: self.top + 1])
        return float(steps[0]) if np.allclose(steps, steps[0], rtol=1e-6, atol=0) and steps[0] > 0 else None

    def past(self, end: int) -> str:
        """What it does after `end`."""
        after, last = self.rates[end:], float(self.rates[end])
        small = TOLERANCE * float(np.abs(self.rates).max())
        if after.min() < min(0.0, last) - small:
            return f"falls below 0 ({after.min():g})"
        if after.max() > last + small:
            return f"rises again (to {after.max():g})"
        return f"holds {last:g}" if after.min() >= last - small else f"goes on falling (to {after.min():g})"


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two schedules side by side; `flipped` is the same pair read from the other side."""

    a: Side
    b: Side

    @property
    def flipped(self) -> Pair:
        return Pair(self.b, self.a)

    @cached_property
    def small(self) -> float:
        return TOLERANCE * max(float(np.abs(self.a.rates).max()), float(np.abs(self.b.rates).max()))

    @cached_property
    def gap(self) -> Array:
        """How far they are apart; rounding counts as nothing."""
        apart = np.abs(self.a.rates - self.b.rates)
        return np.where(apart > self.small, apart, 0.0)

    def same(self, x: Any, y: Any) -> bool:
        """Whether two stretches of rates are equal, rounding aside."""
        return bool(np.all(np.abs(np.asarray(x) - np.asarray(y)) <= self.small))


def explain(a: Schedule, b: Schedule, updates: int | None = None) -> Finding:
    """The first update at which two schedules differ, the largest difference, and the convention that explains it.

    Looks at `updates` updates; when left out, at one and a half times the longer one (10,000 when neither ends). The
    evidence of the finding holds the numbers; its name is the convention ("the same", or "different schedules" when no
    single convention explains every difference); its advice is the sentence. Either may be a schedule of ours or of
    `learnrate.interop`.

    >>> from learnrate import interop
    >>> finding = explain(interop.optax.cosine_decay_schedule(1.0, 10), interop.torch.CosineAnnealingLR(10))
    >>> finding.name, finding.evidence["first update"]
    ('past the end', 11)
    >>> finding.advice
    'They agree up to update 10, the end; after it a holds 0, b rises again (to 0.793893).'
    """
    for name, value in (("a", a), ("b", b)):
        if not isinstance(value, Schedule):
            raise UsageError(f"explain compares schedules, got {shorten(value)} for {name}; learnrate.parse reads text")
    pair = _side_by_side(a, b, updates)
    gap, count = pair.gap, pair.gap.size
    if not gap.any():
        return Finding("the same", "note", {"updates": count}, f"Equal at all {count:,} updates that were compared.")
    first, worst = int(np.argmax(gap > 0)), int(np.argmax(gap))
    evidence = {
        "first update": first,
        "a there": float(pair.a.rates[first]),
        "b there": float(pair.b.rates[first]),
        "largest difference": float(gap[worst]),
        "at update": worst,
        "updates": count,
    }
    for name, function in CONVENTIONS.items():
        for view in (pair, pair.flipped):
            sentence = function(view)
            if sentence is not None:
                return Finding(name, "note", evidence, sentence)
    return Finding("different schedules", "note", evidence, "No single convention explains every difference.")


def _side_by_side(a: Schedule, b: Schedule, updates: int | None) -> Pair:
    if updates is None:
        ends = [end for end in (Side("a", a, np.zeros(1)).end, Side("b", b, np.zeros(1)).end) if end is not None]
        updates = min(LONGEST, int(1.5 * max(ends)) + 3) if ends else OPEN
    times = np.arange(max(Clock(updates).total, 1))
    return Pair(Side("a", a, a(times)), Side("b", b, b(times)))


@convention("past the end")
def _past_the_end(pair: Pair) -> str | None:
    """They agree up to the end that one of them names."""
    first = int(np.argmax(pair.gap > 0))
    ends = [end for end in (pair.a.end, pair.b.end) if end is not None]
    if not ends or first < min(ends) or min(ends) == 0 or pair.a.name > pair.b.name:
        return None
    end = min(ends)
    upto = f"up to update {first - 1}" if first > end else f"before update {end}"
    return f"They agree {upto}, the end; after it a {pair.a.past(end)}, b {pair.b.past(end)}."


@convention("base rate")
def _base_rate(pair: Pair) -> str | None:
    """One is a multiple of the other."""
    at = pair.a.top
    if pair.a.name > pair.b.name or not pair.a.rates[at] or not pair.b.rates[at]:
        return None
    ratio = float(pair.b.rates[at] / pair.a.rates[at])
    return f"b is {ratio:g} times a, at every update." if pair.same(ratio * pair.a.rates, pair.b.rates) else None


@convention("boundary")
def _boundary(pair: Pair) -> str | None:
    """b changes one update after a, at single updates."""
    x, y = pair.a.rates, pair.b.rates
    where = np.flatnonzero(pair.gap)
    if where[0] == 0 or np.any(np.diff(where) == 1) or not pair.same(y[where], x[where - 1]):
        return None
    late, early = pair.b.name, pair.a.name
    return (
        f"Boundaries: {early} has the new value at update {where[0]}, {late} still has the old one there and changes "
        f"at {where[0] + 1} (one update later at each of {where.size})."
    )


@convention("one update late")
def _late(pair: Pair) -> str | None:
    """b uses at update t what a uses at t - 1."""
    if pair.gap.size < 3 or not pair.same(pair.b.rates[1:], pair.a.rates[:-1]):
        return None
    if abs(pair.b.rates[0] - pair.a.rates[0]) <= pair.small:
        return f"{pair.b.name} is one update late: at update k it uses what {pair.a.name} uses at k - 1."
    return f"{pair.a.name} is one update ahead: at update k it uses what {pair.b.name} uses at k + 1."


@convention("warmup")
def _warmup(pair: Pair) -> str | None:
    """Both warm up in a straight line, and agree from the later peak on."""
    settled = max(pair.a.top, pair.b.top)
    if pair.a.name > pair.b.name or pair.gap[settled:].any():
        return None
    if pair.a.ramp is None and pair.b.ramp is None:
        return None
    return f"Warmup: {_ramp(pair.a)}; {_ramp(pair.b)}. They agree from update {settled} on."


def _ramp(side: Side) -> str:
    """A warmup in words."""
    start, top, step = float(side.rates[0]), side.top, side.ramp
    if top == 0:
        return f"{side.name} has none"
    if step is None:
        return f"{side.name} rises in a curve to its peak at update {top}"
    if abs(start) <= 1e-9 * step:
        counted = f"counts from 0 (t/{top})"
    elif abs(start - step) <= 1e-6 * step:
        counted = f"counts from 1 ((t+1)/{top + 1})"
    else:
        counted = f"rises from {start:g} in {top} equal steps"
    return f"{side.name} {counted}: {start:g} at update 0, its peak at update {top}"


@convention("horizon")
def _horizon(pair: Pair) -> str | None:
    """After one and the same warmup, the decay of b is the decay of a, stretched in time."""
    a, b = pair.a, pair.b
    if a.end is None or b.end is None or a.end >= b.end or a.top != b.top or pair.gap[: a.top + 1].any():
        return None
    warmup, shorter, longer = a.top, a.end - a.top, b.end - b.top
    times = np.arange(warmup, min(b.end + 1, b.rates.size))
    stretched = a.schedule(warmup + (times - warmup) * (shorter / longer))
    if shorter <= 0 or not pair.same(stretched, b.rates[times]):
        return None
    if warmup and longer - shorter == warmup:
        return (
            f"Horizon: the end of {a.name} at update {a.end} includes the warmup of {warmup}; "
            f"{b.name} adds it, and ends at {b.end}."
        )
    return f"Horizon: the same curve takes {shorter} updates in {a.name} and {longer} in {b.name}."


@convention("decay during warmup")
def _during(pair: Pair) -> str | None:
    """b's decay already runs during its warmup, so that it enters it in the middle."""
    a, b = pair.a, pair.b
    if a.end is None or b.end is None or a.top < 1:
        return None
    times = np.arange(a.top, min(b.end + 1, b.rates.size))
    running = a.schedule(a.top + times * ((a.end - a.top) / b.end)) if b.end else np.zeros(0)
    if times.size < 2 or not pair.same(running, b.rates[times]):
        return None
    return (
        f"The decay of {b.name} runs during its warmup: at update {a.top} it is already {b.rates[a.top]:g}, where "
        f"{a.name} has its peak of {a.rates[a.top]:g}."
    )


@convention("floor")
def _floor(pair: Pair) -> str | None:
    """The same curve down to another floor: absolute or a share of the peak, stretched or cut off."""
    a, b = pair.a, pair.b
    if a.end is None or b.end is None or a.end >= a.rates.size or b.end >= b.rates.size:
        return None
    low, other = float(a.rates[a.end]), float(b.rates[b.end])
    top, highest = float(a.rates.max()), float(b.rates.max())
    if top == low or not math.isclose(top, highest, rel_tol=1e-9):
        return None
    shape = (a.rates - low) / (top - low)
    after = slice(a.top, None)
    if not math.isclose(low, other) and pair.same((other + (top - other) * shape)[after], b.rates[after]):
        return f"Floor: {_floors(a.name, low, b.name, other, top)}; the curve between is the same."
    if pair.same(np.maximum(top * shape, other)[after], b.rates[after]):
        return f"Floor: {b.name} goes to 0 and is cut off at {other:g}; {a.name} is stretched to end at {low:g}."
    return None


def _floors(a: str, low: float, b: str, other: float, peak: float) -> str:
    for name, value, second, base in ((a, low, b, other), (b, other, a, low)):
        if math.isclose(value, base * peak, rel_tol=1e-9) and peak != 1:
            return f"the {base:g} of {second} is a rate, in {name} it is a share of the peak, {value:g}"
    return f"{a} ends at {low:g}, {b} at {other:g}"


__all__ = ["CONVENTIONS", "explain"]
