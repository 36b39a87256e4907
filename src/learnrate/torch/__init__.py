"""PyTorch: schedules attached to optimizers, optimizers built from policies, formulas computed on tensors."""

from __future__ import annotations

from ..errors import MissingExtra

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtra("torch", "torch") from error

from ..schedule.contract import above
from .building import build
from .namespace import xp
from .scheduler import Scheduler, attach
from .source import code

above("torch")  # the way from a schedule to here, so that compiled code need not import it

__all__ = ["Scheduler", "attach", "build", "code", "xp"]
