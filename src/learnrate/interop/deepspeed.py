"""DeepSpeed: the `scheduler` section of its JSON. The engine steps after the optimizer, from -1: one update late."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from ..clock import FOREVER
from ..errors import ParameterError, UsageError
from ..findings import Finding
from ..schedule import Schedule
from ..schedules import Constant, Cosine, InverseTime, Linear, Logarithmic
from ..spec import flag, number, shorten, unknown
from . import quirks
from .conventions import Conventions
from .dialect import DIALECTS, Curve, Dialect
from .fields import base_rate, count, text
from .hints import only, reached
from .reading import Reading

_WARMUPS = ("log", "linear")


class _Growth(Curve):
    """A straight line that never ends."""

    start: float = number("a", "rate", "value at t = 0")
    slope: float = number("b", "", "what is added per period, as a share of the start")
    period: float = number("P", "updates", "the unit of time", default=1.0, gt=0)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.start * (1 + self.slope * (t / self.period))


class _Stairs(Curve):
    """From low to high in `stairs` equal stairs over `span` updates; `falling` counts them from the end."""

    low: float = number("a", "rate", "the value on the ground")
    high: float = number("b", "rate", "the value at the top")
    span: int = count("how long all stairs are", least=1)
    stairs: int = count("how many stairs", least=1)
    falling: int = count("1 from the top down", 0)

    def formula(self, t: Any, xp: Any) -> Any:
        place = xp.maximum(self.span - t, 0.0) if self.falling else t
        share = xp.quotient(place * self.stairs, self.span) / self.stairs
        return self.low + (self.high - self.low) * share


class LRRangeTest(Dialect):
    """DeepSpeed's LRRangeTest: the rate grows in a straight line, or in stairs, and never stops.

    >>> LRRangeTest(0.1, 4, 1.0)([0, 2, 4, 8]).round(12)
    array([0.1 , 0.15, 0.2 , 0.3 ])
    """

    conventions = Conventions("range test", horizon="per cycle", past="continues")
    per_group = ("lr_range_test_min_lr",)
    lr_range_test_min_lr: float = number("a", "rate", "the rate of the first update", default=1e-3, ge=0)
    lr_range_test_step_size: int = count("how long one step is", 2000, least=1)
    lr_range_test_step_rate: float = number("s", "", "what each step adds, as a share of the start", default=1.0, ge=0)
    lr_range_test_staircase: bool = flag("", "whether the rate is constant within a step", default=False)

    def meaning(self) -> Schedule:
        line = _Growth(self.lr_range_test_min_lr, self.lr_range_test_step_rate, self.lr_range_test_step_size)
        return line.every(self.lr_range_test_step_size) if self.lr_range_test_staircase else line

    @property
    def horizon(self) -> int | None:
        return self.lr_range_test_step_size


class OneCycle(Dialect):
    """DeepSpeed's OneCycle: up, down, and then a tail that divides the rate by 1 + decay_lr_rate * t / decay_step_size.

    `momentum` is what it writes into beta1 (beta2 becomes 0.99): it starts at its lowest value, where the rate is
    lowest too, jumps to its highest at update 1, and its tail grows without bound.

    >>> OneCycle(0.04, 1.0, cycle_first_step_size=3, cycle_second_step_size=7)([0, 1, 2, 3, 9, 10]).round(3)
    array([0.04 , 0.36 , 0.68 , 1.   , 0.177, 0.04 ])
    """

    conventions = Conventions("one cycle", warmup="t/W", horizon="per cycle", floor="rate", past="continues")
    per_group = ("cycle_min_lr", "cycle_max_lr", "cycle_min_mom", "cycle_max_mom")
    cycle_min_lr: float = number("a", "rate", "the lowest rate", ge=0)
    cycle_max_lr: float = number("b", "rate", "the highest rate", ge=0)
    decay_lr_rate: float = number("r", "", "how fast the tail falls", default=0.0, ge=0)
    cycle_first_step_size: int = count("length of the first half", 2000, least=1)
    cycle_second_step_size: int | None = count("length of the second half; as the first if left out", None)
    cycle_first_stair_count: int = number(
        "c", "stairs", "stairs in the first half; 0 for none", default=0, whole=True, span=(0, 5)
    )
    cycle_second_stair_count: int | None = number(
        "c", "stairs", "stairs in the second half; as the first if left out", default=None, whole=True, span=(0, 5)
    )
    decay_step_size: int = count("the unit of time of the tail; 0 for a tail that is flat", 0)
    cycle_momentum: bool = flag("", "whether beta1 is scheduled too", default=True)
    cycle_min_mom: float = number("m", "", "the lowest beta1", default=0.8, span=(0.7, 0.85))
    cycle_max_mom: float = number("M", "", "the highest beta1", default=0.9, span=(0.86, 0.99))
    decay_mom_rate: float = number("q", "", "how fast beta1 grows in the tail", default=0.0, ge=0, span=(0.01, 0.5))

    @property
    def _second(self) -> int:
        return self.cycle_first_step_size if self.cycle_second_step_size is None else self.cycle_second_step_size

    @property
    def horizon(self) -> int | None:
        return self.cycle_first_step_size + self._second

    def meaning(self) -> Schedule:
        tail: Schedule = Constant(self.cycle_min_lr)
        if self.decay_step_size and self.decay_lr_rate:
            tail = InverseTime(self.cycle_min_lr, self.decay_lr_rate, period=self.decay_step_size)
        return self._cycle(self.cycle_min_lr, self.cycle_max_lr) >> tail

    def _cycle(self, low: float, high: float) -> Schedule:
        """Up and down; a second half of no updates is skipped."""
        first, second = self.cycle_first_step_size, self._second
        stairs = self.cycle_first_stair_count
        falls = stairs if self.cycle_second_stair_count is None else self.cycle_second_stair_count
        up = _Stairs(low, high, first, stairs).cut(first) if stairs > 0 else Linear(low, high, first)
        if not second:
            return up
        down = _Stairs(low, high, second, falls, 1).cut(second) if falls > 0 else Linear(high, low, second)
        return up >> down

    @property
    def momentum(self) -> Schedule | None:
        """beta1 at every update; None when it is left alone."""
        if not self.cycle_momentum:
            return None
        tail: Schedule = Constant(self.cycle_max_mom)
        if self.decay_step_size and self.decay_mom_rate:
            tail = _Growth(self.cycle_max_mom, self.decay_mom_rate, self.decay_step_size)
        cycle = self._cycle(self.cycle_max_mom, self.cycle_min_mom) >> tail
        return Constant(self.cycle_min_mom, 1) >> cycle.skip(1)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from quirks.misses_peak(self, self.cycle_max_lr, run, "Give the second half some updates.")
        momentum = self.momentum
        if momentum is None or not run:
            return
        yield Finding("beta2 replaced", "note", {"beta2": 0.99}, "OneCycle writes 0.99 into beta2 of every group.")
        if run > 1:
            evidence = {"at update 0": float(momentum(0)), "at update 1": float(momentum(1))}
            yield Finding("momentum starts low", "note", evidence, "It should be highest where the rate is lowest.")
        last = float(momentum(run - 1))
        if last >= 1:
            advice = "The tail of the momentum grows without bound: set decay_mom_rate to 0."
            first = momentum.first(above=1.0)
            at = run - 1 if first is None else first
            yield Finding("momentum reaches 1", "error", {"momentum": last, "update": run - 1, "first": at}, advice)


def _warmup(kind: str, start: float, end: float, steps: int) -> Schedule:
    """`steps` updates from start towards end: the logarithm is there at the last of them, the line right after it."""
    if kind == "linear":
        return Linear(start, end, steps)
    return Logarithmic(start, end, steps - 1) >> Constant(end, 1)


class WarmupLR(Dialect):
    """DeepSpeed's WarmupLR: up by the logarithm of t (the default), or in a line, then constant.

    The engine steps it one update late, so the first two updates have the lowest rate; a warmup lasts 2 updates at
    least. `warmup_max_lr` is the optimizer's rate, `lr`, when left out.

    >>> WarmupLR(0.0, 1.0, 4)([0, 1, 2, 3, 4, 5]).round(3)
    array([0.   , 0.   , 0.5  , 0.792, 1.   , 1.   ])
    >>> WarmupLR(0.0, 1.0, 4, "linear")([0, 1, 2, 3, 4, 5])
    array([0.  , 0.  , 0.25, 0.5 , 0.75, 1.  ])
    """

    conventions = Conventions("constant", warmup="log, late")
    per_group = ("warmup_min_lr", "warmup_max_lr")
    warmup_min_lr: float = number("a", "rate", "the rate of the first update", default=0.0, ge=0)
    warmup_max_lr: float | None = number("b", "rate", "the rate after the warmup", default=None, ge=0)
    warmup_num_steps: int = count("length of the warmup; at least 2 are made", 1000, least=0)
    warmup_type: str = text("the curve of the warmup; any other word means log", _WARMUPS, default="log")
    lr: float = base_rate()

    @property
    def peak_rate(self) -> float:
        return self.lr if self.warmup_max_lr is None else self.warmup_max_lr

    @property
    def horizon(self) -> int | None:
        return self.warmup_num_steps

    def meaning(self) -> Schedule:
        steps = max(2, self.warmup_num_steps)
        return _warmup(self.warmup_type, self.warmup_min_lr, self.peak_rate, steps).delay(1)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from quirks.late(self, run)
        yield from _two_at_least(self.warmup_num_steps)
        yield from _unknown_curve(self.warmup_type)


class WarmupDecayLR(Dialect):
    """DeepSpeed's WarmupDecayLR: as `WarmupLR`, then down in a line to `warmup_min_lr` at update `total_num_steps` + 1.

    A total below the warmup climbs to the end of the warmup, and drops from there at once.

    >>> WarmupDecayLR(10, 0.0, 1.0, 2)([8, 9, 10, 11, 15])
    array([0.375, 0.25 , 0.125, 0.   , 0.   ])
    """

    conventions = Conventions("linear", warmup="log, late", horizon="whole", floor="rate")
    per_group = ("warmup_min_lr", "warmup_max_lr")
    total_num_steps: int = count("the end, warmup included")
    warmup_min_lr: float = number("a", "rate", "the rate at both ends", default=0.0, ge=0)
    warmup_max_lr: float = number("b", "rate", "the rate after the warmup", default=0.001, ge=0)
    warmup_num_steps: int = count("length of the warmup; at least 2 are made", 1000, least=0)
    warmup_type: str = text("the curve of the warmup; any other word means log", _WARMUPS, default="log")

    @property
    def horizon(self) -> int | None:
        return self.total_num_steps

    def meaning(self) -> Schedule:
        low, high, steps = self.warmup_min_lr, self.warmup_max_lr, max(2, self.warmup_num_steps)
        decay = max(self.total_num_steps - steps, 0)
        return (_warmup(self.warmup_type, low, high, steps) >> Linear(high, low, decay) >> Constant(low, 1)).delay(1)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from quirks.late(self, run)
        yield from _two_at_least(self.warmup_num_steps)
        yield from _unknown_curve(self.warmup_type)
        yield from _drops(self, self.total_num_steps, self.warmup_num_steps, run)


class WarmupCosineLR(Dialect):
    """DeepSpeed's WarmupCosineLR: a warmup in shares of the optimizer's rate, then half a cosine to `cos_min_ratio`.

    Update 0 has the rate 0 whatever `warmup_min_ratio` says, and everything is one update late; the cosine makes its
    first step at once, so with a linear warmup the peak is never reached.

    >>> WarmupCosineLR(10, warmup_num_steps=1, cos_min_ratio=0.1)([0, 5, 9, 10, 20]).round(3)
    array([0.   , 0.722, 0.134, 0.1  , 0.1  ])
    """

    conventions = Conventions("cosine", warmup="log, late", horizon="whole", floor="ratio")
    total_num_steps: int = count("the end, warmup included")
    warmup_min_ratio: float = number(
        "a", "", "where the warmup starts, as a share", default=0.0, ge=0, span=(0.01, 0.5)
    )
    warmup_num_steps: int = count("length of the warmup; at least 2 are made", 1000, least=0)
    cos_min_ratio: float = number("b", "", "the end, as a share", default=0.0001, ge=0, span=(0.01, 0.5))
    warmup_type: str = text("the curve of the warmup; any other word means log", _WARMUPS, default="log")
    lr: float = base_rate()

    @property
    def horizon(self) -> int | None:
        return self.total_num_steps

    def meaning(self) -> Schedule:
        steps = max(2, self.warmup_num_steps)
        cosine = Cosine(1.0, self.cos_min_ratio, max(1, self.total_num_steps - steps))
        warmup = _warmup(self.warmup_type, self.warmup_min_ratio, 1.0, steps)
        return self.lr * (Constant(0.0, 1) >> warmup >> cosine.skip(1) >> Constant(self.cos_min_ratio, 1))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _two_at_least(self.warmup_num_steps)
        yield from _unknown_curve(self.warmup_type)
        if run and self.warmup_min_ratio * self.lr > 0:
            evidence = {"rate at 0": 0.0, "warmup start": self.warmup_min_ratio * self.lr}
            yield Finding("first update does nothing", "warning", evidence, "Update 0 runs at a rate of 0.")
        elif run > 1:
            yield from quirks.late(self, run)
        if run > max(2, self.warmup_num_steps):
            yield from quirks.misses_peak(self, self.lr, run, 'Use warmup_type "log", which reaches it.')
        yield from _drops(self, self.total_num_steps, self.warmup_num_steps, run)


def _two_at_least(steps: int) -> Iterator[Finding]:
    if steps < 2:
        evidence = {"warmup_num_steps": steps, "used": 2}
        yield Finding("warmup forced to 2 updates", "note", evidence, "DeepSpeed warms up for 2 updates at least.")


def _unknown_curve(kind: str) -> Iterator[Finding]:
    if kind not in _WARMUPS:
        advice = f"DeepSpeed takes {shorten(kind)} for 'log'; say {' or '.join(map(repr, _WARMUPS))}."
        yield Finding("unknown warmup_type", "warning", {"known": len(_WARMUPS)}, advice)


def _drops(schedule: Schedule, total: int, warmup: int, run: int) -> Iterator[Finding]:
    """The warmup is as long as the whole, so there is nothing to come down over."""
    steps = max(2, warmup)
    if total <= steps and run > steps + 1:
        before, after = float(schedule(steps)), float(schedule(steps + 1))
        evidence = {
            "total_num_steps": total,
            "warmup": steps,
            f"rate at {steps}": before,
            f"rate at {steps + 1}": after,
        }
        yield Finding("warmup longer than the whole", "warning", evidence, "The rate drops at once; raise the total.")


# --- reading

KINDS: dict[str, type[Dialect]] = {
    cls.__name__: cls for cls in (LRRangeTest, OneCycle, WarmupLR, WarmupDecayLR, WarmupCosineLR)
}
_CONFIG_KEYS = {"train_micro_batch_size_per_gpu", "zero_optimization"}
"""What only a DeepSpeed config has; the other counts of a batch are in training arguments too."""

_FOREIGN_KEYS = {"lr_scheduler_type", "learning_rate"}
"""What training arguments have, which may hold keys of DeepSpeed as well."""

_REQUIRED_RATE = {"WarmupLR", "WarmupCosineLR"}


def read_mapping(data: Mapping[str, Any], **hints: Any) -> Reading | None:
    """A whole DeepSpeed config or its `scheduler` section; None when it is neither.

    Hints: `lr` where the optimizer section does not say the rate, any argument whose value is "auto" by its name (or
    `updates` for `total_num_steps`), and `update`, the number of updates that have been made.

    >>> read_mapping({"scheduler": {"type": "WarmupLR", "params": {"warmup_max_lr": 1e-3}}}).schedule
    deepspeed.WarmupLR(warmup_max_lr=0.001)
    """
    section = _section(data)
    if section is None:
        return None
    name, params = section
    kind = _kind(name)
    settled = {key: _settled(f"scheduler.params.{key}", key, value, hints) for key, value in params.items()}
    only(hints, name, ("lr", "update", "updates", *kind.kinds))
    return _reading(kind, settled, _optimizer_rate(data, hints), reached(hints.get("update", 0)))


def _kind(name: Any) -> type[Dialect]:
    """What a type names: one of DeepSpeed's schedulers, else one of torch's, which it steps as torch does."""
    if name in KINDS:
        return KINDS[name]
    importlib.import_module(f"{__package__}.torch")
    if f"torch.{name}" in DIALECTS:
        return DIALECTS[f"torch.{name}"]
    raise UsageError(f"{unknown('scheduler.type', name, list(KINDS))}; schedulers of torch are read as well")


def _section(data: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]] | None:
    """The scheduler's type and params; None for what is no config of DeepSpeed."""
    if _FOREIGN_KEYS & set(data):
        return None
    section = data.get("scheduler")
    if section is None and data.get("type") in KINDS:
        section = data
    if not isinstance(section, Mapping) or not isinstance(section.get("type"), str):
        if _CONFIG_KEYS & set(data):
            raise UsageError('this DeepSpeed config has no "scheduler" section with a "type": its rate is constant')
        return None
    params = section.get("params", {})
    if not isinstance(params, Mapping):
        raise UsageError(f"scheduler.params must be an object, got {shorten(params)}")
    return section["type"], params


