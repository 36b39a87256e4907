"""Numbers as the table says them, on paper and in the terminal alike."""

from __future__ import annotations

from ..comparison import Comparison, Difference, Row


def number(value: float | None) -> str:
    """Four digits, or nothing where there is no number."""
    return "" if value is None else f"{value:.4g}"


def interval(low: float | None, high: float | None) -> str:
    """`0.041 to 0.052`."""
    return "" if low is None or high is None else f"{low:.3g} to {high:.3g}"


def percent(gap: Difference) -> str:
    """A difference in percent of the best, with its sign; in the objective's unit where there is no such percentage."""
    share = gap.percent(gap.mean)
    if share is None:
        return f"{gap.mean:+.3g}"
    return f"{share:+.0f} %" if 100 <= abs(share) < 1e6 else f"{share:+.2g} %"


def noise_size(comparison: Comparison) -> str:
    """The noise of one run: in percent of the objective, or in its unit."""
    if comparison.noise is None:
        return ""
    return f"{100 * comparison.noise:.2g} %" if comparison.scale == "ratio" else f"{comparison.noise:.3g}"


def probability(p: float | None) -> str:
    """A corrected p value."""
    if p is None:
        return ""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def standing(row: Row, index: int) -> str:
    """What the table says about a policy: the best, tied with it, worse, or why it has no place."""
    if row.note:
        return row.note
    if index == 0:
        return "best mean"
    if row.difference is None or row.difference.p is None:
        return ""
    return "cannot be told apart" if row.tied else "worse"
