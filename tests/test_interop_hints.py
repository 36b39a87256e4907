"""`read`: what is ours, functions, Keras, training arguments, and how hints and foreign things are refused."""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
import torch
from torch.optim import lr_scheduler as lrs
from transformers import TrainingArguments

import learnrate as lr
from learnrate import Constant, Cosine, Interpolation, Schedule
from learnrate.errors import UsageError
from learnrate.interop import read, write
from learnrate.interop.reading import MAPPINGS, OBJECTS, READABLE
from learnrate.interop.torch.writing import Hook


def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)


def test_schedules_and_what_was_written_read_as_themselves() -> None:
    schedule = Cosine(0.1, 0.0, 40)
    assert read(schedule).schedule is schedule
    assert read(write(schedule, to="python")).schedule is schedule


def test_an_optimizer_knows_no_schedule() -> None:
    with pytest.raises(UsageError, match="SGD is an optimizer: it knows no schedule"):
        read(sgd())


@pytest.mark.parametrize("obj", [3, "Cosine(0.1)", None, object(), [Constant(0.1)], {"a": 1}, torch.zeros(3)])
def test_what_nobody_knows_lists_what_can_be_read(obj: Any) -> None:
    with pytest.raises(UsageError, match=r"what can be read|that can be read"):
        read(obj)


def halving(t: int) -> float:
    return 0.5**t


class Calls:
    def __call__(self, t: int) -> float:
        return halving(t)


@pytest.mark.parametrize("function", [lambda t: 0.5**t, halving, Calls(), functools.partial(pow, 0.5)])
def test_a_function_of_your_own_says_why_and_is_sampled(function: Any) -> None:
    with pytest.raises(UsageError, match="a function of your own, which holds no schedule that can be read; sample=N"):
        read(function)
    reading = read(function, sample=5, update=2)
    assert reading.schedule == Interpolation(range(5), [1.0, 0.5, 0.25, 0.125, 0.0625])
    assert (reading.update, [note.name for note in reading.notes]) == (2, ["sampled"])
    with pytest.raises(UsageError, match="sample must be "):
        read(function, sample=0)
    with pytest.raises(UsageError, match="unknown hint for a function of your own 'sampel'; did you mean 'sample'"):
        read(function, sampel=5)


@pytest.mark.parametrize("function", [lambda: 0.1, lambda t: "a", lambda t: 1 / t, lambda t: math.nan])
def test_a_function_that_gives_no_rate_is_named(function: Any) -> None:
    with pytest.raises(UsageError, match=r"<function .* gives (no rate|nan) for update 0"):
        read(function, sample=3)


def as_it_is(schedule: Schedule) -> Schedule:
    return schedule


def written(schedule: Schedule) -> Any:
    return write(schedule, to="python")


def test_a_hook_is_sampled_when_that_is_asked_for() -> None:
    assert read(Hook(Cosine(0.1, 0.0, 2)), sample=3).schedule == Interpolation(range(3), [0.1, 0.05, 0.0])


@pytest.mark.parametrize("wrap", [as_it_is, written, Hook])
def test_what_is_ours_takes_the_update_and_nothing_else(wrap: Callable[[Schedule], Any]) -> None:
    obj = wrap(Cosine(0.1, 0.0, 40))
    with pytest.raises(
        UsageError, match=r"unknown hint for a (schedule|hook) of learnrate 'foo'; known: (sample, )?update"
    ):
        read(obj, foo=3)
    assert (read(obj, update=3).schedule, read(obj, update=3).update) == (Cosine(0.1, 0.0, 40), 3)
    for update in (-1, 1.5, True, "a"):
        with pytest.raises(UsageError, match="update must be a number of updates >= 0"):
            read(obj, update=update)


def test_our_own_scheduler_and_its_state_take_no_other_hints() -> None:
    scheduler = lr.torch.attach(sgd(), lr=Cosine(0.1, 0.0, 40))
    with pytest.raises(UsageError, match="a live scheduler of learnrate takes no hints, got 'updates'"):
        read(scheduler, updates=5)
    with pytest.raises(UsageError, match="unknown hint for a state of learnrate 'name'; .*known: sample"):
        read(scheduler.state_dict(), name="StepLR")


