"""Where two schedules differ, by how much, and which convention explains it.

Each convention is one function of the two schedules side by side. It answers with a sentence, or with None when it
does not explain every difference. The first that explains all of them speaks. When none does, they are asked again
about the updates up to the earlier end, and what each does after it is said in words.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from .errors import ParameterError, UsageError
from .findings import Finding
from .linting import horizon
from .schedule import Schedule
from .spec import Number, shorten

Array = np.ndarray[Any, np.dtype[np.float64]]

LONGEST = 1_000_000
SPARSE = 20_000
"""How many updates are looked at beyond those that are all compared."""

OPEN = 10_000
"""How many updates are compared when neither schedule names an end."""

TOLERANCE = 1e-9
"""Differences below this share of the larger peak are rounding."""

Convention = Callable[["Pair"], str | None]

CONVENTIONS: dict[str, Convention] = {}

NONE = ("different schedules", "No single convention explains every difference")


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

    def falls(self, start: int, stop: int) -> bool:
        """Whether it never rises from update `start` to update `stop`."""
        return bool(np.all(np.diff(self.rates[start : stop + 1]) <= self.small))

    def rises(self, stop: int) -> bool:
        """Whether each update up to `stop` has a higher rate than the one before."""
        return bool(np.all(np.diff(self.rates[: stop + 1]) > self.small))

    @cached_property
    def small(self) -> float:
        return TOLERANCE * float(np.abs(self.rates).max())

    def past(self, end: int | None) -> str:
        """What it does after `end`, as far as it was looked at."""
        if end is None or end + 1 >= self.rates.size:
            return "has not ended"
        after, last = self.rates[end:], float(self.rates[end])
        if after.min() < min(0.0, last) - self.small:
            return f"falls below 0 ({after.min():g})"
        if after.max() > last + self.small:
            again = "rises again" if self.rates[: end + 1].max() > last + self.small else "goes on rising"
            return f"{again} (to {after.max():g})"
        return f"holds {last:g}" if after.min() >= last - self.small else f"goes on falling (to {after.min():g})"


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two schedules side by side; `flipped` is the same pair read from the other side.

    `cut` is the last update that is looked at when that is the earlier end, not all that was compared.
    """

    a: Side
    b: Side
    cut: int | None = None

    @property
    def flipped(self) -> Pair:
        return Pair(self.b, self.a, self.cut)

    @property
    def end(self) -> int | None:
        """The earlier of the ends that they name."""
        return min((end for end in (self.a.end, self.b.end) if end is not None), default=None)

    def upto(self, end: int) -> Pair:
        """The same pair, looked at up to `end`."""
        a, b = (dataclasses.replace(side, rates=side.rates[: end + 1]) for side in (self.a, self.b))
        return Pair(a, b, end)

    def after(self, end: int | None = None) -> str:
        """What each does after `end`, or after its own end, in the order in which they were given."""
        first, second = sorted((self.a, self.b), key=lambda side: side.name)
        said = [f"{side.name} {side.past(side.end if end is None else end)}" for side in (first, second)]
        return f"; after the end {', '.join(said)}"

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
    total = _window(a, b, updates)
    times = np.arange(min(total, LONGEST))
    pair = Pair(Side("a", a, a(times)), Side("b", b, b(times)))
    gap, far = pair.gap, _far_gap(pair, total)
    if not gap.any() and not far:
        also = "" if total <= LONGEST else f", and at {SPARSE:,} more up to {total:,}"
        return Finding("the same", "note", {"updates": total}, f"Equal at all {gap.size:,} updates compared{also}.")
    first = int(np.argmax(gap > 0)) if gap.any() else min(far)
    evidence = _evidence(pair, first, far) | {"updates": total}
    if not gap.any():
        sentence = f"They agree at the first {gap.size:,} updates and differ beyond, where not every one was compared."
        return Finding("different schedules", "note", evidence, sentence)
    name, sentence = _explained(pair) or _explained_to_the_end(pair) or NONE
    seen = "" if total <= LONGEST else f" (every update up to {LONGEST:,} was looked at)"
    return Finding(name, "note", evidence, f"{sentence}{seen}.")


def _evidence(pair: Pair, first: int, far: dict[int, float]) -> dict[str, float]:
    """The first difference, the largest, and the largest after the earlier end."""
    gap = pair.gap
    worst = int(np.argmax(gap))
    largest = {worst: float(gap[worst])} | far
    at = max(largest, key=lambda update: largest[update])
    evidence = {
        "first update": first,
        "a there": float(pair.a.schedule(first)),
        "b there": float(pair.b.schedule(first)),
        "largest difference": largest[at],
        "at update": at,
    }
    if pair.end is not None and gap[pair.end + 1 :].any():
        evidence["largest difference after the end"] = float(gap[pair.end + 1 :].max())
    return evidence


