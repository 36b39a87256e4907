"""`explain`: the first difference, the largest, and the one convention behind them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

import learnrate as lr
from drawn import composite
from learnrate import Constant, Cosine, Linear, MultiStep, Schedule
from learnrate.differences import CONVENTIONS
from learnrate.errors import LearnrateError, UsageError
from learnrate.interop import deepspeed, keras, mmengine, optax, timm, torch, transformers


@pytest.fixture(autouse=True)
def _every_floating_point_warning_is_an_error() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


BASE = Linear(0, 1, 4) >> Cosine(1, 0.1, 8)
CASES: dict[str, tuple[Schedule, Schedule, str, int, str]] = {
    "warmup from 1": (BASE, Linear(0, 1, 4).skip(1) >> Constant(1, 1) >> Cosine(1, 0.1, 8), "warmup", 0, "(t+1)/4"),
    "warmup from 1, longer": (BASE, Linear(0, 1, 5).skip(1) >> Cosine(1, 0.1, 8), "warmup", 0, "(t+1)/5"),
    "late": (BASE, BASE.delay(1), "one update late", 1, "b is one update late"),
    "ahead": (BASE, BASE.skip(1), "one update late", 0, "b is one update ahead"),
    "horizon after warmup": (BASE, Linear(0, 1, 4) >> Cosine(1, 0.1, 12), "horizon", 5, "includes the warmup of 4"),
    "horizon": (Cosine(1, 0, 10), Cosine(1, 0, 11), "horizon", 1, "takes 10 updates in a and 11 in b"),
    "during": (
        BASE,
        Linear(0, 1, 4) >> Cosine(1, 0.1, 12).skip(4),
        "decay during warmup",
        4,
        "already 0.775",
    ),
    "floor": (Cosine(1, 0.1, 10), Cosine(1, 0.2, 10), "floor", 1, "a ends at 0.1, b at 0.2"),
    "floor as ratio": (Cosine(0.1, 0.01, 10), Cosine(0.1, 0.001, 10), "floor", 1, "share of the peak, 0.001"),
    "floor cut off": (Cosine(1, 0.1, 10), Cosine(1, 0, 10).clip(0.1), "floor", 1, "cut off at 0.1"),
    "boundary": (MultiStep(1, [4, 8], 0.1), MultiStep(1, [5, 9], 0.1), "boundary", 4, "changes at 5"),
    "base rate": (BASE, 3 * BASE, "base rate", 1, "b is 3 times a"),
    "past the end": (BASE, Linear(0, 1, 4) >> Cosine(1, 0.1, 8).mirror(), "past the end", 13, "rises again (to 1)"),
    "different": (BASE, Constant(0.3), "different schedules", 0, "No single convention"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_convention_explains_it(case: str) -> None:
    a, b, name, first, said = CASES[case]
    finding = lr.explain(a, b)
    assert (finding.name, finding.evidence["first update"]) == (name, first)
    assert said in finding.advice
    times = np.arange(int(finding.evidence["updates"]))
    gap = np.abs(a(times) - b(times))
    assert finding.evidence["largest difference"] == pytest.approx(gap.max(), rel=1e-12)
    assert gap[int(finding.evidence["at update"])] == gap.max()
    assert lr.explain(b, a).name == name, "the other way round it is the same convention"


def test_every_convention_has_its_case() -> None:
    assert {name for _, _, name, _, _ in CASES.values()} == {*CONVENTIONS, "different schedules"}


LIBRARIES: dict[str, tuple[Schedule, Schedule, str]] = {
    "optax ends, torch bounces": (optax.cosine_decay_schedule(1.0, 10), torch.CosineAnnealingLR(10), "past the end"),
    "mmengine takes one step less": (
        torch.LinearLR(0.5, 1.0, 10),
        mmengine.LinearLR(0.5, by_epoch=False, end=10),
        "warmup",
    ),
    "Keras counts after the warmup": (
        optax.warmup_cosine_decay_schedule(0.0, 1.0, 4, 12),
        keras.CosineDecay(0.0, 12, warmup_target=1.0, warmup_steps=4),
        "horizon",
    ),
    "DeepSpeed is late": (
        transformers.get_scheduler("constant_with_warmup", num_warmup_steps=4),
        deepspeed.WarmupLR(0.0, 1.0, 4, "linear"),
        "one update late",
    ),
    "timm loses the peak": (
        transformers.get_scheduler("cosine", num_warmup_steps=4, num_training_steps=12),
        timm.CosineLRScheduler(12, warmup_t=4),
        "decay during warmup",
    ),
    "Keras changes after the boundary": (
        optax.piecewise_constant_schedule(1.0, {4: 0.1}),
        keras.PiecewiseConstantDecay([4], [1.0, 0.1]),
        "boundary",
    ),
    "timm changes before it": (torch.MultiStepLR([4]), timm.MultiStepLRScheduler([4], decay_rate=0.1), "boundary"),
}


@pytest.mark.parametrize("case", LIBRARIES)
def test_what_the_libraries_disagree_about(case: str) -> None:
    a, b, name = LIBRARIES[case]
    assert lr.explain(a, b).name == name, lr.explain(a, b)


def test_equal_schedules_are_the_same() -> None:
    for same in (BASE, BASE + Constant(0)):
        finding = lr.explain(BASE, same)
        assert (finding.name, finding.evidence["updates"]) == ("the same", 21)


def test_any_two_schedules_can_be_compared() -> None:
    rng = random.Random(3)
    for _ in range(60):
        a, b = composite(rng, 3), composite(rng, 3)
        finding = lr.explain(a, b, updates=rng.choice([1, 2, 3, 200]))
        assert finding.advice.endswith(".")
        assert all(np.isfinite(value) for value in finding.evidence.values())


def test_bad_input_is_refused() -> None:
    with pytest.raises(UsageError, match=r"explain compares schedules, got 'Cosine\(1\)' for b; learnrate.parse"):
        lr.explain(BASE, "Cosine(1)")
    for wrong in (-1, 1.5):
        with pytest.raises(LearnrateError, match="must be"):
            lr.explain(BASE, BASE, updates=wrong)
    with pytest.raises(LearnrateError, match="bind it with"):
        lr.explain(BASE, Cosine(1))
