"""transformers read back: training arguments, trainer states, and the functions inside its LambdaLR schedulers."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import LearnrateError, ParameterError, UsageError
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import Constant, Interpolation
from ...spec import shorten, unknown
from ..hints import only
from ..reading import Reading
from . import schedules
from .schedules import RULES, SCHEDULES, get_greedy_schedule, get_scheduler

TIMELESS = ("constant", "constant_with_warmup", "inverse_sqrt", *RULES)
"""The names that do not ask how long the run is."""

_HINTS = ("updates", "num_examples", "world_size", "update")
_ARGUMENT_KEYS = ("max_steps", "num_train_epochs", "warmup_steps", "warmup_ratio", "per_device_train_batch_size")


def read_object(obj: Any, **hints: Any) -> Reading:
    """A TrainingArguments, a TrainerState, a Trainer that has made its scheduler, or a live GreedyLR.

    Its other schedulers are torch's LambdaLR, which torch's reader takes.
    """
    if hasattr(obj, "to_dict") and hasattr(obj, "lr_scheduler_type"):
        if "num_examples" in hints:
            hints.setdefault("world_size", obj.world_size)
        return _arguments(obj.to_dict(), hints)
    if hasattr(obj, "log_history") and hasattr(obj, "global_step"):
        return _state(vars(obj), hints)
    if type(obj).__name__ == "GreedyLR":
        return _greedy(obj, hints)
    if getattr(obj, "lr_scheduler", None) is not None:
        return importlib.import_module("..reading", __package__).read(obj.lr_scheduler, **hints)  # type: ignore[no-any-return]
    if callable(obj):
        only(hints, "a function of transformers", ("lr",))
        found = read_lambda(obj, hints.get("lr", 1.0))
        if found is not None:
            return Reading(found)
    raise UsageError(
        f"{type(obj).__name__} of transformers holds no schedule that can be read; what can be read: "
        "TrainingArguments, TrainerState, a Trainer that has its scheduler, GreedyLR, and what get_scheduler returns"
    )


def read_mapping(data: Mapping[str, Any], **hints: Any) -> Reading | None:
    """Training arguments as plain data, or what `trainer_state.json` holds; None for other data.

    Training arguments that count epochs need `updates=`, or `num_examples=` with `world_size=`; `update=` says how far
    the run is. A trainer state is read as the rates it has logged; with `args=` (training arguments) exactly.
    """
    if "log_history" in data and "global_step" in data:
        return _state(data, hints)
    if "lr_scheduler_type" in data or ("learning_rate" in data and any(key in data for key in _ARGUMENT_KEYS)):
        return _arguments(data, hints)
    return None


# -- training arguments


def _arguments(data: Mapping[str, Any], hints: Mapping[str, Any]) -> Reading:
    only(hints, "training arguments", _HINTS)
    kind = data.get("lr_scheduler_type", "linear")
    name = str(getattr(kind, "value", kind))
    if name.startswith("SchedulerType."):  # what str() makes of the library's own names
        name = name.partition(".")[2].lower()
    if name not in SCHEDULES and name not in RULES:
        raise UsageError(f"lr_scheduler_type: {unknown('schedule', name, [*SCHEDULES, *RULES])}")
    lr = _number(data, "learning_rate", 5e-5)
    update = _whole(hints, "update", 0, 0)
    options = _options(data.get("lr_scheduler_kwargs"))
    try:
        if name in RULES:
            rule: Any = get_scheduler(name, scheduler_specific_kwargs=options, lr=lr)
            return Reading(Constant(lr), update, feedback=rule)
        warmup, share = _warmup(data)
        total = None if name in TIMELESS and not share else _updates(data, hints)
        if share:
            warmup = math.ceil(total * share)  # type: ignore[operator]
        return Reading(get_scheduler(name, warmup, total, options, lr), update)
    except ParameterError as error:
        raise ParameterError(f"training arguments with lr_scheduler_type={name!r}: {error}") from error


def _options(given: Any) -> dict[str, Any] | None:
    """`lr_scheduler_kwargs`, which a command line gives as JSON."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except json.JSONDecodeError as error:
            raise UsageError(
                f"lr_scheduler_kwargs is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
            ) from None
    if given is not None and not isinstance(given, Mapping):
        raise UsageError(f"lr_scheduler_kwargs must be a mapping, got {shorten(given)}")
    return dict(given) if given else None


def _number(data: Mapping[str, Any], key: str, default: float) -> float:
    value = data.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ParameterError(f"{key} must be a number, got {shorten(value)}")
    return value


