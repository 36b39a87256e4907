"""The closed language of formulas, read on torch tensors: differentiable, compilable, in the dtype of the time.

Formulas may call a function on a plain number too (of a parameter, say), so every function takes both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from ..errors import TimeError, UsageError
from ..formula import EXPONENT_LIMIT, Memory, Part, Table
from ..schedule import Schedule


def _either(on_tensor: Callable[[Tensor], Tensor], on_number: Callable[[float], float]) -> Callable[[Any, Any], Any]:
    def read(self: Tensors, x: Any) -> Any:
        return on_tensor(x) if isinstance(x, Tensor) else on_number(x)

    return read


class Tensors:
    """The namespace `xp` for `schedule.at(tensor, xp)`; keeps nothing between calls unless given a memory."""

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory

    cos = _either(torch.cos, math.cos)
    sin = _either(torch.sin, math.sin)
    tanh = _either(torch.tanh, math.tanh)
    log = _either(torch.log, math.log)
    sqrt = _either(torch.sqrt, math.sqrt)
    floor = _either(torch.floor, math.floor)
    abs = _either(torch.abs, abs)

    def quotient(self, t: Any, n: float) -> Any:
        if not isinstance(t, Tensor):
            return math.floor(t / n)
        whole = torch.floor(t / n)  # compiled for a GPU, the division may be one unit in the last place off
        left = t - whole * n
        return torch.where(left >= n, whole + 1, torch.where(left < 0, whole - 1, whole))

    def exp(self, x: Any) -> Any:
        if not isinstance(x, Tensor):
            return math.exp(min(x, EXPONENT_LIMIT))
        largest = math.log(torch.finfo(x.dtype).max) - 1 if x.is_floating_point() else EXPONENT_LIMIT
        return torch.exp(torch.clamp(x, max=min(EXPONENT_LIMIT, largest)))

    def minimum(self, a: Any, b: Any) -> Any:
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            return torch.minimum(a, b)
        if isinstance(a, Tensor):
            return torch.clamp(a, max=b)
        return torch.clamp(b, max=a) if isinstance(b, Tensor) else min(a, b)

    def maximum(self, a: Any, b: Any) -> Any:
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            return torch.maximum(a, b)
        if isinstance(a, Tensor):
            return torch.clamp(a, min=b)
        return torch.clamp(b, min=a) if isinstance(b, Tensor) else max(a, b)

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        return self.minimum(self.maximum(x, low), high)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        if not isinstance(condition, Tensor):
            return yes if condition else no
        if not isinstance(yes, Tensor) and not isinstance(no, Tensor):
            yes = torch.full_like(condition, yes, dtype=_widest(condition))
        return torch.where(condition, yes, no)

    def piece(self, t: Any, edges: Sequence[float], parts: Sequence[Part]) -> Any:
        if not isinstance(t, Tensor):
            return parts[sum(edge <= t for edge in edges)](t)
        value: Any = None
        starts, ends = (-math.inf, *edges), (*edges, math.inf)
        for start, end, part in zip(starts, ends, parts, strict=True):
            speaks = (t >= start) & (t < end)
            # A part that does not speak sees a time inside its own range, and no gradient flows back from it: at the
            # edge of a range a derivative may be infinite, and infinity times 0 would reach the others as NaN.
            inside = torch.where(speaks, t, _inside(start, end))
            spoken = _like(part(inside), t)
            value = spoken if value is None else torch.where(speaks, spoken, value)
        return value

    def find(self, t: Any, table: Table) -> Any:
        if not isinstance(t, Tensor):
            return max(sum(entry <= t for entry in table) - 1, 0)
        times = t.detach().to(_widest(t)).contiguous()
        entries = torch.tensor(tuple(table), dtype=times.dtype, device=t.device)
        return torch.clamp(torch.searchsorted(entries, times, right=True) - 1, min=0)

    def take(self, table: Table, index: Any) -> Any:
        if not isinstance(index, Tensor):
            return table[index]
        return torch.tensor(tuple(table), dtype=_widest(index), device=index.device)[index]

    def let(self, name: str, value: Any) -> Any:
        return value

    def hold(self, t: Any, length: float) -> Any:
        if not isinstance(t, Tensor):
            return self.clip(t, 0.0, length)
        t = torch.clamp(t if t.is_floating_point() else t.to(_widest(t)), min=0.0)
        return torch.where(t < length, t, length)  # no gradient flows back from the end, where it may be infinite

    def once(self, owner: object, t: Any, compute: Callable[[], Any]) -> Any:
        if self._memory is not None:
            return self._memory.once(owner, t, lambda: _like(compute(), t))
        return _like(compute(), t)

    def opaque(self, function: Callable[[Any], Any], t: Any) -> Any:
        if not isinstance(t, Tensor):
            return function(t)
        values = [float(function(x)) for x in t.detach().reshape(-1).tolist()]
        return torch.tensor(values, dtype=t.dtype, device=t.device).reshape(t.shape)

    def evaluate(self, schedule: Schedule, t: Tensor) -> Tensor:
        """What `schedule(tensor)` calls: the values, as a tensor of the same shape, dtype and device.

        A negative or NaN time on the CPU is a `TimeError`; compiled, or on a device that would have to be waited for,
        it is clamped at 0. To compile it in one graph (`fullgraph=True`), import `learnrate.torch` and call the
        schedule once on a number before: the compiler follows neither imports nor, on Python 3.11, cached properties.
        """
        if t.dtype == torch.bool or t.is_complex():
            raise UsageError(f"t must be a number or a tensor of numbers, got {t.dtype}")
        if torch.compiler.is_compiling():
            return cast(Tensor, schedule.at(t, self))
        if t.device.type == "cpu" and not _legal(t):
            raise TimeError(f"every t must be >= 0 updates, got {float(t.min())}")
        return cast(Tensor, schedule.at(t, Tensors(Memory())))


def _legal(t: Tensor) -> bool:
    try:
        return bool((t >= 0).all())
    except RuntimeError:  # traced or under vmap: there is no value to look at
        return True


def _widest(t: Tensor) -> torch.dtype:
    return torch.float32 if t.device.type == "mps" else torch.float64


def _like(value: Any, t: Any) -> Any:
    """A value in the dtype, shape and place of the time it belongs to."""
    if not isinstance(t, Tensor):
        return value
    dtype = t.dtype if t.is_floating_point() else _widest(t)
    return value.to(dtype) if isinstance(value, Tensor) else torch.full_like(t, float(value), dtype=dtype)


def _inside(start: float, end: float) -> float:
    if math.isinf(start):
        return end - 0.5 if math.isfinite(end) else 0.0
    return (start + end) / 2 if math.isfinite(end) else start + 1.0


xp = Tensors()
"""`schedule.at(tensor, xp)` and `schedule(tensor)` compute on tensors.

>>> from learnrate.schedules import Cosine
>>> t = torch.tensor([0.0, 5.0, 10.0], requires_grad=True)
>>> rate = Cosine(0.1, 0.0, 10)(t)
>>> rate.sum().backward()
>>> print(rate.detach().numpy().round(3), t.grad.numpy().round(4))
[0.1  0.05 0.  ] [-0.     -0.0157  0.    ]
"""
