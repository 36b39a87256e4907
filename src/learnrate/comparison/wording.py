"""What a comparison says, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .student import t_quantile

if TYPE_CHECKING:
    from .values import Comparison, Row

HUGE = 500.0
"""The logarithm of a ratio that no objective needs."""


def verdict(comparison: Comparison) -> str:
    """The winner, or the group that cannot be told apart, by how much and how sure, and what has no rank."""
    sentences = [_finding(comparison)]
    for outcome, verb in (("unfinished", "did not finish"), ("diverged", "diverged"), ("failed", "failed")):
        rows = [row for row in comparison.rows if row.outcome == outcome]
        if rows:
            sentences.append(f"{count(len(rows), 'policy')} {verb}: {_listed(rows)}.")
    sentences += [f'"{row.name}" is left out: {row.note}.' for row in comparison.rows if row.outcome == "idle"]
    return " ".join(sentences)


def idleness(twin: str) -> str:
    """Why a policy with feedback that only repeats another one is no rival of it."""
    return (
        f'it trained exactly as "{twin}" did, so its rule was never reported to or never acted; '
        "report the metric with scheduler.observe(metric)"
    )


def _finding(comparison: Comparison) -> str:
    best, rivals = comparison.best, comparison.converged[1:]
    if best is None:
        return "No policy converged, so there is nothing to rank."
    value = f"{comparison.objective} {best.mean:.4g}"
    if not rivals:
        return f'Only "{best.name}" converged ({value}); there is nothing to compare it with.'
    if comparison.noise is None:
        return (
            f'"{best.name}" has the best mean ({value}; {_behind(rivals[0])}), but with '
            f"{count(len(comparison.seeds), 'seed')} nothing can be said about noise: run at least 3 seeds."
        )
    seeds = count(len(comparison.seeds), "seed")
    if comparison.winner:
        closest = max(rivals, key=lambda row: -1.0 if row.difference is None else row.difference.p or 0.0)
        correction = f", Holm's correction for {len(rivals)} comparisons" if len(rivals) > 1 else ""
        return f'"{best.name}" is best: {value}; {_behind(closest)} ({_sureness(closest)}{correction}, {seeds}).'
    others = len(comparison.converged) - len(comparison.group)
    rest = f" The other {others} that converged are worse." if others > 1 else ""
    rest = f' The other one that converged, "{rivals[-1].name}", is worse.' if others == 1 else rest
    return (
        f"{len(comparison.group)} policies cannot be told apart with {seeds}: {_listed(comparison.group)}. "
        f'"{best.name}" has the best mean ({value}; {_behind(rivals[0])}); {_resolution(comparison)}.{rest}'
    )


def _sureness(rival: Row) -> str:
    p = rival.difference.p if rival.difference else None
    return "" if p is None else "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def _behind(rival: Row) -> str:
    """By how much a rival is behind the best: `"cosine" ends 30 % higher, interval 2.1 to 66 %`."""
    gap = rival.difference
    if gap is None:
        return f'"{rival.name}" ran on other seeds'
    if gap.mean == 0 and gap.low == gap.high:
        return f'"{rival.name}" ends exactly there too'
    side, word = (1, "higher") if gap.mean >= 0 else (-1, "lower")
    unit, suffix = (100 / gap.base, " %") if gap.base > 0 else (1.0, "")
    text = f'"{rival.name}" ends {_short(abs(gap.mean) * unit)}{suffix} {word}'
    if gap.low is None or gap.high is None or gap.low == gap.high:
        return text
    low, high = sorted(side * unit * end for end in (gap.low, gap.high))
    return f"{text}, interval {_short(low)} to {_short(high)}{suffix}"


def _short(value: float) -> str:
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.2g}"


def _resolution(comparison: Comparison) -> str:
    """The smallest gap between two policies that these runs would have shown."""
    assert comparison.noise is not None and comparison.best is not None and comparison.best.mean is not None
    gap = t_quantile(comparison.level, comparison.degrees) * comparison.noise
    gap *= math.sqrt(2 / len(comparison.best.seeds))
    mean = comparison.best.mean
    if comparison.scale == "ratio":
        size = f"{_short(100 * math.expm1(min(gap, HUGE)))} %"
    else:
        size = f"{_short(100 * gap / mean)} %" if mean > 0 else _short(gap)
    return f"with this noise a gap under {size} stays invisible"


def _listed(rows: Sequence[Row]) -> str:
    names = [f'"{row.name}"' for row in rows]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def count(number: int, noun: str) -> str:
    """`3 policies`."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number} {noun if number == 1 else plural}"
