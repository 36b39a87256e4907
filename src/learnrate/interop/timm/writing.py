"""Schedules as timm's own schedulers, and as an object with timm's interface that carries the schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from ...clock import FOREVER
from ...errors import LearnrateError, ParameterError, StateError, UsageError
from ...notation import parse
from ...schedule import Chain, Cut, Repeated, Schedule, Sum
from ...schedules import Constant, Cosine, Exponential, Linear, PiecewiseConstant, Polynomial, PowerDecay, Step, Tanh
from ...spec import REQUIRED, shorten
from ..dialect import Dialect
from ..simplifying import simplified
from ..writing import library, require_printable
from . import schedulers


class TimmHook:
    """What timm's training loop calls, for any schedule: `step_update(n)` and `step(epoch)`.

    Like timm's own it writes the first rate when it is made, and multiplies by the `lr_scale` of a group. It counts
    updates, which timm's loop reports whatever its schedulers count. Its state is plain data, the schedule as text.
    """

    t_in_epochs = False

    def __init__(self, optimizer: Any, schedule: Schedule) -> None:
        self.optimizer = optimizer
        self.schedule = schedule
        self.update = 0
        self._write(0)

    def step(self, epoch: int, metric: float | None = None) -> None:
        """Nothing, as with timm's schedulers that count updates."""

    def step_update(self, num_updates: int, metric: float | None = None) -> None:
        """The rate for the update that comes next, after so many updates."""
        self._write(num_updates)

    def state_dict(self) -> dict[str, Any]:
        """Plain data: the schedule as text, and how far it is."""
        return {"schedule": str(self.schedule), "update": self.update}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on with the schedule of that state, where it was; the optimizer gets that rate."""
        if set(state_dict) != {"schedule", "update"}:
            raise StateError(f"the state of TimmHook has schedule and update, got {shorten(sorted(state_dict))}")
        self.schedule = parse(state_dict["schedule"])
        self._write(state_dict["update"])

    def _write(self, update: int) -> None:
        self.update = update
        rate = float(self.schedule(update))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)

    def __repr__(self) -> str:
        return f"TimmHook({shorten(self.schedule, 200)}, update={self.update})"


def _groups(optimizer: Any) -> list[dict[str, Any]]:
    groups = getattr(optimizer, "param_groups", None)
    if not isinstance(groups, list):
        got = "none" if optimizer is None else shorten(optimizer)
        raise UsageError(
            f"timm's schedulers live on an optimizer: write(schedule, to='timm', optimizer=...), got {got}; "
            "source to paste needs none: code=True"
        )
    return groups


def hook(schedule: Schedule, *, optimizer: Any = None, **context: Any) -> TimmHook:
    """An object that timm's loop steps as it steps its own; the rate is the schedule's, times each `lr_scale`."""
    _groups(optimizer)
    return TimmHook(optimizer, schedule)


_HOOK_SOURCE = '''

class Scheduler:
    """For timm's loop: step_update(n) after n updates. The rate is the schedule's, times the lr_scale of a group."""

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.step_update(0)

    def step_update(self, num_updates, metric=None):
        self.update = num_updates
        for group in self.optimizer.param_groups:
            group["lr"] = schedule(num_updates) * group.get("lr_scale", 1.0)

    def step(self, epoch, metric=None):
        """Nothing: the schedule counts updates."""

    def state_dict(self):
        return {"update": self.update}

    def load_state_dict(self, state_dict):
        self.step_update(state_dict["update"])


def scheduler(optimizer):
    return Scheduler(optimizer)
'''


def hook_source(schedule: Schedule, **context: Any) -> str:
    """The same as source: the formula as a function, and `scheduler(optimizer)` that makes the object."""
    require_printable(schedule)
    return schedule.code("python").rstrip("\n") + "\n" + _HOOK_SOURCE


def build(dialect: Dialect, *, optimizer: Any = None, **context: Any) -> Any:
    """timm's own scheduler on an optimizer, whose rate becomes the dialect's `lr` in every group.

    Where the dialect counts epochs of several updates, timm's is to be stepped once per epoch.
    """
    home = library("timm.scheduler")
    rate = dialect.parameters()["lr"]
    for group in _groups(optimizer):
        group["lr"] = group["initial_lr"] = rate
    try:
        return getattr(home, type(dialect).__name__)(optimizer, **arguments(dialect))
    except (ValueError, AssertionError) as error:
        raise ParameterError(f"timm refuses {shorten(dialect, 200)}: {error}") from error


def arguments(dialect: Dialect) -> dict[str, Any]:
    """What timm's constructor is given: all but its defaults, and but what is ours."""
    defaults = dialect._defaults
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dialect.parameters().items()
        if name not in ("lr", "updates_per_epoch")
        and (defaults.get(name, REQUIRED) is REQUIRED or value != defaults[name])
    }


