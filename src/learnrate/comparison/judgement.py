"""Which policies can be told apart from the best."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import ParameterError, TaskError
from ..runs import Mode, check_pairing
from ..trace import Trace
from .grouping import Runs, grouped, idle, outcome
from .student import t_quantile, t_tail
from .values import Comparison, Difference, Outcome, Row, Scale
from .wording import HUGE, count, idleness

_RANKS: tuple[Outcome, ...] = ("converged", "idle", "unfinished", "diverged", "failed")
FIRST = "first_in_its_process"
"""In a trace's `meta`: true for a run whose time also counts what its process loaded and warmed up."""

_SAME = 1e-12  # what is closer than this, relative to the largest, differs by rounding alone


def compare(traces: Runs, mode: Mode | None = None, level: float = 0.95, scale: Scale | None = None) -> Comparison:
    """Rank policies by their final objective and say which can be told apart from the best.

    Give traces of several policies on common seeds, or a mapping from a name of your choice to the traces of one
    policy; `mode` is "min" or "max", or the task's own when left out. Differences to the best are paired by seed; their
    variance is pooled over the policies that converged (residual of the two-way layout, (P - 1)(S - 1) degrees of
    freedom when complete); the P - 1 comparisons are corrected by Holm's step-down procedure (Holm 1979, Scandinavian
    Journal of Statistics 6). Policies that diverged or failed are listed last and never touch the variance; where runs
    are missing, each pair uses the seeds it shares. A policy with feedback that did exactly what the same policy
    without it did is "idle": its rule was never reported to, or never acted. It is listed with that note and counts
    neither as a rival nor in the noise.

    `scale` is what differences are tested on. "ratio" (of logarithms; the default for positive objectives of which less
    is better, such as losses) takes the noise to be proportional to the objective, as it is when policies end at losses
    of different magnitudes. "difference" (the default otherwise) takes it to be equal in the objective's own unit;
    there one policy that hardly trains, and jumps about at a high loss, would hide every difference between good ones.

    Two things to know. The best is chosen by the same data that judge it (multiple comparisons with the best, Hsu
    1981): a *single winner* that is no better than its rivals is named in at most `1 - level` of such comparisons,
    because it must beat even the closest rival; that *some* equally good policy is left out of the group happens more
    often (simulated with 3 seeds: 6 % of the time for 5 policies that are all equal, 9 % for 10, 14 % for 20), so read
    "worse" of a single row with its interval. And the noise, on its scale, is taken to be equal for all policies that
    converged: one that is noisier than the others is judged too sure of itself, and the others not sure enough.

    Raises `UsageError` without traces, `ParameterError` for a `mode`, `level` or `scale` that cannot be, and
    `TaskError` when the first losses of one seed differ between policies, because then nothing was paired.

    >>> import numpy as np
    >>> def ended(objective, seed):
    ...     return Trace(np.arange(1), np.ones(1), np.ones(1), objective=objective, seed=seed, meta={"task": "toy"})
    >>> comparison = compare({
    ...     "cosine": [ended(0.30, 0), ended(0.33, 1), ended(0.36, 2)],
    ...     "fixed": [ended(0.40, 0), ended(0.42, 1), ended(0.47, 2)],
    ... })
    >>> print(comparison.verdict)
    "cosine" is best: objective 0.33; "fixed" ends 30 % higher, interval 23 to 38 % (p = 0.0026, 3 seeds).
    """
    groups = grouped(traces)
    meta = next((trace.meta for runs in groups.values() for trace in runs if "objective" in trace.meta), {})
    mode = mode or meta.get("mode", "min")
    if mode not in ("min", "max"):
        raise ParameterError(f"mode must be 'min' or 'max', got {mode!r}")
    if not 0.5 <= level < 1:
        raise ParameterError(f"level must be >= 0.5 and < 1, got {level!r}")
    unpaired = check_pairing(trace for runs in groups.values() for trace in runs)
    if unpaired is not None:
        raise TaskError(str(unpaired).removeprefix("error: "))
    rows = _rows(groups, level)
    sign = 1.0 if mode == "min" else -1.0
    scale = _scale(rows, mode, scale)
    converged = [row for row in rows if row.outcome == "converged"]
    effects, _, _ = _layout([_cells(row) for row in converged])
    _, noise, degrees = _layout([_scaled(row, scale) for row in converged])
    order = iter(effects)
    keys = [sign * next(order) if row.outcome == "converged" else -float(len(_cells(row))) for row in rows]
    ranked = sorted(range(len(rows)), key=lambda i: (_RANKS.index(rows[i].outcome), keys[i]))
    judged = _judge([rows[i] for i in ranked], _Judge(scale, sign, level, noise, degrees))
    return Comparison(
        rows=tuple(judged),
        task=str(meta.get("task", "the task")),
        objective=str(meta.get("objective", "objective")),
        mode=mode,
        level=level,
        scale=scale,
        noise=noise,
        degrees=degrees,
    )


