"""ignite: every scheduler against the real one, attached to an engine as documented."""

from __future__ import annotations

import random
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import param_scheduler as real
from ignite.handlers import state_param_scheduler as real_state

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError
from learnrate.feedback import Plateau
from learnrate.interop import ignite as ours
from learnrate.interop import torch as torch_names
from learnrate.spec import draw
from parity import DRAWS, FLOAT64, agree, draws, every, updates_for

SCHEDULERS = torch.optim.lr_scheduler


def optimizer(base: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)


def used(handler: Any, sgd: torch.optim.Optimizer, updates: int, after: bool = False) -> list[float]:
    """The rates of a run whose engine calls the handler before (or after) each; to where it divides by zero."""
    rates: list[float] = []
    for _ in range(updates):
        try:
            if not after:
                handler(None)
            rates.append(sgd.param_groups[0]["lr"])
            sgd.step()
            if after:
                handler(None)
        except ZeroDivisionError:
            return rates
    return rates


@pytest.mark.parametrize("event", [Events.ITERATION_STARTED, Events.ITERATION_COMPLETED])
def test_an_engine_calls_a_handler_like_that(event: Events) -> None:
    one, other = optimizer(), optimizer()
    rates: list[float] = []
    engine = Engine(lambda engine, batch: rates.append(one.param_groups[0]["lr"]))
    engine.add_event_handler(event, real.LinearCyclicalScheduler(one, "lr", 0.5, 0.0, 4))
    engine.run([0] * 9, max_epochs=1)
    same = real.LinearCyclicalScheduler(other, "lr", 0.5, 0.0, 4)
    assert rates == used(same, other, 9, event is Events.ITERATION_COMPLETED)


def settings(schedule: Any) -> dict[str, Any]:
    return {key: list(item) if isinstance(item, tuple) else item for key, item in schedule.parameters().items()}


def theirs(schedule: Any, sgd: torch.optim.Optimizer) -> Any:
    """The real scheduler, on this optimizer."""
    values = settings(schedule)
    if isinstance(schedule, ours.ConcatScheduler):
        return real.ConcatScheduler([theirs(part, sgd) for part in schedule.schedulers], values["durations"])
    if isinstance(schedule, ours.LRScheduler):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return real.LRScheduler(theirs(schedule.lr_scheduler, sgd), use_legacy=schedule.use_legacy)
    if isinstance(schedule, ours.create_lr_scheduler_with_warmup):
        del values["lr"]
        return real.create_lr_scheduler_with_warmup(**values | {"lr_scheduler": theirs(schedule.lr_scheduler, sgd)})
    if schedule.full_name().startswith("torch."):
        values.pop("lr", None)
        values.pop("updates_per_epoch", None)
        return getattr(SCHEDULERS, type(schedule).__name__)(sgd, **values)
    return getattr(real, type(schedule).__name__)(sgd, **values)


CYCLIC = ["LinearCyclicalScheduler", "CosineAnnealingScheduler"]


def cyclic(name: str, rng: random.Random) -> Any:
    schedule = draw(getattr(ours, name), rng)
    changes: dict[str, Any] = {"cycle_size": rng.choice([2, 3, 4, 9, 20])}
    if rng.random() < 0.5:
        changes["cycle_mult"] = rng.choice([1.0, 1.0, 1.5, 2.0, 2, 3])
    if rng.random() < 0.5:
        changes |= {"start_value_mult": 1.0, "end_value_mult": 1.0}
    if rng.random() < 0.5:
        changes["warmup_duration"] = 0
    return schedule.replace(**changes)


def points(rng: random.Random) -> Any:
    return draw(ours.PiecewiseLinear, rng)


def inside(rng: random.Random) -> Any:
    return points(rng) if rng.random() < 0.3 else cyclic(rng.choice(CYCLIC), rng)


@pytest.mark.parametrize("name", CYCLIC)
def test_cycles_agree(name: str) -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        schedule, sgd = cyclic(name, rng), optimizer()
        return schedule, used(theirs(schedule, sgd), sgd, 60)

    every(f"ignite {name}", case, FLOAT64)


def test_lines_between_points_agree() -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        schedule, sgd = points(rng), optimizer()
        return schedule, used(theirs(schedule, sgd), sgd, updates_for(schedule.horizon))

    every("ignite PiecewiseLinear", case, FLOAT64)


