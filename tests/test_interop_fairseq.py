"""fairseq: its schedulers compared with recorded runs of the real files.

Installing fairseq compiles extensions that its schedulers do not need, so the rates are recorded once:
`recorded/fairseq.json` is what the classes in `fairseq/optim/lr_scheduler` gave to `recorded/record_fairseq.py`, which
steps them as the trainer does.
"""

from __future__ import annotations

import inspect
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

import learnrate as lr
from learnrate import Cosine, Linear, Schedule
from learnrate.errors import ParameterError, UnknownName
from learnrate.interop import dialect, fairseq
from learnrate.interop.fairseq import (
    CosineLRSchedule,
    FixedLRSchedule,
    InverseSquareRootSchedule,
    ManualSchedule,
    PassThroughScheduleSchedule,
    PolynomialDecayLRSchedule,
    ReduceLROnPlateauLRSchedule,
    StepLRSchedule,
    TriangularLRSchedule,
    TriStageLRSchedule,
)
from parity import FLOAT64, agree, draws
from recorded import record_fairseq

RECORDED = json.loads((Path(__file__).parent / "recorded" / "fairseq.json").read_text())["cases"]
NAMES = sorted({case["name"] for case in RECORDED})


@pytest.mark.parametrize("name", NAMES)
def test_recorded_runs(name: str) -> None:
    cases = [case for case in RECORDED if case["name"] == name]
    assert len(cases) == 24
    for case in cases:
        agree(getattr(fairseq, name)(**case["arguments"]), case["rates"], FLOAT64)


ROWS: dict[str, tuple[Schedule, list[int], list[float]]] = {
    "A (t+1)/W": (FixedLRSchedule(warmup_updates=4, lr=1.0), [0, 1, 2, 3, 4, 5], [0.25, 0.5, 0.75, 1, 1, 1]),
    "A t/W": (
        PolynomialDecayLRSchedule(4, end_learning_rate=1.0, total_num_update=9, lr=1.0),
        [0, 1, 2, 3, 4, 5],
        [0, 0.25, 0.5, 0.75, 1, 1],
    ),
    "B": (
        CosineLRSchedule(lr=1.0, min_lr=0.01, max_update=10),
        [0, 5, 9, 10, 11, 15, 20],
        [1, 0.505, 0.0342, 0.1, 0.0976, 0.0505, 0.01],
    ),
    "C": (PolynomialDecayLRSchedule(end_learning_rate=0.1, power=2.0, total_num_update=10, lr=1.0), [5], [0.325]),
    "C linear": (PolynomialDecayLRSchedule(total_num_update=10, lr=1.0), [9, 10, 11, 15], [0.1, 0, 0, 0]),
    "E": (
        CosineLRSchedule(lr=1.0, min_lr=0.1, t_mult=2.0, lr_period_updates=4, lr_shrink=0.5),
        [3, 4, 5, 11, 12, 13],
        [0.232, 0.5, 0.483, 0.067, 0.25, 0.248],
    ),
    "G": (InverseSquareRootSchedule(4, lr=1.0), [0, 1, 3, 4, 5, 16, 100], [0, 0.25, 0.75, 1, 0.894, 0.5, 0.2]),
    "H": (TriStageLRSchedule(2, 4, 4, None, 0.0, 0.1, lr=1.0), [7, 9], [0.5623, 0.1778]),
}


@pytest.mark.parametrize("row", ROWS)
def test_tables(row: str) -> None:
    schedule, updates, values = ROWS[row]
    digits = 4 if row in "BH" else 3
    assert schedule(updates).round(digits).tolist() == pytest.approx(values, abs=1e-12)


def test_what_is_recorded_stays_before_the_logarithm_of_0() -> None:
    """Cycles that shrink end somewhere; the recorder asks for one update more than it records."""
    shrinking = 0
    for rng in draws("CosineLRSchedule", 2000):
        given, updates = record_fairseq.cosine(rng)
        ratio, whole = given.get("t_mult", 1.0), given["max_update"] - given["warmup_updates"]
        if ratio < 1:
            period = given.get("lr_period_updates", -1)
            last = (period if period > 0 else whole) / (1 - ratio)
            assert 1 <= updates - given["warmup_updates"] < last
            shrinking += 1
    assert shrinking > 100


def test_plateau_is_torchs_rule() -> None:
    assert inspect.signature(ReduceLROnPlateauLRSchedule).parameters["lr"].default == CosineLRSchedule._defaults["lr"]
    rule = ReduceLROnPlateauLRSchedule(lr_patience=2)
    state, factors = rule.start(), []
    for _ in range(7):
        state, factor = rule(state, 1.0)
        factors.append(round(factor, 6))
    assert factors == [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01]
    assert ReduceLROnPlateauLRSchedule(maximize_best_checkpoint_metric=True).parameters()["mode"] == "max"
    with pytest.raises(ParameterError, match="has no warmup of its own"):
        ReduceLROnPlateauLRSchedule(warmup_updates=5)
    with pytest.raises(ParameterError, match="unknown parameter of fairseq.ReduceLROnPlateauLRSchedule 'patience'"):
        ReduceLROnPlateauLRSchedule(patience=5)
    with pytest.raises(UnknownName, match="listens to a metric"):
        dialect("fairseq.ReduceLROnPlateauLRSchedule")


