"""Parity with the real torch, optax, Keras and transformers, on drawn parameters, for the shapes that they share.

Each case calls the other library itself. torch and transformers compute in Python floats, optax in float64 when JAX is
told to; Keras computes in float32. Tolerances are relative to the peak.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
import torch
import transformers
from torch.optim import lr_scheduler

from learnrate import (
    SGDR,
    WSD,
    Constant,
    Cosine,
    CosineInterpolation,
    Exponential,
    Interpolation,
    InverseSqrt,
    InverseTime,
    Linear,
    MultiStep,
    OneCycle,
    PiecewiseConstant,
    Polynomial,
    Schedule,
    Step,
    Triangular,
)

FLOAT64, FLOAT32 = 1e-12, 1e-6
DRAWS = 4


@pytest.fixture(autouse=True)
def _every_floating_point_warning_is_an_error() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


def draws(name: str) -> list[random.Random]:
    return [random.Random(f"{name} {index}") for index in range(DRAWS)]


def agree(ours: Schedule, theirs: Any, tolerance: float, updates: Any = None) -> None:
    theirs = np.asarray(theirs, dtype=np.float64)
    values = ours(np.arange(theirs.size) if updates is None else updates)
    error = np.abs(values - theirs)
    peak = np.abs(values).max()
    assert error.max() <= tolerance * peak, f"{ours!r} at {error.argmax()}: {error.max() / peak:.1e} of the peak"


def rate(rng: random.Random) -> float:
    return 10 ** rng.uniform(-4, 0)


# --- torch: schedulers stepped on a real optimizer


def stepped(base: float, make: Callable[[torch.optim.Optimizer], Any], updates: int) -> list[float]:
    """The rates that a torch scheduler sets for updates 0, 1, ..."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    scheduler = make(optimizer)
    rates = []
    for _ in range(updates):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


Case = tuple[Schedule, float, Callable[[torch.optim.Optimizer], Any], int]


def constant_lr(rng: random.Random) -> Case:
    base, factor, n = rate(rng), rng.uniform(0.1, 0.9), rng.randint(1, 60)
    return (
        Constant(base * factor, n) >> Constant(base),
        base,
        lambda o: lr_scheduler.ConstantLR(o, factor=factor, total_iters=n),
        100,
    )


def linear_lr(rng: random.Random) -> Case:
    base, start, end, n = rate(rng), rng.uniform(0.01, 1), rng.uniform(0, 1), rng.randint(1, 200)
    return (
        Linear(base * start, base * end, n),
        base,
        lambda o: lr_scheduler.LinearLR(o, start, end, total_iters=n),
        n + 50,
    )


def step_lr(rng: random.Random) -> Case:
    base, factor, period = rate(rng), rng.uniform(0.1, 1), rng.randint(1, 60)
    return Step(base, factor, period), base, lambda o: lr_scheduler.StepLR(o, period, factor), 300


def multi_step_lr(rng: random.Random) -> Case:
    base, factor = rate(rng), rng.uniform(0.1, 0.9)
    milestones = sorted(rng.choices(range(1, 200), k=4))
    milestones.insert(1, milestones[0])  # repeated: it counts twice
    return (
        MultiStep(base, milestones, factor),
        base,
        lambda o: lr_scheduler.MultiStepLR(o, milestones, factor),
        250,
    )


def exponential_lr(rng: random.Random) -> Case:
    base, factor = rate(rng), rng.uniform(0.9, 1)
    return Exponential(base, factor), base, lambda o: lr_scheduler.ExponentialLR(o, factor), 400


def cosine_lr(rng: random.Random) -> Case:
    base, n = rate(rng), rng.randint(2, 400)
    end = base * rng.random()
    return Cosine(base, end, n), base, lambda o: lr_scheduler.CosineAnnealingLR(o, n, end), n + 1


def cosine_wave(rng: random.Random) -> Case:
    """Past its end, torch's cosine goes up again: a wave."""
    base, n = rate(rng), rng.randint(2, 100)
    end = base * rng.random()
    return (
        Cosine(base, end, n).mirror().repeat(),
        base,
        lambda o: lr_scheduler.CosineAnnealingLR(o, n, end),
        5 * n,
    )


def polynomial_lr(rng: random.Random) -> Case:
    base, n, power = rate(rng), rng.randint(1, 300), rng.uniform(0.3, 4)
    return Polynomial(base, 0, n, power=power), base, lambda o: lr_scheduler.PolynomialLR(o, n, power), n + 50


