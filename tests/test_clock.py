"""Lengths: text in epochs, tokens, samples and percent, read exactly and turned into whole updates."""

from __future__ import annotations

import math
import random
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate.clock import Clock, LengthKind, amount, half_up
from learnrate.errors import ParameterError, UnboundError

LENGTH = LengthKind("N", "updates", "its length")


@pytest.mark.parametrize(
    ("text", "exact", "unit"),
    [
        ("5%", 5, "%"),
        ("100%", 100, "%"),
        ("0%", 0, "%"),
        ("0.1%", Fraction(1, 10), "%"),
        (".5%", Fraction(1, 2), "%"),
        ("3ep", 3, "ep"),
        ("2.5ep", Fraction(5, 2), "ep"),
        ("2e9tok", 2 * 10**9, "tok"),
        ("2E+9tok", 2 * 10**9, "tok"),
        ("1.25e6smp", 1_250_000, "smp"),
        ("1e-3ep", Fraction(1, 1000), "ep"),
        (" 7 ep ", 7, "ep"),
        ("3.ep", 3, "ep"),
    ],
)
def test_text_is_read_exactly(text: str, exact: Fraction, unit: str) -> None:
    assert amount(text) == (exact, unit)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "5", "%", "ep", "-5%", "+5%", "5 %%", "5percent", "5 epochs", "5EP", "five%", "0x5%", "5_0%", "1e%"),
        *(
            "nan%",
            "inf%",
            "1e999tok",
            "1e100tok",
            "5%5%",
            "5ep tok",
            "\u0665%",
            "5%\n5%",
            "1" * 31 + "tok",
            "1" * 10_000,
        ),
    ],
)
def test_other_text_is_refused_by_its_rule(text: str) -> None:
    with pytest.raises(ValueError, match="be a number of updates or text such as '5%', '3ep', '2e9tok', '1e6smp', got"):
        amount(text)


def test_percent_is_at_most_all_of_it() -> None:
    with pytest.raises(ValueError, match="be at most 100% of the total, got '100.001%'"):
        amount("100.001%")
    with pytest.raises(ValueError, match="be at most 100%"):
        LENGTH.read("1e99%")


def test_a_length_is_normalised() -> None:
    for given_, kept in (
        (5, 5),
        (5.0, 5),
        (np.int64(5), 5),
        (np.float32(5), 5),
        (Fraction(5), 5),
        (0, 0),
        (2**53, 2**53),
    ):
        assert LENGTH.read(given_) == kept
        assert type(LENGTH.read(given_)) is int
    assert LENGTH.read(" 5% ") == "5%"
    assert LENGTH.read(None) is None


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (-3, "be >= 0 updates, got -3"),
        (2**53 + 1, "be <= 9.0072e+15 updates, got 9007199254740993"),
        (10**400, "be a finite number"),
        (1.5, "be a whole number (updates), got 1.5"),
        (True, "be a whole number (updates), got True"),
        (math.nan, "be a finite number of updates, got nan"),
        (math.inf, "be a finite number of updates, got inf"),
        ([5], "be a whole number (updates), got [5]"),
        (b"5%", "be a whole number (updates), got b'5%'"),
        (5j, "be a whole number"),
        (Decimal(5), "be a whole number"),
    ],
)
def test_other_lengths_are_refused(wrong: Any, rule: str) -> None:
    with pytest.raises(ValueError) as caught:
        LENGTH.read(wrong)
    assert rule in str(caught.value)


def test_the_rest_must_be_allowed() -> None:
    with pytest.raises(ValueError, match="be given: a number of updates or text such as '5%'"):
        LengthKind("n", "updates", "", rest=False).read(None)


def test_lengths_are_drawn_legally() -> None:
    rng = random.Random(0)
    for kind in (LENGTH, LengthKind("n", "updates", "", least=1), LengthKind("n", "updates", "", least=250)):
        for _ in range(200):
            assert kind.read(kind.draw(rng)) >= max(kind.least, 2)


def test_units_become_updates() -> None:
    clock = Clock(10_000, updates_per_epoch=312.5, tokens_per_update=2**20, samples_per_update=256)
    assert clock.resolve(77) == 77
    assert clock.resolve("5%") == 500
    assert clock.resolve("3ep") == 938  # 937.5, half up
    assert clock.resolve("1e9tok") == 954  # 953.67
    assert clock.resolve("1e6smp") == 3906  # 3906.25
    assert clock.within(200).resolve("5%") == 10
    assert clock.within(200).resolve("3ep") == 938


@pytest.mark.parametrize(
    ("text", "name"), [("3ep", "updates_per_epoch"), ("3tok", "tokens_per_update"), ("3smp", "samples_per_update")]
)
def test_a_missing_unit_is_named(text: str, name: str) -> None:
    with pytest.raises(UnboundError, match=rf"bind with \.over\(total, {name}=\.\.\.\)"):
        Clock(100).resolve(text)


@pytest.mark.parametrize("name", ["updates_per_epoch", "tokens_per_update", "samples_per_update"])
@pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf, "5", True, 1j])
def test_units_have_rules(name: str, wrong: Any) -> None:
    with pytest.raises(ParameterError, match=rf"{name} must be"):
        Clock(100, **{name: wrong})


@pytest.mark.parametrize("wrong", [-1, 1.5, "100", None, True, math.nan, math.inf, 2**53 + 1])
def test_the_total_has_its_rule(wrong: Any) -> None:
    with pytest.raises(ParameterError, match="total must be"):
        Clock(wrong)


def test_a_clock_is_a_value() -> None:
    assert Clock(100.0) == Clock(100)  # type: ignore[arg-type]
    assert type(Clock(np.int64(100)).total) is int  # type: ignore[arg-type]
    assert hash(Clock(5, 2)) == hash(Clock(5, 2.0))


def test_halves_round_up() -> None:
    assert [half_up(Fraction(n, 4)) for n in range(8)] == [0, 0, 1, 1, 1, 1, 2, 2]


@given(st.decimals(0, 100, places=4), st.integers(0, 2**53))
def test_percent_of_any_total_is_exact(percent: Decimal, total: int) -> None:
    with localcontext() as context:
        context.prec = 60
        exact = (percent * total / 100).to_integral_value(ROUND_HALF_UP)
    assert Clock(total).resolve(f"{percent:f}%") == exact <= total


@given(st.decimals(0, 1000, places=3), st.decimals("0.001", 5000, places=3))
def test_epochs_are_exact_in_the_decimals_that_were_written(epochs: Decimal, per: Decimal) -> None:
    with localcontext() as context:
        context.prec = 60
        exact = (epochs * per).to_integral_value(ROUND_HALF_UP)
    assert Clock(1, updates_per_epoch=float(per)).resolve(f"{epochs:f}ep") == exact
