"""`TorchTask`: a task out of a model, a loss, batches and an evaluation."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ParameterError, UsageError
from ..policy import Policy
from ..runs import Loop, Mode, Task, TaskFunction, task
from ..spec import Number, checked, shorten
from .parts import Parts
from .training import Training

_HALVES = (torch.bfloat16, torch.float16)
_COUNT = Number("", "", "", ge=1, whole=True)
_RULES = {"evaluations": _COUNT, "accumulation": _COUNT, "clip": Number("", "", "", gt=0), "threads": _COUNT}
_EXAMPLES = {
    "model": "lambda: Net()",
    "loss": "lambda model, batch: ...",
    "evaluate": "lambda model: {...}",
    "params": "lambda model: ...",
}
_PAIR = ({"input", "inputs"}, {"target", "targets"})


def TorchTask(
    model: Callable[[], nn.Module],
    loss: Callable[..., Any],
    batches: Any,
    evaluate: Callable[[nn.Module], Any],
    updates: int,
    objective: str = "val_loss",
    mode: Mode | None = None,
    *,
    name: str | None = None,
    evaluation: float | None = None,
    evaluations: int = 10,
    accumulation: int = 1,
    clip: float | None = None,
    autocast: torch.dtype | str | None = None,
    scaler: bool = False,
    device: torch.device | str | None = None,
    params: Callable[[nn.Module], Any] | None = None,
    threads: int | None = None,
    packages: Iterable[str] = (),
    **meta: Any,
) -> Task:
    """A task made of a user's parts, whose runs can be paused, forked and resumed, bit for bit.

    - `model()` makes the model: torch's random numbers are those of the run's seed there. One that comes in eval mode
      is put in training mode; parts of one in training mode keep theirs, which is how to freeze a normalisation.
    - `loss(model, batch)` returns a scalar tensor. A criterion does too, for batches that are (input, target): a
      module such as `nn.CrossEntropyLoss()`, or a function whose first arguments are called `input` and `target`, as
      those in `torch.nn.functional` are. Every run has a copy of such a module, so that nothing it keeps goes from run
      to run.
    - `batches(seed)` returns an iterable of batches: one pass over the data, or endless. Where a pass ends, another is
      made by `batches(another_seed)`. A `DataLoader` or a list does too; its passes are seeded in the same way. A batch
      may be anything: a tensor, a tuple, a mapping.
    - `evaluate(model)` returns a mapping of numbers with the `objective` among them. It is called in eval mode without
      gradients: every `updates / evaluations` updates and at the end of the run, so that a short run pays for few, and
      whenever the runner asks. A policy with a feedback rule gets `evaluations` of them spread over the run, however
      long that is, because the rule counts them; it hears of these and of no others.
    - `updates`, `objective`, `mode`, `evaluation` (the cost of one evaluation, in updates), `packages` and `meta` are
      those of `learnrate.task`.

    An update is one change of the weights: `accumulation` batches, of which the loss and the gradient are the mean,
    `clip` (the largest norm of the gradient; the trace then has the signal `gradient_norm`), and one call of the
    optimizer, in the precision `autocast` ("bfloat16", "float16") and with a gradient scaler if `scaler` is true.
    An update that the scaler skips, because a gradient was not finite, counts as an update: the schedule goes on, and
    the signal `skipped` is 1.

    `device` is where the model and the batches go; `params(model)` is what `learnrate.torch.build` gets instead of the
    model (parameters, groups, named parameters); `threads` the number of torch's CPU threads inside the task.

    Torch's random numbers inside come from a stream of the run's own, and the batches from another, so that nothing in
    the process is moved, a requested evaluation changes nothing, and runs of one seed are paired. NumPy's and Python's
    global generators are not in it: draw from generators of your own, made from the seed. On a GPU, results are the
    same bit for bit where torch's kernels are deterministic.

    A snapshot holds the weights and buffers of the model and the criterion, also buffers that are None at first. What
    else they keep, in attributes that are no buffers, is not in it: register a buffer for what the next update needs.

    Raises `ParameterError` and `UsageError` for arguments that break their rules, and its runs `TaskError` for parts
    that do: no batches, a loss that is no scalar, an evaluation without the objective.

    >>> import learnrate as lr
    >>> from torch import nn
    >>> x = torch.linspace(-1, 1, 64).reshape(-1, 1)
    >>> def batches(seed):
    ...     order = torch.randperm(64, generator=torch.Generator().manual_seed(seed))
    ...     return [(x[rows], 3 * x[rows]) for rows in order.split(16)]
    >>> line = TorchTask(
    ...     model=lambda: nn.Linear(1, 1),
    ...     loss=nn.MSELoss(),
    ...     batches=batches,
    ...     evaluate=lambda model: {"val_loss": nn.functional.mse_loss(model(x), 3 * x)},
    ...     updates=40,
    ...     name="line",
    ... )
    >>> line
    <task line: 40 updates, min val_loss>
    >>> trace = lr.run(line, lr.Policy("sgd", lr.Linear(0.5, 0), {"momentum": 0.5}))
    >>> len(trace.evaluations["update"]), trace.objective < 0.01
    (10, True)
    """
    parts = Parts(
        name=name or _name_of(model),
        pairs=_takes_pairs(loss),
        batches=_batches(batches),
        updates=updates,
        objective=objective,
        autocast=_precision(autocast),
        scaler=bool(scaler),
        device=_device(device),
        **_functions(model=model, loss=loss, evaluate=evaluate, params=params),
        **_numbers(evaluations=evaluations, accumulation=accumulation, clip=clip, threads=threads),
    )
    known = {"evaluation": evaluation, "name": parts.name, "packages": ("torch", *packages), **meta}
    module = sys._getframe(1).f_globals.get("__name__", __name__)  # where a pickled task is found again
    return task(updates, objective, mode, **known)(_loop(parts, model.__doc__, module))


def _loop(parts: Parts, about: str | None, module: str) -> TaskFunction:
    def loop(policy: Policy, seed: int, updates: int, snapshot: Mapping[str, Any] | None = None) -> Loop:
        return _train(parts, policy, seed, updates, snapshot)

    loop.__name__ = loop.__qualname__ = parts.name
    loop.__module__, loop.__doc__ = module, about
    return loop


def _train(parts: Parts, policy: Policy, seed: int, updates: int, snapshot: Mapping[str, Any] | None) -> Loop:
    """The loop: update after update, evaluations when they are due or asked for, snapshots when they are asked for."""
    live = Training(parts, policy, seed)
    t, evaluated = 0, True
    if snapshot is not None:
        live.go_on(snapshot)
        t, evaluated = snapshot["update"], snapshot["evaluated"]
        snapshot = None  # which may be as large as the model
    usual = parts.updates if policy.feedback is None else updates
    every = max(1, round(usual / parts.evaluations))
    request: str | None = None
    while True:
        due = not evaluated and (t % every == 0 or t == updates)
        if request == "snapshot":
            request = yield {"snapshot": {"update": t, "evaluated": evaluated, **live.state()}}
        elif due or request == "evaluate":
            values = live.evaluate()
            if due and policy.feedback is not None:
                live.scheduler.observe(values[parts.objective])
            evaluated = True
            request = yield values
        elif t == updates:
            return
        else:
            shown = live.update()
            t, evaluated = t + 1, False
            request = yield shown


# -- the arguments


def _name_of(model: Any) -> str:
    name = getattr(model, "__name__", "").strip("_")
    return name if name.isidentifier() else "torch"


def _functions(**given: Any) -> dict[str, Any]:
    if isinstance(given["model"], nn.Module):
        raise UsageError("model must make a model, so that every run has its own: give a function, lambda: Net()")
    for name, function in given.items():
        if not (callable(function) or (name == "params" and function is None)):
            raise UsageError(f"{name} must be a function such as {_EXAMPLES[name]}, got {shorten(function)}")
    return given


def _takes_pairs(loss: Any) -> bool:
    """Whether it is a criterion: a module, or a function whose arguments bear the names that torch gives them."""
    if isinstance(loss, nn.Module):
        return True
    try:
        names = list(inspect.signature(loss).parameters)[:2]
    except (TypeError, ValueError):
        return False
    return len(names) == 2 and all(name in known for name, known in zip(names, _PAIR, strict=True))


def _batches(given: Any) -> Any:
    if callable(given):
        return given
    example = "give a function such as lambda seed: loader_of(seed), a DataLoader, or a list of batches"
    lone = isinstance(given, (str, bytes, Mapping, Tensor))
    lone = lone or (isinstance(given, tuple) and any(isinstance(item, Tensor) for item in given))
    if lone or not isinstance(given, Iterable):
        raise UsageError(f"batches must be an iterable of batches, got {shorten(given)}; {example}")
    if isinstance(given, Iterator):
        raise UsageError(f"batches is an iterator, which only one run could use; {example}")
    return given


def _precision(given: torch.dtype | str | None) -> torch.dtype | None:
    if given is None:
        return None
    dtype = getattr(torch, given, None) if isinstance(given, str) else given
    if dtype not in _HALVES:
        raise ParameterError(f"autocast must be 'bfloat16', 'float16' or None, got {shorten(given)}")
    return dtype


def _device(given: torch.device | str | None) -> torch.device | None:
    try:
        return None if given is None else torch.device(given)
    except (RuntimeError, TypeError) as error:
        raise ParameterError(f"device must be one that torch knows, such as 'cuda': {error}") from None


def _numbers(**given: Any) -> dict[str, Any]:
    absent = [name for name in ("clip", "threads") if given[name] is None]
    return {name: None if name in absent else checked(name, value, _RULES[name]) for name, value in given.items()}
