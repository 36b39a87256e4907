"""The classic range test: one run under a rising rate, and what each known rule reads off its curve."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, TaskError
from ..findings import Finding
from ..policy import Policy, Setting
from ..runs import Run, Task, run
from ..schedule import Schedule
from ..schedules import Geometric, Linear
from ..spec import FrozenDict, Number, checked, shorten
from ..trace import Trace
from .priors import rate_range
from .rules import Fall, Reading, Smoothed, fall, suggest

Rising = Literal["exponential", "linear"]
Floats = NDArray[np.float64]

SHAPES: Mapping[str, Callable[[float, float, int], Schedule]] = FrozenDict(exponential=Geometric, linear=Linear)
"""How the rate may rise, and the schedule that does it."""

FEW = 17
"""Fewer points than this, and torch-lr-finder's rule gives no answer."""

_UPDATES = Number("", "updates", "", ge=2, whole=True)
_ABOVE = Number("", "times the lowest smoothed loss", "", gt=1)


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """What a range test showed.

    `trace` is the run; `rates` and `losses` are its columns, one entry per update, each loss measured before the
    update with that rate. `suggestions` maps the name of each rule to the rate it reads, a pair of rates for "smith",
    or None where it reads nothing; rules are in `learnrate.finder.rules`. `findings` say what is wrong with the curve.
    `planned` is how many updates it was meant to have, and `updates` what it cost in updates, evaluations included.

    Two are equal when all of that is; `to_json()` is plain data.
    """

    trace: Trace
    suggestions: Mapping[str, Reading]
    findings: tuple[Finding, ...]
    planned: int
    updates: float

    @property
    def rates(self) -> Floats:
        """The rate of every update, float64."""
        return self.trace.rate

    @property
    def losses(self) -> Floats:
        """The loss before every update, float64; the last may be NaN or infinite."""
        return self.trace.loss

    def to_json(self) -> dict[str, Any]:
        """Plain data; non-finite numbers as strings, the pair of "smith" as a list."""
        pairs = {name: list(read) if isinstance(read, tuple) else read for name, read in self.suggestions.items()}
        findings = [finding.to_json() for finding in self.findings]
        about = {"suggestions": pairs, "findings": findings, "planned": self.planned, "updates": self.updates}
        return about | {"trace": self.trace.to_json()}

    def __repr__(self) -> str:
        parts = [f"{len(self.trace)} of {self.planned} updates"]
        if len(self.trace):
            parts.append(f"rate {self.rates[0]:.3g} -> {self.rates[-1]:.3g}")
            parts.append(f"loss {self.losses[0]:.4g} -> {self.losses[-1]:.4g}")
        return f"RangeTest({', '.join(parts)})"


def range_test(
    task: Task,
    optimizer: str = "adamw",
    low: float | None = None,
    high: float | None = None,
    updates: int = 100,
    seed: int = 0,
    rising: Rising = "exponential",
    settings: Mapping[str, Setting] = FrozenDict(),
    stop_above: float | None = 4.0,
    *,
    on_update: Callable[[Run], None] | None = None,
) -> RangeTest:
    """Run a task once while its rate rises from `low` to `high`, and read the curve by every known rule.

    The rate of the first update is `low` and that of the last is `high`; left out, they are those of the optimizer in
    `learnrate.finder.priors`. `rising` is "exponential" (equal ratios) or "linear" (Smith's original). The test ends
    by itself when the loss is not finite, or when its moving average (as fastai's: 2 % of each new loss, corrected for
    the start) is above `stop_above` times its lowest; for losses below zero, where a ratio means nothing, above the
    lowest by so many times the fall. None lets it go on. `settings` are the other settings of the optimizer. The task
    is started anew and left as it was: nothing of the test remains in it. No evaluation is asked for or needed.

    After a loss that is not finite the rules are shown NaN for the updates that were not made, since the packages go on
    and see just that.

    A range test knows nothing of the schedule, the length or the metric of the run that is to come; `find` does.

    Raises `ParameterError` for a range, length or limit that cannot be, `UsageError` for what is no task, `TaskError`
    for a task that breaks the run protocol or fails before its first update; a later failure is the finding "failed".

    Source: Smith, 2017, arXiv:1506.01186; the exponential rise and the limit are fastai's.

    >>> from learnrate.runs import task
    >>> @task(updates=200, objective="height")
    ... def bowl(policy, seed):
    ...     x = 8.0
    ...     for t in range(200):
    ...         loss, x = x * x / 2, x - policy.lr(t) * x
    ...         if (yield {"loss": loss}) == "evaluate":
    ...             yield {"height": x * x / 2}
    >>> test = range_test(bowl, "sgd", low=1e-3, high=100)
    >>> test
    RangeTest(84 of 100 updates, rate 0.001 -> 15.6, loss 32 -> 9.159e+04)
    >>> test.suggestions["steepest"], test.suggestions["minimum"]
    (0.132, 0.87)
    """
    lowest, highest = _range(rate_range(optimizer), low, high, rising)
    planned = checked("updates", updates, _UPDATES)
    limit = math.inf if stop_above is None else checked("stop_above", stop_above, _ABOVE)
    schedule = SHAPES[rising](lowest, highest, planned - 1)
    watch = _Watch(planned, limit, on_update)
    trace = run(task, Policy(optimizer, schedule, settings), seed, planned, on_update=watch)
    if trace.ended == "failed" and not len(trace):
        broken = TaskError(f"the range test of {task.name!r} failed before its first update: {trace.error}")
        broken.trace = trace
        raise broken
    if trace.ended == "stopped" and len(trace) == planned:
        trace = trace.replace(ended="finished")  # it was closed there only to spare the evaluation
    cost = len(trace) + len(trace.evaluations["update"]) * task.evaluation
    return read_range_test(trace, planned, cost)


