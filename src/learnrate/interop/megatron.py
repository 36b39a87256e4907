"""Megatron: its scheduler of the rate and the weight decay, counted in samples, and the arguments that describe it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from ..clock import FOREVER
from ..errors import ParameterError, UsageError
from ..findings import Finding
from ..schedule import Schedule
from ..schedules import Constant, Cosine, Linear, PowerDecay
from ..spec import Choice, choice, declare, flag, number, shorten
from . import quirks
from .conventions import Conventions
from .dialect import Curve, Dialect
from .fields import LARGEST, count
from .hints import only
from .reading import Reading
from .units import Counted, after, ceiling

STYLES = ("constant", "linear", "cosine", "inverse-square-root", "WSD")
ANNEALS = ("linear", "cosine", "exponential", "minus_sqrt")
INCREASES = ("constant", "linear", "cosine")


_SHAPES = {"inverse-square-root": "inverse square root", "WSD": "warmup-stable-decay"}
"""Our words for the styles that have another one."""


@dataclasses.dataclass(eq=False, repr=False)
class _Anneal(Choice):
    """One of the curves, or none, which is None; empty text is none too."""

    def read(self, value: Any) -> Any:
        return None if value is None or (isinstance(value, str) and not value) else super().read(value)


class _InverseSqrt(Curve):
    """The peak times sqrt(warmup / samples), from one sample on."""

    peak: float = number("a", "rate", "the rate where samples equal the warmup")
    warmup: float = number("W", "samples", "where it is the peak", ge=1)
    per: float = number("q", "samples per update", "how many samples an update takes", gt=0)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.peak * xp.sqrt(self.warmup / xp.maximum(t * self.per, 1.0))


class _Halving(Curve):
    """2 * 0.5**u - 1, from `start` to `end` over one update."""

    start: float = number("a", "rate", "value at u = 0")
    end: float = number("b", "rate", "value at u = 1")

    def formula(self, t: Any, xp: Any) -> Any:
        w = 2 * 0.5 ** xp.minimum(t, 1.0) - 1
        return self.start * w + self.end * (1 - w)


class OptimizerParamScheduler(Dialect):
    """Megatron's scheduler: a linear warmup, then one of five styles, counted in samples; past its end the lowest rate.

    Every update adds `increment` samples (the global batch size); left at 1, the lengths are updates. `lr_decay_steps`
    includes the warmup. WSD is anchored to the end: its last `wsd_decay_steps` samples anneal. `weight_decay` is what
    it writes into the optimizer next to the rate.

    >>> scheduler = OptimizerParamScheduler(
    ...     0.0, 1.0, 0.1, 2, 10, "WSD", 0.0, 0.1, 10, "linear", wsd_decay_steps=4, lr_wsd_decay_style="exponential"
    ... )
    >>> scheduler([0, 1, 5, 6, 7, 9, 10, 11]).round(4)
    array([0.    , 0.5   , 1.    , 1.    , 0.7136, 0.2703, 0.1   , 0.1   ])
    >>> scheduler.weight_decay([0, 5, 10, 20])
    array([0.  , 0.05, 0.1 , 0.1 ])
    """

    conventions = Conventions("as given", "t/W", "t > b", "whole", "rate", "holds")
    init_lr: float = number("a", "rate", "where the warmup starts", ge=0, span=(1e-4, 1e-2))
    max_lr: float = number("\\eta", "rate", "the rate after the warmup", ge=0, span=(0.1, 1.0))
    min_lr: float = number("b", "rate", "the lowest rate", ge=0, span=(1e-3, 0.1))
    lr_warmup_steps: float = number("W", "samples", "length of the warmup", ge=0, le=LARGEST, span=(1, 10))
    lr_decay_steps: float = number("T", "samples", "the end, warmup included", gt=0, le=LARGEST, span=(11, 40))
    lr_decay_style: str = choice("", "the curve after the warmup", STYLES)
    start_wd: float = number("w", "", "the first weight decay", ge=0, span=(1e-3, 1e-2))
    end_wd: float = number("v", "", "the last weight decay", ge=0, span=(1e-2, 0.1))
    wd_incr_steps: float = number("I", "samples", "how long the weight decay changes", ge=0, le=LARGEST, span=(1, 40))
    wd_incr_style: str = choice("", "how the weight decay changes", INCREASES)
    use_checkpoint_opt_param_scheduler: bool = flag("", "which of two values is loaded; changes no rate", default=True)
    override_opt_param_scheduler: bool = flag("", "which of two values is loaded; changes no rate", default=False)
    wsd_decay_steps: float | None = number(
        "A", "samples", "length of the annealing of WSD", default=None, ge=0, le=LARGEST, span=(1, 20)
    )
    lr_wsd_decay_style: str | None = declare(_Anneal("", "", "the curve of the annealing of WSD", ANNEALS), None)
    increment: int = count("samples per update", 1, least=1, span=(1, 4))

    def check(self) -> None:
        name = "OptimizerParamScheduler"
        if not self.init_lr <= self.max_lr:
            raise ParameterError(f"{name}.init_lr must be <= max_lr of {self.max_lr} rate, got {self.init_lr}")
        if not self.min_lr <= self.max_lr:
            raise ParameterError(f"{name}.min_lr must be <= max_lr of {self.max_lr} rate, got {self.min_lr}")
        if not self.lr_warmup_steps < self.lr_decay_steps:
            raise ParameterError(
                f"{name}.lr_warmup_steps must be < lr_decay_steps of {self.lr_decay_steps:g} samples, which include "
                f"the warmup, got {self.lr_warmup_steps:g}"
            )
        if not self.start_wd <= self.end_wd:
            raise ParameterError(f"{name}.end_wd must be >= start_wd of {self.start_wd}, got {self.end_wd}")
        if self.wd_incr_style == "constant" and self.start_wd != self.end_wd:
            raise ParameterError(
                f"{name}.wd_incr_style 'constant' needs end_wd equal to start_wd of {self.start_wd}, got "
                f"{self.end_wd}; use 'linear' or 'cosine'"
            )
        if self.wd_incr_style != "constant" and not self.wd_incr_steps:
            raise ParameterError(f"{name}.wd_incr_steps must be > 0 samples with style {self.wd_incr_style!r}, got 0")
        if self.override_opt_param_scheduler and self.use_checkpoint_opt_param_scheduler:
            raise ParameterError(
                f"{name}.override_opt_param_scheduler needs use_checkpoint_opt_param_scheduler=False; got both"
            )
        if self.lr_decay_style == "WSD":
            self._check_anneal(name)
        style = self.lr_decay_style
        jumps = style == "inverse-square-root" or (style == "WSD" and not self.wsd_decay_steps)
        self._differs(shape=_SHAPES.get(style, style), past="jumps" if jumps else "holds")

    def _check_anneal(self, name: str) -> None:
        if self.wsd_decay_steps is None:
            raise ParameterError(f"{name}.wsd_decay_steps must be given (samples) with lr_decay_style 'WSD', got None")
        if not self.lr_wsd_decay_style and self.wsd_decay_steps:
            raise ParameterError(
                f"{name}.lr_wsd_decay_style must be one of {', '.join(ANNEALS)} with lr_decay_style 'WSD', got none"
            )

    @property
    def horizon(self) -> int | None:
        return ceiling(self.lr_decay_steps, self.increment)

    @property
    def _decay(self) -> Schedule:
        """The curve after the warmup, at the update of the run."""
        high, low, per = self.max_lr, self.min_lr, float(self.increment)
        style = self.lr_decay_style
        if style == "inverse-square-root":
            return _InverseSqrt(high, max(self.lr_warmup_steps, 1.0), per).clip(low)
        if style != "WSD":
            shape = {"linear": Linear, "cosine": Cosine}[style](high, low, 1)
            return Counted(shape, per, self.lr_warmup_steps, self.lr_decay_steps - self.lr_warmup_steps)
        if not self.wsd_decay_steps:
            return Constant(high)
        anneals: dict[str, Schedule] = {
            "linear": Linear(high, low, 1),
            "cosine": Cosine(high, low, 1),
            "exponential": _Halving(high, low),
            "minus_sqrt": PowerDecay(high, low, 1),
        }
        start = self.lr_decay_steps - self.wsd_decay_steps
        return Counted(anneals[str(self.lr_wsd_decay_style)], per, start, self.wsd_decay_steps)

    def meaning(self) -> Schedule:
        per = float(self.increment)
        warmed = after(self.lr_warmup_steps, per) if self.lr_warmup_steps else 0
        climb = Counted(Linear(self.init_lr, self.max_lr, 1), per, 0.0, self.lr_warmup_steps or 1.0).cut(warmed)
        if self.lr_decay_style == "constant":
            return climb >> Constant(self.max_lr)
        end = min(after(self.lr_decay_steps, per), LARGEST)
        lowest = Constant(self.min_lr)
        down = self._decay.skip(warmed).cut(max(end - warmed, 0))
        whole = climb >> down >> lowest
        jumps = self.lr_decay_style == "inverse-square-root" or self.wsd_decay_steps == 0
        return whole.cut(end if jumps else min(ceiling(self.lr_decay_steps, per), LARGEST))

    @property
    def weight_decay(self) -> Schedule:
        """The weight decay at every update."""
        if self.wd_incr_style == "constant":
            return Constant(self.end_wd)
        shape = {"linear": Linear, "cosine": Cosine}[self.wd_incr_style](self.start_wd, self.end_wd, 1)
        grown = Counted(shape, float(self.increment), 0.0, self.wd_incr_steps)
        return grown.cut(ceiling(self.wd_incr_steps, self.increment))

    def quirks(self, run: int) -> Iterator[Finding]:
        advice = "The warmup or the start of the decay lies between two updates; use multiples of the batch size."
        yield from quirks.misses_peak(self, self.max_lr, run, advice)
        yield from self._jumps(run)
        anneal = self.wsd_decay_steps or 0.0
        if self.lr_decay_style == "WSD" and anneal > self.lr_decay_steps - self.lr_warmup_steps:
            evidence = {"warmup": self.lr_warmup_steps, "annealing": anneal, "end": self.lr_decay_steps}
            advice = "The annealing is counted from the end and begins inside the warmup: the rate jumps down after it."
            yield Finding("no stable part", "warning", evidence, advice)

    def _jumps(self, run: int) -> Iterator[Finding]:
        """What has not come down at the end drops to the lowest rate right after it."""
        end = after(self.lr_decay_steps, self.increment)
        if self.lr_decay_style not in ("inverse-square-root", "WSD") or not 0 < end < run:
            return
        before, then = float(self(end - 1)), float(self(end))
        if before - then > 0.05 * self.max_lr and (self.lr_decay_style != "WSD" or self.wsd_decay_steps == 0):
            evidence = {"update": end, "before": before, "after": then}
            yield Finding("drops past the end", "warning", evidence, "Past lr_decay_steps the rate is min_lr at once.")


# --- reading

_DEFAULTS: dict[str, Any] = {
    "min_lr": 0.0,
    "lr_decay_style": "linear",
    "lr_wsd_decay_style": "exponential",
    "lr_decay_iters": None,
    "lr_decay_samples": None,
    "lr_wsd_decay_iters": None,
    "lr_wsd_decay_samples": None,
    "lr_warmup_fraction": None,
    "lr_warmup_iters": 0,
    "lr_warmup_samples": 0,
    "lr_warmup_init": 0.0,
    "weight_decay": 0.01,
    "start_weight_decay": None,
    "end_weight_decay": None,
    "weight_decay_incr_style": "constant",
    "train_iters": None,
    "train_samples": None,
    "global_batch_size": None,
    "rampup_batch_size": None,
    "step_batch_size_schedule": None,
    "decoupled_lr": None,
    "lr": None,
}
"""The arguments that decide the schedule, as Megatron defaults them."""

_BATCH = ("micro_batch_size", "data_parallel_size")
_OURS = {key for key in _DEFAULTS if key.startswith("lr_")} - {"lr_decay_samples"} | {"train_samples"}
_STATE = {"max_lr", "min_lr", "lr_warmup_steps", "num_steps", "lr_decay_style", "lr_decay_steps"}


def read_mapping(data: Mapping[str, Any], **hints: Any) -> Reading | None:
    """Megatron's arguments (`vars(args)`, or the flags as keys), or a saved state of its scheduler; else None.

    Hints: any of the arguments by its name (`global_batch_size=...`), and `update`, the number of updates that have
    been made. A state lacks `init_lr`, `wsd_decay_steps` and `lr_wsd_decay_style`, and does not know how many samples
    an update takes (`increment=...`, 1 if left out).

    >>> arguments = {"lr": 1.0, "lr_decay_style": "cosine", "train_iters": 10, "lr_warmup_fraction": 0.2}
    >>> read_mapping(arguments).schedule([0, 1, 2, 6, 10])
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    given = {str(key).lstrip("-").replace("-", "_"): value for key, value in data.items()}
    if set(given) >= _STATE:
        return _read_state(given, hints)
    if not _OURS & set(given) and not {"lr", "train_iters", "global_batch_size"} <= set(given):
        return None
    only(hints, "Megatron", ("update", *_DEFAULTS, *_BATCH))
    arguments = _DEFAULTS | given | hints
    _check_arguments(arguments)
    scheduler = _scheduler_of(arguments)
    return Reading(scheduler, hints.get("update", 0), {"weight_decay": scheduler.weight_decay})


