"""Lint: each rule finds its fault, with numbers that are right, and a sound schedule has none."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from torch import zeros
from torch.nn import Parameter
from torch.optim import SGD, lr_scheduler

import learnrate as lr
from drawn import composite
from learnrate import Constant, Cosine, Exponential, Interpolation, Linear, NaturalExponential, Schedule
from learnrate.errors import ParameterError, UnboundError, UsageError
from learnrate.findings import SEVERITIES, Finding
from learnrate.interop import keras, optax, timm, torch, transformers
from learnrate.linting import RULES, Run, horizon, lint


@pytest.fixture(autouse=True)
def _every_floating_point_warning_is_an_error() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


SOUND = [
    (Linear(0, 3e-4, "5%") >> Cosine(3e-4, 3e-5)).over(1000),
    Cosine(1, 0, 100),
    Cosine(1, 0, 10).repeat(10),
    lr.WSD(1, 0.1, 1000),
    lr.OneCycle(0.1, 300),
    lr.Step(0.1, 0.1, 30, 90),
    Cosine(1, 0, 100) * lr.Noise(0.1, updates=100),
]


@pytest.mark.parametrize("schedule", SOUND, ids=str)
def test_a_sound_schedule_has_no_findings(schedule: Schedule) -> None:
    assert lint(schedule) == schedule.lint() == []


def test_open_ended_ones_are_judged_for_a_run() -> None:
    for schedule in (Constant(0.1), Exponential(0.1, 0.999), Linear(0, 1, 10) >> lr.InverseSqrt(1, 10)):
        assert schedule.lint(updates=200) == []
        with pytest.raises(UnboundError, match="say how long the run is: updates="):
            schedule.lint()
    with pytest.raises(UnboundError, match="bind it with"):
        Cosine(1).lint()
    for wrong in (-1, 1.5, "100"):
        with pytest.raises(ParameterError, match="must be"):
            Constant(1).lint(updates=wrong)


FAULTS: dict[str, tuple[Schedule, int | None, str, str, dict[str, float]]] = {
    "negative_rate": (
        Linear(1, -1, 10),
        None,
        "negative rate",
        "error",
        {"update": 6, "rate": -0.2, "lowest": -0.8},
    ),
    "zero_run": (Constant(0, 10), None, "rate is always 0", "error", {"run": 10}),
    "peak_never_reached": (
        Linear(0, 1e-3, 500) >> Cosine(1e-3, 5e-4, 9500),
        250,
        "peak never reached",
        "error",
        {"highest": 1e-3 * 249 / 500, "peak": 1e-3, "run": 250},
    ),
    "longer_than_the_run": (
        Cosine(1, 0, 1000),
        400,
        "schedule longer than the run",
        "warning",
        {"schedule": 1000, "run": 400, "last rate": Cosine(1, 0, 1000)(399)},
    ),
    "shorter_than_the_run": (
        Cosine(1, 0.01, 100),
        1000,
        "schedule shorter than the run",
        "warning",
        {"schedule": 100, "run": 1000, "times too short": 10, "rate": 0.01},
    ),
    "long_warmup": (
        Linear(0, 1, 80) >> Linear(1, 0, 20),
        None,
        "warmup takes most of the run",
        "warning",
        {"peak at": 80, "run": 100},
    ),
    "rising_past_the_end": (
        NaturalExponential(1e-3, -0.01),
        100,
        "rate rises past the end of the run",
        "note",
        {"run": 100},
    ),
    "floor_above_the_rate": (
        torch.CosineAnnealingLR(100, 0.1, lr=0.01),
        None,
        "floor above the rate",
        "error",
        {"eta_min": 0.1, "lr": 0.01},
    ),
    "quirks_of_the_library": (
        torch.CosineAnnealingLR(40),
        100,
        "rises past the end",
        "warning",
        {"end": 40, "run": 100, "highest after": 1.0},
    ),
}

USES: dict[str, tuple[Schedule, Run, dict[str, float]]] = {
    "per update, counted in epochs": (
        Cosine(1, 0, 30),
        Run(3000, updates_per_epoch=100),
        {"horizon": 30, "steps of the scheduler": 3000, "epoch count": 30},
    ),
    "per epoch, counted in updates": (
        Cosine(1, 0, 3000),
        Run(3000, updates_per_epoch=100, stepped="epoch"),
        {"horizon": 3000, "steps of the scheduler": 30, "update count": 3000},
    ),
    "per update, counted in backward passes": (
        Cosine(1, 0, 4000),
        Run(1000, accumulation=4),
        {"horizon": 4000, "steps of the scheduler": 1000, "micro-batch count": 4000},
    ),
    "per update, counted for one of eight processes": (
        Cosine(1, 0, 8000),
        Run(1000, world_size=8),
        {"horizon": 8000, "steps of the scheduler": 1000, "process count": 8000},
    ),
    "once per process, counted in updates": (
        Cosine(1, 0, 1000),
        Run(1000, world_size=8, stepped="process"),
        {"horizon": 1000, "steps of the scheduler": 8000, "update count": 1000},
    ),
    "both accumulation and processes": (
        Cosine(1, 0, 32_000),
        Run(1000, accumulation=4, world_size=8),
        {"horizon": 32_000, "backward pass of one process count": 32_000},
    ),
}


@pytest.mark.parametrize("use", USES)
def test_a_horizon_in_another_unit_is_named_with_the_numbers(use: str) -> None:
    schedule, run, evidence = USES[use]
    (found,) = RULES["counted_in_another_unit"](schedule, run)
    assert found.severity == "error"
    assert evidence.items() <= found.evidence.items()
    assert list(RULES["counted_in_another_unit"](schedule.fit(run.steps), run)) == []


def test_a_part_of_a_chain_is_judged_by_its_own_time() -> None:
    cosine = torch.CosineAnnealingLR(90)
    assert (
        lint(Linear(0, 1, 10) >> cosine, 100) == lint(2 * cosine, 90) == lint(cosine.cut(90) >> Constant(0, 110)) == []
    )
    found = [finding.name for finding in lint((Linear(0, 1, 10) >> cosine).clip(0), 150)]
    assert "rises past the end" in found


def test_the_run_of_the_issue_that_bounced_140_times() -> None:
    found = {finding.name: finding for finding in lint(torch.CosineAnnealingLR(100, lr=1e-3), 25_000)}
    assert found["schedule shorter than the run"].evidence["times too short"] == 250
    assert found["schedule shorter than the run"].severity == "error"
    assert "does not stay" in found["schedule shorter than the run"].advice


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"stepped": "batch"}, "stepped must be one of update, epoch"),
        ({"stepped": "epoch"}, "needs updates_per_epoch"),
        ({"accumulation": 0}, "accumulation must be >= 1"),
        ({"world_size": 1.5}, "world_size must be a whole number"),
        ({"updates_per_epoch": -1}, "updates_per_epoch must be > 0"),
    ],
)
def test_a_use_that_makes_no_sense_is_refused(wrong: dict[str, Any], rule: str) -> None:
    with pytest.raises(ParameterError, match=rule):
        lint(Cosine(1, 0, 10), 10, **wrong)


def test_every_rule_has_its_fault_here() -> None:
    assert {*FAULTS, "counted_in_another_unit"} == set(RULES), "the last one is above"


@pytest.mark.parametrize("rule", FAULTS)
def test_each_rule_finds_its_fault(rule: str) -> None:
    schedule, updates, name, severity, evidence = FAULTS[rule]
    found = [finding for finding in lint(schedule, updates) if finding.name == name]
    assert len(found) == 1
    assert found == list(RULES[rule](schedule, Run(updates or horizon(schedule) or 0)))
    assert found[0].severity == severity
    assert (
        evidence.items()
        <= {
            key: pytest.approx(value, rel=1e-9) if key in evidence else value
            for key, value in found[0].evidence.items()
        }.items()
    )
    assert found[0].advice.endswith(".")


@pytest.mark.parametrize("rule", FAULTS)
def test_each_rule_is_silent_when_the_fault_is_mended(rule: str) -> None:
    mended: dict[str, tuple[Schedule, int]] = {
        "negative_rate": (Linear(1, -1, 10).clip(0), 10),
        "zero_run": (Constant(1e-9, 10), 10),
        "peak_never_reached": (Linear(0, 1e-3, 500) >> Cosine(1e-3, 5e-4, 9500), 501),
        "longer_than_the_run": (Cosine(1, 0, 1000), 1000),
        "shorter_than_the_run": (Cosine(1, 0.01, 100), 120),
        "long_warmup": (Linear(0, 1, 10) >> Linear(1, 0, 90), 100),
        "rising_past_the_end": (NaturalExponential(1e-3, -0.01).cut(100), 100),
        "floor_above_the_rate": (torch.CosineAnnealingLR(100, 0.001, lr=0.01), 100),
        "quirks_of_the_library": (torch.CosineAnnealingLR(100), 100),
    }
    schedule, updates = mended[rule]
    assert list(RULES[rule](schedule, Run(updates))) == []


def test_a_rise_to_the_end_is_no_warmup() -> None:
    assert Linear(0, 1, 100).lint() == [], "0.99 of 1 is reached, and the run is as long as the schedule"


SOUND_THERE: list[tuple[Schedule, int]] = [
    (torch.CosineAnnealingWarmRestarts(10, 2, lr=0.1), 70),
    (torch.CosineAnnealingWarmRestarts(10, 2, lr=0.1), 5),
    (torch.CyclicLR(0.01, 0.1, 10, cycle_momentum=False), 200),
    (torch.MultiStepLR([100, 150], lr=0.1), 200),
    (timm.MultiStepLRScheduler([100, 150], lr=0.1), 200),
    (torch.LinearLR(0.1, 1.0, 10), 1000),
    (transformers.get_scheduler("constant_with_warmup", num_warmup_steps=100, lr=0.1), 10_000),
    (optax.warmup_constant_schedule(0.0, 0.1, 100), 10_000),
    (keras.CosineDecayRestarts(0.1, 10), 70),
    (torch.SequentialLR([torch.LinearLR(0.1, 1.0, 10), torch.CosineAnnealingWarmRestarts(10)], [10]), 70),
]


@pytest.mark.parametrize(("schedule", "updates"), SOUND_THERE, ids=str)
def test_cycles_stairs_and_warmups_are_no_horizons(schedule: Schedule, updates: int) -> None:
    found = lint(schedule, updates, updates_per_epoch=100)
    assert [finding for finding in found if finding.severity != "note"] == []


def live(rates: tuple[float, ...] = (0.1,), floor: float = 0.0, stepped: int = 0) -> Any:
    groups = [{"params": [Parameter(zeros(1))], "lr": rate} for rate in rates]
    scheduler = lr_scheduler.CosineAnnealingLR(SGD(groups), T_max=10, eta_min=floor)
    for _ in range(stepped):
        scheduler.optimizer.step()
        scheduler.step()
    return scheduler


def test_a_live_scheduler_past_its_end_is_said_with_its_numbers() -> None:
    (found, *_) = lint(live(stepped=140))
    assert (found.name, found.severity) == ("past its end", "error")
    assert found.evidence == {"update": 140, "horizon": 10, "times": 14.0, "rate": pytest.approx(0.1)}
    assert lint(live(stepped=7)) == []


def test_the_group_whose_floor_is_too_high_is_named() -> None:
    found = [finding for finding in lint(live((1.0, 0.01), floor=0.1), 10) if finding.severity == "error"]
    assert [(finding.name, finding.evidence["group"]) for finding in found] == [("floor above the rate", 1)]


def test_a_floor_above_a_rate_of_another_name_is_found() -> None:
    found = [finding.name for finding in lint(keras.PolynomialDecay(5e-5, 1000), 1000)]
    assert found == ["floor above the rate"]


def test_quirks_are_found_behind_a_delay() -> None:
    cosine = torch.CosineAnnealingLR(10)
    assert "rises past the end" in [finding.name for finding in lint(cosine.delay(5), 30)]
    assert lint(cosine.delay(5), 15) == []


def test_a_policy_is_judged_by_its_rate() -> None:
    assert lint(lr.Policy("sgd", Linear(1, -1, 10))) == lint(Linear(1, -1, 10))


def test_an_unknown_use_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown use of a schedule 'epochs'; .*known: accumulation"):
        lint(Cosine(1, 0, 10), 10, epochs=3)


def test_any_schedule_can_be_linted() -> None:
    rng = random.Random(6)
    for _ in range(40):
        schedule = composite(rng, 3)
        for updates in (0, 1, 2, 50, 3000):
            for finding in schedule.lint(updates=updates):
                assert finding.severity in SEVERITIES
                assert all(isinstance(value, (int, float)) for value in finding.evidence.values())
                assert str(finding).startswith(f"{finding.severity}: {finding.name}")


def test_long_runs_are_seen_on_a_grid() -> None:
    assert [f.name for f in (Linear(1, -1, 10**7)).lint()] == ["negative rate"]
    assert Cosine(1, 0, 10**7).lint() == []


# --- findings are values


def test_findings_are_values() -> None:
    one = Finding("loss is NaN", "error", {"update": 3, "loss": float("nan")}, "Lower the rate.")
    assert one == Finding("loss is NaN", "error", {"update": 3, "loss": float("nan")}, "Lower the rate.")
    assert hash(one) == hash(Finding("loss is NaN", "error", {"loss": float("nan"), "update": 3}, "Lower the rate."))
    assert one != Finding("loss is NaN", "error", {"update": 3, "loss": 1.0}, "Lower the rate.")
    assert one != Finding("loss is NaN", "error", {"update": 3}, "Lower the rate.")
    assert one.to_json()["evidence"] == {"update": 3, "loss": "nan"}
    assert str(Finding("a", "note", {}, "B.")) == "note: a. B."
    with pytest.raises(ParameterError, match="severity must be one of error, warning, note, got 'fatal'"):
        Finding("a", "fatal", {}, "B.")


def test_the_evidence_is_kept_as_it_was() -> None:
    evidence: dict[str, Any] = {"update": 1}
    finding = Finding("a", "note", evidence, "B.")
    evidence["update"] = 2
    assert finding.evidence == {"update": 1}
    assert Interpolation([0, 10], [1, 0.5]).lint() == []
