"""The rules that listen: each convention against the library that sets it, on drawn reports."""

from __future__ import annotations

import json
import math
import os
import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from learnrate.errors import ParameterError, StateError, UnknownName, UsageError
from learnrate.feedback import RULES, Greedy, Plateau, Rule
from learnrate.spec import draw

os.environ.setdefault("KERAS_BACKEND", "jax")


def factors(rule: Rule, metrics: Iterable[float]) -> list[float]:
    state, heard = rule.start(), []
    for metric in metrics:
        state, factor = rule(state, metric)
        heard.append(factor)
    return heard


def reports(rng: random.Random, count: int = 60) -> list[float]:
    """Reports that improve, stall and jump; on a grid that float32 holds exactly, so that every library sees the same.

    The grid has ties on purpose, and now and then a report is NaN.
    """
    level, metrics = rng.randint(40, 300), []
    for _ in range(count):
        level += rng.choice((-6, -3, -1, 0, 0, 0, 1, 2, 5))
        metrics.append(math.nan if rng.random() < 0.04 else level / 64)
    return metrics


def drawn(rng: random.Random, convention: str) -> tuple[dict[str, Any], list[float]]:
    values = {
        "factor": rng.choice((0.5, 0.25, 0.1)),
        "patience": rng.randint(0, 4),
        "cooldown": rng.choice((0, 0, 1, 2, 5)),
        "threshold": rng.choice((1e-4, 1 / 128, 1 / 16)),
        "mode": "min" if convention == "optax" else rng.choice(("min", "max")),
        "floor": rng.choice((0.0, 0.0, 0.25, 0.01)),
    }
    metrics = reports(rng)
    if rng.random() < 0.2:
        metrics[0] = rng.choice((math.nan, math.inf, -math.inf))
    if rng.random() < 0.3 and convention != "keras":
        metrics = [-metric for metric in metrics]  # where a relative threshold misbehaves
    return values, metrics


def agree(ours: list[float], theirs: list[float], tolerance: float) -> None:
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=0)


def torch_rates(values: dict[str, Any], metrics: list[float], **more: Any) -> list[float]:
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    named = {key: value for key, value in values.items() if key != "floor"}
    peer = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, min_lr=values["floor"], **named, **more)
    rates = []
    for metric in metrics:
        peer.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("seed", range(60))
def test_plateau_of_torch(seed: int) -> None:
    rng = random.Random(seed)
    values, metrics = drawn(rng, "torch")
    spread, eps = rng.choice(("rel", "abs")), rng.choice((1e-8, 1e-3, 0.05))
    ours = factors(Plateau(**values, threshold_mode=spread, eps=eps), metrics)
    agree(ours, torch_rates(values, metrics, threshold_mode=spread, eps=eps), 1e-12)


def test_plateau_defaults_are_those_of_torch() -> None:
    metrics = [1.0, 0.5, 0.5 - 4e-5, *([0.5] * 100)]
    agree(factors(Plateau(), metrics), torch_rates({"floor": 0.0}, metrics), 1e-12)


@pytest.fixture(scope="module")
def keras_model() -> Any:
    import keras

    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
    return model


def keras_rates(model: Any, metrics: list[float], **settings: Any) -> list[float]:
    import keras

    model.optimizer.learning_rate = 1.0
    callback = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", **settings)
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, metric in enumerate(metrics):
        callback.on_epoch_end(epoch, {"val_loss": metric})
        rates.append(float(model.optimizer.learning_rate))
    return rates


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, on its variables
@pytest.mark.parametrize("seed", range(15))
def test_plateau_of_keras(seed: int, keras_model: Any) -> None:
    values, metrics = drawn(random.Random(seed), "keras")
    ours = factors(Plateau(**values, convention="keras"), metrics)
    settings = {key: values[key] for key in ("factor", "patience", "cooldown", "mode")}
    theirs = keras_rates(keras_model, metrics, min_delta=values["threshold"], min_lr=values["floor"], **settings)
    agree(ours, theirs, 1e-6)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, on its variables
def test_plateau_defaults_are_those_of_keras(keras_model: Any) -> None:
    metrics = [1.0, 0.5, 0.5 - 4e-5, *([0.5] * 40)]
    agree(factors(Plateau(convention="keras"), metrics), keras_rates(keras_model, metrics), 1e-6)


def optax_scales(metrics: list[float], **settings: Any) -> list[float]:
    import jax
    import jax.numpy as jnp
    import optax.contrib

    peer = optax.contrib.reduce_on_plateau(**settings)
    parameters = {"w": jnp.zeros(1)}
    state, update = peer.init(parameters), jax.jit(peer.update)
    scales = []
    for metric in metrics:
        _, state = update(parameters, state, value=metric)
        scales.append(float(state.scale))
    return scales


