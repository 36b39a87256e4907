"""Epochs, tokens, samples and percent, turned into optimizer updates.

A length is a whole number of updates, or text: `"5%"` of the enclosing total, `"3ep"` epochs, `"2e9tok"` tokens,
`"1e6smp"` samples; `None` is "the rest". Text and `None` become numbers when a `Clock` is known. Lengths round half up.
"""

from __future__ import annotations

import dataclasses
import math
import random
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .errors import ParameterError, UnboundError
from .spec import REQUIRED, Kind, Number, declare, shorten

Length = int | str | None

FOREVER = math.inf

_TEXT = re.compile(r"(\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE]([+-]?\d{1,2}))?\s*(%|ep|tok|smp)", re.ASCII)
_LARGEST = 2**53
_UNITS = {
    "ep": ("updates_per_epoch", "epochs"),
    "tok": ("tokens_per_update", "tokens"),
    "smp": ("samples_per_update", "samples"),
}


def amount(text: str) -> tuple[Fraction, str]:
    """`"2e9tok"` as an exact number and its unit; raises `ValueError` whose text is the rule."""
    match = _TEXT.fullmatch(text.strip()) if len(text) <= 80 else None
    if match is None:
        raise ValueError(f"be a number of updates or text such as '5%', '3ep', '2e9tok', '1e6smp', got {shorten(text)}")
    mantissa, exponent, unit = match.groups()
    exact = Fraction(Decimal(mantissa)) * Fraction(10) ** int(exponent or 0)
    if unit == "%" and exact > 100:
        raise ValueError(f"be at most 100% of the total, got {shorten(text)}")
    return exact, unit


def half_up(exact: Fraction) -> int:
    """Round to whole updates, halves up."""
    return math.floor(exact + Fraction(1, 2))


@dataclasses.dataclass(frozen=True)
class Clock:
    """What turns units of time into updates: the total, and how much one update consumes.

    >>> Clock(10_000, tokens_per_update=1_000_000).resolve("2e9tok")
    2000
    """

    total: int
    updates_per_epoch: float | None = None
    tokens_per_update: float | None = None
    samples_per_update: float | None = None

    def __post_init__(self) -> None:
        whole = Number("T", "updates", "", ge=0, whole=True, le=_LARGEST)
        positive = Number("", "", "", gt=0)
        try:
            object.__setattr__(self, "total", whole.read(self.total))
        except ValueError as rule:
            raise ParameterError(f"total must {rule}") from None
        for name, _ in _UNITS.values():
            if getattr(self, name) is not None:
                try:
                    object.__setattr__(self, name, positive.read(getattr(self, name)))
                except ValueError as rule:
                    raise ParameterError(f"{name} must {rule}") from None

    def within(self, total: int) -> Clock:
        """The same clock for a smaller enclosing total."""
        return dataclasses.replace(self, total=total)

    def resolve(self, length: int | str) -> int:
        """A length as a whole number of updates; raises `UnboundError` when the clock lacks its unit."""
        if not isinstance(length, str):
            return length
        exact, unit = amount(length)
        if unit == "%":
            return half_up(exact * self.total / 100)
        name, noun = _UNITS[unit]
        per = getattr(self, name)
        if per is None:
            raise UnboundError(f"the length {length!r} is in {noun}; bind with .over(total, {name}=...)")
        per = Fraction(repr(per))  # the decimal that was written: 0.7 is less than 7/10 in binary
        return half_up(exact * per if unit == "ep" else exact / per)


@dataclasses.dataclass(eq=False, repr=False)
class LengthKind(Kind):
    """A length in updates, as text in another unit, or left out."""

    least: int = 0
    rest: bool = True

    def read(self, value: Any) -> Length:
        if value is None:
            if self.rest:
                return None
            raise ValueError("be given: a number of updates or text such as '5%'")
        if isinstance(value, str):
            amount(value)
            return value.strip()
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"be a finite number of updates, got {value}")
        return Number(self.symbol, "updates", "", ge=self.least, le=_LARGEST, whole=True).read(value)  # type: ignore[return-value]

    def draw(self, rng: random.Random) -> int:
        return rng.randint(max(self.least, 2), 300)

    @property
    def bounds(self) -> str:
        return f">= {self.least}"


def length(symbol: str, help: str, default: Any = REQUIRED, *, least: int = 0) -> Any:
    """Declare a length. A default of None means "the rest"."""
    return declare(LengthKind(symbol, "updates", help, least, rest=default is None), default)
