"""PyTorch: schedules attached to optimizers, optimizers and tasks built of your parts, formulas on tensors."""

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
from .task import TorchTask

above("torch")  # the way from a schedule to here, so that compiled code need not import it

__all__ = ["Scheduler", "TorchTask", "attach", "build", "code", "xp"]
