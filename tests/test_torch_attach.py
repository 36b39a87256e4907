"""Schedules attached to real optimizers: values, groups, time, checkpoints, and the company of torch itself."""

from __future__ import annotations

import copy
import gc
import io
import itertools
import json
import math
import os
import pickle
import random
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

import learnrate.torch
from learnrate.errors import StateError, TimeError, UnboundError, UnknownName, UsageError
from learnrate.feedback import Greedy, Plateau
from learnrate.schedule import Schedule
from learnrate.schedules import (
    Constant,
    Cosine,
    Exponential,
    Function,
    Interpolation,
    Linear,
    MultiStep,
    PiecewiseConstant,
    Polynomial,
    Step,
)
from learnrate.torch import Scheduler, attach

WARMUP_COSINE = Linear(0, 1e-2, 5) >> Cosine(1e-2, 1e-3, 15)


def parameter(size: int = 2) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(size, dtype=torch.float64))


def groups(*rates: Any) -> list[dict[str, Any]]:
    return [{"params": [parameter()], "lr": rate, "name": f"g{i}"} for i, rate in enumerate(rates)]


def sgd(*rates: Any, **settings: Any) -> torch.optim.SGD:
    return torch.optim.SGD(groups(*(rates or (0.1,))), **settings)


def adamw(*rates: Any, **settings: Any) -> torch.optim.AdamW:
    return torch.optim.AdamW(groups(*(rates or (0.1,))), **settings)


def rates(optimizer: torch.optim.Optimizer, setting: str = "lr") -> list[Any]:
    return [group[setting] for group in optimizer.param_groups]


def train(optimizer: torch.optim.Optimizer, scheduler: Any, updates: int) -> list[list[float]]:
    """Some updates in the right order; the rates that each of them used."""
    used = []
    for _ in range(updates):
        for group in optimizer.param_groups:
            for each in group["params"]:
                each.grad = torch.ones_like(each)
        used.append([float(rate) for rate in rates(optimizer)])
        optimizer.step()
        scheduler.step()
    return used


# -- time and values


def test_the_kth_update_moves_the_weights_by_the_kth_rate() -> None:
    optimizer = sgd()
    weight = optimizer.param_groups[0]["params"][0]
    scheduler = attach(optimizer, lr=WARMUP_COSINE)
    for k in range(25):
        before = weight.detach().clone()
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        np.testing.assert_allclose((before - weight).detach(), WARMUP_COSINE(k), atol=1e-15)
        assert scheduler.update == scheduler.last_epoch == k
        scheduler.step()
        assert scheduler.get_last_lr() == rates(optimizer) == [WARMUP_COSINE(k + 1)]


def test_it_is_a_torch_scheduler_with_what_torch_users_read() -> None:
    optimizer = sgd(0.1, 0.2)
    scheduler = attach(optimizer, lr=WARMUP_COSINE)
    assert isinstance(scheduler, lr_scheduler.LRScheduler)
    assert isinstance(scheduler, Scheduler)
    assert scheduler.optimizer is optimizer
    assert scheduler.base_lrs == rates(optimizer, "initial_lr") == [0.1, 0.2]
    assert scheduler.schedule == WARMUP_COSINE
    assert scheduler.get_lr() == scheduler.get_last_lr() == [0.0, 0.0]
    assert repr(scheduler) == f"Scheduler(update=0, lr={WARMUP_COSINE!r})"
    scheduler.get_last_lr().append(7)
    assert len(scheduler.get_last_lr()) == 2


@pytest.mark.parametrize(("peer", "schedule"), [
    (lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.9**t), Exponential(1.0, 0.9)),
    (lambda o: lr_scheduler.ExponentialLR(o, 0.9), Exponential(1.0, 0.9)),
    (lambda o: lr_scheduler.StepLR(o, 7, 0.3), Step(1.0, 0.3, 7)),
    (lambda o: lr_scheduler.MultiStepLR(o, [3, 11], 0.5), MultiStep(1.0, [3, 11], 0.5)),
    (lambda o: lr_scheduler.CosineAnnealingLR(o, 40), Cosine(1.0, 0.0, 40)),
    (lambda o: lr_scheduler.PolynomialLR(o, 40, 2.0), Polynomial(1.0, 0.0, 40, power=2.0)),
    (lambda o: lr_scheduler.LinearLR(o, 0.25, 1.0, 8), Linear(0.25, 1.0, 8)),
    (lambda o: lr_scheduler.ConstantLR(o, 0.25, 8), PiecewiseConstant([0.25, 1.0], [8])),
    (
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.LinearLR(o, 0.1, 1.0, 5), lr_scheduler.CosineAnnealingLR(o, 35)], [5]
        ),
        Linear(0.1, 1.0, 5) >> Cosine(1.0, 0.0, 35),
    ),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")  # torch's own SequentialLR
