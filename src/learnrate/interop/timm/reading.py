"""timm's schedulers read back: live ones, and the configs that create_scheduler makes them of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...errors import LearnrateError, ParameterError, UsageError
from ...feedback import Plateau
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import Constant, Interpolation, Linear
from ...spec import shorten, unknown
from ..dialect import Dialect
from ..hints import only
from ..reading import Reading
from .schedulers import (
    CosineLRScheduler,
    MultiStepLRScheduler,
    PlateauLRScheduler,
    PolyLRScheduler,
    StepLRScheduler,
    TanhLRScheduler,
    WSDLRScheduler,
    in_updates,
)
from .writing import TimmHook

SCHEDULERS: dict[str, type[Dialect]] = {
    cls.__name__: cls
    for cls in (
        CosineLRScheduler,
        MultiStepLRScheduler,
        PolyLRScheduler,
        StepLRScheduler,
        TanhLRScheduler,
        WSDLRScheduler,
    )
}

SCHEDS = ("cosine", "tanh", "step", "constant", "multistep", "plateau", "poly", "wsd", "rsqrt", "none")


def read_object(obj: Any, **hints: Any) -> Reading:
    """A live scheduler of timm, or our hook.

    timm's schedulers do not know how far they are: `update=` says it. One that counts epochs needs
    `updates_per_epoch=` (1 if its epochs are what you count). `sample=N` takes the rates of N updates as points, which
    is the only way to read one with noise: that is drawn by torch.
    """
    if isinstance(obj, TimmHook):
        only(hints, "a hook", ())
        return Reading(obj.schedule, obj.update)
    only(hints, "a live scheduler of timm", ("update", "updates_per_epoch", "sample"))
    name, update = type(obj).__name__, _whole("update", hints.get("update", 0), 0)
    if name == "PlateauLRScheduler":
        return _plateau(obj, update, hints)
    if name not in SCHEDULERS:
        raise UsageError(unknown("scheduler of timm", name, [*SCHEDULERS, "PlateauLRScheduler"]))
    size = _epoch(hints) if obj.t_in_epochs else 1
    if hints.get("sample") is not None:
        return _sampled(obj, _whole("sample", hints["sample"], 1), size, update)
    if obj.noise_range_t is not None:
        raise UsageError(
            f"{name} has noise, which torch draws from its own random numbers: read(scheduler, sample=N) takes the "
            "rates of N updates instead, as points"
        )
    cls = SCHEDULERS[name]
    given = {key: getattr(obj, key) for key in cls.kinds if hasattr(obj, key)}
    bases = [cls(**given | {"updates_per_epoch": size, "lr": float(base)}) for base in obj.base_values]
    return Reading(_by_group(obj, bases), update)


def _by_group(obj: Any, schedules: list[Any]) -> Schedule | dict[int, Schedule]:
    """One schedule where all groups have the same; `lr_scale` of a group multiplies everything."""
    scales = [float(group.get("lr_scale", 1.0)) for group in obj.optimizer.param_groups]
    scaled = [one if scale == 1 else scale * one for one, scale in zip(schedules, scales, strict=False)]
    return scaled[0] if all(one == scaled[0] for one in scaled) else dict(enumerate(scaled))


def _sampled(obj: Any, updates: int, size: int, update: int) -> Reading:
    """The rates of the first updates as points; noise and all, for it hangs on nothing but t."""
    times = range(math.ceil(updates / size))
    first = [obj.warmup_lr_init] * len(obj.base_values) if obj.warmup_t else obj.base_values
    rates = [first, *(obj._add_noise(obj._get_lr(t), t) for t in times[1:])]
    curves = [Interpolation(list(times), [float(rate) for rate in group]) for group in zip(*rates, strict=True)]
    note = Finding("sampled", "note", {"updates": updates}, "After the last sampled update its rate is held.")
    return Reading(_by_group(obj, [in_updates(curve, size) for curve in curves]), update, notes=(note,))


def _plateau(obj: Any, update: int, hints: Mapping[str, Any]) -> Reading:
    """The plateau: torch's inside, whose counters are read; a warmup is the schedule that it multiplies."""
    inner = obj.lr_scheduler
    schedules = [
        _warmup(obj.warmup_t, obj.warmup_lr_init, float(base), _epoch(hints) if obj.warmup_t else 1)
        for base in obj.base_values
    ]
    base = float(obj.base_values[0])
    rule = PlateauLRScheduler(
        decay_rate=inner.factor,
        patience_t=inner.patience,
        threshold=inner.threshold,
        cooldown_t=inner.cooldown,
        lr_min=float(inner.min_lrs[0]),
        mode=inner.mode,
        noise_range_t=obj.noise_range_t,
        lr=base,
    )
    assert isinstance(rule, Plateau)
    scale = float(obj.optimizer.param_groups[0].get("lr_scale", 1.0))
    lowered = float(obj.optimizer.param_groups[0]["lr"]) / (base * scale)
    heard = inner.last_epoch > 0
    state = rule.start() | {
        "factor": min(lowered, 1.0) if heard else 1.0,
        "best": float(inner.best) if heard else None,
        "bad": int(inner.num_bad_epochs),
        "cooldown": int(inner.cooldown_counter),
    }
    return Reading(_by_group(obj, schedules), update, feedback=rule, state=rule.read(state))


