"""Cycles that share a total: all of them run, each starts at its peak, and the last one ends at its end."""

from __future__ import annotations

import numpy as np
import pytest

from learnrate import Constant, Cosine, Interpolation, LearnrateError, Linear, parse
from learnrate.errors import ParameterError


@pytest.mark.parametrize(("times", "total"), [(1, 7), (2, 101), (3, 200), (3, 201), (7, 100), (60, 100), (100, 100)])
def test_equal_cycles_fill_a_total_they_do_not_divide(times: int, total: int) -> None:
    schedule = Cosine(1, 0.1).repeat(times).over(total)
    starts = [(2 * k * total + times) // (2 * times) for k in range(times)]  # half up
    assert schedule.length == total
    assert np.flatnonzero(schedule.curve() == 1).tolist() == starts
    assert schedule(total) == schedule(10 * total) == 0.1
    assert parse(repr(schedule)) == schedule


@pytest.mark.parametrize(("times", "stretch", "total"), [(3, 2.0, 701), (4, 1.5, 1000), (2, 10.0, 113), (5, 1.01, 57)])
def test_stretched_cycles_fill_a_total(times: int, stretch: float, total: int) -> None:
    schedule = Linear(1, 0).repeat(times, stretch, scale=0.5).over(total)
    shares = [total * (stretch**k - 1) / (stretch**times - 1) for k in range(times)]
    starts = [int(share + 0.5) for share in shares]
    assert schedule.length == total
    assert schedule(starts).tolist() == [0.5**k for k in range(times)]
    assert schedule(total) == 0


def test_a_total_that_divides_evenly_needs_no_table() -> None:
    assert Cosine(1, 0).repeat(4).over(400) == Cosine(1, 0, 100).repeat(4)
    assert Cosine(1, 0).repeat(3, 2.0).over(700) == Cosine(1, 0, 100).repeat(3, 2.0)


def test_percent_inside_a_cycle_is_of_the_cycle() -> None:
    body = Linear(0, 1, "10%") >> Cosine(1, 0)
    assert body.repeat(4).over(400) == (Linear(0, 1, 10) >> Cosine(1, 0, 90)).repeat(4)


@pytest.mark.parametrize(
    ("times", "stretch", "total"), [(300, 1.0, 100), (20, 2.0, 100), (10**9, 1.01, 100), (3, 50.0, 20)]
)
def test_cycles_that_do_not_fit_are_an_error(times: int, stretch: float, total: int) -> None:
    with pytest.raises(ParameterError, match=f"{times} cycles.* do not fit into {total} updates"):
        Cosine(1, 0.1).repeat(times, stretch).over(total)


@pytest.mark.parametrize("total", [1, 2, 7, 100, 101])
def test_a_mirror_ends_where_it_began(total: int) -> None:
    schedule = Linear(0, 1).mirror().over(total)
    assert schedule.length == total
    assert schedule(total) == 0
    assert np.allclose(schedule.curve(), schedule(total - np.arange(total)), rtol=0, atol=1e-15)


def test_a_peak_of_one_update_is_seen_late_in_a_long_schedule() -> None:
    spike = Interpolation([0, 5_000_000, 5_000_001, 5_000_002, 9_000_000], [0.1, 0.1, 1.0, 0.1, 0.1])
    assert spike.peak == 1.0
    assert spike.first(above=0.9) == 5_000_001
    assert (Linear(0, 1e-3, 2_000_003) >> Cosine(1e-3, 0, 48_000_000)).peak == 1e-3


def test_nesting_is_bounded_where_it_is_built() -> None:
    schedule = Constant(1.0)
    for _ in range(99):
        schedule = schedule.clip(0, 1)
    with pytest.raises(LearnrateError, match="nest at most 100 deep"):
        schedule.clip(0, 1)
    assert schedule(3) == 1.0
    assert parse(repr(schedule)) == schedule