def concatenated(rng: random.Random) -> Any:
    parts = [inside(rng) for _ in range(rng.randint(2, 4))]
    durations = [rng.choice([1, 2, 3, 9]) for _ in parts[1:]]
    if rng.random() < 0.2:
        durations[rng.randrange(len(durations))] = 0
    return ours.ConcatScheduler(parts, durations)


def test_concatenations_agree() -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        schedule, sgd = concatenated(rng), optimizer()
        return schedule, used(theirs(schedule, sgd), sgd, 50)

    every("ignite ConcatScheduler", case, FLOAT64)


def of_torch(rng: random.Random, base: float) -> Any:
    """A scheduler of torch: those that compute from the rate they find, those that do not."""
    steps = rng.choice([2, 3, 8])
    return rng.choice(
        [
            torch_names.ExponentialLR(rng.uniform(0.5, 1.0), lr=base),
            torch_names.StepLR(steps, rng.uniform(0.1, 0.9), lr=base),
            torch_names.MultiStepLR(sorted(rng.sample(range(12), 2)), 0.5, lr=base),
            torch_names.ConstantLR(rng.uniform(0.1, 1.0), steps, lr=base),
            torch_names.LinearLR(rng.uniform(0.1, 1.0), rng.uniform(0.1, 1.0), steps, lr=base),
            torch_names.PolynomialLR(steps, rng.choice([1.0, 2.0]), lr=base),
            torch_names.CosineAnnealingLR(rng.choice([1, steps]), rng.choice([0.0, base / 9]), lr=base),
            torch_names.CosineAnnealingWarmRestarts(steps, rng.choice([1, 2]), base / 9, lr=base),
        ]
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_wrapped_schedulers_of_torch_agree(legacy: bool) -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        base = rng.uniform(0.1, 1.0)
        schedule, sgd = ours.LRScheduler(of_torch(rng, base), legacy), optimizer(base)
        return schedule, used(theirs(schedule, sgd), sgd, 20, after=legacy)

    every(f"ignite LRScheduler {legacy}", case, FLOAT64)


def test_warmups_agree() -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        base = rng.uniform(0.1, 1.0)
        inner = of_torch(rng, base) if rng.random() < 0.5 else inside(rng)
        end = rng.choice([None, 0.5, float(inner(0))])
        start, warmup = rng.choice([0.0, rng.random()]), rng.choice([2, 3, 4, 9])
        schedule, sgd = ours.create_lr_scheduler_with_warmup(inner, start, warmup, end, base), optimizer(base)
        return schedule, used(theirs(schedule, sgd), sgd, 30)

    every("ignite create_lr_scheduler_with_warmup", case, FLOAT64)


def stated(schedule: Any, updates: int) -> list[float]:
    """The values that updates 1, 2, ... find in the engine's state."""
    engine = Engine(lambda engine, batch: None)
    handler = getattr(real_state, type(schedule).__name__)(**settings(schedule) | {"param_name": "param"})
    values = []
    for _ in range(updates):
        handler(engine)
        values.append(engine.state.param)
    return values


def test_update_0_finds_no_state() -> None:
    values: list[Any] = []
    engine = Engine(lambda engine, batch: values.append(engine.state.param))
    real_state.ExpStateScheduler(1.0, 0.5, "param", create_new=True).attach(engine)
    engine.run([0] * 3, max_epochs=1)
    assert values == [None, 0.5, 0.25]


STATES = ["PiecewiseLinear", "Exp", "Step", "MultiStep", "Lambda"]


def state(name: str, rng: random.Random) -> Any:
    if name == "Lambda":
        scale = rng.random()
        return ours.LambdaStateScheduler(lambda event: scale * 0.9 ** (event % 9), "param")
    schedule = draw(getattr(ours, f"{name}StateScheduler"), rng)
    changes = {"gamma": 0.0} if "gamma" in schedule.kinds and rng.random() < 0.1 else {}
    if name == "MultiStep":
        changes["milestones"] = rng.choice([[], [0, 3], sorted(rng.sample(range(20), 3))])
    return schedule.replace(**changes)


@pytest.mark.parametrize("name", STATES)
def test_state_schedulers_agree_from_update_1_on(name: str) -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        schedule = state(name, rng)
        return schedule.skip(1), stated(schedule, 35)

    every(f"ignite {name}StateScheduler", case, FLOAT64)


def test_the_rule_that_listens_agrees() -> None:
    for rng in draws("ignite ReduceLROnPlateauScheduler"):
        base = rng.uniform(0.1, 1.0)
        options: dict[str, Any] = {
            "mode": rng.choice(["min", "max"]),
            "factor": rng.uniform(0.1, 0.9),
            "patience": rng.randint(0, 3),
            "threshold": rng.choice([1e-4, 0.1]),
            "threshold_mode": rng.choice(["rel", "abs"]),
            "cooldown": rng.randint(0, 2),
            "min_lr": base * rng.choice([0.0, 0.2]),
            "param_group_index": rng.choice([None, 0]),
        }
        metrics = [rng.choice([1.0, 1.0, rng.random()]) for _ in range(30)]
        simulated = real.ReduceLROnPlateauScheduler.simulate_values(30, metrics, base, **options)
        rule = ours.ReduceLROnPlateauScheduler("metric", lr=base, **options)
        memory, rates = rule.start(), []
        for metric in metrics:
            memory, factor = rule(memory, metric)
            rates.append(base * factor)
        np.testing.assert_allclose(rates, [rate for _, rate in simulated], rtol=1e-12)


def test_param_groups_have_a_schedule_each() -> None:
    sgd = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(2)], lr=1.0)
    mine = [ours.CosineAnnealingScheduler("lr", 0.0, peak, 4) for peak in (0.1, 1.0)]
    them = [
        real.CosineAnnealingScheduler(sgd, "lr", 0.0, peak, 4, param_group_index=i) for i, peak in enumerate((0.1, 1))
    ]
    group = real.ParamGroupScheduler(them)
    for update in range(9):
        group(None)
        found = [schedule(update) for schedule in ours.ParamGroupScheduler(mine).values()]
        np.testing.assert_allclose(found, [each["lr"] for each in sgd.param_groups], atol=1e-12)


