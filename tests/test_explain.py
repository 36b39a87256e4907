"""`explain`: the first difference, the largest, and the one convention behind them."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

import learnrate as lr
from drawn import composite
from learnrate import Constant, Cosine, Interpolation, Linear, MultiStep, Schedule
from learnrate.differences import CONVENTIONS
from learnrate.errors import LearnrateError, ParameterError, UsageError
from learnrate.findings import Finding
from learnrate.interop import deepspeed, keras, mmengine, optax, timm, torch, transformers
from learnrate.interop.dialect import DIALECTS
from learnrate.linting import horizon
from learnrate.spec import draw
from test_interop import PRINTABLE, bound


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
    "boundary at the end": (
        Interpolation([0, 3, 4], [1, 1, 0.1]),
        MultiStep(1, [5], 0.1),
        "boundary",
        4,
        "changes at 5",
    ),
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
    "a boundary at the end": (keras.PiecewiseConstantDecay([4], [1.0, 0.1]), torch.MultiStepLR([4]), "boundary"),
    "optax has a share, torch a rate": (
        optax.cosine_decay_schedule(2.0, 10, 0.1),
        torch.CosineAnnealingLR(10, 0.1, 2.0),
        "floor",
    ),
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


BUMPY = Interpolation([0, 4, 5, 6, 10], [1, 1, 0.5, 1, 1])
DIP = Interpolation([0, 3, 4, 5, 6, 12], [0, 0.75, 1, 0.2, 0.9, 0.1])
ZIGZAG = Interpolation([0, 1, 2, 3, 4], [0, 0.9, 0.1, 0.9, 1]) >> Cosine(1, 0.1, 12).skip(4)


@pytest.mark.parametrize(
    ("a", "b", "name"),
    [
        (Constant(1).cut(10), BUMPY, "boundary"),
        (MultiStep(1, [4, 8], 0.1), MultiStep(1, [5, 8, 10], 0.1), "boundary"),
        (Cosine(1, 0.1, 10), Interpolation([0, 1, 2, 3, 10], [1, 0, 1, 0, 1]), "boundary"),
        (Constant(1).cut(10), Interpolation([0, 9, 10, 11], [1, 1, 0.5, 1]), "past the end"),
        (Linear(0, 1, 4) >> Cosine(1, 0.1, 8), Linear(0.5, 1, 4) >> Cosine(1, 0.2, 8), "floor"),
        (BASE, ZIGZAG, "decay during warmup"),
        (BASE, DIP, "warmup"),
        (Linear(0, 1, 4) >> Linear(1, 0.5, 8), Linear(0.1, 0.5, 12), "warmup"),
        (Linear(0.5, 1, 1) >> Linear(1, 0, 10), Linear(1, 0, 11), "decay during warmup"),
        (Linear(0, 1, 2) >> Linear(1, 0, 4), Linear(0, 1, 1) >> Linear(1, 0, 4), "decay during warmup"),
        (MultiStep(1, [10], 0.1).cut(10), MultiStep(1, [10], 0.2).cut(10), "floor"),
        (BASE, Linear(0, 1, 4) >> Cosine(0.9, 0.1, 12), "horizon"),
        (Cosine(1, 0, 10), Cosine(1e-10, 0, 13), "base rate"),
    ],
)
def test_a_convention_that_leaves_a_difference_is_not_named(a: Schedule, b: Schedule, name: str) -> None:
    assert lr.explain(a, b).name != name, lr.explain(a, b)
    assert lr.explain(b, a).name != name, lr.explain(b, a)


SAID: dict[str, tuple[Schedule, Schedule, str]] = {
    "no rise before the jump": (
        torch.ConstantLR(0.5, 4),
        torch.LinearLR(0.5, total_iters=4),
        (
            "Warmup: a reaches its peak at update 4; b rises from 0.5 in 4 equal steps: 0.5 at update 0, its peak at "
            "update 4. They agree from update 4 on."
        ),
    ),
    "a rise in a curve": (
        Cosine(0, 1, 4) >> Constant(1, 4),
        Linear(0, 1, 4) >> Constant(1, 4),
        (
            "Warmup: a rises in a curve to its peak at update 4; b counts from 0 (t/4): 0 at update 0, its peak at "
            "update 4. They agree from update 4 on."
        ),
    ),
    "another horizon, and a bounce": (
        torch.CosineAnnealingLR(10),
        optax.cosine_decay_schedule(1.0, 15),
        "Horizon: the same curve takes 10 updates in a and 15 in b; after the end a rises again (to 1), b holds 0.",
    ),
    "another floor, and a bounce": (
        optax.cosine_decay_schedule(2.0, 10, 0.1),
        torch.CosineAnnealingLR(10, 0.1, 2.0),
        (
            "Floor: the 0.1 of b is a rate, in a it is a share of the peak, 0.2; the curve between is the same; after "
            "the end a holds 0.2, b rises again (to 1.6084)."
        ),
    ),
    "another rate, and a bounce": (
        Cosine(1, 0.5, 10),
        Cosine(2, 1, 10).mirror(),
        "b is 2 times a, at every update up to 10; after the end a holds 0.5, b rises again (to 2).",
    ),
    "a warmup, and a bounce": (
        Linear(0, 1, 4) >> Cosine(1, 0.5, 8),
        Linear(0.4, 1, 4) >> Cosine(1, 0.5, 8).mirror(),
        (
            "Warmup: a counts from 0 (t/4): 0 at update 0, its peak at update 4; b rises from 0.4 in 4 equal steps: "
            "0.4 at update 0, its peak at update 4. They agree from update 4 to 12; after the end a holds 0.5, b "
            "rises again (to 1)."
        ),
    ),
    "nothing is cut off but at 0": (
        Cosine(1, 0, 10),
        Cosine(1, 0, 10).clip(0.1),
        "Floor: b goes to 0 and is cut off at 0.1; a is not.",
    ),
    "the end, and what comes later": (
        Constant(1).cut(4),
        Constant(1).cut(8) >> Linear(1, 2, 4),
        "They agree up to update 8; the end is at update 4, and after it a holds 1, b goes on rising (to 2).",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_the_whole_sentence_is_true(case: str) -> None:
    a, b, sentence = SAID[case]
    assert lr.explain(a, b).advice == sentence


def test_what_is_left_after_a_decay_during_warmup_is_in_the_evidence() -> None:
    holds, bounces = timm.CosineLRScheduler(12, warmup_t=4), transformers.get_scheduler("cosine", 4, 12)
    finding = lr.explain(bounces, holds)
    assert finding.name == "decay during warmup"
    assert finding.evidence["largest difference after the end"] == pytest.approx(1)
    assert "largest difference after the end" not in lr.explain(bounces, holds, updates=13).evidence


def test_an_end_may_be_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library may name an end before its warmup is over, even 0: nothing is divided by what is left then."""
    ramp = Linear(0, 1, 4)
    for a, b in [(ramp >> Cosine(1, 0, 8), ramp >> Cosine(1, 0.1, 9)), (ramp, BASE), (BASE, Constant(1)), (BASE, ramp)]:
        for first, second in itertools.product([None, 0, 1, 3, 4, 5, 12], repeat=2):
            ends = {a: first, b: second}
            monkeypatch.setattr("learnrate.differences.horizon", ends.get)
            for updates in (None, 1, 2, 5, 40):
                assert lr.explain(a, b, updates).advice.endswith(".")


