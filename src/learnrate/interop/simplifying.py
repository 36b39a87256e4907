"""One form for schedules that say the same: what the proposals of every library look at."""

from __future__ import annotations

from typing import Any

from ..errors import LearnrateError
from ..schedule import Chain, Cut, Mirrored, Product, Recipe, Repeated, Scaled, Schedule, Skipped, Stepped, Sum
from ..schedules import Linear


def simplified(schedule: Schedule, factor: float = 1.0) -> Schedule:
    """The same rates, with recipes and other libraries' names spelled out and factors pushed into the leaves."""
    if isinstance(schedule, Recipe):
        return simplified(schedule.algebra, factor)
    if isinstance(schedule, Scaled):
        return simplified(schedule.body, factor * schedule.factor)
    if isinstance(schedule, (Chain, Sum)):
        return _together(type(schedule), [simplified(part, factor) for part in parts(schedule)])
    if isinstance(schedule, Product):
        first, *others = parts(schedule)
        return Product((simplified(first, factor), *map(simplified, others)))
    if isinstance(schedule, (Mirrored, Repeated, Stepped, Cut)):
        return schedule.replace(body=simplified(schedule.body, factor))
    if isinstance(schedule, Skipped):
        return _skipped(simplified(schedule.body, factor), schedule.parameters()["updates"])
    return _leaf(schedule, factor)


def parts(schedule: Any) -> tuple[Schedule, ...]:
    """The operands of a chain, sum or product."""
    return tuple(schedule.parameters()["parts"])


def _together(kind: type[Schedule], operands: list[Schedule]) -> Schedule:
    """Joined again, without the parts of a chain that have no length."""
    lasting = [part for part in operands if part.length > 0] if kind is Chain else operands
    lasting = lasting or operands[-1:]
    return lasting[0] if len(lasting) == 1 else kind(tuple(lasting))


def _skipped(body: Schedule, updates: int) -> Schedule:
    """What is left of a straight line is one: `Linear(0, 1, W).skip(1)` is the warmup that counts from 1."""
    if isinstance(body, Linear) and updates < body.length:
        return Linear(body(updates), body.end, int(body.length) - updates)
    return Skipped(body, updates)


def _leaf(schedule: Schedule, factor: float) -> Schedule:
    if factor == 1:
        return schedule
    values = schedule.parameters()
    scaled: dict[str, Any] = {name: factor * values[name] for name in ("value", "start", "end") if name in values}
    if "values" in values:
        scaled["values"] = [factor * value for value in values["values"]]
    try:
        return schedule.replace(**scaled) if scaled else factor * schedule
    except LearnrateError:  # a bound of its own, such as start > 0
        return factor * schedule


__all__ = ["parts", "simplified"]
