"""What probes say about the best rate: a small model of loss against log rate, and what is believed after seeing them.

Near its best rate the logarithm of a loss is a bowl in the logarithm of the rate: gentle to the left, where training is
too slow, steep to the right, where it becomes unstable, with a wall beyond which runs diverge. Shorter runs want higher
rates, so the bowl of a probe lies a little to the right of that of the full run: the drift. The model is this,

    y(x, h, seed) = level(h, seed) + bowl(x - x*(h)) + noise,     x*(h) = x* + drift * log10(1 / h) + offset(h)

with x the decimal logarithm of the rate and h the length of the probe as a share of the full run. Every run of one seed
and length shares its level, which is how paired runs are compared. Bowls, drifts and walls are drawn once from broad
priors; the best rate x* runs over a grid; each combination is weighed by how well it explains the probes. There is no
fit that could fail, and the same probes always give the same belief.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 1024
STEP = 1 / 16  # decades between two places of the grid
BELOW, ABOVE = 1.75, 1.0  # decades around the best probe in which the best rate is looked for
NOISE, NOISE_SPREAD = 0.03, 2.0  # of a paired comparison, in units of the logarithm of the loss; and its own factor
MISFIT = 0.35  # how far, as a share of its height, the bowl may be wrong
DRIFT, DRIFT_SPREAD = 0.30, 1.7  # decades per decade of length, and its own factor; most tasks drift little
BACK = 0.05  # some drift the other way
OFFSET = 0.05  # decades by which the best rate of one length may lie elsewhere
DEGREES = 4.0
FLAT, SHALLOW = 0.05, 0.03  # how many tasks hardly mind the rate, and how little
UNLIKELY = 1e-4  # the weight of a draw that need not be asked what a miss costs
CLIFF = 4.0  # what a run beyond the wall is taken to cost


@dataclasses.dataclass(frozen=True)
class Point:
    """One probe: `x` = log10 of the rate, `share` of the full run, what it reached (inf: diverged), and its seed."""

    x: float
    share: float
    y: float
    seed: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Belief:
    """What is believed about the best rate of the full run: `mass` (sums to 1) over the grid `x`, and the `regret` of
    each place: how much worse than the best it is expected to be, in the unit of y."""

    x: Floats
    mass: Floats
    regret: Floats

    @property
    def best(self) -> float:
        """The place of least expected regret: on the gentle side of an unsure optimum."""
        return float(self.x[int(np.argmin(self.regret))])

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """The shortest stretch that holds the best rate with that probability."""
        before = np.concatenate([[0.0], np.cumsum(self.mass)])
        ends = np.searchsorted(before, before[:-1] + level * before[-1] - 1e-12)
        widths = np.where(ends < len(before), ends - np.arange(len(ends)), len(before))
        first = int(np.argmin(widths))
        last = min(int(ends[first]), len(self.x)) - 1
        half = STEP / 2
        return float(self.x[first]) - half, float(self.x[last]) + half


def believe(points: Sequence[Point], low: float, high: float) -> Belief:
    """What these probes say; `low` and `high` are the logarithms between which the best rate is looked for."""
    grid = _places(points, low, high)
    shapes = _shapes()
    log_weight = np.zeros((len(shapes), len(grid)))
    for share in sorted({point.share for point in points}):
        at = [point for point in points if point.share == share]
        moved = shapes.drift * math.log10(1 / share) + shapes.offset(share)
        log_weight += _explains(at, shapes, grid[None, :] + moved[:, None])
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    likely = weight.sum(axis=1) > UNLIKELY
    gaps = grid[:, None, None] - grid[None, None, :]
    regret = np.einsum("isj,sj->i", shapes.those(likely).regret(gaps), weight[likely])
    return Belief(grid, weight.sum(axis=0), regret)


def _places(points: Sequence[Point], low: float, high: float) -> Floats:
    """The grid: around the best run of the longest probes, as far as the range goes."""
    alive = [point for point in points if math.isfinite(point.y)] or list(points)
    longest = max(point.share for point in alive)
    centre = min((point for point in alive if point.share == longest), key=lambda point: point.y).x
    centre = min(max(centre, low), high)
    return np.arange(max(low, centre - BELOW), min(high, centre + ABOVE) + STEP / 2, STEP)


@dataclasses.dataclass(frozen=True, eq=False)
class _Shapes:
    """Bowls, drifts and walls, one of each per draw."""

    left: Floats
    right: Floats
    width: Floats
    wall: Floats
    drift: Floats
    shift: Floats
    noise: Floats

    def __len__(self) -> int:
        return len(self.left)

    def offset(self, share: float) -> Floats:
        """A little disagreement between lengths, drawn anew for each; none for the full run."""
        if share >= 1:
            return np.zeros(len(self))
        return OFFSET * np.roll(self.shift, round(1e4 * share))

    def those(self, mask: NDArray[np.bool_]) -> _Shapes:
        """Some of them."""
        return _Shapes(*(getattr(self, field.name)[mask] for field in dataclasses.fields(self)))

    def bowl(self, gap: Floats) -> Floats:
        """The height at `gap` decades from the best rate: a parabola inside the width, a straight slope outside."""
        width = self.width[:, None]
        slope = np.where(gap < 0, self.left[:, None], self.right[:, None])
        return slope * (np.sqrt(gap * gap + width * width) - width)

    def regret(self, gap: Floats) -> Floats:
        """What it costs to be `gap` decades off, beyond the wall included."""
        return self.bowl(gap) + CLIFF * (gap > self.wall[:, None])


@functools.cache
def _shapes() -> _Shapes:
    """The draws: a fixed sequence that fills the prior evenly (Roberts' R sequence), so that few of them do."""
    ratio = 2.0
    for _ in range(60):
        ratio = (1 + ratio) ** (1 / 9)
    share = (0.5 + np.outer(np.arange(1, DRAWS + 1), ratio ** -np.arange(1.0, 9.0))) % 1
    normal = _normal(share).T
    depth = np.where(share[:, 7] < FLAT, SHALLOW, 1.0)
    return _Shapes(
        left=depth * 0.6 * 2.2 ** normal[0],
        right=depth * 1.2 * 2.2 ** normal[1],
        width=0.35 * 1.6 ** normal[2],
        wall=0.8 * 1.7 ** normal[3],
        drift=DRIFT * DRIFT_SPREAD ** normal[4] - BACK,
        shift=normal[5],
        noise=NOISE * NOISE_SPREAD ** normal[6],
    )


def _normal(share: Floats) -> Floats:
    """The normal quantile of each share."""
    quantile = NormalDist().inv_cdf
    return np.array([[quantile(value) for value in row] for row in share])


def _explains(points: list[Point], shapes: _Shapes, best: Floats) -> Floats:
    """The log likelihood of the probes of one length, for each shape and each place of its best rate."""
    total = np.zeros_like(best)
    x, y, runs = _pooled([point for point in points if math.isfinite(point.y)])
    if len(x):
        total += _fits(y, runs, shapes.bowl(x[:, None, None] - best), shapes.noise)
    for point in points:
        beyond = _beyond(point.x - best - shapes.wall[:, None])
        total += np.log(beyond if math.isinf(point.y) else 1 - beyond)
    return total


def _pooled(points: list[Point]) -> tuple[Floats, Floats, Floats]:
    """Places, their heights, and the runs behind each: seeds differ by a level of their own, and average their noise.

    A wrong bowl is as wrong for every seed, so more seeds must not count as more places.
    """
    places, seeds = sorted({p.x for p in points}), sorted({p.seed for p in points})
    at = np.array([places.index(p.x) for p in points], dtype=int)
    of = np.array([seeds.index(p.seed) for p in points], dtype=int)
    y = np.array([p.y for p in points])
    runs = np.bincount(at, minlength=len(places)).astype(float)
    levels, heights = np.zeros(len(seeds)), np.zeros(len(places))
    for _ in range(50 if len(seeds) > 1 else 1):
        heights = np.bincount(at, y - levels[of], len(places)) / np.maximum(runs, 1)
        levels = np.bincount(of, y - heights[at], len(seeds)) / np.maximum(np.bincount(of, minlength=len(seeds)), 1)
    return np.array(places), heights, runs


def _beyond(distance: Floats) -> Floats:
    """How probable it is that a run so far beyond the wall diverges; never certain."""
    return 0.01 + 0.98 / (1 + np.exp(-np.clip(distance / 0.1, -50, 50)))


def _fits(y: Floats, runs: Floats, heights: Floats, noise: Floats) -> Floats:
    """Student's log likelihood of the differences; the common level is the one that the best probes agree on."""
    precision = 1 / (noise[:, None] ** 2 / runs[:, None, None] + (MISFIT * heights) ** 2)
    rest = y[:, None, None] - heights
    sum_of = precision.sum(axis=0)
    rest -= (rest * precision).sum(axis=0) / sum_of
    off = 1 + rest * rest * precision / DEGREES
    # one product instead of sums of logarithms, each factor near one; the level is not known, and its own uncertainty
    # is integrated out as for a normal one
    factors = NOISE * np.sqrt(precision) * off ** (-(DEGREES + 1) / 2)
    likelihood = np.prod(factors, axis=0) / np.sqrt(sum_of)
    logarithm: Floats = np.log(np.maximum(likelihood, 1e-300))
    return logarithm
