"""keras.optimizers.schedules, exactly: every class against the real one, on drawn arguments."""

from __future__ import annotations

import functools
import inspect
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

import learnrate as lr
from keras_rates import by_epoch, by_rate
from learnrate import Schedule
from learnrate.errors import ParameterError, UsageError
from learnrate.interop import Reading, dialect, names, read, write
from learnrate.interop import keras as ours
from learnrate.spec import draw
from parity import FLOAT32, agree, draws, updates_for


@pytest.fixture(autouse=True)
def _every_floating_point_warning_is_an_error() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


# --- how legal arguments are drawn ------------------------------------------------------------------------------------


def steps(rng: random.Random) -> int:
    return rng.choice((1, 2, 3, *[rng.randint(4, 40)] * 4))


def some(rng: random.Random, **options: Any) -> dict[str, Any]:
    """A random half of the optional arguments."""
    return {name: value for name, value in options.items() if rng.random() < 0.5}


def ExponentialDecay(rng: random.Random) -> Schedule:
    rate = rng.choice((0.0, 0.5, 1.0, rng.random()))
    if rng.random() < 0.2:  # a power that rises multiplies its rounding: a factor that float32 has, and not too often
        return ours.ExponentialDecay(rng.random(), rng.randint(5, 40), 1.125, **some(rng, staircase=True))
    return ours.ExponentialDecay(rng.random(), steps(rng), rate, **some(rng, staircase=True))


def InverseTimeDecay(rng: random.Random) -> Schedule:
    if rng.random() < 0.5:
        return ours.InverseTimeDecay(rng.random(), rng.uniform(0.5, 20), 2 * rng.random())
    return ours.InverseTimeDecay(rng.random(), steps(rng), 2 * rng.random(), **some(rng, staircase=True))


def PiecewiseConstantDecay(rng: random.Random) -> Schedule:
    places = sorted(rng.sample(range(41), rng.randint(1, 5)))
    if rng.random() < 0.3:
        places = sorted(rng.uniform(0, 40) for _ in places)
    return ours.PiecewiseConstantDecay(places, [rng.random() for _ in range(len(places) + 1)])


def PolynomialDecay(rng: random.Random) -> Schedule:
    power = rng.choice((0.0, 0.5, 1.0, 2.0, 3 * rng.random()))
    optional = some(rng, end_learning_rate=rng.random(), power=power, cycle=True)
    return ours.PolynomialDecay(rng.random(), steps(rng), **optional)


def CosineDecay(rng: random.Random) -> Schedule:
    optional = some(
        rng, alpha=rng.random(), warmup_target=rng.random(), warmup_steps=rng.choice((1, 2, rng.randint(0, 20)))
    )
    return ours.CosineDecay(rng.choice((0.0, rng.random())), steps(rng), **optional)


def CosineDecayRestarts(rng: random.Random) -> Schedule:
    # what is raised to a power has few digits, or its rounding to float32 would be raised too
    stretch = rng.choice((1.0, 1.5, 3.0, 1 + rng.randint(1, 16) / 8))
    shrink = rng.choice((0.0, 0.5, rng.random(), 1.0 if stretch < 1.5 else 1.25))
    optional = some(rng, t_mul=stretch, alpha=rng.random())
    return ours.CosineDecayRestarts(rng.random(), steps(rng), **optional, m_mul=shrink if "t_mul" in optional else 0.7)


SCHEDULES = [name for name in names("keras") if name not in ("LearningRateScheduler", "ReduceLROnPlateau")]


def config(schedule: Schedule) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in schedule.parameters().items()}


def updates_of(schedule: Schedule) -> int:
    return updates_for(int(schedule.length) if schedule.length < float("inf") else 60)


def restarts(schedule: Schedule, updates: int) -> list[int]:
    """Updates beside a restart: Keras finds the cycle by a logarithm, which may round to the one before or after."""
    if not isinstance(schedule, ours.CosineDecayRestarts):
        return []
    found, start, cycle = [], 0.0, float(schedule.first_decay_steps)
    while start <= updates:
        start, cycle = start + cycle, cycle * schedule.t_mul
        found += [round(start) - 1, round(start), round(start) + 1] if abs(start - round(start)) < 1e-6 else []
    return found if schedule.t_mul != 1 else []


