"""NeMo's schedules: against the real file, run in torch's loop."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
import torch

import learnrate as lr
import parity
import peers
from learnrate.errors import ParameterError
from learnrate.interop import nemo

PEER = peers.load(
    "nemo_toolkit",
    "nemo/core/optim/lr_scheduler.py",
    (
        *("omegaconf", "nemo", "nemo.core", "nemo.core.classes", "nemo.core.classes.common", "nemo.core.config"),
        *("nemo.core.config.schedulers", "nemo.utils", "nemo.utils.model_utils"),
    ),
)


def theirs(name: str, arguments: dict[str, Any], updates: int) -> Iterable[float]:
    """The rates of the real scheduler in torch's loop."""
    arguments = dict(arguments)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=arguments.pop("lr", 1.0))
    scheduler = getattr(PEER, name)(optimizer, **arguments)
    for _ in range(updates):
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()


def share(rng: random.Random, noun: str, most: int) -> dict[str, Any]:
    """A length in updates or as a share, 0 among them, or left out."""
    kind = rng.choice(("steps", "steps", "ratio", "none"))
    if kind == "steps":
        return {f"{noun}_steps": rng.choice((0, 1, rng.randint(0, most)))}
    return {f"{noun}_ratio": rng.uniform(0, 0.6)} if kind == "ratio" else {}


def drawn(name: str, rng: random.Random) -> dict[str, Any]:
    """Legal arguments, tiny runs and warmups longer than the run among them."""
    known = getattr(nemo, name).kinds
    total = rng.choice((1, 2, 3, rng.randint(4, 40), rng.randint(4, 40), rng.randint(4, 40)))
    given: dict[str, Any] = {"max_steps": total}
    for noun in ("warmup", "hold", "constant"):
        if f"{noun}_steps" in known:
            given |= share(rng, noun, total + 2)
    if name in ("SquareRootConstantPolicy", "T5InverseSquareRootAnnealing"):
        given |= {"constant_steps": rng.randint(1, total + 2)}
        given.pop("constant_ratio", None)
    if "lr" in known:
        given["lr"] = rng.choice((1.0, rng.uniform(0.05, 2.0)))
    optional: dict[str, Any] = {"min_lr": rng.choice((0.0, 1e-5, rng.uniform(0, 0.3))), "power": rng.uniform(0.3, 3)}
    optional |= {"cycle": rng.random() < 0.5, "decay_rate": rng.uniform(0, 2)}
    given |= {key: value for key, value in optional.items() if key in known and rng.random() < 0.8}
    if "d_model" in known:
        given["d_model"] = rng.randint(1, 512)
    if name in ("WarmupPolicy", "NoamAnnealing") and rng.random() < 0.3:
        given.pop("max_steps")
    return given


# Runs so short that the library is past its end before it divides by 0, or before its curve is turned over.
SHORT = r"NoamHoldAnnealing\.warmup_steps must be >= 1|constant_steps must be < max_steps"


def legal(name: str, rng: random.Random) -> tuple[dict[str, Any], Any]:
    while True:
        arguments = drawn(name, rng)
        ours = parity.taken(
            lambda given=arguments: getattr(nemo, name)(**given),
            lambda given=arguments: theirs(name, given, 80),
            SHORT,
        )
        if ours is not None:
            return arguments, ours


@pytest.mark.parametrize("name", nemo.__all__)
def test_parity_with_nemo(name: str) -> None:
    def case(rng: random.Random) -> tuple[Any, Iterable[float]]:
        arguments, ours = legal(name, rng)
        return ours, theirs(name, arguments, parity.updates_for(ours.horizon or 40))

    parity.every(name, case, parity.FLOAT64)


def test_every_policy_of_the_file_is_here() -> None:
    found = {
        name
        for name, value in vars(PEER).items()
        if isinstance(value, type) and issubclass(value, torch.optim.lr_scheduler.LRScheduler) and name[0] != "_"
    }
    assert found == set(nemo.__all__)


@pytest.mark.parametrize("name", nemo.__all__)
def test_text_and_json(name: str) -> None:
    for rng in parity.draws(f"{name} text", 20):
        _, schedule = legal(name, rng)
        assert lr.parse(repr(schedule)) == schedule
        assert lr.Schedule.from_json(schedule.to_json()) == schedule


GOLDEN = [
    # table A
    (nemo.WarmupPolicy(warmup_steps=4), [0, 1, 2, 3, 4, 5], [0.2, 0.4, 0.6, 0.8, 1, 1]),
    # table B
    (nemo.CosineAnnealing(10, 0.1), [0, 5, 9, 10, 11, 15, 20], [1, 0.55, 0.122, 0.1, 0.1, 0.1, 0.1]),
    # table C
    (nemo.PolynomialDecayAnnealing(10, 0.1, power=2.0), [5], [0.325]),
    (nemo.SquareAnnealing(10, 0.1), [5], [0.25]),
    # section 1: SquareRootAnnealing is not shifted by the warmup
    (nemo.SquareRootAnnealing(12, warmup_steps=4), [4, 5], [1, 0.764]),
    # table G
    (
        nemo.InverseSquareRootAnnealing(50, warmup_steps=4),
        [0, 1, 3, 4, 5, 16, 100],
        [0.2, 0.4, 0.8, 1, 0.913, 0.542, 0],
    ),
    (nemo.NoamAnnealing(1, warmup_steps=4), [0, 1], [0.125, 0.125]),
    # table H
    (nemo.WarmupHoldAnnealOneMinusSquareRoot(10, 0.1, warmup_steps=2, hold_steps=4), [7, 9], [0.5, 0.134]),
]


