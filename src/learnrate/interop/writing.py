"""`write`: a schedule as another library's own object or config, or as its most general hook."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator
from typing import Any

from ..errors import MissingExtra, UnknownName
from ..schedule import Schedule
from ..spec import unknown
from .dialect import Dialect

TARGETS = ("torch", "optax", "keras", "transformers", "timm", "deepspeed", "megatron", "python")


@dataclasses.dataclass(frozen=True)
class Written:
    """What `write` made: `value` is the object or config, `own` whether it is the library's own schedule."""

    value: Any
    own: bool
    says: str


def write(schedule: Schedule, to: str, *, code: bool = False, **context: Any) -> Any:
    """The schedule for another library."""
    if to not in TARGETS:
        raise UnknownName(unknown("target", to, list(TARGETS)))
    raise NotImplementedError


def library(name: str) -> Any:
    """The module of another library that an object is built of; the only import of a framework here, when asked for."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        raise MissingExtra(package, package) from error


def proposals(schedule: Schedule, to: str) -> Iterator[Dialect]:
    """What the library's own names suggest for this schedule; each must still be compared, update by update."""
    return importlib.import_module(f"{__package__}.{to}").proposals(schedule)  # type: ignore[no-any-return]


__all__ = ["TARGETS", "Written", "library", "write"]
