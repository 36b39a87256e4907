"""One setting of a parameter group: where the group holds it, and how it is written without replacing tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from ..errors import UnknownName, UsageError
from ..spec import shorten, unknown

BETAS = {"beta1": 0, "beta2": 1}

_NO_SETTINGS = ("params", "param_names", "name", "initial_lr")


class Place(NamedTuple):
    """Where a setting is in a group: under a key, and for `beta1` and `beta2` in which slot there."""

    key: str
    slot: int | None

    def read(self, group: Mapping[str, Any]) -> Any:
        held = group[self.key]
        return held if self.slot is None else held[self.slot]

    def write(self, group: dict[str, Any], value: float) -> None:
        """Write a number; a tensor keeps its identity, so that compiled code and captured graphs see the change."""
        held = self.read(group)
        if isinstance(held, Tensor):
            held.fill_(value)
        elif self.slot is not None:
            group[self.key] = tuple(value if index == self.slot else beta for index, beta in enumerate(group[self.key]))
        elif type(held) is int and value == int(value):  # a count stays a count: `range(ns_steps)` needs one
            group[self.key] = int(value)
        else:
            group[self.key] = value


def place_of(name: str, group: Mapping[str, Any], where: str) -> Place:
    """Where `group` holds the number called `name`; an unknown name lists the numbers it holds."""
    if name == "betas" and "betas" in group:
        raise UsageError("betas are scheduled one by one: beta1=..., beta2=...")
    if name not in schedulable(group):
        raise UnknownName(unknown(f"setting of {where}", name, schedulable(group)))
    return Place("betas", BETAS[name]) if name in BETAS and name not in group else Place(name, None)


def schedulable(group: Mapping[str, Any]) -> list[str]:
    """The names of the numbers that a group holds."""
    names = [name for name, held in group.items() if name not in _NO_SETTINGS and _is_number(held)]
    betas = group.get("betas")
    pair = isinstance(betas, (tuple, list)) and len(betas) > 1
    return names + [name for name in BETAS if pair and name not in group]


def _is_number(held: Any) -> bool:
    if isinstance(held, Tensor):
        return held.numel() == 1
    return isinstance(held, (int, float)) and not isinstance(held, bool)


def group_label(index: int, group: Mapping[str, Any]) -> str:
    """How messages call a group: by its name where it has one."""
    return f"group {index} ({group['name']!r})" if "name" in group else f"group {index}"


def groups_named(key: str | int, groups: list[dict[str, Any]], setting: str) -> list[int]:
    """The indices of the groups that a key means: an index, or the `"name"` that groups carry."""
    if isinstance(key, int) and not isinstance(key, bool):
        found = [key] if 0 <= key < len(groups) else []
    elif isinstance(key, str):
        found = [index for index, group in enumerate(groups) if group.get("name") == key]
    else:
        raise UsageError(f"a group is meant by its name or its index, got {shorten(key)} for {setting}")
    if not found:
        known = [*map(str, range(len(groups))), *(str(group["name"]) for group in groups if "name" in group)]
        raise UnknownName(unknown(f"parameter group for {setting}", key, known))
    return found
