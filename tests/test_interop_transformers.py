"""transformers: every name of `get_scheduler` against the real one, the rows of the reference, reading and writing."""

from __future__ import annotations

import functools
import inspect
import pickle
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import optimization as theirs
from transformers.trainer_utils import SchedulerType

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError, UsageError
from learnrate.feedback import Greedy, Plateau, Rule
from learnrate.interop import transformers as ours
from parity import FLOAT64, agree, draws, every, updates_for


def optimizer(*rates: float) -> torch.optim.Optimizer:
    """One param group per rate; the first is the optimizer's default, which min_lr and lr_end are divided by."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=rates[0])


def rates(scheduler: Any, updates: int, group: int = 0) -> list[float]:
    """What each update uses: the optimizer steps, then the scheduler."""
    used = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch: optimizer.step() has nothing to do and is left out
        for _ in range(updates):
            used.append(float(scheduler.optimizer.param_groups[group]["lr"]))
            scheduler.step()
    return used


def steps(rng: random.Random) -> dict[str, Any]:
    """A run and its warmup; tiny runs, no warmup, and a warmup as long as the run or longer occur."""
    total = rng.choice([1, 2, 3, rng.randint(4, 60)])
    return {
        "num_training_steps": total,
        "num_warmup_steps": rng.choice([0, 1, total, total + 2, rng.randint(0, total)]),
    }


def waves(rng: random.Random) -> dict[str, Any]:
    return {"num_cycles": rng.choice([0.5, 1.0, 2.5, 0.0, rng.uniform(0.1, 4)])} if rng.random() < 0.7 else {}


def floors(rng: random.Random, rate: float) -> dict[str, Any]:
    share = rng.choice([0.0, 0.1, rng.random(), 1.2])
    return {"min_lr": rate * share} if rng.random() < 0.5 else {"min_lr_rate": share}


def restarts(rng: random.Random, rate: float) -> dict[str, Any]:
    return {"num_cycles": rng.choice([1, 2, 3, 4, 7, 2.5, 0, 0.5])} if rng.random() < 0.8 else {}


def polynomial(rng: random.Random, rate: float) -> dict[str, Any]:
    return {"lr_end": rate * rng.choice([0.0, 0.1, 0.5])} | (
        {"power": rng.uniform(0.3, 3)} if rng.random() < 0.7 else {}
    )


def inverse(rng: random.Random, rate: float) -> dict[str, Any]:
    return {"timescale": rng.choice([None, rng.randint(1, 60)])} if rng.random() < 0.6 else {}


def early(rng: random.Random, rate: float) -> dict[str, Any]:
    share = {"warmup_lr_rate": rng.choice([0.0, rng.random(), None])} if rng.random() < 0.6 else {}
    return waves(rng) | floors(rng, rate) | share


def wsd(rng: random.Random, rate: float) -> dict[str, Any]:
    drawn: dict[str, Any] = {"num_decay_steps": rng.choice([0, 1, 2, rng.randint(3, 30)])}
    if rng.random() < 0.4:
        drawn["num_stable_steps"] = rng.choice([0, 1, rng.randint(2, 20)])
    if rng.random() < 0.8:
        drawn |= {name: rng.choice(["linear", "cosine", "1-sqrt"]) for name in ("warmup_type", "decay_type")}
    return drawn | {"min_lr_ratio": rng.choice([0, 0.1, rng.random()])} | waves(rng)


OPTIONS: dict[str, Callable[[random.Random, float], dict[str, Any]]] = {
    "linear": lambda rng, rate: {},
    "cosine": lambda rng, rate: waves(rng),
    "cosine_with_restarts": restarts,
    "polynomial": polynomial,
    "constant": lambda rng, rate: {},
    "constant_with_warmup": lambda rng, rate: {},
    "inverse_sqrt": inverse,
    "cosine_with_min_lr": lambda rng, rate: waves(rng) | floors(rng, rate),
    "cosine_warmup_with_min_lr": early,
    "warmup_stable_decay": wsd,
}


def drawn(name: str, rng: random.Random) -> tuple[dict[str, Any], float]:
    """Legal arguments of one name, and a base rate."""
    rate = rng.choice([1.0, 10 ** rng.uniform(-4, 1)])
    run = steps(rng)
    while name == "polynomial" and run["num_training_steps"] == run["num_warmup_steps"]:
        run = steps(rng)
    options = OPTIONS[name](rng, rate)
    return run | {"scheduler_specific_kwargs": options or rng.choice([None, {}])}, rate


@pytest.mark.parametrize("name", OPTIONS)
def test_rates_are_those_of_transformers(name: str) -> None:
    def case(rng: random.Random) -> tuple[Schedule, Sequence[float]]:
        arguments, rate = drawn(name, rng)
        schedule = ours.get_scheduler(name, **arguments, lr=rate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "num_stable_steps will be used"
            real = theirs.get_scheduler(name, optimizer(rate), **arguments)
        return schedule, rates(real, updates_for(schedule.horizon or 60))

    every(f"transformers {name}", case, FLOAT64)


def test_every_name_of_the_library_is_here() -> None:
    assert {kind.value for kind in SchedulerType} == {*ours.schedules.SCHEDULES, *ours.schedules.RULES}
    assert ours.get_scheduler(SchedulerType.LINEAR, 1, 4) == ours.get_scheduler("linear", 1, 4)
    assert repr(ours.get_scheduler(SchedulerType.LINEAR, 1, 4)) == "transformers.get_scheduler('linear', 1, 4)"


FUNCTIONS = {name: cls.__name__ for name, cls in ours.schedules.SCHEDULES.items()}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_name_is_its_function(name: str) -> None:
    """The functions have the library's own parameters, but for the optimizer and `last_epoch`."""
    cls = getattr(ours, FUNCTIONS[name])
    real = inspect.signature(getattr(theirs, cls.__name__)).parameters
    assert [*cls.kinds] == [key for key in real if key not in ("optimizer", "last_epoch")] + ["lr"]
    for key, kind in real.items():
        if kind.default is not inspect.Parameter.empty and key != "last_epoch":
            assert cls._defaults[key] == kind.default
    for rng in draws(f"function {name}", 20):
        arguments, rate = drawn(name, rng)
        schedule = ours.get_scheduler(name, **arguments, lr=rate)
        assert type(schedule.inner) is cls
        updates = np.arange(80)
        assert np.array_equal(schedule(updates), schedule.inner(updates))
        assert schedule.horizon == schedule.inner.horizon