@pytest.mark.parametrize("seed", range(25))
def test_plateau_of_optax(seed: int) -> None:
    rng = random.Random(seed)
    values, metrics = drawn(rng, "optax")
    spread, average = rng.choice(("rel", "abs", "both")), rng.choice((1, 1, 2, 4))
    atol = 1 / 64 if spread == "both" else 0.0
    ours = Plateau(**values, convention="optax", threshold_mode="abs" if spread == "abs" else "rel", atol=atol,
                   average=average)  # fmt: skip
    margins = {"rtol": 0.0, "atol": values["threshold"]} if spread == "abs" else {
        "rtol": values["threshold"], "atol": atol}  # fmt: skip
    theirs = optax_scales(metrics, factor=values["factor"], patience=values["patience"], cooldown=values["cooldown"],
                          min_scale=values["floor"], accumulation_size=average, **margins)  # fmt: skip
    agree(factors(ours, metrics), theirs, 1e-6)


def test_plateau_defaults_are_those_of_optax() -> None:
    metrics = [1.0, 0.5, 0.5 - 4e-5, *([0.5] * 40)]
    agree(factors(Plateau(convention="optax"), metrics), optax_scales(metrics), 1e-6)


# The rate after reports 0 to 6 of a metric that never changes, patience 2, factor 0.1, as the libraries gave it.
@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("torch", [1, 1, 1, 0.1, 0.1, 0.1, 0.01]),
        ("paddle", [1, 1, 1, 0.1, 0.1, 0.1, 0.01]),
        ("keras", [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001]),
        ("optax", [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001]),
    ],
)
def test_plateau_on_a_constant_metric(convention: str, expected: list[float]) -> None:
    agree(factors(Plateau(patience=2, convention=convention), [0.7] * 7), expected, 1e-12)


