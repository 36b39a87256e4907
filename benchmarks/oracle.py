"""The truth that searches are scored against: full-length runs on 25 rates, and on a finer lattice near the best.

Recorded once per case and kept in `benchmarks/data/oracle/<case>.json`; a recording that was interrupted goes on where
it stopped. Its seeds, from 1000, are none that a search uses. `--force` records a case again whose task has changed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cases
import learnrate as lr
import record
from cases import Case
from learnrate.policy import Policy
from learnrate.runs import Run
from surface import Surface

FOLDER = Path(__file__).parent / "data" / "oracle"
RATES = 25
SEEDS = range(1000, 1010)
COARSE_SEEDS = SEEDS[:3]
LATTICE = 16
"""Points per decade near the best."""
REACH, LONGEST = 6, 12
"""The lattice reaches so many points to each side of the best, and further where the best stays unclear there."""


class Stale(SystemExit):
    """A recording that says nothing about the case any more, or not yet."""


class Recording:
    """The runs of one case, in memory and in its file."""

    def __init__(self, case: Case, *, force: bool = False) -> None:
        self.case = case
        self.path = FOLDER / f"{case.name}.json"
        self.signature = signature(case)
        self.runs: dict[tuple[float, int], list[Any]] = {}
        self.untrained: float | None = None
        self.complete = False
        self.current = True
        if self.path.exists() and not force:
            held = json.loads(self.path.read_text(encoding="utf-8"))
            if not same_signature(held["signature"], self.signature):
                raise Stale(f"{case.name}: its task has changed since it was recorded; record it again with --force")
            self.runs = {(float(run[0]), int(run[1])): run for run in held["runs"]}
            self.untrained, self.complete = held["untrained"], held["complete"]
            self.current = all(held.get(name) == value for name, value in self._found().items())

    def value(self, rate: float, seed: int) -> None:
        """Run it, unless it has been."""
        rate = float(f"{rate:.6g}")
        if (rate, seed) in self.runs:
            return
        before = time.process_time()
        trace = lr.run(self.case.task, self.case.policy(rate), seed)
        spent = time.process_time() - before
        name = self.case.task.objective
        whole = trace.ended == "finished"
        if trace.ended == "failed":
            raise SystemExit(f"{self.case.name} at rate {rate:g}, seed {seed}: {trace.error}")
        seen = [float(f"{value:.5g}") for value in trace.evaluations[name]] if whole else []
        value = float(f"{trace.objective:.7g}") if whole and trace.objective is not None else None
        self.runs[rate, seed] = [rate, seed, value, round(spent, 3), seen]
        if len(self.runs) % 10 == 0:
            self.save()

    def all_seeds(self, rate: float) -> None:
        """Run it with every seed."""
        for seed in SEEDS:
            self.value(rate, seed)

    def surface(self) -> Surface:
        """What the runs so far say."""
        by_rate: dict[float, dict[int, float | None]] = defaultdict(dict)
        for (rate, seed), run in self.runs.items():
            by_rate[rate][seed] = run[2]
        assert self.untrained is not None
        return Surface(by_rate, self.untrained, self.case.maximised)

    def save(self) -> None:
        """Write everything to a file beside it, then put that in its place: an interrupt leaves the old one or this."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        case = self.case
        about = {
            "case": case.name,
            "task": case.reference,
            "objective": case.task.objective,
            "mode": case.task.mode,
            "updates": case.task.updates,
            "policy": str(case.policy(1.0)),
            "range": [case.low, case.high],
            "recorded": record.circumstances(("learnrate", "torch", "scikit-learn", "scipy")).splitlines(),
            "signature": self.signature,
            "untrained": self.untrained,
            "complete": self.complete,
        }
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in (about | self._found()).items()]
        runs = ",\n".join(f"  {json.dumps(self.runs[key])}" for key in sorted(self.runs))
        columns = json.dumps(["rate", "seed", "objective", "CPU seconds", "objective at each evaluation"])
        text = "{\n" + ",\n".join([*lines, f' "columns": {columns}', f' "runs": [\n{runs}\n ]']) + "\n}\n"
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self.path)

    def _found(self) -> dict[str, Any]:
        """What the runs say, for whoever reads the file without this code."""
        if not self.complete:
            return {}
        surface = self.surface()
        return {
            "best": [_short(surface.best), _short(surface.best_value)],
            "within noise of the best": [_short(rate) for rate in surface.within],
            "regret of a perfect chooser: median, 90th percentile": [_short(regret) for regret in surface.perfect],
            "spread of one run at the best": _short(surface.spread),
            "curve": [[_short(rate), _short(value)] for rate, value in surface.curve()],
        }

    def cpu_seconds(self) -> float:
        """Median processor time of a run that was not cut short."""
        return float(np.median([run[3] for run in self.runs.values() if run[2] is not None]))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--set", choices=list(cases.SETS), default="development", dest="set_name")
    options.add_argument("--force", action="store_true", help="record again what has been recorded")
    options.add_argument("names", nargs="*", metavar="CASE")
    given = options.parse_args()
    torch.set_num_threads(1)
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(10, os.getpriority(os.PRIO_PROCESS, 0)))  # others work here too
    rows = []
    for case in cases.chosen(given.set_name, given.names):
        try:
            recording = recorded(case, force=given.force)
        except (Stale, lr.errors.LearnrateError) as reason:
            print(f"{case.name}: left out, {reason}", file=sys.stderr, flush=True)
            continue
        rows.append(_row(recording))
        print(f"{case.name}: best {recording.surface().best:.3g}", file=sys.stderr, flush=True)
    print(table(given.set_name, rows))