def run(cases: list[Any]) -> list[list[float]]:
    """The rates that the real Keras gives, all in one process."""
    script = Path(__file__).with_name("keras_rates.py")
    done = subprocess.run(
        [sys.executable, str(script)], input=json.dumps(cases), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@functools.cache
def drawn() -> dict[str, list[tuple[Schedule, list[float]]]]:
    """Every drawn schedule of every class, with the peer's rates."""
    schedules = {name: [globals()[name](rng) for rng in draws(name)] for name in SCHEDULES}
    flat = [schedule for found in schedules.values() for schedule in found]
    rates = run([("schedule", type(schedule).__name__, config(schedule), updates_of(schedule)) for schedule in flat])
    pairs = iter(zip(flat, rates, strict=True))
    return {name: [next(pairs) for _ in found] for name, found in schedules.items()}


# --- parity -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULES)
def test_parity_with_the_real_keras(name: str) -> None:
    assert len(drawn()[name]) == 200
    for schedule, rates in drawn()[name]:
        agree(schedule, rates, FLOAT32, restarts(schedule, len(rates)))


def test_parity_where_the_logarithm_does_not_miss_the_restart() -> None:
    """Whole cycles that double: the updates at the restarts themselves."""
    schedules = [ours.CosineDecayRestarts(1.0, first, m_mul=0.5, alpha=0.1) for first in (1, 2, 4, 5, 7)]
    peers = run([("schedule", "CosineDecayRestarts", config(schedule), 100) for schedule in schedules])
    for schedule, rates in zip(schedules, peers, strict=True):
        wrong = np.flatnonzero(np.abs(np.asarray(rates) - schedule(np.arange(100))) > FLOAT32)
        assert set(wrong) <= set(restarts(schedule, 100))
        assert len(wrong) <= 1


def test_parity_of_the_callback_that_calls_a_function() -> None:
    cases, schedules = [], []
    for rng in draws("LearningRateScheduler"):
        made, factor = rng.choice((by_rate, by_epoch)), rng.uniform(0.3, 1.2)
        cases.append(("scheduler", [made.__name__, factor], rate := rng.random(), 12))
        schedules.append(ours.LearningRateScheduler(made(factor), rng.randint(1, 5), lr=rate))
    for schedule, rates in zip(schedules, run(cases), strict=True):
        agree(schedule, np.repeat(rates, schedule.updates_per_epoch), 2 * FLOAT32)  # rounded every epoch


def test_parity_of_the_callback_that_listens() -> None:
    cases, rules = [], []
    for rng in draws("ReduceLROnPlateau"):
        arguments = {"monitor": rng.choice(("loss", "val_loss")), "mode": rng.choice(("auto", "min", "max"))}
        arguments |= some(rng, factor=rng.uniform(0.1, 0.9), patience=rng.randint(0, 4), cooldown=rng.randint(0, 3))
        arguments |= some(rng, min_delta=rng.choice((0.0, 0.05)), min_lr=rng.random() / 10)
        metrics = [1 / (1 + 0.1 * index) + rng.random() for index in range(25)]
        cases.append(("plateau", arguments, rate := rng.uniform(0.1, 1), metrics))
        rules.append((ours.ReduceLROnPlateau(**arguments, lr=rate), metrics, rate))
    for (rule, metrics, rate), rates in zip(rules, run(cases), strict=True):
        state, factors = rule.start(), []
        for metric in metrics:
            state, factor = rule(state, metric)
            factors.append(rate * factor)
        # Keras compares the rate with its floor in float32
        assert factors == pytest.approx(rates, rel=1e-6), rule


def test_no_class_of_keras_is_missing_and_arguments_are_its_own() -> None:
    home = keras.optimizers.schedules
    base = home.LearningRateSchedule
    theirs = {name for name, item in vars(home).items() if isinstance(item, type) and item is not base}
    assert theirs == set(SCHEDULES)
    for name in SCHEDULES:
        wanted = list(inspect.signature(getattr(home, name)).parameters.values())
        cls = dialect(f"keras.{name}")
        assert list(cls.kinds) == [item.name for item in wanted]
        assert cls._defaults == {item.name: item.default for item in wanted if item.default is not item.empty}
    theirs = list(inspect.signature(keras.callbacks.ReduceLROnPlateau).parameters)
    mine = list(inspect.signature(ours.ReduceLROnPlateau).parameters)
    assert mine == [name for name in theirs if name not in ("verbose", "kwargs")] + ["lr"]


# --- the tables of the reference --------------------------------------------------------------------------------------

TABLES = [
    ("A", "CosineDecay(0.0, 12, warmup_target=1.0, warmup_steps=4)", range(6), [0, 0.25, 0.5, 0.75, 1, 0.983]),
    ("B", "CosineDecay(1.0, 10, alpha=0.1)", [0, 5, 9, 10, 11, 15, 20], [1, 0.55, 0.122, 0.1, 0.1, 0.1, 0.1]),
    ("C", "PolynomialDecay(1.0, 10, 0.1, power=2.0)", [5], [0.325]),
    ("C", "PolynomialDecay(1.0, 10, 0.1, power=2.0, cycle=True)", [11], [0.28225]),
    ("D", "PiecewiseConstantDecay([4], [1.0, 0.1])", [2, 3, 4, 5], [1, 1, 1, 0.1]),
    ("E", "CosineDecayRestarts(1.0, 4)", [3, 4, 5, 11, 12, 13], [0.146, 1, 0.962, 0.038, 1, 0.990]),
    (
        "E",
        "CosineDecayRestarts(1.0, 4, m_mul=0.5, alpha=0.1)",
        [3, 4, 5, 11, 12, 13],
        [0.232, 0.55, 0.533, 0.117, 0.325, 0.323],
    ),
]


@pytest.mark.parametrize(("table", "text", "updates", "printed"), TABLES)
def test_tables_of_the_reference(table: str, text: str, updates: Any, printed: list[float]) -> None:
    assert lr.parse(f"keras:{text}")(np.asarray(updates)) == pytest.approx(printed, abs=6e-4)


def test_table_j_plateau() -> None:
    rule, factors = ours.ReduceLROnPlateau(patience=2), []
    state = rule.start()
    for _ in range(7):
        state, factor = rule(state, 1.0)
        factors.append(factor)
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001])