def reports(rng: random.Random) -> Iterator[float]:
    level = 5.0
    for _ in range(60):
        level *= rng.choice([0.9, 1.0, 1.02])
        yield rng.choice([level, level, float("nan")])


def follows(rule: Rule, scheduler: Any, rate: float, metrics: Iterator[float]) -> None:
    state = rule.start()
    for metric in metrics:
        scheduler.step(metric)
        state, factor = rule(state, metric)
        assert factor * rate == pytest.approx(scheduler.optimizer.param_groups[0]["lr"], rel=1e-12)


def plateau(rng: random.Random, rate: float) -> dict[str, Any]:
    drawn = {"factor": rng.uniform(0.05, 0.95), "patience": rng.randint(0, 5), "cooldown": rng.randint(0, 3)}
    drawn |= {"threshold": rng.choice([1e-4, 0.1]), "threshold_mode": rng.choice(["rel", "abs"])}
    return drawn | {"mode": rng.choice(["min", "max"]), "min_lr": rate * rng.choice([0.0, 0.1]), "eps": 1e-8 * rate}


def greedy(rng: random.Random, rate: float) -> dict[str, Any]:
    """Left out are two accidents of rounding: a rate one bit above `min_lr` never counts as being there, so bounds are
    near only with factors that do not round; a window of 1 keeps a running sum, which one NaN spoils for good."""
    drawn = plateau(rng, rate) | {"min_lr": 1e-9 * rate, "max_lr": 1e9 * rate, "warmup": rng.randint(0, 3)}
    if rng.random() < 0.5:
        drawn |= {"factor": rng.choice([0.5, 0.25]), "min_lr": rate * 0.3, "max_lr": rate * 3}
    return drawn | {"smooth": rng.random() < 0.5, "window_size": rng.randint(2, 5), "reset_start": rng.randint(1, 4)}