EXPONENTIAL = torch_names.ExponentialLR(0.5, lr=1.0)
BOUNCING = torch_names.CosineAnnealingLR(8, lr=1.0)
ANNEALED = ours.CosineAnnealingScheduler("lr", 1.0, 0.0, 4)
RESTARTS = torch_names.CosineAnnealingWarmRestarts(4, lr=1.0)


@pytest.mark.parametrize(
    ("schedule", "updates", "rates"),
    [
        pytest.param(
            ours.create_lr_scheduler_with_warmup(EXPONENTIAL, 0.0, 4),
            range(6),
            [0, 0.333, 0.667, 1, 0.5, 0.25],
            id="table A",
        ),
        pytest.param(
            ours.CosineAnnealingScheduler("lr", 1.0, 0.0, 4, 2),
            [3, 4, 5, 11, 12, 13],
            [0.146, 1, 0.962, 0.038, 1, 0.99],
            id="table E",
        ),
    ],
)
def test_rows_of_the_tables(schedule: Schedule, updates: Any, rates: list[float]) -> None:
    np.testing.assert_allclose(schedule(list(updates)), rates, atol=5.1e-4, rtol=0)


@pytest.mark.parametrize(
    ("schedule", "run", "names"),
    [
        (ours.LRScheduler(EXPONENTIAL), 9, ["one update early"]),
        (ours.LRScheduler(RESTARTS), 9, ["one update early"]),
        (ours.LRScheduler(RESTARTS, use_legacy=True), 9, []),
        (ours.LRScheduler(torch_names.ConstantLR(0.5, 4, lr=1.0)), 9, ["first factor twice"]),
        (ours.LRScheduler(torch_names.StepLR(3, lr=1.0)), 9, []),
        (ours.CosineAnnealingScheduler("lr", 1.0, 0.0, 10), 10, []),
        (ours.CosineAnnealingScheduler("lr", 1.0, 0.0, 10), 15, ["rises past the end"]),
        (ours.LinearCyclicalScheduler("lr", 1.0, 0.0, 10, monotonic=True), 15, ["rises past the end"]),
        (ours.LinearCyclicalScheduler("lr", 1.0, 0.0, 10), 15, []),
        (ours.LinearCyclicalScheduler("lr", 0.0, 1.0, 8, 0.5), 15, []),
        (ours.LinearCyclicalScheduler("lr", 0.0, 1.0, 8, 0.5), 16, ["raises past the end"]),
        (ours.CosineAnnealingScheduler("lr", 0.0, 1.0, 5, 0.5), 9, ["raises past the end"]),
        (ours.LRScheduler(BOUNCING), 9, ["first factor twice"]),
        (ours.LRScheduler(BOUNCING, use_legacy=True), 12, ["rises past the end"]),
        (ours.create_lr_scheduler_with_warmup(BOUNCING, 0.0, 4), 12, []),
        (ours.create_lr_scheduler_with_warmup(BOUNCING, 0.0, 4), 13, ["rises past the end"]),
        (ours.create_lr_scheduler_with_warmup(BOUNCING, 0.0, 4, 0.5), 14, ["rises past the end"]),
        (ours.ConcatScheduler([ANNEALED, ANNEALED], [4]), 8, []),
        (ours.ConcatScheduler([ANNEALED, ANNEALED], [4]), 9, ["rises past the end"]),
        (ours.ConcatScheduler([ANNEALED, ANNEALED], [5]), 7, ["rises past the end"]),
        (ours.ConcatScheduler([RESTARTS] * 3, [3, 0]), 9, ["never left"]),
        (ours.ConcatScheduler([RESTARTS] * 3, [0, 3]), 9, []),
    ],
)
def test_quirks_are_said_where_they_show(schedule: Any, run: int, names: list[str]) -> None:
    assert [finding.name for finding in schedule.quirks(run)] == names


