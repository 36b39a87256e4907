"""`read`: live schedulers of torch and others, the states they save, and checkpoints, as schedules."""

from __future__ import annotations

import argparse
import copy
import json
import math
import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch.optim import lr_scheduler as lrs
from torch.optim.swa_utils import SWALR
from transformers import get_scheduler

import learnrate as lr
from learnrate import Constant, Cosine, Linear, Plateau, Schedule
from learnrate.errors import ParameterError, StateError, UsageError
from learnrate.interop import read, write
from learnrate.interop.torch import read_checkpoint
from learnrate.interop.torch.writing import Hook

Make = Callable[[torch.optim.Optimizer], Any]
BASE, RUN = 0.2, 30


def sgd(*bases: float, **settings: Any) -> torch.optim.SGD:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": base} for base in bases or (BASE,)]
    return torch.optim.SGD(groups, lr=BASE, momentum=0.5, **settings)


def step(scheduler: Any, updates: int) -> list[list[float]]:
    """The rates of every group in torch's documented loop."""
    used = []
    for _ in range(updates):
        used.append([float(group["lr"]) for group in scheduler.optimizer.param_groups])
        scheduler.optimizer.step()
        scheduler.step()
    return used


def per_group(schedule: Schedule | dict[int, Schedule], groups: int) -> list[Schedule]:
    return [schedule] * groups if isinstance(schedule, Schedule) else [schedule[index] for index in range(groups)]


def agree(schedule: Schedule | dict[int, Schedule], used: list[list[float]]) -> None:
    for column, mine in zip(zip(*used, strict=True), per_group(schedule, len(used[0])), strict=True):
        theirs = np.asarray(column)
        assert np.abs(mine(np.arange(len(theirs))) - theirs).max() <= 1e-12 * max(np.abs(theirs).max(), 1e-300), mine


def sequential(optimizer: torch.optim.Optimizer) -> lrs.SequentialLR:
    warmup, cosine = lrs.LinearLR(optimizer, 0.1, total_iters=4), lrs.CosineAnnealingLR(optimizer, 20)
    return lrs.SequentialLR(optimizer, [warmup, cosine, lrs.ConstantLR(optimizer)], [4, 24])


LIVE: dict[str, Make] = {
    "StepLR": lambda o: lrs.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: lrs.MultiStepLR(o, [3, 7, 7, 12], 0.5),
    "ConstantLR": lambda o: lrs.ConstantLR(o, 0.25, 6),
    "LinearLR": lambda o: lrs.LinearLR(o, 0.25, 0.75, 9),
    "ExponentialLR": lambda o: lrs.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: lrs.PolynomialLR(o, 12, 2.0),
    "CosineAnnealingLR": lambda o: lrs.CosineAnnealingLR(o, 10, 0.01),
    "CosineAnnealingWarmRestarts": lambda o: lrs.CosineAnnealingWarmRestarts(o, 4, 2, 0.01),
    "CyclicLR": lambda o: lrs.CyclicLR(o, 0.01, 0.3, 4, 6, mode="triangular2"),
    "CyclicLR exp_range": lambda o: lrs.CyclicLR(o, 0.01, 0.3, 4, mode="exp_range", gamma=0.97, cycle_momentum=False),
    "OneCycleLR": lambda o: lrs.OneCycleLR(o, 0.3, 40),
    "OneCycleLR three_phase": lambda o: lrs.OneCycleLR(
        o, 0.3, 40, pct_start=0.25, anneal_strategy="linear", three_phase=True, cycle_momentum=False
    ),
    "SWALR": lambda o: SWALR(o, 0.05, 7),
    "SequentialLR": sequential,
    "ChainedScheduler": lambda o: lrs.ChainedScheduler([lrs.ConstantLR(o, 0.5, 4), lrs.ExponentialLR(o, 0.9)]),
}


def snapshot(scheduler: Any) -> bytes:
    return pickle.dumps((scheduler.state_dict(), scheduler.optimizer.state_dict()))


