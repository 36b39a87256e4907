"""Every scheduler of pytorch_scheduler against the installed library."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_scheduler as library
import torch
from pytorch_scheduler.experimental import SequentialComposer

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError, UsageError
from learnrate.interop import pytorch_scheduler as ours
from learnrate.interop import read
from learnrate.interop.dialect import DIALECTS
from learnrate.spec import draw
from parity import FLOAT64, agree, every, updates_for

ALIKE = [cls.__name__ for cls in library.SCHEDULER_LIST]
NAMES = [*ALIKE, "WarmupScheduler", "SequentialComposer"]


def optimizer(*rates: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates])


def rates(scheduler: Any, count: int, group: int = 0) -> list[float]:
    """The documented loop: the rate of the optimizer, its step, the scheduler's step."""
    found = []
    for _ in range(count):
        found.append(scheduler.optimizer.param_groups[group]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def size(rng: random.Random) -> int:
    return rng.choice((1, 2, 3, rng.randint(4, 40), rng.randint(4, 40)))


def rate(rng: random.Random) -> float:
    return 10 ** rng.uniform(-4, 0)


def some(rng: random.Random, **options: Any) -> dict[str, Any]:
    """Optional arguments: each is given, or left out."""
    return {key: value for key, value in options.items() if rng.random() < 0.7}


def parts(rng: random.Random, *names: str, whole: bool = False, optional: bool = True) -> dict[str, Any]:
    """A total, and parts of it that leave at least one update (or none, where that is legal)."""
    total = size(rng)
    left, given = total if whole else total - 1, {}
    for name in names:
        given[name] = rng.choice((0, left, rng.randint(0, left)))
        left -= given[name]
    if optional:
        given = some(rng, **given)
    return {"total_steps": total, **given}


def hyperbola(rng: random.Random) -> dict[str, Any]:
    given = parts(rng, "warmup_steps")
    bound = given["total_steps"] + rng.choice((0, 0, rng.randint(0, 100)))
    return {**given, "upper_bound": bound, **some(rng, min_lr=rate(rng) / 100)}


def restarts(rng: random.Random) -> dict[str, Any]:
    first, top = size(rng), rate(rng)
    given = some(rng, warmup_steps=rng.randint(0, first - 1), cycle_mult=rng.choice((1.0, 2.0, rng.uniform(1.01, 3))))
    given |= some(rng, gamma=rng.choice((1.0, rng.uniform(0.3, 1.2))))
    return {"first_cycle_steps": first, "max_lr": top, "min_lr": top * rng.choice((0, 0.1, 1)), **given}


CASES: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "IdentityScheduler": lambda r: {},
    "RexScheduler": parts,
    "InverseSqrtScheduler": lambda r: {"warmup_steps": size(r)},
    "LinearDecayScheduler": lambda r: {**parts(r, "warmup_steps"), **some(r, min_lr=rate(r) / 10)},
    "TrapezoidalScheduler": lambda r: {
        **parts(r, "warmup_steps", "decay_steps", whole=True, optional=False),
        **some(r, min_lr=rate(r) / 10),
    },
    "CosineAnnealingWarmupRestarts": restarts,
    "WSDScheduler": lambda r: {
        **parts(r, "warmup_steps", "stable_steps", optional=False),
        **some(r, min_lr=rate(r) / 10, decay_type=r.choice(("cosine", "linear", "sqrt"))),
    },
    "KDecayScheduler": lambda r: {**parts(r), **some(r, k=r.uniform(0.3, 4), min_lr=rate(r) / 10)},
    "TanhDecayScheduler": lambda r: {**parts(r), **some(r, steepness=r.uniform(0.5, 30), min_lr=rate(r) / 10)},
    "SlantedTriangularScheduler": lambda r: {
        **parts(r),
        **some(r, cut_frac=r.uniform(0.01, 0.99), ratio=r.uniform(0.5, 40)),
    },
    "FlatCosineScheduler": lambda r: {**parts(r), **some(r, flat_fraction=r.uniform(0, 0.99), min_lr=rate(r) / 10)},
    "HyperbolicLRScheduler": hyperbola,
    "ExpHyperbolicLRScheduler": hyperbola,
    "PolynomialScheduler": lambda r: {
        **parts(r, "warmup_steps"),
        **some(r, power=r.uniform(0.3, 3), min_lr=rate(r) / 10, cycle=r.random() < 0.6),
    },
    "ChebyshevScheduler": lambda r: {**parts(r), **some(r, min_lr=rate(r) / 10)},
    "PowerDecayScheduler": lambda r: {
        **parts(r, "warmup_steps"),
        **some(r, alpha=r.uniform(0.1, 2), min_lr=r.choice((0.0, rate(r)))),
    },
    "CosineWithWarmupScheduler": lambda r: {**parts(r, "warmup_steps"), **some(r, min_lr=rate(r) / 10)},
    "WarmupHoldCosineScheduler": lambda r: {**parts(r, "warmup_steps", "hold_steps"), **some(r, min_lr=rate(r) / 10)},
}