_SOURCE = '''from timm.scheduler import {name}


def scheduler(optimizer):
    """The rate is the schedule's, whatever lr the optimizer was built with; {loop}."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] = {rate!r}
    return {name}({arguments})
'''


def source(dialect: Dialect, **context: Any) -> str:
    """Source that makes timm's own scheduler and needs timm alone: a function `scheduler(optimizer)`."""
    given = arguments(dialect)
    if callable(given.get("decay_fn")):
        raise UsageError(
            f"{shorten(dialect, 200)} holds a function of your own, which cannot be printed; take its values: "
            "Interpolation(range(n), schedule.curve(n))"
        )
    values = dialect.parameters()
    size = values["updates_per_epoch"]
    epochs = f"call step(epoch + 1) after each epoch of {size} updates" if size > 1 else "call step(n) after n updates"
    return _SOURCE.format(
        name=type(dialect).__name__,
        loop=epochs if values["t_in_epochs"] else "call step_update(n) after n updates",
        rate=values["lr"],
        arguments=", ".join(["optimizer", *(f"{name}={value!r}" for name, value in given.items())]),
    )


# -- which of timm's schedulers might give a schedule


def proposals(schedule: Schedule) -> Iterator[Dialect]:
    """timm's schedulers that might give this schedule, stepped per update; most of them will not."""
    first, *rest = parts = _parts(simplified(schedule))
    if isinstance(first, Linear) and (rest or first.end > first.start):
        warmup = {"warmup_t": int(first.length), "warmup_lr_init": first.start}
        yield from _proposed(tuple(rest) or (Constant(first.end),), warmup, first.end)
    yield from _proposed(parts, {})


def _parts(schedule: Any) -> tuple[Schedule, ...]:
    """The parts of a chain; what is cut short is taken for what it is made of, to be compared all the same."""
    while isinstance(schedule, Cut):
        schedule = schedule.body
    if not isinstance(schedule, Chain):
        return (schedule,)
    *before, last = schedule.parts
    return (*before, *_parts(last))


def _proposed(parts: tuple[Any, ...], warmup: Mapping[str, Any], peak: float | None = None) -> Iterator[Dialect]:
    """For what comes after the warmup, which ends at `peak`."""
    body, *after = parts
    while isinstance(body, Cut):
        body = body.body
    common = {**warmup, "t_in_epochs": False}
    prefixed = common | {"warmup_prefix": True} if warmup else common
    if not after:
        yield from _stairs(body, common)
    if not after or (len(after) == 1 and isinstance(after[0], Constant)):  # a curve, and the floor after it
        yield from _one_curve(body, prefixed)
        yield from _cycles(body, prefixed)
    yield from _stable(parts, common, peak)


def _attempt(name: str, *values: Any, **given: Any) -> Iterator[Dialect]:
    try:
        yield getattr(schedulers, name)(*values, **given)
    except LearnrateError:
        return