# --- live schedulers of torch -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reached", [0, 1, 11])
@pytest.mark.parametrize("name", LIVE)
def test_a_live_scheduler_gives_its_schedule_and_its_update(name: str, reached: int) -> None:
    used = step(LIVE[name](sgd()), RUN)
    scheduler = LIVE[name](sgd())
    step(scheduler, reached)
    before = snapshot(scheduler)
    reading = read(scheduler)
    assert snapshot(scheduler) == before
    assert reading.update == reached
    assert reading.notes == ()
    assert repr(reading.schedule).startswith(f"torch.{name.partition(' ')[0]}(")
    agree(reading.schedule, used)


@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "SequentialLR"])
def test_groups_with_rates_of_their_own_have_schedules_of_their_own(name: str) -> None:
    used = step(LIVE[name](sgd(0.2, 0.05)), RUN)
    scheduler = LIVE[name](sgd(0.2, 0.05))
    step(scheduler, 5)
    reading = read(scheduler)
    assert isinstance(reading.schedule, dict)
    assert sorted(reading.schedule) == [0, 1]
    agree(reading.schedule, used)
    attached = lr.torch.attach(sgd(0.2, 0.05), lr=reading.schedule)
    agree(reading.schedule, step(attached, RUN))


def test_groups_of_one_cycle_and_cyclic_read_their_own_peaks() -> None:
    for make in (
        lambda o: lrs.OneCycleLR(o, [0.3, 0.1], 40),
        lambda o: lrs.CyclicLR(o, [0.01, 0.02], [0.3, 0.1], 4),
    ):
        used = step(make(sgd(0.2, 0.2)), RUN)
        agree(read(make(sgd(0.2, 0.2))).schedule, used)


@pytest.mark.parametrize("name", ["CyclicLR", "OneCycleLR"])
def test_momentum_is_a_setting_and_beta1_is(name: str) -> None:
    momentum = read(LIVE[name](sgd())).settings["momentum"]
    assert isinstance(momentum, Schedule)
    scheduler = LIVE[name](sgd())
    for update in range(RUN):
        assert scheduler.optimizer.param_groups[0]["momentum"] == pytest.approx(momentum(update), rel=1e-12)
        step(scheduler, 1)
    adam = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    assert list(read(LIVE[name](adam)).settings) == ["beta1"]
    assert read(LIVE["CyclicLR exp_range"](sgd())).settings == {}


def test_rates_that_are_tensors_are_read() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=torch.tensor(0.25), capturable=False, foreach=False)
    scheduler = lrs.CosineAnnealingLR(optimizer, 10)
    step(scheduler, 4)
    reading = read(scheduler)
    assert reading.schedule(5) == pytest.approx(0.125)  # type: ignore[operator]
    assert reading.notes == ()


def test_a_rate_that_somebody_changed_is_noted() -> None:
    scheduler = lrs.CosineAnnealingLR(sgd(), 10)
    step(scheduler, 5)
    scheduler.optimizer.param_groups[0]["lr"] = 0.123
    (note,) = read(scheduler).notes
    assert note.name == "the rate is not the schedule's"
    assert note.severity == "warning"
    assert note.evidence == pytest.approx({"group": 0, "update": 5, "rate": 0.123, "schedule": 0.1})
    assert note.advice.startswith("The optimizer has 0.123, the schedule says 0.1: either the rate was written by hand")
    assert read(scheduler).schedule == read(lrs.CosineAnnealingLR(sgd(), 10)).schedule


def test_a_scheduler_resumed_the_documented_wrong_way_is_noted() -> None:
    optimizer = sgd()
    optimizer.param_groups[0]["initial_lr"] = BASE
    (note,) = read(lrs.StepLR(optimizer, 3, 0.1, last_epoch=6)).notes
    assert note.evidence["rate"] == pytest.approx(BASE)
    assert note.evidence["schedule"] == pytest.approx(0.01 * BASE)
    assert "resumed with last_epoch=N and without its state" in note.advice