def pair(name: str, rng: random.Random, optim: torch.optim.Optimizer, base: float) -> tuple[Schedule, Any]:
    """Ours and theirs, of the same drawn arguments."""
    if name == "WarmupScheduler":
        mine, real = pair(rng.choice(ALIKE), rng, optim, 1.0 if rng.random() < 0.5 else base)
        given = {"warmup_steps": rng.randint(0, 12), "warmup_type": rng.choice(("linear", "cosine", "exponential"))}
        return ours.WarmupScheduler(mine, **given, lr=base), library.WarmupScheduler(optim, real, **given)
    if name == "SequentialComposer":
        several = [pair(rng.choice(ALIKE), rng, optim, base) for _ in range(rng.randint(2, 4))]
        milestones = sorted(rng.randint(0, 40) for _ in several[1:])
        mine = ours.SequentialComposer([one for one, _ in several], milestones, base)
        return mine, SequentialComposer(optim, [real for _, real in several], milestones)
    given = CASES[name](rng)
    scaled = {} if name == "CosineAnnealingWarmupRestarts" else {"lr": base}
    return getattr(ours, name)(**given, **scaled), getattr(library, name)(optim, **given)


def test_every_scheduler_of_the_library_is_ours():
    assert sorted(CASES) == sorted(ALIKE)
    public = {name for name in library.__all__ if name.endswith(("Scheduler", "Restarts")) and name != "BaseScheduler"}
    assert public | {"SequentialComposer"} == set(ours.__all__) - {"read_object"}


@pytest.mark.parametrize("name", NAMES)
def test_the_rates_are_the_librarys(name):
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        base = rate(rng)
        mine, real = pair(name, rng, optimizer(base), base)
        return mine, rates(real, updates_for(mine.horizon or 60))

    every(f"pytorch_scheduler.{name}", case, FLOAT64)


def test_restarts_are_the_librarys_over_many_cycles():
    for mult in (1.0, 1.01, 1.5, 3.0):
        given = {"first_cycle_steps": 7, "warmup_steps": 2, "max_lr": 1.0, "min_lr": 0.1, "cycle_mult": mult}
        real = library.CosineAnnealingWarmupRestarts(optimizer(1.0), **given, gamma=0.9)
        theirs = [real._lr_at(t, [1.0])[0] for t in range(2000)]
        agree(ours.CosineAnnealingWarmupRestarts(**given, gamma=0.9), theirs)


