"""`read`: a live scheduler, a config or a state of another library, as a schedule and the update it has reached."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..feedback import Rule
from ..schedule import Schedule
from ..spec import shorten

OBJECTS = {
    "torch": "torch",
    "transformers": "transformers",
    "accelerate": "transformers",
    "timm": "timm",
    "keras": "keras",
    "optax": "optax",
    "mmengine": "mmengine",
    "deepspeed": "deepspeed",
    "megatron": "megatron",
    "paddle": "paddle",
    "pytorch_scheduler": "pytorch_scheduler",
}
"""The package that the class of a live object comes from -> the module here whose `read_object` knows it."""

MAPPINGS = ("deepspeed", "keras", "mmengine", "megatron", "timm", "transformers", "torch")
"""The modules whose `read_mapping` is asked in turn about plain data; each answers None when it is not theirs."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """What `read` found.

    `schedule` is what `learnrate.torch.attach(optimizer, lr=...)` takes: one schedule, or a mapping from the index of
    each param group to its own where they differ. `update` is how many updates have been made. `settings` are
    schedules of other settings (momentum, beta1, weight_decay); `feedback` a rule that listens to a metric.
    """

    schedule: Schedule | dict[int, Schedule]
    update: int = 0
    settings: Mapping[str, Schedule] = dataclasses.field(default_factory=dict)
    feedback: Rule | None = None


def read(obj: Any, **hints: Any) -> Reading:
    """The schedule in `obj`, and the update it has reached.

    `hints` are what the object does not say itself: each reader names those it takes (`lr=`, `updates=`, `name=` ...).
    """
    if isinstance(obj, Schedule):
        return Reading(obj)
    for cls in type(obj).__mro__:
        package = cls.__module__.partition(".")[0]
        if package in OBJECTS:
            library = importlib.import_module(f"{__package__}.{OBJECTS[package]}")
            return library.read_object(obj, **hints)  # type: ignore[no-any-return]
    if isinstance(obj, Mapping):
        for name in MAPPINGS:
            found = importlib.import_module(f"{__package__}.{name}").read_mapping(obj, **hints)
            if found is not None:
                return found  # type: ignore[no-any-return]
    raise UsageError(f"no reader knows {shorten(obj)}")


__all__ = ["Reading", "read"]
