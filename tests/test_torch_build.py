"""Optimizers built from policies, and policies printed as code that needs torch alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from learnrate.errors import FormulaError, ParameterError, UnboundError, UnknownName, UsageError
from learnrate.feedback import Greedy, Plateau
from learnrate.policy import Policy
from learnrate.schedules import SGDR, Constant, Cosine, Function, Linear, PiecewiseConstant
from learnrate.torch import build, code
from learnrate.torch.building import optimizer_class, optimizer_classes

WARMUP_COSINE = Linear(0, 1e-2, 5) >> Cosine(1e-2, 1e-3, 15)


def network() -> torch.nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def loss_of(model: torch.nn.Module) -> torch.Tensor:
    inputs = torch.linspace(-1, 1, 20, dtype=torch.float64).reshape(5, 4)
    return model(inputs).square().mean()  # type: ignore[no-any-return]


def train(model: Any, optimizer: Any, scheduler: Any, updates: int) -> list[Any]:
    seen = []
    for _ in range(updates):

        def closure() -> Any:
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            return loss

        settings = ("lr", "weight_decay", "momentum", "betas")
        seen.append([[group.get(name) for name in settings] for group in optimizer.param_groups])
        optimizer.step(closure)
        scheduler.step()
    return seen


def test_the_classes_are_those_of_torch_optim() -> None:
    known = optimizer_classes()
    exported = {name for name in torch.optim.__all__ if isinstance(getattr(torch.optim, name), type)} - {"Optimizer"}
    assert {cls.__name__ for cls in known.values()} == exported
    assert {"adamw", "sgd", "rmsprop", "lbfgs", "adafactor", "muon", "nadam", "sparseadam"} <= set(known)


@pytest.mark.parametrize("name", sorted(optimizer_classes()))
def test_every_optimizer_of_torch_trains_at_the_scheduled_rate(name: str) -> None:
    schedule = 0.01 * Linear(1, 0, 10)
    if name == "sparseadam":
        model: Any = torch.nn.Embedding(4, 2, sparse=True)
        model = torch.nn.Sequential(model)
        run = model[0](torch.tensor([0, 1])).square().sum
    elif name == "muon":
        model = torch.nn.Linear(4, 3, bias=False)
        run = lambda: model(torch.ones(2, 4)).square().mean()  # noqa: E731
    else:
        model = network()
        run = lambda: loss_of(model)  # noqa: E731
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer, scheduler = build(Policy(name, schedule), model)
    assert type(optimizer) is optimizer_classes()[name]
    for k in range(3):
        assert optimizer.param_groups[0]["lr"] == schedule(k)

        def closure() -> Any:
            optimizer.zero_grad()
            loss = model[0](torch.tensor([0, 1])).square().sum() if name == "sparseadam" else run()
            loss.backward()
            return loss

        closure()
        optimizer.step(closure) if name == "lbfgs" else optimizer.step()  # type: ignore[arg-type]
        scheduler.step()
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(("name", "class_name"), [
    ("AdamW", "AdamW"), ("SGD", "SGD"), ("sparse_adam", "SparseAdam"), ("LBFGS", "LBFGS"), ("rmsprop", "RMSprop"),
])  # fmt: skip
def test_names_are_read_generously(name: str, class_name: str) -> None:
    assert optimizer_class(name).__name__ == class_name


def test_it_trains_as_the_hand_written_pair_does() -> None:
    policy = Policy("adamw", WARMUP_COSINE, settings={"weight_decay": 0.3, "beta2": 0.95, "amsgrad": True})
    model, twin = network(), network()
    optimizer, scheduler = build(policy, model)
    peer = torch.optim.AdamW(twin.parameters(), lr=1.0, weight_decay=0.3, betas=(0.9, 0.95), amsgrad=True)
    peer_scheduler = torch.optim.lr_scheduler.LambdaLR(peer, WARMUP_COSINE)
    train(model, optimizer, scheduler, 12)
    train(twin, peer, peer_scheduler, 12)
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_scheduled_settings_and_feedback_are_attached() -> None:
    policy = Policy(
        "adamw", WARMUP_COSINE, settings={"beta1": Linear(0.9, 0.8, 10), "weight_decay": Linear(0.1, 0, 10)},
        feedback=Plateau(patience=0, factor=0.5),
    )  # fmt: skip
    optimizer, scheduler = build(policy, network())
    scheduler.step_seen = train(network(), optimizer, scheduler, 4)  # type: ignore[attr-defined]
    group = optimizer.param_groups[0]
    assert group["betas"] == (Linear(0.9, 0.8, 10)(4), 0.999)
    assert group["weight_decay"] == Linear(0.1, 0, 10)(4)
    scheduler.observe(1.0)
    scheduler.observe(1.0)
    assert group["lr"] == 0.5 * WARMUP_COSINE(4)


def test_a_scheduled_count_stays_a_count() -> None:
    model = torch.nn.Linear(4, 3, bias=False)
    optimizer, _ = build(Policy("muon", 0.1, settings={"ns_steps": PiecewiseConstant([3, 5], [2])}), model)
    assert type(optimizer.param_groups[0]["ns_steps"]) is int


def named_rates(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    return {group["name"]: group["lr"] for group in optimizer.param_groups}


def test_groups_of_a_model_are_prefixes_or_patterns_and_the_longest_wins() -> None:
    policy = Policy("sgd", 0.1, groups={"0": 0.5, "0.bias": 2.0, "*.bias": 3.0})
    model = network()
    for given in (model, model.named_parameters(), list(model.named_parameters())):
        optimizer, scheduler = build(policy, given)
        assert named_rates(optimizer) == pytest.approx({"rest": 0.1, "0": 0.05, "0.bias": 0.2, "*.bias": 0.3})
        sizes = {group["name"]: [tuple(p.shape) for p in group["params"]] for group in optimizer.param_groups}
        assert sizes == {"rest": [(2, 3)], "0": [(3, 4)], "0.bias": [(3,)], "*.bias": [(2,)]}
        assert scheduler.state_dict()["settings"]["lr"] == [0, 1, 2, 3]


def test_a_prefix_ends_at_a_dot() -> None:
    model = torch.nn.ModuleDict({"head": torch.nn.Linear(1, 1), "header": torch.nn.Linear(1, 1)})
    optimizer, _ = build(Policy("sgd", 1.0, groups={"head": 0.1}), model)
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 2]
    assert named_rates(optimizer) == {"rest": 1.0, "head": 0.1}


def test_named_parameter_groups_keep_their_settings() -> None:
    model = network()
    groups = [
        {"name": "body", "params": list(model[0].parameters()), "weight_decay": 0.5, "lr": 7.0},
        {"name": "head", "params": list(model[2].parameters())},
        {"params": [torch.nn.Parameter(torch.ones(1))]},
    ]
    optimizer, _ = build(Policy("sgd", WARMUP_COSINE, groups={"head": 0.1}), groups)
    assert groups[0]["lr"] == 7.0, "what was given is not changed"
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.5, 0, 0]
    optimizer.param_groups[0]["lr"] = 9.0
    optimizer, scheduler = build(Policy("sgd", WARMUP_COSINE, groups={"head": 0.1}), groups)
    scheduler.load_state_dict(scheduler.state_dict() | {"update": 5})
    assert [group["lr"] for group in optimizer.param_groups] == [1e-2, 0.1 * 1e-2, 1e-2]


def test_frozen_parameters_are_left_out() -> None:
    model = network()
    model[0].requires_grad_(False)
    optimizer, _ = build(Policy("sgd", 0.1), model)
    assert [len(group["params"]) for group in optimizer.param_groups] == [2]
    with pytest.raises(UsageError, match="no parameter needs a gradient"):
        build(Policy("sgd", 0.1), network().requires_grad_(False))


@pytest.mark.parametrize(("policy", "given", "error", "message"), [
    (Policy("adamv", 0.1), None, UnknownName, "of torch.optim 'adamv'; did you mean 'adam.?'.*adafactor"),
    (Policy("sgd", Cosine(0.1)), None, UnboundError, r"lr of the policy have no length yet; bind it: policy.over"),
    (Policy("sgd", 0.1, settings={"momentum": Linear(0.9, 0.8)}), None, UnboundError, "momentum"),
    (Policy("sgd", 0.1, settings={"beta1": 0.9}), None, UnknownName, "unknown setting of SGD 'beta1'; .*momentum"),
    (Policy("adamw", 0.1, settings={"momentum": 0.9}), None, UnknownName, "known: amsgrad, beta1, beta2, capturable"),
    (Policy("sgd", 0.1, settings={"nesterov": True}), None, ParameterError, "optim.SGD refuses .*Nesterov momentum"),
    (Policy("adamw", 0.1, settings={"eps": -1.0}), None, ParameterError, "optim.AdamW refuses .*[Ii]nvalid epsilon"),
    (Policy("muon", 0.1), None, ParameterError, "torch.optim.Muon refuses .*2D.*give build the matrices alone"),
    (Policy("lbfgs", 0.1, groups={"0": 0.1}), None, ParameterError, "torch.optim.LBFGS refuses .*parameter options"),
    (Policy("sgd", 0.1, groups={"hed": 0.1}), None, UnknownName, "unknown group of parameters 'hed'; .*0.bias"),
    (Policy("sgd", 0.1, groups={"0": 0.1, "0.*": 0.2}), None, UnknownName, "unknown group of parameters '0'"),
    (Policy("sgd", 0.1, groups={"0": 0.1}), [torch.zeros(1)], UsageError, "Policy.groups needs names"),
    (Policy("sgd", 0.1, groups={"x": 0.1}), [{"params": [torch.zeros(1)], "name": "y"}], UnknownName,
     "unknown parameter group 'x'; known: y"),
    (Policy("sgd", 0.1), [], UsageError, "nothing to optimize"),
    (Policy("sgd", 0.1), torch.zeros(2), UsageError, "build needs a model"),
    (Policy("sgd", 0.1), 3, UsageError, "build needs a model"),
    (Policy("sgd", 0.1), [torch.zeros(1), "weight"], UsageError, "build needs a model"),
])  # fmt: skip
def test_what_is_wrong_is_said(policy: Policy, given: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        build(policy, network() if given is None else given)


@pytest.mark.parametrize(("given", "message"), [
    ((Cosine(1, 0, 5), network()), r"needs a Policy, got Cosine.*Policy\('adamw', Cosine\(1.0, updates=5\)\)"),
    ((network(), Policy("sgd", 0.1)), r"got Sequential.*the policy comes first: build\(policy, model\)"),
    (("sgd", network()), r"needs a Policy, got 'sgd'; the policy comes first"),
])  # fmt: skip
def test_what_is_no_policy_is_refused_with_the_fix(given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){message}"):
        build(*given)
    if not isinstance(given[0], torch.nn.Module):
        with pytest.raises(UsageError, match=r"code\(policy\) needs a Policy"):
            code(given[0])


@pytest.mark.parametrize(("name", "setting", "value", "message"), [
    ("sgd", "foreach", Constant(1).cut(5), "foreach of SGD is not a number .*its default is None"),
    ("sgd", "nesterov", Linear(1, 0, 5), "nesterov of SGD is not .* False.*: lr, dampening, momentum, weight_decay"),
    ("adamw", "fused", Linear(1, 0, 5), "what can be scheduled: lr, beta1, beta2, eps, weight_decay"),
    ("adafactor", "eps", Linear(1, 0, 5), r"eps of Adafactor is not a number \(its default is \(None, 0.001\)\)"),
    ("sgd", "momentum", True, "momentum of SGD must be a number or a schedule, got True"),
    ("adam", "beta1", False, "beta1 of Adam must be a number or a schedule, got False"),
])  # fmt: skip
def test_switches_are_no_numbers_and_numbers_no_switches(name: str, setting: str, value: Any, message: str) -> None:
    policy = Policy(name, 0.1, settings={setting: value})
    for use in (lambda: build(policy, network()), lambda: code(policy)):
        with pytest.raises(ParameterError, match=message):
            use()


# -- printed code


POLICIES = {
    "constant": Policy("sgd", 0.05),
    "composite": Policy("adamw", WARMUP_COSINE, settings={"weight_decay": 0.3, "beta2": 0.95, "foreach": False}),
    "tables": Policy(
        "sgd", SGDR(0.1, 0.0, 3, stretch=2).over(21), settings={"momentum": PiecewiseConstant([0.9, 0.5], [4])}
    ),
    "scheduled": Policy(
        "adamw", WARMUP_COSINE,
        settings={"beta1": Linear(0.9, 0.8, 10), "beta2": Constant(0.97), "weight_decay": Linear(0.1, 0, 10)},
    ),
    "listening": Policy(
        "sgd", WARMUP_COSINE, settings={"momentum": Linear(0.5, 0.9, 10)},
        feedback=Plateau(factor=0.5, patience=0, cooldown=1, floor=0.1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", POLICIES)
def test_printed_code_gives_the_same_rates_and_weights(name: str) -> None:
    policy = POLICIES[name]
    scope: dict[str, Any] = {}
    exec(compile(code(policy), "<printed>", "exec"), scope)  # noqa: S102 - what was printed is what is tested
    ours, theirs = network(), network()
    optimizer, scheduler = build(policy, ours)
    peer, peer_scheduler = scope["build"](theirs.parameters())
    for metric in (3.0, 3.0, 2.0, 2.0, 2.0, 2.0):
        seen, expected = train(ours, optimizer, scheduler, 4), train(theirs, peer, peer_scheduler, 4)
        for group, peer_group in zip(seen, expected, strict=True):
            for values, peer_values in zip(group, peer_group, strict=True):
                np.testing.assert_allclose(_flat(values), _flat(peer_values), rtol=1e-12)
        if policy.feedback is not None:
            scheduler.observe(metric)
            peer_scheduler.observe(metric)
    for weight, peer_weight in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(weight.detach(), peer_weight.detach(), rtol=1e-9, atol=1e-12)


def _flat(values: list[Any]) -> list[float]:
    given = [value for value in values if value is not None]
    return [float(number) for value in given for number in (value if isinstance(value, tuple) else (value,))]


@pytest.mark.parametrize("rates", [(0.1,), (0.1, 3.0), (torch.tensor(0.1, dtype=torch.float64),)], ids=str)
def test_a_printed_schedule_is_the_rate_whatever_lr_the_optimizer_was_built_with(rates: tuple[Any, ...]) -> None:
    scope: dict[str, Any] = {}
    exec(compile(WARMUP_COSINE.code("torch"), "<printed>", "exec"), scope)  # noqa: S102 - what is tested
    weights = [torch.nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in rates]
    optimizer = torch.optim.SGD(
        [{"params": [weight], "lr": rate} for weight, rate in zip(weights, rates, strict=True)], foreach=False
    )
    held = [group["lr"] for group in optimizer.param_groups]
    scheduler = scope["scheduler"](optimizer)
    for k in range(25):
        for weight in weights:
            weight.grad = torch.ones_like(weight)
        before = [weight.item() for weight in weights]
        assert [float(group["lr"]) for group in optimizer.param_groups] == pytest.approx(
            [WARMUP_COSINE(k)] * len(rates), rel=1e-12
        )
        optimizer.step()
        used = [start - weight.item() for start, weight in zip(before, weights, strict=True)]
        assert used == pytest.approx([WARMUP_COSINE(k)] * len(rates), rel=1e-9, abs=1e-15)
        scheduler.step()
    if isinstance(rates[0], torch.Tensor):
        assert optimizer.param_groups[0]["lr"] is held[0]


def test_printed_code_with_groups() -> None:
    policy = Policy("sgd", WARMUP_COSINE, groups={"head": 0.1})
    scope: dict[str, Any] = {}
    exec(compile(code(policy), "<printed>", "exec"), scope)  # noqa: S102 - what was printed is what is tested
    model = network()
    groups = [{"name": "body", "params": model[0].parameters()}, {"name": "head", "params": model[2].parameters()}]
    optimizer, scheduler = scope["build"](groups)
    train(model, optimizer, scheduler, 3)
    np.testing.assert_allclose(list(named_rates(optimizer).values()), [WARMUP_COSINE(3), 0.1 * WARMUP_COSINE(3)])


def test_printed_code_needs_torch_alone(tmp_path: Path) -> None:
    script = code(POLICIES["listening"]) + (
        "optimizer, scheduler = build([torch.nn.Parameter(torch.ones(1))])\n"
        "optimizer.step(); scheduler.step(); scheduler.observe(1.0); scheduler.observe(1.0)\n"
        "import sys; assert not any(name.startswith('learnrate') for name in sys.modules)\n"
        "print(repr(optimizer.param_groups[0]['lr']))\n"
    )
    (tmp_path / "printed.py").write_text(script)
    command = [sys.executable, "-I", "printed.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(0.5 * WARMUP_COSINE(1), rel=1e-12)


@pytest.mark.parametrize(("policy", "error", "message"), [
    (Policy("sgd", Cosine(0.1)), UnboundError, "policy.over"),
    (Policy("sgd", Function(lambda t: 0.1)), FormulaError, "cannot be printed"),
    (Policy("sgd", 0.1, feedback=Greedy()), FormulaError, r"Greedy\(\) cannot be printed with torch alone"),
    (Policy("sgd", 0.1, feedback=Plateau(convention="keras")), FormulaError, "cannot be printed with torch alone"),
    (Policy("sgdx", 0.1), UnknownName, "unknown optimizer"),
    (Policy("sgd", 0.1, settings={"rho": 0.1}), UnknownName, "unknown setting of SGD"),
])  # fmt: skip
def test_what_cannot_be_printed_says_so(policy: Policy, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        code(policy)
