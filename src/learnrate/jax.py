"""JAX: schedules called on arrays and tracers, inside `jit`, `grad` and `vmap`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .errors import MissingExtra, TimeError, UsageError
from .formula import EXPONENT_LIMIT, LATEST, Memory, Part, Table
from .schedule import Schedule

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
            t = jnp.asarray(t, dtype=float)
        return jnp.broadcast_to(jnp.asarray(schedule.at(t, Traced(Memory())), dtype=t.dtype), t.shape)


xp = Traced()

__all__ = ["Traced", "xp"]
