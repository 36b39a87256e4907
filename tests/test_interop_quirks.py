"""What the findings about libraries share: when a peak counts as missed, and what a sequence says for its parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from learnrate import Cosine, Linear
from learnrate.interop import deepspeed, mmengine, optax, paddle, quirks, timm, torch
from learnrate.interop import pytorch_scheduler as pts

MISSED = "peak never reached"

REACHED = [
    torch.OneCycleLR(1.0, 10),
    paddle.OneCycleLR(1.0, 10),
    mmengine.OneCycleLR(1.0, end=10),
    optax.cosine_onecycle_schedule(10, 1.0),
    deepspeed.OneCycle(0.1, 1.0, cycle_first_step_size=5),
    timm.CosineLRScheduler(40, warmup_t=5, warmup_prefix=True, lr=1.0),
    pts.SlantedTriangularScheduler(10, 0.5),
    pts.CosineAnnealingWarmupRestarts(9, 5, max_lr=1.0, min_lr=0.0),
]


def missed(schedule: Any, run: int) -> bool:
    return MISSED in [finding.name for finding in schedule.quirks(run)]


@pytest.mark.parametrize("schedule", REACHED, ids=lambda schedule: schedule.full_name())
def test_a_run_that_ends_before_the_peak_does_not_miss_it(schedule: Any) -> None:
    peak = int(np.argmax(schedule.curve(40)))
    assert peak >= 2
    assert not any(missed(schedule, run) for run in range(12))


@pytest.mark.parametrize(
    "schedule", [torch.OneCycleLR(1.0, 10, pct_start=0.25), pts.ChebyshevScheduler(10)], ids=["one cycle", "Chebyshev"]
)
def test_a_peak_that_no_update_has_is_missed_in_a_short_run_too(schedule: Any) -> None:
    assert [missed(schedule, run) for run in (0, 1, 2, 20)] == [False, True, True, True]


def test_a_peak_is_found_in_a_run_of_many_updates() -> None:
    """Between those that are looked at first."""
    rise = Linear(0.0, 1.0, 1_234_567) >> Linear(1.0, 0.0, 2_000_000)
    assert list(quirks.misses_peak(rise, 1.0, 3_000_000, "")) == []
    (finding,) = quirks.misses_peak(rise, 1.001, 3_000_000, "")
    assert finding.evidence["highest"] == 1.0


def test_parts_run_from_where_they_begin_to_where_they_are_left() -> None:
    bouncing = torch.CosineAnnealingLR(10, lr=1.0)
    (alone,) = bouncing.quirks(16)
    assert list(quirks.of_parts([(bouncing, 0, 16)], 40)) == [alone]
    (inside,) = quirks.of_parts([(Cosine(1.0, 0.0, 4), 0, 4), (bouncing, 4, 40)], 20)
    assert (inside.name, inside.advice) == (alone.name, alone.advice)
    assert dict(inside.evidence) == {**alone.evidence, "counted from": 4}
    assert list(quirks.of_parts([(bouncing, 4, 14)], 40)) == []
    assert list(quirks.of_parts([(bouncing, 30, 60)], 20)) == []
