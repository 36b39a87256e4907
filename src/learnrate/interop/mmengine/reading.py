"""Live mmengine schedulers and config mappings, as schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, cast

from ...errors import ParameterError, UsageError
from ...feedback import Rule
from ...schedule import Schedule
from ...schedules import Constant
from ...spec import shorten, unknown
from ..dialect import DIALECTS, LISTENERS, Dialect
from ..hints import only
from ..reading import Reading
from .schedulers import ReduceOnPlateauLR
from .stacking import Scheduler, param_scheduler

HINTS = ("lr", "momentum", "epoch_length", "total")
"""What a config does not say: the optimizer's own values, updates per epoch, and the length of the run (in epochs, or
in updates, as `by_epoch` says), which the Runner takes for an `end` that is left out."""

IGNORED = ("verbose", "last_step", "convert_to_iter_based")
_LISTENING = ("ReduceOnPlateauLR", "ReduceOnPlateauMomentum")
_OURS = ("lr", "momentum", "epoch_length", "updates_per_epoch")


def _classes() -> dict[str, type[Scheduler]]:
    found = {full.partition(".")[2]: cls for full, cls in DIALECTS.items() if full.startswith("mmengine.")}
    return {name: cls for name, cls in found.items() if issubclass(cls, Scheduler)}


def _checked(hints: Mapping[str, Any]) -> Mapping[str, Any]:
    only(hints, "mmengine schedulers", HINTS)
    return hints


def read_mapping(data: Mapping[str, Any], **hints: Any) -> Reading | None:
    """A scheduler's config (`{"type": "LinearLR", ...}`), or a config with a `param_scheduler` of one or more.

    Hints: `lr` and `momentum` (the optimizer's own), `epoch_length` (updates per epoch), `total` (the run's length in
    the scheduler's unit, where `end` is left out).

    >>> read_mapping({"type": "StepLR", "step_size": 3, "by_epoch": False}, lr=0.5).schedule
    mmengine.param_scheduler([mmengine.StepLR(3, by_epoch=False)], lr=0.5)
    """
    if "param_scheduler" in data:
        listed = data["param_scheduler"]
    elif data.get("type") in _classes() or data.get("type") in _LISTENING:
        listed = data
    else:
        return None
    entries = [listed] if isinstance(listed, Mapping) else listed
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise ParameterError(f"param_scheduler must be a mapping or a list of mappings, got {shorten(entries)}")
    return _stack([_entry(index, entry) for index, entry in enumerate(entries)], _checked(hints))


def _entry(index: int, entry: Any) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
        raise ParameterError(f"param_scheduler[{index}] must be a mapping with a type, got {shorten(entry)}")
    known = [*_classes(), *_LISTENING]
    if entry["type"] not in known:
        raise ParameterError(unknown(f"type in param_scheduler[{index}]", entry["type"], known))
    return entry


def _stack(entries: list[Mapping[str, Any]], hints: Mapping[str, Any]) -> Reading:
    rates: list[Schedule] = []
    momenta: list[Schedule] = []
    feedback: Rule | None = None
    for index, entry in enumerate(entries):
        if entry["type"] in _LISTENING:
            if feedback is not None or entry["type"] != "ReduceOnPlateauLR":
                raise UsageError(f"param_scheduler[{index}]: one rule of the rate can be read, got {entry['type']} too")
            feedback = _listening(index, entry, hints)
            continue
        part = _from_entry(index, entry, hints)
        (momenta if part.parameter == "momentum" else rates).append(part)
    base = hints.get("lr", 1.0)
    settings = {"momentum": param_scheduler(momenta, lr=hints.get("momentum", 1.0))} if momenta else {}
    return Reading(param_scheduler(rates, lr=base) if rates else Constant(base), 0, settings, feedback)


def _arguments(index: int, entry: Mapping[str, Any], known: list[str]) -> dict[str, Any]:
    given = {key: value for key, value in entry.items() if key != "type" and key not in IGNORED}
    for key in given:
        if key not in known:
            raise ParameterError(unknown(f"key of param_scheduler[{index}] ({entry['type']})", key, [*known, *IGNORED]))
    return given


def _listening(index: int, entry: Mapping[str, Any], hints: Mapping[str, Any]) -> Rule:
    known = [key for key in signature(LISTENERS[f"mmengine.{entry['type']}"]).parameters if key not in _OURS]
    return ReduceOnPlateauLR(**_arguments(index, entry, known), lr=hints.get("lr", 1.0))


def _from_entry(index: int, entry: Mapping[str, Any], hints: Mapping[str, Any]) -> Scheduler:
    cls = _classes()[entry["type"]]
    given = _arguments(index, entry, [key for key in cls.kinds if key not in _OURS])
    if "end" not in given and "total" in hints:
        given["end"] = hints["total"]
    by_epoch = given.get("by_epoch", True)
    convert = entry.get("convert_to_iter_based", False)
    if by_epoch and "epoch_length" not in hints:
        raise UsageError(
            f"param_scheduler[{index}] ({entry['type']}) counts epochs: say how many updates one has, epoch_length=..."
        )
    if by_epoch:
        given["epoch_length" if convert else "updates_per_epoch"] = hints["epoch_length"]
    return cls(**given)


def read_object(obj: Any, **hints: Any) -> Reading:
    """A live scheduler, per group where their own values differ.

    Hints: `stack`, the list of all schedulers of the optimizer (else `obj` is taken to be alone), and `epoch_length`,
    updates per epoch, where one steps per epoch.
    """
    only(hints, "a live mmengine scheduler", ["epoch_length", "stack"])
    several = list(hints.get("stack", [obj]))
    rules = [one for one in several if type(one).__name__ == "ReduceOnPlateauLR"]
    acting = [one for one in several if type(one).__name__ != "ReduceOnPlateauLR"]
    for one in acting:
        if type(one).__name__ not in _classes():
            raise UsageError(unknown("live mmengine scheduler", type(one).__name__, [*_classes(), "ReduceOnPlateauLR"]))
    found = {key: _curves([one for one in acting if one.param_name == key], hints) for key in ("lr", "momentum")}
    settings = {key: _alike(key, curves) for key, curves in found.items() if curves and key != "lr"}
    rates = found["lr"] or [Constant(float(group["lr"])) for group in obj.optimizer.param_groups]
    schedule = rates[0] if all(rate == rates[0] for rate in rates) else dict(enumerate(rates))
    update = max(one._global_step * (_pace(one, hints) if one in acting else 1) for one in several)
    return Reading(schedule, update, settings, _live_rule(rules[0]) if rules else None)


def _curves(acting: list[Any], hints: Mapping[str, Any]) -> list[Schedule]:
    """One schedule per param group."""
    if not acting:
        return []
    bases = next((one for one in acting if type(one).__name__ != "OneCycleLR"), acting[0]).base_values
    curves: list[Schedule] = []
    for group, base in enumerate(bases):
        if len(acting) == 1:
            curves.append(_live(acting[0], group, float(base), _pace(acting[0], hints)))
        else:
            parts = [_live(one, group, 1.0, _pace(one, hints)) for one in acting]
            curves.append(param_scheduler(parts, lr=float(base)))
    return curves


def _alike(key: str, curves: list[Schedule]) -> Schedule:
    if any(curve != curves[0] for curve in curves):
        raise UsageError(f"a {key} that differs between param groups cannot be read; give each group its own optimizer")
    return curves[0]


def _pace(obj: Any, hints: Mapping[str, Any]) -> int:
    if not obj.by_epoch:
        return 1
    if "epoch_length" not in hints:
        raise UsageError(f"this {type(obj).__name__} steps per epoch: say how many updates one has, epoch_length=...")
    return cast(int, hints["epoch_length"])


def _live(obj: Any, group: int, base: float, pace: int) -> Dialect:
    name = type(obj).__name__
    cls = _classes()[name]
    own: dict[str, Any] = {"epoch_length": None, "updates_per_epoch": pace, cls.parameter: float(base)}
    if name == "OneCycleLR":
        settings = obj.optimizer.param_groups[group]
        own |= {
            "eta_max": settings["max_lr"],
            "pct_start": (obj._schedule_phases[0]["end_step"] + 1) / obj.total_steps,
            "anneal_strategy": "cos" if obj.anneal_func.__name__ == "_annealing_cos" else "linear",
            "three_phase": len(obj._schedule_phases) == 3,
        }
    if name.startswith("MultiStep"):
        own["milestones"] = list(obj.milestones.elements())
    if name.startswith("CosineAnnealing") and obj.T_max == obj.end - obj.begin:
        own["T_max"] = None
    return cls(**{key: own[key] if key in own else getattr(obj, key) for key in cls.kinds})


def _live_rule(obj: Any) -> Rule:
    names = ("monitor", "rule", "factor", "patience", "threshold", "threshold_rule", "cooldown", "eps", "begin", "end")
    given = {key: getattr(obj, key) for key in names}
    rate = float(obj.optimizer.param_groups[0]["lr"])
    return ReduceOnPlateauLR(**given, min_value=obj.min_values[0], lr=rate)


__all__ = ["read_mapping", "read_object"]