def _warmup(warmup: int, start: float, peak: float, size: int) -> Schedule:
    return in_updates(Linear(start, peak, warmup), size) if warmup else Constant(peak)


def _epoch(hints: Mapping[str, Any]) -> int:
    """How many updates an epoch has, which an object that counts epochs does not know."""
    if hints.get("updates_per_epoch") is None:
        raise UsageError(
            "this scheduler is stepped once per epoch: say how many updates an epoch has, updates_per_epoch=... "
            "(1 to count epochs)"
        )
    return _whole("updates_per_epoch", hints["updates_per_epoch"], 1)


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value) or value < least:
        raise ParameterError(f"{name} must be a whole number >= {least} (updates), got {shorten(value)}")
    return int(value)


# -- configs


_FROM_CONFIG: dict[str, tuple[str, Any]] = {
    "num_epochs": ("epochs", 100),
    "decay_epochs": ("decay_epochs", 30),
    "decay_milestones": ("decay_milestones", [30, 60]),
    "warmup_epochs": ("warmup_epochs", 5),
    "patience_epochs": ("patience_epochs", 10),
    "decay_rate": ("decay_rate", 0.1),
    "min_lr": ("min_lr", 0.0),
    "warmup_lr": ("warmup_lr", 1e-5),
    "warmup_prefix": ("warmup_prefix", False),
    "noise": ("lr_noise", None),
    "cycle_mul": ("lr_cycle_mul", 1.0),
    "cycle_decay": ("lr_cycle_decay", 0.1),
    "cycle_limit": ("lr_cycle_limit", 1),
    "k_decay": ("lr_k_decay", 1.0),
    "decay_fn": ("lr_decay_fn", None),
    "stable_timescale": ("lr_stable_timescale", None),
}
"""An argument of create_scheduler_v2 -> the key of timm's training config, and what scheduler_kwargs takes without."""

_DEFAULTS: dict[str, Any] = {
    "num_epochs": 300,
    "decay_epochs": None,
    "decay_milestones": [90, 180, 270],
    "warmup_epochs": 0,
    "patience_epochs": 10,
    "decay_rate": 0.1,
    "min_lr": 0.0,
    "warmup_lr": 1e-5,
    "warmup_prefix": False,
    "noise": None,
    "cycle_mul": 1.0,
    "cycle_decay": 0.1,
    "cycle_limit": 1,
    "k_decay": 1.0,
    "decay_fn": None,
    "stable_timescale": None,
    "plateau_mode": "max",
    "step_on_epochs": True,
}
"""The arguments of create_scheduler_v2 that change the rates, and their defaults."""

_OWN_WORDS = ("num_epochs", "noise", "cycle_mul", "cycle_decay", "cycle_limit", "k_decay", "decay_fn", "step_on_epochs")
"""Keys that only the arguments of create_scheduler_v2 have, not a training config."""


def read_mapping(data: Mapping[str, Any], **hints: Any) -> Reading | None:
    """A training config of timm (`sched`, `epochs`, `warmup_epochs`, ...), or the arguments of create_scheduler_v2.

    `updates_per_epoch=` says how many updates an epoch has, `lr=` the base rate where the config has none, `update=`
    how far the run is.
    """
    if not isinstance(data.get("sched"), str):
        return None
    only(hints, "a config of timm", ("lr", "updates_per_epoch", "update"))
    sched, update = data["sched"], _whole("update", hints.get("update", 0), 0)
    if sched not in SCHEDS:
        raise UsageError(f"timm config: {unknown('sched', sched, list(SCHEDS))}")
    lr = _rate(data, hints)
    if sched == "none":
        return Reading(Constant(lr), update)
    size = _epoch({"updates_per_epoch": hints.get("updates_per_epoch") or data.get("updates_per_epoch") or None})
    given = _given(data)
    if given["noise"] is not None:
        raise UsageError("timm config: lr_noise is drawn by torch; read the live scheduler with sample=N instead")
    try:
        return _made(sched, given, size, lr, update)
    except LearnrateError as error:
        raise ParameterError(f"timm config with sched={sched!r}: {error}") from error