def _settled(place: str, key: str, value: Any, hints: Mapping[str, Any]) -> Any:
    """A value, or the hint that replaces "auto"."""
    if key in hints:
        return hints[key]
    if isinstance(value, str) and value == "auto":
        for other, hint in (("warmup_max_lr", "lr"), ("total_num_steps", "updates")):
            if key == other and hint in hints:
                return hints[hint]
        if key == "warmup_min_lr":  # what the Trainer of Transformers fills in
            return 0.0
        raise UsageError(f'{place} is "auto", which the Trainer fills in when it starts; say it: {key}=...')
    return value


def _optimizer_rate(data: Mapping[str, Any], hints: Mapping[str, Any]) -> float | str | None:
    if "lr" in hints:
        return float(hints["lr"])
    optimizer = data.get("optimizer")
    params = optimizer.get("params", {}) if isinstance(optimizer, Mapping) else {}
    rate = params.get("lr") if isinstance(params, Mapping) else None
    if isinstance(rate, (int, float)) and not isinstance(rate, bool):
        return float(rate)
    if rate is None or rate == "auto":
        return rate
    raise UsageError(f"optimizer.params.lr must be a number (rate), got {shorten(rate)}")


def _reading(kind: type[Dialect], params: dict[str, Any], rate: float | str | None, update: int) -> Reading:
    """One schedule, or one per param group where an argument is a list."""
    name = kind.__name__
    wants = "lr" in kind.kinds and not (name == "WarmupLR" and params.get("warmup_max_lr") is not None)
    if wants and not isinstance(rate, float):
        why = 'is "auto"' if rate == "auto" else "is missing"
        raise UsageError(f"{name} scales the optimizer's rate, and optimizer.params.lr {why}; say it: lr=...")
    if wants:
        params = params | {"lr": rate}
    params.pop("last_batch_iteration", None)
    if name not in KINDS:
        return Reading(_made(kind, params, 0), update)
    groups = {len(value) for value in params.values() if isinstance(value, (list, tuple))}
    if len(groups) > 1:
        raise UsageError(f"the lists in scheduler.params have one entry per param group, got lengths {sorted(groups)}")
    per_group = [_made(kind, params, index) for index in range(groups.pop() if groups else 1)]
    return _grouped(per_group, update)


