"""The benchmark of searches: its oracle's arithmetic, its tasks, its rivals, and what it says of a method."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import learnrate as lr
from learnrate.runs import Run

FOLDER = Path(__file__).parents[1] / "benchmarks"
NAMES = ("record", "loops", "cases", "surface", "oracle", "methods", "tune")


class Modules(dict[str, ModuleType]):
    __getattr__ = dict.__getitem__


@pytest.fixture(scope="module")
def bench() -> Iterator[Modules]:
    """The modules of `benchmarks/`, which import each other as a script's neighbours do."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield Modules({name: importlib.import_module(name) for name in NAMES})
    finally:
        sys.path.remove(str(FOLDER))


def values(height: object, *, best: float = 0.01, noise: float = 0.0) -> dict[float, dict[int, float | None]]:
    """Runs of ten seeds on a lattice around `best` and of three on 25 rates; `height` is a function of log10 rate."""
    random = np.random.default_rng(1)
    seeds = random.normal(0, 0.2, 10)

    def run(place: float, seed: int) -> float | None:
        assert callable(height)
        value = height(place)
        return None if value is None else math.exp(value + seeds[seed] + random.normal(0, noise))

    centre = round(16 * math.log10(best)) / 16
    lattice = {10 ** (centre + k / 16): {s: run(centre + k / 16, s) for s in range(10)} for k in range(-6, 7)}
    coarse = {10**x: {s: run(float(x), s) for s in range(3)} for x in np.linspace(-4.01, -0.01, 25)}
    return coarse | lattice


def parabola(place: float) -> float:
    return 2 * (place + 2.03) ** 2


def walled(place: float) -> float | None:
    """Best right at the edge of divergence."""
    return None if place > -1.97 else 0.5 * (-1.97 - place)


# -- the surface


def test_the_curve_finds_the_best_between_the_rates_that_were_run(bench: Modules) -> None:
    surface = bench.surface.Surface(values(parabola), untrained=5.0)
    assert math.log10(surface.best) == pytest.approx(-2.03, abs=0.01)
    assert surface.regret(10**-2.03) == pytest.approx(0, abs=1e-4)
    assert surface.regret(10**-1.73) == pytest.approx(math.expm1(2 * 0.3**2), rel=0.01)
    assert surface.regret(10**-3.0) == pytest.approx(math.expm1(2 * 0.97**2), rel=0.1)


def test_noise_widens_what_cannot_be_told_from_the_best(bench: Modules) -> None:
    still, noisy = (bench.surface.Surface(values(parabola, noise=noise), untrained=5.0) for noise in (0.02, 0.1))
    assert still.within[0] <= 10**-2.03 <= still.within[1]
    assert noisy.within[1] / noisy.within[0] > still.within[1] / still.within[0]
    assert noisy.perfect[1] > still.perfect[1] >= still.perfect[0] >= -1e-9
    assert still.spread == pytest.approx(math.expm1(0.2), rel=0.5)


def test_a_wall_of_divergence_does_not_move_the_best_beside_it(bench: Modules) -> None:
    surface = bench.surface.Surface(values(walled), untrained=5.0)
    assert -2.02 <= math.log10(surface.best) <= -1.97
    assert surface.regret(10**-1.7) == pytest.approx(99, rel=0.1)  # 100 times the best
    assert surface.regret(10**-2.25) == pytest.approx(math.expm1(0.5 * 0.25), abs=0.01)


def test_where_more_is_better_regret_is_the_part_lost_of_what_there_was_to_gain(bench: Modules) -> None:
    returns = {
        rate: dict.fromkeys(range(10), None if place > -1.5 else 200 - 100 * (place + 2) ** 2)
        for rate, place in ((10**p, p) for p in np.linspace(-3, -1, 33))
    }
    surface = bench.surface.Surface(returns, untrained=20.0, maximised=True)
    assert surface.best == pytest.approx(0.01, rel=0.02)
    assert surface.best_value == pytest.approx(200)
    assert surface.regret(10**-2.4) == pytest.approx(16 / 180, rel=0.01)
    assert surface.regret(0.1) == pytest.approx(1)  # diverged: nothing gained
    assert surface.untrained_regret == pytest.approx(1)


# -- the cases


def test_no_scored_task_is_one_to_develop_by(bench: Modules) -> None:
    development, scored = ({case.reference for case in bench.cases.SETS[name]} for name in ("development", "scored"))
    assert not development & scored
    assert len(bench.cases.DEVELOPMENT) >= 10
    assert len([case for case in bench.cases.SCORED if case.reference != "cartpole"]) >= 12
    for case in (*bench.cases.DEVELOPMENT, *bench.cases.SCORED):
        assert case.schedule.over(300).peak == pytest.approx(1)


