"""Schedules as Keras's own, as a `LearningRateSchedule` that carries the schedule, and as source."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ...clock import FOREVER
from ...errors import LearnrateError, UsageError
from ...schedule import Chain, Repeated, Schedule, Stepped, Sum, above
from ...schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseTime,
    Linear,
    NaturalExponential,
    PiecewiseConstant,
    Polynomial,
    Step,
)
from ...spec import REQUIRED, shorten
from ..dialect import Dialect
from ..printing import KERAS, indented, printed
from ..simplifying import parts, simplified
from ..writing import library
from . import schedules as own


def build(dialect: Dialect, **context: Any) -> Any:
    """Keras's own schedule; the callback for a function."""
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in _arguments(dialect).items()}
    if isinstance(dialect, own.LearningRateScheduler):
        return library("keras.callbacks").LearningRateScheduler(dialect.schedule)
    return getattr(library("keras.optimizers.schedules"), type(dialect).__name__)(**given)


def _arguments(dialect: Dialect) -> dict[str, Any]:
    """What Keras's constructor is given: all but its defaults."""
    defaults = dialect._defaults
    return {
        name: value
        for name, value in dialect.parameters().items()
        if defaults.get(name, REQUIRED) is REQUIRED or value != defaults[name]
    }


def source(dialect: Dialect, **context: Any) -> str:
    """Source that makes Keras's own schedule and needs Keras alone: `schedule`, for any optimizer's learning_rate."""
    if isinstance(dialect, own.LearningRateScheduler):
        raise UsageError(
            f"{shorten(dialect, 200)} holds a function of your own, which cannot be printed; take its values: "
            "Interpolation(range(n), schedule.curve(n))"
        )
    items = (
        f"{name}={list(value) if isinstance(value, tuple) else value!r}" for name, value in _arguments(dialect).items()
    )
    return f"import keras\n\nschedule = keras.optimizers.schedules.{type(dialect).__name__}({', '.join(items)})\n"


def hook(schedule: Schedule, **context: Any) -> Any:
    """A `LearningRateSchedule` that carries the schedule; see `learnrate.keras.schedule`."""
    return above("keras schedule")(schedule)


_HOOK = '''import keras
from keras import ops
{head}

@keras.saving.register_keras_serializable(package="printed")
class Printed(keras.optimizers.schedules.LearningRateSchedule):
    """{doc}

    Computed in the float type of Keras; float32 counts to 2**24.
    """

    def __call__(self, step):
{body}

    def get_config(self):
        return {{}}


schedule = Printed()
'''


def hook_source(schedule: Schedule, **context: Any) -> str:
    """The formula as a `LearningRateSchedule` named `schedule` that needs Keras alone."""
    made = printed(schedule, KERAS, "step")
    head = f"\n\n{made.head}" if made.head else ""
    return _HOOK.format(head=head, doc=made.doc, body=indented(made.lines, 2))


# --- proposals --------------------------------------------------------------------------------------------------------


def proposals(schedule: Schedule) -> Iterator[Dialect]:
    """Keras's schedules that might give this schedule; those whose own rules refuse the arguments are left out."""
    plain = simplified(schedule)
    for propose in (_single, _stairs, _warmup, _restarts):
        made = propose(plain)
        while True:
            try:
                yield next(made)
            except (StopIteration, LearnrateError):
                break


def _single(schedule: Any) -> Iterator[Dialect]:
    if isinstance(schedule, Constant):
        yield own.ExponentialDecay(schedule.value, 1, 1.0)
    elif isinstance(schedule, (Linear, Polynomial)) and schedule.length:
        power = schedule.power if isinstance(schedule, Polynomial) else 1.0
        yield own.PolynomialDecay(schedule.start, int(schedule.length), schedule.end, power)
    elif isinstance(schedule, Cosine) and schedule.length and schedule.start:
        yield own.CosineDecay(schedule.start, int(schedule.length), schedule.end / schedule.start)
    elif isinstance(schedule, Step):
        yield own.ExponentialDecay(schedule.start, schedule.period, schedule.factor, staircase=True)
    elif isinstance(schedule, Exponential):
        steps = max(round(schedule.period), 1)
        yield own.ExponentialDecay(schedule.start, steps, schedule.factor ** (steps / schedule.period))
    elif isinstance(schedule, NaturalExponential):
        yield own.ExponentialDecay(schedule.start, 1, math.exp(-schedule.decay))
    elif isinstance(schedule, InverseTime):
        yield own.InverseTimeDecay(schedule.start, schedule.period, schedule.decay)
    elif isinstance(schedule, PiecewiseConstant):
        yield own.PiecewiseConstantDecay([boundary - 1 for boundary in schedule.boundaries], schedule.values)


def _stairs(schedule: Any) -> Iterator[Dialect]:
    """What decays, but only every few updates; and constants one after the other."""
    if isinstance(schedule, Stepped):
        stairs = int(schedule.parameters()["updates"])
        for inner in _single(schedule.inner):
            given = inner.parameters()
            if "staircase" in given:
                share = stairs / given["decay_steps"]
                power = isinstance(inner, own.ExponentialDecay)
                rate = given["decay_rate"] ** share if power else given["decay_rate"] * share
                yield inner.replace(decay_steps=stairs, decay_rate=rate, staircase=True)
    if isinstance(schedule, Chain) and all(isinstance(part, Constant) for part in parts(schedule)):
        ends, values = [0], []
        for part in parts(schedule):
            ends.append(ends[-1] + (int(part.length) if part.length < FOREVER else 0))
            values.append(part(0))
        yield own.PiecewiseConstantDecay([end - 1 for end in ends[1 : len(values)]], values)


def _warmup(schedule: Any) -> Iterator[Dialect]:
    if not isinstance(schedule, Chain) or len(parts(schedule)) != 2:
        return
    rise, fall = parts(schedule)
    if isinstance(rise, Linear) and isinstance(fall, Cosine) and rise.end:
        yield own.CosineDecay(
            rise.start,
            int(fall.length),
            fall.end / rise.end,
            warmup_target=rise.end,
            warmup_steps=int(rise.length),
        )


def _restarts(schedule: Any) -> Iterator[Dialect]:
    """Cosines for ever, the floor either in them or under them."""
    floor = 0.0
    if isinstance(schedule, Sum):
        cycles, *others = parts(schedule)
        if len(others) != 1 or not isinstance(others[0], Constant):
            return
        floor, schedule = others[0].value, cycles
    if not isinstance(schedule, Repeated) or not isinstance(schedule.inner, Cosine) or schedule.length < FOREVER:
        return
    values, body = schedule.parameters(), schedule.inner
    if values["scale"] == 1 or body.end == 0:
        start, end = body.start + floor, body.end + floor
        yield own.CosineDecayRestarts(start, int(body.length), values["stretch"], values["scale"], end / start)


__all__ = ["build", "hook", "hook_source", "proposals", "source"]