# --- what a dialect owes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULES)
def test_text_and_json_rebuild_it(name: str) -> None:
    for rng in draws(name, 20):
        for schedule in (globals()[name](rng), draw(dialect(f"keras.{name}"), rng)):
            assert lr.parse(repr(schedule)) == schedule
            assert Schedule.from_json(schedule.to_json()) == schedule
            assert bool(np.isfinite(schedule(np.arange(200))).all())


BAD = [
    ("CosineDecay(1.0, 0)", r"CosineDecay.decay_steps must be >= 1 updates, got 0"),
    ("ExponentialDecay(1.0, 5, -0.5)", r"ExponentialDecay.decay_rate must be >= 0, got -0.5"),
    ("PiecewiseConstantDecay([4], [1.0])", r"values must have one entry more than there are boundaries \(1\), got 1"),
    ("PiecewiseConstantDecay([4, 4], [1.0, 1.0, 1.0])", r"boundaries must rise strictly"),
    ("InverseTimeDecay(1.0, 2.5, 1.0, staircase=True)", r"decay_steps must be a whole number of updates.*got 2.5"),
    ("CosineDecayRestarts(1.0, 4, t_mul=1.001)", r"t_mul must be 1 or at least 1.01, got 1.001"),
    ("PolynomialDecay(1.0, 10, cycle=1)", r"PolynomialDecay.cycle must be True or False, got 1"),
    ("CosineDecay(1.0, 10, warmup=3)", r"'warmup'.*warmup_steps, warmup_target"),
]


