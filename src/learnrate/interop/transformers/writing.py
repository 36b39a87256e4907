"""Schedules as what get_scheduler returns, or as training arguments; else as LambdaLR with a schedule inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...clock import FOREVER
from ...errors import LearnrateError, ParameterError, UsageError
from ...schedule import Chain, Cut, Fitted, Mirrored, Repeated, Schedule
from ...schedules import Constant, Cosine, InverseSqrt, Linear, Polynomial, PowerDecay
from ...spec import shorten
from ..dialect import Dialect
from ..simplifying import simplified
from ..writing import library
from .schedules import SCHEDULES, get_scheduler

NAMES = {cls: name for name, cls in SCHEDULES.items()}

DIVIDES = ("polynomial", "cosine_with_min_lr", "cosine_warmup_with_min_lr")
"""The names that read the optimizer's default rate."""


def named(dialect: Any) -> dict[str, Any]:
    """The arguments of get_scheduler for any of the functions; what is at its default is left out."""
    if isinstance(dialect, get_scheduler):
        given = {key: value for key, value in dialect.parameters().items() if key != "lr" and value is not None}
        return given | ({"scheduler_specific_kwargs": options} if (options := _plain(dialect)) else {})
    defaults = dialect._defaults
    given = {key: value for key, value in dialect.parameters().items() if key != "lr"}
    steps = {key: given.pop(key) for key in ("num_warmup_steps", "num_training_steps") if key in given}
    options = {key: value for key, value in given.items() if key not in defaults or value != defaults[key]}
    steps = {key: value for key, value in steps.items() if value is not None}
    return {"name": NAMES[type(dialect)]} | steps | ({"scheduler_specific_kwargs": options} if options else {})


def _plain(dialect: Any) -> dict[str, Any]:
    return dict(dialect.scheduler_specific_kwargs or {})


def training_arguments(dialect: Any) -> dict[str, Any]:
    """The fields of TrainingArguments that make a Trainer use this schedule."""
    given = named(dialect)
    fields = {"learning_rate": dialect.lr, "lr_scheduler_type": given["name"]}
    fields["warmup_steps"] = given.get("num_warmup_steps", 0)
    if "num_training_steps" in given:
        fields["max_steps"] = given["num_training_steps"]
    return fields | {"lr_scheduler_kwargs": given.get("scheduler_specific_kwargs", {})}


def build(dialect: Dialect, *, optimizer: Any = None, config: bool = False, **context: Any) -> Any:
    """The scheduler that get_scheduler returns for an optimizer, or with `config=True` fields of TrainingArguments.

    The base rate is the dialect's `lr`: it becomes that of every group and the optimizer's default, by which
    transformers divides `min_lr` and `lr_end`.
    """
    if config:
        return training_arguments(dialect)
    groups = getattr(optimizer, "param_groups", None)
    if not isinstance(groups, list):
        got = "none" if optimizer is None else shorten(optimizer)
        raise UsageError(
            "transformers' schedulers live on an optimizer: write(schedule, to='transformers', optimizer=...), "
            f"got {got}; config=True gives the fields of TrainingArguments instead, code=True source to paste"
        )
    home = library("transformers.optimization")
    rate = dialect.parameters()["lr"]
    for group in groups:
        group["lr"] = group["initial_lr"] = rate
    optimizer.defaults["lr"] = rate
    try:
        return home.get_scheduler(optimizer=optimizer, **named(dialect))
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise ParameterError(f"transformers refuses {shorten(dialect, 200)}: {error}") from error


_SOURCE = '''from transformers import get_scheduler


def scheduler(optimizer):
    """The rate is the schedule's, whatever lr the optimizer was built with; step after every optimizer.step()."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] = {rate!r}
{default}    return get_scheduler({arguments})
'''

_DEFAULT = """    optimizer.defaults["lr"] = {rate!r}  # what transformers divides the floor by
"""

_CONFIG = """from transformers import TrainingArguments


def arguments(output_dir, **others):
    return TrainingArguments(output_dir, {fields}, **others)
"""


