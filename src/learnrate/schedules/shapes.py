"""Shapes: schedules with a formula of their own.

The formula is plain arithmetic and `xp`, for 0 <= t <= the length. Values are in their own unit, lengths in updates;
the order is start, end, length, then names. Blends end exactly where they say.
"""

from __future__ import annotations

import math
from typing import Any

from ..clock import Length
from ..schedule import Shape
from ..spec import number
from .fields import blend, ending, rest


class Constant(Shape):
    """The same value at every update.

    Pick it as the baseline every schedule has to beat, or as the plateau of a chain.

    >>> Constant(3e-4)(1000)
    0.0003
    """

    open_ended = True
    value: float = number("a", "rate", "the value")
    updates: Length = rest("its length; for ever if left out")

    def _settled(self) -> float:
        return 0

    def formula(self, t: Any, xp: Any) -> Any:
        return self.value


class Linear(Shape):
    """A straight line.

    Pick it as warmup, or as the decay that is hardest to beat when the length of the run is known
    (Defazio et al., 2023, arXiv:2310.07831).

    >>> Linear(0, 1, 4)([0, 1, 2, 3, 4, 9])
    array([0.  , 0.25, 0.5 , 0.75, 1.  , 1.  ])
    """

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    end: float = ending()
    updates: Length = rest()

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", t / self.updates)
        return blend(self.end, self.start, u)


class Polynomial(Shape):
    """A power of what is left of the run.

    Pick it for segmentation recipes (`power=0.9`: Chen et al., 2017, arXiv:1606.00915). `k` bends time: progress u
    becomes u**k (k-decay: Zhang and Li, 2020, arXiv:2004.05909).

    >>> Polynomial(1.0, 0.1, 10, power=2.0)(5)
    0.325
    """

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    end: float = ending()
    updates: Length = rest()
    power: float = number("p", "", "how fast it falls at first", default=1.0, gt=0, le=100, span=(0.3, 4))
    k: float = number("k", "", "how progress is bent: u becomes u**k", default=1.0, gt=0, le=100, span=(0.5, 3))

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", (t / self.updates) ** self.k)
        return blend(self.start, self.end, xp.maximum(1 - u, 0) ** self.power)  # compilers may round u above 1


class Cosine(Shape):
    """Half a cosine: flat at both ends.

    Pick it when the length of the run is known; the default of language and vision models (Loshchilov and Hutter, 2017,
    arXiv:1608.03983). `power` sharpens it; `k` bends time: progress u becomes u**k (arXiv:2004.05909).

    >>> Cosine(1.0, 0.1, 10)([0, 5, 10, 20])
    array([1.  , 0.55, 0.1 , 0.1 ])
    """

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    end: float = ending()
    updates: Length = rest()
    power: float = number("p", "", "power of the cosine", default=1.0, gt=0, le=100, span=(0.5, 3))
    k: float = number("k", "", "how progress is bent: u becomes u**k", default=1.0, gt=0, le=100, span=(0.5, 3))

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", (t / self.updates) ** self.k)
        w = xp.let("w", ((1 + xp.cos(math.pi * u)) / 2) ** self.power)
        return blend(self.start, self.end, w)


class Exponential(Shape):
    """Multiplied by `factor` every `period` updates, smoothly; a staircase with `.every(period)`.

    Pick it when the length of the run is not known. For a rise, use `Geometric`.

    >>> Exponential(0.01, 0.95)([0, 1, 2])
    array([0.01    , 0.0095  , 0.009025])
    """

    open_ended = True
    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    factor: float = number("\\gamma", "", "what the value is multiplied by", gt=0, le=1, span=(0.9, 0.999))
    updates: Length = rest("its length; for ever if left out")
    period: float = number("P", "updates", "how long one factor takes", default=1.0, ge=1e-6, span=(1, 50))

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
    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    decay: float = number("\\lambda", "per update", "how fast it decays", ge=-100, le=100, span=(1e-4, 0.1))
    updates: Length = rest("its length; for ever if left out")

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
    updates: Length = rest()

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
    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    factor: float = number("\\gamma", "", "what the value is multiplied by", gt=0, le=1, span=(0.1, 0.9))
    period: int = number("P", "updates", "how long each stair is", ge=1, le=2**53, whole=True, span=(1, 50))
    updates: Length = rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * self.factor ** xp.quotient(t, self.period)


class InverseTime(Shape):
    """Divided by 1 + decay * t / period.

    Pick it for the classic decay of stochastic approximation (Robbins and Monro, 1951, Ann. Math. Statist. 22).

    >>> InverseTime(1.0, 0.5)([0, 2])
    array([1. , 0.5])
    """

    open_ended = True
    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    decay: float = number("\\gamma", "", "how much the divisor grows per period", ge=0, span=(1e-3, 1.0))
    updates: Length = rest("its length; for ever if left out")
    period: float = number("P", "updates", "the unit of time", default=1.0, ge=1e-6, span=(1, 50))

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
    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    timescale: float = number("\\tau", "updates", "how long it takes to fall to 0.71", gt=0, span=(1, 500))
    updates: Length = rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * xp.sqrt(self.timescale / (t + self.timescale))


class PowerLaw(Shape):
    """Falls with a power of time: (1 + t / timescale) ** -power.

    Pick it to continue training on an open horizon (`power=0.51`: Shen et al., 2024, arXiv:2408.13359).

    >>> PowerLaw(1.0, 0.5, 4)(12)
    0.5
    """

    open_ended = True
    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    power: float = number("p", "", "how steeply it falls", ge=0, le=100, span=(0.1, 2))
    timescale: float = number("\\tau", "updates", "when it begins to fall", default=1.0, gt=0, span=(1, 500))
    updates: Length = rest("its length; for ever if left out")

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * (self.timescale / (t + self.timescale)) ** self.power