@pytest.mark.parametrize(("name", "options"), [("reduce_lr_on_plateau", plateau), ("greedy", greedy)])
def test_rules_are_those_of_transformers(name: str, options: Callable[[random.Random, float], dict[str, Any]]) -> None:
    for rng in draws(f"transformers {name}"):
        rate = rng.choice([0.1, 10 ** rng.uniform(-2, 0)])
        given = {"scheduler_specific_kwargs": options(rng, rate)}
        rule = ours.get_scheduler(name, **given, lr=rate)
        assert isinstance(rule, Rule)
        assert rule == ours.schedules.RULES[name](**given["scheduler_specific_kwargs"], lr=rate)
        follows(rule, theirs.get_scheduler(name, optimizer(rate), **given), rate, reports(rng))


def test_rules_take_their_own_defaults() -> None:
    rule = ours.get_scheduler("reduce_lr_on_plateau", lr=0.1)
    assert rule == Plateau(threshold_mode="rel", eps=1e-7)
    follows(rule, theirs.get_scheduler("reduce_lr_on_plateau", optimizer(0.1)), 0.1, reports(random.Random(3)))
    rule = ours.get_scheduler("greedy", lr=0.1)
    assert rule == Greedy(eps=1e-7)
    follows(rule, theirs.get_scheduler("greedy", optimizer(0.1)), 0.1, reports(random.Random(4)))


COSINE, MIN, EARLY = "cosine", "cosine_with_min_lr", "cosine_warmup_with_min_lr"
WSD: dict[str, Any] = {"num_decay_steps": 4, "min_lr_ratio": 0.1}
Row = tuple[str, str, int | None, int | None, dict[str, Any], list[int], list[float], int]
ROWS: list[Row] = [
    ("A", "constant_with_warmup", 4, None, {}, [*range(6)], [0, 0.25, 0.5, 0.75, 1, 1], 3),
    ("A early", EARLY, 4, 12, {"min_lr": 0.0}, [*range(6)], [0.25, 0.5, 0.75, 1, 0.962, 0.854], 3),
    ("B", MIN, 0, 10, {"min_lr": 0.1}, [0, 5, 9, 10, 11, 15, 20], [1, 0.55, 0.122, 0.1, 0.122, 0.55, 1], 3),
    ("B early", EARLY, 0, 10, {"min_lr": 0.1}, [0, 5, 9, 10, 11, 15], [0.978, 0.411, 0.1, 0.122, 0.186, 0.689], 3),
    ("C", "polynomial", 0, 10, {"power": 2.0, "lr_end": 0.1}, [5], [0.325], 3),
    ("C linear", "linear", 0, 10, {}, [9, 10, 11, 15], [0.1, 0, 0, 0], 3),
    ("E", "cosine_with_restarts", 0, 12, {"num_cycles": 3}, [3, 4, 5, 11, 12, 13], [0.146, 1, 0.854, 0.146, 0, 0], 3),
    ("G", "inverse_sqrt", 4, None, {}, [0, 1, 3, 4, 5, 16, 100], [0, 0.25, 0.75, 1, 0.894, 0.5, 0.2], 3),
    ("G 16", "inverse_sqrt", 4, None, {"timescale": 16}, [4, 5, 16, 100], [1, 0.970, 0.756, 0.378], 3),
    ("G none", "inverse_sqrt", 0, None, {}, [1], [0.99995], 5),
    (
        "H",
        "warmup_stable_decay",
        2,
        10,
        WSD | {"decay_type": "linear"},
        [0, 1, 5, 6, 7, 9, 10, 11],
        [0.1, 0.55, 1, 1, 0.775, 0.325, 0.1, 0.1],
        3,
    ),
    ("H 1-sqrt", "warmup_stable_decay", 2, 10, WSD | {"decay_type": "1-sqrt"}, [7, 9], [0.55, 0.2206], 4),
    ("H too long", "warmup_stable_decay", 4, 6, {"num_decay_steps": 5, "decay_type": "linear"}, [3, 4, 5], [], 3),
]


@pytest.mark.parametrize(("name", "warmup", "total", "options", "at", "values", "digits"), [row[1:] for row in ROWS])
def test_rows_of_the_reference(
    name: str,
    warmup: int | None,
    total: int | None,
    options: dict[str, Any],
    at: list[int],
    values: list[float],
    digits: int,
) -> None:
    schedule = ours.get_scheduler(name, warmup, total, options)
    real = rates(theirs.get_scheduler(name, optimizer(1.0), warmup, total, options), max(at) + 1)
    expected = values or [0.75, 0.4, 0.2]
    assert schedule(at).round(digits).tolist() == expected
    assert [round(real[t], digits) for t in at] == expected