@pytest.mark.parametrize(("text", "says"), BAD)
def test_bad_arguments_name_the_argument_and_the_rule(text: str, says: str) -> None:
    with pytest.raises(lr.LearnrateError, match=says):
        lr.parse(f"keras.{text}")


def test_bad_arguments_of_the_callbacks() -> None:
    with pytest.raises(ParameterError, match=r"'threshold'.*min_delta"):
        ours.ReduceLROnPlateau(threshold=1.0)
    with pytest.raises(ParameterError, match=r"mode cannot be told from monitor='score'; say mode='min' or mode='max'"):
        ours.ReduceLROnPlateau("score")
    with pytest.raises(ParameterError, match=r"mode must be one of 'auto', 'min', 'max', got 'down'"):
        ours.ReduceLROnPlateau(mode="down")
    assert ours.ReduceLROnPlateau("val_accuracy").mode == "max"
    with pytest.raises(lr.LearnrateError, match="must return a finite rate, got 'fast' in epoch 0"):
        ours.LearningRateScheduler(lambda epoch: "fast")(0)


QUIRKS = [
    ("PiecewiseConstantDecay([4], [1.0, 0.1])", "boundary one update later"),
    ("PolynomialDecay(1.0, 10, cycle=True)", "rises past the end"),
    ("CosineDecay(1.0, 10, warmup_steps=4)", "warmup ignored"),
    ("CosineDecay(0.0, 20, warmup_target=1.0, warmup_steps=4)", "end after the run"),
]


@pytest.mark.parametrize(("text", "name"), QUIRKS)
def test_quirks_are_said_where_they_show(text: str, name: str) -> None:
    assert [finding.name for finding in lr.parse(f"keras.{text}").quirks(22)] == [name]


@pytest.mark.parametrize(
    "text",
    [
        "PiecewiseConstantDecay([4], [1.0, 1.0])",
        "PiecewiseConstantDecay([40], [1.0, 0.1])",
        "PolynomialDecay(1.0, 10)",
        "PolynomialDecay(1.0, 40, cycle=True)",
        "CosineDecay(1.0, 10)",
        "CosineDecay(0.0, 12, warmup_target=1.0, warmup_steps=4)",
        "CosineDecayRestarts(1.0, 4)",
    ],
)
def test_quirks_are_not_said_where_they_do_not_show(text: str) -> None:
    assert list(lr.parse(f"keras.{text}").quirks(22)) == []


# --- reading ----------------------------------------------------------------------------------------------------------

LINE = lr.Linear(0, 0.1, 3) >> lr.Cosine(0.1, 0, 5).repeat()


def real(schedule: Schedule) -> Any:
    return getattr(keras.optimizers.schedules, type(schedule).__name__)(**config(schedule))


@pytest.mark.parametrize("name", SCHEDULES)
def test_reading_a_live_schedule_and_its_configs(name: str) -> None:
    for rng in draws(name, 10):
        schedule = globals()[name](rng)
        peer = real(schedule)
        assert read(peer) == Reading(schedule)
        whole = keras.optimizers.schedules.serialize(peer)
        short = {"class_name": name, "config": peer.get_config() | {"name": None}}
        assert read(whole).schedule == read(short).schedule == schedule
        assert read(json.loads(json.dumps(whole)), update=7) == Reading(schedule, 7)


@pytest.mark.parametrize("schedule", [ours.CosineDecay(0.1, 9), LINE], ids=str)
def test_reading_an_optimizer_and_its_config(schedule: Schedule) -> None:
    peer = real(schedule) if isinstance(schedule, ours.CosineDecay) else lr.keras.schedule(schedule)
    optimizer = keras.optimizers.SGD(peer)
    weight = keras.Variable(np.zeros(1))
    optimizer.build([weight])
    for _ in range(4):
        optimizer.apply([keras.ops.ones(1)])
    assert read(optimizer) == Reading(schedule, 4)
    assert read(optimizer, update=9).update == 9
    assert read(keras.optimizers.serialize(optimizer)) == Reading(schedule)
    assert read(lr.keras.schedule(schedule)).schedule == schedule
    assert read(optimizer, sample=30).schedule(np.arange(40)) == pytest.approx(
        schedule(np.minimum(np.arange(40), 29)), abs=1e-7
    )
    assert read(keras.optimizers.SGD(0.25)).schedule == lr.Constant(float(np.float32(0.25)))