COSINE = ours.CosineWithWarmupScheduler(10, 0, 0.1)
WSD = {0: 0, 1: 0.5, 5: 1, 6: 1, 7: 0.775, 9: 0.325, 10: 0.1, 11: 0.1}
TABLES = [
    ("B cosine", COSINE, {0: 1, 5: 0.55, 9: 0.122, 10: 0.1, 11: 0.1, 15: 0.1, 20: 0.1}),
    ("B k-decay", ours.KDecayScheduler(10, min_lr=0.1), {0: 1, 5: 0.55, 9: 0.122, 10: 0.1, 11: 0.1, 15: 0.1, 20: 0.1}),
    (
        "B Chebyshev",
        ours.ChebyshevScheduler(10, 0.1),
        {0: 0.994, 5: 0.480, 9: 0.106, 10: 0.106, 11: 0.106, 15: 0.106, 20: 0.106},
    ),
    ("C", ours.PolynomialScheduler(10, 2.0, 0.1), {5: 0.325, 10: 0.1, 15: 0.1}),
    ("C linear", ours.LinearDecayScheduler(10), {9: 0.1, 10: 0, 11: 0, 15: 0}),
    (
        "E",
        ours.CosineAnnealingWarmupRestarts(4, max_lr=1.0, min_lr=0.0, cycle_mult=2.0),
        {3: 0.146, 4: 0, 5: 0.962, 11: 0.038, 12: 0, 13: 0.990},
    ),
    ("G", ours.InverseSqrtScheduler(4), {0: 0, 1: 0.25, 3: 0.75, 4: 1, 5: 0.894, 16: 0.5, 100: 0.2}),
    ("H linear", ours.WSDScheduler(10, 2, 4, 0.1, "linear"), WSD),
    ("H trapezoid", ours.TrapezoidalScheduler(10, 2, 4, 0.1), WSD),
    ("H sqrt", ours.WSDScheduler(10, 2, 4, 0.1, "sqrt"), {7: 0.55, 9: 0.221}),
]


@pytest.mark.parametrize(("table", "schedule", "row"), TABLES, ids=[table for table, *_ in TABLES])
def test_the_tables_of_the_reference(table, schedule, row):
    assert {t: round(schedule(t), 3) for t in row} == row


CYCLES = {"max_lr": 1.0, "min_lr": 0.0}
POWER = ours.PowerDecayScheduler(10, 2)


@pytest.mark.parametrize(
    ("schedule", "run", "names"),
    [
        (COSINE, 20, []),
        (ours.ChebyshevScheduler(10), 10, ["peak never reached"]),
        (ours.TanhDecayScheduler(10), 10, ["peak never reached"]),
        (ours.SlantedTriangularScheduler(5, 0.1), 5, ["peak never reached"]),
        (ours.SlantedTriangularScheduler(10, 0.1), 10, []),
        (ours.HyperbolicLRScheduler(10, 20, 0.1), 12, ["ends above its floor"]),
        (ours.HyperbolicLRScheduler(10, 10, 0.1), 12, []),
        (ours.ExpHyperbolicLRScheduler(10, 20, 0.1), 12, ["ends above its floor"]),
        (ours.CosineAnnealingWarmupRestarts(4, **CYCLES), 9, ["lowest rate at every restart", "peak never reached"]),
        (ours.CosineAnnealingWarmupRestarts(4, 1, **CYCLES), 9, ["lowest rate at every restart"]),
        (ours.PolynomialScheduler(10, cycle=True), 10, []),
        (ours.PolynomialScheduler(10, cycle=True), 11, ["starts over"]),
        (ours.PolynomialScheduler(10, warmup_steps=3, cycle=True), 11, ["starts over"]),
        (ours.SequentialComposer([ours.ChebyshevScheduler(10), POWER], [4]), 14, ["peak never reached"]),
        (ours.SequentialComposer([POWER, POWER], [4]), 14, []),
        (ours.SequentialComposer([POWER, POWER], [12]), 12, ["end is not used"]),
        (ours.SequentialComposer([POWER, POWER], [10]), 21, ["end is not used"]),
        (ours.CosineAnnealingWarmupRestarts(9, 5, **CYCLES), 3, ["lowest rate at every restart"]),
        (ours.SlantedTriangularScheduler(10, 0.5), 3, []),
        (ours.PolynomialScheduler(10), 20, []),
        (ours.PowerDecayScheduler(10, 2), 20, ["end is not used"]),
        (ours.PowerDecayScheduler(10, 2), 10, []),
        (ours.WarmupScheduler(ours.LinearDecayScheduler(10, 2), 4), 20, ["jumps"]),
        (ours.WarmupScheduler(ours.LinearDecayScheduler(10), 4), 20, []),
    ],
)
def test_quirks_are_said_where_they_show(schedule, run, names):
    assert [finding.name for finding in schedule.quirks(run)] == names