def test_an_attribute_changed_later_is_among_the_causes() -> None:
    scheduler = lrs.CosineAnnealingLR(sgd(), 10)
    step(scheduler, 5)
    scheduler.T_max = 20
    (note,) = read(scheduler).notes
    assert note.name == "the rate is not the schedule's"
    assert "its attributes were changed after it was made" in note.advice


@pytest.mark.parametrize("stretch", [1, 2])
def test_warm_restarts_stepped_by_fractions_agree_with_themselves(stretch: int) -> None:
    scheduler = lrs.CosineAnnealingWarmRestarts(sgd(), 4, stretch)
    for position in (2.5, 4.25, 7.75, 13.5):
        scheduler.step(position)
        reading = read(scheduler)
        assert [(note.name, note.evidence) for note in reading.notes] == [
            ("stepped by fractions", {"position": position})
        ]
        assert reading.update == int(position)
    scheduler.step(14)
    assert read(scheduler).notes == ()
    scheduler.optimizer.param_groups[0]["lr"] = 7.0
    assert [note.name for note in read(scheduler).notes] == ["the rate is not the schedule's"]


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_swa_built_at_the_start_and_stepped_later_begins_where_the_rate_was(strategy: Any) -> None:
    optimizer = sgd(0.2, 0.4)
    cosine, average = lrs.CosineAnnealingLR(optimizer, 20), SWALR(optimizer, 0.05, 7, strategy)
    step(cosine, 9)
    begun = [group["lr"] for group in optimizer.param_groups]
    step(average, 3)
    reading = read(average)
    assert [note.name for note in reading.notes] == ["begins at another rate"] * 2
    assert [note.evidence["rate"] for note in reading.notes] == pytest.approx(begun)
    each = per_group(reading.schedule, 2)
    for update, used in enumerate(step(average, 12)):
        assert [schedule(3 + update) for schedule in each] == pytest.approx(used, rel=1e-9)
    assert read(average).notes == ()


def without_end(optimizer: torch.optim.Optimizer) -> lrs.ChainedScheduler:
    cosine = lrs.CosineAnnealingLR(optimizer, 10, 0.01)
    return lrs.ChainedScheduler([lrs.ConstantLR(optimizer, 0.5, 4), cosine])


@pytest.mark.parametrize("reached", [3, 10, 14, 25, 60])
def test_a_composition_without_a_closed_form_is_read_past_its_end(reached: int) -> None:
    for make in (without_end, open_ended, averaged):
        scheduler = make(sgd())
        step(scheduler, reached)
        reading = read(scheduler)
        assert [note.name for note in reading.notes] == ["recorded"]
        agree(reading.schedule, step(make(sgd()), max(reached, 10) + 4))
        assert reading.schedule.horizon < 20  # type: ignore[union-attr]


def test_a_rate_past_the_recording_accuses_nobody() -> None:
    scheduler = open_ended(sgd())
    step(scheduler, 20)
    assert [note.name for note in read(scheduler, updates=5).notes] == ["recorded"]
    scheduler.optimizer.param_groups[0]["lr"] = 7.0
    assert [note.name for note in read(scheduler).notes] == ["the rate is not the schedule's", "recorded"]


def test_a_group_added_late_is_noted() -> None:
    scheduler = LIVE["ExponentialLR"](sgd())
    scheduler.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.5})
    (note,) = read(scheduler).notes
    assert (note.name, note.evidence) == ("late groups", {"groups": 2, "scheduled": 1})


def test_plateau_is_a_rule_with_what_it_has_heard() -> None:
    optimizer = sgd()
    scheduler = lrs.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=0.05)
    optimizer.param_groups[0]["initial_lr"] = BASE
    reports = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    for metric in reports[:5]:
        scheduler.step(metric)
    reading = read(scheduler)
    assert reading.feedback == Plateau(0.5, 1, cooldown=1, floor=0.25, eps=1e-8 / BASE, threshold_mode="rel")
    assert reading.schedule == Constant(BASE)
    state = reading.state
    assert state is not None
    for metric in reports[5:]:
        scheduler.step(metric)
        state, factor = reading.feedback(state, metric)
        assert BASE * factor == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    assert read(scheduler.state_dict(), lr=BASE).feedback == reading.feedback