def _refuse(rule: str) -> NoReturn:
    raise UsageError(f"Megatron arguments: {rule}")


def _check_arguments(arguments: Mapping[str, Any]) -> None:
    """What Megatron itself asserts, and what no single schedule says."""
    if arguments["lr"] is None:
        _refuse("lr is missing; say it: lr=...")
    if bool(arguments["train_iters"]) == bool(arguments["train_samples"]):
        _refuse("exactly one of train_iters and train_samples must be given")
    other = "samples" if arguments["train_iters"] else "iters"
    for key in (f"lr_decay_{other}", f"lr_warmup_{other}", f"lr_wsd_decay_{other}"):
        if arguments[key]:
            _refuse(f"{key} does not go with train_{'iters' if arguments['train_iters'] else 'samples'}")
    own = "iters" if arguments["train_iters"] else "samples"
    if arguments["lr_warmup_fraction"] is not None and arguments[f"lr_warmup_{own}"]:
        _refuse(f"only one of lr_warmup_fraction and lr_warmup_{own} may be given")
    for key in ("rampup_batch_size", "step_batch_size_schedule"):
        if arguments[key] is not None:
            _refuse(
                f"{key} changes how many samples an update takes, so that updates have no schedule; read without it"
            )
    if arguments["decoupled_lr"] is not None:
        _refuse(
            "decoupled_lr gives the first and the last layer a schedule of their own; read it as lr, and lr without"
        )
    if arguments["weight_decay_incr_style"] != "constant":
        for key in ("start_weight_decay", "end_weight_decay"):
            if arguments[key] is None:
                _refuse(f"{key} must be given with weight_decay_incr_style {arguments['weight_decay_incr_style']!r}")


