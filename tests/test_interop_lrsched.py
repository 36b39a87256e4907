"""lrsched: every name against the real library, at every update."""

from __future__ import annotations

import random
from typing import Any

import lrsched as real
import numpy as np
import pytest

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError
from learnrate.interop import lrsched as ours
from learnrate.spec import draw
from parity import FLOAT64, every, taken, updates_for

SIZES = [1, 2, 3, 5, 8, 13, 40]
LENGTHS = {"step_size", "total_steps", "period", "warmup_steps", "decay_steps"}
PLAIN = sorted(
    set(real.__all__) - {"GroupSchedule", "Schedule", "sample", "scale_by_group", "sequential", "with_warmup"}
)


def drawn(name: str, rng: random.Random) -> Schedule:
    """A random instance, with tiny lengths, no warmup and no milestones among them."""
    cls = getattr(ours, name)
    while True:
        schedule = draw(cls, rng)
        sizes = {key: rng.choice(SIZES) for key in LENGTHS & set(cls.kinds) if rng.random() < 0.5}
        if name == "warmup_stable_decay" and rng.random() < 0.3:
            sizes[rng.choice(["warmup_steps", "decay_steps"])] = 0
        if name == "multi_step" and rng.random() < 0.1:
            sizes["milestones"] = []
        values = schedule.parameters() | sizes
        values = {key: list(item) if isinstance(item, tuple) else item for key, item in values.items()}
        made = taken(
            lambda given=sizes, drawn=schedule: drawn.replace(**given),
            lambda given=values: real.sample(getattr(real, name)(**given), num_steps=100),
        )
        if made is not None:
            return made


def theirs(schedule: Any) -> Any:
    values = {key: list(item) if isinstance(item, tuple) else item for key, item in schedule.parameters().items()}
    if isinstance(schedule, ours.with_warmup):
        return real.with_warmup(theirs(values.pop("schedule")), **values)
    if isinstance(schedule, ours.sequential):
        return real.sequential([(updates, theirs(phase)) for updates, phase in schedule.phases])
    return getattr(real, type(schedule).__name__)(**values)


def compared(schedule: Any) -> tuple[Schedule, list[float]]:
    horizon = schedule.horizon or 40
    return schedule, real.sample(theirs(schedule), num_steps=updates_for(horizon))


@pytest.mark.parametrize("name", PLAIN)
def test_every_shape_agrees(name: str) -> None:
    every(f"lrsched {name}", lambda rng: compared(drawn(name, rng)), FLOAT64)


def warmed(rng: random.Random) -> Any:
    inner = drawn(rng.choice(PLAIN), rng)
    return ours.with_warmup(inner, warmup_steps=rng.choice(SIZES), start_lr=rng.choice([0.0, rng.random()]))


def in_turn(rng: random.Random) -> Any:
    phases = [(rng.choice(SIZES), drawn(rng.choice(PLAIN), rng)) for _ in range(rng.randint(1, 4))]
    return ours.sequential(phases)


@pytest.mark.parametrize("make", [warmed, in_turn])
def test_combinators_agree(make: Any) -> None:
    every(f"lrsched {make.__name__}", lambda rng: compared(make(rng)), FLOAT64)


def test_groups_agree() -> None:
    inner = ours.cosine(1.0, 0.1, 10)
    factors = {"head": 1.0, "body": 0.1}
    groups = ours.scale_by_group(inner, multipliers=factors)
    for update in range(16):
        expected = real.scale_by_group(theirs(inner), multipliers=factors)(update)
        assert {name: schedule(update) for name, schedule in groups.items()} == pytest.approx(expected, rel=1e-12)


def test_every_function_of_the_library_is_here() -> None:
    assert set(ours.__all__) == set(real.__all__) - {"GroupSchedule", "Schedule", "sample"}


CYCLE = ours.one_cycle(max_lr=1.0, total_steps=10, pct_start=0.3, initial_div=25.0, final_div=25e4)


@pytest.mark.parametrize(
    ("schedule", "updates", "rates"),
    [
        pytest.param(CYCLE, [0, 1, 2, 3, 9, 10], [0.04, 0.28, 0.76, 1, 0.0495, 4e-6], id="table F"),
        pytest.param(ours.polynomial(1.0, 0.1, 10, 2.0), [5], [0.325], id="table C"),
        pytest.param(ours.cosine(1.0, 0.1, 10), [0, 5, 9, 10, 11, 20], [1, 0.55, 0.122, 0.1, 0.1, 0.1], id="table B"),
        pytest.param(ours.inverse_sqrt(1.0, 4), [0, 1, 3, 4, 5, 16, 100], [0, 0.25, 0.75, 1, 0.894, 0.5, 0.2], id="G"),
        pytest.param(
            ours.cosine_restarts(1.0, 0.0, 4, 2), [3, 4, 5, 11, 12, 13], [0.146, 1, 0.962, 0.038, 1, 0.99], id="table E"
        ),
    ],
)
def test_rows_of_the_tables(schedule: Schedule, updates: list[int], rates: list[float]) -> None:
    np.testing.assert_allclose(schedule(updates), rates, atol=5.1e-4, rtol=0)


@pytest.mark.parametrize("name", [*PLAIN, "with_warmup", "sequential"])
def test_text_and_json_round_trips(name: str) -> None:
    for seed in range(10):
        rng = random.Random(f"round {name} {seed}")
        makers = {"with_warmup": warmed, "sequential": in_turn}
        schedule = makers[name](rng) if name in makers else drawn(name, rng)
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ours.linear(1.0, 0.0, 0), r"linear.total_steps must be >= 1 updates, got 0"),
        (lambda: ours.linear(1.0, 0.0, steps=3), r"unknown parameter of linear 'steps'; .*total_steps"),
        (lambda: ours.one_cycle(1.0, 1, 0.3, 25, 1e4), r"one_cycle.total_steps must be >= 2 updates, got 1"),
        (lambda: ours.exponential_decay(1.0, 1.0, 3), r"exponential_decay.decay_rate must be < 1, got 1.0"),
        (
            lambda: ours.warmup_stable_decay(1, 6, 6, 10, 0, 0, "linear"),
            r"total_steps must be >= .* 12 updates, got 10",
        ),
        (lambda: ours.warmup_stable_decay(1, 2, 2, 10, 0, 0, "sqrt"), r"decay_shape must be one of 'linear', '1-sqrt'"),
        (lambda: ours.sequential([]), r"sequential.phases must be a list of pairs"),
        (lambda: ours.sequential([(0, ours.constant(1.0))]), r"phases must hold durations that each be >= 1 updates"),
        (lambda: ours.sequential([(3, lr.Cosine(1, 0))]), r"phases must hold bound schedules"),
        (lambda: ours.sequential([3]), r"phases must hold pairs"),
        (lambda: ours.with_warmup(lr.Cosine(1, 0), 3, 0.0), r"with_warmup.schedule must be bound to a length"),
        (lambda: ours.with_warmup(0.1, 3, 0.0), r"with_warmup.schedule must be a schedule, got 0.1"),
        (lambda: ours.scale_by_group(ours.constant(1.0), multipliers={}), r"multipliers must name at least one group"),
        (lambda: ours.scale_by_group(ours.constant(1.0), multipliers={"a": 0}), r"multipliers\['a'\] must be > 0"),
        (lambda: ours.scale_by_group(1.0, multipliers={"a": 1}), r"scale_by_group.schedule must be a schedule"),
    ],
)
def test_what_is_wrong_is_named(make: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()