def test_the_schedule_is_what_torch_goes_on_with_from_there() -> None:
    scheduler = sequential(sgd())
    step(scheduler, 7)
    reading = read(scheduler)
    assert isinstance(reading.schedule, Schedule)
    attached = lr.torch.attach(sgd(), lr=reading.schedule)
    attached.load_state_dict(attached.state_dict() | {"update": reading.update})
    assert np.asarray(step(attached, 20)) == pytest.approx(np.asarray(step(scheduler, 20)), rel=1e-12)


# --- functions --------------------------------------------------------------------------------------------------------


def test_a_lambda_is_refused_and_offered_sampling() -> None:
    scheduler = lrs.LambdaLR(sgd(0.2, 0.1), lambda t: 0.9**t)
    with pytest.raises(UsageError, match="LambdaLR holds <function .*whose formula cannot be read; sample=N"):
        read(scheduler)
    step(scheduler, 4)
    before = snapshot(scheduler)
    reading = read(scheduler, sample=25)
    assert snapshot(scheduler) == before
    assert reading.update == 4
    assert [note.name for note in reading.notes] == ["sampled"]
    agree(reading.schedule, step(lrs.LambdaLR(sgd(0.2, 0.1), lambda t: 0.9**t), 25))


def test_other_schedulers_are_sampled_from_a_copy_from_here_on() -> None:
    class Jagged(lrs.LRScheduler):
        def get_lr(self) -> list[Any]:
            return [base * (1 + math.sin(self.last_epoch)) for base in self.base_lrs]

    scheduler = Jagged(sgd())
    step(scheduler, 3)
    with pytest.raises(UsageError, match="Jagged has a get_lr of its own.*sample=N"):
        read(scheduler)
    before = snapshot(scheduler)
    reading = read(scheduler, sample=20)
    assert snapshot(scheduler) == before
    assert [note.name for note in reading.notes] == ["sampled from here on", "sampled"]
    assert reading.update == 3
    used = step(scheduler, 20)
    assert [reading.schedule(3 + t) for t in range(20)] == pytest.approx([rate for (rate,) in used])  # type: ignore[operator]


def test_multiplicative_and_custom_cycles_are_sampled_too() -> None:
    makes: list[Make] = [
        lambda o: lrs.MultiplicativeLR(o, lambda t: 0.95 if t % 2 else 1.0),
        lambda o: lrs.CyclicLR(o, 0.01, 0.3, 4, scale_fn=lambda x: 1 / x, cycle_momentum=False),
    ]
    for make in makes:
        with pytest.raises(UsageError, match="sample=N"):
            read(make(sgd()))
        agree(read(make(sgd()), sample=RUN).schedule, step(make(sgd()), RUN))


@pytest.mark.parametrize("sample", [0, -1, 1.5, True])
def test_a_sample_is_a_number_of_updates(sample: Any) -> None:
    with pytest.raises(UsageError, match="sample must be "):
        read(lrs.LambdaLR(sgd(), lambda t: 1.0), sample=sample)


def test_a_subclass_that_changes_no_formula_is_read() -> None:
    class Mine(lrs.CosineAnnealingLR):
        """Sets its own arguments, and logs."""

        def state_dict(self) -> dict[str, Any]:
            return super().state_dict() | {"mine": 1}

    assert read(Mine(sgd(), 10)).schedule == read(lrs.CosineAnnealingLR(sgd(), 10)).schedule