def test_keras_refuses_hints_and_what_has_no_curve() -> None:
    schedules = keras.optimizers.schedules
    cosine = schedules.CosineDecay(0.1, 10)
    with pytest.raises(UsageError, match="unknown hint for a schedule of Keras 'foo'; known: sample, update"):
        read(cosine, foo=1)
    with pytest.raises(UsageError, match="unknown hint for an optimizer of Keras 'lr'; known: sample, update"):
        read(keras.optimizers.SGD(cosine), lr=1.0)
    with pytest.raises(UsageError, match="unknown hint for a config of Keras 'foo'; known: update"):
        read(schedules.serialize(cosine), foo=1)

    class Bare(schedules.LearningRateSchedule):  # type: ignore[misc,name-defined]
        def __call__(self, update: Any) -> Any:
            return 0.1 / (1 + keras.ops.cast(update, "float32"))

    for obj in (Bare(), keras.optimizers.SGD(Bare())):
        with pytest.raises(UsageError, match=r"Bare is a class of your own.*read\(it, sample=N\)"):
            read(obj)
        assert read(obj, sample=3).schedule([0, 1, 2]) == pytest.approx([0.1, 0.05, 0.1 / 3])  # type: ignore[operator]
    with pytest.raises(UsageError, match="LearningRateSchedule gives no rate|is no schedule of Keras that can be read"):
        read(schedules.LearningRateSchedule())
    for hints in ({}, {"sample": 3}):
        with pytest.raises(UsageError, match="that Keras calls without the update"):
            read(keras.optimizers.SGD(lambda: 0.1), **hints)
    with pytest.raises(UsageError, match="has no schedule to sample"):
        read(keras.optimizers.SGD(0.1), sample=3)


def test_the_arguments_of_a_program_are_read_as_a_mapping() -> None:
    arguments = {"lr": 1.0, "lr_decay_style": "cosine", "train_iters": 10, "lr_warmup_fraction": 0.2, "save": "here"}
    assert read(argparse.Namespace(**arguments)) == read(arguments)
    with pytest.raises(UsageError, match="no library's config or state has the keys"):
        read(argparse.Namespace(colour="blue"))


def test_what_can_be_read_leaves_nothing_out() -> None:
    for name in ("optax", "megatron", "paddle", "argparse.Namespace", "sample=N"):
        assert name in READABLE
    for name in OBJECTS.values():
        assert callable(importlib.import_module(f"learnrate.interop.{name}").read_object)
    for name in MAPPINGS:
        assert callable(importlib.import_module(f"learnrate.interop.{name}").read_mapping)


def test_training_arguments_are_not_taken_for_another_library_s(tmp_path: Path) -> None:
    arguments = TrainingArguments(output_dir=str(tmp_path), max_steps=100, use_cpu=True)
    expected = lr.interop.transformers.get_linear_schedule_with_warmup(0, 100, lr=5e-5)
    data = arguments.to_dict()
    older = data | {"train_batch_size": 8, "eval_batch_size": 8, "gradient_accumulation_steps": 4}
    for given in (arguments, data, older, json.loads(arguments.to_json_string()), argparse.Namespace(**data)):
        reading = lr.interop.read(given)
        assert reading.update == 0
        assert isinstance(reading.schedule, Schedule)
        assert lr.schedule.first_difference(reading.schedule, expected, 150) is None


def test_text_is_sent_to_parse() -> None:
    with pytest.raises(UsageError, match=r"learnrate\.parse"):
        read("Cosine(0.1)")


def test_an_unknown_hint_is_an_error() -> None:
    with pytest.raises(UsageError, match="unknown hint for a live scheduler 'smaple'; did you mean 'sample'"):
        read(lrs.StepLR(sgd(), 3), smaple=10)


def test_reading_imports_only_what_it_needs() -> None:
    code = (
        "import sys\n"
        "import learnrate as lr\n"
        "lr.interop.read(lr.Cosine(0.1, 0.0, 10))\n"
        "loaded = [name for name in sys.modules if name.startswith('learnrate.interop.')]\n"
        "assert not [name for name in loaded if name.split('.')[2] in lr.interop.LIBRARIES], loaded\n"
        "assert 'torch' not in sys.modules\n"
    )
    here = {"PYTHONPATH": str(Path(lr.__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", code], env=here, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
