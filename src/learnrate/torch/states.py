"""The state in a snapshot as bytes: what `torch.save` writes, read back without executing anything."""

from __future__ import annotations

import io
import pickle
import warnings
from typing import Any

import torch

from ..errors import TraceFileError, UsageError

_PLAIN = (bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size)
_TENSORS = (torch.Tensor, torch.nn.Parameter)
_DAMAGED = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OverflowError,
)
"""What torch raises at bytes that it cannot read."""


def written(state: Any) -> bytes:
    """A state as bytes; raises `UsageError` that names the place of what could not be read back."""
    _check(state, "state")
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def read(content: bytes) -> Any:
    """The state, its tensors on the CPU; raises `TraceFileError` for bytes that hold anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wonders at foreign pickles, which it then refuses
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        reason = str(error).partition("\n")[0]
        raise TraceFileError(f"its state is not what learnrate writes: {reason}") from None


def _check(value: Any, place: str) -> None:
    if type(value) is dict:
        for key, item in value.items():
            _check(key, f"a key of {place}")
            _check(item, f"{place}[{key!r}]")
    elif type(value) in (list, tuple):
        for index, item in enumerate(value):
            _check(item, f"{place}[{index}]")
    elif value is not None and type(value) not in (*_PLAIN, *_TENSORS):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise UsageError(
            f"{place} is a {kind}, which a snapshot file cannot hold: numbers, text, lists, dicts and tensors it can; "
            "arrays go in as torch.from_numpy(array) or array.tolist()"
        )
