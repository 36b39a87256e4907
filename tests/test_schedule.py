"""The contract of a schedule: what it says at which time, that it is a value, and the questions it answers."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import learnrate as lr
from drawn import OWN, composite, operands, printable, times
from learnrate import Constant, Cosine, Exponential, Interpolation, InverseSqrt, Linear, Step
from learnrate.errors import ParameterError, TimeError, UnboundError, UsageError
from learnrate.formula import LATEST
from learnrate.schedule import Schedule, first_difference
from learnrate.schedule.contract import BLOCK


@pytest.fixture(autouse=True)
def _every_floating_point_warning_is_an_error() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


# --- what a schedule says at a time


def test_a_number_gives_a_float_and_an_array_an_array_of_float64() -> None:
    schedule = Linear(0, 1, 4)
    for t in (2, 2.0, np.float64(2), np.float32(2), np.float16(2), np.int8(2), np.uint64(2), Fraction(2)):
        assert schedule(t) == 0.5
        assert type(schedule(t)) is float
    for dtype in (np.int8, np.uint8, np.int32, np.int64, np.uint64, np.float16, np.float32, np.float64, np.longdouble):
        values = schedule(np.arange(6).astype(dtype))
        assert values.dtype == np.float64
        assert values.tolist() == [0, 0.25, 0.5, 0.75, 1, 1]
    assert schedule([0, 2]).tolist() == schedule((0, 2)).tolist() == [0.0, 0.5]
    assert schedule(range(3)).tolist() == [0, 0.25, 0.5]


def test_arrays_keep_their_shape() -> None:
    schedule = Linear(0, 1, 4) >> Cosine(1, 0, 4)
    for shape in ((), (1,), (0,), (0, 3), (2, 3), (2, 1, 3)):
        t = np.arange(math.prod(shape)).reshape(shape)
        assert schedule(t).shape == shape
        assert type(schedule(t)) is np.ndarray
    strided = np.arange(20)[::-3]
    assert schedule(strided).tolist() == [schedule(int(t)) for t in strided]
    assert (
        schedule(np.asfortranarray(np.arange(6).reshape(2, 3))).tolist()
        == schedule(np.arange(6)).reshape(2, 3).tolist()
    )


def test_any_order_and_any_number_of_times() -> None:
    rng = np.random.default_rng(5)
    for schedule in operands():
        t = np.arange(300)
        values = schedule(t)
        shuffled = rng.permutation(t)
        assert (schedule(shuffled) == values[shuffled]).all()
        assert (schedule(np.repeat(t, 3)) == np.repeat(values, 3)).all()
        assert (schedule(t) == values).all()


def test_blocks_do_not_show() -> None:
    """Long curves are computed in blocks; what a block holds does not matter."""
    schedule = (Linear(0, 1, BLOCK - 3) >> Cosine(1, 0, 2 * BLOCK)).repeat(2, scale=0.5)
    curve = schedule.curve()
    assert curve.size == 2 * (3 * BLOCK - 3)
    for t in (0, 1, BLOCK - 4, BLOCK - 3, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 4, 3 * BLOCK - 3, 4 * BLOCK + 1):
        assert abs(curve[t] - schedule(t)) <= 1e-14
    backwards = schedule(np.arange(curve.size)[::-1])
    assert (backwards[::-1] == curve).all()


@pytest.mark.parametrize(
    "bad", [-1, -1e-300, math.nan, -math.inf, np.float32(-2), Fraction(-1, 2), [-1], [0, math.nan]]
)
def test_a_negative_or_nan_time_is_an_error(bad: Any) -> None:
    for schedule in (Constant(1), Linear(0, 1, 4) >> Constant(1)):
        with pytest.raises(TimeError, match=r"must be >= 0 updates, got"):
            schedule(bad)


@pytest.mark.parametrize(
    "bad",
    [True, np.True_, "1", b"1", None, 1j, [True], ["1"], [None], [1j], [[1], [1, 2]], object(), {}, {1}, Constant(1)],
)
def test_what_is_no_number_is_an_error(bad: Any) -> None:
    with pytest.raises(UsageError, match="t must be a number or an array of numbers, got"):
        Linear(0, 1, 4)(bad)


def test_late_and_infinite_times_are_defined() -> None:
    """float64 counts every update up to 2**53; later ones are that one."""
    for schedule in (
        Step(1, 0.5, 2**50),
        InverseSqrt(1, 7),
        Linear(1, 0, 10),
        Linear(0, 1, 10).repeat(),
        lr.Noise(0.1),
    ):
        last = schedule(2**53)
        assert math.isfinite(last)
        for late in (2**53 + 2, 10**400, 1e300, math.inf):
            assert schedule(late) == last
        for late in (
            np.array([2**60]),
            np.array([2**63 - 1]),
            np.array([2**64 - 1], dtype=np.uint64),
            [math.inf, 1e300],
        ):
            assert np.abs(schedule(late) - last).max() <= 1e-15


def test_every_draw_is_finite_from_the_first_update_to_the_last() -> None:
    rng = random.Random(2)
    for _ in range(150):
        schedule = composite(rng)
        t = np.concatenate([times(schedule, rng, 20), [1e5, 1e9, LATEST]])
        values = schedule(t)
        assert np.isfinite(values).all(), schedule
        assert all(math.isfinite(schedule(x)) for x in t.tolist()), schedule


def test_past_its_end_it_holds_its_last_value() -> None:
    for schedule in operands():
        end = schedule(schedule.length)
        assert (schedule(schedule.length + np.array([0, 1, 2, 1000, 1e9])) == end).all(), schedule


# --- frozen values


def test_schedules_are_immutable() -> None:
    for schedule in (Cosine(1), Cosine(1, 0, 5) >> Constant(2), Cosine(1).clip(0.5), lr.WSD(1, 0.1, 10)):
        name = next(iter(schedule.parameters()))
        with pytest.raises(dataclasses.FrozenInstanceError, match="immutable"):
            setattr(schedule, name, 3)
        with pytest.raises(dataclasses.FrozenInstanceError, match="immutable"):
            schedule.invented = 3  # type: ignore[attr-defined]
        with pytest.raises(dataclasses.FrozenInstanceError, match="immutable"):
            delattr(schedule, name)
    assert dataclasses.is_dataclass(Cosine(1))


def test_lists_that_were_passed_may_change_later() -> None:
    knots, values = [0, 10], [1.0, 2.0]
    schedule = Interpolation(knots, values)
    knots.append(20)
    values[0] = 99
    assert schedule == Interpolation([0, 10], [1, 2])
    array = np.array([1.0, 2.0])
    schedule = Interpolation([0, 10], array)
    array[:] = 7
    assert schedule(0) == 1


def test_copies_pickles_and_equals() -> None:
    rng = random.Random(7)
    for _ in range(60):
        schedule = composite(rng, 3)
        before = pickle.dumps(schedule)
        schedule(3)  # what is remembered on the way must not travel
        assert pickle.dumps(schedule) == before
        for twin in (copy.copy(schedule), copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule))):
            assert twin == schedule
            assert hash(twin) == hash(schedule)
            assert repr(twin) == repr(schedule)
            assert len({twin, schedule}) == 1
            assert twin(5) == schedule(5)


def test_equality_is_by_value_and_by_kind() -> None:
    assert Cosine(1, 0, 10) == Cosine(1.0, 0.0, 10.0) == Cosine(np.float32(1), 0, np.int64(10))
    assert Cosine(1, 0, 10) != Cosine(1, 0, 11)
    assert Linear(1, 0, 10) != lr.Polynomial(1, 0, 10)
    assert Constant(1) != 1
    assert Constant(1).clip(0, 1) != Constant(1).clip(0)
    assert Constant(1) + Constant(2) != Constant(2) + Constant(1), "values are compared, not what they compute"


def test_it_prints_as_the_expression_that_rebuilds_it() -> None:
    names = {**OWN, "inf": math.inf}
    rng = random.Random(8)
    for _ in range(80):
        schedule = composite(rng)
        assert eval(repr(schedule), {"__builtins__": {}}, names) == schedule  # noqa: S307 - our own text


# --- questions


def test_area_is_the_sum_of_the_rates() -> None:
    for f in operands():
        assert f.area() == pytest.approx(math.fsum(f.curve()), rel=1e-12, abs=1e-15)
        assert f.area(7) == pytest.approx(math.fsum(f(t) for t in range(7)), rel=1e-12, abs=1e-15)
    assert Constant(0.5).area(10) == 5
    assert Constant(1).area(3_000_000) == 3_000_000
    with pytest.raises(UnboundError, match="goes on for ever; say how many updates"):
        Constant(1).area()


def test_first_update_below_or_above() -> None:
    f = Linear(0, 1, 10) >> Linear(1, 0, 10)
    assert f.first(above=1) == 10
    assert f.first(above=0.35) == 4
    assert f.first(below=0.5) == 0
    assert (Constant(1, 5) >> f.skip(10)).first(below=0.5) == 10
    assert f.first(below=-1) is None
    assert Exponential(1, 0.5).first(below=1e-3) == 10
    assert type(f.first(above=1)) is int
    for wrong in ({}, {"below": 1, "above": 1}):
        with pytest.raises(ParameterError, match="give one of below"):
            f.first(**wrong)


def test_peak() -> None:
    rng = random.Random(15)
    for f in operands(10):
        assert f.peak == f(np.arange(f.length + 1)).max()
    assert (Linear(0, 3, 10) >> Cosine(3, 0, 10)).peak == 3
    assert InverseSqrt(2, 10).peak == 2
    assert Linear(0, 1, 10**12).peak == 1
    assert printable(rng).peak >= 0


@pytest.mark.parametrize(
    ("schedule", "updates", "peak"),
    [
        (Constant(0.3), 1, 0.3),
        (0.01 * Constant(1), 1, 0.01),
        (-2 * Constant(1), 1, -2),
        (Constant(0.3, 10**9), 1, 0.3),
        (Constant(2) * Constant(3) + Constant(1), 1, 7),
        (Linear(0, 1, 50) >> Constant(1), 51, 1),
        (0.5 * (Linear(0, 1, 50) >> Constant(2)), 51, 1),
        (Constant(2) * (Linear(3, 1, 50) >> Constant(1)).clip(high=2.5), 51, 5),
        (Constant(0.1) >> Linear(1, 0, 20), 21, 1),
        (Constant(0.1, 4) >> Constant(0.2), 5, 0.2),
    ],
    ids=repr,
)
def test_a_schedule_that_settles_is_read_up_to_there(schedule: Schedule, updates: int, peak: float) -> None:
    """Every run of a search asks for the peak of a schedule of its own; a million updates each would be seconds."""
    bound = schedule if schedule.bound else schedule.over(20)
    assert bound._grid().size <= updates
    assert bound.peak == peak


def test_a_settled_schedule_stays_as_it_is() -> None:
    rng = random.Random(16)
    settled = [f for f in operands(60) if f._settled() < 10**6]
    settled += [f >> Constant(rng.uniform(0, 2)) for f in settled if f.length < 10**6]
    settled += [f * Constant(2) for f in settled[:20]]
    assert any(f.length == math.inf for f in settled)
    for f in settled:
        start = f._settled()
        assert (f(start + np.arange(300)) == f(start)).all(), f


def test_first_difference_of_two_schedules() -> None:
    a = Linear(0, 1, 10) >> Cosine(1, 0, 90)
    assert first_difference(a, a) is None
    assert first_difference(a, Linear(0, 1, 10) >> Cosine(1, 0.1, 90)) == 11
    assert first_difference(a, 2 * a) == 1
    assert first_difference(Constant(1), Constant(1, 1000) >> Constant(2)) == 1000
    assert first_difference(Constant(1), Constant(1)) is None


def test_curve() -> None:
    f = Linear(0, 1, 4)
    assert f.curve().tolist() == [0, 0.25, 0.5, 0.75]
    assert f.curve(6).tolist() == [0, 0.25, 0.5, 0.75, 1, 1]
    assert f.curve().dtype == np.float64
    with pytest.raises(UnboundError, match="goes on for ever"):
        Constant(1).curve()
    with pytest.raises(ParameterError, match="total must be >= 0"):
        f.curve(-1)
