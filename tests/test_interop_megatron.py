"""Megatron: its scheduler compared with the real class, its arguments read and written."""

from __future__ import annotations

import inspect
import random
from typing import Any

import numpy as np
import pytest

import learnrate as lr
from learnrate import Constant, Cosine, InverseSqrt, Linear, PowerDecay, Schedule
from learnrate.errors import ParameterError, UsageError
from learnrate.interop import megatron
from learnrate.interop.megatron import ANNEALS, STYLES, OptimizerParamScheduler
from parity import FLOAT64, agree, draws, every, updates_for
from peers import load

peer = load("megatron-core", "megatron/core/optimizer_param_scheduler.py", ["megatron.core.utils"],
            megatron__core__utils={"log_single_rank": lambda *args: None})  # fmt: skip


class Groups:
    """What the real class needs of an optimizer."""

    def __init__(self, *groups: dict[str, Any]) -> None:
        self.param_groups = list(groups) or [{}]


def real(arguments: dict[str, Any], *groups: dict[str, Any]) -> Any:
    plain = {key: value for key, value in arguments.items() if key != "increment"}
    return peer.OptimizerParamScheduler(Groups(*groups), **plain)


def rates(arguments: dict[str, Any], updates: int) -> tuple[list[float], list[float]]:
    """The rates and weight decays that the updates use, stepped as Megatron's training loop does."""
    scheduler = real(arguments)
    group = scheduler.optimizer.param_groups[0]
    seen = []
    for _ in range(updates):
        seen.append((group["lr"], group["weight_decay"]))
        scheduler.step(increment=arguments.get("increment", 1))
    return [rate for rate, _ in seen], [decay for _, decay in seen]


def drawn(rng: random.Random, style: str, anneal: str = "") -> dict[str, Any]:
    decay = rng.choice([1, 2, 3, rng.randint(4, 40), rng.uniform(4, 40)])
    warmup = rng.choice([0, rng.uniform(0, 0.99) * decay, int(0.6 * decay)])
    peak = rng.uniform(0.1, 1)
    increase = rng.choice(megatron.INCREASES)
    arguments: dict[str, Any] = {
        "init_lr": rng.choice([0.0, rng.uniform(0, peak)]),
        "max_lr": peak,
        "min_lr": rng.choice([0.0, rng.uniform(0, peak)]),
        "lr_warmup_steps": warmup,
        "lr_decay_steps": decay,
        "lr_decay_style": style,
        "start_wd": 0.1 if increase == "constant" else rng.uniform(0, 0.1),
        "end_wd": 0.1,
        "wd_incr_steps": rng.choice([1, 2, rng.randint(3, 40), 7.5]),
        "wd_incr_style": increase,
        "increment": rng.choice([1, 1, 2, 3, 8]),
    }
    if style == "WSD":
        length = rng.choice([0, 1, rng.randint(1, 40), rng.uniform(0, 1) * decay])
        arguments |= {"wsd_decay_steps": length, "lr_wsd_decay_style": anneal}
    return arguments


CASES = [(style, "") for style in STYLES if style != "WSD"] + [("WSD", anneal) for anneal in ANNEALS]


@pytest.mark.parametrize(("style", "anneal"), CASES)
def test_parity(style: str, anneal: str) -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        arguments = drawn(rng, style, anneal)
        ours = OptimizerParamScheduler(**arguments)
        theirs, decays = rates(arguments, updates_for(ours.horizon or 0) + 10)
        agree(ours.weight_decay, decays)
        return ours, theirs

    every(f"megatron {style} {anneal}", case, FLOAT64)


def scheduler(style: str, warmup: int, decay: int, low: float = 0.1, anneal: int | None = None, curve: str = "") -> Any:
    return OptimizerParamScheduler(
        0.0, 1.0, low, warmup, decay, style, 0.0, 0.0, 0, "constant", wsd_decay_steps=anneal, lr_wsd_decay_style=curve
    )