def _grouped(schedules: Sequence[Dialect], update: int) -> Reading:
    same = all(schedule == schedules[0] for schedule in schedules)
    settings: dict[str, Any] = {}
    momenta = [schedule.momentum for schedule in schedules if isinstance(schedule, OneCycle)]
    if momenta and momenta[0] is not None:
        equal = all(momentum == momenta[0] for momentum in momenta)
        settings["beta1"] = momenta[0] if equal else dict(enumerate(momenta))
    return Reading(schedules[0] if same else dict(enumerate(schedules)), update, settings)


def _made(kind: type[Dialect], params: Mapping[str, Any], group: int) -> Dialect:
    if kind.__name__ in KINDS:
        params = {key: value[group] if isinstance(value, (list, tuple)) else value for key, value in params.items()}
    try:
        return kind(**params)
    except ParameterError as error:
        raise UsageError(f"scheduler.params: {error}") from None


_ATTRIBUTES: dict[str, dict[str, str]] = {
    "LRRangeTest": {
        "lr_range_test_min_lr": "min_lr",
        "lr_range_test_step_size": "step_size",
        "lr_range_test_step_rate": "step_rate",
        "lr_range_test_staircase": "staircase",
    },
    "OneCycle": {
        "cycle_min_lr": "min_lrs",
        "cycle_max_lr": "max_lrs",
        "decay_lr_rate": "decay_lr_rate",
        "cycle_first_step_size": "first_step_size",
        "cycle_second_step_size": "second_step_size",
        "cycle_first_stair_count": "first_stair_count",
        "cycle_second_stair_count": "second_stair_count",
        "decay_step_size": "decay_step_size",
        "cycle_momentum": "cycle_momentum",
    },
    "WarmupLR": {
        "warmup_min_lr": "min_lrs",
        "warmup_max_lr": "max_lrs",
        "warmup_num_steps": "warmup_num_steps",
        "warmup_type": "warmup_type",
    },
    "WarmupCosineLR": {
        "total_num_steps": "total_num_steps",
        "warmup_min_ratio": "warmup_min_ratio",
        "warmup_num_steps": "warmup_num_steps",
        "cos_min_ratio": "cos_min_ratio",
        "warmup_type": "warmup_type",
        "lr": "org_lrs",
    },
}
_ATTRIBUTES["WarmupDecayLR"] = {"total_num_steps": "total_num_steps"} | _ATTRIBUTES["WarmupLR"]
"""Where a live scheduler keeps each argument."""