def test_paddle_does_not_hear_a_new_best_during_cooldown() -> None:
    metrics = [2.0, 2.0, 1.0, 1.5, 1.5, 1.5, 1.5]  # reduced at report 1; 1.0 comes during the cooldown
    settings = {"patience": 0, "factor": 0.5, "cooldown": 1}
    assert factors(Plateau(**settings), metrics) == [1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    assert factors(Plateau(**settings, convention="paddle"), metrics) == [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_paddle_never_beats_a_first_report_of_nan_and_torch_does() -> None:
    metrics = [math.nan, 3.0, 2.0, 1.0]
    assert factors(Plateau(factor=0.5, patience=1, convention="paddle"), metrics)[-1] == 0.5
    assert factors(Plateau(factor=0.5, patience=1), metrics)[-1] == 1.0


@pytest.mark.parametrize("convention", ["torch", "paddle"])
def test_reductions_within_eps_are_left_out(convention: str) -> None:
    rule = Plateau(factor=0.1, patience=0, convention=convention)
    assert min(factors(rule, [1.0] * 20)) == pytest.approx(1e-8, rel=1e-12)
    assert min(factors(rule.replace(eps=0.0), [1.0] * 20)) < 1e-18


def test_optax_keeps_its_multiplier_at_the_floor() -> None:
    assert factors(Plateau(patience=1, floor=0.03, convention="optax"), [1.0] * 6) == [1, 0.1, 0.03, 0.03, 0.03, 0.03]


@pytest.mark.parametrize("seed", range(60))
def test_greedy_of_transformers(seed: int) -> None:
    import torch
    from transformers.optimization import GreedyLR

    rng = random.Random(seed)
    settings: dict[str, Any] = {
        "factor": rng.choice((0.5, 0.8, 0.95)),
        "patience": rng.randint(0, 3),
        "threshold": rng.choice((1e-6, 1 / 64)),
        "threshold_mode": rng.choice(("abs", "rel")),
        "cooldown": rng.choice((0, 0, 1, 3)),
        "warmup": rng.choice((0, 0, 1, 3)),
        "mode": rng.choice(("min", "max")),
        "eps": rng.choice((1e-8, 0.02)),
    }
    window, reset = rng.choice((1, 1, 3, 7)), rng.choice((1, 2, 500))
    floor, ceiling = rng.choice((0.3, 0.01)), rng.choice((1.5, 10.0))
    metrics = reports(rng, 200)
    if window > 1 and rng.random() < 0.5:
        metrics = [1.0 if math.isnan(metric) else metric for metric in metrics]  # one NaN stays in a running sum
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    peer = GreedyLR(optimizer, min_lr=floor, max_lr=ceiling, smooth=window > 1, window_size=window,
                    reset_start=reset, **settings)  # fmt: skip
    theirs = []
    for metric in metrics:
        peer.step(metric)
        theirs.append(optimizer.param_groups[0]["lr"])
    rule = Greedy(**settings, floor=floor, ceiling=ceiling, window=window, reset=reset)
    agree(factors(rule, metrics), theirs, 1e-12)


def test_greedy_defaults_are_those_of_transformers_at_a_tenth() -> None:
    import torch
    from transformers.optimization import GreedyLR

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    peer = GreedyLR(optimizer)
    metrics = [1.0 / (1 + t) for t in range(200)] + [1.0] * 2000
    theirs = []
    for metric in metrics:
        peer.step(metric)
        theirs.append(optimizer.param_groups[0]["lr"] / 0.1)
    agree(factors(Greedy(), metrics), theirs, 1e-6)  # eps bounds the rate there and the factor here


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", list(RULES))
def test_a_rule_is_pure_and_resumes_from_json(name: str, seed: int) -> None:
    rng = random.Random(seed)
    rule = draw(RULES[name], rng)
    metrics = reports(rng, 80)
    metrics[rng.randint(0, 10)] = rng.choice((math.inf, -math.inf, math.nan))
    straight = factors(rule, metrics)
    state, resumed = rule.start(), []
    for metric in metrics:
        before = json.dumps(state, allow_nan=False)
        once, again = rule(state, metric), rule(state, metric)
        assert once == again
        assert json.dumps(state, allow_nan=False) == before, "the rule changed the state it was given"
        state = json.loads(json.dumps(once[0], allow_nan=False))
        assert state == once[0]
        assert rule.multiplier(state) == once[1]
        resumed.append(once[1])
    assert resumed == straight
    assert rule.start()["factor"] == 1.0


@pytest.mark.parametrize("name", list(RULES))
def test_a_rule_is_a_value(name: str) -> None:
    import copy
    import pickle

    rule = draw(RULES[name], random.Random(3))
    assert rule == copy.deepcopy(rule) == pickle.loads(pickle.dumps(rule))
    assert hash(rule) == hash(rule.replace())
    assert RULES[type(rule).__name__] is type(rule)


@pytest.mark.parametrize("name", list(RULES))
@pytest.mark.parametrize("damage", [
    lambda state: None, lambda state: [1, 2], lambda state: {}, lambda state: state | {"new": 1},
    lambda state: state | {"factor": -1.0}, lambda state: state | {"factor": "nan"},
    lambda state: state | {"bad": -1}, lambda state: state | {"bad": 1.5}, lambda state: state | {"bad": True},
    lambda state: state | {"best": "low"}, lambda state: state | {"best": [1]}, lambda state: state | {"factor": None},
    lambda state: state | {"best": 10**400}, lambda state: state | {"best": -(10**400)},
    lambda state: state | {"bad": 10**400}, lambda state: state | {"best": np.zeros(2)},
])  # fmt: skip
def test_a_damaged_state_is_refused(name: str, damage: Any) -> None:
    rule = RULES[name]()
    with pytest.raises(StateError, match=name):
        rule(damage(rule.start()), 1.0)


@pytest.mark.parametrize("metric", [None, "0.5", True, [1.0], 1j, {"loss": 1}, np.zeros(2), np.zeros(0), 10**400])
def test_a_metric_is_one_number(metric: Any) -> None:
    with pytest.raises(UsageError, match="metric"):
        Plateau()(Plateau().start(), metric)


def test_a_metric_may_be_an_array_or_a_tensor_of_one_number() -> None:
    import torch

    plain = Plateau()(Plateau().start(), 0.25)
    for metric in (np.float32(0.25), np.array(0.25), np.array([0.25]), torch.tensor(0.25), torch.tensor([[0.25]])):
        assert Plateau()(Plateau().start(), metric) == plain
    with pytest.raises(UsageError):
        Plateau()(Plateau().start(), torch.zeros(2))


@pytest.mark.parametrize(("values", "message"), [
    ({"factor": 1.0}, "Plateau.factor must be"),
    ({"patience": -1}, "Plateau.patience must be >= 0 reports, got -1"),
    ({"mode": "auto"}, "Plateau.mode must be one of 'min', 'max'"),
    ({"convention": "keras", "threshold_mode": "rel"}, "Keras compares differences"),
    ({"atol": 0.1}, "belongs to convention='optax'"),
    ({"convention": "optax", "threshold": 0.0}, "must be > 0 with convention='optax'"),
    ({"convention": "optax", "threshold": 1.5}, "must be <= 1 with convention='optax'"),
    ({"min_lr": 0.1}, "unknown parameter of Plateau 'min_lr'"),
])  # fmt: skip
def test_bad_parameters_say_the_rule(values: dict[str, Any], message: str) -> None:
    with pytest.raises((ParameterError, UnknownName)) as caught:
        Plateau(**values)
    assert message in str(caught.value)


def test_an_unknown_rule_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="unknown feedback rule 'plateau'; did you mean 'Plateau'.*Greedy, Plateau"):
        RULES["plateau"]


def test_a_new_rule_is_one_class() -> None:
    class Halve(Rule):
        """Halve at every report."""

        def listen(self, state: dict[str, Any], value: float) -> dict[str, Any]:
            return state | {"factor": state["factor"] / 2}

    try:
        assert factors(RULES["Halve"](), [0.0] * 3) == [0.5, 0.25, 0.125]
    finally:
        RULES.remove("Halve")
