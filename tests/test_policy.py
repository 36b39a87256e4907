"""Policies: what they take, what they refuse, and their text and JSON forms."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from learnrate.errors import FormulaError, NotationError, ParameterError, UnboundError, UnknownName
from learnrate.feedback import Plateau
from learnrate.notation import parse
from learnrate.policy import POLICIES, Policy
from learnrate.schedules import Constant, Cosine, Function, Linear
from learnrate.spec import draw

WARM = Linear(0, 1e-3, "5%") >> Cosine(1e-3)
FULL = Policy(
    "adamw",
    WARM,
    settings={"weight_decay": 0.01, "beta1": Cosine(0.95, 0.85), "amsgrad": True, "foreach": False},
    feedback=Plateau(factor=0.5, patience=2),
    groups={"head": 10},
)


def drawn(seed: int) -> Policy:
    """A random legal policy that can be written down, which a user's own function cannot."""
    rng = random.Random(seed)
    policies: Iterator[Policy] = iter(lambda: draw(POLICIES["Policy"], rng), None)
    return next(p for p in policies if not any(isinstance(s, Function) for s in p.schedules.values()))


def test_a_number_stands_for_a_schedule_that_never_changes() -> None:
    assert Policy("sgd", 0.1).lr == Constant(0.1)
    assert Policy("sgd", np.float32(0.5)) == Policy("SGD", 0.5)


def test_repr_is_the_expression_that_rebuilds_it() -> None:
    policy = Policy("adamw", WARM, settings={"weight_decay": 0.01})
    text = "Policy('adamw', Linear(0.0, 0.001, '5%') >> Cosine(0.001), settings={'weight_decay': 0.01})"
    assert repr(policy) == text
    assert parse(text) == policy
    assert repr(Policy("sgd", 0.1)) == "Policy('sgd', Constant(0.1))"
    assert parse(repr(FULL)) == FULL


@pytest.mark.parametrize("seed", range(60))
def test_drawn_policies_survive_text_json_pickle_and_copy(seed: int) -> None:
    policy = drawn(seed)
    data = json.loads(json.dumps(policy.to_json(), allow_nan=False))
    copies = pickle.loads(pickle.dumps(policy)), copy.deepcopy(policy)
    for again in (parse(repr(policy)), Policy.from_json(data), *copies):
        assert again == policy
        assert hash(again) == hash(policy)
        assert repr(again) == repr(policy)


def test_a_setting_keeps_its_kind() -> None:
    policy = Policy("lbfgs", 1.0, settings={"max_iter": 20, "line_search_fn": "strong_wolfe", "amsgrad": np.int64(3)})
    again = Policy.from_json(policy.to_json())
    assert [type(value) for value in again.settings.values()] == [int, str, int]


def test_the_order_of_settings_says_nothing() -> None:
    one = Policy("sgd", 0.1, {"momentum": 0.9, "nesterov": True})
    other = Policy("sgd", 0.1, {"nesterov": True, "momentum": 0.9})
    assert one == other
    assert hash(one) == hash(other)
    assert one != Policy("sgd", 0.1, {"momentum": 0.9})
    assert one != Policy("adam", 0.1, {"momentum": 0.9, "nesterov": True})


def test_a_switch_is_not_a_number() -> None:
    on, one = Policy("sgd", 0.1, {"nesterov": True}), Policy("sgd", 0.1, {"nesterov": 1})
    assert on != one
    assert one == Policy("sgd", 0.1, {"nesterov": 1.0})
    assert len({on, one, Policy("sgd", 0.1, {"nesterov": True})}) == 2
    assert on != "a policy"


def test_it_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="replace"):
        FULL.lr = WARM  # type: ignore[misc]
    for change in (
        lambda: FULL.settings.__setitem__("weight_decay", 1.0),  # type: ignore[attr-defined]
        lambda: FULL.settings.update(weight_decay=1.0),  # type: ignore[attr-defined]
        lambda: FULL.groups.pop("head"),  # type: ignore[attr-defined]
        lambda: FULL.groups.clear(),  # type: ignore[attr-defined]
    ):
        with pytest.raises(TypeError, match="replace"):
            change()
    given = {"momentum": 0.9}
    policy = Policy("sgd", 0.1, given)
    given["momentum"] = 0.0
    assert policy.settings["momentum"] == 0.9
    assert policy.replace(optimizer="adam").optimizer == "adam"
    assert policy.optimizer == "sgd"


def test_over_binds_every_schedule() -> None:
    assert not FULL.bound
    bound = FULL.over(1000)
    assert bound.bound
    assert bound.lr == Linear(0, 1e-3, 50) >> Cosine(1e-3, updates=950)
    assert bound.settings["beta1"] == Cosine(0.95, 0.85, 1000)
    assert bound.settings["weight_decay"] == 0.01
    assert bound.feedback == FULL.feedback
    assert bound.groups == FULL.groups
    assert bound.over(7) == bound