def _whole(data: Mapping[str, Any], key: str, default: int, least: int) -> int:
    value = _number(data, key, default)
    if value != int(value) or value < least:
        raise ParameterError(f"{key} must be a whole number >= {least}, got {shorten(value)}")
    return int(value)


def _warmup(data: Mapping[str, Any]) -> tuple[int, float]:
    """The warmup in updates, or as a share of the run: `warmup_steps` below 1, or the older `warmup_ratio`."""
    for key in ("warmup_steps", "warmup_ratio"):
        value = _number({} if data.get(key) is None else data, key, 0)
        if value < 0:
            raise ParameterError(f"{key} must be >= 0, got {value}")
        if value >= 1 and key == "warmup_steps":
            return int(value), 0.0
        if value > 1:
            raise ParameterError(f"warmup_ratio must be <= 1 (a share of the run), got {value}")
        if value:
            return 0, value
    return 0, 0.0


def _updates(data: Mapping[str, Any], hints: Mapping[str, Any]) -> int:
    """How many updates the run has: `max_steps`, what the hints say, or epochs counted as the Trainer counts them."""
    most = _number(data, "max_steps", -1)
    if most > 0:
        return int(most)
    if hints.get("updates") is not None:
        return _whole(hints, "updates", 0, 0)
    if hints.get("num_examples") is None:
        epochs = data.get("num_train_epochs", 3.0)
        raise UsageError(
            f"max_steps is {shorten(data.get('max_steps', -1))}, so the run is num_train_epochs={epochs} epochs long: "
            "say how many updates that is, updates=..., or num_examples=... and world_size=..."
        )
    batch = _whole(data, "per_device_train_batch_size", 8, 1) * _whole(hints, "world_size", 1, 1)
    examples = _whole(hints, "num_examples", 0, 1)
    batches = examples // batch if data.get("dataloader_drop_last") else math.ceil(examples / batch)
    per_epoch = max(math.ceil(batches / _whole(data, "gradient_accumulation_steps", 1, 1)), 1)
    return math.ceil(_number(data, "num_train_epochs", 3.0) * per_epoch)


# -- trainer states


def _state(data: Mapping[str, Any], hints: Mapping[str, Any]) -> Reading:
    """The exact schedule with `args=`, else the logged rates as points.

    The Trainer logs, after update n, the rate of the update just made, which is update n - 1 counted from 0;
    `logged="next"` is for older versions, which logged that of the update to come.
    """
    only(hints, "a trainer state", ("args", "logged", "num_examples", "world_size", "updates"))
    reached = _whole(data, "global_step", 0, 0)
    if hints.get("args") is not None:
        return _exact(data, dict(hints), reached)
    logged = hints.get("logged", "used")
    if logged not in ("used", "next"):
        raise UsageError(unknown("logged", logged, ["used", "next"]))
    back = 1 if logged == "used" else 0
    points: dict[int, float] = {}
    for entry in data["log_history"]:
        if isinstance(entry, Mapping) and "learning_rate" in entry and "step" in entry:
            points[max(_whole(entry, "step", 0, 0) - back, 0)] = float(_number(entry, "learning_rate", 0.0))
    if not points:
        raise UsageError("log_history holds no learning_rate; give the training arguments: read(state, args=...)")
    knots = sorted(points)
    advice = "Between logged updates the rate is a straight line; read(state, args=...) is exact."
    note = Finding("recorded curve", "note", {"points": len(knots), "last": knots[-1]}, advice)
    return Reading(Interpolation(knots, [points[knot] for knot in knots]), reached, notes=(note,))


def _exact(data: Mapping[str, Any], hints: dict[str, Any], reached: int) -> Reading:
    given = hints.pop("args")
    hints.pop("logged", None)
    total = data.get("max_steps") or 0
    if total > 0:
        hints["updates"] = total
    made = given.to_dict() if hasattr(given, "to_dict") else given
    if not isinstance(made, Mapping):
        raise UsageError(f"args must be training arguments, an object or a mapping, got {shorten(given)}")
    return _arguments(made, hints | {"update": reached})


# -- live objects


