"""Declared parameters and registries: what is read, what is refused and how it is said."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from learnrate.errors import LearnrateError, ParameterError, UnknownName
from learnrate.spec import (
    Choice,
    Declared,
    Flag,
    Kind,
    Number,
    Numbers,
    Registry,
    arguments,
    choice,
    draw,
    flag,
    number,
    numbers,
    shorten,
    signature,
    unknown,
)


class Sample(Declared):
    """A declared class for these tests."""

    start: float = number("a", "rate", "where it starts")
    count: int = number("n", "updates", "how many", default=3, ge=0, whole=True)
    ratio: float | None = number("r", "", "how much", default=None, gt=0, le=1)
    curve: str = choice("c", "which curve", ("line", "arc"), default="line")
    loud: bool = flag("l", "whether it tells", default=False)

    def check(self) -> None:
        if self.loud and self.count == 0:
            raise ParameterError("a loud Sample needs a count above 0")


class Listed(Declared):
    """Lists, for these tests."""

    values: Any = numbers("v", "rate", "some values", ge=0)
    places: Any = numbers("m", "updates", "some places", rising=True, whole=True)


# --- building one


def test_values_are_normalised_when_built() -> None:
    one = Sample(1, 3.0, np.float32(0.5))
    assert (type(one.start), type(one.count), type(one.ratio)) == (float, int, float)
    assert one == Sample(np.float64(1), np.int8(3), Fraction(1, 2))
    assert one.parameters() == {"start": 1.0, "count": 3, "ratio": 0.5, "curve": "line", "loud": False}
    assert list(one.parameters()) == list(Sample.kinds)


def test_position_and_name() -> None:
    assert Sample(1, 2) == Sample(1, count=2) == Sample(start=1, count=2) == Sample(count=2, start=1)
    with pytest.raises(
        ParameterError, match=r"Sample takes at most 5 values, got 6: Sample\(start, count=3, ratio=None"
    ):
        Sample(1, 2, 0.3, "line", False, 6)
    with pytest.raises(ParameterError, match=r"Sample\.start is given twice, by position and by name"):
        Sample(1, start=2)
    with pytest.raises(ParameterError, match=r"Sample\.start is missing: where it starts; signature: Sample\(start, "):
        Sample()
    with pytest.raises(
        ParameterError, match=r"unknown parameter of Sample 'cuont'; did you mean 'count'\? known: count, "
    ):
        Sample(1, cuont=3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"start": "1"}, "Sample.start must be a number (rate), got '1'"),
        ({"start": None}, "Sample.start must be a number (rate), got None"),
        ({"start": True}, "Sample.start must be a number (rate), got True"),
        ({"start": 1j}, "Sample.start must be a number (rate), got 1j"),
        ({"start": Decimal(1)}, "Sample.start must be a number (rate), got Decimal('1')"),
        ({"start": [1]}, "Sample.start must be a number (rate), got [1]"),
        ({"start": math.nan}, "Sample.start must be a finite number (rate), got nan"),
        ({"start": -math.inf}, "Sample.start must be a finite number (rate), got -inf"),
        ({"start": np.float32("inf")}, "Sample.start must be a finite number (rate), got"),
        ({"start": 10**400}, "Sample.start must be a finite number (rate), got 1000"),
        ({"start": 10**10_000}, "Sample.start must be a finite number (rate), got <int>"),
        ({"count": -3}, "Sample.count must be >= 0 updates, got -3"),
        ({"count": 1.5}, "Sample.count must be a whole number (updates), got 1.5"),
        ({"count": True}, "Sample.count must be a whole number (updates), got True"),
        ({"ratio": 0}, "Sample.ratio must be > 0, got 0"),
        ({"ratio": 1.1}, "Sample.ratio must be <= 1, got 1.1"),
        ({"curve": "spiral"}, "Sample.curve must be one of 'line', 'arc', got 'spiral'"),
        ({"curve": 3}, "Sample.curve must be one of 'line', 'arc', got 3"),
        ({"curve": ["line"]}, "Sample.curve must be one of"),
        ({"loud": 1}, "Sample.loud must be True or False, got 1"),
        ({"loud": None}, "Sample.loud must be True or False, got None"),
        ({"loud": True, "count": 0}, "a loud Sample needs a count above 0"),
    ],
)
def test_a_broken_rule_is_said_with_unit_and_value(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Sample(**({"start": 1.0} | wrong))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200
    assert isinstance(caught.value, LearnrateError)
    assert isinstance(caught.value, ValueError)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"values": []}, "Listed.values must have at least one entry, got an empty list"),
        ({"values": 3}, "Listed.values must be a list of numbers (rate), got 3"),
        ({"values": "123"}, "Listed.values must be a list of numbers (rate), got '123'"),
        ({"values": {"a": 1}}, "Listed.values must be a list of numbers"),
        ({"values": [1, "x"]}, "Listed.values must hold numbers that each be a number (rate), got 'x' at index 1"),
        ({"values": [1, -1]}, "Listed.values must hold numbers that each be >= 0 rate, got -1 at index 1"),
        ({"values": [[1]]}, "at index 0"),
        ({"values": [math.nan]}, "at index 0"),
        ({"places": [1, 1]}, "Listed.places must rise strictly, got 1 then 1 at index 1"),
        ({"places": [3, 2]}, "Listed.places must rise strictly, got 3 then 2 at index 1"),
        (
            {"places": [1.5]},
            "Listed.places must hold numbers that each be a whole number (updates), got 1.5 at index 0",
        ),
    ],
)
def test_lists_have_rules(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Listed(**({"values": [1], "places": [1]} | wrong))
    assert message in str(caught.value)


def test_lists_of_any_kind_become_tuples_of_plain_numbers() -> None:
    for made in (Listed([1, 2], [3, 4]), Listed((1.0, 2), range(3, 5)), Listed(np.array([1, 2]), np.array([3.0, 4.0]))):
        assert made == Listed([1, 2], [3, 4])
        assert [type(x) for x in made.values + made.places] == [float, float, int, int]
    assert Listed(iter([1, 2]), (n for n in (3, 4))) == Listed([1, 2], [3, 4])
    assert repr(Listed([1, 2], [3])) == "Listed([1.0, 2.0], [3])"


# --- values


def test_equal_by_value() -> None:
    one = Sample(1, 2)
    assert one == Sample(1, 2)
    assert hash(one) == hash(Sample(1, 2))
    assert one != Sample(1, 3)
    assert one != "Sample(1, 2)"
    assert {one: 1}[Sample(1.0, 2.0)] == 1  # type: ignore[arg-type]
    assert Sample(0.0) == Sample(-0.0)
    assert hash(Sample(0.0)) == hash(Sample(-0.0))

    class Other(Declared):
        start: float = number("a", "rate", "where it starts")

    assert Other(1) != Sample(1)


def test_copied_pickled_and_replaced() -> None:
    one = Sample(1, 2, 0.5, "arc", True)
    for twin in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert twin == one
    assert one.replace(count=5) == Sample(1, 5, 0.5, "arc", True)
    assert one.count == 2
    with pytest.raises(ParameterError, match="needs a count above 0"):
        one.replace(count=0)
    with pytest.raises(ParameterError, match="unknown parameter of Sample"):
        one.replace(number=0)


def test_frozen() -> None:
    one = Sample(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"Sample is immutable; use \.replace\(start=\.\.\.\)"):
        one.start = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="Sample is immutable"):
        del one.start
    assert one.start == 1
    assert [field.name for field in dataclasses.fields(Sample)] == list(Sample.kinds)  # type: ignore[arg-type]


def test_text_leaves_defaults_out() -> None:
    assert repr(Sample(1)) == "Sample(1.0)"
    assert repr(Sample(1, 4)) == "Sample(1.0, 4)"
    assert repr(Sample(1, 3, 0.5)) == "Sample(1.0, ratio=0.5)"
    assert repr(Sample(1, loud=True)) == "Sample(1.0, loud=True)"
    assert arguments(Sample(1, 4, 0.5, "arc")) == "1.0, 4, 0.5, curve='arc'"
    assert signature(Sample) == "Sample(start, count=3, ratio=None, curve='line', loud=False)"
    rng = random.Random(1)
    for _ in range(100):
        drawn = draw(Sample, rng)
        assert eval(repr(drawn), {"__builtins__": {}}, {"Sample": Sample}) == drawn  # noqa: S307 - text from here
        assert str(drawn) == repr(drawn)


# --- kinds


def test_draws_are_legal() -> None:
    rng = random.Random(2)
    kinds: list[Kind] = [
        Number("a", "", "", span=(1e-6, 1.0)),
        Number("a", "", "", span=(-1.0, 1.0)),
        Number("a", "", "", gt=0, lt=1, span=(0.1, 0.9)),
        Number("a", "", "", whole=True, ge=2, span=(2, 5)),
        Number("a", "", "", optional=True),
        Choice("a", "", "", ("x", "y")),
        Flag("a", "", ""),
        Numbers("a", "", "", Number("", "", "", whole=True, span=(1, 9)), rising=True),
    ]
    for kind in kinds:
        drawn = [kind.draw(rng) for _ in range(200)]
        assert [kind.read(value) for value in drawn] == drawn
        assert len({str(value) for value in drawn}) > 1
    spread = [Number("a", "", "", span=(1e-6, 1.0)).draw(rng) for _ in range(300)]
    assert sum(value < 1e-3 for value in spread) > 100, "rates are drawn by their size"  # type: ignore[operator]


def test_bounds_as_text() -> None:
    assert Number("", "", "", gt=0, le=1).bounds == "> 0 and <= 1"
    assert Number("", "", "", ge=1, lt=2.5).bounds == ">= 1 and < 2.5"
    assert Number("", "", "").bounds == ""
    assert Choice("", "", "", ("a", "b")).bounds == "`'a'` or `'b'`"
    assert Numbers("", "", "", Number("", "", "", ge=0), rising=True).bounds == "strictly rising, each >= 0"
    assert Flag("", "", "").bounds == ""


def test_what_cannot_be_drawn_says_so() -> None:
    class Impossible(Declared):
        start: float = number("a", "", "", gt=5, span=(1, 2))

    with pytest.raises(ParameterError, match="no legal Impossible in 7 draws; narrow the spans"):
        draw(Impossible, random.Random(0), attempts=7)


# --- registries


def test_a_registry_lists_what_it_knows() -> None:
    registry: Registry[type] = Registry("animal")
    registry.add("Lion", int)
    registry.add("Ant", str)
    assert list(registry) == ["Lion", "Ant"]
    assert registry.items() == [("Lion", int), ("Ant", str)]
    assert len(registry) == 2
    assert "Ant" in registry
    assert "ant" not in registry
    assert registry["Ant"] is str
    with pytest.raises(UnknownName, match=r"unknown animal 'Lino'; did you mean 'Lion'\? known: Ant, Lion"):
        registry["Lino"]
    with pytest.raises(UnknownName, match="unknown animal 'Zzz'; known: Ant, Lion"):
        registry["Zzz"]
    registry.add("Ant", str)
    with pytest.raises(ParameterError, match="animal 'Ant' is already declared in builtins; choose another name"):
        registry.add("Ant", float)
    registry.remove("Ant")
    assert "Ant" not in registry


def test_messages_stay_short() -> None:
    assert shorten("x" * 10_000) == "'" + "x" * 76 + "..."
    assert len(shorten("x" * 10_000, 20)) == 20
    assert shorten(10**10_000) == "<int>"
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert shorten(nested) == "<list>"
    assert len(unknown("thing", "y" * 10**6, ["a"])) < 200
    assert unknown("thing", 7, ["b", "a"]) == "unknown thing 7; known: a, b"


@pytest.mark.parametrize("value", [np.array(0.5), np.float32(0.5), np.float64(0.5)])
def test_a_number_in_an_array_of_no_dimensions(value: Any) -> None:
    assert Number("x", "", "a number").read(value) == 0.5
    assert type(Number("x", "", "a number").read(value)) is float


@pytest.mark.parametrize("value", [np.array([0.5]), np.array(True), np.bool_(True), np.array(1j), np.array("0.5")])
def test_other_arrays_are_no_numbers(value: Any) -> None:
    with pytest.raises(ValueError, match="be a number"):
        Number("x", "", "a number").read(value)


def test_a_number_that_is_not_known_yet() -> None:
    class Traced:
        shape = ()

        def item(self) -> float:
            raise TypeError("no value while tracing")

    with pytest.raises(ValueError, match="be a number, got .*Traced"):
        Number("x", "", "a number").read(Traced())