def test_relative_rates_are_those_of_torch(peer: Callable[..., Any], schedule: Schedule) -> None:
    theirs, ours = sgd(0.3, 0.01), sgd(0.3, 0.01)
    expected = train(theirs, peer(theirs), 40)
    used = train(ours, attach(ours, lr=schedule, relative=True), 40)
    np.testing.assert_allclose(used, expected, rtol=1e-10, atol=1e-13)


def test_initial_lr_wins_over_lr_as_the_base() -> None:
    optimizer = sgd(0.1, 0.2)
    optimizer.param_groups[0]["initial_lr"] = 0.5
    scheduler = attach(optimizer, lr=Linear(1.0, 0.0, 4), relative=True)
    scheduler_rates = train(optimizer, scheduler, 2)
    assert scheduler.base_lrs == [0.5, 0.2]
    np.testing.assert_allclose(scheduler_rates, [[0.5, 0.2], [0.375, 0.15]])


def test_stepping_several_times_per_update_moves_as_often() -> None:
    optimizer = sgd()  # what Accelerate does with several processes
    scheduler = attach(optimizer, lr=WARMUP_COSINE)
    train(optimizer, scheduler, 1)
    scheduler.step()
    assert (scheduler.update, rates(optimizer)) == (2, [WARMUP_COSINE(2)])


def test_step_with_an_epoch_jumps_and_says_that_torch_deprecates_it() -> None:
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARMUP_COSINE)
    train(optimizer, scheduler, 2)
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(11)
    assert (scheduler.update, rates(optimizer)) == (11, [WARMUP_COSINE(11)])
    for wrong in (-1, 2.5, math.nan):
        with pytest.raises(TimeError):
            scheduler.step(wrong)  # type: ignore[arg-type]
    assert (scheduler.update, rates(optimizer)) == (11, [WARMUP_COSINE(11)])


# -- settings


def test_any_number_in_a_group_can_be_scheduled() -> None:
    optimizer = adamw(0.1, 0.2, weight_decay=0.3)
    decay, beta1, beta2, eps = Linear(0.1, 0, 10), Linear(0.8, 0.9, 10), Constant(0.95), Linear(1e-8, 1e-6, 10)
    scheduler = attach(optimizer, lr=WARMUP_COSINE, weight_decay=decay, beta1=beta1, beta2=beta2, eps=eps)
    for k in range(13):
        for group in optimizer.param_groups:
            assert group["lr"] == WARMUP_COSINE(k)
            assert group["weight_decay"] == decay(k)
            assert group["betas"] == (beta1(k), 0.95)
            assert isinstance(group["betas"], tuple)
            assert group["eps"] == eps(k)
        train(optimizer, scheduler, 1)


def test_lr_may_be_left_to_the_optimizer() -> None:
    optimizer = sgd(0.1, momentum=0.5)
    scheduler = attach(optimizer, momentum=Linear(0.5, 0.9, 4))
    train(optimizer, scheduler, 2)
    assert rates(optimizer) == scheduler.get_last_lr() == scheduler.get_lr() == [0.1]
    assert rates(optimizer, "momentum") == [pytest.approx(0.7)]
    assert scheduler.schedule is None


def test_a_count_stays_a_count() -> None:
    optimizer = torch.optim.Muon([torch.nn.Parameter(torch.ones(3, 3))], lr=0.1)
    scheduler = attach(optimizer, lr=0.1, ns_steps=PiecewiseConstant([5, 3], [2]))
    seen = []
    for _ in range(4):
        seen.append(optimizer.param_groups[0]["ns_steps"])
        train(optimizer, scheduler, 1)
    assert seen == [5, 5, 3, 3]
    assert all(type(steps) is int for steps in seen)