def _one_curve(body: Any, common: Mapping[str, Any]) -> Iterator[Dialect]:
    """A cosine, a polynomial, a straight line or a tangent, once or again and again."""
    given: dict[str, Any] = dict(common)
    n = 0 if body.length == FOREVER else int(body.length)
    if isinstance(body, Cosine) and body.power == 1:
        yield from _attempt("CosineLRScheduler", t_initial=n, lr_min=body.end, k_decay=body.k, lr=body.start, **given)
    elif isinstance(body, Linear):
        yield from _attempt("PolyLRScheduler", t_initial=n, power=1.0, lr_min=body.end, lr=body.start, **given)
    elif isinstance(body, Polynomial):
        given |= {"power": body.power, "k_decay": body.k}
        yield from _attempt("PolyLRScheduler", t_initial=n, lr_min=body.end, lr=body.start, **given)
    elif isinstance(body, Tanh):
        given |= {"lb": body.lower, "ub": body.upper}
        yield from _attempt("TanhLRScheduler", t_initial=n, lr_min=body.end, lr=body.start, **given)


def _power(decay: Any) -> dict[str, Any]:
    return {"decay_fn": "1-sqrt"} if decay.power == 0.5 else {"decay_fn": "power", "decay_power": decay.power}


_ENDLESS = 2**53
"""More cycles than any run has."""


def _cycles(body: Any, common: Mapping[str, Any]) -> Iterator[Dialect]:
    """Restarts; timm's peaks shrink as those of `.repeat`, but not its floor."""
    if isinstance(body, Sum):  # on top of a floor of 0
        body = next((part for part in body.parts if not isinstance(part, Constant) or part.value), body)
    if isinstance(body, Repeated):
        cycles = {"cycle_mul": body.stretch, "cycle_decay": body.scale, "cycle_limit": body.times or _ENDLESS}
        yield from _one_curve(body.body, {**common, **cycles})


def _stairs(body: Any, common: Mapping[str, Any]) -> Iterator[Dialect]:
    if isinstance(body, Constant):
        yield from _attempt("StepLRScheduler", decay_t=1.0, decay_rate=1.0, lr=body.value, **common)
    elif isinstance(body, Step):
        yield from _attempt("StepLRScheduler", decay_t=body.period, decay_rate=body.factor, lr=body.start, **common)
    elif isinstance(body, Exponential) and body.period == 1:
        yield from _attempt("StepLRScheduler", decay_t=1.0, decay_rate=body.factor, lr=body.start, **common)
    elif isinstance(body, PiecewiseConstant):
        yield from _milestones(body, common)


def _milestones(stairs: Any, common: Mapping[str, Any]) -> Iterator[Dialect]:
    """Milestones of one factor; a drop by its square is a milestone given twice."""
    values = stairs.values
    ratios = [after / before for before, after in pairwise(values) if before]
    if len(ratios) < len(stairs.boundaries) or not all(0 < ratio < 1 for ratio in ratios):
        return
    rate = float(f"{max(ratios):.13g}")  # 0.1 and not 0.10000000000000002
    times = [min(round(math.log(ratio) / math.log(rate)), 20) for ratio in ratios]
    milestones = [place + 1 for place, count in zip(stairs.boundaries, times, strict=True) for _ in range(count)]
    yield from _attempt("MultiStepLRScheduler", milestones, decay_rate=rate, lr=values[0], **common)


def _stable(parts: tuple[Any, ...], common: Mapping[str, Any], peak: float | None) -> Iterator[Dialect]:
    """A stable phase, which may be left out, and a decay."""
    stable, rest = (int(parts[0].length), parts[1:]) if _ends(parts[0]) else (0, parts)
    if not rest or not hasattr(rest[0], "end"):
        return
    decay = rest[0]
    curves: dict[type, dict[str, Any]] = {Linear: {"decay_fn": "linear"}, Cosine: {"decay_fn": "cosine"}}
    chosen = _power(decay) if isinstance(decay, PowerDecay) else curves.get(type(decay))
    if chosen is None or decay.length in (0, FOREVER):
        return
    n = int(decay.length)
    yield from _attempt(
        "WSDLRScheduler", stable + n, n, decay.end, **chosen, lr=decay.start if peak is None else peak, **common
    )


def _ends(part: Any) -> bool:
    return isinstance(part, Constant) and part.length != FOREVER


__all__ = ["TimmHook", "build", "hook", "hook_source", "proposals", "source"]