def cyclic_lr(mode: str, height: str) -> Callable[[random.Random], Case]:
    def case(rng: random.Random) -> Case:
        high, up, down = rate(rng), rng.randint(1, 40), rng.choice([None, rng.randint(1, 40)])
        low, factor = high * rng.random(), rng.uniform(0.98, 1)
        return (
            Triangular(low, high, up, down, height=height, factor=factor),
            low,
            lambda o: lr_scheduler.CyclicLR(o, low, high, up, down, mode, gamma=factor, cycle_momentum=False),
            300,
        )

    return case


def warm_restarts(rng: random.Random) -> Case:
    base, first, stretch = rate(rng), rng.randint(1, 30), rng.randint(1, 3)
    end = base * rng.random()
    return (
        SGDR(base, end, first, stretch=stretch),
        base,
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, first, stretch, end),
        400,
    )


def sequential(rng: random.Random) -> Case:
    base, warmup, n, start = rate(rng), rng.randint(1, 40), rng.randint(50, 200), rng.uniform(0.01, 1)

    def make(optimizer: torch.optim.Optimizer) -> Any:
        parts = [
            lr_scheduler.LinearLR(optimizer, start, 1.0, total_iters=warmup),
            lr_scheduler.CosineAnnealingLR(optimizer, n, base / 10),
        ]
        return lr_scheduler.SequentialLR(optimizer, parts, [warmup])

    return Linear(base * start, base, warmup) >> Cosine(base, base / 10, n), base, make, warmup + n + 1


def one_cycle(anneal: str, three_phase: bool) -> Callable[[random.Random], Case]:
    """torch's phases end at pct * T - 1 and T - 1."""

    def case(rng: random.Random) -> Case:
        curve = Cosine if anneal == "cos" else Linear
        n, high, div, final = 10 * rng.randint(2, 30), rate(rng), rng.uniform(2, 50), 10 ** rng.uniform(1, 5)
        rise = round(0.3 * n)
        low, end = high / div, high / div / final
        if three_phase:
            ours = curve(low, high, rise - 1) >> curve(high, low, rise - 1) >> curve(low, end, n - 2 * rise + 1)
        else:
            ours = curve(low, high, rise - 1) >> curve(high, end, n - rise)

        def make(optimizer: torch.optim.Optimizer) -> Any:
            return lr_scheduler.OneCycleLR(
                optimizer, high, n, None, None, rise / n, anneal, False, 0.85, 0.95, div, final, three_phase
            )

        return ours, high, make, n

    return case


TORCH: dict[str, Callable[[random.Random], Case]] = {
    "ConstantLR": constant_lr,
    "LinearLR": linear_lr,
    "StepLR": step_lr,
    "MultiStepLR": multi_step_lr,
    "ExponentialLR": exponential_lr,
    "CosineAnnealingLR": cosine_lr,
    "CosineAnnealingLR, beyond T_max": cosine_wave,
    "PolynomialLR": polynomial_lr,
    "CyclicLR triangular": cyclic_lr("triangular", "plain"),
    "CyclicLR triangular2": cyclic_lr("triangular2", "halved"),
    "CyclicLR exp_range": cyclic_lr("exp_range", "exponential"),
    "CosineAnnealingWarmRestarts": warm_restarts,
    "SequentialLR": sequential,
    "OneCycleLR cos": one_cycle("cos", False),
    "OneCycleLR linear": one_cycle("linear", False),
    "OneCycleLR cos, three phases": one_cycle("cos", True),
    "OneCycleLR linear, three phases": one_cycle("linear", True),
}


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.filterwarnings("ignore:The epoch parameter in:UserWarning")  # torch's SequentialLR warns about itself
def test_torch(name: str) -> None:
    for rng in draws(name):
        ours, base, make, updates = TORCH[name](rng)
        agree(ours, stepped(base, make, updates), FLOAT64)


# --- transformers: its own names, through its own door