def read_range_test(trace: Trace, planned: int | None = None, updates: float | None = None) -> RangeTest:
    """Read the trace of a run under a rising rate, for example one that was kept in a file.

    `planned` is how many updates it was meant to have (left out: what its `meta["updates"]` says, else those it has),
    and `updates` what it cost (left out: the updates it has).

    >>> import numpy as np
    >>> rates = np.geomspace(1e-5, 1, 60)
    >>> test = read_range_test(Trace(range(60), rates, 1 / (1 + rates * 100)))
    >>> test.suggestions["minimum"], [finding.name for finding in test.findings]
    (0.0377, ['edge of range'])
    """
    meant = trace.meta.get("updates", len(trace)) if planned is None else planned
    rates, losses = _as_packages_see(trace, meant)
    spent = float(len(trace) if updates is None else updates)
    return RangeTest(trace, FrozenDict(suggest(rates, losses)), _findings(trace, meant), meant, spent)


class _Watch:
    """Ends a run at its last update, and before it where the loss has exploded."""

    def __init__(self, planned: int, above: float, then: Callable[[Run], None] | None) -> None:
        self.planned, self.above, self.then = planned, above, then
        self.average = Smoothed()
        self.first = self.best = math.nan

    def __call__(self, live: Run) -> None:
        assert live.loss is not None
        value = self.average.add(live.loss)
        if live.t == 1:
            self.first = value
        self.best = min(value, self.best) if live.t > 1 else value
        if self.then is not None:
            self.then(live)
        if live.t >= self.planned or value > self.limit:
            live.close()

    @property
    def limit(self) -> float:
        """`above` times the lowest; where that is not positive, as far above it in units of the fall."""
        scale = self.best if self.best > 0 else max(self.first - self.best, -self.best)
        return self.best + (self.above - 1) * scale if scale > 0 else math.inf


def _as_packages_see(trace: Trace, planned: int) -> tuple[Floats, Floats]:
    """The curve with the rates that were planned, and NaN for what follows a loss that is not finite."""
    made = len(trace)
    if trace.policy is None or planned <= made:
        return trace.rate, trace.loss
    rest = np.asarray(trace.policy.lr(np.arange(made, planned)), dtype=np.float64)
    lost = np.full(planned - made if trace.ended == "diverged" else 0, math.nan)
    return np.concatenate([trace.rate, rest]), np.concatenate([trace.loss, lost])


def _findings(trace: Trace, planned: int) -> tuple[Finding, ...]:
    """What is wrong with a curve, the worst first."""
    made, seen = len(trace), fall(trace.loss)
    found = [_ending(trace, planned)]
    if made < FEW:
        advice = "Make more updates, or start and end at lower rates, so that more of them come before the explosion."
        found.append(Finding("too few points", "warning", {"points": made, "needed": FEW}, advice))
    elif seen is None:
        advice = "Widen the range or make more updates; do not use the rates that the rules still name."
        found.append(Finding("not falling", "warning", _heights(trace), advice))
    elif trace.ended == "finished" and _at_the_edge(seen):
        evidence = {"rate": float(trace.rate[seen.at]), **_heights(trace)}
        found.append(Finding("edge of range", "warning", evidence, "The loss still falls at `high`: raise it."))
    return tuple(finding for finding in found if finding is not None)


def _ending(trace: Trace, planned: int) -> Finding | None:
    """How a test ended that was meant to go on."""
    made = len(trace)
    if trace.ended == "finished" or (made >= planned and trace.ended != "failed"):
        return None
    evidence = {"updates": made, "planned": planned, "rate": float(trace.rate[-1]) if made else math.nan}
    if trace.ended == "failed":
        return Finding("failed", "error", evidence, f"Mend the task: {trace.error}.")
    early = made < planned / 2
    advice = "Lower `high` to spend more of the updates on rates that train." if early else "The rest is divergence."
    return Finding("ended early", "warning" if early else "note", evidence, advice)


def _at_the_edge(seen: Fall) -> bool:
    """Whether the lowest average is among the last twentieth of the points."""
    return seen.at >= len(seen.average) - 1 - len(seen.average) // 20


def _heights(trace: Trace) -> dict[str, float]:
    finite = trace.loss[np.isfinite(trace.loss)]
    return {"first loss": float(trace.loss[0]), "lowest loss": float(finite.min(initial=math.inf))}


def _range(usual: tuple[float, float, float], low: Any, high: Any, rising: Any) -> tuple[float, float]:
    """The lowest and highest rate, checked."""
    if rising not in SHAPES:
        raise ParameterError(f"rising must be one of {', '.join(map(repr, SHAPES))}, got {shorten(rising)}")
    rule = Number("", "rate", "", gt=0) if rising == "exponential" else Number("", "rate", "", ge=0)
    lowest = usual[0] if low is None else checked("low", low, rule)
    highest = usual[2] if high is None else checked("high", high, rule)
    if lowest >= highest:
        chosen = [f"{name}={value:g}" for name, value in (("low", lowest), ("high", highest))]
        raise ParameterError(f"low must be < high (rate), got {chosen[0]} and {chosen[1]}; give both")
    return lowest, highest


__all__ = ["RangeTest", "range_test", "read_range_test"]
