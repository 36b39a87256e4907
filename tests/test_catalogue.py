"""The catalogue: properties that every class must have, on drawn instances; and what each class is for."""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import learnrate as lr
from drawn import OWN, PRINTABLE, instance, peak_of, times
from learnrate import schedules
from learnrate.clock import LengthKind
from learnrate.errors import FormulaError, ParameterError, UnboundError
from learnrate.listing import class_latex
from learnrate.schedule import SCHEDULES, Recipe, Schedule, Shape
from learnrate.spec import Choice, Flag, Number, Numbers

EVERY = pytest.mark.parametrize("cls", OWN.values(), ids=list(OWN))


@pytest.fixture(autouse=True)
def _every_floating_point_warning_is_an_error() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


def draws(cls: type[Schedule], count: int = 15) -> list[Any]:
    rng = random.Random(cls.__name__)
    return [instance(cls, rng) for _ in range(count)]


# --- the registry


def test_every_shape_that_was_asked_for_is_there() -> None:
    wanted = """
        Constant Linear Polynomial Cosine Exponential NaturalExponential Geometric InverseTime InverseSqrt PowerLaw Noam
        Step MultiStep PiecewiseConstant Interpolation CosineInterpolation Tanh REX Hyperbolic ExponentialHyperbolic
        Chebyshev SlantedTriangular Triangular OneCycle SGDR WSD SquareRootAnnealing Logarithmic Quadratic Noise
        Function
    """
    assert set(wanted.split()) <= set(OWN)


def test_names_are_flat_and_public() -> None:
    assert schedules.__all__ == sorted(OWN)
    for name, cls in OWN.items():
        assert getattr(lr, name) is getattr(schedules, name) is cls is SCHEDULES[name]
        assert name in lr.__all__
    found = {
        name
        for module in (schedules.shapes, schedules.recipes, schedules.points)  # type: ignore[attr-defined]
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and issubclass(cls, (Shape, Recipe)) and cls.__module__ == module.__name__
    }
    assert found == set(OWN), "what is declared is registered"


@EVERY
def test_a_class_is_a_shape_or_a_recipe_and_says_what_it_is_for(cls: type[Schedule]) -> None:
    assert cls.__bases__ in ((Shape,), (Recipe,)), "a base or a leaf: no inheritance for reuse"
    doc = inspect.getdoc(cls) or ""
    assert doc.split("\n\n")[0].endswith(".")
    assert "\nPick " in doc
    assert ">>> " in doc, "an example with real numbers"


@EVERY
def test_each_parameter_is_declared_whole(cls: type[Schedule]) -> None:
    assert cls.kinds
    symbols = [kind.symbol for kind in cls.kinds.values()]
    assert all(symbols)
    assert len(set(symbols)) == len(symbols), "one symbol, one parameter"
    for name, kind in cls.kinds.items():
        assert kind.help, name
        assert not kind.help.endswith("."), name
        if isinstance(kind, LengthKind):
            assert kind.unit == "updates"


@EVERY
def test_values_come_before_the_length(cls: type[Schedule]) -> None:
    """Start value, end value, length: then whatever else."""
    names = list(cls.kinds)
    if {"start", "end", "updates"} <= set(names) and cls is not lr.WSD:
        assert names[:3] == ["start", "end", "updates"]
    elif {"start", "end"} <= set(names) and cls is not lr.WSD:
        assert names[:2] == ["start", "end"]


# --- what they refuse


def wrong_values(kind: Any) -> list[Any]:
    """Values just outside the rules of a parameter."""
    if isinstance(kind, Number):
        wrong: list[Any] = ["1", True, math.nan, math.inf, -math.inf, 1j, [1.0], 10**400]
        wrong += [bound for bound in (kind.gt, kind.lt) if math.isfinite(bound)]
        wrong += [math.nextafter(kind.ge, -math.inf)] if math.isfinite(kind.ge) and not kind.whole else []
        wrong += [math.nextafter(kind.le, math.inf)] if math.isfinite(kind.le) and not kind.whole else []
        wrong += [int(kind.ge) - 1] if math.isfinite(kind.ge) and kind.whole else []
        wrong += [int(kind.le) + 1] if math.isfinite(kind.le) and kind.whole else []
        return wrong + [1.5] * kind.whole + [None] * (not kind.optional)
    if isinstance(kind, LengthKind):
        return [kind.least - 1, 1.5, True, "5 steps", "-1%", math.nan, [1], 2**53 + 1] + [None] * (not kind.rest)
    if isinstance(kind, Choice):
        return ["", "other", None, 1, True]
    if isinstance(kind, Flag):
        return [1, 0, None, "True"]
    if isinstance(kind, Numbers):
        return [[], "12", 3, None, [math.nan], ["1"], [True], {"a": 1}] + [[2, 1], [1, 1]] * kind.rising
    return [None, 3, "abs", lr.Constant(1)]


