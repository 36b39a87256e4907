"""Live schedules, optimizers and callbacks of Keras, and their configs, as schedules of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import LearnrateError, UsageError
from ...notation import from_json
from ...schedule import Schedule
from ...schedules import Constant
from ...spec import shorten, unknown
from ..hints import only, reached
from ..reading import Reading
from ..sampling import sampled
from . import schedules as own

NAMES = (
    *("CosineDecay", "CosineDecayRestarts", "ExponentialDecay"),
    *("InverseTimeDecay", "PiecewiseConstantDecay", "PolynomialDecay"),
)
_SAMPLE = "take its values: read(it, sample=N)"
_PLATEAU = ("monitor", "factor", "patience", "mode", "min_delta", "cooldown", "min_lr")


def read_object(
    obj: Any, *, sample: int | None = None, update: int | None = None, lr: float | None = None, **hints: Any
) -> Reading:
    """The schedule of a live `LearningRateSchedule`, or of an optimizer, which also knows the update.

    A callback that listens gives a rule; the rate it multiplies is that of its model's optimizer, or `lr=`.
    `sample=N` takes the values of N updates of any schedule instead.
    """
    given = {"sample": sample, "update": update, "lr": lr} | hints
    given = {name: value for name, value in given.items() if value is not None}
    if hasattr(obj, "iterations"):
        only(given, "an optimizer of Keras", ("sample", "update"))
        return _optimizer(obj, sample, update)
    if {*_PLATEAU} <= {*dir(obj)}:
        only(given, "ReduceLROnPlateau of Keras", ("lr",))
        return _plateau(obj, lr)
    only(given, "a schedule of Keras", ("sample", "update"))
    if sample is not None:
        return Reading(sampled(lambda t: _float(obj(t)), sample), reached(update or 0))
    if hasattr(obj, "on_epoch_begin"):
        raise UsageError(
            f"{type(obj).__name__} calls a function of your own, which cannot be read; "
            "give it to learnrate.interop.keras.LearningRateScheduler(function, updates_per_epoch=...)"
        )
    return Reading(_schedule(obj), reached(update or 0))


def _schedule(obj: Any) -> Schedule:
    """What a live schedule says; what is not Keras's own cannot be seen."""
    carried = getattr(obj, "schedule", None)
    if isinstance(carried, Schedule):
        return carried
    name = type(obj).__name__
    if not type(obj).__module__.startswith("keras."):
        raise UsageError(f"{name} is a class of your own, whose formula cannot be seen; {_SAMPLE}")
    if name not in NAMES:
        raise UsageError(f"{name} is no schedule of Keras that can be read: {', '.join(NAMES)} are; {_SAMPLE}")
    return _made(name, obj.get_config())


def _require_update(rate: Any) -> None:
    """A function that is no schedule is called without the update: it has no curve."""
    if not any(cls.__name__ == "LearningRateSchedule" for cls in type(rate).__mro__):
        raise UsageError(
            f"learning_rate is {shorten(rate)}, a function of your own that Keras calls without the update, so that "
            "no curve can be read or sampled; a curve is a keras.optimizers.schedules.LearningRateSchedule"
        )


def _optimizer(optimizer: Any, sample: int | None, update: int | None) -> Reading:
    made = int(_float(optimizer.iterations)) if update is None else reached(update)
    while hasattr(optimizer, "inner_optimizer"):  # one that scales the loss has another inside
        optimizer = optimizer.inner_optimizer
    rate = vars(optimizer).get("_learning_rate")
    if sample is not None:
        if not callable(rate) or hasattr(rate, "assign"):
            raise UsageError("this optimizer has no schedule to sample: its rate is a number")
        _require_update(rate)
        return Reading(sampled(lambda t: _float(rate(t)), sample), made)
    if callable(rate) and not hasattr(rate, "assign"):
        where = f"{type(optimizer).__name__}.learning_rate"
        _require_update(rate)
        try:
            return Reading(_schedule(rate), made)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    return Reading(Constant(_float(optimizer.learning_rate)), made)  # a variable: no schedule drives it


def _plateau(callback: Any, lr: float | None) -> Reading:
    optimizer = getattr(getattr(callback, "model", None), "optimizer", None)
    if optimizer is None and lr is None:
        raise UsageError(
            "ReduceLROnPlateau multiplies the rate of its model's optimizer; it has no model yet: say lr=..."
        )
    rate = lr if lr is not None else _float(getattr(optimizer, "learning_rate", 1.0))
    given = {name: getattr(callback, name) for name in _PLATEAU}
    given["min_delta"] = abs(given["min_delta"])
    rule = own.ReduceLROnPlateau(**given, lr=rate)
    return Reading(Constant(rate), feedback=rule)


def _float(value: Any) -> float:
    """A number out of a variable or tensor of any backend."""
    plain = value.value if hasattr(value, "assign") else value
    plain = plain.detach().cpu() if hasattr(plain, "detach") else plain
    return float(plain)


def read_mapping(data: Mapping[str, Any], *, update: int = 0, **hints: Any) -> Reading | None:
    """The schedule in a config of Keras, `{"class_name": ..., "config": {...}}`: of a schedule, or of an optimizer."""
    if not isinstance(data.get("class_name"), str) or not isinstance(data.get("config"), Mapping):
        return None
    name, config = data["class_name"], data["config"]
    if name in NAMES or _is_ours(data):
        only(hints, "a config of Keras", ("update",))
        return Reading(_rate(data, "config"), reached(update))
    if "learning_rate" in config:
        only(hints, "a config of Keras", ("update",))
        return Reading(_rate(config["learning_rate"], "config.learning_rate"), reached(update))
    if str(data.get("module", "")).startswith("keras.optimizers.schedules"):
        raise UsageError(unknown("class_name in keras.optimizers.schedules", name, list(NAMES)))
    return None


def _is_ours(data: Mapping[str, Any]) -> bool:
    return data.get("registered_name") == "learnrate>Scheduled" or data["class_name"] == "learnrate>Scheduled"


def _rate(value: Any, where: str) -> Schedule:
    """A rate of a config: a number, or a schedule that is serialised."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Constant(value)
    if not isinstance(value, Mapping) or not isinstance(value.get("class_name"), str):
        raise UsageError(f"{where} must be a number or a schedule's config, got {shorten(value)}")
    if not isinstance(value.get("config"), Mapping):
        raise UsageError(f"{where} must have a mapping as its 'config', got {shorten(value.get('config'))}")
    if _is_ours(value):
        found = from_json(value["config"].get("schedule"))
        if isinstance(found, Schedule):
            return found
        raise UsageError(f"{where} must hold a schedule, got {shorten(found)}")
    name = value["class_name"]
    if name not in NAMES:
        raise UsageError(
            f"{where} is {name!r}, a class of your own, whose formula cannot be seen; the schedules of Keras are "
            f"{', '.join(NAMES)}"
        )
    try:
        return _made(name, value["config"])
    except LearnrateError as error:
        raise UsageError(f"{where}: {error}") from error


def _made(name: str, config: Mapping[str, Any]) -> Schedule:
    given = {key: value for key, value in config.items() if not (key == "name" and value is None)}
    schedule: Schedule = getattr(own, name)(**given)
    return schedule


__all__ = ["read_mapping", "read_object"]
