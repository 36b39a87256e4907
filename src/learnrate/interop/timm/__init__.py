"""timm.scheduler: its schedulers as schedules, its live objects and configs read, and written."""

from __future__ import annotations

from .reading import read_mapping, read_object
from .schedulers import (
    CosineLRScheduler,
    MultiStepLRScheduler,
    PlateauLRScheduler,
    PolyLRScheduler,
    StepLRScheduler,
    TanhLRScheduler,
    WSDLRScheduler,
)
from .writing import TimmHook, build, hook, hook_source, proposals, source

__all__ = [
    "CosineLRScheduler",
    "MultiStepLRScheduler",
    "PlateauLRScheduler",
    "PolyLRScheduler",
    "StepLRScheduler",
    "TanhLRScheduler",
    "TimmHook",
    "WSDLRScheduler",
    "build",
    "hook",
    "hook_source",
    "proposals",
    "read_mapping",
    "read_object",
    "source",
]