ROWS = {
    "A": (scheduler("constant", 4, 12), range(6), [0, 0.25, 0.5, 0.75, 1, 1]),
    "B": (scheduler("cosine", 0, 10), [0, 5, 9, 10, 11, 15, 20], [1, 0.55, 0.122, 0.1, 0.1, 0.1, 0.1]),
    "C linear": (scheduler("linear", 0, 10, 0.0), [9, 10, 11, 15], [0.1, 0, 0, 0]),
    "G": (
        scheduler("inverse-square-root", 4, 50, 0.3), [0, 1, 3, 4, 5, 16, 100], [0, 0.25, 0.75, 1, 0.894, 0.5, 0.3],
    ),
    "H linear": (
        scheduler("WSD", 2, 10, 0.1, 4, "linear"),
        [0, 1, 5, 6, 7, 9, 10, 11],
        [0, 0.5, 1, 1, 0.775, 0.325, 0.1, 0.1],
    ),
    "H 1-sqrt": (scheduler("WSD", 2, 10, 0.1, 4, "minus_sqrt"), [7, 9], [0.55, 0.2206]),
    "H exponential": (scheduler("WSD", 2, 10, 0.1, 4, "exponential"), [7, 9], [0.7136, 0.2703]),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_tables(row: str) -> None:
    schedule, updates, values = ROWS[row]
    digits = 3 if max(len(f"{value}") for value in values) < 6 else 4
    assert schedule(list(updates)).round(digits).tolist() == pytest.approx(values, abs=1e-12)


def test_samples_are_counted() -> None:
    by_updates = scheduler("cosine", 4, 40)
    by_samples = by_updates.replace(lr_warmup_steps=4 * 256, lr_decay_steps=40 * 256, increment=256)
    assert by_samples.horizon == 40
    assert lr.schedule.first_difference(by_updates, by_samples) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr_warmup_steps": 10}, "lr_warmup_steps must be < lr_decay_steps of 10 samples"),
        ({"min_lr": 2.0}, "min_lr must be <= max_lr of 1.0"),
        ({"init_lr": 2.0}, "init_lr must be <= max_lr of 1.0"),
        ({"end_wd": 0.1}, "'constant' needs end_wd equal"),
        ({"start_wd": 0.2, "end_wd": 0.1, "wd_incr_style": "linear"}, "end_wd must be >= start_wd"),
        ({"end_wd": 0.1, "wd_incr_style": "linear"}, "wd_incr_steps must be > 0 samples"),
        ({"lr_decay_style": "WSD"}, "wsd_decay_steps must be given"),
        ({"lr_decay_style": "WSD", "wsd_decay_steps": 3}, "lr_wsd_decay_style must be one of linear"),
        ({"lr_decay_style": "cosin"}, "lr_decay_style must be one of"),
        ({"lr_decay_steps": 0}, "lr_decay_steps must be > 0 samples, got 0"),
        ({"increment": 0}, "increment must be >= 1"),
    ],
)
def test_bad_values(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        scheduler("linear", 2, 10).replace(**change)


def test_the_arguments_are_those_of_the_real_class() -> None:
    theirs = list(inspect.signature(peer.OptimizerParamScheduler).parameters.values())[1:]
    assert [*OptimizerParamScheduler.kinds] == [one.name for one in theirs] + ["increment"]
    defaults = {one.name: one.default for one in theirs if one.default is not one.empty}
    assert OptimizerParamScheduler._defaults == defaults | {"increment": 1}


def test_what_decides_about_loading_changes_no_rate() -> None:
    given = (0.0, 1.0, 0.1, 2, 10, "WSD", 0.0, 0.0, 0, "constant", False, True, 4, "linear")
    theirs = peer.OptimizerParamScheduler(Groups(), *given)
    ours = OptimizerParamScheduler(*given)
    for update in range(15):
        assert ours(update) == pytest.approx(theirs.optimizer.param_groups[0]["lr"], rel=1e-12)
        theirs.step(1)
    assert (
        OptimizerParamScheduler(*given[:5], "cosine", *given[6:10], lr_wsd_decay_style=None).lr_wsd_decay_style is None
    )
    with pytest.raises(AssertionError, match="both override"):
        peer.OptimizerParamScheduler(Groups(), *given[:10], True, True, 4, "linear")
    with pytest.raises(ParameterError, match="needs use_checkpoint_opt_param_scheduler=False; got both"):
        OptimizerParamScheduler(*given[:10], True, True, 4, "linear")


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (scheduler("cosine", 2, 10), ("cosine", "holds")),
        (scheduler("inverse-square-root", 2, 10), ("inverse square root", "jumps")),
        (scheduler("WSD", 2, 10, anneal=3, curve="linear"), ("warmup-stable-decay", "holds")),
        (scheduler("WSD", 2, 10, anneal=0), ("warmup-stable-decay", "jumps")),
    ],
)
def test_the_conventions_are_those_of_the_style(schedule: Any, words: tuple[str, str]) -> None:
    assert (schedule.conventions.shape, schedule.conventions.past) == words
    after = schedule(np.arange(11, 30))
    assert np.ptp(after) == 0
    assert (schedule(10) - after[0] > 0.3) == (words[1] == "jumps")


def test_unknown_argument() -> None:
    with pytest.raises(ParameterError, match="unknown parameter of OptimizerParamScheduler 'lr_warmup'"):
        OptimizerParamScheduler(lr_warmup=3)


def test_text_and_json() -> None:
    for rng in draws("megatron text", 50):
        style, anneal = rng.choice(CASES)
        schedule = OptimizerParamScheduler(**drawn(rng, style, anneal))
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule


