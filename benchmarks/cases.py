"""What searches are scored on: a task, an optimizer, a schedule whose peak is 1, and the range of rates to search.

Two sets that share no task: `DEVELOPMENT` to choose a method by, and `SCORED` to say how good the chosen one is.
Nothing about a method may be chosen by looking at `SCORED`.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import learnrate as lr
from learnrate.policy import Policy
from learnrate.runs import Task
from learnrate.schedule import Schedule
from learnrate.tasks import find

Optimizer = Literal["sgd", "adamw", "rmsprop", "adam"]

LINEAR = lr.Linear(1, 0)
COSINE = lr.Cosine(1, 0)
CONSTANT = lr.Constant(1)
WARM_LINEAR = lr.Linear(0, 1, "5%") >> lr.Linear(1, 0)
WARM_COSINE = lr.Linear(0, 1, "10%") >> lr.Cosine(1, 0)
WSD = lr.WSD(1, warmup="5%", decay="20%")
ONE_CYCLE = lr.OneCycle(1)

_RANGES: Mapping[str, tuple[float, float]] = {
    "sgd": (1e-4, 10),
    "adamw": (1e-5, 1),
    "adam": (1e-5, 1),
    "rmsprop": (1e-6, 1),
}
_SETTINGS: Mapping[str, Mapping[str, Any]] = {"sgd": {"momentum": 0.9}}


@dataclasses.dataclass(frozen=True)
class Case:
    """One question to a search: which rate between `low` and `high`, for this task, optimizer and schedule?"""

    name: str
    reference: str
    optimizer: Optimizer
    schedule: Schedule
    low: float
    high: float
    settings: Mapping[str, Any]

    @functools.cached_property
    def task(self) -> Task:
        """The task, imported when it is asked for: `digits` is an embedded one, `loops.wine` is in that module."""
        module, _, name = self.reference.rpartition(".")
        if not module:
            return find(name)
        task: Task = getattr(importlib.import_module(module), name)
        return task

    @property
    def maximised(self) -> bool:
        return self.task.mode == "max"

    def policy(self, rate: float) -> Policy:
        """What a run at this rate trains with."""
        return Policy(self.optimizer, rate * self.schedule, settings=self.settings)


def _case(
    reference: str, optimizer: Optimizer, schedule: Schedule, low: float | None = None, high: float | None = None
) -> Case:
    least, most = _RANGES[optimizer]
    name = f"{reference.rpartition('.')[2].replace('_', '-')}-{optimizer}"
    settings = _SETTINGS.get(optimizer, {})
    return Case(name, reference, optimizer, schedule, low or least, high or most, settings)


DEVELOPMENT: tuple[Case, ...] = (
    _case("loops.diabetes", "sgd", COSINE),
    _case("loops.diabetes", "adamw", WARM_LINEAR),
    _case("loops.wine", "sgd", LINEAR),
    _case("loops.wine", "adamw", CONSTANT),
    _case("loops.noisy_digits", "sgd", ONE_CYCLE),
    _case("loops.noisy_digits", "adamw", WARM_COSINE),
    _case("loops.autoencoder", "sgd", WARM_LINEAR),
    _case("loops.autoencoder", "adamw", WSD),
    _case("loops.flower", "rmsprop", LINEAR),
    _case("loops.flower", "adamw", COSINE),
    _case("loops.deep_tanh", "sgd", WARM_LINEAR),
    _case("loops.deep_tanh", "adamw", CONSTANT),
    _case("loops.faded_digits", "sgd", COSINE, 1e-6, 1),
    _case("loops.faded_digits", "adamw", LINEAR, 1e-6, 0.1),
    _case("loops.parity", "sgd", WSD),
    _case("loops.parity", "adamw", WARM_COSINE),
    _case("loops.spirals", "sgd", CONSTANT),
    _case("loops.spirals", "adam", ONE_CYCLE),
    _case("loops.iris", "sgd", LINEAR),
    _case("loops.iris", "adamw", CONSTANT),
    _case("loops.even_digits", "sgd", COSINE, 1e-5, 1),
    _case("loops.even_digits", "adamw", WARM_LINEAR),
    _case("loops.columns", "sgd", ONE_CYCLE),
    _case("loops.columns", "adamw", LINEAR),
)
"""To choose a method by."""

SCORED: tuple[Case, ...] = (
    _case("digits", "sgd", WARM_LINEAR),
    _case("digits", "adamw", COSINE),
    _case("digits-mlp", "sgd", CONSTANT),
    _case("digits-mlp", "adamw", WSD),
    _case("text", "sgd", WARM_COSINE),
    _case("text", "adamw", WARM_LINEAR),
    _case("charlm", "sgd", LINEAR),
    _case("charlm", "adamw", WARM_COSINE),
    _case("loops.china", "sgd", WSD),
    _case("loops.china", "adamw", ONE_CYCLE),
    _case("loops.cancer", "sgd", LINEAR),
    _case("loops.cancer", "adamw", CONSTANT),
    _case("loops.new_digits", "sgd", COSINE, 1e-5, 1),
    _case("loops.new_digits", "adamw", WARM_LINEAR),
    _case("loops.rows", "sgd", ONE_CYCLE),
    _case("loops.rows", "adamw", LINEAR),
    _case("cartpole", "sgd", LINEAR),
    _case("cartpole", "adamw", CONSTANT),
)
"""To say how good the chosen method is; cartpole is maximised, and reported apart."""

SETS: Mapping[str, tuple[Case, ...]] = {"development": DEVELOPMENT, "scored": SCORED}


def chosen(set_name: str, names: Sequence[str] = ()) -> tuple[Case, ...]:
    """The cases of a set, or those of it that are named."""
    known = {case.name: case for case in SETS[set_name]}
    wrong = [name for name in names if name not in known]
    if wrong:
        raise SystemExit(f"no case {wrong[0]!r} in the {set_name} set; it has {', '.join(known)}")
    return tuple(known[name] for name in names) if names else SETS[set_name]
