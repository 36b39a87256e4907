"""Every way to choose a rate that `tune.py` scores, as functions of (case, seed) that answer with an `Answer`.

What each costs is counted alike, in updates, with evaluations at the price that the task declares.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import learnrate as lr
from cases import Case
from learnrate.policy import Policy
from learnrate.runs import Run

FINISHED = "finished"
EVALUATIONS = 10
"""How often a trial of a rival reports."""
GRID = 25
TEST = 100
"""Updates of a range test."""

_SOURCE = Path(lr.__file__).parent
_OWN = ("finder", "tuner", "runs", "comparison/student.py")

TESTS: Mapping[str, tuple[str, float, float]] = {
    "torch-lr-finder": ("steepest", 1e-7, 10),
    "lightning": ("lightning-2.5.3", 1e-8, 1),
    "fastai valley": ("valley", 1e-7, 10),
    "fastai minimum": ("minimum", 1e-7, 10),
}
"""Rule of `learnrate.finder.rules` and default range of each package's range test."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """A rate, or None where the method has no answer; with its interval, if it gives one, and the cost in updates."""

    rate: float | None
    updates: float
    interval: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True)
class Method:
    """A named way to choose a rate, and the budget it is given, in full runs; `own` says that it is this library's."""

    name: str
    budget: float
    choose: Callable[[Case, int], Answer]
    own: bool = False

    @property
    def version(self) -> str:
        """What changes when the method does: a cached answer of another version is forgotten."""
        return own_version() if self.own else "1"


# -- this library


def finding(budget: float, case: Case, seed: int) -> Answer:
    """`lr.find` with this budget."""
    within = (case.low, case.high)
    found = lr.find(
        case.task, case.schedule, case.optimizer, rate=within, settings=dict(case.settings), budget=budget, seed=seed
    )
    return Answer(found.rate, found.spent * case.task.updates, tuple(found.interval))


def tuning(budget: float, case: Case, seed: int) -> Answer:
    """`lr.tune` of the rate alone."""
    fixed = {name: [value] for name, value in case.settings.items()}
    space = lr.Space(optimizer=[case.optimizer], schedule=[case.schedule], rate=(case.low, case.high), **fixed)
    found = lr.tune(case.task, budget=budget, space=space, seed=seed, storage=False)
    return Answer(found.rate, found.spent * case.task.updates, tuple(found.interval))


@functools.cache
def own_version() -> str:
    """A hash of the sources that decide what the library's own searches answer."""
    files = [path for name in _OWN for path in [_SOURCE / name, *sorted((_SOURCE / name).rglob("*.py"))]]
    found = [path.read_bytes() for path in files if path.is_file()]
    return hashlib.sha256(b"".join(found)).hexdigest()[:12]


# -- its rivals


def optuna_asha(budget: float, case: Case, seed: int) -> Answer:
    """Optuna's TPE sampler and successive-halving pruner: trials of full length that report at every evaluation.

    A trial that starts within the budget may end beyond it. All trials of a search train with its seed.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler, pruner = optuna.samplers.TPESampler(seed=seed), optuna.pruners.SuccessiveHalvingPruner()
    study = optuna.create_study(direction="maximize" if case.maximised else "minimize", sampler=sampler, pruner=pruner)
    updates, spent = case.task.updates, 0.0
    while spent < budget * updates:
        trial = study.ask()
        rate = trial.suggest_float("rate", case.low, case.high, log=True)
        with Run(case.task, case.policy(rate), seed) as run:
            for place in range(1, EVALUATIONS + 1):
                run.advance(round(place * updates / EVALUATIONS), evaluate=True)
                if run.ended not in (None, FINISHED):
                    break
                trial.report(run.objective, place)
                if run.ended is None and trial.should_prune():
                    break
            spent += run.spent * updates
            done = run.ended == FINISHED
            study.tell(trial, run.objective if done else None, state=None if done else optuna.trial.TrialState.PRUNED)
    complete = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    return Answer(study.best_params["rate"] if complete else None, spent)


def grid(case: Case, seed: int) -> Answer:
    """Full runs at 25 rates; the best final objective wins."""
    results: list[tuple[float, float]] = []
    spent = 0.0
    for rate in np.geomspace(case.low, case.high, GRID):
        trace = lr.run(case.task, case.policy(float(rate)), seed)
        spent += len(trace) + case.task.evaluation * len(trace.evaluations["update"])
        if trace.ended == FINISHED and trace.objective is not None:
            results.append((-trace.objective if case.maximised else trace.objective, float(rate)))
    return Answer(min(results)[1] if results else None, spent)


def range_test(package: str, case: Case, seed: int) -> Answer:
    """A run of 100 updates at rising rates, read as a package reads it; its range is the package's default."""
    from learnrate.finder.rules import RULES

    rule, low, high = TESTS[package]
    rising = lr.Geometric(low, high, TEST)
    trace = lr.run(case.task, Policy(case.optimizer, rising, case.settings), seed, updates=TEST)
    reading = RULES[rule]([rising(t) for t in range(TEST)], trace.loss)
    if not isinstance(reading, float) or not math.isfinite(reading) or reading <= 0:
        return Answer(None, len(trace))
    return Answer(reading, len(trace))


def middle(case: Case, seed: int) -> Answer:
    """The middle of the range, for nothing: what an answer is worth that looks at no run."""
    return Answer(math.sqrt(case.low * case.high), 0.0, (case.low, case.high))


def every() -> dict[str, Method]:
    """All methods by name, in the order of the table."""
    own = [
        Method("find, 1 run", 1, functools.partial(finding, 1.0), own=True),
        Method("tune, 4 runs", 4, functools.partial(tuning, 4), own=True),
        Method("tune, 8 runs", 8, functools.partial(tuning, 8), own=True),
    ]
    rivals = [
        Method("Optuna TPE + ASHA, 4 runs", 4, functools.partial(optuna_asha, 4)),
        Method("Optuna TPE + ASHA, 8 runs", 8, functools.partial(optuna_asha, 8)),
        Method(f"grid of {GRID}", GRID, grid),
        *(Method(f"range test, {package}", 1, functools.partial(range_test, package)) for package in TESTS),
        Method("middle of the range", 0, middle),
    ]
    return {method.name: method for method in (*own, *rivals)}


def chosen(patterns: Sequence[str]) -> dict[str, Method]:
    """The methods whose name holds one of these texts; all of them where there is none."""
    known: dict[str, Any] = every()
    wrong = [pattern for pattern in patterns if not any(pattern in name for name in known)]
    if wrong:
        raise SystemExit(f"no method is called {wrong[0]!r}; there are {', '.join(known)}")
    return {name: method for name, method in known.items() if not patterns or any(p in name for p in patterns)}