def test_row_j_the_plateau() -> None:
    rule = ours.get_reduce_on_plateau_schedule(patience=2)
    state, factors = rule.start(), []
    for _ in range(7):
        state, factor = rule(state, 1.0)
        factors.append(round(factor, 6))
    assert factors == [1, 1, 1, 0.1, 0.1, 0.1, 0.01]


@pytest.mark.parametrize("name", OPTIONS)
def test_text_and_json_and_pickle(name: str) -> None:
    for rng in draws(f"forms {name}", 20):
        arguments, rate = drawn(name, rng)
        schedule = ours.get_scheduler(name, **arguments, lr=rate)
        for one in (schedule, schedule.inner):
            assert lr.parse(repr(one)) == one
            assert Schedule.from_json(one.to_json()) == one
            assert pickle.loads(pickle.dumps(one)) == one
            assert hash(one) == hash(lr.parse(repr(one)))


def test_a_rule_by_name_is_a_rule_in_text_too() -> None:
    text = "transformers.get_scheduler('greedy', scheduler_specific_kwargs={'patience': 3}, lr=0.1)"
    assert lr.parse(text) == Greedy(patience=3, eps=1e-7)


def test_bad_arguments_are_named() -> None:
    wave = ours.get_cosine_with_min_lr_schedule_with_warmup
    for make, message in [
        (lambda: ours.get_scheduler("cosin", 0, 4), "name must be one of 'linear', .*'greedy', got 'cosin'"),
        (lambda: ours.get_scheduler("cosine"), r"num_warmup_steps must be given \(updates\) for 'cosine', got None"),
        (lambda: ours.get_scheduler("linear", 2), "num_training_steps must be given"),
        (
            lambda: ours.get_scheduler("cosine", 0, 4, {"cycles": 2}),
            "unknown parameter of get_cosine_schedule_with_warmup 'cycles'; .*known: num_cycles",
        ),
        (lambda: ours.get_scheduler("cosine", 0, 4, {"lr": 2}), "must not hold 'lr'; it is an argument"),
        (lambda: ours.get_scheduler("cosine", 0, 4, 3), "scheduler_specific_kwargs must be a mapping, got 3"),
        (lambda: ours.get_scheduler("cosine", 0, 4, warmup=3), "unknown parameter of get_scheduler 'warmup'"),
        (lambda: ours.get_scheduler("greedy", options={}), "unknown parameter of get_scheduler 'options'"),
        (lambda: ours.get_scheduler("greedy", lr=1e-5), "min_lr and max_lr must lie around lr"),
        (lambda: ours.get_greedy_schedule(min_lr=[0.1, 0.2]), "min_lr must be one number"),
        (lambda: ours.get_reduce_on_plateau_schedule(min_lr=2.0), "min_lr must be <= lr"),
        (
            lambda: ours.get_reduce_on_plateau_schedule(gamma=2),
            "unknown parameter of transformers.get_reduce_on_plateau",
        ),
        (lambda: wave(0, 4), "needs one of min_lr .* and min_lr_rate"),
        (lambda: wave(0, 4, min_lr=0.1, min_lr_rate=0.1), "needs one of min_lr"),
        (lambda: wave(0, 4, min_lr=0.1, lr=0.0), "lr must be > 0 rate when min_lr is given"),
        (
            lambda: ours.get_polynomial_decay_schedule_with_warmup(4, 4),
            "transformers divides by what is left, which is 0",
        ),
        (lambda: ours.get_polynomial_decay_schedule_with_warmup(0, 4, lr=1e-8), "lr_end must be < lr"),
        (lambda: ours.get_wsd_schedule(2, 4), "needs num_training_steps or num_stable_steps"),
        (lambda: ours.get_wsd_schedule(2, 4, 9, decay_type="step"), "decay_type must be one of 'linear'"),
        (lambda: ours.get_linear_schedule_with_warmup(-1, 4), "num_warmup_steps must be >= 0 updates, got -1"),
    ]:
        with pytest.raises(ParameterError, match=message):
            make()


def test_the_library_really_divides_by_zero_there() -> None:
    real = theirs.get_polynomial_decay_schedule_with_warmup(optimizer(1.0), 4, 4)
    with pytest.raises(ZeroDivisionError):
        rates(real, 6)