def test_restarts_are_exact() -> None:
    schedule = CosineLRSchedule(lr=1.0, t_mult=10.0, lr_period_updates=10, lr_shrink=0.5)
    assert schedule([0, 10, 110, 1110, 11110]).tolist() == [1.0, 0.5, 0.25, 0.125, 0.0625]


def test_rates_as_a_list_of_one() -> None:
    assert InverseSquareRootSchedule(4, lr=[0.5]) == InverseSquareRootSchedule(4, lr=0.5)
    with pytest.raises(ParameterError, match="lr must be one rate; a list is what FixedLRSchedule takes"):
        InverseSquareRootSchedule(4, lr=[0.5, 0.1])


def test_the_plan_as_text() -> None:
    text = "{'1-2': 0.5, '3,4': 0.25}"
    assert ManualSchedule(text).epoch2lr == {"1-2": 0.5, "3,4": 0.25}
    assert ManualSchedule(text)(range(5)).tolist() == [0.5, 0.5, 0.25, 0.25, 0.25]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: InverseSquareRootSchedule(warmup=4), "unknown parameter of InverseSquareRootSchedule 'warmup'"),
        (lambda: InverseSquareRootSchedule(0), "warmup_updates must be >= 1 updates, got 0"),
        (lambda: CosineLRSchedule(lr=0.1, min_lr=0.1, max_update=9), "lr must be > min_lr of 0.1 rate, got 0.1"),
        (lambda: CosineLRSchedule(9, lr=0.1, max_update=9), "max_update must be > warmup_updates"),
        (lambda: CosineLRSchedule(lr=0.1, lr_period_updates=9, t_mult=1 + 1e-9), "more than 100000 cycles"),
        (lambda: PolynomialDecayLRSchedule(), "total_num_update must be > 0 updates, got 0"),
        (
            lambda: PolynomialDecayLRSchedule(force_anneal=1, total_num_update=1e9),
            "force_anneal is followed over at most 100000 epochs",
        ),
        (lambda: TriangularLRSchedule(0.1, lr=0.2), "max_lr must be > lr of 0.2 rate, got 0.1"),
        (lambda: TriangularLRSchedule(lr=0.2), "max_lr is missing"),
        (lambda: TriangularLRSchedule(1.0, 1, lr=0.2), "lr_period_updates must be >= 2 updates"),
        (lambda: TriStageLRSchedule(3, 4), "decay_steps must be >= 1 updates, got 0"),
        (lambda: TriStageLRSchedule(phase_ratio=[0.7, 0.2, 0.1], max_update=10), "add up to exactly 1"),
        (lambda: TriStageLRSchedule(phase_ratio=[0.1, 0.4, 0.5]), "max_update must be > 0 updates"),
        (lambda: StepLRSchedule(lr=0.1, min_lr=0.2), "lr must be > min_lr of 0.2 rate"),
        (lambda: StepLRSchedule(lr_decay_period=3), "did you mean 'lr_deacy_period'"),
        (lambda: ManualSchedule("[1]"), "epoch2lr must be a mapping"),
        (lambda: ManualSchedule({"a": 1.0}), "must have keys such as '3', '3,5' or '3-5', got 'a'"),
        (lambda: FixedLRSchedule(lr=[]), "lr must be a rate or a list of rates"),
    ],
)
def test_bad_values(make: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        make()


def test_every_name_is_tested() -> None:
    rest = {"PassThroughScheduleSchedule", "ReduceLROnPlateauLRSchedule"}
    assert {*NAMES, *rest} == set(fairseq.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_text_and_json(name: str) -> None:
    for index in range(40):
        schedule = lr.spec.draw(getattr(fairseq, name), random.Random(f"{name} {index}"))
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule
        assert all(math.isfinite(rate) for rate in schedule(range(100)))


def test_the_optimizers_own_schedule() -> None:
    whole = PassThroughScheduleSchedule(Linear(0, 1, 3) >> Cosine(1, 0, 7))
    assert lr.parse(repr(whole)) == Schedule.from_json(whole.to_json()) == whole


def names(schedule: Any, run: int = 60) -> list[str]:
    return [finding.name for finding in schedule.quirks(run)]


def test_quirks() -> None:
    cosine = CosineLRSchedule(lr=1.0, min_lr=0.01, max_update=10)
    assert names(cosine) == ["rises past the end", "floor shrinks too"]
    assert names(cosine, 10) == []
    listed = PolynomialDecayLRSchedule(total_num_update=20, lr=[1.0, 0.5], force_anneal=3, updates_per_epoch=5)
    assert names(listed) == ["first rate never used", "decay compounds"]
    assert names(PolynomialDecayLRSchedule(total_num_update=20, lr=1.0)) == []
    triangular = TriangularLRSchedule(1.0, 6, 0.2, lr=0.1)
    assert names(triangular) == ["triangle turns over"]
    assert names(triangular.replace(shrink_min=True)) == []
    assert names(triangular, 12) == []
    assert names(TriStageLRSchedule(phase_ratio=[0.25, 0.25, 0.5], max_update=11, lr=1.0)) == ["stages cut off"]
    assert names(TriStageLRSchedule(phase_ratio=[0.25, 0.25, 0.5], max_update=12, lr=1.0)) == []
    assert names(FixedLRSchedule(lr=1.0)) == []
