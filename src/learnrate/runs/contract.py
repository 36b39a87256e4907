"""The task contract: a training loop that yields, and what the runner must know of it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Literal

from ..errors import ParameterError, TaskError, UsageError
from ..policy import Policy
from ..spec import FrozenDict, Number, checked, shorten
from ..trace import plain

Mode = Literal["min", "max"]
Loop = Generator[Mapping[str, Any], Any, Any]
TaskFunction = Callable[..., Loop]

MODES: tuple[Mode, ...] = ("min", "max")
UNITS = {
    "updates_per_epoch": "updates_per_epoch",
    "tokens_per_update": "tokens_per_update",
    "samples_per_update": "samples_per_update",
    "batch_size": "samples_per_update",
}
"""What a task may say about itself that turns epochs, tokens and samples into updates."""

_HIGHER = frozenset(
    {"acc", "accuracy", "auc", "bleu", "f1", "map", "miou", "precision", "r2", "recall", "return", "reward"}
)
RESERVED = ("update", "seconds", "snapshot")
"""What no yield may call a value."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Task:
    """A training loop and what the runner must know of it; made by `task`.

    `updates` is its usual length, `objective` the name of the value that counts and `mode` whether less of it is
    better; `evaluation` is what one evaluation costs, in updates. `meta` goes into every trace, and `packages` are the
    distributions whose versions do. Calling a task starts its loop.
    """

    function: TaskFunction
    name: str
    updates: int
    objective: str
    mode: Mode = "min"
    evaluation: float = 0.0
    packages: tuple[str, ...] = ()
    meta: Mapping[str, Any] = FrozenDict()

    def __post_init__(self) -> None:
        named = {key: getattr(self.function, key, None) for key in functools.WRAPPER_ASSIGNMENTS}
        self.__dict__.update({key: value for key, value in named.items() if value is not None})

    def __call__(self, policy: Policy, seed: int, updates: int | None = None, snapshot: Any = None) -> Loop:
        """The loop itself, for a horizon of `updates`, from the start or from the state in a snapshot."""
        horizon = self.updates if updates is None else updates
        length = (horizon,) if self.takes_updates else ()
        if snapshot is None:
            return self.function(policy, seed, *length)
        self.require_resumable()
        return self.function(policy, seed, *length, snapshot=snapshot)

    @functools.cached_property
    def takes_updates(self) -> bool:
        """Whether the function takes `updates`, so that it learns the horizon."""
        return _takes(self.function, "updates")

    @functools.cached_property
    def resumable(self) -> bool:
        """Whether the function takes `snapshot`, so that its runs can be continued elsewhere, and forked."""
        return _takes(self.function, "snapshot")

    def require_resumable(self) -> None:
        """Say what is missing in a task whose runs cannot be continued."""
        if not self.resumable:
            raise UsageError(
                f"task {self.name!r} makes no snapshots: let it take one, f(policy, seed, updates, snapshot=None), and "
                'answer the request "snapshot" with {"snapshot": state}; a learnrate.TorchTask does'
            )

    @property
    def units(self) -> dict[str, float]:
        """What binds lengths in epochs, tokens and samples, as `Policy.over` takes it."""
        return {unit: self.meta[name] for name, unit in reversed(UNITS.items()) if name in self.meta}

    def cost(self, updates: int, evaluations: int = 0) -> float:
        """What so many updates and evaluations cost, in full runs of this task."""
        return (updates + evaluations * self.evaluation) / self.updates

    def better(self, a: float, b: float) -> bool:
        """Whether objective `a` is better than `b`."""
        return a < b if self.mode == "min" else a > b

    def __reduce__(self) -> str:
        """By reference: a pickled task is found again under its name in the module where it was made."""
        module = sys.modules.get(getattr(self.function, "__module__", ""))
        names = (name for name, value in vars(module or object).items() if value is self)
        return next(names, getattr(self.function, "__qualname__", self.name))

    def __repr__(self) -> str:
        return f"<task {self.name}: {self.updates} updates, {self.mode} {self.objective}>"


