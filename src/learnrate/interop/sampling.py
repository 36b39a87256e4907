"""What stands in for a function that cannot be read: its values, as points."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..errors import LearnrateError, UsageError
from ..schedule import Schedule
from ..schedules import Constant, Interpolation
from ..spec import Number, shorten

MOST = 1_000_000
"""As many updates are sampled: each is one call of a function in Python."""


def sampled(function: Callable[[int], Any], updates: Any) -> Schedule:
    """The values of a function at updates 0 .. updates - 1, as points; the last one holds."""
    count = sample_size(updates)
    values = [_value(function, t) for t in range(count)]
    return Interpolation(range(count), values) if count > 1 else Constant(values[0])


def sample_size(updates: Any) -> int:
    """The hint `sample`: how many updates are asked for, one after the other."""
    try:
        return int(Number("", "updates", "", ge=1, le=MOST, whole=True).read(updates) or 1)
    except ValueError as rule:
        raise UsageError(f"sample must {rule}") from None


def _value(function: Callable[[int], Any], t: int) -> float:
    try:
        value = float(function(t))
    except LearnrateError:
        raise
    except Exception as error:  # whatever a user's function raises
        said = f"{type(error).__name__}: {error}"
        raise UsageError(f"{shorten(function)} gives no rate for update {t}: {shorten(said, 200)}") from error
    if not math.isfinite(value):
        raise UsageError(f"{shorten(function)} gives {value} for update {t}, which is no rate")
    return value


__all__ = ["sample_size", "sampled"]
