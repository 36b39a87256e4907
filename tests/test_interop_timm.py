"""timm: every scheduler against timm's own, the rows of the reference that name it, reading, writing and bad input."""

from __future__ import annotations

import importlib
import importlib.metadata
import pickle
import random
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError, StateError, UsageError
from learnrate.interop import timm as ours
from parity import FLOAT64, agree, draws, updates_for


def _real() -> types.ModuleType:
    """timm.scheduler itself; its package, which needs torchvision, is an empty one in the same folder."""
    folder = Path(str(importlib.metadata.distribution("timm").locate_file("timm")))
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "timm"}
    for name in before:
        del sys.modules[name]
    package = types.ModuleType("timm")
    package.__path__ = [str(folder)]
    sys.modules["timm"] = package
    try:
        return importlib.import_module("timm.scheduler")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
            PACKAGE[name] = sys.modules.pop(name)
        sys.modules.update(before)


PACKAGE: dict[str, types.ModuleType] = {}
THEIRS = _real()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm as `import timm.scheduler` would find it, were torchvision here."""
    for name, module in PACKAGE.items():
        monkeypatch.setitem(sys.modules, name, module)


def optimizer(rate: float, **group: Any) -> torch.optim.Optimizer:
    parameter = torch.nn.Parameter(torch.zeros(1))
    return torch.optim.SGD([{"params": [parameter], **group}], lr=rate)


def rates(scheduler: Any, updates: int, updates_per_epoch: int = 1) -> list[float]:
    """What each update uses in timm's own loop."""
    group = scheduler.optimizer.param_groups[0]
    used = []
    for update in range(updates):
        used.append(float(group["lr"]))
        scheduler.step_update(num_updates=update + 1)
        if (update + 1) % updates_per_epoch == 0:
            scheduler.step((update + 1) // updates_per_epoch)
    return used


def theirs(name: str, arguments: dict[str, Any], updates: int) -> list[float]:
    arguments = dict(arguments)
    size, rate = arguments.pop("updates_per_epoch", 1), arguments.pop("lr", 1.0)
    return rates(getattr(THEIRS, name)(optimizer(rate), **arguments), updates, size)


def shared(rng: random.Random) -> dict[str, Any]:
    """The arguments that all schedulers have; each is sometimes left out."""
    drawn: dict[str, Any] = {"lr": rng.choice([1.0, 10 ** rng.uniform(-4, 1)])}
    if rng.random() < 0.6:
        drawn |= {"warmup_t": rng.choice([0, 1, 2, 3, rng.randint(4, 14)])}
        drawn |= {"warmup_lr_init": rng.choice([0.0, 1e-5, drawn["lr"] * rng.random()])}
    epochs = rng.random() < 0.5
    return drawn | ({"updates_per_epoch": rng.randint(1, 4)} if epochs else {"t_in_epochs": False})


def cyclic(rng: random.Random) -> dict[str, Any]:
    drawn = shared(rng) | {"t_initial": rng.choice([1, 2, 3, rng.randint(4, 20)])}
    drawn["lr_min"] = rng.choice([0.0, drawn["lr"] * 0.1, drawn["lr"] * 1.5])
    if rng.random() < 0.5:
        drawn["warmup_prefix"] = rng.random() < 0.5
    if rng.random() < 0.6:
        drawn["cycle_limit"] = rng.randint(0, 4)
        drawn["cycle_mul"] = rng.choice([1.0, 2.0, 3, 1.5, rng.uniform(1.05, 2.2)])
        drawn["cycle_decay"] = rng.choice([1.0, 0.5, rng.random(), 1.2, 0.0])
    return drawn


def cosine(rng: random.Random) -> dict[str, Any]:
    return cyclic(rng) | ({"k_decay": rng.uniform(0.5, 3)} if rng.random() < 0.4 else {})


def poly(rng: random.Random) -> dict[str, Any]:
    return cosine(rng) | ({"power": rng.choice([1.0, 2.0, rng.uniform(0.3, 4)])} if rng.random() < 0.7 else {})


def tanh(rng: random.Random) -> dict[str, Any]:
    drawn = cyclic(rng) | {"cycle_limit": rng.randint(0, 3)}
    return drawn | ({"lb": rng.uniform(-8, 0), "ub": rng.uniform(0.1, 5)} if rng.random() < 0.6 else {})


def step(rng: random.Random) -> dict[str, Any]:
    drawn = shared(rng) | {"decay_t": rng.choice([1, 2, 3, rng.randint(4, 20), 2.5, rng.uniform(0.3, 10)])}
    drawn |= {"decay_rate": rng.choice([0.1, rng.random(), 0.0, 1.0])} if rng.random() < 0.9 else {}
    return drawn | ({"warmup_prefix": rng.random() < 0.5} if rng.random() < 0.5 else {})


def multistep(rng: random.Random) -> dict[str, Any]:
    milestones = sorted(rng.randint(0, 25) for _ in range(rng.randint(1, 4)))
    drawn = step(rng) | {"decay_t": milestones}
    return drawn | {"decay_rate": rng.choice([0.1, 2.0, rng.random(), 0.0])}


def wsd(rng: random.Random) -> dict[str, Any]:
    total = rng.choice([1, 2, 3, rng.randint(4, 25)])
    drawn = shared(rng) | {"t_initial": total, "decay_t": rng.randint(1, total)}
    drawn["lr_min"] = rng.choice([0.0, drawn["lr"] * 0.1, drawn["lr"] * 1.5])
    if rng.random() < 0.5:
        drawn |= {"stable_fn": rng.choice(["rsqrt", "power"]), "stable_power": rng.uniform(0.2, 2)}
        if not drawn.get("warmup_t") or rng.random() < 0.5:
            drawn["stable_timescale"] = rng.uniform(0.5, 20)
    if rng.random() < 0.8:
        drawn["decay_fn"] = rng.choice(["linear", "1-sqrt", "cosine", "power", "exp", halves])
        drawn |= {"decay_power": rng.uniform(0.2, 3), "decay_ratio": rng.uniform(0.01, 0.9)}
    return drawn


def halves(progress: float) -> float:
    return 0.5**progress - 0.5 * progress


CASES: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "CosineLRScheduler": cosine,
    "PolyLRScheduler": poly,
    "TanhLRScheduler": tanh,
    "StepLRScheduler": step,
    "MultiStepLRScheduler": multistep,
    "WSDLRScheduler": wsd,
}


