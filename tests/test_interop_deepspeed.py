"""DeepSpeed: its schedulers compared with recorded runs of the real file, its JSON read and written.

DeepSpeed cannot be installed next to Accelerate without its dozens of dependencies: Accelerate imports it as soon as it
is there. So the rates are recorded once: `recorded/deepspeed.json` is what `deepspeed/runtime/lr_schedules.py` gave to
`recorded/record_deepspeed.py`.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import learnrate as lr
from learnrate import Constant, Cosine, Linear, Logarithmic, Schedule
from learnrate.errors import ParameterError, UsageError
from learnrate.interop import deepspeed
from learnrate.interop.deepspeed import KINDS, LRRangeTest, OneCycle, WarmupCosineLR, WarmupDecayLR, WarmupLR
from parity import FLOAT64, agree

RECORDED = json.loads((Path(__file__).parent / "recorded" / "deepspeed.json").read_text())["cases"]


@pytest.mark.parametrize("name", KINDS)
def test_recorded_runs(name: str) -> None:
    cases = [case for case in RECORDED if case["name"] == name]
    assert len(cases) == 24
    for case in cases:
        ours = KINDS[name](**case["arguments"])
        agree(ours, case["rates"], FLOAT64)
        if isinstance(ours, OneCycle):
            assert (ours.momentum is None) == ("beta1" not in case)
            if ours.momentum is not None:
                agree(ours.momentum, case["beta1"], FLOAT64)


ROWS: dict[str, tuple[Schedule, list[int], list[float]]] = {
    "A linear": (WarmupLR(0.0, 1.0, 4, "linear"), [0, 1, 2, 3, 4, 5], [0, 0, 0.25, 0.5, 0.75, 1]),
    "A log": (WarmupLR(0.0, 1.0, 4), [0, 1, 2, 3, 4, 5], [0, 0, 0.5, 0.792, 1, 1]),
    "B": (
        WarmupCosineLR(10, warmup_num_steps=1, cos_min_ratio=0.1),
        [0, 5, 9, 10, 11, 15, 20],
        [0, 0.722, 0.134, 0.1, 0.1, 0.1, 0.1],
    ),
    "C linear": (WarmupDecayLR(10, 0.0, 1.0, 1), [9, 10, 11, 15], [0.25, 0.125, 0, 0]),
    "F": (OneCycle(0.04, 1.0, 0.0, 3, 7), [0, 1, 2, 3, 9, 10], [0.04, 0.36, 0.68, 1, 0.177, 0.04]),
}


@pytest.mark.parametrize("row", ROWS)
def test_tables(row: str) -> None:
    schedule, updates, values = ROWS[row]
    assert schedule(updates).round(3).tolist() == pytest.approx(values, abs=1e-12)


def test_gotchas() -> None:
    short = WarmupDecayLR(4, 0.0, 1.0, 8, "linear")
    assert short([7, 8, 9]).tolist() == [0.75, 0.875, 0.0]
    momentum = OneCycle(0.1, 1.0, 0.0, 3, 7, decay_step_size=1, cycle_max_mom=0.9, decay_mom_rate=0.175).momentum
    assert momentum is not None
    assert momentum(12) == pytest.approx(1.215)


# --- drawn instances


def drawn(name: str, rng: random.Random) -> Any:
    return lr.spec.draw(KINDS[name], rng)


@pytest.mark.parametrize("name", KINDS)
def test_text_json_and_config(name: str) -> None:
    for index in range(40):
        schedule = drawn(name, random.Random(f"{name} {index}"))
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule
        config = json.loads(deepspeed.source(schedule))
        back = read(config)
        assert lr.schedule.first_difference(back.schedule, schedule, 80) is None


@pytest.mark.parametrize("name", KINDS)
def test_tiny_horizons(name: str) -> None:
    for size in (1, 2, 3):
        sizes = {key: size for key in ("total_num_steps", "warmup_num_steps", "cycle_first_step_size") if
                 key in KINDS[name].kinds}  # fmt: skip
        schedule = drawn(name, random.Random(size)).replace(**sizes)
        assert len(schedule.curve(12)) == 12


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: WarmupLR(warmup_steps=3), "unknown parameter of WarmupLR 'warmup_steps'"),
        (lambda: WarmupLR(warmup_num_steps=-1), "warmup_num_steps must be >= 0 updates, got -1"),
        (lambda: WarmupLR(warmup_type=1), "warmup_type must be text, got 1"),
        (lambda: WarmupLR([0.0, 0.1]), "warmup_min_lr must have one entry when it is a list, got 2"),
        (lambda: WarmupDecayLR(), "total_num_steps is missing"),
        (lambda: LRRangeTest(lr_range_test_step_size=0), "step_size must be >= 1 updates"),
        (lambda: OneCycle(0.1, 1.0, 0.0, 0), "cycle_first_step_size must be >= 1 updates"),
        (lambda: OneCycle(0.1, 1.0, 0.0, 3, -1), "cycle_second_step_size must be >= 0 updates"),
    ],
)
def test_bad_values(make: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        make()


def names(schedule: Any, run: int = 40) -> list[str]:
    return [finding.name for finding in schedule.quirks(run)]


def test_quirks() -> None:
    assert names(WarmupLR(0.0, 1.0, 4)) == ["one update late"]
    assert "warmup forced to 2 updates" in names(WarmupLR(0.0, 1.0, 1))
    assert "warmup longer than the whole" in names(WarmupDecayLR(4, 0.0, 1.0, 8))
    assert "warmup longer than the whole" not in names(WarmupDecayLR(8, 0.0, 1.0, 4))
    assert "peak never reached" in names(WarmupCosineLR(20, 0.0, 5, warmup_type="linear"))
    assert "peak never reached" not in names(WarmupCosineLR(20, 0.0, 5, warmup_type="log"))
    assert "first update does nothing" in names(WarmupCosineLR(20, 0.5, 5))
    growing = OneCycle(0.1, 1.0, 0.0, 3, 7, decay_step_size=1, decay_mom_rate=0.175)
    assert {"momentum reaches 1", "momentum starts low", "beta2 replaced"} <= set(names(growing))
    assert "momentum reaches 1" not in names(growing, 11)
    assert names(growing.replace(cycle_momentum=False)) == []
    assert "peak never reached" in names(OneCycle(0.1, 1.0, 0.0, 3, 0, cycle_momentum=False))
    assert names(LRRangeTest()) == []


# --- reading


def read(data: dict[str, Any], **hints: Any) -> Any:
    reading = deepspeed.read_mapping(data, **hints)
    assert reading is not None
    return reading


WHOLE = {
    "train_micro_batch_size_per_gpu": 4,
    "zero_optimization": {"stage": 2},
    "optimizer": {"type": "AdamW", "params": {"lr": 3e-4, "weight_decay": 0.1}},
    "scheduler": {"type": "WarmupCosineLR", "params": {"total_num_steps": 100, "warmup_num_steps": 10}},
}


def test_a_whole_config() -> None:
    reading = lr.interop.read(WHOLE)
    assert reading.schedule == WarmupCosineLR(100, warmup_num_steps=10, lr=3e-4)
    assert reading.update == 0
    assert lr.interop.read(WHOLE, lr=1.0).schedule.peak == 1.0


def test_the_section_alone() -> None:
    section = {"type": "WarmupDecayLR", "params": {"total_num_steps": 9, "warmup_max_lr": 0.5, "warmup_num_steps": 3}}
    assert lr.interop.read(section).schedule == WarmupDecayLR(9, 0.0, 0.5, 3)


def test_a_scheduler_of_torch_by_its_name() -> None:
    config = WHOLE | {"scheduler": {"type": "MultiStepLR", "params": {"milestones": [3, 5], "gamma": 0.5}}}
    assert lr.interop.read(config).schedule([2, 3, 5]).tolist() == pytest.approx([3e-4, 1.5e-4, 0.75e-4])


def test_momentum_is_a_setting() -> None:
    section = {"type": "OneCycle", "params": {"cycle_min_lr": 0.1, "cycle_max_lr": 1.0}}
    assert read(section).settings["beta1"](0) == 0.8
    still = {"type": "OneCycle", "params": {"cycle_min_lr": 0.1, "cycle_max_lr": 1.0, "cycle_momentum": False}}
    assert read(still).settings == {}


def test_a_list_is_one_schedule_per_group() -> None:
    section = {"type": "WarmupLR", "params": {"warmup_max_lr": [0.1, 0.2], "warmup_num_steps": 5}}
    assert read(section).schedule == {0: WarmupLR(0.0, 0.1, 5), 1: WarmupLR(0.0, 0.2, 5)}
    section["params"]["warmup_min_lr"] = [0.0]
    with pytest.raises(UsageError, match="one entry per param group"):
        read(section)


AUTO = {
    "optimizer": {"type": "AdamW", "params": {"lr": "auto"}},
    "scheduler": {
        "type": "WarmupDecayLR",
        "params": dict.fromkeys(("total_num_steps", "warmup_min_lr", "warmup_max_lr", "warmup_num_steps"), "auto"),
    },
}


def test_auto_asks_for_a_hint() -> None:
    with pytest.raises(UsageError, match=r'scheduler.params.total_num_steps is "auto", .* total_num_steps=...'):
        read(AUTO)
    filled = read(AUTO, total_num_steps=20, warmup_num_steps=4, lr=0.01)
    assert filled.schedule == WarmupDecayLR(20, 0.0, 0.01, 4)
    cosine = AUTO | {"scheduler": {"type": "WarmupCosineLR", "params": {"total_num_steps": 9}}}
    with pytest.raises(UsageError, match='optimizer.params.lr is "auto"; say it: lr=...'):
        read(cosine)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"scheduler": {"type": "StepLR", "params": {"step_size": 3}}}, "StepLR scales the optimizer's rate"),
        ({"scheduler": {"type": "ReduceLROnPlateau", "params": {}}}, "unknown scheduler.type"),
        ({"scheduler": {"type": "WarmupLr", "params": {}}}, "did you mean 'WarmupLR'"),
        ({"scheduler": {"type": "WarmupLR", "params": {"warmup": 3}, "lr": 1}}, "optimizer.params.lr is missing"),
        ({"scheduler": {"type": "WarmupDecayLR", "params": {"warmup": 3}}}, "scheduler.params: .*'warmup'"),
        ({"scheduler": {"type": "WarmupDecayLR", "params": {}}}, "total_num_steps is missing"),
        ({"scheduler": {"type": "WarmupDecayLR", "params": [1]}}, "scheduler.params must be an object"),
        ({"zero_optimization": {}, "train_batch_size": 8}, 'no "scheduler" section'),
    ],
)
def test_configs_that_are_wrong(data: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(data)


def test_foreign_mappings_are_left_to_others() -> None:
    assert deepspeed.read_mapping({"type": "CosineAnnealingLR", "T_max": 3}) is None
    assert deepspeed.read_mapping({"lr_decay_style": "linear"}) is None
    assert deepspeed.read_mapping({"train_batch_size": 8, "gradient_accumulation_steps": 2}) is None
    assert deepspeed.read_mapping({"scheduler": "cosine", "train_batch_size": 8}) is None
    for key in ("lr_scheduler_type", "learning_rate"):  # training arguments, whatever else they hold
        assert deepspeed.read_mapping(WHOLE | {key: 0.1}) is None


@pytest.mark.parametrize("key", ["zero_optimization", "train_micro_batch_size_per_gpu"])
def test_a_config_without_a_scheduler_is_known_by_its_keys(key: str) -> None:
    with pytest.raises(UsageError, match='no "scheduler" section'):
        deepspeed.read_mapping({key: 1, "train_batch_size": 8})


@pytest.mark.parametrize("update", [-1, 1.5, "a", True])
def test_the_update_is_a_whole_number(update: Any) -> None:
    with pytest.raises(UsageError, match="update must be a number of updates >= 0"):
        deepspeed.read_mapping(WHOLE, update=update)


def test_hints() -> None:
    assert read(WHOLE, update=7).update == 7
    assert read(AUTO, updates=20, warmup_num_steps=4, lr=0.01).schedule == WarmupDecayLR(20, 0.0, 0.01, 4)
    with pytest.raises(UsageError, match="unknown hint for WarmupCosineLR 'warmup'"):
        read(WHOLE, warmup=3)
    with pytest.raises(UsageError, match=r"optimizer.params.lr must be a number \(rate\), got 'fast'"):
        read(WHOLE | {"optimizer": {"params": {"lr": "fast"}}})
    with pytest.raises(UsageError, match="a live WarmupLR takes no hints"):
        deepspeed.read_object(live("WarmupLR"), lr=3)


def live(name: str, **attributes: Any) -> Any:
    """An object as the class of that name in `deepspeed.runtime.lr_schedules` holds its arguments."""
    made = type(name, (), {"__module__": "deepspeed.runtime.lr_schedules"})()
    made.__dict__.update(attributes)
    return made


def test_live_schedulers() -> None:
    warmup = {"min_lrs": [0.0, 0.0], "max_lrs": [0.1, 0.1], "warmup_num_steps": 5, "warmup_type": "log"}
    reading = lr.interop.read(live("WarmupLR", **warmup, last_batch_iteration=6))
    assert (reading.schedule, reading.update) == (WarmupLR(0.0, 0.1, 5), 7)
    reading = deepspeed.read_object(live("WarmupDecayLR", **warmup, total_num_steps=9, last_batch_iteration=-1))
    assert (reading.schedule, reading.update) == (WarmupDecayLR(9, 0.0, 0.1, 5), 0)
    cosine = live(
        "WarmupCosineLR", total_num_steps=9, warmup_min_ratio=0.1, warmup_num_steps=3, cos_min_ratio=0.2,
        warmup_type="linear", org_lrs=[0.1, 0.2], last_batch_iteration=0,
    )  # fmt: skip
    assert deepspeed.read_object(cosine).schedule == {
        0: WarmupCosineLR(9, 0.1, 3, 0.2, "linear", 0.1),
        1: WarmupCosineLR(9, 0.1, 3, 0.2, "linear", 0.2),
    }
    cycle = live(
        "OneCycle", min_lrs=[0.1], max_lrs=[1.0], decay_lr_rate=0.5, first_step_size=3.0, second_step_size=4.0,
        first_stair_count=0, second_stair_count=2, decay_step_size=1, cycle_momentum=True, min_moms=[(0.8, 0.99)],
        max_moms=[(0.95, 0.99)], decay_mom_rate=0.1, last_batch_iteration=2,
    )  # fmt: skip
    expected = OneCycle(0.1, 1.0, 0.5, 3, 4, 0, 2, 1, True, 0.8, 0.95, 0.1)
    assert deepspeed.read_object(cycle).schedule == expected
    assert deepspeed.read_object(cycle).settings["beta1"] == expected.momentum
    ranged = live("LRRangeTest", min_lr=[0.1], step_size=5, step_rate=2.0, staircase=True, last_batch_iteration=3)
    assert deepspeed.read_object(ranged).schedule == LRRangeTest(0.1, 5, 2.0, True)


def test_other_objects_are_refused() -> None:
    with pytest.raises(UsageError, match="not a DeepSpeed scheduler"):
        deepspeed.read_object(SimpleNamespace())


# --- writing

EXPRESSED = [
    Linear(0.0, 1.0, 4).delay(1),
    Linear(0.1, 1.0, 4).delay(1) >> Constant(1.0),
    (Linear(0.0, 1.0, 4) >> Linear(1.0, 0.0, 6)).delay(1),
    (Logarithmic(0.0, 1.0, 3) >> Constant(1.0, 1) >> Linear(1.0, 0.0, 6)).delay(1),
    Constant(0.0, 1) >> Logarithmic(0.0, 0.5, 4) >> Constant(0.5, 1) >> Cosine(0.5, 0.05, 10).skip(1),
    Linear(0.1, 1.0, 4) >> Linear(1.0, 0.1, 9),
    Linear(0.04, 1.0, 3) >> Linear(1.0, 0.04, 7),
    WarmupCosineLR(30, 0.1, 5, 0.1, "linear", 0.3),
    LRRangeTest(0.1, 7, 0.5, True),
]


@pytest.mark.parametrize("schedule", EXPRESSED, ids=repr)
def test_round_trip(schedule: Schedule) -> None:
    written = lr.interop.write(schedule, to="deepspeed")
    assert written.own
    assert lr.schedule.first_difference(schedule, read(written.value).schedule, 200) is None
    code = lr.interop.write(schedule, to="deepspeed", code=True)
    assert json.loads(code) == written.value


def test_the_section_is_plain() -> None:
    assert deepspeed.build(WarmupLR(0.0, 0.1, 5)) == {
        "scheduler": {
            "type": "WarmupLR",
            "params": {"warmup_min_lr": 0.0, "warmup_max_lr": 0.1, "warmup_num_steps": 5, "warmup_type": "log"},
        }
    }
    assert deepspeed.build(WarmupLR(lr=0.3))["optimizer"] == {"params": {"lr": 0.3}}


def test_what_the_config_cannot_say() -> None:
    schedule = Linear(0.0, 1.0, 4) >> Cosine(1.0, 0.0, 6)  # not one update late
    with pytest.raises(UsageError, match="all but LRRangeTest and OneCycle one update late"):
        _ = lr.interop.write(schedule, to="deepspeed").value
    with pytest.raises(UsageError, match="no place for a curve of your own"):
        deepspeed.hook_source(Cosine(1.0, 0.1, 5))


@pytest.mark.parametrize("name", ["WarmupLR", "WarmupDecayLR", "WarmupCosineLR"])
def test_an_unknown_curve_is_the_logarithm_and_is_said(name: str) -> None:
    options = {"warmup_num_steps": 10} | ({} if name == "WarmupLR" else {"total_num_steps": 20})
    known, odd = (KINDS[name](warmup_type=kind, **options) for kind in ("log", "cosine"))
    assert (known.curve(30) == odd.curve(30)).all()
    assert "unknown warmup_type" in names(odd)
    assert "unknown warmup_type" not in names(known)


def test_a_list_for_one_param_group() -> None:
    assert WarmupLR(warmup_min_lr=[0.0], warmup_max_lr=[0.1]) == WarmupLR(0.0, 0.1)
    assert OneCycle([0.1], [1.0], last_batch_iteration=-1) == OneCycle(0.1, 1.0)
