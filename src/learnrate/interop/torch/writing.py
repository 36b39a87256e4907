"""Schedules as torch's own schedulers, and as `LambdaLR` with a callable that carries the schedule."""

from __future__ import annotations

from typing import Any

from ...errors import ParameterError, UsageError
from ...notation import parse
from ...schedule import Schedule
from ...spec import REQUIRED, shorten
from ..dialect import Dialect
from ..writing import library, require_printable
from .proposing import proposals

_NESTED = "schedulers"
"""The argument in which torch takes other schedulers of the same optimizer."""

_OURS = ("lr", "updates")
"""Arguments that torch's constructors do not have: the optimizer has the rate, and only a recording needs an end."""


class Hook:
    """What `LambdaLR` calls: the rate of an update, read off the schedule that it carries.

    Everything in `__dict__` is text, since `LambdaLR.state_dict` copies that of callable objects: the state loads with
    `torch.load(weights_only=True)`, and a scheduler that loads it goes on with the schedule in the state. It can be
    pickled, and `learnrate.interop.read` gives back the schedule.

    >>> from learnrate import Linear
    >>> hook = Hook(Linear(0, 1, 10))
    >>> hook(5), vars(hook)
    (0.5, {'text': 'Linear(0.0, 1.0, 10)'})
    """

    __slots__ = ("__dict__", "_known")

    def __init__(self, schedule: Schedule) -> None:
        self.text = str(schedule)
        self._known = (self.text, schedule)

    @property
    def schedule(self) -> Schedule:
        """The schedule; read from the text when a state has changed that."""
        if self._known[0] != self.text:
            self._known = (self.text, parse(self.text))
        return self._known[1]

    def __call__(self, t: int) -> float:
        return float(self.schedule(t))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hook) and self.schedule == other.schedule

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Hook({shorten(self.schedule, 200)})"


def hook(schedule: Schedule, *, optimizer: Any = None, **context: Any) -> Any:
    """A `LambdaLR` that carries the schedule; the rate is the schedule's, whatever rate the optimizer was built with.

    Every group's `initial_lr`, which `LambdaLR` multiplies by, becomes 1.
    """
    lr_scheduler = library("torch.optim.lr_scheduler")
    for group in _groups(optimizer):
        group["initial_lr"] = 1.0
    return lr_scheduler.LambdaLR(optimizer, Hook(schedule))


def hook_source(schedule: Schedule, **context: Any) -> str:
    """The same as source: the formula as a function, and `scheduler(optimizer)` that hands it to `LambdaLR`."""
    require_printable(schedule)
    return schedule.code("torch")


def build(dialect: Dialect, *, optimizer: Any = None, **context: Any) -> Any:
    """Torch's own scheduler, with its children, on an optimizer.

    The base rate is the dialect's `lr`: it becomes `lr` and `initial_lr` of every group, whatever they were before
    (an `initial_lr` that an earlier scheduler left would otherwise win).
    """
    library("torch.optim.lr_scheduler")
    _set_rate(_groups(optimizer), dialect)
    try:
        return _made(dialect, optimizer)
    except (ValueError, ZeroDivisionError) as error:
        raise ParameterError(f"torch refuses {shorten(dialect, 200)}: {error}") from error


def _groups(optimizer: Any) -> list[dict[str, Any]]:
    groups = getattr(optimizer, "param_groups", None)
    if not isinstance(groups, list):
        got = "none" if optimizer is None else shorten(optimizer)
        raise UsageError(
            f"torch's schedulers live on an optimizer: write(schedule, to='torch', optimizer=...), got {got}; "
            "source to paste needs none: code=True"
        )
    return groups


def _set_rate(groups: list[dict[str, Any]], dialect: Dialect) -> None:
    rate = dialect.parameters().get("lr")
    for group in groups:
        start = rate if rate is not None else float(dialect(0))
        if hasattr(group["lr"], "fill_"):  # a tensor keeps its identity
            group["lr"].fill_(start)
        else:
            group["lr"] = start
        group["initial_lr"] = start


def _made(dialect: Dialect, optimizer: Any) -> Any:
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in _arguments(dialect).items()}
    home, _, name = _path(dialect).rpartition(".")
    kind = getattr(library(home), name)
    if _NESTED not in given:
        return kind(optimizer, **given)
    given[_NESTED] = [_made(child, optimizer) for child in given[_NESTED]]
    return kind(optimizer=optimizer, **given)


def _path(dialect: Dialect) -> str:
    name = type(dialect).__name__
    return f"torch.optim.swa_utils.{name}" if name == "SWALR" else f"torch.optim.lr_scheduler.{name}"


def _arguments(dialect: Dialect) -> dict[str, Any]:
    """What torch's constructor is given: all but its defaults, and a length though it is the default."""
    defaults = dialect._defaults
    return {
        name: value
        for name, value in dialect.parameters().items()
        if name not in _OURS
        and (name == "total_iters" or defaults.get(name, REQUIRED) is REQUIRED or value != defaults[name])
    }


_SOURCE = '''import torch


def scheduler(optimizer):
    """The rate is the schedule's, whatever lr the optimizer was built with; step after every optimizer.step()."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] = {rate!r}
    return {made}
'''


def source(dialect: Dialect, **context: Any) -> str:
    """Source that makes torch's own scheduler and needs torch alone: a function `scheduler(optimizer)`."""
    rate = dialect.parameters().get("lr")
    return _SOURCE.format(rate=float(dialect(0)) if rate is None else rate, made=_call(dialect, 4))


def _call(dialect: Dialect, indent: int) -> str:
    given = []
    for name, value in _arguments(dialect).items():
        if name == _NESTED:
            inner = " " * (indent + 8)
            children = "".join(f"{inner}{_call(child, indent + 8)},\n" for child in value)
            given.append(f"{name}=[\n{children}{' ' * (indent + 4)}]")
        elif callable(value):
            raise UsageError(
                f"{shorten(dialect, 200)} holds a function of your own, which cannot be printed; take its values: "
                "Interpolation(range(n), schedule.curve(n))"
            )
        else:
            given.append(f"{name}={list(value) if isinstance(value, tuple) else value!r}")
    first = "optimizer=optimizer" if _NESTED in dialect.kinds else "optimizer"
    if not any("\n" in text for text in given):
        return f"{_path(dialect)}({', '.join([first, *given])})"
    lines = "".join(f"{' ' * (indent + 4)}{text},\n" for text in [first, *given])
    return f"{_path(dialect)}(\n{lines}{' ' * indent})"


__all__ = ["Hook", "build", "hook", "hook_source", "proposals", "source"]
