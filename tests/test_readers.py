"""One formula, five readers: floats, NumPy, JAX, torch, and the printed Python and JavaScript say the same numbers.

NumPy is what the others are compared with, on drawn instances of every class and on random expressions of the algebra.
Tolerances are relative to the peak and come from the dtype.
"""

from __future__ import annotations

import functools
import json
import math
import operator
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import learnrate as lr
from drawn import PRINTABLE, composite, instance, peak_of, times
from learnrate.errors import FormulaError, ParameterError, TimeError, UnknownName, UsageError
from learnrate.schedule import Chain, Schedule

COMPOSITES = 150
DIALECTS = 1e-14
"""Of the peak: the printed programs do the same operations in the same order."""


@pytest.fixture(autouse=True)
def _every_floating_point_warning_is_an_error() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


@functools.cache
def cases() -> list[tuple[Schedule, Any]]:
    """Schedules and the updates at which all readers are compared."""
    rng = random.Random(20)
    schedules = [instance(cls, rng) for cls in PRINTABLE.values() for _ in range(4)]
    schedules += [composite(rng) for _ in range(COMPOSITES)]
    return [(schedule, times(schedule, rng)) for schedule in schedules]


def compare(read: Callable[[Schedule, Any], Any], tolerance: float, chosen: list[tuple[Schedule, Any]]) -> None:
    wrong = []
    for schedule, t in chosen:
        expected = schedule(t)
        error = np.abs(np.asarray(read(schedule, t), dtype=np.float64) - expected)
        if not (error <= tolerance * peak_of(expected)).all():
            worst = int(np.nanargmax(error)) if not np.isnan(error).all() else 0
            wrong.append(f"{error[worst] / peak_of(expected):.1e} at t = {t[worst]} of {schedule!r:.600}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(chosen)} differ", *wrong[:5]])


def alone(source: str, name: str = "schedule") -> Callable[[Any], Any]:
    """Printed Python as a function, run as a stranger would: with nothing but what the text imports."""
    namespace: dict[str, Any] = {}
    exec(source, namespace)  # noqa: S102 - the text is what the library printed a moment ago
    return namespace[name]


# --- the four places where a formula runs


def test_numbers_and_arrays_agree() -> None:
    compare(lambda s, t: [s(x) for x in t.tolist()], DIALECTS, cases())
    compare(lambda s, t: [s(int(x)) for x in t], DIALECTS, cases())


def test_fractions_of_an_update_agree() -> None:
    chosen = [(s, t + 0.375) for s, t in cases()]
    compare(lambda s, t: [s(x) for x in t.tolist()], DIALECTS, chosen)


def test_stand_alone_python_agrees() -> None:
    def read(schedule: Schedule, t: Any) -> Any:
        function = alone(schedule.code("python"))
        return [function(x) for x in t.tolist()]

    compare(read, DIALECTS, cases())


def test_printed_torch_scheduler_agrees() -> None:
    """The text that `.code("torch")` prints, run on a real optimizer."""
    schedule = (lr.Linear(0, 0.1, "10%") >> lr.Cosine(0.1, 0.001)).over(50)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = alone(schedule.code("torch"), "scheduler")(optimizer)
    rates = []
    for _ in range(60):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert np.abs(np.array(rates) - schedule.curve(60)).max() <= 1e-15