def test_our_hook_gives_back_its_schedule() -> None:
    schedule = Linear(0, 0.1, 5) >> Cosine(0.1, 0.0, 35)
    scheduler = write(schedule, to="torch", optimizer=sgd()).value
    step(scheduler, 9)
    assert (read(scheduler).schedule, read(scheduler).update) == (schedule, 9)
    assert read(scheduler.state_dict()).schedule == schedule
    assert read(Hook(schedule)).schedule == schedule
    scaled = read(lrs.LambdaLR(sgd(0.2, 0.1), Hook(Cosine(1, 0, 9)))).schedule
    assert scaled == {0: 0.2 * Cosine(1, 0, 9), 1: 0.1 * Cosine(1, 0, 9)}


def hooked(optimizer: torch.optim.Optimizer) -> lrs.SequentialLR:
    schedules = [Hook(Linear(0.1, 1, 4)), Hook(Cosine(1, 0, 20))]
    return lrs.SequentialLR(optimizer, [lrs.LambdaLR(optimizer, hook) for hook in schedules], [4])


def averaged(optimizer: torch.optim.Optimizer) -> lrs.SequentialLR:
    first = lrs.ExponentialLR(optimizer, 0.9)
    return lrs.SequentialLR(optimizer, [first, SWALR(optimizer, 0.05, 7)], [10])


def open_ended(optimizer: torch.optim.Optimizer) -> lrs.ChainedScheduler:
    return lrs.ChainedScheduler([SWALR(optimizer, 0.05, 7), lrs.ExponentialLR(optimizer, 0.95)])


@pytest.mark.parametrize("make", [hooked, averaged, open_ended])
def test_compositions_of_everything_read_as_what_torch_computes(make: Make) -> None:
    scheduler = make(sgd())
    step(scheduler, 6)
    reading = read(scheduler, updates=RUN)
    assert reading.update == 6
    assert [note.name for note in reading.notes] == ([] if make is hooked else ["recorded"])
    agree(reading.schedule, step(make(sgd()), RUN))
    again = read(scheduler.state_dict(), optimizer=scheduler.optimizer.state_dict(), updates=RUN)
    assert again.schedule == reading.schedule


# --- what wraps or builds on torch ------------------------------------------------------------------------------------

TRANSFORMERS = ["linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup"]


@pytest.mark.parametrize("name", [*TRANSFORMERS, "inverse_sqrt", "cosine_with_min_lr", "warmup_stable_decay"])
def test_lambdas_of_transformers_are_known(name: str) -> None:
    specific = {"cosine_with_min_lr": {"min_lr": 0.01}, "warmup_stable_decay": {"num_decay_steps": 8}}.get(name)

    def make() -> Any:
        return get_scheduler(name, sgd(), num_warmup_steps=4, num_training_steps=24, scheduler_specific_kwargs=specific)

    scheduler = make()
    used = step(make(), RUN)
    step(scheduler, 6)
    reading = read(scheduler)
    assert reading.update == 6
    agree(reading.schedule, used)
    function = scheduler.lr_lambdas[0]
    assert read(function, lr=BASE).schedule == reading.schedule
    with pytest.raises(UsageError, match="unknown hint for a function of transformers 'foo'; known: lr"):
        read(function, foo=1)


def test_accelerate_is_looked_through() -> None:
    optimizer = sgd()
    accelerator = Accelerator(cpu=True)
    prepared, scheduler = accelerator.prepare(optimizer, lrs.CosineAnnealingLR(optimizer, 10))
    for _ in range(3):
        prepared.step()
        scheduler.step()
    reading = read(scheduler)
    assert reading.update == 3
    assert reading.schedule == read(lrs.CosineAnnealingLR(sgd(), 10)).schedule
    assert [note.name for note in reading.notes] in ([], ["stepped once per process"])


