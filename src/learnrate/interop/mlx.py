"""mlx.optimizers.schedulers: pure functions of the step count; MLX computes in float32."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import ParameterError
from ..findings import Finding
from ..schedule import Schedule
from ..schedules import Constant, Cosine, Exponential, Linear, NaturalExponential
from ..spec import number
from .conventions import Conventions
from .dialect import Dialect
from .fields import count, counts, schedules
from .joining import joined


def _rate(help: str, default: Any = dataclasses.MISSING) -> Any:
    return number("a", "rate", help, default=default, span=(1e-3, 1.0))


def _factor() -> Any:
    return number("r", "", "the factor", ge=0, span=(0.5, 1.1))


def _power(start: float, rate: float, steps: int) -> Schedule:
    """The start times a power of the rate; 0 to the power of 0 is 1."""
    if rate == 0:
        return Constant(start, steps) >> Constant(0.0)
    # `Exponential` only falls; what rises saturates before it overflows
    falls = rate <= 1
    curve = Exponential(start, rate, period=steps) if falls else NaturalExponential(start, -math.log(rate) / steps)
    return curve if steps == 1 else curve.every(steps)


class exponential_decay(Dialect):
    """mlx exponential_decay: times `decay_rate` at every update. It has no end.

    >>> exponential_decay(0.1, 0.9)([0, 1, 2])
    array([0.1  , 0.09 , 0.081])
    """

    conventions = Conventions("exponential", past="continues")
    init: float = _rate("the value at t = 0")
    decay_rate: float = _factor()

    def meaning(self) -> Schedule:
        return _power(self.init, self.decay_rate, 1)


class step_decay(Dialect):
    """mlx step_decay: times `decay_rate` every `step_size` updates, at once. It has no end.

    >>> step_decay(0.1, 0.5, 3)([0, 2, 3, 6])
    array([0.1  , 0.1  , 0.05 , 0.025])
    """

    conventions = Conventions("step", boundary="t >= b", past="continues")
    init: float = _rate("the value at t = 0")
    decay_rate: float = _factor()
    step_size: int = count("how long each stair is", least=1)

    def meaning(self) -> Schedule:
        return _power(self.init, self.decay_rate, self.step_size)


class cosine_decay(Dialect):
    """mlx cosine_decay: half a cosine between two rates.

    >>> cosine_decay(1.0, 10, 0.1)([0, 5, 10, 15])
    array([1.  , 0.55, 0.1 , 0.1 ])
    """

    conventions = Conventions("cosine", horizon="whole", floor="rate")
    init: float = _rate("the value at t = 0")
    decay_steps: int = count("how many updates it decays over", least=1)
    end: float = _rate("the value at the end", 0.0)

    def meaning(self) -> Schedule:
        return Cosine(self.init, self.end, self.decay_steps)


class linear_schedule(Dialect):
    """mlx linear_schedule: a straight line between two rates.

    >>> linear_schedule(0.0, 1.0, 4)([0, 1, 4, 9])
    array([0.  , 0.25, 1.  , 1.  ])
    """

    conventions = Conventions("linear", warmup="t/W", horizon="whole", floor="rate")
    init: float = _rate("the value at t = 0")
    end: float = _rate("the value at the end")
    steps: int = count("how many updates it takes", least=1)

    def meaning(self) -> Schedule:
        return Linear(self.init, self.end, self.steps)


class join_schedules(Dialect):
    """mlx join_schedules: the next schedule starts at its boundary (t >= b), and counts from 0 there.

    >>> join_schedules([linear_schedule(0.0, 1.0, 4), cosine_decay(1.0, 8)], [4])([0, 3, 4, 8, 12])
    array([0.  , 0.75, 1.  , 0.5 , 0.  ])
    """

    conventions = Conventions("sequence", boundary="t >= b")
    schedules: Sequence[Schedule] = schedules("the schedules, in order, or functions of the update", functions=True)
    boundaries: Sequence[int] = counts("where the next schedule takes over, one fewer than there are", empty=True)

    def check(self) -> None:
        if len(self.boundaries) != len(self.schedules) - 1:
            raise ParameterError(
                f"join_schedules.boundaries must have one entry fewer than there are schedules "
                f"({len(self.schedules)}), got {len(self.boundaries)}"
            )

    def meaning(self) -> Schedule:
        return joined(self.schedules, self.boundaries)

    def quirks(self, run: int) -> Iterator[Finding]:
        for place, schedule in zip((0, *self.boundaries), self.schedules, strict=True):
            if isinstance(schedule, Dialect) and place < run:
                yield from schedule.quirks(run - place)


__all__ = ["cosine_decay", "exponential_decay", "join_schedules", "linear_schedule", "step_decay"]
