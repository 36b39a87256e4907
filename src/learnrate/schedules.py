"""The catalogue: one class per schedule. Adding one here is all it takes.

A `Shape` writes its formula in plain arithmetic and `xp` for 0 <= t <= its length; a `Recipe` returns an expression in
the algebra. Values are in their own unit, lengths in updates; the order is start, end, length, then names.
Formulas blend as `start * w + end * (1 - w)`, which ends exactly where it says.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from typing import Any

from .clock import Length, length
from .errors import ParameterError, UsageError
from .formula import Table
from .schedule import Recipe, Schedule, Shape
from .spec import Kind, choice, declare, number, numbers, shorten


def _rest(help: str = "its length; the rest of the run if left out") -> Any:
    return length("N", help, None)


def _start() -> Any:
    return number("a", "rate", "value at t = 0", span=(1e-4, 1.0))


def _end(default: float = 0.0) -> Any:
    return number("b", "rate", "value at the end", default, span=(1e-6, 1e-3))


def _blend(start: Any, end: Any, w: Any) -> Any:
    return start * w + end * (1 - w)


# -- plain


class Constant(Shape):
    """The same value at every update.

    Pick it as the baseline every schedule has to beat, or as the plateau of a chain.

    >>> Constant(3e-4)(1000)
    0.0003
    """

    open_ended = True
    value: float = number("a", "rate", "the value")
    updates: Length = _rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return self.value


class Linear(Shape):
    """A straight line.

    Pick it as warmup, or as the decay that is hardest to beat when the length of the run is known
    (Defazio et al., 2023, arXiv:2310.07831).

    >>> Linear(0, 1, 4)([0, 1, 2, 3, 4, 9])
    array([0.  , 0.25, 0.5 , 0.75, 1.  , 1.  ])
    """

    start: float = _start()
    end: float = _end()
    updates: Length = _rest()

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", t / self.updates)
        return _blend(self.end, self.start, u)


class Polynomial(Shape):
    """A power of what is left of the run.

    Pick it for segmentation recipes (`power=0.9`: Chen et al., 2017, arXiv:1606.00915). `k` bends time: progress u
    becomes u**k (k-decay: Zhang and Li, 2020, arXiv:2004.05909).

    >>> Polynomial(1.0, 0.1, 10, power=2.0)(5)
    0.325
    """

    start: float = _start()
    end: float = _end()
    updates: Length = _rest()
    power: float = number("p", "", "how fast it falls at first", 1.0, gt=0, le=100, span=(0.3, 4))
    k: float = number("k", "", "how progress is bent: u becomes u**k", 1.0, gt=0, le=100, span=(0.5, 3))

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", (t / self.updates) ** self.k)
        return _blend(self.start, self.end, (1 - u) ** self.power)


class Cosine(Shape):
    """Half a cosine: flat at both ends.

    Pick it when the length of the run is known; the default of language and vision models (Loshchilov and Hutter, 2017,
    arXiv:1608.03983). `power` sharpens it; `k` bends time: progress u becomes u**k (arXiv:2004.05909).

    >>> Cosine(1.0, 0.1, 10)([0, 5, 10, 20])
    array([1.  , 0.55, 0.1 , 0.1 ])
    """

    start: float = _start()
    end: float = _end()
    updates: Length = _rest()
    power: float = number("p", "", "power of the cosine", 1.0, gt=0, le=100, span=(0.5, 3))
    k: float = number("k", "", "how progress is bent: u becomes u**k", 1.0, gt=0, le=100, span=(0.5, 3))

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", (t / self.updates) ** self.k)
        w = xp.let("w", ((1 + xp.cos(math.pi * u)) / 2) ** self.power)
        return _blend(self.start, self.end, w)


# -- exponential


class Exponential(Shape):
    """Multiplied by `factor` every `period` updates, smoothly; a staircase with `.every(period)`.

    Pick it when the length of the run is not known. For a rise, use `Geometric`.

    >>> Exponential(0.01, 0.95)([0, 1, 2])
    array([0.01    , 0.0095  , 0.009025])
    """

    open_ended = True
    start: float = _start()
    factor: float = number("\\gamma", "", "what the value is multiplied by", gt=0, le=1, span=(0.9, 0.999))
    updates: Length = _rest("its length; for ever if left out")
    period: float = number("P", "updates", "how long one factor takes", 1.0, gt=0, span=(1, 50))

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * self.factor ** (t / self.period)


class NaturalExponential(Shape):
    """e to the minus `decay` times t: exponential decay given as a rate per update.

    Pick it when a recipe states the decay as a rate rather than as a factor. A negative `decay` rises, and saturates
    before it overflows.

    >>> round(NaturalExponential(1.0, 0.1)(10), 6)
    0.367879
    """

    open_ended = True
    start: float = _start()
    decay: float = number("\\lambda", "per update", "how fast it decays", ge=-100, le=100, span=(1e-4, 0.1))
    updates: Length = _rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * xp.exp(-self.decay * t)


class Geometric(Shape):
    """From start to end in equal ratios: a straight line on a logarithmic axis.

    Pick it to sweep a range of rates, rising or falling (Smith, 2017, arXiv:1506.01186).

    >>> Geometric(1e-6, 1.0, 6)([0, 3, 6])
    array([1.e-06, 1.e-03, 1.e+00])
    """

    start: float = number("a", "rate", "value at t = 0", gt=0, span=(1e-4, 1.0))
    end: float = number("b", "rate", "value at the end", gt=0, span=(1e-6, 1e-3))
    updates: Length = _rest()

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", t / self.updates)
        return self.start ** (1 - u) * self.end**u


class Step(Shape):
    """Multiplied by `factor` every `period` updates, at once.

    Pick it to repeat a classic vision recipe (He et al., 2016, arXiv:1512.03385).

    >>> Step(0.01, 0.5, 3)([0, 2, 3, 5, 6])
    array([0.01  , 0.01  , 0.005 , 0.005 , 0.0025])
    """

    open_ended = True
    start: float = _start()
    factor: float = number("\\gamma", "", "what the value is multiplied by", gt=0, le=1, span=(0.1, 0.9))
    period: int = number("P", "updates", "how long each stair is", ge=1, le=2**53, whole=True, span=(1, 50))
    updates: Length = _rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * self.factor ** xp.floor(t / self.period)


class MultiStep(Recipe):
    """Multiplied by `factor` at each milestone; a repeated milestone counts twice.

    Pick it to repeat a classic vision recipe with hand-placed drops (Zagoruyko and Komodakis, 2016, arXiv:1605.07146).

    >>> MultiStep(0.01, [3, 7], 0.1)([0, 3, 7])
    array([0.01  , 0.001 , 0.0001])
    """

    start: float = _start()
    milestones: tuple[int, ...] = numbers(
        "m", "updates", "updates from which a further factor applies", ge=0, le=2**53, whole=True, span=(1, 200)
    )
    factor: float = number("\\gamma", "", "what the value is multiplied by", 0.1, gt=0, span=(0.1, 0.9))

    def check(self) -> None:
        if list(self.milestones) != sorted(self.milestones):
            raise ParameterError(f"MultiStep.milestones must not fall (updates), got {list(self.milestones)}")

    def meaning(self) -> Schedule:
        places = sorted(set(self.milestones))
        counts = [sum(m <= place for m in self.milestones) for place in places]
        values = [self.start * self.factor**count for count in counts]
        if places[0] == 0:
            return PiecewiseConstant(values, places[1:]) if places[1:] else Constant(values[0])
        return PiecewiseConstant([self.start, *values], places)


class PiecewiseConstant(Shape):
    """A list of values; each holds up to the next boundary, and the new value speaks at the boundary itself.

    Pick it for hand-made stairs.

    >>> PiecewiseConstant([1.0, 0.1], [4])([2, 3, 4, 5])
    array([1. , 1. , 0.1, 0.1])
    """

    open_ended = True
    values: tuple[float, ...] = numbers("v", "rate", "the values, one more than there are boundaries")
    boundaries: tuple[int, ...] = numbers(
        "m", "updates", "where the next value takes over", rising=True, gt=0, le=2**53, whole=True, span=(1, 200)
    )
    updates: Length = _rest("its length; for ever if left out")

    def check(self) -> None:
        if len(self.values) != len(self.boundaries) + 1:
            raise ParameterError(
                f"PiecewiseConstant needs one value more than boundaries, got {len(self.values)} values "
                f"and {len(self.boundaries)} boundaries"
            )

    def formula(self, t: Any, xp: Any) -> Any:
        return xp.take(Table(self.values), xp.find(t, Table((0.0, *map(float, self.boundaries)))))


# -- powers of time


class InverseTime(Shape):
    """Divided by 1 + decay * t / period.

    Pick it for the classic decay of stochastic approximation (Robbins and Monro, 1951, Ann. Math. Statist. 22).

    >>> InverseTime(1.0, 0.5)([0, 2])
    array([1. , 0.5])
    """

    open_ended = True
    start: float = _start()
    decay: float = number("\\gamma", "", "how much the divisor grows per period", ge=0, span=(1e-3, 1.0))
    updates: Length = _rest("its length; for ever if left out")
    period: float = number("P", "updates", "the unit of time", 1.0, gt=0, span=(1, 50))

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start / (1 + self.decay * t / self.period)


class InverseSqrt(Shape):
    """Falls with the square root of time: sqrt(timescale / (t + timescale)).

    Pick it for open-ended runs with warmup in front; with a timescale equal to the warmup it is the Transformer's decay
    (Vaswani et al., 2017, arXiv:1706.03762).

    >>> (Linear(0, 1, 4) >> InverseSqrt(1, 4))([3, 4, 16])
    array([0.75, 1.  , 0.5 ])
    """

    open_ended = True
    start: float = _start()
    timescale: float = number("\\tau", "updates", "how long it takes to fall to 0.71", gt=0, span=(1, 500))
    updates: Length = _rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * xp.sqrt(self.timescale / (t + self.timescale))


class PowerLaw(Shape):
    """Falls with a power of time: (1 + t / timescale) ** -power.

    Pick it to continue training on an open horizon (`power=0.51`: Shen et al., 2024, arXiv:2408.13359).

    >>> PowerLaw(1.0, 0.5, 4)(12)
    0.5
    """

    open_ended = True
    start: float = _start()
    power: float = number("p", "", "how steeply it falls", ge=0, le=100, span=(0.1, 2))
    timescale: float = number("\\tau", "updates", "when it begins to fall", 1.0, gt=0, span=(1, 500))
    updates: Length = _rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * (self.timescale / (t + self.timescale)) ** self.power


class Noam(Recipe):
    """Linear warmup, then the inverse square root of time, scaled by the width of the model.

    Pick it to repeat the original Transformer (Vaswani et al., 2017, arXiv:1706.03762).

    >>> Noam(1, 4)([0, 1, 4, 16])
    array([0.   , 0.125, 0.5  , 0.25 ])
    """

    dimension: int = number("d", "", "width of the model", ge=1, le=2**53, whole=True, span=(1, 4096))
    warmup: Length = length("W", "length of the warmup", "4%", least=1)
    factor: float = number("c", "", "what every rate is multiplied by", 1.0, span=(0.1, 2))

    @property
    def demand(self) -> str:
        return "open"

    def meaning(self) -> Schedule:
        if not isinstance(self.warmup, int):
            return Linear(0, 1, self.warmup) >> Constant(1)
        peak = self.factor / math.sqrt(self.dimension * self.warmup)
        return Linear(0, peak, self.warmup) >> InverseSqrt(peak, self.warmup)


# -- other decays


class Tanh(Shape):
    """A hyperbolic tangent: stays high longer than a cosine, then falls faster; ends a little above `end`.

    Pick it to repeat hyperbolic-tangent decay (Hsueh et al., 2019, arXiv:1806.01593).

    >>> round(Tanh(1.0, 0.0, 10)(5), 6)
    0.982014
    """

    start: float = _start()
    end: float = _end()
    updates: Length = _rest()
    lower: float = number("L", "", "argument of tanh at the start", -7.0, ge=-20, le=20, span=(-7.0, -2.0))
    upper: float = number("U", "", "argument of tanh at the end", 3.0, ge=-20, le=20, span=(2, 5))

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", t / self.updates)
        return _blend(self.start, self.end, (1 - xp.tanh(self.lower * (1 - u) + self.upper * u)) / 2)


class REX(Shape):
    """Reflected exponential: between linear and a late, sharp fall.

    Pick it for small budgets of updates (Chen et al., 2022, arXiv:2107.04197).

    >>> REX(1.0, 0.0, 10)([0, 5, 10])
    array([1.        , 0.66666667, 0.        ])
    """

    start: float = _start()
    end: float = _end()
    updates: Length = _rest()

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", t / self.updates)
        return _blend(self.start, self.end, (1 - u) / (1 - u / 2))


def _hyperbola(u: Any, ratio: Any, xp: Any) -> Any:
    """How much of the way is left, from 1 at u = 0: a hyperbola whose asymptote lies at `ratio` times the length."""

    def height(v: Any) -> Any:
        return xp.sqrt(xp.maximum((1 - v) / ratio * (2 - (1 + v) / ratio), 0))

    return height(u) - height(0.0)


class Hyperbolic(Shape):
    """A hyperbola whose early part does not depend much on the length of the run.

    Pick it when rates found on short runs should hold on long ones (Kim, 2024, arXiv:2407.15200). `ratio` is the
    asymptote over the length; it ends at `end` only when that is 1.

    >>> round(Hyperbolic(1.0, 0.1, 10, ratio=2.0)(10), 4)
    0.2206
    """

    start: float = _start()
    end: float = _end()
    updates: Length = _rest()
    ratio: float = number("r", "", "the asymptote, as a multiple of the length", 1.0, ge=1, span=(1, 4))

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start + (self.start - self.end) * _hyperbola(t / self.updates, self.ratio, xp)


class ExponentialHyperbolic(Shape):
    """The hyperbola on a logarithmic axis.

    Pick it as `Hyperbolic`, when the rate should span orders of magnitude (Kim, 2024, arXiv:2407.15200).

    >>> round(ExponentialHyperbolic(1.0, 0.01, 10)(10), 6)
    0.01
    """

    start: float = number("a", "rate", "value at t = 0", gt=0, span=(1e-4, 1.0))
    end: float = number("b", "rate", "value at the end", gt=0, span=(1e-6, 1e-3))
    updates: Length = _rest()
    ratio: float = number("r", "", "the asymptote, as a multiple of the length", 1.0, ge=1, span=(1, 4))

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * (self.start / self.end) ** _hyperbola(t / self.updates, self.ratio, xp)


class Chebyshev(Shape):
    """The Chebyshev nodes in falling order: a cosine read half an update later, so it never is `start` or `end`.

    Pick it to repeat Chebyshev step sizes (Young, 1953; Agarwal et al., 2021, arXiv:2103.01338).

    >>> Chebyshev(1.0, 0.1, 10)([0, 9, 10]).round(3)
    array([0.994, 0.106, 0.106])
    """

    start: float = _start()
    end: float = _end()
    updates: Length = _rest()

    def formula(self, t: Any, xp: Any) -> Any:
        last = xp.minimum(t, self.updates - 1)
        return _blend(self.start, self.end, (1 + xp.cos(math.pi * (2 * last + 1) / (2 * self.updates))) / 2)


class PowerDecay(Shape):
    """One minus a power of progress: 0.5 is "1-sqrt", 2 is "1-square".

    Pick `power=0.5` as the cooldown of a warmup-stable-decay run (Hägele et al., 2024, arXiv:2405.18392).

    >>> PowerDecay(1.0, 0.0, 16, power=0.5)([0, 4, 16])
    array([1. , 0.5, 0. ])
    """

    start: float = _start()
    end: float = _end()
    updates: Length = _rest()
    power: float = number("p", "", "power of progress", 0.5, gt=0, le=100, span=(0.3, 3))

    def formula(self, t: Any, xp: Any) -> Any:
        return _blend(self.start, self.end, 1 - (t / self.updates) ** self.power)


class SquareRootAnnealing(Recipe):
    """The square root of what is left of the run, no lower than `end`.

    Pick it to repeat speech recipes that anneal by the square root.

    >>> SquareRootAnnealing(1.0, 0.1, 100)([0, 75, 100])
    array([1. , 0.5, 0.1])
    """

    start: float = _start()
    end: float = _end()
    updates: Length = _rest()

    def meaning(self) -> Schedule:
        return Polynomial(self.start, 0, self.updates, power=0.5).clip(self.end)


# -- warmups


class Logarithmic(Shape):
    """Rises fast, then slowly, with the logarithm of time.

    Pick it to repeat a logarithmic warmup.

    >>> Logarithmic(0.0, 1.0, 3)([0, 1, 3])
    array([0. , 0.5, 1. ])
    """

    start: float = number("a", "rate", "value at t = 0", 0.0, span=(1e-6, 1e-3))
    end: float = number("b", "rate", "value at the end", 1.0, span=(1e-4, 1.0))
    updates: Length = _rest()

    def formula(self, t: Any, xp: Any) -> Any:
        return _blend(self.end, self.start, xp.log(1 + t) / xp.log(1.0 + self.updates))


class Quadratic(Recipe):
    """Rises slowly, then fast, with the square of time.

    Pick it as a warmup that is gentle at first.

    >>> Quadratic(0.0, 1.0, 4)([0, 2, 4])
    array([0.  , 0.25, 1.  ])
    """

    start: float = number("a", "rate", "value at t = 0", 0.0, span=(1e-6, 1e-3))
    end: float = number("b", "rate", "value at the end", 1.0, span=(1e-4, 1.0))
    updates: Length = _rest()

    def meaning(self) -> Schedule:
        return PowerDecay(self.start, self.end, self.updates, power=2.0)


class SlantedTriangular(Recipe):
    """A short rise and a long fall, both straight.

    Pick it to fine-tune a pre-trained model (Howard and Ruder, 2018, arXiv:1801.06146).

    >>> SlantedTriangular(1.0, 100, rise="10%", ratio=4.0)([0, 10, 100])
    array([0.25, 1.  , 0.25])
    """

    peak: float = number("\\eta", "rate", "the highest value", span=(1e-4, 1.0))
    updates: Length = _rest()
    rise: Length = length("R", "length of the rise", "10%")
    ratio: float = number("r", "", "how much smaller the lowest value is", 32.0, ge=1, span=(2, 40))

    def meaning(self) -> Schedule:
        low = self.peak / self.ratio
        return Linear(low, self.peak, self.rise) >> Linear(self.peak, low)


# -- cycles and named recipes


class Triangular(Recipe):
    """Up and down in straight lines, again and again.

    Pick it to explore a range of rates (Smith, 2017, arXiv:1506.01186): `height="halved"` halves the triangle each
    cycle, `"exponential"` shrinks it by `factor` each update.

    >>> Triangular(0.1, 1.1, 2)([0, 1, 2, 3, 4])
    array([0.1, 0.6, 1.1, 0.6, 0.1])
    """

    low: float = number("b", "rate", "the lowest value", span=(1e-5, 1e-3))
    high: float = number("a", "rate", "the highest value", span=(1e-2, 1.0))
    rise: int = number("U", "updates", "how long it rises", ge=1, le=2**53, whole=True, span=(1, 50))
    fall: int | None = number(
        "D", "updates", "how long it falls; as long as it rises if left out", None, ge=1, le=2**53, whole=True, span=(1, 50)
    )
    height: str = choice("h", "how the height of a cycle changes", ("plain", "halved", "exponential"), "plain")
    factor: float = number("\\gamma", "", "shrinks the height per update, if exponential", 0.9999, gt=0, le=1)

    @property
    def demand(self) -> str:
        return "open"

    def meaning(self) -> Schedule:
        height = self.high - self.low
        fall = self.rise if self.fall is None else self.fall
        tooth = Linear(0, height, self.rise) >> Linear(height, 0, fall)
        teeth = tooth.repeat(scale=0.5 if self.height == "halved" else 1.0)
        if self.height == "exponential":
            teeth = teeth * Exponential(1, self.factor)
        return Constant(self.low) + teeth


class OneCycle(Recipe):
    """Up to a high peak and down to almost nothing, once.

    Pick it for short runs with a high peak (Smith and Topin, 2018, arXiv:1708.07120). With three phases the rate first
    returns to where it began, symmetrically, and then falls. The peak is at the end of the warmup, the end at the end
    of the run.

    >>> OneCycle(1.0, 10)([0, 3, 10]).round(6)
    array([4.e-02, 1.e+00, 4.e-06])
    """

    peak: float = number("\\eta", "rate", "the highest value", gt=0, span=(1e-4, 1.0))
    updates: Length = _rest()
    warmup: Length = length("W", "length of the rise", "30%")
    div: float = number("d", "", "peak over start", 25.0, gt=0, span=(5, 50))
    final_div: float = number("D", "", "start over end", 1e4, gt=0, span=(10, 1e5))
    between: str = choice("s", "the curve between the corners", ("cosine", "linear"), "cosine")
    phases: int = number("n", "", "2: up, down; 3: up, back, down", 2, ge=2, le=3, whole=True, span=(2, 3))

    def meaning(self) -> Schedule:
        curve = Cosine if self.between == "cosine" else Linear
        start = self.peak / self.div
        end = start / self.final_div
        rise = curve(start, self.peak, self.warmup)
        if self.phases == 2:
            return rise >> curve(self.peak, end)
        return rise >> curve(self.peak, start, self.warmup) >> curve(start, end)


class SGDR(Recipe):
    """Cosine decay with warm restarts.

    Pick it to collect several good models in one run (Loshchilov and Hutter, 2017, arXiv:1608.03983). Each cycle is
    `stretch` times as long as the one before, and its height above `end` is `scale` times as high.

    >>> SGDR(1.0, 0.0, 4, stretch=2.0)([0, 3, 4, 12]).round(3)
    array([1.   , 0.146, 1.   , 1.   ])
    """

    start: float = _start()
    end: float = _end()
    period: Length = length("P", "length of the first cycle", "10%", least=1)
    stretch: float = number("s", "", "each cycle's length over the one before", 1.0, ge=1, le=1000, span=(1.2, 3))
    scale: float = number("q", "", "each cycle's height over the one before", 1.0, gt=0, le=1, span=(0.3, 1))
    times: int | None = number("n", "cycles", "for ever if left out", None, ge=1, le=2**53, whole=True, span=(1, 4))

    @property
    def demand(self) -> str:
        return "open" if self.times is None else "fixed"

    def meaning(self) -> Schedule:
        if not isinstance(self.period, int):
            return Cosine(self.start, self.end, self.period)
        if self.scale == 1:
            return Cosine(self.start, self.end, self.period).repeat(self.times, self.stretch)
        height = Cosine(self.start - self.end, 0, self.period).repeat(self.times, self.stretch, self.scale)
        return Constant(self.end, int(height.length) if self.times else None) + height


class WSD(Recipe):
    """Warmup, a long stable phase, and a decay at the end.

    Pick it when the length of the run may still change: stop anywhere, decay from there (Hu et al., 2024,
    arXiv:2404.06395; Hägele et al., 2024, arXiv:2405.18392). `shape` is the curve of the decay; "exponential" needs an
    end above 0.

    >>> WSD(1.0, 0.1, 10, warmup=2, decay=4)([0, 1, 5, 6, 7, 9, 10])
    array([0.   , 0.5  , 1.   , 1.   , 0.775, 0.325, 0.1  ])
    """

    peak: float = number("\\eta", "rate", "the stable value", gt=0, span=(1e-2, 1.0))
    end: float = _end()
    updates: Length = _rest()
    warmup: Length = length("W", "length of the warmup", "5%")
    decay: Length = length("D", "length of the decay", "20%")
    shape: str = choice("s", "curve of the decay", ("linear", "cosine", "sqrt", "square", "exponential"), "linear")
    start: float = number("a", "rate", "value at t = 0", 0.0, span=(1e-6, 1e-3))

    def check(self) -> None:
        if self.shape == "exponential" and self.end <= 0:
            raise ParameterError(f"WSD.end must be > 0 rate for an exponential decay, got {self.end}")

    def meaning(self) -> Schedule:
        decays: dict[str, Callable[[], Schedule]] = {
            "linear": lambda: Linear(self.peak, self.end, self.decay),
            "cosine": lambda: Cosine(self.peak, self.end, self.decay),
            "sqrt": lambda: PowerDecay(self.peak, self.end, self.decay, power=0.5),
            "square": lambda: PowerDecay(self.peak, self.end, self.decay, power=2.0),
            "exponential": lambda: Geometric(self.peak, self.end, self.decay),
        }
        return Linear(self.start, self.peak, self.warmup) >> Constant(self.peak) >> decays[self.shape]()


# -- points, noise, functions


class Interpolation(Shape):
    """Straight lines between points; a recorded or optimized curve as a schedule.

    Pick it for any curve you have as numbers: `Interpolation(range(len(curve)), curve)`.

    >>> Interpolation([0, 10, 30], [0.0, 1.0, 0.0])([5, 10, 20, 99])
    array([0.5, 1. , 0.5, 0. ])
    """

    knots: tuple[float, ...] = numbers(
        "x", "updates", "where the points are", rising=True, ge=0, le=2**53, span=(1, 300)
    )
    values: tuple[float, ...] = numbers("y", "rate", "the values there, one per knot")

    def check(self) -> None:
        _check_points(self)

    @property
    def updates_or_rest(self) -> Length:
        return math.ceil(self.knots[-1])

    def formula(self, t: Any, xp: Any) -> Any:
        return _between(self.knots, self.values, t, xp, lambda u: u)


class CosineInterpolation(Shape):
    """Half cosines between points: smooth corners.

    Pick it instead of `Interpolation` when the rate should not kink.

    >>> CosineInterpolation([0, 10], [0.0, 1.0])([0, 5, 10]).round(12)
    array([0. , 0.5, 1. ])
    """

    knots: tuple[float, ...] = numbers(
        "x", "updates", "where the points are", rising=True, ge=0, le=2**53, span=(1, 300)
    )
    values: tuple[float, ...] = numbers("y", "rate", "the values there, one per knot")

    def check(self) -> None:
        _check_points(self)

    @property
    def updates_or_rest(self) -> Length:
        return math.ceil(self.knots[-1])

    def formula(self, t: Any, xp: Any) -> Any:
        return _between(self.knots, self.values, t, xp, lambda u: (1 - xp.cos(math.pi * u)) / 2)


def _check_points(points: Any) -> None:
    if len(points.knots) != len(points.values):
        raise ParameterError(
            f"{type(points).__name__} needs one value per knot, got {len(points.knots)} knots "
            f"and {len(points.values)} values"
        )


def _between(knots: tuple[float, ...], values: tuple[float, ...], t: Any, xp: Any, curve: Callable[[Any], Any]) -> Any:
    """The value between the two knots around `t`; the first value before the first knot, the last after the last."""
    ends = (*knots[1:], knots[-1] + 1)
    after = (*values[1:], values[-1])
    index = xp.find(t, Table(knots))
    left, right = xp.take(Table(knots), index), xp.take(Table(ends), index)
    w = xp.let("w", curve(xp.clip((t - left) / (right - left), 0.0, 1.0)))
    return _blend(xp.take(Table(values), index), xp.take(Table(after), index), 1 - w)


class Noise(Shape):
    """Seeded noise around 1: multiply a schedule with it.

    Pick it to test how sensitive a run is to the exact rate: `Cosine(1e-3, 0, 1000) * Noise(0.1, seed=3)`. Every update
    has its own value, uniform between 1 - amplitude and 1 + amplitude; it is a hash of the seed and the update, the
    same in every reader and in any order.

    >>> Noise(0.1, seed=3)([0, 1, 2]).round(4)
    array([1.0556, 1.0431, 1.0705])
    """

    open_ended = True
    amplitude: float = number("A", "", "the largest relative change", ge=0, le=1, span=(0.01, 0.5))
    seed: int = number("s", "", "chooses the noise", 0, ge=0, le=2**53, whole=True, span=(0, 1e6))
    updates: Length = _rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return 1 + self.amplitude * (2 * _hashed(xp.floor(t), self.seed, xp) - 1)


_PRIME = 2039
"""Products of two remainders stay below 2**24, so that even float32 computes the hash exactly."""


def _hashed(update: Any, seed: Any, xp: Any) -> Any:
    """A number in [0, 1) from two whole numbers below 2**53.

    Their digits to base 2039 are fed into two words. Each turn is a cube, which is a permutation (2038 is not a
    multiple of 3) and not linear: with a linear turn, neighbouring updates would correlate.
    """

    def remainder(x: Any) -> Any:
        return x - _PRIME * xp.floor(x / _PRIME)

    def digits(x: Any) -> list[Any]:
        found = []
        for _ in range(5):
            rest = xp.floor(x / _PRIME)
            found.append(x - _PRIME * rest)
            x = rest
        return found

    a, b = 1.0, 2.0
    for digit in [*digits(seed), *digits(update), 5.0, 7.0, 11.0]:
        turned = remainder(b + digit)
        a, b = b, remainder(a + remainder(turned * remainder(turned * turned)) + 17)
    return (a * _PRIME + b) / _PRIME**2


@dataclasses.dataclass(frozen=True, slots=True)
class _FunctionKind(Kind):
    def read(self, value: Any) -> Any:
        if not callable(value) or isinstance(value, Schedule):
            raise ValueError(f"be a function of t, got {shorten(value)}")
        return value

    def draw(self, rng: random.Random) -> Any:
        return rng.choice((abs, float))


class Function(Shape):
    """Any function of t of your own.

    Pick it when nothing else fits. It is called with one update at a time and returns the rate. It works everywhere but
    where its formula must be printed; a checkpoint stores its values on a fixed grid and compares them.

    >>> Function(lambda t: 0.1 / (1 + t))(4)
    0.02
    """

    open_ended = True
    function: Callable[[Any], Any] = declare(_FunctionKind("g", "", "from an update to its rate"))
    updates: Length = _rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return xp.opaque(self._checked, t)

    def _checked(self, t: Any) -> Any:
        value = self.function(t)
        if isinstance(value, (int, float)) and not math.isfinite(value):
            raise UsageError(f"the function {shorten(self.function)} must return a finite rate, got {value} at t = {t}")
        return value


__all__ = [name for name, entry in list(globals().items()) if isinstance(entry, type) and issubclass(entry, (Shape, Recipe))]
__all__ = [name for name in __all__ if name not in ("Shape", "Recipe")]