def _rows(groups: Mapping[str, Sequence[Trace]], level: float) -> list[Row]:
    """A row for every policy; those that only repeat another one are set apart."""
    rows = [_row(name, runs, level) for name, runs in groups.items()]
    twins = idle(groups)
    return [
        dataclasses.replace(row, outcome="idle", note=idleness(twins[row.name]))
        if row.outcome == "converged" and row.name in twins
        else row
        for row in rows
    ]


def _row(name: str, runs: Sequence[Trace], level: float) -> Row:
    outcomes = [outcome(trace) for trace in runs]
    worst = max(outcomes, key=_RANKS.index)
    if worst == "unfinished" and "converged" in outcomes:  # an interrupted run is missing, not bad
        runs = [trace for trace, each in zip(runs, outcomes, strict=True) if each == "converged"]
        worst = "converged"
    objectives = tuple(trace.objective if outcome(trace) == "converged" else None for trace in runs)
    mean = low = high = None
    if worst == "converged":
        values = np.array(objectives, dtype=float)
        mean = float(values.mean())
        if len(values) > 1:
            half = t_quantile(level, len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))
            low, high = mean - half, mean + half
    return Row(
        name=name,
        policy=runs[0].policy,
        outcome=worst,
        seeds=tuple(trace.seed for trace in runs),
        objectives=objectives,
        mean=mean,
        low=low,
        high=high,
        seconds=_seconds(runs),
        note=_note(worst, runs),
    )


def _seconds(runs: Sequence[Trace]) -> float:
    """The median time; what loads and warms up in the first run of a process is no cost of a policy."""
    warm = [trace.seconds for trace in runs if not trace.meta.get(FIRST)]
    return float(np.median(warm or [trace.seconds for trace in runs]))


def _note(worst: Outcome, runs: Sequence[Trace]) -> str:
    if worst == "converged":
        return ""
    bad = [trace for trace in runs if outcome(trace) == worst]
    error = next((trace.error for trace in bad if trace.error), "")
    return f"{worst} in {len(bad)} of {count(len(runs), 'run')}" + (f": {error}" if error else "")


def _cells(row: Row) -> dict[int, float]:
    """Seed -> objective, for the runs that have one."""
    return {seed: value for seed, value in zip(row.seeds, row.objectives, strict=True) if value is not None}


def _scale(rows: Sequence[Row], mode: Mode, asked: Scale | None) -> Scale:
    """The scale that was asked for, or the usual one."""
    positive = all(value > 0 for row in rows if row.outcome == "converged" for value in _cells(row).values())
    if asked == "ratio" and not positive:
        raise ParameterError("scale='ratio' needs positive objectives; use scale='difference'")
    if asked not in (None, "ratio", "difference"):
        raise ParameterError(f"scale must be 'ratio', 'difference' or None, got {asked!r}")
    return asked or ("ratio" if positive and mode == "min" else "difference")


def _layout(cells: Sequence[Mapping[int, float]]) -> tuple[list[float], float | None, int]:
    """Least squares for `policy + seed + residual`: the policy effects, the residual deviation, its degrees of freedom.

    Some cells may be missing; a complete table gives plain means and (P - 1)(S - 1) degrees of freedom.
    """
    seeds = sorted({seed for row in cells for seed in row})
    pairs = [(p, seeds.index(seed), value) for p, row in enumerate(cells) for seed, value in row.items()]
    if not pairs:
        return [], None, 0
    design = np.zeros((len(pairs), len(cells) + len(seeds)))
    for index, (p, s, _) in enumerate(pairs):
        design[index, [p, len(cells) + s]] = 1.0
    values = np.array([value for _, _, value in pairs])
    size = float(np.abs(values).max()) or 1.0
    solution, _, rank, _ = np.linalg.lstsq(design, values / size, rcond=None)
    degrees = len(pairs) - int(rank)
    residual = values / size - design @ solution
    deviation = math.sqrt(float(residual @ residual) / degrees) if degrees else 0.0
    noise = (0.0 if deviation <= _SAME else deviation * size) if degrees else None
    return [float(effect) for effect in solution[: len(cells)]], noise, degrees