def _batch(arguments: Mapping[str, Any]) -> int:
    """The samples per update."""
    if arguments["global_batch_size"] is not None:
        return int(arguments["global_batch_size"])
    parts = [arguments[key] for key in _BATCH if arguments.get(key) is not None]
    if len(parts) == len(_BATCH):
        return int(math.prod(parts))
    if arguments["train_iters"] and arguments["lr_decay_style"] != "inverse-square-root":
        return 1  # every length is a multiple of it: no rate depends on it
    _refuse("global_batch_size is missing; say it: global_batch_size=...")


def _scheduler_of(arguments: Mapping[str, Any]) -> OptimizerParamScheduler:
    """Megatron's own arithmetic, from arguments to samples."""
    batch = _batch(arguments)
    unit, factor = ("iters", batch) if arguments["train_iters"] else ("samples", 1)
    whole = arguments[f"train_{unit}"]
    decay = arguments[f"lr_decay_{unit}"]
    decay = (whole if decay is None else decay) * factor
    anneal, share = arguments[f"lr_wsd_decay_{unit}"], arguments["lr_warmup_fraction"]
    constant = arguments["weight_decay_incr_style"] == "constant"
    try:
        return OptimizerParamScheduler(
            init_lr=arguments["lr_warmup_init"],
            max_lr=arguments["lr"],
            min_lr=arguments["min_lr"],
            lr_warmup_steps=arguments[f"lr_warmup_{unit}"] * factor if share is None else share * decay,
            lr_decay_steps=decay,
            lr_decay_style=arguments["lr_decay_style"],
            start_wd=arguments["weight_decay" if constant else "start_weight_decay"],
            end_wd=arguments["weight_decay" if constant else "end_weight_decay"],
            wd_incr_steps=whole * factor,
            wd_incr_style=arguments["weight_decay_incr_style"],
            wsd_decay_steps=None if anneal is None else anneal * factor,
            lr_wsd_decay_style=arguments["lr_wsd_decay_style"],
            increment=batch,
        )
    except (ParameterError, TypeError) as error:
        raise UsageError(f"Megatron arguments: {error}") from None


