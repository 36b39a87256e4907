"""What a `TorchTask` is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import TaskError
from ..spec import shorten


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a task is made of, checked; the arguments of `TorchTask`."""

    name: str
    model: Callable[[], nn.Module]
    loss: Callable[..., Any]
    pairs: bool  # whether `loss` takes (input, target) instead of (model, batch)
    batches: Any
    evaluate: Callable[[nn.Module], Any]
    updates: int  # of a run of the usual length
    objective: str
    evaluations: int  # of such a run
    accumulation: int
    clip: float | None
    autocast: torch.dtype | None
    scaler: bool
    device: torch.device | None
    params: Callable[[nn.Module], Any] | None
    threads: int | None

    def refuse(self, rule: str) -> TaskError:
        """The error that tells the task's author what to change."""
        return TaskError(f"task {self.name!r}: {rule}")


def described(value: Any) -> str:
    """What was given, in few words: a tensor by its shape."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"{type(value).__name__} {shorten(value)}"
