"""The task contract, and the one thing that trains: `run(task, policy, seed)`.

A task is a training loop that yields. It yields a mapping that has `loss` after every update, and one without `loss`
for an evaluation; what `yield` returns to it is None, or `"evaluate"` when an evaluation is wanted now.

    @task(updates=500, objective="val_loss")
    def mine(policy, seed):
        ...
        for t in range(500):
            ...
            request = yield {"loss": loss}
            if request == "evaluate":
                yield {"val_loss": evaluate()}

Besides `loss`, an update may yield any other numbers: they become the signals of the trace. One name is special:
`rate`, the rate that the update really used, such as `optimizer.param_groups[0]["lr"]`. Yield it wherever something
besides the schedule moves the rate, above all when the task listens to `policy.feedback`. Where it is left out, the
trace holds what the schedule says, and `trace.meta["rate"]` is "schedule" instead of "task".

The task owns the model, the data and the optimizer; the runner owns time: it binds the policy to the horizon, counts
updates, asks for evaluations, notices divergence and records.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import platform
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, NamedTuple, NoReturn, Self

from .errors import MissingExtra, ParameterError, TaskError, UsageError
from .findings import Finding
from .policy import Policy
from .spec import FrozenDict, Number, shorten
from .trace import Ending, Trace, plain

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

_RESERVED = ("update", "seconds")
_EXAMPLE = '{"loss": 0.3} after an update, {"val_loss": 0.2} for an evaluation'
_SAME_LOSS = 1e-5  # the same sum in another order, in float32


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

    def __call__(self, policy: Policy, seed: int, updates: int | None = None) -> Loop:
        """The loop itself, for a horizon of `updates`."""
        horizon = self.updates if updates is None else updates
        return self.function(policy, seed, horizon) if self.takes_updates else self.function(policy, seed)

    @functools.cached_property
    def takes_updates(self) -> bool:
        """Whether the function takes `updates`, so that it learns the horizon."""
        return _takes_updates(self.function)

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
        """By reference: a pickled task is found again under its function's name, where it was defined."""
        return getattr(self.function, "__qualname__", self.name)

    def __repr__(self) -> str:
        return f"<task {self.name}: {self.updates} updates, {self.mode} {self.objective}>"