def found(schedule: Any, run: int) -> list[str]:
    return [finding.name for finding in schedule.quirks(run)]


def test_quirks_are_said_where_they_show() -> None:
    assert found(ours.get_scheduler("cosine", 2, 12), 12) == []
    assert found(ours.get_scheduler("cosine", 2, 12), 20) == ["rises past the end"]
    assert found(ours.get_scheduler("cosine_with_restarts", 2, 12), 20) == []
    assert found(ours.get_scheduler(MIN, 2, 12, {"min_lr": 0.1}), 20) == ["rises past the end"]
    assert found(ours.get_scheduler(EARLY, 2, 12, {"min_lr": 0.1}), 12) == []
    assert found(ours.get_scheduler(EARLY, 2, 12, {"min_lr": 0.1}), 13) == ["rises past the end"]
    assert found(ours.get_wsd_schedule(2, 4, 10), 10) == []
    assert found(ours.get_wsd_schedule(2, 4, 10, min_lr_ratio=0.1), 10) == ["warmup starts at the floor"]
    assert found(ours.get_wsd_schedule(4, 5, 6, decay_type="linear"), 10) == ["jumps"]


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIONS)
def test_the_functions_inside_lambdalr_are_read(name: str) -> None:
    """Group by group: `min_lr` and `lr_end` are divided by the optimizer's default rate, not by the group's."""
    for rng in draws(f"lambda {name}", 30):
        arguments, rate = drawn(name, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            real = theirs.get_scheduler(name, optimizer(rate, 0.01 * rate), **arguments)
        for group, base in enumerate((rate, 0.01 * rate)):
            schedule = ours.read_lambda(real.lr_lambdas[group], base)
            assert schedule is not None
            expected = [base * real.lr_lambdas[group](t) for t in range(80)]
            agree(schedule, expected)


def test_a_live_scheduler_is_read_group_by_group() -> None:
    """The floor of the second group is 0.001, though min_lr is 0.1: it is divided by the optimizer's default rate."""
    options = {"min_lr": 0.1}
    real = theirs.get_scheduler(MIN, optimizer(1.0, 0.01), 0, 10, options)
    rates(real, 4)
    reading = lr.interop.read(real)
    assert reading.update == 4
    assert [reading.schedule[group](10) for group in (0, 1)] == pytest.approx([0.1, 0.001], rel=1e-12)


def test_other_functions_are_not_read() -> None:
    assert ours.read_lambda(lambda t: 1.0, 0.1) is None
    assert ours.read_lambda(functools.partial(abs), 0.1) is None


ARGUMENTS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        {"lr_scheduler_type": "cosine", "learning_rate": 1e-3, "max_steps": 100, "warmup_steps": 10},
        {},
        "transformers.get_scheduler('cosine', 10, 100, lr=0.001)",
    ),
    (
        {"lr_scheduler_type": "SchedulerType.COSINE", "max_steps": 101, "warmup_steps": 0.1},
        {},
        "transformers.get_scheduler('cosine', 11, 101, lr=5e-05)",
    ),
    (
        {"learning_rate": 1e-3, "max_steps": 100, "warmup_ratio": 0.06},
        {},
        "transformers.get_scheduler('linear', 6, 100, lr=0.001)",
    ),
    (
        {"learning_rate": 1e-3, "num_train_epochs": 3, "max_steps": -1},
        {"updates": 250},
        "transformers.get_scheduler('linear', 0, 250, lr=0.001)",
    ),
    (
        {"learning_rate": 1e-3, "num_train_epochs": 2.5, "gradient_accumulation_steps": 4},
        {"num_examples": 1000, "world_size": 2},
        "transformers.get_scheduler('linear', 0, 40, lr=0.001)",
    ),
    (
        {"learning_rate": 1e-3, "per_device_train_batch_size": 3, "dataloader_drop_last": True, "warmup_steps": 2},
        {"num_examples": 20},
        "transformers.get_scheduler('linear', 2, 18, lr=0.001)",
    ),
    (
        {"lr_scheduler_type": "constant_with_warmup", "learning_rate": 1e-3, "warmup_steps": 5},
        {},
        "transformers.get_scheduler('constant_with_warmup', 5, lr=0.001)",
    ),
    (
        {"lr_scheduler_type": COSINE, "learning_rate": 1.0, "max_steps": 9, "lr_scheduler_kwargs": '{"num_cycles": 2}'},
        {},
        "transformers.get_scheduler('cosine', 0, 9, scheduler_specific_kwargs={'num_cycles': 2})",
    ),
]


