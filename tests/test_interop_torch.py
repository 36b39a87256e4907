"""Torch's schedulers: our rates are those of the real ones, alone, in sequence and chained; so are their momenta."""

from __future__ import annotations

import inspect
import itertools
import random
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import learnrate as lr
from learnrate import spec
from learnrate.errors import LearnrateError, ParameterError, UnboundError
from learnrate.interop import names
from learnrate.interop import torch as ours
from learnrate.schedule import Schedule
from parity import FLOAT64, agree, draws, every, updates_for

torch = pytest.importorskip("torch", reason="torch is the peer; scripts/install dev installs it")
peers = torch.optim.lr_scheduler

Given = dict[str, Any]


# -- the real library


def optimizer(rate: float, kind: str = "SGD") -> Any:
    weights = [torch.nn.Parameter(torch.zeros(1))]
    return torch.optim.SGD(weights, lr=rate, momentum=0.3) if kind == "SGD" else torch.optim.Adam(weights, lr=rate)


def real(name: str, given: Given, opt: Any) -> Any:
    """The real scheduler, its children constructed first and in order, as torch's documentation does."""
    kind = torch.optim.swa_utils.SWALR if name == "SWALR" else getattr(peers, name)
    if "schedulers" not in given:
        return kind(opt, **given)
    children = [real(child, arguments, opt) for child, arguments in given["schedulers"]]
    return kind(optimizer=opt, **(given | {"schedulers": children}))


def dialect(name: str, given: Given, **more: Any) -> Any:
    if "schedulers" in given:
        given = given | {"schedulers": [dialect(child, arguments) for child, arguments in given["schedulers"]]}
    return getattr(ours, name)(**given, **more)


def momentum_of(opt: Any) -> float:
    group = opt.param_groups[0]
    return float(group["betas"][0] if "betas" in group else group["momentum"])


def run(name: str, given: Given, rate: float, updates: int, kind: str = "SGD") -> tuple[list[float], list[float]]:
    """Rates and momenta of updates 0 .. n-1 in the documented loop; where torch raises, the last ones are held."""
    opt = optimizer(rate, kind)
    rates, momenta = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = real(name, given, opt)
        for _ in range(updates):
            rates.append(float(opt.param_groups[0]["lr"]))
            momenta.append(momentum_of(opt))
            opt.step()
            try:
                scheduler.step()
            except (ValueError, ZeroDivisionError):
                break
    short = updates - len(rates)
    return rates + rates[-1:] * short, momenta + momenta[-1:] * short


# -- drawn arguments


def total(rng: random.Random, least: int = 0) -> int:
    """A horizon; tiny ones often."""
    return max(least, rng.choice([0, 1, 2, 3]) if rng.random() < 0.3 else rng.randint(4, 40))


def optional(rng: random.Random, **arguments: Any) -> Given:
    """Some of the arguments; the others keep their defaults."""
    return {name: value for name, value in arguments.items() if rng.random() < 0.7}


class Power:
    """A user's function, of whole updates only."""

    def __init__(self, base: float) -> None:
        self.base = base

    def __call__(self, update: int) -> float:
        assert isinstance(update, int)
        return self.base**update


def linear(rng: random.Random) -> Given:
    return optional(
        rng,
        start_factor=rng.uniform(0.01, 1),
        end_factor=rng.choice([0.0, 1.0, rng.random()]),
        total_iters=total(rng),
    )


def constant(rng: random.Random) -> Given:
    return optional(rng, factor=rng.uniform(0.01, 1), total_iters=total(rng))


def step(rng: random.Random) -> Given:
    return {"step_size": total(rng, 1)} | optional(rng, gamma=rng.choice([0.0, 1.0, 1.3, rng.random()]))


def multistep(rng: random.Random) -> Given:
    milestones = [rng.randint(0, 30) for _ in range(rng.randint(0, 4))]
    repeated = milestones + rng.sample(milestones, rng.randint(0, len(milestones)))
    return {"milestones": repeated} | optional(rng, gamma=rng.choice([0.0, 1.0, 1.3, rng.random()]))


