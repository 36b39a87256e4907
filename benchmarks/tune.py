"""How far from the best a chosen rate is: `find`, `tune` and their rivals, scored against recorded full-length runs.

Regret is the smoothed objective at the chosen rate over the best of the oracle, minus 1; where more is better, the part
of what there was to gain that was lost. Every answer is cached in a scratch file, so that an interrupted benchmark goes
on where it stopped; `--fresh` forgets, and so does a change to the sources of the library's own searches.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import cases
import methods
import oracle
import record
from cases import Case
from methods import Answer, Method
from surface import Surface

BARS = {"find, 1 run": (0.03, 0.30), "tune, 4 runs": (0.015, 0.16), "tune, 8 runs": (0.012, 0.13)}
"""Median and 90th percentile of the regret that each must not pass."""
HOLDS, FACTOR = 0.80, 4.0
"""How often the interval of `find` must hold a rate within the oracle's noise of its best, and its median width."""


class Score(NamedTuple):
    """One answer against the oracle: regret, whether its interval holds a rate as good as the best, how wide it is."""

    case: str
    method: str
    seed: int
    rate: float | None
    regret: float
    holds: bool | None
    width: float | None
    runs: float


class Cache:
    """Answers by (case, its task's signature, method and its version, seed); a file that only grows."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self.path = path
        if fresh:
            path.unlink(missing_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._held = {line["key"]: line for line in map(_parsed, lines) if line is not None}

    def answer(self, case: Case, method: Method, seed: int) -> Answer:
        """What the method answers: as remembered, or now."""
        key = json.dumps([case.name, _signed(case), str(case.policy(1.0)), method.name, method.version, seed])
        if key not in self._held:
            started = time.process_time()
            given = method.choose(case, seed)
            line = {"key": key, **given.__dict__, "cpu": round(time.process_time() - started, 3)}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            self._held[key] = line
        held = self._held[key]
        return Answer(held["rate"], held["updates"], tuple(held["interval"]) if held["interval"] else None)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--set", choices=list(cases.SETS), default="development", dest="set_name")
    options.add_argument("--methods", nargs="*", default=[], help="parts of the names of the methods to score")
    options.add_argument("--seeds", type=int, default=5, help="searches per case (5)")
    options.add_argument("--cases", action="store_true", help="also print the regret case by case")
    options.add_argument("--fresh", action="store_true", help="forget what has been cached")
    options.add_argument("--save", action="store_true", help="also write the tables to benchmarks/results")
    options.add_argument("names", nargs="*", metavar="CASE")
    given = options.parse_args()
    torch.set_num_threads(1)
    scratch = Path(tempfile.gettempdir()) / f"learnrate_tune_{given.set_name}.jsonl"
    asked = cases.chosen(given.set_name, given.names)
    text = benchmark(
        asked, list(methods.chosen(given.methods).values()), given.seeds, Cache(scratch, fresh=given.fresh), given.cases
    )
    packages = ("learnrate", "torch", "optuna", "scipy", "scikit-learn")
    name = "tune" if given.set_name == "scored" else f"tune_{given.set_name}"
    record.publish(name, text, save_it=given.save, packages=packages)


def benchmark(
    asked: Iterable[Case],
    rivals: Sequence[Method],
    seeds: int,
    cache: Cache,
    by_case: bool = False,
    load: Callable[[Case], Surface] = oracle.load,
) -> str:
    """The tables. Search seeds are 100 apart, so that no two searches of a case train with the same seed."""
    surfaces = {case.name: (case, load(case)) for case in asked}
    scores: list[Score] = []
    for case, surface in surfaces.values():
        for method in rivals:
            scores.extend(
                score(case, surface, method, seed, cache.answer(case, method, seed))
                for seed in range(0, 100 * seeds, 100)
            )
            print(f"{case.name}, {method.name}: {_regrets(scores[-seeds:])}", file=sys.stderr, flush=True)
    texts = []
    for maximised, title in ((False, "minimised"), (True, "maximised")):
        kept = {name: surface for name, (case, surface) in surfaces.items() if case.maximised == maximised}
        if kept:
            texts.append(summary(title, kept, [each for each in scores if each.case in kept], seeds))
        if kept and by_case:
            texts.append(detail(title, kept, scores))
    return "\n".join(texts)


def score(case: Case, surface: Surface, method: Method, seed: int, answer: Answer) -> Score:
    """An answer against the oracle; no answer is worth as much as an untrained model."""
    regret = surface.untrained_regret if answer.rate is None else surface.regret(answer.rate)
    holds = width = None
    if answer.interval is not None and method.budget:
        low, high = surface.within
        holds = answer.interval[0] <= high and low <= answer.interval[1]
        width = answer.interval[1] / answer.interval[0]
    runs = answer.updates / case.task.updates
    return Score(case.name, method.name, seed, answer.rate, regret, holds, width, runs)


def summary(title: str, surfaces: dict[str, Surface], scores: Sequence[Score], seeds: int) -> str:
    """One row per method over all cases and seeds, the perfect chooser's last."""
    rows = [_row(name, [each for each in scores if each.method == name]) for name in _names(scores)]
    perfect = [surface.perfect for surface in surfaces.values()]
    least, worst = statistics.median(at[0] for at in perfect), max(at[1] for at in perfect)
    ninth = float(np.quantile([at[1] for at in perfect], 0.9))
    rows.append(("a perfect chooser", f"{least:.2%}", f"{ninth:.2%}", f"{worst:.2%}", "", "", "", "", ""))
    columns = ("method", "median", "90th percentile", "worst", "mean", "holds", "width", "runs spent", "bar")
    note = (
        f"Regret over {len(surfaces)} cases whose objective is {title}, {seeds} searches each. `mean` is that of "
        "log(1 + regret). `holds`: the interval has a rate that the oracle cannot tell from its best; `width`: its "
        "median width, as a factor. The last row is the oracle's own noise: bootstrap over its seeds, the median over "
        "cases of the median, then the 90th percentile and the largest of the 90th percentiles."
    )
    return record.table(f"Regret of chosen rates, {title}", columns, rows, [note, *_verdicts(scores)])


