"""What the parity tests share: drawn arguments, a peer's rates, and the comparison.

A case is one name of one library: how legal arguments are drawn, and how the real library turns them into rates. It
runs at every update from 0 to 1.5 times the horizon, for `DRAWS` draws.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from learnrate import Schedule
from learnrate.errors import ParameterError

DRAWS = 200
FLOAT64, FLOAT32 = 1e-12, 1e-6
T = TypeVar("T")


def draws(name: str, count: int = DRAWS) -> Iterable[random.Random]:
    """Independent streams, the same on every machine."""
    return (random.Random(f"{name} {index}") for index in range(count))


def updates_for(horizon: int) -> int:
    """How many updates are compared: to 1.5 times the horizon, and a few more for tiny ones."""
    return int(1.5 * horizon) + 3


def agree(ours: Schedule, theirs: Iterable[float], tolerance: float = FLOAT64, exempt: Iterable[int] = ()) -> None:
    """Every rate equals the peer's, relative to the larger peak; `exempt` updates lie next to a jump (say why)."""
    theirs = np.asarray(list(theirs), dtype=np.float64)
    values = ours(np.arange(theirs.size))
    scale = max(float(np.abs(theirs).max()), float(np.abs(values).max())) or 1.0
    error = np.abs(values - theirs)
    error[[update for update in exempt if update < error.size]] = 0.0
    worst = int(error.argmax())
    assert error[worst] <= tolerance * scale, (
        f"{ours!r} at update {worst}: ours {values[worst]!r}, theirs {theirs[worst]!r}, "
        f"{error[worst] / scale:.1e} of the peak"
    )


def taken(make: Callable[[], T], theirs: Callable[[], Iterable[float]], allowed: str = "(?!)") -> T | None:
    """What `make` makes of a draw, or None: then the library raises too, or we refuse it with an `allowed` message."""
    try:
        return make()
    except ParameterError as error:
        refusal = str(error)
    assert re.search(allowed, refusal) or raises(theirs), f"the library runs what we refuse: {refusal}"
    return None


def raises(theirs: Callable[[], Iterable[float]]) -> bool:
    """Whether the library raises, whatever it raises."""
    try:
        list(theirs())
    except Exception:
        return True
    return False


def every(name: str, case: Callable[[random.Random], tuple[Schedule, Iterable[float]]], tolerance: float) -> None:
    """Compare all draws of one case: a function from a stream to our schedule and the peer's rates."""
    for rng in draws(name):
        ours, theirs = case(rng)
        agree(ours, theirs, tolerance)