def polynomial(rng: random.Random) -> Given:
    return optional(rng, total_iters=total(rng), power=rng.choice([0.0, 1.0, 2.0, rng.uniform(0.3, 4)]))


def cosine(rng: random.Random) -> Given:
    return {"T_max": total(rng, 1)} | optional(rng, eta_min=rng.choice([0.0, 1e-3, rng.random()]))


def restarts(rng: random.Random) -> Given:
    given = {"T_0": total(rng, 1)}
    return given | optional(rng, T_mult=rng.randint(1, 3), eta_min=rng.choice([0.0, rng.random()]))


def cyclic(rng: random.Random) -> Given:
    given = {"base_lr": rng.uniform(0, 0.1), "max_lr": rng.uniform(0.1, 1), "step_size_up": total(rng, 1)}
    given |= optional(
        rng,
        step_size_down=total(rng),
        mode=rng.choice(["triangular", "triangular2", "exp_range"]),
        gamma=rng.uniform(0.8, 1.02),
        cycle_momentum=rng.random() < 0.8,
        base_momentum=rng.uniform(0, 0.9),
        max_momentum=rng.uniform(0, 0.99),
    )
    if rng.random() < 0.3:
        given |= {"scale_fn": Power(rng.uniform(0.5, 1.0))} | optional(rng, scale_mode="iterations")
    return given


def one_cycle(rng: random.Random) -> Given:
    steps = {"total_steps": total(rng, 1)}
    if rng.random() < 0.3:
        steps = {"epochs": rng.randint(1, 3), "steps_per_epoch": rng.randint(1, 10)}
    return (
        {"max_lr": rng.uniform(0.01, 1)}
        | steps
        | optional(
            rng,
            pct_start=rng.choice([0.0, 0.5, 1.0, 0.25, rng.random()]),
            anneal_strategy=rng.choice(["cos", "linear"]),
            cycle_momentum=rng.random() < 0.8,
            base_momentum=rng.uniform(0, 0.9),
            max_momentum=rng.uniform(0, 0.99),
            div_factor=rng.uniform(1, 50),
            final_div_factor=rng.uniform(1, 1e4),
            three_phase=rng.random() < 0.5,
        )
    )


def swa(rng: random.Random) -> Given:
    given = {"swa_lr": rng.random()}
    return given | optional(rng, anneal_epochs=total(rng), anneal_strategy=rng.choice(["cos", "linear"]))


DRAW: dict[str, Callable[[random.Random], Given]] = {
    "LambdaLR": lambda rng: {"lr_lambda": Power(rng.uniform(0.8, 1.05))},
    "MultiplicativeLR": lambda rng: {"lr_lambda": Power(rng.uniform(0.9, 1.01))},
    "StepLR": step,
    "MultiStepLR": multistep,
    "ConstantLR": constant,
    "LinearLR": linear,
    "ExponentialLR": lambda rng: {"gamma": rng.choice([0.0, 1.0, 1.05, rng.uniform(0.5, 1)])},
    "PolynomialLR": polynomial,
    "CosineAnnealingLR": cosine,
    "CosineAnnealingWarmRestarts": restarts,
    "CyclicLR": cyclic,
    "OneCycleLR": one_cycle,
    "SWALR": swa,
}
RATED = {name for name in DRAW if name not in ("CyclicLR", "OneCycleLR")}


def legal(name: str, rng: random.Random) -> tuple[Given, Any, float]:
    """Arguments that both take; what ours refuses, the real one must divide by zero on."""
    while True:
        given, rate = DRAW[name](rng), rng.uniform(1e-4, 1)
        try:
            return given, dialect(name, given, **({"lr": rate} if name in RATED else {})), rate
        except ParameterError:
            with pytest.raises(ZeroDivisionError):
                real(name, given, optimizer(rate))


# -- parity