def test_an_integer_default_takes_fractions() -> None:
    optimizer = sgd()  # SGD's momentum is the int 0 until it is set
    scheduler = attach(optimizer, lr=0.1, momentum=Linear(0, 0.9, 3))
    train(optimizer, scheduler, 1)
    assert rates(optimizer, "momentum") == [pytest.approx(0.3)]


def test_groups_follow_their_own_schedules_by_name_or_index() -> None:
    optimizer = sgd(0.1, 0.2, 0.3, weight_decay=0.5)
    slow, fast = Linear(0.0, 0.1, 10), Linear(0.0, 1.0, 10)
    scheduler = attach(optimizer, lr={"g0": slow, 2: fast}, weight_decay={1: 0.25})
    train(optimizer, scheduler, 3)
    assert rates(optimizer) == [slow(3), 0.2, fast(3)] == scheduler.get_last_lr()
    assert rates(optimizer, "weight_decay") == [0.5, 0.25, 0.5]
    assert scheduler.schedule == {"g0": slow, 2: fast}


def test_one_evaluation_serves_all_groups() -> None:
    calls = []

    def counted(t: float) -> float:
        calls.append(t)
        return 0.1

    optimizer = sgd(*[0.1] * 50)
    scheduler = attach(optimizer, lr=Function(counted, 100))
    calls.clear()
    train(optimizer, scheduler, 1)
    scheduler.step()
    assert calls.count(2) == 1


@pytest.mark.parametrize("rate", [np.float32(0.1), np.float64(0.1), np.int64(1), Fraction(1, 10)], ids=repr)
def test_any_real_number_is_a_constant(rate: Any) -> None:
    optimizer = sgd(0.7, 0.8)
    scheduler = attach(optimizer, lr=rate, weight_decay={0: rate})
    assert rates(optimizer) == [float(rate)] * 2
    assert {type(each) for each in rates(optimizer)} == {float}
    json.dumps(scheduler.state_dict())


def test_the_text_of_a_scheduler_is_short() -> None:
    long = Interpolation(range(5000), [1.0] * 5000)
    for given in (long, {0: long, "g1": long}):
        text = repr(attach(sgd(0.1, 0.2), lr=given, momentum=0.9))
        assert len(text) < 400
        assert text.startswith("Scheduler(update=0, lr=")
        assert text.endswith("momentum=Constant(0.9))")


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({}, UsageError, "attach needs a schedule"),
    ({"lr": Cosine(0.1)}, UnboundError, r"lr has no length in updates yet: Cosine\(0.1\); bind it first"),
    ({"lr": {"g0": Linear(0, 1, "5%")}}, UnboundError, r"lr\['g0'\] has no length"),
    ({"lr": "Cosine(0.1, 0, 10)"}, UsageError, "lr must be a schedule, a number"),
    ({"lr": True}, UsageError, "lr must be a schedule"),
    ({"lr": lambda t: 0.1}, UsageError, "lr must be a schedule"),
    ({"lr": {}}, UsageError, "lr is an empty mapping"),
    ({"lr": {"head": 0.1}}, UnknownName, "unknown parameter group for lr 'head'; known: 0, 1, g0, g1"),
    ({"lr": {5: 0.1}}, UnknownName, "unknown parameter group for lr 5"),
    ({"lr": {-1: 0.1}}, UnknownName, "unknown parameter group for lr -1"),
    ({"lr": {None: 0.1}}, UsageError, "by its name or its index, got None"),
    ({"lr": {"g0": 0.1, 0: 0.2}}, UsageError, r"lr names group 0 \('g0'\) twice"),
    ({"lr": 0.1, "momentun": 0.9}, UnknownName, "unknown setting of group 0 .* 'momentun'; did you mean 'momentum'"),
    ({"lr": 0.1, "nesterov": 1.0}, UnknownName, "unknown setting"),
    ({"lr": 0.1, "params": 1.0}, UnknownName, "unknown setting"),
    ({"momentum": 0.9, "relative": True}, UsageError, "act on the lr schedule"),
    ({"momentum": 0.9, "feedback": Plateau()}, UsageError, "act on the lr schedule"),
    ({"lr": 0.9, "feedback": "plateau"}, UsageError, "feedback must be a rule such as Plateau"),
])  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_written(settings: Any, error: Any, message: str) -> None:
    optimizer = sgd(0.1, 0.2)
    with pytest.raises(error, match=message):
        attach(optimizer, **settings)
    assert rates(optimizer) == [0.1, 0.2]
    assert "initial_lr" not in optimizer.param_groups[0]