def test_a_part_says_what_it_says_alone() -> None:
    (alone,) = ANNEALED.quirks(5)
    (inside,) = ours.ConcatScheduler([ANNEALED, ANNEALED], [4]).quirks(9)
    assert (inside.name, inside.severity, inside.advice) == (alone.name, alone.severity, alone.advice)
    assert dict(inside.evidence) == {**alone.evidence, "counted from": 4}


def test_cycles_that_shrink_to_nothing_hold_their_last_value() -> None:
    schedule = ours.CosineAnnealingScheduler("lr", 1.0, 0.0, 4, 0.5)
    sgd = optimizer()
    found = used(theirs(schedule, sgd), sgd, 20)
    assert len(found) == 4 + 2 + 1
    agree(schedule, found + found[-1:] * 9)


def test_cycles_far_away_are_finite() -> None:
    grown = ours.CosineAnnealingScheduler("lr", 1.0, 0.0, 4, 1.0, 1.5, 1.5)
    assert np.isfinite(grown([1e3, 1e9, 2.0**53])).all()


@pytest.mark.parametrize(
    "make",
    [
        *(lambda rng, name=name: cyclic(name, rng) for name in CYCLIC),
        points,
        concatenated,
        lambda rng: ours.LRScheduler(of_torch(rng, 0.1)),
        lambda rng: ours.create_lr_scheduler_with_warmup(inside(rng), 0.0, 4, lr=0.1),
        *(lambda rng, name=name: state(name, rng) for name in STATES if name != "Lambda"),
    ],
)
def test_text_and_json_round_trips(make: Any) -> None:
    for seed in range(10):
        schedule = make(random.Random(seed))
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule
        assert [schedule(t) for t in range(12)] == pytest.approx(schedule(range(12)), rel=1e-12, abs=1e-300)