@pytest.mark.parametrize("name", DRAW)
def test_rates(name: str) -> None:
    def case(rng: random.Random) -> tuple[Schedule, Iterable[float]]:
        given, schedule, rate = legal(name, rng)
        return schedule, run(name, given, rate, updates_for(schedule.horizon or 40))[0]

    every(name, case, FLOAT64)


@pytest.mark.parametrize("name", ["CyclicLR", "OneCycleLR"])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_momentum_and_beta1(name: str, kind: str) -> None:
    for rng in draws(f"momentum {name} {kind}"):
        given, schedule, rate = legal(name, rng)
        updates = updates_for(schedule.horizon)
        theirs = run(name, given, rate, updates, kind)[1]
        if schedule.momentum is None:
            assert set(theirs) == {0.3 if kind == "SGD" else 0.9}
        else:
            agree(schedule.momentum, theirs)


# -- compositions

LONG = 50
"""How far compositions are compared, and recorded where they say so."""


def sequence(rng: random.Random, names: list[str]) -> Given:
    children = [(name, DRAW[name](rng)) for name in (rng.choice(names) for _ in range(rng.randint(2, 3)))]
    milestones = sorted(rng.choice([rng.randint(0, 3), rng.randint(1, 25)]) for _ in children[1:])
    return {"schedulers": children, "milestones": milestones}


def chain(rng: random.Random, names: list[str]) -> Given:
    return {"schedulers": [(name, DRAW[name](rng)) for name in (rng.choice(names) for _ in range(rng.randint(1, 3)))]}


def compared(name: str, given: Given, rng: random.Random) -> str:
    """How a composition was compared: in closed form, as a recording, or as refused by both."""
    rate = rng.uniform(1e-3, 1)
    try:
        schedule = dialect(name, given, lr=rate, updates=LONG)
    except ParameterError:
        assert any(raises(*part, rate) for part in compositions_in(name, given))
        return "refused"
    updates = LONG if schedule.closed else len(schedule.recording.rates)
    rates, momenta = run(name, given, rate, updates, rng.choice(["SGD", "Adam"]))
    agree(schedule, rates)
    if schedule.momentum is None:
        assert set(momenta) <= {0.3, 0.9}
    else:
        agree(schedule.momentum, momenta)
    return "closed" if schedule.closed else "recorded"


def compositions_in(name: str, given: Given) -> Iterable[tuple[str, Given]]:
    """The composition and those inside it: one that torch would refuse alone is refused by ours inside others too."""
    if "schedulers" in given:
        yield name, given
        for child in given["schedulers"]:
            yield from compositions_in(*child)