def source(dialect: Dialect, *, config: bool = False, **context: Any) -> str:
    """Source that makes the same and needs transformers alone: `scheduler(optimizer)`, or `arguments(output_dir)`."""
    if config:
        fields = training_arguments(dialect)
        return _CONFIG.format(fields=", ".join(f"{name}={value!r}" for name, value in fields.items()))
    given = named(dialect)
    name, rate = given.pop("name"), dialect.parameters()["lr"]
    rest = [f"{key}={value!r}" for key, value in given.items()]
    default = _DEFAULT.format(rate=rate) if name in DIVIDES else ""
    return _SOURCE.format(rate=rate, default=default, arguments=", ".join([repr(name), "optimizer", *rest]))


def _no_config(context: Mapping[str, Any]) -> None:
    if context.get("config"):
        raise UsageError(
            "TrainingArguments only name a schedule (lr_scheduler_type) and give its arguments; they cannot hold any "
            "other. Build the scheduler on an optimizer (optimizer=...) and pass both: Trainer(optimizers=(optimizer, "
            "scheduler))"
        )


def hook(schedule: Schedule, **context: Any) -> Any:
    """A LambdaLR that carries the schedule: what `Trainer(optimizers=(optimizer, scheduler))` takes."""
    _no_config(context)
    from ..torch.writing import hook as torch_hook

    return torch_hook(schedule, **context)


def hook_source(schedule: Schedule, **context: Any) -> str:
    """The same as source: the formula as a function, and `scheduler(optimizer)` that hands it to LambdaLR."""
    _no_config(context)
    from ..torch.writing import hook_source as torch_source

    return torch_source(schedule, **context)


# -- which names might give a schedule


def proposals(schedule: Schedule) -> Iterator[Dialect]:
    """What get_scheduler might be asked for this schedule, plain names first; most of them will not give it."""
    first, *rest = parts = _parts(simplified(schedule))
    if type(first) is Linear and first.start == 0:
        yield from _decays(tuple(rest) or (Constant(first.end),), int(first.length), first.end)
    yield from _decays(parts, 0, None)
    yield from _early(parts)
    yield from _stable(parts)


def _parts(schedule: Any) -> tuple[Any, ...]:
    """The parts of a chain; what is cut short is taken for what it is made of, to be compared all the same."""
    while isinstance(schedule, Cut):
        schedule = schedule.body
    if not isinstance(schedule, Chain):
        return (schedule,)
    *before, last = schedule.parts
    return (*before, *_parts(last))


def _attempt(name: str, warmup: int | None, total: int | None, lr: float, **options: Any) -> Iterator[Dialect]:
    try:
        yield get_scheduler(name, warmup, total, options or None, lr)
    except LearnrateError:
        return


def _decays(parts: tuple[Any, ...], warmup: int, peak: float | None) -> Iterator[Dialect]:
    """For what comes after a warmup from 0, which ends at `peak`."""
    body, *after = parts
    while isinstance(body, Cut):
        body = body.body
    if after and not (len(after) == 1 and isinstance(after[0], Constant)):
        return
    if isinstance(body, Constant) and not after:
        if not warmup:
            yield from _attempt("constant", None, None, body.value)
        yield from _attempt("constant_with_warmup", warmup, None, body.value)
    rule = _RULES.get(type(body))
    if rule is not None:
        yield from rule(body, warmup)


def _linear(body: Any, warmup: int) -> Iterator[Dialect]:
    total = warmup + int(body.length)
    if body.end == 0:
        yield from _attempt("linear", warmup, total, body.start)
    yield from _attempt("polynomial", warmup, total, body.start, lr_end=body.end)


def _polynomial(body: Any, warmup: int) -> Iterator[Dialect]:
    if body.k == 1:
        total = warmup + int(body.length)
        yield from _attempt("polynomial", warmup, total, body.start, lr_end=body.end, power=body.power)