def read_object(obj: Any, **hints: Any) -> Reading:
    """A live scheduler of `deepspeed.runtime.lr_schedules`; its update is `last_batch_iteration` + 1."""
    name = next((cls.__name__ for cls in type(obj).__mro__ if cls.__name__ in KINDS), None)
    if name is None:
        raise UsageError(f"{shorten(obj)} is not a DeepSpeed scheduler; known: {', '.join(KINDS)}")
    only(hints, f"a live {name}", ())
    params = {key: getattr(obj, attribute) for key, attribute in _ATTRIBUTES[name].items()}
    if name == "OneCycle" and obj.cycle_momentum:
        params["cycle_min_mom"] = [moment for moment, _ in obj.min_moms]
        params["cycle_max_mom"] = [moment for moment, _ in obj.max_moms]
        params["decay_mom_rate"] = obj.decay_mom_rate
    sizes = {len(value) for value in params.values() if isinstance(value, (list, tuple))}
    groups = [_made(KINDS[name], params, index) for index in range(max(sizes, default=1))]
    return _grouped(groups, max(int(obj.last_batch_iteration) + 1, 0))


# --- writing


def proposals(schedule: Schedule) -> Iterator[Dialect]:
    """What its values suggest: its lowest and highest rate, and where the highest is reached."""
    if isinstance(schedule, Dialect) and type(schedule).__name__ in KINDS:
        yield schedule
    end = 4096 if schedule.length == FOREVER else int(min(schedule.length, 1_000_000))
    values = schedule(np.arange(end + 3))
    low, peak, last = float(values[0]), float(values.max()), float(values[-1])
    top = int(values.argmax())
    if min(low, last) < 0:
        return
    for steps in sorted({max(top - 1, 1), top, max(top - 2, 1)} - {0}):
        for kind in _WARMUPS:
            if schedule.length == FOREVER or last == peak:
                yield WarmupLR(low, peak, steps, kind)
            for total in (end - 1, end, end - 2):
                if total >= 1:
                    yield WarmupDecayLR(total, low, peak, steps, kind)
            yield from _cosines(end, steps, kind, low, last, peak, float(values[1]))
    if 0 < top < end:
        yield OneCycle(low, peak, 0.0, top, end - top, cycle_momentum=False)
    if low > 0 and schedule.length == FOREVER:
        yield LRRangeTest(low, 1, float(values[1]) / low - 1)