def _rate(data: Mapping[str, Any], hints: Mapping[str, Any]) -> float:
    lr = hints.get("lr", data.get("lr"))
    if isinstance(lr, bool) or not isinstance(lr, (int, float)):
        raise UsageError(
            f"timm config: the key 'lr' must be the base rate, got {shorten(lr)}; say it with lr=... (timm computes it "
            "from lr_base and the batch size where it is not given)"
        )
    return float(lr)


def _given(data: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of create_scheduler_v2, whichever of its two forms the config has."""
    if any(key in data for key in _OWN_WORDS):
        given = {key: data.get(key, default) for key, default in _DEFAULTS.items()}
    else:
        given = {key: data.get(name, default) for key, (name, default) in _FROM_CONFIG.items()}
        given["plateau_mode"] = "min" if "loss" in str(data.get("eval_metric", "top1")) else "max"
        given["step_on_epochs"] = not data.get("sched_on_updates", False)
    for key in ("num_epochs", "warmup_epochs"):
        if isinstance(given[key], bool) or not isinstance(given[key], (int, float)):
            name = key if any(word in data for word in _OWN_WORDS) else _FROM_CONFIG[key][0]
            raise ParameterError(f"timm config: {name!r} must be a number of epochs, got {shorten(given[key])}")
    if given["decay_epochs"] is None:
        given["decay_epochs"] = 0.2 if data["sched"] in ("wsd", "rsqrt") else 90
    return given


def _made(sched: str, given: Mapping[str, Any], size: int, lr: float, update: int) -> Reading:
    """What create_scheduler_v2 makes of these arguments."""
    scale = 1 if given["step_on_epochs"] else size
    epochs = given["step_on_epochs"]
    loop = {"t_in_epochs": epochs, "updates_per_epoch": size if epochs else 1, "lr": lr}
    warmup = {"warmup_t": given["warmup_epochs"] * scale, "warmup_lr_init": given["warmup_lr"]}
    if sched == "plateau":
        return _plateau_config(given, warmup, size, lr, update)
    if sched in ("wsd", "rsqrt"):
        return Reading(_wsd(sched, given, warmup, loop, scale), update)
    warmup["warmup_prefix"] = given["warmup_prefix"]
    if sched == "constant":
        return Reading(StepLRScheduler(1, 1.0, **warmup, **loop), update)
    if sched == "step":
        return Reading(StepLRScheduler(given["decay_epochs"] * scale, given["decay_rate"], **warmup, **loop), update)
    if sched == "multistep":
        milestones = [milestone * scale for milestone in given["decay_milestones"]]
        return Reading(MultiStepLRScheduler(milestones, given["decay_rate"], **warmup, **loop), update)
    cycles = {key: given[key] for key in ("cycle_mul", "cycle_decay", "cycle_limit")}
    cycles |= {"t_initial": given["num_epochs"] * scale, "lr_min": given["min_lr"]}
    if sched == "tanh":
        return Reading(TanhLRScheduler(**cycles, **warmup, **loop), update)
    cycles["k_decay"] = given["k_decay"]
    if sched == "cosine":
        return Reading(CosineLRScheduler(**cycles, **warmup, **loop), update)
    return Reading(PolyLRScheduler(power=given["decay_rate"], **cycles, **warmup, **loop), update)


def _wsd(sched: str, given: Mapping[str, Any], warmup: Any, loop: Any, scale: int) -> WSDLRScheduler:
    """Its warmup always comes before; without `warmup_prefix`, the rest is shortened to fit the epochs."""
    total = given["num_epochs"] * scale - (0 if given["warmup_prefix"] else warmup["warmup_t"])
    decay = given["decay_epochs"] * (total if 0 < given["decay_epochs"] < 1 else scale)
    timescale = given["stable_timescale"]
    return WSDLRScheduler(
        total,
        round(decay),
        given["min_lr"],
        stable_fn="rsqrt" if sched == "rsqrt" else "constant",
        stable_timescale=None if timescale is None else timescale * scale,
        decay_fn=given["decay_fn"] or ("linear" if sched == "rsqrt" else "1-sqrt"),
        **warmup,
        **loop,
    )


def _plateau_config(given: Mapping[str, Any], warmup: Any, size: int, lr: float, update: int) -> Reading:
    if not given["step_on_epochs"]:
        raise ParameterError("the plateau can only be stepped per epoch; leave sched_on_updates out")
    rule = PlateauLRScheduler(
        decay_rate=given["decay_rate"],
        patience_t=given["patience_epochs"],
        lr_min=given["min_lr"],
        mode=given["plateau_mode"],
        lr=lr,
    )
    return Reading(_warmup(warmup["warmup_t"], warmup["warmup_lr_init"], lr, size), update, feedback=rule)


__all__ = ["read_mapping", "read_object"]
