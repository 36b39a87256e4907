"""What full-length runs at many rates say about each rate: a smoothed curve, its best, and how sure that is.

A value is the final objective of one run, None where the run diverged. Minimised objectives are averaged as logarithms
(the geometric mean) and maximised ones as they are; a diverged run counts as 100 times the best, or as an untrained
network where more is better. Below, a "height" is the average made so that less is better.

Rates near the best have been run with every seed, on a lattice finer than the rest. There the heights are smoothed by
local quadratics in log rate (Cleveland, 1979: tricube weights, half-width 0.3 decades or five points), over the one
stretch around the lowest point where no height is more than half as high again; a wall of divergence next to it is no
part of the fit, so it neither raises nor lowers its neighbours. Everywhere else the heights are joined as they are by a
monotone cubic. How sure the best is comes from a bootstrap over seeds, the same seeds for every rate.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

DIVERGED = 100.0
STRETCH = 1.5
HALF_WIDTH = 0.3
RESAMPLED = 1000
_STEP = 1 / 16  # of the lattice, in decades
_FINE = 64  # points per decade of what is printed and searched for the best

Array = np.ndarray[Any, np.dtype[np.float64]]
Values = Mapping[float, Mapping[int, float | None]]


@dataclasses.dataclass(frozen=True)
class Surface:
    """Final objectives by rate and seed, and what follows from them.

    `values` are by rate, then by seed; `untrained` is the objective before any update, which only maximised objectives
    (`maximised`) need.
    """

    values: Values
    untrained: float
    maximised: bool = False

    # -- what one asks

    def regret(self, rate: float) -> float:
        """How much is lost at this rate: value / best - 1, or (best - value) / (best - untrained) where more is better.

        A rate beyond those measured is worth as much as the last one measured on its side.
        """
        return self._relative(self.height(math.log10(rate)) - self.lowest)

    @property
    def untrained_regret(self) -> float:
        """The regret of no training at all."""
        height = -self.untrained if self.maximised else math.log(self.untrained)
        return self._relative(height - self.lowest)

    @functools.cached_property
    def best(self) -> float:
        """The rate of the lowest point of the smoothed curve."""
        return float(10 ** self._grid[np.argmin(self._smooth @ self._heights)])

    @functools.cached_property
    def best_value(self) -> float:
        """The objective there."""
        return -self.lowest if self.maximised else math.exp(self.lowest)

    @functools.cached_property
    def within(self) -> tuple[float, float]:
        """The rates around the best that the data cannot tell from it: paired bootstrap over seeds, 95 %.

        Half a step of the lattice is added at each end: no curve says more precisely than that where its best lies.
        """
        at = int(np.argmin(self._smooth @ self._heights))
        behind = np.quantile(self._bootstrap - self._bootstrap[:, [at]], 0.05, axis=0)
        left, right = _stretch(behind <= 0, at)
        return float(10 ** (self._grid[left] - _STEP / 2)), float(10 ** (self._grid[right] + _STEP / 2))

    @functools.cached_property
    def perfect(self) -> tuple[float, float]:
        """Median and 90th percentile of the regret of one who picks the lowest point of the resampled curve."""
        curve = self._smooth @ self._heights
        regrets = [self._relative(float(curve[at] - self.lowest)) for at in self._bootstrap.argmin(axis=1)]
        return float(np.median(regrets)), float(np.quantile(regrets, 0.9))

    @functools.cached_property
    def spread(self) -> float:
        """The standard deviation over seeds of one run at the best, as a regret."""
        at = int(np.argmin(np.abs(self._lattice - math.log10(self.best))))
        return self._relative(float(np.std(self._matrix[at], ddof=1)))

    @property
    def touches(self) -> tuple[bool, bool]:
        """Whether what cannot be told from the best ends only where the fine lattice does, at its low and high end."""
        low, high = self.within
        ends = self._lattice[[0, -1]]
        return math.log10(low) + _STEP / 2 <= ends[0] + 1e-9, math.log10(high) - _STEP / 2 >= ends[1] - 1e-9

    def curve(self) -> list[tuple[float, float]]:
        """The smoothed objective, 16 rates per decade."""
        low, high = math.log10(min(self.values)), math.log10(max(self.values))
        places = np.linspace(low, high, round((high - low) * 16) + 1)
        heights = [self.height(float(place)) for place in places]
        return [(10 ** float(x), -y if self.maximised else math.exp(y)) for x, y in zip(places, heights, strict=True)]

    # -- how

    def height(self, place: float) -> float:
        """The curve at a log10 rate."""
        stretch = self._lattice[self._good]
        if stretch[0] <= place <= stretch[-1]:
            return float(_weights(stretch, np.array([place]))[0] @ self._heights[self._good])
        knots = self._knots
        return float(knots(np.clip(place, knots.x[0], knots.x[-1])))

    @functools.cached_property
    def lowest(self) -> float:
        return self.height(math.log10(self.best))

    def _relative(self, above: float) -> float:
        return above / self._scale if self.maximised else math.expm1(above)

    @functools.cached_property
    def _scale(self) -> float:
        """What there is to gain: 1 in logarithms, and from untrained to the best where more is better."""
        if not self.maximised:
            return 1.0
        means = [np.mean([self.untrained if v is None else v for v in by.values()]) for by in self.values.values()]
        return float(max(means) - self.untrained)

    @functools.cached_property
    def _worst(self) -> float:
        """The height of a run that diverged."""
        if self.maximised:
            return -self.untrained
        whole = [list(by.values()) for by in self.values.values() if None not in by.values()]
        if not whole:
            raise ValueError("every rate has a run that diverged: search lower rates")
        lowest = min(float(np.mean(np.log(np.array(values, dtype=float)))) for values in whole)
        return lowest + math.log(DIVERGED)

    def _height_of(self, value: float | None) -> float:
        if value is None:
            return self._worst
        return -value if self.maximised else min(math.log(value), self._worst)

    @functools.cached_property
    def _seeds(self) -> list[int]:
        """The seeds that the fine lattice was run with."""
        return sorted({seed for by in self.values.values() for seed in by})

    @functools.cached_property
    def _lattice(self) -> Array:
        """log10 of the rates run with every seed."""
        return np.array(
            [math.log10(rate) for rate in sorted(self.values) if len(self.values[rate]) == len(self._seeds)]
        )

    @functools.cached_property
    def _matrix(self) -> Array:
        """Heights on the lattice: (rates, seeds)."""
        whole = [self.values[rate] for rate in sorted(self.values) if len(self.values[rate]) == len(self._seeds)]
        heights: Array = np.array([[self._height_of(by[seed]) for seed in self._seeds] for by in whole])
        return heights

    @functools.cached_property
    def _heights(self) -> Array:
        return np.asarray(self._matrix.mean(axis=1))

    @functools.cached_property
    def _good(self) -> slice:
        """The part of the lattice that is smoothed: around its lowest point, nowhere half as high again."""
        lowest = int(np.argmin(self._heights))
        allowed = (STRETCH - 1) * self._scale if self.maximised else math.log(STRETCH)
        left, right = _stretch(self._heights <= self._heights[lowest] + allowed, lowest)
        return slice(left, right + 1)

    @functools.cached_property
    def _grid(self) -> Array:
        """Where the smoothed stretch is searched."""
        stretch = self._lattice[self._good]
        return np.linspace(stretch[0], stretch[-1], max(1, round((stretch[-1] - stretch[0]) * _FINE)) + 1)

    @functools.cached_property
    def _smooth(self) -> Array:
        """What turns heights on the lattice into the curve on the grid: (grid, lattice)."""
        matrix = np.zeros((len(self._grid), len(self._lattice)))
        matrix[:, self._good] = _weights(self._lattice[self._good], self._grid)
        return matrix

    @functools.cached_property
    def _bootstrap(self) -> Array:
        """The curve on the grid for seeds drawn with replacement: (resampled, grid)."""
        count = len(self._seeds)
        drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLED) / count
        return np.asarray(drawn @ self._matrix.T @ self._smooth.T)

    @functools.cached_property
    def _knots(self) -> PchipInterpolator:
        """Smoothed heights where there are any, plain ones elsewhere, and a monotone cubic between them."""
        inside = self._lattice[self._good]
        effects = dict(
            zip(self._seeds, (self._matrix[self._good] - self._heights[self._good, None]).mean(axis=0), strict=True)
        )
        known = dict(zip(self._lattice.tolist(), self._heights.tolist(), strict=True))
        for rate, by in self.values.items():
            place = math.log10(rate)
            if place in known or (len(by) < len(self._seeds) and self._lattice[0] < place < self._lattice[-1]):
                continue
            known[place] = float(np.mean([self._height_of(value) - effects.get(seed, 0) for seed, value in by.items()]))
        known |= dict(
            zip(inside.tolist(), (_weights(inside, inside) @ self._heights[self._good]).tolist(), strict=True)
        )
        places = sorted(known)
        return PchipInterpolator(places, [known[place] for place in places])


def _stretch(mask: Any, at: int) -> tuple[int, int]:
    """First and last place of the run of true values around `at`."""
    left = right = at
    while left > 0 and mask[left - 1]:
        left -= 1
    while right < len(mask) - 1 and mask[right + 1]:
        right += 1
    return left, right


def _weights(known: Array, asked: Array) -> Array:
    """A local fit's value at each place asked for, as weights of the values at the places known: (asked, known)."""
    rows = []
    for place in asked:
        distance = np.abs(known - place)
        width = max(HALF_WIDTH, 1.001 * float(np.sort(distance)[min(4, len(known) - 1)]))
        tricube = np.clip(1 - (distance / width) ** 3, 0, None) ** 3
        degree = min(2, len(known) - 1)
        basis = np.vander(known - place, degree + 1, increasing=True)
        rows.append(np.linalg.pinv(basis.T * tricube @ basis)[0] @ (basis.T * tricube))
    return np.array(rows)
