"""Which names there are, and how much one text or file may ask for."""

from __future__ import annotations

from typing import Any, cast

from .. import schedules as schedules  # the catalogue fills its registry when it is imported
from ..errors import LearnrateError, NotationError, UnknownName
from ..schedule import above
from ..spec import FORMS, Declared, unknown

DEEPEST = 100
HEAVIEST = 100_000
MOST = 2_000

CONSTRUCTOR_ERRORS = (LearnrateError, TypeError, ValueError, ArithmeticError)


def class_named(name: str, in_text: bool) -> type[Declared]:
    """The registered class of that name; raises `NotationError` that lists the known ones."""
    if "." in name:  # another library's name: its module is imported when it is asked for
        try:
            return cast("type[Declared]", above("dialect")(name))
        except UnknownName as error:
            raise NotationError(str(error)) from None
    known: list[str] = []
    for registry in FORMS:
        if registry.form == "text" or not in_text:
            if name in registry:
                found: type[Declared] = registry[name]
                return found
            known += registry
    raise NotationError(unknown("schedule" if in_text else "type", name, known))


def name_of(cls: type[Declared]) -> str | None:
    """The name a class is registered under, or None."""
    for registry in FORMS:
        for name, entry in registry.items():
            if entry is cls:
                return name
    return None


class Scale:
    """Weighs values as they are built, because a short text can describe a large one.

    `s.extend(...)` holds `s` twice, so forty in a row would print as 2**40 parts, and a hundred methods on a long
    chain would each walk it. Depth and weight are remembered by identity; the value is kept so that ids stay unique.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, int, int]] = {}
        self._total = 0
        self._built = 0

    def overload(self, value: Any) -> str | None:
        """Why this value is one too many, or None."""
        depth, weight = self._measure(value)
        self._total += weight
        self._built += 1
        if depth > DEEPEST:
            return f"nested more than {DEEPEST} deep"
        if self._built > MOST:
            return f"too large: more than {MOST:,} values to build"
        if self._total > HEAVIEST:
            return f"too large: more than {HEAVIEST:,} parts in all"
        return None

    def _measure(self, value: Any) -> tuple[int, int]:
        if isinstance(value, Declared):
            parts = list(value.parameters().values())
        elif isinstance(value, (tuple, list)):
            parts = list(value)
        elif isinstance(value, dict):
            parts = list(value.values())
        else:
            return 0, 0
        known = self._known.get(id(value))
        if known is None:
            measured = [self._measure(part) for part in parts if not isinstance(part, (float, int, str))]
            depth = 1 + max((deep for deep, _ in measured), default=0)
            weight = 1 + len(parts) // 16 + sum(heavy for _, heavy in measured)
            known = self._known[id(value)] = (value, depth, weight)
        return known[1:]


def refused_parameter(cls: type[Declared], values: dict[str, Any]) -> str | None:
    """The first parameter that its own rule refuses, when a constructor has refused the whole."""
    for name, kind in cls.kinds.items():
        if name in values:
            try:
                kind.read(values[name])
            except CONSTRUCTOR_ERRORS:
                return name
    return None
