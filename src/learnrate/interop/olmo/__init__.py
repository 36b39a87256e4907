"""OLMo-core: olmo_core.optim.scheduler, asked for a rate before every update with the trainer's count.

The trainer counts an update before it makes it, so that the first one has `get_lr(lr, 1, max_steps)` and the last one
`get_lr(lr, max_steps, max_steps)`; `first_step=0` reads `get_lr` from 0 on. `max_steps` is the length of the run as the
trainer passes it (`t_max` there; `max_tokens` with `units="tokens"`); left out, `.over(total)` sets it. Floors named
`alpha_f` are shares of the base rate, those named `_min_lr` are rates.
"""

from __future__ import annotations

from .composed import WSDS, ComposableScheduler, ComposableSchedulerStage, OverrideDecay, SequentialScheduler
from .plain import (
    WSD,
    ConstantScheduler,
    ConstantWithWarmup,
    CosWithWarmup,
    CosWithWarmupAndLinearDecay,
    ExponentialScheduler,
    HalfCosWithWarmup,
    InvSqrtWithWarmup,
    LinearWithWarmup,
    PowerLR,
)

__all__ = [
    "WSD",
    "WSDS",
    "ComposableScheduler",
    "ComposableSchedulerStage",
    "ConstantScheduler",
    "ConstantWithWarmup",
    "CosWithWarmup",
    "CosWithWarmupAndLinearDecay",
    "ExponentialScheduler",
    "HalfCosWithWarmup",
    "InvSqrtWithWarmup",
    "LinearWithWarmup",
    "OverrideDecay",
    "PowerLR",
    "SequentialScheduler",
]