def test_reading_the_callback_that_listens() -> None:
    callback = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, min_lr=0.01, mode="max")
    with pytest.raises(UsageError, match="has no model yet: say lr="):
        read(callback)
    found = read(callback, lr=0.1)
    assert found.schedule == lr.Constant(0.1)
    assert found.feedback == ours.ReduceLROnPlateau(factor=0.5, patience=3, min_lr=0.01, mode="max", lr=0.1)


class Mine(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step: Any) -> Any:
        return 0.1 / (1 + keras.ops.cast(step, "float32"))

    def get_config(self) -> dict[str, Any]:
        return {}


def test_what_cannot_be_read_says_why_and_can_be_sampled() -> None:
    with pytest.raises(UsageError, match=r"Mine is a class of your own.*read\(it, sample=N\)"):
        read(Mine())
    assert read(Mine(), sample=4).schedule([0, 1, 3, 9]) == pytest.approx([0.1, 0.05, 0.025, 0.025])
    with pytest.raises(UsageError, match="a class of your own"):
        read(keras.optimizers.SGD(Mine()))
    with pytest.raises(UsageError, match="calls a function of your own"):
        read(keras.callbacks.LearningRateScheduler(lambda epoch: 0.1))


BAD_CONFIGS = [
    ({"class_name": "CosineDecay", "config": {"decay_steps": 5}}, r"config: .*initial_learning_rate is missing"),
    (
        {"class_name": "CosineDecay", "config": {"initial_learning_rate": 1, "decay_steps": 0}},
        r"config: .*decay_steps must be >= 1",
    ),
    (
        {"class_name": "CosineDecay", "config": {"initial_learning_rate": 1, "decay_steps": 5, "x": 1}},
        r"config: .*'x'.*alpha",
    ),
    (
        {"class_name": "SGD", "config": {"learning_rate": "high"}},
        r"config.learning_rate must be a number or a schedule's",
    ),
    (
        {"class_name": "SGD", "config": {"learning_rate": {"class_name": "CosineDecay"}}},
        r"must have a mapping as its 'config'",
    ),
    (
        {"class_name": "Cosin", "config": {}, "module": "keras.optimizers.schedules"},
        r"unknown class_name in keras.optimizers.schedules 'Cosin'.*CosineDecay",
    ),
]


@pytest.mark.parametrize(("data", "says"), BAD_CONFIGS)
def test_a_config_that_is_wrong_names_the_key(data: dict[str, Any], says: str) -> None:
    with pytest.raises(lr.LearnrateError, match=says):
        read(data)


def test_a_mapping_of_another_library_is_not_keras() -> None:
    assert ours.read_mapping({"scheduler": {"type": "WarmupLR"}}) is None
    assert ours.read_mapping({"class_name": "Dense", "config": {"units": 3}}) is None


# --- writing ----------------------------------------------------------------------------------------------------------