def task(
    updates: int,
    objective: str,
    mode: Mode = "min",
    *,
    evaluation: float | None = None,
    name: str | None = None,
    packages: Iterable[str] = (),
    **meta: Any,
) -> Callable[[TaskFunction], Task]:
    """Make a task of a training loop that yields.

    Decorate a generator function `f(policy, seed)` or `f(policy, seed, updates)`. The seed alone must fix the initial
    weights and the batches, so that runs of one seed are paired across policies. `updates` is the usual length,
    `objective` the name of the value that counts (the last one does), `mode` "min" or "max". `evaluation` is the cost
    of one evaluation in updates, by default 1 % of `updates`. An update yields `loss`, `rate` (the rate it used; left
    out, the trace records what the schedule says) and any other numbers as signals.

    Everything in `meta` goes into the trace; `updates_per_epoch`, `tokens_per_update`, `samples_per_update` and
    `batch_size` also bind lengths such as "3ep".

    Raises `ParameterError` for a value that breaks its rule and `TaskError` for a function that is no such loop.

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
    length = _checked("updates", updates, Number("", "", "", ge=1, whole=True))
    cost = length / 100 if evaluation is None else _checked("evaluation", evaluation, Number("", "updates", "", ge=0))
    if not isinstance(objective, str) or not objective or objective in _RESERVED:
        raise ParameterError(f"objective must be the name of a value that the task yields, got {shorten(objective)}")
    if mode not in MODES:
        raise ParameterError(f"mode must be 'min' or 'max', got {shorten(mode)}")
    for unit in UNITS.keys() & meta.keys():
        _checked(unit, meta[unit], Number("", "", "", gt=0))
    about = plain(meta, "task meta")

    def decorate(function: TaskFunction) -> Task:
        _check_signature(function)
        return Task(function, name or function.__name__, length, objective, mode, cost, tuple(packages), about)

    return decorate


def run(
    task: Task,
    policy: Policy,
    seed: int = 0,
    updates: int | None = None,
    *,
    on_update: Callable[[Run], None] | None = None,
    on_end: Callable[[Trace], None] | None = None,
) -> Trace:
    """Run a task under a policy and return what it showed.

    Every schedule is bound to the horizon, `updates` or else the task's own. A loss or objective that is not finite
    ends the run as "diverged"; an exception in the task ends it as "failed", with the error's text in the trace. A
    task that returns before its horizon is "stopped".

    `on_update` is called with the run after every update (`run.t`, `run.loss`; `run.close()` ends it there). `on_end`
    is called once with the trace, however the run ends: also when it is interrupted (Ctrl-C) or `on_update` raises,
    before that exception goes on; then the trace is "stopped".

    Raises `TaskError` for a task that breaks the protocol, whose `trace` holds what was recorded; `UnboundError` for
    a policy whose lengths need a unit that the task does not declare, and `MissingExtra` when the task needs a package
    that is not installed.

    >>> from learnrate.schedules import Linear
    >>> @task(updates=4, objective="left")
    ... def halving(policy, seed):
    ...     x = 8.0
    ...     for t in range(4):
    ...         loss, x = x, x - policy.lr(t) * x
    ...         if (yield {"loss": loss}) == "evaluate":
    ...             yield {"left": x}
    >>> run(halving, Policy("sgd", Linear(1, 0)))
    Trace(4 updates, loss 8 -> 0, objective 0, seed 0, finished)
    """
    live = Run(task, policy, seed, updates, on_update)
    try:
        live.advance()
    finally:
        live.close()
        if on_end is not None:
            on_end(live.trace())
    return live.trace()


class _Update(NamedTuple):
    rate: float
    told: bool  # by the task; else the schedule says it
    loss: float
    signals: dict[str, float]


class Run:
    """A run in progress: `advance` it, look at its `trace`, `close` it. `run` is this from start to end.

    `t` counts the updates made, of `updates`; `loss` is the last loss and `objective` the last objective; `ended` says
    how it ended, or is None. A run that is not advanced is paused: it keeps the task's generator alive, and with it
    the model and the data.
    """

    def __init__(
        self,
        task: Task,
        policy: Policy,
        seed: int = 0,
        updates: int | None = None,
        on_update: Callable[[Run], None] | None = None,
    ) -> None:
        if not isinstance(task, Task):
            raise UsageError(f"run needs a task; make one with @task(updates=..., objective=...), got {shorten(task)}")
        if not isinstance(policy, Policy):
            raise UsageError(f"run needs a policy such as Policy('adamw', 0.001), got {shorten(policy)}")
        self.task = task
        self.updates: int = task.updates if updates is None else _checked("updates", updates, _LENGTH)
        self.policy = policy.over(self.updates, **task.units)
        self.seed: int = _checked("seed", seed, _SEED)
        self.ended: Ending | None = None
        self.error: str | None = None
        self.objective: float | None = None
        self.seconds = 0.0
        self._on_update = on_update
        self._loop: Loop | None = None
        self._after_update = False
        # one list, one append per update: an interrupt can never leave columns of different lengths
        self._made: list[_Update] = []
        self._evaluations: list[tuple[int, dict[str, float]]] = []

    # -- what there is to see

    @property
    def t(self) -> int:
        """Updates made."""
        return len(self._made)

    @property
    def loss(self) -> float | None:
        """The last loss."""
        return self._made[-1].loss if self._made else None

    @property
    def spent(self) -> float:
        """What it has cost so far, in full runs of its task."""
        return self.task.cost(self.t, len(self._evaluations))

    def trace(self) -> Trace:
        """What the run has shown so far, as a value."""
        names = dict.fromkeys(name for made in self._made for name in made.signals)
        columns = dict.fromkeys(name for _, values in self._evaluations for name in values)
        return Trace(
            update=range(self.t),
            rate=[made.rate for made in self._made],
            loss=[made.loss for made in self._made],
            signals={name: [made.signals.get(name, math.nan) for made in self._made] for name in names},
            evaluations={"update": [t for t, _ in self._evaluations]}
            | {name: [values.get(name, math.nan) for _, values in self._evaluations] for name in columns},
            objective=math.nan if self.ended == "diverged" else self.objective,
            seconds=self.seconds,
            policy=self.policy,
            seed=self.seed,
            ended=self.ended or "paused",
            error=self.error,
            meta=self._meta,
        )

    @property
    def _meta(self) -> dict[str, Any]:
        task = self.task
        about = {"task": task.name, "objective": task.objective, "mode": task.mode, "updates": self.updates}
        told = {made.told for made in self._made} or {False}
        rate = " and ".join(source for source, of_task in (("task", True), ("schedule", False)) if of_task in told)
        costs = {"evaluation": task.evaluation, "rate": rate, "versions": _versions(task.packages)}
        return {**task.meta, **about, **costs}

    # -- going on

    def advance(self, until: int | None = None, *, evaluate: bool = False) -> Self:
        """Go on until `until` updates have been made (at most the horizon, which is also the default).

        `evaluate` asks for an evaluation there; a task that ignores requests is then one update further when it is
        paused. The horizon is always evaluated, and ends the run.
        """
        goal = self.updates if until is None else min(until, self.updates)
        while self.ended is None and self.t < goal:
            self._take(None)
        if self.ended is None and self.t >= self.updates:
            self._finish()
        elif evaluate and self._after_update:
            self._take("evaluate")
        return self

    def close(self) -> None:
        """End the run here, as "stopped" unless it has ended, and let the task clean up."""
        self._end("stopped")

    def _take(self, request: str | None) -> None:
        """One yield of the task, recorded."""
        values = self._resume(request)
        if values is None:
            return
        if "loss" in values:
            self._record_update(values)
            if self.ended is not None:
                return
        else:
            self._evaluations.append((self.t, values))
        self._after_update = "loss" in values
        self._watch(values)
        if self._after_update and self._on_update is not None:
            self._on_update(self)

    def _finish(self) -> None:
        """After the last update: evaluate, and let a task of this length come to its own end."""
        goes_on = not self.task.takes_updates and self.updates < self.task.updates
        request: str | None = "evaluate"
        fresh = False
        while self.ended is None and not (fresh and goes_on):
            values = self._resume(request)
            if values is None or "loss" in values:  # an update beyond the horizon is no part of the run
                break
            request = None
            self._evaluations.append((self.t, values))
            self._watch(values)
            fresh = fresh or self.task.objective in values
        if self.objective is None and self.ended in (None, "finished"):
            self._refuse_silence()
        self._end("finished")

    def _resume(self, request: str | None) -> dict[str, float] | None:
        """What the task yields next, checked; None when it has returned or failed."""
        if self._loop is None:
            loop = self._guarded(lambda: self.task(self.policy, self.seed, self.updates))
            if self.ended is not None:
                return None
            if not isinstance(loop, Generator):
                self._misused(f"must yield ({_EXAMPLE}), but it is no generator: it returned {shorten(loop)}")
            self._loop = loop
        got = self._guarded(functools.partial(self._loop.send, request))
        return None if self.ended is not None else self._read(got)

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """Let the task work: its time is counted, its return and its errors are recorded."""
        started = time.perf_counter()
        try:
            return call()
        except StopIteration:
            return self._returned()
        except MissingExtra:
            raise
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
            return self._end("failed")
        finally:
            self.seconds += time.perf_counter() - started

    def _returned(self) -> None:
        """The task's loop has come to its end by itself."""
        if self.t >= self.updates:
            return self._end("finished")
        if not self.t:
            self._misused(f"returned without an update; yield {_EXAMPLE}")
        if self.updates > self.task.updates and not self.task.takes_updates:
            self._misused(
                f"returned after {self.t} of {self.updates} updates; to run longer than its usual "
                f"{self.task.updates}, let it take the horizon: def {self.task.name}(policy, seed, updates)"
            )
        self.error = f"the task returned after {self.t} of {self.updates} updates"
        return self._end("stopped")

    # -- recording

    def _read(self, got: Any) -> dict[str, float]:
        """A yield as plain floats; `TaskError` for anything that is no part of the protocol."""
        if not isinstance(got, Mapping) or not got:
            self._misused(f"must yield a mapping ({_EXAMPLE}), got {shorten(got)}")
        values = {}
        for name, value in got.items():
            if not isinstance(name, str) or name in _RESERVED:
                reason = "is counted by the runner; leave it out" if name in _RESERVED else "must be text"
                self._misused(f"yielded the name {shorten(name)}, which {reason}")
            number = _as_float(value)
            if number is None:
                self._misused(f"must yield numbers, got {name}={shorten(value)}; yield float({name})")
            values[name] = number
        return values

    def _record_update(self, values: dict[str, float]) -> None:
        signals = {name: value for name, value in values.items() if name not in ("loss", "rate")}
        rate = values["rate"] if "rate" in values else self._scheduled()
        self._made.append(_Update(rate, "rate" in values, values["loss"], signals))

    def _scheduled(self) -> float:
        """What the schedule says here; a function of the user's that raises ends the run, and the rate is NaN."""
        try:
            return float(self.policy.lr(self.t))
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
            self._end("failed")
            return math.nan

    def _watch(self, values: Mapping[str, float]) -> None:
        """Keep the objective, and end the run where it or the loss is not finite."""
        objective = self.task.objective
        if objective in values:
            self.objective = values[objective]
        for name in ("loss", objective):
            if not math.isfinite(values.get(name, 0.0)):
                when = f"at update {self.t - 1}" if "loss" in values else f"after {_count(self.t)}"
                self.error = f"{name} is {values[name]} {when}"
                return self._end("diverged")
        return None

    # -- ending

    def _end(self, ended: Ending) -> None:
        """End once; a task that fails while it cleans up has failed, unless something else was wrong before."""
        if self.ended is None:
            self.ended = ended
        loop, self._loop = self._loop, None
        try:
            if loop is not None:
                loop.close()
        except Exception as error:
            if self.error is None:
                self.ended, self.error = "failed", f"{type(error).__name__}: {error}"

    def _refuse_silence(self) -> NoReturn:
        given = {name: None for _, values in self._evaluations for name in values}
        seen = f"its evaluations gave {', '.join(given)}" if given else "it gave no evaluation"
        self._misused(
            f"never yielded its objective {self.task.objective!r} in {_count(self.t)} ({seen}); answer the request: "
            f'if (yield {{"loss": loss}}) == "evaluate": yield {{"{self.task.objective}": value}}'
        )

    def _misused(self, rule: str) -> NoReturn:
        """The task's author has to change something: say what, and keep what was recorded."""
        self.error = f"task {self.task.name!r} {rule}"
        self.ended = "failed"
        self._end("failed")
        broken = TaskError(self.error)
        broken.trace = self.trace()
        raise broken from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<run of {self.task.name}: {self.t} of {self.updates} updates, {self.ended or 'paused'}>"


