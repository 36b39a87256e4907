"""Runs by policy, and how each of them came out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..errors import UsageError
from ..trace import Trace
from .values import Outcome

Runs = Iterable[Trace] | Mapping[str, Iterable[Trace]]


def grouped(traces: Runs) -> dict[str, list[Trace]]:
    """Name -> the runs of one policy, sorted by seed."""
    groups: dict[str, list[Trace]] = {}
    if isinstance(traces, Mapping):
        groups = {str(name): list(runs) for name, runs in traces.items()}
    else:
        for trace in traces:
            groups.setdefault(repr(trace.policy), []).append(trace)
    groups = {name: sorted(runs, key=lambda trace: trace.seed) for name, runs in groups.items() if runs}
    if not groups:
        raise UsageError("nothing to compare: give at least one trace")
    for name, runs in groups.items():
        seeds = [trace.seed for trace in runs]
        if len(set(seeds)) != len(seeds):
            raise UsageError(f"{name} has two runs with one seed: {seeds}; give one trace per policy and seed")
    return groups


def idle(groups: Mapping[str, Sequence[Trace]]) -> dict[str, str]:
    """Name -> the policy that it only repeats: equal to it but for the feedback, and exactly alike in every number."""
    plain = {
        runs[0].policy: name for name, runs in groups.items() if runs[0].policy and runs[0].policy.feedback is None
    }
    found: dict[str, str] = {}
    for name, runs in groups.items():
        policy = runs[0].policy
        if policy is None or policy.feedback is None:
            continue
        twin = plain.get(policy.replace(feedback=None))
        if twin is not None and _alike(runs, groups[twin]):
            found[name] = twin
    return found


def _alike(runs: Sequence[Trace], others: Sequence[Trace]) -> bool:
    """Whether two policies did exactly the same on every seed that both have."""
    by_seed = {trace.seed: trace for trace in others}
    pairs = [(trace, by_seed[trace.seed]) for trace in runs if trace.seed in by_seed]
    return bool(pairs) and all(
        a.objective == b.objective
        and len(a) > 0
        and np.array_equal(a.loss, b.loss, equal_nan=True)
        and np.array_equal(a.rate, b.rate, equal_nan=True)
        for a, b in pairs
    )


def outcome(trace: Trace) -> Outcome:
    """Whether a run has a final objective to compare, and if not, why."""
    if trace.ended in ("diverged", "failed"):
        return "diverged" if trace.ended == "diverged" else "failed"
    if trace.ended != "finished" or trace.objective is None:
        return "unfinished"
    return "converged" if math.isfinite(trace.objective) else "diverged"