def test_our_own_scheduler_gives_what_was_attached() -> None:
    schedule, rule = Cosine(0.1, 0.0, 40), Plateau(patience=1)
    optimizer = sgd()
    scheduler = lr.torch.attach(optimizer, lr=schedule, momentum=Linear(0.8, 0.9, 5), feedback=rule)
    step(scheduler, 7)
    for metric in (1.0, 1.0):
        scheduler.observe(metric)
    for reading in (read(scheduler), read(scheduler.state_dict())):
        assert (reading.schedule, reading.update) == (schedule, 7)
        assert reading.settings == {"momentum": Linear(0.8, 0.9, 5)}
        assert reading.feedback == rule
        assert reading.state is not None
        assert reading.state["bad"] == 1


def test_our_own_scheduler_relative_and_by_group() -> None:
    relative = lr.torch.attach(sgd(0.2, 0.1), lr=Cosine(1.0, 0.0, 40), relative=True)
    expected = {0: 0.2 * Cosine(1.0, 0.0, 40), 1: 0.1 * Cosine(1.0, 0.0, 40)}
    assert read(relative).schedule == read(relative.state_dict()).schedule == expected
    optimizer = sgd(0.2, 0.1)
    optimizer.param_groups[1]["name"] = "head"
    named = lr.torch.attach(optimizer, lr={"head": Cosine(0.1, 0.0, 40)})
    assert read(named).schedule == read(named.state_dict()).schedule == {1: Cosine(0.1, 0.0, 40)}


def test_a_function_in_our_own_state_is_offered_its_values() -> None:
    scheduler = lr.torch.attach(sgd(), lr=lr.Function(lambda t: 0.1 / (1 + t)))
    assert read(scheduler).schedule == scheduler.schedule
    with pytest.raises(UsageError, match="which no text rebuilds; sample=True"):
        read(scheduler.state_dict())
    sampled = read(scheduler.state_dict(), sample=True).schedule
    assert sampled(9) == pytest.approx(0.01)  # type: ignore[operator]


# --- states and checkpoints -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("name", LIVE)
def test_a_state_reads_as_the_live_scheduler_does(name: str, named: bool) -> None:
    scheduler = LIVE[name](sgd())
    step(scheduler, 8)
    state = copy.deepcopy(scheduler.state_dict())
    hints: dict[str, Any] = {"name": name.partition(" ")[0]} if named else {}
    reading = read(state, optimizer=scheduler.optimizer.state_dict(), **hints)
    assert state == scheduler.state_dict()
    assert reading.update == 8
    assert reading.schedule == read(scheduler).schedule
    assert reading.settings == read(scheduler).settings


@pytest.mark.parametrize("name", [*LIVE, "without end", "nested"])
def test_a_state_reads_through_json(name: str) -> None:
    more = {"without end": without_end, "nested": lambda o: lrs.ChainedScheduler([sequential(o)])}
    scheduler = (LIVE | more)[name](sgd())
    step(scheduler, 8)
    state, optimizer = json.loads(json.dumps([scheduler.state_dict(), scheduler.optimizer.state_dict()]))
    reading = read(state, optimizer=optimizer)
    assert reading.schedule == read(scheduler).schedule
    assert (reading.update, reading.settings) == (8, read(scheduler).settings)


def test_a_state_of_plateau_reads_through_json() -> None:
    scheduler = lrs.ReduceLROnPlateau(sgd())
    for reported in (False, True):
        state = json.loads(json.dumps(scheduler.state_dict()))
        assert read(state, lr=BASE).feedback == read(scheduler).feedback
        assert read(state, lr=BASE).state == read(scheduler).state
        if not reported:
            scheduler.step(1.0)


@pytest.mark.parametrize("optimizer", [5, "adam", {}, {"param_groups": 3}, {"param_groups": [3]}])
def test_what_is_no_optimizer_is_refused(optimizer: Any) -> None:
    with pytest.raises(UsageError, match="optimizer must be the optimizer or the state it saved"):
        read(LIVE["StepLR"](sgd()).state_dict(), optimizer=optimizer)


def test_a_state_without_what_the_optimizer_holds_asks_for_it() -> None:
    for name in ("OneCycleLR", "SWALR"):
        with pytest.raises(UsageError, match=r"optimizer=optimizer.state_dict\(\)"):
            read(LIVE[name](sgd()).state_dict())