@EVERY
def test_each_parameter_refuses_what_its_rule_forbids(cls: type[Schedule]) -> None:
    drawn = draws(cls, 1)[0]
    for name, kind in cls.kinds.items():
        for wrong in wrong_values(kind):
            with pytest.raises(ParameterError) as caught:
                drawn.replace(**{name: wrong})
            assert str(caught.value).startswith(f"{cls.__name__}.{name} must "), (name, wrong, str(caught.value))


def test_rules_across_parameters() -> None:
    for build, message in (
        (lambda: lr.PiecewiseConstant([1, 2], [3, 4]), "one value more than boundaries, got 2 values and 2 boundaries"),
        (lambda: lr.Interpolation([0, 1], [1]), "one value per knot, got 2 knots and 1 values"),
        (lambda: lr.CosineInterpolation([0], [1, 2]), "one value per knot"),
        (lambda: lr.MultiStep(1, [7, 3]), r"must not fall \(updates\), got \[7, 3\]"),
        (lambda: lr.WSD(1, 0, 100, shape="exponential"), "WSD.end must be > 0 rate for an exponential decay"),
        (lambda: lr.WSD(0.1, 1, 100), r"WSD\.end must be <= its peak of 0\.1, got 1\.0"),
        (lambda: lr.WSD(1, 0, 100, warmup=60, decay=60), "take 120 of 100 updates"),
        (lambda: lr.OneCycle(1, 100, phases=3, warmup=60), "take 120 of 100 updates"),
        (lambda: lr.SGDR(1, 0, 10, stretch=1.001), r"stretch must be 1 or at least 1\.01"),
        (lambda: lr.Exponential(1, 1.1), "Exponential.factor must be <= 1, got 1.1"),
    ):
        with pytest.raises(ParameterError, match=message):
            build()


# --- what they compute


@EVERY
def test_extreme_parameters_stay_finite(cls: type[Schedule]) -> None:
    t = np.array([0, 1, 2, 10, 100, 1e5, 1e9, 2.0**53])
    drawn = draws(cls, 1)[0]
    for name, kind in cls.kinds.items():
        if not isinstance(kind, Number):
            continue
        extremes = [bound for bound in (kind.ge, kind.le) if math.isfinite(bound)]
        extremes += [kind.gt + 1e-12, kind.gt + 1e-3] if math.isfinite(kind.gt) else []
        extremes += [1e-300, 1e6, 0.0, -1.0] if kind.unit == "rate" else []
        extremes += [1e6, 1e15] if math.isinf(min(kind.le, kind.lt)) else []
        for extreme in extremes:
            try:
                schedule = drawn.replace(**{name: extreme})
            except ParameterError:
                continue
            values = schedule(t)
            assert np.isfinite(values).all(), schedule
            assert [schedule(x) for x in t.tolist()] == pytest.approx(values, rel=0, abs=1e-13 * peak_of(values) or 0.0)


STARTS = {name for name, cls in OWN.items() if "start" in cls.kinds} - {"Chebyshev"}
ENDS = {"Linear", "Polynomial", "Cosine", "Geometric", "REX", "PowerDecay", "Logarithmic", "Quadratic", "WSD"}
ENDS |= {"ExponentialHyperbolic", "Hyperbolic"}  # with a ratio of 1
FALLING = [
    "Linear",
    "Polynomial",
    "Cosine",
    "Exponential",
    "NaturalExponential",
    "Geometric",
    "Step",
    "InverseTime",
    "InverseSqrt",
    "PowerLaw",
    "Tanh",
    "REX",
    "Hyperbolic",
    "ExponentialHyperbolic",
    "Chebyshev",
    "PowerDecay",
    "MultiStep",
    "SquareRootAnnealing",
]


@pytest.mark.parametrize("name", sorted(STARTS))
def test_it_starts_where_it_says(name: str) -> None:
    for schedule in draws(OWN[name]):
        tolerance = math.exp(2 * schedule.lower) if name == "Tanh" else 1e-15  # a tangent never quite gets there
        if name == "MultiStep" and schedule.milestones[0] == 0:
            continue
        assert abs(schedule(0) - schedule.start) <= tolerance * abs(schedule.start) * 1.01 + 1e-18, schedule


@pytest.mark.parametrize("name", sorted(ENDS))
def test_it_ends_exactly_where_it_says(name: str) -> None:
    for schedule in draws(OWN[name]):
        if "ratio" in schedule.kinds:
            schedule = schedule.replace(ratio=1)
        end = schedule(schedule.length)
        exact = name in ("Linear", "Polynomial", "Cosine", "REX", "PowerDecay", "Logarithmic", "Quadratic")
        assert end == schedule.end if exact else abs(end - schedule.end) <= 1e-13 * schedule.peak, schedule


