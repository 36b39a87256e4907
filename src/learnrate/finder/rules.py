"""How the known packages read a rate off the curve of a range test, each exactly as it does.

A rule is a pure function of (rates, losses): `losses` as measured, one per update and each before the update with that
rate. What the package does to them is part of the rule: its smoothing, its limit for a loss that has exploded (what
comes after it is not read), the points it leaves out, and its arithmetic (float32 where it has that). `rates` may be
longer than `losses`: the rates that the test was meant to have; fastai leaves out a tenth of these.

Where a package raises, because there are too few points or the curve has the wrong shape, its rule returns None. Where
it answers nonsense, such as the last rate before the loss became NaN, so does its rule: people want to see what each
would have said.

Every rule raises `ParameterError` for rates that are not finite numbers >= 0, and for more losses than rates. Losses
may be anything, NaN and infinity among them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ParameterError, UnknownName
from ..spec import shorten, unknown

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Reading = float | tuple[float, float] | None
"""What a rule reads: a rate, `smith` a pair of them, or None."""

_AS_FASTAI = 0.98
_LEAST = 12  # points below which the shape of a curve means nothing
_SHARE = 0.1  # of the whole fall: where Smith's falling starts, and how far a rebound goes


@dataclasses.dataclass(frozen=True)
class Rule:
    """One way to read a curve: `rule(rates, losses)`; where it comes from, and what it does in a sentence.

    >>> import numpy as np
    >>> rule = RULES["ignite"]
    >>> rule.source
    'pytorch-ignite, FastaiLRFinder.lr_suggestion'
    >>> rule([1e-4, 1e-3, 1e-2, 1e-1], [2.0, 1.9, 1.0, 3.0])
    0.001
    """

    name: str
    read: Callable[[ArrayLike, ArrayLike], Reading]
    source: str
    help: str

    def __call__(self, rates: ArrayLike, losses: ArrayLike) -> Reading:
        """The rate that this rule reads off the curve, or None."""
        return self.read(rates, losses)


def steepest(rates: ArrayLike, losses: ArrayLike) -> float | None:
    """What torch-lr-finder says: the rate where the smoothed loss falls fastest per update.

    The moving average takes 5 % of each new loss; 10 points at the start and 5 at the end are left out. A test ends
    when the average is above 5 times its best. None for fewer than 17 points, where the package raises. It does not
    stop at NaN, and then answers the last rate before it.

    Source: torch-lr-finder 0.2.2, `LRFinder.range_test` and `plot`.

    >>> import numpy as np
    >>> rates = np.geomspace(1e-7, 1, 71)
    >>> losses = 2.3 - 2 / (1 + (1e-3 / rates) ** 2) + 40 * rates**2
    >>> steepest(rates, losses)
    0.00316
    >>> losses[40:] = np.nan
    >>> print(rates[39], steepest(rates, losses), steepest(rates[:16], losses[:16]))
    0.0007943 0.0007943 None
    """
    x, y = _curve(rates, losses)
    smooth = np.array(_averaged(y, 5.0))
    if len(smooth) < 10 + 5 + 2:
        return None
    with np.errstate(all="ignore"):
        slopes = np.gradient(smooth[10:-5])
    return float(x[10 + int(slopes.argmin())])


def ignite(rates: ArrayLike, losses: ArrayLike) -> float | None:
    """What ignite says: the rate where the smoothed loss falls fastest per update, before its lowest point.

    The same moving average and limit as `steepest`; nothing is left out. None where fewer than 3 points lie before the
    lowest, as when the loss only rises: the package raises there. NaN counts as the lowest point.

    ignite's own test names every loss after the rate of the *next* update, so its answer on its own run is one rate
    further than this rule's on the same run with the rates that were used.

    Source: pytorch-ignite 0.5.5, `FastaiLRFinder.lr_suggestion`.

    >>> import numpy as np
    >>> rates = np.geomspace(1e-7, 1, 71)
    >>> losses = 2.3 - 2 / (1 + (1e-3 / rates) ** 2) + 40 * rates**2
    >>> ignite(rates, losses)
    0.00316
    >>> print(ignite(rates, 1 + rates))
    None
    """
    x, y = _curve(rates, losses)
    smooth = _single(_averaged(y, 5.0))
    falling = smooth[: int(smooth.argmin()) + 1] if len(smooth) else smooth
    if len(falling) < 3:
        return None
    with np.errstate(all="ignore"):
        slopes = np.float32(0.5) * (falling[2:] - falling[:-2])
    return float(x[1 + int(slopes.argmin())])


def lightning(rates: ArrayLike, losses: ArrayLike) -> float | None:
    """What Lightning said before 2.5.3: the rate where the smoothed loss falls fastest per update.

    The moving average takes 2 % of each new loss and is corrected for its start, but by one update too many: its first
    value is half the loss, and it rises for some 20 updates whatever the loss does. A test ends when it is above 4
    times its best. 10 points at the start and 1 at the end are left out, then those that are not finite; every such
    point in the middle shifts the answer down by one. None for fewer than 2 points.

    Source: lightning 2.5.2, `_LRCallback.on_train_batch_end` and `_LRFinder.suggestion`.

    >>> import numpy as np
    >>> rates = np.geomspace(1e-7, 1, 71)
    >>> losses = 2.3 - 2 / (1 + (1e-3 / rates) ** 2) + 40 * rates**2
    >>> lightning(rates, losses), lightning(rates[:12], losses[:12])
    (0.00316, None)
    """
    x, y = _curve(rates, losses)
    kept = _single(_as_lightning(y)[10:-1])
    kept = kept[np.isfinite(kept)]
    if len(kept) < 2:
        return None
    with np.errstate(all="ignore"):
        slopes = np.gradient(kept)
    return float(x[10 + int(slopes.argmin())])


def lightning_2_5_3(rates: ArrayLike, losses: ArrayLike) -> float | None:
    """What Lightning says since 2.5.3: the rate where the smoothed loss falls fastest per *unit of the rate*.

    Smoothing, limit and points left out are those of `lightning`. Dividing by differences of the rate makes the lowest
    rates win wherever the average falls at all.

    Source: lightning 2.6.6, `_LRFinder.suggestion`; changed in pull request 21055.

    >>> import numpy as np
    >>> rates = np.geomspace(1e-7, 1, 71)
    >>> losses = 2.3 - 2 / (1 + (1e-3 / rates) ** 2) + 40 * rates**2
    >>> lightning_2_5_3(rates, losses), lightning_2_5_3(rates[:12], losses[:12])
    (0.00079, None)
    """
    x, y = _curve(rates, losses)
    smooth = _single(_as_lightning(y)[10:-1])
    places = 10 + np.flatnonzero(np.isfinite(smooth))
    if len(places) < 2:
        return None
    return float(x[places[int(_slopes(smooth[places - 10], _single(x[places])).argmin())]])


def minimum(rates: ArrayLike, losses: ArrayLike) -> float | None:
    """What fastai's `minimum` says: a tenth of the rate of the lowest smoothed loss.

    The moving average of fastai takes 2 % of each new loss and is corrected for its start. A test ends when it is above
    4 times its best. The first tenth of the updates that the test was meant to have and the last 5 points are left out,
    and everything from the first NaN on. None when no point is left, where fastai raises.

    Source: fastai 2.8.12, `Learner.lr_find` and `minimum`.

    >>> import numpy as np
    >>> rates = np.geomspace(1e-7, 1, 71)
    >>> losses = 2.3 - 2 / (1 + (1e-3 / rates) ** 2) + 40 * rates**2
    >>> minimum(rates, losses), minimum(rates[:5], losses[:5])
    (0.0158, None)
    """
    x, y = _as_fastai(rates, losses)
    return float(x[int(y.argmin())]) / 10 if len(y) else None


def steep(rates: ArrayLike, losses: ArrayLike) -> float | None:
    """What fastai's `steep` says: the rate where the smoothed loss begins to fall fastest per logarithm of the rate.

    Smoothing and points left out are those of `minimum`. None for fewer than 2 points, where fastai raises.

    Source: fastai 2.8.12, `Learner.lr_find` and `steep`.

    >>> import numpy as np
    >>> rates = np.geomspace(1e-7, 1, 71)
    >>> losses = 2.3 - 2 / (1 + (1e-3 / rates) ** 2) + 40 * rates**2
    >>> steep(rates, losses), steep(rates[:6], losses[:6])
    (0.00251, None)
    """
    x, y = _as_fastai(rates, losses)
    if len(y) < 2:
        return None
    with np.errstate(all="ignore"):
        logs = _single(np.log(_single(x).astype(np.float64)))  # rounded once, as torch rounds it
        slopes = (y[1:] - y[:-1]) / (logs[1:] - logs[:-1])
    return float(x[int(slopes.argmin())])


def valley(rates: ArrayLike, losses: ArrayLike) -> float | None:
    """What fastai says by default: a place half-way down the longest falling sequence of the smoothed loss.

    The sequence need not be contiguous, and it is taken to start its own length before its end, wherever it really
    started. Smoothing and points left out are those of `minimum`. A loss that only rises has a sequence of one point,
    and the answer is the first rate that is not left out. None when no point is left, where fastai raises.

    Source: fastai 2.8.12, `Learner.lr_find` and `valley`, after Novikov (2021), ESRNN.

    >>> import numpy as np
    >>> rates = np.geomspace(1e-7, 1, 71)
    >>> losses = 2.3 - 2 / (1 + (1e-3 / rates) ** 2) + 40 * rates**2
    >>> valley(rates, losses), valley(rates[:5], losses[:5])
    (0.000316, None)
    """
    x, y = _as_fastai(rates, losses)
    if not len(y):
        return None
    start, end = _longest_fall(y.tolist())
    third = (end - start) / 3
    return float(x[start + int(third) + int(third / 2)])  # may be -1, which is the last one there too


def slide(rates: ArrayLike, losses: ArrayLike) -> float | None:
    """What fastai's `slide` says: the left edge of a window of 15 updates whose ends fall alike.

    The window slides down from the right while the slopes at its ends differ by more than 0.005 per update, in the unit
    of the loss: a loss ten times as large gives another answer. Smoothing and points left out are those of `minimum`.
    None for fewer than 16 points, where fastai raises.

    Source: fastai 2.8.12, `Learner.lr_find` and `slide`, after Novikov (2021), ESRNN.

    >>> import numpy as np
    >>> rates = np.geomspace(1e-7, 1, 71)
    >>> losses = 2.3 - 2 / (1 + (1e-3 / rates) ** 2) + 40 * rates**2
    >>> slide(rates, losses), slide(rates[:20], losses[:20])
    (0.00126, None)
    """
    x, y = _as_fastai(rates, losses)
    if len(y) < 16:
        return None
    with np.errstate(all="ignore"):
        slopes = np.gradient(y)
        right, left = len(y) - 1, len(y) - 16
        found = left
        while left >= 0 and abs(slopes[right] - slopes[left]) > 0.005:
            found = left
            right, left = right - 1, left - 1
    return float(x[found])


def smith(rates: ArrayLike, losses: ArrayLike) -> tuple[float, float] | None:
    """Smith's pair of bounds for a cyclic rate: where the loss starts to fall, and where it gets ragged or rises.

    The paper reads accuracy with the eye; this is the same in numbers. The loss is averaged over a window of about a
    twentieth of the points around each. The base is the first rate from which on the average stays a tenth of its whole
    fall below where it started, until its lowest point. The maximum is the rate of the lowest average before the first
    rebound by a tenth of the fall. Both margins are at least twice the noise of the average. None when there is no fall
    that stands out from the noise. Points from the first loss that is not finite on are left out.

    Source: Smith, 2017, arXiv:1506.01186, section 3.3. No package returns this pair.

    >>> import numpy as np
    >>> rates = np.linspace(0.001, 0.1, 100)
    >>> losses = np.where(rates < 0.02, 2.0, 2.0 - 20 * (rates - 0.02)) + np.where(rates > 0.08, rates - 0.08, 0) * 100
    >>> smith(rates, losses)
    (0.027, 0.08)
    >>> print(smith(rates, 1 + rates))
    None
    """
    x, y = _curve(rates, losses)
    seen = fall(y)
    if seen is None:
        return None
    margin = max(_SHARE * (seen.start - seen.lowest), 2 * seen.noise)
    above = np.flatnonzero(seen.average[: seen.at] > seen.start - margin)
    base = int(above[-1]) + 1 if len(above) else 0
    best = base
    for place in range(base, len(seen.average)):
        if seen.average[place] < seen.average[best]:
            best = place
        elif seen.average[place] > seen.average[best] + margin:
            break
    return (float(x[base]), float(x[best])) if x[base] < x[best] else None


class Fall(NamedTuple):
    """How far a loss fell: from `start` to `lowest`, which the average reaches at index `at`; `noise` is the average's.

    `average` holds the mean over a window around each point, up to the last finite loss.
    """

    average: Floats
    start: float
    lowest: float
    at: int
    noise: float


def fall(losses: ArrayLike) -> Fall | None:
    """The fall of a curve of losses; None when nothing stands out from the noise, or there are fewer than 12 points.

    Points from the first loss that is not finite on are left out. The noise is read off the differences of neighbours
    (their median, so that an explosion at the end does not count), and a fall must be 4 times that of the average: the
    lowest of so many averages of pure noise lies 2 to 3 times below it.

    >>> import numpy as np
    >>> seen = fall(np.linspace(2, 1, 50))
    >>> round(seen.start, 2), round(seen.lowest, 2), seen.at
    (1.96, 1.01, 49)
    >>> print(fall([1.0] * 50))
    None
    """
    values = np.asarray(losses, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    values = values[: bad[0]] if len(bad) else values
    count = len(values)
    if count < _LEAST:
        return None
    half = max(1, count // 40)
    average = np.array([values[max(0, i - half) : i + half + 1].mean() for i in range(count)])
    start, at = float(values[: max(3, count // 10)].mean()), int(average.argmin())
    steps = np.abs(np.diff(values))
    noise = 1.4826 * float(np.median(steps)) / math.sqrt(2 * (2 * half + 1))
    lowest = float(average[at])
    return Fall(average, start, lowest, at, noise) if start - lowest > 4 * noise else None


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            Rule("steepest", steepest, "torch-lr-finder, LRFinder.plot", "fastest fall per update"),
            Rule(
                "ignite",
                ignite,
                "pytorch-ignite, FastaiLRFinder.lr_suggestion",
                "fastest fall per update before the lowest point",
            ),
            Rule(
                "lightning",
                lightning,
                "lightning before 2.5.3, Tuner.lr_find",
                "fastest fall per update of a wrongly corrected average",
            ),
            Rule(
                "lightning-2.5.3",
                lightning_2_5_3,
                "lightning since 2.5.3, Tuner.lr_find",
                "fastest fall per unit of the rate of a wrongly corrected average",
            ),
            Rule("minimum", minimum, "fastai, minimum", "a tenth of the rate of the lowest loss"),
            Rule("steep", steep, "fastai, steep", "fastest fall per logarithm of the rate"),
            Rule("valley", valley, "fastai, valley (its default)", "half-way down the longest fall"),
            Rule("slide", slide, "fastai, slide", "left edge of a window whose ends fall alike"),
            Rule(
                "smith",
                smith,
                "Smith, 2017, arXiv:1506.01186",
                "where the loss starts to fall, and where it gets ragged: a pair",
            ),
        )
    }
)
"""Every rule by its name."""


def suggest(rates: ArrayLike, losses: ArrayLike) -> dict[str, Reading]:
    """What every rule reads off one curve, by the name of the rule.

    >>> import numpy as np
    >>> rates = np.geomspace(1e-7, 1, 71)
    >>> read = suggest(rates, 2.3 - 2 / (1 + (1e-3 / rates) ** 2) + 40 * rates**2)
    >>> list(read)
    ['steepest', 'ignite', 'lightning', 'lightning-2.5.3', 'minimum', 'steep', 'valley', 'slide', 'smith']
    >>> read["smith"]
    (0.0004, 0.0158)
    """
    return {name: rule(rates, losses) for name, rule in RULES.items()}


def find_rule(name: str) -> Rule:
    """The rule of that name; raises `UnknownName`, which lists the known ones.

    >>> find_rule("valley").help
    'half-way down the longest fall'
    """
    if name not in RULES:
        raise UnknownName(unknown("rule", name, list(RULES)))
    return RULES[name]


class Smoothed:
    """The moving average of losses that come one by one, corrected for its start: what fastai shows and stops by.

    `beta` is the share that the past keeps. `value` is the average so far, NaN before the first.

    >>> average = Smoothed()
    >>> [round(average.add(loss), 4) for loss in (2.0, 1.0, 1.0)]
    [2.0, 1.4949, 1.3266]
    """

    def __init__(self, beta: float = _AS_FASTAI) -> None:
        self.beta = beta
        self.value = math.nan
        self._sum = 0.0
        self._count = 0

    def add(self, loss: float) -> float:
        """The average with one more loss."""
        self._count += 1
        self._sum = self.beta * self._sum + (1 - self.beta) * loss
        self.value = self._sum / (1 - self.beta**self._count)
        return self.value


# --- what the packages do to a curve before they read it --------------------------------------------------------------


def _curve(rates: Any, losses: Any) -> tuple[Floats, Floats]:
    """Both as float64; as many losses as rates, or fewer."""
    x, y = _numbers("rates", rates), _numbers("losses", losses)
    if not (np.isfinite(x).all() and (x >= 0).all()):
        raise ParameterError(f"rates must be finite numbers >= 0, got {shorten(x.tolist())}")
    if len(y) > len(x):
        raise ParameterError(f"there must be a rate for every loss, got {len(y)} losses and {len(x)} rates")
    return x, y


def _numbers(name: str, given: Any) -> Floats:
    try:
        values = np.asarray(given)
    except ValueError:  # rows of different lengths
        values = np.zeros((0, 0))
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iuf"):
        raise ParameterError(f"{name} must be a list of numbers, got {shorten(given)}")
    return values.astype(np.float64)


def _single(values: Any) -> Singles:
    """In float32, as torch has it."""
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float64).astype(np.float32)


def _averaged(losses: Floats, above: float) -> list[float]:
    """5 % of the new and 95 % of the old, from the first loss on, until it is above so many times its best."""
    smooth: list[float] = []
    best = math.nan
    for loss in losses.tolist():
        value = 0.05 * loss + (1 - 0.05) * smooth[-1] if smooth else loss
        if not smooth or value < best:
            best = value
        smooth.append(value)
        if value > above * best:
            break
    return smooth


def _as_lightning(losses: Floats) -> list[float]:
    """The average as Lightning's callback keeps it, whose count is one too high."""
    smooth: list[float] = []
    average = best = 0.0
    for count, loss in enumerate(losses.tolist(), 1):
        average = _AS_FASTAI * average + (1 - _AS_FASTAI) * loss
        value = average / (1 - _AS_FASTAI ** (count + 1))
        smooth.append(value)
        if count > 1 and value > 4.0 * best:
            break
        if value < best or count == 1:
            best = value
    return smooth