def names(schedule: Any, run: int) -> list[str]:
    return [finding.name for finding in schedule.quirks(run)]


def test_quirks() -> None:
    assert names(scheduler("cosine", 4, 40), 60) == []
    assert names(scheduler("cosine", 5, 40).replace(increment=4), 20) == ["peak never reached"]
    assert "drops past the end" in names(scheduler("inverse-square-root", 4, 20), 30)
    assert "drops past the end" not in names(scheduler("inverse-square-root", 4, 20), 20)
    assert names(scheduler("WSD", 6, 10, 0.1, 8, "linear"), 12) == ["no stable part"]


# --- reading

ARGUMENTS = {
    "lr": 1e-3,
    "min_lr": 1e-4,
    "lr_decay_style": "cosine",
    "train_iters": 100,
    "lr_warmup_fraction": 0.05,
    "global_batch_size": 256,
    "micro_batch_size": 4,
    "weight_decay": 0.1,
}


def read(data: dict[str, Any], **hints: Any) -> Any:
    reading = megatron.read_mapping(data, **hints)
    assert reading is not None
    return reading


def test_arguments_counted_in_updates() -> None:
    reading = lr.interop.read(ARGUMENTS)
    schedule = reading.schedule
    assert schedule.parameters()["lr_decay_steps"] == 100 * 256
    assert schedule([0, 5, 100]).tolist() == pytest.approx([0, 1e-3, 1e-4])
    assert reading.settings["weight_decay"](3) == 0.1
    flags = {f"--{key.replace('_', '-')}": value for key, value in ARGUMENTS.items()}
    assert read(flags).schedule == schedule