def _window(a: Schedule, b: Schedule, updates: int | None) -> int:
    """How many updates are compared: those asked for, or half as many again as the longer one has."""
    if updates is not None:
        try:
            return int(Number("", "updates", "", ge=1, whole=True, le=2**53).read(updates) or 1)
        except ValueError as rule:
            raise ParameterError(f"updates must {rule}") from None
    ends = [end for end in map(horizon, (a, b)) if end is not None]
    return int(1.5 * max(ends)) + 3 if ends else OPEN


def _far_gap(pair: Pair, total: int) -> dict[int, float]:
    """Where they differ beyond the updates that are all compared: on a grid, and at the corners of both."""
    if total <= LONGEST:
        return {}
    a, b = pair.a.schedule, pair.b.schedule
    grid = np.concatenate([np.geomspace(LONGEST, total - 1, SPARSE), a._grid(), b._grid()]).round()
    grid = np.unique(grid[(grid >= LONGEST) & (grid < total)])
    apart = np.abs(a(grid) - b(grid))
    return {int(t): float(gap) for t, gap in zip(grid, apart, strict=True) if gap > pair.small}


def _explained(pair: Pair) -> tuple[str, str] | None:
    """The first convention that explains every difference, and its sentence."""
    with np.errstate(all="ignore"):  # a trial that leaves the numbers is one that does not explain them
        for name, function in CONVENTIONS.items():
            for view in (pair, pair.flipped):
                sentence = function(view)
                if sentence is not None:
                    return name, sentence
    return None


def _explained_to_the_end(pair: Pair) -> tuple[str, str] | None:
    """The same up to the earlier end, if they already differ there; what they do after it is said in words."""
    end = pair.end
    if end is None or end < 2 or end + 1 >= pair.gap.size or not pair.gap[: end + 1].any():
        return None
    found = _explained(pair.upto(end))
    return None if found is None else (found[0], found[1] + pair.after(end))


@convention("boundary")
def _boundary(pair: Pair) -> str | None:
    """b changes one update after a, at single updates."""
    x, y = pair.a.rates, pair.b.rates
    where = np.flatnonzero(pair.gap)
    if where[0] == 0:
        return None
    before, new = x[where - 1], x[where]
    kept = pair.same(pair.a.schedule(where + 1), new) and pair.same(pair.b.schedule(where + 1), new)
    if not kept or not pair.same(y[where], before) or np.any(np.abs(new - before) <= pair.small):
        return None
    late, early = pair.b.name, pair.a.name
    return (
        f"Boundaries: {early} has the new value at update {where[0]}, {late} still has the old one there and changes "
        f"at {where[0] + 1} (one update later at each of {where.size})"
    )


@convention("past the end")
def _past_the_end(pair: Pair) -> str | None:
    """They agree up to the end that one of them names, and not after it."""
    end, first = pair.end, int(np.argmax(pair.gap > 0))
    if not end or first < end or (first == end and not pair.gap[end + 2 :].any()) or pair.a.name > pair.b.name:
        return None
    after = f"after it a {pair.a.past(end)}, b {pair.b.past(end)}"
    if first > end + 1:
        return f"They agree up to update {first - 1}; the end is at update {end}, and {after}"
    return f"They agree {f'up to update {end}' if first > end else f'before update {end}'}, the end; {after}"


@convention("base rate")
def _base_rate(pair: Pair) -> str | None:
    """One is a multiple of the other."""
    x, y, at = pair.a.rates, pair.b.rates, pair.a.top
    if pair.a.name > pair.b.name or not x[at] or not y[at]:
        return None
    ratio = float(y[at] / x[at])
    if not np.all(np.abs(ratio * x - y) <= pair.b.small):
        return None
    return f"b is {ratio:g} times a, at every update{'' if pair.cut is None else f' up to {pair.cut}'}"


@convention("one update late")
def _late(pair: Pair) -> str | None:
    """b uses at update t what a uses at t - 1."""
    if pair.gap.size < 3 or not pair.same(pair.b.rates[1:], pair.a.rates[:-1]):
        return None
    if not pair.gap[0]:
        return f"{pair.b.name} is one update late: at update k it uses what {pair.a.name} uses at k - 1"
    return f"{pair.a.name} is one update ahead: at update k it uses what {pair.b.name} uses at k + 1"


@convention("warmup")
def _warmup(pair: Pair) -> str | None:
    """One warms up in a straight line, the other reaches the same peak in another way, and from there they agree."""
    a, b = pair.a, pair.b
    settled = max(a.top, b.top)
    if a.name > b.name or (a.ramp is None and b.ramp is None):
        return None
    if settled + 1 >= pair.gap.size or pair.gap[settled:].any():
        return None
    if abs(a.rates.max() - b.rates.max()) > pair.small or not (a.falls(a.top, settled) and b.falls(b.top, settled)):
        return None
    to = "on" if pair.cut is None else f"to {pair.cut}"
    return f"Warmup: {_ramp(a)}; {_ramp(b)}. They agree from update {settled} {to}"


