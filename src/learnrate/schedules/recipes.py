"""Recipes: well-known names for expressions in the algebra."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..clock import Length, length
from ..errors import ParameterError, UnboundError
from ..schedule import Recipe, Schedule
from ..spec import choice, number, numbers
from .fields import ending, rest
from .points import PiecewiseConstant
from .shapes import Constant, Cosine, Exponential, Geometric, InverseSqrt, Linear, Polynomial, PowerDecay


def _known(name: str, length: Length) -> int:
    """A length that the recipe computes with, and so needs as a number."""
    if not isinstance(length, int):
        raise UnboundError(f"{name} is {length!r}, not yet a number of updates; bind it with .over(total)")
    return length


class MultiStep(Recipe):
    """Multiplied by `factor` at each milestone; a repeated milestone counts twice.

    Pick it to repeat a classic vision recipe with hand-placed drops (Zagoruyko and Komodakis, 2016, arXiv:1605.07146).

    >>> MultiStep(0.01, [3, 7], 0.1)([0, 3, 7])
    array([0.01  , 0.001 , 0.0001])
    """

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    milestones: Sequence[int] = numbers(
        "m", "updates", "updates from which a further factor applies", ge=0, le=2**53, whole=True, span=(1, 200)
    )
    factor: float = number("\\gamma", "", "what the value is multiplied by", default=0.1, gt=0, span=(0.1, 0.9))

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


class Noam(Recipe):
    """Linear warmup, then the inverse square root of time, scaled by the width of the model.

    Pick it to repeat the original Transformer (Vaswani et al., 2017, arXiv:1706.03762).

    >>> Noam(1, 4)([0, 1, 4, 16])
    array([0.   , 0.125, 0.5  , 0.25 ])
    """

    dimension: int = number("d", "", "width of the model", ge=1, le=2**53, whole=True, span=(1, 4096))
    warmup: Length = length("W", "length of the warmup", "4%", least=1)
    factor: float = number("c", "", "what every rate is multiplied by", default=1.0, span=(0.1, 2))

    def _demand(self) -> str:
        return "open"

    def meaning(self) -> Schedule:
        warmup = _known("Noam.warmup", self.warmup)
        peak = self.factor / math.sqrt(self.dimension * warmup)
        return Linear(0, peak, warmup) >> InverseSqrt(peak, warmup)


class SquareRootAnnealing(Recipe):
    """The square root of what is left of the run, no lower than `end`.

    Pick it to repeat speech recipes that anneal by the square root.

    >>> SquareRootAnnealing(1.0, 0.1, 100)([0, 75, 100])
    array([1. , 0.5, 0.1])
    """

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    end: float = ending()
    updates: Length = rest()

    def meaning(self) -> Schedule:
        return Polynomial(self.start, 0, self.updates, power=0.5).clip(self.end)


class Quadratic(Recipe):
    """Rises slowly, then fast, with the square of time.

    Pick it as a warmup that is gentle at first.

    >>> Quadratic(0.0, 1.0, 4)([0, 2, 4])
    array([0.  , 0.25, 1.  ])
    """

    start: float = number("a", "rate", "value at t = 0", default=0.0, span=(1e-6, 1e-3))
    end: float = number("b", "rate", "value at the end", default=1.0, span=(1e-4, 1.0))
    updates: Length = rest()

    def meaning(self) -> Schedule:
        return PowerDecay(self.start, self.end, self.updates, power=2.0)


class SlantedTriangular(Recipe):
    """A short rise and a long fall, both straight.

    Pick it to fine-tune a pre-trained model (Howard and Ruder, 2018, arXiv:1801.06146).

    >>> SlantedTriangular(1.0, 100, rise="10%", ratio=4.0)([0, 10, 100])
    array([0.25, 1.  , 0.25])
    """

    peak: float = number("\\eta", "rate", "the highest value", span=(1e-4, 1.0))
    updates: Length = rest()
    rise: Length = length("R", "length of the rise", "10%")
    ratio: float = number("r", "", "how much smaller the lowest value is", default=32.0, ge=1, span=(2, 40))

    def meaning(self) -> Schedule:
        low = self.peak / self.ratio
        return Linear(low, self.peak, self.rise) >> Linear(self.peak, low)


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
        "D",
        "updates",
        "how long it falls; as long as it rises if left out",
        default=None,
        ge=1,
        le=2**53,
        whole=True,
        span=(1, 50),
    )
    height: str = choice("h", "how the height of a cycle changes", ("plain", "halved", "exponential"), default="plain")
    factor: float = number("\\gamma", "", "shrinks the height per update, if exponential", default=0.9999, gt=0, le=1)

    def _demand(self) -> str:
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
    updates: Length = rest()
    warmup: Length = length("W", "length of the rise", "30%")
    div: float = number("d", "", "peak over start", default=25.0, ge=1, span=(5, 50))
    final_div: float = number("D", "", "start over end", default=1e4, gt=0, span=(10, 1e5))
    between: str = choice("s", "the curve between the corners", ("cosine", "linear"), default="cosine")
    phases: int = number("n", "", "2: up, down; 3: up, back, down", default=2, ge=2, le=3, whole=True, span=(2, 3))

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

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    end: float = ending()
    period: Length = length("P", "length of the first cycle", "10%", least=1)
    stretch: float = number(
        "s", "", "each cycle's length over the one before", default=1.0, ge=1, le=1000, span=(1.2, 3)
    )
    scale: float = number("q", "", "each cycle's height over the one before", default=1.0, gt=0, le=1, span=(0.3, 1))
    times: int | None = number(
        "n", "cycles", "for ever if left out", default=None, ge=1, le=2**53, whole=True, span=(1, 4)
    )

    def _demand(self) -> str:
        return "open" if self.times is None else "fixed"

    def meaning(self) -> Schedule:
        period = _known("SGDR.period", self.period)
        if self.scale == 1:
            return Cosine(self.start, self.end, period).repeat(self.times, self.stretch)
        height = Cosine(self.start - self.end, 0, period).repeat(self.times, self.stretch, self.scale)
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
    end: float = ending()
    updates: Length = rest()
    warmup: Length = length("W", "length of the warmup", "5%")
    decay: Length = length("D", "length of the decay", "20%")
    shape: str = choice(
        "s", "curve of the decay", ("linear", "cosine", "sqrt", "square", "exponential"), default="linear"
    )
    start: float = number("a", "rate", "value at t = 0", default=0.0, span=(1e-6, 1e-3))

    def check(self) -> None:
        if max(self.start, self.end) > self.peak:
            higher = "start" if self.start > self.peak else "end"
            raise ParameterError(f"WSD.{higher} must be <= its peak of {self.peak}, got {getattr(self, higher)}")
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
