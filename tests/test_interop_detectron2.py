"""detectron2, which no registry has: recorded runs of its file, and its multipliers against the real fvcore underneath.

`recorded/detectron2.json` is what the classes in `detectron2/solver/lr_scheduler.py` gave to
`recorded/record_detectron2.py`.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import fvcore.common.param_scheduler as real
import numpy as np
import pytest
import torch

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError
from learnrate.interop import detectron2 as ours
from learnrate.interop import fvcore
from learnrate.spec import draw
from parity import FLOAT64, agree, every, updates_for

SIZES = [1, 2, 3, 10, 40]


def inner(rng: random.Random) -> tuple[Schedule, Any]:
    """A scheduler for the warmup to be put in front of, ours and the real one."""
    first, last, end = rng.random() + 0.1, rng.random(), rng.randint(3, 40)
    place = rng.randint(1, end - 1)
    return rng.choice(
        [
            (fvcore.CosineParamScheduler(first, last), real.CosineParamScheduler(first, last)),
            (fvcore.LinearParamScheduler(first, last, end), real.LinearParamScheduler(first, last)),
            (
                fvcore.MultiStepParamScheduler([first, last], end, [place]),
                real.MultiStepParamScheduler([first, last], end, [place]),
            ),
            (
                fvcore.StepWithFixedGammaParamScheduler(first, 3, 0.5, end),
                real.StepWithFixedGammaParamScheduler(first, 3, 0.5, end),
            ),
        ]
    )


def warmed(rng: random.Random) -> tuple[Any, Any]:
    """What `WarmupParamScheduler` is: a composite of fvcore, with these parts."""
    mine, theirs = inner(rng)
    factor, length = rng.choice([0.0, 0.001, rng.random()]), rng.choice([0.0, 0.25, 1.0, rng.random()])
    method, rescale = rng.choice(["linear", "constant"]), rng.random() < 0.3 and length < 1
    if length == 1.0 and not isinstance(theirs, (real.CosineParamScheduler, real.LinearParamScheduler)):
        length = 0.5  # the library raises an error where it asks a stair at progress 1
    start = factor * theirs(0.0)
    end = theirs(0.0) if rescale else theirs(length)
    warmup = real.ConstantParamScheduler(start) if method == "constant" else real.LinearParamScheduler(start, end)
    composite = real.CompositeParamScheduler(
        [warmup, theirs], [length, 1 - length], ["rescaled", "rescaled" if rescale else "fixed"]
    )
    return ours.WarmupParamScheduler(mine, factor, length, method, rescale), composite


def run_of(multiplier: Any, run: int, base: float) -> list[float]:
    """The rates of a torch loop; past the end a stair has none, and keeps its last."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)

    def factor(update: int) -> Any:
        try:
            return multiplier(update / run)
        except (RuntimeError, IndexError):
            assert update >= run
            return multiplier(1 - 2e-6)

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    rates = []
    for _ in range(updates_for(run)):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_multipliers_with_warmup_agree() -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        multiplier, theirs = warmed(rng)
        run, base = rng.choice(SIZES), rng.random()
        return ours.LRMultiplier(multiplier, run, base), run_of(theirs, run, base)

    every("detectron2 LRMultiplier", case, FLOAT64)


RECORDED = json.loads((Path(__file__).parent / "recorded" / "detectron2.json").read_text())["cases"]


def of_record(name: str, values: dict[str, Any]) -> Schedule:
    """Our schedule of the arguments that a run was recorded with."""
    if name != "LRMultiplier":
        return getattr(ours, name)(**values)  # type: ignore[no-any-return]
    rest = {key: values.pop(key) for key in ("max_iter", "lr") if key in values}
    cosine = fvcore.CosineParamScheduler(values.pop("start_value"), values.pop("end_value"))
    return ours.LRMultiplier(ours.WarmupParamScheduler(cosine, **values), **rest)


@pytest.mark.parametrize("name", ["WarmupMultiStepLR", "WarmupCosineLR", "LRMultiplier"])
def test_recorded_runs(name: str) -> None:
    cases = [case for case in RECORDED if case["name"] == name]
    assert len(cases) == 24
    for case in cases:
        agree(of_record(name, dict(case["arguments"])), case["rates"], FLOAT64)


def test_the_config_makes_what_its_parts_make() -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        s = ours.build_lr_scheduler(
            rng.choice(["WarmupMultiStepLR", "WarmupCosineLR", "WarmupStepWithFixedGammaLR"]),
            MAX_ITER=rng.choice([5, 12, 40]),
            BASE_LR=rng.random() + 0.1,
            BASE_LR_END=rng.choice([0.0, 0.1]),
            GAMMA=rng.uniform(0.1, 0.9),
            STEPS=[2, 4, 90],
            NUM_DECAYS=rng.randint(1, 5),
            WARMUP_FACTOR=rng.random(),
            WARMUP_ITERS=rng.randint(0, 12),
            WARMUP_METHOD=rng.choice(["linear", "constant"]),
            RESCALE_INTERVAL=rng.random() < 0.5,
        )
        curve = {
            "WarmupMultiStepLR": real.MultiStepParamScheduler([1, s.GAMMA, s.GAMMA**2], s.MAX_ITER, [2, 4]),
            "WarmupCosineLR": real.CosineParamScheduler(1, s.BASE_LR_END / s.BASE_LR),
            "WarmupStepWithFixedGammaLR": real.StepWithFixedGammaParamScheduler(1.0, s.NUM_DECAYS, s.GAMMA, s.MAX_ITER),
        }[s.LR_SCHEDULER_NAME]
        s = s.replace(WARMUP_ITERS=min(s.WARMUP_ITERS, s.MAX_ITER - 1))
        length = s.WARMUP_ITERS / s.MAX_ITER
        end = curve(0.0) if s.RESCALE_INTERVAL else curve(length)
        constant = s.WARMUP_METHOD == "constant"
        warmup = real.ConstantParamScheduler(s.WARMUP_FACTOR)
        ramp = warmup if constant else real.LinearParamScheduler(s.WARMUP_FACTOR, end)
        scaling = ["rescaled", "rescaled" if s.RESCALE_INTERVAL else "fixed"]
        composite = real.CompositeParamScheduler([ramp, curve], [length, 1 - length], scaling)
        return s, run_of(composite, s.MAX_ITER, s.BASE_LR)

    every("detectron2 build_lr_scheduler", case, FLOAT64)