def _judge(rows: Sequence[Row], judge: _Judge) -> list[Row]:
    """Each row with its difference to the best (the first one), corrected by Holm, and whether it is told apart."""
    judged = list(rows)
    if rows[0].outcome != "converged":
        return judged
    judged[0] = dataclasses.replace(rows[0], tied=True)
    rivals = [i for i, row in enumerate(rows) if i and row.outcome == "converged"]
    shared = {i: sorted(set(_cells(rows[i])) & set(_cells(rows[0]))) for i in rivals}
    gaps = {i: judge.mean(rows[i], shared[i]) - judge.mean(rows[0], shared[i]) for i in rivals if shared[i]}
    raw = {i: judge.p(gap, len(shared[i])) for i, gap in gaps.items()} if judge.noise is not None else {}
    tested = _holm(raw, 1 - judge.level)
    for i in rivals:
        p, alpha = tested.get(i, (None, None))
        gap = gaps.get(i)  # without a seed in common nothing says that a policy is worse
        difference = None if gap is None else judge.difference(rows[i], rows[0], shared[i], gap, p, alpha)
        worse = p is not None and p <= 1 - judge.level and judge.sign * (gap or 0.0) > 0
        judged[i] = dataclasses.replace(rows[i], difference=difference, tied=not worse)
    return judged


@dataclasses.dataclass(frozen=True)
class _Judge:
    """How differences are measured and tested: on which scale, and against how much noise."""

    scale: Scale
    sign: float
    level: float
    noise: float | None
    degrees: int

    def mean(self, row: Row, seeds: Sequence[int]) -> float:
        """The mean on the scale of the test."""
        cells = _scaled(row, self.scale)
        return math.fsum(cells[seed] for seed in seeds) / len(seeds)

    def error(self, seeds: int) -> float:
        """The standard error of a difference over so many seeds."""
        return (self.noise or 0.0) * math.sqrt(2 / seeds)

    def p(self, gap: float, seeds: int) -> float:
        """Two-sided, not corrected."""
        if abs(gap) <= _SAME:
            return 1.0
        return t_tail(gap / self.error(seeds), self.degrees) if self.noise else 0.0

    def difference(
        self, row: Row, best: Row, seeds: Sequence[int], gap: float, p: float | None, alpha: float | None
    ) -> Difference:
        """The gap in the unit of the objective, with the interval of the level `alpha` at which it was tested."""
        own, base = (math.fsum(_cells(each)[seed] for seed in seeds) / len(seeds) for each in (row, best))
        low = high = None
        if alpha is not None:
            half = t_quantile(1 - alpha, self.degrees) * self.error(len(seeds))
            low, high = (self._in_unit(end, base) for end in (gap - half, gap + half))
        return Difference(own - base, low, high, p, base, tuple(seeds))

    def _in_unit(self, gap: float, base: float) -> float:
        return base * math.expm1(min(gap, HUGE)) if self.scale == "ratio" else gap


def _scaled(row: Row, scale: Scale) -> dict[int, float]:
    return {seed: math.log(value) if scale == "ratio" else value for seed, value in _cells(row).items()}


def _holm(raw: Mapping[int, float], alpha: float) -> dict[int, tuple[float, float]]:
    """Index -> the corrected p value, and the level at which the step-down procedure tested it."""
    result: dict[int, tuple[float, float]] = {}
    highest, stopped = 0.0, 0
    for done, (index, p) in enumerate(sorted(raw.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, p * (len(raw) - done)))
        stopped = stopped or (len(raw) - done if highest > alpha else 0)
        result[index] = (highest, alpha / (stopped or len(raw) - done))
    return result
