"""JAX: schedules called on arrays and tracers, inside `jit`, `grad` and `vmap`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .errors import MissingExtra, TimeError, UsageError
from .formula import EXPONENT_LIMIT, LATEST, Counting, Memory, Part, Table
from .schedule import Schedule
from .spec import shorten

try:
    import jax
    import jax.numpy as jnp
except ModuleNotFoundError as error:
    if error.name != "jax":
        raise
    raise MissingExtra("jax", "jax") from error


def _either(on_array: Callable[[Any], Any], on_number: Callable[[float], float]) -> Any:
    """A function of an array, and of a plain number (a parameter, say), which stays one with all its digits."""

    def read(x: Any) -> Any:
        return on_number(x) if isinstance(x, (int, float)) else on_array(x)

    return staticmethod(read)


class Traced:
    """The closed language of formulas on JAX arrays and tracers, in the dtype of the time.

    A schedule can be handed to `optax.adamw(schedule)` as it is, since calling it with a tracer comes here.

    >>> import jax, jax.numpy as jnp
    >>> from learnrate.schedules import Linear
    >>> jax.jit(Linear(0, 1, 4))(jnp.array([0.0, 1.0, 9.0])).tolist()
    [0.0, 0.25, 1.0]
    """

    cos = _either(jnp.cos, math.cos)
    sin = _either(jnp.sin, math.sin)
    tanh = _either(jnp.tanh, math.tanh)
    log = _either(jnp.log, math.log)
    sqrt = _either(jnp.sqrt, math.sqrt)
    floor = _either(jnp.floor, math.floor)
    abs = _either(jnp.abs, abs)
    minimum = staticmethod(jnp.minimum)
    maximum = staticmethod(jnp.maximum)
    where: Any = staticmethod(jnp.where)

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory

    def quotient(self, t: Any, n: float) -> Any:
        if isinstance(t, (int, float)):
            return math.floor(t / n)
        whole = jnp.floor(t / n)  # XLA multiplies by 1 / n, which may be one too low or too high
        left = t - whole * n
        return whole + jnp.where(left >= n, 1, 0) - jnp.where(left < 0, 1, 0)

    def exp(self, x: Any) -> Any:
        if isinstance(x, (int, float)):
            return math.exp(min(x, EXPONENT_LIMIT))
        return jnp.exp(jnp.minimum(x, min(EXPONENT_LIMIT, math.log(float(jnp.finfo(x.dtype).max)) - 1)))

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        return jnp.minimum(jnp.maximum(x, low), high)

    def piece(self, t: Any, edges: Sequence[float], parts: Sequence[Part]) -> Any:
        t = jnp.asarray(t)
        bounds = jnp.asarray(tuple(edges), dtype=t.dtype)
        speaking = jnp.searchsorted(bounds, t, side="right")

        def spoken(part: Part) -> Callable[[Any], Any]:
            return lambda time: jnp.broadcast_to(jnp.asarray(part(time), dtype=t.dtype), t.shape)

        if t.ndim == 0:
            return jax.lax.switch(speaking, [spoken(part) for part in parts], t)
        value = jnp.zeros_like(t)
        for index, (start, end, part) in enumerate(zip((0.0, *edges), (*edges, math.inf), parts, strict=True)):
            # A part that does not speak sees a time inside its own range, where it cannot overflow: at the edge a
            # derivative may be infinite, and infinity times 0 would reach the others as NaN.
            inside = jnp.where(speaking == index, t, (start + end) / 2 if end < math.inf else start + 1)
            value = jnp.where(speaking == index, spoken(part)(inside), value)
        return value

    def find(self, t: Any, table: Table) -> Any:
        t = jnp.asarray(t)
        entries = jnp.asarray(tuple(table), dtype=t.dtype)
        return jnp.maximum(jnp.searchsorted(entries, t, side="right") - 1, 0)

    def take(self, table: Table, index: Any) -> Any:
        return jnp.asarray(tuple(table), dtype=float)[index]

    def let(self, name: str, value: Any) -> Any:
        return value

    def hold(self, t: Any, length: float) -> Any:
        # chosen, not clipped: no gradient flows back from the end, where it may be infinite
        return jnp.where(t >= 0, jnp.where(t < length, t, min(float(length), LATEST)), 0.0)

    def once(self, owner: object, t: Any, compute: Callable[[], Any]) -> Any:
        return compute() if self._memory is None else self._memory.once(owner, t, compute)

    def opaque(self, function: Callable[[Any], Any], t: Any) -> Any:
        return function(t)

    def evaluate(self, schedule: Schedule, t: Any) -> Any:
        """What `schedule(array)` calls: the values, as an array of the same shape. Traced times are clamped at 0."""
        if not (jnp.issubdtype(t.dtype, jnp.floating) or jnp.issubdtype(t.dtype, jnp.integer)):
            raise UsageError(f"t must be a number or an array of numbers, got {t.dtype} dtype")
        if not isinstance(t, jax.core.Tracer) and not bool(jnp.all(t >= 0)):
            raise TimeError(f"every t must be >= 0 updates, got {t}")
        if not jnp.issubdtype(t.dtype, jnp.floating):
            return _counted(schedule, t)
        return jnp.broadcast_to(jnp.asarray(schedule.at(t, Traced(Memory())), dtype=t.dtype), t.shape)


class _Integers:
    """What counts need of JAX: integer arrays and tracers, 32 bits wide unless JAX is told otherwise."""

    minimum = staticmethod(jnp.minimum)
    maximum = staticmethod(jnp.maximum)
    where: Any = staticmethod(jnp.where)

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype
        self.limit = int(jnp.iinfo(dtype).max)

    def floats(self, value: Any) -> Any:
        return jnp.asarray(value, dtype=float)

    def find(self, value: Any, entries: Sequence[int]) -> Any:
        return jnp.maximum(jnp.searchsorted(jnp.asarray(entries, dtype=self._dtype), value, side="right") - 1, 0)

    def take(self, entries: Sequence[int], index: Any) -> Any:
        return jnp.asarray(entries, dtype=self._dtype)[index]

    def piece(self, value: Any, edges: Sequence[int], parts: Sequence[Part]) -> Any:
        speaking = jnp.searchsorted(jnp.asarray(edges, dtype=self._dtype), value, side="right")

        def spoken(part: Part) -> Part:
            return lambda count: jnp.broadcast_to(jnp.asarray(part(count), dtype=float), value.shape)

        if value.ndim == 0:
            return jax.lax.switch(speaking, [spoken(part) for part in parts], value)
        rates = jnp.zeros(value.shape, dtype=float)
        for index, (start, part) in enumerate(zip((0, *edges), parts, strict=True)):
            rates = jnp.where(speaking == index, spoken(part)(jnp.where(speaking == index, value, start)), rates)
        return rates


def _counted(schedule: Schedule, t: Any) -> Any:
    """The values at whole times, which stay whole as long as the formula lets them."""
    dtype = jnp.asarray(0, dtype=int).dtype
    limit = int(jnp.iinfo(dtype).max)
    if jnp.iinfo(t.dtype).max > limit:
        t = jnp.minimum(t, limit)
    counts = jnp.maximum(jnp.asarray(t, dtype=dtype), 0)
    rates = Counting(Traced(), _Integers(dtype)).evaluate(schedule, counts)
    return jnp.broadcast_to(jnp.asarray(rates, dtype=float), t.shape)


xp = Traced()


class CountSchedule:
    """What `schedule` returns: a function of the count that carries the schedule, and is pickled and compared by it.

    >>> from learnrate.schedules import Linear
    >>> CountSchedule(Linear(0, 1, 4))
    learnrate.jax.schedule(Linear(0.0, 1.0, 4))
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def __call__(self, count: Any) -> Any:
        return xp.evaluate(self.schedule, jnp.asarray(count))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CountSchedule) and self.schedule == other.schedule

    def __hash__(self) -> int:
        return hash(self.schedule)

    def __repr__(self) -> str:
        return f"learnrate.jax.schedule({shorten(self.schedule, 400)})"