@pytest.mark.parametrize(("data", "hints", "text"), ARGUMENTS)
def test_training_arguments_are_read(data: dict[str, Any], hints: dict[str, Any], text: str) -> None:
    reading = ours.read_mapping(data, **hints, update=3)
    assert reading is not None
    assert (repr(reading.schedule), reading.update) == (text, 3)


def test_training_arguments_that_listen() -> None:
    data = {"lr_scheduler_type": "reduce_lr_on_plateau", "learning_rate": 0.1, "lr_scheduler_kwargs": {"patience": 3}}
    reading = ours.read_mapping(data)
    assert reading is not None
    assert (reading.schedule, reading.feedback) == (
        lr.Constant(0.1),
        Plateau(patience=3, threshold_mode="rel", eps=1e-7),
    )


def test_bad_training_arguments_name_the_key() -> None:
    base = {"lr_scheduler_type": "cosine", "learning_rate": 0.1}
    for data, hints, message in [
        (base, {}, r"num_train_epochs=3\.0 epochs long: say how many updates that is, updates=.*num_examples="),
        (base | {"max_steps": 9, "lr_scheduler_type": "cos"}, {}, "lr_scheduler_type: unknown schedule 'cos'"),
        (base | {"learning_rate": "high"}, {}, "learning_rate must be a number, got 'high'"),
        (base | {"max_steps": 9, "warmup_steps": -2}, {}, "warmup_steps must be >= 0, got -2"),
        (base | {"max_steps": 9, "warmup_ratio": 3}, {}, "warmup_ratio must be <= 1"),
        (base | {"max_steps": 9, "lr_scheduler_kwargs": "{'a': 1}"}, {}, "not JSON: line 1, column 2"),
        (base | {"max_steps": 9, "lr_scheduler_kwargs": {"cycles": 1}}, {}, "lr_scheduler_type='cosine'.*'cycles'"),
        (base | {"max_steps": 9}, {"steps": 3}, "unknown hint for training arguments 'steps'"),
        (base, {"num_examples": 0}, "num_examples must be a whole number >= 1"),
    ]:
        with pytest.raises((UsageError, ParameterError), match=message):
            ours.read_mapping(data, **hints)
    assert ours.read_mapping({"learning_rate": 0.1}) is None


def arguments(folder: Path, **given: Any) -> Any:
    return transformers.TrainingArguments(str(folder), use_cpu=True, report_to=[], disable_tqdm=True, **given)


def test_a_training_arguments_object_is_read(tmp_path: Path) -> None:
    made = arguments(tmp_path, max_steps=40, warmup_steps=0.1, lr_scheduler_type="cosine", learning_rate=0.1)
    assert lr.interop.read(made).schedule == ours.get_scheduler("cosine", 4, 40, lr=0.1)
    epochs = arguments(tmp_path, num_train_epochs=2, per_device_train_batch_size=5)
    assert lr.interop.read(epochs, num_examples=52).schedule == ours.get_scheduler("linear", 0, 22, lr=5e-5)