def test_a_state_without_base_rates_asks_for_the_rate() -> None:
    state = LIVE["CosineAnnealingLR"](sgd()).state_dict()
    del state["base_lrs"]
    with pytest.raises(UsageError, match="has no base rates.*lr="):
        read(state)
    assert read(state, lr=BASE).schedule == read(LIVE["CosineAnnealingLR"](sgd())).schedule


def test_a_state_of_another_class_is_named() -> None:
    state = LIVE["CosineAnnealingLR"](sgd()).state_dict()
    with pytest.raises(StateError, match="no state of StepLR.*looks like one of CosineAnnealingLR"):
        read(state, name="StepLR")
    with pytest.raises(UsageError, match="unknown scheduler of torch 'CosineLR'; did you mean"):
        read(state, name="CosineLR")
    with pytest.raises(UsageError, match=r"unknown scheduler of torch \['StepLR'\]"):
        read(state, name=["StepLR"])
    with pytest.raises(UsageError, match="unknown hint for a state 'nam'; did you mean 'name'"):
        read(state, nam="StepLR")


@pytest.mark.parametrize(
    "change",
    [{"base_lrs": ["a"]}, {"base_lrs": []}, {"last_epoch": -3}, {"eta_min": None}, {"T_max": "ten"}, {"base_lrs": 3}],
)
def test_a_damaged_state_is_said_to_be(change: dict[str, Any]) -> None:
    state = LIVE["CosineAnnealingLR"](sgd()).state_dict() | change
    with pytest.raises((StateError, ParameterError), match="damaged|must be"):
        read(state)


def test_a_state_of_another_library_is_not_taken_for_torch_s() -> None:
    state = LIVE["ExponentialLR"](sgd()).state_dict() | {"warmup_updates": 5}
    with pytest.raises(StateError, match="looks like one of ExponentialLR, but torch's does not hold warmup_updates"):
        read(state)
    assert read(state, name="ExponentialLR").schedule == read(LIVE["ExponentialLR"](sgd())).schedule


def test_the_state_of_an_optimizer_is_none() -> None:
    with pytest.raises(UsageError, match="the state of an optimizer, which knows no schedule"):
        read(sgd().state_dict())


def test_a_state_of_a_lambda_holds_nothing() -> None:
    for make in (lambda o: lrs.LambdaLR(o, lambda t: 1.0), lambda o: get_scheduler("linear", o, 2, 9)):
        with pytest.raises(UsageError, match="holds nothing of its function"):
            read(make(sgd()).state_dict())


