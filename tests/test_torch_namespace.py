"""Schedules computed on torch tensors: every shape against NumPy, differentiated, compiled, mapped."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import learnrate.torch
from learnrate.errors import TimeError, UsageError
from learnrate.schedule import SCHEDULES, Schedule
from learnrate.schedules import WSD, Cosine, Function, Interpolation, Linear, Noise
from learnrate.spec import draw
from learnrate.torch import xp

UPDATES = 300


def drawn(name: str, seed: int) -> Schedule:
    """A random bound instance; the lengths that some recipes draw are too long for the total, so draw again."""
    rng = random.Random(seed)
    for _ in range(100):
        schedule: Schedule = draw(SCHEDULES[name], rng)
        try:
            return schedule.over(UPDATES)
        except ValueError:
            continue
    raise AssertionError(f"no {name} fits into {UPDATES} updates")


def close(values: torch.Tensor, schedule: Schedule, times: np.ndarray, tolerance: float) -> None:
    expected = schedule(times)
    assert values.shape == times.shape
    scale = max(float(np.abs(expected).max()), 1e-300)
    np.testing.assert_allclose(values.detach().numpy() / scale, expected / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", list(SCHEDULES))
def test_every_shape_agrees_with_numpy(name: str, seed: int) -> None:
    schedule = drawn(name, seed)
    times = np.arange(UPDATES + 20)
    close(schedule(torch.arange(UPDATES + 20)), schedule, times, 1e-12)
    doubles, floats = torch.tensor(times, dtype=torch.float64), torch.tensor(times, dtype=torch.float32)
    for tensor in (doubles, floats):
        for values in (schedule(tensor), schedule.at(tensor, xp)):
            assert values.dtype == tensor.dtype
            close(values, schedule, times, 1e-12 if tensor is doubles else 5e-6)
    assert schedule(doubles.reshape(4, -1)).shape == (4, len(times) // 4)
    assert float(schedule(torch.tensor(7.0, dtype=torch.float64))) == pytest.approx(schedule(7), rel=1e-12)


COMPOSITES = [
    Linear(0, 1e-2, 20) >> Cosine(1e-2, 1e-4, 80),
    WSD(0.1, 0.01, 100, shape="sqrt"),
    (Linear(1, 0.5, 10) * Cosine(1, 0.1, 40)).repeat(3, stretch=2.0, scale=0.5),
    (Linear(0, 1, 20) >> Cosine(1, 0, 20)).mirror().delay(5).clip(0.1, 0.9),
    Interpolation([0, 10, 30], [0.1, 1.0, 0.2]) * Noise(0.1),
    (0.5 * Cosine(1, 0, 50) + Linear(1, 0, 20)).every(3).skip(2),
]


@pytest.mark.parametrize("schedule", COMPOSITES, ids=str)
def test_composites_agree_with_numpy(schedule: Schedule) -> None:
    times = np.arange(130)
    close(schedule(torch.tensor(times, dtype=torch.float64)), schedule, times, 1e-12)


@pytest.mark.parametrize("schedule", COMPOSITES[:3], ids=str)
def test_gradients_are_those_of_finite_differences(schedule: Schedule) -> None:
    times = np.arange(0.37, 120.0, 1.21)
    t = torch.tensor(times, requires_grad=True)
    schedule(t).sum().backward()
    step = 1e-5
    differences = (schedule(times + step) - schedule(times - step)) / (2 * step)
    np.testing.assert_allclose(t.grad, differences, atol=1e-8)


def test_a_part_that_does_not_speak_sends_no_gradient_back() -> None:
    schedule = WSD(0.1, 0.0, 100, shape="sqrt")  # its decay starts with an infinite slope
    t = torch.tensor([1.0, 50.0, 79.0, 90.0, 100.0, 500.0], requires_grad=True)
    schedule(t).sum().backward()
    assert torch.isfinite(t.grad).all()
    assert t.grad[[1, 2, 4, 5]].tolist() == [0.0] * 4


@pytest.mark.parametrize("schedule", COMPOSITES, ids=str)
def test_compiled_as_one_graph(schedule: Schedule) -> None:
    def rate(t: torch.Tensor) -> torch.Tensor:
        return schedule.at(t, xp)  # type: ignore[no-any-return]

    times = np.arange(130)
    schedule(0)  # on Python 3.11 the compiler cannot enter the lock of a cached property that is not filled yet
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its compiler
        torch._dynamo.reset()
        compiled = torch.compile(rate, backend="eager", fullgraph=True)
        close(compiled(torch.tensor(times, dtype=torch.float64)), schedule, times, 1e-12)


def test_a_call_on_a_tensor_is_compiled_as_one_graph() -> None:
    schedule = Linear(0, 1, 7) >> Cosine(1, 0.1, 31)
    schedule(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its compiler
        torch._dynamo.reset()
        compiled = torch.compile(lambda t: schedule(t), backend="eager", fullgraph=True)
        times = np.arange(50)
        close(compiled(torch.tensor(times, dtype=torch.float64)), schedule, times, 1e-12)


def test_a_schedule_called_on_a_tensor_in_compiled_code_needs_no_call_on_a_tensor_before() -> None:
    script = (
        "import torch, learnrate.torch\n"
        "from learnrate import Linear\n"
        "schedule = Linear(0, 1, 4)\n"
        "schedule(0)\n"
        "rate = torch.compile(lambda t: schedule(t), backend='eager', fullgraph=True)\n"
        "print(rate(torch.tensor([1.0, 2.0])).tolist())\n"
    )
    here = os.environ | {"PYTHONPATH": str(Path(learnrate.torch.__file__).parents[2])}
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, env=here, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[0.25, 0.5]"


@pytest.mark.parametrize("t", [torch.tensor([True, False]), torch.tensor(True), torch.tensor([1j, 2.0])], ids=str)
def test_what_is_no_time_is_refused(t: torch.Tensor) -> None:
    with pytest.raises(UsageError, match=r"t must be a number or a tensor of numbers, got torch\.(bool|complex64)"):
        Cosine(1, 0, 10)(t)


def test_mapped_over_a_batch() -> None:
    schedule = COMPOSITES[0]
    t = torch.arange(12, dtype=torch.float64).reshape(3, 4)
    assert torch.equal(torch.vmap(schedule)(t), schedule(t))


def test_a_users_function_is_called_with_numbers() -> None:
    values = Function(lambda t: 0.1 if t < 2 else 0.01)(torch.tensor([[0.0, 1.0], [2.0, 3.0]], dtype=torch.float64))
    assert values.tolist() == [[0.1, 0.1], [0.01, 0.01]]


def test_a_negative_or_nan_time_is_an_error_and_clamped_when_compiled() -> None:
    schedule = COMPOSITES[0].skip(5)
    for wrong in (-1.0, float("nan")):
        with pytest.raises(TimeError, match="every t must be >= 0 updates"):
            schedule(torch.tensor([0.0, wrong]))
    assert float(schedule.at(torch.tensor(-3.0), xp)) == pytest.approx(schedule(0), rel=1e-6)
    assert schedule(torch.zeros(0)).shape == (0,)