def test_arguments_counted_in_samples() -> None:
    arguments: dict[str, Any] = {
        "lr": 1.0, "lr_decay_style": "WSD", "train_samples": 1000, "lr_warmup_samples": 100,
        "lr_wsd_decay_samples": 200, "micro_batch_size": 2, "data_parallel_size": 5,
        "start_weight_decay": 0.0, "end_weight_decay": 0.1, "weight_decay_incr_style": "linear",
    }  # fmt: skip
    reading = megatron.read_mapping(arguments)
    assert reading is not None
    theirs, decays = rates(
        {"init_lr": 0.0, "max_lr": 1.0, "min_lr": 0.0, "lr_warmup_steps": 100, "lr_decay_steps": 1000,
         "lr_decay_style": "WSD", "start_wd": 0.0, "end_wd": 0.1, "wd_incr_steps": 1000, "wd_incr_style": "linear",
         "wsd_decay_steps": 200, "lr_wsd_decay_style": "exponential", "increment": 10}, 150,
    )  # fmt: skip
    agree(reading.schedule, theirs)
    agree(reading.settings["weight_decay"], decays)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": None}, "lr is missing"),
        ({"train_iters": None}, "exactly one of train_iters and train_samples"),
        ({"lr_decay_samples": 5}, "lr_decay_samples does not go with train_iters"),
        ({"lr_warmup_iters": 5}, "only one of lr_warmup_fraction and lr_warmup_iters"),
        ({"rampup_batch_size": [1, 2, 3]}, "rampup_batch_size changes how many samples"),
        ({"decoupled_lr": 1e-2}, "decoupled_lr"),
        ({"weight_decay_incr_style": "linear"}, "start_weight_decay must be given"),
        ({"lr_decay_style": "step"}, "lr_decay_style must be one of"),
        ({"lr_warmup_fraction": 1.5}, "lr_warmup_steps must be < lr_decay_steps"),
        ({"lr": "fast"}, "max_lr must be a number"),
        ({"lr_decay_style": "inverse-square-root", "global_batch_size": None}, "global_batch_size is missing"),
    ],
)
def test_arguments_that_are_wrong(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(ARGUMENTS | change)


def test_hints_fill_in() -> None:
    assert read(ARGUMENTS | {"lr": None}, lr=1e-3).schedule == read(ARGUMENTS).schedule


def test_unknown_hints() -> None:
    assert read(ARGUMENTS, update=7).update == 7
    with pytest.raises(UsageError, match="unknown hint for Megatron 'batch_size'"):
        read(ARGUMENTS, batch_size=3)
    with pytest.raises(UsageError, match="unknown hint for Megatron 'global_batch_size'"):
        megatron.read_object(real(drawn(random.Random(1), "cosine")), global_batch_size=3)


def test_foreign_mappings_are_left_to_others() -> None:
    assert megatron.read_mapping({"type": "WarmupLR"}) is None
    assert megatron.read_mapping({"learning_rate": 0.1, "max_steps": 10}) is None


def test_a_live_scheduler() -> None:
    arguments = drawn(random.Random(1), "cosine") | {"increment": 8, "lr_decay_steps": 80, "lr_warmup_steps": 16}
    live = real(arguments, {}, {"max_lr": 2 * arguments["max_lr"], "wd_mult": 0.0})
    for _ in range(3):
        live.step(8)
    reading = megatron.read_object(live, increment=8)
    assert reading.update == 3
    assert isinstance(reading.schedule, dict)
    assert reading.schedule[0] == OptimizerParamScheduler(**arguments)
    for _ in range(20):
        now = reading.update + _
        for index, group in enumerate(live.optimizer.param_groups):
            assert group["lr"] == pytest.approx(reading.schedule[index](now), rel=1e-12)
            assert group["weight_decay"] == pytest.approx(reading.settings["weight_decay"][index](now), abs=1e-15)
        live.step(8)
    with pytest.raises(UsageError, match="no whole number of updates of 7 samples"):
        megatron.read_object(live, increment=7)


def test_a_saved_state() -> None:
    arguments = drawn(random.Random(2), "linear") | {"init_lr": 0.0, "increment": 4}
    live = real(arguments)
    live.step(40)
    reading = read(live.state_dict(), increment=4)
    assert reading.update == 10
    assert lr.schedule.first_difference(reading.schedule, OptimizerParamScheduler(**arguments), 60) is None


def test_other_objects_are_refused() -> None:
    with pytest.raises(UsageError, match="not a scheduler of Megatron"):
        megatron.read_object(object())


# --- writing

EXPRESSED = [
    Constant(0.1, 10),
    Linear(1.0, 0.1, 10),
    Cosine(1.0, 0.0, 10),
    Linear(0.0, 1.0, 4) >> Constant(1.0),
    Linear(0.0, 1.0, 4) >> Linear(1.0, 0.0, 6),
    Linear(0.01, 1.0, 4) >> Cosine(1.0, 0.1, 9),
    Linear(0, 1.0, 2) >> Constant(1.0, 4) >> Linear(1.0, 0.1, 4),
    Linear(0, 1.0, 2) >> Constant(1.0, 4) >> Cosine(1.0, 0.1, 4),
    lr.WSD(1.0, 0.1, 20, warmup=5, decay=5, shape="sqrt"),
    Constant(1.0, 4) >> PowerDecay(1.0, 0.1, 4),
    scheduler("WSD", 2, 10, 0.1, 4, "exponential"),
    scheduler("inverse-square-root", 4, 50, 0.3),
]


@pytest.mark.parametrize("schedule", EXPRESSED, ids=repr)
def test_round_trip(schedule: Schedule) -> None:
    written = lr.interop.write(schedule, to="megatron")
    assert written.own
    back = read(written.value).schedule
    assert lr.schedule.first_difference(schedule, back, 200) is None


def test_what_never_ends_is_written_for_a_run() -> None:
    schedule = Linear(0.0, 1.0, 4) >> InverseSqrt(1.0, 4)
    back = read(lr.interop.write(schedule, to="megatron", updates=200).value).schedule
    assert lr.schedule.first_difference(schedule, back, 200) is None


def test_flags() -> None:
    code = lr.interop.write(Linear(0.0, 1.0, 4) >> Linear(1.0, 0.0, 6), to="megatron", code=True)
    flags = [line.removesuffix(" \\") for line in code.splitlines()]
    assert flags == [
        "--lr 1.0", "--min-lr 0.0", "--lr-decay-style linear", "--train-iters 10", "--lr-decay-iters 10",
        "--lr-warmup-iters 4", "--lr-warmup-init 0.0", "--global-batch-size 1",
    ]  # fmt: skip


def test_samples_and_weight_decay_are_written() -> None:
    grown = scheduler("linear", 3, 10).replace(increment=4, end_wd=0.1, wd_incr_style="linear", wd_incr_steps=10)
    arguments = megatron.build(grown)
    assert arguments["train_samples"] == arguments["lr_decay_samples"] == 10
    assert arguments["lr_warmup_samples"] == 3
    back = megatron.read_mapping(arguments)
    assert back is not None
    assert np.array_equal(back.settings["weight_decay"](np.arange(9)), grown.weight_decay(np.arange(9)))
    with pytest.raises(UsageError, match="whole samples"):
        megatron.build(scheduler("linear", 3, 10).replace(lr_warmup_steps=2.5))


def test_what_the_arguments_cannot_say() -> None:
    schedule = Cosine(1.0, 0.1, 5).repeat(3)
    with pytest.raises(UsageError, match="after one linear warmup they know the styles constant, linear"):
        _ = lr.interop.write(schedule, to="megatron").value
    with pytest.raises(UsageError, match="hold no curve of your own"):
        megatron.hook_source(schedule)