WARMED: dict[str, Callable[[random.Random, float, int, int], tuple[Schedule, dict[str, Any]]]] = {
    "constant_with_warmup": lambda rng, base, w, n: (Linear(0, base, w) >> Constant(base), {}),
    "linear": lambda rng, base, w, n: (Linear(0, base, w) >> Linear(base, 0, n - w), {}),
    "cosine": lambda rng, base, w, n: (Linear(0, base, w) >> Cosine(base, 0, n - w), {}),
    "cosine_with_restarts": lambda rng, base, w, n: (
        Linear(0, base, w) >> Cosine(base, 0, (n - w) // 4).repeat(4),
        {"num_cycles": 4},
    ),
    "polynomial": lambda rng, base, w, n: (
        Linear(0, base, w) >> Polynomial(base, base / 50, n - w, power=2.5),
        {"power": 2.5, "lr_end": base / 50},
    ),
    "inverse_sqrt": lambda rng, base, w, n: (
        Linear(0, base, w) >> InverseSqrt(base, 2 * w),
        {"timescale": 2 * w},
    ),
    "cosine_with_min_lr": lambda rng, base, w, n: (
        Linear(0, base, w) >> Cosine(base, base / 7, n - w),
        {"min_lr": base / 7},
    ),
}


def wsd(shape: str, theirs: str) -> Callable[[random.Random, float, int, int], tuple[Schedule, dict[str, Any]]]:
    def case(rng: random.Random, base: float, w: int, n: int) -> tuple[Schedule, dict[str, Any]]:
        decay, floor = rng.randint(10, n - w), rng.uniform(0.01, 0.5)
        ours = WSD(base, floor * base, n, warmup=w, decay=decay, shape=shape, start=floor * base)
        return ours, {"num_decay_steps": decay, "min_lr_ratio": floor, "decay_type": theirs}

    return case


WARMED["warmup_stable_decay linear"] = wsd("linear", "linear")
WARMED["warmup_stable_decay cosine"] = wsd("cosine", "cosine")
WARMED["warmup_stable_decay 1-sqrt"] = wsd("sqrt", "1-sqrt")


@pytest.mark.parametrize("name", WARMED)
def test_transformers(name: str) -> None:
    for rng in draws(name):
        base, warmup = rate(rng), rng.randint(1, 60)
        total = warmup + 4 * rng.randint(10, 60)
        ours, options = WARMED[name](rng, base, warmup, total)

        def make(optimizer: torch.optim.Optimizer) -> Any:
            return transformers.get_scheduler(
                name.split()[0],
                optimizer,
                num_warmup_steps=warmup,  # noqa: B023
                num_training_steps=total,  # noqa: B023
                scheduler_specific_kwargs=options,  # noqa: B023
            )

        agree(ours, stepped(base, make, total + 1), FLOAT64)


# --- optax, in float64 and in float32


def optax_linear(rng: random.Random) -> tuple[Schedule, Any]:
    a, b, n, begin = rate(rng), rate(rng), rng.randint(1, 200), rng.randint(0, 50)
    return Linear(a, b, n).delay(begin), optax.linear_schedule(a, b, n, begin)


def optax_polynomial(rng: random.Random) -> tuple[Schedule, Any]:
    a, n, begin, power = rate(rng), rng.randint(1, 200), rng.randint(0, 50), rng.uniform(0.5, 4)
    b = a * rng.random()
    return Polynomial(a, b, n, power=power).delay(begin), optax.polynomial_schedule(a, b, power, n, begin)


def optax_cosine(rng: random.Random) -> tuple[Schedule, Any]:
    a, n, alpha, power = rate(rng), rng.randint(1, 200), rng.random(), rng.uniform(0.5, 3)
    return Cosine(a, a * alpha, n, power=power), optax.cosine_decay_schedule(a, n, alpha, power)


def optax_exponential(staircase: bool) -> Callable[[random.Random], tuple[Schedule, Any]]:
    def case(rng: random.Random) -> tuple[Schedule, Any]:
        a, n, factor, begin = rate(rng), rng.randint(1, 100), rng.uniform(0.2, 0.99), rng.randint(0, 50)
        floor = a * factor**2 if rng.random() < 0.5 else None
        ours: Schedule = Exponential(a, factor, period=n)
        ours = (ours.every(n) if staircase else ours).delay(begin)
        return (
            ours if floor is None else ours.clip(floor),
            optax.exponential_decay(a, n, factor, begin, staircase, floor),
        )

    return case


def optax_warmup_cosine(rng: random.Random) -> tuple[Schedule, Any]:
    peak, w, n, power = rate(rng), rng.randint(1, 50), rng.randint(60, 300), rng.uniform(0.5, 3)
    init, end = peak * rng.random(), peak * rng.random()
    return (
        Linear(init, peak, w) >> Cosine(peak, end, n - w, power=power),
        optax.warmup_cosine_decay_schedule(init, peak, w, n, end, power),
    )


def optax_warmup_exponential(rng: random.Random) -> tuple[Schedule, Any]:
    peak, w, n, factor = rate(rng), rng.randint(1, 50), rng.randint(1, 90), rng.uniform(0.2, 0.99)
    return (
        Linear(0, peak, w) >> Exponential(peak, factor, period=n),
        optax.warmup_exponential_decay_schedule(0.0, peak, w, n, factor),
    )


def optax_cosine_onecycle(rng: random.Random) -> tuple[Schedule, Any]:
    peak, n, div, final = rate(rng), 10 * rng.randint(2, 30), rng.uniform(2, 50), 10 ** rng.uniform(1, 5)
    return OneCycle(peak, n, div=div, final_div=final), optax.cosine_onecycle_schedule(n, peak, 0.3, div, final)


def optax_linear_onecycle(rng: random.Random) -> tuple[Schedule, Any]:
    peak, n, div, final = rate(rng), 20 * rng.randint(2, 20), rng.uniform(2, 50), 10 ** rng.uniform(1, 5)
    low = peak / div
    rise, back = int(0.3 * n), int(0.85 * n)
    ours = Linear(low, peak, rise) >> Linear(peak, low, back - rise) >> Linear(low, low / final, n - back)
    return ours, optax.linear_onecycle_schedule(n, peak, 0.3, 0.85, div, final)


def places(rng: random.Random) -> tuple[list[int], list[float]]:
    return sorted(rng.sample(range(1, 200), 4)), [rng.uniform(0.2, 1.5) for _ in range(4)]


def optax_piecewise_constant(rng: random.Random) -> tuple[Schedule, Any]:
    a, (boundaries, scales) = rate(rng), places(rng)
    values = [a, *(a * np.cumprod(scales))]
    return (
        PiecewiseConstant(values, boundaries),
        optax.piecewise_constant_schedule(a, dict(zip(boundaries, scales, strict=True))),
    )


def optax_interpolate(kind: str, ours: Any) -> Callable[[random.Random], tuple[Schedule, Any]]:
    def case(rng: random.Random) -> tuple[Schedule, Any]:
        a, (boundaries, scales) = rate(rng), places(rng)
        values = [a, *(a * np.cumprod(scales))]
        theirs = optax.piecewise_interpolate_schedule(kind, a, dict(zip(boundaries, scales, strict=True)))
        return ours([0, *boundaries], values), theirs

    return case


def optax_sgdr(rng: random.Random) -> tuple[Schedule, Any]:
    cycles = [
        {
            "init_value": rate(rng) / 10,
            "peak_value": rate(rng),
            "warmup_steps": rng.randint(1, 20),
            "decay_steps": rng.randint(30, 80),
            "end_value": 1e-5,
        }
        for _ in range(3)
    ]
    legs = [
        Linear(c["init_value"], c["peak_value"], c["warmup_steps"])
        >> Cosine(c["peak_value"], c["end_value"], c["decay_steps"] - c["warmup_steps"])
        for c in cycles
    ]
    return legs[0] >> legs[1] >> legs[2], optax.sgdr_schedule(cycles)


OPTAX: dict[str, Callable[[random.Random], tuple[Schedule, Any]]] = {
    "constant": lambda rng: (Constant(0.3), optax.constant_schedule(0.3)),
    "linear": optax_linear,
    "polynomial": optax_polynomial,
    "cosine_decay": optax_cosine,
    "exponential_decay": optax_exponential(False),
    "exponential_decay, staircase": optax_exponential(True),
    "warmup_cosine_decay": optax_warmup_cosine,
    "warmup_exponential_decay": optax_warmup_exponential,
    "cosine_onecycle": optax_cosine_onecycle,
    "linear_onecycle": optax_linear_onecycle,
    "piecewise_constant": optax_piecewise_constant,
    "piecewise_interpolate linear": optax_interpolate("linear", Interpolation),
    "piecewise_interpolate cosine": optax_interpolate("cosine", CosineInterpolation),
    "sgdr": optax_sgdr,
}


@pytest.mark.parametrize("name", OPTAX)
def test_optax(name: str) -> None:
    for rng in draws(name):
        with jax.enable_x64(True):
            ours, theirs = OPTAX[name](rng)
            values = jax.vmap(lambda t: jnp.asarray(theirs(t), dtype=float))(jnp.arange(320))  # noqa: B023
            agree(ours, values, FLOAT64)


@pytest.mark.parametrize("name", ["linear", "warmup_cosine_decay", "cosine_onecycle", "sgdr"])
def test_optax_as_it_runs_by_default(name: str) -> None:
    ours, theirs = OPTAX[name](random.Random(name))
    values = jax.vmap(theirs)(jnp.arange(320))
    assert values.dtype == jnp.float32
    agree(ours, values, FLOAT32)


def test_a_schedule_drives_an_optax_optimizer() -> None:
    schedule = Linear(0, 0.5, 10) >> Cosine(0.5, 0.1, 40)
    optimizer = optax.sgd(schedule)
    parameter = jnp.asarray(0.0)
    state = optimizer.init(parameter)
    advance = jax.jit(optimizer.update)
    rates = []
    for _ in range(60):
        change, state = advance(jnp.asarray(1.0), state)
        rates.append(-float(change))
    agree(schedule, rates, FLOAT32)


# --- Keras


def keras_cosine(rng: random.Random) -> tuple[Schedule, Any]:
    a, n, alpha = rate(rng), rng.randint(1, 200), rng.random()
    return Cosine(a, a * alpha, n), keras.optimizers.schedules.CosineDecay(a, n, alpha)


def keras_warmup_cosine(rng: random.Random) -> tuple[Schedule, Any]:
    """Its `decay_steps` come after the warmup."""
    a, n, w, alpha = rate(rng), rng.randint(50, 200), rng.randint(1, 50), rng.random()
    start = a * rng.random()
    return (
        Linear(start, a, w) >> Cosine(a, a * alpha, n),
        keras.optimizers.schedules.CosineDecay(start, n, alpha, warmup_target=a, warmup_steps=w),
    )


def keras_restarts(rng: random.Random) -> tuple[Schedule, Any]:
    a, first, alpha = rate(rng), rng.randint(5, 40), rng.random()
    stretch, scale = rng.choice([1.0, 2.0, 3.0]), rng.uniform(0.5, 1)
    return (
        SGDR(a, a * alpha, first, stretch=stretch, scale=scale),
        keras.optimizers.schedules.CosineDecayRestarts(a, first, stretch, scale, alpha),
    )


def keras_exponential(staircase: bool) -> Callable[[random.Random], tuple[Schedule, Any]]:
    def case(rng: random.Random) -> tuple[Schedule, Any]:
        a, n, factor = rate(rng), rng.randint(10, 100), rng.uniform(0.2, 0.99)
        ours = Exponential(a, factor, period=n)
        theirs = keras.optimizers.schedules.ExponentialDecay(a, n, factor, staircase)
        return ours.every(n) if staircase else ours, theirs

    return case


def keras_inverse_time(staircase: bool) -> Callable[[random.Random], tuple[Schedule, Any]]:
    def case(rng: random.Random) -> tuple[Schedule, Any]:
        a, n, decay = rate(rng), rng.randint(10, 100), rng.uniform(0.1, 2)
        ours = InverseTime(a, decay, period=n)
        theirs = keras.optimizers.schedules.InverseTimeDecay(a, n, decay, staircase)
        return ours.every(n) if staircase else ours, theirs

    return case


def keras_piecewise(rng: random.Random) -> tuple[Schedule, Any]:
    """Its new value speaks after the boundary, ours at it."""
    boundaries, values = sorted(rng.sample(range(1, 200), 3)), [rate(rng) for _ in range(4)]
    ours = PiecewiseConstant(values, [boundary + 1 for boundary in boundaries])
    return ours, keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)


