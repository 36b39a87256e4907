"""Results of searches put together by hand from real runs, for the tests of what shows them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from learnrate import Cosine, Finding, Linear, Policy, Trace, run, task
from learnrate.finder.results import Probe, Result, RunnerUp

HORIZON = 120
SCHEDULES = {"cosine": Cosine(1, 0), "linear": Linear(1, 0)}


@task(updates=HORIZON, objective="val_loss", evaluation=2.0)
def descent(policy: Policy, seed: int, updates: int) -> Any:
    """Noisy descent on a parabola, blowing up when the rate is above 2; accuracy is best at lower rates than loss."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=5) + 3
    highest = 0.0
    for t in range(updates):
        rate, loss = float(policy.lr(t)), float(np.mean(w**2))
        highest = max(highest, rate)
        w = w - rate * (w + 0.1 * rng.normal(size=5))
        if (yield {"loss": loss if loss < 1e6 else math.inf}) == "evaluate" or t % 30 == 29:
            yield {"val_loss": float(np.mean(w**2)), "val_accuracy": 1 / (1 + highest)}


class Maker:
    """Runs with their probes, one after the other."""

    def __init__(self) -> None:
        self.curve: list[Probe] = []
        self.traces: list[Trace] = []

    def add(self, rate: float, updates: int, seed: int = 0, role: str = "ladder", **kind: str) -> None:
        """One real run."""
        optimizer, schedule = kind.get("optimizer", "adamw"), kind.get("schedule", "cosine")
        trace = run(descent, Policy(optimizer, rate * SCHEDULES[schedule]), seed, updates)
        self.keep(trace, optimizer, schedule, rate, updates, role)

    def keep(self, trace: Trace, optimizer: str, schedule: str, rate: float, updates: int, role: str) -> None:
        """A run that was made."""
        cost = len(trace) + 2.0 * len(trace.evaluations["update"])
        reached = math.nan if trace.objective is None else trace.objective
        share, index = len(trace) / HORIZON if trace.ended == "paused" else updates / HORIZON, len(self.traces)
        probe = Probe(optimizer, schedule, rate, updates, share, trace.seed, reached, trace.ended, role, cost, index)
        self.curve.append(probe)
        self.traces.append(trace)


def searched(**changes: Any) -> Result:
    """A search over two optimizers and two schedules that found 0.3; `changes` are fields of the result."""
    made = Maker()
    made.add(0.0, 1, role="untrained")
    for rate in (0.003, 0.03, 0.3, 60.0):
        made.add(rate, 5)
    for kind in ({"schedule": "linear"}, {"optimizer": "sgd"}):
        for rate in (0.03, 0.3):
            made.add(rate, 5, **kind)
    for rate in (0.1, 0.3, 0.9):
        for seed in (0, 1):
            made.add(rate, 20, seed, "bracket")
    policy = Policy("adamw", 0.3 * SCHEDULES["cosine"], settings={"weight_decay": 0.05}).over(HORIZON)
    fields = {
        "policy": policy,
        "rate": 0.3,
        "interval": (0.12, 0.7),
        "objective": 0.0123,
        "objective_interval": (0.011, 0.014),
        "curve": tuple(made.curve),
        "updates": sum(probe.cost for probe in made.curve),
        "findings": (
            Finding("edge of range", "warning", {"rate": 0.9, "high": 1.0}, "Widen the range."),
            Finding("extrapolated", "note", {"longest": 20}, "Give a budget of 3 to confirm it."),
        ),
        "traces": tuple(made.traces),
        "task": "descent",
        "name": "val_loss",
        "mode": "min",
        "horizon": HORIZON,
        "budget": 2.0,
        "schedule": "cosine",
        "untrained": 9.5,
        "runner_ups": rivals(),
        "more": "With 1 more full run it would be confirmed.",
    }
    return Result(**{**fields, **changes})


def rivals() -> tuple[RunnerUp, ...]:
    """One that cannot be told apart, and one that is worse."""
    tied = Policy("adamw", 0.3 * SCHEDULES["linear"]).over(HORIZON)
    worse = Policy("sgd", 0.03 * SCHEDULES["cosine"]).over(HORIZON)
    return (
        RunnerUp(tied, 0.3, 0.0125, 1.02, (0.97, 1.07), True),
        RunnerUp(worse, 0.03, 0.5, 40.0, None, False),
    )


def hopeless() -> Result:
    """A search whose every run diverged."""
    made = Maker()
    for rate in (5.0, 50.0):
        made.add(rate, 20)
    error = Finding("nothing trains", "error", {"lowest rate": 5.0}, "Lower the range.")
    nothing = (math.nan, math.nan)
    return searched(
        rate=math.nan,
        interval=nothing,
        objective=math.nan,
        objective_interval=nothing,
        curve=tuple(made.curve),
        traces=tuple(made.traces),
        updates=sum(probe.cost for probe in made.curve),
        findings=(error,),
        runner_ups=(),
        untrained=None,
        more="",
    )