def test_betas_are_scheduled_one_by_one() -> None:
    with pytest.raises(UsageError, match="beta1=..., beta2=..."):
        attach(adamw(), lr=0.1, betas=0.9)


def test_an_optimizer_is_asked_for() -> None:
    with pytest.raises(UsageError, match=r"needs a torch.optim.Optimizer"):
        attach([parameter()], lr=0.1)  # type: ignore[arg-type]


def test_a_group_added_later_is_taken_in_at_the_next_step() -> None:
    absolute, relative, mapped = sgd(0.1), sgd(0.1), sgd(0.1)
    schedulers = [
        attach(absolute, lr=WARMUP_COSINE),
        attach(relative, lr=WARMUP_COSINE, relative=True),
        attach(mapped, lr={"g0": WARMUP_COSINE}),
    ]
    for optimizer, scheduler in zip((absolute, relative, mapped), schedulers, strict=True):
        train(optimizer, scheduler, 2)
        optimizer.add_param_group({"params": [parameter()], "lr": 4.0})
        assert len(scheduler.get_last_lr()) == 1
        train(optimizer, scheduler, 1)
    f = WARMUP_COSINE(3)
    assert rates(absolute) == [f, f] == schedulers[0].get_last_lr()
    assert rates(relative) == [0.1 * f, 4.0 * f]
    assert schedulers[1].base_lrs == [0.1, 4.0]
    assert rates(mapped) == [f, 4.0]
    late = schedulers[1].state_dict()
    fewer = attach(sgd(0.1), lr=WARMUP_COSINE, relative=True)
    with pytest.raises(StateError, match="2 parameter groups, this optimizer has 1"):
        fewer.load_state_dict(late)
    fewer.load_state_dict(late, allow_change=True)
    assert fewer.get_last_lr() == [0.1 * f]


# -- tensors


def test_tensor_rates_are_written_in_place() -> None:
    shared = torch.tensor(0.1, dtype=torch.float64)
    optimizer = adamw(shared, torch.tensor(0.2), foreach=False, capturable=False)
    held = rates(optimizer)
    scheduler = attach(optimizer, lr=WARMUP_COSINE, relative=True)
    train(optimizer, scheduler, 4)
    assert all(now is then for now, then in zip(rates(optimizer), held, strict=True))
    assert float(held[0]) == 0.1 * WARMUP_COSINE(4)
    last = scheduler.get_last_lr()
    assert [rate.dtype for rate in last] == [torch.float64, torch.float32]
    assert last[0] is not held[0]
    last[0].fill_(9.0)
    assert float(held[0]) == 0.1 * WARMUP_COSINE(4)
    assert scheduler.base_lrs == [0.1, pytest.approx(0.2)]
    json.dumps(scheduler.state_dict())


def test_tensor_betas_are_written_in_place() -> None:
    betas = (torch.tensor(0.9), torch.tensor(0.99))
    optimizer = adamw(torch.tensor(0.1), betas=betas, foreach=False)
    scheduler = attach(optimizer, lr=0.1, beta1=Linear(0.9, 0.5, 4))
    train(optimizer, scheduler, 1)
    assert optimizer.param_groups[0]["betas"][0] is betas[0]
    assert float(betas[0]) == pytest.approx(0.8)


