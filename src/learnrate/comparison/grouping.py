"""Runs by policy, and how each of them came out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

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


def outcome(trace: Trace) -> Outcome:
    """Whether a run has a final objective to compare, and if not, why."""
    if trace.ended in ("diverged", "failed"):
        return "diverged" if trace.ended == "diverged" else "failed"
    if trace.ended != "finished" or trace.objective is None:
        return "unfinished"
    return "converged" if math.isfinite(trace.objective) else "diverged"