_LOADING = ("use_checkpoint_opt_param_scheduler", "override_opt_param_scheduler")
_KEPT = [name for name in OptimizerParamScheduler.kinds if name not in ("increment", *_LOADING)]


def _read_state(state: Mapping[str, Any], hints: Mapping[str, Any]) -> Reading:
    lacking = {"init_lr": 0.0, "wsd_decay_steps": None, "lr_wsd_decay_style": ""}
    only(hints, "Megatron", ("increment", *lacking))
    plain = {"start_wd": 0.0, "end_wd": 0.0, "wd_incr_steps": 0, "wd_incr_style": "constant"}
    values = plain | lacking | dict(state) | dict(hints)
    return _counted({key: values[key] for key in _KEPT}, state["num_steps"], hints)


def _counted(values: dict[str, Any], samples: Any, hints: Mapping[str, Any]) -> Reading:
    increment = int(hints.get("increment", 1))
    scheduler = _checked(values, increment)
    done = Fraction(samples) / increment
    if done.denominator != 1:
        raise UsageError(f"{samples} samples are no whole number of updates of {increment} samples; say increment=...")
    return Reading(scheduler, int(done), {"weight_decay": scheduler.weight_decay})


def _checked(values: Mapping[str, Any], increment: int) -> OptimizerParamScheduler:
    style = values["lr_wsd_decay_style"] or ""
    try:
        return OptimizerParamScheduler(**(dict(values) | {"lr_wsd_decay_style": style, "increment": increment}))
    except ParameterError as error:
        raise UsageError(f"Megatron scheduler: {error}") from None


