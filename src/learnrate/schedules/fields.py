"""What the declarations of the catalogue share: the usual length and end, and the blend of two values."""

from __future__ import annotations

from typing import Any

from ..clock import length
from ..spec import number


def rest(help: str = "its length; the rest of the run if left out") -> Any:
    """Declare the length of a shape or recipe."""
    return length("N", help, None)


def ending(default: float = 0.0) -> Any:
    """Declare the value at the end."""
    return number("b", "rate", "value at the end", default=default, span=(1e-6, 1e-3))


def blend(start: Any, end: Any, w: Any) -> Any:
    """From `end` at w = 0 to `start` at w = 1, exact at both."""
    return start * w + end * (1 - w)