def check_pairing(traces: Iterable[Trace]) -> Finding | None:
    """Whether runs of one task and seed start from the same loss, whatever the policy; the finding when they do not.

    The first loss is measured before the first update, so no policy has acted on it. When it differs, the task draws
    its weights or batches from something besides the seed, and paired comparisons mean nothing.
    """
    first: dict[tuple[Any, int], tuple[float, float]] = {}
    for trace in traces:
        if not len(trace) or trace.update[0] != 0 or not math.isfinite(trace.loss[0]):
            continue
        key, loss = (trace.meta.get("task"), trace.seed), float(trace.loss[0])
        low, high = first.get(key, (loss, loss))
        first[key] = low, high = min(low, loss), max(high, loss)
        if not math.isclose(low, high, rel_tol=_SAME_LOSS):
            evidence = {"seed": trace.seed, "lowest first loss": low, "highest first loss": high}
            advice = "Draw initial weights, batch order and noise from the seed alone."
            return Finding("task ignores its seed", "error", evidence, advice)
    return None


_LENGTH = Number("", "updates", "", ge=1, whole=True)
_SEED = Number("", "", "", ge=0, whole=True)


def _checked(name: str, value: Any, rule: Number) -> Any:
    try:
        return rule.read(value)
    except ValueError as broken:
        raise ParameterError(f"{name} must {broken}") from None


