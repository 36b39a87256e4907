"""What the report of a search shows, read off its result: groups of probes, curves, what was stopped, what it cost."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..finder.results import Probe, Result, oriented
from ..runs import Mode
from ..trace import Trace

POINTS = 100
"""What a curve on a page has at most."""

CURVES = 200
"""How many runs a page shows as curves at most: those that came furthest."""

_MORE_IS_BETTER = ("acc", "return", "reward", "f1", "auc", "bleu", "precision", "recall", "score", "r2", "iou", "map")
_LESS_IS_BETTER = ("loss", "error", "perplexity", "ppl", "nll", "mse", "rmse", "mae", "entropy")

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Panel:
    """The probes of one optimizer and schedule, in the order they were made; `best` is the best of the longest ones."""

    optimizer: str
    schedule: str
    chosen: bool
    probes: tuple[Probe, ...]
    best: Probe | None

    @property
    def lines(self) -> dict[tuple[float, int], list[Probe]]:
        """(share, seed) -> the probes that can be compared with each other, by rate."""
        found: dict[tuple[float, int], list[Probe]] = {}
        for probe in sorted(self.probes, key=lambda probe: (probe.share, probe.seed, probe.rate)):
            found.setdefault((probe.share, probe.seed), []).append(probe)
        return found


@dataclasses.dataclass(frozen=True, eq=False)
class RunCurve:
    """One run from its start to where it came: its last probe, the panel it belongs to, and its thinned columns."""

    panel: int
    probe: Probe
    update: Floats
    loss: Floats
    evaluated: Floats
    objective: Floats


@dataclasses.dataclass(frozen=True)
class Stop:
    """A run that came to no good end: how many updates it made of those it was sent to, and why it ended."""

    probe: Probe
    made: int
    why: str


@dataclasses.dataclass(frozen=True)
class Cost:
    """What the runs of one role cost: `updates` with evaluations, and as a part of the budget."""

    role: str
    runs: int
    updates: float
    full: float
    share: float


@dataclasses.dataclass(frozen=True)
class Favourite:
    """The best rate by one of the values that evaluations gave, among the runs of one length."""

    name: str
    mode: Mode
    rate: float
    values: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Rivalry:
    """The best rates by several measures, among `rates` rates tried at this share of the full run."""

    share: float
    rates: int
    favourites: tuple[Favourite, ...]


def panels(result: Result) -> list[Panel]:
    """One for every optimizer and schedule: the chosen one first, then by the best objective of their longest runs.

    Runs at a rate of 0, which show what the model is before any training, belong to none.
    """
    groups: dict[tuple[str, str], list[Probe]] = {}
    for probe in result.curve:
        if probe.rate > 0:
            groups.setdefault((probe.optimizer, probe.schedule), []).append(probe)
    chosen = (result.policy.optimizer, result.schedule)
    made = [Panel(*key, key == chosen, tuple(probes), _best(probes, result.mode)) for key, probes in groups.items()]

    def place(panel: Panel) -> tuple[bool, float, float]:
        best = panel.best
        if best is None:
            return True, math.inf, math.inf
        return not panel.chosen, -best.share, oriented(best.objective, result.mode)

    return sorted(made, key=place)


def _best(probes: Sequence[Probe], mode: Mode) -> Probe | None:
    alive = [probe for probe in probes if math.isfinite(probe.objective)]
    return min(alive, key=lambda probe: (-probe.share, oriented(probe.objective, mode)), default=None)


def run_curves(result: Result, shown: Sequence[Panel]) -> tuple[list[RunCurve], int]:
    """Every run once, as far as it came, at most `CURVES` of them, and how many were left out."""
    last: dict[tuple[object, int, object], Probe] = {}
    for probe in result.curve:
        if probe.rate <= 0:
            continue
        trace = result.traces[probe.trace]
        key = (trace.policy, trace.seed, trace.meta.get("updates"))  # what a paused run and its continuation share
        if key not in last or len(trace) >= len(result.traces[last[key].trace]):
            last[key] = probe
    ordered = sorted(last.values(), key=lambda probe: -len(result.traces[probe.trace]))
    place = {(panel.optimizer, panel.schedule): index for index, panel in enumerate(shown)}
    curves = [
        _curve(place[probe.optimizer, probe.schedule], probe, result.traces[probe.trace], result.name)
        for probe in ordered[:CURVES]
    ]
    return curves, max(0, len(ordered) - CURVES)


def _curve(panel: int, probe: Probe, trace: Trace, objective: str) -> RunCurve:
    update, loss = thinned(trace.update.astype(np.float64), trace.loss)
    evaluated = trace.evaluations["update"].astype(np.float64)
    measured = trace.evaluations.get(objective, np.full(len(evaluated), math.nan))
    return RunCurve(panel, probe, update, loss, *thinned(evaluated, measured))


def thinned(x: Floats, y: Floats, points: int = POINTS) -> tuple[Floats, Floats]:
    """At most `points` points: means over stretches of equal length, with what is not finite left out of them."""
    if len(x) <= points:
        return x, y
    edges = np.linspace(0, len(x), points + 1).round().astype(int)
    finite = np.isfinite(y)
    counts = np.add.reduceat(finite.astype(np.float64), edges[:-1])
    sums = np.add.reduceat(np.where(finite, y, 0.0), edges[:-1])
    means = np.divide(sums, counts, out=np.full(points, math.nan), where=counts > 0)
    return np.add.reduceat(x, edges[:-1]) / np.diff(edges), means


def stops(result: Result) -> list[Stop]:
    """Runs that diverged, failed or were stopped, in the order they were made."""
    return [
        Stop(probe, len(result.traces[probe.trace]), result.traces[probe.trace].error or probe.ended)
        for probe in result.curve
        if probe.ended not in ("finished", "paused")
    ]


def paused(result: Result) -> int:
    """How many runs were paused and never continued."""
    curves, left_out = run_curves(result, panels(result))
    return sum(curve.probe.ended == "paused" for curve in curves) if not left_out else 0


def costs(result: Result) -> list[Cost]:
    """What each role cost, the dearest first."""
    runs: collections.Counter[str] = collections.Counter(probe.role for probe in result.curve)
    spent: dict[str, float] = collections.defaultdict(float)
    for probe in result.curve:
        spent[probe.role] += probe.cost
    budget = result.budget * result.horizon
    found = [
        Cost(role, runs[role], spent[role], spent[role] / result.horizon, spent[role] / budget if budget else math.nan)
        for role in runs
    ]
    return sorted(found, key=lambda cost: -cost.updates)


def rivalry(result: Result) -> Rivalry | None:
    """The best rates by every measure that the chosen optimizer's and schedule's evaluations gave; None for only one.

    They are compared among the longest runs of which there are at least three rates, each by its last evaluation,
    averaged over its seeds.
    """
    shown = [panel for panel in panels(result) if panel.chosen]
    if not shown:
        return None
    lengths = sorted({probe.share for probe in shown[0].probes}, reverse=True)
    for share in lengths:
        tables = _measured([probe for probe in shown[0].probes if probe.share == share], result)
        modes = {name: mode for name in _names(tables.values()) if (mode := _sense(name, result)) is not None}
        if len(tables) >= 3 and len(modes) >= 2:
            return Rivalry(
                share, len(tables), tuple(_favourite(name, mode, tables, modes) for name, mode in modes.items())
            )
    return None


def _measured(probes: Iterable[Probe], result: Result) -> dict[float, dict[str, float]]:
    """Rate -> what its last evaluations gave, averaged over the seeds; runs that diverged are left out."""
    gathered: dict[float, dict[str, list[float]]] = {}
    for probe in probes:
        if not math.isfinite(probe.objective):
            continue
        columns = result.traces[probe.trace].evaluations
        for name, column in columns.items():
            if name != "update" and len(column) and math.isfinite(column[-1]):
                gathered.setdefault(probe.rate, {}).setdefault(name, []).append(float(column[-1]))
    return {rate: {name: sum(all_) / len(all_) for name, all_ in row.items()} for rate, row in gathered.items()}


def _names(tables: Iterable[Mapping[str, float]]) -> list[str]:
    """What all of them have, in the order of the first."""
    rows = list(tables)
    return [name for name in (rows[0] if rows else {}) if all(name in row for row in rows)]


def _sense(name: str, result: Result) -> Mode | None:
    """Whether less or more of it is better; None where its name does not say."""
    if name == result.name:
        return result.mode
    low = name.lower()
    if any(word in low for word in _LESS_IS_BETTER):
        return "min"
    return "max" if any(word in low for word in _MORE_IS_BETTER) else None


def _favourite(
    name: str, mode: Mode, tables: Mapping[float, Mapping[str, float]], modes: Mapping[str, Mode]
) -> Favourite:
    rate = min(tables, key=lambda rate: oriented(tables[rate][name], mode))
    return Favourite(name, mode, rate, {each: tables[rate][each] for each in modes})
