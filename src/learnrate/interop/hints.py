"""What a reader is told besides the object: each reader takes some hints by name and refuses the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UsageError
from ..spec import shorten, unknown


class UnknownHint(UsageError):
    """A hint that a reader does not take; `hint` is its name."""

    def __init__(self, what: str, hint: str, known: Iterable[str]) -> None:
        names = list(known)
        super().__init__(
            unknown(f"hint for {what}", hint, names) if names else f"{what} takes no hints, got {shorten(hint)}"
        )
        self.hint = hint


def only(hints: Mapping[str, Any], what: str, known: Iterable[str]) -> None:
    """Refuse what is not known.

    >>> only({"update": 3}, "a schedule", ["update"])
    """
    names = list(known)
    for hint in hints:
        if hint not in names:
            raise UnknownHint(what, hint, names)


def reached(update: Any) -> int:
    """The hint `update`: how many updates have been made."""
    if isinstance(update, bool) or not isinstance(update, int) or update < 0:
        raise UsageError(f"update must be a number of updates >= 0, got {shorten(update)}")
    return update


__all__ = ["UnknownHint", "only", "reached"]