def mutations(name: str, rng: random.Random) -> Iterator[tuple[Schedule, Schedule]]:
    """An instance beside itself with one parameter drawn again, for each parameter; none if it cannot be drawn."""
    try:
        one = draw(DIALECTS[name], rng)
    except (NotImplementedError, ParameterError):
        return
    for field, kind in type(one).kinds.items():
        try:
            other = dataclasses.replace(one, **{field: kind.draw(rng)})
        except (NotImplementedError, ParameterError):
            continue
        a, b = (schedule if schedule.bound else bound(schedule) for schedule in (one, other))
        if a is not None and b is not None:
            yield a, b


def claim_holds(finding: Finding, a: Schedule, b: Schedule) -> bool:
    """Whether the numbers are what the name says, up to the end where the sentence speaks of the time after it."""
    ends = [end for end in (horizon(a), horizon(b)) if end is not None]
    cut = "; after the end" in finding.advice
    times = np.arange(min(ends) + 1 if cut else int(finding.evidence["updates"]))
    x, y = a(times), b(times)
    small = 2e-9 * max(np.abs(x).max(), np.abs(y).max())
    gap = np.abs(x - y) > small

    def equal(left: np.ndarray, right: np.ndarray) -> bool:
        return bool(np.all(np.abs(left - right) <= small))

    if finding.name == "the same":
        return not gap.any()
    if finding.name == "past the end":
        return not gap[: min(ends)].any() and bool(gap[min(ends) + 1 :].any())
    if finding.name == "base rate":
        at = int(np.argmax(np.abs(x)))
        with np.errstate(under="ignore"):
            return x[at] != 0 and equal(x * (y[at] / x[at]), y)
    if finding.name == "one update late":
        return equal(x[1:], y[:-1]) or equal(y[1:], x[:-1])
    changes = np.flatnonzero(gap)
    early, late = (x, y) if finding.advice.startswith("Boundaries: a") else (y, x)
    jumps = np.abs(np.diff(early))[changes - 1] > 0
    after = changes[changes + 1 < times.size]
    return bool(jumps.all()) and equal(late[changes], early[changes - 1]) and equal(early[after + 1], late[after + 1])


def test_what_is_named_is_so() -> None:
    checked = ("the same", "base rate", "boundary", "one update late", "past the end")
    seen: Counter[str] = Counter()
    for name in PRINTABLE:
        for a, b in mutations(name, random.Random(f"explain {name}")):
            finding = lr.explain(a, b)
            seen[finding.name] += 1
            assert finding.name not in checked or claim_holds(finding, a, b), (a, b, finding)
    assert all(seen[name] for name in checked if name != "boundary"), seen


def test_long_schedules_are_looked_at_to_their_end() -> None:
    far = lr.explain(lr.WSD(1.0, updates=10_000_000, warmup=100, decay=1_000_000), Linear(0, 1, 100) >> Constant(1.0))
    assert far.name == "different schedules"
    assert 9_000_000 <= far.evidence["first update"] < 9_100_000
    assert far.evidence["largest difference"] == pytest.approx(1.0, rel=1e-3)
    billion = lr.explain(Cosine(0.1, 0, 10**9), Linear(0.1, 0, 10**9))
    assert billion.evidence["largest difference"] == pytest.approx(0.0105, rel=0.01)
    assert lr.explain(Cosine(0.1, 0, 10**9), Cosine(0.1, 0, 10**9)).name == "the same"