def keras_polynomial(rng: random.Random) -> tuple[Schedule, Any]:
    a, n, power = rate(rng), rng.randint(10, 200), rng.uniform(1, 4)
    b = a * rng.random()
    return Polynomial(a, b, n, power=power), keras.optimizers.schedules.PolynomialDecay(a, n, b, power)


KERAS: dict[str, Callable[[random.Random], tuple[Schedule, Any]]] = {
    "CosineDecay": keras_cosine,
    "CosineDecay, warmup": keras_warmup_cosine,
    "CosineDecayRestarts": keras_restarts,
    "ExponentialDecay": keras_exponential(False),
    "ExponentialDecay, staircase": keras_exponential(True),
    "InverseTimeDecay": keras_inverse_time(False),
    "InverseTimeDecay, staircase": keras_inverse_time(True),
    "PiecewiseConstantDecay": keras_piecewise,
    "PolynomialDecay": keras_polynomial,
}


@pytest.mark.parametrize("name", KERAS)
def test_keras(name: str) -> None:
    assert keras.backend.backend() == "jax"
    for rng in draws(name):
        ours, theirs = KERAS[name](rng)
        # in float32, its logarithm may put an exact restart, and its division an exact stair, on the other side
        updates = np.arange(0, 250, dtype=np.float64) + (0.5 if "Restarts" in name or "staircase" in name else 0)
        if "Piecewise" in name:
            values = [float(theirs(t)) for t in updates[::3].astype(int).tolist()]
            agree(ours, values, FLOAT32, updates[::3])
        else:
            # not compiled: XLA's division makes its 1 - t / n negative, and a power of that NaN
            values = jax.vmap(theirs)(jnp.asarray(updates, dtype=jnp.float32))
            agree(ours, values, FLOAT32, updates)
