"""What stands in for a function that cannot be read: its values, as points."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..errors import LearnrateError, UsageError
from ..schedule import Schedule
from ..schedules import Constant, Interpolation
from ..spec import shorten


def sampled(function: Callable[[int], Any], updates: Any) -> Schedule:
    """The values of a function at updates 0 .. updates - 1, as points; the last one holds."""
    if isinstance(updates, bool) or not isinstance(updates, int) or updates < 1:
        raise UsageError(f"sample must be a number of updates >= 1, got {shorten(updates)}")
    values = [_value(function, t) for t in range(updates)]
    return Interpolation(range(updates), values) if updates > 1 else Constant(values[0])


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


__all__ = ["sampled"]
