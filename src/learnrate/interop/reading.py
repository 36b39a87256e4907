"""`read`: a live scheduler, a config or a state of another library, as a schedule and the update it has reached."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..feedback import Rule, State
from ..findings import Finding
from ..schedule import Schedule
from ..spec import shorten
from .dialect import library_of
from .hints import only, reached
from .sampling import sampled
from .writing import Written

OBJECTS = {
    "torch": "torch",
    "transformers": "transformers",
    "accelerate": "torch",
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

READABLE = (
    "schedules of learnrate and what `write` returned; "
    f"live schedulers and schedules of {', '.join(sorted(OBJECTS))}; "
    f"configs and states (mappings, argparse.Namespace) of {', '.join(sorted(MAPPINGS))}; "
    "functions of your own with sample=N"
)

_CARRIED = ("update",)
"""The hints for a schedule of ours, which says everything but how far it is."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """What `read` found.

    `schedule` is what `learnrate.torch.attach(optimizer, lr=...)` takes: one schedule, or a mapping from the index of
    each param group to its own where they differ. `update` is how many updates have been made. `settings` are
    schedules of other settings (momentum, beta1, weight_decay), mapped by group where they differ; `feedback` is a rule
    that listens to a metric, and `state` what it has heard. `notes` are findings: a rate that somebody changed by hand,
    a recorded curve.
    """

    schedule: Schedule | dict[int, Schedule]
    update: int = 0
    settings: Mapping[str, Schedule | dict[int, Schedule]] = dataclasses.field(default_factory=dict)
    feedback: Rule | None = None
    state: State | None = None
    notes: tuple[Finding, ...] = ()


def read(obj: Any, **hints: Any) -> Reading:
    """The schedule in `obj`, and the update it has reached; nothing that lives is changed.

    `obj` is a live scheduler, a schedule or a config of another library, a state that such a scheduler saved, one of
    our schedules, or what `write` returned. `hints` are what the object does not say itself (`lr=`, `name=`, ...): each
    reader names those it takes. A lambda or a closure holds no schedule that can be read: `sample=N` takes the
    rates of N updates instead, as `Interpolation`.

    Raises `UsageError` for what cannot be read; it says why and, for an unknown object, what can be.

    >>> from learnrate import Linear
    >>> read(Linear(0, 1, 10)).schedule
    Linear(0.0, 1.0, 10)
    """
    if isinstance(obj, (Schedule, Written)):
        only(hints, "a schedule of learnrate", _CARRIED)
        return Reading(obj if isinstance(obj, Schedule) else obj.schedule, reached(hints.get("update", 0)))
    carried = getattr(obj, "schedule", None)
    if callable(obj) and isinstance(carried, Schedule):  # a hook of ours carries its schedule
        only(hints, "a hook of learnrate", ("sample", *_CARRIED))
        if hints.get("sample") is not None:
            return _function(carried, hints)
        return Reading(carried, reached(hints.get("update", 0)))
    if isinstance(obj, argparse.Namespace):
        obj = vars(obj)
    name = _reader_of(obj)
    if name is not None:
        return importlib.import_module(f"{__package__}.{name}").read_object(obj, **hints)  # type: ignore[no-any-return]
    if isinstance(obj, Mapping):
        for name in MAPPINGS:
            found = importlib.import_module(f"{__package__}.{name}").read_mapping(obj, **hints)
            if found is not None:
                return found  # type: ignore[no-any-return]
        raise UsageError(f"no library's config or state has the keys {shorten(sorted(map(str, obj)), 200)}; {_known()}")
    if callable(obj) and not isinstance(obj, type):
        return _function(obj, hints)
    hint = "; text is read with learnrate.parse" if isinstance(obj, str) else ""
    raise UsageError(f"read does not know {shorten(obj)}, which is of {type(obj)}{hint}; {_known()}")


def _function(function: Any, hints: Mapping[str, Any]) -> Reading:
    """The values of a function of the user's own."""
    only(hints, "a function of your own", ("sample", "update"))
    if hints.get("sample") is None:
        raise UsageError(
            f"{shorten(function)} is a function of your own, which holds no schedule that can be read; sample=N takes "
            "its values at N updates, read(function, sample=N), and learnrate.Function(function) calls it as it is"
        )
    updates = hints["sample"]
    advice = "After the last sampled update its rate is held."
    schedule = sampled(function, updates)
    notes = (Finding("sampled", "note", {"updates": updates}, advice),)
    return Reading(schedule, reached(hints.get("update", 0)), notes=notes)


def _known() -> str:
    return f"what can be read: {READABLE}"


def _reader_of(obj: Any) -> str | None:
    """The module that knows the class of an object, or what that is derived from; functions have a module too.

    Our own hooks come from the module here that is named after their library.
    """
    for cls in type(obj).__mro__:
        own = library_of(cls.__module__)
        package = own if own in OBJECTS else cls.__module__.partition(".")[0]
        if package in OBJECTS:
            return OBJECTS[package]
    function = obj
    while isinstance(function, functools.partial):
        function = function.func
    package = str(getattr(function, "__module__", "")).partition(".")[0]
    return OBJECTS.get(package) if callable(obj) else None


__all__ = ["Reading", "read"]
