"""OLMo-core: olmo_core.optim.scheduler; update k has `get_lr(lr, k, max_steps)`.

Its trainer counts an update before it makes it, and so is one update ahead: with `first_step=1` the first update has
`get_lr(lr, 1, max_steps)` and the last one `get_lr(lr, max_steps, max_steps)`. `max_steps` is the length of the run as
the trainer passes it (`t_max` there; `max_tokens` with `units="tokens"`); left out, `.over(total)` sets it. Floors
named `alpha_f` are shares of the base rate, those named `_min_lr` are rates.
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