def _greedy(obj: Any, hints: Mapping[str, Any]) -> Reading:
    """The rule with its counters; it sets the rate of each group from where that began."""
    only(hints, "GreedyLR", ("update",))
    saved = obj.state_dict()
    bases, lows, highs = ([float(rate) for rate in saved[key]] for key in ("_init_lrs", "min_lrs", "max_lrs"))
    if any(low * bases[0] != lows[0] * base for low, base in zip(lows, bases, strict=True)):
        raise UsageError("GreedyLR with a min_lr of its own for each group is several rules; read one group at a time")
    keys = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "warmup", "eps", "smooth")
    settings = {key: saved[key] for key in (*keys, "window_size")}
    rule = get_greedy_schedule(
        **settings, min_lr=lows[0], max_lr=highs[0], reset_start=saved["reset_start_original"], lr=bases[0]
    )
    smoothed = saved.get("_streaming_avg") or {"values": [], "sum": 0.0}
    windowed = bool(saved["smooth"]) and saved["window_size"] > 1
    state = rule.start() | {
        "factor": float(saved["_last_lr"][0]) / bases[0],
        "best": float(saved["best"]) if math.isfinite(saved["best"]) else None,
        "good": saved["num_good_epochs"],
        "bad": saved["num_bad_epochs"],
        "cooldown": saved["cooldown_counter"],
        "warmup": saved["warmup_counter"],
        "at_floor": saved["reset_start_original"] - saved["reset_start"],
        "recent": list(smoothed["values"]) if windowed else [],
        "sum": float(smoothed["sum"]) if windowed else 0.0,
    }
    each = [Constant(base) for base in bases]
    schedule: Any = each[0] if all(one == each[0] for one in each) else dict(enumerate(each))
    return Reading(schedule, _whole(hints, "update", 0, 0), feedback=rule, state=rule.read(state))


def _made(name: str) -> Callable[[dict[str, Any], float], Schedule]:
    return lambda given, lr: getattr(schedules, name)(**given, lr=lr)


def _cosine(given: dict[str, Any], lr: float) -> Schedule:
    """Two functions of this name: the second, which has a floor, replaces the first."""
    floor = "get_cosine_with_min_lr_schedule_with_warmup"
    return _made(floor if "min_lr_rate" in given else "get_cosine_schedule_with_warmup")(given, lr)


def _polynomial(given: dict[str, Any], lr: float) -> Schedule:
    """The end is a share of the optimizer's default rate, also for a group with another one."""
    given = dict(given)
    base = float(given.pop("lr_init"))
    made = schedules.get_polynomial_decay_schedule_with_warmup(**given, lr=base)
    return made if base == lr else (lr / base) * made


def _wsd(given: dict[str, Any], lr: float) -> Schedule:
    given = dict(given)
    stable = given.pop("num_stable_steps")
    if stable >= 0:
        given["num_stable_steps"] = stable
    else:
        given["num_training_steps"] = given["num_warmup_steps"] + stable + given["num_decay_steps"]
    return schedules.get_wsd_schedule(**given, lr=lr)


_LAMBDAS: dict[str, Callable[[dict[str, Any], float], Schedule]] = {
    "_get_constant_lambda": _made("get_constant_schedule"),
    "_get_constant_schedule_with_warmup_lr_lambda": _made("get_constant_schedule_with_warmup"),
    "_get_linear_schedule_with_warmup_lr_lambda": _made("get_linear_schedule_with_warmup"),
    "_get_cosine_schedule_with_warmup_lr_lambda": _cosine,
    "_get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda": _made(
        "get_cosine_with_hard_restarts_schedule_with_warmup"
    ),
    "_get_polynomial_decay_schedule_with_warmup_lr_lambda": _polynomial,
    "_get_inverse_sqrt_schedule_lr_lambda": _made("get_inverse_sqrt_schedule"),
    "_get_cosine_with_min_lr_schedule_with_warmup_lr_rate_lambda": _made(
        "get_cosine_with_min_lr_schedule_with_warmup_lr_rate"
    ),
    "_get_wsd_scheduler_lambda": _wsd,
}


def read_lambda(function: Any, lr: float) -> Schedule | None:
    """The schedule behind a function that transformers hands to LambdaLR, for a group of base rate `lr`, or None."""
    inner = getattr(function, "func", function)
    home = str(getattr(inner, "__module__", "")).partition(".")[0]
    made = _LAMBDAS.get(str(getattr(inner, "__name__", "")))
    if home != "transformers" or made is None:
        return None
    try:
        return made(dict(getattr(function, "keywords", {})), lr)
    except LearnrateError as error:
        raise ParameterError(f"{inner.__name__} of transformers: {error}") from error


__all__ = ["read_lambda", "read_mapping", "read_object"]
