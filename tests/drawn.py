"""Schedules drawn at random for the tests: instances of every class, and expressions of the algebra."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from learnrate import spec
from learnrate.schedule import SCHEDULES, Schedule

OWN = {name: cls for name, cls in SCHEDULES.items() if cls.__module__.startswith("learnrate.schedules.")}
"""The catalogue, without what other tests may declare while they run."""

PRINTABLE = {name: cls for name, cls in OWN.items() if name != "Function"}
LONGEST = 3000


def instance(cls: type[Schedule], rng: random.Random) -> Any:
    return spec.draw(cls, rng)


def printable(rng: random.Random) -> Schedule:
    return instance(rng.choice(list(PRINTABLE.values())), rng)


def ended(rng: random.Random, depth: int) -> Schedule:
    """An expression with an end."""
    drawn = composite(rng, depth)
    return drawn.cut(rng.randint(0, 300)) if drawn.length == math.inf else drawn


OPERATIONS: dict[str, Callable[[random.Random, int], Schedule]] = {
    "chain": lambda rng, depth: ended(rng, depth) >> ended(rng, depth) >> composite(rng, depth),
    "sum": lambda rng, depth: composite(rng, depth) + composite(rng, depth),
    "product": lambda rng, depth: composite(rng, depth) * composite(rng, depth),
    "scaled": lambda rng, depth: rng.uniform(-1, 2) * composite(rng, depth),
    "clip": lambda rng, depth: composite(rng, depth).clip(rng.uniform(0, 0.1), rng.uniform(0.1, 1)),
    "floor": lambda rng, depth: composite(rng, depth).clip(rng.uniform(0, 0.1)),
    "mirror": lambda rng, depth: ended(rng, depth).mirror(),
    "repeat": lambda rng, depth: ended(rng, depth).repeat(rng.randint(1, 3), scale=rng.choice([1.0, rng.random()])),
    "stretch": lambda rng, depth: ended(rng, depth).repeat(rng.randint(1, 4), rng.uniform(1.01, 3), rng.random()),
    "every": lambda rng, depth: composite(rng, depth).every(rng.randint(1, 40)),
    "delay": lambda rng, depth: composite(rng, depth).delay(rng.randint(0, 60)),
    "cut": lambda rng, depth: composite(rng, depth).cut(rng.randint(0, 200)),
    "skip": lambda rng, depth: composite(rng, depth).skip(rng.randint(0, 200)),
    "fit": lambda rng, depth: ended(rng, depth).fit(rng.randint(0, 200)),
    "extend": lambda rng, depth: ended(rng, depth).extend(rng.randint(100, 300), at=rng.randint(0, 100)),
    "cooldown": lambda rng, depth: composite(rng, depth).cooldown(
        rng.randint(0, 200), rng.randint(0, 50), rng.random()
    ),
}


def composite(rng: random.Random, depth: int = 4) -> Schedule:
    """A random expression, at most `depth` operations deep; its length is at most `LONGEST`, or it has no end."""
    if depth == 0 or rng.random() < 0.15:
        return printable(rng)
    while True:
        drawn = rng.choice(list(OPERATIONS.values()))(rng, depth - 1)
        if drawn.length <= LONGEST or drawn.length == math.inf:
            return drawn


def operands(count: int = 30) -> list[Schedule]:
    """Random expressions with an end."""
    rng = random.Random(11)
    return [ended(rng, 2) for _ in range(count)]


def times(schedule: Schedule, rng: random.Random, count: int = 60) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Whole updates on and around the start, the end and everything in between, beyond the end too; unsorted."""
    last = int(min(schedule.length, 400))
    around = {0, 1, 2, last - 1, last, last + 1, 2 * last, 3 * last + 7, 10 * last + 1}
    inside = rng.sample(range(last + 1), min(count, last + 1))
    drawn = sorted({t for t in around if t >= 0} | set(inside))
    rng.shuffle(drawn)
    return np.array(drawn, dtype=np.float64)


def peak_of(values: Any) -> float:
    """The largest magnitude, never 0."""
    return float(np.abs(np.asarray(values, dtype=np.float64)).max(initial=1e-300))