def recorded(case: Case, *, force: bool = False) -> Recording:
    """The recording of a case, made now as far as it is not there yet."""
    recording = Recording(case, force=force)
    before = len(recording.runs)
    if recording.untrained is None:
        recording.untrained = untrained(case)
    rates = [float(rate) for rate in np.geomspace(case.low, case.high, RATES)]
    for rate in rates:
        for seed in COARSE_SEEDS:
            recording.value(rate, seed)
    while True:
        _refine(recording)
        surface = recording.surface()
        lucky = [rate for rate, by in surface.values.items() if len(by) < len(SEEDS) and surface.regret(rate) < 0]
        if not lucky:
            break
        for rate in lucky:  # three seeds say little: what looks better still is run with all
            recording.all_seeds(rate)
    if len(recording.runs) > before or not (recording.complete and recording.current):
        recording.complete = True
        recording.save()
    return recording


def _refine(recording: Recording) -> None:
    """Fill the lattice around the best, wherever that moves to, and as far as the best stays unclear."""
    low = high = round(LATTICE * math.log10(recording.surface().best))
    while True:
        surface = recording.surface()
        best = round(LATTICE * math.log10(surface.best))
        left, right = surface.touches
        wider = min(low, best - REACH), max(high, best + REACH)
        if wider == (low, high):
            wider = min(low, max(best - LONGEST, low - 3 * left)), max(high, min(best + LONGEST, high + 3 * right))
        if wider == (low, high):
            return
        low, high = wider
        for place in range(low, high + 1):
            recording.all_seeds(10 ** (place / LATTICE))


def load(case: Case) -> Surface:
    """The recorded surface of a case; `Stale` where there is none, or where its task has changed since."""
    recording = Recording(case)
    if not recording.complete:
        raise Stale(f"{case.name} has no oracle yet; record it: python benchmarks/oracle.py {case.name}")
    return recording.surface()


def untrained(case: Case) -> float:
    """The objective before anything is learnt: mean over seeds, after one update at a rate that moves nothing."""
    policy = Policy("sgd", 1e-12)
    values = [lr.run(case.task, policy, seed, updates=1).objective for seed in COARSE_SEEDS]
    return float(np.mean([value for value in values if value is not None]))


def signature(case: Case) -> list[float]:
    """What changes when the task does: the horizon and the first losses of one run."""
    with Run(case.task, case.policy(math.sqrt(case.low * case.high)), seed=0) as run:
        return [float(case.task.updates), *(float(f"{loss:.6g}") for loss in run.advance(until=3).trace().loss)]


def same_signature(held: list[float], now: list[float]) -> bool:
    """Equal up to the last bits of a sum, which differ between processors."""
    return len(held) == len(now) and all(math.isclose(a, b, rel_tol=1e-3) for a, b in zip(held, now, strict=True))


def table(set_name: str, rows: list[tuple[object, ...]]) -> str:
    columns = (
        "case",
        "best rate",
        "within noise",
        "best value",
        "spread of a run",
        "perfect chooser",
        "runs",
        "CPU s/run",
    )
    return record.table(f"Oracle of the {set_name} set", columns, rows)


def _row(recording: Recording) -> tuple[object, ...]:
    surface = recording.surface()
    low, high = surface.within
    median, worse = surface.perfect
    return (
        recording.case.name,
        surface.best,
        f"{low:.3g} to {high:.3g}",
        f"{surface.best_value:.4g}",
        f"{surface.spread:.1%}",
        f"{median:.2%} / {worse:.2%}",
        len(recording.runs),
        f"{recording.cpu_seconds():.2f}",
    )


def _short(value: float) -> float:
    return float(f"{value:.5g}")


if __name__ == "__main__":
    main()