@pytest.mark.parametrize("name", ["wine", "noisy_digits"])
def test_a_run_that_goes_on_from_a_snapshot_ends_as_if_it_had_never_stopped(bench: Modules, name: str) -> None:
    task, policy = getattr(bench.loops, name), lr.Policy("adamw", lr.Linear(0.01, 0)).over(30)
    whole = task.function(policy, 3, 30)
    expected, state = [], None
    request = None
    while True:
        try:
            got = whole.send(request)
        except StopIteration:
            break
        expected.append(got)
        request = "snapshot" if len(expected) == 12 else None
        if "snapshot" in got:
            state = expected.pop()["snapshot"]
    assert state is not None
    rest = list(task.function(policy, 3, 30, state))
    assert rest == expected[-len(rest) :]
    assert 15 < len(rest) < 30


def test_evaluations_are_paired_and_asked_for(bench: Modules) -> None:
    one, other = (lr.run(bench.loops.wine, lr.Policy("sgd", rate), 5, updates=20) for rate in (0.1, 0.01))
    assert one.loss[0] == other.loss[0]
    with Run(bench.loops.wine, lr.Policy("sgd", 0.1), 5) as run:
        assert run.advance(7, evaluate=True).objective is not None


# -- recording


def test_an_interrupted_recording_goes_on_and_a_changed_task_is_noticed(
    bench: Modules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle, wine = bench.oracle, bench.cases.DEVELOPMENT[2]
    monkeypatch.setattr(oracle, "FOLDER", tmp_path)
    recording = oracle.Recording(wine)
    recording.untrained = oracle.untrained(wine)
    recording.value(0.1, 1000)
    recording.save()
    again = oracle.Recording(wine)
    assert again.runs == recording.runs
    assert again.untrained == pytest.approx(1.1, abs=0.1)  # of three classes: log 3
    with pytest.raises(oracle.Stale, match="no oracle yet"):
        oracle.load(wine)
    held = json.loads(again.path.read_text(encoding="utf-8"))
    held["signature"][1] *= 1.1
    again.path.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(oracle.Stale, match="has changed"):
        oracle.Recording(wine)


# -- scoring


def test_the_tables_say_what_a_method_did(bench: Modules, tmp_path: Path) -> None:
    methods, wine = bench.methods, bench.cases.DEVELOPMENT[2]
    asked = []

    def stand_in(case: object, seed: int) -> object:
        asked.append(seed)
        rate = 10**-2.03 if seed < 200 else 10**-1.53
        return methods.Answer(rate, 240.0, (rate / 2, rate * 2) if seed < 200 else (rate, rate * 2))

    method = methods.Method("find, 1 run", 1, stand_in)
    surface = bench.surface.Surface(values(parabola, noise=0.001), untrained=5.0)
    for _ in range(2):
        cache = bench.tune.Cache(tmp_path / "answers.jsonl")
        text = bench.tune.benchmark([wine], [method], 5, cache, by_case=True, load=lambda _: surface)
    assert asked == [0, 100, 200, 300, 400]  # the second time it remembers
    row = next(line for line in text.splitlines() if line.startswith("| find, 1 run"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == ["64.8%", "64.8%", "64.8%"]  # expm1(2 * 0.5 ** 2), three times of five
    assert cells[5:8] == ["40%", "2.0", "1.00"]
    assert "median MISSED, 90th percentile MISSED, interval holds MISSED, interval width met" in text
    assert bench.tune.Cache(tmp_path / "answers.jsonl", fresh=True).path.exists() is False


def test_a_killed_benchmark_leaves_a_cache_that_can_be_read(bench: Modules, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"key": "a", "rate": 1.0, "updates": 3, "interval": null}\n{"key": "b", "ra', encoding="utf-8")
    assert list(bench.tune.Cache(path)._held) == ["a"]


def test_rivals_answer_within_their_budgets(bench: Modules) -> None:
    wine = bench.cases.DEVELOPMENT[2]
    for name, least, most in (("Optuna TPE + ASHA, 4 runs", 4, 5.1), ("range test, fastai valley", 0.1, 0.5)):
        answer = bench.methods.every()[name].choose(wine, 0)
        assert wine.low <= answer.rate <= wine.high
        assert least <= answer.updates / wine.task.updates <= most