@pytest.mark.parametrize(
    "make", [lambda: ours.SequentialComposer([COSINE, POWER], [4]), lambda: ours.WarmupScheduler(POWER, 4)]
)
def test_a_part_says_what_it_says_alone(make):
    (alone,) = POWER.quirks(16)
    inside = [finding for finding in make().quirks(20) if finding.name == alone.name]
    assert [dict(finding.evidence) for finding in inside] == [{**alone.evidence, "counted from": 4}]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ours.RexScheduler(0), "RexScheduler.total_steps must be >= 1 updates, got 0"),
        (lambda: ours.RexScheduler(10, warmup=3), "unknown parameter of RexScheduler 'warmup'"),
        (lambda: ours.LinearDecayScheduler(4, 4), "LinearDecayScheduler.warmup_steps must be < total_steps (updates)"),
        (
            lambda: ours.TrapezoidalScheduler(4, 3, 2),
            "warmup_steps + decay_steps must be <= total_steps (updates), got 5",
        ),
        (lambda: ours.HyperbolicLRScheduler(10, 9), "upper_bound must be >= total_steps (updates), got 9 and 10"),
        (lambda: ours.CosineAnnealingWarmupRestarts(4, 4), "warmup_steps must be < first_cycle_steps"),
        (lambda: ours.CosineAnnealingWarmupRestarts(4, cycle_mult=0.5), "cycle_mult must be >= 1, got 0.5"),
        (lambda: ours.CosineAnnealingWarmupRestarts(4, min_lr=1.0), "min_lr must be <= max_lr"),
        (lambda: ours.WarmupScheduler(lr.Linear(1, 0, 4), 4), "base_scheduler must be of pytorch_scheduler"),
        (lambda: ours.WarmupScheduler(ours.RexScheduler(4, lr=0.5), 4, lr=0.1), "must have the lr of the whole, 0.1"),
        (lambda: ours.SequentialComposer([ours.RexScheduler(4)], [4]), "one entry less than schedulers, got 1 and 1"),
        (lambda: ours.SequentialComposer([ours.RexScheduler(4)] * 3, [4, 2]), "milestones must not fall"),
    ],
)
def test_bad_arguments_say_the_rule(call, message):
    with pytest.raises(ParameterError) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_text_and_json_round_trips(name):
    for index in range(20):
        rng = random.Random(f"{name} {index}")
        schedule = (
            draw(DIALECTS[f"pytorch_scheduler.{name}"], rng)
            if name in ALIKE
            else pair(name, rng, optimizer(0.1), 0.1)[0]
        )
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule


@pytest.mark.parametrize("name", NAMES)
def test_a_live_scheduler_is_read_per_group(name):
    for index in range(10):
        rng = random.Random(f"read {name} {index}")
        optim = optimizer(0.1, 0.2)
        _, real = pair(name, rng, optim, 0.1)
        optim.step()
        real.step()
        found = read(real)
        assert found.update == 1
        each = found.schedule if isinstance(found.schedule, dict) else {0: found.schedule, 1: found.schedule}
        for group in (0, 1):
            agree(each[group].skip(1), rates(real, 30, group) if group == 0 else each[1].skip(1)(range(30)).tolist())
        assert each[1](31) == pytest.approx(optim.param_groups[1]["lr"], rel=1e-12, abs=1e-15)


def test_what_cannot_be_read_is_an_error():
    real = library.RexScheduler(optimizer(0.1), 10)
    with pytest.raises(UsageError, match="pytorch_scheduler takes no hints, got 'updates'"):
        read(real, updates=3)
    unknown = type("OwnScheduler", (library.RexScheduler,), {"__module__": "pytorch_scheduler.own"})
    with pytest.raises(UsageError, match="unknown scheduler of pytorch_scheduler 'OwnScheduler'; .*known: Chebyshev"):
        read(unknown(optimizer(0.1), 10))
