"""fvcore: every scheduler against the real one, asked at t / N."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import fvcore.common.param_scheduler as real
import numpy as np
import pytest

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError
from learnrate.interop import fvcore as ours
from learnrate.interop.detectron2 import WarmupParamScheduler
from learnrate.spec import draw
from parity import FLOAT64, every, updates_for

SIZES = [1, 2, 3, 5, 10, 33, 40]
SIMPLE = ["Constant", "Cosine", "Exponential", "Linear", "PolynomialDecay", "Step", "StepWithFixedGamma"]
OWN_RUN = (ours.MultiStepParamScheduler, ours.StepParamScheduler, ours.StepWithFixedGammaParamScheduler)


def simple(name: str, rng: random.Random) -> Schedule:
    changes: dict[str, Any] = {"num_updates": rng.choice(SIZES)}
    if name == "PolynomialDecay" and rng.random() < 0.4:
        changes["power"] = rng.choice([0, 1, 2, 3])
    if name == "Exponential" and rng.random() < 0.1:
        changes["decay"] = 0.0
    schedule: Schedule = draw(getattr(ours, f"{name}ParamScheduler"), rng).replace(**changes)
    return schedule


def multi_step(rng: random.Random) -> Schedule:
    values = [rng.random() for _ in range(rng.randint(1, 4))]
    end = rng.randint(len(values), 40)
    places = sorted(rng.sample(range(1, end), len(values) - 1))
    form = rng.choice(["both", "milestones", "equal"])
    if form == "both":
        return ours.MultiStepParamScheduler(values, end, places)
    if form == "milestones":
        return ours.MultiStepParamScheduler(values, milestones=[*places, end])
    return ours.MultiStepParamScheduler(values, len(values) * rng.randint(1, 9))


def part(rng: random.Random) -> Schedule:
    return multi_step(rng) if rng.random() < 0.2 else simple(rng.choice(SIMPLE), rng)


def composite(rng: random.Random, depth: int = 1) -> Schedule:
    count = rng.randint(1, 4)
    cuts = sorted(rng.choice([rng.random(), rng.randint(0, 9) / 10]) for _ in range(count - 1))
    lengths = [after - before for before, after in zip([0.0, *cuts], [*cuts, 1.0], strict=True)]
    nested = [composite(rng, depth - 1) if depth and rng.random() < 0.1 else part(rng) for _ in lengths]
    scaling = [rng.choice(["rescaled", "fixed"]) for _ in lengths]
    return ours.CompositeParamScheduler(nested, lengths, scaling, rng.choice(SIZES))


def theirs(schedule: Any) -> Any:
    values = {key: list(item) if isinstance(item, tuple) else item for key, item in schedule.parameters().items()}
    if not isinstance(schedule, OWN_RUN):
        del values["num_updates"]
    if isinstance(schedule, ours.CompositeParamScheduler):
        values["schedulers"] = [theirs(inner) for inner in schedule.schedulers]
    return getattr(real, type(schedule).__name__)(**values)


def rates(scheduler: Callable[[float], Any], updates: int, run: int) -> list[float]:
    """The real rates; where there are none (an error, a complex number), the value at progress 1 or just before."""
    found: list[float] = []

    def last() -> Any:
        try:
            return scheduler(1.0)
        except (RuntimeError, IndexError):
            return scheduler(1 - 2e-6)

    for update in range(updates):
        try:
            rate = scheduler(update / run)
        except (RuntimeError, IndexError):
            assert update >= run
            rate = last()
        except ZeroDivisionError:  # a rescaled part without length, which is asked at the very end
            assert update >= run
            return found
        if isinstance(rate, complex):
            assert update > run
            rate = 0.0
        found.append(rate)
    return found


def compared(schedule: Any) -> tuple[Schedule, list[float]]:
    run = schedule.horizon
    return schedule, rates(theirs(schedule), updates_for(run), run)


@pytest.mark.parametrize("name", SIMPLE)
def test_every_shape_agrees(name: str) -> None:
    every(f"fvcore {name}", lambda rng: compared(simple(name, rng)), FLOAT64)


@pytest.mark.parametrize("make", [multi_step, composite])
def test_lists_agree(make: Any) -> None:
    every(f"fvcore {make.__name__}", lambda rng: compared(make(rng)), FLOAT64)


def test_a_last_part_without_length_speaks_past_the_end_unless_it_is_rescaled() -> None:
    parts = [ours.LinearParamScheduler(0.0, 1.0), ours.CosineParamScheduler(1.0, 0.0)]
    fixed = ours.CompositeParamScheduler(parts, [1.0, 0.0], ["rescaled", "fixed"], 4)
    np.testing.assert_allclose(fixed([3, 4, 6, 8]), [rates(theirs(fixed), 9, 4)[t] for t in (3, 4, 6, 8)], atol=1e-12)
    with pytest.raises(ZeroDivisionError):
        theirs(fixed.replace(interval_scaling=["rescaled", "rescaled"]))(1.0)
    assert fixed.replace(interval_scaling=["rescaled", "rescaled"])([3, 4, 6]).tolist() == [0.75, 1.0, 1.0]


def test_left_at_one_update_it_is_the_function_of_progress() -> None:
    assert ours.CosineParamScheduler(1.0, 0.1)(0.3) == pytest.approx(
        real.CosineParamScheduler(1.0, 0.1)(0.3), rel=1e-12
    )


def test_every_scheduler_of_the_library_is_here() -> None:
    assert set(ours.__all__) == set(real.__all__) - {"ParamScheduler"}


@pytest.mark.parametrize(
    ("schedule", "updates", "expected"),
    [
        pytest.param(
            ours.CosineParamScheduler(1.0, 0.1, 10),
            [0, 5, 9, 10, 11, 15, 20],
            [1, 0.55, 0.122, 0.1, 0.122, 0.55, 1],
            id="table B",
        ),
        pytest.param(
            ours.MultiStepParamScheduler([1, 0.1], 10, [4]), [2, 3, 4, 5], [1, 1, 0.1, 0.1], id="table D multi-step"
        ),
        pytest.param(ours.StepParamScheduler(8, [1, 0.1]), [2, 3, 4, 5], [1, 1, 0.1, 0.1], id="table D step"),
    ],
)
def test_rows_of_the_tables(schedule: Schedule, updates: list[int], expected: list[float]) -> None:
    np.testing.assert_allclose(schedule(updates), expected, atol=5.1e-4, rtol=0)


STAIRS = ours.MultiStepParamScheduler([1.0, 0.1], 10, [4])
LATE = WarmupParamScheduler(ours.CosineParamScheduler(1.0, 0.0), 0.1, 0.4)


def sequence(last: Schedule, scaling: str = "rescaled") -> Any:
    """A cosine, and then this."""
    return ours.CompositeParamScheduler([ours.CosineParamScheduler(1, 0), last], [0.5, 0.5], ["rescaled", scaling], 10)


@pytest.mark.parametrize("name", ["StepParam", "Constant", "MultiStepParam", "PolynomialDecay"])
def test_past_the_end_the_library_has_no_rate(name: str) -> None:
    """Where a finding says so, alone and as the last part, and at no update before it."""
    parts = {
        "StepParam": ours.StepParamScheduler(10, [1.0, 0.1]),
        "Constant": ours.ConstantParamScheduler(0.5, 10),
        "MultiStepParam": STAIRS,
        "PolynomialDecay": ours.PolynomialDecayParamScheduler(1.0, 0.5, 10),
    }
    for schedule in (parts[name], sequence(parts[name]), sequence(parts[name], "fixed")):
        (finding,) = schedule.quirks(40)
        end, asked = int(finding.evidence["end"]), theirs(schedule)
        for update in range(end):
            assert isinstance(asked(update / 10), float)
        try:
            value = asked(end / 10)
        except (RuntimeError, IndexError):
            assert finding.name == "raises past the end"
        else:
            assert isinstance(value, complex)
            assert finding.name == "complex past the end"


@pytest.mark.parametrize(
    ("schedule", "run", "names"),
    [
        (ours.CosineParamScheduler(1.0, 0.1, 10), 10, []),
        (ours.CosineParamScheduler(1.0, 0.1, 10), 15, ["rises past the end"]),
        (ours.LinearParamScheduler(1.0, 0.0, 10), 15, ["negative past the end"]),
        (ours.PolynomialDecayParamScheduler(1.0, 2.0, 10), 15, ["rises past the end"]),
        (ours.PolynomialDecayParamScheduler(1.0, 0.9, 10), 11, []),
        (ours.PolynomialDecayParamScheduler(1.0, 0.9, 10), 12, ["complex past the end"]),
        (ours.StepParamScheduler(10, [1.0, 0.1]), 10, []),
        (ours.StepParamScheduler(10, [1.0, 0.1]), 11, ["raises past the end"]),
        (ours.StepWithFixedGammaParamScheduler(1.0, 2, 0.1, 10), 11, ["raises past the end"]),
        (ours.ConstantParamScheduler(1.0, 10), 11, ["raises past the end"]),
        (ours.MultiStepParamScheduler([1.0, 0.1], 10, [4]), 11, []),
        (ours.MultiStepParamScheduler([1.0, 0.1], 10, [4]), 12, ["raises past the end"]),
        (ours.CompositeParamScheduler([ours.CosineParamScheduler(1, 0)], [1], ["fixed"], 5), 9, ["rises past the end"]),
        (sequence(STAIRS), 11, []),
        (sequence(STAIRS), 12, ["raises past the end"]),
        (sequence(ours.ConstantParamScheduler(0.5)), 10, []),
        (sequence(ours.ConstantParamScheduler(0.5)), 11, ["raises past the end"]),
        (sequence(STAIRS, "fixed"), 12, ["raises past the end"]),
        (sequence(ours.PolynomialDecayParamScheduler(1.0, 0.5)), 12, ["complex past the end"]),
        (sequence(LATE), 10, ["peak never reached"]),
    ],
)
def test_quirks_are_said_where_they_show(schedule: Any, run: int, names: list[str]) -> None:
    assert [finding.name for finding in schedule.quirks(run)] == names


@pytest.mark.parametrize("name", [*SIMPLE, "MultiStep", "Composite"])
def test_text_and_json_round_trips(name: str) -> None:
    for seed in range(10):
        rng = random.Random(f"round {name} {seed}")
        makers = {"MultiStep": multi_step, "Composite": composite}
        schedule = makers[name](rng) if name in makers else simple(name, rng)
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule


def test_far_past_the_end_it_is_finite() -> None:
    for schedule in (
        ours.PolynomialDecayParamScheduler(1.0, 100.0, 1),
        ours.ExponentialParamScheduler(1.0, 50.0, 1),
        ours.LinearParamScheduler(1.0, 0.0, 1),
    ):
        assert np.isfinite(schedule(np.array([2.0, 1e6, 2.0**53]))).all()


COSINE = ours.CosineParamScheduler(1.0, 0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ours.CosineParamScheduler(1.0, 0.0, 0), r"CosineParamScheduler.num_updates must be >= 1 updates"),
        (lambda: ours.CosineParamScheduler(1.0, 0.0, steps=3), r"unknown parameter .* 'steps'; .*num_updates"),
        (lambda: ours.PolynomialDecayParamScheduler(1.0, -1.0), r"power must be >= 0, got -1"),
        (lambda: ours.MultiStepParamScheduler([1.0]), r"num_updates or MultiStep.* must be given, got neither"),
        (lambda: ours.MultiStepParamScheduler([1.0, 0.1], 9, [3, 4]), r"milestones must be 1 for 2 values, got 2"),
        (lambda: ours.MultiStepParamScheduler([1.0, 0.1], 9, [9]), r"must rise strictly between 0 and its end of 9"),
        (lambda: ours.MultiStepParamScheduler([1.0, 0.1], 9, "x"), r"milestones must be a list of whole numbers"),
        (lambda: ours.MultiStepParamScheduler([1.0, 0.1], 1, [0]), r"num_updates must be >= its 2 values, got 1"),
        (lambda: ours.StepParamScheduler(0, [1.0]), r"StepParamScheduler.num_updates must be >= 1 updates"),
        (lambda: ours.StepParamScheduler(3, []), r"StepParamScheduler.values must have at least one entry"),
        (lambda: ours.StepWithFixedGammaParamScheduler(1.0, 0, 0.1, 9), r"num_decays must be >= 1, got 0"),
        (lambda: ours.StepWithFixedGammaParamScheduler(1.0, 10_000, 9.0, 9), r"gamma \*\* num_decays .* overflows"),
        (lambda: ours.CompositeParamScheduler([COSINE], [0.5], ["fixed"]), r"lengths must sum to 1, got 0.5"),
        (lambda: ours.CompositeParamScheduler([COSINE], [0.5, 0.5], ["fixed"]), r"lengths must be 1, one per"),
        (lambda: ours.CompositeParamScheduler([COSINE], [1], ["scaled"]), r"interval_scaling must be 'rescaled' or"),
        (lambda: ours.CompositeParamScheduler([lr.Constant(1)], [1], ["fixed"], 9), r"names no end"),
    ],
)
def test_what_is_wrong_is_named(make: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()
