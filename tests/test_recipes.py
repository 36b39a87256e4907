"""A policy as source to paste: every recipe compiled, run, and compared with torch, by the real libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from learnrate import Constant, Cosine, Function, Linear, OneCycle, Policy, Schedule
from learnrate.report.recipes import recipes
from learnrate.torch import build

POLICIES = {
    "warm cosine": Policy("adamw", Linear(0, 0.01, "5%") >> Cosine(0.01), {"weight_decay": 0.3, "beta2": 0.95}),
    "one-cycle": Policy("adam", OneCycle(0.02), {"weight_decay": 0.1, "eps": 1e-3}),
    "linear": Policy("sgd", Linear(0.1, 0), {"weight_decay": 0.1}),
    "momentum": Policy("sgd", Constant(0.05), {"momentum": 0.9, "nesterov": True}),
    "scheduled": Policy("adamw", Cosine(0.01), {"weight_decay": Linear(0.0, 0.5), "beta1": 0.8}),
}
UPDATES = 20


def executed(source: str) -> dict[str, Any]:
    """What a recipe defines, run in an empty module."""
    names: dict[str, Any] = {"__name__": "pasted"}
    exec(compile(source, "pasted.py", "exec"), names)  # noqa: S102 - what was printed is what is tested
    return names


def gradients() -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=3).astype(np.float32) for _ in range(UPDATES)]


def stepped(optimizer: Any, scheduler: Any, weight: torch.nn.Parameter) -> np.ndarray[Any, Any]:
    for gradient in gradients():
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        scheduler.step()
    return weight.detach().numpy()


def of_torch(policy: Policy) -> np.ndarray[Any, Any]:
    """Where this library's own torch optimizer comes with these gradients."""
    weight = torch.nn.Parameter(torch.ones(3))
    return stepped(*build(policy, [weight]), weight)


@pytest.mark.parametrize("name", POLICIES)
def test_the_torch_recipe_is_the_policy(name: str) -> None:
    policy = POLICIES[name].over(UPDATES)
    weight = torch.nn.Parameter(torch.ones(3))
    made = executed(recipes(policy, UPDATES)["torch"])["build"]([weight])
    np.testing.assert_allclose(stepped(*made, weight), of_torch(policy), rtol=1e-5)


@pytest.mark.parametrize("name", POLICIES)
def test_the_transformers_recipe_is_the_policy(name: str) -> None:
    policy = POLICIES[name].over(UPDATES)
    model = torch.nn.Linear(3, 1, bias=False)
    torch.nn.init.ones_(model.weight)
    optimizer, scheduler = executed(recipes(policy, UPDATES)["transformers"])["optimizers"](model)
    for gradient in gradients():
        model.weight.grad = torch.tensor(gradient[None])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(model.weight.detach().numpy()[0], of_torch(policy), rtol=1e-5)


def test_a_trainer_takes_the_transformers_recipe(tmp_path: Path) -> None:
    from transformers import Trainer, TrainingArguments

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(2, 1)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"loss": self.linear(x).square().mean()}

    policy = POLICIES["warm cosine"].over(UPDATES)
    model = Model()
    arguments = TrainingArguments(
        str(tmp_path), max_steps=UPDATES, logging_steps=1, report_to=[], use_cpu=True, save_strategy="no"
    )
    pair = executed(recipes(policy, UPDATES)["transformers"])["optimizers"](model)
    data = [{"x": torch.ones(2)} for _ in range(8)]
    trainer = Trainer(model, arguments, train_dataset=data, optimizers=pair)  # type: ignore[arg-type]
    trainer.train()
    logged = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
    rates: list[float] = policy.lr(np.arange(UPDATES + 1)).tolist()
    assert logged == pytest.approx(rates[:UPDATES]) or logged == pytest.approx(rates[1:])


@pytest.mark.parametrize("name", POLICIES)
def test_the_optax_recipe_is_the_policy(name: str) -> None:
    import jax.numpy as jnp
    import optax

    policy = POLICIES[name].over(UPDATES)
    optimizer = executed(recipes(policy, UPDATES)["optax"])["optimizer"]
    weight = jnp.ones(3)
    state = optimizer.init(weight)
    for gradient in gradients():
        change, state = optimizer.update(jnp.asarray(gradient), state, weight)
        weight = optax.apply_updates(weight, change)
    np.testing.assert_allclose(np.asarray(weight), of_torch(policy), rtol=1e-4)


@pytest.mark.parametrize("name", POLICIES)
def test_the_keras_recipe_is_the_policy_or_says_what_is_missing(name: str) -> None:
    import keras

    policy = POLICIES[name].over(UPDATES)
    source = recipes(policy, UPDATES)["keras"]
    optimizer = executed(source)["optimizer"]
    decay = policy.settings.get("weight_decay", 0.0)
    coupled = policy.optimizer != "adamw" and bool(decay)
    assert ("keras.regularizers.L2" in source) == coupled
    assert ("# weight_decay is a schedule" in source) == isinstance(decay, Schedule)
    weight = keras.Variable(np.ones(3, np.float32))
    for gradient in gradients():
        added = 0.0
        if coupled:  # what the regularizer that the comment asks for adds to the gradient
            l2 = float(source.partition("L2(")[2].partition(")")[0])
            added = 2 * l2 * np.asarray(weight.value)
        optimizer.apply([keras.ops.convert_to_tensor(gradient + added)], [weight])
    if not isinstance(decay, Schedule):
        np.testing.assert_allclose(np.asarray(weight.value), of_torch(policy), rtol=1e-3)


def test_what_keras_does_otherwise_is_said() -> None:
    moving = Policy("sgd", Cosine(0.1, 0.0, UPDATES), {"momentum": 0.9})
    assert "# Keras keeps past rates in its momentum" in recipes(moving, UPDATES)["keras"]
    still = Policy("sgd", Constant(0.1), {"momentum": 0.9})
    assert "momentum, so" not in recipes(still, UPDATES)["keras"]


def test_other_optimizers_and_groups_are_named_in_a_comment() -> None:
    sources = recipes(Policy("rmsprop", Cosine(0.1, 0.0, UPDATES), groups={"head": 0.5}), UPDATES)
    for library in ("keras", "optax"):
        assert sources[library].startswith("# only the rate is written here; the policy is Policy('rmsprop'")
        assert "schedule" in executed(sources[library])
    model = torch.nn.Sequential()
    model.add_module("body", torch.nn.Linear(2, 2))
    model.add_module("head", torch.nn.Linear(2, 1))
    optimizer, _ = executed(sources["transformers"])["optimizers"](model)
    assert sorted(group["lr"] for group in optimizer.param_groups) == [0.05, 0.1]
    grouped = recipes(Policy("adamw", 0.1, {"maximize": True}, groups={"head": 0.5}), UPDATES)["optax"]
    assert (
        "# not written here: maximize=True\n# groups of parameters have rates of their own: head times 0.5" in grouped
    )


def test_what_cannot_be_printed_is_a_comment() -> None:
    own = Policy("adamw", Function(lambda t: 0.1))
    for source in recipes(own, UPDATES).values():
        assert all(line.startswith("#") for line in source.splitlines())
        assert "user function" in " ".join(source.replace("\n# ", " ").split())
