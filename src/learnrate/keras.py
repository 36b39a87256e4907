"""Keras 3: schedules as real `LearningRateSchedule`s, on whichever backend it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .errors import MissingExtra, NotationError, UsageError
from .formula import EXPONENT_LIMIT, LATEST, Counting, Memory, Part, Table
from .notation import from_json, to_json
from .schedule import Schedule
from .spec import shorten

try:
    import keras
    from keras import ops
except ModuleNotFoundError as error:
    if error.name != "keras":
        raise
    raise MissingExtra("keras", "keras") from error


def _either(name: str, on_number: Callable[[float], float]) -> Any:
    """An operation of Keras, and its plain form for a number (a parameter, say), which keeps all its digits."""
    on_tensor = getattr(ops, name)

    def read(x: Any) -> Any:
        return on_number(x) if isinstance(x, (int, float)) else on_tensor(x)

    return staticmethod(read)


def _float() -> str:
    return str(keras.config.floatx())


def _tensor(x: Any, dtype: str) -> Any:
    return ops.cast(ops.convert_to_tensor(x), dtype)


class Operations:
    """The closed language of formulas on `keras.ops`, in the float type that Keras is configured for.

    >>> from learnrate.schedules import Linear
    >>> float(Linear(0, 1, 4).at(ops.convert_to_tensor(3.0), Operations()))
    0.75
    """

    cos = _either("cos", math.cos)
    sin = _either("sin", math.sin)
    tanh = _either("tanh", math.tanh)
    log = _either("log", math.log)
    sqrt = _either("sqrt", math.sqrt)
    floor = _either("floor", math.floor)
    abs = _either("abs", abs)
    minimum = staticmethod(ops.minimum)
    maximum = staticmethod(ops.maximum)
    where: Any = staticmethod(ops.where)

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory

    def quotient(self, t: Any, n: float) -> Any:
        if isinstance(t, (int, float)):
            return math.floor(t / n)
        whole = ops.floor(t / n)  # a compiler multiplies by 1 / n, which may be one too low or too high
        left = t - whole * n
        return whole + ops.cast(left >= n, _float()) - ops.cast(left < 0, _float())

    def exp(self, x: Any) -> Any:
        if isinstance(x, (int, float)):
            return math.exp(min(x, EXPONENT_LIMIT))
        limits = {"float16": 10.0, "bfloat16": 87.0, "float32": 87.0}
        return ops.exp(ops.minimum(x, limits.get(_float(), EXPONENT_LIMIT)))

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        return ops.minimum(ops.maximum(x, low), high)

    def piece(self, t: Any, edges: Sequence[float], parts: Sequence[Part]) -> Any:
        return _pieces(t, edges, parts, _float())

    def find(self, t: Any, table: Table) -> Any:
        return _found(t, table, _float())

    def take(self, table: Table, index: Any) -> Any:
        return ops.take(_tensor(list(table), _float()), index)

    def let(self, name: str, value: Any) -> Any:
        return value

    def hold(self, t: Any, length: float) -> Any:
        return ops.maximum(ops.minimum(t, min(float(length), LATEST)), 0.0)

    def once(self, owner: object, t: Any, compute: Callable[[], Any]) -> Any:
        return compute() if self._memory is None else self._memory.once(owner, t, compute)

    def opaque(self, function: Callable[[Any], Any], t: Any) -> Any:
        return function(t)


class _Integers:
    """What counts need of Keras: 32-bit integers on every backend."""

    limit = 2**31 - 1
    minimum = staticmethod(ops.minimum)
    maximum = staticmethod(ops.maximum)
    where: Any = staticmethod(ops.where)

    def floats(self, value: Any) -> Any:
        return ops.cast(value, _float())

    def find(self, value: Any, entries: Sequence[int]) -> Any:
        return _found(value, entries, "int32")

    def take(self, entries: Sequence[int], index: Any) -> Any:
        return ops.take(_tensor(list(entries), "int32"), index)

    def piece(self, value: Any, edges: Sequence[int], parts: Sequence[Part]) -> Any:
        return _pieces(value, edges, parts, "int32")


def _found(value: Any, entries: Sequence[float], dtype: str) -> Any:
    reached = ops.expand_dims(value, -1) >= _tensor(list(entries), dtype)
    return ops.maximum(ops.sum(ops.cast(reached, "int32"), axis=-1) - 1, 0)


def _pieces(t: Any, edges: Sequence[float], parts: Sequence[Part], dtype: str) -> Any:
    """Each part is asked inside its own range, where it cannot overflow, and speaks from its edge on."""
    value = None
    bounds = _tensor([0, *edges], dtype)
    for index, part in enumerate(parts):
        start, speaks = bounds[index], t >= bounds[index]
        inside = ops.where(speaks, t, start)
        if index + 1 < len(parts):
            inside = ops.where(t < bounds[index + 1], inside, start)
        spoken = ops.cast(part(inside), _float())
        value = spoken if value is None else ops.where(speaks, spoken, value)
    return value


@keras.saving.register_keras_serializable(package="learnrate", name="Scheduled")
class Scheduled(keras.optimizers.schedules.LearningRateSchedule):
    """What `schedule` returns: a `LearningRateSchedule` that carries the schedule.

    >>> from learnrate.schedules import Linear
    >>> made = schedule(Linear(0, 1, 4))
    >>> float(made(3)), Scheduled.from_config(made.get_config()) == made
    (0.75, True)
    """

    def __init__(self, schedule: Any, name: str = "Scheduled") -> None:
        super().__init__()
        self.schedule = schedule if isinstance(schedule, Schedule) else _from_config(schedule)
        self.name = name
        _ = self.schedule.length  # an unbound one says here how to bind it

    def __call__(self, step: Any) -> Any:
        """The rate of update `step`, a number, a tensor or the optimizer's `iterations`; times below 0 count as 0."""
        t = ops.convert_to_tensor(step)
        with keras.name_scope(self.name):
            if "int" in keras.backend.standardize_dtype(t.dtype):
                counts = ops.maximum(ops.cast(t, "int32"), 0)
                rates = Counting(Operations(), _Integers()).evaluate(self.schedule, counts)
            else:
                t = ops.maximum(ops.cast(t, _float()), 0.0)
                rates = self.schedule.at(t, Operations(Memory()))
            return ops.broadcast_to(ops.cast(ops.convert_to_tensor(rates), _float()), ops.shape(t))

    def get_config(self) -> dict[str, Any]:
        """The schedule as plain data, which `from_config` reads back."""
        return {"schedule": to_json(self.schedule), "name": self.name}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scheduled) and self.schedule == other.schedule

    def __hash__(self) -> int:
        return hash(self.schedule)

    def __repr__(self) -> str:
        return f"learnrate.keras.schedule({shorten(self.schedule, 400)})"