def _ramp(side: Side) -> str:
    """A warmup in words."""
    start, top, step = float(side.rates[0]), side.top, side.ramp
    if top == 0:
        return f"{side.name} has none"
    if step is None:
        return f"{side.name} {'rises in a curve to' if side.rises(top) else 'reaches'} its peak at update {top}"
    if abs(start) <= 1e-9 * step:
        counted = f"counts from 0 (t/{top})"
    elif abs(start - step) <= 1e-6 * step:
        counted = f"counts from 1 ((t+1)/{top + 1})"
    else:
        counted = f"rises from {start:g} in {top} equal steps" if top > 1 else f"rises from {start:g} in one step"
    return f"{side.name} {counted}: {start:g} at update 0, its peak at update {top}"


@convention("horizon")
def _horizon(pair: Pair) -> str | None:
    """After one and the same warmup, the decay of b is the decay of a, stretched in time."""
    a, b = pair.a, pair.b
    if pair.cut is not None or a.end is None or b.end is None or a.top != b.top or pair.gap[: a.top + 1].any():
        return None
    warmup, shorter, longer = a.top, a.end - a.top, b.end - b.top
    if not 0 < shorter < longer:
        return None
    tail = _stretched(pair, warmup, lambda times: warmup + (times - warmup) * (shorter / longer))
    if tail is None:
        return None
    if warmup and longer - shorter == warmup:
        return (
            f"Horizon: the end of {a.name} at update {a.end} includes the warmup of {warmup}; "
            f"{b.name} adds it, and ends at {b.end}{tail}"
        )
    return f"Horizon: the same curve takes {shorter} updates in {a.name} and {longer} in {b.name}{tail}"


def _stretched(pair: Pair, start: int, clock: Callable[[Array], Array]) -> str | None:
    """Whether b, from `start` to its end, is a on another clock: None, or what is to be said of the time after it."""
    times = np.arange(start, pair.b.rates.size, dtype=np.float64)
    apart = ~(np.abs(pair.a.schedule(clock(times)) - pair.b.rates[start:]) <= pair.small)
    upto = (pair.b.end or 0) + 1 - start
    if apart[:upto].any():
        return None
    return pair.after() if apart.any() else ""


@convention("decay during warmup")
def _during(pair: Pair) -> str | None:
    """b's decay already runs during its warmup, so that it enters it in the middle.

    The sentence speaks of the time up to the end; what is left after it is in the evidence.
    """
    a, b, warmup = pair.a, pair.b, pair.a.top
    if pair.cut is not None or a.end is None or b.end is None or not 0 < warmup < min(a.end, b.end):
        return None
    if not warmup - 1 <= b.top <= warmup or warmup + 1 >= b.rates.size or not b.falls(warmup, b.end):
        return None
    if pair.gap[:warmup].any() and not (a.rises(warmup) and b.rises(warmup - 1)):
        return None
    if b.rates[0] >= b.rates[max(b.top, 1)] - pair.small:
        return None
    pace = (a.end - warmup) / b.end
    running = _stretched(pair, warmup, lambda times: warmup + times * pace)
    if running is None or b.rates[: b.end + 1].max() >= a.rates[warmup] - pair.small:
        return None
    return (
        f"The decay of {b.name} runs during its warmup: at update {warmup} it is already {b.rates[warmup]:g}, where "
        f"{a.name} has its peak of {a.rates[warmup]:g}"
    )


@convention("floor")
def _floor(pair: Pair) -> str | None:
    """The same curve down to another floor: absolute or a share of the peak, stretched or cut off."""
    a, b = pair.a, pair.b
    if a.end is None or b.end is None or max(a.end, b.end) >= pair.gap.size or pair.gap[: a.top].any():
        return None
    if not pair.gap[: min(a.end, b.end)].any():
        return None
    low, other = float(a.rates[a.end]), float(b.rates[b.end])
    top, highest = float(a.rates.max()), float(b.rates.max())
    if top - low <= pair.small or abs(top - highest) > pair.small:
        return None
    shape, rates = (a.rates[a.top :] - low) / (top - low), b.rates[a.top :]
    if abs(low - other) > pair.small and pair.same(other + (top - other) * shape, rates):
        return f"Floor: {_floors(a.name, low, b.name, other, top)}; the curve between is the same"
    whole = top * shape
    if other <= pair.small or not np.any(whole < other - pair.small) or not pair.same(np.maximum(whole, other), rates):
        return None
    stretched = f"is stretched to end at {low:g}" if abs(low) > pair.small else "is not"
    return f"Floor: {b.name} goes to 0 and is cut off at {other:g}; {a.name} {stretched}"


def _floors(a: str, low: float, b: str, other: float, peak: float) -> str:
    for name, value, second, base in ((a, low, b, other), (b, other, a, low)):
        if math.isclose(value, base * peak, rel_tol=1e-9) and peak != 1:
            return f"the {base:g} of {second} is a rate, in {name} it is a share of the peak, {value:g}"
    return f"{a} ends at {low:g}, {b} at {other:g}"


__all__ = ["CONVENTIONS", "explain"]
