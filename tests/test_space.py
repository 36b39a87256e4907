"""`Space`: what may be chosen, and every mistake said where it is made."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from learnrate.errors import LearnrateError, ParameterError, UnknownName, UsageError
from learnrate.finder.priors import rate_range
from learnrate.schedules import WSD, Constant, Cosine, Function, Linear, OneCycle
from learnrate.tuner import Space
from learnrate.tuner.space import DECAYS, SCHEDULES, WARMUPS

OWN = Linear(0, 1, "10%") >> Cosine(1, 0)


def chosen(space: Space, optimizer: str, dimension: str) -> list[Any]:
    """The values of one dimension, the first one included."""
    first = space.first(optimizer)
    arms = [first, *space.variations(first, dimension)]
    return [arm.settings[dimension] if dimension in arm.settings else getattr(arm, dimension) for arm in arms]


# -- what it holds


def test_the_default_holds_what_people_choose_between() -> None:
    space = Space()
    assert set(space.optimizer) == {"adamw", "sgd"}
    assert set(space.schedule) == {"linear", "cosine", "wsd", "one-cycle", "constant", "polynomial", "exponential"}
    for optimizer in space.optimizer:
        assert space.dimensions(optimizer) == ["schedule", "warmup", "weight_decay"]
        assert space.range(optimizer) == rate_range(optimizer)
        assert chosen(space, optimizer, "warmup") == list(WARMUPS)
        assert chosen(space, optimizer, "weight_decay") == list(DECAYS[optimizer])
    assert space.first("sgd").settings["momentum"] == 0.9


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_named_schedule_has_its_peak_at_1_and_trains(name: str) -> None:
    bound = SCHEDULES[name].over(600)
    assert bound.curve(600).max() == pytest.approx(1.0)
    arm = Space(schedule=name).first("adamw")
    assert arm.policy(0.02).over(600).lr.curve(600).max() == pytest.approx(0.02)


def test_a_schedule_that_rises_by_itself_gets_no_warmup_and_the_others_do() -> None:
    space = Space(schedule=["one-cycle", "cosine"], warmup=[20, 0])
    assert space.first("adamw").schedule == OneCycle(1.0)
    (cosine,) = space.variations(space.first("adamw"), "schedule")
    assert cosine.schedule == Linear(0, 1, 20) >> Cosine(1, 0)
    (plain,) = space.variations(cosine, "warmup")
    assert plain.schedule == Cosine(1, 0)
    assert space.variations(space.first("adamw"), "warmup") == []


@pytest.mark.parametrize("own", [Linear(1, 0), Constant(1.0), OWN, WSD(1.0, warmup=0), Function(lambda t: 1 - t / 1e6)])
def test_a_schedule_of_ones_own_is_taken_as_it_is(own: Any) -> None:
    space = Space(optimizer="adamw", schedule=own)
    assert space.first("adamw").schedule == own
    assert space.dimensions("adamw") == []


@pytest.mark.parametrize(
    "own",
    [Linear(0, 1, 2000) >> Cosine(1, 0), Linear(0, 1, "3ep") >> Cosine(1, 0), Linear(0, 1, "5e9tok") >> Cosine(1, 0)],
)
def test_warmup_is_put_before_what_begins_at_its_peak_whatever_units_it_is_in(own: Any) -> None:
    assert Space(optimizer="adamw", schedule=own, warmup="5%").first("adamw").schedule == own
    after = Space(optimizer="adamw", schedule=Cosine(1, 0), warmup="5%").first("adamw").schedule
    assert after == Linear(0, 1, "5%") >> Cosine(1, 0)


@pytest.mark.parametrize("nothing", [0, "0%", "0ep", "0.0%"])
def test_no_warmup_is_no_schedule_at_all(nothing: Any) -> None:
    assert Space(schedule="cosine", warmup=nothing).first("sgd").schedule == Cosine(1, 0)


def test_weight_decay_is_varied_unless_both_optimizer_and_schedule_are_given() -> None:
    own = Linear(1, 0)
    assert "weight_decay" in Space(optimizer="adamw").dimensions("adamw")
    assert "weight_decay" in Space(schedule=own).dimensions("adamw")
    assert Space(optimizer="adamw", schedule=own).dimensions("adamw") == []
    assert Space(optimizer="adamw", schedule=own).first("adamw").settings == {}
    assert Space(optimizer="adamw", schedule=own, weight_decay=[0.0, 0.1]).dimensions("adamw") == ["weight_decay"]
    fixed = Space(weight_decay=0.3)
    assert "weight_decay" not in fixed.dimensions("sgd")
    assert fixed.first("sgd").settings["weight_decay"] == 0.3
    assert Space(optimizer="lion").dimensions("lion") == ["schedule", "warmup"], "nobody here knows its usual decay"


def test_a_list_is_chosen_from_a_pair_is_searched_between_and_a_value_stays() -> None:
    space = Space(optimizer="sgd", schedule="linear", momentum=[0.8, 0.95], nesterov=True, beta2=(0.9, 0.98))
    assert chosen(space, "sgd", "momentum") == [0.8, 0.95]
    assert chosen(space, "sgd", "beta2") == pytest.approx([0.94, 0.9, 0.98])
    assert space.first("sgd").settings["nesterov"] is True
    assert "nesterov" not in space.dimensions("sgd")
    wide = Space(optimizer="adamw", schedule="linear", weight_decay=(1e-4, 1e-2))
    assert chosen(wide, "adamw", "weight_decay") == pytest.approx([1e-3, 1e-4, 1e-2]), "in decades where it is wide"


def test_names_of_optimizers_are_read_as_a_policy_reads_them() -> None:
    assert Space(optimizer=["SGD", "sgd", "AdamW"]).optimizer == ("sgd", "adamw")
    assert "weight_decay" in Space(optimizer="AdamW").dimensions("adamw")


@pytest.mark.parametrize(
    ("rate", "start"), [((1e-3, 1.0), 0.1), ((1e-6, 1e-4), 1e-5), (None, 0.1)], ids=["usual", "middle", "prior"]
)
def test_a_range_begins_at_the_usual_rate_or_in_its_middle(rate: Any, start: float) -> None:
    low, usual, high = Space(rate=rate).range("sgd")
    assert usual == pytest.approx(start)
    assert (low, high) == (rate or (rate_range("sgd").low, rate_range("sgd").high))


def test_every_variation_differs_in_its_dimension_alone_and_none_is_the_arm_itself() -> None:
    space = Space(momentum=[0.9, 0.95])
    for optimizer in space.optimizer:
        first = space.first(optimizer)
        for dimension in space.dimensions(optimizer):
            others = space.variations(first, dimension)
            assert others
            assert first not in others
            assert len(set(others)) == len(others)
            for other in others:
                assert other.optimizer == optimizer
                assert (other.settings == first.settings) == (dimension in ("schedule", "warmup"))


def test_what_optuna_is_told_covers_everything_that_may_be_chosen() -> None:
    told = Space(rate=(1e-3, 1e-1)).parameters()
    assert set(told["optimizer"]["choices"]) == {"adamw", "sgd"}
    space = Space()
    arms = [arm for name in space.dimensions("sgd")[:2] for arm in space.variations(space.first("sgd"), name)]
    assert {str(arm.schedule) for arm in arms} <= set(told["schedule"]["choices"])
    assert told["rate"]["low"] < 1e-3 < 1e-1 < told["rate"]["high"]


# -- as plain data

SPACES: list[dict[str, Any]] = [
    {},
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "schedule": "wsd"},
    {"optimizer": ["sgd", "lion"], "schedule": [OWN, "cosine"], "rate": (1e-3, 1), "warmup": ["5%", 0, 10, "1ep"]},
    {"weight_decay": (0.0, 0.1), "momentum": [0.9, 0.95], "nesterov": True, "kind": ["a", "b"], "beta1": 0.9},
    {"optimizer": "sgd", "schedule": Linear(1, 0), "beta2": [Cosine(0.9, 0.5), 0.99]},
]


@pytest.mark.parametrize("given", SPACES, ids=lambda given: "-".join(given) or "default")
def test_it_survives_json(given: dict[str, Any]) -> None:
    space = Space(**given)
    text = json.dumps(space.to_json(), allow_nan=False)
    back = Space.from_json(json.loads(text))
    assert back == space
    assert hash(back) == hash(space)
    assert json.dumps(back.to_json()) == text
    for optimizer in space.optimizer:
        assert back.dimensions(optimizer) == space.dimensions(optimizer)
        assert back.first(optimizer) == space.first(optimizer)
        for dimension in space.dimensions(optimizer):
            first = space.first(optimizer)
            assert back.variations(first, dimension) == space.variations(first, dimension)


def test_spaces_are_equal_by_what_they_hold() -> None:
    spaces = [Space(**given) for given in SPACES]
    assert [one == other for one in spaces for other in spaces] == [i == j for i in range(6) for j in range(6)]
    assert Space() == Space()
    assert Space() != Space(rate=(1e-3, 1.0))
    assert Space(optimizer="sgd", schedule=list(SCHEDULES)) != Space(optimizer="sgd"), "weight decay is varied there"
    assert Space() != "a space"
    assert repr(Space(optimizer="sgd", schedule="cosine", rate=(0.1, 1), momentum=[0.5])) == (
        "Space(optimizer=['sgd'], schedule=['cosine'], rate=(0.1, 1.0), momentum=[0.5])"
    )


# -- what is refused


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"optimizer": []}, ParameterError, "Space.optimizer must have at least one entry, got an empty list"),
        ({"schedule": ()}, ParameterError, "Space.schedule must have at least one entry"),
        ({"warmup": []}, ParameterError, "Space.warmup must have at least one entry"),
        ({"momentum": []}, ParameterError, "Space.momentum must have at least one entry"),
        ({"rate": (1, 0.1)}, ParameterError, r"Space.rate must be a pair with 0 < low < high, got \(1, 0.1\)"),
        ({"rate": (0.1, 0.1)}, ParameterError, "Space.rate must be a pair with 0 < low < high"),
        ({"rate": (-1, 1)}, ParameterError, "Space.rate must be a pair with 0 < low < high"),
        ({"rate": (0, 1)}, ParameterError, "Space.rate must be a pair with 0 < low < high"),
        ({"rate": (math.nan, 1)}, ParameterError, r"Space.rate must be a pair \(low, high\) of numbers, got \(nan"),
        ({"rate": (0.1, math.inf)}, ParameterError, r"Space.rate must be a pair \(low, high\) of numbers"),
        ({"rate": 0.1}, ParameterError, r"Space.rate must be a pair \(low, high\) of numbers, got 0.1"),
        ({"rate": (1, 2, 3)}, ParameterError, r"Space.rate must be a pair \(low, high\)"),
        ({"optimizer": "two words"}, ParameterError, "must be the name of an optimizer such as 'adamw'"),
        ({"optimizer": 3}, UsageError, "Space.optimizer must be names such as 'adamw', got 3"),
        ({"optimizer": {"sgd": 1}}, ParameterError, "Space.optimizer must be a value or a list of values"),
        ({"optimizer": [["sgd"]]}, ParameterError, "Space.optimizer must be a list of plain values"),
        ({"schedule": "cosin"}, UnknownName, "did you mean 'cosine'.*or a schedule whose peak is 1"),
        ({"schedule": 0.1}, UnknownName, "unknown schedule of a space '0.1'"),
        ({"schedule": Linear(0.5, 0)}, ParameterError, r"Linear\(0.5\) has 0.5: divide it by that.*\(1 / 0.5\) \*"),
        ({"schedule": ["linear", 2 * Cosine(1, 0)]}, ParameterError, "own peak is 1.*has 2: divide it by that"),
        ({"schedule": Linear(0.5, 0, "2ep")}, ParameterError, "own peak is 1.*has 0.5"),
        ({"schedule": Constant(0.0)}, ParameterError, "has 0: it never rises above 0"),
        ({"schedule": Function(lambda t: 3.0 + 0 * t)}, ParameterError, "own peak is 1.*has 3"),
        ({"warmup": "five"}, ParameterError, "must be a number of updates or text such as '5%'"),
        ({"warmup": -1}, ParameterError, "must be >= 0 updates, got -1"),
        ({"warmup": "200%"}, ParameterError, "at most 100% of the total"),
        ({"lr": [0.1]}, ParameterError, r"no dimension 'lr'; the rate is searched by itself, between rate=\(low, high"),
        ({"feedback": 1}, ParameterError, "no dimension 'feedback'"),
        ({"groups": 1}, ParameterError, "no dimension 'groups'"),
        ({"betas": (0.9, 0.99)}, ParameterError, "must not have the key 'betas': give beta1 and beta2"),
        ({"momentum": (0.99, 0.9)}, ParameterError, "Space.momentum must be a pair with low < high"),
        ({"momentum": [0.9, math.nan]}, ParameterError, "a finite number.* under 'momentum', got nan"),
        ({"momentum": math.inf}, ParameterError, "a finite number.* under 'momentum', got inf"),
        ({"momentum": [None]}, ParameterError, "under 'momentum', got None"),
    ],
    ids=lambda part: re.sub(r" at 0x[0-9a-f]+", "", str(part)),  # every process has to name the tests alike
)
def test_a_mistake_is_said_when_the_space_is_made(given: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        Space(**given)
    assert isinstance(caught.value, LearnrateError)
