"""How objectives are compared: as logarithms where a ratio means something, else as shares of what there is to gain."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from ..runs import Mode

GAIN = 0.05
"""A loss that has fallen by less of itself than this may stand on an offset: then its ratios mean nothing."""

WORST = 3.0
"""Heights on the linear scale end here: one run that blew up must not make all others look alike."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """From objectives to heights, of which less is better, and back.

    With `unit` None a height is the logarithm of the objective; else it is how far the objective is from `best`, in
    `unit`s, which are negative for objectives that are maximised.
    """

    best: float = 0.0
    unit: float | None = None

    def height(self, value: float) -> float:
        """The height of an objective; infinite for NaN, a diverged run."""
        if math.isnan(value):
            return math.inf
        if self.unit is None:
            return math.log(value)
        return min((value - self.best) / self.unit, WORST)

    def value(self, height: float) -> float:
        """The objective at a height."""
        return math.exp(height) if self.unit is None else self.best + height * self.unit

    def between(self, gap: float) -> float:
        """A difference of heights as people say it: a ratio, or a difference of objectives."""
        return math.exp(gap) if self.unit is None else gap * self.unit


def scale_of(values: Sequence[float], untrained: float | None, mode: Mode) -> Scale:
    """The scale for these objectives.

    >>> scale_of([0.5, 0.1], 2.3, "min").height(0.1) == math.log(0.1)
    True
    >>> scale_of([20.0, 180.0], 20.0, "max").height(100.0)
    0.5
    """
    known = [value for value in values if math.isfinite(value)]
    sign = 1.0 if mode == "min" else -1.0
    best = min(known, key=lambda value: sign * value, default=0.0)
    start = untrained if untrained is not None and math.isfinite(untrained) else None
    if mode == "min" and known and min(known) > 0 and (start is None or start - best > GAIN * start):
        return Scale()
    gain = 0.0 if start is None else sign * (start - best)
    if gain <= 0:
        gain = sorted(sign * (value - best) for value in known)[len(known) // 2] if known else 0.0
    return Scale(best, sign * (gain or 1.0))
