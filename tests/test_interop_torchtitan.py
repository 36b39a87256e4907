"""torchtitan: its schedule against the file of the real package, in its training loop."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError
from learnrate.interop.torchtitan import LRScheduler
from learnrate.spec import draw
from parity import FLOAT64, every, updates_for
from peers import load

REAL = load(
    "torchtitan",
    "torchtitan/components/optimizer/lr_scheduler.py",
    ["torchtitan.config", "torchtitan.tools.logging", "torchtitan.components.optimizer.optimizer"],
    "torchtitan.components.optimizer.lr_scheduler",
    torchtitan__config={"Configurable": type("Configurable", (), {"Config": type("Config", (), {})})},
    torchtitan__tools__logging={"logger": type("Logger", (), {"warning": staticmethod(lambda *_: None)})},
)


def loop(ours: Any, updates: int) -> list[float]:
    """The rates of the real container; the last one again where the library's assertion ends the run."""
    given = ours.parameters()
    base, training = given.pop("lr"), given.pop("training_steps")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    container = REAL.LRSchedulersContainer.Config(**given).build(optimizers=[optimizer], training_steps=training)
    rates = []
    for _ in range(updates):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        try:
            container.step()
        except AssertionError:  # decay_steps must not be zero to reach this branch
            assert len(rates) > ours.horizon
            return rates + [rates[-1]] * (updates - len(rates))
    return rates


def drawn(rng: random.Random) -> LRScheduler:
    changes: dict[str, Any] = {"training_steps": rng.choice([1, 2, 3, 10, rng.randint(1, 40)])}
    if rng.random() < 0.3:
        changes["warmup_steps"] = rng.choice([0, 1, 200])
    if rng.random() < 0.2:
        changes["decay_ratio"] = rng.choice([0.0, 0.5, 1.0])
    schedule: LRScheduler = draw(LRScheduler, rng).replace(**changes)
    return schedule


def test_every_update_agrees() -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        ours = drawn(rng)
        return ours, loop(ours, updates_for(ours.horizon))

    every("torchtitan LRScheduler", case, FLOAT64)


@pytest.mark.parametrize(
    ("schedule", "updates", "rates"),
    [
        pytest.param(LRScheduler(12, 4), [0, 1, 2, 3, 4, 5], [0.25, 0.5, 0.75, 1, 1, 0.875], id="table A"),
        pytest.param(LRScheduler(10, 0), [9, 10, 11, 15], [0.1, 0, -0.1, -0.5], id="table C"),
        pytest.param(
            LRScheduler(10, 2, decay_ratio=0.4, min_lr_factor=0.1),
            [0, 1, 5, 6, 7, 9, 10, 11],
            [0.5, 1, 1, 1, 0.775, 0.325, 0.1, -0.125],
            id="table H",
        ),
        pytest.param(
            LRScheduler(10, 2, decay_ratio=0.4, min_lr_factor=0.1, decay_type="sqrt"),
            [7, 9],
            [0.55, 0.2206],
            id="1-sqrt",
        ),
        pytest.param(LRScheduler(10, 0, decay_type="cosine"), [10, 11, 20], [0, 0.0245, 1], id="cosine bounces"),
    ],
)
def test_rows_of_the_tables(schedule: Schedule, updates: list[int], rates: list[float]) -> None:
    np.testing.assert_allclose(schedule(updates), rates, atol=5.1e-4, rtol=0)


def test_warmup_longer_than_the_run_is_cut() -> None:
    np.testing.assert_allclose(LRScheduler(4)([0, 1, 2, 3, 4]), [0.25, 0.5, 0.75, 1, 1])


@pytest.mark.parametrize(
    ("schedule", "run", "names"),
    [
        (LRScheduler(10, 2), 10, []),
        (LRScheduler(10, 2), 15, ["negative past the end"]),
        (LRScheduler(10, 2, decay_type="sqrt"), 15, ["negative past the end"]),
        (LRScheduler(10, 2, decay_type="cosine"), 15, ["rises past the end"]),
        (LRScheduler(10, 10), 10, []),
        (LRScheduler(10, 10), 11, ["raises past the end"]),
        (LRScheduler(10, 2, decay_ratio=0.0), 30, ["raises past the end"]),
    ],
)
def test_quirks_are_said_where_they_show(schedule: LRScheduler, run: int, names: list[str]) -> None:
    assert [finding.name for finding in schedule.quirks(run)] == names


def test_text_and_json_round_trips() -> None:
    for seed in range(20):
        schedule = drawn(random.Random(seed))
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"training_steps": 0}, r"LRScheduler.training_steps must be >= 1 updates, got 0"),
        ({"training_steps": 9, "decay_ratio": 1.5}, r"LRScheduler.decay_ratio must be <= 1, got 1.5"),
        ({"training_steps": 9, "decay_type": "poly"}, r"decay_type must be one of 'linear', 'sqrt', 'cosine'"),
        ({"training_steps": 9, "steps": 3}, r"unknown parameter of LRScheduler 'steps'.*warmup_steps"),
        ({}, r"LRScheduler.training_steps is missing"),
    ],
)
def test_what_is_wrong_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        LRScheduler(**arguments)