def _as_fastai(rates: ArrayLike, losses: ArrayLike) -> tuple[Floats, Singles]:
    """The rates and smoothed losses that `lr_find` hands to its functions; float32, as its tensors are."""
    x, y = _curve(rates, losses)
    share = float(np.float32(1) - np.float32(_AS_FASTAI))
    average, best = np.float32(0), np.float32(np.inf)
    smooth: list[np.float32] = []
    with np.errstate(all="ignore"):
        for loss in _single(y):
            # torch.lerp in its order; processors round its product and difference once, as this does
            average = np.float32(float(average) - float(average - loss) * share)
            value = average / np.float32(1 - _AS_FASTAI ** (len(smooth) + 1))
            smooth.append(value)
            if value < best:
                best = value
            if value > np.float32(4) * best:
                break
    kept = np.array(smooth[len(x) // 10 : -5], dtype=np.float32)
    missing = np.flatnonzero(np.isnan(kept))
    kept = kept[: missing[0]] if len(missing) else kept
    return x[len(x) // 10 :][: len(kept)], kept


def _slopes(y: Singles, x: Singles) -> Singles:
    """`torch.gradient` over uneven points: its formula in its order, because float32 rounds."""
    with np.errstate(all="ignore"):
        gap = np.diff(x)
        one, two = gap[:-1], gap[1:]
        a = -two / (one * (one + two))
        b = (two - one) / (one * two)
        c = one / (two * (one + two))
        middle = a * y[:-2] + b * y[1:-1] + c * y[2:]
        ends = np.array([y[1] - y[0], y[-1] - y[-2]]) / gap[[0, -1]]
    return np.concatenate([ends[:1], middle, ends[1:]])


def _longest_fall(losses: list[float]) -> tuple[int, int]:
    """Where fastai takes the longest falling sequence to start and end.

    It notes a new longest one as soon as it sees one, not when it has seen the whole of it; so does this.
    """
    lengths = [1] * len(losses)
    start = end = 0
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[i] < losses[j] and lengths[i] < lengths[j] + 1:
                lengths[i] = lengths[j] + 1
            if lengths[end] < lengths[i]:
                end = i
                start = end - lengths[end]
    return start, end


__all__ = [
    "RULES",
    "Fall",
    "Reading",
    "Rule",
    "Smoothed",
    "fall",
    "find_rule",
    "ignite",
    "lightning",
    "lightning_2_5_3",
    "minimum",
    "slide",
    "smith",
    "steep",
    "steepest",
    "suggest",
    "valley",
]