@pytest.mark.parametrize("name", FALLING)
def test_a_decay_never_rises(name: str) -> None:
    for schedule in draws(OWN[name]):
        if "end" in schedule.kinds and schedule.end >= schedule.start:
            continue
        curve = schedule.curve(1000)
        assert (np.diff(curve) <= 1e-15 * curve[0]).all(), schedule


@EVERY
def test_fractions_of_an_update_lie_between_their_neighbours(cls: type[Schedule]) -> None:
    """A schedule is defined between updates too."""
    for schedule in draws(cls, 5):
        values = schedule(np.arange(0, 300, 0.25))
        assert np.isfinite(values).all()
        assert values.min() >= min(0.0, schedule.curve(400).min() * 0.5)


@EVERY
def test_a_length_may_wait(cls: type[Schedule]) -> None:
    lengths = [name for name, kind in cls.kinds.items() if isinstance(kind, LengthKind)]
    for schedule in draws(cls, 3):
        for name in lengths:
            waiting = schedule.replace(**{name: "5%"})
            if "updates" in lengths and name != "updates":
                assert waiting.bound, "percent of the recipe's own length"
                continue
            assert not waiting.bound
            with pytest.raises(UnboundError, match="bind it with"):
                waiting(0)
            bound = waiting.over(100_000)
            assert bound.bound
            assert math.isfinite(bound(10))
        if "updates" in lengths:
            open_ended = getattr(cls, "open_ended", False)
            without = schedule.replace(updates=None)
            assert without.bound is open_ended
            assert without.over(500).length == (math.inf if open_ended else 500)
            followed = (without >> lr.Constant(0, 10)).over(500)
            assert followed.length == 500


@EVERY
def test_it_takes_part_in_the_algebra(cls: type[Schedule]) -> None:
    for schedule in draws(cls, 3):
        end = int(min(schedule.length, 100))
        whole = (lr.Linear(0, 1, 5) >> schedule.cut(end).clip(0)) * lr.Constant(2)
        t = np.arange(end + 20)
        expected = 2 * np.where(t < 5, t / 5, np.maximum(schedule(np.clip(t - 5, 0, end)), 0))
        if end:
            assert np.abs(whole(t) - expected).max() <= 1e-12 * peak_of(expected)


# --- shapes and recipes


@pytest.mark.parametrize("name", [name for name, cls in OWN.items() if issubclass(cls, Recipe)])
def test_a_recipe_is_its_meaning(name: str) -> None:
    rng = random.Random(name)
    for recipe in draws(OWN[name]):
        meaning = recipe.algebra
        assert isinstance(meaning, Schedule)
        assert not isinstance(meaning, OWN[name])
        t = times(recipe, rng)
        assert (recipe(t) == meaning(t)).all()
        assert recipe.length == meaning.length
        assert recipe.latex() == meaning.latex()


@pytest.mark.parametrize("name", [name for name, cls in PRINTABLE.items() if issubclass(cls, Shape)])
def test_the_formula_of_a_shape_says_its_symbols(name: str) -> None:
    cls: Any = OWN[name]
    if any(isinstance(kind, Numbers) for kind in cls.kinds.values()):
        with pytest.raises(FormulaError, match="print the formula of an instance"):
            class_latex(cls)
        return
    text = class_latex(cls)
    for key, kind in cls.kinds.items():
        ends = key == "updates" and getattr(cls, "open_ended", False)
        assert ends or kind.symbol in text, (key, text)


def test_percent_inside_a_recipe_is_of_its_own_length() -> None:
    assert lr.WSD(1, 0, 200).algebra == lr.Linear(0, 1, 10) >> lr.Constant(1, 150) >> lr.Linear(1, 0, 40)
    assert lr.WSD(1).over(200) == lr.WSD(1, 0, 200, warmup=10, decay=40)
    behind = (lr.Constant(0, 100) >> lr.WSD(1)).over(300)
    assert behind == lr.Constant(0, 100) >> lr.WSD(1, 0, 200, warmup=10, decay=40)
    assert lr.OneCycle(1, 10).algebra == lr.Cosine(0.04, 1, 3) >> lr.Cosine(1, 4e-6, 7)
    assert lr.WSD(1, 0, 200, warmup="2ep").over(200, updates_per_epoch=7).algebra.parts[0].length == 14
    assert lr.SGDR(1, 0).over(200) == lr.SGDR(1, 0, 20)
    assert lr.Noam(64).over(1000) == lr.Noam(64, 40)