def schedule(of: Schedule) -> CountSchedule:
    """The schedule as a function of the count, for `optax.adamw(schedule(s))` and every other optimizer of optax.

    It can be called inside `jit` and `vmap`, on integers and on floats, and returns the default float of JAX. Integer
    counts stay integers through differences, cycles and boundaries, so that up to 2**31 no update is lost: restarts,
    stairs and late pieces come at their exact update although float32 counts to 2**24 alone. The values have the
    precision of float32: 1e-6 of the peak, except where a curve is infinitely steep (a root near its end) or a power
    magnifies the rounding of its base. In float64 (`jax_enable_x64`) all of it is exact to 1e-12.

    It can be pickled, and `learnrate.interop.read` gives back the schedule. Raises `UnboundError` for a schedule whose
    lengths are not yet numbers of updates.

    >>> from learnrate.schedules import Linear
    >>> rate = schedule(Linear(0, 1, 4))
    >>> jax.jit(rate)(3).item(), jax.vmap(rate)(jnp.arange(3)).tolist()
    (0.75, [0.0, 0.25, 0.5])
    """
    if not isinstance(of, Schedule):
        raise UsageError(f"learnrate.jax.schedule takes a schedule, got {shorten(of)}")
    _ = of.length  # an unbound one says here how to bind it
    return CountSchedule(of)


__all__ = ["CountSchedule", "Traced", "schedule", "xp"]