def raises(name: str, given: Given, rate: float) -> bool:
    opt = optimizer(rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            scheduler = real(name, given, opt)
            for _ in range(LONG):
                opt.step()
                scheduler.step()
        except (ValueError, ZeroDivisionError, NotImplementedError):
            return True
    return False


@pytest.mark.parametrize(("name", "made"), [("SequentialLR", sequence), ("ChainedScheduler", chain)])
def test_compositions(name: str, made: Callable[[random.Random, list[str]], Given]) -> None:
    outcomes = [compared(name, made(rng, list(DRAW)), rng) for rng in draws(name)]
    assert {"closed", "recorded"} <= set(outcomes)
    assert outcomes.count("refused") < len(outcomes) / 3


def nested(rng: random.Random) -> tuple[str, Given]:
    """A composition that holds compositions, up to three deep, wherever they may stand."""
    names = ["LinearLR", "CosineAnnealingLR", "StepLR", "LambdaLR", "OneCycleLR", "MultiplicativeLR", "ExponentialLR"]
    names += ["PolynomialLR", "CosineAnnealingWarmRestarts", "CyclicLR", "SWALR", "ConstantLR", "MultiStepLR"]
    name = rng.choice(["SequentialLR", "ChainedScheduler"])
    given = sequence(rng, names) if name == "SequentialLR" else chain(rng, names)
    for _ in range(rng.randint(1, 2)):
        inner = (name, given)
        name = rng.choice(["SequentialLR", "ChainedScheduler"])
        given = sequence(rng, names) if name == "SequentialLR" else chain(rng, names)
        at = 0 if rng.random() < 0.8 else rng.randrange(len(given["schedulers"]))
        given["schedulers"][at] = inner
    return name, given


def test_nested_compositions() -> None:
    outcomes = [compared(*nested(rng), rng) for rng in draws("nested")]
    assert {"recorded", "refused"} <= set(outcomes)
    assert outcomes.count("refused") < len(outcomes) / 2


def test_what_follows_a_composition_goes_on_from_what_torch_left() -> None:
    """The gotchas of SequentialLR, with the numbers torch gives."""
    linear = ours.LinearLR(0.25, total_iters=4)
    nested = ours.SequentialLR([ours.SequentialLR([linear, ours.ConstantLR(1.0)], [4]), ours.StepLR(5)], [5], 20)
    assert nested([0, 1, 2, 3]).round(4).tolist() == [0.25, 0.4375, 0.625, 1.0]
    kept = ours.SequentialLR([linear, ours.MultiplicativeLR(lambda epoch: 0.9)], [4], updates=8)
    assert kept(4) == pytest.approx(0.8125 * 0.9)
    assert kept.peak == pytest.approx(0.8125)
    cycle = ours.OneCycleLR(0.5, total_steps=10)
    assert ours.SequentialLR([linear, cycle], [4])(0) == pytest.approx(0.25 * 0.5 / 25)


def test_chained_lambdas_overwrite() -> None:
    chained = ours.ChainedScheduler([ours.LambdaLR(Power(0.5)), ours.LambdaLR(Power(0.9))], lr=2.0)
    assert chained.closed
    assert chained([0, 1, 2]).tolist() == pytest.approx([2.0, 1.8, 1.62])


# -- the tables of the reference


GOLDEN: dict[str, tuple[Schedule, list[int], list[float]]] = {
    "A": (ours.LinearLR(0.25, total_iters=4), [0, 1, 2, 3, 4, 5], [0.25, 0.4375, 0.625, 0.8125, 1, 1]),
    "B": (ours.CosineAnnealingLR(10, 0.1), [0, 5, 9, 10, 11, 15, 20], [1, 0.55, 0.122, 0.1, 0.122, 0.55, 1]),
    "C polynomial": (ours.PolynomialLR(10, 2.0), [5], [0.25]),
    "C linear": (ours.LinearLR(1.0, 0.0, 10), [9, 10, 11, 15], [0.1, 0, 0, 0]),
    "D multi-step": (ours.MultiStepLR([4]), [2, 3, 4, 5], [1, 1, 0.1, 0.1]),
    "D constant": (ours.ConstantLR(0.1, 4), [2, 3, 4, 5], [0.1, 0.1, 1, 1]),
    "E": (ours.CosineAnnealingWarmRestarts(4, 2), [3, 4, 5, 11, 12, 13], [0.146, 1, 0.962, 0.038, 1, 0.990]),
    "F": (ours.OneCycleLR(1.0, 10), [0, 1, 2, 3, 9, 10], [0.04, 0.52, 1, 0.950, 4e-6, 0.0495]),
    "F pct .25": (ours.OneCycleLR(1.0, 10, pct_start=0.25), [2], [0.989]),
}


@pytest.mark.parametrize("row", GOLDEN)
def test_tables(row: str) -> None:
    schedule, updates, values = GOLDEN[row]
    assert np.abs(schedule(updates) - values).max() <= 5.1e-4  # as printed, three digits
    if row == "F pct .25":
        assert schedule.peak == schedule(2)


def test_table_f_momentum() -> None:
    momentum = ours.OneCycleLR(1.0, 10).momentum
    assert momentum([0, 1, 2, 3, 9, 10]).round(3).tolist() == [0.95, 0.90, 0.85, 0.855, 0.95, 0.945]


def test_table_j_plateau() -> None:
    rule = ours.ReduceLROnPlateau(patience=2)
    state, factors = rule.start(), []
    for _ in range(7):
        state, factor = rule(state, 1.0)
        factors.append(round(factor, 6))
    assert factors == [1, 1, 1, 0.1, 0.1, 0.1, 0.01]


def plateau(rng: random.Random) -> Given:
    return optional(
        rng,
        mode=rng.choice(["min", "max"]),
        factor=rng.uniform(0.05, 0.95),
        patience=rng.randint(0, 4),
        threshold=rng.choice([0.0, 1e-4, 0.1]),
        threshold_mode=rng.choice(["rel", "abs"]),
        cooldown=rng.randint(0, 3),
        min_lr=rng.choice([0.0, 1e-3, 0.5, 2.0]),
        eps=rng.choice([0.0, 1e-8, 1e-3]),
    )


def test_plateau() -> None:
    for rng in draws("ReduceLROnPlateau"):
        given, rate = plateau(rng), rng.uniform(0.02, 1)
        rule, opt = ours.ReduceLROnPlateau(**given, lr=rate), optimizer(rate)
        peer = peers.ReduceLROnPlateau(opt, **given)
        state = rule.start()
        for _ in range(60):
            metric = rng.choice([rng.random(), rng.uniform(-1, 1), 0.5])
            peer.step(metric)
            state, factor = rule(state, metric)
            assert rate * factor == pytest.approx(opt.param_groups[0]["lr"], rel=FLOAT64, abs=0)


# -- findings


def names_of(schedule: Any, updates: int) -> list[str]:
    return [finding.name for finding in schedule.quirks(updates)]


LINE, WAVE, CYCLE = ours.LinearLR(total_iters=4), ours.CosineAnnealingLR(8), ours.OneCycleLR(1.0, 10)
QUIRKS: list[tuple[Any, int, list[str]]] = [
    (WAVE, 9, []),
    (WAVE, 20, ["rises past the end"]),
    (ours.CosineAnnealingWarmRestarts(8), 40, []),
    (LINE, 40, []),
    (ours.LinearLR(total_iters=0), 40, ["peak never reached"]),
    (ours.ConstantLR(total_iters=0), 40, ["peak never reached"]),
    (ours.ConstantLR(), 40, []),
    (ours.MultiStepLR([3, 5, 3]), 10, ["milestone counts twice"]),
    (ours.MultiStepLR([3, 5]), 10, []),
    (CYCLE, 10, ["momentum changed"]),
    (CYCLE, 12, ["rises past the end", "momentum changed"]),
    (CYCLE.replace(pct_start=0.25), 10, ["peak never reached", "momentum changed"]),
    (CYCLE.replace(cycle_momentum=False, three_phase=True, anneal_strategy="linear"), 10, []),
    (
        CYCLE.replace(cycle_momentum=False, three_phase=True, anneal_strategy="linear"),
        12,
        ["negative past the end"],
    ),
    (ours.CyclicLR(0.1, 1.0, 4), 40, ["momentum changed"]),
    (ours.CyclicLR(0.1, 1.0, 4, cycle_momentum=False), 40, []),
    (ours.SequentialLR([LINE, WAVE], [4]), 12, []),
    (ours.SequentialLR([LINE, WAVE], [4]), 20, ["rises past the end"]),
    (ours.SequentialLR([ours.SequentialLR([LINE, WAVE], [4]), WAVE], [8]), 12, ["recorded", "one update early"]),
    (ours.SequentialLR([LINE, ours.SWALR(0.1)], [2]), 12, ["recorded", "keeps the rate"]),
    (ours.SequentialLR([LINE, CYCLE], [4]), 14, ["momentum changed", "base rate overwritten", "recorded"]),
    (ours.SequentialLR([ours.CyclicLR(0.1, 0.2, 3), WAVE], [6]), 14, ["momentum changed", "base rate overwritten"]),
    (ours.ChainedScheduler([LINE, ours.ExponentialLR(0.9)]), 14, []),
    (ours.ChainedScheduler([LINE, ours.LambdaLR(Power(0.9))]), 14, ["overwritten"]),
    (ours.ChainedScheduler([LINE, WAVE.replace(eta_min=0.1)]), 8, ["recorded", "no product"]),
    (ours.ChainedScheduler([LINE, WAVE]), 8, ["recorded"]),
    (ours.SequentialLR([LINE, WAVE.replace(eta_min=0.1)], [4], lr=0.01), 12, ["floor above the rate"]),
    (ours.ChainedScheduler([LINE, CYCLE]), 8, ["momentum changed", "overwritten", "base rate overwritten", "recorded"]),
]


@pytest.mark.parametrize(("schedule", "updates", "expected"), QUIRKS)
def test_quirks(schedule: Any, updates: int, expected: list[str]) -> None:
    assert names_of(schedule, updates) == expected


def test_lint_does_not_judge_a_scheduler_by_the_time_of_the_whole() -> None:
    schedule = ours.SequentialLR([LINE, ours.CosineAnnealingLR(96)], [4], lr=0.1)
    assert "rises past the end" not in [finding.name for finding in schedule.lint(100)]
    assert "rises past the end" in [finding.name for finding in schedule.lint(110)]


# -- values


EVERY = [getattr(ours, name) for name in names("torch") if name != "ReduceLROnPlateau"]
FUNCTIONS = (ours.LambdaLR, ours.MultiplicativeLR)


@pytest.mark.parametrize("cls", [cls for cls in EVERY if cls not in FUNCTIONS])
def test_round_trips(cls: Any) -> None:
    for rng in draws(f"round trip {cls.__name__}", 20):
        drawn = spec.draw(cls, rng)
        assert lr.parse(repr(drawn)) == drawn
        assert Schedule.from_json(drawn.to_json()) == drawn
        if drawn.bound:
            assert np.isfinite(drawn(np.arange(0, 400, 7))).all()


def test_a_recording_survives_as_its_schedulers() -> None:
    schedule = ours.SequentialLR([LINE, CYCLE], [4], lr=0.5)
    again = lr.parse(repr(schedule))
    assert again == schedule
    assert again.curve(20).tolist() == schedule.curve(20).tolist()


@pytest.mark.parametrize("cls", FUNCTIONS)
def test_functions_are_called_with_whole_updates(cls: Any) -> None:
    schedule = cls([1.0, 0.5, 0.25].__getitem__)
    assert schedule([0, 1]).tolist() == [1.0, 0.5]
    assert schedule(1) == 0.5


def test_children_may_repeat_the_base_rate() -> None:
    assert ours.SequentialLR([LINE.replace(lr=0.3), WAVE], [4], lr=0.3) == ours.SequentialLR([LINE, WAVE], [4], lr=0.3)


def test_open_ended_recordings_ask_how_long() -> None:
    schedule = ours.SequentialLR([LINE, ours.MultiplicativeLR(Power(0.9))], [4])
    with pytest.raises(UnboundError, match=r"torch.SequentialLR.*updates=.*over\(total\)"):
        schedule(3)
    assert schedule.over(12) == schedule.replace(updates=12)
    assert len(schedule.over(12)) == 12
    assert schedule.over(12)(20) == schedule.over(12)(12)
    assert ours.SequentialLR([LINE, WAVE], [4]).over(100) == ours.SequentialLR([LINE, WAVE], [4])


def test_compositions_are_parts_of_schedules() -> None:
    sequence = ours.SequentialLR([ours.StepLR(3), WAVE], [4])
    chained = ours.ChainedScheduler([LINE, ours.ConstantLR()]) >> lr.Constant(0.5)
    assert chained.bound
    assert chained([4, 5]).tolist() == pytest.approx([1 / 3 * 1.0, 0.5])
    assert (0.5 * sequence)(4) == 0.5


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: ours.StepLR(0), r"StepLR.step_size must be >= 1 updates, got 0"),
    (lambda: ours.StepLR(3, gama=1), r"unknown parameter of StepLR 'gama'; did you mean 'gamma'"),
    (lambda: ours.ConstantLR(0.0), r"ConstantLR.factor must be > 0, got 0.0: torch divides by it at update 5"),
    (lambda: ours.LinearLR(0.0), r"LinearLR.start_factor must be > 0, got 0.0"),
    (lambda: ours.LinearLR(1.5), r"LinearLR.start_factor must be <= 1, got 1.5"),
    (lambda: ours.MultiStepLR(3), r"MultiStepLR.milestones must be a list of numbers"),
    (lambda: ours.CosineAnnealingLR(0), r"CosineAnnealingLR.T_max must be >= 1 updates, got 0"),
    (lambda: ours.CosineAnnealingLR(2.5), r"CosineAnnealingLR.T_max must be a whole number"),
    (lambda: ours.CosineAnnealingWarmRestarts(4, 0), r"T_mult must be >= 1 updates, got 0"),
    (lambda: ours.CyclicLR(0.1, 1, 0), r"CyclicLR.step_size_up must be >= 1 updates, got 0"),
    (lambda: ours.CyclicLR(0.1, 1, mode="square"), r"CyclicLR.mode must be one of 'triangular'"),
    (lambda: ours.OneCycleLR(0.1), r"OneCycleLR needs total_steps \(updates\), or epochs and steps_per_epoch"),
    (lambda: ours.OneCycleLR(0.1, 10, pct_start=0.1), r"pct_start \* total_steps must not be 1, got 0.1 \* 10"),
    (lambda: ours.LambdaLR(0.5), r"LambdaLR.lr_lambda must be a function of t, got 0.5"),
    (lambda: ours.SWALR(0.5, anneal_epochs=-1), r"SWALR.anneal_epochs must be >= 0 updates, got -1"),
    (lambda: ours.ReduceLROnPlateau(patient=1), r"unknown parameter of torch.ReduceLROnPlateau 'patient'"),
    (lambda: ours.ReduceLROnPlateau(lr=0), r"ReduceLROnPlateau.lr must be > 0 rate, got 0"),
    (lambda: ours.ReduceLROnPlateau(min_lr="0.1"), r"ReduceLROnPlateau.min_lr must be a number \(rate\)"),
    (lambda: ours.ReduceLROnPlateau(min_lr=[0.1, 0.2]), r"min_lr must have one entry when it is a list, got 2"),
    (lambda: ours.LambdaLR([float, float]), r"LambdaLR.lr_lambda must have one entry .* got 2: .* one param group"),
    (lambda: ours.StepLR(3, last_epoch=4), r"StepLR.last_epoch must be -1, got 4: .* \.skip\(n\)"),
    (lambda: ours.SequentialLR([LINE, WAVE], []), r"one milestone fewer than schedulers, got 0 milestones and 2"),
    (lambda: ours.SequentialLR([LINE, LINE, WAVE], [5, 3]), r"milestones must not fall \(updates\), got \[5, 3\]"),
    (lambda: ours.SequentialLR([LINE.replace(lr=0.3)], [], lr=0.1), r"lr=0.1, got lr=0.3 at index 0; leave it out"),
    (lambda: ours.SequentialLR([lr.Cosine(1, 0, 9)], []), r"hold schedulers of learnrate.interop.torch, got Cosine"),
    (lambda: ours.SequentialLR([], []), r"SequentialLR.schedulers must be a list of schedules, got \[\]"),
    (lambda: ours.SequentialLR([ours.ReduceLROnPlateau()], []), r"need no metric, got Plateau.*feedback=rule"),
    (lambda: ours.ChainedScheduler([ours.ReduceLROnPlateau()]), r"need no metric, got Plateau.*feedback=rule"),
    (lambda: ours.SequentialLR([LINE, ours.ChainedScheduler([LINE])], [4]), r"NotImplementedError where a Chained"),
    (lambda: ours.SequentialLR([LINE, ours.SequentialLR([LINE], [])], [4]), r"NotImplementedError where a Sequential"),
    (lambda: ours.SequentialLR([LINE, CYCLE, WAVE], [4, 20]), r"stepped past its end at update 15, before.* at 20"),
    (
        lambda: ours.SequentialLR([CYCLE, WAVE], [2], updates=10**7),
        r"at most 1000000 updates are recorded, got 10000000",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_input(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(LearnrateError, match=message):
        make()


def test_each_argument_of_the_real_constructors_is_ours() -> None:
    ignored = {"self", "optimizer", "last_epoch"}
    for name in names("torch"):
        kind = torch.optim.swa_utils.SWALR if name == "SWALR" else getattr(peers, name)
        theirs = [p for p in inspect.signature(kind.__init__).parameters.values() if p.name not in ignored]
        cls = getattr(ours, name)
        known = list(cls.kinds) if name != "ReduceLROnPlateau" else list(inspect.signature(cls).parameters)
        assert known[: len(theirs)] == [p.name for p in theirs]
        assert set(known[len(theirs) :]) <= {"lr", "updates"}
        for parameter in theirs if name != "ReduceLROnPlateau" else ():
            default = cls._defaults.get(parameter.name, inspect.Parameter.empty)
            assert default == parameter.default, (name, parameter.name)
    missing = {name for name in peers.__all__ if name != "LRScheduler"} - set(names("torch"))
    assert not missing


def test_every_scheduler_was_drawn() -> None:
    drawn = set(itertools.chain(DRAW, ["SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"]))
    assert drawn == set(names("torch"))


def test_a_list_for_one_param_group() -> None:
    assert ours.SWALR(swa_lr=[0.1]) == ours.SWALR(0.1)
    assert ours.LambdaLR([float]) == ours.LambdaLR(lr_lambda=(float,)) == ours.LambdaLR(float)
    assert ours.CyclicLR([0.1], [1.0], 3, base_momentum=[0.7], max_momentum=[0.8]) == ours.CyclicLR(
        0.1, 1.0, 3, base_momentum=0.7, max_momentum=0.8
    )
    assert ours.OneCycleLR(max_lr=[1.0], total_steps=9) == ours.OneCycleLR(1.0, 9)
    assert ours.ReduceLROnPlateau(min_lr=[0.1], lr=0.5) == ours.ReduceLROnPlateau(min_lr=0.1, lr=0.5)


def test_a_rate_in_a_tensor() -> None:
    assert ours.StepLR(3, lr=torch.tensor(0.5)) == ours.StepLR(torch.tensor(3), lr=0.5)
    with pytest.raises(ParameterError, match="must be a number"):
        ours.StepLR(3, lr=torch.tensor([0.5]))


def test_momenta_are_not_bounded_by_1() -> None:
    cyclic = ours.CyclicLR(1, 5, 4, base_momentum=1, max_momentum=5)
    assert cyclic.momentum is not None
    assert cyclic.momentum(range(11)).round(12).tolist() == [5, 4, 3, 2, 1, 2, 3, 4, 5, 4, 3]
    once = ours.OneCycleLR(
        25, 10, final_div_factor=2, base_momentum=1, max_momentum=22, anneal_strategy="linear"
    ).momentum
    assert once is not None
    assert once(range(10)).round(12).tolist() == [22, 11.5, 1, 4, 7, 10, 13, 16, 19, 22]


def test_arguments_that_change_no_rate_are_taken() -> None:
    assert ours.StepLR(3, last_epoch=-1, verbose=False) == ours.StepLR(3)
    assert ours.ReduceLROnPlateau(verbose=True) == ours.ReduceLROnPlateau()
    with pytest.raises(ParameterError, match="unknown parameter of StepLR 'initialize'"):  # timm's, not torch's
        ours.StepLR(3, initialize=True)