def test_javascript_agrees(tmp_path: Path) -> None:
    """All cases in one Node process: each is a function of its own, called on its own updates."""
    chosen = [(s, np.concatenate([t, t + 0.375])) for s, t in cases()]
    programs = [f"(() => {{\n{s.code('javascript')}\nreturn schedule;\n}})()" for s, _ in chosen]
    script = tmp_path / "run.js"
    script.write_text(
        f"'use strict';\nconst programs = [{', '.join(programs)}];\n"
        f"const times = {json.dumps([t.tolist() for _, t in chosen])};\n"
        "console.log(JSON.stringify(programs.map((f, i) => times[i].map(t => f(t)))));\n"
    )
    done = subprocess.run(["node", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    values = iter(json.loads(done.stdout))
    compare(lambda s, t: next(values), DIALECTS, chosen)


# --- JAX


SOME = slice(None, None, 5)
"""Compiling costs a tenth of a second per schedule and dtype; a fifth of the cases has almost every class."""


def a_little_earlier_or_later(schedule: Schedule, t: float, value: float, tolerance: float, dtype: Any) -> bool:
    """Whether the value is reached within a few units in the last place of the time: at a jump, or a steep end."""
    t = min(t, schedule.length)
    reach = 64 * float(np.finfo(dtype).eps) * max(t, 1.0)
    around = [schedule(max(t + offset, 0.0)) for offset in (-reach, 0.0, reach)]
    return min(around) - tolerance <= value <= max(around) + tolerance


def compare_in_dtype(read: Callable[[Schedule, Any], Any], dtype: Any, tolerance: float) -> None:
    """As `compare`; but local times are rounded in the dtype, which may put them on the other side of a jump."""
    wrong = []
    for schedule, t in cases()[SOME]:
        expected = schedule(t)
        values = np.asarray(read(schedule, t.astype(dtype)), dtype=np.float64)
        bound = tolerance * peak_of(expected) * (1 if type(schedule).__name__ in PRINTABLE else 10)
        wrong += [
            f"{abs(v - e) / peak_of(expected):.1e} at t = {x} of {schedule!r:.600}"
            for x, v, e in zip(t.tolist(), values.tolist(), expected.tolist(), strict=True)
            if not abs(v - e) <= bound and not a_little_earlier_or_later(schedule, x, v, bound, dtype)
        ]
    assert not wrong, "\n".join([f"{len(wrong)} values differ", *wrong[:5]])


def jitted(schedule: Schedule, t: Any) -> Any:
    values = jax.jit(schedule)(jnp.asarray(t))
    assert values.dtype == t.dtype
    assert values.shape == t.shape
    return values


def test_jax_under_jit_agrees_in_float32() -> None:
    compare_in_dtype(jitted, np.float32, 1e-6)


def test_jax_under_jit_agrees_in_float64() -> None:
    with jax.enable_x64(True):
        compare_in_dtype(jitted, np.float64, 1e-12)


@pytest.mark.parametrize(("x64", "dtype", "tolerance"), [(False, np.float32, 1e-6), (True, np.float64, 1e-12)])
def test_jax_scalars_agree(x64: bool, dtype: Any, tolerance: float) -> None:
    """One traced number, as optax hands it over: only the part that speaks runs."""
    rng = random.Random(3)
    with jax.enable_x64(x64):
        for schedule, t in [case for case in cases() if type(case[0]).__name__ in PRINTABLE][::4]:
            function = jax.jit(schedule)
            for x in rng.sample(t.tolist(), min(4, len(t))):
                assert abs(float(function(jnp.asarray(x, dtype=dtype))) - schedule(x)) <= tolerance * peak_of(
                    schedule(t)
                )


def test_jax_counts_updates_with_integers() -> None:
    schedule = lr.Linear(0, 1, 10) >> lr.Cosine(1, 0, 90)
    count = jnp.arange(120, dtype=jnp.int32)
    assert np.abs(np.asarray(jax.jit(schedule)(count)) - schedule.curve(120)).max() <= 1e-6
    assert abs(float(jax.jit(schedule)(count[55])) - schedule(55)) <= 1e-6


@pytest.mark.parametrize("x64", [False, True])
def test_compiled_restarts_are_exact(x64: bool) -> None:
    """XLA divides by a constant by multiplying with its inverse: 49 * (1 / 49) is below 1."""
    with jax.enable_x64(x64):
        for period in (1, 10, 49, 141, 197, 239, 330, 428):
            restarts = jnp.asarray(np.arange(100) * period, dtype=float)
            assert (jax.jit(lr.Linear(1, 0, period).repeat())(restarts) == 1).all(), period
            stairs = jax.jit(lr.Step(1.0, 0.5, period))(restarts[:20])
            assert np.allclose(stairs, 0.5 ** np.arange(20), rtol=1e-5), period
            before = jax.jit(lr.Step(1.0, 0.5, period))(restarts[1:21] - 1)
            assert np.allclose(before, 0.5 ** np.arange(20), rtol=1e-5), period
            landings = jax.jit(lr.InverseTime(1.0, 1.0).every(period))(restarts)
            assert np.allclose(landings, 1 / (1 + np.arange(100) * period), rtol=1e-5), period


def test_noise_is_the_same_in_every_reader_whatever_the_seed() -> None:
    updates = np.array([0, 1, 2038, 2039, 2040, 4_157_521, 10**7])
    for seed in (0, 1, 2039, 2**31 + 7, 2**53):
        noise = lr.Noise(0.5, seed=seed)
        expected = noise(updates)
        assert np.abs(np.asarray(jax.jit(noise)(jnp.asarray(updates, dtype=jnp.float32))) - expected).max() <= 1e-6
        assert np.abs(noise(torch.tensor(updates, dtype=torch.float32)).numpy() - expected).max() <= 1e-6
        assert [noise(int(t)) for t in updates] == pytest.approx(expected.tolist(), abs=1e-15)


def inside(schedule: Schedule, t: Any) -> Any:
    """Times between updates, where every formula is smooth, within the schedule and beyond it."""
    return np.unique(np.floor(t)) + 0.4375


@pytest.mark.parametrize("name", PRINTABLE)
def test_gradients_are_finite(name: str) -> None:
    """With respect to t, in JAX and torch, within the schedule and past its end; and right, for JAX in float64."""
    schedule = instance(PRINTABLE[name], random.Random(name))
    for one in (schedule, lr.Linear(0, 1, 7) >> schedule):
        t = inside(one, times(one, random.Random(4), 12))
        with jax.enable_x64(True):
            slopes = np.asarray(jax.jit(jax.grad(lambda t: one(t).sum()))(jnp.asarray(t)))  # noqa: B023
            mapped = slopes if one is schedule else np.asarray(jax.jit(jax.vmap(jax.grad(one)))(jnp.asarray(t)))
        h = 2.0**-12
        central = (one(t + h) - one(t - h)) / (2 * h)
        assert np.isfinite(slopes).all()
        assert np.abs(slopes - central).max() <= 1e-4 * peak_of(one(t))
        assert np.abs(slopes - mapped).max() <= 1e-9 * peak_of(one(t))
        tensor = torch.tensor(t, requires_grad=True)
        values = one(tensor)
        if not values.requires_grad:  # made of constants
            assert not slopes.any()
            continue
        values.sum().backward()
        assert np.abs(np.asarray(tensor.grad) - slopes).max() <= 1e-9 * peak_of(one(t))


def test_jax_refuses_what_is_no_time() -> None:
    schedule = lr.Cosine(1, 0, 10)
    for bad in ([-1.0], [math.nan], [0.0, -1e-30]):
        with pytest.raises(TimeError, match="must be >= 0 updates"):
            schedule(jnp.asarray(bad))
    for bad in ([True], [1j]):
        with pytest.raises(UsageError, match="a number or an array of numbers"):
            schedule(jnp.asarray(bad))
    assert float(jax.jit(schedule)(-5.0)) == 1.0, "a traced time is clamped at 0"


def test_a_shared_part_is_traced_once() -> None:
    schedule: Schedule = lr.Cosine(1.0, 0.5, 64)
    for _ in range(40):
        schedule = 0.5 * (schedule + schedule)
    assert abs(float(jax.jit(schedule)(jnp.asarray(32.0))) - 0.75) <= 1e-6
    assert np.abs(schedule(np.arange(99)) - lr.Cosine(1.0, 0.5, 64).curve(99)).max() <= 1e-15


# --- torch


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_torch_tensors_agree(dtype: torch.dtype, tolerance: float) -> None:
    def read(schedule: Schedule, t: Any) -> Any:
        values = schedule(torch.from_numpy(t))
        assert values.dtype == dtype
        return values.numpy()

    compare_in_dtype(read, np.float64 if dtype == torch.float64 else np.float32, tolerance)


# --- what is printed


@pytest.mark.parametrize("name", PRINTABLE)
def test_latex_of_every_class_is_well_formed(name: str) -> None:
    rng = random.Random(name)
    for _ in range(3):
        well_formed(instance(PRINTABLE[name], rng).latex())


def test_latex_of_expressions_is_well_formed() -> None:
    for schedule, _ in cases()[-COMPOSITES:]:
        well_formed(schedule.latex())


def well_formed(text: str) -> None:
    assert text.startswith("\\eta(t) = ")
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0, text
    assert depth == 0, text
    for opening, closing in (("\\left", "\\right"), ("\\begin", "\\end")):
        assert len(re.findall(re.escape(opening) + r"(?![a-z])", text)) == len(re.findall(re.escape(closing), text))
    assert not re.search(r"\d[eE][+-]?\d|\binf\b|\bnan\b|None|math\.|\*\*", text), text
    for name in re.findall(r"(?<![\\{A-Za-z_])(?:k(?:_\{\d+\})?|\\mathrm\{T_\d+\})(?![A-Za-z}])", text):
        assert f"{name} = " in text, f"{name} is used but not defined in {text}"


def test_latex_says_the_numbers() -> None:
    text = lr.Cosine(3e-6, 3e-5, 9500).latex()
    for part in ("3 \\cdot 10^{-6}", "3 \\cdot 10^{-5}", "9500", "\\cos", "\\pi"):
        assert part in text
    assert "0.1" in lr.Exponential(1, 0.1).latex("\\lambda(t)")
    assert lr.Constant(0.25).latex("f") == "f = 0.25"
    chained = (lr.Linear(0, 1, 5) >> lr.Constant(1)).latex()
    assert "\\begin{cases}" in chained
    assert "t < 5" in chained


def test_a_clamp_that_cannot_bite_is_not_printed() -> None:
    assert "max" not in lr.Linear(1, 0, 10).mirror().latex()
    assert lr.Linear(1, 0, 10).clip(0, 1).latex() == lr.Linear(1, 0, 10).latex()


def test_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="javascript, python, torch"):
        lr.Constant(1).code("fortran")


def test_a_function_of_ones_own_works_everywhere_but_in_print() -> None:
    def own(t: Any) -> Any:
        return 0.1 / (1 + t)

    schedule = lr.Constant(2.0) * lr.Function(own)
    assert schedule(4) == 0.04
    assert schedule([0, 4]).tolist() == [0.2, 0.04]
    assert abs(float(jax.jit(schedule)(4.0)) - 0.04) <= 1e-8
    assert schedule(torch.tensor([4.0], dtype=torch.float64)).tolist() == [0.04]
    for show in (schedule.latex, schedule.code, lambda: schedule.code("javascript")):
        with pytest.raises(FormulaError, match=r"user function 'own' cannot be printed; sample it: Interpolation"):
            show()


def test_a_function_must_return_a_finite_rate() -> None:
    for wrong in (None, "fast", math.nan, math.inf, 1j, np.float32("nan")):
        schedule = lr.Function(lambda t, wrong=wrong: wrong)
        with pytest.raises(UsageError, match="must return a finite rate"):
            schedule(3)
        with pytest.raises(UsageError, match="must return a finite rate"):
            schedule([3])
    assert type(lr.Function(lambda t: 1)(3)) is float


# --- what could explode and does not


def doubled(combine: Callable[[Any, Any], Any], times: int) -> Schedule:
    schedule: Schedule = lr.Cosine(1, 0.5, 100)
    for _ in range(times):
        schedule = combine(schedule, schedule)
    return schedule


def extended(times: int) -> Schedule:
    schedule: Schedule = lr.Cosine(1, 0, 100)
    for k in range(times):
        schedule = schedule.extend(200 + k, at=10 + 3 * k)
    return schedule


def mirrored(times: int) -> Schedule:
    schedule: Schedule = lr.Linear(0, 1, 128)
    for _ in range(times):
        schedule = schedule.mirror()
    return schedule


def nested(times: int) -> Schedule:
    schedule: Schedule = lr.Cosine(1, 0, 100)
    for k in range(times):
        schedule = (0.99 * schedule).clip(0.001 * k)
    return schedule


LARGE: dict[str, tuple[Callable[[], Schedule], int]] = {
    "sum doubled 40 times": (lambda: 2.0**-40 * doubled(operator.add, 40), 20_000),
    "product doubled 40 times": (lambda: doubled(operator.mul, 40), 20_000),
    "mirrored 60 times": (lambda: mirrored(60), 20_000),
    "extended 30 times": (lambda: extended(30), 200_000),
    "nested 98 deep": (lambda: nested(49), 20_000),
    "chain of 1000": (lambda: Chain([lr.Cosine(1, 0, n + 1) for n in range(1000)]), 600_000),
    "sum of 1000": (lambda: functools.reduce(operator.add, [lr.Cosine(1, 0, n + 1) for n in range(1000)]), 600_000),
    "10,000 knots": (lambda: lr.Interpolation(range(10_000), np.linspace(1, 0, 10_000)), 800_000),
    "10,000 smooth knots": (lambda: lr.CosineInterpolation(range(10_000), np.linspace(1, 0, 10_000)), 800_000),
    "10,000 stairs": (lambda: lr.PiecewiseConstant(np.linspace(1, 0, 10_001), range(1, 10_001)), 800_000),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_schedules_stay_small_in_print(name: str) -> None:
    make, limit = LARGE[name]
    schedule = make()
    t = np.array([0.0, 1, 7, 99, 100, 101, 1000, 123_456])
    source = schedule.code("python")
    for text in (source, schedule.code("javascript"), schedule.latex()):
        assert len(text) < limit
    function = alone(source)
    compare(lambda s, t: [function(x) for x in t.tolist()], DIALECTS, [(schedule, t)])
    compare(lambda s, t: [s(x) for x in t.tolist()], DIALECTS, [(schedule, t)])
    well_formed(schedule.latex())
    hash(schedule)


def test_nesting_has_an_end() -> None:
    with pytest.raises(ParameterError, match="schedules nest at most 100 deep; sample it: Interpolation"):
        nested(60)


def test_a_long_schedule_is_shown_short_in_messages() -> None:
    waiting: Schedule = lr.Cosine(1)
    for _ in range(40):
        waiting = waiting + waiting
    with pytest.raises(ValueError, match=r"has no length in updates yet") as caught:
        waiting(3)
    assert len(str(caught.value)) < 500