@pytest.mark.parametrize(
    ("schedule", "updates", "values"), GOLDEN, ids=lambda value: getattr(value, "full_name", str)()
)
def test_rows_of_the_tables(schedule: Any, updates: list[int], values: list[float]) -> None:
    assert schedule(updates).round(3).tolist() == values


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("CosineAnnealing", {"max_steps": 10, "eta_min": 0.1}, "unknown parameter of CosineAnnealing 'eta_min'"),
        ("CosineAnnealing", {}, "CosineAnnealing.max_steps is missing"),
        ("CosineAnnealing", {"max_steps": 0}, "CosineAnnealing.max_steps must be >= 1 updates, got 0"),
        ("CosineAnnealing", {"max_steps": 9, "min_lr": 2.0}, "min_lr must be <= lr, here 1.0 rate, got 2.0"),
        ("CosineAnnealing", {"max_steps": 9, "constant_steps": 9}, "constant_steps must be < max_steps"),
        ("CosineAnnealing", {"max_steps": 9, "warmup_steps": 1, "warmup_ratio": 0.1}, "not both"),
        ("WarmupPolicy", {"warmup_ratio": 0.1}, "warmup_ratio is a share of max_steps, which is missing"),
        ("WarmupHoldPolicy", {"warmup_steps": 3}, "max_steps is missing"),
        ("WarmupHoldAnnealLinear", {"max_steps": 5, "hold_steps": 5}, "max_steps must be > 5 updates"),
        ("NoamHoldAnnealing", {"max_steps": 5}, "warmup_steps must be >= 1 updates, got 0"),
        ("T5InverseSquareRootAnnealing", {"max_steps": 5}, "constant_steps must be given"),
        ("T5InverseSquareRootAnnealing", {"max_steps": 5, "constant_ratio": 0.5}, "got constant_ratio"),
    ],
)
def test_bad_arguments(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        getattr(nemo, name)(**arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("WarmupHoldPolicy", {}),
        ("WarmupHoldAnnealLinear", {"max_steps": 5, "hold_steps": 5}),
        ("PolynomialHoldDecayAnnealing", {"max_steps": 5, "hold_steps": 5}),
        ("NoamHoldAnnealing", {"max_steps": 5}),
        ("CosineAnnealing", {"max_steps": 9, "min_lr": 2.0}),
        ("CosineAnnealing", {"max_steps": 9, "constant_steps": 9}),
        ("T5InverseSquareRootAnnealing", {"max_steps": 5, "constant_ratio": 0.5}),
        ("SquareRootConstantPolicy", {"constant_steps": 5}),
    ],
)
def test_what_is_refused_the_library_cannot_run_either(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        getattr(nemo, name)(**arguments)
    with pytest.raises((TypeError, ValueError, ZeroDivisionError, AssertionError)):
        list(theirs(name, arguments, 20))


def found(schedule: Any, run: int) -> list[str]:
    return [finding.name for finding in schedule.quirks(run)]


def test_quirks_are_said_where_they_show() -> None:
    assert found(nemo.SquareRootAnnealing(12, warmup_steps=4), 12) == ["jumps"]
    assert found(nemo.SquareRootAnnealing(12), 12) == []
    assert found(nemo.WarmupHoldAnnealLinear(12, warmup_steps=4), 12) == ["jumps"]
    assert found(nemo.WarmupHoldAnnealLinear(12, warmup_steps=4, hold_steps=0), 12) == []
    assert found(nemo.PolynomialHoldDecayAnnealing(12, warmup_steps=4), 12) == ["jumps"]
    assert found(nemo.WarmupHoldAnnealOneMinusSquareRoot(12, warmup_steps=4), 12) == ["jumps"]
    assert found(nemo.InverseSquareRootAnnealing(12), 12) == []
    assert found(nemo.InverseSquareRootAnnealing(12), 20) == ["jumps"]
    assert found(nemo.NoamHoldAnnealing(12, warmup_steps=2), 20) == ["jumps"]
    assert found(nemo.WarmupPolicy(max_steps=5), 20) == ["jumps"]
    assert found(nemo.WarmupPolicy(), 20) == []
    assert found(nemo.WarmupHoldPolicy(max_steps=5), 20) == ["jumps"]
    assert found(nemo.WarmupAnnealHoldPolicy(max_steps=5, constant_steps=2), 5) == ["jumps"]
    assert found(nemo.T5InverseSquareRootAnnealing(9, constant_steps=4), 20) == ["ignores the base rate", "jumps"]
    assert found(nemo.SquareRootConstantPolicy(4, max_steps=9), 9) == ["ignores the base rate"]
    assert found(nemo.NoamAnnealing(1, warmup_steps=4), 9) == ["first factor twice"]
    (twice,) = nemo.NoamAnnealing(1, warmup_steps=4).quirks(9)
    assert dict(twice.evidence) == {"rate at 0": 0.125, "rate at 1": 0.125}
    assert found(nemo.PolynomialDecayAnnealing(9, cycle=True), 20) == ["cycle has no effect"]
    assert found(nemo.PolynomialDecayAnnealing(9), 20) == []
    (jump,) = nemo.SquareRootAnnealing(12, warmup_steps=4).quirks(12)
    assert jump.evidence == {"update": 5, "rate before": 1.0, "rate there": pytest.approx(0.764, abs=1e-3)}