def test_over_takes_units_of_time() -> None:
    policy = Policy("sgd", Linear(0, 0.1, "2ep") >> Cosine(0.1), settings={"momentum": Linear(0.8, 0.9, "1000smp")})
    bound = policy.over(100, updates_per_epoch=10, samples_per_update=50)
    assert bound.lr(20) == 0.1
    assert bound.settings["momentum"] == Linear(0.8, 0.9, 20)
    with pytest.raises(UnboundError, match="updates_per_epoch"):
        policy.over(100)


def test_schedules_lists_all_of_them_lr_first() -> None:
    assert list(FULL.schedules) == ["lr", "beta1"]


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (lambda: Policy("", 0.1), "Policy.optimizer must be the name of an optimizer"),
        (lambda: Policy(3, 0.1), "Policy.optimizer must be the name"),  # type: ignore[arg-type]
        (lambda: Policy("sgd", "0.1"), "Policy.lr must be a schedule or a number"),  # type: ignore[arg-type]
        (lambda: Policy("sgd", float("nan")), "Policy.lr must be a schedule or a number, got nan"),
        (lambda: Policy("sgd", True), "Policy.lr must be a schedule or a number, got True"),
        (lambda: Policy("sgd", 10**400), "Policy.lr must be a schedule or a number, got 1000"),
        (lambda: Policy("sgd", Fraction(10**400)), "Policy.lr must be a schedule or a number"),  # type: ignore[arg-type]
        (lambda: Policy("adam", 0.1, {"eps": 10**400}), "under 'eps', got 1000"),
        (lambda: Policy("sgd"), "Policy.lr is missing"),
        (lambda: Policy("sgd", 0.1, {"lr": 0.2}), "Policy.lr"),
        (lambda: Policy("adam", 0.1, {"betas": (0.9, 0.99)}), "beta1 and beta2"),  # type: ignore[dict-item]
        (lambda: Policy("adam", 0.1, {"eps": float("inf")}), "finite number"),
        (lambda: Policy("adam", 0.1, {"weight decay": 0.1}), "names of settings"),
        (lambda: Policy("adam", 0.1, {"eps": None}), "under 'eps', got None"),  # type: ignore[dict-item]
        (lambda: Policy("adam", 0.1, [("eps", 1)]), "map names"),  # type: ignore[arg-type]
        (lambda: Policy("adam", 0.1, feedback="plateau"), "Policy.feedback must be a rule"),  # type: ignore[arg-type]
        (lambda: Policy("adam", 0.1, groups={"head": -1}), "under 'head'"),
        (lambda: Policy("adam", 0.1, groups={"": 1.0}), "names of groups"),
        (lambda: Policy("adam", 0.1, setting={}), "did you mean 'settings'"),  # type: ignore[call-arg]
    ],
)
def test_wrong_values_say_the_rule(build, rule) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ParameterError, match=rule):
        build()


@pytest.mark.parametrize("data", [None, 3, [], {}, {"type": "Cosine", "start": 1.0}, {"type": "Policy"}])
def test_json_of_something_else_is_refused(data: object) -> None:
    with pytest.raises(NotationError):
        Policy.from_json(data)


def test_a_users_own_function_has_no_written_form() -> None:
    with pytest.raises(NotationError, match=r"\$\.lr"):
        Policy("sgd", Function(abs)).to_json()


def test_code_builds_the_same_rates_and_settings() -> None:
    torch = pytest.importorskip("torch", reason="the code form is made of torch")
    from learnrate.torch import build

    policy = FULL.replace(groups={}).over(40)
    scope: dict[str, Any] = {}
    exec(policy.code("torch"), scope)  # noqa: S102 - our own text, never a person's
    assert "learnrate" not in policy.code("torch")
    weights = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    ours = build(policy, [weights[0]])
    theirs = scope["build"]([weights[1]])
    assert type(ours[0]) is type(theirs[0]) is torch.optim.AdamW
    for t in range(45):
        for weight, (optimizer, scheduler) in zip(weights, (ours, theirs), strict=True):
            weight.grad = weight.detach() + t
            optimizer.step()
            scheduler.step()
            if t % 4 == 0:
                scheduler.observe(1.0)
        assert torch.equal(*weights), f"they part at update {t}"
        for name in ("lr", "betas", "weight_decay"):
            assert ours[0].param_groups[0][name] == pytest.approx(theirs[0].param_groups[0][name], rel=1e-12, abs=1e-18)
    assert ours[0].param_groups[0]["lr"] == 0.0
    assert ours[1].observe(2.0) < 0.1, "the rule was heard"


def test_code_says_what_it_cannot_do() -> None:
    pytest.importorskip("torch", reason="the code form is made of torch")
    with pytest.raises(UnknownName, match="known: torch"):
        FULL.over(10).code("fortran")
    with pytest.raises(UnboundError, match="over"):
        FULL.code()
    with pytest.raises(FormulaError, match="keras"):
        FULL.replace(feedback=Plateau(convention="keras")).over(10).code()