OWN = [
    (lr.Constant(0.1), "ExponentialDecay"),
    (lr.Linear(0.0, 0.1, 10), "PolynomialDecay"),
    (3 * lr.Linear(0.0, 0.1, 10), "PolynomialDecay"),
    (lr.Polynomial(0.1, 0.01, 10, power=2.0), "PolynomialDecay"),
    (lr.Cosine(0.1, 0.01, 10), "CosineDecay"),
    (lr.Linear(0, 0.1, 5) >> lr.Cosine(0.1, 0.01, 30), "CosineDecay"),
    (lr.Exponential(0.1, 0.9, period=4), "ExponentialDecay"),
    (lr.Exponential(0.1, 0.9).every(3), "ExponentialDecay"),
    (lr.NaturalExponential(0.1, 0.05), "ExponentialDecay"),
    (lr.Step(0.1, 0.5, 7), "ExponentialDecay"),
    (lr.InverseTime(0.1, 0.5, period=3.0), "InverseTimeDecay"),
    (lr.InverseTime(0.1, 0.5).every(4), "InverseTimeDecay"),
    (lr.MultiStep(0.1, [3, 7, 20]), "PiecewiseConstantDecay"),
    (lr.Constant(0.1, 5) >> lr.Constant(0.2, 5) >> lr.Constant(0.3), "PiecewiseConstantDecay"),
    (lr.Cosine(0.1, 0.01, 5).repeat(), "CosineDecayRestarts"),
    (lr.Cosine(0.1, 0.0, 5).repeat(stretch=2.0, scale=0.5), "CosineDecayRestarts"),
    (lr.Cosine(0.1, 0.0, 5).repeat(stretch=2.0, scale=0.5) + lr.Constant(0.01), "CosineDecayRestarts"),
]
HOOKS = [
    lr.Linear(0, 0.1, 5) >> lr.InverseSqrt(0.1, 5),
    lr.WSD(0.1, 0.0, 40, warmup=4, decay=10),
    lr.Cosine(0.1, 0.05, 5).repeat(stretch=2.0, scale=0.5),
    lr.Interpolation([3.5, 4, 9], [0.1, 0.2, 0.0]),
    lr.Cosine(0.1, 0.0, 20) * lr.Noise(0.1, seed=3),
    lr.NaturalExponential(0.1, -0.01) + lr.Constant(0.1),
]


def printed(source: str) -> Any:
    assert "learnrate" not in source
    scope: dict[str, Any] = {}
    exec(compile(source, "<printed>", "exec"), scope)  # noqa: S102 - what was printed is what is tested
    return scope["schedule"]


def close(function: Any, schedule: Schedule) -> None:
    times = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 14, 15, 20, 21, 30, 34, 35, 40, 59]
    values = [float(keras.ops.convert_to_numpy(function(t))) for t in times]
    # at a restart the logarithm of Keras may round either way
    at = {5, 15, 35} if isinstance(function, keras.optimizers.schedules.CosineDecayRestarts) else set()
    kept = [index for index, t in enumerate(times) if t not in at]
    wanted = schedule(np.asarray(times))
    assert np.asarray(values)[kept] == pytest.approx(wanted[kept], abs=1e-6 * wanted.max())


@pytest.mark.parametrize(("schedule", "name"), OWN, ids=lambda value: str(value)[:40])
def test_what_keras_can_say_is_written_as_its_own_schedule(schedule: Schedule, name: str) -> None:
    written = write(schedule, to="keras")
    assert written.own
    assert type(written.value).__name__ == name
    assert type(written.value).__module__.startswith("keras.")
    close(written.value, schedule)
    assert printed(written.code).get_config() == written.value.get_config()
    again = read(written.value).schedule
    assert again(np.arange(60)) == pytest.approx(schedule(np.arange(60)), rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("schedule", HOOKS, ids=lambda value: str(value)[:40])
def test_what_keras_cannot_say_is_a_schedule_with_the_formula(schedule: Schedule) -> None:
    written = write(schedule, to="keras")
    assert not written.own
    assert isinstance(written.value, keras.optimizers.schedules.LearningRateSchedule)
    assert read(written.value).schedule == schedule
    close(written.value, schedule)
    close(printed(written.code), schedule)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_name_builds_what_it_was_read_from(name: str) -> None:
    for rng in draws(name, 10):
        schedule = globals()[name](rng)
        assert read(ours.build(schedule)).schedule == schedule
        assert read(printed(ours.source(schedule))).schedule == schedule


def test_a_function_of_your_own_is_built_and_not_printed() -> None:
    schedule = ours.LearningRateScheduler(by_rate(0.5), 3, lr=0.1)
    callback = write(schedule, to="keras").value
    assert isinstance(callback, keras.callbacks.LearningRateScheduler)
    with pytest.raises(UsageError, match="holds a function of your own, which cannot be printed"):
        write(schedule, to="keras", code=True)