def test_a_repeated_milestone_counts_twice() -> None:
    assert lr.MultiStep(1.0, [2, 2, 5], 0.5)([1, 2, 4, 5]).tolist() == [1, 0.25, 0.25, 0.125]
    assert lr.MultiStep(1.0, [0, 3], 0.5)([0, 2, 3]).tolist() == [0.5, 0.5, 0.25]
    assert lr.MultiStep(1.0, [0], 0.5)([0, 9]).tolist() == [0.5, 0.5]


def test_triangular_cycles() -> None:
    plain = lr.Triangular(0.1, 1.1, 2, 3)
    assert plain([0, 1, 2, 5, 7, 10, 12]).tolist() == pytest.approx([0.1, 0.6, 1.1, 0.1, 1.1, 0.1, 1.1])
    halved = lr.Triangular(0.1, 1.1, 2, height="halved")
    assert halved([2, 6, 10, 4, 8]).tolist() == pytest.approx([1.1, 0.6, 0.35, 0.1, 0.1])
    shrinking = lr.Triangular(0.1, 1.1, 2, height="exponential", factor=0.9)
    assert shrinking([2, 6]).tolist() == pytest.approx([0.1 + 0.9**2, 0.1 + 0.9**6])


def test_three_phases() -> None:
    cycle = lr.OneCycle(1, 100, warmup=30, phases=3, between="linear")
    assert cycle([0, 30, 60, 100]).tolist() == pytest.approx([0.04, 1, 0.04, 4e-6])


# --- points


def test_a_recorded_curve_becomes_a_schedule() -> None:
    rng = np.random.default_rng(3)
    curve = rng.random(500)
    recorded = lr.Interpolation(range(500), curve)
    assert (recorded.curve(500) == curve).all()
    assert recorded(499) == recorded(10**9) == curve[-1]
    smooth = lr.CosineInterpolation(range(500), curve)
    assert (smooth.curve(500) == curve).all()
    assert recorded(np.arange(0, 499, 0.1)) == pytest.approx(np.interp(np.arange(0, 499, 0.1), np.arange(500), curve))


def test_before_the_first_knot_and_after_the_last() -> None:
    points = lr.Interpolation([5.5, 10], [1, 2])
    assert points([0, 5.5, 10, 11]).tolist() == [1, 1, 2, 2]
    assert points.length == 10
    assert lr.Interpolation([0, 2.5], [1, 2]).length == 3
    assert lr.Interpolation([0, 2**53], [1, 2])([0, math.inf]).tolist() == [1, 2]
    assert lr.Interpolation([7], [3])([0, 7, 9]).tolist() == [3, 3, 3]


# --- noise


def test_noise_is_even_independent_and_seeded() -> None:
    n = 200_000
    values = lr.Noise(1.0, seed=7)(np.arange(n)) - 1  # between -1 and 1
    assert -1 <= values.min() < -0.999
    assert 0.999 < values.max() < 1
    assert abs(values.mean()) < 5 / math.sqrt(3 * n)
    assert abs(values.var() - 1 / 3) < 0.005
    counts, _ = np.histogram(values, 100, (-1, 1))
    assert ((counts - n / 100) ** 2 / (n / 100)).sum() < 99 + 5 * math.sqrt(2 * 99)
    for lag in (1, 2, 3, 10, 2039, 4096):
        correlation = np.corrcoef(values[:-lag], values[lag:])[0, 1]
        assert abs(correlation) < 5 / math.sqrt(n), lag
    pairs, _, _ = np.histogram2d(values[:-1], values[1:], 16)
    expected = (n - 1) / 256
    assert ((pairs - expected) ** 2 / expected).sum() < 255 + 6 * math.sqrt(2 * 255), "also jointly even"


def test_seeds_differ_and_repeat() -> None:
    t = np.arange(5000)
    one = lr.Noise(1.0, seed=1)(t)
    assert (lr.Noise(1.0, seed=1)(t[::-1])[::-1] == one).all()
    for seed in (0, 2, 3, 2039, 2040, 2**40, 2**53):
        other = lr.Noise(1.0, seed=seed)(t)
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / math.sqrt(t.size), seed
        assert np.unique(other).size > 4900
    far = lr.Noise(1.0, seed=1)(t + 10**12)
    assert abs(np.corrcoef(one, far)[0, 1]) < 5 / math.sqrt(t.size)
    assert lr.Noise(0)(3) == 1


def test_noise_stays_within_its_amplitude() -> None:
    schedule = lr.Cosine(1e-3, 0, 1000) * lr.Noise(0.1, seed=3)
    ratio = schedule.curve(1000) / lr.Cosine(1e-3, 0, 1000).curve()
    assert ratio.min() >= 0.9
    assert ratio.max() <= 1.1
    assert lr.Noise(0.5)(3.75) == lr.Noise(0.5)(3), "one value for each update"
