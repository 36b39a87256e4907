"""What stands in for a function that cannot be read: its values, as points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import UsageError
from ..schedule import Schedule
from ..schedules import Constant, Interpolation
from ..spec import shorten


def sampled(function: Callable[[int], Any], updates: Any) -> Schedule:
    """The values of a function at updates 0 .. updates - 1, as points; the last one holds."""
    if isinstance(updates, bool) or not isinstance(updates, int) or updates < 1:
        raise UsageError(f"sample must be a number of updates >= 1, got {shorten(updates)}")
    values = [float(function(t)) for t in range(updates)]
    return Interpolation(range(updates), values) if updates > 1 else Constant(values[0])


__all__ = ["sampled"]