STAIRS = fvcore.MultiStepParamScheduler([1.0, 0.1], 10, [4])
WARMED = ours.WarmupParamScheduler(fvcore.CosineParamScheduler(1.0, 0.0), 0.001, 4 / 12, num_updates=12)


@pytest.mark.parametrize(
    ("schedule", "updates", "rates"),
    [
        pytest.param(WARMED, range(6), [0.001, 0.188, 0.376, 0.563, 0.75, 0.629], id="table A WarmupParamScheduler"),
        pytest.param(
            ours.WarmupCosineLR(12, warmup_iters=4),
            range(6),
            [0.001, 0.246, 0.467, 0.640, 0.75, 0.629],
            id="table A WarmupCosineLR",
        ),
    ],
)
def test_rows_of_the_tables(schedule: Schedule, updates: Any, rates: list[float]) -> None:
    np.testing.assert_allclose(schedule(list(updates)), rates, atol=5.1e-4, rtol=0)


@pytest.mark.parametrize(
    ("schedule", "run", "names"),
    [
        (WARMED, 12, ["peak never reached"]),
        (WARMED.replace(rescale_interval=True), 12, []),
        (ours.LRMultiplier(WARMED, 100), 100, ["peak never reached"]),
        (ours.LRMultiplier(fvcore.CosineParamScheduler(1.0, 0.0), 10), 15, ["rises past the end"]),
        (ours.LRMultiplier(STAIRS, 12), 13, []),
        (ours.LRMultiplier(STAIRS, 12), 14, ["raises past the end"]),
        (ours.LRMultiplier(ours.WarmupParamScheduler(STAIRS, 0.1, 0.25), 12), 14, ["raises past the end"]),
        (ours.LRMultiplier(fvcore.ConstantParamScheduler(1.0), 12), 13, ["raises past the end"]),
        (ours.LRMultiplier(fvcore.PolynomialDecayParamScheduler(1.0, 0.9), 12), 14, ["complex past the end"]),
        (ours.build_lr_scheduler(MAX_ITER=12, STEPS=[8], WARMUP_ITERS=4), 14, ["raises past the end"]),
        (WARMED, 2, ["peak never reached"]),
        (WARMED.replace(rescale_interval=True), 2, []),
        (ours.WarmupCosineLR(12, warmup_iters=0), 1, []),
        (ours.WarmupCosineLR(12, warmup_iters=4), 18, ["peak never reached", "rises past the end"]),
        (ours.WarmupCosineLR(12, warmup_iters=0), 12, []),
        (ours.build_lr_scheduler("WarmupCosineLR", 12, 1.0, WARMUP_ITERS=4), 12, ["peak never reached"]),
        (ours.build_lr_scheduler(), 40_000, []),
    ],
)
def test_quirks_are_said_where_they_show(schedule: Any, run: int, names: list[str]) -> None:
    assert [finding.name for finding in schedule.quirks(run)] == names


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: warmed(rng)[0],
        lambda rng: ours.LRMultiplier(warmed(rng)[0], 9),
        lambda rng: draw(ours.WarmupMultiStepLR, rng).replace(milestones=[]),
        lambda rng: draw(ours.WarmupCosineLR, rng),
        lambda rng: ours.build_lr_scheduler(MAX_ITER=rng.randint(9, 40), STEPS=[3]),
    ],
)
def test_text_and_json_round_trips(make: Any) -> None:
    for seed in range(10):
        schedule = make(random.Random(seed))
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ours.LRMultiplier(lr.Constant(1.0), 9), r"LRMultiplier.*names no end"),
        (lambda: ours.LRMultiplier(WARMED, 0), r"LRMultiplier.max_iter must be >= 1 updates, got 0"),
        (lambda: ours.LRMultiplier(0.1, 9), r"LRMultiplier.multiplier must be a schedule, got 0.1"),
        (lambda: ours.WarmupParamScheduler(WARMED, 0.1, 1.5), r"warmup_length must be <= 1, got 1.5"),
        (lambda: ours.WarmupParamScheduler(WARMED, 0.1, 0.5, "poly"), r"warmup_method must be one of 'linear', 'const"),
        (lambda: ours.WarmupMultiStepLR([4, 2]), r"milestones must not fall \(updates\), got \[4, 2\]"),
        (lambda: ours.WarmupCosineLR(9, warmup=3), r"unknown parameter of WarmupCosineLR 'warmup'; .*warmup_iters"),
        (lambda: ours.build_lr_scheduler(BASE_LR_END=1.0), r"BASE_LR_END must be <= BASE_LR = 0.001 rate, got 1.0"),
        (lambda: ours.build_lr_scheduler(MAX_ITER=1, STEPS=[1]), r"build_lr_scheduler: MultiStepParamScheduler"),
    ],
)
def test_what_is_wrong_is_named(make: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()