def detail(title: str, surfaces: dict[str, Surface], scores: Sequence[Score]) -> str:
    """Median and worst regret case by case, and the median of log10(chosen / best)."""
    names = _names(scores)
    rows = []
    for case, surface in surfaces.items():
        row: list[object] = [case, surface.best]
        for name in names:
            own = [each for each in scores if each.case == case and each.method == name]
            rates = [each.rate for each in own if each.rate is not None]
            off = statistics.median(math.log10(rate / surface.best) for rate in rates) if rates else math.nan
            row.append(f"{_regrets(own)}, {off:+.2f}")
        rows.append(row)
    note = "Median / worst regret over seeds, and the median of log10(chosen rate / best rate)."
    return record.table(f"Case by case, {title}", ("case", "best rate", *names), rows, [note])


def _row(name: str, scores: Sequence[Score]) -> tuple[object, ...]:
    regrets = [each.regret for each in scores]
    held = [each.holds for each in scores if each.holds is not None]
    widths = [each.width for each in scores if each.width is not None]
    bars = BARS.get(name)
    return (
        name,
        f"{statistics.median(regrets):.1%}",
        f"{np.quantile(regrets, 0.9):.1%}",
        f"{max(regrets):.1%}",
        f"{math.expm1(statistics.fmean(math.log1p(max(-0.99, each)) for each in regrets)):.1%}",
        f"{statistics.fmean(held):.0%}" if held else "",
        f"{statistics.median(widths):.1f}" if widths else "",
        f"{statistics.fmean(each.runs for each in scores):.2f}",
        f"{bars[0]:.1%} / {bars[1]:.0%}" if bars else "",
    )


def _verdicts(scores: Sequence[Score]) -> list[str]:
    """Whether each bar is met."""
    lines = []
    for name, (middle, ninth) in BARS.items():
        own = [each for each in scores if each.method == name]
        if not own:
            continue
        regrets = [each.regret for each in own]
        checks = {
            "median": statistics.median(regrets) <= middle,
            "90th percentile": float(np.quantile(regrets, 0.9)) <= ninth,
        }
        if name.startswith("find") and own[0].width is not None:
            checks["interval holds"] = statistics.fmean(bool(each.holds) for each in own) >= HOLDS
            checks["interval width"] = statistics.median(each.width or math.inf for each in own) <= FACTOR
        rival = [each.regret for each in scores if each.method == f"Optuna TPE + ASHA{name.removeprefix('tune')}"]
        if name.startswith("tune") and rival:
            checks["no worse than Optuna"] = _mean(regrets) <= _mean(rival)
        lines.append(f"{name}: " + ", ".join(f"{what} {'met' if met else 'MISSED'}" for what, met in checks.items()))
    return lines


def _mean(regrets: Sequence[float]) -> float:
    return statistics.fmean(math.log1p(max(-0.99, each)) for each in regrets)


def _regrets(scores: Sequence[Score]) -> str:
    regrets = [each.regret for each in scores]
    return f"{statistics.median(regrets):.1%} / {max(regrets):.1%}"


def _names(scores: Sequence[Score]) -> list[str]:
    return list(dict.fromkeys(each.method for each in scores))


def _signed(case: Case) -> list[float]:
    if case.name not in _SIGNATURES:
        _SIGNATURES[case.name] = oracle.signature(case)
    return _SIGNATURES[case.name]


_SIGNATURES: dict[str, list[float]] = {}


def _parsed(line: str) -> dict[str, Any] | None:
    """A line of the cache; None for the last one of a process that was killed while it wrote."""
    try:
        held: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return None
    return held


if __name__ == "__main__":
    main()
