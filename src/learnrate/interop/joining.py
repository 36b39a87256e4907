"""Schedules joined at boundaries, each counting from 0 where it starts: what optax and MLX call `join_schedules`."""

from __future__ import annotations

from collections.abc import Sequence

from ..schedule import Schedule


def joined(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    """One after the other, the next from its boundary on (t >= b); of boundaries that fall, the later one wins."""
    speaking: list[tuple[int, Schedule]] = [(0, schedules[0])]
    for boundary, schedule in zip(boundaries, schedules[1:], strict=True):
        while speaking and speaking[-1][0] >= boundary:
            speaking.pop()
        speaking.append((boundary, schedule))
    ends = [start for start, _ in speaking[1:]]
    whole = [
        schedule if schedule.bound and schedule.length == end - start else schedule.cut(end - start)
        for (start, schedule), end in zip(speaking, ends, strict=False)
    ]
    result, *others = [*whole, speaking[-1][1]]
    for schedule in others:
        result = result >> schedule
    return result


__all__ = ["joined"]