PAIRS = r"PiecewiseLinear.milestones_values must "


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ours.CosineAnnealingScheduler("lr", 1.0, 0.0, 1), r"cycle_size must be >= 2 updates, got 1"),
        (
            lambda: ours.CosineAnnealingScheduler("lr", 1.0, 0.0, 4, cycles=1),
            r"unknown parameter .* 'cycles'; .*cycle_mult",
        ),
        (lambda: ours.CosineAnnealingScheduler("lr", 1.0, 0.0, 10**6, 1.00001)(0), r"cycle_mult must be 1 or farther"),
        (lambda: ours.CosineAnnealingScheduler(3, 1.0, 0.0, 4), r"param_name must be text, got 3"),
        (
            lambda: ours.LinearCyclicalScheduler("lr", 1.0, 0.0, 4, warmup_duration=2),
            r"warmup_duration must be 0 updates unless monotonic=True, got 2",
        ),
        (lambda: ours.PiecewiseLinear("lr", []), PAIRS + "be a list of pairs"),
        (lambda: ours.PiecewiseLinear("lr", [3]), PAIRS + "hold pairs"),
        (lambda: ours.PiecewiseLinear("lr", [(3, 1.0), (2, 1.0)]), PAIRS + r"not fall \(updates\), got 3 then 2"),
        (lambda: ours.PiecewiseLinear("lr", [(0.5, 1.0)]), PAIRS + "hold numbers that each be a whole number"),
        (lambda: ours.ConcatScheduler([EXPONENTIAL, RESTARTS], [3, 4]), r"durations must be 1, one per scheduler but"),
        (lambda: ours.ConcatScheduler([RESTARTS, lr.Cosine(1, 0)], [3]), r"schedulers must be bound"),
        (lambda: ours.ConcatScheduler([RESTARTS, ours.LRScheduler(EXPONENTIAL)], [3]), r"goes on from whatever rate"),
        (lambda: ours.create_lr_scheduler_with_warmup(ours.LRScheduler(EXPONENTIAL), 0.0, 4), r"whatever rate"),
        (
            lambda: ours.create_lr_scheduler_with_warmup(RESTARTS, 0.0, 1),
            r"warmup_duration must be >= 2 updates, got 1",
        ),
        (lambda: ours.LRScheduler(0.1), r"LRScheduler.lr_scheduler must be a schedule, got 0.1"),
        (
            lambda: ours.LRScheduler(torch_names.SequentialLR([EXPONENTIAL, EXPONENTIAL], [3])),
            r"must be a single scheduler, got torch.SequentialLR",
        ),
        (lambda: ours.MultiStepStateScheduler(1.0, 0.5, [4, 2], "param"), r"milestones must not fall"),
        (lambda: ours.ParamGroupScheduler([]), r"ParamGroupScheduler.schedulers must be a list of schedules"),
        (lambda: ours.ParamGroupScheduler([1]), r"must hold schedules, got 1 at index 0"),
        (lambda: ours.ReduceLROnPlateauScheduler("loss", period=3), r"unknown parameter .* 'period'; .*patience"),
        (lambda: ours.ReduceLROnPlateauScheduler(3), r"metric_name must be text, got 3"),
        (
            lambda: ours.ReduceLROnPlateauScheduler("loss", lr=0),
            r"ReduceLROnPlateauScheduler.lr must be > 0 rate, got 0",
        ),
        (lambda: ours.ReduceLROnPlateauScheduler("loss", factor=1.0), r"factor must be < 1, got 1.0"),
    ],
)
def test_what_is_wrong_is_named(make: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()


def test_the_rule_is_one_of_ours() -> None:
    assert isinstance(ours.ReduceLROnPlateauScheduler("loss"), Plateau)
    assert DRAWS == 200


def test_concatenated_schedulers_move_one_parameter() -> None:
    rise, fall = ours.LinearCyclicalScheduler("lr", 0.0, 1.0, 8), ours.CosineAnnealingScheduler("momentum", 1.0, 0.2, 4)
    with pytest.raises(ParameterError, match="must all move one parameter, got lr, momentum"):
        ours.ConcatScheduler([rise, fall], [4])
    inner = ours.ConcatScheduler([rise, rise], [4])
    assert ours.ConcatScheduler([ours.LRScheduler(torch_names.ExponentialLR(1.5, lr=0.001)), inner], [9])(9) == 0.0
    with pytest.raises(ParameterError, match="must all move one parameter, got lr, momentum"):
        ours.ConcatScheduler([inner, fall], [4])


def test_arguments_that_change_no_rate_are_taken() -> None:
    plain = ours.LinearCyclicalScheduler("lr", 0.0, 1.0, 8)
    assert ours.LinearCyclicalScheduler("lr", 0.0, 1.0, 8, save_history=True, param_group_index=0) == plain
    assert ours.ExpStateScheduler(10, 0.9, "x", create_new=True) == ours.ExpStateScheduler(10, 0.9, "x")