def _cosines(
    end: int, steps: int, kind: str, low: float, last: float, peak: float, second: float
) -> Iterator[WarmupCosineLR]:
    if low or peak <= 0:
        return
    for total in (end, end - 1):
        if total >= 1:
            yield WarmupCosineLR(total, second / peak, steps, last / peak, kind, peak)


def build(dialect: Dialect, **context: Any) -> dict[str, Any]:
    """The part of a DeepSpeed config that says this schedule: its `scheduler` section, and the rate that it scales."""
    name = type(dialect).__name__
    if name not in KINDS:
        raise UsageError(f"{dialect.full_name()} is not a scheduler of DeepSpeed; known: {', '.join(KINDS)}")
    params = {key: value for key, value in dialect.parameters().items() if key != "lr" and value is not None}
    section: dict[str, Any] = {"scheduler": {"type": name, "params": params}}
    if name in _REQUIRED_RATE and "warmup_max_lr" not in params:
        section["optimizer"] = {"params": {"lr": dialect.parameters()["lr"]}}
    return section


def source(dialect: Dialect, **context: Any) -> str:
    """The same as JSON text, to be merged into a DeepSpeed config."""
    return json.dumps(build(dialect, **context), indent=2)


def _lacking(schedule: Schedule) -> str:
    return (
        f"a DeepSpeed config cannot say {shorten(schedule, 200)}: its schedulers are {', '.join(KINDS)}, all but "
        "LRRangeTest and OneCycle one update late, and it has no place for a curve of your own; "
        'write(schedule, to="torch") and pass that to deepspeed.initialize(lr_scheduler=...)'
    )


def hook(schedule: Schedule, **context: Any) -> NoReturn:
    """There is none: the JSON holds no functions."""
    raise UsageError(_lacking(schedule))


def hook_source(schedule: Schedule, **context: Any) -> NoReturn:
    """There is none: the JSON holds no functions."""
    raise UsageError(_lacking(schedule))


__all__ = ["LRRangeTest", "OneCycle", "WarmupCosineLR", "WarmupDecayLR", "WarmupLR"]