def _from_config(data: Any) -> Schedule:
    found = from_json(data)
    if not isinstance(found, Schedule):
        raise NotationError(f"expected a schedule, got {shorten(found)}")
    return found


def schedule(of: Schedule) -> Scheduled:
    """The schedule for the `learning_rate` of any Keras optimizer.

    It is a real `LearningRateSchedule`: it trains compiled on every backend, and is saved with the model and loaded
    again wherever this library is imported (`import learnrate.keras`). It computes in Keras's float type; `iterations`
    stays a whole number through cycles and boundaries, so that up to 2**31 every restart comes at its exact update.
    A schedule with a function of your own trains, and cannot be saved.

    `learnrate.interop.read` gives back the schedule, of the object as of an optimizer that has it, with the update that
    it has reached. Raises `UnboundError` for a schedule whose lengths are not yet numbers of updates.

    >>> from learnrate.schedules import Linear
    >>> optimizer = keras.optimizers.SGD(schedule(Linear(0, 1, 4)))
    >>> float(optimizer.learning_rate)
    0.0
    """
    if not isinstance(of, Schedule):
        raise UsageError(f"learnrate.keras.schedule takes a schedule, got {shorten(of)}")
    return Scheduled(of)


__all__ = ["Operations", "Scheduled", "schedule"]
