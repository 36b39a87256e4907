"""mlx.optimizers.schedulers, exactly: every function against the real one on MLX's CPU, on drawn arguments."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.optimizers import schedulers as real_schedulers

import learnrate as lr
from learnrate import Schedule
from learnrate.interop import dialect, mlx, names
from learnrate.spec import draw
from parity import FLOAT32, FLOAT64, agree, draws, every, updates_for


def real(schedule: Schedule) -> Callable[[Any], Any]:
    """MLX's own function, called with the arguments of ours."""
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in schedule.parameters().items()}
    if "schedules" in given:
        given["schedules"] = [real(part) for part in given["schedules"]]
    return getattr(real_schedulers, type(schedule).__name__)(**given)


def rates(schedule: Schedule, horizon: int) -> list[float]:
    """What MLX computes at every update; in float64, which it has on the CPU alone."""
    with mx.stream(mx.cpu):
        steps = mx.array(np.arange(updates_for(horizon)), dtype=mx.float64)
        values = real(schedule)(steps)
        return np.broadcast_to(np.asarray(values, dtype=np.float64), steps.shape).tolist()


def steps(rng: random.Random) -> int:
    return rng.choice((1, 2, 3, rng.randint(4, 40), rng.randint(4, 40)))


def factor(rng: random.Random) -> float:
    return rng.choice((0.0, 0.5, 1.0, 1.05, rng.random()))


def exponential_decay(rng: random.Random) -> Schedule:
    return mlx.exponential_decay(rng.random(), factor(rng))


def step_decay(rng: random.Random) -> Schedule:
    return mlx.step_decay(rng.random(), factor(rng), steps(rng))


def cosine_decay(rng: random.Random) -> Schedule:
    return mlx.cosine_decay(rng.random(), steps(rng), *rng.choice(((), (rng.random(),))))


def linear_schedule(rng: random.Random) -> Schedule:
    return mlx.linear_schedule(rng.random(), rng.random(), steps(rng))


def join_schedules(rng: random.Random) -> Schedule:
    makers = (exponential_decay, step_decay, cosine_decay, linear_schedule)
    parts = [rng.choice(makers)(rng) for _ in range(rng.randint(1, 4))]
    places = [rng.randint(0, 40) for _ in parts[1:]]
    return mlx.join_schedules(parts, places if rng.random() < 0.3 else sorted(places))


CASES = names("mlx")
TOLERANCE = {"cosine_decay": FLOAT32, "join_schedules": FLOAT32}
"""MLX computes the cosine of a float64 array in float32."""


@pytest.mark.parametrize("name", CASES)
def test_parity_with_the_real_mlx(name: str) -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        schedule = globals()[name](rng)
        return schedule, rates(schedule, 40)

    every(name, case, TOLERANCE.get(name, FLOAT64))


def test_no_schedule_of_mlx_is_missing_and_arguments_are_its_own() -> None:
    theirs = {name for name, item in vars(real_schedulers).items() if inspect.isfunction(item)}
    assert theirs == set(CASES)
    for name in CASES:
        wanted = inspect.signature(getattr(real_schedulers, name)).parameters
        cls = dialect(f"mlx.{name}")
        assert list(cls.kinds) == list(wanted)
        defaults = {key: item.default for key, item in wanted.items() if item.default is not inspect.Parameter.empty}
        assert cls._defaults == defaults


def test_the_real_optimizer_reads_f_of_k_for_update_k() -> None:
    from mlx.optimizers import SGD

    schedule = mlx.linear_schedule(0.0, 1.0, 4)
    optimizer, seen = SGD(learning_rate=real(schedule)), []
    weights = {"w": mx.zeros(1)}
    for _ in range(6):
        before = float(weights["w"][0])
        weights = optimizer.apply_gradients({"w": mx.ones(1)}, weights)
        seen.append(before - float(weights["w"][0]))
    assert seen == pytest.approx(schedule(np.arange(6)), abs=1e-6)


TABLES = [
    (
        "A",
        "join_schedules([mlx.linear_schedule(0.0, 1.0, 4), mlx.cosine_decay(1.0, 8)], [4])",
        range(5),
        [0, 0.25, 0.5, 0.75, 1],
    ),
    ("B", "cosine_decay(1.0, 10, 0.1)", [0, 5, 9, 10, 11, 15, 20], [1, 0.55, 0.122, 0.1, 0.1, 0.1, 0.1]),
    ("C", "linear_schedule(1.0, 0.0, 10)", [9, 10, 11, 15], [0.1, 0, 0, 0]),
    ("D", "step_decay(1.0, 0.1, 4)", [2, 3, 4, 5], [1, 1, 0.1, 0.1]),
]


@pytest.mark.parametrize(("table", "text", "updates", "printed"), TABLES)
def test_tables_of_the_reference(table: str, text: str, updates: Any, printed: list[float]) -> None:
    schedule = lr.parse(f"mlx.{text}")
    assert schedule(np.asarray(updates)) == pytest.approx(printed, abs=6e-4)
    agree(schedule, rates(schedule, 20), FLOAT32)


@pytest.mark.parametrize("name", CASES)
def test_text_and_json_rebuild_it(name: str) -> None:
    for rng in draws(name, 20):
        drawn = [globals()[name](rng)] + ([draw(dialect(f"mlx.{name}"), rng)] if name != "join_schedules" else [])
        for schedule in drawn:
            assert lr.parse(repr(schedule)) == schedule
            assert Schedule.from_json(schedule.to_json()) == schedule
            assert bool(np.isfinite(schedule(np.arange(200))).all())
            assert list(schedule.quirks(100)) == []


BAD = [
    ("step_decay(1.0, 0.5, 0)", r"step_decay.step_size must be >= 1 updates, got 0"),
    ("cosine_decay(1.0, 0)", r"cosine_decay.decay_steps must be >= 1 updates, got 0"),
    ("linear_schedule(1.0, 0.0, 0)", r"linear_schedule.steps must be >= 1 updates, got 0"),
    ("exponential_decay(1.0, -0.5)", r"exponential_decay.decay_rate must be >= 0, got -0.5"),
    ("join_schedules([mlx.cosine_decay(1.0, 3)], [2])", r"one entry fewer than there are schedules \(1\), got 1"),
    ("linear_schedule(1.0, 0.0, total=3)", r"'total'.*end, init, steps"),
]


@pytest.mark.parametrize(("text", "says"), BAD)
def test_bad_arguments_name_the_argument_and_the_rule(text: str, says: str) -> None:
    with pytest.raises(lr.LearnrateError, match=says):
        lr.parse(f"mlx.{text}")


def test_functions_are_joined_too() -> None:
    joined = mlx.join_schedules([lambda _: 3, lambda t: 4 + t, mlx.linear_schedule(0.0, 1.0, 4)], [2, 4])
    assert joined([0, 1, 2, 3, 4, 6, 8]).tolist() == [3, 3, 4, 5, 0, 0.5, 1]
