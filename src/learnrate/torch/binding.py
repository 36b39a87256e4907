"""Schedules given before the run is known, bound once a trainer says how long it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..schedule import Schedule


def bound(given: Any, updates: int, updates_per_epoch: float | None = None) -> Any:
    """What `attach` takes for one setting, with every schedule in it bound; all else is left alone.

    >>> from learnrate.schedules import Cosine, Linear
    >>> bound({"head": Linear(0, 0.1, "1ep") >> Cosine(0.1), "body": 0.01}, 30, updates_per_epoch=10)
    {'head': Linear(0.0, 0.1, 10) >> Cosine(0.1, updates=20), 'body': 0.01}
    """
    if isinstance(given, Mapping):
        return {group: bound(schedule, updates, updates_per_epoch) for group, schedule in given.items()}
    return given.over(updates, updates_per_epoch=updates_per_epoch) if isinstance(given, Schedule) else given


def waits(given: Any) -> bool:
    """Whether a schedule in it has no length in updates yet."""
    if isinstance(given, Mapping):
        return any(waits(schedule) for schedule in given.values())
    return isinstance(given, Schedule) and not given.bound


__all__ = ["bound", "waits"]