def task(
    updates: int,
    objective: str,
    mode: Mode | None = None,
    *,
    evaluation: float | None = None,
    name: str | None = None,
    packages: Iterable[str] = (),
    **meta: Any,
) -> Callable[[TaskFunction], Task]:
    """Make a task of a training loop that yields.

    Decorate a generator function `f(policy, seed)` or `f(policy, seed, updates)`. The seed alone must fix the initial
    weights and the batches, so that runs of one seed are paired across policies. `updates` is the usual length,
    `objective` the name of the value that counts (the last one does), `mode` "min" (the default, except for names such
    as "accuracy", which have to say it) or "max". `evaluation` is the cost of one evaluation in updates, by default 1 %
    of `updates`. An update yields `loss`, `rate` (the rate it used; left
    out, the trace records what the schedule says) and any other numbers as signals. A function that takes `snapshot`
    too makes runs that can be forked and continued; `learnrate.runs` says how.

    Everything in `meta` goes into the trace; `updates_per_epoch`, `tokens_per_update`, `samples_per_update` and
    `batch_size` also bind lengths such as "3ep".

    Raises `ParameterError` for a value that breaks its rule and `TaskError` for a function that is no such loop.

    >>> from learnrate.runs import run
    >>> @task(updates=3, objective="left", batch_size=1)
    ... def halving(policy, seed):
    ...     x = 8.0
    ...     for t in range(3):
    ...         loss, x = x, x - policy.lr(t) * x
    ...         if (yield {"loss": loss}) == "evaluate":
    ...             yield {"left": x}
    >>> halving
    <task halving: 3 updates, min left>
    >>> run(halving, Policy("sgd", 0.5))
    Trace(3 updates, loss 8 -> 2, objective 1, seed 0, finished)
    """
    length = checked("updates", updates, Number("", "", "", ge=1, whole=True))
    cost = length / 100 if evaluation is None else checked("evaluation", evaluation, Number("", "updates", "", ge=0))
    if not isinstance(objective, str) or not objective or objective in RESERVED:
        raise ParameterError(f"objective must be the name of a value that the task yields, got {shorten(objective)}")
    mode = _mode(objective, mode)
    for unit in UNITS.keys() & meta.keys():
        checked(unit, meta[unit], Number("", "", "", gt=0))
    about = plain(meta, "task meta")

    def decorate(function: TaskFunction) -> Task:
        _check_signature(function)
        return Task(function, name or function.__name__, length, objective, mode, cost, tuple(packages), about)

    return decorate


def _check_signature(function: Any) -> None:
    """A task function takes (policy, seed), then `updates`, then `snapshot`; the last two if it wants to."""
    if not callable(function):
        raise TaskError(f"@task decorates a generator function f(policy, seed), got {shorten(function)}")
    name = getattr(function, "__name__", "task")
    given = ("policy", "seed", "updates")[: 2 + _takes(function, "updates")]
    try:
        signature = inspect.signature(function)
        signature.bind(*given)  # as a new run calls it
        if _takes(function, "snapshot"):
            signature.bind(*given, snapshot=None)
    except (TypeError, ValueError) as error:
        ways = "(policy, seed), (policy, seed, updates) or (policy, seed, updates, snapshot=None)"
        raise TaskError(f"task {name!r} must take {ways}: {error}") from None


def _takes(function: Any, name: str) -> bool:
    return name in inspect.signature(function).parameters


def _mode(objective: str, mode: Any) -> Mode:
    """Which way is better; a name that usually is better when higher has to say so."""
    if mode is None:
        if _HIGHER & set(objective.lower().replace("-", "_").split("_")):
            raise ParameterError(
                f"objective {objective!r} is usually better when it is higher: say mode='max' (or mode='min')"
            )
        return "min"
    if mode not in MODES:
        raise ParameterError(f"mode must be 'min' or 'max', got {shorten(mode)}")
    checked_mode: Mode = mode
    return checked_mode
