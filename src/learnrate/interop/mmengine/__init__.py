"""mmengine.optim.scheduler: schedulers that change the current value inside a window, alone or stacked in a list.

Each class is a scheduler alone on its optimizer; `param_scheduler` is a list of them. `begin`, `end` and every period
are counted in the scheduler's own steps: updates, or epochs of `updates_per_epoch` updates. `epoch_length` is what
`convert_to_iter_based=True` does.
"""

from __future__ import annotations

from .reading import read_mapping, read_object
from .schedulers import (
    ConstantLR,
    ConstantMomentum,
    CosineAnnealingLR,
    CosineAnnealingMomentum,
    CosineRestartLR,
    CosineRestartMomentum,
    ExponentialLR,
    ExponentialMomentum,
    LinearLR,
    LinearMomentum,
    MultiStepLR,
    MultiStepMomentum,
    OneCycleLR,
    PolyLR,
    PolyMomentum,
    ReduceOnPlateauLR,
    ReduceOnPlateauMomentum,
    StepLR,
    StepMomentum,
)
from .stacking import param_scheduler

__all__ = [
    "ConstantLR",
    "ConstantMomentum",
    "CosineAnnealingLR",
    "CosineAnnealingMomentum",
    "CosineRestartLR",
    "CosineRestartMomentum",
    "ExponentialLR",
    "ExponentialMomentum",
    "LinearLR",
    "LinearMomentum",
    "MultiStepLR",
    "MultiStepMomentum",
    "OneCycleLR",
    "PolyLR",
    "PolyMomentum",
    "ReduceOnPlateauLR",
    "ReduceOnPlateauMomentum",
    "StepLR",
    "StepMomentum",
    "param_scheduler",
    "read_mapping",
    "read_object",
]