def read_object(obj: Any, **hints: Any) -> Reading:
    """A live `OptimizerParamScheduler`; groups with a `max_lr`, `min_lr` or `wd_mult` of their own come out as such.

    Hint: `increment`, the samples per update (1 if left out).
    """
    if not all(hasattr(obj, name) for name in _STATE):
        raise UsageError(f"{shorten(obj)} is not a scheduler of Megatron: OptimizerParamScheduler is known")
    only(hints, "Megatron", ("increment",))
    values = {key: getattr(obj, key) for key in _KEPT}
    reading = _counted(values, obj.num_steps, hints)
    increment = int(hints.get("increment", 1))
    rates: dict[int, Schedule] = {}
    decays: dict[int, Schedule] = {}
    for index, group in enumerate(getattr(obj.optimizer, "param_groups", [])):
        own = {key: group[key] for key in ("max_lr", "min_lr", "start_wd", "end_wd") if key in group}
        scheduler = _checked(values | own, increment)
        multiplier = group.get("wd_mult", 1.0)
        rates[index] = scheduler
        decays[index] = scheduler.weight_decay if multiplier == 1 else multiplier * scheduler.weight_decay
    if all(rate == reading.schedule for rate in rates.values()):
        rates = {}
    if all(decay == reading.settings["weight_decay"] for decay in decays.values()):
        decays = {}
    settings = {"weight_decay": decays or reading.settings["weight_decay"]}
    return Reading(rates or reading.schedule, reading.update, settings)


# --- writing


def proposals(schedule: Schedule) -> Iterator[Dialect]:
    """What its values suggest: the first rate, the highest, where that begins and where it ends."""
    if isinstance(schedule, OptimizerParamScheduler):
        yield schedule
    forever = schedule.length == FOREVER
    end = 4096 if forever else int(min(schedule.length, 1_000_000))
    values = schedule(np.arange(end + 2))
    if float(values.min()) < 0:
        return
    peak, low = float(values.max()), float(values[-1])
    if peak > 0:
        high = np.flatnonzero(values >= peak * (1 - 1e-12))
        first, last = int(high[0]), int(high[-1])
    else:
        first, last = 0, end
    if low == peak or (forever and last > first):
        yield _proposed(float(values[0]), peak, min(low, peak), first, max(end, first + 1), "constant")
    if forever:
        yield _proposed(float(values[0]), peak, 0.0, first, LARGEST, "inverse-square-root")
        return
    for style in ("linear", "cosine", "inverse-square-root"):
        if first < end:
            yield _proposed(float(values[0]), peak, low, first, end, style)
    for style in ANNEALS if last < end else ():
        yield _proposed(float(values[0]), peak, low, first, end, "WSD", end - last, style)


