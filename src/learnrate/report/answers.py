"""What a search found, in sentences: the same on a page and in a terminal."""

from __future__ import annotations

import math

from ..finder.results import Interval, Probe, Result, RunnerUp
from ..findings import Finding
from .words import number

_NAMES = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "nadam": "NAdam", "radam": "RAdam"}


def optimizer(name: str) -> str:
    """The name as people write it."""
    return _NAMES.get(name, name)


def rate(value: float) -> str:
    """A rate with three digits."""
    return f"{value:.3g}"


def span(interval: Interval, digits: int = 3) -> str:
    """`0.0041 to 0.0088`; nothing where it is not known."""
    low, high = interval
    return "" if math.isnan(low) or math.isnan(high) else f"{low:.{digits}g} to {high:.{digits}g}"


def answer(result: Result) -> str:
    """Which policy to train with and what to expect of it; or that there is no usable answer, and why."""
    if not result.sure:
        reason = next(finding for finding in result.findings if finding.severity == "error")
        return f"There is no rate for {result.task} that can be recommended: {reason.name}. {reason.advice}"
    settings = "".join(f", {name} {_setting(value)}" for name, value in result.policy.settings.items())
    return (
        f"Train {result.task} for {_count(result.horizon, 'update', 'updates')} with "
        f"{optimizer(result.policy.optimizer)}{settings}, under {result.schedule}, at a peak rate of "
        f"{rate(result.rate)}{_bracketed(result.interval)}: {result.name} {number(result.objective)}"
        f"{_bracketed(result.objective_interval)} is expected."
    )


def sureness(result: Result) -> str:
    """How sure that is, in a sentence or two."""
    tied = sum(runner.tied for runner in result.runner_ups)
    worst = "error" if not result.sure else "warning" if _severities(result) & {"warning"} else ""
    said = {
        "error": "A finding is an error: do not use this rate before it is dealt with.",
        "warning": "Mind the warnings.",
        "": "Nothing speaks against it.",
    }[worst]
    rivals = f" {_count(tied, 'other policy', 'other policies')} could not be told apart from it." if tied else ""
    cut = " The search was interrupted, and says what it knew then." if result.interrupted else ""
    return f"{said}{rivals}{cut}"


def spending(result: Result) -> str:
    """What it cost: `41 runs, 588 updates, 0.98 full runs of a budget of 1`."""
    runs = _count(len(result.curve), "run", "runs")
    return f"{runs}, {result.updates:,.0f} updates, {result.spent:.2f} full runs of a budget of {result.budget:g}"


def evidence(finding: Finding) -> str:
    """The numbers that prove a finding: `rate 0.1, updates 40`."""
    return ", ".join(f"{name} {value:.4g}" for name, value in finding.evidence.items())


def compared(runner: RunnerUp, mode: str) -> str:
    """How a runner-up's objective compares with the winner's: `+2.1 % (-0.5 to 4.7 %)`, or a difference."""
    if math.isnan(runner.ratio):
        return ""
    percent = mode == "min"
    unit = " %" if percent else ""

    def said(value: float) -> str:
        return f"{100 * (value - 1):+.2g}" if percent else f"{value:+.3g}"

    held = f" ({said(runner.interval[0])} to {said(runner.interval[1])}{unit})" if runner.interval else ""
    return f"{said(runner.ratio)}{unit}{held}"


def length(probe: Probe) -> str:
    """How long a run was, as a part of the full one: `full`, `1/24`, `0.31`."""
    if probe.share >= 1:
        return "full"
    part = round(1 / probe.share) if probe.share > 0 else 0
    return f"1/{part}" if part and math.isclose(probe.share * part, 1, rel_tol=0.02) else f"{probe.share:.2g}"


def _setting(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _bracketed(interval: Interval) -> str:
    text = span(interval)
    return f" (90 %: {text})" if text else ""


def _severities(result: Result) -> set[str]:
    return {finding.severity for finding in result.findings}


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
