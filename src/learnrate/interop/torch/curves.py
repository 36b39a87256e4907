"""The functions of whole updates that torch's schedulers call, as functions of t."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def counted(function: Callable[[int], float], period: int | None = None) -> Callable[[Any], Any]:
    """The function of whole updates that torch calls, as a function of t; with a period, of cycles counted from 1."""

    @functools.wraps(function, updated=())
    def value(t: Any) -> Any:
        whole = int(t) if isinstance(t, (int, float)) else t
        return function(whole if period is None else 1 + whole // period)

    return value


def running_product(function: Callable[[int], float]) -> Callable[[Any], float]:
    """The product of the function's values at 1 .. t; each is computed once."""
    products = [1.0]

    @functools.wraps(function, updated=())
    def value(t: Any) -> float:
        for update in range(len(products), int(t) + 1):
            products.append(products[-1] * function(update))
        return products[int(t)]

    return value


__all__ = ["counted", "running_product"]
