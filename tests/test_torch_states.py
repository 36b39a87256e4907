"""States of schedules that no text rebuilds, and differences that are hard to find."""

from __future__ import annotations

import functools
import json
import operator
from typing import Any

import numpy as np
import pytest
import torch

from learnrate.errors import StateError
from learnrate.schedule import Schedule
from learnrate.schedules import Constant, Function, Interpolation, Linear, PiecewiseConstant
from learnrate.torch import attach


def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)


def points(changed: int | None, count: int = 60_000) -> Schedule:
    values = np.linspace(1.0, 0.0, count)
    if changed is not None:
        values[changed] += 0.5
    return Interpolation(range(count), values.tolist())


def many(changed: int | None) -> Schedule:
    """More parts than one text may build."""
    return functools.reduce(operator.rshift, [Constant(2.0 if k == changed else 1.0).cut(3) for k in range(2_500)])


@pytest.mark.parametrize(("make", "changed", "message"), [
    (points, 31_234, r"lr of group 0 holds other numbers here, though not at any of the \d+ updates whose values"),
    (points, 100, "lr of group 0 first differs at update 100, "),
    (many, 1_234, "lr of group 0 "),
    (many, 20, r"lr of group 0 first differs at update 60, 1\.0 in the state and 2\.0 here"),
])  # fmt: skip
def test_a_schedule_too_long_for_its_text_is_compared_by_all_it_holds(make: Any, changed: int, message: str) -> None:
    scheduler = attach(sgd(), lr=make(None))
    scheduler.optimizer.step()
    scheduler.step()
    state = json.loads(json.dumps(scheduler.state_dict()))
    assert len(json.dumps(state)) < 100_000
    same = attach(sgd(), lr=make(None))
    same.load_state_dict(state)
    assert same.update == 1
    other = attach(sgd(), lr=make(changed))
    with pytest.raises(StateError, match=message) as caught:
        other.load_state_dict(state)
    assert len(str(caught.value)) < 1_500
    assert other.update == 0
    other.load_state_dict(state, allow_change=True)
    assert other.update == 1


def test_what_is_shared_very_many_times_is_saved_and_compared() -> None:
    def doubled(start: float) -> Schedule:
        schedule: Schedule = Linear(start, 0, 10)
        for _ in range(40):  # as text, 2**40 parts
            schedule = (schedule + schedule).clip(0, 1)
        return schedule

    state = attach(sgd(), lr=doubled(0.5)).state_dict()
    attach(sgd(), lr=doubled(0.5)).load_state_dict(state)
    with pytest.raises(StateError, match="lr of group 0"):
        attach(sgd(), lr=doubled(0.25)).load_state_dict(state)


@pytest.mark.parametrize(("there", "here", "update"), [
    (PiecewiseConstant([1, 1], [5_000_003]), PiecewiseConstant([1, 2, 1], [5_000_003, 5_000_005]), 5_000_003),
    (Constant(1.0), PiecewiseConstant([1, 2, 1], [500_003, 500_004]), 500_003),
])  # fmt: skip
def test_a_short_difference_far_away_is_found(there: Schedule, here: Schedule, update: int) -> None:
    for saved, attached in ((there, here), (here, there)):
        with pytest.raises(StateError, match=f"first differs at update {update}, "):
            attach(sgd(), lr=attached).load_state_dict(attach(sgd(), lr=saved).state_dict())


def test_a_users_function_that_raises_while_it_is_compared_is_named() -> None:
    def gives_out(t: float) -> float:
        return [0.1, 0.2][int(t)]

    for saved in (Constant(0.1).cut(50), Function(lambda t: 0.1, 50)):
        other = attach(sgd(), lr=0.5 * Function(gives_out, 50))
        state = attach(sgd(), lr=0.5 * saved).state_dict()
        with pytest.raises(StateError, match="function attached here, .*gives_out.*, raises IndexError at update 2: "):
            other.load_state_dict(state)
        other.load_state_dict(state | {"update": 1}, allow_change=True)
        assert other.get_last_lr() == [0.1]


def test_a_users_function_is_stored_as_values_even_when_it_gives_out() -> None:
    table = [0.1, 0.2, 0.3]
    scheduler = attach(sgd(), lr=Function(lambda t: table[int(t)]))
    state = json.loads(json.dumps(scheduler.state_dict()))
    assert state["schedules"][0]["values"] == table
    attach(sgd(), lr=Function(lambda t: table[int(t)])).load_state_dict(state)