class Line(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": ((self.weight * x - labels) ** 2).mean()}


class Used(transformers.TrainerCallback):
    """The rate each update uses, seen before the optimizer steps."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_pre_optimizer_step(self, *args: Any, optimizer: Any = None, **others: Any) -> None:
        self.rates.append(float(optimizer.param_groups[0]["lr"]))


def test_what_the_trainer_really_uses(tmp_path: Path) -> None:
    """A run of the real Trainer, with accumulation and epochs: arguments, state and Trainer are all read right."""
    data = [{"x": torch.ones(1), "labels": torch.ones(1)} for _ in range(22)]
    options = {"num_train_epochs": 3, "per_device_train_batch_size": 3, "gradient_accumulation_steps": 2}
    made = arguments(
        tmp_path, learning_rate=0.1, warmup_steps=0.2, lr_scheduler_type="cosine", logging_steps=1, save_strategy="no",
        **options,
    )  # fmt: skip
    used = Used()
    trainer = transformers.Trainer(Line(), made, train_dataset=data, callbacks=[used])
    trainer.train()
    assert len(used.rates) == 12
    exact = lr.interop.read(made, num_examples=22).schedule
    agree(exact, used.rates)
    state = {"log_history": trainer.state.log_history, "global_step": 12, "max_steps": 12}
    recorded = ours.read_mapping(state)
    assert recorded is not None
    agree(recorded.schedule, used.rates)
    assert [note.name for note in recorded.notes] == ["recorded curve"]
    for source in (made, made.to_dict()):
        reading = ours.read_mapping(state, args=source)
        assert reading is not None
        assert (reading.schedule, reading.update) == (exact, 12)
    assert lr.interop.read(trainer.state).schedule == recorded.schedule
    inside = lr.interop.read(trainer)
    agree(inside.schedule, used.rates)
    assert inside.update == 12


def test_a_trainer_state_is_read_between_its_logs() -> None:
    logs = [{"step": 10, "learning_rate": 0.1}, {"step": 20, "learning_rate": 0.2}, {"step": 20, "eval_loss": 1.0}]
    state = {"log_history": logs, "global_step": 25, "max_steps": 30}
    used, after = ours.read_mapping(state), ours.read_mapping(state, logged="next")
    assert used is not None
    assert after is not None
    assert used.schedule([0, 9, 14, 19, 29]).tolist() == pytest.approx([0.1, 0.1, 0.15, 0.2, 0.2])
    assert (after.schedule(10), after.update) == (0.1, 25)
    with pytest.raises(UsageError, match="log_history holds no learning_rate"):
        ours.read_mapping({"log_history": [], "global_step": 3})
    with pytest.raises(UsageError, match="unknown logged 'before'"):
        ours.read_mapping(state, logged="before")
    with pytest.raises(ParameterError, match="learning_rate must be a number, got 'x'"):
        ours.read_mapping({"log_history": [{"step": 1, "learning_rate": "x"}], "global_step": 3})


def test_a_live_greedylr_goes_on_as_a_rule() -> None:
    for rng in draws("live greedy", 20):
        made = theirs.GreedyLR(optimizer(0.1), **greedy(rng, 0.1))
        for metric in reports(rng):
            reading = lr.interop.read(made)
            made.step(metric)
            factor = reading.feedback(reading.state, metric)[1]
            assert factor * reading.schedule(0) == pytest.approx(made.optimizer.param_groups[0]["lr"], rel=1e-12)


def test_what_holds_no_schedule_is_refused() -> None:
    with pytest.raises(UsageError, match="AdafactorSchedule of transformers holds no schedule that can be read"):
        lr.interop.read(theirs.get_adafactor_schedule(theirs.Adafactor(torch.nn.Linear(1, 1).parameters())))


# --- writing ---------------------------------------------------------------------------------------------------------

EXACT = [
    (lr.Linear(0, 0.3, 4) >> lr.Linear(0.3, 0.0, 16), "linear"),
    (lr.Linear(0, 0.3, 4) >> lr.Cosine(0.3, 0.0, 16), "cosine_with_restarts"),
    (lr.SGDR(0.3, 0.0, 5, times=4), "cosine_with_restarts"),
    (lr.Linear(0, 0.3, 4) >> lr.Polynomial(0.3, 0.01, 16, power=2.0), "polynomial"),
    (lr.Constant(0.3), "constant"),
    (lr.Linear(0, 0.3, 4) >> lr.Constant(0.3), "constant_with_warmup"),
    (lr.Linear(0, 0.3, 4) >> lr.InverseSqrt(0.3, 4), "inverse_sqrt"),
    (lr.Linear(0, 0.3, 4) >> lr.InverseSqrt(0.3, 9), "inverse_sqrt"),
    (lr.Linear(0, 0.3, 4) >> lr.Cosine(0.3, 0.03, 16).mirror().repeat(), "cosine_with_min_lr"),
    (lr.Linear(0, 0.3, 4).skip(1) >> lr.Cosine(0.3, 0.03, 16).mirror().repeat(), "cosine_warmup_with_min_lr"),
    (lr.Cosine(0.3, 0.03, 16), "warmup_stable_decay"),
    (lr.WSD(0.3, 0.0, 20, warmup=3, decay=5), "warmup_stable_decay"),
    (lr.WSD(0.3, 0.03, 20, warmup=3, decay=5, start=0.03, shape="sqrt"), "warmup_stable_decay"),
]


@pytest.mark.parametrize(("schedule", "name"), EXACT, ids=lambda value: str(value))
def test_what_transformers_can_say_it_says(schedule: Schedule, name: str) -> None:
    written = lr.interop.write(schedule, to="transformers", optimizer=optimizer(1.0, 0.5))
    assert written.own
    agree(schedule, rates(written.value, 60, 1))
    code = lr.interop.write(schedule, to="transformers", code=True)
    assert f"get_scheduler('{name}'" in code
    assert "learnrate" not in code
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - printed code is tested by running it
    agree(schedule, rates(names["scheduler"](optimizer(1.0)), 60))


@pytest.mark.parametrize(
    ("schedule", "name"), [row for row in EXACT if row[1] != "constant"], ids=lambda value: str(value)
)
def test_training_arguments_are_written(tmp_path: Path, schedule: Schedule, name: str) -> None:
    written = lr.interop.write(schedule, to="transformers", config=True)
    assert written.value["lr_scheduler_type"] == name
    made = arguments(tmp_path, **written.value)
    total = written.value.get("max_steps", 20)
    real = theirs.get_scheduler(
        made.lr_scheduler_type,
        optimizer(made.learning_rate),
        made.get_warmup_steps(total),
        total,
        made.lr_scheduler_kwargs,
    )
    agree(schedule, rates(real, total))
    back = ours.read_mapping(written.value)
    assert back is not None
    assert np.allclose(back.schedule(np.arange(40)), schedule(np.arange(40)), rtol=1e-12, atol=1e-15)
    names: dict[str, Any] = {}
    code = lr.interop.write(schedule, to="transformers", config=True, code=True)
    exec(code, names)  # noqa: S102 - printed code is tested by running it
    assert names["arguments"](str(tmp_path), use_cpu=True).lr_scheduler_type == name


def test_within_a_run_the_plain_name_is_enough() -> None:
    schedule = lr.Linear(0, 0.3, 4) >> lr.Cosine(0.3, 0.03, 16)
    code = lr.interop.write(schedule, to="transformers", code=True, updates=20)
    assert "get_scheduler('cosine_with_min_lr', optimizer, num_warmup_steps=4, num_training_steps=20" in code


def test_the_functions_are_written_by_their_name() -> None:
    schedule = ours.get_polynomial_decay_schedule_with_warmup(2, 20, lr_end=0.01, lr=0.3)
    written = lr.interop.write(schedule, to="transformers", optimizer=optimizer(1.0, 0.1))
    agree(schedule, rates(written.value, 30, 1))
    with pytest.raises(UsageError, match="live on an optimizer"):
        ours.build(schedule)


def test_why_it_is_no_name_of_the_library() -> None:
    schedule = lr.Linear(0, 0.3, 4) >> lr.Cosine(0.3, 0.03, 16)
    says = lr.interop.write(schedule, to="transformers", optimizer=optimizer(1.0)).says
    assert "get_scheduler differs first at update 21: it bounces" in says


def test_anything_else_is_lambdalr() -> None:
    schedule = lr.Linear(0, 0.3, 4) >> lr.REX(0.3, 0.0, 20)
    written = lr.interop.write(schedule, to="transformers", optimizer=optimizer(1.0))
    assert not written.own
    agree(schedule, rates(written.value, 40))
    assert lr.interop.read(written.value).schedule == schedule
    names: dict[str, Any] = {}
    code = lr.interop.write(schedule, to="transformers", code=True)
    exec(code, names)  # noqa: S102 - printed code is tested by running it
    agree(schedule, rates(names["scheduler"](optimizer(1.0)), 40))
    with pytest.raises(UsageError, match="TrainingArguments only name a schedule"):
        _ = lr.interop.write(schedule, to="transformers", config=True).value


def test_last_epoch_is_taken_where_it_begins() -> None:
    assert ours.get_linear_schedule_with_warmup(2, 10, last_epoch=-1) == ours.get_linear_schedule_with_warmup(2, 10)
    with pytest.raises(ParameterError, match=r"get_linear_schedule_with_warmup\.last_epoch must be -1, got 5"):
        ours.get_linear_schedule_with_warmup(2, 10, last_epoch=5)