def _check_signature(function: Any) -> None:
    """A task function takes (policy, seed) or (policy, seed, updates)."""
    if not callable(function):
        raise TaskError(f"@task decorates a generator function f(policy, seed), got {shorten(function)}")
    name = getattr(function, "__name__", "task")
    try:
        inspect.signature(function).bind(*(("policy", "seed", "updates")[: 2 + _takes_updates(function)]))
    except (TypeError, ValueError) as error:
        raise TaskError(f"task {name!r} must take (policy, seed) or (policy, seed, updates): {error}") from None


def _count(updates: int) -> str:
    return "1 update" if updates == 1 else f"{updates} updates"


def _takes_updates(function: Any) -> bool:
    return "updates" in inspect.signature(function).parameters


def _as_float(value: Any) -> float | None:
    """A number, or an array or tensor of one, as a float; None for anything else."""
    if isinstance(value, (bool, str, bytes, bytearray)) or value is None:
        return None
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: what torch says to .item() of many
        return None
    except OverflowError:
        return math.inf


@functools.cache
def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    """What the run stood on."""
    import importlib.metadata  # a third of what the library takes to import, and needed only here

    package = __name__.partition(".")[0]
    found = {"python": platform.python_version(), package: getattr(sys.modules[package], "__version__", "unknown")}
    for name in ("numpy", *packages):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found
