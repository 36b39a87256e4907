"""What the runs looked like, thinned for a figure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..trace import Trace
from .grouping import Runs, grouped, outcome


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """What a policy's runs looked like, thinned for a figure: pairs of updates and values.

    The rate is that of the first seed; the loss is averaged over stretches of updates and over the seeds; the objective
    is the mean over the seeds that were evaluated at that update.
    """

    name: str
    converged: bool
    update: NDArray[np.int64]
    rate: NDArray[np.float64]
    averaged: NDArray[np.float64]
    loss: NDArray[np.float64]
    evaluated: NDArray[np.float64]
    objective: NDArray[np.float64]


def curves(traces: Runs, objective: str, points: int = 150) -> tuple[Curve, ...]:
    """The runs of every policy as curves of at most `2 * points` points; `objective` names the evaluation to show."""
    return tuple(_curve(name, runs, objective, points) for name, runs in grouped(traces).items())


def _curve(name: str, runs: Sequence[Trace], objective: str, points: int) -> Curve:
    first, longest = runs[0], max(1, *(len(trace) for trace in runs))
    shown = np.unique(np.linspace(0, max(len(first) - 1, 0), min(2 * points, len(first))).round().astype(int))
    bins = min(points, longest)
    stretches = [np.arange(len(trace)) * bins // longest for trace in runs]
    counts = sum((np.bincount(each, minlength=bins) for each in stretches), np.zeros(bins))
    sums = np.zeros(bins)
    with np.errstate(all="ignore"):  # a run that diverged is drawn up to where its numbers end
        for trace, stretch in zip(runs, stretches, strict=True):
            sums += np.bincount(stretch, weights=trace.loss, minlength=bins)
    pooled: dict[float, list[float]] = {}
    for trace in runs:
        column = trace.evaluations.get(objective, ())
        for update, value in zip(trace.evaluations["update"] if len(column) else (), column, strict=True):
            if math.isfinite(value):
                pooled.setdefault(float(update), []).append(float(value))
    evaluated = sorted(pooled)
    return Curve(
        name=name,
        converged=all(outcome(trace) == "converged" for trace in runs),
        update=first.update[shown],
        rate=first.rate[shown],
        averaged=(np.arange(bins) + 0.5) * longest / bins,
        loss=sums / np.maximum(counts, 1),
        evaluated=np.array(evaluated),
        objective=np.array([np.mean(pooled[update]) for update in evaluated]),
    )