class Tanh(Shape):
    """A hyperbolic tangent: stays high longer than a cosine, then falls faster; ends a little above `end`.

    Pick it to repeat hyperbolic-tangent decay (Hsueh et al., 2019, arXiv:1806.01593).

    >>> round(Tanh(1.0, 0.0, 10)(5), 6)
    0.982014
    """

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    end: float = ending()
    updates: Length = rest()
    lower: float = number("L", "", "argument of tanh at the start", default=-7.0, ge=-20, le=20, span=(-7.0, -2.0))
    upper: float = number("U", "", "argument of tanh at the end", default=3.0, ge=-20, le=20, span=(2, 5))

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", t / self.updates)
        return blend(self.start, self.end, (1 - xp.tanh(self.lower * (1 - u) + self.upper * u)) / 2)


class REX(Shape):
    """Reflected exponential: between linear and a late, sharp fall.

    Pick it for small budgets of updates (Chen et al., 2022, arXiv:2107.04197).

    >>> REX(1.0, 0.0, 10)([0, 5, 10])
    array([1.        , 0.66666667, 0.        ])
    """

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    end: float = ending()
    updates: Length = rest()

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", t / self.updates)
        return blend(self.start, self.end, (1 - u) / (1 - u / 2))


def _hyperbola(t: Any, length: Any, ratio: Any, xp: Any) -> Any:
    """How far it has come down, from 0 at t = 0: a hyperbola whose asymptote lies at `ratio` times the length."""
    asymptote = ratio * length

    def height(x: Any) -> Any:
        return xp.sqrt(xp.maximum((length - x) / asymptote * (2 - (length + x) / asymptote), 0))

    return height(t) - height(0.0)


class Hyperbolic(Shape):
    """A hyperbola whose early part does not depend much on the length of the run.

    Pick it when rates found on short runs should hold on long ones (Kim, 2024, arXiv:2407.15200). `ratio` is the
    asymptote over the length; it ends at `end` only when that is 1.

    >>> round(Hyperbolic(1.0, 0.1, 10, ratio=2.0)(10), 4)
    0.2206
    """

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    end: float = ending()
    updates: Length = rest()
    ratio: float = number("r", "", "the asymptote, as a multiple of the length", default=1.0, ge=1, span=(1, 4))

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start + (self.start - self.end) * _hyperbola(t, self.updates, self.ratio, xp)


class ExponentialHyperbolic(Shape):
    """The hyperbola on a logarithmic axis.

    Pick it as `Hyperbolic`, when the rate should span orders of magnitude (Kim, 2024, arXiv:2407.15200).

    >>> round(ExponentialHyperbolic(1.0, 0.01, 10)(10), 6)
    0.01
    """

    start: float = number("a", "rate", "value at t = 0", gt=0, span=(1e-4, 1.0))
    end: float = number("b", "rate", "value at the end", gt=0, span=(1e-6, 1e-3))
    updates: Length = rest()
    ratio: float = number("r", "", "the asymptote, as a multiple of the length", default=1.0, ge=1, span=(1, 4))

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * (self.start / self.end) ** _hyperbola(t, self.updates, self.ratio, xp)


class Chebyshev(Shape):
    """The Chebyshev nodes in falling order: a cosine read half an update later, so it never is `start` or `end`.

    Pick it to repeat Chebyshev step sizes (Young, 1953; Agarwal et al., 2021, arXiv:2103.01338).

    >>> Chebyshev(1.0, 0.1, 10)([0, 9, 10]).round(3)
    array([0.994, 0.106, 0.106])
    """

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    end: float = ending()
    updates: Length = rest()

    def formula(self, t: Any, xp: Any) -> Any:
        n: Any = self.updates
        node = 2 * xp.minimum(t, n - 1) + 1
        return blend(self.start, self.end, (1 + xp.cos(math.pi * node / (2 * n))) / 2)


class PowerDecay(Shape):
    """One minus a power of progress: 0.5 is "1-sqrt", 2 is "1-square".

    Pick `power=0.5` as the cooldown of a warmup-stable-decay run (Hägele et al., 2024, arXiv:2405.18392).

    >>> PowerDecay(1.0, 0.0, 16, power=0.5)([0, 4, 16])
    array([1. , 0.5, 0. ])
    """

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    end: float = ending()
    updates: Length = rest()
    power: float = number("p", "", "power of progress", default=0.5, gt=0, le=100, span=(0.3, 3))

    def formula(self, t: Any, xp: Any) -> Any:
        return blend(self.start, self.end, 1 - (t / self.updates) ** self.power)


class Logarithmic(Shape):
    """Rises fast, then slowly, with the logarithm of time.

    Pick it to repeat a logarithmic warmup.

    >>> Logarithmic(0.0, 1.0, 3)([0, 1, 3])
    array([0. , 0.5, 1. ])
    """

    start: float = number("a", "rate", "value at t = 0", default=0.0, span=(1e-6, 1e-3))
    end: float = number("b", "rate", "value at the end", default=1.0, span=(1e-4, 1.0))
    updates: Length = rest()

    def formula(self, t: Any, xp: Any) -> Any:
        n: Any = self.updates
        return blend(self.end, self.start, xp.log(1 + t) / xp.log(1 + n))
