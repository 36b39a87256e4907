"""pytorch_scheduler: closed forms of t that hold their end; most scale the optimizer's rate."""

from __future__ import annotations

from .composing import SequentialComposer, WarmupScheduler, read_object
from .schedulers import (
    ChebyshevScheduler,
    CosineAnnealingWarmupRestarts,
    CosineWithWarmupScheduler,
    ExpHyperbolicLRScheduler,
    FlatCosineScheduler,
    HyperbolicLRScheduler,
    IdentityScheduler,
    InverseSqrtScheduler,
    KDecayScheduler,
    LinearDecayScheduler,
    PolynomialScheduler,
    PowerDecayScheduler,
    RexScheduler,
    SlantedTriangularScheduler,
    TanhDecayScheduler,
    TrapezoidalScheduler,
    WarmupHoldCosineScheduler,
    WSDScheduler,
)

__all__ = [
    "ChebyshevScheduler",
    "CosineAnnealingWarmupRestarts",
    "CosineWithWarmupScheduler",
    "ExpHyperbolicLRScheduler",
    "FlatCosineScheduler",
    "HyperbolicLRScheduler",
    "IdentityScheduler",
    "InverseSqrtScheduler",
    "KDecayScheduler",
    "LinearDecayScheduler",
    "PolynomialScheduler",
    "PowerDecayScheduler",
    "RexScheduler",
    "SequentialComposer",
    "SlantedTriangularScheduler",
    "TanhDecayScheduler",
    "TrapezoidalScheduler",
    "WSDScheduler",
    "WarmupHoldCosineScheduler",
    "WarmupScheduler",
    "read_object",
]
