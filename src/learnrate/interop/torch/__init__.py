"""torch.optim.lr_scheduler and SWALR: what torch 2.13 computes, update by update, whatever its docs promise."""

from __future__ import annotations

from .composition import ChainedScheduler, SequentialLR
from .files import read_checkpoint
from .reading import read_mapping, read_object
from .schedulers import (
    SWALR,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    StepLR,
)
from .writing import Hook, build, hook, hook_source, proposals, source

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "Hook",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SWALR",
    "SequentialLR",
    "StepLR",
    "build",
    "hook",
    "hook_source",
    "proposals",
    "read_checkpoint",
    "read_mapping",
    "read_object",
    "source",
]
