"""Every schedule of paddle.optimizer.lr against the installed library."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError, UsageError
from learnrate.interop import paddle as ours
from learnrate.interop import read
from learnrate.interop.dialect import DIALECTS
from learnrate.spec import draw
from parity import FLOAT64, agree, every, updates_for

with warnings.catch_warnings():  # it says that a compiler cache is not installed
    warnings.simplefilter("ignore")
    import paddle.optimizer.lr as theirs

NAMES = [name for name in theirs.__all__ if name not in ("LRScheduler", "ReduceOnPlateau")]


def rates(scheduler: Any, count: int) -> list[float]:
    """The documented loop: an update with the rate of the scheduler, then `step()`; where that raises, the last one."""
    found = []
    for _ in range(count):
        found.append(float(scheduler()))
        try:
            scheduler.step()
        except (ValueError, ZeroDivisionError):
            return found + found[-1:] * (count - len(found))
    return found


def size(rng: random.Random) -> int:
    return rng.choice((1, 2, 3, rng.randint(4, 40), rng.randint(4, 40)))


def rate(rng: random.Random) -> float:
    return 10 ** rng.uniform(-4, 0)


def some(rng: random.Random, **options: Any) -> dict[str, Any]:
    """Optional arguments: each is given, or left out."""
    return {key: value for key, value in options.items() if rng.random() < 0.7}


def rising(rng: random.Random) -> list[int]:
    return sorted(rng.sample(range(40), rng.randint(1, 5)))


def one_cycle(rng: random.Random) -> dict[str, Any]:
    three = rng.random() < 0.4
    pct = rng.choice((0.3, 0.25, 0.0, rng.uniform(0, 0.49), 0.3 if three else 1.0))
    total = size(rng)
    if pct * total == 1:
        pct = 0.37
    given = some(rng, divide_factor=rng.uniform(1.5, 40), end_learning_rate=rate(rng) / 100)
    strategy = rng.choice(("cos", "linear"))
    return {
        "max_learning_rate": rate(rng),
        "total_steps": total,
        "phase_pct": pct,
        "three_phase": three,
        "anneal_strategy": strategy,
        **given,
    }


def cyclic(rng: random.Random) -> dict[str, Any]:
    given = some(rng, step_size_down=size(rng), mode=rng.choice(("triangular", "triangular2", "exp_range")))
    given |= some(rng, exp_gamma=rng.uniform(0.9, 1.0))
    if rng.random() < 0.3:
        given |= {"scale_fn": lambda x: 0.9**x, "scale_mode": rng.choice(("cycle", "iterations"))}
    return {"base_learning_rate": rate(rng), "max_learning_rate": rate(rng), "step_size_up": size(rng), **given}


def piecewise(rng: random.Random) -> dict[str, Any]:
    boundaries = [rng.randint(0, 30) for _ in range(rng.randint(1, 5))]
    return {"boundaries": boundaries, "values": [rate(rng) for _ in range(len(boundaries) + rng.randint(1, 2))]}


CASES: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "NoamDecay": lambda r: {
        "d_model": r.randint(1, 512),
        "warmup_steps": size(r),
        **some(r, learning_rate=rate(r)),
    },
    "PiecewiseDecay": lambda r: (
        lambda b: {"boundaries": b, "values": [rate(r) for _ in range(len(b) + r.randint(1, 2))]}
    )([r.randint(0, 30) for _ in range(r.randint(1, 5))]),
    "NaturalExpDecay": lambda r: {"learning_rate": rate(r), "gamma": r.uniform(0.001, 1)},
    "InverseTimeDecay": lambda r: {"learning_rate": rate(r), "gamma": r.uniform(0, 1)},
    "PolynomialDecay": lambda r: {
        "learning_rate": rate(r),
        "decay_steps": size(r),
        **some(r, end_lr=rate(r), power=r.uniform(0.3, 3), cycle=r.random() < 0.6),
    },
    "ExponentialDecay": lambda r: {"learning_rate": rate(r), "gamma": r.uniform(0.01, 0.999)},
    "MultiStepDecay": lambda r: {
        "learning_rate": rate(r),
        "milestones": rising(r),
        **some(r, gamma=r.choice((0.0, 0.5))),
    },
    "StepDecay": lambda r: {"learning_rate": rate(r), "step_size": size(r), **some(r, gamma=r.choice((0.0, 0.1, 0.7)))},
    "LambdaDecay": lambda r: {"learning_rate": rate(r), "lr_lambda": lambda t: 1 / (1 + t)},
    "MultiplicativeDecay": lambda r: {"learning_rate": rate(r), "lr_lambda": lambda t: 0.9 + 0.01 * (t % 7)},
    "CosineAnnealingDecay": lambda r: {"learning_rate": rate(r), "T_max": size(r), **some(r, eta_min=rate(r) / 10)},
    "CosineAnnealingWarmRestarts": lambda r: {
        "learning_rate": rate(r),
        "T_0": size(r),
        **some(r, T_mult=r.randint(1, 4), eta_min=rate(r) / 10),
    },
    "OneCycleLR": one_cycle,
    "CyclicLR": cyclic,
    "LinearLR": lambda r: {
        "learning_rate": rate(r),
        "total_steps": size(r),
        **some(r, start_factor=r.uniform(0.01, 1), end_factor=r.choice((0.0, 1.0, r.random()))),
    },
}


def pair(name: str, rng: random.Random) -> tuple[Schedule, Any]:
    """Ours and theirs, of the same drawn arguments."""
    if name == "LinearWarmup":
        inner = rng.choice(sorted(CASES))
        mine, real = pair(inner, rng) if rng.random() < 0.8 else (0.5, 0.5)
        start = rng.choice((0.0, rate(rng)))
        given = {"warmup_steps": size(rng), "start_lr": start, "end_lr": start + rate(rng)}
        return ours.LinearWarmup(mine, **given), theirs.LinearWarmup(real, **given)
    given = CASES[name](rng)
    return getattr(ours, name)(**given), getattr(theirs, name)(**given)


def test_every_name_of_the_library_is_ours():
    assert sorted([*CASES, "LinearWarmup"]) == sorted(NAMES)
    assert set(theirs.__all__) - {"LRScheduler"} == set(ours.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_the_rates_are_paddles(name):
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        mine, real = pair(name, rng)
        return mine, rates(real, updates_for(mine.horizon or 60))

    every(f"paddle.{name}", case, FLOAT64)


TABLES = [
    ("A", ours.LinearWarmup(1.0, 4, 0.0, 1.0), {0: 0, 1: 0.25, 2: 0.5, 3: 0.75, 4: 1, 5: 1}, 6),
    ("B", ours.CosineAnnealingDecay(1.0, 10, 0.1), {0: 1, 5: 0.55, 9: 0.122, 10: 0.1, 11: 0.122, 15: 0.55, 20: 1}, 3),
    ("C", ours.PolynomialDecay(1.0, 10, 0.1, 2.0), {5: 0.325, 10: 0.1, 15: 0.1}, 6),
    ("C, cycle", ours.PolynomialDecay(1.0, 10, 0.1, 2.0, True), {5: 0.325, 10: 0.1, 11: 0.28225}, 6),
    ("D", ours.MultiStepDecay(1.0, [4], 0.1), {2: 1, 3: 1, 4: 0.1, 5: 0.1}, 6),
    ("E", ours.CosineAnnealingWarmRestarts(1.0, 4, 2), {3: 0.146, 4: 1, 5: 0.962, 11: 0.038, 12: 1, 13: 0.990}, 3),
    ("F", ours.OneCycleLR(1.0, 10, end_learning_rate=4e-6), {0: 0.04, 1: 0.52, 2: 1, 3: 0.950}, 3),
    ("F, end", ours.OneCycleLR(1.0, 10, end_learning_rate=4e-6), {9: 0.000004}, 6),
    ("F, rebound", ours.OneCycleLR(1.0, 10, end_learning_rate=4e-6), {10: 0.0495}, 4),
    ("G", ours.NoamDecay(1, 4), {0: 0, 1: 0.125, 3: 0.375, 4: 0.5, 5: 0.447, 16: 0.25, 100: 0.1}, 3),
]


@pytest.mark.parametrize(("table", "schedule", "row", "digits"), TABLES, ids=[table for table, *_ in TABLES])
def test_the_tables_of_the_reference(table, schedule, row, digits):
    assert {t: round(schedule(t), digits) for t in row} == row


def test_plateau_of_table_j():
    rule = ours.ReduceOnPlateau(1.0, patience=2)
    state, factors = rule.start(), []
    for _ in range(7):
        state, factor = rule(state, 1.0)
        factors.append(round(factor, 12))
    assert factors == [1, 1, 1, 0.1, 0.1, 0.1, 0.01]


def test_plateau_is_paddles_on_drawn_metrics():
    for index in range(200):
        rng = random.Random(f"plateau {index}")
        base = rate(rng)
        given = some(
            rng, mode=rng.choice(("min", "max", "MIN")), factor=rng.uniform(0.05, 0.9), patience=rng.randint(0, 4)
        )
        given |= some(rng, threshold=rng.uniform(0, 0.2), threshold_mode=rng.choice(("rel", "abs")))
        given |= some(rng, cooldown=rng.randint(0, 4), min_lr=rng.choice((base / 20, 2 * base)), epsilon=base * 1e-4)
        real, rule = theirs.ReduceOnPlateau(base, **given), ours.ReduceOnPlateau(base, **given)
        state = rule.start()
        for _ in range(60):
            metric = rng.choice((1.0, rng.uniform(0.5, 1.5)))
            real.step(metric)
            state, factor = rule(state, metric)
            assert base * factor == pytest.approx(real(), rel=1e-12), (given, index)


def test_a_restart_that_the_librarys_logarithm_misses_is_exact_here():
    """Wrapped in LinearWarmup, Paddle finds the cycle with a floating logarithm: its fifth restart is late."""
    alone = rates(theirs.CosineAnnealingWarmRestarts(1.0, 10, 3), 1212)
    wrapped = theirs.LinearWarmup(theirs.CosineAnnealingWarmRestarts(1.0, 10, 3), 1, 0.0, 1.0)
    schedule = ours.LinearWarmup(ours.CosineAnnealingWarmRestarts(1.0, 10, 3), 1, 0.0, 1.0)
    agree(ours.CosineAnnealingWarmRestarts(1.0, 10, 3), alone)
    late = rates(wrapped, 1212)
    agree(schedule, late, exempt=[1211])
    assert (schedule(1211), late[1211]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("schedule", "run", "names"),
    [
        (ours.CosineAnnealingDecay(1.0, 10), 10, []),
        (ours.CosineAnnealingDecay(1.0, 10), 15, ["rises past the end"]),
        (ours.PolynomialDecay(1.0, 10, cycle=True), 20, ["rises past the end"]),
        (ours.PolynomialDecay(1.0, 10), 20, []),
        (ours.OneCycleLR(1.0, 10), 10, []),
        (ours.OneCycleLR(1.0, 10), 11, ["rises past the end"]),
        (ours.OneCycleLR(1.0, 10), 12, ["rises past the end", "raises past the end"]),
        (ours.OneCycleLR(1.0, 10, phase_pct=1.0), 10, []),
        (ours.OneCycleLR(1.0, 10, phase_pct=1.0), 11, ["raises past the end"]),
        (ours.OneCycleLR(1.0, 10), 2, []),
        (ours.OneCycleLR(1.0, 10, phase_pct=0.25), 10, ["peak never reached"]),
        (ours.OneCycleLR(1.0, 10, anneal_strategy="linear"), 11, ["negative past the end"]),
        (ours.LinearWarmup(0.5, 4, 0.0, 1.0), 10, ["jumps"]),
        (ours.LinearWarmup(1.0, 4, 0.0, 1.0), 10, []),
        (ours.LinearWarmup(ours.CosineAnnealingDecay(1.0, 5), 4, 0.0, 1.0), 12, ["rises past the end"]),
    ],
)
def test_quirks_are_said_where_they_show(schedule, run, names):
    assert [finding.name for finding in schedule.quirks(run)] == names


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ours.StepDecay(1.0, 0), "StepDecay.step_size must be >= 1 updates, got 0"),
        (lambda: ours.StepDecay(1.0, 3, gama=0.5), "did you mean 'gamma'"),
        (lambda: ours.MultiStepDecay(1.0, [4, 4]), "MultiStepDecay.milestones must rise strictly"),
        (lambda: ours.ExponentialDecay(1.0, 1.0), "ExponentialDecay.gamma must be < 1, got 1.0"),
        (lambda: ours.LinearWarmup(1.0, 4, 1.0, 0.5), "end_lr must be > start_lr"),
        (
            lambda: ours.LinearWarmup("1", 4, 0.0, 0.5),
            "LinearWarmup.learning_rate must be a rate or a schedule, got '1'",
        ),
        (lambda: ours.OneCycleLR(1.0, 10, phase_pct=0.1), "must not be 1 update"),
        (lambda: ours.OneCycleLR(1.0, 10, phase_pct=0.6, three_phase=True), "phase_pct must be < 0.5 with three_phase"),
        (lambda: ours.PiecewiseDecay([4], [1.0]), "one entry more than boundaries, got 1 values and 1 boundaries"),
        (lambda: ours.ReduceOnPlateau(0.0), "learning_rate must be > 0 rate, got 0.0"),
        (lambda: ours.ReduceOnPlateau(1.0, patient=3), "did you mean 'patience'"),
    ],
)
def test_bad_arguments_say_the_rule(call, message):
    with pytest.raises(ParameterError) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize("name", [name for name in NAMES if "Lambda" not in name and "Multiplicative" not in name])
def test_text_and_json_round_trips(name):
    for index in range(20):
        schedule = draw(DIALECTS[f"paddle.{name}"], random.Random(f"{name} {index}"))
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule


READABLE = [name for name in NAMES if name not in ("LambdaDecay", "MultiplicativeDecay")]


@pytest.mark.parametrize("name", READABLE)
def test_a_live_scheduler_is_read(name):
    read_some = 0
    for index in range(20):
        rng = random.Random(f"read {name} {index}")
        mine, real = pair(name, rng)
        if any(function in repr(mine) for function in ("scale_fn", "Lambda", "Multiplicative")):
            continue
        if real.base_lr > 0 and getattr(mine, "total_steps", 9) > 2:
            real.step()
        found = read(real)
        assert found.update == real.last_epoch
        agree(found.schedule, mine(range(50)).tolist())
        read_some += 1
    assert read_some >= 5


def test_a_function_is_read_as_samples_or_not_at_all():
    for real in (
        theirs.LambdaDecay(0.5, lambda t: 0.9**t),
        theirs.MultiplicativeDecay(0.5, lambda t: 0.9),
        theirs.CyclicLR(0.5, 0.5, 1, scale_fn=lambda c: 1.0),
    ):
        with pytest.raises(UsageError, match=r"holds a function, which cannot be read; updates=\.\.\. samples"):
            read(real)
    found = read(theirs.LambdaDecay(0.5, lambda t: 0.9**t), updates=5)
    assert found.schedule == lr.Interpolation(range(5), [0.5 * 0.9**t for t in range(5)])
    with pytest.raises(UsageError, match="unknown hint for a paddle scheduler 'update'"):
        read(theirs.StepDecay(1.0, 3), update=5)


def test_a_live_plateau_is_read_with_the_rate_it_has_reached():
    real = theirs.ReduceOnPlateau(1.0, patience=1, min_lr=0.01)
    for _ in range(4):
        real.step(1.0)
    found = read(real)
    assert found.update == 4
    assert found.schedule == lr.Constant(real())
    assert math.isclose(found.feedback.floor, 0.01 / real())


def test_noam_of_a_width_that_is_not_whole() -> None:
    noam = ours.NoamDecay(d_model=0.01, warmup_steps=100, verbose=False)
    assert noam(0) == 0
    for t in (1, 50, 100, 400):
        assert math.isclose(noam(t), 10 * min(t**-0.5, t * 100**-1.5), rel_tol=1e-13)
    with pytest.raises(ParameterError, match="NoamDecay.d_model must be > 0"):
        ours.NoamDecay(0, 4)


def test_arguments_that_change_no_rate_are_taken() -> None:
    assert ours.StepDecay(0.5, 3, last_epoch=-1, verbose=True) == ours.StepDecay(0.5, 3)
    assert ours.ReduceOnPlateau(0.5, verbose=True) == ours.ReduceOnPlateau(0.5)