def test_a_compiled_update_with_a_tensor_rate_is_compiled_once() -> None:
    optimizer = sgd(torch.tensor(0.1, dtype=torch.float64), foreach=False)
    scheduler = attach(optimizer, lr=WARMUP_COSINE)
    weight = optimizer.param_groups[0]["params"][0]
    weight.grad = torch.ones_like(weight)
    compiled = []

    def count(graph: Any, inputs: Any) -> Any:
        compiled.append(graph)
        return graph

    update = torch.compile(optimizer.step, backend=count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its compiler
        for _ in range(6):
            update()
            scheduler.step()
    assert len(compiled) == 1
    np.testing.assert_allclose(weight.detach(), 1 - WARMUP_COSINE.curve(6).sum(), rtol=1e-12)


# -- checkpoints


def made(rule: Any = None, **settings: Any) -> tuple[torch.optim.Optimizer, Scheduler]:
    optimizer = adamw(0.1, 0.2, weight_decay=0.01)
    settings = {"lr": WARMUP_COSINE, "weight_decay": Linear(0.1, 0.0, 12), "beta1": Linear(0.9, 0.8, 9)} | settings
    return optimizer, attach(optimizer, feedback=rule, **settings)


def snapshot(optimizer: torch.optim.Optimizer) -> list[Any]:
    return [(group["lr"], group["weight_decay"], group["betas"]) for group in optimizer.param_groups]


def through_a_file(state: Any) -> Any:
    stored = io.BytesIO()
    torch.save(state, stored)
    stored.seek(0)
    return torch.load(stored, weights_only=True)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("order", list(itertools.permutations(["attach", "optimizer", "scheduler"])))
def test_resuming_in_any_order_gives_the_exact_rates(order: tuple[str, ...], relative: bool) -> None:
    if order.index("scheduler") < order.index("attach"):
        order = ("optimizer", "attach", "scheduler")  # a scheduler is attached before it is loaded
    rule = Plateau(patience=1, factor=0.5)
    optimizer, scheduler = made(rule, relative=relative)
    for metric in (3.0, 3.0, 3.0, 2.0):
        train(optimizer, scheduler, 2)
        scheduler.observe(metric)
    saved, state = through_a_file((optimizer.state_dict(), scheduler.state_dict()))
    expected = snapshot(optimizer)
    straight = train(optimizer, scheduler, 10)

    resumed = adamw(0.7, 0.8)
    resumed_scheduler: Any = None
    for action in order:
        if action == "attach":
            resumed_scheduler = attach(
                resumed, lr=WARMUP_COSINE, weight_decay=Linear(0.1, 0.0, 12), beta1=Linear(0.9, 0.8, 9),
                relative=relative, feedback=rule,
            )  # fmt: skip
        elif action == "optimizer":
            resumed.load_state_dict(saved)
        else:
            resumed_scheduler.load_state_dict(state)
            assert [entry[:1] for entry in snapshot(resumed)] == [entry[:1] for entry in expected], "at once"
    assert snapshot(resumed) == expected
    assert resumed_scheduler.update == 8
    assert resumed_scheduler.get_last_lr() == [entry[0] for entry in expected]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert train(resumed, resumed_scheduler, 10) == straight
    assert resumed_scheduler.state_dict() == scheduler.state_dict()


def test_the_state_is_plain_data() -> None:
    optimizer, scheduler = made(Greedy(patience=0, window=3))
    train(optimizer, scheduler, 3)
    scheduler.observe(math.inf)
    scheduler.observe(math.nan)
    state = scheduler.state_dict()
    assert json.loads(json.dumps(state, allow_nan=False)) == state == through_a_file(state)
    assert state["update"] == 3
    assert state["format"] == 1
    assert state["schedules"][0]["text"] == repr(WARMUP_COSINE)
    fresh = made(Greedy(patience=0, window=3))[1]
    fresh.load_state_dict(json.loads(json.dumps(state)))
    assert fresh.state_dict() == state
    state["schedules"][0]["text"] = "changed"
    state["feedback"]["state"]["factor"] = 7.0
    assert scheduler.state_dict() != state


def test_loading_twice_or_backwards_is_idempotent() -> None:
    optimizer, scheduler = made()
    train(optimizer, scheduler, 3)
    early = scheduler.state_dict()
    at_three = snapshot(optimizer)
    train(optimizer, scheduler, 6)
    for _ in range(2):
        scheduler.load_state_dict(early)
        assert snapshot(optimizer) == at_three
        assert scheduler.update == 3


@pytest.mark.parametrize(("there", "here", "update"), [
    (Linear(0, 1, 4) >> Cosine(1, 0, 16), Linear(0, 1, 4) >> Cosine(1, 0, 17), 5),
    (Cosine(1, 0, 20), Cosine(1.5, 0, 20), 0),
    (Step(1.0, 0.1, 10), Step(1.0, 0.1, 11), 10),
    (MultiStep(1.0, [1_500_000]), MultiStep(1.0, [1_700_000]), None),
    (Function(lambda t: 1 / (1 + t), 50), Function(lambda t: 1 / (1 + t + (t > 30)), 50), 31),
    (Cosine(1, 0, 20), Function(lambda t: 1 - t / 40, 20), 1),
    (Function(lambda t: 1 - t / 40, 20), Cosine(1, 0, 20), 1),
])  # fmt: skip
def test_another_schedule_is_an_error_that_shows_where(there: Schedule, here: Schedule, update: int | None) -> None:
    scheduler = attach(sgd(), lr=there)
    train(scheduler.optimizer, scheduler, 2)
    state = through_a_file(scheduler.state_dict())
    optimizer = sgd()
    other = attach(optimizer, lr=here)
    before = rates(optimizer)
    with pytest.raises(StateError, match="lr of group 0 first differs at update") as caught:
        other.load_state_dict(state)
    if update is not None:
        values = f"{there(update)!r} in the state and {here(update)!r} here"
        assert f"first differs at update {update}, {values}" in str(caught.value)
    assert "allow_change=True" in str(caught.value)
    assert rates(optimizer) == before
    assert other.update == 0
    other.load_state_dict(state, allow_change=True)
    assert (other.update, rates(optimizer)) == (2, [here(2)])


def test_the_same_schedule_in_other_words_is_the_same() -> None:
    scheduler = attach(sgd(), lr=Linear(0, 1, 10))
    train(scheduler.optimizer, scheduler, 2)
    attach(sgd(), lr=Linear(0, 0.5, 5) >> Linear(0.5, 1, 5)).load_state_dict(scheduler.state_dict())
    attach(sgd(), lr=Function(lambda t: min(t, 10) / 10)).load_state_dict(scheduler.state_dict())


@pytest.mark.parametrize(("change", "message"), [
    ({"relative": True}, "relative=False, attached here with relative=True"),
    ({"momentum": 0.9}, "the state schedules lr; attached here: lr, momentum"),
    ({"feedback": Plateau()}, r"feedback=None, attached here with feedback=Plateau\(\)"),
    ({"lr": {0: WARMUP_COSINE}}, "lr of group 1 is scheduled in the state and its own here"),
])  # fmt: skip
def test_other_changes_are_errors_too(change: dict[str, Any], message: str) -> None:
    scheduler = attach(sgd(0.1, 0.2), lr=WARMUP_COSINE)
    train(scheduler.optimizer, scheduler, 3)
    other = attach(sgd(0.1, 0.2), **({"lr": WARMUP_COSINE} | change))
    with pytest.raises(StateError, match=message):
        other.load_state_dict(scheduler.state_dict())
    other.load_state_dict(scheduler.state_dict(), allow_change=True)
    assert other.update == 3


def test_another_rule_is_an_error_and_starts_afresh_when_allowed() -> None:
    scheduler = attach(sgd(), lr=1.0, feedback=Plateau(patience=0))
    scheduler.observe(1.0)
    assert scheduler.observe(1.0) == pytest.approx(0.1)
    other = attach(sgd(), lr=1.0, feedback=Greedy())
    with pytest.raises(StateError, match=r"feedback=Plateau\(patience=0\), attached here with feedback=Greedy\(\)"):
        other.load_state_dict(scheduler.state_dict())
    other.load_state_dict(scheduler.state_dict(), allow_change=True)
    assert rates(other.optimizer) == [1.0]
    longer = attach(sgd(), lr=2.0, feedback=Plateau(patience=0))
    longer.load_state_dict(scheduler.state_dict(), allow_change=True)
    assert rates(longer.optimizer) == [pytest.approx(0.2)]


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda state: {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize(("damage", "message"), [
    (lambda state: None, "a scheduler's state is a dict, got None"),
    (lambda state: {"last_epoch": 3, "base_lrs": [0.1]}, "not the state of a scheduler that learnrate attached"),
    (lambda state: state | {"format": 99}, "format 99; this version reads format 1"),
    (without("update"), "the state lacks update"),
    (lambda state: state | {"update": -1}, "update must be >= 0 updates, got -1"),
    (lambda state: state | {"update": True}, "update must be"),
    (lambda state: state | {"update": math.nan}, "update must be"),
    (lambda state: state | {"update": 2**60}, "update must be"),
    (lambda state: state | {"base_rates": [math.inf, 0.1]}, "base_rates must be a list of finite numbers"),
    (lambda state: state | {"base_rates": [10**400, 0.1]}, "base_rates must be a list of finite numbers"),
    (lambda state: state | {"schedules": [{"text": "x", "times": [10**400], "values": [1]}] * 3}, "schedules must be"),
    (lambda state: state | {"schedules": [{"text": "x", "times": [2**60], "values": [1]}] * 3}, "schedules must be"),
    (lambda state: state | {"schedules": [{"text": "x", "times": [1], "values": [-(10**400)]}] * 3}, "schedules must"),
    (lambda state: state | {"schedules": [{"text": "x", "times": [1], "values": [1], "sha256": 3}] * 3}, "schedules m"),
    (lambda state: state | {"update": 10**400}, "update must be"),
    (lambda state: state | {"base_rates": [0.1]}, "settings must be"),
    (lambda state: state | {"settings": {"lr": [0, 99], "weight_decay": [1, 1], "beta1": [2, 2]}}, "settings must be"),
    (lambda state: state | {"schedules": [{"text": 3}]}, "schedules must be"),
    (lambda state: state | {"schedules": [{"text": "Cosine("}] * 3}, "the schedule in the state cannot be read"),
    (lambda state: state | {"schedules": [{"text": "__import__('os')"}] * 3}, "cannot be read"),
    (lambda state: state | {"schedules": [{"text": "Cosine(0.1)"}] * 3}, "no bound schedule"),
    (lambda state: state | {"schedules": [{"text": "x", "times": [1, -2], "values": [1, 2]}] * 3}, "schedules must be"),
    (lambda state: state | {"schedules": [{"text": "x", "times": [1], "values": [1, 2]}] * 3}, "schedules must be"),
    (lambda state: state | {"feedback": {"rule": "Plateau()"}}, "feedback must be None, or a rule and its state"),
    (lambda state: state | {"feedback": {"rule": "Plateau()", "state": {}}}, "a state of Plateau has the keys"),
    (lambda state: state | {"relative": "no"}, "relative must be True or False"),
])  # fmt: skip
def test_a_damaged_or_foreign_state_is_refused_and_changes_nothing(damage: Any, message: str) -> None:
    optimizer, scheduler = made(Plateau())
    train(optimizer, scheduler, 3)
    other_optimizer, other = made(Plateau())
    train(other_optimizer, other, 1)
    before, kept = snapshot(other_optimizer), other.state_dict()
    with pytest.raises(StateError, match=message):
        other.load_state_dict(damage(scheduler.state_dict()))
    assert snapshot(other_optimizer) == before
    assert other.state_dict() == kept


# -- feedback


def test_warmup_and_plateau_multiply() -> None:
    optimizer = sgd()
    scheduler = attach(optimizer, lr=Linear(0, 1, 4) >> Constant(1.0), feedback=Plateau(patience=0, factor=0.5))
    assert train(optimizer, scheduler, 2) == [[0.0], [0.25]]
    assert scheduler.observe(1.0) == 1.0
    assert scheduler.observe(1.0) == 0.5
    assert rates(optimizer) == scheduler.get_last_lr() == [0.25], "from the next update on"
    assert train(optimizer, scheduler, 4) == [[0.25], [0.375], [0.5], [0.5]]


@pytest.mark.parametrize("seed", range(5))
def test_feedback_alone_is_torchs_plateau(seed: int) -> None:
    rng = random.Random(seed)
    theirs, ours = sgd(0.3, 0.05), sgd(0.3, 0.05)
    peer = lr_scheduler.ReduceLROnPlateau(theirs, factor=0.5, patience=2, cooldown=1, eps=0)
    scheduler = attach(ours, lr=1.0, relative=True, feedback=Plateau(factor=0.5, patience=2, cooldown=1, eps=0))
    for _ in range(40):
        metric = torch.tensor(rng.choice((1.0, 0.9, 1.1, math.nan)))
        peer.step(metric)
        scheduler.observe(metric)
        np.testing.assert_allclose(rates(ours), rates(theirs), rtol=1e-12)
        train(ours, scheduler, 1)


def test_observing_without_a_rule_says_how_to_attach_one() -> None:
    with pytest.raises(UsageError, match=r"feedback=Plateau\(\)"):
        attach(sgd(), lr=0.1).observe(1.0)


# -- the company of torch


def test_the_wrong_order_is_warned_of_as_torch_does() -> None:
    scheduler = attach(sgd(), lr=0.1)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()


def test_an_update_that_a_gradient_scaler_skips_is_no_wrong_order() -> None:
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARMUP_COSINE)
    scaler = torch.amp.GradScaler("cpu")
    weight = optimizer.param_groups[0]["params"][0]
    for factor in (math.inf, 1.0, 1.0):
        optimizer.zero_grad()
        scaler.scale((weight * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
    assert scheduler.update == 3


def test_copies_and_pickles_are_complete_and_independent() -> None:
    optimizer, scheduler = made(Plateau(patience=0))
    train(optimizer, scheduler, 3)
    scheduler.observe(1.0)
    for twin in (copy.deepcopy(scheduler), pickle.loads(pickle.dumps(scheduler))):
        assert twin.optimizer is not optimizer
        assert twin.state_dict() == scheduler.state_dict()
        train(twin.optimizer, twin, 2)
        assert (twin.update, scheduler.update) == (5, 3)
        assert rates(twin.optimizer) == [WARMUP_COSINE(5)] * 2
        twin.optimizer.load_state_dict(optimizer.state_dict())
        assert rates(twin.optimizer) == [WARMUP_COSINE(5)] * 2
    assert rates(optimizer) == [WARMUP_COSINE(3)] * 2


def test_a_copy_made_before_the_first_update_is_not_warned() -> None:
    twin = copy.deepcopy(attach(sgd(), lr=WARMUP_COSINE))
    assert train(twin.optimizer, twin, 3) == [[WARMUP_COSINE(k)] for k in range(3)]


def test_nothing_is_kept_alive() -> None:
    optimizer, scheduler = made()
    train(optimizer, scheduler, 2)
    known = weakref.ref(optimizer), weakref.ref(scheduler)
    gc.disable()
    try:
        del scheduler
        assert known[1]() is None
        optimizer.load_state_dict(optimizer.state_dict())
        assert not optimizer._optimizer_load_state_dict_post_hooks
        del optimizer
        assert known[0]() is None
    finally:
        gc.enable()


def test_two_schedulers_share_an_optimizer() -> None:
    optimizer = adamw()
    first, second = attach(optimizer, lr=WARMUP_COSINE), attach(optimizer, weight_decay=Linear(0.1, 0, 10))
    train(optimizer, first, 2)
    second.step()
    second.step()
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    assert (rates(optimizer), rates(optimizer, "weight_decay")) == ([WARMUP_COSINE(2)], [pytest.approx(0.08)])


def test_two_schedulers_do_not_fight_over_a_setting() -> None:
    optimizer = sgd(0.1, 0.2)
    first = attach(optimizer, lr=WARMUP_COSINE)
    second = attach(optimizer, lr={"g1": 0.5}, momentum=0.9)
    assert rates(optimizer) == [WARMUP_COSINE(0), 0.5]
    refused = r"lr of group 1 .* attached later.*attach once"
    with pytest.raises(UsageError, match=refused):
        first.step()
    optimizer.load_state_dict(optimizer.state_dict())  # which has every scheduler in use write again
    assert rates(optimizer) == [WARMUP_COSINE(0), 0.5]
    train(optimizer, second, 2)
    assert rates(optimizer, "momentum") == [0.9, 0.9]
    third = attach(optimizer, lr={"g0": 0.25})
    train(optimizer, third, 1)
    train(optimizer, second, 1)
    assert rates(optimizer) == [0.25, 0.5]


def test_inside_torchs_own_combinator() -> None:
    optimizer = sgd()
    chained = lr_scheduler.ChainedScheduler([attach(optimizer, lr=WARMUP_COSINE)])
    train(optimizer, chained, 3)
    assert chained.get_last_lr() == [WARMUP_COSINE(3)]


def test_without_torch_the_error_is_the_command_that_installs_it() -> None:
    script = "import sys; sys.modules['torch'] = None\nimport learnrate.torch"
    here = os.environ | {"PYTHONPATH": str(Path(learnrate.torch.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script], env=here, capture_output=True, text=True, check=False)
    assert "MissingExtra: torch is not installed; run: pip install 'learnrate[torch]'" in done.stderr


def test_the_package_says_what_it_has() -> None:
    for name in learnrate.torch.__all__:
        assert getattr(learnrate.torch, name) is not None