def _proposed(
    start: float, peak: float, low: float, warmup: int, end: int, style: str, anneal: int | None = None, curve: str = ""
) -> OptimizerParamScheduler:
    start = start if warmup else 0.0
    return OptimizerParamScheduler(
        start, peak, low, warmup, end, style, 0.0, 0.0, 0, "constant", wsd_decay_steps=anneal, lr_wsd_decay_style=curve
    )


def build(dialect: Dialect, **context: Any) -> dict[str, Any]:
    """Megatron's arguments for this schedule; `updates` says how long the run is, by default as long as the schedule.

    They count updates (`..._iters`) where every length is a whole number of them, and samples otherwise. Weight decay
    is left out where the schedule has none.
    """
    if not isinstance(dialect, OptimizerParamScheduler):
        raise UsageError(f"{dialect.full_name()} is not a scheduler of Megatron: OptimizerParamScheduler is known")
    grows = dialect.wd_incr_style != "constant"
    run = _run(dialect, grows, context)
    lengths = (dialect.lr_warmup_steps, dialect.lr_decay_steps, dialect.wsd_decay_steps or 0.0, run)
    if any(length != math.floor(length) for length in lengths):
        raise UsageError(
            f"Megatron's arguments take whole samples, got {', '.join(f'{length:g}' for length in lengths)}"
        )
    whole = all(length % dialect.increment == 0 for length in lengths)
    unit, factor = ("iters", dialect.increment) if whole else ("samples", 1)
    arguments: dict[str, Any] = {
        "lr": dialect.max_lr,
        "min_lr": dialect.min_lr,
        "lr_decay_style": dialect.lr_decay_style,
        f"train_{unit}": int(run) // factor,
        f"lr_decay_{unit}": int(dialect.lr_decay_steps) // factor,
    }
    if dialect.lr_warmup_steps:
        arguments |= {f"lr_warmup_{unit}": int(dialect.lr_warmup_steps) // factor, "lr_warmup_init": dialect.init_lr}
    if dialect.lr_decay_style == "WSD":
        arguments[f"lr_wsd_decay_{unit}"] = int(dialect.wsd_decay_steps or 0) // factor
        arguments["lr_wsd_decay_style"] = dialect.lr_wsd_decay_style or "linear"
    arguments["global_batch_size"] = dialect.increment
    return arguments | _weight_decay_arguments(dialect, grows)


def _run(dialect: OptimizerParamScheduler, grows: bool, context: Mapping[str, Any]) -> float:
    """The samples of the run, over which Megatron lets the weight decay grow."""
    if grows:
        return dialect.wd_incr_steps
    updates = context.get("updates")
    return dialect.lr_decay_steps if updates is None else float(updates) * dialect.increment


def _weight_decay_arguments(dialect: OptimizerParamScheduler, grows: bool) -> dict[str, Any]:
    if grows:
        return {
            "start_weight_decay": dialect.start_wd,
            "end_weight_decay": dialect.end_wd,
            "weight_decay_incr_style": dialect.wd_incr_style,
        }
    return {"weight_decay": dialect.end_wd} if dialect.end_wd else {}


def source(dialect: Dialect, **context: Any) -> str:
    """The same as flags for the command line."""
    flags = (f"--{key.replace('_', '-')} {value}" for key, value in build(dialect, **context).items())
    return " \\\n".join(flags)


def _lacking(schedule: Schedule) -> str:
    return (
        f"Megatron's arguments cannot say {shorten(schedule, 200)}: after one linear warmup they know the styles "
        f"{', '.join(STYLES)} (annealed by {', '.join(ANNEALS)}), each once, and hold no curve of your own; "
        'write(schedule, to="python") and assign it to param_group["lr"] after opt_param_scheduler.step'
    )


def hook(schedule: Schedule, **context: Any) -> NoReturn:
    """There is none: the arguments hold no functions."""
    raise UsageError(_lacking(schedule))


def hook_source(schedule: Schedule, **context: Any) -> NoReturn:
    """There is none: the arguments hold no functions."""
    raise UsageError(_lacking(schedule))


__all__ = ["OptimizerParamScheduler"]