def accidents(arguments: dict[str, Any], updates: int) -> list[int]:
    """Updates at which a cycle or a stair starts, where timm's floating logarithm or floor may land one too low."""
    size, prefix = arguments.get("updates_per_epoch", 1), arguments.get("warmup_prefix", "t_initial" not in arguments)
    shift = arguments.get("warmup_t", 0) if prefix else 0
    if "cycle_mul" in arguments and arguments["cycle_mul"] != 1:
        powers = [arguments["cycle_mul"] ** k for k in range(arguments["cycle_limit"] + 1)]
        jumps = [arguments["t_initial"] * sum(powers[:k]) for k in range(1, len(powers))]
    elif isinstance(arguments.get("decay_t"), float):
        jumps = [arguments["decay_t"] * k for k in range(1, int(updates / arguments["decay_t"]) + 1)]
    else:
        return []
    whole = [round(jump) for jump in jumps if abs(jump - round(jump)) < 1e-9]
    return [(jump + shift) * size + update for jump in whole for update in range(size)]


@pytest.mark.parametrize("name", CASES)
def test_rates_are_those_of_timm(name: str) -> None:
    for rng in draws(name):
        arguments = CASES[name](rng)
        schedule = getattr(ours, name)(**arguments)
        updates = updates_for(min(schedule.horizon or 40, 300))
        agree(schedule, theirs(name, arguments, updates), FLOAT64, accidents(arguments, updates))


def test_a_restart_that_timm_misses_is_exact_here() -> None:
    restarts = {"t_initial": 10, "cycle_mul": 3.0, "cycle_limit": 6, "t_in_epochs": False}
    schedule = ours.CosineLRScheduler(**restarts)
    assert schedule(1210) == 1.0
    assert theirs("CosineLRScheduler", restarts, 1211)[1210] == 0.0