def saved(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


@pytest.mark.parametrize("name", LIVE)
def test_checkpoints_hold_readable_states(name: str, tmp_path: Path) -> None:
    scheduler = LIVE[name](sgd())
    step(scheduler, 8)
    state, optimizer = scheduler.state_dict(), scheduler.optimizer.state_dict()
    model = {"weight": torch.zeros(3)}
    shapes: list[Any] = [
        {"model": model, "optimizer": optimizer, "lr_scheduler": state, "epoch": 3},
        {"state_dict": model, "optimizer_states": [optimizer], "lr_schedulers": [state], "loops": {"a": {"b": 1}}},
    ]
    for index, shape in enumerate(shapes):
        reading = read_checkpoint(saved(tmp_path / f"{index}.pt", shape))
        assert reading.update == 8
        assert reading.schedule == read(scheduler).schedule


def test_a_checkpoint_may_be_the_state_itself_or_ours(tmp_path: Path) -> None:
    scheduler = LIVE["StepLR"](sgd())
    assert read_checkpoint(str(saved(tmp_path / "a.pt", scheduler.state_dict()))).schedule == read(scheduler).schedule
    ours = lr.torch.attach(sgd(), lr=Cosine(0.1, 0.0, 40))
    step(ours, 5)
    for value in (ours.state_dict(), {"scheduler": ours.state_dict(), "optimizer": ours.optimizer.state_dict()}):
        reading = read_checkpoint(saved(tmp_path / "b.pt", value))
        assert (reading.schedule, reading.update) == (Cosine(0.1, 0.0, 40), 5)


def test_a_checkpoint_with_several_schedulers_asks_which(tmp_path: Path) -> None:
    first, second = LIVE["StepLR"](sgd()), LIVE["ExponentialLR"](sgd())
    path = saved(tmp_path / "two.pt", {"lr_schedulers": [first.state_dict(), second.state_dict()]})
    with pytest.raises(UsageError, match=r"key=.*: lr_schedulers\[0\], lr_schedulers\[1\]"):
        read_checkpoint(path)
    assert read_checkpoint(path, key="lr_schedulers[1]").schedule == read(second).schedule
    with pytest.raises(UsageError, match="unknown scheduler in"):
        read_checkpoint(path, key="scheduler")


class Payload:
    """What runs code when a careless reader loads it."""

    def __reduce__(self) -> Any:
        return print, ("this ran",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "bad.pt", {"lr_scheduler": Payload()})
    with pytest.raises(StateError, match="not safe to load: it holds 'print', which torch's safe loader"):
        read_checkpoint(path)
    for protocol in (2, 4):
        (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Payload(), protocol))
        with pytest.raises(StateError, match=r"not safe to load: it (is a pickle that torch.save did not|holds )"):
            read_checkpoint(tmp_path / "plain.pkl")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("what", [np.float64(3.0), argparse.Namespace(lr=1), Payload])
def test_a_refusal_is_in_our_words(what: Any, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="not safe") as caught:
        read_checkpoint(saved(tmp_path / "bad.pt", {"lr_scheduler": what}))
    said = str(caught.value)
    assert re.search(r"it holds '(numpy|argparse|test)[\w.]+', which", said)
    assert "torch.save(scheduler.state_dict()" in said
    assert not re.search("weights_only.{0,9}False|add_safe_globals|[\x00-\x1f]", said)


def test_a_scheduler_saved_whole_is_refused_with_its_class(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"it holds 'torch.optim.lr_scheduler.StepLR'.*state alone"):
        read_checkpoint(saved(tmp_path / "whole.pt", LIVE["StepLR"](sgd())))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello", "is neither a zip nor a pickle of torch"),
        (bytes(range(256)), "is neither a zip nor a pickle of torch"),
        (b"", "is an empty file"),
        (b"PK\x03\x04" + bytes(40), "is a damaged zip"),
        (pickle.dumps({"a": 1}, 2), "is a damaged pickle, or one that torch.save did not write"),
        (pickle.dumps({"a": 1}, 4), "is a pickle that torch.save did not write"),
    ],
)
def test_files_that_are_no_checkpoint_say_what_they_are(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "file.pt").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(StateError, match=says):
            read_checkpoint(tmp_path / "file.pt")


def test_files_without_a_scheduler_say_so(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no file"):
        read_checkpoint(tmp_path / "nothing.pt")
    with pytest.raises(StateError, match=r"holds no scheduler's state; it has the keys \['epoch', 'model'\]"):
        read_checkpoint(saved(tmp_path / "model.pt", {"model": {}, "epoch": 3}))
    with pytest.raises(StateError, match="it holds a Tensor"):
        read_checkpoint(saved(tmp_path / "tensor.pt", torch.zeros(3)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schedules": [{"text": "Cosine(0.1"}]}, "the schedule in the state cannot be read: line 1, column 11"),
        ({"schedules": [{"text": "Plateau()"}]}, "where a schedule belongs"),
        ({"settings": {"lr": [7]}}, "damaged"),
        ({"schedules": None}, "damaged"),
    ],
)
def test_a_damaged_state_of_ours_is_said_to_be(change: dict[str, Any], message: str) -> None:
    state = lr.torch.attach(sgd(), lr=Cosine(0.1, 0.0, 40)).state_dict() | change
    with pytest.raises(StateError, match=message):
        read(state)