def _cosine(body: Any, warmup: int) -> Iterator[Dialect]:
    """A cosine that holds its end is `cosine_with_restarts` with one cycle; `cosine` is the same within the run."""
    if body.power != 1 or body.k != 1:
        return
    total = warmup + int(body.length)
    if body.end == 0:
        yield from _attempt("cosine", warmup, total, body.start)
        yield from _attempt("cosine_with_restarts", warmup, total, body.start, num_cycles=1)
    yield from _attempt("cosine_with_min_lr", warmup, total, body.start, min_lr=body.end)


def _repeated(body: Any, warmup: int) -> Iterator[Dialect]:
    inner = body.body
    if isinstance(inner, Mirrored) and isinstance(inner.body, Cosine):
        yield from _cosine(inner.body, warmup)
    elif isinstance(inner, Cosine) and body.times is not None and inner.end == 0:
        total = warmup + int(body.length)
        yield from _attempt("cosine_with_restarts", warmup, total, inner.start, num_cycles=body.times)


def _fitted(body: Any, warmup: int) -> Iterator[Dialect]:
    inner = body.body
    if isinstance(inner, Repeated) and isinstance(inner.body, Cosine) and inner.times is not None:
        total = warmup + int(body.length)
        yield from _attempt("cosine_with_restarts", warmup, total, inner.body.start, num_cycles=inner.times)


def _inverse(body: Any, warmup: int) -> Iterator[Dialect]:
    if body.timescale == warmup:
        yield from _attempt("inverse_sqrt", warmup, None, body.start)
    yield from _attempt("inverse_sqrt", warmup, None, body.start, timescale=body.timescale)


_RULES: dict[type[Schedule], Callable[[Any, int], Iterator[Dialect]]] = {
    Linear: _linear,
    Polynomial: _polynomial,
    Cosine: _cosine,
    Repeated: _repeated,
    Fitted: _fitted,
    InverseSqrt: _inverse,
}


def _early(parts: tuple[Any, ...]) -> Iterator[Dialect]:
    """`cosine_warmup_with_min_lr`: a line to the peak at update W - 1, where the cosine begins."""
    if len(parts) != 2 or type(parts[0]) is not Linear or parts[0].end <= 0:
        return
    line, wave = parts
    if isinstance(wave, Repeated) and isinstance(wave.body, Mirrored):
        wave = wave.body.body
    if not isinstance(wave, Cosine) or wave.power != 1 or wave.k != 1:
        return
    warmup = int(line.length) + 1
    total, name = warmup + int(wave.length), "cosine_warmup_with_min_lr"
    yield from _attempt(name, warmup, total, line.end, min_lr=wave.end)
    yield from _attempt(name, warmup, total, line.end, min_lr=wave.end, warmup_lr_rate=line.start / line.end)


_CURVES: dict[type, str] = {Linear: "linear", Cosine: "cosine", PowerDecay: "1-sqrt", Polynomial: "1-sqrt"}


def _stable(parts: tuple[Any, ...]) -> Iterator[Dialect]:
    """`warmup_stable_decay`: a warmup from the floor, a stable phase, a decay to the floor; each may be left out."""
    left = list(parts)
    rise = left.pop(0) if hasattr(left[0], "end") and left[0].end > left[0].start and len(left) > 1 else None
    stable = left.pop(0) if isinstance(left[0], Constant) and left[0].length != FOREVER and len(left) > 1 else None
    decay = left.pop(0)
    if type(decay) not in _CURVES or (rise is not None and type(rise) not in _CURVES) or decay.start <= 0:
        return
    warmup, plateau, n = (0 if part is None else int(part.length) for part in (rise, stable, decay))
    yield from _attempt(
        "warmup_stable_decay",
        warmup,
        warmup + plateau + n,
        decay.start,
        num_decay_steps=n,
        decay_type=_CURVES[type(decay)],
        min_lr_ratio=decay.end / decay.start,
        **({"warmup_type": _CURVES[type(rise)]} if rise is not None and type(rise) is not Linear else {}),
    )


__all__ = ["build", "hook", "hook_source", "proposals", "source", "training_arguments"]