@pytest.mark.parametrize("sign", [1, -1])
def test_the_plateau_is_that_of_timm(sign: int) -> None:
    for rng in draws(f"timm plateau {sign}"):
        rate = 10 ** rng.uniform(-3, 1)
        arguments = {"decay_rate": rng.uniform(0.05, 0.95), "patience_t": rng.randint(0, 4)}
        arguments |= {"threshold": rng.choice([1e-4, 0.1]), "cooldown_t": rng.randint(0, 3)}
        arguments |= {"lr_min": rng.choice([0.0, rate * 0.05]), "mode": "min" if sign > 0 else "max"}
        if rng.random() < 0.3:
            arguments = {}
        rule = ours.PlateauLRScheduler(**arguments, lr=rate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            real = THEIRS.PlateauLRScheduler(optimizer(rate), **arguments)
        state = rule.start()
        for epoch in range(1, 31):
            metric = rng.choice([1.0, rng.uniform(0.5, 1.5), float("nan")])
            real.step(epoch, metric)
            state, factor = rule(state, metric)
            assert factor * rate == pytest.approx(real.optimizer.param_groups[0]["lr"], rel=1e-12)


ROWS: list[tuple[str, str, dict[str, Any], list[int], list[float], int]] = [
    ("A", "CosineLRScheduler", {"t_initial": 12, "warmup_t": 4}, [*range(6)], [0, 0.25, 0.5, 0.75, 0.75, 0.629], 3),
    (
        "A prefix",
        "CosineLRScheduler",
        {"t_initial": 12, "warmup_t": 4, "warmup_prefix": True},
        [*range(6)],
        [0, 0.25, 0.5, 0.75, 1, 0.983],
        3,
    ),
    (
        "B",
        "CosineLRScheduler",
        {"t_initial": 10, "lr_min": 0.1},
        [0, 5, 9, 10, 11, 15, 20],
        [1, 0.55, 0.122, 0.1, 0.1, 0.1, 0.1],
        3,
    ),
    ("C", "PolyLRScheduler", {"t_initial": 10, "power": 2.0, "lr_min": 0.1}, [5], [0.325], 3),
    ("D", "MultiStepLRScheduler", {"decay_t": [4], "decay_rate": 0.1}, [2, 3, 4, 5], [1, 0.1, 0.1, 0.1], 3),
    (
        "E limit 5",
        "CosineLRScheduler",
        {"t_initial": 4, "cycle_mul": 2.0, "cycle_limit": 5},
        [3, 4, 5, 11, 12, 13],
        [0.146, 1, 0.962, 0.038, 1, 0.990],
        3,
    ),
    ("E", "CosineLRScheduler", {"t_initial": 4, "cycle_mul": 2.0}, [3, 4, 5, 11, 12, 13], [0.146, 0, 0, 0, 0, 0], 3),
    (
        "E decay",
        "CosineLRScheduler",
        {"t_initial": 4, "cycle_mul": 2.0, "cycle_limit": 5, "cycle_decay": 0.5, "lr_min": 0.1},
        [3, 4, 5, 11, 12, 13],
        [0.232, 0.5, 0.485, 0.115, 0.25, 0.249],
        3,
    ),
    (
        "H linear",
        "WSDLRScheduler",
        {"t_initial": 8, "decay_t": 4, "lr_min": 0.1, "decay_fn": "linear", "warmup_t": 2},
        [0, 1, 5, 6, 7, 9, 10, 11],
        [0, 0.5, 1, 1, 0.775, 0.325, 0.1, 0.1],
        3,
    ),
    (
        "H 1-sqrt",
        "WSDLRScheduler",
        {"t_initial": 8, "decay_t": 4, "lr_min": 0.1, "warmup_t": 2},
        [7, 9],
        [0.55, 0.2206],
        4,
    ),
    (
        "H exp",
        "WSDLRScheduler",
        {"t_initial": 8, "decay_t": 4, "lr_min": 0.1, "warmup_t": 2, "decay_fn": "exp"},
        [7, 9],
        [0.5623, 0.1778],
        4,
    ),
    ("tanh", "TanhLRScheduler", {"t_initial": 10}, [0, 9, 10], [1, 0.018, 0], 3),
]


@pytest.mark.parametrize(("name", "arguments", "at", "values", "digits"), [row[1:] for row in ROWS], ids=lambda x: None)
def test_rows_of_the_reference(
    name: str, arguments: dict[str, Any], at: list[int], values: list[float], digits: int
) -> None:
    assert getattr(ours, name)(**arguments)(at).round(digits).tolist() == values
    real = theirs(name, arguments, max(at) + 1)
    assert [round(real[t], digits) for t in at] == values


@pytest.mark.parametrize("name", CASES)
def test_text_and_json_and_pickle(name: str) -> None:
    for rng in draws(f"forms {name}", 40):
        arguments = CASES[name](rng)
        if arguments.get("decay_fn") is halves:
            del arguments["decay_fn"]
        schedule = getattr(ours, name)(**arguments)
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule
        assert pickle.loads(pickle.dumps(schedule)) == schedule


def test_bad_arguments_are_named() -> None:
    with pytest.raises(
        ParameterError, match="unknown parameter of CosineLRScheduler 't_inital'; did you mean 't_initial'"
    ):
        ours.CosineLRScheduler(t_inital=3)
    with pytest.raises(ParameterError, match=r"CosineLRScheduler\.t_initial must be >= 1 updates, got 0"):
        ours.CosineLRScheduler(0)
    with pytest.raises(ParameterError, match=r"cycle_mul must be >= 1, got 0\.5"):
        ours.PolyLRScheduler(4, cycle_mul=0.5)
    with pytest.raises(ParameterError, match=r"TanhLRScheduler\.lb must be < ub, got 3\.0 and 1\.0"):
        ours.TanhLRScheduler(4, lb=3.0, ub=1.0)
    with pytest.raises(ParameterError, match=r"decay_t must be <= t_initial \(updates\), got 5 and 4"):
        ours.WSDLRScheduler(4, 5)
    with pytest.raises(ParameterError, match="stable_timescale must be > 0 updates"):
        ours.WSDLRScheduler(4, 2, stable_fn="rsqrt")
    with pytest.raises(ParameterError, match=r"decay_fn must be one of 'linear'.*; a function of the progress"):
        ours.WSDLRScheduler(4, 2, decay_fn="cubic")
    with pytest.raises(ParameterError, match="decay_t must not fall"):
        ours.MultiStepLRScheduler([5, 3])
    with pytest.raises(ParameterError, match="updates_per_epoch must be 1 when t_in_epochs is False, got 3"):
        ours.StepLRScheduler(2, t_in_epochs=False, updates_per_epoch=3)
    with pytest.raises(ParameterError, match="cycle_limit must be <= 10000 cycles"):
        ours.CosineLRScheduler(2, cycle_mul=1.0001, cycle_limit=10**6)
    with pytest.raises(ParameterError, match="unknown parameter of timm.PlateauLRScheduler 'patience'"):
        ours.PlateauLRScheduler(patience=3)
    with pytest.raises(ParameterError, match="lr_min must be between 0 and lr"):
        ours.PlateauLRScheduler(lr_min=2.0)
    with pytest.raises(ParameterError, match=r"the warmup is a schedule, Linear\(0\.0, 1\.0, 5\)"):
        ours.PlateauLRScheduler(warmup_t=5)


def test_noise_is_refused_and_the_way_out_named() -> None:
    for make in (
        lambda: ours.CosineLRScheduler(4, noise_range_t=2),
        lambda: ours.PlateauLRScheduler(noise_range_t=[2, 9]),
    ):
        with pytest.raises(ParameterError, match=r"torch\.Generator.*read\(scheduler, sample=N\)"):
            make()


def found(schedule: Any, run: int) -> list[str]:
    return [finding.name for finding in schedule.quirks(run)]


def test_quirks_are_said_where_they_show() -> None:
    short = ours.CosineLRScheduler(12, warmup_t=4)
    assert found(short, 12) == ["peak never reached"]
    assert found(short.replace(warmup_prefix=True), 12) == []
    assert found(ours.TanhLRScheduler(10), 20) == ["jumps"]
    assert found(ours.TanhLRScheduler(10), 10) == []
    (early,) = ours.MultiStepLRScheduler([4], 0.1).quirks(10)
    assert early.evidence == {"milestone": 4, "drops at": 3}
    assert found(ours.MultiStepLRScheduler([4], 0.1), 3) == []
    assert found(ours.WSDLRScheduler(8, 4, warmup_t=3), 20) == []


def test_past_the_end_and_the_horizon() -> None:
    assert ours.CosineLRScheduler(10, warmup_t=3, warmup_prefix=True, cycle_limit=2).horizon == 23
    assert ours.CosineLRScheduler(4, cycle_mul=2.0, cycle_limit=3, updates_per_epoch=5).horizon == 140
    assert ours.StepLRScheduler(3).horizon is None
    assert ours.TanhLRScheduler(10, lr_min=0.1)(10**9) == 0.1


# --- reading ---------------------------------------------------------------------------------------------------------


def live(name: str, arguments: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """timm's own object, and the hints that it needs."""
    arguments = dict(arguments)
    size, rate = arguments.pop("updates_per_epoch", 1), arguments.pop("lr", 1.0)
    made = getattr(THEIRS, name)(optimizer(rate), **arguments)
    return made, {"updates_per_epoch": size} if arguments.get("t_in_epochs", True) else {}


@pytest.mark.parametrize("name", CASES)
def test_live_objects_are_read(name: str) -> None:
    for rng in draws(f"live {name}", 40):
        arguments = CASES[name](rng)
        made, hints = live(name, arguments)
        reading = lr.interop.read(made, update=7, **hints)
        if arguments.get("stable_fn"):  # timm puts the warmup there
            arguments.setdefault("stable_timescale", arguments.get("warmup_t"))
        assert reading.schedule == getattr(ours, name)(**arguments)
        assert reading.update == 7


def test_groups_have_their_own_rate_and_scale() -> None:
    parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (1.0, 0.1, 1.0)]
    parameters[2]["lr_scale"] = 0.5
    made = THEIRS.CosineLRScheduler(torch.optim.SGD(parameters, lr=1.0), 10, lr_min=0.01, t_in_epochs=False)
    schedules = lr.interop.read(made).schedule
    for update in range(1, 12):
        made.step_update(update)
        present = [group["lr"] for group in made.optimizer.param_groups]
        assert [schedules[index](update) for index in range(3)] == pytest.approx(present, rel=1e-12)


def test_noise_of_a_live_object_is_sampled() -> None:
    arguments = {"t_initial": 20, "noise_range_t": [3, 15], "noise_seed": 7, "warmup_t": 2, "t_in_epochs": False}
    made = THEIRS.CosineLRScheduler(optimizer(0.5), **arguments)
    with pytest.raises(UsageError, match=r"read\(scheduler, sample=N\)"):
        lr.interop.read(made)
    reading = lr.interop.read(made, sample=30)
    agree(reading.schedule, rates(made, 30))
    assert [note.name for note in reading.notes] == ["sampled"]
    epochs = THEIRS.CosineLRScheduler(optimizer(0.5), **arguments | {"t_in_epochs": True})
    agree(lr.interop.read(epochs, sample=30, updates_per_epoch=4).schedule, rates(epochs, 30, 4))


def test_an_object_that_counts_epochs_must_be_told_how_long_they_are() -> None:
    made = THEIRS.CosineLRScheduler(optimizer(0.5), 10)
    with pytest.raises(UsageError, match="say how many updates an epoch has, updates_per_epoch="):
        lr.interop.read(made)
    with pytest.raises(UsageError, match="unknown hint for a live scheduler of timm 'upd'"):
        lr.interop.read(made, upd=3)
    with pytest.raises(ParameterError, match="updates_per_epoch must be a whole number >= 1"):
        lr.interop.read(made, updates_per_epoch=0)


def test_a_live_plateau_goes_on_as_a_rule() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = THEIRS.PlateauLRScheduler(optimizer(0.5), patience_t=2, cooldown_t=1, warmup_t=3, lr_min=0.001)
    rng = random.Random(1)
    for epoch in range(1, 40):
        reading = lr.interop.read(made, updates_per_epoch=1)
        metric = rng.choice([1.0, 1.0, rng.random()])
        made.step(epoch, metric)
        present = made.optimizer.param_groups[0]["lr"]
        if epoch <= 3:
            assert reading.schedule(epoch) == pytest.approx(present)
        else:
            assert reading.schedule(epoch) == 0.5
            assert reading.feedback(reading.state, metric)[1] * 0.5 == pytest.approx(present, rel=1e-12)


CONFIGS: list[dict[str, Any]] = [
    {"sched": "cosine", "epochs": 20, "warmup_epochs": 3, "min_lr": 1e-5, "warmup_lr": 1e-6},
    {
        "sched": "cosine",
        "epochs": 20,
        "warmup_prefix": True,
        "lr_cycle_limit": 2,
        "lr_cycle_mul": 2.0,
        "lr_k_decay": 1.5,
    },
    {"sched": "cosine", "epochs": 20, "sched_on_updates": True},
    {"sched": "tanh", "epochs": 20, "warmup_epochs": 0},
    {"sched": "poly", "epochs": 20, "decay_rate": 2.0, "cooldown_epochs": 10},
    {"sched": "step", "epochs": 20, "decay_epochs": 2.5, "decay_rate": 0.9},
    {"sched": "step", "decay_epochs": 2, "sched_on_updates": True},
    {"sched": "multistep", "epochs": 20, "decay_milestones": [4, 8], "warmup_epochs": 2},
    {"sched": "multistep", "decay_milestones": [4, 8], "sched_on_updates": True},
    {"sched": "constant", "warmup_epochs": 4},
    {"sched": "wsd", "epochs": 20, "decay_epochs": 4},
    {"sched": "wsd", "epochs": 20, "decay_epochs": 0.2, "warmup_prefix": True, "sched_on_updates": True},
    {"sched": "rsqrt", "epochs": 20, "decay_epochs": 4, "lr_stable_timescale": 2.5, "lr_decay_fn": "cosine"},
    {"sched": "rsqrt", "epochs": 20, "decay_epochs": None, "sched_on_updates": True, "lr_stable_timescale": 2},
    {"sched": "cosine", "num_epochs": 15, "cycle_decay": 0.5, "cycle_limit": 3},
    {"sched": "wsd", "num_epochs": 15},
    {"sched": "step", "num_epochs": 15, "step_on_epochs": False, "decay_epochs": 3},
    {"sched": "cosine", "num_epochs": 5, "warmup_epochs": 1, "updates_per_epoch": 3},
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config["sched"])
def test_configs_are_read_as_timm_reads_them(config: dict[str, Any]) -> None:
    factory = PACKAGE["timm.scheduler.scheduler_factory"]
    size = config.get("updates_per_epoch", 4)
    if "num_epochs" in config:
        made, _ = factory.create_scheduler_v2(optimizer(0.3), **config | {"updates_per_epoch": size})
    else:
        made, _ = factory.create_scheduler(types.SimpleNamespace(**config), optimizer(0.3), updates_per_epoch=size)
    hints = {} if "updates_per_epoch" in config else {"updates_per_epoch": size}
    reading = ours.read_mapping({**config, "lr": 0.3}, **hints)
    assert reading.schedule == ours.read_mapping(config, lr=0.3, **hints).schedule
    agree(reading.schedule, rates(made, 120, size))


def test_a_plateau_config_is_a_schedule_and_a_rule() -> None:
    config = {"sched": "plateau", "lr": 0.1, "eval_metric": "loss", "decay_rate": 0.5, "patience_epochs": 3}
    reading = ours.read_mapping(config, updates_per_epoch=10)
    assert reading.feedback == ours.PlateauLRScheduler(0.5, 3, mode="min", lr=0.1)
    assert reading.schedule([0, 10, 49, 50]).tolist() == pytest.approx(
        [1e-5, 0.2 * 0.1 + 0.8e-5, 0.8 * 0.1 + 2e-6, 0.1]
    )


def test_bad_configs_name_the_key() -> None:
    for config, hints, message in [
        ({"sched": "cosin"}, {}, "unknown sched 'cosin'; did you mean 'cosine'"),
        ({"sched": "cosine"}, {"updates_per_epoch": 2}, "the key 'lr' must be the base rate, got None"),
        ({"sched": "cosine", "lr": 0.1}, {}, "say how many updates an epoch has"),
        (
            {"sched": "cosine", "lr": 0.1, "epochs": "many"},
            {"updates_per_epoch": 2},
            "'epochs' must be a number of epochs",
        ),
        ({"sched": "cosine", "lr": 0.1, "lr_noise": 0.5}, {"updates_per_epoch": 2}, "lr_noise is drawn by torch"),
        (
            {"sched": "cosine", "lr": 0.1, "epochs": 0},
            {"updates_per_epoch": 2},
            "t_initial must be >= 1 updates, got 0",
        ),
        ({"sched": "wsd", "lr": 0.1, "epochs": 5}, {"updates_per_epoch": 2}, r"sched='wsd': WSDLRScheduler\.t_initial"),
        ({"sched": "plateau", "lr": 0.1, "sched_on_updates": True}, {"updates_per_epoch": 2}, "stepped per epoch"),
        ({"sched": "cosine", "lr": 0.1}, {"step": 2}, "unknown hint for a config of timm 'step'"),
    ]:
        with pytest.raises((UsageError, ParameterError), match=message):
            ours.read_mapping(config, **hints)
    assert ours.read_mapping({"sched": {"name": "cosine"}}) is None
    assert ours.read_mapping({"sched": "none", "lr": 0.1}).schedule == lr.Constant(0.1)


# --- writing ---------------------------------------------------------------------------------------------------------

EXACT = [
    lr.Cosine(0.3, 0.01, 20),
    lr.Linear(0, 0.3, 4) >> lr.Cosine(0.3, 0.0, 20),
    lr.Linear(0.1, 0.3, 4) >> lr.Polynomial(0.3, 0.0, 20, power=2.0, k=1.5),
    lr.Linear(0.3, 0.0, 20),
    lr.Constant(0.3),
    lr.Linear(0, 0.3, 5),
    lr.WSD(0.3, 0.01, 20, warmup=3, decay=5),
    lr.WSD(0.3, 0.01, 20, warmup=3, decay=5, shape="sqrt"),
    lr.PowerDecay(0.3, 0.0, 10, power=2.0),
    lr.Step(0.3, 0.5, 4),
    lr.MultiStep(0.3, [3, 7, 7], 0.1),
    lr.SGDR(0.3, 0.0, 5, stretch=2.0, scale=0.5, times=3),
    lr.SGDR(0.3, 0.01, 5),
]


@pytest.mark.parametrize("schedule", EXACT, ids=str)
def test_what_timm_can_say_it_says(installed: None, schedule: Schedule) -> None:
    written = lr.interop.write(schedule, to="timm", optimizer=optimizer(1.0))
    assert written.own
    agree(schedule, rates(written.value, 60))
    back = lr.interop.read(written.value).schedule
    assert np.allclose(back(np.arange(60)), schedule(np.arange(60)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("schedule", [EXACT[1], EXACT[6], EXACT[10]], ids=str)
def test_printed_code_runs_on_timm_alone(installed: None, schedule: Schedule) -> None:
    code = lr.interop.write(schedule, to="timm", code=True)
    assert "learnrate" not in code
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - printed code is tested by running it
    agree(schedule, rates(names["scheduler"](optimizer(1.0)), 60))


def test_a_name_of_timm_is_written_as_itself(installed: None) -> None:
    schedule = ours.TanhLRScheduler(10, warmup_t=3, updates_per_epoch=4, lr=0.2)
    written = lr.interop.write(schedule, to="timm", optimizer=optimizer(1.0))
    agree(schedule, rates(written.value, 60, 4))
    assert lr.interop.read(written.value, updates_per_epoch=4).schedule == schedule
    assert "each epoch of 4 updates" in lr.interop.write(schedule, to="timm", code=True)
    with pytest.raises(UsageError, match="holds a function of your own"):
        ours.source(ours.WSDLRScheduler(4, 2, decay_fn=halves))


ODD = lr.Linear(0, 0.3, 4) >> lr.REX(0.3, 0.0, 20)


def test_anything_else_is_an_object_with_timms_interface(installed: None) -> None:
    written = lr.interop.write(ODD, to="timm", optimizer=optimizer(1.0, lr_scale=0.5))
    assert not written.own
    agree(0.5 * ODD, rates(written.value, 40))
    assert lr.interop.read(written.value).schedule == ODD
    again = ours.TimmHook(optimizer(1.0), lr.Constant(1.0))
    again.load_state_dict(pickle.loads(pickle.dumps(written.value.state_dict())))
    assert (again.schedule, again.update, again.optimizer.param_groups[0]["lr"]) == (ODD, 40, ODD(40))
    code = lr.interop.write(ODD, to="timm", code=True)
    assert "learnrate" not in code
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - printed code is tested by running it
    agree(ODD, rates(names["scheduler"](optimizer(1.0)), 40))


def test_the_hook_is_pickled_and_checked() -> None:
    """Pain point 11: what holds a lambda cannot be pickled; this holds the schedule."""
    hook = ours.hook(ODD, optimizer=optimizer(1.0))
    hook.step_update(7)
    twin = pickle.loads(pickle.dumps(hook))
    assert (twin.schedule, twin.update) == (ODD, 7)
    hook.step(3)  # an epoch ends: nothing, for it counts updates
    assert hook.optimizer.param_groups[0]["lr"] == ODD(7)
    with pytest.raises(UsageError, match="live on an optimizer"):
        ours.hook(ODD)
    with pytest.raises(StateError, match="the state of TimmHook has"):
        hook.load_state_dict({"update": 3})


def test_initialize_changes_no_rate() -> None:
    assert ours.StepLRScheduler(4, initialize=False) == ours.StepLRScheduler(4)
