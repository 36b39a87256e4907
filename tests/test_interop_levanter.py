"""Levanter's schedules: against the real configuration, which computes in float32."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import learnrate as lr
import parity
import peers
from learnrate.errors import ParameterError
from learnrate.interop import levanter
from learnrate.interop.conventions import SHAPE
from learnrate.interop.levanter import OptimizerConfig


class ChoiceRegistry:
    """What the file takes from a package that is not here: classes register under a name."""

    @classmethod
    def register_subclass(cls, name: str) -> Callable[[type], type]:
        return lambda registered: registered


PEER = peers.load(
    "marin-levanter",
    "levanter/optim/config.py",
    (
        *("draccus", "equinox", "haliax", "levanter", "levanter.tracker", "levanter.optim"),
        *("levanter.optim.clip_update_norm", "levanter.optim.skipstep", "levanter.optim.util"),
        *("levanter.utils", "levanter.utils.jax_utils"),
    ),
    draccus={"ChoiceRegistry": ChoiceRegistry},
)
CLASSES = {
    "constant": PEER.ConstantLrSchedule,
    "cosine": PEER.CosineLrSchedule,
    "linear": PEER.LinearLrSchedule,
    "inv_sqrt": PEER.InvSqrtLrSchedule,
    "inv": PEER.InvLrSchedule,
    "polynomial": PEER.PolynomialLrSchedule,
    "inv_sqrt_decay": PEER.InvSqrtDecayLrSchedule,
    "power": PEER.PowerLrSchedule,
}
LONGEST = 40
TIMES = jnp.arange(parity.updates_for(LONGEST))


def theirs(arguments: dict[str, Any], updates: int) -> Iterable[float]:
    """The rates of the real schedule; the times are always the same, so that jax compiles once."""
    arguments = {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}
    total = arguments.pop("num_train_steps")
    shape = arguments.get("lr_schedule", "cosine")
    if not isinstance(shape, str):
        arguments["lr_schedule"] = CLASSES[shape["type"]](**{k: v for k, v in shape.items() if k != "type"})
    rates = PEER.AdamConfig(**arguments).lr_scheduler(total)(TIMES)
    return np.broadcast_to(np.asarray(rates), TIMES.shape)[:updates]


def shaped(kind: str, rng: random.Random) -> Any:
    keys: dict[str, dict[str, Any]] = {
        "cosine": {"exponent": rng.uniform(0.5, 3)},
        "inv_sqrt": {"timescale": rng.choice((rng.randint(1, 50), rng.uniform(0.5, 30), 10000))},
        "polynomial": {"power": rng.uniform(0.5, 3)},
        "inv_sqrt_decay": {"decay_constant": rng.uniform(1, 40)},
        "power": {"batch_size": rng.randint(1, 8), "seq_length": rng.randint(1, 64), "a": rng.uniform(0.01, 5)},
    }
    bare = kind in ("polynomial", "inv_sqrt_decay") and rng.random() < 0.2
    mapping = {"type": kind} | ({} if bare else keys.get(kind, {}))
    return kind if kind not in ("polynomial", "inv_sqrt_decay", "power") and rng.random() < 0.5 else mapping


def length(rng: random.Random, whole: int) -> Any:
    return rng.choice((0, 0.0, 1, 1.0, rng.uniform(0, 1), rng.uniform(0, 0.4), rng.randint(2, 9), float(whole + 1)))


def cycles(rng: random.Random, whole: int) -> dict[str, Any]:
    ends = sorted(rng.randint(1, whole) for _ in range(rng.randint(1, 3)))
    return rng.choice(
        (
            {},
            {"cycles": rng.randint(1, 5)},
            {"cycles": ends},
            {"haps": ends},
            {"cycle_length": rng.choice((rng.uniform(0.2, 1), rng.randint(2, whole + 2)))},
            {"cycle_length": [rng.randint(1, max(whole // 3, 1)) for _ in range(rng.randint(1, 3))]},
        )
    )


def drawn(kind: str, rng: random.Random) -> dict[str, Any]:
    whole = rng.choice((1, 2, 3, *(rng.randint(4, LONGEST) for _ in range(4))))
    given = {"learning_rate": rng.choice((1.0, rng.uniform(0.01, 2))), "num_train_steps": whole}
    given |= {"lr_schedule": shaped(kind, rng)} | cycles(rng, whole)
    for key in ("warmup", "decay", "rewarmup"):
        if rng.random() < 0.6:
            given[key] = length(rng, whole)
    if rng.random() < 0.2:
        given["cooldown"] = rng.uniform(0, 0.5)
    if rng.random() < 0.7:
        given["min_lr_ratio"] = rng.choice((0.0, 1.0, rng.uniform(0, 0.5)))
    return given


def legal(kind: str, rng: random.Random) -> tuple[dict[str, Any], OptimizerConfig]:
    while True:
        arguments = drawn(kind, rng)
        ours = parity.taken(
            lambda given=arguments: OptimizerConfig(**given),
            lambda given=arguments: theirs(given, 60),
            "cycles must end in order within|with 'inv', which divides",  # in the cooldown, or where no cycle decays
        )
        if ours is not None:
            return arguments, ours


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Cycle length does not divide:UserWarning")
@pytest.mark.parametrize("kind", CLASSES)
def test_parity_with_levanter(kind: str) -> None:
    def case(rng: random.Random) -> tuple[Any, Iterable[float]]:
        arguments, ours = legal(kind, rng)
        return ours, theirs(arguments, parity.updates_for(ours.num_train_steps))

    parity.every(f"levanter {kind}", case, parity.FLOAT32)


def test_every_schedule_of_the_file_is_here() -> None:
    found = {value for value in vars(PEER).values() if isinstance(value, type) and issubclass(value, PEER.LrSchedule)}
    assert found - {PEER.LrSchedule} == set(CLASSES.values())
    assert set(levanter._SHAPES) == set(CLASSES)


def test_the_defaults_are_those_of_the_file() -> None:
    theirs = PEER.AdamConfig()
    for key, default in OptimizerConfig._defaults.items():
        assert getattr(theirs, key) == default, key
    for kind, keys in levanter._SHAPES.items():
        for key, default in keys.items():
            assert getattr(CLASSES[kind], key, None) == default, f"{kind}.{key}"


@pytest.mark.parametrize("kind", CLASSES)
def test_text_and_json(kind: str) -> None:
    for rng in parity.draws(f"levanter {kind} text", 20):
        _, schedule = legal(kind, rng)
        assert lr.parse(repr(schedule)) == schedule
        assert lr.Schedule.from_json(schedule.to_json()) == schedule


def test_the_method_of_every_schedule_and_the_argument_have_one_name() -> None:
    schedule = OptimizerConfig(1.0, 10, warmup=0, lr_schedule="linear", cooldown=0.2)
    assert schedule.parameters()["cooldown"] == 0.2
    left = schedule.cooldown(at=4, updates=2)
    assert left([3, 4, 5, 6]) == pytest.approx([schedule(3), schedule(4), schedule(4) / 2, 0.0])
    assert schedule.replace(cooldown=None) == OptimizerConfig(1.0, 10, warmup=0, lr_schedule="linear")
    assert lr.parse(f"{schedule!r}.cooldown(4, 2)") == left


@pytest.mark.parametrize("kind", CLASSES)
def test_the_conventions_are_those_of_the_shape(kind: str) -> None:
    given = {"type": kind} | ({"batch_size": 1, "seq_length": 1} if kind == "power" else {})
    given |= {"timescale": 4} if kind == "inv_sqrt" else {}
    schedule = OptimizerConfig(1.0, 10, warmup=0, min_lr_ratio=1e-6, lr_schedule=given)
    assert schedule.conventions.shape in SHAPE
    assert (schedule(40) < schedule(11)) == (schedule.conventions.past == "continues")
    assert schedule.replace(cooldown=0.2).conventions.past == "holds"


GOLDEN = [
    # table A, the first row
    ({"lr_schedule": "constant", "warmup": 4}, [0, 1, 2, 3, 4, 5], [0, 0.25, 0.5, 0.75, 1, 1]),
    # table B, as optax
    ({"warmup": 0}, [0, 5, 9, 10, 11, 15, 20], [1, 0.55, 0.122, 0.1, 0.1, 0.1, 0.1]),
    # section 1, inverse time: its first update is already the formula at 1
    ({"lr_schedule": "inv", "warmup": 0}, [0, 1, 5, 10, 12], [0.526, 0.526, 0.182, 0.1, 0.1]),
    # section 1, inverse sqrt: min(1, sqrt(tau / (s + W)))
    ({"lr_schedule": {"type": "inv_sqrt", "timescale": 4}, "warmup": 2}, [2, 4, 9, 16], [1, 1, 0.667, 0.5]),
]


@pytest.mark.parametrize(("arguments", "updates", "values"), GOLDEN)
def test_rows_of_the_tables(arguments: dict[str, Any], updates: list[int], values: list[float]) -> None:
    assert OptimizerConfig(1.0, 10, **arguments)(updates).round(3).tolist() == values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "OptimizerConfig.num_train_steps is missing"),
        ({"num_train_steps": 0}, "num_train_steps must be >= 1 updates, got 0"),
        ({"num_train_steps": 9, "warmup": 1.5}, "warmup must be a share from 0 to 1 or whole updates, got 1.5"),
        ({"num_train_steps": 9, "warmup": -0.1}, "warmup must be a share from 0 to 1 or whole updates, got -0.1"),
        ({"num_train_steps": 9, "warmup": None}, "warmup must be a share"),
        ({"num_train_steps": 9, "lr_schedule": "cosin"}, "lr_schedule must be one of constant, cosine, linear"),
        ({"num_train_steps": 9, "lr_schedule": "power"}, "or a mapping with a type, got 'power'"),
        ({"num_train_steps": 9, "lr_schedule": {"type": "power"}}, "must have batch_size and seq_length"),
        ({"num_train_steps": 9, "lr_schedule": {"type": "cosine", "power": 2}}, "unknown key 'power'"),
        ({"num_train_steps": 9, "lr_schedule": {"type": "polynomial", "power": 0}}, "a number > 0 as power, got 0"),
        ({"num_train_steps": 9, "lr_schedule": "inv", "min_lr_ratio": 0.0}, "min_lr_ratio must be > 0 with 'inv'"),
        ({"num_train_steps": 9, "cycles": 2, "cycle_length": 3}, "takes one of cycle_length, cycles and haps"),
        ({"num_train_steps": 9, "cycles": [5, 3]}, "cycles must end in order within 9 updates"),
        ({"num_train_steps": 9, "cycle_length": [5, 6]}, "cycles must end in order within 9 updates"),
        ({"num_train_steps": 9, "cycle_length": 0.01}, "cycle_length must be >= 1 updates, got 0.01"),
        ({"num_train_steps": 9, "cycles": 0}, "hold whole numbers >= 1 updates, got 0"),
        ({"num_train_steps": 9, "haps": 3}, "haps must be a list of updates"),
        ({"num_train_steps": 9, "cooldown": 1.0}, "cooldown must leave some of 9 updates"),
        ({"num_train_steps": 9, "schedule": "cosine"}, "unknown parameter of OptimizerConfig 'schedule'"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        OptimizerConfig(**arguments)


def found(schedule: Any, run: int) -> list[str]:
    return [finding.name for finding in schedule.quirks(run)]


def test_quirks_are_said_where_they_show() -> None:
    assert found(OptimizerConfig(1.0, 20), 20) == []
    assert found(OptimizerConfig(1.0, 20, lr_schedule="inv"), 20) == ["peak never reached"]
    assert found(OptimizerConfig(1.0, 20, lr_schedule="inv", decay=0.5), 20) == []
    assert found(OptimizerConfig(1.0, 20, warmup=1), 20) == ["one means all"]
    assert found(OptimizerConfig(1.0, 20, warmup=1.0), 20) == []
    power = OptimizerConfig(1.0, 10_000, lr_schedule={"type": "power", "batch_size": 1024, "seq_length": 4096})
    assert found(power, 500) == []
    assert found(power, 10_000) == ["token count overflows"]


def test_the_token_count_of_the_library_does_overflow() -> None:
    """Its count is an int32; ours goes on where the library's rate is no number any more."""
    shape = PEER.PowerLrSchedule(batch_size=1024, seq_length=4096)
    built = shape.build(PEER.LrScheduleContext(0, 10, 1.0, 0.1, 0.1))
    assert not bool(jnp.isnan(built(jnp.asarray(511))))
    assert bool(jnp.isnan(built(jnp.asarray(512))))
